//! Second and higher derivatives of values and of weighted sums, from divided differences over the whole symmetric
//! matrix.

use num_traits::Float;

use super::{Window, complement, parts};
use crate::gemm::gemm;
use crate::real::{Real, max_abs, symmetrise};
use crate::spectral::{higher_order, second_order};
use crate::tolerances::{PRODUCTS_SECOND, SPECTRAL_ORDER, TAYLOR};

/// The eigendecomposition of `A`, or of `B = [0 A; A^T 0]`, in full. Allocates: only derivatives of order two and more
/// come here.
pub(super) struct Embedded<T> {
    q: Vec<T>,
    /// Ascending.
    x: Vec<T>,
    pub(super) n: usize,
}

impl<T: Real> Embedded<T> {
    pub(super) fn new(win: Window, handle: &[T]) -> Self {
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
    pub(super) fn place(&self, win: Window, i: usize) -> usize {
        if win.singular { self.n - 1 - i } else { i }
    }

    /// Weights of the handle's values, odd over the spectrum of `B`.
    pub(super) fn spread(&self, win: Window, weight: impl Fn(usize) -> T) -> Vec<T> {
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
    pub(super) fn turned(&self, win: Window, e: &[T]) -> Vec<T> {
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
    pub(super) fn core(&self, weights: &[T], tol: T, ps: &[T], out: &mut [T]) {
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
    pub(super) fn back(&self, win: Window, core: &[T], out: &mut [T]) {
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
