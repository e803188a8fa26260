//! Everything that rests on an LU factorisation: `solve`, `inverse`, `log |det|`.
//!
//! [`Lu`] is a *handle*: numbers that later operations use beside `A`, and that have no derivative of their own. An
//! operation on `(A, handle, ...)` is a function of `A`, and its rules give the whole derivative to `A`; the factors
//! are never differentiated and never treated as constants, so second derivatives are right.
//!
//! - `X = A^{-1} B`: `dX = A^{-1} (dB - dA X)`; with `S = A^{-T} gX`: `gB = S`, `gA = -S X^T`.
//! - `X = A^{-T} B`: `dX = A^{-T} (dB - dA^T X)`; with `S = A^{-1} gX`: `gB = S`, `gA = -X S^T`.
//! - `C = A^{-1}`: `dC = -C dA C`, `gA = -C^T gC C^T`.
//! - `l = log |det A|`: `dl = tr(A^{-1} dA)`, `gA = gl A^{-T}`.
//!
//! Conditions: regular to working precision, else `Singular` with the pivot.
//! Cost (n³): factor 2/3; solve with n right-hand sides 2, VJP 4; inverse 2 with its factor, VJP 4; logdet VJP 4/3.
//! Source: Giles 2008, 2.2-2.3.

use crate::ops::documentation::PrimitiveDoc;
use crate::ops::{Arg, Out, Primitive, Reads, Shapes, members, one, out1, square};
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Product, Value};
use crate::{Scalar, Shape, ops::Op};

/// The factorisation of `A` as a handle of `n x (n + 1)` numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Lu;

/// `A^{-1} B` or `A^{-T} B` from `(A, handle, B)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LuSolve {
    pub(crate) transpose: bool,
}

/// `A^{-1}` from `(A, handle)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LuInverse;

/// `log |det A|` from `(A, handle)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LuLogdet;

/// The sign of `det A` from the handle: locally constant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LuSign;

impl<T: Scalar> Primitive<T> for Lu {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`lu`: the handle of a factorisation",
        conditions: "regular to working precision, else `Singular` with the pivot",
        gauge: "pivots; never seen",
        cost: &["2/3", "0", "0"],
        degenerate: "scaling of rows or columns does not matter",
        source: "Giles 2008, 2.2",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        let n = square(x[0])?;
        one(x[0].with(n, n + 1))
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        let w = &mut *s.work.borrow_mut();
        members(x[0].shape.batch, |b| T::lu(x[0].member(b), x[0].shape.rows, y[0].member(b), w))
    }

    no_derivative!();
}

impl LuSolve {
    fn solve<V: Value>(self, x: &[&V], b: &V) -> V {
        V::one(Op::LuSolve(self), &[x[0], x[1], b])
    }

    fn flip(self) -> Self {
        LuSolve { transpose: !self.transpose }
    }
}

impl<T: Scalar> Primitive<T> for LuSolve {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`solve`, `Lu::solve`, `Lu::solve_transpose`",
        conditions: "as `lu`",
        cost: &["2", "4", "4"],
        degenerate: "the factors are neither differentiated nor taken for constants: second derivatives are right",
        source: "Giles 2008, 2.2",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        let n = square(x[0])?;
        if n != x[2].rows {
            return Err(format!("expected a right-hand side of {n} rows"));
        }
        let batch = x[0].common_batch(x[2]).ok_or("expected batches that agree, or one that is 1")?;
        one(Shape { batch, ..x[2] })
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        let w = &mut *s.work.borrow_mut();
        members(y[0].shape.batch, |b| {
            let (n, k) = (y[0].shape.rows, y[0].shape.cols);
            let out = y[0].member(b);
            out.copy_from_slice(x[2].member(b));
            match out.iter().position(|v| !v.is_finite()) {
                Some(index) => Err(pullback_kernels::Failure::NonFinite { index, value: out[index].f64() }),
                None => {
                    T::lu_solve(x[1].member(b), n, self.transpose, out, k, w);
                    Ok(())
                }
            }
        })
    }

    fn jvp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        let m = Product::new(-1.0, self.transpose, false);
        let rhs = match (dx[2], dx[0]) {
            (Some(db), Some(da)) => db.clone().plus_product(m, da, y[0]),
            (None, Some(da)) => V::product(m, da, y[0]),
            (Some(db), None) => return out1(Some(self.solve(x, db))),
            (None, None) => return out1(None),
        };
        out1(Some(self.solve(x, &rhs)))
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        let Some(g) = &dy[0] else { return };
        let s = self.flip().solve(x, g);
        let m = Product::new(-1.0, false, true);
        match self.transpose {
            false => out.add_product(0, m, &s, y[0]),
            true => out.add_product(0, m, y[0], &s),
        }
        out.add(2, s);
    }
}

impl<T: Scalar> Primitive<T> for LuInverse {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`inverse`, `Lu::inverse`",
        conditions: "as `lu`",
        cost: &["2", "4", "4"],
        degenerate: "as `solve`",
        source: "Giles 2008, 2.2",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        square(x[0])?;
        one(x[0])
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        let w = &mut *s.work.borrow_mut();
        members(x[0].shape.batch, |b| {
            T::lu_inverse(x[1].member(b), x[0].shape.rows, y[0].member(b), w);
            Ok(())
        })
    }

    fn jvp<V: Value<T = T>>(&self, _: &[&V], y: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        out1(dx[0].map(|da| V::product(Product::NN.times(-1.0), &y[0].mul(da), y[0])))
    }

    fn vjp<V: Value<T = T>>(&self, _: &[&V], y: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        if let Some(g) = &dy[0] {
            out.add_product(0, Product::NT.times(-1.0), &y[0].t_mul(g), y[0]);
        }
    }
}

impl<T: Scalar> Primitive<T> for LuLogdet {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`logdet`, `Lu::logdet`",
        conditions: "as `lu`",
        cost: &["0", "4/3", "4/3"],
        degenerate: "log of the modulus: the sign of the determinant does not matter",
        source: "Giles 2008, 2.2",
        ..PrimitiveDoc::of(file!())
    };

    const READS: Reads = Reads::Inputs;

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        square(x[0])?;
        one(x[0].with(1, 1))
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        for b in 0..x[0].shape.batch {
            y[0].data[b] = T::lu_logabsdet(x[1].member(b), x[0].shape.rows);
        }
        Ok(())
    }

    fn jvp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        out1(dx[0].map(|da| inverse(x).t().dot(da)))
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        if let Some(g) = &dy[0] {
            out.add(0, inverse(x).t().hadamard(g));
        }
    }
}

fn inverse<V: Value>(x: &[&V]) -> V {
    V::one(Op::LuInverse(LuInverse), &[x[0], x[1]])
}

impl<T: Scalar> Primitive<T> for LuSign {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`slogdet`, `Lu::sign`",
        conditions: "as `lu`",
        cost: &["pass", "0", "0"],
        degenerate: "locally constant",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        one(x[0].with(1, 1))
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        for b in 0..x[0].shape.batch {
            y[0].data[b] = T::lu_sign(x[0].member(b), x[0].shape.rows);
        }
        Ok(())
    }

    no_derivative!();
}
