//! How long symmetric eigendecompositions take, beside faer's, and polar factors. Prints; judges nothing, hence
//! ignored: `cargo test --release -p pullback-kernels --test eigh_speed -- --ignored --nocapture`.

mod common;
use std::time::Instant;

use common::*;
use faer::diag::DiagMut;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch};
use faer::{MatMut, MatRef, Par};
use pullback_kernels::list::*;
use pullback_kernels::tolerances::EIGH_CONQUER;
use pullback_kernels::{Scalar, Workspace};

/// The best times of calls that take turns, in microseconds.
fn best<const K: usize>(mut calls: [&mut dyn FnMut(); K]) -> [f64; K] {
    let mut best = [f64::INFINITY; K];
    let start = Instant::now();
    while start.elapsed().as_secs_f64() < 1.5 {
        for (best, call) in best.iter_mut().zip(&mut calls) {
            let start = Instant::now();
            call();
            *best = best.min(start.elapsed().as_secs_f64() * 1e6);
        }
    }
    best
}

fn times<T: Kernels + faer::traits::RealField>(sizes: &[usize]) {
    for &n in sizes {
        let b = random::<T>(&mut rng(n as u64), n * n);
        let a: Vec<T> = (0..n * n).map(|i| b[i] + b[i / n + i % n * n]).collect();
        let (mut w, mut handle) = (Workspace::default(), vec![T::zero(); n * (n + 1)]);
        let (mut q, mut d) = (vec![T::zero(); n * n], vec![T::zero(); n]);
        let need = self_adjoint_evd_scratch::<T>(n, ComputeEigenvectors::Yes, Par::Seq, Default::default());
        let mut memory = MemBuffer::new(need);
        let (mut other, mut half) = (Workspace::default(), vec![T::zero(); n * (n + 1)]);
        let mut values = || {
            if n >= EIGH_CONQUER {
                T::eigh_values(&a, n, &mut half, &mut other).unwrap();
            }
        };
        let [ours, theirs, values] = best([
            &mut || T::eigh(&a, n, &mut handle, &mut w).unwrap(),
            &mut || {
                let q = MatMut::from_column_major_slice_mut(&mut q, n, n);
                let (a, d) = (MatRef::from_column_major_slice(&a, n, n), DiagMut::from_slice_mut(&mut d));
                let stack = MemStack::new(&mut memory);
                self_adjoint_evd(a, d, Some(q), Par::Seq, stack, Default::default()).unwrap();
            },
            &mut values,
        ]);
        let name = <T as Scalar>::NAME;
        let ratio = theirs / ours;
        println!(
            "{name} n = {n:4}: eigh {ours:10.1} us, faer's {theirs:10.1} us, ratio {ratio:5.2}; values alone {values:9.1} us"
        );
    }
}

#[test]
#[ignore = "a measurement"]
fn times_of_eigendecompositions() {
    let sizes = [16, 24, 25, 28, 32, 40, 48, 64, 96, 128, 200, 256, 384, 512, 1024];
    times::<f64>(&sizes);
    times::<f32>(&sizes);
}

#[test]
#[ignore = "a measurement"]
fn times_of_polar_factors() {
    for (m, n) in [(48, 48), (64, 64), (128, 128), (256, 256), (512, 512), (256, 64), (784, 64)] {
        // The identity and half of a random matrix of norm about 1: a condition of about 3.
        let mut a = random::<f64>(&mut rng(n as u64), m * n);
        a.iter_mut().for_each(|x| *x *= 0.43 / (m as f64).sqrt());
        (0..n).for_each(|i| a[i + i * m] += 1.0);
        let mut w = Workspace::default();
        let [mut wf, mut h, mut handle, mut svd] =
            [m * n, n * n, n * (n + 1), n * (m + n + 1)].map(|len| vec![0.0; len]);
        let mut other = Workspace::default();
        let [polar, svd] =
            best([&mut || f64::polar(&a, m, n, &mut wf, &mut h, &mut handle, &mut w).unwrap(), &mut || {
                f64::svd(&a, m, n, false, &mut svd, &mut other).unwrap()
            }]);
        println!("{m} x {n}: polar {polar:10.1} us, an SVD alone {svd:10.1} us, ratio {:5.2}", svd / polar);
    }
}
