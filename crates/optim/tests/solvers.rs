//! Solvers against closed forms: recurrences in flat space, known optima on the Grassmann manifold, reasons for
//! stopping.

use pullback::faer::{Mat, mat};
use pullback::prelude::*;
use pullback_manifolds::{Euclidean, Grassmann, Manifold, Retraction, rng};
use pullback_optim::{Error, Momentum, Problem, Result, Rsgd, Stop, descend, log_grid, tune};

fn forever() -> Stop {
    Stop::GradientNorm(1e-9) | Stop::Iterations(100_000)
}

fn diagonal(n: usize) -> Mat<f64> {
    Mat::from_fn(n, n, |i, j| if i == j { (i + 1) as f64 } else { 0.0 })
}

#[test]
fn descent_in_flat_space_is_the_geometric_sequence() {
    let m = Euclidean::new(2, 1);
    let a = mat![[1.0, 0.0], [0.0, 3.0]];
    let x0 = mat![[1.0], [-2.0]];
    let problem = Problem::new(&m, &x0, |x| x.t_mul(&a * x) * 0.5);
    let mut run = problem.run(Rsgd { step: 0.1 }, Stop::Iterations(7));
    let mut seen = 0;
    while let Some(s) = run.step().unwrap() {
        assert_eq!(s.iteration, seen);
        let k = seen as i32;
        assert!((s.point[0].data()[0] - 0.9f64.powi(k)).abs() < 1e-15);
        assert!((s.point[0].data()[1] + 2.0 * 0.7f64.powi(k)).abs() < 1e-15);
        seen += 1;
    }
    let found = run.finish();
    assert!(found.why.met("7 iterations"), "{}", found.why);
    assert_eq!((found.iterations, seen, found.history.rows.len()), (7, 8, 8));
    let x = found.point;
    assert!((x[(0, 0)] - 0.9f64.powi(7)).abs() < 1e-15);
}

#[test]
fn what_was_found_prints_as_a_line() {
    let m = Euclidean::new(1, 1);
    let line = |c: f64| {
        let found = Problem::new(&m, &c, |x| x * 1.0).solve(Rsgd { step: 0.1 }, Stop::Iterations(0)).unwrap();
        found.to_string()
    };
    assert_eq!(line(12.5), "cost 12.5, gradient 1.0e0 after 0 steps (0 iterations)");
    for (c, printed) in [
        (-1.0 / 3.0, "-0.333333333333,"),
        (1e7, "10000000,"),
        (1.0 / 300.0, "0.00333333333333,"),
        (0.0, "0.000e0,"),
        (2e-7, "2.000e-7,"),
        (1e15, "1.000e15,"),
    ] {
        assert!(line(c).starts_with(&format!("cost {printed}")), "{}", line(c));
    }
}

#[test]
fn momentum_in_flat_space_is_its_recurrence() {
    let m = Euclidean::new(1, 1);
    let problem = Problem::new(&m, &3.0f64, |x| x * x);
    let (step, beta) = (0.05, 0.9);
    let x = problem.solve(Momentum { step, beta }, Stop::Iterations(40)).unwrap().point;
    let (mut y, mut momentum) = (3.0, 0.0);
    for _ in 0..40 {
        momentum = beta * momentum + 2.0 * y;
        y -= step * momentum;
    }
    assert!((x - y).abs() < 1e-14);
}

#[test]
fn both_methods_find_the_smallest_eigenvalues() {
    for r in [Retraction::Qr, Retraction::Polar] {
        let gr = Grassmann::new(6, 2).with(r);
        let a = diagonal(6);
        let x0 = gr.random_point(1, &mut rng(5)).swap_remove(0);
        let problem = Problem::new(&gr, &x0, |x| x.t_mul(&a * x).trace());
        for found in [
            problem.solve(Rsgd { step: 0.1 }, forever()).unwrap(),
            problem.solve(Momentum { step: 0.05, beta: 0.7 }, forever()).unwrap(),
        ] {
            assert!(found.why.met("gradient norm"), "{}", found.why);
            assert!((found.cost - 3.0).abs() < 1e-12, "{}", found.cost);
            gr.check_point(&[found.point]).unwrap();
        }
    }
}

#[test]
fn a_batch_descends_as_its_members_alone() {
    let gr = Grassmann::new(5, 2);
    let a = diagonal(5);
    let x0 = gr.random_point(3, &mut rng(5)).swap_remove(0);
    let problem = Problem::new(&gr, &x0, |x| x.t_mul(&a * x).trace().sum());
    let stop = || Stop::Iterations(20);
    let method = Momentum { step: 0.05, beta: 0.5 };
    let all = problem.solve(method, stop()).unwrap().point;
    for b in 0..3 {
        let start = Batch::of(&x0.member(b));
        let alone = Problem::new(&gr, &start, |x| x.t_mul(&a * x).trace()).solve(method, stop()).unwrap().point;
        assert!((alone.into_mat() - all.member(b)).norm_l2() < 1e-14);
    }
}

#[test]
fn a_failing_cost_is_an_error() {
    let m = Euclidean::new(1, 1);
    let problem = Problem::new(&m, &0.01f64, |x| x.cholesky().sum());
    let mut run = problem.run(Rsgd { step: 1.0 }, forever());
    run.step().unwrap();
    assert!(matches!(run.step(), Err(Error::Engine(pullback::Error::Data { primitive: "cholesky", .. }))));
    let problem = Problem::new(&m, &0.0f64, |x| x.ln());
    assert!(matches!(
        problem.run(Rsgd { step: 1.0 }, forever()).step(),
        Err(Error::Engine(pullback::Error::NonFinite { .. }))
    ));
}

#[test]
fn the_solver_and_the_program_take_the_same_steps() {
    let gr = Grassmann::new(6, 2);
    let a = diagonal(6);
    let x0 = gr.random_point(1, &mut rng(5)).swap_remove(0);
    let method = Momentum { step: 0.03, beta: 0.5 };
    let x = Problem::new(&gr, &x0, |x| x.t_mul(&a * x).trace()).solve(method, Stop::Iterations(9)).unwrap().point;
    let tape = Tape::plain();
    let y = descend(&gr, &method, tape.constant(&x0), 9, |x, _| x.t_mul(&a * x).trace()).value();
    assert!(x.data().iter().zip(y.data()).all(|(x, y)| (x - y).abs() < 1e-15));
}

#[test]
fn memory_does_not_grow_with_the_number_of_steps() {
    let gr = Grassmann::new(6, 2);
    let a = diagonal(6);
    let x0: Batch = gr.random_point(1, &mut rng(5)).swap_remove(0);
    let bytes = |steps| {
        let tape = Tape::plain();
        let a = tape.constant(&a);
        descend(&gr, &Momentum { step: 0.03, beta: 0.5 }, tape.constant(&x0), steps, |x, _| x.t_mul(a * x).trace());
        tape.peak_bytes()
    };
    assert_eq!(bytes(10), bytes(1000));
    let problem = Problem::new(&gr, &x0, |x| x.t_mul(&a * x).trace());
    let bytes = |iterations| {
        let mut run = problem.run(Rsgd { step: 0.03 }, Stop::Iterations(iterations));
        while run.step().unwrap().is_some() {}
        run.bytes()
    };
    assert_eq!(bytes(10), bytes(1000));
}

#[test]
fn the_whole_table_of_a_search_is_kept() {
    let m = Euclidean::new(1, 1);
    let problem = Problem::new(&m, &1.0f64, |x| x * x);
    let run = |step| -> Result<f64> { Ok(problem.solve(Rsgd { step }, Stop::Iterations(5))?.cost) };
    let grid = log_grid(1e-3, 10.0, 5);
    assert!((grid[1] - 1e-2).abs() < 1e-15 && (grid[4] - 10.0).abs() < 1e-12);
    let found = tune(&grid, run);
    assert_eq!((found.table.len(), found.best, found.at_the_edge()), (5, Some(2), false));
    assert_eq!(found.best_at(), Some(grid[2]));
    let failing = tune(&[1.0, 2.0], |at| if at < 2.0 { Err(Error::NoPoint) } else { Ok(f64::NAN) });
    assert_eq!((failing.table.len(), failing.best_at()), (2, None));
    let narrow = tune(&grid[..2], run);
    assert!(narrow.at_the_edge());
}
