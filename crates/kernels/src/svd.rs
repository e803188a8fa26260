//! Thin singular value decomposition of a tall matrix: one-sided Jacobi for narrow ones, by `A^T A` with a correction
//! for those that are not too ill-conditioned (`svd_gram.rs`), faer's for the rest. What is done with it lives in
//! `spectrum.rs`.

use faer::diag::DiagMut;
use faer::linalg::svd::{ComputeSvdVectors, SvdParams, svd as faer_svd, svd_scratch};
use faer::{Auto, Par, Spec};

use crate::real::{Real, balance, finite, max_abs, unscale, view, view_mut};
use crate::spectrum::positive;
use crate::svd_gram;
use crate::tolerances::{POLAR_ROWS, POLAR_SMALL, unit_range};
use crate::wide_registers::clear_wide_registers;
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
    let scale = balance(max_abs(a), unit_range());
    // Jacobi needs full rank: its columns are divided by their lengths. Otherwise faer completes the basis.
    let done = if n <= POLAR_SMALL && m <= POLAR_ROWS {
        let (v, s) = rest.split_at_mut(n * n);
        crate::wide::flat::scale(scale, a, u);
        crate::polar::jacobi(u, m, n, v, s).is_ok()
    } else {
        by_gram(a, m, n, scale, u, rest, w)
    };
    let (v, s) = rest.split_at_mut(n * n);
    if !done {
        whole(a, m, n, scale, (u, v, s), w)?;
    }
    sort(u, v, s, m, n);
    unscale(s, scale, "a singular value")?;
    match flip {
        false => positive(u, m, v, n),
        true => positive(v, n, u, m),
    }
    Ok(())
}

/// faer's, of the scaled matrix. Its default for matrices that are much taller than wide begins with a QR factorisation
/// that takes a column for dependent at 16 m times rounding, and small singular values are then lost; so it is told to
/// reduce the matrix as it is.
///
/// Its values need not descend, nor its vectors have length one: of steeply graded matrices single ones are longer by
/// much more than rounding (`tests/svd_gram.rs`). So vectors are divided by their length here; values are left as they
/// come.
pub(crate) fn whole<T: Real>(
    a: &[T],
    m: usize,
    n: usize,
    scale: T,
    (u, v, s): (&mut [T], &mut [T], &mut [T]),
    w: &mut Workspace<T>,
) -> Result<(), Failure> {
    let thin = ComputeSvdVectors::Thin;
    let params: Spec<SvdParams, T> =
        SvdParams { qr_ratio_threshold: f64::INFINITY, ..<SvdParams as Auto<T>>::auto() }.into();
    let (stack, [x], _) = w.lend(svd_scratch::<T>(m, n, thin, thin, Par::Seq, params), [m * n], 0);
    crate::wide::flat::scale(scale, a, x);
    let (to_u, to_v) = (Some(view_mut(u, m, n)), Some(view_mut(v, n, n)));
    let done = faer_svd(view(x, m, n), DiagMut::from_slice_mut(s), to_u, to_v, Par::Seq, stack, params);
    clear_wide_registers();
    done.map_err(|_| Failure::NoConvergence)?;
    u.chunks_exact_mut(m).chain(v.chunks_exact_mut(n)).for_each(unit);
    Ok(())
}

/// Gives a vector that is not zero the length one.
fn unit<T: Real>(x: &mut [T]) {
    let length = crate::sums::norm(x);
    if length > T::zero() {
        x.iter_mut().for_each(|x| *x /= length);
    }
}

/// `V` and `s`, nearly descending, of the scaled matrix by `A^T A`; `false`, and nothing of use, where that does not
/// do.
fn by_gram<T: Real>(a: &[T], m: usize, n: usize, scale: T, u: &mut [T], vs: &mut [T], w: &mut Workspace<T>) -> bool {
    let mut buffer = w.take(m * n + n * n);
    let (x, rest) = buffer.split_at_mut(m * n);
    crate::wide::flat::scale(scale, a, x);
    let found = svd_gram::eigenvectors(x, m, n, &mut rest[..n * n], vs, w);
    let (v, s) = vs.split_at_mut(n * n);
    s.reverse();
    for j in 0..n / 2 {
        let (left, right) = v.split_at_mut((n - 1 - j) * n);
        left[j * n..(j + 1) * n].swap_with_slice(&mut right[..n]);
    }
    let done = found.is_ok() && svd_gram::corrected(x, m, n, u, v, s, w);
    w.put(buffer);
    done
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
