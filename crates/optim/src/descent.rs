//! Steepest descent with a line search. Fixed steps are `Rsgd` in `method`.

use crate::Result;
use crate::line_search::{Curve, LineSearch};
use crate::numbers::Numbers;
use crate::solver::{Solver, Step};
use crate::view::{Iterate, View};
use pullback::Scalar;
use serde::{Deserialize, Serialize};

/// Steepest descent: `X+ = R_X(-t grad f)` with `t` from a line search (Absil, Mahony & Sepulchre 2008, Algorithm 1).
///
/// Converges linearly, with the condition of the Hessian: the solver of last resort and the yardstick of the others.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct GradientDescent {
    /// How the step is chosen.
    pub line_search: LineSearch,
}

/// What [`GradientDescent`] keeps.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct DescentState<T: Scalar> {
    direction: Numbers<T>,
    curve: Curve<T>,
    /// The decrease that the last step promised: the next one begins where it would promise as much.
    promised: f64,
}

impl<T: Scalar> Solver<T> for GradientDescent {
    type State = DescentState<T>;

    fn name(&self) -> String {
        format!("gradient descent({:?})", self.line_search)
    }

    fn begin(&self, _: &mut View<'_, '_, T>, at: &Iterate<T>) -> Result<DescentState<T>> {
        self.line_search.check()?;
        Ok(DescentState {
            direction: Numbers::zeros(&at.x),
            curve: Curve::default(),
            promised: first_length(at) * at.norm,
        })
    }

    fn step(
        &self,
        view: &mut View<'_, '_, T>,
        at: &Iterate<T>,
        next: &mut Iterate<T>,
        state: &mut DescentState<T>,
    ) -> Result<Step> {
        state.direction.copy_from(&at.rgrad);
        state.direction.scale(-1.0);
        let slope = -at.norm * at.norm;
        if slope == 0.0 {
            return Ok(Step::Stalled("the gradient is zero"));
        }
        let first = state.promised / -slope;
        match self.line_search.search(view, (at, &state.direction, slope), first, next, &mut state.curve)? {
            None => Ok(Step::Stalled(NO_STEP)),
            Some(t) => {
                // Twice, so that steps may grow where costs alone are compared.
                state.promised = 2.0 * t * -slope;
                Ok(Step::Moved { length: t * at.norm })
            }
        }
    }
}

pub(crate) const NO_STEP: &str = "the line search finds no better point";

/// The length of a first step, where nothing is known of the scale of the cost: that of a unit change of the gradient's
/// own size, at most 1.
pub(crate) fn first_length<T: Scalar>(at: &Iterate<T>) -> f64 {
    if at.norm > 1.0 { 1.0 } else { at.norm.max(f64::MIN_POSITIVE) }
}
