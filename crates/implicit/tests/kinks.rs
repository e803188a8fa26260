//! Kinks at the solution: of costs, steps, residuals and losses, in the solution and in the parameters, on manifolds,
//! in one member of a batch, in loops. What is wrong is not sound; what is near a kink, or bends where the derivative
//! does not meet it, or is only steep, keeps its verdict and its value.

#[path = "solutions/matrices.rs"]
mod matrices;
#[allow(dead_code)]
#[path = "solutions/spaces.rs"]
mod spaces;

use matrices::{apart, mat, qf, solve, sym, with_spectrum};
use pullback::faer::{Mat, mat};
use pullback::prelude::*;
use pullback::{Batch, Shape};
use pullback_implicit::linear::{Method, Positive};
use pullback_implicit::{
    Condition, Estimate, Estimator, Implicit, Sensitivity, Verdict, Why, fixed_point, inner_loop, root, stationary,
};
use spaces::{Spd, Stiefel};
use std::cell::Cell;

fn is_kink(v: Verdict) -> bool {
    matches!(v, Verdict::Suspect(Why::Kink { bend }) if bend > 0.0 && bend <= 1.0)
}

/// All three questions to a condition of one number with its solution and parameter at 0.
fn all_say_kink<C: Condition<State = f64, Params = f64>>(c: &C, what: &str) {
    let verdicts = [
        c.at(&0.0, &0.0).jvp(&1.0).unwrap().certificate.verdict,
        c.at(&0.0, &0.0).vjp(&1.0).unwrap().certificate.verdict,
        c.at(&0.0, &0.0).hypergradient(|z: Var, _: Var| z * 2.0 + z * z).unwrap().certificate.verdict,
    ];
    assert!(verdicts.iter().all(|v| is_kink(*v)), "{what}: {verdicts:?}");
}

#[test]
fn kinks_of_one_number_at_the_solution() {
    // The thresholds of |z|: at phi = 0 the solution is 0, and stays there.
    all_say_kink(&stationary(&0.0, &0.0, |z: Var, phi: Var| z * z * 0.5 + z.abs() - z * phi).flat(), "|z|");
    all_say_kink(&stationary(&0.0, &0.0, |z: Var, phi: Var| z * z * 0.5 + z.abs() * 1e-5 - z * phi).flat(), "1e-5 |z|");
    let c = stationary(&0.0, &0.0, |z: Var, phi: Var| z * z * 0.5 + z.max(0.0).square() - z * phi).flat();
    let found = c.at(&0.0, &0.0).jvp(&1.0).unwrap();
    assert!(is_kink(found.certificate.verdict), "{}", found.certificate);
    all_say_kink(&root(&0.0, &0.0, |z: Var, phi: Var| z + z.abs() * 0.5 - phi).flat(), "z + |z|/2");
    all_say_kink(&root(&0.0, &0.0, |z: Var, phi: Var| z.clamp(0.0, 1.0) + z - phi).flat(), "clamp");
    all_say_kink(&fixed_point(&0.0, &0.0, |z: Var, phi: Var| z.abs() * 0.5 + phi).flat(), "step |z|/2");
    all_say_kink(&fixed_point(&0.0, &0.0, |z: Var, phi: Var| (z * 0.5 + phi).max(0.0)).flat(), "relu");
    all_say_kink(&root(&0.0, &0.0, |z: Var, phi: Var| z - phi.abs()).flat(), "|phi|");
    // A branch of the program itself.
    let branch = |z: Var<'_>| if z.scalar() > 0.0 { 2.0 } else { 1.0 };
    all_say_kink(&root(&0.0, &0.0, move |z: Var, phi: Var| z * branch(z) - phi).flat(), "branch");
}

#[test]
fn a_kink_of_the_loss() {
    let c = root(&1.0, &1.0, |z: Var, phi: Var| z * 2.0 - phi * 2.0).flat();
    let d = c.at(&1.0, &1.0).hypergradient(|z: Var, _: Var| (z - 1.0).abs()).unwrap();
    assert!(is_kink(d.certificate.verdict), "{}", d.certificate);
    assert!(d.certificate.to_string().starts_with("suspect: a kink at the solution"), "{}", d.certificate);
    // By the parameters directly.
    let d = c.at(&1.0, &1.0).hypergradient(|z: Var, phi: Var| z + (phi - 1.0).abs()).unwrap();
    assert!(is_kink(d.certificate.verdict), "{}", d.certificate);
    // A loss that bends elsewhere.
    let d = c.at(&1.0, &1.0).hypergradient(|z: Var, _: Var| (z - 1.001).abs()).unwrap();
    assert_eq!((d.certificate.verdict, d.gradient), (Verdict::Verified, -1.0), "{}", d.certificate);
}

#[test]
fn a_kink_that_the_derivative_does_not_meet() {
    // Separable: the second number sits in its kink and nobody asks for it.
    let (z, phi) = (mat![[2.0], [0.0]], mat![[2.0], [0.0]]);
    let c = stationary(&z, &phi, |z: Var, phi: Var| z.dot(z) * 0.5 + z.row_range(1, 1).abs().sum() - z.dot(phi)).flat();
    let d = c.at(&z, &phi).hypergradient(|z: Var, _: Var| z.row_range(0, 1).sum()).unwrap();
    assert_eq!(d.certificate.verdict, Verdict::Verified, "{}", d.certificate);
    assert!(apart(&d.gradient, &mat![[1.0], [0.0]]) < 1e-15);
    let d = c.at(&z, &phi).jvp(&mat![[1.0], [0.0]]).unwrap();
    assert!(d.certificate.verdict == Verdict::Verified && apart(&d.value, &mat![[1.0], [0.0]]) < 1e-15);
    assert!(is_kink(c.at(&z, &phi).jvp(&mat![[1.0], [1.0]]).unwrap().certificate.verdict));
    assert!(is_kink(c.at(&z, &phi).vjp(&mat![[1.0], [1.0]]).unwrap().certificate.verdict));
    // A kink that moves with the solution, which stays in it: the derivative is right.
    let c = root(&1.0, &1.0, |z: Var, phi: Var| z - phi + (z - phi).abs() * 0.3).flat();
    let d = c.at(&1.0, &1.0).hypergradient(|z: Var, _: Var| z).unwrap();
    assert_eq!((d.certificate.verdict, d.gradient), (Verdict::Verified, 1.0), "{}", d.certificate);
    // |z| as the loss, in an entry that is zero and stays zero.
    let c = root(&z, &phi, |z: Var, phi: Var| z - phi.hadamard(mat![[1.0], [0.0]])).flat();
    let d = c.at(&z, &phi).hypergradient(|z: Var, _: Var| z.abs().sum()).unwrap();
    assert_eq!(d.certificate.verdict, Verdict::Verified, "{}", d.certificate);
    assert!(apart(&d.gradient, &mat![[1.0], [0.0]]) < 1e-15);
}

#[test]
fn a_kink_near_the_solution_does_not_matter() {
    for far in [0.3f64, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-8, 1e-9, 1e-10, 1e-12, 1e-15] {
        for side in [far, -far] {
            // z + |z - side|/2 = phi has its kink beside the solution 0.
            let phi = 0.5 * far;
            let c = root(&0.0, &phi, move |z: Var, phi: Var| z + (z - side).abs() * 0.5 - phi).flat();
            let truth = 1.0 / (1.0 - 0.5 * side.signum());
            let d = c.at(&0.0, &phi).hypergradient(|z: Var, _: Var| z).unwrap();
            assert!((d.gradient - truth).abs() < 1e-12, "{side:e}: {}", d.gradient);
            assert!(far < 2e-6 || d.certificate.verdict == Verdict::Verified, "{side:e}: {}", d.certificate);
            let d = c.at(&0.0, &phi).jvp(&1.0).unwrap();
            assert!(far < 2e-6 || d.certificate.verdict == Verdict::Verified, "{side:e}: {}", d.certificate);
        }
    }
}

#[test]
fn a_kink_at_the_solution_of_a_point_that_is_not_yet_there() {
    // z + |z|/2 = phi, the same as a cost, and a loss with its kink at the solution. Newton's method leads there in one
    // step, and the derivative is the same on the way.
    for far in [1e-3, 1e-5, 1e-7, 1e-9] {
        let residual = root(&0.0, &0.0, |z: Var, phi: Var| (z - 0.3) + (z - 0.3).abs() * 0.5 - phi).flat();
        let cost = stationary(&0.0, &0.0, |z: Var, phi: Var| {
            let z = z - 0.3;
            (z * z + z * z.abs() * 0.5) * 0.5 - z * phi
        });
        let (cost, smooth) = (cost.flat(), root(&0.0, &0.0, |z: Var, phi: Var| z - 0.3 - phi).flat());
        let z = 0.3 + far;
        let verdicts = [
            residual.at(&z, &0.0).without_polish().vjp(&1.0).unwrap().certificate.verdict,
            residual.at(&z, &0.0).without_polish().jvp(&1.0).unwrap().certificate.verdict,
            cost.at(&z, &0.0).without_polish().vjp(&1.0).unwrap().certificate.verdict,
            smooth
                .at(&z, &0.0)
                .without_polish()
                .hypergradient(|z: Var, _| (z - 0.3).abs())
                .unwrap()
                .certificate
                .verdict,
        ];
        assert!(verdicts.iter().all(|v| is_kink(*v)), "{far:e}: {verdicts:?}");
        // A loss that changes on the way, without a kink.
        let d = smooth.at(&z, &0.0).without_polish().hypergradient(|z: Var, _| z * z * z).unwrap();
        assert!(d.certificate.verdict.is_sound(), "{far:e}: {}", d.certificate);
    }
}

#[test]
fn what_is_steep_or_curved_is_no_kink() {
    for width in [1.0f64, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5] {
        let c = stationary(&0.0, &0.0, move |z: Var, phi: Var| {
            z * z * 0.5 + (z * z + width * width).sqrt() * width - z * phi
        })
        .flat();
        let d = c.at(&0.0, &0.0).hypergradient(|z: Var, _: Var| z).unwrap();
        assert_eq!(d.certificate.verdict, Verdict::Verified, "width {width:e}: {}", d.certificate);
        let c = root(&0.0, &0.0, move |z: Var, phi: Var| z + (z * (1.0 / width)).tanh() * 0.5 - phi).flat();
        let d = c.at(&0.0, &0.0).hypergradient(|z: Var, _: Var| z).unwrap();
        let right = (d.gradient - 1.0 / (1.0 + 0.5 / width)).abs() < 1e-12;
        assert!(right && d.certificate.verdict == Verdict::Verified, "width {width:e}: {}", d.certificate);
    }
    // Twice differentiable, and no more.
    let c = stationary(&0.0, &0.0, |z: Var, phi: Var| z * z * 0.5 + z.abs() * z * z - z * phi).flat();
    assert_eq!(c.at(&0.0, &0.0).jvp(&1.0).unwrap().certificate.verdict, Verdict::Verified);
    let c = root(&0.0, &0.0, |z: Var, phi: Var| z + z * (z * z).max(1e-300).powf(0.25) - phi).flat();
    let d = c.at(&0.0, &0.0).jvp(&1.0).unwrap();
    assert_eq!(d.certificate.verdict, Verdict::Verified, "{}", d.certificate);
}

#[test]
fn kinks_on_manifolds() {
    // The nearest point of the sphere, with a penalty that bends where the second entry is zero.
    let sphere = Stiefel(3, 1);
    let x = mat![[2.0], [0.0], [1.0]];
    let y = &x * (1.0 / x.norm_l2());
    let c = stationary(&y, &x, |y: Var, x: Var| y.row_range(1, 1).abs().sum() * 0.2 - y.dot(x)).on(&sphere);
    let d = c.at(&y, &x).jvp(&mat![[0.3], [1.0], [0.2]]).unwrap();
    assert!(is_kink(d.certificate.verdict), "{}", d.certificate);
    assert!(is_kink(c.at(&y, &x).vjp(&mat![[0.3], [1.0], [0.2]]).unwrap().certificate.verdict));
    let along = c.at(&y, &x).jvp(&mat![[0.3], [0.0], [0.2]]).unwrap();
    assert_eq!(along.certificate.verdict, Verdict::Verified, "{}", along.certificate);
    // A smooth residual from a point that is not yet a solution: tangents at the next point are others.
    let b = Mat::from_fn(3, 1, |i, _| 2.0 * y[(i, 0)] - 0.3 * y[(i, 0)].powi(3));
    let c = root(&y, &b, |y: Var, b: Var| {
        let r = b + y.hadamard(y).hadamard(y) * 0.3;
        y * y.dot(r) - r
    });
    let c = c.on(&sphere);
    for far in [1e-2, 1e-4, 1e-6] {
        let z = &y + mat![[0.3], [1.0], [0.2]] * far;
        let z = &z * (1.0 / z.norm_l2());
        let d = c.at(&z, &b).without_polish().jvp(&mat![[0.3], [1.0], [0.2]]).unwrap();
        assert!(d.certificate.verdict.is_sound(), "{far:e}: {}", d.certificate);
    }
    // Positive matrices, with an entry that is zero.
    let spd = Spd(3);
    let s = mat![[2.0, 0.0, 0.3], [0.0, 1.0, 0.0], [0.3, 0.0, 0.7]];
    let m = sym(&solve(&s, &Mat::identity(3, 3)));
    let c =
        stationary(&m, &s, |m: Var, s: Var| m.dot(s.sym()) - m.spd().logdet() + m.block(0..1, 1..2).abs().sum() * 0.1)
            .on(&spd);
    let d = c.at(&m, &s).hypergradient(|m: Var, _: Var| m.sum()).unwrap();
    assert!(is_kink(d.certificate.verdict), "{}", d.certificate);
}

#[test]
fn a_kink_in_one_member_of_a_batch() {
    let shape = Shape::batch(3, 2, 1);
    let phi = Batch::from_fn(shape, |m, i, _| if m == 1 && i == 0 { 0.0 } else { 3.0 + m as f64 + i as f64 });
    let z = Batch::from_fn(shape, |m, i, _| if m == 1 && i == 0 { 0.0 } else { phi.data()[2 * m + i] - 1.0 });
    let c = stationary(&z, &phi, |z: Var, phi: Var| z.dot(z) * 0.5 + z.abs().sum_each() - z.dot(phi)).flat();
    let ones = Batch::from_fn(shape, |_, _, _| 1.0);
    for members in [
        c.at(&z, &phi).jvp(&ones).unwrap().certificate.members,
        c.at(&z, &phi).vjp(&ones).unwrap().certificate.members,
        c.at(&z, &phi).hypergradient(|z: Var, _: Var| z.sum()).unwrap().certificate.members,
    ] {
        assert!(is_kink(members[1].verdict), "{:?}", members[1]);
        assert_eq!((members[0].verdict, members[2].verdict), (Verdict::Verified, Verdict::Verified));
    }
}

#[test]
fn a_kink_in_one_of_many_dimensions_by_every_solver() {
    let n = 60;
    let (q, w) = (qf(&mat(70, n, n)), mat(71, n, 1));
    let values: Vec<f64> = (0..n).map(|i| 0.5 + i as f64 / n as f64).collect();
    let a = with_spectrum(&values, 72);
    // |u'z| for a direction u that no entry knows of, orthogonal to the solution.
    let (u, phi) = (Mat::from_fn(n, 1, |i, _| q[(i, 0)]), &a * Mat::from_fn(n, 1, |i, _| q[(i, 1)]));
    let z = solve(&a, &phi);
    let c =
        stationary(&z, &phi, |z: Var, phi: Var| z.dot(&a * z) * 0.5 + z.dot(&u).max(0.0).square() * 0.5 - z.dot(phi))
            .flat();
    for method in [Method::Auto, Method::Cg(Positive::asserted()), Method::Gmres { restart: 60 }, Method::Lsmr] {
        let d = c.at(&z, &phi).method(method).hypergradient(|z: Var, _: Var| z.dot(&w)).unwrap();
        // The solution is orthogonal to u to rounding: at the kink.
        assert!(is_kink(d.certificate.verdict), "{method:?}: {}", d.certificate);
    }
    // The same without the kink.
    let c = stationary(&z, &phi, |z: Var, phi: Var| z.dot(&a * z) * 0.5 - z.dot(phi)).flat();
    let d = c.at(&z, &phi).hypergradient(|z: Var, _: Var| z.dot(&w)).unwrap();
    assert!(d.certificate.verdict == Verdict::Verified && apart(&d.gradient, &solve(&a, &w)) < 1e-8);
}

#[test]
fn single_precision() {
    let c = stationary(&0f32, &0f32, |z: Var<'_, f32>, phi: Var<'_, f32>| z * z * 0.5f32 + z.abs() - z * phi).flat();
    assert!(is_kink(c.at(&0.0, &0.0).jvp(&1.0).unwrap().certificate.verdict));
    let c = stationary(&0f32, &1f32, |z: Var<'_, f32>, phi: Var<'_, f32>| z * z * 0.5f32 + z.exp() - z * phi).flat();
    let d = c.at(&0.0, &1.0).jvp(&1.0).unwrap();
    assert!(d.certificate.verdict == Verdict::Verified && (d.value - 0.5).abs() < 1e-6, "{}", d.certificate);
}

#[test]
fn kinks_of_a_loop_and_of_its_loss() {
    let (z0, phi) = (mat![[0.0], [1.0]], mat![[0.0], [1.0]]);
    let bent = inner_loop(&z0, &phi, |z: Var, phi: Var, _| z.abs() * 0.5 + phi, |z: Var, _: Var| z.sum());
    let smooth = inner_loop(&z0, &phi, |z: Var, phi: Var, _| z * 0.5 + phi, |z: Var, _: Var| z.sum());
    let loss = inner_loop(&z0, &phi, |z: Var, phi: Var, _| z * 0.5 + phi, |z: Var, _: Var| z.abs().sum());
    // The second entry bends nowhere near, and the loss does not see the first.
    let unseen =
        inner_loop(&z0, &phi, |z: Var, phi: Var, _| z.abs() * 0.5 + phi, |z: Var, _: Var| z.row_range(1, 1).sum());
    for how in [Estimator::FixedPoint { terms: 60 }, Estimator::FixedPoint { terms: 8 }] {
        assert!(is_kink(bent.derivative(80, how).unwrap().certificate.verdict), "{how:?}");
        assert!(is_kink(loss.derivative(80, how).unwrap().certificate.verdict), "{how:?}");
        assert!(smooth.derivative(80, how).unwrap().certificate.verdict.is_sound(), "{how:?}");
        assert!(unseen.derivative(80, how).unwrap().certificate.verdict.is_sound(), "{how:?}");
    }
    let solved = Implicit::new::<f64>().estimate(&mut Sensitivity::new(), &bent, &z0, &phi, 80).unwrap();
    assert!(is_kink(solved.certificate.verdict), "{}", solved.certificate);
}

/// A step whose second parameter and no later one matters.
fn halved<'t>(z: Var<'t>, phi: Var<'t>, _: usize) -> Var<'t> {
    z * 0.5 + phi.row_range(0, 2)
}

/// Beyond half a million parameters nothing is looked at, and the certificate says so.
#[test]
fn a_loop_that_is_not_looked_at_says_so() {
    for (count, looked) in [(500_000, true), (500_001, false)] {
        let (z0, phi) = (mat![[0.0], [1.0]], Batch::from_fn(Shape::mat(count, 1), |_, i, _| f64::from(i == 1)));
        let bent =
            inner_loop(&z0, &phi, |z: Var, phi: Var, _| z.abs() * 0.5 + phi.row_range(0, 2), |z: Var, _: Var| z.sum());
        let found = bent.derivative(80, Estimator::FixedPoint { terms: 8 }).unwrap().certificate;
        assert_eq!((is_kink(found.verdict), found.looked_for_kinks), (looked, looked), "{count}: {found}");
        assert_eq!(found.to_string().contains("kinks were not looked for"), !looked, "{found}");
    }
}

/// A look costs a few sweeps.
#[test]
fn a_loop_with_many_parameters_is_looked_at_too() {
    for count in [3, 10_000, 300_000] {
        let (z0, phi) = (mat![[0.0], [1.0]], Batch::from_fn(Shape::mat(count, 1), |_, i, _| f64::from(i == 1)));
        let bent =
            inner_loop(&z0, &phi, |z: Var, phi: Var, _| z.abs() * 0.5 + phi.row_range(0, 2), |z: Var, _: Var| z.sum());
        let found = bent.derivative(80, Estimator::FixedPoint { terms: 8 }).unwrap().certificate;
        assert!(is_kink(found.verdict), "{count}: {found}");
        // All of them at work, and nothing bends; then the loss does, where a parameter is zero.
        let smooth = inner_loop(&z0, &phi, halved, |z: Var, phi: Var| z.sum() + phi.dot(phi));
        let found = smooth.derivative(80, Estimator::FixedPoint { terms: 60 }).unwrap().certificate;
        assert_eq!(found.verdict, Verdict::Verified, "{count}: {found}");
        let loss = inner_loop(&z0, &phi, halved, |z: Var, phi: Var| z.sum() + phi.abs().sum());
        let found = loss.derivative(80, Estimator::FixedPoint { terms: 60 }).unwrap().certificate;
        assert!(is_kink(found.verdict), "{count}: {found}");
    }
}

/// What is recorded is one step and one loss; a look takes two more of each, and near a kink six. Two steps more say
/// whether the step is steep.
#[test]
fn what_a_look_at_a_loop_takes() {
    let (z0, phi) = (mat![[0.0], [2.0]], mat![[0.0], [1.0]]);
    for (bent, most) in [(false, 5), (true, 9)] {
        let (steps, losses) = (Cell::new(0), Cell::new(0));
        let p = inner_loop(
            &z0,
            &phi,
            |z: Var, phi: Var, _| {
                steps.set(steps.get() + 1);
                (if bent { z.abs() } else { z }) * 0.5 + phi
            },
            |z: Var, _: Var| {
                losses.set(losses.get() + 1);
                z.sum()
            },
        );
        let found = p.derivative(1, Estimator::FixedPoint { terms: 60 }).unwrap().certificate;
        assert_eq!(is_kink(found.verdict), bent, "{found}");
        assert!(steps.get() <= most && losses.get() <= most - 2, "{} {}", steps.get(), losses.get());
    }
}

#[test]
fn what_a_run_rounds_otherwise_than_the_recording_is_no_jump() {
    let cholesky = pullback_manifolds::Spd::new(3).with(pullback_manifolds::SpdMetric::LogCholesky);
    for seed in 0..40 {
        let s = with_spectrum(&[0.05, 0.7, 20.0], seed);
        let m = sym(&solve(&s, &Mat::identity(3, 3)));
        let c = stationary(&m, &s, |m, s: Var| (m.dot(s.sym()) - m.spd().logdet()) * 24.0).on(&cholesky);
        let none = Mat::zeros(3, 3);
        let d = c.at(&m, &s).jvp(&none).unwrap();
        assert!(d.value.norm_l2() == 0.0 && !is_kink(d.certificate.verdict), "seed {seed}\n{}", d.certificate);
    }
}

#[test]
fn a_kink_in_a_small_leaf_beside_a_large_one() {
    // Units of the second leaf, of the solution and of its residual. The first leaf has its kink at 1.
    for unit in [1.0f64, 1e3, 1e6, 1e9] {
        let (at, phi) = ((1.0f64, unit), 1.0f64);
        let run = |kink: f64| {
            let c = root(&at, &phi, |(z, u): (Var, Var), p: Var| {
                (z - p + (z - 1.0).abs() * kink, u - p * unit + (z - 1.0) * 0.2)
            })
            .flat();
            let pushed = c.at(&at, &phi).jvp(&1.0).unwrap().certificate.verdict;
            let pulled = c.at(&at, &phi).vjp(&(1.0, 1.0 / unit)).unwrap().certificate.verdict;
            let lost = c.at(&at, &phi).hypergradient(|(z, u): (Var, Var), _: Var| z + u * (1.0 / unit)).unwrap();
            [pushed, pulled, lost.certificate.verdict]
        };
        assert!(run(0.05).iter().all(|v| is_kink(*v)), "{unit:e} {:?}", run(0.05));
        assert!(run(0.0).iter().all(|v| *v == Verdict::Verified), "{unit:e} {:?}", run(0.0));
    }
}
