//! Singular vectors of a tall matrix by the eigenvectors of `A^T A`, and the correction that gives back the digits
//! which the square loses. Orders, signs and scales are for `svd.rs` and `polar.rs`.
//!
//! With `A^T A = V diag(d) V^T` the columns of `B = A V` are orthogonal up to rounding of `A^T A`, which is large
//! beside small columns. So `B^T B` is looked at: with `g = B^T B` and a skew `E`, the columns of `B (I + E)` have
//!
//! ```text
//!     (I + E)^T g (I + E) = g + g E - E g + ...,
//!     whose entry (i, j) vanishes to first order for  E_ij = g_ij / (g_jj - g_ii)
//! ```
//!
//! and `V (I + E + E^2 / 2)` is orthogonal up to `|E|^4 / 4`. (This is the step of Ogita & Aishima, *Iterative
//! refinement for symmetric eigenvalue decomposition*, 2018, applied to columns instead of a symmetric matrix.) It is
//! repeated until `|g_ij| <= tolerance sqrt(g_ii g_jj)` for every pair, which is what one-sided Jacobi ends with. Flops
//! of an `m` by `n` matrix: about `8 m n^2 + 2 n^3` beside those of the eigenproblem, nearly all in products.

use faer::linalg::matmul::triangular;
use faer::linalg::matmul::triangular::BlockStructure::{Rectangular, TriangularLower};
use faer::{Accum, Par};
use num_traits::Float;

use crate::gemm::gemm;
use crate::real::{Real, mirror, view, view_mut};
use crate::tolerances::{GRAM_HALF, GRAM_STEPS, GRAM_TURN, gram_condition, gram_orthogonal};
use crate::wide_registers::clear_wide_registers;
use crate::{Failure, Workspace};

/// Eigenvectors of `X^T X` into the handle: `V`, then the eigenvalues, ascending. `g` has room for the square.
pub(crate) fn eigenvectors<T: Real>(
    x: &[T],
    m: usize,
    n: usize,
    g: &mut [T],
    handle: &mut [T],
    w: &mut Workspace<T>,
) -> Result<(), Failure> {
    square(x, m, n, g);
    mirror(g, n, true);
    crate::eigh::eigh(g, n, handle, w)
}

/// The lower half of `X^T X`.
fn square<T: Real>(x: &[T], m: usize, n: usize, g: &mut [T]) {
    if n < GRAM_HALF {
        return gemm(g, n, n, m, T::one(), x, true, x, false, false);
    }
    let (left, right) = (view(x, m, n).transpose(), view(x, m, n));
    let g = view_mut(g, n, n);
    triangular::matmul(g, TriangularLower, Accum::Replace, left, Rectangular, right, Rectangular, T::one(), Par::Seq);
    clear_wide_registers();
}

/// From nearly right singular vectors `v` with the squares `s` of the singular values: `X = U diag(s) V^T`. `false`,
/// and nothing of use, where the condition of `X` or the distance of two singular values is too much for a correction.
pub(crate) fn corrected<T: Real>(
    x: &[T],
    m: usize,
    n: usize,
    u: &mut [T],
    v: &mut [T],
    s: &mut [T],
    w: &mut Workspace<T>,
) -> bool {
    let (least, most) = s.iter().fold((T::infinity(), T::zero()), |(a, b), &s| (Float::min(a, s), Float::max(b, s)));
    if least <= gram_condition::<T>() * most {
        return false;
    }
    gemm(u, m, n, n, T::one(), x, false, v, false, false);
    let [g, e, old] = w.slices([n * n, n * n, m * n]);
    for _ in 0..GRAM_STEPS {
        square(u, m, n, g);
        match turn(g, e, n, gram_orthogonal::<T>(m)) {
            Turn::None => {
                normalise(u, m, g, n, s);
                return true;
            }
            Turn::TooFar => return false,
            Turn::By(size) => {
                // E + E^2 / 2, whose second part is rounding where E is small.
                if size * size > T::EPS {
                    old[..n * n].copy_from_slice(e);
                    gemm(g, n, n, n, T::of(0.5), &old[..n * n], false, &old[..n * n], false, false);
                    e.iter_mut().zip(&*g).for_each(|(e, half)| *e += *half);
                }
                for (b, rows) in [(&mut *u, m), (&mut *v, n)] {
                    let old = &mut old[..rows * n];
                    old.copy_from_slice(b);
                    gemm(b, rows, n, n, T::one(), old, false, e, false, true);
                }
            }
        }
    }
    false
}

/// What is to be done with columns.
enum Turn<T> {
    /// Nothing: they are orthogonal.
    None,
    /// By `E`, whose largest row sum this is.
    By(T),
    /// By more than a correction can.
    TooFar,
}

/// `E` for the columns whose products are `g`; only the lower half of `g` is read.
fn turn<T: Real>(g: &[T], e: &mut [T], n: usize, tolerance: T) -> Turn<T> {
    let mut largest = T::zero();
    let mut orthogonal = true;
    for j in 0..n {
        let (gj, mut sum) = (g[j + j * n], T::zero());
        for i in 0..n {
            let (f, gi) = (g[i.max(j) + i.min(j) * n], g[i + i * n]);
            let negligible = i == j || Float::abs(f) <= tolerance * Float::sqrt(gi) * Float::sqrt(gj);
            let turn = if negligible { T::zero() } else { f / (gj - gi) };
            orthogonal &= negligible;
            sum += Float::abs(turn);
            e[i + j * n] = turn;
        }
        largest = Float::max(largest, sum);
        // A quotient by zero is infinite, or not a number, which no maximum sees.
        if Float::is_nan(sum) || sum > T::of(GRAM_TURN) {
            return Turn::TooFar;
        }
    }
    if orthogonal { Turn::None } else { Turn::By(largest) }
}

/// Columns of length one, and the lengths they had.
fn normalise<T: Real>(u: &mut [T], m: usize, g: &[T], n: usize, s: &mut [T]) {
    for (j, (u, s)) in u.chunks_exact_mut(m).zip(s).enumerate() {
        *s = Float::sqrt(g[j + j * n]);
        let by = T::one() / *s;
        u.iter_mut().for_each(|u| *u *= by);
    }
}
