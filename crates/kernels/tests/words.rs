//! Kernels look at what they are given, whoever calls them: a number that is none is named with its entry.

use pullback_kernels::list::*;
use pullback_kernels::{Failure, SymFn, Workspace};

fn named(done: Result<(), Failure>, index: usize, what: &str) {
    match done {
        Err(Failure::NonFinite { index: seen, value }) => {
            assert!(seen == index && value.is_nan(), "{what}: entry {seen} is {value}");
        }
        other => panic!("{what}: {other:?}"),
    }
}

fn every_kernel<T: Kernels>() {
    let mut w = Workspace::default();
    // Well-conditioned, symmetric and orthonormal at once, but for one entry.
    for n in [2, 3, 5, 20, 40] {
        for index in [0, n - 1, n * n - 1] {
            let mut a = vec![T::zero(); n * n];
            (0..n).for_each(|i| a[i + i * n] = T::one());
            a[index] = T::nan();
            let [mut x, mut y] = [n * n; 2].map(|k| vec![T::zero(); k]);
            let [mut p, mut h] = [n, n * (n + 2)].map(|k| vec![T::zero(); k]);
            let handle = &mut vec![T::zero(); n * (n + 1)];
            named(T::lu(&a, n, handle, &mut w), index, "lu");
            named(T::lu_factors(&a, n, n, &mut x, &mut y, &mut p, &mut w), index, "lu factors");
            named(T::lu_complete(&a, n, &mut h), index, "complete lu");
            named(T::cholesky(&a, n, &mut x, &mut w), index, "cholesky");
            named(T::qr_thin(&a, n, n, &mut x, &mut y, &mut w), index, "qr");
            named(T::eigh(&a, n, handle, &mut w), index, "eigh");
            named(T::polar(&a, n, n, &mut x, &mut y, handle, &mut w), index, "polar");
            named(T::svd(&a, n, n, false, &mut vec![T::zero(); 2 * n * n + n], &mut w), index, "svd");
            let record = &mut vec![T::zero(); n * (7 * n + 4)];
            named(T::expm(&a, n, &mut x, record, &mut w), index, "exponential");
            named(T::logm(&a, n, &mut x, &mut vec![T::zero(); n * (2 * n + 1)], &mut w), index, "logarithm");
            let notes = &mut vec![T::zero(); 6 * n];
            named(T::eig(&a, n, &mut p, &mut x, &mut y, notes, &mut w), index, "eig");
            named(T::cayley(&a, n, T::of(0.5), &mut x, &mut y, &mut w), index, "cayley");
            // The complement of the first column.
            let mut q = a[..n].to_vec();
            (q[0], q[n - 1]) = (T::one(), T::nan());
            named(T::complement(&q, n, 1, &mut vec![T::zero(); n * (n - 1)], &mut w), n - 1, "complement");
            // With a good handle and a bad right-hand side or direction.
            let good: Vec<T> = (0..n * n).map(|k| if k % (n + 1) == 0 { T::one() } else { T::zero() }).collect();
            T::eigh(&good, n, handle, &mut w).unwrap();
            named(T::sym_lyap(handle, n, &a, &mut x, &mut w), index, "lyapunov");
            named(T::spectral(SymFn::Exp, handle, n, &[&a], &mut x, &mut w), index, "spectral");
        }
    }
}

#[test]
fn what_is_not_a_number_is_named() {
    every_kernel::<f64>();
    every_kernel::<f32>();
}

fn large_is_finite<T: Kernels>() {
    let half = T::max_value() * T::of(0.5);
    for n in [2, 3, 8, 40, 300] {
        assert!(T::all_finite(&vec![half; n]) && T::all_finite(&vec![T::min_value(); n]));
        assert!(!T::all_finite(&[vec![half; n], vec![T::infinity()]].concat()));
    }
    // And so they are taken for what they are.
    let mut handle = [T::zero(); 12];
    T::eigh(
        &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0].map(|x| half * T::of(x)),
        3,
        &mut handle,
        &mut Workspace::default(),
    )
    .unwrap();
    assert!(handle[9..].iter().all(|x| *x == half));
}

#[test]
fn numbers_whose_sum_overflows_are_numbers() {
    large_is_finite::<f64>();
    large_is_finite::<f32>();
}
