//! The Stiefel manifold: orthonormal frames, `X` of `n x p` with `X^T X = I`. What its retractions do is in `frames.rs`
//! and `stiefel_inverse.rs`, its logarithm in `stiefel_log.rs`.
//!
//! Tangents are `U = X A + H` with `A` skew and `X^T H = 0`, that is `sym(X^T U) = 0`. The metrics form a family, with
//! one number `b > 0`:
//!
//! `<U, V>_X = tr H_U^T H_V + b tr A_U^T A_V = tr U^T V - (1 - b) tr (X^T U)^T (X^T V)`.
//!
//! `b = 1` is the metric of the ambient space (Euclidean), `b = 1/2` the canonical one (Edelman, Arias & Smith 1998),
//! and `b = 1/(2 (alpha + 1))` that with `alpha` of Hüper, Markina & Silva Leite (2021). With the Euclidean gradient
//! `G` and Hessian `H[U]`, `A = X^T U`, `H_U = U - X A`:
//!
//! - projection `P(Z) = Z - X sym(X^T Z)`; cost 4np²;
//! - gradient: `<grad, V>_X = tr G^T V` for all tangents `V`. The metric multiplies `A` by `b`, so
//!   `grad = P(G) + (1/b - 1) X skew(X^T G)`; for `b = 1/2` this is `G - X G^T X`;
//! - geodesics have `Y'' = -X U^T U + 2 (1 - b) H_U A` at their start, which is the second derivative of the
//!   exponential curve of `frames.rs` (`X (2bA)² - X S + 2b H A`, twice the product of first derivatives, and
//!   `(1 - 2b)² X A²`);
//! - Hessian: `<Hess[U], U> = tr U^T H[U] + tr G^T Y''`. Polarised, its Euclidean representer is
//!   `T = H[U] - U sym(X^T G) + (1 - b) (X H_U^T G - (I - X X^T) G A)`, and `Hess[U] = P(T) + (1/b - 1) X skew(X^T T)`;
//!   cost 16np²;
//! - curvature: with `C(V, W) = X sym(V^T W) - (1 - b) (H_V X^T W + H_W X^T V)` the covariant derivative is
//!   `D_V W = DW[V] + C(V, W)`, so `R(U, V) W = DC[U](V, W) - DC[V](U, W) + C(U, C(V, W)) - C(V, C(U, W))` with
//!   derivatives in `X` (a formula of the ambient space that keeps tangents, so it holds within the manifold);
//! - retractions: QR `qf(X + V)`, first order; polar `(X + V) (I + V^T V)^{-1/2}`, second order for `b = 1` and first
//!   otherwise (Absil & Malick 2012: it is the nearest point); Cayley, second order for `b = 1/2` and first otherwise
//!   (its curve has `Y'' = W² X = X (A² - S) + H A`); exponential, which is exact, and ends with a step towards the
//!   polar factor that removes drift. The polar program takes `Z^T Z` of `Z = X + V`, for the reason that
//!   `grassmann.rs` gives. Cost: 4np², 4np² + 9p³, 8np² + 3p³, 12np² + 130p³;
//! - transport: projection at the new point, not an isometry. Parallel transport along geodesics has no closed form.

use crate::frames::{Frame, cayley, exponential};
use crate::matrices::{holds_at, holds_for, one, only, shaped};
use crate::scalars::Times;
use crate::stiefel_inverse::{inverse_cayley, inverse_polar, inverse_qr};
use crate::{Egrad, Manifold, Parts, Result, Rgrad, Shapes, ambient, gaussian, residuals};
use crate::{stiefel_log, stiefel_log::injectivity_radius};
use pullback::{Batch, Scalar, Shape, Tape, Var};
use rand::Rng;
use smallvec::smallvec;

/// The inner product of tangents of the Stiefel manifold: `tr H^T H + b tr A^T A` for a tangent `V = X A + H` with
/// `X^T H = 0`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub enum StiefelMetric {
    /// That of the ambient space, `b = 1`. The default.
    #[default]
    Euclidean,
    /// `tr U^T (I - X X^T / 2) V`, `b = 1/2`: that of the quotient `O(n) / O(n - p)`.
    Canonical,
    /// `b = 1/(2 (alpha + 1))` for this `alpha > -1`: -1/2 is Euclidean, 0 canonical.
    Alpha(f64),
}

impl StiefelMetric {
    /// The factor `b` of `tr A^T A`.
    fn b(self) -> f64 {
        match self {
            StiefelMetric::Euclidean => 1.0,
            StiefelMetric::Canonical => 0.5,
            StiefelMetric::Alpha(alpha) => 0.5 / (alpha + 1.0),
        }
    }
}

/// The retractions of [`Stiefel`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StiefelRetraction {
    /// The orthonormal factor of `X + V`: the cheapest.
    Qr,
    /// The polar factor of `X + V`. The default in the Euclidean metric, where it is of second order.
    Polar,
    /// The Cayley transform. The default in the other metrics; of second order in the canonical one.
    Cayley,
    /// The geodesic of the metric.
    Exponential,
}

/// Orthonormal frames of `p` vectors in `R^n`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stiefel {
    n: usize,
    p: usize,
    metric: StiefelMetric,
    retraction: Option<StiefelRetraction>,
}

impl Stiefel {
    /// Matrices of `n x p` with `X^T X = I`, with the Euclidean metric and the polar retraction.
    ///
    /// ```
    /// use pullback_manifolds::{Manifold, Stiefel, StiefelMetric, rng};
    /// let st = Stiefel::new(5, 2).with_metric(StiefelMetric::Canonical);
    /// let r = &mut rng(1);
    /// let x: Vec<pullback::Batch> = st.random_point(1, r);
    /// let v = st.random_tangent(&x, r)?;
    /// let y = st.exp(&x[0], &v[0])?;
    /// let back = st.log(&x[0], &y)?;
    /// assert!(back.data().iter().zip(v[0].data()).all(|(a, b)| (a - b).abs() < 1e-10));
    /// # Ok::<(), pullback_manifolds::Error>(())
    /// ```
    ///
    /// # Panics
    /// If `p > n` or `p = 0`.
    #[track_caller]
    pub fn new(n: usize, p: usize) -> Self {
        assert!(0 < p && p <= n, "Stiefel: expected 0 < p <= n for p orthonormal vectors in R^n, got n = {n}, p = {p}");
        Stiefel { n, p, metric: StiefelMetric::Euclidean, retraction: None }
    }

    /// The same space with another retraction.
    #[must_use]
    pub fn with(self, retraction: StiefelRetraction) -> Self {
        Stiefel { retraction: Some(retraction), ..self }
    }

    /// The same space with another metric, and with the default retraction of that metric unless one was chosen.
    ///
    /// # Panics
    /// If an `alpha` is not above -1, or not finite.
    #[track_caller]
    #[must_use]
    pub fn with_metric(self, metric: StiefelMetric) -> Self {
        if let StiefelMetric::Alpha(alpha) = metric {
            assert!(alpha > -1.0 && alpha.is_finite(), "Stiefel: expected a finite alpha > -1, got {alpha}");
        }
        Stiefel { metric, ..self }
    }

    /// The length up to which a geodesic is the only shortest one, and [`log`](Manifold::log) returns its velocity.
    ///
    /// `pi` in the Euclidean metric (Zimmermann & Stoye 2025, proved). In the canonical metric `sqrt(4/5) pi`, proved
    /// from the bound 5/4 on the curvature (Rentmeesters 2013); 0.913 `pi` is conjectured. In other metrics the least
    /// of `pi`, `sqrt(2b) pi` and `sqrt(2) t`, where `t` is the first root of `sin(t)/t + (1/b - 1) cos t` (Absil &
    /// Mataigne 2024: an upper bound, conjectured to be the radius).
    pub fn injectivity_radius(&self) -> f64 {
        injectivity_radius(self.n, self.p, self.metric.b())
    }

    fn retraction(&self) -> StiefelRetraction {
        self.retraction.unwrap_or(match self.metric.b() == 1.0 {
            true => StiefelRetraction::Polar,
            false => StiefelRetraction::Cayley,
        })
    }
}

pullback_geometry::words!(Stiefel);

fn project<'t, T: Scalar>(x: Var<'t, T>, z: Var<'t, T>) -> Var<'t, T> {
    z.add_mul(-1.0, x, x.t_mul(z).sym())
}

/// `X A + H`.
pub(crate) fn frame<'t, T: Scalar>(x: Var<'t, T>, v: Var<'t, T>) -> Frame<'t, T> {
    let a = x.t_mul(v);
    let h = v.add_mul(-1.0, x, a);
    Frame { x, a: a.skew(), h, s: h.t_mul(h) }
}

/// The tangent whose inner product with `V` in the metric is `tr T^T V`.
fn raise<'t, T: Scalar>(x: Var<'t, T>, t: Var<'t, T>, b: f64) -> Var<'t, T> {
    let m = x.t_mul(t);
    match b == 1.0 {
        true => t.add_mul(-1.0, x, m.sym()),
        false => t.add_mul(-1.0, x, m.sym().lincomb(1.0, m.skew(), 1.0 - 1.0 / b)),
    }
}

/// `C(V, W)`: see the head of the file.
fn christoffel<'t, T: Scalar>(x: Var<'t, T>, v: Var<'t, T>, w: Var<'t, T>, b: f64) -> Var<'t, T> {
    let flat = x * v.t_mul(w).sym();
    if b == 1.0 {
        return flat;
    }
    let (av, aw) = (x.t_mul(v), x.t_mul(w));
    let mixed = v.add_mul(-1.0, x, av) * aw + w.add_mul(-1.0, x, aw) * av;
    flat.lincomb(1.0, mixed, b - 1.0)
}

/// A step of Newton's method for the polar factor, `Y (3I - Y^T Y)/2`: what `Y^T Y` is off by is squared.
pub(crate) fn towards_polar<'t, T: Scalar>(y: Var<'t, T>) -> Var<'t, T> {
    y.lincomb(1.5, y * y.t_mul(y), -0.5)
}

impl<T: Scalar> Manifold<T> for Stiefel {
    fn name(&self) -> String {
        match self.metric {
            StiefelMetric::Euclidean => format!("St({}, {})", self.n, self.p),
            StiefelMetric::Canonical => format!("St({}, {}; canonical)", self.n, self.p),
            StiefelMetric::Alpha(a) => format!("St({}, {}; alpha = {a})", self.n, self.p),
        }
    }
    fn shapes(&self) -> Shapes {
        smallvec![Shape::mat(self.n, self.p)]
    }
    fn dim(&self) -> usize {
        self.n * self.p - self.p * (self.p + 1) / 2
    }
    /// The norm of a frame.
    fn typical_distance(&self) -> f64 {
        (self.p as f64).sqrt()
    }
    fn inner<'t>(&self, x: &[Var<'t, T>], u: &[Var<'t, T>], v: &[Var<'t, T>]) -> Var<'t, T> {
        let b = self.metric.b();
        if b == 1.0 {
            return ambient(u, v);
        }
        let (x, u, v) = (only(x), only(u), only(v));
        u.dot(v).lincomb(1.0, x.t_mul(u).dot(x.t_mul(v)), b - 1.0)
    }
    fn metric_is_ambient(&self) -> bool {
        self.metric.b() == 1.0
    }
    fn project<'t>(&self, x: &[Var<'t, T>], u: &[Var<'t, T>]) -> Parts<'t, T> {
        one(project(only(x), only(u)))
    }
    fn egrad_to_rgrad<'t>(&self, x: &[Var<'t, T>], g: Egrad<&[Var<'t, T>]>) -> Rgrad<Parts<'t, T>> {
        Rgrad(one(raise(only(x), only(g.0), self.metric.b())))
    }
    fn ehess_to_rhess<'t>(
        &self,
        x: &[Var<'t, T>],
        g: Egrad<&[Var<'t, T>]>,
        h: &[Var<'t, T>],
        u: &[Var<'t, T>],
    ) -> Parts<'t, T> {
        let (x, g, h, u, b) = (only(x), only(g.0), only(h), only(u), self.metric.b());
        let xg = x.t_mul(g);
        let mut t = h.add_mul(-1.0, u, xg.sym());
        if b != 1.0 {
            let a = x.t_mul(u);
            let normal = u.add_mul(-1.0, x, a);
            t = t.lincomb(1.0, x * normal.t_mul(g) - g.add_mul(-1.0, x, xg) * a, 1.0 - b);
        }
        one(raise(x, t, b))
    }
    fn retract<'t>(&self, x: &[Var<'t, T>], v: &[Var<'t, T>]) -> Parts<'t, T> {
        let (x, v) = (only(x), only(v));
        one(match self.retraction() {
            StiefelRetraction::Qr => (x + v).qr().0,
            StiefelRetraction::Polar => {
                let z = x + v;
                z * z.t_mul(z).invsqrtm_spd()
            }
            StiefelRetraction::Cayley => cayley(frame(x, v)),
            StiefelRetraction::Exponential => towards_polar(exponential(frame(x, v), self.metric.b())),
        })
    }
    fn retraction_order(&self) -> usize {
        let b = self.metric.b();
        match self.retraction() {
            StiefelRetraction::Qr => 1,
            StiefelRetraction::Polar => 1 + usize::from(b == 1.0),
            StiefelRetraction::Cayley => 1 + usize::from(b == 0.5),
            StiefelRetraction::Exponential => 2,
        }
    }
    fn inverse_retract<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        let (xs, ys) = (only(x), only(y));
        Some(match self.retraction() {
            StiefelRetraction::Qr => one(inverse_qr(xs, ys)),
            StiefelRetraction::Polar => one(inverse_polar(xs, ys)),
            StiefelRetraction::Cayley => one(inverse_cayley(xs, ys)),
            StiefelRetraction::Exponential => return Manifold::log(self, x, y),
        })
    }
    /// See `frames.rs`; cost 10np² and an `expm` of `2p x 2p`.
    fn exp<'t>(&self, x: &[Var<'t, T>], v: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        Some(one(exponential(frame(only(x), only(v)), self.metric.b())))
    }
    /// See `stiefel_log.rs`; up to [`Stiefel::injectivity_radius`].
    fn log<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        Some(one(stiefel_log::log(only(x), only(y), self.metric.b(), self.injectivity_radius())))
    }
    fn curvature<'t>(
        &self,
        x: &[Var<'t, T>],
        u: &[Var<'t, T>],
        v: &[Var<'t, T>],
        w: &[Var<'t, T>],
    ) -> Option<Parts<'t, T>> {
        let (x, u, v, w, b) = (only(x), only(u), only(v), only(w), self.metric.b());
        let c = |v, w| christoffel(x, v, w, b);
        let moved = |u, v| x.jvp(|x| christoffel(x, v, w, b), u).1;
        Some(one(moved(u, v) - moved(v, u) + c(u, c(v, w)) - c(v, c(u, w))))
    }
    /// The polar factor: the nearest point.
    fn reproject<'t>(&self, x: &[Var<'t, T>]) -> Parts<'t, T> {
        let x = only(x);
        one(x * x.t_mul(x).invsqrtm_spd())
    }
    fn random_point(&self, batch: usize, rng: &mut dyn Rng) -> Vec<Batch<T>> {
        let z: Batch<T> = gaussian(Shape::batch(batch, self.n, self.p), rng);
        vec![Tape::plain().constant(&z).qr().0.value()]
    }
    fn check_point(&self, x: &[Batch<T>]) -> Result<()> {
        shaped(self, &[x])?;
        let residual = residuals::gram_residual(&x[0], &x[0], 1.0);
        holds_at::<T>(self, "X^T X = I", &residual, residuals::tolerance::<T>(self.n))
    }
    fn check_tangent(&self, x: &[Batch<T>], u: &[Batch<T>]) -> Result<()> {
        shaped(self, &[x, u])?;
        let tape = Tape::plain();
        let asymmetry = tape.constant(&x[0]).t_mul(&u[0]).sym().times(2.0).value();
        let residual: Vec<f64> = (0..asymmetry.shape().batch).map(|b| residuals::largest(&asymmetry, b)).collect();
        holds_for(self, "X^T U + U^T X = 0", &residual, &u[0], residuals::tolerance::<T>(self.n))
    }
}
