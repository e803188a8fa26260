//! Stochastic descent with reduced variance: whole gradients from time to time, and differences of stochastic ones in
//! between. With a fixed step these converge to the minimum, where descent on minibatches alone only stays near it.

use crate::Result;
use crate::numbers::Numbers;
use crate::oracle::WHOLE;
use crate::schedule::Schedule;
use crate::solver::{Solver, Step, within};
use crate::view::{Iterate, View};
use pullback::Scalar;
use serde::{Deserialize, Serialize};

/// Riemannian stochastic variance-reduced gradients (Zhang, Reddi & Sra, *Riemannian SVRG*, 2016; Sato, Kasai & Mishra
/// 2019).
///
/// From a snapshot `Y` with the whole gradient `g`, for `inner` steps: `v = grad f_k(X) - T(grad f_k(Y) - g)`, brought
/// from `Y` to `X`, and `X+ = R_X(-step v)`; then the last point is the next snapshot. `step` changes with the number
/// of snapshots.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rsvrg {
    /// The step.
    pub step: f64,
    /// Steps from one snapshot to the next.
    pub inner: usize,
    /// How the step changes from snapshot to snapshot.
    pub schedule: Schedule,
}

/// Riemannian stochastic recursive gradients (Kasai, Sato & Mishra, *Riemannian stochastic recursive gradient
/// algorithm*, 2018).
///
/// Begins, every `inner` steps, with the whole gradient `v`; then `v+ = grad f_k(X+) - T(grad f_k(X) - v)` from one
/// point to the next, and `X+ = R_X(-step v)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rsrg {
    /// The step.
    pub step: f64,
    /// Steps from one whole gradient to the next.
    pub inner: usize,
    /// How the step changes from one whole gradient to the next.
    pub schedule: Schedule,
}

impl Rsvrg {
    /// A fixed step and fifty steps from snapshot to snapshot.
    pub fn new(step: f64) -> Self {
        Rsvrg { step, inner: 50, schedule: Schedule::Constant }
    }
}

impl Rsrg {
    /// A fixed step and fifty steps from one whole gradient to the next.
    pub fn new(step: f64) -> Self {
        Rsrg { step, inner: 50, schedule: Schedule::Constant }
    }
}

/// What both keep.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Reference<T: Scalar> {
    /// The snapshot, or the last point.
    at: Iterate<T>,
    /// The whole gradient there, or the last direction.
    v: Numbers<T>,
    /// Steps taken.
    taken: usize,
    direction: Numbers<T>,
}

impl<T: Scalar> Reference<T> {
    fn new(at: &Iterate<T>) -> Self {
        Reference { at: at.clone(), v: Numbers::zeros(&at.x), taken: 0, direction: Numbers::zeros(&at.x) }
    }

    /// The whole gradient at a point, which becomes the reference.
    fn whole(&mut self, view: &mut View<'_, '_, T>, at: &Iterate<T>) -> Result<()> {
        self.at.x.copy_from(&at.x);
        self.at.draw = WHOLE;
        view.cost(&mut self.at)?;
        view.gradient(&mut self.at)?;
        self.v.copy_from(&self.at.rgrad);
        Ok(())
    }

    /// `direction <- grad f_k(X) - T(grad f_k(Y) - v)`, with `Y` the reference and `k` the draw of `X`.
    fn correct(&mut self, view: &mut View<'_, '_, T>, at: &Iterate<T>) -> Result<()> {
        self.at.draw = at.draw;
        view.cost(&mut self.at)?;
        view.gradient(&mut self.at)?;
        self.direction.copy_from(&self.at.rgrad);
        self.direction.combine(1.0, -1.0, &self.v);
        view.space.carry(&self.at.x, &at.x, [&mut self.direction])?;
        self.direction.combine(-1.0, 1.0, &at.rgrad);
        Ok(())
    }

    /// `R_X(-step direction)` with the next draw.
    fn go(&mut self, view: &mut View<'_, '_, T>, at: &Iterate<T>, step: f64, next: &mut Iterate<T>) -> Result<Step> {
        view.retract(at, &self.direction, -step, next)?;
        next.draw = view.draw_after(at);
        view.cost(next)?;
        view.gradient(next)?;
        self.taken += 1;
        let length = step * view.inner(at, &self.direction, &self.direction)?.max(0.0).sqrt();
        Ok(Step::Moved { length })
    }
}

/// Are step and number of inner steps possible?
fn check(step: f64, inner: usize) -> Result<()> {
    within("step", "a positive number", step > 0.0 && step.is_finite(), step)?;
    within("inner", "at least 1", inner > 0, inner as f64)
}

impl<T: Scalar> Solver<T> for Rsvrg {
    type State = Reference<T>;
    fn name(&self) -> String {
        format!("R-SVRG(step {} {}, {} inner steps)", self.step, self.schedule, self.inner)
    }
    fn draws(&self) -> bool {
        true
    }
    fn begin(&self, _: &mut View<'_, '_, T>, at: &Iterate<T>) -> Result<Reference<T>> {
        check(self.step, self.inner)?;
        Ok(Reference::new(at))
    }
    fn step(
        &self,
        view: &mut View<'_, '_, T>,
        at: &Iterate<T>,
        next: &mut Iterate<T>,
        s: &mut Reference<T>,
    ) -> Result<Step> {
        if s.taken.is_multiple_of(self.inner) {
            s.whole(view, at)?;
        }
        s.correct(view, at)?;
        let round = 1 + s.taken / self.inner;
        s.go(view, at, self.step * self.schedule.factor(round as f64), next)
    }
}

impl<T: Scalar> Solver<T> for Rsrg {
    type State = Reference<T>;
    fn name(&self) -> String {
        format!("R-SRG(step {} {}, {} inner steps)", self.step, self.schedule, self.inner)
    }
    fn draws(&self) -> bool {
        true
    }
    fn begin(&self, _: &mut View<'_, '_, T>, at: &Iterate<T>) -> Result<Reference<T>> {
        check(self.step, self.inner)?;
        Ok(Reference::new(at))
    }
    fn step(
        &self,
        view: &mut View<'_, '_, T>,
        at: &Iterate<T>,
        next: &mut Iterate<T>,
        s: &mut Reference<T>,
    ) -> Result<Step> {
        match s.taken.is_multiple_of(self.inner) {
            true => {
                s.whole(view, at)?;
                s.direction.copy_from(&s.v);
            }
            false => s.correct(view, at)?,
        }
        let round = 1 + s.taken / self.inner;
        let moved = s.go(view, at, self.step * self.schedule.factor(round as f64), next)?;
        // The direction is the next reference, at the point where it was used.
        s.v.copy_from(&s.direction);
        s.at.x.copy_from(&at.x);
        Ok(moved)
    }
}
