//! The inverses of the retractions of the Stiefel manifold by QR, polar and Cayley factors. With `M = X^T Y`, the
//! tangent is `V = Y R - X` for the factor `R` that the retraction split off, and `sym(X^T V) = 0` reads
//! `M R + R^T M^T = 2 I`.
//!
//! Where the points nearly agree, `Y R - X` is taken as `(Y - X) + Y (R - I)`.

use crate::frames::{self, zero_and_one};
use crate::scalars::Times;
use pullback::{Axis, Scalar, Shape, Var};

/// `R` symmetric: a Lyapunov equation (Kaneko, Fiori & Tanaka 2013). The retraction has `R^2 = I + V^T V`,
/// positive definite. Cost 4np² and a Schur form of `p x p`.
pub(crate) fn inverse_polar<'t, T: Scalar>(x: Var<'t, T>, y: Var<'t, T>) -> Var<'t, T> {
    let m = x.t_mul(y);
    let (_, one) = zero_and_one(m);
    // R = I + E with M E + E M^T = 2I - M - M^T, which is small where the points are near.
    let near = x.t_mul(y - x).sym().times(-2.0);
    let e = m.lyapunov(near);
    let reached = (one + e).stop_gradient().eigvalsh();
    (y - x).add_mul(1.0, y, e).where_positive(
        reached,
        "y is reached by the polar retraction: X^T Y S + S Y^T X = 2I has a positive definite S",
    )
}

/// `R` upper triangular with a positive diagonal, column by column: with the leading block `M_j` of size `j + 1` and
/// the columns found before, rows `i < j` read `(M r_j)_i = -(r_i . m_j)`, where `m_j` is row `j` of `M`, and row `j`
/// reads `m_j . r_j = 1` (Kaneko, Fiori & Tanaka 2013). Cost 4np² + p⁴/6.
pub(crate) fn inverse_qr<'t, T: Scalar>(x: Var<'t, T>, y: Var<'t, T>) -> Var<'t, T> {
    let m = x.t_mul(y);
    let (p, batch) = (m.rows(), m.shape().batch);
    let mut columns: Vec<Var<'t, T>> = Vec::with_capacity(p);
    for j in 0..p {
        let row = m.slice(j, 0, 1, p);
        let mut rhs: Vec<Var<'t, T>> = columns.iter().map(|r| -(row * *r)).collect();
        rhs.push(x.tape().filled(Shape::batch(batch, 1, 1), T::one()));
        let r = m.slice(0, 0, j + 1, j + 1).solve(Var::concat(&rhs, Axis::Rows));
        let below = x.tape().filled(Shape::batch(batch, p - j - 1, 1), T::zero());
        columns.push(if j + 1 < p { Var::concat(&[r, below], Axis::Rows) } else { r });
    }
    let r = Var::concat(&columns, Axis::Cols);
    let (_, one) = zero_and_one(m);
    let v = (y - x).add_mul(1.0, y, r - one);
    v.where_positive(r.diag(), "y is reached by the QR retraction: the triangular factor has a positive diagonal")
}

/// See `frames.rs`. Fails where `I + X^T Y` is singular. Cost 6np² + 2p³.
pub(crate) fn inverse_cayley<'t, T: Scalar>(x: Var<'t, T>, y: Var<'t, T>) -> Var<'t, T> {
    let d = y - x;
    let m1 = x.t_mul(d);
    frames::inverse_cayley(x, m1, d.add_mul(-1.0, x, m1), |n| n.t())
}
