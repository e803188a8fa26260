//! What a kernel can find wrong with its data. Where it happened (primitive, line) is the engine's to add.

/// A fact about the data that leaves a kernel without an answer.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// An input entry is NaN or infinite.
    #[error("input entry {index} (column-major) is {value}, not a finite number")]
    NonFinite {
        /// Column-major position of the first such entry.
        index: usize,
        /// The entry.
        value: f64,
    },
    /// A matrix that must be inverted is singular to working precision.
    #[error("singular to working precision: pivot {index} is {ratio:.1e} times the terms that it is the difference of")]
    Singular {
        /// Which pivot.
        index: usize,
        /// The pivot over the size of the terms whose difference it is.
        ratio: f64,
    },
    /// A symmetric matrix that must be positive definite is not.
    #[error("not positive definite: pivot or eigenvalue {index} is {value:.3e}")]
    NotPositiveDefinite {
        /// Which pivot or eigenvalue.
        index: usize,
        /// Its value.
        value: f64,
    },
    /// Columns that must be independent are not: the factors have no derivative there.
    #[error("rank-deficient: column {index} is within {ratio:.1e} of the span of the columns taken before it")]
    RankDeficient {
        /// Which column; of a polar factorisation, which takes no order, the one that counts most among the dependent
        /// ones.
        index: usize,
        /// Its distance to the others over its size.
        ratio: f64,
    },
    /// An iteration did not converge.
    #[error("the iteration did not converge")]
    NoConvergence,
    /// Two neighbouring blocks of a Schur form cannot be exchanged without an error beyond rounding: their eigenvalues
    /// are too close.
    #[error(
        "the blocks at {index} of the Schur form cannot be exchanged (residual {residual:.1e}): their eigenvalues are too \
         close to be told apart; choose them together"
    )]
    Exchange {
        /// Where the upper of the two begins.
        index: usize,
        /// The error the exchange would have, over the size of the blocks.
        residual: f64,
    },
    /// The eigenvalues of a group are too close to the others, or to its boundary.
    #[error(
        "the group of eigenvalues is not separated from the others (separation {separation:.1e} of the size of the matrix): \
         move its boundary, or choose what is close together"
    )]
    Unseparated {
        /// The distance to the boundary, or the separation of the blocks of the Schur form, over the size of the
        /// matrix.
        separation: f64,
    },
    /// An eigenvalue lies on the closed negative real axis, to working precision: the function has no principal value
    /// there.
    #[error(
        "no principal value: the eigenvalue {re:.3e} + {im:.1e} i lies on the closed negative real axis, to working \
         precision"
    )]
    NoPrincipalValue {
        /// The real part.
        re: f64,
        /// The imaginary part.
        im: f64,
    },
    /// The result would not have the digits it is asked to have.
    #[error("ill-conditioned: the result of {what} would leave a residual of {residual:.1e} of the data")]
    IllConditioned {
        /// Which result.
        what: &'static str,
        /// The residual over the size of the data.
        residual: f64,
    },
    /// The value exists, but not this derivative.
    #[error("not differentiable: {what}")]
    NotDifferentiable {
        /// Why.
        what: &'static str,
    },
    /// A cotangent sees more of a factor than the factor is unique up to: there is no derivative along it.
    #[error(
        "gauge-dependent: {defect:.1e} of the cotangent lies along a choice of basis that the factor does not determine; use the \
         factor only through what does not depend on it, or ask for the projection"
    )]
    GaugeDependent {
        /// The part of the cotangent along the gauge orbit, over the whole.
        defect: f64,
    },
    /// Vectors of tied values turn among each other along a direction: forward mode cannot know whether the program
    /// depends on them.
    #[error(
        "eigenvectors or singular vectors of values that coincide turn among each other along this direction (by {defect:.1e} of \
         it), and forward mode cannot know whether the program depends on their choice. If it does not, then `grad` and `vjp` find that \
         out and return the derivative, and so does forward mode through `invariant_subspace`, `spectral_projector`, functions of the \
         matrix or `polar`"
    )]
    TiedVectors {
        /// The part of the motion that is not determined, over the whole.
        defect: f64,
    },
    /// The result exists and is larger than every number there is.
    #[error("overflow: an entry is larger than the largest number of its type: {what}")]
    Overflow {
        /// Of what.
        what: &'static str,
    },
    /// Eigenvalues that coincide up to rounding, with eigenvectors that are parallel up to rounding: they have no
    /// derivatives.
    #[error(
        "not differentiable: eigenvalue {index} is defective up to rounding (its condition number is {condition:.1e}); its value \
         is right, and traces of powers, coefficients of the characteristic polynomial and functions of the matrix are smooth there"
    )]
    Defective {
        /// Which eigenvalue, in the order of the Schur form.
        index: usize,
        /// Its condition number, `1 / |y^H x|` for unit left and right eigenvectors `y` and `x`.
        condition: f64,
    },
    /// A function of the program's own was asked for outside its domain.
    #[error("outside the domain: {what}")]
    OutsideDomain {
        /// What is asked of the arguments.
        what: &'static str,
    },
    /// The operation does not exist for these arguments.
    #[error("not supported: {what}")]
    Unsupported {
        /// What is missing.
        what: &'static str,
    },
}
