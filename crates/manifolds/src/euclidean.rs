//! Matrices without a constraint: the flat space, where every formula of the others must reduce to the textbook's.

use crate::matrices::{one, only, shaped};
use crate::{Egrad, Manifold, Parts, Result, Shapes, gaussian};
use pullback::{Batch, Scalar, Shape, Var};
use rand::Rng;
use smallvec::smallvec;

/// `n x p` matrices with the inner product `tr U^T V`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Euclidean {
    n: usize,
    p: usize,
}

impl Euclidean {
    /// Matrices of `n` rows and `p` columns.
    pub fn new(n: usize, p: usize) -> Self {
        Euclidean { n, p }
    }
}

pullback_geometry::words!(Euclidean);

impl<T: Scalar> Manifold<T> for Euclidean {
    fn name(&self) -> String {
        format!("R({}x{})", self.n, self.p)
    }
    fn shapes(&self) -> Shapes {
        smallvec![Shape::mat(self.n, self.p)]
    }
    fn dim(&self) -> usize {
        self.n * self.p
    }
    fn metric_is_ambient(&self) -> bool {
        true
    }
    fn project<'t>(&self, _: &[Var<'t, T>], u: &[Var<'t, T>]) -> Parts<'t, T> {
        one(only(u))
    }
    fn ehess_to_rhess<'t>(
        &self,
        _: &[Var<'t, T>],
        _: Egrad<&[Var<'t, T>]>,
        h: &[Var<'t, T>],
        _: &[Var<'t, T>],
    ) -> Parts<'t, T> {
        one(only(h))
    }
    fn retract<'t>(&self, x: &[Var<'t, T>], v: &[Var<'t, T>]) -> Parts<'t, T> {
        one(only(x) + only(v))
    }
    fn retraction_order(&self) -> usize {
        2
    }
    fn inverse_retract<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        Some(one(only(y) - only(x)))
    }
    fn transport_is_isometric(&self) -> bool {
        true
    }
    fn exp<'t>(&self, x: &[Var<'t, T>], v: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        Some(Manifold::retract(self, x, v))
    }
    fn log<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        Some(one(only(y) - only(x)))
    }
    fn parallel_transport<'t>(&self, _: &[Var<'t, T>], _: &[Var<'t, T>], u: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        Some(one(only(u)))
    }
    fn curvature<'t>(
        &self,
        _: &[Var<'t, T>],
        _: &[Var<'t, T>],
        _: &[Var<'t, T>],
        w: &[Var<'t, T>],
    ) -> Option<Parts<'t, T>> {
        let w = only(w);
        Some(one(w.lincomb(0.0, w, 0.0)))
    }
    fn random_point(&self, batch: usize, rng: &mut dyn Rng) -> Vec<Batch<T>> {
        vec![gaussian(Shape::batch(batch, self.n, self.p), rng)]
    }
    fn check_point(&self, x: &[Batch<T>]) -> Result<()> {
        shaped(self, &[x])
    }
    fn check_tangent(&self, x: &[Batch<T>], u: &[Batch<T>]) -> Result<()> {
        shaped(self, &[x, u])
    }
}
