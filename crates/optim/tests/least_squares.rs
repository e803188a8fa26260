//! Gauss & Newton's and Levenberg & Marquardt's methods: closed forms of linear problems, rates, and curved spaces.

mod known;

use known::{UnitVectors, allocations, known_matrix, order, orthonormal, resumes};
use pullback::faer::{Mat, mat};
use pullback::prelude::*;
use pullback::{Shape, jacobian};
use pullback_manifolds::{Euclidean, Grassmann, Manifold, rng};
use pullback_optim::{
    GaussNewton, Iterate, LevenbergMarquardt, Numbers, Problem, Result, Solver, Step, Stop, TrustRegions, View, Why,
};
use std::cell::RefCell;
use std::rc::Rc;

fn stop() -> Stop {
    Stop::GradientNorm(1e-10) | Stop::Iterations(300)
}

/// `10 (y - x^2)` and `1 - x`.
fn valley<'t>(x: Var<'t>) -> Var<'t> {
    let (x, y) = (x.row(0), x.row(1));
    x.tape().constant(&mat![[10.0], [0.0]]) * (y - x * x) + x.tape().constant(&mat![[0.0], [1.0]]) * (x * -1.0 + 1.0)
}

/// A solver that only asks for a product, and keeps it.
#[derive(Debug, Clone)]
struct Probe(Rc<RefCell<Vec<f64>>>, Mat<f64>);

impl Solver for Probe {
    type State = Numbers<f64>;
    fn name(&self) -> String {
        "probe".into()
    }
    fn begin(&self, view: &mut View<'_, '_, f64>, at: &Iterate<f64>) -> Result<Numbers<f64>> {
        let (mut scratch, mut out) = (Numbers::zeros(&at.x), Numbers::zeros(&at.x));
        let v = Numbers(vec![Batch::from_fn(at.x[0].shape(), |_, i, j| self.1[(i, j)])]);
        view.gauss_newton(at, &v, &mut scratch, &mut out)?;
        *self.0.borrow_mut() = out[0].data().to_vec();
        Ok(out)
    }
    fn step(
        &self,
        _: &mut View<'_, '_, f64>,
        _: &Iterate<f64>,
        _: &mut Iterate<f64>,
        _: &mut Numbers<f64>,
    ) -> Result<Step> {
        Ok(Step::Stalled("a probe"))
    }
}

#[test]
fn one_forward_and_one_reverse_sweep_are_the_product_with_the_jacobian() {
    let a = known_matrix(1, 5, 3);
    let (x0, v) = (known_matrix(2, 3, 1), known_matrix(3, 3, 1));
    let j = jacobian(|x: Var| (&a * x).sin() + x.sum() * 0.5, &x0).unwrap();
    let expected = j.transpose() * (&j * &v);
    let kept = Rc::new(RefCell::new(Vec::new()));
    let flat = Euclidean::new(3, 1);
    let problem = Problem::least_squares(&flat, &x0, |x| (&a * x).sin() + x.sum() * 0.5);
    let found = problem.solve(Probe(kept.clone(), v), Stop::Iterations(1)).unwrap();
    let off = (0..3).map(|i| (kept.borrow()[i] - expected[(i, 0)]).abs()).fold(0.0, f64::max);
    assert!(off < 1e-14, "{off:e}");
    // And the cost is half the sum of squares.
    let r = pullback::value(|x: Var| (&a * x).sin() + x.sum() * 0.5, &x0).unwrap();
    assert!((found.cost - 0.5 * r.data().iter().map(|r| r * r).sum::<f64>()).abs() < 1e-14);
}

#[test]
fn a_linear_problem_takes_one_step_of_gauss_newton() {
    let (a, b) = (known_matrix(1, 8, 3), known_matrix(2, 8, 1));
    let normal = Tape::plain();
    let gram = a.transpose() * &a;
    let exact = normal.constant(&gram).solve(&(a.transpose() * &b)).value().into_mat();
    let flat = Euclidean::new(3, 1);
    let x0 = known_matrix(3, 3, 1);
    let problem = Problem::least_squares(&flat, &x0, |x| &a * x - &b);
    let solver = GaussNewton { kappa: 1e-14, ..GaussNewton::default() };
    let found = problem.solve(solver, Stop::Iterations(1)).unwrap();
    assert!((&found.point - &exact).norm_max() < 1e-12);
    let found = problem.solve(LevenbergMarquardt::default(), stop()).unwrap();
    assert!(found.why.met("gradient norm") && (&found.point - &exact).norm_max() < 1e-9, "{}", found.why);
}

#[test]
fn without_residuals_at_the_solution_convergence_is_quadratic() {
    let plane = Euclidean::new(2, 1);
    let x0: Mat<f64> = mat![[-1.2], [1.0]];
    let problem = Problem::least_squares(&plane, &x0, valley);
    let deep = || Stop::GradientNorm(1e-13) | Stop::Iterations(300);
    let found = problem.solve(LevenbergMarquardt::default(), deep()).unwrap();
    assert!((&found.point - mat![[1.0], [1.0]]).norm_max() < 1e-10, "{} after {}", found.why, found.iterations);
    assert!(found.iterations < 50, "{}", found.iterations);
    // y = 2 exp(-t/2) + 1/4, sampled without noise.
    let t = Mat::from_fn(12, 1, |i, _| 0.5 * i as f64);
    let y = Mat::from_fn(12, 1, |i, _| 2.0 * (-0.25 * i as f64).exp() + 0.25);
    let space = Euclidean::new(3, 1);
    let x0: Mat<f64> = mat![[1.0], [-1.0], [0.0]];
    let fit = Problem::least_squares(&space, &x0, |p| (p.row(1) * &t).exp() * p.row(0) + p.row(2) - &y);
    for found in
        [fit.solve(LevenbergMarquardt::default(), deep()).unwrap(), fit.solve(GaussNewton::default(), deep()).unwrap()]
    {
        let off = (&found.point - mat![[2.0], [-0.5], [0.25]]).norm_max();
        assert!(found.why.met("gradient norm") && off < 1e-11, "{} off by {off:e}", found.why);
        let g = found.history.gradients();
        assert!(order(&g) > 1.6, "gradients {g:?}");
    }
}

#[test]
fn on_a_curved_space_a_subspace_is_fitted() {
    // Half the squared distances of columns from a subspace: half the sum of the squares of the singular values left.
    let gr = Grassmann::new(9, 2);
    let x0 = orthonormal(&known_matrix(5, 9, 2));
    let exact = &known_matrix(6, 9, 2) * known_matrix(7, 2, 6);
    let problem = Problem::least_squares(&gr, &x0, |x| x * x.t_mul(&exact) - &exact);
    let found =
        problem.solve(LevenbergMarquardt::default(), Stop::GradientNorm(1e-12) | Stop::Iterations(100)).unwrap();
    assert!(found.why.met("gradient norm") && found.cost < 1e-24, "{} with {:e}", found.why, found.cost);
    assert!(order(&found.history.gradients()) > 1.5, "{:?}", found.history.gradients());
    let noisy = &exact + known_matrix(8, 9, 6) * 0.05;
    let gram = &noisy * noisy.transpose();
    let values = Tape::plain().constant(&gram).eigvalsh().value();
    let left = 0.5 * values.data()[..7].iter().sum::<f64>();
    let problem = Problem::least_squares(&gr, &x0, |x| x * x.t_mul(&noisy) - &noisy);
    for found in [
        problem.solve(LevenbergMarquardt::default(), stop()).unwrap(),
        problem.solve(GaussNewton::default(), stop()).unwrap(),
        problem.solve(TrustRegions::default(), stop()).unwrap(),
    ] {
        assert!(found.why.met("gradient norm"), "{} after {}: {:e}", found.why, found.iterations, found.gradient);
        assert!((found.cost - left).abs() < 1e-12 * left, "{} and not {left}", found.cost);
    }
    // A point of a sphere from its distances to three others.
    let sphere = UnitVectors { n: 3, inverse: true };
    let (x0, target): (Mat<f64>, Mat<f64>) = (mat![[1.0], [0.0], [0.0]], mat![[0.6], [0.0], [0.8]]);
    let anchors = known_matrix(9, 3, 3);
    let problem = Problem::least_squares(&sphere, &x0, |x| &anchors * x - &anchors * &target);
    let found = problem.solve(LevenbergMarquardt::default(), Stop::GradientNorm(1e-13) | Stop::Iterations(50)).unwrap();
    assert!((&found.point - &target).norm_max() < 1e-12, "{} after {}", found.why, found.iterations);
}

#[test]
fn what_no_residual_sees_stays_as_it_is() {
    // Only a + b is determined.
    let plane = Euclidean::new(2, 1);
    let x0: Mat<f64> = mat![[0.5], [-2.0]];
    let t: Mat<f64> = mat![[1.0], [2.0], [4.0]];
    let problem = Problem::least_squares(&plane, &x0, |x| x.sum() * &t - &t * 3.0);
    for found in [
        problem.solve(LevenbergMarquardt::default(), stop()).unwrap(),
        problem.solve(GaussNewton::default(), stop()).unwrap(),
    ] {
        let (a, b) = (found.point[(0, 0)], found.point[(1, 0)]);
        assert!((a + b - 3.0).abs() < 1e-10 && (a - b - 2.5).abs() < 1e-10, "{}: {a}, {b}", found.why);
    }
}

#[test]
fn residuals_of_a_batch_are_summed_over_its_members() {
    let line = Euclidean::new(1, 1);
    let x0 = Batch::from_fn(Shape::batch(3, 1, 1), |b, _, _| 1.0 + b as f64);
    let wanted = Batch::from_fn(Shape::batch(3, 1, 1), |b, _, _| (b + 2) as f64);
    let problem = Problem::least_squares(&line, &x0, |x| x * x - &wanted);
    let found = problem.solve(LevenbergMarquardt::default(), stop()).unwrap();
    for b in 0..3 {
        assert!((found.point.data()[b] - ((b + 2) as f64).sqrt()).abs() < 1e-10, "{}", found.why);
    }
}

#[test]
fn a_cost_without_residuals_is_an_error_that_says_what_to_use() {
    let line = Euclidean::new(1, 1);
    let problem = Problem::new(&line, &1.0f64, |x: Var| x * x);
    for failed in [
        problem.solve(LevenbergMarquardt::default(), stop()).unwrap_err(),
        problem.solve(GaussNewton::default(), stop()).unwrap_err(),
    ] {
        assert!(failed.to_string().contains("use `Problem::least_squares`"), "{failed}");
    }
    let squares = Problem::least_squares(&line, &1.0f64, |x: Var| x * x);
    let failed = squares.solve(LevenbergMarquardt { kappa: 1.0, ..Default::default() }, stop()).unwrap_err();
    assert!(failed.to_string().contains("kappa: expected 0 < kappa < 1, got 1"), "{failed}");
}

#[test]
fn hard_starts_end_for_a_stated_reason() {
    fn all<S: Solver + Clone>(solver: S) {
        let line = Euclidean::new(1, 1);
        // At the solution; constant; a double root, where J vanishes; no root at all; an end of the domain.
        let found = Problem::least_squares(&line, &0.0f64, |x| x).solve(solver.clone(), stop()).unwrap();
        assert_eq!((found.iterations, found.cost), (0, 0.0));
        let found = Problem::least_squares(&line, &2.0f64, |x| x * 0.0 + 1.0).solve(solver.clone(), stop()).unwrap();
        assert!(found.why.met("gradient norm") && found.cost == 0.5);
        let found = Problem::least_squares(&line, &2.0f64, |x: Var| x * x).solve(solver.clone(), stop()).unwrap();
        assert!(found.cost < 1e-12, "{}", found.why);
        let found = Problem::least_squares(&line, &2.0f64, |x: Var| x * x + 1.0).solve(solver.clone(), stop()).unwrap();
        assert!((found.cost - 0.5).abs() < 1e-9, "{}: {}", found.why, found.cost);
        let found = Problem::least_squares(&line, &0.1f64, |x: Var| x.ln()).solve(solver.clone(), stop()).unwrap();
        assert!((found.point - 1.0).abs() < 1e-9, "{} at {}", found.why, found.point);
        let found = Problem::least_squares(&line, &9.0f64, |x: Var| x.ln()).solve(solver.clone(), stop()).unwrap();
        assert!((found.point - 1.0).abs() < 1e-9, "{} at {}", found.why, found.point);
        assert!(Problem::least_squares(&line, &-1.0f64, |x: Var| x.ln()).solve(solver, stop()).is_err());
    }
    all(LevenbergMarquardt::default());
    all(GaussNewton::default());
}

#[test]
fn runs_are_resumed_bit_for_bit_and_do_not_allocate() {
    let plane = Euclidean::new(2, 1);
    let x0: Mat<f64> = mat![[-1.2], [1.0]];
    let problem = Problem::least_squares(&plane, &x0, valley);
    resumes(&problem, LevenbergMarquardt::default());
    resumes(&problem, GaussNewton::default());
    // Residuals that stay, so that the iteration goes on.
    let gr = Grassmann::new(20, 2);
    let data = known_matrix(8, 20, 15);
    let x0 = gr.random_point(1, &mut rng(1)).swap_remove(0);
    let problem = Problem::least_squares(&gr, &x0, |x| x * x.t_mul(&data) - &data);
    assert!(allocations(&problem, LevenbergMarquardt { damping: 1e3, ..Default::default() }) <= 2);
    assert!(allocations(&problem, GaussNewton::default()) <= 2);
}

#[test]
fn single_precision_ends_for_a_stated_reason_near_the_answer() {
    let space = Euclidean::new(2, 1);
    let t = Mat::<f32>::from_fn(8, 1, |i, _| 0.25 * i as f32);
    let y = Mat::<f32>::from_fn(8, 1, |i, _| 2.0 * (-0.25 * i as f32).exp());
    let x0 = Mat::<f32>::from_fn(2, 1, |i, _| [1.0, 0.0][i]);
    let fit = Problem::least_squares(&space, &x0, |p: Var<'_, f32>| (p.row(1) * &t).exp() * p.row(0) - &y);
    let deep = || Stop::GradientNorm(1e-20) | Stop::Iterations(200);
    for found in
        [fit.solve(LevenbergMarquardt::default(), deep()).unwrap(), fit.solve(GaussNewton::default(), deep()).unwrap()]
    {
        assert!(found.why != Why::Running);
        let off = (found.point[(0, 0)] - 2.0).abs().max((found.point[(1, 0)] + 1.0).abs());
        assert!(off < 1e-5, "{}: off by {off:e}", found.why);
    }
}
