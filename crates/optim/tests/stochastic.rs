//! Costs that are means over minibatches: what is drawn, what converges, what is resumed.

use pullback::faer::Mat;
use pullback::prelude::*;
use pullback_manifolds::{Grassmann, Manifold, rng};
use pullback_optim::{Checkpoint, Lbfgs, Problem, RAdam, Rsgd, Rsrg, Rsvrg, Solver, Stop, TrustRegions};
use std::cell::RefCell;

const PARTS: usize = 12;

fn parts() -> Vec<Mat<f64>> {
    (0..PARTS)
        .map(|k| Mat::from_fn(6, 4, |i, j| ((3 * i + 5 * j + 7 * k) as f64).sin() + if i == j { 1.0 } else { 0.0 }))
        .collect()
}

fn cost<'t>(x: Var<'t>, a: &Mat<f64>) -> Var<'t> {
    let y = x.t_mul(a);
    y.dot(y).sum() * -0.5
}

#[test]
fn every_minibatch_is_drawn_once_in_each_round_and_orders_differ() {
    let (gr, data) = (Grassmann::new(6, 2), parts());
    let x0 = gr.random_point(1, &mut rng(1)).swap_remove(0);
    let seen = RefCell::new(Vec::new());
    let problem = Problem::stochastic(&gr, &x0, PARTS, |x, k| {
        seen.borrow_mut().push(k);
        cost(x, &data[k])
    });
    problem.solve(Rsgd { step: 1e-3 }, Stop::Iterations(2 * PARTS - 1)).unwrap();
    let seen = seen.into_inner();
    assert_eq!(seen.len(), 2 * PARTS);
    let sorted = |l: &[usize]| {
        let mut l = l.to_vec();
        l.sort_unstable();
        l
    };
    assert_eq!(sorted(&seen[..PARTS]), (0..PARTS).collect::<Vec<_>>());
    assert_eq!(sorted(&seen[PARTS..]), (0..PARTS).collect::<Vec<_>>());
    assert_ne!(seen[..PARTS], seen[PARTS..]);
}

#[test]
fn reduced_variance_converges_with_a_fixed_step_and_plain_descent_does_not() {
    let (gr, data) = (Grassmann::new(6, 2), parts());
    let x0 = gr.random_point(1, &mut rng(1)).swap_remove(0);
    let problem = Problem::stochastic(&gr, &x0, PARTS, |x, k| cost(x, &data[k]));
    // Solvers that search see the mean: the answer.
    let best = problem.solve(TrustRegions::default(), Stop::GradientNorm(1e-10) | Stop::Iterations(100)).unwrap();
    assert!(best.why.met("gradient norm"));
    let whole = Mat::from_fn(6, 6, |i, j| {
        data.iter().map(|a| (0..4).map(|k| a[(i, k)] * a[(j, k)]).sum::<f64>()).sum::<f64>() / PARTS as f64
    });
    let values = Tape::plain().constant(&whole).eigvalsh().value();
    assert!((best.cost + 0.5 * (values.data()[4] + values.data()[5])).abs() < 1e-10);
    let lbfgs = problem.solve(Lbfgs::default(), Stop::GradientNorm(1e-9) | Stop::Iterations(200)).unwrap();
    assert!((lbfgs.cost - best.cost).abs() < 1e-12);

    let excess = |x: &Batch| problem.whole(x).unwrap() - best.cost;
    let plain = excess(&problem.solve(Rsgd { step: 0.05 }, Stop::Iterations(3000)).unwrap().point);
    let svrg = excess(&problem.solve(Rsvrg::new(0.05), Stop::Iterations(3000)).unwrap().point);
    let srg = excess(&problem.solve(Rsrg::new(0.05), Stop::Iterations(3000)).unwrap().point);
    assert!(svrg.abs() < 1e-12 && srg.abs() < 1e-12, "svrg {svrg:e}, srg {srg:e}");
    assert!(plain > 1e-6, "plain {plain:e}");
}

#[test]
fn a_resumed_run_draws_what_it_would_have_drawn() {
    let (gr, data) = (Grassmann::new(6, 2), parts());
    let x0 = gr.random_point(1, &mut rng(1)).swap_remove(0);
    let problem = Problem::stochastic(&gr, &x0, PARTS, |x, k| cost(x, &data[k])).seed(7);
    fn same<S: Solver + Clone, F: for<'t> pullback_optim::BatchFn<'t, Batch>>(
        problem: &pullback_optim::Stochastic<'_, Batch, F>,
        solver: S,
    ) {
        let stop = || Stop::Iterations(31);
        let whole = problem.solve(solver.clone(), stop()).unwrap();
        let mut run = problem.run(solver.clone(), stop());
        (0..18).for_each(|_| assert!(run.step().unwrap().is_some()));
        let text = run.checkpoint().unwrap().to_json();
        let read = Checkpoint::from_json(&text).unwrap();
        let rest = problem.resume(solver.clone(), stop(), &read).unwrap().to_end().unwrap();
        let bits = |b: &Batch| b.data().iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&rest.point), bits(&whole.point), "{}", solver.name());
        assert_eq!(rest.counts, whole.counts);
    }
    same(&problem, Rsvrg { inner: 7, ..Rsvrg::new(0.05) });
    same(&problem, Rsrg { inner: 7, ..Rsrg::new(0.05) });
    same(&problem, RAdam::new(0.05));
    let one = problem.solve(RAdam::new(0.05), Stop::Iterations(31)).unwrap();
    let other = problem.seed(8).solve(RAdam::new(0.05), Stop::Iterations(31)).unwrap();
    assert_ne!(other.point.data(), one.point.data());
}

#[test]
fn no_minibatch_is_an_error() {
    let gr = Grassmann::new(6, 2);
    let x0 = gr.random_point(1, &mut rng(1)).swap_remove(0);
    let failed = Problem::stochastic(&gr, &x0, 0, |x: Var, _| x.sum()).solve(Rsgd { step: 0.1 }, Stop::default());
    assert!(failed.unwrap_err().to_string().contains("minibatches: expected at least 1, got 0"));
}
