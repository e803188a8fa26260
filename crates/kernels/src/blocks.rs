//! Linear systems of up to four unknowns by elimination with complete pivoting: what solvers over 1x1 and 2x2 blocks
//! rest on.

use num_traits::Float;

use crate::real::Real;

/// A pivot that is too small to divide by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tiny<T>(pub(crate) T);

/// Solves `M x = b` in place of `b` and returns the smallest pivot; up to `floor` a pivot counts as zero. The order is
/// a constant, so that loops unroll.
#[inline]
pub(crate) fn solve<T: Real, const N: usize>(m: &mut [[T; N]; N], b: &mut [T; N], floor: T) -> Result<T, Tiny<T>> {
    let mut columns: [usize; N] = core::array::from_fn(|i| i);
    let mut least = T::infinity();
    for k in 0..N {
        let (i, j, large) = pivot_from(m, k);
        if large.partial_cmp(&floor) != Some(core::cmp::Ordering::Greater) {
            return Err(Tiny(large));
        }
        least = least.min(large);
        m.swap(k, i);
        b.swap(k, i);
        if j != k {
            columns.swap(k, j);
            m.iter_mut().for_each(|row| row.swap(k, j));
        }
        let (pivot, known) = (m[k], b[k]);
        let inverse = T::one() / pivot[k];
        for r in k + 1..N {
            let f = m[r][k] * inverse;
            for c in k + 1..N {
                m[r][c] -= f * pivot[c];
            }
            b[r] -= f * known;
        }
    }
    let mut x = [T::zero(); N];
    for k in (0..N).rev() {
        let mut s = b[k];
        for c in k + 1..N {
            s -= m[k][c] * x[c];
        }
        x[k] = s / m[k][k];
    }
    (0..N).for_each(|k| b[columns[k]] = x[k]);
    Ok(least)
}

/// Row, column and size of the largest entry from row and column `k` on.
#[inline(always)]
fn pivot_from<T: Real, const N: usize>(m: &[[T; N]; N], k: usize) -> (usize, usize, T) {
    let (mut i, mut j, mut large) = (k, k, Float::abs(m[k][k]));
    for r in k..N {
        for c in k..N {
            let size = Float::abs(m[r][c]);
            if size > large {
                (i, j, large) = (r, c, size);
            }
        }
    }
    (i, j, large)
}
