//! Eigendecomposition of the symmetric part: Jacobi's method for tiny matrices, faer's for the rest.

use faer::Par;
use faer::diag::DiagMut;
use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch};
use num_traits::Float;

use crate::real::{Real, balance, finite, identity_tall, max_abs, symmetrise, view, view_mut};
use crate::tolerances::{EIGH_SMALL, JACOBI_SWEEPS};
use crate::{Failure, Workspace};

/// `(A + A')/2 = V diag(w) V'` into a handle: `V`, then `w` ascending. Signs of eigenvectors are as they fall.
pub(crate) fn eigh<T: Real>(a: &[T], n: usize, handle: &mut [T], w: &mut Workspace<T>) -> Result<(), Failure> {
    debug_assert!(a.len() == n * n && handle.len() == n * (n + 1));
    finite(a)?;
    if n == 0 {
        return Ok(());
    }
    let scale = balance(max_abs(a));
    let (v, values) = handle.split_at_mut(n * n);
    if n <= EIGH_SMALL {
        let [s] = w.slices([n * n]);
        symmetrise(a, n, scale, s);
        jacobi(s, n, v)?;
        for i in 0..n {
            values[i] = s[i + i * n];
        }
        sort(v, values, n);
    } else {
        let need = self_adjoint_evd_scratch::<T>(n, ComputeEigenvectors::Yes, Par::Seq, Default::default());
        let (stack, [s], _) = w.lend(need, [n * n], 0);
        symmetrise(a, n, scale, s);
        let d = DiagMut::from_slice_mut(values);
        self_adjoint_evd(view(s, n, n), d, Some(view_mut(v, n, n)), Par::Seq, stack, Default::default())
            .map_err(|_| Failure::NoConvergence)?;
    }
    values.iter_mut().for_each(|x| *x /= scale);
    Ok(())
}

/// Cyclic Jacobi: diagonalises `s` in place, rotations gathered in `v`.
fn jacobi<T: Real>(s: &mut [T], n: usize, v: &mut [T]) -> Result<(), Failure> {
    identity_tall(v, n);
    for _ in 0..JACOBI_SWEEPS {
        let mut rotated = false;
        for q in 1..n {
            for p in 0..q {
                rotated |= annihilate(s, n, v, p, q);
            }
        }
        if !rotated {
            return Ok(());
        }
    }
    Err(Failure::NoConvergence)
}

/// One rotation in the plane `(p, q)`; `false` if the entry was negligible already.
fn annihilate<T: Real>(s: &mut [T], n: usize, v: &mut [T], p: usize, q: usize) -> bool {
    let (app, aqq, apq) = (s[p + p * n], s[q + q * n], s[p + q * n]);
    // Negligible beside both diagonal entries, so that tiny eigenvalues of graded matrices stay accurate.
    let size = Float::abs(apq);
    if size == T::zero() || size <= T::EPS * T::of(0.25) * Float::sqrt(Float::abs(app)) * Float::sqrt(Float::abs(aqq)) {
        s[p + q * n] = T::zero();
        s[q + p * n] = T::zero();
        return false;
    }
    let theta = (aqq - app) / (apq + apq);
    let root = Float::sqrt(T::one() + theta * theta);
    let t = if theta < T::zero() { -T::one() / (root - theta) } else { T::one() / (root + theta) };
    let c = T::one() / Float::sqrt(T::one() + t * t);
    let sn = t * c;
    for i in 0..n {
        let (x, y) = (s[i + p * n], s[i + q * n]);
        s[i + p * n] = c * x - sn * y;
        s[i + q * n] = sn * x + c * y;
        let (x, y) = (v[i + p * n], v[i + q * n]);
        v[i + p * n] = c * x - sn * y;
        v[i + q * n] = sn * x + c * y;
    }
    for i in 0..n {
        s[p + i * n] = s[i + p * n];
        s[q + i * n] = s[i + q * n];
    }
    s[p + p * n] = app - t * apq;
    s[q + q * n] = aqq + t * apq;
    s[p + q * n] = T::zero();
    s[q + p * n] = T::zero();
    true
}

/// Ascending order, by insertion.
fn sort<T: Real>(v: &mut [T], values: &mut [T], n: usize) {
    for i in 1..n {
        let mut j = i;
        while j > 0 && values[j] < values[j - 1] {
            values.swap(j, j - 1);
            let (left, right) = v.split_at_mut(j * n);
            left[(j - 1) * n..].swap_with_slice(&mut right[..n]);
            j -= 1;
        }
    }
}
