//! The learner: it draws jobs and applies contributions. The estimates in between are computed by a worker, in
//! `worker.rs`; both are combined in `train.rs`. Everything that changes is in [`TrainingState`].

use crate::Error;
use crate::inner::InnerLoop;
use crate::keys::{Key, Purpose};
use crate::outer::{Outer, clip, in_scalar};
use crate::pool::{Pool, WarmUpKeys};
use crate::task::Task;
use crate::worker::{Contribution, Dropped, Job, Setup, sum};
use pullback::{Leaves, Scalar};
use pullback_optim::{Method, Numbers};
use rand::RngExt;
use serde::{Deserialize, Serialize};

/// Everything of a run that changes: with it and the same settings a run continues bit for bit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct TrainingState<T: Scalar = f64> {
    /// The parameters.
    pub params: Numbers<T>,
    /// The outer optimiser's moments.
    pub(crate) outer: Outer<T>,
    /// The points from which inner loops start.
    pub pool: Pool<T>,
    /// How often the pool was filled, and in which step last.
    fills: usize,
    filled_in: Option<usize>,
    /// Steps of training that were applied.
    pub step: usize,
    /// The best parameters that were [offered](crate::Training::offer), and their score.
    pub best: Option<(f64, Numbers<T>)>,
}

/// What happened in a step of training.
#[derive(Debug, Clone)]
pub struct Progress {
    /// Which step, from 0.
    pub step: usize,
    /// Steps of its inner loops.
    pub horizon: usize,
    /// The mean outer loss of the members after the inner loop. `None` if no member counted; then the parameters are as
    /// they were.
    pub loss: Option<f64>,
    /// The mean outer loss of the same members before it, on the same data.
    pub before: Option<f64>,
    /// The norm of the meta-gradient before clipping.
    pub gradient: Option<f64>,
    /// The contraction that each group's certificate saw.
    pub rho: Vec<f64>,
    /// Groups whose series was cut off.
    pub truncated: usize,
    /// Groups whose meta-gradient was not sound, whether it was used or not.
    pub suspect: usize,
    /// Members that failed and were left out. Their points have left the pool.
    pub dropped: Vec<Dropped>,
    /// The most bytes the tapes of one worker held.
    pub bytes: usize,
    /// Points in the pool.
    pub pool: usize,
    /// The classical method, if the pool was filled for this step.
    pub filled_by: Option<String>,
}

impl<T: Scalar> TrainingState<T> {
    pub(crate) fn new<L: InnerLoop<K::Data, T>, K: Task<T>>(setup: &Setup<'_, L, K, T>, params: &L::Params) -> Self {
        TrainingState {
            params: Numbers(params.batches()),
            outer: Outer::new(setup.options.outer, params),
            pool: Pool::with_room(setup.options.capacity.max(setup.options.members)),
            fills: 0,
            filled_in: None,
            step: 0,
            best: None,
        }
    }

    /// The same state in another scalar: exact from single to double precision and back.
    pub(crate) fn over<U: Scalar>(&self) -> TrainingState<U> {
        TrainingState {
            params: in_scalar(&self.params),
            outer: self.outer.over(),
            pool: self.pool.over(),
            fills: self.fills,
            filled_in: self.filled_in,
            step: self.step,
            best: self.best.as_ref().map(|(score, best)| (*score, in_scalar(best))),
        }
    }

    /// Draws the members of the next step, which leave the pool, and says which method filled it if one did.
    ///
    /// # Errors
    /// A failure while the pool is filled.
    pub(crate) fn job<L: InnerLoop<K::Data, T>, K: Task<T>>(
        &mut self,
        setup: &Setup<'_, L, K, T>,
        methods: &[&dyn Method<T>],
    ) -> Result<(Job<T>, Option<String>), Error> {
        let filled_by = self.fill(setup, methods)?;
        let o = &setup.options;
        let key = |purpose| Key::new(o.seed, purpose).at(self.step as u64);
        let drawn = self.pool.draw(o.members, &mut key(Purpose::Draw).rng());
        let horizon = o.horizon.at(key(Purpose::Horizon).rng().random());
        let mut members = (0u64..).zip(drawn).peekable();
        let mut groups = vec![];
        while members.peek().is_some() {
            groups.push(members.by_ref().take(o.group.max(1)).collect());
        }
        Ok((Job { step: self.step, horizon, groups }, filled_by))
    }

    /// Applies the contributions of a job, in the order of its groups.
    pub(crate) fn apply<L: InnerLoop<K::Data, T>, K: Task<T>>(
        &mut self,
        setup: &Setup<'_, L, K, T>,
        params: &L::Params,
        job: &Job<T>,
        contributions: Vec<Contribution<T>>,
    ) -> Option<L::Params> {
        let mut all = Contribution::default();
        for c in contributions {
            if c.used > 0 {
                sum(&mut all.gradient, c.gradient.0);
            }
            all.used += c.used;
            c.arrived.into_iter().for_each(|e| self.pool.push(e));
        }
        self.step = job.step + 1;
        if all.used == 0 {
            return None;
        }
        let o = &setup.options;
        all.gradient.scale(1.0 / all.used as f64);
        clip(&mut all.gradient.0, o.clip);
        let decay = o.decay.map_or(1.0, |(c, every)| c.powi((job.step / every.max(1)) as i32));
        let next = self.outer.update(params, &all.gradient, decay);
        self.params = Numbers(next.batches());
        Some(next)
    }

    /// Fills the pool if it is time to, and says with what.
    fn fill<L: InnerLoop<K::Data, T>, K: Task<T>>(
        &mut self,
        setup: &Setup<'_, L, K, T>,
        methods: &[&dyn Method<T>],
    ) -> Result<Option<String>, Error> {
        let o = &setup.options;
        let due = o.refresh.is_some_and(|b| self.step > 0 && self.step.is_multiple_of(b.max(1)))
            && self.filled_in != Some(self.step);
        if !due && self.pool.len() >= o.members {
            return Ok(None);
        }
        if due {
            self.pool.clear();
        }
        let method = methods[self.fills % methods.len()];
        self.filled_in = Some(self.step);
        loop {
            let key = |purpose| Key::new(o.seed, purpose).at(self.fills as u64);
            let keys =
                WarmUpKeys { start: key(Purpose::Start), instance: key(Purpose::Instance), data: key(Purpose::WarmUp) };
            self.fills += 1;
            self.pool.warm_up(setup.manifold, setup.task, method, o.warm_up, keys)?;
            // Few points and late pushes may not be enough for a batch at once.
            if self.pool.len() >= o.members {
                return Ok(Some(method.name()));
            }
            if self.pool.is_empty() {
                return Err(Error::EmptyPool);
            }
        }
    }
}

/// What the contributions of a job say.
pub(crate) fn progress<T: Scalar>(job: &Job<T>, filled_by: Option<String>, all: &[Contribution<T>]) -> Progress {
    let used: usize = all.iter().map(|c| c.used).sum();
    let mean = |f: fn(&Contribution<T>) -> f64| {
        (used > 0).then(|| all.iter().filter(|c| c.used > 0).map(f).sum::<f64>() / used as f64)
    };
    let mut gradient = Numbers::default();
    all.iter().filter(|c| c.used > 0).for_each(|c| sum(&mut gradient, c.gradient.0.clone()));
    Progress {
        step: job.step,
        horizon: job.horizon,
        loss: mean(|c| c.loss),
        before: mean(|c| c.before),
        gradient: (used > 0).then(|| gradient.dot(&gradient).sqrt() / used as f64),
        rho: all.iter().flat_map(|c| c.rho.iter().copied()).collect(),
        truncated: all.iter().map(|c| c.truncated).sum(),
        suspect: all.iter().map(|c| c.suspect).sum(),
        dropped: all.iter().flat_map(|c| c.dropped.iter().cloned()).collect(),
        bytes: all.iter().map(|c| c.bytes).max().unwrap_or(0),
        pool: 0,
        filled_by,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Descent, Each, Horizon, Member, Split, Subspace, SubspaceOptions, TrainingOptions, Update};
    use crate::{Entry, Sides};
    use pullback::{Batch, Shape, Var};
    use pullback_manifolds::{Euclidean, rng};

    /// The cost `x`.
    struct Linear;
    impl Task for Linear {
        type Data = ();
        fn sample(&self, _: Split, _: &[Member]) {}
        fn cost<'t>(&self, x: &[Var<'t>], (): &()) -> Var<'t> {
            x[0] * 1.0
        }
    }

    /// Streams of two purposes may use different digits of one number, so that no correlation shows. So the numbers
    /// themselves are compared: with those of the purpose, and with those of every other one.
    #[test]
    fn lengths_and_members_are_drawn_from_streams_of_their_own() {
        let flat = Euclidean::new(1, 1);
        let net = Each::new(Subspace::new(SubspaceOptions::new(Sides::Scalar)), Update::new(0.1));
        let params = net.init(&mut rng(1));
        // So long that no two lengths are equal by chance.
        let horizon = Horizon::LogUniform(1_000_000, 1_000_000_000_000);
        let options = TrainingOptions { horizon, members: 3, refresh: None, seed: 5, ..TrainingOptions::default() };
        let setup = Setup { inner: Descent(net), manifold: &flat, task: &Linear, options };
        let mut state = TrainingState::new(&setup, &params);
        let point = || Numbers(vec![Batch::zeros(Shape::mat(1, 1))]);
        (0..20).for_each(|instance| state.pool.push(Entry { point: point(), state: Numbers::default(), instance }));
        for step in 0..30 {
            state.step = step;
            let stream = |purpose| Key::new(5, purpose).at(step as u64).rng();
            let mut pool = state.pool.clone();
            let (job, _) = state.job(&setup, &[]).unwrap();
            for purpose in Purpose::ALL {
                let length = horizon.at(stream(purpose).random());
                assert_eq!(length == job.horizon, purpose == Purpose::Horizon, "step {step}: {purpose:?}");
            }
            let drawn: Vec<u64> = job.groups.iter().flatten().map(|(_, e)| e.instance).collect();
            let by_hand = pool.draw(3, &mut stream(Purpose::Draw));
            assert_eq!(drawn, by_hand.iter().map(|e| e.instance).collect::<Vec<_>>());
            job.groups.into_iter().flatten().for_each(|(_, e)| state.pool.push(e));
        }
    }
}
