//! Reduction of a symmetric matrix to a tridiagonal one by reflections, a panel of columns at a time. The tridiagonal
//! problem is solved in `mod.rs`.
//!
//! `H_k = I - tau v v^T` makes column `k` zero below its second entry, and `H A H = A - v w^T - w v^T` with `w = p -
//! (tau/2) (p^T v) v`, `p = tau A v`. Inside a panel the matrix is left as it is, and what the earlier `v` and `w` of
//! the panel change is taken into account where a column or a product `A v` is formed; after it the rest is changed by
//! one product (Dongarra, Hammarling and Sorensen 1989; LAPACK's `latrd`). So each `A v` reads the lower triangle once,
//! which serves both `A v` and `A^T v`, and writes nothing.
//!
//! Cost: `4/3 n^3` multiplications and additions, half of them in products of a matrix with a vector.

use faer::{Accum, MatMut, MatRef};
use pulp::{Arch, Simd, WithSimd};

use crate::dense::matmul;
use crate::gemm::gemm;
use crate::qr::reflector;
use crate::real::Real;
use crate::sums::dot;
use crate::tolerances::{REDUCE_PANEL, REDUCE_STRIP};
use crate::wide_registers::clear_wide_registers;

/// Numbers of scratch memory for order `n`.
pub(crate) fn scratch(n: usize) -> usize {
    4 * REDUCE_PANEL * n + 4 * REDUCE_PANEL + 2 * n
}

/// Reduces the matrix whose lower triangle is that of `a`: `d` on the diagonal of the result and `e` below it
/// (`e[n - 1] = 0`), `v` below their leading ones in the columns of `a`, under the second entry, and `tau`.
pub(crate) fn reduce<T: Real>(a: &mut [T], n: usize, d: &mut [T], e: &mut [T], tau: &mut [T], work: &mut [T]) {
    let mut k = 0;
    while k + 1 < n {
        let width = REDUCE_PANEL.min(n - 1 - k);
        let rows = n - k;
        let (panel, rest) = work.split_at_mut(2 * width * rows);
        let (mirrored, rest) = rest.split_at_mut(2 * width * rows);
        let mut p = Panel { a: &mut a[k * (n + 1)..], stride: n, rows, panel, spare: rest };
        for j in 0..width {
            (d[k + j], e[k + j], tau[k + j]) = p.column(j);
        }
        p.apply(width, mirrored);
        k += width;
    }
    if n > 0 {
        (d[n - 1], e[n - 1]) = (a[n * n - 1], T::zero());
    }
}

/// The trailing matrix at the beginning of a panel, and `v_0, w_0, v_1, w_1, ...` of the panel so far.
struct Panel<'a, T> {
    a: &'a mut [T],
    stride: usize,
    rows: usize,
    panel: &'a mut [T],
    spare: &'a mut [T],
}

impl<T: Real> Panel<'_, T> {
    /// Reduces column `j` and appends its `v` and `w`; returns the entry of the diagonal, the one below, and `tau`.
    fn column(&mut self, j: usize) -> (T, T, T) {
        let m = self.rows;
        let (done, new) = self.panel.split_at_mut(2 * j * m);
        let (v, rest) = new.split_at_mut(m);
        let w = &mut rest[..m];
        let (turned, spare) = self.spare.split_at_mut(2 * j);
        let products = &mut spare[..2 * j];
        let column = &mut self.a[j * self.stride..][..m];
        // What the panel changes in the column: V W_j^T + W V_j^T.
        for (i, x) in turned.iter_mut().enumerate() {
            *x = done[(i ^ 1) * m + j];
        }
        gemm(column, m, 1, 2 * j, -T::one(), done, false, turned, false, true);
        let below = &mut column[j + 1..];
        let (beta, tau) = reflector(below);
        v[..=j].fill(T::zero());
        v[j + 1] = T::one();
        v[j + 2..].copy_from_slice(&below[1..]);
        w.fill(T::zero());
        let corner = &self.a[(j + 1) * (self.stride + 1)..];
        Symmetric { a: corner, stride: self.stride, x: &v[j + 1..], y: &mut w[j + 1..] }.run();
        gemm(products, 2 * j, 1, m, T::one(), done, true, v, false, false);
        for (i, x) in turned.iter_mut().enumerate() {
            *x = products[i ^ 1];
        }
        gemm(w, m, 1, 2 * j, -T::one(), done, false, turned, false, true);
        w[..=j].fill(T::zero());
        let half = T::of(0.5) * tau * tau * dot(w, v);
        for (w, &v) in w.iter_mut().zip(&*v) {
            *w = tau * *w - half * v;
        }
        (self.a[j * (self.stride + 1)], beta, tau)
    }

    /// `A -= V W^T + W V^T` in the lower triangle behind the panel, a strip of columns at a time.
    fn apply(&mut self, width: usize, mirrored: &mut [T]) {
        let (m, inner) = (self.rows, 2 * width);
        for (pair, out) in self.panel.chunks_exact(2 * m).zip(mirrored.chunks_exact_mut(2 * m)) {
            let (v, w) = pair.split_at(m);
            out[..m].copy_from_slice(w);
            out[m..].copy_from_slice(v);
        }
        let panel = MatRef::from_column_major_slice(&*self.panel, m, inner);
        let mirrored = MatRef::from_column_major_slice(&*mirrored, m, inner);
        for from in (width..m).step_by(REDUCE_STRIP) {
            let columns = REDUCE_STRIP.min(m - from);
            let a = &mut self.a[from * (self.stride + 1)..];
            let a = &mut a[..(columns - 1) * self.stride + m - from];
            let a = MatMut::from_column_major_slice_with_stride_mut(a, m - from, columns, self.stride);
            let right = mirrored.subrows(from, columns).transpose();
            matmul(a, Accum::Add, panel.subrows(from, m - from), right, -T::one());
        }
        clear_wide_registers();
    }
}

/// `y += A x` of a symmetric matrix, of which the lower triangle is read; columns are `stride` apart.
struct Symmetric<'a, T> {
    a: &'a [T],
    stride: usize,
    x: &'a [T],
    y: &'a mut [T],
}

/// Columns that are read together.
const COLUMNS: usize = 4;

impl<T: Real> Symmetric<'_, T> {
    fn run(self) {
        Arch::new().dispatch(self);
    }
}

impl<T: Real> WithSimd for Symmetric<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let n = self.x.len();
        let whole = n / COLUMNS * COLUMNS;
        for j in (0..whole).step_by(COLUMNS) {
            self.triangle::<COLUMNS>(j);
            self.columns::<S>(simd, j);
        }
        for j in whole..n {
            self.triangle::<1>(j);
            for i in j + 1..n {
                let a = self.a[i + j * self.stride];
                self.y[i] += a * self.x[j];
                self.y[j] += a * self.x[i];
            }
        }
    }
}

impl<T: Real> Symmetric<'_, T> {
    /// The diagonal block of `C` columns.
    #[inline(always)]
    fn triangle<const C: usize>(&mut self, j: usize) {
        for c in j..j + C {
            self.y[c] += self.a[c + c * self.stride] * self.x[c];
            for i in c + 1..j + C {
                let a = self.a[i + c * self.stride];
                self.y[i] += a * self.x[c];
                self.y[c] += a * self.x[i];
            }
        }
    }

    /// The rows below it.
    #[inline(always)]
    fn columns<S: Simd>(&mut self, simd: S, j: usize) {
        let n = self.x.len();
        let lanes = size_of::<T::Of<S>>() / size_of::<T>();
        let from = j + COLUMNS;
        let a: [&[T]; COLUMNS] = core::array::from_fn(|c| &self.a[(j + c) * self.stride..][from..n]);
        let factor: [T::Of<S>; COLUMNS] = core::array::from_fn(|c| T::splat(simd, self.x[j + c]));
        let mut sums = [T::splat(simd, T::zero()); COLUMNS];
        let (head, y) = self.y.split_at_mut(from);
        let x = &self.x[from..];
        let whole = x.len() / lanes;
        let (parts, ends) = (a.map(|a| &T::whole::<S>(a)[..whole]), a.map(|a| &a[whole * lanes..]));
        let (y_end, x_end) = (&mut y[whole * lanes..], &x[whole * lanes..]);
        if !x_end.is_empty() {
            let (mut sum, x) = (T::part(simd, y_end), T::part(simd, x_end));
            for c in 0..COLUMNS {
                let a = T::part(simd, ends[c]);
                sum = T::madd(simd, a, factor[c], sum);
                sums[c] = T::madd(simd, a, x, sums[c]);
            }
            T::write(simd, y_end, sum);
        }
        for (p, (y, &x)) in T::whole_mut::<S>(y)[..whole].iter_mut().zip(T::whole::<S>(x)).enumerate() {
            let mut sum = *y;
            for c in 0..COLUMNS {
                let a = parts[c][p];
                sum = T::madd(simd, a, factor[c], sum);
                sums[c] = T::madd(simd, a, x, sums[c]);
            }
            *y = sum;
        }
        for c in 0..COLUMNS {
            head[j + c] += T::total(simd, sums[c]);
        }
    }
}
