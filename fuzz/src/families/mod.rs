//! Properties of the rules, one file for a target, as functions of a few choices. Called by the fuzz targets and by the
//! tests of the engine.
//!
//! Whatever the case: a value with derivatives whose identities hold to rounding (dot test, second orders, symmetry),
//! or a typed error. No panic, and nothing that is silently not a number.
//!
//! The families are those of the registry. A target is a file here, in the folder of its family where there are
//! several, two lines below, a binary in `fuzz_targets/` with its entry in `Cargo.toml`, and a name in
//! `crates/ad/tests/primitives/fuzzed.rs`.

mod case;
mod property;

pub mod control;
pub mod entries;
pub mod factorisations {
    //! Cholesky, QR and polar factors.
    use super::{Case, Target, property};
    pub mod cholesky;
    pub mod polar;
    pub mod qr;
}
pub mod layout;
pub mod matrix_functions {
    //! Functions of general, symmetric and skew matrices.
    use super::{Case, Target, property};
    pub mod cayley;
    pub mod expm;
    pub mod general;
    pub mod rotations;
    pub mod spectral;
}
pub mod products;
pub mod reductions;
pub mod solves {
    //! Linear systems, least squares and matrix equations.
    use super::{Case, Target, property};
    pub mod equations;
    pub mod least_squares;
    pub mod lu;
    pub mod trsm;
}
pub mod spectra {
    //! Eigenvalues and vectors, singular values and vectors.
    use super::{Case, Target, case, property};
    pub mod eig;
    pub mod eigh;
}

pub use case::Case;

/// A target: its name, its property, and the primitives that it reaches, which may be of other families too.
pub type Target = (&'static str, fn(&Case), &'static [&'static str]);

/// Every family with its targets.
pub const FAMILIES: &[(&str, &[Target])] = &[
    ("entries", &[entries::TARGET]),
    ("reductions", &[reductions::TARGET]),
    ("layout", &[layout::TARGET]),
    ("products", &[products::TARGET]),
    ("solves", &[solves::trsm::TARGET, solves::lu::TARGET, solves::least_squares::TARGET, solves::equations::TARGET]),
    ("factorisations", &[factorisations::cholesky::TARGET, factorisations::qr::TARGET, factorisations::polar::TARGET]),
    (
        "matrix functions",
        &[
            matrix_functions::spectral::TARGET,
            matrix_functions::cayley::TARGET,
            matrix_functions::expm::TARGET,
            matrix_functions::general::TARGET,
            matrix_functions::rotations::TARGET,
        ],
    ),
    ("spectra", &[spectra::eigh::TARGET, spectra::eig::TARGET]),
    ("control", &[control::TARGET]),
];

/// Every target of every family.
pub fn targets() -> impl Iterator<Item = &'static Target> {
    FAMILIES.iter().flat_map(|(_, targets)| *targets)
}
