//! Sums over axes and their adjoint, inner products, Euclidean norms, logarithms of sums of exponentials.

use super::unary::UnaryFn;
use super::{Arg, Op, Out, Primitive, Shapes, one, out1};
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Value, plus};
use crate::{Scalar, Shape};
use pullback_kernels::Unary;

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

/// Over which axes of each member a reduction runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Over {
    pub(crate) rows: bool,
    pub(crate) cols: bool,
}

impl Over {
    pub(crate) const ALL: Over = Over { rows: true, cols: true };
    pub(crate) const ROWS: Over = Over { rows: true, cols: false };
    pub(crate) const COLS: Over = Over { rows: false, cols: true };

    fn shape(self, x: Shape) -> Shape {
        x.with(if self.rows { 1 } else { x.rows }, if self.cols { 1 } else { x.cols })
    }

    /// `y = f(the entries that become it)`, for each `y`.
    fn each<T: Scalar>(self, x: Arg<'_, T>, y: &mut Out<'_, T>, s: &Store<T>, f: impl Fn(&[T]) -> T) {
        let (m, n) = (x.shape.rows, x.shape.cols);
        let mut row = s.take(if self == Over::COLS { n } else { 0 });
        for b in 0..x.shape.batch {
            let (a, out) = (x.member(b), y.member(b));
            match (self.rows, self.cols) {
                (true, true) => out[0] = f(a),
                (true, false) => (0..n).for_each(|j| out[j] = f(&a[j * m..(j + 1) * m])),
                _ => {
                    for i in 0..m {
                        (0..n).for_each(|j| row[j] = a[i + j * m]);
                        out[i] = f(&row);
                    }
                }
            }
        }
        s.put(row);
    }
}

/// The Euclidean norm of all entries, of each column or of each row, safe against overflow.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Norm {
    pub(crate) over: Over,
}

/// `ln sum exp x`, over all entries, each column or each row, without overflow.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LogSumExp {
    pub(crate) over: Over,
}

impl<T: Scalar> Primitive<T> for SumTo {
    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        match x[0].broadcast(self.shape) == Some(x[0]) {
            true => one(self.shape),
            false => Err(format!("expected axes that a sum to {} keeps or reduces to 1", self.shape)),
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
            false => Err(format!("expected axes of size 1 or those of {}", self.shape)),
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
                let batch = x[0].common_batch(x[1]).ok_or("expected batches that agree, or one that is 1")?;
                one(Shape::batch(batch, 1, 1))
            }
            false => Err("expected equal shapes".into()),
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
        one(self.over.shape(x[0]))
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        self.over.each(x[0], &mut y[0], s, T::norm);
        Ok(())
    }

    /// `y' = <A, A'>/y`: with `U = A/y`, `y' = <U, A'>`. There is no derivative at `A = 0`.
    fn jvp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        out1(dx[0].map(|d| {
            let u = x[0].divide(&y[0].nonzero(AT_ZERO));
            if self.over == Over::ALL { u.dot(d) } else { u.hadamard(d).sum_to(y[0].shape()) }
        }))
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        if let Some(g) = &dy[0] {
            out.add(0, x[0].divide(&y[0].nonzero(AT_ZERO)).hadamard(g));
        }
    }
}

const AT_ZERO: &str = "the norm of zero entries; its square, as `x.dot(x)`, is smooth";

impl LogSumExp {
    /// `e^{x - y}`, the derivative: the weights of a softmax. Their own sum divides them, so that rounding in a large `y` cancels.
    fn weights<V: Value>(x: &V, y: &V) -> V {
        let e = V::one(Op::Unary(UnaryFn(Unary::Exp)), &[&x.lincomb(1.0, y, -1.0)]);
        e.divide(&e.sum_to(y.shape()))
    }
}

impl<T: Scalar> Primitive<T> for LogSumExp {
    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        one(self.over.shape(x[0]))
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        self.over.each(x[0], &mut y[0], s, |x| {
            let top = x.iter().fold(T::neg_infinity(), |m, &x| if x > m || x.is_nan() { x } else { m });
            if top.is_finite() { top + x.iter().fold(T::zero(), |s, &x| s + (x - top).exp()).ln() } else { top }
        });
        Ok(())
    }

    /// `y' = sum e^{x - y} x'`.
    fn jvp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        out1(dx[0].map(|d| Self::weights(x[0], y[0]).hadamard(d).sum_to(y[0].shape())))
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        if let Some(g) = &dy[0] {
            out.add(0, Self::weights(x[0], y[0]).hadamard(g));
        }
    }
}
