//! The commonest rules over plain numbers, from buffer to buffer. Speed, not meaning: each says what `jvp` or `vjp` of its
//! operation says, where shapes are equal and nothing is summed, and everything else goes to those. Around a
//! small value the words of a rule cost many times its arithmetic (`cargo bench -p pullback-benches --bench engine` has the rest).
//!
//! What holds this file to the rules: sweeps over numbers come from here, those over pairs and over recorded values never do, and
//! every line of the primitives' table compares them.

use super::arithmetic::{Hadamard, LinComb, Scale};
use super::lu_factors::LuFactors;
use super::product::{Mul, MulAdd, cotangents, gemm_batched};
use super::reduce::Dot;
use super::trsm::Trsm;
use super::unary::UnaryFn;
use super::{Arg, Op, Out};
use crate::store::{Buf, Store};
use crate::tape::{OpRec, Val};
use crate::value::Product;
use crate::{Scalar, Shape};

/// A step of a reverse sweep over numbers: the operation, and where cotangents are.
pub(crate) struct Pull<'a, T: Scalar> {
    pub(crate) step: &'a OpRec<T>,
    pub(crate) vals: &'a [Val<T>],
    pub(crate) store: &'a Store<T>,
    pub(crate) base: usize,
    pub(crate) depends: &'a [u8],
    pub(crate) slots: &'a mut [Option<Buf<T>>],
}

impl<'a, T: Scalar> Pull<'a, T> {
    fn input(&self, i: usize) -> Arg<'a, T> {
        self.vals[self.step.inputs[i] as usize].arg()
    }

    fn output(&self) -> Arg<'a, T> {
        self.vals[self.step.first as usize].arg()
    }

    fn outputs<const N: usize>(&self) -> [Arg<'a, T>; N] {
        std::array::from_fn(|k| self.vals[self.step.first as usize + k].arg())
    }

    /// The cotangent of the only output, consumed.
    fn take(&mut self) -> Option<Buf<T>> {
        self.slots[self.step.first as usize - self.base].take()
    }

    /// The cotangents of several outputs, consumed.
    fn take_all<const N: usize>(&mut self) -> [Option<Buf<T>>; N] {
        std::array::from_fn(|k| self.slots[self.step.first as usize + k - self.base].take())
    }

    /// The slot of input `i`, if anything depends on it.
    fn slot(&mut self, i: usize) -> Option<&mut Option<Buf<T>>> {
        let at = (self.step.inputs[i] as usize).checked_sub(self.base)?;
        if self.depends[at] == 0 { None } else { Some(&mut self.slots[at]) }
    }

    /// `slot += g`, by moving the buffer where there was nothing.
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

    /// `slot += alpha op(A) op(B)`.
    fn add_product(&mut self, i: usize, m: Product, a: Arg<'_, T>, b: Arg<'_, T>) {
        let (store, shape) = (self.store, self.input(i).shape);
        if let Some(slot) = self.slot(i) {
            let add = slot.is_some();
            let sum = slot.get_or_insert_with(|| store.take(shape.len()));
            gemm_batched(sum, shape, add, m, a, b);
        }
    }
}

/// Pulls the cotangents of the outputs, which nobody asked to keep, to the inputs. `false`: nothing was done.
#[inline]
pub(crate) fn pull<T: Scalar>(p: &mut Pull<'_, T>) -> bool {
    let step = p.step;
    match &step.op {
        Op::Mul(Mul(m)) => {
            let Some(g) = p.take() else { return true };
            let (a, b) = (p.input(0), p.input(1));
            let gy = Arg { shape: p.output().shape, data: &g };
            cotangents(*m, 0, [a, b], gy, |i, m, a, b| p.add_product(i, m, a, b));
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
        Op::LuFactors(LuFactors) => return lu_factors(p),
        _ => return false,
    }
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

/// The tangent of the only output of a step from those of its inputs, or `None` where the rule has to say it.
#[inline]
pub(crate) fn push<T: Scalar>(
    step: &OpRec<T>,
    vals: &[Val<T>],
    tangents: &[Option<Buf<T>>],
    base: usize,
    store: &Store<T>,
) -> Option<Buf<T>> {
    let shape = vals[step.first as usize].shape;
    let input = |i: usize| vals[step.inputs[i] as usize].arg();
    let tangent = |i: usize| {
        let id = step.inputs[i] as usize;
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
            products(&mut dy, shape, false, *m, [input(0), input(1)], [tangent(0), tangent(1)]);
            Some(dy)
        }
        Op::MulAdd(MulAdd(m)) if input(0).shape == shape => {
            let mut dy = store.take(shape.len());
            let started = tangent(0).map(|d| dy.copy_from_slice(d.data)).is_some();
            products(&mut dy, shape, started, *m, [input(1), input(2)], [tangent(1), tangent(2)]);
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

/// `C (+)= alpha (op(A') op(B) + op(A) op(B'))`, where an absent tangent is zero.
fn products<T: Scalar>(
    c: &mut [T],
    shape: Shape,
    started: bool,
    m: Product,
    x: [Arg<'_, T>; 2],
    dx: [Option<Arg<'_, T>>; 2],
) {
    let mut add = started;
    for (a, b) in [(dx[0], Some(x[1])), (Some(x[0]), dx[1])] {
        if let (Some(a), Some(b)) = (a, b) {
            gemm_batched(c, shape, add, m, a, b);
            add = true;
        }
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
