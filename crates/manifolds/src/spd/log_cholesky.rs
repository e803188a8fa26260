//! The log-Cholesky metric (Lin, *Riemannian geometry of symmetric positive definite matrices via Cholesky
//! decomposition*, 2019): the flat metric of the entries of `L` below the diagonal and the logarithms of those on it,
//! where `P = L L^T`.
//!
//! A tangent `U` moves `L` by `X = L half(L^-1 U L^-T)`, where `half` keeps the lower triangle and half of the
//! diagonal; and `U = X L^T + L X^T`. Write `low X` and `d(X)` for the part below the diagonal and the diagonal. In the
//! coordinates `low L` and `ln d(L)` a tangent is `low X` and `d(X)/d(L)`, so
//!
//! - `<U, V>_P = <low X, low Y> + <d(X)/d(L), d(Y)/d(L)>`; 8n³/3;
//! - exponential `low L + low X`, `d(L) e^(d(X)/d(L))`, defined everywhere; 3n³. It is the retraction;
//! - logarithm: `low X = low(L_Q - L_P)`, `d(X) = d(L_P) ln(d(L_Q)/d(L_P))`; the distance is the length of that in the
//!   coordinates; parallel transport keeps the coordinates; curvature 0; 5n³;
//! - gradient: `<G, V> = 2 <G L, Y>`, so that of `f(L L^T)` by `L` is `K = 2 tril(G L)`, and the Riemannian one has
//!   `low X = low K`, `d(X) = d(L)² d(K)`; 4n³;
//! - Hessian: in the coordinates the gradient is `low K`, `d(L) d(K)`. Along `U` it changes by `low K'` and
//!   `d(X) d(K) + d(L) d(K')`, with `K' = 2 tril(H L + G X)`; and that as a tangent.
//!
//! *The difference of two factors* keeps its relative accuracy where the points are close: with `M = (L_P + L_Q)/2` and
//! `Y = L_Q - L_P`, `Y M^T + M Y^T = Q - P` exactly (multiply out), so `Y = M half(M^-1 (Q - P) M^-T)`.

use super::{Geometry, whitened};
use crate::scalars::{Times, ln_ratio};
use pullback::{Scalar, Var};

pub(super) struct LogCholesky;

/// The lower triangle with half of the diagonal: `half(W) + half(W)^T = W` for symmetric `W`.
fn half<T: Scalar>(w: Var<'_, T>) -> Var<'_, T> {
    w.tril().lincomb(1.0, w.diag().to_diag(), -0.5)
}

/// The part below the diagonal of a lower triangle.
fn low<T: Scalar>(x: Var<'_, T>) -> Var<'_, T> {
    x - x.diag().to_diag()
}

/// The `X` with `X L^T + L X^T = U`.
fn lifted<'t, T: Scalar>(l: Var<'t, T>, u: Var<'t, T>) -> Var<'t, T> {
    (l * half(whitened(l, u))).tril()
}

/// `X L^T + L X^T` for the `X` with this part below the diagonal and this diagonal.
fn pushed<'t, T: Scalar>(l: Var<'t, T>, low: Var<'t, T>, d: Var<'t, T>) -> Var<'t, T> {
    (low + d.to_diag()).mul_t(l).sym().times(2.0)
}

/// `L_Q - L_P` and `ln(d(L_Q)/d(L_P))`.
fn difference<'t, T: Scalar>(p: Var<'t, T>, q: Var<'t, T>, l: Var<'t, T>) -> (Var<'t, T>, Var<'t, T>) {
    let k = q.cholesky();
    let y = lifted(l.lincomb(0.5, k, 0.5), q - p);
    (y, ln_ratio(l.diag(), k.diag(), y.diag()))
}

impl<T: Scalar> Geometry<T> for LogCholesky {
    fn inner<'t>(&self, p: Var<'t, T>, u: Var<'t, T>, v: Var<'t, T>) -> Var<'t, T> {
        let l = p.cholesky();
        let (x, y, d) = (lifted(l, u), lifted(l, v), l.diag());
        low(x).dot(low(y)) + x.diag().elem_div(d).dot(y.diag().elem_div(d))
    }
    fn gradient<'t>(&self, p: Var<'t, T>, g: Var<'t, T>) -> Var<'t, T> {
        let l = p.cholesky();
        let (k, d) = ((g * l).tril().times(2.0), l.diag());
        pushed(l, low(k), d.hadamard(d).hadamard(k.diag()))
    }
    fn hessian<'t>(&self, p: Var<'t, T>, g: Var<'t, T>, h: Var<'t, T>, u: Var<'t, T>) -> Var<'t, T> {
        let l = p.cholesky();
        let (x, k, d) = (lifted(l, u), (g * l).tril().times(2.0), l.diag());
        let moved = (h * l).add_mul(1.0, g, x).tril().times(2.0);
        let diagonal = x.diag().hadamard(k.diag()) + d.hadamard(moved.diag());
        pushed(l, low(moved), d.hadamard(diagonal))
    }
    fn exp<'t>(&self, p: Var<'t, T>, v: Var<'t, T>) -> Var<'t, T> {
        let l = p.cholesky();
        let (x, d) = (lifted(l, v), l.diag());
        let k = low(l) + low(x) + d.hadamard(x.diag().elem_div(d).exp()).to_diag();
        k.mul_t(k).sym()
    }
    fn log<'t>(&self, p: Var<'t, T>, q: Var<'t, T>) -> Var<'t, T> {
        let l = p.cholesky();
        let (y, ratio) = difference(p, q, l);
        pushed(l, low(y), l.diag().hadamard(ratio))
    }
    fn dist2<'t>(&self, p: Var<'t, T>, q: Var<'t, T>) -> Var<'t, T> {
        let (y, ratio) = difference(p, q, p.cholesky());
        let y = low(y);
        y.dot(y) + ratio.dot(ratio)
    }
    fn parallel<'t>(&self, p: Var<'t, T>, q: Var<'t, T>, u: Var<'t, T>) -> Option<Var<'t, T>> {
        let (l, k) = (p.cholesky(), q.cholesky());
        let x = lifted(l, u);
        Some(pushed(k, low(x), x.diag().elem_div(l.diag()).hadamard(k.diag())))
    }
    fn curvature<'t>(&self, _: Var<'t, T>, _: Var<'t, T>, _: Var<'t, T>, w: Var<'t, T>) -> Var<'t, T> {
        w.zeros()
    }
}
