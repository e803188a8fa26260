//! Actions of exponentials and projectors of groups of eigenvalues, beside the exponential and by what defines them.

mod common;
use common::*;
use pullback_kernels::list::*;
use pullback_kernels::{Failure, Group, Workspace};

fn times<T: Kernels>(a: &[T], b: &[T], n: usize) -> Vec<T> {
    let mut c = vec![T::zero(); n * (b.len() / n.max(1))];
    T::gemm(&mut c, n, b.len() / n.max(1), n, T::one(), a, false, b, false, false);
    c
}

/// The largest distance of entries, and the largest entry.
fn off<T: Kernels>(a: &[T], b: &[T]) -> (f64, f64) {
    assert_eq!(a.len(), b.len());
    let max = |v: &mut dyn Iterator<Item = f64>| v.fold(0.0, f64::max);
    (max(&mut a.iter().zip(b).map(|(x, y)| (x.f64() - y.f64()).abs())), max(&mut b.iter().map(|x| x.f64().abs())))
}

#[track_caller]
fn close<T: Kernels>(a: &[T], b: &[T], units: f64, what: &str) {
    let (d, size) = off(a, b);
    assert!(d <= units * T::EPS.f64() * size, "{what}: {d:e} of {size:e}, {} units", d / size / T::EPS.f64());
}

fn exp<T: Kernels>(a: &[T], n: usize, w: &mut Workspace<T>) -> (Vec<T>, Vec<T>) {
    let (mut y, mut handle) = (vec![T::zero(); n * n], vec![T::zero(); n * (7 * n + 4)]);
    T::expm(a, n, &mut y, &mut handle, w).unwrap();
    (y, handle)
}

fn agrees<T: Kernels>(n: usize, p: usize, scale: f64) {
    let (mut rng, mut w) = (rng(7), Workspace::default());
    let norm = scale / (n as f64).sqrt();
    let a: Vec<T> = random::<T>(&mut rng, n * n).iter().map(|x| T::of(x.f64() * norm)).collect();
    let (b, c) = (random::<T>(&mut rng, n * p), random::<T>(&mut rng, n * p));
    let what = format!("{n}x{p} of {scale}");
    let (y, handle) = exp(&a, n, &mut w);
    let units = 40.0 * (2.0 + scale);
    let mut found = vec![T::zero(); n * p];
    T::expm_action(&[&a], &[&b], (n, p), false, &mut found, &mut w).unwrap();
    close(&found, &times(&y, &b, n), units, &what);
    let mut yt = vec![T::zero(); n * n];
    T::transpose(&y, n, n, &mut yt);
    T::expm_action(&[&a], &[&b], (n, p), true, &mut found, &mut w).unwrap();
    close(&found, &times(&yt, &b, n), units, &what);
    // P' = D exp(A)[B C'], and R = exp(A') C.
    let (mut ga, mut gb) = (vec![T::zero(); n * n], vec![T::zero(); n * p]);
    T::expm_action_pull(&[&a], &[&b], &[&c], (n, p), &mut ga, &mut gb, &mut w).unwrap();
    close(&gb, &times(&yt, &c, n), units, &what);
    let (mut e, mut d, mut dh) = (vec![T::zero(); n * n], vec![T::zero(); n * n], vec![T::zero(); n * (7 * n + 4)]);
    T::gemm(&mut e, n, n, p, T::one(), &b, false, &c, true, false);
    T::expm_jet(&[&a, &e], &[&handle, &[]], n, &mut d, &mut dh, &mut w).unwrap();
    T::transpose(&d, n, n, &mut e);
    close(&ga, &e, units, &what);
    // Along one direction of A and one of B.
    T::expm_jet(&[&a, &yt], &[&handle, &[]], n, &mut d, &mut dh, &mut w).unwrap();
    let mut sum = times(&d, &b, n);
    T::axpy(T::one(), &times(&y, &c, n), &mut sum);
    T::expm_action(&[&a, &yt], &[&b, &c], (n, p), false, &mut found, &mut w).unwrap();
    close(&found, &sum, 4.0 * units, &what);
}

#[test]
fn actions_are_those_of_the_exponential() {
    for (n, p) in [(1, 1), (2, 1), (5, 2), (16, 3), (48, 1), (8, 20)] {
        for scale in [0.0, 1e-6, 0.3, 2.0, 15.0] {
            agrees::<f64>(n, p, scale);
            agrees::<f32>(n, p, scale.min(4.0));
        }
    }
}

#[test]
fn empty_and_bad_input() {
    let mut w = Workspace::<f64>::default();
    f64::expm_action(&[&[]], &[&[]], (0, 2), false, &mut [], &mut w).unwrap();
    let mut ga = [1.0; 4];
    f64::expm_action_pull(&[&[1.0, 2.0, 3.0, 4.0]], &[&[]], &[&[]], (2, 0), &mut ga, &mut [], &mut w).unwrap();
    assert_eq!(ga, [0.0; 4]);
    let found = f64::expm_action(&[&[1.0, f64::NAN, 0.0, 1.0]], &[&[1.0, 1.0]], (2, 1), false, &mut [0.0; 2], &mut w);
    assert!(matches!(found, Err(Failure::NonFinite { index: 1, .. })), "{found:?}");
    let found =
        f64::expm_action(&[&[f64::MAX, 0.0, 0.0, -f64::MAX]], &[&[1.0, 1.0]], (2, 1), false, &mut [0.0; 2], &mut w);
    assert!(matches!(found, Err(Failure::Unsupported { .. })), "{found:?}");
    // Entries whose mean would overflow if it were summed first.
    let huge = [1e308, 0.0, 0.0, 1e308];
    let found = f64::expm_action(&[&huge], &[&[1.0, 1.0]], (2, 1), false, &mut [0.0; 2], &mut w);
    assert!(matches!(found, Err(Failure::Overflow { .. })), "{found:?}");
}

fn projects<T: Kernels>(n: usize, group: Group) {
    let (mut rng, mut w) = (rng(9), Workspace::default());
    let noise = random::<T>(&mut rng, n * n);
    // Eigenvalues around 2 and -2, in no order.
    let a: Vec<T> = (0..n * n)
        .map(|k| {
            let (i, j) = (k % n, k / n);
            let d = if i != j {
                0.0
            } else if i % 3 == 1 {
                2.0
            } else {
                -2.0
            };
            T::of(noise[k].f64() * 0.8 / (n as f64).sqrt() + d)
        })
        .collect();
    let (mut p, mut handle) = (vec![T::zero(); n * n], vec![T::zero(); n * (3 * n + 1)]);
    let sep = T::group_projector(group, &a, n, &mut p, &mut handle, &mut w).unwrap().f64();
    let what = format!("{n} {group:?}");
    let units = 200.0 * (1.0 + n as f64).sqrt();
    close(&times(&p, &p, n), &p, units, &what);
    let (ap, pa) = (times(&a, &p, n), times(&p, &a, n));
    let (d, _) = off(&ap, &pa);
    assert!(d <= units * T::EPS.f64() * 3.0, "{what}: {d:e}");
    let trace: f64 = (0..n).map(|i| p[i + i * n].f64()).sum();
    let count = (0..n).filter(|i| i % 3 == 1).count();
    assert!((trace - count as f64).abs() < units * T::EPS.f64() * n as f64, "{what}: {trace} {count}");
    assert!(sep > 0.01 && (sep < 4.0 || count == 0 || count == n), "{what}: {sep}");
    // The derivative along [A, K] is [Pi, K], since it turns the matrix; and the second one along it twice.
    let k = random::<T>(&mut rng, n * n);
    let bracket = |x: &[T]| -> Vec<T> { times(x, &k, n).iter().zip(times(&k, x, n)).map(|(a, b)| *a - b).collect() };
    let (e, expected) = (bracket(&a), bracket(&p));
    let mut found = vec![T::zero(); n * n];
    T::group_projector_along(&handle, n, &[&e], &mut found, &mut w).unwrap();
    close(&found, &expected, 8.0 * units, &what);
    // A(t) = exp(-tK) A exp(tK): A'' = [[A, K], K], and so for Pi: D²[A', A'] + D[A''].
    let mut second = vec![T::zero(); n * n];
    T::group_projector_along(&handle, n, &[&e, &e], &mut second, &mut w).unwrap();
    T::group_projector_along(&handle, n, &[&bracket(&e)], &mut found, &mut w).unwrap();
    T::axpy(T::one(), &found, &mut second);
    let (d, _) = off(&second, &bracket(&expected));
    let size = off(&found, &found).1.max(1.0);
    assert!(d <= 64.0 * units * T::EPS.f64() * size, "{what}: {d:e} of {size:e}");
}

#[test]
fn projectors_are_what_defines_them() {
    for n in [1, 2, 3, 5, 12, 40, 100] {
        let count = (0..n).filter(|i| i % 3 == 1).count();
        for group in [Group::RealAbove(0.0), Group::LargestReal(count)] {
            projects::<f64>(n, group);
            projects::<f32>(n.min(40), group_of(n.min(40), group));
        }
    }
}

/// The same group of a smaller matrix.
fn group_of(n: usize, group: Group) -> Group {
    match group {
        Group::LargestReal(_) => Group::LargestReal((0..n).filter(|i| i % 3 == 1).count()),
        other => other,
    }
}

/// `logm_pair` is `logm_along` twice and once.
#[test]
fn pairs_of_derivatives_of_the_logarithm() {
    for (n, near) in [(1, 1.0), (4, 1.0), (4, 1e-4), (24, 1.0)] {
        let (mut rng, mut w) = (rng(5), Workspace::<f64>::default());
        let noise = random::<f64>(&mut rng, n * n);
        let a: Vec<f64> = (0..n * n)
            .map(|k| near * noise[k] * 0.5 / (n as f64).sqrt() + if k % (n + 1) == 0 { 1.0 + near } else { 0.0 })
            .collect();
        let [g, e, f] = [0, 1, 2].map(|_| random::<f64>(&mut rng, n * n));
        let (mut l, mut handle) = (vec![0.0; n * n], vec![0.0; n * (2 * n + 1)]);
        f64::logm(&a, n, &mut l, &mut handle, &mut w).unwrap();
        let (mut first, mut second) = (vec![0.0; n * n], vec![0.0; n * n]);
        for f in [&f[..], &[]] {
            f64::logm_pair(&handle, n, [&g, &e, f], &mut first, &mut second, &mut w).unwrap();
            let (mut one, mut two) = (vec![0.0; n * n], vec![0.0; n * n]);
            f64::logm_along(&handle, n, &[&g], &mut one, &mut w).unwrap();
            close(&first, &one, 200.0, "first");
            f64::logm_along(&handle, n, &[&g, &e], &mut two, &mut w).unwrap();
            if !f.is_empty() {
                f64::logm_along(&handle, n, &[f], &mut one, &mut w).unwrap();
                f64::axpy(1.0, &one, &mut two);
            }
            close(&second, &two, 500.0, "second");
        }
        assert!(
            f64::logm_pair(&handle, n, [&g, &vec![f64::NAN; n * n], &[]], &mut first, &mut second, &mut w).is_err()
        );
    }
}
