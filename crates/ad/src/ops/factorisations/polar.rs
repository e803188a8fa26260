//! Polar factors `A = W H` of a tall or square matrix of full rank.
//!
//! With `B = W^T dA` and `Omega = W^T dW` (skew), `B = Omega H + dH`. Since `dH` is symmetric,
//! `H Omega + Omega H = B - B^T`. Write `X = L(C)` for the solution of `H X + X H = C` (`solves/sym_lyapunov.rs`), a
//! self-adjoint map of `C`. Then
//!
//! `Omega = L(B - B^T)`, `dH = B - Omega H`, `dW = W Omega + (dA - W B) H^{-1}`.
//!
//! Adjoint, with `S = sym(gH)` and `M = W^T gW - S H`:
//!
//! `gA = gW H^{-1} + W (L(M - M^T) + S - W^T gW H^{-1})`.
//!
//! For a square `A` the two terms with `H^{-1}` cancel, as `W W^T = I`, and are left out. Only sums of singular values
//! are divided by, so repeated ones do no harm: the rule is as accurate at an orthonormal `A` as anywhere.
//!
//! Conditions: `m >= n`, full column rank, else `RankDeficient`.
//! Gauge: none.
//! Cost (m = n, n³): value 25, JVP 14, VJP 14.
//! Sources: Higham, *Functions of Matrices*, ch. 8; derived here.

use crate::ops::documentation::PrimitiveDoc;
use crate::ops::layout::part::Part;
use crate::ops::{Arg, Out, Primitive, Shapes, members};
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Product, Value, plus};
use crate::{Scalar, Shape};
use pullback_kernels::{Failure, SymFn};
use smallvec::smallvec;

/// `(W, H, handle of H)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Polar;

const MINUS: Product = Product::NN.times(-1.0);

fn inverse<V: Value>(h: &V, handle: &V) -> V {
    V::spectral(SymFn::Pow(-1.0), h, handle, &[])
}

impl<T: Scalar> Primitive<T> for Polar {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`polar`",
        conditions: "`m >= n`, full column rank, else `RankDeficient`",
        gauge: "none",
        cost: &["25", "14", "14"],
        degenerate: "only sums of singular values are divided by: as accurate at an orthonormal matrix as anywhere, to any order",
        source: "Higham, *Functions of Matrices*, ch. 8; derived",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        let n = x[0].cols;
        Ok(smallvec![x[0], x[0].with(n, n), x[0].with(n, n + 1)])
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        let work = &mut *s.work.borrow_mut();
        let Shape { batch, rows, cols } = x[0].shape;
        let [w, h, handle] = y else { return Err(Failure::Unsupported { what: "polar has three outputs" }.into()) };
        members(batch, |b| T::polar(x[0].member(b), rows, cols, w.member(b), h.member(b), handle.member(b), work))
    }

    fn jvp<V: Value<T = T>>(&self, _: &[&V], y: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        let (w, h, handle) = (y[0], y[1], y[2]);
        let Some(da) = dx[0] else { return smallvec![None, None, None] };
        let b = w.t_mul(da);
        let omega = V::sym_lyap(h, handle, &b.part(Part::Skew).scale(2.0));
        let mut dw = w.mul(&omega);
        let shape = w.shape();
        if shape.rows > shape.cols {
            let rest = da.clone().plus_product(MINUS, w, &b);
            dw = dw.plus_product(Product::NN, &rest, &inverse(h, handle));
        }
        let dh = b.plus_product(MINUS, &omega, h);
        smallvec![Some(dw), Some(dh), None]
    }

    fn vjp<V: Value<T = T>>(&self, _: &[&V], y: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        let (w, h, handle) = (y[0], y[1], y[2]);
        let s = dy[1].as_ref().map(|g| g.part(Part::Sym));
        let wg = dy[0].as_ref().map(|g| w.t_mul(g));
        let m = match (&wg, &s) {
            (Some(wg), Some(s)) => wg.clone().plus_product(MINUS, s, h),
            (Some(wg), None) => wg.clone(),
            (None, Some(s)) => V::product(MINUS, s, h),
            (None, None) => return,
        };
        let c = V::sym_lyap(h, handle, &m.part(Part::Skew).scale(2.0));
        let mut c = plus(Some(c), s).unwrap_or(m);
        let shape = w.shape();
        if let (Some(gw), Some(wg), true) = (&dy[0], &wg, shape.rows > shape.cols) {
            // The terms with `H^{-1}`; `wg` is `W^T gW`.
            let hi = inverse(h, handle);
            c = c.plus_product(MINUS, wg, &hi);
            out.add_product(0, Product::NN, gw, &hi);
        }
        out.add_product(0, Product::NN, w, &c);
    }
}
