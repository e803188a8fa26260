//! Stumpff functions, the entire functions that rotations are made of, with all their derivatives: scalars in double
//! precision, one at a time or eight abreast. What is made of them is in `rotation.rs`.
//!
//! `c_m(t) = sum_j (-t)^j / (2j + m)!`. With `x = sqrt t`: `c_0 = cos x`, `c_1 = sin x / x`,
//! `c_2 = (1 - cos x) / x^2`, `c_3 = (x - sin x) / x^3`. Comparing coefficients:
//!
//! 1. `t c_{m+2} = 1/m! - c_m`;
//! 2. `2 c_m' = m c_{m+2} - c_{m+1}`: the coefficient of `(-t)^i` in `-2 c_m'` is `2(i + 1) / (2i + m + 2)!`, and
//!    `2(i + 1) = (2i + m + 2) - m`;
//! 3. `c_m^(k) = (-1)^k sum_i (i + 1)..(i + k) (-t)^i / (2i + 2k + m)!`;
//! 4. (1) differentiated `k > 0` times: `t c_{m+2}^(k) = -k c_{m+2}^(k-1) - c_m^(k)`;
//! 5. `s_k = (-2)^k c_1^(k)` is the spherical Bessel function `j_k(x) / x^k`, so `t s_{k+1} = (2k + 1) s_k - s_{k-1}`
//!    with `s_{-1} = cos x`; and `c_0^(k) = -c_1^(k-1) / 2` by (2).
//!
//! Near 0 the recurrences (4) and (5) lose everything and the series (3) nothing; far away it is the other way round.
//! Between them, at [`series_until`], both are right to a few units of rounding of the largest value nearby. (Near a
//! zero of `c_m` no more than that is promised, and no more is needed: these numbers are coefficients of sums.)
//! Source: Stumpff 1947 for the functions; derived here.

use crate::tolerances::{STUMPFF_SERIES, UNARY_ORDER};

/// What is computed abreast.
pub(crate) const LANES: usize = 8;
pub(crate) type Lanes = [f64; LANES];

/// The highest `m` that the functions abreast reach.
const HIGHEST: usize = 7;
/// Terms of a series for `t <= STUMPFF_SERIES.0`. The first that is left out of the lowest one, `c_1`, is
/// `10^15 / 31! < 2e-19`.
const TERMS: usize = 15;

const FACTORIALS: [f64; HIGHEST + 1] = [1.0, 1.0, 2.0, 6.0, 24.0, 120.0, 720.0, 5040.0];

/// Entry `[m][j]` is `(-1)^j / (2j + m)!`.
const COEFFICIENTS: [[f64; TERMS]; HIGHEST + 1] = {
    let mut all = [[0.0; TERMS]; HIGHEST + 1];
    let mut m = 0;
    while m <= HIGHEST {
        let (mut j, mut term) = (0, 1.0 / FACTORIALS[m]);
        while j < TERMS {
            all[m][j] = term;
            term /= -(((2 * j + m + 1) * (2 * j + m + 2)) as f64);
            j += 1;
        }
        m += 1;
    }
    all
};

/// Up to here the series of the derivative of order `k` is used.
fn series_until(k: u32) -> f64 {
    STUMPFF_SERIES.0 + STUMPFF_SERIES.1 * f64::from(k)
}

/// `c_m^(k)(t)`, for `k <= UNARY_ORDER`.
pub(crate) fn derivative(m: u32, k: u32, t: f64) -> f64 {
    if t.is_nan() {
        t
    } else if t <= series_until(k) {
        series(m, k, t)
    } else {
        far(m, k as usize, t)
    }
}

/// The series (3).
fn series(m: u32, k: u32, t: f64) -> f64 {
    let factorial = (1..=2 * k + m).fold(1.0, |p, i| p * f64::from(i));
    let mut term = (1..=k).fold(1.0, |p, i| -p * f64::from(i)) / factorial;
    let mut sum = 0.0;
    // Below 0 all terms have one sign, and as many as `sqrt |t|` grow; a sum that overflows ends the loop too.
    for i in 0.. {
        sum += term;
        let i = f64::from(i);
        let n = 2.0 * (i + f64::from(k)) + f64::from(m);
        term *= -t * (i + f64::from(k) + 1.0) / ((i + 1.0) * (n + 1.0) * (n + 2.0));
        if term.abs() <= f64::EPSILON / 16.0 * sum.abs() || term == 0.0 || !sum.is_finite() {
            break;
        }
    }
    sum
}

/// The recurrences (5) along `k`, then (1) and (4) along `m`.
fn far(m: u32, k: usize, t: f64) -> f64 {
    let (sine, cosine) = t.sqrt().sin_cos();
    let mut c = [0.0; UNARY_ORDER as usize + 1];
    let (mut before, mut s, mut power) = (cosine, sine / t.sqrt(), 1.0);
    if m.is_multiple_of(2) {
        c[0] = cosine;
        power = -0.5;
    }
    for (i, c) in c[..=k].iter_mut().skip(usize::from(m.is_multiple_of(2))).enumerate() {
        *c = power * s;
        (before, s, power) = (s, ((2 * i + 1) as f64 * s - before) / t, -0.5 * power);
    }
    let mut factorial = 1.0;
    for low in (m % 2..m).step_by(2) {
        let mut previous = 0.0;
        for (i, c) in c[..=k].iter_mut().enumerate() {
            let first = if i == 0 { 1.0 / factorial } else { -(i as f64) * previous };
            *c = (first - *c) / t;
            previous = *c;
        }
        factorial *= f64::from((low + 1) * (low + 2));
    }
    c[k]
}

/// `c_m, .., c_{m+N-1}` at eight places `t >= 0`, for `m + N <= HIGHEST + 1`: the last two by series and the others by
/// (1), which divides by nothing.
#[inline(always)]
pub(crate) fn abreast<const N: usize>(m: usize, t: &Lanes) -> [Lanes; N] {
    let mut c = [[0.0; LANES]; N];
    for i in (0..N).rev() {
        if i + 2 >= N {
            for &a in COEFFICIENTS[m + i].iter().rev() {
                (0..LANES).for_each(|l| c[i][l] = c[i][l] * t[l] + a);
            }
        } else {
            (0..LANES).for_each(|l| c[i][l] = 1.0 / FACTORIALS[m + i] - t[l] * c[i + 2][l]);
        }
    }
    // No early end, so that the check is one of vectors.
    if !t.iter().fold(true, |all, &t| all & (t <= STUMPFF_SERIES.0)) {
        (0..LANES).filter(|&l| t[l] > STUMPFF_SERIES.0).for_each(|l| beyond(m, t[l], l, &mut c));
    }
    c
}

/// Lane `l` of [`abreast`] beyond the series.
#[cold]
#[inline(never)]
fn beyond<const N: usize>(m: usize, t: f64, l: usize, c: &mut [Lanes; N]) {
    let (sine, cosine) = t.sqrt().sin_cos();
    let mut all = [0.0; HIGHEST + 1];
    (all[0], all[1]) = (cosine, sine / t.sqrt());
    (2..m + N).for_each(|i| all[i] = (1.0 / FACTORIALS[i - 2] - all[i - 2]) / t);
    (0..N).for_each(|i| c[i][l] = all[m + i]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_and_recurrences_meet() {
        for k in 0..=UNARY_ORDER {
            for m in 0..6 {
                let t = series_until(k);
                let (near, far) = (series(m, k, t), far(m, k as usize, t));
                let size = (0..8).map(|i| series(m, k, t + f64::from(i)).abs()).fold(0.0, f64::max);
                // The recurrences have lost digits there at orders that nothing but a test asks for.
                let tol = if k <= 4 { 5e-14 } else { 1e-10 };
                assert!((near - far).abs() <= tol * size, "c_{m}^({k}): {near:e} {far:e}");
            }
        }
    }

    /// Sums of the series in 60 digits, rounded.
    #[test]
    #[allow(clippy::excessive_precision)]
    fn known_values() {
        for (m, k, t, known) in [
            (1, 0, 9.5, 0.019255926929416104697),
            (2, 1, 0.01, -0.041638896328262890972),
            (3, 2, 9.0, 0.00027016889838036603392),
            (0, 3, 20.0, -0.0013768683087227640184),
            (3, 3, 30.0, -5.1088070695652667046e-6),
            (2, 4, 50.0, 7.0565261354103564259e-7),
            (1, 6, 3.0, 1.0455952751634368512e-7),
            (4, 2, 1000.0, 7.6981433271752225183e-10),
            (3, 12, 100.0, 8.1290773861806649189e-21),
        ] {
            let found = derivative(m, k, t);
            let size = f64::abs(known).max(derivative(m, k, 1.2 * t).abs());
            assert!((found - known).abs() <= 1e-14 * size, "c_{m}^({k})({t}): {found:e} {known:e}");
        }
    }

    #[test]
    fn closed_forms() {
        for t in [1e-300, 1e-9, 0.3, 2.0, 9.9, 10.1, 47.0, 1e4] {
            let x = f64::sqrt(t);
            assert!((derivative(0, 0, t) - x.cos()).abs() < 1e-15, "{t}");
            assert!((derivative(1, 0, t) - x.sin() / x).abs() < 1e-15, "{t}");
            assert!((derivative(2, 0, t) - 2.0 * ((0.5 * x).sin() / x).powi(2)).abs() < 1e-15, "{t}");
            for m in 0..4 {
                let rule = 0.5 * (f64::from(m) * derivative(m + 2, 0, t) - derivative(m + 1, 0, t));
                assert!((derivative(m, 1, t) - rule).abs() < 1e-15, "{m} {t}");
            }
        }
        assert!((derivative(0, 0, -4.0) - 2f64.cosh()).abs() < 1e-15 * 2f64.cosh());
        assert!(derivative(2, 0, f64::NAN).is_nan());
        assert_eq!([0, 1, 2, 3].map(|m| derivative(m, 0, 0.0)), [1.0, 1.0, 0.5, 1.0 / 6.0]);
    }

    #[test]
    fn abreast_is_one_by_one() {
        let t = [0.0, 1e-20, 0.5, 3.0, 9.0, 10.0, 10.5, 400.0];
        for m in 0..2 {
            let c: [Lanes; 7] = abreast(m, &t);
            for (i, l) in (0..7).flat_map(|i| (0..LANES).map(move |l| (i, l))) {
                let alone = derivative((m + i) as u32, 0, t[l]);
                assert!((c[i][l] - alone).abs() < 2e-15, "c_{} at {}: {} {alone}", m + i, t[l], c[i][l]);
            }
        }
    }
}
