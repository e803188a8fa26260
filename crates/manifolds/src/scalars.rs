//! Scalar functions that geometry needs smooth where the textbook's form is `0/0`, with all their derivatives; and
//! multiples of a value.
//!
//! - `phi(x) = ln x / (x - 1)`, positive `x`. With `z = 1 - x`, `phi = sum_j z^j / (j + 1)`; from `(x - 1) phi = ln x`,
//!   `phi^(k) = (ln^(k) x - k phi^(k-1)) / (x - 1)`.
//! - `g(t) = asin(sqrt t) / sqrt(t (1 - t))` for `t < 1`; below 0 it is `asinh(sqrt -t) / sqrt(-t (1 - t))`. With
//!   `t = sin²(a/2)`, `g = a / sin a`; with `t = -sinh²(d/2)`, `g = d / sinh d`: from the square of a chord to an angle
//!   or to a hyperbolic distance. `g = 2F1(1, 1; 3/2; t)`, whose coefficients have the ratio `(j + 1) / (j + 3/2)`, and
//!   `2 t (1 - t) g' = 1 - (1 - 2t) g`; differentiated `k` times,
//!   `2 t (1 - t) g^(k+1) = [k = 0] - (2k + 1)(1 - 2t) g^(k) + 2k² g^(k-1)`.
//!
//! Within 1/2 of the removable singularity the series is used, where it has about fifty terms, and the recurrence
//! elsewhere, which divides by numbers that are not small. Both derived here.

use pullback::{Scalar, ScalarFn, Shape, SymFn, Var};

/// Derivatives that are known.
const ORDERS: u32 = 8;

/// `ln x / (x - 1)`.
pub(crate) struct LnOver;
pub(crate) static LN_OVER: LnOver = LnOver;

/// `g` of the head of this file.
pub(crate) struct Arc;
pub(crate) static ARC: Arc = Arc;

/// `sum_{j >= k} a_j j!/(j - k)! z^(j-k)`, the derivative of order `k` of a power series with `a_j = a(j)`, for `|z|`
/// up to 1/2 and coefficients that do not grow.
fn derived_series(k: u32, z: f64, a: &mut dyn FnMut(u32) -> f64) -> f64 {
    let (mut sum, mut power) = (0.0, 1.0);
    for j in 0..200 {
        let c = a(j);
        if j < k {
            continue;
        }
        let falling = (j - k + 1..=j).fold(1.0, |p, i| p * f64::from(i));
        let term = c * falling * power;
        sum += term;
        if j > k + 8 && term.abs() <= f64::EPSILON / 16.0 * sum.abs() || z == 0.0 {
            break;
        }
        power *= z;
    }
    sum
}

impl ScalarFn for LnOver {
    fn name(&self) -> &'static str {
        "ln x / (x - 1)"
    }
    fn orders(&self) -> u32 {
        ORDERS
    }
    fn derivative(&self, k: u32, x: f64) -> f64 {
        if x <= 0.0 || x.is_nan() {
            return f64::NAN;
        }
        if (x - 1.0).abs() <= 0.5 {
            let sign = if k.is_multiple_of(2) { 1.0 } else { -1.0 };
            return sign * derived_series(k, 1.0 - x, &mut |j| 1.0 / f64::from(j + 1));
        }
        let (mut phi, mut ln) = (x.ln() / (x - 1.0), 1.0 / x);
        for i in 1..=k {
            phi = (ln - f64::from(i) * phi) / (x - 1.0);
            ln *= -f64::from(i) / x;
        }
        phi
    }
}

impl ScalarFn for Arc {
    fn name(&self) -> &'static str {
        "asin(sqrt t) / sqrt(t (1 - t))"
    }
    fn orders(&self) -> u32 {
        ORDERS
    }
    fn derivative(&self, k: u32, t: f64) -> f64 {
        if t >= 1.0 || t.is_nan() {
            return f64::NAN;
        }
        if t.abs() <= 0.5 {
            let mut a = 1.0;
            return derived_series(k, t, &mut |j| {
                let now = a;
                a *= f64::from(j + 1) / (f64::from(j) + 1.5);
                now
            });
        }
        let root = t.abs().sqrt();
        let arc = if t > 0.0 { root.asin() } else { root.asinh() };
        let (mut before, mut g) = (0.0, arc / (root * (1.0 - t).sqrt()));
        for i in 0..k {
            let i = f64::from(i);
            let one = if i == 0.0 { 1.0 } else { 0.0 };
            let next = (one - (2.0 * i + 1.0) * (1.0 - 2.0 * t) * g + 2.0 * i * i * before) / (2.0 * t * (1.0 - t));
            (before, g) = (g, next);
        }
        g
    }
}

/// `g(t)` of a number for each member.
pub(crate) fn arc<T: Scalar>(t: Var<'_, T>) -> Var<'_, T> {
    t.symmetric().map(SymFn::own(&ARC))
}

/// `ln(y / x)` of positive entries, with small relative error where they are close: `2 asinh((y - x) / (2 sqrt(x y)))`,
/// since `2 sinh(ln(y/x) / 2) = sqrt(y/x) - sqrt(x/y)`. `d` is `y - x`.
pub(crate) fn ln_ratio<'t, T: Scalar>(x: Var<'t, T>, y: Var<'t, T>, d: Var<'t, T>) -> Var<'t, T> {
    d.times(0.5).elem_div(x.sqrt().hadamard(y.sqrt())).asinh().times(2.0)
}

/// Multiples of a value by a constant.
pub(crate) trait Times {
    /// `c` times this.
    fn times(self, c: f64) -> Self;
    /// This plus `c` in every entry.
    fn plus(self, c: f64) -> Self;
    /// A zero of this shape.
    fn zeros(self) -> Self;
}

impl<T: Scalar> Times for Var<'_, T> {
    #[track_caller]
    fn times(self, c: f64) -> Self {
        self.lincomb(c, self, 0.0)
    }
    #[track_caller]
    fn plus(self, c: f64) -> Self {
        self + self.tape().filled(Shape::SCALAR, T::of(c))
    }
    fn zeros(self) -> Self {
        self.tape().filled(self.shape(), T::zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_and_recurrence_meet_and_the_equations_hold() {
        for k in 0..=6 {
            for at in [0.5, -0.5] {
                let near = |f: &dyn ScalarFn, at: f64| {
                    let (a, b) = (f.derivative(k, at - 1e-13), f.derivative(k, at + 1e-13));
                    assert!((a - b).abs() <= 3e-11 * a.abs(), "{} at {at}, order {k}: {a} {b}", f.name());
                };
                near(&ARC, at);
                near(&LN_OVER, 1.0 + at);
            }
        }
        for x in [1e-6, 0.3, 0.9, 1.0 + 1e-9, 1.4, 7.0, 1e8] {
            let (phi, d) = (LN_OVER.derivative(0, x), LN_OVER.derivative(1, x));
            assert!(((x - 1.0) * d + phi - 1.0 / x).abs() <= 1e-14 * (phi + 1.0 / x), "{x}");
        }
        for a in [1e-9f64, 0.1, 1.0, 1.5, 2.0, 3.0] {
            let (g, h) = (ARC.derivative(0, (a / 2.0).sin().powi(2)), ARC.derivative(0, -(a / 2.0).sinh().powi(2)));
            assert!((g * a.sin() / a - 1.0).abs() < 1e-14 && (h * a.sinh() / a - 1.0).abs() < 1e-14, "{a}");
        }
    }

    #[test]
    fn outside_of_their_domains_there_is_no_number() {
        assert!(LN_OVER.derivative(0, 0.0).is_nan() && LN_OVER.derivative(1, -1.0).is_nan());
        assert!(ARC.derivative(0, 1.0).is_nan() && ARC.derivative(2, f64::NAN).is_nan());
    }
}
