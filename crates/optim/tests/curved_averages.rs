//! Methods that carry averages and references from point to point, against their steps written by hand on a space
//! whose metric is not that of the matrices around it, and whose transport is not a projection.

#[path = "known/curved_space.rs"]
mod curved_space;
mod known;

use curved_space::{Example, M, definite};
use pullback::prelude::*;
use pullback_manifolds::Euclidean;
use pullback_optim::{CRmsProp, Momentum, Problem, RAdam, Rsrg, Rsvrg, Schedule, Solver, Stop};

#[test]
fn adam_carries_its_momentum_and_squares_in_the_metric() {
    let e = Example::new();
    for amsgrad in [false, true] {
        let (beta1, beta2) = (0.8, 0.3);
        let x = e.points(RAdam { beta1, beta2, amsgrad, ..RAdam::new(0.1) }, 8);
        let (mut m, mut v, mut largest) = (M::zeros(3, 3), 0.0, 0.0f64);
        for p in x.windows(2) {
            let g = e.gradient(&p[0]);
            m = &m * beta1 + &g * (1.0 - beta1);
            v = beta2 * v + (1.0 - beta2) * e.inner(&p[0], &g, &g);
            largest = if amsgrad { largest.max(v) } else { v };
            let step = &m * (-0.1 / (largest + 1e-16).sqrt());
            let off = e.off(&p[0], &e.step(&p[0], &p[1]), &step);
            assert!(off < 1e-9, "amsgrad {amsgrad}: off by {off:e}");
            m = e.carry(&p[0], &p[1], &m);
        }
        // It is the largest that counts, not the last two.
        assert!(!amsgrad || v < 0.8 * largest, "{v} and {largest}");
    }
}

#[test]
fn the_largest_of_all_averages_counts() {
    let line = Euclidean::new(1, 1);
    let problem = Problem::new(&line, &5.0f64, |x: Var| x * x * 0.5);
    let (beta1, beta2) = (0.0, 0.1);
    let found = problem.solve(RAdam { beta1, beta2, ..RAdam::amsgrad(0.5) }, Stop::Iterations(30)).unwrap();
    let (mut x, mut v, mut largest) = (5.0f64, 0.0, 0.0f64);
    for _ in 0..30 {
        v = beta2 * v + (1.0 - beta2) * x * x;
        largest = largest.max(v);
        x -= 0.5 * x / (largest + 1e-16).sqrt();
    }
    assert!((found.point - x).abs() < 1e-12, "{} is not {x}", found.point);
    assert!(v < 1e-2 * largest);
}

#[test]
fn momentum_and_the_average_of_squares_are_carried() {
    let e = Example::new();
    let (step, beta) = (0.02, 0.9);
    let (mut m, mut v) = (M::zeros(3, 3), M::zeros(3, 3));
    for p in e.points(Momentum { step, beta }, 6).windows(2) {
        m = &m * beta + e.gradient(&p[0]);
        assert!(e.off(&p[0], &e.step(&p[0], &p[1]), &(&m * -step)) < 1e-9);
        m = e.carry(&p[0], &p[1], &m);
    }
    let method = CRmsProp { step, beta, ..CRmsProp::new(step) };
    for p in e.points(method, 6).windows(2) {
        let g = e.gradient(&p[0]);
        v = &v * beta + M::from_fn(3, 3, |i, j| (1.0 - beta) * g[(i, j)].powi(2));
        let scaled = |i: usize, j: usize| -step * g[(i, j)] / (v[(i, j)].max(method.floor).sqrt() + method.eps);
        let off = e.off(&p[0], &e.step(&p[0], &p[1]), &M::from_fn(3, 3, scaled));
        assert!(off < 1e-9, "off by {off:e}");
        v = e.carry(&p[0], &p[1], &v);
    }
}

/// The points of a run over four minibatches, and the matrices of these.
fn drawn(e: &Example, solver: impl Solver, steps: usize) -> (Vec<M>, [M; 4]) {
    let parts = [1, 2, 3, 4].map(|seed| definite(20 + seed) * (0.2 * seed as f64));
    let problem = Problem::stochastic(&e.space, &e.start, 4, |p, k| (p * &parts[k]).trace() - p.spd().logdet());
    let mut out = vec![];
    let watched = problem.run(solver, Stop::Iterations(steps)).watch(|at| {
        out.push(at.point[0].member(0));
        true
    });
    watched.unwrap();
    (out, parts)
}

#[test]
fn references_are_carried_and_rounds_have_their_own_step() {
    let e = Example::new();
    let (inner, schedule) = (3, Schedule::Inverse { decay: 0.5 });
    let rates = |t: usize| 0.02 / (1.0 + 0.5 * (t / inner) as f64);
    for recursive in [false, true] {
        let (x, parts) = match recursive {
            false => drawn(&e, Rsvrg { inner, schedule, ..Rsvrg::new(0.02) }, 9),
            true => drawn(&e, Rsrg { inner, schedule, ..Rsrg::new(0.02) }, 9),
        };
        let mean = parts.iter().fold(M::zeros(3, 3), |sum, a| sum + a * 0.25);
        let (mut at, mut v, mut carried) = (x[0].clone(), M::zeros(3, 3), 0.0f64);
        for t in 0..x.len() - 1 {
            if t % inner == 0 {
                (at, v) = (x[t].clone(), e.gradient_with(&x[t], &mean));
            }
            let seen = e.step(&x[t], &x[t + 1]);
            // Which of the four was drawn is not known here, but it must be one of them.
            let directions = parts.iter().map(|a| {
                let less = e.gradient_with(&at, a) - &v;
                (e.gradient_with(&x[t], a) - e.carry(&at, &x[t], &less), e.gradient_with(&x[t], a) - less)
            });
            let found =
                directions.map(|(d, plain)| (e.off(&x[t], &seen, &(&d * -rates(t))), e.off(&x[t], &plain, &d), d));
            let (off, plain, d) = found.min_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
            assert!(off < 1e-9, "recursive {recursive}, step {t}: off by {off:e}");
            carried = carried.max(plain);
            if recursive {
                (at, v) = (x[t].clone(), d);
            }
        }
        assert!(carried > 1e-4, "the transport matters: {carried:e}");
    }
}
