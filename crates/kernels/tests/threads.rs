//! Large factorisations on several threads: as accurate as on one, with the same verdicts.

use faer::{Mat, MatRef};
use pullback_kernels::list::*;
use pullback_kernels::{Failure, Threads, Workspace};
use rand::RngExt;
use rand_pcg::Pcg64;

fn random(m: usize, n: usize, seed: u128) -> Vec<f64> {
    let mut rng = Pcg64::new(seed, 7);
    (0..m * n).map(|_| rng.random_range(-1.0..1.0)).collect()
}

fn mat(x: &[f64], m: usize, n: usize) -> MatRef<'_, f64> {
    MatRef::from_column_major_slice(x, m, n)
}

/// The largest entry of the difference, over the size of `b`.
fn apart(a: MatRef<'_, f64>, b: MatRef<'_, f64>) -> f64 {
    (a - b).norm_max() / b.norm_max()
}

/// On one thread, and on two, three and five.
fn on_threads<R>(mut run: impl FnMut() -> R) -> Vec<R> {
    let counts = [1, 2, 3, 5];
    counts.iter().map(|&count| Threads::new(count).unwrap().run(&mut run)).collect()
}

const SIZES: [(usize, usize); 4] = [(200, 200), (193, 193), (320, 150), (257, 129)];

#[test]
fn qr_by_panels() {
    for (m, n) in SIZES {
        let a = random(m, n, 1);
        for found in on_threads(|| {
            let (mut q, mut r) = (vec![0.0; m * n], vec![0.0; n * n]);
            f64::qr_thin(&a, m, n, &mut q, &mut r, &mut Workspace::default()).map(|()| (q, r))
        }) {
            let (q, r) = found.unwrap();
            let (q, r) = (mat(&q, m, n), mat(&r, n, n));
            assert!(apart((q * r).as_ref(), mat(&a, m, n)) < 1e-13);
            assert!((q.transpose() * q - Mat::<f64>::identity(n, n)).norm_max() < 1e-14);
            assert!((0..n).all(|j| r[(j, j)] > 0.0 && (j + 1..n).all(|i| r[(i, j)] == 0.0)));
        }
    }
}

#[test]
fn lu_by_panels() {
    for (m, n) in SIZES {
        let a = random(m, n, 2);
        let found = on_threads(|| {
            let (mut l, mut u, mut p) = (vec![0.0; m * n], vec![0.0; n * n], vec![0.0; m]);
            f64::lu_factors(&a, m, n, &mut l, &mut u, &mut p, &mut Workspace::default()).map(|()| (l, u, p))
        });
        let order = found[0].as_ref().unwrap().2.clone();
        for found in found {
            let (l, u, p) = found.unwrap();
            assert_eq!(p, order, "partial pivoting has one order");
            let permuted = Mat::from_fn(m, n, |i, j| a[p[i] as usize + j * m]);
            assert!(apart((mat(&l, m, n) * mat(&u, n, n)).as_ref(), permuted.as_ref()) < 1e-13);
            assert!(l.iter().all(|x| x.abs() <= 1.0));
        }
    }
}

#[test]
fn cholesky_by_panels() {
    for n in [130, 192, 300] {
        let g = random(n, n, 3);
        let mut a = vec![0.0; n * n];
        f64::gemm(&mut a, n, n, n, 1.0, &g, false, &g, true, false);
        (0..n).for_each(|i| a[i * (n + 1)] += 1.0);
        for found in on_threads(|| {
            let mut l = vec![0.0; n * n];
            f64::cholesky(&a, n, &mut l, &mut Workspace::default()).map(|()| l)
        }) {
            let l = found.unwrap();
            let l = mat(&l, n, n);
            assert!(apart((l * l.transpose()).as_ref(), mat(&a, n, n)) < 1e-14);
            assert!((0..n).all(|j| l[(j, j)] > 0.0 && (0..j).all(|i| l[(i, j)] == 0.0)));
        }
    }
}

/// Columns at the limits of single precision, in turn: each is scaled by itself, on any number of threads.
#[test]
fn single_precision_by_panels() {
    let (m, n) = (220, 150);
    let scale = |j: usize| [1e30f32, 1.0, 1e-30][j % 3];
    let a: Vec<f32> = random(m, n, 8).iter().enumerate().map(|(i, x)| *x as f32 * scale(i / m)).collect();
    for found in on_threads(|| {
        let (mut q, mut r) = (vec![0.0f32; m * n], vec![0.0f32; n * n]);
        f32::qr_thin(&a, m, n, &mut q, &mut r, &mut Workspace::default()).map(|()| (q, r))
    }) {
        let (q, r) = found.unwrap();
        let double = |x: &[f32]| x.iter().map(|x| f64::from(*x)).collect::<Vec<_>>();
        let (q, r) = (double(&q), double(&r));
        let (q, r) = (mat(&q, m, n), mat(&r, n, n));
        assert!((q.transpose() * q - Mat::<f64>::identity(n, n)).norm_max() < 1e-5);
        for j in 0..n {
            let (got, want) = (q * r.col(j), &a[j * m..(j + 1) * m]);
            let off = (0..m).map(|i| (got[i] - f64::from(want[i])).abs()).fold(0.0, f64::max);
            assert!(off < 1e-5 * f64::from(scale(j)), "column {j}: {off:e}");
        }
    }
}

#[test]
fn a_number_that_is_none_is_named_on_any_number_of_threads() {
    let n = 160;
    let mut a = random(n, n, 9);
    a[100 * n + 7] = f64::NAN;
    let w = &mut Workspace::default();
    for found in on_threads(|| {
        let qr = f64::qr_thin(&a, n, n, &mut vec![0.0; n * n], &mut vec![0.0; n * n], w);
        [qr, f64::lu(&a, n, &mut vec![0.0; n * (n + 1)], w), f64::cholesky(&a, n, &mut vec![0.0; n * n], w)]
    }) {
        for failure in found {
            assert!(matches!(failure, Err(Failure::NonFinite { index, .. }) if index == 100 * n + 7), "{failure:?}");
        }
    }
}

/// What was found, and where.
fn told(failure: Failure) -> (&'static str, usize) {
    match failure {
        Failure::RankDeficient { index, .. } => ("rank", index),
        Failure::Singular { index, .. } => ("singular", index),
        Failure::NotPositiveDefinite { index, .. } => ("indefinite", index),
        other => panic!("{other}"),
    }
}

/// The verdict on a matrix with one column that is bad, at each of some places.
fn verdicts<R: std::fmt::Debug>(at: &[usize], mut run: impl FnMut(usize) -> Result<R, Failure>) {
    for &bad in at {
        let found = on_threads(|| told(run(bad).expect_err("a column is bad")));
        assert!(found.iter().all(|f| *f == found[0] && f.1 == bad), "{bad}: {found:?}");
    }
}

#[test]
fn verdicts_are_those_of_one_thread() {
    let n = 200;
    let w = &mut Workspace::default();
    let places = [0, 5, 63, 64, 120, 199];
    verdicts(&places[1..], |bad| {
        // A column that is the sum of two before it.
        let mut a = random(n, n, 4);
        let sum: Vec<f64> = (0..n).map(|i| a[i] + a[i + n]).collect();
        a[bad * n..(bad + 1) * n].copy_from_slice(&sum);
        f64::qr_thin(&a, n, n, &mut vec![0.0; n * n], &mut vec![0.0; n * n], w)
    });
    verdicts(&places, |bad| {
        let mut a = random(n, n, 5);
        a[bad * n..(bad + 1) * n].fill(0.0);
        f64::lu(&a, n, &mut vec![0.0; n * (n + 1)], w)
    });
    verdicts(&places, |bad| {
        let g = random(n, n, 6);
        let mut a = vec![0.0; n * n];
        f64::gemm(&mut a, n, n, n, 1.0, &g, false, &g, true, false);
        a[bad * (n + 1)] = -1.0;
        f64::cholesky(&a, n, &mut vec![0.0; n * n], w)
    });
}
