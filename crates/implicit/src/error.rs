//! Errors, where there is no derivative. Reasons to doubt a derivative are verdicts, in `verdict.rs`.

use pullback::Shape;

/// What went wrong.
#[derive(Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The engine reports bad data or a number that is not finite.
    #[error(transparent)]
    Engine(#[from] pullback::Error),
    /// The numbers are not a point of the manifold, or an operation on it failed.
    #[error(transparent)]
    Geometry(#[from] pullback_manifolds::Error),
    /// There is no last step.
    #[error("expected at least one step of the iteration, got none; its derivative needs a last step")]
    NoSteps,
    /// A step returned another shape than it was given.
    #[error("expected leaf {leaf} of the state to keep its shape {expected} in step {step}, got {got}")]
    Shape {
        /// Which step.
        step: usize,
        /// Which leaf, in order.
        leaf: usize,
        /// The shape it was given.
        expected: Shape,
        /// The shape it returned.
        got: Shape,
    },
    /// The inner loop left the finite numbers.
    #[error(
        "expected a finite state after {steps} steps, got {value} in leaf {leaf} of member {member}: the inner loop diverges, or leaves the domain of its step; take shorter steps, or less noise for an evolution strategy"
    )]
    Diverged {
        /// Steps taken.
        steps: usize,
        /// Which member of the batch.
        member: usize,
        /// Which leaf, in order.
        leaf: usize,
        /// The entry.
        value: f64,
    },
    /// The residual of a condition is not finite at the solution.
    #[error(
        "expected a finite residual of the condition, got {value} in leaf {leaf} of member {member}; is the solution in the domain of the condition?"
    )]
    NotFinite {
        /// Which member.
        member: usize,
        /// Which leaf, in order.
        leaf: usize,
        /// The entry.
        value: f64,
    },
    /// A condition has no derivative by the parameters at a member of the solution.
    #[error(
        "expected a finite derivative of the condition by its parameters, got {value} at member {member}; is it differentiable there?"
    )]
    NoDerivative {
        /// Which member.
        member: usize,
        /// The entry.
        value: f64,
    },
    /// The linear system of a member of a layer could not be solved.
    #[error("the linear system of member {member} {status}; its solution has no derivative")]
    System {
        /// Which member.
        member: usize,
        /// How its solver ended.
        status: crate::linear::Status,
    },
    /// The solver of a layer returned a point that is farther from a solution than [`crate::Layer::within`] permits.
    #[error("expected a solution of member {member} within {most:.1e} of its size, got {found}; solve it further")]
    NotStationary {
        /// Which member.
        member: usize,
        /// The distance that was allowed.
        most: f64,
        /// What was found.
        found: crate::Stationarity,
    },
    /// A condition returned another number or other shapes of matrices than the solution has.
    #[error("expected {what} of shapes {expected:?}, as the solution has, got {got:?}")]
    Condition {
        /// What the condition should have returned.
        what: &'static str,
        /// The shapes of the solution.
        expected: Vec<Shape>,
        /// What came.
        got: Vec<Shape>,
    },
    /// A vector of other shapes than the map or tree it is for.
    #[error("expected matrices of shapes {expected:?}, got {got:?}")]
    Lists {
        /// The shapes of the map.
        expected: Vec<Shape>,
        /// What came.
        got: Vec<Shape>,
    },
    /// The leaves of a solution are batches of different length.
    #[error("expected leaves with the same number of members, got {got:?}; a member of a solution is one of each leaf")]
    Members {
        /// The shapes of the leaves.
        got: Vec<Shape>,
    },
    /// Bounds of a spectrum that are not ordered, positive and finite.
    #[error(
        "expected 0 < low <= high < infinity as bounds of a positive spectrum, got low = {low:e} and high = {high:e}"
    )]
    Interval {
        /// The lower one.
        low: f64,
        /// The upper one.
        high: f64,
    },
    /// A tangent space has fewer dimensions than its manifold claims.
    #[error(
        "expected a tangent space of dimension {expected}, got only {got} independent directions; is `dim` of the manifold right, and the point well inside it?"
    )]
    Dimension {
        /// What the manifold says.
        expected: usize,
        /// What was found.
        got: usize,
    },
    /// A number of a setting is out of its range.
    #[error("expected {what}, got {got:e}")]
    Setting {
        /// What was expected.
        what: &'static str,
        /// What came.
        got: f64,
    },
}

impl Error {
    /// The member of the batch that it is about, if it says.
    pub(crate) fn member(&self) -> Option<usize> {
        use pullback_manifolds::Error as Geometry;
        match self {
            Error::Engine(pullback::Error::Data { member, .. })
            | Error::Geometry(Geometry::Engine(pullback::Error::Data { member, .. })) => *member,
            Error::Geometry(Geometry::NotAPoint { member, .. } | Geometry::NotTangent { member, .. })
            | Error::NotFinite { member, .. }
            | Error::NoDerivative { member, .. }
            | Error::Diverged { member, .. }
            | Error::System { member, .. } => Some(*member),
            _ => None,
        }
    }
}

/// The text of `Display`, so that `unwrap()` and `main` print a sentence.
impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// The result of an estimator.
pub type Result<T> = std::result::Result<T, Error>;
