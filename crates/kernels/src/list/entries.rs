//! Sums, products and functions of entries.
//! One entry for a kernel; no algorithm lives here.

use crate::{Failure, Scalar, Unary};

kernels! {
    /// Sums, products and functions of entries.
    pub trait Entries {
        /// `y = f(x)`.
        fn unary(f: Unary, x: &[Self], y: &mut [Self]) = crate::elementwise::unary;
        /// `out = f^{(k)}(x) o v` for `k >= 1`; `y = f(x)` is given so that no transcendental is evaluated twice.
        fn unary_derivative(
            f: Unary, k: u32, x: &[Self], y: &[Self], v: &[Self], out: &mut [Self],
        ) -> Result<(), Failure> = |f, k, x, y, v, out: &mut [Self]| {
            out.copy_from_slice(v);
            crate::elementwise::unary_derivative_assign(f, k, x, y, out)
        };
        /// `v = f^{(k)}(x) o v` for `k >= 1`: [`unary_derivative`](Self::unary_derivative) in place.
        fn unary_derivative_assign(
            f: Unary, k: u32, x: &[Self], y: &[Self], v: &mut [Self],
        ) -> Result<(), Failure> = crate::elementwise::unary_derivative_assign;
        /// `y += alpha x`.
        fn axpy(alpha: Self, x: &[Self], y: &mut [Self]) = crate::wide::flat::axpy;
        /// `out = alpha a + beta b`.
        fn lincomb(alpha: Self, a: &[Self], beta: Self, b: &[Self], out: &mut [Self]) = crate::wide::flat::lincomb;
        /// `out = alpha x`.
        fn scale(alpha: Self, x: &[Self], out: &mut [Self]) = crate::wide::flat::scale;
        /// `out = a o b`.
        fn hadamard(a: &[Self], b: &[Self], out: &mut [Self]) = crate::wide::flat::hadamard;
        /// `out = a / b`, elementwise.
        fn divide(a: &[Self], b: &[Self], out: &mut [Self]) = crate::wide::flat::divide;
    }
}
