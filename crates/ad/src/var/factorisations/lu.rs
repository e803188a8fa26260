//! The factors of LU, for every shape.
//!
//! *Wide LU*, `A = [X Y]` with `X` square: `P X = L U` and `W = L^{-1} P Y` give `P A = L [U W]`, whose derivative is
//! that of a square LU and of a triangular solve.

use crate::ops::{Op, factorisations::lu_factors::LuFactors};
use crate::{Axis, Scalar, Triangle, Var};

/// # Factorisations: LU
/// Of every shape.
impl<'t, T: Scalar> Var<'t, T> {
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
