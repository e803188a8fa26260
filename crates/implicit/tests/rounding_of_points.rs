//! What rounding of a point leaves of a derivative: seen through the loss, through a step that hardly contracts, and
//! through a residual that cancels inside. And what two derivatives that happen to be equal do not say.

use pullback::faer::{Mat, mat};
use pullback::prelude::*;
use pullback_implicit::{
    Condition, Estimate, Estimator, Implicit, Sensitivity, Verdict, Why, fixed_point, inner_loop, root, stationary,
};

/// Verdicts of a kind: verified, estimated, neither. What is verified or estimated must be right.
#[derive(Debug, Default)]
struct Found([usize; 3]);

impl Found {
    fn take(&mut self, verdict: Verdict, told: Option<f64>, got: f64, truth: f64, what: &str) {
        let (error, scale) = ((got - truth).abs(), truth.abs().max(got.abs()));
        self.0[match verdict {
            Verdict::Verified => {
                assert!(error <= 3e-8 * scale, "{what}: verified, and wrong by {:e}", error / scale);
                0
            }
            Verdict::Estimated => {
                let (told, rounding) = (told.unwrap(), 1e-8 * scale);
                assert!(
                    told > 0.5 * error - rounding && told < 2.0 * error + rounding,
                    "{what}: {told:e} for {error:e}"
                );
                1
            }
            _ => 2,
        }] += 1;
    }
}

fn is_lost(v: Verdict) -> bool {
    matches!(v, Verdict::Suspect(Why::IllConditioned { .. }))
}

/// The square root of `p` as a root, a minimum and a fixed point, with the loss `(z - t)² / 2`, `t` beside it.
#[test]
fn a_loss_near_its_minimum_sees_the_rounding_of_the_point() {
    for (p, apart) in [(2.0f64, 1e-11), (2.0, -1e-12), (0.7, 1e-10), (5.0, 3e-11)] {
        let z = p.sqrt();
        let t = z + apart * z;
        let found = [
            root(&z, &p, |z: Var, p: Var| z * z - p)
                .flat()
                .at(&z, &p)
                .hypergradient(|z: Var, _| (z - t) * (z - t) * 0.5)
                .unwrap()
                .certificate,
            stationary(&z, &p, |z: Var, p: Var| z * z * z / 3.0 - z * p)
                .flat()
                .at(&z, &p)
                .hypergradient(|z: Var, _| (z - t) * (z - t) * 0.5)
                .unwrap()
                .certificate,
            fixed_point(&z, &p, |z: Var, p: Var| (z + p / z) * 0.5)
                .flat()
                .at(&z, &p)
                .hypergradient(|z: Var, _| (z - t) * (z - t) * 0.5)
                .unwrap()
                .certificate,
        ];
        for c in found {
            assert!(is_lost(c.verdict), "{p} {apart}: {c}");
        }
        // Further away the loss has a slope that is known.
        let t = z + 1e-3;
        let h = root(&z, &p, |z: Var, p: Var| z * z - p)
            .flat()
            .at(&z, &p)
            .hypergradient(|z: Var, _| (z - t) * (z - t) * 0.5)
            .unwrap();
        assert_eq!(h.certificate.verdict, Verdict::Verified, "{}", h.certificate);
    }
}

#[test]
fn and_so_does_a_loss_after_a_loop() {
    let (z0, p) = (1.5f64, 2.0f64);
    let z = p.sqrt();
    for (apart, sound) in [(1e-3, true), (1e-11, false), (-1e-10, false)] {
        let t = z + apart;
        let it = inner_loop(&z0, &p, |z: Var, p: Var, _| z - (z * z - p) * 0.3, |z: Var, _| (z - t) * (z - t) * 0.5);
        let (series, implicit) = (Estimator::FixedPoint { terms: 60 }, Implicit::new::<f64>());
        let ways: [&dyn Estimate<_>; 2] = [&series, &implicit];
        for way in ways {
            let d = way.estimate(&mut Sensitivity::new(), &it, &z0, &p, 300).unwrap();
            assert_eq!(d.certificate.verdict.is_sound(), sound, "{apart} {}: {}", way.name(), d.certificate);
        }
    }
}

/// Members of a batch of loops, of which one is near the minimum of its loss.
#[test]
fn in_the_member_that_it_concerns() {
    let shape = pullback::Shape::batch(3, 1, 1);
    let p: Batch<f64> = Batch::from_slice(shape, &[2.0, 3.0, 5.0]);
    let z0 = Batch::from_slice(shape, &[1.4, 1.7, 2.2]);
    let t = Batch::from_fn(shape, |m, _, _| p.data()[m].sqrt() + if m == 1 { 1e-12 } else { 0.1 });
    let it = inner_loop(
        &z0,
        &p,
        |z: Var, p: Var, _| z - (z.hadamard(z) - p).scaled(0.2),
        |z: Var, _| {
            let d = z - z.tape().constant(&t);
            d.dot(d).sum() * 0.5
        },
    );
    let d = it.derivative(400, Estimator::FixedPoint { terms: 80 }).unwrap();
    let sound: Vec<bool> = d.certificate.members.iter().map(|m| m.verdict.is_sound()).collect();
    assert_eq!(sound, [true, false, true], "{}", d.certificate);
}

/// The same of members of one batch of solutions: of one the loss is near its minimum, of one it is not, and one is no
/// solution.
#[test]
fn members_of_a_batch_of_solutions_differ() {
    let shape = pullback::Shape::batch(3, 1, 1);
    let p: Batch<f64> = Batch::from_slice(shape, &[2.0, 3.0, 5.0]);
    let z = Batch::from_fn(shape, |m, _, _| p.data()[m].sqrt() + if m == 2 { 1.0 } else { 0.0 });
    let t = Batch::from_fn(shape, |m, _, _| p.data()[m].sqrt() + if m == 0 { 1e-12 } else { 0.1 });
    let c = root(&z, &p, |z: Var, p: Var| z.hadamard(z) - p).flat();
    let h = c
        .at(&z, &p)
        .without_polish()
        .hypergradient(|z: Var, _| {
            let d = z - z.tape().constant(&t);
            d.dot(d).sum() * 0.5
        })
        .unwrap();
    let verdicts: Vec<Verdict> = h.certificate.members.iter().map(|m| m.verdict).collect();
    assert!(is_lost(verdicts[0]) && verdicts[1] == Verdict::Verified && !verdicts[2].is_sound(), "{verdicts:?}");
}

/// A loss near its minimum in single precision, at a distance where it is lost and at one where it is not.
#[test]
fn single_precision_loses_the_loss_sooner() {
    for (apart, sound) in [(1e-5f32, false), (-3e-6, false), (0.1, true), (-0.3, true)] {
        let p = 2.0f32;
        let z = p.sqrt();
        let t = z + apart;
        let c = root(&z, &p, |z: Var<f32>, p: Var<f32>| z * z - p).flat();
        let h = c.at(&z, &p).hypergradient(|z: Var<f32>, _| (z - t) * (z - t) * 0.5).unwrap();
        assert_eq!(h.certificate.verdict.is_sound(), sound, "{apart}: {}", h.certificate);
    }
}

/// `z <- z - gain ((z - c)² - p)`: a point is a fixed point to rounding long before it is a root.
#[test]
fn a_step_that_hardly_contracts_rounds_its_residual() {
    let mut found = [Found::default(), Found::default()];
    for gain in [0.3, 0.1, 0.03, 0.01] {
        for p in [1e-3f64, 1e-6, 1e-8, 1e-9, 1e-10] {
            for (k, c) in [1.0, 3.0, 100.0].into_iter().enumerate() {
                for off in [2e-7, -1e-6, 1e-3] {
                    let (u, truth) = (p.sqrt(), 0.5 / p.sqrt());
                    let z = c + u * (1.0 + off * (k + 1) as f64);
                    let what = format!("gain {gain}, p {p}, c {c}, off {off}");
                    let d = fixed_point(&z, &p, move |z: Var, p: Var| z - ((z - c) * (z - c) - p) * gain)
                        .flat()
                        .at(&z, &p)
                        .jvp(&1.0)
                        .unwrap();
                    let (v, told) = (d.certificate.verdict, d.certificate.error.map(|e| e.total));
                    found[0].take(v, told, d.value, truth, &what);
                    let d = root(&z, &p, move |z: Var, p: Var| ((z - c) * (z - c) - p) * gain)
                        .flat()
                        .at(&z, &p)
                        .vjp(&1.0)
                        .unwrap();
                    let (v, told) = (d.certificate.verdict, d.certificate.error.map(|e| e.total));
                    found[1].take(v, told, d.value, truth, &what);
                }
            }
        }
    }
    println!("verified, estimated, neither: {found:?}");
    assert!(found[0].0[0] >= 30 && found[0].0[2] >= 60 && found[1].0[0] >= 100, "{found:?}");
}

/// Residuals whose terms cancel do not answer to small moves, and are zero where there is no root.
#[test]
fn a_residual_that_cancels_inside_is_zero_where_there_is_no_root() {
    let mut found = [Found::default(), Found::default()];
    for k in [1e-4, 1e-6, 1e-10, 1e-11, 1e-12] {
        for p in [0.5f64, 0.9, 1.3] {
            for off in [1e-9, 3e-7, -1e-6, 1e-5] {
                let z = p.sqrt() * (1.0 + off);
                let what = format!("k {k}, p {p}, off {off}");
                let both = [
                    root(&z, &p, move |z: Var, p: Var| ((z * z - p) * k + 1.0) - 1.0)
                        .flat()
                        .at(&z, &p)
                        .jvp(&1.0)
                        .unwrap(),
                    root(&z, &p, move |z: Var, p: Var| ((z * z - p) * k).exp() - 1.0)
                        .flat()
                        .at(&z, &p)
                        .jvp(&1.0)
                        .unwrap(),
                ];
                for d in both {
                    let (v, told) = (d.certificate.verdict, d.certificate.error.map(|e| e.total));
                    found[usize::from(k < 1e-9)].take(v, told, d.value, 0.5 / p.sqrt(), &what);
                }
            }
        }
    }
    println!("verified, estimated, neither: {found:?}");
    assert!(found[0].0[2] == 0 && found[1].0[2] >= 48, "{found:?}");
}

/// In several dimensions one entry of the residual may be silent beside others that answer.
#[test]
fn one_entry_that_does_not_answer_beside_one_that_does() {
    let p = mat![[0.9], [0.3]];
    for (k, sound) in [(1.0, true), (1e-11, false)] {
        let z = mat![[0.9f64.sqrt() * (1.0 + 1e-6)], [0.3]];
        let c = root(&z, &p, |z: Var, p: Var| {
            let (a, b) = (z.row_range(0, 1), z.row_range(1, 1));
            let (e, f) = (mat![[1.0], [0.0]], mat![[0.0], [1.0]]);
            let silent = ((a * a - p.row_range(0, 1)) * k + 1.0) - 1.0;
            silent * &e + (b - p.row_range(1, 1)) * k * &f
        })
        .flat();
        let h = c.at(&z, &p).hypergradient(|z: Var, _| z.row_range(0, 1)).unwrap();
        assert_eq!(h.certificate.verdict.is_sound(), sound, "{k}: {}", h.certificate);
    }
}

/// At a fold the first two derivatives may be equal, and both wrong.
#[test]
fn derivatives_that_happen_to_be_equal_at_a_fold() {
    for u in [1e-5f64, 1e-4, 1e-3] {
        for f in [0.9, 0.99, 0.9999, 0.999_999] {
            let off = u * 1e-4;
            let p = mat![[u * u], [0.7]];
            let z = mat![[u + off], [0.7 + (2.0 * u * off * f).sqrt()]];
            let c = root(&z, &p, |z: Var, p: Var| {
                let (a, b) = (z.row_range(0, 1), z.row_range(1, 1));
                let (e, g) = (mat![[1.0], [0.0]], mat![[0.0], [1.0]]);
                let d = b - 0.7;
                (a * a - p.row_range(0, 1) + d * d) * &e + (b - p.row_range(1, 1)) * &g
            })
            .flat();
            for polish in [true, false] {
                let at = c.at(&z, &p);
                let at = if polish { at } else { at.without_polish() };
                let h = at.hypergradient(|z: Var, _| z.row_range(0, 1)).unwrap();
                let told = h.certificate.error.map(|e| e.total);
                let mut found = Found::default();
                let what = format!("u {u}, f {f}, polish {polish}");
                found.take(h.certificate.verdict, told, h.gradient[(0, 0)], 0.5 / u, &what);
                assert!(!polish || found.0[2] == 0, "{what}: {}", h.certificate);
            }
        }
    }
}

/// A Neumann series that stops early leaves an error that is counted once.
#[test]
fn the_error_of_a_solver_that_stops_early_is_counted_once() {
    let a = Mat::from_fn(6, 6, |i, j| {
        if i == j {
            0.5
        } else if j > i {
            0.3
        } else {
            0.0
        }
    });
    let (z0, p) = (Mat::<f64>::zeros(6, 1), Mat::from_fn(6, 1, |i, _| 0.2 + 0.1 * i as f64));
    let it = inner_loop(&z0, &p, |z: Var, p: Var, _| &a * z + p, |z: Var, _| z.sum());
    let truth = it.derivative(1000, Estimator::Unroll).unwrap().gradient;
    for terms in [5, 10, 20, 30] {
        let how = Implicit::new::<f64>().method(pullback_implicit::linear::Method::Neumann { terms });
        let d = how.estimate(&mut Sensitivity::new(), &it, &z0, &p, 400).unwrap();
        let (error, told) = ((&d.gradient - &truth).norm_l2(), d.certificate.error.unwrap());
        assert!(told > 0.5 * error && told < 1.5 * error, "{terms}: {told:e} for {error:e}\n{}", d.certificate);
    }
}
