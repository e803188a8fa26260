//! The log-Euclidean metric: the flat metric of `S = log P`, brought to `P` (Arsigny, Fillard, Pennec & Ayache,
//! *Geometric means in a novel vector space structure on symmetric positive-definite matrices*, 2007).
//!
//! With `D log_P` and its inverse `D exp_S`, both self-adjoint in the ambient inner product:
//!
//! - `<U, V>_P = <D log_P[U], D log_P[V]>`; 24n³;
//! - gradient: `<grad, V>_P = <G, V>` says `D log_P D log_P grad = G`, so `grad = D exp_S[D exp_S[G]]`; 40n³;
//! - Hessian: that of `f(exp S)` in the flat coordinate, whose gradient is `D exp_S[G]`; along `S^ = D log_P[U]` it
//!   changes by `D² exp_S[G, S^] + D exp_S[H]`; and that as a tangent, by `D exp_S` once more; 70n³;
//! - exponential `exp(log P + D log_P[V])`, defined everywhere; 30n³;
//! - logarithm `D exp_S[log Q - log P]`, distance `|log Q - log P|`, parallel transport `D exp_(log Q) D log_P`,
//!   curvature 0. The exponential is the retraction: no cheaper one is of second order in this metric.
//!
//! *The difference of two logarithms* keeps its relative accuracy where the points are close. With eigenvalues `l, m`
//! and vectors `V, Z` of `P` and `Q`, entry `ij` of `V^T (log Q - log P) Z` is `(ln m_j - ln l_i) (V^T Z)_ij`, that is
//! `ln[l_i, m_j] (V^T (Q - P) Z)_ij` with the divided difference. So it is a block of a Fréchet derivative: of the
//! logarithm at `diag(P, Q)` along `[0, Q - P; Q - P, 0]`. That is smooth to every order at ties and at `P = Q`; it
//! costs eigenvectors of order `2n`, 100n³.

use super::Geometry;
use crate::scalars::Times;
use pullback::{Axis, Scalar, Shape, SymFn, Var};

pub(super) struct LogEuclidean;

/// `log Q - log P`.
fn log_difference<'t, T: Scalar>(p: Var<'t, T>, q: Var<'t, T>) -> Var<'t, T> {
    let n = p.rows();
    let d = q.sym() - p.sym();
    let full = Shape { batch: p.shape().batch.max(q.shape().batch), ..p.shape() };
    let [p, q, d] = [p, q, d].map(|x| x.broadcast_to(full));
    let zero = d.zeros();
    let square = |a, b, c, d| {
        let rows = [Var::concat(&[a, b], Axis::Cols), Var::concat(&[c, d], Axis::Cols)];
        Var::concat(&rows, Axis::Rows)
    };
    let both = square(p, zero, zero, q).symmetric();
    both.frechet(SymFn::Ln, &[square(zero, d, d, zero)]).slice(0, n, n, n).sym()
}

/// `D log_P[U]`
fn flat<'t, T: Scalar>(p: Var<'t, T>, u: Var<'t, T>) -> Var<'t, T> {
    p.symmetric().frechet(SymFn::Ln, &[u])
}

impl<T: Scalar> Geometry<T> for LogEuclidean {
    fn inner<'t>(&self, p: Var<'t, T>, u: Var<'t, T>, v: Var<'t, T>) -> Var<'t, T> {
        let p = p.symmetric();
        p.frechet(SymFn::Ln, &[u]).dot(p.frechet(SymFn::Ln, &[v]))
    }
    fn gradient<'t>(&self, p: Var<'t, T>, g: Var<'t, T>) -> Var<'t, T> {
        let s = p.logm_spd().symmetric();
        s.frechet(SymFn::Exp, &[s.frechet(SymFn::Exp, &[g])])
    }
    fn hessian<'t>(&self, p: Var<'t, T>, g: Var<'t, T>, h: Var<'t, T>, u: Var<'t, T>) -> Var<'t, T> {
        let p = p.symmetric();
        let (s, along) = (p.map(SymFn::Ln).symmetric(), p.frechet(SymFn::Ln, &[u]));
        s.frechet(SymFn::Exp, &[s.frechet(SymFn::Exp, &[g, along]) + s.frechet(SymFn::Exp, &[h])])
    }
    fn exp<'t>(&self, p: Var<'t, T>, v: Var<'t, T>) -> Var<'t, T> {
        let p = p.symmetric();
        (p.map(SymFn::Ln) + p.frechet(SymFn::Ln, &[v])).expm_sym()
    }
    fn log<'t>(&self, p: Var<'t, T>, q: Var<'t, T>) -> Var<'t, T> {
        p.logm_spd().symmetric().frechet(SymFn::Exp, &[log_difference(p, q)])
    }
    fn dist2<'t>(&self, p: Var<'t, T>, q: Var<'t, T>) -> Var<'t, T> {
        let d = log_difference(p, q);
        d.dot(d)
    }
    fn parallel<'t>(&self, p: Var<'t, T>, q: Var<'t, T>, u: Var<'t, T>) -> Option<Var<'t, T>> {
        Some(q.logm_spd().symmetric().frechet(SymFn::Exp, &[flat(p, u)]))
    }
    fn curvature<'t>(&self, _: Var<'t, T>, _: Var<'t, T>, _: Var<'t, T>, w: Var<'t, T>) -> Var<'t, T> {
        w.zeros()
    }
}
