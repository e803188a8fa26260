//! The one value users see, and every operation on it. Each is a line: what it computes is a primitive of the registry.

use crate::batch::Batch;
use crate::custom::CustomFn;
use crate::error::Place;
use crate::ops::{self, Op, layout::Axis, part::Part};
use crate::tape::Tape;
use crate::value::{Outs, Product, Value};
use crate::{Result, Scalar, Shape};
use pullback_kernels::{Triangle, Unary, Uplo};
use std::fmt;

/// A batch of matrices on a tape: a `Copy` handle.
///
/// `*` is the matrix product, and scales where a factor is a number or `1x1`; `/` divides by a number or `1x1`; `+` and
/// `-` broadcast. Captured faer matrices, columns and rows and [`Batch`]es become constants where they meet a `Var`.
/// Shapes that do not fit panic at the caller's line; facts about data (singular, not positive definite, ...) poison
/// the value, and the driver returns them as one `Err`.
pub struct Var<'t, T: Scalar = f64> {
    pub(crate) tape: &'t Tape<T>,
    pub(crate) id: u32,
    pub(crate) generation: u32,
}

impl<T: Scalar> Clone for Var<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T: Scalar> Copy for Var<'_, T> {}

impl<T: Scalar> fmt::Debug for Var<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Var #{} {:?}", self.id, self.tape.peek(self, |s, d| Batch::from_slice(s, d)))
    }
}

/// What can stand beside a [`Var`] in a formula: another one, or numbers, which become a constant.
///
/// Implemented for values, numbers, [`Batch`] and faer's matrices, columns, rows and views of them, all of the scalar
/// of the tape.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot stand beside a value of a tape of `{T}`",
    note = "expected a `Var`, a number, a `Batch` or a matrix, column or row of faer with entries of type `{T}`"
)]
pub trait Operand<'t, T: Scalar>: Sealed {
    /// The value on the tape.
    fn on(self, tape: &'t Tape<T>) -> Var<'t, T>;
}

/// Keeps the list of operands to this crate's, so that it can grow.
pub trait Sealed {}

impl<T: Scalar> Sealed for Var<'_, T> {}

impl<'t, T: Scalar> Operand<'t, T> for Var<'t, T> {
    fn on(self, _: &'t Tape<T>) -> Var<'t, T> {
        self
    }
}

macro_rules! entrywise {
    ($($(#[$doc:meta])* $name:ident => $f:expr;)*) => {$(
        $(#[$doc])*
        #[track_caller]
        #[must_use]
        pub fn $name(self) -> Self {
            let _said = self.tape.saying(&stringify!($name));
            self.op1(Op::Unary(ops::unary::UnaryFn($f)))
        }
    )*};
}

impl<'t, T: Scalar> Var<'t, T> {
    #[track_caller]
    pub(crate) fn op1(self, op: Op<T>) -> Self {
        self.tape.push_one(op, &[&self])
    }

    #[track_caller]
    pub(crate) fn op2(self, op: Op<T>, b: Self) -> Self {
        self.tape.push_one(op, &[&self, &b])
    }

    /// The tape it lives on.
    pub fn tape(&self) -> &'t Tape<T> {
        self.tape
    }

    /// Its shape.
    #[track_caller]
    pub fn shape(&self) -> Shape {
        self.tape.shape_of(self)
    }

    /// Rows of each matrix.
    #[track_caller]
    pub fn rows(&self) -> usize {
        self.shape().rows
    }

    /// Columns of each matrix.
    #[track_caller]
    pub fn cols(&self) -> usize {
        self.shape().cols
    }

    /// The numbers. A recorded program that reads and goes on cannot be replayed.
    #[doc(alias("numpy", "detach"))]
    #[track_caller]
    pub fn value(&self) -> Batch<T> {
        self.tape.read(self, |s, d| Batch::from_slice(s, d))
    }

    /// The number of a `1x1` value; NaN if it is poisoned.
    ///
    /// # Panics
    /// If it is not a single number.
    #[doc(alias = "item")]
    #[track_caller]
    pub fn scalar(&self) -> T {
        let s = self.shape();
        assert!(s == Shape::SCALAR, "scalar: expected a single number, got {s}; reduce it first");
        self.tape.read(self, |_, d| d[0])
    }

    /// The tangent that it carries; zeros if none.
    #[track_caller]
    pub fn tangent(&self) -> Batch<T> {
        self.tape.tangent_of(self)
    }

    /// Has something it depends on failed? (`tape.check()` says what.) A recorded program that asks and goes on cannot
    /// be replayed.
    #[track_caller]
    pub fn is_poisoned(&self) -> bool {
        self.tape.note_read();
        self.tape.is_poisoned(self)
    }

    // ---- entries -----------------------------------------------------------------------------------------------

    #[track_caller]
    pub(crate) fn scaled(self, alpha: f64) -> Self {
        self.op1(Op::Scale(ops::arithmetic::Scale { alpha }))
    }

    #[track_caller]
    pub(crate) fn shifted(self, c: f64) -> Self {
        self.op1(Op::Shift(ops::arithmetic::Shift { c }))
    }

    /// `A o B`, entry by entry, with broadcasting.
    ///
    /// ```
    /// use pullback::{prelude::*, value};
    /// let y = value(|x| x.hadamard(x), &faer::mat![[1.0, 2.0], [3.0, 4.0]])?;   // `x * x` in NumPy
    /// assert_eq!(y.into_mat(), faer::mat![[1.0, 4.0], [9.0, 16.0]]);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    #[doc(alias("multiply", "mul", "component_mul"))]
    #[track_caller]
    #[must_use]
    pub fn hadamard(self, b: impl Operand<'t, T>) -> Self {
        self.op2(Op::Hadamard(ops::arithmetic::Hadamard), b.on(self.tape))
    }

    /// `A / B`, entry by entry, with broadcasting. Follows IEEE where `B` is zero.
    #[doc(alias("divide", "div", "component_div"))]
    #[track_caller]
    #[must_use]
    pub fn elem_div(self, b: impl Operand<'t, T>) -> Self {
        self.op2(Op::Divide(ops::arithmetic::Divide), b.on(self.tape))
    }

    /// `alpha A + beta B`.
    #[doc(alias = "axpy")]
    #[track_caller]
    #[must_use]
    pub fn lincomb(self, alpha: f64, b: impl Operand<'t, T>, beta: f64) -> Self {
        let _said = self.tape.saying(&"lincomb");
        self.op2(Op::LinComb(ops::arithmetic::LinComb { alpha, beta }), b.on(self.tape))
    }

    entrywise! {
        /// `exp`, entry by entry.
        exp => Unary::Exp;
        /// Natural logarithm, entry by entry.
        #[doc(alias = "log")]
        ln => Unary::Ln;
        /// Square root, entry by entry.
        sqrt => Unary::Sqrt;
        /// `1/x`, entry by entry.
        #[doc(alias = "reciprocal")]
        recip => Unary::Recip;
        /// Hyperbolic tangent, entry by entry.
        tanh => Unary::Tanh;
        /// `1/(1 + exp(-x))`, entry by entry, without overflow.
        #[doc(alias = "expit")]
        sigmoid => Unary::Sigmoid;
        /// `max(x, 0)`, entry by entry; its derivative at 0 is 0.
        relu => Unary::Relu;
        /// `ln(1 + exp(x))`, entry by entry, without overflow.
        softplus => Unary::Softplus;
        /// Sine, entry by entry.
        sin => Unary::Sin;
        /// Cosine, entry by entry.
        cos => Unary::Cos;
        /// Modulus, entry by entry; its derivative at 0 is 0.
        abs => Unary::Abs;
    }

    /// `x^p`, entry by entry.
    #[doc(alias("pow", "power"))]
    #[track_caller]
    #[must_use]
    pub fn powf(self, p: f64) -> Self {
        let _said = self.tape.saying(&"powf");
        self.op1(Op::Unary(ops::unary::UnaryFn(Unary::Pow(p))))
    }

    #[track_caller]
    fn extremum(self, b: Self, max: bool) -> Self {
        let (name, x, y) = (if max { "max" } else { "min" }, self.shape(), b.shape());
        let Some(shape) = x.broadcast(y) else {
            panic!("{name}: expected sizes that agree, or are 1, in batch, rows and columns, got {x} and {y}")
        };
        self.broadcast_to(shape).op2(Op::Extremum(ops::extremum::Extremum { max }), b.broadcast_to(shape))
    }

    /// The larger, entry by entry, with broadcasting. A tie halves the derivative.
    #[doc(alias = "maximum")]
    #[track_caller]
    #[must_use]
    pub fn max(self, b: impl Operand<'t, T>) -> Self {
        self.extremum(b.on(self.tape), true)
    }

    /// The smaller, entry by entry, with broadcasting. A tie halves the derivative.
    #[doc(alias = "minimum")]
    #[track_caller]
    #[must_use]
    pub fn min(self, b: impl Operand<'t, T>) -> Self {
        self.extremum(b.on(self.tape), false)
    }

    // ---- sums ----------------------------------------------------------------------------------------------------

    /// Sums over every axis where `shape` has size 1.
    #[doc(alias = "sum_to_size")]
    #[track_caller]
    #[must_use]
    pub fn sum_to(self, shape: Shape) -> Self {
        if self.shape() == shape { self } else { self.op1(Op::SumTo(ops::reduce::SumTo { shape })) }
    }

    /// Repeats along every axis of size 1.
    #[doc(alias("expand", "repeat"))]
    #[track_caller]
    #[must_use]
    pub fn broadcast_to(self, shape: Shape) -> Self {
        if self.shape() == shape { self } else { self.op1(Op::BroadcastTo(ops::reduce::BroadcastTo { shape })) }
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
        self.op2(Op::Dot(ops::reduce::Dot), b.on(self.tape))
    }

    /// The Frobenius norm of each member. Not differentiable at 0: `x.dot(x)` is.
    #[doc(alias("linalg.norm", "frobenius"))]
    #[track_caller]
    #[must_use]
    pub fn norm(self) -> Self {
        self.op1(Op::Norm(ops::reduce::Norm { over: ops::reduce::Over::ALL }))
    }

    // ---- layout ---------------------------------------------------------------------------------------------------

    /// The transpose.
    #[doc(alias("transpose", "mT"))]
    #[track_caller]
    #[must_use]
    pub fn t(self) -> Self {
        self.op1(Op::Transpose(ops::layout::Transpose))
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
        self.op1(Op::Reshape(ops::layout::Reshape { shape }))
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
        self.op1(Op::Slice(ops::layout::Slice { at: (0, row, col), shape }))
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
        self.op1(Op::Slice(ops::layout::Slice { at: (b, 0, 0), shape }))
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
        parts[0].tape.push_one(Op::Concat(ops::layout::Concat { axis }), &parts.iter().collect::<Vec<_>>())
    }

    /// Rows, columns or members `index[0], index[1], ...`; repetition is allowed.
    #[doc(alias("take", "index_select", "select_rows"))]
    #[track_caller]
    #[must_use]
    pub fn gather(self, axis: Axis, index: &[usize]) -> Self {
        self.op1(Op::Gather(ops::layout::Gather { axis, index: index.into() }))
    }

    /// The diagonal as a column.
    #[doc(alias = "diagonal")]
    #[track_caller]
    #[must_use]
    pub fn diag(self) -> Self {
        self.op1(Op::Diag(ops::layout::Diag))
    }

    /// A column as a diagonal matrix.
    #[doc(alias("from_diagonal", "diag_embed", "diagflat"))]
    #[track_caller]
    #[must_use]
    pub fn to_diag(self) -> Self {
        let n = self.shape().rows;
        self.op1(Op::FromDiag(ops::layout::FromDiag { rows: n, cols: n }))
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

    // ---- products -------------------------------------------------------------------------------------------------

    /// The matrix product `A B`, of `1x1` matrices too (`*` scales by those).
    #[doc(alias("dot", "@", "mm", "bmm"))]
    #[track_caller]
    #[must_use]
    pub fn matmul(self, b: impl Operand<'t, T>) -> Self {
        self.op2(Op::Mul(ops::product::Mul(Product::NN)), b.on(self.tape))
    }

    /// `A^T B`.
    ///
    /// ```
    /// use pullback::{prelude::*, value};
    /// let a = faer::mat![[1.0, 2.0], [3.0, 4.0]];
    /// assert_eq!(value(|x| x.t_mul(&a), &a)?.into_mat(), a.transpose() * &a);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    #[doc(alias = "tr_mul")]
    #[track_caller]
    #[must_use]
    pub fn t_mul(self, b: impl Operand<'t, T>) -> Self {
        let _said = self.tape.saying(&"t_mul");
        self.op2(Op::Mul(ops::product::Mul(Product::TN)), b.on(self.tape))
    }

    /// `A B^T`.
    #[track_caller]
    #[must_use]
    pub fn mul_t(self, b: impl Operand<'t, T>) -> Self {
        let _said = self.tape.saying(&"mul_t");
        self.op2(Op::Mul(ops::product::Mul(Product::NT)), b.on(self.tape))
    }

    /// `A^T B^T`.
    #[track_caller]
    #[must_use]
    pub fn t_mul_t(self, b: impl Operand<'t, T>) -> Self {
        let _said = self.tape.saying(&"t_mul_t");
        self.op2(Op::Mul(ops::product::Mul(Product::new(1.0, true, true))), b.on(self.tape))
    }

    /// `self + alpha A B` in one operation.
    #[doc(alias("addmm", "gemm", "baddbmm"))]
    #[track_caller]
    #[must_use]
    pub fn add_mul(self, alpha: f64, a: impl Operand<'t, T>, b: impl Operand<'t, T>) -> Self {
        let (a, b) = (a.on(self.tape), b.on(self.tape));
        self.tape.push_one(Op::MulAdd(ops::product::MulAdd(Product::new(alpha, false, false))), &[&self, &a, &b])
    }

    // ---- solves and factorisations ---------------------------------------------------------------------------------

    /// `op(L)^{-1} B` with the lower or upper triangle of `self`, transposed on request. Poisons: a zero on the
    /// diagonal.
    ///
    /// ```
    /// use pullback::{prelude::*, value};
    /// let l = faer::mat![[2.0, 0.0], [1.0, 4.0]];
    /// let x = value(|l| l.solve_triangular(Uplo::Lower, &faer::mat![[2.0], [5.0]]), &l)?;
    /// assert_eq!(x.data(), [1.0, 1.0]);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    #[doc(alias("solve_lower_triangular", "solve_upper_triangular", "triangular_solve"))]
    #[track_caller]
    #[must_use]
    pub fn solve_triangular(self, uplo: Uplo, b: impl Operand<'t, T>) -> Self {
        self.solve_triangular_with(Triangle::of(uplo), b)
    }

    /// A triangular solve with every choice given: triangle, transpose, unit diagonal, side.
    #[track_caller]
    #[must_use]
    pub fn solve_triangular_with(self, how: Triangle, b: impl Operand<'t, T>) -> Self {
        self.op2(Op::Trsm(ops::trsm::Trsm(how)), b.on(self.tape))
    }

    /// An LU factorisation to solve with more than once. Poisons: singular to working precision.
    #[doc(alias = "lu_factor")]
    #[track_caller]
    #[must_use]
    pub fn lu(self) -> Lu<'t, T> {
        Lu { a: self, handle: self.op1(Op::Lu(ops::lu::Lu)) }
    }

    /// `A^{-1} B`. Poisons: singular to working precision.
    ///
    /// ```
    /// use pullback::prelude::*;
    /// // d/dA sum(A^{-1} b) = -A^{-T} 1 x^T
    /// let (a, b) = (faer::mat![[2.0, 0.0], [0.0, 4.0]], faer::mat![[2.0], [4.0]]);
    /// let g = grad(|a| a.solve(&b).sum(), &a)?;
    /// assert_eq!(g, faer::mat![[-0.5, -0.5], [-0.25, -0.25]]);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    #[doc(alias = "linalg.solve")]
    #[track_caller]
    #[must_use]
    pub fn solve(self, b: impl Operand<'t, T>) -> Self {
        let _said = self.tape.saying(&"solve");
        self.lu().solve(b)
    }

    /// `A^{-1}`. Poisons: singular to working precision.
    #[doc(alias("inv", "try_inverse"))]
    #[track_caller]
    #[must_use]
    pub fn inverse(self) -> Self {
        let _said = self.tape.saying(&"inverse");
        self.lu().inverse()
    }

    /// `log |det A|`. Poisons: singular to working precision.
    #[doc(alias("slogdet", "log_det"))]
    #[track_caller]
    #[must_use]
    pub fn logdet(self) -> Self {
        let _said = self.tape.saying(&"logdet");
        self.lu().logdet()
    }

    /// The lower Cholesky factor of `(A + A^T)/2`. Poisons: not positive definite.
    ///
    /// ```
    /// use pullback::{prelude::*, value};
    /// let l = value(|a| a.cholesky(), &faer::mat![[4.0, 2.0], [2.0, 10.0]])?;
    /// assert_eq!(l.into_mat(), faer::mat![[2.0, 0.0], [1.0, 3.0]]);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    #[doc(alias = "llt")]
    #[track_caller]
    #[must_use]
    pub fn cholesky(self) -> Self {
        self.op1(Op::Cholesky(ops::cholesky::Cholesky))
    }

    /// [`Var::cholesky`] for programs that have another way when it fails.
    ///
    /// # Errors
    /// The failure, which is then forgotten by the tape.
    #[track_caller]
    pub fn try_cholesky(self) -> Result<Self> {
        let clean = !self.tape.store.has_failed();
        let y = self.cholesky();
        self.tape.settle(clean, y).map(|()| y)
    }

    /// [`Var::solve`] for programs that have another way when it fails.
    ///
    /// # Errors
    /// The failure, which is then forgotten by the tape.
    #[track_caller]
    pub fn try_solve(self, b: impl Operand<'t, T>) -> Result<Self> {
        let clean = !self.tape.store.has_failed();
        let y = self.solve(b);
        self.tape.settle(clean, y).map(|()| y)
    }

    // ---- derivatives' control ---------------------------------------------------------------------------------------

    /// The same numbers, through which no derivative passes.
    ///
    /// ```
    /// use pullback::prelude::*;
    /// assert_eq!(grad(|x: Var| x * x.stop_gradient(), &3.0)?, 3.0);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    #[doc(alias("detach", "no_grad"))]
    #[track_caller]
    #[must_use]
    pub fn stop_gradient(self) -> Self {
        self.op1(Op::StopGradient(ops::guard::StopGradient))
    }

    /// The same numbers in the members where all entries of `condition` are positive; elsewhere the failure
    /// [`OutsideDomain`](crate::Failure::OutsideDomain), which says `what` must hold.
    ///
    /// A program may not branch on numbers, so this is how a function of one's own says that it has no value somewhere:
    /// the verdict is part of the program and is given anew at replay. Derivatives pass through to `self`; `condition`
    /// is only looked at.
    ///
    /// ```
    /// use pullback::prelude::*;
    /// let height = func(|x: Var| (1.0 - x * x).where_positive(1.0 - x * x, "|x| < 1").sqrt());
    /// assert_eq!(grad(height, &0.6)?, -0.75);
    /// assert!(grad(height, &2.0).unwrap_err().to_string().contains("outside the domain: |x| < 1"));
    /// # Ok::<(), pullback::Error>(())
    /// ```
    ///
    /// # Panics
    /// If the batches differ and neither is one.
    #[track_caller]
    #[must_use]
    pub fn where_positive(self, condition: Self, what: &'static str) -> Self {
        let (x, c) = (self.shape(), condition.shape());
        if x.batch == 1 && c.batch > 1 {
            // One value for members that are judged apart.
            let members = self.tape.filled(Shape::batch(c.batch, 1, 1), T::zero());
            return (self + members).where_positive(condition, what);
        }
        self.tape.push_one(Op::Positive(ops::guard::Positive { what }), &[&self, &condition])
    }

    #[track_caller]
    pub(crate) fn alias(self) -> Self {
        self.op1(Op::Alias(ops::guard::Alias))
    }
}

/// `A` with its LU factorisation: solves, inverse and determinant from one factorisation, to any order of derivative.
#[derive(Debug, Clone, Copy)]
pub struct Lu<'t, T: Scalar = f64> {
    a: Var<'t, T>,
    pub(crate) handle: Var<'t, T>,
}

impl<'t, T: Scalar> Lu<'t, T> {
    /// `A^{-1} B`.
    #[track_caller]
    #[must_use]
    pub fn solve(self, b: impl Operand<'t, T>) -> Var<'t, T> {
        let b = b.on(self.a.tape);
        self.a.tape.push_one(Op::LuSolve(ops::lu::LuSolve { transpose: false }), &[&self.a, &self.handle, &b])
    }

    /// `A^{-T} B`.
    #[track_caller]
    #[must_use]
    pub fn solve_transpose(self, b: impl Operand<'t, T>) -> Var<'t, T> {
        let _said = self.a.tape.saying(&"solve_transpose");
        let b = b.on(self.a.tape);
        self.a.tape.push_one(Op::LuSolve(ops::lu::LuSolve { transpose: true }), &[&self.a, &self.handle, &b])
    }

    /// `A^{-1}`.
    #[track_caller]
    #[must_use]
    pub fn inverse(self) -> Var<'t, T> {
        self.a.op2(Op::LuInverse(ops::lu::LuInverse), self.handle)
    }

    /// `log |det A|`.
    #[track_caller]
    #[must_use]
    pub fn logdet(self) -> Var<'t, T> {
        self.a.op2(Op::LuLogdet(ops::lu::LuLogdet), self.handle)
    }
}

impl<'t, T: Scalar> Value for Var<'t, T> {
    type T = T;
    type Slot = (u32, u32);
    type Cx = &'t Tape<T>;

    fn shape(&self) -> Shape {
        self.tape.shape_of(self)
    }

    fn cx(&self) -> &'t Tape<T> {
        self.tape
    }

    fn apply(op: Op<T>, x: &[&Self]) -> Outs<Self> {
        let tape = x[0].tape;
        let first = tape.push(op, x);
        let n = tape.inner().vals.len() as u32;
        (first..n).map(|id| tape.handle(id)).collect()
    }

    fn park(self) -> (u32, u32) {
        (self.id, self.generation)
    }

    fn unpark(tape: &'t Tape<T>, (id, generation): (u32, u32), _: Shape) -> Self {
        Var { tape, id, generation }
    }

    fn add_to(slot: &mut Option<(u32, u32)>, v: Self) {
        *slot = Some(match *slot {
            None => v.park(),
            Some(s) => Value::add(&Var::unpark(v.tape, s, Shape::SCALAR), &v).park(),
        });
    }

    fn add_product_to(slot: &mut Option<(u32, u32)>, shape: Shape, m: Product, a: &Self, b: &Self) {
        let whole = m.shape(Value::shape(a), Value::shape(b)) == Some(shape);
        *slot = Some(match *slot {
            Some(s) if whole => Var::unpark(a.tape, s, shape).plus_product(m, a, b).park(),
            Some(s) => Value::add(&Var::unpark(a.tape, s, shape), &Var::sum_to(Value::product(m, a, b), shape)).park(),
            None => Var::sum_to(Value::product(m, a, b), shape).park(),
        });
    }

    fn at(tape: &'t Tape<T>, line: Option<Place>) -> Option<Place> {
        tape.rule_line.replace(line)
    }

    fn call(f: &CustomFn<'_, T>, x: &[&Self]) -> Outs<Option<Self>> {
        crate::custom::call_recorded(f, x)
    }

    fn literal(tape: &'t Tape<T>, shape: Shape, data: &[T]) -> Self {
        tape.constant(&Batch::from_slice(shape, data))
    }

    fn filled(tape: &'t Tape<T>, shape: Shape, x: f64) -> Self {
        tape.filled(shape, T::of(x))
    }
}
