//! The rules of a function `f` of a general matrix whose mixed derivatives `D^k f(A)[E_1, .., E_k]` are primitives: for
//! logarithms and spectral projectors, once.
//!
//! - Tangent of a member: the mixed derivative along `dA` as well, and for each direction the member with `dE_i` in its
//!   place. It is the same for every order of the directions.
//! - Adjoint. From Cauchy's integral, `D^k f(A)` is a sum of integrals of `R E_1 R E_2 .. E_k R` over the orders of the
//!   directions, with resolvents `R` of `A`. In `<G, R E_1 .. R E_i R .. R>` the factor of `E_i` is, transposed,
//!   `(R E_{i+1} .. R G^T R E_1 .. R)^T`, a term of the same sum with `G^T` in the place of `E_i`, cyclically. So
//!   `gE_i = (D^k f(A)[.., G^T, ..])^T`, and for `A` alike with one more direction:
//!   `gA = (D^{k+1} f(A)[E_1, .., E_k, G^T])^T`.
//!
//! Inputs are `A`, a handle of what was computed for the value, and the directions.

use crate::Shape;
use crate::ops::{Op, Shapes, one, square};
use crate::value::{Grads, Outs, Value, plus};
use smallvec::{SmallVec, smallvec};

/// The member for `A`, the handle, and these directions.
pub(super) fn along<'v, V: Value>(op: Op<V::T>, x: [&'v V; 2], es: impl Iterator<Item = &'v V>) -> V {
    let all: SmallVec<[&'v V; 6]> = x.into_iter().chain(es).collect();
    V::one(op, &all)
}

/// The directions with entry `i` replaced.
fn replaced<'v, V>(es: &'v [&'v V], i: usize, by: &'v V) -> impl Iterator<Item = &'v V> {
    es.iter().enumerate().map(move |(j, e)| if i == j { by } else { *e })
}

/// The shape of a member.
pub(super) fn infer(x: &[Shape]) -> Result<Shapes, String> {
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

/// The tangent of a member.
pub(super) fn push<V: Value>(op: &Op<V::T>, x: &[&V], dx: &[Option<&V>]) -> Option<V> {
    let (of, es) = ([x[0], x[1]], &x[2..]);
    let mut dy = dx[0].map(|da| along(op.clone(), of, es.iter().copied().chain([da])));
    for i in 0..es.len() {
        dy = plus(dy, dx[i + 2].map(|de| along(op.clone(), of, replaced(es, i, de))));
    }
    dy
}

/// The cotangents of `A` and of the directions of a member.
pub(super) fn pull<V: Value>(op: &Op<V::T>, x: &[&V], g: &V, out: &mut Grads<'_, V>) {
    let (of, es, gt) = ([x[0], x[1]], &x[2..], g.t());
    if out.wants(0) {
        out.add(0, along(op.clone(), of, es.iter().copied().chain([&gt])).t());
    }
    for i in 0..es.len() {
        if out.wants(i + 2) {
            out.add(i + 2, along(op.clone(), of, replaced(es, i, &gt)).t());
        }
    }
}

/// The tangent of the value, whose handle has none.
pub(super) fn push_value<V: Value>(op: Op<V::T>, of: [&V; 2], da: Option<&V>, outputs: usize) -> Outs<Option<V>> {
    let mut all: Outs<Option<V>> = smallvec![None; outputs];
    all[0] = da.map(|da| along(op, of, [da].into_iter()));
    all
}

/// The cotangent of `A` for that of the value.
pub(super) fn pull_value<V: Value>(op: Op<V::T>, of: [&V; 2], g: &V, out: &mut Grads<'_, V>) {
    out.add(0, along(op, of, [&g.t()].into_iter()).t());
}
