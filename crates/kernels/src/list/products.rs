//! Products of matrices.
//! One entry for a kernel; no algorithm lives here.

use crate::Scalar;

kernels! {
    /// Products of matrices.
    pub trait Products {
        /// `C = [C +] alpha op(A) op(B)`, with `C` `m x n`, `op(A)` `m x k`, `op(B)` `k x n`; `ta`, `tb` transpose.
        fn gemm(
            c: &mut [Self], m: usize, n: usize, k: usize, alpha: Self, a: &[Self], ta: bool, b: &[Self], tb: bool,
            add: bool,
        ) = crate::gemm::gemm;
        /// `C = [C +] alpha sum_i op(A_i) op(B_i)` over the members of a batch; `A` or `B` may be one for all.
        fn gemm_sum(
            c: &mut [Self], m: usize, n: usize, k: usize, batch: usize, alpha: Self, a: &[Self], ta: bool, b: &[Self],
            tb: bool, add: bool,
        ) = crate::gemm::gemm_sum;
        /// `tril(A tril(B))`, zeros above.
        fn lower_product(a: &[Self], b: &[Self], n: usize, out: &mut [Self]) = crate::cholesky_rules::lower;
    }
}
