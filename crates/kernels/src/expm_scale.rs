//! Degree and squarings of the matrix exponential: how far a matrix must be scaled down before a Padé approximant
//! serves.
//!
//! The diagonal approximant of degree `m` is the exponential of a nearby matrix: `r_m(X) = exp(X + h(X))` with
//! `h(X) = c X^{2m+1} + ..` and `|c| = (m!)^2 / ((2m)! (2m+1)!)`. Derivatives of `h` are sums of words `X^a E X^b F ..`
//! in which `2m + 1 - k` letters are `X`, so the `k`-th one is larger than `h` by about `(2m+1)^k`. Degree and scale
//! are fixed by `X` alone and serve for every derivative; therefore the bound asks that `h` and its first three
//! derivatives stay below rounding, not `h` alone. With the norm of `X` only, that is one number for each degree
//! (`tolerances::expm_degrees`).
//!
//! A matrix far from normal has powers much smaller than the powers of its norm, and scaling it by its norm loses
//! digits in the squarings (Al-Mohy & Higham 2009). Then the words are bounded by the norms of the powers that are
//! there anyway, and of the third. No matrix is touched here.

use crate::Scalar;
use crate::tolerances::{expm_degrees, expm_unscalable};

/// Padé degree and number of squarings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Recipe {
    pub(crate) m: usize,
    pub(crate) s: usize,
}

/// The powers whose norms are known.
const POWERS: [usize; 5] = [1, 2, 3, 4, 6];
/// The highest derivative whose truncation is kept below rounding.
const ORDER: usize = 3;
/// Letters in the longest word that is bounded, `2 * 13 + 1`, and the empty word.
const LETTERS: usize = 28;

/// The recipe from the 1-norm alone; `None` if it is not a number that can be scaled.
pub(crate) fn by_norm<T: Scalar>(norm: f64) -> Option<Recipe> {
    if !norm.is_finite() {
        return None;
    }
    let degrees = expm_degrees::<T>();
    if let Some(&(m, _)) = degrees.iter().find(|(_, theta)| norm <= *theta) {
        return Some(Recipe { m, s: 0 });
    }
    let &(m, theta) = degrees.last()?;
    let mut s = (norm / theta).log2().ceil().max(0.0) as usize;
    // The logarithm may round down.
    if norm * (-(s as f64)).exp2() > theta {
        s += 1;
    }
    Some(Recipe { m, s })
}

/// How many squarings less there could be at the most, from the 1-norms of `X^4` and `X^6` of the matrix scaled as `r`
/// says. One is not worth the search.
pub(crate) fn gain<T: Scalar>(r: Recipe, fourth: f64, sixth: f64) -> Option<usize> {
    let &(_, theta) = expm_degrees::<T>().last()?;
    // Two squarings less need a fourth of the radius; powers tell without roots.
    let least = theta / 4.0;
    if fourth > least.powi(4) || sixth > least.powi(6) {
        return None;
    }
    let radius = fourth.powf(0.25).max(sixth.powf(1.0 / 6.0));
    let gain = if radius > 0.0 { (theta / radius).log2().floor() } else { f64::INFINITY };
    let most = gain.min(r.s as f64).min(expm_unscalable::<T>() as f64);
    (most >= 2.0).then_some(most as usize)
}

/// The recipe with the fewest squarings, up to `most` less, that the powers allow: they are the 1-norms of
/// `X, X^2, X^3, X^4, X^6`, of the matrix scaled as `r` says.
pub(crate) fn by_powers<T: Scalar>(r: Recipe, most: usize, powers: [f64; 5]) -> Option<Recipe> {
    let degrees = expm_degrees::<T>();
    (1..=most).rev().find_map(|less| {
        let grown = unscaled(powers, less);
        let s = r.s - less;
        // Lower degrees only where nothing is left to scale.
        let from = if s == 0 { 0 } else { degrees.len() - 1 };
        degrees[from..].iter().find(|(m, _)| serves::<T>(*m, grown)).map(|&(m, _)| Recipe { m, s })
    })
}

/// The norms of the powers of `2^t X`.
fn unscaled(powers: [f64; 5], t: usize) -> [f64; 5] {
    core::array::from_fn(|i| powers[i] * ((POWERS[i] * t) as f64).exp2())
}

/// Is the leading term of `h`, and of its derivatives, below rounding?
///
/// Words of `k` directions and `i` letters `X` have norms of at most the coefficient of `z^i` in `f(z)^{k+1}`,
/// `f(z) = sum |X^a| z^a`, and come in `k!` orders. They are compared with what the derivative of the exponential
/// itself may be as large as: one, or its own word `X E X F .. X`, of weight `k! / (2k+1)!`.
fn serves<T: Scalar>(m: usize, powers: [f64; 5]) -> bool {
    let f = bounds(powers);
    let u = 0.5 * T::EPS.f64();
    let (mut words, mut factor) = (f, 1.0);
    for k in 0..=ORDER {
        if k > 0 {
            words = convolve(&words, &f);
            factor *= k as f64;
        }
        let own = factor * f[1].powi(k as i32 + 1) / factorial(2 * k + 1);
        let error = leading(m) * factor * words[2 * m + 1 - k];
        // A bound that is not a number does not serve either.
        if error.is_nan() || error > u * own.max(1.0) {
            return false;
        }
    }
    true
}

/// Bounds of `|X^a|` for all `a`, from those of five powers.
fn bounds(powers: [f64; 5]) -> [f64; LETTERS] {
    let mut f = [1.0; LETTERS];
    for a in 1..LETTERS {
        let parts = POWERS.iter().zip(powers).filter(|(p, _)| **p <= a).map(|(p, norm)| f[a - p] * norm);
        f[a] = parts.fold(f64::INFINITY, f64::min);
    }
    f
}

fn convolve(a: &[f64; LETTERS], b: &[f64; LETTERS]) -> [f64; LETTERS] {
    core::array::from_fn(|i| (0..=i).map(|j| a[j] * b[i - j]).sum())
}

/// `(m!)^2 / ((2m)! (2m+1)!)`.
fn leading(m: usize) -> f64 {
    factorial(m) / factorial(2 * m) * (factorial(m) / factorial(2 * m + 1))
}

fn factorial(k: usize) -> f64 {
    (1..=k).fold(1.0, |p, i| p * i as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_norm_alone_decides_for_normal_matrices() {
        assert_eq!(by_norm::<f64>(0.0), Some(Recipe { m: 3, s: 0 }));
        assert_eq!(by_norm::<f64>(4.1), Some(Recipe { m: 13, s: 0 }));
        assert_eq!(by_norm::<f64>(30.0), Some(Recipe { m: 13, s: 3 }));
        assert_eq!(by_norm::<f32>(30.0), Some(Recipe { m: 7, s: 4 }));
        assert_eq!(by_norm::<f64>(f64::INFINITY), None);
        // Powers as large as the powers of the norm gain nothing.
        assert_eq!(gain::<f64>(Recipe { m: 13, s: 3 }, 4f64.powi(4), 4f64.powi(6)), None);
    }

    /// Where the powers are those of the norm, the bound by words is the bound by the norm: the smallest norm that does
    /// not serve lies just above the number in the table (the table knows all terms, the bound the leading one).
    #[test]
    fn the_two_bounds_are_one() {
        for &(m, theta) in expm_degrees::<f64>().iter().chain(expm_degrees::<f32>()) {
            let p = |x: f64| POWERS.map(|k| x.powi(k as i32));
            let single = m == 7 && theta > 1.0 || m == 5 && theta > 0.5 || m == 3 && theta > 0.01;
            let ok = |x: f64| if single { serves::<f32>(m, p(x)) } else { serves::<f64>(m, p(x)) };
            assert!(ok(theta) && !ok(1.2 * theta), "{m} {theta}");
        }
    }

    #[test]
    fn nilpotent_matrices_are_not_scaled() {
        // |X| = 2^20, X^2 = 0: the longest word of a third derivative, X E X F X G X, has seven letters.
        let r = by_norm::<f64>(1048576.0).unwrap();
        let scaled = 1048576.0 * (-(r.s as f64)).exp2();
        assert_eq!(gain::<f64>(r, 0.0, 0.0), Some(r.s));
        assert_eq!(by_powers::<f64>(r, r.s, [scaled, 0.0, 0.0, 0.0, 0.0]), Some(Recipe { m: 5, s: 0 }));
    }
}
