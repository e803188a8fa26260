//! What comes with the derivative of an iteration: how many terms, how fast they fell, how much is missing, and whether
//! all that means anything. What measures it is in `series.rs` and `missing.rs`.

use crate::verdict::{Verdict, Why};
use std::fmt;

/// How far to trust one member's part of the derivative of an iteration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LoopMember {
    /// The contraction of its loop, as [`Certificate::rho`].
    pub rho: Option<f64>,
    /// The estimated length of the error of its part of the gradient, as [`Certificate::error`].
    pub error: Option<f64>,
    /// Its verdict.
    pub verdict: Verdict,
}

/// How far to trust the derivative of an iteration.
#[derive(Debug, Clone, PartialEq)]
pub struct Certificate {
    /// Terms of the series in the sum beyond the first; for unrolls, steps that were recorded.
    pub terms: usize,
    /// `|v_k| / |v_0|` for every term that was computed, `v_0` included. Empty for unrolls.
    ///
    /// Where the sum is `v_0` alone (one step), `v_1` was computed too, for this list and for `rho`.
    pub norms: Vec<f64>,
    /// The contraction of the inner loop, as far as it was seen. `None` if `v_0` vanished, and for unrolls.
    ///
    /// It is the largest of three: the factor by which terms fall, a geometric mean over an even number of the last of
    /// them (neighbours alternate where two eigenvalues of opposite signs dominate); of the derivative's own series,
    /// the rate at which `A` shortens the loop's last motion `d = z_t - z_{t-1}` that was well above rounding, if there
    /// was one: that motion has been through many steps and points along the slowest mode, which the terms may hardly
    /// contain yet; and, where an estimate of the error was to be had, the rate at which that falls which the terms do
    /// not explain of the first one that is missing, below 1.
    ///
    /// At least 1 means that the inner loop does not contract here, and the series is no estimate of anything. Infinite
    /// means that the step could not be differentiated by the state.
    pub rho: Option<f64>,
    /// Did the terms grow twice in a row, to more than twice the length of the first? Then the sum stops before the
    /// last of them.
    pub truncated: bool,
    /// `|z_T - z_{T-1}| / |z_T|`: how far the loop is from a fixed point. `None` for unrolls, which do not assume one.
    pub motion: Option<f64>,
    /// The estimated length of the error of the gradient, to the derivative of the fixed point that the last step
    /// belongs to. `None` for unrolls, and where nothing can be said. It is to be relied on if the verdict is
    /// [`Verdict::Estimated`].
    pub error: Option<f64>,
    /// The verdict on the whole, and of its members the worst.
    pub verdict: Verdict,
    /// What is known of each member, of a series, or of [`crate::Implicit`], whose state and parameters are batches of
    /// as many members. Empty for others: a derivative by parameters that members share has no part for each.
    pub members: Vec<LoopMember>,
    /// Was a kink of the last step and of the loss looked for? Not with unrolls and samples, and not where a series has
    /// more than 500 000 parameters: a look moves all of them twice, which takes as long as several terms.
    pub looked_for_kinks: bool,
    /// `|v_{K+1}| / |v_0|` for the first term that is not in the sum: computed for one step, else extrapolated.
    pub(crate) missing: Option<f64>,
    /// What is missing relative to `v_0`, from the terms as a whole; `None` where they are too few to tell.
    pub(crate) rest: Option<f64>,
}

impl Certificate {
    /// A certificate of an unroll: nothing is assumed, so nothing is to be reported.
    pub(crate) fn unrolled(steps: usize) -> Self {
        Certificate { terms: steps, norms: vec![], motion: None, ..Self::series(true, 0.0) }
    }

    /// A certificate of a series of which only `v_0` is known, and whether it vanishes.
    pub(crate) fn series(positive: bool, motion: f64) -> Self {
        let norms = vec![if positive { 1.0 } else { 0.0 }];
        Certificate {
            terms: 0,
            norms,
            rho: None,
            truncated: false,
            motion: Some(motion),
            error: None,
            verdict: Verdict::Suspect(Why::Unchecked),
            members: vec![],
            looked_for_kinks: false,
            missing: None,
            rest: None,
        }
    }

    /// An estimate of the part of the series that is missing, `|v_{K+1} + v_{K+2} + ...| / |v_0|`.
    ///
    /// The terms span a space in which the rest of the series is solved for, by least squares; where its residual is
    /// small, this is that rest. Else it is a geometric series: as if every further term were `rho` times as long as
    /// the one before and all had one direction, `|v_{K+1}| / (1 - rho) / |v_0|`, which is an upper estimate if `rho`
    /// has seen the slowest mode.
    ///
    /// It is relative to `v_0`, not to the sum. With one step, a tail of 1 says that about half of the sum is missing,
    /// and a tail of `t` that about `t / (1 + t)` of it is; how much of the derivative that is also depends on how `B'`
    /// weighs the terms: [`Certificate::error`] knows that.
    ///
    /// `None` if there is no ratio, or the terms do not fall; zero if the next term vanishes, for then all others do.
    pub fn tail(&self) -> Option<f64> {
        let (rho, missing) = (self.rho?, self.missing?);
        match missing {
            _ if self.truncated => None,
            0.0 => Some(0.0),
            _ if rho >= 1.0 => None,
            _ => Some(self.rest.unwrap_or(missing / (1.0 - rho))),
        }
    }
}

impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.verdict)?;
        let or_dash = |x: Option<f64>| x.map_or_else(|| "unknown".to_string(), |x| format!("{x:.1e}"));
        writeln!(f, "  error of the gradient {}, missing of the series {}", or_dash(self.error), or_dash(self.tail()))?;
        let rho = self.rho.map_or_else(|| "unknown".to_string(), |r| format!("{r:.3}"));
        write!(f, "  {} terms, contraction {rho}, last motion {}", self.terms, or_dash(self.motion))?;
        if !self.looked_for_kinks && !self.norms.is_empty() {
            write!(f, "\n  kinks were not looked for")?;
        }
        let doubtful = self.members.iter().enumerate().find(|(_, m)| !m.verdict.is_sound());
        doubtful.map_or(Ok(()), |(k, m)| write!(f, "\n  member {k} of {}: {}", self.members.len(), m.verdict))
    }
}
