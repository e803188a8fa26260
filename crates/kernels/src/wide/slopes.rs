//! Derivatives of functions of an entry where they take an exponential: of the logistic function, the hyperbolic
//! tangent and the error function. The formulas are those of `logistic.rs` and `erf.rs`; here they are branch-free.

use super::Slope;
use super::exp::{exp, exp_and_less_one};
use crate::logistic::{Series, gentle};
use crate::real::Real;

/// The first derivative of the hyperbolic tangent: `(1 - y) (1 + y)`, and in the tails `4 e / (1 + e)^2` with
/// `e = e^(-2 |x|)`.
pub(crate) struct TanhSlope;
/// The first derivative of the logistic function: `y (1 - y)`, and in the tails `e / (1 + e)^2` with `e = e^(-|x|)`.
pub(crate) struct SigmoidSlope;
/// Derivatives of the hyperbolic tangent of order `K`, at least 2.
pub(crate) struct TanhSlopes<const K: u32>(pub(crate) Series);
/// Derivatives of the logistic function of order `K`.
pub(crate) struct SigmoidSlopes<const K: u32>(pub(crate) Series);

#[inline(always)]
fn bell<const F: bool, T: Real>(x: T) -> T {
    let e = exp::<F, T>(-x.abs());
    e / ((T::one() + e) * (T::one() + e))
}

impl<T: Real> Slope<T> for TanhSlope {
    #[inline(always)]
    fn gentle(y: T) -> bool {
        gentle(y)
    }

    #[inline(always)]
    fn near(y: T) -> T {
        (T::one() - y) * (T::one() + y)
    }

    #[inline(always)]
    fn at<const F: bool>(&self, x: T, y: T) -> T {
        let (near, far) = (Self::near(y), T::of(4.0) * bell::<F, T>(x + x));
        if gentle(y) { near } else { far }
    }
}

impl<T: Real> Slope<T> for SigmoidSlope {
    #[inline(always)]
    fn gentle(y: T) -> bool {
        gentle(y)
    }

    #[inline(always)]
    fn near(y: T) -> T {
        y * (T::one() - y)
    }

    #[inline(always)]
    fn at<const F: bool>(&self, x: T, y: T) -> T {
        let (near, far) = (Self::near(y), bell::<F, T>(x));
        if gentle(y) { near } else { far }
    }
}

impl<const K: u32, T: Real> Slope<T> for TanhSlopes<K> {
    #[inline(always)]
    fn at<const F: bool>(&self, x: T, y: T) -> T {
        let scale = T::of(f64::from(2u32 << K));
        let q = T::of(0.25) * (T::one() - y) * (T::one() + y);
        // Its square may underflow before the product with the rest does.
        let h = exp::<F, T>(-x.abs());
        let w = h / (T::one() + h * h);
        let near = scale * q * self.0.at::<K, T>(y, q);
        let far = (scale * self.0.at::<K, T>(y, w * w) * w) * w;
        if gentle(y) { near } else { far }
    }
}

impl<const K: u32, T: Real> Slope<T> for SigmoidSlopes<K> {
    /// With `e = e^-|x|` and `u = e - 1`: `q = e / (1 + e)^2` and `|tau| = -u / (2 + u)`.
    #[inline(always)]
    fn at<const F: bool>(&self, x: T, _: T) -> T {
        let (e, u) = exp_and_less_one::<F, T>(-x.abs());
        let q = e / ((T::one() + e) * (T::one() + e));
        let tau = (u / (T::of(2.0) + u)).abs().copysign(x);
        q * self.0.at::<K, T>(tau, q)
    }
}
