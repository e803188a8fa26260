//! What makes a check meaningless, as opposed to a derivative that is wrong.

use pullback::Shape;

/// The program or the way it is checked is at fault, not its derivative.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Two runs at the same point gave different numbers.
    #[error(
        "the program is not a function: entry {index} of output {output} was {first} and then {second} at the same point; fix the seed of what is random in it"
    )]
    Random {
        /// Which output.
        output: usize,
        /// Which entry, in storage order.
        index: usize,
        /// On the first run.
        first: f64,
        /// On the second.
        second: f64,
    },
    /// The program has no value at the point: it failed there, or is not finite.
    #[error("the program has no value at the point: {0}")]
    Value(pullback::Error),
    /// The value exists and this derivative does not.
    #[error("the {what} does not exist or is not finite: {source}")]
    Derivative {
        /// Which derivative.
        what: &'static str,
        /// Why.
        source: pullback::Error,
    },
    /// The point is not finite.
    #[error("entry {index} of leaf {leaf} of the point is {value}; check at a finite point")]
    Point {
        /// The name of the leaf.
        leaf: String,
        /// Which entry, in storage order.
        index: usize,
        /// The entry.
        value: f64,
    },
    /// The scale of the directions does not fit the point.
    #[error(
        "the scale of the directions has leaves {got:?}, and the point has {expected:?}; give a tree like the point"
    )]
    Scale {
        /// The shapes of the point.
        expected: Vec<Shape>,
        /// The shapes that came.
        got: Vec<Shape>,
    },
    /// The outputs have other shapes at another point.
    #[error("the outputs are {first:?} at the point and {second:?} at another; shapes may not depend on numbers")]
    Shapes {
        /// At the point.
        first: Vec<Shape>,
        /// At the other point.
        second: Vec<Shape>,
    },
    /// The program has no output.
    #[error("the program returns no output, so there is nothing to check")]
    NoOutput,
    /// The program has no value at any step along a direction.
    #[error("the program has values at too few steps along the direction ({0}); give smaller directions with `scale`")]
    Steps(pullback::Error),
    /// Derivatives are finite, and their products with the directions are not.
    #[error("{what}: the numbers are too large to be multiplied; give smaller directions with `scale`")]
    TooLarge {
        /// The equality that could not be tested.
        what: &'static str,
    },
    /// Orders that are not checked.
    #[error("orders {first}..={last} cannot be checked; choose within 1..=3, from 1 on")]
    Orders {
        /// The first order asked for.
        first: usize,
        /// The last.
        last: usize,
    },
    /// A condition factor that makes no sense.
    #[error("the condition factor is {0}; it multiplies tolerances and must be finite and at least 1")]
    Condition(f64),
}
