//! Checks that numbers are points or tangents: shapes, residuals of equations, and the size that rounding explains.

use crate::{Error, Result};
use pullback::{Batch, Scalar, Shape};

/// A residual of this many times epsilon and the square root of the size is rounding.
const ROUNDING: f64 = 1e3;

/// What rounding explains in a product over `n` rows.
pub fn tolerance<T: Scalar>(n: usize) -> f64 {
    ROUNDING * T::EPS.f64() * (n.max(1) as f64).sqrt()
}

/// Are there as many matrices as there should be, of the right sizes and finite? All must agree in batch.
pub fn shapes<T: Scalar>(name: &dyn Fn() -> String, expected: &[Shape], x: &[Batch<T>]) -> Result<()> {
    if x.len() != expected.len() {
        return Err(Error::Parts { manifold: name(), expected: expected.len(), got: x.len() });
    }
    for (part, (x, &expected)) in x.iter().zip(expected).enumerate() {
        let got = x.shape();
        if (got.rows, got.cols) != (expected.rows, expected.cols) {
            return Err(Error::Shape { manifold: name(), part, expected, got });
        }
        if let Some((index, value)) = x.first_non_finite() {
            return Err(Error::NonFinite { part, index, value: value.f64() });
        }
    }
    Ok(())
}

/// The largest entry of `X^T Y - shift I` for each member, in double precision; NaN if one is NaN, as the difference of
/// two products that overflow is.
pub fn gram_residual<T: Scalar>(x: &Batch<T>, y: &Batch<T>, shift: f64) -> Vec<f64> {
    let s = y.shape();
    let column = |m: &Batch<T>, b: usize, j: usize| {
        let b = if m.shape().batch == 1 { 0 } else { b };
        let at = b * s.each() + j * s.rows;
        m.data()[at..at + s.rows].to_vec()
    };
    (0..s.batch.max(x.shape().batch))
        .map(|b| {
            let mut worst = 0.0f64;
            for i in 0..x.shape().cols {
                let xi = column(x, b, i);
                for j in 0..s.cols {
                    let yj = column(y, b, j);
                    let dot: f64 = xi.iter().zip(&yj).map(|(a, b)| a.f64() * b.f64()).sum();
                    let off = (dot - if i == j { shift } else { 0.0 }).abs();
                    // `f64::max` would drop NaN.
                    worst = if off > worst || off.is_nan() { off } else { worst };
                }
            }
            worst
        })
        .collect()
}

/// The first member whose residual is above its tolerance, with both. NaN is above every tolerance.
pub fn worst(residuals: &[f64], tolerance: impl Fn(usize) -> f64) -> Option<(usize, f64, f64)> {
    residuals.iter().enumerate().map(|(b, &r)| (b, r.abs(), tolerance(b))).find(|(_, r, t)| r > t || r.is_nan())
}

/// The largest modulus of an entry in member `b`.
pub fn largest<T: Scalar>(u: &Batch<T>, b: usize) -> f64 {
    let each = u.shape().each();
    u.data()[b * each..(b + 1) * each].iter().fold(0.0f64, |m, v| m.max(v.f64().abs()))
}

/// Does the equation of a point hold in every member?
///
/// # Errors
/// [`Error::NotAPoint`] with the first member where it does not.
pub fn point_equation(
    manifold: &dyn Fn() -> String,
    equation: &'static str,
    residuals: &[f64],
    tolerance: impl Fn(usize) -> f64,
) -> Result<()> {
    match worst(residuals, tolerance) {
        None => Ok(()),
        Some((member, residual, tolerance)) => {
            Err(Error::NotAPoint { manifold: manifold(), member, equation, residual, tolerance })
        }
    }
}

/// Does the equation of a tangent hold in every member?
///
/// # Errors
/// [`Error::NotTangent`] with the first member where it does not.
pub fn tangent_equation(
    manifold: &dyn Fn() -> String,
    equation: &'static str,
    residuals: &[f64],
    tolerance: impl Fn(usize) -> f64,
) -> Result<()> {
    match worst(residuals, tolerance) {
        None => Ok(()),
        Some((member, residual, tolerance)) => {
            Err(Error::NotTangent { manifold: manifold(), member, equation, residual, tolerance })
        }
    }
}
