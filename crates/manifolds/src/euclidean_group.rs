//! Rigid motions, `SE(n)`: matrices `[R p; 0 1]` of order `n + 1` with a rotation `R` and a translation `p`.
//!
//! **Metric.** Tangents are `[R W v; 0 0]` with a skew `W` and any `v`, and the inner product is the ambient one: `tr
//! W_1^T W_2 + v_1^T v_2`, the product of those of `SO(n)` and `R^n`. There is none on `SE(n)` that is the same from
//! the left and from the right. This one does not see a motion of the frame in which positions are given, `T -> ST`: it
//! is left-invariant, and its geodesics are those of the factors, a rotation at constant speed and a straight line.
//! Every formula is that of `orthogonal.rs` in the first block and of flat space in the second: exponential, logarithm,
//! distance, parallel transport, curvature; orders and inverses of retractions; and costs.
//!
//! **Screws.** The exponential of the *group*, `T exp(T^(-1) V)`, moves along a screw, with a velocity that the moving
//! body sees as constant: [`SpecialEuclidean::screw`], and [`SpecialEuclidean::screw_to`] for its inverse. By the
//! closed forms `se2_exp`, `se3_exp` and their logarithms for `n = 2, 3`, else by the exponential and the logarithm of
//! matrices. It is a retraction of second order in no metric of this file (its curves bend where a body turns and
//! moves), and no geodesic; cost of the general form 30n³.
//!
//! What does not exist: a logarithm where `R^T R'` turns by half a turn.

use crate::matrices::{holds_at, holds_for, one, only, shaped};
use crate::orthogonal::{Orthogonal, OrthogonalRetraction};
use crate::{Egrad, Euclidean, Manifold, Parts, Result, Shapes, residuals};
use pullback::{Axis, Batch, Scalar, Shape, Tape, Var};
use rand::Rng;
use smallvec::smallvec;

/// Rigid motions of `R^n` as matrices `[R p; 0 1]`.
#[doc(alias("SE(n)", "specialeuclideanfactory", "pose"))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpecialEuclidean {
    n: usize,
    rotations: Orthogonal,
}

impl SpecialEuclidean {
    /// Rigid motions of `R^n`.
    ///
    /// # Panics
    /// If `n = 0`.
    #[track_caller]
    pub fn new(n: usize) -> Self {
        assert!(n > 0, "SpecialEuclidean: expected motions of a space of at least one dimension, got n = 0");
        SpecialEuclidean { n, rotations: Orthogonal::special(n) }
    }

    /// The same space with another retraction of its rotations.
    #[must_use]
    pub fn with(self, retraction: OrthogonalRetraction) -> Self {
        SpecialEuclidean { rotations: self.rotations.with(retraction), ..self }
    }

    /// The rotation of a motion, or of a tangent its part there.
    #[track_caller]
    #[must_use]
    pub fn rotation<'t, T: Scalar>(&self, x: Var<'t, T>) -> Var<'t, T> {
        x.slice(0, 0, self.n, self.n)
    }

    /// The translation of a motion, or of a tangent its part there: a column.
    #[track_caller]
    #[must_use]
    pub fn translation<'t, T: Scalar>(&self, x: Var<'t, T>) -> Var<'t, T> {
        x.slice(0, self.n, self.n, 1)
    }

    /// The motion `[R p; 0 1]`.
    #[track_caller]
    #[must_use]
    pub fn motion<'t, T: Scalar>(&self, rotation: Var<'t, T>, translation: Var<'t, T>) -> Var<'t, T> {
        self.joined(rotation, translation, T::one())
    }

    /// The exponential of the group from `x`: the motion after a unit of time along the screw that starts with velocity
    /// `v`, a tangent at `x`. The velocity is constant in the frame of the moving body. [`exp`](SpecialEuclidean::exp)
    /// follows the geodesic of the metric instead, a rotation at constant speed and a straight line.
    #[doc(alias = "twist")]
    #[track_caller]
    #[must_use]
    pub fn screw<'t, T: Scalar>(&self, x: Var<'t, T>, v: Var<'t, T>) -> Var<'t, T> {
        let r = self.rotation(x);
        let (w, p) = (r.t_mul(self.rotation(v)).skew(), r.t_mul(self.translation(v)));
        x * match self.n {
            2 => Var::concat(&[p, w.vee()], Axis::Rows).se2_exp(),
            3 => Var::concat(&[p, w.vee()], Axis::Rows).se3_exp(),
            _ => self.joined(w, p, T::zero()).expm(),
        }
    }

    /// The tangent at `x` whose [`screw`](SpecialEuclidean::screw) leads to `y`. Fails at half a turn.
    #[track_caller]
    #[must_use]
    pub fn screw_to<'t, T: Scalar>(&self, x: Var<'t, T>, y: Var<'t, T>) -> Var<'t, T> {
        let (r, n) = (self.rotation(x), self.n);
        // x^(-1) y.
        let there = self.motion(r.t_mul(self.rotation(y)), r.t_mul(self.translation(y) - self.translation(x)));
        let (w, v) = match n {
            2 | 3 => {
                let xi = if n == 2 { there.se2_log() } else { there.se3_log() };
                (xi.row_range(n, xi.rows() - n).hat(), xi.row_range(0, n))
            }
            _ => {
                let l = there.logm();
                (self.rotation(l).skew(), self.translation(l))
            }
        };
        self.joined(r * w, r * v, T::zero())
    }

    fn joined<'t, T: Scalar>(&self, r: Var<'t, T>, p: Var<'t, T>, corner: T) -> Var<'t, T> {
        let batch = r.shape().batch.max(p.shape().batch);
        let fit = |v: Var<'t, T>| v.broadcast_to(Shape { batch, ..v.shape() });
        let last = |cols: usize, c: T| r.tape().filled(Shape::batch(batch, 1, cols), c);
        let (upper, lower) = (
            Var::concat(&[fit(r), fit(p)], Axis::Cols),
            Var::concat(&[last(self.n, T::zero()), last(1, corner)], Axis::Cols),
        );
        Var::concat(&[upper, lower], Axis::Rows)
    }

    /// A point from the factors' answers.
    fn point<'t, T: Scalar>(&self, r: &[Var<'t, T>], p: Var<'t, T>) -> Parts<'t, T> {
        one(self.joined(only(r), p, T::one()))
    }

    /// A tangent from the factors' answers.
    fn tangent<'t, T: Scalar>(&self, r: &[Var<'t, T>], p: Var<'t, T>) -> Parts<'t, T> {
        one(self.joined(only(r), p, T::zero()))
    }

    fn split<'t, T: Scalar>(&self, x: &[Var<'t, T>]) -> ([Var<'t, T>; 1], Var<'t, T>) {
        let x = only(x);
        ([self.rotation(x)], self.translation(x))
    }
}

pullback_geometry::words!(SpecialEuclidean);

impl<T: Scalar> Manifold<T> for SpecialEuclidean {
    fn name(&self) -> String {
        format!("SE({})", self.n)
    }
    fn shapes(&self) -> Shapes {
        smallvec![Shape::mat(self.n + 1, self.n + 1)]
    }
    fn dim(&self) -> usize {
        self.n * (self.n + 1) / 2
    }
    /// That of a product: of its factors, the root of the sum of the squares.
    fn typical_distance(&self) -> f64 {
        Manifold::<T>::typical_distance(&self.rotations)
            .hypot(Manifold::<T>::typical_distance(&Euclidean::new(self.n, 1)))
    }
    fn metric_is_ambient(&self) -> bool {
        true
    }
    fn project<'t>(&self, x: &[Var<'t, T>], u: &[Var<'t, T>]) -> Parts<'t, T> {
        let ((r, _), (w, v)) = (self.split(x), self.split(u));
        self.tangent(&Manifold::project(&self.rotations, &r, &w), v)
    }
    fn ehess_to_rhess<'t>(
        &self,
        x: &[Var<'t, T>],
        g: Egrad<&[Var<'t, T>]>,
        h: &[Var<'t, T>],
        u: &[Var<'t, T>],
    ) -> Parts<'t, T> {
        let ((r, _), (g, _), (h, hp), (w, _)) = (self.split(x), self.split(g.0), self.split(h), self.split(u));
        self.tangent(&Manifold::ehess_to_rhess(&self.rotations, &r, Egrad(&g), &h, &w), hp)
    }
    fn retract<'t>(&self, x: &[Var<'t, T>], v: &[Var<'t, T>]) -> Parts<'t, T> {
        let ((r, p), (w, v)) = (self.split(x), self.split(v));
        self.point(&Manifold::retract(&self.rotations, &r, &w), p + v)
    }
    fn retraction_order(&self) -> usize {
        Manifold::<T>::retraction_order(&self.rotations)
    }
    fn inverse_retract<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        let ((r, p), (s, q)) = (self.split(x), self.split(y));
        Some(self.tangent(&Manifold::inverse_retract(&self.rotations, &r, &s)?, q - p))
    }
    fn transport<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>], u: &[Var<'t, T>]) -> Parts<'t, T> {
        let ((r, _), (s, _), (w, v)) = (self.split(x), self.split(y), self.split(u));
        self.tangent(&Manifold::transport(&self.rotations, &r, &s, &w), v)
    }
    fn transport_is_isometric(&self) -> bool {
        true
    }
    fn exp<'t>(&self, x: &[Var<'t, T>], v: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        let ((r, p), (w, v)) = (self.split(x), self.split(v));
        Some(self.point(&Manifold::exp(&self.rotations, &r, &w)?, p + v))
    }
    fn log<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        let ((r, p), (s, q)) = (self.split(x), self.split(y));
        Some(self.tangent(&Manifold::log(&self.rotations, &r, &s)?, q - p))
    }
    fn dist2<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Var<'t, T>> {
        let ((r, p), (s, q)) = (self.split(x), self.split(y));
        Some(Manifold::dist2(&self.rotations, &r, &s)? + (q - p).dot(q - p))
    }
    fn parallel_transport<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>], u: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        let ((r, _), (s, _), (w, v)) = (self.split(x), self.split(y), self.split(u));
        Some(self.tangent(&Manifold::parallel_transport(&self.rotations, &r, &s, &w)?, v))
    }
    fn curvature<'t>(
        &self,
        x: &[Var<'t, T>],
        u: &[Var<'t, T>],
        v: &[Var<'t, T>],
        w: &[Var<'t, T>],
    ) -> Option<Parts<'t, T>> {
        let ((r, _), (u, _), (v, _), (w, p)) = (self.split(x), self.split(u), self.split(v), self.split(w));
        Some(self.tangent(&Manifold::curvature(&self.rotations, &r, &u, &v, &w)?, p.lincomb(0.0, p, 0.0)))
    }
    fn reproject<'t>(&self, x: &[Var<'t, T>]) -> Parts<'t, T> {
        let (r, p) = self.split(x);
        self.point(&Manifold::reproject(&self.rotations, &r), p)
    }
    /// A uniform rotation and a Gaussian translation.
    fn random_point(&self, batch: usize, rng: &mut dyn Rng) -> Vec<Batch<T>> {
        let r: Vec<Batch<T>> = self.rotations.random_point(batch, rng);
        let p: Vec<Batch<T>> = Euclidean::new(self.n, 1).random_point(batch, rng);
        let tape = Tape::plain();
        vec![self.motion(tape.constant(&r[0]), tape.constant(&p[0])).value()]
    }
    fn check_point(&self, x: &[Batch<T>]) -> Result<()> {
        shaped(self, &[x])?;
        let last = last_row(&x[0], 1.0);
        holds_at::<T>(self, "the last row is 0 .. 0 1", &last, residuals::tolerance::<T>(self.n))?;
        self.rotations.check_point(&[block(&x[0], self.n)])
    }
    fn check_tangent(&self, x: &[Batch<T>], u: &[Batch<T>]) -> Result<()> {
        shaped(self, &[x, u])?;
        let last = last_row(&u[0], 0.0);
        holds_for(self, "the last row is 0", &last, &u[0], residuals::tolerance::<T>(self.n))?;
        self.rotations.check_tangent(&[block(&x[0], self.n)], &[block(&u[0], self.n)])
    }
}

/// The leading `n x n` block of each member.
fn block<T: Scalar>(x: &Batch<T>, n: usize) -> Batch<T> {
    Tape::plain().constant(x).slice(0, 0, n, n).value()
}

/// By how much the last row of each member is not `0 .. 0 c`.
fn last_row<T: Scalar>(x: &Batch<T>, c: f64) -> Vec<f64> {
    let s = x.shape();
    let entry = |b: usize, j: usize| x.data()[b * s.each() + j * s.rows + s.rows - 1].f64();
    (0..s.batch)
        .map(|b| (0..s.cols).map(|j| (entry(b, j) - if j + 1 == s.cols { c } else { 0.0 }).abs()).fold(0.0, f64::max))
        .collect()
}
