//! Tied eigenvalues and singular values along one direction, where they have derivatives of their own.
//!
//! Along a line `A + t E` eigenvalues and eigenvectors are analytic (Rellich 1937; Kato, *Perturbation Theory*, II.6),
//! in that basis of each group of tied values in which `E` is diagonal: with `V_g` any basis of the group and
//! `V_g^T E V_g = Q diag(dx) Q^T`, the basis is `V_g Q`, and `dx` are the derivatives of the values. In the order of
//! the values these are the one-sided derivatives for `t -> 0+`, which are the derivatives where those exist. Singular
//! values are the eigenvalues of `[0 A; A^T 0]`; at 0 their one-sided derivatives are the singular values of
//! `[U_0 U_perp]^T E V_0`, where `U_perp` completes `U`.
//!
//! A weighted sum `F = V diag(w) V^T` whose weights are equal within each group, while their derivatives `dw` along the
//! line are not, has along the line the derivative that the adapted basis shows: the term of `dw` is
//! `V_g Q diag(dw) Q^T V_g^T`, and no derivative of `Q` is needed, since `w` is constant on the group. What needs no
//! direction lives in `spectrum/`. Allocates where there is a tie.

use num_traits::Float;

use crate::gemm::gemm;
use crate::real::{Real, max_abs};
use crate::spectrum::{AT_ZERO, UNEQUAL, Window, complement, even, outer_sum, parts, tied, weighted_by};
use crate::tolerances::{NEAR_TIE_ROUNDING, gauge, near_tie, tie};
use crate::{Failure, Workspace};

/// Positions `from..to` of the values that coincide, in the order of the handle.
#[derive(Clone, Copy)]
pub(crate) struct Group {
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// Singular values that vanish.
    pub(crate) zero: bool,
}

/// Groups of more than one value, and the one of the singular values that vanish.
pub(crate) fn groups<T: Real>(win: Window, x: &[T], tol: T) -> impl Iterator<Item = Group> + '_ {
    let mut from = 0;
    std::iter::from_fn(move || {
        while from < win.n {
            let start = from;
            from += 1;
            while from < win.n && Float::abs(x[from] - x[from - 1]) <= tol {
                from += 1;
            }
            let zero = win.singular && x[from - 1] <= tol;
            if zero || from - start > 1 {
                return Some(Group { from: start, to: from, zero });
            }
        }
        None
    })
}

/// The derivatives of the chosen values along `E`, one-sided (`t -> 0+`) where values are tied.
pub(crate) fn values_along<T: Real>(
    win: Window,
    handle: &[T],
    e: &[T],
    out: &mut [T],
    w: &mut Workspace<T>,
) -> Result<(), Failure> {
    crate::real::finite(e)?;
    slopes(win, handle, e, out, w);
    let (_, _, x) = parts(win, handle);
    let tol = tied(win, x);
    for group in groups(win, x, tol).filter(|g| g.from < win.from + win.len && g.to > win.from) {
        let adapted = Adapted::new(win, handle, e, group, w)?;
        for i in group.from.max(win.from)..group.to.min(win.from + win.len) {
            out[i - win.from] = adapted.slopes[i - group.from];
        }
    }
    Ok(())
}

/// `u_i^T E v_i` for each chosen value.
fn slopes<T: Real>(win: Window, handle: &[T], e: &[T], out: &mut [T], w: &mut Workspace<T>) {
    let (u, v, _) = parts(win, handle);
    let [t] = w.slices([win.m * win.len]);
    gemm(t, win.m, win.len, win.n, T::one(), e, false, win.of(v, win.n), false, false);
    for (c, out) in out.iter_mut().enumerate() {
        let i = win.from + c;
        *out = crate::sums::dot(&u[i * win.m..(i + 1) * win.m], &t[c * win.m..(c + 1) * win.m]);
    }
}

/// A group in the basis in which the direction is diagonal.
struct Adapted<T> {
    /// Derivatives of the values, in the order of the handle.
    slopes: Vec<T>,
    /// Columns of `U` and of `V` (which are one for eigenvalues), in the same order.
    u: Vec<T>,
    v: Vec<T>,
}

impl<T: Real> Adapted<T> {
    fn new(win: Window, handle: &[T], e: &[T], g: Group, w: &mut Workspace<T>) -> Result<Self, Failure> {
        let (u, v, _) = parts(win, handle);
        let (m, n, k) = (win.m, win.n, g.to - g.from);
        let vg = &v[g.from * n..g.to * n];
        let mut ug = u[g.from * m..g.to * m].to_vec();
        if g.zero {
            ug.extend(complement(u, m, n));
        }
        let rows = ug.len() / m.max(1);
        // B = U_g^T E V_g
        let (mut t, mut b) = (vec![T::zero(); m * k], vec![T::zero(); rows * k]);
        gemm(&mut t, m, k, n, T::one(), e, false, vg, false, false);
        gemm(&mut b, rows, k, m, T::one(), &ug, true, &t, false, false);
        match g.zero {
            true => Self::at_zero(win, &ug, vg, &b, rows, k, w),
            false => Self::at_tie(win, &ug, vg, &b, k, w),
        }
    }

    /// The symmetric part of `B` has the eigenvectors `Q`.
    fn at_tie(win: Window, ug: &[T], vg: &[T], b: &[T], k: usize, w: &mut Workspace<T>) -> Result<Self, Failure> {
        let (m, n) = (win.m, win.n);
        let mut handle = vec![T::zero(); k * (k + 1)];
        crate::eigh::eigh(b, k, &mut handle, w)?;
        let (q, x) = handle.split_at_mut(k * k);
        if win.singular {
            x.reverse();
            (0..k / 2).for_each(|j| (0..k).for_each(|i| q.swap(i + j * k, i + (k - 1 - j) * k)));
        }
        let (mut u, mut v) = (vec![T::zero(); m * k], vec![T::zero(); n * k]);
        gemm(&mut u, m, k, k, T::one(), ug, false, q, false, false);
        gemm(&mut v, n, k, k, T::one(), vg, false, q, false, false);
        Ok(Adapted { slopes: x.to_vec(), u, v })
    }

    /// `B = P diag(s) Q^T`.
    fn at_zero(
        win: Window,
        ug: &[T],
        vg: &[T],
        b: &[T],
        rows: usize,
        k: usize,
        w: &mut Workspace<T>,
    ) -> Result<Self, Failure> {
        let (m, n) = (win.m, win.n);
        let mut handle = vec![T::zero(); rows * k + k * k + k];
        crate::svd::svd(b, rows, k, false, &mut handle, w)?;
        let (p, rest) = handle.split_at(rows * k);
        let (q, s) = rest.split_at(k * k);
        let (mut u, mut v) = (vec![T::zero(); m * k], vec![T::zero(); n * k]);
        gemm(&mut u, m, k, rows, T::one(), ug, false, p, false, false);
        gemm(&mut v, n, k, k, T::one(), vg, false, q, false, false);
        Ok(Adapted { slopes: s.to_vec(), u, v })
    }

    /// May the weights have these derivatives? Not if they differ where even the direction leaves a tie.
    fn allows(&self, dw: &[T], zero: bool, resolved: T, small: T) -> Result<(), Failure> {
        for i in 1..dw.len() {
            if Float::abs(self.slopes[i] - self.slopes[i - 1]) <= resolved && Float::abs(dw[i] - dw[i - 1]) > small {
                return Err(UNEQUAL);
            }
        }
        let vanishing = |(s, dw): (&T, &T)| *s <= resolved && Float::abs(*dw) > small;
        if zero && self.slopes.iter().zip(dw).any(vanishing) { Err(AT_ZERO) } else { Ok(()) }
    }
}

/// The derivative of `F = V diag(w) V^T` (or `U diag(w) V^T`) while `A` moves along `E` and the weights along `dw`. The
/// weights are equal within each group of tied values (and zero where singular values vanish); their derivatives need
/// not be.
pub(crate) fn weighted_along<T: Real>(
    win: Window,
    handle: &[T],
    weights: &[T],
    e: &[T],
    dw: &[T],
    out: &mut [T],
    w: &mut Workspace<T>,
) -> Result<(), Failure> {
    crate::real::finite(dw)?;
    let (_, _, x) = parts(win, handle);
    let tol = tied(win, x);
    let near = Near::new(win, handle, weights, e, dw, w);
    weighted_by(win, handle, weights, &[e], out, w, |i, j| near.quotient(i, j))?;
    // Along a direction that moves no value to first order, all of `dw` is rounding, and small beside the rest of the
    // sum.
    let small = gauge::<T>() * Float::max(max_abs(dw), max_abs(out));
    let change = |i: usize| if win.has(i) { dw[i - win.from] } else { T::zero() };
    let mut adapted = None;
    if even(win, x, change, tol, small).is_err() {
        let all = adapted.insert(handle.to_vec());
        let resolved = tie::<T>(win.rows()) * crate::sums::norm(e);
        for g in groups(win, x, tol) {
            let own: Vec<T> = (g.from..g.to).map(change).collect();
            let uneven = own.iter().any(|d| Float::abs(*d - own[0]) > small) || (g.zero && max_abs(&own) > small);
            if uneven {
                let group = Adapted::new(win, handle, e, g, w)?;
                group.allows(&own, g.zero, resolved, small)?;
                place(win, all, g, &group);
            }
        }
    }
    let mut term = w.take(win.m * win.n);
    outer_sum(win, adapted.as_deref().unwrap_or(handle), dw, &mut term[..win.m * win.n], w);
    out.iter_mut().zip(&term).for_each(|(o, t)| *o += *t);
    w.put(term);
    Ok(())
}

/// Puts the columns of a group into a handle.
fn place<T: Real>(win: Window, handle: &mut [T], g: Group, group: &Adapted<T>) {
    let (m, n) = (win.m, win.n);
    if win.singular {
        handle[g.from * m..g.to * m].copy_from_slice(&group.u);
    }
    let v = if win.singular { m * n } else { 0 };
    handle[v + g.from * n..v + g.to * n].copy_from_slice(&group.v);
}

/// Difference quotients of weights, which cancel where values are nearly tied.
///
/// `(w_i - w_j)/(x_i - x_j)` has an error of about `eps |w| / gap`. If the weights are smooth and symmetric in the two
/// values, it is within about `gap` of the quotient of the derivatives along the direction,
/// `(dw_i - dw_j)/(dx_i - dx_j)`, which may know more digits. That quotient is taken where its error is the smaller of
/// the two, and only if it agrees with the first within the sum of both errors. So nothing changes for any other
/// program, of which the quotient of derivatives says nothing.
struct Near<'a, T> {
    win: Window,
    x: &'a [T],
    weights: &'a [T],
    dw: &'a [T],
    /// Which group each value belongs to: the position of its first.
    group: Vec<usize>,
    /// The derivatives of the chosen values; empty where none are nearly tied.
    dx: Vec<T>,
}

impl<'a, T: Real> Near<'a, T> {
    fn new(win: Window, handle: &'a [T], weights: &'a [T], e: &[T], dw: &'a [T], w: &mut Workspace<T>) -> Self {
        let (_, _, x) = parts(win, handle);
        let tol = tied(win, x);
        let close = near_tie::<T>() * max_abs(x);
        let any = x.windows(2).any(|p| (Float::abs(p[0] - p[1]) <= close) && Float::abs(p[0] - p[1]) > tol);
        let mut dx = vec![T::zero(); if any { win.len } else { 0 }];
        if any {
            slopes(win, handle, e, &mut dx, w);
        }
        let mut group: Vec<usize> = (0..win.n).collect();
        groups(win, x, tol).for_each(|g| group[g.from..g.to].fill(g.from));
        Near { win, x, weights, dw, group, dx }
    }

    fn quotient(&self, i: usize, j: usize) -> T {
        let (win, from) = (self.win, self.win.from);
        let of = |list: &[T], i: usize| if win.has(i) { list[i - from] } else { T::zero() };
        let gap = self.x[i] - self.x[j];
        if self.group[i] == self.group[j] {
            return T::zero();
        }
        let (wi, wj) = (of(self.weights, i), of(self.weights, j));
        let plain = (wi - wj) / gap;
        let scale = max_abs(self.x);
        if self.dx.is_empty() || !win.has(i) || !win.has(j) || Float::abs(gap) > near_tie::<T>() * scale {
            return plain;
        }
        let (di, dj) = (of(self.dw, i), of(self.dw, j));
        let turn = of(&self.dx, i) - of(&self.dx, j);
        let smooth = (di - dj) / turn;
        let eps = T::of(NEAR_TIE_ROUNDING) * T::EPS;
        let error = eps * Float::max(Float::abs(wi), Float::abs(wj)) / Float::abs(gap);
        let other = eps * Float::max(Float::abs(di), Float::abs(dj)) / Float::abs(turn)
            + Float::abs(smooth) * Float::abs(gap) / scale;
        // Comparisons with NaN (no turn at all) are false.
        if other < error && Float::abs(plain - smooth) <= error + other { smooth } else { plain }
    }
}
