//! More attacks on what is said of derivatives: complex spectra next to the unit circle, kernels that parameters touch
//! by 1e-8, products of badly scaled factors, single precision, second derivatives at suspect solutions, failing
//! members of layers inside layers, loops that go on in the middle. Nothing wrong is `Verified`, what is `Estimated` is
//! within a factor of two.

#[path = "solutions/matrices.rs"]
mod matrices;

use matrices::{mat, qf, solve, with_spectrum};
use pullback::faer::Mat;
use pullback::prelude::*;
use pullback::{Shape, hvp};
use pullback_implicit::bilevel::Bilevel;
use pullback_implicit::linear::{Method, Positive, SelfAdjoint};
use pullback_implicit::{
    Condition, Error, Estimate, Estimator, Evolution, Implicit, Layer, Sensitivity, Verdict, Why, fixed_point,
    inner_loop, root, stationary,
};

/// Verified, estimated, neither.
#[derive(Debug, Default)]
struct Tally([usize; 3]);

impl Tally {
    fn take(&mut self, verdict: Verdict, told: Option<f64>, error: f64, scale: f64, within: f64, what: &str) {
        // All that are judged here are smooth.
        assert!(!matches!(verdict, Verdict::Suspect(Why::Kink { .. })), "{what}");
        let kind = match verdict {
            Verdict::Verified => {
                assert!(error <= within * scale, "verified and wrong by {error:.2e} of {scale:.2e}: {what}");
                0
            }
            Verdict::Estimated => {
                let (told, rounding) = (told.unwrap(), 1e-3 * within * scale);
                let good = told + rounding >= error / 2.0 && told <= 2.0 * error + rounding;
                assert!(good, "told {told:.2e}, wrong by {error:.2e} of {scale:.2e}: {what}");
                1
            }
            _ => 2,
        };
        self.0[kind] += 1;
    }
}

fn distance(a: &Mat<f64>, b: &Mat<f64>) -> f64 {
    (a - b).norm_l2()
}

#[test]
fn complex_spectra_next_to_the_unit_circle() {
    let mut tally = Tally::default();
    for radius in [0.9f64, 0.99, 0.999, 0.999_99, 1.000_01, 1.01] {
        for angle in [1e-3f64, 0.3, 1.5, 3.0, 3.13] {
            for wide in [0.0, 0.2] {
                // Two turning planes; with `wide` they are not orthogonal to each other.
                let turn = |i: usize, j: usize, a: f64| radius * [[a.cos(), -a.sin()], [a.sin(), a.cos()]][i][j];
                let a = Mat::from_fn(4, 4, |i, j| match (i / 2, j / 2) {
                    (0, 0) => turn(i, j, angle),
                    (1, 1) => turn(i - 2, j - 2, 0.7 * angle),
                    (0, 1) => wide,
                    _ => 0.0,
                });
                let (z0, phi, w) = (mat(10, 4, 1), mat(11, 4, 1), mat(12, 4, 1));
                let m = Mat::<f64>::identity(4, 4) - &a;
                let (z, truth) = (solve(&m, &phi), solve(&m.transpose().to_owned(), &w));
                let p = inner_loop(&z0, &phi, |z, phi, _| &a * z + phi, |z, _| z.dot(&w));
                for (steps, terms) in [(3, 2), (40, 6), (40, 30), (4000, 9), (4000, 900)] {
                    let Ok(d) = p.derivative(steps, Estimator::FixedPoint { terms }) else { continue };
                    let what = format!("{radius}, {angle}, {wide}, {steps} steps, {terms} terms\n{}", d.certificate);
                    let error = distance(&d.gradient, &truth);
                    tally.take(d.certificate.verdict, d.certificate.error, error, truth.norm_l2(), 1e-6, &what);
                }
                let c = fixed_point(&z, &phi, |z, phi| &a * z + phi).flat();
                for method in [Method::Auto, Method::Neumann { terms: 40 }, Method::NeumannAdaptive, Method::BiCgStab] {
                    let d = c.at(&z, &phi).method(method).hypergradient(|z, _| z.dot(&w)).unwrap();
                    let what = format!("{radius}, {angle}, {wide}, {method:?}\n{}", d.certificate);
                    let (error, told) = (distance(&d.gradient, &truth), d.certificate.error.map(|e| e.total));
                    tally.take(d.certificate.verdict, told, error, truth.norm_l2(), 1e-6, &what);
                }
            }
        }
    }
    println!("complex spectra: verified, estimated, unsound {:?}", tally.0);
    assert!(tally.0[0] > 60 && tally.0[1] > 30, "{tally:?}");
}

#[test]
fn a_kernel_that_the_parameters_touch_by_a_little() {
    // A is singular, and B moves the right-hand side out of its range by `touch`: there is no derivative, though the
    // residual of the least-squares solution is tiny.
    for n in [3usize, 60] {
        for touch in [1.0, 1e-4, 1e-8, 1e-12] {
            let q = qf(&mat(20, n, n));
            let values = |i: usize| if i == 0 { 0.0 } else { 0.5 + i as f64 / n as f64 };
            let s = Mat::from_fn(n, n, |i, j| if i == j { values(i) } else { 0.0 });
            let a = &q * s * q.transpose();
            let column = |k: usize| Mat::from_fn(n, 1, |i, _| q[(i, k)]);
            let along = column(1) + column(0) * touch;
            let (z, phi) = (Mat::zeros(n, 1), 0.0f64);
            let c = stationary(&z, &phi, |z: Var, phi: Var| z.dot(&a * z) * 0.5 - z.dot(&along) * phi).flat();
            let w = column(1) + column(0) * touch;
            for method in [
                Method::Auto,
                Method::Cg(Positive::asserted()),
                Method::Minres(SelfAdjoint::asserted()),
                Method::Gmres { restart: 40 },
                Method::Lsmr,
            ] {
                let s = c.at(&z, &phi).method(method);
                let pushed = s.jvp(&1.0).unwrap().certificate;
                let pulled = s.hypergradient(|z: Var, _: Var| z.dot(&w)).unwrap().certificate;
                for found in [pushed, pulled] {
                    assert!(!found.verdict.is_sound(), "{n} dimensions, {touch:e}, {method:?}: {found}");
                }
            }
        }
    }
}

#[test]
fn products_of_badly_scaled_factors() {
    let mut tally = Tally::default();
    for (i, scale) in [1e-9f64, 1e-6, 1e-3, 1e3, 1e6, 1e9].into_iter().enumerate() {
        // Two leaves whose sizes, and whose curvatures, differ by `scale` either way, coupled.
        for curved in [scale, 1.0 / scale] {
            let k = 30 + i as u64;
            let (a, b) = (with_spectrum(&[0.5, 1.0, 2.0], k), with_spectrum(&[1.0, 3.0], k + 40));
            let (phi, w) = ((mat(k + 80, 3, 1), mat(k + 120, 2, 1)), (mat(k + 160, 3, 1), mat(k + 200, 2, 1)));
            let couple = mat(k + 240, 3, 2) * (0.1 * curved.sqrt());
            let z = (Mat::zeros(3, 1), Mat::zeros(2, 1));
            let c = stationary(&z, &phi, |(x, y): (Var, Var), (p, q): (Var, Var)| {
                x.dot(&a * x) * 0.5 - x.dot(p) + (y.dot(&b * y) * 0.5 - y.dot(q)) * curved + x.dot(&couple * y)
            })
            .flat();
            let whole = Mat::from_fn(5, 5, |i, j| match (i < 3, j < 3) {
                (true, true) => a[(i, j)],
                (false, false) => curved * b[(i - 3, j - 3)],
                (true, false) => couple[(i, j - 3)],
                (false, true) => couple[(j, i - 3)],
            });
            let stack =
                |x: &Mat<f64>, y: &Mat<f64>| Mat::from_fn(5, 1, |i, _| if i < 3 { x[(i, 0)] } else { y[(i - 3, 0)] });
            let at = solve(&whole, &stack(&phi.0, &(&phi.1 * curved)));
            let p = solve(&whole, &stack(&w.0, &w.1));
            // The parameters of the second leaf enter with `curved`.
            let truth =
                stack(&Mat::from_fn(3, 1, |i, _| p[(i, 0)]), &Mat::from_fn(2, 1, |i, _| curved * p[(i + 3, 0)]));
            let z = (Mat::from_fn(3, 1, |i, _| at[(i, 0)]), Mat::from_fn(2, 1, |i, _| at[(i + 3, 0)]));
            for method in [Method::Auto, Method::Gmres { restart: 5 }, Method::Lsmr, Method::NeumannAdaptive] {
                let Ok(d) = c.at(&z, &phi).method(method).hypergradient(|(x, y), _| x.dot(&w.0) + y.dot(&w.1)) else {
                    continue;
                };
                let found = stack(&d.gradient.0, &d.gradient.1);
                let what = format!("{scale:e}, {curved:e}, {method:?}\n{}", d.certificate);
                let told = d.certificate.error.map(|e| e.total);
                tally.take(d.certificate.verdict, told, distance(&found, &truth), truth.norm_l2(), 1e-6, &what);
            }
        }
    }
    println!("scaled products: verified, estimated, unsound {:?}", tally.0);
    assert!(tally.0[0] >= 12, "{tally:?}");
}

#[test]
fn single_precision_far_and_near_by_every_solver() {
    let mut tally = Tally::default();
    let narrow = |m: &Mat<f64>| Mat::<f32>::from_fn(m.nrows(), m.ncols(), |i, j| m[(i, j)] as f32);
    let wide = |m: &Mat<f32>| Mat::<f64>::from_fn(m.nrows(), m.ncols(), |i, j| f64::from(m[(i, j)]));
    for (n, seed) in [(3usize, 50u64), (60, 51)] {
        for condition in [2.0f64, 50.0, 1e3, 1e5] {
            let values: Vec<f64> = (0..n).map(|i| condition.powf(-(i as f64) / (n - 1) as f64)).collect();
            let a = narrow(&with_spectrum(&values, seed));
            let (b, w) = (narrow(&mat(seed + 10, n, 1)), narrow(&mat(seed + 20, n, 1)));
            let z = narrow(&solve(&wide(&a), &wide(&b)));
            let truth = solve(&wide(&a).transpose().to_owned(), &wide(&w));
            let c = stationary(&z, &b, |z: Var<'_, f32>, phi: Var<'_, f32>| z.dot(&a * z) * 0.5f32 - z.dot(phi)).flat();
            for method in [
                Method::Auto,
                Method::Cg(Positive::asserted()),
                Method::Minres(SelfAdjoint::asserted()),
                Method::Gmres { restart: 30 },
                Method::BiCgStab,
                Method::Lsmr,
                Method::Neumann { terms: 9 },
            ] {
                for away in [1.0f32, 1.01] {
                    let at = Mat::from_fn(n, 1, |i, _| z[(i, 0)] * away);
                    let Ok(d) = c.at(&at, &b).method(method).hypergradient(|z: Var<'_, f32>, _| z.dot(&w)) else {
                        continue;
                    };
                    let what = format!("{n}, {condition:e}, {method:?}, {away}\n{}", d.certificate);
                    let (error, told) = (distance(&wide(&d.gradient), &truth), d.certificate.error.map(|e| e.total));
                    tally.take(d.certificate.verdict, told, error, truth.norm_l2(), 1e-3, &what);
                }
            }
        }
    }
    println!("single precision: verified, estimated, unsound {:?}", tally.0);
    assert!(tally.0[0] > 15, "{tally:?}");
}

/// `z + z³ = phi` for one number, by a solver that stops `off` away, and nowhere above 3.
fn sloppy(off: f64) -> Layer<impl Condition<State = Batch, Params = Batch> + Send + Sync + 'static> {
    let blank = Batch::zeros(Shape::batch(3, 1, 1));
    let c = root(&blank, &blank, |z: Var, phi: Var| z + z * z * z - phi).flat();
    Layer::new(c, blank.clone(), blank, move |phi: &Batch| {
        if phi.data().iter().any(|x| *x > 3.0) {
            return Err(Error::NoSteps);
        }
        Ok(Batch::from_fn(phi.shape(), |m, _, _| cube(phi.data()[m]) + off))
    })
}

fn cube(phi: f64) -> f64 {
    (0..80).fold(0.0, |z: f64, _| z - (z + z * z * z - phi) / (1.0 + 3.0 * z * z))
}

#[test]
fn second_derivatives_at_suspect_solutions() {
    let phi = Batch::from_slice(Shape::batch(3, 1, 1), &[0.5, 1.0, 2.0]);
    let v = Batch::from_fn(phi.shape(), |_, _, _| 1.0);
    for off in [0.0, 1e-9, 1e-4, 0.1, 0.8] {
        let layer = sloppy(off).certified();
        let h = hvp(func(|p: Var| layer.apply(&p).square().sum()), &phi, &v).unwrap();
        let worst = (0..3)
            .map(|m| {
                let z = cube(phi.data()[m]);
                let d = 1.0 / (1.0 + 3.0 * z * z);
                // d²(z²)/dphi² = 2 z'² + 2 z z'', z'' = -6 z z'³.
                let truth = 2.0 * d * d - 12.0 * z * z * d * d * d;
                (h.data()[m] - truth).abs() / (2.0 * d * d)
            })
            .fold(0.0, f64::max);
        let forward = layer.solutions().unwrap();
        let backward = layer.certificates();
        // What is wrong by more than a millionth is nowhere called verified: not forward, and in no system that was
        // solved for it.
        if worst > 1e-6 {
            assert!(forward.iter().all(|s| s.verdict != Verdict::Verified), "{off:e}: {forward:?}");
            assert!(backward.iter().all(|c| c.verdict != Verdict::Verified), "{off:e}");
        }
        assert!(off > 0.0 || forward.iter().all(|s| s.verdict == Verdict::Verified), "{forward:?}");
        // Insisted on, what is too far fails and is named.
        let strict = sloppy(off).within(1e-6);
        let found = hvp(func(|p: Var| strict.apply(&p).square().sum()), &phi, &v);
        assert_eq!(found.is_ok(), off < 1e-6, "{off:e}");
        assert_eq!(strict.failures().len(), if off < 1e-6 { 0 } else { 3 });
    }
}

#[test]
fn a_member_that_fails_in_a_layer_inside_a_layer_inside_a_program() {
    // The outer layer's condition holds the inner one: z = cube(phi), y = z - 0.3 tanh(y). The inner solver fails in
    // one member.
    let blank = Batch::zeros(Shape::batch(3, 1, 1));
    let inner = sloppy(0.0);
    let seen = inner.clone();
    let c = root(&blank, &blank, move |y: Var, phi: Var| {
        let (z, _) = inner.apply_masked(&phi);
        y + y.tanh() * 0.3 - z
    })
    .flat();
    let outer = Layer::new(c, blank.clone(), blank, |phi: &Batch| {
        Ok(Batch::from_fn(phi.shape(), |m, _, _| {
            let z = if phi.data()[m] > 3.0 { 0.0 } else { cube(phi.data()[m]) };
            (0..200).fold(0.0, |y: f64, _| z - 0.3 * y.tanh())
        }))
    });
    let slope = |phi: f64| {
        let z = cube(phi);
        let y = (0..200).fold(0.0, |y: f64, _| z - 0.3 * y.tanh());
        1.0 / (1.0 + 3.0 * z * z) / (1.0 + 0.3 * (1.0 - y.tanh() * y.tanh()))
    };
    let good = Batch::from_slice(Shape::batch(3, 1, 1), &[0.5, 1.0, 2.0]);
    let loss = func(|phi: Var| {
        let (y, mask) = outer.apply_masked(&phi);
        (mask * y).sum()
    });
    let g = pullback::grad(&loss, &good).unwrap();
    for m in 0..3 {
        assert!((g.data()[m] - slope(good.data()[m])).abs() < 1e-12, "{m}");
    }
    let bad = Batch::from_slice(good.shape(), &[0.5, 7.0, 2.0]);
    let g = pullback::grad(&loss, &bad).unwrap();
    assert!(seen.failures().iter().any(|f| f.0 == 1), "{:?}", seen.failures());
    for m in [0, 2] {
        assert!((g.data()[m] - slope(bad.data()[m])).abs() < 1e-12, "{m}: {}", g.data()[m]);
    }
    // The inner layer masks its member, so what the outer one sees there does not depend on the parameters.
    assert_eq!(g.data()[1], 0.0);
}

#[test]
fn loops_of_no_step_and_of_one_and_schedules_of_other_lengths() {
    let (z0, phi, w) = (mat(60, 3, 1), mat(61, 3, 1), mat(62, 3, 1));
    let a = mat(63, 3, 3) * 0.3;
    let p = inner_loop(&z0, &phi, |z, phi, t| (&a * z * (1.0 + 0.1 * t as f64) + phi).tanh(), |z, _| z.dot(&w));
    let all = [
        Estimator::Unroll,
        Estimator::OneStep,
        Estimator::Truncated { steps: 3 },
        Estimator::FixedPoint { terms: 3 },
        Estimator::Forward,
        Estimator::Checkpointed { snapshots: None },
        Estimator::IrmmPaper { terms: 2 },
    ];
    for how in all {
        assert!(matches!(p.derivative(0, how), Err(Error::NoSteps)), "{how:?}");
    }
    let mut on = Sensitivity::new();
    assert!(matches!(Implicit::new::<f64>().estimate(&mut on, &p, &z0, &phi, 0), Err(Error::NoSteps)));
    assert!(matches!(Evolution::antithetic(4, 0.1, 1).sample(&p, &z0, &phi, 0), Err(Error::NoSteps)));
    // One step is the whole loop for all that take it in full.
    let full = p.derivative(1, Estimator::Unroll).unwrap().gradient;
    for how in [Estimator::OneStep, Estimator::Truncated { steps: 9 }, Estimator::Forward] {
        assert!(distance(&p.derivative(1, how).unwrap().gradient, &full) < 1e-15, "{how:?}");
    }
    // Lengths that are no C(c + r, c), and their neighbours that are.
    for steps in [1, 2, 4, 6, 9, 10, 11, 19, 20, 21, 34, 35, 36, 69, 70, 71, 83, 84, 85] {
        let full = p.derivative(steps, Estimator::Unroll).unwrap();
        for snapshots in [None, Some(1), Some(2), Some(3), Some(4), Some(6), Some(steps), Some(steps + 1)] {
            let d = p.derivative(steps, Estimator::Checkpointed { snapshots }).unwrap();
            let apart = distance(&d.gradient, &full.gradient);
            assert!(apart <= 1e-14 * full.gradient.norm_l2(), "{steps}, {snapshots:?}: {apart:e}");
            assert_eq!(d.value, full.value);
        }
    }
}

#[test]
fn a_bilevel_loop_resumed_at_every_step() {
    let a = with_spectrum(&[0.5, 1.0, 2.0], 70);
    let (blank, t) = (Mat::<f64>::zeros(3, 1), mat(71, 3, 1));
    let c = stationary(&blank, &blank, |z: Var, phi: Var| {
        let square = z.hadamard(z);
        z.dot(&a * z) * 0.5 + square.dot(square) * 0.25 - z.dot(phi)
    })
    .flat();
    let inner = |phi: &Mat<f64>, z: &Mat<f64>| {
        let mut z = z.clone();
        for _ in 0..5 {
            z = &z - (&a * &z + Mat::from_fn(3, 1, |i, _| z[(i, 0)].powi(3)) - phi) * 0.3;
        }
        Ok(z)
    };
    let bilevel = Bilevel::new(1e-13);
    let go = |state: &mut _, steps| {
        let update = |phi: &Mat<f64>, g: &Mat<f64>| Ok(phi - g * 0.4);
        bilevel.run(&c, state, steps, inner, |z: Var, _: Var| (z - &t).dot(z - &t) * 0.5, update).unwrap();
    };
    let mut whole = bilevel.start(blank.clone(), blank.clone());
    go(&mut whole, 12);
    for cut in 1..12 {
        let mut state = bilevel.start(blank.clone(), blank.clone());
        go(&mut state, cut);
        let mut resumed = state.clone();
        drop(state);
        go(&mut resumed, 12 - cut);
        assert_eq!((&resumed.phi, &resumed.z, resumed.steps), (&whole.phi, &whole.z, 12), "{cut}");
        assert_eq!(resumed.history, whole.history, "{cut}");
    }
    assert!(whole.history.iter().all(|r| r.verdict.is_sound() || !r.applied));
}

#[test]
fn error_bars_of_evolution_strategies_where_the_loss_is_rough() {
    // The smoothed loss of |phi| in one dimension: its slope is 2 Phi(phi / sigma) - 1.
    let p = inner_loop(&0.0f64, &0.02f64, |_: Var, phi: Var, _| phi.abs(), |z: Var, _: Var| z);
    // 2 Phi(0.2) - 1.
    let truth = 0.158_519_418_878_206;
    let (mut within, mut squares) = (0, 0.0);
    for seed in 0..200 {
        let d = Evolution::antithetic(40, 0.1, seed).sample(&p, &0.0, &0.02, 1).unwrap();
        let z = (d.gradient - truth) / d.standard_error;
        within += usize::from(z.abs() < 2.0);
        squares += z * z / 200.0;
    }
    // Of a Student distribution of 39 degrees of freedom 94.8 %, and 1.05 of squares; 200 draws scatter by 1.6 % and
    // 0.11.
    assert!((181..=199).contains(&within) && (0.7..1.5).contains(&squares), "{within} {squares}");
}

#[test]
fn a_root_between_two_that_merge() {
    // z² = phi + 1e-2k: the two roots come together as k grows; the derivative is 1 / (2 z).
    let mut tally = Tally::default();
    for k in 0..12 {
        let phi = 10f64.powi(-k);
        for away in [0.0, 1e-3, 0.1] {
            let c = root(&1.0, &phi, |z: Var, phi: Var| z * z - phi).flat();
            let z = phi.sqrt() * (1.0 + away);
            let d = c.at(&z, &phi).hypergradient(|z: Var, _: Var| z).unwrap();
            let truth = 0.5 / phi.sqrt();
            let what = format!("1e-{k}, {away}\n{}", d.certificate);
            let told = d.certificate.error.map(|e| e.total);
            tally.take(d.certificate.verdict, told, (d.gradient - truth).abs(), truth, 1e-6, &what);
        }
    }
    println!("merging roots: verified, estimated, unsound {:?}", tally.0);
    assert!(tally.0[0] >= 10, "{tally:?}");
}

#[test]
fn rounding_in_the_condition_is_no_kink() {
    // A residual whose terms cancel to eight digits: beside the solution it moves by rounding only.
    let (a, b) = (with_spectrum(&[0.5, 1.0, 2.0], 80), mat(81, 3, 1));
    for size in [1.0, 1e4, 1e8] {
        let z = solve(&a, &b);
        let c = root(&z, &b, |z: Var, phi: Var| (&a * z + z * size) - z * size - phi).flat();
        let truth = solve(&a.transpose().to_owned(), &b);
        let d = c.at(&z, &b).hypergradient(|z: Var, _: Var| z.dot(&b)).unwrap();
        let kink = matches!(d.certificate.verdict, Verdict::Suspect(Why::Kink { .. }));
        assert!(!kink && distance(&d.gradient, &truth) < 1e-6, "{size:e}: {}", d.certificate);
    }
    // An inner program that is itself an iteration to 1e-6: its noise is no kink either.
    let c = root(&0.3, &0.2, |z: Var, phi: Var| {
        let mut y = z;
        for _ in 0..6 {
            y = (y * 0.1 + z).tanh();
        }
        y - phi
    })
    .flat();
    let mut z = 0.3;
    for _ in 0..6 {
        z = c.at(&z, &0.2).linearise(&mut pullback_implicit::Tapes::new()).unwrap().solution();
    }
    assert_eq!(c.at(&z, &0.2).jvp(&1.0).unwrap().certificate.verdict, Verdict::Verified);
}
