//! Sums over axes and their adjoint, Euclidean norms. Inner products are in `dot.rs`, logarithms of sums of
//! exponentials in `softmax.rs`.

use crate::ops::documentation::PrimitiveDoc;
use crate::ops::{Arg, Out, Primitive, Shapes, one, out1};
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Value};
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

    pub(crate) fn shape(self, x: Shape) -> Shape {
        x.with(if self.rows { 1 } else { x.rows }, if self.cols { 1 } else { x.cols })
    }

    /// Where the entries of column `j`, of `m` entries, go in the reduced member: to one place, or each to its own.
    pub(crate) fn place(self, j: usize, m: usize) -> std::ops::Range<usize> {
        match (self.rows, self.cols) {
            (true, true) => 0..1,
            (true, false) => j..j + 1,
            _ => 0..m,
        }
    }

    /// `y = f(the entries that become it)`, for each `y`.
    pub(crate) fn each<T: Scalar>(self, x: Arg<'_, T>, y: &mut Out<'_, T>, s: &Store<T>, f: impl Fn(&[T]) -> T) {
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

impl<T: Scalar> Primitive<T> for SumTo {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`sum`, `sum_to`, `sum_each`, `column_sums`, `row_sums`, `sum_batch`, `mean`",
        conditions: "every axis is kept or reduced",
        cost: &["pass", "pass", "pass"],
        degenerate: "an empty sum is 0",
        ..PrimitiveDoc::of(file!())
    };

    const LINEAR: bool = true;

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        match x[0].broadcast(self.shape) == Some(x[0]) {
            true => one(self.shape),
            false => Err(format!("expected axes that a sum to {} keeps or reduces to 1", self.shape)),
        }
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        sum_to(x[0], &mut y[0], s);
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

/// The sum of `x` over every axis that has size 1 in `y`: one axis after another, each with a tree over its terms:
/// rows, then columns, then members.
pub(crate) fn sum_to<T: Scalar>(x: Arg<'_, T>, y: &mut Out<'_, T>, s: &Store<T>) {
    let (xs, ys, out) = (x.shape, y.shape, &mut *y.data);
    let [rows, cols, batch] = [xs.rows != ys.rows, xs.cols != ys.cols, xs.batch != ys.batch];
    match [rows, cols, batch] {
        _ if ys.len() == 1 => out[0] = T::sum(x.data),
        _ if x.data.is_empty() => out.fill(T::zero()),
        [false, false, false] => out.copy_from_slice(x.data),
        [true, false, false] => each_sum(x.data, xs.rows, out),
        [true, true, false] => each_sum(x.data, xs.each(), out),
        [false, true, false] => sum_columns(x.data, xs.rows, xs.cols, out),
        [false, false, true] => T::sum_columns(x.data, xs.each(), xs.batch, out),
        // Within the members first, then over them.
        [_, _, true] => {
            let within = Shape { batch: xs.batch, ..ys };
            let mut sums = s.take(within.len());
            sum_to(x, &mut Out { shape: within, data: &mut sums }, s);
            T::sum_columns(&sums, ys.each(), xs.batch, out);
            s.put(sums);
        }
    }
}

/// The sums of consecutive pieces.
fn each_sum<T: Scalar>(x: &[T], len: usize, out: &mut [T]) {
    out.iter_mut().zip(x.chunks_exact(len)).for_each(|(out, x)| *out = T::sum(x));
}

/// The sum of the columns of each member.
fn sum_columns<T: Scalar>(x: &[T], m: usize, n: usize, out: &mut [T]) {
    for (x, out) in x.chunks_exact(m * n).zip(out.chunks_exact_mut(m)) {
        T::sum_columns(x, m, n, out);
    }
}

impl<T: Scalar> Primitive<T> for BroadcastTo {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`broadcast_to`",
        conditions: "repeated axes have size 1",
        cost: &["pass", "pass", "pass"],
        ..PrimitiveDoc::of(file!())
    };

    const LINEAR: bool = true;

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

impl<T: Scalar> Primitive<T> for Norm {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`norm`, `column_norms`, `row_norms`",
        conditions: "for a derivative: not 0, else `NotDifferentiable`",
        cost: &["pass", "2 passes", "2 passes"],
        degenerate: "the value is safe against overflow; `x.dot(x)` is smooth at 0",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        one(self.over.shape(x[0]))
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        self.over.each(x[0], &mut y[0], s, T::norm);
        Ok(())
    }

    /// `dy = <A, dA>/y`: with `U = A/y`, `dy = <U, dA>`. There is no derivative at `A = 0`.
    fn jvp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        out1(dx[0].map(|d| {
            let u = x[0].divide(&y[0].nonzero(AT_ZERO));
            u.dot_over(self.over, d)
        }))
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        if let Some(g) = &dy[0] {
            out.add(0, x[0].divide(&y[0].nonzero(AT_ZERO)).hadamard(g));
        }
    }
}

const AT_ZERO: &str = "the norm of zero entries; its square, as `x.dot(x)`, is smooth";
