//! Thin singular value decompositions by `A^T A` and a correction, beside those that it leaves to others: known
//! singular values of every condition, ties and near ties, tall and square, both precisions.

mod common;
use common::*;
use pullback_kernels::Workspace;
use pullback_kernels::list::*;

/// `U diag(s) V^T` and its decomposition, which has to reproduce it with orthonormal factors.
fn case<T: Kernels>(rng: &mut Rng, m: usize, n: usize, s: &[f64], what: &str) {
    product::<T>(frame(rng, m, n), &frame(rng, n, n), m, n, s, &mut Workspace::default(), what);
}

/// The same of given factors.
fn product<T: Kernels>(mut us: Vec<f64>, v: &[f64], m: usize, n: usize, s: &[f64], w: &mut Workspace<T>, what: &str) {
    for (column, s) in us.chunks_exact_mut(m).zip(s) {
        column.iter_mut().for_each(|x| *x *= s);
    }
    let a: Vec<T> = times(&us, &transposed(v, n, n), m, n, n).iter().map(|&x| T::of(x)).collect();
    let mut handle = vec![T::nan(); m * n + n * n + n];
    T::svd(&a, m, n, false, &mut handle, w).unwrap();
    let (u, rest) = handle.split_at(m * n);
    let (v, found) = rest.split_at(n * n);
    let what = format!("{} {m} x {n}, {what}", T::NAME);
    let (unit, top) = (T::EPS.f64() * 60.0, s.iter().fold(0.0, |a: f64, b| a.max(*b)));
    assert!(defect(u, m, n) < unit, "{what}: U is off by {:e}", defect(u, m, n));
    assert!(defect(v, n, n) < unit, "{what}: V is off by {:e}", defect(v, n, n));
    let mut us = wide(u);
    us.chunks_exact_mut(m).zip(found).for_each(|(column, s)| column.iter_mut().for_each(|x| *x *= s.f64()));
    let back = times(&us, &transposed(&wide(v), n, n), m, n, n);
    assert!(gap(&back, &a) <= unit * top, "{what}: A is off by {:e}", gap(&back, &a));
    let mut sorted = s.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    for (found, s) in found.iter().zip(&sorted) {
        assert!((found.f64() - s).abs() <= unit * top, "{what}: {:e} is {s:e}", found.f64());
    }
    assert!(found.windows(2).all(|s| s[0] >= s[1]), "{what}: not in order");
}

/// The tall ones are more than 11/6 times as tall as wide, where faer by default loses small singular values.
const SIZES: [(usize, usize); 9] =
    [(5, 5), (9, 8), (70, 2), (16, 16), (300, 3), (31, 20), (48, 48), (90, 64), (130, 130)];

/// Matrices that are left to faer: steeply graded ones, of which it left single vectors longer than others, and one of
/// rank one, whose values came in no order.
#[test]
fn vectors_of_graded_matrices_have_length_one_and_values_descend() {
    let (m, n) = (194, 129);
    let graded = |seed: u64| -> Vec<f64> {
        let size = |i: usize, n: usize| 10f64.powf(140.0 * i as f64 / (n - 1) as f64 - 70.0);
        let a = random::<f64>(&mut rng(seed), m * n);
        a.iter().enumerate().map(|(k, x)| x * size(k % m, m) * size(k / m, n)).collect()
    };
    for a in (0..12).map(graded).chain([vec![1.0; m * n], vec![1.0; n * n]]) {
        let m = a.len() / n;
        let mut handle = vec![f64::NAN; m * n + n * n + n];
        f64::svd(&a, m, n, false, &mut handle, &mut Workspace::default()).unwrap();
        let (u, rest) = handle.split_at(m * n);
        let (v, s) = rest.split_at(n * n);
        for (x, rows) in [(u, m), (v, n)] {
            assert!(defect(x, rows, n) < 300.0 * f64::EPSILON, "{:.1e}", defect(x, rows, n));
        }
        assert!(s.windows(2).all(|s| s[0] >= s[1]), "{s:?}");
    }
}

#[test]
fn every_condition() {
    let mut rng = rng(31);
    for (m, n) in SIZES {
        for condition in [1.0, 2.0, 1e2, 1e4, 1.9e5, 2.4e5, 1e7, 1e12] {
            let s: Vec<f64> = (0..n).map(|j| f64::powf(condition, -(j as f64) / (n - 1) as f64)).collect();
            case::<f64>(&mut rng, m, n, &s, &format!("condition {condition:e}"));
            case::<f32>(&mut rng, m, n, &s, &format!("condition {condition:e}"));
            // One small value alone, and one large.
            let alone = |k: usize, x: f64| (0..n).map(|j| if j == k { x } else { 1.0 }).collect::<Vec<f64>>();
            case::<f64>(&mut rng, m, n, &alone(n - 1, 1.0 / condition), &format!("one small, {condition:e}"));
            case::<f64>(&mut rng, m, n, &alone(0, condition), &format!("one large, {condition:e}"));
        }
    }
}

#[test]
fn ties_and_near_ties_at_both_ends() {
    let mut rng = rng(32);
    for (m, n) in SIZES {
        for gap in [0.0, 1e-15, 1e-13, 1e-11, 1e-9, 1e-7, 1e-5] {
            for small in [1e-1, 1e-3, 1e-5] {
                // Two groups, of which each member is a little off its neighbour.
                let s: Vec<f64> =
                    (0..n).map(|j| if j % 2 == 0 { 1.0 } else { small } * (1.0 + gap * (j / 2) as f64)).collect();
                case::<f64>(&mut rng, m, n, &s, &format!("gap {gap:e}, groups at 1 and {small:e}"));
                case::<f32>(&mut rng, m, n, &s, &format!("gap {gap:e}, groups at 1 and {small:e}"));
            }
        }
        case::<f64>(&mut rng, m, n, &vec![0.0; n], "zero");
    }
}

/// Columns of the identity in some order, some with the other sign, and one workspace for all sizes: what is left in it
/// by a large matrix must not matter to a small one.
#[test]
fn axis_aligned_matrices() {
    let (mut double, mut single) = (Workspace::default(), Workspace::default());
    for (m, n) in SIZES.into_iter().rev() {
        let axes = |m: usize, step: usize| -> Vec<f64> {
            let at = |j: usize| (if j % 3 == 1 { -1.0 } else { 1.0 }, (j * step) % m.max(1));
            let mut q = vec![0.0; m * n];
            (0..n).for_each(|j| q[at(j).1 + j * m] = at(j).0);
            q
        };
        for s in [
            vec![1.0; n],
            (0..n).map(|j| 1.0 + (j / 2) as f64).collect(),
            (0..n).map(|j| 0.5f64.powi(j as i32 % 9)).collect(),
        ] {
            for (u, v) in [(axes(m, 1), axes(n, 1)), (axes(m, 1), axes(n, n - 1))] {
                product::<f64>(u.clone(), &v, m, n, &s, &mut double, "axes");
                product::<f32>(u, &v, m, n, &s, &mut single, "axes");
            }
        }
    }
}
