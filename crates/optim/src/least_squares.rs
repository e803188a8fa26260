//! Gauss & Newton's and Levenberg & Marquardt's methods for `f = 1/2 |r(x)|^2` (on manifolds: Absil, Mahony &
//! Sepulchre 2008, 8.4.1; Adachi, Okuno & Takeda, *Riemannian Levenberg-Marquardt method with global and local
//! convergence properties*, 2022).
//!
//! With `J` the differential of the residuals at `x` on the tangent space and `J^*` its adjoint in the metric, the
//! gradient is `J^* r`, and the Hessian without what the second derivatives of `r` put in is `J^* J`. One product with
//! it is a forward sweep, `w = J v`, and a reverse one, `J^* w`, on the tape of the residuals. Both methods solve
//!
//! `(J^* J + lambda I) s = -g`
//!
//! by conjugate gradients in the tangent space, which minimise `1/2 |r + J s|^2 + lambda/2 |s|^2` over growing spaces,
//! so every one of their iterates is a direction of descent. They end where the residual of the equation is at most
//! `|g| min(kappa, (|g| / |g_0|)^theta)`, with `g_0` the first gradient: where the residuals vanish at the solution,
//! the convergence is of the order `1 + theta`; where they do not, it is linear, and the faster the smaller they are.
//!
//! *Gauss & Newton:* `lambda = 0`, and a line search along `s`.
//!
//! *Levenberg & Marquardt:* `lambda = mu |r|^2`. This scales as `J^* J` does when the residuals are multiplied by a
//! number, and vanishes fast enough at a solution without residuals. `mu` follows the ratio of the actual decrease to
//! the promised one, `-<g, s> - 1/2 |J s|^2`: a quarter after a good step; after bad ones four times as much, then 8,
//! 16, ... times. It begins at a part `damping` of `J^* J` along the gradient.

use crate::descent::{NO_STEP, first_length};
use crate::line_search::{Curve, LineSearch};
use crate::numbers::Numbers;
use crate::solver::{Solver, Step, within};
use crate::view::{Iterate, View};
use crate::{Error, Result};
use pullback::Scalar;
use serde::{Deserialize, Serialize};

/// Levenberg & Marquardt's method for [`Problem::least_squares`](crate::Problem::least_squares).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LevenbergMarquardt {
    /// The first damping, as a part of `J^* J` along the gradient.
    pub damping: f64,
    /// The least ratio of actual to promised decrease at which a step is taken, in `[0, 1/4)`.
    pub rho_prime: f64,
    /// The linear equation is solved to a residual of `|g| min(kappa, (|g| / |g_0|)^theta)`, where `g_0` is the first
    /// gradient, with `kappa` in `(0, 1)`.
    pub kappa: f64,
    /// The power in that rule, in `[0, 1]`.
    pub theta: f64,
    /// As in [`TrustRegions`](crate::TrustRegions).
    pub rho_regularization: f64,
    /// The most inner iterations of a step; by default the dimension of the manifold.
    pub max_inner: Option<usize>,
}

/// Little damping, and linear equations solved more exactly as the gradient becomes small.
impl Default for LevenbergMarquardt {
    fn default() -> Self {
        LevenbergMarquardt {
            damping: 1e-2,
            rho_prime: 0.1,
            kappa: 0.1,
            theta: 1.0,
            rho_regularization: 1e3,
            max_inner: None,
        }
    }
}

/// Gauss & Newton's method with a line search for [`Problem::least_squares`](crate::Problem::least_squares). It takes
/// the least work where the start is near the solution and the Jacobian of the residuals has full rank.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GaussNewton {
    /// How the step is chosen; 1 is tried first.
    pub line_search: LineSearch,
    /// As in [`LevenbergMarquardt`].
    pub kappa: f64,
    /// As in [`LevenbergMarquardt`].
    pub theta: f64,
    /// As in [`LevenbergMarquardt`].
    pub max_inner: Option<usize>,
}

/// The settings of [`LevenbergMarquardt`], with the default line search.
impl Default for GaussNewton {
    fn default() -> Self {
        GaussNewton { line_search: LineSearch::default(), kappa: 0.1, theta: 1.0, max_inner: None }
    }
}

/// What conjugate gradients in the tangent space keep.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound = "")]
struct Inner<T: Scalar> {
    max_inner: usize,
    /// The norm of the first gradient.
    first: f64,
    /// The solution, and `J^* J` applied to it.
    s: Numbers<T>,
    a_s: Numbers<T>,
    residual: Numbers<T>,
    d: Numbers<T>,
    a_d: Numbers<T>,
    scratch: Numbers<T>,
}

/// What [`LevenbergMarquardt`] keeps: the damping, and buffers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct LevenbergState<T: Scalar> {
    mu: f64,
    /// The factor of `mu` at the next bad step.
    grow: f64,
    shortest: f64,
    inner: Inner<T>,
}

/// What [`GaussNewton`] keeps: buffers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct GaussNewtonState<T: Scalar> {
    inner: Inner<T>,
    curve: Curve<T>,
}

/// The factor of the damping after the first bad step.
const GROW: f64 = 4.0;

pub(crate) fn no_residuals(solver: &'static str) -> Error {
    Error::Problem { solver, what: "the residuals of a sum of squares", instead: "Problem::least_squares" }
}

impl<T: Scalar> Inner<T> {
    fn new(
        view: &mut View<'_, '_, T>,
        at: &Iterate<T>,
        solver: &'static str,
        (kappa, theta): (f64, f64),
        max_inner: Option<usize>,
    ) -> Result<Self> {
        if !view.has_residuals() {
            return Err(no_residuals(solver));
        }
        within("kappa", "0 < kappa < 1", kappa > 0.0 && kappa < 1.0, kappa)?;
        within("theta", "0 <= theta <= 1", (0.0..=1.0).contains(&theta), theta)?;
        let members = at.x.first().map_or(1, |b| b.shape().batch);
        let max_inner = max_inner.unwrap_or_else(|| view.space.manifold().dim() * members);
        let zeros = || Numbers::zeros(&at.x);
        Ok(Inner {
            max_inner,
            first: at.norm,
            s: zeros(),
            a_s: zeros(),
            residual: zeros(),
            d: zeros(),
            a_d: zeros(),
            scratch: zeros(),
        })
    }

    /// `(J^* J + lambda I) s = -g`, nearly.
    fn solve(
        &mut self,
        view: &mut View<'_, '_, T>,
        at: &Iterate<T>,
        lambda: f64,
        (kappa, theta): (f64, f64),
    ) -> Result<()> {
        let Inner { s, a_s, residual, d, a_d, scratch, .. } = self;
        s.clear();
        a_s.clear();
        residual.copy_from(&at.rgrad);
        // What rounding has left that is not tangent, no product would ever reduce.
        view.space.project(&at.x, residual)?;
        d.combine(0.0, -1.0, residual);
        let mut r_r = at.norm * at.norm;
        // The largest curvature of the model that was seen.
        let mut steepest = 0.0f64;
        let enough = at.norm * (at.norm / self.first).powf(theta).min(kappa);
        for _ in 0..self.max_inner {
            view.gauss_newton(at, d, scratch, a_d)?;
            let d_d = view.inner(at, d, d)?;
            let d_bd = view.inner(at, d, a_d)? + lambda * d_d;
            steepest = steepest.max(d_bd / d_d);
            // Zero to rounding along directions that no residual sees: nothing is to be gained there.
            let curved = d_bd > T::EPS.f64() * steepest * d_d;
            if !curved {
                break;
            }
            let step = r_r / d_bd;
            s.combine(1.0, step, d);
            a_s.combine(1.0, step, a_d);
            residual.combine(1.0, step, a_d);
            residual.combine(1.0, step * lambda, d);
            let before = r_r;
            r_r = view.inner(at, residual, residual)?;
            if r_r.sqrt() <= enough {
                break;
            }
            d.combine(r_r / before, -1.0, residual);
        }
        Ok(())
    }
}

impl<T: Scalar> Solver<T> for LevenbergMarquardt {
    type State = LevenbergState<T>;

    fn name(&self) -> String {
        format!("{self:?}")
    }

    fn begin(&self, view: &mut View<'_, '_, T>, at: &Iterate<T>) -> Result<LevenbergState<T>> {
        let m = view.space.manifold();
        let shortest = f64::EPSILON * m.typical_distance();
        let mut inner =
            Inner::new(view, at, "Levenberg & Marquardt's method", (self.kappa, self.theta), self.max_inner)?;
        within("damping", "a positive number", self.damping > 0.0 && self.damping.is_finite(), self.damping)?;
        within("rho_prime", "0 <= rho_prime < 1/4", (0.0..0.25).contains(&self.rho_prime), self.rho_prime)?;
        // <g, J^* J g> / <g, g>: the size of J^* J along the gradient.
        view.gauss_newton(at, &at.rgrad, &mut inner.scratch, &mut inner.a_d)?;
        let along = view.inner(at, &at.rgrad, &inner.a_d)? / (at.norm * at.norm);
        let mu = self.damping * along / (2.0 * at.cost);
        let mu = if mu.is_finite() && mu > 0.0 { mu } else { self.damping };
        Ok(LevenbergState { mu, grow: GROW, shortest, inner })
    }

    fn step(
        &self,
        view: &mut View<'_, '_, T>,
        at: &Iterate<T>,
        next: &mut Iterate<T>,
        s: &mut LevenbergState<T>,
    ) -> Result<Step> {
        if at.norm == 0.0 {
            return Ok(Step::Stalled("the gradient is zero"));
        }
        let lambda = s.mu * 2.0 * at.cost;
        s.inner.solve(view, at, lambda, (self.kappa, self.theta))?;
        let found = &s.inner;
        let promised = -view.inner(at, &at.rgrad, &found.s)? - 0.5 * view.inner(at, &found.s, &found.a_s)?;
        let length = view.inner(at, &found.s, &found.s)?.max(0.0).sqrt();
        let moves = length > s.shortest;
        if !moves {
            return Ok(Step::Stalled("the damped steps are as short as rounding"));
        }
        let cost = match view.retract(at, &found.s, 1.0, next) {
            Ok(()) => view.try_cost(next)?,
            Err(_) => f64::INFINITY,
        };
        // Relative to the cost alone, since it may vanish: residuals are rounded relative to what they are made of,
        // and a cost of that size squared is the end.
        let slack = at.cost * T::EPS.f64() * self.rho_regularization;
        let rho = (at.cost - cost + slack) / (promised + slack);
        let good = rho > self.rho_prime;
        if !good {
            s.mu = (s.mu * s.grow).min(f64::MAX);
            s.grow *= 2.0;
            return Ok(Step::Rejected);
        }
        view.gradient(next)?;
        s.grow = GROW;
        if rho > 0.75 {
            s.mu = (0.25 * s.mu).max(f64::MIN_POSITIVE);
        } else if rho < 0.25 {
            s.mu *= GROW;
        }
        Ok(Step::Moved { length })
    }
}

impl<T: Scalar> Solver<T> for GaussNewton {
    type State = GaussNewtonState<T>;

    fn name(&self) -> String {
        format!("{self:?}")
    }

    fn begin(&self, view: &mut View<'_, '_, T>, at: &Iterate<T>) -> Result<GaussNewtonState<T>> {
        self.line_search.check()?;
        let inner = Inner::new(view, at, "Gauss & Newton's method", (self.kappa, self.theta), self.max_inner)?;
        Ok(GaussNewtonState { inner, curve: Curve::default() })
    }

    fn step(
        &self,
        view: &mut View<'_, '_, T>,
        at: &Iterate<T>,
        next: &mut Iterate<T>,
        s: &mut GaussNewtonState<T>,
    ) -> Result<Step> {
        if at.norm == 0.0 {
            return Ok(Step::Stalled("the gradient is zero"));
        }
        s.inner.solve(view, at, 0.0, (self.kappa, self.theta))?;
        let GaussNewtonState { inner, curve } = s;
        let (mut slope, mut first) = (view.inner(at, &at.rgrad, &inner.s)?, 1.0);
        let falls = slope < 0.0;
        if !falls {
            inner.s.combine(0.0, -1.0, &at.rgrad);
            (slope, first) = (-at.norm * at.norm, first_length(at) / at.norm);
        }
        match self.line_search.search(view, (at, &inner.s, slope), first, next, curve)? {
            None => Ok(Step::Stalled(NO_STEP)),
            Some(t) => Ok(Step::Moved { length: t * view.inner(at, &inner.s, &inner.s)?.max(0.0).sqrt() }),
        }
    }
}
