//! Products of dense matrices: stack-only kernels for tiny ones, where the call dominates, and faer's for the rest.

use faer::linalg::matmul::matmul;
use faer::{Accum, Par};

use crate::real::{Real, view, view_mut};
use crate::tolerances::GEMM_TINY;

/// `C = [C +] alpha op(A) op(B)`.
pub(crate) fn gemm<T: Real>(
    c: &mut [T],
    m: usize,
    n: usize,
    k: usize,
    alpha: T,
    a: &[T],
    ta: bool,
    b: &[T],
    tb: bool,
    add: bool,
) {
    debug_assert!(c.len() == m * n && a.len() == m * k && b.len() == k * n);
    if m.max(n).max(k) > GEMM_TINY {
        return large(c, m, n, k, alpha, a, ta, b, tb, add);
    }
    // op(B)[p, j] = b[p * bp + j * bj].
    let (bp, bj) = if tb { (n, 1) } else { (1, k) };
    let mut packed = [T::zero(); GEMM_TINY * GEMM_TINY];
    let a = if ta && m > 1 && k > 1 {
        for p in 0..k {
            for i in 0..m {
                packed[i + p * m] = a[p + i * k];
            }
        }
        &packed[..m * k]
    } else {
        a
    };
    match m {
        0 => {}
        1 => columns::<1, T>(c, n, alpha, a, b, bp, bj, add),
        2 => columns::<2, T>(c, n, alpha, a, b, bp, bj, add),
        3 => columns::<3, T>(c, n, alpha, a, b, bp, bj, add),
        4 => columns::<4, T>(c, n, alpha, a, b, bp, bj, add),
        5 => columns::<5, T>(c, n, alpha, a, b, bp, bj, add),
        6 => columns::<6, T>(c, n, alpha, a, b, bp, bj, add),
        7 => columns::<7, T>(c, n, alpha, a, b, bp, bj, add),
        _ => columns::<8, T>(c, n, alpha, a, b, bp, bj, add),
    }
}

/// All columns of `C`, two at a time; `A` is packed with `M` rows.
fn columns<const M: usize, T: Real>(
    c: &mut [T],
    n: usize,
    alpha: T,
    a: &[T],
    b: &[T],
    bp: usize,
    bj: usize,
    add: bool,
) {
    let (a, _) = a.as_chunks::<M>();
    let (c, _) = c.as_chunks_mut::<M>();
    let (pairs, last) = c.as_chunks_mut::<2>();
    for (j, [c0, c1]) in pairs.iter_mut().enumerate() {
        let (b0, b1) = (2 * j * bj, (2 * j + 1) * bj);
        let (mut s0, mut s1) = ([T::zero(); M], [T::zero(); M]);
        for (p, a) in a.iter().enumerate() {
            let (x0, x1) = (b[b0 + p * bp], b[b1 + p * bp]);
            for i in 0..M {
                s0[i] += a[i] * x0;
                s1[i] += a[i] * x1;
            }
        }
        store(c0, &s0, alpha, add);
        store(c1, &s1, alpha, add);
    }
    for c0 in last {
        let mut s0 = [T::zero(); M];
        for (p, a) in a.iter().enumerate() {
            let x0 = b[(n - 1) * bj + p * bp];
            for i in 0..M {
                s0[i] += a[i] * x0;
            }
        }
        store(c0, &s0, alpha, add);
    }
}

#[inline(always)]
fn store<const M: usize, T: Real>(c: &mut [T; M], s: &[T; M], alpha: T, add: bool) {
    for i in 0..M {
        c[i] = if add { c[i] + alpha * s[i] } else { alpha * s[i] };
    }
}

fn large<T: Real>(
    c: &mut [T],
    m: usize,
    n: usize,
    k: usize,
    alpha: T,
    a: &[T],
    ta: bool,
    b: &[T],
    tb: bool,
    add: bool,
) {
    if m == 0 || n == 0 {
        return;
    }
    if k == 0 {
        if !add {
            c.fill(T::zero());
        }
        return;
    }
    let a = if ta { view(a, k, m).transpose() } else { view(a, m, k) };
    let b = if tb { view(b, n, k).transpose() } else { view(b, k, n) };
    let beta = if add { Accum::Add } else { Accum::Replace };
    matmul(view_mut(c, m, n), beta, a, b, alpha, Par::Seq);
}
