//! A cost over a manifold, and how it is given to a solver. Runs are in `run`, derivatives written by hand in
//! `by_hand`, costs that are sums over minibatches in `stochastic`.

use crate::Result;
use crate::by_hand::ByHand;
use crate::oracle::{Closure, Form};
use crate::run::{Checkpoint, Found, Run};
use crate::solver::Solver;
use crate::stochastic::{BatchFn, Stochastic};
use crate::stop::Stop;
use pullback::{CostFn, Leaves};
use pullback_manifolds::Manifold;

/// Minimise a cost over a manifold, from a start.
///
/// The cost is one number and must be a function of the point alone; its gradient and Hessian come from the engine. The
/// matrices of a point are the leaves of `L`, in order. For a batch of points the cost is the sum of theirs: methods
/// with a fixed rule move the members independently; solvers with a line search or a trust region treat them as one
/// point of a power of the manifold.
///
/// The closure is recorded once and replayed at other points; if it reads a number and branches, it is recorded anew
/// each time.
///
/// The closure gets handles in the form of the start: one [`Var`](pullback::Var) for a matrix, a tuple for a tuple.
/// A closure that is written in the call needs no types. To keep it in a variable first, wrap it by [`pullback::func`],
/// or by [`pullback::pin`] where a point consists of several matrices; otherwise the compiler reports that there is no
/// method `solve`.
#[derive(Clone)]
pub struct Problem<'m, L: Leaves, F> {
    pub(crate) manifold: &'m dyn Manifold<L::Scalar>,
    pub(crate) start: &'m L,
    pub(crate) cost: F,
    pub(crate) form: Form,
    pub(crate) by_hand: ByHand<'m, L>,
}

impl<L: Leaves, F> std::fmt::Debug for Problem<'_, L, F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = f.debug_struct("Problem");
        out.field("manifold", &self.manifold).field("form", &self.form).field("by_hand", &self.by_hand);
        out.finish_non_exhaustive()
    }
}

impl<'m, L: Leaves, F> Problem<'m, L, F> {
    /// The cost over a manifold, and where to begin.
    pub fn new(manifold: &'m dyn Manifold<L::Scalar>, start: &'m L, cost: F) -> Self
    where
        F: for<'t> CostFn<'t, L>,
    {
        Problem { manifold, start, cost, form: Form::Cost, by_hand: ByHand::default() }
    }

    /// Least squares: the closure returns residuals `r`, a matrix or batch of any shape, and the cost is `1/2 |r|^2`
    /// over all its entries. [`LevenbergMarquardt`](crate::LevenbergMarquardt) and
    /// [`GaussNewton`](crate::GaussNewton) need such a problem; every other solver accepts it, too.
    ///
    /// ```
    /// use pullback::prelude::*;
    /// use pullback_manifolds::Euclidean;
    /// use pullback_optim::{LevenbergMarquardt, Problem, Stop};
    ///
    /// let (t, y) = (faer::mat![[0.0], [1.0], [2.0]], faer::mat![[2.0], [1.0], [0.5]]);
    /// let m = Euclidean::new(2, 1);
    /// let start = faer::mat![[1.0f64], [0.0]];
    /// let fit = Problem::least_squares(&m, &start, |p| (p.row(1) * &t).exp() * p.row(0) - &y);  // a exp(b t) - y
    /// let found = fit.solve(LevenbergMarquardt::default(), Stop::GradientNorm(1e-10))?;
    /// assert!((found.point[(0, 0)] - 2.0).abs() < 1e-9 && (found.point[(1, 0)] + 2f64.ln()).abs() < 1e-9);
    /// # use pullback::faer;
    /// # Ok::<(), pullback_optim::Error>(())
    /// ```
    pub fn least_squares(manifold: &'m dyn Manifold<L::Scalar>, start: &'m L, residuals: F) -> Self
    where
        F: for<'t> CostFn<'t, L>,
    {
        Problem { form: Form::Residuals, ..Problem::new(manifold, start, residuals) }
    }

    /// Uses this Euclidean gradient of the cost in place of the engine's: from a point on the manifold, numbers to
    /// numbers. [`Problem::check_derivatives`] compares the two.
    ///
    /// It allocates what it returns, so runs allocate at every gradient.
    #[must_use]
    pub fn with_gradient(mut self, gradient: impl Fn(&L) -> L + Send + Sync + 'm) -> Self {
        self.by_hand.gradient = Some(std::sync::Arc::new(gradient));
        self
    }

    /// Uses this Euclidean Hessian of the cost, of a point and a tangent there, in place of the engine's.
    ///
    /// On a manifold, a Euclidean gradient is one of an extension of the cost beyond it, and the Riemannian Hessian is
    /// made of gradient and Hessian of the same extension: of that of [`Problem::with_gradient`] if there is one, else
    /// of the closure. [`Problem::check_derivatives`] finds a pair that does not belong together.
    #[must_use]
    pub fn with_hessian(mut self, hessian: impl Fn(&L, &L) -> L + Send + Sync + 'm) -> Self {
        self.by_hand.hessian = Some(std::sync::Arc::new(hessian));
        self
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
    /// A run of a solver from the start, to be taken step by step. Nothing is computed yet.
    ///
    /// ```
    /// use pullback_manifolds::Sphere;
    /// use pullback_optim::{Counts, GradientDescent, Problem, Progress, Row, Stop, Why};
    /// let a = pullback::faer::mat![[3.0, 0.0], [0.0, 1.0]];
    /// let (sphere, start) = (Sphere::new(2, 1), pullback::faer::mat![[0.6], [0.8]]);
    /// let problem = Problem::new(&sphere, &start, |x: pullback::Var| x.quadratic_form(&a));
    /// let mut run = problem.run(GradientDescent::default(), Stop::GradientNorm(1e-8));
    /// while let Some(Progress { iteration, cost, gradient, .. }) = run.step()? {
    ///     println!("{iteration}: cost {cost:.6}, gradient {gradient:.1e}");
    /// }
    /// let found = run.finish();
    /// assert!(matches!(found.why, Why::Met(_)));
    /// let first: &Row = &found.history.rows[0];
    /// let Counts { costs, gradients, .. } = found.counts;
    /// assert!(found.cost < first.cost && costs >= gradients);
    /// # Ok::<(), pullback_optim::Error>(())
    /// ```
    pub fn run<S: Solver<L::Scalar>>(&self, solver: S, stop: Stop) -> Run<'_, L, S> {
        let oracle = Closure::new(self.start, &self.cost, self.form, &self.by_hand);
        Run::new((self.manifold, self.start), Box::new(oracle), solver, stop)
    }

    /// Runs a solver to its end.
    ///
    /// # Errors
    /// As [`Run::step`].
    pub fn solve<S: Solver<L::Scalar>>(&self, solver: S, stop: Stop) -> Result<Found<L>> {
        self.run(solver, stop).to_end()
    }

    /// Continues a run that was written to a checkpoint, bit for bit as if it had not stopped.
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
