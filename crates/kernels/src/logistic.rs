//! Derivatives of the logistic function and of the hyperbolic tangent, accurate in both tails. Their values do not live
//! here.
//!
//! Let `s(x) = 1 / (1 + e^{-x})`, `tau = 2 s - 1 = tanh(x/2)` and `q = s (1 - s) = s'`. Then `tau' = 2 q` and
//! `q' = -q tau`, and by induction
//!
//! `s^(k) = (-1)^(k-1) q sum_j g_kj (-q)^j tau^(k-1-2j)`, with `g_10 = 1` and
//! `g_{k+1,j} = (j+1) g_kj + 2 (k+1-2j) g_{k,j-1}`.
//!
//! The integers `g_kj` are positive (they are the gamma coefficients of the Eulerian polynomials). In the tails the sum
//! is its first term, and at 0 its last, so that nothing cancels but near the zeros of the derivative itself. All that
//! is needed is `q` without the difference `1 - s`: where that would lose digits, `q = e / (1 + e)^2` with
//! `e = e^{-|x|}`.
//!
//! Since `tanh x = 2 s(2x) - 1`, the `k`-th derivative of `tanh` is `2^(k+1) s^(k)(2x)`, and there `tau` is `tanh x`.

use num_traits::Float;

use crate::real::Real;
use crate::tolerances::UNARY_ORDER;

/// Above this, `1 - y` has lost more than three bits of `y`.
const STEEP: f64 = 0.875;

/// The sum over `j` for one order.
pub(crate) struct Series {
    order: u32,
    coefficients: [f64; UNARY_ORDER as usize / 2],
}

impl Series {
    /// The coefficients for `s^(order)`, where `order` is at least 1.
    pub(crate) fn new(order: u32) -> Self {
        let mut g = [0.0; UNARY_ORDER as usize / 2];
        g[0] = 1.0;
        for k in 1..order as usize {
            // From high j to low, so that the entry of the order before is still there.
            for j in (0..=k / 2).rev() {
                let before = if j == 0 { 0.0 } else { 2.0 * (k + 1 - 2 * j) as f64 * g[j - 1] };
                g[j] = (j + 1) as f64 * g[j] + before;
            }
        }
        Series { order, coefficients: g }
    }

    /// `s^(k) / q` from `tau` and `q`, where `K` is the order.
    #[inline(always)]
    pub(crate) fn at<const K: u32, T: Real>(&self, tau: T, q: T) -> T {
        self.sum(K, tau, q)
    }

    #[inline(always)]
    fn sum<T: Real>(&self, order: u32, tau: T, q: T) -> T {
        let last = (order as usize - 1) / 2;
        let (square, mut power, mut sum) = (tau * tau, T::one(), T::zero());
        for &g in &self.coefficients[..=last] {
            sum = sum * square + T::of(g) * power;
            power *= -q;
        }
        // tau^(k-1) has an odd factor left, and the sign of the formula is then minus.
        if order.is_multiple_of(2) { -(tau * sum) } else { sum }
    }

    /// The derivative of `s` at `x`.
    pub(crate) fn logistic<T: Real>(&self, x: T) -> T {
        let tau = Float::tanh(T::of(0.5) * x);
        let q =
            if Float::abs(tau) <= T::of(STEEP) { T::of(0.25) * (T::one() - tau) * (T::one() + tau) } else { bell(x) };
        q * self.sum(self.order, tau, q)
    }

    /// The derivative of `tanh` at `x`, where `y = tanh x`.
    pub(crate) fn tanh<T: Real>(&self, x: T, y: T) -> T {
        let scale = T::of(f64::from(2u32 << self.order));
        if gentle(y) {
            let q = T::of(0.25) * (T::one() - y) * (T::one() + y);
            return scale * q * self.sum(self.order, y, q);
        }
        // q is the square of w, which does not underflow before the product does.
        let h = Float::exp(-Float::abs(x));
        let w = h / (T::one() + h * h);
        (scale * self.sum(self.order, y, w * w) * w) * w
    }
}

/// `e^{-|x|} / (1 + e^{-|x|})^2`, which is `s (1 - s)`.
fn bell<T: Real>(x: T) -> T {
    let e = Float::exp(-Float::abs(x));
    e / ((T::one() + e) * (T::one() + e))
}

/// May `1 - |y|` be formed?
#[inline]
pub(crate) fn gentle<T: Real>(y: T) -> bool {
    Float::abs(y) <= T::of(STEEP)
}
