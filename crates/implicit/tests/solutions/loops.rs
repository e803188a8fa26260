//! Bilevel loops: they find the solution that is known, inner solver warm, tolerances matched; a suspect derivative is
//! treated as the policy says; a state that was kept, or a step of which something failed, goes on as if nothing had
//! happened.

use crate::{mat, solve};
use pullback::faer::Mat;
use pullback_implicit::bilevel::{Bilevel, Policy};
use pullback_implicit::linear::Method;
use pullback_implicit::{Error, Verdict, stationary};

/// `min |z - phi|²/2 + sum z^4/4`, by some gradient steps from where it was.
fn descend(phi: &Mat<f64>, z: &Mat<f64>, steps: usize) -> Mat<f64> {
    let mut z = z.clone();
    for _ in 0..steps {
        z = Mat::from_fn(2, 1, |i, _| z[(i, 0)] - 0.2 * (z[(i, 0)] - phi[(i, 0)] + z[(i, 0)].powi(3)));
    }
    z
}

#[test]
fn the_loop_finds_the_parameters_and_can_be_resumed() {
    let blank = Mat::<f64>::zeros(2, 1);
    let c = stationary(&blank, &blank, |z, phi| {
        let (d, s) = (z - phi, z.hadamard(z));
        d.dot(d) * 0.5 + s.dot(s) * 0.25
    })
    .flat();
    // The outer loss wants z = t, so phi = t + t³.
    let t = Mat::from_fn(2, 1, |i, _| [0.5f64, -0.8][i]);
    let truth = Mat::from_fn(2, 1, |i, _| t[(i, 0)] + t[(i, 0)].powi(3));
    let bilevel = Bilevel::new(1e-9);
    let run = |state: &mut _, steps| {
        let inner = |phi: &Mat<f64>, z: &Mat<f64>| Ok(descend(phi, z, 12));
        let update = |phi: &Mat<f64>, g: &Mat<f64>| Ok(phi - g * 1.5);
        bilevel.run(&c, state, steps, inner, |z, _| (z - &t).dot(z - &t) * 0.5, update).unwrap();
    };
    let mut state = bilevel.start(blank.clone(), blank.clone());
    run(&mut state, 200);
    assert!(state.finished && state.steps < 200, "{:?}", state.history.last());
    assert!((&state.phi - &truth).norm_l2() < 1e-7);
    assert!(
        state.history.windows(2).filter(|h| h[1].value <= h[0].value + 1e-12).count() + 5 > state.history.len() - 1
    );
    // Tolerances follow the inner error: looser than tight while the inner solution is rough.
    assert!(state.history.iter().any(|r| r.tolerance > 1e-7));
    let mut split = bilevel.start(blank.clone(), blank.clone());
    run(&mut split, 7);
    let mut resumed = split.clone();
    run(&mut resumed, 193);
    assert_eq!((resumed.steps, &resumed.history), (state.steps, &state.history));
}

#[test]
fn suspect_derivatives_are_applied_skipped_or_asked_again() {
    // The inner cost does not determine its second variable.
    let blank = Mat::<f64>::zeros(2, 1);
    let flat = Mat::from_fn(2, 2, |i, j| if i == 0 && j == 0 { 1.0 } else { 0.0 });
    let c = stationary(&blank, &blank, |z, phi| z.dot(&flat * z) * 0.5 - z.dot(&flat * phi)).flat();
    for (policy, applied) in [(Policy::Skip, false), (Policy::Apply, true), (Policy::FallBack(Method::Lsmr), false)] {
        let bilevel = Bilevel { policy, ..Bilevel::new(1e-12) };
        let mut state = bilevel.start(blank.clone(), mat(230, 2, 1));
        let inner =
            |phi: &Mat<f64>, _: &Mat<f64>| Ok(Mat::from_fn(2, 1, |i, _| if i == 0 { phi[(0, 0)] } else { 0.0 }));
        bilevel.run(&c, &mut state, 2, inner, |z, _| z.dot(z) * 0.5, |phi, g| Ok(phi - g)).unwrap();
        assert!(state.history.iter().all(|r| r.applied == applied), "{policy:?} {:?}", state.history);
        assert!(matches!(state.history[0].verdict, Verdict::Invalid(_)), "{:?}", state.history[0]);
        assert!(!state.finished);
    }
    // A series that was cut too short is asked again with a solver that suits, and then used.
    let a = Mat::from_fn(2, 2, |i, j| if i == j { 1.8 } else { 0.3 });
    let c = stationary(&blank, &blank, |z, phi| z.dot(&a * z) * 0.5 - z.dot(phi)).flat();
    let mut bilevel = Bilevel { policy: Policy::FallBack(Method::Auto), ..Bilevel::new(1e-12) };
    bilevel.settings.method = Method::Neumann { terms: 200 };
    let mut state = bilevel.start(blank.clone(), mat(231, 2, 1));
    bilevel.run(&c, &mut state, 1, |phi, _| Ok(solve(&a, phi)), |z, _| z.dot(z) * 0.5, |phi, g| Ok(phi - g)).unwrap();
    assert!(state.history[0].applied && state.history[0].verdict == Verdict::Verified, "{:?}", state.history);
}

#[test]
fn tolerances_that_are_loose_and_matches_that_are_no_number() {
    let blank = Mat::<f64>::zeros(2, 1);
    let c = stationary(&blank, &blank, |z, phi| {
        let (d, s) = (z - phi, z.hadamard(z));
        d.dot(d) * 0.5 + s.dot(s) * 0.25
    })
    .flat();
    let run = |bilevel: Bilevel| {
        let mut state = bilevel.start(blank.clone(), mat(232, 2, 1));
        // Solutions that are rough, so that there is an inner error to match.
        bilevel
            .run(&c, &mut state, 9, |phi, z| Ok(descend(phi, z, 3)), |z, _| z.dot(z), |phi, g| Ok(phi - g * 0.1))
            .unwrap();
        state
    };
    // Looser than what is matched at most: it stays what was asked for.
    let mut loose = Bilevel::new(1e-9);
    loose.settings.tolerance = 1e-2;
    assert!(run(loose).history.iter().all(|r| r.tolerance == 1e-2));
    for matched in [f64::NAN, -1.0, 0.0] {
        let state = run(Bilevel { matched, ..Bilevel::new(1e-9) });
        assert!(state.steps == 9 && state.history.iter().all(|r| r.tolerance == 1e-10), "{matched}");
    }
    let state = run(Bilevel { matched: f64::INFINITY, ..Bilevel::new(1e-9) });
    assert!(state.history[1..].iter().all(|r| r.tolerance == 1e-3), "{:?}", state.history);
}

#[test]
fn a_step_that_fails_leaves_the_state_as_it_was_and_may_be_tried_again() {
    // Short series from what is recycled: where they begin shows in every number.
    let blank = Mat::<f64>::zeros(2, 1);
    let a = Mat::from_fn(2, 2, |i, j| [[0.5, 0.1], [0.1, 1.2]][i][j]);
    let (c, t) = (stationary(&blank, &blank, |z, phi| z.dot(&a * z) * 0.5 - z.dot(phi)).flat(), mat(233, 2, 1));
    let mut failed = 0;
    for policy in [Policy::Apply, Policy::Skip, Policy::FallBack(Method::Neumann { terms: 9 })] {
        let mut bilevel = Bilevel { policy, ..Bilevel::new(1e-12) };
        bilevel.settings.method = Method::Neumann { terms: 3 };
        // `fails` is what fails once, in the fourth step: the inner solver or the update.
        let run = |fails: Option<usize>| {
            let mut state = bilevel.start(blank.clone(), mat(234, 2, 1));
            let (mut calls, mut errors) = ([0, 0], 0);
            while state.steps < 8 {
                let mut fail = |which: usize| {
                    calls[which] += 1;
                    fails == Some(which) && calls[which] == 4
                };
                let now = std::cell::RefCell::new(&mut fail);
                let inner = |phi: &Mat<f64>, _: &Mat<f64>| match now.borrow_mut()(0) {
                    true => Err(Error::NoSteps),
                    false => Ok(solve(&a, phi)),
                };
                let update = |phi: &Mat<f64>, g: &Mat<f64>| match now.borrow_mut()(1) {
                    true => Err(Error::NoSteps),
                    false => Ok(phi - g * 0.1),
                };
                let found = bilevel.run(&c, &mut state, 1, inner, |z, _| (z - &t).dot(z - &t) * 0.5, update);
                errors += usize::from(found.is_err());
            }
            (state, errors)
        };
        let (whole, none) = run(None);
        assert_eq!(none, 0);
        for fails in [0, 1] {
            let (state, errors) = run(Some(fails));
            assert_eq!((&state.phi, &state.z), (&whole.phi, &whole.z), "{policy:?}, {fails}");
            assert_eq!(state.history, whole.history, "{policy:?}, {fails}");
            failed += errors;
        }
    }
    assert!(failed >= 5, "{failed}");
}

#[test]
fn an_inner_solver_that_returns_no_number_is_named() {
    let blank = Mat::<f64>::zeros(2, 1);
    let c = stationary(&blank, &blank, |z, phi| (z - phi).dot(z - phi)).flat();
    let bilevel = Bilevel::new(1e-9);
    let mut state = bilevel.start(blank.clone(), blank.clone());
    let inner = |_: &Mat<f64>, _: &Mat<f64>| Ok(Mat::from_fn(2, 1, |_, _| f64::NAN));
    let e = bilevel.run(&c, &mut state, 3, inner, |z, _| z.dot(z), |phi, _| Ok(phi.clone())).unwrap_err();
    assert!(e.to_string().contains("a finite solution from the inner solver"), "{e}");
    assert_eq!(state.steps, 0);
}
