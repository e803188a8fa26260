//! Triangular solves.
//!
//! - Left: `X = op(T)^{-1} B`, `dX = op(T)^{-1} (dB - op(dT) X)`. With `S = op(T)^{-T} gX`: `gB = S`, and
//!   `gT = -tri(S X^T)`, or `-tri(X S^T)` if `op` transposes.
//! - Right: `X = B op(T)^{-1}`, `dX = (dB - X op(dT)) op(T)^{-1}`. With `S = gX op(T)^{-T}`: `gB = S`, and
//!   `gT = -tri(X^T S)`, or `-tri(S^T X)` if `op` transposes.
//!
//! `tri` keeps the stored triangle, without its diagonal if that is taken to be one.
//!
//! Conditions: no zero on the diagonal. Cost (n right-hand sides, n³): value 1, JVP 3, VJP 3. Source: Giles 2008, 2.3.

use crate::ops::direct::PushStep;
use crate::ops::documentation::PrimitiveDoc;
use crate::ops::layout::part::Part;
use crate::ops::{Arg, Out, Primitive, Shapes, members, one, out1, square};
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Product, Value};
use crate::{Scalar, Shape};
use pullback_kernels::Triangle;

/// `op(T)^{-1} B` or `B op(T)^{-1}`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Trsm(pub(crate) Triangle);

impl Trsm {
    fn tri(self) -> Part {
        match (self.0.is_lower(), self.0.unit) {
            (true, false) => Part::Lower,
            (true, true) => Part::StrictLower,
            (false, false) => Part::Upper,
            (false, true) => Part::StrictUpper,
        }
    }

    fn adjoint(self) -> Triangle {
        self.0.transposed()
    }
}

impl<T: Scalar> Primitive<T> for Trsm {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`solve_triangular`, `solve_triangular_with`",
        conditions: "no zero on the diagonal, else `Singular`; the other triangle is not read",
        cost: &["1", "3", "3"],
        source: "Giles 2008, 2.3",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        let n = square(x[0])?;
        let size = if self.0.is_right() { x[1].cols } else { x[1].rows };
        if n != size {
            return Err(format!("expected a triangle and a side of one order; they are {n} and {size}"));
        }
        let batch = x[0].common_batch(x[1]).ok_or("expected batches that agree, or one that is 1")?;
        one(Shape { batch, ..x[1] })
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        let Shape { batch, rows, cols } = y[0].shape;
        members(batch, |b| {
            let out = y[0].member(b);
            out.copy_from_slice(x[1].member(b));
            T::trsm(x[0].member(b), self.0, out, rows, cols)
        })
    }

    fn jvp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        let (transpose, right) = (self.0.transpose, self.0.is_right());
        let minus = match dx[0] {
            None => return out1(dx[1].map(|db| x[0].trsm(self.0, db))),
            Some(dt) => dt.part(self.tri()),
        };
        let (m, a, b) = match right {
            false => (Product::new(-1.0, transpose, false), &minus, y[0]),
            true => (Product::new(-1.0, false, transpose), y[0], &minus),
        };
        let rhs = match dx[1] {
            Some(db) => db.clone().plus_product(m, a, b),
            None => V::product(m, a, b),
        };
        out1(Some(rhs.solved_by(x[0], self.0)))
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        let Some(g) = &dy[0] else { return };
        let s = x[0].trsm(self.adjoint(), g);
        if out.wants(0) {
            let (transpose, right) = (self.0.transpose, self.0.is_right());
            let (a, b) = if transpose != right { (y[0], &s) } else { (&s, y[0]) };
            // Left: `S X^T` or `X S^T`. Right: `X^T S` or `S^T X`.
            let m = Product::new(-1.0, right, !right);
            out.add(0, V::product(m, a, b).part(self.tri()));
        }
        out.add(1, s);
    }

    /// Linear in the right-hand side, if the triangle does not move.
    #[inline(always)]
    fn push_direct(&self, p: PushStep<'_, T>) -> bool {
        let (t, shape) = (p.input(0), p.output().shape);
        if p.tangent(0).is_some() || p.input(1).shape != shape || t.shape.batch != 1 {
            return false;
        }
        let Some(db) = p.tangent(1) else { return false };
        let mut dx = p.room();
        dx.copy_from_slice(db.data);
        for member in dx.chunks_exact_mut(shape.each().max(1)) {
            T::trsm_unchecked(t.data, self.0, member, shape.rows, shape.cols);
        }
        p.done([dx])
    }
}
