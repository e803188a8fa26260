//! Logarithms of general matrices and their derivatives: exponentials of them, matrices near the identity, block
//! matrices as a second way to every derivative, scales, verdicts.

mod common;
use common::*;
use pullback_kernels::list::*;
use pullback_kernels::{Failure, Workspace};

fn log<T: Kernels>(a: &[T], n: usize) -> Result<(Vec<T>, Vec<T>), Failure> {
    let (mut l, mut handle) = (vec![T::nan(); n * n], vec![T::nan(); n * (2 * n + 1)]);
    T::logm(a, n, &mut l, &mut handle, &mut Workspace::default())?;
    Ok((l, handle))
}

fn along<T: Kernels>(handle: &[T], n: usize, es: &[&[T]]) -> Vec<T> {
    let mut out = vec![T::nan(); n * n];
    T::logm_along(handle, n, es, &mut out, &mut Workspace::default()).unwrap();
    out
}

fn size(a: &[f64]) -> f64 {
    a.iter().fold(0.0, |m, x| m.max(x.abs()))
}

fn scaled(a: &[f64], by: f64) -> Vec<f64> {
    a.iter().map(|x| x * by).collect()
}

/// The exponential by a series of 20 terms and squarings.
fn exp(a: &[f64], n: usize) -> Vec<f64> {
    let norm = a.chunks(n.max(1)).map(|c| c.iter().map(|x| x.abs()).sum()).fold(1.0, f64::max);
    let squarings = norm.log2().ceil() as i32;
    let x = scaled(a, 0.5f64.powi(squarings));
    let (mut sum, mut term) = (eye(n), eye(n));
    for k in 1..=20 {
        term = scaled(&times(&term, &x, n, n, n), 1.0 / f64::from(k));
        sum.iter_mut().zip(&term).for_each(|(s, t)| *s += t);
    }
    (0..squarings).fold(sum, |y, _| times(&y, &y, n, n, n))
}

/// A random matrix of norm about `spread` and a multiple of the identity: a cloud of eigenvalues about `shift`.
fn cloud<T: Kernels>(rng: &mut Rng, n: usize, shift: f64, spread: f64) -> Vec<T> {
    let mut a = random::<f64>(rng, n * n);
    a.iter_mut().for_each(|x| *x *= spread / (n as f64).sqrt());
    (0..n).for_each(|i| a[i + i * n] += shift);
    a.iter().map(|&x| T::of(x)).collect()
}

fn exponentials_come_back<T: Kernels>(orders: &[usize]) {
    let mut rng = rng(71);
    for &n in orders {
        for (shift, spread) in [(2.0, 1.0), (1.0, 0.8), (30.0, 10.0), (0.01, 0.008), (1.0, 0.01)] {
            let a = cloud::<T>(&mut rng, n, shift, spread);
            let (l, _) = log(&a, n).unwrap();
            let d = gap(&exp(&wide(&l), n), &a);
            let tol = 60.0 * (1.0 + n as f64).sqrt() * T::EPS.f64() * size(&wide(&a));
            assert!(d <= tol, "{n}, {shift} ± {spread}: {d:.1e} > {tol:.1e}");
        }
    }
}

#[test]
fn the_exponential_of_the_logarithm_is_the_matrix() {
    exponentials_come_back::<f64>(&[0, 1, 2, 3, 4, 5, 8, 13, 24, 25, 40, 70, 110]);
    exponentials_come_back::<f32>(&[1, 2, 3, 5, 8, 24, 30]);
}

#[test]
fn near_the_identity_digits_are_those_of_the_distance() {
    let mut rng = rng(72);
    for n in [1, 2, 3, 6, 30] {
        for distance in [1e-3, 1e-6, 1e-9, 1e-13] {
            // A matrix whose distance from the identity is exact.
            let x: Vec<f64> = random::<f64>(&mut rng, n * n).iter().map(|x| (1.0 + x * distance) - 1.0).collect();
            let a: Vec<f64> = x.iter().zip(eye(n)).map(|(x, e)| x + e).collect();
            let (l, handle) = log(&a, n).unwrap();
            let (mut series, mut power) = (vec![0.0; n * n], eye(n));
            for k in 1..=12 {
                power = times(&power, &x, n, n, n);
                let c = if k % 2 == 1 { 1.0 } else { -1.0 } / f64::from(k);
                series.iter_mut().zip(&power).for_each(|(s, p)| *s += c * p);
            }
            let d = gap(&l, &series);
            assert!(d <= 40.0 * f64::EPSILON * size(&series), "{n}, {distance}: {d:.1e} of {:.1e}", size(&series));
            // D log(I + X)[E] = E - (E X + X E) / 2 + ...
            if distance <= 1e-6 {
                let e = random::<f64>(&mut rng, n * n);
                let (ex, xe) = (times(&e, &x, n, n, n), times(&x, &e, n, n, n));
                let first: Vec<f64> = (0..n * n).map(|i| e[i] - 0.5 * (ex[i] + xe[i])).collect();
                let d = gap(&along(&handle, n, &[&e]), &first);
                assert!(
                    d <= 10.0 * f64::EPSILON * (3.0 + n as f64) + (n as f64 * distance).powi(2),
                    "{n}, {distance}: {d:.1e}"
                );
            }
        }
    }
}

/// The block matrix whose logarithm has `D^k log(A)[E_1, .., E_k]` in its corner: for each symbol `[M, E; 0, M]`.
fn blocks(a: &[f64], n: usize, es: &[&[f64]]) -> (Vec<f64>, usize) {
    let sets = 1 << es.len();
    let order = sets * n;
    let mut m = vec![0.0; order * order];
    let mut put = |p: usize, q: usize, x: &[f64]| {
        for j in 0..n {
            for i in 0..n {
                m[p * n + i + (q * n + j) * order] = x[i + j * n];
            }
        }
    };
    for p in 0..sets {
        put(p, p, a);
        for (i, e) in es.iter().enumerate().filter(|(i, _)| p >> i & 1 == 0) {
            put(p, p | 1 << i, e);
        }
    }
    (m, order)
}

#[test]
fn derivatives_of_every_order_are_corners_of_logarithms_of_block_matrices() {
    let mut rng = rng(73);
    for n in [1, 2, 3, 5] {
        for (shift, spread) in [(2.0, 1.0), (1.0, 0.9), (1.0, 0.02), (40.0, 30.0), (0.05, 0.03)] {
            let a = cloud::<f64>(&mut rng, n, shift, spread);
            let es: Vec<Vec<f64>> = (0..4).map(|_| random(&mut rng, n * n)).collect();
            let es: Vec<&[f64]> = es.iter().map(Vec::as_slice).collect();
            let (_, handle) = log(&a, n).unwrap();
            for k in 1..=4 {
                // Directions of the size of the matrix's smallest eigenvalue, so that blocks are alike.
                let small: Vec<Vec<f64>> = es[..k].iter().map(|e| scaled(e, 0.2 * shift)).collect();
                let small: Vec<&[f64]> = small.iter().map(Vec::as_slice).collect();
                let (m, order) = blocks(&a, n, &small);
                let (l, _) = log(&m, order).unwrap();
                let corner: Vec<f64> = (0..n * n).map(|p| l[p % n + (order - n + p / n) * order]).collect();
                let found = along(&handle, n, &small);
                let (d, whole) = (gap(&found, &corner), size(&corner).max(size(&l)));
                assert!(d <= 2e-13 * whole, "{n}, {shift} ± {spread}, order {k}: {d:.1e} of {whole:.1e}");
                // In any order of the directions.
                let turned: Vec<&[f64]> = small.iter().rev().copied().collect();
                assert!(gap(&along(&handle, n, &turned), &found) <= 1e-14 * (1.0 + size(&found)));
            }
        }
    }
}

#[test]
fn along_the_matrix_itself_derivatives_are_those_of_a_number() {
    let mut rng = rng(74);
    for n in [1, 2, 4, 9, 40, 70] {
        for scale in [1.0, 1e-150, 1e150] {
            let a = scaled(&cloud::<f64>(&mut rng, n, 1.5, 1.0), scale);
            let (_, handle) = log(&a, n).unwrap();
            for (k, factor) in [1.0, -1.0, 2.0, -6.0].into_iter().enumerate() {
                let es = vec![a.as_slice(); k + 1];
                let d = gap(&along(&handle, n, &es), &scaled(&eye(n), factor));
                let tol = 3e-14 * f64::from(1 << (2 * k)) * (1.0 + n as f64).sqrt();
                assert!(d <= tol, "{n}, {scale:e}, order {}: {d:.1e} > {tol:.1e}", k + 1);
            }
        }
    }
    // In single precision, too.
    let a = cloud::<f32>(&mut rng, 5, 1.5, 1.0);
    let (_, handle) = log(&a, 5).unwrap();
    for (k, factor) in [1.0, -1.0, 2.0, -6.0].into_iter().enumerate() {
        let d = gap(&along(&handle, 5, &vec![a.as_slice(); k + 1]), &scaled(&eye(5), factor));
        assert!(d <= 2e-5 * f64::from(1 << (2 * k)), "order {}: {d:.1e}", k + 1);
    }
}

#[test]
fn defective_and_rotated_matrices_have_their_logarithm() {
    // A Jordan block: log 4 on the diagonal, then 1/4, -1/32, 1/192.
    let mut a = vec![0.0; 16];
    (0..4).for_each(|i| a[5 * i] = 4.0);
    (0..3).for_each(|i| a[i + 4 * (i + 1)] = 1.0);
    let (l, _) = log(&a, 4).unwrap();
    for (k, x) in [4f64.ln(), 0.25, -1.0 / 32.0, 1.0 / 192.0].into_iter().enumerate() {
        (0..4 - k)
            .for_each(|i| assert!((l[i + 4 * (i + k)] - x).abs() <= 4.0 * f64::EPSILON, "{k}: {}", l[i + 4 * (i + k)]));
    }
    for angle in [1e-300, 1e-9, 0.5, 2.0, 3.0, std::f64::consts::PI - 1e-5] {
        let (s, c) = f64::sin_cos(angle);
        let (l, _) = log(&[c, s, -s, c], 2).unwrap();
        // The cosine is rounded, and so the modulus, whose logarithm is on the diagonal.
        assert!(l[0].abs() <= f64::EPSILON && l[3] == l[0] && l[2] == -l[1], "{angle}: {l:?}");
        assert!((l[1] - angle).abs() <= 4.0 * f64::EPSILON * angle, "{angle}: {l:?}");
    }
    // Far from normal: log [1 x; 0 2] = [0, x ln 2; 0, ln 2].
    for x in [1e3, 1e8, 1e15, 1e100] {
        let (l, _) = log(&[1.0, 0.0, x, 2.0], 2).unwrap();
        let two = 2f64.ln();
        assert!(
            (l[2] - x * two).abs() <= 1e-13 * x && (l[3] - two).abs() <= 1e-15 && l[0].abs() <= 1e-15,
            "{x}: {l:?}"
        );
    }
}

#[test]
fn scales_do_not_matter() {
    let mut rng = rng(75);
    let a = cloud::<f64>(&mut rng, 4, 2.0, 1.0);
    let (l, _) = log(&a, 4).unwrap();
    for exponent in [-1000, -300, -20, 20, 300, 1000] {
        let (scaled, _) = log(&scaled(&a, 2f64.powi(exponent)), 4).unwrap();
        let shift = f64::from(exponent) * 2f64.ln();
        let back: Vec<f64> = (0..16).map(|p| scaled[p] - if p % 5 == 0 { shift } else { 0.0 }).collect();
        assert!(gap(&back, &l) <= 1e-14 + 8.0 * f64::EPSILON * shift.abs(), "{exponent}: {:.1e}", gap(&back, &l));
    }
}

#[test]
fn what_has_no_logarithm_says_why() {
    let verdict = |a: &[f64], n: usize| log(a, n).map(|_| ()).unwrap_err();
    let singular = |a: &[f64], n| matches!(verdict(a, n), Failure::Singular { .. });
    let cut = |a: &[f64], n| matches!(verdict(a, n), Failure::NoPrincipalValue { .. });
    assert!(singular(&[0.0], 1) && singular(&[0.0; 9], 3));
    assert!(singular(&[1.0, 2.0, 2.0, 4.0], 2) && singular(&[0.0, 0.0, 1.0, 0.0], 2));
    // A defective eigenvalue zero in a basis that hides it: Q [0 1 0; 0 0 1; 0 0 0] Q^T.
    let (q, nil) = ([2.0, 1.0, 2.0, -2.0, 2.0, 1.0, 1.0, 2.0, -2.0], [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    let hidden = times(&times(&q, &nil, 3, 3, 3), &transposed(&q, 3, 3), 3, 3, 3);
    assert!(singular(&hidden, 3), "{:?}", verdict(&hidden, 3));
    // Singular and negative at once: singular first.
    assert!(singular(&[-1.0, 0.0, 0.0, 0.0], 2));
    assert!(cut(&[-1.0], 1) && cut(&[-1.0, 0.0, 0.0, -1.0], 2) && cut(&[1.0, 2.0, 2.0, 1.0], 2));
    assert!(cut(&[-1e200, 0.0, 1.0, 3e200], 2));
    assert!(matches!(verdict(&[1.0, f64::NAN, 0.0, 1.0], 2), Failure::NonFinite { index: 1, .. }));
    // Small, but exactly there.
    let (l, _) = log(&[1.0, 0.0, 0.0, 1e-20], 2).unwrap();
    assert!((l[3] - 1e-20f64.ln()).abs() <= 1e-14);

    let (_, handle) = log(&[2.0, 1.0, 0.0, 3.0], 2).unwrap();
    let (e, bad) = ([1.0; 4], [0.0, 0.0, f64::INFINITY, 0.0]);
    let mut out = [0.0; 4];
    let mut tried = |es: &[&[f64]]| f64::logm_along(&handle, 2, es, &mut out, &mut Workspace::default()).unwrap_err();
    assert!(matches!(tried(&[&e, &bad]), Failure::NonFinite { index: 2, .. }));
    assert!(matches!(tried(&[e.as_slice(); 5]), Failure::Unsupported { .. }));
}
