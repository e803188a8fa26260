//! Every public question that can be asked of a held tape, asked in every state that a tape can be in: each cell of the
//! table is a right number, a typed error, or a panic at the user's line. No cell mixes new inputs with old results,
//! and none says zero for what was never recorded.

mod common;
use common::panic_of;
use pullback::{Batch, Error, Shape, Tape, Var};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a cell of the table says.
#[derive(Debug, Clone, PartialEq)]
enum Verdict {
    /// A number: that at the point where the tape stands.
    Number(f64),
    NotRecording,
    NotReplayable,
    /// A typed error about the data.
    Data,
    /// The value or derivative is not a finite number, and the error says so.
    NotFinite,
    /// Not a number, read without a verdict.
    Nan,
    Done,
    Panic,
}
use Verdict::*;

fn of<R>(r: pullback::Result<R>, number: impl FnOnce(R) -> f64) -> Verdict {
    match r {
        Ok(r) => read(number(r)),
        Err(Error::NotRecording) => NotRecording,
        Err(Error::NotReplayable { .. }) => NotReplayable,
        Err(Error::Data { .. }) => Data,
        Err(Error::NonFinite { .. } | Error::Overflow { .. }) => NotFinite,
        Err(e) => panic!("an error that no cell expects: {e}"),
    }
}

fn read(x: f64) -> Verdict {
    if x.is_nan() { Nan } else { Number(x) }
}

type Ask = for<'t> fn(&'t Tape, Var<'t>, Var<'t>) -> Verdict;

fn into(f: impl FnOnce(&mut Batch) -> pullback::Result<()>) -> Verdict {
    let mut out = Batch::zeros(Shape::SCALAR);
    of(f(&mut out).map(|()| out), |b| b.data()[0])
}

/// The questions: what is asked, and which derivative the number is (`Some(k)`: of order `k`; `None`: no number).
const QUESTIONS: &[(&str, Option<usize>, Ask)] = &[
    ("value", Some(0), |_, _, y| read(y.value().data()[0])),
    ("scalar", Some(0), |_, _, y| read(y.scalar())),
    ("gradient", Some(1), |t, x, y| of(t.gradient(y, x), |g| g.data()[0])),
    ("gradient_into", Some(1), |t, x, y| into(|out| t.gradient_into(y, &[x], &mut [out]))),
    ("vjp_into", Some(1), |t, x, y| into(|out| t.vjp_into(&[(y, &1.0)], &[x], &mut [out]))),
    ("vjp_visit", Some(1), |t, x, y| {
        let mut g = f64::NAN;
        of(t.vjp_visit(&[(y, &1.0)], &[x], |_, v| g = v.data()[0]), |()| g)
    }),
    ("jvp_into", Some(1), |t, x, y| into(|out| t.jvp_into(&[(x, &1.0)], &[y], &mut [out]))),
    ("hvp", Some(2), |t, x, y| of(t.hvp(y, x, &1.0), |h| h.data()[0])),
    ("hvp_into", Some(2), |t, x, y| into(|out| t.hvp_into(y, x, &1.0, out))),
    ("hvps_into", Some(2), |t, x, y| into(|out| t.hvps_into(y, &[(x, &1.0)], &mut [out]))),
    ("grad_on_tape", Some(1), |t, x, y| of(t.grad_on_tape(y, x), |g| g.value().data()[0])),
    ("hvp_operator", Some(2), |t, x, y| of(t.hvp_operator(y, x).and_then(|h| h.apply(&1.0)), |h| h.data()[0])),
    ("check", None, |t, _, _| match of(t.check(), |()| 0.0) {
        Number(_) => Done,
        v => v,
    }),
    ("check_finite", None, |t, _, _| match of(t.check_finite(), |()| 0.0) {
        Number(_) => Done,
        v => v,
    }),
    ("replay", None, |t, _, _| match of(t.replay(), |()| 0.0) {
        Number(_) => Done,
        v => v,
    }),
    ("profile", None, |t, _, _| match of(t.profile(), |_| 0.0) {
        Number(_) => Done,
        v => v,
    }),
    ("set", None, |t, x, _| {
        t.set(x, &1.5);
        Done
    }),
    ("swap", None, |t, x, _| {
        t.swap(x, &mut Batch::of(&1.5));
        Done
    }),
];

/// `f(x) = x e^x` and its derivatives, `(k + x) e^x`.
fn right(k: usize, x: f64) -> f64 {
    (k as f64 + x) * x.exp()
}

/// How a tape came to be as it is, and what the cells say: for the value, for derivatives of `y`, and for the last
/// questions `check`, `check_finite`, `replay`, `profile`, `set` and `swap`.
struct State {
    name: &'static str,
    tape: fn() -> Tape,
    /// Brings the tape into the state; gives the input, the output, and the point where it stands.
    make: for<'t> fn(&'t Tape) -> (Var<'t>, Var<'t>, f64),
    value: Option<Verdict>,
    derivative: Option<Verdict>,
    others: [Verdict; 5],
}

fn recorded<'t>(tape: &'t Tape, at: f64) -> (Var<'t>, Var<'t>) {
    let x = tape.input(&at);
    (x, x.exp() * x)
}

const RIGHT: Option<Verdict> = None;

fn states() -> Vec<State> {
    vec![
        State {
            name: "plain",
            tape: Tape::plain,
            make: |t| {
                let (x, y) = recorded(t, 2.0);
                (x, y, 2.0)
            },
            value: RIGHT,
            derivative: Some(NotRecording),
            others: [Done, NotRecording, NotRecording, NotRecording, Panic],
        },
        State {
            name: "forward",
            tape: Tape::forward,
            make: |t| {
                let x = t.input_along(&2.0, &1.0);
                (x, x.exp() * x, 2.0)
            },
            value: RIGHT,
            derivative: Some(NotRecording),
            others: [Done, NotRecording, NotRecording, NotRecording, Panic],
        },
        State {
            name: "recorded",
            tape: Tape::new,
            make: |t| {
                let (x, y) = recorded(t, 2.0);
                (x, y, 2.0)
            },
            value: RIGHT,
            derivative: RIGHT,
            others: [Done, Done, Done, Done, Done],
        },
        State {
            name: "set and not replayed",
            tape: Tape::new,
            make: |t| {
                let (x, y) = recorded(t, 2.0);
                t.set(x, &3.0);
                (x, y, 3.0)
            },
            value: RIGHT,
            derivative: RIGHT,
            others: [Done, Done, Done, Done, Done],
        },
        State {
            name: "set, swept, set again",
            tape: Tape::new,
            make: |t| {
                let (x, y) = recorded(t, 2.0);
                t.set(x, &3.0);
                t.gradient(y, x).unwrap();
                t.set(x, &-1.0);
                (x, y, -1.0)
            },
            value: RIGHT,
            derivative: RIGHT,
            others: [Done, Done, Done, Done, Done],
        },
        State {
            name: "set and recorded on",
            tape: Tape::new,
            make: |t| {
                let x = t.input(&2.0);
                let e = x.exp();
                t.set(x, &3.0);
                (x, e * x, 3.0)
            },
            value: RIGHT,
            derivative: RIGHT,
            others: [Done, Done, Done, Done, Done],
        },
        State {
            name: "set and replayed",
            tape: Tape::new,
            make: |t| {
                let (x, y) = recorded(t, 2.0);
                t.set(x, &3.0);
                t.replay().unwrap();
                (x, y, 3.0)
            },
            value: RIGHT,
            derivative: RIGHT,
            others: [Done, Done, Done, Done, Done],
        },
        State {
            name: "read at the end",
            tape: Tape::new,
            make: |t| {
                let (x, y) = recorded(t, 2.0);
                let _ = y.value();
                (x, y, 2.0)
            },
            value: RIGHT,
            derivative: RIGHT,
            others: [Done, Done, Done, Done, Done],
        },
        State {
            name: "read and recorded on",
            tape: Tape::new,
            make: |t| {
                let x = t.input(&2.0);
                let e = x.exp();
                let _ = e.scalar();
                (x, e * x, 2.0)
            },
            value: RIGHT,
            derivative: RIGHT,
            others: [Done, Done, NotReplayable, NotReplayable, Done],
        },
        State {
            name: "read and recorded on, then set",
            tape: Tape::new,
            make: |t| {
                let x = t.input(&2.0);
                let e = x.exp();
                let _ = e.scalar();
                let y = e * x;
                t.set(x, &3.0);
                (x, y, 3.0)
            },
            // The value has no verdict of its own: it reads NaN, and `check` says why.
            value: Some(Nan),
            derivative: Some(NotReplayable),
            others: [NotReplayable, NotReplayable, NotReplayable, NotReplayable, Done],
        },
        State {
            name: "failed",
            tape: Tape::new,
            make: |t| {
                let (x, y) = recorded(t, 2.0);
                (x, y * (x * 0.0).inverse(), 2.0)
            },
            value: Some(Nan),
            derivative: Some(Data),
            others: [Data, Data, Data, Data, Done],
        },
        State {
            name: "set to where it fails",
            tape: Tape::new,
            make: |t| {
                let x = t.input(&2.0);
                let y = x.inverse();
                t.set(x, &0.0);
                (x, y, 0.0)
            },
            value: Some(Nan),
            derivative: Some(Data),
            others: [Data, Data, Data, Data, Done],
        },
        State {
            name: "set to where it failed, and back",
            tape: Tape::new,
            make: |t| {
                let x = t.input(&2.0);
                let y = x.exp() * x * (x.inverse() * x);
                t.set(x, &0.0);
                assert!(t.gradient(y, x).is_err());
                t.set(x, &3.0);
                (x, y, 3.0)
            },
            value: RIGHT,
            derivative: RIGHT,
            others: [Done, Done, Done, Done, Done],
        },
        State {
            name: "not finite",
            tape: Tape::new,
            make: |t| {
                let x = t.input(&-1.0);
                (x, x.ln(), -1.0)
            },
            value: Some(Nan),
            derivative: Some(NotFinite),
            others: [Done, NotFinite, Done, Done, Done],
        },
        State {
            name: "set to where it is not finite",
            tape: Tape::new,
            make: |t| {
                let x = t.input(&1.0);
                let y = x.ln();
                t.set(x, &-1.0);
                (x, y, -1.0)
            },
            value: Some(Nan),
            derivative: Some(NotFinite),
            others: [Done, NotFinite, Done, Done, Done],
        },
    ]
}

#[test]
fn every_question_in_every_state() {
    let mut wrong = vec![];
    for state in states() {
        for (k, (question, order, ask)) in QUESTIONS.iter().enumerate() {
            // Each cell has a tape of its own: questions change the state.
            let tape = (state.tape)();
            let (x, y, at) = (state.make)(&tape);
            let said = catch_unwind(AssertUnwindSafe(|| ask(&tape, x, y)));
            let said = said.unwrap_or(Panic);
            let expected = match order {
                // `swap` is asked last, and answers as `set` does.
                None => state.others[(k - (QUESTIONS.len() - 6)).min(4)].clone(),
                Some(0) => state.value.clone().unwrap_or(Number(right(0, at))),
                Some(k) => state.derivative.clone().unwrap_or(Number(right(*k, at))),
            };
            let same = match (&said, &expected) {
                (Number(a), Number(b)) => (a - b).abs() <= 1e-13 * b.abs().max(1.0),
                (a, b) => a == b,
            };
            if !same {
                wrong.push(format!("{question} of a tape that is {}: {said:?}, expected {expected:?}", state.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_cleared_tape_knows_no_old_handle() {
    // The compiler forbids it for handles that are used after `clear`, which takes `&mut`. Of steps and scopes it
    // cannot know.
    let tape = Tape::plain();
    let x = tape.input(&2.0);
    let mut kept = None;
    let _ = tape.scope(|| {
        kept = Some(x.exp());
        x
    });
    let p = panic_of(|| kept.unwrap().value());
    assert!(p.text.contains("freed"), "{}", p.text);
}

#[test]
fn inside_a_gradient_of_a_plain_tape_what_came_before_is_not_recorded() {
    let tape = Tape::plain();
    let x = tape.input(&2.0);
    let y = x * x;
    let said = std::cell::RefCell::new(None);
    let _ = x.grad(|z| {
        said.replace(Some(tape.gradient(y * z, x)));
        z
    });
    assert_eq!(said.take().unwrap().unwrap_err(), Error::NotRecording);
}

#[test]
fn every_input_is_set_before_anything_is_computed() {
    let tape = Tape::new();
    let (x, y) = (tape.input(&2.0), tape.input(&3.0));
    let z = x * y + x;
    tape.set(x, &5.0);
    tape.set(y, &7.0);
    let mut g = [Batch::zeros(Shape::SCALAR), Batch::zeros(Shape::SCALAR)];
    let [a, b] = &mut g;
    tape.gradient_into(z, &[x, y], &mut [a, b]).unwrap();
    assert_eq!([g[0].data()[0], g[1].data()[0], z.scalar()], [8.0, 5.0, 40.0]);
}

#[test]
fn a_hessian_operator_follows_its_input() {
    let tape = Tape::new();
    let x = tape.input(&2.0);
    let h = tape.hvp_operator(x.exp() * x, x).unwrap();
    tape.set(x, &0.5);
    let hv: Batch = h.apply(&1.0).unwrap();
    assert!((hv.data()[0] - right(2, 0.5)).abs() < 1e-13);
    assert!((h.gradient().scalar() - right(1, 0.5)).abs() < 1e-13);
}

#[test]
fn a_cleared_tape_has_read_nothing() {
    let mut tape: Tape = Tape::new();
    {
        let x = tape.input(&2.0);
        let e = x.exp();
        let _ = e.scalar();
        let _ = e * x;
        assert!(matches!(tape.replay(), Err(Error::NotReplayable { .. })));
        tape.set(x, &3.0);
    }
    tape.clear();
    let (x, y) = recorded(&tape, 2.0);
    // Nothing is waiting for a replay either: this reads what was computed.
    assert_eq!(tape.operations(), 2);
    tape.set(x, &1.0);
    tape.replay().unwrap();
    assert!((y.scalar() - right(0, 1.0)).abs() < 1e-14);
}

#[test]
fn a_tape_that_is_cleared_while_an_input_waits_is_fresh() {
    let mut tape: Tape = Tape::new();
    {
        let x = tape.input(&2.0);
        let e = x.exp();
        let _ = e.scalar();
        let _ = e * x;
        // From here on its results cannot follow.
        tape.set(x, &3.0);
        assert!(e.scalar().is_nan());
    }
    tape.clear();
    let (x, y) = recorded(&tape, 2.0);
    assert!((tape.gradient(y, x).unwrap().data()[0] - right(1, 2.0)).abs() < 1e-13);
    assert!((y.scalar() - right(0, 2.0)).abs() < 1e-13);
}

#[test]
fn programs_of_equal_length_on_one_tape_are_told_apart() {
    use pullback::func;
    // Four values each; in the first, two of them depend on nothing.
    let first = func(|x: Var| x * x.tape().constant(&2.0).exp());
    let second = func(|x: Var| x * x.exp().exp());
    let mut tape = Tape::new();
    let x = 0.5f64;
    for _ in 0..2 {
        let (_, g) = tape.value_and_grad(first, &x).unwrap();
        assert!((g - 2f64.exp()).abs() < 1e-14);
        let (_, g) = tape.value_and_grad(second, &x).unwrap();
        let (e, ee) = (x.exp(), x.exp().exp());
        assert!((g - (ee + x * e * ee)).abs() < 1e-13, "{g}");
    }
}

#[test]
fn a_hessian_operator_does_not_go_past_an_infinite_value() {
    let tape: Tape = Tape::new();
    let x = tape.input(&1.0);
    let h = tape.hvp_operator((x * x) * 1e300, x).unwrap();
    assert!(h.apply(&1.0).is_ok());
    // The value is infinite, the gradient and the second derivative are not.
    tape.set(x, &1e5);
    assert!(h.gradient().scalar().is_finite());
    assert!(matches!(h.apply(&1.0), Err(Error::NonFinite { what: "value", .. })));
    tape.set(x, &1.0);
    assert_eq!(h.apply(&1.0).unwrap().data(), [2e300]);
}

#[test]
fn a_gradient_beside_a_hessian_is_judged_for_itself() {
    // The function is linear, with a slope that is too large.
    let steep = pullback::func(|x: Var| (x * 1e308) * 10.0);
    assert_eq!(pullback::hvp(steep, &1e-300, &1.0), Ok(0.0));
    let e = pullback::value_grad_hvp(steep, &1e-300, &1.0).unwrap_err();
    assert!(matches!(e, Error::NonFinite { what: "gradient", .. }), "{e}");
    // And its batch has to fit.
    let tape = Tape::new();
    let (x, y) = recorded(&tape, 2.0);
    let (mut wide, mut fits) = (Batch::zeros(Shape::mat(1, 2)), Batch::zeros(Shape::SCALAR));
    let said = tape.grads_hvps_into(y, &[(x, &1.0)], &mut [&mut wide], &mut [&mut fits]);
    assert!(matches!(said, Err(Error::Shape { what: "the result", .. })), "{said:?}");
    let said = tape.grads_hvps_into(y, &[(x, &1.0)], &mut [], &mut [&mut fits]);
    assert!(matches!(said, Err(Error::Leaves { .. })), "{said:?}");
}

#[test]
fn a_value_that_failed_in_a_scope_has_failed_outside_of_it() {
    for tape in [Tape::plain(), Tape::forward(), Tape::new()] {
        let x = tape.input(&0.0);
        let y = tape.scope(|| x.inverse());
        // What is made of it is not blamed.
        let Err(Error::Data { primitive, .. }) = y.try_cholesky().map(|_| ()) else { panic!("it has no numbers") };
        assert_eq!(primitive, "inverse");
    }
}

#[test]
fn gradients_by_one_input_and_then_by_another() {
    let tape: Tape = Tape::new();
    let (x, y) = (tape.input(&0.5), tape.input(&2.0));
    let z = x.exp() * y.sin();
    let by = |v: Var| tape.gradient(z, v).unwrap().data()[0];
    for _ in 0..2 {
        assert!((by(x) - 0.5f64.exp() * 2f64.sin()).abs() < 1e-15);
        assert!((by(y) - 0.5f64.exp() * 2f64.cos()).abs() < 1e-15);
        assert!((tape.hvp(z, y, &1.0).unwrap().data()[0] + 0.5f64.exp() * 2f64.sin()).abs() < 1e-15);
    }
}

/// What depends on what is a question about operations: a tape that keeps none cannot answer, and numbers that are out
/// of date or failed do not matter.
#[test]
fn dependence_is_told_by_a_tape_that_records_in_every_state() {
    for tape in [Tape::plain(), Tape::forward()] {
        let (x, y) = recorded(&tape, 2.0);
        assert!(matches!(tape.depends_on(y, &[x]), Err(Error::NotRecording)));
    }
    let tape = Tape::new();
    let (x, y) = recorded(&tape, 2.0);
    let (other, failed) = (tape.input(&1.0), (x - 2.0).recip().ln());
    for _ in 0..2 {
        assert!(tape.depends_on(y, &[x]).unwrap() && tape.depends_on(failed, &[other, x]).unwrap());
        assert!(!tape.depends_on(y, &[other]).unwrap() && !tape.depends_on(y, &[]).unwrap());
        assert!(tape.depends_on(x, &[x]).unwrap() && !tape.depends_on(x, &[y]).unwrap());
        tape.set(x, &-3.0);
    }
    let said = panic_of(|| Tape::new().depends_on(y, &[x]).is_ok());
    assert!(said.text.contains("depends_on"), "{}", said.text);
}
