//! LU with complete pivoting, in place. What it is for is in `minors.rs`.
//!
//! Not faer's: where its search for a pivot runs on AVX-512 (faer 0.24.4 with the feature `x86-v4` of `pulp`), it
//! returns entries that are not the largest, of nearly every matrix, and entries of `L` grow beyond a thousand.

use num_traits::Float;
use pulp::{Arch, Simd, WithSimd};

use crate::real::{Real, max_abs};

/// Turns `A` into the packed `L` and `U` of `P A Q`, whose entry `(i, j)` is `a[p_i, q_j]`, and stops where nothing is
/// left that a pivot could be made of. A pivot below the smallest normal number is one like any other: whatever is
/// divided by it is not larger.
pub(crate) fn factor<T: Real>(a: &mut [T], n: usize, p: &mut [T], q: &mut [T]) {
    for k in 0..n {
        p[k] = T::of(k as f64);
        q[k] = T::of(k as f64);
    }
    let mut largest = Largest::default();
    a.chunks_exact(n.max(1)).enumerate().for_each(|(j, c)| largest.see(j, max_abs(c)));
    for k in 0..n {
        let (j, size) = (largest.column, largest.size);
        if size == T::zero() {
            return;
        }
        let i = (k..n).find(|&i| Float::abs(a[i + j * n]) == size).unwrap_or(k);
        exchange(a, n, k, i, j);
        p.swap(k, i);
        q.swap(k, j);
        let (head, rest) = a.split_at_mut((k + 1) * n);
        let (pivot, l) = (head[k + k * n], &mut head[k + 1 + k * n..]);
        l.iter_mut().for_each(|l| *l /= pivot);
        largest = Arch::new().dispatch(Eliminate { l, rest, n, k });
    }
}

/// The column of the largest magnitude, the first of several.
#[derive(Default)]
struct Largest<T> {
    column: usize,
    size: T,
}

impl<T: Real> Largest<T> {
    #[inline(always)]
    fn see(&mut self, column: usize, size: T) {
        if size > self.size {
            *self = Largest { column, size };
        }
    }
}

/// `C -= l u` of the columns `rest` after column `k`, whose entries `k` are `u`, and the largest entry that results.
struct Eliminate<'a, T> {
    l: &'a [T],
    rest: &'a mut [T],
    n: usize,
    k: usize,
}

impl<T: Real> WithSimd for Eliminate<'_, T> {
    type Output = Largest<T>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Largest<T> {
        let Eliminate { l, rest, n, k } = self;
        let whole = T::whole::<S>(l);
        let last = size_of_val(whole) / size_of::<T>();
        let mut largest = Largest::default();
        for (j, c) in rest.chunks_exact_mut(n).enumerate() {
            let (u, mut top) = (T::splat(simd, -c[k]), T::splat(simd, T::zero()));
            let c = &mut c[k + 1..];
            for (c, l) in T::whole_mut::<S>(c).iter_mut().zip(whole) {
                *c = T::madd(simd, u, *l, *c);
                top = T::larger(simd, *c, top);
            }
            if last < l.len() {
                let end = T::madd(simd, u, T::part(simd, &l[last..]), T::part(simd, &c[last..]));
                T::write(simd, &mut c[last..], end);
                top = T::larger(simd, end, top);
            }
            largest.see(k + 1 + j, T::largest(simd, top));
        }
        largest
    }
}

/// Exchanges row `k` and row `i`, and column `k` and column `j >= k`.
fn exchange<T: Real>(a: &mut [T], n: usize, k: usize, i: usize, j: usize) {
    if i != k {
        a.chunks_exact_mut(n).for_each(|c| c.swap(i, k));
    }
    if j != k {
        let (left, right) = a.split_at_mut(j * n);
        left[k * n..(k + 1) * n].swap_with_slice(&mut right[..n]);
    }
}
