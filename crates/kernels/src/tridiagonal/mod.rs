//! Eigendecomposition of a symmetric tridiagonal matrix by divide and conquer: two halves are solved and merged
//! (Cuppen, Numer. Math. 36, 1981). What a merge does with numbers is in `merge.rs` and the files it names; values
//! without vectors are in `values.rs`. How a full matrix becomes tridiagonal is in `reduce.rs`, and what becomes of the
//! vectors in `eigh_large.rs`.
//!
//! Without the coupling `b` of its halves, `T` is `diag(T_1, T_2) + |b| v v^T`, with `|b|` taken off two diagonal
//! entries and `v` zero but for a 1 and the sign of `b`. In the eigenvectors `Q_1`, `Q_2` of the halves that is
//! `diag(d) + rho z z^T`, `z` of their last and first rows. Deflation leaves `k` columns in it (`deflate.rs`), its
//! zeros and vectors `S` are found many at a time (`secular.rs`, `vectors.rs`), and `diag(Q_1, Q_2) S` is two products,
//! for the upper rows with the columns that are not zero there, and for the lower ones.
//!
//! Cost: at most `4/3 n^3` multiplications and additions for the products, `O(n^2)` divisions for the rest.

mod deflate;
mod merge;
pub(crate) mod reduce;
mod secular;
pub(crate) mod values;
mod vectors;

use faer::{Accum, MatMut, MatRef};
use num_traits::Float;

use self::merge::{INDICES, LISTS, Merge};
use crate::Failure;
use crate::dense::matmul;
use crate::real::{Real, balance, identity_tall, max_abs};
use crate::tolerances::{CONQUER_LEAF, unit_range};
use crate::wide_registers::clear_wide_registers;

/// How many numbers, and how many indices, of scratch memory a matrix of order `n` needs.
pub(crate) fn scratch(n: usize) -> (usize, usize) {
    (2 * n * n + LISTS * n, (INDICES + 1) * n)
}

/// `T = Q diag(d) Q^T`, `d` ascending, of the tridiagonal matrix with diagonal `d` and `e` below it (`e[n - 1]` is not
/// read). Destroys `e`.
pub(crate) fn eigen<T: Real>(
    d: &mut [T],
    e: &mut [T],
    q: &mut [T],
    numbers: &mut [T],
    indices: &mut [usize],
) -> Result<(), Failure> {
    let n = d.len();
    debug_assert!(e.len() == n && q.len() == n * n);
    let (pack, rest) = numbers.split_at_mut(n * n);
    let (s, lists) = rest.split_at_mut(n * n);
    let (order, indices) = indices.split_at_mut(n);
    q.fill(T::zero());
    let mut conquer = Conquer { n, d, e, q, pack, s, lists, order, indices };
    conquer.solve(0, n)?;
    conquer.sort();
    Ok(())
}

struct Conquer<'a, T> {
    n: usize,
    d: &'a mut [T],
    e: &'a mut [T],
    q: &'a mut [T],
    /// Columns of `q` by kind, without their zeros.
    pack: &'a mut [T],
    /// Vectors of a merge.
    s: &'a mut [T],
    lists: &'a mut [T],
    /// In each solved block its columns by ascending `d`, counted from the first.
    order: &'a mut [usize],
    indices: &'a mut [usize],
}

impl<T: Real> Conquer<'_, T> {
    fn solve(&mut self, from: usize, to: usize) -> Result<(), Failure> {
        if to - from <= CONQUER_LEAF {
            return self.leaf(from, to);
        }
        let (middle, coupling) = tear(self.d, self.e, from, to);
        self.solve(from, middle)?;
        self.solve(middle, to)?;
        self.merge(from, middle, to, coupling)
    }

    fn leaf(&mut self, from: usize, to: usize) -> Result<(), Failure> {
        let m = to - from;
        let q = &mut self.pack[..m * m];
        identity_tall(q, m);
        leaf(&mut self.d[from..to], &mut self.e[from..to], q, m, &mut self.order[from..to])?;
        for (j, q) in q.chunks_exact(m).enumerate() {
            self.q[from + (from + j) * self.n..][..m].copy_from_slice(q);
        }
        Ok(())
    }

    /// Merges the solved blocks `from..middle` and `middle..to`, coupled by `coupling`.
    fn merge(&mut self, from: usize, middle: usize, to: usize, coupling: T) -> Result<(), Failure> {
        let (n, m, upper) = (self.n, to - from, middle - from);
        let (q, values, order) = (&mut self.q[from + from * n..], &mut self.d[from..to], &mut self.order[from..to]);
        let row = |j: usize| q[(if j < upper { upper - 1 } else { upper }) + j * n];
        let mut merge = Merge::new(upper, values, coupling, row, self.lists, self.indices);
        merge.solve(order, |p, j, c, s| {
            let (low, high) = (p.min(j), p.max(j));
            let (left, right) = q.split_at_mut(high * n);
            let s = if p < j { s } else { -s };
            for (x, y) in left[low * n..][..m].iter_mut().zip(&mut right[..m]) {
                (*x, *y) = (c * *x + s * *y, c * *y - s * *x);
            }
        })?;
        let k = merge.k;
        if k > 0 {
            let s = &mut self.s[..k * k];
            merge.vectors().form(s);
            let shape = Shape { m, upper, k, top: merge.top, both: merge.both };
            shape.pack(q, n, merge.kept, merge.place, self.pack);
            shape.multiply(self.pack, s, q, n);
        }
        merge.finish(values, order);
        Ok(())
    }

    /// Puts values and vectors into ascending order, along the cycles of the order.
    fn sort(&mut self) {
        let (n, spare) = (self.n, &mut self.pack[..self.n]);
        for start in 0..n {
            if self.order[start] == start {
                continue;
            }
            let value = self.d[start];
            spare.copy_from_slice(&self.q[start * n..][..n]);
            let mut to = start;
            loop {
                let from = core::mem::replace(&mut self.order[to], to);
                if from == start {
                    break;
                }
                self.d[to] = self.d[from];
                self.q.copy_within(from * n..(from + 1) * n, to * n);
                to = from;
            }
            self.d[to] = value;
            self.q[to * n..][..n].copy_from_slice(spare);
        }
    }
}

/// Takes the coupling in the middle of a block out of two diagonal entries; where it is, and what.
fn tear<T: Real>(d: &mut [T], e: &[T], from: usize, to: usize) -> (usize, T) {
    let middle = from.midpoint(to);
    let coupling = e[middle - 1];
    d[middle - 1] -= Float::abs(coupling);
    d[middle] -= Float::abs(coupling);
    (middle, coupling)
}

/// The QL iteration of a block that is scaled to about 1, with `rows` rows of its vectors, and the order of its values.
fn leaf<T: Real>(d: &mut [T], e: &mut [T], v: &mut [T], rows: usize, order: &mut [usize]) -> Result<(), Failure> {
    // What couples it to the next block is none of its business.
    e[e.len() - 1] = T::zero();
    let scale = balance(Float::max(max_abs(d), max_abs(e)), unit_range());
    d.iter_mut().chain(e.iter_mut()).for_each(|x| *x *= scale);
    crate::eigh::tridiagonal_ql(d, e, v, rows)?;
    d.iter_mut().for_each(|x| *x /= scale);
    order.iter_mut().enumerate().for_each(|(i, x)| *x = i);
    order.sort_unstable_by(|&i, &j| d[i].partial_cmp(&d[j]).unwrap_or(core::cmp::Ordering::Equal));
    Ok(())
}

/// What is multiplied in a merge.
#[derive(Clone, Copy)]
struct Shape {
    m: usize,
    upper: usize,
    k: usize,
    /// How many of the columns are not zero in the upper rows only, and in both.
    top: usize,
    both: usize,
}

impl Shape {
    /// How many columns the upper product has as its inner size, and how long the two parts of the packed columns are.
    fn parts(self) -> (usize, usize, usize) {
        let inner = self.top + self.both;
        (inner, inner * self.upper, (self.k - self.top) * (self.m - self.upper))
    }

    /// Copies the columns: their upper rows, their lower rows, and the whole of those that left the equation.
    fn pack<T: Real>(self, q: &[T], stride: usize, kept: &[usize], place: &[usize], out: &mut [T]) {
        let Shape { m, upper, k, top, .. } = self;
        let (inner, first, second) = self.parts();
        let (out, rest) = out.split_at_mut(first);
        let (lower, dropped) = rest.split_at_mut(second);
        let column = |j: usize| &q[j * stride..][..m];
        for (out, &j) in out.chunks_exact_mut(upper).zip(&place[..inner]) {
            out.copy_from_slice(&column(kept[j])[..upper]);
        }
        for (out, &j) in lower.chunks_exact_mut(m - upper).zip(&place[top..k]) {
            out.copy_from_slice(&column(kept[j])[upper..]);
        }
        for (out, &j) in dropped.chunks_exact_mut(m).zip(&kept[k..]) {
            out.copy_from_slice(column(j));
        }
    }

    /// The new columns: two products with the vectors `s`, and after them the columns that left.
    fn multiply<T: Real>(self, packed: &[T], s: &[T], q: &mut [T], stride: usize) {
        let Shape { m, upper, k, top, .. } = self;
        let (inner, first, second) = self.parts();
        let (a, rest) = packed.split_at(first);
        let (b, dropped) = rest.split_at(second);
        for (j, column) in dropped.chunks_exact(m).enumerate().take(m - k) {
            q[(k + j) * stride..][..m].copy_from_slice(column);
        }
        let s = MatRef::from_column_major_slice(s, k, k);
        let rows = (m - upper, k - top);
        let q = &mut q[..(k - 1) * stride + m];
        let q = MatMut::from_column_major_slice_with_stride_mut(q, m, k, stride);
        let (q1, q2) = q.split_at_row_mut(upper);
        for (mut q, a, rows, s) in
            [(q1, a, (upper, inner), s.subrows(0, inner)), (q2, b, rows, s.subrows(top, k - top))]
        {
            if rows.1 == 0 {
                q.fill(T::zero());
                continue;
            }
            let a = MatRef::from_column_major_slice(a, rows.0, rows.1);
            matmul(q, Accum::Replace, a, s, T::one());
        }
        clear_wide_registers();
    }
}
