//! Fuzz targets for the rules of Pullback and for the readers of its files: `cargo fuzz run -s none qr`. See
//! `README.md`.
//!
//! The properties are plain functions: of a [`families::Case`] for the rules, of bytes for the readers. The tests of
//! the crates call the same ones a fixed number of times.

#[path = "../../crates/experiments/src/arrays.rs"]
pub mod arrays;
#[path = "../../crates/ad/tests/known_answers/case.rs"]
#[allow(dead_code)]
mod case;
pub mod families;
pub mod parsing;

use families::Case;

/// What a fuzzer draws: a seed for the entries, and the choices.
#[derive(Debug, arbitrary::Arbitrary)]
pub struct Drawn {
    seed: u64,
    rows: u8,
    cols: u8,
    batch: u8,
    kind: u8,
    distance: u8,
    op: u8,
}

impl From<Drawn> for Case {
    fn from(d: Drawn) -> Self {
        let Drawn { seed, rows, cols, batch, kind, distance, op } = d;
        Case { seed, rows, cols, batch, kind, distance, op, broken: false }
    }
}
