//! The sphere: matrices of `n x p` with Frobenius norm 1, with the metric of the ambient space. Formulas, their sources
//! and their costs are in `unit.rs`; everything is a few passes over the entries, and everything exists in closed form:
//! exponential, logarithm and distance up to the antipode, parallel transport, curvature 1.
//!
//! Both retractions are of second order. Transport is the projection at the new point.

use crate::matrices::{holds_at, holds_for, one, only, shaped};
use crate::unit::{self, unit_vectors};
use crate::{Egrad, Manifold, Parts, Result, Shapes, gaussian, residuals};
use pullback::{Batch, Scalar, Shape, Tape, Var};
use rand::Rng;
use smallvec::smallvec;

/// The retractions of [`Sphere`] and [`Oblique`](crate::Oblique).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum SphereRetraction {
    /// `(x + v)/|x + v|`, the nearest point. The default.
    #[default]
    Normalise,
    /// The exponential, along the great circle.
    Exponential,
}

/// Matrices of `n` rows and `p` columns with Frobenius norm 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sphere {
    n: usize,
    p: usize,
    retraction: SphereRetraction,
}

impl Sphere {
    /// Unit matrices of `n x p`; unit vectors for `p = 1`.
    ///
    /// ```
    /// use pullback::faer::mat;
    /// use pullback_manifolds::Sphere;
    /// let s = Sphere::new(2, 1);
    /// let d = s.dist(&mat![[1.0], [0.0]], &mat![[0.0], [1.0]])?;
    /// assert!((d - std::f64::consts::FRAC_PI_2).abs() < 1e-15);
    /// # Ok::<(), pullback_manifolds::Error>(())
    /// ```
    ///
    /// # Panics
    /// If `n` or `p` is 0.
    #[track_caller]
    pub fn new(n: usize, p: usize) -> Self {
        assert!(n * p > 0, "Sphere: there is no {n}x{p} matrix of norm 1; expected at least one entry");
        Sphere { n, p, retraction: SphereRetraction::default() }
    }

    /// The same space with another retraction.
    #[must_use]
    pub fn with(self, retraction: SphereRetraction) -> Self {
        Sphere { retraction, ..self }
    }
}

pullback_geometry::words!(Sphere);

fn dot<'t, T: Scalar>(u: Var<'t, T>, v: Var<'t, T>) -> Var<'t, T> {
    u.dot(v)
}

/// Each member as one column.
fn column<T: Scalar>(x: &Batch<T>) -> Batch<T> {
    let s = x.shape();
    Batch::from_slice(Shape::batch(s.batch, s.each(), 1), x.data())
}

impl<T: Scalar> Manifold<T> for Sphere {
    fn name(&self) -> String {
        format!("S({}x{})", self.n, self.p)
    }
    fn shapes(&self) -> Shapes {
        smallvec![Shape::mat(self.n, self.p)]
    }
    fn dim(&self) -> usize {
        self.n * self.p - 1
    }
    /// The diameter.
    fn typical_distance(&self) -> f64 {
        std::f64::consts::PI
    }
    unit_vectors!(dot);
    fn dist<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Var<'t, T>> {
        Some(unit::angle(|w| w.norm(), only(x), only(y)))
    }
    fn dist2<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Var<'t, T>> {
        Some(unit::squared_angle(dot, only(x), only(y)))
    }
    fn random_point(&self, batch: usize, rng: &mut dyn Rng) -> Vec<Batch<T>> {
        let z: Batch<T> = gaussian(Shape::batch(batch, self.n, self.p), rng);
        vec![unit::normalise(dot, Tape::plain().constant(&z)).value()]
    }
    fn check_point(&self, x: &[Batch<T>]) -> Result<()> {
        shaped(self, &[x])?;
        let x = column(&x[0]);
        let tolerance = residuals::tolerance::<T>(self.n * self.p);
        holds_at::<T>(self, "|X| = 1", &residuals::gram_residual(&x, &x, 1.0), tolerance)
    }
    fn check_tangent(&self, x: &[Batch<T>], u: &[Batch<T>]) -> Result<()> {
        shaped(self, &[x, u])?;
        let residual = residuals::gram_residual(&column(&x[0]), &column(&u[0]), 0.0);
        holds_for(self, "<X, U> = 0", &residual, &u[0], residuals::tolerance::<T>(self.n * self.p))
    }
}
