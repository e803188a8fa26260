//! Eigendecomposition of large symmetric matrices in three steps: to a tridiagonal matrix by reflections
//! (`tridiagonal/reduce.rs`), the tridiagonal problem by divide and conquer (`tridiagonal/`), and the reflections applied
//! to its vectors. Checks, scaling and the normal form are in `eigh.rs`.

use faer::linalg::householder::{
    apply_block_householder_sequence_on_the_left_in_place_scratch as apply_scratch,
    apply_block_householder_sequence_on_the_left_in_place_with_conj as apply, upgrade_householder_factor,
};
use faer::{Conj, MatMut, MatRef, Par};

use crate::real::{Real, view, view_mut};
use crate::tolerances::EIGH_BLOCK;
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
    // The reflections leave the first row alone.
    let vectors = view(s, n, n).submatrix(1, 0, n - 1, n - 1);
    let mut h = view_mut(h, EIGH_BLOCK, n - 1);
    blocks(vectors, tau, h.as_mut());
    apply(vectors, h.as_ref(), Conj::No, view_mut(v, n, n).subrows_mut(1, n - 1), Par::Seq, stack);
    clear_wide_registers();
    Ok(())
}

/// The lower triangle of `scale (A + A^T) / 2`, in tiles, so that both halves of `a` are read along lines of memory.
pub(crate) fn lower_half<T: Real>(a: &[T], n: usize, scale: T, out: &mut [T]) {
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
pub(crate) fn blocks<T: Real>(v: MatRef<'_, T>, tau: &[T], mut h: MatMut<'_, T>) {
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
