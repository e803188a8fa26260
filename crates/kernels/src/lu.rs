//! LU with partial pivoting and what is read off it: solves, the inverse, `log |det|` and its sign, the factors
//! themselves.
//!
//! The handle is `n x (n + 1)`: `L` and `U` packed, then the row permutation as numbers (row `i` of `PA` is row `p_i`
//! of `A`).

use faer::dyn_stack::StackReq;
use faer::linalg::lu::partial_pivoting::factor::{PartialPivLuParams, lu_in_place, lu_in_place_scratch};
use faer::linalg::triangular_inverse::invert_unit_lower_triangular;
use faer::{Auto, MatMut, Par};
use num_traits::Float;

use crate::lu_blocks;
use crate::panels;
use crate::real::{Real, finite, identity_tall, stride, view, view_mut};
use crate::tolerances::{LU_BLOCKS, LU_LARGE, LU_SMALL, lu_singular};
use crate::triangular::solve_apart;
use crate::wide_registers::clear_wide_registers;
use crate::{Failure, Scalar, Triangle, Workspace};

/// Factorises `A` into a handle.
pub(crate) fn lu<T: Real>(a: &[T], n: usize, handle: &mut [T], w: &mut Workspace<T>) -> Result<(), Failure> {
    debug_assert!(a.len() == n * n && handle.len() == n * (n + 1));
    let (f, p) = handle.split_at_mut(n * n);
    packed(a, f, n, n, p, w)
}

/// `P A = L U` of a tall or square `m x n` matrix: unit lower `L`, upper `U` and the order of the rows as numbers.
pub(crate) fn lu_factors<T: Real>(
    a: &[T],
    m: usize,
    n: usize,
    l: &mut [T],
    u: &mut [T],
    p: &mut [T],
    w: &mut Workspace<T>,
) -> Result<(), Failure> {
    debug_assert!(m >= n && a.len() == m * n && l.len() == m * n && u.len() == n * n && p.len() == m);
    packed(a, l, m, n, p, w)?;
    for j in 0..n {
        let above = &mut l[j * m..=j + j * m];
        u[j * n..=j + j * n].copy_from_slice(above);
        u[j + 1 + j * n..(j + 1) * n].fill(T::zero());
        above.fill(T::zero());
        above[j] = T::one();
    }
    Ok(())
}

/// The packed factors of an `m x n` matrix of full rank, `m >= n`.
fn packed<T: Real>(a: &[T], f: &mut [T], m: usize, n: usize, p: &mut [T], w: &mut Workspace<T>) -> Result<(), Failure> {
    finite(a)?;
    let blocks = n >= LU_BLOCKS && !panels::wanted(m, n);
    if !blocks {
        f.copy_from_slice(a);
    }
    let limit = lu_singular::<T>(n);
    let fixed = match (m, n) {
        (1, 1) => crate::fixed::lu::<T, 1>(f, p, limit),
        (2, 2) => crate::fixed::lu::<T, 2>(f, p, limit),
        (3, 3) => crate::fixed::lu::<T, 3>(f, p, limit),
        (4, 4) => crate::fixed::lu::<T, 4>(f, p, limit),
        _ if blocks => {
            by_blocks(a, f, m, n, p, w);
            Ok(false)
        }
        _ => {
            in_place(f, m, n, p, w)?;
            if !is_small(m, n) && has_tiny_pivot(f, m, n) {
                f.copy_from_slice(a);
                factor(f, m, n, p).map_err(|index| Failure::Singular { index, ratio: 0.0 })?;
            }
            Ok(false)
        }
    };
    match fixed {
        Ok(true) => Ok(()),
        Ok(false) => regular(a, f, m, n, p, limit),
        Err(index) => Err((index, T::zero())),
    }
    .map_err(|(index, ratio)| match Float::is_nan(ratio) {
        // A quotient of infinities.
        true => Failure::Overflow { what: "a pivot of LU" },
        false => Failure::Singular { index, ratio: Scalar::f64(ratio) },
    })
}

/// Is a matrix left to the plain loops, which divide?
fn is_small(m: usize, n: usize) -> bool {
    m * n <= LU_SMALL * LU_SMALL
}

/// Is the first pivot that is not a normal number below them? Its reciprocal, by which large factorisations multiply,
/// may overflow, while no quotient by it does.
fn has_tiny_pivot<T: Real>(f: &[T], m: usize, n: usize) -> bool {
    let mut pivots = (0..n).map(|j| Float::abs(f[j + j * m]));
    pivots.find(|x| !Float::is_normal(*x)).is_some_and(|x| x > T::zero() && Float::is_finite(x))
}

/// The same of any matrix whose pivots are not exactly zero, in its place.
#[inline(never)]
fn in_place<T: Real>(f: &mut [T], m: usize, n: usize, p: &mut [T], w: &mut Workspace<T>) -> Result<(), Failure> {
    if is_small(m, n) {
        return factor(f, m, n, p).map_err(|index| Failure::Singular { index, ratio: 0.0 });
    }
    // Half of faer's own threshold.
    let params = PartialPivLuParams { recursion_threshold: 8, ..Auto::<T>::auto() }.into();
    let need = lu_in_place_scratch::<usize, T>(m, n, Par::Seq, params);
    let (stack, [], index) = w.lend(need, [], 2 * m);
    let (perm, inverse) = index.split_at_mut(m);
    if panels::wanted(m, n) {
        panels::lu(view_mut(f, m, n), perm);
    } else {
        lu_in_place(view_mut(f, m, n), perm, inverse, Par::Seq, stack, params);
        clear_wide_registers();
    }
    for i in 0..m {
        p[i] = T::of(perm[i] as f64);
    }
    Ok(())
}

/// The same of a large matrix, which is read where it stands.
#[inline(never)]
fn by_blocks<T: Real>(a: &[T], f: &mut [T], m: usize, n: usize, p: &mut [T], w: &mut Workspace<T>) {
    let (lengths, indices) = lu_blocks::lengths(m, n);
    let (_, memory, index) = w.lend(StackReq::EMPTY, lengths, indices);
    lu_blocks::lu(a, f, m, n, p, memory, index);
}

/// Is each pivot finite and more than the rounding error of the sum that it comes from, `a_ij - sum_k l_ik u_kj`? If
/// not, which is the first that is not, and its size beside the terms.
#[inline(never)]
fn regular<T: Real>(a: &[T], f: &[T], m: usize, n: usize, p: &[T], limit: T) -> Result<(), (usize, T)> {
    let verdict = |j: usize, products: T| {
        let terms = products + Float::abs(a[Scalar::f64(p[j]) as usize + j * m]);
        let pivot = Float::abs(f[j + j * m]);
        if pivot > limit * terms && Float::is_finite(pivot) {
            return Ok(());
        }
        Err((j, if terms > T::zero() { pivot / terms } else { T::zero() }))
    };
    let product = |j: usize, k: usize| Float::abs(f[j + k * m] * f[k + j * m]);
    if n < LU_LARGE {
        return (0..n).try_for_each(|j| verdict(j, (0..j).fold(T::zero(), |sum, k| sum + product(j, k))));
    }
    // The entries of a few rows lie beside each other.
    for from in (0..n).step_by(TOGETHER) {
        let width = TOGETHER.min(n - from);
        let mut sums = [T::zero(); TOGETHER];
        for k in 0..from {
            sums[..width].iter_mut().zip(from..).for_each(|(sum, j)| *sum += product(j, k));
        }
        for (sum, j) in sums[..width].iter().zip(from..) {
            verdict(j, (from..j).fold(*sum, |sum, k| sum + product(j, k)))?;
        }
    }
    Ok(())
}

/// Pivots that are checked together.
const TOGETHER: usize = 8;

/// Right-looking elimination; or which pivot is zero.
fn factor<T: Real>(f: &mut [T], m: usize, n: usize, p: &mut [T]) -> Result<(), usize> {
    for i in 0..m {
        p[i] = T::of(i as f64);
    }
    for j in 0..n {
        let mut best = j;
        for i in j + 1..m {
            if Float::abs(f[i + j * m]) > Float::abs(f[best + j * m]) {
                best = i;
            }
        }
        if best != j {
            p.swap(j, best);
            for c in f.chunks_exact_mut(m) {
                c.swap(j, best);
            }
        }
        let (head, rest) = f.split_at_mut((j + 1) * m);
        let column = &mut head[j * m + j..];
        let pivot = column[0];
        if pivot == T::zero() {
            return Err(j);
        }
        // Division, not multiplication by the inverse: the pivot may be tiny.
        column[1..].iter_mut().for_each(|x| *x /= pivot);
        for c in rest.chunks_exact_mut(m) {
            let s = c[j];
            for (x, l) in c[j + 1..].iter_mut().zip(&column[1..]) {
                *x -= s * *l;
            }
        }
    }
    Ok(())
}

const LOWER: Triangle = Triangle::LOWER.unit_diagonal();
const UPPER: Triangle = Triangle::UPPER;

/// `X = A^{-1} X` or `A^{-T} X`: from `PA = LU`, `A^{-1} = U^{-1} L^{-1} P` and `A^{-T} = P^T L^{-T} U^{-T}`.
pub(crate) fn lu_solve<T: Real>(handle: &[T], n: usize, transpose: bool, x: &mut [T], k: usize, w: &mut Workspace<T>) {
    debug_assert!(handle.len() == n * (n + 1) && x.len() == n * k);
    let (f, p) = handle.split_at(n * n);
    match n {
        1 => return crate::fixed::lu_solve::<T, 1>(f, p, transpose, x),
        2 => return crate::fixed::lu_solve::<T, 2>(f, p, transpose, x),
        3 => return crate::fixed::lu_solve::<T, 3>(f, p, transpose, x),
        4 => return crate::fixed::lu_solve::<T, 4>(f, p, transpose, x),
        _ => {}
    }
    substitute(f, p, n, transpose, x, k, w);
}

#[inline(never)]
fn substitute<T: Real>(f: &[T], p: &[T], n: usize, transpose: bool, x: &mut [T], k: usize, w: &mut Workspace<T>) {
    if x.is_empty() {
        return;
    }
    let apart = columns_apart(n);
    let (_, [y], order) = w.lend(StackReq::EMPTY, [apart * k], n);
    order.iter_mut().zip(p).for_each(|(order, p)| *order = Scalar::f64(*p) as usize);
    if transpose {
        y.chunks_exact_mut(apart).zip(x.chunks_exact(n)).for_each(|(y, x)| y[..n].copy_from_slice(x));
        solve_apart(f, Triangle { transpose, ..UPPER }, y, apart, n, k);
        solve_apart(f, Triangle { transpose, ..LOWER }, y, apart, n, k);
        for (x, y) in x.chunks_exact_mut(n).zip(y.chunks_exact(apart)) {
            order.iter().zip(y).for_each(|(&to, y)| x[to] = *y);
        }
    } else {
        for (x, y) in x.chunks_exact(n).zip(y.chunks_exact_mut(apart)) {
            y.iter_mut().zip(&*order).for_each(|(y, &from)| *y = x[from]);
        }
        solve_apart(f, LOWER, y, apart, n, k);
        solve_apart(f, UPPER, y, apart, n, k);
        x.chunks_exact_mut(n).zip(y.chunks_exact(apart)).for_each(|(x, y)| x.copy_from_slice(&y[..n]));
    }
}

/// How far right-hand sides of `n` entries are apart while a solve is at work.
fn columns_apart(n: usize) -> usize {
    if n < LU_BLOCKS { n } else { stride(n) }
}

/// `A^{-1} = U^{-1} L^{-1} P`: column `p_i` of it is column `i` of `U^{-1} L^{-1}`.
pub(crate) fn lu_inverse<T: Real>(handle: &[T], n: usize, out: &mut [T], w: &mut Workspace<T>) {
    if n < LU_LARGE {
        identity_tall(out, n);
        return lu_solve(handle, n, false, out, n, w);
    }
    columns_exchanged(handle, n, out, w);
}

#[inline(never)]
fn columns_exchanged<T: Real>(handle: &[T], n: usize, out: &mut [T], w: &mut Workspace<T>) {
    let ((f, p), apart) = (handle.split_at(n * n), columns_apart(n));
    let [x] = w.slices([apart * n]);
    identity_tall(x, apart);
    let unknown = MatMut::from_column_major_slice_with_stride_mut(&mut *x, n, n, apart);
    invert_unit_lower_triangular(unknown, view(f, n, n), Par::Seq);
    clear_wide_registers();
    solve_apart(f, UPPER, x, apart, n, n);
    for (x, p) in x.chunks_exact(apart).zip(p) {
        out[Scalar::f64(*p) as usize * n..][..n].copy_from_slice(&x[..n]);
    }
}

/// The sign of the determinant: the parity of the row order and of the signs of the pivots.
pub(crate) fn lu_sign<T: Real>(handle: &[T], n: usize) -> T {
    let (f, p) = handle.split_at(n * n);
    let odd = (0..n).fold(false, |odd, i| {
        let behind = p[..i].iter().filter(|x| **x > p[i]).count();
        odd ^ (behind % 2 == 1) ^ (f[i + i * n] < T::zero())
    });
    if odd { -T::one() } else { T::one() }
}

/// `log |det A|`.
pub(crate) fn lu_logabsdet<T: Real>(handle: &[T], n: usize) -> T {
    (0..n).fold(T::zero(), |s, j| s + Float::ln(Float::abs(handle[j + j * n])))
}
