//! The handle of a symmetric positive definite matrix, and the upper Cholesky factor.
//!
//! - *Whitening*: `L^{-1} B` is a triangular solve with the factor, whose derivative it needs, so the composition is as
//!   fast as a rule.
//! - *Upper factor*: `A = U^T U` with `U = L^T`.

use crate::ops::{Op, factorisations::spd};
use crate::{Operand, Scalar, Uplo, Var};

/// `sym(A)` with its Cholesky factorisation: solves, inverse and log-determinant from one factorisation, to any order
/// of derivative.
///
/// Made by [`Var::spd`]. A batch holds one factorisation for each member.
#[derive(Debug, Clone, Copy)]
pub struct Spd<'t, T: Scalar = f64> {
    a: Var<'t, T>,
    handle: Var<'t, T>,
}

/// # Factorisations: positive definite matrices
/// One factorisation for several questions.
impl<'t, T: Scalar> Var<'t, T> {
    /// One Cholesky factorisation of `(A + A^T)/2`, for solves, the inverse, the log-determinant and the factor.
    ///
    /// Poisons: not positive definite. Cost: `n^3 / 3`, once, and nothing for a factorisation in any derivative.
    ///
    /// # Panics
    /// If the matrix is not square.
    ///
    /// # Example
    /// The logarithm of a Gaussian density, up to a constant, and its gradient along the covariance matrix:
    /// ```
    /// use pullback::{Var, faer::mat, grad};
    ///
    /// let x = mat![[1.0f64], [2.0]];
    /// let gradient = grad(
    ///     |c: Var| {
    ///         let c = c.spd();
    ///         -0.5 * (c.solve(&x).dot(&x) + c.logdet())
    ///     },
    ///     &mat![[2.0f64, 0.0], [0.0, 4.0]],
    /// )?;
    /// // (C^-1 x x^T C^-1 - C^-1) / 2
    /// assert!((gradient[(0, 0)] - (0.25 - 0.5) / 2.0).abs() < 1e-15);
    /// assert!((gradient[(0, 1)] - 0.125).abs() < 1e-15);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    #[doc(alias = "cho_factor")]
    #[doc(alias = "llt")]
    #[track_caller]
    #[must_use]
    pub fn spd(self) -> Spd<'t, T> {
        Spd { a: self, handle: self.tape.push_one(Op::Spd(spd::Spd), &[&self]) }
    }

    /// The upper Cholesky factor `U` of `(A + A^T)/2`, with `A = U^T U`: the transpose of [`Var::cholesky`].
    ///
    /// Poisons: not positive definite. Cost: as [`Var::cholesky`].
    ///
    /// # Panics
    /// If the matrix is not square.
    #[track_caller]
    #[must_use]
    pub fn cholesky_upper(self) -> Self {
        let _said = self.tape().saying(&"cholesky_upper");
        self.cholesky().t()
    }
}

impl<'t, T: Scalar> Spd<'t, T> {
    /// Stops at the user's line if the right-hand side does not fit.
    #[track_caller]
    fn fitting(self, method: &str, b: impl Operand<'t, T>) -> Var<'t, T> {
        let (a, b) = (self.a.shape(), b.on(self.a.tape));
        let s = b.shape();
        assert!(
            a.rows == s.rows && a.common_batch(s).is_some(),
            "{method}: expected a right-hand side with {} rows for the matrix {a}, and equal batches or one of 1; got {s}",
            a.rows
        );
        b
    }

    /// `A^{-1} B`.
    ///
    /// Poisons: not positive definite; a right-hand side that is not finite. Cost: `2 n^2` for a column; its reverse
    /// derivative the same and an outer product.
    ///
    /// # Panics
    /// If `B` has another number of rows than `A`.
    #[doc(alias = "cho_solve")]
    #[doc(alias = "cholesky_solve")]
    #[track_caller]
    #[must_use]
    pub fn solve(self, b: impl Operand<'t, T>) -> Var<'t, T> {
        let b = self.fitting("Spd::solve", b);
        self.a.tape.push_one(Op::SpdSolve(spd::SpdSolve), &[&self.a, &self.handle, &b])
    }

    /// `L^{-1} B`, where `L` is the lower factor: whitening. The squares of its entries sum to `<B, A^{-1} B>`.
    ///
    /// # Panics
    /// If `B` has another number of rows than `A`.
    #[doc(alias = "whiten")]
    #[track_caller]
    #[must_use]
    pub fn half_solve(self, b: impl Operand<'t, T>) -> Var<'t, T> {
        let b = self.fitting("Spd::half_solve", b);
        self.factor().solve_triangular(Uplo::Lower, b)
    }

    /// `A^{-1}`, exactly symmetric. Cost: `2/3 n^3`.
    #[doc(alias = "cholesky_inverse")]
    #[track_caller]
    #[must_use]
    pub fn inverse(self) -> Var<'t, T> {
        self.a.tape.push_one(Op::SpdInverse(spd::SpdInverse), &[&self.a, &self.handle])
    }

    /// `log det A`, a number for each member. Its gradient is the inverse.
    #[doc(alias = "slogdet")]
    #[track_caller]
    #[must_use]
    pub fn logdet(self) -> Var<'t, T> {
        self.a.tape.push_one(Op::SpdLogdet(spd::SpdLogdet), &[&self.a, &self.handle])
    }

    /// The lower factor `L`, with `L L^T = (A + A^T)/2` and a positive diagonal: [`Var::cholesky`] without a second
    /// factorisation.
    #[doc(alias = "cholesky")]
    #[track_caller]
    #[must_use]
    pub fn factor(self) -> Var<'t, T> {
        self.a.tape.push_one(Op::SpdFactor(spd::SpdFactor), &[&self.a, &self.handle])
    }
}
