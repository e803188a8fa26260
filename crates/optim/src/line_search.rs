//! Line searches along the curve `t -> R_x(t d)`. What the directions are is the solvers' business.
//!
//! The slope of the cost along the curve is `phi'(t) = <egrad f(R(td)), d/dt R(td)>`, in the ambient inner product. The
//! velocity is the derivative of the retraction, a program, so the slope is exact for every retraction and metric, and
//! no transport enters.
//!
//! Near a minimum, differences of costs are rounding long before slopes are: a search that compares costs stalls at a
//! gradient of about the root of the machine precision. So a step is accepted by the approximate Wolfe conditions of
//! Hager & Zhang (*A new conjugate gradient method with guaranteed descent and an efficient line search*, 2005, (4.1)):
//! `(2 delta - 1) phi'(0) >= phi'(t) >= sigma phi'(0)`, if the cost has not risen by more than rounding.

use crate::Result;
use crate::numbers::Numbers;
use crate::solver::within;
use crate::view::{Iterate, View};
use pullback::{Batch, Scalar};
use serde::{Deserialize, Serialize};

/// How far to go along a direction.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum LineSearch {
    /// Halve a step until the cost falls by `decrease` times what its slope promises. Costs are compared, so it stalls
    /// at a gradient of about 1e-8 of the cost.
    Armijo {
        /// The part of the promised decrease that is enough, in `(0, 1)`.
        decrease: f64,
    },
    /// The (approximate) Wolfe conditions: a decrease, and a slope that has flattened. The default, with 0.1 and 0.9.
    Wolfe {
        /// `delta`, in `(0, 1/2)`.
        decrease: f64,
        /// `sigma`, in `[delta, 1)`: smaller is a more exact search.
        curvature: f64,
    },
}

impl Default for LineSearch {
    fn default() -> Self {
        LineSearch::Wolfe { decrease: 0.1, curvature: 0.9 }
    }
}

/// The buffers of a search.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(bound = "")]
pub(crate) struct Curve<T: Scalar> {
    #[serde(skip)]
    velocity: Numbers<T>,
}

/// Costs may rise by this part of their size: it is rounding.
const RISE: f64 = 1e-10;

/// A search asks for the cost at most that often.
const TRIES: usize = 40;

/// A point of the curve.
#[derive(Debug, Clone, Copy)]
struct At {
    t: f64,
    slope: f64,
}

impl LineSearch {
    /// Are the settings within their bounds?
    pub(crate) fn check(&self) -> Result<()> {
        match *self {
            LineSearch::Armijo { decrease } => {
                within("decrease", "0 < decrease < 1", decrease > 0.0 && decrease < 1.0, decrease)
            }
            LineSearch::Wolfe { decrease, curvature } => {
                within("decrease", "0 < decrease < 1/2", decrease > 0.0 && decrease < 0.5, decrease)?;
                within("curvature", "decrease <= curvature < 1", curvature >= decrease && curvature < 1.0, curvature)
            }
        }
    }

    /// Searches along `d`, whose slope at `at` is `slope < 0`, beginning with the step `first`. Returns the step, with
    /// cost and gradient in `next`, or `None` where no step makes progress.
    pub(crate) fn search<T: Scalar>(
        &self,
        view: &mut View<'_, '_, T>,
        (at, d, slope): (&Iterate<T>, &[Batch<T>], f64),
        first: f64,
        next: &mut Iterate<T>,
        curve: &mut Curve<T>,
    ) -> Result<Option<f64>> {
        let found = match *self {
            LineSearch::Armijo { decrease } => {
                let found = armijo(view, (at, d, slope), first, decrease, next)?;
                if found.is_some() {
                    view.gradient(next)?;
                }
                found
            }
            LineSearch::Wolfe { decrease, curvature } => {
                let found = wolfe(view, (at, d, slope), first, (decrease, curvature), next, curve)?;
                if found.is_some() {
                    view.riemannian(next)?;
                }
                found
            }
        };
        Ok(found)
    }
}

fn armijo<T: Scalar>(
    view: &mut View<'_, '_, T>,
    (at, d, slope): (&Iterate<T>, &[Batch<T>], f64),
    first: f64,
    decrease: f64,
    next: &mut Iterate<T>,
) -> Result<Option<f64>> {
    let mut t = first;
    for _ in 0..TRIES {
        view.retract(at, d, t, next)?;
        if view.try_cost(next)? <= at.cost + decrease * t * slope && next.cost < at.cost {
            return Ok(Some(t));
        }
        t *= 0.5;
    }
    Ok(None)
}

/// Brackets a step and closes the bracket by secants of the slope.
fn wolfe<T: Scalar>(
    view: &mut View<'_, '_, T>,
    (at, d, slope): (&Iterate<T>, &[Batch<T>], f64),
    first: f64,
    (delta, sigma): (f64, f64),
    next: &mut Iterate<T>,
    curve: &mut Curve<T>,
) -> Result<Option<f64>> {
    let rise = RISE * at.cost.abs();
    let (mut low, mut high): (At, Option<At>) = (At { t: 0.0, slope }, None);
    let mut t = first;
    for _ in 0..TRIES {
        let here = view.slope(at, d, t, next, &mut curve.velocity)?;
        let Some(here) = here else {
            // No value there: the bracket ends before it.
            high = Some(At { t, slope: f64::NAN });
            t = low.t + 0.1 * (t - low.t);
            continue;
        };
        let (cost, enough) = (next.cost, here >= sigma * slope);
        let wolfe = cost <= at.cost + delta * t * slope && enough && here <= -sigma * slope;
        let approximate = cost <= at.cost + rise && enough && here <= (2.0 * delta - 1.0) * slope;
        if wolfe || approximate {
            return Ok(Some(t));
        }
        match here >= 0.0 || cost > at.cost + rise {
            true => high = Some(At { t, slope: here }),
            false => low = At { t, slope: here },
        }
        t = match high {
            None => (secant(At { t: 0.0, slope }, low).unwrap_or(f64::INFINITY)).clamp(2.0 * t, 10.0 * t),
            Some(high) => {
                let width = high.t - low.t;
                if width <= 1e-14 * high.t {
                    break;
                }
                let guess = secant(low, high).unwrap_or(low.t + 0.5 * width);
                guess.clamp(low.t + 0.05 * width, high.t - 0.05 * width)
            }
        };
    }
    // No step satisfies the conditions: the lower end of the bracket is still better than the start, if it is not it.
    if low.t > 0.0 && view.slope(at, d, low.t, next, &mut curve.velocity)?.is_some() && next.cost <= at.cost {
        return Ok(Some(low.t));
    }
    Ok(None)
}

/// Where the line through two slopes is zero, if it falls between a descent and an ascent or lies ahead.
fn secant(a: At, b: At) -> Option<f64> {
    let t = a.t - a.slope * (b.t - a.t) / (b.slope - a.slope);
    (t.is_finite() && b.slope > a.slope).then_some(t)
}
