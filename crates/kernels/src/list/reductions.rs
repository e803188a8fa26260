//! Sums and extrema over entries.
//! One entry for a kernel; no algorithm lives here.

use crate::Scalar;

kernels! {
    /// Sums and extrema over entries.
    pub trait Reductions {
        /// `<a, b>`.
        fn dot(a: &[Self], b: &[Self]) -> Self = crate::sums::dot;
        /// The sum of all entries.
        fn sum(a: &[Self]) -> Self = crate::sums::sum;
        /// `out` = the sum of the columns of `A`, which is `m x n`.
        fn sum_columns(a: &[Self], m: usize, n: usize, out: &mut [Self]) = crate::sums::sum_columns;
        /// The largest (or smallest) of the entries and of `before`. NaN wins.
        fn extreme(max: bool, before: Self, a: &[Self]) -> Self = crate::wide::peak::extreme;
        /// How many entries equal `x`.
        fn count(x: Self, a: &[Self]) -> usize = crate::wide::peak::count;
        /// The Frobenius norm, safe against overflow and underflow.
        fn norm(a: &[Self]) -> Self = crate::sums::norm;
        /// Are all entries finite?
        fn all_finite(a: &[Self]) -> bool = crate::sums::all_finite;
    }
}
