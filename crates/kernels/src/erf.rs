//! Derivatives of the error function: Hermite polynomials times a Gaussian. Its value is that of `libm`.
//!
//! `erf^(k)(x) = 2 / sqrt(pi) (-1)^(k-1) H_{k-1}(x) e^{-x^2}`, with `H_{n+1} = 2 x H_n - 2 n H_{n-1}`; those of `erfc`
//! are the negatives.
//!
//! The Gaussian at 26 would lose three digits to the rounding of `x^2`. So `x = z + t` with `z` of 21 bits, whose
//! square is exact, and `e^{-x^2} = e^{-z^2} e^{-(x + z) t}`. And it is multiplied in as two square roots, so that it
//! does not underflow before its product with the polynomial does.

use std::f64::consts::FRAC_2_SQRT_PI;

/// Beyond this, the derivative of every order up to 12 is below the smallest number.
const GONE: f64 = 40.0;

/// `erf^(k)(x)`, with `k` at least 1.
pub(crate) fn derivative(k: u32, x: f64) -> f64 {
    if x.abs() > GONE {
        return 0.0;
    }
    let (mut before, mut h) = (0.0, FRAC_2_SQRT_PI);
    for n in 0..k - 1 {
        // With the sign of the formula: H_n(-x) is (-1)^n H_n(x).
        let next = -2.0 * x * h - 2.0 * f64::from(n) * before;
        (before, h) = (h, next);
    }
    let z = f64::from_bits(x.to_bits() & !0xffff_ffff);
    let root = (-0.5 * z * z).exp();
    (h * (-(x + z) * (x - z)).exp() * root) * root
}
