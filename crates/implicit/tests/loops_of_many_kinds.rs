//! Loops with a state of their own, and loops that are no plain contraction: momentum, Adam-like steps, transient
//! growth, schedules, alternating steps, period doubling, batches of unlike members solved for. Nothing wrong is
//! `Verified`, what is `Estimated` is within a factor of two.

#[path = "solutions/matrices.rs"]
mod matrices;

use matrices::{mat, qf, solve, with_spectrum};
use pullback::Shape;
use pullback::faer::Mat;
use pullback::prelude::*;
use pullback_implicit::{
    Certificate, Condition, Estimate, Estimator, Implicit, Iteration, Sensitivity, Tapes, Verdict, inner_loop, root,
    stationary,
};

/// Verified, estimated, neither.
#[derive(Debug, Default)]
struct Tally([usize; 3]);

impl Tally {
    fn take(&mut self, c: &Certificate, error: f64, scale: f64, what: &str) {
        let kind = match c.verdict {
            Verdict::Verified => {
                assert!(error <= 1e-6 * scale, "verified and wrong by {error:.2e} of {scale:.2e}: {what}\n{c}");
                0
            }
            Verdict::Estimated => {
                let (told, rounding) = (c.error.unwrap(), 1e-9 * scale);
                let good = told + rounding >= error / 2.0 && told <= 2.0 * error + rounding;
                assert!(good, "told {told:.2e}, wrong by {error:.2e} of {scale:.2e}: {what}\n{c}");
                1
            }
            _ => 2,
        };
        self.0[kind] += 1;
    }

    /// The series of a loop whose gradient is one matrix, and its fixed point solved for, after any number of steps.
    fn ask<I>(&mut self, it: &I, z0: &I::State, phi: &Mat<f64>, truth: &Mat<f64>, steps: &[usize], what: &str)
    where
        I: Iteration<Params = Mat<f64>>,
        I::State: pullback::Leaves<Scalar = f64>,
    {
        let mut on = Sensitivity::new();
        for steps in steps {
            let series = [0, 1, 3, 10, 40, 300].map(|terms| Estimator::FixedPoint { terms });
            let solved = Implicit::new::<f64>();
            let all = series.iter().map(|e| e as &dyn Estimate<I>).chain([&solved as &dyn Estimate<I>]);
            for how in all {
                // A loop may leave its domain; then that is what it says.
                let Ok(d) = how.estimate(&mut on, it, z0, phi, *steps) else { continue };
                let what = format!("{what}, {steps} steps, {}", how.name());
                self.take(&d.certificate, (&d.gradient - truth).norm_l2(), truth.norm_l2(), &what);
            }
        }
    }
}

#[test]
fn momentum_of_two_kinds_tuned_and_not() {
    let mut tally = Tally::default();
    for kappa in [3.0f64, 30.0, 1000.0] {
        for (n, seed) in [(1, 500), (2, 501), (5, 502)] {
            let values: Vec<f64> = (0..n).map(|i| kappa.powf(-(i as f64) / (n.max(2) - 1) as f64)).collect();
            let h = with_spectrum(&values, seed);
            let (phi, w) = (mat(seed + 20, n, 1), mat(seed + 30, n, 1));
            let (solution, truth) = (solve(&h, &phi), solve(&h, &w));
            let q = 1.0 / kappa.sqrt();
            // Heavy ball takes the gradient where it is, Nesterov's method where the momentum leads.
            for (step, beta, ahead) in [
                (4.0 / (1.0 + q).powi(2), ((1.0 - q) / (1.0 + q)).powi(2), 0.0),
                (1.0, 0.9, 0.0),
                (1.0, (1.0 - q) / (1.0 + q), 1.0),
                (0.5, 0.99, 1.0),
            ] {
                for z0 in [(mat(seed + 10, n, 1), mat(seed + 11, n, 1)), (solution.clone(), Mat::zeros(n, 1))] {
                    let p = inner_loop(
                        &z0,
                        &phi,
                        |(x, v): (Var, Var), phi: Var, _| {
                            let v = v * beta - (&h * (x + v * (beta * ahead)) - phi) * step;
                            (x + v, v)
                        },
                        |(x, _): (Var, Var), _: Var| x.dot(&w),
                    );
                    let what = format!("condition {kappa}, step {step:.2}, momentum {beta:.2}, ahead {ahead}");
                    tally.ask(&p, &z0, &phi, &truth, &[3, 30, 300, 3000], &what);
                }
            }
        }
    }
    println!("momentum: verified, estimated, neither {:?}", tally.0);
    assert!(tally.0[0] > 200 && tally.0[1] > 50, "{tally:?}");
}

#[test]
fn transient_growth_that_is_huge() {
    let mut tally = Tally::default();
    for (n, seed) in [(2, 700), (3, 701), (6, 702)] {
        for big in [10.0, 1e3, 1e6] {
            for rho in [0.1, 0.5, 0.9] {
                let g = mat(seed, n, n);
                let upper = Mat::from_fn(n, n, |i, k| match i.cmp(&k) {
                    std::cmp::Ordering::Equal => rho * g[(i, i)].abs().max(0.3),
                    std::cmp::Ordering::Less => big * g[(i, k)],
                    std::cmp::Ordering::Greater => 0.0,
                });
                let q = qf(&mat(seed + 10, n, n));
                let a = &q * upper * q.transpose();
                let m = Mat::<f64>::identity(n, n) - &a;
                // Where no digit of the truth would be left there is nothing to compare with.
                if big.powi(n as i32 - 1) > 1e7 {
                    continue;
                }
                let (z0, phi, w) = (mat(seed + 20, n, 1), mat(seed + 21, n, 1), mat(seed + 22, n, 1));
                let truth = solve(&m.transpose().to_owned(), &w);
                for z0 in [z0, solve(&m, &phi)] {
                    let p = inner_loop(&z0, &phi, |z, phi, _| &a * z + phi, |z, _| z.dot(&w));
                    tally.ask(&p, &z0, &phi, &truth, &[3, 30, 300], &format!("{n} entries, {big:e}, {rho}"));
                }
            }
        }
    }
    println!("transient growth: verified, estimated, neither {:?}", tally.0);
    assert!(tally.0[0] > 60 && tally.0[1] > 30, "{tally:?}");
}

#[test]
fn logistic_regression_by_momentum_and_by_steps_like_adam() {
    let (n, m, mut tally) = (3usize, 14usize, Tally::default());
    for seed in 0..2u64 {
        let x = mat(1000 + seed, m, n);
        let yx = Mat::from_fn(m, n, |i, k| if i % 2 == 0 { x[(i, k)] } else { -x[(i, k)] });
        let minus = yx.transpose() * -1.0;
        let (l, w, zero) = (Mat::from_fn(n, 1, |i, _| -1.0 + 0.3 * i as f64), mat(1010 + seed, n, 1), Mat::zeros(n, 1));
        let (yx, minus, w) = (&yx, &minus, &w);
        let c = root(&zero, &l, |z: Var, l: Var| &*minus * ((yx * z).exp() + 1.0).recip() + l.exp().hadamard(z)).flat();
        let newton = |z: Mat<f64>, _| c.at(&z, &l).linearise(&mut Tapes::new()).unwrap().solution();
        let solution = (0..20).fold(zero.clone(), newton);
        let truth = c.at(&solution, &l).hypergradient(|z: Var, _: Var| z.dot(w) + z.dot(z)).unwrap();
        assert_eq!(truth.certificate.verdict, Verdict::Verified);
        for beta in [0.5, 0.9] {
            let z0 = (zero.clone(), zero.clone());
            let p = inner_loop(
                &z0,
                &l,
                |(z, v): (Var, Var), l: Var, _| {
                    let g = &*minus * ((yx * z).exp() + 1.0).recip() + l.exp().hadamard(z);
                    let v = v * beta - g * 0.1;
                    (z + v, v)
                },
                |(z, _): (Var, Var), _: Var| z.dot(w) + z.dot(z),
            );
            tally.ask(&p, &z0, &l, &truth.gradient, &[5, 20, 60, 150, 400, 2000], &format!("momentum {beta}"));
        }
        for eps in [1e-2, 1e-8] {
            let z0 = (zero.clone(), zero.clone(), zero.clone());
            let p = inner_loop(
                &z0,
                &l,
                |(z, m, s): (Var, Var, Var), l: Var, _| {
                    let g = &*minus * ((yx * z).exp() + 1.0).recip() + l.exp().hadamard(z);
                    let (m, s) = (m * 0.9 + g * 0.1, s * 0.99 + g.hadamard(g) * 0.01);
                    (z - m.hadamard((s + eps).sqrt().recip()) * 0.02, m, s)
                },
                |(z, _, _): (Var, Var, Var), _: Var| z.dot(w) + z.dot(z),
            );
            tally.ask(&p, &z0, &l, &truth.gradient, &[5, 60, 400, 3000, 8000], &format!("like Adam, {eps:e}"));
        }
    }
    println!("logistic regression: verified, estimated, neither {:?}", tally.0);
    assert!(tally.0[0] > 20 && tally.0[1] > 30, "{tally:?}");
}

#[test]
fn steps_that_shrink_and_steps_that_take_turns() {
    let mut tally = Tally::default();
    for seed in 0..3u64 {
        let (a, b) = (with_spectrum(&[1.0, 1.5, 2.0], 11 + seed), with_spectrum(&[1.0, 1.2, 3.0], 21 + seed));
        let (p, w, zero) = (mat(41 + seed, 3, 1), mat(61 + seed, 3, 1), Mat::<f64>::zeros(3, 1));
        let c = stationary(&zero, &p, |x: Var, p: Var| {
            let s = x.hadamard(x);
            x.dot(&a * x) * 0.5 + s.dot(s) * 0.25 - x.dot(p)
        })
        .flat();
        let newton = |z: Mat<f64>, _| c.at(&z, &p).linearise(&mut Tapes::new()).unwrap().solution();
        let truth = c.at(&(0..20).fold(zero.clone(), newton), &p).hypergradient(|x: Var, _: Var| x.dot(&w)).unwrap();
        let schedules: [(&str, fn(usize) -> f64); 3] = [
            ("1/t", |t| 0.3 / (1 + t) as f64),
            ("0.9^t", |t| 0.3 * 0.9f64.powi(t as i32)),
            ("0.5^t", |t| 0.3 * 0.5f64.powi(t as i32)),
        ];
        for (name, step) in schedules {
            let it = inner_loop(
                &zero,
                &p,
                |x: Var, p: Var, t| x - (&a * x + x.hadamard(x).hadamard(x) - p) * step(t),
                |x: Var, _: Var| x.dot(&w),
            );
            tally.ask(&it, &zero, &p, &truth.gradient, &[5, 20, 60, 400], name);
        }
        // x and y in turn: the last step leaves one of them where it is, and is no contraction of both.
        let couple = mat(31 + seed, 3, 3) * 0.4;
        let (back, ai, bi) =
            (couple.transpose().to_owned(), solve(&a, &Mat::identity(3, 3)), solve(&b, &Mat::identity(3, 3)));
        let z0 = (zero.clone(), zero.clone());
        let it = inner_loop(
            &z0,
            &p,
            |(x, y): (Var, Var), p: Var, t| match t % 2 {
                0 => (&ai * (p - &couple * y), y * 1.0),
                _ => (x * 1.0, &bi * (p - &back * x)),
            },
            |(x, y): (Var, Var), _: Var| x.dot(&w) + y.dot(&w),
        );
        for steps in [3, 4, 30, 31, 300] {
            for terms in [0, 1, 5, 20] {
                let d = it.derivative(steps, Estimator::FixedPoint { terms }).unwrap();
                assert!(!d.certificate.verdict.is_sound(), "{steps} steps, {terms} terms: {}", d.certificate);
            }
            let solved = Implicit::new::<f64>().estimate(&mut Sensitivity::new(), &it, &z0, &p, steps);
            assert!(solved.map_or(true, |d| !d.certificate.verdict.is_sound()), "{steps} steps");
        }
    }
    println!("schedules: verified, estimated, neither {:?}", tally.0);
    assert!(tally.0[1] > 50, "{tally:?}");
}

#[test]
fn period_doubling() {
    // z <- r z (1 - z) has the fixed point 1 - 1/r with the derivative 1/r², attracting for r below 3.
    let (mut tally, z0) = (Tally::default(), Mat::from_fn(1, 1, |_, _| 0.3));
    for r in [1.5f64, 2.0, 2.9, 3.0, 3.2, 3.5, 3.9] {
        let phi = Mat::from_fn(1, 1, |_, _| r);
        let p = inner_loop(&z0, &phi, |z: Var, r: Var, _| r * z * (1.0 - z), |z: Var, _: Var| z.sum());
        let truth = Mat::from_fn(1, 1, |_, _| 1.0 / (r * r));
        for steps in [3usize, 10, 50, 51, 300, 3001] {
            for terms in [0, 1, 5, 40, 1000] {
                let d = p.derivative(steps, Estimator::FixedPoint { terms }).unwrap();
                let what = format!("r = {r}, {steps} steps, {terms} terms");
                tally.take(&d.certificate, (&d.gradient - &truth).norm_l2(), truth.norm_l2(), &what);
                assert!(r < 3.0 || !d.certificate.verdict.is_sound(), "{what}\n{}", d.certificate);
            }
        }
    }
    println!("period doubling: verified, estimated, neither {:?}", tally.0);
    assert!(tally.0[0] > 20 && tally.0[1] > 10, "{tally:?}");
}

#[test]
fn a_small_member_of_a_batch_that_is_solved_for_has_its_own_verdict() {
    let (n, shape, mut sound) = (3, Shape::batch(3, 1, 1), [0; 2]);
    for seed in 0..30usize {
        let r = mat(8000 + seed as u64, n, 2);
        let rate = Batch::from_fn(shape, |m, _, _| [0.3, 0.95, -0.8, 0.05][(seed + m) % 4]);
        let w = Batch::from_fn(shape, |m, _, _| 10f64.powi(-(((3 * seed + 2 * m) % 9) as i32)));
        let (z0, phi) = (Batch::from_fn(shape, |m, _, _| r[(m, 0)]), Batch::from_fn(shape, |m, _, _| r[(m, 1)]));
        let p = inner_loop(
            &z0,
            &phi,
            |z: Var, phi: Var, _| z.hadamard(&rate).tanh() + phi,
            |z: Var, _: Var| z.dot(&w).sum(),
        );
        for steps in [2, 10, 50, 200] {
            let d = Implicit::new::<f64>().estimate(&mut Sensitivity::new(), &p, &z0, &phi, steps).unwrap();
            assert_eq!(d.certificate.members.len(), n);
            for (m, told) in d.certificate.members.iter().enumerate() {
                let a = rate.data()[m];
                let z = (0..2000).fold(r[(m, 0)], |z: f64, _| (a * z).tanh() + r[(m, 1)]);
                let truth = w.data()[m] / (1.0 - a * (1.0 - (a * z).tanh().powi(2)));
                let (error, size) = ((d.gradient.data()[m] - truth).abs(), truth.abs());
                let what = format!("seed {seed}, {steps} steps, member {m}: {error:e} of {size:e}, {told:?}");
                match told.verdict {
                    Verdict::Verified => {
                        assert!(error <= 1e-6 * size, "{what}");
                        sound[0] += 1;
                    }
                    Verdict::Estimated => {
                        let (told, rounding) = (told.error.unwrap(), 1e-9 * size);
                        assert!(told + rounding >= 0.5 * error && told <= 2.0 * error + rounding, "{what}");
                        sound[1] += 1;
                    }
                    _ => {}
                }
                assert_eq!(d.certificate.verdict.worse(told.verdict), d.certificate.verdict, "{what}");
            }
        }
    }
    println!("members solved for: verified, estimated {sound:?}");
    assert!(sound[0] > 150 && sound[1] > 30, "{sound:?}");
}
