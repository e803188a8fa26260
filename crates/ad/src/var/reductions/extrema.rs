//! Reductions over the rows, the columns or all entries of a member: extrema and where they are, softmax, products.
//!
//! The rules of extrema are in `ops/reductions/peak.rs`, those of softmax in `ops/reductions/softmax.rs`. A product is
//! a tree of entrywise products, so it divides by nothing: its derivatives of every order are right when one, two or
//! more entries are 0.

use crate::ops::Op;
use crate::ops::reductions::peak::{Peak, PeakAt};
use crate::ops::reductions::reduce::Over;
use crate::ops::reductions::softmax::{LogSoftmax, Softmax};
use crate::{Scalar, Var};

macro_rules! peaks {
    ($($(#[$doc:meta])* $name:ident, $(#[$at_doc:meta])* $at:ident => $max:literal over $over:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// The winner takes the derivative; winners that are equal share it evenly, as in [`Var::max`]. NaN stays
        /// NaN. The winner is found anew at every replay. Cost: one pass; a derivative, one more.
        ///
        /// # Panics
        /// If there is no entry to choose from.
        #[track_caller]
        #[must_use]
        pub fn $name(self) -> Self {
            self.some_entry(stringify!($name), Over::$over);
            let id = self.tape.push(Op::Peak(Peak { max: $max, over: Over::$over }), &[&self]);
            self.tape.handle(id)
        }

        $(#[$at_doc])*
        ///
        /// Numbers without a derivative, counted from 0, found anew at every replay. Of equal entries the first
        /// counts; NaN wins.
        ///
        /// # Panics
        /// If there is no entry to choose from, or more places than the scalar type can count.
        #[track_caller]
        #[must_use]
        pub fn $at(self) -> Self {
            self.some_entry(stringify!($at), Over::$over);
            self.tape.push_one(Op::PeakAt(PeakAt { max: $max, over: Over::$over }), &[&self])
        }
    )*};
}

macro_rules! same_shape {
    ($($(#[$doc:meta])* $name:ident => $Op:ident over $over:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// Without overflow. An entry `-inf` has weight 0 and derivative 0, so it works as a mask, to every order;
        /// where all entries are `-inf` the weights are 0 (and their logarithms `-inf`). Weights below the smallest
        /// normal number are 0. Cost: one pass with an exponential for each entry.
        #[track_caller]
        #[must_use]
        pub fn $name(self) -> Self {
            self.tape.push_one(Op::$Op($Op { over: Over::$over }), &[&self])
        }
    )*};
}

/// # Reductions: extrema, softmax, products
/// The largest and the smallest, and where they are.
impl<'t, T: Scalar> Var<'t, T> {
    peaks! {
        /// The largest entry of each member.
        ///
        /// ```
        /// use pullback::prelude::*;
        /// use faer::mat;
        /// let x = mat![[1.0, 5.0], [4.0, 2.0]];
        /// assert_eq!(grad(func(|x| x.max_all()), &x).unwrap(), mat![[0.0, 1.0], [0.0, 0.0]]);
        /// assert_eq!(grad(func(|x| x.row_max().sum()), &x).unwrap(), mat![[0.0, 1.0], [1.0, 0.0]]);
        /// ```
        #[doc(alias = "amax")]
        max_all,
        /// Where the largest entry of each member is, in the order of storage (down the columns).
        #[doc(alias = "argmax")]
        argmax_all => true over ALL;
        /// The largest entry of each column: `1 x n`.
        #[doc(alias = "amax")]
        column_max,
        /// In which row the largest entry of each column is: `1 x n`.
        #[doc(alias = "argmax")]
        column_argmax => true over ROWS;
        /// The largest entry of each row: `m x 1`.
        #[doc(alias = "amax")]
        row_max,
        /// In which column the largest entry of each row is: `m x 1`.
        #[doc(alias = "argmax")]
        row_argmax => true over COLS;
        /// The smallest entry of each member.
        #[doc(alias = "amin")]
        min_all,
        /// Where the smallest entry of each member is, in the order of storage (down the columns).
        #[doc(alias = "argmin")]
        argmin_all => false over ALL;
        /// The smallest entry of each column: `1 x n`.
        #[doc(alias = "amin")]
        column_min,
        /// In which row the smallest entry of each column is: `1 x n`.
        #[doc(alias = "argmin")]
        column_argmin => false over ROWS;
        /// The smallest entry of each row: `m x 1`.
        #[doc(alias = "amin")]
        row_min,
        /// In which column the smallest entry of each row is: `m x 1`.
        #[doc(alias = "argmin")]
        row_argmin => false over COLS;
    }

    same_shape! {
        /// `exp(x) / sum exp(x)` over the entries of each member.
        ///
        /// ```
        /// use pullback::prelude::*;
        /// use faer::mat;
        /// let scores = mat![[1.0, f64::NEG_INFINITY], [1.0, 1e300]];
        /// let p = pullback::value(func(|x| x.row_softmax()), &scores).unwrap();
        /// assert_eq!(p.into_mat(), mat![[1.0, 0.0], [0.0, 1.0]]);
        /// ```
        softmax => Softmax over ALL;
        /// `exp(x) / sum exp(x)` within each column, whose entries sum to 1; the shape of the argument.
        column_softmax => Softmax over ROWS;
        /// `exp(x) / sum exp(x)` within each row, whose entries sum to 1; the shape of the argument.
        row_softmax => Softmax over COLS;
        /// The logarithm of [`Var::softmax`], with all its digits however large the entries and however small the
        /// weight.
        log_softmax => LogSoftmax over ALL;
        /// The logarithm of [`Var::column_softmax`], with all its digits however large the entries and however small
        /// the weight.
        column_log_softmax => LogSoftmax over ROWS;
        /// The logarithm of [`Var::row_softmax`], with all its digits however large the entries and however small
        /// the weight.
        row_log_softmax => LogSoftmax over COLS;
    }

    #[track_caller]
    fn some_entry(self, method: &str, over: Over) {
        let s = self.shape();
        let empty = s.is_empty() && !over.shape(s).is_empty();
        assert!(!empty, "{method}: expected at least one entry to choose from, got {s}");
    }

    /// The product of the entries of each member, and 1 if there is none. Every derivative is right when entries are 0.
    ///
    /// Products are taken pairwise, which also keeps more digits than one after the other. Cost: about four passes
    /// over the entries.
    ///
    /// ```
    /// use pullback::prelude::*;
    /// use faer::mat;
    /// let x = mat![[2.0], [0.0], [5.0]];
    /// assert_eq!(grad(func(|x| x.prod()), &x).unwrap(), mat![[0.0], [10.0], [0.0]]);
    /// ```
    #[track_caller]
    #[must_use]
    pub fn prod(self) -> Self {
        self.vec().column_prods()
    }

    /// The product of each column: `1 x n`, as [`Var::prod`].
    #[track_caller]
    #[must_use]
    pub fn column_prods(self) -> Self {
        self.product_over(Over::ROWS)
    }

    /// The product of each row: `m x 1`, as [`Var::prod`].
    #[track_caller]
    #[must_use]
    pub fn row_prods(self) -> Self {
        self.product_over(Over::COLS)
    }

    /// Multiplies the first half by the second until one is left. What is left over at an odd size is multiplied in
    /// at the end.
    #[track_caller]
    fn product_over(self, over: Over) -> Self {
        let size = |x: Self| if over.rows { x.rows() } else { x.cols() };
        let part = |x: Self, at, n| if over.rows { x.row_range(at, n) } else { x.column_range(at, n) };
        if size(self) == 0 {
            return self.tape.filled(over.shape(self.shape()), T::one());
        }
        let (mut x, mut rest) = (self, None);
        loop {
            let n = size(x);
            if n % 2 == 1 {
                let last = part(x, n - 1, 1);
                rest = Some(rest.map_or(last, |r: Self| r.hadamard(last)));
            }
            match n / 2 {
                0 => return rest.expect("one entry is left"),
                h => x = part(x, 0, h).hadamard(part(x, h, h)),
            }
        }
    }
}
