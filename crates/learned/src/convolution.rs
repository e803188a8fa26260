//! Convolutions of images that stand in the columns of a matrix, as programs. What is made of them is not known here.

use crate::layers::uniform;
use pullback::{Axis, Batch, Scalar, Shape, Var};
use rand::Rng;

/// An image: pixels from top to bottom and from left to right.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) height: usize,
    pub(crate) width: usize,
}

impl Size {
    /// Where the neighbour of each pixel stands that is so many rows below and columns to the right; outside the image
    /// it is the row after the last pixel.
    fn neighbours(self, down: isize, right: isize) -> Vec<usize> {
        let place = |at: usize, by: isize, end: usize| at.checked_add_signed(by).filter(|k| *k < end);
        let one = |pixel: usize| {
            let row = place(pixel / self.width, down, self.height);
            let column = place(pixel % self.width, right, self.width);
            row.zip(column).map_or(self.height * self.width, |(i, j)| i * self.width + j)
        };
        (0..self.height * self.width).map(one).collect()
    }

    /// `K * A + b` with zeros outside the images, for a kernel of `side x side` in a column, row after row.
    pub(crate) fn convolve<'t, T: Scalar>(
        self,
        a: Var<'t, T>,
        kernel: Var<'t, T>,
        bias: Var<'t, T>,
        side: usize,
    ) -> Var<'t, T> {
        let outside = a.tape().constant(&Batch::zeros(Shape { rows: 1, ..a.shape() }));
        let (padded, reach) = (Var::concat(&[a, outside], Axis::Rows), (side / 2) as isize);
        let tap = |k: usize| {
            let (down, right) = ((k / side) as isize - reach, (k % side) as isize - reach);
            padded.gather(Axis::Rows, &self.neighbours(down, right)).hadamard(kernel.row_range(k, 1))
        };
        (1..side * side).fold(tap(0), |sum, k| sum + tap(k)) + bias
    }
}

/// How many places a kernel of so many numbers has in a column, three rows from one to the next.
pub(crate) fn places(rows: usize, side: usize) -> usize {
    if rows < side { 0 } else { (rows - side) / STRIDE + 1 }
}

/// Rows from one place of [`along_columns`] to the next.
const STRIDE: usize = 3;

/// `K * A + b` down the columns, in steps of three rows and without anything outside.
pub(crate) fn along_columns<'t, T: Scalar>(
    a: Var<'t, T>,
    kernel: Var<'t, T>,
    bias: Var<'t, T>,
    side: usize,
) -> Var<'t, T> {
    let count = places(a.rows(), side);
    let tap = |k: usize| {
        let rows: Vec<usize> = (0..count).map(|i| i * STRIDE + k).collect();
        a.gather(Axis::Rows, &rows).hadamard(kernel.row_range(k, 1))
    };
    (1..side).fold(tap(0), |sum, k| sum + tap(k)) + bias
}

/// A fresh kernel of so many numbers, in a column, and what is added after it, both uniform in `±1 / sqrt(length)` but
/// for the sign: the sum of the kernel and what is added are not negative. Images are not negative either, and of a
/// single channel whose rectifier is closed for all of them nothing would be seen and nothing learned.
pub(crate) fn open_kernel<T: Scalar>(length: usize, rng: &mut dyn Rng) -> (Batch<T>, Batch<T>) {
    let mut kernel: Batch<T> = uniform(Shape::mat(length, 1), length, rng);
    let mut bias: Batch<T> = uniform(Shape::SCALAR, length, rng);
    if kernel.data().iter().map(|v| v.f64()).sum::<f64>() < 0.0 {
        kernel.data_mut().iter_mut().for_each(|v| *v = -*v);
    }
    bias.data_mut().iter_mut().for_each(|v| *v = T::of(v.f64().abs()));
    (kernel, bias)
}
