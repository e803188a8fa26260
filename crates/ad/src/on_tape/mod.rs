//! Derivatives on a tape that the user holds: record once, replay on new numbers, sweep as often as you like. Those of
//! second order are in `second.rs`, what is checked before and after a sweep in `verdicts.rs`.

mod second;
mod verdicts;

pub use second::HvpOperator;

use crate::batch::{Batch, MatLike, View};
use crate::diagnose::first_bad;
use crate::eager::Eager;
use crate::record::Mark;
use crate::scratch::{Scratch, mark_depends};
use crate::store::Buf;
use crate::value::Value;
use crate::views::Numbers;
use crate::{Error, Result, Scalar, Shape, Tape, Var};
use smallvec::SmallVec;

/// An empty slot for each value; those there are empty already.
fn reset<S>(slots: &mut Vec<Option<S>>, n: usize) {
    slots.resize_with(n, || None);
}

/// Does the value number `i` of a list come again?
fn again<T: Scalar>(list: &[Var<'_, T>], i: usize) -> bool {
    list[i + 1..].iter().any(|v| v.id == list[i].id)
}

/// # Derivatives
/// Of what was recorded.
impl<T: Scalar> Tape<T> {
    /// The gradient of the number `y` by `x`.
    ///
    /// # Errors
    /// [`Error::NotScalar`]; the first failure of the program or of a rule; [`Error::NonFinite`].
    #[doc(alias = "backward")]
    #[track_caller]
    pub fn gradient(&self, y: Var<'_, T>, x: Var<'_, T>) -> Result<Batch<T>> {
        let mut out = Batch::zeros(self.shape_of(&x));
        self.gradient_into(y, &[x], &mut [&mut out])?;
        Ok(out)
    }

    /// The gradients of the number `y` by several values, into given batches. Allocates nothing after the first call.
    ///
    /// # Errors
    /// As [`Tape::gradient`]; [`Error::Shape`] if a batch has another shape than its value.
    #[track_caller]
    pub fn gradient_into(&self, y: Var<'_, T>, x: &[Var<'_, T>], out: &mut [&mut Batch<T>]) -> Result<()> {
        T::gradient(self, y, x, out)
    }

    /// [`Tape::gradient_into`], as the engine's crate compiles it; so are those of its kind below.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn gradient_here(&self, y: Var<'_, T>, x: &[Var<'_, T>], out: &mut [&mut Batch<T>]) -> Result<()> {
        let shape = self.shape_of(&y);
        if shape != Shape::SCALAR {
            return Err(Error::NotScalar { shape });
        }
        self.check_outs(x, out)?;
        self.ready()?;
        let one = |slots: &mut [Option<Buf<T>>]| slots[y.id as usize] = Some(self.one());
        self.sweep_back([&y], one, x, |i, _, g| out[i].take_over(g, || again(x, i)))
    }

    /// Pulls cotangents of several values back to several others. Allocates nothing after the first call.
    ///
    /// # Errors
    /// [`Error::Shape`] if a cotangent or a batch has another shape than its value; the first failure;
    /// [`Error::NonFinite`].
    #[track_caller]
    pub fn vjp_into(
        &self,
        seeds: &[(Var<'_, T>, &dyn MatLike<T>)],
        x: &[Var<'_, T>],
        out: &mut [&mut Batch<T>],
    ) -> Result<()> {
        T::vjp(self, seeds, x, out)
    }

    #[inline(always)]
    #[track_caller]
    pub(crate) fn vjp_here(
        &self,
        seeds: &[(Var<'_, T>, &dyn MatLike<T>)],
        x: &[Var<'_, T>],
        out: &mut [&mut Batch<T>],
    ) -> Result<()> {
        self.check_outs(x, out)?;
        self.check_seeds("the cotangent", seeds)?;
        let plant = |slots: &mut [Option<Buf<T>>]| self.plant_here(seeds, slots);
        self.sweep_back(seeds.iter().map(|(y, _)| y), plant, x, |i, _, g| out[i].take_over(g, || again(x, i)))
    }

    /// [`Tape::vjp_into`] that lends each cotangent instead of copying it: `visit(i, cotangent of x[i])`.
    ///
    /// # Errors
    /// As [`Tape::vjp_into`].
    #[track_caller]
    pub fn vjp_visit(
        &self,
        seeds: &[(Var<'_, T>, &dyn MatLike<T>)],
        x: &[Var<'_, T>],
        mut visit: impl FnMut(usize, View<'_, T>),
    ) -> Result<()> {
        self.check_seeds("the cotangent", seeds)?;
        for x in x {
            self.inner().check(self, x, "cotangent");
        }
        let plant = |slots: &mut [Option<Buf<T>>]| self.plant_here(seeds, slots);
        self.sweep_back(seeds.iter().map(|(y, _)| y), plant, x, |i, shape, data| visit(i, View { shape, data }))
    }

    /// Does `y` depend on any of `x`, as far as the recorded operations tell? Where it does not, its derivative is
    /// exactly zero and need not be asked for. It does not matter whether the numbers are up to date. Cost: a look at
    /// each operation.
    ///
    /// ```
    /// use pullback::prelude::*;
    /// let tape = Tape::new();
    /// let (a, b) = (tape.input(&2.0_f64), tape.input(&3.0_f64));
    /// let y = a * a;
    /// assert!(tape.depends_on(y, &[a, b])? && !tape.depends_on(y, &[b])?);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NotRecording`]: a tape that keeps no operations cannot tell.
    #[track_caller]
    pub fn depends_on(&self, y: Var<'_, T>, x: &[Var<'_, T>]) -> Result<bool> {
        let inner = self.inner();
        x.iter().chain([&y]).for_each(|v| inner.check(self, v, "depends_on"));
        self.whole()?;
        let mut marks = vec![];
        mark_depends(&mut marks, 0, inner.vals.len(), x.iter().map(|v| v.id), &inner.ops);
        Ok(marks[y.id as usize] != 0)
    }

    /// A reverse sweep over numbers from the cotangents that `plant` gives to `y`. A buffer that `visit` is given may
    /// be exchanged for another one of its length, unless a later one is of the same value.
    #[track_caller]
    fn sweep_back<'v, 't: 'v>(
        &self,
        y: impl IntoIterator<Item = &'v Var<'t, T>> + Clone,
        plant: impl Fn(&mut [Option<Buf<T>>]),
        x: &[Var<'_, T>],
        mut visit: impl FnMut(usize, Shape, &mut Buf<T>),
    ) -> Result<()> {
        self.finite_values(y.clone())?;
        let mut s = self.borrow_scratch();
        let Scratch { cotangents, depends, .. } = &mut *s;
        let mut bad = None;
        {
            let inner = self.inner();
            let (inner, store) = (&*inner, &self.store);
            reset(cotangents, inner.vals.len());
            plant(cotangents);
            let depends = depends.depending(inner, x.iter().map(|v| v.id));
            T::reverse_numbers(&Numbers { inner, store, leads: &[] }, 0..inner.ops.len(), 0, depends, cotangents);
            for (i, v) in x.iter().enumerate() {
                let shape = inner.vals[v.id as usize].shape;
                let slot = &mut cotangents[v.id as usize];
                let zeros = slot.is_none();
                let buf = slot.get_or_insert_with(|| store.take(shape.len()));
                if zeros {
                    buf.fill(T::zero());
                }
                if bad.is_none() && !T::all_finite(buf) {
                    bad = first_bad(buf);
                }
                visit(i, shape, buf);
            }
            // Everything else was consumed on the way.
            for id in x.iter().map(|v| v.id).chain(y.clone().into_iter().map(|v| v.id)) {
                if let Some(b) = cotangents[id as usize].take() {
                    store.put(b);
                }
            }
        }
        self.return_scratch(s);
        if bad.is_none() && !self.store.has_ever_failed() && self.inner().gauges == 0 {
            return Ok(());
        }
        match (self.store.take_failure(), self.store.take_missing(), bad) {
            (Some(e), ..) | (None, Some(e), Some(_)) => Err(e),
            (None, _, None) if self.inner().gauges == 0 => Ok(()),
            (None, _, None) => self.choices(&y.into_iter().copied().collect::<SmallVec<[_; 4]>>(), &plant, x),
            (None, None, Some((index, value))) => Err(self.blamed(index, value, &plant, x)),
        }
    }

    /// Pushes tangents of several values forward to `y`.
    ///
    /// # Errors
    /// [`Error::Shape`] if a tangent has another shape than its value; the first failure; [`Error::NonFinite`].
    #[track_caller]
    pub fn jvp_into(
        &self,
        seeds: &[(Var<'_, T>, &dyn MatLike<T>)],
        y: &[Var<'_, T>],
        out: &mut [&mut Batch<T>],
    ) -> Result<()> {
        T::jvp(self, seeds, y, out)
    }

    #[inline(always)]
    #[track_caller]
    pub(crate) fn jvp_here(
        &self,
        seeds: &[(Var<'_, T>, &dyn MatLike<T>)],
        y: &[Var<'_, T>],
        out: &mut [&mut Batch<T>],
    ) -> Result<()> {
        self.check_seeds("the direction", seeds)?;
        self.check_outs(y, out)?;
        self.finite_values(y)?;
        let mut s = self.borrow_scratch();
        let Scratch { tangents, leads, .. } = &mut *s;
        self.sweep_forward(seeds, tangents, leads.leading(&self.inner(), y.iter().map(|y| y.id)));
        for (i, (v, o)) in y.iter().zip(out.iter_mut()).enumerate() {
            match &mut tangents[v.id as usize] {
                Some(b) => o.take_over(b, || again(y, i)),
                None => o.data_mut().fill(T::zero()),
            }
        }
        self.empty(tangents);
        self.return_scratch(s);
        self.judged("derivative", out, |again| {
            let (origin, tangents) = again.forward(|slots| self.plant(seeds, slots));
            tangents.into_iter().flatten().for_each(|b| self.store.put(b));
            origin
        })
    }

    /// The cotangent of a number whose gradient is asked for.
    #[inline]
    pub(super) fn one(&self) -> Buf<T> {
        let mut one = self.store.take(1);
        one[0] = T::one();
        one
    }

    /// Puts what is given at several values into their slots.
    #[inline(never)]
    pub(super) fn plant(&self, seeds: &[(Var<'_, T>, &dyn MatLike<T>)], slots: &mut [Option<Buf<T>>]) {
        self.plant_here(seeds, slots);
    }

    /// [`Tape::plant`] inlined, for the path on which a call would be noticed.
    #[inline(always)]
    fn plant_here(&self, seeds: &[(Var<'_, T>, &dyn MatLike<T>)], slots: &mut [Option<Buf<T>>]) {
        for (x, v) in seeds {
            let seed = Eager::build(v.shape(), &self.store, |b| v.write(b));
            Eager::add_to(&mut slots[x.id as usize], seed);
        }
    }

    /// The tangents of the values that `leads` marks; of all if there are no marks.
    pub(super) fn sweep_forward(
        &self,
        seeds: &[(Var<'_, T>, &dyn MatLike<T>)],
        tangents: &mut Vec<Option<Buf<T>>>,
        leads: &[u8],
    ) {
        let inner = self.inner();
        let (inner, store) = (&*inner, &self.store);
        reset(tangents, inner.vals.len());
        self.plant(seeds, tangents);
        T::forward_numbers(&Numbers { inner, store, leads }, 0..inner.ops.len(), 0, tangents);
    }

    /// The gradient of `y` by `x` as a value of the tape: differentiable, and replayed with the rest.
    ///
    /// # Errors
    /// [`Error::NotScalar`]; [`Error::NotRecording`]; the first failure; [`Error::NonFinite`].
    #[track_caller]
    pub fn grad_on_tape<'t>(&'t self, y: Var<'t, T>, x: Var<'t, T>) -> Result<Var<'t, T>> {
        Ok(self.grads_on_tape(y, &[x])?[0])
    }

    /// The gradients of `y` by several values, as values of the tape.
    ///
    /// # Errors
    /// As [`Tape::grad_on_tape`].
    #[track_caller]
    pub fn grads_on_tape<'t>(&'t self, y: Var<'t, T>, x: &[Var<'t, T>]) -> Result<Vec<Var<'t, T>>> {
        let shape = self.shape_of(&y);
        if shape != Shape::SCALAR {
            return Err(Error::NotScalar { shape });
        }
        for x in x {
            self.shape_of(x);
        }
        self.ready()?;
        self.finite_values([&y])?;
        let recorded = self.operations();
        let g = self.grads_recorded(Mark::START, y, x);
        self.verdict()?;
        self.finite_gradients(&g, recorded)?;
        Ok(g)
    }

    /// Gives the buffers of all slots back.
    pub(super) fn empty(&self, slots: &mut [Option<Buf<T>>]) {
        for slot in slots {
            if let Some(b) = slot.take() {
                self.store.put(b);
            }
        }
    }

    pub(super) fn borrow_scratch(&self) -> Box<Scratch<T>> {
        self.scratch.borrow_mut().take().unwrap_or_default()
    }

    pub(super) fn return_scratch(&self, s: Box<Scratch<T>>) {
        *self.scratch.borrow_mut() = Some(s);
    }
}
