//! How steep the last step of an iteration is: how much of itself its derivative changes where the state moves by as
//! much as it is large. Mostly that is a few times. Of a state that is far from zero in the units of the step it is
//! more, and a motion that is short beside the state is not short for the derivative.

use crate::error::Result;
use crate::estimate::{run, seeds};
use crate::iteration::{Iteration, Of};
use crate::kinks::{anywhere, beside};
use crate::last_step::LastStep;
use crate::lists;
use pullback::{Batch, Var};

impl<I: Iteration> LastStep<'_, '_, I> {
    /// It, in each of `n` members, or in all together; 0 where that is too little to be seen. A forward sweep, and two
    /// steps without recording.
    pub(crate) fn steepness(&mut self, n: usize) -> Result<Vec<f64>> {
        let (path, it, like) = (self.path, self.it, self.like);
        let length = |v: &[_], m| if n > 1 { lists::member_length(v, m) } else { lists::length(v) };
        let mut v = anywhere(path.before, 0x57EE);
        self.leave_out(&mut v);
        let mut v = self.project(path.before, &v)?;
        for m in 0..lists::members(&lists::shapes(&v)) {
            // At random the entries of a state that has few may go much less far than all the way.
            let longer = lists::member_length(path.before, m) / lists::member_length(&v, m);
            lists::scale(&mut v, if longer.is_finite() { longer.clamp(1.0, 1e3) } else { 1.0 }, m);
        }
        let mut av = path.end.to_vec();
        let from = seeds(&self.rec.from, &v);
        self.tape.jvp_into(&from, &self.outs, &mut av.iter_mut().collect::<Vec<_>>())?;
        let (map, mut steep) = (lists::minus(&v, &av), vec![0.0f64; n]);
        let eps = lists::eps::<Of<I::State>>();
        // The rounding of a step that hardly moves hides the short move; steep steps are not smooth along the long one.
        for h in [5.0 * eps.sqrt(), eps.cbrt()] {
            self.plain.clear();
            let from = beside(path.before, h, &v);
            let mut change = run(self.plain, it, like, from, path.phi, path.last..path.last + 1)?;
            lists::add_all(&mut change, -1.0, path.end);
            lists::add_all(&mut change, -h, &av);
            for (m, steep) in steep.iter_mut().enumerate() {
                let (seen, noise) = (length(&change, m), length(&av, m) + length(path.end, m));
                let found = 2.0 * seen / (h * h * length(&map, m));
                *steep = if seen > 32.0 * eps * noise { steep.max(found) } else { *steep };
            }
        }
        let of = |m: usize| self.steep_loss.get(if n > 1 { m + 1 } else { 0 }).copied().unwrap_or(0.0);
        steep.iter_mut().enumerate().for_each(|(m, s)| *s = s.max(of(m)));
        Ok(steep)
    }

    /// Looks how much of itself the derivative `v` of the loss changes, of the whole and of each member, where the
    /// state moves by as much as it is large: near its minimum a loss sees the rounding of its state. `handles` are the
    /// state that the loss was recorded with. Cost: a Hessian-vector product of the loss.
    pub(crate) fn look_at_loss(
        &mut self,
        loss: Var<'_, Of<I::State>>,
        handles: &[Var<'_, Of<I::State>>],
        v: &[Batch<Of<I::State>>],
    ) -> Result<()> {
        let path = self.path;
        let mut d = anywhere(path.end, 0x1055);
        self.leave_out(&mut d);
        let d = self.project(path.end, &d)?;
        let mut change = lists::zeros(&lists::shapes(&d));
        self.tape.hvps_into(loss, &seeds(handles, &d), &mut change.iter_mut().collect::<Vec<_>>())?;
        let mut change = self.project(path.end, &change)?;
        self.leave_out(&mut change);
        let share = |a: f64, b: f64| if a == 0.0 || b == 0.0 { 0.0 } else { a / b };
        let steep =
            |of: &dyn Fn(&[Batch<Of<I::State>>]) -> f64| share(share(of(&change), of(v)), share(of(&d), of(path.end)));
        let n = lists::members(&lists::shapes(v));
        let members = (0..n).map(|m| steep(&|v| lists::member_length(v, m)));
        self.steep_loss = std::iter::once(steep(&|v| lists::length(v))).chain(members).collect();
        Ok(())
    }
}
