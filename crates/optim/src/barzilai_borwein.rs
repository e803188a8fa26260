//! Barzilai & Borwein's steps on manifolds (Iannazzo & Porcelli, *The Riemannian Barzilai-Borwein method with
//! nonmonotone line search and the matrix geometric mean computation*, 2018).
//!
//! The direction is always the negative gradient; its length makes `alpha I` the multiple of the identity that is
//! nearest to an inverse Hessian on the last step. With `s = T(-t g) = -t T(g)` and `y = g+ - T(g)`, both at the new
//! point,
//!
//! - the long step minimises `|s / alpha - y|`: `alpha = <s, s> / <s, y>`;
//! - the short one minimises `|s - alpha y|`: `alpha = <s, y> / <y, y>`, never longer by Cauchy & Schwarz.
//!
//! They alternate. Where the cost is not convex along the step (`<s, y> <= 0`), neither has a meaning, and `|s| / |y|`
//! is taken, which is the geometric mean of the two where both exist (Dai, Al-Baali & Yang 2015).
//!
//! Costs are not monotone, which is what makes the method fast: a step is accepted if the cost is below the largest of
//! the last few by `decrease t |g|^2` (Grippo, Lampariello & Lucidi 1986), else halved. Since costs are compared, a
//! few units of their rounding are allowed on top: so the gradient falls further than costs can tell.

use crate::Result;
use crate::descent::{NO_STEP, first_length};
use crate::numbers::Numbers;
use crate::solver::{Solver, Step, within};
use crate::view::{Iterate, View};
use pullback::Scalar;
use serde::{Deserialize, Serialize};

/// Gradient descent with Barzilai & Borwein's steps: the memory of one gradient and one value of the cost per step,
/// most often near conjugate gradients in speed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BarzilaiBorwein {
    /// A step is compared with the largest of this many last costs. With 1 the cost falls at every step, and the method
    /// loses most of its speed.
    pub memory: usize,
    /// A step must reach this part of the decrease that the slope promises, in `(0, 1)`.
    pub decrease: f64,
    /// The shortest step, in units of the gradient.
    pub shortest: f64,
    /// The longest step, in units of the gradient.
    pub longest: f64,
}

/// Ten costs, and bounds that guard against overflow alone.
impl Default for BarzilaiBorwein {
    fn default() -> Self {
        BarzilaiBorwein { memory: 10, decrease: 1e-4, shortest: 1e-15, longest: 1e15 }
    }
}

/// What [`BarzilaiBorwein`] keeps.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct BarzilaiBorweinState<T: Scalar> {
    /// The step to try, in units of the gradient.
    alpha: f64,
    /// Is the next step the long one?
    long: bool,
    /// The last costs, a ring.
    costs: Vec<f64>,
    oldest: usize,
    direction: Numbers<T>,
    carried: Numbers<T>,
}

/// A step is halved at most that often.
const HALVINGS: usize = 60;

/// So many units of rounding of the cost are no rise.
const ROUNDING: f64 = 100.0;

impl<T: Scalar> Solver<T> for BarzilaiBorwein {
    type State = BarzilaiBorweinState<T>;

    fn name(&self) -> String {
        format!("{self:?}")
    }

    fn begin(&self, _: &mut View<'_, '_, T>, at: &Iterate<T>) -> Result<BarzilaiBorweinState<T>> {
        within("memory", "at least 1", self.memory > 0, self.memory as f64)?;
        within("decrease", "0 < decrease < 1", self.decrease > 0.0 && self.decrease < 1.0, self.decrease)?;
        within("shortest", "a positive number", self.shortest > 0.0, self.shortest)?;
        let ordered = self.longest >= self.shortest && self.longest.is_finite();
        within("longest", "a finite number that is not below the shortest", ordered, self.longest)?;
        let mut costs = Vec::with_capacity(self.memory);
        costs.push(at.cost);
        Ok(BarzilaiBorweinState {
            alpha: first_length(at) / at.norm.max(f64::MIN_POSITIVE),
            long: true,
            costs,
            oldest: 0,
            direction: Numbers::zeros(&at.x),
            carried: Numbers::zeros(&at.x),
        })
    }

    fn step(
        &self,
        view: &mut View<'_, '_, T>,
        at: &Iterate<T>,
        next: &mut Iterate<T>,
        s: &mut BarzilaiBorweinState<T>,
    ) -> Result<Step> {
        if at.norm == 0.0 {
            return Ok(Step::Stalled("the gradient is zero"));
        }
        s.direction.combine(0.0, -1.0, &at.rgrad);
        let worst = s.costs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let slack = ROUNDING * T::EPS.f64() * worst.abs();
        let mut t = s.alpha;
        let mut halvings = 0;
        loop {
            let cost = match view.retract(at, &s.direction, t, next) {
                Ok(()) => view.try_cost(next)?,
                Err(_) => f64::INFINITY,
            };
            if cost <= worst + slack - self.decrease * t * at.norm * at.norm {
                break;
            }
            t *= 0.5;
            halvings += 1;
            if halvings > HALVINGS {
                return Ok(Step::Stalled(NO_STEP));
            }
        }
        view.gradient(next)?;
        self.next_step(view, at, next, s, t)?;
        self.note(s, next.cost);
        Ok(Step::Moved { length: t * at.norm })
    }
}

impl BarzilaiBorwein {
    /// The length of the next step, from this one.
    fn next_step<T: Scalar>(
        &self,
        view: &mut View<'_, '_, T>,
        at: &Iterate<T>,
        next: &Iterate<T>,
        s: &mut BarzilaiBorweinState<T>,
        t: f64,
    ) -> Result<()> {
        s.carried.copy_from(&at.rgrad);
        view.space.carry(&at.x, &next.x, [&mut s.carried])?;
        let tg_tg = view.inner(next, &s.carried, &s.carried)?;
        // y in place of the direction, which is made anew at the next step.
        s.direction.copy_from(&next.rgrad);
        s.direction.combine(1.0, -1.0, &s.carried);
        let s_s = t * t * tg_tg;
        let s_y = -t * view.inner(next, &s.carried, &s.direction)?;
        let y_y = view.inner(next, &s.direction, &s.direction)?;
        let found = match (s_y > 0.0, s.long) {
            (false, _) => (s_s / y_y).sqrt(),
            (true, true) => s_s / s_y,
            (true, false) => s_y / y_y,
        };
        s.long = !s.long;
        // Where gradients do not change at all, the last step is as good as any, and so is a longer one.
        let found = if found.is_finite() && found > 0.0 { found } else { 2.0 * t };
        s.alpha = found.clamp(self.shortest, self.longest);
        Ok(())
    }

    fn note<T: Scalar>(&self, s: &mut BarzilaiBorweinState<T>, cost: f64) {
        match s.costs.len() < self.memory {
            true => s.costs.push(cost),
            false => {
                s.costs[s.oldest] = cost;
                s.oldest = (s.oldest + 1) % self.memory;
            }
        }
    }
}
