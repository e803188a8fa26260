//! The interface of a manifold: its operations, and the properties that it claims. No manifold is defined here.

use crate::{Egrad, Result, Rgrad, gaussian};
use pullback::{Batch, Scalar, Shape, Var, VarTree};
use rand::Rng;
use smallvec::SmallVec;
use std::fmt;

/// A point or a tangent: its matrices, inline when there are at most two.
pub type Parts<'t, T = f64> = SmallVec<[Var<'t, T>; 2]>;

/// The shapes of the matrices of a point.
pub type Shapes = SmallVec<[Shape; 2]>;

/// Another representative of a point, and tangents there: see [`Manifold::another`].
pub type Another<T> = (Vec<Batch<T>>, Vec<Vec<Batch<T>>>);

/// A Riemannian manifold embedded in (or represented by) matrices.
///
/// A manifold is a value that describes a space; its operations are programs on [`Var`], so they are batched,
/// differentiable in every argument to any order, and only evaluated where no derivative is needed. Points and tangents
/// are lists of values, one for each matrix of a point; each may be a batch, whose members are independent points.
/// Shapes that do not fit panic at the line of the caller, as everywhere on a tape. Operations on values do not check
/// that the numbers are points or tangents; [`check_point`](Manifold::check_point) and
/// [`check_tangent`](Manifold::check_tangent) do.
///
/// Implement this trait to write a manifold, and use it (`&dyn Manifold`) in programs that work on any manifold.
/// Programs for one manifold call the methods of the same names on its type: these take a [`Var`] where a point is one
/// matrix, a tuple where it consists of several, and plain matrices too ([`words!`](crate::words)).
///
/// A manifold of your own needs eight methods: [`name`](Manifold::name), [`shapes`](Manifold::shapes),
/// [`dim`](Manifold::dim), [`project`](Manifold::project), [`retract`](Manifold::retract), and on numbers
/// [`random_point`](Manifold::random_point), [`check_point`](Manifold::check_point) and
/// [`check_tangent`](Manifold::check_tangent). It then has the metric of the ambient space, and the gradient and the
/// Hessian that belong to it. Another metric needs [`inner`](Manifold::inner),
/// [`egrad_to_rgrad`](Manifold::egrad_to_rgrad) and [`ehess_to_rhess`](Manifold::ehess_to_rhess) together. An
/// operation that a manifold does not have returns `None`. `pullback_check::check_space` tests the operations against
/// each other.
pub trait Manifold<T: Scalar = f64>: fmt::Debug + Send + Sync {
    /// Name and sizes, for messages and tables: `Gr(5, 2)`.
    fn name(&self) -> String;

    /// The shapes of the matrices of a point, with a batch of one.
    fn shapes(&self) -> Shapes;

    /// The dimension of the manifold.
    fn dim(&self) -> usize;

    /// A length over which the manifold changes: the first radius of a trust region is an eighth of it. By default the
    /// square root of the dimension.
    fn typical_distance(&self) -> f64 {
        (self.dim().max(1) as f64).sqrt()
    }

    /// `<u, v>_x`, one number for each member. By default the ambient inner product.
    fn inner<'t>(&self, _x: &[Var<'t, T>], u: &[Var<'t, T>], v: &[Var<'t, T>]) -> Var<'t, T> {
        ambient(u, v)
    }

    /// `sqrt <u, u>_x`, one number for each member. Not differentiable at 0: `inner(x, u, u)` is.
    fn norm<'t>(&self, x: &[Var<'t, T>], u: &[Var<'t, T>]) -> Var<'t, T> {
        self.inner(x, u, u).sqrt()
    }

    /// Is [`inner`](Manifold::inner) the ambient inner product at every point? Then code on plain numbers need not call
    /// it. (A manifold that does not override `inner` may return `true`; the default `false` is never wrong.)
    fn metric_is_ambient(&self) -> bool {
        false
    }

    /// The tangent at `x` nearest to the ambient vector `u`, in the ambient inner product: idempotent and self-adjoint.
    fn project<'t>(&self, x: &[Var<'t, T>], u: &[Var<'t, T>]) -> Parts<'t, T>;

    /// The Riemannian gradient from the Euclidean one. By default the projection, which is right for the ambient
    /// metric.
    #[doc(alias = "egrad2rgrad")]
    fn egrad_to_rgrad<'t>(&self, x: &[Var<'t, T>], g: Egrad<&[Var<'t, T>]>) -> Rgrad<Parts<'t, T>> {
        Rgrad(self.project(x, g.0))
    }

    /// The Riemannian Hessian at `x` applied to the tangent `u`, from the Euclidean gradient `g` and the Euclidean
    /// Hessian applied to `u`, `h` (both ambient, of the same extension of the cost).
    ///
    /// By default the one that belongs to the ambient metric, from the derivative of the projection: with
    /// `grad f(x) = P_x(g(x))`, `Hess f(x)[u] = P_x(D grad f(x)[u]) = P_x(h + (d/dt P_{x+tu})(g))`. It costs a few
    /// projections (Absil, Mahony & Trumpf, *An extrinsic look at the Riemannian Hessian*, 2013).
    #[doc(alias = "ehess2rhess")]
    fn ehess_to_rhess<'t>(
        &self,
        x: &[Var<'t, T>],
        g: Egrad<&[Var<'t, T>]>,
        h: &[Var<'t, T>],
        u: &[Var<'t, T>],
    ) -> Parts<'t, T> {
        let bent: Parts<'t, T> = (0..x.len())
            .map(|k| {
                let part = |x: Vec<Var<'t, T>>| self.project(&x, g.0)[k];
                h[k] + x.to_vec().jvp(part, u.to_vec()).1
            })
            .collect();
        self.project(x, &bent)
    }

    /// A point reached from `x` along the tangent `v`, with `R(0) = x` and `DR(0) = id`.
    #[doc(alias = "retr")]
    fn retract<'t>(&self, x: &[Var<'t, T>], v: &[Var<'t, T>]) -> Parts<'t, T>;

    /// The order that is claimed for the retraction: 1, or 2 if its curves start without acceleration in the manifold.
    fn retraction_order(&self) -> usize {
        1
    }

    /// The tangent `v` at `x` with `R_x(v) = y`.
    #[doc(alias = "invretr")]
    fn inverse_retract<'t>(&self, _x: &[Var<'t, T>], _y: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        None
    }

    /// Transports the tangent `u` at `x` to the point `y`; the identity for `y = x`. By default the projection at `y`.
    fn transport<'t>(&self, _x: &[Var<'t, T>], y: &[Var<'t, T>], u: &[Var<'t, T>]) -> Parts<'t, T> {
        self.project(y, u)
    }

    /// Does [`transport`](Manifold::transport) claim to keep inner products?
    fn transport_is_isometric(&self) -> bool {
        false
    }

    /// The point where the geodesic that starts at `x` with velocity `v` is at time 1.
    fn exp<'t>(&self, _x: &[Var<'t, T>], _v: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        None
    }

    /// The velocity at `x` of the shortest geodesic to `y`: the inverse of [`exp`](Manifold::exp) up to the cut locus,
    /// where it fails.
    fn log<'t>(&self, _x: &[Var<'t, T>], _y: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        None
    }

    /// The square of the geodesic distance, one number for each member, smooth where the points are equal. By default
    /// the squared length of the logarithm.
    fn dist2<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Var<'t, T>> {
        let v = self.log(x, y)?;
        Some(self.inner(x, &v, &v))
    }

    /// The geodesic distance, one number for each member. Not differentiable where the points are equal:
    /// [`dist2`](Manifold::dist2) is.
    fn dist<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Var<'t, T>> {
        Some(self.dist2(x, y)?.sqrt())
    }

    /// The parallel transport of the tangent `u` at `x` to `y` along the shortest geodesic.
    fn parallel_transport<'t>(&self, _x: &[Var<'t, T>], _y: &[Var<'t, T>], _u: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        None
    }

    /// The curvature tensor `R(u, v) w` at `x`, in the sign in which a unit sphere has `<R(u, v) v, u> = 1` for
    /// orthonormal `u, v`.
    fn curvature<'t>(
        &self,
        _x: &[Var<'t, T>],
        _u: &[Var<'t, T>],
        _v: &[Var<'t, T>],
        _w: &[Var<'t, T>],
    ) -> Option<Parts<'t, T>> {
        None
    }

    /// A point on the manifold near `x`, where `x` has drifted off the manifold by rounding.
    ///
    /// By default the retraction of the zero tangent, which is on the manifold if the retraction ends with a
    /// normalisation of `x + v`.
    fn reproject<'t>(&self, x: &[Var<'t, T>]) -> Parts<'t, T> {
        let zero: Parts<'t, T> = x.iter().map(|x| x.tape().filled(x.shape(), T::zero())).collect();
        self.retract(x, &zero)
    }

    /// `batch` points, uniform where the space is compact, else spread over a few units around a natural centre.
    fn random_point(&self, batch: usize, rng: &mut dyn Rng) -> Vec<Batch<T>>;

    /// A tangent at each of the given points: by default the projection of a Gaussian ambient vector.
    ///
    /// # Errors
    /// As [`Manifold::check_point`], for shapes alone.
    fn random_tangent(&self, x: &[Batch<T>], rng: &mut dyn Rng) -> Result<Vec<Batch<T>>> {
        crate::residuals::shapes(&|| self.name(), &self.shapes(), x)?;
        let u: Vec<Batch<T>> = x.iter().map(|x| gaussian(x.shape(), rng)).collect();
        crate::numbers::apply(&[x, &u], &mut |l| self.project(&l[0], &l[1]))
    }

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

    /// The square of a distance between two points, summed over the batch, for tests of the retraction. It need agree
    /// with the geodesic distance only up to third order, and must vanish where the points are equal. By default the
    /// squared ambient distance; on a quotient it must not depend on the representatives.
    fn apart<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Var<'t, T> {
        let d: Parts<'t, T> = x.iter().zip(y).map(|(x, y)| *x - *y).collect();
        ambient(&d, &d).sum()
    }

    /// On a quotient: another representative of the same point, by a random element of the group, and the same tangents
    /// there.
    fn another(&self, _x: &[Batch<T>], _tangents: &[Vec<Batch<T>>], _rng: &mut dyn Rng) -> Option<Another<T>> {
        None
    }

    /// A smooth number to differentiate in tests, whose coefficients are drawn from `rng` (the same ones at every call
    /// with the same state). On a quotient it must not depend on the representatives. By default a cubic polynomial of
    /// the entries.
    fn cost<'t>(&self, x: &[Var<'t, T>], rng: &mut dyn Rng) -> Var<'t, T> {
        let mut sum = None;
        for x in x {
            let mut one = || x.tape().constant(&gaussian::<T>(x.shape(), &mut *rng));
            let (a, b, c) = (one(), one(), one());
            let square = x.hadamard(*x);
            let terms = (x.hadamard(a) + square.hadamard(b) + square.hadamard(*x).hadamard(c)).sum();
            sum = Some(sum.map_or(terms, |sum: Var<'t, T>| sum + terms));
        }
        some_matrix(sum)
    }
}

/// The ambient inner product of two lists of matrices, one number for each member.
///
/// # Panics
/// If the lists are empty.
#[track_caller]
pub fn ambient<'t, T: Scalar>(u: &[Var<'t, T>], v: &[Var<'t, T>]) -> Var<'t, T> {
    some_matrix(u.iter().zip(v).map(|(u, v)| u.dot(*v)).reduce(|a, b| a + b))
}

#[track_caller]
fn some_matrix<V>(found: Option<V>) -> V {
    match found {
        Some(v) => v,
        None => panic!("expected a point of at least one matrix, got no matrix at all"),
    }
}

/// The point at time `t` of the shortest geodesic from `x` to `y`: `exp(x, t log(x, y))`. `None` where the manifold has
/// no exponential or no logarithm.
pub fn geodesic<'t, T: Scalar>(
    m: &(impl Manifold<T> + ?Sized),
    x: &[Var<'t, T>],
    y: &[Var<'t, T>],
    t: f64,
) -> Option<Parts<'t, T>> {
    let v: Parts<'t, T> = m.log(x, y)?.iter().map(|v| v.lincomb(t, *v, 0.0)).collect();
    m.exp(x, &v)
}
