//! A run of a solver: it is taken step by step, stops for a stated reason, and can be written to a file and resumed.

use crate::history::{History, Row};
use crate::oracle::Oracle;
use crate::solver::{Solver, Step};
use crate::space::Space;
use crate::stop::{Seen, Stop, Why};
use crate::view::{Caches, Counts, Iterate, View};
use crate::{Error, Result};
use pullback::{Batch, Leaves, Scalar};
use pullback_manifolds::Manifold;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// A cost this far below zero, relative to that of the start, has no lower bound.
const UNBOUNDED: f64 = 1e100;

/// A run of a solver: see [`Problem::run`](crate::Problem::run).
pub struct Run<'p, L: Leaves, S: Solver<L::Scalar>> {
    manifold: &'p dyn Manifold<L::Scalar>,
    start: &'p L,
    solver: S,
    stop: Stop,
    oracle: Box<dyn Oracle<L::Scalar> + 'p>,
    space: Space<'p, L::Scalar>,
    counts: Counts,
    caches: Caches,
    at: Iterate<L::Scalar>,
    next: Iterate<L::Scalar>,
    state: Option<S::State>,
    seen: Seen,
    why: Why,
    history: History,
    begun: Instant,
    /// The time of earlier parts of the run.
    before: Duration,
}

/// The state of a run at a step: see [`Run::step`].
#[derive(Debug)]
pub struct Progress<'r, T: Scalar> {
    /// Steps taken to reach the point.
    pub iteration: usize,
    /// The cost there.
    pub cost: f64,
    /// The norm of the Riemannian gradient; NaN where the solver uses none.
    pub gradient: f64,
    /// The length of the step that led here; NaN where it is not known.
    pub length: f64,
    /// The matrices of the point.
    pub point: &'r [Batch<T>],
}

/// Where a run ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Found<L> {
    /// The last point.
    pub point: L,
    /// The cost there.
    pub cost: f64,
    /// The norm of the Riemannian gradient there.
    pub gradient: f64,
    /// Steps taken.
    pub iterations: usize,
    /// Why it stopped.
    pub why: Why,
    /// How often the cost and its derivatives were computed.
    pub counts: Counts,
    /// Every point on the way.
    pub history: History,
}

/// One line: `cost -1.25, gradient 3.1e-11 after 9 steps (gradient norm <= 1e-10)`.
impl<L> std::fmt::Display for Found<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Found { cost, gradient, iterations, why, .. } = self;
        // Twelve digits that count, without the zeros at the end.
        let places = 11 - cost.abs().log10().floor().clamp(-4.0, 11.0) as i32;
        let digits = match cost.abs() {
            c if (1e-4..1e12).contains(&c) => format!("{cost:.*}", places as usize),
            _ => format!("{cost:.3e}"),
        };
        let digits = match digits.contains(['.']) && !digits.contains('e') {
            true => digits.trim_end_matches('0').trim_end_matches('.'),
            false => &digits,
        };
        write!(f, "cost {digits}, gradient {gradient:.1e} after {iterations} steps ({why})")
    }
}

/// A run as it is written to a file. `serde` writes it to any format; [`Checkpoint::to_json`] to text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Checkpoint<T: Scalar> {
    /// Name and settings of the solver.
    solver: String,
    /// The manifold.
    manifold: String,
    at: Iterate<T>,
    state: serde_json::Value,
    iteration: usize,
    /// Previous cost, first gradient, last length: by their bits.
    numbers: [u64; 3],
    counts: Counts,
    history: History,
    seconds: f64,
}

impl<T: Scalar> Checkpoint<T> {
    /// As text.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|e| unreachable!("a checkpoint has text keys only: {e}"))
    }

    /// From text.
    ///
    /// # Errors
    /// [`Error::Unreadable`].
    pub fn from_json(text: &str) -> Result<Self> {
        serde_json::from_str(text).map_err(|e| Error::Unreadable(e.to_string()))
    }
}

impl<'p, L: Leaves, S: Solver<L::Scalar>> Run<'p, L, S> {
    pub(crate) fn new(
        (manifold, start): (&'p dyn Manifold<L::Scalar>, &'p L),
        oracle: Box<dyn Oracle<L::Scalar> + 'p>,
        solver: S,
        stop: Stop,
    ) -> Self {
        let mut at = Iterate::new(start.batches());
        if solver.draws() {
            at.draw = 0;
        }
        let seen = Seen {
            iteration: 0,
            cost: f64::NAN,
            previous: f64::NAN,
            gradient: f64::NAN,
            first_gradient: f64::NAN,
            length: f64::NAN,
            counts: Counts::default(),
            elapsed: Duration::ZERO,
        };
        Run {
            manifold,
            start,
            solver,
            stop,
            oracle,
            space: Space::new(manifold),
            counts: Counts::default(),
            caches: Caches::default(),
            next: at.clone(),
            at,
            state: None,
            seen,
            why: Why::Running,
            history: History::default(),
            begun: Instant::now(),
            before: Duration::ZERO,
        }
    }

    /// Takes a step and returns the point, its cost and the norm of its gradient. The first call takes no step and
    /// returns the start. `None` when the run has stopped.
    ///
    /// # Errors
    /// The first failure that the solver cannot avoid by a smaller step. The run stays at the last good point.
    pub fn step(&mut self) -> Result<Option<Progress<'_, L::Scalar>>> {
        if self.why != Why::Running {
            return Ok(None);
        }
        match self.state.is_none() {
            true => self.begin()?,
            false => {
                self.judge();
                if self.why != Why::Running {
                    return Ok(None);
                }
                self.advance()?;
                if self.why != Why::Running {
                    return Ok(None);
                }
            }
        }
        self.note();
        Ok(Some(self.progress()))
    }

    /// Runs to the end.
    ///
    /// # Errors
    /// As [`Run::step`].
    pub fn to_end(mut self) -> Result<Found<L>> {
        while self.step()?.is_some() {}
        Ok(self.finish())
    }

    /// Runs to the end and calls `look` after every step, which stops the run by returning `false`.
    ///
    /// # Errors
    /// As [`Run::step`].
    pub fn watch(mut self, mut look: impl FnMut(&Progress<'_, L::Scalar>) -> bool) -> Result<Found<L>> {
        while let Some(progress) = self.step()? {
            if !look(&progress) {
                self.why = Why::Asked;
            }
        }
        Ok(self.finish())
    }

    /// Runs to the end and shows how it goes: a bar on standard error with the iteration, the cost and the gradient, if
    /// that is a terminal. It is gone when the run ends. Nothing else in this crate prints.
    ///
    /// Needs the feature `progress`.
    ///
    /// # Errors
    /// As [`Run::step`].
    #[cfg(feature = "progress")]
    pub fn to_end_with_progress(self) -> Result<Found<L>> {
        let bar = crate::progress::Bar::on_stderr(self.stop.at_most_iterations());
        self.watch(|at| {
            bar.show(at);
            true
        })
    }

    /// The state of the run: that of the last good point, also after an error.
    pub fn finish(self) -> Found<L> {
        let point = self.point();
        let (cost, gradient, iterations) = (self.at.cost, self.at.norm, self.seen.iteration);
        Found { point, cost, gradient, iterations, why: self.why, counts: self.counts, history: self.history }
    }

    /// The last good point.
    pub fn point(&self) -> L {
        self.start.rebuild_all(self.at.x.iter().cloned())
    }

    /// Why it stopped, if it has.
    pub fn why(&self) -> &Why {
        &self.why
    }

    /// The largest number of bytes that its tapes have used.
    pub fn bytes(&self) -> usize {
        self.oracle.bytes() + self.space.bytes()
    }

    /// The run as it stands, to be resumed by [`Problem::resume`](crate::Problem::resume).
    ///
    /// # Errors
    /// Those of the first step, if it has not been taken.
    pub fn checkpoint(&mut self) -> Result<Checkpoint<L::Scalar>> {
        if self.state.is_none() {
            self.begin()?;
        }
        let bits = [self.seen.previous, self.seen.first_gradient, self.seen.length].map(f64::to_bits);
        Ok(Checkpoint {
            solver: self.solver.name(),
            manifold: self.manifold.name(),
            at: self.at.clone(),
            state: serde_json::to_value(&self.state).map_err(|e| Error::Unreadable(e.to_string()))?,
            iteration: self.seen.iteration,
            numbers: bits,
            counts: self.counts,
            history: self.history.clone(),
            seconds: self.elapsed().as_secs_f64(),
        })
    }

    pub(crate) fn restore(&mut self, from: &Checkpoint<L::Scalar>) -> Result<()> {
        let (name, manifold) = (self.solver.name(), self.manifold.name());
        if from.solver != name || from.manifold != manifold {
            let expected = format!("{name} on {manifold}");
            return Err(Error::Checkpoint { expected, got: format!("{} on {}", from.solver, from.manifold) });
        }
        self.manifold.check_point(&from.at.x)?;
        let unreadable = |e: serde_json::Error| Error::Unreadable(e.to_string());
        self.state = Some(serde_json::from_value(from.state.clone()).map_err(unreadable)?);
        self.at = from.at.clone();
        let [previous, first_gradient, length] = from.numbers.map(f64::from_bits);
        self.seen = Seen { iteration: from.iteration, previous, first_gradient, length, ..self.seen };
        self.history = from.history.clone();
        self.before = Duration::try_from_secs_f64(from.seconds).map_err(|e| Error::Unreadable(e.to_string()))?;
        // Brings the tapes to the point; what it costs is not counted twice.
        let mut again = self.at.clone();
        self.view().cost(&mut again)?;
        if self.solver.uses_gradients() {
            self.view().gradient(&mut again)?;
        }
        self.at = again;
        self.counts = from.counts;
        Ok(())
    }

    fn view(&mut self) -> View<'_, 'p, L::Scalar> {
        View::new(&mut *self.oracle, &mut self.space, &mut self.counts, &mut self.caches)
    }

    fn progress(&self) -> Progress<'_, L::Scalar> {
        let Seen { iteration, length, .. } = self.seen;
        Progress { iteration, cost: self.at.cost, gradient: self.at.norm, length, point: &self.at.x }
    }

    fn elapsed(&self) -> Duration {
        self.before + self.begun.elapsed()
    }

    /// Cost and gradient at the start.
    fn begin(&mut self) -> Result<()> {
        self.manifold.check_point(&self.at.x)?;
        self.begun = Instant::now();
        let mut view = View::new(&mut *self.oracle, &mut self.space, &mut self.counts, &mut self.caches);
        let cost = view.cost(&mut self.at)?;
        if self.solver.uses_gradients() || !cost.is_finite() {
            // Where the number is not finite, this names the operation that made it so.
            view.gradient(&mut self.at)?;
        }
        if !cost.is_finite() {
            return Err(Error::StartNotFinite { cost });
        }
        self.state = Some(self.solver.begin(&mut view, &self.at)?);
        self.seen.first_gradient = self.at.norm;
        Ok(())
    }

    /// Does a criterion hold here?
    fn judge(&mut self) {
        self.seen.cost = self.at.cost;
        self.seen.counts = self.counts;
        self.seen.elapsed = self.begun.elapsed();
        self.seen.gradient = self.at.norm;
        if let Some(which) = self.stop.holds(&self.seen) {
            self.why = Why::Met(which);
        } else if self.at.cost < -UNBOUNDED * self.history.rows.first().map_or(1.0, |r| r.cost.abs().max(1.0)) {
            self.why = Why::Unbounded;
        }
    }

    fn advance(&mut self) -> Result<()> {
        let Run { solver, oracle, space, counts, caches, at, next, state, .. } = self;
        let Some(state) = state else { unreachable!("`begin` made it") };
        let mut view = View::new(&mut **oracle, space, counts, caches);
        match solver.step(&mut view, at, next, state)? {
            Step::Moved { length } => {
                if next.cost.is_nan() {
                    self.why = Why::Stalled("the cost is not a number at the next point".into());
                    return Ok(());
                }
                self.seen.previous = self.at.cost;
                self.seen.length = length;
                std::mem::swap(&mut self.at, &mut self.next);
                self.seen.iteration += 1;
            }
            Step::Rejected => self.seen.iteration += 1,
            Step::Stalled(why) => self.why = Why::Stalled(why.into()),
        }
        Ok(())
    }

    fn note(&mut self) {
        self.history.rows.push(Row {
            iteration: self.seen.iteration,
            cost: self.at.cost,
            gradient: self.at.norm,
            length: self.seen.length,
            seconds: self.elapsed().as_secs_f64(),
            counts: self.counts,
        });
    }
}

impl<L: Leaves, S: Solver<L::Scalar>> std::fmt::Debug for Run<'_, L, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = f.debug_struct("Run");
        out.field("solver", &self.solver).field("seen", &self.seen).field("why", &self.why).finish_non_exhaustive()
    }
}
