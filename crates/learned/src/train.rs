//! Learning an optimiser: draw, estimate, apply (Algorithm 2 of the AAAI paper), on one thread or several. Which
//! network, which task and which estimator is not known here; the three parts are in `learner.rs` and `worker.rs`.

use crate::Error;
use crate::checkpoint::TrainingCheckpoint;
use crate::inner::InnerLoop;
use crate::learner::{Progress, TrainingState, progress};
use crate::options::TrainingOptions;
use crate::task::Task;
use crate::worker::{Compared, Contribution, Job, Setup, Worker};
use pullback::{Leaves, Scalar, Threads};
use pullback_implicit::Estimator;
use pullback_manifolds::Manifold;
use pullback_optim::{Method, Numbers};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A training run. It owns the parameters, which can be read at any time.
///
/// A step is [`draw`](Training::draw), [`Worker::estimate`] for each group, [`apply`](Training::apply). The result does
/// not depend on where groups are estimated: one thread, several, or other processes give the same bits.
#[derive(Debug)]
pub struct Training<'a, L: InnerLoop<K::Data, T>, K: Task<T>, T: Scalar = f64> {
    setup: Setup<'a, L, K, T>,
    methods: Vec<&'a dyn Method<T>>,
    params: L::Params,
    state: TrainingState<T>,
    workers: Vec<Worker<T>>,
    pool: Option<Threads>,
    filled_by: Option<String>,
}

impl<'a, T: Scalar, L: InnerLoop<K::Data, T>, K: Task<T>> Training<'a, L, K, T> {
    /// Training from given parameters. `methods` are the classical methods that fill the pool, in turn.
    ///
    /// # Panics
    /// If there is no method, or no member, or no inner step.
    #[track_caller]
    pub fn new(
        inner: L,
        params: L::Params,
        manifold: &'a dyn Manifold<T>,
        task: &'a K,
        methods: &[&'a dyn Method<T>],
        options: TrainingOptions,
    ) -> Self {
        assert!(!methods.is_empty(), "Training: at least one classical method is needed to fill the pool");
        assert!(
            options.members > 0 && options.horizon.at(0.0) > 0,
            "Training: members and the horizon must be positive"
        );
        let setup = Setup { inner, manifold, task, options };
        Training {
            state: TrainingState::new(&setup, &params),
            setup,
            methods: methods.to_vec(),
            params,
            workers: vec![Worker::new()],
            pool: None,
            filled_by: None,
        }
    }

    /// The same training on `n` threads, the calling one included. The result is the same; more threads than groups do
    /// not help. If the system cannot start more, one thread does all the work.
    #[must_use]
    pub fn threads(mut self, n: usize) -> Self {
        self.pool = Threads::new(n.clamp(1, Threads::MOST)).ok();
        self.workers.resize_with(self.pool.as_ref().map_or(1, Threads::count), Worker::new);
        self
    }

    /// The current parameters.
    pub fn params(&self) -> &L::Params {
        &self.params
    }

    /// The parameters, at the end.
    pub fn into_params(self) -> L::Params {
        self.params
    }

    /// The learner's parameters, which have the shapes of ours.
    #[cfg(feature = "mpi")]
    pub(crate) fn take_params(&mut self, numbers: Numbers<T>) {
        self.params = self.params.rebuild_all(numbers.0);
    }

    /// What a worker needs to know beside the parameters and the job.
    pub fn setup(&self) -> &Setup<'a, L, K, T> {
        &self.setup
    }

    /// Everything that changes.
    pub fn state(&self) -> &TrainingState<T> {
        &self.state
    }

    /// Stores the current parameters if their score is lower than that of any offered before; returns whether it is.
    pub fn offer(&mut self, score: f64) -> bool {
        let better = score.is_finite() && self.state.best.as_ref().is_none_or(|(best, _)| score < *best);
        if better {
            self.state.best = Some((score, self.state.params.clone()));
        }
        better
    }

    /// The best parameters that were offered.
    pub fn best(&self) -> Option<L::Params> {
        let (_, numbers) = self.state.best.as_ref()?;
        Some(self.params.rebuild_all(numbers.0.iter().cloned()))
    }

    /// Takes the given number of steps, or fewer if `watch` breaks. Returns how many were taken.
    ///
    /// # Errors
    /// As [`Training::step`].
    pub fn run(
        &mut self,
        steps: usize,
        mut watch: impl FnMut(&Progress, &L::Params) -> ControlFlow<()>,
    ) -> Result<usize, Error> {
        for k in 0..steps {
            let progress = self.step()?;
            if watch(&progress, &self.params).is_break() {
                return Ok(k + 1);
            }
        }
        Ok(steps)
    }

    /// One step: members from the pool, inner loops, their meta-gradient, a step of the outer optimiser, members back.
    ///
    /// A member that fails or diverges is not an error: it is left out and reported in the [`Progress`].
    ///
    /// # Errors
    /// A failure while the pool is filled.
    pub fn step(&mut self) -> Result<Progress, Error> {
        let job = self.draw()?;
        let found = self.estimate(&job);
        Ok(self.apply(&job, found))
    }

    /// Draws the members of the next step: they leave the pool. Fills the pool first if it is time to.
    ///
    /// # Errors
    /// A failure while the pool is filled.
    pub fn draw(&mut self) -> Result<Job<T>, Error> {
        let (job, filled_by) = self.state.job(&self.setup, &self.methods)?;
        self.filled_by = filled_by;
        Ok(job)
    }

    /// The contributions of all groups of a job, on the threads of this run.
    pub fn estimate(&mut self, job: &Job<T>) -> Vec<Contribution<T>> {
        let (setup, params, groups) = (&self.setup, &self.params, job.groups.len());
        let threads = self.workers.len().min(groups);
        let Some(pool) = self.pool.as_ref().filter(|_| threads > 1) else {
            let worker = &mut self.workers[0];
            return (0..groups).map(|k| worker.estimate(setup, params, job, k)).collect();
        };
        let next = AtomicUsize::new(0);
        let found = pool.map(&mut self.workers[..threads], |worker| {
            let mut own = vec![];
            loop {
                match next.fetch_add(1, Ordering::Relaxed) {
                    k if k < groups => own.push((k, worker.estimate(setup, params, job, k))),
                    _ => return own,
                }
            }
        });
        let mut found: Vec<_> = found.into_iter().flatten().collect();
        found.sort_by_key(|(k, _)| *k);
        found.into_iter().map(|(_, c)| c).collect()
    }

    /// Applies the contributions of a job, which are in the order of its groups: a step of the outer optimiser, and
    /// members go back to the pool.
    ///
    /// # Panics
    /// If there is not one contribution for each group, or the job is not that of this step.
    #[track_caller]
    pub fn apply(&mut self, job: &Job<T>, contributions: Vec<Contribution<T>>) -> Progress {
        assert_eq!(contributions.len(), job.groups.len(), "apply: expected one contribution for each group");
        assert_eq!(job.step, self.state.step, "apply: expected the job of this step");
        let mut progress = progress(job, self.filled_by.take(), &contributions);
        if let Some(next) = self.state.apply(&self.setup, &self.params, job, contributions) {
            self.params = next;
        }
        progress.pool = self.state.pool.len();
        progress
    }

    /// The results of several estimators for one inner loop: the same members, minibatches and parameters for all of
    /// them. Nothing is learned, and the members go back to the pool as they were. Values and gradients are sums over
    /// members.
    ///
    /// An estimator that fails is an entry of the list, not an error.
    ///
    /// # Errors
    /// A failure while the pool is filled.
    pub fn compare(&mut self, estimators: &[Estimator]) -> Result<Vec<Compared<L::Params>>, Error> {
        let job = self.draw()?;
        let drawn: Vec<_> = job.groups.iter().flatten().cloned().collect();
        let (setup, params, worker) = (&self.setup, &self.params, &mut self.workers[0]);
        let found = estimators.iter().map(|how| worker.ask(setup, params, &job, &drawn, *how)).collect();
        drawn.into_iter().for_each(|(_, e)| self.state.pool.push(e));
        Ok(found)
    }

    /// The run as it stands, between two steps.
    pub fn checkpoint(&self) -> TrainingCheckpoint {
        TrainingCheckpoint::new(&self.setup, &self.state)
    }

    /// Continues a run: from here on it is the one that was saved, bit for bit, on any number of threads.
    ///
    /// # Errors
    /// [`Error::Mismatch`] names what differs: the inner loop, the manifold, an option, a shape of the parameters.
    pub fn resume(&mut self, from: &TrainingCheckpoint) -> Result<(), Error> {
        self.state = from.state_for(&self.setup, &self.params)?;
        let Numbers(numbers) = &self.state.params;
        self.params = self.params.rebuild_all(numbers.iter().cloned());
        Ok(())
    }
}
