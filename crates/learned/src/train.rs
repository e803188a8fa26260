//! Learning an optimiser: inner loops from the pool, a meta-gradient, a step of the outer optimiser (Algorithm 2 of the
//! AAAI paper). Which network, which task and which estimator is not known here.

use crate::Error;
use crate::optimizer::LearnedOptimizer;
use crate::outer::{Outer, Rule, clip};
use crate::pool::{Entry, Pool, WarmUp, join, member};
use crate::task::{Split, Task};
use pullback::{Batch, Leaves, Shape, Tape, Var};
use pullback_implicit::{Certificate, Derivative, Estimator, Iteration, Sensitivity};
use pullback_manifolds::{Manifold, rng};
use pullback_optim::Method;
use rand_pcg::Pcg64;
use std::ops::ControlFlow;

/// How to train.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingOptions {
    /// `T`: steps of an inner loop.
    pub inner_steps: usize,
    /// `b`: points that are optimised at once.
    pub members: usize,
    /// Where the meta-gradient comes from.
    pub estimator: Estimator,
    /// Is the optimiser's state a constant for the meta-gradient? The papers' code does so; else the state is part of
    /// what the derivative is taken through.
    pub freeze_state: bool,
    /// Does the state go back to the pool with the point? Else an inner loop always starts with a state of zeros.
    pub keep_state: bool,
    /// Is a new minibatch drawn for each inner step? Else one serves a whole inner loop, which is then one fixed map.
    /// All minibatches of an inner loop are drawn before it starts; let [`Task::Data`] be indices where the data is
    /// large.
    pub fresh_batches: bool,
    /// The outer optimiser.
    pub outer: Rule,
    /// The meta-gradient is shortened to this norm.
    pub clip: Option<f64>,
    /// The outer rate is multiplied by the first every so many steps.
    pub decay: Option<(f64, usize)>,
    /// Points the pool holds at most.
    pub capacity: usize,
    /// How the pool is filled.
    pub warm_up: WarmUp,
    /// `B`: the pool is emptied and filled again every so many steps, with the next of the classical methods.
    pub refresh: Option<usize>,
    /// Where the random numbers begin.
    pub seed: u64,
}

impl Default for TrainingOptions {
    /// Ten inner steps of eight points, five terms of the fixed-point series through the state, Adamax at 1e-3.
    fn default() -> Self {
        TrainingOptions {
            inner_steps: 10,
            members: 8,
            estimator: Estimator::FixedPoint { terms: 5 },
            freeze_state: false,
            keep_state: false,
            fresh_batches: true,
            outer: Rule::Adamax { rate: 1e-3 },
            clip: Some(1.0),
            decay: None,
            capacity: 512,
            warm_up: WarmUp::default(),
            refresh: Some(500),
            seed: 0,
        }
    }
}

/// What happened in a step of training.
#[derive(Debug, Clone)]
pub struct Progress {
    /// Which step, from 0.
    pub step: usize,
    /// The mean cost of the members after the inner loop, on validation data. `None` if the inner loop failed.
    pub loss: Option<f64>,
    /// The mean cost of the same members before it, on the same data.
    pub before: f64,
    /// The norm of the meta-gradient before clipping. `None` if the inner loop failed.
    pub gradient: Option<f64>,
    /// How far to trust the meta-gradient.
    pub certificate: Option<Certificate>,
    /// The most bytes the tapes held.
    pub bytes: usize,
    /// Points in the pool.
    pub pool: usize,
    /// The classical method, if the pool was filled in this step.
    pub filled_by: Option<String>,
    /// Why the inner loop failed. The parameters are then unchanged and its points have left the pool.
    pub failure: Option<pullback_implicit::Error>,
}

/// What an estimator says about an inner loop whose state is the points, then the optimiser's state.
pub type Compared<O> = pullback_implicit::Result<Derivative<Vec<Batch>, <O as LearnedOptimizer>::Params>>;

/// The members and the data of an inner loop.
struct Start<K: Task> {
    drawn: Vec<Entry>,
    instances: Vec<u64>,
    state: Vec<Batch>,
    train: Vec<K::Data>,
    valid: K::Data,
}

/// A training run. It owns the parameters; ask for them at any time.
#[derive(Debug)]
pub struct Training<'a, O: LearnedOptimizer, K: Task> {
    optimizer: &'a O,
    manifold: &'a dyn Manifold,
    task: &'a K,
    methods: Vec<&'a dyn Method>,
    options: TrainingOptions,
    params: O::Params,
    outer: Outer,
    pool: Pool,
    fills: usize,
    step: usize,
    rng: Pcg64,
    tapes: Sensitivity,
}

impl<'a, O: LearnedOptimizer, K: Task> Training<'a, O, K> {
    /// Training from given parameters. `methods` are the classical methods that fill the pool, in turn.
    ///
    /// # Panics
    /// If there is no method, or no member, or no inner step.
    #[track_caller]
    pub fn new(
        optimizer: &'a O,
        params: O::Params,
        manifold: &'a dyn Manifold,
        task: &'a K,
        methods: &[&'a dyn Method],
        options: TrainingOptions,
    ) -> Self {
        assert!(!methods.is_empty(), "Training: at least one classical method is needed to fill the pool");
        assert!(options.members > 0 && options.inner_steps > 0, "Training: members and inner_steps must be positive");
        Training {
            outer: Outer::new(options.outer, &params),
            pool: Pool::new(options.capacity.max(options.members)),
            rng: rng(options.seed),
            tapes: Sensitivity::new(),
            fills: 0,
            step: 0,
            optimizer,
            manifold,
            task,
            methods: methods.to_vec(),
            options,
            params,
        }
    }

    /// The parameters now.
    pub fn params(&self) -> &O::Params {
        &self.params
    }

    /// The parameters, at the end.
    pub fn into_params(self) -> O::Params {
        self.params
    }

    /// The pool now.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Steps, until they are done or `watch` breaks off. Returns how many were taken.
    ///
    /// # Errors
    /// As [`Training::step`].
    pub fn run(
        &mut self,
        steps: usize,
        mut watch: impl FnMut(&Progress, &O::Params) -> ControlFlow<()>,
    ) -> Result<usize, Error> {
        for k in 0..steps {
            let progress = self.step()?;
            if watch(&progress, &self.params).is_break() {
                return Ok(k + 1);
            }
        }
        Ok(steps)
    }

    /// One step: members from the pool, an inner loop, its meta-gradient, a step of the outer optimiser, members back.
    ///
    /// An inner loop that fails or diverges is no error: it is reported in the [`Progress`].
    ///
    /// # Errors
    /// A failure while the pool is filled, or of the cost at a point of the pool.
    pub fn step(&mut self) -> Result<Progress, Error> {
        let filled_by = self.fill()?;
        let start = self.start();
        let before = pullback::value(|x: Var<'_>| self.task.cost(x, &start.valid).mean(), &start.state[0])?.data()[0];
        let found = self.ask(&start, self.options.estimator);
        let mut progress = Progress {
            step: self.step,
            loss: None,
            before,
            gradient: None,
            certificate: None,
            bytes: 0,
            pool: 0,
            filled_by,
            failure: None,
        };
        match found {
            Ok(d) => {
                let mut g = d.gradient.batches();
                progress.gradient = Some(clip(&mut g, self.options.clip));
                let decay = self.options.decay.map_or(1.0, |(c, every)| c.powi((self.step / every.max(1)) as i32));
                self.params = self.outer.update(&self.params, &g, decay);
                (progress.loss, progress.bytes) = (Some(d.value), d.bytes);
                progress.certificate = Some(d.certificate);
                self.put_back(&d.state, &start.instances);
            }
            Err(e) => progress.failure = Some(e),
        }
        progress.pool = self.pool.len();
        self.step += 1;
        Ok(progress)
    }

    /// What several estimators say about one inner loop: the same members, minibatches and parameters for all of them.
    /// Nothing is learned, and the members go back to the pool as they were.
    ///
    /// An estimator that fails is an entry of the list, not an error.
    ///
    /// # Errors
    /// A failure while the pool is filled.
    pub fn compare(&mut self, estimators: &[Estimator]) -> Result<Vec<Compared<O>>, Error> {
        self.fill()?;
        let start = self.start();
        let found = estimators.iter().map(|how| self.ask(&start, *how)).collect();
        start.drawn.into_iter().for_each(|e| self.pool.push(e));
        Ok(found)
    }

    /// Draws members and data for an inner loop.
    fn start(&mut self) -> Start<K> {
        let drawn = self.pool.draw(self.options.members, &mut self.rng);
        let instances: Vec<u64> = drawn.iter().map(|e| e.instance).collect();
        let state = self.gather(&drawn);
        let draws = if self.options.fresh_batches { self.options.inner_steps } else { 1 };
        let train = (0..draws).map(|_| self.task.sample(Split::Train, &instances, &mut self.rng)).collect();
        let valid = self.task.sample(Split::Validation, &instances, &mut self.rng);
        Start { drawn, instances, state, train, valid }
    }

    fn ask(&mut self, start: &Start<K>, how: Estimator) -> Compared<O> {
        let inner = Inner {
            optimizer: self.optimizer,
            manifold: self.manifold,
            task: self.task,
            train: &start.train,
            valid: &start.valid,
            freeze: self.options.freeze_state,
        };
        self.tapes.derivative(&inner, &start.state, &self.params, self.options.inner_steps, how)
    }

    /// Fills the pool if it is time to, and says with what.
    fn fill(&mut self) -> Result<Option<String>, Error> {
        let due = self.options.refresh.is_some_and(|b| self.step > 0 && self.step.is_multiple_of(b.max(1)));
        if !due && self.pool.len() >= self.options.members {
            return Ok(None);
        }
        if due {
            self.pool.clear();
        }
        let method = self.methods[self.fills % self.methods.len()];
        self.fills += 1;
        loop {
            self.pool.warm_up(self.manifold, self.task, method, self.options.warm_up, &mut self.rng)?;
            // Few points and late pushes may not be enough for a batch at once.
            if self.pool.len() >= self.options.members {
                return Ok(Some(method.name()));
            }
            if self.pool.is_empty() {
                return Err(Error::EmptyPool);
            }
        }
    }

    /// Points and states of the members as batches: the state of an inner loop.
    fn gather(&self, drawn: &[Entry]) -> Vec<Batch> {
        let shape = drawn[0].point.shape();
        let x = join(shape, drawn.iter().map(|e| &e.point));
        let mut out = vec![x];
        for (k, s) in self.optimizer.state(Shape { batch: 1, ..shape }).into_iter().enumerate() {
            let zero = Batch::zeros(s);
            out.push(join(s, drawn.iter().map(|e| e.state.get(k).unwrap_or(&zero))));
        }
        out
    }

    fn put_back(&mut self, state: &[Batch], instances: &[u64]) {
        for (b, &instance) in instances.iter().enumerate() {
            let kept = if self.options.keep_state { &state[1..] } else { &[] };
            let state_of = kept.iter().map(|s| member(s, b)).collect();
            self.pool.push(Entry { point: member(&state[0], b), state: state_of, instance });
        }
    }
}

/// The inner loop as an iteration: the state is the point, then the optimiser's state.
struct Inner<'a, O, K: Task> {
    optimizer: &'a O,
    manifold: &'a dyn Manifold,
    task: &'a K,
    train: &'a [K::Data],
    valid: &'a K::Data,
    freeze: bool,
}

impl<O: LearnedOptimizer, K: Task> Iteration for Inner<'_, O, K> {
    type State = Vec<Batch>;
    type Params = O::Params;

    fn step<'t>(&self, _: &'t Tape, z: Vec<Var<'t>>, phi: <O::Params as Leaves>::Vars<'t>, t: usize) -> Vec<Var<'t>> {
        let data = &self.train[t % self.train.len()];
        let state: Vec<Var<'t>> = z[1..].iter().map(|s| if self.freeze { s.stop_gradient() } else { *s }).collect();
        let x = z[0];
        let g = x.grad(|x| self.task.cost(x, data).sum());
        let (tangent, next) = self.optimizer.step(self.manifold, &phi, x, g, &state);
        let mut out = vec![self.manifold.retract(&[x], &[tangent])[0]];
        out.extend(next);
        out
    }

    fn outer<'t>(&self, _: &'t Tape, z: Vec<Var<'t>>, _: <O::Params as Leaves>::Vars<'t>) -> Var<'t> {
        self.task.cost(z[0], self.valid).mean()
    }

    fn project<'t>(&self, _: &'t Tape, z: Vec<Var<'t>>, mut v: Vec<Var<'t>>) -> Vec<Var<'t>> {
        v[0] = self.manifold.project(&[z[0]], &[v[0]])[0];
        v
    }
}
