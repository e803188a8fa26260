//! Symmetric positive definite matrices with four metrics: the space, and what does not depend on the metric. The
//! mathematics of each metric is in a file of its own.
//!
//! A point is a symmetric positive definite `P` (`n x n`), a tangent a symmetric matrix; both are symmetrised where
//! they are read. `P` is never inverted and no function of a matrix that is not symmetric is taken: with `P = L L^T`,
//! what others write with `P^(1/2)` and `P^-1` is a congruence with the triangular `L`. The projection, in the ambient
//! inner product, is the symmetric part for every metric.

mod affine;
mod bures;
mod log_cholesky;
mod log_euclidean;

use crate::matrices::{holds_for, one, only, shaped};
use crate::scalars::Times;
use crate::{Egrad, Manifold, Parts, Result, Rgrad, Shapes, gaussian, residuals, verdicts};
use pullback::{Batch, Scalar, Shape, Tape, Uplo, Var};
use rand::Rng;
use smallvec::smallvec;

/// How lengths of tangents are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum SpdMetric {
    /// `tr P^-1 U P^-1 V`: no matrix is special, every congruence is an isometry, curvature is negative, and the
    /// boundary is infinitely far. The default.
    #[default]
    AffineInvariant,
    /// The flat metric of `log P`: closed forms for everything, means without iteration.
    LogEuclidean,
    /// The flat metric of the Cholesky factor with the logarithm of its diagonal: the cheapest one.
    LogCholesky,
    /// The metric of optimal transport between Gaussians: defined up to the boundary, which is at finite distance;
    /// curvature is not negative.
    BuresWasserstein,
}

/// The retractions of [`Spd`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum SpdRetraction {
    /// The cheapest one of second order: for the affine-invariant metric `P + V + V P^-1 V / 2`, for the others the
    /// exponential. The default.
    #[default]
    Cheapest,
    /// The exponential of the metric.
    Exponential,
}

/// Symmetric positive definite matrices of order `n`.
///
/// ```
/// use pullback_manifolds::{Spd, SpdMetric};
/// use pullback::faer::mat;
///
/// let (p, q) = (mat![[1.0, 0.0], [0.0, 1.0]], mat![[4.0, 0.0], [0.0, 9.0]]);
/// // The geometric mean of commuting matrices is that of their eigenvalues.
/// let mean = Spd::new(2).geodesic(&p, &q, 0.5)?;
/// assert!((mean - mat![[2.0, 0.0], [0.0, 3.0]]).norm_max() < 1e-14);
/// // Between Gaussians, optimal transport averages standard deviations.
/// let mean = Spd::new(2).with(SpdMetric::BuresWasserstein).geodesic(&p, &q, 0.5)?;
/// assert!((mean - mat![[2.25, 0.0], [0.0, 4.0]]).norm_max() < 1e-14);
/// # Ok::<(), pullback_manifolds::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spd {
    n: usize,
    metric: SpdMetric,
    retraction: SpdRetraction,
}

impl Spd {
    /// Matrices of order `n` with the affine-invariant metric.
    ///
    /// # Panics
    /// If `n = 0`.
    #[track_caller]
    pub fn new(n: usize) -> Self {
        assert!(n > 0, "Spd: expected matrices of order at least 1, got 0");
        Spd { n, metric: SpdMetric::default(), retraction: SpdRetraction::default() }
    }

    /// The same space with another metric.
    #[must_use]
    pub fn with(self, metric: SpdMetric) -> Self {
        Spd { metric, ..self }
    }

    /// The same space with another retraction.
    #[must_use]
    pub fn with_retraction(self, retraction: SpdRetraction) -> Self {
        Spd { retraction, ..self }
    }

    fn geometry<T: Scalar>(&self) -> &'static dyn Geometry<T> {
        match self.metric {
            SpdMetric::AffineInvariant => &affine::AffineInvariant,
            SpdMetric::LogEuclidean => &log_euclidean::LogEuclidean,
            SpdMetric::LogCholesky => &log_cholesky::LogCholesky,
            SpdMetric::BuresWasserstein => &bures::BuresWasserstein,
        }
    }
}

pullback_geometry::words!(Spd);

/// What a metric says. Points and tangents are single matrices.
trait Geometry<T: Scalar>: Sync {
    fn inner<'t>(&self, p: Var<'t, T>, u: Var<'t, T>, v: Var<'t, T>) -> Var<'t, T>;
    fn gradient<'t>(&self, p: Var<'t, T>, g: Var<'t, T>) -> Var<'t, T>;
    fn hessian<'t>(&self, p: Var<'t, T>, g: Var<'t, T>, h: Var<'t, T>, u: Var<'t, T>) -> Var<'t, T>;
    fn exp<'t>(&self, p: Var<'t, T>, v: Var<'t, T>) -> Var<'t, T>;
    fn log<'t>(&self, p: Var<'t, T>, q: Var<'t, T>) -> Var<'t, T>;
    fn dist2<'t>(&self, p: Var<'t, T>, q: Var<'t, T>) -> Var<'t, T>;
    /// The cheapest retraction and its inverse.
    fn retract<'t>(&self, p: Var<'t, T>, v: Var<'t, T>) -> Var<'t, T> {
        self.exp(p, v)
    }
    fn inverse_retract<'t>(&self, p: Var<'t, T>, q: Var<'t, T>) -> Var<'t, T> {
        self.log(p, q)
    }
    fn parallel<'t>(&self, p: Var<'t, T>, q: Var<'t, T>, u: Var<'t, T>) -> Option<Var<'t, T>>;
    fn curvature<'t>(&self, p: Var<'t, T>, u: Var<'t, T>, v: Var<'t, T>, w: Var<'t, T>) -> Var<'t, T>;
}

/// `L^-1 U L^-T`, symmetric: a tangent at `L L^T` seen from the identity. Cost 2n³.
fn whitened<'t, T: Scalar>(l: Var<'t, T>, u: Var<'t, T>) -> Var<'t, T> {
    l.solve_triangular(Uplo::Lower, l.solve_triangular(Uplo::Lower, u.sym()).t()).sym()
}

/// `L W L^T`, symmetric: the way back. Cost 4n³.
fn coloured<'t, T: Scalar>(l: Var<'t, T>, w: Var<'t, T>) -> Var<'t, T> {
    (l * w).mul_t(l).sym()
}

/// `I`, of the size of `p`.
fn identity<'t, T: Scalar>(p: Var<'t, T>) -> Var<'t, T> {
    p.tape().eye(p.rows())
}

impl<T: Scalar> Manifold<T> for Spd {
    fn name(&self) -> String {
        let metric = match self.metric {
            SpdMetric::AffineInvariant => "affine-invariant",
            SpdMetric::LogEuclidean => "log-Euclidean",
            SpdMetric::LogCholesky => "log-Cholesky",
            SpdMetric::BuresWasserstein => "Bures-Wasserstein",
        };
        format!("SPD({}), {metric}", self.n)
    }
    fn shapes(&self) -> Shapes {
        smallvec![Shape::mat(self.n, self.n)]
    }
    fn dim(&self) -> usize {
        self.n * (self.n + 1) / 2
    }
    fn inner<'t>(&self, x: &[Var<'t, T>], u: &[Var<'t, T>], v: &[Var<'t, T>]) -> Var<'t, T> {
        self.geometry().inner(only(x), only(u).sym(), only(v).sym())
    }
    fn project<'t>(&self, _: &[Var<'t, T>], u: &[Var<'t, T>]) -> Parts<'t, T> {
        one(only(u).sym())
    }
    fn egrad_to_rgrad<'t>(&self, x: &[Var<'t, T>], g: Egrad<&[Var<'t, T>]>) -> Rgrad<Parts<'t, T>> {
        Rgrad(one(self.geometry().gradient(only(x), only(g.0).sym())))
    }
    fn ehess_to_rhess<'t>(
        &self,
        x: &[Var<'t, T>],
        g: Egrad<&[Var<'t, T>]>,
        h: &[Var<'t, T>],
        u: &[Var<'t, T>],
    ) -> Parts<'t, T> {
        one(self.geometry().hessian(only(x), only(g.0).sym(), only(h).sym(), only(u).sym()))
    }
    fn retract<'t>(&self, x: &[Var<'t, T>], v: &[Var<'t, T>]) -> Parts<'t, T> {
        let (p, v) = (only(x), only(v).sym());
        one(match self.retraction {
            SpdRetraction::Cheapest => self.geometry().retract(p, v),
            SpdRetraction::Exponential => self.geometry().exp(p, v),
        })
    }
    fn retraction_order(&self) -> usize {
        2
    }
    fn inverse_retract<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        let (p, q) = (only(x), only(y));
        Some(one(match self.retraction {
            SpdRetraction::Cheapest => self.geometry().inverse_retract(p, q),
            SpdRetraction::Exponential => self.geometry().log(p, q),
        }))
    }
    fn transport<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>], u: &[Var<'t, T>]) -> Parts<'t, T> {
        let u = only(u).sym();
        one(self.geometry().parallel(only(x), only(y), u).unwrap_or(u))
    }
    fn transport_is_isometric(&self) -> bool {
        self.metric != SpdMetric::BuresWasserstein
    }
    fn exp<'t>(&self, x: &[Var<'t, T>], v: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        Some(one(self.geometry().exp(only(x), only(v).sym())))
    }
    fn log<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        Some(one(self.geometry().log(only(x), only(y))))
    }
    fn dist2<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Var<'t, T>> {
        Some(self.geometry().dist2(only(x), only(y)))
    }
    fn parallel_transport<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>], u: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        self.geometry().parallel(only(x), only(y), only(u).sym()).map(one)
    }
    fn curvature<'t>(
        &self,
        x: &[Var<'t, T>],
        u: &[Var<'t, T>],
        v: &[Var<'t, T>],
        w: &[Var<'t, T>],
    ) -> Option<Parts<'t, T>> {
        Some(one(self.geometry().curvature(only(x), only(u).sym(), only(v).sym(), only(w).sym())))
    }
    /// The symmetric part. What is no longer positive definite is an error at its next use.
    fn reproject<'t>(&self, x: &[Var<'t, T>]) -> Parts<'t, T> {
        one(only(x).sym())
    }
    /// `exp S` for a symmetric `S` whose eigenvalues fill about `(-1.4, 1.4)`.
    fn random_point(&self, batch: usize, rng: &mut dyn Rng) -> Vec<Batch<T>> {
        let s: Batch<T> = gaussian(Shape::batch(batch, self.n, self.n), rng);
        vec![Tape::plain().constant(&s).times((self.n as f64).sqrt().recip()).expm_sym().value()]
    }
    /// `L S L^T` for such an `S` (for Bures-Wasserstein, half as long, within the domain of the exponential).
    fn random_tangent(&self, x: &[Batch<T>], rng: &mut dyn Rng) -> Result<Vec<Batch<T>>> {
        shaped::<T>(self, &[x])?;
        let s: Batch<T> = gaussian(x[0].shape(), rng);
        let scale = (self.n as f64).sqrt().recip();
        let short = if self.metric == SpdMetric::BuresWasserstein { 0.5 } else { 1.0 };
        crate::numbers::apply(&[x, &[s]], &mut |l| {
            one(coloured(l[0][0].cholesky(), l[1][0].sym().times(short * scale)))
        })
    }
    fn check_point(&self, x: &[Batch<T>]) -> Result<()> {
        shaped(self, &[x])?;
        symmetric_point(self, &x[0])?;
        verdicts::definite(self, "P is positive definite", &x[0])
    }
    fn check_tangent(&self, x: &[Batch<T>], u: &[Batch<T>]) -> Result<()> {
        shaped(self, &[x, u])?;
        holds_for(self, "U = U^T", &verdicts::asymmetry(&u[0], 1.0), &u[0], residuals::tolerance::<T>(self.n))
    }
}

/// Symmetric, relative to its largest entry?
fn symmetric_point<T: Scalar>(m: &dyn Manifold<T>, p: &Batch<T>) -> Result<()> {
    residuals::point_equation(&|| m.name(), "P = P^T", &verdicts::asymmetry(p, 1.0), |b| {
        residuals::tolerance::<T>(p.shape().rows) * residuals::largest(p, b)
    })
}
