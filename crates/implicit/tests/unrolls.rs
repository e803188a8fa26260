//! Ways to the derivative of a whole loop: full, checkpointed and forward give one number, in the memory that they say;
//! evolution strategies give it in the mean, with a standard error that means something.

use pullback::faer::{Mat, mat};
use pullback::prelude::*;
use pullback_implicit::{
    Error, Estimate, Estimator, Evolution, Particles, Sensitivity, Verdict, Why, compare, inner_loop,
};
use pullback_manifolds::{Egrad, Grassmann, Manifold, rng};
use std::cell::Cell;

fn wave(rows: usize, cols: usize, c: f64) -> Mat<f64> {
    Mat::from_fn(rows, cols, |i, j| ((3 * i * i + 5 * j + i * j + 1) as f64 * c).sin())
}

fn apart(a: &Mat<f64>, b: &Mat<f64>) -> f64 {
    (a - b).norm_l2() / b.norm_l2()
}

const KEPT: [Option<usize>; 7] = [None, Some(1), Some(2), Some(3), Some(7), Some(1000), Some(usize::MAX)];

#[test]
fn checkpointed_and_forward_are_the_full_unroll() {
    // A step that depends on its number and is not linear, and a direct term in the loss.
    let (a, w) = (wave(4, 4, 0.3), wave(4, 1, 1.1));
    let (z0, phi) = (wave(4, 1, 0.7), wave(4, 1, 0.9));
    let p = inner_loop(
        &z0,
        &phi,
        |z, phi, t| (&a * z * (0.9 + 0.01 * t as f64) + phi).tanh(),
        |z, phi| z.dot(&w) + phi.dot(phi) * 0.1,
    );
    for steps in [1, 2, 3, 5, 17, 64, 101] {
        let full = p.derivative(steps, Estimator::Unroll).unwrap();
        let others = KEPT.map(|snapshots| Estimator::Checkpointed { snapshots });
        for how in others.into_iter().chain([Estimator::Forward]) {
            let d = p.derivative(steps, how).unwrap();
            assert!(apart(&d.gradient, &full.gradient) < 1e-13, "{how:?}, {steps} steps");
            assert!((d.value - full.value).abs() < 1e-15 && apart(&d.state, &full.state) < 1e-15, "{how:?}");
            assert_eq!((d.certificate, d.products), (full.certificate.clone(), 0));
        }
    }
}

#[test]
fn the_binomial_schedule_runs_each_step_as_often_as_it_must() {
    let runs = Cell::new(0);
    let p = inner_loop(
        &1.0f64,
        &0.9f64,
        |z, phi, _| {
            runs.set(runs.get() + 1);
            (z * phi).sin()
        },
        |z, _| z,
    );
    // r l - C(c + r, c + 1) runs, and l recorded steps.
    for (steps, snapshots, expected) in
        [(10, 3, 3 * 10 - 6 + 10 - 9), (525, 10, 4 * 525 - 364 + 525), (525, 1, 524 * 525 / 2 + 525), (20, 20, 19 + 20)]
    {
        runs.set(0);
        p.derivative(steps, Estimator::Checkpointed { snapshots: Some(snapshots) }).unwrap();
        assert_eq!(runs.get(), expected, "{steps} steps, {snapshots} snapshots");
    }
}

#[test]
fn bytes_are_those_of_the_snapshots_and_of_one_step() {
    let (a, z0, phi) = (wave(30, 30, 0.3), wave(30, 30, 0.7), 0.1f64);
    let p = inner_loop(&z0, &phi, |z, phi, _| (&a * z * phi).tanh(), |z, _| z.sum());
    let bytes = |steps, how| p.derivative(steps, how).unwrap().bytes;
    // One snapshot and one more state, from which a step is recorded.
    let two = bytes(3, Estimator::Checkpointed { snapshots: Some(1) });
    for steps in [5usize, 50, 525] {
        let (full, few) = (bytes(steps, Estimator::Unroll), bytes(steps, Estimator::Checkpointed { snapshots: None }));
        let state = 8 * 900;
        let snapshots = (usize::BITS - steps.leading_zeros()) as usize;
        assert!(few <= two + (snapshots - 1) * state, "{steps}: {few} and {two}");
        assert!(steps < 50 || 4 * few < full, "{steps}: {few} and {full}");
    }
    let forward = |steps| bytes(steps, Estimator::Forward);
    assert_eq!(forward(50), forward(525));
    let with = |c| bytes(200, Estimator::Checkpointed { snapshots: Some(c) });
    assert_eq!(with(20) - with(5), 15 * 8 * 900);
}

#[test]
fn on_a_manifold_and_for_a_tree_of_parameters() {
    let gr = Grassmann::new(5, 2);
    let x0 = gr.random_point(1, &mut rng(4)).swap_remove(0);
    let phi = (wave(5, 5, 0.4), 0.05f64);
    let m = wave(5, 5, 0.8);
    let p = inner_loop(
        &x0,
        &phi,
        |x, (c, step), _| {
            let g = x.grad(|x| x.t_mul(c.sym() * x).trace());
            gr.retract(x, *gr.egrad_to_rgrad(x, Egrad(g)) * -step)
        },
        |x, _| x.t_mul(&m * x).trace(),
    )
    .on(&gr);
    let full = p.derivative(40, Estimator::Unroll).unwrap();
    for how in [Estimator::Checkpointed { snapshots: Some(4) }, Estimator::Forward] {
        let d = p.derivative(40, how).unwrap();
        assert!(apart(&d.gradient.0, &full.gradient.0) < 1e-12, "{how:?}");
        assert!((d.gradient.1 - full.gradient.1).abs() < 1e-12 * full.gradient.1.abs(), "{how:?}");
    }
}

#[test]
fn mistakes_are_typed_in_every_way() {
    let p = inner_loop(&3.0f64, &1.0f64, |z, phi, _| z * z * phi, |z, _| z);
    let es = Evolution::antithetic(4, 0.1, 1);
    let (mut on, ways) = (Sensitivity::new(), [Estimator::Checkpointed { snapshots: None }, Estimator::Forward]);
    for how in ways {
        assert!(matches!(p.derivative(0, how), Err(Error::NoSteps)));
        assert!(p.derivative(20, how).is_err(), "{how:?}");
    }
    assert!(matches!(es.estimate(&mut on, &p, &3.0, &1.0, 20), Err(Error::Diverged { .. })));
    assert!(matches!(es.sample(&p, &3.0, &1.0, 0), Err(Error::NoSteps)));
    for wrong in [Evolution { pairs: 1, ..es }, Evolution { sigma: 0.0, ..es }, Evolution { window: Some(0), ..es }] {
        assert!(matches!(wrong.sample(&p, &3.0, &1.0, 2), Err(Error::Setting { .. })), "{wrong:?}");
    }
    let two = mat![[1.0, 2.0]];
    let wide = inner_loop(&two, &1.0f64, |z, phi, _| z * phi, |z, _| z);
    assert!(matches!(es.sample(&wide, &two, &1.0, 2), Err(Error::Engine(pullback::Error::NotScalar { .. }))));
}

#[test]
fn the_truncation_bias_of_evolution_strategies_and_its_absence() {
    // s_{t+1} = s_t + phi, loss s_1 + ... + s_T: derivative T (T + 1) / 2 = 820, and (K + 1) / (T + 1) of it for
    // unrolls of K steps whose noise is forgotten.
    let (t, k, start) = (40, 5, (0.0f64, 0.0f64));
    let p = inner_loop(&start, &0.3f64, |(s, sum), phi, _| (s + phi, sum + s + phi), |(_, sum), _| sum);
    let exact = (t * (t + 1) / 2) as f64;
    assert_eq!(p.derivative(t, Estimator::Unroll).unwrap().gradient, exact);
    let persistent = Evolution::persistent(4000, 0.1, 3, k).sample(&p, &start, &0.3, t).unwrap();
    let z = (persistent.gradient - exact) / persistent.standard_error;
    assert!(z.abs() < 3.0 && persistent.standard_error < 0.03 * exact, "{persistent:?}");
    assert_eq!((persistent.draws, persistent.steps), (4000 * 8, 2 * 4000 * 40));
    // Forgotten: each unroll from where the loop is, by antithetic strategies.
    let mut forgotten = (0.0, 0.0);
    for unroll in 0..t / k {
        let s = 0.3 * (unroll * k) as f64;
        let d = Evolution::antithetic(2000, 0.1, unroll as u64).sample(&p, &(s, 0.0), &0.3, k).unwrap();
        forgotten = (forgotten.0 + d.gradient, f64::hypot(forgotten.1, d.standard_error));
    }
    let biased = exact * (k + 1) as f64 / (t + 1) as f64;
    assert!((forgotten.0 - biased).abs() < 3.0 * forgotten.1 && forgotten.1 < 0.05 * biased, "{forgotten:?}");
    // The price is variance.
    assert!(persistent.standard_error > 5.0 * forgotten.1, "{persistent:?} {forgotten:?}");
    // Over the whole loop there is no bias either.
    let whole = Evolution::antithetic(4000, 0.1, 3).sample(&p, &start, &0.3, t).unwrap();
    assert!((whole.gradient - exact).abs() < 3.0 * whole.standard_error);
}

#[test]
fn the_standard_error_is_one() {
    // A loop that is not linear; the smoothing of 0.01 is far below the standard error.
    let (w, z0, phi) = (wave(3, 1, 1.1), wave(3, 1, 0.7), wave(3, 1, 0.9));
    let p = inner_loop(&z0, &phi, |z, phi, _| (z * 0.7 + phi).tanh(), |z, _| z.dot(&w));
    let truth = p.derivative(12, Estimator::Unroll).unwrap().gradient;
    for window in [None, Some(3)] {
        let (mut within, mut all) = (0, 0);
        for seed in 0..60 {
            let how = Evolution { pairs: 30, sigma: 0.01, seed, window };
            let d = how.sample(&p, &z0, &phi, 12).unwrap();
            for i in 0..3 {
                all += 1;
                within += usize::from((d.gradient[(i, 0)] - truth[(i, 0)]).abs() < 2.0 * d.standard_error[(i, 0)]);
            }
        }
        // 95 % of a normal distribution; 180 draws scatter by 1.6 %.
        assert!(within * 100 >= 89 * all && within < all, "{window:?}: {within} of {all}");
    }
}

#[test]
fn particles_that_stay_alive_sum_to_the_sample_and_seeds_repeat_bit_by_bit() {
    let (w, z0, phi) = (wave(3, 1, 1.1), wave(3, 1, 0.7), wave(3, 1, 0.9));
    let p = inner_loop(&z0, &phi, |z, phi, t| (z * 0.7 + phi * (t as f64 * 0.1)).tanh(), |z, _| z.dot(&w));
    let how = Evolution::persistent(10, 0.05, 9, 4);
    let sample = || how.sample(&p, &z0, &phi, 12).unwrap();
    let mut particles = Particles::new(how, &z0, &phi).unwrap();
    let sum = (0..3).fold(Mat::zeros(3, 1), |s, _| s + particles.advance(&p, &phi, 4).unwrap().gradient);
    assert!(apart(&sum, &sample().gradient) < 1e-12 && particles.steps == 12);
    assert_eq!((sample().gradient, sample().standard_error), (sample().gradient, sample().standard_error));
    assert_ne!(Evolution { seed: 10, ..how }.sample(&p, &z0, &phi, 12).unwrap().gradient, sample().gradient);
}

#[test]
fn particles_are_where_they_were_after_an_unroll_that_failed() {
    let (z0, phi) = (0.5, 0.3);
    let p = inner_loop(&z0, &phi, |z: Var, phi: Var, _| (z + phi.where_positive(phi, "above 0")) * 0.5, |z: Var, _| z);
    let how = Evolution::persistent(6, 0.01, 4, 2);
    let mut steady = Particles::new(how, &z0, &phi).unwrap();
    let mut tried = Particles::new(how, &z0, &phi).unwrap();
    for _ in 0..3 {
        let expected = steady.advance(&p, &phi, 2).unwrap().gradient;
        // Fails for all particles, and for some of them.
        assert!(tried.advance(&p, &-1.0, 2).is_err() && tried.advance(&p, &0.002, 2).is_err());
        assert_eq!(tried.advance(&p, &phi, 2).unwrap().gradient, expected);
    }
    assert_eq!(tried.steps, 6);
    // Other shapes than those of the particles.
    let (z0, three, four) = (wave(3, 1, 0.7), wave(3, 1, 0.9), wave(4, 1, 0.9));
    let p = inner_loop(&z0, &three, |z: Var, phi: Var, _| z * 0.5 + phi.sum(), |z: Var, _| z.sum());
    let e = Particles::new(how, &z0, &three).unwrap().advance(&p, &four, 2).unwrap_err();
    assert!(matches!(e, Error::Lists { .. }), "{e}");
}

#[test]
fn noise_that_rounding_hides_is_not_a_derivative_of_zero() {
    // Six steps of z <- z / 2 + phi, so the derivative is 2 - 2^-5.
    let truth = 2.0 - 0.5f64.powi(5);
    for offset in [0.0, 1e6, 1e12] {
        let p = inner_loop(&1.0, &2.0, |z: Var, phi: Var, _| z * 0.5 + phi, move |z: Var, _| z + offset);
        for sigma in [1e-320, 1e-170, 1e-17, 1e-15, 1e-12, 1e-8, 1e-5, 1e-2, 1e160, 1e300] {
            for window in [None, Some(2)] {
                match (Evolution { pairs: 100, sigma, seed: 3, window }.sample(&p, &1.0, &2.0, 6), sigma < 1e-14) {
                    (Err(Error::Setting { .. }), true) => {}
                    (Ok(d), false) => {
                        let told = 4.0 * d.standard_error;
                        assert!((d.gradient - truth).abs() < told, "sigma {sigma:e}, offset {offset:e}: {d:?}");
                        assert!(offset > 0.0 || told < 1.5, "sigma {sigma:e}: {d:?}");
                    }
                    (found, _) => panic!("sigma {sigma:e}: {found:?}"),
                }
            }
        }
    }
}

#[test]
fn all_ways_in_one_loop() {
    let (a, w) = (wave(3, 3, 0.3) * 0.3, wave(3, 1, 1.1));
    let (z0, phi) = (wave(3, 1, 0.7), wave(3, 1, 0.9));
    let p = inner_loop(&z0, &phi, |z, phi, _| &a * z + phi, |z, _| z.dot(z) + z.dot(&w));
    let (es, pes) = (Evolution::antithetic(2000, 1e-3, 1), Evolution::persistent(2000, 1e-3, 1, 30));
    let all: [&dyn Estimate<_>; 5] =
        [&Estimator::Unroll, &Estimator::Checkpointed { snapshots: None }, &Estimator::Forward, &es, &pes];
    let found = compare(&all, &p, &z0, &phi, 60).unwrap();
    for (name, d) in &found {
        let error = (&d.gradient - &found[0].1.gradient).norm_l2();
        let random = matches!(d.certificate.verdict, Verdict::Suspect(Why::Sampled { .. }));
        assert_eq!(random, name.starts_with("Evolution"), "{name}");
        assert!(error < if random { 3.0 * d.certificate.error.unwrap() } else { 1e-13 }, "{name} {error:e}");
        assert!(d.bytes > 0 && (d.value - found[0].1.value).abs() < 1e-14, "{name}");
    }
    assert!(found[3].1.certificate.to_string().contains("standard error"), "{}", found[3].1.certificate);
}

#[test]
fn standard_errors_in_units_whose_squares_are_no_numbers() {
    // Powers of two, so that every digit is the same.
    let sampled = |unit: f64| {
        let p = inner_loop(&1.0, &0.5, |z: Var, phi: Var, _| z * phi, |z: Var, _: Var| z.exp() * unit);
        let g = Evolution::antithetic(50, 0.1, 7).sample(&p, &1.0, &0.5, 3).unwrap();
        (g.gradient / unit, g.standard_error / unit)
    };
    let (gradient, error) = sampled(1.0);
    assert!(error > 1e-3 * gradient, "{gradient} {error}");
    for power in [-990, -600, 600, 990] {
        let (g, e) = sampled((power as f64).exp2());
        let off = (g / gradient - 1.0).abs() + (e / error - 1.0).abs();
        assert!(off < 1e-12, "in units of 2^{power} {g} {e}, not {gradient} {error}");
    }
}

#[test]
fn noise_that_the_rounding_of_a_state_hides_is_part_of_the_standard_error() {
    // The state is large and the loss is not: three steps of z <- z + phi, and of z <- z / 2 + phi, from `at`.
    for at in [0.0f64, 1e4, 1e8, 1e12] {
        for sigma in [1e-13, 1e-9, 1e-6, 1e-2] {
            for window in [None, Some(1), Some(2)] {
                let how = Evolution { pairs: 20, sigma, seed: 5, window };
                let p = inner_loop(&at, &0.1f64, |z: Var, phi: Var, _| z + phi, move |z: Var, _| z - at);
                let d = how.sample(&p, &at, &0.1f64, 3).unwrap();
                assert!(
                    (d.gradient - 3.0f64).abs() < 4.0 * d.standard_error + 1e-12,
                    "at {at}, sigma {sigma:e}: {d:?}"
                );
                let rounded = 1e-15 * at / sigma;
                assert!(d.standard_error < 4.0 + 20.0 * rounded, "at {at}, sigma {sigma:e}: {d:?}");
            }
        }
    }
    let nothing = inner_loop(&1.0, &f64::NAN, |z: Var, phi: Var, _| z + phi, |z: Var, _| z);
    let e = Evolution::antithetic(4, 1e-3, 1).sample(&nothing, &1.0, &f64::NAN, 2).unwrap_err();
    assert!(e.to_string().contains("finite parameters"), "{e}");
}
