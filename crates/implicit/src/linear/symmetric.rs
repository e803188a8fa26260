//! Witnesses that a map is self-adjoint or positive, and how they are obtained at run time. The solvers that need one
//! are files of their own.

use super::{Map, Method, SMALL, Spectrum, spectrum, tridiagonal};
use crate::error::Result;
use crate::lists::{self, List};
use pullback::Scalar;

/// A witness that a map is self-adjoint in its metric, by the caller's assertion or by a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SelfAdjoint(());

/// A witness that a map is self-adjoint and positive, by the caller's assertion or by a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Positive(());

impl SelfAdjoint {
    /// Asserted by the caller. If that is wrong, the residual does not fall; the solution is never silently wrong.
    pub fn asserted() -> Self {
        SelfAdjoint(())
    }
    /// Tests the map along random directions, in small spaces as a whole matrix.
    ///
    /// # Errors
    /// The first failure of the map.
    pub fn certified<T: Scalar>(map: &dyn Map<T>) -> Result<Option<Self>> {
        Ok(match all(&look(map, STEPS)?.0) {
            Seen::Neither => None,
            Seen::SelfAdjoint(s) => Some(s),
            Seen::Positive(_) => Some(SelfAdjoint(())),
        })
    }
}

impl Positive {
    /// Asserted by the caller. Conjugate gradients stop where a direction contradicts it.
    pub fn asserted() -> Self {
        Positive(())
    }
    /// Tests the map: in small spaces by all its eigenvalues, else by the Ritz values of a few Lanczos steps from a
    /// random vector, which are evidence and not a proof.
    ///
    /// # Errors
    /// The first failure of the map.
    pub fn certified<T: Scalar>(map: &dyn Map<T>) -> Result<Option<Self>> {
        Ok(match all(&look(map, STEPS)?.0) {
            Seen::Positive(p) => Some(p),
            _ => None,
        })
    }
}

/// What was seen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Seen {
    Positive(Positive),
    SelfAdjoint(SelfAdjoint),
    Neither,
}

impl Seen {
    /// The method that suits a map that shows itself so.
    pub(crate) fn method(self) -> Method {
        match self {
            Seen::Positive(p) => Method::Cg(p),
            Seen::SelfAdjoint(s) => Method::Minres(s),
            Seen::Neither => Method::Gmres { restart: 40 },
        }
    }
}

/// Lanczos steps from a random vector.
pub(crate) const STEPS: usize = 10;

/// A defect of symmetry of at most this is rounding, or an inner solution that is not quite one.
pub(crate) fn tolerance<T: Scalar>() -> f64 {
    T::EPS.f64().sqrt()
}

/// What the map of each member shows of itself, and the products that it took.
pub(crate) fn look<T: Scalar>(map: &dyn Map<T>, steps: usize) -> Result<(Vec<Seen>, usize)> {
    if map.dim() <= SMALL {
        return Ok((spectrum(map)?.iter().map(judged::<T>).collect(), map.dim()));
    }
    let defects = defect(map)?;
    let skew = |m: usize| defects[m] > tolerance::<T>() || defects[m].is_nan();
    if (0..defects.len()).all(skew) {
        return Ok((vec![Seen::Neither; defects.len()], 2));
    }
    let ritz = lanczos(map, steps, 0x5EED)?;
    let one = |m: usize| match ritz[m] {
        _ if skew(m) => Seen::Neither,
        Some((low, high)) if low > 100.0 * T::EPS.f64() * high => Seen::Positive(Positive(())),
        _ => Seen::SelfAdjoint(SelfAdjoint(())),
    };
    Ok(((0..defects.len()).map(one).collect(), 2 + steps))
}

/// What is true of all of them.
pub(crate) fn all(seen: &[Seen]) -> Seen {
    let worst = |a: Seen, b: &Seen| match (a, b) {
        (Seen::Neither, _) | (_, Seen::Neither) => Seen::Neither,
        (Seen::Positive(_), b) => *b,
        (a, _) => a,
    };
    seen.iter().fold(Seen::Positive(Positive(())), worst)
}

fn judged<T: Scalar>(s: &Spectrum) -> Seen {
    match s.symmetry <= tolerance::<T>() {
        false => Seen::Neither,
        true if s.low > 100.0 * T::EPS.f64() * s.high => Seen::Positive(Positive(())),
        true => Seen::SelfAdjoint(SelfAdjoint(())),
    }
}

/// A random vector of the space, whose leaves are as long in the metric as noise of their entries is in the ambient
/// one. Where metrics differ by many orders of size, noise as it comes is a vector of one leaf and rounding of the
/// others, and does not see what a map does there.
pub(crate) fn random<T: Scalar>(map: &dyn Map<T>, seed: u64) -> Result<List<T>> {
    let mut v = lists::noise_alike(map.shapes(), seed);
    map.project(&mut v)?;
    if map.is_ambient() || v.len() == 1 {
        return Ok(v);
    }
    let mut g = lists::zeros(map.shapes());
    map.lower(&v, &mut g)?;
    for (v, g) in v.iter_mut().zip(&g) {
        let (v, g, shape) = (std::slice::from_mut(v), std::slice::from_ref(g), g.shape());
        for m in 0..shape.batch {
            let scale = (shape.each() as f64).sqrt() / lists::dot(v, g, m).max(0.0).sqrt();
            lists::scale(v, if scale > 0.0 && T::of(scale).is_finite() { scale } else { 1.0 }, m);
        }
    }
    map.project(&mut v)?;
    Ok(v)
}

/// `|<u, Av> - <Au, v>| / (|Au| |v| + |u| |Av|)` for two random vectors, for each member.
pub(crate) fn defect<T: Scalar>(map: &dyn Map<T>) -> Result<Vec<f64>> {
    let zeros = || lists::zeros::<T>(map.shapes());
    let random = |seed| -> Result<(List<T>, List<T>, List<T>)> {
        let u = random(map, seed)?;
        let (mut au, mut gu) = (zeros(), zeros());
        map.apply(&u, &mut au)?;
        map.lower(&u, &mut gu)?;
        Ok((u, au, gu))
    };
    let ((u, au, gu), (v, av, gv)) = (random(11)?, random(12)?);
    let (mut gau, mut gav) = (zeros(), zeros());
    map.lower(&au, &mut gau)?;
    map.lower(&av, &mut gav)?;
    let one = |m: usize| {
        let length = |x: &List<T>, g: &List<T>| lists::dot(x, g, m).max(0.0).sqrt();
        let size = length(&au, &gau) * length(&v, &gv) + length(&u, &gu) * length(&av, &gav);
        let apart = (lists::dot(&av, &gu, m) - lists::dot(&au, &gv, m)).abs();
        if size > 0.0 { apart / size } else { apart }
    };
    Ok((0..lists::members(map.shapes())).map(one).collect())
}

/// The extreme Ritz values after some Lanczos steps from a random vector, with all vectors kept orthogonal.
pub(crate) fn lanczos<T: Scalar>(map: &dyn Map<T>, steps: usize, seed: u64) -> Result<Vec<Option<(f64, f64)>>> {
    let n = lists::members(map.shapes());
    let zeros = || lists::zeros::<T>(map.shapes());
    let mut v = random(map, seed)?;
    let (mut basis, mut lowered): (Vec<List<T>>, Vec<List<T>>) = (vec![], vec![]);
    let (mut diagonal, mut off) = (vec![vec![]; n], vec![vec![]; n]);
    let mut ends = vec![false; n];
    for k in 0..steps.min(map.dim()) {
        let mut g = zeros();
        map.lower(&v, &mut g)?;
        for m in 0..n {
            let length = lists::dot(&v, &g, m).max(0.0).sqrt();
            let size = diagonal[m].iter().fold(0.0f64, |s, d: &f64| s.max(d.abs()));
            ends[m] |= !length.is_finite() || length <= 1e3 * T::EPS.f64() * size;
            if k > 0 && !ends[m] {
                off[m].push(length);
            }
            let c = if ends[m] { 0.0 } else { 1.0 / length };
            lists::scale(&mut v, c, m);
            lists::scale(&mut g, c, m);
        }
        let mut w = zeros();
        map.apply(&v, &mut w)?;
        basis.push(std::mem::replace(&mut v, w));
        lowered.push(g);
        for m in (0..n).filter(|m| !ends[*m]) {
            diagonal[m].push(lists::dot(&v, &lowered[k], m));
            for _ in 0..2 {
                for (e, g) in basis.iter().zip(&lowered) {
                    let c = lists::dot(&v, g, m);
                    lists::add(&mut v, -c, e, m);
                }
            }
        }
    }
    Ok((0..n).map(|m| tridiagonal::extremes(&diagonal[m], &off[m])).collect())
}
