//! The principal logarithm of a general matrix, as a family closed under differentiation: `D^k log(A)[E_1, .., E_k]`.
//!
//! - Tangent of a member: the mixed derivative along `dA` as well, and for each direction the member with `dE_i` in its
//!   place. It is the same for every order of the directions.
//! - Adjoint. From `log A = int_0^1 (A - I) (t (A - I) + I)^{-1} dt` one reads that `D^k log(A)` is a sum of integrals
//!   of `R E_1 R E_2 .. E_k R` over the orders of the directions, with resolvents `R` that are functions of `A`. In
//!   `<G, R E_1 .. R E_i R .. R>` the factor of `E_i` is, transposed, `(R E_{i+1} .. R G^T R E_1 .. R)^T`, a term of
//!   the same sum with `G^T` in the place of `E_i`, cyclically. So `gE_i = (D^k log(A)[.., G^T, ..])^T`, and for `A`
//!   alike with one more direction: `gA = (D^{k+1} log(A)[E_1, .., E_k, G^T])^T`.
//!
//! The handle holds the Schur form; a member is a function of `A` and its directions, and its rules give the whole
//! derivative to those (see `lu.rs`). What is computed for a member is the derivative of what is computed for the
//! value, square roots and Padé approximant; where that would not be a derivative of the logarithm, because the
//! approximant is cruder than its order asks, there are more roots (`kernels/src/logm.rs`). No gap between eigenvalues
//! is divided by.
//!
//! Conditions: no eigenvalue 0, else `Singular`; none on the negative real axis, else `NoPrincipalValue`; derivatives
//! up to the fourth, else `Unsupported`. Gauge: none. Cost (n³, `s` square roots): value `45 + s`, JVP and VJP
//! `35 + 3 s`. Sources: Al-Mohy & Higham 2012; Al-Mohy, Higham & Relton 2013; derived here.

use super::{Arg, Op, Out, Primitive, Shapes, members, one, out1, square, two};
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Value, plus};
use crate::{Scalar, Shape};
use smallvec::{SmallVec, smallvec};

/// `(log A, handle)` of `A`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Logm;

/// `D^k log(A)[E_1, .., E_k]` from `(A, handle, E_1, .., E_k)`, at least one of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LogmAlong;

type List<'v, V> = SmallVec<[&'v V; 6]>;

/// The member for `A`, the handle, and these directions.
fn along<'v, V: Value>(x: [&'v V; 2], es: impl Iterator<Item = &'v V>) -> V {
    let all: List<'v, V> = x.into_iter().chain(es).collect();
    V::one(Op::LogmAlong(LogmAlong), &all)
}

/// The directions with entry `i` replaced.
fn replaced<'v, V>(es: &'v [&'v V], i: usize, by: &'v V) -> impl Iterator<Item = &'v V> {
    es.iter().enumerate().map(move |(j, e)| if i == j { by } else { *e })
}

impl<T: Scalar> Primitive<T> for Logm {
    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        let n = square(x[0])?;
        Ok(smallvec![x[0], x[0].with(n, 2 * n + 1)])
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        let w = &mut *s.work.borrow_mut();
        let (l, handle) = two(y);
        members(x[0].shape.batch, |b| T::logm(x[0].member(b), x[0].shape.rows, l.member(b), handle.member(b), w))
    }

    fn jvp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        smallvec![dx[0].map(|da| along([x[0], y[1]], [da].into_iter())), None]
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        if let Some(g) = &dy[0] {
            out.add(0, along([x[0], y[1]], [&g.t()].into_iter()).t());
        }
    }
}

impl<T: Scalar> Primitive<T> for LogmAlong {
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
            T::logm_along(x[1].member(b), x[0].shape.rows, &es, y[0].member(b), w)
        })
    }

    fn jvp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        let (of, es) = ([x[0], x[1]], &x[2..]);
        let mut dy = dx[0].map(|da| along(of, es.iter().copied().chain([da])));
        for i in 0..es.len() {
            dy = plus(dy, dx[i + 2].map(|de| along(of, replaced(es, i, de))));
        }
        out1(dy)
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        let Some(g) = &dy[0] else { return };
        let (of, es, gt) = ([x[0], x[1]], &x[2..], g.t());
        if out.wants(0) {
            out.add(0, along(of, es.iter().copied().chain([&gt])).t());
        }
        for i in 0..es.len() {
            if out.wants(i + 2) {
                out.add(i + 2, along(of, replaced(es, i, &gt)).t());
            }
        }
    }
}
