//! Replay on new numbers is as good as a fresh recording, across every choice that numbers make: pivots, signs, ties,
//! winners.

mod common;
use common::*;
use faer::{Mat, mat};
use pullback::prelude::*;
use pullback::{Error, Failure, Group};

/// Records `f` at `from`, replays it at each of `to`, and compares value, gradient, Hessian-vector products and a
/// gradient recorded on the tape with those of a fresh tape.
#[track_caller]
fn replays(f: impl for<'t> Fn(Var<'t>) -> Var<'t>, from: &Mat<f64>, to: &[Mat<f64>]) {
    let v = rnd(from.nrows(), from.ncols(), 77);
    let held = Tape::new();
    let x = held.input(from);
    let y = f(x);
    let h = held.hvp_operator(y, x).unwrap();
    let square = h.gradient().dot(h.gradient());
    let inner = x.grad(&f).dot(&v);
    let back_and_forth = to.iter().chain([from]);
    for at in back_and_forth {
        held.set(x, at);
        held.replay().unwrap();
        let fresh = Tape::new();
        let xf = fresh.input(at);
        let yf = f(xf);
        let hf = fresh.hvp_operator(yf, xf).unwrap();
        let square_f = hf.gradient().dot(hf.gradient());
        let inner_f = xf.grad(&f).dot(&v);
        let tol = 1e-13;
        close(&y.value(), &yf.value(), tol);
        close(&held.gradient(y, x).unwrap(), &fresh.gradient(yf, xf).unwrap(), tol);
        close(&held.hvp(y, x, &v).unwrap(), &fresh.hvp(yf, xf, &v).unwrap(), tol);
        close(&h.apply(&v).unwrap(), &hf.apply(&v).unwrap(), tol);
        close(&h.gradient().value(), &hf.gradient().value(), tol);
        close(&held.gradient(square, x).unwrap(), &fresh.gradient(square_f, xf).unwrap(), tol);
        close(&held.hvp(square, x, &v).unwrap(), &fresh.hvp(square_f, xf, &v).unwrap(), tol);
        close(&held.gradient(inner, x).unwrap(), &fresh.gradient(inner_f, xf).unwrap(), tol);
        // The fresh tape itself is right: the gradient's product with v is the slope of the value.
        let e = 1e-6;
        let value = |s: f64| {
            let t = Tape::plain();
            let value = f(t.input(&(at + (s * e) * &v))).scalar();
            t.check().unwrap();
            value
        };
        let slope = (value(1.0) - value(-1.0)) / (2.0 * e);
        let g = fresh.gradient(yf, xf).unwrap().into_mat();
        let along: f64 = (g.transpose() * &v).diagonal().column_vector().iter().sum();
        let smooth = (value(1.0) + value(-1.0) - 2.0 * value(0.0)).abs() < 1e-7;
        assert!(!smooth || (slope - along).abs() < 1e-7 * (1.0 + along.abs()), "{slope} {along}");
    }
}

#[test]
fn across_a_change_of_pivots() {
    let a = mat![[4.0, 1.0, 0.3], [1.0, 3.0, 0.2], [0.5, 0.1, 2.0]];
    let swapped = mat![[0.1, 3.0, 0.2], [0.5, 0.1, 2.5], [4.0, 1.0, 0.3]];
    let cyclic = mat![[0.2, 0.1, 5.0], [6.0, 0.3, 0.1], [0.2, 4.0, 0.7]];
    let b = rnd(3, 2, 5);
    replays(|x| x.solve(&b).dot(x.solve(&b)), &a, &[swapped.clone(), cyclic.clone()]);
    replays(|x| x.inverse().dot(x.t().inverse()), &a, &[swapped.clone(), cyclic.clone()]);
    replays(
        |x| {
            let l = x.logdet();
            l * l
        },
        &a,
        &[swapped.clone(), cyclic.clone()],
    );
    replays(|x| x.lu().solve_transpose(&b).sum().tanh(), &a, &[swapped, cyclic]);
    // Large enough for the blocked factorisation.
    let big =
        |seed| rnd(24, 24, seed) + Mat::from_fn(24, 24, |i, j| if (i + seed as usize) % 24 == j { 3.0 } else { 0.0 });
    let b = rnd(24, 1, 6);
    replays(|x| x.solve(&b).dot(x.solve(&b)), &big(0), &[big(5), big(11)]);
}

#[test]
fn across_a_change_of_sign_in_qr() {
    for (m, n) in [(4, 3), (3, 3), (40, 30)] {
        let (w, u) = (rnd(m, n, 2), rnd(n, n, 3));
        let a = rnd(m, n, 1);
        // Negated columns, and the reflected matrix: every diagonal sign that Householder's method chooses changes.
        let one = Mat::from_fn(m, n, |i, j| if j == 1 { -a[(i, j)] } else { a[(i, j)] });
        let all = -1.0 * &a;
        let rows = Mat::from_fn(m, n, |i, j| a[(m - 1 - i, j)]);
        replays(
            |x| {
                let (q, r) = x.qr();
                q.dot(&w) * r.dot(&u) + q.hadamard(q).dot(&w)
            },
            &a,
            &[one, all, rows],
        );
    }
}

#[test]
fn across_ties_of_the_spectrum() {
    let v = rnd(3, 3, 9);
    let distinct = sym(&mat![[2.0, 0.4, 0.1], [0.4, 1.0, 0.3], [0.1, 0.3, 3.0]]);
    let identity = Mat::<f64>::identity(3, 3);
    let pair = mat![[2.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 0.5]];
    let nearly = mat![[2.0, 1e-9, 0.0], [1e-9, 2.0, 0.0], [0.0, 0.0, 0.5]];
    let points = [identity.clone(), pair, nearly, distinct.clone()];
    for f in [SymFn::Exp, SymFn::Ln, SymFn::Pow(0.5), SymFn::Pow(-0.5), SymFn::Pow(1.7), SymFn::XLogX] {
        replays(|x| x.symmetric().map(f).dot(&v), &distinct, &points);
        replays(|x| x.trace_fun(f), &identity, &points);
    }
    // Singular values tie at orthonormal points.
    let w = rnd(3, 3, 10);
    replays(
        |x| {
            let (p, h) = x.polar();
            p.dot(&w) + h.hadamard(h).dot(&v)
        },
        &rnd(3, 3, 11),
        &[identity.clone(), -2.0 * &identity, rnd(3, 3, 12)],
    );
}

#[test]
fn across_a_change_of_winner() {
    let a = mat![[1.0, -2.0], [0.5, 3.0]];
    let flipped = mat![[-1.0, 2.0], [-0.5, -3.0]];
    let c = mat![[0.2, 0.1], [0.4, -0.3]];
    let mixed = mat![[-0.7, -2.0], [0.9, -0.2]];
    let points = [flipped, mixed];
    replays(
        |x| {
            let m = x.max(&c);
            (m.hadamard(m)).hadamard(x).sum()
        },
        &a,
        &points,
    );
    replays(
        |x| {
            let m = x.min(&c);
            (m.hadamard(m)).hadamard(x).sum()
        },
        &a,
        &points,
    );
    replays(|x| x.relu().hadamard(x.exp()).sum(), &a, &points);
    replays(|x| x.abs().hadamard(x.sin()).sum(), &a, &points);
    replays(|x| x.norm() * x.sum(), &a, &points);
}

#[test]
fn exponentials_across_a_change_of_degree_and_squarings() {
    let (a, n) = (rnd(3, 3, 16), rnd(3, 3, 17));
    let points = [1e-9, 0.01, 0.3, 0.8, 3.0, 20.0].map(|s| &a * s);
    replays(|x| x.expm().dot(&n), &a, &points);
    replays(|x| x.expm().dot(&n), &points[5], &points);
    replays(|x| x.expm_frechet(x.t()).1.dot(&n), &points[0], &points);
    replays(|x| x.expm_multiply(&n).dot(&n), &points[0], &points);
    replays(|x| x.expm_multiply(x.t()).dot(&n), &points[4], &points);
}

#[test]
fn principal_functions_across_a_change_of_blocks_and_square_roots() {
    let eye = Mat::<f64>::identity(3, 3);
    let (a, n) = (rnd(3, 3, 16) * 0.3, rnd(3, 3, 17));
    // Real and complex spectra, the identity, defective, far from the identity.
    let turned = mat![[1.0, 2.0, 0.0], [-2.0, 1.0, 0.5], [0.1, 0.0, 3.0]];
    let jordan = mat![[2.0, 1.0, 0.0], [0.0, 2.0, 1.0], [0.0, 0.0, 2.0]];
    let points = [eye.clone(), &eye + &a, &eye + &a * 1e-9, turned, jordan, (&eye * 3.0 + &a) * 1e3];
    replays(|x| x.sqrtm().dot(&n), &points[1], &points);
    replays(|x| x.logm().dot(&n), &points[1], &points);
    replays(|x| x.lyapunov(&n).dot(&n), &points[1], &points);
    // A group of all, of some, of a pair.
    replays(|x| x.group_projector(Group::RealAbove(1.4)).0.dot(&n), &points[3], &points);
    replays(|x| x.powm(0.3).dot(&n), &points[1], &points);
    // A right-hand side that is symmetric at some of the points.
    replays(|x| x.lyapunov(x).dot(&n), &points[0], &points);
    replays(|x| x.sylvester(x.t(), &n).dot(&n), &points[3], &points);
}

#[test]
fn other_programs_replay_too() {
    let a = regular(3, 4);
    let n = rnd(3, 3, 5);
    replays(|x| x.sym().cayley(0.3).dot(&n) + x.skew().cayley(-1.0).dot(&n), &rnd(3, 3, 6), &[rnd(3, 3, 7)]);
    replays(|x| (x * x.t() + &a * a.transpose()).cholesky().dot(&n), &rnd(3, 3, 8), &[rnd(3, 3, 9)]);
    replays(|x| x.slice(0, 1, 2, 2).t_mul(x.row_range(0, 2)).tanh().sum(), &rnd(3, 3, 10), &[rnd(3, 3, 11)]);
    replays(|x| x.checkpoint(|x| x.solve(&n).tanh()).sum(), &a, &[regular(3, 12)]);
}

#[test]
fn a_program_that_reads_and_goes_on_is_not_replayable() {
    let tape = Tape::<f64>::new();
    let x = tape.input(&2.0);
    let y = x * x;
    let line = line!() + 1;
    let big = y.scalar() > 1.0;
    tape.replay().expect("reading at the end is harmless");
    let z = if big { y.sin() } else { y.cos() };
    let e = tape.replay().unwrap_err();
    let Error::NotReplayable { line: at } = e else { panic!("{e}") };
    assert_eq!((at.file(), at.line()), (file!(), line));
    assert_eq!(
        e.to_string(),
        format!(
            "this tape cannot be replayed: the program read a value at {at} and recorded further operations after it, which may depend on what it read; read values after the last operation, or record the program again"
        )
    );
    // Derivatives at the recorded point are as good as ever.
    assert!((tape.gradient(z, x).unwrap().data()[0] - 4.0 * 4.0_f64.cos()).abs() < 1e-14);
}

#[test]
fn reading_is_seen_wherever_it_happens() {
    // In a checkpoint, at its very end.
    let tape = Tape::<f64>::new();
    let x = tape.input(&2.0);
    let seen = std::cell::Cell::new(0.0);
    let y = x.checkpoint(|x| {
        let y = x.sin();
        seen.set(y.scalar());
        y
    });
    let _ = if seen.get() > 0.0 { y.exp() } else { y };
    assert!(matches!(tape.replay(), Err(Error::NotReplayable { .. })));
    // Before a gradient is recorded, and used after.
    let tape = Tape::<f64>::new();
    let x = tape.input(&2.0);
    let y = x * x;
    let big = y.scalar() > 1.0;
    let g = tape.grad_on_tape(y, x).unwrap();
    tape.replay().expect("a gradient is no choice of the program");
    let _ = if big { g.exp() } else { g };
    assert!(matches!(tape.replay(), Err(Error::NotReplayable { .. })));
    // In a gradient inside the program.
    let tape = Tape::<f64>::new();
    let x = tape.input(&2.0);
    let _ = x.grad(|x| if x.scalar() > 0.0 { x.sin() } else { x.cos() });
    assert!(matches!(tape.replay(), Err(Error::NotReplayable { .. })));
    // A failure that was handled is a choice, too.
    for a in [1.0, -1.0] {
        let tape = Tape::<f64>::new();
        let x = tape.input(&a);
        let _ = x.try_cholesky().unwrap_or_else(|_| x.abs()).sin();
        assert!(matches!(tape.replay(), Err(Error::NotReplayable { .. })));
    }
}

#[test]
fn verdicts_are_found_anew() {
    let good = mat![[2.0, 1.0], [1.0, 3.0]];
    let bad = mat![[1.0, 2.0], [2.0, 4.0]];
    let tape = Tape::<f64>::new();
    let x = tape.input(&good);
    let line = line!() + 1;
    let y = x.inverse().trace();
    let g = tape.gradient(y, x).unwrap();
    for _ in 0..3 {
        tape.set(x, &bad);
        let e = tape.replay().unwrap_err();
        assert!(matches!(failure(&e), Failure::Singular { index: 1, .. }), "{e}");
        assert_eq!(data(&e), ("inverse", None, false, line));
        assert!(y.is_poisoned() && y.scalar().is_nan());
        assert_eq!(tape.gradient(y, x).unwrap_err(), e, "a sweep over a poisoned tape is the same failure");
        tape.set(x, &good);
        tape.replay().unwrap();
        assert!(!y.is_poisoned());
        assert_eq!(tape.gradient(y, x).unwrap(), g);
    }
}

#[test]
fn verdicts_of_rules_are_found_anew() {
    // The norm has a value at zero and no derivative there.
    let tape = Tape::<f64>::new();
    let x = tape.input(&mat![[3.0], [4.0]]);
    let line = line!() + 1;
    let y = x.norm();
    let g = tape.grad_on_tape(y, x).unwrap();
    tape.set(x, &mat![[0.0], [0.0]]);
    let e = tape.replay().unwrap_err();
    assert!(matches!(failure(&e), Failure::NotDifferentiable { .. }), "{e}");
    assert_eq!(data(&e).3, line);
    assert_eq!(y.scalar(), 0.0);
    assert!(g.is_poisoned());
    tape.set(x, &mat![[0.0], [2.0]]);
    tape.replay().unwrap();
    assert_eq!(g.value().data(), [0.0, 1.0]);
}

#[test]
fn a_tape_that_does_not_record_is_not_replayed() {
    assert_eq!(Tape::<f64>::plain().replay(), Err(Error::NotRecording));
    assert_eq!(Tape::<f64>::forward().replay(), Err(Error::NotRecording));
}
