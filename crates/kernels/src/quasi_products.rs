//! Products and inverses of upper quasi-triangular matrices, by halves, so that nearly all work is in products of half
//! the order. What is stored below their blocks is not read as anything but zero.

use faer::reborrow::*;
use faer::{Accum, MatMut, MatRef};

use crate::dense::matmul;
use crate::real::Real;
use crate::sylvester::middle;
use crate::wide_registers::clear_wide_registers;

/// The largest order that is multiplied as a whole, and inverted block by block.
const BASE: usize = 24;

fn product<T: Real>(c: MatMut<'_, T>, accum: Accum, a: MatRef<'_, T>, b: MatRef<'_, T>, alpha: T) {
    matmul(c, accum, a, b, alpha);
    clear_wide_registers();
}

/// `C = A B`, both with the blocks of `A`, and zeros below them.
///
/// `[A1 P; 0 A2] [B1 Q; 0 B2] = [A1 B1, A1 Q + P B2; 0, A2 B2]`. Cost: `2/3 n^3` operations.
pub(crate) fn product_upper<T: Real>(a: MatRef<'_, T>, b: MatRef<'_, T>, mut c: MatMut<'_, T>) {
    let n = a.nrows();
    if n <= BASE {
        return product(c, Accum::Replace, a, b, T::one());
    }
    let k = middle(a);
    let (a1, p, _, a2) = a.split_at(k, k);
    let (b1, q, _, b2) = b.split_at(k, k);
    let (c1, mut r, mut zero, c2) = c.rb_mut().split_at_mut(k, k);
    product_upper(a1, b1, c1);
    product_upper(a2, b2, c2);
    product(r.rb_mut(), Accum::Replace, a1, q, T::one());
    product(r, Accum::Add, p, b2, T::one());
    zero.fill(T::zero());
}

/// `G = B^{-1}`, with zeros below its blocks. The diagonal blocks must be regular.
///
/// `[B1 P; 0 B2]^{-1} = [G1, -G1 P G2; 0, G2]`. Cost: `2/3 n^3` operations. `half` has room for `n^2 / 4 + n` numbers.
pub(crate) fn inverse_upper<T: Real>(b: MatRef<'_, T>, mut g: MatMut<'_, T>, half: &mut [T]) {
    let n = b.nrows();
    if n <= BASE {
        return inverse_tile(b, g);
    }
    let k = middle(b);
    let (b1, p, _, b2) = b.split_at(k, k);
    let (mut g1, r, mut zero, mut g2) = g.rb_mut().split_at_mut(k, k);
    inverse_upper(b1, g1.rb_mut(), half);
    inverse_upper(b2, g2.rb_mut(), half);
    let mut pg = crate::real::view_mut(&mut half[..k * (n - k)], k, n - k);
    product(pg.rb_mut(), Accum::Replace, p, g2.rb(), T::one());
    product(r, Accum::Replace, g1.rb(), pg.rb(), -T::one());
    zero.fill(T::zero());
}

/// Block rows from the bottom: `G_ii = B_ii^{-1}` and `G_ij = -G_ii sum over k > i of B_ik G_kj`.
fn inverse_tile<T: Real>(b: MatRef<'_, T>, mut g: MatMut<'_, T>) {
    let n = b.nrows();
    g.fill(T::zero());
    let mut end = n;
    while end > 0 {
        let q = if end >= 2 && b[(end - 1, end - 2)] != T::zero() { 2 } else { 1 };
        let i = end - q;
        let block = inverse_block(b, i, q);
        for u in 0..q {
            for v in 0..q {
                g[(i + u, i + v)] = block[u][v];
            }
        }
        for j in end..n {
            let mut sums = [T::zero(); 2];
            for (u, sum) in sums[..q].iter_mut().enumerate() {
                for k in end..n.min(j + 2) {
                    *sum += b[(i + u, k)] * g[(k, j)];
                }
            }
            for u in 0..q {
                g[(i + u, j)] = -(block[u][0] * sums[0] + block[u][1] * sums[1]);
            }
        }
        end = i;
    }
}

/// The inverse of the diagonal block of order `q` at `i`.
fn inverse_block<T: Real>(b: MatRef<'_, T>, i: usize, q: usize) -> [[T; 2]; 2] {
    let zero = T::zero();
    let a = b[(i, i)];
    if q == 1 {
        return [[T::one() / a, zero], [zero, zero]];
    }
    let (r, c, d) = (b[(i, i + 1)], b[(i + 1, i)], b[(i + 1, i + 1)]);
    // Of a pair of eigenvalues: the sum of two positive terms.
    let det = a * d - r * c;
    [[d / det, -r / det], [-c / det, a / det]]
}
