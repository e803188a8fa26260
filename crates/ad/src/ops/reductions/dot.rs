//! Inner products of members, of their columns or of their rows: `y = sum A o B` over what [`Over`] says, without the
//! array of products that a product and a sum would write and read again.
//!
//! `dy = sum dA o B + sum A o dB`, and from `<gy, dy>`: `gA = gy o B`, `gB = gy o A`, where `gy` is broadcast.
//!
//! Conditions: none. Cost: value one pass, JVP 2 passes, VJP 2 passes; one where both operands are the same value.
//! Source: derived.

use super::reduce::Over;
use crate::ops::direct::{EvalStep, PullStep, PushStep};
use crate::ops::documentation::PrimitiveDoc;
use crate::ops::{Arg, Out, Primitive, Reads, Shapes, one, out1};
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Value, plus};
use crate::{Scalar, Shape};

/// `<A, B>`, one number for each member, column or row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Dot {
    pub(crate) over: Over,
}

/// `<a, b>`, without a call where the columns are short.
#[inline(always)]
fn short_dot<T: Scalar>(a: &[T], b: &[T]) -> T {
    if a.len() < 8 { a.iter().zip(b).fold(T::zero(), |s, (&x, &y)| s + x * y) } else { T::dot(a, b) }
}

impl<T: Scalar> Primitive<T> for Dot {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`dot`, `column_dots`, `row_dots`",
        conditions: "equal shapes; batches agree or are 1",
        cost: &["pass", "2 passes", "2 passes"],
        ..PrimitiveDoc::of(file!())
    };

    const READS: Reads = Reads::OtherInputs;

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        match (x[0].rows, x[0].cols) == (x[1].rows, x[1].cols) {
            true => {
                let batch = x[0].common_batch(x[1]).ok_or("expected batches that agree, or one that is 1")?;
                one(self.over.shape(Shape { batch, ..x[0] }))
            }
            false => Err("expected equal shapes".into()),
        }
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        let (m, n, y) = (x[0].shape.rows, x[0].shape.cols, &mut y[0]);
        if self.over == Over::ALL {
            y.data.iter_mut().enumerate().for_each(|(k, y)| *y = T::dot(x[0].member(k), x[1].member(k)));
            return Ok(());
        }
        if x[0].data.is_empty() || x[1].data.is_empty() {
            y.data.fill(T::zero());
            return Ok(());
        }
        // The sum over the columns is taken by a tree, as every sum.
        let mut products = s.take(if self.over == Over::COLS { m * n } else { 0 });
        for k in 0..y.shape.batch {
            let (a, b, out) = (x[0].member(k), x[1].member(k), y.member(k));
            if self.over.rows {
                let columns = a.chunks_exact(m).zip(b.chunks_exact(m));
                out.iter_mut().zip(columns).for_each(|(y, (a, b))| *y = short_dot(a, b));
            } else {
                T::hadamard(a, b, &mut products);
                T::sum_columns(&products, m, n, out);
            }
        }
        s.put(products);
        Ok(())
    }

    fn jvp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        out1(plus(dx[0].map(|d| d.dot_over(self.over, x[1])), dx[1].map(|d| x[0].dot_over(self.over, d))))
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        let Some(g) = &dy[0] else { return };
        for (i, other) in [(0, x[1]), (1, x[0])] {
            if out.wants(i) {
                out.add(i, g.hadamard(other));
            }
        }
    }

    #[inline(always)]
    fn eval_direct(&self, step: EvalStep<'_, T>) -> Option<Result<(), Trouble>> {
        let (a, b, y) = (step.input(0), step.input(1), &mut step.out[0]);
        if self.over != Over::ALL || y.buf.len() != 1 || a.data.len() != b.data.len() {
            return None;
        }
        y.buf[0] = T::dot(a.data, b.data);
        Some(Ok(()))
    }

    #[inline(always)]
    fn push_direct(&self, p: PushStep<'_, T>) -> bool {
        p.bilinear(self)
    }

    #[inline(always)]
    fn pull_direct(&self, mut p: PullStep<'_, T>) -> bool {
        let (a, b) = (p.input(0), p.input(1));
        if a.shape != b.shape || p.output().shape != Shape::SCALAR {
            return pull_columns(p);
        }
        let Some(g) = p.take() else { return true };
        p.add_scaled(0, g[0], b.data);
        p.add_scaled(1, g[0], a.data);
        p.store.put(g);
        true
    }
}

/// The cotangents of inner products of several members, columns or rows. Of a value with itself in one pass. Not
/// inlined: the sweep of small values must not become longer for it.
#[inline(never)]
fn pull_columns<T: Scalar>(mut p: PullStep<'_, T>) -> bool {
    let (a, b, y) = (p.input(0), p.input(1), p.output().shape);
    if a.shape != b.shape || a.data.is_empty() {
        return false;
    }
    let Some(mut g) = p.take() else { return true };
    let same = p.inputs[0] == p.inputs[1];
    if same {
        g.iter_mut().for_each(|g| *g += *g);
    }
    p.add_spread(0, Arg { shape: y, data: &g }, b);
    if !same {
        p.add_spread(1, Arg { shape: y, data: &g }, a);
    }
    p.store.put(g);
    true
}
