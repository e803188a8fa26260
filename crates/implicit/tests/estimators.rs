//! The estimators against each other, closed forms and differences; their memory; their certificates.

use pullback::faer::{Mat, mat};
use pullback::prelude::*;
use pullback::{Shape, value};
use pullback_implicit::{Agreement, Derivative, Error, Estimator, agreement, inner_loop};
use pullback_manifolds::{Egrad, Grassmann, Manifold, Retraction, rng};

const SERIES: fn(usize) -> Estimator = |terms| Estimator::FixedPoint { terms };

fn close(a: &Mat<f64>, b: &Mat<f64>, tolerance: f64) {
    let error = (a - b).norm_l2() / b.norm_l2().max(1e-300);
    assert!(error <= tolerance, "relative error {error:e} > {tolerance:e}\n{a:?}\n{b:?}");
}

/// A symmetric matrix with eigenvalues between -0.5 and 0.8, and its neighbours for the linear problems.
fn linear() -> (Mat<f64>, Mat<f64>, Mat<f64>) {
    let q = Tape::plain().constant(&mat![[1.0, 2.0, 0.5], [0.3, -1.0, 2.0], [1.5, 0.2, 1.0]]).qr().0.value().into_mat();
    let a = &q * Mat::from_fn(3, 3, |i, j| if i == j { [0.8, -0.5, 0.3][i] } else { 0.0 }) * q.transpose();
    let b = mat![[1.0, -0.4], [0.2, 0.7], [-0.6, 0.1]];
    let w = mat![[0.3], [1.0], [-2.0]];
    (a, b, w)
}

#[test]
fn on_a_linear_map_the_series_is_the_unroll_and_its_first_term_one_step() {
    let (a, b, w) = linear();
    let (z0, phi) = (mat![[1.0], [2.0], [3.0]], mat![[0.4], [-0.9]]);
    let p = inner_loop(&z0, &phi, |z, phi, _| &a * z + &b * phi, |z, phi| z.dot(&w) + phi.dot(phi) * 0.5);
    let steps = 12;
    let get = |how| p.derivative(steps, how).unwrap().gradient;
    // sum over k < T of B' A^k w, and the direct term phi.
    let mut v = w.clone();
    let mut truth = phi.clone();
    for _ in 0..steps {
        truth += b.transpose() * &v;
        v = a.transpose() * &v;
    }
    close(&get(Estimator::Unroll), &truth, 1e-14);
    close(&get(SERIES(steps - 1)), &truth, 1e-12);
    close(&get(Estimator::Truncated { steps: 100 }), &truth, 1e-14);
    close(&get(Estimator::Truncated { steps: 4 }), &get(SERIES(3)), 1e-13);
    let one = &phi + b.transpose() * &w;
    for how in [Estimator::OneStep, SERIES(0), Estimator::Truncated { steps: 1 }] {
        close(&get(how), &one, 1e-14);
    }
    // And the limit: B' (I - A')^{-1} w.
    let limit = value(|s: Var| s.solve(&w), &(Mat::<f64>::identity(3, 3) - a.transpose())).unwrap().into_mat();
    close(&get(SERIES(200)), &(&phi + b.transpose() * limit), 1e-12);
}

#[test]
fn every_estimator_reports_the_same_value_and_state() {
    let (a, b, w) = linear();
    let (z0, phi) = (mat![[1.0], [2.0], [3.0]], mat![[0.4], [-0.9]]);
    let p = inner_loop(&z0, &phi, |z, phi, t| &a * z * (1.0 / (t + 1) as f64) + &b * phi, |z, _| z.dot(&w));
    let all: Vec<Derivative<_, _>> =
        [Estimator::Unroll, Estimator::OneStep, SERIES(4), Estimator::Truncated { steps: 3 }]
            .iter()
            .map(|how| p.derivative(7, *how).unwrap())
            .collect();
    let mut z = z0.clone();
    for t in 0..7 {
        z = &a * z * (1.0 / (t + 1) as f64) + &b * &phi;
    }
    for d in &all {
        close(&d.state, &z, 1e-14);
        assert!((d.value - (w.transpose() * &z)[(0, 0)]).abs() < 1e-14);
    }
}

#[test]
fn the_certificate_tells_the_contraction_and_the_missing_part() {
    let p = inner_loop(&0.0f64, &1.0f64, |z, phi, _| z * 0.5 + phi, |z, _| z);
    let d = p.derivative(60, SERIES(6)).unwrap();
    assert_eq!((d.certificate.terms, d.certificate.truncated), (6, false));
    assert!((d.certificate.rho.unwrap() - 0.5).abs() < 1e-15);
    // 1 + 1/2 + ... + 1/64, and what is missing to 2 is what the certificate says.
    assert!((d.gradient - (2.0 - 0.5f64.powi(6))).abs() < 1e-15);
    assert!((d.certificate.tail().unwrap() - (2.0 - d.gradient)).abs() < 1e-15);
    assert!(
        d.certificate.motion.unwrap() < 1e-15 && p.derivative(2, SERIES(1)).unwrap().certificate.motion.unwrap() > 0.1
    );
    assert_eq!(p.derivative(5, Estimator::Unroll).unwrap().certificate.terms, 5);
}

#[test]
fn a_growing_series_is_cut_off_and_says_so() {
    let p = inner_loop(&1.0f64, &0.1f64, |z, phi, _| z * 1.5 + phi, |z, _| z);
    let d = p.derivative(5, SERIES(50)).unwrap();
    assert!(d.certificate.truncated);
    assert!((d.certificate.rho.unwrap() - 1.5).abs() < 1e-14);
    assert_eq!((d.certificate.terms, d.certificate.tail()), (1, None));
    assert!((d.gradient - 2.5).abs() < 1e-14);
    // Growth that does not last (a non-normal map whose square is zero) is no reason to stop.
    let z0 = mat![[1.0], [1.0]];
    let nilpotent = inner_loop(
        &z0,
        &1.0f64,
        |z, phi, _| &mat![[0.0, 3.0], [0.0, 0.0]] * z + phi * &mat![[1.0], [1.0]],
        |z, _| z.row_range(0, 1),
    );
    let d = nilpotent.derivative(5, SERIES(9)).unwrap();
    assert!(!d.certificate.truncated && (d.gradient - 4.0).abs() < 1e-15);
}

/// Principal components whose matrix is the parameter: `f(X) = -tr X'CX`, `C = C0 + sym(phi)`.
struct Pca {
    gr: Grassmann,
    x0: Batch,
    c0: Mat<f64>,
    m: Mat<f64>,
    step: f64,
}

impl Pca {
    fn new(retraction: Retraction, step: f64) -> Self {
        let gr = Grassmann::new(6, 2).with(retraction);
        let x0 = gr.random_point(1, &mut rng(3)).swap_remove(0);
        let c0 = Mat::from_fn(6, 6, |i, j| if i == j { [6.0, 5.0, 2.0, 1.5, 1.0, 0.5][i] } else { 0.1 });
        let m = Mat::from_fn(6, 6, |i, j| ((i * j) as f64 * 0.7).sin());
        Pca { gr, x0, c0, m, step }
    }

    fn step<'t>(&self, x: Var<'t>, phi: Var<'t>) -> Var<'t> {
        let c = phi.sym() + &self.c0;
        let g = x.grad(|x| -x.t_mul(c * x).trace());
        self.gr.retract(x, *self.gr.egrad_to_rgrad(x, Egrad(g)) * -self.step)
    }

    fn loss<'t>(&self, x: Var<'t>, phi: Var<'t>) -> Var<'t> {
        x.t_mul(&self.m * x).trace() + phi.dot(phi) * 0.01
    }

    fn phi(&self) -> Mat<f64> {
        Mat::from_fn(6, 6, |i, j| ((3 * i + j) as f64).cos() * 0.1)
    }

    fn derivative(&self, phi: &Mat<f64>, steps: usize, how: Estimator) -> Derivative<Batch, Mat<f64>> {
        inner_loop(&self.x0, phi, |x, phi, _| self.step(x, phi), |x, phi| self.loss(x, phi))
            .on(&self.gr)
            .derivative(steps, how)
            .unwrap()
    }
}

#[test]
fn on_the_grassmann_manifold_the_series_is_the_derivative_of_the_solution() {
    for retraction in [Retraction::Qr, Retraction::Polar] {
        for step in [0.05, 0.1] {
            let pca = Pca::new(retraction, step);
            let phi = pca.phi();
            let steps = 300;
            let d = pca.derivative(&phi, steps, SERIES(200));
            assert!(d.certificate.motion.unwrap() < 1e-13 && !d.certificate.truncated, "{:?}", d.certificate);
            // Differences of the loss at the solution, along two directions.
            for seed in [1.0, 2.0] {
                let e = Mat::from_fn(6, 6, |i, j| (seed * (5 * i + 2 * j) as f64 + 1.0).sin());
                let at = |h: f64| pca.derivative(&(&phi + &e * h), steps, Estimator::OneStep).value;
                let h = 1e-3;
                let seen = (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h);
                let found = (0..6)
                    .flat_map(|i| (0..6).map(move |j| (i, j)))
                    .map(|(i, j)| e[(i, j)] * d.gradient[(i, j)])
                    .sum::<f64>();
                assert!((seen - found).abs() < 1e-8 * (1.0 + seen.abs()), "{retraction:?} {step}: {seen} {found}");
            }
            close(&d.gradient, &pca.derivative(&phi, steps, Estimator::Unroll).gradient, 1e-10);
        }
    }
}

#[test]
fn the_derivative_of_the_solution_does_not_depend_on_the_step_but_rho_does() {
    let (a, b) = (Pca::new(Retraction::Polar, 0.05), Pca::new(Retraction::Polar, 0.1));
    let phi = a.phi();
    let (da, db) = (a.derivative(&phi, 400, SERIES(250)), b.derivative(&phi, 400, SERIES(250)));
    close(&da.gradient, &db.gradient, 1e-10);
    // A = I - step Hess with the smallest curvature 2 (lambda_2 - lambda_3): the slowest mode is what the last ratio
    // sees.
    let c = &a.c0 + (&phi + phi.transpose()) * 0.5;
    let l = c.self_adjoint_eigenvalues(pullback::faer::Side::Lower).unwrap();
    for (pca, terms) in [(&a, 60), (&b, 30)] {
        let rho = pca.derivative(&phi, 400, SERIES(terms)).certificate.rho.unwrap();
        let truth = 1.0 - pca.step * 2.0 * (l[4] - l[3]);
        assert!((rho - truth).abs() < 1e-3, "{rho} {truth}");
    }
}

#[test]
fn an_inner_loop_that_does_not_contract_is_reported() {
    // At a saddle the inner loop runs away: started at the wrong eigenvectors, whose tangent map has eigenvalues above
    // 1.
    let mut pca = Pca::new(Retraction::Polar, 0.1);
    pca.c0 = Mat::from_fn(6, 6, |i, j| if i == j { [6.0, 5.0, 2.0, 1.5, 1.0, 0.5][i] } else { 0.0 });
    pca.x0 = Batch::from_fn(Shape::mat(6, 2), |_, i, j| if i == 4 + j { 1.0 } else { 0.0 });
    let d = pca.derivative(&Mat::zeros(6, 6), 5, SERIES(100));
    assert!(d.certificate.truncated && d.certificate.rho.unwrap() > 1.0, "{:?}", d.certificate);
    assert!(d.certificate.terms < 10);
}

#[test]
fn the_memory_of_the_series_does_not_grow_and_that_of_the_unroll_does() {
    let pca = Pca::new(Retraction::Polar, 0.1);
    let phi = pca.phi();
    let bytes = |steps, how| pca.derivative(&phi, steps, how).bytes;
    for how in [SERIES(5), Estimator::OneStep, Estimator::Truncated { steps: 3 }] {
        let five = bytes(5, how);
        assert_eq!([bytes(50, how), bytes(525, how)], [five; 2], "{how:?}");
    }
    let [a, b, c] = [5, 50, 500].map(|t| bytes(t, Estimator::Unroll));
    let ratio = (c - b) as f64 / (b - a) as f64;
    assert!((ratio - 10.0).abs() < 0.2, "{a} {b} {c}");
    assert!(c > 50 * bytes(500, SERIES(5)));
}

#[test]
fn the_formula_printed_in_2022_has_the_opposite_sign() {
    // A short step: A is close to the identity, the derivative is close to K + 1 times that of one step, theirs to -1
    // times.
    let pca = Pca::new(Retraction::Polar, 1e-5);
    let phi = pca.phi();
    let direct = &phi * 0.02;
    let indirect = |how| pca.derivative(&phi, 20, how).gradient - &direct;
    let one = indirect(Estimator::OneStep);
    close(&indirect(Estimator::IrmmPaper { terms: 5 }), &(&one * -1.0), 1e-3);
    close(&indirect(SERIES(5)), &(&one * 6.0), 1e-3);
    close(&indirect(Estimator::Truncated { steps: 6 }), &(&one * 6.0), 1e-3);
}

#[test]
fn a_state_may_be_a_tree_with_a_projection_of_its_own() {
    // Heavy ball: the state is a point and a momentum; only the point lives on the manifold.
    let pca = Pca::new(Retraction::Polar, 0.04);
    let phi = pca.phi();
    let start = (pca.x0.clone(), Batch::zeros(pca.x0.shape()));
    let p = inner_loop(
        &start,
        &phi,
        |(x, m), phi, _| {
            let c = phi.sym() + &pca.c0;
            let g = pca.gr.project(x, x.grad(|x| -x.t_mul(c * x).trace()));
            let m = m * 0.5 + g;
            let y = pca.gr.retract(x, m * -pca.step);
            (y, pca.gr.transport(x, y, m))
        },
        |(x, _), phi| pca.loss(x, phi),
    )
    .tangent(|(x, _), (v, m)| (pca.gr.project(x, v), pca.gr.project(x, m)));
    let series = p.derivative(400, SERIES(250)).unwrap();
    close(&series.gradient, &pca.derivative(&phi, 400, SERIES(250)).gradient, 1e-10);
    close(&series.gradient, &p.derivative(400, Estimator::Unroll).unwrap().gradient, 1e-10);
}

#[test]
fn mistakes_and_bad_numbers_are_typed() {
    let p = inner_loop(&1.0f64, &1.0f64, |z, phi, _| z * phi, |z, _| z);
    assert!(matches!(p.derivative(0, Estimator::Unroll), Err(Error::NoSteps)));
    let squares = inner_loop(&3.0f64, &1.0f64, |z, _, _| z * z, |z, _| z);
    assert!(matches!(squares.derivative(20, SERIES(1)), Err(Error::Diverged { leaf: 0, .. })));
    assert!(matches!(squares.derivative(20, Estimator::Unroll), Err(Error::Diverged { .. })));
    let (one, two) = (mat![[1.0]], mat![[1.0, 2.0]]);
    let grows = inner_loop(&one, &1.0f64, |z, _, _| Var::concat(&[z, z], pullback::Axis::Rows), |z, _| z.sum());
    assert!(matches!(grows.derivative(1, Estimator::OneStep), Err(Error::Shape { step: 0, leaf: 0, .. })));
    let wide = inner_loop(&two, &1.0f64, |z, phi, _| z * phi, |z, _| z);
    assert!(matches!(wide.derivative(3, SERIES(2)), Err(Error::Engine(pullback::Error::NotScalar { .. }))));
    let bad = inner_loop(&-1.0f64, &1.0f64, |z, phi, _| z.cholesky() * phi, |z, _| z);
    assert!(matches!(bad.derivative(3, SERIES(2)), Err(Error::Engine(pullback::Error::Data { .. }))));
}

#[test]
fn agreement_is_angle_error_and_length() {
    let (a, t) = ((mat![[3.0], [0.0]], 0.0), (mat![[1.5], [0.0]], 2.0));
    assert_eq!(agreement(&a, &t), Agreement { cosine: 0.6, relative_error: 1.0, length: 1.2 });
    assert_eq!(agreement(&t, &t).relative_error, 0.0);
    for unit in [1e-250, 1e-170, 1e200] {
        let sized = |(m, x): &(Mat<f64>, f64)| (m * unit, x * unit);
        let Agreement { cosine, relative_error, length } = agreement(&sized(&a), &sized(&t));
        let off = (cosine - 0.6).abs() + (relative_error - 1.0).abs() + (length - 1.2).abs();
        assert!(off < 1e-14, "in units of {unit:e} {cosine} {relative_error} {length}");
    }
}
