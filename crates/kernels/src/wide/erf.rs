//! The error function, in double precision for either scalar.
//!
//! Up to 1, `erf x = x + x (2/sqrt(pi) - 1 + x^2 E(x^2))` with a polynomial `E`. Beyond, `erf x = 1 - e^(-x^2) g(t)`
//! with `t = (x - 5/2) / (x + 5/2)` and a polynomial `g` for `e^(x^2) (1 - erf x)`, which is at most 0.43; so neither
//! its rounding nor that of `x^2` reaches the last bits of the result. From 6 on the result is 1. Both interpolate at
//! Chebyshev nodes.

use super::Entry;
use super::exp::exp;
use super::lane::{Lane, madd};

/// `erf x`.
pub(crate) struct Erf;

/// `E`, from the constant on.
const NEAR: [f64; 12] = [
    -0.37612638903183754,
    0.1128379167095511,
    -0.02686617064512377,
    0.005223977625302319,
    -0.0008548327009930792,
    0.00012055332209622587,
    -1.4925622347339014e-05,
    1.6461443553716872e-06,
    -1.6355079365136434e-07,
    1.4692177498693318e-08,
    -1.149900016132664e-09,
    6.171515791452808e-11,
];

/// `g`, from the constant on.
const FAR: [f64; 15] = [
    0.2108063640611436,
    -0.37173673394897294,
    0.2517131932174488,
    -0.12503305237892004,
    0.03992253907546072,
    -0.0039937011600032655,
    -0.00264236595153843,
    0.0008759152848608718,
    0.000228379956777445,
    -0.00012887480173725692,
    -3.417564592072222e-05,
    1.8596594262147164e-05,
    7.499352826749461e-06,
    -2.2325481454104936e-06,
    -1.5868744674779572e-06,
];

/// A polynomial in `z`: its even and its odd part in `z^2`, which do not wait for each other.
#[inline(always)]
fn polynomial<const F: bool>(c: &[f64], z: f64) -> f64 {
    let z2 = z * z;
    let (mut even, mut odd) = (0.0, 0.0);
    for pair in c.chunks(2).rev() {
        even = madd::<F, f64>(even, z2, pair[0]);
        odd = madd::<F, f64>(odd, z2, if pair.len() == 2 { pair[1] } else { 0.0 });
    }
    madd::<F, f64>(z, odd, even)
}

#[inline(always)]
fn erf<const F: bool>(x: f64) -> f64 {
    let z = x * x;
    let slope = madd::<F, f64>(z, polynomial::<F>(&NEAR, z), std::f64::consts::FRAC_2_SQRT_PI - 1.0);
    let near = madd::<F, f64>(x, slope, x);
    let a = x.abs();
    let a = if a > 6.0 { 6.0 } else { a };
    let far = 1.0 - exp::<F, f64>(-(a * a)) * polynomial::<F>(&FAR, (a - 2.5) / (a + 2.5));
    if a < 1.0 { near } else { far.copysign(x) }
}

impl<T: Lane> Entry<T> for Erf {
    #[inline(always)]
    fn at<const F: bool>(&self, x: T) -> T {
        T::of(erf::<F>(x.f64()))
    }
}
