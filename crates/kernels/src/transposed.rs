//! Large products whose right factor is transposed: the transpose is written into a short buffer, a block at a time,
//! and faer multiplies with that. How other products are computed, and how they are shared among threads, is in
//! `dense.rs`.
//!
//! faer reads the right factor as it lies in memory. A transposed one is read across its columns, from another cache
//! line for each number, and where the columns are a power of two apart these lines compete for the same few places of
//! the cache: at order 512 such a product took nearly twice as long as one without a transpose. To copy a block takes
//! two memory accesses for each number of it, and each of them enters `2 m` operations.

use faer::linalg::matmul;
use faer::{Accum, MatMut, MatRef, Par};

use crate::real::Real;
use crate::tolerances::TRANSPOSED_LARGE;

/// Rows of a block of `B`, and how far its columns are apart in the buffer: not a power of two.
const DEPTH: usize = 64;
const STRIDE: usize = DEPTH + 8;

/// Columns of a block of `B`.
const WIDTH: usize = 256;

/// A side of the squares that are transposed in registers.
const SQUARE: usize = 4;

/// `C = [C +] alpha A B` on this thread.
#[inline(always)]
pub(crate) fn product<T: Real>(c: MatMut<'_, T>, accum: Accum, a: MatRef<'_, T>, b: MatRef<'_, T>, alpha: T) {
    let transposed = b.col_stride() == 1 && b.row_stride() > 1 && b.nrows() >= DEPTH;
    match transposed && a.nrows().min(b.ncols()) >= TRANSPOSED_LARGE {
        true => in_blocks(c, accum, a, b, alpha),
        false => matmul::matmul(c, accum, a, b, alpha, Par::Seq),
    }
}

#[inline(never)]
fn in_blocks<T: Real>(mut c: MatMut<'_, T>, accum: Accum, a: MatRef<'_, T>, b: MatRef<'_, T>, alpha: T) {
    let mut buffer = [T::zero(); STRIDE * WIDTH];
    let (n, k) = (b.ncols(), b.nrows());
    for q in (0..n).step_by(WIDTH) {
        let width = WIDTH.min(n - q);
        for p in (0..k).step_by(DEPTH) {
            let depth = DEPTH.min(k - p);
            write(b.submatrix(p, q, depth, width).transpose(), &mut buffer);
            let block = MatRef::from_column_major_slice_with_stride(&buffer, depth, width, STRIDE);
            let accum = if p == 0 { accum } else { Accum::Add };
            matmul::matmul(c.as_mut().subcols_mut(q, width), accum, a.subcols(p, depth), block, alpha, Par::Seq);
        }
    }
}

/// The transpose of `b`, with its columns `STRIDE` apart.
fn write<T: Real>(b: MatRef<'_, T>, buffer: &mut [T]) {
    let (n, k) = (b.nrows(), b.ncols());
    let column = |p: usize| b.col(p).try_as_col_major().map_or(&[][..], |c| c.as_slice());
    let (whole, rest) = (k / SQUARE * SQUARE, n / SQUARE * SQUARE);
    for p in (0..whole).step_by(SQUARE) {
        let columns: [&[T]; SQUARE] = core::array::from_fn(|j| column(p + j));
        for q in (0..rest).step_by(SQUARE) {
            let square: [[T; SQUARE]; SQUARE] =
                core::array::from_fn(|j| core::array::from_fn(|i| columns[j][q..][..SQUARE][i]));
            for i in 0..SQUARE {
                let out = &mut buffer[(q + i) * STRIDE + p..][..SQUARE];
                (0..SQUARE).for_each(|j| out[j] = square[j][i]);
            }
        }
    }
    for p in 0..k {
        let from = if p < whole { rest } else { 0 };
        let column = column(p);
        (from..n).for_each(|q| buffer[q * STRIDE + p] = column[q]);
    }
}
