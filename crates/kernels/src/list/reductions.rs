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
        /// `e = e^(x - t)`.
        fn exp_below(x: &[Self], t: Self, e: &mut [Self]) = crate::wide::weights::exp_below;
        /// `z = x - t`, with a `t` for each entry. A `t` of -inf counts as 0.
        fn below(x: &[Self], t: &[Self], z: &mut [Self]) = crate::wide::weights::below;
        /// `s += e`, entry by entry, with what rounding loses of each `s` carried along.
        fn carry(e: &[Self], s: &mut [Self], lost: &mut [Self]) = crate::wide::weights::carry;
        /// Weights from exponentials: `e = e r g`; a weight `e r` below the smallest normal number counts as 0.
        fn weigh(r: Self, g: Self, e: &mut [Self]) = crate::wide::weights::weigh;
        /// The same with an `r` and a `g` for each entry.
        fn weigh_each(r: &[Self], g: &[Self], e: &mut [Self]) = crate::wide::weights::weigh_each;
        /// The Frobenius norm, safe against overflow and underflow.
        fn norm(a: &[Self]) -> Self = crate::sums::norm;
        /// Are all entries finite?
        fn all_finite(a: &[Self]) -> bool = crate::sums::all_finite;
    }
}
