//! Derivatives of solutions and of iterations, each with a certificate that says how far to trust it.
//!
//! **A solution** `z(phi)` is a stationary point of a cost, a fixed point of a step or a root of a residual, in flat
//! space or on a manifold. You have computed it by any solver, and need its derivative by the parameters `phi`. That
//! takes one linear system, and the certificate states the error:
//!
//! ```
//! use pullback::prelude::*;
//! use pullback_implicit::{Condition, fixed_point};
//!
//! // cos z = z phi, as a fixed point; the given z is good to three digits.
//! let newton = fixed_point(&0.0f64, &1.0f64, |z: Var, phi: Var| z.cos().elem_div(phi)).flat();
//! let d = newton.at(&0.739, &1.0).jvp(&1.0)?;
//! let z = 0.7390851332151607_f64;                       // dz (-sin z - phi) = z dphi
//! assert!((d.value + z / (z.sin() + 1.0)).abs() < 1e-6);
//! assert!(d.certificate.verdict.is_sound(), "{}", d.certificate);
//! # Ok::<(), pullback_implicit::Error>(())
//! ```
//!
//! The page `docs/implicit.md` explains what is differentiated, what can go wrong, and how to read a certificate.
//!
//! **An iteration.** An inner loop `z_{t+1} = F(z_t, phi)` runs `T` steps, and an outer loss `L(z_T, phi)` depends on
//! the last state. What is `dL/dphi`? With `A = dF/dz` and `B = dF/dphi`, their transposes `A'` and `B'` (cotangents
//! are pulled back, so no metric is needed), and `v = dL/dz_T`:
//!
//! | [`Estimator`] | formula | memory |
//! |---|---|---|
//! | [`Unroll`](Estimator::Unroll) | the sum over all steps, exact for `z_T` | grows with `T` |
//! | [`Checkpointed`](Estimator::Checkpointed) | the same, steps run again from snapshots | `log T` states, one step |
//! | [`Forward`](Estimator::Forward) | the same, by one tangent for each parameter | constant |
//! | [`Truncated`](Estimator::Truncated) | the last `W` steps of it | grows with `W` |
//! | [`OneStep`](Estimator::OneStep) | `B' v`, the last step alone | constant |
//! | [`FixedPoint`](Estimator::FixedPoint) | `B' (v + A'v + A'A'v + ...)` with `A`, `B` of the last step | constant |
//!
//! [`Evolution`] needs only the values of the loss. If `z_T` is a fixed point, the series is
//! `B' (I - A')^{-1} v`, the derivative of the solution; it converges exactly when the inner loop does (spectral radius
//! of `A` on the tangent space below 1). Every result has a [`Certificate`] that says how far to trust it: how fast the
//! terms fall and how much of the sum is missing, also for one step.
//!
//! ```
//! use pullback::prelude::*;
//! use pullback_implicit::{Estimator, inner_loop};
//!
//! // Newton's iteration for sqrt(phi): at the fixed point d sqrt(phi)/d phi = 1 / (2 sqrt(phi)).
//! let newton = inner_loop(&1.0, &2.0, |z: Var, phi: Var, _t| (z + phi.elem_div(z)) * 0.5, |z, _phi| z);
//! let d = newton.derivative(8, Estimator::FixedPoint { terms: 5 })?;
//! assert!((d.gradient - 0.5 / 2f64.sqrt()).abs() < 1e-12);
//! assert!(d.certificate.rho.unwrap_or(0.0) < 1e-6 && !d.certificate.truncated);
//! # Ok::<(), pullback_implicit::Error>(())
//! ```
//!
//! On a manifold the derivative of a program is that of an extension to the ambient space, whose action on normal
//! vectors is arbitrary; `.on(&manifold)` projects every term to the tangent space.

mod agreement;
mod ask;
pub mod bilevel;
mod by_params;
mod certificate;
mod certify;
mod checkpointed;
mod condition;
mod error;
mod estimate;
mod estimators;
mod evolution;
mod forward;
mod iteration;
mod kinks;
mod last_step;
mod layer;
mod layer_system;
mod leftover;
pub mod linear;
mod linearise;
mod lists;
mod local;
mod local_map;
mod loop_kinks;
mod loop_members;
mod loop_steep;
mod measured;
mod members;
mod missing;
mod newton;
mod recording;
mod rounding;
mod series;
mod series_members;
mod series_verdict;
mod solution;
mod space;
mod stationarity;
mod steep;
mod trust;
mod unexplained;
mod verdict;

pub use agreement::{Agreement, agreement};
pub use certificate::{Certificate, LoopMember};
pub use condition::{
    Closure, Condition, ConditionFn, Cost, Kind, MapFn, Residual, Step, Unplaced, fixed_point, root, stationary,
};
pub use error::{Error, Result};
pub use estimate::{Derivative, Estimator, Sensitivity};
pub use estimators::{Estimate, Implicit, compare};
pub use evolution::{Evolution, Particles, Sampled};
pub use iteration::{By, Flat, InnerLoop, Iteration, On, OuterFn, ProjectFn, Projector, StepFn, inner_loop};
pub use layer::Layer;
pub use lists::List;
pub use solution::{Certified, Hypergradient, Linearisation, Settings, Solution, Tapes};
pub use space::Space;
pub use stationarity::Stationarity;
pub use trust::{Errors, Member, SolutionCertificate};
pub use verdict::{Verdict, Why};

/// The page that teaches, so that its code is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/implicit.md")]
struct Page;
