//! The derivative of a Cholesky factor and its adjoint, by the algorithm run forward and backward. The factorisation
//! does not live here.
//!
//! `push`: `X` lower with `X L^T + L X^T = sym(E)`. `pull`: its adjoint, the symmetric `W` with `<W, E> = <G, X>`.
//!
//! Both halve the matrix, `L = [L11 0; L21 L22]`, so that nearly all work is products:
//!
//! - push: `X11` from `E11`; `X21 = (E21 - L21 X11^T) L11^{-T}`; `X22` from `E22 - X21 L21^T - L21 X21^T`;
//! - pull, the same steps transposed, last first: `W22` from `G22`; `2 W21 = (G21 - 2 W22 L21) L11^{-1}`; `W11` from
//!   `G11 - tril((2 W21)^T L21)`.
//!
//! Cost: 2/3 n³ each, twice the factorisation.
//! Source: the idea of Murray 2016, arXiv 1602.07527, here by recursion; the small blocks reverse the plain loops.

use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::linalg::triangular_solve::{solve_lower_triangular_in_place, solve_upper_triangular_in_place};
use faer::{Accum, MatMut, MatRef, Par};

use crate::dense::matmul;
use crate::real::{Real, view, view_mut};
use crate::tolerances::CHOLESKY_RULES_SMALL;

/// `X` in place of the lower triangle of `sym(E)`, which is computed from `e`; zeros above.
pub(crate) fn push<T: Real>(l: &[T], n: usize, e: &[T], x: &mut [T]) {
    debug_assert!(l.len() == n * n && e.len() == n * n && x.len() == n * n);
    crate::real::symmetrise(e, n, T::one(), x);
    push_block(l, x, n, 0, n);
    for j in 1..n {
        x[j * n..j * n + j].fill(T::zero());
    }
}

/// `W`, both triangles, in place of the lower triangle of `G`. What stands above is not read.
pub(crate) fn pull<T: Real>(l: &[T], n: usize, g: &mut [T]) {
    debug_assert!(l.len() == n * n && g.len() == n * n);
    pull_block(l, g, n, 0, n);
}

/// `tril(A tril(B))`, zeros above.
pub(crate) fn lower<T: Real>(a: &[T], b: &[T], n: usize, out: &mut [T]) {
    use BlockStructure::{Rectangular, TriangularLower};
    out.fill(T::zero());
    if n <= CHOLESKY_RULES_SMALL {
        for j in 0..n {
            for k in j..n {
                crate::wide::flat::axpy(b[k + j * n], &a[j + k * n..(k + 1) * n], &mut out[j + j * n..(j + 1) * n]);
            }
        }
        return;
    }
    let (c, a, b) = (view_mut(out, n, n), view(a, n, n), view(b, n, n));
    triangular::matmul(c, TriangularLower, Accum::Replace, a, Rectangular, b, TriangularLower, T::one(), Par::Seq);
    crate::wide_registers::clear_wide_registers();
}

/// The size of the first of two blocks: a multiple of the small size.
fn half(n: usize) -> usize {
    n.div_ceil(2).next_multiple_of(CHOLESKY_RULES_SMALL)
}

/// The block of order `n` at `(o, o)`, its parts `11`, `21`, `22`.
fn quarters<T: Real>(
    a: &[T],
    ld: usize,
    o: usize,
    n: usize,
    h: usize,
) -> (MatRef<'_, T>, MatRef<'_, T>, MatRef<'_, T>) {
    let (a11, _, a21, a22) = view(a, ld, ld).submatrix(o, o, n, n).split_at(h, h);
    (a11, a21, a22)
}

fn quarters_mut<T: Real>(
    a: &mut [T],
    ld: usize,
    o: usize,
    n: usize,
    h: usize,
) -> (MatMut<'_, T>, MatMut<'_, T>, MatMut<'_, T>) {
    let (a11, _, a21, a22) = view_mut(a, ld, ld).submatrix_mut(o, o, n, n).split_at_mut(h, h);
    (a11, a21, a22)
}

/// `C -= tril(A B)`.
fn lower_product<T: Real>(c: MatMut<'_, T>, a: MatRef<'_, T>, b: MatRef<'_, T>) {
    use BlockStructure::{Rectangular, TriangularLower};
    triangular::matmul(c, TriangularLower, Accum::Add, a, Rectangular, b, Rectangular, -T::one(), Par::Seq);
}

fn push_block<T: Real>(l: &[T], x: &mut [T], ld: usize, o: usize, n: usize) {
    if n <= CHOLESKY_RULES_SMALL {
        return push_small(l, x, ld, o, n);
    }
    let h = half(n);
    push_block(l, x, ld, o, h);
    let (l11, l21, _) = quarters(l, ld, o, n, h);
    let (x11, mut x21, x22) = quarters_mut(x, ld, o, n, h);
    use BlockStructure::{Rectangular, TriangularUpper};
    let x11t = x11.as_ref().transpose();
    triangular::matmul(
        x21.as_mut(),
        Rectangular,
        Accum::Add,
        l21,
        Rectangular,
        x11t,
        TriangularUpper,
        -T::one(),
        Par::Seq,
    );
    solve_lower_triangular_in_place(l11, x21.as_mut().transpose_mut(), Par::Seq);
    let (mut x22, x21) = (x22, x21.as_ref());
    lower_product(x22.as_mut(), x21, l21.transpose());
    lower_product(x22, l21, x21.transpose());
    crate::wide_registers::clear_wide_registers();
    push_block(l, x, ld, o + h, n - h);
}

fn pull_block<T: Real>(l: &[T], g: &mut [T], ld: usize, o: usize, n: usize) {
    if n <= CHOLESKY_RULES_SMALL {
        return pull_small(l, g, ld, o, n);
    }
    let h = half(n);
    pull_block(l, g, ld, o + h, n - h);
    let (l11, l21, _) = quarters(l, ld, o, n, h);
    let (g11, mut g21, w22) = quarters_mut(g, ld, o, n, h);
    matmul(g21.as_mut(), Accum::Add, w22.as_ref(), l21, T::of(-2.0));
    // `X L11 = G` is `L11^T X^T = G^T`.
    solve_upper_triangular_in_place(l11.transpose(), g21.as_mut().transpose_mut(), Par::Seq);
    lower_product(g11, g21.as_ref().transpose(), l21);
    crate::wide_registers::clear_wide_registers();
    pull_block(l, g, ld, o, h);
    fold(g, ld, o + h..o + n, o..o + h);
}

/// Halves the given rows of the given columns and copies them to their transposed places.
fn fold<T: Real>(g: &mut [T], ld: usize, rows: core::ops::Range<usize>, cols: core::ops::Range<usize>) {
    let half = T::of(0.5);
    for j in cols {
        for i in rows.start.max(j + 1)..rows.end {
            let w = half * g[i + j * ld];
            g[i + j * ld] = w;
            g[j + i * ld] = w;
        }
    }
}

/// The derivative of the plain loops. Whole matrices of up to four rows have loops of their own, whose length the
/// compiler knows: the same operations in the same order, at half the time.
fn push_small<T: Real>(l: &[T], x: &mut [T], ld: usize, o: usize, n: usize) {
    match (n, ld) {
        (2, 2) => push_plain(&l[..4], &mut x[..4], 2, 0, 2),
        (3, 3) => push_plain(&l[..9], &mut x[..9], 3, 0, 3),
        (4, 4) => push_plain(&l[..16], &mut x[..16], 4, 0, 4),
        _ => push_plain(l, x, ld, o, n),
    }
}

/// [`push_small`], column by column.
#[inline(always)]
fn push_plain<T: Real>(l: &[T], x: &mut [T], ld: usize, o: usize, n: usize) {
    for j in o..o + n {
        let (done, rest) = x.split_at_mut(j * ld);
        let column = &mut rest[j..o + n];
        for k in o..j {
            let (xk, lk) = (&done[k * ld + j..k * ld + o + n], &l[k * ld + j..k * ld + o + n]);
            let (s, t) = (lk[0], xk[0]);
            for i in 0..column.len() {
                column[i] -= s * xk[i] + t * lk[i];
            }
        }
        let lj = &l[j * ld + j..j * ld + o + n];
        let d = T::of(0.5) * column[0] / lj[0];
        column[0] = d;
        for i in 1..column.len() {
            column[i] = (column[i] - d * lj[i]) / lj[0];
        }
    }
}

/// The plain loops backward, for whole small matrices as in [`push_small`].
fn pull_small<T: Real>(l: &[T], g: &mut [T], ld: usize, o: usize, n: usize) {
    match (n, ld) {
        (2, 2) => pull_plain(&l[..4], &mut g[..4], 2, 0, 2),
        (3, 3) => pull_plain(&l[..9], &mut g[..9], 3, 0, 3),
        (4, 4) => pull_plain(&l[..16], &mut g[..16], 4, 0, 4),
        _ => pull_plain(l, g, ld, o, n),
    }
}

/// [`pull_small`]: `G` becomes the cotangent of the lower triangle, then is folded over both.
#[inline(always)]
fn pull_plain<T: Real>(l: &[T], g: &mut [T], ld: usize, o: usize, n: usize) {
    // What `dot_block` does with fewer than eight entries, without a call.
    let dot = |a: &[T], b: &[T]| match n < 8 {
        true => a.iter().zip(b).fold(T::zero(), |s, (&x, &y)| s + x * y),
        false => crate::sums::dot_block(a, b),
    };
    for k in (o..o + n).rev() {
        let (before, rest) = g.split_at_mut(k * ld);
        let (gk, lk) = (&mut rest[k..o + n], &l[k * ld + k..k * ld + o + n]);
        gk[0] -= dot(&gk[1..], &lk[1..]) / lk[0];
        gk.iter_mut().for_each(|x| *x /= lk[0]);
        for j in o..k {
            let (gj, lj) = (&mut before[j * ld + k..j * ld + o + n], &l[j * ld + k..j * ld + o + n]);
            gj[0] -= dot(gk, lj);
            let s = lj[0];
            for i in 1..gj.len() {
                gj[i] -= s * gk[i];
            }
        }
        gk[0] *= T::of(0.5);
    }
    fold(g, ld, o..o + n, o..o + n);
}
