//! Linear systems and linear equations between matrices, from their factorisations.
//! One entry for a kernel; no algorithm lives here.

use crate::equations::{Factors, separation, solve, solve_symmetric};
use crate::sylvester::Kind;
use crate::{Failure, Least, Scalar, Triangle, Workspace};

kernels! {
    /// Linear systems and linear equations between matrices, from their factorisations.
    pub trait Solves {
        /// `X = op(T)^{-1} B` (left) or `B op(T)^{-1}` (right), in place in `x`, which is `m x k`. Errors: a zero on
        /// the diagonal.
        fn trsm(
            t: &[Self], tri: Triangle, x: &mut [Self], m: usize, k: usize,
        ) -> Result<(), Failure> = crate::triangular::trsm;
        /// [`trsm`](Self::trsm) without a look at the data: a zero on the diagonal gives infinities.
        fn trsm_unchecked(t: &[Self], tri: Triangle, x: &mut [Self], m: usize, k: usize) = crate::triangular::solve;
        /// LU with partial pivoting into a handle of `n x (n + 1)`: packed LU, then the row permutation as numbers.
        fn lu(
            a: &[Self], n: usize, handle: &mut [Self], w: &mut Workspace<Self>,
        ) -> Result<(), Failure> = crate::lu::lu;
        /// `X = A^{-1} X` or `A^{-T} X` from the handle, in place; `x` is `n x k`.
        fn lu_solve(
            handle: &[Self], n: usize, transpose: bool, x: &mut [Self], k: usize, w: &mut Workspace<Self>,
        ) = crate::lu::lu_solve;
        /// `A^{-1}` from the handle.
        fn lu_inverse(handle: &[Self], n: usize, out: &mut [Self], w: &mut Workspace<Self>) = crate::lu::lu_inverse;
        /// `log |det A|` from the handle.
        fn lu_logabsdet(handle: &[Self], n: usize) -> Self = crate::lu::lu_logabsdet;
        /// The sign of `det A` from the handle of `lu`.
        fn lu_sign(handle: &[Self], n: usize) -> Self = crate::lu::lu_sign;
        /// LU with complete pivoting into a handle of `n x (n + 2)`: packed factors, then both orders. Errors: a pivot
        /// that overflows.
        fn lu_complete(a: &[Self], n: usize, handle: &mut [Self]) -> Result<(), Failure> = crate::minors::lu_complete;
        /// `det A` from the handle of `lu_complete`.
        fn det(handle: &[Self], n: usize) -> Self = crate::minors::det;
        /// The `G` with `<G, H> = D^{k+1} det(A)[E_1, .., E_k, H]`, `k = es.len()` up to 2, from the handle of
        /// `lu_complete`.
        fn cofactor(
            handle: &[Self], n: usize, es: &[&[Self]], out: &mut [Self], w: &mut Workspace<Self>,
        ) -> Result<(), Failure> = crate::minors::cofactor;
        /// The factors of a pseudo-inverse at a known rank, into a handle of `s.len()`.
        fn least_factor(
            a: &[Self], s: Least, handle: &mut [Self], w: &mut Workspace<Self>,
        ) -> Result<(), Failure> = crate::least_squares::factor;
        /// `X = A⁺ B`, or with `transpose` `A^{+T} B`, of `k` columns, from the handle of `least_factor`.
        fn least_apply(
            handle: &[Self], s: Least, transpose: bool, b: &[Self], k: usize, x: &mut [Self], w: &mut Workspace<Self>,
        ) = crate::least_squares::apply;
        /// `op(A) X + X op(B) = C` from the handles of `schur` of `A` (`m x m`) and `B` (`n x n`); `ta`, `tb`
        /// transpose, so the adjoint equation takes the same handles. Errors: a singular equation, to working
        /// precision.
        fn sylvester(
            a: &[Self], m: usize, ta: bool, b: &[Self], n: usize, tb: bool, c: &[Self], x: &mut [Self],
            w: &mut Workspace<Self>,
        ) -> Result<(), Failure> = |a, m, ta, b, n, tb, c, x, w| {
            solve(Kind::Sum, Factors { a, m, ta, b, n, tb }, c, x, w)
        };
        /// `X - op(A) X op(B) = C`; all else as for [`sylvester`](Self::sylvester).
        fn stein(
            a: &[Self], m: usize, ta: bool, b: &[Self], n: usize, tb: bool, c: &[Self], x: &mut [Self],
            w: &mut Workspace<Self>,
        ) -> Result<(), Failure> = |a, m, ta, b, n, tb, c, x, w| {
            solve(Kind::Difference, Factors { a, m, ta, b, n, tb }, c, x, w)
        };
        /// `op(A) X + X op(A)^T = (C + C^T)/2` from the handle of `A`; `X` is exactly symmetric.
        fn lyapunov(
            a: &[Self], n: usize, transpose: bool, c: &[Self], x: &mut [Self], w: &mut Workspace<Self>,
        ) -> Result<(), Failure> = |a, n, transpose, c, x, w| {
            solve_symmetric(Kind::Sum, a, n, transpose, c, x, w)
        };
        /// `X - op(A) X op(A)^T = (C + C^T)/2` from the handle of `A`; `X` is exactly symmetric.
        fn discrete_lyapunov(
            a: &[Self], n: usize, transpose: bool, c: &[Self], x: &mut [Self], w: &mut Workspace<Self>,
        ) -> Result<(), Failure> = |a, n, transpose, c, x, w| {
            solve_symmetric(Kind::Difference, a, n, transpose, c, x, w)
        };
        /// An estimate of the smallest factor by which the left-hand side of `A X + X B = C` (`X - A X B = C`, if
        /// `stein`) is larger than `X`, in sums of magnitudes; 0 for a singular equation.
        fn separation(
            a: &[Self], m: usize, b: &[Self], n: usize, stein: bool, w: &mut Workspace<Self>,
        ) -> Self = |a, m, b, n, stein, w| {
            let kind = if stein { Kind::Difference } else { Kind::Sum };
            separation(kind, Factors { a, m, ta: false, b, n, tb: false }, w)
        };
        /// Solves `H X + X H = C` for symmetric positive definite `H` given by its handle.
        fn sym_lyap(
            handle: &[Self], n: usize, c: &[Self], out: &mut [Self], w: &mut Workspace<Self>,
        ) -> Result<(), Failure> = crate::polar::sym_lyap;
    }
}
