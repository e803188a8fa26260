//! Is this derivative right? An answer by properties that hold to rounding, not by loose tolerances.
//!
//! ```
//! use pullback_check::check;
//! let x0 = faer::mat![[2.0, 0.3], [0.1, 1.0], [0.5, 0.2]];
//! let report = check(|x| x.qr().0, &x0).seed(7).orders(1..=3).run();
//! println!("{report}");
//! report.assert_ok();
//! ```
//!
//! The layers, cheapest first; what each verdict means is printed with it.
//!
//! 1. *Dot test.* `<w, J v> = <J' w, v>`: the forward and the reverse rules, derived apart, are each other's transpose.
//! 2. *Taylor slopes.* The remainders after 1, 2, 3 derivatives fall with slope 2, 3, 4, or sit at the rounding floor: the rules are
//!    derivatives of the value, which the dot test alone cannot know.
//! 3. *Agreement.* Second derivatives by forward over reverse, by forward over the recorded gradient, by reverse over
//!    reverse, and third derivatives by three nestings, are the same numbers; Hessians are symmetric.
//!
//! Programs with several inputs are checked over any [`Leaves`](pullback::Leaves); with several outputs through [`check_many`].
//! Misuse (a program that is random, not finite, or without output) is an [`Error`] and not a wrong gradient. Every
//! tolerance is in [`tolerances`].

mod agreement;
mod builder;
mod error;
mod program;
mod report;
pub mod strategies;
mod taylor;
pub mod tolerances;

pub use builder::{Check, check, check_many};
pub use error::Error;
pub use report::{Defect, Remainders, Report, Step, Verdict};
