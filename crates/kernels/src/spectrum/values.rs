//! Derivatives of chosen eigenvalues or singular values, one number each.

use num_traits::Float;

use super::embedded::Embedded;
use super::{AT_ZERO, Window, parts, tied};
use crate::gemm::gemm;
use crate::real::{Real, finite, max_abs};
use crate::tolerances::{SPECTRAL_ORDER, gauge};
use crate::{Failure, Workspace};

const AT_TIE: Failure = Failure::NotDifferentiable {
    what: "eigenvalues or singular values that coincide have no derivative of their own, and this one was recorded, before its direction was \
           known; `jvp`, `hvp`, `hessian_map` and `hessian` know it, and `trace_fun`, functions of the matrix and spectral projectors \
           are smooth in every mode",
};

/// `D^k x[E_1, ..., E_k]` for the chosen values `x`.
pub(crate) fn values<T: Real>(
    win: Window,
    handle: &[T],
    es: &[&[T]],
    out: &mut [T],
    w: &mut Workspace<T>,
) -> Result<(), Failure> {
    debug_assert_eq!(out.len(), win.len);
    let (u, v, x) = parts(win, handle);
    if es.is_empty() {
        out.copy_from_slice(win.of(x, 1));
        return Ok(());
    }
    check_directions(es)?;
    let tol = tied(win, x);
    if es.len() == 1 {
        let [t] = w.slices([win.m * win.len]);
        gemm(t, win.m, win.len, win.n, T::one(), es[0], false, win.of(v, win.n), false, false);
        for (c, out) in out.iter_mut().enumerate() {
            let i = win.from + c;
            *out = crate::sums::dot(&u[i * win.m..(i + 1) * win.m], &t[c * win.m..(c + 1) * win.m]);
        }
        return scalar_on_ties(win, handle, es[0], out, tol);
    }
    no_ties(win, x, tol)?;
    let frame = Embedded::new(win, handle);
    let n = frame.n;
    let ps: Vec<T> = es.iter().flat_map(|e| frame.turned(win, e)).collect();
    let (head, last) = ps.split_at((es.len() - 1) * n * n);
    let mut core = vec![T::zero(); n * n];
    for (c, out) in out.iter_mut().enumerate() {
        let mut weights = vec![T::zero(); n];
        weights[frame.place(win, win.from + c)] = T::one();
        frame.core(&weights, tol, head, &mut core);
        *out = crate::sums::dot(&core, last);
    }
    Ok(())
}

pub(super) fn check_directions<T: Real>(es: &[&[T]]) -> Result<(), Failure> {
    match es.len() > SPECTRAL_ORDER {
        true => Err(Failure::Unsupported { what: "a derivative of eigenvalues of this order" }),
        false => es.iter().try_for_each(|e| finite(e)),
    }
}

/// Fails where a chosen value has another one near it or, as a singular value, vanishes.
fn no_ties<T: Real>(win: Window, x: &[T], tol: T) -> Result<(), Failure> {
    for i in (0..win.n).filter(|&i| win.has(i)) {
        if (0..win.n).any(|j| j != i && Float::abs(x[i] - x[j]) <= tol) {
            return Err(AT_TIE);
        }
        if win.singular && x[i] <= tol {
            return Err(AT_ZERO);
        }
    }
    Ok(())
}

/// At a tie the values have a linear derivative along `E` only if `E` is a multiple of the identity on the tied
/// vectors.
fn scalar_on_ties<T: Real>(win: Window, handle: &[T], e: &[T], slopes: &[T], tol: T) -> Result<(), Failure> {
    let (u, v, x) = parts(win, handle);
    let (m, n) = (win.m, win.n);
    let small = gauge::<T>() * max_abs(e);
    let form = |i: usize, j: usize| -> T {
        (0..n)
            .fold(T::zero(), |s, b| s + v[b + j * n] * crate::sums::dot(&u[i * m..(i + 1) * m], &e[b * m..(b + 1) * m]))
    };
    for c in 0..win.len {
        let i = win.from + c;
        if win.singular && x[i] <= tol {
            return Err(AT_ZERO);
        }
        for j in (0..n).filter(|&j| j != i && Float::abs(x[i] - x[j]) <= tol) {
            let turn = T::of(0.5) * (form(i, j) + form(j, i));
            if Float::abs(turn) > small || Float::abs(slopes[c] - form(j, j)) > small {
                return Err(AT_TIE);
            }
        }
    }
    Ok(())
}
