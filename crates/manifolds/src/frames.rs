//! Curves in matrices of `n x p` whose columns stay a frame, from matrices of size `p` only: what the Stiefel manifold
//! and the symplectic Stiefel manifold share.
//!
//! In both there is an adjoint `+` of `n x p` matrices, with `X^+ X = I` at every point: `X^+ = X^T`, or
//! `X^+ = J_p^T X^T J_n`. Of `p x p` matrices it is `A^T`, or `J^T A^T J`. A tangent is `V = X A + H` with `A^+ = -A`
//! and `X^+ H = 0`; let `S = H^+ H`, so `S^+ = S`. The `n x n` matrix `W = X A X^+ + H X^+ - X H^+` has `W^+ = -W` and
//! `W X = V`, so `e^W` and the Cayley transform of `W` keep the equation `X^+ X = I`. Neither is formed:
//!
//! **Exponential curves.** `W [X H] = [X H] [[A, -S], [I, 0]]`, so `e^W X = [X H] expm([[A, -S], [I, 0]]) [I; 0]`. With
//! `2 b A` in place of `A` and a factor on the right, which keeps the equation too,
//!
//! `Y = [X H] expm([[2 b A, -S], [I, 0]]) [I; 0] expm((1 - 2 b) A)`
//!
//! is, on the Stiefel manifold, the geodesic of the metric `tr H^T H + b tr A^T A` (Zimmermann & Hüper 2022, where
//! `H = Q R` and the blocks are `-R^T`, `R`: the same, since `diag(I, R)` carries one into the other). The form without
//! `Q` and `R` is an entire function of `V`: it has every derivative where `H` loses rank, at the zero tangent and for
//! `n < 2p`, where a QR factorisation has none. Scaling `H` by `1/s` and `S` by `1/s`, `I` by `s` changes nothing and
//! balances the block matrix; `s` is held fixed in derivatives, as the result does not depend on it. For the symplectic
//! frames and `b = 1` it is the quasi-geodesic of Gao, Son, Absil & Stykel (2021) in this form.
//!
//! **Cayley transform.** `Y = (I - W/2)^{-1} (I + W/2) X = -X + 2 (I - W/2)^{-1} X`. With
//! `(I - W/2)^{-1} X = X a + H b`: the part along `H` gives `b = a/2`, the part along `X` gives `D a = I` with
//! `D = I - A/2 + S/4`, so `Y = -X + (2X + H) D^{-1}`: one `p x p` inverse, where Woodbury's identity would take a
//! `2p x 2p` solve (for the symplectic case Bendokat & Zimmermann 2021). On the Stiefel manifold
//! `D + D^T = 2I + S/2`, so `D` is never singular, and better conditioned than `S`.
//!
//! **Its inverse.** With `M = X^+ Y`, the part of `X + Y` along `X` is `I + M = 2 D^{-1}`, and the rest is
//! `K = Y - X M = H D^{-1}`. So with `N = (I + M)^{-1}`: `H = 2 K N`, and `D = 2N` gives
//! `A = -(D - D^+) = -2 (N - N^+)`.
//!
//! Cost: `8np²` for either curve (and an `expm` of `2p x 2p`, about `100 p³`).

use crate::scalars::Times;
use pullback::{Axis, Scalar, Shape, Var};

/// `[a b; c d]`.
pub(crate) fn blocks<'t, T: Scalar>(rows: &[&[Var<'t, T>]]) -> Var<'t, T> {
    let rows: Vec<Var<'t, T>> = rows.iter().map(|r| Var::concat(r, Axis::Cols)).collect();
    Var::concat(&rows, Axis::Rows)
}

/// `0` and `I` of the size and the batch of `a`.
pub(crate) fn zero_and_one<'t, T: Scalar>(a: Var<'t, T>) -> (Var<'t, T>, Var<'t, T>) {
    let s = a.shape();
    let zero = a.tape().filled(Shape::batch(s.batch, s.rows, s.rows), T::zero());
    (zero, zero + a.tape().eye(s.rows))
}

/// A tangent in its frame: see the head of the file.
#[derive(Clone, Copy)]
pub(crate) struct Frame<'t, T: Scalar> {
    pub(crate) x: Var<'t, T>,
    pub(crate) a: Var<'t, T>,
    pub(crate) h: Var<'t, T>,
    pub(crate) s: Var<'t, T>,
}

/// The exponential curve of the parameter `b` at time 1.
pub(crate) fn exponential<'t, T: Scalar>(f: Frame<'t, T>, b: f64) -> Var<'t, T> {
    let p = f.a.rows();
    let (zero, one) = zero_and_one(f.a);
    let size = f.s.dot(f.s).plus(1.0).powf(0.25).stop_gradient();
    let big = blocks(&[&[f.a.times(2.0 * b), -f.s.elem_div(size)], &[one.hadamard(size), zero]]);
    let e = big.expm();
    let y = (f.x * e.slice(0, 0, p, p)).add_mul(1.0, f.h, e.slice(p, 0, p, p).elem_div(size));
    match b == 0.5 {
        true => y,
        false => y * f.a.times(1.0 - 2.0 * b).expm(),
    }
}

/// The Cayley transform of the tangent.
pub(crate) fn cayley<'t, T: Scalar>(f: Frame<'t, T>) -> Var<'t, T> {
    let (_, one) = zero_and_one(f.a);
    let d = (one + f.a.lincomb(-0.5, f.s, 0.25)).inverse();
    (f.x * (d.lincomb(2.0, one, -1.0))).add_mul(1.0, f.h, d)
}

/// The tangent whose Cayley transform is `Y`, from `M - I = X^+ (Y - X)` and `K = Y - X M`; `adjoint` is that of
/// `p x p` matrices.
pub(crate) fn inverse_cayley<'t, T: Scalar>(
    x: Var<'t, T>,
    m1: Var<'t, T>,
    k: Var<'t, T>,
    adjoint: impl Fn(Var<'t, T>) -> Var<'t, T>,
) -> Var<'t, T> {
    let (_, one) = zero_and_one(m1);
    let n = m1.lincomb(1.0, one, 2.0).inverse();
    (x * n.lincomb(-2.0, adjoint(n), 2.0)).add_mul(2.0, k, n)
}
