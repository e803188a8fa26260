//! `A = H_1 .. H_n R` by Householder reflections `H_j = I - tau_j v_j v_j^T`, in blocks, so that most of the work is in
//! products. What a factorisation means (rank, normal form, scales) is in `qr.rs`; small matrices are there too.
//!
//! The reflections of neighbouring columns `V` are applied at once: `H_p .. H_q = I - V T V^T` with an upper triangular
//! `T` that has the `tau_j` on its diagonal (Schreiber and Van Loan 1989). A block is halved until few columns are
//! left, which are reflected one by one in registers; the triangles of its halves are joined by
//! `T_12 = -T_11 (V_1^T V_2) T_22` (Elmroth and Gustavson 2000).
//!
//! `V` has a place of its own, with ones on its diagonal and zeros above, and columns of whole registers: no loop has a
//! beginning or an end of its own. faer's factorisation takes three times as long at order 64, and twice at 256
//! (`compare primitives qr` of the benches).

use faer::{Accum, MatMut, MatRef};
use pulp::{Arch, Simd, WithSimd};

use crate::dense::matmul;
use crate::qr::reflector;
use crate::real::{Real, WHOLE, stride};
use crate::wide_registers::clear_wide_registers;

/// Columns of a block, and of those that are reflected one by one.
const BLOCK: usize = 16;
const PANEL: usize = 8;

/// How much memory a factorisation of an `m x n` matrix takes, of which `columns` are then reflected.
pub(crate) fn lengths(m: usize, n: usize, columns: usize) -> [usize; 4] {
    [stride(m) * n, stride(m) * n, BLOCK * n, 2 * BLOCK * n.max(columns)]
}

/// A matrix of columns `stride` apart, from an entry on.
fn part<T>(x: &[T], from: usize, rows: usize, cols: usize, stride: usize) -> MatRef<'_, T> {
    MatRef::from_column_major_slice_with_stride(&x[from..], rows, cols, stride)
}

fn part_mut<T>(x: &mut [T], from: usize, rows: usize, cols: usize, stride: usize) -> MatMut<'_, T> {
    MatMut::from_column_major_slice_with_stride_mut(&mut x[from..], rows, cols, stride)
}

/// The matrix that becomes `R`, the columns `V`, the triangles `T`, and room for two products.
pub(crate) struct Householder<'a, T> {
    a: &'a mut [T],
    v: &'a mut [T],
    t: &'a mut [T],
    room: &'a mut [T],
    m: usize,
    n: usize,
    stride: usize,
}

impl<'a, T: Real> Householder<'a, T> {
    /// Memory of the [`lengths`], whose contents do not matter.
    pub(crate) fn new([a, v, t, room]: [&'a mut [T]; 4], m: usize, n: usize) -> Self {
        debug_assert!(m >= n);
        Householder { a, v, t, room, m, n, stride: stride(m) }
    }

    /// Column `j` of `A`, to be written before, or of `R` in its first `j + 1` entries afterwards.
    pub(crate) fn column(&mut self, j: usize) -> &mut [T] {
        &mut self.a[j * self.stride..][..self.m]
    }

    pub(crate) fn factor(&mut self) {
        self.v.fill(T::zero());
        self.t.fill(T::zero());
        self.a.chunks_exact_mut(self.stride).for_each(|a| a[self.m..].fill(T::zero()));
        for from in (0..self.n).step_by(BLOCK) {
            let width = BLOCK.min(self.n - from);
            self.columns(from, 0, width);
            self.reflect_columns(from, 0, width, from + width..self.n);
        }
        clear_wide_registers();
    }

    /// Factorises `width` columns of the block at `block`, from its column `at` on.
    fn columns(&mut self, block: usize, at: usize, width: usize) {
        if width <= PANEL {
            let (from, end) = ((block + at) * self.stride, (block + at + width) * self.stride);
            let (a, v) = (&mut self.a[from..end], &mut self.v[from..end]);
            let t = &mut self.t[(block + at) * BLOCK + at..];
            return Panel { a, v, t, row: block + at, m: self.m, width, stride: self.stride }.run();
        }
        let half = (width / 2).next_multiple_of(PANEL);
        self.columns(block, at, half);
        self.reflect_columns(block, at, half, block + at + half..block + at + width);
        self.columns(block, at + half, width - half);
        self.join(block, at, half, width - half);
    }

    /// `C -= V T^T V^T C` for some columns `C` of `A`, with `width` reflections from column `at` of the block on.
    fn reflect_columns(&mut self, block: usize, at: usize, width: usize, columns: core::ops::Range<usize>) {
        if columns.is_empty() {
            return;
        }
        let (row, rows) = (block + at, self.m - block - at);
        let v = part(self.v, row * self.stride + row, rows, width, self.stride);
        let t = part(self.t, row * BLOCK + at, width, width, BLOCK);
        let c = part_mut(self.a, columns.start * self.stride + row, rows, columns.len(), self.stride);
        reflect(v, t.transpose(), c, self.room);
    }

    /// `T_12 = -T_11 (V_1^T V_2) T_22` of two neighbouring groups of reflections.
    fn join(&mut self, block: usize, at: usize, left: usize, right: usize) {
        let row = block + at + left;
        let v1 = part(self.v, (block + at) * self.stride + row, self.m - row, left, self.stride);
        let v2 = part(self.v, row * self.stride + row, self.m - row, right, self.stride);
        let (x, y) = self.room.split_at_mut(left * right);
        matmul(part_mut(x, 0, left, right, left), Accum::Replace, v1.transpose(), v2, T::one());
        let (t1, t2) = self.t.split_at_mut(row * BLOCK);
        let t11 = part(t1, (block + at) * BLOCK + at, left, left, BLOCK);
        let t22 = part(t2, at + left, right, right, BLOCK);
        matmul(part_mut(y, 0, left, right, left), Accum::Replace, part(x, 0, left, right, left), t22, T::one());
        matmul(part_mut(t2, at, left, right, BLOCK), Accum::Replace, t11, part(y, 0, left, right, left), -T::one());
    }

    /// `X = H_1 .. H_n X`, where `X` is the thin identity: a block leaves the columns before its own as they are.
    pub(crate) fn form(&mut self, x: &mut [T]) {
        let (m, n) = (self.m, self.n);
        crate::real::identity_tall(x, m);
        for from in (0..n).step_by(BLOCK).rev() {
            self.reflect_rows(from, part_mut(x, from * m + from, m - from, n - from, m));
        }
        clear_wide_registers();
    }

    /// `X = H_1 .. H_n X` for any `k` columns.
    pub(crate) fn apply(&mut self, x: &mut [T], k: usize) {
        for from in (0..self.n).step_by(BLOCK).rev() {
            self.reflect_rows(from, part_mut(x, from, self.m - from, k, self.m));
        }
        clear_wide_registers();
    }

    /// The block at `from`, applied to the rows that it changes.
    fn reflect_rows(&mut self, from: usize, x: MatMut<'_, T>) {
        let width = BLOCK.min(self.n - from);
        let v = part(self.v, from * self.stride + from, self.m - from, width, self.stride);
        reflect(v, part(self.t, from * BLOCK, width, width, BLOCK), x, self.room);
    }
}

/// `C -= V T V^T C`.
fn reflect<T: Real>(v: MatRef<'_, T>, t: MatRef<'_, T>, mut c: MatMut<'_, T>, room: &mut [T]) {
    let (width, k) = (v.ncols(), c.ncols());
    let (w, tw) = room.split_at_mut(width * k);
    matmul(part_mut(w, 0, width, k, width), Accum::Replace, v.transpose(), c.as_ref(), T::one());
    matmul(part_mut(tw, 0, width, k, width), Accum::Replace, t, part(w, 0, width, k, width), T::one());
    matmul(c.as_mut(), Accum::Add, v, part(tw, 0, width, k, width), -T::one());
}

/// A few neighbouring columns, the first of which has its diagonal in `row`.
struct Panel<'a, T> {
    a: &'a mut [T],
    v: &'a mut [T],
    t: &'a mut [T],
    row: usize,
    m: usize,
    width: usize,
    stride: usize,
}

impl<T: Real> Panel<'_, T> {
    fn run(self) {
        Arch::new().dispatch(self);
    }
}

impl<T: Real> WithSimd for Panel<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Panel { a, v, t, row, m, width, stride } = self;
        // Zeros of `V` above the diagonal, from the beginning of a register on.
        let base = row / WHOLE * WHOLE;
        for j in 0..width {
            let i = row + j;
            let (left, right) = a.split_at_mut((j + 1) * stride);
            let x = &mut left[j * stride..];
            let (beta, tau) = reflector(&mut x[i..m]);
            let (before, vj) = v.split_at_mut(j * stride);
            vj[i] = T::one();
            vj[i + 1..m].copy_from_slice(&x[i + 1..m]);
            x[i] = beta;
            let vj = T::whole::<S>(&vj[base..stride]);
            for c in right.chunks_mut(4 * stride) {
                let d = products::<S, T>(simd, vj, c, base, stride);
                for (c, d) in c.chunks_exact_mut(stride).zip(d) {
                    let s = T::splat(simd, -(tau * d));
                    T::whole_mut::<S>(&mut c[base..])
                        .iter_mut()
                        .zip(vj)
                        .for_each(|(c, v)| *c = T::madd(simd, s, *v, *c));
                }
            }
            let mut g = [T::zero(); PANEL];
            for (g, v) in g.chunks_mut(4).zip(before.chunks(4 * stride)) {
                g.iter_mut().zip(products::<S, T>(simd, vj, v, base, stride)).for_each(|(g, d)| *g = d);
            }
            // Column j of T: -tau T g above the diagonal, tau on it.
            for p in 0..j {
                let sum = (p..j).fold(T::zero(), |sum, q| sum + t[p + q * BLOCK] * g[q]);
                t[p + j * BLOCK] = -(tau * sum);
            }
            t[j + j * BLOCK] = tau;
        }
    }
}

/// The inner products of `v` with up to four columns, from entry `base` on.
#[inline(always)]
fn products<S: Simd, T: Real>(simd: S, v: &[T::Of<S>], columns: &[T], base: usize, stride: usize) -> [T; 4] {
    let mut sums = [[T::splat(simd, T::zero()); 2]; 4];
    let mut out = [T::zero(); 4];
    let (pairs, last) = v.as_chunks::<2>();
    for ((c, sums), out) in columns.chunks_exact(stride).zip(&mut sums).zip(&mut out) {
        let (c, end) = T::whole::<S>(&c[base..]).as_chunks::<2>();
        for (v, c) in pairs.iter().zip(c) {
            sums[0] = T::madd(simd, v[0], c[0], sums[0]);
            sums[1] = T::madd(simd, v[1], c[1], sums[1]);
        }
        for (v, c) in last.iter().zip(end) {
            sums[0] = T::madd(simd, *v, *c, sums[0]);
        }
        *out = T::total(simd, sums[0]) + T::total(simd, sums[1]);
    }
    out
}
