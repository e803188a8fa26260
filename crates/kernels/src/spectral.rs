//! Functions of a symmetric matrix and their derivatives of any (small) order, from an eigendecomposition.
//!
//! Everything goes through divided differences of the function at the eigenvalues (Daleckii-Krein), so ties and near
//! ties are as good as any other spectrum. The scalar functions themselves live in `divided.rs`.

use num_traits::Float;

use crate::gemm::gemm;
use crate::real::{Real, finite, mirror, symmetrise};
use crate::tolerances::{SPECTRAL_ORDER, spectral_gap};
use crate::{Failure, Scalar, SymFn, Workspace};

/// Is the spectrum inside the domain of `f`?
///
/// A positive eigenvalue below rounding of the largest one proves nothing: then the matrix scaled to unit diagonal
/// decides by its Cholesky pivots. That rare branch allocates.
pub(crate) fn domain<T: Real>(f: SymFn, a: &[T], handle: &[T], n: usize) -> Result<(), Failure> {
    if n == 0 || !f.needs_positive() {
        return Ok(());
    }
    let values = &handle[n * n..];
    let (index, smallest) = extreme(values, |x, y| x < y);
    let (_, largest) = extreme(values, |x, y| x > y);
    let outside = Failure::NotPositiveDefinite { index, value: Scalar::f64(smallest) };
    if smallest <= T::zero() {
        return Err(outside);
    }
    if smallest > spectral_gap::<T>(n) * largest {
        return Ok(());
    }
    scaled_definite(a, n).ok_or(outside)
}

fn extreme<T: Real>(values: &[T], before: impl Fn(T, T) -> bool) -> (usize, T) {
    let first = (0, values[0]);
    values.iter().copied().enumerate().fold(first, |best, x| if before(x.1, best.1) { x } else { best })
}

/// Is `D^{-1/2} A D^{-1/2}`, with `D` the diagonal of `A`, safely positive definite?
#[cold]
fn scaled_definite<T: Real>(a: &[T], n: usize) -> Option<()> {
    let mut s = vec![T::zero(); n * n];
    symmetrise(a, n, T::one(), &mut s);
    let d: Vec<T> = (0..n).map(|i| Float::sqrt(s[i + i * n])).collect();
    for j in 0..n {
        for i in 0..n {
            s[i + j * n] = s[i + j * n] / d[i] / d[j];
        }
    }
    crate::cholesky::factor(&mut s, n).ok()
}

/// `tr f(A)`.
pub(crate) fn trace<T: Real>(f: SymFn, handle: &[T], n: usize) -> T {
    handle[n * n..].iter().fold(T::zero(), |s, &x| s + f.value(x))
}

/// `D^k f(A)[E_1, ..., E_k]`, exactly symmetric.
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
    for e in es {
        debug_assert_eq!(e.len(), n * n);
        finite(e)?;
    }
    if n == 0 {
        return Ok(());
    }
    let (v, x) = handle.split_at(n * n);
    let [work, core, rest] = w.slices([n * n, n * n, (es.len() + 1) * n * n]);
    for (e, p) in es.iter().zip(rest.chunks_exact_mut(n * n)) {
        symmetrise(e, n, T::one(), core);
        gemm(work, n, n, n, T::one(), v, true, core, false, false);
        gemm(p, n, n, n, T::one(), work, false, v, false, false);
    }
    let (ps, slopes) = rest.split_at_mut(es.len() * n * n);
    match es.len() {
        0 => {
            for j in 0..n {
                crate::elementwise::scale(f.value(x[j]), &v[j * n..(j + 1) * n], &mut work[j * n..(j + 1) * n]);
            }
            gemm(out, n, n, n, T::one(), work, false, v, true, false);
            mirror(out, n, true);
            return Ok(());
        }
        1 => {
            first_order(f, x, slopes);
            crate::elementwise::hadamard(slopes, ps, core);
        }
        2 => {
            first_order(f, x, slopes);
            second_order(n, ps, core, |a, b, c| {
                // Single precision would lose in the recursion what the doubles inside `divided` keep.
                match size_of::<T>() == 8 && f.apart(Scalar::f64(x[a]), Scalar::f64(x[c])) {
                    true => (slopes[b + c * n] - slopes[a + b * n]) / (x[c] - x[a]),
                    false => f.divided(&[x[a], x[b], x[c]]),
                }
            });
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
    symmetrise(core, n, T::one(), out);
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

/// `C_ik = sum_j f[x_i, x_j, x_k] (E_ij F_jk + F_ij E_jk)`; each weight (asked for `a <= b <= c`) serves the positions of its
/// indices' permutations.
pub(crate) fn second_order<T: Real>(n: usize, ps: &[T], out: &mut [T], weight: impl Fn(usize, usize, usize) -> T) {
    let (e, g) = ps.split_at(n * n);
    out.fill(T::zero());
    let mut add = |i: usize, j: usize, k: usize, s: T| {
        let term = e[i + j * n] * g[j + k * n] + g[i + j * n] * e[j + k * n];
        out[i.max(k) + i.min(k) * n] += s * term;
    };
    for a in 0..n {
        for c in a..n {
            for b in a..=c {
                let s = weight(a, b, c);
                // Every arrangement (i, j, k) with i >= k once.
                add(c, b, a, s);
                if a != b {
                    add(c, a, b, s);
                }
                if b != c {
                    add(b, c, a, s);
                }
            }
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
