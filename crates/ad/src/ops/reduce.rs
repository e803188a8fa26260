//! Sums over axes and their adjoint, inner products, the Frobenius norm.

use super::{Arg, Out, Primitive, Shapes, one, out1};
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Value, plus};
use crate::{Scalar, Shape};

/// Sums over every axis (batch, rows, columns) where the target has size 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SumTo {
    pub(crate) shape: Shape,
}

/// Repeats along every axis of size 1: the adjoint of [`SumTo`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct BroadcastTo {
    pub(crate) shape: Shape,
}

/// `<A, B>`, one number for each member.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Dot;

/// `|A|_F`, one number for each member, safe against overflow.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Norm;

impl<T: Scalar> Primitive<T> for SumTo {
    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        match x[0].broadcast(self.shape) == Some(x[0]) {
            true => one(self.shape),
            false => Err(format!("a sum to {} must keep or reduce every axis", self.shape)),
        }
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        let (xs, ys) = (x[0].shape, self.shape);
        if ys == Shape::SCALAR {
            y[0].data[0] = T::sum(x[0].data);
            return Ok(());
        }
        y[0].data.fill(T::zero());
        for b in 0..xs.batch {
            let (a, out) = (x[0].member(b), y[0].member(b));
            if ys.rows == xs.rows && ys.cols == xs.cols {
                T::axpy(T::one(), a, out);
                continue;
            }
            for (j, col) in a.chunks_exact(xs.rows.max(1)).enumerate() {
                let o = if ys.cols == 1 { 0 } else { j * ys.rows };
                match ys.rows == xs.rows {
                    true => T::axpy(T::one(), col, &mut out[o..o + ys.rows]),
                    false => out[o] += T::sum(col),
                }
            }
        }
        Ok(())
    }

    fn jvp<V: Value<T = T>>(&self, _: &[&V], _: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        out1(dx[0].map(|d| d.sum_to(self.shape)))
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        if let Some(g) = &dy[0] {
            out.add(0, g.broadcast_to(x[0].shape()));
        }
    }
}

impl<T: Scalar> Primitive<T> for BroadcastTo {
    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        match x[0].broadcast(self.shape) == Some(self.shape) {
            true => one(self.shape),
            false => Err(format!("only axes of size 1 can be repeated to {}", self.shape)),
        }
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        let (xs, m) = (x[0].shape, self.shape.rows);
        if xs == Shape::SCALAR {
            y[0].data.fill(x[0].data[0]);
            return Ok(());
        }
        for b in 0..self.shape.batch {
            let a = x[0].member(b);
            for (j, col) in y[0].member(b).chunks_exact_mut(m.max(1)).enumerate() {
                let o = if xs.cols == 1 { 0 } else { j * xs.rows };
                match xs.rows == m {
                    true => col.copy_from_slice(&a[o..o + m]),
                    false => col.fill(a[o]),
                }
            }
        }
        Ok(())
    }

    fn jvp<V: Value<T = T>>(&self, _: &[&V], _: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        out1(dx[0].map(|d| d.broadcast_to(self.shape)))
    }

    fn vjp<V: Value<T = T>>(&self, _: &[&V], _: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        if let Some(g) = dy[0].take() {
            out.add(0, g);
        }
    }
}

impl<T: Scalar> Primitive<T> for Dot {
    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        match (x[0].rows, x[0].cols) == (x[1].rows, x[1].cols) {
            true => {
                let batch = x[0].common_batch(x[1]).ok_or("batches must agree, or one be 1")?;
                one(Shape::batch(batch, 1, 1))
            }
            false => Err("an inner product needs equal shapes".into()),
        }
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        for b in 0..y[0].shape.batch {
            y[0].data[b] = T::dot(x[0].member(b), x[1].member(b));
        }
        Ok(())
    }

    fn jvp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        out1(plus(dx[0].map(|d| d.dot(x[1])), dx[1].map(|d| x[0].dot(d))))
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        let Some(g) = &dy[0] else { return };
        for (i, other) in [(0, x[1]), (1, x[0])] {
            if out.wants(i) {
                out.add(i, g.hadamard(other));
            }
        }
    }
}

impl<T: Scalar> Primitive<T> for Norm {
    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        one(x[0].with(1, 1))
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        for b in 0..y[0].shape.batch {
            y[0].data[b] = T::norm(x[0].member(b));
        }
        Ok(())
    }

    /// `y' = <A, A'>/y`: with `U = A/y`, `y' = <U, A'>`. There is no derivative at `A = 0`.
    fn jvp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        out1(dx[0].map(|d| x[0].divide(&y[0].nonzero(AT_ZERO)).dot(d)))
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        if let Some(g) = &dy[0] {
            out.add(0, x[0].divide(&y[0].nonzero(AT_ZERO)).hadamard(g));
        }
    }
}

const AT_ZERO: &str = "the norm of a zero matrix; its square, `x.dot(x)`, is smooth";
