//! The exponential and what is made of it.
//!
//! With `n` the integer nearest to `x / ln 2` and `x = n ln 2 + r`, `e^x = 2^n e^r` and `e^r = 1 + r + r^2 q(r)` with a
//! polynomial `q`. The rounding error `l` of `r` is kept. Then `1 + r` is taken apart into its rounded value and the
//! rest, so that only the last addition rounds at the size of the result.

use super::Entry;
use super::lane::{Lane, madd};
use super::log::ln_1p_of_fraction;

/// `e^x`.
pub(crate) struct Exp;
/// `e^x - 1`.
pub(crate) struct ExpM1;
/// `tanh x`.
pub(crate) struct Tanh;
/// `1 / (1 + e^-x)`.
pub(crate) struct Sigmoid;
/// `ln(1 + e^x)`.
pub(crate) struct Softplus;

/// `SHIFT + n`, `r` and `l + r^2 q(r)`.
#[inline(always)]
fn reduced<const F: bool, T: Lane>(x: T) -> (T, T, T) {
    let shifted = madd::<F, T>(x, T::LOG2_E, T::SHIFT);
    let n = shifted - T::SHIFT;
    let high = madd::<F, T>(-n, T::LN_2[0], x);
    let low = n * T::LN_2[1];
    let r = high - low;
    let lost = (high - r) - low;
    (shifted, r, madd::<F, T>(r * r, T::exp_tail::<F>(r), lost))
}

/// `e^x` for any `x`.
#[inline(always)]
pub(super) fn exp<const F: bool, T: Lane>(x: T) -> T {
    let (shifted, r, rest) = reduced::<F, T>(clamp(x, T::EXP_RANGE[0], T::EXP_RANGE[1]));
    let whole = T::one() + r;
    let y = whole + (((T::one() - whole) + r) + rest);
    // In two steps, so that the first is exact and a subnormal result rounds once.
    let (a, b) = T::powers(shifted);
    (y * a) * b
}

/// `(e^x - 1) / 2` for any `x` that is not tiny: `2^(n-1) (e^r - 1) + (2^(n-1) - 1/2)`, where the power does not
/// overflow before twice the result does.
#[inline(always)]
fn half_exp_m1<const F: bool, T: Lane>(x: T) -> T {
    let (shifted, r, rest) = reduced::<F, T>(clamp(x, T::of(-40.0), T::EXP_RANGE[1]));
    let power = T::half_power(shifted);
    madd::<F, T>(power, r + rest, power - T::of(0.5))
}

/// `e^x - 1` for any `x`.
#[inline(always)]
fn exp_m1<const F: bool, T: Lane>(x: T) -> T {
    let y = half_exp_m1::<F, T>(x);
    // Half of a subnormal number may not be one.
    if x.abs() < T::TINY { x } else { y + y }
}

/// `e^x` and `e^x - 1` for `x` at most 0, from one reduction.
#[inline(always)]
pub(super) fn exp_and_less_one<const F: bool, T: Lane>(x: T) -> (T, T) {
    let (shifted, r, rest) = reduced::<F, T>(clamp(x, T::EXP_RANGE[0], T::zero()));
    let whole = T::one() + r;
    let (a, b) = T::powers(shifted);
    let e = ((whole + (((T::one() - whole) + r) + rest)) * a) * b;
    let (power, half) = (T::half_power(shifted), T::of(0.5));
    let less = madd::<F, T>(power, r + rest, power - half);
    let less = if x < T::of(-40.0) { -T::one() } else { less + less };
    (e, if x.abs() < T::TINY { x } else { less })
}

/// A NaN stays.
#[inline(always)]
fn clamp<T: Lane>(x: T, low: T, high: T) -> T {
    let x = if x < low { low } else { x };
    if x > high { high } else { x }
}

impl<T: Lane> Entry<T> for Exp {
    #[inline(always)]
    fn at<const F: bool>(&self, x: T) -> T {
        exp::<F, T>(x)
    }
}

impl<T: Lane> Entry<T> for ExpM1 {
    #[inline(always)]
    fn at<const F: bool>(&self, x: T) -> T {
        exp_m1::<F, T>(x)
    }

    #[inline(always)]
    fn keeps(&self, x: T) -> bool {
        x.abs() < T::TINY
    }
}

impl<T: Lane> Entry<T> for Tanh {
    /// `u / (u + 1)` with `u = (e^(2 |x|) - 1) / 2`; from 20 on it is 1.
    #[inline(always)]
    fn at<const F: bool>(&self, x: T) -> T {
        let size = x.abs();
        let size = if size > T::of(20.0) { T::of(20.0) } else { size };
        let u = half_exp_m1::<F, T>(size + size);
        let u = if size + size < T::TINY { size } else { u };
        (u / (u + T::one())).copysign(x)
    }

    #[inline(always)]
    fn keeps(&self, x: T) -> bool {
        x.abs() + x.abs() < T::TINY
    }
}

impl<T: Lane> Entry<T> for Sigmoid {
    /// Of the exponentials of `x` and of `-x` the one that does not overflow.
    #[inline(always)]
    fn at<const F: bool>(&self, x: T) -> T {
        let e = exp::<F, T>(-x.abs());
        (if x < T::zero() { e } else { T::one() }) / (T::one() + e)
    }
}

impl<T: Lane> Entry<T> for Softplus {
    /// `max(x, 0) + ln(1 + e^-|x|)`.
    #[inline(always)]
    fn at<const F: bool>(&self, x: T) -> T {
        let e = exp::<F, T>(-x.abs());
        (if x > T::zero() { x } else { T::zero() }) + ln_1p_of_fraction::<F, T>(e)
    }
}
