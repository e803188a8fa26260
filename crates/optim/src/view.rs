//! What a solver sees of a problem: cost, gradient and Hessian on the manifold, counted, and cached at a point. No
//! solver lives here.

use crate::numbers::Numbers;
use crate::oracle::{Oracle, WHOLE, Where};
use crate::space::Space;
use crate::{Error, Result};
use pullback::{Batch, Scalar};
use serde::{Deserialize, Serialize};

/// How often the cost and its derivatives were computed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Values of the cost.
    pub costs: u64,
    /// Gradients.
    pub gradients: u64,
    /// Hessian-vector products, those of Gauss & Newton's among them.
    pub hessians: u64,
    /// Points reached by a retraction.
    pub retractions: u64,
}

/// A point with what is known there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Iterate<T: Scalar> {
    /// The point.
    pub x: Numbers<T>,
    /// The cost there.
    #[serde(with = "crate::numbers::bits")]
    pub cost: f64,
    /// The Euclidean gradient.
    pub egrad: Numbers<T>,
    /// The Riemannian gradient.
    pub rgrad: Numbers<T>,
    /// Its norm: the root of the sum over members of a batch.
    #[serde(with = "crate::numbers::bits")]
    pub norm: f64,
    /// Which part of a stochastic cost this is about.
    pub draw: u64,
    /// Tells points apart, for the caches.
    stamp: u64,
}

impl<T: Scalar> Iterate<T> {
    /// A point of which nothing is known yet.
    pub fn new(x: Vec<Batch<T>>) -> Self {
        let (egrad, rgrad) = (Numbers::zeros(&x), Numbers::zeros(&x));
        Iterate { x: Numbers(x), cost: f64::NAN, egrad, rgrad, norm: f64::NAN, draw: WHOLE, stamp: 0 }
    }

    /// Becomes a point whose cost is known and which no tape stands at.
    pub(crate) fn becomes(&mut self, x: &[Batch<T>], cost: f64) {
        self.x.copy_from(x);
        (self.cost, self.norm, self.stamp) = (cost, f64::NAN, u64::MAX);
    }

    /// Takes everything of another iterate, into the buffers that are there.
    pub fn copy_from(&mut self, from: &Iterate<T>) {
        self.x.copy_from(&from.x);
        self.egrad.copy_from(&from.egrad);
        self.rgrad.copy_from(&from.rgrad);
        (self.cost, self.norm, self.draw, self.stamp) = (from.cost, from.norm, from.draw, from.stamp);
    }
}

/// A cost on a manifold, as solvers evaluate it.
pub struct View<'v, 'm, T: Scalar> {
    oracle: &'v mut dyn Oracle<T>,
    /// The geometry.
    pub space: &'v mut Space<'m, T>,
    /// How often the cost and its derivatives were computed.
    pub counts: &'v mut Counts,
    caches: &'v mut Caches,
}

/// Where the tapes of an oracle stand.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Caches {
    /// The last stamp that was given.
    given: u64,
    value: u64,
    hessian: u64,
}

impl<'v, 'm, T: Scalar> View<'v, 'm, T> {
    pub(crate) fn new(
        oracle: &'v mut dyn Oracle<T>,
        space: &'v mut Space<'m, T>,
        counts: &'v mut Counts,
        caches: &'v mut Caches,
    ) -> Self {
        View { oracle, space, counts, caches }
    }

    /// The cost at the point of an iterate, which is new: nothing that was known there is kept.
    ///
    /// # Errors
    /// The first failure of the cost. A cost of NaN or infinity is not an error here.
    pub fn cost(&mut self, at: &mut Iterate<T>) -> Result<f64> {
        self.counts.costs += 1;
        self.caches.given += 1;
        (at.stamp, at.norm, at.cost) = (self.caches.given, f64::NAN, f64::NAN);
        self.caches.value = 0;
        at.cost = self.oracle.at(&at.x, at.draw)?;
        self.caches.value = at.stamp;
        Ok(at.cost)
    }

    /// The cost at a trial point: infinite where the cost has no value (outside its domain, NaN). A closure that is not
    /// a function of the point is still an error.
    ///
    /// # Errors
    /// [`Error::NotAFunction`].
    pub fn try_cost(&mut self, at: &mut Iterate<T>) -> Result<f64> {
        match self.cost(at) {
            Ok(f) if f.is_nan() => at.cost = f64::INFINITY,
            Ok(_) => {}
            Err(Error::Engine(_)) => at.cost = f64::INFINITY,
            Err(other) => return Err(other),
        }
        Ok(at.cost)
    }

    /// Euclidean and Riemannian gradient and its norm, at a point whose cost is known.
    ///
    /// # Errors
    /// The first failure of a rule, or a number that is not finite.
    pub fn gradient(&mut self, at: &mut Iterate<T>) -> Result<()> {
        self.bring_value(at)?;
        self.counts.gradients += 1;
        self.oracle.gradient(&mut at.egrad.0)?;
        self.riemannian(at)
    }

    /// The Riemannian Hessian at a point with a gradient, applied to the tangent `v`. `scratch` holds the Euclidean
    /// product afterwards.
    ///
    /// # Errors
    /// The first failure of a rule, or a number that is not finite.
    pub fn hessian(
        &mut self,
        at: &Iterate<T>,
        v: &[Batch<T>],
        scratch: &mut Numbers<T>,
        out: &mut Numbers<T>,
    ) -> Result<()> {
        self.counts.hessians += 1;
        let fresh = self.caches.hessian != at.stamp;
        if fresh {
            self.caches.hessian = 0;
        }
        self.oracle.hessian(&Where { x: &at.x, draw: at.draw, fresh }, v, &mut scratch.0)?;
        self.caches.hessian = at.stamp;
        let egrad = self.oracle.gradient_of_hessian().unwrap_or(&at.egrad);
        self.space.rhess(&at.x, egrad, scratch, v, out)?;
        Ok(())
    }

    /// Is the cost half a sum of squares whose residuals are known ([`Problem::least_squares`])?
    ///
    /// [`Problem::least_squares`]: crate::Problem::least_squares
    pub fn has_residuals(&self) -> bool {
        self.oracle.has_residuals()
    }

    /// Gauss & Newton's part of the Hessian of a sum of squares, `J^* J v` with the differential `J` of the residuals
    /// on the tangent space and its adjoint in the metric, at a point whose cost is known. `scratch` holds the
    /// Euclidean product afterwards.
    ///
    /// `<u, J^* J v> = (J u) . (J v)` for every tangent `u`, so `J^* J v` is to the Euclidean vector `J^T J v` what
    /// the Riemannian gradient is to the Euclidean one.
    ///
    /// # Errors
    /// [`Error::Problem`] where there are no residuals; the first failure of a rule, or a number that is not finite.
    pub fn gauss_newton(
        &mut self,
        at: &Iterate<T>,
        v: &[Batch<T>],
        scratch: &mut Numbers<T>,
        out: &mut Numbers<T>,
    ) -> Result<()> {
        self.bring_value(at)?;
        self.counts.hessians += 1;
        self.oracle.gauss_newton(v, &mut scratch.0)?;
        self.space.rgrad(&at.x, scratch, out)?;
        Ok(())
    }

    /// Brings the tape of values to a point whose cost is known.
    fn bring_value(&mut self, at: &Iterate<T>) -> Result<()> {
        if self.caches.value != at.stamp {
            self.counts.costs += 1;
            self.caches.value = 0;
            self.oracle.at(&at.x, at.draw)?;
            self.caches.value = at.stamp;
        }
        Ok(())
    }

    /// `R_x(t v)` as a new iterate of which nothing else is known.
    ///
    /// # Errors
    /// The first failure of the manifold.
    pub fn retract(&mut self, at: &Iterate<T>, v: &[Batch<T>], t: f64, out: &mut Iterate<T>) -> Result<()> {
        self.counts.retractions += 1;
        out.draw = at.draw;
        self.space.retract(&at.x, v, t, &mut out.x)?;
        Ok(())
    }

    /// The point of the curve `R_x(t d)`, its cost, its Euclidean gradient and the slope of the cost along the curve;
    /// `None` where the cost has no value.
    ///
    /// # Errors
    /// [`Error::NotAFunction`].
    pub(crate) fn slope(
        &mut self,
        at: &Iterate<T>,
        d: &[Batch<T>],
        t: f64,
        next: &mut Iterate<T>,
        velocity: &mut Numbers<T>,
    ) -> Result<Option<f64>> {
        self.counts.retractions += 1;
        next.draw = at.draw;
        if self.space.curve(&at.x, d, t, &mut next.x, velocity).is_err() || !self.try_cost(next)?.is_finite() {
            return Ok(None);
        }
        self.counts.gradients += 1;
        if self.oracle.gradient(&mut next.egrad.0).is_err() {
            return Ok(None);
        }
        let slope = next.egrad.dot(velocity);
        Ok(slope.is_finite().then_some(slope))
    }

    /// The Riemannian gradient and its norm, where the Euclidean gradient is known.
    pub(crate) fn riemannian(&mut self, at: &mut Iterate<T>) -> Result<()> {
        self.space.rgrad(&at.x, &at.egrad, &mut at.rgrad)?;
        at.norm = self.space.inner(&at.x, &at.rgrad, &at.rgrad)?.max(0.0).sqrt();
        Ok(())
    }

    /// The draw that follows that of an iterate.
    pub fn draw_after(&self, at: &Iterate<T>) -> u64 {
        if at.draw == WHOLE { WHOLE } else { at.draw + 1 }
    }

    /// `<u, v>` at a point.
    ///
    /// # Errors
    /// The first failure of the manifold.
    pub fn inner(&mut self, at: &Iterate<T>, u: &[Batch<T>], v: &[Batch<T>]) -> Result<f64> {
        Ok(self.space.inner(&at.x, u, v)?)
    }
}
