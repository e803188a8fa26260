//! Derivatives inside programs, loops and scopes: what a program may do on the tape it runs on.
//!
//! `x.grad(f)`, of a value or a tree of values, records a region whatever the tape's switches, sweeps it over the kind
//! of value that matches them (numbers, pairs, recorded values), and drops the region unless the tape records. So
//! gradients nest to any order.

use crate::dual::Dual;
use crate::eager::Eager;
use crate::leaves::VarTree;
use crate::ops::Op;
use crate::ops::control::guard::OfFinite;
use crate::record::{Judged, Mark};
use crate::scratch::mark_depends;
use crate::store::Buf;
use crate::tape::Tape;
use crate::value::Value;
use crate::var::Operand;
use crate::views::{Handles, Numbers, Pairs};
use crate::{Scalar, Shape, Var};
use std::cell::Cell;

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

    /// Drops the region unless the tape records; what is kept are `value` and the numbers found by a sweep.
    fn leave(self, value: Var<'t, T>, found: Found<'t, T>) -> (Var<'t, T>, Vec<Var<'t, T>>) {
        let tape = self.tape;
        match found {
            Found::Recorded(list) => (value, list),
            Found::Numbers(list) => {
                let value = tape.collapse(self.mark, &[value])[0];
                (value, list.into_iter().map(|(shape, buf, tan)| tape.place(shape, buf, tan)).collect())
            }
        }
    }
}

impl<T: Scalar> Drop for Region<'_, T> {
    fn drop(&mut self) {
        self.tape.records.set(self.recorded);
    }
}

/// What a sweep over a region found: values of the tape, or numbers and their tangents.
enum Found<'t, T: Scalar> {
    Recorded(Vec<Var<'t, T>>),
    Numbers(Vec<(Shape, Buf<T>, Option<Buf<T>>)>),
}

fn none<S>(n: usize) -> Vec<Option<S>> {
    std::iter::repeat_with(|| None).take(n).collect()
}

impl<T: Scalar> Tape<T> {
    /// Marks of the region since `mark` that depend on `x`.
    fn depends(&self, mark: Mark, x: &[Var<'_, T>]) -> (Vec<u8>, Mark) {
        let (inner, end) = (self.inner(), self.mark());
        let mut depends = vec![];
        mark_depends(&mut depends, mark.vals, end.vals, x.iter().map(|v| v.id), &inner.ops[mark.ops..]);
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

    /// Remembers a failure if the number `y` depends on a basis that is not determined; a tape that can be replayed
    /// asks anew then.
    fn judge_choices(&self, mark: Mark, end: Mark, y: Var<'_, T>, x: &[Var<'_, T>]) {
        if self.inner().gauges == 0 {
            return;
        }
        let targets = x.iter().map(|x| x.id).collect();
        let judged =
            Judged { ops: mark.ops..end.ops, base: mark.vals, targets, y: y.id, independent: Cell::new(false) };
        let found = self.inner().depends_on_a_choice(&self.store, &judged);
        found.into_iter().for_each(|e| self.store.remember(e));
        self.keep_judged(judged);
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

    /// The gradients of `y` by `x` over what was recorded since `mark`, as numbers.
    fn grads_numbers<'t>(&'t self, mark: Mark, y: Var<'t, T>, x: &[Var<'t, T>]) -> Found<'t, T> {
        let (depends, end) = self.depends(mark, x);
        let inner = self.inner();
        let (inner, store) = (&*inner, &self.store);
        let yk = (y.id as usize).checked_sub(mark.vals);
        let mut slots = none(end.vals - mark.vals);
        let mut pairs = none(end.vals - mark.vals);
        match self.tangents.get() {
            false => {
                yk.into_iter().for_each(|k| slots[k] = Some(self.one_number()));
                T::reverse_numbers(
                    &Numbers { inner, store, leads: &[] },
                    mark.ops..end.ops,
                    mark.vals,
                    &depends,
                    &mut slots,
                );
            }
            true => {
                yk.into_iter().for_each(|k| pairs[k] = Some((self.one_number(), None)));
                let over = Pairs { inner, store, swept: None, tangents_only: false };
                T::reverse_pairs(&over, mark.ops..end.ops, mark.vals, &depends, &mut pairs);
            }
        }
        if inner.gauges > 0 {
            let targets = x.iter().map(|x| x.id).collect();
            let judged =
                Judged { ops: mark.ops..end.ops, base: mark.vals, targets, y: y.id, independent: Cell::new(false) };
            inner.depends_on_a_choice(store, &judged).into_iter().for_each(|e| store.remember(e));
        }
        let places = x.iter().map(|x| (x.id as usize - mark.vals, inner.vals[x.id as usize].shape));
        self.collect(places, slots, pairs)
    }

    /// The slots of the given places, zeros where they are empty, from whichever of the lists was swept; the rest is
    /// put back.
    fn collect<'t>(
        &'t self,
        places: impl Iterator<Item = (usize, Shape)>,
        mut slots: Vec<Option<Buf<T>>>,
        mut pairs: Vec<Option<(Buf<T>, Option<Buf<T>>)>>,
    ) -> Found<'t, T> {
        let found = places.map(|(k, shape)| match (slots[k].take(), pairs[k].take()) {
            (Some(b), _) => (shape, b, None),
            (None, Some((b, t))) => (shape, b, t),
            (None, None) => (shape, self.zeros(shape), None),
        });
        let found = found.collect();
        slots.into_iter().flatten().for_each(|b| self.store.put(b));
        let left = pairs.into_iter().flatten();
        left.for_each(|b| drop(Dual::<Eager<'_, T>>::unpark(&self.store, b, Shape::SCALAR)));
        Found::Numbers(found)
    }

    /// The tangents of `y` when every `x` moves along its `v`, over what was recorded since `mark`.
    fn along<'t>(
        &'t self,
        mark: Mark,
        record: bool,
        y: &[Var<'t, T>],
        x: &[Var<'t, T>],
        v: &[Var<'t, T>],
    ) -> Found<'t, T> {
        let end = self.mark();
        let seeds = || x.iter().map(|x| x.id as usize - mark.vals).zip(v);
        let places = |y: &Var<'t, T>| ((y.id as usize).checked_sub(mark.vals), self.shape_of(y));
        if record {
            let mut slots = none(end.vals - mark.vals);
            seeds().for_each(|(k, v)| slots[k] = Some(v.park()));
            T::forward_handles(&Handles(self), mark.ops..end.ops, mark.vals, &mut slots);
            let found = y.iter().map(places).map(|(k, shape)| match k.and_then(|k| slots[k]) {
                Some(s) => Var::unpark(self, s, shape),
                None => self.filled(shape, T::zero()),
            });
            return Found::Recorded(found.collect());
        }
        let places: Vec<_> = y.iter().map(places).collect();
        let inner = self.inner();
        let (inner, store) = (&*inner, &self.store);
        let copy = |b: &Buf<T>| {
            let mut c = store.take(b.len());
            c.copy_from_slice(b);
            c
        };
        // One place more, which stays empty: that of a result from before the region, which no `x` moves.
        let outside = end.vals - mark.vals;
        let (mut slots, mut pairs) = (none(outside + 1), none(outside + 1));
        match self.tangents.get() {
            false => {
                seeds().for_each(|(k, v)| slots[k] = Some(copy(&inner.vals[v.id as usize].buf)));
                T::forward_numbers(&Numbers { inner, store, leads: &[] }, mark.ops..end.ops, mark.vals, &mut slots);
            }
            true => {
                for (k, v) in seeds() {
                    let v = &inner.vals[v.id as usize];
                    pairs[k] = Some((copy(&v.buf), v.tan.as_ref().map(copy)));
                }
                let over = Pairs { inner, store, swept: None, tangents_only: false };
                T::forward_pairs(&over, mark.ops..end.ops, mark.vals, &mut pairs);
            }
        }
        self.collect(places.into_iter().map(|(k, shape)| (k.unwrap_or(outside), shape)), slots, pairs)
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
        with_handles(state, self.collapse(mark, &handles(state)))
    }

    /// `n` steps of a loop. On a tape that does not record, what a step made is freed when it ends, and so is the state
    /// it replaces: 10³ and 10⁶ steps use equal memory. On a recording tape everything is kept for the sweep.
    #[doc(alias("fori_loop", "scan"))]
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

/// The handles of a tree, in order.
pub(crate) fn handles<'t, T: Scalar>(tree: &impl VarTree<'t, T>) -> Vec<Var<'t, T>> {
    let mut list = Vec::new();
    tree.each(&mut |v| list.push(v));
    list
}

/// The same tree with the handles of a list as long.
pub(crate) fn with_handles<'t, T: Scalar, S: VarTree<'t, T>>(
    tree: &S,
    list: impl IntoIterator<Item = Var<'t, T>>,
) -> S {
    let mut list = list.into_iter();
    tree.map(&mut |v| list.next().unwrap_or(v))
}

/// The tape of a tree.
#[track_caller]
pub(crate) fn tape_of<'t, T: Scalar>(what: &str, tree: &impl VarTree<'t, T>) -> &'t Tape<T> {
    let mut tape = None;
    tree.each(&mut |v| tape = tape.or(Some(v.tape)));
    let Some(tape) = tape else { panic!("{what}: expected a tree with at least one value, got one without") };
    tape
}

/// A region with fresh names for the handles of a tree, and the number that `f` makes of them.
#[track_caller]
fn enter<'t, T: Scalar, S: VarTree<'t, T>>(
    tape: &'t Tape<T>,
    tree: &S,
    f: impl Fn(S) -> Var<'t, T>,
) -> (Region<'t, T>, Vec<Var<'t, T>>, Var<'t, T>) {
    let region = Region::enter(tape);
    // Not in a closure: those do not know their caller's line.
    let mut x = handles(tree);
    for v in &mut x {
        *v = v.alias();
    }
    let y = f(with_handles(tree, x.iter().copied()));
    tape.shape_of(&y);
    (region, x, y)
}

/// The methods `grad`, `value_and_grad`, `jvp` and `hvp` of [`VarTree`].
pub(crate) mod on_trees {
    use super::*;

    #[track_caller]
    pub(crate) fn value_and_grad<'t, T: Scalar, S: VarTree<'t, T>>(
        what: &str,
        at: S,
        f: impl Fn(S) -> Var<'t, T>,
    ) -> (Var<'t, T>, S) {
        let tape = tape_of(what, &at);
        let (region, x, y) = enter(tape, &at, f);
        assert_number(what, tape, &y);
        let found = match region.recorded {
            true => Found::Recorded(tape.grads_recorded(region.mark, y, &x)),
            false => tape.grads_numbers(region.mark, y, &x),
        };
        let (y, g) = region.leave(y, found);
        (y, with_handles(&at, g))
    }

    /// The gradient alone: nobody else sees the value, so this looks whether it is finite.
    #[track_caller]
    pub(crate) fn grad<'t, T: Scalar, S: VarTree<'t, T>>(at: S, f: impl Fn(S) -> Var<'t, T>) -> S {
        let (y, g) = value_and_grad("grad", at, f);
        of_finite("grad", y, &g)
    }

    #[track_caller]
    fn of_finite<'t, T: Scalar, S: VarTree<'t, T>>(what: &'static str, y: Var<'t, T>, g: &S) -> S {
        let _said = y.tape.saying(if what == "grad" { &"grad" } else { &"hvp" });
        let mut g_of_y = handles(g);
        for g in &mut g_of_y {
            *g = y.tape.push_one(Op::OfFinite(OfFinite), &[g, &y]);
        }
        with_handles(g, g_of_y)
    }

    #[track_caller]
    pub(crate) fn jvp<'t, T: Scalar, S: VarTree<'t, T>>(
        at: S,
        f: impl Fn(S) -> Var<'t, T>,
        v: S,
    ) -> (Var<'t, T>, Var<'t, T>) {
        let tape = tape_of("jvp", &at);
        let v = directions("jvp", tape, &at, &v);
        let (region, x, y) = enter(tape, &at, f);
        let found = tape.along(region.mark, region.recorded, &[y], &x, &v);
        let (y, dy) = region.leave(y, found);
        (y, dy[0])
    }

    #[track_caller]
    pub(crate) fn hvp<'t, T: Scalar, S: VarTree<'t, T>>(at: S, f: impl Fn(S) -> Var<'t, T>, v: S) -> S {
        let tape = tape_of("hvp", &at);
        let v = directions("hvp", tape, &at, &v);
        let (region, x, y) = enter(tape, &at, f);
        assert_number("hvp", tape, &y);
        let g = tape.grads_recorded(region.mark, y, &x);
        let found = tape.along(region.mark, region.recorded, &g, &x, &v);
        let (y, h) = region.leave(y, found);
        of_finite("hvp", y, &with_handles(&at, h))
    }
}

#[track_caller]
fn assert_number<T: Scalar>(what: &str, tape: &Tape<T>, y: &Var<'_, T>) {
    let s = tape.shape_of(y);
    assert!(
        s == Shape::SCALAR,
        "{what}: a gradient is of one number: expected a closure that returns 1x1, got {s}; reduce it with `sum` or `dot`"
    );
}

/// The handles of a direction, which must be like the point.
#[track_caller]
fn directions<'t, T: Scalar, S: VarTree<'t, T>>(what: &str, tape: &Tape<T>, at: &S, v: &S) -> Vec<Var<'t, T>> {
    let (at, v) = (handles(at), handles(v));
    let (m, n) = (at.len(), v.len());
    assert!(m == n, "{what}: expected a direction of {m} values, as the point has, got {n}");
    for (x, v) in at.iter().zip(&v) {
        let (x, v) = (tape.shape_of(x), tape.shape_of(v));
        assert!(x == v, "{what}: expected a direction of shape {x}, as the point has, got {v}");
    }
    v
}

impl<'t, T: Scalar> Var<'t, T> {
    /// The gradient of `f` at `self`, as a value of the same program. `f` may capture other values. Of several values:
    /// [`VarTree::grad`].
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
        on_trees::grad(self, f)
    }

    /// The value and the gradient of `f` at `self`.
    ///
    /// # Panics
    /// If `f` returns anything but one number.
    #[track_caller]
    #[must_use]
    pub fn value_and_grad(self, f: impl Fn(Var<'t, T>) -> Var<'t, T>) -> (Var<'t, T>, Var<'t, T>) {
        on_trees::value_and_grad("value_and_grad", self, f)
    }

    /// The value of `f` at `self` and its derivative along `v`.
    #[track_caller]
    #[must_use]
    pub fn jvp(self, f: impl Fn(Var<'t, T>) -> Var<'t, T>, v: impl Operand<'t, T>) -> (Var<'t, T>, Var<'t, T>) {
        on_trees::jvp(self, f, v.on(self.tape))
    }

    /// The Hessian of `f` at `self`, applied to `v`: the derivative of the gradient along `v`.
    ///
    /// # Panics
    /// If `f` returns anything but one number, or the shapes differ.
    #[track_caller]
    #[must_use]
    pub fn hvp(self, f: impl Fn(Var<'t, T>) -> Var<'t, T>, v: impl Operand<'t, T>) -> Var<'t, T> {
        on_trees::hvp(self, f, v.on(self.tape))
    }
}
