//! Moves of entries with names of their own: blocks by ranges, rows, columns, shifts, turns, stacks. And partial sums
//! along an axis.

use crate::ops::Op;
use crate::ops::cumsum::CumSum;
use crate::ops::layout::{Embed, Slice};
use crate::var::Operand;
use crate::{Axis, Scalar, Shape, Var};
use std::ops::{Bound, Range, RangeBounds};

/// A range of indices below `size`, or a panic that names the method.
#[track_caller]
fn range(method: &str, what: &str, r: &impl RangeBounds<usize>, size: usize) -> Range<usize> {
    let start = match r.start_bound() {
        Bound::Included(&i) => i,
        Bound::Excluded(&i) => i + 1,
        Bound::Unbounded => 0,
    };
    let end = match r.end_bound() {
        Bound::Included(&i) => i + 1,
        Bound::Excluded(&i) => i,
        Bound::Unbounded => size,
    };
    assert!(start <= end && end <= size, "{method}: expected a range of {what} within 0..{size}, got {start}..{end}");
    start..end
}

impl<'t, T: Scalar> Var<'t, T> {
    /// The rows and columns in the given ranges, of each member: `x.block(1..3, ..)`.
    ///
    /// # Panics
    /// If a range does not lie inside.
    ///
    /// ```
    /// use pullback::prelude::*;
    /// use faer::mat;
    /// let x = mat![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]];
    /// assert_eq!(pullback::value(func(|x| x.block(1.., ..=1)), &x).unwrap().into_mat(), mat![[4.0, 5.0]]);
    /// ```
    #[doc(alias = "narrow")]
    #[doc(alias = "submatrix")]
    #[track_caller]
    #[must_use]
    pub fn block(self, rows: impl RangeBounds<usize>, cols: impl RangeBounds<usize>) -> Self {
        let s = self.shape();
        let (r, c) = (range("block", "rows", &rows, s.rows), range("block", "columns", &cols, s.cols));
        self.slice(r.start, c.start, r.len(), c.len())
    }

    /// Row `i` of each member, as a row.
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    #[must_use]
    pub fn row(self, i: usize) -> Self {
        let s = self.shape();
        assert!(i < s.rows, "row: expected an index below {}, got {i}", s.rows);
        self.slice(i, 0, 1, s.cols)
    }

    /// Column `j` of each member, as a column.
    ///
    /// # Panics
    /// If there is none.
    #[doc(alias = "col")]
    #[track_caller]
    #[must_use]
    pub fn column(self, j: usize) -> Self {
        let s = self.shape();
        assert!(j < s.cols, "column: expected an index below {}, got {j}", s.cols);
        self.slice(0, j, s.rows, 1)
    }

    /// `u v^T` of two columns: entry `(i, j)` is `u_i v_j`.
    ///
    /// # Panics
    /// If one of them is not a column.
    #[doc(alias = "ger")]
    #[track_caller]
    #[must_use]
    pub fn outer(self, v: impl Operand<'t, T>) -> Self {
        let v = v.on(self.tape);
        let (x, y) = (self.shape(), v.shape());
        let fits = x.cols == 1 && y.cols == 1 && x.common_batch(y).is_some();
        assert!(fits, "outer: expected two columns, with batches that agree or are 1, got {x} and {y}");
        self.mul_t(v)
    }

    /// Values of one shape one after the other along an axis; `Axis::Batch` makes a batch of them.
    ///
    /// # Panics
    /// If the list is empty or the shapes differ. ([`Var::concat`] joins values of different sizes.)
    ///
    /// ```
    /// use pullback::{Axis, Shape, Tape, Var};
    /// let tape = Tape::new();
    /// let x = [1.0, 2.0, 3.0].map(|c: f64| tape.filled(Shape::mat(2, 1), c));
    /// assert_eq!(Var::stack(&x, Axis::Batch).shape(), Shape::batch(3, 2, 1));
    /// assert_eq!(Var::stack(&x, Axis::Cols).shape(), Shape::mat(2, 3));
    /// ```
    #[doc(alias = "hstack")]
    #[doc(alias = "vstack")]
    #[track_caller]
    #[must_use]
    pub fn stack(parts: &[Self], axis: Axis) -> Self {
        assert!(!parts.is_empty(), "stack: expected at least one value, got an empty list");
        let shapes: Vec<Shape> = parts.iter().map(Var::shape).collect();
        assert!(shapes.iter().all(|s| *s == shapes[0]), "stack: expected values of one shape, got {shapes:?}");
        Self::concat(parts, axis)
    }

    /// How many there are along an axis.
    #[track_caller]
    fn size(self, axis: Axis) -> usize {
        let s = self.shape();
        match axis {
            Axis::Batch => s.batch,
            Axis::Rows => s.rows,
            Axis::Cols => s.cols,
        }
    }

    /// The entries in reverse order along an axis.
    #[doc(alias = "reverse")]
    #[track_caller]
    #[must_use]
    pub fn flip(self, axis: Axis) -> Self {
        self.gather(axis, &(0..self.size(axis)).rev().collect::<Vec<_>>())
    }

    /// The entries moved by `by` places along an axis, those that leave at one end entering at the other: number `i`
    /// comes to number `i + by`, modulo the size.
    #[doc(alias = "circshift")]
    #[track_caller]
    #[must_use]
    pub fn roll(self, axis: Axis, by: isize) -> Self {
        let n = self.size(axis);
        let back = by.checked_rem_euclid(n as isize).map_or(0, |k| n - k as usize);
        self.gather(axis, &(0..n).map(|i| (i + back) % n).collect::<Vec<_>>())
    }

    /// The entries moved by `by` places along an axis, with zeros where nothing comes from: number `i` comes to
    /// number `i + by`.
    ///
    /// ```
    /// use pullback::{Axis, prelude::*};
    /// use faer::mat;
    /// let x = mat![[1.0], [2.0], [3.0]];
    /// let down = pullback::value(func(|x| x.shift(Axis::Rows, 1)), &x).unwrap();
    /// assert_eq!(down.into_mat(), mat![[0.0], [1.0], [2.0]]);
    /// let round = pullback::value(func(|x| x.roll(Axis::Rows, -1)), &x).unwrap();
    /// assert_eq!(round.into_mat(), mat![[2.0], [3.0], [1.0]]);
    /// ```
    #[track_caller]
    #[must_use]
    pub fn shift(self, axis: Axis, by: isize) -> Self {
        let (s, n) = (self.shape(), self.size(axis));
        let k = by.unsigned_abs().min(n);
        let (from, to) = if by < 0 { (k, 0) } else { (0, k) };
        let (at, shape): (fn(usize) -> (usize, usize, usize), _) = match axis {
            Axis::Batch => (|i| (i, 0, 0), Shape { batch: n - k, ..s }),
            Axis::Rows => (|i| (0, i, 0), Shape { rows: n - k, ..s }),
            Axis::Cols => (|i| (0, 0, i), Shape { cols: n - k, ..s }),
        };
        let part = self.tape.push_one(Op::Slice(Slice { at: at(from), shape }), &[&self]);
        self.tape.push_one(Op::Embed(Embed { at: at(to), shape: s }), &[&part])
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
