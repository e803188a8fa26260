//! All values and vectors of a decomposition at once, where none are tied: their tangents, the cotangent of the matrix,
//! and the derivative of that cotangent along a direction, each from one set of products. What is chosen or tied, and
//! what is differentiated a third time, is served by `values.rs`, `weighted.rs` and `vectors.rs`, one family at a time.
//!
//! Write `D` for division by `x_j - x_i`, `S` for division by `x_i + x_j`, entry by entry and zero on the diagonal, and
//! `skew(C) = (C - C^T)/2`.
//!
//! - eigenvectors, push: `P = V^T sym(E) V`, `dx = diag P`, `dV = V D(P)`;
//! - pull: `N = D(skew(V^T gV)) + diag(gx)`, `gA = V N V^T`;
//! - singular vectors, push: `P = U^T E V`, `dx = diag P`, `H = D(sym P)`, `K = S(skew P)`, `dV = V (H - K)`, and
//!   `dU = U (H + K) + (E V - U P)/x`, column by column;
//! - pull: with `a = skew(U^T gU)` and `b = skew(V^T gV)`, `M = D(a + b) + S(a - b) + diag(gx)` and
//!   `Y = U M + (gU - U U^T gU)/x`, `gA = Y V^T`.
//!
//! The last terms of `dU` and `Y` vanish where `U` is square. Both pulls are products and quotients, and their
//! derivatives are those of products (`d(Y V^T) = dY V^T + Y dV^T`) and of quotients (the loops over entries, in dual
//! numbers), where `dU`, `dV` and `dx` are what the push gave. No resolvent is formed.
//!
//! Products of `n x n` matrices (singular, square): push 3 (4), pull 3 (4), the derivative of the pull 5 (9), and 1 (2)
//! more for a cotangent that moves; the pull itself beside it 2 (1).
//! Sources: those of the formulas in `vectors.rs`; Giles 2008 and Wan & Zhang 2019 for first orders.

use num_traits::Float;

use super::vectors::{join, split};
use super::{Window, parts, tied};
use crate::field::{Columns, ColumnsMut, Field, WithTangent};
use crate::gemm::gemm;
use crate::real::{Real, finite, max_abs, symmetrise};
use crate::tolerances::near_tie;
use crate::{Failure, Workspace};

/// Are all values chosen, none tied with another, and none, as a singular value, 0? With `near`, nor nearly tied.
pub(crate) fn separate<T: Real>(win: Window, handle: &[T], near: bool) -> bool {
    let (_, _, x) = parts(win, handle);
    let (tol, size) = (tied(win, x), max_abs(x));
    let gap = if near { Float::max(tol, near_tie::<T>() * size) } else { tol };
    let apart = |x: &[T]| Float::abs(x[1] - x[0]) > gap;
    // Sums of four values are numbers.
    let moderate = size <= T::max_value() / T::of(8.0);
    moderate && win.len == win.n && x.windows(2).all(apart) && !(win.singular && x.iter().any(|s| *s <= tol))
}

/// `dQ` (`dU` over `dV`) and `dx` along `E`.
pub(crate) fn push<T: Real>(
    win: Window,
    handle: &[T],
    e: &[T],
    dq: &mut [T],
    dx: &mut [T],
    w: &mut Workspace<T>,
) -> Result<(), Failure> {
    debug_assert!(dq.len() == win.rows() * win.n && dx.len() == win.n);
    finite(e)?;
    let (u, v, x) = parts(win, handle);
    let (m, n) = (win.m, win.n);
    let [t, p, k, dv] = w.slices([m * n, n * n, n * n, if win.singular { n * n } else { 0 }]);
    if win.singular {
        gemm(t, m, n, n, T::one(), e, false, v, false, false);
    } else {
        symmetrise(e, n, T::one(), k);
        gemm(t, n, n, n, T::one(), k, false, v, false, false);
    }
    gemm(p, n, n, m, T::one(), u, true, t, false, false);
    dx.iter_mut().zip(p.iter().step_by(n + 1)).for_each(|(d, p)| *d = *p);
    if win.singular {
        turns(x, p, Some(k), m > n);
        gemm(dv, n, n, n, T::one(), v, false, k, false, false);
        divided(m, n, [x], &mut [&mut *t]);
        gemm(t, m, n, n, T::one(), u, false, p, false, m > n);
        join(t, dv, m, n, dq);
    } else {
        turns(x, p, None, false);
        gemm(dq, n, n, n, T::one(), v, false, p, false, false);
    }
    finite(dq)
}

/// `gA` for the cotangents `gq` of the vectors and `gx` of the values.
pub(crate) fn pull<T: Real>(
    win: Window,
    handle: &[T],
    gq: &[T],
    gx: Option<&[T]>,
    ga: &mut [T],
    w: &mut Workspace<T>,
) -> Result<(), Failure> {
    debug_assert!(gq.len() == win.rows() * win.n && ga.len() == win.m * win.n);
    finite(gq)?;
    gx.map_or(Ok(()), finite)?;
    let (u, v, x) = parts(win, handle);
    let (m, n) = (win.m, win.n);
    if win.singular {
        let [gu, gv, cu, cv] = w.slices([m * n, n * n, n * n, n * n]);
        split(gq, m, n, gu, gv);
        gemm(cu, n, n, m, T::one(), u, true, gu, false, false);
        gemm(cv, n, n, n, T::one(), v, true, gv, false, false);
        core(n, [x], gx.map(|g| [g]), &mut [&mut *cu], Some([&*cv]), m > n);
        divided(m, n, [x], &mut [&mut *gu]);
        gemm(gu, m, n, n, T::one(), u, false, cu, false, m > n);
        gemm(ga, m, n, n, T::one(), gu, false, v, true, false);
    } else {
        let [c, t, s] = w.slices([n * n; 3]);
        gemm(c, n, n, n, T::one(), v, true, gq, false, false);
        core(n, [x], gx.map(|g| [g]), &mut [&mut *c], None::<[&[T]; 1]>, false);
        conjugated(v, c, n, t, s, ga);
    }
    finite(ga)
}

/// [`pull`] and its derivative `dga`, where the vectors and values move by `moved` and their cotangents by what comes
/// with them; the cotangent itself only if it is asked for.
pub(crate) fn pull_pairs<T: Real>(
    win: Window,
    handle: &[T],
    moved: Option<[&[T]; 2]>,
    gq: WithTangent<'_, T>,
    gx: Option<WithTangent<'_, T>>,
    (ga, dga): (Option<&mut [T]>, &mut [T]),
    w: &mut Workspace<T>,
) -> Result<(), Failure> {
    finite(gq.0)?;
    gq.1.map_or(Ok(()), finite)?;
    if let Some((gx, dgx)) = gx {
        finite(gx)?;
        dgx.map_or(Ok(()), finite)?;
    }
    let run = if win.singular { singular_pairs } else { eigen_pairs };
    run(win, handle, moved, gq, gx, (ga, &mut *dga), w);
    finite(dga)
}

/// `gA = V N V^T` and `dgA = sym((2 dV N + V dN) V^T)`.
fn eigen_pairs<T: Real>(
    win: Window,
    handle: &[T],
    moved: Option<[&[T]; 2]>,
    (g, dg): WithTangent<'_, T>,
    gx: Option<WithTangent<'_, T>>,
    (ga, dga): (Option<&mut [T]>, &mut [T]),
    w: &mut Workspace<T>,
) {
    let ((_, v, x), n) = (parts(win, handle), win.n);
    let [c, dc, t, s] = w.slices([n * n; 4]);
    gemm(c, n, n, n, T::one(), v, true, g, false, false);
    moved_inner(dc, v, g, moved.map(|[dv, _]| dv), dg, n, n);
    core(n, ([x], moved.map(|[_, dx]| [dx])), paired(gx), &mut ([&mut *c], [&mut *dc]), None::<Paired<'_, T>>, false);
    if let Some(ga) = ga {
        conjugated(v, c, n, t, s, ga);
    }
    gemm(t, n, n, n, T::one(), v, false, dc, false, false);
    if let Some([dv, _]) = moved {
        gemm(t, n, n, n, T::of(2.0), dv, false, c, false, true);
    }
    gemm(s, n, n, n, T::one(), t, false, v, true, false);
    symmetrise(s, n, T::one(), dga);
}

/// `gA = Y V^T` and `dgA = dY V^T + Y dV^T`. `Y` and `dY` take the places of `gU` and of its tangent.
fn singular_pairs<T: Real>(
    win: Window,
    handle: &[T],
    moved: Option<[&[T]; 2]>,
    (gq, dgq): WithTangent<'_, T>,
    gx: Option<WithTangent<'_, T>>,
    (ga, dga): (Option<&mut [T]>, &mut [T]),
    w: &mut Workspace<T>,
) {
    let ((u, v, x), m, n) = (parts(win, handle), win.m, win.n);
    let (mn, nn) = (m * n, n * n);
    let [gu, gv, dgu, dgv, du, dv, cu, cv, dcu, dcv] = w.slices([mn, nn, mn, nn, mn, nn, nn, nn, nn, nn]);
    split(gq, m, n, gu, gv);
    match dgq {
        Some(dgq) => split(dgq, m, n, dgu, dgv),
        None => dgu.fill(T::zero()),
    }
    if let Some([dq, _]) = moved {
        split(dq, m, n, du, dv);
    }
    let (du, dv) = (moved.map(|_| &*du), moved.map(|_| &*dv));
    gemm(cu, n, n, m, T::one(), u, true, gu, false, false);
    gemm(cv, n, n, n, T::one(), v, true, gv, false, false);
    moved_inner(dcu, u, gu, du, dgq.map(|_| &*dgu), m, n);
    moved_inner(dcv, v, gv, dv, dgq.map(|_| &*dgv), n, n);
    let x = ([x], moved.map(|[_, dx]| [dx]));
    core(n, x, paired(gx), &mut ([&mut *cu], [&mut *dcu]), Some(([&*cv], [&*dcv])), m > n);
    divided(m, n, x, &mut ([&mut *gu], [&mut *dgu]));
    gemm(gu, m, n, n, T::one(), u, false, cu, false, m > n);
    gemm(dgu, m, n, n, T::one(), u, false, dcu, false, m > n);
    if let Some(ga) = ga {
        gemm(ga, m, n, n, T::one(), gu, false, v, true, false);
    }
    if let Some(du) = du {
        gemm(dgu, m, n, n, T::one(), du, false, cu, false, true);
    }
    gemm(dga, m, n, n, T::one(), dgu, false, v, true, false);
    if let Some(dv) = dv {
        gemm(dga, m, n, n, T::one(), gu, false, dv, true, true);
    }
}

/// A list and its tangent as columns, if there is one.
type Paired<'a, T> = ([&'a [T]; 1], Option<[&'a [T]; 1]>);

fn paired<T>(x: Option<WithTangent<'_, T>>) -> Option<Paired<'_, T>> {
    x.map(|(x, dx)| ([x], dx.map(|dx| [dx])))
}

/// `d(U^T G)`, for `m x n` matrices that may both move.
fn moved_inner<T: Real>(out: &mut [T], u: &[T], g: &[T], du: Option<&[T]>, dg: Option<&[T]>, m: usize, n: usize) {
    if du.is_none() && dg.is_none() {
        out.fill(T::zero());
    }
    if let Some(du) = du {
        gemm(out, n, n, m, T::one(), du, true, g, false, false);
    }
    if let Some(dg) = dg {
        gemm(out, n, n, m, T::one(), u, true, dg, false, du.is_some());
    }
}

/// `sym(V N V^T)`
fn conjugated<T: Real>(v: &[T], core: &[T], n: usize, t: &mut [T], s: &mut [T], out: &mut [T]) {
    gemm(t, n, n, n, T::one(), v, false, core, false, false);
    gemm(s, n, n, n, T::one(), t, false, v, true, false);
    symmetrise(s, n, T::one(), out);
}

/// A side of the tiles in which entries and their mirror images are visited.
const TILE: usize = 16;

/// Every pair `i < j`, tile by tile, so that what is read across columns stays near.
#[inline(always)]
fn each_pair(n: usize, mut f: impl FnMut(usize, usize)) {
    for right in (0..n).step_by(TILE) {
        for left in (0..=right).step_by(TILE) {
            for j in right..(right + TILE).min(n) {
                (left..(left + TILE).min(j)).for_each(|i| f(i, j));
            }
        }
    }
}

/// By what the vectors turn: `D(sym P)` in place of `P`; for singular ones `D(sym P) + S(skew P)` in place of `P`, and
/// the difference in `other`. If `tall`, without `P / x`, as in [`core`].
fn turns<T: Real>(x: &[T], p: &mut [T], mut other: Option<&mut [T]>, tall: bool) {
    let n = x.len();
    each_pair(n, |i, j| {
        let (ij, ji) = (i + j * n, j + i * n);
        let (below, above) = (x[j] - x[i], x[j] + x[i]);
        let near = (p[ij] + p[ji]) / (below + below);
        let far = match &mut other {
            None => T::zero(),
            Some(other) => {
                let far = (p[ij] - p[ji]) / (above + above);
                (other[ij], other[ji]) = (near - far, far - near);
                far
            }
        };
        let inside = if tall { [p[ij] / x[j], p[ji] / x[i]] } else { [T::zero(); 2] };
        (p[ij], p[ji]) = (near + far - inside[0], -(near + far) - inside[1]);
    });
    for i in 0..n {
        let at = i * (n + 1);
        p[at] = if tall { -(p[at] / x[i]) } else { T::zero() };
        if let Some(other) = &mut other {
            other[at] = T::zero();
        }
    }
}

/// The columns of a tall matrix, each divided by its value.
#[inline(always)]
fn divided<F: Field>(m: usize, n: usize, x: impl Columns<F>, z: &mut impl ColumnsMut<F>) {
    if m > n {
        for j in 0..n {
            (j * m..(j + 1) * m).for_each(|k| z.put(0, k, z.at(0, k) / x.at(0, j)));
        }
    }
}

/// The core `N` or `M` in place of `C_u = U^T gU` (`V^T gV`, for eigenvectors, which have no `C_v`); if `tall`, without
/// `C_u / x`, whose part outside of `U` is added later.
#[inline(always)]
fn core<F: Field>(
    n: usize,
    x: impl Columns<F>,
    gx: Option<impl Columns<F>>,
    cu: &mut impl ColumnsMut<F>,
    cv: Option<impl Columns<F>>,
    tall: bool,
) {
    let x = |i: usize| x.at(0, i);
    each_pair(n, |i, j| {
        let (ij, ji) = (i + j * n, j + i * n);
        let (below, above) = (x(j) - x(i), x(j) + x(i));
        let (left, right) = (cu.at(0, ij), cu.at(0, ji));
        let a = left - right;
        let (upper, lower) = match &cv {
            None => (a / (below + below), a / (below + below)),
            Some(cv) => {
                let b = cv.at(0, ij) - cv.at(0, ji);
                let (near, far) = ((a + b) / (below + below), (a - b) / (above + above));
                (near + far, near - far)
            }
        };
        cu.put(0, ij, if tall { upper - left / x(j) } else { upper });
        cu.put(0, ji, if tall { lower - right / x(i) } else { lower });
    });
    for i in 0..n {
        let (at, weight) = (i * (n + 1), gx.at(0, i));
        let own = if tall { weight - cu.at(0, at) / x(i) } else { weight };
        cu.put(0, at, own);
    }
}
