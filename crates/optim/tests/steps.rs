//! Steps of solvers against steps written by hand with the words of a space whose metric is not that of the matrices
//! around it, and what every step promises: conditions of line searches, radii, ratios, reasons to stop.

#[path = "known/curved_space.rs"]
mod curved_space;
mod known;

use curved_space::{Example, M};
use known::order;
use pullback::prelude::*;
use pullback_manifolds::{Euclidean, SpdMetric};
use pullback_optim::{
    AdaptiveCubics, Beta, Checkpoint, ConjugateGradient, GradientDescent, Lbfgs, LineSearch, Problem, Rsgd, Stop,
    TrustRegions,
};
use std::sync::atomic::{AtomicU64, Ordering};

/// The direction of L-BFGS: the two loops over the pairs, from the oldest to the newest.
fn two_loops(e: &Example, here: &M, g: &M, pairs: &[(M, M)]) -> M {
    let sound: Vec<&(M, M)> = pairs.iter().filter(|(s, y)| e.inner(here, s, y) > 0.0).collect();
    let (mut q, mut alphas) = (g.clone(), vec![]);
    for (s, y) in sound.iter().rev() {
        let alpha = e.inner(here, s, &q) / e.inner(here, s, y);
        q -= y * alpha;
        alphas.push(alpha);
    }
    if let Some((s, y)) = sound.last() {
        q *= e.inner(here, s, y) / e.inner(here, y, y);
    }
    for ((s, y), alpha) in sound.iter().zip(alphas.iter().rev()) {
        let beta = e.inner(here, y, &q) / e.inner(here, s, y);
        q += s * (alpha - beta);
    }
    q * -1.0
}

#[test]
fn lbfgs_on_a_curved_space_is_the_two_loops_written_by_hand() {
    // The second metric has a transport that is no isometry, so products of pairs change from point to point.
    let (affine, bures) = (SpdMetric::AffineInvariant, SpdMetric::BuresWasserstein);
    let memory = 3;
    for (metric, caution, dropped) in [(affine, 1e-4, false), (bures, 1e-4, false), (affine, 2.0, true)] {
        let e = Example::with(metric);
        let x = e.points(Lbfgs { memory, caution, ..Lbfgs::default() }, 6);
        let (mut pairs, mut turned, mut refused): (Vec<(M, M)>, _, _) = (vec![], 0.0f64, 0);
        for (k, p) in x.windows(2).enumerate() {
            let (here, next) = (&p[0], &p[1]);
            let (g, v) = (e.gradient(here), e.step(here, next));
            let off = e.apart(here, &v, &two_loops(&e, here, &g, &pairs));
            assert!(off < 1e-6, "{metric:?}, caution {caution}, step {k}: off by {off:e}");
            turned = turned.max(e.apart(here, &v, &(&g * -1.0)));
            // Room is made for a pair before it is judged.
            if pairs.len() == memory {
                pairs.remove(0);
            }
            pairs.iter_mut().for_each(|(s, y)| (*s, *y) = (e.carry(here, next, s), e.carry(here, next, y)));
            let (s, y) = (e.carry(here, next, &v), e.gradient(next) - e.carry(here, next, &g));
            let (s_y, s_s) = (e.inner(next, &s, &y), e.inner(next, &s, &s));
            match s_y > caution * e.inner(here, &g, &g).sqrt() * s_s {
                true => pairs.push((s, y)),
                false => refused += usize::from(s_y > caution * s_s),
            }
        }
        assert!((refused > 0) == dropped, "{metric:?}: {refused} pairs were refused since the gradient is large");
        assert!(dropped || turned > 1e-2, "the pairs matter: {turned:e}");
    }
}

#[test]
fn conditions_that_almost_hold_are_not_enough() {
    let line = Euclidean::new(1, 1);
    // 1.3 x^2/2: the first step, t = 1, has 0.3 of the slope and falls by less than 0.45 of what it promised.
    let wolfe = |decrease| GradientDescent { line_search: LineSearch::Wolfe { decrease, curvature: 0.5 } };
    let problem = Problem::new(&line, &0.5f64, |x: Var| x * x * 0.65);
    let after = |decrease| problem.solve(wolfe(decrease), Stop::Iterations(1)).unwrap().point;
    assert!((after(0.3) - 0.5 * (1.0 - 1.3)).abs() < 1e-12, "this is enough: {}", after(0.3));
    let t = (0.5 - after(0.45)) / 0.65;
    assert!(0.65 * after(0.45).powi(2) <= 0.65 * 0.25 - 0.45 * t * 0.65f64.powi(2) + 1e-12, "{}", after(0.45));
    // Where the slope is flat after a rise that is a hundred-thousandth of the cost: that is no rounding.
    let (s, k) = (0.1, 5.0 * std::f64::consts::PI / 3.0 / 0.1);
    let problem = Problem::new(&line, &0.0f64, |x: Var| (x - (x * k).sin() * (2.0 / k)) * s + 1000.0);
    let found = problem.solve(wolfe(0.1), Stop::Iterations(1)).unwrap();
    assert!(found.cost < 1000.0, "{} at {}", found.cost - 1000.0, found.point);
}

#[test]
fn conjugate_directions_on_a_curved_space_are_those_written_by_hand() {
    let e = Example::new();
    for beta in [Beta::FletcherReeves, Beta::PolakRibiere, Beta::HestenesStiefel, Beta::DaiYuan, Beta::HagerZhang] {
        for restart in [Some(f64::INFINITY), None] {
            let anew = restart.unwrap_or(match beta {
                Beta::FletcherReeves | Beta::DaiYuan => 0.2,
                _ => f64::INFINITY,
            });
            let line_search = LineSearch::Wolfe { decrease: 0.1, curvature: 0.4 };
            let x = e.points(ConjugateGradient { beta, line_search, restart }, 5);
            let mut d = e.gradient(&x[0]) * -1.0;
            for k in 0..x.len() - 1 {
                let (here, next) = (&x[k], &x[k + 1]);
                let off = e.apart(here, &e.step(here, next), &d);
                let steepest = e.apart(here, &e.step(here, next), &(e.gradient(here) * -1.0));
                assert!(off < 1e-6, "{beta:?}, step {k}: off by {off:e}, from the steepest descent by {steepest:e}");
                let (g, gn) = (e.gradient(here), e.gradient(next));
                let (td, tg) = (e.carry(here, next, &d), e.carry(here, next, &g));
                let y = &gn - &tg;
                let dot = |u: &M, v: &M| e.inner(next, u, v);
                let (d_y, gn_gn, g_g) = (dot(&td, &y), dot(&gn, &gn), e.inner(here, &g, &g));
                let c = match beta {
                    _ if dot(&gn, &tg).abs() >= anew * gn_gn => 0.0,
                    Beta::FletcherReeves => gn_gn / g_g,
                    Beta::PolakRibiere => (dot(&gn, &y) / g_g).max(0.0),
                    Beta::HestenesStiefel => (dot(&gn, &y) / d_y).max(0.0),
                    Beta::DaiYuan => gn_gn / d_y,
                    _ => {
                        let floor = -1.0 / (e.inner(here, &d, &d).sqrt() * g_g.sqrt().min(0.01));
                        ((dot(&gn, &y) - 2.0 * dot(&td, &gn) * dot(&y, &y) / d_y) / d_y).max(floor)
                    }
                };
                d = &td * c - &gn;
                if dot(&d, &gn) >= 0.0 {
                    d = &gn * -1.0;
                }
            }
        }
    }
}

#[test]
fn second_order_solvers_measure_in_the_metric() {
    let e = Example::new();
    let problem = Problem::new(&e.space, &e.start, |p| (p * &e.a).trace() - p.spd().logdet());
    let stop = || Stop::GradientNorm(1e-10) | Stop::Iterations(25);
    for found in [
        problem.solve(TrustRegions::default(), stop()).unwrap(),
        problem.solve(AdaptiveCubics::default(), stop()).unwrap(),
    ] {
        assert!(found.why.met("gradient norm"), "{found}");
        let g = found.history.gradients();
        assert!(order(&g) > 1.3, "gradients {g:?}");
        assert!(found.counts.hessians <= 7 * found.iterations as u64, "{:?}", found.counts);
    }
}

#[test]
fn steps_stay_within_the_radius_and_costs_do_not_rise() {
    // A valley with a bend: steps reach the boundary after several inner iterations.
    let plane = Euclidean::new(4, 1);
    let x0 = M::from_fn(4, 1, |i, _| [-1.2, 1.0, -0.5, 2.0][i]);
    let problem = Problem::new(&plane, &x0, |x| {
        let pair = |i: usize| {
            let bend = x.row(i + 1) - x.row(i) * x.row(i);
            bend * bend * 20.0 + (x.row(i) - 1.0) * (x.row(i) - 1.0)
        };
        pair(0) + pair(1) + pair(2)
    });
    for radius in [0.05, 0.2, 0.6] {
        let solver = TrustRegions { max_radius: Some(radius), radius: Some(radius), ..TrustRegions::default() };
        let found = problem.solve(solver, Stop::GradientNorm(1e-9) | Stop::Iterations(400)).unwrap();
        assert!(found.why.met("gradient norm"), "{found}");
        let rows = &found.history.rows;
        let longest = rows.iter().map(|r| r.length).fold(0.0, f64::max);
        assert!((longest / radius - 1.0).abs() < 1e-9, "{longest} of {radius}");
        assert!(rows.windows(2).all(|r| r[1].cost <= r[0].cost * (1.0 + 1e-12) + 1e-12));
    }
}

#[test]
fn a_step_is_taken_if_the_cost_falls_by_its_share_of_what_the_model_promised() {
    // x^2/2 - c (x - 1)^3 has the model x^2/2 at 1, which promises 1/2 at 0; the cost falls by 1/2 - c there.
    let line = Euclidean::new(1, 1);
    for (c, taken) in [(0.46, false), (0.44, true)] {
        let problem = Problem::new(&line, &1.0f64, |x: Var| x * x * 0.5 - (x - 1.0) * (x - 1.0) * (x - 1.0) * c);
        let solver = TrustRegions { max_radius: Some(8.0), radius: Some(2.0), ..TrustRegions::default() };
        let found = problem.solve(solver, Stop::Iterations(1)).unwrap();
        assert_eq!(found.point == 1.0, !taken, "c = {c}: {}", found.point);
    }
}

#[test]
fn line_searches_return_what_satisfies_their_conditions() {
    let line = Euclidean::new(1, 1);
    let (mut wolfe, mut approximate) = (0, 0);
    for k in 0..60 {
        let (x0, c) = (-4.0 + 0.137 * f64::from(k), [0.0, 1.0, 4.0, 15.0][k as usize % 4]);
        let f = |x: f64| 0.5 * x * x + c * (3.0 * x).sin();
        let df = |x: f64| x + 3.0 * c * (3.0 * x).cos();
        let problem = Problem::new(&line, &x0, |x: Var| x * x * 0.5 + (x * 3.0).sin() * c);
        let steps = |line_search| {
            let mut run = problem.run(GradientDescent { line_search }, Stop::GradientNorm(1e-6) | Stop::Iterations(6));
            let mut out = vec![];
            while let Some(at) = run.step().unwrap() {
                out.push(at.point[0].data()[0]);
            }
            out
        };
        let (delta, sigma) = (0.2, 0.5);
        for x in steps(LineSearch::Wolfe { decrease: delta, curvature: sigma }).windows(2) {
            let (slope, t) = (-df(x[0]).powi(2), (x[1] - x[0]) / -df(x[0]));
            let (here, rounding) = (-df(x[0]) * df(x[1]), 1e-12 * (1.0 + f(x[0]).abs()));
            let steep = here >= sigma * slope * (1.0 + 1e-9);
            let falls = f(x[1]) <= f(x[0]) + delta * t * slope + rounding && here <= -sigma * slope * (1.0 + 1e-9);
            let nearly =
                f(x[1]) <= f(x[0]) + 1e-9 * f(x[0]).abs() && here <= (2.0 * delta - 1.0) * slope * (1.0 - 1e-9);
            assert!(steep && (falls || nearly), "from {} to {} with c = {c}", x[0], x[1]);
            wolfe += usize::from(falls);
            approximate += usize::from(!falls);
        }
        let decrease = 0.3;
        for x in steps(LineSearch::Armijo { decrease }).windows(2) {
            let (slope, t) = (-df(x[0]).powi(2), (x[1] - x[0]) / -df(x[0]));
            let below = |t: f64| f(x[0] - t * df(x[0])) - f(x[0]) - decrease * t * slope;
            assert!(below(t) <= 1e-12 * (1.0 + f(x[0]).abs()), "from {} by {t}", x[0]);
        }
    }
    assert!(wolfe > 50, "{wolfe} and {approximate}");
}

#[test]
fn an_armijo_step_is_the_first_halving_that_suffices() {
    // 50 x^2 from 1, where the first step has length 1: t = 1/100, which reaches 0 at once, and c t |g|^2 = 100 c.
    let line = Euclidean::new(1, 1);
    let problem = Problem::new(&line, &1.0f64, |x: Var| x * x * 50.0);
    for (decrease, expected) in [(0.4, 0.0), (0.6, 0.5), (0.8, 0.75)] {
        let armijo = GradientDescent { line_search: LineSearch::Armijo { decrease } };
        let x = problem.solve(armijo, Stop::Iterations(1)).unwrap().point;
        assert!((x - expected).abs() < 1e-12, "{decrease}: {x}");
    }
}

#[test]
fn a_resumed_run_knows_its_first_gradient() {
    let line = Euclidean::new(1, 1);
    let problem = Problem::new(&line, &3.0f64, |x: Var| x * x * 0.5);
    let stop = || Stop::GradientRatio(1e-2) | Stop::Iterations(1000);
    let whole = problem.solve(Rsgd { step: 0.1 }, stop()).unwrap();
    let mut run = problem.run(Rsgd { step: 0.1 }, stop());
    (0..5).for_each(|_| assert!(run.step().unwrap().is_some()));
    let read = Checkpoint::from_json(&run.checkpoint().unwrap().to_json()).unwrap();
    let rest = problem.resume(Rsgd { step: 0.1 }, stop(), &read).unwrap().to_end().unwrap();
    assert!(whole.why.met("of the first") && rest.why.met("of the first"), "{whole}, {rest}");
    assert_eq!((rest.iterations, rest.point.to_bits()), (whole.iterations, whole.point.to_bits()));
}

#[test]
fn a_cost_that_rises_has_not_settled() {
    let line = Euclidean::new(1, 1);
    let problem = Problem::new(&line, &1.0f64, |x: Var| x * x * 0.5);
    let found = problem.solve(Rsgd { step: 2.1 }, Stop::CostChange(1e-3) | Stop::Iterations(5)).unwrap();
    assert!(found.why.met("5 iterations"), "{found}");
    let found = problem.solve(Rsgd { step: 1e-4 }, Stop::CostChange(1e-3) | Stop::Iterations(5)).unwrap();
    assert!(found.why.met("change of the cost"), "{found}");
}

#[test]
fn a_cost_that_drifts_a_little_is_found_out() {
    let draws = std::cell::Cell::new(0.0);
    let line = Euclidean::new(1, 1);
    let problem = Problem::new(&line, &5.0f64, |x: Var| {
        draws.set(draws.get() + 1.0);
        x * x + 1e-3 * draws.get()
    });
    let failed = problem.solve(Rsgd { step: 0.1 }, Stop::Iterations(50));
    assert!(failed.unwrap_err().to_string().contains("not a function of the point alone"));
}

#[test]
fn every_number_that_a_line_search_asks_for_is_counted() {
    let line = Euclidean::new(1, 1);
    let asked = AtomicU64::new(0);
    let problem = Problem::new(&line, &5.0f64, |x: Var| x * x * 0.5 - x.ln()).with_gradient(|x| {
        asked.fetch_add(1, Ordering::Relaxed);
        *x - 1.0 / *x
    });
    let found = problem.solve(Lbfgs::default(), Stop::GradientNorm(1e-8) | Stop::Iterations(50)).unwrap();
    assert!(found.why.met("gradient norm"), "{found}");
    assert_eq!(found.counts.gradients, asked.load(Ordering::Relaxed));
}
