//! Eigenvalues and eigenvectors of general matrices against what is known independently, and at ties and defects: what
//! has a derivative has it, and what has none says so.

use super::points::{Kind, Rng, diagonal};
use super::verdicts::{close, failure};
use faer::{Mat, mat};
use pullback::{Failure, Tape, Var, func, grad, hvp, jvp, value};

/// `f(A)` with `f = sum (Re l^2 - Im l^2)`, that is `tr A^2`, through the eigenvalues.
fn squares(a: Var<'_>) -> Var<'_> {
    let (re, im) = a.eigvals();
    re.dot(re) - im.dot(im)
}

/// Reverse over reverse, which knows no direction.
fn recorded_hvp(
    f: impl for<'t> Fn(Var<'t>) -> Var<'t>,
    a: &Mat<f64>,
    v: &Mat<f64>,
) -> Result<Mat<f64>, pullback::Error> {
    let tape = Tape::new();
    let x = tape.input(a);
    let g = tape.grad_on_tape(f(x), x)?;
    Ok(tape.gradient(g.dot(v), x)?.into_mat())
}

#[test]
fn symmetric_functions_of_eigenvalues_are_polynomials() {
    for n in [1, 2, 3, 5, 8] {
        for seed in 0..4 {
            let (a, v) = (Kind::Spread(n).generic(seed), Rng::new(seed).normal(n, n));
            close(&grad(func(squares), &a).unwrap(), &(2.0 * a.transpose()), 1e-12);
            close(&hvp(func(squares), &a, &v).unwrap(), &(2.0 * v.transpose()), 1e-11);
            close(&recorded_hvp(squares, &a, &v).unwrap(), &(2.0 * v.transpose()), 1e-11);
            // Coefficients by products of eigenvalues: the last two are minus the trace and 1, the first the
            // determinant up to sign.
            let c = value(|a: Var| a.charpoly(), &a).unwrap().into_mat();
            let (det, trace) =
                (value(|a: Var| a.det(), &a).unwrap().scalar(), value(|a: Var| a.trace(), &a).unwrap().scalar());
            let sign = if n % 2 == 0 { 1.0 } else { -1.0 };
            assert!((c[(0, 0)] - sign * det).abs() <= 1e-12 * det.abs().max(1.0), "{n}");
            assert!((c[(n - 1, 0)] + trace).abs() <= 1e-12 * trace.abs() || n == 1, "{n}");
            assert_eq!(c[(n, 0)], 1.0);
            for k in 0..6 {
                let (re, im) = (value(|a: Var| a.eigvals().0, &a).unwrap(), value(|a: Var| a.eigvals().1, &a).unwrap());
                let sum: f64 = re
                    .data()
                    .iter()
                    .zip(im.data())
                    .map(|(x, y)| x.hypot(*y).powi(k) * (k as f64 * y.atan2(*x)).cos())
                    .sum();
                let power = value(|a: Var| a.trace_power(k as u32), &a).unwrap().scalar();
                assert!((power - sum).abs() <= 1e-11 * sum.abs().max(1.0), "{n}, power {k}: {power} and {sum}");
            }
        }
    }
}

#[test]
fn roots_of_a_polynomial_move_as_calculus_says() {
    // A companion matrix has p(z) = z^3 + c_2 z^2 + c_1 z + c_0: a root moves by -r^k / p'(r) with c_k. Here (z -
    // 3)(z^2 - 2z + 5).
    let (c0, c1, c2) = (-15.0, 11.0, -5.0);
    let a = mat![[0.0, 0.0, -c0], [1.0, 0.0, -c1], [0.0, 1.0, -c2]];
    let (re, im) =
        (value(|a: Var| a.eigvals().0, &a).unwrap().into_mat(), value(|a: Var| a.eigvals().1, &a).unwrap().into_mat());
    close(&re, &mat![[1.0], [1.0], [3.0]], 1e-13);
    close(&im, &mat![[-2.0], [2.0], [0.0]], 1e-13);
    // r = 1 + 2i: p'(r) = 3 r^2 - 10 r + 11 = (-9 + 12i) - (10 + 20i) + 11 = -8 - 8i, and -r^k / p'(r) = r^k (1 - i) /
    // 16.
    let powers = [(1.0, 0.0), (1.0, 2.0), (-3.0, 4.0)];
    let g_re = grad(|a: Var| a.eigvals().0.row_range(1, 1), &a).unwrap();
    let g_im = grad(|a: Var| a.eigvals().1.row_range(1, 1), &a).unwrap();
    for (k, (x, y)) in powers.into_iter().enumerate() {
        // The last column holds -c_k.
        assert!((g_re[(k, 2)] + (x + y) / 16.0).abs() < 1e-13, "{k}: {}", g_re[(k, 2)]);
        assert!((g_im[(k, 2)] + (y - x) / 16.0).abs() < 1e-13, "{k}: {}", g_im[(k, 2)]);
    }
}

#[test]
fn of_a_symmetric_matrix_they_are_those_of_eigh() {
    for n in [2, 3, 5] {
        let a = Kind::Simple(n).generic(3);
        let w = Rng::new(4).normal(n, 1);
        let general = grad(|a: Var| a.eigvals().0.dot(&w), &a).unwrap();
        close(&general, &grad(|a: Var| a.eigvalsh().dot(&w), &a).unwrap(), 1e-12);
        let c = Rng::new(5).normal(n, n);
        // Along symmetric directions.
        let e = Kind::Symmetric(n).generic(6);
        let (v, dv) = jvp(|a: Var| a.eig().2, &a, &e).unwrap();
        let (u, du) = jvp(|a: Var| a.eigh().1, &a, &e).unwrap();
        close(&v.into_mat(), &u.into_mat(), 1e-12);
        close(&dv.into_mat(), &du.into_mat(), 1e-11);
        let general = grad(|a: Var| a.eig().2.dot(&c), &a).unwrap();
        close(&(0.5 * (&general + general.transpose())), &grad(|a: Var| a.eigh().1.dot(&c), &a).unwrap(), 1e-11);
        close(&value(|a: Var| a.general().conditions(), &a).unwrap().into_mat(), &Mat::full(n, 1, 1.0), 1e-13);
    }
}

#[test]
fn coinciding_values_that_are_weighed_alike_have_a_gradient() {
    for (what, a) in [
        ("identity", Mat::identity(3, 3)),
        ("twice, and another", diagonal(&[2.0, 2.0, 5.0])),
        ("turned", Rng::new(1).with_spectrum(&[2.0, 2.0, 5.0, 5.0, 5.0])),
        // The same rotation twice.
        ("pairs", mat![[0.0, 1.0, 0.0, 0.0], [-1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0], [0.0, 0.0, -1.0, 0.0]]),
    ] {
        let n = a.nrows();
        close(&grad(func(squares), &a).unwrap(), &(2.0 * a.transpose()), 1e-13);
        // A general direction has no second derivative that is known to be right.
        let v = Rng::new(2).normal(n, n);
        for (way, r) in [("pairs", hvp(func(squares), &a, &v)), ("recorded", recorded_hvp(squares, &a, &v))] {
            let f = failure(r);
            let typed = matches!(
                f,
                Failure::NotDifferentiable { .. } | Failure::TiedVectors { .. } | Failure::GaugeDependent { .. }
            );
            assert!(typed, "{what}, {way}: {f}");
        }
        // And everything that is a polynomial has it.
        close(&hvp(|a: Var| a.trace_power(2), &a, &v).unwrap(), &(2.0 * v.transpose()), 1e-13);
        hvp(|a: Var| a.charpoly().sum(), &a, &v).unwrap();
        // Told apart.
        let f = failure(grad(
            |a: Var| {
                let (re, im) = a.eigvals();
                re.row_range(0, 1) + im.row_range(0, 1)
            },
            &a,
        ));
        assert!(matches!(f, Failure::NotDifferentiable { .. }), "{what}: {f}");
        let f = failure(jvp(|a: Var| a.eigvals().0, &a, &v));
        assert!(matches!(f, Failure::NotDifferentiable { .. }), "{what}: {f}");
        // Along the identity all move alike.
        let (_, d) = jvp(|a: Var| a.eigvals().0, &a, &Mat::<f64>::identity(n, n)).unwrap();
        close(&d.into_mat(), &Mat::full(n, 1, 1.0), 1e-13);
        // Their vectors are any basis, also where the dependence has no slope.
        let f = failure(grad(
            |a: Var| {
                let (_, _, v, w) = a.eig();
                v.dot(v) + w.dot(w) * 2.0
            },
            &a,
        ));
        assert!(matches!(f, Failure::GaugeDependent { .. }), "{what}: {f}");
        let f = failure(jvp(|a: Var| a.eig().2, &a, &v));
        assert!(matches!(f, Failure::TiedVectors { .. } | Failure::NotDifferentiable { .. }), "{what}: {f}");
        // Real ones may become pairs.
        let f = failure(grad(|a: Var| a.eigvals().1.row_range(0, 1), &a));
        assert!(matches!(f, Failure::NotDifferentiable { .. }), "{what}: {f}");
        let f = failure(jvp(|a: Var| a.eigvals().1, &a, &v));
        assert!(matches!(f, Failure::NotDifferentiable { .. }), "{what}: {f}");
    }
}

#[test]
fn a_tie_elsewhere_does_not_matter() {
    let a = Rng::new(1).with_spectrum(&[2.0, 2.0, 5.0, 7.0]);
    let separate = Rng::new(1).with_spectrum(&[2.0, 2.5, 5.0, 7.0]);
    let v = value(|a: Var| a.eigh().1.column(3), &a).unwrap().into_mat();
    close(&grad(|a: Var| a.eigvals().0.row_range(3, 1), &a).unwrap(), &(&v * v.transpose()), 1e-12);
    // A vector of its own, too.
    let c = Rng::new(7).normal(4, 1);
    let of_vector = |a: &Mat<f64>| grad(|a: Var| a.eig().2.column(3).dot(&c), a);
    let g = of_vector(&a).unwrap();
    // By differences, symmetric ones of the fourth order, along a general direction.
    let e = Rng::new(8).normal(4, 4);
    let at = |t: f64| value(|a: Var| a.eig().2.column(3).dot(&c), &(&a + t * &e)).unwrap().scalar();
    let h = 1e-3;
    let slope = (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h);
    let ours: f64 = (0..16).map(|k| g[(k % 4, k / 4)] * e[(k % 4, k / 4)]).sum();
    assert!((ours - slope).abs() < 1e-9 * slope.abs().max(1.0), "{ours} and {slope}");
    of_vector(&separate).unwrap();
    // The value has a second derivative in reverse over reverse; along a symmetric direction it is that of `eigvalsh`.
    let e = 0.5 * (&e + e.transpose());
    let known = hvp(|x: Var| x.symmetric().values(3..4), &a, &e).unwrap();
    let ours = recorded_hvp(|x: Var| x.eigvals().0.row_range(3, 1), &a, &e).unwrap();
    close(&(0.5 * (&ours + ours.transpose())), &known, 1e-11);
    // That of the vector would need more than the diagonal of what the tied pair moves by, and says so.
    let typed = |f: Failure| matches!(f, Failure::GaugeDependent { .. } | Failure::TiedVectors { .. });
    assert!(typed(failure(recorded_hvp(|x: Var| x.eig().2.column(3).slice(0, 0, 1, 1), &a, &e))));
    let along = hvp(|x: Var| x.eig().2.column(3).slice(0, 0, 1, 1), &a, &e);
    assert!(matches!(failure(along), Failure::TiedVectors { .. } | Failure::NotDifferentiable { .. }));
}

#[test]
fn defective_matrices_have_values_and_say_why_they_have_no_derivatives() {
    let jordan = mat![[2.0, 1.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 5.0]];
    let q = Rng::new(3).orthonormal(3, 3);
    for (what, a) in [("as it is", jordan.clone()), ("turned", &q * &jordan * q.transpose())] {
        let re = value(|a: Var| a.eigvals().0, &a).unwrap().into_mat();
        close(&re, &mat![[2.0], [2.0], [5.0]], 1e-7);
        let defective =
            |f: Failure| assert!(matches!(f, Failure::Defective { condition, .. } if condition > 1e6), "{what}: {f}");
        let v = Rng::new(4).normal(3, 3);
        defective(failure(grad(func(squares), &a)));
        defective(failure(grad(|a: Var| a.eigvals().0.row_range(0, 1), &a)));
        defective(failure(grad(|a: Var| a.eig().2.column(2).sum(), &a)));
        defective(failure(grad(|a: Var| a.eigvals().1.row_range(0, 1), &a)));
        defective(failure(jvp(|a: Var| a.eigvals().0, &a, &v)));
        defective(failure(jvp(|a: Var| a.eigvals().1, &a, &v)));
        defective(failure(jvp(|a: Var| a.eig().3, &a, &v)));
        defective(failure(hvp(func(squares), &a, &v)));
        // The simple one beside it, whose left and right vectors are the last of the basis.
        let g = grad(|a: Var| a.eigvals().0.row_range(2, 1), &a).unwrap();
        let expected = mat![[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 1.0]];
        let expected = if what == "turned" { &q * expected * q.transpose() } else { expected };
        close(&g, &expected, 1e-12);
        // What is smooth there.
        close(&grad(|a: Var| a.trace_power(3), &a).unwrap(), &(3.0 * (&a * &a).transpose()), 1e-13);
        hvp(|a: Var| a.charpoly().sum(), &a, &v).unwrap();
    }
}

#[test]
fn the_spectral_radius_has_a_kink_where_two_share_it() {
    let radius = |a: &Mat<f64>| value(|a: Var| a.spectral_radius(), a).unwrap().scalar();
    assert!((radius(&mat![[0.0, -4.0], [1.0, 0.0]]) - 2.0).abs() < 1e-15);
    // A pair is one: rho^2 = det.
    let g = grad(|a: Var| a.spectral_radius(), &mat![[0.0, -4.0], [1.0, 0.0]]).unwrap();
    close(&g, &mat![[0.0, -0.25], [1.0, 0.0]], 1e-14);
    for a in [diagonal(&[2.0, -2.0]), Mat::identity(3, 3), mat![[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]] {
        assert!(radius(&a) > 0.9);
        let f = failure(grad(|a: Var| a.spectral_radius(), &a));
        assert!(matches!(f, Failure::NotDifferentiable { .. }), "{f}");
        let f = failure(jvp(|a: Var| a.spectral_radius(), &a, &Rng::new(1).normal(a.nrows(), a.nrows())));
        assert!(matches!(f, Failure::NotDifferentiable { .. }), "{f}");
    }
    let f = failure(grad(|a: Var| a.spectral_radius(), &Mat::zeros(2, 2)));
    assert!(matches!(f, Failure::NotDifferentiable { .. } | Failure::Defective { .. }), "{f}");
}

#[test]
fn left_vectors_are_the_inverse() {
    for n in [1, 3, 6] {
        let a = Kind::Spread(n).generic(2);
        // Re and Im of Y^H V.
        let product = |re: bool| {
            value(
                |a: Var| {
                    let a = a.general();
                    let ((v, w), (y, z)) = (a.vectors(), a.left_vectors());
                    if re { y.t_mul(v) + z.t_mul(w) } else { y.t_mul(w) - z.t_mul(v) }
                },
                &a,
            )
            .unwrap()
            .into_mat()
        };
        assert!((product(true) - Mat::<f64>::identity(n, n)).norm_max() < 1e-13);
        assert!(product(false).norm_max() < 1e-13);
    }
}
