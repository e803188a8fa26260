//! Thin QR of tall matrices in normal form (positive diagonal). Wide matrices and their conventions do not live here.

use num_traits::Float;

use crate::householder::{self, Householder};
use crate::real::{Real, balance, finite, max_abs};
use crate::tolerances::{QR_SMALL, qr_rank, safe_range, unit_range};
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
    if m * n <= QR_SMALL { small(a, m, n, q, r, w) } else { large(a, m, n, q, r, w) }?;
    // What is divided by an infinite pivot would be zero.
    match (0..n).all(|j| Float::is_finite(r[j + j * n])) {
        true => Ok(()),
        false => Err(Failure::Overflow { what: "a pivot of QR" }),
    }
}

/// Copies a column, scaled to a safe size; the scale and the norm of the scaled column.
fn load<T: Real>(a: &[T], out: &mut [T]) -> (T, T) {
    let s = balance(max_abs(a), safe_range());
    // Small entries of a column of safe size square to zero harmlessly: they are below rounding.
    crate::wide::flat::scale(s, a, out);
    (s, Float::sqrt(crate::sums::dot(out, out)))
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
    let lists = w.slices([n; 4]);
    // Around a few numbers loops of a known length are worth a copy of the code.
    match (m, n) {
        (4, 2) => reflections(&a[..8], 4, 2, &mut q[..8], &mut r[..4], lists),
        (4, 4) => reflections(&a[..16], 4, 4, &mut q[..16], &mut r[..16], lists),
        _ => reflections(a, m, n, q, r, lists),
    }
}

#[inline(always)]
fn reflections<T: Real>(
    a: &[T],
    m: usize,
    n: usize,
    q: &mut [T],
    r: &mut [T],
    lists: [&mut [T]; 4],
) -> Result<(), Failure> {
    let [scales, norms, taus, signs] = lists.map(|list| &mut list[..n]);
    for (j, (a, q)) in a.chunks_exact(m).zip(q.chunks_exact_mut(m)).enumerate() {
        (scales[j], norms[j]) = load(a, q);
    }
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

/// Reflections in blocks, then applied to the thin identity.
#[inline(never)]
fn large<T: Real>(a: &[T], m: usize, n: usize, q: &mut [T], r: &mut [T], w: &mut Workspace<T>) -> Result<(), Failure> {
    let [one, two, three, four] = householder::lengths(m, n, n);
    let [one, two, three, four, scales, norms] = w.slices([one, two, three, four, n, n]);
    let mut h = Householder::new([one, two, three, four], m, n);
    for (j, a) in a.chunks_exact(m).enumerate() {
        (scales[j], norms[j]) = load(a, h.column(j));
    }
    h.factor();
    for j in 0..n {
        independent(j, m, h.column(j)[j], norms[j])?;
    }
    h.form(q);
    // Rows of R, and columns of Q, whose pivot is negative change their signs.
    r.fill(T::zero());
    for j in 0..n {
        let negative = h.column(j)[j] < T::zero();
        norms[j] = if negative { -T::one() } else { T::one() };
        if negative {
            q[j * m..(j + 1) * m].iter_mut().for_each(|x| *x = -*x);
        }
        for (i, x) in h.column(j)[..=j].iter().enumerate() {
            r[i + j * n] = norms[i] * *x / scales[j];
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
    let [one, two, three, four] = householder::lengths(m, n, k);
    let [one, two, three, four, norms] = w.slices([one, two, three, four, n]);
    let mut h = Householder::new([one, two, three, four], m, n);
    // The scale of a column does not change what is orthogonal to it.
    q.chunks_exact(m).enumerate().for_each(|(j, q)| norms[j] = load(q, h.column(j)).1);
    h.factor();
    for j in 0..n {
        independent(j, m, h.column(j)[j], norms[j])?;
    }
    h.apply(out, k);
    Ok(())
}
