//! Solves: linear systems, inverses and determinants. Least squares are in `least_squares.rs`, equations whose unknown
//! is a matrix between two others in `equations.rs`.
//!
//! *`slogdet`*: the sign is locally constant, so `log |det|` carries the derivative.

pub(crate) mod equations;
mod least_squares;

use crate::ops::{self, Op, solves::det, solves::lu};
use crate::{Operand, Result, Scalar, Triangle, Uplo, Var};

/// # Solves
/// Linear systems, inverses, determinants.
impl<'t, T: Scalar> Var<'t, T> {
    /// `op(L)^{-1} B` with the lower or upper triangle of `self`, transposed on request. Poisons: a zero on the
    /// diagonal.
    ///
    /// ```
    /// use pullback::{prelude::*, value};
    /// let l = faer::mat![[2.0, 0.0], [1.0, 4.0]];
    /// let x = value(|l| l.solve_triangular(Uplo::Lower, &faer::mat![[2.0], [5.0]]), &l)?;
    /// assert_eq!(x.data(), [1.0, 1.0]);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    #[doc(alias("solve_lower_triangular", "solve_upper_triangular", "triangular_solve"))]
    #[track_caller]
    #[must_use]
    pub fn solve_triangular(self, uplo: Uplo, b: impl Operand<'t, T>) -> Self {
        self.solve_triangular_with(Triangle::of(uplo), b)
    }

    /// A triangular solve with every choice given: triangle, transpose, unit diagonal, side.
    #[track_caller]
    #[must_use]
    pub fn solve_triangular_with(self, how: Triangle, b: impl Operand<'t, T>) -> Self {
        self.op2(Op::Trsm(ops::solves::trsm::Trsm(how)), b.on(self.tape))
    }

    /// An LU factorisation to solve with more than once. Poisons: singular to working precision.
    #[doc(alias = "lu_factor")]
    #[track_caller]
    #[must_use]
    pub fn lu(self) -> Lu<'t, T> {
        Lu { a: self, handle: self.op1(Op::Lu(ops::solves::lu::Lu)) }
    }

    /// `A^{-1} B`. Poisons: singular to working precision.
    ///
    /// ```
    /// use pullback::prelude::*;
    /// // d/dA sum(A^{-1} b) = -A^{-T} 1 x^T
    /// let (a, b) = (faer::mat![[2.0, 0.0], [0.0, 4.0]], faer::mat![[2.0], [4.0]]);
    /// let g = grad(|a| a.solve(&b).sum(), &a)?;
    /// assert_eq!(g, faer::mat![[-0.5, -0.5], [-0.25, -0.25]]);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    #[doc(alias = "linalg.solve")]
    #[track_caller]
    #[must_use]
    pub fn solve(self, b: impl Operand<'t, T>) -> Self {
        let _said = self.tape.saying(&"solve");
        self.lu().solve(b)
    }

    /// `A^{-1}`. Poisons: singular to working precision.
    #[doc(alias("inv", "try_inverse"))]
    #[track_caller]
    #[must_use]
    pub fn inverse(self) -> Self {
        let _said = self.tape.saying(&"inverse");
        self.lu().inverse()
    }

    /// `log |det A|`. Poisons: singular to working precision.
    #[doc(alias("slogdet", "log_det"))]
    #[track_caller]
    #[must_use]
    pub fn logdet(self) -> Self {
        let _said = self.tape.saying(&"logdet");
        self.lu().logdet()
    }

    /// [`Var::solve`] for programs that have another way when it fails.
    ///
    /// # Errors
    /// The failure, which is then forgotten by the tape.
    #[track_caller]
    pub fn try_solve(self, b: impl Operand<'t, T>) -> Result<Self> {
        let clean = !self.tape.store.has_failed();
        let y = self.solve(b);
        self.tape.verdict_of_attempt(clean, y).map(|()| y)
    }

    /// The determinant, with exact derivatives up to the third at a matrix of any rank.
    ///
    /// For large matrices [`Var::slogdet`] neither overflows nor needs complete pivoting.
    ///
    /// ```
    /// use pullback::prelude::*;
    /// // Right at a singular matrix, too: the gradient is the matrix of cofactors.
    /// let g = grad(|a| a.det(), &faer::mat![[1.0, 2.0], [2.0, 4.0]])?;
    /// assert!((g - faer::mat![[4.0, -2.0], [-2.0, 1.0]]).norm_max() < 1e-14);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    #[doc(alias = "determinant")]
    #[track_caller]
    #[must_use]
    pub fn det(self) -> Self {
        let _said = self.tape.saying(&"det");
        let handle = self.tape.push_one(Op::CompleteLu(det::CompleteLu), &[&self]);
        self.tape.push_one(Op::Det(det::Det), &[&self, &handle])
    }

    /// `(sign, log |det A|)`. Poisons: singular to working precision.
    #[track_caller]
    #[must_use]
    pub fn slogdet(self) -> (Self, Self) {
        let _said = self.tape.saying(&"slogdet");
        let lu = self.lu();
        (lu.sign(), lu.logdet())
    }
}

/// `A` with its LU factorisation: solves, inverse and determinant from one factorisation, to any order of derivative.
///
/// ```
/// use pullback::prelude::*;
/// use pullback::{Lu, Operand};
/// /// `b^T A^-1 b + log |det A|`, of a matrix that is factorised once.
/// fn objective<'t>(a: Lu<'t>, b: impl Operand<'t, f64> + Copy) -> Var<'t> {
///     a.solve(b).dot(b) + a.logdet()
/// }
/// let a = faer::mat![[2.0, 0.0], [0.0, 4.0]];
/// let b = faer::mat![[1.0], [2.0]];
/// let g = grad(pin(&a, |a: Var| objective(a.lu(), &b)), &a)?;
/// // -A^-T b b^T A^-T + A^-T
/// assert_eq!(g, faer::mat![[0.25, -0.25], [-0.25, 0.0]]);
/// # Ok::<(), pullback::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Lu<'t, T: Scalar = f64> {
    a: Var<'t, T>,
    pub(crate) handle: Var<'t, T>,
}

impl<'t, T: Scalar> Lu<'t, T> {
    /// `A^{-1} B`.
    #[track_caller]
    #[must_use]
    pub fn solve(self, b: impl Operand<'t, T>) -> Var<'t, T> {
        let b = b.on(self.a.tape);
        self.a.tape.push_one(Op::LuSolve(ops::solves::lu::LuSolve { transpose: false }), &[&self.a, &self.handle, &b])
    }

    /// `A^{-T} B`.
    #[track_caller]
    #[must_use]
    pub fn solve_transpose(self, b: impl Operand<'t, T>) -> Var<'t, T> {
        let _said = self.a.tape.saying(&"solve_transpose");
        let b = b.on(self.a.tape);
        self.a.tape.push_one(Op::LuSolve(ops::solves::lu::LuSolve { transpose: true }), &[&self.a, &self.handle, &b])
    }

    /// `A^{-1}`.
    #[track_caller]
    #[must_use]
    pub fn inverse(self) -> Var<'t, T> {
        self.a.op2(Op::LuInverse(ops::solves::lu::LuInverse), self.handle)
    }

    /// `log |det A|`.
    #[track_caller]
    #[must_use]
    pub fn logdet(self) -> Var<'t, T> {
        self.a.op2(Op::LuLogdet(ops::solves::lu::LuLogdet), self.handle)
    }

    /// The sign of `det A`: 1 or -1, without derivative.
    #[track_caller]
    #[must_use]
    pub fn sign(self) -> Var<'t, T> {
        self.handle.tape.push_one(Op::LuSign(lu::LuSign), &[&self.handle])
    }
}
