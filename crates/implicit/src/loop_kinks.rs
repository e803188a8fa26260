//! Kinks of the last step of an iteration, or of the loss where it arrives. How a kink is told from rounding, and how
//! far from the point it is looked for, is in `kinks.rs`.

use crate::error::Result;
use crate::estimate::{bind, double, rebuilt, run, seeds};
use crate::iteration::{Iteration, Of};
use crate::kinks::{Line, anywhere, beside};
use crate::lists::{self, List};
use crate::series::LastStep;
use pullback::{Batch, Leaves, Tape, Var};
use std::cell::RefCell;

/// What the derivative by the parameters is made of.
pub(crate) struct Parts<'p, 't, I: Iteration> {
    /// The handles of the parameters on the tape of the last step.
    pub(crate) phi: &'p [Var<'t, Of<I::State>>],
    /// The sum of the series, and what it pulls back to the parameters.
    pub(crate) p: &'p [Batch<Of<I::State>>],
    pub(crate) own: &'p [Batch<Of<I::State>>],
    /// The derivatives of the loss by the state and by the parameters, and the loss.
    pub(crate) by_state: &'p [Batch<Of<I::State>>],
    pub(crate) direct: &'p [Batch<Of<I::State>>],
    pub(crate) loss: f64,
}

impl<I: Iteration> LastStep<'_, '_, I> {
    /// How much of the change of `<p, F>`, with the last step `F` and the sum `p`, or of the loss after the step is not
    /// that of its derivative, to one side of where they are; 0 where neither bends. The state before the step and the
    /// parameters are moved at random.
    ///
    /// Cost: two reverse sweeps over the step, two steps and two losses; at most six steps and six losses where
    /// something may bend.
    pub(crate) fn bends(&mut self, of: &Parts<'_, '_, I>) -> Result<f64> {
        let mut d = anywhere(self.path.before, 0x0B5);
        self.leave_out(&mut d);
        let d = self.project(self.path.before, &d)?;
        let params = self.path.phi.batches();
        let dphi = anywhere(&params, 0x5EED);
        let by_state = self.pulled_to(self.from, of.p, &d)?;
        let step = (lists::all_dot(&by_state, &d), lists::all_dot(of.own, &dphi));
        let both = self.pulled_to(&[self.from, of.phi].concat(), of.by_state, &[&d[..], &dphi[..]].concat())?;
        let (by_state, by_params) = both.split_at(d.len());
        let loss = (lists::all_dot(by_state, &d), lists::all_dot(by_params, &dphi));
        let direct = lists::all_dot(of.direct, &dphi);
        let (it, like, path) = (self.it, self.like, self.path);
        let tape = RefCell::new(&mut *self.plain);
        let moved = |h: f64| rebuilt(path.phi, beside(&params, h, &dphi));
        let after = |h: f64| -> Option<List<_>> {
            let from = beside(path.before, h, &d);
            run(&mut tape.borrow_mut(), it, like, from, &moved(h), path.last..path.last + 1).ok()
        };
        let along = |h: f64| Some(lists::all_dot(of.p, &after(h)?));
        let lost = |h: f64| {
            let z = after(h)?;
            loss_at(&mut tape.borrow_mut(), it, like, &z, &moved(h))
        };
        let at = lists::all_dot(of.p, path.end);
        let size = lists::length(of.p) * lists::length(path.end);
        let step = Line { at, noise: size, slope: step.0 + step.1, size: step.0.abs() + step.1.abs() };
        let slopes = [loss.0, loss.1, direct];
        let size = slopes.iter().map(|s| s.abs()).sum();
        let loss = Line { at: of.loss, noise: of.loss.abs(), slope: slopes.iter().sum(), size };
        Ok(step.bends::<Of<I::State>>(&along).max(loss.bends::<Of<I::State>>(&lost)))
    }

    /// `v` at the end of the step pulled back to values with the shapes of `like`.
    fn pulled_to(
        &self,
        to: &[Var<'_, Of<I::State>>],
        v: &[Batch<Of<I::State>>],
        like: &[Batch<Of<I::State>>],
    ) -> Result<List<Of<I::State>>> {
        let mut g = like.to_vec();
        self.tape.vjp_into(&seeds(self.outs, v), to, &mut g.iter_mut().collect::<Vec<_>>())?;
        Ok(g)
    }
}

/// The outer loss as a number, without recording; `None` if it fails or is not finite.
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
    Some(double(loss.scalar())).filter(|f| f.is_finite())
}
