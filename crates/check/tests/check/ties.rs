//! Programs of tied eigenvalues: what exists is checked, the ways that cannot tell are named and left out, and a wrong
//! derivative is still found.

use faer::Mat;
use pullback::{Var, func};
use pullback_check::check;

#[test]
fn symmetric_programs_are_checked_at_ties_and_ways_without_a_direction_are_left_out() {
    let eye = Mat::<f64>::identity(3, 3);
    let report = check(func(|a: Var| a.eigvalsh().ln().sum()), &eye).run();
    assert!(report.is_ok(), "{report}");
    let left_out: Vec<&str> = report.skipped.iter().map(|s| s.what.as_str()).collect();
    assert!(left_out.contains(&"second derivatives by reverse over reverse"), "{report}");
    assert!(report.defects.iter().any(|d| d.what.contains("forward over recorded gradient")), "{report}");
    assert!(report.taylor.len() >= 2, "remainders to the second order: {report}");
    let report = check(func(|a: Var| a.nuclear_norm()), &eye).run();
    assert!(report.is_ok(), "{report}");
}

#[test]
fn a_wrong_derivative_is_found_there_too() {
    let eye = Mat::<f64>::identity(3, 3);
    let half = func(|a: Var| {
        let l = a.eigvalsh();
        // A part of the value that no derivative sees.
        l.ln().sum() + l.dot(l).stop_gradient() * 1e-3
    });
    let report = check(half, &eye).run();
    assert!(report.is_wrong(), "{report}");
}

#[test]
fn a_program_that_tells_tied_values_apart_has_no_gradient_and_is_not_called_wrong() {
    let report = check(func(|a: Var| a.symmetric().values(2..3)), &Mat::<f64>::identity(3, 3)).run();
    assert!(report.error.is_some() && !report.is_wrong(), "{report}");
}
