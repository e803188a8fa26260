//! Entrywise maximum and minimum. The winner takes the cotangent; a tie halves it (the symmetric subgradient).
//!
//! [`Route`] is the linear map that does so: `v` where the chosen side wins, `v/2` at a tie, 0 elsewhere. It is looked
//! up anew from `(a, b)` at every evaluation, so a replay across a change of winner is right.

use super::{Arg, Out, Primitive, Shapes, arithmetic, one, out1};
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
    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        if x[0] == x[1] { one(x[0]) } else { Err("expected equal shapes".into()) }
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        // NaN in either operand stays NaN, so that it cannot hide.
        let pick = |a: T, b: T| if a.is_nan() || (a >= b) == self.max && !b.is_nan() { a } else { b };
        arithmetic::broadcast(
            x[0],
            x[1],
            &mut y[0],
            |a, b, y| y.iter_mut().zip(a.iter().zip(b)).for_each(|(y, (a, b))| *y = pick(*a, *b)),
            pick,
        );
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
    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        one(x[2])
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        let half = T::of(0.5);
        for (k, out) in y[0].data.iter_mut().enumerate() {
            let (a, b, v) = (x[0].data[k], x[1].data[k], x[2].data[k]);
            *out = if a == b {
                half * v
            } else if (a > b) == self.max {
                v
            } else {
                T::zero()
            };
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
