//! Random matrices and plain products that the tests compare with.
#![allow(dead_code)]

use pullback_kernels::Scalar;
use rand::{RngExt, SeedableRng};

pub(crate) type Rng = rand_pcg::Pcg64Mcg;

pub(crate) fn rng(seed: u64) -> Rng {
    Rng::seed_from_u64(seed)
}

pub(crate) fn random<T: Scalar>(rng: &mut Rng, len: usize) -> Vec<T> {
    (0..len).map(|_| T::of(rng.random_range(-1.0..1.0))).collect()
}

/// `A'`.
pub(crate) fn transposed<T: Scalar>(a: &[T], m: usize, n: usize) -> Vec<T> {
    let mut out = vec![T::zero(); m * n];
    for j in 0..n {
        for i in 0..m {
            out[j + i * n] = a[i + j * m];
        }
    }
    out
}

/// `A B` summed in doubles.
pub(crate) fn times<T: Scalar>(a: &[T], b: &[T], m: usize, k: usize, n: usize) -> Vec<f64> {
    let mut c = vec![0.0; m * n];
    for j in 0..n {
        for p in 0..k {
            for i in 0..m {
                c[i + j * m] += a[i + p * m].f64() * b[p + j * k].f64();
            }
        }
    }
    c
}

pub(crate) fn spd<T: Scalar>(rng: &mut Rng, n: usize) -> Vec<T> {
    let b = random::<f64>(rng, n * n);
    let mut a = times(&b, &transposed(&b, n, n), n, n, n);
    for i in 0..n {
        a[i + i * n] += 0.5;
    }
    a.iter().map(|&x| T::of(x)).collect()
}

pub(crate) fn wide<T: Scalar>(a: &[T]) -> Vec<f64> {
    a.iter().map(|x| x.f64()).collect()
}

/// The largest difference.
pub(crate) fn gap<T: Scalar, U: Scalar>(a: &[T], b: &[U]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).fold(0.0, |s, (x, y)| {
        let d = (x.f64() - y.f64()).abs();
        if d.is_nan() { f64::INFINITY } else { f64::max(s, d) }
    })
}

pub(crate) fn eye(n: usize) -> Vec<f64> {
    let mut e = vec![0.0; n * n];
    (0..n).for_each(|i| e[i + i * n] = 1.0);
    e
}

/// `|Q'Q - I|`.
pub(crate) fn defect<T: Scalar>(q: &[T], m: usize, n: usize) -> f64 {
    gap(&times(&transposed(q, m, n), q, n, m, n), &eye(n))
}

/// `Q` of a random matrix.
pub(crate) fn frame(rng: &mut Rng, m: usize, n: usize) -> Vec<f64> {
    use pullback_kernels::list::Factorisations;
    let (mut q, mut r) = (vec![0.0; m * n], vec![0.0; n * n]);
    f64::qr_thin(&random::<f64>(rng, m * n), m, n, &mut q, &mut r, &mut pullback_kernels::Workspace::default())
        .unwrap();
    q
}
