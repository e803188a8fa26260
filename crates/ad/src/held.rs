//! Derivatives on a tape that the user holds: record once, replay on new numbers, sweep as often as you like.

use crate::batch::{Batch, MatLike, View};
use crate::diagnose::{Again, first_bad};
use crate::dual::Dual;
use crate::eager::Eager;
use crate::error::Origin;
use crate::invariance::{Asked, Question};
use crate::record::{Inner, Mark};
use crate::scratch::Scratch;
use crate::store::Buf;
use crate::value::Value;
use crate::views::{Numbers, Pairs};
use crate::{Error, Result, Scalar, Shape, Tape, Var};
use smallvec::SmallVec;

/// An empty slot for each value; those there are empty already.
fn reset<S>(slots: &mut Vec<Option<S>>, n: usize) {
    slots.resize_with(n, || None);
}

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
        let shape = self.shape_of(&y);
        if shape != Shape::SCALAR {
            return Err(Error::NotScalar { shape });
        }
        self.check_outs(x, out)?;
        self.ready()?;
        let one = |slots: &mut [Option<Buf<T>>]| slots[y.id as usize] = Some(self.one());
        self.sweep_back([&y], one, x, |i, g| out[i].data_mut().copy_from_slice(g.data()))
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
        self.check_outs(x, out)?;
        self.vjp_visit(seeds, x, |i, g| out[i].data_mut().copy_from_slice(g.data()))
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
        self.sweep_back(seeds.iter().map(|(y, _)| y), |slots| self.plant_here(seeds, slots), x, &mut visit)
    }

    /// A reverse sweep over numbers from the cotangents that `plant` gives to `y`.
    #[track_caller]
    fn sweep_back<'v, 't: 'v>(
        &self,
        y: impl IntoIterator<Item = &'v Var<'t, T>> + Clone,
        plant: impl Fn(&mut [Option<Buf<T>>]),
        x: &[Var<'_, T>],
        mut visit: impl FnMut(usize, View<'_, T>),
    ) -> Result<()> {
        self.finite_values(y.clone())?;
        let mut s = self.borrow_scratch();
        let Scratch { cotangents, depends, .. } = &mut *s;
        let mut bad = None;
        {
            let inner = self.inner();
            let (inner, store) = (&*inner, &self.store);
            for x in x {
                inner.check(self, x, "cotangent");
            }
            reset(cotangents, inner.vals.len());
            plant(cotangents);
            let depends = depends.of(inner, x.iter().map(|v| v.id));
            T::reverse_numbers(&Numbers { inner, store }, 0..inner.ops.len(), 0, depends, cotangents);
            for (i, v) in x.iter().enumerate() {
                let shape = inner.vals[v.id as usize].shape;
                let slot = &mut cotangents[v.id as usize];
                let zeros = slot.is_none();
                let buf = slot.get_or_insert_with(|| store.take(shape.len()));
                let data = &mut **buf;
                if zeros {
                    data.fill(T::zero());
                }
                if bad.is_none() && !T::all_finite(data) {
                    bad = first_bad(data);
                }
                visit(i, View { shape, data });
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

    /// A gradient that is not finite, and where it comes from.
    #[cold]
    fn blamed(&self, index: usize, value: f64, plant: &dyn Fn(&mut [Option<Buf<T>>]), x: &[Var<'_, T>]) -> Error {
        let inner = self.inner();
        let again = Again { inner: &*inner, store: &self.store };
        let origin = again.reverse(plant, x.iter().map(|v| v.id));
        self.store.take_failure();
        Error::NonFinite { what: "gradient", index, value, origin }
    }

    /// The error, if what `plant` seeds depends on a basis that is not determined on the way from `x`.
    fn choices(&self, y: &[Var<'_, T>], plant: &dyn Fn(&mut [Option<Buf<T>>]), x: &[Var<'_, T>]) -> Result<()> {
        let inner = self.inner();
        if !inner.has_choices(0..inner.ops.len()) {
            return Ok(());
        }
        let asked = Asked::of(&inner, y.iter().map(|y| y.id), x.iter().map(|x| x.id));
        if inner.has_complements_only() && self.answered.borrow().contains(&asked) {
            return Ok(());
        }
        let mut slots = Vec::new();
        reset(&mut slots, inner.vals.len());
        plant(&mut slots);
        let targets: SmallVec<[u32; 4]> = x.iter().map(|x| x.id).collect();
        let seeds = slots.iter().enumerate().filter_map(|(i, w)| Some((i as u32, w.as_deref()?)));
        let seeds: SmallVec<[(u32, &[T]); 2]> = seeds.collect();
        let (ops, store) = (0..inner.ops.len(), &self.store);
        let question = Question { inner: &*inner, store, ops, base: 0, targets: &targets, seeds: &seeds };
        let answer = question.answer();
        drop(seeds);
        self.empty(&mut slots);
        match answer {
            Some(e) => return Err(e),
            None if self.store.warned() == 0.0 => self.answered.borrow_mut().push(asked),
            None => {}
        }
        Ok(())
    }

    /// Are gradients finite that were recorded after so many operations?
    pub(crate) fn finite_gradients(&self, g: &[Var<'_, T>], recorded: usize) -> Result<()> {
        let inner = self.inner();
        let bad = |g: &Var<'_, T>| first_bad(&inner.vals[g.id as usize].buf).map(|found| (g.id, found));
        match g.iter().find_map(bad) {
            Some((id, (index, value))) => {
                let origin = crate::diagnose::recorded(&inner, id, recorded);
                Err(Error::NonFinite { what: "gradient", index, value, origin })
            }
            None => Ok(()),
        }
    }

    /// Are the values that are to be differentiated finite?
    #[inline]
    pub(crate) fn finite_values<'v, 't: 'v>(&self, y: impl IntoIterator<Item = &'v Var<'t, T>>) -> Result<()> {
        let inner = self.inner();
        match y.into_iter().find(|y| !T::all_finite(&inner.vals[y.id as usize].buf)) {
            None => Ok(()),
            Some(y) => self.not_finite(&inner, y.id),
        }
    }

    #[cold]
    fn not_finite(&self, inner: &Inner<T>, y: u32) -> Result<()> {
        let Some((index, value)) = first_bad(&inner.vals[y as usize].buf) else { return Ok(()) };
        Err(self.store.take_missing().unwrap_or_else(|| {
            let origin = crate::diagnose::value(inner, y);
            Error::NonFinite { what: "value", index, value, origin }
        }))
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
        self.check_seeds("the direction", seeds)?;
        self.check_outs(y, out)?;
        self.finite_values(y)?;
        let mut s = self.borrow_scratch();
        let tangents = &mut s.tangents;
        self.sweep_forward(seeds, tangents);
        for (v, o) in y.iter().zip(out.iter_mut()) {
            match &tangents[v.id as usize] {
                Some(b) => o.data_mut().copy_from_slice(b),
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
    fn one(&self) -> Buf<T> {
        let mut one = self.store.take(1);
        one[0] = T::one();
        one
    }

    /// Puts what is given at several values into their slots.
    #[inline(never)]
    fn plant(&self, seeds: &[(Var<'_, T>, &dyn MatLike<T>)], slots: &mut [Option<Buf<T>>]) {
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

    fn sweep_forward(&self, seeds: &[(Var<'_, T>, &dyn MatLike<T>)], tangents: &mut Vec<Option<Buf<T>>>) {
        let inner = self.inner();
        let (inner, store) = (&*inner, &self.store);
        reset(tangents, inner.vals.len());
        self.plant(seeds, tangents);
        T::forward_numbers(&Numbers { inner, store }, 0..inner.ops.len(), 0, tangents);
    }

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
        self.second_order(y, seeds, &mut [], out)
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
        self.second_order(y, seeds, gradients, out)?;
        let one = |slots: &mut [Option<Buf<T>>]| slots[y.id as usize] = Some(self.one());
        self.judged("gradient", gradients, |again| again.reverse(one, seeds.iter().map(|(x, _)| x.id)))
    }

    /// The sweeps of [`Tape::hvps_into`]; `gradients` is empty or has one batch for each value.
    #[track_caller]
    fn second_order(
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
        let Scratch { tangents, duals, depends, .. } = &mut *s;
        self.sweep_forward(seeds, tangents);
        {
            let inner = self.inner();
            let (inner, store) = (&*inner, &self.store);
            let depends = depends.of(inner, seeds.iter().map(|(x, _)| x.id));
            reset(duals, inner.vals.len());
            let one = Eager::build(Shape::SCALAR, store, |b| b[0] = T::one());
            duals[y.id as usize] = Some((one.into_buf(), None));
            let pairs = Pairs { inner, store, swept: Some((tangents, 0)) };
            T::reverse_pairs(&pairs, 0..inner.ops.len(), 0, depends, duals);
            for ((x, _), out) in seeds.iter().zip(out.iter_mut()) {
                match &duals[x.id as usize] {
                    Some((_, Some(d))) => out.data_mut().copy_from_slice(d),
                    _ => out.data_mut().fill(T::zero()),
                }
            }
            for ((x, _), g) in seeds.iter().zip(gradients) {
                match &duals[x.id as usize] {
                    Some((b, _)) => g.data_mut().copy_from_slice(b),
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

    /// The Hessian of `y` by `x` as an operator: records the gradient once; each direction then costs one forward
    /// sweep.
    ///
    /// # Errors
    /// As [`Tape::grad_on_tape`].
    #[track_caller]
    pub fn hvp_operator<'t>(&'t self, y: Var<'t, T>, x: Var<'t, T>) -> Result<HvpOperator<'t, T>> {
        Ok(HvpOperator { x, y, g: self.grad_on_tape(y, x)? })
    }

    /// Gives the buffers of all slots back.
    fn empty(&self, slots: &mut [Option<Buf<T>>]) {
        for slot in slots {
            if let Some(b) = slot.take() {
                self.store.put(b);
            }
        }
    }

    fn borrow_scratch(&self) -> Box<Scratch<T>> {
        self.scratch.borrow_mut().take().unwrap_or_default()
    }

    fn return_scratch(&self, s: Box<Scratch<T>>) {
        *self.scratch.borrow_mut() = Some(s);
    }

    #[track_caller]
    fn check_seeds(&self, what: &'static str, seeds: &[(Var<'_, T>, &dyn MatLike<T>)]) -> Result<()> {
        self.ready()?;
        let inner = self.inner();
        for (v, m) in seeds {
            inner.check(self, v, what);
            let (expected, got) = (inner.vals[v.id as usize].shape, m.shape());
            if got != expected {
                return Err(Error::Shape { what, expected, got });
            }
        }
        Ok(())
    }

    #[track_caller]
    fn check_outs<'v, 't: 'v>(
        &self,
        x: impl IntoIterator<Item = &'v Var<'t, T>, IntoIter: ExactSizeIterator>,
        out: &[&mut Batch<T>],
    ) -> Result<()> {
        let x = x.into_iter();
        if x.len() != out.len() {
            return Err(Error::Leaves { what: "the list of results", expected: x.len(), got: out.len() });
        }
        let inner = self.inner();
        for (v, o) in x.zip(out) {
            inner.check(self, v, "result");
            let expected = inner.vals[v.id as usize].shape;
            if o.shape() != expected {
                return Err(Error::Shape { what: "the result", expected, got: o.shape() });
            }
        }
        Ok(())
    }

    /// The failure of a rule, or a number that is not finite with what `whence` says of it.
    fn judged(
        &self,
        what: &'static str,
        out: &[&mut Batch<T>],
        whence: impl FnOnce(&Again<'_, T>) -> Origin,
    ) -> Result<()> {
        let finite = out.iter().all(|o| T::all_finite(o.data()));
        if finite && !self.store.has_ever_failed() {
            return Ok(());
        }
        let (failure, missing) = (self.store.take_failure(), self.store.take_missing());
        if let Some(e) = failure {
            return Err(e);
        }
        let Some((index, value)) = out.iter().find_map(|o| first_bad(o.data())) else { return Ok(()) };
        if let Some(e) = missing {
            return Err(e);
        }
        let inner = self.inner();
        let origin = whence(&Again { inner: &*inner, store: &self.store });
        self.store.take_failure();
        Err(Error::NonFinite { what, index, value, origin })
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
