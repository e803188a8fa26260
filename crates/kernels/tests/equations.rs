//! Sylvester, Stein and Lyapunov equations and square roots of general matrices: residuals, adjoints, symmetry,
//! verdicts.

mod common;
use common::*;
use pullback_kernels::list::*;
use pullback_kernels::{Failure, Workspace};

fn schur_of<T: Kernels>(a: &[T], n: usize) -> Vec<T> {
    let mut handle = vec![T::nan(); 2 * n * n];
    T::schur(a, n, &mut handle, &mut Workspace::default()).unwrap();
    handle
}

/// A random matrix plus a multiple of the identity.
fn shifted<T: Kernels>(rng: &mut Rng, n: usize, shift: f64) -> Vec<T> {
    let mut a = random::<T>(rng, n * n);
    (0..n).for_each(|i| a[i + i * n] += T::of(shift));
    a
}

fn largest<T: Kernels>(a: &[T]) -> f64 {
    a.iter().fold(0.0, |m, x| m.max(x.f64().abs()))
}

fn op<T: Kernels>(a: &[T], n: usize, transpose: bool) -> Vec<T> {
    if transpose { transposed(a, n, n) } else { a.to_vec() }
}

/// The left-hand side.
fn left<T: Kernels>(stein: bool, a: &[T], m: usize, b: &[T], n: usize, x: &[T]) -> Vec<f64> {
    let (x, b) = (wide(x), wide(b));
    let ax = times(&wide(a), &x, m, m, n);
    let second = if stein { times(&ax, &b, m, n, n) } else { times(&x, &b, m, n, n) };
    let first = if stein { &x } else { &ax };
    let sign = if stein { -1.0 } else { 1.0 };
    first.iter().zip(&second).map(|(x, y)| x + sign * y).collect()
}

fn solve<T: Kernels>(
    stein: bool,
    (ha, m, ta): (&[T], usize, bool),
    (hb, n, tb): (&[T], usize, bool),
    c: &[T],
    w: &mut Workspace<T>,
) -> Result<Vec<T>, Failure> {
    let mut x = vec![T::nan(); m * n];
    if stein {
        T::stein(ha, m, ta, hb, n, tb, c, &mut x, w)?;
    } else {
        T::sylvester(ha, m, ta, hb, n, tb, c, &mut x, w)?;
    }
    Ok(x)
}

fn general<T: Kernels>(shapes: &[(usize, usize)]) {
    let (mut rng, mut w) = (rng(31), Workspace::default());
    for &(m, n) in shapes {
        let (a, b) = (shifted::<T>(&mut rng, m, 0.4), shifted::<T>(&mut rng, n, 0.3));
        let (ha, hb) = (schur_of(&a, m), schur_of(&b, n));
        let c = random::<T>(&mut rng, m * n);
        for (stein, ta, tb) in (0..8).map(|k| (k & 1 > 0, k & 2 > 0, k & 4 > 0)) {
            let x = solve(stein, (&ha, m, ta), (&hb, n, tb), &c, &mut w).unwrap();
            let back = left(stein, &op(&a, m, ta), m, &op(&b, n, tb), n, &x);
            // Backward stable: rounding of the operator (norm about sqrt(m) + sqrt(n)) times the solution.
            let (p, q) = ((m as f64).sqrt(), (n as f64).sqrt());
            let size = if stein { 1.0 + p * q } else { p + q };
            let tol = 60.0 * T::EPS.f64() * (size * largest(&x)).max(1.0);
            assert!(gap(&back, &c) <= tol, "{m} {n} {stein} {ta} {tb}: {:.1e} > {tol:.1e}", gap(&back, &c));
        }
    }
}

#[test]
fn general_equations_are_solved() {
    general::<f64>(&[
        (0, 0),
        (0, 3),
        (3, 0),
        (1, 1),
        (1, 4),
        (2, 1),
        (3, 3),
        (5, 7),
        (12, 9),
        (24, 25),
        (40, 30),
        (33, 70),
    ]);
    general::<f64>(&[(100, 100), (130, 61)]);
    general::<f32>(&[(1, 1), (2, 2), (4, 3), (9, 12), (30, 40)]);
}

#[test]
fn solutions_agree_with_the_kronecker_system() {
    let (mut rng, mut w) = (rng(32), Workspace::default());
    for (m, n) in [(1, 1), (2, 2), (2, 3), (4, 4), (5, 3)] {
        for _ in 0..20 {
            let (a, b) = (random::<f64>(&mut rng, m * m), random::<f64>(&mut rng, n * n));
            let c = random::<f64>(&mut rng, m * n);
            for stein in [false, true] {
                let len = m * n;
                let mut system = vec![0.0; len * len];
                for k in 0..len {
                    let unit: Vec<f64> = (0..len).map(|i| f64::from(u8::from(i == k))).collect();
                    system[k * len..(k + 1) * len].copy_from_slice(&left(stein, &a, m, &b, n, &unit));
                }
                let (mut lu, mut y) = (vec![0.0; len * (len + 1)], c.clone());
                f64::lu(&system, len, &mut lu, &mut w).unwrap();
                f64::lu_solve(&lu, len, false, &mut y, 1, &mut w);
                let x = solve(stein, (&schur_of(&a, m), m, false), (&schur_of(&b, n), n, false), &c, &mut w).unwrap();
                assert!(gap(&x, &y) <= 1e-11 * largest(&y).max(1.0), "{m} {n} {stein}: {:.1e}", gap(&x, &y));
            }
        }
    }
}

#[test]
fn transposed_solves_are_adjoints() {
    let (mut rng, mut w) = (rng(33), Workspace::default());
    for (m, n) in [(3, 4), (20, 31), (60, 50)] {
        let (a, b) = (shifted::<f64>(&mut rng, m, 3.0), shifted::<f64>(&mut rng, n, 3.0));
        let (ha, hb) = (schur_of(&a, m), schur_of(&b, n));
        let (c, g) = (random::<f64>(&mut rng, m * n), random::<f64>(&mut rng, m * n));
        for stein in [false, true] {
            let x = solve(stein, (&ha, m, false), (&hb, n, false), &c, &mut w).unwrap();
            let s = solve(stein, (&ha, m, true), (&hb, n, true), &g, &mut w).unwrap();
            let (p, q) = (f64::dot(&x, &g), f64::dot(&s, &c));
            assert!((p - q).abs() <= 1e-12 * f64::norm(&x) * f64::norm(&g), "{m} {n} {stein}: {p} {q}");
        }
    }
}

fn symmetric<T: Kernels>() {
    let (mut rng, mut w) = (rng(34), Workspace::default());
    for n in [0, 1, 2, 3, 4, 7, 12, 24, 25, 40, 100] {
        let a = shifted::<T>(&mut rng, n, if n > 12 { 2.0 + (n as f64).sqrt() } else { 0.4 });
        let h = schur_of(&a, n);
        let c = random::<T>(&mut rng, n * n);
        let even: Vec<f64> = (0..n * n).map(|p| 0.5 * (c[p].f64() + c[p / n + p % n * n].f64())).collect();
        for (stein, transpose) in [(false, false), (false, true), (true, false), (true, true)] {
            let mut x = vec![T::nan(); n * n];
            if stein {
                T::discrete_lyapunov(&h, n, transpose, &c, &mut x, &mut w).unwrap();
            } else {
                T::lyapunov(&h, n, transpose, &c, &mut x, &mut w).unwrap();
            }
            assert_eq!(x, transposed(&x, n, n), "{n}");
            let back = left(stein, &op(&a, n, transpose), n, &op(&a, n, !transpose), n, &x);
            let size = if stein { 1.0 + n as f64 } else { 2.0 * (n as f64).sqrt() };
            let tol = 60.0 * T::EPS.f64() * (size * largest(&x)).max(1.0);
            assert!(gap(&back, &even) <= tol, "{n} {stein} {transpose}: {:.1e} > {tol:.1e}", gap(&back, &even));
        }
    }
}

#[test]
fn symmetric_equations_keep_symmetry() {
    symmetric::<f64>();
    symmetric::<f32>();
}

#[test]
fn singular_equations_are_refused() {
    let (mut rng, mut w) = (rng(35), Workspace::default());
    for n in [1, 2, 3, 6, 20, 40] {
        // A and B = -A share all eigenvalues up to sign; so do A and its inverse up to inversion.
        let a = shifted::<f64>(&mut rng, n, 2.0);
        let b: Vec<f64> = a.iter().map(|x| -x).collect();
        let mut lu = vec![0.0; n * (n + 1)];
        let mut inverse = vec![0.0; n * n];
        f64::lu(&a, n, &mut lu, &mut w).unwrap();
        f64::lu_inverse(&lu, n, &mut inverse, &mut w);
        let c = random::<f64>(&mut rng, n * n);
        for (stein, b) in [(false, &b), (true, &inverse)] {
            let (ha, hb) = (schur_of(&a, n), schur_of(b, n));
            let verdict = solve(stein, (&ha, n, false), (&hb, n, false), &c, &mut w);
            assert!(matches!(verdict, Err(Failure::Singular { .. })), "{n} {stein}: {verdict:?}");
            let sep = f64::separation(&ha, n, &hb, n, stein, &mut w);
            assert!(sep <= 1e-10, "{n} {stein}: {sep:.1e}");
        }
        // A skew matrix of Lyapunov's equation has opposite eigenvalues.
        let skew: Vec<f64> = (0..n * n).map(|p| a[p] - a[p / n + p % n * n]).collect();
        let verdict = f64::lyapunov(&schur_of(&skew, n), n, false, &c, &mut vec![0.0; n * n], &mut w);
        assert!(matches!(verdict, Err(Failure::Singular { .. })), "{n}: {verdict:?}");
    }
}

#[test]
fn ill_conditioned_equations_are_solved_while_digits_are_left() {
    let mut w = Workspace::default();
    for k in 0..18 {
        let e = 10f64.powi(-k);
        // Turned, so that the spectra are known to rounding only: eigenvalues 1, 2 and -1 + e, 5.
        let (a, b) = ([1.5, 0.5, 0.5, 1.5], [2.0 + 0.5 * e, 3.0 - 0.5 * e, 3.0 - 0.5 * e, 2.0 + 0.5 * e]);
        let c = [1.0, 2.0, 3.0, 5.0];
        match solve(false, (&schur_of(&a, 2), 2, false), (&schur_of(&b, 2), 2, false), &c, &mut w) {
            Ok(x) => {
                let gap = gap(&left(false, &a, 2, &b, 2, &x), &c);
                assert!(k <= 15 && gap <= 1e-14 * largest(&x), "{k}: {gap:.1e}");
            }
            Err(Failure::Singular { .. }) => assert!(k >= 14, "{k}"),
            Err(e) => panic!("{e}"),
        }
    }
}

#[test]
fn defective_equations_without_digits_are_refused() {
    // The pivots are all 2 d, but the separation is that to the power of twice the order.
    let (mut w, n) = (Workspace::default(), 12);
    for (d, fine) in [(1.0, true), (0.01, false)] {
        let a: Vec<f64> =
            (0..n * n).map(|p| if p % n == p / n { d } else { f64::from(u8::from(p % n + 1 == p / n)) }).collect();
        let h = schur_of(&a, n);
        let verdict = solve(false, (&h, n, false), (&h, n, true), &eye(n), &mut w);
        assert_eq!(verdict.is_ok(), fine, "{d}: {verdict:?}");
        let sep = f64::separation(&h, n, &h, n, false, &mut w);
        assert_eq!(sep > 1e-8, fine, "{d}: {sep:.1e}");
    }
}

/// Small sparse integers: singular and defective in every combination, so a verdict is as likely as a solution.
#[test]
fn sparse_integer_equations_are_solved_or_refused() {
    use rand::RngExt;
    let (mut rng, mut w) = (rng(42), Workspace::default());
    let (mut solved, mut refused) = (0, 0);
    for round in 0..3000 {
        let (m, n, stein) = (1 + round % 4, 1 + round / 4 % 3, round % 2 == 0);
        let mut sparse = |len: usize| -> Vec<f64> {
            (0..len).map(|_| if rng.random_bool(0.5) { f64::from(rng.random_range(-2..=2)) } else { 0.0 }).collect()
        };
        let (a, b, zero) = (sparse(m * m), sparse(n * n), vec![0.0; m * n]);
        let c = if round % 3 == 0 { zero } else { sparse(m * n) };
        let len = m * n;
        let mut system = vec![0.0; len * len];
        for k in 0..len {
            let unit: Vec<f64> = (0..len).map(|i| f64::from(u8::from(i == k))).collect();
            system[k * len..(k + 1) * len].copy_from_slice(&left(stein, &a, m, &b, n, &unit));
        }
        let mut svd = vec![0.0; 2 * len * len + len];
        f64::svd(&system, len, len, false, &mut svd, &mut w).unwrap();
        let condition = svd[2 * len * len] / svd[2 * len * len + len - 1];
        match solve(stein, (&schur_of(&a, m), m, false), (&schur_of(&b, n), n, false), &c, &mut w) {
            Ok(x) => {
                solved += 1;
                assert!(condition < 1e6, "{a:?} {b:?} {c:?} {stein}: {condition:.1e}");
                let size = largest(&a) * largest(&b) + largest(&a) + largest(&b) + 1.0;
                let gap = gap(&left(stein, &a, m, &b, n, &x), &c);
                assert!(gap <= 1e-13 * size * largest(&x).max(1e-3), "{a:?} {b:?} {c:?} {stein}: {gap:.1e}");
            }
            Err(Failure::Singular { .. }) => {
                refused += 1;
                assert!(!condition.is_finite() || condition > 1e12, "{a:?} {b:?} {c:?} {stein}: {condition:.1e}");
            }
            Err(e) => panic!("{e}"),
        }
    }
    assert!(solved > 500 && refused > 500, "{solved} {refused}");
}

#[test]
fn separation_is_estimated() {
    let (mut rng, mut w) = (rng(36), Workspace::default());
    for (m, n) in [(1, 1), (2, 3), (5, 4), (10, 10)] {
        for _ in 0..10 {
            // Upper triangular matrices are their own Schur forms, so the columns of the inverse can be had one by one.
            let upper = |n: usize, rng: &mut Rng| -> Vec<f64> {
                let r = random::<f64>(rng, n * n);
                (0..n * n)
                    .map(|p| {
                        if p % n < p / n {
                            r[p]
                        } else if p % n == p / n {
                            1.5 + r[p]
                        } else {
                            0.0
                        }
                    })
                    .collect()
            };
            let (a, b) = (schur_of(&upper(m, &mut rng), m), schur_of(&upper(n, &mut rng), n));
            let mut norm = 0.0f64;
            for k in 0..m * n {
                let unit: Vec<f64> = (0..m * n).map(|i| f64::from(u8::from(i == k))).collect();
                let x = solve(false, (&a, m, false), (&b, n, false), &unit, &mut w).unwrap();
                norm = norm.max(x.iter().map(|x| x.abs()).sum());
            }
            let product = f64::separation(&a, m, &b, n, false, &mut w) * norm;
            assert!((1.0 - 1e-12..=8.0).contains(&product), "{m} {n}: {product}");
        }
    }
}

#[test]
fn graded_and_extreme_equations() {
    let (mut rng, mut w) = (rng(37), Workspace::default());
    // Diagonal matrices: every entry is a division of its own.
    let a = [1.0, 0.0, 0.0, 1e-20];
    let h = schur_of(&a, 2);
    let mut x = [0.0; 4];
    f64::lyapunov(&h, 2, false, &[1.0, 0.0, 0.0, 1.0], &mut x, &mut w).unwrap();
    assert!(gap(&[x[0], x[3] * 1e-20], &[0.5, 0.5]) <= 1e-15);
    for n in [2, 5, 30] {
        let (a, c) = (shifted::<f64>(&mut rng, n, 3.0), random::<f64>(&mut rng, n * n));
        let plain = solve(false, (&schur_of(&a, n), n, false), (&schur_of(&a, n), n, true), &c, &mut w).unwrap();
        for (s, t) in [(1e150, 1.0), (1e-150, 1.0), (1.0, 1e300), (1.0, 1e-290), (1e150, 1e-150), (1e-140, 1e150)] {
            let a: Vec<f64> = a.iter().map(|x| x * s).collect();
            let c: Vec<f64> = c.iter().map(|x| x * t).collect();
            let h = schur_of(&a, n);
            let x = solve(false, (&h, n, false), (&h, n, true), &c, &mut w).unwrap();
            let x: Vec<f64> = x.iter().map(|x| x / t * s).collect();
            assert!(gap(&x, &plain) <= 1e-11 * largest(&plain), "{n} {s:e} {t:e}: {:.1e}", gap(&x, &plain));
        }
    }
    let h = schur_of(&[1e-200], 1);
    let verdict = solve(false, (&h, 1, false), (&h, 1, false), &[1e200], &mut w);
    assert!(matches!(verdict, Err(Failure::Unsupported { .. })), "{verdict:?}");
    let verdict = solve(false, (&h, 1, false), (&h, 1, false), &[f64::NAN], &mut w);
    assert!(matches!(verdict, Err(Failure::NonFinite { .. })), "{verdict:?}");
}

fn root_case<T: Kernels>(a: &[T], n: usize, tol: f64, name: &str) {
    let (mut x, mut handle) = (vec![T::nan(); n * n], vec![T::nan(); 2 * n * n]);
    T::sqrtm(a, n, &mut x, &mut handle, &mut Workspace::default()).unwrap_or_else(|e| panic!("{name} {n}: {e}"));
    let back = times(&x, &x, n, n, n);
    let tol = tol * T::EPS.f64() * (n as f64) * largest(&x).powi(2).max(largest(a));
    assert!(gap(&back, a) <= tol, "{name} {n}: {:.1e} > {tol:.1e}", gap(&back, a));
    // The handle is the Schur form of the root, whose eigenvalues lie in the right half plane.
    let (u, r) = handle.split_at(n * n);
    let again = times(&times(u, r, n, n, n), &transposed(&wide(u), n, n), n, n, n);
    assert!(
        gap(&again, &x) <= 40.0 * T::EPS.f64() * (n as f64).sqrt() * largest(&x),
        "{name} {n}: {:.1e}",
        gap(&again, &x)
    );
    let (mut re, mut im) = (vec![T::zero(); n], vec![T::zero(); n]);
    T::schur_values(&handle, n, &mut re, &mut im);
    assert!(re.iter().all(|&x| x > T::zero()), "{name} {n}: {re:?}");
}

fn roots<T: Kernels>() {
    let mut rng = rng(38);
    for n in [0, 1, 2, 3, 4, 5, 8, 13, 16, 24, 25, 33, 50, 100] {
        let base = random::<f64>(&mut rng, n * n);
        let of = |f: &dyn Fn(usize, usize) -> f64| -> Vec<T> {
            (0..n * n).map(|p| T::of(f(p % n.max(1), p / n.max(1)))).collect()
        };
        let one = |b: bool| f64::from(u8::from(b));
        let shift = (n as f64).sqrt();
        root_case(&of(&|i, j| base[i + j * n] + shift * one(i == j)), n, 10.0, "random");
        root_case(&of(&|i, j| base[i + j * n] - base[j + i * n] + 0.1 * one(i == j)), n, 10.0, "skew");
        let upper =
            |i: usize, j: usize| if i < j { base[i + j * n] / shift } else { one(i == j) * (2.0 + base[i + j * n]) };
        root_case(&of(&upper), n, 10.0, "triangular");
        root_case(&of(&|i, j| one(i == j) + 0.5 * one(i + 1 == j)), n, 10.0, "jordan");
        root_case(&of(&|i, j| one(i == j)), n, 0.0, "identity");
    }
    for scale in [1e-30, 1e30, 2.0] {
        let a: Vec<T> = shifted::<T>(&mut rng, 9, 3.0).iter().map(|&x| x * T::of(scale)).collect();
        root_case(&a, 9, 10.0, "scaled");
    }
}

#[test]
fn square_roots_of_general_matrices() {
    roots::<f64>();
    roots::<f32>();
    for scale in [1e-300, 1e-150, 1e150, 1e300] {
        let a: Vec<f64> = shifted::<f64>(&mut rng(39), 30, 6.0).iter().map(|&x| x * scale).collect();
        root_case(&a, 30, 10.0, "scaled");
    }
    // Beside the imaginary axis, and close to the negative real one: the angle of an eigenvalue is halved.
    for angle in [1.5, 1.6, 3.0, core::f64::consts::PI - 5e-8] {
        let (c, s) = (f64::cos(angle), f64::sin(angle));
        let (mut x, mut h) = ([0.0; 4], [0.0; 8]);
        f64::sqrtm(&[c, s, -s, c], 2, &mut x, &mut h, &mut Workspace::default()).unwrap();
        let (c, s) = (f64::cos(angle / 2.0), f64::sin(angle / 2.0));
        assert!(gap(&x, &[c, s, -s, c]) <= 4e-16 / c, "{angle}: {:.1e}", gap(&x, &[c, s, -s, c]));
    }
}

/// Of small sparse integers most have no principal root, and many of those hide it: zero as a defective eigenvalue.
#[test]
fn roots_of_sparse_integers_are_right_or_refused() {
    use rand::RngExt;
    let (mut rng, mut w) = (rng(43), Workspace::default());
    let (mut found, mut refused) = (0, 0);
    for round in 0..5000 {
        let n = 1 + round % 6;
        let a: Vec<f64> = (0..n * n)
            .map(|p| {
                let x = if rng.random_bool(0.5) { f64::from(rng.random_range(-2..=2)) } else { 0.0 };
                if p % (n + 1) == 0 && round % 2 == 0 { x + 1.0 } else { x }
            })
            .collect();
        let mut complete = vec![0.0; n * (n + 2)];
        f64::lu_complete(&a, n, &mut complete).unwrap();
        let det = f64::det(&complete, n).round();
        let values = faer::MatRef::from_column_major_slice(&a, n, n).eigenvalues().unwrap();
        let (mut x, mut handle) = (vec![0.0; n * n], vec![0.0; 2 * n * n]);
        match f64::sqrtm(&a, n, &mut x, &mut handle, &mut w) {
            Ok(()) => {
                found += 1;
                assert!(det != 0.0, "singular: {a:?}");
                assert!(values.iter().all(|z| z.re > 0.0 || z.im != 0.0), "{a:?}: {values:?}");
                let gap = gap(&times(&x, &x, n, n, n), &a);
                assert!(gap <= 1e-14 * n as f64 * largest(&x).powi(2).max(1.0), "{a:?}: {gap:.1e}");
            }
            Err(Failure::NoPrincipalValue { .. } | Failure::IllConditioned { .. }) => {
                refused += 1;
                // A defective eigenvalue, of order six at most, moves by the sixth root of rounding.
                let negative = values.iter().any(|z| z.re < 0.0 && z.im.abs() < 5e-3);
                assert!(det == 0.0 || negative, "{a:?}: {values:?}");
            }
            Err(e) => panic!("{a:?}: {e}"),
        }
    }
    assert!(found > 500 && refused > 500, "{found} {refused}");
}

#[test]
fn square_roots_agree_with_the_symmetric_way() {
    let (mut rng, mut w) = (rng(40), Workspace::default());
    for n in [1, 2, 5, 20, 60] {
        let a = spd::<f64>(&mut rng, n);
        let (mut h, mut s) = (vec![0.0; n * (n + 1)], vec![0.0; n * n]);
        f64::eigh(&a, n, &mut h, &mut w).unwrap();
        f64::spectral(pullback_kernels::SymFn::Pow(0.5), &h, n, &[], &mut s, &mut w).unwrap();
        let (mut x, mut handle) = (vec![0.0; n * n], vec![0.0; 2 * n * n]);
        f64::sqrtm(&a, n, &mut x, &mut handle, &mut w).unwrap();
        assert!(gap(&x, &s) <= 1e-12 * largest(&s), "{n}: {:.1e}", gap(&x, &s));
    }
}

#[test]
fn matrices_without_a_principal_root_are_refused() {
    let mut w = Workspace::default();
    let mut verdict = |a: &[f64], n: usize| f64::sqrtm(a, n, &mut vec![0.0; n * n], &mut vec![0.0; 2 * n * n], &mut w);
    for n in [1, 2, 5, 40] {
        let minus: Vec<f64> = eye(n).iter().map(|x| -x).collect();
        assert!(matches!(verdict(&minus, n), Err(Failure::NoPrincipalValue { re: -1.0, .. })), "{n}");
        assert!(matches!(verdict(&vec![0.0; n * n], n), Err(Failure::NoPrincipalValue { .. })), "{n}");
        // Rank one less than the order.
        let r = random::<f64>(&mut rng(41), n * n);
        let mut a = times(&r, &transposed(&r, n, n), n, n, n);
        for i in 0..n {
            a[i] = a.iter().skip(i).step_by(n).skip(1).sum();
        }
        assert!(n == 1 || matches!(verdict(&a, n), Err(Failure::NoPrincipalValue { .. })), "{n}: {:?}", verdict(&a, n));
    }
    let bad = verdict(&[1.0, f64::NAN, 0.0, 1.0], 2);
    assert!(matches!(bad, Err(Failure::NonFinite { index: 1, .. })), "{bad:?}");
    // Exactly triangular, and graded: the small eigenvalue is exact, and so is its root.
    let mut x = [0.0; 4];
    f64::sqrtm(&[1.0, 0.0, 0.0, 1e-20], 2, &mut x, &mut [0.0; 8], &mut Workspace::default()).unwrap();
    assert!(gap(&[x[0], x[3] * 1e10], &[1.0, 1.0]) <= 1e-15);
    // A root so large that its square has no digits of the matrix.
    let e = 1e-12;
    let big = verdict(&[e * e, 0.0, 0.0, 1.0, e * e, 0.0, 0.0, 1.0, e * e], 3);
    assert!(matches!(big, Err(Failure::IllConditioned { .. })), "{big:?}");
}
