//! How the action of an exponential on a thin matrix is computed: shift, segments and degree, from norms. The
//! recurrence itself lives in `action.rs`.
//!
//! With `mu = tr A / n` and `X = (A - mu I) / s`: `exp(A) B = (e^{mu / s} T_m(X))^s B`, where `T_m` is the Taylor
//! polynomial of degree `m`. There are two limits.
//!
//! - *Truncation.* What is cut off one segment is `sum over j > m of X^j / j!`, and of its derivative along `k`
//!   directions, words of `k` directions and `j - k` letters `X`. With bounds `f_i` of `|X^i|` those words have norms
//!   of at most the coefficient of `z^{j-k}` in `f(z)^{k+1}`, come in `k!` orders, and weigh `1 / j!`. With
//!   `f_i = a^i`, `a = |X|`, they sum to `a^{j-k} / (j-k)!`, so that `k` directions take `k` terms more than the value.
//!   The sum must stay below rounding, relative to the thin matrix and to the product of the norms of the directions.
//! - *Growth.* The terms may be as large as `e^a`, where their sum is of size one (turns), and
//!   rounding is that of the terms. So a segment is kept short (`ACTION_RADIUS`): that loses at most some thirty units,
//!   where the longest segments of Al-Mohy & Higham 2011 lose four digits for two thirds of the products.
//!
//! A matrix far from normal has powers much smaller than the powers of its norm. Where the norm asks for many segments,
//! the 1-norms of `X^2, X^3, X^4, X^6` are estimated (Higham & Tisseur 2000, with one vector), and the bounds `f_i` are
//! made of them.

use num_traits::Float;

use crate::gemm::gemm;
use crate::logm::norm_one;
use crate::real::Real;
use crate::tolerances::{ACTION_ESTIMATES, ACTION_RADIUS, ACTION_SEGMENTS};
use crate::{Failure, Scalar};

/// Segments, degree, and the first term from which on each is at most half of the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) s: usize,
    pub(crate) m: usize,
    pub(crate) falls: usize,
}

/// The powers whose norms are estimated.
const POWERS: [usize; 4] = [2, 3, 4, 6];
/// Terms that are looked at.
const TERMS: usize = 100;
/// The largest degree: beyond it, more segments are cheaper.
const LONGEST: usize = 60;

/// The plan for `X = A - mu I` and `k` directions; `work` has room for three columns.
///
/// Errors: a norm that asks for more than `ACTION_SEGMENTS` segments.
pub(crate) fn plan<T: Real>(x: &[T], n: usize, k: usize, work: &mut [T]) -> Result<Plan, Failure> {
    let norm = Scalar::f64(norm_one(x, n));
    let by_norm = by_norm::<T>(norm, k);
    if by_norm.is_some_and(|plan| plan.s <= ACTION_ESTIMATES) || !norm.is_finite() {
        return by_norm.ok_or(TOO_LARGE);
    }
    let norms = POWERS.map(|p| power_norm(x, n, p, norm, work));
    by_powers::<T>(norm, norms, k, by_norm).ok_or(TOO_LARGE)
}

const TOO_LARGE: Failure = Failure::Unsupported {
    what: "the action of the exponential of a matrix of so large a norm; form the exponential (`expm`)",
};

/// The plan from the norm of `X` alone, if it is not too large.
fn by_norm<T: Real>(norm: f64, k: usize) -> Option<Plan> {
    let s = (norm / ACTION_RADIUS).ceil().max(1.0);
    if s > ACTION_SEGMENTS as f64 || norm.is_nan() {
        return None;
    }
    let a = norm / s;
    let (mut i, mut term) = (0usize, 1.0);
    loop {
        i += 1;
        term *= a / i as f64;
        // From here on each term is at most half of the one before.
        if i as f64 >= 2.0 * a && 2.0 * term <= 0.5 * T::EPS.f64() {
            let m = (i + k - 1).max(1);
            return Some(Plan { s: s as usize, m, falls: (2.0 * a).ceil() as usize });
        }
    }
}

/// The plan that the norms of powers allow, if it takes fewer products than the other one.
///
/// Growth is that of powers from the second on: `|X^i|^{1/i}` is at most the larger of those for 2 and 3. The first
/// power may be large, but then the result is.
fn by_powers<T: Real>(norm: f64, norms: [f64; 4], k: usize, other: Option<Plan>) -> Option<Plan> {
    let radius = norms[0].sqrt().max(norms[1].cbrt());
    let mut s = (radius / ACTION_RADIUS).ceil().max(1.0);
    while s <= other.map_or(ACTION_SEGMENTS, |p| p.s) as f64 {
        if let Some(m) = degree::<T>(&bounds(norm, norms, s), k) {
            let plan = Plan { s: s as usize, m, falls: usize::MAX };
            return other.filter(|o| o.s * o.m <= plan.s * plan.m).or(Some(plan));
        }
        s *= 2.0;
    }
    other
}

/// Bounds of `|(X / s)^i|` from those of five powers.
fn bounds(norm: f64, norms: [f64; 4], s: f64) -> [f64; TERMS] {
    let mut f = [1.0; TERMS];
    for i in 1..TERMS {
        f[i] = f[i - 1] * (norm / s);
        for (p, size) in POWERS.iter().zip(norms).filter(|(p, _)| **p <= i) {
            f[i] = f[i].min(f[i - p] * (size / s.powi(*p as i32)));
        }
    }
    f
}

/// The degree for these bounds, if it is not too high.
fn degree<T: Real>(f: &[f64; TERMS], k: usize) -> Option<usize> {
    let mut words = *f;
    for _ in 0..k {
        words = core::array::from_fn(|i| (0..=i).map(|j| words[j] * f[i - j]).sum());
    }
    // k! / j! times the words of j letters, from the last backwards.
    let weight = |j: usize| (1..=j).fold(1.0, |w, i| w / if i > k { i as f64 } else { 1.0 });
    let mut tail = 0.0;
    for j in (k + 1..TERMS).rev() {
        tail += weight(j) * words[j - k];
        if tail.is_nan() || tail > 0.5 * T::EPS.f64() {
            return (j <= LONGEST).then_some(j);
        }
    }
    Some(k.max(1))
}

/// Twice an estimate of `|X^p|_1`, which is never larger than the norm and seldom below a third of it, and not more
/// than what the norm of `X` allows.
///
/// Hager's ascent, as in `equations.rs`: a subgradient of `|X^p v|_1` is `(X^p)^T sign(X^p v)`, whose largest entry
/// says which unit vector to try next; a vector of alternating signs guards against an early stop.
fn power_norm<T: Real>(x: &[T], n: usize, p: usize, norm: f64, work: &mut [T]) -> f64 {
    let (v, rest) = work.split_at_mut(n);
    let (u, last) = rest.split_at_mut(n);
    let sum = |v: &[T]| v.iter().map(|x| Scalar::f64(Float::abs(*x))).sum::<f64>();
    v.fill(T::one() / T::of(n as f64));
    apply(x, n, p, false, v, u);
    let mut found = sum(v);
    let mut at = n;
    for _ in 0..4 {
        v.iter_mut().for_each(|x| *x = if *x < T::zero() { -T::one() } else { T::one() });
        apply(x, n, p, true, v, u);
        let next = (0..n).fold(0, |k, i| if Float::abs(v[i]) > Float::abs(v[k]) { i } else { k });
        if next == at {
            break;
        }
        at = next;
        v.fill(T::zero());
        v[at] = T::one();
        apply(x, n, p, false, v, u);
        let size = sum(v);
        if size <= found {
            break;
        }
        found = size;
    }
    crate::equations::alternating(&mut last[..n]);
    v.copy_from_slice(&last[..n]);
    apply(x, n, p, false, v, u);
    let guard = sum(v) * 2.0 / (3.0 * n as f64);
    // A sum that overflowed bounds nothing.
    let size = 2.0 * found.max(guard);
    if size.is_nan() { f64::INFINITY } else { size.min(norm.powi(p as i32)) }
}

/// `v <- op(X)^p v`; `u` is scratch.
fn apply<T: Real>(x: &[T], n: usize, p: usize, transpose: bool, v: &mut [T], u: &mut [T]) {
    for _ in 0..p {
        gemm(u, n, 1, n, T::one(), x, transpose, v, false, false);
        v.copy_from_slice(u);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn degrees_grow_with_the_norm_and_with_the_directions() {
        let m = |norm, k| by_norm::<f64>(norm, k).unwrap();
        assert_eq!(m(0.0, 0), Plan { s: 1, m: 1, falls: 0 });
        assert_eq!(m(0.0, 2).m, 2);
        assert!(m(1e-8, 0).m <= 3 && m(1.0, 0).m < m(3.0, 0).m);
        assert_eq!(m(3.0, 2).m, m(3.0, 0).m + 2);
        assert_eq!(m(70.0, 0).s, 20);
        assert!(by_norm::<f32>(3.0, 0).unwrap().m < m(3.0, 0).m);
        assert_eq!(by_norm::<f64>(1e9, 0), None);
    }

    #[test]
    fn the_two_bounds_are_one_for_normal_matrices() {
        for a in [0.1, 1.0, 3.4] {
            for k in 0..4 {
                let f = bounds(a, POWERS.map(|p| f64::powi(a, p as i32)), 1.0);
                let (m, n) = (degree::<f64>(&f, k).unwrap(), by_norm::<f64>(a, k).unwrap().m);
                assert!(m <= n && n <= m + 2, "{a} {k}: {m} {n}");
            }
        }
    }

    #[test]
    fn nilpotent_matrices_take_one_segment_for_the_value() {
        // [0 1e6; 0 0]: its powers vanish, and one direction in between makes three letters of it.
        let x = [0.0, 0.0, 1e6, 0.0];
        let mut work = [0.0; 6];
        let plan = super::plan::<f64>(&x, 2, 0, &mut work).unwrap();
        assert_eq!(plan, Plan { s: 1, m: 1, falls: usize::MAX });
        let along = super::plan::<f64>(&x, 2, 1, &mut work).unwrap();
        assert_eq!((along.s, along.m), (1, 3));
    }
}
