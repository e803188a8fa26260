//! Riemannian trust regions with truncated conjugate gradients (Absil, Baker & Gallivan, *Trust-region methods on
//! Riemannian manifolds*, 2007; Absil, Mahony & Sepulchre 2008, chapter 7).
//!
//! At `x`, with gradient `g` and Hessian `H`, the model `m(eta) = f(x) + <g, eta> + 1/2 <eta, H eta>` is minimised over
//! `|eta| <= Delta` by conjugate gradients, which stop at the boundary, at negative curvature, or when the residual has
//! fallen to `|g| min(|g|^theta, kappa)`: with `theta = 1` the outer iteration converges quadratically. The trial point
//! is accepted if the cost has fallen by more than `rho'` of what the model promised, and the radius follows that
//! ratio.
//!
//! Near a solution both sides of the ratio are rounding. So `max(1, |f|) eps rho_regularization` is added to both, as
//! Conn, Gould & Toint (2000, 17.4.2) propose: the ratio tends to 1 there, and steps of rounding are accepted.

use crate::Result;
use crate::numbers::Numbers;
use crate::solver::{Solver, Step, within};
use crate::view::{Iterate, View};
use pullback::Scalar;
use serde::{Deserialize, Serialize};

/// Trust regions: the first solver to try, since Hessian-vector products exist for every cost here.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrustRegions {
    /// The largest radius; by default the typical distance of the manifold.
    pub max_radius: Option<f64>,
    /// The first radius; by default an eighth of the largest.
    pub radius: Option<f64>,
    /// The least ratio of actual to promised decrease at which a step is taken, in `[0, 1/4)`.
    pub rho_prime: f64,
    /// The inner iteration stops when its residual has fallen to `|g| min(|g|^theta, kappa)`, with `kappa` in `(0, 1)`.
    pub kappa: f64,
    /// The power of the gradient in that rule, in `[0, 1]`: the order of convergence is `1 + theta`.
    pub theta: f64,
    /// This many units of rounding of the cost, `max(1, |f|) eps`, are added to both sides of the ratio of decreases,
    /// since both are rounding errors near a solution (Conn, Gould & Toint 2000, 17.4.2).
    pub rho_regularization: f64,
    /// The most inner iterations of a step; by default the dimension of the manifold.
    pub max_inner: Option<usize>,
}

/// The settings of Manopt.
impl Default for TrustRegions {
    fn default() -> Self {
        TrustRegions {
            max_radius: None,
            radius: None,
            rho_prime: 0.1,
            kappa: 0.1,
            theta: 1.0,
            rho_regularization: 1e3,
            max_inner: None,
        }
    }
}

/// What [`TrustRegions`] keeps: the radius, and buffers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct TrustState<T: Scalar> {
    radius: f64,
    max_radius: f64,
    max_inner: usize,
    /// The tangent that conjugate gradients found, and the Hessian applied to it.
    eta: Numbers<T>,
    h_eta: Numbers<T>,
    residual: Numbers<T>,
    delta: Numbers<T>,
    h_delta: Numbers<T>,
    scratch: Numbers<T>,
}

/// How conjugate gradients ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inner {
    /// At the boundary of the region, or at negative curvature, which leads there.
    Boundary,
    /// Within.
    Inside,
}

impl<T: Scalar> Solver<T> for TrustRegions {
    type State = TrustState<T>;

    fn name(&self) -> String {
        format!("{self:?}")
    }

    fn begin(&self, view: &mut View<'_, '_, T>, at: &Iterate<T>) -> Result<TrustState<T>> {
        let m = view.space.manifold();
        let members = at.x.first().map_or(1, |b| b.shape().batch);
        let max_radius = self.max_radius.unwrap_or_else(|| m.typical_distance() * (members as f64).sqrt());
        let radius = self.radius.unwrap_or(max_radius / 8.0);
        within("max_radius", "a positive number", max_radius > 0.0 && max_radius.is_finite(), max_radius)?;
        within("radius", "0 < radius <= max_radius", radius > 0.0 && radius <= max_radius, radius)?;
        within("rho_prime", "0 <= rho_prime < 1/4", (0.0..0.25).contains(&self.rho_prime), self.rho_prime)?;
        within("kappa", "0 < kappa < 1", self.kappa > 0.0 && self.kappa < 1.0, self.kappa)?;
        within("theta", "0 <= theta <= 1", (0.0..=1.0).contains(&self.theta), self.theta)?;
        let zeros = || Numbers::zeros(&at.x);
        Ok(TrustState {
            radius,
            max_radius,
            max_inner: self.max_inner.unwrap_or_else(|| m.dim() * members),
            eta: zeros(),
            h_eta: zeros(),
            residual: zeros(),
            delta: zeros(),
            h_delta: zeros(),
            scratch: zeros(),
        })
    }

    fn step(
        &self,
        view: &mut View<'_, '_, T>,
        at: &Iterate<T>,
        next: &mut Iterate<T>,
        s: &mut TrustState<T>,
    ) -> Result<Step> {
        if at.norm == 0.0 {
            return Ok(Step::Stalled("the gradient is zero"));
        }
        if s.radius < f64::EPSILON * s.max_radius {
            return Ok(Step::Stalled("the trust region has shrunk to rounding"));
        }
        let inner = self.truncated_cg(view, at, s)?;
        let promised = -view.inner(at, &at.rgrad, &s.eta)? - 0.5 * view.inner(at, &s.eta, &s.h_eta)?;
        let length = view.inner(at, &s.eta, &s.eta)?.max(0.0).sqrt();
        let cost = match view.retract(at, &s.eta, 1.0, next) {
            Ok(()) => view.try_cost(next)?,
            Err(_) => f64::INFINITY,
        };
        let slack = at.cost.abs().max(1.0) * T::EPS.f64() * self.rho_regularization;
        let rho = (at.cost - cost + slack) / (promised + slack);
        let (model_falls, good) = (promised + slack >= 0.0, rho.is_finite());
        if !good || rho < 0.25 || !model_falls {
            s.radius *= 0.25;
        } else if rho > 0.75 && inner == Inner::Boundary {
            s.radius = (2.0 * s.radius).min(s.max_radius);
        }
        if !(good && model_falls && rho > self.rho_prime) {
            return Ok(Step::Rejected);
        }
        view.gradient(next)?;
        Ok(Step::Moved { length })
    }
}

impl TrustRegions {
    /// Minimises the model over the region into `s.eta`, with `s.h_eta = H eta` (Steihaug 1983; Toint 1981).
    fn truncated_cg<T: Scalar>(
        &self,
        view: &mut View<'_, '_, T>,
        at: &Iterate<T>,
        s: &mut TrustState<T>,
    ) -> Result<Inner> {
        s.eta.clear();
        s.h_eta.clear();
        s.residual.copy_from(&at.rgrad);
        // The gradient was rounded relative to the Euclidean one, which need not be small. What of that is not tangent
        // no product with the Hessian would ever reduce.
        view.space.project(&at.x, &mut s.residual)?;
        s.delta.combine(0.0, -1.0, &s.residual);
        // <eta, eta>, <eta, delta>, <delta, delta> and <r, r>, by their recurrences.
        let (mut e_e, mut e_d, mut r_r) = (0.0, 0.0, at.norm * at.norm);
        let mut d_d = r_r;
        let enough = at.norm * at.norm.powf(self.theta).min(self.kappa);
        let mut model = 0.0;
        for _ in 0..s.max_inner {
            view.hessian(at, &s.delta, &mut s.scratch, &mut s.h_delta)?;
            let d_hd = view.inner(at, &s.delta, &s.h_delta)?;
            let alpha = r_r / d_hd;
            let ahead = e_e + 2.0 * alpha * e_d + alpha * alpha * d_d;
            if d_hd <= 0.0 || ahead >= s.radius * s.radius {
                // To the boundary along delta: |eta + tau delta| = Delta.
                let tau = (-e_d + (e_d * e_d + d_d * (s.radius * s.radius - e_e)).sqrt()) / d_d;
                s.eta.combine(1.0, tau, &s.delta);
                s.h_eta.combine(1.0, tau, &s.h_delta);
                return Ok(Inner::Boundary);
            }
            s.eta.combine(1.0, alpha, &s.delta);
            s.h_eta.combine(1.0, alpha, &s.h_delta);
            // A model that does not fall any more has reached rounding: the step before was the better one.
            let now = view.inner(at, &s.eta, &at.rgrad)? + 0.5 * view.inner(at, &s.eta, &s.h_eta)?;
            if now >= model {
                s.eta.combine(1.0, -alpha, &s.delta);
                s.h_eta.combine(1.0, -alpha, &s.h_delta);
                return Ok(Inner::Inside);
            }
            model = now;
            s.residual.combine(1.0, alpha, &s.h_delta);
            let before = r_r;
            r_r = view.inner(at, &s.residual, &s.residual)?;
            if r_r.sqrt() <= enough {
                break;
            }
            let beta = r_r / before;
            s.delta.combine(beta, -1.0, &s.residual);
            (e_e, e_d, d_d) = (ahead, beta * (e_d + alpha * d_d), r_r + beta * beta * d_d);
        }
        Ok(Inner::Inside)
    }
}
