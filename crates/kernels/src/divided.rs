//! Scalar functions of a symmetric matrix and their divided differences, accurate at ties, near them and far from them.
//!
//! `f[x_0, ..., x_k]` by definition cancels. Here every formula is a sum of terms of one sign, or a difference of
//! numbers that are well apart: a Taylor series about an end point while the points are close, the recursion once they
//! are not. Matrices do not live here.

use crate::Scalar;
use crate::divided_angles::{arc, stumpff};
use crate::divided_own::{OwnFn, ScalarFn, general};
use crate::tolerances::{MAX_POINTS, PRODUCTS_SECOND, SERIES_END, TAYLOR, TAYLOR_EXP, TAYLOR_SECOND, UNARY_ORDER};

/// A scalar function applied to the spectrum of a symmetric matrix.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum SymFn {
    /// `e^x`.
    Exp,
    /// `ln x`.
    Ln,
    /// `x^p`; a non-negative integer `p` allows every real `x`, any other needs `x > 0`.
    Pow(f64),
    /// `x ln x`.
    XLogX,
    /// `ln x + c`.
    LnPlus(f64),
    /// `|x|`; not differentiable at 0.
    Abs,
    /// The sign of `x`; not differentiable at 0.
    Sign,
    /// The derivative of order `k` of the Stumpff function `c_m(x) = sum_j (-x)^j / (2j + m)!`, an entire function:
    /// `c_0(x) = cos sqrt x`, `c_1(x) = sin(sqrt x) / sqrt x`, `c_2(x) = (1 - cos sqrt x) / x`.
    Stumpff {
        /// Which function.
        m: u32,
        /// Which derivative of it.
        k: u32,
    },
    /// The derivative of order `k` of `atan(sqrt x) / sqrt x`, analytic at 0 too.
    ArcTan {
        /// Which derivative.
        k: u32,
    },
    /// A function of your own: [`SymFn::own`].
    Own(OwnFn),
}

impl SymFn {
    /// `cos sqrt x`.
    pub const COS_SQRT: Self = Self::Stumpff { m: 0, k: 0 };
    /// `sin(sqrt x) / sqrt x`.
    pub const SINC_SQRT: Self = Self::Stumpff { m: 1, k: 0 };
    /// `(1 - cos sqrt x) / x`.
    pub const COSC_SQRT: Self = Self::Stumpff { m: 2, k: 0 };
    /// `atan(sqrt x) / sqrt x`.
    pub const ATANC_SQRT: Self = Self::ArcTan { k: 0 };
    /// The square root.
    pub const SQRT: Self = Self::Pow(0.5);
    /// One over the square root.
    pub const INV_SQRT: Self = Self::Pow(-0.5);
    /// `1 / x`.
    pub const RECIP: Self = Self::Pow(-1.0);

    /// A function of your own. Differences between eigenvalues that are far apart are formed from its values, those
    /// between close ones by quadrature of its derivative (Hermite-Genocchi), whichever is more accurate.
    ///
    /// ```
    /// use pullback_kernels::{ScalarFn, SymFn};
    /// struct Cosh;
    /// impl ScalarFn for Cosh {
    ///     fn name(&self) -> &'static str {
    ///         "cosh"
    ///     }
    ///     fn orders(&self) -> u32 {
    ///         3
    ///     }
    ///     fn derivative(&self, k: u32, x: f64) -> f64 {
    ///         if k % 2 == 0 { x.cosh() } else { x.sinh() }
    ///     }
    /// }
    /// let f = SymFn::own(&Cosh);
    /// assert!((f.divided(&[1.0, 1.0 + 1e-9]) - 1f64.sinh()).abs() < 1e-8);
    /// ```
    #[must_use]
    pub fn own(f: &'static dyn ScalarFn) -> Self {
        Self::Own(OwnFn { f, order: 0 })
    }

    /// The highest derivative there is, if there is an end; negative if not even the function itself.
    pub(crate) fn supplied(self) -> Option<i64> {
        match self {
            Self::Own(own) => Some(i64::from(own.f.orders()) - i64::from(own.order)),
            Self::Stumpff { k, .. } => Some(i64::from(UNARY_ORDER) - i64::from(k)),
            _ => None,
        }
    }

    /// The `p` of `f(c x) = c^p f(x)`, or of its derivatives of order `k > 0` alone.
    pub(crate) fn degree(self, k: usize) -> Option<f64> {
        match self {
            Self::Pow(p) if k > 0 => Some(p),
            Self::Ln | Self::LnPlus(_) if k > 0 => Some(0.0),
            Self::XLogX if k > 1 => Some(1.0),
            _ => None,
        }
    }

    /// The first order that does not exist at 0, if there is one.
    pub(crate) fn kink(self) -> Option<usize> {
        match self {
            Self::Abs => Some(1),
            Self::Sign => Some(0),
            _ => None,
        }
    }

    /// `f' = scale * g`, as `(scale, g)`.
    #[must_use]
    pub fn derivative(self) -> (f64, Self) {
        match self {
            Self::Exp => (1.0, Self::Exp),
            Self::Ln | Self::LnPlus(_) => (1.0, Self::RECIP),
            Self::Pow(0.0) => (0.0, Self::Pow(0.0)),
            Self::Pow(p) => (p, Self::Pow(p - 1.0)),
            Self::XLogX => (1.0, Self::LnPlus(1.0)),
            Self::Abs => (1.0, Self::Sign),
            Self::Sign => (0.0, Self::Sign),
            Self::Stumpff { m, k } => (1.0, Self::Stumpff { m, k: k + 1 }),
            Self::ArcTan { k } => (1.0, Self::ArcTan { k: k + 1 }),
            Self::Own(own) => (1.0, Self::Own(OwnFn { order: own.order + 1, ..own })),
        }
    }

    /// `f(x)`.
    #[must_use]
    pub fn value<T: Scalar>(self, x: T) -> T {
        T::of(value(self, x.f64()))
    }

    /// The divided difference `f[x_0, ..., x_k]` over `k + 1 <= 16` points in any order, ties allowed.
    ///
    /// The relative error is about `1e-14` for orders up to three (of the larger term where the result itself changes
    /// sign, as `(x ln x)'` does). Points outside the domain give NaN.
    ///
    /// # Panics
    /// With more than 16 points.
    #[must_use]
    pub fn divided<T: Scalar>(self, points: &[T]) -> T {
        let mut x = [0.0; MAX_POINTS];
        for (x, p) in x.iter_mut().zip(points) {
            *x = p.f64();
        }
        let x = &mut x[..points.len()];
        x.sort_unstable_by(f64::total_cmp);
        T::of(sorted(self, x))
    }

    /// Is the recursion over first differences accurate for second differences between `a <= b`?
    pub(crate) fn apart(self, a: f64, b: f64) -> bool {
        let spread = match self {
            Self::Exp | Self::Stumpff { .. } => TAYLOR_EXP,
            Self::ArcTan { .. } => TAYLOR * b.max(1.0),
            Self::Ln | Self::LnPlus(_) => TAYLOR * b,
            Self::Pow(p) if p > 2.0 && p != p.trunc() => TAYLOR * a,
            Self::Pow(_) | Self::XLogX | Self::Abs | Self::Sign | Self::Own(_) => TAYLOR * a.abs().max(b.abs()),
        };
        b - a > PRODUCTS_SECOND * spread
    }

    /// Must the spectrum be positive?
    pub(crate) fn needs_positive(self) -> bool {
        match self {
            Self::Exp | Self::Abs | Self::Sign | Self::Stumpff { .. } | Self::ArcTan { .. } | Self::Own(_) => false,
            Self::Ln | Self::XLogX | Self::LnPlus(_) => true,
            Self::Pow(p) => whole(p).is_none(),
        }
    }
}

/// A non-negative integer exponent.
fn whole(p: f64) -> Option<usize> {
    (p >= 0.0 && p == p.trunc() && p <= 1e4).then_some(p as usize)
}

fn value(f: SymFn, x: f64) -> f64 {
    match f {
        SymFn::Exp => x.exp(),
        SymFn::Ln => x.ln(),
        SymFn::LnPlus(c) => x.ln() + c,
        SymFn::XLogX => x * x.ln(),
        SymFn::Abs => x.abs(),
        SymFn::Sign if x == 0.0 => 0.0,
        SymFn::Sign => x.signum(),
        SymFn::Stumpff { m, k } => crate::stumpff::derivative(m, k, x),
        SymFn::ArcTan { k } => arc(k, &[x]),
        SymFn::Own(f) => f.at(0, x),
        SymFn::Pow(0.5) => x.sqrt(),
        SymFn::Pow(-0.5) => 1.0 / x.sqrt(),
        SymFn::Pow(p) if p == p.trunc() && p.abs() <= 64.0 => x.powi(p as i32),
        SymFn::Pow(p) => x.powf(p),
    }
}

/// The divided difference over ascending points, by the shape of `f`.
fn sorted(f: SymFn, x: &[f64]) -> f64 {
    match (f, x) {
        (_, []) => 0.0,
        (f, &[x]) => value(f, x),
        (SymFn::Exp, &[.., last]) => {
            // Relative to the largest point nothing overflows.
            let mut t = [0.0; MAX_POINTS];
            let t = &mut t[..x.len()];
            t.iter_mut().zip(x).for_each(|(t, x)| *t = x - last);
            last.exp() * exponential(t, share(x))
        }
        (SymFn::Ln | SymFn::LnPlus(_), x) => smooth(0.0, x, share(x)),
        // The product rule `(g h)[x_0..x_k] = g(x_0) h[x_0..x_k] + g[x_0, x_1] h[x_1..x_k]` for `g(x) = x`. As `x_0` is
        // the smallest point, the first term is the small one where the points are apart.
        (SymFn::XLogX, &[a, b]) => b.ln() + a * slope(0.0, a, b),
        (SymFn::XLogX, x) => x[0] * smooth(0.0, x, share(x)) + smooth(0.0, &x[1..], share(x)),
        (SymFn::Abs | SymFn::Sign, x) => kinked(f, x),
        (SymFn::Stumpff { m, k }, x) => stumpff(m, k, x),
        (SymFn::ArcTan { k }, x) => arc(k, x),
        (SymFn::Own(f), x) => general(&|k, x| f.at(k, x), x).0,
        (SymFn::Pow(0.5), &[a, b]) => 1.0 / (a.sqrt() + b.sqrt()),
        (SymFn::Pow(0.5), &[a, b, c]) => {
            let (a, b, c) = (a.sqrt(), b.sqrt(), c.sqrt());
            -1.0 / ((a + b) * (b + c) * (a + c))
        }
        (SymFn::Pow(-0.5), &[a, b]) => {
            let (a, b) = (a.sqrt(), b.sqrt());
            -1.0 / (a * b * (a + b))
        }
        (SymFn::Pow(p), x) => match (whole(p), whole(-p)) {
            (Some(p), _) => p.checked_sub(x.len() - 1).map_or(0.0, |d| homogeneous(d, x)),
            (None, Some(m)) => reciprocal(m, x),
            _ => smooth(p, x, share(x)),
        },
    }
}

/// `|x|` and its sign: linear or constant on either side of 0, so differences are those of the sides' or between them.
fn kinked(f: SymFn, x: &[f64]) -> f64 {
    let k = x.len() - 1;
    match (k, x[0] * x[k] > 0.0 || x[0] == x[k]) {
        (0, _) => value(f, x[0]),
        (1, true) => {
            if f == SymFn::Abs {
                x[0].signum()
            } else {
                0.0
            }
        }
        (_, true) => 0.0,
        _ => recursion(x, |x| kinked(f, x)),
    }
}

/// `h_d(x_0, ..., x_k)`, the sum of all monomials of degree `d`: the divided difference of `x^{d+k}`.
fn homogeneous(d: usize, x: &[f64]) -> f64 {
    let mut h = Homogeneous::new(x.len());
    for _ in 0..d {
        h.next(x);
    }
    h.last()
}

/// `x^{-m}[x_0, ..., x_k] = (-1)^k h_{m-1}(1/x_0, ..., 1/x_k) / prod x_i`.
pub(crate) fn reciprocal(m: usize, x: &[f64]) -> f64 {
    let mut inverse = [0.0; MAX_POINTS];
    let inverse = &mut inverse[..x.len()];
    inverse.iter_mut().zip(x).for_each(|(y, x)| *y = 1.0 / x);
    let sign = if x.len().is_multiple_of(2) { -1.0 } else { 1.0 };
    sign * inverse.iter().product::<f64>() * homogeneous(m - 1, inverse)
}

/// The complete homogeneous polynomials of growing degree: `h_d(x_0..x_j) = h_d(x_0..x_{j-1}) + x_j h_{d-1}(x_0..x_j)`.
pub(crate) struct Homogeneous {
    h: [f64; MAX_POINTS],
    len: usize,
}

impl Homogeneous {
    pub(crate) fn new(len: usize) -> Self {
        Self { h: [1.0; MAX_POINTS], len }
    }

    pub(crate) fn next(&mut self, x: &[f64]) {
        let mut before = 0.0;
        for (h, x) in self.h[..self.len].iter_mut().zip(x) {
            before += x * *h;
            *h = before;
        }
    }

    pub(crate) fn last(&self) -> f64 {
        self.h[self.len - 1]
    }
}

/// The share of the spreads in `tolerances` within which the series is used.
fn share(x: &[f64]) -> f64 {
    if x.len() == 3 { TAYLOR_SECOND } else { 1.0 }
}

/// `(f[x_1..x_k] - f[x_0..x_{k-1}]) / (x_k - x_0)`.
fn recursion(x: &[f64], f: impl Fn(&[f64]) -> f64) -> f64 {
    let k = x.len() - 1;
    (f(&x[1..]) - f(&x[..k])) / (x[k] - x[0])
}

/// `exp[x_0, ..., x_k]` for ascending points, the last of them zero.
fn exponential(x: &[f64], share: f64) -> f64 {
    let k = x.len() - 1;
    let spread = x[k] - x[0];
    if k == 0 {
        return x[0].exp();
    }
    if k == 1 {
        return if spread == 0.0 { x[1].exp() } else { x[1].exp() * (-(-spread).exp_m1() / spread) };
    }
    if spread > share * TAYLOR_EXP {
        return recursion(x, |x| exponential(x, share));
    }
    // About the smallest point all terms h_i(t) / (k + i)! are positive.
    let mut t = [0.0; MAX_POINTS];
    let t = &mut t[..k];
    t.iter_mut().zip(&x[1..]).for_each(|(t, y)| *t = y - x[0]);
    let mut h = Homogeneous::new(k);
    let mut factorial = (1..=k).fold(1.0, |s, i| s * i as f64);
    let mut sum = 1.0 / factorial;
    for i in k + 1.. {
        h.next(t);
        factorial *= i as f64;
        let term = h.last() / factorial;
        sum += term;
        if term <= SERIES_END * sum {
            break;
        }
    }
    x[0].exp() * sum
}

/// Divided differences of order at least one of `x^p` (of `ln x` for `p = 0`) over ascending positive points.
fn smooth(p: f64, x: &[f64], share: f64) -> f64 {
    let k = x.len() - 1;
    if x[0] <= 0.0 || x[0].is_nan() {
        return f64::NAN;
    }
    if k == 1 {
        return slope(p, x[0], x[1]);
    }
    // Rising powers about the smallest point, the others about the largest.
    let centre = if p > k as f64 { x[0] } else { x[k] };
    if x[k] - x[0] > share * TAYLOR * centre {
        return recursion(x, |x| smooth(p, x, share));
    }
    series(p, x, centre)
}

/// The first divided difference; the logarithm of the ratio is the only thing that could cancel.
fn slope(p: f64, a: f64, b: f64) -> f64 {
    let d = b - a;
    if d == 0.0 {
        return if p == 0.0 { 1.0 / a } else { p * a.powf(p - 1.0) };
    }
    let ratio = b / a;
    let log = if ratio < 2.0 {
        (d / a).ln_1p()
    } else if ratio.is_finite() {
        ratio.ln()
    } else {
        b.ln() - a.ln()
    };
    if p == 0.0 {
        log / d
    } else if p > 0.0 {
        b.powf(p) * (-(-p * log).exp_m1() / d)
    } else {
        a.powf(p) * ((p * log).exp_m1() / d)
    }
}

/// The Taylor series about `c`: `c^{p-k} sum_m binom(p, m) h_{m-k}(t)`, `t_i = x_i / c - 1` (for `ln`,
/// `(-1)^{m-1} / m`).
///
/// With `c` the largest point and `p < k`, or the smallest and `p > k` while `m < p`, all terms have one sign.
fn series(p: f64, x: &[f64], c: f64) -> f64 {
    let k = x.len() - 1;
    // The centre itself is t = 0, which adds nothing to any h.
    let others = if c == x[0] { &x[1..] } else { &x[..k] };
    let mut t = [0.0; MAX_POINTS];
    let t = &mut t[..k];
    t.iter_mut().zip(others).for_each(|(t, x)| *t = (x - c) / c);
    // The coefficient of t^m, for the logarithm from that of t^1.
    let mut binomial = if p == 0.0 { 1.0 } else { p };
    for m in 2..=k {
        binomial *= (p - (m - 1) as f64) / m as f64;
    }
    let mut h = Homogeneous::new(k);
    let mut sum = binomial;
    for m in k + 1..k + 1000 {
        h.next(t);
        binomial *= (p - (m - 1) as f64) / m as f64;
        let term = binomial * h.last();
        sum += term;
        if term.abs() <= SERIES_END * sum.abs() {
            break;
        }
    }
    sum * if p == 0.0 { 1.0 / c.powi(k as i32) } else { c.powf(p - k as f64) }
}
