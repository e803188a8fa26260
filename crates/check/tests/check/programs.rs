//! The checker on programs that are right, on programs whose derivative is wrong, and on programs that are misused.

use faer::{Mat, mat};
use pullback::{Batch, Custom, Many, SymFn, Var};
use pullback_check::controls::{Break, Place, broken, derived};
use pullback_check::{Error, Verdict, check, check_many};
use std::cell::Cell;
use std::sync::Arc;

fn spd() -> Mat<f64> {
    mat![[2.0, 0.3, 0.1], [0.3, 1.5, -0.2], [0.1, -0.2, 1.0]]
}

#[test]
fn a_right_program_is_right_to_third_order() {
    let report = check(|x: Var| x.logm_spd(), &spd()).seed(7).orders(1..=3).run();
    report.assert_ok();
    assert_eq!(report.taylor.iter().map(|t| t.verdict).collect::<Vec<_>>(), [Verdict::Slope; 3]);
    // The dot test; four ways to Hv against the first, symmetry, and <v,Hv>; four of third order; replay.
    assert_eq!(report.defects.len(), 1 + 3 + 1 + 1 + 4 + 3);
}

#[test]
fn polynomials_sit_at_the_floor() {
    let report = check(|x: Var| x * x, &spd()).orders(1..=3).run();
    report.assert_ok();
    let verdicts: Vec<_> = report.taylor.iter().map(|t| t.verdict).collect();
    assert_eq!(verdicts, [Verdict::Slope, Verdict::Floor, Verdict::Floor]);
}

#[test]
fn several_inputs_outputs_and_batches() {
    let x = mat![[1.0, 0.2], [0.3, 1.0], [0.5, -0.4]];
    check_many(
        |(a, b): (Var, Var)| {
            let (q, r) = a.qr();
            (q, r * b).into()
        },
        &(x, mat![[0.4, 1.0], [2.0, 0.1]]),
    )
    .orders(1..=3)
    .run()
    .assert_ok();
    let b = Batch::stack(&[spd(), 2.0 * spd(), Mat::identity(3, 3)]);
    check(|x: Var| x.cholesky(), &b).orders(1..=3).run().assert_ok();
    check_many(|x: Vec<Var>| Many(x.iter().map(|x| x.tanh()).collect()), &vec![spd(), spd()])
        .orders(1..=3)
        .run()
        .assert_ok();
}

#[test]
fn singles_are_checked_by_their_own_rounding() {
    let x = Mat::from_fn(3, 3, |i, j| spd()[(i, j)] as f32);
    check(|x: Var<f32>| x.sqrtm_spd(), &x).orders(1..=2).run().assert_ok();
}

#[test]
fn empty_matrices_are_right() {
    check(|x: Var| x * x, &Mat::<f64>::zeros(0, 0)).orders(1..=3).run().assert_ok();
}

/// `tanh`, with the reverse rule scaled by a factor and the forward rule by another.
struct Tanh {
    forward: f64,
    reverse: f64,
}

impl Custom for Tanh {
    fn name(&self) -> &'static str {
        "tanh"
    }
    fn value<'t>(&self, x: &[Var<'t>]) -> Vec<Var<'t>> {
        vec![x[0].tanh()]
    }
    fn jvp<'t>(&self, _: &[Var<'t>], y: &[Var<'t>], dx: &[Option<Var<'t>>]) -> Vec<Option<Var<'t>>> {
        vec![dx[0].map(|d| d.hadamard(1.0 - y[0].hadamard(y[0])) * self.forward)]
    }
    fn vjp<'t>(&self, _: &[Var<'t>], y: &[Var<'t>], dy: &[Option<Var<'t>>]) -> Vec<Option<Var<'t>>> {
        vec![dy[0].map(|d| d.hadamard(1.0 - y[0].hadamard(y[0])) * self.reverse)]
    }
}

fn tanh_at(forward: f64, reverse: f64, seed: u64) -> pullback_check::Report {
    let rule = Arc::new(Tanh { forward, reverse });
    check(move |x: Var| x.tape().custom(rule.clone(), &[x])[0], &spd()).seed(seed).run()
}

fn tanh_with(forward: f64, reverse: f64) -> pullback_check::Report {
    tanh_at(forward, reverse, 0)
}

#[test]
fn a_custom_rule_is_proved_and_a_wrong_one_is_found() {
    tanh_with(1.0, 1.0).assert_ok();
    let transpose = tanh_with(1.0, 1.0 + 1e-10);
    assert!(transpose.is_wrong() && !transpose.defects[0].ok, "{transpose}");
    // Both rules wrong in the same way: the dot test cannot see it, the remainder does. With every direction some row
    // of remainders accuses; the row of the first order by itself does unless the value hardly changes along the
    // direction.
    let reports: Vec<_> = (0..40).map(|seed| tanh_at(1.0 + 1e-6, 1.0 + 1e-6, seed)).collect();
    for both in &reports {
        assert!(both.defects[0].ok && both.is_wrong(), "{both}");
    }
    let first_order = reports.iter().filter(|r| r.taylor[0].verdict == Verdict::Wrong).count();
    assert!(first_order >= 30, "{first_order} of 40");
    let both = &reports[0];
    assert!(both.error.is_none() && !both.is_ok());
}

/// `tr A³`, right at first order; the forward rule of its gradient takes the matrix for a constant.
struct Frozen;

impl Custom for Frozen {
    fn name(&self) -> &'static str {
        "frozen"
    }
    fn value<'t>(&self, x: &[Var<'t>]) -> Vec<Var<'t>> {
        vec![x[0].trace_fun(SymFn::Pow(3.0))]
    }
    fn jvp<'t>(&self, x: &[Var<'t>], _: &[Var<'t>], dx: &[Option<Var<'t>>]) -> Vec<Option<Var<'t>>> {
        vec![dx[0].map(|d| (x[0].sym().stop_gradient() * x[0].sym()).dot(d) * 3.0)]
    }
    fn vjp<'t>(&self, x: &[Var<'t>], _: &[Var<'t>], dy: &[Option<Var<'t>>]) -> Vec<Option<Var<'t>>> {
        vec![dy[0].map(|d| (x[0].sym().stop_gradient() * x[0].sym()).sym() * d * 3.0)]
    }
}

#[test]
fn a_rule_that_is_wrong_at_second_order_only_is_found() {
    let report = check(|x: Var| x.tape().custom(Arc::new(Frozen), &[x])[0], &spd()).run();
    assert!(report.defects[0].ok && report.taylor[0].verdict != Verdict::Wrong, "{report}");
    assert!(report.taylor[1].verdict == Verdict::Wrong, "{report}");
}

#[test]
fn a_kink_is_not_a_derivative_and_not_a_wrong_one() {
    let report = check(|x: Var| x.abs(), &mat![[0.0, 1.0]]).run();
    assert!(matches!(report.error, Some(Error::Kink { order: 1, .. })) && !report.is_wrong(), "{report}");
    let report = check(|x: Var| x.hadamard(x).sqrt(), &mat![[0.0]]).run();
    assert!(report.error.is_some() && !report.is_wrong(), "{report}");
    // Along half of the directions the convention at a kink is right; a kink is one along all of them.
    for seed in 0..10 {
        let report = check(|x: Var| x.relu(), &mat![[0.0]]).seed(seed).run();
        assert!(matches!(report.error, Some(Error::Kink { .. })), "{report}");
    }
    // Once differentiable.
    let report = check(|x: Var| x.relu().hadamard(x) + x, &mat![[0.0, 1.0]]).run();
    assert!(matches!(report.error, Some(Error::Kink { order: 2, .. })) && !report.is_wrong(), "{report}");
    check(|x: Var| x.relu().hadamard(x) + x, &mat![[0.0, 1.0]]).orders(1..=1).run().assert_ok();
}

#[test]
fn a_step_that_is_hidden_by_rounding_is_neither_right_nor_wrong() {
    // A step of low height: on its own width, where its derivative is the one claimed, remainders are nearly rounding.
    let mut open = 0;
    for (height, width) in [(1e-10, 1e-3), (1e-11, 1e-3), (1e-11, 1e-5)] {
        for seed in 0..50 {
            let report = check(|x: Var| 1.0 + (x / width).tanh() * height, &mat![[0.3 * width]])
                .scale(&mat![[1.0]])
                .seed(seed)
                .run();
            assert!(!report.is_wrong(), "height {height:e}, width {width:e}, seed {seed}:\n{report}");
            open += u32::from(matches!(report.error, Some(Error::OutOfRange { .. })));
        }
    }
    assert!(open > 0, "every one was judged");
}

#[test]
fn between_two_orders_the_first_derivative_is_neither_right_nor_wrong() {
    // x^(3/2) + x at 0, along steps to the right: a first derivative, and remainders that fall with the power 3/2.
    let x0 = mat![[0.0]];
    let (mut open, mut wrong) = (0, 0);
    for seed in 0..40 {
        let report = check(|x: Var| x.powf(1.5) + x, &x0).orders(1..=1).seed(seed).run();
        assert!(!report.is_wrong() && !report.is_ok(), "{report}");
        open += u32::from(matches!(report.error, Some(Error::OutOfRange { order: 1 })));
        let rule = broken(derived(|x| vec![x[0].powf(1.5) + x[0]]), Break::Twice, Place::Both);
        let report = check(move |x: Var| x.tape().custom(rule.clone(), &[x])[0], &x0).orders(1..=1).seed(seed).run();
        wrong += u32::from(report.is_wrong());
        assert!(!report.is_ok(), "{report}");
    }
    // Along the others there is no value.
    assert!(open >= 15 && wrong >= 15, "{open} open, {wrong} wrong");
}

#[test]
fn a_check_that_sees_zeros_only_says_so() {
    let report = check(|x: Var| x.relu(), &mat![[-0.5, -1.0]]).run();
    assert!(report.is_ok() && report.skipped.iter().any(|s| s.why.contains("zero at this point")), "{report}");
}

#[test]
#[should_panic(expected = "not the transpose")]
fn assert_ok_panics_with_the_table() {
    tanh_with(1.0, -1.0).assert_ok();
}

#[test]
fn misuse_is_an_error_and_not_a_wrong_gradient() {
    let is = |r: pullback_check::Report, want: fn(&Error) -> bool| {
        assert!(!r.is_ok() && !r.is_wrong() && r.error.as_ref().is_some_and(want), "{r}");
    };
    let calls = Cell::new(0.0);
    let next = || {
        calls.set(calls.get() + 1.0);
        calls.get()
    };
    is(check(|x: Var| x * next(), &spd()).run(), |e| matches!(e, Error::Random { .. }));
    is(check(|x: Var| x.ln(), &mat![[-1.0]]).run(), |e| matches!(e, Error::Value(_)));
    is(check(|x: Var| x.cholesky(), &-spd()).run(), |e| matches!(e, Error::Value(_)));
    is(check(|x: Var| x.norm(), &Mat::<f64>::zeros(2, 2)).run(), |e| matches!(e, Error::Derivative { .. }));
    is(check(|x: Var| x * x, &mat![[f64::NAN]]).run(), |e| matches!(e, Error::Point { .. }));
    is(check(|x: Var| x * x, &spd()).scale(&Mat::zeros(1, 1)).run(), |e| matches!(e, Error::Scale { .. }));
    is(check(|x: Var| x * x, &spd()).orders(2..=3).run(), |e| matches!(e, Error::Orders { .. }));
    is(check(|x: Var| x * x, &spd()).orders(1..=4).run(), |e| matches!(e, Error::Orders { .. }));
    is(check(|x: Var| x * x, &spd()).condition(0.1).run(), |e| matches!(e, Error::Condition(_)));
    is(check_many(|_: Var| Many(vec![]), &spd()).run(), |e| matches!(e, Error::NoOutput));
    let one = spd()[(0, 0)];
    let moved = |x: Var<'_>| x.slice(0, 0, 1, 1).scalar() != one;
    is(check(|x: Var| if moved(x) { x.sum() } else { x }, &spd()).run(), |e| matches!(e, Error::Shapes { .. }));
    is(check(|x: Var| x.cholesky(), &spd()).scale(&(1e12 * spd())).run(), |e| matches!(e, Error::Steps(_)));
}
