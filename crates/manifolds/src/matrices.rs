//! Points that are one matrix: what their files have in common.

use crate::{Manifold, Parts, Result, residuals};
use pullback::{Batch, Scalar, Shape, Var};
use smallvec::smallvec;

/// The only matrix of a point.
#[track_caller]
pub(crate) fn only<A: Copy>(parts: &[A]) -> A {
    assert_eq!(parts.len(), 1, "expected a point of one matrix, got {}", parts.len());
    parts[0]
}

/// A point of one matrix.
pub(crate) fn one<'t, T: Scalar>(v: Var<'t, T>) -> Parts<'t, T> {
    smallvec![v]
}

/// A number as a value.
pub(crate) fn number<'t, T: Scalar>(like: Var<'t, T>, c: f64) -> Var<'t, T> {
    like.tape().filled(Shape::SCALAR, T::of(c))
}

/// Are `x` and, where it is given, `u` lists of one finite matrix of the shape that points of `m` have?
pub(crate) fn shaped<T: Scalar>(m: &dyn Manifold<T>, lists: &[&[Batch<T>]]) -> Result<()> {
    lists.iter().try_for_each(|x| residuals::shapes(&|| m.name(), &m.shapes(), x))
}

/// Checks the equation of points, whose residual in each member is given.
pub(crate) fn holds_at<T: Scalar>(
    m: &dyn Manifold<T>,
    equation: &'static str,
    residuals: &[f64],
    tolerance: f64,
) -> Result<()> {
    residuals::point_equation(&|| m.name(), equation, residuals, |_| tolerance)
}

/// Checks the equation of tangents. What projection leaves is relative to the ambient vector it was given, which may be
/// far longer than its tangent part.
pub(crate) fn holds_for<T: Scalar>(
    m: &dyn Manifold<T>,
    equation: &'static str,
    residuals: &[f64],
    u: &Batch<T>,
    tolerance: f64,
) -> Result<()> {
    residuals::tangent_equation(&|| m.name(), equation, residuals, |b| tolerance * (1.0 + residuals::largest(u, b)))
}
