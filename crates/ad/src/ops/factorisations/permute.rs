//! Orders of rows and columns that are found where numbers are looked at, and the reordering by them.
//!
//! [`Pivots`] is locally constant, so it has no derivative; at a tie of pivots the order jumps, and what is computed
//! through it must not depend on that (the span of the columns does not, a factor `R` does). [`Permute`] is linear, and
//! its transpose is the inverse permutation. Cost (n³): pivots 4/3, permutation one pass.

use crate::ops::documentation::PrimitiveDoc;
use crate::ops::layout::moves::Axis;
use crate::ops::{Arg, Op, Out, Primitive, Reads, Shapes, members, one, out1};
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Value};
use crate::{Scalar, Shape};
use smallvec::smallvec;

/// `(p, d)`: the order of the columns by a pivoted QR, as numbers, and the moduli of the diagonal of its `R`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Pivots;

/// Column (or row) `j` of the result is column `p_j` of `A`, from `(A, p)`; or the inverse of that.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Permute {
    pub(crate) axis: Axis,
    pub(crate) inverse: bool,
}

impl<T: Scalar> Primitive<T> for Pivots {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`qr_pivoted`, `rank`: the order of columns by a pivoted QR",
        conditions: "finite",
        cost: &["4/3", "0", "0"],
        degenerate: "locally constant; found anew at replay",
        source: "Golub & Van Loan, 5.4.2",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        Ok(smallvec![x[0].with(x[0].cols, 1), x[0].with(x[0].rows.min(x[0].cols), 1)])
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        let w = &mut *s.work.borrow_mut();
        let Shape { batch, rows, cols } = x[0].shape;
        let (p, d) = crate::ops::two(y);
        members(batch, |b| T::pivots(x[0].member(b), rows, cols, p.member(b), d.member(b), w))
    }

    no_derivative!();
}

/// How many places of rows are read at a time.
const CHUNK: usize = 32;

impl Permute {
    fn run<V: Value>(self, x: &V, p: &V) -> V {
        V::one(Op::Permute(self), &[x, p])
    }
}

impl<T: Scalar> Primitive<T> for Permute {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`permuted`, `qr_pivoted`",
        cost: &["pass", "pass", "pass"],
        degenerate: "linear in what it permutes",
        ..PrimitiveDoc::of(file!())
    };

    const READS: Reads = Reads::Inputs;

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        let size = match self.axis {
            Axis::Rows => x[0].rows,
            Axis::Cols => x[0].cols,
            Axis::Batch => return Err("expected the axis of rows or of columns".into()),
        };
        if (x[1].rows, x[1].cols) != (size, 1) {
            return Err(format!("expected an order that is a column of {size}"));
        }
        let batch = x[0].common_batch(x[1]).ok_or("expected batches that agree, or one that is 1")?;
        one(Shape { batch, ..x[0] })
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        let (m, n) = (x[0].shape.rows, x[0].shape.cols);
        for b in 0..y[0].shape.batch {
            let (a, p, out) = (x[0].member(b), x[1].member(b), y[0].member(b));
            // NaN, where an order failed, becomes 0; everything is poisoned then.
            let at = |k: usize, size: usize| (p[k].f64() as usize).min(size - 1);
            if self.axis == Axis::Cols {
                for j in 0..n {
                    let (to, from) = if self.inverse { (at(j, n), j) } else { (j, at(j, n)) };
                    out[to * m..(to + 1) * m].copy_from_slice(&a[from * m..(from + 1) * m]);
                }
                continue;
            }
            for first in (0..m).step_by(CHUNK) {
                let mut order = [0; CHUNK];
                let count = CHUNK.min(m - first);
                (0..count).for_each(|i| order[i] = at(first + i, m));
                for (a, out) in a.chunks_exact(m).zip(out.chunks_exact_mut(m)) {
                    for (i, &other) in order[..count].iter().enumerate() {
                        let (to, from) = if self.inverse { (other, first + i) } else { (first + i, other) };
                        out[to] = a[from];
                    }
                }
            }
        }
        Ok(())
    }

    fn jvp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        out1(dx[0].map(|d| self.run(d, x[1])))
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        if let Some(g) = &dy[0] {
            out.add(0, Permute { inverse: !self.inverse, ..*self }.run(g, x[1]));
        }
    }
}
