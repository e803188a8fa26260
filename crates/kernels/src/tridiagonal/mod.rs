//! Eigendecomposition of a symmetric tridiagonal matrix by divide and conquer: two halves are solved and merged (Cuppen,
//! Numer. Math. 36, 1981). What a merge does with numbers is in the files below; the reduction of a full matrix to a
//! tridiagonal one, and what becomes of the vectors, is in `eigh.rs`.
//!
//! Without the coupling `b` of its halves, `T` is `diag(T_1, T_2) + |b| v v^T`, with `|b|` taken off two diagonal entries
//! and `v` zero but for a 1 and the sign of `b`. In the eigenvectors `Q_1`, `Q_2` of the halves that is
//! `diag(d) + rho z z^T`, `z` of their last and first rows. Deflation leaves `k` columns in it (`deflate.rs`), its zeros
//! and vectors `S` are found many at a time (`secular.rs`, `vectors.rs`), and `diag(Q_1, Q_2) S` is two products, for
//! the upper rows with the columns that are not zero there, and for the lower ones.
//!
//! Cost: at most `4/3 n^3` multiplications and additions for the products, `O(n^2)` divisions for the rest.

mod deflate;
pub(crate) mod reduce;
mod secular;
mod vectors;

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use num_traits::Float;

use self::deflate::{BOTH, BOTTOM, Halves, TOP};
use self::secular::Secular;
use self::vectors::Vectors;
use crate::Failure;
use crate::real::{Real, balance, max_abs};
use crate::tolerances::{CONQUER_LEAF, unit_range};
use crate::wide_registers::clear_wide_registers;

/// Lists of `n` numbers that a merge needs beside two matrices.
const LISTS: usize = 8;
/// Lists of `n` indices.
const INDICES: usize = 5;

/// How many numbers, and how many indices, of scratch memory a matrix of order `n` needs.
pub(crate) fn scratch(n: usize) -> (usize, usize) {
    (2 * n * n + LISTS * n, INDICES * n)
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
        let middle = from.midpoint(to);
        let coupling = self.e[middle - 1];
        self.d[middle - 1] -= Float::abs(coupling);
        self.d[middle] -= Float::abs(coupling);
        self.solve(from, middle)?;
        self.solve(middle, to)?;
        self.merge(from, middle, to, coupling)
    }

    /// The QL iteration, of a block that is scaled to about 1.
    fn leaf(&mut self, from: usize, to: usize) -> Result<(), Failure> {
        let m = to - from;
        let (d, e) = (&mut self.d[from..to], &mut self.e[from..to]);
        e[m - 1] = T::zero();
        let scale = balance(Float::max(max_abs(d), max_abs(e)), unit_range());
        d.iter_mut().chain(e.iter_mut()).for_each(|x| *x *= scale);
        let q = &mut self.pack[..m * m];
        crate::eigh::tridiagonal_ql(d, e, q, m)?;
        d.iter_mut().for_each(|x| *x /= scale);
        for (j, q) in q.chunks_exact(m).enumerate() {
            self.q[from + (from + j) * self.n..][..m].copy_from_slice(q);
        }
        let order = &mut self.order[from..to];
        order.iter_mut().enumerate().for_each(|(i, x)| *x = i);
        order.sort_unstable_by(|&i, &j| d[i].partial_cmp(&d[j]).unwrap_or(core::cmp::Ordering::Equal));
        Ok(())
    }

    /// Merges the solved blocks `from..middle` and `middle..to`, coupled by `coupling`.
    fn merge(&mut self, from: usize, middle: usize, to: usize, coupling: T) -> Result<(), Failure> {
        let (n, m, upper) = (self.n, to - from, middle - from);
        let [d, z, poles, weights, packed, loewner, origin, tau] = lists(self.lists, m);
        let [sorted, kind, kept, place] = lists(self.indices, m);
        let (q, values, order) = (&mut self.q[from + from * n..], &mut self.d[from..to], &mut self.order[from..to]);
        // A scale at which squares and their reciprocals are far from over- and underflow.
        let scale = balance(Float::max(max_abs(values), Float::abs(coupling)), unit_range());
        for j in 0..m {
            d[j] = values[j] * scale;
            kind[j] = if j < upper { TOP } else { BOTTOM };
            // Rows of orthogonal matrices: z has length 1.
            let (row, sign) = if j < upper { (upper - 1, T::one()) } else { (upper, Float::signum(coupling)) };
            z[j] = sign * q[row + j * n] * T::of(core::f64::consts::FRAC_1_SQRT_2);
        }
        let rho = T::of(2.0) * Float::abs(coupling) * scale;
        merged(order, upper, d, sorted);
        let k = Halves { m, d, z, rho, q, stride: n, sorted, kind }.split(kept);
        if k > 0 {
            let shape = Shape::of(m, upper, k, kept, kind, place);
            for (j, &column) in kept[..k].iter().enumerate() {
                (poles[j], weights[j]) = (d[column], z[column]);
            }
            for (r, &j) in place[..k].iter().enumerate() {
                (packed[r], loewner[r]) = (poles[j], weights[j]);
            }
            let (d, origin, tau) = (&poles[..k], &mut origin[..k], &mut tau[..k]);
            if !(Secular { d, z: &weights[..k], rho, origin, tau }).solve() {
                return Err(Failure::NoConvergence);
            }
            let (packed, z, s) = (&packed[..k], &mut loewner[..k], &mut self.s[..k * k]);
            Vectors { d, origin, tau, packed, z, rho, s }.form();
            shape.pack(q, n, kept, place, self.pack);
            shape.multiply(self.pack, s, q, n);
        }
        for j in 0..m {
            values[j] = if j < k { origin[j] + tau[j] } else { d[kept[j]] } / scale;
        }
        if k == 0 {
            // Nothing has moved.
            (0..m).for_each(|j| values[j] = d[j] / scale);
            order.copy_from_slice(kept);
        } else {
            order.iter_mut().enumerate().for_each(|(i, x)| *x = if i < k { i } else { i - k });
            merged(order, k, values, sorted);
            order.copy_from_slice(sorted);
        }
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

/// `K` lists of `m` entries.
fn lists<T, const K: usize>(pool: &mut [T], m: usize) -> [&mut [T]; K] {
    let mut rest = pool;
    core::array::from_fn(|_| {
        let (head, tail) = core::mem::take(&mut rest).split_at_mut(m);
        rest = tail;
        head
    })
}

/// Columns by ascending `d`, from those of each half in this order; the second half counts from `upper` on.
fn merged<T: Real>(order: &[usize], upper: usize, d: &[T], out: &mut [usize]) {
    let (mut first, mut second) =
        (order[..upper].iter().copied().peekable(), order[upper..].iter().map(|i| i + upper).peekable());
    for x in out {
        let one = match (first.peek(), second.peek()) {
            (Some(&i), Some(&j)) => d[i] <= d[j],
            (i, _) => i.is_some(),
        };
        *x = if one { first.next() } else { second.next() }.unwrap_or_default();
    }
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
    /// Fills `place` with the rows of `S`, as places in `kept`, grouped by kind.
    fn of(m: usize, upper: usize, k: usize, kept: &[usize], kind: &[usize], place: &mut [usize]) -> Self {
        let mut counts = [0; 3];
        for group in [TOP, BOTH, BOTTOM] {
            let done = counts.iter().sum();
            let members = (0..k).filter(|&j| kind[kept[j]] == group);
            place[done..k].iter_mut().zip(members).for_each(|(place, j)| {
                *place = j;
                counts[group] += 1;
            });
        }
        Shape { m, upper, k, top: counts[TOP], both: counts[BOTH] }
    }

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
            matmul(q, Accum::Replace, a, s, T::one(), Par::Seq);
        }
        clear_wide_registers();
    }
}
