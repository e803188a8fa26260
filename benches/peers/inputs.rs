//! The matrices that both sides of a row work on, and the file by which the peers get them. No program lives here.

use pullback::{Batch, Shape, value};
use pullback_benches::entries;
use std::io::Write;
use std::path::Path;

/// What a row works on. Everything is a single matrix.
pub(crate) struct Problem {
    /// The inputs; derivatives are taken by all of them.
    pub(crate) x: Vec<Batch<f64>>,
    /// A direction for each, for the Hessian-vector product.
    pub(crate) v: Vec<Batch<f64>>,
    /// The weights `W` of the outputs, in `<W, f(X)>`.
    pub(crate) w: Vec<Batch<f64>>,
    /// Are inputs and directions symmetric? Then only the symmetric part of a derivative is determined: libraries
    /// differ in how they extend the function to other matrices.
    pub(crate) symmetric: bool,
}

impl Problem {
    /// Writes flag, numbers of matrices, and each matrix as rows, columns and entries by columns; all as `f64`.
    pub(crate) fn write(&self, path: &Path) -> std::io::Result<()> {
        let mut all = vec![f64::from(self.symmetric), self.x.len() as f64, self.v.len() as f64, self.w.len() as f64];
        for m in self.x.iter().chain(&self.v).chain(&self.w) {
            all.extend([m.shape().rows as f64, m.shape().cols as f64]);
            all.extend_from_slice(m.data());
        }
        write_numbers(path, &all)
    }
}

/// Writes numbers as they lie in memory, lowest byte first.
pub(crate) fn write_numbers(path: &Path, numbers: &[f64]) -> std::io::Result<()> {
    let bytes: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
    std::fs::File::create(path)?.write_all(&bytes)
}

/// A seeded matrix with entries in (-1/2, 1/2).
pub(crate) fn any(m: usize, n: usize, seed: u64) -> Batch<f64> {
    Batch::from_slice(Shape::mat(m, n), &entries(m * n, seed))
}

/// `c A`.
pub(crate) fn scaled(c: f64, a: &Batch<f64>) -> Batch<f64> {
    Batch::from_slice(a.shape(), &a.data().iter().map(|x| c * x).collect::<Vec<_>>())
}

/// Eigenvalues in a disc of radius about one quarter around 1: regular, with a principal root and logarithm.
pub(crate) fn around(n: usize, seed: u64) -> Batch<f64> {
    let a = any(n, n, seed);
    let noise = 0.9 / (n as f64).sqrt();
    Batch::from_fn(a.shape(), |_, i, j| noise * a.data()[j * n + i] + f64::from(i == j))
}

/// A matrix of this 1-norm.
pub(crate) fn of_norm(n: usize, norm: f64) -> Batch<f64> {
    let a = any(n, n, 1);
    let own = a.data().chunks(n).map(|c| c.iter().map(|x| x.abs()).sum()).fold(0.0, f64::max);
    scaled(norm / own, &a)
}

/// `U diag(1..n) V^T` with dense orthogonal factors: values a distance of 1 apart, vectors without structure.
/// With equal seeds it is symmetric positive definite with eigenvalues from 1 to `n`.
pub(crate) fn spectrum(n: usize, left: u64, right: u64) -> Batch<f64> {
    let grown = |d: usize, u: &Batch<f64>| {
        Batch::from_fn(u.shape(), |_, i, j| u.data()[j * n + i] * if d == 1 { 1.0 + j as f64 } else { 1.0 })
    };
    let orthogonal = |seed| value(|x| x.qr().0, &around(n, seed).into_mat()).expect("regular");
    let (u, v) = (orthogonal(left), orthogonal(right));
    let a = grown(1, &u).into_mat() * v.into_mat().transpose();
    if left == right { symmetric(&Batch::of(&a)) } else { Batch::of(&a) }
}

/// `(A + A^T) / 2`.
pub(crate) fn symmetric(a: &Batch<f64>) -> Batch<f64> {
    let n = a.shape().rows;
    Batch::from_fn(a.shape(), |_, i, j| (a.data()[j * n + i] + a.data()[i * n + j]) / 2.0)
}
