//! The largest or smallest entry over an axis, and where it is.
//!
//! `y = max_i x_i`, of each column, each row or all entries of a member. The winners, the entries equal to `y`, are
//! found anew at every evaluation; [`Peak`] also gives their number `k`, without a derivative. Where the winner is
//! unique,
//!
//! `dy = dx_w`,  `gx_w = gy`,  and the other entries get 0.
//!
//! At a tie of `k` entries there is no derivative; as for the entrywise `max`, each winner takes the same share (the
//! symmetric subgradient): `dy = (1/k) sum_w dx_w` and `gx_w = gy / k`. Both maps ([`Winners`]) are linear in what
//! they carry, each is the transpose of the other, and both are locally constant in `x`, so that the second
//! derivative is 0 and every order comes from these two.
//!
//! NaN stays NaN: an entry that is NaN wins, and derivatives there are NaN. Cost: one pass each. Source: derived.

use super::reduce::Over;
use crate::ops::direct::PullStep;
use crate::ops::documentation::PrimitiveDoc;
use crate::ops::{Arg, Op, Out, Primitive, Reads, Shapes, one, out1, two};
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Value};
use crate::{Scalar, Shape};
use smallvec::smallvec;

/// `(y, k)`: the extremum of each group of entries, and how many entries reach it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Peak {
    pub(crate) max: bool,
    pub(crate) over: Over,
}

/// The place of the first winner of each group, counted from 0 in the order of storage, as a number without a
/// derivative.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PeakAt {
    pub(crate) max: bool,
    pub(crate) over: Over,
}

/// From `(x, y, k, v)`: the mean of `v` over the winners of each group (`gather`), or `v / k` at the winners and 0
/// elsewhere.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Winners {
    pub(crate) over: Over,
    pub(crate) gather: bool,
}

/// Does `a` replace the best so far, `b`? NaN replaces every number and is replaced by nothing.
#[inline(always)]
fn better<T: Scalar>(max: bool, a: T, b: T) -> bool {
    let ahead = if max { a > b } else { a < b };
    ahead | (a.is_nan() & !b.is_nan())
}

fn reduced(over: Over, max: bool, x: Shape) -> Result<Shape, String> {
    let y = over.shape(x);
    match x.is_empty() && !y.is_empty() {
        true => Err(format!("expected at least one entry to take the {} of", if max { "maximum" } else { "minimum" })),
        false => Ok(y),
    }
}

/// How many entries a column of a member has, where a member that is one group is one column.
fn columns_of(over: Over, x: Shape) -> usize {
    if over == Over::ALL { x.each() } else { x.rows }
}

impl<T: Scalar> Primitive<T> for Peak {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`max_all`, `column_max`, `row_max`, `min_all`, `column_min`, `row_min`",
        conditions: "at least one entry to choose from",
        cost: &["2 passes", "pass", "pass"],
        degenerate: "winners that are equal share the derivative evenly; NaN stays NaN",
        source: "derived",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        let y = reduced(self.over, self.max, x[0])?;
        Ok(smallvec![y, y])
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        let (y, k) = two(y);
        let (max, m) = (self.max, columns_of(self.over, x[0].shape));
        k.data.fill(T::zero());
        for b in 0..x[0].shape.batch {
            let (a, y, k) = (x[0].member(b), y.member(b), k.member(b));
            for (j, column) in a.chunks_exact(m.max(1)).enumerate() {
                match &mut y[self.over.place(j, m)] {
                    [y] if !self.over.cols || m == a.len() => *y = T::extreme(max, column[0], column),
                    y if j == 0 => y.copy_from_slice(column),
                    y => y.iter_mut().zip(column).for_each(|(y, &x)| *y = if better(max, x, *y) { x } else { *y }),
                }
            }
            for (j, column) in a.chunks_exact(m.max(1)).enumerate() {
                let group = self.over.place(j, m);
                match (&y[group.clone()], &mut k[group]) {
                    (&[y], [k]) => *k += T::of(T::count(y, column) as f64),
                    (y, k) => k.iter_mut().zip(column.iter().zip(y)).for_each(|(k, (x, y))| *k += won(x, y, T::one())),
                }
            }
        }
        Ok(())
    }

    fn jvp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        smallvec![dx[0].map(|d| V::one(self.winners(true), &[x[0], y[0], y[1], d])), None]
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        if let Some(g) = &dy[0] {
            out.add(0, V::one(self.winners(false), &[x[0], y[0], y[1], g]));
        }
    }

    #[inline(always)]
    fn pull_direct(&self, p: PullStep<'_, T>) -> bool {
        self.pull_winners(p)
    }
}

impl Peak {
    /// Where there is a sum already, only winners are written. A group of NaN is left to the rule.
    #[inline(never)]
    fn pull_winners<T: Scalar>(self, mut p: PullStep<'_, T>) -> bool {
        let (x, [y, k]) = (p.input(0), p.outputs::<2>());
        let has_sum = p.slot(0).is_some_and(|slot| slot.is_some());
        if !has_sum || self.over == Over::COLS || y.data.iter().any(|y| y.is_nan()) {
            return false;
        }
        let [g, none] = p.take_all::<2>();
        if let (Some(Some(sum)), Some(g)) = (p.slot(0), &g) {
            let m = columns_of(self.over, x.shape).max(1);
            let columns = sum.chunks_exact_mut(m).zip(x.data.chunks_exact(m));
            for ((sum, x), ((best, k), g)) in columns.zip(y.data.iter().zip(k.data).zip(&**g)) {
                let share = *g / *k;
                sum.iter_mut().zip(x).filter(|(_, x)| *x == best).for_each(|(sum, _)| *sum += share);
            }
        }
        [g, none].into_iter().flatten().for_each(|g| p.store.put(g));
        true
    }

    fn winners<T: Scalar>(self, gather: bool) -> Op<T> {
        Op::Winners(Winners { over: self.over, gather })
    }
}

impl<T: Scalar> Primitive<T> for PeakAt {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`argmax_all`, `column_argmax`, `row_argmax`, `argmin_all`, `column_argmin`, `row_argmin`",
        conditions: "at least one entry to choose from",
        cost: &["pass", "0", "0"],
        degenerate: "of equal entries the first; a place has no derivative",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        let y = reduced(self.over, self.max, x[0])?;
        let (places, limit) = (x[0].each() / y.each().max(1), 2.0 / T::EPS.f64());
        match places as f64 > limit {
            true => Err(format!("{places} places are more than {} can count", T::NAME)),
            false => one(y),
        }
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        self.over.each(x[0], &mut y[0], s, |group| {
            let at = (1..group.len()).fold(0, |b, i| if better(self.max, group[i], group[b]) { i } else { b });
            T::of(at as f64)
        });
        Ok(())
    }

    no_derivative!();
}

impl Winners {
    fn gathered<T: Scalar>(self, a: &[T], best: &[T], k: &[T], v: &[T], m: usize, y: &mut [T]) {
        y.fill(T::zero());
        for (j, (column, v)) in a.chunks_exact(m.max(1)).zip(v.chunks_exact(m.max(1))).enumerate() {
            let group = self.over.place(j, m);
            match (&best[group.clone()], &mut y[group]) {
                ([b], [y]) => *y += column.iter().zip(v).fold(T::zero(), |s, (x, v)| s + won(x, b, *v)),
                (b, y) => {
                    let each = column.iter().zip(b).zip(v);
                    y.iter_mut().zip(each).for_each(|(y, ((x, b), v))| *y += won(x, b, *v));
                }
            }
        }
        y.iter_mut().zip(best.iter().zip(k)).for_each(|(y, (b, k))| *y = honest(*b, *y / *k));
    }

    fn scattered<T: Scalar>(self, a: &[T], best: &[T], k: &[T], v: &[T], m: usize, y: &mut [T]) {
        for (j, (column, y)) in a.chunks_exact(m.max(1)).zip(y.chunks_exact_mut(m.max(1))).enumerate() {
            let group = self.over.place(j, m);
            match (&best[group.clone()], &k[group.clone()], &v[group]) {
                ([b], [k], [v]) => {
                    let share = honest(*b, *v / *k);
                    let none = honest(*b, T::zero());
                    y.iter_mut().zip(column).for_each(|(y, x)| *y = if x == b { share } else { none });
                }
                (b, k, v) => {
                    let each = column.iter().zip(b).zip(k.iter().zip(v));
                    y.iter_mut().zip(each).for_each(|(y, ((x, b), (k, v)))| *y = honest(*b, won(x, b, *v / *k)));
                }
            }
        }
    }
}

/// `v` at a winner, 0 elsewhere.
#[inline(always)]
fn won<T: Scalar>(x: &T, best: &T, v: T) -> T {
    if x == best { v } else { T::zero() }
}

/// A group whose extremum is NaN has no winner: NaN, so that it cannot hide.
#[inline(always)]
fn honest<T: Scalar>(best: T, v: T) -> T {
    if best.is_nan() { best } else { v }
}

impl<T: Scalar> Primitive<T> for Winners {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "derivatives of `peak`",
        cost: &["pass", "pass", "pass"],
        degenerate: "looked up anew at each evaluation, so replay across a change of winner is right",
        source: "derived",
        ..PrimitiveDoc::of(file!())
    };

    const READS: Reads = Reads::Inputs;

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        let (group, v) = (self.over.shape(x[0]), if self.gather { x[0] } else { self.over.shape(x[0]) });
        match x[1] == group && x[2] == group && x[3] == v {
            true => one(if self.gather { group } else { x[0] }),
            false => Err("the entries, their extrema and what they carry must fit".into()),
        }
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        let m = columns_of(self.over, x[0].shape);
        for b in 0..x[0].shape.batch {
            let [a, best, k, v] = [0, 1, 2, 3].map(|i| x[i].member(b));
            match self.gather {
                true => self.gathered(a, best, k, v, m, y[0].member(b)),
                false => self.scattered(a, best, k, v, m, y[0].member(b)),
            }
        }
        Ok(())
    }

    fn jvp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        out1(dx[3].map(|d| V::one(Op::Winners(*self), &[x[0], x[1], x[2], d])))
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        if let Some(g) = &dy[0]
            && out.wants(3)
        {
            let back = Winners { gather: !self.gather, ..*self };
            out.add(3, V::one(Op::Winners(back), &[x[0], x[1], x[2], g]));
        }
    }
}
