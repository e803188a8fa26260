//! Series of batches of loops that do not know of each other: every member has its own verdict and error. A small part
//! of the derivative that is wrong is not hidden by a large one that is right, nor a loop that is slow, grows or still
//! moves by others that have arrived.

use pullback::Shape;
use pullback::prelude::*;
use pullback_implicit::linear::Method;
use pullback_implicit::{Certificate, Estimate, Estimator, Implicit, Sensitivity, Verdict, Why, inner_loop};

/// `z <- a z + b z² + phi` in every member, and the sum of `w z` as the loss: `a`, `b`, `phi` and `w` of each.
type Kind = (f64, f64, f64, f64);

/// The derivative by `phi` after so many steps from 0, its truths, and the certificate.
fn derivative(kinds: &[Kind], steps: usize, terms: usize) -> (Vec<f64>, Vec<f64>, Certificate) {
    let number = |f: &dyn Fn(Kind) -> f64| Batch::from_fn(Shape::batch(kinds.len(), 1, 1), |m, _, _| f(kinds[m]));
    let (a, b, w) = (number(&|k| k.0), number(&|k| k.1), number(&|k| k.3));
    let (z0, phi) = (number(&|_| 0.0), number(&|k| k.2));
    let p = inner_loop(
        &z0,
        &phi,
        |z: Var, phi: Var, _| z.hadamard(&a) + z.hadamard(z).hadamard(&b) + phi,
        |z: Var, _: Var| z.dot(&w).sum(),
    );
    let d = p.derivative(steps, Estimator::FixedPoint { terms }).unwrap();
    // The fixed point by bisection between 0 and the point where the slope of the step is 1.
    let truth = |&(a, b, phi, w): &Kind| {
        let z = (0..4000).fold(0.0, |z: f64, _| z - (z - a * z - b * z * z - phi) / (1.0 - a - 2.0 * b * z));
        w / (1.0 - a - 2.0 * b * z)
    };
    (d.gradient.data().to_vec(), kinds.iter().map(truth).collect(), d.certificate)
}

/// That what is said of each member is so.
fn is_honest(kinds: &[Kind], steps: usize, terms: usize) -> Vec<Verdict> {
    let (found, truth, certificate) = derivative(kinds, steps, terms);
    assert_eq!(certificate.members.len(), kinds.len());
    for (m, member) in certificate.members.iter().enumerate() {
        let (error, size) = ((found[m] - truth[m]).abs(), truth[m].abs());
        let what = format!("{:?}, {steps} steps, {terms} terms: wrong by {error:e} of {size:e}, {member:?}", kinds[m]);
        match member.verdict {
            Verdict::Verified => assert!(error <= 1e-6 * size, "{what}"),
            Verdict::Estimated => {
                let (told, rounding) = (member.error.unwrap(), 1e-9 * size);
                assert!(told + rounding >= 0.5 * error && told <= 2.0 * error + rounding, "{what}");
            }
            _ => {}
        }
    }
    let worst = certificate.members.iter().fold(Verdict::Verified, |v, m| v.worse(m.verdict));
    assert!(certificate.verdict.worse(worst) == certificate.verdict, "{certificate}");
    certificate.members.iter().map(|m| m.verdict).collect()
}

#[test]
fn a_small_member_that_is_slow_is_not_hidden_by_a_large_one_that_is_fast() {
    let kinds = [(0.1, 0.0, 1.0, 1.0), (0.9999, 0.0, 1e-4, 1e-9)];
    let v = is_honest(&kinds, 200_000, 12);
    assert_eq!(v[0], Verdict::Verified);
    assert_eq!(v[1], Verdict::Estimated);
    // The whole is not verified though its length is right to 1e-5 of itself.
    let (found, truth, certificate) = derivative(&kinds, 200_000, 12);
    let apart = found.iter().zip(&truth).map(|(f, t)| (f - t).powi(2)).sum::<f64>().sqrt();
    assert!(apart < 2e-5 * truth[0] && certificate.verdict == Verdict::Estimated, "{certificate}");
}

#[test]
fn a_member_that_grows_is_named() {
    // The second member leaves the numbers slowly; the third has no part in the loss; the fourth has none of phi.
    let kinds = [(0.3, 0.0, 1.0, 1.0), (1.001, 0.0, 1e-3, 1e-6), (0.5, 0.0, 1.0, 0.0), (-0.4, 0.0, 0.0, 2.0)];
    let v = is_honest(&kinds, 400, 40);
    assert_eq!((v[0], v[2], v[3]), (Verdict::Verified, Verdict::Verified, Verdict::Verified));
    assert!(
        matches!(v[1], Verdict::Suspect(Why::Diverges { .. }) | Verdict::Invalid(Why::Diverges { .. })),
        "{:?}",
        v[1]
    );
    let (_, _, certificate) = derivative(&kinds, 400, 40);
    assert!(!certificate.verdict.is_sound() && certificate.to_string().contains("member 1 of 4"), "{certificate}");
}

#[test]
fn a_census_of_batches() {
    let mut tally = [0usize; 3];
    let rates = [-0.9, -0.3, 0.0, 1e-3, 0.4, 0.9, 0.99, 0.999];
    for steps in [5usize, 30, 300, 10_000] {
        for terms in [0usize, 1, 3, 12, 60] {
            for k in 0..12 {
                let kind = |m: usize| {
                    let (i, j) = ((5 * k + 3 * m) % 8, (k + m) % 3);
                    let room = 1.0 - rates[i];
                    let b = [0.0, 0.3, -0.4][j] * room;
                    (rates[i], b, 0.2 * room * (1.0 + 0.3 * m as f64), 10f64.powi(-(((k + 2 * m) % 9) as i32)))
                };
                let kinds: Vec<Kind> = (0..4).map(kind).collect();
                for v in is_honest(&kinds, steps, terms) {
                    tally[if v == Verdict::Verified {
                        0
                    } else if v == Verdict::Estimated {
                        1
                    } else {
                        2
                    }] += 1;
                }
            }
        }
    }
    println!("verified, estimated, neither: {tally:?}");
    assert!(tally[0] > 100 && tally[1] > 50, "{tally:?}");
}

#[test]
fn alone_a_member_is_told_what_it_is_told_in_the_batch() {
    let kinds = [(0.9, 0.0, 0.1, 1.0), (0.2, 0.1, 0.3, 1e-3), (-0.7, 0.05, 1.0, 3.0)];
    let (found, _, all) = derivative(&kinds, 2000, 9);
    for (m, kind) in kinds.iter().enumerate() {
        let (alone, _, certificate) = derivative(&[*kind], 2000, 9);
        assert_eq!(alone[0], found[m]);
        assert_eq!(certificate.verdict, all.members[m].verdict);
        let (a, b) = (certificate.error.unwrap(), all.members[m].error.unwrap());
        assert!((a - b).abs() <= 1e-6 * a + 1e-15, "{a:e} {b:e}");
    }
}

#[test]
fn parameters_that_members_share_have_no_parts() {
    let (z0, phi) = (Batch::zeros(Shape::batch(3, 1, 1)), 0.5f64);
    let p = inner_loop(&z0, &phi, |z: Var, phi: Var, _| z * 0.5 + phi, |z: Var, _: Var| z.sum());
    let d = p.derivative(80, Estimator::FixedPoint { terms: 60 }).unwrap();
    assert!(d.certificate.members.is_empty() && d.certificate.verdict == Verdict::Verified, "{}", d.certificate);
    assert!((d.gradient - 6.0).abs() < 1e-12);
}

#[test]
fn a_member_whose_terms_grow_does_not_cut_off_the_sums_of_the_others() {
    let kinds = [(0.5, 0.0, 1.0, 1.0), (1.4, 0.0, 1.0, 1.0), (0.8, 0.0, -0.7, 2.0), (-1.2, 0.0, 0.4, 0.1)];
    for terms in [20, 60, 200] {
        let (found, truth, certificate) = derivative(&kinds, 300, terms);
        for m in [0, 2] {
            let (alone, _, own) = derivative(&kinds[m..=m], 300, terms);
            assert_eq!(found[m], alone[0], "{terms} terms, member {m}");
            assert_eq!(certificate.members[m].verdict, own.verdict, "{terms} terms, member {m}: {certificate}");
            let error = (found[m] / truth[m] - 1.0).abs();
            assert!(terms < 200 || error < 1e-14, "{terms} terms, member {m}: {error:e}");
        }
        for (m, rate) in [(1, 1.4), (3, 1.2)] {
            let Verdict::Invalid(Why::Diverges { rate: told }) = certificate.members[m].verdict else {
                panic!("{terms} terms, member {m}: {:?}", certificate.members[m]);
            };
            assert!((told - rate).abs() < 1e-12, "{told} {rate}");
        }
        assert!(matches!(certificate.verdict, Verdict::Invalid(Why::Diverges { .. })), "{certificate}");
    }
}

#[test]
fn a_member_whose_linear_system_is_far_from_solved_is_told_how_far() {
    // Thirty terms of a slow series are a seventh of its sum.
    let (z0, phi) = [0.0, 1.0].map(|x| Batch::from_fn(Shape::batch(2, 1, 1), |_, _, _| x)).into();
    let a = Batch::from_fn(Shape::batch(2, 1, 1), |m, _, _| [0.995, 0.5][m]);
    let p = inner_loop(&z0, &phi, |z: Var, phi: Var, _| z.hadamard(&a) + phi, |z: Var, _: Var| z.sum().sum());
    let solver = Implicit::new::<f64>().method(Method::Neumann { terms: 30 });
    let d = solver.estimate(&mut Sensitivity::new(), &p, &z0, &phi, 40).unwrap();
    for (m, truth) in [200.0, 2.0].into_iter().enumerate() {
        let (error, told) = ((d.gradient.data()[m] - truth).abs(), d.certificate.members[m].error.unwrap());
        assert!(told >= 0.5 * error && told <= 2.0 * error + 1e-8, "member {m}: {told:e} of {error:e}");
    }
    assert_eq!(d.certificate.members[0].verdict, Verdict::Estimated, "{}", d.certificate);
}

#[test]
fn a_kink_of_a_small_member_is_seen_beside_a_large_one_and_where_the_whole_is_suspect() {
    let number = |x: [f64; 3]| Batch::from_fn(Shape::batch(3, 1, 1), |m, _, _| x[m]);
    for unit in [1.0, 1e4, 1e8] {
        // Members at their fixed points; the second has a kink there.
        let (z0, phi) = (number([unit, 1.0, unit]), number([unit, 1.0, unit]));
        let (a, kink) = (number([0.5, 0.1, -0.3]), number([0.0, 0.2, 0.0]));
        let p = inner_loop(
            &z0,
            &phi,
            |z: Var, phi: Var, _| phi + (z - &z0).hadamard(&a) + (z - &z0).abs().hadamard(&kink),
            |z: Var, _: Var| z.sum().sum(),
        );
        for terms in [0, 60] {
            let c = p.derivative(9, Estimator::FixedPoint { terms }).unwrap().certificate;
            let kinks: Vec<bool> =
                c.members.iter().map(|m| matches!(m.verdict, Verdict::Suspect(Why::Kink { .. }))).collect();
            assert_eq!(kinks, [false, true, false], "{unit:e}, {terms} terms: {c} {:?}", c.members);
            assert!(!c.verdict.is_sound() && c.members[0].verdict.is_sound(), "{c}");
        }
    }
}

#[test]
fn loops_that_depend_on_each_other_have_no_verdict_of_their_own() {
    let number = |f: &dyn Fn(usize) -> f64| Batch::from_fn(Shape::batch(4, 1, 1), |m, _, _| f(m));
    let (z0, phi, a) = (number(&|_| 0.0), number(&|m| m as f64), number(&|m| 0.2 * m as f64 - 0.3));
    for couple in [0.1, 1e-3, 1e-6, 0.0] {
        let p = inner_loop(
            &z0,
            &phi,
            |z: Var, phi: Var, _| z.hadamard(&a) + z.sum().sum() * couple + phi,
            |z: Var, _: Var| z.sum().sum(),
        );
        let d = p.derivative(300, Estimator::FixedPoint { terms: 200 }).unwrap();
        // With p = (I - A')^{-1} 1: (1 - a) p = 1 + couple sum p.
        let each: Vec<f64> = a.data().iter().map(|a| 1.0 / (1.0 - a)).collect();
        let sum = each.iter().sum::<f64>();
        let factor = 1.0 + couple * sum / (1.0 - couple * sum);
        let apart = d.gradient.data().iter().zip(&each).map(|(g, e)| (g - e * factor).abs()).fold(0.0, f64::max);
        assert!(apart < 1e-12 && d.certificate.verdict == Verdict::Verified, "{couple:e}: {apart:e} {}", d.certificate);
        assert_eq!(d.certificate.members.len(), if couple == 0.0 { 4 } else { 0 }, "{couple:e}");
    }
}
