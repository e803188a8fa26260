//! Entrywise maximum and minimum. The winner takes the cotangent; a tie halves it (the symmetric subgradient).
//!
//! [`Route`] is the linear map that does so: `v` where the chosen side wins, `v/2` at a tie, 0 elsewhere. It is looked
//! up anew from `(a, b)` at every evaluation, so a replay across a change of winner is right.

use crate::ops::documentation::PrimitiveDoc;
use crate::ops::{Arg, Out, Primitive, Reads, Shapes, one, out1};
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Value, plus};
use crate::{Scalar, Shape, ops::Op};

/// `max(A, B)` or `min(A, B)`, entrywise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Extremum {
    pub(crate) max: bool,
}

/// `v` where `a` wins against `b`, from `(a, b, v)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Route {
    pub(crate) max: bool,
}

impl Extremum {
    fn route<V: Value>(self, a: &V, b: &V, v: &V) -> V {
        V::one(Op::Route(Route { max: self.max }), &[a, b, v])
    }
}

impl<T: Scalar> Primitive<T> for Extremum {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`max`, `min`",
        cost: &["pass", "2 passes", "2 passes"],
        degenerate: "a tie halves the derivative (the symmetric subgradient); NaN stays NaN",
        ..PrimitiveDoc::of(file!())
    };

    const READS: Reads = Reads::Inputs;

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        if x[0] == x[1] { one(x[0]) } else { Err("expected equal shapes".into()) }
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        // NaN in either operand stays NaN, so that it cannot hide. The choice of the side stands outside of the loop.
        fn flat<T: Scalar>(a: &[T], b: &[T], y: &mut [T], first: impl Fn(T, T) -> bool) {
            for (y, (&a, &b)) in y.iter_mut().zip(a.iter().zip(b)) {
                *y = if first(a, b) | a.is_nan() { a } else { b };
            }
        }
        match self.max {
            true => flat(x[0].data, x[1].data, y[0].data, |a, b| a >= b),
            false => flat(x[0].data, x[1].data, y[0].data, |a, b| a < b),
        }
        Ok(())
    }

    fn jvp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        out1(plus(dx[0].map(|d| self.route(x[0], x[1], d)), dx[1].map(|d| self.route(x[1], x[0], d))))
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        let Some(g) = &dy[0] else { return };
        for (i, (a, b)) in [(x[0], x[1]), (x[1], x[0])].into_iter().enumerate() {
            if out.wants(i) {
                out.add(i, self.route(a, b, g));
            }
        }
    }
}

impl<T: Scalar> Primitive<T> for Route {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "derivatives of `max`, `min`",
        cost: &["pass", "pass", "pass"],
        degenerate: "looked up anew at each evaluation, so replay across a change of winner is right",
        ..PrimitiveDoc::of(file!())
    };

    const READS: Reads = Reads::Inputs;

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        one(x[2])
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        // Two selects and no branch: which side wins changes from entry to entry.
        let half = T::of(0.5);
        let share = |ahead: bool, tie: bool, v: T| {
            let whole = if ahead { v } else { T::zero() };
            if tie { half * v } else { whole }
        };
        let inputs = x[0].data.iter().zip(x[1].data).zip(x[2].data);
        match self.max {
            true => y[0].data.iter_mut().zip(inputs).for_each(|(y, ((a, b), v))| *y = share(a > b, a == b, *v)),
            false => y[0].data.iter_mut().zip(inputs).for_each(|(y, ((a, b), v))| *y = share(a < b, a == b, *v)),
        }
        Ok(())
    }

    fn jvp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        out1(dx[2].map(|d| V::one(Op::Route(*self), &[x[0], x[1], d])))
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        if let Some(g) = &dy[0]
            && out.wants(2)
        {
            out.add(2, V::one(Op::Route(*self), &[x[0], x[1], g]));
        }
    }
}
