//! Thin singular value decomposition of a tall matrix: one-sided Jacobi for narrow ones, faer's for the rest. What is
//! done with it lives in `spectrum.rs`.

use faer::Par;
use faer::diag::DiagMut;
use faer::linalg::svd::{ComputeSvdVectors, svd as faer_svd, svd_scratch};

use crate::real::{Real, balance, finite, max_abs, view, view_mut};
use crate::spectrum::positive;
use crate::tolerances::{POLAR_ROWS, POLAR_SMALL, unit_range};
use crate::{Failure, Workspace};

/// `A = U diag(s) V^T` with `m >= n` into a handle: `U`, `V`, then `s` descending. The largest entry of each
/// column of `U` (of `V`, if `flip`) is positive.
pub(crate) fn svd<T: Real>(
    a: &[T],
    m: usize,
    n: usize,
    flip: bool,
    handle: &mut [T],
    w: &mut Workspace<T>,
) -> Result<(), Failure> {
    debug_assert!(m >= n && a.len() == m * n && handle.len() == m * n + n * n + n);
    finite(a)?;
    if n == 0 {
        return Ok(());
    }
    let (u, rest) = handle.split_at_mut(m * n);
    let (v, s) = rest.split_at_mut(n * n);
    let scale = balance(max_abs(a), unit_range());
    // Jacobi needs full rank: its columns are divided by their lengths. Otherwise faer completes the basis.
    let narrow = n <= POLAR_SMALL && m <= POLAR_ROWS;
    let done = narrow && {
        crate::wide::flat::scale(scale, a, u);
        crate::polar::jacobi(u, m, n, v, s).is_ok()
    };
    if done {
        sort(u, v, s, m, n);
    } else {
        let thin = ComputeSvdVectors::Thin;
        let need = svd_scratch::<T>(m, n, thin, thin, Par::Seq, Default::default());
        let (stack, [x], _) = w.lend(need, [m * n], 0);
        crate::wide::flat::scale(scale, a, x);
        let (x, d) = (view(x, m, n), DiagMut::from_slice_mut(s));
        let (u, v) = (Some(view_mut(u, m, n)), Some(view_mut(v, n, n)));
        faer_svd(x, d, u, v, Par::Seq, stack, Default::default()).map_err(|_| Failure::NoConvergence)?;
        crate::wide_registers::clear_wide_registers();
    }
    s.iter_mut().for_each(|x| *x /= scale);
    match flip {
        false => positive(u, m, v, n),
        true => positive(v, n, u, m),
    }
    Ok(())
}

/// Descending order, by insertion.
fn sort<T: Real>(u: &mut [T], v: &mut [T], s: &mut [T], m: usize, n: usize) {
    let swap = |a: &mut [T], rows: usize, j: usize| {
        let (left, right) = a.split_at_mut(j * rows);
        left[(j - 1) * rows..].swap_with_slice(&mut right[..rows]);
    };
    for i in 1..n {
        let mut j = i;
        while j > 0 && s[j] > s[j - 1] {
            s.swap(j, j - 1);
            swap(u, m, j);
            swap(v, n, j);
            j -= 1;
        }
    }
}
