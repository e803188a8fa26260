//! Choices between entries: comparisons, which give masks, and the selection by a mask.
//!
//! A mask holds numbers: 0 is false, everything else is true, and NaN is neither. Masks are decisions about numbers,
//! found anew at every evaluation (at replay too), and they are locally constant, so no derivative passes through
//! them.
//!
//! `Y = select(M, A, B)` is linear in `(A, B)`. Let `K_1` = `keep(M, .)` keep the entries where `M` is true and write
//! exact zeros elsewhere, and let `K_0` keep the others. Then
//!
//! `dY = select(M, dA, dB) = K_1(dA) + K_0(dB)`, `gA = K_1(gY)`, `gB = K_0(gY)`,
//!
//! and each of `K_1`, `K_0` is its own transpose. A number that is not taken is never multiplied by 0: it is not read,
//! so that an infinity or NaN in it does not come through. What the operations *before* it do with the zero cotangent
//! is theirs; see `dead.rs`. Cost: one pass each. Source: derived.

use crate::ops::documentation::PrimitiveDoc;
use crate::ops::{Arg, Op, Out, Primitive, Reads, Shapes, entries::broadcast, one, out1};
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Value};
use crate::{Scalar, Shape};

/// What a comparison asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relation {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
}

/// 1 where the relation holds between the entries of `A` and `B`, 0 elsewhere, with broadcasting. By IEEE, NaN is
/// unequal to everything and in no other relation to anything.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Compare(pub(crate) Relation);

/// `A` where the mask is true, `B` elsewhere, from `(M, A, B)` of one shape.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Select;

/// `V` where the mask is true (or where it is false), and 0 elsewhere, from `(M, V)` of one shape.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Keep {
    pub(crate) taken: bool,
}

impl Keep {
    pub(crate) fn of<V: Value>(self, mask: &V, v: &V) -> V {
        V::one(Op::Keep(self), &[mask, v])
    }
}

/// The chosen one of two numbers; NaN for a mask that is neither true nor false.
#[inline(always)]
fn choose<T: Scalar>(mask: T, a: T, b: T) -> T {
    let taken = if mask == T::zero() { b } else { a };
    if mask.is_nan() { mask } else { taken }
}

fn equal(x: &[Shape]) -> Result<Shapes, String> {
    match x.iter().all(|s| *s == x[0]) {
        true => one(x[0]),
        false => Err("the mask and what it selects must have equal shapes".into()),
    }
}

impl<T: Scalar> Primitive<T> for Compare {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`gt`, `ge`, `lt`, `le`, `eq`, `ne`",
        conditions: "sizes agree or are 1",
        cost: &["pass", "0", "0"],
        degenerate: "a mask has no derivative and is found anew at each evaluation; NaN is unequal to everything",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        broadcast::broadcast_shapes(x)
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        fn run<T: Scalar>(x: &[Arg<'_, T>], y: &mut Out<'_, T>, holds: impl Fn(T, T) -> bool) {
            let f = |a: T, b: T| if holds(a, b) { T::one() } else { T::zero() };
            let flat = |a: &[T], b: &[T], y: &mut [T]| {
                y.iter_mut().zip(a.iter().zip(b)).for_each(|(y, (a, b))| *y = f(*a, *b));
            };
            broadcast::broadcast(x[0], x[1], y, flat, f);
        }
        let y = &mut y[0];
        match self.0 {
            Relation::Greater => run(x, y, |a, b| a > b),
            Relation::GreaterOrEqual => run(x, y, |a, b| a >= b),
            Relation::Less => run(x, y, |a, b| a < b),
            Relation::LessOrEqual => run(x, y, |a, b| a <= b),
            Relation::Equal => run(x, y, |a, b| a == b),
            Relation::NotEqual => run(x, y, |a, b| a != b),
        }
        Ok(())
    }

    no_derivative!();
}

impl<T: Scalar> Primitive<T> for Select {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`select`, `select_with`",
        conditions: "sizes agree or are 1",
        cost: &["pass", "pass", "2 passes"],
        degenerate: "what is not taken is not read, and its cotangent is exactly 0",
        source: "derived",
        ..PrimitiveDoc::of(file!())
    };

    const READS: Reads = Reads::Inputs;

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        equal(x)
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        let branches = x[1].data.iter().zip(x[2].data);
        for (y, (m, (a, b))) in y[0].data.iter_mut().zip(x[0].data.iter().zip(branches)) {
            *y = choose(*m, *a, *b);
        }
        Ok(())
    }

    fn jvp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        out1(match (dx[1], dx[2]) {
            (Some(a), Some(b)) => Some(V::one(Op::Select(Select), &[x[0], a, b])),
            (Some(a), None) => Some(Keep { taken: true }.of(x[0], a)),
            (None, Some(b)) => Some(Keep { taken: false }.of(x[0], b)),
            (None, None) => None,
        })
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        let Some(g) = &dy[0] else { return };
        for (i, taken) in [(1, true), (2, false)] {
            if out.wants(i) {
                out.add(i, Keep { taken }.of(x[0], g));
            }
        }
    }
}

impl<T: Scalar> Primitive<T> for Keep {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "derivatives of `select`, `norm_with`",
        conditions: "equal shapes",
        cost: &["pass", "pass", "pass"],
        degenerate: "what is not kept is not read: exactly 0",
        source: "derived",
        ..PrimitiveDoc::of(file!())
    };

    const READS: Reads = Reads::Inputs;

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        equal(x)
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        let zero = T::zero();
        let all = y[0].data.iter_mut().zip(x[0].data.iter().zip(x[1].data));
        match self.taken {
            true => all.for_each(|(y, (m, v))| *y = choose(*m, *v, zero)),
            false => all.for_each(|(y, (m, v))| *y = choose(*m, zero, *v)),
        }
        Ok(())
    }

    fn jvp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        out1(dx[1].map(|d| self.of(x[0], d)))
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        if let Some(g) = &dy[0]
            && out.wants(1)
        {
            out.add(1, self.of(x[0], g));
        }
    }
}
