//! Sums of many terms whose rounding error grows with the logarithm of their number: blocks are summed in interleaved
//! lanes, the sums of blocks in pairs. Always in the same order. Products of matrices are in `gemm.rs`.

use num_traits::Float;
use pulp::{Arch, Simd, WithSimd};

use crate::real::{Real, balance, max_abs};
use crate::tolerances::{SUM_BLOCK, WIDE, safe_range};

/// `<a, b>`.
#[inline]
pub(crate) fn dot<T: Real>(a: &[T], b: &[T]) -> T {
    debug_assert_eq!(a.len(), b.len());
    if a.len() <= SUM_BLOCK { dot_block(a, b) } else { dot_tree(a, b) }
}

/// The products of two long lists: those of the halves, added.
fn dot_tree<T: Real>(a: &[T], b: &[T]) -> T {
    let half = half(a.len());
    dot(&a[..half], &b[..half]) + dot(&a[half..], &b[half..])
}

/// The sum of all entries.
#[inline]
pub(crate) fn sum<T: Real>(a: &[T]) -> T {
    if a.len() <= SUM_BLOCK { sum_block(a) } else { sum_tree(a) }
}

/// The sum of a long list: those of the halves, added.
fn sum_tree<T: Real>(a: &[T]) -> T {
    let half = half(a.len());
    sum(&a[..half]) + sum(&a[half..])
}

/// Where a long list is cut: the half of it, in whole blocks.
#[inline]
fn half(len: usize) -> usize {
    len.div_ceil(2 * SUM_BLOCK) * SUM_BLOCK
}

/// `<a, b>` in sixteen interleaved sums: for lists of at most [`SUM_BLOCK`] entries.
#[inline]
pub(crate) fn dot_block<T: Real>(a: &[T], b: &[T]) -> T {
    // One length, so that the loops below look at one.
    let n = a.len().min(b.len());
    let (a, b) = (&a[..n], &b[..n]);
    match n {
        0..8 => a.iter().zip(b).fold(T::zero(), |s, (&x, &y)| s + x * y),
        8..16 => dot_lanes([T::zero(); 8], a, b),
        _ => {
            let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<16>(), b.as_chunks::<16>());
            let mut lanes = [T::zero(); 16];
            for (x, y) in a.iter().zip(b) {
                for i in 0..16 {
                    lanes[i] += x[i] * y[i];
                }
            }
            dot_lanes(halved(lanes), a_rest, b_rest)
        }
    }
}

/// `<a, b>` for fewer than sixteen entries, and what eight sums hold already.
#[inline(always)]
fn dot_lanes<T: Real>(mut lanes: [T; 8], a: &[T], b: &[T]) -> T {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    if let ([x], [y]) = (a, b) {
        for i in 0..8 {
            lanes[i] += x[i] * y[i];
        }
    }
    fold(lanes) + a_rest.iter().zip(b_rest).fold(T::zero(), |s, (&x, &y)| s + x * y)
}

/// The sum of all entries, in sixteen interleaved sums.
#[inline]
fn sum_block<T: Real>(a: &[T]) -> T {
    match a.len() {
        0..8 => a.iter().fold(T::zero(), |s, &x| s + x),
        8..16 => sum_lanes([T::zero(); 8], a),
        _ => {
            let (chunks, rest) = a.as_chunks::<16>();
            let mut lanes = [T::zero(); 16];
            for x in chunks {
                for i in 0..16 {
                    lanes[i] += x[i];
                }
            }
            sum_lanes(halved(lanes), rest)
        }
    }
}

/// The sum of fewer than sixteen entries, and what eight sums hold already.
#[inline(always)]
fn sum_lanes<T: Real>(mut lanes: [T; 8], a: &[T]) -> T {
    let (chunks, rest) = a.as_chunks::<8>();
    if let [x] = chunks {
        for i in 0..8 {
            lanes[i] += x[i];
        }
    }
    fold(lanes) + rest.iter().fold(T::zero(), |s, &x| s + x)
}

#[inline(always)]
fn halved<T: Real>(s: [T; 16]) -> [T; 8] {
    core::array::from_fn(|i| s[i] + s[i + 8])
}

fn fold<T: Real>(s: [T; 8]) -> T {
    ((s[0] + s[4]) + (s[1] + s[5])) + ((s[2] + s[6]) + (s[3] + s[7]))
}

/// `out = sum of the columns of A`, where `A` is `m x n`: what a sum over columns, or over the members of a batch,
/// needs.
pub(crate) fn sum_columns<T: Real>(a: &[T], m: usize, n: usize, out: &mut [T]) {
    debug_assert!(a.len() == m * n && out.len() == m);
    if m == 1 {
        out[0] = sum(a);
        return;
    }
    for (t, out) in out.chunks_mut(TILE).enumerate() {
        let sums = tile(a, m, t * TILE, out.len(), 0, n);
        out.copy_from_slice(&sums[..out.len()]);
    }
}

/// Rows that are summed together, in registers or close by.
const TILE: usize = 32;
/// Columns that are summed one after the other.
const RUN: usize = 64;

/// The sums over the columns `from..to` of the `rows` rows that start at row `i`.
fn tile<T: Real>(a: &[T], m: usize, i: usize, rows: usize, from: usize, to: usize) -> [T; TILE] {
    let mut sums = [T::zero(); TILE];
    if to - from > RUN {
        let middle = from + half_run(to - from);
        sums = tile(a, m, i, rows, from, middle);
        let rest = tile(a, m, i, rows, middle, to);
        sums.iter_mut().zip(rest).for_each(|(s, r)| *s += r);
        return sums;
    }
    for j in from..to {
        let column = &a[i + j * m..i + j * m + rows];
        sums.iter_mut().zip(column).for_each(|(s, x)| *s += *x);
    }
    sums
}

fn half_run(n: usize) -> usize {
    n.div_ceil(2 * RUN) * RUN
}

/// The Frobenius norm; a second, scaled pass only where squares leave the safe range.
pub(crate) fn norm<T: Real>(a: &[T]) -> T {
    let root = Float::sqrt(dot(a, a));
    let safe = safe_range::<T>();
    if root >= safe.0 && root <= safe.1 {
        return root;
    }
    let s = balance(max_abs(a), safe);
    Float::sqrt(scaled_squares(a, s)) / s
}

/// The sum of the squares of `s a`.
fn scaled_squares<T: Real>(a: &[T], s: T) -> T {
    if a.len() <= SUM_BLOCK {
        return a.iter().fold(T::zero(), |t, &x| t + (s * x) * (s * x));
    }
    let half = half(a.len());
    scaled_squares(&a[..half], s) + scaled_squares(&a[half..], s)
}

/// Are all entries finite? A finite sum says so at one addition an entry; a sum that overflowed is looked at again.
#[inline]
pub(crate) fn all_finite<T: Real>(a: &[T]) -> bool {
    let s = match a.len() {
        0..4 => a.iter().fold(T::zero(), |s, &x| s + x),
        4..32 => lanes_sum::<T, 4>(a),
        32..WIDE => lanes_sum::<T, 16>(a),
        _ => Arch::new().dispatch(WideSum(a)),
    };
    Float::is_finite(s) || a.iter().all(|x| Float::is_finite(*x))
}

/// The sum of all entries, in eight registers.
struct WideSum<'a, T>(&'a [T]);

impl<T: Real> WithSimd for WideSum<'_, T> {
    type Output = T;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> T {
        let one = T::splat(simd, T::one());
        let plus = |x: T::Of<S>, s: T::Of<S>| T::madd(simd, x, one, s);
        // From the beginning of a register on: no load crosses a line of the cache.
        let head = self.0.as_ptr().align_offset(size_of::<T::Of<S>>()).min(self.0.len());
        let (head, a) = self.0.split_at(head);
        let whole = T::whole::<S>(a);
        let (eights, others) = whole.as_chunks::<8>();
        let mut s = [T::splat(simd, T::zero()); 8];
        for x in eights {
            for i in 0..8 {
                s[i] = plus(x[i], s[i]);
            }
        }
        for (s, x) in s.iter_mut().zip(others) {
            *s = plus(*x, *s);
        }
        let lanes = size_of::<T::Of<S>>() / size_of::<T>();
        s[6] = plus(T::part(simd, head), s[6]);
        s[7] = plus(T::part(simd, &a[whole.len() * lanes..]), s[7]);
        for width in [4, 2, 1] {
            for i in 0..width {
                s[i] = plus(s[i + width], s[i]);
            }
        }
        T::total(simd, s[0])
    }
}

/// The sum of all entries in interleaved sums, compiled for whatever registers the caller runs on.
#[inline(always)]
fn lanes_sum<T: Real, const N: usize>(a: &[T]) -> T {
    let (chunks, rest) = a.as_chunks::<N>();
    let mut lanes = [T::zero(); N];
    for x in chunks {
        for i in 0..N {
            lanes[i] += x[i];
        }
    }
    let mut width = N / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] += lanes[i + width];
        }
        width /= 2;
    }
    rest.iter().fold(lanes[0], |s, &x| s + x)
}
