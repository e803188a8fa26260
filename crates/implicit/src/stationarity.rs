//! How far a point is from a solution: the certificate of what a solver returned, before any derivative. What a
//! derivative there is worth is in `certify.rs`.

use crate::certify::CONTRACTION;
use crate::condition::Condition;
use crate::iteration::Of;
use crate::linear::Status;
use crate::lists;
use crate::solution::Linearisation;
use crate::verdict::{Verdict, Why};
use std::fmt;

/// How far one member of a point is from a solution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stationarity {
    /// The length of the residual of the condition.
    pub residual: f64,
    /// The length of the Newton step from there: about the distance to the solution. `None` if it was not computed.
    pub newton_step: Option<f64>,
    /// That length relative to the size of the point: its entries where the metric is that of the entries, else the
    /// square root of the dimension. Infinite where nothing is known.
    pub distance: f64,
    /// How much that step leaves, of the residual or of the step after it; `None` if there was no step to take.
    pub contraction: Option<f64>,
    /// `Verified` up to a distance of the square root of the rounding unit, `Estimated` beyond, where Newton's method
    /// contracts, so that `distance` is right within a factor of two. `Suspect` where it does not, or where the map is
    /// singular, so that the solution is not isolated; `Invalid` where the condition fails.
    pub verdict: Verdict,
}

impl Stationarity {
    /// Of a member at which the condition or its solver fails, nothing is known.
    pub(crate) fn failed(member: usize) -> Self {
        let verdict = Verdict::Invalid(Why::Failed { member });
        Stationarity { residual: f64::NAN, newton_step: None, distance: f64::INFINITY, contraction: None, verdict }
    }
}

impl fmt::Display for Stationarity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: residual {:.1e}, {:.1e} of the point from a solution",
            self.verdict, self.residual, self.distance
        )
    }
}

impl<C: Condition> Linearisation<'_, '_, C> {
    /// How far the point that is differentiated is from a solution, for each member. It costs nothing: the Newton step
    /// was taken for the polish or for the check.
    pub fn stationarity(&self) -> Vec<Stationarity> {
        (0..self.start.failures.len()).map(|m| self.stationarity_of(m)).collect()
    }

    /// How much a Newton step leaves of the residual of a member, and of the step itself: the larger counts. Along a
    /// direction that is nearly flat a residual is small everywhere, and only the steps tell that nothing was gained.
    pub(crate) fn contraction(&self, m: usize) -> Option<f64> {
        let (here, next) = (&self.points[self.here], self.points.get(self.here + 1)?);
        let ratio = |after: f64, before: f64| if before == 0.0 { 0.0 } else { after / before };
        let residuals = ratio(next.stationarity[m], here.stationarity[m]);
        let steps = match (self.newton.get(self.here), self.newton.get(self.here + 1)) {
            (Some(before), Some(after)) if here.stationarity[m] > 0.0 => ratio(after.lengths[m], before.lengths[m]),
            _ => 0.0,
        };
        Some(if steps <= residuals { residuals } else { steps })
    }

    fn stationarity_of(&self, m: usize) -> Stationarity {
        let here = &self.points[self.here];
        let blank = Stationarity {
            residual: here.stationarity[m],
            newton_step: None,
            distance: f64::INFINITY,
            contraction: None,
            verdict: Verdict::Suspect(Why::Unchecked),
        };
        if self.start.failures[m].is_some() {
            return Stationarity::failed(m);
        }
        let Some(newton) = self.newton.get(self.here) else { return blank };
        let (step, residual) = (newton.lengths[m], blank.residual);
        let distance = if step == 0.0 { 0.0 } else { step / here.sizes()[m].max(f64::MIN_POSITIVE) };
        let contraction = self.contraction(m);
        let small = lists::eps::<Of<C::State>>().sqrt();
        let rounding = residual == 0.0 || newton.is_rounding(here, m, 10.0);
        let fell = contraction.is_some_and(|c| c <= CONTRACTION);
        let verdict = match newton.status(m) {
            Status::NonFinite => Verdict::Invalid(Why::NotFinite),
            status if status != Status::Converged => Verdict::Suspect(Why::Solver { member: m, status }),
            _ if here.singular(m) => Verdict::Suspect(Why::Solver { member: m, status: Status::Singular }),
            _ if !rounding && !fell => Verdict::Suspect(Why::NotASolution { contraction: contraction.unwrap_or(1.0) }),
            _ if distance <= small => Verdict::Verified,
            _ if fell => Verdict::Estimated,
            _ => Verdict::Suspect(Why::NotASolution { contraction: contraction.unwrap_or(1.0) }),
        };
        Stationarity { newton_step: Some(step), distance, contraction, verdict, ..blank }
    }
}
