//! The shape of a value, and how two shapes broadcast. Nothing here knows about numbers.

use std::fmt;

/// A batch of matrices of one size. A scalar is `1 x 1`, a vector `n x 1`, both in a batch of one.
///
/// Storage is column-major, the matrices of a batch one after the other.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    /// How many matrices.
    pub batch: usize,
    /// Rows of each.
    pub rows: usize,
    /// Columns of each.
    pub cols: usize,
}

impl Shape {
    /// One `rows x cols` matrix.
    pub const fn mat(rows: usize, cols: usize) -> Self {
        Shape { batch: 1, rows, cols }
    }

    /// A number.
    pub const SCALAR: Shape = Shape::mat(1, 1);

    /// `batch` matrices of `rows x cols`.
    pub const fn batch(batch: usize, rows: usize, cols: usize) -> Self {
        Shape { batch, rows, cols }
    }

    /// Number of entries of one matrix.
    pub const fn each(&self) -> usize {
        self.rows * self.cols
    }

    /// Number of entries in all.
    pub const fn len(&self) -> usize {
        self.batch * self.rows * self.cols
    }

    /// Is there no entry at all?
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Is each matrix a single number?
    pub const fn is_scalar(&self) -> bool {
        self.rows == 1 && self.cols == 1
    }

    pub(crate) const fn t(self) -> Self {
        Shape { batch: self.batch, rows: self.cols, cols: self.rows }
    }

    pub(crate) const fn with(self, rows: usize, cols: usize) -> Self {
        Shape { batch: self.batch, rows, cols }
    }

    /// The shape that both broadcast to: sizes agree, or one of them is 1.
    pub(crate) fn broadcast(self, o: Shape) -> Option<Shape> {
        Some(Shape { batch: fit(self.batch, o.batch)?, rows: fit(self.rows, o.rows)?, cols: fit(self.cols, o.cols)? })
    }

    /// The batch that both broadcast to.
    pub(crate) fn common_batch(self, o: Shape) -> Option<usize> {
        fit(self.batch, o.batch)
    }

    /// Where matrix `b` of a batch starts; a batch of one serves every `b`.
    pub(crate) fn offset(&self, b: usize) -> usize {
        if self.batch == 1 { 0 } else { b * self.each() }
    }
}

fn fit(a: usize, b: usize) -> Option<usize> {
    match (a, b) {
        _ if a == b => Some(a),
        (1, n) | (n, 1) => Some(n),
        _ => None,
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.batch == 1 {
            write!(f, "{}x{}", self.rows, self.cols)
        } else {
            write!(f, "{} of {}x{}", self.batch, self.rows, self.cols)
        }
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
