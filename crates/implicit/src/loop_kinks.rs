//! Kinks of the last step of an iteration, or of the loss where it arrives. How a kink is told from rounding, and how
//! far from the point it is looked for, is in `kinks.rs`.

use crate::error::Result;
use crate::estimate::{bind, double, rebuilt, run};
use crate::iteration::{Iteration, Of};
use crate::kinks::{Bends, anywhere, beside, number_bends};
use crate::lists;
use crate::series::LastStep;
use crate::space::sweep;
use pullback::{Batch, Leaves, Scalar, Tape, Var};

/// What the derivative by the parameters is made of.
pub(crate) struct Parts<'p, 't, T: Scalar> {
    /// The handles of the parameters on the tape of the last step.
    pub(crate) phi: &'p [Var<'t, T>],
    /// The sum of the series.
    pub(crate) p: &'p [Batch<T>],
    /// The derivatives of the loss by the state and by the parameters.
    pub(crate) by_state: &'p [Batch<T>],
    pub(crate) direct: &'p [Batch<T>],
}

impl<I: Iteration> LastStep<'_, '_, I> {
    /// How much of the change of the last step, as far as the derivative meets it, or of the loss is not that of their
    /// derivatives, to one side of where they are; 0 where neither bends. The state before the step and the parameters
    /// are moved at random, and the loss along what the step makes of that.
    ///
    /// Cost: six steps and six losses without recording, and two forward sweeps over the step.
    pub(crate) fn bends(&mut self, of: &Parts<'_, '_, Of<I::State>>) -> Result<f64> {
        let mut d = anywhere(self.path.before, 0x0B5);
        self.leave_out(&mut d);
        let d = self.project(self.path.before, &d)?;
        let params = self.path.phi.batches();
        let dphi = anywhere(&params, 0x5EED);
        let (mut slope, mut by_phi) = (d.clone(), d.clone());
        sweep(self.tape, self.from, &d, self.outs, &mut slope)?;
        sweep(self.tape, of.phi, &dphi, self.outs, &mut by_phi)?;
        let size = lists::length(&slope) + lists::length(&by_phi);
        lists::add_all(&mut slope, 1.0, &by_phi);
        let (it, like, path) = (self.it, self.like, self.path);
        let tape = std::cell::RefCell::new(&mut *self.plain);
        let moved = |h: f64| rebuilt(path.phi, beside(&params, h, &dphi));
        let step = |h: f64| {
            let from = beside(path.before, h, &d);
            run(&mut tape.borrow_mut(), it, like, from, &moved(h), path.last..path.last + 1).ok()
        };
        let loss = |h: f64| {
            let mut tape = tape.borrow_mut();
            loss_at(&mut tape, it, like, &beside(path.end, h, &slope), &moved(h)).filter(|f| f.is_finite())
        };
        let whole = Bends { at: path.end, slope: &slope, size: &[size], weight: Some(of.p) };
        let step = whole.of_all(&step);
        let (by_state, direct) = (lists::all_dot(of.by_state, &slope), lists::all_dot(of.direct, &dphi));
        let Some(at) = loss(0.0) else { return Ok(step) };
        let size = by_state.abs() + direct.abs();
        Ok(number_bends::<Of<I::State>>(at, by_state + direct, size, &loss).max(step))
    }
}

/// The outer loss as a number; `None` if it fails.
fn loss_at<I: Iteration>(
    tape: &mut Tape<Of<I::State>>,
    it: &I,
    like: &I::State,
    z: &[Batch<Of<I::State>>],
    phi: &I::Params,
) -> Option<f64> {
    tape.clear();
    let tape = &*tape;
    let (z, _) = bind(tape, like, z);
    let (phi, _) = bind(tape, phi, &phi.batches());
    let loss = it.outer(tape, z, phi);
    tape.check().ok()?;
    Some(double(loss.scalar()))
}
