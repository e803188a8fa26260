//! Positive semidefinite matrices of order `n` and rank `p` as `Y Y^T` with a factor `Y` (`n x p`, full rank): a
//! quotient, since `Y` and `Y Q` are one point for orthogonal `Q`. The product `Y Y^T` is never formed.
//!
//! The metric is `tr U^T V` on horizontal tangents, those with symmetric `Y^T U` (`submersion.rs`); it is the
//! Bures-Wasserstein metric of these matrices (Journée, Bach, Absil & Sepulchre, *Low-rank optimization on the cone of
//! positive semidefinite matrices*, 2010; Massart & Absil, 2020, whose results those on geodesics are):
//!
//! - projection `U - Y W`, `W` skew from a Lyapunov equation of order `p`; gradient and Hessian are the projections of
//!   the Euclidean ones, as the factors are a flat space; 6np² + 15p³;
//! - geodesics are lines `Y + tV`: the exponential, while they are minimal, that is `Y^T (Y + V)` positive definite;
//!   without that condition the retraction, of second order, as long as `Y + V` has full rank;
//! - logarithm `Z Q - Y` with the orthogonal `Q` that brings `Z` nearest to `Y`, the polar factor of `Z^T Y`; the
//!   distance is its length. `Z^T Y` must be regular: where it is not, several `Q` are nearest and it fails. Exact
//!   where `Z` is near `Y`, and smooth at equal points; 10np² + 100p³;
//! - transport: from the frame of `Y` to the one of `Z`, that is times `Q^T`, and projected. It does not see the
//!   representatives. Parallel transport solves a differential equation and has no closed form;
//! - curvature: of the flat space of factors and O'Neill's term (`submersion.rs`), not negative.

use crate::matrices::{holds_for, one, only, shaped};
use crate::{Another, Manifold, Parts, Result, Shapes, gaussian, residuals, submersion, verdicts};
use pullback::{Batch, Scalar, Shape, Tape, Var};
use rand::Rng;
use smallvec::smallvec;

/// Positive semidefinite matrices `Y Y^T` of order `n` and rank `p`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PsdFixedRank {
    n: usize,
    p: usize,
}

impl PsdFixedRank {
    /// Matrices of order `n` and rank `p`, as factors of `n` rows and `p` columns.
    ///
    /// # Panics
    /// If `p > n` or `p = 0`.
    #[track_caller]
    pub fn new(n: usize, p: usize) -> Self {
        assert!(
            0 < p && p <= n,
            "PsdFixedRank: expected 0 < p <= n for matrices of order n and rank p, got n = {n}, p = {p}"
        );
        PsdFixedRank { n, p }
    }
}

pullback_geometry::words!(PsdFixedRank);

impl<T: Scalar> Manifold<T> for PsdFixedRank {
    fn name(&self) -> String {
        format!("PSD({}, rank {})", self.n, self.p)
    }
    fn shapes(&self) -> Shapes {
        smallvec![Shape::mat(self.n, self.p)]
    }
    fn dim(&self) -> usize {
        self.n * self.p - self.p * (self.p - 1) / 2
    }
    fn typical_distance(&self) -> f64 {
        10.0 * self.p as f64
    }
    fn metric_is_ambient(&self) -> bool {
        true
    }
    fn project<'t>(&self, x: &[Var<'t, T>], u: &[Var<'t, T>]) -> Parts<'t, T> {
        one(submersion::horizontal(only(x), only(u)))
    }
    fn ehess_to_rhess<'t>(
        &self,
        x: &[Var<'t, T>],
        _: crate::Egrad<&[Var<'t, T>]>,
        h: &[Var<'t, T>],
        _: &[Var<'t, T>],
    ) -> Parts<'t, T> {
        Manifold::project(self, x, h)
    }
    fn retract<'t>(&self, x: &[Var<'t, T>], v: &[Var<'t, T>]) -> Parts<'t, T> {
        one(only(x) + only(v))
    }
    fn retraction_order(&self) -> usize {
        2
    }
    fn inverse_retract<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        Manifold::log(self, x, y)
    }
    fn transport<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>], u: &[Var<'t, T>]) -> Parts<'t, T> {
        let (x, y) = (only(x), only(y));
        one(submersion::horizontal(y, only(u).mul_t(submersion::aligning(x, y))))
    }
    fn exp<'t>(&self, x: &[Var<'t, T>], v: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        let (y, z) = (only(x), only(x) + only(v));
        let least = y.t_mul(z).symmetric().values(0..1);
        Some(one(z.where_positive(least, "the geodesic is the shortest: Y^T (Y + V) is positive definite")))
    }
    fn log<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        Some(one(submersion::aligned_difference(only(x), only(y))))
    }
    fn curvature<'t>(
        &self,
        x: &[Var<'t, T>],
        u: &[Var<'t, T>],
        v: &[Var<'t, T>],
        w: &[Var<'t, T>],
    ) -> Option<Parts<'t, T>> {
        let x = only(x);
        Some(one(submersion::horizontal(x, submersion::curvature(x, only(u), only(v), only(w)))))
    }
    /// The point itself: every factor of full rank is one.
    fn reproject<'t>(&self, x: &[Var<'t, T>]) -> Parts<'t, T> {
        one(only(x))
    }
    /// Gaussian factors, with an identity on top for square ones, so that they have full rank to spare.
    fn random_point(&self, batch: usize, rng: &mut dyn Rng) -> Vec<Batch<T>> {
        let z: Batch<T> = gaussian(Shape::batch(batch, self.n, self.p), rng);
        let base = if self.n < 2 * self.p { 3.0 * (self.p as f64).sqrt() } else { 0.0 };
        let at = |b: usize, i: usize, j: usize| T::of(verdicts::entry(&z, b, i, j) + if i == j { base } else { 0.0 });
        vec![Batch::from_fn(z.shape(), at)]
    }
    fn check_point(&self, x: &[Batch<T>]) -> Result<()> {
        shaped(self, &[x])?;
        verdicts::full_rank(self, "rank Y = p", &x[0])
    }
    fn check_tangent(&self, x: &[Batch<T>], u: &[Batch<T>]) -> Result<()> {
        shaped(self, &[x, u])?;
        holds_for(
            self,
            "Y^T U = U^T Y",
            &unsymmetric(&x[0], &u[0]),
            &u[0],
            scale(&x[0]) * residuals::tolerance::<T>(self.n),
        )
    }
    /// `|Z Q - Y|²` for the nearest representative.
    fn apart<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Var<'t, T> {
        let d = submersion::aligned_difference(x[0], y[0]);
        d.dot(d).sum()
    }
    /// Another factor of the same matrix.
    fn another(&self, x: &[Batch<T>], tangents: &[Vec<Batch<T>>], rng: &mut dyn Rng) -> Option<Another<T>> {
        Some(turned(self.p, x, tangents, rng))
    }
    /// A cubic polynomial of `Y Y^T`.
    fn cost<'t>(&self, x: &[Var<'t, T>], rng: &mut dyn Rng) -> Var<'t, T> {
        gram_cost(x[0], rng)
    }
}

/// `max |Y^T U - U^T Y|` of each member.
pub(crate) fn unsymmetric<T: Scalar>(y: &Batch<T>, u: &Batch<T>) -> Vec<f64> {
    let tape = Tape::plain();
    verdicts::asymmetry(&tape.constant(y).t_mul(tape.constant(u)).value(), 1.0)
}

/// The largest entry of all members, or 1.
pub(crate) fn scale<T: Scalar>(y: &Batch<T>) -> f64 {
    y.data().iter().fold(1.0, |m, v| m.max(v.f64().abs()))
}

/// The representative `Y Q` for a random orthogonal `Q`, and `U Q` for the tangents.
pub(crate) fn turned<T: Scalar>(p: usize, x: &[Batch<T>], tangents: &[Vec<Batch<T>>], rng: &mut dyn Rng) -> Another<T> {
    let tape = Tape::plain();
    let q = tape.constant(&gaussian::<T>(Shape::mat(p, p), rng)).qr().0;
    let turned = |b: &Batch<T>| (tape.constant(b) * q).value();
    (vec![turned(&x[0])], tangents.iter().map(|u| vec![turned(&u[0])]).collect())
}

/// `tr Y^T A Y + tr Y^T B Y Y^T C Y`, a function of `Y Y^T`.
pub(crate) fn gram_cost<'t, T: Scalar>(y: Var<'t, T>, rng: &mut dyn Rng) -> Var<'t, T> {
    let n = y.rows();
    let mut matrix = || y.tape().constant(&gaussian::<T>(Shape::mat(n, n), rng));
    let (a, b, c) = (matrix(), matrix(), matrix());
    let quartic = y.t_mul(b * y) * y.t_mul(c * y);
    y.t_mul(a * y).trace().sum() + quartic.trace().sum()
}
