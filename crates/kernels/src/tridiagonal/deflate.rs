//! Deflation: which columns of two merged halves take part in the secular equation, and in what order. No product and
//! no zero is formed here.

use num_traits::Float;

use crate::real::{Real, max_abs};

/// Where a column of two diagonal blocks is not zero.
pub(super) const TOP: usize = 0;
pub(super) const BOTH: usize = 1;
pub(super) const BOTTOM: usize = 2;

/// Two halves beside each other: `diag(d) + rho z z^T` in the basis of their vectors, whose columns are numbered
/// through.
#[derive(Debug)]
pub(super) struct Halves<'a, T> {
    /// The order.
    pub(super) m: usize,
    pub(super) d: &'a mut [T],
    pub(super) z: &'a mut [T],
    pub(super) rho: T,
    /// Columns by ascending `d`.
    pub(super) sorted: &'a [usize],
    /// `TOP`, `BOTH` or `BOTTOM`.
    pub(super) kind: &'a mut [usize],
}

impl<T: Real> Halves<'_, T> {
    /// Writes the columns that stay, by strictly ascending `d`, to the front of `kept` and returns how many there are;
    /// the others follow, ascending too.
    ///
    /// A column leaves if its `z` is rounding, or if a rotation that makes it so moves the matrix by rounding only
    /// (Dongarra and Sorensen 1987; the tolerance is LAPACK's). `turn(p, j, c, s)` does to columns `p` and `j` what
    /// that rotation does, `(c x + s y, c y - s x)`.
    pub(super) fn split(&mut self, kept: &mut [usize], mut turn: impl FnMut(usize, usize, T, T)) -> usize {
        let tolerance = T::of(8.0) * T::EPS * Float::max(max_abs(self.d), self.rho);
        let (mut k, mut from) = (0, self.m);
        let mut pending = None;
        for i in 0..self.m {
            let j = self.sorted[i];
            if self.rho * Float::abs(self.z[j]) <= tolerance {
                from = self.drop(kept, from, j);
                continue;
            }
            if let Some(p) = pending {
                if let Some((c, s)) = self.rotate(p, j, tolerance) {
                    turn(p, j, c, s);
                    from = self.drop(kept, from, p);
                } else {
                    kept[k] = p;
                    k += 1;
                }
            }
            pending = Some(j);
        }
        if let Some(p) = pending {
            kept[k] = p;
            k += 1;
        }
        k
    }

    /// Inserts column `j` among those that left, which stand from `from` on; returns where they stand now.
    fn drop(&self, kept: &mut [usize], from: usize, j: usize) -> usize {
        let mut i = from - 1;
        while i + 1 < self.m && self.d[kept[i + 1]] < self.d[j] {
            kept[i] = kept[i + 1];
            i += 1;
        }
        kept[i] = j;
        from - 1
    }

    /// Turns columns `p` and `j` so that `z_p` is 0, if what that puts beside the diagonal is at most the tolerance:
    /// cosine and sine.
    fn rotate(&mut self, p: usize, j: usize, tolerance: T) -> Option<(T, T)> {
        let (d, z) = (&mut *self.d, &mut *self.z);
        let length = Float::hypot(z[p], z[j]);
        let (c, s) = (z[j] / length, -z[p] / length);
        if Float::abs((d[j] - d[p]) * c * s) > tolerance {
            return None;
        }
        (z[p], z[j]) = (T::zero(), length);
        (d[p], d[j]) = (d[p] * c * c + d[j] * s * s, d[p] * s * s + d[j] * c * c);
        if self.kind[p] != self.kind[j] {
            (self.kind[p], self.kind[j]) = (BOTH, BOTH);
        }
        Some((c, s))
    }
}
