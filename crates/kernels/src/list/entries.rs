//! Sums, products and functions of entries.
//! One entry for a kernel; no algorithm lives here.

use crate::elementwise::{unary, unary_derivative_assign};
use crate::real::Real;
use crate::threads::{alone, by_entries, by_entries_of_two};
use crate::wide::{Slope, TanhSlope, flat};
use crate::{Failure, Scalar, Unary};

kernels! {
    /// Sums, products and functions of entries.
    pub trait Entries {
        /// `y = f(x)`.
        fn unary(f: Unary, x: &[Self], y: &mut [Self]) = |f, x, y| {
            by_entries(x, y, move |x, y| unary(f, x, y));
        };
        /// `out = f^{(k)}(x) o v` for `k >= 1`; `y = f(x)` is given so that no transcendental is evaluated twice.
        fn unary_derivative(
            f: Unary, k: u32, x: &[Self], y: &[Self], v: &[Self], out: &mut [Self],
        ) -> Result<(), Failure> = |f, k, x, y, v, out: &mut [Self]| {
            out.copy_from_slice(v);
            slopes(f, k, x, y, out)
        };
        /// `v = f^{(k)}(x) o v` for `k >= 1`: [`unary_derivative`](Self::unary_derivative) in place.
        fn unary_derivative_assign(
            f: Unary, k: u32, x: &[Self], y: &[Self], v: &mut [Self],
        ) -> Result<(), Failure> = slopes;
        /// `y += alpha x`.
        fn axpy(alpha: Self, x: &[Self], y: &mut [Self]) = |alpha, x, y| {
            by_entries(x, y, move |x, y| flat::axpy(alpha, x, y));
        };
        /// `out = alpha a + beta b`.
        fn lincomb(alpha: Self, a: &[Self], beta: Self, b: &[Self], out: &mut [Self]) = |alpha, a, beta, b, out| {
            by_entries_of_two(a, b, out, move |a, b, out| flat::lincomb(alpha, a, beta, b, out));
        };
        /// `out = alpha x`.
        fn scale(alpha: Self, x: &[Self], out: &mut [Self]) = |alpha, x, out| {
            by_entries(x, out, move |x, out| flat::scale(alpha, x, out));
        };
        /// `out = a o b`.
        fn hadamard(a: &[Self], b: &[Self], out: &mut [Self]) = hadamard;
        /// `out += a o b`. The product is rounded before the sum.
        fn add_hadamard(a: &[Self], b: &[Self], out: &mut [Self]) = add_hadamard;
        /// `out = a / b`, elementwise.
        fn divide(a: &[Self], b: &[Self], out: &mut [Self]) = |a, b, out| {
            by_entries_of_two(a, b, out, flat::divide);
        };
    }
}

/// [`Entries::hadamard`]; of single numbers without a loop.
#[inline(always)]
fn hadamard<T: Real>(a: &[T], b: &[T], out: &mut [T]) {
    match (a, b, &mut *out) {
        (&[a], &[b], [out]) => *out = a * b,
        _ => by_entries_of_two(a, b, out, flat::hadamard),
    }
}

/// [`Entries::add_hadamard`]; of single numbers without a loop.
#[inline(always)]
fn add_hadamard<T: Real>(a: &[T], b: &[T], out: &mut [T]) {
    match (a, b, &mut *out) {
        (&[a], &[b], [out]) => *out += a * b,
        _ => by_entries_of_two(a, b, out, flat::add_hadamard),
    }
}

/// [`Entries::unary_derivative_assign`], shared among threads where those were asked for.
#[inline(always)]
fn slopes<T: Real>(f: Unary, k: u32, x: &[T], y: &[T], v: &mut [T]) -> Result<(), Failure> {
    match (f, k, y, &mut *v) {
        // The function of a single number that programs have most often, without the calls that find it.
        (Unary::Tanh, 1, [y], [v]) if TanhSlope::gentle(*y) => {
            *v *= TanhSlope::near(*y);
            Ok(())
        }
        _ if alone() => unary_derivative_assign(f, k, x, y, v),
        _ => shared_slopes(f, k, x, y, v),
    }
}

#[cold]
#[inline(never)]
fn shared_slopes<T: Real>(f: Unary, k: u32, x: &[T], y: &[T], v: &mut [T]) -> Result<(), Failure> {
    // The verdict does not depend on the entries.
    unary_derivative_assign::<T>(f, k, &[], &[], &mut [])?;
    by_entries_of_two(x, y, v, |x, y, v| {
        let _ = unary_derivative_assign(f, k, x, y, v);
    });
    Ok(())
}
