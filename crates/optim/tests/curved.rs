//! Methods on a curved manifold against steps written by hand in plain numbers, schedules that depend on the step, and
//! stopping: by every member, and at the stated size.

use pullback::faer::{Mat, mat};
use pullback::prelude::*;
use pullback::{Batch, Shape};
use pullback_manifolds::{Euclidean, Grassmann, Manifold, Retraction, rng};
use pullback_optim::{Momentum, Problem, Rsgd, Stop, descend, tune};

const N: usize = 5;
const METHOD: Momentum = Momentum { step: 0.04, beta: 0.8 };

fn matrix(k: f64) -> Mat<f64> {
    Mat::from_fn(N, N, |i, j| if i == j { 1.0 + i as f64 * k } else { 0.2 / (1.0 + (i + j) as f64) })
}

/// `S^(-1/2)` of a positive definite 2x2 matrix: `sqrt S = (S + sqrt(det S) I) / t` with `t² = tr S + 2 sqrt(det S)`.
fn inverse_root(s: &Mat<f64>) -> Mat<f64> {
    let d = (s[(0, 0)] * s[(1, 1)] - s[(0, 1)] * s[(1, 0)]).sqrt();
    let t = (s[(0, 0)] + s[(1, 1)] + 2.0 * d).sqrt();
    // Of the root [a b; b c], whose determinant is d.
    let (a, b, c) = ((s[(0, 0)] + d) / t, s[(0, 1)] / t, (s[(1, 1)] + d) / t);
    mat![[c / d, -b / d], [-b / d, a / d]]
}

fn tangent(x: &Mat<f64>, u: &Mat<f64>) -> Mat<f64> {
    u - x * (x.transpose() * u)
}

/// `steps` steps for `tr X'A_tX`: `M <- beta M + P(2 A_t X)`, `Z = X - step M`, `X <- Z (Z'Z)^(-1/2)`, `M <- P(M)` at
/// the new point.
fn by_hand(x0: &Mat<f64>, steps: usize, at: impl Fn(usize) -> Mat<f64>) -> Mat<f64> {
    let (mut x, mut m) = (x0.clone(), Mat::zeros(N, 2));
    for t in 0..steps {
        m = &m * METHOD.beta + tangent(&x, &(at(t) * &x * 2.0));
        let z = &x - &m * METHOD.step;
        x = &z * inverse_root(&(z.transpose() * &z));
        m = tangent(&x, &m);
    }
    x
}

#[test]
fn momentum_on_a_curved_manifold_is_the_step_written_by_hand() {
    let gr = Grassmann::new(N, 2);
    let x0 = gr.random_point(1, &mut rng(5)).swap_remove(0);
    let a = matrix(1.0);
    let problem = Problem::new(&gr, &x0, |x| x.t_mul(&a * x).trace());
    for steps in 1..7 {
        let x = problem.solve(METHOD, Stop::Iterations(steps)).unwrap().point;
        let error = (x.member(0) - by_hand(&x0.member(0), steps, |_| a.clone())).norm_max();
        assert!(error < 1e-13, "after {steps} steps: {error:e}");
    }
    // The momentum is long enough that leaving it at the old point would be seen.
    let mut x = x0.member(0);
    let mut m = Mat::zeros(N, 2);
    for _ in 0..6 {
        m = &m * METHOD.beta + tangent(&x, &(&a * &x * 2.0));
        let z = &x - &m * METHOD.step;
        x = &z * inverse_root(&(z.transpose() * &z));
    }
    assert!((x - by_hand(&x0.member(0), 6, |_| a.clone())).norm_max() > 1e-3);
}

#[test]
fn the_cost_of_a_step_knows_its_number() {
    let gr = Grassmann::new(N, 2);
    let x0 = gr.random_point(1, &mut rng(6)).swap_remove(0);
    let at = |t: usize| matrix(1.0 / (1.0 + t as f64));
    let tape = Tape::plain();
    let x = descend(&gr, &METHOD, tape.constant(&x0), 6, |x, t| x.t_mul(at(t) * x).trace()).value();
    assert!((x.member(0) - by_hand(&x0.member(0), 6, at)).norm_max() < 1e-13);
}

#[test]
fn every_member_of_a_batch_takes_its_own_step() {
    // Other costs, one of them with its minimum at the start.
    let gr = Grassmann::new(N, 2).with(Retraction::Polar);
    let mut x0 = gr.random_point(3, &mut rng(7)).swap_remove(0);
    let each = N * 2;
    x0.data_mut()[..each].fill(0.0);
    (x0.data_mut()[0], x0.data_mut()[N + 1]) = (1.0, 1.0);
    let costs = [Mat::from_fn(N, N, |i, j| if i == j { i as f64 } else { 0.0 }), matrix(1.0), matrix(3.0)];
    let all = Batch::from_fn(Shape::batch(3, N, N), |b, i, j| costs[b][(i, j)]);
    let problem = Problem::new(&gr, &x0, |x| x.t_mul(x.tape().constant(&all) * x).trace().sum());
    let mut run = problem.run(METHOD, Stop::GradientNorm(1e-6) | Stop::Iterations(4));
    while run.step().unwrap().is_some() {}
    let found = run.finish();
    assert!(found.why.met("4 iterations"), "member 0 has arrived, the others have not: {}", found.why);
    let x = found.point;
    for b in 0..3 {
        let error = (x.member(b) - by_hand(&x0.member(b), 4, |_| costs[b].clone())).norm_max();
        assert!(error < 1e-13, "member {b}: {error:e}");
    }
}

#[test]
fn a_run_stops_at_the_first_gradient_below_the_stated_size() {
    // In flat space the gradients of x²/2 are 3 * 0.9^k.
    let m = Euclidean::new(1, 1);
    let problem = Problem::new(&m, &3.0f64, |x| x * x * 0.5);
    for k in [0, 1, 5] {
        let size = 3.0 * 0.9f64.powi(k);
        for (share, expected) in [(1.0 + 1e-9, k), (1.0 - 1e-9, k + 1)] {
            let stop = Stop::GradientNorm(share * size) | Stop::Iterations(100);
            let found = problem.solve(Rsgd { step: 0.1 }, stop).unwrap();
            assert!(found.why.met("gradient norm"), "{}", found.why);
            assert_eq!(found.iterations, expected as usize, "{share} of {size}");
        }
    }
}

#[test]
fn on_a_manifold_the_riemannian_gradient_decides() {
    // At eigenvectors the Euclidean gradient 2AX is not zero, and its tangent part is.
    let gr = Grassmann::new(N, 2);
    let a = Mat::from_fn(N, N, |i, j| if i == j { 1.0 + i as f64 } else { 0.0 });
    let x0 = Mat::from_fn(N, 2, |i, j| if i == j { 1.0 } else { 0.0 });
    let problem = Problem::new(&gr, &x0, |x| x.t_mul(&a * x).trace());
    let found = problem.solve(METHOD, Stop::GradientNorm(1e-12) | Stop::Iterations(5)).unwrap();
    assert!(found.why.met("gradient norm"), "{}", found.why);
    assert_eq!((found.iterations, found.gradient), (0, 0.0));
}

#[test]
fn both_ends_of_a_grid_are_edges() {
    for (best, edge) in [(1.0, true), (2.0, false), (3.0, true)] {
        let found = tune(&[1.0, 2.0, 3.0], |at: f64| Ok((at - best).abs()));
        assert_eq!((found.best_at(), found.at_the_edge()), (Some(best), edge));
    }
}
