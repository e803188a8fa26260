//! Trust regions, L-BFGS and conjugate gradients on problems whose answers and iteration counts are known.

mod known;

use known::{dominant, known_matrix, largest, order, orthonormal, symmetric};
use pullback::faer::Mat;
use pullback::prelude::*;
use pullback_manifolds::{Euclidean, Grassmann, Manifold, Retraction, rng};
use pullback_optim::{
    Beta, Checkpoint, ConjugateGradient, GradientDescent, Lbfgs, LineSearch, Problem, Solver, Stop, TrustRegions, Why,
};

#[test]
fn the_known_matrices_are_those_of_the_reference() {
    let first = known_matrix(1, 1, 3);
    for (j, expected) in [0.13312315, 0.49156351, 0.94200551].into_iter().enumerate() {
        assert!((first[(0, j)] - expected).abs() < 1e-8);
    }
}

#[test]
fn trust_regions_take_the_iterations_of_the_reference_and_converge_superlinearly() {
    let solver = TrustRegions { max_radius: Some(3f64.sqrt()), ..TrustRegions::default() };
    let found = dominant(solver, Stop::GradientNorm(1e-8) | Stop::Iterations(50));
    assert!(found.why.met("gradient norm"), "{}", found.why);
    assert!(found.iterations <= 12, "{} outer iterations, the reference takes 11", found.iterations);
    assert!((found.cost - largest()).abs() < 1e-10 * largest().abs());
    // Superlinear: each of the last gradients is far below the one before it, ever more so.
    let g: Vec<f64> = found.history.gradients();
    assert!(order(&g) > 1.3, "gradients {g:?}");
}

#[test]
fn first_order_solvers_reach_what_costs_cannot_tell() {
    let stop = || Stop::GradientNorm(1e-10) | Stop::Iterations(2000);
    for beta in [Beta::FletcherReeves, Beta::PolakRibiere, Beta::HestenesStiefel, Beta::DaiYuan, Beta::HagerZhang] {
        let found = dominant(ConjugateGradient { beta, ..ConjugateGradient::default() }, stop());
        assert!(found.why.met("gradient norm"), "{beta:?}: {} after {}", found.why, found.iterations);
        assert!((found.cost - largest()).abs() < 1e-12 * largest().abs());
    }
    let found = dominant(Lbfgs::default(), stop());
    assert!(found.why.met("gradient norm"), "{} after {}: {}", found.why, found.iterations, found.gradient);
    assert!(found.iterations < 120, "{}", found.iterations);
    let found = dominant(GradientDescent::default(), Stop::GradientNorm(1e-7) | Stop::Iterations(5000));
    assert!(found.why.met("gradient norm"), "{} after {}: {}", found.why, found.iterations, found.gradient);
    // Costs alone stall where their differences are rounding, and the run says so.
    let armijo = GradientDescent { line_search: LineSearch::Armijo { decrease: 1e-4 } };
    let found = dominant(armijo, Stop::GradientNorm(1e-12) | Stop::Iterations(5000));
    assert!(matches!(found.why, Why::Stalled(_)) && found.gradient < 1e-4, "{}: {}", found.why, found.gradient);
}

#[test]
fn the_trajectory_does_not_see_the_basis_of_a_subspace() {
    let a = symmetric(known_matrix(3, 30, 30));
    let x0 = orthonormal(&known_matrix(4, 30, 3));
    let turned = &x0 * orthonormal(&known_matrix(9, 3, 3));
    let gr = Grassmann::new(30, 3).with(Retraction::Polar);
    fn points<S: Solver>(gr: &Grassmann, a: &Mat<f64>, x0: &Mat<f64>, solver: S) -> Vec<Mat<f64>> {
        let problem = Problem::new(gr, x0, |x| -x.t_mul(a * x).trace());
        let mut out = Vec::new();
        let mut run = problem.run(solver, Stop::Iterations(60));
        while let Some(at) = run.step().unwrap() {
            let x = at.point[0].member(0);
            out.push(&x * x.transpose());
        }
        out
    }
    fn apart<S: Solver + Copy>(gr: &Grassmann, a: &Mat<f64>, x0: &Mat<f64>, x1: &Mat<f64>, s: S) -> f64 {
        let (p, q) = (points(gr, a, x0, s), points(gr, a, x1, s));
        p.iter().zip(&q).map(|(p, q)| (p - q).norm_max()).fold(0.0, f64::max)
    }
    for beta in [Beta::PolakRibiere, Beta::HestenesStiefel, Beta::HagerZhang] {
        let off = apart(&gr, &a, &x0, &turned, ConjugateGradient { beta, ..ConjugateGradient::default() });
        assert!(off < 1e-10, "{beta:?}: {off:e}");
    }
    let off = apart(&gr, &a, &x0, &turned, Lbfgs::default());
    assert!(off < 1e-10, "L-BFGS: {off:e}");
    // Nothing is carried from step to step, but the inner iteration amplifies rounding up to where it stops.
    let off = apart(&gr, &a, &x0, &turned, TrustRegions::default());
    assert!(off < 1e-6, "trust regions: {off:e}");
    assert!(apart(&gr, &a, &x0, &turned, ConjugateGradient::default()) < 1e-10);
    assert!(apart(&gr, &a, &x0, &turned, Lbfgs::default()) < 1e-10);
}

#[test]
fn a_resumed_run_is_the_uninterrupted_one_bit_for_bit() {
    let a = symmetric(known_matrix(3, 20, 20));
    let x0 = orthonormal(&known_matrix(4, 20, 2));
    let gr = Grassmann::new(20, 2);
    let problem = Problem::new(&gr, &x0, |x| -x.t_mul(&a * x).trace());
    fn same<S: Solver + Clone, F: for<'t> pullback::CostFn<'t, Mat<f64>>>(
        problem: &Problem<'_, Mat<f64>, F>,
        solver: S,
    ) {
        let stop = || Stop::Iterations(9);
        let whole = problem.solve(solver.clone(), stop()).unwrap();
        for pause in [0, 1, 4] {
            let mut run = problem.run(solver.clone(), stop());
            for _ in 0..=pause {
                run.step().unwrap();
            }
            let text = run.checkpoint().unwrap().to_json();
            drop(run);
            let read = Checkpoint::from_json(&text).unwrap();
            let rest = problem.resume(solver.clone(), stop(), &read).unwrap().to_end().unwrap();
            assert_eq!(rest.iterations, whole.iterations);
            assert_eq!(rest.counts, whole.counts);
            let bits = |m: &Mat<f64>| {
                m.col_iter().flat_map(|c| c.iter().map(|x| x.to_bits()).collect::<Vec<_>>()).collect::<Vec<_>>()
            };
            assert_eq!(bits(&rest.point), bits(&whole.point), "{} paused after {pause}", solver.name());
        }
    }
    same(&problem, TrustRegions::default());
    same(&problem, ConjugateGradient::default());
    same(&problem, Lbfgs { memory: 3, ..Lbfgs::default() });
    same(&problem, GradientDescent::default());
    // Another solver, other settings or a damaged text are refused.
    let mut run = problem.run(Lbfgs::default(), Stop::Iterations(3));
    let saved = run.checkpoint().unwrap();
    assert!(
        problem
            .resume(TrustRegions::default(), Stop::default(), &saved)
            .unwrap_err()
            .to_string()
            .contains("expected one of TrustRegions")
    );
    assert!(problem.resume(Lbfgs { memory: 5, ..Lbfgs::default() }, Stop::default(), &saved).is_err());
    let text = saved.to_json();
    assert!(Checkpoint::<f64>::from_json(&text[..text.len() / 2]).is_err());
}

#[test]
fn hard_starts_end_for_a_stated_reason() {
    let line = Euclidean::new(1, 1);
    let stop = || Stop::GradientNorm(1e-9) | Stop::Iterations(300);
    // At the optimum, and constant.
    let found = Problem::new(&line, &0.0f64, |x| x * x).solve(TrustRegions::default(), stop()).unwrap();
    assert!(found.why.met("gradient norm") && found.iterations == 0);
    let found = Problem::new(&line, &1.0f64, |x| x * 0.0).solve(Lbfgs::default(), stop()).unwrap();
    assert!(found.why.met("gradient norm"), "{}", found.why);
    // Without a lower bound.
    for cubic in [
        Problem::new(&line, &1.0f64, |x: Var| x * x * x).solve(GradientDescent::default(), Stop::Iterations(10_000)),
        Problem::new(&line, &-1.0f64, |x: Var| x * x * x).solve(ConjugateGradient::default(), Stop::Iterations(10_000)),
    ] {
        let found = cubic.unwrap();
        assert!(found.cost.is_finite(), "{}", found.why);
    }
    let found = Problem::new(&line, &-1.0f64, |x: Var| x.exp() * -1.0 - (-x).exp())
        .solve(TrustRegions::default(), Stop::Iterations(10_000))
        .unwrap();
    assert!(found.cost.is_finite() && found.cost < -2.0, "{}", found.why);
    // Outside the domain of the cost, on the way: the step is shortened.
    for solved in [
        Problem::new(&line, &5.0f64, |x: Var| x - x.ln()).solve(Lbfgs::default(), stop()),
        Problem::new(&line, &5.0f64, |x: Var| x - x.ln())
            .solve(TrustRegions { radius: Some(8.0), max_radius: Some(64.0), ..Default::default() }, stop()),
        Problem::new(&line, &5.0f64, |x: Var| x - x.ln()).solve(ConjugateGradient::default(), stop()),
    ] {
        let found = solved.unwrap();
        assert!((found.point - 1.0).abs() < 1e-8, "{} at {}", found.why, found.point);
    }
    // At a saddle the gradient is zero: a first-order criterion cannot tell, and says which criterion it was.
    let plane = Euclidean::new(2, 1);
    let saddle = pullback::faer::mat![[0.0], [0.0]];
    let found = Problem::new(&plane, &saddle, |x| x.row(0) * x.row(0) - x.row(1) * x.row(1))
        .solve(TrustRegions::default(), stop())
        .unwrap();
    assert!(found.why.met("gradient norm"));
    // Not finite at the start: an error that names the operation.
    let failed = Problem::new(&line, &-1.0f64, |x| x.ln()).solve(TrustRegions::default(), stop());
    assert!(failed.unwrap_err().to_string().contains("ln"));
    // Off the manifold.
    let gr = Grassmann::new(2, 1);
    let failed =
        Problem::new(&gr, &pullback::faer::mat![[1.0], [1.0]], |x| x.sum()).solve(TrustRegions::default(), stop());
    assert!(failed.unwrap_err().to_string().contains("is not a point of Gr(2, 1)"));
    // Settings.
    let failed =
        Problem::new(&line, &1.0f64, |x| x * x).solve(TrustRegions { kappa: 2.0, ..Default::default() }, stop());
    assert!(failed.unwrap_err().to_string().contains("kappa: expected 0 < kappa < 1, got 2"));
}

#[test]
fn a_cost_that_is_no_function_of_the_point_is_found_out() {
    let draws = std::cell::Cell::new(0.0);
    let line = Euclidean::new(1, 1);
    let problem = Problem::new(&line, &5.0f64, |x: Var| {
        draws.set(draws.get() + 1.0);
        (x - draws.get()) * (x - draws.get())
    });
    let failed = problem.solve(Lbfgs::default(), Stop::Iterations(50));
    assert!(failed.unwrap_err().to_string().contains("not a function of the point alone"));
    // One that branches on numbers is recorded anew at each point.
    let huber = Problem::new(&line, &3.0f64, |x: Var| if x.scalar().abs() < 1.0 { x * x * 0.5 } else { x.abs() - 0.5 });
    let found = huber.solve(Lbfgs::default(), Stop::GradientNorm(1e-9) | Stop::Iterations(50)).unwrap();
    assert!(found.why.met("gradient norm") && found.point.abs() < 1e-8, "{}", found.why);
}

#[test]
fn a_panic_of_the_cost_leaves_the_last_good_state() {
    let line = Euclidean::new(1, 1);
    let problem = Problem::new(&line, &4.0f64, |x: Var| {
        assert!(x.scalar() > 1.0, "below one");
        x * x
    });
    let mut run = problem.run(GradientDescent::default(), Stop::Iterations(50));
    run.step().unwrap();
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| while run.step().unwrap().is_some() {}));
    assert!(caught.is_err());
    let found = run.finish();
    assert!(found.point > 1.0 && (found.cost - found.point * found.point).abs() < 1e-12);
}

#[test]
fn a_solver_allocates_nothing_after_its_first_steps() {
    let a = symmetric(known_matrix(3, 40, 40));
    let gr = Grassmann::new(40, 2);
    let x0 = gr.random_point(1, &mut rng(1)).swap_remove(0);
    fn count<S: Solver, F: for<'t> pullback::CostFn<'t, Batch>>(problem: &Problem<'_, Batch, F>, solver: S) -> u64 {
        let mut run = problem.run(solver, Stop::Iterations(40));
        for _ in 0..12 {
            run.step().unwrap();
        }
        let mut steps = 0;
        let seen = allocation_counter::measure(|| {
            for _ in 0..6 {
                steps += u64::from(run.step().unwrap().is_some());
            }
        });
        assert_eq!(steps, 6);
        seen.count_total
    }
    // A gradient that never gets small: a start far from the end, few steps. The history may grow its list once.
    let problem = Problem::new(&gr, &x0, |x| -x.t_mul(&a * x).trace());
    assert!(count(&problem, ConjugateGradient::default()) <= 2);
    assert!(count(&problem, Lbfgs { memory: 4, ..Lbfgs::default() }) <= 2);
    assert!(count(&problem, GradientDescent::default()) <= 2);
    let slow = TrustRegions { radius: Some(1e-4), max_radius: Some(1e-4), ..TrustRegions::default() };
    assert!(count(&problem, slow) <= 2);
}
