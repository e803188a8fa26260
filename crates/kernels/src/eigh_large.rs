//! Eigendecomposition of large symmetric matrices in three steps: to a tridiagonal matrix by reflections, the tridiagonal
//! problem by divide and conquer (`tridiagonal/`), and the reflections applied to its vectors. Checks, scaling and the
//! normal form are in `eigh.rs`.

use faer::linalg::evd::tridiag::{tridiag_in_place, tridiag_in_place_scratch};
use faer::linalg::householder::{
    apply_block_householder_sequence_on_the_left_in_place_scratch as apply_scratch,
    apply_block_householder_sequence_on_the_left_in_place_with_conj as apply,
};
use faer::linalg::qr::no_pivoting::factor::recommended_block_size;
use faer::{Conj, Par};

use crate::real::{Real, symmetrise, view, view_mut};
use crate::tridiagonal;
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
    let block = recommended_block_size::<T>(n, n);
    let (numbers, indices) = tridiagonal::scratch(n);
    let need = tridiag_in_place_scratch::<T>(n, Par::Seq, Default::default()).or(apply_scratch::<T>(n - 1, block, n));
    let (stack, [s, h, e, numbers], indices) = w.lend(need, [n * n, block * (n - 1), n, numbers], indices);
    symmetrise(a, n, scale, s);
    tridiag_in_place(view_mut(s, n, n), view_mut(h, block, n - 1), Par::Seq, stack, Default::default());
    for i in 0..n {
        values[i] = s[i + i * n];
        e[i] = if i + 1 < n { s[i + 1 + i * n] } else { T::zero() };
    }
    clear_wide_registers();
    tridiagonal::eigen(values, e, v, numbers, indices)?;
    let reflections = view(s, n, n).submatrix(1, 0, n - 1, n - 1);
    let rows = view_mut(v, n, n).subrows_mut(1, n - 1);
    apply(reflections, view(h, block, n - 1), Conj::No, rows, Par::Seq, stack);
    clear_wide_registers();
    Ok(())
}
