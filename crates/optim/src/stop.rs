//! When a run stops, and why it did.

use crate::view::Counts;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::{BitAnd, BitOr};
use std::time::Duration;

/// A criterion, composed by `|` (one of them) and `&` (all of them).
///
/// ```
/// use pullback_optim::Stop;
/// use std::time::Duration;
/// let stop = Stop::GradientNorm(1e-8) | Stop::Iterations(500) | Stop::Time(Duration::from_secs(10));
/// assert_eq!(stop.to_string(), "gradient norm <= 1e-8, or 500 iterations, or 10 s");
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Stop {
    /// The norm of the Riemannian gradient is at most this.
    GradientNorm(f64),
    /// The norm of the Riemannian gradient is at most this part of that at the start.
    GradientRatio(f64),
    /// This many steps were taken.
    Iterations(usize),
    /// This much time has passed in this run, without that of earlier parts of a resumed run.
    Time(Duration),
    /// The last step that moved was at most this long.
    StepLength(f64),
    /// The cost is at most this.
    Cost(f64),
    /// The last step that moved changed the cost by at most this part of its size.
    CostChange(f64),
    /// The cost, its gradient and Hessian-vector products were computed this many times together.
    Evaluations(u64),
    /// One of these criteria holds.
    Any(Vec<Stop>),
    /// All of these criteria hold.
    All(Vec<Stop>),
}

/// A gradient norm of 1e-6, or 1000 iterations.
impl Default for Stop {
    fn default() -> Self {
        Stop::GradientNorm(1e-6) | Stop::Iterations(1000)
    }
}

impl BitOr for Stop {
    type Output = Stop;
    fn bitor(self, other: Stop) -> Stop {
        let mut list = if let Stop::Any(list) = self { list } else { vec![self] };
        list.push(other);
        Stop::Any(list)
    }
}

impl BitAnd for Stop {
    type Output = Stop;
    fn bitand(self, other: Stop) -> Stop {
        let mut list = if let Stop::All(list) = self { list } else { vec![self] };
        list.push(other);
        Stop::All(list)
    }
}

/// What criteria look at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) iteration: usize,
    pub(crate) cost: f64,
    /// Before the last step that moved; NaN before the first.
    pub(crate) previous: f64,
    pub(crate) gradient: f64,
    pub(crate) first_gradient: f64,
    pub(crate) length: f64,
    pub(crate) counts: Counts,
    pub(crate) elapsed: Duration,
}

impl Stop {
    /// The criterion that holds, if one does.
    pub(crate) fn holds(&self, seen: &Seen) -> Option<String> {
        let met = match self {
            Stop::GradientNorm(at) => seen.gradient <= *at,
            Stop::GradientRatio(of) => seen.gradient <= of * seen.first_gradient,
            Stop::Iterations(n) => seen.iteration >= *n,
            Stop::Time(t) => seen.elapsed >= *t,
            Stop::StepLength(at) => seen.length <= *at,
            Stop::Cost(at) => seen.cost <= *at,
            Stop::CostChange(of) => (seen.previous - seen.cost).abs() <= of * seen.cost.abs().max(f64::MIN_POSITIVE),
            Stop::Evaluations(n) => seen.counts.costs + seen.counts.gradients + seen.counts.hessians >= *n,
            Stop::Any(list) => return list.iter().find_map(|s| s.holds(seen)),
            Stop::All(list) => !list.is_empty() && list.iter().all(|s| s.holds(seen).is_some()),
        };
        met.then(|| self.to_string())
    }
}

#[cfg(feature = "progress")]
impl Stop {
    /// After how many steps it holds at the latest, if it says so.
    pub(crate) fn at_most_iterations(&self) -> Option<usize> {
        match self {
            Stop::Iterations(n) => Some(*n),
            Stop::Any(list) => list.iter().filter_map(Stop::at_most_iterations).min(),
            Stop::All(list) => {
                let each: Option<Vec<usize>> = list.iter().map(Stop::at_most_iterations).collect();
                each?.into_iter().max()
            }
            _ => None,
        }
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = |list: &[Stop], by: &str| list.iter().map(Stop::to_string).collect::<Vec<_>>().join(by);
        match self {
            Stop::GradientNorm(at) => write!(f, "gradient norm <= {at:e}"),
            Stop::GradientRatio(of) => write!(f, "gradient norm <= {of:e} of the first"),
            Stop::Iterations(n) => write!(f, "{n} iterations"),
            Stop::Time(t) => write!(f, "{} s", t.as_secs_f64()),
            Stop::StepLength(at) => write!(f, "step <= {at:e}"),
            Stop::Cost(at) => write!(f, "cost <= {at:e}"),
            Stop::CostChange(of) => write!(f, "change of the cost <= {of:e} of it"),
            Stop::Evaluations(n) => write!(f, "{n} evaluations"),
            Stop::Any(list) => f.write_str(&joined(list, ", or ")),
            Stop::All(list) => f.write_str(&joined(list, " and ")),
        }
    }
}

/// Why a run stopped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Why {
    /// It has not stopped: steps are left.
    Running,
    /// A criterion holds, and this is its text.
    Met(String),
    /// The solver can make no progress, for this reason. Often the gradient is as small as rounding permits.
    Stalled(String),
    /// The cost falls without bound.
    Unbounded,
    /// A callback stopped the run.
    Asked,
}

impl Why {
    /// Does a criterion hold whose text contains these words?
    pub fn met(&self, words: &str) -> bool {
        matches!(self, Why::Met(text) if text.contains(words))
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Running => f.write_str("has not stopped"),
            Why::Met(which) => f.write_str(which),
            Why::Stalled(why) => write!(f, "no progress: {why}"),
            Why::Unbounded => f.write_str("the cost falls without bound"),
            Why::Asked => f.write_str("was asked to stop"),
        }
    }
}
