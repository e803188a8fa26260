//! The derivatives of the logarithm of the gamma function: the digamma and polygamma functions. The logarithm lives in
//! `ln_gamma.rs`.
//!
//! *Polygamma*, `n >= 1`, for `x > 0`: all terms of
//!
//! `psi^(n)(x) = (-1)^(n+1) n! sum_j (x + j)^{-n-1}`
//!
//! have one sign. As many as it takes to bring `x` to [`FAR`] are added to the asymptotic series there,
//!
//! `(-1)^(n+1) (n-1)! x^{-n} (1 + n / (2x) + sum_k B_2k C(2k+n-1, 2k) x^{-2k})`.
//!
//! For `x < 0` the reflection `psi^(n)(x) = (-1)^n (psi^(n)(1 - x) - pi^(n+1) T_n(cot(pi x)))` holds, where
//! `T_n(tan u)` is the `n`-th derivative of `tan u`. For odd `n` the second term is always several times the first; for
//! even `n` both cancel at the zeros only.
//!
//! *Digamma*: between two poles there is one root `x0`, and with `d = x - x0`
//!
//! `psi(x) = psi(x) - psi(x0) = d sum_j 1 / ((x0 + j) (x + j))`,
//!
//! where every term is positive: no digit is lost near the root, if `x0` is known to twice the precision. The same
//! number of terms is taken, and the asymptotic series `ln x - 1 / (2x) - sum_k B_2k / (2k) x^{-2k}` enters through its
//! difference, of which `d` is a factor too. Roots are tabulated down to the pole -12; below, the reflection serves,
//! whose error near a root is below that of half a unit in the last place of `x`.
//!
//! Sources: Abramowitz & Stegun 6.3 and 6.4; the product form of the difference derived here.

use crate::elementwise::{Coefficients, chain, horner};
use std::f64::consts::PI;

/// From here on the asymptotic series serves, for every order up to 12.
const FAR: f64 = 24.0;

/// `B_2`, `B_4`, ...
pub(crate) const BERNOULLI: [f64; 12] = [
    1.0 / 6.0,
    -1.0 / 30.0,
    1.0 / 42.0,
    -1.0 / 30.0,
    5.0 / 66.0,
    -691.0 / 2730.0,
    7.0 / 6.0,
    -3617.0 / 510.0,
    43867.0 / 798.0,
    -174611.0 / 330.0,
    854513.0 / 138.0,
    -236364091.0 / 2730.0,
];

/// The roots of the digamma function as sums of two numbers: the positive one, then that between the poles `-n-1` and
/// `-n`.
const ROOT: (f64, f64) = (1.4616321449683622, 9.549995429965697e-17);
const ROOTS: [(f64, f64); 12] = [
    (-0.5040830082644554, -8.15428206243813e-18),
    (-1.5734984731623904, -1.574185691077347e-17),
    (-2.6107208684441447, 9.881960746978353e-17),
    (-3.635293366436901, 5.454396163173039e-17),
    (-4.653237761743142, -2.5492686201468193e-16),
    (-5.6671624415568855, -3.2153051074948335e-18),
    (-6.678418213073427, 3.470798723495241e-16),
    (-7.687788325031626, -1.351562494643672e-16),
    (-8.695764163816401, -3.2859903716289447e-16),
    (-9.702672540001863, -3.2563178405401477e-16),
    (-10.708740838254144, -6.287211750540301e-16),
    (-11.714133061228955, 8.598250154343834e-16),
];

/// Is it one of the poles 0, -1, -2, ..., or minus infinity?
fn pole(x: f64) -> bool {
    x < 0.0 && x == x.floor()
}

/// `cot(pi x)` for an `x` that is no pole.
fn cot_pi(x: f64) -> f64 {
    let f = x - x.round();
    if f.abs() <= 0.25 { 1.0 / (PI * f).tan() } else { (PI * (0.5 - f.abs())).tan().copysign(f) }
}

/// `psi(x)`; minus infinity at 0, NaN at the other poles.
pub(crate) fn digamma(x: f64) -> f64 {
    if pole(x) {
        return f64::NAN;
    }
    if x >= FAR {
        let r = 1.0 / x;
        let series = BERNOULLI.iter().enumerate().rev().fold(0.0, |s, (i, b)| (s + b / (2 * i + 2) as f64) * r * r);
        return x.ln() - 0.5 * r - series;
    }
    // The steps from between the poles -k and 1 - k to FAR.
    let below = if x < 0.0 { (-x).ceil() as usize } else { 0 };
    let (high, low) = match below {
        0 => ROOT,
        k if k <= ROOTS.len() => ROOTS[k - 1],
        _ => return digamma(1.0 - x) - PI * cot_pi(x),
    };
    let steps = FAR as usize + below;
    let d = (x - high) - low;
    let at = |j: usize| (high + j as f64) + low;
    let (z, z0) = (x + steps as f64, at(steps));
    let (u, u0) = (1.0 / (z * z), 1.0 / (z0 * z0));
    // The divided difference of sum_k B_2k / (2k) u^k, by Horner's rule for values and differences side by side.
    let (mut value, mut difference) = (0.0, 0.0);
    for (i, b) in BERNOULLI.iter().enumerate().rev() {
        difference = difference * u + value;
        value = value * u0 + b / (2 * i + 2) as f64;
    }
    difference = difference * u + value;
    let far = 0.5 / (z * z0) + (z + z0) * u * u0 * difference;
    let sum = (0..steps).rev().fold(far, |s, j| s + 1.0 / (at(j) * (x + j as f64)));
    d * sum + (d / z0).ln_1p()
}

/// `psi^(n)` for one `n`, at least 1.
pub(crate) struct Polygamma {
    n: u32,
    /// `B_2k C(2k+n-1, 2k)`
    tail: [f64; BERNOULLI.len()],
    tan: Coefficients,
}

impl Polygamma {
    pub(crate) fn new(n: u32) -> Self {
        let (mut tail, mut binomial) = (BERNOULLI, 1.0);
        for (i, t) in tail.iter_mut().enumerate() {
            let (k, n) = (2.0 * (i + 1) as f64, f64::from(n));
            binomial *= (k + n - 2.0) * (k + n - 1.0) / ((k - 1.0) * k);
            *t *= binomial;
        }
        Polygamma { n, tail, tan: chain([1.0, 0.0, 1.0], n) }
    }

    pub(crate) fn at(&self, x: f64) -> f64 {
        if pole(x) {
            return f64::NAN;
        }
        let even = self.n.is_multiple_of(2);
        if x < 0.0 {
            let c = cot_pi(x);
            let reflected = PI.powi(self.n as i32 + 1) * ((1.0 + c * c) * horner(&self.tan, c));
            let rest = self.at(1.0 - x) - reflected;
            return if even { rest } else { -rest };
        }
        // NaN takes no step.
        let steps = if x < FAR { (FAR - x).ceil() as usize } else { 0 };
        let r = 1.0 / (x + steps as f64);
        let series = self.tail.iter().rev().fold(0.0, |s, t| (s + t) * r * r);
        let far = falling(self.n - 1, r) * (1.0 + (0.5 * f64::from(self.n) * r + series));
        let size = (0..steps).rev().fold(far, |s, j| s + falling(self.n, 1.0 / (x + j as f64)));
        if even { -size } else { size }
    }
}

/// `n! q^(n+1)`, without a power that leaves the range before the product does.
fn falling(n: u32, q: f64) -> f64 {
    (1..=n).fold(q, |p, i| p * (f64::from(i) * q))
}
