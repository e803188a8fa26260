//! Least squares and the pseudo-inverse.
//!
//! `A^+` is `A^+ I`, or `(A^{+T} I)^T`, whichever identity is the smaller.

use crate::ops::Op;
use crate::ops::solves::least_squares::{LeastSquaresFactor, LeastSquaresSolve};
use crate::{Operand, Scalar, Var};

/// # Solves: least squares
/// Of full and of known rank.
impl<'t, T: Scalar> Var<'t, T> {
    #[track_caller]
    fn lstsq_at_rank(self, rank: usize, transpose: bool, b: Self) -> Self {
        let handle = self.tape.push_one(Op::LeastSquaresFactor(LeastSquaresFactor { rank }), &[&self]);
        self.tape.push_one(
            Op::LeastSquaresSolve(LeastSquaresSolve { rank, transpose, consistent: false }),
            &[&self, &handle, &b],
        )
    }

    /// The `X` of least norm among those that make `|A X - B|` least, for a matrix of full rank. Poisons:
    /// rank-deficient.
    ///
    /// ```
    /// use pullback::{prelude::*, value};
    /// // The line through (0, 1), (1, 2), (2, 3).
    /// let x = value(|a| a.lstsq(&faer::mat![[1.0], [2.0], [3.0]]), &faer::mat![[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]])?;
    /// assert!((x.into_mat() - faer::mat![[1.0], [1.0]]).norm_max() < 1e-14);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    #[doc(alias = "least_squares")]
    #[track_caller]
    #[must_use]
    pub fn lstsq(self, b: impl Operand<'t, T>) -> Self {
        let _said = self.tape.saying(&"lstsq");
        self.lstsq_of_rank(self.rows().min(self.cols()), b)
    }

    /// [`Var::lstsq`] for a matrix of rank `r`; the derivative is that among the matrices of this rank. Poisons:
    /// another rank.
    #[track_caller]
    #[must_use]
    pub fn lstsq_of_rank(self, r: usize, b: impl Operand<'t, T>) -> Self {
        let _said = self.tape.saying(&"lstsq_of_rank");
        self.lstsq_at_rank(r, false, b.on(self.tape))
    }

    /// The pseudo-inverse of a matrix of full rank. Poisons: rank-deficient.
    #[doc(alias = "pseudo_inverse")]
    #[track_caller]
    #[must_use]
    pub fn pinv(self) -> Self {
        let _said = self.tape.saying(&"pinv");
        self.pinv_of_rank(self.rows().min(self.cols()))
    }

    /// [`Var::pinv`] of a matrix of rank `r`; the derivative is that among the matrices of this rank. Poisons: another
    /// rank.
    #[track_caller]
    #[must_use]
    pub fn pinv_of_rank(self, r: usize) -> Self {
        let _said = self.tape.saying(&"pinv_of_rank");
        let (m, n) = (self.rows(), self.cols());
        match m > n {
            true => self.lstsq_at_rank(r, true, self.tape.eye(n)).t(),
            false => self.lstsq_at_rank(r, false, self.tape.eye(m)),
        }
    }
}
