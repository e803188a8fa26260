//! The affine-invariant metric `<U, V>_P = tr P^-1 U P^-1 V`.
//!
//! With `P = L L^T` and `W(U) = L^-1 U L^-T`, `P^-1 U P^-1 V = L^-T W(U) W(V) L^T`, so `<U, V>_P = <W(U), W(V)>`: the
//! congruence by `L^-1` is an isometry to the identity, where everything is a function of a symmetric matrix. Any
//! factor `G` with `G G^T = P` does, since two of them differ by a rotation, which commutes with functions of matrices;
//! so `L` takes the place of `P^(1/2)` in the formulas of Pennec, Fillard & Ayache (*A Riemannian framework for tensor
//! computing*, 2006, section 3) and Bhatia (*Positive Definite Matrices*, 2007, chapter 6):
//!
//! - gradient `P G P`, Hessian `P H P + sym(U G P)`; 8n³ and 12n³;
//! - exponential `L exp(W(V)) L^T`, defined everywhere; 16n³;
//! - logarithm `L log(M) L^T`, `M = W(Q)`, defined everywhere. `log M` by `(M - I) phi(M)`, `phi(x) = ln x / (x - 1)`:
//!   `M - I = W(Q - P)` has small relative error where the points are close, where `log` of the rounded `M` would have
//!   none of its digits, and `phi` is smooth at 1. The factors commute; 18n³;
//! - squared distance `|log M|²`;
//! - parallel transport `U -> E U E^T` with `E = (Q P^-1)^(1/2) = L M^(1/2) L^-1`, an isometry that carries the
//!   velocity of the geodesic along; so `L M^(1/2) W(U) M^(1/2) L^T`; 22n³;
//! - retraction `P + V + V P^-1 V / 2 = L (I + W + W²/2) L^T` for `W = W(V)`: the exponential to second order, and
//!   positive definite for every `V`, as `I + W + W²/2 = (I + (I + W)²)/2`; 9n³. Its inverse: with `D = W(Q - P)`,
//!   `(I + W)² = I + 2D`, so `W = S - I = 2D (S + I)^-1`, `S = (I + 2D)^(1/2)`; it exists while `M > I/2`, else the
//!   square root fails;
//! - curvature, with `U, V, Z` at the identity: `R(U, V) Z = -[[U, V], Z] / 4`, so that
//!   `<R(U, V) V, U> = -|[U, V]|² / 4`: for `C = [U, V]` skew, `<[C, V], U> = tr C (V U - U V) = -tr C² = |C|²`.

use super::{Geometry, coloured, identity, whitened};
use crate::scalars::{LN_OVER, Times};
use pullback::{Scalar, SymFn, Var};

pub(super) struct AffineInvariant;

/// `log M` for `M = L^-1 Q L^-T`, exact where `Q` is near `P`.
fn log_whitened<'t, T: Scalar>(l: Var<'t, T>, p: Var<'t, T>, q: Var<'t, T>) -> Var<'t, T> {
    let phi = whitened(l, q).symmetric().map(SymFn::own(&LN_OVER));
    (whitened(l, q - p) * phi).sym()
}

/// `A B - B A`
fn bracket<'t, T: Scalar>(a: Var<'t, T>, b: Var<'t, T>) -> Var<'t, T> {
    (a * b).add_mul(-1.0, b, a)
}

impl<T: Scalar> Geometry<T> for AffineInvariant {
    fn inner<'t>(&self, p: Var<'t, T>, u: Var<'t, T>, v: Var<'t, T>) -> Var<'t, T> {
        let l = p.cholesky();
        whitened(l, u).dot(whitened(l, v))
    }
    fn gradient<'t>(&self, p: Var<'t, T>, g: Var<'t, T>) -> Var<'t, T> {
        let p = p.sym();
        (p * g * p).sym()
    }
    fn hessian<'t>(&self, p: Var<'t, T>, g: Var<'t, T>, h: Var<'t, T>, u: Var<'t, T>) -> Var<'t, T> {
        let p = p.sym();
        ((p * h).add_mul(1.0, u, g) * p).sym()
    }
    fn exp<'t>(&self, p: Var<'t, T>, v: Var<'t, T>) -> Var<'t, T> {
        let l = p.cholesky();
        coloured(l, whitened(l, v).expm_sym())
    }
    fn log<'t>(&self, p: Var<'t, T>, q: Var<'t, T>) -> Var<'t, T> {
        let l = p.cholesky();
        coloured(l, log_whitened(l, p, q))
    }
    fn dist2<'t>(&self, p: Var<'t, T>, q: Var<'t, T>) -> Var<'t, T> {
        let k = log_whitened(p.cholesky(), p, q);
        k.dot(k)
    }
    fn retract<'t>(&self, p: Var<'t, T>, v: Var<'t, T>) -> Var<'t, T> {
        let l = p.cholesky();
        let half = l.solve_triangular(pullback::Uplo::Lower, v);
        (p + v).add_mul(0.5, half.t(), half).sym()
    }
    fn inverse_retract<'t>(&self, p: Var<'t, T>, q: Var<'t, T>) -> Var<'t, T> {
        let (l, eye) = (p.cholesky(), identity(p));
        let d = whitened(l, q - p).times(2.0);
        let s = (eye + d).sqrtm_spd();
        coloured(l, (s + eye).spd().solve(d).sym())
    }
    fn parallel<'t>(&self, p: Var<'t, T>, q: Var<'t, T>, u: Var<'t, T>) -> Option<Var<'t, T>> {
        let l = p.cholesky();
        let root = whitened(l, q).sqrtm_spd();
        Some(coloured(l * root, whitened(l, u)))
    }
    fn curvature<'t>(&self, p: Var<'t, T>, u: Var<'t, T>, v: Var<'t, T>, w: Var<'t, T>) -> Var<'t, T> {
        let l = p.cholesky();
        let [u, v, w] = [u, v, w].map(|z| whitened(l, z));
        coloured(l, bracket(bracket(u, v), w).times(-0.25))
    }
}
