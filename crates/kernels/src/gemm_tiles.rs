//! Products of matrices of some eight to sixty rows, whole registers of them, `C = [C +] alpha A op(B)`: tiles of `C`
//! in registers, and nothing packed. Other products, and the choice among kernels, are in `gemm.rs`.
//!
//! faer's kernel takes 1.3 times as long at order 8 and twice as long at 16 (`compare engine` of the benches).

use pulp::{Arch, Simd, WithSimd};

use crate::real::Real;
use crate::tolerances::{GEMM_SMALL, GEMM_TILES};

/// The product: `A` is `m x k`, and entry `(p, j)` of `op(B)` is `b[p + j k]`, or `b[j + p n]` if it is transposed.
#[derive(Debug)]
pub(crate) struct Tiles<'a, T> {
    pub(crate) c: &'a mut [T],
    pub(crate) m: usize,
    pub(crate) n: usize,
    pub(crate) k: usize,
    pub(crate) alpha: T,
    pub(crate) a: &'a [T],
    pub(crate) b: &'a [T],
    pub(crate) transposed: bool,
    pub(crate) add: bool,
}

/// Are tiles the right thing for a product of these sizes? Their columns are whole registers of any width.
#[inline]
pub(crate) fn suit<T>(m: usize, n: usize, k: usize) -> bool {
    (m * size_of::<T>()).is_multiple_of(64)
        && n.is_multiple_of(4)
        && (GEMM_SMALL + 1..=GEMM_TILES).contains(&(m * n * k))
}

impl<T: Real> Tiles<'_, T> {
    #[inline(never)]
    pub(crate) fn run(self) {
        Arch::new().dispatch(self);
    }
}

impl<T: Real> WithSimd for Tiles<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let lanes = size_of::<T::Of<S>>() / size_of::<T>();
        let mut i = 0;
        while self.m - i >= 3 * lanes {
            self.across::<S, 3>(simd, i);
            i += 3 * lanes;
        }
        if self.m - i >= 2 * lanes {
            self.across::<S, 2>(simd, i);
        } else if self.m > i {
            self.across::<S, 1>(simd, i);
        }
    }
}

impl<T: Real> Tiles<'_, T> {
    /// `R` registers of rows of `C` from row `i` on, as many columns at a time as there are registers for.
    #[inline(always)]
    fn across<S: Simd, const R: usize>(&mut self, simd: S, i: usize) {
        let mut j = 0;
        while S::REGISTER_COUNT >= 32 && self.n - j >= 8 {
            self.columns::<S, R, 8>(simd, i, j);
            j += 8;
        }
        while j < self.n {
            self.columns::<S, R, 4>(simd, i, j);
            j += 4;
        }
    }

    #[inline(always)]
    fn columns<S: Simd, const R: usize, const C: usize>(&mut self, simd: S, i: usize, j: usize) {
        let (b, n, k) = (self.b, self.n, self.k);
        if self.transposed {
            self.tile::<S, R, C>(simd, i, j, |p| *b[p * n + j..].first_chunk().expect("columns of B"));
        } else {
            let columns: [&[T]; C] = core::array::from_fn(|q| &b[(j + q) * k..][..k]);
            self.tile::<S, R, C>(simd, i, j, |p| columns.map(|b| b[p]));
        }
    }

    /// These rows and `C` columns; `row` is a row of `op(B)`.
    #[inline(always)]
    fn tile<S: Simd, const R: usize, const C: usize>(
        &mut self,
        simd: S,
        i: usize,
        j: usize,
        row: impl Fn(usize) -> [T; C],
    ) {
        let (zero, high) = (T::splat(simd, T::zero()), R * size_of::<T::Of<S>>() / size_of::<T>());
        let mut sums = [[zero; R]; C];
        for (p, a) in self.a.chunks_exact(self.m).enumerate().take(self.k) {
            let (a, b) = (load::<S, T, R, false>(simd, &a[i..i + high]), row(p));
            for q in 0..C {
                let b = T::splat(simd, b[q]);
                for r in 0..R {
                    sums[q][r] = T::madd(simd, a[r], b, sums[q][r]);
                }
            }
        }
        let alpha = T::splat(simd, self.alpha);
        for q in 0..C {
            let c = &mut self.c[i + (j + q) * self.m..][..high];
            let before = if self.add { load::<S, T, R, false>(simd, c) } else { [zero; R] };
            for r in 0..R {
                sums[q][r] = T::madd(simd, alpha, sums[q][r], before[r]);
            }
            store::<S, T, R, false>(simd, c, sums[q]);
        }
    }
}

/// `R` whole registers, or with `PART` fewer entries than fill one.
#[inline(always)]
pub(crate) fn load<S: Simd, T: Real, const R: usize, const PART: bool>(simd: S, x: &[T]) -> [T::Of<S>; R] {
    match T::whole::<S>(x).first_chunk() {
        Some(x) if !PART => *x,
        _ => [T::part(simd, x); R],
    }
}

/// The same to write to.
#[inline(always)]
pub(crate) fn store<S: Simd, T: Real, const R: usize, const PART: bool>(simd: S, x: &mut [T], v: [T::Of<S>; R]) {
    match T::whole_mut::<S>(x).first_chunk_mut() {
        Some(x) if !PART => *x = v,
        _ => T::write(simd, x, v[0]),
    }
}
