//! What makes a check meaningless, as opposed to a derivative that is wrong.

use pullback::Shape;

/// The program or the way it is checked is at fault, not its derivative.
#[derive(Clone, PartialEq, thiserror::Error)]
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
    #[error("the program has no value at the point: {0}; check at a point inside the domain")]
    Value(pullback::Error),
    /// The value exists and this derivative does not.
    #[error("the {what} does not exist or is not finite: {source}")]
    Derivative {
        /// Which derivative.
        what: &'static str,
        /// Why.
        source: pullback::Error,
    },
    /// The value has a kink, a jump or a vertical slope at the point, or its derivative has.
    #[error(
        "the value has no derivative of order {order} at the point, or at a point that rounding cannot tell from it: along one and the same direction it is {left:.6e} before the point and {right:.6e} after it; check at a point that is not on a kink or a jump (a tie of a maximum or of pivots, a zero of a modulus or a norm), or lower orders only"
    )]
    Kink {
        /// The order that does not exist: 1 or 2.
        order: usize,
        /// The one-sided derivative before the point.
        left: f64,
        /// And after it.
        right: f64,
    },
    /// Remainders could not be judged: a pole, a kink or a jump is nearer than the smallest step that shows anything
    /// but rounding.
    #[error(
        "the remainders of order {order} cannot be judged: at steps so small that the value is smooth (a pole, a kink or a jump is near), they are rounding errors only; check elsewhere, give the value in double-double with `precise`, or go by the equalities with `without_slopes`"
    )]
    OutOfRange {
        /// The order of the derivative.
        order: usize,
    },
    /// Rounding leaves no digit of the value.
    #[error(
        "a change of the point in its last bit moves the value by {units:.0e} rounding units, so that no digit of a derivative can be compared (a jump, or an ill-conditioned point); check elsewhere, or state `condition`"
    )]
    IllConditioned {
        /// Relative change of the value, in rounding units.
        units: f64,
    },
    /// Rounding leaves no digit of a derivative, though it does of the value.
    #[error(
        "a change of the point in its last bit moves derivative {order} by {moved:.0e} of itself: it is rounding and no more (terms that cancel, or a point far worse conditioned for the derivative than for the value), so that nothing can be compared; check at another point, or parts of the program that do not cancel"
    )]
    Rounding {
        /// The order of the derivative.
        order: usize,
        /// Relative change of the derivative.
        moved: f64,
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
    /// The point is not on the manifold it is checked on, or the manifold refuses a point or tangent of its own.
    #[error("{space}: {message}")]
    Space {
        /// The manifold.
        space: String,
        /// What it says.
        message: String,
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
    /// A function that was given returns other shapes than it must.
    #[error("{what} returns {got:?}, and must return {expected:?}")]
    Rule {
        /// The function.
        what: &'static str,
        /// What it must return.
        expected: Vec<Shape>,
        /// What it returned.
        got: Vec<Shape>,
    },
    /// A function that was given returns what is not finite.
    #[error("{what} returns {value} (entry {index}) at a point where the value is finite")]
    NonFinite {
        /// The function.
        what: &'static str,
        /// Which entry, in storage order.
        index: usize,
        /// The entry.
        value: f64,
    },
    /// The program in double-double is another one.
    #[error(
        "the value in double-double differs from the value by {apart:.1e} (relative, {allowed:.1e} is rounding): it is another function"
    )]
    Precise {
        /// Relative to the sum of moduli.
        apart: f64,
        /// What rounding would explain.
        allowed: f64,
    },
    /// The program has no output.
    #[error("the program returns no output, so there is nothing to check")]
    NoOutput,
    /// There is nothing to vary.
    #[error(
        "expected a mode that finds first derivatives, got none; choose `Modes::REVERSE`, `Modes::FORWARD` or both"
    )]
    NoMode,
    /// The program has no value at any step along a direction.
    #[error("the program has values at too few steps along the direction ({0}); give smaller directions with `scale`")]
    Steps(pullback::Error),
    /// Derivatives are finite, and their products with the directions are not.
    #[error("{what}: the numbers are too large to be multiplied; give smaller directions with `scale`")]
    TooLarge {
        /// The equality that could not be tested.
        what: String,
    },
    /// Orders that are not checked.
    #[error("expected orders that begin at 1 and end at 3 at most, got {first}..={last}")]
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

/// The text of `Display`, so that `unwrap()` and `main` print a sentence.
impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}
