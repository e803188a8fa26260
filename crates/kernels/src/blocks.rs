//! Linear systems of up to four unknowns by elimination with complete pivoting: what solvers over 1x1 and 2x2 blocks rest on.

use num_traits::Float;

use crate::real::Real;

/// A pivot that is too small to divide by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tiny<T>(pub(crate) T);

/// Solves `M x = b` in place of `b`, for `m` unknowns; `floor` is the size up to which a pivot counts as zero.
#[inline]
pub(crate) fn solve<T: Real>(m: &mut [[T; 4]; 4], b: &mut [T; 4], order: usize, floor: T) -> Result<(), Tiny<T>> {
    let mut columns = [0, 1, 2, 3];
    for k in 0..order {
        let (mut i, mut j, mut large) = (k, k, Float::abs(m[k][k]));
        for r in k..order {
            for c in k..order {
                if Float::abs(m[r][c]) > large {
                    (i, j, large) = (r, c, Float::abs(m[r][c]));
                }
            }
        }
        if large.partial_cmp(&floor) != Some(core::cmp::Ordering::Greater) {
            return Err(Tiny(large));
        }
        m.swap(k, i);
        b.swap(k, i);
        columns.swap(k, j);
        m.iter_mut().for_each(|row| row.swap(k, j));
        for r in k + 1..order {
            let f = m[r][k] / m[k][k];
            for c in k + 1..order {
                m[r][c] = m[r][c] - f * m[k][c];
            }
            b[r] = b[r] - f * b[k];
        }
    }
    let mut x = [T::zero(); 4];
    for k in (0..order).rev() {
        let mut s = b[k];
        for c in k + 1..order {
            s -= m[k][c] * x[columns[c]];
        }
        x[columns[k]] = s / m[k][k];
    }
    *b = x;
    Ok(())
}
