//! Optimisers on manifolds whose rule is learned.
//!
//! A learned optimiser is a struct of named parameters and a step on values: from a point, its Euclidean gradient and a
//! recurrent state to a tangent and the next state ([`LearnedOptimizer`]). [`GmLstm`] is the generalised matrix LSTM.
//! [`Training`] runs inner loops from a [`Pool`] of points and asks an estimator of [`pullback_implicit`] for the
//! meta-gradient; it knows neither the network nor the [`Task`]. [`Rollout`] uses the result, beside classical methods
//! on equal data.
//!
//! A whole training run, for planes that hold the most variance of noisy samples:
//!
//! ```
//! use pullback::prelude::*;
//! use pullback::Shape;
//! use pullback_implicit::Estimator;
//! use pullback_learned::*;
//! use pullback_manifolds::{Grassmann, Manifold, gaussian, rng};
//! use pullback_optim::{Momentum, Rsgd};
//! use std::ops::ControlFlow;
//!
//! struct Pca { spread: Vec<f64> }
//! impl Task for Pca {
//!     type Data = Batch;                                          // samples as columns, p x 20, for every member
//!     fn sample(&self, _: Split, members: &[u64], rng: &mut dyn rand::Rng) -> Batch {
//!         let p = self.spread.len();
//!         let z: Batch = gaussian(Shape::batch(members.len(), p, 20), rng);
//!         Batch::from_fn(z.shape(), |b, i, j| self.spread[i] * z.data()[(b * 20 + j) * p + i])
//!     }
//!     fn cost<'t>(&self, x: Var<'t>, d: &Batch) -> Var<'t> {      // |d - XX'd|² / 20 for orthonormal X
//!         let d = x.tape().constant(d);
//!         let y = x.t_mul(d);
//!         (d.dot(d) - y.dot(y)) * 0.05
//!     }
//! }
//! let task = Pca { spread: vec![3.0, 2.5, 1.0, 0.8, 0.5, 0.3] };
//! let gr = Grassmann::new(6, 2);
//!
//! let optimizer = GmLstm::new(GmLstmOptions { hidden: 8, ..GmLstmOptions::new(6, 2, 0.01) });
//! let fresh = optimizer.init(&mut rng(1));                          // is RSGD with step 0.01
//! let options = TrainingOptions {
//!     inner_steps: 5,
//!     members: 4,
//!     estimator: Estimator::FixedPoint { terms: 3 },
//!     ..TrainingOptions::default()
//! };
//! let mut training = Training::new(&optimizer, fresh.clone(), &gr, &task, &[&Rsgd { step: 0.01 }, &Momentum { step: 0.01, beta: 0.5 }], options);
//! training.run(30, |progress, _params| {
//!     assert!(progress.failure.is_none());                          // print, plot, save or stop here
//!     ControlFlow::Continue(())
//! })?;
//! let learned = training.into_params();
//!
//! // Both on the same fresh samples from the same starts.
//! let start = gr.random_point(4, &mut rng(2)).swap_remove(0);
//! let test = task.sample(Split::Validation, &[0; 4], &mut rng(3));
//! let mut after = vec![];
//! for params in [&fresh, &learned] {
//!     let mut run = Rollout::learned(&optimizer, params, &gr, &task, &start, &[0; 4], 7);
//!     for _ in 0..10 {
//!         run.step()?;
//!     }
//!     after.push(run.cost(&test)?.iter().sum::<f64>());
//! }
//! assert!(after[1] < after[0]);
//!
//! let bytes = optimizer.to_bytes(&learned)?;                        // or `save` and `load`
//! assert_eq!(GmLstm::from_bytes(&bytes)?, (optimizer, learned));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Training::compare`] asks several estimators about one inner loop, and [`pullback_implicit::agreement`] says how
//! well they agree.
//!
//! A left weight of `p x p` can store the principal subspace of the training data. Samples held out from the same
//! distribution prove little about having learned to optimise: evaluate on rotated tasks and on classes never seen
//! ([`Task::instance`]).

mod checkpoint;
mod each;
mod equivariant;
mod file;
mod gmlstm;
mod inner;
mod invariants;
mod keys;
mod layers;
mod learner;
mod memory;
mod optimizer;
mod options;
mod outer;
mod pool;
mod rmm;
mod rollout;
mod subspace;
mod task;
mod train;
mod trained;
mod update;
mod worker;

pub use checkpoint::TrainingCheckpoint;
pub use each::{Each, MatrixRule, RuleState, RuleVars};
pub use equivariant::{
    Equivariant, EquivariantOptions, EquivariantParams, EquivariantState, EquivariantStateVars, EquivariantVars, Layer,
    LayerVars,
};
pub use file::{FileError, Provenance, Saved, SavedRule, Stored, VERSION};
pub use gmlstm::{
    Direction, DirectionVars, GmLstm, GmLstmOptions, GmLstmParams, GmLstmVars, Input, StepSize, StepSizeVars,
};
pub use inner::{Blind, Cost, Descent, Features, InnerLoop, OnTangent};
pub use keys::Key;
pub use layers::{Cell, CellStates, CellStatesVars, CellVars};
pub use learner::{Progress, TrainingState};
pub use memory::{Memory, MemoryVars};
pub use optimizer::{Gradients, LearnedOptimizer, ParamVars, StateVars};
pub use options::{Horizon, OnSuspect, TrainingOptions};
pub use outer::Rule;
pub use pool::{Entry, Pool, WarmUp};
pub use rmm::{Rmm, RmmDirection, RmmDirectionVars, RmmOptions, RmmParams, RmmStep, RmmStepVars, RmmVars};
pub use rollout::Rollout;
pub use subspace::{
    Head, HeadVars, LstmLayer, LstmLayerVars, SideState, SideStateVars, Sides, Subspace, SubspaceOptions,
    SubspaceParams, SubspaceState, SubspaceStateVars, SubspaceVars,
};
pub use task::{Member, Split, Task};
pub use train::Training;
pub use trained::Trained;
pub use update::{Kind, Proposal, Sees, StepForm, Update};
pub use worker::{Compared, Contribution, Dropped, Job, Setup, Worker};

/// What ends a training run.
#[derive(Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The engine reports bad data or a number that is not finite.
    #[error(transparent)]
    Engine(#[from] pullback::Error),
    /// A warm-up pushed nothing.
    #[error("the warm-up pushed no point: `push_after` must be at most `steps`, and `members` positive")]
    EmptyPool,
    /// A checkpoint belongs to another run.
    #[error("the checkpoint's {what} is {got}, expected {expected}; continue it with the settings it was made with")]
    Mismatch {
        /// What differs.
        what: String,
        /// What this run has.
        expected: String,
        /// What the checkpoint has.
        got: String,
    },
    /// A checkpoint that cannot be read or written.
    #[error("the checkpoint cannot be read or written: {0}")]
    Unreadable(String),
}

/// The text of `Display`, so that `unwrap()` and `main` print a sentence.
impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}
