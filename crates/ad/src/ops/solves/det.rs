//! The determinant and its derivatives at matrices of any rank: a family closed under differentiation.
//!
//! `det` is a polynomial, so it is smooth where `A` is singular, and `det A tr(A^{-1} dA)` is of no use for its
//! derivatives there. The family is `C_k(A; E_1..E_k)`, the matrix with `<C_k, H> = D^{k+1} det(A)[E_1, .., E_k, H]`
//! for every `H` (`C_0` is the matrix of cofactors). It is multilinear and symmetric in all directions, so
//!
//! - for `y = det A`: `dy = <C_0, dA>`, `gA = gy C_0`;
//! - for `Y = C_k(A; E)`: `dY = C_{k+1}(A; E, dA) + sum_i C_k(A; .., dE_i, ..)`;
//! - `gA = C_{k+1}(A; E, gY)`, `gE_i = C_k(A; .., gY, ..)`, where the new direction stands in the place of `E_i`.
//!
//! The factorisation with complete pivoting is a handle, as in `lu`; `kernels/src/minors.rs` has the formulas, which
//! divide by no pivot.
//!
//! Conditions: finite entries; derivatives up to the third, else `Unsupported`.
//! Gauge: none.
//! Cost (n³): handle 2/3, value 0, `C_0` 2, `C_1` 4, `C_2` 6 and one pass of n³ products.
//! Source: derived here (the formulas at a diagonal matrix are Jacobi's).

use crate::ops::documentation::PrimitiveDoc;
use crate::ops::{Arg, Op, Out, Primitive, Reads, Shapes, members, one, out1, square};
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Value, plus};
use crate::{Scalar, Shape};
use smallvec::SmallVec;

/// LU with complete pivoting as a handle of `n x (n + 2)` numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct CompleteLu;

/// `det A` from `(A, handle)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Det;

/// `C_k(A; E_1..E_k)` from `(A, handle, E_1..E_k)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Cofactor;

type List<'v, V> = SmallVec<[&'v V; 5]>;

/// `C_k`, from `A`, its handle and the directions.
fn cofactor<V: Value>(x: &[&V], more: Option<&V>) -> V {
    let list: List<'_, V> = x.iter().copied().chain(more).collect();
    V::one(Op::Cofactor(Cofactor), &list)
}

/// `C_k` with argument `i` replaced.
fn replaced<V: Value>(x: &[&V], i: usize, by: &V) -> V {
    let mut list: List<'_, V> = x.iter().copied().collect();
    list[i] = by;
    V::one(Op::Cofactor(Cofactor), &list)
}

impl<T: Scalar> Primitive<T> for CompleteLu {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`det`: the handle of a factorisation with complete pivoting",
        conditions: "finite entries and pivots, else `NonFinite`, `Overflow`",
        gauge: "pivots; never seen",
        cost: &["2/3", "0", "0"],
        degenerate: "scaling of rows or columns does not matter; no rank fails",
        source: "Golub & Van Loan, 3.4.8",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        let n = square(x[0])?;
        one(x[0].with(n, n + 2))
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        members(x[0].shape.batch, |b| T::lu_complete(x[0].member(b), x[0].shape.rows, y[0].member(b)))
    }

    no_derivative!();
}

impl<T: Scalar> Primitive<T> for Det {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`det`",
        conditions: "finite",
        cost: &["0", "2", "2"],
        degenerate: "a polynomial: exact at any rank, also n-1 and n-2",
        source: "derived",
        ..PrimitiveDoc::of(file!())
    };

    const READS: Reads = Reads::Inputs;

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        square(x[0])?;
        one(x[0].with(1, 1))
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        for b in 0..x[0].shape.batch {
            y[0].data[b] = T::det(x[1].member(b), x[0].shape.rows);
        }
        Ok(())
    }

    fn jvp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        out1(dx[0].map(|da| cofactor(x, None).dot(da)))
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        if let Some(g) = &dy[0] {
            out.add(0, cofactor(x, None).hadamard(g));
        }
    }
}

impl<T: Scalar> Primitive<T> for Cofactor {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "derivatives of `det`",
        conditions: "up to the third, else `Unsupported`",
        cost: &["2; second 4, third 6 and one pass of n³ products"],
        degenerate: "as `det`: no pivot is divided by",
        source: "derived",
        ..PrimitiveDoc::of(file!())
    };

    const READS: Reads = Reads::Inputs;

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        square(x[0])?;
        let mut batch = x[0].batch;
        for e in &x[2..] {
            if (e.rows, e.cols) != (x[0].rows, x[0].cols) {
                return Err("expected directions with the shape of the matrix".into());
            }
            batch = e.common_batch(Shape { batch, ..*e }).ok_or("expected batches that agree, or one that is 1")?;
        }
        one(Shape { batch, ..x[0] })
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        let w = &mut *s.work.borrow_mut();
        members(y[0].shape.batch, |b| {
            let es: SmallVec<[&[T]; 4]> = x[2..].iter().map(|e| e.member(b)).collect();
            T::cofactor(x[1].member(b), x[0].shape.rows, &es, y[0].member(b), w)
        })
    }

    fn jvp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        let mut dy = dx[0].map(|da| cofactor(x, Some(da)));
        for i in 2..x.len() {
            dy = plus(dy, dx[i].map(|de| replaced(x, i, de)));
        }
        out1(dy)
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        let Some(g) = &dy[0] else { return };
        if out.wants(0) {
            out.add(0, cofactor(x, Some(g)));
        }
        for i in 2..x.len() {
            if out.wants(i) {
                out.add(i, replaced(x, i, g));
            }
        }
    }
}
