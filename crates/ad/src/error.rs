//! Everything that can go wrong and is not misuse: what, in which primitive, for which member, at which line.

use crate::diagnose::first_bad;
use crate::{Leaves, Shape};
use pullback_kernels::Failure;
use std::panic::Location;

/// The source line a value was made on.
pub type Line = &'static Location<'static>;

/// Where a value was made: the user's line, and the method that was called there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) line: Line,
    /// A thin pointer, because every recorded operation keeps one.
    pub(crate) said: &'static &'static str,
}

/// What a driver returns instead of a value or a derivative.
///
/// Misuse (shapes that do not fit, a handle of another tape) is not here: it panics at the caller's line.
#[derive(Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An operation met data it has no answer for.
    #[error("{primitive} at {line}{}{}: {failure}", member_text(*.member), if *.derivative { ", in its derivative" } else { "" })]
    Data {
        /// The method that the program called.
        primitive: &'static str,
        /// The member of the batch, when there is more than one.
        member: Option<usize>,
        /// Whether the value exists and only a derivative does not.
        derivative: bool,
        /// What was found.
        failure: Failure,
        /// The user's line.
        line: Line,
    },
    /// The value or a derivative came out NaN or infinite.
    #[error("the {what} is not finite: entry {index} is {value}{origin}")]
    NonFinite {
        /// `"value"`, `"gradient"`, ...
        what: &'static str,
        /// Column-major position.
        index: usize,
        /// The entry.
        value: f64,
        /// What it comes from.
        origin: Origin,
    },
    /// An operation produced a NaN or an infinity from finite inputs (found by `check_finite`).
    #[error("{primitive} at {line} made entry {index} = {value} out of finite inputs")]
    Overflow {
        /// The operation.
        primitive: &'static str,
        /// Column-major position.
        index: usize,
        /// The entry.
        value: f64,
        /// The user's line.
        line: Line,
    },
    /// A gradient was asked of something that is not one number.
    #[error(
        "a gradient needs a single number: expected a value of shape 1x1, got {shape}; use `vjp` with a cotangent of that shape, or reduce it with `sum` or `dot`"
    )]
    NotScalar {
        /// The shape that came.
        shape: Shape,
    },
    /// A given matrix has another shape than the value it belongs to.
    #[error("{what} has shape {got}, expected {expected}")]
    Shape {
        /// Which argument.
        what: &'static str,
        /// The shape it must have.
        expected: Shape,
        /// The shape that came.
        got: Shape,
    },
    /// A given list has another number of leaves than the program.
    #[error("{what} has {got} leaves, expected {expected}")]
    Leaves {
        /// Which argument.
        what: &'static str,
        /// How many it must have.
        expected: usize,
        /// How many came.
        got: usize,
    },
    /// The program read a number at this line and went on: on other numbers it might have taken another branch.
    #[error(
        "this tape cannot be replayed: the program read a value at {line} and recorded further operations after it, which may depend on what it read; read values after the last operation, or record the program again"
    )]
    NotReplayable {
        /// Where the value was read.
        line: Line,
    },
    /// The tape does not record.
    #[error("this tape does not record; make it with `Tape::new()`")]
    NotRecording,
}

/// Where a number that is not finite comes from.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Origin {
    /// Nothing is known: whoever reports it saw the result alone.
    Unknown,
    /// An input or a constant of the program.
    Input {
        /// Its name, if it is a leaf of what a driver was given.
        name: Option<String>,
        /// Column-major position of its first entry that is not finite.
        index: usize,
        /// The entry.
        value: f64,
        /// The line that put it on the tape, if it has no name.
        line: Option<Line>,
    },
    /// The value of an operation whose inputs are finite.
    Value {
        /// The operation.
        primitive: &'static str,
        /// The user's line.
        line: Line,
    },
    /// The derivative of an operation whose value and inputs are finite.
    Derivative {
        /// The operation.
        primitive: &'static str,
        /// The user's line.
        line: Line,
    },
    /// The cotangent or the direction that was given.
    Given,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Origin::Unknown => Ok(()),
            Origin::Input { name: Some(name), index, value, .. } => {
                write!(f, "; it comes from the input `{name}`, whose entry {index} is {value}")
            }
            Origin::Input { line: Some(line), index, value, .. } => {
                write!(f, "; it comes from the input or constant at {line}, whose entry {index} is {value}")
            }
            Origin::Input { index, value, .. } => write!(f, "; it comes from an input, whose entry {index} is {value}"),
            Origin::Value { primitive, line } => {
                write!(f, "; it comes from {primitive} at {line}, whose inputs are finite")
            }
            Origin::Derivative { primitive, line } => {
                write!(f, "; it comes from the derivative of {primitive} at {line}, whose value is finite")
            }
            Origin::Given => write!(f, "; it comes from the cotangent or direction that was given"),
        }
    }
}

/// The text of `Display`, so that `unwrap()` and `main` print a sentence.
impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl Error {
    /// The same error; if it is about a number that comes from an input which is not finite, it names the leaf of
    /// `point` that is.
    ///
    /// For whoever puts a tree of matrices on a tape for somebody else, as drivers and solvers do.
    #[must_use]
    pub fn naming<L: Leaves>(self, point: &L) -> Self {
        let Error::NonFinite { what, index, value, origin: Origin::Input { .. } } = self else { return self };
        let bad = point.named().into_iter().find_map(|(name, leaf)| {
            let (index, value) = first_bad(leaf.data())?;
            Some(Origin::Input { name: Some(name), index, value, line: None })
        });
        match bad {
            Some(origin) => Error::NonFinite { what, index, value, origin },
            None => self,
        }
    }
}

fn member_text(m: Option<usize>) -> String {
    m.map(|m| format!(" (batch member {m})")).unwrap_or_default()
}

/// The result of anything that depends on data.
pub type Result<T> = std::result::Result<T, Error>;
