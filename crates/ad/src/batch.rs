//! Numbers in and out of a tape: the owned [`Batch`], and what reads as one (faer matrices, numbers).

use crate::store::Buf;
use crate::{Scalar, Shape};
use faer::{Col, ColRef, Mat, MatRef, Row, RowRef};
use std::fmt;

/// Buffers of this many entries change places instead of being copied: below, a copy costs no more.
const WORTH_EXCHANGING: usize = 512;

/// A batch of dense matrices: column-major, one after the other.
///
/// A single matrix converts to and from [`faer::Mat`].
#[derive(Clone, PartialEq)]
pub struct Batch<T = f64> {
    shape: Shape,
    data: Vec<T>,
}

impl<T: Scalar> Batch<T> {
    /// All zeros.
    pub fn zeros(shape: Shape) -> Self {
        Batch { shape, data: vec![T::zero(); shape.len()] }
    }

    /// From `(member, row, column)`.
    pub fn from_fn(shape: Shape, mut f: impl FnMut(usize, usize, usize) -> T) -> Self {
        let mut data = Vec::with_capacity(shape.len());
        for b in 0..shape.batch {
            for j in 0..shape.cols {
                for i in 0..shape.rows {
                    data.push(f(b, i, j));
                }
            }
        }
        Batch { shape, data }
    }

    /// From entries in storage order.
    ///
    /// # Panics
    /// If the number of entries is not that of the shape.
    #[track_caller]
    pub fn from_slice(shape: Shape, data: &[T]) -> Self {
        assert_eq!(shape.len(), data.len(), "{shape} needs {} entries", shape.len());
        Batch { shape, data: data.to_vec() }
    }

    /// One matrix.
    pub fn of(m: &(impl MatLike<T> + ?Sized)) -> Self {
        let mut b = Batch::zeros(m.shape());
        m.write(&mut b.data);
        b
    }

    /// Several matrices of one shape.
    ///
    /// # Panics
    /// If there is none, or they differ in shape.
    #[track_caller]
    pub fn stack(members: &[Mat<T>]) -> Self {
        let shape = MatLike::<T>::shape(&members[0]);
        let mut data = vec![T::zero(); members.len() * shape.len()];
        for (m, d) in members.iter().zip(data.chunks_mut(shape.len().max(1))) {
            assert_eq!(MatLike::<T>::shape(m), shape, "members of a batch have one shape");
            m.write(d);
        }
        Batch { shape: Shape { batch: members.len(), ..shape }, data }
    }

    /// One matrix from its rows, as NumPy writes it.
    ///
    /// ```
    /// use pullback::Batch;
    /// let b = Batch::from_rows(&[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
    /// assert_eq!(b.data(), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    /// ```
    ///
    /// # Panics
    /// If the rows differ in length.
    #[doc(alias("array", "tensor", "from_row_slice"))]
    #[track_caller]
    pub fn from_rows<R: AsRef<[T]>>(rows: &[R]) -> Self {
        let cols = rows.first().map_or(0, |r| r.as_ref().len());
        for (i, r) in rows.iter().enumerate() {
            let got = r.as_ref().len();
            assert!(got == cols, "from_rows: expected {cols} entries in row {i}, as in row 0, got {got}");
        }
        Batch::from_fn(Shape::mat(rows.len(), cols), |_, i, j| rows[i].as_ref()[j])
    }

    /// From entries in row-major order, the order of NumPy, PyTorch and JAX: member by member, row by row.
    ///
    /// ```
    /// use pullback::{Batch, Shape};
    /// let b = Batch::from_row_major(Shape::batch(2, 1, 2), &[1.0, 2.0, 3.0, 4.0]);
    /// assert_eq!(b.member(1), faer::mat![[3.0, 4.0]]);
    /// ```
    ///
    /// # Panics
    /// If the number of entries is not that of the shape.
    #[track_caller]
    pub fn from_row_major(shape: Shape, data: &[T]) -> Self {
        let (want, got) = (shape.len(), data.len());
        assert!(want == got, "from_row_major: expected {want} entries for {shape}, got {got}");
        Batch::from_fn(shape, |b, i, j| data[b * shape.each() + i * shape.cols + j])
    }

    /// The only entry.
    ///
    /// # Panics
    /// If there is not exactly one.
    #[doc(alias = "item")]
    #[track_caller]
    pub fn scalar(&self) -> T {
        assert!(self.shape == Shape::SCALAR, "scalar: expected one number, got {}", self.shape);
        self.data[0]
    }

    /// Its shape.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// All entries in storage order.
    pub fn data(&self) -> &[T] {
        &self.data
    }

    /// All entries in storage order.
    pub fn data_mut(&mut self) -> &mut [T] {
        &mut self.data
    }

    /// Takes the numbers of a buffer of the same length, whose contents are arbitrary after that, unless they are read
    /// `again`. Long ones are not copied: the buffers change places.
    #[inline(always)]
    pub(crate) fn take_over(&mut self, buf: &mut Buf<T>, again: impl FnOnce() -> bool) {
        if buf.len() < WORTH_EXCHANGING || again() {
            self.data.copy_from_slice(buf);
        } else {
            self.exchange(buf);
        }
    }

    /// Exchanges the numbers with those of a buffer of the same length.
    #[inline(never)]
    pub(crate) fn exchange(&mut self, buf: &mut Buf<T>) {
        let mine = std::mem::take(&mut self.data).into_boxed_slice();
        self.data = std::mem::replace(buf, mine).into_vec();
    }

    /// Member `b` as a matrix.
    pub fn member(&self, b: usize) -> Mat<T> {
        let s = &self.data[b * self.shape.each()..(b + 1) * self.shape.each()];
        mat_from(s, self.shape.rows, self.shape.cols)
    }

    /// The only member as a matrix.
    ///
    /// # Panics
    /// If there are several.
    #[track_caller]
    pub fn into_mat(self) -> Mat<T> {
        assert_eq!(self.shape.batch, 1, "a batch of {} is not one matrix; use `member`", self.shape.batch);
        self.member(0)
    }

    /// The first entry that is NaN or infinite, in storage order, and its position.
    pub fn first_non_finite(&self) -> Option<(usize, T)> {
        self.data.iter().position(|x| !x.is_finite()).map(|i| (i, self.data[i]))
    }

    /// The largest entry in modulus, 0 if there is none; NaN if one is NaN.
    pub fn max_abs(&self) -> T {
        self.data.iter().fold(T::zero(), |m, x| if x.is_nan() || x.abs() > m { x.abs() } else { m })
    }
}

fn mat_from<T: Scalar>(data: &[T], rows: usize, cols: usize) -> Mat<T> {
    Mat::from_fn(rows, cols, |i, j| data[j * rows + i])
}

impl<T: Scalar> fmt::Debug for Batch<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Batch {}", self.shape)?;
        for b in 0..self.shape.batch {
            for i in 0..self.shape.rows {
                for j in 0..self.shape.cols {
                    write!(f, " {:>12.5e}", self.data[b * self.shape.each() + j * self.shape.rows + i].f64())?;
                }
                writeln!(f)?;
            }
        }
        Ok(())
    }
}

impl<T: Scalar> From<Mat<T>> for Batch<T> {
    fn from(m: Mat<T>) -> Self {
        Batch::of(&m)
    }
}

/// A batch of matrices lent by a tape.
#[derive(Debug, Clone, Copy)]
pub struct View<'a, T = f64> {
    pub(crate) shape: Shape,
    pub(crate) data: &'a [T],
}

impl<'a, T: Scalar> View<'a, T> {
    /// Its shape.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// All entries in storage order.
    pub fn data(&self) -> &'a [T] {
        self.data
    }

    /// Member `b` as a faer view.
    pub fn member(&self, b: usize) -> MatRef<'a, T> {
        let s = &self.data[b * self.shape.each()..(b + 1) * self.shape.each()];
        MatRef::from_column_major_slice(s, self.shape.rows, self.shape.cols)
    }
}

/// Anything that can be copied onto a tape: faer matrices, columns, rows and views of them, batches, numbers.
pub trait MatLike<T> {
    /// Its shape.
    fn shape(&self) -> Shape;
    /// Writes its entries in storage order.
    fn write(&self, out: &mut [T]);
}

impl<T: Scalar> MatLike<T> for Batch<T> {
    fn shape(&self) -> Shape {
        self.shape
    }
    fn write(&self, out: &mut [T]) {
        out.copy_from_slice(&self.data);
    }
}

impl<T: Scalar> MatLike<T> for MatRef<'_, T> {
    fn shape(&self) -> Shape {
        Shape::mat(self.nrows(), self.ncols())
    }
    fn write(&self, out: &mut [T]) {
        let m = self.nrows();
        for j in 0..self.ncols() {
            for i in 0..m {
                out[j * m + i] = self[(i, j)];
            }
        }
    }
}

impl<T: Scalar> MatLike<T> for Mat<T> {
    fn shape(&self) -> Shape {
        Shape::mat(self.nrows(), self.ncols())
    }
    fn write(&self, out: &mut [T]) {
        let m = self.nrows();
        for j in 0..self.ncols() {
            for i in 0..m {
                out[j * m + i] = self[(i, j)];
            }
        }
    }
}

macro_rules! vectors {
    ($($V:ty, $n:ident => ($rows:expr, $cols:expr);)*) => {$(
        impl<T: Scalar> MatLike<T> for $V {
            fn shape(&self) -> Shape {
                let $n = self.$n();
                Shape::mat($rows, $cols)
            }
            fn write(&self, out: &mut [T]) {
                out.iter_mut().enumerate().for_each(|(i, o)| *o = self[i]);
            }
        }
    )*};
}
vectors! {
    Col<T>, nrows => (nrows, 1);
    ColRef<'_, T>, nrows => (nrows, 1);
    Row<T>, ncols => (1, ncols);
    RowRef<'_, T>, ncols => (1, ncols);
}

macro_rules! number {
    ($($T:ident),*) => {$(
        impl MatLike<$T> for $T {
            fn shape(&self) -> Shape {
                Shape::SCALAR
            }
            fn write(&self, out: &mut [$T]) {
                out[0] = *self;
            }
        }
    )*};
}
number!(f64, f32);

impl<T: Scalar, M: MatLike<T> + ?Sized> MatLike<T> for &M {
    fn shape(&self) -> Shape {
        (**self).shape()
    }
    fn write(&self, out: &mut [T]) {
        (**self).write(out)
    }
}
