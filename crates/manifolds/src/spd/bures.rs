//! The Bures-Wasserstein metric: that of optimal transport between centred Gaussians, `<U, V>_P = tr(X V)/2` with the
//! `X` that solves `X P + P X = U`, symmetric (Bhatia, Jain & Lim, *On the Bures-Wasserstein distance between positive
//! definite matrices*, 2019; Malagò, Montrucchio & Pistone, *Wasserstein Riemannian geometry of Gaussian densities*,
//! 2018).
//!
//! It is the metric for which `A -> A A^T` is a Riemannian submersion from the square matrices: the tangents at `A`
//! orthogonal to the fibre `A O(n)` are `X A` with symmetric `X`, of squared length `tr X P X`, and `X A` is sent to
//! `U = X P + P X`, with `tr(X U)/2 = tr X P X`. Everything below is read off from there.
//!
//! - gradient: `2 G A` upstairs, so `2 (G P + P G)`; 4n³;
//! - Hessian: the derivative of `2 G A` along `X A`, sent down (what it has along the fibre is sent to 0):
//!   `2 (H P + P H) + 2 (G X P + P X G)`; 24n³;
//! - exponential: `A + X A`, so `(I + X) P (I + X)`; along `tX` it leaves the space where an eigenvalue of `I + tX`
//!   reaches 0, so `I + X` must be positive definite; 20n³. The same without that condition is the retraction: beyond,
//!   it is still smooth and positive definite wherever `I + X` is regular;
//! - logarithm: the `X` with `(I + X) P (I + X) = Q` and `I + X = T` positive definite, the optimal map. With
//!   `P = L L^T` and `S = (L^T Q L)^(1/2)`, `T = L^-T S L^-1`: `T P T = L^-T S² L^-1 = Q`. For close points `T - I` has
//!   lost its digits; but `X P (I + X/2) + (I + X/2) P X = Q - P` (multiply out), and with `Y = L^T X L`,
//!   `N = (L^T L + S)/2 = L^T (I + X/2) L`, that is `Y N + N Y = L^T (Q - P) L`, a linear equation with `N` positive
//!   definite: an error of `N` is a relative error of `X`; 30n³. Then `log_P Q = X P + P X`, and the squared distance
//!   is `tr X P X = |L^-T Y|²`, which is `tr P + tr Q - 2 tr S` without the differences;
//! - curvature: the total space is flat, so it is made of the vertical part `A W` of derivatives of horizontal fields
//!   (O'Neill). Differentiating `A^T V^ = (V^)^T A` along `U^` shows that `W` is skew with
//!   `A^T A W + W A^T A = (V^)^T U^ - (U^)^T V^` for the lifts `U^, V^`; and `R(U, V) Z` is what
//!   `2 Z^ W(U, V) - U^ W(V, Z) + V^ W(U, Z)` is sent to. (O'Neill's `<R(U, V) V, U> = 3 |A W|²` and the symmetries of
//!   a curvature tensor leave no other choice.) Here `A = L`; 80n³.
//!
//! *Parallel transport* solves a linear differential equation along the geodesic and has no closed form; the transport
//! keeps the matrix, since all tangent spaces are the symmetric matrices. It is no isometry.

use super::{Geometry, identity};
use pullback::{Scalar, Triangle, Var};

pub(super) struct BuresWasserstein;

/// `A B + B^T A^T`, for symmetric `A` and `B` their anticommutator.
fn twice_sym<'t, T: Scalar>(a: Var<'t, T>, b: Var<'t, T>) -> Var<'t, T> {
    let m = a * b;
    m + m.t()
}

/// The symmetric `X` with `X P + P X = U`.
fn lyapunov<'t, T: Scalar>(p: Var<'t, T>, u: Var<'t, T>) -> Var<'t, T> {
    p.symmetric().lyapunov(u)
}

/// `L^-T B`
fn back<'t, T: Scalar>(l: Var<'t, T>, b: Var<'t, T>) -> Var<'t, T> {
    l.solve_triangular_with(Triangle::LOWER.transposed(), b)
}

/// `Y = L^T X L` of the logarithm.
fn displacement<'t, T: Scalar>(l: Var<'t, T>, p: Var<'t, T>, q: Var<'t, T>) -> Var<'t, T> {
    let within = |m: Var<'t, T>| (l.t_mul(m) * l).sym();
    let n = l.t_mul(l).lincomb(0.5, within(q.sym()).sqrtm_spd(), 0.5);
    lyapunov(n, within(q.sym() - p.sym()))
}

impl<T: Scalar> Geometry<T> for BuresWasserstein {
    fn inner<'t>(&self, p: Var<'t, T>, u: Var<'t, T>, v: Var<'t, T>) -> Var<'t, T> {
        let x = lyapunov(p, u).dot(v);
        x.lincomb(0.5, x, 0.0)
    }
    fn gradient<'t>(&self, p: Var<'t, T>, g: Var<'t, T>) -> Var<'t, T> {
        let m = twice_sym(g, p.sym());
        m.lincomb(2.0, m, 0.0)
    }
    fn hessian<'t>(&self, p: Var<'t, T>, g: Var<'t, T>, h: Var<'t, T>, u: Var<'t, T>) -> Var<'t, T> {
        let moved = h.add_mul(1.0, g, lyapunov(p, u));
        let m = twice_sym(moved, p.sym());
        m.lincomb(2.0, m, 0.0)
    }
    fn exp<'t>(&self, p: Var<'t, T>, v: Var<'t, T>) -> Var<'t, T> {
        let stretch = lyapunov(p, v) + identity(p);
        let least = stretch.symmetric().values(0..1);
        let stretch =
            stretch.where_positive(least, "the geodesic of Bures-Wasserstein stays positive definite: I + X > 0");
        (stretch * p.sym() * stretch).sym()
    }
    fn retract<'t>(&self, p: Var<'t, T>, v: Var<'t, T>) -> Var<'t, T> {
        let stretch = lyapunov(p, v) + identity(p);
        (stretch * p.sym() * stretch).sym()
    }
    fn log<'t>(&self, p: Var<'t, T>, q: Var<'t, T>) -> Var<'t, T> {
        let l = p.cholesky();
        // X P = L^-T Y L^T
        let xp = back(l, displacement(l, p, q)).mul_t(l);
        xp + xp.t()
    }
    fn dist2<'t>(&self, p: Var<'t, T>, q: Var<'t, T>) -> Var<'t, T> {
        let l = p.cholesky();
        let x = back(l, displacement(l, p, q));
        x.dot(x)
    }
    fn parallel<'t>(&self, _: Var<'t, T>, _: Var<'t, T>, _: Var<'t, T>) -> Option<Var<'t, T>> {
        None
    }
    fn curvature<'t>(&self, p: Var<'t, T>, u: Var<'t, T>, v: Var<'t, T>, w: Var<'t, T>) -> Var<'t, T> {
        let l = p.cholesky();
        let [u, v, w] = [u, v, w].map(|z| lyapunov(p, z) * l);
        let lifted = crate::submersion::curvature(l, u, v, w);
        twice_sym(lifted, l.t())
    }
}
