//! Classical Riemannian solvers.
//!
//! You want the minimum of a cost over a [`Manifold`]: write the cost as a closure, give a starting point, and choose a
//! solver. Gradient and Hessian come from the engine.
//!
//! ```
//! use pullback::prelude::*;
//! use pullback_manifolds::{Grassmann, rng};
//! use pullback_optim::{Problem, Stop, TrustRegions};
//!
//! let a = faer::Mat::<f64>::from_fn(6, 6, |i, j| if i == j { (i + 1) as f64 } else { 0.0 });
//! let gr = Grassmann::new(6, 2);
//! let x0: faer::Mat<f64> = gr.random(&mut rng(3));
//!
//! let problem = Problem::new(&gr, &x0, |x| x.quadratic_form(&a));    // the two smallest eigenvalues
//! let found = problem.solve(TrustRegions::default(), Stop::GradientNorm(1e-10) | Stop::Iterations(100))?;
//! assert!((found.cost - 3.0).abs() < 1e-12);
//! println!("{found}");                               // cost, gradient norm, steps, and why it stopped
//! # use pullback::faer;
//! # Ok::<(), pullback_optim::Error>(())
//! ```
//!
//! | solver | needs | memory, in tangents |
//! |---|---|---|
//! | [`TrustRegions`] | Hessian-vector products | 6 |
//! | [`AdaptiveCubics`] | Hessian-vector products | 3, and one for each inner iteration |
//! | [`LevenbergMarquardt`], [`GaussNewton`] | residuals ([`Problem::least_squares`]) | 6 |
//! | [`Lbfgs`] | gradients | 2 for each of its pairs |
//! | [`ConjugateGradient`] | gradients | 3 |
//! | [`BarzilaiBorwein`] | gradients | 2 |
//! | [`GradientDescent`] | gradients | 1 |
//! | [`Rsgd`], [`Momentum`], [`RAdam`], [`CRmsProp`], [`Rasa`] | gradients, of minibatches too; a rule gives the step | 0 to 1 |
//! | [`Rsvrg`], [`Rsrg`] | gradients of minibatches, and from time to time of the whole cost | 3 |
//! | [`NelderMead`] | costs alone; an exponential and a logarithm | the dimension |
//! | [`AugmentedLagrangian`] | constraints ([`Constrained`]), and one of the solvers above | that of the other solver |
//!
//! `docs/solvers.md` says which solver to use and how to read its results. `docs/optimisation.md` is a tutorial through
//! the examples of this crate: which manifold, which solver, how to plot.
//!
//! A run can be taken step by step ([`Problem::run`]), says why it stopped ([`Why`]), keeps its [`History`] and can be
//! written to a [`Checkpoint`] and resumed. [`Method`]s are programs on values: solvers evaluate them, and other
//! programs can record and differentiate them. [`tune`] tries a list of step sizes and keeps the whole table.
//!
//! [`Manifold`]: pullback_manifolds::Manifold

mod adaptive;
mod augmented;
mod barzilai_borwein;
mod by_hand;
mod conjugate;
mod constraints;
mod cubic;
mod cubics;
mod descent;
mod error;
mod history;
mod lbfgs;
mod least_squares;
mod line_search;
mod method;
mod nelder_mead;
mod numbers;
mod oracle;
mod problem;
#[cfg(feature = "progress")]
mod progress;
mod run;
mod schedule;
mod solver;
mod space;
mod stochastic;
mod stop;
mod trust_region;
mod tune;
mod variance;
mod view;

pub use adaptive::{CRmsProp, RAdam, Rasa};
pub use augmented::{Augmented, AugmentedLagrangian, AugmentedState, ConstrainedFound, Outer, Verdict};
pub use barzilai_borwein::{BarzilaiBorwein, BarzilaiBorweinState};
pub use by_hand::{Derivatives, Off};
pub use conjugate::{Beta, ConjugateGradient, ConjugateState};
pub use constraints::Constrained;
pub use cubics::{AdaptiveCubics, CubicsState};
pub use descent::{DescentState, GradientDescent};
pub use error::{Error, Result};
pub use history::{History, Row};
pub use lbfgs::{Lbfgs, LbfgsState};
pub use least_squares::{GaussNewton, GaussNewtonState, LevenbergMarquardt, LevenbergState};
pub use line_search::LineSearch;
pub use method::{Method, Momentum, Rsgd, descend};
pub use nelder_mead::{NelderMead, NelderMeadState};
pub use numbers::Numbers;
pub use oracle::{Oracle, WHOLE, Where};
pub use problem::Problem;
pub use run::{Checkpoint, Found, Progress, Run};
pub use schedule::Schedule;
pub use solver::{Solver, Step, Steps};
pub use space::Space;
pub use stochastic::{BatchFn, Stochastic};
pub use stop::{Stop, Why};
pub use trust_region::{TrustRegions, TrustState};
pub use tune::{Trial, Tuned, log_grid, tune};
pub use variance::{Reference, Rsrg, Rsvrg};
pub use view::{Counts, Iterate, View};

/// The page on solvers, so that its code is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/solvers.md")]
struct SolversPage;

/// The tutorial, so that its code is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/optimisation.md")]
struct Tutorial;
