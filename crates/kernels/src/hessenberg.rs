//! Reduction to Hessenberg form by reflections: own loops for small matrices and windows, faer's blocked routine for
//! large ones.

use faer::dyn_stack::{MemStack, StackReq};
use faer::linalg::evd::hessenberg::{hessenberg_in_place, hessenberg_in_place_scratch};
use faer::linalg::householder::{
    apply_block_householder_sequence_on_the_left_in_place_scratch as apply_scratch,
    apply_block_householder_sequence_on_the_left_in_place_with_conj as apply,
};
use faer::linalg::qr::no_pivoting::factor::recommended_block_size;
use faer::{Conj, Par};

use crate::qr::{reflect, reflector};
use crate::real::{Real, identity_tall, view, view_mut};
use crate::wide::flat::axpy;
use crate::wide_registers::clear_wide_registers;

/// `H <- Q^T H Q` with its leading `k` rows and columns brought to Hessenberg form, `U <- U Q`; `U` has `n` columns,
/// `y` is scratch of as many entries as `H` or `U` has rows. The columns beyond `k` are turned along.
pub(crate) fn reduce<T: Real>(h: &mut [T], n: usize, k: usize, u: &mut [T], y: &mut [T]) {
    let rows = u.len() / n;
    for j in 0..k.saturating_sub(2) {
        let (head, rest) = h.split_at_mut((j + 1) * n);
        let x = &mut head[j * n + j + 1..j * n + k];
        let (beta, tau) = reflector(x);
        if tau != T::zero() {
            for c in rest.chunks_exact_mut(n) {
                reflect(&x[1..], tau, &mut c[j + 1..k]);
            }
            x[0] = T::one();
            from_right(&mut rest[..(k - j - 1) * n], n, k, x, tau, y);
            from_right(&mut u[(j + 1) * rows..k * rows], rows, rows, x, tau, y);
        }
        x.fill(T::zero());
        x[0] = beta;
    }
}

/// Columns `A <- A - tau (A v) v^T`, in the rows `0..to`.
pub(crate) fn from_right<T: Real>(a: &mut [T], m: usize, to: usize, v: &[T], tau: T, y: &mut [T]) {
    let y = &mut y[..to];
    y.fill(T::zero());
    for (c, &v) in a.chunks_exact(m).zip(v) {
        axpy(v, &c[..to], y);
    }
    for (c, &v) in a.chunks_exact_mut(m).zip(v) {
        axpy(-tau * v, y, &mut c[..to]);
    }
}

/// How faer blocks the reflections of order `n`.
fn block<T: Real>(n: usize) -> usize {
    recommended_block_size::<T>(n - 1, n - 1)
}

/// What [`reduce_large`] needs of faer's stack, and how many numbers.
pub(crate) fn scratch<T: Real>(n: usize) -> (StackReq, usize) {
    let b = block::<T>(n);
    let need = hessenberg_in_place_scratch::<T>(n, b, Par::Seq, Default::default());
    (need.or(apply_scratch::<T>(n - 1, b, n - 1)), b * (n - 1))
}

/// `A = U H U^T`: `H` in place of `A`, for `n` of two and more.
pub(crate) fn reduce_large<T: Real>(h: &mut [T], n: usize, u: &mut [T], coeff: &mut [T], stack: &mut MemStack) {
    let b = block::<T>(n);
    let coeff = &mut coeff[..b * (n - 1)];
    hessenberg_in_place(view_mut(h, n, n), view_mut(coeff, b, n - 1), Par::Seq, stack, Default::default());
    identity_tall(u, n);
    let basis = view(h, n, n).submatrix(1, 0, n - 1, n - 1);
    let q = view_mut(u, n, n).submatrix_mut(1, 1, n - 1, n - 1);
    apply(basis, view(coeff, b, n - 1), Conj::No, q, Par::Seq, stack);
    clear_wide_registers();
    for j in 0..n {
        h[(j + 2).min(n) + j * n..(j + 1) * n].fill(T::zero());
    }
}
