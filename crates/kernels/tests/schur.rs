//! The real Schur form and the order of its eigenvalues: residual, orthogonality and standard form over kinds, sizes
//! and scales of matrices, eigenvalues against faer's, and verdicts.

mod common;
use common::*;
use pullback_kernels::list::*;
use pullback_kernels::{Failure, Workspace, tolerances};

/// Every order up to 20, and some on both sides of the crossovers.
fn sizes() -> impl Iterator<Item = usize> {
    (0..=20).chain([31, 33, 50, 96, 97, 100])
}

/// Matrices that are hard for the iteration, each in its own way; entries are about one.
fn zoo(rng: &mut Rng, n: usize) -> Vec<(&'static str, Vec<f64>)> {
    let fill =
        |f: &dyn Fn(usize, usize) -> f64| (0..n * n).map(|p| f(p % n.max(1), p / n.max(1))).collect::<Vec<f64>>();
    let one = |b: bool| f64::from(u8::from(b));
    let r = random::<f64>(rng, n * n);
    let at = |i: usize, j: usize| r[i + j * n];
    let shift = fill(&|i, j| one(i == (j + 1) % n));
    let skew = fill(&|i, j| at(i, j) - at(j, i));
    let turned = |middle: &[f64], rng: &mut Rng| {
        let q = orthogonal(rng, n);
        times(&times(&q, middle, n, n, n), &transposed(&q, n, n), n, n, n)
    };
    let jordan = fill(&|i, j| if i == j { 0.5 } else { one(j == i + 1) });
    let nearly = fill(&|i, j| if i == j { 0.5 + 1e-9 * i as f64 } else { one(j == i + 1) });
    let ties = fill(&|i, j| if i == j { (i / 3) as f64 } else { 0.0 });
    vec![
        ("random", r.clone()),
        ("companion", fill(&|i, j| if i == 0 { at(0, j) } else { one(i == j + 1) })),
        ("companion, constants 1", fill(&|i, j| if i == 0 { 1.0 } else { one(i == j + 1) })),
        ("jordan", jordan.clone()),
        ("jordan, lower", transposed(&jordan, n, n)),
        ("jordan at zero, lower", fill(&|i, j| one(i == j + 1))),
        ("jordan, turned", turned(&jordan, rng)),
        ("nearly defective", turned(&nearly, rng)),
        ("ties", turned(&ties, rng)),
        ("symmetric", fill(&|i, j| at(i, j) + at(j, i))),
        ("skew", skew.clone()),
        ("normal", fill(&|i, j| skew[i + j * n] + one(i == j))),
        ("orthogonal", orthogonal(rng, n)),
        ("graded", fill(&|i, j| at(i, j) * 10f64.powf(-0.3 * (i + j) as f64))),
        ("graded, upward", fill(&|i, j| at(i, j) * 10f64.powf(0.3 * (i + j) as f64 - 0.6 * n as f64))),
        ("upper triangular", fill(&|i, j| if i <= j { at(i, j) } else { 0.0 })),
        ("lower triangular", fill(&|i, j| if i >= j { at(i, j) } else { 0.0 })),
        ("identity", eye(n)),
        ("zero", vec![0.0; n * n]),
        ("ones", vec![1.0; n * n]),
        ("cyclic", shift.clone()),
        ("cyclic, backward", transposed(&shift, n, n)),
        ("two cycles", fill(&|i, j| one(if j < n / 2 { i == (j + 1) % (n / 2) } else { i == j }))),
        ("rank one", fill(&|i, j| at(i, 0) * at(j, n - 1))),
        ("integers", r.iter().map(|x| (3.0 * x).round()).collect()),
        ("tiny subdiagonals", fill(&|i, j| if i <= j { at(i, j) } else { one(i == j + 1) * 1e-170 })),
    ]
}

fn orthogonal(rng: &mut Rng, n: usize) -> Vec<f64> {
    let (mut q, mut r) = (vec![0.0; n * n], vec![0.0; n * n]);
    f64::qr_thin(&random::<f64>(rng, n * n), n, n, &mut q, &mut r, &mut Workspace::default()).unwrap();
    q
}

fn largest<T: Kernels>(a: &[T]) -> f64 {
    a.iter().fold(0.0, |m, x| m.max(x.f64().abs()))
}

/// Is `T` quasi-triangular with standardised blocks? Returns the blocks' first rows.
fn blocks<T: Kernels>(t: &[T], n: usize, name: &str) -> Vec<usize> {
    let (mut j, mut at) = (0, Vec::new());
    while j < n {
        at.push(j);
        let pair = j + 1 < n && t[j + 1 + j * n] != T::zero();
        let size = 1 + usize::from(pair);
        if pair {
            let (b, c) = (t[j + (j + 1) * n], t[j + 1 + j * n]);
            assert_eq!(t[j + j * n], t[j + 1 + (j + 1) * n], "{name} {n}: diagonal of the block at {j}");
            assert!(b != T::zero() && (b < T::zero()) != (c < T::zero()), "{name} {n}: block at {j}");
        }
        for c in j..j + size {
            assert!((j + size..n).all(|r| t[r + c * n] == T::zero()), "{name} {n}: below the block at {j}");
        }
        j += size;
    }
    at
}

/// `A = U T U^T`, to `tol` of the size of `A` (which is compared after division by it).
fn is_schur<T: Kernels>(a: &[T], handle: &[T], n: usize, tol: f64, name: &str) {
    let (u, t) = handle.split_at(n * n);
    blocks(t, n, name);
    assert!(defect(u, n, n) <= tol, "{name} {n}: U, {:.1e} > {tol:.1e}", defect(u, n, n));
    let size = largest(a).max(f64::MIN_POSITIVE);
    let (t, a): (Vec<f64>, Vec<f64>) =
        (t.iter().map(|x| x.f64() / size).collect(), a.iter().map(|x| x.f64() / size).collect());
    let u = wide(u);
    let back = times(&times(&u, &t, n, n, n), &transposed(&u, n, n), n, n, n);
    // The entries of A are at most one now, its norm at most n.
    assert!(gap(&back, &a) <= tol * (n as f64).sqrt(), "{name} {n}: residual {:.1e} > {tol:.1e}", gap(&back, &a));
}

fn schur_of<T: Kernels>(a: &[T], n: usize, w: &mut Workspace<T>, name: &str) -> Vec<T> {
    let mut handle = vec![T::nan(); 2 * n * n];
    T::schur(a, n, &mut handle, w).unwrap_or_else(|e| panic!("{name} {n}: {e}"));
    handle
}

fn all<T: Kernels>(scales: &[f64]) {
    let mut w = Workspace::default();
    let unit = T::EPS.f64() / f64::EPSILON;
    for n in sizes() {
        for (name, a) in zoo(&mut rng(n as u64), n) {
            // One scale will do where the same code runs as at half of the order.
            for scale in if n > 50 { &scales[..1] } else { scales } {
                let a: Vec<T> = a.iter().map(|x| T::of(x * scale)).collect();
                let handle = schur_of(&a, n, &mut w, name);
                is_schur(&a, &handle, n, 1e-14 * unit * (n as f64).max(4.0) / 4.0, name);
            }
        }
    }
}

#[test]
fn every_kind_of_matrix_has_a_schur_form() {
    all::<f64>(&[1.0, 1e-300, 1e-150, 1e150, 1e300]);
    all::<f32>(&[1.0, 1e-30, 1e30]);
}

fn large<T: Kernels>(n: usize) {
    let mut w = Workspace::default();
    for (name, a) in zoo(&mut rng(n as u64), n) {
        let a: Vec<T> = a.iter().map(|&x| T::of(x)).collect();
        let handle = schur_of(&a, n, &mut w, name);
        is_schur(&a, &handle, n, 1e-14 * T::EPS.f64() / f64::EPSILON * n as f64 / 4.0, name);
    }
}

#[test]
fn large_matrices_have_a_schur_form() {
    large::<f64>(150);
    large::<f64>(257);
    large::<f32>(140);
}

#[test]
fn the_longest_chains_of_bulges() {
    let mut w = Workspace::default();
    for n in [330, 600] {
        let a = random::<f64>(&mut rng(n as u64), n * n);
        let handle = schur_of(&a, n, &mut w, "random");
        let (u, t) = handle.split_at(n * n);
        blocks(t, n, "random");
        // The tests' own products would take longer than all the rest; those of the crate have tests of their own.
        let (mut x, mut y) = (vec![0.0; n * n], vec![0.0; n * n]);
        f64::gemm(&mut x, n, n, n, 1.0, u, true, u, false, false);
        assert!(gap(&x, &eye(n)) <= 1e-14 * (n as f64).sqrt(), "{n}: {:.1e}", gap(&x, &eye(n)));
        f64::gemm(&mut x, n, n, n, 1.0, u, false, t, false, false);
        f64::gemm(&mut y, n, n, n, 1.0, &x, false, u, true, false);
        assert!(gap(&y, &a) <= 1e-14 * n as f64, "{n}: {:.1e}", gap(&y, &a));
    }
}

/// The largest distance in a matching of two spectra, each taken its nearest in turn.
fn mismatch(re: &[f64], im: &[f64], other: &[faer::c64]) -> f64 {
    let mut rest = other.to_vec();
    let mut worst = 0.0f64;
    for (x, y) in re.iter().zip(im) {
        let distance = |z: &faer::c64| (z.re - x).hypot(z.im - y);
        let k = (0..rest.len()).min_by(|&a, &b| distance(&rest[a]).total_cmp(&distance(&rest[b]))).unwrap();
        worst = worst.max(distance(&rest.swap_remove(k)));
    }
    worst
}

#[test]
fn eigenvalues_agree_with_faer() {
    let (mut rng, mut w) = (rng(21), Workspace::default());
    for n in [1, 2, 3, 4, 7, 12, 20, 50, 100, 257] {
        for _ in 0..if n < 50 { 10 } else { 1 } {
            let a = random::<f64>(&mut rng, n * n);
            let handle = schur_of(&a, n, &mut w, "random");
            let (mut re, mut im) = (vec![0.0; n], vec![0.0; n]);
            f64::schur_values(&handle, n, &mut re, &mut im);
            let theirs = faer::MatRef::from_column_major_slice(&a, n, n).eigenvalues().unwrap();
            // Random matrices of these orders have eigenvalues of condition up to about a thousand.
            let worst = mismatch(&re, &im, &theirs);
            assert!(worst <= 1e-12 * n as f64, "{n}: {worst:.1e}");
        }
    }
}

#[test]
fn known_spectra_are_found() {
    let mut w = Workspace::default();
    for n in [2, 3, 5, 8, 16, 40, 100, 130] {
        // The eigenvalues of a cyclic permutation are the roots of unity.
        let a: Vec<f64> = (0..n * n).map(|p| f64::from(u8::from(p % n == (p / n + 1) % n))).collect();
        let handle = schur_of(&a, n, &mut w, "cyclic");
        let (mut re, mut im) = (vec![0.0; n], vec![0.0; n]);
        f64::schur_values(&handle, n, &mut re, &mut im);
        let angle = |k: usize| core::f64::consts::TAU * k as f64 / n as f64;
        let roots: Vec<_> = (0..n).map(|k| faer::c64::new(angle(k).cos(), angle(k).sin())).collect();
        let worst = mismatch(&re, &im, &roots);
        assert!(worst <= 1e-14 * n as f64, "{n}: {worst:.1e}");
    }
}

#[test]
fn triangular_matrices_are_left_alone() {
    let mut w = Workspace::default();
    for n in [1, 5, 30, 100] {
        let r = random::<f64>(&mut rng(5), n * n);
        let a: Vec<f64> = (0..n * n).map(|p| if p % n <= p / n { r[p] } else { 0.0 }).collect();
        let handle = schur_of(&a, n, &mut w, "upper triangular");
        assert_eq!(handle[..n * n], eye(n));
        assert_eq!(handle[n * n..], a);
    }
}

#[test]
fn blocks_of_two_become_standard() {
    let mut w = Workspace::default();
    let values = [0.0, 1.0, -1.0, 1e-9, -3e-17, 2.5, 1e-170, 1e160];
    for a in values {
        for b in values {
            for c in values {
                for d in values {
                    let m = [a, c, b, d];
                    let handle = schur_of(&m, 2, &mut w, "2 x 2");
                    is_schur(&m, &handle, 2, 1e-15 * 4.0, "2 x 2");
                }
            }
        }
    }
}

#[test]
fn entries_that_are_not_finite_are_refused() {
    let mut w = Workspace::default();
    for n in [1, 3, 70] {
        for bad in [f64::NAN, f64::INFINITY] {
            let mut a = random::<f64>(&mut rng(6), n * n);
            a[n * n - 1] = bad;
            let verdict = f64::schur(&a, n, &mut vec![0.0; 2 * n * n], &mut w);
            assert!(matches!(verdict, Err(Failure::NonFinite { index, .. }) if index == n * n - 1), "{verdict:?}");
        }
    }
}

/// Matrices of a few small integers, most of them zero, are singular, defective, reducible and cyclic in every
/// combination.
fn sparse<T: Kernels>(rounds: usize) {
    use rand::RngExt;
    let (mut rng, mut w) = (rng(22), Workspace::default());
    let unit = T::EPS.f64() / f64::EPSILON;
    for round in 0..rounds {
        let n = 2 + round % 9;
        let a: Vec<T> = (0..n * n)
            .map(|_| if rng.random_bool(0.35) { T::of(f64::from(rng.random_range(-2..=2))) } else { T::zero() })
            .collect();
        let handle = schur_of(&a, n, &mut w, "sparse integers");
        is_schur(&a, &handle, n, 1e-14 * unit, "sparse integers");
    }
}

#[test]
fn sparse_integer_matrices_have_a_schur_form() {
    sparse::<f64>(20_000);
    sparse::<f32>(20_000);
}

fn reorder_all<T: Kernels>() {
    let mut w = Workspace::default();
    let unit = T::EPS.f64() / f64::EPSILON;
    for n in [1, 2, 3, 4, 5, 8, 13, 20, 40] {
        for (name, a) in zoo(&mut rng(100 + n as u64), n) {
            if !["random", "skew", "orthogonal", "symmetric", "integers", "cyclic", "companion"].contains(&name) {
                continue;
            }
            let a: Vec<T> = a.iter().map(|&x| T::of(x)).collect();
            let mut handle = schur_of(&a, n, &mut w, name);
            let (mut re, mut im) = (vec![T::zero(); n], vec![T::zero(); n]);
            T::schur_values(&handle, n, &mut re, &mut im);
            let chosen: Vec<bool> = re.iter().map(|&x| x < T::zero()).collect();
            let before: Vec<f64> = (0..n).filter(|&j| chosen[j]).map(|j| re[j].f64()).collect();
            let count = match T::schur_reorder(&mut handle, n, &chosen) {
                Ok(k) => k,
                // Ties that rounding has split may be refused, but nothing else may.
                Err(Failure::Exchange { .. }) if name == "integers" => continue,
                Err(e) => panic!("{name} {n}: {e}"),
            };
            is_schur(&a, &handle, n, 3e-14 * unit * (n as f64).max(4.0) / 4.0, name);
            assert_eq!(count, before.len(), "{name} {n}");
            T::schur_values(&handle, n, &mut re, &mut im);
            let tol = 1e-12 * unit * n as f64;
            for (x, y) in re.iter().zip(&before) {
                assert!((x.f64() - y).abs() <= tol, "{name} {n}: {x} {y}");
            }
        }
    }
}

#[test]
fn chosen_eigenvalues_come_to_the_top() {
    reorder_all::<f64>();
    reorder_all::<f32>();
}

#[test]
fn an_unstable_exchange_is_refused() {
    // Two equal pairs, coupled strongly: exchanging them has no stable answer, or none that is not the same again.
    let mut refused = 0;
    for k in 0..40 {
        let e = 10f64.powi(-k);
        let t = [0.0, 1.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0, 2.0, 0.0, 1.0 + e, 3.0, 4.0, -1.0 - e, 0.0];
        let mut w = Workspace::default();
        let mut handle = schur_of(&t, 4, &mut w, "two pairs");
        match f64::schur_reorder(&mut handle, 4, &[false, false, true, true]) {
            Ok(count) => assert_eq!(count, 2),
            Err(Failure::Exchange { residual, .. }) => {
                assert!(residual > 0.0);
                refused += 1;
            }
            Err(e) => panic!("{e}"),
        }
        is_schur(&t, &handle, 4, 1e-14, "two pairs");
    }
    assert!(refused > 0);
}

/// Two equal pairs of imaginary parts one, coupled by less than their own entries differ: an exchange of such leaves a
/// little more than rounding now and then, is refused from the stated residual on, and never below it.
#[test]
fn an_exchange_is_refused_from_its_tolerance_on() {
    let (mut r, mut w) = (rng(5), Workspace::default());
    let (tolerance, mut refused) = (tolerances::swap_residual::<f64>(), 0);
    for _ in 0..100_000 {
        let x = random::<f64>(&mut r, 8);
        let (e, big) = (10f64.powf(-16.0 * x[0].abs()), 10f64.powf(6.0 * x[1]));
        let (c, a) = (big * 10f64.powf(4.0 * x[2]), 0.3 + e * x[5]);
        let coupling = [x[3], x[4], x[6], x[7]].map(|x| big * x);
        let [p, q, s, t] = coupling;
        let t = [0.3, -c, 0.0, 0.0, 1.0 / c, 0.3, 0.0, 0.0, p, q, a, -c * (1.0 + e), s, t, (1.0 + e * x[3]) / c, a];
        let mut handle = schur_of(&t, 4, &mut w, "two pairs");
        match f64::schur_reorder(&mut handle, 4, &[false, false, true, true]) {
            Ok(count) => assert_eq!(count, 2),
            Err(Failure::Exchange { residual, .. }) => {
                assert!(residual > tolerance, "{residual:e} is rounding");
                refused += usize::from(residual < 1e-8);
            }
            Err(e) => panic!("{e}"),
        }
        is_schur(&t, &handle, 4, 1e-14, "two pairs");
    }
    assert!(refused > 5, "{refused} exchanges were refused for what they leave");
}
