//! The polar factors of a tall matrix: by one-sided Jacobi for small ones, else by the eigenvectors of `A^T A`, which
//! are corrected (`svd_gram.rs`) where the condition costs digits, else by faer's SVD; and the Lyapunov equation their
//! derivatives solve. No derivative lives here.

use num_traits::Float;

use crate::gemm::gemm;
use crate::real::{Real, balance, finite, identity_tall, max_abs, mirror};
use crate::sums::dot;
use crate::svd_gram;
use crate::tolerances::{ITERATIONS, POLAR_ROWS, POLAR_SMALL, largest, polar_gram, polar_rank, unit_range};
use crate::{Failure, Scalar, Workspace};

/// `A = W H` with `W` orthonormal and `H` positive definite; `handle` is `H = V diag(s) V^T`, `s` in no order.
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
    let scale = balance(max_abs(a), unit_range());
    if n > POLAR_SMALL || m > POLAR_ROWS {
        let mut buffer = w.take(2 * m * n + n * n);
        let done = by_gram(a, m, n, scale, wf, h, handle, &mut buffer, w);
        w.put(buffer);
        if done {
            return representable(handle, n);
        }
    }
    let mut buffer = w.take(m * n + n * n);
    let (u, vs) = buffer[..m * n + n * n].split_at_mut(m * n);
    let (v, s) = handle.split_at_mut(n * n);
    let done = if n <= POLAR_SMALL && m <= POLAR_ROWS {
        crate::wide::flat::scale(scale, a, u);
        jacobi(u, m, n, v, s)
    } else {
        crate::svd::whole(a, m, n, scale, (u, v, s), w)
    };
    let done = done.and_then(|()| full_rank(s, m)).map_err(|f| told_of_columns(f, v, n));
    if done.is_ok() {
        factors(u, m, n, scale, (wf, h), (v, s), vs);
    }
    w.put(buffer);
    done.and_then(|()| representable(handle, n))
}

/// Are the singular values in the handle finite? Infinite ones would make derivatives zero.
fn representable<T: Real>(handle: &[T], n: usize) -> Result<(), Failure> {
    if crate::sums::all_finite(&handle[n * n..]) { Ok(()) } else { Err(Failure::Overflow { what: "a polar factor" }) }
}

/// `W = U V^T` and `H = V diag(s) V^T` from the decomposition of the scaled matrix; `s` becomes that of the matrix.
fn factors<T: Real>(
    u: &[T],
    m: usize,
    n: usize,
    scale: T,
    (wf, h): (&mut [T], &mut [T]),
    (v, s): (&[T], &mut [T]),
    vs: &mut [T],
) {
    gemm(wf, m, n, n, T::one(), u, false, v, true, false);
    s.iter_mut().for_each(|x| *x /= scale);
    for j in 0..n {
        crate::wide::flat::scale(s[j], &v[j * n..(j + 1) * n], &mut vs[j * n..(j + 1) * n]);
    }
    gemm(h, n, n, n, T::one(), vs, false, v, true, false);
    mirror(h, n, true);
}

/// From `A^T A = V diag(s^2) V^T`: `W = A V diag(1/s) V^T` where the condition of `A` costs no digits, else by the
/// corrected singular vectors. `false`, and nothing of use, where these cannot be had so.
fn by_gram<T: Real>(
    a: &[T],
    m: usize,
    n: usize,
    scale: T,
    wf: &mut [T],
    h: &mut [T],
    handle: &mut [T],
    buffer: &mut [T],
    w: &mut Workspace<T>,
) -> bool {
    let (x, rest) = buffer.split_at_mut(m * n);
    let (u, rest) = rest.split_at_mut(m * n);
    let g = &mut rest[..n * n];
    crate::wide::flat::scale(scale, a, x);
    if svd_gram::eigenvectors(x, m, n, g, handle, w).is_err() {
        return false;
    }
    let (v, s) = handle.split_at_mut(n * n);
    if s[0] <= polar_gram::<T>() * s[n - 1] {
        let done = svd_gram::corrected(x, m, n, u, v, s, w);
        if done {
            factors(u, m, n, scale, (wf, h), (v, s), g);
        }
        return done;
    }
    s.iter_mut().for_each(|x| *x = Float::sqrt(*x));
    let columns = |factor: &dyn Fn(T) -> T, g: &mut [T]| {
        for ((g, v), &s) in g.chunks_exact_mut(n).zip(v.chunks_exact(n)).zip(&*s) {
            crate::wide::flat::scale(factor(s), v, g);
        }
    };
    columns(&|s| T::one() / s, g);
    gemm(h, n, n, n, T::one(), g, false, v, true, false);
    gemm(wf, m, n, n, T::one(), x, false, h, false, false);
    columns(&|s| s / scale, g);
    gemm(h, n, n, n, T::one(), g, false, v, true, false);
    mirror(h, n, true);
    s.iter_mut().for_each(|x| *x /= scale);
    true
}

/// Is the smallest singular value more than rounding of the largest?
fn full_rank<T: Real>(s: &[T], m: usize) -> Result<(), Failure> {
    let most = max_abs(s);
    for (index, &x) in s.iter().enumerate() {
        if x <= polar_rank::<T>(m, s.len()) * most {
            let ratio = if most > T::zero() { Scalar::f64(x / most) } else { 0.0 };
            return Err(Failure::RankDeficient { index, ratio });
        }
    }
    Ok(())
}

/// The failure told of the matrix: of the columns whose combination vanishes, which is one of `v`, the one that counts
/// most, and the last of several.
fn told_of_columns<T: Real>(f: Failure, v: &[T], n: usize) -> Failure {
    let Failure::RankDeficient { index, ratio } = f else { return f };
    let combination = &v[index * n..][..n];
    let enough = max_abs(combination) * (T::one() - largest::<T>());
    let index = combination.iter().rposition(|x| Float::abs(*x) >= enough).unwrap_or(index);
    Failure::RankDeficient { index, ratio }
}

/// One-sided Jacobi: rotations from the right make the columns of `u` orthogonal; then `u = U diag(s)`, in no order.
pub(crate) fn jacobi<T: Real>(u: &mut [T], m: usize, n: usize, v: &mut [T], s: &mut [T]) -> Result<(), Failure> {
    // Around a few numbers loops of a known length are worth a copy of the code.
    match (m, n) {
        (4, 4) => orthogonalise(&mut u[..16], 4, 4, &mut v[..16], &mut s[..4]),
        _ => orthogonalise(u, m, n, v, s),
    }
}

#[inline(always)]
fn orthogonalise<T: Real>(u: &mut [T], m: usize, n: usize, v: &mut [T], s: &mut [T]) -> Result<(), Failure> {
    identity_tall(v, n);
    let limit = T::EPS * Float::sqrt(T::of(m as f64));
    let mut rotated = true;
    let mut sweeps = 0;
    while rotated {
        if sweeps == ITERATIONS {
            return Err(Failure::NoConvergence);
        }
        sweeps += 1;
        rotated = false;
        for q in 1..n {
            for p in 0..q {
                let (x, y) = pair(u, m, p, q);
                let (a, b, g) = (dot(x, x), dot(y, y), dot(x, y));
                let (low, high) = if a < b { (a, b) } else { (b, a) };
                if low <= T::EPS * T::EPS * high {
                    // The ratio of these two lengths bounds that of the extreme singular values from above.
                    let ratio = if high > T::zero() { Scalar::f64(low / high).sqrt() } else { 0.0 };
                    return Err(Failure::RankDeficient { index: if a < b { p } else { q }, ratio });
                }
                if Float::abs(g) <= limit * Float::sqrt(a) * Float::sqrt(b) {
                    continue;
                }
                rotated = true;
                let z = (b - a) / (g + g);
                let root = Float::sqrt(T::one() + z * z);
                let t = if z < T::zero() { -T::one() / (root - z) } else { T::one() / (root + z) };
                let c = T::one() / Float::sqrt(T::one() + t * t);
                rotate(x, y, c, c * t);
                let (x, y) = pair(v, n, p, q);
                rotate(x, y, c, c * t);
            }
        }
    }
    for (index, (u, s)) in u.chunks_exact_mut(m).zip(s).enumerate() {
        *s = Float::sqrt(dot(u, u));
        let size = *s;
        // With two columns or more, the loop over pairs has refused a zero column; a single column is looked at here
        // only.
        if size == T::zero() {
            return Err(Failure::RankDeficient { index, ratio: 0.0 });
        }
        u.iter_mut().for_each(|x| *x /= size);
    }
    Ok(())
}

/// Columns `p < q` of a matrix with `m` rows.
#[inline(always)]
fn pair<T>(a: &mut [T], m: usize, p: usize, q: usize) -> (&mut [T], &mut [T]) {
    let (left, right) = a.split_at_mut(q * m);
    (&mut left[p * m..(p + 1) * m], &mut right[..m])
}

#[inline(always)]
fn rotate<T: Real>(x: &mut [T], y: &mut [T], c: T, s: T) {
    for (x, y) in x.iter_mut().zip(y) {
        (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
    }
}

/// `H X + X H = C` from `H = V diag(s) V^T`: `X = V Y V^T` with `Y_ij = (V^T C V)_ij / (s_i + s_j)`.
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
            if sum <= T::zero() {
                return Err(Failure::Singular { index: i, ratio: 0.0 });
            }
            y[i + j * n] /= sum;
        }
    }
    gemm(x, n, n, n, T::one(), v, false, y, false, false);
    gemm(out, n, n, n, T::one(), x, false, v, true, false);
    Ok(())
}
