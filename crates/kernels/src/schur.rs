//! The real Schur form of a general matrix: scaling, reduction to Hessenberg form, and the QR iteration's course. The
//! steps live in `francis.rs` and `schur_windows.rs`, the order of the eigenvalues in `schur_order.rs`.

use faer::dyn_stack::StackReq;

use crate::francis::{Shifts, floor, francis, split};
use crate::hessenberg::{reduce, reduce_large, scratch};
use crate::quasi::{is_hessenberg, standardise};
use crate::real::{Real, balance, finite, identity_tall, max_abs};
use crate::schur_windows::{Pencil, Windows};
use crate::sums::all_finite;
use crate::tolerances::{AED_NIBBLE, HESSENBERG_SMALL, QR_STALLS, SCHUR_SMALL, SWEEP_BULGES, unit_range};
use crate::{Failure, Workspace};

/// `A = U T U^T` into a handle of `2 n n` numbers: orthogonal `U`, then quasi-triangular `T` with standardised 2x2
/// blocks.
///
/// `U` is orthogonal, so no balancing by a diagonal matrix takes place; the matrix as a whole is scaled by a power of
/// two. A matrix that is quasi-triangular already keeps its entries, but for 2x2 blocks that are not standard.
///
/// Errors: entries that are not finite; an iteration that does not converge. Cost: about `25 n^3` operations, most of
/// them products. Source: Golub and Van Loan 7.5, Braman, Byers and Mathias 2002 (parts I and II).
pub(crate) fn schur<T: Real>(a: &[T], n: usize, handle: &mut [T], w: &mut Workspace<T>) -> Result<(), Failure> {
    debug_assert!(a.len() == n * n && handle.len() == 2 * n * n);
    finite(a)?;
    if n == 0 {
        return Ok(());
    }
    let scale = balance(max_abs(a), unit_range());
    let (u, t) = handle.split_at_mut(n * n);
    crate::wide::flat::scale(scale, a, t);
    let reduced = is_hessenberg(t, n);
    let large = n > SCHUR_SMALL;
    let (need, coeff) = if n > HESSENBERG_SMALL { scratch::<T>(n) } else { (StackReq::EMPTY, n) };
    let area = if large { n * n } else { 0 };
    let (stack, [coeff, h, v, strip], _) = w.lend(need, [coeff, area, area, area], 0);
    if reduced || n <= HESSENBERG_SMALL {
        identity_tall(u, n);
    }
    if !reduced {
        if n > HESSENBERG_SMALL { reduce_large(t, n, u, coeff, stack) } else { reduce(t, n, n, u, coeff) }
    }
    if large {
        iterate(&mut Pencil { t, u, n }, &mut Windows { h, v, strip })?;
    } else {
        francis(t, n, u)?;
    }
    if scale != T::one() {
        t.iter_mut().for_each(|x| *x /= scale);
        // A small entry above the diagonal of a block may have vanished.
        for j in 1..n {
            if t[j + (j - 1) * n] != T::zero() && t[j - 1 + j * n] == T::zero() {
                standardise(t, n, u, j - 1);
            }
        }
        if !all_finite(t) {
            return Err(Failure::Unsupported { what: "a Schur form whose entries overflow; scale the matrix" });
        }
    }
    Ok(())
}

/// How many shifts a sweep over a block of order `len` takes, and the order of the window of early deflation (measured:
/// a window of half as much again, which others take, loses more in its own loops than it gains).
fn shift_count(len: usize) -> usize {
    match len {
        0..300 => 16,
        300..590 => 32,
        _ => 64,
    }
}

/// The course of the iteration: early deflation, and a sweep where it does not find enough.
fn iterate<T: Real>(m: &mut Pencil<'_, T>, x: &mut Windows<'_, T>) -> Result<(), Failure> {
    let idle = Shifts { a: T::zero(), b: T::zero(), w: T::zero() };
    let mut shifts = [idle; SWEEP_BULGES];
    let (mut end, mut stalls) = (m.n, 0);
    while end > 0 {
        let start = split(m.t, m.n, end, floor::<T>());
        let len = end - start;
        if len <= 2 {
            if len == 2 {
                standardise(m.t, m.n, m.u, start);
            }
            end = start;
            continue;
        }
        let count = shift_count(len);
        // A block that resists the sweeps is left to the double-shift iteration as a whole.
        let window = if len <= SCHUR_SMALL || stalls > QR_STALLS { len } else { count };
        let found = m.deflate(start, end, window, x, &mut shifts[..count / 2])?;
        end -= found.done;
        stalls = if found.done > 0 { 0 } else { stalls + 1 };
        let len = end - start;
        if 100 * found.done > AED_NIBBLE * window || len <= SCHUR_SMALL || found.shifts == 0 {
            continue;
        }
        m.sweep(start, end, &shifts[..found.shifts], x);
    }
    Ok(())
}
