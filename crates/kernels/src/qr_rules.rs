//! Tangents and cotangents of thin QR factors with up to four columns, row by row in registers; for pairs, the same in
//! dual numbers. The rules and their derivation are the primitive's (`A = Q R`); larger matrices follow them by
//! products and solves.
//!
//! - push: `T = dA R^{-1}`, `S = fold(Q^T T)`, then `dQ = T - Q S`, `dR = S R`;
//! - pull: `gA = (gQ + Q copy(gR R^T - Q^T gQ)) R^{-T}`.
//!
//! `fold(C) = triu(C) + stril(C)^T`, and `copy(M) = triu(M) + striu(M)^T` is its adjoint. Cost: as by products, without
//! their calls.

use crate::field::{Columns, ColumnsMut, DualNumber, Field, WithTangent, columns, columns_mut, pairs, up_to_four};
use crate::real::Real;

/// The tangents of `Q` and `R` along `da`.
pub(crate) fn push<T: Real>(x: [&[T]; 3], m: usize, n: usize, dq: &mut [T], dr: &mut [T]) -> bool {
    up_to_four!(n, push_reals(x, m, dq, dr))
}

/// The cotangent `gA` in place of `gQ`, which `g` holds.
pub(crate) fn pull<T: Real>(x: [&[T]; 2], m: usize, n: usize, gr: Option<&[T]>, g: &mut [T]) -> bool {
    up_to_four!(n, pull_reals(x, m, gr, g))
}

/// The same with tangents: `gA` and its own tangent in place of `gQ` and its own.
pub(crate) fn pull_pairs<T: Real>(
    x: [WithTangent<'_, T>; 2],
    m: usize,
    n: usize,
    gr: Option<WithTangent<'_, T>>,
    g: (&mut [T], &mut [T]),
) -> bool {
    up_to_four!(n, pull_duals(x, m, gr, g))
}

fn push_reals<const N: usize, T: Real>([q, r, da]: [&[T]; 3], m: usize, dq: &mut [T], dr: &mut [T]) {
    let (q, r, da) = (columns::<T, N>(q, m), columns::<T, N>(r, N), columns::<T, N>(da, m));
    push_of::<N, T>([q, da], r, m, columns_mut::<T, N>(dq, m), columns_mut::<T, N>(dr, N));
}

fn pull_reals<const N: usize, T: Real>([q, r]: [&[T]; 2], m: usize, gr: Option<&[T]>, g: &mut [T]) {
    let gr = gr.map(|g| columns::<T, N>(g, N).block());
    pull_of::<N, T>(columns::<T, N>(q, m), columns::<T, N>(r, N), m, gr, columns_mut::<T, N>(g, m));
}

fn pull_duals<const N: usize, T: Real>(
    [q, r]: [WithTangent<'_, T>; 2],
    m: usize,
    gr: Option<WithTangent<'_, T>>,
    (g, dg): (&mut [T], &mut [T]),
) {
    let gr = gr.map(|g| pairs::<N, T>(g, N).block());
    let g = (columns_mut::<T, N>(g, m), columns_mut::<T, N>(dg, m));
    pull_of::<N, DualNumber<T>>(pairs::<N, T>(q, m), pairs::<N, T>(r, N), m, gr, g);
}

#[inline(always)]
fn push_of<const N: usize, F: Field>(
    [q, da]: [impl Columns<F>; 2],
    r: impl Columns<F>,
    m: usize,
    mut dq: impl ColumnsMut<F>,
    mut dr: impl ColumnsMut<F>,
) {
    let r: [[F; N]; N] = r.block();
    // c[j][i] is entry (i, j).
    let mut c = [[F::ZERO; N]; N];
    for k in 0..m {
        let mut t: [F; N] = core::array::from_fn(|j| da.at(j, k));
        for j in 0..N {
            for i in 0..j {
                let known = t[i];
                t[j] -= known * r[j][i];
            }
            t[j] /= r[j][j];
            dq.put(j, k, t[j]);
        }
        for j in 0..N {
            for i in 0..N {
                c[j][i] += q.at(i, k) * t[j];
            }
        }
    }
    let s: [[F; N]; N] = core::array::from_fn(|j| {
        core::array::from_fn(|i| match i.cmp(&j) {
            core::cmp::Ordering::Less => c[j][i] + c[i][j],
            core::cmp::Ordering::Equal => c[j][i],
            core::cmp::Ordering::Greater => F::ZERO,
        })
    });
    for j in 0..N {
        for i in 0..N {
            // Upper times upper.
            let sum = (i..=j).fold(F::ZERO, |sum, k| sum + s[k][i] * r[j][k]);
            dr.put(j, i, sum);
        }
    }
    for k in 0..m {
        for j in 0..N {
            let x = (0..=j).fold(dq.at(j, k), |x, i| x - q.at(i, k) * s[j][i]);
            dq.put(j, k, x);
        }
    }
}

#[inline(always)]
fn pull_of<const N: usize, F: Field>(
    q: impl Columns<F>,
    r: impl Columns<F>,
    m: usize,
    gr: Option<[[F; N]; N]>,
    mut g: impl ColumnsMut<F>,
) {
    let r: [[F; N]; N] = r.block();
    // c[j][i], i <= j, is the upper triangle that `copy` sees.
    let mut c = [[F::ZERO; N]; N];
    if let Some(gr) = gr {
        for j in 0..N {
            for i in 0..=j {
                c[j][i] = (j..N).fold(F::ZERO, |s, k| s + gr[k][i] * r[k][j]);
            }
        }
    }
    for k in 0..m {
        for j in 0..N {
            for i in 0..=j {
                c[j][i] -= q.at(i, k) * g.at(j, k);
            }
        }
    }
    for k in 0..m {
        let mut x: [F; N] = core::array::from_fn(|j| g.at(j, k));
        for j in (0..N).rev() {
            for i in 0..N {
                x[j] += q.at(i, k) * if i <= j { c[j][i] } else { c[i][j] };
            }
            for i in j + 1..N {
                let known = x[i];
                x[j] -= known * r[i][j];
            }
            x[j] /= r[j][j];
            g.put(j, k, x[j]);
        }
    }
}
