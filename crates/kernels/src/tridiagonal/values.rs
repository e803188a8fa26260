//! Eigenvalues of a symmetric tridiagonal matrix without vectors: the divide and conquer of `mod.rs` with two rows of
//! the vectors of each block, the first and the last, which is what the next merge asks for. The last merge needs none.

use crate::Failure;
use crate::real::Real;
use crate::tolerances::CONQUER_ENDS_LEAF;

use super::merge::{INDICES, LISTS, Merge};
use super::{leaf, tear};

/// How many numbers, and how many indices, of scratch memory a matrix of order `n` needs.
pub(crate) fn scratch(n: usize) -> (usize, usize) {
    ((LISTS + 7) * n, (INDICES + 1) * n)
}

/// The eigenvalues, ascending, in place of the diagonal `d` of a matrix with `e` below it (`e[n - 1]` is not read).
/// Destroys `e`.
///
/// Cost: `O(n^2)` divisions.
pub(crate) fn values<T: Real>(
    d: &mut [T],
    e: &mut [T],
    numbers: &mut [T],
    indices: &mut [usize],
) -> Result<(), Failure> {
    let n = d.len();
    let (ends, rest) = numbers.split_at_mut(2 * n);
    let (spare, lists) = rest.split_at_mut(5 * n);
    let (order, indices) = indices.split_at_mut(n);
    Conquer { d, e, ends, spare, lists, order, indices }.solve(0, n)?;
    d.sort_unstable_by(|x, y| x.partial_cmp(y).unwrap_or(core::cmp::Ordering::Equal));
    Ok(())
}

struct Conquer<'a, T> {
    d: &'a mut [T],
    e: &'a mut [T],
    /// First and last entry of each vector of a solved block.
    ends: &'a mut [T],
    spare: &'a mut [T],
    lists: &'a mut [T],
    order: &'a mut [usize],
    indices: &'a mut [usize],
}

impl<T: Real> Conquer<'_, T> {
    fn solve(&mut self, from: usize, to: usize) -> Result<(), Failure> {
        if to - from <= CONQUER_ENDS_LEAF {
            let (d, e, v) = (&mut self.d[from..to], &mut self.e[from..to], &mut self.ends[2 * from..2 * to]);
            v.fill(T::zero());
            (v[0], v[2 * (to - from) - 1]) = (T::one(), T::one());
            return leaf(d, e, v, 2, &mut self.order[from..to]);
        }
        let (middle, coupling) = tear(self.d, self.e, from, to);
        self.solve(from, middle)?;
        self.solve(middle, to)?;
        self.merge(from, middle, to, coupling)
    }

    fn merge(&mut self, from: usize, middle: usize, to: usize, coupling: T) -> Result<(), Failure> {
        let (upper, whole) = (middle - from, to - from == self.d.len());
        let (values, order) = (&mut self.d[from..to], &mut self.order[from..to]);
        let (ends, _) = self.ends[2 * from..2 * to].as_chunks_mut::<2>();
        // Beside each other, the first half ends with a zero and the second begins with one.
        let coupled = |j: usize| ends[j][usize::from(j < upper)];
        let mut merge = Merge::new(upper, values, coupling, coupled, self.lists, self.indices);
        ends.iter_mut().enumerate().for_each(|(j, end)| end[usize::from(j < upper)] = T::zero());
        merge.solve(order, |p, j, c, s| {
            for i in 0..2 {
                let (x, y) = (ends[p][i], ends[j][i]);
                (ends[p][i], ends[j][i]) = (c * x + s * y, c * y - s * x);
            }
        })?;
        if merge.k > 0 && !whole {
            renew(&mut merge, ends, self.spare);
        }
        merge.finish(values, order);
        Ok(())
    }
}

/// The ends of the new vectors, and after them of those that did not take part.
fn renew<T: Real>(merge: &mut Merge<'_, T>, ends: &mut [[T; 2]], spare: &mut [T]) {
    let (m, k) = (merge.m, merge.k);
    let (new, rest) = spare.split_at_mut(2 * m);
    let (first, rest) = rest.split_at_mut(m);
    let (last, s) = rest.split_at_mut(m);
    for (r, &j) in merge.place[..k].iter().enumerate() {
        [first[r], last[r]] = ends[merge.kept[j]];
    }
    for (new, &j) in new[2 * k..].chunks_exact_mut(2).zip(&merge.kept[k..]) {
        new.copy_from_slice(&ends[j]);
    }
    merge.vectors().products([&first[..k], &last[..k]], &mut s[..k], &mut new[..2 * k]);
    ends.as_flattened_mut().copy_from_slice(new);
}
