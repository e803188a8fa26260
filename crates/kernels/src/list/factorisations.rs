//! Factors of a matrix, and the rules of small ones in registers.
//! One entry for a kernel; no algorithm lives here.

use crate::{Failure, Scalar, WithTangent, Workspace};

kernels! {
    /// Factors of a matrix, and the rules of small ones in registers.
    pub trait Factorisations {
        /// `P A = L U` of a tall or square `m x n` matrix: unit lower `L`, upper `U`, the order of the rows as `m`
        /// numbers.
        fn lu_factors(
            a: &[Self], m: usize, n: usize, l: &mut [Self], u: &mut [Self], p: &mut [Self], w: &mut Workspace<Self>,
        ) -> Result<(), Failure> = crate::lu::lu_factors;
        /// The tangents of the factors `l`, `u` of a square matrix of order `n` up to 4, from `[l, u, p, da]` with `p`
        /// as of [`lu_factors`](Self::lu_factors). `false`: `n` is larger, nothing was done.
        fn lu_push_small(x: [&[Self]; 4], n: usize, dl: &mut [Self], du: &mut [Self]) -> bool = crate::lu_rules::push;
        /// The cotangent of a square matrix of order `n` up to 4 from `[l, u, p]` and the cotangents of `l` and `u`.
        /// `false`: `n` is larger, nothing was done.
        fn lu_pull_small(
            x: [&[Self]; 3], n: usize, g: [Option<&[Self]>; 2], out: &mut [Self],
        ) -> bool = crate::lu_rules::pull;
        /// The same with the derivative of everything along one direction.
        fn lu_pull_small_pairs(
            x: [WithTangent<'_, Self>; 2], p: &[Self], n: usize, g: [Option<WithTangent<'_, Self>>; 2],
            out: (&mut [Self], &mut [Self]),
        ) -> bool = crate::lu_rules::pull_pairs;
        /// Lower Cholesky factor of `(A + A^T)/2` (zeros above).
        fn cholesky(
            a: &[Self], n: usize, l: &mut [Self], w: &mut Workspace<Self>,
        ) -> Result<(), Failure> = crate::cholesky::cholesky;
        /// The lower `X` with `X L^T + L X^T = (E + E^T)/2`: the derivative of a Cholesky factor `L` along `E`.
        fn cholesky_push(l: &[Self], n: usize, e: &[Self], x: &mut [Self]) = crate::cholesky_rules::push;
        /// The adjoint of [`cholesky_push`](Self::cholesky_push): the symmetric `W` with `<W, E> = <tril(G), X>`, in
        /// place of `G`.
        fn cholesky_pull(l: &[Self], n: usize, g: &mut [Self]) = crate::cholesky_rules::pull;
        /// `A^{-1}`, exactly symmetric, from its lower Cholesky factor.
        fn cholesky_inverse(l: &[Self], n: usize, out: &mut [Self], w: &mut Workspace<Self>) = crate::cholesky::inverse;
        /// Thin QR of a tall `m x n` matrix with positive diagonal: `q` is `m x n`, `r` is `n x n` upper (zeros below).
        fn qr_thin(
            a: &[Self], m: usize, n: usize, q: &mut [Self], r: &mut [Self], w: &mut Workspace<Self>,
        ) -> Result<(), Failure> = crate::qr::qr_thin;
        /// The tangents of the thin factors `q`, `r` of an `m x n` matrix with `n` up to 4 along `da`, from `[q, r,
        /// da]`. `false`: `n` is larger, nothing was done.
        fn qr_push_small(
            x: [&[Self]; 3], m: usize, n: usize, dq: &mut [Self], dr: &mut [Self],
        ) -> bool = crate::qr_rules::push;
        /// The cotangent of an `m x n` matrix with `n` up to 4, in place of that of `q`, from its thin factors `[q, r]`
        /// and the cotangent of `r`. `false`: `n` is larger, nothing was done.
        fn qr_pull_small(
            x: [&[Self]; 2], m: usize, n: usize, gr: Option<&[Self]>, g: &mut [Self],
        ) -> bool = crate::qr_rules::pull;
        /// The same with the derivative of everything along one direction.
        fn qr_pull_small_pairs(
            x: [WithTangent<'_, Self>; 2], m: usize, n: usize, gr: Option<WithTangent<'_, Self>>,
            g: (&mut [Self], &mut [Self]),
        ) -> bool = crate::qr_rules::pull_pairs;
        /// An orthonormal basis (`m x (m - n)`) of the complement of the columns of an orthonormal `m x n` matrix.
        fn complement(
            q: &[Self], m: usize, n: usize, out: &mut [Self], w: &mut Workspace<Self>,
        ) -> Result<(), Failure> = crate::qr::complement;
        /// Column pivots of an `m x n` matrix: the order of the columns as numbers, and the decreasing `|r_jj|`.
        fn pivots(
            a: &[Self], m: usize, n: usize, p: &mut [Self], d: &mut [Self], w: &mut Workspace<Self>,
        ) -> Result<(), Failure> = crate::pivots::pivots;
        /// Polar factors of a tall `m x n` matrix of full rank, `A = W H`; `handle` (`n x (n + 1)`) is `H`'s
        /// eigendecomposition.
        fn polar(
            a: &[Self], m: usize, n: usize, wf: &mut [Self], h: &mut [Self], handle: &mut [Self],
            w: &mut Workspace<Self>,
        ) -> Result<(), Failure> = crate::polar::polar;
        /// The real Schur form `A = U T U^T` into a handle of `2 n n` numbers: `U`, then quasi-triangular `T` with
        /// standardised blocks.
        fn schur(
            a: &[Self], n: usize, handle: &mut [Self], w: &mut Workspace<Self>,
        ) -> Result<(), Failure> = crate::schur::schur;
        /// The eigenvalues on the diagonal of the `T` of a handle, in its order: real and imaginary parts, of a pair
        /// `im > 0` first.
        fn schur_values(
            handle: &[Self], n: usize, re: &mut [Self], im: &mut [Self],
        ) = |handle: &[Self], n, re, im| {
            crate::quasi::eigenvalues(&handle[n * n..], n, re, im)
        };
        /// Brings the chosen eigenvalues of a handle to the top; returns how many. A complex pair comes if either of it
        /// is chosen. Errors: two neighbours too close to be exchanged stably (the handle is still a Schur form of the
        /// same matrix, partly reordered).
        fn schur_reorder(
            handle: &mut [Self], n: usize, chosen: &[bool],
        ) -> Result<usize, Failure> = |handle: &mut [Self], n, chosen| {
            let (u, t) = handle.split_at_mut(n * n);
            crate::schur_order::reorder(t, n, u, chosen)
        };
    }
}
