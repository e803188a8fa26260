//! Single precision at its own limits: scales of 1e30 and 1e-30, whose squares are out of range, and accuracy where
//! values nearly tie.

mod common;
use common::*;
use pullback_kernels::list::*;
use pullback_kernels::{SymFn, Workspace};

/// Powers of two near 1e30 and 1e-30: scaling by them is exact.
const SCALES: [f32; 2] = [1.2676506e30, 7.888609e-31];

fn scaled(a: &[f32], c: f32) -> Vec<f32> {
    a.iter().map(|x| x * c).collect()
}

/// Equal to `ulps` units in the last place of the largest entry.
#[track_caller]
fn near(a: &[f32], b: &[f32], ulps: f64) {
    let size = b.iter().fold(0.0f64, |s, x| s.max(f64::from(x.abs())));
    assert!(gap(a, b) <= ulps * f64::from(f32::EPSILON) * size, "{a:?}\n{b:?}");
}

#[test]
fn qr_has_the_same_factor_at_any_scale() {
    let (mut rng, mut w) = (rng(1), Workspace::default());
    for (m, n) in [(3, 2), (5, 5), (9, 4), (60, 20)] {
        let a = random::<f32>(&mut rng, m * n);
        let [mut q, mut r, mut q1, mut r1] = [m * n, n * n, m * n, n * n].map(|k| vec![0.0f32; k]);
        f32::qr_thin(&a, m, n, &mut q, &mut r, &mut w).unwrap();
        for c in SCALES {
            f32::qr_thin(&scaled(&a, c), m, n, &mut q1, &mut r1, &mut w).unwrap();
            near(&q1, &q, 8.0 * n as f64);
            near(&scaled(&r1, 1.0 / c), &r, 8.0 * n as f64);
            // One column alone.
            let mut b = a.clone();
            b[..m].iter_mut().for_each(|x| *x *= c);
            f32::qr_thin(&b, m, n, &mut q1, &mut r1, &mut w).unwrap();
            near(&q1, &q, 8.0 * n as f64);
        }
    }
}

#[test]
fn numbers_below_the_smallest_normal_one_have_a_factor_too() {
    let mut w = Workspace::default();
    let a = [3.0f32, 1.0, -2.0, 1.0, 4.0, 2.0];
    let [mut q, mut r, mut q1, mut r1] = [6, 4, 6, 4].map(|k| vec![0.0f32; k]);
    f32::qr_thin(&a, 3, 2, &mut q, &mut r, &mut w).unwrap();
    // Whole numbers of the smallest units, so that nothing is lost on the way in.
    for exponent in [-130, -140, -148] {
        let tiny = scaled(&scaled(&a, 2f32.powi(-74)), 2f32.powi(exponent + 74));
        f32::qr_thin(&tiny, 3, 2, &mut q1, &mut r1, &mut w).unwrap();
        near(&q1, &q, 8.0);
    }
}

#[test]
fn decompositions_are_those_of_the_scaled_matrix() {
    let (mut rng, mut w) = (rng(2), Workspace::default());
    for n in [2, 3, 5, 12, 30] {
        let (s, a) = (spd::<f32>(&mut rng, n), random::<f32>(&mut rng, n * n));
        let mut h = [vec![0.0f32; n * (n + 1)], vec![0.0f32; n * (n + 1)]];
        let mut svd = [vec![0.0f32; 2 * n * n + n], vec![0.0f32; 2 * n * n + n]];
        let mut polar = [vec![0.0f32; n * n], vec![0.0f32; n * n]];
        let (mut hf, mut handle) = (vec![0.0f32; n * n], vec![0.0f32; n * (n + 1)]);
        f32::eigh(&s, n, &mut h[0], &mut w).unwrap();
        f32::svd(&a, n, n, false, &mut svd[0], &mut w).unwrap();
        f32::polar(&a, n, n, &mut polar[0], &mut hf, &mut handle, &mut w).unwrap();
        for c in SCALES {
            f32::eigh(&scaled(&s, c), n, &mut h[1], &mut w).unwrap();
            near(&scaled(&h[1][n * n..], 1.0 / c), &h[0][n * n..], 16.0 * n as f64);
            f32::svd(&scaled(&a, c), n, n, false, &mut svd[1], &mut w).unwrap();
            near(&scaled(&svd[1][2 * n * n..], 1.0 / c), &svd[0][2 * n * n..], 16.0 * n as f64);
            f32::polar(&scaled(&a, c), n, n, &mut polar[1], &mut hf, &mut handle, &mut w).unwrap();
            near(&polar[1], &polar[0], 400.0 * n as f64);
        }
    }
}

#[test]
fn derivatives_of_homogeneous_functions_do_not_leave_the_range_on_the_way() {
    // D^k f(c A)[c E, ..] = c^p D^k f(A)[E, ..], although the k-th divided difference alone is c^(p - k) times as
    // large.
    let (mut rng, mut w) = (rng(3), Workspace::default());
    let n = 3;
    let (a, e) = (spd::<f32>(&mut rng, n), random::<f32>(&mut rng, n * n));
    for (f, p) in [(SymFn::RECIP, -1), (SymFn::SQRT, 0), (SymFn::Pow(2.0), 2)] {
        for (exponent, c) in [(-40, 2f32.powi(-40)), (40, 2f32.powi(40))] {
            // sqrt(c) is a power of two.
            let grows = if f == SymFn::SQRT { 2f32.powi(exponent / 2) } else { c.powi(p) };
            for order in 0..=3 {
                let mut out = [vec![0.0f32; n * n], vec![0.0f32; n * n]];
                for (c, out) in [1.0, c].into_iter().zip(&mut out) {
                    let (a, e) = (scaled(&a, c), scaled(&e, c));
                    let mut handle = vec![0.0f32; n * (n + 1)];
                    f32::eigh(&a, n, &mut handle, &mut w).unwrap();
                    let es: Vec<&[f32]> = (0..order).map(|_| &*e).collect();
                    f32::spectral(f, &handle, n, &es, out, &mut w).unwrap();
                }
                near(&scaled(&out[1], 1.0 / grows), &out[0], 200.0);
            }
        }
    }
}

/// `D² f(diag x)[E, E]`, entry by entry from divided differences in doubles:
/// `C_ik = 2 sum_j f[x_i, x_j, x_k] E_ij E_jk`.
fn second_derivative<T: Kernels>(f: SymFn, x: &[f64], e: &[f64], limit: f64) {
    let (n, mut w) = (x.len(), Workspace::default());
    let mut handle = vec![T::zero(); n * (n + 1)];
    for i in 0..n {
        handle[i + i * n] = T::one();
        handle[n * n + i] = T::of(x[i]);
    }
    let (x, e): (Vec<T>, Vec<T>) = (x.iter().map(|x| T::of(*x)).collect(), e.iter().map(|x| T::of(*x)).collect());
    let mut out = vec![T::zero(); n * n];
    T::spectral(f, &handle, n, &[&e, &e], &mut out, &mut w).unwrap();
    for i in 0..n {
        for k in 0..n {
            let term =
                |j: usize| f.divided(&[x[i].f64(), x[j].f64(), x[k].f64()]) * e[i + j * n].f64() * e[j + k * n].f64();
            let (expected, size) =
                (2.0 * (0..n).map(term).sum::<f64>(), 2.0 * (0..n).map(|j| term(j).abs()).sum::<f64>());
            let error = (out[i + k * n].f64() - expected).abs() / (size * T::EPS.f64());
            assert!(error <= limit, "{f:?} at {x:?}, entry ({i}, {k}): {error} units");
        }
    }
}

#[test]
fn second_derivatives_keep_their_digits_where_values_are_close() {
    let e = [1.0, -0.5, 0.25, -0.5, 2.0, 0.75, 0.25, 0.75, -1.0];
    for f in [SymFn::Exp, SymFn::Ln, SymFn::Pow(0.3), SymFn::RECIP, SymFn::XLogX] {
        for gap in [0.3, 0.1, 0.05, 0.03, 0.01, 1e-3, 1e-4, 1e-6, 0.0] {
            let x = [1.0, 1.0 + gap, 1.0 + 2.5 * gap];
            // In f32 everything is formed in doubles. In f64 one subtraction of first differences is allowed for values
            // that are apart.
            second_derivative::<f32>(f, &x, &e, 4.0);
            second_derivative::<f64>(f, &x, &e, 400.0);
        }
    }
}

#[test]
fn reflections_of_vectors_whose_squares_underflow_stay_orthogonal() {
    let mut w = Workspace::default();
    for n in [4, 6, 10] {
        let mut a = vec![0.0f32; n * n];
        for j in 0..n {
            for i in 0..n {
                a[i + j * n] = if i == j { (i + 1) as f32 } else { 1e-21 * (1 + (i * j) % 3) as f32 };
            }
        }
        let mut handle = vec![0.0f32; n * (n + 1)];
        f32::eigh(&a, n, &mut handle, &mut w).unwrap();
        let defect = defect(&handle[..n * n], n, n);
        assert!(defect <= 16.0 * f64::from(f32::EPSILON), "order {n}: {defect:e}");
    }
}

/// The identity and `c` beside the diagonal, in the first two rows and columns.
fn nearly_tied<T: Kernels>(n: usize, c: f64) -> Vec<T> {
    let mut a: Vec<T> = eye(n).into_iter().map(T::of).collect();
    (a[1], a[n]) = (T::of(c), T::of(c));
    a
}

fn near_ties<T: Kernels>() {
    let mut w = Workspace::default();
    // The eigenvalues are 1 - c, 1, .., 1, 1 + c, however small c is.
    for n in [2, 3, 4, 7] {
        for units in [4.0, 16.0, 30.0, 60.0, 100.0] {
            let c = units * T::EPS.f64();
            let mut handle = vec![T::zero(); n * (n + 1)];
            T::eigh(&nearly_tied::<T>(n, c), n, &mut handle, &mut w).unwrap();
            let values = wide(&handle[n * n..]);
            for (seen, expected) in [(values[0], 1.0 - c), (values[n - 1], 1.0 + c)] {
                let error = (seen - expected).abs() / T::EPS.f64();
                assert!(error <= 2.5, "order {n}, {units} units apart: off by {error} units");
            }
        }
    }
    // The polar factor of I + c e_1 e_2' is a rotation by c/2, to first order.
    for n in [2, 3, 4] {
        for units in [8.0, 40.0, 200.0] {
            let c = units * T::EPS.f64();
            let mut a: Vec<T> = eye(n).into_iter().map(T::of).collect();
            a[n] = T::of(c);
            let [mut wf, mut h, mut handle] = [n * n, n * n, n * (n + 1)].map(|k| vec![T::zero(); k]);
            T::polar(&a, n, n, &mut wf, &mut h, &mut handle, &mut w).unwrap();
            for (seen, expected) in [(wf[n], 0.5 * c), (wf[1], -0.5 * c)] {
                let error = (seen.f64() - expected).abs() / T::EPS.f64();
                assert!(error <= 3.0, "order {n}, {units} units: off by {error} units");
            }
        }
    }
}

#[test]
fn values_that_nearly_tie_are_told_apart_to_rounding() {
    near_ties::<f32>();
    near_ties::<f64>();
}
