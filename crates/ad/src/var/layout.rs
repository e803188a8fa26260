//! Layout: transposes, reshapes, blocks, rows and columns, shifts, turns, stacks, triangles and diagonals.

use crate::ops::layout::gather::Scatter;
use crate::ops::layout::part::Part;
use crate::ops::layout::translate::Translate;
use crate::ops::{self, Op};
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

/// # Layout
/// Entries in another order, in part, or next to others.
impl<'t, T: Scalar> Var<'t, T> {
    /// The transpose.
    #[doc(alias("transpose", "mT"))]
    #[track_caller]
    #[must_use]
    pub fn t(self) -> Self {
        self.op1(Op::Transpose(ops::layout::moves::Transpose))
    }

    /// The same entries in column-major order, `rows x cols` each.
    #[doc(alias = "view")]
    #[track_caller]
    #[must_use]
    pub fn reshape(self, rows: usize, cols: usize) -> Self {
        let s = self.shape();
        self.reshape_batch(s.with(rows, cols))
    }

    /// The same entries in storage order under any shape.
    #[track_caller]
    #[must_use]
    pub fn reshape_batch(self, shape: Shape) -> Self {
        self.op1(Op::Reshape(ops::layout::moves::Reshape { shape }))
    }

    /// The block of `rows x cols` that starts at `(row, col)`, of each member.
    ///
    /// ```
    /// use pullback::{prelude::*, value};
    /// // What NumPy calls `x[0:2, 1:3]`.
    /// let y = value(|x| x.slice(0, 1, 2, 2), &faer::mat![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])?;
    /// assert_eq!(y.into_mat(), faer::mat![[2.0, 3.0], [5.0, 6.0]]);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    #[doc(alias("dynamic_slice", "submatrix"))]
    #[track_caller]
    #[must_use]
    pub fn slice(self, row: usize, col: usize, rows: usize, cols: usize) -> Self {
        let shape = self.shape().with(rows, cols);
        self.op1(Op::Slice(ops::layout::moves::Slice { at: (0, row, col), shape }))
    }

    /// Member `b` of the batch.
    #[doc(alias("index", "unbind"))]
    #[track_caller]
    #[must_use]
    pub fn member(self, b: usize) -> Self {
        let _said = self.tape.saying(&"member");
        let (s, n) = (self.shape(), self.shape().batch);
        assert!(b < n, "member: expected an index below {n}, of the batch {s}, got {b}");
        let shape = Shape { batch: 1, ..self.shape() };
        self.op1(Op::Slice(ops::layout::moves::Slice { at: (b, 0, 0), shape }))
    }

    /// Columns `j..j + n`.
    #[doc(alias("columns", "columns_range"))]
    #[track_caller]
    #[must_use]
    pub fn column_range(self, j: usize, n: usize) -> Self {
        let _said = self.tape.saying(&"column_range");
        self.slice(0, j, self.shape().rows, n)
    }

    /// Rows `i..i + n`.
    #[doc(alias = "rows")]
    #[track_caller]
    #[must_use]
    pub fn row_range(self, i: usize, n: usize) -> Self {
        let _said = self.tape.saying(&"row_range");
        self.slice(i, 0, n, self.shape().cols)
    }

    /// The values one after the other along an axis.
    ///
    /// # Panics
    /// If the list is empty or other sizes differ.
    #[doc(alias("concatenate", "cat", "vstack", "hstack", "stack"))]
    #[track_caller]
    #[must_use]
    pub fn concat(parts: &[Self], axis: Axis) -> Self {
        assert!(!parts.is_empty(), "concat: expected at least one value, got an empty list");
        parts[0].tape.push_one(Op::Concat(ops::layout::moves::Concat { axis }), &parts.iter().collect::<Vec<_>>())
    }

    /// Rows, columns or members `index[0], index[1], ...`; repetition is allowed.
    #[doc(alias("take", "index_select", "select_rows"))]
    #[track_caller]
    #[must_use]
    pub fn gather(self, axis: Axis, index: &[usize]) -> Self {
        self.op1(Op::Gather(ops::layout::gather::Gather { axis, index: index.into() }))
    }

    /// The diagonal as a column.
    #[doc(alias = "diagonal")]
    #[track_caller]
    #[must_use]
    pub fn diag(self) -> Self {
        self.op1(Op::Diag(ops::layout::moves::Diag))
    }

    /// A column as a diagonal matrix.
    #[doc(alias("from_diagonal", "diag_embed", "diagflat"))]
    #[track_caller]
    #[must_use]
    pub fn to_diag(self) -> Self {
        let n = self.shape().rows;
        self.op1(Op::FromDiag(ops::layout::moves::FromDiag { rows: n, cols: n }))
    }

    /// The lower triangle.
    #[doc(alias = "lower_triangle")]
    #[track_caller]
    #[must_use]
    pub fn tril(self) -> Self {
        self.op1(Op::Part(Part::Lower))
    }

    /// The upper triangle.
    #[doc(alias = "upper_triangle")]
    #[track_caller]
    #[must_use]
    pub fn triu(self) -> Self {
        self.op1(Op::Part(Part::Upper))
    }

    /// `(A + A^T)/2`.
    #[track_caller]
    #[must_use]
    pub fn sym(self) -> Self {
        self.op1(Op::Part(Part::Sym))
    }

    /// `(A - A^T)/2`.
    #[track_caller]
    #[must_use]
    pub fn skew(self) -> Self {
        self.op1(Op::Part(Part::Skew))
    }

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

    /// The entries in reverse order along an axis.
    #[doc(alias = "reverse")]
    #[track_caller]
    #[must_use]
    pub fn flip(self, axis: Axis) -> Self {
        self.gather(axis, &(0..axis.size(self.shape())).rev().collect::<Vec<_>>())
    }

    /// The entries moved by `by` places along an axis, those that leave at one end entering at the other: number `i`
    /// comes to number `i + by`, modulo the size.
    #[doc(alias = "circshift")]
    #[track_caller]
    #[must_use]
    pub fn roll(self, axis: Axis, by: isize) -> Self {
        let n = axis.size(self.shape());
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
        // Further than all of them is as far.
        let n = axis.size(self.shape()).cast_signed();
        self.tape.push_one(Op::Translate(Translate { axis, by: by.clamp(-n, n) }), &[&self])
    }

    /// The adjoint of [`Var::gather`]: row (column, member) `k` is added to row `index[k]` of zeros with `size` rows.
    #[doc(alias("index_add", "segment_sum"))]
    #[track_caller]
    #[must_use]
    pub fn scatter(self, axis: Axis, index: &[usize], size: usize) -> Self {
        self.tape.push_one(Op::Scatter(Scatter { axis, index: index.into(), size }), &[&self])
    }

    /// The columns of each member on top of each other.
    #[doc(alias("flatten", "ravel"))]
    #[track_caller]
    #[must_use]
    pub fn vec(self) -> Self {
        let s = self.shape();
        self.reshape(s.each(), 1)
    }
}
