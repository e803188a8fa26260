//! The least-squares solution of least norm at a known rank, `X = A^+ B`, and the transposed solve `A^{+T} B`: together
//! a family closed under differentiation.
//!
//! Among matrices of one rank (Golub & Pereyra 1973, theorem 4.3), with `R = B - A X`:
//!
//! `dX = A^+ (dB - dA X) + A^+ A^{+T} dA^T R + (I - A^+ A) dA^T A^{+T} X`.
//!
//! The second term vanishes at full row rank, where `R` does, and the third at full column rank. Transposed, with
//! `S = A^{+T} gX`:
//!
//! `gB = S`, `gA = -S X^T + R (A^+ S)^T + (A^{+T} X) (gX - A^T S)^T`.
//!
//! This `gA` has no part normal to the set of matrices of that rank: it is the gradient within the set. The rules use
//! products and `A^+`, `A^{+T}` alone, and the transposed solve is the solve of `A^T`, so both are written once. Where
//! `B` is known to lie in the range of `A`, because `A` or `A^{+T}` gave it, `R` is zero along every motion of the
//! program and its terms are left out. This is the *consistent* solve, and every solve inside these rules that takes
//! such a `B` is one. The orthogonal factors are a handle, as in `lu`.
//!
//! Conditions: the rank stated, else `RankDeficient` or `NotDifferentiable`.
//! Gauge: none.
//! Cost (`m x n` of full rank, `k` columns): handle 4 m n², value 4 m n k, JVP and VJP 12 m n k.
//! Source: Golub & Pereyra 1973.

use crate::ops::documentation::PrimitiveDoc;
use crate::ops::{Arg, Op, Out, Primitive, Shapes, members, one, out1};
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Product, Value};
use crate::{Scalar, Shape};
use pullback_kernels::{Failure, Least};

/// The handle: orthogonal factors of `A`, whose rank is given.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LeastSquaresFactor {
    pub(crate) rank: usize,
}

/// `op(A)^+ B` from `(A, handle, B)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LeastSquaresSolve {
    pub(crate) rank: usize,
    pub(crate) transpose: bool,
    /// `B` is in the range of `op(A)`, by how it was computed.
    pub(crate) consistent: bool,
}

fn sizes(a: Shape, r: usize) -> Least {
    Least { m: a.rows, n: a.cols, r }
}

impl<T: Scalar> Primitive<T> for LeastSquaresFactor {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`lstsq`, `pinv`: the handle of orthogonal factors at a known rank",
        conditions: "the rank stated (full by default), else `RankDeficient` or `NotDifferentiable`",
        gauge: "signs and basis; never seen",
        cost: &["4/3", "0", "0"],
        degenerate: "column scaling does not matter at full rank",
        source: "Golub & Van Loan, 5.5",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        match self.rank <= x[0].rows.min(x[0].cols) {
            true => one(x[0].with(sizes(x[0], self.rank).len(), 1)),
            false => Err(format!("expected a matrix that can have rank {}", self.rank)),
        }
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        let w = &mut *s.work.borrow_mut();
        let sizes = sizes(x[0].shape, self.rank);
        members(x[0].shape.batch, |b| T::least_factor(x[0].member(b), sizes, y[0].member(b), w))
    }

    no_derivative!();
}

impl LeastSquaresSolve {
    /// `op(A)^+ B`.
    fn solve<V: Value>(self, x: &[&V], b: &V) -> V {
        V::one(Op::LeastSquaresSolve(self), &[x[0], x[1], b])
    }
    /// The solve `op(A)^{+T} B`.
    fn flip(self) -> Self {
        LeastSquaresSolve { transpose: !self.transpose, consistent: false, ..self }
    }
    fn consistent(self) -> Self {
        LeastSquaresSolve { consistent: true, ..self }
    }
    /// May `B` have a part outside the range of `op(A)`, which has `m` rows?
    fn has_residual(self, m: usize) -> bool {
        self.rank < m && !self.consistent
    }
    /// `alpha op(A) B` and `alpha op(A)^T B`.
    fn times(self, alpha: f64) -> Product {
        Product::new(alpha, self.transpose, false)
    }
    fn times_t(self, alpha: f64) -> Product {
        Product::new(alpha, !self.transpose, false)
    }
    /// Rows and columns of `op(A)`.
    fn size(self, a: Shape) -> (usize, usize) {
        if self.transpose { (a.cols, a.rows) } else { (a.rows, a.cols) }
    }
    /// Adds `alpha P Q^T` to the cotangent of `op(A)`.
    fn add<V: Value>(self, out: &mut Grads<'_, V>, alpha: f64, p: &V, q: &V) {
        let (p, q) = if self.transpose { (q, p) } else { (p, q) };
        out.add_product(0, Product::NT.times(alpha), p, q);
    }
}

impl<T: Scalar> Primitive<T> for LeastSquaresSolve {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`lstsq`, `lstsq_of_rank`, `pinv`, `pinv_of_rank`, and the transposes",
        conditions: "as `least_squares_factor`",
        cost: &["4", "12", "12"],
        degenerate: "the derivative among matrices of the rank; its gradient has no part normal to them",
        source: "Golub & Pereyra 1973, thm 4.3",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        let (m, n) = self.size(x[0]);
        if x[2].rows != m {
            return Err(format!("expected a right-hand side of {m} rows"));
        }
        let batch = x[0].common_batch(x[2]).ok_or("expected batches that agree, or one that is 1")?;
        one(Shape::batch(batch, n, x[2].cols))
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        let w = &mut *s.work.borrow_mut();
        let (sizes, k) = (sizes(x[0].shape, self.rank), x[2].shape.cols);
        members(y[0].shape.batch, |b| {
            let rhs = x[2].member(b);
            if let Some(index) = rhs.iter().position(|v| !v.is_finite()) {
                return Err(Failure::NonFinite { index, value: rhs[index].f64() });
            }
            T::least_apply(x[1].member(b), sizes, self.transpose, rhs, k, y[0].member(b), w);
            Ok(())
        })
    }

    fn jvp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        let (a, b, y, (m, n)) = (x[0], x[2], y[0], self.size(x[0].shape()));
        let Some(da) = dx[0] else { return out1(dx[2].map(|db| self.solve(x, db))) };
        let rhs = match dx[2] {
            Some(db) => db.clone().plus_product(self.times(-1.0), da, y),
            None => V::product(self.times(-1.0), da, y),
        };
        let mut dy = self.solve(x, &rhs);
        if self.has_residual(m) {
            let r = b.clone().plus_product(self.times(-1.0), a, y);
            let c = V::product(self.times_t(1.0), da, &r);
            dy = dy.add(&self.consistent().solve(x, &self.flip().solve(x, &c)));
        }
        if self.rank < n {
            let c = V::product(self.times_t(1.0), da, &self.flip().consistent().solve(x, y));
            let in_row_space = self.consistent().solve(x, &V::product(self.times(1.0), a, &c));
            dy = dy.add(&c).lincomb(1.0, &in_row_space, -1.0);
        }
        out1(Some(dy))
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        let Some(g) = &dy[0] else { return };
        let (a, b, y, (m, n)) = (x[0], x[2], y[0], self.size(x[0].shape()));
        let s = self.flip().solve(x, g);
        if out.wants(0) {
            self.add(out, -1.0, &s, y);
            if self.has_residual(m) {
                let r = b.clone().plus_product(self.times(-1.0), a, y);
                self.add(out, 1.0, &r, &self.consistent().solve(x, &s));
            }
            if self.rank < n {
                let rest = g.clone().plus_product(self.times_t(-1.0), a, &s);
                self.add(out, 1.0, &self.flip().consistent().solve(x, y), &rest);
            }
        }
        out.add(2, s);
    }
}
