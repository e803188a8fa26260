//! The Cholesky factor of the symmetric part, with a verdict that diagonal scaling does not change.

use faer::Par;
use faer::linalg::cholesky::llt::factor::{cholesky_in_place, cholesky_in_place_scratch};
use faer::linalg::cholesky::llt::inverse::{inverse as inverse_lower, inverse_scratch};
use num_traits::Float;

use crate::panels;
use crate::real::{Real, finite, identity_tall, mirror, view, view_mut};
use crate::tolerances::{CHOLESKY_SMALL, cholesky_pivot};
use crate::triangular::{Triangle, solve};
use crate::wide_registers::clear_wide_registers;
use crate::{Failure, Scalar, Workspace};

/// Lower Cholesky factor of `(A + A^T)/2`, zeros above.
pub(crate) fn cholesky<T: Real>(a: &[T], n: usize, l: &mut [T], w: &mut Workspace<T>) -> Result<(), Failure> {
    debug_assert!(a.len() == n * n && l.len() == n * n);
    finite(a)?;
    lower_part(a, n, l);
    if n <= CHOLESKY_SMALL {
        return factor(l, n);
    }
    let done = match panels::wanted(n, n) {
        true => panels::cholesky(view_mut(l, n, n)),
        false => {
            let (stack, [], _) = w.lend(cholesky_in_place_scratch::<T>(n, Par::Seq, Default::default()), [], 0);
            let l = view_mut(l, n, n);
            let done = cholesky_in_place(l, Default::default(), Par::Seq, stack, Default::default()).is_ok();
            clear_wide_registers();
            done
        }
    };
    let limit = cholesky_pivot::<T>(n);
    let bad = |j: usize| l[j + j * n] * l[j + j * n] <= limit * a[j + j * n];
    match done {
        true if !(0..n).any(bad) => {}
        // The plain loop knows which pivot and its value.
        _ => {
            lower_part(a, n, l);
            return factor(l, n);
        }
    }
    for j in 1..n {
        l[j * n..j * n + j].fill(T::zero());
    }
    Ok(())
}

/// `A^{-1}` from its lower factor, both triangles: `L^{-T} L^{-1}`.
pub(crate) fn inverse<T: Real>(l: &[T], n: usize, out: &mut [T], w: &mut Workspace<T>) {
    debug_assert!(l.len() == n * n && out.len() == n * n);
    if n <= CHOLESKY_SMALL {
        identity_tall(out, n);
        solve(l, Triangle::LOWER, out, n, n);
        solve(l, Triangle::LOWER.transposed(), out, n, n);
    } else {
        let (stack, [], _) = w.lend(inverse_scratch::<T>(n, Par::Seq), [], 0);
        inverse_lower(view_mut(out, n, n), view(l, n, n), Par::Seq, stack);
        clear_wide_registers();
    }
    mirror(out, n, true);
}

/// The lower triangle of `(A + A^T)/2`, zeros above.
fn lower_part<T: Real>(a: &[T], n: usize, l: &mut [T]) {
    let half = T::of(0.5);
    for j in 0..n {
        l[j * n..j * n + j].fill(T::zero());
        l[j + j * n] = a[j + j * n];
        for i in j + 1..n {
            l[i + j * n] = half * a[i + j * n] + half * a[j + i * n];
        }
    }
}

/// The plain factorisation of the lower triangle in `l`, column by column.
pub(crate) fn factor<T: Real>(l: &mut [T], n: usize) -> Result<(), Failure> {
    let limit = cholesky_pivot::<T>(n);
    let fixed = match n {
        1 => Some(crate::fixed::cholesky::<T, 1>(l, limit)),
        2 => Some(crate::fixed::cholesky::<T, 2>(l, limit)),
        3 => Some(crate::fixed::cholesky::<T, 3>(l, limit)),
        4 => Some(crate::fixed::cholesky::<T, 4>(l, limit)),
        _ => None,
    };
    if let Some(done) = fixed {
        return done.map_err(|(index, value)| Failure::NotPositiveDefinite { index, value: Scalar::f64(value) });
    }
    for j in 0..n {
        let (done, rest) = l.split_at_mut(j * n);
        let column = &mut rest[j..n];
        let diagonal = column[0];
        for before in done.chunks_exact(n) {
            let before = &before[j..];
            let s = before[0];
            for i in 0..column.len() {
                column[i] -= s * before[i];
            }
        }
        let pivot = column[0];
        if !(pivot > limit * diagonal && pivot > T::zero()) {
            return Err(Failure::NotPositiveDefinite { index: j, value: Scalar::f64(pivot) });
        }
        let root = Float::sqrt(pivot);
        column[0] = root;
        column[1..].iter_mut().for_each(|x| *x /= root);
    }
    Ok(())
}
