//! An augmented Lagrangian method over any solver (Liu & Boumal, *Simple algorithms for optimization on Riemannian
//! manifolds with constraints*, 2020, Algorithm 1; safeguards of Andreani, Birgin, Martinez & Schuverdt 2008).
//!
//! At multipliers `gamma` of the equations `h = 0` and `lambda >= 0` of the inequalities `g <= 0`, a solver without
//! constraints minimises
//!
//! `L(x) = f + rho/2 (|h + gamma/rho|^2 + |max(0, g + lambda/rho)|^2)`.
//!
//! Its gradient is `grad f + sum (gamma + rho h) grad h + sum max(0, lambda + rho g) grad g`: that of the Lagrangian
//! function at the multipliers `gamma + rho h` and `max(0, lambda + rho g)`, which are the next ones. So where the
//! inner gradient is small, the point is stationary for these; it solves the problem if it is feasible, and `g_i < 0`
//! only where the multiplier vanishes. Both are measured by the largest of `|h|` and `|max(g, -lambda/rho)|`. Where
//! that has not fallen enough since the last outer step, `rho` grows.
//!
//! The inner tolerance falls from step to step. Multipliers are kept within bounds, so that a problem that cannot be
//! satisfied shows itself in `rho` and not in numbers without meaning.

use crate::constraints::{Constrained, Values};
use crate::numbers::Numbers;
use crate::problem::Problem;
use crate::solver::{Solver, within};
use crate::stop::{Stop, Why};
use crate::view::Counts;
use crate::{Error, Result};
use pullback::{Batch, CostFn, Leaves, Scalar, pin};
use serde::{Deserialize, Serialize};

/// Settings of the augmented Lagrangian method.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AugmentedLagrangian {
    /// The norm of the gradient of the Lagrangian function at a solution.
    pub optimality: f64,
    /// The largest violation of a constraint, or of complementarity, at a solution.
    pub feasibility: f64,
    /// The gradient that the first inner run must reach; each later one has a tenth of it, down to `optimality`.
    pub first_tolerance: f64,
    /// The first weight of the constraints; by default `10 max(1, |f|) / max(1, |c|^2 / 2)`, with all violations `c` at
    /// the start (Birgin & Martinez 2014).
    pub penalty: Option<f64>,
    /// The factor by which the weight grows after an outer step, above 1.
    pub growth: f64,
    /// The weight does not grow if the violation fell to at most this part of the last one, in `(0, 1)`.
    pub enough: f64,
    /// The run ends with [`Verdict::Infeasible`] when the weight would exceed this.
    pub max_penalty: f64,
    /// Multipliers are at most this large.
    pub max_multiplier: f64,
    /// The most outer steps.
    pub iterations: usize,
    /// The most steps of an inner run.
    pub inner_iterations: usize,
}

impl Default for AugmentedLagrangian {
    fn default() -> Self {
        AugmentedLagrangian {
            optimality: 1e-7,
            feasibility: 1e-7,
            first_tolerance: 1e-2,
            penalty: None,
            growth: 10.0,
            enough: 0.25,
            max_penalty: 1e12,
            max_multiplier: 1e8,
            iterations: 60,
            inner_iterations: 1000,
        }
    }
}

/// How a run with constraints ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Verdict {
    /// It has not ended: steps are left.
    Running,
    /// The point is feasible and stationary to the tolerances that were set.
    Solved,
    /// The weight of the constraints has reached its bound, and they are still violated: near this point they most
    /// likely cannot be satisfied.
    Infeasible,
    /// The point is feasible, but the inner solver cannot make the gradient as small as `optimality`, for this reason.
    Stalled(String),
    /// The cost falls without bound, whatever the weight of the constraints.
    Unbounded,
    /// All outer steps were taken.
    Iterations,
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Verdict::Running => f.write_str("has not stopped"),
            Verdict::Solved => f.write_str("feasible and stationary"),
            Verdict::Infeasible => f.write_str("the constraints are violated at their largest weight"),
            Verdict::Stalled(why) => write!(f, "feasible, not quite stationary: {why}"),
            Verdict::Unbounded => f.write_str("the cost falls without bound"),
            Verdict::Iterations => f.write_str("all outer steps were taken"),
        }
    }
}

/// One outer step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Outer {
    /// The cost, without constraints.
    pub cost: f64,
    /// The norm of the gradient of the Lagrangian function.
    pub gradient: f64,
    /// The largest violation of a constraint: `|h|` or `max(0, g)`.
    pub violation: f64,
    /// The largest violation of feasibility or complementarity: `|h|` or `|max(g, -lambda/rho)|`.
    pub residual: f64,
    /// The weight of the constraints.
    pub penalty: f64,
    /// Steps of the inner solver.
    pub inner_iterations: usize,
}

/// A run as it stands: everything that the next outer step depends on. `serde` writes it; read again, it continues bit
/// for bit.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct AugmentedState<T: Scalar> {
    x: Numbers<T>,
    equal: Numbers<T>,
    at_most: Numbers<T>,
    penalty: f64,
    tolerance: f64,
    /// That of the last step; infinite before the first.
    #[serde(with = "crate::numbers::bits")]
    residual: f64,
    history: Vec<Outer>,
    counts: Counts,
    verdict: Verdict,
}

/// Where a run with constraints ended.
#[derive(Debug, Clone, PartialEq)]
pub struct ConstrainedFound<L: Leaves> {
    /// The point.
    pub point: L,
    /// The cost there.
    pub cost: f64,
    /// The norm of the gradient of the Lagrangian function.
    pub gradient: f64,
    /// The largest violation of a constraint.
    pub violation: f64,
    /// The multipliers of the equations, one batch for each closure.
    pub equal: Vec<Batch<L::Scalar>>,
    /// Those of the inequalities: none is negative.
    pub at_most: Vec<Batch<L::Scalar>>,
    /// How it ended.
    pub verdict: Verdict,
    /// The evaluations of the augmented Lagrangians, all inner runs together.
    pub counts: Counts,
    /// Every outer step.
    pub history: Vec<Outer>,
}

/// A run with constraints, whose state can be read after each outer step: see [`Constrained::run`].
pub struct Augmented<'c, 'm, L: Leaves, F, S> {
    problem: &'c Constrained<'m, L, F>,
    settings: AugmentedLagrangian,
    solver: S,
    state: AugmentedState<L::Scalar>,
}

impl<L: Leaves, F, S: std::fmt::Debug> std::fmt::Debug for Augmented<'_, '_, L, F, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Augmented").field("solver", &self.solver).field("state", &self.state).finish_non_exhaustive()
    }
}

impl AugmentedLagrangian {
    fn check(&self) -> Result<()> {
        let positive = "a positive number";
        within("optimality", positive, self.optimality > 0.0, self.optimality)?;
        within("feasibility", positive, self.feasibility > 0.0, self.feasibility)?;
        within("first_tolerance", positive, self.first_tolerance > 0.0, self.first_tolerance)?;
        within("growth", "a number above 1", self.growth > 1.0 && self.growth.is_finite(), self.growth)?;
        within("enough", "0 < enough < 1", self.enough > 0.0 && self.enough < 1.0, self.enough)?;
        within("max_penalty", positive, self.max_penalty > 0.0, self.max_penalty)?;
        within("max_multiplier", positive, self.max_multiplier > 0.0, self.max_multiplier)?;
        let penalty = self.penalty.unwrap_or(self.max_penalty);
        within("penalty", "0 < penalty <= max_penalty", penalty > 0.0 && penalty <= self.max_penalty, penalty)
    }
}

impl<'m, L: Leaves, F: for<'t> CostFn<'t, L>> Constrained<'m, L, F> {
    /// A run from the start, over a solver for problems without constraints. The constraints are computed once.
    ///
    /// # Errors
    /// [`Error::Setting`]; the start is not a point of the manifold; cost or constraints are not finite there.
    pub fn run<S: Solver<L::Scalar> + Clone>(
        &self,
        settings: AugmentedLagrangian,
        solver: S,
    ) -> Result<Augmented<'_, 'm, L, F, S>> {
        settings.check()?;
        let x = Numbers(self.start.batches());
        self.manifold.check_point(&x)?;
        let (cost, values) = self.values(&x)?;
        if !cost.is_finite() {
            return Err(Error::StartNotFinite { cost });
        }
        let zeros = Values { equal: Numbers::zeros(&values.equal).0, at_most: Numbers::zeros(&values.at_most).0 };
        let squares: f64 = violations(&values).map(|c| c * c).sum();
        let penalty = settings.penalty.unwrap_or(10.0 * cost.abs().max(1.0) / (0.5 * squares).max(1.0));
        let state = AugmentedState {
            x,
            equal: Numbers(zeros.equal),
            at_most: Numbers(zeros.at_most),
            penalty: penalty.min(settings.max_penalty),
            tolerance: settings.first_tolerance.max(settings.optimality),
            residual: f64::INFINITY,
            history: Vec::new(),
            counts: Counts::default(),
            verdict: Verdict::Running,
        };
        Ok(Augmented { problem: self, settings, solver, state })
    }

    /// Goes on with a run as it stood. Settings and solver may be others; problem and manifold must be the same.
    ///
    /// # Errors
    /// [`Error::Setting`]; [`Error::Checkpoint`] if the state has other shapes than the problem.
    pub fn resume<S: Solver<L::Scalar> + Clone>(
        &self,
        settings: AugmentedLagrangian,
        solver: S,
        state: AugmentedState<L::Scalar>,
    ) -> Result<Augmented<'_, 'm, L, F, S>> {
        settings.check()?;
        self.manifold.check_point(&state.x)?;
        let (_, values) = self.values(&state.x)?;
        let shapes = |lists: [&[Batch<L::Scalar>]; 2]| {
            lists.map(|l| l.iter().map(|b| b.shape().to_string()).collect::<Vec<_>>().join(", ")).join(" and ")
        };
        let (expected, got) = (shapes([&values.equal, &values.at_most]), shapes([&state.equal, &state.at_most]));
        if expected != got {
            let of = |s| format!("constraints of shapes {s}");
            return Err(Error::Checkpoint { expected: of(expected), got: of(got) });
        }
        Ok(Augmented { problem: self, settings, solver, state })
    }

    /// Runs to the end.
    ///
    /// # Errors
    /// As [`Constrained::run`] and [`Augmented::step`].
    pub fn solve<S: Solver<L::Scalar> + Clone>(
        &self,
        settings: AugmentedLagrangian,
        solver: S,
    ) -> Result<ConstrainedFound<L>> {
        let mut run = self.run(settings, solver)?;
        while run.step()?.is_some() {}
        run.finish()
    }
}

/// How far every entry is off: `h`, `max(0, g)`.
fn violations<T: Scalar>(values: &Values<T>) -> impl Iterator<Item = f64> + '_ {
    let h = values.equal.iter().flat_map(|b| b.data()).map(|x| x.f64());
    let g = values.at_most.iter().flat_map(|b| b.data()).map(|x| x.f64().max(0.0));
    h.chain(g)
}

impl<L: Leaves, F: for<'t> CostFn<'t, L>, S: Solver<L::Scalar> + Clone> Augmented<'_, '_, L, F, S> {
    /// Takes an outer step: an inner run and the next multipliers. `None` when the run has ended.
    ///
    /// # Errors
    /// The first failure of the inner solver or of a constraint; the state is that before the step.
    pub fn step(&mut self) -> Result<Option<Outer>> {
        while self.state.verdict == Verdict::Running {
            if let Some(row) = self.attempt()? {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    /// A step, or a larger weight where this one was too small to hold the cost.
    fn attempt(&mut self) -> Result<Option<Outer>> {
        let (problem, settings, state) = (self.problem, self.settings, &mut self.state);
        let multipliers = Values { equal: state.equal.0.clone(), at_most: state.at_most.0.clone() };
        let start = problem.start.rebuild_all(state.x.iter().cloned());
        let rho = state.penalty;
        let lagrangian = pin(&start, |x| problem.lagrangian(x, &multipliers, rho));
        let stop = Stop::GradientNorm(state.tolerance) | Stop::Iterations(settings.inner_iterations);
        let found = Problem::new(problem.manifold, &start, lagrangian).solve(self.solver.clone(), stop)?;
        let c = found.counts;
        state.counts.costs += c.costs;
        state.counts.gradients += c.gradients;
        state.counts.hessians += c.hessians;
        state.counts.retractions += c.retractions;
        if found.why == Why::Unbounded || !found.cost.is_finite() {
            state.penalty *= settings.growth;
            if state.penalty > settings.max_penalty {
                state.verdict = Verdict::Unbounded;
            }
            return Ok(None);
        }
        let x = Numbers(found.point.batches());
        let (cost, values) = problem.values(&x)?;
        let residual = state.update(&settings, &values);
        let violation = violations(&values).map(f64::abs).fold(0.0, f64::max);
        state.x = x;
        let (gradient, inner_iterations) = (found.gradient, found.iterations);
        let row = Outer { cost, gradient, violation, residual, penalty: rho, inner_iterations };
        state.history.push(row);
        state.judge(&settings, &row, &found.why);
        Ok(Some(row))
    }

    /// The run as it stands.
    pub fn state(&self) -> &AugmentedState<L::Scalar> {
        &self.state
    }

    /// How it ended, if it has.
    pub fn verdict(&self) -> &Verdict {
        &self.state.verdict
    }

    /// Where it stands.
    ///
    /// # Errors
    /// If cost or constraints fail at the point: they have not failed there before, unless no step was taken.
    pub fn finish(self) -> Result<ConstrainedFound<L>> {
        let AugmentedState { x, equal, at_most, history, counts, verdict, .. } = self.state;
        let (cost, values) = self.problem.values(&x)?;
        Ok(ConstrainedFound {
            point: self.problem.start.rebuild_all(x.iter().cloned()),
            cost,
            gradient: history.last().map_or(f64::NAN, |r| r.gradient),
            violation: violations(&values).map(f64::abs).fold(0.0, f64::max),
            equal: equal.0,
            at_most: at_most.0,
            verdict,
            counts,
            history,
        })
    }
}

impl<T: Scalar> AugmentedState<T> {
    /// The next multipliers; returns the largest violation of feasibility and complementarity.
    fn update(&mut self, settings: &AugmentedLagrangian, values: &Values<T>) -> f64 {
        let (rho, bound) = (self.penalty, settings.max_multiplier);
        let mut worst = 0.0f64;
        for (gamma, h) in self.equal.0.iter_mut().zip(&values.equal) {
            for (gamma, h) in gamma.data_mut().iter_mut().zip(h.data()) {
                worst = worst.max(h.f64().abs());
                *gamma = T::of((gamma.f64() + rho * h.f64()).clamp(-bound, bound));
            }
        }
        for (lambda, g) in self.at_most.0.iter_mut().zip(&values.at_most) {
            for (lambda, g) in lambda.data_mut().iter_mut().zip(g.data()) {
                worst = worst.max(g.f64().max(-lambda.f64() / rho).abs());
                *lambda = T::of((lambda.f64() + rho * g.f64()).clamp(0.0, bound));
            }
        }
        worst
    }

    /// Has it ended? Else the next weight and tolerance.
    fn judge(&mut self, settings: &AugmentedLagrangian, row: &Outer, why: &Why) {
        let (last, feasible) = (self.residual, row.residual <= settings.feasibility);
        self.residual = row.residual;
        if feasible && row.gradient <= settings.optimality {
            self.verdict = Verdict::Solved;
        } else if let (true, Why::Stalled(why), true) = (feasible, why, self.tolerance <= settings.optimality) {
            self.verdict = Verdict::Stalled(why.clone());
        } else if self.history.len() >= settings.iterations {
            self.verdict = Verdict::Iterations;
        }
        if !feasible && row.residual > settings.enough * last {
            if self.penalty >= settings.max_penalty && self.verdict == Verdict::Running {
                self.verdict = Verdict::Infeasible;
            }
            self.penalty = (self.penalty * settings.growth).min(settings.max_penalty);
        }
        self.tolerance = (0.1 * self.tolerance).max(settings.optimality);
    }
}
