//! Modes, the condition factor, gauges, and what a report can be made into.

use faer::{Mat, mat};
use pullback::{Batch, Var};
use pullback_check::controls::{Break, Place, broken, derived};
use pullback_check::{Error, Modes, check, check_many, gauge};

fn tall() -> Mat<f64> {
    mat![[1.0, 0.2], [0.1, 1.0], [0.3, 0.4]]
}

#[test]
fn modes_are_run_as_asked() {
    let names = |modes| -> Vec<String> {
        let report = check(|x: Var| (x.t_mul(x)).inverse(), &tall()).modes(modes).run();
        report.assert_ok();
        report.defects.into_iter().map(|d| d.what).collect()
    };
    assert_eq!(names(Modes::REVERSE | Modes::FORWARD), ["<w,Jv> = <J'w,v>"]);
    assert!(names(Modes::REVERSE).is_empty());
    assert_eq!(names(Modes::FORWARD | Modes::BATCH), ["batch: value = members", "batch: Jv = members"]);
    let all = names(Modes::ALL);
    for mode in [
        "forward over recorded gradient",
        "reverse over reverse",
        "reverse over forward",
        "forward over forward",
        "replay: recorded gradient",
        "batch: J'w",
    ] {
        assert!(all.iter().any(|n| n.contains(mode)), "{mode} is not in {all:?}");
    }
    assert_eq!(format!("{:?}", Modes::ALL - Modes::PROGRAM), "batch, broadcast");
    let none = check(|x: Var| x, &tall()).modes(Modes::REPLAY).run();
    assert_eq!(none.error, Some(Error::NoMode));
}

#[test]
fn what_does_not_apply_is_left_out_and_said() {
    // A program that reads its numbers cannot be replayed; that is no mistake.
    let f = |x: Var<'_>| if x.slice(0, 0, 1, 1).scalar() > 0.0 { 1.0 } else { -1.0 };
    let report = check(|x: Var| x.sin() * f(x), &tall()).run();
    report.assert_ok();
    assert!(report.skipped.iter().any(|s| s.what == "replay" && s.why.contains("read a value")), "{report}");
    let report = check(|x: Var| x.sin().sum(), &tall()).modes(Modes::ALL).run();
    report.assert_ok();
    assert!(report.skipped.iter().any(|s| s.what == "batch"), "{report}");
}

#[test]
fn a_condition_is_estimated_and_can_be_stated() {
    let good = check(|x: Var| x.qr().0, &tall()).run();
    assert_eq!(good.condition, 1.0);
    let (c, s) = (0.6, 0.8);
    // Two columns at 1e-7 from each other.
    let bad = mat![[c, c - s * 1e-7], [s, s + c * 1e-7], [0.0, 1e-8]];
    let report = check(|x: Var| x.qr().0, &bad).scale(&(1e-8 * &bad)).run();
    report.assert_ok();
    assert!(report.condition > 1e3, "{report}");
    let stated = check(|x: Var| x.qr().0, &bad).scale(&(1e-8 * &bad)).condition(1e9).run();
    assert_eq!(stated.condition, 1e9);
    // The estimate is of the value: a rule that is as rough as it likes does not excuse itself.
    let rule = broken(derived(|x| vec![x[0].qr().0]), Break::Leak, Place::Reverse);
    let x0 = vec![Batch::of(&tall())];
    let wrong = check_many(|x: Vec<Var>| pullback::Many(x[0].tape().custom(rule.clone(), &x)), &x0).run();
    assert!(wrong.condition == 1.0 && wrong.is_wrong(), "{wrong}");
    // No digit left.
    let jump = check(|x: Var| (x * 1e14).sin(), &mat![[1.0]]).run();
    assert!(matches!(jump.error, Some(Error::IllConditioned { .. })), "{jump}");
}

#[test]
fn gauges_hold_and_fail() {
    let a = mat![[3.0, 1.0, 0.0], [1.0, 2.0, 0.5], [0.0, 0.5, 1.0]];
    let x0 = tall();
    let right = check(|x: Var| x.t_mul(&a * x).trace(), &x0)
        .gauge(|x, rng| x * gauge::orthogonal(2, rng))
        .orbit(|x, rng| x * gauge::skew(2, rng))
        .run();
    right.assert_ok();
    assert_eq!(right.defects.iter().filter(|d| d.what.starts_with("gauge")).count(), 4, "{right}");
    // Not a function of the span: only rotations leave it unchanged.
    let wrong = check(|x: Var| x.t_mul(&a * x).trace(), &x0)
        .gauge(|x, rng| x * gauge::regular(2, rng))
        .orbit(|x, rng| x * gauge::regular(2, rng))
        .run();
    wrong.assert_wrong();
    assert!(wrong.to_string().contains("the value changes along the gauge"), "{wrong}");
    // Signs of columns; a transformation that is not affine says that it is not.
    let signs = check(|x: Var| x.hadamard(x), &x0).gauge(|x, rng| x * gauge::signs(2, rng)).run();
    signs.assert_ok();
    let bent =
        check(|x: Var| x.hadamard(x).sqrt(), &x0).gauge(|x, _| Mat::from_fn(3, 2, |i, j| -x[(i, j)].abs())).run();
    bent.assert_ok();
    assert!(bent.skipped.iter().any(|s| s.why.contains("not affine")) || bent.defects.len() > 8, "{bent}");
    let shape = check(|x: Var| x.sum(), &x0).gauge(|_, _| Mat::zeros(1, 1)).run();
    assert!(matches!(shape.error, Some(Error::Rule { .. })), "{shape}");
}

#[test]
fn a_report_is_serialised_with_all_its_numbers() {
    let report = check(|x: Var| x.tanh(), &tall()).run();
    let json: serde_json::Value = serde_json::to_value(&report).unwrap();
    assert_eq!(json["defects"].as_array().unwrap().len(), report.defects.len());
    assert_eq!(json["taylor"][0]["curve"].as_array().unwrap().len(), 29);
    assert_eq!(json["taylor"][0]["verdict"], "Slope");
    assert!(json["error"].is_null());
    let json = serde_json::to_value(check(|x: Var| x.ln(), &mat![[-1.0]]).run()).unwrap();
    assert!(json["error"].as_str().unwrap().contains("no value at the point"));
}

#[cfg(feature = "plot")]
#[test]
fn a_report_is_plotted() {
    let svg = check(|x: Var| x.tanh(), &tall()).run().svg();
    assert!(svg.starts_with("<svg") && svg.contains("slope 3 expected"), "{svg}");
}
