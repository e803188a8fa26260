//! Lyapunov equations `A X + X A^T = C` and `X - A X A^T = C` with a general matrix, from its Schur form: Sylvester and
//! Stein equations whose two matrices are one, so that one handle serves both.
//!
//! With `P = A` or `A^T`, as the flag says:
//!
//! - *Continuous*. `P dX + dX P^T = dC - dP X - X dP^T`. With `P^T S + S P = gX`: `gC = S`, and
//!   `<S, -dP X - X dP^T> = -<S X^T, dP> - <S^T X, dP>`, so `gP = -(S X^T + S^T X)`.
//! - *Discrete*. `dX - P dX P^T = dC + dP X P^T + P X dP^T`. With `S - P^T S P = gX`: `gC = S`, and
//!   `gP = S P X^T + S^T P X`, since `<S, dP X P^T> = <S P X^T, dP>` and `<S, P X dP^T> = <S^T P X, dP>`.
//!
//! Where `P = A^T`, `gA = gP^T`. Right-hand sides are general. Where one happens to be exactly symmetric the solution
//! is too, exactly, and takes less work: that is a choice of `eval`, member by member, between two ways to the same
//! function.
//!
//! Conditions: no sum `l_i + l_j` is 0 (no product is 1) to working precision, else `Singular`. Cost (n³): Schur form
//! 25, value 8 (discrete 10; symmetric 5 and 8), JVP and VJP 4 (8) more. Sources: as `sylvester.rs`; derived here.

use crate::ops::documentation::PrimitiveDoc;
use crate::ops::{Arg, Out, Primitive, Shapes, members, one, out1, square};
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Product, Value};
use crate::{Scalar, Shape, ops::Op};

/// The solution of the equation from `(A, handle, C)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Lyapunov {
    /// `X - A X A^T = C`, not `A X + X A^T = C`.
    pub(crate) discrete: bool,
    /// Is `A` transposed?
    pub(crate) transpose: bool,
}

impl Lyapunov {
    fn solve<V: Value>(self, x: &[&V], c: &V) -> V {
        V::one(Op::Lyapunov(self), &[x[0], x[1], c])
    }

    fn transposed(self) -> Self {
        Lyapunov { transpose: !self.transpose, ..self }
    }

    /// `P Z`
    fn times<V: Value>(self, a: &V, z: &V) -> V {
        V::product(Product::new(1.0, self.transpose, false), a, z)
    }

    /// What the motion of `A` adds to the right-hand side `c` of the tangent.
    fn moved<V: Value>(self, x: &[&V], y: &V, da: &V, c: Option<&V>) -> V {
        // `dP Z` and `W dP^T`
        let (alpha, t) = (if self.discrete { 1.0 } else { -1.0 }, self.transpose);
        let (left, right) = (Product::new(alpha, t, false), Product::new(alpha, false, !t));
        let add = |c: Option<&V>, m, a: &V, b: &V| match c {
            Some(c) => c.clone().plus_product(m, a, b),
            None => V::product(m, a, b),
        };
        if !self.discrete {
            return add(c, left, da, y).plus_product(right, y, da);
        }
        let xp = V::product(Product::new(1.0, false, !t), y, x[0]);
        add(c, left, da, &xp).plus_product(right, &self.times(x[0], y), da)
    }

    /// `gA` for the solution `s` of the transposed equation.
    fn pull<V: Value>(self, x: &[&V], y: &V, s: &V, out: &mut Grads<'_, V>) {
        // gP = alpha (S Z^T + S^T W), with Z = W = X, or Z^T = P X^T and W = P X.
        let mut add = |ts: bool, z: &V, tz: bool| match self.transpose {
            false => out.add_product(0, Product::new(if self.discrete { 1.0 } else { -1.0 }, ts, tz), s, z),
            true => out.add_product(0, Product::new(if self.discrete { 1.0 } else { -1.0 }, !tz, !ts), z, s),
        };
        if !self.discrete {
            add(false, y, true);
            return add(true, y, false);
        }
        add(false, &V::product(Product::new(1.0, self.transpose, true), x[0], y), false);
        add(true, &self.times(x[0], y), false);
    }
}

/// Is `C` exactly symmetric?
fn is_symmetric<T: Scalar>(c: &[T], n: usize) -> bool {
    (0..n).all(|j| (0..j).all(|i| c[i + j * n] == c[j + i * n]))
}

impl<T: Scalar> Primitive<T> for Lyapunov {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`lyapunov`, `discrete_lyapunov`, transposed too",
        conditions: "as `sylvester`, with `B = A^T`",
        gauge: "none",
        cost: &["8 (discrete 10); symmetric right-hand sides 5 (8)", "12 (18)", "12 (18)"],
        degenerate: "as `sylvester`; of an exactly symmetric right-hand side the solution is exactly symmetric",
        source: "as `sylvester`",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        let n = square(x[0])?;
        if (x[2].rows, x[2].cols) != (n, n) {
            return Err(format!("expected a right-hand side of {n} rows and {n} columns"));
        }
        let batch = x[0].common_batch(x[2]).ok_or("expected batches that agree, or one that is 1")?;
        one(Shape { batch, ..x[0] })
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        let w = &mut *s.work.borrow_mut();
        let (n, t) = (y[0].shape.rows, self.transpose);
        members(y[0].shape.batch, |b| {
            let (h, c, y) = (x[1].member(b), x[2].member(b), y[0].member(b));
            match (self.discrete, is_symmetric(c, n)) {
                (false, false) => T::sylvester(h, n, t, h, n, !t, c, y, w),
                (false, true) => T::lyapunov(h, n, t, c, y, w),
                (true, false) => T::stein(h, n, t, h, n, !t, c, y, w),
                (true, true) => T::discrete_lyapunov(h, n, t, c, y, w),
            }
        })
    }

    fn jvp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        out1(match (dx[0], dx[2]) {
            (Some(da), dc) => Some(self.solve(x, &self.moved(x, y[0], da, dc))),
            (None, Some(dc)) => Some(self.solve(x, dc)),
            (None, None) => None,
        })
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        let Some(g) = &dy[0] else { return };
        let s = self.transposed().solve(x, g);
        if out.wants(0) {
            self.pull(x, y[0], &s, out);
        }
        out.add(2, s);
    }
}
