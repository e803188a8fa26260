//! Solutions whose derivatives have a closed form, in flat space: dense to 1e-10, Krylov to ten times the tolerance,
//! JVP and VJP dual to 1e-12.

use crate::{apart, dot, mat, solve, sym, with_spectrum};
use pullback::faer::{Mat, mat};
use pullback_implicit::linear::{Method, Positive, SelfAdjoint};
use pullback_implicit::{Condition, Tapes, Verdict, fixed_point, root, stationary};

/// Solvers for positive maps, dense first.
pub(crate) fn for_positive() -> Vec<Method> {
    vec![
        Method::Auto,
        Method::Cg(Positive::asserted()),
        Method::Minres(SelfAdjoint::asserted()),
        Method::Gmres { restart: 30 },
        Method::BiCgStab,
        Method::Lsmr,
    ]
}

/// Asserts that the JVP and the VJP of a condition are dual, the JVP is the truth, and the certificate says so, for
/// each method.
pub(crate) fn agrees<C>(c: &C, z: &Mat<f64>, phi: &Mat<f64>, dphi: &Mat<f64>, dz: &Mat<f64>, methods: &[Method])
where
    C: Condition<State = Mat<f64>, Params = Mat<f64>>,
{
    let zbar = mat(91, z.nrows(), z.ncols());
    for method in methods {
        let tolerance = 1e-10;
        let mut tapes = Tapes::new();
        let lin = c.at(z, phi).method(*method).tolerance(tolerance).linearise(&mut tapes).unwrap();
        let (push, pull) = (lin.jvp(dphi).unwrap(), lin.vjp(&zbar).unwrap());
        let error = apart(&push.value, dz);
        let most = if *method == Method::Auto { 1e-10 } else { 10.0 * tolerance };
        assert!(error < most, "{method:?}: {error:e}\n{}", push.certificate);
        assert_eq!(push.certificate.verdict, Verdict::Verified, "{method:?}\n{}", push.certificate);
        let (a, b) = (dot(&zbar, &push.value), dot(&pull.value, dphi));
        let size = zbar.norm_l2() * push.value.norm_l2();
        let most = if *method == Method::Auto { 1e-12 } else { 10.0 * tolerance };
        assert!((a - b).abs() < most * size, "{method:?}: {a} {b}\n{}", pull.certificate);
    }
}

#[test]
fn ridge_with_a_weight_for_each_coefficient() {
    let (x, y) = (mat(1, 12, 5), mat(2, 12, 1));
    let (gram, right) = (x.transpose() * &x, x.transpose() * &y);
    let (xv, yv) = (mat(3, 7, 5), mat(4, 7, 1));
    let l = mat(5, 5, 1);
    let e = |i: usize| l[(i, 0)].exp();
    let h = Mat::from_fn(5, 5, |i, j| gram[(i, j)] + if i == j { e(i) } else { 0.0 });
    let w = solve(&h, &right);
    let c = stationary(&w, &l, |w, l| {
        let r = &x * w - &y;
        r.dot(r) * 0.5 + l.exp().dot(w.hadamard(w)) * 0.5
    })
    .flat();
    let q = solve(&h, &(xv.transpose() * (&xv * &w - &yv)));
    let truth = Mat::from_fn(5, 1, |i, _| -e(i) * w[(i, 0)] * q[(i, 0)]);
    for method in for_positive() {
        let d = c.at(&w, &l).method(method).hypergradient(|w, _| (&xv * w - &yv).dot(&xv * w - &yv) * 0.5).unwrap();
        assert!(apart(&d.gradient, &truth) < 1e-10, "{method:?} {:e}", apart(&d.gradient, &truth));
        assert_eq!(d.certificate.verdict, Verdict::Verified, "{}", d.certificate);
        // From 30 % away: a quadratic cost is solved by one Newton step.
        let rough = &w * 1.3;
        let d = c.at(&rough, &l).method(method).hypergradient(|w, _| (&xv * w - &yv).dot(&xv * w - &yv) * 0.5).unwrap();
        assert!(d.certificate.polished && apart(&d.gradient, &truth) < 1e-9, "{method:?}\n{}", d.certificate);
        assert!(apart(&d.solution, &w) < 1e-9);
    }
    let dl = mat(6, 5, 1);
    let dw = solve(&h, &Mat::from_fn(5, 1, |i, _| -e(i) * w[(i, 0)] * dl[(i, 0)]));
    agrees(&c, &w, &l, &dl, &dw, &for_positive());
}

#[test]
fn a_quadratic_bilevel_problem_with_a_direct_term() {
    let a = with_spectrum(&[1.0, 2.0, 0.5, 3.0], 10);
    let (c, a0, f, f0) = (mat(11, 3, 4), mat(12, 4, 1), sym(&mat(13, 4, 4)), mat(14, 4, 1));
    let (h, k, h0, x) = (sym(&mat(15, 3, 3)), mat(16, 3, 4), mat(17, 3, 1), mat(18, 3, 1));
    let z = solve(&a, &((c.transpose() * &x + &a0) * -1.0));
    let lower = stationary(&z, &x, |z, x| z.dot(&a * z) * 0.5 + x.dot(&c * z) + z.dot(&a0)).flat();
    let d = lower
        .at(&z, &x)
        .hypergradient(|z, x| z.dot(&f * z) * 0.5 + x.dot(&h * x) * 0.5 + x.dot(&k * z) + z.dot(&f0) + x.dot(&h0))
        .unwrap();
    let adjoint = solve(&a, &(&f * &z + k.transpose() * &x + &f0));
    let truth = &h * &x + &k * &z + &h0 - &c * adjoint;
    assert!(apart(&d.gradient, &truth) < 1e-12, "{}", d.certificate);
}

#[test]
fn scalar_solutions_that_other_layers_got_wrong() {
    // max x + l (log(1-x) + log(1+x)): x = -l + sqrt(1 + l²).
    for l in [0.1, 1.0, 4.0] {
        let x = -l + f64::hypot(1.0, l);
        let c = stationary(&x, &l, |x, l| x * -1.0 - l * ((1.0 - x).ln() + (1.0 + x).ln())).flat();
        let d = c.at(&x, &l).jvp(&1.0).unwrap();
        assert!((d.value - (-1.0 + l / f64::hypot(1.0, l))).abs() < 1e-11, "{l}\n{}", d.certificate);
        assert_eq!(d.certificate.verdict, Verdict::Verified);
    }
    // 1/2 (a - x)^4 away from its minimum: the whole Hessian gives 1, Gauss-Newton 1.5.
    let c = stationary(&0.3f64, &1.0f64, |x, a| ((a - x) * (a - x)) * ((a - x) * (a - x)) * 0.5).flat();
    let d = c.at(&0.3, &1.0).without_polish().jvp(&1.0).unwrap();
    assert!((d.value - 1.0).abs() < 1e-12 && !d.certificate.verdict.is_sound(), "{}", d.certificate);
    // softmax(t / a) as a fixed point whose step forgets its state.
    let t = mat![[0.3], [-1.0], [0.7]];
    let (a, n) = (0.4f64, 3);
    let e: Vec<f64> = (0..n).map(|i| (t[(i, 0)] / a).exp()).collect();
    let sum: f64 = e.iter().sum();
    let x = Mat::from_fn(n, 1, |i, _| e[i] / sum);
    let c = fixed_point(&x, &t, |_, t| {
        let e = (t * (1.0 / a)).exp();
        e.elem_div(e.sum())
    })
    .flat();
    let dt = mat![[1.0], [-0.5], [2.0]];
    let mean = dot(&x, &dt);
    let dx = Mat::from_fn(n, 1, |i, _| x[(i, 0)] * (dt[(i, 0)] - mean) / a);
    agrees(&c, &x, &t, &dt, &dx, &[Method::Auto, Method::Neumann { terms: 2 }, Method::Gmres { restart: 5 }]);
}

#[test]
fn matrix_equations_as_roots_and_fixed_points() {
    let n = 4;
    let a = Mat::from_fn(n, n, |i, j| 0.4 * mat(20, n, n)[(i, j)] - if i == j { 1.5 } else { 0.0 });
    let c0 = sym(&mat(21, n, n));
    // A X + X A^T + C = 0, by the engine's solver of it as a linear system.
    let kron = Mat::from_fn(n * n, n * n, |p, q| {
        let ((i, j), (k, l)) = ((p % n, p / n), (q % n, q / n));
        (if j == l { a[(i, k)] } else { 0.0 }) + (if i == k { a[(j, l)] } else { 0.0 })
    });
    let lyapunov = |c: &Mat<f64>| {
        let x = solve(&kron, &Mat::from_fn(n * n, 1, |p, _| -c[(p % n, p / n)]));
        Mat::from_fn(n, n, |i, j| x[(j * n + i, 0)])
    };
    let (x, dc) = (lyapunov(&c0), mat(22, n, n));
    let condition = root(&x, &c0, |x, c| &a * x + x * a.transpose() + c).flat();
    let methods = [Method::Auto, Method::Gmres { restart: 30 }, Method::BiCgStab, Method::Lsmr];
    agrees(&condition, &x, &c0, &dc, &lyapunov(&dc), &methods);
    // X = R X R^T + Q with a scaled rotation: complex eigenvalues of modulus 0.81.
    let (s, o) = (0.9 * 0.7f64.sin(), 0.9 * 0.7f64.cos());
    let r = mat![[o, -s], [s, o]];
    let stein = |q: &Mat<f64>| (0..400).fold(Mat::zeros(2, 2), |x, _| &r * x * r.transpose() + q);
    let (q, dq) = (sym(&mat(23, 2, 2)), mat(24, 2, 2));
    let x = stein(&q);
    let condition = fixed_point(&x, &q, |x, q| &r * x * r.transpose() + q).flat();
    let methods = [Method::Auto, Method::NeumannAdaptive, Method::Neumann { terms: 200 }, Method::Gmres { restart: 9 }];
    agrees(&condition, &x, &q, &dq, &stein(&dq), &methods);
}

#[test]
fn condition_numbers_up_to_a_million_in_a_large_space() {
    // 60 dimensions, so that nothing is dense.
    let n = 60;
    for k in 1..=6 {
        let values: Vec<f64> = (0..n).map(|i| 10f64.powf(-(k as f64) * i as f64 / (n - 1) as f64)).collect();
        let a = with_spectrum(&values, 30);
        let (phi, dphi) = (mat(31, n, 1), mat(32, n, 1));
        let (z, dz) = (solve(&a, &phi), solve(&a, &dphi));
        let c = stationary(&z, &phi, |z, phi| z.dot(&a * z) * 0.5 - z.dot(phi)).flat();
        for tolerance in [1e-4, 1e-8] {
            for method in for_positive() {
                let d = c.at(&z, &phi).method(method).tolerance(tolerance).jvp(&dphi).unwrap();
                let (error, c) = (apart(&d.value, &dz), &d.certificate);
                assert!(error <= 10.0 * tolerance || !c.verdict.is_sound(), "{method:?} 1e{k}: {error:e}\n{c}");
                if c.verdict == Verdict::Estimated {
                    let seen = c.error.unwrap().relative();
                    assert!(seen > error / 2.0 && seen < error * 2.0, "{method:?} 1e{k}: {error:e}\n{c}");
                }
                if c.verdict == Verdict::Verified {
                    assert!(error < 1e-7, "{method:?} 1e{k}: {error:e}\n{c}");
                }
            }
        }
    }
}
