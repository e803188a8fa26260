//! Matrices with given weights on the chosen values, `V diag(w) V^T` or `U diag(w) V^T`, and their derivatives.

use num_traits::Float;

use super::embedded::Embedded;
use super::values::check_directions;
use super::{AT_ZERO, UNEQUAL, Window, parts, tied};
use crate::gemm::gemm;
use crate::real::{Real, finite, max_abs, mirror, symmetrise};
use crate::tolerances::gauge;
use crate::{Failure, Workspace};

/// `D^k F(A)[E_1, ..., E_k]` where `F = V diag(w) V^T` (or `U diag(w) V^T`) with the weights `w` on the chosen values,
/// zero on others.
pub(crate) fn weighted<T: Real>(
    win: Window,
    handle: &[T],
    weights: &[T],
    es: &[&[T]],
    out: &mut [T],
    w: &mut Workspace<T>,
) -> Result<(), Failure> {
    let (_, _, x) = parts(win, handle);
    let tol = tied(win, x);
    let weight = |i: usize| if win.has(i) { weights[i - win.from] } else { T::zero() };
    weighted_by(win, handle, weights, es, out, w, |i, j| quotient(weight(i) - weight(j), x[i] - x[j], tol))
}

/// `U diag(weights) V^T` over the chosen values.
pub(crate) fn outer_sum<T: Real>(win: Window, handle: &[T], weights: &[T], out: &mut [T], w: &mut Workspace<T>) {
    let (u, v, _) = parts(win, handle);
    let (m, n, p) = (win.m, win.n, win.len);
    let [t] = w.slices([m * p]);
    let columns = t.chunks_exact_mut(m.max(1)).zip(win.of(u, m).chunks_exact(m.max(1)));
    columns.zip(weights).for_each(|((t, u), &s)| crate::wide::flat::scale(s, u, t));
    gemm(out, m, n, p, T::one(), t, false, win.of(v, n), true, false);
    if !win.singular {
        mirror(out, n, true);
    }
}

/// [`weighted`], where `slope(i, j)` is the difference quotient of the weights of two values (zero where they are
/// tied).
pub(crate) fn weighted_by<T: Real>(
    win: Window,
    handle: &[T],
    weights: &[T],
    es: &[&[T]],
    out: &mut [T],
    w: &mut Workspace<T>,
    slope: impl Fn(usize, usize) -> T,
) -> Result<(), Failure> {
    debug_assert!(weights.len() == win.len && out.len() == win.m * win.n);
    finite(weights)?;
    check_directions(es)?;
    let (u, v, x) = parts(win, handle);
    let (m, n, p) = (win.m, win.n, win.len);
    let tol = tied(win, x);
    let size = max_abs(weights);
    let weight = |i: usize| if win.has(i) { weights[i - win.from] } else { T::zero() };
    even(win, x, weight, tol, gauge::<T>() * size)?;
    match es {
        [] => outer_sum(win, handle, weights, out, w),
        [e] if win.singular => {
            let [t, ps, core, slopes] = w.slices([m * n, n * n, n * n, n * n]);
            tabulate(slopes, n, 0, &slope);
            gemm(t, m, n, n, T::one(), e, false, v, false, false);
            gemm(ps, n, n, m, T::one(), u, true, t, false, false);
            let half = T::of(0.5);
            for j in 0..n {
                for i in 0..n {
                    let (h, a) = (half * (ps[i + j * n] + ps[j + i * n]), half * (ps[i + j * n] - ps[j + i * n]));
                    core[i + j * n] = h * slopes[j + i * n] + a * quotient(weight(i) + weight(j), x[i] + x[j], tol);
                }
            }
            if m > n {
                gemm(t, m, n, n, -T::one(), u, false, ps, false, true);
                for (j, t) in t.chunks_exact_mut(m).enumerate() {
                    let s = quotient(weight(j), x[j], tol);
                    t.iter_mut().for_each(|t| *t *= s);
                }
            }
            gemm(t, m, n, n, T::one(), u, false, core, false, m > n);
            gemm(out, m, n, n, T::one(), t, false, v, true, false);
        }
        [e] => {
            let [s, t, c, slopes] = w.slices([n * n, n * p, n * p, n * p]);
            tabulate(slopes, n, win.from, &slope);
            symmetrise(e, n, T::one(), s);
            gemm(t, n, p, n, T::one(), s, false, win.of(v, n), false, false);
            gemm(c, n, p, n, T::one(), v, true, t, false, false);
            for (c, slopes) in c.chunks_exact_mut(n.max(1)).zip(slopes.chunks_exact(n.max(1))) {
                for (j, (c, slope)) in c.iter_mut().zip(slopes).enumerate() {
                    // Entries of the window come twice below, with their mirror images.
                    let share = if win.has(j) { T::of(0.5) } else { T::one() };
                    *c *= share * *slope;
                }
            }
            gemm(t, n, p, n, T::one(), v, false, c, false, false);
            gemm(s, n, n, p, T::one(), t, false, win.of(v, n), true, false);
            symmetrise(s, n, T::of(2.0), out);
        }
        _ => {
            let frame = Embedded::new(win, handle);
            let ps: Vec<T> = es.iter().flat_map(|e| frame.turned(win, e)).collect();
            let mut core = vec![T::zero(); frame.n * frame.n];
            frame.core(&frame.spread(win, weight), tol, &ps, &mut core);
            frame.back(win, &core, out);
        }
    }
    Ok(())
}

/// Column `k` of `out` has `slope(from + k, j)` for all `j`. In a place of its own, where it is compiled into the loop.
fn tabulate<T: Real>(out: &mut [T], n: usize, from: usize, slope: &impl Fn(usize, usize) -> T) {
    for (k, out) in out.chunks_exact_mut(n.max(1)).enumerate() {
        out.iter_mut().enumerate().for_each(|(j, s)| *s = slope(from + k, j));
    }
}

/// A difference quotient of weights that agree at ties.
#[inline]
fn quotient<T: Real>(difference: T, gap: T, tol: T) -> T {
    if Float::abs(gap) <= tol { T::zero() } else { difference / gap }
}

/// Are the weights of tied values equal?
pub(crate) fn even<T: Real>(
    win: Window,
    x: &[T],
    weight: impl Fn(usize) -> T,
    tol: T,
    small: T,
) -> Result<(), Failure> {
    for i in 0..win.n {
        if i > 0 && Float::abs(x[i] - x[i - 1]) <= tol && Float::abs(weight(i) - weight(i - 1)) > small {
            return Err(UNEQUAL);
        }
        if win.singular && x[i] <= tol && Float::abs(weight(i)) > small {
            return Err(AT_ZERO);
        }
    }
    Ok(())
}
