//! Squared distances between the rows of two matrices, by differences.
//!
//! `D_ij = sum_k (A_ik - B_jk)²` for `A` of `m x d` and `B` of `n x d`. The differences are formed before they are
//! squared, so `D` is never negative, exactly 0 at equal points, exactly symmetric for `A = B`, and as accurate for
//! near points as for distant ones. (The expansion `|a|² - 2 a^T b + |b|²` is none of these, though it can use a matrix
//! product.) Its derivatives keep this by two more maps, both of differences:
//!
//! - `P(A, B, U, V)_ij = sum_k (A_ik - B_jk)(U_ik - V_jk)`, linear in `(U, V)` and, being symmetric, in `(A, B)`:
//!   `dD = 2 P(A, B, dA, dB)`;
//! - `R(G, A, B)_ik = sum_j G_ij (A_ik - B_jk)`, the transpose of `P` with respect to `U`: `gA = 2 R(gD, A, B)` and
//!   `gB = 2 R(gD^T, B, A)`.
//!
//! They are closed under differentiation:
//!
//! - `dP = P(dA, dB, U, V) + P(A, B, dU, dV)`, with the transposes `gU = R(gP, A, B)`, `gV = R(gP^T, B, A)`,
//!   `gA = R(gP, U, V)`, `gB = R(gP^T, V, U)`;
//! - `dR = R(dG, A, B) + R(G, dA, dB)`, with the transposes `gG = P(A, B, gR, 0)`, `gA = (G 1) o gR`, `gB = -G^T gR`,
//!   where `G 1` is the column of the row sums of `G`.
//!
//! Cost: `m n d` multiplications each; twice that for a derivative by both. Source: derived.

use crate::ops::documentation::PrimitiveDoc;
use crate::ops::{Arg, Op, Out, Primitive, Reads, Shapes, one, out1};
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Product, Value, plus};
use crate::{Scalar, Shape};
use std::ops::Range;

/// `D(A, B)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Distances;

/// `P(A, B, U, V)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct DistancesPush;

/// `R(G, A, B)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct DistancesPull;

fn push<V: Value>(a: &V, b: &V, u: &V, v: &V) -> V {
    V::one(Op::DistancesPush(DistancesPush), &[a, b, u, v])
}

/// `P` with a direction that may be absent, which is zero.
fn push_some<V: Value>(a: &V, b: &V, u: Option<&V>, v: Option<&V>) -> Option<V> {
    let zero = |like: &V| V::filled(a.cx(), like.shape(), 0.0);
    match (u, v) {
        (Some(u), Some(v)) => Some(push(a, b, u, v)),
        (Some(u), None) => Some(push(a, b, u, &zero(b))),
        (None, Some(v)) => Some(push(a, b, &zero(a), v)),
        (None, None) => None,
    }
}

fn pull<V: Value>(g: &V, a: &V, b: &V) -> V {
    V::one(Op::DistancesPull(DistancesPull), &[g, a, b])
}

/// The matrix of pairs of rows.
fn pairs(a: Shape, b: Shape) -> Result<Shape, String> {
    if a.cols != b.cols {
        return Err("the points must have equally many coordinates".into());
    }
    let batch = a.common_batch(b).ok_or("batches must agree, or one be 1")?;
    Ok(Shape::batch(batch, a.rows, b.rows))
}

/// Terms that are added one after the other.
const RUN: usize = 64;

/// Adds the terms `ks` to `out`, long lists in halves, so that rounding grows with the logarithm of their number.
fn add_terms<T: Scalar>(ks: Range<usize>, out: &mut [T], s: &Store<T>, add: &impl Fn(usize, &mut [T])) {
    if ks.len() <= RUN {
        ks.for_each(|k| add(k, out));
        return;
    }
    let middle = ks.start + ks.len().div_ceil(2 * RUN) * RUN;
    add_terms(ks.start..middle, out, s, add);
    let mut rest = s.take(out.len());
    rest.fill(T::zero());
    add_terms(middle..ks.end, &mut rest, s, add);
    T::axpy(T::one(), &rest, out);
    s.put(rest);
}

impl<T: Scalar> Primitive<T> for Distances {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`pairwise_dist2`",
        conditions: "as many coordinates",
        cost: &["m n d", "m n d", "2 m n d"],
        degenerate: "exactly 0 and smooth at equal points; by differences, so near points keep their digits",
        source: "derived",
        ..PrimitiveDoc::of(file!())
    };

    const READS: Reads = Reads::Inputs;

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        one(pairs(x[0], x[1])?)
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        let (m, n, d) = (x[0].shape.rows, x[1].shape.rows, x[0].shape.cols);
        y[0].data.fill(T::zero());
        for member in 0..y[0].shape.batch {
            let (a, b) = (x[0].member(member), x[1].member(member));
            for (j, out) in y[0].member(member).chunks_exact_mut(m.max(1)).enumerate() {
                add_terms(0..d, out, s, &|k, out| {
                    let (a, b) = (&a[k * m..(k + 1) * m], b[k * n + j]);
                    out.iter_mut().zip(a).for_each(|(out, &a)| *out += (a - b) * (a - b));
                });
            }
        }
        Ok(())
    }

    /// `dD = 2 P(A, B, dA, dB)`.
    fn jvp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        out1(push_some(x[0], x[1], dx[0], dx[1]).map(|d| d.scaled(2.0)))
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        let Some(g) = &dy[0] else { return };
        if out.wants(0) {
            out.add(0, pull(g, x[0], x[1]).scaled(2.0));
        }
        if out.wants(1) {
            out.add(1, pull(&g.t(), x[1], x[0]).scaled(2.0));
        }
    }
}

impl<T: Scalar> Primitive<T> for DistancesPush {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "derivatives of `distances`",
        conditions: "as many coordinates",
        cost: &["m n d", "2 m n d", "4 m n d"],
        source: "derived",
        ..PrimitiveDoc::of(file!())
    };

    const READS: Reads = Reads::Inputs;

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        let (points, directions) = (pairs(x[0], x[1])?, pairs(x[2], x[3])?);
        match points.broadcast(directions) {
            Some(s) if x[0].cols == x[2].cols && s.each() == points.each() => one(s),
            _ => Err("directions must have the shapes of their points".into()),
        }
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        let (m, n, d) = (x[0].shape.rows, x[1].shape.rows, x[0].shape.cols);
        y[0].data.fill(T::zero());
        for member in 0..y[0].shape.batch {
            let [a, b, u, v] = [0, 1, 2, 3].map(|i| x[i].member(member));
            for (j, out) in y[0].member(member).chunks_exact_mut(m.max(1)).enumerate() {
                add_terms(0..d, out, s, &|k, out| {
                    let (a, u) = (&a[k * m..(k + 1) * m], &u[k * m..(k + 1) * m]);
                    let (b, v) = (b[k * n + j], v[k * n + j]);
                    out.iter_mut().zip(a.iter().zip(u)).for_each(|(out, (&a, &u))| *out += (a - b) * (u - v));
                });
            }
        }
        Ok(())
    }

    fn jvp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        out1(plus(push_some(x[2], x[3], dx[0], dx[1]), push_some(x[0], x[1], dx[2], dx[3])))
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        let Some(g) = &dy[0] else { return };
        for (i, p, q) in [(0, x[2], x[3]), (2, x[0], x[1])] {
            if out.wants(i) {
                out.add(i, pull(g, p, q));
            }
            if out.wants(i + 1) {
                out.add(i + 1, pull(&g.t(), q, p));
            }
        }
    }
}

impl<T: Scalar> Primitive<T> for DistancesPull {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "derivatives of `distances`",
        conditions: "as many coordinates",
        cost: &["m n d", "2 m n d", "2 m n d"],
        source: "derived",
        ..PrimitiveDoc::of(file!())
    };

    const READS: Reads = Reads::Inputs;

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        let s = pairs(x[1], x[2])?;
        match s.broadcast(x[0]) {
            Some(all) if all.each() == s.each() && x[0].each() == s.each() => one(Shape { batch: all.batch, ..x[1] }),
            _ => Err("the weights must be one for each pair of points".into()),
        }
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        let (m, n) = (x[1].shape.rows, x[2].shape.rows);
        y[0].data.fill(T::zero());
        for member in 0..y[0].shape.batch {
            let [g, a, b] = [0, 1, 2].map(|i| x[i].member(member));
            for (k, out) in y[0].member(member).chunks_exact_mut(m.max(1)).enumerate() {
                let a = &a[k * m..(k + 1) * m];
                add_terms(0..n, out, s, &|j, out| {
                    let (g, b) = (&g[j * m..(j + 1) * m], b[k * n + j]);
                    out.iter_mut().zip(g.iter().zip(a)).for_each(|(out, (&g, &a))| *out += g * (a - b));
                });
            }
        }
        Ok(())
    }

    fn jvp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        let zero = |i: usize| V::filled(x[i].cx(), x[i].shape(), 0.0);
        let moved = match (dx[1], dx[2]) {
            (Some(a), Some(b)) => Some(pull(x[0], a, b)),
            (Some(a), None) => Some(pull(x[0], a, &zero(2))),
            (None, Some(b)) => Some(pull(x[0], &zero(1), b)),
            (None, None) => None,
        };
        out1(plus(dx[0].map(|g| pull(g, x[1], x[2])), moved))
    }

    /// For `R(G, A, B)`: `gG = P(A, B, gR, 0)`, `gA = (G 1) o gR`, `gB = -G^T gR`.
    fn vjp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        let Some(h) = &dy[0] else { return };
        let (g, b) = (x[0], x[2]);
        if out.wants(0) {
            out.add(0, push(x[1], b, h, &V::filled(b.cx(), b.shape(), 0.0)));
        }
        if out.wants(1) {
            out.add(1, g.sum_to(g.shape().with(g.shape().rows, 1)).hadamard(h));
        }
        if out.wants(2) {
            out.add_product(2, Product::TN.times(-1.0), g, h);
        }
    }
}
