//! Matrices of `n` rows, `m` columns and rank `k`, with the metric of the space of all `n x m` matrices (Vandereycken,
//! *Low-rank matrix completion by Riemannian optimization*, 2013). Nothing of size `n x m` is formed.
//!
//! **Points.** `X = U S V^T` with orthonormal `U` (`n x k`), `V` (`m x k`) and any regular `S` (`k x k`): not a
//! singular value decomposition, which has no derivative where singular values coincide. `(U Q, Q^T S R, V R)` is the
//! same point.
//!
//! **Tangents** are velocities `(dU, dS, dV)` of the three factors with `U^T dU = 0`, `V^T dV = 0`, as engine and
//! solvers use them. Vandereycken's are `M = dS`, `U_p = dU S`, `V_p = dV S^T`: the tangent matrix is
//! `Z = U M V^T + U_p V^T + U V_p^T`, three orthogonal parts, so `|Z|² = |M|² + |U_p|² + |V_p|²`.
//!
//! **Gradients** are derivatives by the factors of the cost as a function of `U S V^T` (its derivative `G` by the
//! matrix may be sparse or never formed): `g_U = G V S^T`, `g_S = U^T G V`, `g_V = G^T U S`. So `G V = g_U S^-T` and
//! `G^T U = g_V S^-1` are known. The Riemannian gradient has `M = g_S`, `U_p = (I - U U^T) G V`,
//! `V_p = (I - V V^T) G^T U`; 8(n + m)k².
//!
//! **Hessian** along `(dU, dS, dV)`, from the derivatives `h_U, h_S, h_V` of those by the engine: with `dG V` for the
//! derivative of `G` alone, it has `M = U^T dG V`, `U_p = (I - U U^T)(dG V + G dV)`,
//! `V_p = (I - V V^T)(dG^T U + G^T dU)` (Vandereycken, proposition 2.3). Differentiating the three products,
//! `h_U = (dG V + G dV) S^T + G V dS^T`, `h_V = (dG^T U + G^T dU) S + G^T U dS`,
//! `h_S = U^T dG V + dU^T G V + U^T G dV`, so `U_p = (I - U U^T)(h_U - (G V) dS^T) S^-T`,
//! `V_p = (I - V V^T)(h_V - (G^T U) dS) S^-1`, `M = h_S - dU^T (G V) - (G^T U)^T dV`; 14(n + m)k².
//!
//! **Retractions** of second order (Absil & Oseledets, *Low-rank retractions: a survey and new results*, 2015). With
//! `A = S + M`, `a = U_p^T U_p`, `b = V_p^T V_p`:
//!
//! - *orthographic*: the matrix of rank `k` whose difference from `X + Z` is normal at `X`. It is `L A R^T` with
//!   `L = U + U_p A^-1`, `R = V + V_p A^-T`; `A` must be regular. Its inverse is the projection of `Y - X`;
//! - *projective*: the matrix of rank `k` nearest to `X + Z`, what others find by QR of `[U U_p]` and `[V V_p]` and a
//!   singular value decomposition of order `2k`; neither factorisation has a derivative at `U_p = 0`. Here: the wanted
//!   singular subspaces are spanned by `L = U + U_p E`, `R = V + V_p F`. From `(X + Z) R = L C`, `(X + Z)^T L = R D`
//!   and the parts of both along `U, U_p, V, V_p`: `E = C^-1`, `F = D^-1` and `C = A + b D^-1`, `D = A^T + a C^-1`,
//!   where only products of matrices appear. (The orthographic retraction is the first iterate, `C = A`.) The values of
//!   `C` and `D` come from a decomposition of order `2k`; three Newton steps, of a Stein equation each, remove its
//!   rounding and have all derivatives up to the seventh, whatever singular values coincide among the first `k`:
//!   only the gap to the rest matters. It must exist, and the new subspaces must not be orthogonal to the old ones.
//!
//! With polar factors `L = U_+ H`, `R = V_+ K`, which have their derivatives at repeated singular values too,
//! `S_+ = H C K^-1` (orthographic: `H A K`). 12(n + m)k² and 100k³ (projective 2000k³).
//!
//! **Transport**: projection at the new point, `O((n + m)k²)`; it sees points and matrices, not representatives.
//! Exponential, logarithm, distance and parallel transport have no closed form.

use crate::scalars::Times;
use crate::{Another, Egrad, Manifold, Parts, Result, Rgrad, Shapes, gaussian, residuals, verdicts};
use pullback::{Axis, Batch, Scalar, Shape, Tape, Var};
use rand::Rng;
use smallvec::smallvec;

/// Newton steps of the projective retraction, with derivatives.
const NEWTON: usize = 3;

/// The retractions of [`FixedRank`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum FixedRankRetraction {
    /// The nearest matrix of rank `k`. The default.
    #[default]
    Projective,
    /// The matrix of rank `k` that differs by a normal vector: cheaper, with an inverse, and a smaller domain.
    Orthographic,
}

/// `n x m` matrices of rank `k`, as `U S V^T`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FixedRank {
    n: usize,
    m: usize,
    k: usize,
    retraction: FixedRankRetraction,
}

impl FixedRank {
    /// Matrices of `n` rows, `m` columns and rank `k`.
    ///
    /// # Panics
    /// If `k = 0`, `k > n` or `k > m`.
    #[track_caller]
    pub fn new(n: usize, m: usize, k: usize) -> Self {
        let exists = 0 < k && k <= n.min(m);
        assert!(
            exists,
            "FixedRank: expected 0 < k <= min(n, m) for n x m matrices of rank k, got n = {n}, m = {m}, k = {k}"
        );
        FixedRank { n, m, k, retraction: FixedRankRetraction::default() }
    }

    /// The same space with another retraction.
    #[must_use]
    pub fn with(self, retraction: FixedRankRetraction) -> Self {
        FixedRank { retraction, ..self }
    }

    /// `(M, U_p, V_p)` of a tangent `(dU, dS, dV)`, in the notation of the literature.
    #[track_caller]
    #[must_use]
    pub fn factored<'t, T: Scalar>(
        &self,
        x: (Var<'t, T>, Var<'t, T>, Var<'t, T>),
        v: (Var<'t, T>, Var<'t, T>, Var<'t, T>),
    ) -> (Var<'t, T>, Var<'t, T>, Var<'t, T>) {
        (v.1, v.0 * x.1, v.2.mul_t(x.1))
    }
}

pullback_geometry::words!(FixedRank);

/// The three matrices of a point or tangent.
#[track_caller]
fn three<A: Copy>(parts: &[A]) -> (A, A, A) {
    assert_eq!(parts.len(), 3, "expected a point of three matrices, U, S and V, got {}", parts.len());
    (parts[0], parts[1], parts[2])
}

/// `Z - U U^T Z`
fn off<'t, T: Scalar>(u: Var<'t, T>, z: Var<'t, T>) -> Var<'t, T> {
    z.add_mul(-1.0, u, u.t_mul(z))
}

/// `Z S^-1` and `Z S^-T`, by solving with `S`.
struct Right<'t, T: Scalar>(pullback::Lu<'t, T>);

impl<'t, T: Scalar> Right<'t, T> {
    fn divide(&self, z: Var<'t, T>) -> Var<'t, T> {
        self.0.solve_transpose(z.t()).t()
    }
    fn divide_transposed(&self, z: Var<'t, T>) -> Var<'t, T> {
        self.0.solve(z.t()).t()
    }
}

/// The velocities `(dU, dS, dV)` of the tangent `(M, U_p, V_p)`, whose parts along `U` and `V` are taken off first.
fn velocities<'t, T: Scalar>(
    (u, s, v): (Var<'t, T>, Var<'t, T>, Var<'t, T>),
    m: Var<'t, T>,
    up: Var<'t, T>,
    vp: Var<'t, T>,
) -> Parts<'t, T> {
    let right = Right(s.lu());
    [right.divide(off(u, up)), m, right.divide_transposed(off(v, vp))].into_iter().collect()
}

/// `F` with `F^T F = Z^T Z` for a tall `Z` of any rank, on numbers that are not differentiated: good to half of the
/// digits where singular values are small.
fn gram_root<T: Scalar>(gram: Var<'_, T>) -> Var<'_, T> {
    let (l, w) = gram.stop_gradient().eigh();
    let l = l.stop_gradient();
    (w.stop_gradient() * l.max(l.zeros()).sqrt().to_diag()).t()
}

/// Values of `C` and `D` of the head of this file, from singular vectors.
fn start<'t, T: Scalar>(a: Var<'t, T>, left: Var<'t, T>, right: Var<'t, T>) -> (Var<'t, T>, Var<'t, T>) {
    let k = a.rows();
    let (p, q) = (gram_root(left), gram_root(right));
    let a = a.stop_gradient();
    let rows = [Var::concat(&[a, q.t()], Axis::Cols), Var::concat(&[p, a.zeros()], Axis::Cols)];
    let (x, sigma, y) = Var::concat(&rows, Axis::Rows).svd_truncated(k);
    let [x, y] = [x, y].map(|z| z.row_range(0, k).stop_gradient());
    let sigma = sigma.stop_gradient().to_diag();
    // C = x sigma y^-1 and D = y sigma x^-1.
    let over = |z: Var<'t, T>, by: Var<'t, T>| by.lu().solve_transpose((z * sigma).t()).t();
    (over(x, y), over(y, x))
}

/// One Newton step for `C = A + b D^-1`, `D = A^T + a C^-1`. With `f = C - A - b D^-1`, `g = D - A^T - a C^-1`,
/// `P = b D^-1` and `Q = a C^-1`: `dC + P dD D^-1 = -f`, `dD + Q dC C^-1 = -g`, so
/// `dC - (P Q) dC (D C)^-1 = -f + P g D^-1`.
fn newton<'t, T: Scalar>(
    a: Var<'t, T>,
    (left, right): (Var<'t, T>, Var<'t, T>),
    (c, d): (Var<'t, T>, Var<'t, T>),
) -> (Var<'t, T>, Var<'t, T>) {
    let (over_c, over_d) = (Right(c.lu()), Right(d.lu()));
    let (p, q) = (over_d.divide(right), over_c.divide(left));
    let (f, g) = (c - a - p, d - a.t() - q);
    // (D C)^-1 = C^-1 D^-1
    let inverse = over_c.0.solve(over_d.divide(c.tape().eye(c.rows())));
    let dc = (p * q).stein(inverse, over_d.divide(p * g) - f);
    let dd = (g + q * over_c.divide(dc)).times(-1.0);
    (c + dc, d + dd)
}

impl FixedRank {
    fn retracted<'t, T: Scalar>(&self, x: &[Var<'t, T>], z: &[Var<'t, T>]) -> Parts<'t, T> {
        let ((u, s, v), (du, ds, dv)) = (three(x), three(z));
        let (a, up, vp) = (s + ds, du * s, dv.mul_t(s));
        let projective = self.retraction == FixedRankRetraction::Projective;
        let (c, d) = if projective {
            let grams = (up.t_mul(up), vp.t_mul(vp));
            (0..NEWTON).fold(start(a, grams.0, grams.1), |cd, _| newton(a, grams, cd))
        } else {
            (a, a.t())
        };
        let l = u + Right(c.lu()).divide(up);
        let r = v + Right(d.lu()).divide(vp);
        let ((u, left), (v, right)) = (l.polar(), r.polar());
        let core = left * c;
        let core = if projective { right.spd().solve(core.t()).t() } else { core * right };
        [u, core, v].into_iter().collect()
    }
}

impl<T: Scalar> Manifold<T> for FixedRank {
    fn name(&self) -> String {
        format!("FixedRank({}x{}, {})", self.n, self.m, self.k)
    }
    fn shapes(&self) -> Shapes {
        smallvec![Shape::mat(self.n, self.k), Shape::mat(self.k, self.k), Shape::mat(self.m, self.k)]
    }
    fn dim(&self) -> usize {
        (self.n + self.m - self.k) * self.k
    }
    fn inner<'t>(&self, x: &[Var<'t, T>], u: &[Var<'t, T>], v: &[Var<'t, T>]) -> Var<'t, T> {
        let (_, s, _) = three(x);
        let ((a, b, c), (d, e, f)) = (three(u), three(v));
        b.dot(e) + (a * s).dot(d * s) + c.mul_t(s).dot(f.mul_t(s))
    }
    fn project<'t>(&self, x: &[Var<'t, T>], z: &[Var<'t, T>]) -> Parts<'t, T> {
        let ((u, _, v), (du, ds, dv)) = (three(x), three(z));
        [off(u, du), ds, off(v, dv)].into_iter().collect()
    }
    fn egrad_to_rgrad<'t>(&self, x: &[Var<'t, T>], g: Egrad<&[Var<'t, T>]>) -> Rgrad<Parts<'t, T>> {
        let (x, (gu, gs, gv)) = (three(x), three(g.0));
        let right = Right(x.1.lu());
        Rgrad(velocities(x, gs, right.divide_transposed(gu), right.divide(gv)))
    }
    fn ehess_to_rhess<'t>(
        &self,
        x: &[Var<'t, T>],
        g: Egrad<&[Var<'t, T>]>,
        h: &[Var<'t, T>],
        z: &[Var<'t, T>],
    ) -> Parts<'t, T> {
        let (x, (gu, _, gv), (hu, hs, hv), (du, ds, dv)) = (three(x), three(g.0), three(h), three(z));
        let right = Right(x.1.lu());
        let (gv_u, gu_v) = (right.divide(gv), right.divide_transposed(gu));
        let m = hs.add_mul(-1.0, du.t(), gu_v).add_mul(-1.0, gv_u.t(), dv);
        let up = right.divide_transposed(hu.add_mul(-1.0, gu_v, ds.t()));
        let vp = right.divide(hv.add_mul(-1.0, gv_u, ds));
        velocities(x, m, up, vp)
    }
    fn retract<'t>(&self, x: &[Var<'t, T>], v: &[Var<'t, T>]) -> Parts<'t, T> {
        self.retracted(x, v)
    }
    fn retraction_order(&self) -> usize {
        2
    }
    /// Of the orthographic retraction: the projection of `Y - X`.
    fn inverse_retract<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        if self.retraction != FixedRankRetraction::Orthographic {
            return None;
        }
        let ((u, s, v), (u2, s2, v2)) = (three(x), three(y));
        let (yv, yu) = (u2 * (s2 * v2.t_mul(v)), v2 * s2.t_mul(u2.t_mul(u)));
        Some(velocities((u, s, v), u.t_mul(yv) - s, yv, yu))
    }
    fn transport<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>], z: &[Var<'t, T>]) -> Parts<'t, T> {
        let ((u, s, v), (u2, s2, v2), (du, ds, dv)) = (three(x), three(y), three(z));
        // Z V2 and Z^T U2, with Z = dU S V^T + U dS V^T + U S dV^T.
        let (vv, uu) = (v.t_mul(v2), u.t_mul(u2));
        let zv = (du * s + u * ds) * vv + u * (s * dv.t_mul(v2));
        let zu = (dv.mul_t(s) + v.mul_t(ds)) * uu + v * s.t_mul(du.t_mul(u2));
        velocities((u2, s2, v2), u2.t_mul(zv), zv, zu)
    }
    /// Orthonormal `U` and `V` by their polar factors, with the other factors in `S`.
    fn reproject<'t>(&self, x: &[Var<'t, T>]) -> Parts<'t, T> {
        let (u, s, v) = three(x);
        let ((u, left), (v, right)) = (u.polar(), v.polar());
        [u, left * s * right, v].into_iter().collect()
    }
    /// Uniform subspaces, and singular values between 1 and 3 in random directions.
    fn random_point(&self, batch: usize, rng: &mut dyn Rng) -> Vec<Batch<T>> {
        let tape = Tape::plain();
        let mut basis = |n: usize| tape.constant(&gaussian::<T>(Shape::batch(batch, n, self.k), rng)).qr().0;
        let (u, v, q, r) = (basis(self.n), basis(self.m), basis(self.k), basis(self.k));
        let sigma = tape.constant(&gaussian::<T>(Shape::batch(batch, self.k, 1), rng)).tanh().plus(2.0);
        vec![u.value(), (q * sigma.to_diag()).mul_t(r).value(), v.value()]
    }
    fn check_point(&self, x: &[Batch<T>]) -> Result<()> {
        let name = || Manifold::<T>::name(self);
        residuals::shapes(&name, &Manifold::<T>::shapes(self), x)?;
        let equations = [(0, "U^T U = I", self.n), (2, "V^T V = I", self.m)];
        for (part, equation, n) in equations {
            let off = residuals::gram_residual(&x[part], &x[part], 1.0);
            residuals::point_equation(&name, equation, &off, |_| residuals::tolerance::<T>(n))?;
        }
        verdicts::full_rank(self, "S is regular", &x[1])
    }
    fn check_tangent(&self, x: &[Batch<T>], z: &[Batch<T>]) -> Result<()> {
        let name = || Manifold::<T>::name(self);
        for l in [x, z] {
            residuals::shapes(&name, &Manifold::<T>::shapes(self), l)?;
        }
        for (part, equation, n) in [(0, "U^T U' = 0", self.n), (2, "V^T V' = 0", self.m)] {
            let off = residuals::gram_residual(&x[part], &z[part], 0.0);
            residuals::tangent_equation(&name, equation, &off, |b| {
                residuals::tolerance::<T>(n) * (1.0 + residuals::largest(&z[part], b))
            })?;
        }
        Ok(())
    }
    /// `|Y - X|²` as `|U^T (Y - X)|² + |(I - U U^T) Y|²`.
    fn apart<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Var<'t, T> {
        let ((u, s, v), (u2, s2, v2)) = (three(x), three(y));
        let inside = (u.t_mul(u2) * s2).mul_t(v2) - s.mul_t(v);
        let outside = off(u, u2) * s2;
        inside.dot(inside).sum() + outside.dot(outside).sum()
    }
    /// Other factors of the same matrix.
    fn another(&self, x: &[Batch<T>], tangents: &[Vec<Batch<T>>], rng: &mut dyn Rng) -> Option<Another<T>> {
        let tape = Tape::plain();
        let mut orthogonal = || tape.constant(&gaussian::<T>(Shape::mat(self.k, self.k), rng)).qr().0;
        let (q, r) = (orthogonal(), orthogonal());
        let turned = |l: &[Batch<T>]| {
            let [u, s, v] = [0, 1, 2].map(|i| tape.constant(&l[i]));
            vec![(u * q).value(), (q.t_mul(s) * r).value(), (v * r).value()]
        };
        Some((turned(x), tangents.iter().map(|z| turned(z)).collect()))
    }
    /// A polynomial of the matrix.
    fn cost<'t>(&self, x: &[Var<'t, T>], rng: &mut dyn Rng) -> Var<'t, T> {
        let (u, s, v) = three(x);
        let y = (u * s).mul_t(v);
        let mut one = || y.tape().constant(&gaussian::<T>(Shape::mat(self.n, self.m), rng));
        let (a, b, c) = (one(), one(), one());
        let square = y.hadamard(y);
        (y.hadamard(a) + square.hadamard(b) + square.hadamard(y).hadamard(c)).sum()
    }
}
