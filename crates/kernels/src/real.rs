//! The private bound under which kernels are generic, and views of packed slices. The public trait stays free of faer.

use faer::traits::RealField;
use faer::{MatMut, MatRef};

use crate::field::Field;
use crate::wide::{Lane, Registers};
use crate::{Failure, Scalar};

/// A [`Scalar`] that faer computes with.
pub(crate) trait Real: Scalar + RealField + Field + Lane + Registers {}
impl Real for f64 {}
impl Real for f32 {}

/// A packed column-major slice as a faer matrix.
pub(crate) fn view<T>(a: &[T], m: usize, n: usize) -> MatRef<'_, T> {
    MatRef::from_column_major_slice(a, m, n)
}

/// A packed column-major slice as a mutable faer matrix.
pub(crate) fn view_mut<T>(a: &mut [T], m: usize, n: usize) -> MatMut<'_, T> {
    MatMut::from_column_major_slice_mut(a, m, n)
}

/// The scan at the door of each factorisation.
pub(crate) fn finite<T: Real>(a: &[T]) -> Result<(), Failure> {
    if crate::sums::all_finite(a) { Ok(()) } else { Err(first_nonfinite(a)) }
}

#[cold]
fn first_nonfinite<T: Real>(a: &[T]) -> Failure {
    let index = a.iter().position(|x| !Scalar::f64(*x).is_finite()).unwrap_or(0);
    Failure::NonFinite { index, value: Scalar::f64(a[index]) }
}

/// The largest magnitude.
pub(crate) fn max_abs<T: Real>(a: &[T]) -> T {
    let mut lanes = [T::zero(); 4];
    let (chunks, rest) = a.as_chunks::<4>();
    for x in chunks {
        for i in 0..4 {
            let y = num_traits::Float::abs(x[i]);
            lanes[i] = if y > lanes[i] { y } else { lanes[i] };
        }
    }
    rest.iter().chain(&[lanes[1], lanes[2], lanes[3]]).fold(lanes[0], |s, x| s.max(num_traits::Float::abs(*x)))
}

/// A power of two that brings `size` near one, or one if `size` is in the `safe` range (or zero). Multiplying is exact.
pub(crate) fn balance<T: Real>(size: T, safe: (T, T)) -> T {
    if size == T::zero() || (size >= safe.0 && size <= safe.1) {
        return T::one();
    }
    let exponent = Scalar::f64(size).log2().floor() as i32;
    // The largest power of two whose inverse is a normal number too.
    let bound = if size_of::<T>() == 8 { 1021 } else { 125 };
    T::of(2.0f64.powi((-exponent).clamp(-bound, bound)))
}

/// Takes the scale of a matrix out of numbers again, none of which may overflow: functions of an infinite one would be
/// finite, and wrong.
pub(crate) fn unscale<T: Real>(x: &mut [T], scale: T, what: &'static str) -> Result<(), Failure> {
    if scale == T::one() {
        return Ok(());
    }
    x.iter_mut().for_each(|x| *x /= scale);
    if crate::sums::all_finite(x) { Ok(()) } else { Err(Failure::Overflow { what }) }
}

/// How far columns of `m` entries are apart that have whole registers of any width, and no distance with which they
/// would compete for places in the cache.
pub(crate) fn stride(m: usize) -> usize {
    let whole = m.next_multiple_of(WHOLE);
    if whole.is_multiple_of(8 * WHOLE) { whole + WHOLE } else { whole }
}

/// Entries that are a whole number of registers of any width.
pub(crate) const WHOLE: usize = 16;

/// The leading columns of the identity with `m` rows.
pub(crate) fn identity_tall<T: Real>(out: &mut [T], m: usize) {
    out.fill(T::zero());
    out.iter_mut().step_by(m + 1).for_each(|x| *x = T::one());
}

/// Copies one triangle onto the other: `lower` says which is kept.
pub(crate) fn mirror<T: Copy>(a: &mut [T], n: usize, lower: bool) {
    for j in 0..n {
        for i in j + 1..n {
            if lower { a[j + i * n] = a[i + j * n] } else { a[i + j * n] = a[j + i * n] }
        }
    }
}

/// `out = scale (A + A^T) / 2`, both triangles, without overflow in the sum.
pub(crate) fn symmetrise<T: Real>(a: &[T], n: usize, scale: T, out: &mut [T]) {
    let half = T::of(0.5) * scale;
    for j in 0..n {
        out[j + j * n] = scale * a[j + j * n];
        for i in j + 1..n {
            let s = half * a[i + j * n] + half * a[j + i * n];
            out[i + j * n] = s;
            out[j + i * n] = s;
        }
    }
}
