//! `ln |Gamma(x)|` with relative accuracy at its zeros on the negative axis too. Its derivatives live in `gamma.rs`.
//!
//! For `x > -2` and for large negative `x` it is that of `libm`, which is accurate at the zeros 1 and 2. Between the
//! poles -8 and -2 every interval has two zeros, and the reflection formula there is the difference of two numbers of
//! size 1. With the nearer zero `x0`, `d = x - x0`, `X = x + m` and `X0 = x0 + m`,
//!
//! `ln |Gamma(x)| = ln |Gamma(x) / Gamma(x0)| = ln (Gamma(X) / Gamma(X0)) - sum_j ln(1 + d / (x0 + j))`,
//!
//! and by Stirling's series, `ln Gamma(X) = (X - 1/2) ln X - X + v Q(v^2)` up to a constant, with `v = 1 / X`,
//!
//! `ln (Gamma(X) / Gamma(X0)) = (X0 - 1/2) ln(1 + d / X0) + d (ln X - 1) - d v v0 (Q(v^2) + (X + X0) v v0^2 DQ)`,
//!
//! where `DQ` is the divided difference of `Q` at `v^2` and `v0^2`. Every term has the factor `d`, so that none loses
//! its digits where the sum vanishes. Below -8 the zeros are within 3e-5 of poles, and the error of the reflection is
//! far below that of rounding in `x`.
//!
//! Source: derived.

use crate::gamma::BERNOULLI;

/// The zeros between the poles -8 and -2 as sums of two numbers, two for each interval, from the right.
const ZEROS: [(f64, f64); 12] = [
    (-2.4570247382208006, -3.7075610815513266e-17),
    (-2.7476826467274127, 9.055340329338315e-17),
    (-3.14358088834998, -2.1818179852331714e-16),
    (-3.955294284858598, -1.999428391746348e-17),
    (-4.039361839740537, 2.1143995503980602e-16),
    (-4.991544640560048, 1.5174411760571722e-16),
    (-5.0082181683225935, -4.3926353491015815e-17),
    (-5.998607480080875, -3.311862478893795e-16),
    (-6.001385294453155, 6.415847287933042e-17),
    (-6.999801507890638, 1.0550130037400023e-17),
    (-7.000198333407325, 2.504354173632409e-16),
    (-7.999975197095821, -5.261737128572354e-17),
];

/// `ln |Gamma(x)|`; infinite at the poles.
pub(crate) fn ln_gamma(x: f64) -> f64 {
    if !(-8.0..-2.0).contains(&x) || x == x.floor() {
        return libm::lgamma(x);
    }
    let pair = 2 * (-x.ceil() as usize - 2);
    let [right, left] = [ZEROS[pair], ZEROS[pair + 1]];
    let (high, low) = if (x - right.0).abs() <= (x - left.0).abs() { right } else { left };
    let d = (x - high) - low;
    let at = |j: usize| (high + j as f64) + low;
    let steps = 32;
    let (z, z0) = (x + steps as f64, at(steps));
    let (v, v0) = (1.0 / z, 1.0 / z0);
    let (u, u0) = (v * v, v0 * v0);
    let (mut value, mut difference) = (0.0, 0.0);
    for (i, b) in BERNOULLI.iter().enumerate().rev() {
        let k = (2 * i + 2) as f64;
        difference = difference * u + value;
        value = value * u0 + b / (k * (k - 1.0));
    }
    let stirling = v * v0 * (value + (u - u0) * difference + (z + z0) * v * u0 * difference);
    let far = (z0 - 0.5) * (d / z0).ln_1p() + d * (z.ln() - 1.0) - d * stirling;
    (0..steps).rev().fold(far, |s, j| s - (d / at(j)).ln_1p())
}
