//! Divided differences of the functions that turn lengths into angles and back: Stumpff functions and
//! `atan(sqrt x) / sqrt x`, with their derivatives. The functions of powers and logarithms are in `divided.rs`.
//!
//! **Stumpff functions.** `c_m(x) = sum_i (-x)^i / (2i + m)!`, so that `c_m^(k)[x_0, .., x_j] = sum_{i >= j} (-1)^(i+k)
//! (i+1)..(i+k) / (2i + 2k + m)! h_{i-j}(x_0, .., x_j)` with the complete homogeneous polynomials `h`: the divided
//! difference of `x^i` is `h_{i-j}`. The signs alternate, and the largest term is a few units for points up to 10, as
//! for the functions themselves (`stumpff.rs`). Beyond, they are functions like a user's own, known by their
//! derivatives.
//!
//! **Arc tangent.** `f(x) = atan(sqrt x) / sqrt x` is the integral of `1 / (1 + x t^2)` over `t` from 0 to 1, and
//! `y -> 1/y` at `y_i = 1 + x_i t^2` has the divided difference `(-1)^j / (y_0 .. y_j)`. Therefore
//! `f^(k)[x_0, .., x_j] = int (-1)^k k! t^(2k+2j) g[y_0, .., y_j] dt` with `g(y) = y^(-k-1)`,
//! an integrand of one sign for points that are not negative: no difference is ever formed, ties or not. Gauss's rule
//! of 16 points on an interval whose distance from the poles `+-i / sqrt x_i` is at least twice its length leaves
//! less than rounding: `[0, 1/sqrt x_max]` and then intervals that double.
//!
//! Derived here.

use crate::divided::{Homogeneous, reciprocal};
use crate::divided_own::general;
use crate::tolerances::{ARC_LOWEST, MAX_POINTS, STUMPFF_SERIES};

/// Terms of the series. The first that is left out is `10^18 / 36! < 3e-24` times a binomial coefficient below `1e5`.
const TERMS: u32 = 18;

/// `c_m^(k)[x_0, .., x_j]`, for ascending points.
pub(crate) fn stumpff(m: u32, k: u32, x: &[f64]) -> f64 {
    let j = x.len() - 1;
    if j == 0 || x[0] < -STUMPFF_SERIES.0 || x[j].is_nan() || x[j] > STUMPFF_SERIES.0 {
        return general(&|order, x| crate::stumpff::derivative(m, k + order, x), x).0;
    }
    let j = j as u32;
    // (j+1)..(j+k) / (2j + 2k + m)!, with its sign.
    let factorial = (1..=2 * (j + k) + m).fold(1.0, |p, i| p * f64::from(i));
    let sign = if (j + k).is_multiple_of(2) { 1.0 } else { -1.0 };
    let mut a = (j + 1..=j + k).fold(sign / factorial, |p, i| p * f64::from(i));
    let mut h = Homogeneous::new(x.len());
    let mut sum = a;
    for i in j..j + TERMS {
        let n = f64::from(2 * (i + k) + m);
        a *= -f64::from(i + k + 1) / (f64::from(i + 1) * (n + 1.0) * (n + 2.0));
        h.next(x);
        sum += a * h.last();
    }
    sum
}

/// The `k`-th derivative of `atan(sqrt x) / sqrt x`, differenced over ascending points. Points below zero are there
/// for the rounding of positive ones; NaN below [`ARC_LOWEST`].
pub(crate) fn arc(k: u32, x: &[f64]) -> f64 {
    let j = x.len() - 1;
    if x[0].is_nan() || x[j].is_nan() || x[0] < ARC_LOWEST {
        return f64::NAN;
    }
    if j == 0 && k == 0 && x[0] > 0.0 {
        let root = x[0].sqrt();
        return root.atan() / root;
    }
    let factorial = (1..=k).fold(1.0, |p, i| -p * f64::from(i));
    let power = 2 * (k as i32 + j as i32);
    let (mut from, mut to, mut sum) = (0.0, if x[j] > 1.0 { 1.0 / x[j].sqrt() } else { 1.0 }, 0.0);
    loop {
        sum += gauss(from, to, |t| {
            let mut y = [0.0; MAX_POINTS];
            y.iter_mut().zip(x).for_each(|(y, x)| *y = 1.0 + x * t * t);
            t.powi(power) * reciprocal(k as usize + 1, &y[..=j])
        });
        if to >= 1.0 {
            return factorial * sum;
        }
        (from, to) = (to, (2.0 * to).min(1.0));
    }
}

/// The integral of `g` by Gauss's rule of 16 points.
fn gauss(from: f64, to: f64, g: impl Fn(f64) -> f64) -> f64 {
    let (centre, half) = (0.5 * (from + to), 0.5 * (to - from));
    half * GAUSS_16.iter().map(|&(x, w)| w * (g(centre - half * x) + g(centre + half * x))).sum::<f64>()
}

/// Nodes and weights on (-1, 1), one of each pair.
const GAUSS_16: [(f64, f64); 8] = [
    (0.095_012_509_837_637_44, 0.189_450_610_455_068_5),
    (0.281_603_550_779_258_9, 0.182_603_415_044_923_58),
    (0.458_016_777_657_227_37, 0.169_156_519_395_002_54),
    (0.617_876_244_402_643_8, 0.149_595_988_816_576_74),
    (0.755_404_408_355_003, 0.124_628_971_255_533_88),
    (0.865_631_202_387_831_8, 0.095_158_511_682_492_79),
    (0.944_575_023_073_232_6, 0.062_253_523_938_647_894),
    (0.989_400_934_991_649_9, 0.027_152_459_411_754_096),
];
