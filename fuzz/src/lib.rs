//! Fuzz targets for the rules of Pullback: `cargo fuzz run -s none qr`.
//!
//! The properties are plain functions of a [`families::Case`]; `crates/ad/tests/primitives` calls the same ones a fixed number of
//! times.

pub mod families;

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
        Case { seed: d.seed, rows: d.rows, cols: d.cols, batch: d.batch, kind: d.kind, distance: d.distance, op: d.op }
    }
}
