//! Products of a matrix with one to four columns. Each entry of the matrix is read once and serves all columns, so the
//! speed is that at which the matrix is read. Products of other shapes are in `gemm.rs`.
//!
//! Two kernels, both with their sums in registers: `A X` adds columns of `A`, some rows at a time; `A^T X` takes inner
//! products with columns of `A`, a few at a time. As `x^T A = (A^T x)^T`, they serve one row from the left too.

use crate::real::Real;
use crate::tolerances::THIN_PANEL;
use core::ops::Range;
use pulp::{Arch, Simd, WithSimd};

/// The most columns.
pub(crate) const COLUMNS: usize = 4;

/// `C = [C +] alpha op(A) X`: `A` is `m x k`, or `k x m` if it is transposed, and `X` is `k x n` with `n <= 4`.
#[derive(Debug)]
pub(crate) struct Thin<'a, T> {
    pub(crate) c: &'a mut [T],
    pub(crate) alpha: T,
    pub(crate) a: &'a [T],
    pub(crate) transposed: bool,
    pub(crate) x: &'a [T],
    /// The rows of `C`, its columns, and the inner size.
    pub(crate) m: usize,
    pub(crate) n: usize,
    pub(crate) k: usize,
    pub(crate) add: bool,
}

impl<T: Real> Thin<'_, T> {
    #[inline(never)]
    pub(crate) fn run(self) {
        debug_assert!(self.n <= COLUMNS && self.c.len() == self.m * self.n && self.x.len() == self.k * self.n);
        Arch::new().dispatch(self);
    }
}

impl<T: Real> WithSimd for Thin<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        if !self.add {
            self.c.fill(T::zero());
        }
        // Eight sums or more, as many as there are operations under way at once, and sixteen registers in all.
        match (self.transposed, self.n) {
            (false, 1) => self.columns::<S, 1, 8>(simd),
            (false, 2) => self.columns::<S, 2, 4>(simd),
            (false, 3) => self.columns::<S, 3, 3>(simd),
            (false, _) => self.columns::<S, 4, 3>(simd),
            (true, 1) => self.products::<S, 1, 8>(simd),
            (true, 2) => self.products::<S, 2, 4>(simd),
            (true, 3) => self.products::<S, 3, 3>(simd),
            (true, _) => self.products::<S, 4, 2>(simd),
        }
    }
}

impl<T: Real> Thin<'_, T> {
    /// `C += alpha A X`, `R` registers of rows at a time, and few enough columns of `A` that they stay near.
    #[inline(always)]
    fn columns<S: Simd, const N: usize, const R: usize>(&mut self, simd: S) {
        let lanes = size_of::<T::Of<S>>() / size_of::<T>();
        for from in (0..self.k).step_by(THIN_PANEL) {
            let panel = from..self.k.min(from + THIN_PANEL);
            let mut i = 0;
            while self.m - i >= R * lanes {
                self.rows::<S, N, R>(simd, i..i + R * lanes, panel.clone());
                i += R * lanes;
            }
            while self.m - i >= 2 * lanes {
                self.rows::<S, N, 2>(simd, i..i + 2 * lanes, panel.clone());
                i += 2 * lanes;
            }
            while i < self.m {
                let end = self.m.min(i + lanes);
                self.rows::<S, N, 1>(simd, i..end, panel.clone());
                i = end;
            }
        }
    }

    /// Some rows of it: `R` whole registers, or a part of one.
    #[inline(always)]
    fn rows<S: Simd, const N: usize, const R: usize>(&mut self, simd: S, rows: Range<usize>, panel: Range<usize>) {
        let (m, zero) = (self.m, T::splat(simd, T::zero()));
        let mut sums = [[zero; R]; N];
        let x: [&[T]; N] = core::array::from_fn(|j| &self.x[j * self.k..][panel.clone()]);
        let columns = self.a[panel.start * m..panel.end * m].chunks_exact(m);
        for (p, a) in columns.enumerate().take(panel.len()) {
            let a = &a[rows.clone()];
            let a: [T::Of<S>; R] = match T::whole::<S>(a).first_chunk() {
                Some(a) => *a,
                None => [T::part(simd, a); R],
            };
            for j in 0..N {
                let x = T::splat(simd, x[j][p]);
                for r in 0..R {
                    sums[j][r] = T::madd(simd, a[r], x, sums[j][r]);
                }
            }
        }
        let alpha = T::splat(simd, self.alpha);
        for j in 0..N {
            let c = &mut self.c[j * m..][rows.clone()];
            let each = c.len().div_ceil(R);
            for (c, sum) in c.chunks_mut(each).zip(sums[j]) {
                let sum = T::madd(simd, alpha, sum, T::part(simd, c));
                T::write(simd, c, sum);
            }
        }
    }

    /// `C += alpha A^T X`, `Q` columns of `A` at a time.
    #[inline(always)]
    fn products<S: Simd, const N: usize, const Q: usize>(&mut self, simd: S) {
        let mut i = 0;
        while self.m - i >= Q {
            self.dots::<S, N, Q>(simd, i);
            i += Q;
        }
        while i < self.m {
            self.dots::<S, N, 1>(simd, i);
            i += 1;
        }
    }

    #[inline(always)]
    fn dots<S: Simd, const N: usize, const Q: usize>(&mut self, simd: S, i: usize) {
        let lanes = size_of::<T::Of<S>>() / size_of::<T>();
        let whole = self.k / lanes;
        let a: [&[T]; Q] = core::array::from_fn(|q| &self.a[(i + q) * self.k..][..self.k]);
        let x: [&[T]; N] = core::array::from_fn(|j| &self.x[j * self.k..][..self.k]);
        let mut sums = [[T::splat(simd, T::zero()); N]; Q];
        let (a_whole, x_whole) = (a.map(|a| &T::whole::<S>(a)[..whole]), x.map(|x| &T::whole::<S>(x)[..whole]));
        for p in 0..whole {
            add::<S, T, N, Q>(simd, &mut sums, a_whole.map(|a| a[p]), x_whole.map(|x| x[p]));
        }
        if whole * lanes < self.k {
            let rest = |v: &[T]| T::part(simd, &v[whole * lanes..]);
            add::<S, T, N, Q>(simd, &mut sums, a.map(rest), x.map(rest));
        }
        for q in 0..Q {
            for j in 0..N {
                self.c[i + q + j * self.m] += self.alpha * T::total(simd, sums[q][j]);
            }
        }
    }
}

/// `S_qj += A_q o X_j`.
#[inline(always)]
fn add<S: Simd, T: Real, const N: usize, const Q: usize>(
    simd: S,
    sums: &mut [[T::Of<S>; N]; Q],
    a: [T::Of<S>; Q],
    x: [T::Of<S>; N],
) {
    for q in 0..Q {
        for j in 0..N {
            sums[q][j] = T::madd(simd, a[q], x[j], sums[q][j]);
        }
    }
}
