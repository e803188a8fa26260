//! Tangents and cotangents of the LU factors of a square matrix of order up to four, in registers; for pairs, the same
//! in dual numbers. The rules and their derivation are the primitive's (`P A = L U`); larger matrices follow them by
//! products and solves.
//!
//! - push: `T = L^{-1} P dA U^{-1}`, then `dL = L stril(T)`, `dU = triu(T) U`;
//! - pull: `gA = P^T L^{-T} (stril(L^T gL) + triu(gU U^T)) U^{-T}`.

use crate::Scalar;
use crate::field::{Columns, ColumnsMut, DualNumber, Field, WithTangent, columns, columns_mut, pairs, up_to_four};
use crate::real::Real;

/// The tangents of `L` and `U` along `da`, from `[L, U, p, da]`. The result is `false` if `n > 4` and nothing was done.
pub(crate) fn push<T: Real>(x: [&[T]; 4], n: usize, dl: &mut [T], du: &mut [T]) -> bool {
    up_to_four!(n, push_reals(x, dl, du))
}

/// The cotangent of `A` from `[L, U, p]` and the cotangents of `L` and `U`.
pub(crate) fn pull<T: Real>(x: [&[T]; 3], n: usize, g: [Option<&[T]>; 2], out: &mut [T]) -> bool {
    up_to_four!(n, pull_reals(x, g, out))
}

/// The same with tangents.
pub(crate) fn pull_pairs<T: Real>(
    x: [WithTangent<'_, T>; 2],
    p: &[T],
    n: usize,
    g: [Option<WithTangent<'_, T>>; 2],
    out: (&mut [T], &mut [T]),
) -> bool {
    up_to_four!(n, pull_duals(x, p, g, out))
}

fn push_reals<const N: usize, T: Real>([l, u, p, da]: [&[T]; 4], dl: &mut [T], du: &mut [T]) {
    let [l, u, a]: [[[T; N]; N]; 3] = [l, u, da].map(|x| columns::<T, N>(x, N).block());
    let (p, mut t) = (order::<N, T>(p), [[T::ZERO; N]; N]);
    // `P dA U^{-1}`, column by column; then `L^{-1}` of each.
    for j in 0..N {
        for i in 0..N {
            let rest = (0..j).fold(a[j][p[i]], |s, k| s - t[k][i] * u[j][k]);
            t[j][i] = rest / u[j][j];
        }
    }
    for column in &mut t {
        for k in 0..N {
            for i in k + 1..N {
                let known = column[k];
                column[i] -= l[k][i] * known;
            }
        }
    }
    let (mut dl, mut du) = (columns_mut::<T, N>(dl, N), columns_mut::<T, N>(du, N));
    for j in 0..N {
        for i in 0..N {
            dl.put(j, i, (j + 1..=i).fold(T::ZERO, |s, k| s + l[k][i] * t[j][k]));
            du.put(j, i, (i..=j).fold(T::ZERO, |s, k| s + t[k][i] * u[j][k]));
        }
    }
}

fn pull_reals<const N: usize, T: Real>([l, u, p]: [&[T]; 3], g: [Option<&[T]>; 2], out: &mut [T]) {
    let [l, u] = [l, u].map(|x| columns::<T, N>(x, N).block());
    let g = g.map(|g| g.map(|g| columns::<T, N>(g, N).block()));
    pull_of::<N, T>([l, u], order(p), g, columns_mut::<T, N>(out, N));
}

fn pull_duals<const N: usize, T: Real>(
    x: [WithTangent<'_, T>; 2],
    p: &[T],
    g: [Option<WithTangent<'_, T>>; 2],
    (out, dout): (&mut [T], &mut [T]),
) {
    let x = x.map(|x| pairs::<N, T>(x, N).block());
    let g = g.map(|g| g.map(|g| pairs::<N, T>(g, N).block()));
    pull_of::<N, DualNumber<T>>(x, order(p), g, (columns_mut::<T, N>(out, N), columns_mut::<T, N>(dout, N)));
}

/// The order of the rows. NaN, where a factorisation failed, becomes 0.
fn order<const N: usize, T: Real>(p: &[T]) -> [usize; N] {
    core::array::from_fn(|i| (Scalar::f64(p[i]) as usize).min(N - 1))
}

#[inline(always)]
fn pull_of<const N: usize, F: Field>(
    [l, u]: [[[F; N]; N]; 2],
    p: [usize; N],
    [gl, gu]: [Option<[[F; N]; N]>; 2],
    mut out: impl ColumnsMut<F>,
) {
    // m[j][i] is entry (i, j), as in every block.
    let mut m = [[F::ZERO; N]; N];
    if let Some(g) = gl {
        for j in 0..N {
            for i in j + 1..N {
                m[j][i] = (i..N).fold(F::ZERO, |s, k| s + l[i][k] * g[j][k]);
            }
        }
    }
    if let Some(g) = gu {
        for j in 0..N {
            for i in 0..=j {
                m[j][i] = (j..N).fold(F::ZERO, |s, k| s + g[k][i] * u[k][j]);
            }
        }
    }
    for x in &mut m {
        for i in (0..N).rev() {
            for k in i + 1..N {
                let known = x[k];
                x[i] -= l[i][k] * known;
            }
        }
    }
    for j in (0..N).rev() {
        for i in 0..N {
            for k in j + 1..N {
                let known = m[k][i];
                m[j][i] -= known * u[k][j];
            }
            m[j][i] /= u[j][j];
            out.put(j, p[i], m[j][i]);
        }
    }
}
