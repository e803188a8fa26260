//! Norms with a choice at 0, inner products of rows and columns, distances between points.

use crate::ops::Op;
use crate::ops::entries::select::{Keep, Select};
use crate::ops::reductions::distance::Distances;
use crate::ops::reductions::dot::Dot;
use crate::ops::reductions::reduce::{Norm, Over};
use crate::{Axis, Operand, Scalar, Shape, Var};

/// What the derivative of a norm is at 0, where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AtZero {
    /// The error `NotDifferentiable`.
    Error,
    /// 0, which is the subgradient of least norm. Derivatives of higher order are 0 there too.
    Zero,
}

/// # Reductions: norms with a choice at 0, distances
/// Inner products of rows and columns, too.
impl<'t, T: Scalar> Var<'t, T> {
    /// The Frobenius norm of each member, with a choice of the derivative at 0.
    ///
    /// [`AtZero::Zero`] makes the derivatives of every order 0 at 0, in every mode; elsewhere it changes nothing.
    /// Cost: with [`AtZero::Zero`] twice that of [`Var::norm`].
    ///
    /// ```
    /// use pullback::{AtZero, prelude::*};
    /// use faer::mat;
    /// let zero = mat![[0.0], [0.0]];
    /// assert!(grad(func(|x| x.norm()), &zero).is_err());
    /// assert_eq!(grad(func(|x| x.norm_with(AtZero::Zero)), &zero).unwrap(), zero);
    /// ```
    #[track_caller]
    #[must_use]
    pub fn norm_with(self, at_zero: AtZero) -> Self {
        self.norm_over(Over::ALL, at_zero)
    }

    /// [`Var::row_norms`], with a choice of the derivative at a zero row. See [`Var::norm_with`].
    #[track_caller]
    #[must_use]
    pub fn row_norms_with(self, at_zero: AtZero) -> Self {
        self.norm_over(Over::COLS, at_zero)
    }

    /// [`Var::column_norms`], with a choice of the derivative at a zero column. See [`Var::norm_with`].
    #[track_caller]
    #[must_use]
    pub fn column_norms_with(self, at_zero: AtZero) -> Self {
        self.norm_over(Over::ROWS, at_zero)
    }

    /// With the choice 0: ones stand for entries whose norm is 0, and the norm of these ones is then replaced by the
    /// constant 0.
    #[track_caller]
    fn norm_over(self, over: Over, at_zero: AtZero) -> Self {
        let norm = |x: Self| self.tape.push_one(Op::Norm(Norm { over }), &[&x]);
        if at_zero == AtZero::Error {
            return norm(self);
        }
        let shape = self.shape();
        if shape.is_empty() {
            return self.tape.filled(over.shape(shape), T::zero());
        }
        let size = norm(self.stop_gradient());
        let one = self.tape.filled(Shape::SCALAR, T::one()).broadcast_to(shape);
        let safe = self.tape.push_one(Op::Select(Select), &[&size.broadcast_to(shape), &self, &one]);
        self.tape.push_one(Op::Keep(Keep { taken: true }), &[&size, &norm(safe)])
    }

    #[track_caller]
    fn inner_products(self, method: &str, b: Self, over: Over) -> Self {
        let (x, y) = (self.shape(), b.shape());
        let fits = (x.rows, x.cols) == (y.rows, y.cols) && x.common_batch(y).is_some();
        assert!(fits, "{method}: expected equal shapes, with batches that agree or are 1, got {x} and {y}");
        self.op2(Op::Dot(Dot { over }), b)
    }

    /// The inner products of the rows of `self` with those of `b`, as a column. Cost: two passes.
    ///
    /// # Panics
    /// If the shapes differ.
    ///
    /// ```
    /// use pullback::prelude::*;
    /// use faer::mat;
    /// let x = mat![[1.0, 2.0], [3.0, 4.0]];
    /// assert_eq!(pullback::value(func(|x| x.row_dots(x)), &x).unwrap().into_mat(), mat![[5.0], [25.0]]);
    /// assert_eq!(pullback::value(func(|x| x.column_dots(x)), &x).unwrap().into_mat(), mat![[10.0, 20.0]]);
    /// ```
    #[doc(alias = "vecdot")]
    #[track_caller]
    #[must_use]
    pub fn row_dots(self, b: impl Operand<'t, T>) -> Self {
        self.inner_products("row_dots", b.on(self.tape), Over::COLS)
    }

    /// The inner products of the columns of `self` with those of `b`, as a row, without an array of the products. Cost:
    /// one pass.
    ///
    /// # Panics
    /// If the shapes differ.
    #[doc(alias = "vecdot")]
    #[track_caller]
    #[must_use]
    pub fn column_dots(self, b: impl Operand<'t, T>) -> Self {
        self.inner_products("column_dots", b.on(self.tape), Over::ROWS)
    }

    /// The squared distances between all rows (or columns) of `self` and all of `b`: entry `(i, j)` is `|a_i - b_j|²`.
    ///
    /// By differences: never negative, exactly 0 at equal points, symmetric to the last bit for `b = self`, and
    /// accurate for near points. Smooth everywhere, to every order. Cost: `m n d` multiplications for `m` and `n`
    /// points of `d` coordinates; columns are transposed first.
    ///
    /// # Panics
    /// If the points have different numbers of coordinates, or the axis is that of the batch.
    ///
    /// ```
    /// use pullback::{Axis, prelude::*};
    /// use faer::mat;
    /// let x = mat![[0.0, 0.0], [3.0, 4.0]];
    /// let d = pullback::value(func(|x| x.pairwise_dist2(x, Axis::Rows)), &x).unwrap();
    /// assert_eq!(d.into_mat(), mat![[0.0, 25.0], [25.0, 0.0]]);
    /// ```
    #[doc(alias = "cdist")]
    #[doc(alias = "pdist")]
    #[track_caller]
    #[must_use]
    pub fn pairwise_dist2(self, b: impl Operand<'t, T>, axis: Axis) -> Self {
        let b = b.on(self.tape);
        let (x, y) = (self.shape(), b.shape());
        let agree = match axis {
            Axis::Rows => x.cols == y.cols,
            Axis::Cols => x.rows == y.rows,
            Axis::Batch => panic!("pairwise_dist2: expected the axis Rows or Cols, got Batch"),
        };
        let fits = agree && x.common_batch(y).is_some();
        assert!(
            fits,
            "pairwise_dist2: expected as many coordinates, with batches that agree or are 1, got {x} and {y}"
        );
        let (a, b) = if axis == Axis::Rows { (self, b) } else { (self.t(), b.t()) };
        self.tape.push_one(Op::Distances(Distances), &[&a, &b])
    }
}
