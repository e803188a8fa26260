//! Elementwise maps with their derivatives, and copies: flat loops over slices, deterministic, no checks. Sums are in `sums.rs`.

use num_traits::Float;

use crate::Failure;
use crate::real::Real;
use crate::tolerances::UNARY_ORDER;

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
}

/// `y = f(x)`.
pub(crate) fn unary<T: Real>(f: Unary, x: &[T], y: &mut [T]) {
    match f {
        Unary::Exp => map(x, y, Float::exp),
        Unary::Ln => map(x, y, Float::ln),
        Unary::Sqrt => map(x, y, Float::sqrt),
        Unary::Recip => map(x, y, |x| T::one() / x),
        Unary::Pow(p) => match small_integer(p) {
            Some(2) => map(x, y, |x| x * x),
            Some(p) => map(x, y, |x| Float::powi(x, p)),
            None => map(x, y, |x| Float::powf(x, T::of(p))),
        },
        Unary::Tanh => map(x, y, Float::tanh),
        Unary::Sigmoid => map(x, y, sigmoid),
        Unary::Relu => map(x, y, |x| if x > T::zero() { x } else { x * T::zero() }),
        Unary::Softplus => map(x, y, |x| relu(x) + Float::ln_1p(Float::exp(-Float::abs(x)))),
        Unary::Sin => map(x, y, Float::sin),
        Unary::Cos => map(x, y, Float::cos),
        Unary::Abs => map(x, y, Float::abs),
        Unary::Ln1p => map(x, y, Float::ln_1p),
        Unary::ExpM1 => map(x, y, Float::exp_m1),
        Unary::Sign => map(x, y, sign),
        Unary::Clamp(low, high) => {
            let (low, high) = (T::of(low), T::of(high));
            // NaN is neither below nor above, and stays.
            map(x, y, |x| {
                if x < low {
                    low
                } else if x > high {
                    high
                } else {
                    x
                }
            });
        }
    }
}

#[inline]
fn map<T: Real>(x: &[T], y: &mut [T], f: impl Fn(T) -> T) {
    debug_assert_eq!(x.len(), y.len());
    for (y, &x) in y.iter_mut().zip(x) {
        *y = f(x);
    }
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

fn relu<T: Real>(x: T) -> T {
    if x > T::zero() { x } else { T::zero() }
}

/// Neither branch overflows.
fn sigmoid<T: Real>(x: T) -> T {
    let e = Float::exp(-Float::abs(x));
    (if x < T::zero() { e } else { T::one() }) / (T::one() + e)
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
        Unary::Ln => power(-1.0, k - 1, x, None, v),
        Unary::Sqrt => power(0.5, k, x, Some(y), v),
        Unary::Recip => power(-1.0, k, x, None, v),
        Unary::Pow(p) => power(p, k, x, small_integer(p).is_none().then_some(y), v),
        Unary::Tanh if k == 1 => each(x, y, v, |_, y| (T::one() - y) * (T::one() + y)),
        Unary::Tanh => {
            let q = chain([1.0, 0.0, -1.0], k);
            each(x, y, v, |_, y| (T::one() - y) * (T::one() + y) * horner(&q, y));
        }
        Unary::Sigmoid if k == 1 => each(x, y, v, |_, y| y * (T::one() - y)),
        Unary::Sigmoid => sigmoid_derivative(k, x, y, v, |_, y| y),
        Unary::Softplus if k == 1 => each(x, y, v, |x, _| sigmoid(x)),
        Unary::Softplus => sigmoid_derivative(k - 1, x, y, v, |x, _| sigmoid(x)),
        Unary::Relu if k == 1 => each(x, y, v, |x, _| if x > zero { T::one() } else { zero }),
        Unary::Abs if k == 1 => each(x, y, v, |x, _| sign(x)),
        Unary::Clamp(low, high) if k == 1 => {
            let (low, high, half) = (T::of(low), T::of(high), T::of(0.5));
            each(x, y, v, |x, _| {
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
        Unary::ExpM1 => each(x, y, v, |x, _| Float::exp(x)),
        Unary::Ln1p => {
            // (ln(1 + x))^(k) = c (1 + x)^-k
            let c = T::of((1..k).fold(1.0, |c, i| -c * f64::from(i)));
            each(x, y, v, |x, _| c / Float::powi(T::one() + x, k as i32));
        }
        Unary::Sin if k.is_multiple_of(2) => each(x, y, v, |_, y| if k.is_multiple_of(4) { y } else { -y }),
        Unary::Sin => each(x, y, v, |x, _| if k % 4 == 1 { Float::cos(x) } else { -Float::cos(x) }),
        Unary::Cos if k.is_multiple_of(2) => each(x, y, v, |_, y| if k.is_multiple_of(4) { y } else { -y }),
        Unary::Cos => each(x, y, v, |x, _| if k % 4 == 3 { Float::sin(x) } else { -Float::sin(x) }),
    }
    Ok(())
}

#[inline]
fn each<T: Real>(x: &[T], y: &[T], v: &mut [T], f: impl Fn(T, T) -> T) {
    for ((v, &x), &y) in v.iter_mut().zip(x).zip(y) {
        *v *= f(x, y);
    }
}

/// The `k`-th derivative of `x^p`: a falling factorial times `x^{p-k}`, or times `y / x^k` if `y = x^p` is given.
/// A vanishing factorial gives zero even at `x = 0`.
fn power<T: Real>(p: f64, k: u32, x: &[T], y: Option<&[T]>, v: &mut [T]) {
    let factor = (0..k).fold(1.0, |s, i| s * (p - f64::from(i)));
    if factor == 0.0 {
        return v.fill(T::zero());
    }
    let (c, rest) = (T::of(factor), p - f64::from(k));
    if let Some(y) = y {
        let k = k as i32;
        return each(
            x,
            y,
            v,
            |x, y| {
                if x == T::zero() { c * Float::powf(x, T::of(rest)) } else { c * y / Float::powi(x, k) }
            },
        );
    }
    match small_integer(rest) {
        Some(0) => each(x, x, v, |_, _| c),
        Some(1) => each(x, x, v, |x, _| c * x),
        Some(-1) => each(x, x, v, |x, _| c / x),
        Some(e) => each(x, x, v, |x, _| c * Float::powi(x, e)),
        None => each(x, x, v, |x, _| c * Float::powf(x, T::of(rest))),
    }
}

type Coefficients = [f64; UNARY_ORDER as usize + 2];

/// If `y' = q(y)` with `q` quadratic, then `y^{(k)} = q(y) r_k(y)` with `r_1 = 1`, `r_{k+1} = (q r_k)'`: the coefficients of `r_k`.
fn chain(q: [f64; 3], k: u32) -> Coefficients {
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

fn horner<T: Real>(r: &Coefficients, y: T) -> T {
    let degree = r.iter().rposition(|&c| c != 0.0).unwrap_or(0);
    r[..=degree].iter().rev().fold(T::zero(), |s, &c| s * y + T::of(c))
}

fn sigmoid_derivative<T: Real>(k: u32, x: &[T], y: &[T], v: &mut [T], s: impl Fn(T, T) -> T) {
    let q = chain([0.0, 1.0, -1.0], k);
    each(x, y, v, |x, y| {
        let s = s(x, y);
        s * (T::one() - s) * horner(&q, s)
    });
}

/// `y += alpha x`.
pub(crate) fn axpy<T: Real>(alpha: T, x: &[T], y: &mut [T]) {
    debug_assert_eq!(x.len(), y.len());
    for (y, &x) in y.iter_mut().zip(x) {
        *y += alpha * x;
    }
}

/// `out = alpha a + beta b`.
pub(crate) fn lincomb<T: Real>(alpha: T, a: &[T], beta: T, b: &[T], out: &mut [T]) {
    debug_assert!(a.len() == out.len() && b.len() == out.len());
    for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
        *out = alpha * a + beta * b;
    }
}

/// `out = alpha x`.
pub(crate) fn scale<T: Real>(alpha: T, x: &[T], out: &mut [T]) {
    map(x, out, |x| alpha * x);
}

/// `out = a o b`.
pub(crate) fn hadamard<T: Real>(a: &[T], b: &[T], out: &mut [T]) {
    debug_assert!(a.len() == out.len() && b.len() == out.len());
    for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
        *out = a * b;
    }
}

/// `out = a / b`, elementwise.
pub(crate) fn divide<T: Real>(a: &[T], b: &[T], out: &mut [T]) {
    debug_assert!(a.len() == out.len() && b.len() == out.len());
    for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
        *out = a / b;
    }
}

/// `out = A'`, in blocks so that both matrices are walked in cache lines.
pub(crate) fn transpose<T: Real>(a: &[T], m: usize, n: usize, out: &mut [T]) {
    debug_assert!(a.len() == m * n && out.len() == m * n);
    if m == 1 || n == 1 {
        return out.copy_from_slice(a);
    }
    // A row of a tile is a cache line; eight lines of one column stride fit where sixteen evict each other.
    const B: usize = 8;
    for j0 in (0..n).step_by(B) {
        for i0 in (0..m).step_by(B) {
            for j in j0..n.min(j0 + B) {
                for i in i0..m.min(i0 + B) {
                    out[j + i * n] = a[i + j * m];
                }
            }
        }
    }
}
