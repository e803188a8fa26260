//! QR with column pivoting, as far as decisions go: the order of the columns and the diagonal of `R`. No factor lives
//! here.

use faer::Par;
use faer::linalg::qr::col_pivoting::factor::{qr_in_place, qr_in_place_scratch};
use num_traits::Float;

use crate::real::{Real, balance, finite, max_abs, view_mut};
use crate::tolerances::unit_range;
use crate::{Failure, Workspace};

/// The order `p` (`n` numbers: column `j` of `A P` is column `p_j` of `A`) that makes `|r_jj|` decrease, and those
/// moduli (`min(m, n)` numbers). A common power of two is taken out first, so that no square overflows.
pub(crate) fn pivots<T: Real>(
    a: &[T],
    m: usize,
    n: usize,
    p: &mut [T],
    d: &mut [T],
    w: &mut Workspace<T>,
) -> Result<(), Failure> {
    let k = m.min(n);
    debug_assert!(a.len() == m * n && p.len() == n && d.len() == k);
    finite(a)?;
    (0..n).for_each(|j| p[j] = T::of(j as f64));
    if k == 0 {
        return Ok(());
    }
    let largest = max_abs(a);
    if largest == T::zero() {
        // faer divides by the longest column.
        d.fill(T::zero());
        return Ok(());
    }
    let s = balance(largest, unit_range());
    // Blocks of one: the reflections are not applied to anything.
    let need = qr_in_place_scratch::<usize, T>(m, n, 1, Par::Seq, Default::default());
    let (stack, [f, coeff], index) = w.lend(need, [m * n, k], 2 * n);
    crate::wide::flat::scale(s, a, f);
    let (perm, inverse) = index.split_at_mut(n);
    qr_in_place(view_mut(f, m, n), view_mut(coeff, 1, k), perm, inverse, Par::Seq, stack, Default::default());
    crate::wide_registers::clear_wide_registers();
    (0..n).for_each(|j| p[j] = T::of(perm[j] as f64));
    // Ranks are told by quotients, so what overflows is taken for the largest number.
    (0..k).for_each(|j| d[j] = Float::min(Float::abs(f[j + j * m]) / s, T::max_value()));
    Ok(())
}
