//! The augmented Lagrangian method: solutions and multipliers in closed form, and problems that have none.

mod known;

use known::{known_matrix, orthonormal, symmetric};
use pullback::faer::{Mat, mat};
use pullback::prelude::*;
use pullback_manifolds::{Euclidean, Grassmann, Sphere};
use pullback_optim::{
    AdaptiveCubics, AugmentedLagrangian, AugmentedState, BarzilaiBorwein, ConjugateGradient, Constrained,
    ConstrainedFound, Lbfgs, Problem, Solver, Stop, TrustRegions, Verdict,
};

fn settings() -> AugmentedLagrangian {
    AugmentedLagrangian::default()
}

fn assert_solved<L: pullback::Leaves>(found: &ConstrainedFound<L>) {
    assert_eq!(found.verdict, Verdict::Solved, "{}: {:?}", found.verdict, found.history.last());
    assert!(found.violation <= 1e-7 && found.gradient <= 1e-7);
}

#[test]
fn multipliers_are_those_of_the_closed_form() {
    // min |x|^2 under sum x = 1: x = 1/n, and 2 x + gamma = 0.
    let space = Euclidean::new(3, 1);
    let x0: Mat<f64> = mat![[3.0], [-1.0], [0.5]];
    let problem = Constrained::new(&space, &x0, |x| x.dot(x)).equal_zero(|x| x.sum() - 1.0);
    fn check(found: &ConstrainedFound<Mat<f64>>) {
        assert_solved(found);
        let off = (0..3).map(|i| (found.point[(i, 0)] - 1.0 / 3.0).abs()).fold(0.0, f64::max);
        assert!(off < 1e-6 && (found.equal[0].data()[0] + 2.0 / 3.0).abs() < 1e-6, "off by {off:e}");
    }
    check(&problem.solve(settings(), TrustRegions::default()).unwrap());
    check(&problem.solve(settings(), Lbfgs::default()).unwrap());
    check(&problem.solve(settings(), ConjugateGradient::default()).unwrap());
    check(&problem.solve(settings(), BarzilaiBorwein::default()).unwrap());
    // An inequality that binds, 2 (x - 2) + lambda = 0 at x = 1, and one that does not.
    let line = Euclidean::new(1, 1);
    let bound = |at: f64| {
        let problem = Constrained::new(&line, &0.0f64, |x: Var| (x - 2.0) * (x - 2.0)).at_most_zero(move |x| x - at);
        problem.solve(settings(), TrustRegions::default()).unwrap()
    };
    let found = bound(1.0);
    assert_solved(&found);
    assert!((found.point - 1.0).abs() < 1e-6 && (found.at_most[0].data()[0] - 2.0).abs() < 1e-5);
    let found = bound(3.0);
    assert_solved(&found);
    assert!((found.point - 2.0).abs() < 1e-6 && found.at_most[0].data()[0] == 0.0);
}

#[test]
fn entries_of_a_constraint_are_constraints() {
    // min |x - c|^2 under x >= 0: x = max(c, 0), lambda = 2 max(-c, 0).
    let c: Mat<f64> = mat![[1.0], [-0.5], [0.0], [2.0], [-3.0]];
    let space = Euclidean::new(5, 1);
    let x0 = Mat::from_fn(5, 1, |_, _| 1.0);
    let problem = Constrained::new(&space, &x0, |x| (x - &c).dot(x - &c)).at_most_zero(|x| x * -1.0);
    let found = problem.solve(settings(), TrustRegions::default()).unwrap();
    assert_solved(&found);
    for i in 0..5 {
        let (x, lambda) = (found.point[(i, 0)], found.at_most[0].data()[i]);
        assert!((x - c[(i, 0)].max(0.0)).abs() < 1e-6, "x[{i}] = {x}");
        assert!((lambda - 2.0 * (-c[(i, 0)]).max(0.0)).abs() < 1e-5 && lambda >= 0.0, "lambda[{i}] = {lambda}");
    }
}

#[test]
fn on_a_manifold_the_solution_is_stationary_for_its_multipliers() {
    // The lowest subspace of A whose trace with B is given.
    let (a, b) = (symmetric(known_matrix(1, 8, 8)), symmetric(known_matrix(2, 8, 8)));
    let gr = Grassmann::new(8, 2);
    let x0 = orthonormal(&known_matrix(3, 8, 2));
    let problem = Constrained::new(&gr, &x0, |x| x.t_mul(&a * x).trace())
        .equal_zero(|x| x.t_mul(&b * x).trace() - 0.5)
        .at_most_zero(|x| x.row(0).dot(x.row(0)) - 0.1);
    let found = problem.solve(settings(), TrustRegions::default()).unwrap();
    assert_solved(&found);
    let x = &found.point;
    let (gamma, lambda) = (found.equal[0].data()[0], found.at_most[0].data()[0]);
    // By hand: the gradient of the Lagrangian function, projected.
    let mut g = (&a * x + &b * x * gamma) * 2.0;
    (0..2).for_each(|j| g[(0, j)] += 2.0 * lambda * x[(0, j)]);
    let tangent = &g - x * (x.transpose() * &g);
    assert!(tangent.norm_l2() < 1e-6, "{:e}", tangent.norm_l2());
    let trace = (x.transpose() * (&b * x)).diagonal().column_vector().iter().sum::<f64>();
    let weight: f64 = (0..2).map(|j| x[(0, j)] * x[(0, j)]).sum();
    assert!((trace - 0.5).abs() < 1e-6 && weight < 0.1 + 1e-6 && lambda >= 0.0);
    assert!(lambda * (0.1 - weight).abs() < 1e-5, "complementary");
    assert!(gamma.abs() > 1e-3, "the equation binds");
}

#[test]
fn the_largest_eigenvector_without_negative_entries() {
    // min -x'Ax on the sphere under x >= 0 (nonnegative principal component).
    let a = symmetric(known_matrix(4, 6, 6));
    let sphere = Sphere::new(6, 1);
    let x0 = Mat::from_fn(6, 1, |_, _| 1.0 / 6f64.sqrt());
    let problem = Constrained::new(&sphere, &x0, |x| -x.dot(&a * x)).at_most_zero(|x| x * -1.0);
    for found in [
        problem.solve(settings(), TrustRegions::default()).unwrap(),
        problem.solve(settings(), Lbfgs::default()).unwrap(),
        problem.solve(settings(), AdaptiveCubics::default()).unwrap(),
    ] {
        assert_solved(&found);
        let (x, lambda) = (&found.point, found.at_most[0].data());
        // -2 A x - lambda is a multiple of x; lambda >= 0 only where x = 0.
        let g = Mat::from_fn(6, 1, |i, _| -2.0 * (0..6).map(|j| a[(i, j)] * x[(j, 0)]).sum::<f64>() - lambda[i]);
        let along = (x.transpose() * &g)[(0, 0)];
        assert!((&g - x * along).norm_l2() < 1e-6);
        for i in 0..6 {
            assert!(x[(i, 0)] > -1e-6 && lambda[i] >= 0.0 && lambda[i] * x[(i, 0)].abs() < 1e-5);
        }
        assert!(lambda.iter().any(|l| *l > 1e-3), "a constraint binds");
    }
}

#[test]
fn problems_without_a_solution_say_so() {
    let line = Euclidean::new(1, 1);
    // x^2 + 1 = 0: the least violation is at 0.
    let problem = Constrained::new(&line, &2.0f64, |x: Var| x).equal_zero(|x| x * x + 1.0);
    let found = problem.solve(settings(), TrustRegions::default()).unwrap();
    assert_eq!(found.verdict, Verdict::Infeasible, "{:?}", found.history.last());
    assert!((found.violation - 1.0).abs() < 1e-3 && found.point.abs() < 0.05, "{} at {}", found.violation, found.point);
    // Without a lower bound.
    let problem = Constrained::new(&line, &0.0f64, |x: Var| x.exp() * -1.0).at_most_zero(|x| x * -1.0);
    let found = problem.solve(settings(), TrustRegions::default()).unwrap();
    assert_eq!(found.verdict, Verdict::Unbounded);
    assert!(found.point.is_finite() && found.cost.is_finite());
    // Too few outer steps.
    let problem = Constrained::new(&line, &2.0f64, |x: Var| x * x).equal_zero(|x| x - 1.0);
    let few = AugmentedLagrangian { iterations: 1, penalty: Some(1.0), ..settings() };
    let found = problem.solve(few, TrustRegions::default()).unwrap();
    assert_eq!((found.verdict, found.history.len()), (Verdict::Iterations, 1));
    // Not finite at the start, in cost or constraint; off its bounds.
    let problem = Constrained::new(&line, &-1.0f64, |x: Var| x.ln());
    assert!(problem.solve(settings(), TrustRegions::default()).is_err());
    let problem = Constrained::new(&line, &-1.0f64, |x: Var| x).equal_zero(|x| x.ln());
    assert!(problem.solve(settings(), TrustRegions::default()).is_err());
    let wrong = AugmentedLagrangian { growth: 1.0, ..settings() };
    let failed = problem.solve(wrong, TrustRegions::default()).unwrap_err().to_string();
    assert!(failed.contains("growth: expected a number above 1, got 1"), "{failed}");
}

#[test]
fn without_constraints_it_is_the_inner_solver() {
    let space = Euclidean::new(2, 1);
    let x0: Mat<f64> = mat![[1.0], [2.0]];
    let found = Constrained::new(&space, &x0, |x| x.exp().sum() - x.sum() * 2.0)
        .solve(settings(), TrustRegions::default())
        .unwrap();
    let alone = Problem::new(&space, &x0, |x: Var| x.exp().sum() - x.sum() * 2.0);
    let alone = alone.solve(TrustRegions::default(), Stop::GradientNorm(1e-7)).unwrap();
    assert_solved(&found);
    assert!((&found.point - &alone.point).norm_max() < 1e-7);
}

#[test]
fn a_resumed_run_is_the_uninterrupted_one_bit_for_bit() {
    fn same<S: Solver + Clone>(solver: S) {
        let c = known_matrix(5, 4, 1);
        let space = Euclidean::new(4, 1);
        let x0 = known_matrix(6, 4, 1);
        let problem = Constrained::new(&space, &x0, |x| (x - &c).dot(x - &c) + x.sum().exp())
            .equal_zero(|x| x.dot(x) - 1.0)
            .at_most_zero(|x| x.row(0) + 0.25);
        let whole = problem.solve(settings(), solver.clone()).unwrap();
        assert_solved(&whole);
        let mut run = problem.run(settings(), solver.clone()).unwrap();
        for _ in 0..2 {
            assert!(run.step().unwrap().is_some());
        }
        let text = serde_json::to_string(run.state()).unwrap();
        let state: AugmentedState<f64> = serde_json::from_str(&text).unwrap();
        let mut rest = problem.resume(settings(), solver, state).unwrap();
        while rest.step().unwrap().is_some() {}
        assert_eq!(rest.verdict(), &Verdict::Solved);
        let rest = rest.finish().unwrap();
        assert_eq!(rest, whole);
        // Of another problem.
        let other = Constrained::new(&space, &x0, |x| x.dot(x)).equal_zero(|x| x);
        let failed = other.resume(settings(), TrustRegions::default(), run.state().clone()).unwrap_err().to_string();
        assert!(failed.contains("expected one of constraints of shapes"), "{failed}");
    }
    same(TrustRegions::default());
    same(Lbfgs::default());
}

#[test]
fn single_precision_ends_with_a_verdict_near_the_answer() {
    let space = Euclidean::new(2, 1);
    let x0 = Mat::<f32>::from_fn(2, 1, |i, _| [2.0, -1.0][i]);
    let problem = Constrained::new(&space, &x0, |x: Var<'_, f32>| x.dot(x)).equal_zero(|x: Var<'_, f32>| x.sum() - 1.0);
    let found = problem.solve(settings(), TrustRegions::default()).unwrap();
    assert!(found.verdict != Verdict::Running);
    assert!((found.point[(0, 0)] - 0.5).abs() < 1e-4 && found.violation < 1e-4, "{}", found.verdict);
}

#[test]
fn the_gradient_that_is_reported_is_that_at_the_multipliers() {
    // 2 x + gamma for |x|^2 under sum x = 1: not only small, but the number that was judged.
    let space = Euclidean::new(3, 1);
    let x0: Mat<f64> = mat![[3.0], [-1.0], [0.5]];
    let problem = Constrained::new(&space, &x0, |x| x.exp().sum()).equal_zero(|x| x.sum() - 1.0);
    let found = problem.solve(AugmentedLagrangian { penalty: Some(30.0), ..settings() }, Lbfgs::default()).unwrap();
    assert_solved(&found);
    let gamma = found.equal[0].data()[0];
    let length = (0..3).map(|i| (found.point[(i, 0)].exp() + gamma).powi(2)).sum::<f64>().sqrt();
    assert!((length - found.gradient).abs() < 1e-9, "{length:e}, reported {:e}", found.gradient);
}

#[test]
fn a_multiplier_of_a_slack_inequality_is_no_solution() {
    // From the multiplier of x <= 1, which binds, to x <= 3, which does not.
    let line = Euclidean::new(1, 1);
    let few = AugmentedLagrangian { penalty: Some(1.0), enough: 0.9, ..settings() };
    let bound =
        |at: f64| Constrained::new(&line, &0.0f64, |x: Var| (x - 2.0) * (x - 2.0)).at_most_zero(move |x| x - at);
    let (narrow, wide) = (bound(1.0), bound(3.0));
    let mut run = narrow.run(few, TrustRegions::default()).unwrap();
    for _ in 0..3 {
        assert!(run.step().unwrap().is_some());
    }
    let mut rest = wide.resume(few, TrustRegions::default(), run.state().clone()).unwrap();
    while rest.step().unwrap().is_some() {}
    let found = rest.finish().unwrap();
    assert_solved(&found);
    assert!((found.point - 2.0).abs() < 1e-6 && found.at_most[0].data()[0] == 0.0, "{}", found.point);
}

#[test]
fn products_with_the_hessian_are_counted() {
    let line = Euclidean::new(1, 1);
    let problem = Constrained::new(&line, &0.0f64, |x: Var| x.exp() - x).equal_zero(|x| x - 1.0);
    let with = problem.solve(settings(), TrustRegions::default()).unwrap().counts;
    let without = problem.solve(settings(), Lbfgs::default()).unwrap().counts;
    assert!(with.hessians > 0 && without.hessians == 0, "{with:?}, {without:?}");
    assert!(with.costs > 0 && with.gradients > 0 && with.retractions > 0);
}
