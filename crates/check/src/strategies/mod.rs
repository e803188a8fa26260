//! Matrices to check at, over (seed, shape, kind): given spectra, gaps, ranks and condition numbers; positive definite,
//! orthonormal, skew; near degenerate ones at a chosen distance; graded; in batches; and tangents there.
//!
//! A [`Recipe`] is a matrix by its description. It is a few words in a failure message, it makes the same batch every
//! time, and it knows what is simpler than itself: smaller, of rounder numbers, better conditioned, generic. A positive
//! definite matrix shrinks to positive definite ones, because the description shrinks and not the entries.
//!
//! [`Matrices`] is a set of recipes: it draws them from seeds and, with the feature `proptest` (on by default), is a
//! strategy of [`proptest`](https://docs.rs/proptest):
//!
//! ```
//! use proptest::prelude::*;
//! use pullback::Var;
//! use pullback_check::{check, strategies::{Spectrum, spd}};
//!
//! let nearly_tied = spd(1..=5).spectra(&[Spectrum::Tied { gap: 0.0 }, Spectrum::Tied { gap: 1e-8 }]).batches(1..=3);
//! let mut runner = proptest::test_runner::TestRunner::deterministic();
//! runner.run(&nearly_tied, |a| {
//!     let report = check(|x: Var| x.logm_spd(), &a.batch()).condition(a.condition()).run();
//!     prop_assert!(report.is_ok(), "{report}");
//!     Ok(())
//! }).unwrap();
//! ```
//!
//! How a recipe becomes numbers is in `recipe`, what is simpler in `simpler`, how recipes are drawn in `matrices`.

mod matrices;
#[cfg(feature = "proptest")]
mod proptest;
mod recipe;
mod simpler;

#[cfg(feature = "proptest")]
pub use self::proptest::Shrinking;
pub use matrices::{Form, Matrices, entries, general, matrices, orthonormal, regular, skew, spd, symmetric, tall};
pub use recipe::{Kind, Recipe, Spectrum};
