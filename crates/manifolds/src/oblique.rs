//! The oblique manifold: matrices of `n x p` whose columns have length 1, with the metric of the ambient space: a
//! product of `p` spheres, worked column by column at once (Absil & Gallivan, *Joint diagonalization on the oblique
//! manifold for independent component analysis*, 2006). Formulas, sources and costs are in `unit.rs`, with the inner
//! products of columns in place of a number. The distance is the root of the sum of the squared angles; a logarithm
//! exists if no two corresponding columns are antipodes.
//!
//! Both retractions are of second order. Transport is the projection at the new point.

use crate::matrices::{holds_at, holds_for, one, only, shaped};
use crate::sphere::SphereRetraction;
use crate::unit::{self, unit_vectors};
use crate::{Egrad, Manifold, Parts, Result, Shapes, gaussian, residuals};
use pullback::{Batch, Scalar, Shape, Tape, Var};
use rand::Rng;
use smallvec::smallvec;

/// Matrices of `n` rows and `p` columns of length 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Oblique {
    n: usize,
    p: usize,
    retraction: SphereRetraction,
}

impl Oblique {
    /// Matrices of `n x p` with columns of length 1.
    ///
    /// # Panics
    /// If `n` or `p` is 0.
    #[track_caller]
    pub fn new(n: usize, p: usize) -> Self {
        assert!(n * p > 0, "Oblique: there is no {n}x{p} matrix with columns of length 1; expected at least one entry");
        Oblique { n, p, retraction: SphereRetraction::default() }
    }

    /// The same space with another retraction.
    #[must_use]
    pub fn with(self, retraction: SphereRetraction) -> Self {
        Oblique { retraction, ..self }
    }
}

pullback_geometry::words!(Oblique);

fn dot<'t, T: Scalar>(u: Var<'t, T>, v: Var<'t, T>) -> Var<'t, T> {
    u.column_dots(v)
}

/// Each column as a member of a batch, of a single matrix `batch` times.
fn columns<T: Scalar>(x: &Batch<T>, batch: usize) -> Batch<T> {
    let s = x.shape();
    let times = if s.batch == 1 { batch } else { 1 };
    Batch::from_slice(Shape::batch(s.batch * times * s.cols, s.rows, 1), &x.data().repeat(times))
}

/// The largest of each `p` residuals: from columns to members.
fn of_members(of_columns: &[f64], p: usize) -> Vec<f64> {
    // NaN must stay: `f64::max` would drop it.
    of_columns.chunks(p).map(|c| c.iter().fold(0.0, |m, &r| if r > m || r.is_nan() { r } else { m })).collect()
}

impl<T: Scalar> Manifold<T> for Oblique {
    fn name(&self) -> String {
        format!("Ob({}, {})", self.n, self.p)
    }
    fn shapes(&self) -> Shapes {
        smallvec![Shape::mat(self.n, self.p)]
    }
    fn dim(&self) -> usize {
        (self.n - 1) * self.p
    }
    /// The diameter.
    fn typical_distance(&self) -> f64 {
        std::f64::consts::PI * (self.p as f64).sqrt()
    }
    unit_vectors!(dot);
    fn dist<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Var<'t, T>> {
        Some(unit::angle(|w| w.column_norms(), only(x), only(y)).norm())
    }
    fn dist2<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Var<'t, T>> {
        Some(unit::squared_angle(dot, only(x), only(y)).sum_each())
    }
    fn random_point(&self, batch: usize, rng: &mut dyn Rng) -> Vec<Batch<T>> {
        let z: Batch<T> = gaussian(Shape::batch(batch, self.n, self.p), rng);
        vec![unit::normalise(dot, Tape::plain().constant(&z)).value()]
    }
    fn check_point(&self, x: &[Batch<T>]) -> Result<()> {
        shaped(self, &[x])?;
        let x = columns(&x[0], 1);
        let residual = of_members(&residuals::gram_residual(&x, &x, 1.0), self.p);
        holds_at::<T>(self, "each column has length 1", &residual, residuals::tolerance::<T>(self.n))
    }
    fn check_tangent(&self, x: &[Batch<T>], u: &[Batch<T>]) -> Result<()> {
        shaped(self, &[x, u])?;
        let (x, v) = (columns(&x[0], u[0].shape().batch), columns(&u[0], 1));
        let residual = of_members(&residuals::gram_residual(&x, &v, 0.0), self.p);
        holds_for(
            self,
            "each column of U is orthogonal to that of X",
            &residual,
            &u[0],
            residuals::tolerance::<T>(self.n),
        )
    }
}
