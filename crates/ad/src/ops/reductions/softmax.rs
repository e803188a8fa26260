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
//! Cost: one pass with one exponential for each entry; a derivative of `lse` or `ln p` takes the weights anew.
//! Source: derived.

use super::reduce::Over;
use crate::ops::direct::PullStep;
use crate::ops::documentation::PrimitiveDoc;
use crate::ops::{Arg, Op, Out, Primitive, Shapes, one, out1};
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Value};
use crate::{Scalar, Shape};
use pullback_kernels::Unary;

/// `e^x / sum e^x`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Softmax {
    pub(crate) over: Over,
}

/// `ln softmax(x)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LogSoftmax {
    pub(crate) over: Over,
}

/// `ln sum e^x`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LogSumExp {
    pub(crate) over: Over,
}

impl Over {
    /// The weights of a softmax, as a function of what it is taken of.
    fn weights<V: Value>(self, x: &V) -> V {
        V::one(Op::Softmax(Softmax { over: self }), &[x])
    }

    /// `sum a o b` over the axes.
    fn sum_of<V: Value>(self, a: &V, b: &V) -> V {
        a.dot_over(self, b)
    }
}

/// `s += e` for `0 <= e <= 1`, where what rounding loses of `s` is carried along: sums of many terms keep their digits.
/// It goes back into the sum at once, so that it stays below a unit in the last place of `s`.
#[inline]
fn carry<T: Scalar>(s: &mut T, lost: &mut T, e: T) {
    let next = *s + e;
    // `s` is at least about as large as `e`, or is 0.
    *lost += (*s - next) + e;
    *s = next + *lost;
    *lost -= *s - next;
}

/// How many entries are shifted and exponentiated at a time.
const BLOCK: usize = 1024;

/// Where all entries are -inf, every one gives `e^{-inf - 0} = 0`.
#[inline(always)]
fn base<T: Scalar>(t: T) -> T {
    if t == T::neg_infinity() { T::zero() } else { t }
}

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

/// `z = x - t`, with the largest entry `t` of each group.
fn shift<T: Scalar>(x: &[T], top: &[T], z: &mut [T]) {
    match top {
        &[t] => z.iter_mut().zip(x).for_each(|(z, &x)| *z = x - base(t)),
        top => z.iter_mut().zip(x.iter().zip(top)).for_each(|(z, (&x, &t))| *z = x - base(t)),
    }
}

/// Adds exponentials to the sums of their groups.
fn accumulate<T: Scalar>(e: &[T], sum: &mut [T], lost: &mut [T]) {
    match (sum, lost) {
        ([s], [lost]) => carry(s, lost, T::sum(e)),
        (sum, lost) => sum.iter_mut().zip(lost).zip(e).for_each(|((s, lost), &e)| carry(s, lost, e)),
    }
}

/// The largest entry `t` and `s = sum e^{x - t}` of each group of a member; `put` gets every `e^{x - t}`, a block at a
/// time, with the place of its first.
fn exponentials<T: Scalar>(x: &[T], groups: &mut Groups<'_, T>, mut put: impl FnMut(usize, &[T])) {
    let Groups { over, m, top, sum, lost, shifted, e } = groups;
    let (over, m) = (*over, (*m).max(1));
    largest(over, x, m, top);
    sum.fill(T::zero());
    lost.fill(T::zero());
    // Several short columns together, or one that is long in pieces.
    let block = (BLOCK / m).max(1) * m;
    for (b, columns) in x.chunks(block).enumerate() {
        for (p, x) in columns.chunks(BLOCK).enumerate() {
            let (first, row) = (b * block / m, p * BLOCK);
            let (z, e) = (&mut shifted[..x.len()], &mut e[..x.len()]);
            for (k, (x, z)) in x.chunks(m).zip(z.chunks_mut(m)).enumerate() {
                shift(x, &top[groups_of(over, first + k, row, x.len())], z);
            }
            T::unary(Unary::Exp, z, e);
            for (k, e) in e.chunks(m).enumerate() {
                let group = groups_of(over, first + k, row, e.len());
                accumulate(e, &mut sum[group.clone()], &mut lost[group]);
            }
            put(b * block + row, e);
        }
    }
}

/// `y = f(x or y before, t, s)` for every entry, with the `t` and `s` of its group.
fn finish<T: Scalar>(groups: &Groups<'_, T>, y: &mut [T], f: impl Fn(T, T, T) -> T) {
    let m = groups.m.max(1);
    for (j, column) in y.chunks_exact_mut(m).enumerate() {
        let group = groups.over.place(j, m);
        match (&groups.top[group.clone()], &groups.sum[group]) {
            (&[t], &[s]) => column.iter_mut().for_each(|y| *y = f(*y, t, s)),
            (top, sum) => column.iter_mut().zip(top.iter().zip(sum)).for_each(|(y, (t, s))| *y = f(*y, *t, *s)),
        }
    }
}

/// The weights of a softmax, times a factor for each group, if there is one.
fn weights<T: Scalar>(x: &[T], groups: &mut Groups<'_, T>, factor: Option<&[T]>, y: &mut [T]) {
    exponentials(x, groups, |i, e| y[i..i + e.len()].copy_from_slice(e));
    // The largest entries are not needed any more.
    match factor {
        Some(g) => groups.top.copy_from_slice(g),
        None => groups.top.fill(T::one()),
    }
    // A sum of 0 is that of a group of -inf: weights 0.
    groups.sum.iter_mut().for_each(|s| *s = if *s == T::zero() { T::zero() } else { s.recip() });
    finish(groups, y, |e, g, r| {
        let p = e * r;
        // NaN is not below, and stays.
        (if p < T::min_positive_value() { T::zero() } else { p }) * g
    });
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

/// Runs `f` with what the members of `x` need. A member that is one group is one column.
fn with_groups<T: Scalar>(over: Over, x: Shape, s: &Store<T>, f: impl FnOnce(Groups<'_, T>)) {
    let over = if over == Over::COLS && x.rows == 1 { Over::ALL } else { over };
    let m = if over == Over::ALL { x.each() } else { x.rows };
    let (groups, block) = (over.shape(x).each(), BLOCK.min(x.each()));
    let mut buffers = [groups, groups, groups, block, block].map(|len| s.take(len));
    let [top, sum, lost, shifted, e] = buffers.each_mut().map(|b| &mut **b);
    f(Groups { over, m, top, sum, lost, shifted, e });
    buffers.into_iter().for_each(|b| s.put(b));
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

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        one(x[0])
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        with_groups(self.over, x[0].shape, s, |mut groups| {
            for b in 0..x[0].shape.batch {
                let (x, y) = (x[0].member(b), y[0].member(b));
                exponentials(x, &mut groups, |_, _| ());
                groups.sum.iter_mut().for_each(|s| *s = s.ln());
                y.copy_from_slice(x);
                // -inf - t - ln s is -inf, whatever t and ln s are, but for t = -inf.
                finish(&groups, y, |x, t, log| if t == T::neg_infinity() { t } else { (x - t) - log });
            }
        });
        Ok(())
    }

    /// `d ln p = dx - sum p o dx`.
    fn jvp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        out1(dx[0].map(|d| d.lincomb(1.0, &self.over.sum_of(&self.over.weights(x[0]), d), -1.0)))
    }

    /// `gx = g - p (sum g)`.
    fn vjp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        if let Some(g) = &dy[0] {
            let whole = g.sum_to(self.over.shape(x[0].shape()));
            out.add(0, g.lincomb(1.0, &self.over.weights(x[0]).hadamard(&whole), -1.0));
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

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        one(self.over.shape(x[0]))
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        with_groups(self.over, x[0].shape, s, |mut groups| {
            for b in 0..x[0].shape.batch {
                exponentials(x[0].member(b), &mut groups, |_, _| ());
                for (y, (t, s)) in y[0].member(b).iter_mut().zip(groups.top.iter().zip(&*groups.sum)) {
                    *y = if t.is_infinite() { *t } else { *t + s.ln() };
                }
            }
        });
        Ok(())
    }

    /// `d lse = sum p o dx`.
    fn jvp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        out1(dx[0].map(|d| self.over.sum_of(&self.over.weights(x[0]), d)))
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        if let Some(g) = &dy[0] {
            out.add(0, self.over.weights(x[0]).hadamard(g));
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
        let Some(g) = p.take() else { return };
        if p.slot(0).is_some() {
            let mut gx = p.store.take(x.data.len());
            with_groups(self.over, x.shape, p.store, |mut groups| {
                let (g, mut out) = (Arg { shape: y, data: &g }, Out { shape: x.shape, data: &mut gx });
                for b in 0..x.shape.batch {
                    weights(x.member(b), &mut groups, Some(g.member(b)), out.member(b));
                }
            });
            p.give(0, gx);
        }
        p.store.put(g);
    }
}
