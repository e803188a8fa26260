//! The determinant and its derivatives, exact at any rank: they are polynomials, so nothing is divided by a pivot that
//! may vanish.
//!
//! The handle is `n x (n + 2)`: complete pivoting gives `A = P^T L D U Q^T` with unit triangles (whose entries stay
//! below one, so they are well conditioned, and rows and columns of extreme scale lose nothing) and `D` diagonal, zeros
//! last. `L`, `D`, `U` are packed, then the row order and the column order as numbers: entry `(i, j)` of `L D U` is
//! `a[p_i, q_j]`.
//!
//! With `X` in the place of `D`, `det A = s det X`, where `s` is the parity of the orders. So a direction `E` at `A` is
//! `L^{-1} P E Q U^{-1}` at `D`, and a gradient `G` at `D` is `s P^T L^{-T} G U^{-T} Q^T` at `A`. At a diagonal matrix
//! with entries `d_k`, let `c_S` be the product of all `d_k` with `k` not in `S`. Then:
//!
//! - `det` has the gradient `diag(c_i)`;
//! - `D² det[E, F] = sum_{i != j} c_ij (E_ii F_jj - E_ij F_ji)`;
//! - `D³ det[E, F, H] = sum_{i, j, k different} c_ijk` times the determinant of row `i` of `E`, row `j` of `F`, row `k`
//!   of `H` at the columns `i, j, k`.
//!
//! Products are kept as mantissa and exponent, so that only a result that is itself out of range overflows.

use num_traits::Float;

use crate::complete;
use crate::real::{Real, finite};
use crate::triangular::solve;
use crate::{Failure, Scalar, Triangle, Workspace};

/// Factorises `A` with complete pivoting into a handle. Errors: entries that are not finite; a pivot that overflows.
pub(crate) fn lu_complete<T: Real>(a: &[T], n: usize, handle: &mut [T]) -> Result<(), Failure> {
    debug_assert!(a.len() == n * n && handle.len() == n * (n + 2));
    finite(a)?;
    let (f, orders) = handle.split_at_mut(n * n);
    f.copy_from_slice(a);
    let (p, q) = orders.split_at_mut(n);
    complete::factor(f, n, p, q);
    // A pivot is the largest entry that is left, so an overflow anywhere is seen in one.
    if !(0..n).all(|k| Float::is_finite(f[k + k * n])) {
        return Err(Failure::Overflow { what: "a pivot of a determinant" });
    }
    // Where no pivot was left, everything below and to the right is zero.
    let rank = (0..n).find(|&k| f[k + k * n] == T::zero()).unwrap_or(n);
    for j in rank..n {
        f[rank + j * n..(j + 1) * n].fill(T::zero());
    }
    for j in 1..n {
        for k in 0..j.min(rank) {
            f[k + j * n] /= f[k + k * n];
        }
    }
    Ok(())
}

/// A product of many numbers: `m 2^e`.
#[derive(Clone, Copy)]
struct Wide {
    m: f64,
    e: i64,
}

impl Wide {
    fn of(x: f64) -> Self {
        let (x, shift) = if x.abs() < f64::MIN_POSITIVE { (x * 2f64.powi(64), 64) } else { (x, 0) };
        if x == 0.0 {
            return Wide { m: 0.0, e: 0 };
        }
        let bits = x.to_bits();
        let e = ((bits >> 52) & 0x7ff) as i64 - 1023;
        Wide { m: f64::from_bits((bits & !(0x7ff << 52)) | (1023 << 52)), e: e - shift }
    }
    fn times(self, o: Wide) -> Self {
        let p = Wide::of(self.m * o.m);
        Wide { m: p.m, e: p.e + self.e + o.e }
    }
    fn over(self, o: Wide) -> Self {
        let p = Wide::of(self.m / o.m);
        Wide { m: p.m, e: p.e + self.e - o.e }
    }
    fn number<T: Real>(self) -> T {
        // In two steps: the exponent of a representable product may lie below that of the smallest normal number.
        let e = self.e.clamp(-2200, 2200) as i32;
        T::of(self.m * 2f64.powi(e / 2) * 2f64.powi(e - e / 2))
    }
}

/// The diagonal, and the product of those of its entries that are not zero.
struct Diagonal<'a, T> {
    f: &'a [T],
    n: usize,
    product: Wide,
    zeros: usize,
}

impl<'a, T: Real> Diagonal<'a, T> {
    fn of(handle: &'a [T], n: usize) -> Self {
        let (mut product, mut zeros) = (Wide { m: 1.0, e: 0 }, 0);
        for k in 0..n {
            match Scalar::f64(handle[k + k * n]) {
                0.0 => zeros += 1,
                d => product = product.times(Wide::of(d)),
            }
        }
        Diagonal { f: handle, n, product, zeros }
    }

    /// The product of all entries but the given ones, which differ.
    fn without<const K: usize>(&self, out: [usize; K]) -> T {
        let (mut product, mut zeros) = (self.product, self.zeros);
        for k in out {
            match Scalar::f64(self.f[k + k * self.n]) {
                0.0 => zeros -= 1,
                d => product = product.over(Wide::of(d)),
            }
        }
        if zeros == 0 { product.number() } else { T::zero() }
    }
}

/// The parity of both orders.
fn parity<T: Real>(handle: &[T], n: usize) -> T {
    let mut odd = false;
    for order in handle[n * n..].chunks_exact(n.max(1)) {
        for i in 0..n {
            odd ^= order[..i].iter().filter(|x| **x > order[i]).count() % 2 == 1;
        }
    }
    if odd { -T::one() } else { T::one() }
}

/// `det A`.
pub(crate) fn det<T: Real>(handle: &[T], n: usize) -> T {
    parity(handle, n) * Diagonal::of(handle, n).without([])
}

const LOWER: Triangle = Triangle::LOWER.unit_diagonal();
const UPPER: Triangle = Triangle::UPPER.unit_diagonal().from_right();

/// `L^{-1} P E Q U^{-1}`.
fn direction<T: Real>(handle: &[T], n: usize, e: &[T], out: &mut [T]) {
    let (f, orders) = handle.split_at(n * n);
    let at = |k: usize| Scalar::f64(orders[k]) as usize;
    for j in 0..n {
        let column = &e[at(n + j) * n..(at(n + j) + 1) * n];
        (0..n).for_each(|i| out[i + j * n] = column[at(i)]);
    }
    solve(f, LOWER, out, n, n);
    solve(f, UPPER, out, n, n);
}

/// The matrix `G` with `<G, H> = D^{k+1} det(A)[E_1, .., E_k, H]`, for `k = es.len()` up to 2.
pub(crate) fn cofactor<T: Real>(
    handle: &[T],
    n: usize,
    es: &[&[T]],
    out: &mut [T],
    w: &mut Workspace<T>,
) -> Result<(), Failure> {
    debug_assert!(handle.len() == n * (n + 2) && out.len() == n * n && es.iter().all(|e| e.len() == n * n));
    if es.len() > 2 {
        return Err(Failure::Unsupported { what: "a derivative of the determinant beyond the third" });
    }
    let mut buffer = w.take(3 * n * n);
    let (g, rest) = buffer[..3 * n * n].split_at_mut(n * n);
    let (e, h) = rest.split_at_mut(n * n);
    for (x, to) in es.iter().zip([&mut *e, &mut *h]) {
        direction(handle, n, x, to);
    }
    let d = Diagonal::of(handle, n);
    g.fill(T::zero());
    match es.len() {
        0 => (0..n).for_each(|i| g[i + i * n] = d.without([i])),
        1 => second(&d, e, g),
        _ => third(&d, e, h, g),
    }
    let (f, orders) = handle.split_at(n * n);
    solve(f, LOWER.transposed(), g, n, n);
    solve(f, UPPER.transposed(), g, n, n);
    let (s, at) = (parity(handle, n), |k: usize| Scalar::f64(orders[k]) as usize);
    for j in 0..n {
        for i in 0..n {
            out[at(i) + at(n + j) * n] = s * g[i + j * n];
        }
    }
    w.put(buffer);
    Ok(())
}

/// The gradient of `F -> D² det[E, F]` at a diagonal matrix.
fn second<T: Real>(d: &Diagonal<'_, T>, e: &[T], g: &mut [T]) {
    let n = d.n;
    for j in 0..n {
        for i in 0..j {
            let p = d.without([i, j]);
            g[j + j * n] += p * e[i + i * n];
            g[i + i * n] += p * e[j + j * n];
            g[j + i * n] = -p * e[i + j * n];
            g[i + j * n] = -p * e[j + i * n];
        }
    }
}

/// The gradient of `H -> D³ det[E, F, H]` at a diagonal matrix.
fn third<T: Real>(d: &Diagonal<'_, T>, e: &[T], f: &[T], g: &mut [T]) {
    let n = d.n;
    let at = |i: usize, j: usize| i + j * n;
    for k in 0..n {
        for l in 0..n {
            let mut sum = T::zero();
            for j in (0..n).filter(|&j| j != k && j != l) {
                if k == l {
                    for i in (0..j).filter(|&i| i != k) {
                        let both = |e: &[T], f: &[T]| e[at(i, i)] * f[at(j, j)] - e[at(i, j)] * f[at(j, i)];
                        sum += d.without([i, j, k]) * (both(e, f) + both(f, e));
                    }
                } else {
                    let one = |e: &[T], f: &[T]| e[at(l, j)] * f[at(j, k)] - e[at(l, k)] * f[at(j, j)];
                    sum += d.without([k, l, j]) * (one(e, f) + one(f, e));
                }
            }
            g[at(k, l)] = sum;
        }
    }
}
