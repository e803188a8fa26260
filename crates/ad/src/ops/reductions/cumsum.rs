//! Sums of all entries up to each one, along the rows or the columns.
//!
//! `y_i = x_1 + ... + x_i`, or `y_i = x_i + ... + x_n` in reverse. It is linear, `dY = cumsum(dX)`. Since `x_i` takes
//! part in `y_i, ..., y_n`, the transpose is the sum in the other direction: `gX` is the reverse `cumsum` of `gY`.
//! Cost: one pass each.
//! Source: derived.

use crate::ops::documentation::PrimitiveDoc;
use crate::ops::layout::moves::Axis;
use crate::ops::{Arg, Op, Out, Primitive, Reads, Shapes, one, out1};
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Value};
use crate::{Scalar, Shape};

/// Partial sums along an axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct CumSum {
    pub(crate) axis: Axis,
    pub(crate) reverse: bool,
}

impl<T: Scalar> Primitive<T> for CumSum {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`cumsum`",
        cost: &["pass", "pass", "pass"],
        source: "derived",
        ..PrimitiveDoc::of(file!())
    };

    const READS: Reads = Reads::Nothing;

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        match self.axis {
            Axis::Batch => Err("expected the axis Rows or Cols, got Batch".into()),
            _ => one(x[0]),
        }
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        let m = x[0].shape.rows;
        for b in 0..x[0].shape.batch {
            let (a, y) = (x[0].member(b), y[0].member(b));
            y.copy_from_slice(a);
            match (self.axis, self.reverse) {
                (Axis::Rows, false) => y.chunks_exact_mut(m.max(1)).for_each(|c| running(c.iter_mut())),
                (Axis::Rows, true) => y.chunks_exact_mut(m.max(1)).for_each(|c| running(c.iter_mut().rev())),
                _ if m == 0 => {}
                (_, false) => running_columns(y.chunks_exact_mut(m), m, s),
                (_, true) => running_columns(y.chunks_exact_mut(m).rev(), m, s),
            }
        }
        Ok(())
    }

    fn jvp<V: Value<T = T>>(&self, _: &[&V], _: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        out1(dx[0].map(|d| V::one(Op::CumSum(*self), &[d])))
    }

    fn vjp<V: Value<T = T>>(&self, _: &[&V], _: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        if let Some(g) = &dy[0] {
            out.add(0, V::one(Op::CumSum(CumSum { reverse: !self.reverse, ..*self }), &[g]));
        }
    }
}

/// Replaces every entry by the sum up to it. What rounding loses of each sum is carried along (Neumaier 1974), and goes
/// back into the sum at once: left to itself it would grow with the number of entries, and lose digits of its own.
fn running<'a, T: Scalar>(entries: impl Iterator<Item = &'a mut T>) {
    entries.fold((T::zero(), T::zero()), |(sum, lost), y| step(sum, lost, y));
}

/// The same of every row, column by column.
fn running_columns<'a, T: Scalar>(columns: impl Iterator<Item = &'a mut [T]>, m: usize, s: &Store<T>) {
    let [mut sum, mut lost] = [s.take(m), s.take(m)];
    sum.fill(T::zero());
    lost.fill(T::zero());
    for column in columns {
        for ((y, sum), lost) in column.iter_mut().zip(sum.iter_mut()).zip(lost.iter_mut()) {
            (*sum, *lost) = step(*sum, *lost, y);
        }
    }
    s.put(sum);
    s.put(lost);
}

/// Adds `y` to a sum, what rounding lost of it included, and replaces `y` by the result; also what is lost now.
#[inline(always)]
fn step<T: Scalar>(sum: T, lost: T, y: &mut T) -> (T, T) {
    let (next, lost) = (sum + *y, lost + lost_by(sum, *y));
    // An infinite sum has lost nothing that can be told.
    let lost = if lost.is_finite() { lost } else { T::zero() };
    *y = next + lost;
    (*y, lost_by(next, lost))
}

/// What rounding loses of `a + b`.
#[inline(always)]
fn lost_by<T: Scalar>(a: T, b: T) -> T {
    let (large, small) = if a.abs() >= b.abs() { (a, b) } else { (b, a) };
    (large - (a + b)) + small
}
