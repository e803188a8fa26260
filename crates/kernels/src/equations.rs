//! Sylvester, Lyapunov and Stein equations of general matrices from their real Schur forms, and how far they are from
//! singular. The handles serve the transposed equations too, which adjoint rules need; the triangular solvers live in
//! `sylvester.rs`.

use num_traits::Float;

use crate::gemm::gemm;
use crate::quasi::{is_diagonal, is_identity};
use crate::real::{Real, balance, finite, max_abs, mirror, view, view_mut};
use crate::sums::all_finite;
use crate::sylvester::{Equation, Kind, Scratch, Stop, scratch_lengths};
use crate::tolerances::{equation_growth, equation_pivot, equation_probe, safe_range};
use crate::{Failure, Scalar, Workspace};

/// The factors of an equation: two handles of `schur`, and which of the two matrices is transposed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Factors<'a, T> {
    pub(crate) a: &'a [T],
    pub(crate) m: usize,
    pub(crate) ta: bool,
    pub(crate) b: &'a [T],
    pub(crate) n: usize,
    pub(crate) tb: bool,
}

/// What is known of an equation before it is solved.
struct Verdict<T> {
    eq: Equation<T>,
    /// The size of the operator: what `C` would be of an `X` of size one.
    size: T,
    /// The factors are diagonal matrices as they were given: every entry is a division of its own.
    diagonal: bool,
}

impl<'a, T: Real> Factors<'a, T> {
    fn check(&self) {
        debug_assert!(self.a.len() == 2 * self.m * self.m && self.b.len() == 2 * self.n * self.n);
    }

    fn ua(&self) -> &'a [T] {
        &self.a[..self.m * self.m]
    }

    fn ub(&self) -> &'a [T] {
        &self.b[..self.n * self.n]
    }

    fn triangles(&self) -> (&'a [T], &'a [T]) {
        (&self.a[self.m * self.m..], &self.b[self.n * self.n..])
    }

    /// A Schur form moves eigenvalues by rounding of the whole matrix: a pivot of that size is zero. Matrices that were
    /// quasi-triangular have theirs exactly, and only the pivot's own terms count.
    fn verdict(&self, kind: Kind) -> Verdict<T> {
        let (ta, tb) = self.triangles();
        let (x, y) = (max_abs(ta), max_abs(tb));
        let exact = is_identity(self.ua(), self.m) && is_identity(self.ub(), self.n);
        let size = if kind == Kind::Sum { x + y } else { T::one() + x * y };
        let floor = if exact { T::zero() } else { equation_pivot::<T>(self.m.max(self.n)) * size };
        let diagonal = exact && is_diagonal(ta, self.m) && is_diagonal(tb, self.n);
        Verdict { eq: Equation { kind, ta: self.ta, tb: self.tb, floor }, size, diagonal }
    }
}

fn singular<T: Real>(s: Stop<T>) -> Failure {
    Failure::Singular { index: s.row, ratio: Scalar::f64(s.ratio) }
}

/// `op(A) X + X op(B) = C` or `X - op(A) X op(B) = C` from the Schur forms `A = U T U^T`, `B = V S V^T`.
///
/// With `Y = U^T X V` it is the same equation of the quasi-triangular factors, with `U^T C V` on the right. `X` and `C`
/// are `m x n`.
///
/// Errors: `C` not finite; a singular equation (`l_i(A) + l_j(B) = 0`, or `l_i(A) l_j(B) = 1`, to working precision),
/// or one whose solution is so large that the residual is as large as `C`; a solution that overflows. Cost:
/// `4 m n (m + n)` operations, four products of which do half. Sources: Bartels and Stewart 1972, Jonsson and Kågström
/// 2002.
pub(crate) fn solve<T: Real>(
    kind: Kind,
    f: Factors<'_, T>,
    c: &[T],
    x: &mut [T],
    w: &mut Workspace<T>,
) -> Result<(), Failure> {
    f.check();
    let (m, n) = (f.m, f.n);
    debug_assert!(c.len() == m * n && x.len() == m * n);
    finite(c)?;
    if m == 0 || n == 0 {
        return Ok(());
    }
    let scale = balance(max_abs(c), safe_range());
    let v = f.verdict(kind);
    let (one, [tiles, work]) = (T::one(), scratch_lengths(kind, m, n));
    let [y, tiles, work] = w.slices([m * n, tiles, work]);
    gemm(y, m, n, m, scale, f.ua(), true, c, false, false);
    gemm(x, m, n, n, one, y, false, f.ub(), false, false);
    let size = max_abs(x);
    let (ta, tb) = f.triangles();
    let s = &mut Scratch::new(tiles, work);
    v.eq.solve(view(ta, m, m), view(tb, n, n), view_mut(x, m, n), 0, s).map_err(singular)?;
    judge(&v, size, x)?;
    probe(&v, &f, y, s)?;
    gemm(y, m, n, m, one, f.ua(), false, x, false, false);
    gemm(x, m, n, n, one, y, false, f.ub(), true, false);
    unscale(x, scale)
}

/// `op(A) X + X op(A)^T = C` (`Sum`) or `X - op(A) X op(A)^T = C` (`Difference`) with the symmetric part of `C`; `X` is
/// exactly symmetric. Errors as for [`solve`]. Cost: `5 n^3` and `8 n^3` operations.
pub(crate) fn solve_symmetric<T: Real>(
    kind: Kind,
    handle: &[T],
    n: usize,
    transpose: bool,
    c: &[T],
    x: &mut [T],
    w: &mut Workspace<T>,
) -> Result<(), Failure> {
    let f = Factors { a: handle, m: n, ta: transpose, b: handle, n, tb: !transpose };
    f.check();
    debug_assert!(c.len() == n * n && x.len() == n * n);
    finite(c)?;
    if n == 0 {
        return Ok(());
    }
    let scale = balance(max_abs(c), safe_range());
    let v = f.verdict(kind);
    let (one, u, [tiles, work]) = (T::one(), f.ua(), scratch_lengths(kind, n, n));
    let [y, tiles, work] = w.slices([n * n, tiles, work]);
    let s = &mut Scratch::new(tiles, work);
    let t = view(f.triangles().0, n, n);
    crate::real::symmetrise(c, n, scale, x);
    gemm(y, n, n, n, one, u, true, x, false, false);
    gemm(x, n, n, n, one, y, false, u, false, false);
    mirror(x, n, true);
    let size = max_abs(x);
    match kind {
        Kind::Sum => v.eq.solve_symmetric(t, view_mut(x, n, n), 0, s),
        Kind::Difference => v.eq.solve(t, t, view_mut(x, n, n), 0, s),
    }
    .map_err(singular)?;
    judge(&v, size, x)?;
    probe(&v, &f, y, s)?;
    gemm(y, n, n, n, one, u, false, x, false, false);
    gemm(x, n, n, n, one, y, false, u, true, false);
    unscale(x, scale)?;
    y.copy_from_slice(x);
    crate::real::symmetrise(y, n, one, x);
    Ok(())
}

/// A right-hand side that happens to lie in the range of a singular operator gives a solution of ordinary size, one of
/// many. Defective eigenvalues hide such an operator from the pivots: of an eigenvalue of order `k` rounding leaves
/// pivots of its `k`-th root. So where a pivot is small, though not so small, the same judgement is asked of a
/// right-hand side that is not special.
fn probe<T: Real>(v: &Verdict<T>, f: &Factors<'_, T>, y: &mut [T], s: &mut Scratch<'_, T>) -> Result<(), Failure> {
    if v.diagonal || s.least > equation_probe::<T>() * v.size {
        return Ok(());
    }
    let len = y.len();
    alternating(y);
    let (ta, tb) = f.triangles();
    v.eq.solve(view(ta, f.m, f.m), view(tb, f.n, f.n), view_mut(y, f.m, f.n), 0, s).map_err(singular)?;
    let right = if len == 1 { T::one() } else { T::of(2.0) };
    if all_finite(y) { judge(v, right, y) } else { Err(Failure::Singular { index: 0, ratio: 0.0 }) }
}

/// Growing entries of alternating sign, from 1 to 2.
pub(crate) fn alternating<T: Real>(x: &mut [T]) {
    let last = (x.len().max(2) - 1) as f64;
    for (i, x) in x.iter_mut().enumerate() {
        let size = T::of(1.0 + i as f64 / last);
        *x = if i % 2 == 0 { size } else { -size };
    }
}

/// Rounding in the residual is that of `size |X|`. Where that is as large as the right-hand side, no digit is left.
fn judge<T: Real>(v: &Verdict<T>, right: T, x: &[T]) -> Result<(), Failure> {
    let grown = v.size * max_abs(x) * equation_growth::<T>();
    if v.diagonal || !all_finite(x) || grown <= right {
        return Ok(());
    }
    Err(Failure::Singular { index: 0, ratio: Scalar::f64(right / (v.size * max_abs(x))) })
}

fn unscale<T: Real>(x: &mut [T], scale: T) -> Result<(), Failure> {
    if scale != T::one() {
        x.iter_mut().for_each(|x| *x /= scale);
    }
    if all_finite(x) {
        Ok(())
    } else {
        Err(Failure::Unsupported { what: "a solution that overflows; scale the equation" })
    }
}

/// An estimate of the separation `1 / |L^{-1}|_1`, where `L` takes `X` to the left-hand side, as a map of lists of
/// `m n` numbers in the bases of the Schur forms. It is seldom too large by more than a factor of three; zero for a
/// singular equation.
///
/// `|L^{-1}|_1` is the largest sum over a column. Hager's ascent looks for that column: a subgradient of the norm at
/// `x` is `L^{-T} sign(L^{-1} x)`, and its largest entry says which unit vector to go to. Higham's alternating vector
/// guards against an early stop. Cost: four to eleven triangular solves. Source: Higham, Accuracy and Stability,
/// algorithm 15.4.
pub(crate) fn separation<T: Real>(kind: Kind, f: Factors<'_, T>, w: &mut Workspace<T>) -> T {
    f.check();
    let (a, b) = f.triangles();
    separation_of(kind, Triangles { a, m: f.m, ta: f.ta, b, n: f.n, tb: f.tb }, w)
}

/// Two quasi-triangular factors, and which of them is transposed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Triangles<'a, T> {
    pub(crate) a: &'a [T],
    pub(crate) m: usize,
    pub(crate) ta: bool,
    pub(crate) b: &'a [T],
    pub(crate) n: usize,
    pub(crate) tb: bool,
}

/// [`separation`] of equations of quasi-triangular matrices.
pub(crate) fn separation_of<T: Real>(kind: Kind, f: Triangles<'_, T>, w: &mut Workspace<T>) -> T {
    let len = f.m * f.n;
    if len == 0 {
        return T::infinity();
    }
    let mut both = w.take(2 * len);
    let (x, signs) = both[..2 * len].split_at_mut(len);
    let inverse = estimate(kind, f, x, signs, w);
    w.put(both);
    match inverse {
        Some(norm) if norm > T::zero() => T::one() / norm,
        _ => T::zero(),
    }
}

/// The estimate of the norm, or nothing if a solve fails or overflows.
fn estimate<T: Real>(kind: Kind, f: Triangles<'_, T>, x: &mut [T], signs: &mut [T], w: &mut Workspace<T>) -> Option<T> {
    let len = x.len();
    let sum = |x: &[T]| x.iter().fold(T::zero(), |s, y| s + Float::abs(*y));
    x.fill(T::one() / T::of(len as f64));
    in_place(kind, f, false, x, w)?;
    let mut norm = sum(x);
    signs.fill(T::zero());
    let mut at = len;
    for _ in 0..5 {
        let mut same = true;
        for (x, s) in x.iter_mut().zip(&mut *signs) {
            let sign = crate::quasi::with_sign(T::one(), *x);
            same &= sign == *s;
            (*s, *x) = (sign, sign);
        }
        if same || len == 1 {
            break;
        }
        in_place(kind, f, true, x, w)?;
        let next = (0..len).fold(0, |k, i| if Float::abs(x[i]) > Float::abs(x[k]) { i } else { k });
        if next == at {
            break;
        }
        at = next;
        x.fill(T::zero());
        x[at] = T::one();
        in_place(kind, f, false, x, w)?;
        let found = sum(x);
        if found <= norm {
            break;
        }
        norm = found;
    }
    alternating(x);
    in_place(kind, f, false, x, w)?;
    Some(norm.max(sum(x) * T::of(2.0 / (3.0 * len as f64))))
}

/// `x <- L^{-1} x` or `L^{-T} x`.
fn in_place<T: Real>(kind: Kind, f: Triangles<'_, T>, adjoint: bool, x: &mut [T], w: &mut Workspace<T>) -> Option<()> {
    let (m, n) = (f.m, f.n);
    let [tiles, work] = scratch_lengths(kind, m, n);
    let [tiles, work] = w.slices([tiles, work]);
    let eq = Equation { kind, ta: f.ta != adjoint, tb: f.tb != adjoint, floor: T::zero() };
    let done = eq.solve(view(f.a, m, m), view(f.b, n, n), view_mut(x, m, n), 0, &mut Scratch::new(tiles, work));
    (done.is_ok() && all_finite(x)).then_some(())
}
