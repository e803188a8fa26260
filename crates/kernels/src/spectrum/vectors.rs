//! Derivatives of chosen vectors: reduced resolvents, and the reverse rule that is made of them.

use num_traits::Float;

use super::{Window, parts, tied};
use crate::gemm::gemm;
use crate::real::{Real, finite, max_abs, symmetrise};
use crate::{Failure, Workspace};

const SECOND: Failure = Failure::NotDifferentiable {
    what: "eigenvectors have no second derivative at a tie; functions of the matrix, its spectral projectors, invariant subspaces and polar factors are smooth there",
};
const BOUNDARY: Failure = Failure::NotDifferentiable {
    what: "an eigenvalue inside coincides with one outside, so there is no such subspace",
};

/// The chosen eigenvectors, or `u` over `v`.
pub(crate) fn vectors<T: Real>(win: Window, handle: &[T], out: &mut [T]) {
    debug_assert_eq!(out.len(), win.rows() * win.len);
    let (u, v, _) = parts(win, handle);
    match win.singular {
        true => join(win.of(u, win.m), win.of(v, win.n), win.m, win.n, out),
        false => out.copy_from_slice(win.of(v, win.n)),
    }
}

/// How the derivative of vectors is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct How {
    /// The window is one subspace: a rotation of its vectors among each other does not count.
    pub(crate) block: bool,
    /// In a first derivative: at a tie it exists for what does not see the basis. In any other one a tie is an error.
    pub(crate) first: bool,
}

/// Column by column `y_i = (x_i - B)^+ z_i`, with the pseudo-inverse blind to values tied with `x_i` (Kato's reduced
/// resolvent). Returns the largest part of `z` that was dropped at a tie, relative to `z`.
pub(crate) fn resolvent<T: Real>(
    win: Window,
    handle: &[T],
    how: How,
    z: &[T],
    out: &mut [T],
    w: &mut Workspace<T>,
) -> Result<T, Failure> {
    debug_assert!(z.len() == win.rows() * win.len && out.len() == z.len());
    finite(z)?;
    let (u, v, x) = parts(win, handle);
    let (m, n, p) = (win.m, win.n, win.len);
    let size = max_abs(z);
    if !win.singular {
        let [c] = w.slices([n * p]);
        gemm(c, n, p, n, T::one(), v, true, z, false, false);
        let defect = shares(win, x, how, c)?;
        gemm(out, n, p, n, T::one(), v, false, c, false, false);
        return Ok(relative(defect, size));
    }
    let [cu, cv, zu, zv] = w.slices([n * p, n * p, m * p, n * p]);
    split(z, m, n, zu, zv);
    let dropped = coordinates(win, handle, how, zu, zv, cu, cv)?;
    let defect = Float::max(dropped, split_shares(win, x, how, cu, cv)?);
    gemm(zu, m, p, n, T::one(), u, false, cu, false, true);
    gemm(zv, n, p, n, T::one(), v, false, cv, false, false);
    join(zu, zv, m, n, out);
    Ok(relative(defect, size))
}

/// `gA` for the cotangent `z` of the vectors: `sym(Y Q^T)`, or `Y_u V^T + U Y_v^T`, for `Y` the reduced resolvent of
/// `z` without what is symmetric in it over the window. Returns the gauge defect, as [`resolvent`] does.
pub(crate) fn pull<T: Real>(
    win: Window,
    handle: &[T],
    how: How,
    z: &[T],
    out: &mut [T],
    w: &mut Workspace<T>,
) -> Result<T, Failure> {
    debug_assert!(z.len() == win.rows() * win.len && out.len() == win.m * win.n);
    finite(z)?;
    let (u, v, x) = parts(win, handle);
    let (m, n, p) = (win.m, win.n, win.len);
    let size = max_abs(z);
    if !win.singular {
        let [c, t, s] = w.slices([n * p, n * p, n * n]);
        gemm(c, n, p, n, T::one(), v, true, z, false, false);
        skew_inside(win, c);
        let defect = shares(win, x, how, c)?;
        gemm(t, n, p, n, T::one(), v, false, c, false, false);
        gemm(s, n, n, p, T::one(), t, false, win.of(v, n), true, false);
        symmetrise(s, n, T::one(), out);
        return Ok(relative(defect, size));
    }
    let [cu, cv, zu, zv] = w.slices([n * p, n * p, m * p, n * p]);
    split(z, m, n, zu, zv);
    let dropped = coordinates(win, handle, how, zu, zv, cu, cv)?;
    skew_inside(win, cu);
    skew_inside(win, cv);
    let defect = Float::max(dropped, split_shares(win, x, how, cu, cv)?);
    if p == n {
        // Both terms in one product: `U (C_u + C_v^T) V^T` and the part outside of `U`.
        for j in 0..n {
            for i in 0..n {
                cu[i + j * n] += cv[j + i * n];
            }
        }
        gemm(zu, m, n, n, T::one(), u, false, cu, false, true);
        gemm(out, m, n, n, T::one(), zu, false, v, true, false);
    } else {
        gemm(zu, m, p, n, T::one(), u, false, cu, false, true);
        gemm(out, m, n, p, T::one(), zu, false, win.of(v, n), true, false);
        gemm(zv, n, p, n, T::one(), v, false, cv, false, false);
        gemm(out, m, n, p, T::one(), win.of(u, m), false, zv, true, true);
    }
    Ok(relative(defect, size))
}

fn relative<T: Real>(defect: T, size: T) -> T {
    if size > T::zero() { defect / size } else { T::zero() }
}

/// Keeps what is skew in the rows and columns of the window; what is symmetric there does not change the result of
/// `pull`.
fn skew_inside<T: Real>(win: Window, c: &mut [T]) {
    let half = T::of(0.5);
    for k in 0..win.len {
        for l in 0..=k {
            let (a, b) = (win.from + l + k * win.n, win.from + k + l * win.n);
            let s = half * (c[a] - c[b]);
            c[a] = s;
            c[b] = -s;
        }
    }
}

/// Divides the coordinates `c_jk` of column `k` by `x_i - x_j`, where `x_i` is the chosen value number `k`; at a tie
/// they are dropped, and the largest of those is returned.
fn shares<T: Real>(win: Window, x: &[T], how: How, c: &mut [T]) -> Result<T, Failure> {
    let tol = tied(win, x);
    let mut dropped = T::zero();
    for k in 0..win.len {
        let i = win.from + k;
        for (j, c) in c[k * win.n..(k + 1) * win.n].iter_mut().enumerate() {
            let gap = x[i] - x[j];
            if j == i || (how.block && win.has(j)) {
                if j != i && how.first {
                    dropped = Float::max(dropped, Float::abs(*c));
                }
                *c = T::zero();
            } else if Float::abs(gap) <= tol {
                dropped = Float::max(dropped, at_tie(how, *c)?);
                *c = T::zero();
            } else {
                *c /= gap;
            }
        }
    }
    Ok(dropped)
}

fn at_tie<T: Real>(how: How, c: T) -> Result<T, Failure> {
    match how {
        How { block: true, .. } => Err(BOUNDARY),
        How { first: false, .. } => Err(SECOND),
        _ => Ok(Float::abs(c)),
    }
}

/// `C_u = U^T Z_u`, `C_v = V^T Z_v`, and column `i` of `Z_u` becomes its part outside of `U`, divided by `s_i`.
fn coordinates<T: Real>(
    win: Window,
    handle: &[T],
    how: How,
    zu: &mut [T],
    zv: &[T],
    cu: &mut [T],
    cv: &mut [T],
) -> Result<T, Failure> {
    let (u, v, x) = parts(win, handle);
    let (m, n, p) = (win.m, win.n, win.len);
    gemm(cu, n, p, m, T::one(), u, true, zu, false, false);
    gemm(cv, n, p, n, T::one(), v, true, zv, false, false);
    if m == n {
        zu.fill(T::zero());
        return Ok(T::zero());
    }
    gemm(zu, m, p, n, -T::one(), u, false, cu, false, true);
    let (tol, mut dropped) = (tied(win, x), T::zero());
    for (k, z) in zu.chunks_exact_mut(m.max(1)).enumerate() {
        let s = x[win.from + k];
        if s <= tol {
            dropped = Float::max(dropped, at_tie(how, max_abs(z))?);
            z.fill(T::zero());
        } else {
            z.iter_mut().for_each(|z| *z /= s);
        }
    }
    Ok(dropped)
}

/// [`shares`] of pairs: the sums of coordinates are divided by `s_i - s_j`, their differences by `s_i + s_j`.
fn split_shares<T: Real>(win: Window, x: &[T], how: How, cu: &mut [T], cv: &mut [T]) -> Result<T, Failure> {
    let (tol, half) = (tied(win, x), T::of(0.5));
    let mut dropped = T::zero();
    for k in 0..win.len {
        let i = win.from + k;
        for j in 0..win.n {
            let (a, b) = (&mut cu[j + k * win.n], &mut cv[j + k * win.n]);
            let (plus, minus) = (half * (*a + *b), half * (*a - *b));
            let (below, above) = (x[i] - x[j], x[i] + x[j]);
            let near = if j == i || (how.block && win.has(j)) {
                if j != i && how.first {
                    dropped = Float::max(dropped, Float::abs(plus));
                }
                T::zero()
            } else if Float::abs(below) <= tol {
                dropped = Float::max(dropped, at_tie(how, plus)?);
                T::zero()
            } else {
                plus / below
            };
            let far = if above <= tol {
                dropped = Float::max(dropped, at_tie(how, minus)?);
                T::zero()
            } else {
                minus / above
            };
            (*a, *b) = (near + far, near - far);
        }
    }
    Ok(dropped)
}

/// `u` over `v` taken apart.
pub(super) fn split<T: Real>(z: &[T], m: usize, n: usize, zu: &mut [T], zv: &mut [T]) {
    for (k, z) in z.chunks_exact((m + n).max(1)).enumerate() {
        zu[k * m..(k + 1) * m].copy_from_slice(&z[..m]);
        zv[k * n..(k + 1) * n].copy_from_slice(&z[m..]);
    }
}

pub(super) fn join<T: Real>(zu: &[T], zv: &[T], m: usize, n: usize, z: &mut [T]) {
    for (k, z) in z.chunks_exact_mut((m + n).max(1)).enumerate() {
        z[..m].copy_from_slice(&zu[k * m..(k + 1) * m]);
        z[m..].copy_from_slice(&zv[k * n..(k + 1) * n]);
    }
}
