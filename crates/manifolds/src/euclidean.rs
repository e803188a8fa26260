//! Matrices without a constraint: the flat space, where every formula of the others must reduce to the textbook's.

use crate::manifold::{Manifold, Parts, gaussian, one, only};
use crate::{Result, check};
use pullback::{Batch, Scalar, Shape, Var};
use pullback_check::Space;
use rand::Rng;
use smallvec::{SmallVec, smallvec};

/// `n x p` matrices with the inner product `tr U'V`.
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

    fn shape(&self) -> Shape {
        Shape::mat(self.n, self.p)
    }

    fn check<T: Scalar>(&self, x: &[Batch<T>]) -> Result<()> {
        check::shapes(&|| Manifold::<T>::name(self), &[self.shape()], x)
    }
}

impl<T: Scalar> Manifold<T> for Euclidean {
    fn name(&self) -> String {
        format!("R({}x{})", self.n, self.p)
    }
    fn claims(&self) -> Option<&dyn Space<T>> {
        Some(self)
    }
    fn shapes(&self) -> SmallVec<[Shape; 2]> {
        smallvec![self.shape()]
    }
    fn dim(&self) -> usize {
        self.n * self.p
    }
    fn inner<'t>(&self, _: &[Var<'t, T>], u: &[Var<'t, T>], v: &[Var<'t, T>]) -> Var<'t, T> {
        only(u).dot(only(v))
    }
    fn project<'t>(&self, _: &[Var<'t, T>], u: &[Var<'t, T>]) -> Parts<'t, T> {
        one(only(u))
    }
    fn egrad_to_rgrad<'t>(&self, _: &[Var<'t, T>], g: &[Var<'t, T>]) -> Parts<'t, T> {
        one(only(g))
    }
    fn ehess_to_rhess<'t>(
        &self,
        _: &[Var<'t, T>],
        _: &[Var<'t, T>],
        h: &[Var<'t, T>],
        _: &[Var<'t, T>],
    ) -> Parts<'t, T> {
        one(only(h))
    }
    fn retract<'t>(&self, x: &[Var<'t, T>], v: &[Var<'t, T>]) -> Parts<'t, T> {
        one(only(x) + only(v))
    }
    fn random_point(&self, batch: usize, rng: &mut dyn Rng) -> Vec<Batch<T>> {
        vec![gaussian(Shape { batch, ..self.shape() }, rng)]
    }
    fn random_tangent(&self, x: &[Batch<T>], rng: &mut dyn Rng) -> Result<Vec<Batch<T>>> {
        self.check(x)?;
        Ok(vec![gaussian(x[0].shape(), rng)])
    }
    fn check_point(&self, x: &[Batch<T>]) -> Result<()> {
        self.check(x)
    }
    fn check_tangent(&self, x: &[Batch<T>], u: &[Batch<T>]) -> Result<()> {
        self.check(x)?;
        self.check(u)
    }
}
