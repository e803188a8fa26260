//! What the quotients of full-rank matrices `Y` by orthogonal matrices, `Y ~ Y Q`, have in common: horizontal
//! projection, alignment of representatives, and the curvature that the quotient adds (O'Neill).
//!
//! The fibre through `Y` has the tangents `Y W` with skew `W`. `U` is orthogonal to it if `Y^T U` is symmetric. With
//! `S = Y^T Y`, the `W` of the projection `U - Y W` solves `S W + W S = Y^T U - U^T Y`: a Lyapunov equation of order
//! `p` with `S` positive definite while `Y` has full rank (Massart & Absil, *Quotient geometry with simple geodesics
//! for the manifold of fixed-rank positive-semidefinite matrices*, 2020).

use crate::scalars::Times;
use pullback::{Scalar, Shape, Var};

/// The skew `W` with `S W + W S = C` for skew `C`, `S = Y^T Y`.
fn skew_solution<'t, T: Scalar>(y: Var<'t, T>, c: Var<'t, T>) -> Var<'t, T> {
    y.t_mul(y).symmetric().lyapunov(c)
}

/// `U - Y W`: the part of `U` orthogonal to the fibre. Cost 6np² and 15p³.
pub(crate) fn horizontal<'t, T: Scalar>(y: Var<'t, T>, u: Var<'t, T>) -> Var<'t, T> {
    let c = y.t_mul(u);
    u.add_mul(-1.0, y, skew_solution(y, c - c.t()))
}

/// `2 Z W(U, V) - U W(V, Z) + V W(U, Z)` for horizontal `U, V, Z`, with the skew `W(U, V)` of
/// `S W + W S = V^T U - U^T V`: the curvature `R(U, V) Z` that the quotient adds, up to a vertical part.
///
/// `Y W(U, V)` is the vertical part of the derivative of a horizontal field through `V` along `U`: differentiate
/// `Y^T V - V^T Y = 0`. The rest is O'Neill's formula, `<R(U, V) V, U> = 3 |Y W(U, V)|²`, with the symmetries of a
/// curvature tensor.
pub(crate) fn curvature<'t, T: Scalar>(y: Var<'t, T>, u: Var<'t, T>, v: Var<'t, T>, z: Var<'t, T>) -> Var<'t, T> {
    let w = |u: Var<'t, T>, v: Var<'t, T>| {
        let c = v.t_mul(u);
        skew_solution(y, c - c.t())
    };
    (z * w(u, v)).times(2.0).add_mul(-1.0, u, w(v, z)).add_mul(1.0, v, w(u, z))
}

/// The orthogonal `Q` for which `Z Q` is the representative nearest to `Y`: the polar factor of `Z^T Y`. Fails where
/// that is singular, the cut locus of the quotient. Cost 2np² and 25p³.
pub(crate) fn aligning<'t, T: Scalar>(y: Var<'t, T>, z: Var<'t, T>) -> Var<'t, T> {
    z.t_mul(y).polar().0
}

/// `Z Q - Y` for the aligning `Q`, with small relative error where `Z` itself is near `Y`.
///
/// `Z Q - Y = (Z - Y) + Z (Q - I)`, and `Q - I` by difference has no relative accuracy. With `M = Z^T Y = Q H` and
/// `F = Q - I`, skew parts give `F H - H F^T = M - M^T`; as `F^T = -Q^T F` and `H Q^T = M^T`, that is the Sylvester
/// equation `M^T F + F H = M - M^T`, linear in `F`, whose right-hand side is `E^T Y - Y^T E` with `E = Z - Y`. It is
/// used while `|Q - I|² < 1/2`, where `M^T` and `H` have no opposite eigenvalues; farther away `Z` is another
/// representative, and rounding it has cost as much as the difference does.
pub(crate) fn aligned_difference<'t, T: Scalar>(y: Var<'t, T>, z: Var<'t, T>) -> Var<'t, T> {
    let m = z.t_mul(y);
    let (q, h) = m.polar();
    let eye = y.tape().eye(y.cols());
    let plain = q - eye;
    let near = plain.dot(plain).lt(y.tape().filled(Shape::SCALAR, T::of(0.5)));
    let e = z - y;
    let k = e.t_mul(y);
    let (m, h) = (near.select(m, eye), near.select(h, eye));
    let f = m.t().sylvester(h, near.select(k - k.t(), k.zeros()));
    e.add_mul(1.0, z, near.select(f, plain))
}
