//! Variances and standard deviations.
//!
//! `var = sum (x_i - mean)² / (n - ddof)`, and `std` is its square root, computed as a norm. One entry is subtracted
//! first, from all: the variance does not depend on it, so it is a constant for every derivative, and the differences
//! keep their digits however large the mean is. In particular the variance of equal entries is exactly 0.

use crate::ops::Op;
use crate::ops::reductions::reduce::{Norm, Over};
use crate::{Scalar, Var};

macro_rules! moments {
    ($($var:ident, $std:ident over $over:ident: $what:literal;)*) => {$(
        #[doc = concat!("The variance ", $what, ": squared deviations from the mean, over their number less `ddof`.")]
        ///
        /// `ddof` is 0 for the variance of these very numbers (the default of NumPy), and 1 for the unbiased estimate
        /// from a sample (the default of PyTorch). Stable for a large mean, and exactly 0 for equal entries. Cost:
        /// about six passes.
        ///
        /// # Panics
        /// If there are no more than `ddof` entries.
        ///
        /// ```
        /// use pullback::prelude::*;
        /// use faer::mat;
        /// let x = mat![[1.0], [2.0], [6.0]];
        /// assert_eq!(pullback::value(func(|x| x.var(1)), &x).unwrap().data(), [7.0]);
        /// assert_eq!(grad(func(|x| x.var(1)), &x).unwrap(), mat![[-2.0], [-1.0], [3.0]]);
        /// ```
        #[doc(alias = "variance")]
        #[track_caller]
        #[must_use]
        pub fn $var(self, ddof: usize) -> Self {
            let _said = self.tape.saying(&stringify!($var));
            let (c, n) = self.centred(stringify!($var), Over::$over, ddof);
            let sum = match Over::$over {
                Over::ALL => c.dot(c),
                over => c.hadamard(c).sum_to(over.shape(c.shape())),
            };
            sum.scaled(1.0 / n)
        }

        #[doc = concat!("The standard deviation ", $what, ", the root of the variance.")]
        ///
        #[doc = concat!("`ddof` is as in [`Var::", stringify!($var), "`].")]
        /// At equal entries there is no derivative, as of a norm at 0: `NotDifferentiable`.
        ///
        /// # Panics
        /// If there are no more than `ddof` entries.
        #[doc(alias = "standard_deviation")]
        #[track_caller]
        #[must_use]
        pub fn $std(self, ddof: usize) -> Self {
            let _said = self.tape.saying(&stringify!($std));
            let (c, n) = self.centred(stringify!($std), Over::$over, ddof);
            self.tape.push_one(Op::Norm(Norm { over: Over::$over }), &[&c]).scaled(1.0 / n.sqrt())
        }
    )*};
}

/// # Reductions: variances
/// Variances and standard deviations.
impl<'t, T: Scalar> Var<'t, T> {
    moments! {
        var, std over ALL: "of the entries of each member";
        column_var, column_std over ROWS: "of each column, `1 x n`";
        row_var, row_std over COLS: "of each row, `m x 1`";
    }

    /// The deviations from the mean, and the divisor.
    #[track_caller]
    fn centred(self, method: &str, over: Over, ddof: usize) -> (Self, f64) {
        let s = self.shape();
        let one = over.shape(s);
        let n = if over.rows { s.rows } else { 1 } * if over.cols { s.cols } else { 1 };
        assert!(n > ddof, "{method}: expected more than ddof = {ddof} entries, got {n} of {s}");
        let first = self.stop_gradient().slice(0, 0, one.rows, one.cols);
        let z = self - first;
        (z - z.sum_to(one).scaled(1.0 / n as f64), (n - ddof) as f64)
    }
}
