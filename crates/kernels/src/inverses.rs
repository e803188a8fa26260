//! Derivatives of the inverse circular and hyperbolic functions, of every order. Their values come from the standard
//! library and from libm.
//!
//! The first derivative of each is `g_0 = w^{-a}` up to a sign, with `a` 1/2 or 1 and `w` one of `1 - x^2`, `1 + x^2`,
//! `x^2 - 1`. With `s = 1` for `1 - x^2` and `s = -1` for the others, `w g_1 = 2 a s x g_0`, and differentiating `n`
//! times gives for `g_n = g_0^(n)`
//!
//! `w g_{n+1} = s (2 (n + a) x g_n + n (n - 1 + 2 a) g_{n-1})`.
//!
//! For `s = 1` both terms have one sign. For the others this is the recurrence of the Legendre polynomials (`a = 1/2`)
//! or of the Chebyshev polynomials of the second kind (`a = 1`) in `c = x / sqrt(w)`; forward it is stable. With
//! `r = 1 / sqrt(w)` it reads `g_{n+1} = s r (2 (n + a) c g_n + n (n - 1 + 2 a) r g_{n-1})`, where no square of a large
//! `x` is formed.
//!
//! Source: the differential equation of the Legendre and Chebyshev polynomials; derived here.

/// A function whose first derivative is a power of a quadratic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Inverse {
    Asin,
    Acos,
    Atan,
    Asinh,
    Acosh,
    Atanh,
}

impl Inverse {
    pub(crate) fn value(self, x: f64) -> f64 {
        match self {
            Inverse::Asin => x.asin(),
            Inverse::Acos => x.acos(),
            Inverse::Atan => x.atan(),
            Inverse::Asinh => libm::asinh(x),
            // The formula of the standard library loses half of the digits near 1.
            Inverse::Acosh => libm::acosh(x),
            Inverse::Atanh => libm::atanh(x),
        }
    }

    /// The derivative of order `k`, at least 1, in double precision.
    pub(crate) fn derivative(self, k: u32, x: f64) -> f64 {
        let root = match self {
            Inverse::Asin | Inverse::Acos | Inverse::Atanh => ((1.0 - x) * (1.0 + x)).sqrt(),
            Inverse::Atan | Inverse::Asinh => x.hypot(1.0),
            Inverse::Acosh => (x - 1.0).sqrt() * (x + 1.0).sqrt(),
        };
        if root.is_nan() {
            // Outside of the domain; powers of w would have values there.
            return root;
        }
        let r = 1.0 / root;
        let (a, start) = match self {
            Inverse::Asin | Inverse::Asinh | Inverse::Acosh => (0.5, r),
            Inverse::Acos => (0.5, -r),
            Inverse::Atan => (1.0, r * r),
            // The square of the root would carry two roundings more.
            Inverse::Atanh => (1.0, 1.0 / ((1.0 - x) * (1.0 + x))),
        };
        let s = if matches!(self, Inverse::Asin | Inverse::Acos | Inverse::Atanh) { r } else { -r };
        // Where `w` overflows, `c` is 1 in modulus, while `inf / inf` would be NaN.
        let c = if x.is_infinite() && root.is_infinite() { x.signum() } else { x / root };
        if root == 0.0 {
            // At the end of the domain the derivative is infinite, with the sign of the limit.
            return start * (s.signum() * c.signum()).powi(k as i32 - 1);
        }
        let (mut before, mut g) = (0.0, start);
        for n in 0..k - 1 {
            let n = f64::from(n);
            let next = s * (2.0 * (n + a) * c * g + n * (n - 1.0 + 2.0 * a) * r * before);
            (before, g) = (g, next);
        }
        g
    }
}
