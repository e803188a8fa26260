//! Linear problems whose maps are hard: growth before decay, eigenvalues of both signs, complex ones, nearly singular
//! ones, loops that are stopped after one step.

use crate::{Tally, column, dot, mat, methods, qf, solve, with_spectrum};
use pullback::faer::Mat;
use pullback_implicit::{Condition, Estimate, Estimator, Implicit, Sensitivity, fixed_point, inner_loop, stationary};

/// Maps of `n` dimensions by name; the solution of `z = A z + phi` exists for all of them.
fn maps(n: usize, seed: u64) -> Vec<(&'static str, Mat<f64>)> {
    let (g, q) = (mat(10 + seed, n, n), qf(&mat(20 + seed, n, n)));
    let part = |i: usize| i as f64 / n as f64;
    let triangular = |up: f64| {
        let t = Mat::from_fn(n, n, |i, j| match i.cmp(&j) {
            std::cmp::Ordering::Equal => 0.5 + 0.4 * part(i),
            std::cmp::Ordering::Less => up * g[(i, j)],
            std::cmp::Ordering::Greater => 0.0,
        });
        &q * t * q.transpose()
    };
    let turned = |r: f64| {
        Mat::from_fn(n, n, |i, j| {
            let a = 1.0 + 0.2 * (i / 2) as f64;
            match (i / 2 == j / 2, i.cmp(&j)) {
                (false, _) => 0.0,
                (_, std::cmp::Ordering::Equal) => r * a.cos(),
                (_, std::cmp::Ordering::Less) => -r * a.sin(),
                _ => r * a.sin(),
            }
        })
    };
    let symmetric = |f: &dyn Fn(usize) -> f64| with_spectrum(&(0..n).map(f).collect::<Vec<_>>(), seed);
    vec![
        ("growth before decay", triangular(if n > 10 { 0.5 } else { 3.0 })),
        ("both signs", symmetric(&|i| if i % 2 == 0 { 0.99 - 0.3 * part(i) } else { -0.985 + 0.1 * part(i) })),
        ("no contraction", symmetric(&|i| if i % 2 == 0 { -2.0 } else { 0.5 })),
        ("turning", turned(0.99)),
        ("turning, growing", turned(1.2)),
        ("one eigenvalue next to 1", symmetric(&|i| if i == 0 { 1.0 - 1e-9 } else { 0.5 })),
        ("slow tail", symmetric(&|i| 1.0 - 10f64.powf(-6.0 * part(i)))),
    ]
}

/// A random right-hand side, one that hardly touches the first direction, and that direction alone.
fn rights(n: usize, seed: u64) -> Vec<Mat<f64>> {
    let (w, first) = (mat(40 + seed, n, 1), column(&qf(&mat(20 + seed, n, n)), 0));
    let hardly = if n > 1 { &w - &first * (dot(&first, &w) * (1.0 - 1e-9)) } else { w.clone() };
    vec![w, hardly, first]
}

#[test]
fn fixed_points_of_hard_maps_by_every_solver() {
    let mut tally = Tally::default();
    for (n, seed) in [(1, 0), (2, 1), (6, 2), (6, 3), (60, 4)] {
        let phi = mat(30 + seed, n, 1);
        for (name, a) in maps(n, seed) {
            let m = Mat::<f64>::identity(n, n) - &a;
            let z = solve(&m, &phi);
            let c = fixed_point(&z, &phi, |z, phi| &a * z + phi).flat();
            for (k, w) in rights(n, seed).iter().enumerate() {
                let truth = solve(&m.transpose().to_owned(), w);
                for method in methods() {
                    for tolerance in [1e-2, 1e-10] {
                        let s = c.at(&z, &phi).method(method).tolerance(tolerance);
                        let what = format!("{name}, {n} dimensions, right-hand side {k}, {method:?} to {tolerance:e}");
                        tally.solution(s.hypergradient(|z, _| z.dot(w)), &truth, &what);
                    }
                }
            }
        }
    }
    tally.has_at_least(900, 400);
}

#[test]
fn loops_of_hard_maps_stopped_early_and_late() {
    let mut tally = Tally::default();
    for (n, seed) in [(1, 0), (2, 1), (6, 2)] {
        let (phi, z0) = (mat(30 + seed, n, 1), mat(50 + seed, n, 1));
        for (name, a) in maps(n, seed) {
            let m = Mat::<f64>::identity(n, n) - &a;
            for (k, w) in rights(n, seed).iter().enumerate() {
                let truth = solve(&m.transpose().to_owned(), w);
                let p = inner_loop(&z0, &phi, |z, phi, _| &a * z + phi, |z, _| z.dot(w));
                for steps in [1, 2, 4, 10, 40, 200, 3000] {
                    let what = format!("{name}, {n} dimensions, right-hand side {k}, {steps} steps");
                    for terms in [0, 1, 2, 5, 20, 80] {
                        let d = p.derivative(steps, Estimator::FixedPoint { terms });
                        tally.series(d, &truth, &format!("{what}, {terms} terms"));
                    }
                    let d = Implicit::new::<f64>().estimate(&mut Sensitivity::new(), &p, &z0, &phi, steps);
                    tally.series(d, &truth, &format!("{what}, implicit"));
                }
            }
        }
    }
    tally.has_at_least(400, 200);
}

#[test]
fn nearly_singular_hessians_with_right_hand_sides_inside_and_outside_the_range() {
    let mut tally = Tally::default();
    for (n, seed) in [(2, 0), (5, 1), (60, 2)] {
        let q = qf(&mat(60 + seed, n, n));
        for small in [1e-3, 1e-6, 1e-8, 1e-10, 1e-12, 1e-14, 1e-16, 0.0, -1e-6, -1e-10] {
            let l = |i: usize| if i == 0 { small } else { 0.5 + i as f64 / n as f64 };
            let a = with_spectrum(&(0..n).map(l).collect::<Vec<_>>(), 60 + seed);
            // In the eigenbasis the truth loses nothing.
            let inverse = |v: &Mat<f64>| {
                (0..n).fold(Mat::zeros(n, 1), |x, k| x + column(&q, k) * (dot(&column(&q, k), v) / l(k)))
            };
            let inside = column(&q, 1) * 2.0 + column(&q, n - 1);
            let zero = Mat::zeros(n, 1);
            let c = stationary(&zero, &zero, |z, phi| z.dot(&a * z) * 0.5 - z.dot(phi)).flat();
            let outside = [mat(70, n, 1), &inside + column(&q, 0) * 1e-12, &inside + column(&q, 0) * 1e-8];
            for (k, w) in outside.iter().chain([&inside]).enumerate() {
                for method in methods() {
                    let d = c.at(&zero, &zero).method(method).hypergradient(|z, _| z.dot(w));
                    let what = format!("{n} dimensions, smallest {small:e}, right-hand side {k}, {method:?}");
                    tally.solution(d, &inverse(w), &what);
                }
            }
        }
    }
    tally.has_at_least(150, 50);
}
