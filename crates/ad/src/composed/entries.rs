//! Further functions of entries, norms of rows and columns, and moves of entries with names of their own.

use crate::ops::Op;
use crate::ops::layout::Scatter;
use crate::ops::linear::{Linear, LinearMap};
use crate::ops::reduce::{Norm, Over};
use crate::ops::softmax::LogSumExp;
use crate::ops::unary::UnaryFn;
use crate::var::Operand;
use crate::{Axis, Scalar, Shape, Unary, Var};
use std::sync::Arc;

macro_rules! entrywise {
    ($($(#[$doc:meta])* $name:ident => $f:expr;)*) => {$(
        $(#[$doc])*
        #[track_caller]
        #[must_use]
        pub fn $name(self) -> Self {
            let _said = self.tape.saying(&stringify!($name));
            self.tape.push_one(Op::Unary(UnaryFn($f)), &[&self])
        }
    )*};
}

macro_rules! reductions {
    ($($(#[$doc:meta])* $name:ident => $Op:ident over $over:ident;)*) => {$(
        $(#[$doc])*
        #[track_caller]
        #[must_use]
        pub fn $name(self) -> Self {
            let _said = self.tape.saying(&stringify!($name));
            self.tape.push_one(Op::$Op($Op { over: Over::$over }), &[&self])
        }
    )*};
}

impl<'t, T: Scalar> Var<'t, T> {
    entrywise! {
        /// `ln(1 + x)`, entry by entry, accurate near 0.
        #[doc(alias = "log1p")]
        ln_1p => Unary::Ln1p;
        /// `exp(x) - 1`, entry by entry, accurate near 0.
        #[doc(alias = "expm1")]
        exp_m1 => Unary::ExpM1;
        /// `x / |x|`, entry by entry, and 0 at 0; its derivative is 0.
        sign => Unary::Sign;
    }

    /// Between `low` and `high`, entry by entry. At a bound the derivative is 1/2, as that of [`Var::max`] at a tie.
    ///
    /// # Panics
    /// If `low > high`.
    #[doc(alias = "clip")]
    #[track_caller]
    #[must_use]
    pub fn clamp(self, low: f64, high: f64) -> Self {
        let _said = self.tape.saying(&"clamp");
        assert!(low <= high, "clamp: expected a lower bound that is not above the upper bound, got {low} and {high}");
        self.tape.push_one(Op::Unary(UnaryFn(Unary::Clamp(low, high))), &[&self])
    }

    reductions! {
        /// The Euclidean norm of each column: `1 x n`. No derivative at a zero column.
        column_norms => Norm over ROWS;
        /// The Euclidean norm of each row: `m x 1`. No derivative at a zero row.
        row_norms => Norm over COLS;
        /// `ln sum exp x` over the entries of each member, without overflow.
        #[doc(alias = "logsumexp")]
        log_sum_exp => LogSumExp over ALL;
        /// `ln sum exp x` of each column: `1 x n`.
        column_log_sum_exp => LogSumExp over ROWS;
        /// `ln sum exp x` of each row: `m x 1`.
        row_log_sum_exp => LogSumExp over COLS;
    }

    /// The adjoint of [`Var::gather`]: row (column, member) `k` is added to row `index[k]` of zeros with `size` rows.
    #[doc(alias("index_add", "segment_sum"))]
    #[track_caller]
    #[must_use]
    pub fn scatter(self, axis: Axis, index: &[usize], size: usize) -> Self {
        self.tape.push_one(Op::Scatter(Scatter { axis, index: index.into(), size }), &[&self])
    }

    /// `A X` for a constant linear map `A`: a sparse matrix of faer (with the feature `sparse`), or an operator of
    /// yours.
    #[track_caller]
    #[must_use]
    pub fn mapped(self, map: Arc<impl LinearMap<T>>) -> Self {
        self.tape.push_one(Op::Linear(Linear { map, transpose: false }), &[&self])
    }

    /// `A^T X` for a constant linear map `A`.
    #[track_caller]
    #[must_use]
    pub fn mapped_transposed(self, map: Arc<impl LinearMap<T>>) -> Self {
        self.tape.push_one(Op::Linear(Linear { map, transpose: true }), &[&self])
    }

    /// The columns of each member on top of each other.
    #[doc(alias("flatten", "ravel"))]
    #[track_caller]
    #[must_use]
    pub fn vec(self) -> Self {
        let s = self.shape();
        self.reshape(s.each(), 1)
    }

    /// The Kronecker product, block `(i, j)` being `a_ij B`: `vec(B X A^T) = (A kron B) vec(X)`.
    ///
    /// ```
    /// use pullback::{prelude::*, value};
    /// let k = value(|a| a.kron(&faer::mat![[1.0, 10.0]]), &faer::mat![[1.0, 2.0]])?;
    /// assert_eq!(k.data(), [1.0, 10.0, 2.0, 20.0]);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    #[doc(alias = "kronecker")]
    #[track_caller]
    #[must_use]
    pub fn kron(self, b: impl Operand<'t, T>) -> Self {
        let _said = self.tape.saying(&"kron");
        let b = b.on(self.tape);
        let ((m, n), (p, q)) = ((self.rows(), self.cols()), (b.rows(), b.cols()));
        // Entry `(i, j)` of `A` times entry `(k, l)` of `B` stands at `(k + p l, i + m j)` of `vec(B) vec(A)^T`.
        let at = |c: usize, r: usize| (r % p + p * (c % q)) + p * q * (r / p + m * (c / q));
        let index: Vec<usize> = (0..n * q).flat_map(|c| (0..m * p).map(move |r| at(c, r))).collect();
        b.vec().mul_t(self.vec()).vec().gather(Axis::Rows, &index).reshape(m * p, n * q)
    }

    /// The skew matrix of a rotation vector: of 3 numbers with `hat(v) w = v x w`, or of one angle.
    ///
    /// # Panics
    /// If it is not a column of 3 or 1.
    #[track_caller]
    #[must_use]
    pub fn hat(self) -> Self {
        let _said = self.tape.saying(&"hat");
        let s = self.shape();
        // Not in a closure: those do not know their caller's line.
        let Some((n, index)) = rotation(s.rows).filter(|_| s.cols == 1) else {
            panic!("hat: expected a rotation vector, a column of 3 numbers or of 1 in the plane, got {s}")
        };
        self.scatter(Axis::Rows, index, n * n).reshape(n, n).skew().scaled(2.0)
    }

    /// The rotation vector of the skew part of a 3x3 or 2x2 matrix: `v.hat().vee() == v`.
    ///
    /// # Panics
    /// If it is neither.
    #[track_caller]
    #[must_use]
    pub fn vee(self) -> Self {
        let _said = self.tape.saying(&"vee");
        let s = self.shape();
        let entries = match (s.rows, s.cols) {
            (3, 3) => 3,
            (2, 2) => 1,
            _ => panic!("vee: expected a 3x3 or a 2x2 matrix, got {s}"),
        };
        let index = rotation(entries).map_or(&[][..], |(_, index)| index);
        self.skew().vec().gather(Axis::Rows, index)
    }

    /// The integer power of a square matrix by repeated squaring; a negative one is that of the inverse. Poisons for
    /// `k < 0`: singular.
    ///
    /// # Panics
    /// If it is not square.
    #[doc(alias("powi", "mpower"))]
    #[track_caller]
    #[must_use]
    pub fn matrix_power(self, k: i32) -> Self {
        let _said = self.tape.saying(&"matrix_power");
        let s = self.shape();
        assert!(s.rows == s.cols, "matrix_power: expected a square matrix, got {s}");
        let mut base = if k < 0 { self.inverse() } else { self };
        let (mut k, mut power) = (k.unsigned_abs(), None);
        while k > 0 {
            if k & 1 == 1 {
                power = Some(power.map_or(base, |p: Self| p.matmul(base)));
            }
            k >>= 1;
            if k > 0 {
                base = base.matmul(base);
            }
        }
        power.unwrap_or_else(|| self.tape.eye(s.rows).broadcast_to(Shape { batch: s.batch, ..s }))
    }
}

/// The order of the skew matrix of so many numbers, and where they stand in its storage (with a plus sign).
fn rotation(entries: usize) -> Option<(usize, &'static [usize])> {
    match entries {
        1 => Some((2, &[1])),
        3 => Some((3, &[5, 6, 1])),
        _ => None,
    }
}
