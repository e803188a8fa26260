//! The options of a training run. They are used in `train.rs`, `worker.rs` and `learner.rs`.

use crate::outer::OuterRule;
use crate::pool::WarmUp;
use pullback_implicit::Estimator;
use serde::{Serialize, Serializer};

/// How long inner loops are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Horizon {
    /// `T` steps.
    Steps(usize),
    /// A number from the first to the last, uniform in its logarithm, drawn anew for every job.
    LogUniform(usize, usize),
}

impl Horizon {
    /// The horizon of a number `u` uniform in `[0, 1)`.
    pub(crate) fn at(self, u: f64) -> usize {
        match self {
            Horizon::Steps(t) => t,
            Horizon::LogUniform(low, high) => {
                let (low, high) = (low.max(1), high.max(low.max(1)));
                let t = low as f64 * ((high + 1) as f64 / low as f64).powf(u);
                (t as usize).clamp(low, high)
            }
        }
    }
}

/// What happens to a meta-gradient whose certificate says that the loop does not contract or the series was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub enum OnSuspect {
    /// It is used. It is still counted.
    Apply,
    /// It is left out; the points go back to the pool.
    Skip,
    /// The meta-gradient of another estimator is used.
    FallBack(#[serde(serialize_with = "in_words")] Estimator),
}

/// How to train.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrainingOptions {
    /// Steps of an inner loop.
    pub horizon: Horizon,
    /// `b`: the members of a step of training, which are points that are optimised together.
    pub members: usize,
    /// The number of members that are run as one batch: the unit of work of a thread, of a certificate and of
    /// [`clip_each`](TrainingOptions::clip_each). It affects the results of a run; the number of threads does not.
    pub group: usize,
    /// The estimator of the meta-gradient.
    #[serde(serialize_with = "in_words")]
    pub estimator: Estimator,
    /// What happens where its certificate is not sound.
    pub on_suspect: OnSuspect,
    /// Is the optimiser's state a constant for the meta-gradient? The papers' code does so; otherwise the
    /// derivative is taken through the state too.
    pub freeze_state: bool,
    /// Does the state go back to the pool with the point? Else an inner loop always starts with a fresh state.
    pub keep_state: bool,
    /// Is a new minibatch drawn for each inner step? Else one serves a whole inner loop, which is then one fixed map. A
    /// minibatch is drawn when it is needed, so there is never more than one.
    pub fresh_batches: bool,
    /// The outer optimiser.
    pub outer: OuterRule,
    /// The mean gradient of each group is shortened to this norm before it is added.
    pub clip_each: Option<f64>,
    /// The meta-gradient is shortened to this norm.
    pub clip: Option<f64>,
    /// `Some((factor, n))`: the outer rate is multiplied by `factor` after every `n` steps.
    pub decay: Option<(f64, usize)>,
    /// Points the pool holds at most.
    pub capacity: usize,
    /// How the pool is filled.
    pub warm_up: WarmUp,
    /// `B`: the pool is emptied and filled again after this many steps, with the next of the classical methods.
    pub refresh: Option<usize>,
    /// The seed of the random numbers.
    pub seed: u64,
}

impl Default for TrainingOptions {
    /// Ten inner steps of eight points, five terms of the fixed-point series through the state, Adamax at 1e-3.
    fn default() -> Self {
        TrainingOptions {
            horizon: Horizon::Steps(10),
            members: 8,
            group: 8,
            estimator: Estimator::FixedPoint { terms: 5 },
            on_suspect: OnSuspect::Apply,
            freeze_state: false,
            keep_state: false,
            fresh_batches: true,
            outer: OuterRule::Adamax { rate: 1e-3 },
            clip_each: None,
            clip: Some(1.0),
            decay: None,
            capacity: 512,
            warm_up: WarmUp::default(),
            refresh: Some(500),
            seed: 0,
        }
    }
}

/// An estimator has no serial form of its own; what tells runs apart is what it prints.
fn in_words<S: Serializer>(how: &Estimator, s: S) -> Result<S::Ok, S::Error> {
    s.collect_str(&format_args!("{how:?}"))
}
