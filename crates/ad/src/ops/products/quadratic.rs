//! Quadratic forms `q = tr(X^T A X)` of a symmetric matrix, with the product that their derivatives share.
//!
//! The outputs are `q` and `H = A X`. As `A = A^T`,
//!
//! - `dq = 2 <H, dX> + <X, dA X>` and `dH = A dX + dA X`;
//! - from `<gq, dq> + <gH, dH>`: `gX = 2 gq H + A gH` and `gA = (gq X + gH) X^T`.
//!
//! So a gradient takes no product beyond that of the value, and a Hessian-vector product takes one, `A dX`, where
//! `<X, A X>` as a program takes two, by `A` and by `A^T`. That `A` is symmetric is seen to by the method, which hands
//! over the symmetric part; `gA` is therefore a cotangent of it, and need not be symmetric itself.
//!
//! Conditions: none. Gauge: none.
//! Cost (n² p for `X` of `n x p`): value 2, JVP by `X` 2, VJP by `X` of order 1 none, of order 2 2.
//! Source: derived here.

use super::product::gemm_batched;
use crate::ops::documentation::PrimitiveDoc;
use crate::ops::{Arg, Out, Primitive, Shapes, square};
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Product, Value, plus};
use crate::{Scalar, Shape};
use smallvec::smallvec;

/// `(q, A X)` from `(A, X)` with a symmetric `A`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct QuadraticForm;

impl<T: Scalar> Primitive<T> for QuadraticForm {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`quadratic_form`",
        conditions: "a square matrix with as many rows as `X`; batches agree or are 1",
        cost: &["2 n² p", "2 n² p", "0; with `A` 2 n² p"],
        degenerate: "of `A` the symmetric part; the kept product `A X` is a second output, so a gradient by `X` takes no product",
        source: "derived",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        square(x[0])?;
        let h = Product::NN.shape(x[0], x[1]).ok_or("expected as many rows as the matrix of the form has")?;
        Ok(smallvec![Shape::batch(h.batch, 1, 1), h])
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        let [q, h] = y else { unreachable!("two outputs") };
        gemm_batched(h.data, h.shape, false, Product::NN, x[0], x[1]);
        for b in 0..h.shape.batch {
            q.data[b] = T::dot(x[1].member(b), h.member(b));
        }
        Ok(())
    }

    fn jvp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        let (by_a, by_x) = (dx[0].map(|da| da.mul(x[1])), dx[1].map(|d| x[0].mul(d)));
        let dq = plus(by_a.as_ref().map(|p| x[1].dot(p)), dx[1].map(|d| y[1].dot(d).scaled(2.0)));
        smallvec![dq, plus(by_a, by_x)]
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        let (gq, gh) = (dy[0].as_ref(), dy[1].as_ref());
        if out.wants(1) {
            if let Some(gq) = gq {
                out.add(1, y[1].hadamard(gq).scaled(2.0));
            }
            if let Some(gh) = gh {
                out.add_product(1, Product::NN, x[0], gh);
            }
        }
        if out.wants(0)
            && let Some(g) = plus(gq.map(|gq| x[1].hadamard(gq)), gh.cloned())
        {
            out.add_product(0, Product::NT, &g, x[1]);
        }
    }
}
