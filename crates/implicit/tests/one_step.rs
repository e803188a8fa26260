//! What one step says of itself, on ridge regression, whose hypergradient has a closed form: the warning is as large as
//! the error, and never smaller than the warning of a series. Then the edges: nothing missing, nothing to
//! differentiate, no contraction.

use pullback::Shape;
use pullback::faer::{Mat, Side, mat};
use pullback::prelude::*;
use pullback_implicit::{Certificate, Derivative, Estimator, agreement, inner_loop};
use pullback_manifolds::{Egrad, Grassmann, Manifold, rng};

/// Ridge regression with a weight `e^(l_j)` for each coefficient, by gradient descent with a fixed step
/// `c / lambda_max`.
///
/// The inner cost is `|Xw - y|²/2 + sum e^(l_j) w_j²/2`, with Hessian `H = X'X + diag(e^l)`, and the outer loss is
/// `f(w) = |Vw - u|²/2` on validation data. With `q = H^(-1) V'(Vw - u)` the hypergradient is
/// `df/dl_j = -e^(l_j) w_j q_j` at the solution.
struct Ridge {
    gram: Mat<f64>,
    right: Mat<f64>,
    valid: Mat<f64>,
    target: Mat<f64>,
    l: Mat<f64>,
    step: f64,
    spectrum: Vec<f64>,
}

const P: usize = 6;

impl Ridge {
    /// Data whose Gram matrix has eigenvalues between `1/condition` and 1, and weights that are small beside them.
    fn new(condition: f64, c: f64, seed: u64) -> Self {
        let mut rng = rng(seed);
        let mut random = |rows, cols| pullback_manifolds::gaussian(Shape::mat(rows, cols), &mut rng).into_mat();
        let q = Tape::plain().constant(&random(P, P)).qr().0.value().into_mat();
        let d = Mat::from_fn(P, P, |i, j| if i == j { condition.powf(-(i as f64) / (P - 1) as f64) } else { 0.0 });
        let (valid, target, right) = (random(9, P), random(9, 1), random(P, 1));
        let l = Mat::from_fn(P, 1, |i, _| (0.2 / condition).ln() - 0.3 * (i as f64));
        let gram = &q * d * q.transpose();
        let weighted = Mat::from_fn(P, P, |i, j| gram[(i, j)] + if i == j { l[(i, 0)].exp() } else { 0.0 });
        let spectrum = weighted.self_adjoint_eigenvalues(Side::Lower).unwrap();
        Ridge { gram, right, valid, target, l, step: c / spectrum[P - 1], spectrum }
    }

    fn derivative(&self, steps: usize, how: Estimator) -> Derivative<Mat<f64>, Mat<f64>> {
        let w0 = Mat::zeros(P, 1);
        inner_loop(
            &w0,
            &self.l,
            |w, l, _| w - (&self.gram * w + l.exp().hadamard(w) - &self.right) * self.step,
            |w, _| {
                let r = &self.valid * w - &self.target;
                r.dot(r) * 0.5
            },
        )
        .derivative(steps, how)
        .unwrap()
    }

    /// The largest contraction, `max |1 - step lambda|`.
    fn rho(&self) -> f64 {
        self.spectrum.iter().map(|l| (1.0 - self.step * l).abs()).fold(0.0, f64::max)
    }

    /// Steps until rounding, but no more than three thousand.
    fn converged(&self) -> usize {
        ((1e-16f64.ln() / self.rho().ln()) as usize).clamp(10, 3000)
    }

    /// `H^(-1) b`.
    fn solve(&self, b: &Mat<f64>) -> Mat<f64> {
        let h = Mat::from_fn(P, P, |i, j| self.gram[(i, j)] + if i == j { self.l[(i, 0)].exp() } else { 0.0 });
        pullback::value(|h: Var| h.solve(b), &h).unwrap().into_mat()
    }

    /// The closed form at `w`, and `|p - v_0| / |v_0|`, where `step p = q` and `v_0 = V'(Vw - u)`: what one step leaves
    /// out.
    fn truth(&self, w: &Mat<f64>) -> (Mat<f64>, f64) {
        let v = self.valid.transpose() * (&self.valid * w - &self.target);
        let q = self.solve(&v);
        let gradient = Mat::from_fn(P, 1, |j, _| -self.l[(j, 0)].exp() * w[(j, 0)] * q[(j, 0)]);
        (gradient, (&q * (1.0 / self.step) - &v).norm_l2() / v.norm_l2())
    }
}

const CONDITIONS: [f64; 3] = [1.5, 10.0, 100.0];
const STEPS: [f64; 5] = [0.1, 0.5, 1.0, 1.5, 1.95];

/// Every problem of the sweep.
fn sweep() -> impl Iterator<Item = (String, Ridge)> {
    let seeds = |condition, c| (1..3).map(move |seed| (condition, c, seed));
    let all = CONDITIONS.into_iter().flat_map(move |k| STEPS.into_iter().flat_map(move |c| seeds(k, c)));
    all.map(|(k, c, seed)| (format!("condition {k}, step {c}/lambda, seed {seed}"), Ridge::new(k, c, seed)))
}

fn tail(c: &Certificate) -> f64 {
    c.tail().unwrap()
}

#[test]
fn at_the_solution_the_tail_of_one_step_bounds_what_is_missing() {
    for (which, ridge) in sweep() {
        let d = ridge.derivative(ridge.converged(), Estimator::OneStep);
        let (_, missing) = ridge.truth(&d.state);
        let (seen, rho) = (tail(&d.certificate), d.certificate.rho.unwrap());
        // Within a factor 3 above for steps that do not overshoot. A step near the limit of stability has terms of both
        // signs, which a sum of lengths cannot see.
        let most = if ridge.step * ridge.spectrum[P - 1] <= 1.0 { 3.0 } else { 40.0 };
        assert!((0.97 * missing..most * missing).contains(&seen), "{which}: tail {seen}, missing {missing}");
        assert!(rho < ridge.rho() + 1e-9 && (1.0 - rho) < 1.2 * (1.0 - ridge.rho()), "{which}: {rho}, {}", ridge.rho());
    }
}

#[test]
fn one_step_never_looks_better_than_a_series() {
    for (which, ridge) in sweep() {
        let steps = ridge.converged();
        let one = ridge.derivative(steps, Estimator::OneStep).certificate;
        for terms in [1, 2, 5, 20, 200] {
            let series = ridge.derivative(steps, Estimator::FixedPoint { terms }).certificate;
            assert!(tail(&one) >= tail(&series) * (1.0 - 1e-9), "{which}, {terms} terms: {one:?} {series:?}");
        }
    }
}

#[test]
fn after_any_number_of_steps_the_error_is_what_the_tail_says() {
    for (which, ridge) in sweep() {
        for steps in [1, 2, 5, 20, ridge.converged()] {
            let d = ridge.derivative(steps, Estimator::OneStep);
            let (truth, _) = ridge.truth(&d.state);
            let (error, t) = (agreement(&d.gradient, &truth).relative_error, tail(&d.certificate));
            // Far from a fixed point, where the last step began elsewhere than it ended, the motion says so.
            assert!(error < 3.0 * t + d.certificate.motion.unwrap(), "{which}, {steps} steps: error {error}, tail {t}");
            // Of the whole sum, t / (1 + t) is missing, if the step does not overshoot.
            if ridge.step * ridge.spectrum[P - 1] <= 1.0 && d.certificate.motion.unwrap() < 1e-3 {
                let ratio = error / (t / (1.0 + t));
                assert!((0.3..1.5).contains(&ratio), "{which}, {steps} steps: error {error}, tail {t}");
            }
        }
    }
}

#[test]
fn an_error_of_two_thirds_comes_with_a_warning() {
    let ridge = Ridge::new(4.0, 1.0, 2);
    let d = ridge.derivative(ridge.converged(), Estimator::OneStep);
    let error = agreement(&d.gradient, &ridge.truth(&d.state).0).relative_error;
    let c = &d.certificate;
    assert!((0.5..0.8).contains(&error), "{error}");
    assert!(c.rho.unwrap() > 0.7 && tail(c) > 1.0 && c.norms.len() == 2 && c.terms == 0, "{c:?}");
}

#[test]
fn a_series_of_no_further_terms_says_the_same() {
    let ridge = Ridge::new(10.0, 1.0, 1);
    let one = ridge.derivative(50, Estimator::OneStep);
    let series = ridge.derivative(50, Estimator::FixedPoint { terms: 0 });
    assert_eq!((one.certificate, one.gradient), (series.certificate, series.gradient));
}

#[test]
fn where_nothing_is_missing_the_tail_is_zero() {
    // The step forgets its state, so one step is exact.
    let forgets = inner_loop(&1.0f64, &3.0f64, |z, phi, _| z * 0.0 + phi * phi, |z, _| z);
    let d = forgets.derivative(5, Estimator::OneStep).unwrap();
    assert_eq!((d.gradient, d.certificate.rho, d.certificate.tail()), (6.0, Some(0.0), Some(0.0)));
    assert_eq!(d.certificate.norms, [1.0, 0.0]);
    // A pull that vanishes at once, beside a mode that does not and that the loss does not see.
    let (z0, phi) = (mat![[1.0], [1.0]], mat![[1.0], [2.0]]);
    let half = mat![[0.0, 0.0], [0.0, 0.5]];
    let d =
        inner_loop(&z0, &phi, |z, phi, _| &half * z + phi, |z, _| z.row_range(0, 1)).derivative(9, Estimator::OneStep);
    let d = d.unwrap();
    assert_eq!((d.gradient, d.certificate.tail()), (mat![[1.0], [0.0]], Some(0.0)));
    assert!((d.certificate.rho.unwrap() - 0.5).abs() < 1e-12);
    // A loss that does not see the state has no terms at all.
    let blind = inner_loop(&1.0f64, &3.0f64, |z, phi, _| z * 0.5 + phi, |_, phi| phi * phi);
    let d = blind.derivative(5, Estimator::OneStep).unwrap();
    assert_eq!((d.gradient, d.certificate.norms, d.certificate.rho), (6.0, vec![0.0], None));
}

#[test]
fn a_loop_that_does_not_contract_has_no_tail() {
    let grows = inner_loop(&1.0f64, &0.1f64, |z, phi, _| z * 1.5 + phi, |z, _| z);
    let d = grows.derivative(5, Estimator::OneStep).unwrap();
    assert!((d.certificate.rho.unwrap() - 1.5).abs() < 1e-14);
    assert_eq!((d.gradient, d.certificate.tail()), (1.0, None));
    // The loss sees only what contracts, and the loop runs away elsewhere: its motion tells.
    let (z0, phi) = (mat![[1.0], [1.0]], mat![[1.0], [2.0]]);
    let a = mat![[0.1, 0.0], [0.0, 1.2]];
    let d = inner_loop(&z0, &phi, |z, phi, _| &a * z + phi, |z, _| z.row_range(0, 1));
    let c = d.derivative(9, Estimator::OneStep).unwrap().certificate;
    assert!(c.norms[1] < 0.2 && c.rho.unwrap() > 1.0 && c.tail().is_none(), "{c:?}");
    // A step without a derivative by its state still has one by its parameters, and nothing speaks for a contraction.
    let root = inner_loop(&0.0f64, &2.0f64, |z, phi, _| z.sqrt() + phi, |z, _| z);
    let d = root.derivative(1, Estimator::OneStep).unwrap();
    assert_eq!((d.gradient, d.certificate.rho, d.certificate.tail()), (1.0, Some(f64::INFINITY), None));
}

#[test]
fn a_loop_that_converged_long_ago_is_judged_by_the_motion_it_once_had() {
    // The loss sees the fast mode almost alone: the first ratio is 0.1, and the missing part is that of the slow mode,
    // 0.9.
    let (z0, phi) = (mat![[0.0], [0.0]], mat![[1.0], [1.0]]);
    let a = mat![[0.1, 0.0], [0.0, 0.9]];
    let w = mat![[1.0], [0.05]];
    let p = inner_loop(&z0, &phi, |z, phi, _| &a * z + phi, |z, _| z.dot(&w));
    for steps in [60, 400, 5000] {
        let c = p.derivative(steps, Estimator::OneStep).unwrap().certificate;
        assert!((c.rho.unwrap() - 0.9).abs() < 1e-6, "{steps}: {c:?}");
        let missing = (0.1f64 / 0.9).hypot(0.05 * 9.0) / 1f64.hypot(0.05);
        assert!((missing..3.0 * missing).contains(&tail(&c)), "{steps}: {c:?}");
        assert_eq!(c.motion == Some(0.0), steps > 60);
    }
    // Started at the solution there never was a motion, and the first ratio is all there is.
    let solution = mat![[1.0 / 0.9], [10.0]];
    let p = inner_loop(&solution, &phi, |z, phi, _| &a * z + phi, |z, _| z.dot(&w));
    let c = p.derivative(50, Estimator::OneStep).unwrap().certificate;
    assert_eq!(c.rho, Some(c.norms[1]));
}

#[test]
fn the_formula_printed_in_2022_is_judged_by_its_own_terms() {
    // v_1 = v_0 - A'v_0 with A = 0.8: a ratio of 0.2, and the sum of all terms is 1 / 0.8.
    let p = inner_loop(&0.0f64, &1.0f64, |z, phi, _| z * 0.8 + phi, |z, _| z);
    let d = p.derivative(300, Estimator::IrmmPaper { terms: 0 }).unwrap();
    assert!((d.gradient + 1.0).abs() < 1e-15 && (d.certificate.rho.unwrap() - 0.2).abs() < 1e-15);
    assert!((tail(&d.certificate) - 0.25).abs() < 1e-14);
}

#[test]
fn on_a_manifold_the_contraction_is_that_of_the_tangent_space() {
    // Gradient descent for tr X'CX: A = I - step Hess, whose smallest curvature is 2 (lambda_3 - lambda_2); in the
    // ambient space the projection would hide nothing, and A has eigenvalues of normal directions.
    let (n, p, step) = (5, 2, 0.08);
    let gr = Grassmann::new(n, p);
    let x0 = gr.random_point(1, &mut rng(4)).swap_remove(0);
    let spectrum = [1.0, 2.0, 3.5, 4.0, 6.0];
    let c0 = Mat::from_fn(n, n, |i, j| if i == j { spectrum[i] } else { 0.0 });
    let m = Mat::from_fn(n, n, |i, j| ((2 * i + 3 * j) as f64).sin());
    let descend = inner_loop(
        &x0,
        &c0,
        |x, c, _| {
            let g = x.grad(|x| x.t_mul(c.sym() * x).trace());
            gr.retract(x, *gr.egrad_to_rgrad(x, Egrad(g)) * -step)
        },
        |x, _| x.t_mul(&m * x).trace(),
    )
    .on(&gr);
    let one = descend.derivative(400, Estimator::OneStep).unwrap();
    assert!((one.certificate.rho.unwrap() - (1.0 - step * 2.0 * 1.5)).abs() < 1e-3, "{:?}", one.certificate);
    let truth = descend.derivative(400, Estimator::FixedPoint { terms: 200 }).unwrap();
    let (error, t) = (agreement(&one.gradient, &truth.gradient).relative_error, tail(&one.certificate));
    assert!((0.5..1.5).contains(&(error / (t / (1.0 + t)))), "error {error}, tail {t}");
}

#[test]
fn the_motion_is_relative_to_the_state() {
    // z_t = 2 c (1 - 2^-t).
    for c in [1.0, 1e6, 1e-6] {
        let p = inner_loop(&0.0f64, &c, |z, phi, _| z * 0.5 + phi, |z, _| z);
        for steps in [1, 2, 5] {
            let motion = p.derivative(steps, Estimator::OneStep).unwrap().certificate.motion.unwrap();
            let (now, before) = (1.0 - 0.5f64.powi(steps as i32), 1.0 - 0.5f64.powi(steps as i32 - 1));
            assert!((motion - (now - before) / now).abs() < 1e-12, "{c}, {steps} steps: {motion}");
        }
    }
}
