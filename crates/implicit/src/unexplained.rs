//! What the terms of a series do not explain of the first one that is missing. Least squares in the space of the terms
//! fit the fast modes first, so a slow one that the terms hardly contain, and the loop's motion does not either, stays
//! in what is left: two more pulls show how slowly that falls. How the fit is made is in `missing.rs`.

use crate::error::Result;
use crate::estimate::norm;
use crate::iteration::{Iteration, Of};
use crate::last_step::LastStep;
use crate::lists::{self, List};
use crate::series::{Sum, next_term};
use crate::series_verdict::CREDIBLE;
use pullback::{Batch, Scalar};

/// `e`, `A' e` and `A' A' e` of what is left, `e`.
pub(crate) fn pulled_twice<I: Iteration>(
    last_step: &mut LastStep<'_, '_, I>,
    left: List<Of<I::State>>,
) -> Result<[List<Of<I::State>>; 3]> {
    let (mut once, mut twice) = (left.clone(), left.clone());
    next_term(last_step, Sum::FixedPoint, &left, &mut once)?;
    next_term(last_step, Sum::FixedPoint, &once, &mut twice)?;
    Ok([left, once, twice])
}

/// What is left of the first term that is missing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unexplained {
    /// Its length, and those after one and two steps.
    pub(crate) lengths: [f64; 3],
    /// The length of what it pulls back to the parameters.
    pub(crate) by_params: f64,
}

impl Unexplained {
    /// Of all members together.
    pub(crate) fn of_all<I: Iteration>(
        last_step: &mut LastStep<'_, '_, I>,
        left: List<Of<I::State>>,
    ) -> Result<Unexplained> {
        let pulled = pulled_twice(last_step, left)?;
        let lengths = pulled.each_ref().map(|v| norm(v));
        Ok(Unexplained { lengths, by_params: last_step.length_by_params(&pulled[0])? })
    }

    /// Of one member of three lists.
    pub(crate) fn of_member<T: Scalar>(pulled: &[List<T>; 3], m: usize, by_params: f64) -> Unexplained {
        let length = |v: &[Batch<T>]| lists::member_length(v, m);
        Unexplained { lengths: pulled.each_ref().map(|v| length(v)), by_params }
    }

    /// The factor by which it falls, of the second step or of both, whichever is more: two slow modes of opposite signs
    /// take turns. 0 where it is gone.
    pub(crate) fn rate(&self) -> f64 {
        let [now, once, twice] = self.lengths;
        if twice == 0.0 { 0.0 } else { (twice / once).max((twice / now).sqrt()) }
    }

    /// The factor by which it falls at last: while slower modes still come through, `1 - rate` falls from step to step,
    /// and is taken to fall by that once more.
    fn slowest(&self) -> f64 {
        let [now, once, _] = self.lengths;
        let (first, rate) = (once / now, self.rate());
        if rate > first { 1.0 - (1.0 - rate) * (1.0 - rate) / (1.0 - first) } else { rate }
    }

    /// Is what hangs on it little beside an error of this length, and of `by_params` by the parameters? Both are looked
    /// at, since a leaf of the state may be small and the parameters large that move it.
    pub(crate) fn is_little(&self, rho: f64, error: f64, by_params: f64) -> bool {
        let falls = 1.0 - self.slowest().max(rho);
        falls > 0.0 && self.lengths[0] <= CREDIBLE * falls * error && self.by_params <= CREDIBLE * falls * by_params
    }
}
