//! Newton steps that leave the domain of a condition: what such a step would have changed is not known, and it concerns
//! nobody but its member.

use pullback::prelude::*;
use pullback::{Scalar, Shape};
use pullback_implicit::{Certified, Condition, SolutionCertificate, Verdict, Why, stationary};

/// Of the least of `|z - p|² / 2 - mu sum ln z`, the derivative of an entry of `z = (p + sqrt(p² + 4 mu)) / 2`.
fn slope(p: f64, mu: f64) -> f64 {
    let root = (p * p + 4.0 * mu).sqrt();
    if p > 0.0 { (p + root) / (2.0 * root) } else { 2.0 * mu / ((root - p) * root) }
}

/// The derivatives of all entries, each by its own parameter. For entries below zero the cost is no number, and the
/// error that comes of it names no member.
fn derivatives<T: Scalar>(z: &Batch<T>, p: &Batch<T>, mu: f64, polish: bool) -> [(Batch<T>, SolutionCertificate); 2] {
    let one = Batch::from_fn(z.shape(), |_, _, _| T::of(1.0));
    let c = stationary(z, p, |z: Var<'_, T>, p: Var<'_, T>| {
        let barrier = z.ln().dot(z.tape().constant(&one));
        (z - p).dot(z - p).scaled(0.5) - barrier.scaled(mu)
    })
    .flat();
    let at = c.at(z, p);
    let at = if polish { at } else { at.without_polish() };
    let both = [at.jvp(&one), at.vjp(&one)].map(Result::unwrap);
    both.map(|Certified { value, certificate }| (value, certificate))
}

#[test]
fn a_tiny_step_that_cannot_be_taken_does_not_show_what_it_changes() {
    // The step is 1.4e-8 of the point and less than the threshold, and it is more than all of the second entry.
    let shape = Shape::mat(2, 1);
    let (z, p, mu) = (Batch::from_slice(shape, &[1.0, 8e-9]), Batch::from_slice(shape, &[1.0, -6e-9]), 1e-18);
    for polish in [true, false] {
        for (value, told) in derivatives(&z, &p, mu, polish) {
            assert!((value.data()[1] - slope(p.data()[1], mu)).abs() > 0.5, "{value:?}");
            assert!(matches!(told.verdict, Verdict::Suspect(Why::NotASolution { .. })), "{told}");
        }
    }
}

#[test]
fn nor_does_one_from_a_residual_that_is_rounding_beside_a_large_curvature() {
    // The curvature of the third entry is 800, so in single precision a residual of 0.1 is nearly rounding; the step
    // would take 0.04 off the second entry, which is 0.01.
    let (shape, mu) = (Shape::mat(3, 1), 1.1e-4);
    let p: Batch<f32> = Batch::from_slice(shape, &[2.6, -0.087, -0.293]);
    let root = |p: f32| (p * p + 4.0 * mu as f32).sqrt();
    let exact = |p: f32| if p > 0.0 { (p + root(p)) / 2.0 } else { 2.0 * mu as f32 / (root(p) - p) };
    let z = Batch::from_fn(shape, |_, i, _| if i == 1 { 0.01 } else { exact(p.data()[i]) });
    for polish in [true, false] {
        for (value, told) in derivatives(&z, &p, mu, polish) {
            assert!((f64::from(value.data()[1]) - slope(f64::from(p.data()[1]), mu)).abs() > 0.3, "{value:?}");
            assert!(matches!(told.verdict, Verdict::Suspect(Why::NotASolution { .. })), "{told}");
        }
    }
}

#[test]
fn members_go_on_where_the_step_of_another_cannot_be_taken() {
    // The steps of members 1 and 2 leave the domain; member 0 is off by a thousandth, member 4 by 1e-8 of its size, in
    // an entry that is small; member 3 is at its solution.
    let (n, mu, shape) = (5, 1e-12, Shape::batch(5, 2, 1));
    let p = Batch::from_slice(shape, &[0.0, 0.0, -0.5, 1.0, -0.1, 1.0, 0.0, 1.0, 1.0, -4e-7]);
    let exact = |m: usize, i: usize| slope(p.data()[2 * m + i], mu) * (p.data()[2 * m + i].powi(2) + 4.0 * mu).sqrt();
    let off = [[1e-9, 0.0], [0.5, 0.0], [0.4, 0.0], [0.0, 0.0], [0.0, 8e-9]];
    let z = Batch::from_fn(shape, |m, i, _| exact(m, i) + off[m][i]);
    for polish in [true, false] {
        for (value, told) in derivatives(&z, &p, mu, polish) {
            for m in 0..n {
                let truth = [0, 1].map(|i| slope(p.data()[2 * m + i], mu));
                let error = (0..2).map(|i| value.data()[2 * m + i] - truth[i]).fold(0.0, f64::hypot);
                let error = error / truth[0].hypot(truth[1]);
                let member = &told.members[m];
                let what = format!("member {m}, polish {polish}: wrong by {error:e}, {member:?}\n{told}");
                match m {
                    1 | 2 => assert!(matches!(member.verdict, Verdict::Suspect(Why::NotASolution { .. })), "{what}"),
                    _ => assert!(member.verdict.is_sound(), "{what}"),
                }
                let told = member.error.unwrap();
                assert!(m == 1 || m == 2 || (told > 0.5 * error - 1e-10 && told < 2.0 * error + 1.5e-8), "{what}");
            }
        }
    }
}
