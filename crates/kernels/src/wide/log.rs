//! The logarithm, and that of `1 + x`.
//!
//! With `x = 2^k m` and `f = m - 1`, `ln x = k ln 2 + ln(1 + f)`, and `ln(1 + f) = 2 atanh(s)` with `s = f / (2 + f)`.
//! Since `2 s = f - s f` and `s f = f^2 / 2 - s f^2 / 2`, with `h = f^2 / 2` and `t = 2 (atanh(s) - s) / s`
//!
//! `ln(1 + f) = f - (h - s (h + t))`,
//!
//! where `f` is exact and the rest is small beside it. This is the arrangement of Sun's fdlibm; the polynomial for `t`
//! is our own.

use super::Entry;
use super::lane::{Lane, madd};

/// `ln x`.
pub(crate) struct Ln;
/// `ln(1 + x)`.
pub(crate) struct Ln1p;

/// `k ln 2 + ln(1 + f) + c` with `c` small.
#[inline(always)]
fn assembled<const F: bool, T: Lane>(k: T, f: T, c: T) -> T {
    let s = f / (T::of(2.0) + f);
    let h = T::of(0.5) * f * f;
    let t = T::ln_tail::<F>(s * s);
    let low = madd::<F, T>(k, T::LN_2[1], c);
    madd::<F, T>(k, T::LN_2[0], f - (h - madd::<F, T>(s, h + t, low)))
}

/// What the logarithm of `x` is, where `y` is it for positive finite `x`.
#[inline(always)]
fn at_the_ends<T: Lane>(x: T, y: T) -> T {
    let y = if x < T::infinity() { y } else { x };
    let y = if x == T::zero() { T::neg_infinity() } else { y };
    if x < T::zero() { T::nan() } else { y }
}

impl<T: Lane> Entry<T> for Ln {
    #[inline(always)]
    fn at<const F: bool>(&self, x: T) -> T {
        let small = x < T::min_positive_value();
        let (lift, lifted) = (if small { T::LIFT[0] } else { T::one() }, if small { T::LIFT[1] } else { T::zero() });
        let (k, m) = (x * lift).split();
        at_the_ends(x, assembled::<F, T>(k - lifted, m - T::one(), T::zero()))
    }
}

/// `ln(1 + x)`: with `u` the rounded sum `1 + x`, the rest `c` of the sum adds `c / u`.
#[inline(always)]
fn ln_1p<const F: bool, T: Lane>(x: T) -> T {
    let one = T::one();
    let u = one + x;
    let lost = if x < one { x - (u - one) } else { one - (u - x) };
    let (k, m) = u.split();
    // Near 0 the rest is not small beside f, but there f is x itself.
    let near = x.abs() < T::of(0.25);
    let (f, c) = (if near { x } else { m - one }, if near { T::zero() } else { lost / u });
    let y = at_the_ends(u, assembled::<F, T>(k, f, c));
    if x.abs() < T::TINY { x } else { y }
}

/// `ln(1 + x)` for `0 <= x <= 1`: nothing is taken apart, and the polynomial is longer.
#[inline(always)]
pub(super) fn ln_1p_of_fraction<const F: bool, T: Lane>(x: T) -> T {
    let s = x / (T::of(2.0) + x);
    let h = T::of(0.5) * x * x;
    x - (h - s * (h + T::ln_long_tail::<F>(s * s)))
}

impl<T: Lane> Entry<T> for Ln1p {
    #[inline(always)]
    fn at<const F: bool>(&self, x: T) -> T {
        ln_1p::<F, T>(x)
    }

    #[inline(always)]
    fn keeps(&self, x: T) -> bool {
        x.abs() < T::TINY
    }
}
