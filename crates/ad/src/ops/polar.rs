//! Polar factors `A = W H` of a tall or square matrix of full rank, and the Lyapunov solve their rules rest on.
//!
//! With `B = W^T dA` and `Omega = W^T dW` (skew), `B = Omega H + dH`. Since `dH` is symmetric,
//! `H Omega + Omega H = B - B^T`. Write `X = L(C)` for the solution of `H X + X H = C` ([`SymLyap`]), a self-adjoint
//! map of `C`. Then
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
//! The rules of `X = L(C)`: `dX = L(dC - dH X - X dH)`, `gC = L(gX)`, `gH = -sym(gC X^T + X^T gC)`.
//!
//! Conditions: `m >= n`, full column rank, else `RankDeficient`.
//! Gauge: none.
//! Cost (m = n, n³): value 25, JVP 14, VJP 14.
//! Sources: Higham, *Functions of Matrices*, ch. 8; derived here.

use super::documentation::PrimitiveDoc;
use super::part::Part;
use super::{Arg, Out, Primitive, Shapes, members, one, out1, square};
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Product, Value, plus};
use crate::{Scalar, Shape};
use pullback_kernels::{Failure, SymFn};
use smallvec::smallvec;

/// `(W, H, handle of H)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Polar;

/// The solution of `H X + X H = C`, from `(H, handle, C)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SymLyap;

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
