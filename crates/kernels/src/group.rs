//! The spectral projector of a group of eigenvalues of a general matrix, its derivatives along directions, and how well
//! the group is separated. How a Schur form is ordered lives in `schur_order.rs`.
//!
//! Let `A = U T U^T` be the Schur form with the group first, `T = [T1 P; 0 T2]`, and `T1 R - R T2 = P`. With
//! `M = [I -R; 0 I]`, `T = M diag(T1, T2) M^{-1}`: the product `M diag(T1, T2) M^{-1}` has `T1 R - R T2` in its corner.
//! So `Pi = U [I R; 0 0] U^T`.
//!
//! **Derivatives.** Adjoin symbols `e_1, .., e_k` that square to zero, let `A` move to `A + sum of e_i E_i`, and let
//! `Pi_S` be the coefficient of a set `S`. In the basis `U M`, where `A` is `D = diag(T1, T2)`, `Pi` is `diag(I, 0)`,
//! and `F_i = (U M)^{-1} E_i U M`, the coefficients of `A Pi = Pi A` and `Pi Pi = Pi` are
//!
//! - `D Pi_S - Pi_S D = K`, `K = sum over i in S of Pi_{S - i} F_i - F_i Pi_{S - i}`;
//! - `diag(I, 0) Pi_S + Pi_S diag(I, 0) - Pi_S = -N`, `N = sum of Pi_P Pi_Q` over the pairs of disjoint sets, neither
//!   empty, that make up `S`.
//!
//! The first gives the blocks off the diagonal, by `T1 X - X T2 = K_12` and `T2 X - X T1 = K_21`; the second those on
//! it, `X_11 = -N_11` and `X_22 = N_22`. Only the separation of `T1` from `T2` is divided by.

use faer::dyn_stack::StackReq;
use num_traits::Float;

use crate::equations::{Triangles, separation_of};
use crate::gemm::gemm;
use crate::quasi::{eigenvalues, is_identity, length, order_at};
use crate::real::{Real, finite, identity_tall, max_abs, view, view_mut};
use crate::schur_order::move_up;
use crate::sums::all_finite;
use crate::sylvester::{Equation, Kind, Scratch, scratch_lengths};
use crate::tolerances::{GROUP_ORDER, equation_pivot};
use crate::{Failure, Scalar, Workspace};

/// Which eigenvalues of a general real matrix belong together. Both of a complex pair always do.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Group {
    /// Those of real part above this.
    RealAbove(f64),
    /// Those of real part below this.
    RealBelow(f64),
    /// Those of modulus above this.
    ModulusAbove(f64),
    /// Those of modulus below this.
    ModulusBelow(f64),
    /// So many of the largest real parts; not more than there are.
    LargestReal(usize),
    /// So many of the largest moduli; not more than there are.
    LargestModulus(usize),
}

impl Group {
    /// What eigenvalues are compared by, the larger the nearer to the group.
    fn measure<T: Real>(self, re: T, im: T) -> f64 {
        let (re, modulus) = (Scalar::f64(re), Scalar::f64(length(re, im)));
        match self {
            Group::RealAbove(c) => re - c,
            Group::RealBelow(c) => c - re,
            Group::ModulusAbove(c) => modulus - c,
            Group::ModulusBelow(c) => c - modulus,
            Group::LargestReal(_) => re,
            Group::LargestModulus(_) => modulus,
        }
    }

    fn count(self) -> Option<usize> {
        match self {
            Group::LargestReal(k) | Group::LargestModulus(k) => Some(k),
            _ => None,
        }
    }
}

/// Numbers in a handle: `U`, `T`, the parts of [`SplitForm`], and how many eigenvalues there are in the group.
pub(crate) const fn handle_len(n: usize) -> usize {
    n * (3 * n + 1)
}

/// What a handle holds.
struct SplitForm<'a, T> {
    n: usize,
    /// The order of `T1`.
    k: usize,
    u: &'a [T],
    t1: &'a [T],
    /// `-T2`
    minus_t2: &'a [T],
    r: &'a [T],
}

impl<'a, T: Real> SplitForm<'a, T> {
    fn of(handle: &'a [T], n: usize) -> Self {
        let k = Scalar::f64(handle[3 * n * n]) as usize;
        let (u, rest) = handle.split_at(n * n);
        let (t1, rest) = rest[n * n..].split_at(k * k);
        let (minus_t2, rest) = rest.split_at((n - k) * (n - k));
        SplitForm { n, k, u, t1, minus_t2, r: &rest[..k * (n - k)] }
    }

    /// `X` of `T1 X - X T2 = C` in place of `C`, or of `T2 X - X T1 = -C`.
    fn solve(&self, second: bool, c: &mut [T], tiles: &mut [T]) -> Result<(), Failure> {
        let (k, l) = (self.k, self.n - self.k);
        let (t1, minus_t2) = (view(self.t1, k, k), view(self.minus_t2, l, l));
        let (a, b) = if second { (minus_t2, t1) } else { (t1, minus_t2) };
        let eq = Equation { kind: Kind::Sum, ta: false, tb: false, floor: T::zero() };
        let c = view_mut(c, a.nrows(), b.nrows());
        eq.solve(a, b, c, 0, &mut Scratch::new(tiles, &mut [])).map_err(|s| close(Scalar::f64(s.ratio)))
    }

    /// `out = M X M^{-1}` with blocks of `X`: the columns on the right gain the left ones times `R`, then the rows
    /// above lose `R` times the lower ones. With `inverse`, `M^{-1} X M`: the same with `-R`.
    fn turn(&self, inverse: bool, x: &mut [T]) {
        let (n, k) = (self.n, self.k);
        let sign = if inverse { -T::one() } else { T::one() };
        for j in k..n {
            let (left, right) = x.split_at_mut(j * n);
            for (i, r) in self.r[(j - k) * k..][..k].iter().enumerate() {
                crate::wide::flat::axpy(sign * *r, &left[i * n..][..n], &mut right[..n]);
            }
        }
        for column in x.chunks_exact_mut(n) {
            let (upper, lower) = column.split_at_mut(k);
            for (j, x) in lower.iter().enumerate() {
                crate::wide::flat::axpy(-sign * *x, &self.r[j * k..][..k], upper);
            }
        }
    }
}

fn close(separation: f64) -> Failure {
    Failure::Unseparated { separation }
}

/// The projector of the group into `p`, a handle of [`handle_len`] numbers for [`along`], and the separation: an
/// estimate of the least `|T1 X - X T2|` over all `X` of norm 1, over the size of `T`; the largest number where all or
/// none are in the group.
///
/// Errors: entries that are not finite; an eigenvalue on the boundary of the group, or a separation of the size of
/// rounding ([`Failure::Unseparated`]); blocks that cannot be exchanged. Cost: the Schur form (about `25 n^3`), its
/// order, and up to eleven triangular equations of `2 k (n - k) n` or less.
pub(crate) fn projector<T: Real>(
    group: Group,
    a: &[T],
    n: usize,
    p: &mut [T],
    handle: &mut [T],
    w: &mut Workspace<T>,
) -> Result<T, Failure> {
    debug_assert!(a.len() == n * n && p.len() == n * n && handle.len() == handle_len(n));
    finite(a)?;
    if n == 0 {
        return Ok(Float::max_value());
    }
    crate::schur::schur(a, n, &mut handle[..2 * n * n], w)?;
    let k = order(group, handle, n, w)?;
    handle[3 * n * n..].fill(T::zero());
    handle[3 * n * n] = T::of(k as f64);
    let sep = couple(handle, n, k, w)?;
    if k == 0 || k == n {
        p.fill(T::zero());
        (0..k).for_each(|i| p[i + i * n] = T::one());
        return Ok(Float::max_value());
    }
    let h = SplitForm::of(handle, n);
    // U [I R; 0 0] U^T
    let [x, work] = w.slices([n * n, n * n]);
    x.fill(T::zero());
    (0..k).for_each(|i| x[i + i * n] = T::one());
    for (j, r) in h.r.chunks_exact(k.max(1)).enumerate() {
        x[(k + j) * n..][..k].copy_from_slice(r);
    }
    gemm(work, n, n, n, T::one(), h.u, false, x, false, false);
    gemm(p, n, n, n, T::one(), work, false, h.u, true, false);
    if all_finite(p) { Ok(sep) } else { Err(close(0.0)) }
}

/// Brings the group to the top of the Schur form; returns how many there are.
fn order<T: Real>(group: Group, handle: &mut [T], n: usize, w: &mut Workspace<T>) -> Result<usize, Failure> {
    let (u, rest) = handle.split_at_mut(n * n);
    let t = &mut rest[..n * n];
    let (_, [re, im], chosen) = w.lend(StackReq::EMPTY, [n, n], n);
    eigenvalues(t, n, re, im);
    let of = |i: usize| group.measure(re[i], im[i]);
    let (mut inside, mut outside) = (f64::INFINITY, f64::NEG_INFINITY);
    for i in 0..n {
        let within = match group.count() {
            None => of(i) > 0.0,
            Some(k) => (0..n).filter(|&j| of(j) > of(i) || (of(j) == of(i) && j < i)).count() < k,
        };
        chosen[i] = usize::from(within);
        if within { inside = inside.min(of(i)) } else { outside = outside.max(of(i)) }
    }
    // The boundary is a number, or the gap between the last inside and the first outside.
    let gap = if group.count().is_some() { inside - outside } else { inside.min(-outside) };
    let size = Scalar::f64(max_abs(t));
    let exact = is_identity(u, n);
    if gap <= if exact { 0.0 } else { Scalar::f64(equation_pivot::<T>(n)) * size } {
        return Err(close(if size > 0.0 { (gap / size).abs() } else { 0.0 }));
    }
    let (mut top, mut j) = (0, 0);
    while j < n {
        let size = order_at(t, n, j);
        if chosen[j] == 1 {
            move_up(t, n, u, j, top)?;
            top += size;
        }
        j += size;
    }
    Ok(top)
}

/// Writes `T1`, `-T2` and `R` to their places, and returns the separation.
fn couple<T: Real>(handle: &mut [T], n: usize, k: usize, w: &mut Workspace<T>) -> Result<T, Failure> {
    let l = n - k;
    let (form, parts) = handle.split_at_mut(2 * n * n);
    let t = &form[n * n..];
    let (t1, rest) = parts.split_at_mut(k * k);
    let (minus_t2, rest) = rest.split_at_mut(l * l);
    for (j, column) in t1.chunks_exact_mut(k.max(1)).enumerate() {
        column.copy_from_slice(&t[j * n..][..k]);
    }
    for (j, column) in minus_t2.chunks_exact_mut(l.max(1)).enumerate() {
        column.iter_mut().zip(&t[(k + j) * n + k..]).for_each(|(x, t)| *x = -*t);
    }
    for (j, column) in rest[..k * l].chunks_exact_mut(k.max(1)).enumerate() {
        column.copy_from_slice(&t[(k + j) * n..][..k]);
    }
    let size = max_abs(t);
    let pair = Triangles { a: t1, m: k, ta: false, b: minus_t2, n: l, tb: false };
    let sep = separation_of(Kind::Sum, pair, w) / size.max(T::min_positive_value());
    if k > 0 && l > 0 && Float::is_finite(sep) && sep <= T::EPS {
        return Err(close(Scalar::f64(sep)));
    }
    let [tiles, c] = w.slices([scratch_lengths(Kind::Sum, k, l)[0], k * l]);
    let h = SplitForm::of(handle, n);
    c.copy_from_slice(h.r);
    h.solve(false, c, tiles)?;
    let at = 2 * n * n + k * k + l * l;
    handle[at..at + k * l].copy_from_slice(c);
    Ok(sep)
}

/// `D^k Pi(A)[E_1, .., E_k]` with `k = es.len() >= 1`, from the handle of [`projector`].
///
/// Errors: directions that are not finite, more than four of them, a derivative that overflows. Cost, in `n^3`:
/// `4 (k + 1)` for the bases, `2 k 2^k` for the products with directions, up to `2 3^k` for the others, `2^k` for the
/// equations.
pub(crate) fn along<T: Real>(
    handle: &[T],
    n: usize,
    es: &[&[T]],
    out: &mut [T],
    w: &mut Workspace<T>,
) -> Result<(), Failure> {
    debug_assert!(handle.len() == handle_len(n) && es.iter().all(|e| e.len() == n * n));
    es.iter().try_for_each(|e| finite(e))?;
    if es.len() > GROUP_ORDER {
        return Err(Failure::Unsupported { what: "a derivative of a spectral projector beyond the fourth" });
    }
    if n == 0 {
        return Ok(());
    }
    let (h, nn, sets) = (SplitForm::of(handle, n), n * n, 1 << es.len());
    let [f, pi, work, c, tiles] = w.slices([es.len() * nn, sets * nn, nn, nn, scratch_lengths(Kind::Sum, n, n)[0]]);
    for (e, f) in es.iter().zip(f.chunks_exact_mut(nn)) {
        gemm(work, n, n, n, T::one(), h.u, true, e, false, false);
        gemm(f, n, n, n, T::one(), work, false, h.u, false, false);
        h.turn(true, f);
    }
    identity_tall(&mut pi[..nn], n);
    (h.k..n).for_each(|i| pi[i + i * n] = T::zero());
    for set in 1..sets {
        let (known, rest) = pi.split_at_mut(set * nn);
        coefficient(&h, set, f, known, &mut rest[..nn], [work, c, tiles])?;
    }
    let x = &mut pi[(sets - 1) * nn..];
    h.turn(false, x);
    gemm(work, n, n, n, T::one(), h.u, false, x, false, false);
    gemm(out, n, n, n, T::one(), work, false, h.u, true, false);
    if all_finite(out) { Ok(()) } else { Err(Failure::Unsupported { what: "a derivative that overflows" }) }
}

/// The coefficient of one set from those of smaller numbers.
fn coefficient<T: Real>(
    h: &SplitForm<'_, T>,
    set: usize,
    f: &[T],
    known: &[T],
    x: &mut [T],
    [sum, c, tiles]: [&mut [T]; 3],
) -> Result<(), Failure> {
    let (n, k, nn, one) = (h.n, h.k, h.n * h.n, T::one());
    let of = |s: usize| &known[s * nn..][..nn];
    // K
    x.fill(T::zero());
    for i in (0..usize::BITS as usize).take_while(|i| set >> i > 0).filter(|i| set >> i & 1 == 1) {
        let (f, rest) = (&f[i * nn..][..nn], of(set & !(1 << i)));
        gemm(x, n, n, n, one, rest, false, f, false, true);
        gemm(x, n, n, n, -one, f, false, rest, false, true);
    }
    // N
    sum.fill(T::zero());
    for part in (1..set).filter(|part| part & !set == 0) {
        gemm(sum, n, n, n, one, of(part), false, of(set & !part), false, true);
    }
    for (second, rows, cols) in [(false, 0..k, k..n), (true, k..n, 0..k)] {
        let (m, sign) = (rows.len(), if second { -one } else { one });
        let c = &mut c[..m * cols.len()];
        for (j, column) in cols.clone().zip(c.chunks_exact_mut(m.max(1))) {
            column.iter_mut().zip(&x[j * n + rows.start..]).for_each(|(c, x)| *c = sign * *x);
        }
        h.solve(second, c, tiles)?;
        for (j, column) in cols.zip(c.chunks_exact(m.max(1))) {
            x[j * n + rows.start..][..m].copy_from_slice(column);
        }
    }
    for j in 0..n {
        let (rows, sign) = if j < k { (0..k, -one) } else { (k..n, one) };
        rows.for_each(|i| x[i + j * n] = sign * sum[i + j * n]);
    }
    Ok(())
}
