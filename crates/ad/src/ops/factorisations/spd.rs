//! Everything that rests on one Cholesky factorisation of a symmetric positive definite matrix: solves, inverse,
//! log-determinant, and the factor itself.
//!
//! All are functions of `sym(A) = (A + A^T)/2`, so that every cotangent of `A` is symmetric. [`Spd`] is a *handle* (see
//! `lu.rs`): the lower factor `L`, `L L^T = sym(A)`, as numbers that later operations use beside `A`, and that have no
//! derivative of their own. The rules give the whole derivative to `A`.
//!
//! - `X = A^{-1} B`: `dX = A^{-1} (dB - sym(dA) X)`; `S = A^{-1} gX`, `gB = S`, `gA = -sym(S X^T)`.
//! - `C = A^{-1}`: `dC = -C sym(dA) C`, `gA = -C sym(gC) C`.
//! - `l = log det A`: `dl = <C, dA>`, `gA = gl C`.
//! - `L`: as in `cholesky.rs`, `dL = push(L, dA)`, `gA = pull(L, gL)`.
//!
//! Why these are primitives and not compositions of `cholesky` and triangular solves: the rules of a composition
//! differentiate the factor, so that a solve would pull a cotangent through two triangular solves and then through the
//! factorisation, where here it takes one more solve and a product; and the gradient of `log det` would see the
//! factor's diagonal instead of being the inverse. `L^{-1} B`, whose value does depend on the factor, is a composition
//! (`var/factorisations/spd.rs`).
//!
//! Conditions: positive definite to working precision, else `NotPositiveDefinite` with the pivot. Cost (n³): factor
//! 1/3; solve with n right-hand sides 2, VJP 4; inverse 2/3, VJP 4; logdet 0, VJP 2/3; factor as `cholesky`. Source:
//! Giles 2008, 2.2, for a symmetric matrix.

use super::cholesky::{pull, push};
use crate::ops::documentation::PrimitiveDoc;
use crate::ops::layout::part::Part;
use crate::ops::{Arg, Out, Primitive, Reads, Shapes, members, one, out1, square};
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Product, Value};
use crate::{Scalar, Shape, ops::Op};
use pullback_kernels::{Failure, Triangle};

/// The lower Cholesky factor of `A` as a handle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spd;

/// `A^{-1} B` from `(A, handle, B)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SpdSolve;

/// `A^{-1}` from `(A, handle)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SpdInverse;

/// `log det A` from `(A, handle)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SpdLogdet;

/// `L` from `(A, handle)`: the handle's numbers, with their derivative.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SpdFactor;

/// `L X = B`
const BY_L: Triangle = Triangle::LOWER;
/// `L^T X = B`
const BY_L_T: Triangle = BY_L.transposed();

impl<T: Scalar> Primitive<T> for Spd {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`spd`: the handle of a Cholesky factorisation",
        conditions: "positive definite to working precision, else `NotPositiveDefinite`",
        cost: &["1/3", "0", "0"],
        degenerate: "functions of `(A + A^T)/2`: every cotangent is symmetric",
        source: "Giles 2008, 2.2",
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

    no_derivative!();
}

fn solve<V: Value>(x: &[&V], b: &V) -> V {
    V::one(Op::SpdSolve(SpdSolve), &[x[0], x[1], b])
}

fn inverse<V: Value>(x: &[&V]) -> V {
    V::one(Op::SpdInverse(SpdInverse), &[x[0], x[1]])
}

impl<T: Scalar> Primitive<T> for SpdSolve {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`Spd::solve`",
        conditions: "as `spd`",
        cost: &["2", "4", "4"],
        degenerate: "the factor is neither differentiated nor taken for a constant: second derivatives are right",
        source: "Giles 2008, 2.2",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        let n = square(x[0])?;
        if n != x[2].rows {
            return Err(format!("the right-hand side must have {n} rows"));
        }
        let batch = x[0].common_batch(x[2]).ok_or("batches must agree, or one be 1")?;
        one(Shape { batch, ..x[2] })
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        let Shape { batch, rows, cols } = y[0].shape;
        members(batch, |b| {
            let (l, out) = (x[1].member(b), y[0].member(b));
            out.copy_from_slice(x[2].member(b));
            if let Some(index) = out.iter().position(|v| !v.is_finite()) {
                return Err(Failure::NonFinite { index, value: out[index].f64() });
            }
            T::trsm_unchecked(l, BY_L, out, rows, cols);
            T::trsm_unchecked(l, BY_L_T, out, rows, cols);
            Ok(())
        })
    }

    fn jvp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        let minus = Product::NN.times(-1.0);
        let rhs = match (dx[2], dx[0].map(|da| da.part(Part::Sym))) {
            (Some(db), Some(da)) => db.clone().plus_product(minus, &da, y[0]),
            (None, Some(da)) => V::product(minus, &da, y[0]),
            (Some(db), None) => return out1(Some(solve(x, db))),
            (None, None) => return out1(None),
        };
        out1(Some(solve(x, &rhs)))
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        let Some(g) = &dy[0] else { return };
        let s = solve(x, g);
        if out.wants(0) {
            out.add(0, V::product(Product::NT.times(-1.0), &s, y[0]).parted(Part::Sym));
        }
        out.add(2, s);
    }
}

/// `-C sym(E) C`, exactly symmetric.
fn between<V: Value>(c: &V, e: &V) -> V {
    V::product(Product::NN.times(-1.0), &c.mul(&e.part(Part::Sym)), c).parted(Part::Sym)
}

impl<T: Scalar> Primitive<T> for SpdInverse {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`Spd::inverse`",
        conditions: "as `spd`",
        cost: &["2/3", "4", "4"],
        degenerate: "exactly symmetric",
        source: "Giles 2008, 2.2",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        square(x[0])?;
        one(x[0])
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        let w = &mut *s.work.borrow_mut();
        for b in 0..x[0].shape.batch {
            T::cholesky_inverse(x[1].member(b), x[0].shape.rows, y[0].member(b), w);
        }
        Ok(())
    }

    fn jvp<V: Value<T = T>>(&self, _: &[&V], y: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        out1(dx[0].map(|da| between(y[0], da)))
    }

    fn vjp<V: Value<T = T>>(&self, _: &[&V], y: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        if let Some(g) = &dy[0]
            && out.wants(0)
        {
            out.add(0, between(y[0], g));
        }
    }
}

impl<T: Scalar> Primitive<T> for SpdLogdet {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`Spd::logdet`",
        conditions: "as `spd`",
        cost: &["0", "2/3", "2/3"],
        degenerate: "a sum of logarithms: no product of pivots leaves the range",
        source: "Giles 2008, 2.2",
        ..PrimitiveDoc::of(file!())
    };

    const READS: Reads = Reads::Inputs;

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        square(x[0])?;
        one(x[0].with(1, 1))
    }

    /// Twice the logarithms of the diagonal of the factor, so that no product of pivots leaves the range.
    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        let n = x[0].shape.rows;
        for b in 0..x[0].shape.batch {
            let l = x[1].member(b);
            y[0].data[b] = T::of(2.0 * (0..n).map(|j| l[j + j * n].f64().ln()).sum::<f64>());
        }
        Ok(())
    }

    fn jvp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        out1(dx[0].map(|da| inverse(x).dot(da)))
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        if let Some(g) = &dy[0]
            && out.wants(0)
        {
            out.add(0, inverse(x).hadamard(g));
        }
    }
}

impl<T: Scalar> Primitive<T> for SpdFactor {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`Spd::factor`, `Spd::half_solve`",
        conditions: "as `spd`",
        gauge: "diagonal positive",
        cost: &["0", "2/3", "2/3"],
        degenerate: "as `cholesky`",
        source: "as `cholesky`",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        square(x[0])?;
        one(x[0])
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        y[0].data.copy_from_slice(x[1].data);
        Ok(())
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
