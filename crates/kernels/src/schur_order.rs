//! The order of the eigenvalues on the diagonal of a real Schur form: exchanging neighbouring blocks, and bringing
//! chosen ones to the top. How a Schur form is found lives in `schur.rs`.

use num_traits::Float;

use crate::blocks::solve;
use crate::quasi::{Rotation, order_at, rotate_columns, rotate_rows, standardise};
use crate::real::Real;
use crate::tolerances::swap_residual;
use crate::{Failure, Scalar};

/// Moves the chosen eigenvalues of `T` to the top, keeping their order, and turns `U` (with `n` columns) along. Returns
/// how many there are. A complex pair moves if either of its two is chosen.
///
/// Errors: two blocks that cannot be exchanged stably; what was moved before stays moved, and `U T U^T` is the same
/// matrix still.
pub(crate) fn reorder<T: Real>(t: &mut [T], n: usize, u: &mut [T], chosen: &[bool]) -> Result<usize, Failure> {
    debug_assert!(t.len() == n * n && chosen.len() == n);
    let (mut top, mut j) = (0, 0);
    while j < n {
        let size = order_at(t, n, j);
        if chosen[j..j + size].contains(&true) {
            move_up(t, n, u, j, top)?;
            top += size;
        }
        j += size;
    }
    Ok(top)
}

/// Moves the block at `from` up to `to`, where another block begins.
pub(crate) fn move_up<T: Real>(t: &mut [T], n: usize, u: &mut [T], from: usize, to: usize) -> Result<(), Failure> {
    let (mut at, q) = (from, order_at(t, n, from));
    while at > to {
        let p = if at >= 2 && t[at - 1 + (at - 2) * n] != T::zero() { 2 } else { 1 };
        swap(t, n, u, at - p, p, q)?;
        at -= p;
    }
    // Two real eigenvalues may have become of a pair on the way; they stay together.
    Ok(())
}

/// Exchanges the blocks of orders `p` and `q` that begin at `j` and `j + p`.
///
/// With `X` from `A X - X B = C` the block `[A C; 0 B]` has `[-X; I]` as an invariant subspace of `B`'s eigenvalues. An
/// orthogonal `Q` whose leading `q` columns span it exchanges the two (Bai and Demmel 1993). It is tried on a copy
/// first: what is left below, and the distance of `Q^T T Q` turned back from what was there, must be rounding.
pub(crate) fn swap<T: Real>(t: &mut [T], n: usize, u: &mut [T], j: usize, p: usize, q: usize) -> Result<(), Failure> {
    let rows = u.len() / n;
    if p == 1 && q == 1 {
        swap_numbers(t, n, u, j);
        return Ok(());
    }
    let order = p + q;
    let mut old = [[T::zero(); 4]; 4];
    let mut size = T::zero();
    for c in 0..order {
        for r in 0..order {
            old[r][c] = t[j + r + (j + c) * n];
            size = size.max(Float::abs(old[r][c]));
        }
    }
    let refused = |residual: T| Failure::Exchange { index: j, residual: Scalar::f64(residual) };
    let qm = exchange(&old, p, q, size).ok_or(refused(T::one()))?;
    let new = turned(&old, &qm, order);
    let residual = error(&old, &new, &turned(&new, &transposed(&qm), order), q, order);
    if residual > swap_residual::<T>() * size {
        return Err(refused(residual / size));
    }
    apply_rows(t, n, j, order, &qm);
    apply_columns(t, n, j, order, j + order, &qm);
    apply_columns(u, rows, j, order, rows, &qm);
    (q..order).for_each(|r| (0..q).for_each(|c| t[j + r + (j + c) * n] = T::zero()));
    if q == 2 {
        standardise(t, n, u, j);
    }
    if p == 2 {
        standardise(t, n, u, j + q);
    }
    Ok(())
}

/// The largest of what is left below the exchanged blocks and of the distance between what was there and what is turned
/// back.
fn error<T: Real>(old: &[[T; 4]; 4], new: &[[T; 4]; 4], back: &[[T; 4]; 4], q: usize, order: usize) -> T {
    let mut residual = T::zero();
    for (r, c) in (0..order).flat_map(|c| (0..order).map(move |r| (r, c))) {
        residual = residual.max(Float::abs(back[r][c] - old[r][c]));
        if c < q && r >= q {
            residual = residual.max(Float::abs(new[r][c]));
        }
    }
    residual
}

/// Two real eigenvalues: the rotation that takes the vector `(c, b - a)` of `b` in `[a c; 0 b]` to `e_1`. Always
/// stable.
fn swap_numbers<T: Real>(t: &mut [T], n: usize, u: &mut [T], j: usize) {
    let rows = u.len() / n;
    let (a, b, c) = (t[j + j * n], t[j + 1 + (j + 1) * n], t[j + (j + 1) * n]);
    let d = b - a;
    let m = Float::abs(c).max(Float::abs(d));
    if m == T::zero() {
        return;
    }
    let (x, y) = (c / m, d / m);
    let r = Float::sqrt(x * x + y * y);
    let g = Rotation { c: x / r, s: y / r };
    rotate_rows(t, n, j, j + 2, g);
    rotate_columns(t, n, j, j, g);
    rotate_columns(u, rows, j, rows, g);
    t[j + j * n] = b;
    t[j + 1 + (j + 1) * n] = a;
}

/// The `Q` of [`swap`] with `Q^T` as its rows' action, or nothing if the equation is singular.
fn exchange<T: Real>(d: &[[T; 4]; 4], p: usize, q: usize, size: T) -> Option<[[T; 4]; 4]> {
    let mut basis = [[T::zero(); 4]; 2];
    match (p, q) {
        (1, _) => subspace::<T, 1, 2, 2>(d, size, &mut basis),
        (_, 1) => subspace::<T, 2, 1, 2>(d, size, &mut basis),
        _ => subspace::<T, 2, 2, 4>(d, size, &mut basis),
    }?;
    Some(complete(&mut basis, p + q, q))
}

/// The columns `[-X; I]` with `A X - X B = C`, as a system of `N = P Q` unknowns; `x_rc` is number `r + P c`.
fn subspace<T: Real, const P: usize, const Q: usize, const N: usize>(
    d: &[[T; 4]; 4],
    size: T,
    basis: &mut [[T; 4]; 2],
) -> Option<()> {
    let (mut m, mut x) = ([[T::zero(); N]; N], [T::zero(); N]);
    for (r, c) in (0..Q).flat_map(|c| (0..P).map(move |r| (r, c))) {
        let row = r + P * c;
        (0..P).for_each(|k| m[row][k + P * c] += d[r][k]);
        (0..Q).for_each(|k| m[row][r + P * k] -= d[P + k][P + c]);
        x[row] = d[r][P + c];
    }
    // A small pivot makes X large; whether that is stable is for the residual to decide.
    solve(&mut m, &mut x, T::EPS * T::EPS * size).ok()?;
    for c in 0..Q {
        (0..P).for_each(|r| basis[c][r] = -x[r + P * c]);
        basis[c][P + c] = T::one();
    }
    Some(())
}

/// An orthogonal matrix whose leading `q` columns span the given ones, by reflections.
fn complete<T: Real>(basis: &mut [[T; 4]; 2], order: usize, q: usize) -> [[T; 4]; 4] {
    let mut out = [[T::zero(); 4]; 4];
    (0..4).for_each(|i| out[i][i] = T::one());
    for k in 0..q {
        let size = (k..order).fold(T::zero(), |m, i| Float::abs(basis[k][i]).max(m));
        if size == T::zero() {
            continue;
        }
        let mut v = [T::zero(); 4];
        (k..order).for_each(|i| v[i] = basis[k][i] / size);
        let norm = Float::sqrt(v.iter().fold(T::zero(), |s, &x| s + x * x));
        v[k] += if v[k] < T::zero() { -norm } else { norm };
        let f = T::of(2.0) / v.iter().fold(T::zero(), |s, &x| s + x * x);
        for column in &mut basis[k..q] {
            let s = f * (0..4).fold(T::zero(), |s, i| s + v[i] * column[i]);
            (0..4).for_each(|i| column[i] -= s * v[i]);
        }
        // Q <- Q H.
        for row in &mut out {
            let s = f * (0..4).fold(T::zero(), |s, i| s + row[i] * v[i]);
            (0..4).for_each(|i| row[i] -= s * v[i]);
        }
    }
    out
}

/// `Q^T D Q`.
fn turned<T: Real>(d: &[[T; 4]; 4], q: &[[T; 4]; 4], order: usize) -> [[T; 4]; 4] {
    let (mut half, mut out) = ([[T::zero(); 4]; 4], [[T::zero(); 4]; 4]);
    for i in 0..order {
        for j in 0..order {
            half[i][j] = (0..order).fold(T::zero(), |s, k| s + d[i][k] * q[k][j]);
        }
    }
    for i in 0..order {
        for j in 0..order {
            out[i][j] = (0..order).fold(T::zero(), |s, k| s + q[k][i] * half[k][j]);
        }
    }
    out
}

fn transposed<T: Real>(q: &[[T; 4]; 4]) -> [[T; 4]; 4] {
    core::array::from_fn(|i| core::array::from_fn(|j| q[j][i]))
}

/// Rows `j..j + order` become `Q^T` times them, in the columns from `j` on.
fn apply_rows<T: Real>(t: &mut [T], n: usize, j: usize, order: usize, q: &[[T; 4]; 4]) {
    if order == 3 { rows::<T, 3>(t, n, j, q) } else { rows::<T, 4>(t, n, j, q) }
}

fn rows<T: Real, const N: usize>(t: &mut [T], n: usize, j: usize, q: &[[T; 4]; 4]) {
    for column in t[j * n..].chunks_exact_mut(n) {
        let x = &mut column[j..j + N];
        let old: [T; N] = core::array::from_fn(|i| x[i]);
        for i in 0..N {
            x[i] = (0..N).fold(T::zero(), |s, k| s + q[k][i] * old[k]);
        }
    }
}

/// Columns `j..j + order` become them times `Q`, in the rows `0..to` of a matrix with `m` rows.
fn apply_columns<T: Real>(t: &mut [T], m: usize, j: usize, order: usize, to: usize, q: &[[T; 4]; 4]) {
    if order == 3 { columns::<T, 3>(t, m, j, to, q) } else { columns::<T, 4>(t, m, j, to, q) }
}

fn columns<T: Real, const N: usize>(t: &mut [T], m: usize, j: usize, to: usize, q: &[[T; 4]; 4]) {
    let mut rest = &mut t[j * m..(j + N) * m];
    let parts: [&mut [T]; N] = core::array::from_fn(|_| {
        let (head, tail) = core::mem::take(&mut rest).split_at_mut(m);
        rest = tail;
        &mut head[..to]
    });
    for r in 0..to {
        let old: [T; N] = core::array::from_fn(|k| parts[k][r]);
        for c in 0..N {
            parts[c][r] = (0..N).fold(T::zero(), |s, k| s + old[k] * q[k][c]);
        }
    }
}
