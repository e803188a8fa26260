//! The adaptive methods against their recurrences in plain numbers, as programs under the checker, and on a problem
//! with a known answer.

use pullback::faer::Mat;
use pullback::prelude::*;
use pullback_check::check;
use pullback_manifolds::{Euclidean, Grassmann, Manifold, Rgrad, gaussian, rng};
use pullback_optim::{CRmsProp, Method, Problem, RAdam, Rasa, Schedule, Stop, descend};

/// The gradients of `sum a_i x_i² / 2`.
const CURVATURES: [f64; 3] = [1.0, 4.0, 0.5];

fn quadratic(x: Var<'_>) -> Var<'_> {
    let a = x.tape().constant(&Mat::from_fn(3, 1, |i, _| CURVATURES[i]));
    (x.hadamard(x).hadamard(a)).sum() * 0.5
}

fn start() -> Mat<f64> {
    pullback::faer::mat![[1.0], [-0.5], [2.0]]
}

fn after(method: impl pullback_optim::Solver, steps: usize) -> Vec<f64> {
    let (flat, x0) = (Euclidean::new(3, 1), start());
    let x = Problem::new(&flat, &x0, quadratic).solve(method, Stop::Iterations(steps)).unwrap().point;
    (0..3).map(|i| x[(i, 0)]).collect()
}

fn close(a: &[f64], b: &[f64]) -> bool {
    a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12 * (1.0 + b.abs()))
}

#[test]
fn radam_and_ramsgrad_are_their_recurrences_in_flat_space() {
    for (amsgrad, correct_bias) in [(false, false), (true, false), (false, true)] {
        let method = RAdam { amsgrad, correct_bias, schedule: Schedule::InverseRoot, ..RAdam::new(0.1) };
        let mut x: Vec<f64> = (0..3).map(|i| start()[(i, 0)]).collect();
        let (mut m, mut v, mut largest) = (vec![0.0; 3], 0.0, 0.0f64);
        for t in 1..=12 {
            let g: Vec<f64> = x.iter().zip(CURVATURES).map(|(x, a)| a * x).collect();
            m.iter_mut().zip(&g).for_each(|(m, g)| *m = 0.9 * *m + 0.1 * g);
            v = 0.999 * v + 0.001 * g.iter().map(|g| g * g).sum::<f64>();
            largest = if amsgrad { largest.max(v) } else { v };
            let (b1, b2) = (1.0 - 0.9f64.powi(t), 1.0 - 0.999f64.powi(t));
            let bias = if correct_bias { b2.sqrt() / b1 } else { 1.0 };
            let rate = 0.1 / f64::from(t).sqrt() / (largest + 1e-16).sqrt() * bias;
            x.iter_mut().zip(&m).for_each(|(x, m)| *x -= rate * m);
        }
        assert!(close(&after(method, 12), &x), "{}", Method::<f64>::name(&method));
    }
}

#[test]
fn rasa_and_rmsprop_are_their_recurrences_in_flat_space() {
    for (rows, columns) in [(true, true), (true, false), (false, true)] {
        let method = Rasa { rows, columns, ..Rasa::new(0.1) };
        let exponent = if rows && columns { -0.25 } else { -0.5 };
        let mut x: Vec<f64> = (0..3).map(|i| start()[(i, 0)]).collect();
        let (mut l, mut lm, mut r, mut rm) = (vec![0.0; 3], vec![0.0f64; 3], 0.0, 0.0f64);
        for t in 1..=9 {
            let g: Vec<f64> = x.iter().zip(CURVATURES).map(|(x, a)| a * x).collect();
            (0..3).for_each(|i| l[i] = 0.99 * l[i] + 0.01 * g[i] * g[i]);
            r = 0.99 * r + 0.01 / 3.0 * g.iter().map(|g| g * g).sum::<f64>();
            (0..3).for_each(|i| lm[i] = lm[i].max(l[i]));
            rm = rm.max(r);
            for i in 0..3 {
                let a = if rows { (lm[i] + 1e-8).powf(exponent) } else { 1.0 };
                let b = if columns { (rm + 1e-8).powf(exponent) } else { 1.0 };
                x[i] -= 0.1 / f64::from(t).sqrt() * g[i] * a * b;
            }
        }
        assert!(close(&after(method, 9), &x), "{}", Method::<f64>::name(&method));
    }
    let mut x: Vec<f64> = (0..3).map(|i| start()[(i, 0)]).collect();
    let mut v = [0.0; 3];
    for _ in 0..9 {
        for i in 0..3 {
            let g = CURVATURES[i] * x[i];
            v[i] = 0.99 * v[i] + 0.01 * g * g;
            x[i] -= 0.05 * g / (f64::max(v[i], 1e-6).sqrt() + 1e-7);
        }
    }
    assert!(close(&after(CRmsProp::new(0.05), 9), &x));
}

#[test]
fn schedules_are_what_they_say() {
    let tape = Tape::plain();
    let at = |s: Schedule, t: f64| s.at(tape.constant(&t)).scalar();
    for t in [1.0f64, 2.0, 7.0, 50.0] {
        assert_eq!(at(Schedule::Constant, t), 1.0);
        assert!((at(Schedule::InverseRoot, t) - t.powf(-0.5)).abs() < 1e-15);
        assert!((at(Schedule::Inverse { decay: 0.1 }, t) - 1.0 / (1.0 + 0.1 * (t - 1.0))).abs() < 1e-15);
        assert!((at(Schedule::Exponential { rate: 0.9 }, t) - 0.9f64.powf(t - 1.0)).abs() < 1e-14);
        let part = ((t - 1.0) / 20.0).min(1.0);
        assert!(
            (at(Schedule::Cosine { steps: 20 }, t) - 0.5 * (1.0 + (std::f64::consts::PI * part).cos())).abs() < 1e-15
        );
    }
}

#[test]
fn steps_are_programs_whose_derivatives_are_right() {
    let gr = Grassmann::new(5, 2);
    let x: Batch = gr.random_point(2, &mut rng(1)).swap_remove(0);
    let g: Batch = gaussian(x.shape(), &mut rng(2));
    fn run<'t>(m: &dyn Method, gr: &Grassmann, x: Var<'t>, g: Var<'t>) -> Var<'t> {
        let mut state: Vec<Var<'t>> = m.state(&[x.shape()]).iter().map(|s| x.tape().filled(*s, 0.3)).collect();
        let mut x = x;
        for _ in 0..2 {
            let u = gr.project(x, g);
            let (next, kept) = m.step(gr, &[x], Rgrad(&[u]), &state);
            (x, state) = (next[0], kept.into_vec());
        }
        x
    }
    let methods: [&dyn Method; 4] =
        [&RAdam::new(0.1), &RAdam { correct_bias: true, ..RAdam::amsgrad(0.1) }, &Rasa::new(0.1), &CRmsProp::new(0.1)];
    for m in methods {
        check(|(x, g): (Var, Var)| run(m, &gr, gr.reproject(x), g), &(x.clone(), g.clone())).seed(3).run().assert_ok();
    }
}

#[test]
fn all_find_the_smallest_eigenvalues() {
    let gr = Grassmann::new(6, 2);
    let a = Mat::from_fn(6, 6, |i, j| if i == j { (i + 1) as f64 } else { 0.0 });
    let x0 = gr.random_point(1, &mut rng(5)).swap_remove(0);
    let problem = Problem::new(&gr, &x0, |x| x.t_mul(&a * x).trace());
    let cosine = Schedule::Cosine { steps: 600 };
    let stop = || Stop::Iterations(600);
    for found in [
        problem.solve(RAdam { schedule: cosine, ..RAdam::new(0.05) }, stop()).unwrap(),
        problem.solve(RAdam { schedule: cosine, ..RAdam::amsgrad(0.05) }, stop()).unwrap(),
        problem.solve(Rasa { schedule: cosine, ..Rasa::new(0.05) }, stop()).unwrap(),
        problem.solve(CRmsProp { schedule: cosine, ..CRmsProp::new(0.01) }, stop()).unwrap(),
    ] {
        assert!((found.cost - 3.0).abs() < 1e-3, "{}", found.cost);
        gr.check_point(&[found.point]).unwrap();
    }
    // And inside a program.
    let tape = Tape::plain();
    let x = descend(&gr, &RAdam { schedule: cosine, ..RAdam::new(0.05) }, tape.constant(&x0), 600, |x, _| {
        x.t_mul(&a * x).trace()
    });
    assert!((x.t_mul(&a * x).trace().scalar() - 3.0).abs() < 1e-3);
}
