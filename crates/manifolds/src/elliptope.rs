//! Correlation matrices of order `n` and rank `p` as `Y Y^T` with unit rows of `Y` (`n x p`): the search space of
//! low-rank relaxations (max-cut), a quotient of the oblique manifold by `Y ~ Y Q` (Grubišić & Pietersz, *Efficient
//! rank reduction of correlation matrices*, 2007; Journée, Bach, Absil & Sepulchre, 2010). `Y Y^T` is never formed.
//!
//! Tangents `U` keep the lengths of rows, `u_i . y_i = 0`, and are horizontal, `Y^T U` symmetric (`submersion.rs`); the
//! metric is `tr U^T V`. With `R(U)` for taking off each row its part along `y_i`:
//!
//! - projection: `R(U)`, then horizontal. The order does not matter for what is symmetric: `Y W` is tangent to rows for
//!   skew `W`; 8np² + 15p³;
//! - gradient: the projection of the Euclidean one; Hessian: that of `H - diag(g_i . y_i) U`, since the derivative of
//!   `R(G) = G - diag(g_i . y_i) Y` along `U` is that and multiples of the rows `y_i`;
//! - geodesics: a horizontal geodesic of the product of spheres is one of the quotient: rows
//!   `y_i cos|v_i| + v_i sin|v_i|/|v_i|`. Retraction: normalised rows of `Y + V`, of second order on spheres and so
//!   here;
//! - transport: from the frame of `Y` to the one of `Z`, times `Q^T` for the polar factor `Q` of `Z^T Y`, projected; it
//!   does not see the representatives;
//! - curvature: of the spheres, `(v_i.w_i) u_i - (u_i.w_i) v_i` in each row, and O'Neill's term.
//!
//! Logarithm and distance minimise `sum arccos² (y_i . Q^T z_i)` over `Q`, which has no closed form. `Y` must have full
//! rank: at a matrix of lower rank the quotient is no manifold. With less than `p - 1` the projection fails; with
//! exactly `p - 1`, and in the oblique manifold, nothing does.

use crate::matrices::{holds_at, holds_for, one, only, shaped};
use crate::psd::{gram_cost, scale, turned, unsymmetric};
use crate::{Another, Egrad, Manifold, Parts, Result, Shapes, gaussian, residuals, submersion, verdicts};
use pullback::{Batch, Scalar, Shape, Tape, Var};
use rand::Rng;
use smallvec::smallvec;

/// Correlation matrices `Y Y^T` of order `n` and rank `p`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elliptope {
    n: usize,
    p: usize,
}

impl Elliptope {
    /// Matrices of order `n` and rank `p`, as factors of `n` unit rows.
    ///
    /// # Panics
    /// If `p > n` or `p = 0`.
    #[track_caller]
    pub fn new(n: usize, p: usize) -> Self {
        assert!(
            0 < p && p <= n,
            "Elliptope: expected 0 < p <= n for matrices of order n and rank p, got n = {n}, p = {p}"
        );
        Elliptope { n, p }
    }
}

pullback_geometry::words!(Elliptope);

/// `u_i . y_i`, a column. Either may be one member for a whole batch of the other.
fn dots<'t, T: Scalar>(u: Var<'t, T>, y: Var<'t, T>) -> Var<'t, T> {
    u.hadamard(y).row_sums()
}

/// `U - diag(u_i . y_i) Y`
fn along_rows<'t, T: Scalar>(y: Var<'t, T>, u: Var<'t, T>) -> Var<'t, T> {
    u - y.hadamard(dots(u, y))
}

fn project<'t, T: Scalar>(y: Var<'t, T>, u: Var<'t, T>) -> Var<'t, T> {
    submersion::horizontal(y, along_rows(y, u))
}

/// Rows of length 1.
fn normalised<T: Scalar>(y: Var<'_, T>) -> Var<'_, T> {
    y.elem_div(y.row_norms())
}

impl<T: Scalar> Manifold<T> for Elliptope {
    fn name(&self) -> String {
        format!("Elliptope({}, rank {})", self.n, self.p)
    }
    fn shapes(&self) -> Shapes {
        smallvec![Shape::mat(self.n, self.p)]
    }
    fn dim(&self) -> usize {
        self.n * (self.p - 1) - self.p * (self.p - 1) / 2
    }
    fn typical_distance(&self) -> f64 {
        10.0 * self.p as f64
    }
    fn metric_is_ambient(&self) -> bool {
        true
    }
    fn project<'t>(&self, x: &[Var<'t, T>], u: &[Var<'t, T>]) -> Parts<'t, T> {
        one(project(only(x), only(u)))
    }
    fn ehess_to_rhess<'t>(
        &self,
        x: &[Var<'t, T>],
        g: Egrad<&[Var<'t, T>]>,
        h: &[Var<'t, T>],
        u: &[Var<'t, T>],
    ) -> Parts<'t, T> {
        let x = only(x);
        one(project(x, only(h) - only(u).hadamard(dots(only(g.0), x))))
    }
    fn retract<'t>(&self, x: &[Var<'t, T>], v: &[Var<'t, T>]) -> Parts<'t, T> {
        one(normalised(only(x) + only(v)))
    }
    fn retraction_order(&self) -> usize {
        2
    }
    fn transport<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>], u: &[Var<'t, T>]) -> Parts<'t, T> {
        let (x, y) = (only(x), only(y));
        one(project(y, only(u).mul_t(submersion::aligning(x, y))))
    }
    fn exp<'t>(&self, x: &[Var<'t, T>], v: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        let (x, v) = (only(x), only(v));
        let t = dots(v, v);
        Some(one(x.hadamard(t.stumpff(0)) + v.hadamard(t.stumpff(1))))
    }
    fn curvature<'t>(
        &self,
        x: &[Var<'t, T>],
        u: &[Var<'t, T>],
        v: &[Var<'t, T>],
        w: &[Var<'t, T>],
    ) -> Option<Parts<'t, T>> {
        let (x, u, v, w) = (only(x), only(u), only(v), only(w));
        let spheres = u.hadamard(dots(v, w)) - v.hadamard(dots(u, w));
        Some(one(project(x, spheres + submersion::curvature(x, u, v, w))))
    }
    fn reproject<'t>(&self, x: &[Var<'t, T>]) -> Parts<'t, T> {
        one(normalised(only(x)))
    }
    /// Rows uniform on the sphere.
    fn random_point(&self, batch: usize, rng: &mut dyn Rng) -> Vec<Batch<T>> {
        let z: Batch<T> = gaussian(Shape::batch(batch, self.n, self.p), rng);
        vec![normalised(Tape::plain().constant(&z)).value()]
    }
    fn check_point(&self, x: &[Batch<T>]) -> Result<()> {
        shaped(self, &[x])?;
        let tape = Tape::plain();
        let y = tape.constant(&x[0]);
        let lengths = dots(y, y).value();
        let off = |b: usize| (0..self.n).map(|i| (verdicts::entry(&lengths, b, i, 0) - 1.0).abs()).fold(0.0, f64::max);
        let off: Vec<f64> = (0..x[0].shape().batch).map(off).collect();
        holds_at::<T>(self, "diag(Y Y^T) = 1", &off, residuals::tolerance::<T>(self.p))
    }
    fn check_tangent(&self, x: &[Batch<T>], u: &[Batch<T>]) -> Result<()> {
        shaped(self, &[x, u])?;
        let tape = Tape::plain();
        let along = dots(tape.constant(&u[0]), tape.constant(&x[0])).value();
        let off: Vec<f64> = (0..u[0].shape().batch).map(|b| residuals::largest(&along, b)).collect();
        let tolerance = scale(&x[0]) * residuals::tolerance::<T>(self.n);
        holds_for(self, "diag(Y U^T) = 0", &off, &u[0], tolerance)?;
        holds_for(self, "Y^T U = U^T Y", &unsymmetric(&x[0], &u[0]), &u[0], tolerance)
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
