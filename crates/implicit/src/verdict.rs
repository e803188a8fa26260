//! How far to trust a derivative, in one word and its reason. How a verdict is reached is in the files of the
//! certificates.

use crate::linear::Status;
use std::fmt;

/// How far to trust a derivative. The order is that of trust: a later one is worse.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Verdict {
    /// Everything was checked, and the error is below the threshold of the certificate.
    Verified,
    /// The error is above that threshold, and its estimate is good to a factor of two.
    Estimated,
    /// The derivative may be of use, but the estimate of its error is not reliable.
    Suspect(Why),
    /// The derivative has no meaning.
    Invalid(Why),
}

/// The reason of a verdict.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Why {
    /// The point is not a solution of the condition, and one Newton step does not make it one: the residual, or the
    /// next step, fell by this factor only.
    NotASolution {
        /// The larger of `|residual after a Newton step| / |residual before|` and of the same ratio of two steps.
        contraction: f64,
    },
    /// The inner loop still moves by this much of the state.
    StillMoving {
        /// The estimated distance to the fixed point, relative to the state.
        distance: f64,
    },
    /// The linear system is singular to rounding: the solution is not unique, or does not depend smoothly on the
    /// parameters.
    Singular {
        /// The smallest singular value.
        smallest: f64,
        /// The largest.
        largest: f64,
    },
    /// The linear system, or the metric that it is looked at in, is so ill-conditioned that half of the digits are
    /// lost; or the point and its residual are rounded so much that the derivative is not known.
    IllConditioned {
        /// The condition number; of a metric, the rounding units that its inverse is off; of a point, those that the
        /// derivative changes by its rounding.
        condition: f64,
    },
    /// The linear solver did not reach its tolerance.
    Solver {
        /// The member of the batch.
        member: usize,
        /// How it ended.
        status: Status,
    },
    /// The series has too few terms to tell how much is missing.
    TooFewTerms {
        /// The rate at which terms fall, as far as it was seen.
        rate: f64,
    },
    /// The series does not converge.
    Diverges {
        /// The rate at which terms grow.
        rate: f64,
    },
    /// The second derivatives of the cost are not symmetric: a rule of a custom primitive is wrong, or the cost jumps.
    NotSymmetric {
        /// The defect.
        defect: f64,
    },
    /// The residual of the condition is not tangent: this part of it was dropped.
    NotTangent {
        /// The normal part, relative to the whole.
        normal: f64,
    },
    /// The condition or the outer loss has a kink at the solution (`|x|`, `max`, `clamp`, a branch): near it they do
    /// not change as their derivative there says, so the derivative is that of one side, or of neither. A wrong rule of
    /// a custom primitive looks alike. The last step of a loop is looked at only if it has at most 500 000 parameters.
    Kink {
        /// How much of the change to one side is not that of the derivative, from 0 to 1.
        bend: f64,
    },
    /// The formula is not the derivative of the solution.
    OtherFormula,
    /// The number is a mean over random samples of a smoothed loss.
    Sampled {
        /// Its standard error, relative to its length.
        standard_error: f64,
    },
    /// The condition of a member failed, or the solver of a layer; `failures()` of the linearisation or the layer says
    /// how.
    Failed {
        /// The member of the batch.
        member: usize,
    },
    /// No check was made.
    Unchecked,
    /// A number is not finite.
    NotFinite,
}

impl Verdict {
    /// Is the derivative `Verified` or `Estimated`?
    pub fn is_sound(&self) -> bool {
        matches!(self, Verdict::Verified | Verdict::Estimated)
    }

    fn rank(&self) -> u8 {
        match self {
            Verdict::Verified => 0,
            Verdict::Estimated => 1,
            Verdict::Suspect(_) => 2,
            Verdict::Invalid(_) => 3,
        }
    }

    /// The worse of the two; of equals, the first.
    #[must_use]
    pub fn worse(self, other: Verdict) -> Verdict {
        if other.rank() > self.rank() { other } else { self }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Verified => f.write_str("verified"),
            Verdict::Estimated => f.write_str("estimated"),
            Verdict::Suspect(why) => write!(f, "suspect: {why}"),
            Verdict::Invalid(why) => write!(f, "invalid: {why}"),
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::NotASolution { contraction } => write!(
                f,
                "the point is no solution (a Newton step leaves {contraction:.1e} of what is missing); run the solver longer"
            ),
            Why::StillMoving { distance } => {
                write!(f, "the inner loop is {distance:.1e} of the state from its fixed point; run more steps")
            }
            Why::Singular { smallest, largest } => write!(
                f,
                "the linear system is singular (singular values from {smallest:.1e} to {largest:.1e}); the solution is not isolated"
            ),
            Why::IllConditioned { condition } => {
                write!(
                    f,
                    "rounding is multiplied by {condition:.1e} (the condition number); scale or regularise the problem"
                )
            }
            Why::Solver { member, status } => write!(f, "the linear solver of member {member} {status}"),
            Why::TooFewTerms { rate } => {
                write!(f, "too few terms to tell what is missing (they fall by {rate:.3} each); take more, or solve")
            }
            Why::Diverges { rate } => write!(f, "the terms grow by {rate:.3} each; solve instead of summing"),
            Why::NotSymmetric { defect } => write!(f, "second derivatives are unsymmetric by {defect:.1e}"),
            Why::NotTangent { normal } => write!(f, "{normal:.1e} of the residual is normal to the manifold"),
            Why::Kink { bend } => write!(
                f,
                "a kink at the solution: to one side {bend:.1e} of the change is not that of the derivative, which holds on one side at most"
            ),
            Why::OtherFormula => f.write_str("the formula is not the derivative of the solution"),
            Why::Sampled { standard_error } => {
                write!(
                    f,
                    "a random estimate for the smoothed loss, with a standard error of {standard_error:.1e} of it"
                )
            }
            Why::Failed { member } => write!(f, "the solver or the program of member {member} failed"),
            Why::Unchecked => f.write_str("nothing was checked"),
            Why::NotFinite => f.write_str("a number is not finite"),
        }
    }
}
