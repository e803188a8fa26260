//! The solution `X = L(C)` of `H X + X H = C` with a positive definite `H` whose eigendecomposition is a handle; the
//! rules of polar factors rest on it. Equations with two matrices, or a general one, are in `sylvester.rs` and
//! `lyapunov.rs`.
//!
//! `dX = L(dC - dH X - X dH)`. `L` is self-adjoint, so `gC = L(gX)` and `gH = -sym(gC X^T + X^T gC)`.
//!
//! Conditions: sums of two eigenvalues are positive.
//! Cost (n³): value 8, JVP 12, VJP 12.
//! Sources: derived here.

use crate::ops::documentation::PrimitiveDoc;
use crate::ops::layout::part::Part;
use crate::ops::{Arg, Out, Primitive, Shapes, members, one, out1, square};
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Product, Value, plus};
use crate::{Scalar, Shape};

/// The solution of `H X + X H = C`, from `(H, handle, C)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SymLyap;

const MINUS: Product = Product::NN.times(-1.0);

impl<T: Scalar> Primitive<T> for SymLyap {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "derivative of `polar`",
        conditions: "positive sums of eigenvalues",
        cost: &["8", "12", "12"],
        degenerate: "as `polar`",
        source: "derived",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        square(x[0])?;
        let batch = x[0].common_batch(x[2]).ok_or("expected batches that agree, or one that is 1")?;
        one(Shape { batch, ..x[0] })
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        let w = &mut *s.work.borrow_mut();
        members(y[0].shape.batch, |b| T::sym_lyap(x[1].member(b), x[0].shape.rows, x[2].member(b), y[0].member(b), w))
    }

    fn jvp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        let from_h = dx[0].map(|dh| {
            let dh = dh.part(Part::Sym);
            V::product(MINUS, &dh, y[0]).plus_product(MINUS, y[0], &dh)
        });
        let rhs = plus(from_h, dx[2].cloned());
        out1(rhs.map(|c| V::sym_lyap(x[0], x[1], &c)))
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        let Some(g) = &dy[0] else { return };
        let s = V::sym_lyap(x[0], x[1], g);
        if out.wants(0) {
            let m = V::product(Product::NT.times(-1.0), &s, y[0]);
            out.add(0, m.plus_product(Product::TN.times(-1.0), y[0], &s).part(Part::Sym));
        }
        out.add(2, s);
    }
}
