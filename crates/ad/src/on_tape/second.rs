//! Second derivatives on a tape that the user holds: Hessian-vector products by a sweep over pairs, and the Hessian as
//! an operator from a recorded gradient.

use super::reset;
use crate::batch::{Batch, MatLike};
use crate::dual::Dual;
use crate::eager::Eager;
use crate::scratch::Scratch;
use crate::store::Buf;
use crate::value::Value;
use crate::views::Pairs;
use crate::{Error, Result, Scalar, Shape, Tape, Var};
use smallvec::SmallVec;

/// # Second derivatives
/// Of what was recorded.
impl<T: Scalar> Tape<T> {
    /// The Hessian of the number `y` by `x`, applied to `v`: a forward sweep, then a reverse sweep over pairs.
    /// Allocates nothing after the first call.
    ///
    /// # Errors
    /// As [`Tape::gradient_into`].
    #[track_caller]
    pub fn hvp_into(&self, y: Var<'_, T>, x: Var<'_, T>, v: &dyn MatLike<T>, out: &mut Batch<T>) -> Result<()> {
        self.hvps_into(y, &[(x, v)], &mut [out])
    }

    /// [`Tape::hvp_into`] by several values at once: `out` is the derivative of all gradients along all directions.
    ///
    /// # Errors
    /// As [`Tape::gradient_into`].
    #[track_caller]
    pub fn hvps_into(
        &self,
        y: Var<'_, T>,
        seeds: &[(Var<'_, T>, &dyn MatLike<T>)],
        out: &mut [&mut Batch<T>],
    ) -> Result<()> {
        T::second_order(self, y, seeds, &mut [], out)
    }

    /// [`Tape::hvps_into`] that gives the gradients by the same values, too, which the sweep over pairs finds on its
    /// way.
    ///
    /// # Errors
    /// As [`Tape::gradient_into`].
    #[track_caller]
    pub fn grads_hvps_into(
        &self,
        y: Var<'_, T>,
        seeds: &[(Var<'_, T>, &dyn MatLike<T>)],
        gradients: &mut [&mut Batch<T>],
        out: &mut [&mut Batch<T>],
    ) -> Result<()> {
        self.check_outs(seeds.iter().map(|(x, _)| x), gradients)?;
        T::second_order(self, y, seeds, gradients, out)?;
        let one = |slots: &mut [Option<Buf<T>>]| slots[y.id as usize] = Some(self.one());
        self.judged("gradient", gradients, |again| again.reverse(one, seeds.iter().map(|(x, _)| x.id)))
    }

    /// The sweeps of [`Tape::hvps_into`]; `gradients` is empty or has one batch for each value.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn second_order_here(
        &self,
        y: Var<'_, T>,
        seeds: &[(Var<'_, T>, &dyn MatLike<T>)],
        gradients: &mut [&mut Batch<T>],
        out: &mut [&mut Batch<T>],
    ) -> Result<()> {
        let shape = self.shape_of(&y);
        if shape != Shape::SCALAR {
            return Err(Error::NotScalar { shape });
        }
        self.check_seeds("the direction", seeds)?;
        self.check_outs(seeds.iter().map(|(x, _)| x), out)?;
        self.finite_values([&y])?;
        let mut s = self.borrow_scratch();
        let Scratch { tangents, duals, depends, read, .. } = &mut *s;
        {
            let inner = self.inner();
            let (inner, store) = (&*inner, &self.store);
            let targets = seeds.iter().map(|(x, _)| x.id);
            let depends = depends.depending(inner, targets.clone());
            let read = match store.takes_shortcuts() {
                true => read.read_from(inner, std::iter::once(y.id).chain(targets), depends),
                false => &[],
            };
            self.sweep_forward(seeds, tangents, read);
            reset(duals, inner.vals.len());
            let one = Eager::build(Shape::SCALAR, store, |b| b[0] = T::one());
            duals[y.id as usize] = Some((one.into_buf(), None));
            // A selection looks at what it lets pass.
            let tangents_only = gradients.is_empty() && inner.selects == 0;
            let pairs = Pairs { inner, store, swept: Some((tangents, 0)), tangents_only };
            T::reverse_pairs(&pairs, 0..inner.ops.len(), 0, depends, duals);
            let again = |i: usize| seeds[i + 1..].iter().any(|(x, _)| x.id == seeds[i].0.id);
            for (i, ((x, _), out)) in seeds.iter().zip(out.iter_mut()).enumerate() {
                match &mut duals[x.id as usize] {
                    Some((_, Some(d))) => out.take_over(d, || again(i)),
                    _ => out.data_mut().fill(T::zero()),
                }
            }
            for (i, ((x, _), g)) in seeds.iter().zip(gradients).enumerate() {
                match &mut duals[x.id as usize] {
                    Some((b, _)) => g.take_over(b, || again(i)),
                    None => g.data_mut().fill(T::zero()),
                }
            }
            let left = seeds.iter().map(|(x, _)| x).chain([&y]).filter_map(|v| duals[v.id as usize].take());
            left.for_each(|d| drop(Dual::<Eager<'_, T>>::unpark(store, d, Shape::SCALAR)));
        }
        self.empty(tangents);
        self.return_scratch(s);
        let targets = || seeds.iter().map(|(x, _)| x.id);
        self.judged("Hessian-vector product", out, |again| {
            again.pairs(y.id, |slots| self.plant(seeds, slots), targets())
        })?;
        if self.inner().gauges == 0 {
            return Ok(());
        }
        let one = |slots: &mut [Option<Buf<T>>]| slots[y.id as usize] = Some(self.one());
        self.choices(&[y], &one, &seeds.iter().map(|(x, _)| *x).collect::<SmallVec<[_; 4]>>())
    }

    /// [`Tape::hvp_into`] with a fresh result.
    ///
    /// # Errors
    /// As [`Tape::gradient_into`].
    #[track_caller]
    pub fn hvp(&self, y: Var<'_, T>, x: Var<'_, T>, v: &dyn MatLike<T>) -> Result<Batch<T>> {
        let mut out = Batch::zeros(self.shape_of(&x));
        self.hvp_into(y, x, v, &mut out)?;
        Ok(out)
    }

    /// The Hessian of `y` by `x` as an operator: records the gradient once; each direction then costs one forward
    /// sweep.
    ///
    /// # Errors
    /// As [`Tape::grad_on_tape`].
    #[track_caller]
    pub fn hvp_operator<'t>(&'t self, y: Var<'t, T>, x: Var<'t, T>) -> Result<HvpOperator<'t, T>> {
        Ok(HvpOperator { x, y, g: self.grad_on_tape(y, x)? })
    }
}

/// A Hessian on a held tape. After [`Tape::replay`] it is the Hessian at the new point.
#[derive(Debug, Clone, Copy)]
pub struct HvpOperator<'t, T: Scalar = f64> {
    x: Var<'t, T>,
    y: Var<'t, T>,
    g: Var<'t, T>,
}

impl<'t, T: Scalar> HvpOperator<'t, T> {
    /// `H v`.
    ///
    /// # Errors
    /// [`Error::Shape`]; the first failure of a rule; [`Error::NonFinite`].
    pub fn apply(&self, v: &dyn MatLike<T>) -> Result<Batch<T>> {
        let mut out = Batch::zeros(self.x.shape());
        self.apply_into(v, &mut out)?;
        Ok(out)
    }

    /// `H v` into a given batch. Allocates nothing after the first call.
    ///
    /// # Errors
    /// As [`HvpOperator::apply`].
    pub fn apply_into(&self, v: &dyn MatLike<T>, out: &mut Batch<T>) -> Result<()> {
        let tape = self.x.tape;
        tape.ready()?;
        tape.finite_values([&self.y])?;
        tape.jvp_into(&[(self.x, v)], &[self.g], &mut [out])
    }

    /// The gradient that it differentiates, a value of the tape.
    pub fn gradient(&self) -> Var<'t, T> {
        self.g
    }
}
