//! Chosen eigenvalues of a symmetric matrix, or singular values of any, with their vectors: derivatives of every order,
//! from a decomposition. Divided differences of *numbers given at the eigenvalues*, not of a function, live here.
//!
//! Singular values are treated as the eigenvalues `s` of `B = [0 A; A^T 0]`, whose other ones are `-s` and `m - n`
//! zeros; the eigenvectors of `s_j` and `-s_j` are `(u_j, v_j)` and `(u_j, -v_j)`. So every formula for eigenvalues
//! serves, in its split form `1/(s_i - s_j)`, `1/(s_i + s_j)`, `1/s_i`; up to first order it is computed without ever
//! forming `B`.

use num_traits::Float;

use crate::gemm::gemm;
use crate::real::{Real, finite, max_abs, mirror, symmetrise};
use crate::spectral::{higher_order, second_order};
use crate::tolerances::{PRODUCTS_SECOND, SPECTRAL_ORDER, TAYLOR, gauge, largest, tie};
use crate::{Failure, Workspace};

/// Which eigenvalues of the symmetric part of an `n x n` matrix, or which singular values of an `m x n` one with
/// `m >= n`, in the order of the handle (ascending, or descending).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Singular values, not eigenvalues.
    pub singular: bool,
    /// Rows.
    pub m: usize,
    /// Columns.
    pub n: usize,
    /// The first one.
    pub from: usize,
    /// How many.
    pub len: usize,
}

pub(crate) const UNEQUAL: Failure = Failure::NotDifferentiable {
    what: "eigenvalues or singular values that coincide have unequal cotangents. What treats them alike has derivatives there: of first order in \
           every mode, of second by `hvp`, `hessian_map` and `hessian`, which know a direction; `trace_fun` in every mode and order. A \
           matrix put together again from its values and vectors is a function of the matrix: `symmetric().map(f)`, `polar`",
};
pub(crate) const AT_ZERO: Failure = Failure::NotDifferentiable { what: "a singular value is 0, where it has a kink" };
const AT_TIE: Failure = Failure::NotDifferentiable {
    what: "eigenvalues or singular values that coincide have no derivative of their own, and this one was recorded, before its direction was \
           known; `jvp`, `hvp`, `hessian_map` and `hessian` know it, and `trace_fun`, functions of the matrix and spectral projectors \
           are smooth in every mode",
};
const SECOND: Failure = Failure::NotDifferentiable {
    what: "eigenvectors have no second derivative at a tie; functions of the matrix, its spectral projectors, invariant subspaces and polar factors are smooth there",
};
const BOUNDARY: Failure = Failure::NotDifferentiable {
    what: "an eigenvalue inside coincides with one outside, so there is no such subspace",
};

impl Window {
    /// Rows of the matrix of vectors: those of `v`, or of `u` over `v`.
    #[must_use]
    pub fn rows(&self) -> usize {
        if self.singular { self.m + self.n } else { self.n }
    }

    /// Entries of the handle: `V` and the eigenvalues, or `U`, `V` and the singular values.
    #[must_use]
    pub fn handle_len(&self) -> usize {
        let square = self.n * (self.n + 1);
        if self.singular { self.m * self.n + square } else { square }
    }

    /// Entries of the handle before the values: those of the vectors.
    #[must_use]
    pub fn vectors_len(&self) -> usize {
        self.handle_len() - self.n
    }

    pub(crate) fn has(&self, i: usize) -> bool {
        i >= self.from && i < self.from + self.len
    }

    /// Columns `from..from + len` of a matrix with the given rows.
    pub(crate) fn of<'a, T>(&self, a: &'a [T], rows: usize) -> &'a [T] {
        &a[self.from * rows..(self.from + self.len) * rows]
    }
}

/// `(U, V, values)`; for eigenvectors both are the same.
pub(crate) fn parts<T: Real>(win: Window, handle: &[T]) -> (&[T], &[T], &[T]) {
    debug_assert_eq!(handle.len(), win.handle_len());
    let (u, rest) = if win.singular { handle.split_at(win.m * win.n) } else { (&handle[..win.n * win.n], handle) };
    let (v, x) = rest.split_at(win.n * win.n);
    (u, v, x)
}

/// The distance at which values are tied.
pub(crate) fn tied<T: Real>(win: Window, x: &[T]) -> T {
    tie::<T>(win.rows()) * max_abs(x)
}

// ---- values ---------------------------------------------------------------------------------------------------------

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

fn check_directions<T: Real>(es: &[&[T]]) -> Result<(), Failure> {
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

// ---- numbers given at the values ------------------------------------------------------------------------------------

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
    for (c, &s) in weights.iter().enumerate() {
        crate::wide::flat::scale(s, &win.of(u, m)[c * m..(c + 1) * m], &mut t[c * m..(c + 1) * m]);
    }
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
            let [t, ps, core] = w.slices([m * n, n * n, n * n]);
            gemm(t, m, n, n, T::one(), e, false, v, false, false);
            gemm(ps, n, n, m, T::one(), u, true, t, false, false);
            let half = T::of(0.5);
            for j in 0..n {
                for i in 0..n {
                    let (h, a) = (half * (ps[i + j * n] + ps[j + i * n]), half * (ps[i + j * n] - ps[j + i * n]));
                    core[i + j * n] = h * slope(i, j) + a * quotient(weight(i) + weight(j), x[i] + x[j], tol);
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
            let [s, t, c] = w.slices([n * n, n * p, n * p]);
            symmetrise(e, n, T::one(), s);
            gemm(t, n, p, n, T::one(), s, false, win.of(v, n), false, false);
            gemm(c, n, p, n, T::one(), v, true, t, false, false);
            for k in 0..p {
                let i = win.from + k;
                for j in 0..n {
                    // Entries of the window come twice below, with their mirror images.
                    let share = if win.has(j) { T::of(0.5) } else { T::one() };
                    c[j + k * n] *= share * slope(i, j);
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

// ---- vectors --------------------------------------------------------------------------------------------------------

/// The chosen eigenvectors, or `u` over `v`.
pub(crate) fn vectors<T: Real>(win: Window, handle: &[T], out: &mut [T]) {
    debug_assert_eq!(out.len(), win.rows() * win.len);
    let (u, v, _) = parts(win, handle);
    match win.singular {
        true => join(win.of(u, win.m), win.of(v, win.n), win.m, win.n, out),
        false => out.copy_from_slice(win.of(v, win.n)),
    }
}

/// Normal form: the entry of largest modulus of each column of `a` (the first, if several are as large) becomes
/// positive, and the columns of `b` change sign along.
pub(crate) fn positive<T: Real>(a: &mut [T], rows: usize, b: &mut [T], others: usize) {
    for (j, a) in a.chunks_exact_mut(rows.max(1)).enumerate() {
        let enough = max_abs(a) * (T::one() - largest::<T>());
        if a.iter().find(|x| Float::abs(**x) >= enough).is_some_and(|x| *x < T::zero()) {
            a.iter_mut().for_each(|x| *x = -*x);
            b[j * others..(j + 1) * others].iter_mut().for_each(|x| *x = -*x);
        }
    }
}

/// How the derivative of vectors is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct How {
    /// The window is one subspace: a rotation of its vectors among each other does not count.
    pub(crate) block: bool,
    /// In a first derivative: at a tie it exists for what does not see the basis. In any other one a tie is an error.
    pub(crate) first: bool,
}

/// Column by column `y_i = (x_i - B)^+ z_i`, with the pseudo-inverse blind to values tied with `x_i` (Kato's reduced
/// resolvent). Returns the largest part of `z` that was dropped at a tie, relative to `z`.
pub(crate) fn resolvent<T: Real>(
    win: Window,
    handle: &[T],
    how: How,
    z: &[T],
    out: &mut [T],
    w: &mut Workspace<T>,
) -> Result<T, Failure> {
    debug_assert!(z.len() == win.rows() * win.len && out.len() == z.len());
    finite(z)?;
    let (u, v, x) = parts(win, handle);
    let (m, n, p) = (win.m, win.n, win.len);
    let size = max_abs(z);
    if !win.singular {
        let [c] = w.slices([n * p]);
        gemm(c, n, p, n, T::one(), v, true, z, false, false);
        let defect = shares(win, x, how, c)?;
        gemm(out, n, p, n, T::one(), v, false, c, false, false);
        return Ok(relative(defect, size));
    }
    let [cu, cv, zu, zv] = w.slices([n * p, n * p, m * p, n * p]);
    split(z, m, n, zu, zv);
    let dropped = coordinates(win, handle, how, zu, zv, cu, cv)?;
    let defect = Float::max(dropped, split_shares(win, x, how, cu, cv)?);
    gemm(zu, m, p, n, T::one(), u, false, cu, false, true);
    gemm(zv, n, p, n, T::one(), v, false, cv, false, false);
    join(zu, zv, m, n, out);
    Ok(relative(defect, size))
}

/// `gA` for the cotangent `z` of the vectors: `sym(Y Q^T)`, or `Y_u V^T + U Y_v^T`, for `Y` the reduced resolvent of
/// `z` without what is symmetric in it over the window. Returns the gauge defect, as [`resolvent`] does.
pub(crate) fn pull<T: Real>(
    win: Window,
    handle: &[T],
    how: How,
    z: &[T],
    out: &mut [T],
    w: &mut Workspace<T>,
) -> Result<T, Failure> {
    debug_assert!(z.len() == win.rows() * win.len && out.len() == win.m * win.n);
    finite(z)?;
    let (u, v, x) = parts(win, handle);
    let (m, n, p) = (win.m, win.n, win.len);
    let size = max_abs(z);
    if !win.singular {
        let [c, t, s] = w.slices([n * p, n * p, n * n]);
        gemm(c, n, p, n, T::one(), v, true, z, false, false);
        skew_inside(win, c);
        let defect = shares(win, x, how, c)?;
        gemm(t, n, p, n, T::one(), v, false, c, false, false);
        gemm(s, n, n, p, T::one(), t, false, win.of(v, n), true, false);
        symmetrise(s, n, T::one(), out);
        return Ok(relative(defect, size));
    }
    let [cu, cv, zu, zv] = w.slices([n * p, n * p, m * p, n * p]);
    split(z, m, n, zu, zv);
    let dropped = coordinates(win, handle, how, zu, zv, cu, cv)?;
    skew_inside(win, cu);
    skew_inside(win, cv);
    let defect = Float::max(dropped, split_shares(win, x, how, cu, cv)?);
    if p == n {
        // Both terms in one product: `U (C_u + C_v^T) V^T` and the part outside of `U`.
        for j in 0..n {
            for i in 0..n {
                cu[i + j * n] += cv[j + i * n];
            }
        }
        gemm(zu, m, n, n, T::one(), u, false, cu, false, true);
        gemm(out, m, n, n, T::one(), zu, false, v, true, false);
    } else {
        gemm(zu, m, p, n, T::one(), u, false, cu, false, true);
        gemm(out, m, n, p, T::one(), zu, false, win.of(v, n), true, false);
        gemm(zv, n, p, n, T::one(), v, false, cv, false, false);
        gemm(out, m, n, p, T::one(), win.of(u, m), false, zv, true, true);
    }
    Ok(relative(defect, size))
}

fn relative<T: Real>(defect: T, size: T) -> T {
    if size > T::zero() { defect / size } else { T::zero() }
}

/// Keeps what is skew in the rows and columns of the window; what is symmetric there does not change the result of
/// `pull`.
fn skew_inside<T: Real>(win: Window, c: &mut [T]) {
    let half = T::of(0.5);
    for k in 0..win.len {
        for l in 0..=k {
            let (a, b) = (win.from + l + k * win.n, win.from + k + l * win.n);
            let s = half * (c[a] - c[b]);
            c[a] = s;
            c[b] = -s;
        }
    }
}

/// Divides the coordinates `c_jk` of column `k` by `x_i - x_j`, where `x_i` is the chosen value number `k`; at a tie
/// they are dropped, and the largest of those is returned.
fn shares<T: Real>(win: Window, x: &[T], how: How, c: &mut [T]) -> Result<T, Failure> {
    let tol = tied(win, x);
    let mut dropped = T::zero();
    for k in 0..win.len {
        let i = win.from + k;
        for (j, c) in c[k * win.n..(k + 1) * win.n].iter_mut().enumerate() {
            let gap = x[i] - x[j];
            if j == i || (how.block && win.has(j)) {
                if j != i && how.first {
                    dropped = Float::max(dropped, Float::abs(*c));
                }
                *c = T::zero();
            } else if Float::abs(gap) <= tol {
                dropped = Float::max(dropped, at_tie(how, *c)?);
                *c = T::zero();
            } else {
                *c /= gap;
            }
        }
    }
    Ok(dropped)
}

fn at_tie<T: Real>(how: How, c: T) -> Result<T, Failure> {
    match how {
        How { block: true, .. } => Err(BOUNDARY),
        How { first: false, .. } => Err(SECOND),
        _ => Ok(Float::abs(c)),
    }
}

/// `C_u = U^T Z_u`, `C_v = V^T Z_v`, and column `i` of `Z_u` becomes its part outside of `U`, divided by `s_i`.
fn coordinates<T: Real>(
    win: Window,
    handle: &[T],
    how: How,
    zu: &mut [T],
    zv: &[T],
    cu: &mut [T],
    cv: &mut [T],
) -> Result<T, Failure> {
    let (u, v, x) = parts(win, handle);
    let (m, n, p) = (win.m, win.n, win.len);
    gemm(cu, n, p, m, T::one(), u, true, zu, false, false);
    gemm(cv, n, p, n, T::one(), v, true, zv, false, false);
    if m == n {
        zu.fill(T::zero());
        return Ok(T::zero());
    }
    gemm(zu, m, p, n, -T::one(), u, false, cu, false, true);
    let (tol, mut dropped) = (tied(win, x), T::zero());
    for (k, z) in zu.chunks_exact_mut(m.max(1)).enumerate() {
        let s = x[win.from + k];
        if s <= tol {
            dropped = Float::max(dropped, at_tie(how, max_abs(z))?);
            z.fill(T::zero());
        } else {
            z.iter_mut().for_each(|z| *z /= s);
        }
    }
    Ok(dropped)
}

/// [`shares`] of pairs: the sums of coordinates are divided by `s_i - s_j`, their differences by `s_i + s_j`.
fn split_shares<T: Real>(win: Window, x: &[T], how: How, cu: &mut [T], cv: &mut [T]) -> Result<T, Failure> {
    let (tol, half) = (tied(win, x), T::of(0.5));
    let mut dropped = T::zero();
    for k in 0..win.len {
        let i = win.from + k;
        for j in 0..win.n {
            let (a, b) = (&mut cu[j + k * win.n], &mut cv[j + k * win.n]);
            let (plus, minus) = (half * (*a + *b), half * (*a - *b));
            let (below, above) = (x[i] - x[j], x[i] + x[j]);
            let near = if j == i || (how.block && win.has(j)) {
                if j != i && how.first {
                    dropped = Float::max(dropped, Float::abs(plus));
                }
                T::zero()
            } else if Float::abs(below) <= tol {
                dropped = Float::max(dropped, at_tie(how, plus)?);
                T::zero()
            } else {
                plus / below
            };
            let far = if above <= tol {
                dropped = Float::max(dropped, at_tie(how, minus)?);
                T::zero()
            } else {
                minus / above
            };
            (*a, *b) = (near + far, near - far);
        }
    }
    Ok(dropped)
}

/// `u` over `v` taken apart.
fn split<T: Real>(z: &[T], m: usize, n: usize, zu: &mut [T], zv: &mut [T]) {
    for (k, z) in z.chunks_exact((m + n).max(1)).enumerate() {
        zu[k * m..(k + 1) * m].copy_from_slice(&z[..m]);
        zv[k * n..(k + 1) * n].copy_from_slice(&z[m..]);
    }
}

fn join<T: Real>(zu: &[T], zv: &[T], m: usize, n: usize, z: &mut [T]) {
    for (k, z) in z.chunks_exact_mut((m + n).max(1)).enumerate() {
        z[..m].copy_from_slice(&zu[k * m..(k + 1) * m]);
        z[m..].copy_from_slice(&zv[k * n..(k + 1) * n]);
    }
}

// ---- second order and beyond: the whole symmetric matrix ------------------------------------------------------------

/// The eigendecomposition of `A`, or of `B = [0 A; A^T 0]`, in full. Allocates: only derivatives of order two and more
/// come here.
struct Embedded<T> {
    q: Vec<T>,
    /// Ascending.
    x: Vec<T>,
    n: usize,
}

impl<T: Real> Embedded<T> {
    fn new(win: Window, handle: &[T]) -> Self {
        let (u, v, x) = parts(win, handle);
        let (m, n) = (win.m, win.n);
        if !win.singular {
            return Embedded { q: v.to_vec(), x: x.to_vec(), n };
        }
        let half = Float::sqrt(T::of(0.5));
        let pair = |i: usize, sign: T| {
            let (u, v) = (&u[i * m..(i + 1) * m], &v[i * n..(i + 1) * n]);
            u.iter().map(move |u| half * *u).chain(v.iter().map(move |v| sign * half * *v))
        };
        let mut q: Vec<T> = (0..n).flat_map(|i| pair(i, -T::one())).collect();
        for c in complement(u, m, n).chunks_exact(m.max(1)) {
            q.extend(c.iter().copied().chain((0..n).map(|_| T::zero())));
        }
        q.extend((0..n).rev().flat_map(|i| pair(i, T::one())));
        let zeros = (n..m).map(|_| T::zero());
        let x = x.iter().map(|s| -*s).chain(zeros).chain(x.iter().rev().copied()).collect();
        Embedded { q, x, n: m + n }
    }

    /// Where value `i` of the handle is.
    fn place(&self, win: Window, i: usize) -> usize {
        if win.singular { self.n - 1 - i } else { i }
    }

    /// Weights of the handle's values, odd over the spectrum of `B`.
    fn spread(&self, win: Window, weight: impl Fn(usize) -> T) -> Vec<T> {
        let mut all = vec![T::zero(); self.n];
        for i in 0..win.n {
            all[self.place(win, i)] = weight(i);
            if win.singular {
                all[i] = -weight(i);
            }
        }
        all
    }

    /// A direction in the eigenbasis.
    fn turned(&self, win: Window, e: &[T]) -> Vec<T> {
        let n = self.n;
        let (mut full, mut t) = (vec![T::zero(); n * n], vec![T::zero(); n * n]);
        if win.singular {
            for j in 0..win.n {
                for i in 0..win.m {
                    full[i + (win.m + j) * n] = e[i + j * win.m];
                    full[win.m + j + i * n] = e[i + j * win.m];
                }
            }
        } else {
            symmetrise(e, n, T::one(), &mut full);
        }
        gemm(&mut t, n, n, n, T::one(), &self.q, true, &full, false, false);
        gemm(&mut full, n, n, n, T::one(), &t, false, &self.q, false, false);
        full
    }

    /// The sum over paths with divided differences of the weights.
    fn core(&self, weights: &[T], tol: T, ps: &[T], out: &mut [T]) {
        let (n, x) = (self.n, &self.x[..]);
        match ps.len() / (n * n).max(1) {
            0 => {}
            1 => {
                for j in 0..n {
                    for i in 0..n {
                        out[i + j * n] = ps[i + j * n] * stepped(x, weights, tol, &[i.min(j), i.max(j)]);
                    }
                }
            }
            2 => {
                let (mut slopes, mut spare) = (vec![T::zero(); n * n], vec![T::zero(); 2 * n * n]);
                for j in 0..n {
                    for i in 0..n {
                        slopes[i + j * n] = stepped(x, weights, tol, &[i.min(j), i.max(j)]);
                    }
                }
                let far = Float::max(T::of(PRODUCTS_SECOND * TAYLOR) * max_abs(x), tol);
                let apart = |a: usize, b: usize| x[b] - x[a] > far;
                second_order(x, &slopes, ps, out, &mut spare, apart, |a, b, c| stepped(x, weights, tol, &[a, b, c]));
            }
            k => higher_order(n, ps, out, |path| {
                let mut sorted = [0; SPECTRAL_ORDER + 1];
                let sorted = &mut sorted[..=k];
                sorted.copy_from_slice(path);
                sorted.sort_unstable();
                stepped(x, weights, tol, sorted)
            }),
        }
    }

    /// Out of the eigenbasis.
    fn back(&self, win: Window, core: &[T], out: &mut [T]) {
        let n = self.n;
        let (mut t, mut full) = (vec![T::zero(); n * n], vec![T::zero(); n * n]);
        gemm(&mut t, n, n, n, T::one(), &self.q, false, core, false, false);
        gemm(&mut full, n, n, n, T::one(), &t, false, &self.q, true, false);
        if win.singular {
            for j in 0..win.n {
                out[j * win.m..(j + 1) * win.m].copy_from_slice(&full[(win.m + j) * n..][..win.m]);
            }
        } else {
            symmetrise(&full, n, T::one(), out);
        }
    }
}

/// The divided difference over ascending indices of a function with the given values and no slope at the points:
/// locally constant, as `V diag(w) V^T` with `w` held fixed is.
fn stepped<T: Real>(x: &[T], weights: &[T], tol: T, path: &[usize]) -> T {
    let k = path.len() - 1;
    if k == 0 {
        return weights[path[0]];
    }
    let gap = x[path[k]] - x[path[0]];
    if gap <= tol {
        return T::zero();
    }
    (stepped(x, weights, tol, &path[1..]) - stepped(x, weights, tol, &path[..k])) / gap
}

/// An orthonormal basis of what is orthogonal to the `n` columns of `U`, from unit vectors, each orthogonalised twice.
pub(crate) fn complement<T: Real>(u: &[T], m: usize, n: usize) -> Vec<T> {
    let mut all = u.to_vec();
    for _ in n..m {
        // The unit vector that is farthest from the span so far: its square distance is one less the row's square norm.
        let rest = |i: usize| T::one() - (0..all.len() / m).fold(T::zero(), |s, j| s + all[i + j * m] * all[i + j * m]);
        let best = (0..m).fold((0, -T::one()), |b, i| if rest(i) > b.1 { (i, rest(i)) } else { b }).0;
        let mut c = vec![T::zero(); m];
        c[best] = T::one();
        for _ in 0..2 {
            for q in all.chunks_exact(m) {
                crate::wide::flat::axpy(-crate::sums::dot(q, &c), q, &mut c);
            }
        }
        let size = crate::sums::norm(&c);
        all.extend(c.iter().map(|c| *c / size));
    }
    all.split_off(n * m)
}
