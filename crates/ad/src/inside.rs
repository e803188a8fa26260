//! Derivatives inside programs, loops and scopes: what a program may do on the tape it runs on.
//!
//! `x.grad(f)` records a region whatever the tape's switches, sweeps it over the kind of value that matches them
//! (numbers, pairs, recorded values), and drops the region unless the tape records. So gradients nest to any order.

use crate::dual::Dual;
use crate::eager::Eager;
use crate::leaves::VarTree;
use crate::store::Buf;
use crate::sweep::{self, Handles, Numbers, Pairs};
use crate::tape::{Judged, Mark, Tape};
use crate::value::Value;
use crate::var::Operand;
use crate::{Scalar, Shape, Var};

/// A region: records while it lasts, then restores the switch.
struct Region<'t, T: Scalar> {
    tape: &'t Tape<T>,
    mark: Mark,
    recorded: bool,
}

impl<'t, T: Scalar> Region<'t, T> {
    fn enter(tape: &'t Tape<T>) -> Self {
        Region { tape, mark: tape.mark(), recorded: tape.records.replace(true) }
    }

    /// Drops the region unless the tape records; what is kept are values and numbers found by a sweep.
    fn leave(self, value: Var<'t, T>, swept: Found<'t, T>) -> (Var<'t, T>, Var<'t, T>) {
        let tape = self.tape;
        match swept {
            Found::Recorded(v) => (value, v),
            Found::Numbers(shape, buf, tan) => {
                let value = tape.collapse(self.mark, &[value])[0];
                (value, tape.place(shape, buf, tan))
            }
        }
    }
}

impl<T: Scalar> Drop for Region<'_, T> {
    fn drop(&mut self) {
        self.tape.records.set(self.recorded);
    }
}

/// What a sweep over a region found.
enum Found<'t, T: Scalar> {
    Recorded(Var<'t, T>),
    Numbers(Shape, Buf<T>, Option<Buf<T>>),
}

fn none<S>(n: usize) -> Vec<Option<S>> {
    std::iter::repeat_with(|| None).take(n).collect()
}

impl<T: Scalar> Tape<T> {
    /// Marks of the region since `mark` that depend on `x`.
    fn depends(&self, mark: Mark, x: &[Var<'_, T>]) -> (Vec<u8>, Mark) {
        let (inner, end) = (self.inner(), self.mark());
        let mut depends = vec![];
        sweep::mark_depends(&mut depends, mark.vals, end.vals, x.iter().map(|v| v.id), &inner.ops[mark.ops..]);
        (depends, end)
    }

    /// The gradients of `y` by `x` over what was recorded since `mark`, recorded in turn.
    pub(crate) fn grads_recorded<'t>(&'t self, mark: Mark, y: Var<'t, T>, x: &[Var<'t, T>]) -> Vec<Var<'t, T>> {
        let (depends, end) = self.depends(mark, x);
        let mut slots = none(end.vals - mark.vals);
        if y.id as usize >= mark.vals {
            slots[y.id as usize - mark.vals] = Some(self.filled(Shape::SCALAR, T::one()).park());
        }
        T::reverse_handles(&Handles(self), mark.ops..end.ops, mark.vals, &depends, &mut slots);
        self.judge_choices(mark, end, y, x);
        x.iter()
            .map(|x| {
                let shape = self.shape_of(x);
                match slots[x.id as usize - mark.vals] {
                    Some(s) => Var::unpark(self, s, shape),
                    None => self.filled(shape, T::zero()),
                }
            })
            .collect()
    }

    /// Remembers a failure if the number `y` depends on a basis that is not determined; a tape that can be replayed asks anew then.
    fn judge_choices(&self, mark: Mark, end: Mark, y: Var<'_, T>, x: &[Var<'_, T>]) {
        if self.inner().gauges == 0 {
            return;
        }
        let targets = x.iter().map(|x| x.id).collect();
        let judged = Judged { ops: mark.ops..end.ops, base: mark.vals, targets, y: y.id };
        let found = self.inner().depends_on_a_choice(&self.store, &judged);
        found.into_iter().for_each(|e| self.store.remember(e));
        self.keep_judged(judged);
    }

    fn grad_recorded<'t>(&'t self, mark: Mark, y: Var<'t, T>, x: Var<'t, T>) -> Var<'t, T> {
        self.grads_recorded(mark, y, &[x])[0]
    }

    fn zeros(&self, shape: Shape) -> Buf<T> {
        let mut b = self.store.take(shape.len());
        b.fill(T::zero());
        b
    }

    fn one_number(&self) -> Buf<T> {
        let mut b = self.store.take(1);
        b[0] = T::one();
        b
    }

    fn grad_numbers<'t>(&'t self, mark: Mark, y: Var<'t, T>, x: Var<'t, T>) -> Found<'t, T> {
        let (depends, end) = self.depends(mark, &[x]);
        let inner = self.inner();
        let (inner, store) = (&*inner, &self.store);
        let shape = inner.vals[x.id as usize].shape;
        let (xk, yk) = (x.id as usize - mark.vals, (y.id as usize).checked_sub(mark.vals));
        let (buf, tan) = match self.tangents.get() {
            false => {
                let mut slots = none(end.vals - mark.vals);
                yk.into_iter().for_each(|k| slots[k] = Some(self.one_number()));
                T::reverse_numbers(&Numbers { inner, store }, mark.ops..end.ops, mark.vals, &depends, &mut slots);
                let found = slots[xk].take();
                slots.into_iter().flatten().for_each(|b| store.put(b));
                (found, None)
            }
            true => {
                let mut slots = none(end.vals - mark.vals);
                yk.into_iter().for_each(|k| slots[k] = Some((self.one_number(), None)));
                let pairs = Pairs { inner, store, swept: None };
                T::reverse_pairs(&pairs, mark.ops..end.ops, mark.vals, &depends, &mut slots);
                let found = slots[xk].take();
                slots.into_iter().flatten().for_each(|b| drop(Dual::<Eager<'_, T>>::unpark(store, b, Shape::SCALAR)));
                found.map_or((None, None), |(b, t)| (Some(b), t))
            }
        };
        if inner.gauges > 0 {
            let judged = Judged { ops: mark.ops..end.ops, base: mark.vals, targets: vec![x.id], y: y.id };
            inner.depends_on_a_choice(store, &judged).into_iter().for_each(|e| store.remember(e));
        }
        Found::Numbers(shape, buf.unwrap_or_else(|| self.zeros(shape)), tan)
    }

    /// The tangent of `y` when `x` moves along `v`, over what was recorded since `mark`.
    fn along<'t>(&'t self, mark: Mark, record: bool, y: Var<'t, T>, x: Var<'t, T>, v: Var<'t, T>) -> Found<'t, T> {
        let end = self.mark();
        let (xk, yk) = (x.id as usize - mark.vals, (y.id as usize).checked_sub(mark.vals));
        let shape = self.shape_of(&y);
        if record {
            let mut slots = none(end.vals - mark.vals);
            slots[xk] = Some(v.park());
            T::forward_handles(&Handles(self), mark.ops..end.ops, mark.vals, &mut slots);
            return Found::Recorded(match yk.and_then(|k| slots[k].take()) {
                Some(s) => Var::unpark(self, s, shape),
                None => self.filled(shape, T::zero()),
            });
        }
        let inner = self.inner();
        let (inner, store) = (&*inner, &self.store);
        let copy = |b: &Buf<T>| {
            let mut c = store.take(b.len());
            c.copy_from_slice(b);
            c
        };
        let direction = &inner.vals[v.id as usize];
        let (buf, tan) = match self.tangents.get() {
            false => {
                let mut slots = none(end.vals - mark.vals);
                slots[xk] = Some(copy(&direction.buf));
                T::forward_numbers(&Numbers { inner, store }, mark.ops..end.ops, mark.vals, &mut slots);
                let found = yk.and_then(|k| slots[k].take());
                slots.into_iter().flatten().for_each(|b| store.put(b));
                (found, None)
            }
            true => {
                let mut slots = none(end.vals - mark.vals);
                slots[xk] = Some((copy(&direction.buf), direction.tan.as_ref().map(copy)));
                let pairs = Pairs { inner, store, swept: None };
                T::forward_pairs(&pairs, mark.ops..end.ops, mark.vals, &mut slots);
                let found = yk.and_then(|k| slots[k].take());
                slots.into_iter().flatten().for_each(|b| drop(Dual::<Eager<'_, T>>::unpark(store, b, Shape::SCALAR)));
                found.map_or((None, None), |(b, t)| (Some(b), t))
            }
        };
        Found::Numbers(shape, buf.unwrap_or_else(|| self.zeros(shape)), tan)
    }

    /// Runs `f` and frees everything it made but its result. On a recording tape it frees nothing.
    #[track_caller]
    pub fn scope<'t, S: VarTree<'t, T>>(&'t self, f: impl FnOnce() -> S) -> S {
        let mark = self.mark();
        let out = f();
        if self.records.get() { out } else { self.keep(mark, &out) }
    }

    #[track_caller]
    fn keep<'t, S: VarTree<'t, T>>(&'t self, mark: Mark, state: &S) -> S {
        let mut list = Vec::new();
        state.each(&mut |v| list.push(v));
        let kept = self.collapse(mark, &list);
        let mut kept = kept.into_iter();
        state.map(&mut |v| kept.next().unwrap_or(v))
    }

    /// `n` steps of a loop. On a tape that does not record, what a step made is freed when it ends, and so is the state it
    /// replaces: 10³ and 10⁶ steps use equal memory. On a recording tape everything is kept for the sweep.
    #[track_caller]
    pub fn iterate<'t, S: VarTree<'t, T>>(&'t self, state: S, n: usize, mut step: impl FnMut(S) -> S) -> S {
        let mark = (!self.records.get()).then(|| self.mark());
        let mut state = state;
        for _ in 0..n {
            state = step(state);
            if let Some(mark) = mark {
                state = self.keep(mark, &state);
            }
        }
        state
    }
}

impl<'t, T: Scalar> Var<'t, T> {
    /// The gradient of `f` at `self`, as a value of the same program. `f` may capture other values.
    ///
    /// ```
    /// use pullback::prelude::*;
    /// // A gradient step inside a program, differentiated through.
    /// let (y, dy) = value_and_grad(|s: Var| {
    ///     let x = s.tape().constant(&3.0);
    ///     let x = x - s * x.grad(|x| x * x);
    ///     x * x
    /// }, &0.25)?;
    /// assert_eq!((y, dy), (2.25, -18.0));
    /// # Ok::<(), pullback::Error>(())
    /// ```
    ///
    /// # Panics
    /// If `f` returns anything but one number.
    #[track_caller]
    #[must_use]
    pub fn grad(self, f: impl Fn(Var<'t, T>) -> Var<'t, T>) -> Var<'t, T> {
        self.value_and_grad(f).1
    }

    /// The value and the gradient of `f` at `self`.
    ///
    /// # Panics
    /// If `f` returns anything but one number.
    #[track_caller]
    #[must_use]
    pub fn value_and_grad(self, f: impl Fn(Var<'t, T>) -> Var<'t, T>) -> (Var<'t, T>, Var<'t, T>) {
        let region = Region::enter(self.tape);
        let x = self.alias();
        let y = f(x);
        assert_number(self.tape, &y);
        let found = match region.recorded {
            true => Found::Recorded(self.tape.grad_recorded(region.mark, y, x)),
            false => self.tape.grad_numbers(region.mark, y, x),
        };
        region.leave(y, found)
    }

    /// The value of `f` at `self` and its derivative along `v`.
    #[track_caller]
    #[must_use]
    pub fn jvp(self, f: impl Fn(Var<'t, T>) -> Var<'t, T>, v: impl Operand<'t, T>) -> (Var<'t, T>, Var<'t, T>) {
        let v = v.on(self.tape);
        assert_along("jvp", self.shape(), self.tape.shape_of(&v));
        let region = Region::enter(self.tape);
        let x = self.alias();
        let y = f(x);
        self.tape.shape_of(&y);
        let found = self.tape.along(region.mark, region.recorded, y, x, v);
        region.leave(y, found)
    }

    /// The Hessian of `f` at `self`, applied to `v`: the derivative of the gradient along `v`.
    ///
    /// # Panics
    /// If `f` returns anything but one number, or the shapes differ.
    #[track_caller]
    #[must_use]
    pub fn hvp(self, f: impl Fn(Var<'t, T>) -> Var<'t, T>, v: impl Operand<'t, T>) -> Var<'t, T> {
        let v = v.on(self.tape);
        assert_along("hvp", self.shape(), self.tape.shape_of(&v));
        let region = Region::enter(self.tape);
        let x = self.alias();
        let y = f(x);
        assert_number(self.tape, &y);
        let g = self.tape.grad_recorded(region.mark, y, x);
        let found = self.tape.along(region.mark, region.recorded, g, x, v);
        region.leave(g, found).1
    }
}

#[track_caller]
fn assert_number<T: Scalar>(tape: &Tape<T>, y: &Var<'_, T>) {
    let s = tape.shape_of(y);
    assert!(s == Shape::SCALAR, "a gradient is of one number, and this value is {s}; reduce it with `sum` or `dot`");
}

#[track_caller]
fn assert_along(what: &str, x: Shape, v: Shape) {
    assert!(x == v, "{what}: the direction is {v}, and the point {x}; they must be equal");
}
