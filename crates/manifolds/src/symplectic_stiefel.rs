//! The symplectic Stiefel manifold: symplectic frames, `X` of `2n x 2p` with `X^T J X = J`, where `J = [0 I; -I 0]` of
//! the size that fits, with the inner product `tr U^T V` of the ambient space (Gao, Son, Absil & Stykel, *Riemannian
//! optimization on the symplectic Stiefel manifold*, 2021, and *Geometry of the symplectic Stiefel manifold endowed
//! with the Euclidean metric*, 2021).
//!
//! With the symplectic adjoint `X^+ = J^T X^T J` points have `X^+ X = I`, and tangents are `V = X A + H` with
//! `A^+ = -A`, `X^+ H = 0`: `X^T J V` is symmetric. The space is not compact. Normals are `J X W` with `W` skew:
//! `tr (J X W)^T V` is `-tr W X^T J^T V`, a skew times a symmetric matrix. So
//!
//! - projection `P(Z) = Z - J X W`, with `sym` and `skew` exchanged: `X^T J (Z - J X W) = X^T J Z + X^T X W` is
//!   symmetric if `X^T X W + W X^T X = -2 skew(X^T J Z)`, a Lyapunov equation of size `2p`; cost 16np² and a Schur
//!   form;
//! - gradient `P(G)`, Hessian by the derivative of the projection (the default of the trait);
//! - retractions by the Cayley transform (the default) and the quasi-geodesic, both of first order in this metric, in
//!   the `2p x 2p` forms of `frames.rs`. Cayley fails where `I - A/2 + S/4` is singular: it is not defined for all
//!   tangents. Its inverse is in closed form; that of the quasi-geodesic is not known;
//! - `reproject`: two steps `X (3I - X^+ X)/2`, each of which squares what `X^+ X` is off by;
//! - transport: projection at the new point;
//! - geodesics, logarithm, distance and parallel transport in this metric are not known in closed form.

use crate::frames::{self, Frame, cayley, exponential, zero_and_one};
use crate::matrices::{holds_at, holds_for, one, only, shaped};
use crate::scalars::Times;
use crate::{Manifold, Parts, Result, Shapes, gaussian, residuals};
use pullback::{Axis, Batch, Scalar, Shape, Tape, Var};
use rand::Rng;
use smallvec::smallvec;

/// The retractions of [`SymplecticStiefel`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum SymplecticRetraction {
    /// The Cayley transform; it is not defined for some long tangents. The default.
    #[default]
    Cayley,
    /// `[X V] expm(..) [I; 0] expm(..)`, defined everywhere.
    QuasiGeodesic,
}

/// Matrices of `2n x 2p` with `X^T J X = J`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SymplecticStiefel {
    n: usize,
    p: usize,
    retraction: SymplecticRetraction,
}

impl SymplecticStiefel {
    /// Matrices of `2n x 2p` with `X^T J X = J`; `p = n` gives the symplectic group.
    ///
    /// # Panics
    /// If `p > n` or `p = 0`.
    #[track_caller]
    pub fn new(n: usize, p: usize) -> Self {
        assert!(
            0 < p && p <= n,
            "SymplecticStiefel: expected 0 < p <= n for symplectic 2n x 2p matrices, got n = {n}, p = {p}"
        );
        SymplecticStiefel { n, p, retraction: SymplecticRetraction::default() }
    }

    /// The same space with another retraction.
    #[must_use]
    pub fn with(self, retraction: SymplecticRetraction) -> Self {
        SymplecticStiefel { retraction, ..self }
    }
}

pullback_geometry::words!(SymplecticStiefel);

/// `J Z`.
fn turned<'t, T: Scalar>(z: Var<'t, T>) -> Var<'t, T> {
    let half = z.rows() / 2;
    Var::concat(&[z.row_range(half, half), -z.row_range(0, half)], Axis::Rows)
}

/// `X^+ Z = J^T X^T J Z`.
fn plus_times<'t, T: Scalar>(x: Var<'t, T>, z: Var<'t, T>) -> Var<'t, T> {
    -turned(x.t_mul(turned(z)))
}

/// `(A - A^+)/2`, with `A^+ = J^T A^T J`.
fn hamiltonian<'t, T: Scalar>(a: Var<'t, T>) -> Var<'t, T> {
    a.lincomb(0.5, adjoint(a), -0.5)
}

/// `A^+ = J^T A^T J = J (J A)^T`.
fn adjoint<'t, T: Scalar>(a: Var<'t, T>) -> Var<'t, T> {
    turned(turned(a).t())
}

fn project<'t, T: Scalar>(x: Var<'t, T>, z: Var<'t, T>) -> Var<'t, T> {
    let jx = turned(x);
    // X^T J Z = -(J X)^T Z.
    let w = x.t_mul(x).lyapunov(jx.t_mul(z).skew().times(2.0));
    z.add_mul(-1.0, jx, w)
}

fn frame<'t, T: Scalar>(x: Var<'t, T>, v: Var<'t, T>) -> Frame<'t, T> {
    let a = plus_times(x, v);
    let h = v.add_mul(-1.0, x, a);
    Frame { x, a: hamiltonian(a), h, s: plus_times(h, h) }
}

/// A step towards `X^+ X = I`.
fn nearer<'t, T: Scalar>(x: Var<'t, T>) -> Var<'t, T> {
    x.lincomb(1.5, x * plus_times(x, x), -0.5)
}

impl<T: Scalar> Manifold<T> for SymplecticStiefel {
    fn name(&self) -> String {
        format!("SpSt({}, {})", 2 * self.n, 2 * self.p)
    }
    fn shapes(&self) -> Shapes {
        smallvec![Shape::mat(2 * self.n, 2 * self.p)]
    }
    fn dim(&self) -> usize {
        4 * self.n * self.p - self.p * (2 * self.p - 1)
    }
    fn metric_is_ambient(&self) -> bool {
        true
    }
    fn project<'t>(&self, x: &[Var<'t, T>], u: &[Var<'t, T>]) -> Parts<'t, T> {
        one(project(only(x), only(u)))
    }
    fn retract<'t>(&self, x: &[Var<'t, T>], v: &[Var<'t, T>]) -> Parts<'t, T> {
        let f = frame(only(x), only(v));
        // The step after it removes drift, and is the identity on the manifold.
        one(nearer(match self.retraction {
            SymplecticRetraction::Cayley => cayley(f),
            SymplecticRetraction::QuasiGeodesic => exponential(f, 1.0),
        }))
    }
    fn inverse_retract<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        if self.retraction != SymplecticRetraction::Cayley {
            return None;
        }
        let (x, y) = (only(x), only(y));
        let d = y - x;
        let m1 = plus_times(x, d);
        Some(one(frames::inverse_cayley(x, m1, d.add_mul(-1.0, x, m1), adjoint)))
    }
    fn reproject<'t>(&self, x: &[Var<'t, T>]) -> Parts<'t, T> {
        one(nearer(nearer(only(x))))
    }
    /// The quasi-geodesic from a frame of coordinate vectors along a random tangent.
    fn random_point(&self, batch: usize, rng: &mut dyn Rng) -> Vec<Batch<T>> {
        let (n, p) = (self.n, self.p);
        let shape = Shape::batch(batch, 2 * n, 2 * p);
        let tape = Tape::plain();
        let x = tape.constant(&Batch::from_fn(shape, |_, i, j| {
            let at = if j < p { j } else { n + j - p };
            if i == at { T::one() } else { T::zero() }
        }));
        let v = project(x, tape.constant(&gaussian(shape, rng))).times(0.5 / (p as f64).sqrt());
        vec![nearer(nearer(exponential(frame(x, v), 1.0))).value()]
    }
    fn check_point(&self, x: &[Batch<T>]) -> Result<()> {
        shaped(self, &[x])?;
        let tape = Tape::plain();
        let x = tape.constant(&x[0]);
        let m = plus_times(x, x);
        let off = (m - zero_and_one(m).1).value();
        let long = x.value().max_abs().f64().max(1.0);
        holds_at::<T>(self, "X^T J X = J", &largest(&off), residuals::tolerance::<T>(2 * self.n) * long * long)
    }
    fn check_tangent(&self, x: &[Batch<T>], u: &[Batch<T>]) -> Result<()> {
        shaped(self, &[x, u])?;
        let tape = Tape::plain();
        let off = tape.constant(&x[0]).t_mul(turned(tape.constant(&u[0]))).skew().times(2.0).value();
        let long = x[0].max_abs().f64().max(1.0);
        holds_for(self, "X^T J U is symmetric", &largest(&off), &u[0], residuals::tolerance::<T>(2 * self.n) * long)
    }
}

fn largest<T: Scalar>(off: &Batch<T>) -> Vec<f64> {
    (0..off.shape().batch).map(|b| residuals::largest(off, b)).collect()
}
