//! A cost over a manifold, and how it is handed to a solver. Runs are in `run`.

use crate::run::{Checkpoint, Found, Run};
use crate::solver::Solver;
use crate::stop::Stop;
use crate::{Error, Result};
use pullback::{CostFn, Leaves};
use pullback_manifolds::Manifold;

/// Minimise a cost over a manifold, from a start.
///
/// The cost is one number and a function of the point alone; its gradient and Hessian come from the engine. The matrices
/// of a point are the leaves of `L`, in order. For a batch of points the cost is the sum of theirs: methods with a fixed
/// rule move the members independently, and solvers that search or trust treat them as one point of a power of the
/// manifold.
///
/// The closure is recorded once and replayed at other points; if it reads a number and branches, it is recorded anew each
/// time.
#[derive(Debug, Clone, Copy)]
pub struct Problem<'m, L: Leaves, F> {
    pub(crate) manifold: &'m dyn Manifold<L::Scalar>,
    pub(crate) start: &'m L,
    pub(crate) cost: F,
}

impl<'m, L: Leaves + Clone, F: for<'t> CostFn<'t, L>> Problem<'m, L, F> {
    /// The cost over a manifold, and where to begin.
    pub fn new(manifold: &'m dyn Manifold<L::Scalar>, start: &'m L, cost: F) -> Self {
        Problem { manifold, start, cost }
    }

    /// A run of a solver from the start, which lends its state step by step. Nothing is computed yet.
    pub fn run<S: Solver<L::Scalar>>(&self, solver: S, stop: Stop) -> Run<'_, L, F, S> {
        Run::new(self, solver, stop)
    }

    /// Runs a solver to its end.
    ///
    /// # Errors
    /// As [`Run::step`].
    pub fn solve<S: Solver<L::Scalar>>(&self, solver: S, stop: Stop) -> Result<Found<L>> {
        self.run(solver, stop).to_end()
    }

    /// Goes on with a run that was written to a checkpoint, bit for bit as if it had not stopped.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] if it is of another solver, other settings or another manifold; [`Error::Unreadable`].
    pub fn resume<S: Solver<L::Scalar>>(
        &self,
        solver: S,
        stop: Stop,
        from: &Checkpoint<L::Scalar>,
    ) -> Result<Run<'_, L, F, S>> {
        let mut run = Run::new(self, solver, stop);
        run.restore(from)?;
        Ok(run)
    }

    /// Is the start a point of the manifold?
    pub(crate) fn check_start(&self) -> Result<()> {
        self.manifold.check_point(&self.start.batches()).map_err(Error::from)
    }
}
