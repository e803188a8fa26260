//! Triangular solves from the left and from the right.

use faer::linalg::triangular_solve as faer_solve;
use faer::{MatMut, MatRef};
use num_traits::Float;

use crate::Failure;
use crate::dense;
use crate::real::{Real, finite, view, view_mut};
use crate::tolerances::{TRSM_TINY, TRSM_TINY_LEFT};
use crate::wide_registers::clear_wide_registers;

/// Which triangle of a matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uplo {
    /// The lower one.
    Lower,
    /// The upper one.
    Upper,
}

/// On which side of the unknown a matrix stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// `op(T) X = B`.
    Left,
    /// `X op(T) = B`.
    Right,
}

/// A triangular system: which triangle of a stored matrix is used, and how.
///
/// `Triangle::LOWER.transposed().from_right()` is `X T^T = B` with the lower triangle of what is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Triangle {
    /// The stored triangle, before transposing.
    pub uplo: Uplo,
    /// On which side of the unknown it stands.
    pub side: Side,
    /// Is the transposed triangle solved with?
    pub transpose: bool,
    /// Is the diagonal taken to be one, whatever is stored there?
    pub unit: bool,
}

impl Triangle {
    /// `T X = B` with a lower triangle.
    pub const LOWER: Self = Self::of(Uplo::Lower);
    /// `T X = B` with an upper triangle.
    pub const UPPER: Self = Self::of(Uplo::Upper);

    /// `T X = B` with this triangle.
    #[must_use]
    pub const fn of(uplo: Uplo) -> Self {
        Self { uplo, side: Side::Left, transpose: false, unit: false }
    }

    /// The same with `T^T` in place of `T`; twice is the same as never.
    #[must_use]
    pub const fn transposed(self) -> Self {
        Self { transpose: !self.transpose, ..self }
    }

    /// The same with a diagonal of ones, whatever is stored there.
    #[must_use]
    pub const fn unit_diagonal(self) -> Self {
        Self { unit: true, ..self }
    }

    /// The same with the triangle to the right of the unknown.
    #[must_use]
    pub const fn from_right(self) -> Self {
        Self { side: Side::Right, ..self }
    }

    /// Is the stored triangle the lower one?
    #[must_use]
    pub const fn is_lower(self) -> bool {
        matches!(self.uplo, Uplo::Lower)
    }

    /// Does the triangle stand to the right of the unknown?
    #[must_use]
    pub const fn is_right(self) -> bool {
        matches!(self.side, Side::Right)
    }
}

/// `X = op(T)^{-1} B` or `B op(T)^{-1}`, in place, after checking the data.
pub(crate) fn trsm<T: Real>(t: &[T], tri: Triangle, x: &mut [T], m: usize, k: usize) -> Result<(), Failure> {
    let n = if tri.is_right() { k } else { m };
    debug_assert!(t.len() == n * n && x.len() == m * k);
    check(t, tri, n)?;
    finite(x)?;
    solve(t, tri, x, m, k);
    Ok(())
}

/// Is the used triangle finite and its diagonal free of zeros?
fn check<T: Real>(t: &[T], tri: Triangle, n: usize) -> Result<(), Failure> {
    for j in 0..n {
        let (from, to) = if tri.is_lower() { (j + usize::from(tri.unit), n) } else { (0, j + usize::from(!tri.unit)) };
        if let Err(Failure::NonFinite { index, value }) = finite(&t[from + j * n..to + j * n]) {
            return Err(Failure::NonFinite { index: index + from + j * n, value });
        }
        if !tri.unit && t[j + j * n] == T::zero() {
            return Err(Failure::Singular { index: j, ratio: 0.0 });
        }
    }
    Ok(())
}

/// The solve itself, unchecked.
pub(crate) fn solve<T: Real>(t: &[T], tri: Triangle, x: &mut [T], m: usize, k: usize) {
    let n = if tri.is_right() { k } else { m };
    if m == 0 || k == 0 {
        return;
    }
    let tiny = if tri.is_right() || k == 1 { TRSM_TINY } else { TRSM_TINY_LEFT };
    if n > tiny && has_reciprocals(t, tri, n) {
        let t = view(t, n, n);
        let t = if tri.transpose { t.transpose() } else { t };
        let x = view_mut(x, m, k);
        let lower = tri.is_lower() != tri.transpose;
        // X op(T) = B is op(T)^T X^T = B^T.
        return if tri.is_right() {
            large(t.transpose(), !lower, tri.unit, x.transpose_mut())
        } else {
            large(t, lower, tri.unit, x)
        };
    }
    if tri.is_right() {
        return tiny_right(t, tri, x, m, k);
    }
    match n {
        2 => crate::fixed::trsm_left::<T, 2>(t, tri, x),
        3 => crate::fixed::trsm_left::<T, 3>(t, tri, x),
        4 => crate::fixed::trsm_left::<T, 4>(t, tri, x),
        _ => x.chunks_exact_mut(m).for_each(|x| tiny_left(t, tri, x, m)),
    }
}

/// May faer multiply by the reciprocals of the diagonal? They overflow below the normal numbers.
fn has_reciprocals<T: Real>(t: &[T], tri: Triangle, n: usize) -> bool {
    (0..n).all(|j| tri.unit || Float::abs(t[j + j * n]) >= T::min_positive_value())
}

/// [`solve`] from the left for `k` columns of `m` entries that are `stride` apart.
pub(crate) fn solve_apart<T: Real>(t: &[T], tri: Triangle, x: &mut [T], stride: usize, m: usize, k: usize) {
    debug_assert!(!tri.is_right() && x.len() == stride * k);
    if stride == m {
        return solve(t, tri, x, m, k);
    }
    if !has_reciprocals(t, tri, m) {
        return x.chunks_exact_mut(stride).for_each(|x| tiny_left(t, tri, &mut x[..m], m));
    }
    let t = view(t, m, m);
    let t = if tri.transpose { t.transpose() } else { t };
    let x = MatMut::from_column_major_slice_with_stride_mut(x, m, k, stride);
    large(t, tri.is_lower() != tri.transpose, tri.unit, x);
}

fn large<T: Real>(t: MatRef<'_, T>, lower: bool, unit: bool, x: MatMut<'_, T>) {
    match (lower, unit) {
        (true, false) => dense::solve(t, x, faer_solve::solve_lower_triangular_in_place),
        (true, true) => dense::solve(t, x, faer_solve::solve_unit_lower_triangular_in_place),
        (false, false) => dense::solve(t, x, faer_solve::solve_upper_triangular_in_place),
        (false, true) => dense::solve(t, x, faer_solve::solve_unit_upper_triangular_in_place),
    }
    clear_wide_registers();
}

/// One right-hand side: by columns of `T` as stored, or by dot products with them if it is transposed.
fn tiny_left<T: Real>(t: &[T], tri: Triangle, x: &mut [T], m: usize) {
    let forward = tri.is_lower() != tri.transpose;
    for step in 0..m {
        let j = if forward { step } else { m - 1 - step };
        let column = &t[j * m..(j + 1) * m];
        // The entries of column j off the diagonal, inside the triangle.
        let rows = if tri.is_lower() { j + 1..m } else { 0..j };
        if tri.transpose {
            let mut s = x[j];
            for i in rows {
                s -= column[i] * x[i];
            }
            x[j] = if tri.unit { s } else { s / column[j] };
        } else {
            let s = if tri.unit { x[j] } else { x[j] / column[j] };
            x[j] = s;
            for i in rows {
                x[i] -= column[i] * s;
            }
        }
    }
}

/// Columns of `X` one after the other, each less its share of those already known.
fn tiny_right<T: Real>(t: &[T], tri: Triangle, x: &mut [T], m: usize, k: usize) {
    let upper = tri.is_lower() == tri.transpose;
    for step in 0..k {
        let j = if upper { step } else { k - 1 - step };
        let (before, rest) = x.split_at_mut(j * m);
        let (column, after) = rest.split_at_mut(m);
        let (known, first) = if upper { (&*before, 0) } else { (&*after, j + 1) };
        for (p, known) in (first..).zip(known.chunks_exact(m)) {
            let s = if tri.transpose { t[j + p * k] } else { t[p + j * k] };
            for i in 0..m {
                column[i] -= s * known[i];
            }
        }
        if !tri.unit {
            let d = t[j + j * k];
            column.iter_mut().for_each(|x| *x /= d);
        }
    }
}
