//! A cost over a manifold, and how it is handed to a solver. Runs are in `run`, costs that are sums over minibatches in
//! `stochastic`.

use crate::Result;
use crate::oracle::Program;
use crate::run::{Checkpoint, Found, Run};
use crate::solver::Solver;
use crate::stochastic::{BatchFn, Stochastic};
use crate::stop::Stop;
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
///
/// The closure gets handles in the form of the start: one [`Var`](pullback::Var) for a matrix, a tuple for a tuple. Written
/// where it is used, it needs no types. Kept in a variable first, it goes through [`pullback::func`], or
/// [`pullback::pin`] where a point is several matrices; without, the compiler says that there is no `solve`.
#[derive(Debug, Clone, Copy)]
pub struct Problem<'m, L: Leaves, F> {
    pub(crate) manifold: &'m dyn Manifold<L::Scalar>,
    pub(crate) start: &'m L,
    pub(crate) cost: F,
}

impl<'m, L: Leaves, F> Problem<'m, L, F> {
    /// The cost over a manifold, and where to begin.
    pub fn new(manifold: &'m dyn Manifold<L::Scalar>, start: &'m L, cost: F) -> Self
    where
        F: for<'t> CostFn<'t, L>,
    {
        Problem { manifold, start, cost }
    }
}

impl<'m, L: Leaves> Problem<'m, L, ()> {
    /// A cost that is the mean of `batches` costs, one for each minibatch: see [`Stochastic`].
    pub fn stochastic<F: for<'t> BatchFn<'t, L>>(
        manifold: &'m dyn Manifold<L::Scalar>,
        start: &'m L,
        batches: usize,
        cost: F,
    ) -> Stochastic<'m, L, F> {
        Stochastic::new(manifold, start, batches, cost)
    }
}

impl<L: Leaves, F: for<'t> CostFn<'t, L>> Problem<'_, L, F> {
    /// A run of a solver from the start, which lends its state step by step. Nothing is computed yet.
    pub fn run<S: Solver<L::Scalar>>(&self, solver: S, stop: Stop) -> Run<'_, L, S> {
        let oracle = Program::new(self.start, &self.cost);
        Run::new((self.manifold, self.start), Box::new(oracle), solver, stop)
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
    /// [`Error::Checkpoint`](crate::Error::Checkpoint) if it is of another solver, other settings or another manifold;
    /// [`Error::Unreadable`](crate::Error::Unreadable).
    pub fn resume<S: Solver<L::Scalar>>(
        &self,
        solver: S,
        stop: Stop,
        from: &Checkpoint<L::Scalar>,
    ) -> Result<Run<'_, L, S>> {
        let mut run = self.run(solver, stop);
        run.restore(from)?;
        Ok(run)
    }
}
