//! The polar factors of a tall matrix by its thin SVD, and the Lyapunov equation their derivatives solve.

use faer::Par;
use faer::diag::DiagMut;
use faer::linalg::svd::{ComputeSvdVectors, svd, svd_scratch};

use crate::gemm::gemm;
use crate::real::{Real, balance, finite, max_abs, mirror, view, view_mut};
use crate::tolerances::polar_rank;
use crate::{Failure, Scalar, Workspace};

/// `A = W H` with `W` orthonormal and `H` positive definite; `handle` is `H = V diag(s) V'` with `s` descending.
pub(crate) fn polar<T: Real>(
    a: &[T],
    m: usize,
    n: usize,
    wf: &mut [T],
    h: &mut [T],
    handle: &mut [T],
    w: &mut Workspace<T>,
) -> Result<(), Failure> {
    debug_assert!(a.len() == m * n && wf.len() == m * n && h.len() == n * n && handle.len() == n * (n + 1));
    if m < n {
        return Err(Failure::Unsupported { what: "a polar factorisation of a wide matrix" });
    }
    finite(a)?;
    if n == 0 {
        return Ok(());
    }
    let (v, s) = handle.split_at_mut(n * n);
    let scale = balance(max_abs(a));
    let thin = ComputeSvdVectors::Thin;
    let need = svd_scratch::<T>(m, n, thin, thin, Par::Seq, Default::default());
    let (stack, [scaled, u], _) = w.lend(need, [m * n, m * n], 0);
    crate::elementwise::scale(scale, a, scaled);
    let (x, d) = (view(scaled, m, n), DiagMut::from_slice_mut(s));
    svd(x, d, Some(view_mut(u, m, n)), Some(view_mut(v, n, n)), Par::Seq, stack, Default::default())
        .map_err(|_| Failure::NoConvergence)?;
    let (largest, smallest) = (s[0], s[n - 1]);
    if !(smallest > polar_rank::<T>(m, n) * largest) {
        let ratio = if largest > T::zero() { Scalar::f64(smallest / largest) } else { 0.0 };
        return Err(Failure::RankDeficient { index: n - 1, ratio });
    }
    gemm(wf, m, n, n, T::one(), u, false, v, true, false);
    s.iter_mut().for_each(|x| *x /= scale);
    let vs = &mut scaled[..n * n];
    for j in 0..n {
        crate::elementwise::scale(s[j], &v[j * n..(j + 1) * n], &mut vs[j * n..(j + 1) * n]);
    }
    gemm(h, n, n, n, T::one(), vs, false, v, true, false);
    mirror(h, n, true);
    Ok(())
}

/// `H X + X H = C` from `H = V diag(s) V'`: `X = V [(V' C V)_ij / (s_i + s_j)] V'`.
pub(crate) fn sym_lyap<T: Real>(
    handle: &[T],
    n: usize,
    c: &[T],
    out: &mut [T],
    w: &mut Workspace<T>,
) -> Result<(), Failure> {
    debug_assert!(handle.len() == n * (n + 1) && c.len() == n * n && out.len() == n * n);
    finite(c)?;
    let (v, s) = handle.split_at(n * n);
    let [x, y] = w.slices([n * n; 2]);
    gemm(x, n, n, n, T::one(), v, true, c, false, false);
    gemm(y, n, n, n, T::one(), x, false, v, false, false);
    for j in 0..n {
        for i in 0..n {
            let sum = s[i] + s[j];
            if !(sum > T::zero()) {
                return Err(Failure::Singular { index: i, ratio: 0.0 });
            }
            y[i + j * n] /= sum;
        }
    }
    gemm(x, n, n, n, T::one(), v, false, y, false, false);
    gemm(out, n, n, n, T::one(), x, false, v, true, false);
    Ok(())
}
