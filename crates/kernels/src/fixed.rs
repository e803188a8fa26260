//! Cholesky, LU and triangular solves of orders up to 4 with sizes known to the compiler, so that the loops unroll into
//! registers. The arithmetic of values is that of the plain loops, operation for operation.

use num_traits::Float;

use crate::Triangle;
use crate::real::Real;

/// Column-major entries of an `N x N` matrix.
fn load<T: Real, const N: usize>(a: &[T]) -> [[T; N]; N] {
    core::array::from_fn(|j| core::array::from_fn(|i| a[j * N + i]))
}

fn store<T: Real, const N: usize>(from: &[[T; N]; N], to: &mut [T]) {
    for (column, to) in from.iter().zip(to.chunks_exact_mut(N)) {
        to.copy_from_slice(column);
    }
}

/// The greater of two numbers, and the first if one of them is not a number.
#[inline(always)]
fn greater<T: Real>(x: T, y: T) -> T {
    if y > x { y } else { x }
}

/// The Cholesky factor of the lower triangle in `l`, in place; or which pivot is not above `limit` times its diagonal
/// entry, and the pivot.
#[inline]
pub(crate) fn cholesky<T: Real, const N: usize>(l: &mut [T], limit: T) -> Result<(), (usize, T)> {
    let mut a = load::<T, N>(l);
    for j in 0..N {
        let diagonal = a[j][j];
        for k in 0..j {
            let s = a[k][j];
            for i in j..N {
                a[j][i] -= s * a[k][i];
            }
        }
        let pivot = a[j][j];
        if !(pivot > limit * diagonal && pivot > T::zero()) {
            return Err((j, pivot));
        }
        let root = Float::sqrt(pivot);
        a[j][j] = root;
        for i in j + 1..N {
            a[j][i] /= root;
        }
    }
    store(&a, l);
    Ok(())
}

/// LU with partial pivoting of `f` in place, rows ordered by `p`; or which pivot is zero. Are all pivots above `limit`
/// times the terms of their sums? Entries of `L` are at most 1, so the sums have at most `N` terms that are no larger
/// than the largest entry of `A` or `U`. Where that does not decide, they have to be looked at one by one.
#[inline]
pub(crate) fn lu<T: Real, const N: usize>(f: &mut [T], p: &mut [T], limit: T) -> Result<bool, usize> {
    let mut a = load::<T, N>(f);
    // Row by row, since a maximum of all of them would wait for each entry in turn.
    let mut largest = [T::zero(); N];
    let mut enlarge = |row: usize, x: T| largest[row] = greater(largest[row], Float::abs(x));
    a.iter().for_each(|column| (0..N).for_each(|i| enlarge(i, column[i])));
    let mut order: [usize; N] = core::array::from_fn(|i| i);
    for j in 0..N {
        let mut best = j;
        for i in j + 1..N {
            if Float::abs(a[j][i]) > Float::abs(a[j][best]) {
                best = i;
            }
        }
        if best != j {
            order.swap(j, best);
            for column in &mut a {
                column.swap(j, best);
            }
        }
        let pivot = a[j][j];
        if pivot == T::zero() {
            return Err(j);
        }
        for i in j + 1..N {
            a[j][i] /= pivot;
        }
        for k in j + 1..N {
            let s = a[k][j];
            for i in j + 1..N {
                a[k][i] -= s * a[j][i];
            }
        }
    }
    store(&a, f);
    for j in 0..N {
        p[j] = T::of(order[j] as f64);
        (0..=j).for_each(|i| enlarge(i, a[j][i]));
    }
    let bound = limit * T::of((N + 1) as f64) * largest.into_iter().fold(T::zero(), greater);
    Ok((0..N).all(|j| Float::abs(a[j][j]) > bound))
}

/// Columns of `X = A^{-1} X` or `A^{-T} X` from packed factors and the order of rows.
#[inline]
pub(crate) fn lu_solve<T: Real, const N: usize>(f: &[T], p: &[T], transpose: bool, x: &mut [T]) {
    let a = load::<T, N>(f);
    let order: [usize; N] = core::array::from_fn(|i| (crate::Scalar::f64(p[i]) as usize).min(N - 1));
    for x in x.chunks_exact_mut(N) {
        if transpose {
            let mut y: [T; N] = core::array::from_fn(|i| x[i]);
            for j in 0..N {
                for i in 0..j {
                    y[j] -= a[j][i] * y[i];
                }
                y[j] /= a[j][j];
            }
            for j in (0..N).rev() {
                for i in j + 1..N {
                    y[j] -= a[j][i] * y[i];
                }
            }
            (0..N).for_each(|i| x[order[i]] = y[i]);
        } else {
            let mut y: [T; N] = core::array::from_fn(|i| x[order[i]]);
            for j in 0..N {
                for i in j + 1..N {
                    y[i] -= a[j][i] * y[j];
                }
            }
            for j in (0..N).rev() {
                y[j] /= a[j][j];
                for i in 0..j {
                    y[i] -= a[j][i] * y[j];
                }
            }
            x.copy_from_slice(&y);
        }
    }
}

/// Columns of `X = op(T)^{-1} X`.
#[inline]
pub(crate) fn trsm_left<T: Real, const N: usize>(t: &[T], how: Triangle, x: &mut [T]) {
    let mut a = load::<T, N>(t);
    if how.transpose {
        for j in 0..N {
            for i in 0..j {
                (a[j][i], a[i][j]) = (a[i][j], a[j][i]);
            }
        }
    }
    for x in x.chunks_exact_mut(N) {
        let mut y: [T; N] = core::array::from_fn(|i| x[i]);
        if how.is_lower() != how.transpose {
            for j in 0..N {
                if !how.unit {
                    y[j] /= a[j][j];
                }
                for i in j + 1..N {
                    y[i] -= a[j][i] * y[j];
                }
            }
        } else {
            for j in (0..N).rev() {
                if !how.unit {
                    y[j] /= a[j][j];
                }
                for i in 0..j {
                    y[i] -= a[j][i] * y[j];
                }
            }
        }
        x.copy_from_slice(&y);
    }
}
