//! Softmax, its logarithm, and the logarithm of a sum of exponentials: over all entries of a member, each column or
//! each row.
//!
//! With `p = softmax(x)`, `p_i = e^{x_i - t} / s`, `t = max x`, `s = sum e^{x_i - t}`:
//!
//! | value | derivative | transpose |
//! |---|---|---|
//! | `lse = t + ln s` | `d lse = sum p o dx` | `gx = p g` |
//! | `p` | `dp = p o (dx - sum p o dx)` | `gx = p o (g - sum p o g)` |
//! | `ln p = (x - t) - ln s` | `d ln p = dx - sum p o dx` | `gx = g - p (sum g)` |
//!
//! The rules use `p` as a value of the vocabulary, so every higher order follows from the same lines. Nothing
//! overflows, and the shift by `t` is subtracted before `ln s`, so that `ln p` keeps its digits when all entries are
//! large.
//!
//! *Infinite entries.* An entry `-inf` has weight 0 and derivative 0. If all entries of a group are `-inf`, then
//! `lse = -inf`, `ln p = -inf` and the weights are 0 (not `0/0`): the group takes part in nothing. An entry `+inf`
//! gives `lse = +inf`, and weights and derivatives are NaN, by IEEE.
//!
//! *Small weights.* A weight below the smallest normal number is set to 0: it is below the rounding of every sum it
//! can enter with a weight of 1, and arithmetic with subnormal numbers is many times slower.
//!
//! *The handle.* Exponentials are most of the work. From some size on `lse` is taken of `(x, handle)`, where the
//! handle `[e^{x_i - t}.., t.., s..]` has no derivative of its own, and the weights are `e^{x_i - t} / s` of it.
//!
//! Cost: one pass with one exponential for each entry; a derivative of `ln p` takes the weights anew, and so does one
//! of an `lse` of few entries.
//! Source: derived.

use super::reduce::Over;
use crate::ops::direct::PullStep;
use crate::ops::documentation::PrimitiveDoc;
use crate::ops::{Arg, Op, Out, Primitive, Reads, Shapes, one, out1};
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Value};
use crate::{Scalar, Shape};
use pullback_kernels::Unary;

/// The handle `[e^{x - t}, t, s]` of each member, as one column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Exponentials {
    pub(crate) over: Over,
}

/// `e^x / sum e^x`, of `x` or of `(x, handle)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Softmax {
    pub(crate) over: Over,
}

/// `ln softmax(x)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LogSoftmax {
    pub(crate) over: Over,
}

/// `ln sum e^x`, of `x` or of `(x, handle)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LogSumExp {
    pub(crate) over: Over,
}

impl Over {
    /// The weights of a softmax, as a function of what it is taken of, with the handle if there is one.
    fn weights<V: Value>(self, x: &[&V]) -> V {
        V::one(Op::Softmax(Softmax { over: self }), x)
    }

    /// `sum a o b` over the axes.
    fn sum_of<V: Value>(self, a: &V, b: &V) -> V {
        a.dot_over(self, b)
    }
}

/// How many entries are shifted and exponentiated at a time.
const BLOCK: usize = 1024;

/// The largest entry of each group of a member of columns of `m` entries.
fn largest<T: Scalar>(over: Over, x: &[T], m: usize, top: &mut [T]) {
    top.fill(T::neg_infinity());
    for (j, column) in x.chunks_exact(m.max(1)).enumerate() {
        match &mut top[over.place(j, m)] {
            [t] => *t = T::extreme(true, *t, column),
            top => top.iter_mut().zip(column).for_each(|(t, &x)| *t = if x > *t || x.is_nan() { x } else { *t }),
        }
    }
}

/// Which groups the entries of a piece of column `j` belong to, whose first entry is in row `row`.
fn groups_of(over: Over, j: usize, row: usize, len: usize) -> std::ops::Range<usize> {
    if over.rows { over.place(j, len) } else { row..row + len }
}

/// `z = x - t`, with the largest entry `t` of each group. Where that is -inf, 0 is subtracted.
fn shift<T: Scalar>(x: &[T], top: &[T], z: &mut [T]) {
    match top {
        &[t] => {
            let t = if t == T::neg_infinity() { T::zero() } else { t };
            z.iter_mut().zip(x).for_each(|(z, &x)| *z = x - t);
        }
        top => T::below(x, top, z),
    }
}

/// Adds exponentials to the sums of their groups.
fn accumulate<T: Scalar>(e: &[T], sum: &mut [T], lost: &mut [T]) {
    match sum {
        [_] => T::carry(&[T::sum(e)], sum, lost),
        sum => T::carry(e, sum, lost),
    }
}

/// The largest entry `t` and `s = sum e^{x - t}` of each group of a member. Every `e^{x - t}` goes to `kept`, if that
/// is given.
fn exponentials<T: Scalar>(x: &[T], groups: &mut Groups<'_, T>, mut kept: Option<&mut [T]>) {
    largest(groups.over, x, groups.m, groups.top);
    let Groups { over, m, top, sum, lost, shifted, e } = groups;
    let (over, m) = (*over, (*m).max(1));
    sum.fill(T::zero());
    lost.fill(T::zero());
    // Several short columns together, or one that is long in pieces.
    let block = (BLOCK / m).max(1) * m;
    for (b, columns) in x.chunks(block).enumerate() {
        for (p, x) in columns.chunks(BLOCK).enumerate() {
            let (first, row) = (b * block / m, p * BLOCK);
            let e = match &mut kept {
                Some(kept) => &mut kept[b * block + row..][..x.len()],
                None => &mut e[..x.len()],
            };
            if over.rows && x.len() <= m {
                T::exp_below(x, top[over.place(first, m).start], e);
            } else {
                let z = &mut shifted[..x.len()];
                for (k, (x, z)) in x.chunks(m).zip(z.chunks_mut(m)).enumerate() {
                    shift(x, &top[groups_of(over, first + k, row, x.len())], z);
                }
                T::unary(Unary::Exp, z, e);
            }
            for (k, e) in e.chunks(m).enumerate() {
                let group = groups_of(over, first + k, row, e.len());
                accumulate(e, &mut sum[group.clone()], &mut lost[group]);
            }
        }
    }
}

/// The reciprocals of sums. A sum of 0 is that of a group of -inf: weights 0.
fn reciprocals<T: Scalar>(sum: &mut [T]) {
    sum.iter_mut().for_each(|s| *s = if *s == T::zero() { T::zero() } else { s.recip() });
}

/// The weights of a softmax, times the factor `g` of each group. The largest entries of the groups are lost.
fn weights<T: Scalar>(x: &[T], groups: &mut Groups<'_, T>, g: Option<&[T]>, y: &mut [T]) {
    exponentials(x, groups, Some(&mut *y));
    let Groups { over, m, top, sum, .. } = groups;
    reciprocals(sum);
    match g {
        Some(g) => top.copy_from_slice(g),
        None => top.fill(T::one()),
    }
    weigh(*over, *m, None, [&**sum, &**top], y);
}

/// The same from a handle.
fn weights_of_handle<T: Scalar>(x: Shape, over: Over, handle: &[T], g: Option<&[T]>, s: &Store<T>, y: &mut [T]) {
    let (e, sum) = (&handle[..y.len()], &handle[handle.len() - over.shape(x).each()..]);
    let (mut r, mut ones) = (s.take(sum.len()), s.take(if g.is_none() { sum.len() } else { 0 }));
    r.copy_from_slice(sum);
    reciprocals(&mut r);
    ones.fill(T::one());
    let (over, m) = as_columns(over, x);
    weigh(over, m, Some(e), [&*r, g.unwrap_or(&*ones)], y);
    s.put(r);
    s.put(ones);
}

/// `y = e r g` for every entry, with the `r` and `g` of its group. Where no `e` is given, it is what `y` has.
fn weigh<T: Scalar>(over: Over, m: usize, e: Option<&[T]>, [r, g]: [&[T]; 2], y: &mut [T]) {
    let m = m.max(1);
    for (j, column) in y.chunks_exact_mut(m).enumerate() {
        let group = over.place(j, m);
        let (r, g) = (&r[group.clone()], &g[group]);
        // In blocks that stay in the nearest cache between the two passes.
        for (i, y) in column.chunks_mut(BLOCK).enumerate() {
            if let Some(e) = e {
                y.copy_from_slice(&e[j * m + i * BLOCK..][..y.len()]);
            }
            match (r, g) {
                (&[r], &[g]) => T::weigh(r, g, y),
                _ => T::weigh_each(&r[i * BLOCK..][..y.len()], &g[i * BLOCK..][..y.len()], y),
            }
        }
    }
}

/// `y = (x - t) - log` for every entry, with the largest entry `t` of its group, and `log` in the place of its sum.
fn logarithms<T: Scalar>(x: &[T], groups: &Groups<'_, T>, y: &mut [T]) {
    // -inf - t - log is -inf, whatever t and log are, but for t = -inf.
    let of = |x: T, t: T, log: T| if t == T::neg_infinity() { t } else { (x - t) - log };
    let m = groups.m.max(1);
    for (j, (x, y)) in x.chunks_exact(m).zip(y.chunks_exact_mut(m)).enumerate() {
        let group = groups.over.place(j, m);
        match (&groups.top[group.clone()], &groups.sum[group]) {
            (&[t], &[log]) => y.iter_mut().zip(x).for_each(|(y, &x)| *y = of(x, t, log)),
            (t, log) => y.iter_mut().zip(x).zip(t.iter().zip(log)).for_each(|((y, &x), (t, log))| *y = of(x, *t, *log)),
        }
    }
}

/// What a member needs: of each group the largest entry, the sum, and what the sum lost; and a block of entries before
/// and after the exponential. Its columns have `m` entries.
struct Groups<'a, T> {
    over: Over,
    m: usize,
    top: &'a mut [T],
    sum: &'a mut [T],
    lost: &'a mut [T],
    shifted: &'a mut [T],
    e: &'a mut [T],
}

/// The groups of a member, and the entries of a column: a member that is one group is one column.
fn as_columns(over: Over, x: Shape) -> (Over, usize) {
    match over {
        Over::ALL => (over, x.each()),
        Over::COLS if x.rows == 1 => (Over::ALL, x.each()),
        _ => (over, x.rows),
    }
}

/// Runs `f` with what the members of `x` need.
fn with_groups<T: Scalar>(over: Over, x: Shape, s: &Store<T>, f: impl FnOnce(Groups<'_, T>)) {
    let (over, m) = as_columns(over, x);
    let (groups, block) = (over.shape(x).each(), BLOCK.min(x.each()));
    let mut buffers = [groups, groups, groups, block, block].map(|len| s.take(len));
    let [top, sum, lost, shifted, e] = buffers.each_mut().map(|b| &mut **b);
    f(Groups { over, m, top, sum, lost, shifted, e });
    buffers.into_iter().for_each(|b| s.put(b));
}

impl<T: Scalar> Primitive<T> for Exponentials {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`log_sum_exp`, `column_log_sum_exp`, `row_log_sum_exp` of many entries: the handle",
        cost: &["pass", "0", "0"],
        degenerate: "as `log_sum_exp`",
        source: "derived",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        one(x[0].with(x[0].each() + 2 * self.over.shape(x[0]).each(), 1))
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        with_groups(self.over, x[0].shape, s, |mut groups| {
            for b in 0..x[0].shape.batch {
                let x = x[0].member(b);
                let (e, rest) = y[0].member(b).split_at_mut(x.len());
                let (top, sum) = rest.split_at_mut(groups.top.len());
                exponentials(x, &mut groups, Some(e));
                top.copy_from_slice(groups.top);
                sum.copy_from_slice(groups.sum);
            }
        });
        Ok(())
    }

    no_derivative!();
}

impl<T: Scalar> Primitive<T> for Softmax {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`softmax`, `column_softmax`, `row_softmax`, derivatives of `log_sum_exp` and `log_softmax`",
        cost: &["pass", "3 passes", "3 passes"],
        degenerate: "an entry `-inf` has weight 0; where all are `-inf`, all weights are 0; weights below the smallest normal number are 0",
        source: "derived",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        one(x[0])
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        if let [x, handle] = x {
            for b in 0..x.shape.batch {
                weights_of_handle(x.shape, self.over, handle.member(b), None, s, y[0].member(b));
            }
            return Ok(());
        }
        with_groups(self.over, x[0].shape, s, |mut groups| {
            for b in 0..x[0].shape.batch {
                let (x, y) = (x[0].member(b), y[0].member(b));
                weights(x, &mut groups, None, y);
            }
        });
        Ok(())
    }

    /// `dp = p o (dx - sum p o dx)`.
    fn jvp<V: Value<T = T>>(&self, _: &[&V], y: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        out1(dx[0].map(|d| y[0].hadamard(&d.lincomb(1.0, &self.over.sum_of(y[0], d), -1.0))))
    }

    fn vjp<V: Value<T = T>>(&self, _: &[&V], y: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        if let Some(g) = &dy[0] {
            out.add(0, y[0].hadamard(&g.lincomb(1.0, &self.over.sum_of(y[0], g), -1.0)));
        }
    }
}

impl<T: Scalar> Primitive<T> for LogSoftmax {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`log_softmax`, `column_log_softmax`, `row_log_softmax`",
        cost: &["pass", "4 passes", "4 passes"],
        degenerate: "as `softmax`; a weight of 0 has the logarithm `-inf`",
        source: "derived",
        ..PrimitiveDoc::of(file!())
    };

    const READS: Reads = Reads::Inputs;

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        one(x[0])
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        with_groups(self.over, x[0].shape, s, |mut groups| {
            for b in 0..x[0].shape.batch {
                let (x, y) = (x[0].member(b), y[0].member(b));
                exponentials(x, &mut groups, None);
                groups.sum.iter_mut().for_each(|s| *s = s.ln());
                logarithms(x, &groups, y);
            }
        });
        Ok(())
    }

    /// `d ln p = dx - sum p o dx`.
    fn jvp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        out1(dx[0].map(|d| d.lincomb(1.0, &self.over.sum_of(&self.over.weights(x), d), -1.0)))
    }

    /// `gx = g - p (sum g)`.
    fn vjp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        if let Some(g) = &dy[0] {
            let whole = g.sum_to(self.over.shape(x[0].shape()));
            out.add(0, g.lincomb(1.0, &self.over.weights(x).hadamard(&whole), -1.0));
        }
    }
}

impl<T: Scalar> Primitive<T> for LogSumExp {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`log_sum_exp`, `column_log_sum_exp`, `row_log_sum_exp`",
        cost: &["pass", "3 passes", "3 passes"],
        degenerate: "no overflow; an entry `-inf` has weight 0, also where all are; empty sums are `-inf`",
        source: "derived",
        ..PrimitiveDoc::of(file!())
    };

    const READS: Reads = Reads::Inputs;

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        one(self.over.shape(x[0]))
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        let end = |top: &[T], sum: &[T], y: &mut [T]| {
            for (y, (t, s)) in y.iter_mut().zip(top.iter().zip(sum)) {
                *y = if t.is_infinite() { *t } else { *t + s.ln() };
            }
        };
        if let [x, handle] = x {
            for b in 0..x.shape.batch {
                let (top, sum) = handle.member(b)[x.shape.each()..].split_at(y[0].shape.each());
                end(top, sum, y[0].member(b));
            }
            return Ok(());
        }
        with_groups(self.over, x[0].shape, s, |mut groups| {
            for b in 0..x[0].shape.batch {
                exponentials(x[0].member(b), &mut groups, None);
                end(groups.top, groups.sum, y[0].member(b));
            }
        });
        Ok(())
    }

    /// `d lse = sum p o dx`.
    fn jvp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        out1(dx[0].map(|d| self.over.sum_of(&self.over.weights(x), d)))
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        if let Some(g) = &dy[0] {
            out.add(0, self.over.weights(x).hadamard(g));
        }
    }

    /// The weights, and the product with `g` in the pass that ends them.
    #[inline(always)]
    fn pull_direct(&self, p: PullStep<'_, T>) -> bool {
        self.pull_weights(p);
        true
    }
}

impl LogSumExp {
    #[inline(never)]
    fn pull_weights<T: Scalar>(self, mut p: PullStep<'_, T>) {
        let (x, y) = (p.input(0), p.output().shape);
        let handle = (p.inputs.len() == 2).then(|| p.input(1));
        let Some(g) = p.take() else { return };
        if p.slot(0).is_some() {
            let mut gx = p.store.take(x.data.len());
            let (g, mut out) = (Arg { shape: y, data: &g }, Out { shape: x.shape, data: &mut gx });
            if let Some(handle) = handle {
                for b in 0..x.shape.batch {
                    let (handle, g) = (handle.member(b), Some(g.member(b)));
                    weights_of_handle(x.shape, self.over, handle, g, p.store, out.member(b));
                }
            } else {
                with_groups(self.over, x.shape, p.store, |mut groups| {
                    for b in 0..x.shape.batch {
                        weights(x.member(b), &mut groups, Some(g.member(b)), out.member(b));
                    }
                });
            }
            p.give(0, gx);
        }
        p.store.put(g);
    }
}
