//! Chosen eigenvalues of a symmetric matrix, or singular values of any, with their vectors: derivatives of every order,
//! from a decomposition. Divided differences of *numbers given at the eigenvalues*, not of a function, live here.
//!
//! Singular values are treated as the eigenvalues `s` of `B = [0 A; A^T 0]`, whose other ones are `-s` and `m - n`
//! zeros; the eigenvectors of `s_j` and `-s_j` are `(u_j, v_j)` and `(u_j, -v_j)`. So every formula for eigenvalues
//! serves, in its split form `1/(s_i - s_j)`, `1/(s_i + s_j)`, `1/s_i`; up to first order it is computed without ever
//! forming `B`.
//!
//! Here: which values are chosen, and what a handle holds. Derivatives are in `values.rs` (of the values),
//! `weighted.rs` (of matrices with given weights on the values), `vectors.rs` (of the vectors), `embedded.rs` (second
//! and higher orders) and `whole.rs` (of all values and vectors together, where none are tied).

mod embedded;
mod values;
mod vectors;
mod weighted;
pub(crate) mod whole;

pub(crate) use values::values;
pub(crate) use vectors::{How, pull, resolvent, vectors};
pub(crate) use weighted::{even, outer_sum, weighted, weighted_by};

use num_traits::Float;

use crate::Failure;
use crate::real::{Real, max_abs};
use crate::tolerances::{largest, tie};

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
