//! Functions of entries on the widest registers there are: plain loops over slices, compiled several times by `pulp`
//! and chosen when they run. The functions themselves are in the files below; `thin.rs` has products with few columns.
//!
//! **Which bits.** An entry's result depends on the entry alone, not on the length or the alignment of the slice or on
//! its neighbours. Multiplications and additions are fused wherever the processor has an instruction for that (all of
//! x86 with AVX2, all of 64-bit ARM): those processors agree in every bit. Others round twice where those round once,
//! and differ in the last bits. Flat loops (`flat.rs`) never fuse, and are the same everywhere.
//!
//! **Errors** in units of the last place, over the whole range (`tests/entries.rs`): `exp` 0.65 (in single precision
//! 0.85), `exp_m1` 1.8 (2.3), `tanh` 2.2 (2.4), `sigmoid` 2.3, `softplus` 1.9, `ln` 0.8, `ln_1p` 0.85, `sin` and `cos`
//! 0.85 (0.57), `erf` 1.2 (0.51). A subnormal result rounds twice, and errs by up to 1.

mod erf;
mod exp;
pub(crate) mod flat;
mod lane;
mod log;
pub(crate) mod peak;
mod registers;
mod slopes;
mod thin;
mod trig;
pub(crate) mod weights;

pub(crate) use erf::Erf;
pub(crate) use exp::{Exp, ExpM1, Sigmoid, Softplus, Tanh};
pub(crate) use lane::Lane;
pub(crate) use log::{Ln, Ln1p};
pub(crate) use registers::Registers;
pub(crate) use slopes::{SigmoidSlope, SigmoidSlopes, TanhSlope, TanhSlopes};
pub(crate) use thin::{COLUMNS, Thin};
pub(crate) use trig::{Cos, Sin};

use pulp::{Arch, Simd, WithSimd};

/// A function of one entry.
pub(crate) trait Entry<T> {
    /// Does it never fuse? Then few entries need no choice of a processor.
    const PLAIN: bool = false;

    /// Its value, branch-free; fused where `F`.
    fn at<const F: bool>(&self, x: T) -> T;

    /// Its value where `at` does not serve. Few entries are such.
    #[inline(always)]
    fn other(&self, _: T) -> Option<T> {
        None
    }

    /// Is the value, in every bit, the entry itself? `false` is always right.
    #[inline(always)]
    fn keeps(&self, _: T) -> bool {
        false
    }
}

/// What multiplies a direction: a function of an entry `x` and of the value `y` there.
pub(crate) trait Slope<T> {
    /// Does `y` allow for the cheap formula?
    #[inline(always)]
    fn gentle(_y: T) -> bool {
        false
    }

    /// The cheap formula, of plain arithmetic. It has the bits of `at` where `y` is gentle.
    #[inline(always)]
    fn near(y: T) -> T {
        y
    }

    /// The value, branch-free; fused where `F`.
    fn at<const F: bool>(&self, x: T, y: T) -> T;

    /// The value where `at` does not serve. Few entries are such.
    #[inline(always)]
    fn other(&self, _: T) -> Option<T> {
        None
    }
}

/// A function of `x` alone as a slope.
pub(crate) struct OfEntry<E>(pub(crate) E);

impl<T, E: Entry<T>> Slope<T> for OfEntry<E> {
    #[inline(always)]
    fn at<const F: bool>(&self, x: T, _: T) -> T {
        self.0.at::<F>(x)
    }

    #[inline(always)]
    fn other(&self, x: T) -> Option<T> {
        self.0.other(x)
    }
}

/// `y = f(x)`, whatever the length.
#[inline]
pub(crate) fn map<T: Lane, E: Entry<T>>(f: E, x: &[T], y: &mut [T]) {
    debug_assert_eq!(x.len(), y.len());
    if E::PLAIN && x.len() < 4 {
        return y.iter_mut().zip(x).for_each(|(y, &x)| *y = f.other(x).unwrap_or_else(|| f.at::<false>(x)));
    }
    // Where a few entries are all kept, a call costs more than they do.
    if let ([x], [y]) = (x, &mut *y)
        && f.keeps(*x)
    {
        *y = *x;
        return;
    }
    if x.len() <= 4 && x.iter().all(|&x| f.keeps(x)) {
        return y.copy_from_slice(x);
    }
    fitting(size_of_val(x)).dispatch(Map { f, x, y });
}

/// `v = f(x, y) o v`, whatever the length.
#[inline]
pub(crate) fn multiply<T: Lane, E: Slope<T>>(f: E, x: &[T], y: &[T], v: &mut [T]) {
    debug_assert!(x.len() == v.len() && y.len() == v.len());
    // Where all entries are gentle, a call costs more than they do.
    if let ([y], [v]) = (y, &mut *v)
        && E::gentle(*y)
    {
        *v *= E::near(*y);
        return;
    }
    if v.len() <= 16 && are_gentle::<T, E>(y) {
        return multiply_near::<T, E>(y, v);
    }
    fitting(size_of_val(x)).dispatch(Multiply { f, x, y, v });
}

/// The widest registers that so many bytes fill.
#[inline(always)]
pub(crate) fn fitting(bytes: usize) -> Arch {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    if bytes < 64 {
        return pulp::x86::V3::try_new().map_or(Arch::Scalar, Arch::V3);
    }
    let _ = bytes;
    Arch::new()
}

struct Map<'a, T, E> {
    f: E,
    x: &'a [T],
    y: &'a mut [T],
}

impl<T: Lane, E: Entry<T>> WithSimd for Map<'_, T, E> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Map { f, x, y } = self;
        let lanes = size_of::<S::f64s>() / size_of::<T>();
        if S::IS_SCALAR {
            run::<false, T, E>(&f, x, y);
        } else {
            registers(&f, lanes, x, y);
        }
        if x.iter().fold(false, |any, x| any | f.other(*x).is_some()) {
            y.iter_mut().zip(x).for_each(|(y, x)| *y = f.other(*x).unwrap_or(*y));
        }
    }
}

// Loops are written out: a closure with a whole function in it might not be inlined, and would then be compiled for the
// narrowest registers, where a fused operation is a call.

#[inline(always)]
fn run<const F: bool, T: Lane, E: Entry<T>>(f: &E, x: &[T], y: &mut [T]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y = f.at::<F>(x);
    }
}

/// Whole registers, the last of which overlaps the one before: what is computed twice is the same.
#[inline(always)]
fn registers<T: Lane, E: Entry<T>>(f: &E, lanes: usize, x: &[T], y: &mut [T]) {
    let n = x.len();
    if let ([x], [y]) = (x, &mut *y) {
        *y = f.at::<true>(*x);
    } else if n < 4 {
        ends::<2, T, E>(f, x, y);
    } else if n < lanes {
        ends::<4, T, E>(f, x, y);
    } else {
        // A loop that ends before 16 would not be made one over registers, wherefore not 2 here.
        let few = n < 6 * lanes;
        let whole = if few { n / lanes * lanes } else { n / (2 * lanes) * 2 * lanes };
        if few {
            run::<true, T, E>(f, &x[..whole], &mut y[..whole]);
        } else {
            side_by_side(f, &x[..whole], &mut y[..whole]);
        }
        if whole < n {
            let from = if n - whole <= lanes { n - lanes } else { n - 2 * lanes };
            run::<true, T, E>(f, &x[from..], &mut y[from..]);
        }
    }
}

/// Two halves at once: operations of one do not wait for those of the other.
#[inline(always)]
fn side_by_side<T: Lane, E: Entry<T>>(f: &E, x: &[T], y: &mut [T]) {
    let half = x.len() / 2;
    let ((x0, x1), (y0, y1)) = (x.split_at(half), y.split_at_mut(half));
    for ((y0, &x0), (y1, &x1)) in y0.iter_mut().zip(x0).zip(y1.iter_mut().zip(x1)) {
        (*y0, *y1) = (f.at::<true>(x0), f.at::<true>(x1));
    }
}

/// The first `W` entries and the last.
#[inline(always)]
fn ends<const W: usize, T: Lane, E: Entry<T>>(f: &E, x: &[T], y: &mut [T]) {
    let (mut first, mut last) = ([T::zero(); W], [T::zero(); W]);
    if let (Some(x), Some(end)) = (x.first_chunk::<W>(), x.last_chunk::<W>()) {
        for i in 0..W {
            first[i] = f.at::<true>(x[i]);
        }
        if y.len() > W {
            for i in 0..W {
                last[i] = f.at::<true>(end[i]);
            }
            let from = y.len() - W;
            y[from..].copy_from_slice(&last);
        }
        y[..W].copy_from_slice(&first);
    }
}

struct Multiply<'a, T, E> {
    f: E,
    x: &'a [T],
    y: &'a [T],
    v: &'a mut [T],
}

/// Slopes that are computed before they are multiplied.
const BLOCK: usize = 32;

impl<T: Lane, E: Slope<T>> WithSimd for Multiply<'_, T, E> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Multiply { f, x, y, v } = self;
        if let ([x], [y], [v]) = (x, y, &mut *v) {
            let slope = if S::IS_SCALAR { f.at::<false>(*x, *y) } else { f.at::<true>(*x, *y) };
            *v *= f.other(*x).unwrap_or(slope);
            return;
        }
        for ((x, y), v) in x.chunks(BLOCK).zip(y.chunks(BLOCK)).zip(v.chunks_mut(BLOCK)) {
            if are_gentle::<T, E>(y) {
                multiply_near::<T, E>(y, v);
            } else if S::IS_SCALAR {
                slopes::<false, T, E>(&f, x, y, v);
            } else {
                slopes::<true, T, E>(&f, x, y, v);
            }
        }
    }
}

#[inline(always)]
fn are_gentle<T: Lane, E: Slope<T>>(y: &[T]) -> bool {
    y.iter().fold(true, |all, y| all & E::gentle(*y))
}

#[inline(always)]
fn multiply_near<T: Lane, E: Slope<T>>(y: &[T], v: &mut [T]) {
    v.iter_mut().zip(y).for_each(|(v, y)| *v *= E::near(*y));
}

#[inline(always)]
fn slopes<const F: bool, T: Lane, E: Slope<T>>(f: &E, x: &[T], y: &[T], v: &mut [T]) {
    if x.iter().fold(false, |any, x| any | f.other(*x).is_some()) {
        for (v, (x, y)) in v.iter_mut().zip(x.iter().zip(y)) {
            let slope = f.at::<F>(*x, *y);
            *v *= f.other(*x).unwrap_or(slope);
        }
        return;
    }
    for (v, (x, y)) in v.iter_mut().zip(x.iter().zip(y)) {
        *v *= f.at::<F>(*x, *y);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without fused operations a processor gets the same to a few units; nobody else runs that code here.
    fn close<E: Entry<f64> + Entry<f32>>(f: &E, name: &str) {
        for i in -4000..=4000 {
            let x = f64::from(i) * if i % 2 == 0 { 0.01 } else { 0.17 };
            let (a, b): (f64, f64) = (f.at::<true>(x), f.at::<false>(x));
            assert!(a.is_nan() == b.is_nan(), "{name} at {x}: {a} {b}");
            assert!(a.is_nan() || a == b || (a - b).abs() <= 3.0 * f64::EPSILON * a.abs(), "{name} at {x}: {a} {b}");
            let (a, b): (f32, f32) = (f.at::<true>(x as f32), f.at::<false>(x as f32));
            assert!(a.is_nan() == b.is_nan(), "{name} at {x}, single: {a} {b}");
            assert!(a.is_nan() || a == b || (a - b).abs() <= 3.0 * f32::EPSILON * a.abs(), "{name} at {x}: {a} {b}");
        }
    }

    #[test]
    fn fused_or_not_the_functions_are_the_same() {
        close(&Exp, "exp");
        close(&ExpM1, "exp_m1");
        close(&Tanh, "tanh");
        close(&Sigmoid, "sigmoid");
        close(&Softplus, "softplus");
        close(&Ln, "ln");
        close(&Ln1p, "ln_1p");
        close(&Sin, "sin");
        close(&Cos, "cos");
        close(&Erf, "erf");
    }
}
