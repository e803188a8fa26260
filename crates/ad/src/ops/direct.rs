//! The commonest operations over plain numbers, from buffer to buffer: values at replay, and both rules. They exist for
//! speed alone: each computes what `eval`, `jvp` or `vjp` of its operation computes, where shapes are equal and nothing
//! is summed, and every other case goes to those. Around a small value the words of a rule cost many times its
//! arithmetic (`cargo bench -p pullback-benches --bench engine` measures what is left of that).
//!
//! The tests hold this file to the rules: sweeps over numbers come from here, those over recorded values never do (over
//! pairs, only what `direct_pairs.rs` has), and every line of the primitives' table compares them.

use super::arithmetic::{Hadamard, LinComb, Scale};
use super::lu_factors::LuFactors;
use super::product::{Mul, MulAdd, cotangent_of_first, cotangent_of_second, gemm_batched};
use super::qr::Qr;
use super::reduce::Dot;
use super::trsm::Trsm;
use super::unary::UnaryFn;
use super::{Arg, Op, Out};
use crate::record::OpRec;
use crate::store::{Buf, Store, Trouble};
use crate::val::Val;
use crate::value::Product;
use crate::{Scalar, Shape};

/// Computes the outputs of a step from the values before it. `None`: nothing was done.
#[inline(always)]
pub(crate) fn eval<T: Scalar>(
    step: &OpRec<T>,
    before: &[Val<T>],
    out: &mut [Val<T>],
    store: &Store<T>,
) -> Option<Result<(), Trouble>> {
    match (&step.op, &*step.inputs, out) {
        (Op::Mul(Mul(m)), &[a, b], [y]) => {
            let (a, b) = (&before[a as usize], &before[b as usize]);
            if (a.shape.batch, b.shape.batch) != (1, 1) {
                return None;
            }
            let k = if m.ta { a.shape.rows } else { a.shape.cols };
            let (rows, cols) = (y.shape.rows, y.shape.cols);
            T::gemm(&mut y.buf, rows, cols, k, T::of(m.alpha), &a.buf, m.ta, &b.buf, m.tb, false);
        }
        (Op::Dot(Dot), &[a, b], [y]) => {
            let (a, b) = (&before[a as usize], &before[b as usize]);
            if y.buf.len() != 1 || a.buf.len() != b.buf.len() {
                return None;
            }
            y.buf[0] = T::dot(&a.buf, &b.buf);
        }
        (Op::Qr(Qr { transposed: None }), &[a], [q, r]) => {
            let a = &before[a as usize];
            if a.shape.batch != 1 {
                return None;
            }
            let w = &mut *store.work.borrow_mut();
            if let Err(failure) = T::qr_thin(&a.buf, a.shape.rows, a.shape.cols, &mut q.buf, &mut r.buf, w) {
                return Some(Err(failure.into()));
            }
        }
        _ => return None,
    }
    Some(Ok(()))
}

/// A step of a reverse sweep over numbers: the operation, and where cotangents are.
pub(crate) struct Pull<'a, T: Scalar> {
    pub(crate) step: &'a OpRec<T>,
    pub(crate) inputs: &'a [u32],
    pub(crate) vals: &'a [Val<T>],
    pub(crate) store: &'a Store<T>,
    pub(crate) base: usize,
    pub(crate) depends: &'a [u8],
    pub(crate) slots: &'a mut [Option<Buf<T>>],
}

impl<'a, T: Scalar> Pull<'a, T> {
    /// A copy of this value for a function that takes it whole; a value that is lent cannot stay in registers.
    #[inline(always)]
    fn again(&mut self) -> Pull<'_, T> {
        Pull { slots: &mut *self.slots, ..*self }
    }

    #[inline(always)]
    fn input(&self, i: usize) -> Arg<'a, T> {
        self.vals[self.inputs[i] as usize].arg()
    }

    #[inline(always)]
    fn output(&self) -> Arg<'a, T> {
        self.vals[self.step.first as usize].arg()
    }

    #[inline(always)]
    fn outputs<const N: usize>(&self) -> [Arg<'a, T>; N] {
        std::array::from_fn(|k| self.vals[self.step.first as usize + k].arg())
    }

    /// The cotangent of the only output, consumed.
    #[inline(always)]
    fn take(&mut self) -> Option<Buf<T>> {
        self.slots[self.step.first as usize - self.base].take()
    }

    /// The cotangents of several outputs, consumed.
    #[inline(always)]
    fn take_all<const N: usize>(&mut self) -> [Option<Buf<T>>; N] {
        std::array::from_fn(|k| self.slots[self.step.first as usize + k - self.base].take())
    }

    /// The slot of input `i`, if it depends on a target.
    #[inline(always)]
    fn slot(&mut self, i: usize) -> Option<&mut Option<Buf<T>>> {
        let at = (self.inputs[i] as usize).checked_sub(self.base)?;
        if self.depends[at] == 0 { None } else { Some(&mut self.slots[at]) }
    }

    /// `slot += g`, by moving the buffer where there was nothing.
    #[inline(always)]
    fn give(&mut self, i: usize, g: Buf<T>) {
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
    fn add_scaled(&mut self, i: usize, alpha: T, x: &[T]) {
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

    /// Adds what `term` says to the slot of input `i`, if it depends on a target.
    #[inline(always)]
    fn add_product<'x>(&mut self, i: usize, term: impl FnOnce() -> (Product, &'x Arg<'x, T>, &'x Arg<'x, T>))
    where
        T: 'x,
    {
        let (store, input) = (self.store, &self.vals[self.inputs[i] as usize]);
        if let Some(slot) = self.slot(i) {
            let add = slot.is_some();
            let sum = slot.get_or_insert_with(|| store.take(input.buf.len()));
            let (m, a, b) = term();
            gemm_batched(sum, input.shape, add, m, *a, *b);
        }
    }
}

/// Pulls the cotangents of the outputs, which nobody asked to keep, to the inputs. `false`: nothing was done.
#[inline(always)]
pub(crate) fn pull<T: Scalar>(mut p: Pull<'_, T>) -> bool {
    let step = p.step;
    match &step.op {
        Op::Mul(Mul(m)) => {
            let Some(g) = p.take() else { return true };
            let (a, b) = (p.input(0), p.input(1));
            let gy = Arg { shape: p.output().shape, data: &g };
            p.add_product(0, || cotangent_of_first(*m, [&a, &b], &gy));
            p.add_product(1, || cotangent_of_second(*m, [&a, &b], &gy));
            p.store.put(g);
        }
        Op::Scale(Scale { alpha }) => {
            let Some(mut g) = p.take() else { return true };
            let alpha = T::of(*alpha);
            g.iter_mut().for_each(|x| *x *= alpha);
            p.give(0, g);
        }
        Op::LinComb(LinComb { alpha, beta }) if p.input(0).shape == p.input(1).shape => {
            let Some(mut g) = p.take() else { return true };
            p.add_scaled(1, T::of(*beta), &g);
            if *alpha != 1.0 {
                let alpha = T::of(*alpha);
                g.iter_mut().for_each(|x| *x *= alpha);
            }
            p.give(0, g);
        }
        Op::Unary(UnaryFn(f)) => {
            let Some(mut g) = p.take() else { return true };
            let done = T::unary_derivative_assign(*f, 1, p.input(0).data, p.output().data, &mut g);
            debug_assert!(done.is_ok(), "a first derivative exists");
            p.give(0, g);
        }
        Op::Hadamard(Hadamard) if p.input(0).shape == p.input(1).shape => {
            let Some(mut g) = p.take() else { return true };
            let (a, b) = (p.input(0), p.input(1));
            if p.slot(1).is_some() {
                let mut gb = p.store.take(g.len());
                T::hadamard(&g, a.data, &mut gb);
                p.give(1, gb);
            }
            g.iter_mut().zip(b.data).for_each(|(g, b)| *g *= *b);
            p.give(0, g);
        }
        Op::Dot(Dot) if p.input(0).shape == p.input(1).shape && p.output().shape == Shape::SCALAR => {
            let Some(g) = p.take() else { return true };
            let (a, b) = (p.input(0), p.input(1));
            p.add_scaled(0, g[0], b.data);
            p.add_scaled(1, g[0], a.data);
            p.store.put(g);
        }
        Op::Qr(_) => return qr(&mut p.again()),
        Op::LuFactors(LuFactors) => return lu_factors(&mut p.again()),
        _ => return false,
    }
    true
}

/// Thin factors of a few columns.
fn qr<T: Scalar>(p: &mut Pull<'_, T>) -> bool {
    let (shape, store) = (p.input(0).shape, p.store);
    let Shape { rows: m, cols: n, .. } = shape;
    if n == 0 || n > 4 || n > m {
        return false;
    }
    let ([q, r], [gq, gr]) = (p.outputs::<2>(), p.take_all::<2>());
    let zeros = || {
        let mut zeros = store.take(shape.len());
        zeros.fill(T::zero());
        zeros
    };
    let Some(mut g) = gq.or_else(|| gr.is_some().then(zeros)) else { return true };
    let done = g.chunks_exact_mut(m * n).enumerate().all(|(b, g)| {
        let gr = gr.as_ref().map(|gr| &gr[b * n * n..(b + 1) * n * n]);
        T::qr_pull_small([q.member(b), r.member(b)], m, n, gr, g)
    });
    debug_assert!(done, "the columns were counted");
    p.give(0, g);
    gr.into_iter().for_each(|g| store.put(g));
    true
}

/// The factors of small square matrices.
fn lu_factors<T: Scalar>(p: &mut Pull<'_, T>) -> bool {
    let (shape, store) = (p.input(0).shape, p.store);
    let n = shape.rows;
    if n != shape.cols || n > 4 || n == 0 {
        return false;
    }
    let ([l, u, order], [gl, gu, _]) = (p.outputs::<3>(), p.take_all::<3>());
    if gl.is_none() && gu.is_none() {
        return true;
    }
    let mut g = store.take(shape.len());
    let each = n * n;
    let done = g.chunks_exact_mut(each).enumerate().all(|(b, g)| {
        let cotangents = [&gl, &gu].map(|g| g.as_ref().map(|g| &g[b * each..(b + 1) * each]));
        T::lu_pull_small([l.member(b), u.member(b), order.member(b)], n, cotangents, g)
    });
    debug_assert!(done, "the order was looked at");
    p.give(0, g);
    [gl, gu].into_iter().flatten().for_each(|g| store.put(g));
    true
}

/// Writes the tangents of the outputs of a step, at least one of whose inputs has one. `false`: the rule has to say it.
#[inline]
pub(crate) fn push<T: Scalar>(
    step: &OpRec<T>,
    vals: &[Val<T>],
    tangents: &mut [Option<Buf<T>>],
    base: usize,
    store: &Store<T>,
) -> bool {
    let first = step.first as usize - base;
    if let (Op::Qr(_) | Op::LuFactors(_), [a]) = (&step.op, &*step.inputs) {
        let Some(da) = (*a as usize).checked_sub(base).and_then(|at| tangents[at].as_deref()) else { return false };
        let factors =
            if step.outs == 2 { qr_tangents(step, vals, da, store) } else { lu_tangents(step, vals, da, store) };
        let Some((d1, d2)) = factors else { return false };
        (tangents[first], tangents[first + 1]) = (Some(d1), Some(d2));
        return true;
    }
    let dy = if step.outs == 1 { push_one(step, vals, tangents, base, store) } else { None };
    let done = dy.is_some();
    if done {
        tangents[first] = dy;
    }
    done
}

/// Tangents of thin factors of a few columns.
fn qr_tangents<T: Scalar>(step: &OpRec<T>, vals: &[Val<T>], da: &[T], store: &Store<T>) -> Option<(Buf<T>, Buf<T>)> {
    let [q, r] = std::array::from_fn(|k| vals[step.first as usize + k].arg());
    let Shape { batch, rows: m, cols: n } = q.shape;
    // A wide matrix has another `R`, and a rule in words.
    if n == 0 || n > 4 || r.shape.cols != n {
        return None;
    }
    let (mut dq, mut dr) = (store.take(m * n * batch), store.take(n * n * batch));
    let each = da.chunks_exact(m * n).zip(dq.chunks_exact_mut(m * n)).zip(dr.chunks_exact_mut(n * n)).enumerate();
    for (b, ((da, dq), dr)) in each {
        let done = T::qr_push_small([q.member(b), r.member(b), da], m, n, dq, dr);
        debug_assert!(done, "the columns were counted");
    }
    Some((dq, dr))
}

/// Tangents of the factors of small square matrices.
fn lu_tangents<T: Scalar>(step: &OpRec<T>, vals: &[Val<T>], da: &[T], store: &Store<T>) -> Option<(Buf<T>, Buf<T>)> {
    let [l, u, p] = std::array::from_fn(|k| vals[step.first as usize + k].arg());
    let (n, each) = (l.shape.rows, l.shape.each());
    if n == 0 || n > 4 || l.shape.cols != n {
        return None;
    }
    let (mut dl, mut du) = (store.take(da.len()), store.take(da.len()));
    let members = da.chunks_exact(each).zip(dl.chunks_exact_mut(each)).zip(du.chunks_exact_mut(each)).enumerate();
    for (b, ((da, dl), du)) in members {
        let done = T::lu_push_small([l.member(b), u.member(b), p.member(b), da], n, dl, du);
        debug_assert!(done, "the order was looked at");
    }
    Some((dl, du))
}

/// The tangent of the only output of a step from those of its inputs, or `None` where the rule has to say it.
#[inline(always)]
fn push_one<T: Scalar>(
    step: &OpRec<T>,
    vals: &[Val<T>],
    tangents: &[Option<Buf<T>>],
    base: usize,
    store: &Store<T>,
) -> Option<Buf<T>> {
    let (shape, inputs) = (vals[step.first as usize].shape, &*step.inputs);
    let input = |i: usize| vals[inputs[i] as usize].arg();
    let tangent = |i: usize| {
        let id = inputs[i] as usize;
        let at = id.checked_sub(base)?;
        Some(Arg { shape: vals[id].shape, data: tangents.get(at)?.as_deref()? })
    };
    match &step.op {
        // Linear in all inputs together.
        Op::Scale(_)
        | Op::SumTo(_)
        | Op::BroadcastTo(_)
        | Op::Transpose(_)
        | Op::Reshape(_)
        | Op::Slice(_)
        | Op::Part(_) => value_of(&step.op, &[tangent(0)?], shape, store),
        Op::LinComb(_) => value_of(&step.op, &[tangent(0)?, tangent(1)?], shape, store),
        Op::Unary(UnaryFn(f)) => {
            let mut dy = store.take(shape.len());
            dy.copy_from_slice(tangent(0)?.data);
            let done = T::unary_derivative_assign(*f, 1, input(0).data, vals[step.first as usize].arg().data, &mut dy);
            debug_assert!(done.is_ok(), "a first derivative exists");
            Some(dy)
        }
        // Linear in each input.
        Op::Hadamard(_) | Op::Dot(_) => {
            let left = tangent(0).and_then(|d| value_of(&step.op, &[d, input(1)], shape, store));
            let right = tangent(1).and_then(|d| value_of(&step.op, &[input(0), d], shape, store));
            match (left, right) {
                (Some(mut sum), Some(term)) => {
                    T::axpy(T::one(), &term, &mut sum);
                    store.put(term);
                    Some(sum)
                }
                (left, right) => left.or(right),
            }
        }
        Op::Mul(Mul(m)) => {
            let mut dy = store.take(shape.len());
            products(&mut dy, shape, false, *m, [&input(0), &input(1)], [tangent(0).as_ref(), tangent(1).as_ref()]);
            Some(dy)
        }
        Op::MulAdd(MulAdd(m)) if input(0).shape == shape => {
            let mut dy = store.take(shape.len());
            let started = tangent(0).map(|d| dy.copy_from_slice(d.data)).is_some();
            products(&mut dy, shape, started, *m, [&input(1), &input(2)], [tangent(1).as_ref(), tangent(2).as_ref()]);
            Some(dy)
        }
        // Linear in the right-hand side.
        Op::Trsm(Trsm(tri)) if tangent(0).is_none() && input(1).shape == shape && input(0).shape.batch == 1 => {
            let mut dy = store.take(shape.len());
            dy.copy_from_slice(tangent(1)?.data);
            for member in dy.chunks_exact_mut(shape.each().max(1)) {
                T::trsm_unchecked(input(0).data, *tri, member, shape.rows, shape.cols);
            }
            Some(dy)
        }
        _ => None,
    }
}

/// `C (+)= alpha (op(dA) op(B) + op(A) op(dB))`, where an absent tangent is zero.
#[inline(always)]
fn products<T: Scalar>(
    c: &mut [T],
    shape: Shape,
    started: bool,
    m: Product,
    [a, b]: [&Arg<'_, T>; 2],
    [da, db]: [Option<&Arg<'_, T>>; 2],
) {
    if let Some(da) = da {
        gemm_batched(c, shape, started, m, *da, *b);
    }
    if let Some(db) = db {
        gemm_batched(c, shape, started || da.is_some(), m, *a, *db);
    }
}

/// The value of an operation that cannot fail.
fn value_of<T: Scalar>(op: &Op<T>, x: &[Arg<'_, T>], shape: Shape, store: &Store<T>) -> Option<Buf<T>> {
    let mut y = store.take(shape.len());
    match op.eval(x, &mut [Out { shape, data: &mut y }], store) {
        Ok(()) => Some(y),
        Err(_) => {
            store.put(y);
            None
        }
    }
}
