//! Functions of a symmetric matrix and their derivatives of any (small) order, from an eigendecomposition.
//!
//! Everything goes through divided differences of the function at the eigenvalues (Daleckii-Krein), so ties and near
//! ties are as good as any other spectrum. The scalar functions themselves live in `divided.rs`.

use num_traits::Float;

use crate::gemm::gemm;
use crate::real::{Real, balance, finite, max_abs, mirror, symmetrise};
use crate::tolerances::{LOST_DIGITS, SPECTRAL_ORDER, power_range, spectral_gap, tie};
use crate::{Failure, Scalar, SymFn, Workspace};

/// Is the spectrum inside the domain of `f`?
///
/// An eigenvalue below rounding of the largest one proves nothing: then the matrix scaled to unit diagonal decides by
/// its Cholesky pivots. If it is positive definite, as graded matrices are, the product of the pivots tells whether the
/// small eigenvalues have digits ([`Failure::IllConditioned`] if not). That rare branch allocates.
pub(crate) fn domain<T: Real>(f: SymFn, a: &[T], handle: &[T], n: usize) -> Result<(), Failure> {
    if n == 0 || !f.needs_positive() {
        return Ok(());
    }
    let values = &handle[n * n..];
    let (index, smallest) = extreme(values, |x, y| x < y);
    let (_, largest) = extreme(values, |x, y| x > y);
    let outside = Failure::NotPositiveDefinite { index, value: Scalar::f64(smallest) };
    let gap = spectral_gap::<T>(n) * largest;
    if smallest > gap {
        return Ok(());
    }
    // Of opposite sign and more than rounding, or of no positive matrix.
    if smallest < -gap || largest <= T::zero() {
        return Err(outside);
    }
    let expected = scaled_logdet(a, n).ok_or(outside)?;
    let found = values.iter().fold(T::zero(), |s, &x| s + Float::ln(x));
    let off = Float::abs(found - expected);
    if off <= T::of(LOST_DIGITS) {
        return Ok(());
    }
    let residual = if off.is_nan() { 1.0 } else { Scalar::f64(off) };
    Err(Failure::IllConditioned {
        what: "a function of a matrix whose small eigenvalues are rounding of large ones",
        residual,
    })
}

fn extreme<T: Real>(values: &[T], before: impl Fn(T, T) -> bool) -> (usize, T) {
    let first = (0, values[0]);
    values.iter().copied().enumerate().fold(first, |best, x| if before(x.1, best.1) { x } else { best })
}

/// `log det A`, if `D^{-1/2} A D^{-1/2}`, with `D` the diagonal of `A`, is safely positive definite.
#[cold]
fn scaled_logdet<T: Real>(a: &[T], n: usize) -> Option<T> {
    let mut s = vec![T::zero(); n * n];
    symmetrise(a, n, T::one(), &mut s);
    let d: Vec<T> = (0..n).map(|i| Float::sqrt(s[i + i * n])).collect();
    for j in 0..n {
        for i in 0..n {
            s[i + j * n] = s[i + j * n] / d[i] / d[j];
        }
    }
    crate::cholesky::factor(&mut s, n).ok()?;
    Some((0..n).fold(T::zero(), |log, i| log + T::of(2.0) * (Float::ln(s[i + i * n]) + Float::ln(d[i]))))
}

/// `tr f(A)`.
pub(crate) fn trace<T: Real>(f: SymFn, handle: &[T], n: usize) -> T {
    handle[n * n..].iter().fold(T::zero(), |s, &x| s + f.value(x))
}

/// `D^k f(A)[E_1, ..., E_k]`, exactly symmetric.
///
/// Homogeneous functions are evaluated on a matrix scaled to about 1 where it is far from it:
/// `D^k f(c A)[c E] = c^p D^k f(A)[E]`, and neither differences nor their products over- or underflow on the way.
pub(crate) fn spectral<T: Real>(
    f: SymFn,
    handle: &[T],
    n: usize,
    es: &[&[T]],
    out: &mut [T],
    w: &mut Workspace<T>,
) -> Result<(), Failure> {
    debug_assert!(handle.len() == n * (n + 1) && out.len() == n * n);
    if es.len() > SPECTRAL_ORDER {
        return Err(Failure::Unsupported { what: "a derivative of a spectral function of this order" });
    }
    if f.supplied().is_some_and(|most| es.len() as i64 > most) {
        return Err(Failure::Unsupported { what: "a derivative of your own function beyond the order it supplies" });
    }
    for e in es {
        debug_assert_eq!(e.len(), n * n);
        finite(e)?;
    }
    if n == 0 {
        return Ok(());
    }
    let (v, values) = handle.split_at(n * n);
    let zero = tie::<T>(n) * max_abs(values);
    if f.kink().is_some_and(|k| es.len() >= k) && values.iter().any(|x| Float::abs(*x) <= zero) {
        return Err(Failure::NotDifferentiable { what: "an eigenvalue is 0, where the function has a kink" });
    }
    let scale = match f.degree(es.len()) {
        Some(_) => balance(max_abs(values), power_range()),
        None => T::one(),
    };
    let [x, work, core, rest] = w.slices([n, n * n, n * n, (es.len() + 3) * n * n]);
    crate::wide::flat::scale(scale, values, x);
    for (e, p) in es.iter().zip(rest.chunks_exact_mut(n * n)) {
        symmetrise(e, n, scale, core);
        gemm(work, n, n, n, T::one(), v, true, core, false, false);
        gemm(p, n, n, n, T::one(), work, false, v, false, false);
    }
    let (ps, spare) = rest.split_at_mut(es.len() * n * n);
    let (slopes, spare) = spare.split_at_mut(n * n);
    match es.len() {
        0 => {
            for j in 0..n {
                crate::wide::flat::scale(f.value(x[j]), &v[j * n..(j + 1) * n], &mut work[j * n..(j + 1) * n]);
            }
            gemm(out, n, n, n, T::one(), work, false, v, true, false);
            mirror(out, n, true);
            return Ok(());
        }
        1 => {
            first_order(f, x, slopes);
            crate::wide::flat::hadamard(slopes, ps, core);
        }
        2 => {
            first_order(f, x, slopes);
            // Single precision would lose in a recursion what the doubles inside `divided` keep.
            let apart = |a: usize, b: usize| size_of::<T>() == 8 && f.apart(Scalar::f64(x[a]), Scalar::f64(x[b]));
            second_order(x, slopes, ps, core, spare, apart, |a, b, c| f.divided(&[x[a], x[b], x[c]]));
        }
        k => higher_order(n, ps, core, |path| {
            let mut points = [T::zero(); SPECTRAL_ORDER + 1];
            for (p, &i) in points.iter_mut().zip(path) {
                *p = x[i];
            }
            f.divided(&points[..=k])
        }),
    }
    gemm(work, n, n, n, T::one(), v, false, core, false, false);
    gemm(core, n, n, n, T::one(), work, false, v, true, false);
    let back = f.degree(es.len()).filter(|_| scale != T::one()).map_or(T::one(), |p| Float::powf(scale, T::of(-p)));
    symmetrise(core, n, back, out);
    Ok(())
}

/// `f[x_i, x_j]`.
fn first_order<T: Real>(f: SymFn, x: &[T], out: &mut [T]) {
    let n = x.len();
    for j in 0..n {
        for i in j..n {
            out[i + j * n] = f.divided(&[x[i], x[j]]);
        }
    }
    mirror(out, n, true);
}

/// `C_ik = sum_j f[x_i, x_j, x_k] (E_ij F_jk + F_ij E_jk)` for ascending `x`, two directions `E`, `F` and the first
/// differences `S_ij = f[x_i, x_j]` (`slopes`).
///
/// Where `x_i` and `x_k` are apart, `f[x_i, x_j, x_k] = (S_ij - S_jk) / (x_i - x_k)` makes this two products:
/// `C_ik = (P_ik - P_ki) / (x_i - x_k)`, `P = (S o E) F + (S o F) E` (`d` in code). Elsewhere the sum is formed term by
/// term, with the same recursion over the outer two of the three points while those are apart, and `weight(a, b, c)`
/// for `a <= b <= c` close together.
pub(crate) fn second_order<T: Real>(
    x: &[T],
    slopes: &[T],
    ps: &[T],
    out: &mut [T],
    spare: &mut [T],
    apart: impl Fn(usize, usize) -> bool,
    weight: impl Fn(usize, usize, usize) -> T,
) {
    let n = x.len();
    let (e, f) = ps.split_at(n * n);
    let (d, ge) = spare[..2 * n * n].split_at_mut(n * n);
    crate::wide::flat::hadamard(slopes, e, ge);
    gemm(d, n, n, n, T::one(), ge, false, f, false, false);
    crate::wide::flat::hadamard(slopes, f, ge);
    gemm(d, n, n, n, T::one(), ge, false, e, false, true);
    let term = |i: usize, j: usize, k: usize| e[j + i * n] * f[j + k * n] + f[j + i * n] * e[j + k * n];
    for k in 0..n {
        for i in k..n {
            out[i + k * n] = if apart(k, i) {
                (d[i + k * n] - d[k + i * n]) / (x[i] - x[k])
            } else {
                (0..n).fold(T::zero(), |sum, j| {
                    let (a, b, c) = if j < k {
                        (j, k, i)
                    } else if j < i {
                        (k, j, i)
                    } else {
                        (k, i, j)
                    };
                    let s = match apart(a, c) {
                        true => (slopes[b + c * n] - slopes[a + b * n]) / (x[c] - x[a]),
                        false => weight(a, b, c),
                    };
                    sum + s * term(i, j, k)
                })
            };
        }
    }
    mirror(out, n, true);
}

/// The general sum over paths `i_0, ..., i_k` and orders of the directions, with a weight for each path.
pub(crate) fn higher_order<T: Real>(n: usize, ps: &[T], out: &mut [T], weight: impl Fn(&[usize]) -> T) {
    let k = ps.len() / (n * n);
    out.fill(T::zero());
    let mut path = [0; SPECTRAL_ORDER + 1];
    let path = &mut path[..=k];
    loop {
        let products = orderings(ps, n, path, 0);
        out[path[0] + path[k] * n] += weight(path) * products;
        // The next path, as an odometer.
        let Some(step) = path.iter().position(|&i| i + 1 < n) else { break };
        path[..step].fill(0);
        path[step] += 1;
    }
}

/// The sum over all orders of the directions not in `used` (a bit set) of their entries along the rest of the path.
fn orderings<T: Real>(ps: &[T], n: usize, path: &[usize], used: usize) -> T {
    let k = ps.len() / (n * n);
    let [i, j, ..] = *path else { return T::one() };
    let mut sum = T::zero();
    for d in (0..k).filter(|d| used >> d & 1 == 0) {
        sum += ps[d * n * n + i + j * n] * orderings(ps, n, &path[1..], used | 1 << d);
    }
    sum
}
