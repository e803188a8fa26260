//! Matrices with positive entries, each entry with the metric `u v / x²` of the logarithm: scale does not matter, and 0
//! is infinitely far.
//!
//! The coordinate `ln x` makes it flat, since `(ln x)' = u / x`. So, entry by entry (Manopt's and Pennec's
//! one-dimensional affine-invariant metric):
//!
//! - gradient `x² G`; Hessian `x² H + x u G`, the derivative of `x G` in the coordinate, `u G + x H`, times `x`;
//! - exponential and retraction `x e^(v/x)`, defined everywhere as long as nothing overflows;
//! - logarithm `x ln(y/x)`, distance `|ln(y/x)|`, with `ln(y/x)` as `2 asinh((y - x) / (2 sqrt(x y)))`, exact where the
//!   points are close; parallel transport `u y / x`, an isometry; curvature 0.
//!
//! A few operations an entry. The projection is the identity.

use crate::matrices::{one, only, shaped};
use crate::scalars::{Times, ln_ratio};
use crate::{Egrad, Manifold, Parts, Result, Rgrad, Shapes, gaussian, verdicts};
use pullback::{Batch, Scalar, Shape, Tape, Var};
use rand::Rng;
use smallvec::smallvec;

/// `n x m` matrices of positive entries.
///
/// ```
/// use pullback_manifolds::PositiveMatrices;
/// use pullback::faer::mat;
///
/// let (x, y) = (mat![[1.0], [2.0]], mat![[4.0], [2.0]]);
/// // Half way is the geometric mean.
/// let mean = PositiveMatrices::new(2, 1).geodesic(&x, &y, 0.5)?;
/// assert!((mean - mat![[2.0], [2.0]]).norm_max() < 1e-15);
/// # Ok::<(), pullback_manifolds::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PositiveMatrices {
    n: usize,
    m: usize,
}

impl PositiveMatrices {
    /// Matrices of `n` rows and `m` columns; vectors have `m = 1`.
    pub fn new(n: usize, m: usize) -> Self {
        PositiveMatrices { n, m }
    }
}

pullback_geometry::words!(PositiveMatrices);

fn exponential<'t, T: Scalar>(x: Var<'t, T>, v: Var<'t, T>) -> Var<'t, T> {
    x.hadamard(v.elem_div(x).exp())
}

fn logarithm<'t, T: Scalar>(x: Var<'t, T>, y: Var<'t, T>) -> Var<'t, T> {
    x.hadamard(ln_ratio(x, y, y - x))
}

impl<T: Scalar> Manifold<T> for PositiveMatrices {
    fn name(&self) -> String {
        format!("Positive({}x{})", self.n, self.m)
    }
    fn shapes(&self) -> Shapes {
        smallvec![Shape::mat(self.n, self.m)]
    }
    fn dim(&self) -> usize {
        self.n * self.m
    }
    fn inner<'t>(&self, x: &[Var<'t, T>], u: &[Var<'t, T>], v: &[Var<'t, T>]) -> Var<'t, T> {
        only(u).elem_div(only(x)).dot(only(v).elem_div(only(x)))
    }
    fn project<'t>(&self, _: &[Var<'t, T>], u: &[Var<'t, T>]) -> Parts<'t, T> {
        one(only(u))
    }
    fn egrad_to_rgrad<'t>(&self, x: &[Var<'t, T>], g: Egrad<&[Var<'t, T>]>) -> Rgrad<Parts<'t, T>> {
        let x = only(x);
        Rgrad(one(x.hadamard(x).hadamard(only(g.0))))
    }
    fn ehess_to_rhess<'t>(
        &self,
        x: &[Var<'t, T>],
        g: Egrad<&[Var<'t, T>]>,
        h: &[Var<'t, T>],
        u: &[Var<'t, T>],
    ) -> Parts<'t, T> {
        let x = only(x);
        one(x.hadamard(x.hadamard(only(h)) + only(u).hadamard(only(g.0))))
    }
    fn retract<'t>(&self, x: &[Var<'t, T>], v: &[Var<'t, T>]) -> Parts<'t, T> {
        one(exponential(only(x), only(v)))
    }
    fn retraction_order(&self) -> usize {
        2
    }
    fn inverse_retract<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        Some(one(logarithm(only(x), only(y))))
    }
    fn transport<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>], u: &[Var<'t, T>]) -> Parts<'t, T> {
        one(only(u).hadamard(only(y).elem_div(only(x))))
    }
    fn transport_is_isometric(&self) -> bool {
        true
    }
    fn exp<'t>(&self, x: &[Var<'t, T>], v: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        Some(one(exponential(only(x), only(v))))
    }
    fn log<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        Some(one(logarithm(only(x), only(y))))
    }
    fn dist2<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Var<'t, T>> {
        let d = ln_ratio(only(x), only(y), only(y) - only(x));
        Some(d.dot(d))
    }
    fn parallel_transport<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>], u: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        Some(Manifold::transport(self, x, y, u))
    }
    fn curvature<'t>(
        &self,
        _: &[Var<'t, T>],
        _: &[Var<'t, T>],
        _: &[Var<'t, T>],
        w: &[Var<'t, T>],
    ) -> Option<Parts<'t, T>> {
        Some(one(only(w).zeros()))
    }
    /// The point itself: an entry that is no longer positive is an error at its next use.
    fn reproject<'t>(&self, x: &[Var<'t, T>]) -> Parts<'t, T> {
        one(only(x))
    }
    /// `e^z` for Gaussian `z`.
    fn random_point(&self, batch: usize, rng: &mut dyn Rng) -> Vec<Batch<T>> {
        let z: Batch<T> = gaussian(Shape::batch(batch, self.n, self.m), rng);
        vec![Tape::plain().constant(&z).exp().value()]
    }
    /// `x z` for Gaussian `z`: every entry as long as the others in the metric.
    fn random_tangent(&self, x: &[Batch<T>], rng: &mut dyn Rng) -> Result<Vec<Batch<T>>> {
        shaped::<T>(self, &[x])?;
        let z: Batch<T> = gaussian(x[0].shape(), rng);
        crate::numbers::apply(&[x, &[z]], &mut |l| one(l[0][0].hadamard(l[1][0])))
    }
    fn check_point(&self, x: &[Batch<T>]) -> Result<()> {
        shaped(self, &[x])?;
        verdicts::positive::<T>(self, "X > 0", &verdicts::smallest(&x[0]))
    }
    fn check_tangent(&self, x: &[Batch<T>], u: &[Batch<T>]) -> Result<()> {
        shaped(self, &[x, u])
    }
}
