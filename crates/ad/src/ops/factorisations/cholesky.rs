//! Cholesky factor `L` of `sym(A)`, its derivative, and the adjoint of that: a family closed under differentiation.
//!
//! `L L^T = sym(A)` gives `dL L^T + L dL^T = sym(dA)`, which has one lower solution `dL`. For any direction `E`,
//! `push(L, E)` is the lower `X` with `X L^T + L X^T = sym(E)`; in closed form `X = L Phi(L^{-1} sym(E) L^{-T})`, with
//! `Phi` the lower triangle with halved diagonal. `pull(L, G)` is the adjoint of `push` in `E`: the symmetric `W` with
//! `<W, E> = <G, push(L, E)>`. So
//!
//! `dL = push(L, dA)`, `gA = pull(L, gL)`,
//!
//! and no solve is formed: both are the algorithm's own steps (`kernels/src/cholesky_rules.rs`).
//!
//! *The rules of `X = push(L, E)`.* Along tangents `dL` (lower) and `dE`, `X L^T + L X^T = sym(E)` gives
//! `dX L^T + L dX^T = sym(dE) - X dL^T - dL X^T`. With `W = pull(L, gX)`, and since
//! `<W, X dL^T + dL X^T> = 2 <W X, dL>`,
//!
//! `dX = push(L, dE - 2 sym(X dL^T))`, `gE = W`, `gL = -2 tril(W X)`.
//!
//! *The rules of `W = pull(L, G)`.* Differentiate `<W, E> = <G, X>`, `X = push(L, E)`, at fixed `E`:
//! `<dW, E> = <dG, X> + <G, dX>`, where `<G, dX> = <W, -2 sym(X dL^T)> = -2 <W dL, X>`. So `dW` is `pull` of
//! `dG - 2 W dL`, whose lower triangle is all that `pull` sees. With `Y = push(L, gW)`,
//!
//! `dW = pull(L, dG - 2 tril(W dL))`, `gG = Y`, `gL = -2 tril(W Y)`.
//!
//! Conditions: positive definite to working precision, else `NotPositiveDefinite`; a semidefinite factor has no
//! derivative.
//! Gauge: `diag(L) > 0`.
//! Cost (n³): value 1/3, JVP 2/3, VJP 2/3; of the derivatives 4/3.
//! Sources: Smith 1995; Murray 2016, arXiv 1602.07527; the rules of the family derived here.

use crate::ops::documentation::PrimitiveDoc;
use crate::ops::layout::part::Part;
use crate::ops::{Arg, Op, Out, Primitive, Reads, Shapes, members, one, out1, square};
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Product, Value, plus};
use crate::{Scalar, Shape};

/// `L` of `A`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Cholesky;

/// `push(L, E)`, which uses the lower triangle of `L` and the symmetric part of `E`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct CholeskyPush;

/// `pull(L, G)`, which uses the lower triangles.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct CholeskyPull;

/// `tril(A tril(B))`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LowerProduct;

pub(super) fn push<V: Value>(l: &V, e: &V) -> V {
    V::one(Op::CholeskyPush(CholeskyPush), &[l, e])
}

pub(super) fn pull<V: Value>(l: &V, g: &V) -> V {
    V::one(Op::CholeskyPull(CholeskyPull), &[l, g])
}

/// `tril(A tril(B))`, which is a third of the product.
pub(crate) fn lower<V: Value>(a: &V, b: &V) -> V {
    V::one(Op::LowerProduct(LowerProduct), &[a, b])
}

/// `C - 2 tril(A tril(B))`.
fn less<V: Value>(c: Option<&V>, a: &V, b: &V) -> V {
    let p = lower(a, b);
    match c {
        Some(c) => c.lincomb(1.0, &p, -2.0),
        None => p.scaled(-2.0),
    }
}

impl<T: Scalar> Primitive<T> for Cholesky {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`cholesky` of `(A + A^T)/2`",
        conditions: "positive definite to working precision, else `NotPositiveDefinite`",
        gauge: "signs of columns; `diag(L) > 0`",
        cost: &["1/3", "2/3", "2/3"],
        degenerate: "grading by `D A D` does not matter; a semidefinite factor has no derivative",
        source: "Smith 1995; Murray 2016, arXiv 1602.07527",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        square(x[0])?;
        one(x[0])
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        let w = &mut *s.work.borrow_mut();
        members(x[0].shape.batch, |b| T::cholesky(x[0].member(b), x[0].shape.rows, y[0].member(b), w))
    }

    fn jvp<V: Value<T = T>>(&self, _: &[&V], y: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        out1(dx[0].map(|da| push(y[0], da)))
    }

    fn vjp<V: Value<T = T>>(&self, _: &[&V], y: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        if let Some(g) = &dy[0] {
            out.add(0, pull(y[0], g));
        }
    }
}

/// The shape of a function of `L` and another matrix of its order.
fn beside(x: &[Shape]) -> Result<Shapes, String> {
    square(x[0])?;
    if (x[0].rows, x[0].cols) != (x[1].rows, x[1].cols) {
        return Err("expected two matrices of one order".into());
    }
    one(Shape { batch: x[0].common_batch(x[1]).ok_or("expected batches that agree, or one that is 1")?, ..x[0] })
}

impl<T: Scalar> Primitive<T> for CholeskyPush {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "forward derivative of `cholesky`",
        conditions: "as `cholesky`",
        cost: &["2/3", "2", "4/3"],
        degenerate: "as `cholesky`",
        source: "derived",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        beside(x)
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        for b in 0..y[0].shape.batch {
            T::cholesky_push(x[0].member(b), x[0].shape.rows, x[1].member(b), y[0].member(b));
        }
        Ok(())
    }

    fn jvp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        let m = Product::NT.times(-2.0);
        let e = match (dx[0], dx[1]) {
            (Some(d), Some(e)) => Some(e.clone().plus_product(m, y[0], d)),
            (Some(d), None) => Some(V::product(m, y[0], d)),
            (None, e) => e.cloned(),
        };
        out1(e.map(|e| push(x[0], &e)))
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        let Some(g) = &dy[0] else { return };
        let w = pull(x[0], g);
        if out.wants(0) {
            out.add(0, less(None, &w, y[0]));
        }
        out.add(1, w);
    }
}

impl<T: Scalar> Primitive<T> for CholeskyPull {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "reverse derivative of `cholesky`",
        conditions: "as `cholesky`",
        cost: &["2/3", "2", "4/3"],
        degenerate: "as `cholesky`",
        source: "derived",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        beside(x)
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        for b in 0..y[0].shape.batch {
            let w = y[0].member(b);
            w.copy_from_slice(x[1].member(b));
            T::cholesky_pull(x[0].member(b), x[0].shape.rows, w);
        }
        Ok(())
    }

    fn jvp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        let g = match dx[0] {
            Some(d) => Some(less(dx[1], y[0], d)),
            None => dx[1].cloned(),
        };
        out1(g.map(|g| pull(x[0], &g)))
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        let Some(g) = &dy[0] else { return };
        let p = push(x[0], g);
        if out.wants(0) {
            out.add(0, less(None, y[0], &p));
        }
        out.add(1, p);
    }
}

impl<T: Scalar> Primitive<T> for LowerProduct {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "second derivatives of `cholesky`",
        cost: &["2/3", "4/3", "8/3"],
        ..PrimitiveDoc::of(file!())
    };

    const READS: Reads = Reads::Inputs;

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        beside(x)
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        for b in 0..y[0].shape.batch {
            T::lower_product(x[0].member(b), x[1].member(b), x[0].shape.rows, y[0].member(b));
        }
        Ok(())
    }

    fn jvp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        out1(plus(dx[0].map(|d| lower(d, x[1])), dx[1].map(|d| lower(x[0], d))))
    }

    /// For `Y = tril(A tril(B))`: `gA = tril(gY) tril(B)^T`, `gB = tril(A^T tril(gY))`.
    fn vjp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        let Some(g) = &dy[0] else { return };
        if out.wants(0) {
            out.add_product(0, Product::NT, &g.part(Part::Lower), &x[1].part(Part::Lower));
        }
        if out.wants(1) {
            out.add(1, lower(&x[0].t(), g));
        }
    }
}
