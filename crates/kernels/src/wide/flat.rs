//! Loops of a few operations an entry, from some length on compiled for the widest registers. They never fuse, so both
//! ways give the same bits, and so does every processor.

use crate::real::Real;
use crate::tolerances::FLAT_WIDE;

struct Wide<F>(F);

impl<F: FnOnce()> pulp::NullaryFnOnce for Wide<F> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        (self.0)();
    }
}

/// Runs a loop over `n` entries.
#[inline(always)]
fn run(n: usize, f: impl FnOnce()) {
    if n < FLAT_WIDE { f() } else { wide(f) }
}

/// Out of the way of short loops, which then save no registers.
#[inline(never)]
fn wide(f: impl FnOnce()) {
    pulp::Arch::new().dispatch(Wide(f));
}

/// `y = f(x)`.
#[inline(always)]
pub(crate) fn map<T: Real>(x: &[T], y: &mut [T], f: impl Fn(T) -> T) {
    debug_assert_eq!(x.len(), y.len());
    run(x.len(), || {
        for (y, &x) in y.iter_mut().zip(x) {
            *y = f(x);
        }
    });
}

/// `v = f(x, y) o v`.
#[inline(always)]
pub(crate) fn each<T: Real>(x: &[T], y: &[T], v: &mut [T], f: impl Fn(T, T) -> T) {
    debug_assert!(x.len() == v.len() && y.len() == v.len());
    run(x.len(), || {
        for ((v, &x), &y) in v.iter_mut().zip(x).zip(y) {
            *v *= f(x, y);
        }
    });
}

/// `out = f(a, b)`.
#[inline(always)]
fn both<T: Real>(a: &[T], b: &[T], out: &mut [T], f: impl Fn(T, T) -> T) {
    debug_assert!(a.len() == out.len() && b.len() == out.len());
    run(a.len(), || {
        for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
            *out = f(a, b);
        }
    });
}

/// `y += alpha x`.
pub(crate) fn axpy<T: Real>(alpha: T, x: &[T], y: &mut [T]) {
    debug_assert_eq!(x.len(), y.len());
    run(x.len(), || {
        for (y, &x) in y.iter_mut().zip(x) {
            *y += alpha * x;
        }
    });
}

/// `out = alpha a + beta b`.
pub(crate) fn lincomb<T: Real>(alpha: T, a: &[T], beta: T, b: &[T], out: &mut [T]) {
    both(a, b, out, |a, b| alpha * a + beta * b);
}

/// `out = alpha x`.
pub(crate) fn scale<T: Real>(alpha: T, x: &[T], out: &mut [T]) {
    map(x, out, |x| alpha * x);
}

/// `out = a o b`.
pub(crate) fn hadamard<T: Real>(a: &[T], b: &[T], out: &mut [T]) {
    both(a, b, out, |a, b| a * b);
}

/// `out = a / b`, elementwise.
pub(crate) fn divide<T: Real>(a: &[T], b: &[T], out: &mut [T]) {
    both(a, b, out, |a, b| a / b);
}
