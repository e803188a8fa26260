//! Triples of plain functions that know nothing of the engine, in double precision and in double-double.

use faer::traits::ComplexField;
use faer::{Mat, fx128, mat};
use pullback_check::precise::mul;
use pullback_check::{Error, Verdict, check, check_gradient, check_triple};

fn x0() -> Mat<f64> {
    mat![[1.0, 0.5], [-0.3, 0.8]]
}

/// `X³` over any number.
fn cube<T: ComplexField>(x: &[Mat<T>]) -> Vec<Mat<T>> {
    vec![mul(&mul(&x[0], &x[0]), &x[0])]
}

fn cube_jvp(x: &[Mat<f64>], v: &[Mat<f64>]) -> Vec<Mat<f64>> {
    let (x, v) = (&x[0], &v[0]);
    vec![v * x * x + x * v * x + x * x * v]
}

fn cube_vjp(x: &[Mat<f64>], w: &[Mat<f64>]) -> Vec<Mat<f64>> {
    let (x, w) = (x[0].transpose(), &w[0]);
    vec![w * x * x + x * w * x + x * x * w]
}

#[test]
fn a_right_triple_is_right_in_both_precisions() {
    let report = check_triple(cube, cube_jvp, cube_vjp, &[x0()]).precise(cube::<fx128>).run();
    report.assert_ok();
    assert_eq!(report.taylor[0].verdict, Verdict::Slope);
    let precise: Vec<f64> =
        report.defects.iter().filter(|d| d.what.contains("double-double")).map(|d| d.defect).collect();
    assert_eq!(precise.len(), 2);
    assert!(precise.iter().all(|d| *d < 1e-14), "{report}");
}

#[test]
fn a_wrong_triple_is_named() {
    let vjp = |x: &[Mat<f64>], w: &[Mat<f64>]| {
        let (x, w) = (&x[0], &w[0]);
        vec![w * x * x + x * w * x + x * x * w]
    };
    let report = check_triple(cube, cube_jvp, vjp, &[x0()]).run();
    report.assert_wrong();
    let text = report.to_string();
    assert!(text.contains("look at the reverse rule") && text.contains("differences say"), "{text}");
}

#[test]
fn an_error_of_1e_11_in_both_rules_needs_double_double() {
    let c = 1.0 + 1e-11;
    let jvp = |x: &[Mat<f64>], v: &[Mat<f64>]| vec![cube_jvp(x, v).swap_remove(0) * c];
    let vjp = |x: &[Mat<f64>], w: &[Mat<f64>]| vec![cube_vjp(x, w).swap_remove(0) * c];
    // The rules agree with each other, and the slopes end before they see it ...
    check_triple(cube, jvp, vjp, &[x0()]).run().assert_ok();
    // ... and thirty digits see it.
    let report = check_triple(cube, jvp, vjp, &[x0()]).precise(cube::<fx128>).run();
    report.assert_wrong();
    assert!(report.to_string().contains("lost digit"), "{report}");
}

#[test]
fn second_and_third_derivatives_of_programs_in_double_double() {
    let report = check(|x: pullback::Var| x * x * x, &x0()).orders(1..=3).precise(cube::<fx128>).run();
    report.assert_ok();
    assert_eq!(report.defects.iter().filter(|d| d.what.contains("double-double")).count(), 4, "{report}");
    // Another function is said to be another function, not a wrong derivative.
    let report = check(|x: pullback::Var| x * x, &x0()).precise(cube::<fx128>).run();
    assert!(matches!(report.error, Some(Error::Precise { .. })), "{report}");
}

#[test]
fn a_reverse_rule_alone_is_checked_by_slopes() {
    check_gradient(cube, cube_vjp, &[x0()]).run().assert_ok();
    let vjp = |x: &[Mat<f64>], w: &[Mat<f64>]| vec![cube_vjp(x, w).swap_remove(0) * 2.0];
    let report = check_gradient(cube, vjp, &[x0()]).run();
    report.assert_wrong();
    assert!(report.to_string().contains("is twice what it should be"), "{report}");
}

#[test]
fn misuse_of_triples() {
    let shapes = check_triple(cube, |_, _| vec![Mat::zeros(1, 1)], cube_vjp, &[x0()]).run();
    assert!(matches!(shapes.error, Some(Error::Rule { what: "the forward rule (`jvp`)", .. })), "{shapes}");
    let shapes = check_triple(cube, cube_jvp, |_, _| vec![], &[x0()]).run();
    assert!(matches!(shapes.error, Some(Error::Rule { what: "the reverse rule (`vjp`)", .. })), "{shapes}");
    let nan = check_triple(cube, |_, v| vec![&v[0] * f64::NAN], cube_vjp, &[x0()]).run();
    assert!(matches!(nan.error, Some(Error::NonFinite { .. })) && !nan.is_wrong(), "{nan}");
    let outside = check_triple(|x| vec![x[0].map_log()], cube_jvp, cube_vjp, &[mat![[-1.0]]]).run();
    assert!(matches!(outside.error, Some(Error::Value(_))), "{outside}");
    let jump =
        check_gradient(|x| vec![Mat::from_fn(1, 1, |_, _| x[0][(0, 0)].signum())], |_, w| w.to_vec(), &[mat![[0.0]]])
            .run();
    assert!(jump.error.is_some() && !jump.is_ok(), "{jump}");
}

trait MapLog {
    fn map_log(&self) -> Mat<f64>;
}

impl MapLog for Mat<f64> {
    fn map_log(&self) -> Mat<f64> {
        Mat::from_fn(self.nrows(), self.ncols(), |i, j| self[(i, j)].ln())
    }
}
