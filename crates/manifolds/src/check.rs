//! What can be wrong with the numbers of a point or tangent, and the helpers that find it. No space lives here.

use pullback::{Batch, Scalar, Shape};

/// A point or tangent that is none.
#[derive(Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another number of matrices.
    #[error("a point of {manifold} is {expected} matrices, and {got} came")]
    Parts {
        /// The space.
        manifold: String,
        /// How many matrices make a point.
        expected: usize,
        /// How many came.
        got: usize,
    },
    /// Another size of matrix.
    #[error("part {part} of a point of {manifold} has shape {got}; each member must be {expected}")]
    Shape {
        /// The space.
        manifold: String,
        /// Which matrix of the point.
        part: usize,
        /// The shape of one member.
        expected: Shape,
        /// The shape that came.
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
    /// A number is NaN or infinite.
    #[error("entry {index} of part {part} is {value}")]
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

/// A residual of this many times epsilon and the square root of the size is rounding.
const ROUNDING: f64 = 1e3;

/// What rounding explains in a product over `n` rows.
pub(crate) fn tolerance<T: Scalar>(n: usize) -> f64 {
    ROUNDING * T::EPS.f64() * (n.max(1) as f64).sqrt()
}

/// Are there as many matrices as there should be, of the right sizes and finite? All must agree in batch.
pub(crate) fn shapes<T: Scalar>(name: &dyn Fn() -> String, expected: &[Shape], x: &[Batch<T>]) -> Result<()> {
    if x.len() != expected.len() {
        return Err(Error::Parts { manifold: name(), expected: expected.len(), got: x.len() });
    }
    for (part, (x, &expected)) in x.iter().zip(expected).enumerate() {
        let got = x.shape();
        if (got.rows, got.cols) != (expected.rows, expected.cols) {
            return Err(Error::Shape { manifold: name(), part, expected, got });
        }
        if let Some(index) = x.data().iter().position(|v| !v.is_finite()) {
            return Err(Error::NonFinite { part, index, value: x.data()[index].f64() });
        }
    }
    Ok(())
}

/// The largest entry of `X'Y - shift I` for each member, in double precision.
pub(crate) fn gram_residual<T: Scalar>(x: &Batch<T>, y: &Batch<T>, shift: f64) -> Vec<f64> {
    let s = y.shape();
    let column = |m: &Batch<T>, b: usize, j: usize| {
        let b = if m.shape().batch == 1 { 0 } else { b };
        let at = b * s.each() + j * s.rows;
        m.data()[at..at + s.rows].to_vec()
    };
    (0..s.batch.max(x.shape().batch))
        .map(|b| {
            let mut worst = 0.0f64;
            for i in 0..x.shape().cols {
                let xi = column(x, b, i);
                for j in 0..s.cols {
                    let yj = column(y, b, j);
                    let dot: f64 = xi.iter().zip(&yj).map(|(a, b)| a.f64() * b.f64()).sum();
                    worst = worst.max((dot - if i == j { shift } else { 0.0 }).abs());
                }
            }
            worst
        })
        .collect()
}
