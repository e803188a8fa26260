//! Entrywise sums, products and quotients, with broadcasting of batch, rows and columns.
//!
//! Cost: one pass each. Rules are exact; the quotient follows IEEE where the divisor vanishes.

use super::broadcast::{broadcast, broadcast_shapes};
use crate::ops::direct::{EvalStep, PullStep, PushStep};
use crate::ops::documentation::PrimitiveDoc;
use crate::ops::{Arg, Out, Primitive, Reads, Shapes, one, out1};
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Value, plus};
use crate::{Scalar, Shape};

/// `alpha A + beta B`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LinComb {
    pub(crate) alpha: f64,
    pub(crate) beta: f64,
}

/// `alpha A`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scale {
    pub(crate) alpha: f64,
}

/// `A + c`, every entry.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Shift {
    pub(crate) c: f64,
}

/// `A o B`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Hadamard;

/// `A / B`, entrywise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Divide;

/// A tangent that was not broadcast yet.
pub(crate) fn full<V: Value>(v: V, shape: Shape) -> V {
    if v.shape() == shape { v } else { v.broadcast_to(shape) }
}

impl<T: Scalar> Primitive<T> for LinComb {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`+`, `-`, `lincomb`",
        conditions: "sizes agree or are 1",
        cost: &["pass", "pass", "pass"],
        ..PrimitiveDoc::of(file!())
    };

    const LINEAR: bool = true;

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        broadcast_shapes(x)
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        let (alpha, beta) = (T::of(self.alpha), T::of(self.beta));
        broadcast(x[0], x[1], &mut y[0], |a, b, y| T::lincomb(alpha, a, beta, b, y), |a, b| alpha * a + beta * b);
        Ok(())
    }

    fn jvp<V: Value<T = T>>(&self, _: &[&V], y: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        let d = match (dx[0], dx[1]) {
            (Some(a), Some(b)) => a.lincomb(self.alpha, b, self.beta),
            (Some(a), None) => a.scale(self.alpha),
            (None, Some(b)) => b.scale(self.beta),
            (None, None) => return out1(None),
        };
        out1(Some(full(d, y[0].shape())))
    }

    fn vjp<V: Value<T = T>>(&self, _: &[&V], _: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        let Some(g) = dy[0].take() else { return };
        if out.wants(1) {
            out.add(1, if self.beta == 1.0 { g.clone() } else { g.scale(self.beta) });
        }
        if out.wants(0) {
            out.add(0, if self.alpha == 1.0 { g } else { g.scaled(self.alpha) });
        }
    }

    #[inline(always)]
    fn eval_direct(&self, step: EvalStep<'_, T>) -> Option<Result<(), Trouble>> {
        step.of_matrices::<2>(self)
    }

    #[inline(always)]
    fn pull_direct(&self, mut p: PullStep<'_, T>) -> bool {
        if p.input(0).shape != p.input(1).shape {
            return self.pull_spread(p);
        }
        let Some(mut g) = p.take() else { return true };
        p.add_scaled(1, T::of(self.beta), &g);
        if self.alpha != 1.0 {
            let alpha = T::of(self.alpha);
            g.iter_mut().for_each(|x| *x *= alpha);
        }
        p.give(0, g);
        true
    }
}

impl LinComb {
    /// Where an operand was broadcast, its cotangent is the sum of those of its uses. Not inlined: the sweep of small
    /// values must not become longer for it.
    #[inline(never)]
    fn pull_spread<T: Scalar>(&self, mut p: PullStep<'_, T>) -> bool {
        let (factors, whole) = ([T::of(self.alpha), T::of(self.beta)], p.output().shape);
        let Some(mut g) = p.take() else { return true };
        let large = (0..2).find(|i| p.input(*i).shape == whole);
        (0..2).filter(|i| large != Some(*i)).for_each(|i| p.add_sum(i, factors[i], whole, &g));
        match large {
            Some(i) => {
                if factors[i] != T::one() {
                    g.iter_mut().for_each(|x| *x *= factors[i]);
                }
                p.give(i, g);
            }
            None => p.store.put(g),
        }
        true
    }
}

impl<T: Scalar> Primitive<T> for Scale {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`c * x`, `-x`, `x / c`",
        cost: &["pass", "pass", "pass"],
        ..PrimitiveDoc::of(file!())
    };

    const LINEAR: bool = true;

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        one(x[0])
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        T::scale(T::of(self.alpha), x[0].data, y[0].data);
        Ok(())
    }

    fn jvp<V: Value<T = T>>(&self, _: &[&V], _: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        out1(dx[0].map(|a| a.scale(self.alpha)))
    }

    fn vjp<V: Value<T = T>>(&self, _: &[&V], _: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        if let Some(g) = dy[0].take() {
            out.add(0, g.scaled(self.alpha));
        }
    }

    #[inline(always)]
    fn eval_direct(&self, step: EvalStep<'_, T>) -> Option<Result<(), Trouble>> {
        step.of_matrices::<1>(self)
    }

    #[inline(always)]
    fn pull_direct(&self, mut p: PullStep<'_, T>) -> bool {
        let Some(mut g) = p.take() else { return true };
        let alpha = T::of(self.alpha);
        g.iter_mut().for_each(|x| *x *= alpha);
        p.give(0, g);
        true
    }
}

impl<T: Scalar> Primitive<T> for Shift {
    const DOC: PrimitiveDoc =
        PrimitiveDoc { operation: "`x + c`", cost: &["pass", "0", "0"], ..PrimitiveDoc::of(file!()) };

    const READS: Reads = Reads::Nothing;

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        one(x[0])
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        let c = T::of(self.c);
        y[0].data.iter_mut().zip(x[0].data).for_each(|(y, x)| *y = *x + c);
        Ok(())
    }

    fn jvp<V: Value<T = T>>(&self, _: &[&V], _: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        out1(dx[0].cloned())
    }

    fn vjp<V: Value<T = T>>(&self, _: &[&V], _: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        if let Some(g) = dy[0].take() {
            out.add(0, g);
        }
    }
}

impl<T: Scalar> Primitive<T> for Hadamard {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`hadamard`, `*` with a `1x1`",
        conditions: "sizes agree or are 1",
        cost: &["pass", "2 passes", "2 passes"],
        ..PrimitiveDoc::of(file!())
    };

    const READS: Reads = Reads::OtherInputs;

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        broadcast_shapes(x)
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        match (x[0].data, x[1].data) {
            ([s], v) | (v, [s]) if v.len() == y[0].data.len() => T::scale(*s, v, y[0].data),
            _ => broadcast(x[0], x[1], &mut y[0], T::hadamard, |a, b| a * b),
        }
        Ok(())
    }

    /// For `Y = A o B`: `dY = dA o B + A o dB`.
    fn jvp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        out1(plus(dx[0].map(|a| a.hadamard(x[1])), dx[1].map(|b| x[0].hadamard(b))))
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        if let Some(g) = &dy[0] {
            product_vjp(x, g, out);
        }
    }

    #[inline(always)]
    fn eval_direct(&self, step: EvalStep<'_, T>) -> Option<Result<(), Trouble>> {
        step.of_matrices::<2>(self)
    }

    #[inline(always)]
    fn push_direct(&self, p: PushStep<'_, T>) -> bool {
        p.bilinear(self)
    }

    #[inline(always)]
    fn pull_direct(&self, mut p: PullStep<'_, T>) -> bool {
        let (a, b) = (p.input(0), p.input(1));
        if a.shape != b.shape {
            return pull_spread(p);
        }
        let Some(mut g) = p.take() else { return true };
        p.add_hadamard(1, &g, a.data);
        g.iter_mut().zip(b.data).for_each(|(g, b)| *g *= *b);
        p.give(0, g);
        true
    }
}

/// The cotangents of a product one of whose factors was broadcast. Not inlined: the sweep of small values must not
/// become longer for it.
#[inline(never)]
fn pull_spread<T: Scalar>(mut p: PullStep<'_, T>) -> bool {
    let (a, b, whole) = (p.input(0).shape, p.input(1).shape, p.output().shape);
    if a != whole && b != whole {
        return false;
    }
    let Some(g) = p.take() else { return true };
    let (large, small) = if a == whole { (0, 1) } else { (1, 0) };
    p.add_spread(large, p.input(small), Arg { shape: whole, data: &g });
    p.add_spread_sum(small, whole, g, p.input(large).data);
    true
}

/// `gA = g o B` and `gB = g o A` for `A` and `B`, the first two inputs.
pub(crate) fn product_vjp<V: Value>(x: &[&V], g: &V, out: &mut Grads<'_, V>) {
    for (i, other) in [(0, x[1]), (1, x[0])] {
        if out.wants(i) {
            // Where an operand is one number, its cotangent is an inner product, and no matrix is formed for it.
            let scalar = x[i].shape() == Shape::SCALAR && g.shape().batch == 1 && other.shape() == g.shape();
            out.add(i, if scalar { g.dot(other) } else { g.hadamard(other) });
        }
    }
}

impl<T: Scalar> Primitive<T> for Divide {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`elem_div`",
        conditions: "sizes agree or are 1",
        cost: &["pass", "3 passes", "3 passes"],
        degenerate: "IEEE where the divisor is 0; the driver returns `NonFinite`",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        broadcast_shapes(x)
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        broadcast(x[0], x[1], &mut y[0], T::divide, |a, b| a / b);
        Ok(())
    }

    /// For `Y = A/B`: `dY = (dA - Y o dB)/B`.
    fn jvp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        let da = dx[0].map(|a| a.divide(x[1]));
        let db = dx[1].map(|b| y[0].hadamard(b).divide(x[1]).scale(-1.0));
        out1(plus(da, db))
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        let Some(g) = &dy[0] else { return };
        let q = g.divide(x[1]);
        if out.wants(1) {
            out.add(1, q.hadamard(y[0]).scale(-1.0));
        }
        out.add(0, q);
    }
}
