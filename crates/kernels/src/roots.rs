//! The principal square root of a general real matrix by its real Schur form. The root of a symmetric matrix lives in
//! `spectral.rs`.

use faer::reborrow::*;
use faer::{Accum, MatMut, MatRef};
use num_traits::Float;

use crate::dense::matmul;
use crate::equation_base::{BASE, coupling};
use crate::equations::alternating;
use crate::gemm::gemm;
use crate::quasi::{eigenvalues, is_identity, length, order_at};
use crate::real::{Real, balance, max_abs, view, view_mut};
use crate::sylvester::{Equation, Kind, Scratch, Stop, middle, scratch_lengths};
use crate::tolerances::{equation_growth, equation_pivot, root_residual, unit_range};
use crate::wide_registers::clear_wide_registers;
use crate::{Failure, Scalar, Workspace};

/// The `X` with `X X = A` and eigenvalues in the open right half plane, and its own Schur form `X = U R U^T` as a
/// handle of `2 n n` numbers: derivatives solve `X Y + Y X = E` with it.
///
/// With `A = U T U^T` the root is `U R U^T`, `R R = T`, and `R` is quasi-triangular with the blocks of `T`. Two halves
/// of the order give `R1 P + P R2 = T12`, a Sylvester equation for the coupling, so nearly all work is in products
/// (Björck and Hammarling 1983; Higham 1987; Deadman, Higham and Ralha 2013).
///
/// Errors: entries that are not finite; an eigenvalue on the closed negative real axis to working precision
/// ([`Failure::NoPrincipalValue`]). A singular matrix belongs there, even where it has a root, because the root has no
/// derivative and rounding cannot tell the eigenvalue from a negative one; so does, of a matrix that is not
/// quasi-triangular as given, an eigenvalue below rounding of the whole. [`Failure::IllConditioned`]: `R R` is not `T`
/// to half of the digits. Cost: the Schur form (about `25 n^3`), `n^3 / 3` for the root, `4 n^3` to turn it back.
pub(crate) fn sqrtm<T: Real>(
    a: &[T],
    n: usize,
    x: &mut [T],
    handle: &mut [T],
    w: &mut Workspace<T>,
) -> Result<(), Failure> {
    debug_assert!(a.len() == n * n && x.len() == n * n && handle.len() == 2 * n * n);
    crate::schur::schur(a, n, handle, w)?;
    if n == 0 {
        return Ok(());
    }
    let (u, t) = handle.split_at_mut(n * n);
    // An even power of two, so that the root's is whole.
    let power = balance(max_abs(t), unit_range());
    let (scale, root_scale) = even(power);
    t.iter_mut().for_each(|t| *t *= scale);
    let [tiles, _] = scratch_lengths(Kind::Sum, n, n);
    let [tiles, square] = w.slices([tiles.max(2 * n), n * n]);
    let exact = is_identity(u, n);
    on_axis(t, n, exact, scale, tiles)?;
    if !exact {
        regular(t, n, scale, tiles, &mut square[..n])?;
    }
    x.copy_from_slice(t);
    if root(view_mut(t, n, n), &mut Scratch::new(tiles, &mut [])).is_err() {
        // Roots add up to zero only where both lie on the imaginary axis: an eigenvalue is negative, to rounding.
        return Err(blame(x, n, scale, tiles, to_axis));
    }
    residual(x, t, square, n)?;
    t.iter_mut().for_each(|t| *t /= root_scale);
    gemm(square, n, n, n, T::one(), u, false, t, false, false);
    gemm(x, n, n, n, T::one(), square, false, u, true, false);
    Ok(())
}

/// The distance from the closed negative real axis.
pub(crate) fn to_axis<T: Real>(re: T, im: T) -> T {
    if re < T::zero() { Float::abs(im) } else { length(re, im) }
}

/// The nearest power of four to a power of two, not above it, and its root.
fn even<T: Real>(power: T) -> (T, T) {
    let exponent = (Scalar::f64(power).log2().round() / 2.0).floor();
    (T::of((2.0 * exponent).exp2()), T::of(exponent.exp2()))
}

/// Does an eigenvalue lie on the closed negative real axis? Of a matrix that is quasi-triangular as given, exactly so;
/// else to rounding.
fn on_axis<T: Real>(t: &[T], n: usize, exact: bool, scale: T, parts: &mut [T]) -> Result<(), Failure> {
    let (re, im) = parts[..2 * n].split_at_mut(n);
    eigenvalues(t, n, re, im);
    let near = if exact { T::zero() } else { equation_pivot::<T>(n) * max_abs(t) };
    for (&re, &im) in re.iter().zip(&*im) {
        if re <= near && Float::abs(im) <= near {
            return Err(Failure::NoPrincipalValue { re: Scalar::f64(re / scale), im: Scalar::f64(im / scale) });
        }
    }
    Ok(())
}

/// Is `T` regular? A defective eigenvalue zero leaves the axis by far more than rounding, but solutions of `T y = r`
/// show it.
fn regular<T: Real>(t: &[T], n: usize, scale: T, tiles: &mut [T], y: &mut [T]) -> Result<(), Failure> {
    alternating(y);
    if is_regular(t, n, tiles, y) { Ok(()) } else { Err(blame(t, n, scale, tiles, length)) }
}

/// Has `T y = r` a solution that is not as large as rounding makes it?
pub(crate) fn is_regular<T: Real>(t: &[T], n: usize, tiles: &mut [T], y: &mut [T]) -> bool {
    let (right, zero) = (max_abs(y), [T::zero()]);
    let eq = Equation { kind: Kind::Sum, ta: false, tb: false, floor: T::zero() };
    let done = eq.solve(view(t, n, n), view(&zero, 1, 1), view_mut(y, n, 1), 0, &mut Scratch::new(tiles, &mut []));
    let grown = max_abs(t) * max_abs(y) * equation_growth::<T>();
    done.is_ok() && crate::sums::all_finite(y) && grown <= right
}

/// The failure that names the eigenvalue of `T` with the least `distance`.
pub(crate) fn blame<T: Real>(t: &[T], n: usize, scale: T, parts: &mut [T], distance: impl Fn(T, T) -> T) -> Failure {
    let (re, im) = parts[..2 * n].split_at_mut(n);
    eigenvalues(t, n, re, im);
    let of = |k: usize| distance(re[k], im[k]);
    let k = (0..n).fold(0, |k, i| if of(i) < of(k) { i } else { k });
    Failure::NoPrincipalValue { re: Scalar::f64(re[k] / scale), im: Scalar::f64(im[k] / scale) }
}

/// `R R = T` in place of `T`, quasi-triangular, by halves.
pub(crate) fn root<T: Real>(mut t: MatMut<'_, T>, s: &mut Scratch<'_, T>) -> Result<(), Stop<T>> {
    let n = t.nrows();
    if n <= BASE {
        return small(t, s.tiles);
    }
    let k = middle(t.rb());
    let (mut r1, p, _, mut r2) = t.rb_mut().split_at_mut(k, k);
    root(r1.rb_mut(), s)?;
    root(r2.rb_mut(), s)?;
    let eq = Equation { kind: Kind::Sum, ta: false, tb: false, floor: T::zero() };
    eq.solve(r1.rb(), r2.rb(), p, 0, s)
}

/// The same block by block, on a packed copy: `R_ii r_ij + r_ij R_jj = t_ij - sum of r_ik r_kj` over the blocks
/// between.
fn small<T: Real>(mut t: MatMut<'_, T>, scratch: &mut [T]) -> Result<(), Stop<T>> {
    let n = t.nrows();
    let r = &mut scratch[..n * n];
    for j in 0..n {
        for i in 0..n {
            r[i + j * n] = if i <= j + 1 { t[(i, j)] } else { T::zero() };
        }
    }
    let mut j = 0;
    while j < n {
        let q = order_at(r, n, j);
        diagonal(r, n, j, q);
        let mut i = j;
        while i > 0 {
            // Blocks keep their order: a root's block is of order two where its matrix's is.
            let p = if i >= 2 && r[i - 1 + (i - 2) * n] != T::zero() { 2 } else { 1 };
            i -= p;
            coupling(r, n, (i, p), (j, q)).map_err(|ratio| Stop { row: i, ratio })?;
        }
        j += q;
    }
    for j in 0..n {
        for i in 0..n.min(j + 2) {
            t[(i, j)] = r[i + j * n];
        }
    }
    Ok(())
}

/// The root of a diagonal block. Of `[t b; c t]`, with eigenvalues `t ± i m`, it is `x I + (1 / 2x) [0 b; c 0]`, where
/// `x ± i y` are the roots of those: with `h = |t + i m|`, the larger of `x = sqrt((h + t) / 2)` and
/// `y = sqrt((h - t) / 2)` comes without cancellation, and the other from `2 x y = m`.
fn diagonal<T: Real>(r: &mut [T], n: usize, j: usize, q: usize) {
    let t = r[j + j * n];
    if q == 1 {
        r[j + j * n] = Float::sqrt(t);
        return;
    }
    let (b, c) = (r[j + (j + 1) * n], r[j + 1 + j * n]);
    let m = Float::sqrt(Float::abs(b)) * Float::sqrt(Float::abs(c));
    let half = T::of(0.5);
    let h = length(t, m);
    let x = if t >= T::zero() { Float::sqrt(half * (h + t)) } else { half * m / Float::sqrt(half * (h - t)) };
    let f = half / x;
    r[j + j * n] = x;
    r[j + 1 + (j + 1) * n] = x;
    r[j + (j + 1) * n] = f * b;
    r[j + 1 + j * n] = f * c;
}

/// Is `R R` what it should be, to half of the digits? It is not where `R` is far larger than the root of the size of
/// `T`.
pub(crate) fn residual<T: Real>(t: &[T], r: &[T], square: &mut [T], n: usize) -> Result<(), Failure> {
    let rv: MatRef<'_, T> = view(r, n, n);
    matmul(view_mut(square, n, n), Accum::Replace, rv, rv, T::one());
    clear_wide_registers();
    square.iter_mut().zip(t).for_each(|(s, &t)| *s -= t);
    let worst = if crate::sums::all_finite(square) { max_abs(square) } else { T::infinity() };
    let size = max_abs(t);
    if worst <= root_residual::<T>() * size {
        return Ok(());
    }
    Err(Failure::IllConditioned { what: "the square root", residual: Scalar::f64(worst / size) })
}
