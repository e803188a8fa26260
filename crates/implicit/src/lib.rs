//! The derivative of an iteration with respect to its parameters, by estimators that answer the same question.
//!
//! An inner loop `z_{t+1} = F(z_t, phi)` runs `T` steps and an outer loss `L(z_T, phi)` looks at where it arrived. What
//! is `dL/dphi`? With `A = dF/dz` and `B = dF/dphi` (cotangents are pulled back, so no metric is needed):
//!
//! | [`Estimator`] | formula | memory |
//! |---|---|---|
//! | [`Unroll`](Estimator::Unroll) | the sum over all steps, exact for `z_T` | grows with `T` |
//! | [`Truncated`](Estimator::Truncated) | the last `W` steps of it | grows with `W` |
//! | [`OneStep`](Estimator::OneStep) | `B' v`, the last step alone | constant |
//! | [`FixedPoint`](Estimator::FixedPoint) | `B' (v + A'v + A'A'v + ...)` with `A`, `B` of the last step | constant |
//!
//! with `v = dL/dz_T`. If `z_T` is a fixed point, the series is `B' (I - A')^{-1} v`, the derivative of the solution;
//! it converges exactly when the inner loop does (spectral radius of `A` on the tangent space below 1). Every answer
//! carries a
//! [`Certificate`] that says how far to trust it: how fast the terms fall and how much of the sum is missing, for one
//! step too.
//!
//! ```
//! use pullback::prelude::*;
//! use pullback_implicit::{Estimator, program};
//!
//! // Newton's iteration for sqrt(phi): at the fixed point d sqrt(phi)/d phi = 1 / (2 sqrt(phi)).
//! let newton = program(&1.0, &2.0, |z: Var, phi: Var, _t| (z + phi.elem_div(z)) * 0.5, |z, _phi| z);
//! let d = newton.derivative(8, Estimator::FixedPoint { terms: 5 })?;
//! assert!((d.gradient - 0.5 / 2f64.sqrt()).abs() < 1e-12);
//! assert!(d.certificate.rho.unwrap_or(0.0) < 1e-6 && !d.certificate.truncated);
//! # Ok::<(), pullback_implicit::Error>(())
//! ```
//!
//! On a manifold the derivative of a program is that of an extension to the ambient space, whose action on normal
//! vectors is arbitrary; `.on(&manifold)` projects every term to the tangent space.

mod certificate;
mod estimate;
mod iteration;
mod series;

pub use certificate::Certificate;
pub use estimate::{Agreement, Derivative, Error, Estimator, Result, Sensitivity, agreement};
pub use iteration::{By, Flat, Iteration, On, OuterFn, Program, ProjectFn, Projector, StepFn, program};
