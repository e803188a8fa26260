//! Is this derivative right? This crate tests it by properties that hold to rounding, not by loose tolerances.
//!
//! ```
//! use pullback_check::check;
//! let x0 = faer::mat![[2.0, 0.3], [0.1, 1.0], [0.5, 0.2]];
//! let report = check(|x| x.qr().0, &x0).seed(7).orders(1..=3).run();
//! println!("{report}");
//! report.assert_ok();
//! ```
//!
//! The report has three layers of tests, the cheapest first, and explains its verdicts.
//!
//! 1. *Dot test.* `<w, J v> = <J' w, v>`: the forward and the reverse rules, derived apart, are each other's transpose.
//! 2. *Agreement of modes.* Second derivatives found in five ways, and third derivatives in five, are the same numbers;
//!    Hessians are symmetric; a tape replayed at another point is a fresh run there; a batch is its members
//!    ([`Modes`]).
//! 3. *Taylor slopes.* The remainders after 1, 2, 3 derivatives fall with slope 2, 3, 4, or sit at the rounding floor:
//!    the rules are derivatives of the value, which the equalities alone cannot know.
//!
//! Programs over any [`Leaves`](pullback::Leaves) (matrices, or trees of them) are checked by [`check`] and
//! [`check_many`], a user's own primitive by the complete tests of [`suite()`], rules from outside this engine by
//! [`check_triple`], functions on manifolds by [`Check::on`], the manifolds themselves by [`check_space`]. [`controls`]
//! breaks rules on purpose. Misuse (a program that is random, a point outside the domain or on a kink) is reported as
//! an [`Error`] and not as a wrong gradient. Every tolerance is in [`tolerances`]. Start with the [`guide`].

mod agreement;
mod builder;
mod condition;
pub mod controls;
mod error;
pub mod gauge;
mod geometry;
mod hints;
mod lists;
mod members;
mod modes;
mod plan;
#[cfg(feature = "plot")]
mod plot;
pub mod precise;
mod program;
mod replay;
mod report;
mod rounding;
mod slopes;
pub mod strategies;
mod subject;
pub mod suite;
mod taylor;
pub mod tolerances;
mod triple;

#[doc = include_str!("../../../docs/checking.md")]
pub mod guide {}

pub use builder::{Check, check, check_many};
pub use error::Error;
pub use geometry::{SpaceCheck, check_space};
pub use modes::Modes;
pub use pullback_geometry::Manifold;
pub use report::{Defect, Remainders, Report, Skipped, Step, Verdict};
pub use suite::suite;
pub use triple::{TripleCheck, check_gradient, check_triple};
