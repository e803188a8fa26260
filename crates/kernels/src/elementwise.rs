//! Elementwise maps with their derivatives, and transposes: which loop serves which function. The loops and the
//! functions that are ours are in `wide/`, sums in `sums.rs`.

use num_traits::Float;
use std::f64::consts::{LOG2_E, LOG10_E};

use crate::atan_root;
use crate::erf;
use crate::gamma::{self, Polygamma};
use crate::inverses::Inverse;
use crate::logistic::Series;
use crate::real::Real;
use crate::stumpff;
use crate::threads::{Size, parts, piece, share};
use crate::tolerances::UNARY_ORDER;
use crate::wide::flat::{each, map};
use crate::wide::{self, OfEntry, SigmoidSlope, SigmoidSlopes, TanhSlope, TanhSlopes};
use crate::{Failure, Scalar};

/// A function applied to every entry.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Unary {
    /// `e^x`.
    Exp,
    /// `ln x`.
    Ln,
    /// The square root.
    Sqrt,
    /// `1 / x`.
    Recip,
    /// `x^p`.
    Pow(f64),
    /// The hyperbolic tangent.
    Tanh,
    /// `1 / (1 + e^{-x})`.
    Sigmoid,
    /// `max(x, 0)`.
    Relu,
    /// `ln(1 + e^x)`.
    Softplus,
    /// `sin x`.
    Sin,
    /// `cos x`.
    Cos,
    /// `|x|`.
    Abs,
    /// `ln(1 + x)`, without the sum.
    Ln1p,
    /// `e^x - 1`, without the difference.
    ExpM1,
    /// `x / |x|`, and 0 at 0.
    Sign,
    /// `x` between two bounds, the nearer bound elsewhere.
    Clamp(f64, f64),
    /// The logarithm to base 2.
    Log2,
    /// The logarithm to base 10.
    Log10,
    /// `tan x`.
    Tan,
    /// The hyperbolic sine.
    Sinh,
    /// The hyperbolic cosine.
    Cosh,
    /// The inverse sine.
    Asin,
    /// The inverse cosine.
    Acos,
    /// The inverse tangent.
    Atan,
    /// The inverse hyperbolic sine.
    Asinh,
    /// The inverse hyperbolic cosine.
    Acosh,
    /// The inverse hyperbolic tangent.
    Atanh,
    /// The error function.
    Erf,
    /// `1 - erf x`, without the difference.
    Erfc,
    /// `ln |Gamma(x)|`.
    LnGamma,
    /// The derivative of `ln |Gamma(x)|`.
    Digamma,
    /// The Stumpff function `c_m(x) = sum_j (-x)^j / (2j + m)!`: `cos`, `sin y / y`, `(1 - cos y) / y^2`, ... of
    /// `y = sqrt x`.
    Stumpff(u32),
    /// `atan(sqrt x) / sqrt x`, which below 0 is `atanh(sqrt -x) / sqrt -x`.
    AtanRoot,
}

/// `y = f(x)`.
pub(crate) fn unary<T: Real>(f: Unary, x: &[T], y: &mut [T]) {
    match f {
        Unary::Exp => wide::map(wide::Exp, x, y),
        Unary::Ln => wide::map(wide::Ln, x, y),
        Unary::Sqrt => map(x, y, Float::sqrt),
        Unary::Recip => map(x, y, |x| T::one() / x),
        Unary::Pow(p) => match small_integer(p) {
            Some(2) => map(x, y, |x| x * x),
            Some(p) => one_by_one(x, y, |x| Float::powi(x, p)),
            None if p == 0.5 => map(x, y, root),
            None if p == -0.5 => map(x, y, |x| T::one() / root(x)),
            None if p == 1.5 => map(x, y, |x| Float::abs(x) * root(x)),
            None => one_by_one(x, y, |x| Float::powf(x, T::of(p))),
        },
        Unary::Tanh => wide::map(wide::Tanh, x, y),
        Unary::Sigmoid => wide::map(wide::Sigmoid, x, y),
        Unary::Relu => map(x, y, |x| if x > T::zero() { x } else { x * T::zero() }),
        Unary::Softplus => wide::map(wide::Softplus, x, y),
        Unary::Sin => wide::map(wide::Sin, x, y),
        Unary::Cos => wide::map(wide::Cos, x, y),
        Unary::Abs => map(x, y, Float::abs),
        Unary::Ln1p => wide::map(wide::Ln1p, x, y),
        Unary::ExpM1 => wide::map(wide::ExpM1, x, y),
        Unary::Sign => map(x, y, sign),
        Unary::Clamp(low, high) => {
            let (low, high) = (T::of(low), T::of(high));
            // NaN is neither below nor above, and stays.
            map(x, y, move |x| {
                if x < low {
                    low
                } else if x > high {
                    high
                } else {
                    x
                }
            });
        }
        Unary::Log2 => one_by_one(x, y, Float::log2),
        Unary::Log10 => one_by_one(x, y, Float::log10),
        Unary::Tan => one_by_one(x, y, Float::tan),
        Unary::Sinh => one_by_one(x, y, Float::sinh),
        Unary::Cosh => one_by_one(x, y, Float::cosh),
        Unary::Erf => wide::map(wide::Erf, x, y),
        Unary::Erfc => one_by_one(x, y, in_double(libm::erfc)),
        Unary::LnGamma => one_by_one(x, y, in_double(crate::ln_gamma::ln_gamma)),
        Unary::Digamma => one_by_one(x, y, in_double(gamma::digamma)),
        Unary::Stumpff(m) => one_by_one(x, y, in_double(|x| stumpff::derivative(m, 0, x))),
        Unary::AtanRoot => one_by_one(x, y, in_double(|x| atan_root::derivative(0, x))),
        Unary::Asin => one_by_one(x, y, in_double(|x| Inverse::Asin.value(x))),
        Unary::Acos => one_by_one(x, y, in_double(|x| Inverse::Acos.value(x))),
        Unary::Atan => one_by_one(x, y, in_double(|x| Inverse::Atan.value(x))),
        Unary::Asinh => one_by_one(x, y, in_double(|x| Inverse::Asinh.value(x))),
        Unary::Acosh => one_by_one(x, y, in_double(|x| Inverse::Acosh.value(x))),
        Unary::Atanh => one_by_one(x, y, in_double(|x| Inverse::Atanh.value(x))),
    }
}

/// `y = f(x)` where `f` costs so much that wide registers would not help.
#[inline]
fn one_by_one<T: Real>(x: &[T], y: &mut [T], f: impl Fn(T) -> T) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y = f(x);
    }
}

/// `x^(1/2)` as a power: without a sign at 0, and infinite at both infinities.
#[inline(always)]
fn root<T: Real>(x: T) -> T {
    let y = Float::sqrt(x + T::zero());
    if x == T::neg_infinity() { T::infinity() } else { y }
}

/// A function of doubles for either scalar: single precision is then right to its own rounding.
fn in_double<T: Real>(f: impl Fn(f64) -> f64) -> impl Fn(T) -> T {
    move |x| T::of(f(Scalar::f64(x)))
}

fn sign<T: Real>(x: T) -> T {
    if x > T::zero() {
        T::one()
    } else if x < T::zero() {
        -T::one()
    } else {
        // Zero, of either sign, and NaN.
        x * T::zero()
    }
}

/// `p` as an exponent for repeated multiplication, if it is one.
fn small_integer(p: f64) -> Option<i32> {
    (p == p.trunc() && p.abs() <= 64.0).then_some(p as i32)
}

/// `v = f^{(k)}(x) o v`, with `y = f(x)`.
#[inline]
pub(crate) fn unary_derivative_assign<T: Real>(f: Unary, k: u32, x: &[T], y: &[T], v: &mut [T]) -> Result<(), Failure> {
    debug_assert!(x.len() == y.len() && x.len() == v.len());
    if k == 0 || k > UNARY_ORDER {
        return Err(Failure::Unsupported { what: "an elementwise derivative of this order" });
    }
    let zero = T::zero();
    match f {
        Unary::Exp => each(x, y, v, |_, y| y),
        Unary::Ln => power(1.0, -1.0, k - 1, x, None, v),
        Unary::Log2 => power(LOG2_E, -1.0, k - 1, x, None, v),
        Unary::Log10 => power(LOG10_E, -1.0, k - 1, x, None, v),
        Unary::Sqrt => power(1.0, 0.5, k, x, Some(y), v),
        Unary::Recip => power(1.0, -1.0, k, x, None, v),
        Unary::Pow(p) => power(1.0, p, k, x, small_integer(p).is_none().then_some(y), v),
        Unary::Tanh if k == 1 => wide::multiply(TanhSlope, x, y, v),
        Unary::Tanh => {
            let series = Series::new(k);
            match k {
                2 => wide::multiply(TanhSlopes::<2>(series), x, y, v),
                3 => wide::multiply(TanhSlopes::<3>(series), x, y, v),
                4 => wide::multiply(TanhSlopes::<4>(series), x, y, v),
                _ => each(x, y, v, |x, y| series.tanh(x, y)),
            }
        }
        Unary::Sigmoid if k == 1 => wide::multiply(SigmoidSlope, x, y, v),
        Unary::Softplus if k == 1 => wide::multiply(OfEntry(wide::Sigmoid), x, y, v),
        Unary::Sigmoid | Unary::Softplus => {
            let k = if f == Unary::Sigmoid { k } else { k - 1 };
            let series = Series::new(k);
            match k {
                1 => wide::multiply(SigmoidSlopes::<1>(series), x, y, v),
                2 => wide::multiply(SigmoidSlopes::<2>(series), x, y, v),
                3 => wide::multiply(SigmoidSlopes::<3>(series), x, y, v),
                4 => wide::multiply(SigmoidSlopes::<4>(series), x, y, v),
                _ => each(x, y, v, |x, _| series.logistic(x)),
            }
        }
        Unary::Relu if k == 1 => each(x, y, v, move |x, _| if x > zero { T::one() } else { zero }),
        Unary::Abs if k == 1 => each(x, y, v, |x, _| sign(x)),
        Unary::Clamp(low, high) if k == 1 => {
            let (low, high, half) = (T::of(low), T::of(high), T::of(0.5));
            each(x, y, v, move |x, _| {
                if x > low && x < high {
                    T::one()
                } else if x == low || x == high {
                    half
                } else {
                    zero
                }
            });
        }
        Unary::Relu | Unary::Abs | Unary::Sign | Unary::Clamp(..) => v.fill(zero),
        Unary::ExpM1 => wide::multiply(OfEntry(wide::Exp), x, y, v),
        Unary::Ln1p => {
            // (-1)^(k-1) (k-1)! (1 + x)^-k, without a power that leaves the range before the product does.
            each(x, y, v, move |x, _| {
                let r = T::one() / (T::one() + x);
                (1..k).fold(r, |p, i| -p * (T::of(f64::from(i)) * r))
            });
        }
        Unary::Sin if k.is_multiple_of(2) => each(x, y, v, move |_, y| if k.is_multiple_of(4) { y } else { -y }),
        Unary::Sin => {
            wide::multiply(OfEntry(wide::Cos), x, y, v);
            if k % 4 == 3 {
                map_assign(v, |v| -v);
            }
        }
        Unary::Cos if k.is_multiple_of(2) => each(x, y, v, move |_, y| if k.is_multiple_of(4) { y } else { -y }),
        Unary::Cos => {
            wide::multiply(OfEntry(wide::Sin), x, y, v);
            if k % 4 == 1 {
                map_assign(v, |v| -v);
            }
        }
        Unary::Tan => {
            // tan' = 1 + tan^2, and every coefficient is positive: nothing cancels.
            let r = chain([1.0, 0.0, 1.0], k);
            each(x, y, v, |x, y| {
                let t = if size_of::<T>() == 8 { Scalar::f64(y) } else { Scalar::f64(x).tan() };
                T::of((1.0 + t * t) * horner(&r, t))
            });
        }
        Unary::Sinh if k.is_multiple_of(2) => each(x, y, v, |_, y| y),
        Unary::Sinh => each(x, y, v, |x, _| Float::cosh(x)),
        Unary::Cosh if k.is_multiple_of(2) => each(x, y, v, |_, y| y),
        Unary::Cosh => each(x, y, v, |x, _| Float::sinh(x)),
        Unary::Erf => doubles(x, v, |x| erf::derivative(k, x)),
        Unary::Erfc => doubles(x, v, |x| -erf::derivative(k, x)),
        Unary::LnGamma if k == 1 => doubles(x, v, gamma::digamma),
        Unary::LnGamma | Unary::Digamma => {
            let psi = Polygamma::new(if f == Unary::Digamma { k } else { k - 1 });
            doubles(x, v, |x| psi.at(x));
        }
        Unary::Stumpff(m) => doubles(x, v, |x| stumpff::derivative(m, k, x)),
        Unary::AtanRoot => doubles(x, v, |x| atan_root::derivative(k, x)),
        Unary::Asin => doubles(x, v, |x| Inverse::Asin.derivative(k, x)),
        Unary::Acos => doubles(x, v, |x| Inverse::Acos.derivative(k, x)),
        Unary::Atan => doubles(x, v, |x| Inverse::Atan.derivative(k, x)),
        Unary::Asinh => doubles(x, v, |x| Inverse::Asinh.derivative(k, x)),
        Unary::Acosh => doubles(x, v, |x| Inverse::Acosh.derivative(k, x)),
        Unary::Atanh => doubles(x, v, |x| Inverse::Atanh.derivative(k, x)),
    }
    Ok(())
}

fn map_assign<T: Real>(v: &mut [T], f: impl Fn(T) -> T) {
    v.iter_mut().for_each(|v| *v = f(*v));
}

/// `v = f(x) o v` with `f` in double precision.
fn doubles<T: Real>(x: &[T], v: &mut [T], f: impl Fn(f64) -> f64) {
    v.iter_mut().zip(x).for_each(|(v, x)| *v *= T::of(f(Scalar::f64(*x))));
}

/// The `k`-th derivative of `s x^p`: a falling factorial times `s x^{p-k}`, or times `s y / x^k` if `y = x^p` is given.
/// A vanishing factorial gives zero even at `x = 0`. No power leaves the range before the product does.
fn power<T: Real>(s: f64, p: f64, k: u32, x: &[T], y: Option<&[T]>, v: &mut [T]) {
    let factor = (0..k).fold(s, |s, i| s * (p - f64::from(i)));
    if factor == 0.0 {
        return v.fill(T::zero());
    }
    let (c, rest) = (T::of(factor), p - f64::from(k));
    if let Some(y) = y {
        return each(x, y, v, move |x, y| match x == T::zero() {
            true => c * Float::powf(x, T::of(rest)),
            false => (0..k).fold(c * y, |y, _| y / x),
        });
    }
    match small_integer(rest) {
        Some(0) => each(x, x, v, move |_, _| c),
        Some(1) => each(x, x, v, move |x, _| c * x),
        Some(-1) => each(x, x, v, move |x, _| c / x),
        Some(e) if e < 0 => each(x, x, v, move |x, _| {
            let r = T::one() / x;
            c * r * Float::powi(r, -1 - e)
        }),
        Some(e) => each(x, x, v, move |x, _| c * Float::powi(x, e)),
        None => each(x, x, v, move |x, _| c * Float::powf(x, T::of(rest))),
    }
}

pub(crate) type Coefficients = [f64; UNARY_ORDER as usize + 2];

/// If `y' = q(y)` with `q` quadratic, then `y^{(k)} = q(y) r_k(y)` with `r_1 = 1`, `r_{k+1} = (q r_k)'`: the
/// coefficients of `r_k`.
pub(crate) fn chain(q: [f64; 3], k: u32) -> Coefficients {
    let mut r = [0.0; UNARY_ORDER as usize + 2];
    r[0] = 1.0;
    for step in 1..k as usize {
        let mut product = [0.0; UNARY_ORDER as usize + 4];
        for i in 0..step {
            for j in 0..3 {
                product[i + j] += r[i] * q[j];
            }
        }
        for i in 0..=step {
            r[i] = (i + 1) as f64 * product[i + 1];
        }
    }
    r
}

pub(crate) fn horner<T: Real>(r: &Coefficients, y: T) -> T {
    let degree = r.iter().rposition(|&c| c != 0.0).unwrap_or(0);
    r[..=degree].iter().rev().fold(T::zero(), |s, &c| s * y + T::of(c))
}

/// `out = A^T`, shared among threads where those were asked for.
pub(crate) fn transpose<T: Real>(a: &[T], m: usize, n: usize, out: &mut [T]) {
    debug_assert!(a.len() == m * n && out.len() == m * n);
    if m == 1 || n == 1 {
        return out.copy_from_slice(a);
    }
    match (m, n) {
        (2, 2) => return transpose_small(&a[..4], 2, 2, &mut out[..4]),
        (3, 3) => return transpose_small(&a[..9], 3, 3, &mut out[..9]),
        (4, 4) => return transpose_small(&a[..16], 4, 4, &mut out[..16]),
        (1..=TILE, 1..=TILE) => return transpose_small(a, m, n, out),
        _ => {}
    }
    match parts(Size::Entries(m * n)) {
        1 => transpose_rows(a, m, n, 0, out),
        k => {
            let rows = piece(m, k, TILE);
            share(out.chunks_mut(rows * n).enumerate(), |(i, out)| transpose_rows(a, m, n, i * rows, out));
        }
    }
}

/// A row of a tile is a cache line; eight lines of one column stride fit where sixteen evict each other.
const TILE: usize = 8;

/// [`transpose`] of one tile. Inlined, so that where the order is written down the compiler needs no loop.
#[inline(always)]
fn transpose_small<T: Real>(a: &[T], m: usize, n: usize, out: &mut [T]) {
    for (j, column) in a.chunks_exact(m).enumerate() {
        for (i, &x) in column.iter().enumerate() {
            out[j + i * n] = x;
        }
    }
}

/// The rows of `A` from `first` on, as many as `out` has columns, in blocks so that both matrices are walked in cache
/// lines.
fn transpose_rows<T: Real>(a: &[T], m: usize, n: usize, first: usize, out: &mut [T]) {
    let rows = out.len() / n.max(1);
    for j0 in (0..n).step_by(TILE) {
        for i0 in (0..rows).step_by(TILE) {
            for j in j0..n.min(j0 + TILE) {
                for i in i0..rows.min(i0 + TILE) {
                    out[j + i * n] = a[first + i + j * m];
                }
            }
        }
    }
}
