//! Thin QR of tall matrices in normal form (positive diagonal). Wide matrices and their conventions do not live here.

use faer::Par;
use faer::linalg::householder::apply_block_householder_sequence_on_the_left_in_place_scratch as apply_scratch;
use faer::linalg::qr::no_pivoting::factor::{qr_in_place, qr_in_place_scratch, recommended_block_size};
use num_traits::Float;

use crate::dense::reflect_all;
use crate::panels;
use crate::real::{Real, balance, finite, identity_tall, max_abs, view, view_mut};
use crate::tolerances::{QR_SMALL, qr_rank, safe_range, unit_range};
use crate::wide_registers::clear_wide_registers;
use crate::{Failure, Scalar, Workspace};

/// Thin QR with positive diagonal.
///
/// Columns of extreme size are scaled by powers of two first, each by its own: with `D` that diagonal, `A D = Q (R D)`
/// has the same `Q`, so graded columns lose nothing and every rank verdict is invariant under such scaling.
pub(crate) fn qr_thin<T: Real>(
    a: &[T],
    m: usize,
    n: usize,
    q: &mut [T],
    r: &mut [T],
    w: &mut Workspace<T>,
) -> Result<(), Failure> {
    if m < n {
        return Err(Failure::Unsupported { what: "a thin QR of a wide matrix" });
    }
    debug_assert!(a.len() == m * n && q.len() == m * n && r.len() == n * n);
    finite(a)?;
    if n == 0 {
        return Ok(());
    }
    if m * n <= QR_SMALL { small(a, m, n, q, r, w) } else { large(a, m, n, q, r, w) }
}

/// Copies `A` with its columns scaled to safe sizes; writes the scales and the norms of the scaled columns.
fn load<T: Real>(a: &[T], m: usize, out: &mut [T], scales: &mut [T], norms: &mut [T]) {
    for (j, (a, out)) in a.chunks_exact(m).zip(out.chunks_exact_mut(m)).enumerate() {
        let s = balance(max_abs(a), safe_range());
        // Small entries of a column of safe size square to zero harmlessly: they are below rounding.
        crate::wide::flat::scale(s, a, out);
        scales[j] = s;
        norms[j] = Float::sqrt(crate::sums::dot(out, out));
    }
}

/// Is column `j`, of which `pivot` is left beside the columns before it, independent?
fn independent<T: Real>(j: usize, m: usize, pivot: T, norm: T) -> Result<(), Failure> {
    if Float::abs(pivot) > qr_rank::<T>(m, j) * norm {
        return Ok(());
    }
    let ratio = if norm == T::zero() { 0.0 } else { Scalar::f64(Float::abs(pivot) / norm) };
    Err(Failure::RankDeficient { index: j, ratio })
}

/// Unblocked Householder reflections, in the storage of `q`.
fn small<T: Real>(a: &[T], m: usize, n: usize, q: &mut [T], r: &mut [T], w: &mut Workspace<T>) -> Result<(), Failure> {
    let [scales, norms, taus, signs] = w.slices([n; 4]);
    load(a, m, q, scales, norms);
    r.fill(T::zero());
    for j in 0..n {
        let (head, rest) = q.split_at_mut((j + 1) * m);
        let v = &mut head[j * m + j..];
        let (beta, tau) = reflector(v);
        independent(j, m, beta, norms[j])?;
        taus[j] = tau;
        signs[j] = if beta < T::zero() { -T::one() } else { T::one() };
        for c in rest.chunks_exact_mut(m) {
            reflect(&v[1..], tau, &mut c[j..]);
        }
        v[0] = beta;
    }
    for j in 0..n {
        for i in 0..=j {
            r[i + j * n] = signs[i] * q[i + j * m] / scales[j];
        }
    }
    for j in (0..n).rev() {
        let (head, rest) = q.split_at_mut((j + 1) * m);
        let v = &mut head[j * m + j..];
        for c in rest.chunks_exact_mut(m) {
            reflect(&v[1..], taus[j], &mut c[j..]);
        }
        // Column j of Q is s H_j e_j, with the sign that makes r_jj positive.
        let (s, f) = (signs[j], signs[j] * taus[j]);
        v[0] = s - f;
        v[1..].iter_mut().for_each(|x| *x *= -f);
        head[j * m..j * m + j].fill(T::zero());
    }
    Ok(())
}

/// Turns `x` into `v` with `v_0 = 1` (not stored) such that `(I - tau v v^T) x = beta e_0`.
pub(crate) fn reflector<T: Real>(x: &mut [T]) -> (T, T) {
    let tail = crate::sums::dot(&x[1..], &x[1..]);
    let head = x[0];
    if tail == T::zero() && x[1..].iter().all(|&y| y == T::zero()) {
        return (head, T::zero());
    }
    let sum = head * head + tail;
    if sum < T::min_positive_value() / T::EPS {
        // The squares have lost digits to underflow.
        let s = balance(max_abs(x), unit_range());
        x.iter_mut().for_each(|y| *y *= s);
        let (beta, tau) = reflector(x);
        return (beta / s, tau);
    }
    let norm = Float::sqrt(sum);
    let beta = if head < T::zero() { norm } else { -norm };
    let scale = T::one() / (head - beta);
    x[1..].iter_mut().for_each(|y| *y *= scale);
    (beta, (beta - head) / beta)
}

/// `c -= tau v (v^T c)`; `v` is given without its leading one.
#[inline]
pub(crate) fn reflect<T: Real>(v: &[T], tau: T, c: &mut [T]) {
    let (head, c) = c.split_at_mut(1);
    let s = tau * (head[0] + crate::sums::dot(v, c));
    head[0] -= s;
    crate::wide::flat::axpy(-s, v, c);
}

/// faer's blocked factorisation, then its reflections applied to the thin identity.
fn large<T: Real>(a: &[T], m: usize, n: usize, q: &mut [T], r: &mut [T], w: &mut Workspace<T>) -> Result<(), Failure> {
    let block = recommended_block_size::<T>(m, n);
    let need = qr_in_place_scratch::<T>(m, n, block, Par::Seq, Default::default()).or(apply_scratch::<T>(m, block, n));
    let (stack, [f, coeff, scales, norms], _) = w.lend(need, [m * n, block * n, n, n], 0);
    load(a, m, f, scales, norms);
    let rank = match panels::wanted(m, n) {
        true => panels::qr(view_mut(f, m, n), view_mut(coeff, block, n)),
        false => qr_in_place(view_mut(f, m, n), view_mut(coeff, block, n), Par::Seq, stack, Default::default()).rank,
    };
    clear_wide_registers();
    for j in 0..n {
        independent(j, m, f[j + j * m], norms[j])?;
    }
    if rank < n {
        return Err(Failure::RankDeficient { index: rank, ratio: Scalar::f64(qr_rank::<T>(m, rank)) });
    }
    identity_tall(q, m);
    reflect_all(view(f, m, n), view(coeff, block, n), view_mut(q, m, n), stack);
    clear_wide_registers();
    r.fill(T::zero());
    for j in 0..n {
        for i in 0..=j {
            let x = f[i + j * m] / scales[j];
            r[i + j * n] = if f[i + i * m] < T::zero() { -x } else { x };
        }
        if f[j + j * m] < T::zero() {
            q[j * m..(j + 1) * m].iter_mut().for_each(|x| *x = -*x);
        }
    }
    Ok(())
}

/// An orthonormal basis of the complement of the columns of an orthonormal `Q` (`m x n`), as `m x (m - n)`.
///
/// The trailing columns of the product of the reflections that bring `Q` to the identity.
pub(crate) fn complement<T: Real>(
    q: &[T],
    m: usize,
    n: usize,
    out: &mut [T],
    w: &mut Workspace<T>,
) -> Result<(), Failure> {
    debug_assert!(m >= n && q.len() == m * n && out.len() == m * (m - n));
    finite(q)?;
    let k = m - n;
    out.fill(T::zero());
    for j in 0..k {
        out[n + j + j * m] = T::one();
    }
    if n == 0 || k == 0 {
        return Ok(());
    }
    let block = recommended_block_size::<T>(m, n);
    let need = qr_in_place_scratch::<T>(m, n, block, Par::Seq, Default::default()).or(apply_scratch::<T>(m, block, k));
    let (stack, [f, coeff], _) = w.lend(need, [m * n, block * n], 0);
    f.copy_from_slice(q);
    let info = qr_in_place(view_mut(f, m, n), view_mut(coeff, block, n), Par::Seq, stack, Default::default());
    if info.rank < n {
        return Err(Failure::RankDeficient { index: info.rank, ratio: 0.0 });
    }
    reflect_all(view(f, m, n), view(coeff, block, n), view_mut(out, m, k), stack);
    crate::wide_registers::clear_wide_registers();
    Ok(())
}
