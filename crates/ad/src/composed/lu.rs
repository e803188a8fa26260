//! Determinants, and the factors of LU for every shape.
//!
//! - *Wide LU*, `A = [X Y]` with `X` square: `P X = L U` and `W = L^{-1} P Y` give `P A = L [U W]`, whose derivative is
//!   that of a square LU and of a triangular solve.
//! - *`slogdet`*: the sign is locally constant, so `log |det|` carries the derivative.

use crate::ops::{Op, det, lu, lu_factors::LuFactors};
use crate::{Axis, Scalar, Triangle, Var};

impl<'t, T: Scalar> Var<'t, T> {
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

    #[track_caller]
    fn lu_tall(self) -> (Self, Self, Self) {
        let id = self.tape.push(Op::LuFactors(LuFactors), &[&self]);
        (self.tape.handle(id), self.tape.handle(id + 1), self.tape.handle(id + 2))
    }

    /// `(L, U, p)` with `P A = L U`: with `r = min(m, n)`, `L` is `m x r` unit lower, `U` is `r x n` upper, and row `i`
    /// of `P A` is row `p_i` of `A`. Poisons: singular to working precision.
    ///
    /// `p` holds numbers without derivative: `a.permuted(Axis::Rows, p)` is `P A`. Where two pivots tie, `P` jumps:
    /// prefer [`Var::solve`], [`Var::det`], [`Var::inverse`], which do not see it.
    #[track_caller]
    #[must_use]
    pub fn lu_factors(self) -> (Self, Self, Self) {
        let _said = self.tape.saying(&"lu_factors");
        let (m, n) = (self.rows(), self.cols());
        if m >= n {
            return self.lu_tall();
        }
        let (l, u, p) = self.column_range(0, m).lu_tall();
        let unit = Triangle::LOWER.unit_diagonal();
        let w = l.solve_triangular_with(unit, self.column_range(m, n - m).permuted(Axis::Rows, p));
        (l, Var::concat(&[u, w], Axis::Cols), p)
    }
}

impl<'t, T: Scalar> crate::Lu<'t, T> {
    /// The sign of `det A`: 1 or -1, without derivative.
    #[track_caller]
    #[must_use]
    pub fn sign(self) -> Var<'t, T> {
        self.handle.tape.push_one(Op::LuSign(lu::LuSign), &[&self.handle])
    }
}
