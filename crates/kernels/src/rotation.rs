//! Rotations of space from rotation vectors, and their left Jacobians: values, tangents and cotangents of a whole
//! batch. The functions of the angle are in `stumpff.rs`; logarithms are compositions of the engine.
//!
//! Let `W = hat(w)` and `t = |w|^2`. Since `W^3 = -t W`, the sum `phi_m(W) = sum_j W^j / (j + m)!` is
//! `I/m! + c_{m+1}(t) W + c_{m+2}(t) W^2`. It is the rotation `exp(W)` for `m = 0` and its left Jacobian for `m = 1`.
//! With `W^2 = w w^T - t I` and `t c_{m+2} = 1/m! - c_m`, and `a, b, c` for `c_m, c_{m+1}, c_{m+2}` at `t`:
//!
//! `phi = a I + b hat(w) + c w w^T`.
//!
//! *Tangent.* `dt = 2 <w, dw>`, and
//! `dphi = a' dt I + hat(b' dt w + b dw) + c' dt w w^T + c (dw w^T + w dw^T)`.
//!
//! *Cotangent.* With `h(G) = (G_32 - G_23, G_13 - G_31, G_21 - G_12)`, for which `<G, hat(v)> = <h(G), v>`:
//! `gw = b h(G) + c (G + G^T) w + 2 gt w` with `gt = a' tr G + b' <w, h(G)> + c' <w, G w>`.
//!
//! The value computes the diagonal as `1/m! - c (t - w_i^2)`, which is right to rounding of its distance from `I/m!`.
//! Arithmetic is in double precision for either scalar. Cost: about 100 operations a member, without a branch.
//! Source: Rodrigues 1840; derived here.

use crate::field::{DualNumber, Field, WithTangent};
use crate::real::{Real, finite};
use crate::stumpff::{LANES, Lanes, abreast};
use crate::{Failure, Scalar};

type Vector = [f64; 3];
type Matrix = [f64; 9];

/// A failure, and the member that it belongs to.
type Found = Result<(), (usize, Failure)>;

fn dot(a: Vector, b: Vector) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn doubles<T: Real, const N: usize>(x: &[T]) -> [f64; N] {
    std::array::from_fn(|i| Scalar::f64(x[i]))
}

fn store<T: Real, const N: usize>(x: [f64; N], out: &mut [T]) {
    out.iter_mut().zip(x).for_each(|(out, x)| *out = T::of(x));
}

/// Calls `f(member, w, [c_m, .., c_{m+N-1}])` for every member, eight members at a time.
#[inline(always)]
fn each<T: Real, const N: usize>(m: usize, w: &[T], mut f: impl FnMut(usize, Vector, [f64; N])) {
    for (block, w) in w.chunks(3 * LANES).enumerate() {
        let mut vectors = [[0.0; 3]; LANES];
        vectors.iter_mut().zip(w.chunks_exact(3)).for_each(|(v, w)| *v = doubles(w));
        let t: Lanes = vectors.map(|w| dot(w, w));
        let c: [Lanes; N] = abreast(m, &t);
        for l in 0..w.len() / 3 {
            f(block * LANES + l, vectors[l], std::array::from_fn(|i| c[i][l]));
        }
    }
}

/// `c_m', .., c_{m+K-1}'` from `c_m, .., c_{m+N-1}`, for `N >= K + 2`.
#[inline(always)]
fn slopes<const N: usize, const K: usize>(m: usize, c: &[f64; N]) -> [f64; K] {
    std::array::from_fn(|i| 0.5 * ((m + i) as f64 * c[i + 2] - c[i + 1]))
}

/// Finite vectors whose squares are finite too.
fn check<T: Real>(w: &[T]) -> Found {
    if w.chunks_exact(3).fold(true, |all, w| {
        let w = doubles(w);
        all & dot(w, w).is_finite()
    }) {
        return Ok(());
    }
    for (member, w) in w.chunks_exact(3).enumerate() {
        finite(w).map_err(|failure| (member, failure))?;
        let w = doubles(w);
        if !dot(w, w).is_finite() {
            return Err((member, Failure::Overflow { what: "the square of an angle of rotation" }));
        }
    }
    Ok(())
}

/// `phi_m(hat(w))` of each of a batch of vectors, for `m <= 1`, for which `1/m!` is 1.
pub(crate) fn value<T: Real>(m: usize, w: &[T], phi: &mut [T]) -> Found {
    debug_assert!(m <= 1 && phi.len() == 3 * w.len());
    check(w)?;
    each(m + 1, w, |k, w, [b, c]: [f64; 2]| {
        let ([x, y, z], [bx, by, bz]) = (w, w.map(|w| b * w));
        let (xx, yy, zz) = (c * x * x, c * y * y, c * z * z);
        let (xy, xz, yz) = (c * x * y, c * x * z, c * y * z);
        let phi = &mut phi[9 * k..9 * k + 9];
        let diagonal = [1.0 - (yy + zz), 1.0 - (xx + zz), 1.0 - (xx + yy)];
        store(assembled(diagonal, [bx, by, bz], [yz, xz, xy]), phi);
    });
    Ok(())
}

/// The tangent of [`value`] along `dw`.
pub(crate) fn push<T: Real>(m: usize, w: &[T], dw: &[T], dphi: &mut [T]) {
    debug_assert!(m <= 1 && w.len() == dw.len() && dphi.len() == 3 * w.len());
    each(m, w, |k, w, c: [f64; 5]| {
        let dw: Vector = doubles(&dw[3 * k..3 * k + 3]);
        let dt = 2.0 * dot(w, dw);
        let [da, db, dc] = slopes::<5, 3>(m, &c).map(|slope| slope * dt);
        let (b, c) = (c[1], c[2]);
        let entry = |i: usize, j: usize| dc * w[i] * w[j] + c * (dw[i] * w[j] + w[i] * dw[j]);
        let diagonal = std::array::from_fn(|i| da + entry(i, i));
        let skew = std::array::from_fn(|i| db * w[i] + b * dw[i]);
        store(assembled(diagonal, skew, [entry(1, 2), entry(0, 2), entry(0, 1)]), &mut dphi[9 * k..9 * k + 9]);
    });
}

/// The cotangent of `w` under [`value`], from `g`, that of `phi`.
pub(crate) fn pull<T: Real>(m: usize, w: &[T], g: &[T], gw: &mut [T]) {
    debug_assert!(m <= 1 && w.len() == gw.len() && g.len() == 3 * w.len());
    each(m, w, |k, w, c: [f64; 5]| {
        let g: Matrix = doubles(&g[9 * k..9 * k + 9]);
        store(cotangent(w, g, coefficients(m, &c)), &mut gw[3 * k..3 * k + 3]);
    });
}

/// [`pull`] and its tangent, where `w` and `g` may have tangents: the same arithmetic in dual numbers.
pub(crate) fn pull_pairs<T: Real>(
    m: usize,
    (w, dw): WithTangent<'_, T>,
    (g, dg): WithTangent<'_, T>,
    (gw, dgw): (&mut [T], &mut [T]),
) {
    debug_assert!(m <= 1 && w.len() == gw.len() && w.len() == dgw.len() && g.len() == 3 * w.len());
    each(m, w, |k, w, c: [f64; 7]| {
        let dw = dw.map_or([0.0; 3], |dw| doubles(&dw[3 * k..3 * k + 3]));
        let dg = dg.map_or([0.0; 9], |dg| doubles(&dg[9 * k..9 * k + 9]));
        let dt = 2.0 * dot(w, dw);
        // Coefficients are linear in the functions, so their derivatives are the coefficients of the derivatives.
        let (all, moved) = (coefficients(m, &c), coefficients(m, &slopes::<7, 5>(m, &c)).map(|d| d * dt));
        let out = cotangent(duals(w, dw), duals(doubles(&g[9 * k..9 * k + 9]), dg), duals(all, moved));
        store(out.map(|x| x.re), &mut gw[3 * k..3 * k + 3]);
        store(out.map(|x| x.du), &mut dgw[3 * k..3 * k + 3]);
    });
}

fn duals<const N: usize>(re: [f64; N], du: [f64; N]) -> [DualNumber<f64>; N] {
    std::array::from_fn(|i| DualNumber { re: re[i], du: du[i] })
}

/// `[b, c, 2a', 2b', c']` from `c_m, .., c_{m+4}`, and perhaps more.
#[inline(always)]
fn coefficients<const N: usize>(m: usize, c: &[f64; N]) -> [f64; 5] {
    let [da, db, dc] = slopes::<N, 3>(m, c);
    [c[1], c[2], 2.0 * da, 2.0 * db, dc]
}

/// `gw`, with `s = (G + G^T) w`, for which `<w, s> = 2 <w, G w>`.
#[inline(always)]
fn cotangent<F: Field>(w: [F; 3], g: [F; 9], [b, c, da, db, dc]: [F; 5]) -> [F; 3] {
    let h = [g[5] - g[7], g[6] - g[2], g[1] - g[3]];
    let (xy, xz, yz) = (g[1] + g[3], g[2] + g[6], g[5] + g[7]);
    let [x, y, z] = w;
    let s =
        [(g[0] + g[0]) * x + xy * y + xz * z, xy * x + (g[4] + g[4]) * y + yz * z, xz * x + yz * y + (g[8] + g[8]) * z];
    let inner = |a: [F; 3]| x * a[0] + y * a[1] + z * a[2];
    // Twice the cotangent of `t`.
    let gt = da * (g[0] + g[4] + g[8]) + db * inner(h) + dc * inner(s);
    std::array::from_fn(|i| b * h[i] + c * s[i] + gt * w[i])
}

/// The matrix with a diagonal, the skew part `hat(v)` and the symmetric part whose entries are `[yz, xz, xy]`.
#[inline(always)]
fn assembled(d: Vector, v: Vector, [yz, xz, xy]: Vector) -> Matrix {
    [d[0], xy + v[2], xz - v[1], xy - v[2], d[1], yz + v[0], xz + v[1], yz - v[0], d[2]]
}
