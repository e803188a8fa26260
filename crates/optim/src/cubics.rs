//! Adaptive regularisation with cubics (Cartis, Gould & Toint 2011; on manifolds: Agarwal, Boumal, Bullins & Cartis,
//! *Adaptive regularization with cubics on manifolds*, 2021).
//!
//! At `x`, with gradient `g` and Hessian `H`, the model is `m(s) = f(x) + <g, s> + 1/2 <s, H s> + sigma/3 |s|^3`. It is
//! minimised over the space that Lanczos' iteration spans: `q_1 = g / |g|`, and
//! `H q_k = beta_{k-1} q_{k-1} + alpha_k q_k + beta_k q_{k+1}` with orthonormal `q`. For `s = sum y_i q_i`, `m` is the
//! cubic model of the tridiagonal matrix, which `cubic` minimises globally; what is left of its gradient in the whole
//! tangent space is, by the same recurrence, `beta_k y_k q_{k+1}`. The iteration ends where
//! `beta_k |y_k| <= theta |s|^2`: with that, convergence is quadratic, and the number of steps to a gradient of
//! `epsilon` is at most of the order `epsilon^(-3/2)`, which no method of these derivatives betters.
//!
//! The ratio of the actual decrease to that of the model without its cubic term decides as in trust regions, with the
//! same slack for rounding, and so does `sigma`: a tenth after a very good step, twice as much after a bad one. A step
//! that was rejected leaves `H` as it is, so the next one takes up the vectors that are there.
//!
//! Vectors are made orthogonal to all before them, twice: else rounding lets found eigenvectors in again.

use crate::Result;
use crate::cubic::Work;
use crate::numbers::Numbers;
use crate::solver::{Solver, Step, within};
use crate::view::{Iterate, View};
use pullback::Scalar;
use serde::{Deserialize, Serialize};

/// Adaptive regularisation with cubics: like trust regions, with a guarantee on the number of steps.
#[doc(alias = "ARC")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdaptiveCubics {
    /// The first weight of the cubic term; by default 100 divided by the typical distance of the manifold.
    pub sigma: Option<f64>,
    /// The least weight.
    pub min_sigma: f64,
    /// A step is taken if the cost falls by at least this part of the decrease that the model promises, in `(0, 1)`.
    pub good: f64,
    /// The weight falls if the cost falls by at least this part, in `[good, 1)`.
    pub very_good: f64,
    /// The factor by which the weight then falls, in `(0, 1)`.
    pub relax: f64,
    /// The factor by which the weight grows after a rejected step, above 1.
    pub tighten: f64,
    /// The model is minimised until the norm of its gradient is at most `theta |s|^2` at the step `s`.
    pub theta: f64,
    /// As in [`TrustRegions`](crate::TrustRegions).
    pub rho_regularization: f64,
    /// The most vectors of Lanczos' iteration; by default the dimension of the manifold.
    pub max_inner: Option<usize>,
}

/// The settings of Manopt.
impl Default for AdaptiveCubics {
    fn default() -> Self {
        AdaptiveCubics {
            sigma: None,
            min_sigma: 1e-10,
            good: 0.1,
            very_good: 0.9,
            relax: 0.1,
            tighten: 2.0,
            theta: 0.5,
            rho_regularization: 1e3,
            max_inner: None,
        }
    }
}

/// What [`AdaptiveCubics`] keeps: the weight, and Lanczos' vectors.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct CubicsState<T: Scalar> {
    sigma: f64,
    shortest: f64,
    max_inner: usize,
    /// As many as were ever needed, and one more.
    basis: Vec<Numbers<T>>,
    /// `T`: as long as the Hessian at this point is known. `beta[k]` couples vector `k` and `k + 1`.
    alpha: Vec<f64>,
    beta: Vec<f64>,
    step: Numbers<T>,
    h: Numbers<T>,
    scratch: Numbers<T>,
    #[serde(skip)]
    work: Work,
}

impl<T: Scalar> Solver<T> for AdaptiveCubics {
    type State = CubicsState<T>;

    fn name(&self) -> String {
        format!("{self:?}")
    }

    fn begin(&self, view: &mut View<'_, '_, T>, at: &Iterate<T>) -> Result<CubicsState<T>> {
        let m = view.space.manifold();
        let members = at.x.first().map_or(1, |b| b.shape().batch);
        let typical = m.typical_distance() * (members as f64).sqrt();
        let sigma = self.sigma.unwrap_or(100.0 / typical);
        let ordered = self.good > 0.0 && self.good <= self.very_good && self.very_good < 1.0;
        within("sigma", "a positive number", sigma > 0.0 && sigma.is_finite(), sigma)?;
        within("min_sigma", "a positive number", self.min_sigma > 0.0, self.min_sigma)?;
        within("good", "0 < good <= very_good < 1", ordered, self.good)?;
        within("relax", "0 < relax < 1", self.relax > 0.0 && self.relax < 1.0, self.relax)?;
        within("tighten", "a number above 1", self.tighten > 1.0 && self.tighten.is_finite(), self.tighten)?;
        within("theta", "a positive number", self.theta > 0.0, self.theta)?;
        let max_inner = self.max_inner.unwrap_or_else(|| m.dim() * members);
        within("max_inner", "at least 1", max_inner > 0, max_inner as f64)?;
        Ok(CubicsState {
            sigma,
            shortest: f64::EPSILON * typical,
            max_inner,
            basis: Vec::new(),
            alpha: Vec::with_capacity(max_inner.min(1000)),
            beta: Vec::with_capacity(max_inner.min(1000)),
            step: Numbers::zeros(&at.x),
            h: Numbers::zeros(&at.x),
            scratch: Numbers::zeros(&at.x),
            work: Work::default(),
        })
    }

    fn step(
        &self,
        view: &mut View<'_, '_, T>,
        at: &Iterate<T>,
        next: &mut Iterate<T>,
        s: &mut CubicsState<T>,
    ) -> Result<Step> {
        if at.norm == 0.0 {
            return Ok(Step::Stalled("the gradient is zero"));
        }
        let k = self.lanczos(view, at, s)?;
        let promised = -s.work.quadratic(&s.alpha[..k], &s.beta[..k - 1], at.norm);
        let length = view.inner(at, &s.step, &s.step)?.max(0.0).sqrt();
        let moves = length > s.shortest;
        if !moves {
            return Ok(Step::Stalled("the steps of the cubic model are as short as rounding"));
        }
        let cost = match view.retract(at, &s.step, 1.0, next) {
            Ok(()) => view.try_cost(next)?,
            Err(_) => f64::INFINITY,
        };
        let slack = at.cost.abs().max(1.0) * T::EPS.f64() * self.rho_regularization;
        let rho = (at.cost - cost + slack) / (promised + slack);
        let good = rho >= self.good;
        if !good {
            // Where the cost has no value, the step was far too long.
            s.sigma *= if cost.is_finite() { self.tighten } else { self.tighten * 4.0 };
            return Ok(Step::Rejected);
        }
        view.gradient(next)?;
        if rho >= self.very_good {
            s.sigma = (s.sigma * self.relax).max(self.min_sigma);
        }
        s.alpha.clear();
        s.beta.clear();
        Ok(Step::Moved { length })
    }
}

impl AdaptiveCubics {
    /// Minimises the model over a growing space into `s.step`; returns the dimension of that space.
    fn lanczos<T: Scalar>(&self, view: &mut View<'_, '_, T>, at: &Iterate<T>, s: &mut CubicsState<T>) -> Result<usize> {
        if s.basis.is_empty() {
            s.basis.push(Numbers::zeros(&at.x));
        }
        if s.alpha.is_empty() {
            s.basis[0].combine(0.0, 1.0 / at.norm, &at.rgrad);
            // What rounding has left that is not tangent, no product with the Hessian would show.
            view.space.project(&at.x, &mut s.basis[0])?;
        }
        s.work.reserve(s.max_inner.min(1000));
        let mut k = 0;
        loop {
            if k == s.alpha.len() {
                extend(view, at, s)?;
            }
            k += 1;
            s.work.minimise(&s.alpha[..k], &s.beta[..k - 1], at.norm, s.sigma);
            let y = &s.work.y;
            let length2: f64 = y.iter().map(|y| y * y).sum();
            let left = s.beta[k - 1] * y[k - 1].abs();
            if left <= self.theta * length2 || k == s.max_inner || s.beta[k - 1] == 0.0 {
                break;
            }
        }
        s.step.clear();
        for (q, y) in s.basis.iter().zip(&s.work.y) {
            s.step.combine(1.0, *y, q);
        }
        Ok(k)
    }
}

/// One step of Lanczos' iteration. Where the space is invariant to rounding, the new `beta` is 0.
fn extend<T: Scalar>(view: &mut View<'_, '_, T>, at: &Iterate<T>, s: &mut CubicsState<T>) -> Result<()> {
    let k = s.alpha.len();
    if s.basis.len() == k + 1 {
        s.basis.push(Numbers::zeros(&at.x));
    }
    view.hessian(at, &s.basis[k], &mut s.scratch, &mut s.h)?;
    let size = view.inner(at, &s.h, &s.h)?.max(0.0).sqrt();
    let alpha = view.inner(at, &s.basis[k], &s.h)?;
    for _ in 0..2 {
        for q in &s.basis[..=k] {
            let along = view.inner(at, q, &s.h)?;
            s.h.combine(1.0, -along, q);
        }
    }
    let beta = view.inner(at, &s.h, &s.h)?.max(0.0).sqrt();
    let beta = if beta > 10.0 * T::EPS.f64() * size { beta } else { 0.0 };
    if beta > 0.0 {
        s.basis[k + 1].combine(0.0, 1.0 / beta, &s.h);
    }
    s.alpha.push(alpha);
    s.beta.push(beta);
    Ok(())
}
