//! The certificate of a derivative of a solution: what was measured, and the sentences it prints. How it is measured is
//! in `certify.rs`.

use crate::linear::{Method, Status};
use crate::verdict::{Verdict, Why};
use std::fmt;

/// Estimates of the error of a derivative, as lengths of all its entries together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Errors {
    /// The part of the linear solver.
    pub linear: f64,
    /// The part of the inexact solution: the change of the derivative when one more Newton step is taken.
    pub inner: f64,
    /// Both parts together, measured as the difference to a derivative that is more accurate in both respects.
    pub total: f64,
    /// The length that they are relative to: that of the derivative, or of the two terms of a hypergradient, which may
    /// cancel.
    pub scale: f64,
}

impl Errors {
    /// The total, relative to the scale; 0 of 0.
    pub fn relative(&self) -> f64 {
        if self.total == 0.0 { 0.0 } else { self.total / self.scale }
    }
}

/// What is known about one member.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Member {
    /// The length of the residual of the condition, at the solution that was used.
    pub stationarity: f64,
    /// The length of the Newton step from there: about the distance to the solution. `None` if it was not computed.
    pub newton_step: Option<f64>,
    /// How much that step leaves, of the residual or of the step after it, whichever is more.
    pub contraction: Option<f64>,
    /// The relative residual of the linear system, computed anew.
    pub residual: f64,
    /// Steps of the linear solver.
    pub iterations: usize,
    /// How the linear solver ended.
    pub status: Status,
    /// The smallest and the largest singular value of the linear system: the exact ones in a small space (see `exact`),
    /// else as far as they were seen, by the solver, by a few Lanczos steps and by a system with a random right-hand
    /// side; so the truth reaches at least so far.
    pub spectrum: Option<(f64, f64)>,
    /// Is the spectrum the whole one?
    pub exact: bool,
    /// How far the linear map is from self-adjoint, relative to its size. `None` if it was not computed.
    pub symmetry: Option<f64>,
    /// The part of the residual of the condition that is normal to the manifold, relative to the whole.
    pub normal: f64,
    /// The estimated error of this member's part of the derivative, relative to that part. `None` of one member alone,
    /// and where the derivative has no parts, as that by parameters that members share.
    pub error: Option<f64>,
    /// The verdict for this member.
    pub verdict: Verdict,
    /// The length that `error` is relative to.
    pub(crate) scale: f64,
}

impl Member {
    /// Of a member at which the condition fails, nothing is known.
    pub(crate) fn failed(member: usize) -> Self {
        Member {
            stationarity: f64::NAN,
            newton_step: None,
            contraction: None,
            residual: f64::NAN,
            iterations: 0,
            status: Status::NonFinite,
            spectrum: None,
            exact: false,
            symmetry: None,
            normal: f64::NAN,
            error: None,
            verdict: Verdict::Invalid(Why::Failed { member }),
            scale: 0.0,
        }
    }
}

/// How far to trust the derivative of a solution. `Display` prints a few lines.
#[derive(Debug, Clone, PartialEq)]
pub struct SolutionCertificate {
    /// One for each member of the batch.
    pub members: Vec<Member>,
    /// The estimated error; `None` if the check was switched off.
    pub error: Option<Errors>,
    /// The worst verdict of a member, and what the error adds to it.
    pub verdict: Verdict,
    /// The method that solved the linear system.
    pub method: Method,
    /// Products with the linear map: of the system itself.
    pub products: usize,
    /// Products of everything, polish and checks included.
    pub all_products: usize,
    /// Did the solution take a Newton step before it was differentiated?
    pub polished: bool,
    /// A relative error up to this is `Verified`.
    pub threshold: f64,
}

impl SolutionCertificate {
    /// Of a derivative of `members` members that could not be looked at.
    pub(crate) fn failed(members: usize, threshold: f64) -> Self {
        SolutionCertificate {
            members: (0..members).map(Member::failed).collect(),
            error: None,
            verdict: Verdict::Invalid(Why::Failed { member: 0 }),
            method: Method::Auto,
            products: 0,
            all_products: 0,
            polished: false,
            threshold,
        }
    }
}

impl fmt::Display for SolutionCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.verdict)?;
        if let Some(e) = &self.error {
            let (l, i) = (e.linear / e.scale.max(f64::MIN_POSITIVE), e.inner / e.scale.max(f64::MIN_POSITIVE));
            writeln!(f, "  relative error {:.1e} (linear solver {l:.1e}, inner solution {i:.1e})", e.relative())?;
        }
        let polished = if self.polished { ", after one Newton step" } else { "" };
        writeln!(f, "  {}, {} products{polished}", self.method, self.products)?;
        let worst = self.members.iter().enumerate().find(|(_, m)| !m.verdict.is_sound());
        let shown = worst.or_else(|| self.members.iter().enumerate().next());
        if let Some((k, m)) = shown {
            let newton = m.newton_step.map_or(String::new(), |d| format!(", Newton step {d:.1e}"));
            let range = match m.spectrum {
                Some((low, high)) if m.exact => format!(", singular values {low:.2e} to {high:.2e}"),
                Some((low, high)) => format!(", spectrum seen {low:.2e} to {high:.2e}"),
                None => String::new(),
            };
            write!(f, "  member {k} of {}: residual {:.1e}{newton}{range}", self.members.len(), m.stationarity)?;
        }
        Ok(())
    }
}
