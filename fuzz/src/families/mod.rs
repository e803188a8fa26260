//! Properties of the rules, one file for a family, as functions of a few choices. Called by the fuzz targets and by the
//! tests of the engine.
//!
//! Whatever the case: a value with derivatives whose identities hold to rounding (dot test, second orders, symmetry),
//! or a typed error. No panic, and nothing that is silently not a number.
//!
//! A family is a file here, two lines below, a target in `fuzz_targets/` with its entry in `Cargo.toml`, and a name in
//! `crates/ad/tests/primitives/fuzzed.rs`.

mod case;
pub mod cayley;
pub mod cholesky;
pub mod eigen;
pub mod elementwise;
pub mod equations;
pub mod expm;
pub mod general;
pub mod layout;
pub mod least;
pub mod lu;
pub mod polar;
pub mod product;
pub mod program;
mod property;
pub mod qr;
pub mod reductions;
pub mod rotations;
pub mod spectra;
pub mod spectral;
pub mod trsm;

pub use case::Case;

/// A family: its name (that of its target), its property, and the primitives that it reaches.
pub type Family = (&'static str, fn(&Case), &'static [&'static str]);

/// Every family.
pub const FAMILIES: &[Family] = &[
    elementwise::FAMILY,
    layout::FAMILY,
    reductions::FAMILY,
    product::FAMILY,
    trsm::FAMILY,
    lu::FAMILY,
    least::FAMILY,
    cholesky::FAMILY,
    qr::FAMILY,
    spectral::FAMILY,
    spectra::FAMILY,
    polar::FAMILY,
    cayley::FAMILY,
    expm::FAMILY,
    equations::FAMILY,
    eigen::FAMILY,
    general::FAMILY,
    rotations::FAMILY,
    program::FAMILY,
];
