//! Polar factors of matrices large enough for the eigenvectors of `A^T A`, with known singular values on both sides of
//! the conditions up to which those serve as they are, and corrected.

mod common;
use common::*;
use pullback_kernels::list::*;
use pullback_kernels::{Failure, Workspace};

/// `scale U diag(s) V^T` with `s` from 1 down to `1 / condition`, and the polar factor `U V^T`.
fn matrix(rng: &mut Rng, m: usize, n: usize, condition: f64, scale: f64) -> (Vec<f64>, Vec<f64>) {
    let (u, v) = (frame(rng, m, n), frame(rng, n, n));
    let mut us = u.clone();
    for (j, column) in us.chunks_exact_mut(m).enumerate() {
        let s = condition.powf(-(j as f64) / (n - 1) as f64);
        column.iter_mut().for_each(|x| *x *= s * scale);
    }
    let vt = transposed(&v, n, n);
    (times(&us, &vt, m, n, n), times(&u, &vt, m, n, n))
}

fn case<T: Kernels>(rng: &mut Rng, m: usize, n: usize, condition: f64, scale: f64) {
    let what = format!("{} {m} x {n}, condition {condition}, scale {scale:e}", T::NAME);
    let (a, w) = matrix(rng, m, n, condition, scale);
    let a: Vec<T> = a.iter().map(|&x| T::of(x)).collect();
    let [mut wf, mut h, mut handle] = [m * n, n * n, n * (n + 1)].map(|k| vec![T::nan(); k]);
    T::polar(&a, m, n, &mut wf, &mut h, &mut handle, &mut Workspace::default()).unwrap();
    let unit = T::EPS.f64();
    // An SVD, which is faer's, leaves more.
    let limit = if condition < 10.0 { 40.0 } else { 200.0 };
    assert!(defect(&wf, m, n) < limit * unit, "{what}: {:.1} units", defect(&wf, m, n) / unit);
    // The factor itself is as sensitive as the condition says.
    assert!(gap(&wf, &w) < limit * unit * condition, "{what}: {:.1} units off", gap(&wf, &w) / unit);
    assert!(gap(&times(&wf, &h, m, n, n), &a) < limit * unit * scale, "{what}: W H is not A");
    assert_eq!(gap(&h, &transposed(&h, n, n)), 0.0);
    // The handle is an eigendecomposition of H.
    let (v, s) = handle.split_at(n * n);
    assert!(defect(v, n, n) < limit * unit, "{what}: {:.1} units, handle", defect(v, n, n) / unit);
    let mut vs = wide(v);
    (0..n).for_each(|j| vs[j * n..(j + 1) * n].iter_mut().for_each(|x| *x *= s[j].f64()));
    let back = times(&vs, &transposed(&wide(v), n, n), n, n, n);
    assert!(gap(&back, &h) < limit * unit * scale, "{what}: {:.1} units, H", gap(&back, &h) / (unit * scale));
    let smallest = s.iter().fold(f64::INFINITY, |least, s| least.min(s.f64())) / scale;
    assert!((smallest * condition - 1.0).abs() < limit * unit * condition.max(10.0), "{what}: {smallest:e}");
}

#[test]
fn large_polar_factors_are_right_at_every_condition() {
    let mut rng = rng(21);
    for (m, n) in [(5, 5), (9, 7), (65, 3), (33, 33), (64, 64), (100, 70), (200, 64)] {
        for condition in [1.0, 2.0, 9.9, 10.1, 1e3, 2e5, 3e5, 1e6] {
            case::<f64>(&mut rng, m, n, condition, 1.0);
            if condition < 1e4 {
                case::<f32>(&mut rng, m, n, condition, 1.0);
            }
        }
        for scale in [1e-200, 1e200] {
            case::<f64>(&mut rng, m, n, 3.0, scale);
        }
    }
}

#[test]
fn a_large_matrix_without_full_rank_is_refused() {
    let n = 70;
    let (mut a, _) = matrix(&mut rng(22), n, n, 2.0, 1.0);
    let (first, second) = a.split_at_mut(n);
    second[..n].copy_from_slice(first);
    let [mut wf, mut h, mut handle] = [n * n, n * n, n * (n + 1)].map(|k| vec![0.0; k]);
    let told = f64::polar(&a, n, n, &mut wf, &mut h, &mut handle, &mut Workspace::default());
    assert!(matches!(told, Err(Failure::RankDeficient { .. })), "{told:?}");
    a[5] = f64::NAN;
    let told = f64::polar(&a, n, n, &mut wf, &mut h, &mut handle, &mut Workspace::default());
    assert!(matches!(told, Err(Failure::NonFinite { index: 5, .. })), "{told:?}");
}

#[test]
fn a_dependent_column_is_named_as_the_user_counts() {
    for (m, n, j) in [(5, 3, 1), (4, 4, 0), (30, 20, 7), (70, 70, 33)] {
        let (full, _) = matrix(&mut rng(23), m, n, 2.0, 1.0);
        let last = full[(n - 1) * m..].to_vec();
        // A column that is zero, and one that the last repeats.
        for (column, named) in [(vec![0.0; m], j), (last, n - 1)] {
            let mut a = full.clone();
            a[j * m..(j + 1) * m].copy_from_slice(&column);
            let [mut wf, mut h, mut handle] = [m * n, n * n, n * (n + 1)].map(|k| vec![0.0; k]);
            let told = f64::polar(&a, m, n, &mut wf, &mut h, &mut handle, &mut Workspace::default());
            let Err(Failure::RankDeficient { index, .. }) = told else { panic!("{told:?}") };
            assert_eq!(index, named, "{m} x {n}");
        }
    }
}
