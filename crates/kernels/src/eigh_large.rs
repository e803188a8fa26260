//! Eigendecomposition of large symmetric matrices in three steps: to a tridiagonal matrix by reflections
//! (`tridiagonal/reduce.rs`), the tridiagonal problem by divide and conquer (`tridiagonal/`), and the reflections
//! applied to its vectors. Also the values alone, and their vectors later. Other orders are in `eigh.rs`, which calls
//! this.

use faer::dyn_stack::{MemStack, StackReq};
use faer::linalg::householder::{
    apply_block_householder_sequence_on_the_left_in_place_scratch as apply_scratch, upgrade_householder_factor,
};
use faer::{MatMut, MatRef, Par};

use crate::dense::reflect_all;
use crate::eigh::EIGENVALUE;
use crate::real::{Real, balance, finite, max_abs, unscale, view, view_mut};
use crate::tolerances::{EIGH_BLOCK, EIGH_CONQUER, unit_range};
use crate::tridiagonal::{self, reduce};
use crate::wide_registers::clear_wide_registers;
use crate::{Failure, Workspace};

/// `scale (A + A^T)/2 = V diag(values) V^T`, ascending.
pub(crate) fn eigh<T: Real>(
    a: &[T],
    n: usize,
    scale: T,
    v: &mut [T],
    values: &mut [T],
    w: &mut Workspace<T>,
) -> Result<(), Failure> {
    let (numbers, indices) = tridiagonal::scratch(n);
    let need = apply_scratch::<T>(n - 1, EIGH_BLOCK, n);
    let lengths = [n * n, EIGH_BLOCK * (n - 1), n, n, numbers.max(reduce::scratch(n))];
    let (stack, [s, h, e, tau, numbers], indices) = w.lend(need, lengths, indices);
    lower_half(a, n, scale, s);
    reduce::reduce(s, n, values, e, tau, numbers);
    tridiagonal::eigen(values, e, v, numbers, indices)?;
    turn(s, n, tau, h, v, stack);
    Ok(())
}

/// The eigenvalues of `(A + A^T)/2`, and what [`complete`] makes the vectors of: a handle of the shape of `eigh`'s with
/// the values in its place, and before them the reflections, `d`, `e`, `tau` and the scale.
///
/// The reflections stand below the diagonal; `d`, `e` and `tau` on it and on the two diagonals above (the last `tau` is
/// 0, for it turns nothing), and the scale in the corner above them.
pub(crate) fn values<T: Real>(a: &[T], n: usize, handle: &mut [T], w: &mut Workspace<T>) -> Result<(), Failure> {
    debug_assert!(a.len() == n * n && handle.len() == n * (n + 1));
    if n < EIGH_CONQUER {
        return Err(Failure::Unsupported { what: "eigenvalues alone at an order below that of divide and conquer" });
    }
    finite(a)?;
    let scale = balance(max_abs(a), unit_range());
    let (s, x) = handle.split_at_mut(n * n);
    let (numbers, indices) = tridiagonal::values::scratch(n);
    let lengths = [n, n, numbers.max(reduce::scratch(n))];
    let (_, [e, tau, work], indices) = w.lend(StackReq::EMPTY, lengths, indices);
    s.fill(T::zero());
    lower_half(a, n, scale, s);
    reduce::reduce(s, n, x, e, tau, work);
    for i in 0..n {
        s[i * (n + 1)] = x[i];
        if i + 1 < n {
            s[i + (i + 1) * n] = e[i];
        }
        if i + 2 < n {
            s[i + (i + 2) * n] = tau[i];
        }
    }
    s[(n - 1) * n] = scale;
    tridiagonal::values::values(x, e, work, indices)?;
    unscale(x, scale, EIGENVALUE)
}

/// The handle of `eigh` from that of [`values`].
pub(crate) fn complete<T: Real>(half: &[T], n: usize, handle: &mut [T], w: &mut Workspace<T>) -> Result<(), Failure> {
    debug_assert!(half.len() == handle.len() && handle.len() == n * (n + 1));
    let (v, x) = handle.split_at_mut(n * n);
    let (numbers, indices) = tridiagonal::scratch(n);
    let lengths = [EIGH_BLOCK * (n - 1), n, n, numbers];
    let (stack, [h, e, tau, numbers], indices) = w.lend(apply_scratch::<T>(n - 1, EIGH_BLOCK, n), lengths, indices);
    for i in 0..n {
        x[i] = half[i * (n + 1)];
        e[i] = if i + 1 < n { half[i + (i + 1) * n] } else { T::zero() };
        tau[i] = if i + 2 < n { half[i + (i + 2) * n] } else { T::zero() };
    }
    tridiagonal::eigen(x, e, v, numbers, indices)?;
    turn(&half[..n * n], n, tau, h, v, stack);
    let scale = half[(n - 1) * n];
    unscale(x, scale, EIGENVALUE)?;
    crate::spectrum::positive(v, n, &mut [], 0);
    Ok(())
}

/// Applies the reflections below the diagonal of `s` to `v`.
fn turn<T: Real>(s: &[T], n: usize, tau: &[T], h: &mut [T], v: &mut [T], stack: &mut MemStack) {
    // They leave the first row alone.
    let vectors = view(s, n, n).submatrix(1, 0, n - 1, n - 1);
    let mut h = view_mut(h, EIGH_BLOCK, n - 1);
    blocks(vectors, tau, h.as_mut());
    reflect_all(vectors, h.as_ref(), view_mut(v, n, n).subrows_mut(1, n - 1), stack);
    clear_wide_registers();
}

/// The lower triangle of `scale (A + A^T) / 2`, in tiles, so that both halves of `a` are read along lines of memory.
fn lower_half<T: Real>(a: &[T], n: usize, scale: T, out: &mut [T]) {
    const TILE: usize = 8;
    let half = T::of(0.5) * scale;
    for left in (0..n).step_by(TILE) {
        for top in (left..n).step_by(TILE) {
            for j in left..n.min(left + TILE) {
                for i in top.max(j)..n.min(top + TILE) {
                    out[i + j * n] = half * a[i + j * n] + half * a[j + i * n];
                }
            }
        }
    }
}

/// For blocks of reflections with the columns of `v` below their leading ones: triangles `T^{-1}` such that a block is
/// `I - V T V^T`, side by side.
fn blocks<T: Real>(v: MatRef<'_, T>, tau: &[T], mut h: MatMut<'_, T>) {
    let n = v.ncols();
    for from in (0..n).step_by(EIGH_BLOCK) {
        let width = EIGH_BLOCK.min(n - from);
        let mut triangle = h.as_mut().submatrix_mut(0, from, width, width);
        for k in 0..width {
            triangle[(k, k)] = T::one() / tau[from + k];
        }
        upgrade_householder_factor(triangle, v.submatrix(from, from, n - from, width), width, 1, Par::Seq);
    }
}
