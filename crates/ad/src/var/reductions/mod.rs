//! Reductions: sums, inner products and norms of what is there, and of logarithms of sums. Extrema, softmax and
//! products are in `extrema.rs`, norms with a choice at 0 in `norms.rs`, variances in `moments.rs`.

mod extrema;
mod moments;
pub(crate) mod norms;

use crate::ops::reductions::cumsum::CumSum;
use crate::ops::reductions::dot::Dot;
use crate::ops::reductions::reduce::{Norm, Over};
use crate::ops::reductions::softmax::{Exponentials, LogSumExp};
use crate::ops::{self, Op};
use crate::{Axis, Operand, Scalar, Shape, Var};
use pullback_kernels::tolerances::EXPONENTIALS_KEPT;

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

/// # Reductions
/// Sums, inner products and norms.
impl<'t, T: Scalar> Var<'t, T> {
    /// Sums over every axis where `shape` has size 1.
    #[doc(alias = "sum_to_size")]
    #[track_caller]
    #[must_use]
    pub fn sum_to(self, shape: Shape) -> Self {
        if self.shape() == shape { self } else { self.op1(Op::SumTo(ops::reductions::reduce::SumTo { shape })) }
    }

    /// Repeats along every axis of size 1.
    #[doc(alias("expand", "repeat"))]
    #[track_caller]
    #[must_use]
    pub fn broadcast_to(self, shape: Shape) -> Self {
        if self.shape() == shape {
            self
        } else {
            self.op1(Op::BroadcastTo(ops::reductions::reduce::BroadcastTo { shape }))
        }
    }

    /// The sum of all entries of all members.
    #[track_caller]
    #[must_use]
    pub fn sum(self) -> Self {
        self.sum_to(Shape::SCALAR)
    }

    /// The sum of the entries of each member: a batch of numbers.
    #[track_caller]
    #[must_use]
    pub fn sum_each(self) -> Self {
        self.sum_to(self.shape().with(1, 1))
    }

    /// The sum of each column: `1 x n`. Methods named `column_...` have one result for each column, those named
    /// `row_...` one for each row.
    ///
    /// ```
    /// use pullback::{prelude::*, value};
    /// // What NumPy calls `x.sum(axis=0, keepdims=True)`.
    /// let y = value(|x| x.column_sums(), &faer::mat![[1.0, 2.0], [3.0, 4.0]])?;
    /// assert_eq!(y.into_mat(), faer::mat![[4.0, 6.0]]);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    #[doc(alias("row_sum", "sum_rows"))]
    #[track_caller]
    #[must_use]
    pub fn column_sums(self) -> Self {
        let s = self.shape();
        self.sum_to(s.with(1, s.cols))
    }

    /// The sum of each row: `m x 1`.
    #[doc(alias("column_sum", "sum_cols"))]
    #[track_caller]
    #[must_use]
    pub fn row_sums(self) -> Self {
        let s = self.shape();
        self.sum_to(s.with(s.rows, 1))
    }

    /// Sums over the members of the batch.
    #[track_caller]
    #[must_use]
    pub fn sum_batch(self) -> Self {
        let s = self.shape();
        self.sum_to(Shape { batch: 1, ..s })
    }

    /// The mean of all entries.
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    #[must_use]
    pub fn mean(self) -> Self {
        let n = self.shape().len();
        assert!(n > 0, "mean: expected at least one entry, got none");
        self.sum().scaled(1.0 / n as f64)
    }

    /// The trace of each member.
    #[track_caller]
    #[must_use]
    pub fn trace(self) -> Self {
        let _said = self.tape.saying(&"trace");
        let s = self.shape();
        assert!(s.rows == s.cols, "trace: expected a square matrix, got {s}");
        self.diag().sum_each()
    }

    /// `<A, B>` of each member.
    #[doc(alias("vdot", "inner", "inner_product"))]
    #[track_caller]
    #[must_use]
    pub fn dot(self, b: impl Operand<'t, T>) -> Self {
        self.op2(Op::Dot(Dot { over: Over::ALL }), b.on(self.tape))
    }

    /// The Frobenius norm of each member. Not differentiable at 0: `x.dot(x)` is.
    #[doc(alias("linalg.norm", "frobenius"))]
    #[track_caller]
    #[must_use]
    pub fn norm(self) -> Self {
        self.op1(Op::Norm(ops::reductions::reduce::Norm { over: ops::reductions::reduce::Over::ALL }))
    }

    reductions! {
        /// The Euclidean norm of each column: `1 x n`. No derivative at a zero column.
        column_norms => Norm over ROWS;
        /// The Euclidean norm of each row: `m x 1`. No derivative at a zero row.
        row_norms => Norm over COLS;
    }

    /// `ln sum exp x` over the entries of each member, without overflow.
    ///
    /// From 64 entries on, a tape that records or carries tangents keeps as many numbers again for derivatives.
    #[doc(alias = "logsumexp")]
    #[track_caller]
    #[must_use]
    pub fn log_sum_exp(self) -> Self {
        self.log_sum_exp_over(Over::ALL, &"log_sum_exp")
    }

    /// `ln sum exp x` of each column: `1 x n`.
    #[track_caller]
    #[must_use]
    pub fn column_log_sum_exp(self) -> Self {
        self.log_sum_exp_over(Over::ROWS, &"column_log_sum_exp")
    }

    /// `ln sum exp x` of each row: `m x 1`.
    #[track_caller]
    #[must_use]
    pub fn row_log_sum_exp(self) -> Self {
        self.log_sum_exp_over(Over::COLS, &"row_log_sum_exp")
    }

    /// With the exponentials kept for derivatives, where they are many and there may be derivatives.
    #[track_caller]
    fn log_sum_exp_over(self, over: Over, said: &'static &'static str) -> Self {
        let _said = self.tape.saying(said);
        let derivatives = self.tape.records() || self.tape.carries_tangents();
        if self.shape().each() < EXPONENTIALS_KEPT || !derivatives {
            return self.tape.push_one(Op::LogSumExp(LogSumExp { over }), &[&self]);
        }
        let kept = self.tape.push_one(Op::Exponentials(Exponentials { over }), &[&self]);
        self.tape.push_one(Op::LogSumExp(LogSumExp { over }), &[&self, &kept])
    }

    /// Partial sums along an axis: entry `i` is the sum of the entries up to and with number `i`. With `Axis::Rows`
    /// they run down each column.
    ///
    /// # Panics
    /// If the axis is that of the batch.
    ///
    /// ```
    /// use pullback::{Axis, prelude::*};
    /// use faer::mat;
    /// let x = mat![[1.0, 2.0], [3.0, 4.0]];
    /// let sums = pullback::value(func(|x| x.cumsum(Axis::Rows)), &x).unwrap();
    /// assert_eq!(sums.into_mat(), mat![[1.0, 2.0], [4.0, 6.0]]);
    /// assert_eq!(grad(func(|x| x.cumsum(Axis::Cols).sum()), &x).unwrap(), mat![[2.0, 1.0], [2.0, 1.0]]);
    /// ```
    #[track_caller]
    #[must_use]
    pub fn cumsum(self, axis: Axis) -> Self {
        assert!(axis != Axis::Batch, "cumsum: expected the axis Rows or Cols, got Batch");
        self.tape.push_one(Op::CumSum(CumSum { axis, reverse: false }), &[&self])
    }
}
