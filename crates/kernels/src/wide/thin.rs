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

/// A number with registers full of it: the operations of `pulp` under names that do not say which number it is.
pub(crate) trait Registers: Sized {
    type Of<S: Simd>: Copy;

    fn splat<S: Simd>(simd: S, x: Self) -> Self::Of<S>;
    /// `a b + c`, fused where the processor can.
    fn madd<S: Simd>(simd: S, a: Self::Of<S>, b: Self::Of<S>, c: Self::Of<S>) -> Self::Of<S>;
    /// The whole registers at the front.
    fn whole<S: Simd>(x: &[Self]) -> &[Self::Of<S>];
    /// The same to write to.
    fn whole_mut<S: Simd>(x: &mut [Self]) -> &mut [Self::Of<S>];
    /// Fewer entries than fill a register, and zeros.
    fn part<S: Simd>(simd: S, x: &[Self]) -> Self::Of<S>;
    /// As many entries as there is room for.
    fn write<S: Simd>(simd: S, x: &mut [Self], v: Self::Of<S>);
    fn total<S: Simd>(simd: S, v: Self::Of<S>) -> Self;
    /// The larger of the magnitude of each `v` and `top`.
    fn larger<S: Simd>(simd: S, v: Self::Of<S>, top: Self::Of<S>) -> Self::Of<S>;
    fn largest<S: Simd>(simd: S, v: Self::Of<S>) -> Self;
}

macro_rules! registers {
    ($($T:ty, $s:ident: $splat:ident $madd:ident $whole:ident $whole_mut:ident $part:ident $write:ident $total:ident $max:ident $abs:ident $top:ident;)*) => {$(
        impl Registers for $T {
            type Of<S: Simd> = S::$s;

            #[inline(always)]
            fn splat<S: Simd>(simd: S, x: $T) -> S::$s {
                simd.$splat(x)
            }
            #[inline(always)]
            fn madd<S: Simd>(simd: S, a: S::$s, b: S::$s, c: S::$s) -> S::$s {
                simd.$madd(a, b, c)
            }
            #[inline(always)]
            fn whole<S: Simd>(x: &[$T]) -> &[S::$s] {
                S::$whole(x).0
            }
            #[inline(always)]
            fn whole_mut<S: Simd>(x: &mut [$T]) -> &mut [S::$s] {
                S::$whole_mut(x).0
            }
            #[inline(always)]
            fn part<S: Simd>(simd: S, x: &[$T]) -> S::$s {
                simd.$part(x)
            }
            #[inline(always)]
            fn write<S: Simd>(simd: S, x: &mut [$T], v: S::$s) {
                simd.$write(x, v);
            }
            #[inline(always)]
            fn total<S: Simd>(simd: S, v: S::$s) -> $T {
                simd.$total(v)
            }
            #[inline(always)]
            fn larger<S: Simd>(simd: S, v: S::$s, top: S::$s) -> S::$s {
                simd.$max(simd.$abs(v), top)
            }
            #[inline(always)]
            fn largest<S: Simd>(simd: S, v: S::$s) -> $T {
                simd.$top(v)
            }
        }
    )*};
}
registers! {
    f64, f64s: splat_f64s mul_add_e_f64s as_simd_f64s as_mut_simd_f64s partial_load_f64s partial_store_f64s reduce_sum_f64s
        max_f64s abs_f64s reduce_max_f64s;
    f32, f32s: splat_f32s mul_add_e_f32s as_simd_f32s as_mut_simd_f32s partial_load_f32s partial_store_f32s reduce_sum_f32s
        max_f32s abs_f32s reduce_max_f32s;
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
