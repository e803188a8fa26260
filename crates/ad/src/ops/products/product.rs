//! Matrix products with any transposes, and a product added to a matrix.
//!
//! `C = alpha op(A) op(B)`, `dC = alpha (op(dA) op(B) + op(A) op(dB))`. From `<gC, dC>`: the cotangent of `op(A)` is
//! `alpha gC op(B)^T`, that of `op(B)` is `alpha op(A)^T gC`, and `gA`, `gB` are these or, for a transposed factor,
//! their transposes.
//! Cost in multiples of n³: value 2, JVP 4, VJP 4. A batch of one serves every member of the other factor, and its
//! cotangent is then summed in place.

use crate::ops::by_members::each_member;
use crate::ops::direct::{EvalStep, PullStep, PushStep};
use crate::ops::documentation::PrimitiveDoc;
use crate::ops::{Arg, Out, Primitive, Reads, Shapes, one, out1};
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Product, Value};
use crate::{Scalar, Shape};
use pullback_kernels::threads::Size;

/// `alpha op(A) op(B)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Mul(pub(crate) Product);

/// `C + alpha op(A) op(B)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct MulAdd(pub(crate) Product);

/// `C (+)= alpha op(A) op(B)` over the batch; a `C` with a batch of one collects the sum.
#[inline(always)]
pub(crate) fn gemm_batched<T: Scalar>(c: &mut [T], cs: Shape, add: bool, m: Product, a: Arg<'_, T>, b: Arg<'_, T>) {
    if a.shape.batch != 1 || b.shape.batch != 1 || cs.batch != 1 {
        return gemm_of_several(c, cs, add, m, a, b);
    }
    let k = if m.ta { a.shape.rows } else { a.shape.cols };
    T::gemm(c, cs.rows, cs.cols, k, T::of(m.alpha), a.data, m.ta, b.data, m.tb, add);
}

#[inline(never)]
fn gemm_of_several<T: Scalar>(c: &mut [T], cs: Shape, add: bool, m: Product, a: Arg<'_, T>, b: Arg<'_, T>) {
    let k = if m.ta { a.shape.rows } else { a.shape.cols };
    let alpha = T::of(m.alpha);
    let batch = if a.shape.batch == 1 { b.shape.batch } else { a.shape.batch };
    if cs.batch == 1 {
        return T::gemm_sum(c, cs.rows, cs.cols, k, batch, alpha, a.data, m.ta, b.data, m.tb, add);
    }
    // A product with a batch of one added to a larger `C` is added to each member.
    each_member(Size::Multiplications(cs.len() * k), c, cs.each(), |i, c| {
        T::gemm(c, cs.rows, cs.cols, k, alpha, a.member(i), m.ta, b.member(i), m.tb, add);
    });
}

/// Tangent of `alpha op(A) op(B)`, added to `c`.
fn tangent<V: Value>(m: Product, c: Option<V>, x: [&V; 2], dx: [Option<&V>; 2]) -> Option<V> {
    let join = |c: Option<V>, a: &V, b: &V| match c {
        Some(c) => c.plus_product(m, a, b),
        None => V::product(m, a, b),
    };
    let c = match dx[0] {
        Some(da) => Some(join(c, da, x[1])),
        None => c,
    };
    match dx[1] {
        Some(db) => Some(join(c, x[0], db)),
        None => c,
    }
}

/// The cotangent of the first factor, as a product.
#[inline(always)]
pub(crate) fn cotangent_of_first<X: Copy>(m: Product, [_, b]: [X; 2], g: X) -> (Product, X, X) {
    let Product { alpha, ta, tb } = m;
    match ta {
        false => (Product::new(alpha, false, !tb), g, b),
        true => (Product::new(alpha, tb, true), b, g),
    }
}

/// The cotangent of the second factor, as a product.
#[inline(always)]
pub(crate) fn cotangent_of_second<X: Copy>(m: Product, [a, _]: [X; 2], g: X) -> (Product, X, X) {
    let Product { alpha, ta, tb } = m;
    match tb {
        false => (Product::new(alpha, !ta, false), a, g),
        true => (Product::new(alpha, true, ta), g, a),
    }
}

/// Adds the cotangents of the factors, which are inputs `i` and `i + 1`.
fn add_cotangents<V: Value>(m: Product, i: usize, x: [&V; 2], g: &V, out: &mut Grads<'_, V>) {
    for (i, (m, a, b)) in [(i, cotangent_of_first(m, x, g)), (i + 1, cotangent_of_second(m, x, g))] {
        out.add_product(i, m, a, b);
    }
}

/// `dC (+)= alpha (op(dA) op(B) + op(A) op(dB))`, where an absent tangent is zero.
#[inline(always)]
fn tangents<T: Scalar>(
    dc: &mut [T],
    shape: Shape,
    started: bool,
    m: Product,
    [a, b]: [&Arg<'_, T>; 2],
    [da, db]: [Option<&Arg<'_, T>>; 2],
) {
    if let Some(da) = da {
        gemm_batched(dc, shape, started, m, *da, *b);
    }
    if let Some(db) = db {
        gemm_batched(dc, shape, started || da.is_some(), m, *a, *db);
    }
}

fn misfit() -> String {
    "expected inner sizes that agree, and batches that do or one that is 1".into()
}

impl<T: Scalar> Primitive<T> for Mul {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`*`, `t_mul`, `mul_t`, `t_mul_t`",
        conditions: "inner sizes agree; batches agree or are 1",
        cost: &["2", "4", "4"],
        source: "Giles 2008, 2.1",
        ..PrimitiveDoc::of(file!())
    };

    const READS: Reads = Reads::OtherInputs;

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        one(self.0.shape(x[0], x[1]).ok_or_else(misfit)?)
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        gemm_batched(y[0].data, y[0].shape, false, self.0, x[0], x[1]);
        Ok(())
    }

    fn jvp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        out1(tangent(self.0, None, [x[0], x[1]], [dx[0], dx[1]]))
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        if let Some(g) = &dy[0] {
            add_cotangents(self.0, 0, [x[0], x[1]], g, out);
        }
    }

    #[inline(always)]
    fn eval_direct(&self, step: EvalStep<'_, T>) -> Option<Result<(), Trouble>> {
        let (m, a, b, y) = (self.0, step.input(0), step.input(1), &mut step.out[0]);
        if (a.shape.batch, b.shape.batch) != (1, 1) {
            return None;
        }
        let k = if m.ta { a.shape.rows } else { a.shape.cols };
        let (rows, cols) = (y.shape.rows, y.shape.cols);
        T::gemm(&mut y.buf, rows, cols, k, T::of(m.alpha), a.data, m.ta, b.data, m.tb, false);
        Some(Ok(()))
    }

    #[inline(always)]
    fn push_direct(&self, p: PushStep<'_, T>) -> bool {
        let mut dy = p.room();
        let (a, b, da, db) = (p.input(0), p.input(1), p.tangent(0), p.tangent(1));
        tangents(&mut dy, p.output().shape, false, self.0, [&a, &b], [da.as_ref(), db.as_ref()]);
        p.done([dy])
    }

    #[inline(always)]
    fn pull_direct(&self, mut p: PullStep<'_, T>) -> bool {
        let Some(g) = p.take() else { return true };
        let (a, b) = (p.input(0), p.input(1));
        let gy = Arg { shape: p.output().shape, data: &g };
        p.add_product(0, || cotangent_of_first(self.0, [&a, &b], &gy));
        p.add_product(1, || cotangent_of_second(self.0, [&a, &b], &gy));
        p.store.put(g);
        true
    }
}

impl<T: Scalar> Primitive<T> for MulAdd {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`add_mul`, inside rules",
        conditions: "as `matmul`",
        cost: &["2", "4", "4"],
        source: "Giles 2008, 2.1",
        ..PrimitiveDoc::of(file!())
    };

    const READS: Reads = Reads::OtherInputs;

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        let p = self.0.shape(x[1], x[2]).ok_or_else(misfit)?;
        match p.common_batch(x[0]) {
            Some(batch) if (p.rows, p.cols) == (x[0].rows, x[0].cols) => one(Shape { batch, ..p }),
            _ => Err(format!("expected a sum and a product of one shape; the product is {p}")),
        }
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        let shape = y[0].shape;
        for b in 0..shape.batch {
            y[0].member(b).copy_from_slice(x[0].member(b));
        }
        gemm_batched(y[0].data, shape, true, self.0, x[1], x[2]);
        Ok(())
    }

    fn jvp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        let c = dx[0].map(|d| if d.shape() == y[0].shape() { d.clone() } else { d.broadcast_to(y[0].shape()) });
        out1(tangent(self.0, c, [x[1], x[2]], [dx[1], dx[2]]))
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        let Some(g) = dy[0].take() else { return };
        add_cotangents(self.0, 1, [x[1], x[2]], &g, out);
        out.add(0, g);
    }

    #[inline(always)]
    fn push_direct(&self, p: PushStep<'_, T>) -> bool {
        let shape = p.output().shape;
        if p.input(0).shape != shape {
            return false;
        }
        let mut dy = p.room();
        let started = p.tangent(0).map(|dc| dy.copy_from_slice(dc.data)).is_some();
        let (a, b, da, db) = (p.input(1), p.input(2), p.tangent(1), p.tangent(2));
        tangents(&mut dy, shape, started, self.0, [&a, &b], [da.as_ref(), db.as_ref()]);
        p.done([dy])
    }
    #[inline(always)]
    fn pull_direct(&self, mut p: PullStep<'_, T>) -> bool {
        if p.input(0).shape != p.output().shape {
            return false;
        }
        let Some(g) = p.take() else { return true };
        let (a, b) = (p.input(1), p.input(2));
        let gy = Arg { shape: p.output().shape, data: &g };
        p.add_product(1, || cotangent_of_first(self.0, [&a, &b], &gy));
        p.add_product(2, || cotangent_of_second(self.0, [&a, &b], &gy));
        p.give(0, g);
        true
    }
}
