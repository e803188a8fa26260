//! LU with partial pivoting and what is read off it: solves, the inverse, `log |det|`.
//!
//! The handle is `n x (n + 1)`: `L` and `U` packed, then the row permutation as numbers (row `i` of `PA` is row `p_i` of `A`).

use faer::Par;
use faer::linalg::lu::partial_pivoting::factor::{lu_in_place, lu_in_place_scratch};
use num_traits::Float;

use crate::real::{Real, finite, identity_tall, view_mut};
use crate::settle::settle;
use crate::tolerances::{LU_SMALL, lu_singular};
use crate::triangular::solve;
use crate::{Failure, Scalar, Triangle, Workspace};

/// Factorises `A` into a handle.
pub(crate) fn lu<T: Real>(a: &[T], n: usize, handle: &mut [T], w: &mut Workspace<T>) -> Result<(), Failure> {
    debug_assert!(a.len() == n * n && handle.len() == n * (n + 1));
    finite(a)?;
    let (f, p) = handle.split_at_mut(n * n);
    f.copy_from_slice(a);
    if n <= LU_SMALL {
        factor(f, n, p)?;
    } else {
        let need = lu_in_place_scratch::<usize, T>(n, n, Par::Seq, Default::default());
        let (stack, [], index) = w.lend(need, [], 2 * n);
        let (perm, inverse) = index.split_at_mut(n);
        lu_in_place(view_mut(f, n, n), perm, inverse, Par::Seq, stack, Default::default());
        settle();
        for i in 0..n {
            p[i] = T::of(perm[i] as f64);
        }
    }
    for j in 0..n {
        regular(a, f, p, n, j)?;
    }
    Ok(())
}

/// Is pivot `j` more than the rounding error of the sum it comes from?
fn regular<T: Real>(a: &[T], f: &[T], p: &[T], n: usize, j: usize) -> Result<(), Failure> {
    let pivot = Float::abs(f[j + j * n]);
    let row = Scalar::f64(p[j]) as usize;
    let mut terms = Float::abs(a[row + j * n]);
    for k in 0..j {
        terms += Float::abs(f[j + k * n] * f[k + j * n]);
    }
    if pivot > lu_singular::<T>(n) * terms && Float::is_finite(pivot) {
        return Ok(());
    }
    let ratio = if terms > T::zero() { Scalar::f64(pivot / terms) } else { 0.0 };
    Err(Failure::Singular { index: j, ratio })
}

/// Right-looking elimination.
fn factor<T: Real>(f: &mut [T], n: usize, p: &mut [T]) -> Result<(), Failure> {
    for i in 0..n {
        p[i] = T::of(i as f64);
    }
    for j in 0..n {
        let mut best = j;
        for i in j + 1..n {
            if Float::abs(f[i + j * n]) > Float::abs(f[best + j * n]) {
                best = i;
            }
        }
        if best != j {
            p.swap(j, best);
            for c in f.chunks_exact_mut(n) {
                c.swap(j, best);
            }
        }
        let (head, rest) = f.split_at_mut((j + 1) * n);
        let column = &mut head[j * n + j..];
        let pivot = column[0];
        if pivot == T::zero() {
            return Err(Failure::Singular { index: j, ratio: 0.0 });
        }
        // Division, not multiplication by the inverse: the pivot may be tiny.
        column[1..].iter_mut().for_each(|x| *x /= pivot);
        for c in rest.chunks_exact_mut(n) {
            let s = c[j];
            for (x, l) in c[j + 1..].iter_mut().zip(&column[1..]) {
                *x -= s * *l;
            }
        }
    }
    Ok(())
}

const LOWER: Triangle = Triangle { lower: true, transpose: false, unit: true, right: false };
const UPPER: Triangle = Triangle { lower: false, transpose: false, unit: false, right: false };

/// `X = A^{-1} X` or `A^{-T} X`: from `PA = LU`, `A^{-1} = U^{-1} L^{-1} P` and `A^{-T} = P' L^{-T} U^{-T}`.
pub(crate) fn lu_solve<T: Real>(handle: &[T], n: usize, transpose: bool, x: &mut [T], k: usize, w: &mut Workspace<T>) {
    debug_assert!(handle.len() == n * (n + 1) && x.len() == n * k);
    let (f, p) = handle.split_at(n * n);
    let [row] = w.slices([n]);
    if transpose {
        solve(f, Triangle { transpose, ..UPPER }, x, n, k);
        solve(f, Triangle { transpose, ..LOWER }, x, n, k);
    }
    for x in x.chunks_exact_mut(n.max(1)) {
        row.copy_from_slice(x);
        for i in 0..n {
            let from = Scalar::f64(p[i]) as usize;
            if transpose { x[from] = row[i] } else { x[i] = row[from] }
        }
    }
    if !transpose {
        solve(f, LOWER, x, n, k);
        solve(f, UPPER, x, n, k);
    }
}

/// `A^{-1}`.
pub(crate) fn lu_inverse<T: Real>(handle: &[T], n: usize, out: &mut [T], w: &mut Workspace<T>) {
    identity_tall(out, n);
    lu_solve(handle, n, false, out, n, w);
}

/// `log |det A|`.
pub(crate) fn lu_logabsdet<T: Real>(handle: &[T], n: usize) -> T {
    (0..n).fold(T::zero(), |s, j| s + Float::ln(Float::abs(handle[j + j * n])))
}
