//! Algebra of packed columns: complex columns kept as real ones (`kernels/src/columns.rs`). It is the vocabulary in
//! which the rules of `eig.rs` are written, and is closed: each derivative below is one of its words again.
//!
//! Write `x c` for the column `x` times the complex number `c`, `x^H u` for the inner product, and `c^q` for `c` or its
//! conjugate; as real inner products, `<g, x dc> = Re(conj(x^H g) dc)` and `<t, x^H du> = Re((x t)^H du)`. So
//!
//! - `y = x c^q`: `dy = dx c^q + x dc^q`; `gx = gy (c^q)^*`, `gc = (x^H gy)^q`.
//! - `s = (x^H u)^q`: `ds = (dx^H u)^q + (x^H du)^q`; `gu = x gs^q`, `gx = u (gs^q)^*`.
//! - `Z D^q - D^q Z = P` with `D = D(l)`: `dZ = S(dP - Z dD^q + dD^q Z)`, where `S` is the solution operator, whose
//!   adjoint is that of the transposed equation. With `T = S^*(gZ)`: `gP = T`, `gl = -(z^H t)^q + (z^H t)^{not q}`, the
//!   first of the columns of `Z` and `T`, the second of their rows.
//! - Parts, entries and the order of columns are linear; each has its adjoint beside it.
//!
//! The last input is the notes of the eigenvalues, which are numbers without a derivative: what they say is locally
//! constant. Cost: a pass over the columns each.

use super::eig::{Ask, Judge};
use crate::ops::documentation::PrimitiveDoc;
use crate::ops::{Arg, Op, Out, Primitive, Shapes, members, one, out1};
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Value, plus};
use crate::{Scalar, Shape};
use pullback_kernels::ColumnOp;
use smallvec::SmallVec;

/// `(inputs.., notes)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Columns(pub(crate) ColumnOp);

/// One word, on inputs that end with the notes.
pub(crate) fn columns<V: Value>(op: ColumnOp, x: &[&V]) -> V {
    V::one(Op::Columns(Columns(op)), x)
}

pub(crate) const NOTES: usize = 6;

/// The batch of all, where the last are notes of the `n` columns of the first.
pub(crate) fn with_notes(x: &[Shape]) -> Result<usize, String> {
    let (first, notes) = (x[0], x[x.len() - 1]);
    if (notes.rows, notes.cols) != (NOTES, first.cols) {
        return Err("expected notes of each column".into());
    }
    x.iter().try_fold(1, |batch, s| {
        s.common_batch(Shape { batch, ..*s }).ok_or_else(|| "expected batches that agree, or one that is 1".into())
    })
}

impl<T: Scalar> Primitive<T> for Columns {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "complex columns kept as real ones: products with numbers, inner products, quotients by differences of eigenvalues; parts of `eig`",
        cost: &["pass", "pass", "pass"],
        degenerate: "tied eigenvalues are not divided by; `eig_verdict` says whether that matters",
        source: "derived",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        let batch = with_notes(x)?;
        let of = match self.0 {
            ColumnOp::Quotient { .. } | ColumnOp::Leading => x[1],
            _ => x[0],
        };
        let s = Shape { batch, ..of };
        one(match self.0 {
            ColumnOp::Dots { .. } | ColumnOp::Pick { .. } => s.with(1, s.cols),
            ColumnOp::Place { .. } => s.with(s.cols, s.cols),
            _ => s,
        })
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        let (notes, x) = x.split_last().expect("notes");
        let rows = match self.0 {
            ColumnOp::Place { .. } => y[0].shape.rows,
            _ => x[0].shape.rows,
        };
        members(y[0].shape.batch, |b| {
            let x: SmallVec<[&[T]; 2]> = x.iter().map(|x| x.member(b)).collect();
            T::columns(self.0, notes.member(b), rows, &x, y[0].member(b));
            Ok(())
        })
    }

    fn jvp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        let notes = x[x.len() - 1];
        let word = |op, a: &V, b: &V| columns(op, &[a, b, notes]);
        out1(match self.0 {
            ColumnOp::Turn { .. } | ColumnOp::Dots { .. } => {
                plus(dx[0].map(|d| word(self.0, d, x[1])), dx[1].map(|d| word(self.0, x[0], d)))
            }
            ColumnOp::Quotient { conj } => {
                let by_l = dx[0].map(|dl| {
                    let (right, left) = (ColumnOp::Turn { conj }, ColumnOp::Turn { conj: !conj });
                    word(left, &y[0].t(), dl).t().lincomb(1.0, &word(right, y[0], dl), -1.0)
                });
                plus(dx[1].cloned(), by_l).map(|rhs| word(self.0, x[0], &rhs))
            }
            ColumnOp::Leading => dx[1].map(|d| alone(&word(self.0, x[0], d), x[0], notes)),
            _ => dx[0].map(|d| columns(self.0, &[d, notes])),
        })
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        let Some(g) = dy[0].take() else { return };
        let notes = x[x.len() - 1];
        let word = |op, a: &V, b: &V| columns(op, &[a, b, notes]);
        let adjoint = match self.0 {
            ColumnOp::Turn { conj } => {
                out.add(0, word(ColumnOp::Turn { conj: !conj }, &g, x[1]));
                return out.add(1, word(ColumnOp::Dots { conj }, x[0], &g));
            }
            ColumnOp::Dots { conj } => {
                out.add(0, word(ColumnOp::Turn { conj: !conj }, x[1], &g));
                return out.add(1, word(ColumnOp::Turn { conj }, x[0], &g));
            }
            ColumnOp::Quotient { conj } => {
                let (z, t) = (y[0], word(ColumnOp::Quotient { conj: !conj }, x[0], &g));
                if out.wants(0) {
                    let by_rows = word(ColumnOp::Dots { conj: !conj }, &z.t(), &t.t());
                    let gl = by_rows.lincomb(1.0, &word(ColumnOp::Dots { conj }, z, &t), -1.0);
                    // Of tied eigenvalues the whole block would have a cotangent, of which this is the diagonal.
                    out.add(0, V::one(Op::EigVerdict(Judge(Ask::Vectors)), &[&gl, notes]));
                }
                return out.add(1, t);
            }
            ColumnOp::Leading => return out.add(1, alone(&word(self.0, x[0], &g), x[0], notes)),
            ColumnOp::Half | ColumnOp::Real | ColumnOp::Imaginary => self.0,
            ColumnOp::Pick { real } => ColumnOp::Place { real },
            ColumnOp::Place { real } => ColumnOp::Pick { real },
            ColumnOp::Unpack { im } => ColumnOp::Pack { im },
            ColumnOp::Pack { im } => ColumnOp::Unpack { im },
        };
        out.add(0, columns(adjoint, &[&g, notes]));
    }
}

/// The largest eigenvalue has derivatives where it is the only one of its modulus.
fn alone<V: Value>(v: &V, l: &V, notes: &V) -> V {
    V::one(Op::EigVerdict(Judge(Ask::Alone)), &[v, l, notes])
}
