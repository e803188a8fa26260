//! Least squares and the pseudo-inverse.
//!
//! `A⁺` is `A⁺ I`, or `(A⁺' I)'`: whichever identity is the smaller.

use crate::ops::Op;
use crate::ops::least::{LeastFactor, LeastSolve};
use crate::var::Operand;
use crate::{Scalar, Var};

impl<'t, T: Scalar> Var<'t, T> {
    #[track_caller]
    fn least(self, rank: usize, transpose: bool, b: Self) -> Self {
        let handle = self.tape.push_one(Op::LeastFactor(LeastFactor { rank }), &[&self]);
        self.tape.push_one(Op::LeastSolve(LeastSolve { rank, transpose, consistent: false }), &[&self, &handle, &b])
    }

    /// The `X` of least norm among those that make `|A X - B|` least, for a matrix of full rank. Poisons: rank-deficient.
    #[track_caller]
    #[must_use]
    pub fn lstsq(self, b: impl Operand<'t, T>) -> Self {
        let _said = self.tape.saying(&"lstsq");
        self.lstsq_of_rank(self.rows().min(self.cols()), b)
    }

    /// [`Var::lstsq`] for a matrix of rank `r`; the derivative is that among the matrices of this rank. Poisons: another rank.
    #[track_caller]
    #[must_use]
    pub fn lstsq_of_rank(self, r: usize, b: impl Operand<'t, T>) -> Self {
        let _said = self.tape.saying(&"lstsq_of_rank");
        self.least(r, false, b.on(self.tape))
    }

    /// The pseudo-inverse of a matrix of full rank. Poisons: rank-deficient.
    #[track_caller]
    #[must_use]
    pub fn pinv(self) -> Self {
        let _said = self.tape.saying(&"pinv");
        self.pinv_of_rank(self.rows().min(self.cols()))
    }

    /// [`Var::pinv`] of a matrix of rank `r`; the derivative is that among the matrices of this rank. Poisons: another rank.
    #[track_caller]
    #[must_use]
    pub fn pinv_of_rank(self, r: usize) -> Self {
        let _said = self.tape.saying(&"pinv_of_rank");
        let (m, n) = (self.rows(), self.cols());
        match m > n {
            true => self.least(r, true, self.tape.eye(n)).t(),
            false => self.least(r, false, self.tape.eye(m)),
        }
    }
}
