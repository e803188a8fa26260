//! Classical Riemannian solvers: a cost is a closure, its gradient comes from the engine, its space is a [`Manifold`].
//!
//! ```
//! use pullback::prelude::*;
//! use pullback_manifolds::{Grassmann, Manifold, rng};
//! use pullback_optim::{Momentum, Problem, Stop};
//!
//! let a = faer::Mat::<f64>::from_fn(6, 6, |i, j| if i == j { (i + 1) as f64 } else { 0.0 });
//! let gr = Grassmann::new(6, 2);
//! let x0 = gr.random_point(1, &mut rng(3)).swap_remove(0);
//!
//! let problem = Problem::new(&gr, &x0, |x| x.t_mul(&a * x).trace());    // the two smallest eigenvalues
//! let mut run = problem.run(Momentum { step: 0.05, beta: 0.5 }, Stop { iterations: 2000, gradient: 1e-8 });
//! while let Some(state) = run.step()? {
//!     if state.iteration % 100 == 0 { /* look at state.cost, state.gradient, state.point */ }
//! }
//! let (done, x) = run.finish();
//! assert!((done.cost - 3.0).abs() < 1e-9 && gr.check_point(&[x]).is_ok());
//! # use pullback::faer;
//! # Ok::<(), pullback::Error>(())
//! ```
//!
//! [`Method`]s are programs on values: they run plainly here, and recorded wherever somebody differentiates them.
//! [`tune`] tries a list of steps and keeps the whole table.
//!
//! [`Manifold`]: pullback_manifolds::Manifold

mod method;
mod problem;
mod tune;

pub use method::{Method, Momentum, Rsgd, descend};
pub use problem::{Problem, Run, State, Stop, Stopped, Why};
pub use tune::{Trial, Tuned, log_grid, tune};
