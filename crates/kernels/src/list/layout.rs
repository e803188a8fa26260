//! Entries in another order.
//! One entry for a kernel; no algorithm lives here.

use crate::Scalar;

kernels! {
    /// Entries in another order.
    pub trait Layout {
        /// `out = A^T`, where `A` is `m x n`.
        fn transpose(a: &[Self], m: usize, n: usize, out: &mut [Self]) = crate::elementwise::transpose;
    }
}
