//! Factorisations by panels, for large matrices where threads were asked for: faer factorises a panel of columns on
//! this thread, and what follows from it for the columns behind is shared. Without threads faer factorises the whole
//! (`cholesky.rs`, `lu.rs`, which call this).

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::factor::{cholesky_in_place, cholesky_in_place_scratch};
use faer::linalg::lu::partial_pivoting::factor::{lu_in_place, lu_in_place_scratch};
use faer::linalg::matmul;
use faer::linalg::triangular_solve::{solve_lower_triangular_in_place, solve_unit_lower_triangular_in_place};
use faer::reborrow::*;
use faer::{Accum, MatMut, MatRef, Par};

use crate::dense;
use crate::real::Real;
use crate::threads::{Size, parts, share};
use crate::wide_registers::clear_wide_registers;

/// Columns of a panel.
const PANEL: usize = 64;

/// Is a factorisation of an `m x n` matrix to be done by panels here?
pub(crate) fn wanted(m: usize, n: usize) -> bool {
    n >= 2 * PANEL && parts(Size::Multiplications(m * n * n / 3)) > 1
}

/// `A = L L^T` in the lower triangle, in place; what stands above it is lost. Whether the matrix is positive definite.
pub(crate) fn cholesky<T: Real>(mut a: MatMut<'_, T>) -> bool {
    let n = a.nrows();
    let mut own = MemBuffer::new(cholesky_in_place_scratch::<T>(PANEL, Par::Seq, Default::default()));
    for from in (0..n).step_by(PANEL) {
        let width = PANEL.min(n - from);
        let (mut l11, _, mut l21, a22) =
            a.rb_mut().submatrix_mut(from, from, n - from, n - from).split_at_mut(width, width);
        let stack = MemStack::new(&mut own);
        if cholesky_in_place(l11.rb_mut(), Default::default(), Par::Seq, stack, Default::default()).is_err() {
            return false;
        }
        // L21 L11^T = A21, which is L11 L21^T = A21^T.
        dense::solve(l11.rb(), l21.rb_mut().transpose_mut(), solve_lower_triangular_in_place);
        subtract_square(a22, l21.rb());
    }
    clear_wide_registers();
    true
}

/// The lower triangle of `C -= B B^T`, and of the upper one what stands in the blocks on the diagonal.
fn subtract_square<T: Real>(c: MatMut<'_, T>, b: MatRef<'_, T>) {
    let n = b.nrows();
    let k = parts(Size::Multiplications(n * n * b.ncols() / 2));
    // Parts of the same area: the columns get shorter.
    let bound = |i: usize| (n as f64 * (1.0 - (1.0 - i as f64 / k as f64).sqrt())) as usize;
    let (mut rest, mut pieces) = (c, Vec::with_capacity(k));
    for i in 1..k {
        let (piece, others) = rest.split_at_col_mut(bound(i) - bound(i - 1));
        pieces.push((bound(i - 1), piece));
        rest = others;
    }
    pieces.push((bound(k - 1), rest));
    share(pieces, |(first, mut piece)| {
        for at in (0..piece.ncols()).step_by(PANEL) {
            let (top, width) = (first + at, PANEL.min(piece.ncols() - at));
            let c = piece.rb_mut().submatrix_mut(top, at, n - top, width);
            let right = b.subrows(top, width).transpose();
            matmul::matmul(c, Accum::Add, b.subrows(top, n - top), right, -T::one(), Par::Seq);
        }
        clear_wide_registers();
    });
}

/// `P A = L U` in place; row `i` of `P A` is row `order[i]` of `A`.
pub(crate) fn lu<T: Real>(mut a: MatMut<'_, T>, order: &mut [usize]) {
    let (m, n) = (a.nrows(), a.ncols());
    let mut own = MemBuffer::new(lu_in_place_scratch::<usize, T>(m, PANEL, Par::Seq, Default::default()));
    let (mut rows, mut inverse, mut old) = (vec![0; m], vec![0; m], order.to_vec());
    for (i, row) in order.iter_mut().enumerate() {
        *row = i;
    }
    for from in (0..n).step_by(PANEL) {
        let (width, height) = (PANEL.min(n - from), m - from);
        let (left, mut panel) = a.rb_mut().subrows_mut(from, height).split_at_col_mut(from);
        let (mut panel, mut right) = panel.rb_mut().split_at_col_mut(width);
        let (rows, inverse, stack) = (&mut rows[..height], &mut inverse[..height], MemStack::new(&mut own));
        lu_in_place(panel.rb_mut(), rows, inverse, Par::Seq, stack, Default::default());
        let moved: Vec<(usize, usize)> = rows.iter().copied().enumerate().filter(|(to, at)| to != at).collect();
        permute(left, &moved);
        permute(right.rb_mut(), &moved);
        old.copy_from_slice(order);
        moved.iter().for_each(|&(to, at)| order[from + to] = old[from + at]);
        let (l11, l21) = panel.rb().split_at_row(width);
        let (mut u12, a22) = right.split_at_row_mut(width);
        dense::solve(l11, u12.rb_mut(), solve_unit_lower_triangular_in_place);
        dense::matmul(a22, Accum::Add, l21, u12.rb(), -T::one());
    }
    clear_wide_registers();
}

/// Row `to` becomes what was row `at`, in every column.
fn permute<T: Real>(x: MatMut<'_, T>, moved: &[(usize, usize)]) {
    let k = parts(Size::Entries(2 * moved.len() * x.ncols()));
    share(dense::columns(x, k), |(_, mut x)| {
        let mut kept = vec![T::zero(); moved.len()];
        for j in 0..x.ncols() {
            let mut column = x.rb_mut().col_mut(j);
            kept.iter_mut().zip(moved).for_each(|(kept, &(_, at))| *kept = column[at]);
            kept.iter().zip(moved).for_each(|(kept, &(to, _))| column[to] = *kept);
        }
    });
}
