//! Limited-memory BFGS (Huang, Gallivan & Absil, *A Broyden class of quasi-Newton methods for Riemannian optimization*,
//! 2015; Huang, Absil & Gallivan 2018 for the cautious update).
//!
//! The last pairs `s = T(t d)`, `y = g+ - T(g)` are brought along by the transport, so all live at the current point,
//! where the two loops of Nocedal (1980) apply the inverse Hessian that they define to the gradient:
//!
//! - `q = g`; from the newest pair to the oldest, `alpha_i = <s_i, q> / <s_i, y_i>`, `q -= alpha_i y_i`;
//! - `r = gamma q` with `gamma = <s, y> / <y, y>` of the newest pair;
//! - from the oldest to the newest, `r += (alpha_i - <y_i, r> / <s_i, y_i>) s_i`; the direction is `-r`.
//!
//! A pair is kept only if `<s, y> > caution |g| <s, s>`: then the matrix stays positive definite without a convex cost.
//! The products `<s_i, y_i>` are computed anew at each point, since a transport need not keep them; a pair that has
//! lost its positive product is left out.

use crate::Result;
use crate::descent::{NO_STEP, first_length};
use crate::line_search::{Curve, LineSearch};
use crate::numbers::Numbers;
use crate::solver::{Solver, Step, within};
use crate::view::{Iterate, View};
use pullback::Scalar;
use serde::{Deserialize, Serialize};

/// Limited-memory BFGS: the solver to use where Hessian-vector products are expensive.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lbfgs {
    /// How many pairs (a step, and the change of the gradient along it) are kept.
    pub memory: usize,
    /// How the step is chosen; 1 is tried first.
    pub line_search: LineSearch,
    /// A pair `s`, `y` is kept only if `<s, y> > caution |g| <s, s>`, with the gradient `g`.
    pub caution: f64,
}

/// Twenty pairs.
impl Default for Lbfgs {
    fn default() -> Self {
        Lbfgs { memory: 20, line_search: LineSearch::default(), caution: 1e-4 }
    }
}

/// A step and the change of the gradient along it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound = "")]
struct Pair<T: Scalar> {
    s: Numbers<T>,
    y: Numbers<T>,
    s_y: f64,
}

/// What [`Lbfgs`] keeps.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct LbfgsState<T: Scalar> {
    /// From the oldest to the newest; storage of those that were dropped comes after them.
    pairs: Vec<Pair<T>>,
    used: usize,
    direction: Numbers<T>,
    alphas: Vec<f64>,
    curve: Curve<T>,
}

impl<T: Scalar> Solver<T> for Lbfgs {
    type State = LbfgsState<T>;

    fn name(&self) -> String {
        format!("{self:?}")
    }

    fn begin(&self, _: &mut View<'_, '_, T>, at: &Iterate<T>) -> Result<LbfgsState<T>> {
        self.line_search.check()?;
        within("memory", "at least 1", self.memory > 0, self.memory as f64)?;
        within("caution", "a number that is not negative", self.caution >= 0.0, self.caution)?;
        let pair = || Pair { s: Numbers::zeros(&at.x), y: Numbers::zeros(&at.x), s_y: 0.0 };
        Ok(LbfgsState {
            pairs: (0..self.memory).map(|_| pair()).collect(),
            used: 0,
            direction: Numbers::zeros(&at.x),
            alphas: vec![0.0; self.memory],
            curve: Curve::default(),
        })
    }

    fn step(
        &self,
        view: &mut View<'_, '_, T>,
        at: &Iterate<T>,
        next: &mut Iterate<T>,
        s: &mut LbfgsState<T>,
    ) -> Result<Step> {
        if at.norm == 0.0 {
            return Ok(Step::Stalled("the gradient is zero"));
        }
        let slope = two_loops(view, at, s)?;
        let first = if s.used == 0 { first_length(at) / at.norm } else { 1.0 };
        let mut found = match slope < 0.0 {
            true => self.line_search.search(view, (at, &s.direction, slope), first, next, &mut s.curve)?,
            false => None,
        };
        if found.is_none() && s.used > 0 {
            s.used = 0;
            s.direction.combine(0.0, -1.0, &at.rgrad);
            let slope = -at.norm * at.norm;
            let first = first_length(at) / at.norm;
            found = self.line_search.search(view, (at, &s.direction, slope), first, next, &mut s.curve)?;
        }
        let Some(t) = found else { return Ok(Step::Stalled(NO_STEP)) };
        let length = t * view.inner(at, &s.direction, &s.direction)?.sqrt();
        self.remember(view, at, next, s, t)?;
        Ok(Step::Moved { length })
    }
}

/// `direction <- -(inverse Hessian) g`, and its slope.
fn two_loops<T: Scalar>(view: &mut View<'_, '_, T>, at: &Iterate<T>, s: &mut LbfgsState<T>) -> Result<f64> {
    let LbfgsState { pairs, used, direction, alphas, .. } = s;
    let pairs = &pairs[..*used];
    direction.copy_from(&at.rgrad);
    for (p, alpha) in pairs.iter().zip(alphas.iter_mut()).rev() {
        *alpha = if p.s_y > 0.0 { view.inner(at, &p.s, direction)? / p.s_y } else { 0.0 };
        direction.combine(1.0, -*alpha, &p.y);
    }
    if let Some(p) = pairs.iter().rev().find(|p| p.s_y > 0.0) {
        direction.scale(p.s_y / view.inner(at, &p.y, &p.y)?);
    }
    for (p, alpha) in pairs.iter().zip(alphas.iter()) {
        if p.s_y > 0.0 {
            let beta = view.inner(at, &p.y, direction)? / p.s_y;
            direction.combine(1.0, alpha - beta, &p.s);
        }
    }
    direction.scale(-1.0);
    view.inner(at, direction, &at.rgrad)
}

impl Lbfgs {
    /// Brings the pairs to the new point and adds the one of this step.
    fn remember<T: Scalar>(
        &self,
        view: &mut View<'_, '_, T>,
        at: &Iterate<T>,
        next: &Iterate<T>,
        s: &mut LbfgsState<T>,
        t: f64,
    ) -> Result<()> {
        let full = s.used == self.memory;
        if full {
            s.pairs.rotate_left(1);
            s.used -= 1;
        }
        let LbfgsState { pairs, used, direction, .. } = s;
        let (old, new) = pairs.split_at_mut(*used);
        for p in old.iter_mut() {
            view.space.carry(&at.x, &next.x, [&mut p.s, &mut p.y])?;
            p.s_y = view.inner(next, &p.s, &p.y)?;
        }
        let p = &mut new[0];
        p.s.copy_from(direction);
        p.s.scale(t);
        p.y.copy_from(&at.rgrad);
        view.space.carry(&at.x, &next.x, [&mut p.s, &mut p.y])?;
        p.y.combine(-1.0, 1.0, &next.rgrad);
        p.s_y = view.inner(next, &p.s, &p.y)?;
        let s_s = view.inner(next, &p.s, &p.s)?;
        if p.s_y > self.caution * at.norm * s_s {
            *used += 1;
        }
        Ok(())
    }
}
