//! A tape as each kind of value sees it: numbers, pairs of a value and its tangent, recorded handles. What a sweep does
//! with them is not known here.

use crate::dual::Dual;
use crate::eager::Eager;
use crate::error::Place;
use crate::ops::direct::Pair;
use crate::ops::direct::{Carried, PullPairsStep, PullStep, PushStep};
use crate::record::{Inner, OpRec};
use crate::store::{Buf, Store};
use crate::sweep::Recording;
use crate::{Scalar, Shape, Tape, Var};
use std::mem::ManuallyDrop;
use std::ops::Deref;

/// Something owned that reads like a borrow.
pub(crate) struct Own<V>(pub(crate) V);

impl<V> Deref for Own<V> {
    type Target = V;
    fn deref(&self) -> &V {
        &self.0
    }
}

/// Something lent by a tape: nothing in it is to be freed.
pub(crate) struct Lent<V>(ManuallyDrop<V>);

impl<V> Deref for Lent<V> {
    type Target = V;
    #[inline]
    fn deref(&self) -> &V {
        &self.0
    }
}

/// A tape, seen as numbers.
pub(crate) struct Numbers<'a, T: Scalar> {
    pub(crate) inner: &'a Inner<T>,
    pub(crate) store: &'a Store<T>,
    /// Marks of the values whose tangents matter; none where all do.
    pub(crate) leads: &'a [u8],
}

impl<'a, T: Scalar> Recording<Eager<'a, T>> for Numbers<'a, T> {
    type Step<'s>
        = &'s OpRec<T>
    where
        Self: 's;
    type Held<'s>
        = Lent<Eager<'a, T>>
    where
        Self: 's;
    fn step(&self, k: usize) -> &OpRec<T> {
        &self.inner.ops[k]
    }
    #[inline]
    fn load(&self, id: u32) -> Lent<Eager<'a, T>> {
        Lent(ManuallyDrop::new(self.inner.eager(id, self.store)))
    }
    #[inline]
    fn shape(&self, id: u32) -> Shape {
        self.inner.vals[id as usize].shape
    }
    fn is_poisoned(&self, id: u32) -> bool {
        self.inner.vals[id as usize].poisoned
    }
    fn cx(&self) -> &'a Store<T> {
        self.store
    }
    fn selects(&self) -> bool {
        self.inner.selects > 0
    }
    #[inline(always)]
    fn leads(&self, id: u32) -> bool {
        self.leads.get(id as usize) != Some(&0)
    }
    #[inline]
    fn at(&self, line: Option<Place>) -> Option<Place> {
        self.store.set_line(line)
    }
    #[inline(always)]
    fn pull(&self, step: &OpRec<T>, base: usize, depends: &[u8], slots: &mut [Option<Buf<T>>]) -> bool {
        let Numbers { inner, store, .. } = *self;
        let (first, inputs, vals) = (step.first, &*step.inputs, &*inner.vals);
        store.takes_shortcuts()
            && step.op.pull_direct(PullStep { first, inputs, vals, store, base, depends, slots, place: &step.line })
    }
    #[inline(always)]
    fn push(&self, step: &OpRec<T>, base: usize, slots: &mut [Option<Buf<T>>]) -> bool {
        let Numbers { inner, store, .. } = *self;
        let (first, inputs, vals, tangents) = (step.first, &*step.inputs, &*inner.vals, slots);
        store.takes_shortcuts() && step.op.push_direct(PushStep { first, inputs, vals, tangents, base, store })
    }
}

/// A tape, seen as pairs: tangents are those the values carry, or those of a forward sweep.
pub(crate) struct Pairs<'a, T: Scalar> {
    pub(crate) inner: &'a Inner<T>,
    pub(crate) store: &'a Store<T>,
    /// Tangents of a forward sweep, counted from the given value.
    pub(crate) swept: Option<(&'a [Option<Buf<T>>], usize)>,
    /// Will nobody read the cotangents of inputs of the tape, but for their tangents?
    pub(crate) tangents_only: bool,
}

impl<'a, T: Scalar> Pairs<'a, T> {
    fn carried(&self) -> Carried<'a, T> {
        Carried { vals: &self.inner.vals, swept: self.swept }
    }
}

impl<'a, T: Scalar> Recording<Dual<Eager<'a, T>>> for Pairs<'a, T> {
    type Step<'s>
        = &'s OpRec<T>
    where
        Self: 's;
    type Held<'s>
        = Lent<Dual<Eager<'a, T>>>
    where
        Self: 's;
    fn step(&self, k: usize) -> &OpRec<T> {
        &self.inner.ops[k]
    }
    fn load(&self, id: u32) -> Lent<Dual<Eager<'a, T>>> {
        let (shape, (re, du)) = self.carried().pair(id);
        let of = |x| Eager::borrowed(x, shape, self.store);
        Lent(ManuallyDrop::new(Dual { re: of(re), du: du.map(of) }))
    }
    fn shape(&self, id: u32) -> Shape {
        self.inner.vals[id as usize].shape
    }
    fn is_poisoned(&self, id: u32) -> bool {
        self.inner.vals[id as usize].poisoned
    }
    fn cx(&self) -> &'a Store<T> {
        self.store
    }
    fn selects(&self) -> bool {
        self.inner.selects > 0
    }
    #[inline]
    fn tangent_only(&self, id: u32) -> bool {
        self.tangents_only && !self.inner.vals[id as usize].made
    }
    fn at(&self, line: Option<Place>) -> Option<Place> {
        self.store.set_line(line)
    }
    #[inline]
    fn pull(&self, step: &OpRec<T>, base: usize, _: &[u8], slots: &mut [Option<Pair<T>>]) -> bool {
        let (first, inputs, carried, store) = (step.first, &*step.inputs, self.carried(), self.store);
        let (tangents_only, place) = (self.tangents_only, &step.line);
        // A handle has no cotangent; it depends on a target where its matrix does.
        let alone = inputs.len() == 1 || (inputs.len() == 2 && step.op.is_handle(1));
        alone
            && store.takes_shortcuts()
            && step.op.pull_pairs(PullPairsStep { first, inputs, carried, store, base, slots, tangents_only, place })
    }
}

/// A tape, seen as handles: what the rules compute is recorded on it.
pub(crate) struct Handles<'t, T: Scalar>(pub(crate) &'t Tape<T>);

impl<'t, T: Scalar> Recording<Var<'t, T>> for Handles<'t, T> {
    type Step<'s>
        = Own<OpRec<T>>
    where
        Self: 's;
    type Held<'s>
        = Own<Var<'t, T>>
    where
        Self: 's;
    fn step(&self, k: usize) -> Own<OpRec<T>> {
        Own(self.0.inner().ops[k].clone())
    }
    fn load(&self, id: u32) -> Own<Var<'t, T>> {
        Own(self.0.handle(id))
    }
    fn shape(&self, id: u32) -> Shape {
        self.0.inner().vals[id as usize].shape
    }
    fn is_poisoned(&self, id: u32) -> bool {
        self.0.inner().vals[id as usize].poisoned
    }
    fn cx(&self) -> &'t Tape<T> {
        self.0
    }
    fn at(&self, line: Option<Place>) -> Option<Place> {
        self.0.rule_line.replace(line)
    }
}
