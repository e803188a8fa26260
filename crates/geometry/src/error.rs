//! What can be wrong with the numbers of a point or a tangent, and with an operation on them. What finds it is in
//! `residuals`.

use pullback::Shape;

/// Numbers that are not a point or a tangent, or an operation that failed.
#[derive(Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The number of matrices is not that of a point.
    #[error("expected a point of {manifold}: {expected} matrices; got {got}")]
    Parts {
        /// The space.
        manifold: String,
        /// How many matrices make a point.
        expected: usize,
        /// How many were given.
        got: usize,
    },
    /// The size of a matrix is not that of a point.
    #[error("expected {expected} as matrix {part} of a point of {manifold}, got {got}")]
    Shape {
        /// The space.
        manifold: String,
        /// Which matrix of the point.
        part: usize,
        /// The shape of one member.
        expected: Shape,
        /// The shape that was given.
        got: Shape,
    },
    /// The equation of the space does not hold.
    #[error(
        "member {member} is not a point of {manifold}: {equation} fails by {residual:.1e} (at most {tolerance:.1e}); retract or orthonormalise it"
    )]
    NotAPoint {
        /// The space.
        manifold: String,
        /// Which member of the batch.
        member: usize,
        /// The equation.
        equation: &'static str,
        /// By how much it fails.
        residual: f64,
        /// What rounding would explain.
        tolerance: f64,
    },
    /// The equation of the tangent space does not hold.
    #[error(
        "member {member} is not tangent to {manifold}: {equation} fails by {residual:.1e} (at most {tolerance:.1e}); use `project`"
    )]
    NotTangent {
        /// The space.
        manifold: String,
        /// Which member of the batch.
        member: usize,
        /// The equation.
        equation: &'static str,
        /// By how much it fails.
        residual: f64,
        /// What rounding would explain.
        tolerance: f64,
    },
    /// The manifold has no such operation.
    #[error(
        "{manifold} has no {word}: none is known in closed form, or the chosen metric has none; use another operation or metric"
    )]
    Missing {
        /// The space.
        manifold: String,
        /// The operation.
        word: &'static str,
    },
    /// An operation failed on these numbers.
    #[error(transparent)]
    Engine(#[from] pullback::Error),
    /// An iterative method of geometry (a mean, a logarithm) did not converge.
    #[error("{what} did not converge in {iterations} iterations; the residual is {residual:.1e}")]
    NoConvergence {
        /// Which.
        what: &'static str,
        /// How many.
        iterations: usize,
        /// What is left.
        residual: f64,
    },
    /// A number is NaN or infinite.
    #[error("expected finite numbers, got {value} at entry {index} of matrix {part}")]
    NonFinite {
        /// Which matrix of the point.
        part: usize,
        /// Which entry, in storage order.
        index: usize,
        /// The entry.
        value: f64,
    },
}

/// The text of `Display`, so that `unwrap()` and `main` print a sentence.
impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// The result of a check.
pub type Result<T> = std::result::Result<T, Error>;
