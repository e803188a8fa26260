//! Loops of a few operations an entry, from some length on compiled for the widest registers. They never fuse, so both
//! ways give the same bits, and so does every processor.
//!
//! Each loop has a function of its own for long lists, which takes what the loop needs by value. A closure that is made
//! before the length is known would cost a short list ten stores; and one that holds references would leave open
//! whether a factor changes while the loop writes, and the compiler then writes a loop without wide registers.

use crate::real::Real;
use crate::tolerances::FLAT_WIDE;

/// A loop to be compiled for the widest registers.
pub(super) struct Wide<F>(pub(super) F);

impl<F: FnOnce()> pulp::NullaryFnOnce for Wide<F> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        (self.0)();
    }
}

/// `y = f(x)`.
#[inline(always)]
pub(crate) fn map<T: Real>(x: &[T], y: &mut [T], f: impl Fn(T) -> T) {
    debug_assert_eq!(x.len(), y.len());
    if x.len() < FLAT_WIDE { map_loop(x, y, f) } else { map_wide(x, y, f) }
}

#[inline(never)]
fn map_wide<T: Real>(x: &[T], y: &mut [T], f: impl Fn(T) -> T) {
    pulp::Arch::new().dispatch(Wide(move || map_loop(x, y, f)));
}

#[inline(always)]
fn map_loop<T: Real>(x: &[T], y: &mut [T], f: impl Fn(T) -> T) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y = f(x);
    }
}

/// `v = f(x, y) o v`.
#[inline(always)]
pub(crate) fn each<T: Real>(x: &[T], y: &[T], v: &mut [T], f: impl Fn(T, T) -> T) {
    debug_assert!(x.len() == v.len() && y.len() == v.len());
    if x.len() < FLAT_WIDE { each_loop(x, y, v, f) } else { each_wide(x, y, v, f) }
}

#[inline(never)]
fn each_wide<T: Real>(x: &[T], y: &[T], v: &mut [T], f: impl Fn(T, T) -> T) {
    pulp::Arch::new().dispatch(Wide(move || each_loop(x, y, v, f)));
}

#[inline(always)]
fn each_loop<T: Real>(x: &[T], y: &[T], v: &mut [T], f: impl Fn(T, T) -> T) {
    for ((v, &x), &y) in v.iter_mut().zip(x).zip(y) {
        *v *= f(x, y);
    }
}

/// `out = f(a, b)`.
#[inline(always)]
fn both<T: Real>(a: &[T], b: &[T], out: &mut [T], f: impl Fn(T, T) -> T) {
    debug_assert!(a.len() == out.len() && b.len() == out.len());
    if a.len() < FLAT_WIDE { both_loop(a, b, out, f) } else { both_wide(a, b, out, f) }
}

#[inline(never)]
fn both_wide<T: Real>(a: &[T], b: &[T], out: &mut [T], f: impl Fn(T, T) -> T) {
    pulp::Arch::new().dispatch(Wide(move || both_loop(a, b, out, f)));
}

#[inline(always)]
fn both_loop<T: Real>(a: &[T], b: &[T], out: &mut [T], f: impl Fn(T, T) -> T) {
    for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
        *out = f(a, b);
    }
}

/// `y += alpha x`.
pub(crate) fn axpy<T: Real>(alpha: T, x: &[T], y: &mut [T]) {
    debug_assert_eq!(x.len(), y.len());
    if x.len() < FLAT_WIDE { axpy_loop(alpha, x, y) } else { axpy_wide(alpha, x, y) }
}

#[inline(never)]
fn axpy_wide<T: Real>(alpha: T, x: &[T], y: &mut [T]) {
    pulp::Arch::new().dispatch(Wide(move || axpy_loop(alpha, x, y)));
}

#[inline(always)]
fn axpy_loop<T: Real>(alpha: T, x: &[T], y: &mut [T]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y += alpha * x;
    }
}

/// `out = alpha a + beta b`.
pub(crate) fn lincomb<T: Real>(alpha: T, a: &[T], beta: T, b: &[T], out: &mut [T]) {
    both(a, b, out, move |a, b| alpha * a + beta * b);
}

/// `out = alpha x`.
pub(crate) fn scale<T: Real>(alpha: T, x: &[T], out: &mut [T]) {
    map(x, out, move |x| alpha * x);
}

/// `out = a o b`.
pub(crate) fn hadamard<T: Real>(a: &[T], b: &[T], out: &mut [T]) {
    both(a, b, out, |a, b| a * b);
}

/// `out += a o b`.
pub(crate) fn add_hadamard<T: Real>(a: &[T], b: &[T], out: &mut [T]) {
    debug_assert!(a.len() == out.len() && b.len() == out.len());
    if a.len() < FLAT_WIDE { add_hadamard_loop(a, b, out) } else { add_hadamard_wide(a, b, out) }
}

#[inline(never)]
fn add_hadamard_wide<T: Real>(a: &[T], b: &[T], out: &mut [T]) {
    pulp::Arch::new().dispatch(Wide(move || add_hadamard_loop(a, b, out)));
}

#[inline(always)]
fn add_hadamard_loop<T: Real>(a: &[T], b: &[T], out: &mut [T]) {
    for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
        *out += a * b;
    }
}

/// `out = a / b`, elementwise.
pub(crate) fn divide<T: Real>(a: &[T], b: &[T], out: &mut [T]) {
    both(a, b, out, |a, b| a / b);
}
