//! The Newton step at a point: whether it matters, and how far it leads. Where it is taken is in `linearise.rs`.

use crate::ask::Aid;
use crate::error::Result;
use crate::kinks::least_reach;
use crate::linear::{Method, Solved, Status, Stop};
use crate::lists::{self, List};
use crate::local::Local;
use crate::solution::Settings;
use pullback::{Batch, Scalar};

/// The Newton step at a point.
#[derive(Debug)]
pub(crate) struct Newton<T: Scalar> {
    solved: Solved<T>,
    pub(crate) lengths: Vec<f64>,
}

/// Up to this many rounding units of `A z`, a residual is rounding.
const ROUNDING: f64 = 100.0;

impl<T: Scalar> Newton<T> {
    /// `A d = -rho`.
    pub(crate) fn of(local: &Local<'_, T>, s: &Settings, aid: Aid<'_, T>) -> Result<Self> {
        let mut right = local.rho.clone();
        (0..local.stationarity.len()).for_each(|m| lists::scale(&mut right, -1.0, m));
        let stop = Stop { tolerance: 1e-10f64.max(100.0 * T::EPS.f64()), products: s.products };
        let solved = local.solve(&right, false, None, Method::Auto, &stop, Aid { recycle: None, ..aid })?;
        let lengths = local.lengths(&solved.x)?;
        Ok(Newton { solved, lengths })
    }

    /// How the solver of the step ended. A residual of zero needs no step, but a map that is regular.
    pub(crate) fn status(&self, m: usize) -> Status {
        self.solved.members[m].status
    }

    /// Was the system of a member solved, so that the step says how far the solution is?
    pub(crate) fn is_solved(&self, m: usize) -> bool {
        self.solved.members[m].residual <= 0.1
    }

    /// Is the residual of a member rounding, within a factor of `slack`?
    pub(crate) fn is_rounding(&self, local: &Local<'_, T>, m: usize, slack: f64) -> bool {
        let high = self.solved.members[m].seen.map_or(0.0, |(_, high)| high);
        local.stationarity[m] <= slack * ROUNDING * T::EPS.f64() * high * (local.sizes()[m] + self.lengths[m])
    }

    /// Is the point of a member so near to the solution that a step would change nothing that matters, of a condition
    /// that is this steep?
    pub(crate) fn enough(&self, local: &Local<'_, T>, m: usize, steep: f64) -> bool {
        self.within(local, m, 1e-2 * T::EPS.f64().sqrt() / steep)
    }

    /// Is it so near that a step would change nothing in a derivative either, however ill-conditioned that is? The
    /// inverse of the map, and with it the derivative, may change by the condition number more than the point, and as
    /// much more again as the condition is steep.
    pub(crate) fn settled(&self, local: &Local<'_, T>, m: usize, steep: f64) -> bool {
        self.within(local, m, 1e-2 * T::EPS.f64().sqrt() / self.condition(m) / steep)
    }

    /// The condition number of the map of a member, as far as the solver saw it.
    pub(crate) fn condition(&self, m: usize) -> f64 {
        self.solved.members[m].seen.map_or(1.0, |(low, high)| high / low)
    }

    /// Is the residual rounding, and the step at most this much of the point and of its entries?
    fn within(&self, local: &Local<'_, T>, m: usize, most: f64) -> bool {
        let near = self.lengths[m] <= most * local.sizes()[m];
        local.stationarity[m] == 0.0
            || self.is_rounding(local, m, 1.0) && near && self.near_in_every_entry(local, m, most)
    }

    /// Does the step move no entry by more than that of it? Beside entries that are large the residual of a small one
    /// looks like rounding, and the step that it asks for like nothing.
    fn near_in_every_entry(&self, local: &Local<'_, T>, m: usize, most: f64) -> bool {
        let one = |(d, z): (&Batch<T>, &Batch<T>)| {
            let of = z.shape().each() * m..z.shape().each() * (m + 1);
            let (d, z) = (&d.data()[of.clone()], &z.data()[of]);
            let least = least_reach(z);
            d.iter().zip(z).all(|(d, z)| d.f64().abs() <= most * z.abs().max(least).f64())
        };
        !local.words.ambient || self.solved.x.iter().zip(&local.at).all(one)
    }

    /// The step, zero in members that stand still and where it is not finite.
    pub(crate) fn step(&self, still: &[bool]) -> List<T> {
        let d = &self.solved.x;
        lists::only(d, &|m| !still[m] && lists::finite(d, m))
    }
}
