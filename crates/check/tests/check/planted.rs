//! Planted errors: real rules written again with a real mistake. Each is found, and in words that name it.

use super::masked::daleckii_krein;
use faer::{Mat, mat};
use pullback::{Batch, Custom, Many, Triangle, Var};
use pullback_check::{Modes, Report, Verdict, check_many, suite};
use std::sync::Arc;

type Rule = for<'t> fn(bool, &[Var<'t>], &[Var<'t>], &[Option<Var<'t>>]) -> Vec<Option<Var<'t>>>;

/// A rule by hand, right or with its mistake.
struct ByHand {
    value: for<'t> fn(&[Var<'t>]) -> Vec<Var<'t>>,
    jvp: Rule,
    vjp: Rule,
    wrong: bool,
}

impl Custom for ByHand {
    fn name(&self) -> &'static str {
        "by hand"
    }
    fn value<'t>(&self, x: &[Var<'t>]) -> Vec<Var<'t>> {
        (self.value)(x)
    }
    fn jvp<'t>(&self, x: &[Var<'t>], y: &[Var<'t>], dx: &[Option<Var<'t>>]) -> Vec<Option<Var<'t>>> {
        (self.jvp)(self.wrong, x, y, dx)
    }
    fn vjp<'t>(&self, x: &[Var<'t>], y: &[Var<'t>], dy: &[Option<Var<'t>>]) -> Vec<Option<Var<'t>>> {
        (self.vjp)(self.wrong, x, y, dy)
    }
}

fn checked(rule: &Arc<dyn Custom>, x0: &Vec<Batch<f64>>, modes: Modes, last: usize) -> Report {
    check_many(|x: Vec<Var>| Many(x[0].tape().custom(rule.clone(), &x)), x0).modes(modes).orders(1..=last).run()
}

/// The right rule passes; the wrong one is found, and the report has these words.
#[track_caller]
fn found(
    rules: (for<'t> fn(&[Var<'t>]) -> Vec<Var<'t>>, Rule, Rule),
    x0: &[Batch<f64>],
    modes: Modes,
    last: usize,
    words: &[&str],
) -> Report {
    let rule = |wrong| -> Arc<dyn Custom> { Arc::new(ByHand { value: rules.0, jvp: rules.1, vjp: rules.2, wrong }) };
    let x0 = x0.to_vec();
    checked(&rule(false), &x0, modes, last).assert_ok();
    let report = checked(&rule(true), &x0, modes, last);
    report.assert_wrong();
    let text = report.to_string();
    for w in words {
        assert!(text.contains(w), "the report does not say {w:?}:\n{text}");
    }
    report
}

fn or_zero<'t>(g: Option<Var<'t>>, like: Var<'t>) -> Var<'t> {
    g.unwrap_or_else(|| like * 0.0)
}

fn tall() -> Batch<f64> {
    Batch::of(&mat![[1.0, 0.2, 0.1], [0.3, 1.0, -0.2], [0.5, -0.4, 0.9], [-0.2, 0.7, 0.3]])
}

fn pair<'t>(a: Option<Var<'t>>, b: Option<Var<'t>>) -> Option<Var<'t>> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a + b),
        (a, b) => a.or(b),
    }
}

const RIGHT_QR: Rule = |_, _, y, dx| {
    let (q, r) = (y[0], y[1]);
    let solve = Triangle::UPPER.from_right();
    let Some(d) = dx[0] else { return vec![None, None] };
    let (s, z) = (r.solve_triangular_with(solve, q.t_mul(d)), r.solve_triangular_with(solve, d));
    let low = s.tril() - s.diag().to_diag();
    let omega = low - low.t();
    vec![Some(z - q * s + q * omega), Some((s - omega) * r)]
};

#[test]
fn qr_without_the_copied_half() {
    let vjp: Rule = |wrong, _, y, dy| {
        let (q, r) = (y[0], y[1]);
        let (gq, gr) = (or_zero(dy[0], q), or_zero(dy[1], r));
        let m = gr.triu().mul_t(r) - q.t_mul(gq);
        let m = if wrong { m.triu() } else { m.triu() + (m.triu() - m.diag().to_diag()).t() };
        let how = Triangle::UPPER.transposed().from_right();
        vec![Some(r.solve_triangular_with(how, gq + q * m))]
    };
    let words = [
        "not the transpose",
        "look at the reverse rule",
        "cotangent of input `0`",
        "in the span of the columns of the input",
    ];
    let _ = found(
        (
            |x| {
                let (q, r) = x[0].qr();
                vec![q, r]
            },
            RIGHT_QR,
            vjp,
        ),
        &[tall()],
        Modes::PROGRAM,
        2,
        &words,
    );
}

fn product_value<'t>(x: &[Var<'t>]) -> Vec<Var<'t>> {
    vec![x[0] * x[1]]
}

const PRODUCT: Rule = |_, x, _, dx| vec![pair(dx[0].map(|d| d * x[1]), dx[1].map(|d| x[0] * d))];

#[test]
fn a_sign_a_half_and_a_transpose_are_named() {
    let x0 = [Batch::of(&mat![[1.0, 0.4], [-0.3, 2.0]]), Batch::of(&mat![[0.5, 0.7], [0.1, -1.0]])];
    let sign: Rule = |wrong, x, _, dy| {
        vec![dy[0].map(|g| g.mul_t(x[1])), dy[0].map(|g| x[0].t_mul(g) * if wrong { -1.0 } else { 1.0 })]
    };
    let report = found(
        (product_value, PRODUCT, sign),
        &x0,
        Modes::PROGRAM,
        2,
        &["cotangent of input `1` is minus", "a sign is wrong"],
    );
    assert!(!report.to_string().contains("input `0`"), "{report}");
    let half: Rule = |wrong, x, _, dy| {
        vec![dy[0].map(|g| g.mul_t(x[1]) * if wrong { 0.5 } else { 1.0 }), dy[0].map(|g| x[0].t_mul(g))]
    };
    let _ = found((product_value, PRODUCT, half), &x0, Modes::PROGRAM, 2, &["input `0` is half of what it should be"]);
    let missing: Rule =
        |wrong, x, _, dy| vec![dy[0].map(|g| g.mul_t(x[1])), dy[0].filter(|_| !wrong).map(|g| x[0].t_mul(g))];
    let _ = found((product_value, PRODUCT, missing), &x0, Modes::PROGRAM, 2, &["input `1` is zero", "for a constant"]);
    // The cotangent of `A` in `tr(C A)`-like products: the transpose of a factor.
    let transpose: Rule = |wrong, x, _, dy| {
        vec![dy[0].map(|g| if wrong { g.t() * x[1].t() } else { g.mul_t(x[1]) }), dy[0].map(|g| x[0].t_mul(g))]
    };
    let _ = found(
        (product_value, PRODUCT, transpose),
        &x0,
        Modes::PROGRAM,
        2,
        &["look at the reverse rule", "input `0`", "differences say"],
    );
    let whole: Rule = |wrong, x, _, dy| {
        vec![dy[0].map(|g| if wrong { g.mul_t(x[1]).t() } else { g.mul_t(x[1]) }), dy[0].map(|g| x[0].t_mul(g))]
    };
    let _ = found(
        (product_value, PRODUCT, whole),
        &x0,
        Modes::PROGRAM,
        2,
        &["input `0` is the transpose of what it should be"],
    );
    let forward: Rule = |wrong, x, _, dx| {
        vec![pair(dx[0].map(|d| d * x[1]), dx[1].map(|d| x[0] * d)).map(|d| d * if wrong { 2.0 } else { 1.0 })]
    };
    let right: Rule = |_, x, _, dy| vec![dy[0].map(|g| g.mul_t(x[1])), dy[0].map(|g| x[0].t_mul(g))];
    let words = ["look at the forward rule", "tangent of output 0 is twice"];
    let _ = found((product_value, forward, right), &x0, Modes::PROGRAM, 1, &words);
}

#[test]
fn a_missing_symmetrisation_is_named() {
    // log det of the symmetric part.
    let jvp: Rule = |_, x, _, dx| vec![dx[0].map(|d| x[0].sym().inverse().dot(d))];
    let vjp: Rule = |wrong, x, _, dy| {
        vec![dy[0].map(|g| {
            let inverse = x[0].sym().inverse();
            // The lower triangle twice instead of both.
            let kept = inverse.tril() * 2.0 - inverse.diag().to_diag();
            (if wrong { kept } else { inverse }) * g
        })]
    };
    let x0 = [Batch::of(&mat![[2.0, 0.5, 0.1], [0.5, 1.0, 0.3], [0.1, 0.3, 1.5]])];
    let _ = found(
        (|x| vec![x[0].sym().logdet()], jvp, vjp),
        &x0,
        Modes::PROGRAM,
        2,
        &["a symmetrisation `(G + G')/2` is missing"],
    );
}

#[test]
fn a_wrong_divided_difference_at_a_tie() {
    let jvp: Rule = |wrong, x, _, dx| vec![dx[0].map(|d| daleckii_krein(wrong, x[0], d))];
    let vjp: Rule = |wrong, x, _, dy| vec![dy[0].map(|g| daleckii_krein(wrong, x[0], g))];
    let rules: (for<'t> fn(&[Var<'t>]) -> Vec<Var<'t>>, Rule, Rule) = (|x| vec![x[0].logm_spd()], jvp, vjp);
    let modes = Modes::REVERSE | Modes::FORWARD;
    // Apart, the wrong rule is right.
    let apart = vec![Batch::of(&mat![[2.0, 0.3, 0.1], [0.3, 1.5, -0.2], [0.1, -0.2, 1.0]])];
    let wrong: Arc<dyn Custom> = Arc::new(ByHand { value: rules.0, jvp, vjp, wrong: true });
    checked(&wrong, &apart, modes, 1).assert_ok();
    let tie = Batch::of(&mat![[2.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 1.0]]);
    let words = [
        "neither rule agrees",
        "at a random point nearby the same rule is right",
        "eigenvalues of `0` are tied: a divided difference at a tie?",
    ];
    let report = found(rules, &[tie], modes, 1, &words);
    assert!(report.defects[0].ok && report.taylor[0].verdict == Verdict::Wrong, "{report}");
}

#[test]
fn a_forgotten_batch_broadcast() {
    // `A B` where one `A` serves a batch of `B`: its cotangent is a sum over the batch.
    let vjp: Rule = |wrong, x, _, dy| {
        vec![
            dy[0].map(|g| match wrong && x[0].shape().batch < g.shape().batch {
                true => g.member(0).mul_t(x[1].member(0)),
                false => g.mul_t(x[1]).sum_to(x[0].shape()),
            }),
            dy[0].map(|g| x[0].t_mul(g).sum_to(x[1].shape())),
        ]
    };
    let b = Mat::from_fn(2, 2, |i, j| 0.3 + i as f64 - 0.7 * j as f64);
    let single = Batch::of(&mat![[1.0, 0.4], [-0.3, 2.0], [0.8, 0.1]]);
    let batch = Batch::stack(&[b.clone(), 2.0 * b.clone(), b.clone() + mat![[0.0, 1.0], [1.0, 0.0]]]);
    let words = ["is that of member 0 of the batch alone: the sum over the batch is missing"];
    let _ = found((product_value, PRODUCT, vjp), &[single.clone(), batch], Modes::PROGRAM, 2, &words);
    // And at a single point, by the mode that makes the batch.
    let words = ["broadcast of input 0: J'w = sum of members", "is not the sum over the members"];
    let _ = found((product_value, PRODUCT, vjp), &[single, Batch::of(&b)], Modes::ALL, 2, &words);
}

#[test]
fn a_batch_of_which_the_first_member_is_looked_at() {
    let vjp: Rule = |wrong, x, _, dy| {
        // The factor of the first member, for all.
        let c = x[0].cos();
        let c = if wrong && c.shape().batch > 1 { c.member(0) } else { c };
        vec![dy[0].map(|g| g.hadamard(c))]
    };
    let jvp: Rule = |_, x, _, dx| vec![dx[0].map(|d| d.hadamard(x[0].cos()))];
    let x0 = Batch::of(&mat![[0.3, -0.8], [1.1, 0.2]]);
    let words = ["batch: J'w = members", "does not treat the members of a batch alike"];
    let _ = found((|x| vec![x[0].sin()], jvp, vjp), &[x0], Modes::ALL, 2, &words);
    let three = Batch::stack(&[mat![[0.3, -0.8]], mat![[1.0, 0.1]], mat![[2.0, -0.4]]]);
    let words = ["members [1, 2] are wrong and the others right"];
    let _ = found((|x| vec![x[0].sin()], jvp, vjp), &[three], Modes::PROGRAM, 2, &words);
}

#[test]
fn a_choice_frozen_at_replay() {
    // The maximum of two, whose mask is captured as numbers when the rule is recorded.
    fn mask<'t>(wrong: bool, x: &[Var<'t>]) -> Var<'t> {
        if wrong {
            let (a, b) = (x[0].value(), x[1].value());
            let chosen: Vec<f64> = a.data().iter().zip(b.data()).map(|(a, b)| f64::from(u8::from(a > b))).collect();
            return x[0].tape().constant(&Batch::from_slice(a.shape(), &chosen));
        }
        // The same choice, made by operations and so again at every replay: the derivative of relu.
        let d = x[0] - x[1];
        d.grad(|d| d.relu().sum())
    }
    let jvp: Rule = |wrong, x, _, dx| {
        let m = mask(wrong, x);
        vec![pair(dx[0].map(|d| d.hadamard(m)), dx[1].map(|d| d.hadamard(1.0 - m)))]
    };
    let vjp: Rule = |wrong, x, _, dy| {
        let m = mask(wrong, x);
        vec![dy[0].map(|g| g.hadamard(m)), dy[0].map(|g| g.hadamard(1.0 - m))]
    };
    let x0 =
        [Batch::of(&mat![[0.3, -0.8, 0.5], [1.1, 0.2, -0.1]]), Batch::of(&mat![[0.1, 0.8, -0.5], [0.4, 0.3, 0.2]])];
    let words = ["replay: recorded gradient", "kept a choice or a number of the point where it was recorded"];
    let report = found((|x| vec![x[0].max(x[1])], jvp, vjp), &x0, Modes::PROGRAM, 2, &words);
    // Nothing else can see it.
    let others = report.defects.iter().filter(|d| !d.what.starts_with("replay"));
    assert!(others.clone().count() > 0 && others.clone().all(|d| d.ok), "{report}");
    assert!(report.taylor.iter().all(|t| t.verdict != Verdict::Wrong), "{report}");
}

#[test]
fn a_number_taken_for_a_constant_at_second_order() {
    // x³ entry by entry, whose reverse rule detaches x.
    let jvp: Rule = |_, x, _, dx| vec![dx[0].map(|d| d.hadamard(x[0]).hadamard(x[0]) * 3.0)];
    let vjp: Rule = |wrong, x, _, dy| {
        let seen = if wrong { x[0].stop_gradient() } else { x[0] };
        vec![dy[0].map(|g| g.hadamard(seen).hadamard(seen) * 3.0)]
    };
    let x0 = [Batch::of(&mat![[0.3, -0.8], [1.1, 0.2]])];
    let words =
        ["Hv:", "FAILS", "by differences of the gradient", "reverse over forward is right and forward over reverse"];
    let report = found((|x| vec![x[0].powf(3.0)], jvp, vjp), &x0, Modes::PROGRAM, 2, &words);
    assert!(report.defects[0].ok && report.taylor[0].verdict == Verdict::Slope, "{report}");
}

#[test]
fn a_rule_that_is_wrong_at_third_order_only() {
    // x³ again; the factor 3x² as its own tangent line at a detached x: right with one derivative, not with two.
    let jvp: Rule = |_, x, _, dx| vec![dx[0].map(|d| d.hadamard(x[0]).hadamard(x[0]) * 3.0)];
    let vjp: Rule = |wrong, x, _, dy| {
        let s = x[0].stop_gradient();
        let square = if wrong { s.hadamard(x[0] * 2.0 - s) } else { x[0].hadamard(x[0]) };
        vec![dy[0].map(|g| g.hadamard(square) * 3.0)]
    };
    let x0 = [Batch::of(&mat![[0.3, -0.8], [1.1, 0.2]])];
    let words = ["Tvvv: forward over Hv = forward three times", "FAILS: a rule's second derivative is wrong"];
    let report = found((|x| vec![x[0].powf(3.0)], jvp, vjp), &x0, Modes::PROGRAM - Modes::REPLAY, 3, &words);
    assert!(report.defects.iter().filter(|d| d.what.starts_with("Hv")).all(|d| d.ok), "{report}");
}

#[test]
fn a_projector_that_is_dropped_is_named() {
    // Normalisation of a column: y = x/|x|, whose derivative projects.
    let rule: Rule = |wrong, x, y, d| {
        vec![d[0].map(|d| {
            let d = if wrong { d } else { d - y[0] * y[0].dot(d) };
            d * x[0].dot(x[0]).powf(-0.5)
        })]
    };
    let x0 = [Batch::of(&mat![[0.3], [-0.8], [1.1]])];
    let words = ["neither rule agrees", "a projector `I - X (X'X)^-1 X'` is missing"];
    let _ = found((|x| vec![x[0] * x[0].dot(x[0]).powf(-0.5)], rule, rule), &x0, Modes::PROGRAM, 1, &words);
}

#[test]
fn a_suite_passes_a_right_rule_and_names_where_a_wrong_one_fails() {
    let jvp: Rule = PRODUCT;
    let vjp: Rule = |wrong, x, _, dy| {
        // Wrong only where one matrix is both factors' batch: the second member.
        vec![
            dy[0].map(|g| g.mul_t(x[1]).sum_to(x[0].shape())),
            dy[0].map(|g| {
                let right = x[0].t_mul(g);
                (if wrong && g.shape().batch > 1 { x[0].member(0).t_mul(g) } else { right }).sum_to(x[1].shape())
            }),
        ]
    };
    let x0 = vec![Batch::of(&mat![[1.0, 0.4], [-0.3, 2.0]]), Batch::of(&mat![[0.5, 0.7], [0.1, -1.0]])];
    let rule = |wrong| -> Arc<dyn Custom> { Arc::new(ByHand { value: product_value, jvp, vjp, wrong }) };
    let right = suite(rule(false), &x0);
    right.assert_ok();
    assert_eq!(right.reports.len(), 5);
    assert!(right.controls.len() >= 6, "{right}");
    let wrong = suite(rule(true), &x0);
    assert!(!wrong.is_ok(), "{wrong}");
    let bad: Vec<&str> = wrong.reports.iter().filter(|(_, r)| !r.is_ok()).map(|(n, _)| n.as_str()).collect();
    assert_eq!(bad, ["every mode, three orders", "a batch of two"], "{wrong}");
}
