//! Sylvester equations `A X + X B = C` and Stein equations `X - A X B = C` with general matrices, from the Schur forms
//! of `A` and `B`.
//!
//! With `P = A` or `A^T` and `R = B` or `B^T`, as the flags say:
//!
//! - *Sylvester*. Differentiate `P X + X R = C`: `P dX + dX R = dC - dP X - X dR`, the same equation. Its transpose: if
//!   `P^T S + S R^T = gX`, then `<gX, dX> = <S, P dX + dX R> = <S, dC - dP X - X dR>`, so
//!   `gC = S`, `gP = -S X^T`, `gR = -X^T S`.
//! - *Stein*. Differentiate `X - P X R = C`: `dX - P dX R = dC + dP X R + P X dR`. If `S - P^T S R^T = gX`, then
//!   `<gX, dX> = <S, dX - P dX R>`, so `gC = S`, `gP = S (X R)^T`, `gR = (P X)^T S`.
//!
//! Where `P = A^T`, `dP = dA^T` and `gA = gP^T`. The transposed equations are solved with the same handles: no
//! derivative of any order takes a Schur form. The handles are neither differentiated nor taken for constants (see
//! `lu.rs`).
//!
//! Conditions: no sum `l_i(A) + l_j(B)` is 0 (no product is 1) to working precision, else `Singular`. Cost (n³): two
//! Schur forms 50, value 8 (Stein 10), JVP and VJP 12 (18). Sources: Bartels & Stewart 1972; Jonsson & Kågström 2002;
//! derived here.

use crate::ops::documentation::PrimitiveDoc;
use crate::ops::{Arg, Out, Primitive, Shapes, members, one, out1, square};
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Product, Value, plus};
use crate::{Scalar, Shape, ops::Op};

/// The solution of the equation from `(A, handle of A, B, handle of B, C)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sylvester {
    /// `X - A X B = C`, not `A X + X B = C`.
    pub(crate) stein: bool,
    /// Is `A` transposed?
    pub(crate) ta: bool,
    /// Is `B` transposed?
    pub(crate) tb: bool,
}

impl Sylvester {
    /// The same equation with another right-hand side.
    pub(crate) fn solve<V: Value>(self, x: &[&V], c: &V) -> V {
        V::one(Op::Sylvester(self), &[x[0], x[1], x[2], x[3], c])
    }

    fn transposed(self) -> Self {
        Sylvester { ta: !self.ta, tb: !self.tb, ..self }
    }

    /// What the motion of `A` adds to the right-hand side of the tangent: `-dP X`, or `dP X R`.
    fn by_first<V: Value>(self, x: &[&V], y: &V, da: &V) -> V {
        match self.stein {
            false => V::product(Product::new(-1.0, self.ta, false), da, y),
            true => V::product(Product::new(1.0, self.ta, false), da, &self.times_second(x, y)),
        }
    }

    /// What the motion of `B` adds: `-X dR`, or `P X dR`.
    fn by_second<V: Value>(self, x: &[&V], y: &V, db: &V) -> V {
        match self.stein {
            false => V::product(Product::new(-1.0, false, self.tb), y, db),
            true => V::product(Product::new(1.0, false, self.tb), &self.times_first(x, y), db),
        }
    }

    /// `P X`
    fn times_first<V: Value>(self, x: &[&V], y: &V) -> V {
        V::product(Product::new(1.0, self.ta, false), x[0], y)
    }

    /// `X R`
    fn times_second<V: Value>(self, x: &[&V], y: &V) -> V {
        V::product(Product::new(1.0, false, self.tb), y, x[2])
    }

    /// `gA`, the transpose of [`Sylvester::by_first`]: `alpha S Z^T`, or `alpha Z S^T` where `A` is transposed.
    fn pull_first<V: Value>(self, x: &[&V], y: &V, s: &V, out: &mut Grads<'_, V>) {
        let made = self.stein.then(|| self.times_second(x, y));
        let (alpha, z) = made.as_ref().map_or((-1.0, y), |z| (1.0, z));
        let (p, q) = if self.ta { (z, s) } else { (s, z) };
        out.add_product(0, Product::new(alpha, false, true), p, q);
    }

    /// `gB`, the transpose of [`Sylvester::by_second`]: `alpha Z^T S`, or `alpha S^T Z`.
    fn pull_second<V: Value>(self, x: &[&V], y: &V, s: &V, out: &mut Grads<'_, V>) {
        let made = self.stein.then(|| self.times_first(x, y));
        let (alpha, z) = made.as_ref().map_or((-1.0, y), |z| (1.0, z));
        let (p, q) = if self.tb { (s, z) } else { (z, s) };
        out.add_product(2, Product::new(alpha, true, false), p, q);
    }
}

impl<T: Scalar> Primitive<T> for Sylvester {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`sylvester`, `stein`, `Schur::sylvester`, `Schur::stein`; derivatives of `sqrtm`",
        conditions: "no sum `l_i(A) + l_j(B)` of eigenvalues is 0 (Stein: no product is 1) to working precision, else `Singular`",
        gauge: "none",
        cost: &["8 (Stein 10)", "12 (18)", "12 (18)"],
        degenerate: "repeated and defective eigenvalues are like any other; transposed equations are solved with the same handles",
        source: "Bartels & Stewart 1972; Jonsson & Kågström 2002; derived",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        let (m, n, c) = (square(x[0])?, square(x[2])?, x[4]);
        if (c.rows, c.cols) != (m, n) {
            return Err(format!("expected a right-hand side of {m} rows and {n} columns"));
        }
        let batch = x[0].common_batch(x[2]).and_then(|batch| Shape { batch, ..c }.common_batch(c));
        one(Shape { batch: batch.ok_or("expected batches that agree, or one that is 1")?, ..c })
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        let w = &mut *s.work.borrow_mut();
        let Shape { batch, rows: m, cols: n } = y[0].shape;
        let kernel = if self.stein { T::stein } else { T::sylvester };
        members(batch, |b| {
            let (ha, hb, c) = (x[1].member(b), x[3].member(b), x[4].member(b));
            kernel(ha, m, self.ta, hb, n, self.tb, c, y[0].member(b), w)
        })
    }

    fn jvp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        let by_a = dx[0].map(|da| self.by_first(x, y[0], da));
        let by_b = dx[2].map(|db| self.by_second(x, y[0], db));
        let by_c = match (dx[4], plus(by_a, by_b)) {
            (Some(dc), Some(by)) => Some(dc.add(&by)),
            (Some(dc), None) => return out1(Some(self.solve(x, dc))),
            (None, by) => by,
        };
        out1(by_c.map(|c| self.solve(x, &c)))
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        let Some(g) = &dy[0] else { return };
        let s = self.transposed().solve(x, g);
        if out.wants(0) {
            self.pull_first(x, y[0], &s, out);
        }
        if out.wants(2) {
            self.pull_second(x, y[0], &s, out);
        }
        out.add(4, s);
    }
}
