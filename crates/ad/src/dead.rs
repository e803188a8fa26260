//! A reverse sweep that keeps masks in mind: what leads to an entry that a selection does not take gets exactly 0.
//!
//! The rule of a selection gives the branch that is not taken the cotangent 0. The operations of that branch multiply
//! it by their derivative, and where that is infinite `0 * inf` is NaN. Such a product cannot be called 0 by its
//! numbers alone: in `sqrt(x)²` at 0 the cotangent of the root is 0 too, and the derivative is 1. So the sweep
//! remembers *why* a cotangent is 0. A cotangent all of whose contributions come through selections carries a mask,
//! outside of which it is dead; an operation between entries of one shape hands the mask on to its inputs, and what
//! its rule gives them is kept within it. With `f` such an operation, `Y = f(X)`, and `gY` dead outside of `M`,
//!
//! `gX = keep(M, f'(X) o gY)`
//!
//! is the rule itself where `M` is true, and the true derivative where it is false. Since `keep` is an operation like
//! any other, the same holds over pairs and over recorded values, and so for every order.
//!
//! The mask ends where entries are mixed (reductions, products, broadcasting) or a contribution comes from elsewhere:
//! then numbers decide again, and what is not finite is an error of the driver. Nothing here runs in a sweep without
//! selections.

use crate::ops::Op;
use crate::ops::entries::select::{Keep, Select};
use crate::record::OpRec;
use crate::sweep::{Recording, steps};
use crate::value::Value;
use smallvec::SmallVec;
use std::ops::Range;

/// Places of cotangents, each with the mask outside of which it is dead.
struct Dead<V>(SmallVec<[(usize, V); 4]>);

/// The places of a step's inputs, and the masks that they get.
type Led<V> = SmallVec<[(usize, Option<V>); 3]>;

/// Does cotangent entry `i` of every input depend on cotangent entry `i` of the outputs alone, where the shapes are
/// equal?
fn by_entries<T: crate::Scalar>(op: &Op<T>) -> bool {
    matches!(
        op,
        Op::LinComb(_)
            | Op::Scale(_)
            | Op::Shift(_)
            | Op::Hadamard(_)
            | Op::HadamardAdd(_)
            | Op::Divide(_)
            | Op::Unary(_)
            | Op::UnaryDerivative(_)
            | Op::Atan2(_)
            | Op::Reciprocal(_)
            | Op::Hypot(_)
            | Op::Extremum(_)
            | Op::Route(_)
            | Op::Select(_)
            | Op::Keep(_)
            | Op::BroadcastTo(_)
            | Op::Nonzero(_)
            | Op::Alias(_)
    )
}

impl<T: crate::Scalar> Op<T> {
    /// Is it a selection?
    #[inline]
    pub(crate) fn selects(&self) -> bool {
        matches!(self, Op::Select(_) | Op::Keep(_))
    }
}

fn and<V: Value>(a: &V, b: &V) -> V {
    Keep { taken: true }.of(a, b)
}

fn or<V: Value>(a: &V, b: &V) -> V {
    V::one(Op::Select(Select), &[a, a, b])
}

/// True where `mask` is, or where it is not.
fn sense<V: Value>(mask: &V, taken: bool) -> V {
    let one = V::filled(mask.cx(), mask.shape(), 1.0);
    if taken { mask.clone() } else { Keep { taken }.of(mask, &one) }
}

impl<V: Value> Dead<V> {
    fn take(&mut self, place: usize) -> Option<V> {
        let k = self.0.iter().position(|d| d.0 == place)?;
        Some(self.0.swap_remove(k).1)
    }

    /// The mask outside of which the cotangents of all outputs of `op` are dead. There is none where `op` mixes
    /// entries (and its outputs may differ in shape), or where one of the cotangents has none.
    fn of_outputs(&mut self, op: &Op<V::T>, places: Range<usize>, slots: &[Option<V::Slot>]) -> Option<V> {
        let live = places.filter(|p| slots[*p].is_some());
        let masks: SmallVec<[Option<V>; 2]> = live.map(|p| self.take(p)).collect();
        let all: Option<SmallVec<[V; 2]>> = masks.into_iter().collect();
        all.filter(|_| by_entries(op))?.into_iter().reduce(|a, b| or(&a, &b))
    }
}

/// The places of the inputs of a step that want a cotangent, each once, with the mask outside of which what they get
/// is dead.
fn lead<V: Value, R: Recording<V>>(
    rec: &R,
    step: &OpRec<V::T>,
    base: usize,
    depends: &[u8],
    mark: Option<&V>,
) -> Led<V> {
    let shape = rec.shape(step.first);
    let whole = by_entries(&step.op);
    let mut out = Led::new();
    for (i, &id) in step.inputs.iter().enumerate() {
        let Some(p) = (id as usize).checked_sub(base).filter(|&p| depends[p] != 0) else { continue };
        let own = match (&step.op, i) {
            // A mask is given nothing.
            (Op::Select(_) | Op::Keep(_), 0) => continue,
            (Op::Select(_), i) => Some(sense(&*rec.load(step.inputs[0]), i == 1)),
            (Op::Keep(k), _) => Some(sense(&*rec.load(step.inputs[0]), k.taken)),
            _ => None,
        };
        let mask = match (own, mark.filter(|_| whole && rec.shape(id) == shape)) {
            (Some(own), Some(mark)) => Some(and(mark, &own)),
            (own, mark) => own.or(mark.cloned()),
        };
        match out.iter_mut().find(|o| o.0 == p) {
            // The same value twice: dead where both are.
            Some(o) => o.1 = o.1.take().zip(mask).map(|(a, b)| or(&a, &b)),
            None => out.push((p, mask)),
        }
    }
    out
}

/// Pulls the cotangents in `slots` back through `ops`, the last of which is a selection if there is one.
#[cold]
pub(crate) fn reverse<V: Value, R: Recording<V>>(
    rec: &R,
    ops: Range<usize>,
    base: usize,
    depends: &[u8],
    slots: &mut [Option<V::Slot>],
) {
    let mut dead = Dead::<V>(SmallVec::new());
    for k in ops.rev() {
        let step = rec.step(k);
        let first = step.first as usize - base;
        let selects = step.op.selects();
        let live = slots[first..first + step.outs as usize].iter().any(Option::is_some);
        if depends[first] == 0 || !live {
            continue;
        }
        if dead.0.is_empty() && !selects {
            steps(rec, k..k + 1, base, depends, slots);
            continue;
        }
        let outer = rec.at(Some(step.line));
        let mark = dead.of_outputs(&step.op, first..first + step.outs as usize, slots);
        let led = lead(rec, &step, base, depends, mark.as_ref());
        let before: SmallVec<[Option<V::Slot>; 3]> = led.iter().map(|(p, _)| slots[*p].take()).collect();
        steps(rec, k..k + 1, base, depends, slots);
        rec.at(Some(step.line));
        for ((p, mask), before) in led.into_iter().zip(before) {
            let Some(given) = slots[p].take() else {
                slots[p] = before;
                continue;
            };
            let earlier = dead.take(p);
            let given = V::unpark(rec.cx(), given, rec.shape((p + base) as u32));
            let given = match &mask {
                Some(mask) if !selects || mark.is_some() => Keep { taken: true }.of(mask, &given),
                _ => given,
            };
            // The first contribution is dead where its mask says; another, where both are.
            let mask = match (before.is_some(), mask, earlier) {
                (false, mask, _) => mask,
                (true, Some(a), Some(b)) => Some(or(&a, &b)),
                _ => None,
            };
            slots[p] = before;
            V::add_to(&mut slots[p], given);
            dead.0.extend(mask.map(|mask| (p, mask)));
        }
        rec.at(outer);
    }
}
