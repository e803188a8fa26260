//! faer's products, triangular solves and sequences of reflections, shared among threads where those were asked for and
//! the work is large. Which kernel serves a small size is said elsewhere (`gemm.rs`, `triangular.rs`).
//!
//! A part is some of the columns, or some of the rows, of the result: each number is computed by one thread.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::householder::{
    apply_block_householder_sequence_on_the_left_in_place_scratch as apply_scratch,
    apply_block_householder_sequence_on_the_left_in_place_with_conj as apply,
};
use faer::{Accum, Conj, MatMut, MatRef, Par};

use crate::real::Real;
use crate::threads::{Size, parts, piece, share};
use crate::transposed::product;
use crate::wide_registers::clear_wide_registers;

/// `C = [C +] alpha A B`. Whoever calls it clears the wide registers.
#[inline(always)]
pub(crate) fn matmul<T: Real>(c: MatMut<'_, T>, accum: Accum, a: MatRef<'_, T>, b: MatRef<'_, T>, alpha: T) {
    match parts(Size::Multiplications(a.nrows() * a.ncols() * b.ncols())) {
        1 => product(c, accum, a, b, alpha),
        k => matmul_in_parts(c, accum, a, b, alpha, k),
    }
}

/// A side of the blocks that faer multiplies: parts that are multiples of it waste nothing.
const BLOCK: usize = 48;

/// From this order on, halves of square matrices by rows are multiplied faster than halves by columns: 2.02 and 1.86
/// times as fast as one thread at 512, 1.82 and 1.95 at 256.
const MANY_ROWS: usize = 384;

#[cold]
#[inline(never)]
fn matmul_in_parts<T: Real>(
    c: MatMut<'_, T>,
    accum: Accum,
    a: MatRef<'_, T>,
    b: MatRef<'_, T>,
    alpha: T,
    parts: usize,
) {
    let (m, n) = (a.nrows(), b.ncols());
    match n < m || (n == m && m >= MANY_ROWS) {
        true => share(columns(c.transpose_mut(), parts), |(from, c)| {
            let a = a.subrows(from, c.ncols());
            product(c.transpose_mut(), accum, a, b, alpha);
            clear_wide_registers();
        }),
        false => share(columns(c, parts), |(from, c)| {
            let b = b.subcols(from, c.ncols());
            product(c, accum, a, b, alpha);
            clear_wide_registers();
        }),
    }
}

/// `X = op(T)^{-1} X` by one of faer's solves; the columns of `X` know nothing of each other.
pub(crate) fn solve<T: Real>(
    t: MatRef<'_, T>,
    x: MatMut<'_, T>,
    one: impl Fn(MatRef<'_, T>, MatMut<'_, T>, Par) + Sync,
) {
    match parts(Size::Multiplications(t.nrows() * t.nrows() * x.ncols() / 2)) {
        1 => one(t, x, Par::Seq),
        k => share(columns(x, k), |(_, x)| {
            one(t, x, Par::Seq);
            clear_wide_registers();
        }),
    }
}

/// `X = H X`, where `H` is the sequence of reflections with the columns of `v` and the triangles `h` of its blocks.
/// `stack` is as large as faer asks for all of `X`. Whoever calls it clears the wide registers.
pub(crate) fn reflect_all<T: Real>(v: MatRef<'_, T>, h: MatRef<'_, T>, x: MatMut<'_, T>, stack: &mut MemStack) {
    match parts(Size::Multiplications(2 * v.nrows() * v.ncols() * x.ncols())) {
        1 => apply(v, h, Conj::No, x, Par::Seq, stack),
        k => share(columns(x, k), |(_, x)| {
            let mut own = MemBuffer::new(apply_scratch::<T>(v.nrows(), h.nrows(), x.ncols()));
            apply(v, h, Conj::No, x, Par::Seq, MemStack::new(&mut own));
            clear_wide_registers();
        }),
    }
}

/// The columns in at most `parts` pieces, each with the number of its first.
pub(crate) fn columns<T>(x: MatMut<'_, T>, parts: usize) -> Vec<(usize, MatMut<'_, T>)> {
    let (mut rest, mut from, mut pieces) = (x, 0, Vec::with_capacity(parts));
    let width = piece(rest.ncols(), parts, BLOCK.min(rest.ncols().div_ceil(parts)));
    while rest.ncols() > width {
        let (piece, others) = rest.split_at_col_mut(width);
        pieces.push((from, piece));
        (from, rest) = (from + width, others);
    }
    pieces.push((from, rest));
    pieces
}
