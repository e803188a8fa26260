//! Optimisers on manifolds whose update rule is learned.
//!
//! You have many similar problems, and want an optimiser that is fast on them. A learned optimiser consists of named
//! parameters and a step on values, which maps a point, its gradients and a recurrent state to a tangent and the next
//! state ([`LearnedOptimizer`]). Together with its parameters it is a [`Trained`], which is a
//! [`Method`](pullback_optim::Method) and runs wherever a classical one does. The last column of the table is the
//! method that an optimiser equals when its parameters are zero:
//!
//! | optimiser | for | number of parameters | with zeros |
//! |---|---|---|---|
//! | [`Each`]`<`[`GmLstm`]`>` | matrices of one size | `34 p² + hidden (pd + 2) + 1` | gradient descent |
//! | [`Each`]`<`[`Rmm`]`>` | symmetric matrices of one size | `35 d² + hidden (d² + 2) + 1` | gradient descent |
//! | [`Each`]`<`[`Subspace`]`>` | lists of matrices of any sizes | 5 242 | gradient descent |
//! | [`OnTangent`] around one of the first two | the same, gradient-free | theirs | one step of descent |
//! | [`GradientFree`]: rounds of that | the same, with data features | theirs and the features' | gradient descent |
//! | [`Equivariant`] | every manifold with a transport | 1 497 | L-BFGS without line search |
//!
//! [`Training`] runs inner loops from a [`Pool`] of points and computes the meta-gradient by an estimator of
//! [`pullback_implicit`]; it depends neither on the network nor on the [`Task`]. [`Rollout`] runs the result and
//! classical methods on the same data. `docs/learned.md` explains all of it.
//!
//! A whole training run, for the planes that contain the most variance of noisy samples:
//!
//! ```
//! use pullback::prelude::*;
//! use pullback::Shape;
//! use pullback_implicit::Estimator;
//! use pullback_learned::*;
//! use pullback_manifolds::{Grassmann, Manifold, gaussian, rng};
//! use pullback_optim::{Momentum, Problem, Rsgd, Steps, Stop};
//! use std::ops::ControlFlow;
//!
//! struct Pca { spread: Vec<f64> }
//! impl Task for Pca {
//!     type Data = Batch;                                          // samples as columns, p x 20, for every member
//!     fn sample(&self, _: Split, members: &[Member]) -> Batch {
//!         let p = self.spread.len();
//!         let one = |m: &Member| {
//!             let z: Batch = gaussian(Shape::mat(p, 20), &mut m.key.rng());
//!             pullback::faer::Mat::from_fn(p, 20, |i, j| self.spread[i] * z.data()[j * p + i])
//!         };
//!         Batch::stack(&members.iter().map(one).collect::<Vec<_>>())
//!     }
//!     fn cost<'t>(&self, x: &[Var<'t>], d: &Batch) -> Var<'t> {   // |d - XX^T d|² / 20 for orthonormal X
//!         let d = x[0].tape().constant(d);
//!         let y = x[0].t_mul(d);
//!         (d.dot(d) - y.dot(y)) * 0.05
//!     }
//! }
//! let task = Pca { spread: vec![3.0, 2.5, 1.0, 0.8, 0.5, 0.3] };
//! let gr = Grassmann::new(6, 2);
//!
//! let network = GmLstm::new(GmLstmOptions { hidden: 8, ..GmLstmOptions::new(6, 2) });
//! let optimizer = Each::new(network, Update::new(0.01));
//! let fresh = optimizer.init(&mut rng(1));                          // is gradient descent with step 0.01
//! let options = TrainingOptions {
//!     horizon: Horizon::Steps(5),
//!     members: 4,
//!     group: 2,
//!     estimator: Estimator::Unroll,
//!     ..TrainingOptions::default()
//! };
//! let methods: [&dyn pullback_optim::Method; 2] = [&Rsgd { step: 0.01 }, &Momentum { step: 0.01, beta: 0.5 }];
//! let inner = Descent(optimizer.clone());
//! let mut training = Training::new(inner, fresh.clone(), &gr, &task, &methods, options).threads(2);
//! training.run(30, |progress, _params| {
//!     assert!(progress.dropped.is_empty());                         // print, plot, save or stop here
//!     ControlFlow::Continue(())
//! })?;
//! let trained = Trained::new(optimizer.clone(), training.into_params());
//!
//! // Both on the same fresh samples from the same starts.
//! let start: Vec<Batch> = gr.random_point(4, &mut rng(2));
//! let test = task.sample(Split::Validation, &Member::list(&[0; 4], 3));
//! let mut after = vec![];
//! for method in [&Trained::new(optimizer, fresh), &trained] {
//!     let mut run = Rollout::new(method, &gr, &task, &start, &[0; 4], 7);
//!     for _ in 0..10 {
//!         run.step()?;
//!     }
//!     after.push(run.cost(&test)?.iter().sum::<f64>());
//! }
//! assert!(after[1] < after[0]);
//!
//! // Stored, read and used: it checks that the manifold is the one it was trained on.
//! let bytes = trained.to_bytes(&Provenance::new(&gr, "noisy samples"))?;
//! let again = Stored::<Each<GmLstm>>::from_bytes(&bytes)?.on(&gr)?;
//! let problem = Problem::new(&gr, &start[0], |x: Var| {
//!     let d = x.tape().constant(&test);
//!     -x.t_mul(d).dot(x.t_mul(d)).sum()
//! });
//! let found = problem.solve(Steps(again), Stop::Iterations(10))?;
//! assert_eq!(found.iterations, 10);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Training::compare`] applies several estimators to one inner loop, and [`pullback_implicit::agreement`] says how
//! well they agree.
//!
//! A left weight of `p x p` can store the principal subspace of the training data. Samples held out from the same
//! distribution prove little about having learned to optimise: evaluate on rotated tasks and on classes never seen
//! ([`Task::instance`]).

mod checkpoint;
mod convolution;
mod convolved;
mod each;
mod equivariant;
mod file;
mod file_error;
mod free_file;
mod gmlstm;
mod inner;
mod invariants;
mod keys;
mod labelled;
mod layers;
mod learner;
mod matrices;
mod memory;
#[cfg(any(feature = "mpi", test))]
mod message;
mod optimizer;
mod options;
mod outer;
mod pool;
#[cfg(feature = "mpi")]
mod rank_error;
#[cfg(feature = "mpi")]
mod ranks;
mod rmm;
mod rollout;
mod rounds;
mod scale;
mod steps;
mod subspace;
mod task;
mod train;
mod trained;
mod update;
mod worker;

pub use checkpoint::TrainingCheckpoint;
pub use convolved::{Convolved, ConvolvedParams, ConvolvedVars, Pictures};
pub use each::{Each, MatrixRule, RuleState, RuleVars};
pub use equivariant::{
    Equivariant, EquivariantOptions, EquivariantParams, EquivariantState, EquivariantStateVars, EquivariantVars, Layer,
    LayerVars,
};
pub use file::{Provenance, Saved, SavedRule, Stored, VERSION};
pub use file_error::FileError;
pub use free_file::{SavedFeatures, StoredFree};
pub use gmlstm::{
    Direction, DirectionVars, GmLstm, GmLstmOptions, GmLstmParams, GmLstmVars, Input, StepSize, StepSizeVars,
};
pub use inner::{Blind, Cost, Descent, Features, InnerLoop, OnTangent, Weight};
pub use keys::Key;
pub use labelled::{Labelled, LabelledParams, LabelledVars};
pub use layers::{Cell, CellStates, CellStatesVars, CellVars};
pub use learner::{Progress, TrainingState};
pub use matrices::{Matrices, MatricesParams, MatricesVars};
pub use memory::{Memory, MemoryVars};
pub use optimizer::{Gradients, LearnedOptimizer, ParamVars, StateVars};
pub use options::{Horizon, OnSuspect, TrainingOptions};
pub use outer::OuterRule;
pub use pool::{Entry, Pool, WarmUp};
#[cfg(feature = "mpi")]
pub use rank_error::RankError;
#[cfg(feature = "mpi")]
pub use ranks::Ranks;
pub use rmm::{Rmm, RmmDirection, RmmDirectionVars, RmmOptions, RmmParams, RmmStep, RmmStepVars, RmmVars};
pub use rollout::Rollout;
pub use rounds::{FreeRun, GradientFree, Looking, Rounds};
pub use scale::{ScaleChoice, ScaleSearch, ScaleTried};
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
    #[error(
        "expected a point from the warm-up, got none: `push_after` must be at most `steps`, and `members` positive"
    )]
    EmptyPool,
    /// No scale of a [`ScaleSearch`] lets all members survive with a lower mean cost.
    #[error(
        "expected a scale of steps at which all {members} members survive and their mean cost falls below {before}, got \
         none; try smaller scales:{}",
        .tried.iter().map(scale::words).collect::<String>()
    )]
    NoScale {
        /// Members that were run.
        members: usize,
        /// Their mean cost before.
        before: f64,
        /// What became of every scale.
        tried: Vec<ScaleTried>,
    },
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
    /// Something went wrong between the ranks of a training (feature `mpi`).
    #[cfg(feature = "mpi")]
    #[error(transparent)]
    Rank(#[from] RankError),
}

/// The text of `Display`, so that `unwrap()` and `main` print a sentence.
impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}
