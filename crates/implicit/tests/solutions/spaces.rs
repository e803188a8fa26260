//! Manifolds written for these tests, in a few lines each: the sphere and the Stiefel manifold in the ambient metric,
//! the positive matrices in the affine-invariant one, and a product of two.

use pullback::{Batch, Scalar, Shape, Var};
use pullback_manifolds::{Egrad, Manifold, Parts, Result, Rgrad, Shapes, gaussian, numbers, residuals};
use rand::Rng;

/// Orthonormal `n x p` matrices; for `p = 1` the sphere.
#[derive(Debug)]
pub(crate) struct Stiefel(pub(crate) usize, pub(crate) usize);

/// Positive definite matrices.
#[derive(Debug)]
pub(crate) struct Spd(pub(crate) usize);

/// Pairs of points.
#[derive(Debug)]
pub(crate) struct Pair<A, B>(pub(crate) A, pub(crate) B);

fn one<'t, T: Scalar>(v: Var<'t, T>) -> Parts<'t, T> {
    [v].into_iter().collect()
}

impl<T: Scalar> Manifold<T> for Stiefel {
    fn name(&self) -> String {
        format!("St({}, {})", self.0, self.1)
    }
    fn shapes(&self) -> Shapes {
        [Shape::mat(self.0, self.1)].into_iter().collect()
    }
    fn dim(&self) -> usize {
        self.0 * self.1 - self.1 * (self.1 + 1) / 2
    }
    fn project<'t>(&self, x: &[Var<'t, T>], u: &[Var<'t, T>]) -> Parts<'t, T> {
        one(u[0] - x[0] * x[0].t_mul(u[0]).sym())
    }
    fn retract<'t>(&self, x: &[Var<'t, T>], v: &[Var<'t, T>]) -> Parts<'t, T> {
        let z = x[0] + v[0];
        one(z * z.t_mul(z).invsqrtm_spd())
    }
    fn random_point(&self, batch: usize, rng: &mut dyn Rng) -> Vec<Batch<T>> {
        let z = gaussian(Shape::batch(batch, self.0, self.1), rng);
        numbers::apply(&[&[z]], &mut |l| one(l[0][0].qr().0)).unwrap()
    }
    fn check_point(&self, x: &[Batch<T>]) -> Result<()> {
        let name = || Manifold::<T>::name(self);
        residuals::shapes(&name, &Manifold::<T>::shapes(self), x)?;
        let tolerance = residuals::tolerance::<T>(self.0);
        residuals::point_equation(&name, "X^T X = I", &residuals::gram_residual(&x[0], &x[0], 1.0), |_| tolerance)
    }
    fn check_tangent(&self, _: &[Batch<T>], u: &[Batch<T>]) -> Result<()> {
        residuals::shapes(&|| Manifold::<T>::name(self), &Manifold::<T>::shapes(self), u)
    }
}

impl<T: Scalar> Manifold<T> for Spd {
    fn name(&self) -> String {
        format!("SPD({})", self.0)
    }
    fn shapes(&self) -> Shapes {
        [Shape::mat(self.0, self.0)].into_iter().collect()
    }
    fn dim(&self) -> usize {
        self.0 * (self.0 + 1) / 2
    }
    fn inner<'t>(&self, x: &[Var<'t, T>], u: &[Var<'t, T>], v: &[Var<'t, T>]) -> Var<'t, T> {
        let x = x[0].spd();
        x.solve(u[0]).dot(x.solve(v[0]).t())
    }
    fn project<'t>(&self, _: &[Var<'t, T>], u: &[Var<'t, T>]) -> Parts<'t, T> {
        one(u[0].sym())
    }
    fn egrad_to_rgrad<'t>(&self, x: &[Var<'t, T>], g: Egrad<&[Var<'t, T>]>) -> Rgrad<Parts<'t, T>> {
        Rgrad(one(x[0] * g.0[0].sym() * x[0]))
    }
    /// Of second order.
    fn retract<'t>(&self, x: &[Var<'t, T>], v: &[Var<'t, T>]) -> Parts<'t, T> {
        one((x[0] + v[0] + v[0].lincomb(0.5, v[0], 0.0) * x[0].spd().solve(v[0])).sym())
    }
    fn random_point(&self, batch: usize, rng: &mut dyn Rng) -> Vec<Batch<T>> {
        let z = gaussian(Shape::batch(batch, self.0, self.0), rng);
        numbers::apply(&[&[z]], &mut |l| one(l[0][0].mul_t(l[0][0]) + l[0][0].tape().eye(self.0))).unwrap()
    }
    fn check_point(&self, x: &[Batch<T>]) -> Result<()> {
        residuals::shapes(&|| Manifold::<T>::name(self), &Manifold::<T>::shapes(self), x)?;
        numbers::apply(&[x], &mut |l| one(l[0][0].cholesky())).map(|_| ())
    }
    fn check_tangent(&self, _: &[Batch<T>], u: &[Batch<T>]) -> Result<()> {
        residuals::shapes(&|| Manifold::<T>::name(self), &Manifold::<T>::shapes(self), u)
    }
}

impl<T: Scalar, A: Manifold<T>, B: Manifold<T>> Manifold<T> for Pair<A, B> {
    fn name(&self) -> String {
        format!("{} x {}", self.0.name(), self.1.name())
    }
    fn shapes(&self) -> Shapes {
        self.0.shapes().into_iter().chain(self.1.shapes()).collect()
    }
    fn dim(&self) -> usize {
        self.0.dim() + self.1.dim()
    }
    fn inner<'t>(&self, x: &[Var<'t, T>], u: &[Var<'t, T>], v: &[Var<'t, T>]) -> Var<'t, T> {
        self.0.inner(&x[..1], &u[..1], &v[..1]) + self.1.inner(&x[1..], &u[1..], &v[1..])
    }
    fn project<'t>(&self, x: &[Var<'t, T>], u: &[Var<'t, T>]) -> Parts<'t, T> {
        self.0.project(&x[..1], &u[..1]).into_iter().chain(self.1.project(&x[1..], &u[1..])).collect()
    }
    fn egrad_to_rgrad<'t>(&self, x: &[Var<'t, T>], g: Egrad<&[Var<'t, T>]>) -> Rgrad<Parts<'t, T>> {
        let a = self.0.egrad_to_rgrad(&x[..1], Egrad(&g.0[..1])).0;
        Rgrad(a.into_iter().chain(self.1.egrad_to_rgrad(&x[1..], Egrad(&g.0[1..])).0).collect())
    }
    fn retract<'t>(&self, x: &[Var<'t, T>], v: &[Var<'t, T>]) -> Parts<'t, T> {
        self.0.retract(&x[..1], &v[..1]).into_iter().chain(self.1.retract(&x[1..], &v[1..])).collect()
    }
    fn random_point(&self, batch: usize, rng: &mut dyn Rng) -> Vec<Batch<T>> {
        let a = self.0.random_point(batch, rng);
        a.into_iter().chain(self.1.random_point(batch, rng)).collect()
    }
    fn check_point(&self, x: &[Batch<T>]) -> Result<()> {
        self.0.check_point(&x[..1])?;
        self.1.check_point(&x[1..])
    }
    fn check_tangent(&self, x: &[Batch<T>], u: &[Batch<T>]) -> Result<()> {
        self.0.check_tangent(&x[..1], &u[..1])?;
        self.1.check_tangent(&x[1..], &u[1..])
    }
}
