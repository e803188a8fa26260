//! What a primitive sees when it works from buffer to buffer: values at replay, tangents and cotangents in sweeps over
//! numbers, and cotangents in sweeps over pairs. Around a small value the words of a rule cost many times its
//! arithmetic (`cargo bench -p pullback-benches --bench engine` has the rest).
//!
//! Each primitive says its own shortcuts, below the rule that they repeat: [`Primitive::eval_direct`],
//! [`Primitive::push_direct`],
//! [`Primitive::pull_direct`], [`Primitive::pull_pairs`]. A shortcut is speed, not meaning, and may decline. What holds
//! it to its rule: sweeps over recorded values never take one, [`Tape::use_shortcuts`](crate::Tape::use_shortcuts)
//! switches all of them off, and the tests compare.

pub(crate) use super::evaluation::EvalStep;
use super::{Arg, Out, Primitive};
use crate::error::Place;
use crate::store::{Buf, Store, Trouble};
use crate::val::Val;
use crate::value::Product;
use crate::{Scalar, Shape};
use pullback_kernels::WithTangent;
use smallvec::SmallVec;

use super::entries::broadcast::each_entry;
use super::products::product::gemm_batched;
use super::reductions::reduce::sum_to;

/// A cotangent of pairs at rest.
pub(crate) type Pair<T> = (Buf<T>, Option<Buf<T>>);

// ---- reverse sweeps over numbers ------------------------------------------------------------------------------------

/// A step of a reverse sweep over numbers: the operation, and where cotangents are. Nobody asked to keep those of its
/// outputs.
pub(crate) struct PullStep<'a, T: Scalar> {
    /// The number of the first output.
    pub(crate) first: u32,
    pub(crate) inputs: &'a [u32],
    pub(crate) vals: &'a [Val<T>],
    pub(crate) store: &'a Store<T>,
    pub(crate) base: usize,
    pub(crate) depends: &'a [u8],
    pub(crate) slots: &'a mut [Option<Buf<T>>],
    /// What the program called, and where: for a failure.
    pub(crate) place: &'a Place,
}

impl<'a, T: Scalar> PullStep<'a, T> {
    /// Remembers a failure of the rule, in the words that the sweep would have used.
    #[cold]
    pub(crate) fn fail(&self, op: &'static str, batch: usize, trouble: Trouble) {
        self.store.fail(op, batch, true, Some(*self.place), trouble);
    }

    /// The same again, for a function of its own: what is lent to one cannot stay in registers.
    #[inline(always)]
    pub(crate) fn again(&mut self) -> PullStep<'_, T> {
        PullStep { slots: &mut *self.slots, ..*self }
    }

    #[inline(always)]
    pub(crate) fn input(&self, i: usize) -> Arg<'a, T> {
        self.vals[self.inputs[i] as usize].arg()
    }

    #[inline(always)]
    pub(crate) fn output(&self) -> Arg<'a, T> {
        self.vals[self.first as usize].arg()
    }

    #[inline(always)]
    pub(crate) fn outputs<const N: usize>(&self) -> [Arg<'a, T>; N] {
        std::array::from_fn(|k| self.vals[self.first as usize + k].arg())
    }

    /// The cotangent of the only output, consumed.
    #[inline(always)]
    pub(crate) fn take(&mut self) -> Option<Buf<T>> {
        self.slots[self.first as usize - self.base].take()
    }

    /// The cotangents of several outputs, consumed.
    #[inline(always)]
    pub(crate) fn take_all<const N: usize>(&mut self) -> [Option<Buf<T>>; N] {
        std::array::from_fn(|k| self.slots[self.first as usize + k - self.base].take())
    }

    /// What [`take_all`](Self::take_all) gave, for the rule.
    pub(crate) fn put_back<const N: usize>(&mut self, g: [Option<Buf<T>>; N]) {
        g.into_iter().enumerate().for_each(|(k, g)| self.slots[self.first as usize + k - self.base] = g);
    }

    /// The slot of input `i`, if it depends on a target.
    #[inline(always)]
    pub(crate) fn slot(&mut self, i: usize) -> Option<&mut Option<Buf<T>>> {
        let at = (self.inputs[i] as usize).checked_sub(self.base)?;
        if self.depends[at] == 0 { None } else { Some(&mut self.slots[at]) }
    }

    /// `slot += g`, by moving the buffer where there was nothing.
    #[inline(always)]
    pub(crate) fn give(&mut self, i: usize, g: Buf<T>) {
        let store = self.store;
        match self.slot(i) {
            Some(slot @ None) => *slot = Some(g),
            Some(Some(sum)) => {
                T::axpy(T::one(), &g, sum);
                store.put(g);
            }
            None => store.put(g),
        }
    }

    /// `slot += alpha x`.
    #[inline(always)]
    pub(crate) fn add_scaled(&mut self, i: usize, alpha: T, x: &[T]) {
        let store = self.store;
        match self.slot(i) {
            Some(Some(sum)) => T::axpy(alpha, x, sum),
            Some(slot) => {
                let mut new = store.take(x.len());
                T::scale(alpha, x, &mut new);
                *slot = Some(new);
            }
            None => {}
        }
    }

    /// `slot += g o x`.
    #[inline(always)]
    pub(crate) fn add_hadamard(&mut self, i: usize, g: &[T], x: &[T]) {
        let store = self.store;
        match self.slot(i) {
            Some(Some(sum)) => T::add_hadamard(g, x, sum),
            Some(slot) => {
                let mut new = store.take(x.len());
                T::hadamard(g, x, &mut new);
                *slot = Some(new);
            }
            None => {}
        }
    }

    /// `slot += alpha g`, summed over what the input was broadcast along.
    #[inline(never)]
    pub(crate) fn add_sum(&mut self, i: usize, alpha: T, shape: Shape, g: &[T]) {
        if self.slot(i).is_none() {
            return;
        }
        let (store, to) = (self.store, self.input(i).shape);
        let mut sum = store.take(to.len());
        sum_to(Arg { shape, data: g }, &mut Out { shape: to, data: &mut sum }, store);
        self.add_scaled(i, alpha, &sum);
        store.put(sum);
    }

    /// `slot += g o x`, summed over what the input was broadcast along; one number takes an inner product.
    #[inline(never)]
    pub(crate) fn add_spread_sum(&mut self, i: usize, shape: Shape, mut g: Buf<T>, x: &[T]) {
        if self.slot(i).is_some() {
            if self.input(i).shape == Shape::SCALAR {
                self.add_scaled(i, T::one(), &[T::dot(&g, x)]);
            } else {
                g.iter_mut().zip(x).for_each(|(g, x)| *g *= *x);
                self.add_sum(i, T::one(), shape, &g);
            }
        }
        self.store.put(g);
    }

    /// `slot += g o x`, where `g` is broadcast to the shape of `x`.
    #[inline(never)]
    pub(crate) fn add_spread(&mut self, i: usize, g: Arg<'_, T>, x: Arg<'_, T>) {
        let store = self.store;
        let Some(slot) = self.slot(i) else { return };
        match slot {
            Some(sum) => each_entry(g, x, &mut Out { shape: x.shape, data: sum }, |sum, g, x| *sum += g * x),
            None => {
                let mut new = store.take(x.data.len());
                each_entry(g, x, &mut Out { shape: x.shape, data: &mut new }, |y, g, x| *y = g * x);
                *slot = Some(new);
            }
        }
    }

    /// Adds what `term` says to the slot of input `i`, if it depends on a target.
    #[inline(always)]
    pub(crate) fn add_product<'x>(&mut self, i: usize, term: impl FnOnce() -> (Product, &'x Arg<'x, T>, &'x Arg<'x, T>))
    where
        T: 'x,
    {
        let (store, input) = (self.store, &self.vals[self.inputs[i] as usize]);
        if let Some(slot) = self.slot(i) {
            let (m, a, b) = term();
            match slot {
                Some(sum) => gemm_batched(sum, input.shape, true, m, *a, *b),
                None => {
                    let mut new = store.take(input.buf.len());
                    gemm_batched(&mut new, input.shape, false, m, *a, *b);
                    *slot = Some(new);
                }
            }
        }
    }
}

// ---- forward sweeps over numbers ------------------------------------------------------------------------------------

/// A step of a forward sweep over numbers, at least one of whose inputs has a tangent.
pub(crate) struct PushStep<'a, T: Scalar> {
    /// The number of the first output.
    pub(crate) first: u32,
    pub(crate) inputs: &'a [u32],
    pub(crate) vals: &'a [Val<T>],
    pub(crate) tangents: &'a mut [Option<Buf<T>>],
    pub(crate) base: usize,
    pub(crate) store: &'a Store<T>,
}

impl<'a, T: Scalar> PushStep<'a, T> {
    #[inline(always)]
    pub(crate) fn input(&self, i: usize) -> Arg<'a, T> {
        self.vals[self.inputs[i] as usize].arg()
    }

    #[inline(always)]
    pub(crate) fn output(&self) -> Arg<'a, T> {
        self.vals[self.first as usize].arg()
    }

    #[inline(always)]
    pub(crate) fn outputs<const N: usize>(&self) -> [Arg<'a, T>; N] {
        std::array::from_fn(|k| self.vals[self.first as usize + k].arg())
    }

    /// The tangent of input `i`, if it has one.
    #[inline(always)]
    pub(crate) fn tangent(&self, i: usize) -> Option<Arg<'_, T>> {
        let id = self.inputs[i] as usize;
        let at = id.checked_sub(self.base)?;
        Some(Arg { shape: self.vals[id].shape, data: self.tangents.get(at)?.as_deref()? })
    }

    /// Room for the tangent of the only output.
    #[inline(always)]
    pub(crate) fn room(&self) -> Buf<T> {
        self.store.take(self.output().data.len())
    }

    /// Sets the tangents of the outputs: the end of a shortcut that did its work.
    #[inline(always)]
    pub(crate) fn done<const N: usize>(self, dy: [Buf<T>; N]) -> bool {
        for (k, dy) in dy.into_iter().enumerate() {
            self.tangents[self.first as usize + k - self.base] = Some(dy);
        }
        true
    }

    /// The tangent of an operation that is linear in all inputs together: its value at their tangents. Declines where
    /// one is absent.
    #[inline(always)]
    pub(crate) fn linear(self, op: &impl Primitive<T>) -> bool {
        let dy = match self.inputs.len() {
            1 => self.tangent(0).and_then(|da| self.value(op, &[da])),
            2 => self.tangent(0).zip(self.tangent(1)).and_then(|(da, db)| self.value(op, &[da, db])),
            n => {
                let dx: Option<SmallVec<[Arg<'_, T>; 4]>> = (0..n).map(|i| self.tangent(i)).collect();
                dx.and_then(|dx| self.value(op, &dx))
            }
        };
        match dy {
            Some(dy) => self.done([dy]),
            None => false,
        }
    }

    /// The tangent of an operation that is linear in each of two inputs.
    #[inline(always)]
    pub(crate) fn bilinear(self, op: &impl Primitive<T>) -> bool {
        let left = self.tangent(0).and_then(|da| self.value(op, &[da, self.input(1)]));
        let right = self.tangent(1).and_then(|db| self.value(op, &[self.input(0), db]));
        let dy = match (left, right) {
            (Some(mut sum), Some(term)) => {
                T::axpy(T::one(), &term, &mut sum);
                self.store.put(term);
                Some(sum)
            }
            (left, right) => left.or(right),
        };
        match dy {
            Some(dy) => self.done([dy]),
            None => false,
        }
    }

    /// The value of an operation that does not fail.
    #[inline(always)]
    fn value(&self, op: &impl Primitive<T>, x: &[Arg<'_, T>]) -> Option<Buf<T>> {
        let mut y = self.room();
        match op.eval(x, &mut [Out { shape: self.output().shape, data: &mut y }], self.store) {
            Ok(()) => Some(y),
            Err(_) => {
                self.store.put(y);
                None
            }
        }
    }
}

// ---- reverse sweeps over pairs --------------------------------------------------------------------------------------

/// Values with tangents: those that the values carry, or those of a forward sweep, counted from the given value.
#[derive(Clone, Copy)]
pub(crate) struct Carried<'a, T: Scalar> {
    pub(crate) vals: &'a [Val<T>],
    pub(crate) swept: Option<(&'a [Option<Buf<T>>], usize)>,
}

impl<'a, T: Scalar> Carried<'a, T> {
    /// A value's shape, numbers and tangent.
    #[inline]
    pub(crate) fn pair(&self, id: u32) -> (Shape, WithTangent<'a, T>) {
        let val = &self.vals[id as usize];
        let tangent = match self.swept {
            None => val.tan.as_deref(),
            Some((swept, base)) => (id as usize).checked_sub(base).and_then(|p| swept[p].as_deref()),
        };
        (val.shape, (&val.buf, tangent))
    }
}

/// A step of a reverse sweep over pairs whose only input, but perhaps for the handle of its decomposition, depends on a
/// target. Nobody asked to keep the cotangents of its outputs.
pub(crate) struct PullPairsStep<'a, T: Scalar> {
    /// The number of the first output.
    pub(crate) first: u32,
    pub(crate) inputs: &'a [u32],
    pub(crate) carried: Carried<'a, T>,
    pub(crate) store: &'a Store<T>,
    pub(crate) base: usize,
    pub(crate) slots: &'a mut [Option<Pair<T>>],
    /// Will nobody read the cotangents of inputs of the tape, but for their tangents?
    pub(crate) tangents_only: bool,
    /// What the program called, and where: for a failure.
    pub(crate) place: &'a Place,
}

impl<'a, T: Scalar> PullPairsStep<'a, T> {
    /// Remembers a failure of the rule, in the words that the sweep would have used.
    #[cold]
    pub(crate) fn fail(&self, op: &'static str, batch: usize, trouble: Trouble) {
        self.store.fail(op, batch, true, Some(*self.place), trouble);
    }

    pub(crate) fn input(&self, i: usize) -> (Shape, WithTangent<'a, T>) {
        self.carried.pair(self.inputs[i])
    }

    pub(crate) fn outputs<const N: usize>(&self) -> [(Shape, WithTangent<'a, T>); N] {
        std::array::from_fn(|k| self.carried.pair(self.first + k as u32))
    }

    /// The cotangents of several outputs, consumed.
    pub(crate) fn take_all<const N: usize>(&mut self) -> [Option<Pair<T>>; N] {
        std::array::from_fn(|k| self.slots[self.first as usize + k - self.base].take())
    }

    /// What [`take_all`](Self::take_all) gave, for the rule.
    pub(crate) fn put_back<const N: usize>(&mut self, g: [Option<Pair<T>>; N]) {
        g.into_iter().enumerate().for_each(|(k, g)| self.slots[self.first as usize + k - self.base] = g);
    }

    /// Is of the cotangent of the only input nothing read but its tangent?
    pub(crate) fn tangent_only(&self) -> bool {
        self.tangents_only && !self.carried.vals[self.inputs[0] as usize].made
    }

    /// Both halves of a cotangent of `len` numbers, zero where there is nothing.
    pub(crate) fn filled(&self, g: Option<Pair<T>>, len: usize) -> (Buf<T>, Buf<T>) {
        let zeros = || {
            let mut zeros = self.store.take(len);
            zeros.fill(T::zero());
            zeros
        };
        let (g, dg) = g.map_or((None, None), |(g, dg)| (Some(g), dg));
        (g.unwrap_or_else(zeros), dg.unwrap_or_else(zeros))
    }

    /// Gives both halves back to the pool.
    pub(crate) fn drop(&self, g: Option<Pair<T>>) {
        if let Some((g, dg)) = g {
            self.store.put(g);
            dg.into_iter().for_each(|dg| self.store.put(dg));
        }
    }

    /// `slot += g` for the only input, by moving the buffers where there was nothing.
    pub(crate) fn give(self, (g, dg): (Buf<T>, Buf<T>)) -> bool {
        let store = self.store;
        let (re, du) = self.slots[self.inputs[0] as usize - self.base].get_or_insert_default();
        // Empty where nobody reads it.
        if re.is_empty() {
            *re = g;
        } else {
            add(store, re, g);
        }
        match du {
            Some(du) => add(store, du, dg),
            None => *du = Some(dg),
        }
        true
    }

    /// The same where of the sum nothing but the tangent is read: its value stays as it is, or empty.
    pub(crate) fn give_tangent(self, dg: Buf<T>) -> bool {
        match &mut self.slots[self.inputs[0] as usize - self.base].get_or_insert_default().1 {
            Some(du) => add(self.store, du, dg),
            du => *du = Some(dg),
        }
        true
    }
}

/// `sum += g`, and `g` goes back.
fn add<T: Scalar>(store: &Store<T>, sum: &mut Buf<T>, g: Buf<T>) {
    T::axpy(T::one(), &g, sum);
    store.put(g);
}

/// Member `b` of numbers and tangents of `each` numbers a member.
pub(crate) fn member<T>((x, dx): WithTangent<'_, T>, b: usize, each: usize) -> WithTangent<'_, T> {
    let range = b * each..(b + 1) * each;
    (&x[range.clone()], dx.map(|dx| &dx[range]))
}

/// [`member`] of a cotangent.
pub(crate) fn member_of<T>((g, dg): &Pair<T>, b: usize, each: usize) -> WithTangent<'_, T> {
    member((g, dg.as_deref()), b, each)
}
