//! One reverse sweep and one forward sweep, over any kind of value. They know no rule; rules know no sweep.

use crate::dead;
use crate::error::Place;

use crate::record::OpRec;
use crate::value::{Grads, Outs, TANGENT_ONLY, Value};
use crate::{Scalar, Shape};
use smallvec::SmallVec;
use std::ops::{Deref, Range};

/// A recorded program, as one kind of value sees it.
pub(crate) trait Recording<V: Value> {
    type Step<'s>: Deref<Target = OpRec<V::T>>
    where
        Self: 's;
    type Held<'s>: Deref<Target = V>
    where
        Self: 's;
    /// Operation number `k`.
    fn step(&self, k: usize) -> Self::Step<'_>;
    fn load(&self, id: u32) -> Self::Held<'_>;
    fn shape(&self, id: u32) -> Shape;
    /// Has the value no numbers, because something failed? (Of a failure that the program handled.)
    fn is_poisoned(&self, id: u32) -> bool;
    fn cx(&self) -> V::Cx;
    /// May there be selections among the operations?
    fn selects(&self) -> bool {
        true
    }
    /// Is of the cotangent of this value only the tangent read?
    #[inline(always)]
    fn tangent_only(&self, _id: u32) -> bool {
        false
    }
    /// May the tangent of this value matter?
    #[inline(always)]
    fn leads(&self, _id: u32) -> bool {
        true
    }
    /// Called before the rule of a step runs. What it returns is given back after the last: a rule may sweep too.
    fn at(&self, line: Option<Place>) -> Option<Place>;
    /// Does what the reverse rule of a step would, if this kind of value knows a shorter way.
    #[inline(always)]
    fn pull(&self, _: &OpRec<V::T>, _base: usize, _depends: &[u8], _slots: &mut [Option<V::Slot>]) -> bool {
        false
    }
    /// The same for the forward rule.
    #[inline(always)]
    fn push(&self, _: &OpRec<V::T>, _base: usize, _slots: &mut [Option<V::Slot>]) -> bool {
        false
    }
}

/// Loads the values of `ids` and lends them to `f`; the usual few without a list.
#[inline]
fn with<V, H: Deref<Target = V>, O>(ids: &[u32], load: impl Fn(u32) -> H, f: impl FnOnce(&[&V]) -> O) -> O {
    match *ids {
        [a] => f(&[&*load(a)]),
        [a, b] => f(&[&*load(a), &*load(b)]),
        [a, b, c] => f(&[&*load(a), &*load(b), &*load(c)]),
        [a, b, c, d] => f(&[&*load(a), &*load(b), &*load(c), &*load(d)]),
        // Two matrices with their handles, and a right-hand side.
        [a, b, c, d, e] => f(&[&*load(a), &*load(b), &*load(c), &*load(d), &*load(e)]),
        _ => {
            let loaded: Vec<H> = ids.iter().map(|&i| load(i)).collect();
            f(&loaded.iter().map(|h| &**h).collect::<Vec<_>>())
        }
    }
}

/// The numbers of the outputs of a step: no primitive has more than three, and a list serves those of users.
#[inline]
fn with_outputs<T: Scalar, O>(step: &OpRec<T>, f: impl FnOnce(&[u32]) -> O) -> O {
    let id = step.first;
    match step.outs {
        1 => f(&[id]),
        2 => f(&[id, id + 1]),
        n => f(&(id..id + n).collect::<SmallVec<[u32; 4]>>()),
    }
}

/// Pulls the cotangents in `slots` back to the targets. What is consumed on the way is freed.
pub(crate) fn reverse<V: Value, R: Recording<V>>(
    rec: &R,
    ops: Range<usize>,
    base: usize,
    depends: &[u8],
    slots: &mut [Option<V::Slot>],
) {
    if !rec.selects() {
        return steps(rec, ops, base, depends, slots);
    }
    let matters = |k: &usize| {
        let step = rec.step(*k);
        step.op.selects() && depends[step.first as usize - base] != 0
    };
    let last = ops.clone().rev().find(matters).map_or(ops.start, |k| k + 1);
    steps(rec, last..ops.end, base, depends, slots);
    dead::reverse(rec, ops.start..last, base, depends, slots);
}

/// The steps of [`reverse`], one after the other, without a thought for selections.
pub(crate) fn steps<V: Value, R: Recording<V>>(
    rec: &R,
    ops: Range<usize>,
    base: usize,
    depends: &[u8],
    slots: &mut [Option<V::Slot>],
) {
    let outer = rec.at(None);
    for k in ops.rev() {
        let step = rec.step(k);
        let step = &*step;
        let first = step.first as usize - base;
        if depends[first] == 0 {
            continue;
        }
        // Of several outputs, all depend on a target if one does; one of them may be the target itself.
        let consumed = match step.outs {
            1 => depends[first] == 1,
            2 => depends[first] == 1 && depends[first + 1] == 1,
            n => !depends[first..first + n as usize].contains(&2),
        };
        if consumed && rec.pull(step, base, depends, slots) {
            continue;
        }
        pull_by_rule(rec, step, base, depends, slots);
    }
    rec.at(outer);
}

/// Pulls the cotangents of one step back by the rule of its primitive. In a place of its own: what rules need would
/// take the registers of the shorter ways.
#[inline(never)]
fn pull_by_rule<V: Value, R: Recording<V>>(
    rec: &R,
    step: &OpRec<V::T>,
    base: usize,
    depends: &[u8],
    slots: &mut [Option<V::Slot>],
) {
    let first = step.first as usize - base;
    // Where the cotangent of an input goes: a place in `slots`, or `u32::MAX` where nothing depends on a target.
    let place = |i: u32| match (i as usize).checked_sub(base) {
        Some(p) if depends[p] != 0 && rec.tangent_only(i) => p as u32 | TANGENT_ONLY,
        Some(p) if depends[p] != 0 => p as u32,
        _ => u32::MAX,
    };
    match (&*step.inputs, step.outs) {
        (&[a], 1) if slots[first].is_some() && place(a) != u32::MAX => {
            rec.at(Some(step.line));
            let mut dy = [take(rec, first, base, depends, slots)];
            let places = &[place(a)];
            let (a, y) = (rec.load(a), rec.load(step.first));
            let x: &[&V] = &[&*a];
            step.op.vjp(x, &[&*y], &mut dy, &mut Grads { slots, places, x });
        }
        (&[a], 2) if place(a) != u32::MAX && (slots[first].is_some() || slots[first + 1].is_some()) => {
            rec.at(Some(step.line));
            let mut dy = [first, first + 1].map(|o| take(rec, o, base, depends, slots));
            let places = &[place(a)];
            let (a, y, z) = (rec.load(a), rec.load(step.first), rec.load(step.first + 1));
            let x: &[&V] = &[&*a];
            step.op.vjp(x, &[&*y, &*z], &mut dy, &mut Grads { slots, places, x });
        }
        (&[a, b], 1) if slots[first].is_some() => {
            // Compared one by one: both at once would be read back before they are written.
            let (place_a, place_b) = (place(a), place(b));
            if place_a == u32::MAX && place_b == u32::MAX {
                return;
            }
            let places = &[place_a, place_b];
            rec.at(Some(step.line));
            let mut dy = [take(rec, first, base, depends, slots)];
            let (a, b, y) = (rec.load(a), rec.load(b), rec.load(step.first));
            let x: &[&V] = &[&*a, &*b];
            step.op.vjp(x, &[&*y], &mut dy, &mut Grads { slots, places, x });
        }
        (inputs, n) => {
            let outs = first..first + n as usize;
            let (mut few, mut many) = ([u32::MAX; 5], vec![]);
            let places = match few.get_mut(..inputs.len()) {
                Some(few) => few,
                None => {
                    many.resize(inputs.len(), u32::MAX);
                    &mut many[..]
                }
            };
            places.iter_mut().zip(inputs).for_each(|(p, &i)| *p = place(i));
            let places = &*places;
            // A target that nothing here leads to keeps its cotangent.
            if slots[outs.clone()].iter().all(Option::is_none) || places.iter().all(|&p| p == u32::MAX) {
                return;
            }
            rec.at(Some(step.line));
            let mut dy: SmallVec<[Option<V>; 3]> = outs.map(|o| take(rec, o, base, depends, slots)).collect();
            with_outputs(step, |outs| {
                with(
                    inputs,
                    |i| rec.load(i),
                    |x| with(outs, |i| rec.load(i), |y| step.op.vjp(x, y, &mut dy, &mut Grads { slots, places, x })),
                )
            });
        }
    }
}

/// Takes the cotangent of a value, and leaves a copy where it was asked for.
#[inline(always)]
fn take<V: Value, R: Recording<V>>(
    rec: &R,
    o: usize,
    base: usize,
    depends: &[u8],
    slots: &mut [Option<V::Slot>],
) -> Option<V> {
    let v = slots[o].take().map(|s| V::unpark(rec.cx(), s, rec.shape((o + base) as u32)));
    if depends[o] == 2 {
        slots[o] = v.clone().map(V::park);
    }
    v
}

/// Pushes the tangents in `slots` forward through the operations.
pub(crate) fn forward<V: Value, R: Recording<V>>(
    rec: &R,
    ops: Range<usize>,
    base: usize,
    slots: &mut [Option<V::Slot>],
) {
    let outer = rec.at(None);
    for k in ops {
        let step = rec.step(k);
        let step = &*step;
        if !rec.leads(step.first) {
            continue;
        }
        let place = |i: u32| Some((i as usize).wrapping_sub(base)).filter(|&p| p < slots.len());
        if rec.is_poisoned(step.first) || !step.inputs.iter().any(|&i| place(i).is_some_and(|p| slots[p].is_some())) {
            continue;
        }
        if rec.push(step, base, slots) {
            continue;
        }
        push_by_rule(rec, step, base, slots);
    }
    rec.at(outer);
}

/// Pushes the tangents of one step by the rule of its primitive, apart from the shorter ways as in [`pull_by_rule`].
#[inline(never)]
fn push_by_rule<V: Value, R: Recording<V>>(rec: &R, step: &OpRec<V::T>, base: usize, slots: &mut [Option<V::Slot>]) {
    let first = step.first as usize - base;
    rec.at(Some(step.line));
    match (&*step.inputs, step.outs) {
        (&[a], 1) => {
            let da = [lend(rec, a, base, slots)];
            let (xa, y) = (rec.load(a), rec.load(step.first));
            let dy = step.op.jvp(&[&*xa], &[&*y], &[da[0].as_ref()]);
            slots[first] = single(dy);
            give_back(&[a], da, base, slots);
        }
        (&[a, b], 1) if a != b => {
            let dx = [lend(rec, a, base, slots), lend(rec, b, base, slots)];
            let (xa, xb, y) = (rec.load(a), rec.load(b), rec.load(step.first));
            let dy = step.op.jvp(&[&*xa, &*xb], &[&*y], &[dx[0].as_ref(), dx[1].as_ref()]);
            slots[first] = single(dy);
            give_back(&[a, b], dx, base, slots);
        }
        (&[a, b, c], 1) if a != b && b != c && c != a => {
            let dx = [a, b, c].map(|i| lend(rec, i, base, slots));
            let (xa, xb, xc, y) = (rec.load(a), rec.load(b), rec.load(c), rec.load(step.first));
            let tangents = [dx[0].as_ref(), dx[1].as_ref(), dx[2].as_ref()];
            let dy = step.op.jvp(&[&*xa, &*xb, &*xc], &[&*y], &tangents);
            slots[first] = single(dy);
            give_back(&[a, b, c], dx, base, slots);
        }
        (inputs, _) => {
            // An input that appears twice is copied.
            let mut dx: SmallVec<[Option<V>; 5]> = SmallVec::new();
            for (j, &i) in inputs.iter().enumerate() {
                let lent = match inputs[..j].iter().position(|&e| e == i) {
                    Some(e) => dx[e].clone(),
                    None => lend(rec, i, base, slots),
                };
                dx.push(lent);
            }
            let dy = {
                let tangents: SmallVec<[Option<&V>; 5]> = dx.iter().map(Option::as_ref).collect();
                with_outputs(step, |outs| {
                    with(inputs, |i| rec.load(i), |x| with(outs, |i| rec.load(i), |y| step.op.jvp(x, y, &tangents)))
                })
            };
            for (j, d) in dy.into_iter().enumerate() {
                slots[first + j] = d.map(V::park);
            }
            give_back(inputs, dx, base, slots);
        }
    }
}

/// Takes the tangent of an input out of its slot, for a rule to read.
#[inline(always)]
fn lend<V: Value, R: Recording<V>>(rec: &R, i: u32, base: usize, slots: &mut [Option<V::Slot>]) -> Option<V> {
    let slot = (i as usize).checked_sub(base).and_then(|p| slots[p].take());
    slot.map(|s| V::unpark(rec.cx(), s, rec.shape(i)))
}

/// Puts the tangents of inputs back.
#[inline(always)]
fn give_back<V: Value>(
    inputs: &[u32],
    dx: impl IntoIterator<Item = Option<V>>,
    base: usize,
    slots: &mut [Option<V::Slot>],
) {
    for (&i, d) in inputs.iter().zip(dx) {
        // The second of an input that appears twice is dropped, which returns it to its pool.
        if let Some(d) = d
            && slots[i as usize - base].is_none()
        {
            slots[i as usize - base] = Some(d.park());
        }
    }
}

/// The only output's tangent, at rest.
#[inline(always)]
fn single<V: Value>(dy: Outs<Option<V>>) -> Option<V::Slot> {
    dy.into_iter().next().flatten().map(V::park)
}
