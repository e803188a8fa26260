//! What can go wrong with a problem or a run of a solver.

use pullback::Leaves;

/// Why a solver could not go on. The run stays at the last good point.
#[derive(Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The cost, one of its derivatives or an operation of the manifold failed.
    #[error(transparent)]
    Engine(#[from] pullback::Error),
    /// The start is not a point of the manifold, or an operation on the manifold failed.
    #[error(transparent)]
    Geometry(#[from] pullback_manifolds::Error),
    /// The cost is not a finite number at the start.
    #[error("expected a finite cost at the start, got {cost}; choose a start where the cost is finite")]
    StartNotFinite {
        /// The number.
        cost: f64,
    },
    /// The closure gave two different numbers for one point.
    #[error(
        "the cost gave {first:e} and then {second:e} for the same point: it is not a function of the point alone. A cost that draws \
         minibatches is `Problem::stochastic`; one with a schedule is a problem for each value of it"
    )]
    NotAFunction {
        /// From the recording.
        first: f64,
        /// From a run of the closure.
        second: f64,
    },
    /// A derivative of a cost before it was given a point.
    #[error("expected a point before a derivative of the cost is computed, got none; call `Oracle::at` first")]
    NoPoint,
    /// The manifold lacks something that the solver needs.
    #[error("{solver} needs {what}, which {manifold} does not have; {instead}")]
    Needs {
        /// The solver.
        solver: &'static str,
        /// The operation.
        what: &'static str,
        /// The manifold.
        manifold: String,
        /// What to do.
        instead: &'static str,
    },
    /// The problem lacks something that the solver needs.
    #[error("{solver} needs {what}: use `{instead}`")]
    Problem {
        /// The solver.
        solver: &'static str,
        /// What it needs.
        what: &'static str,
        /// How such a problem is made.
        instead: &'static str,
    },
    /// A setting that is out of its bounds.
    #[error("{setting}: expected {expected}, got {got}")]
    Setting {
        /// Which.
        setting: &'static str,
        /// What it must be.
        expected: &'static str,
        /// What was given.
        got: f64,
    },
    /// A checkpoint of something else.
    #[error(
        "the checkpoint is of {got}, expected one of {expected}; resume it with the solver and problem that wrote it"
    )]
    Checkpoint {
        /// What this run is.
        expected: String,
        /// What the checkpoint says.
        got: String,
    },
    /// A file that cannot be written.
    #[error("{path} cannot be written: {reason}")]
    Unwritable {
        /// Which.
        path: String,
        /// What the system says.
        reason: String,
    },
    /// A checkpoint that cannot be read.
    #[error("the checkpoint cannot be read: {0}")]
    Unreadable(String),
}

/// The text of `Display`, so that `unwrap()` and `main` print a sentence.
impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl Error {
    /// With the names of the leaves in place of positions.
    pub(crate) fn naming(self, like: &impl Leaves) -> Self {
        match self {
            Error::Engine(e) => Error::Engine(e.naming(like)),
            other => other,
        }
    }
}

/// The result of a solver.
pub type Result<T> = std::result::Result<T, Error>;
