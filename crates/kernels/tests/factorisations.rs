//! QR, Cholesky, LU, eigh, polar, Cayley: accuracy over sizes and scales, and verdicts on degenerate data.

mod common;
use common::*;
use pullback_kernels::list::*;
use pullback_kernels::{Failure, Least, Workspace};

const SIZES: [usize; 13] = [0, 1, 2, 3, 4, 5, 7, 8, 12, 13, 17, 33, 40];

fn qr_case<T: Kernels>(a: &[T], m: usize, n: usize, w: &mut Workspace<T>) -> (Vec<T>, Vec<T>) {
    let (mut q, mut r) = (vec![T::nan(); m * n], vec![T::nan(); n * n]);
    T::qr_thin(a, m, n, &mut q, &mut r, w).unwrap();
    let tol = 40.0 * T::EPS.f64();
    assert!(defect(&q, m, n) < tol, "Q {m} x {n}: {}", defect(&q, m, n));
    for j in 0..n {
        assert!(r[j + j * n] > T::zero());
        assert!((j + 1..n).all(|i| r[i + j * n] == T::zero()));
    }
    let back = times(&q, &r, m, n, n);
    for j in 0..n {
        let size = a[j * m..(j + 1) * m].iter().fold(0.0f64, |s, x| s.max(x.f64().abs()));
        assert!(gap(&back[j * m..(j + 1) * m], &a[j * m..(j + 1) * m]) <= tol * size, "QR {m} x {n}, column {j}");
    }
    (q, r)
}

fn qr_all<T: Kernels>() {
    let (mut rng, mut w) = (rng(3), Workspace::default());
    for n in SIZES {
        for m in [n, n + 1, n + 3, 2 * n, 60] {
            if m >= n {
                let a = random::<T>(&mut rng, m * n);
                let (q, _) = qr_case(&a, m, n, &mut w);
                qr_case(&q, m, n, &mut w);
            }
        }
    }
}

#[test]
fn qr_is_accurate() {
    qr_all::<f64>();
    qr_all::<f32>();
}

/// Shapes around the edges of panels, blocks and registers, with columns that need no reflection.
fn qr_blocks<T: Kernels>() {
    let (mut rng, mut w) = (rng(31), Workspace::default());
    for (m, n) in
        [(28, 28), (33, 24), (49, 17), (64, 31), (65, 33), (127, 16), (128, 48), (130, 47), (900, 1), (300, 9)]
    {
        let a = random::<T>(&mut rng, m * n);
        let (q, _) = qr_case(&a, m, n, &mut w);
        qr_case(&q, m, n, &mut w);
        // Columns that are zero below their diagonal, all or every third.
        for every in [1, 3] {
            let mut b = a.clone();
            for j in (0..n).step_by(every) {
                b[j * m + j + 1..(j + 1) * m].fill(T::zero());
                b[j * m + j] += T::of(3.0);
            }
            qr_case(&b, m, n, &mut w);
        }
    }
}

#[test]
fn qr_in_blocks_is_accurate() {
    qr_blocks::<f64>();
    qr_blocks::<f32>();
}

#[test]
fn qr_takes_graded_columns_and_extreme_scales() {
    let (mut rng, mut w) = (rng(4), Workspace::default());
    for (m, n) in [(4, 2), (30, 20), (60, 37)] {
        for scale in [1e-300, 1e-150, 1.0, 1e150, 1e300] {
            let a: Vec<f64> = random::<f64>(&mut rng, m * n).iter().map(|x| x * scale).collect();
            qr_case(&a, m, n, &mut w);
            let mut b = a;
            b[..m].iter_mut().for_each(|x| *x *= 1e-4 / scale);
            qr_case(&b, m, n, &mut w);
        }
    }
    qr_case(&[1e150, 0.0, 0.0, 1e-150], 2, 2, &mut w);
}

#[test]
fn qr_sees_dependent_columns() {
    let (mut rng, mut w) = (rng(5), Workspace::default());
    for (m, n) in [(3, 2), (6, 4), (40, 25), (90, 41)] {
        let mut a = random::<f64>(&mut rng, m * n);
        let (head, tail) = a.split_at_mut((n - 1) * m);
        tail.copy_from_slice(&head[..m]);
        tail.iter_mut().for_each(|x| *x *= 3e7);
        let (mut q, mut r) = (vec![0.0; m * n], vec![0.0; n * n]);
        let verdict = f64::qr_thin(&a, m, n, &mut q, &mut r, &mut w);
        assert!(matches!(verdict, Err(Failure::RankDeficient { index, .. }) if index == n - 1), "{verdict:?}");
        a[..m].fill(0.0);
        let verdict = f64::qr_thin(&a, m, n, &mut q, &mut r, &mut w);
        assert!(matches!(verdict, Err(Failure::RankDeficient { index: 0, .. })), "{verdict:?}");
    }
    let wide = f64::qr_thin(&[1.0, 2.0], 1, 2, &mut [0.0; 2], &mut [0.0; 4], &mut w);
    assert!(matches!(wide, Err(Failure::Unsupported { .. })));
}

#[test]
fn a_complement_of_dependent_columns_is_refused() {
    let (mut rng, mut w) = (rng(44), Workspace::default());
    for (m, n) in [(5, 3), (60, 20)] {
        let mut q = random::<f64>(&mut rng, m * n);
        let (head, tail) = q.split_at_mut((n - 1) * m);
        (0..m).for_each(|i| tail[i] = 3.0 * head[i] - head[m + i] / 7.0);
        let verdict = f64::complement(&q, m, n, &mut vec![0.0; m * (m - n)], &mut w);
        assert!(matches!(verdict, Err(Failure::RankDeficient { index, .. }) if index == n - 1), "{verdict:?}");
    }
}

/// Orders at which pivots are checked together and an inverse makes use of the zeros of `L^{-1}`.
fn lu_large<T: Kernels>() {
    let (mut rng, mut w) = (rng(45), Workspace::default());
    for n in [127, 128, 133] {
        let mut a = random::<T>(&mut rng, n * n);
        (0..n).for_each(|i| a[i + i * n] += T::of(if i % 2 == 0 { 30.0 } else { -30.0 }));
        let (mut h, mut x) = (vec![T::nan(); n * (n + 1)], vec![T::nan(); n * n]);
        // Rows in another order, so that there is something to exchange.
        let turned: Vec<T> = (0..n * n).map(|k| a[(k % n * 5 + 3) % n + k / n * n]).collect();
        T::lu(&turned, n, &mut h, &mut w).unwrap();
        T::lu_inverse(&h, n, &mut x, &mut w);
        let left = gap(&times(&turned, &x, n, n, n), &eye(n));
        assert!(left <= 200.0 * T::EPS.f64(), "A A^-1, {n}: {left:e}");
        // Column `j` becomes a sum of others: zero is left for its pivot, but for rounding.
        for j in [1, 9, n - 1] {
            let mut b = turned.clone();
            (0..n).for_each(|i| b[i + j * n] = b[i] + if j > 1 { b[i + n] } else { T::zero() });
            let verdict = T::lu(&b, n, &mut h, &mut w);
            assert!(matches!(verdict, Err(Failure::Singular { index, .. }) if index == j), "{n} {j}: {verdict:?}");
        }
    }
}

#[test]
fn large_inverses_and_verdicts_are_accurate() {
    lu_large::<f64>();
    lu_large::<f32>();
}

fn cholesky_all<T: Kernels>() {
    let (mut rng, mut w) = (rng(6), Workspace::default());
    for n in SIZES {
        let a = spd::<T>(&mut rng, n);
        let mut l = vec![T::nan(); n * n];
        T::cholesky(&a, n, &mut l, &mut w).unwrap();
        let back = times(&l, &transposed(&l, n, n), n, n, n);
        assert!(gap(&back, &a) <= 20.0 * n as f64 * T::EPS.f64(), "{n}");
        assert!((0..n).all(|j| (0..j).all(|i| l[i + j * n] == T::zero())));
    }
}

#[test]
fn cholesky_is_accurate_and_symmetrises() {
    cholesky_all::<f64>();
    cholesky_all::<f32>();
    let (mut l, mut w) = ([0.0; 4], Workspace::default());
    f64::cholesky(&[4.0, 3.0, 1.0, 5.0], 2, &mut l, &mut w).unwrap();
    assert_eq!(l, [2.0, 1.0, 0.0, 2.0]);
    f64::cholesky(&[1e150, 0.0, 0.0, 1e-150], 2, &mut l, &mut w).unwrap();
}

#[test]
fn cholesky_names_the_pivot() {
    let mut w = Workspace::default();
    for n in [3, 20] {
        let mut a = eye(n);
        a[2 + 2 * n] = -4.0;
        let verdict = f64::cholesky(&a, n, &mut vec![0.0; n * n], &mut w);
        assert_eq!(verdict, Err(Failure::NotPositiveDefinite { index: 2, value: -4.0 }));
        let ones = vec![1.0; n * n];
        let verdict = f64::cholesky(&ones, n, &mut vec![0.0; n * n], &mut w);
        assert_eq!(verdict, Err(Failure::NotPositiveDefinite { index: 1, value: 0.0 }));
    }
}

fn lu_all<T: Kernels>() {
    let (mut rng, mut w) = (rng(7), Workspace::default());
    for n in SIZES {
        let mut a = random::<T>(&mut rng, n * n);
        (0..n).for_each(|i| a[i + (n - 1 - i) * n] += T::of(3.0));
        let mut handle = vec![T::nan(); n * (n + 1)];
        T::lu(&a, n, &mut handle, &mut w).unwrap();
        let tol = 30.0 * (n + 1) as f64 * T::EPS.f64();
        for k in [0, 1, 3] {
            for transpose in [false, true] {
                let x = random::<T>(&mut rng, n * k);
                let op = if transpose { transposed(&a, n, n) } else { a.clone() };
                let mut b: Vec<T> = times(&op, &x, n, n, k).iter().map(|&s| T::of(s)).collect();
                T::lu_solve(&handle, n, transpose, &mut b, k, &mut w);
                assert!(gap(&b, &x) < tol, "{n} {k} {transpose} {}", gap(&b, &x));
            }
        }
        let mut inverse = vec![T::nan(); n * n];
        T::lu_inverse(&handle, n, &mut inverse, &mut w);
        assert!(gap(&times(&inverse, &a, n, n, n), &eye(n)) < tol);
    }
}

#[test]
fn lu_solves_and_inverts() {
    lu_all::<f64>();
    lu_all::<f32>();
    let (mut handle, mut w) = ([0.0; 6], Workspace::default());
    f64::lu(&[0.0, 3.0, -2.0, 0.0], 2, &mut handle, &mut w).unwrap();
    assert!((f64::lu_logabsdet(&handle, 2) - 6.0f64.ln()).abs() < 1e-15);
}

fn lu_verdict(a: &[f64], n: usize) -> Result<(), Failure> {
    f64::lu(a, n, &mut vec![0.0; n * (n + 1)], &mut Workspace::default())
}

#[test]
fn lu_verdicts() {
    // Rank two: the last pivot rounds to 1e-16 or so.
    let rank2 = lu_verdict(&[1.0, 4.0, 7.0, 2.0, 5.0, 8.0, 3.0, 6.0, 9.0], 3);
    assert!(matches!(rank2, Err(Failure::Singular { index: 2, .. })), "{rank2:?}");
    assert!(lu_verdict(&[1e150, 0.0, 0.0, 1e-150], 2).is_ok());
    assert!(lu_verdict(&[1.0, 1e-20, 1.0, 2e-20], 2).is_ok());
    assert!(lu_verdict(&[1.0, 1.0, 1.0, 1.0 + 1e-8], 2).is_ok());
    assert!(lu_verdict(&[0.0], 1).is_err());
    let mut rng = rng(8);
    for n in [3, 5, 9, 16, 30] {
        // Integer matrices of rank n - 1.
        for _ in 0..50 {
            let mut a: Vec<f64> = random::<f64>(&mut rng, n * n).iter().map(|x| (x * 9.0).round()).collect();
            for i in 0..n {
                a[i + (n - 1) * n] = (0..n - 1).map(|j| a[i + j * n] * ((j % 3) as f64 - 1.0)).sum();
            }
            assert!(lu_verdict(&a, n).is_err(), "{n}");
        }
        // Condition 1e8.
        let (q, p) = (orthonormal(&mut rng, n), orthonormal(&mut rng, n));
        let mut qs = q.clone();
        qs[(n - 1) * n..].iter_mut().for_each(|x| *x *= 1e-8);
        assert!(lu_verdict(&times(&qs, &p, n, n, n), n).is_ok());
    }
}

fn orthonormal(rng: &mut Rng, n: usize) -> Vec<f64> {
    let (mut q, mut r) = (vec![0.0; n * n], vec![0.0; n * n]);
    f64::qr_thin(&random::<f64>(rng, n * n), n, n, &mut q, &mut r, &mut Workspace::default()).unwrap();
    q
}

fn eigh_case<T: Kernels>(a: &[T], n: usize, w: &mut Workspace<T>) -> Vec<T> {
    let mut handle = vec![T::nan(); n * (n + 1)];
    T::eigh(a, n, &mut handle, w).unwrap();
    let (v, x) = handle.split_at(n * n);
    assert!(x.windows(2).all(|p| p[0] <= p[1]));
    let tol = 60.0 * T::EPS.f64();
    assert!(defect(v, n, n) < tol, "{n}: {}", defect(v, n, n));
    let mut vx = wide(v);
    (0..n).for_each(|j| vx[j * n..(j + 1) * n].iter_mut().for_each(|y| *y *= x[j].f64()));
    let size = a.iter().fold(0.0f64, |s, x| s.max(x.f64().abs()));
    let back = times(&vx, &transposed(&wide(v), n, n), n, n, n);
    assert!(gap(&back, a) <= tol * size * (1.0 + n as f64 / 4.0), "{n}: {}", gap(&back, a) / size);
    handle
}

fn eigh_all<T: Kernels>(scales: &[f64]) {
    let (mut rng, mut w) = (rng(9), Workspace::default());
    for n in SIZES {
        for &scale in scales {
            let b = random::<f64>(&mut rng, n * n);
            let bt = transposed(&b, n, n);
            let a: Vec<T> = b.iter().zip(&bt).map(|(x, y)| T::of((x + y) * scale)).collect();
            eigh_case(&a, n, &mut w);
        }
        eigh_case(&vec![T::one(); n * n], n, &mut w);
        eigh_case(&vec![T::zero(); n * n], n, &mut w);
        eigh_case(&eye(n).iter().map(|&x| T::of(x)).collect::<Vec<_>>(), n, &mut w);
    }
}

#[test]
fn eigh_is_accurate() {
    eigh_all::<f64>(&[1e-300, 1e-160, 1.0, 1e160, 1e300]);
    eigh_all::<f32>(&[1e-30, 1.0, 1e30]);
    let mut w = Workspace::default();
    let handle = eigh_case(&[1.0, 0.0, 0.0, 1e-18], 2, &mut w);
    assert_eq!(handle[4..], [1e-18, 1.0]);
    let nearly = eigh_case(&[1.0f64, 1e-9, 1e-9, 1.0], 2, &mut w);
    assert!((nearly[5] - nearly[4] - 2e-9).abs() < 3e-16);
}

/// Random, integer, 0/1 and steeply graded matrices of every small size: rank-deficient and clustered ones among them.
#[test]
fn eigh_survives_degenerate_spectra() {
    let (mut rng, mut w, mut narrow) = (rng(17), Workspace::default(), Workspace::default());
    for n in 1..=26 {
        for kind in 0..6 {
            for _ in 0..6 {
                let mut a = random::<f64>(&mut rng, n * n);
                for j in 0..n {
                    for i in j..n {
                        let x = a[i + j * n];
                        let x = match kind {
                            0 => x,
                            1 => (x * 3.0).round(),
                            2 => f64::from(u8::from(x > 0.0)),
                            3 => x * 10f64.powi(-2 * i as i32),
                            4 => x * 10f64.powi(-10 * i as i32),
                            _ => x * 10f64.powi(-10 * (n - 1 - j) as i32),
                        };
                        a[i + j * n] = x;
                        a[j + i * n] = x;
                    }
                }
                eigh_case(&a, n, &mut w);
                eigh_case(&a.iter().map(|&x| x as f32).collect::<Vec<_>>(), n, &mut narrow);
            }
        }
    }
}

fn polar_case<T: Kernels>(a: &[T], m: usize, n: usize, w: &mut Workspace<T>) -> (Vec<T>, Vec<T>, Vec<T>) {
    let (mut wf, mut h, mut handle) = (vec![T::nan(); m * n], vec![T::nan(); n * n], vec![T::nan(); n * (n + 1)]);
    T::polar(a, m, n, &mut wf, &mut h, &mut handle, w).unwrap();
    let (tol, size) = (40.0 * T::EPS.f64(), a.iter().fold(0.0f64, |s, x| s.max(x.f64().abs())));
    assert!(defect(&wf, m, n) < tol, "{m} x {n}: {}", defect(&wf, m, n));
    assert!(gap(&times(&wf, &h, m, n, n), a) <= tol * (1 + n) as f64 * size);
    assert_eq!(gap(&h, &transposed(&h, n, n)), 0.0);
    assert!(handle[n * n..].iter().all(|&s| s > T::zero()));
    (wf, h, handle)
}

fn polar_all<T: Kernels>() {
    let (mut rng, mut w) = (rng(10), Workspace::default());
    for n in SIZES {
        for m in [n, n + 2, 2 * n + 1] {
            let a = random::<T>(&mut rng, m * n);
            let (wf, h, handle) = polar_case(&a, m, n, &mut w);
            let twice: Vec<T> = wf.iter().map(|&x| x + x).collect();
            polar_case(&twice, m, n, &mut w);
            let (again, _, _) = polar_case(&wf, m, n, &mut w);
            assert!(gap(&again, &wf) < 40.0 * T::EPS.f64());
            // H X + X H = C.
            let c = random::<T>(&mut rng, n * n);
            let mut x = vec![T::nan(); n * n];
            T::sym_lyap(&handle, n, &c, &mut x, &mut w).unwrap();
            let (hx, xh) = (times(&h, &x, n, n, n), times(&x, &h, n, n, n));
            let back: Vec<f64> = hx.iter().zip(&xh).map(|(a, b)| a + b).collect();
            let size = x.iter().fold(1.0f64, |s, x| s.max(x.f64().abs()));
            assert!(gap(&back, &c) < 400.0 * T::EPS.f64() * (1 + n) as f64 * size);
        }
    }
}

#[test]
fn polar_is_accurate() {
    polar_all::<f64>();
    polar_all::<f32>();
    let mut w = Workspace::default();
    for scale in [1e-200, 1e200] {
        polar_case(&[3.0 * scale, scale, 0.0, scale, 2.0 * scale, scale], 3, 2, &mut w);
    }
    for n in [1, 2, 3, 12] {
        let verdict = f64::polar(
            &vec![1.0; 2 * n * n],
            2 * n,
            n,
            &mut vec![0.0; 2 * n * n],
            &mut vec![0.0; n * n],
            &mut vec![0.0; n * n + n],
            &mut w,
        );
        assert_eq!(verdict.is_ok(), n == 1, "{verdict:?}");
    }
    let zero = f64::polar(&[0.0; 2], 2, 1, &mut [0.0; 2], &mut [0.0], &mut [0.0; 2], &mut w);
    assert!(matches!(zero, Err(Failure::RankDeficient { .. })));
}

#[test]
fn cayley_is_orthogonal_for_skew() {
    let (mut rng, mut w) = (rng(11), Workspace::default());
    for n in SIZES {
        let b = random::<f64>(&mut rng, n * n);
        let bt = transposed(&b, n, n);
        let skew: Vec<f64> = b.iter().zip(&bt).map(|(x, y)| x - y).collect();
        let (mut c, mut k) = (vec![0.0; n * n], vec![0.0; n * n]);
        f64::cayley(&skew, n, 0.3, &mut c, &mut k, &mut w).unwrap();
        assert!(defect(&c, n, n) < 1e-14 * (1 + n) as f64);
        let left: Vec<f64> = eye(n).iter().zip(&skew).map(|(i, s)| i - 0.3 * s).collect();
        let right: Vec<f64> = eye(n).iter().zip(&skew).map(|(i, s)| i + 0.3 * s).collect();
        assert!(gap(&times(&left, &c, n, n, n), &right) < 1e-14 * (1 + n) as f64);
        assert!(gap(&times(&left, &k, n, n, n), &eye(n)) < 1e-14 * (1 + n) as f64);
    }
    let singular = f64::cayley(&[0.5], 1, 2.0, &mut [0.0], &mut [0.0], &mut w);
    assert!(matches!(singular, Err(Failure::Singular { .. })));
}

#[test]
fn nan_and_infinity_are_failures_everywhere() {
    let mut w = Workspace::default();
    for n in [1, 2, 4, 9, 20, 40] {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let mut a = eye(n);
            let at = (n * n) / 2;
            a[at] = bad;
            let (mut x, mut y, mut z) = (vec![0.0; n * n], vec![0.0; n * n], vec![0.0; n * n + n]);
            let verdicts = [
                f64::qr_thin(&a, n, n, &mut x, &mut y, &mut w),
                f64::cholesky(&a, n, &mut x, &mut w),
                f64::lu(&a, n, &mut z, &mut w),
                f64::eigh(&a, n, &mut z, &mut w),
                f64::polar(&a, n, n, &mut x, &mut y, &mut z, &mut w),
                f64::cayley(&a, n, 0.1, &mut x, &mut y, &mut w),
            ];
            for v in verdicts {
                assert!(matches!(v, Err(Failure::NonFinite { index, .. }) if index == at), "{n} {v:?}");
            }
        }
    }
}

/// `X` with `X L' + L X' = E`, and the adjoint of `E -> X`, at every size class and beyond the recursion's first step.
fn cholesky_rules_all<T: Kernels>() {
    let (mut rng, mut w) = (rng(31), Workspace::default());
    for n in SIZES.into_iter().chain([16, 32, 47, 64, 100]) {
        let (a, e, g) = (spd::<T>(&mut rng, n), random::<T>(&mut rng, n * n), random::<T>(&mut rng, n * n));
        let (mut l, mut x) = (vec![T::zero(); n * n], vec![T::nan(); n * n]);
        T::cholesky(&a, n, &mut l, &mut w).unwrap();
        T::cholesky_push(&l, n, &e, &mut x);
        let (xl, et) = (times(&x, &transposed(&l, n, n), n, n, n), transposed(&e, n, n));
        let sum: Vec<f64> = xl.iter().zip(transposed(&xl, n, n)).map(|(a, b)| a + b).collect();
        let sym: Vec<f64> = e.iter().zip(&et).map(|(a, b)| 0.5 * (a.f64() + b.f64())).collect();
        // The residual of a backward stable solve.
        let size = wide(&xl).iter().fold(1.0, |s: f64, x| s.max(x.abs()));
        assert!(gap(&sum, &sym) <= 20.0 * T::EPS.f64() * size, "push {n}: {}", gap(&sum, &sym));
        assert!((0..n).all(|j| (0..j).all(|i| x[i + j * n] == T::zero())), "push {n}: zeros above");
        let mut y = g.clone();
        // What stands above the diagonal of G is not read.
        (0..n).for_each(|j| (0..j).for_each(|i| y[i + j * n] = T::nan()));
        T::cholesky_pull(&l, n, &mut y);
        assert!(gap(&y, &transposed(&y, n, n)) == 0.0, "pull {n}: symmetric");
        let (ye, gx) = (wide(&y).iter().zip(wide(&e)).map(|(a, b)| a * b).sum::<f64>(), {
            wide(&g).iter().zip(wide(&x)).map(|(a, b)| a * b).sum::<f64>()
        });
        let scale =
            f64::sqrt(wide(&y).iter().map(|x| x * x).sum::<f64>() * wide(&e).iter().map(|x| x * x).sum::<f64>());
        assert!((ye - gx).abs() <= 20.0 * T::EPS.f64() * scale.max(1.0), "pull {n}: {ye} {gx}");
    }
}

#[test]
fn cholesky_rules_are_adjoint_and_accurate() {
    cholesky_rules_all::<f64>();
    cholesky_rules_all::<f32>();
}

/// `P A = L U` of tall matrices, the complement of orthonormal columns, and the order of pivots.
fn relatives_all<T: Kernels>() {
    let (mut rng, mut w) = (rng(41), Workspace::default());
    let eps = T::EPS.f64();
    for n in SIZES {
        for m in [n, n + 3] {
            let a = random::<T>(&mut rng, m * n);
            let (mut l, mut u, mut p) = (vec![T::nan(); m * n], vec![T::nan(); n * n], vec![T::nan(); m]);
            T::lu_factors(&a, m, n, &mut l, &mut u, &mut p, &mut w).unwrap();
            let back = times(&l, &u, m, n, n);
            let ordered: Vec<T> = (0..m * n).map(|k| a[p[k % m].f64() as usize + k / m * m]).collect();
            assert!(gap(&back, &ordered) <= 40.0 * eps, "P A = L U, {m} x {n}: {}", gap(&back, &ordered));
            assert!(l.iter().all(|x| x.abs() <= T::one()));
            let (mut q, mut r) = (vec![T::nan(); m * n], vec![T::nan(); n * n]);
            T::qr_thin(&a, m, n, &mut q, &mut r, &mut w).unwrap();
            let mut z = vec![T::nan(); m * (m - n)];
            T::complement(&q, m, n, &mut z, &mut w).unwrap();
            let all: Vec<T> = q.iter().chain(&z).copied().collect();
            assert!(defect(&all, m, m) <= 40.0 * eps, "complement {m} x {n}: {}", defect(&all, m, m));
            let (mut p, mut d) = (vec![T::nan(); n], vec![T::nan(); n]);
            T::pivots(&a, m, n, &mut p, &mut d, &mut w).unwrap();
            assert!(d.windows(2).all(|d| d[1] <= d[0] * T::of(1.001)), "pivots {m} x {n}: {d:?}");
            let mut seen: Vec<usize> = p.iter().map(|p| p.f64() as usize).collect();
            seen.sort_unstable();
            assert!(seen.into_iter().eq(0..n));
        }
    }
}

#[test]
fn relatives_of_lu_and_qr_are_accurate() {
    relatives_all::<f64>();
    relatives_all::<f32>();
}

/// Determinants against the product of the pivots of QR, cofactors against the inverse, pseudo-inverses against theirs.
fn minors_all<T: Kernels>() {
    let (mut rng, mut w) = (rng(43), Workspace::default());
    for n in [1, 2, 3, 5, 8, 17, 30] {
        let mut a = random::<T>(&mut rng, n * n);
        (0..n).for_each(|i| a[i + i * n] += T::of(2.0));
        let mut h = vec![T::nan(); n * (n + 2)];
        T::lu_complete(&a, n, &mut h).unwrap();
        // Complete pivoting: no entry of either unit triangle is above one.
        assert!((0..n * n).all(|k| k % (n + 1) == 0 || h[k].abs() <= T::one()), "{n}: {h:?}");
        let (mut q, mut r) = (vec![T::nan(); n * n], vec![T::nan(); n * n]);
        T::qr_thin(&a, n, n, &mut q, &mut r, &mut w).unwrap();
        let product: f64 = (0..n).map(|i| r[i + i * n].f64()).product();
        let det = T::det(&h, n).f64();
        assert!((det.abs() - product).abs() <= 400.0 * T::EPS.f64() * product, "det {n}: {det} {product}");
        let mut g = vec![T::nan(); n * n];
        T::cofactor(&h, n, &[], &mut g, &mut w).unwrap();
        // A' G = det I.
        let scaled: Vec<f64> = times(&transposed(&a, n, n), &g, n, n, n).iter().map(|x| x / det).collect();
        assert!(gap(&scaled, &eye(n)) <= 400.0 * T::EPS.f64(), "cofactors {n}: {}", gap(&scaled, &eye(n)));
        assert!(matches!(T::cofactor(&h, n, &[&a, &a, &a], &mut g, &mut w), Err(Failure::Unsupported { .. })));
        let s = Least { m: n, n, r: n };
        let mut least = vec![T::nan(); s.len()];
        T::least_factor(&a, s, &mut least, &mut w).unwrap();
        T::least_apply(&least, s, false, &a, n, &mut g, &mut w);
        assert!(gap(&g, &eye(n)) <= 400.0 * T::EPS.f64(), "A+ A {n}: {}", gap(&g, &eye(n)));
    }
    // Far out of range on the way, and back.
    let a: Vec<T> = [1e30, 2e30, 3e-30, 4e-30].iter().map(|x| T::of(*x)).collect();
    let mut h = vec![T::nan(); 8];
    T::lu_complete(&a, 2, &mut h).unwrap();
    assert!((T::det(&h, 2).f64() + 2.0).abs() < 20.0 * T::EPS.f64());
}

#[test]
fn determinants_and_pseudo_inverses_are_accurate() {
    minors_all::<f64>();
    minors_all::<f32>();
}
