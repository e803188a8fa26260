//! The matrices that both sides of a row work on. No program lives here.

use pullback::{Batch, Shape, value};
use pullback_benches::entries;

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
