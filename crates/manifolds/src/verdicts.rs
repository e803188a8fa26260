//! Verdicts on plain numbers that several spaces need: symmetric, positive, positive definite, of full rank, summing to
//! one. They cost at most one factorisation a member and are no programs: nothing here is differentiated.

use crate::{Error, Manifold, Result};
use pullback::{Batch, Scalar, Shape, Tape};

/// The entry `(i, j)` of member `b`, in double precision.
pub(crate) fn entry<T: Scalar>(x: &Batch<T>, b: usize, i: usize, j: usize) -> f64 {
    let s = x.shape();
    x.data()[b * s.each() + j * s.rows + i].f64()
}

/// The largest modulus of an entry of `X - sign X^T` in each member: 0 for symmetric (`1`) or skew (`-1`) matrices.
pub(crate) fn asymmetry<T: Scalar>(x: &Batch<T>, sign: f64) -> Vec<f64> {
    let s = x.shape();
    let mut worst = vec![0.0f64; s.batch];
    for (b, worst) in worst.iter_mut().enumerate() {
        for (i, j) in (0..s.cols).flat_map(|j| (0..=j).map(move |i| (i, j))) {
            *worst = worst.max((entry(x, b, i, j) - sign * entry(x, b, j, i)).abs());
        }
    }
    worst
}

/// How far the sums of rows (or, with `columns`, of columns) are from `total`, at worst, in each member.
pub(crate) fn sums<T: Scalar>(x: &Batch<T>, columns: bool, total: f64) -> Vec<f64> {
    let s = x.shape();
    let (outer, inner) = if columns { (s.cols, s.rows) } else { (s.rows, s.cols) };
    let sum = |b: usize, i: usize| -> f64 {
        (0..inner).map(|k| if columns { entry(x, b, k, i) } else { entry(x, b, i, k) }).sum()
    };
    (0..s.batch).map(|b| (0..outer).map(|i| (sum(b, i) - total).abs()).fold(0.0, f64::max)).collect()
}

/// The smallest entry of each member.
pub(crate) fn smallest<T: Scalar>(x: &Batch<T>) -> Vec<f64> {
    let each = x.shape().each();
    x.data().chunks(each.max(1)).map(|m| m.iter().map(|v| v.f64()).fold(f64::INFINITY, f64::min)).collect()
}

/// The first member whose number is not positive is no point.
pub(crate) fn positive<T: Scalar>(m: &dyn Manifold<T>, equation: &'static str, numbers: &[f64]) -> Result<()> {
    match numbers.iter().enumerate().find(|(_, v)| **v <= 0.0 || v.is_nan()) {
        None => Ok(()),
        Some((member, v)) => {
            Err(Error::NotAPoint { manifold: m.name(), member, equation, residual: -v, tolerance: 0.0 })
        }
    }
}

/// Has every member a Cholesky factorisation?
pub(crate) fn definite<T: Scalar>(m: &dyn Manifold<T>, equation: &'static str, x: &Batch<T>) -> Result<()> {
    for b in 0..x.shape().batch {
        let (one, tape) = (Shape { batch: 1, ..x.shape() }, Tape::plain());
        let each = one.each();
        let p = tape.constant(&Batch::from_slice(one, &x.data()[b * each..(b + 1) * each]));
        if p.try_cholesky().is_err() {
            let least = p.symmetric().values(0..1.min(one.rows)).value();
            let residual = least.data().first().map_or(0.0, |v| (-v.f64()).max(0.0));
            return Err(Error::NotAPoint { manifold: m.name(), member: b, equation, residual, tolerance: 0.0 });
        }
    }
    Ok(())
}

/// Have the columns of every member full rank to working precision: is the smallest singular value above rounding of
/// the largest?
pub(crate) fn full_rank<T: Scalar>(m: &dyn Manifold<T>, equation: &'static str, x: &Batch<T>) -> Result<()> {
    let s = x.shape();
    let tape = Tape::plain();
    let values = tape.constant(x).svdvals().value();
    let k = values.shape().rows;
    let tolerance = T::EPS.f64() * s.rows.max(s.cols) as f64;
    for b in 0..s.batch {
        let (large, small) = (entry(&values, b, 0, 0), entry(&values, b, k - 1, 0));
        if small <= tolerance * large || small.is_nan() {
            let residual = tolerance * large - small;
            return Err(Error::NotAPoint { manifold: m.name(), member: b, equation, residual, tolerance: 0.0 });
        }
    }
    Ok(())
}
