//! Orthogonal matrices, `O(n)`, and rotations, `SO(n)`: `n x n` matrices `X` with `X^T X = I`, and `det X = 1`.
//!
//! **Representation.** Tangents are ambient, `U = X W` with a skew `W`; the inner product is the ambient one, `tr U^T
//! V`, which is the same from the left and from the right (bi-invariant). A rotation of space by the angle `s` is
//! therefore `s sqrt 2` away from the identity.
//!
//! - projection, and Riemannian from Euclidean gradient: `P_X(U) = X skew(X^T U)`; cost 4n³;
//! - Hessian: `P_X(H[U] - U sym(X^T G))` (the one of Stiefel matrices with `p = n`: Absil, Mahony & Trumpf, *An
//!   extrinsic look at the Riemannian Hessian*, 2013); cost 8n³;
//! - exponential: `X exp(X^T V)`. Geodesics are translated one-parameter groups, as the metric is bi-invariant. By
//!   closed forms for `n = 2, 3`, else by the exponential of a skew matrix; cost 4n³ and that;
//! - logarithm: `X log(X^T Y)`; for `n = 2, 3` by closed forms that are as good near half a turn as near the identity.
//!   For larger `n` the skew part of the matrix logarithm: what rounding adds to an orthogonal matrix is symmetric to
//!   first order, and of that the logarithm near half a turn makes a large but symmetric part. It does not exist where
//!   a plane turns by half a turn, and between points of `O(n)` whose determinants differ;
//! - squared distance: that of the logarithm. The distance itself exists at half a turn too for `n = 2, 3`, by
//!   `atan2(|vee(W)|, (tr - 1) / 2)` of sine and cosine of the angle;
//! - transport: `Y X^T U`, left translation, isometric; cost 4n³. It is not parallel;
//! - parallel transport along the geodesic to `Y`: `X E (X^T U) E` with `E = exp(W/2)`, `W = log(X^T Y)`. In a
//!   bi-invariant metric the covariant derivative of left-invariant fields is half their bracket, so a parallel field
//!   `X exp(tW) Q(t)` satisfies `Q' = -[W, Q] / 2`, which `Q = exp(-tW/2) Q_0 exp(tW/2)` solves;
//! - curvature: `R(u, v) w = -[[u, v], w] / 4` of the skew matrices; cost 16n³.
//!
//! **Retractions**, with `W = X^T V`; all stay in the component of `X`:
//!
//! | | formula | order | inverse, with `Q = X^T Y` | cost |
//! |---|---|---|---|---|
//! | QR | `qf(X + V)` | 1 | `Q R` with the upper triangular `R` of `QR + R^T Q^T = 2I`, a column at a time | 3n³ |
//! | polar | `Z (Z^T Z)^(-1/2)`, `Z = X + V` | 2 | `W = sym(Q)^(-1) skew(Q)`: in a plane that turns by `s` these are `cos s` and `sin s`, and `W` is `tan s`; angles below a right one | 13n³ |
//! | Cayley | `X (I - W/2)^(-1) (I + W/2)` | 2 | `W = 2 (Q + I)^(-1) (Q - I)`; no half turn | 5n³ |
//! | exponential | see above | 2 (it is exact) | the logarithm | |
//!
//! The first two end with an orthonormalisation; the others carry on what rounding has added to `X^T X - I`, about one
//! unit a step, until `reproject`, which is polar for all.

use crate::matrices::{holds_at, holds_for, number, one, only, shaped};
use crate::scalars::Times;
use crate::{Egrad, Manifold, Parts, Result, Shapes, gaussian, residuals};
use pullback::{Axis, Batch, Scalar, Shape, Tape, Var};
use rand::Rng;
use smallvec::smallvec;

/// The retractions of [`Orthogonal`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OrthogonalRetraction {
    /// The orthonormal factor of `X + V`. First order.
    Qr,
    /// The polar factor of `X + V`: the orthogonal matrix nearest to it. Second order. The default.
    #[default]
    Polar,
    /// The Cayley transform. Second order.
    Cayley,
    /// The exponential, along geodesics.
    Exponential,
}

/// Orthogonal `n x n` matrices, all of them or the rotations alone.
///
/// `O(n)` has two components. No continuous motion leads from one to the other, and no method does: a start with
/// determinant -1 ends with determinant -1.
#[doc(alias("SpecialOrthogonalGroup", "rotationsfactory", "SO(n)", "O(n)"))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Orthogonal {
    n: usize,
    special: bool,
    retraction: OrthogonalRetraction,
}

impl Orthogonal {
    /// All orthogonal matrices of order `n`, `O(n)`.
    ///
    /// # Panics
    /// If `n = 0`.
    #[track_caller]
    pub fn new(n: usize) -> Self {
        assert!(n > 0, "Orthogonal: expected matrices of at least one row, got n = 0");
        Orthogonal { n, special: false, retraction: OrthogonalRetraction::default() }
    }

    /// The rotations of `R^n`, `SO(n)`: those with determinant 1.
    ///
    /// # Panics
    /// If `n = 0`.
    #[track_caller]
    pub fn special(n: usize) -> Self {
        Orthogonal { special: true, ..Orthogonal::new(n) }
    }

    /// The same space with another retraction.
    #[must_use]
    pub fn with(self, retraction: OrthogonalRetraction) -> Self {
        Orthogonal { retraction, ..self }
    }

    /// The skew matrix `X^T V` of a tangent.
    #[track_caller]
    #[must_use]
    pub fn skew_of<'t, T: Scalar>(&self, x: Var<'t, T>, v: Var<'t, T>) -> Var<'t, T> {
        x.t_mul(v).skew()
    }

    /// `X^T Y`, where it has determinant 1.
    #[track_caller]
    fn between<'t, T: Scalar>(&self, x: Var<'t, T>, y: Var<'t, T>) -> Var<'t, T> {
        let q = x.t_mul(y);
        match self.special {
            true => q,
            false => q.where_positive(q.stop_gradient().det(), "both points have the same determinant, 1 or -1"),
        }
    }
}

pullback_geometry::words!(Orthogonal);

/// The exponential of a skew matrix.
fn turned<'t, T: Scalar>(w: Var<'t, T>) -> Var<'t, T> {
    match w.rows() {
        1 => w.tape().eye(1).broadcast_to(w.shape()),
        2 => w.vee().so2_exp(),
        3 => w.vee().so3_exp(),
        _ => w.expm(),
    }
}

/// What rounding cannot tell from half a turn, in units of epsilon.
const HALF_TURN: f64 = 8.0;

/// The logarithm of a rotation: a skew matrix.
#[track_caller]
fn turning<'t, T: Scalar>(q: Var<'t, T>) -> Var<'t, T> {
    let n = q.rows();
    let q = match n {
        // Sine plus one plus cosine of the angle: 0 at half a turn alone, and not of second order in what is left to
        // it.
        2 | 3 => {
            let fixed = q.stop_gradient();
            let cosine = (fixed.trace() - number(q, (n - 2) as f64)).times(0.5);
            let away = fixed.vee().norm() + cosine + number(q, 1.0 - HALF_TURN * T::EPS.f64());
            q.where_positive(away, "no turn by exactly half a turn, where there are two shortest geodesics")
        }
        _ => q,
    };
    match n {
        1 => q.times(0.0),
        2 => q.so2_log().hat(),
        3 => q.so3_log().hat(),
        _ => q.logm().skew(),
    }
}

/// The `W` with `qf(I + W) = Q`, from the upper triangular `R` with `QR + R^T Q^T = 2I`.
///
/// Column `j` of `R`, down to the diagonal, solves `Q[..=j, ..=j] r = b`: row `i < j` of the equation says
/// `Q[i, ..=j] r = -R[..=i, i] . Q[j, ..=i]`, of which all is known, and row `j` says `2 Q[j, ..=j] r = 2`.
#[track_caller]
fn unfactored<'t, T: Scalar>(q: Var<'t, T>) -> Var<'t, T> {
    let (n, batch) = (q.rows(), q.shape().batch);
    let zeros = |rows: usize| q.tape().filled(Shape::batch(batch, rows, 1), T::zero());
    let mut r: Option<Var<'t, T>> = None;
    for j in 0..n {
        let last = q.tape().filled(Shape::batch(batch, 1, 1), T::one());
        let b = match r {
            None => last,
            Some(r) => {
                let known = r.slice(0, 0, j, j).t_mul(q.slice(j, 0, 1, j).t());
                Var::concat(&[known.times(-1.0), last], Axis::Rows)
            }
        };
        let column = q.slice(0, 0, j + 1, j + 1).solve(b);
        let column = if j + 1 < n { Var::concat(&[column, zeros(n - j - 1)], Axis::Rows) } else { column };
        r = Some(r.map_or(column, |r| Var::concat(&[r, column], Axis::Cols)));
    }
    let r = r.unwrap_or(q);
    (q * r).where_positive(r.stop_gradient().diag(), "the point is one that the QR retraction reaches").skew()
}

impl<T: Scalar> Manifold<T> for Orthogonal {
    fn name(&self) -> String {
        format!("{}({})", if self.special { "SO" } else { "O" }, self.n)
    }
    fn shapes(&self) -> Shapes {
        smallvec![Shape::mat(self.n, self.n)]
    }
    fn dim(&self) -> usize {
        self.n * (self.n - 1) / 2
    }
    fn typical_distance(&self) -> f64 {
        std::f64::consts::PI * (self.n as f64).sqrt()
    }
    fn metric_is_ambient(&self) -> bool {
        true
    }
    fn project<'t>(&self, x: &[Var<'t, T>], u: &[Var<'t, T>]) -> Parts<'t, T> {
        let x = only(x);
        one(x * x.t_mul(only(u)).skew())
    }
    fn ehess_to_rhess<'t>(
        &self,
        x: &[Var<'t, T>],
        g: Egrad<&[Var<'t, T>]>,
        h: &[Var<'t, T>],
        u: &[Var<'t, T>],
    ) -> Parts<'t, T> {
        let (x, g, h, u) = (only(x), only(g.0), only(h), only(u));
        one(x * x.t_mul(h.add_mul(-1.0, u, x.t_mul(g).sym())).skew())
    }
    fn retract<'t>(&self, x: &[Var<'t, T>], v: &[Var<'t, T>]) -> Parts<'t, T> {
        let (x, v) = (only(x), only(v));
        one(match self.retraction {
            OrthogonalRetraction::Qr => (x + v).qr().0,
            OrthogonalRetraction::Polar => nearest(x + v),
            OrthogonalRetraction::Cayley => x * x.t_mul(v).skew().cayley(0.5),
            OrthogonalRetraction::Exponential => x * turned(x.t_mul(v).skew()),
        })
    }
    fn retraction_order(&self) -> usize {
        match self.retraction {
            OrthogonalRetraction::Qr => 1,
            _ => 2,
        }
    }
    fn inverse_retract<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        let x = only(x);
        let q = self.between(x, only(y));
        let eye = q.tape().eye(self.n);
        Some(one(x * match self.retraction {
            OrthogonalRetraction::Qr => unfactored(q),
            OrthogonalRetraction::Polar => {
                let c = q.sym();
                let least = c.stop_gradient().symmetric().values(0..1);
                let c = c.where_positive(least, "every plane turns by less than a right angle");
                c.spd().solve(q.skew()).skew()
            }
            OrthogonalRetraction::Cayley => (q + eye).solve(q - eye).times(2.0).skew(),
            OrthogonalRetraction::Exponential => turning(q),
        }))
    }
    /// Left translation.
    fn transport<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>], u: &[Var<'t, T>]) -> Parts<'t, T> {
        one(only(y) * only(x).t_mul(only(u)))
    }
    fn transport_is_isometric(&self) -> bool {
        true
    }
    fn exp<'t>(&self, x: &[Var<'t, T>], v: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        let x = only(x);
        Some(one(x * turned(x.t_mul(only(v)).skew())))
    }
    fn log<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        let x = only(x);
        Some(one(x * turning(self.between(x, only(y)))))
    }
    fn dist2<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Var<'t, T>> {
        let w = turning(self.between(only(x), only(y)));
        Some(w.dot(w))
    }
    fn dist<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Var<'t, T>> {
        if !matches!(self.n, 2 | 3) {
            return Some(Manifold::dist2(self, x, y)?.sqrt());
        }
        // The cosine is (tr - 1) / 2 in space and tr / 2 in the plane.
        let q = self.between(only(x), only(y));
        let cosine = (q.trace() - number(q, (self.n - 2) as f64)).times(0.5);
        Some(q.vee().norm().atan2(cosine).times(std::f64::consts::SQRT_2))
    }
    fn parallel_transport<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>], u: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        let x = only(x);
        let half = turned(turning(self.between(x, only(y))).times(0.5));
        Some(one(x * half * x.t_mul(only(u)) * half))
    }
    fn curvature<'t>(
        &self,
        x: &[Var<'t, T>],
        u: &[Var<'t, T>],
        v: &[Var<'t, T>],
        w: &[Var<'t, T>],
    ) -> Option<Parts<'t, T>> {
        let x = only(x);
        let [u, v, w] = [u, v, w].map(|u| x.t_mul(only(u)));
        // Of two skew matrices (AB)^T = BA, so [A, B] = AB - (AB)^T, which is skew again.
        let uv = u * v;
        let uvw = (uv - uv.t()) * w;
        Some(one(x * (uvw - uvw.t()).times(-0.25)))
    }
    /// By the polar factor, whatever the retraction.
    fn reproject<'t>(&self, x: &[Var<'t, T>]) -> Parts<'t, T> {
        one(nearest(only(x)))
    }
    /// Uniform: the orthonormal factor of a Gaussian matrix, with the sign of its first column changed where a rotation
    /// is asked for and the determinant is -1.
    fn random_point(&self, batch: usize, rng: &mut dyn Rng) -> Vec<Batch<T>> {
        let z: Batch<T> = gaussian(Shape::batch(batch, self.n, self.n), rng);
        let tape = Tape::plain();
        let q = tape.constant(&z).qr().0;
        if !self.special {
            return vec![q.value()];
        }
        let (det, mut q) = (q.det().value(), q.value());
        let each = self.n * self.n;
        for b in (0..batch).filter(|&b| det.data()[b] < T::zero()) {
            q.data_mut()[b * each..b * each + self.n].iter_mut().for_each(|x| *x = -*x);
        }
        vec![q]
    }
    fn check_point(&self, x: &[Batch<T>]) -> Result<()> {
        shaped(self, &[x])?;
        let tolerance = residuals::tolerance::<T>(self.n);
        holds_at::<T>(self, "X^T X = I", &residuals::gram_residual(&x[0], &x[0], 1.0), tolerance)?;
        if !self.special {
            return Ok(());
        }
        let det = Tape::plain().constant(&x[0]).det().value();
        let off: Vec<f64> = det.data().iter().map(|d| (d.f64() - 1.0).abs()).collect();
        holds_at::<T>(self, "det X = 1", &off, tolerance * self.n as f64)
    }
    fn check_tangent(&self, x: &[Batch<T>], u: &[Batch<T>]) -> Result<()> {
        shaped(self, &[x, u])?;
        let tape = Tape::plain();
        let w = tape.constant(&x[0]).t_mul(tape.constant(&u[0])).sym().value();
        let residual: Vec<f64> = (0..w.shape().batch).map(|b| residuals::largest(&w, b)).collect();
        holds_for(self, "X^T U + U^T X = 0", &residual, &u[0], residuals::tolerance::<T>(self.n))
    }
}

/// The orthogonal matrix nearest to `Z`, for a regular `Z`. A function of a symmetric matrix: its derivatives exist at
/// repeated singular values.
#[track_caller]
pub(crate) fn nearest<'t, T: Scalar>(z: Var<'t, T>) -> Var<'t, T> {
    z * z.t_mul(z).invsqrtm_spd()
}
