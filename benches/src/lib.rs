//! What the benchmarks share: timing that can be trusted on a noisy machine, and one side of a comparison with other
//! libraries. No benchmark lives here; they are the files beside `src/`.

mod race;
pub mod worker;

pub use race::{COUNTED, Candidate, Measured, Race, against, entries, pretty};
