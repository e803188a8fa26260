//! The interface of a manifold: what every space can do. No space lives here.

use crate::Result;
use pullback::{Batch, Scalar, Shape, Var};
use pullback_check::Space;
use rand::{Rng, SeedableRng};
use rand_distr::{Distribution, StandardNormal};
use rand_pcg::Pcg64;
use smallvec::{SmallVec, smallvec};
use std::fmt;

/// A point or a tangent: its matrices, inline when there are at most two.
pub type Parts<'t, T = f64> = SmallVec<[Var<'t, T>; 2]>;

/// A Riemannian manifold embedded in (or represented by) matrices.
///
/// Points and tangents are lists of values, one for each matrix of a point; every one may be a batch, whose members are
/// independent points. Shapes that do not fit panic at the line that made the mistake, as everywhere on a tape.
/// Operations on values ask nothing about the numbers: [`check_point`](Manifold::check_point) does.
pub trait Manifold<T: Scalar = f64>: fmt::Debug + Send + Sync {
    /// Name and sizes, for messages and tables.
    fn name(&self) -> String;

    /// The shapes of the matrices of a point, with a batch of one.
    fn shapes(&self) -> SmallVec<[Shape; 2]>;

    /// The dimension of the manifold.
    fn dim(&self) -> usize;

    /// `<u, v>_x`, one number for each member.
    fn inner<'t>(&self, x: &[Var<'t, T>], u: &[Var<'t, T>], v: &[Var<'t, T>]) -> Var<'t, T>;

    /// `sqrt <u, u>_x`, one number for each member. Not differentiable at 0: `inner(x, u, u)` is.
    fn norm<'t>(&self, x: &[Var<'t, T>], u: &[Var<'t, T>]) -> Var<'t, T> {
        self.inner(x, u, u).sqrt()
    }

    /// The tangent at `x` nearest to the ambient vector `u`: idempotent, and self-adjoint in the ambient inner product.
    fn project<'t>(&self, x: &[Var<'t, T>], u: &[Var<'t, T>]) -> Parts<'t, T>;

    /// The Riemannian gradient from the Euclidean one (the ambient gradient of any extension of the cost).
    fn egrad_to_rgrad<'t>(&self, x: &[Var<'t, T>], g: &[Var<'t, T>]) -> Parts<'t, T>;

    /// The Riemannian Hessian at `x` applied to the tangent `u`, from the Euclidean gradient `g` and the Euclidean
    /// Hessian applied to `u`, `h` (both ambient, of the same extension of the cost).
    fn ehess_to_rhess<'t>(
        &self,
        x: &[Var<'t, T>],
        g: &[Var<'t, T>],
        h: &[Var<'t, T>],
        u: &[Var<'t, T>],
    ) -> Parts<'t, T>;

    /// A point reached from `x` along the tangent `v`, with `R(0) = x` and `R'(0) = id`.
    fn retract<'t>(&self, x: &[Var<'t, T>], v: &[Var<'t, T>]) -> Parts<'t, T>;

    /// Brings the tangent `u` at `x` to the point `y`, by projection.
    fn transport<'t>(&self, _x: &[Var<'t, T>], y: &[Var<'t, T>], u: &[Var<'t, T>]) -> Parts<'t, T> {
        self.project(y, u)
    }

    /// `batch` points, uniform where the space is compact, else Gaussian.
    fn random_point(&self, batch: usize, rng: &mut dyn Rng) -> Vec<Batch<T>>;

    /// A Gaussian tangent at each of the given points.
    ///
    /// # Errors
    /// As [`Manifold::check_point`], for shapes alone.
    fn random_tangent(&self, x: &[Batch<T>], rng: &mut dyn Rng) -> Result<Vec<Batch<T>>>;

    /// Are these points of the manifold, to rounding?
    ///
    /// # Errors
    /// Says what was expected, which member, and the residual.
    fn check_point(&self, x: &[Batch<T>]) -> Result<()>;

    /// Is `u` tangent at `x`, to rounding?
    ///
    /// # Errors
    /// Says what was expected, which member, and the residual.
    fn check_tangent(&self, x: &[Batch<T>], u: &[Batch<T>]) -> Result<()>;

    /// What the manifold claims beyond these operations, as `pullback-check` asks for it: the order of the retraction,
    /// the exponential, on a quotient the other representatives of a point and functions that do not see them. Nothing
    /// unless told otherwise; a type that implements [`Space`] gives itself.
    fn claims(&self) -> Option<&dyn Space<T>> {
        None
    }
}

/// The words of [`Manifold`] for points that are one matrix.
///
/// # Panics
/// Every method, if points of the manifold are several matrices.
pub trait One<T: Scalar = f64>: Manifold<T> {
    /// The shape of a point.
    #[track_caller]
    fn shape_one(&self) -> Shape {
        only(&self.shapes())
    }
    /// [`Manifold::inner`].
    #[track_caller]
    fn inner_one<'t>(&self, x: Var<'t, T>, u: Var<'t, T>, v: Var<'t, T>) -> Var<'t, T> {
        self.inner(&[x], &[u], &[v])
    }
    /// [`Manifold::project`].
    #[track_caller]
    fn project_one<'t>(&self, x: Var<'t, T>, u: Var<'t, T>) -> Var<'t, T> {
        only(&self.project(&[x], &[u]))
    }
    /// [`Manifold::egrad_to_rgrad`].
    #[track_caller]
    fn egrad_to_rgrad_one<'t>(&self, x: Var<'t, T>, g: Var<'t, T>) -> Var<'t, T> {
        only(&self.egrad_to_rgrad(&[x], &[g]))
    }
    /// [`Manifold::ehess_to_rhess`].
    #[track_caller]
    fn ehess_to_rhess_one<'t>(&self, x: Var<'t, T>, g: Var<'t, T>, h: Var<'t, T>, u: Var<'t, T>) -> Var<'t, T> {
        only(&self.ehess_to_rhess(&[x], &[g], &[h], &[u]))
    }
    /// [`Manifold::retract`].
    #[track_caller]
    fn retract_one<'t>(&self, x: Var<'t, T>, v: Var<'t, T>) -> Var<'t, T> {
        only(&self.retract(&[x], &[v]))
    }
    /// [`Manifold::transport`].
    #[track_caller]
    fn transport_one<'t>(&self, x: Var<'t, T>, y: Var<'t, T>, u: Var<'t, T>) -> Var<'t, T> {
        only(&self.transport(&[x], &[y], &[u]))
    }
}
impl<T: Scalar, M: Manifold<T> + ?Sized> One<T> for M {}

#[track_caller]
pub(crate) fn only<A: Copy>(parts: &[A]) -> A {
    assert_eq!(parts.len(), 1, "this is for points of one matrix, and a point here has {}", parts.len());
    parts[0]
}

pub(crate) fn one<'t, T: Scalar>(v: Var<'t, T>) -> Parts<'t, T> {
    smallvec![v]
}

/// The generator used throughout: small, fast, the same numbers on every machine.
pub fn rng(seed: u64) -> Pcg64 {
    Pcg64::seed_from_u64(seed)
}

/// Independent standard normal entries.
pub fn gaussian<T: Scalar>(shape: Shape, rng: &mut dyn Rng) -> Batch<T> {
    let mut normal = || -> f64 { StandardNormal.sample(&mut *rng) };
    Batch::from_fn(shape, |_, _, _| T::of(normal()))
}
