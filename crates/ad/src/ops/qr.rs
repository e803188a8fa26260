//! Thin QR of a tall or square matrix, `A = Q R` with `diag(R) > 0`.
//!
//! Write `T = dA R^{-1} = dQ + Q dR R^{-1}` and `C = Q^T T`. From `Q^T Q = I`, `Omega = Q^T dQ` is skew, and
//! `S = dR R^{-1} = C - Omega` is upper triangular. So `stril(Omega) = stril(C)`, which determines `Omega`, and
//! `S = triu(C) + stril(C)^T`, a linear map `fold` of `C`. Hence
//!
//! `dQ = T - Q S`, `dR = S R`, `S = fold(Q^T T)`.
//!
//! The adjoint of `fold` is `copy(M) = triu(M) + striu(M)^T`, so
//!
//! `gA = (gQ + Q copy(gR R^T - Q^T gQ)) R^{-T}`,
//!
//! where `copy` sees the upper triangle of `gR` alone, since `R` is upper.
//!
//! Conditions: `m >= n`, full column rank, else `RankDeficient`.
//! Gauge: the sign of each column, fixed by `diag(R) > 0` and locally constant.
//! Cost (m = n, n³): value 8/3, JVP 6, VJP 7.
//! Sources: Walter & Lehmann 2011; Liao et al. 2019, arXiv 1903.09650.

use super::part::Part;
use super::{Arg, Out, Primitive, Shapes, members, two};
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Product, Value};
use crate::{Scalar, Shape};
use pullback_kernels::{Failure, Triangle};
use smallvec::smallvec;

/// From `A`, or from `(A P, p)`: then a failure names the columns of `A`, and the rules are those of `A P`. With
/// `transposed`, the input holds columns of `A^T`, where `A` has that many rows, and a failure names the entry of `A`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Qr {
    pub(crate) transposed: Option<usize>,
}

/// The failure of a factorisation of `A P`, told of `A`.
fn unpermuted<T: Scalar>(f: Failure, p: &[T], rows: usize) -> Failure {
    let column = |j: usize| p.get(j).map_or(j, |p| p.f64() as usize);
    match f {
        Failure::RankDeficient { index, ratio } => Failure::RankDeficient { index: column(index), ratio },
        Failure::NonFinite { index, value } => {
            Failure::NonFinite { index: index % rows + column(index / rows) * rows, value }
        }
        f => f,
    }
}

/// `X R = B`
const BY_R: Triangle = Triangle { lower: false, transpose: false, unit: false, right: true };
/// `X R^T = B`
const BY_R_T: Triangle = Triangle { transpose: true, ..BY_R };

impl<T: Scalar> Primitive<T> for Qr {
    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        let r = x[0].rows.min(x[0].cols);
        Ok(smallvec![x[0].with(x[0].rows, r), x[0].with(r, x[0].cols)])
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        let w = &mut *s.work.borrow_mut();
        let Shape { batch, rows, cols } = x[0].shape;
        let (q, r) = two(y);
        members(batch, |b| {
            let done = T::qr_thin(x[0].member(b), rows, cols, q.member(b), r.member(b), w);
            done.map_err(|f| match (f, x.get(1), self.transposed) {
                (f, Some(p), _) => unpermuted(f, p.member(b), rows),
                (Failure::NonFinite { index, value }, _, Some(m)) => {
                    Failure::NonFinite { index: index / rows + index % rows * m, value }
                }
                (f, ..) => f,
            })
        })
    }

    fn jvp<V: Value<T = T>>(&self, _: &[&V], y: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        let (q, r) = (y[0], y[1]);
        let Some(da) = dx[0] else { return smallvec![None, None] };
        let t = da.clone().solved_by(r, BY_R);
        let s = q.t_mul(&t).parted(Part::FoldUp);
        let dr = s.mul(r);
        let dq = t.plus_product(Product::NN.times(-1.0), q, &s);
        smallvec![Some(dq), Some(dr)]
    }

    fn vjp<V: Value<T = T>>(&self, _: &[&V], y: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        let (q, r) = (y[0], y[1]);
        let m = match (&dy[0], &dy[1]) {
            (Some(gq), None) => V::product(Product::TN.times(-1.0), q, gq),
            (None, Some(gr)) => gr.mul_t(r),
            (Some(gq), Some(gr)) => gr.mul_t(r).plus_product(Product::TN.times(-1.0), q, gq),
            (None, None) => return,
        };
        let m = m.parted(Part::CopyUp);
        let t = match dy[0].take() {
            Some(gq) => gq.plus_product(Product::NN, q, &m),
            None => q.mul(&m),
        };
        out.add(0, t.solved_by(r, BY_R_T));
    }
}
