//! Linear matrix equations over quasi-triangular factors that fit a tile: column by column, each by substitution over
//! 1x1 and 2x2 blocks. Larger ones are cut down to these in `sylvester.rs`.

use core::cell::Cell;

use faer::{MatMut, MatRef};
use num_traits::Float;

use crate::blocks::solve;
use crate::quasi::order_at;
use crate::real::Real;
use crate::sylvester::{Equation, Kind, Scratch, Stop, least_pivot};
use crate::wide::flat::axpy;

/// The largest order of a tile.
pub(crate) const BASE: usize = 24;

/// An equation that fits, and the row of the whole `A` at which its own begins.
pub(crate) struct Tile<'a, T> {
    pub(crate) eq: Equation<T>,
    pub(crate) a: MatRef<'a, T>,
    pub(crate) b: MatRef<'a, T>,
    pub(crate) c: MatMut<'a, T>,
    pub(crate) row: usize,
}

/// Solves in place of `C`, on packed copies.
///
/// With `J` the reversal of an order, `J A^T J` is upper quasi-triangular again: a transposed factor is copied so, and
/// rows or columns of `C` are reversed. So one algorithm serves all.
pub(crate) fn solve_tile<T: Real>(tile: Tile<'_, T>, scratch: &mut Scratch<'_, T>) -> Result<(), Stop<T>> {
    let Tile { eq, a, b, mut c, row } = tile;
    let (m, n) = (a.nrows(), b.nrows());
    let (pa, rest) = scratch.tiles.split_at_mut(m * m);
    let (pb, rest) = rest.split_at_mut(n * n);
    let pc = &mut rest[..m * n];
    copy_in(a, eq.ta, pa);
    copy_in(b, eq.tb, pb);
    let at = |i: usize, j: usize| (if eq.ta { m - 1 - i } else { i }, if eq.tb { n - 1 - j } else { j });
    for j in 0..n {
        for i in 0..m {
            pc[i + j * m] = c[at(i, j)];
        }
    }
    let packed = Packed { a: pa, m, b: pb, n, floor: eq.floor, least: Cell::new(scratch.least) };
    match eq.kind {
        Kind::Sum => packed.sum(pc),
        Kind::Difference => packed.difference(pc),
    }
    .map_err(|s| Stop { row: row + if eq.ta { m - 1 - s.row } else { s.row }, ..s })?;
    scratch.least = packed.least.get();
    for j in 0..n {
        for i in 0..m {
            c[at(i, j)] = pc[i + j * m];
        }
    }
    Ok(())
}

/// The upper quasi-triangle of `A` or of `J A^T J`, zeros below.
fn copy_in<T: Real>(a: MatRef<'_, T>, transpose: bool, out: &mut [T]) {
    let n = a.nrows();
    for j in 0..n {
        let column = &mut out[j * n..(j + 1) * n];
        for i in 0..n.min(j + 2) {
            column[i] = if transpose { a[(n - 1 - j, n - 1 - i)] } else { a[(i, j)] };
        }
        column[n.min(j + 2)..].fill(T::zero());
    }
}

/// Packed factors.
struct Packed<'a, T> {
    a: &'a [T],
    m: usize,
    b: &'a [T],
    n: usize,
    floor: T,
    /// The smallest pivot so far.
    least: Cell<T>,
}

impl<T: Real> Packed<'_, T> {
    /// `A X + X B = C`.
    fn sum(&self, c: &mut [T]) -> Result<(), Stop<T>> {
        let (m, n) = (self.m, self.n);
        let mut l = 0;
        while l < n {
            let q = order_at(self.b, n, l);
            self.columns(c, l, q, Kind::Sum)?;
            // The later columns less their share X_l b_lj.
            let (known, later) = c.split_at_mut((l + q) * m);
            for (j, column) in (l + q..).zip(later.chunks_exact_mut(m)) {
                for (r, known) in (l..).zip(known[l * m..].chunks_exact(m)) {
                    axpy(-self.b[r + j * n], known, column);
                }
            }
            l += q;
        }
        Ok(())
    }

    /// `X - A X B = C`: the columns `l` see `A` times `Y = (columns of X before l) B`.
    fn difference(&self, c: &mut [T]) -> Result<(), Stop<T>> {
        let (m, n) = (self.m, self.n);
        let mut l = 0;
        while l < n {
            let q = order_at(self.b, n, l);
            let (known, rest) = c.split_at_mut(l * m);
            for (j, column) in (l..l + q).zip(rest.chunks_exact_mut(m)) {
                let mut y = [T::zero(); BASE];
                let y = &mut y[..m];
                for (r, known) in known.chunks_exact(m).enumerate() {
                    axpy(self.b[r + j * n], known, y);
                }
                for (k, a) in self.a.chunks_exact(m).enumerate() {
                    let rows = m.min(k + 2);
                    axpy(y[k], &a[..rows], &mut column[..rows]);
                }
            }
            self.columns(c, l, q, Kind::Difference)?;
            l += q;
        }
        Ok(())
    }

    /// The columns `l..l + q`, from the last block of rows to the first.
    fn columns(&self, c: &mut [T], l: usize, q: usize, kind: Kind) -> Result<(), Stop<T>> {
        let m = self.m;
        let mut k = m;
        while k > 0 {
            let p = if k >= 2 && self.a[k - 1 + (k - 2) * m] != T::zero() { 2 } else { 1 };
            k -= p;
            self.block(c, (k, p), (l, q), kind).map_err(|ratio| Stop { row: k, ratio })?;
            // The rows above less their share: a_ik x, or plus a_ik x b.
            for s in 0..q {
                let column = &mut c[(l + s) * m..(l + s + 1) * m];
                let x: [T; 2] = core::array::from_fn(|r| if r < p { column[k + r] } else { T::zero() });
                if kind == Kind::Sum {
                    (0..p).for_each(|r| axpy(-x[r], &self.a[(k + r) * m..][..k], &mut column[..k]));
                }
            }
            if kind == Kind::Difference {
                self.share_of_product(c, (k, p), (l, q));
            }
        }
        Ok(())
    }

    /// The rows above the block plus `a_ik x b`.
    fn share_of_product(&self, c: &mut [T], (k, p): (usize, usize), (l, q): (usize, usize)) {
        let (m, n) = (self.m, self.n);
        let mut z = [[T::zero(); 2]; 2];
        for r in 0..p {
            for s in 0..q {
                z[r][s] = (0..q).fold(T::zero(), |t, v| t + c[k + r + (l + v) * m] * self.b[l + v + (l + s) * n]);
            }
        }
        for s in 0..q {
            for r in 0..p {
                axpy(z[r][s], &self.a[(k + r) * m..][..k], &mut c[(l + s) * m..][..k]);
            }
        }
    }

    /// The block of rows `k..k + p` and columns `l..l + q`. The error is a pivot over the least that it might be.
    #[inline]
    fn block(&self, c: &mut [T], (k, p): (usize, usize), (l, q): (usize, usize), kind: Kind) -> Result<(), T> {
        let (m, n) = (self.m, self.n);
        let a = |r: usize, s: usize| self.a[k + r + (k + s) * m];
        let b = |r: usize, s: usize| self.b[l + r + (l + s) * n];
        if p == 1 && q == 1 {
            let (x, y) = if kind == Kind::Sum { (a(0, 0), b(0, 0)) } else { (T::one(), -a(0, 0) * b(0, 0)) };
            let least = least_pivot(self.floor, Float::abs(x) + Float::abs(y));
            if Float::abs(x + y).partial_cmp(&least) != Some(core::cmp::Ordering::Greater) {
                return Err(ratio(Float::abs(x + y), Float::abs(x) + Float::abs(y)));
            }
            self.least.set(self.least.get().min(Float::abs(x + y)));
            c[k + l * m] /= x + y;
            return Ok(());
        }
        let mut x = [[T::zero(); 2]; 2];
        for s in 0..q {
            (0..p).for_each(|r| x[r][s] = c[k + r + (l + s) * m]);
        }
        let pivot = pair(a, p, b, q, kind, self.floor, &mut x)?;
        self.least.set(self.least.get().min(pivot));
        for s in 0..q {
            (0..p).for_each(|r| c[k + r + (l + s) * m] = x[r][s]);
        }
        Ok(())
    }
}

/// The equation of two blocks of orders `p` and `q` in place of `x`; returns the smallest pivot. The error is a pivot
/// over its terms.
#[inline]
fn pair<T: Real>(
    a: impl Fn(usize, usize) -> T,
    p: usize,
    b: impl Fn(usize, usize) -> T,
    q: usize,
    kind: Kind,
    floor: T,
    x: &mut [[T; 2]; 2],
) -> Result<T, T> {
    match (p, q) {
        (1, _) => system::<T, 1, 2, 2>(a, b, kind, floor, x),
        (_, 1) => system::<T, 2, 1, 2>(a, b, kind, floor, x),
        _ => system::<T, 2, 2, 4>(a, b, kind, floor, x),
    }
}

/// The same as a linear system of `N = P Q` unknowns; `x_rs` is number `r + P s`.
#[inline]
fn system<T: Real, const P: usize, const Q: usize, const N: usize>(
    a: impl Fn(usize, usize) -> T,
    b: impl Fn(usize, usize) -> T,
    kind: Kind,
    floor: T,
    x: &mut [[T; 2]; 2],
) -> Result<T, T> {
    let a: [[T; P]; P] = core::array::from_fn(|r| core::array::from_fn(|s| a(r, s)));
    let b: [[T; Q]; Q] = core::array::from_fn(|r| core::array::from_fn(|s| b(r, s)));
    let (mut m, mut right) = ([[T::zero(); N]; N], [T::zero(); N]);
    for (r, s) in (0..Q).flat_map(|s| (0..P).map(move |r| (r, s))) {
        let row = &mut m[r + P * s];
        right[r + P * s] = x[r][s];
        if kind == Kind::Sum {
            (0..P).for_each(|v| row[v + P * s] += a[r][v]);
            (0..Q).for_each(|v| row[r + P * v] += b[v][s]);
        } else {
            for (v, u) in (0..P).flat_map(|v| (0..Q).map(move |u| (v, u))) {
                row[v + P * u] = -a[r][v] * b[u][s];
            }
            row[r + P * s] += T::one();
        }
    }
    let (x1, y1) = (a.as_flattened(), b.as_flattened());
    let terms = if kind == Kind::Sum { largest(x1) + largest(y1) } else { T::one() + largest(x1) * largest(y1) };
    let pivot = solve(&mut m, &mut right, least_pivot(floor, terms)).map_err(|t| ratio(t.0, terms))?;
    (0..Q).for_each(|s| (0..P).for_each(|r| x[r][s] = right[r + P * s]));
    Ok(pivot)
}

#[inline(always)]
fn largest<T: Real>(a: &[T]) -> T {
    a.iter().fold(T::zero(), |m, &x| if Float::abs(x) > m { Float::abs(x) } else { m })
}

/// One coupling block of a quasi-triangular square root `R` in place of that of its matrix: the rows `i..i + p`, the
/// columns `j..j + q`, when all blocks to the left and below are roots already.
/// `R_ii r + r R_jj = t_ij - sum of r_ik r_kj`.
pub(crate) fn coupling<T: Real>(
    r: &mut [T],
    n: usize,
    (i, p): (usize, usize),
    (j, q): (usize, usize),
) -> Result<(), T> {
    let mut x = [[T::zero(); 2]; 2];
    for v in 0..q {
        for u in 0..p {
            let mut sum = r[i + u + (j + v) * n];
            for k in i + p..j {
                sum -= r[i + u + k * n] * r[k + (j + v) * n];
            }
            x[u][v] = sum;
        }
    }
    if p == 1 && q == 1 {
        // Both are positive: their sum vanishes with neither.
        r[i + j * n] = x[0][0] / (r[i + i * n] + r[j + j * n]);
        return Ok(());
    }
    let at = |k: usize| move |u: usize, v: usize| (k + u) + (k + v) * n;
    let (a, b) = (at(i), at(j));
    pair(|u, v| r[a(u, v)], p, |u, v| r[b(u, v)], q, Kind::Sum, T::zero(), &mut x)?;
    for v in 0..q {
        (0..p).for_each(|u| r[i + u + (j + v) * n] = x[u][v]);
    }
    Ok(())
}

/// A pivot over its terms; nothing is left of nothing.
fn ratio<T: Real>(pivot: T, terms: T) -> T {
    if terms == T::zero() { T::zero() } else { pivot / terms }
}
