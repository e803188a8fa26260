//! QR of every shape and rank, and LQ, from the thin QR of a tall matrix of full rank.
//!
//! - *Wide* (`m < n`), `A = [X Y]` with `X` square: `X = Q U` and `W = Q^T Y` give `A = Q [U W]`, `R = [U W]`. `X` must
//!   be regular; the derivative is that of a square QR and of a product, which is the rule of Roberts & Roberts 2020,
//!   arXiv 2009.10071.
//! - *Rank `r`*, `A = [X Y]` with the `r` columns of `X` independent: `X = Q U`, `W = Q^T Y`. On the matrices of rank
//!   `r` the remainder `Y - Q W` is zero, which is checked. What a thin QR has beside `Q` and `[U W]` (more columns of
//!   `Q`, zero rows of `R`) is not determined by `A`, so it is not given. The gauge condition of that rule, that
//!   nothing depends on it, then holds by shape.
//! - *Full* (`m > n`): `Q = [Q1 Q2]`, where only the span of `Q2` is determined; see
//!   `ops/factorisations/complement.rs`.
//! - *Pivoted*: `A P = Q R`, with `P` found where numbers are looked at, and locally constant.
//! - *LQ*: `A^T = Q R` gives `A = L Q^T` with `L = R^T`.

use crate::ops::{
    Op, control::guard::Vanishing, factorisations::complement::Complement, factorisations::permute,
    factorisations::qr::Qr,
};
use crate::{Axis, Gauge, Result, Scalar, Var};

/// # Factorisations: QR
/// Of every shape and rank; null spaces.
impl<'t, T: Scalar> Var<'t, T> {
    #[track_caller]
    fn qr_tall(self, transposed: Option<usize>) -> (Self, Self) {
        let id = self.tape.push(Op::Qr(Qr { transposed }), &[&self]);
        (self.tape.handle(id), self.tape.handle(id + 1))
    }

    /// `Q` and `[U W]` from the leading `r` columns.
    #[track_caller]
    fn qr_leading(self, r: usize, transposed: Option<usize>) -> (Self, Self) {
        let n = self.cols();
        let (q, u) = self.column_range(0, r).qr_tall(transposed);
        (q, Var::concat(&[u, q.t_mul(self.column_range(r, n - r))], Axis::Cols))
    }

    /// Thin QR, `diag(R) > 0`: with `r = min(m, n)`, `Q` is `m x r` and `R` is `r x n`. Poisons: rank-deficient (for a
    /// wide matrix: dependent leading columns; [`Var::qr_pivoted`] finds independent ones).
    ///
    /// ```
    /// use pullback::{prelude::*, value};
    /// let a = faer::mat![[3.0, 1.0], [4.0, 2.0], [0.0, 2.0]];
    /// assert!(value(|a| { let (q, r) = a.qr(); (q * r - a).norm() }, &a)?.scalar() < 1e-14);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    #[doc(alias = "linalg.qr")]
    #[track_caller]
    #[must_use]
    pub fn qr(self) -> (Self, Self) {
        let (m, n) = (self.rows(), self.cols());
        if m < n { self.qr_leading(m, None) } else { self.qr_tall(None) }
    }

    /// [`Var::qr`] for programs that have another way when it fails.
    ///
    /// # Errors
    /// The failure, which is then forgotten by the tape.
    #[track_caller]
    pub fn try_qr(self) -> Result<(Self, Self)> {
        let clean = !self.tape.store.has_failed();
        let (q, r) = self.qr();
        self.tape.verdict_of_attempt(clean, q).map(|()| (q, r))
    }

    /// `A = L Q` with orthonormal rows of `Q` and `diag(L) > 0`: with `r = min(m, n)`, `L` is `m x r` and `Q` is
    /// `r x n`. Poisons: dependent (leading) rows, which the error counts as columns, being those of `A^T`.
    #[track_caller]
    #[must_use]
    pub fn lq(self) -> (Self, Self) {
        let _said = self.tape.saying(&"lq");
        let (m, n) = (self.rows(), self.cols());
        let (a, given) = (self.t(), Some(m));
        let (q, r) = if m <= n { a.qr_tall(given) } else { a.qr_leading(n, given) };
        (r.t(), q.t())
    }

    /// QR of a matrix of rank `r` whose leading `r` columns are independent: `Q` is `m x r`, `R` is `r x n`, and
    /// nothing that the matrix does not determine is given. Poisons: another rank.
    ///
    /// The derivative is that among the matrices of rank `r`.
    #[track_caller]
    #[must_use]
    pub fn qr_of_rank(self, r: usize) -> (Self, Self) {
        let _said = self.tape.saying(&"qr_of_rank");
        let (m, n) = (self.rows(), self.cols());
        assert!(r <= m.min(n), "qr_of_rank: expected a matrix that can have rank {r}, got {m}x{n}");
        let (q, u) = self.qr_leading(r, None);
        let rest = self.column_range(r, n - r).stop_gradient();
        let rest = rest.add_mul(-1.0, q.stop_gradient(), u.column_range(r, n - r).stop_gradient());
        let guard = Op::Vanishing(Vanishing { what: "the rank is larger than stated" });
        (q, self.tape.push_one(guard, &[&u, &rest, &self]))
    }

    /// An orthonormal basis of the orthogonal complement of the columns: `m x (m - n)`, `m >= n`. Poisons:
    /// rank-deficient.
    ///
    /// Only its span is determined. A cotangent that sees more is judged by `gauge`; forward mode carries the basis
    /// that does not turn within its span.
    #[doc(alias("null_space", "complement"))]
    #[track_caller]
    #[must_use]
    pub fn null_basis(self, gauge: Gauge) -> Self {
        let _said = self.tape.saying(&"null_basis");
        self.qr().0.complement(gauge)
    }

    #[track_caller]
    fn complement(self, gauge: Gauge) -> Self {
        self.tape.push_one(Op::Complement(Complement(gauge)), &[&self])
    }

    /// Full QR of a tall matrix: `Q` is square, `R` is `m x n` with zero rows below. Poisons: rank-deficient.
    ///
    /// Of the trailing columns of `Q` only the span is determined: see [`Var::null_basis`]. A square or wide matrix has
    /// none.
    #[doc(alias = "complete")]
    #[track_caller]
    #[must_use]
    pub fn qr_full(self, gauge: Gauge) -> (Self, Self) {
        let _said = self.tape.saying(&"qr_full");
        let (m, n) = (self.rows(), self.cols());
        let (q, r) = self.qr();
        if m <= n {
            return (q, r);
        }
        let below = self.tape.filled(crate::Shape { rows: m - n, ..r.shape() }, T::zero());
        (Var::concat(&[q, q.complement(gauge)], Axis::Cols), Var::concat(&[r, below], Axis::Rows))
    }

    /// QR of `A P`, where `P` orders the columns by what each adds: `(Q, R, p)` with `|r_11| >= |r_22| >= ...`, and
    /// column `j` of `A P` is column `p_j` of `A`. Poisons: rank-deficient.
    ///
    /// `p` holds numbers without derivative: an argument of [`Var::permuted`].
    #[doc(alias = "col_piv_qr")]
    #[track_caller]
    #[must_use]
    pub fn qr_pivoted(self) -> (Self, Self, Self) {
        let _said = self.tape.saying(&"qr_pivoted");
        let p = self.pivots().0;
        let permuted = self.permuted(Axis::Cols, p);
        let (m, n) = (self.rows(), self.cols());
        let leading = permuted.column_range(0, m.min(n));
        let id = self.tape.push(Op::Qr(Qr { transposed: None }), &[&leading, &p]);
        let (q, r) = (self.tape.handle(id), self.tape.handle(id + 1));
        match m < n {
            true => (q, Var::concat(&[r, q.t_mul(permuted.column_range(m, n - m))], Axis::Cols), p),
            false => (q, r, p),
        }
    }

    /// The columns (or rows) of every member in the order `p`: number `j` of the result is number `p_j` of `self`.
    ///
    /// # Panics
    /// If the axis is that of the batch, or `p` has another length.
    #[track_caller]
    #[must_use]
    pub fn permuted(self, axis: Axis, p: Self) -> Self {
        let _said = self.tape.saying(&"permuted");
        self.tape.push_one(Op::Permute(permute::Permute { axis, inverse: false }), &[&self, &p])
    }

    #[track_caller]
    fn pivots(self) -> (Self, Self) {
        let id = self.tape.push(Op::Pivots(permute::Pivots), &[&self]);
        (self.tape.handle(id), self.tape.handle(id + 1))
    }

    /// The numerical rank of each member: how many `|r_jj|` of a pivoted QR exceed `tolerance` times the first. `None`
    /// takes the rounding of the factorisation.
    ///
    /// It looks at numbers: a recorded program that goes on after it cannot be replayed.
    #[doc(alias = "matrix_rank")]
    #[track_caller]
    pub fn rank(self, tolerance: Option<f64>) -> Vec<usize> {
        let _said = self.tape.saying(&"rank");
        let n = self.rows().max(self.cols());
        let tolerance = T::of(tolerance.unwrap_or(pullback_kernels::tolerances::vanishing::<T>(n).f64()));
        let d = self.pivots().1.value();
        let each = d.shape().each();
        let count = |d: &[T]| d.iter().filter(|x| **x > tolerance * d[0]).count();
        (0..d.shape().batch).map(|b| count(&d.data()[b * each..(b + 1) * each])).collect()
    }
}
