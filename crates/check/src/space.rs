//! What the checker asks of a manifold. Most of it is optional: what a space does not offer is left out, and said to
//! be.

use pullback::{Batch, Scalar, Var};
use rand::Rng;

/// The matrices of a point or a tangent.
pub type Parts<'t, T> = Vec<Var<'t, T>>;

/// A manifold as the checker sees it: [`check_space`](crate::check_space) checks its operations, and
/// [`Check::on`](crate::Check::on) a function on it.
///
/// Points and tangents are lists of values, one for each matrix of a point, each of which may be a batch. Operations
/// are programs on
/// [`Var`]: the checker differentiates them. A method that returns `None` says that the space has no such operation.
pub trait Space<T: Scalar = f64> {
    /// For messages.
    fn name(&self) -> String;

    /// Random points: `batch` members of each matrix.
    fn random_point(&self, batch: usize, rng: &mut dyn Rng) -> Vec<Batch<T>>;

    /// A random tangent at `x`.
    ///
    /// # Errors
    /// What is wrong with `x`.
    fn random_tangent(&self, x: &[Batch<T>], rng: &mut dyn Rng) -> Result<Vec<Batch<T>>, String>;

    /// Is this a point, to rounding?
    ///
    /// # Errors
    /// Which equation fails, and by how much.
    fn check_point(&self, x: &[Batch<T>]) -> Result<(), String>;

    /// Is `u` tangent at `x`, to rounding?
    ///
    /// # Errors
    /// Which equation fails, and by how much.
    fn check_tangent(&self, x: &[Batch<T>], u: &[Batch<T>]) -> Result<(), String>;

    /// A point reached from `x` along `v`.
    fn retract<'t>(&self, x: &[Var<'t, T>], v: &[Var<'t, T>]) -> Parts<'t, T>;

    /// The order that is claimed for it: 1, or 2 if the curve has no acceleration in the space.
    fn retraction_order(&self) -> usize {
        1
    }

    /// `<u, v>_x`, summed over the batch. The ambient inner product unless told otherwise.
    ///
    /// # Panics
    /// The default, for points of no matrices, at the caller's line.
    #[track_caller]
    fn inner<'t>(&self, _x: &[Var<'t, T>], u: &[Var<'t, T>], v: &[Var<'t, T>]) -> Var<'t, T> {
        dot(u, v)
    }

    /// The tangent nearest to an ambient vector: idempotent, and self-adjoint in the ambient inner product.
    fn project<'t>(&self, _x: &[Var<'t, T>], _u: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        None
    }

    /// The Riemannian gradient from the Euclidean one.
    fn gradient<'t>(&self, _x: &[Var<'t, T>], _g: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        None
    }

    /// The Riemannian Hessian applied to `u`, from the Euclidean gradient `g` and the Euclidean Hessian `h` applied to
    /// `u`.
    fn hessian<'t>(
        &self,
        _x: &[Var<'t, T>],
        _g: &[Var<'t, T>],
        _h: &[Var<'t, T>],
        _u: &[Var<'t, T>],
    ) -> Option<Parts<'t, T>> {
        None
    }

    /// The exponential map.
    fn exp<'t>(&self, _x: &[Var<'t, T>], _v: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        None
    }

    /// Its inverse.
    fn log<'t>(&self, _x: &[Var<'t, T>], _y: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        None
    }

    /// The inverse of [`Space::retract`].
    fn inverse_retract<'t>(&self, _x: &[Var<'t, T>], _y: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        None
    }

    /// Brings the tangent `u` at `x` to `y`.
    fn transport<'t>(&self, _x: &[Var<'t, T>], _y: &[Var<'t, T>], _u: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        None
    }

    /// Does the transport claim to keep inner products?
    fn transport_is_isometric(&self) -> bool {
        false
    }

    /// The square of how far two points are apart, up to the third order of it: whatever vanishes where they are the
    /// same. The ambient distance unless told otherwise; on a quotient it must not see the representatives.
    ///
    /// # Panics
    /// The default, for points of no matrices, at the caller's line.
    #[track_caller]
    fn apart<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Var<'t, T> {
        let d: Vec<Var<'t, T>> = x.iter().zip(y).map(|(x, y)| *x - *y).collect();
        dot(&d, &d)
    }

    /// On a quotient: another representative of the same point, by a random element of the group, and the same tangents
    /// there.
    fn another(&self, _x: &[Batch<T>], _tangents: &[Vec<Batch<T>>], _rng: &mut dyn Rng) -> Option<Another<T>> {
        None
    }

    /// A smooth number to differentiate, whose coefficients are drawn from `rng` (the same ones at every call with the
    /// same state). On a quotient it must not see the representatives. A cubic polynomial of the entries unless told
    /// otherwise.
    ///
    /// # Panics
    /// The default, for points of no matrices, at the caller's line.
    #[track_caller]
    fn cost<'t>(&self, x: &[Var<'t, T>], rng: &mut dyn Rng) -> Var<'t, T> {
        assert!(!x.is_empty(), "{NO_MATRIX}");
        let mut sum = x[0].tape().filled(pullback::Shape::SCALAR, T::zero());
        for x in x {
            let mut one = || {
                let s = x.shape();
                let normal = |rng: &mut dyn Rng| -> f64 {
                    rand_distr::Distribution::sample(&rand_distr::StandardNormal, &mut *rng)
                };
                x.tape().constant(&Batch::from_fn(s, |_, _, _| T::of(normal(&mut *rng))))
            };
            let (a, b, c) = (one(), one(), one());
            let square = x.hadamard(*x);
            let terms = x.hadamard(a) + square.hadamard(b) + square.hadamard(*x).hadamard(c);
            sum += terms.sum();
        }
        sum
    }
}

/// Another representative of a point, and tangents there.
pub type Another<T> = (Vec<Batch<T>>, Vec<Vec<Batch<T>>>);

/// The ambient inner product, summed over matrices and members.
#[track_caller]
pub(crate) fn dot<'t, T: Scalar>(u: &[Var<'t, T>], v: &[Var<'t, T>]) -> Var<'t, T> {
    let terms = u.iter().zip(v).map(|(u, v)| u.dot(*v).sum());
    let Some(sum) = terms.reduce(|a, b| a + b) else { panic!("{}", NO_MATRIX) };
    sum
}

pub(crate) const NO_MATRIX: &str = "a point is no matrix at all; it must be at least one";
