//! Solutions that are far from zero in the units of their condition, like times in seconds, counted from another
//! century: a point that is a solution to rounding is none for the derivative, which may be lost in that rounding.

use pullback::prelude::*;
use pullback::{Scalar, Shape};
use pullback_implicit::{
    Condition, Estimate, Estimator, Implicit, Kind, SolutionCertificate, Space, Verdict, Why, compare, inner_loop,
};

/// `(z - c)² = p`, as a root, as a minimum and as the fixed point of Heron's step.
struct Root<T> {
    kind: Kind,
    c: T,
}

impl<T: Scalar> Condition for Root<T> {
    type State = Batch<T>;
    type Params = Batch<T>;

    fn kind(&self) -> Kind {
        self.kind
    }
    fn space(&self) -> Space<'_, T> {
        Space::Flat
    }
    fn program<'t>(&self, tape: &'t Tape<T>, z: Var<'t, T>, p: Var<'t, T>) -> Vec<Var<'t, T>> {
        let x = z - tape.filled(z.shape(), self.c);
        vec![match self.kind {
            Kind::Root => x.hadamard(x) - p,
            Kind::Stationary => x.hadamard(x).dot(x).scaled(1.0 / 3.0) - x.dot(p),
            Kind::FixedPoint => tape.filled(z.shape(), self.c) + (x + p.elem_div(x)).scaled(0.5),
        }]
    }
}

/// Derivatives at a point that is `units` rounding units of `c` off: verified, estimated, lost in rounding.
fn tally<T: Scalar>(c: f64, units: f64, found: &mut [usize; 3]) {
    let (eps, shape) = (T::EPS.f64(), Shape::batch(2, 1, 1));
    for (k, kind) in [Kind::Root, Kind::Stationary, Kind::FixedPoint].into_iter().enumerate() {
        let (c, p) = (T::of(c), T::of(0.7 + 0.3 * k as f64));
        let z = T::of(c.f64() + p.f64().sqrt() + units * eps * c.f64());
        let truth = 0.5 / p.f64().sqrt();
        let filled = |x: T| Batch::from_fn(shape, |_, _, _| x);
        let (condition, z, p, one) = (Root { kind, c }, filled(z), filled(p), filled(T::of(1.0)));
        for polish in [true, false] {
            let at = condition.at(&z, &p);
            let at = if polish { at } else { at.without_polish() };
            let mut judge = |value: &Batch<T>, told: &SolutionCertificate| {
                let error = (value.data()[1].f64() - truth).abs() / truth;
                let what = format!("{kind:?} at {c:?}, {units} units off, polish {polish}: wrong by {error:e}\n{told}");
                let (member, rounding) = (&told.members[1], 1e3 * eps);
                found[match member.verdict {
                    Verdict::Verified => {
                        assert!(error <= 1.5 * eps.sqrt(), "{what}");
                        0
                    }
                    Verdict::Estimated => {
                        let told = member.error.unwrap();
                        assert!(told > 0.5 * error - 0.1 * eps.sqrt() && told < 2.0 * error + rounding, "{what}");
                        1
                    }
                    Verdict::Suspect(Why::IllConditioned { .. } | Why::Kink { .. }) => 2,
                    _ => panic!("{what}"),
                }] += 1;
            };
            let d = at.jvp(&one).unwrap();
            judge(&d.value, &d.certificate);
            let d = at.vjp(&one).unwrap();
            judge(&d.value, &d.certificate);
        }
    }
}

#[test]
fn a_solution_to_rounding_is_none_for_a_condition_that_is_steep() {
    let mut found = [[0; 3]; 2];
    for units in [0.0, 3.0, 40.0, -70.0] {
        for c in [1.0, 1e2, 1e4, 1e6, 1e7, 3e8, -1.7e9, 1e10] {
            tally::<f64>(c, units, &mut found[0]);
        }
        for c in [1.0, 20.0, -100.0, 400.0, 1.5e3, 3e3, 1e4, -3e4] {
            tally::<f32>(c, units, &mut found[1]);
        }
    }
    println!("verified, estimated, lost in rounding: {found:?}");
    assert!(found[0][0] >= 180 && found[0][1] >= 8 && found[0][2] >= 60, "{found:?}");
    assert!(found[1][0] >= 100 && found[1][1] >= 8 && found[1][2] >= 60, "{found:?}");
}

/// `z <- z - rate ((z - c)² - p)` after some steps: sound or not, by the series, one step, and the linear system.
fn loops<T: Scalar>(c: f64, rate: f64, steps: usize, found: &mut [usize; 2]) {
    let (eps, shape) = (T::EPS.f64(), Shape::batch(2, 1, 1));
    let (c, p) = (T::of(c), T::of(0.7));
    let filled = |x: f64| Batch::from_fn(shape, |_, _, _| T::of(x));
    let (z, phi, truth) = (filled(c.f64() + 1.1), filled(p.f64()), 0.5 / p.f64().sqrt());
    let it = inner_loop(
        &z,
        &phi,
        |z: Var<'_, T>, p: Var<'_, T>, _| {
            let x = z - z.tape().filled(z.shape(), c);
            z - (x.hadamard(x) - p).scaled(rate)
        },
        |z: Var<'_, T>, _| z.sum(),
    );
    let (few, many, implicit) = (Estimator::OneStep, Estimator::FixedPoint { terms: 200 }, Implicit::new::<T>());
    let ways: [&dyn Estimate<_>; 3] = [&few, &many, &implicit];
    for (name, d) in compare(&ways, &it, &z, &phi, steps).unwrap() {
        let (got, member) = (d.gradient.data()[1].f64(), &d.certificate.members[1]);
        let (error, size) = ((got - truth).abs(), truth.max(got.abs()));
        let what = format!("{name} after {steps} steps of {rate} at {c:?}: wrong by {error:e}\n{}", d.certificate);
        match member.verdict {
            Verdict::Verified => assert!(error <= 1.5 * eps.sqrt() * size, "{what}"),
            Verdict::Estimated => {
                let (told, rounding) = (member.error.unwrap(), eps.sqrt() * size);
                assert!(told > 0.5 * error - 0.1 * rounding && told < 2.0 * error + rounding, "{what}");
            }
            _ => (),
        }
        found[usize::from(!member.verdict.is_sound())] += 1;
    }
}

#[test]
fn a_motion_that_is_short_beside_the_state_is_not_short_for_a_step_that_is_steep() {
    let mut found = [[0; 2]; 2];
    for steps in [10, 20, 40, 80, 300] {
        for rate in [0.05, 0.2, 0.4] {
            for c in [0.0, 10.0, 200.0, -3e3, 1e5, 1e7, 1.7e9] {
                loops::<f64>(c, rate, steps, &mut found[0]);
            }
            for c in [0.0, 10.0, -70.0, 400.0, 3e3] {
                loops::<f32>(c, rate, steps, &mut found[1]);
            }
        }
    }
    println!("sound and not: {found:?}");
    assert!(found[0][0] >= 160 && found[1][0] >= 120, "{found:?}");
}
