//! Values in unusual roles: an output that is a target, one input in two places, what nothing leads to, an answer that
//! was given before, an attempt that failed. What decides is what the tape remembers.

mod common;
use common::*;
use faer::{Mat, mat};
use pullback::prelude::*;
use pullback::{Batch, Custom, Error, Failure, Shape};
use std::sync::Arc;

/// Gradients by the matrix and by one of the factors that were made of it, at once and alone.
#[test]
fn every_output_of_an_operation_may_be_a_target() {
    for n in [2, 3, 6] {
        let (a0, weight) = (regular(n, 1), rnd(n, n, 2));
        let tape = Tape::new();
        let a = tape.input(&a0);
        let (q, r) = a.qr();
        let (l, u, _) = a.lu_factors();
        let y = q.dot(&weight) * r.dot(r) + (l * 2.0 + u.hadamard(u)).dot(&weight);
        let alone = |x: Var| tape.gradient(y, x).unwrap();
        let all = [a, q, r, l, u];
        let mut out: Vec<Batch> = all.iter().map(|x| Batch::zeros(x.shape())).collect();
        tape.gradient_into(y, &all, &mut out.iter_mut().collect::<Vec<_>>()).unwrap();
        for (k, (x, g)) in all.iter().zip(&out).enumerate() {
            close(g, &alone(*x), 1e-14);
            assert!(g.max_abs() > 1e-3, "gradient {k} of order {n}");
            // Beside the matrix, and no other factor.
            let (mut by_a, mut by_x) = (Batch::zeros(a.shape()), Batch::zeros(x.shape()));
            tape.gradient_into(y, &[a, *x], &mut [&mut by_a, &mut by_x]).unwrap();
            close(&by_a, &out[0], 1e-14);
            close(&by_x, g, 1e-14);
        }
        // What is known of two of them: <w, Q> has the slope w |R|² by Q, and so on.
        let size = r.dot(r).value().scalar();
        close(&out[1], &Batch::of(&(&weight * size)), 1e-13);
        close(&out[3], &Batch::of(&(&weight * 2.0)), 1e-14);
    }
}

/// `A^{-1} A` and its like stand still whatever `A` does.
#[test]
fn one_value_may_be_the_first_and_the_third_input() {
    let (s0, a0) = (spd(5, 1), regular(5, 2));
    let same = |x0: &Mat<f64>, f: &dyn for<'t> Fn(Var<'t>) -> Var<'t>| {
        let tape = Tape::new();
        let x = tape.input(x0);
        let y = f(x);
        let mut out = Batch::from_fn(y.shape(), |_, _, _| 7.0);
        tape.jvp_into(&[(x, &sym(&rnd(5, 5, 3)))], &[y], &mut [&mut out]).unwrap();
        assert!(out.max_abs() < 1e-13, "it moves by {:e}", out.max_abs());
        // Of a definite matrix the symmetric part alone is a matrix of both roles.
        let g = sym(&tape.gradient(y.dot(rnd(5, 5, 4)), x).unwrap().into_mat());
        assert!(g.norm_max() < 1e-13, "it has the slope {:e}", g.norm_max());
    };
    same(&s0, &|x| x.spd().solve(x));
    same(&a0, &|x| x.solve(x));
    same(&a0, &|x| x.add_mul(-1.0, x.tape().eye(5), x));
    same(&a0, &|x| x.gt(0.0).select(x, x) - x);
    same(&a0, &|x| x.lstsq(x));
}

/// An output or an input that nothing leads to has the derivative 0, whatever stood in the buffers before.
#[test]
fn what_nothing_leads_to_has_the_derivative_zero() {
    let (shape, fives) = (Shape::mat(4, 4), Mat::full(4, 4, 5.0));
    let tape = Tape::new();
    let (x, z) = (tape.input(&rnd(4, 4, 1)), tape.input(&rnd(4, 4, 2)));
    let (y, w) = (x.hadamard(x), z.exp());
    // Buffers of this size come from the pool with these numbers in them.
    for _ in 0..3 {
        tape.gradient((y.sum() + w.sum()) * 1e3, x).unwrap();
        let full = || Batch::of(&fives);
        let (mut by_x, mut by_z) = (full(), full());
        tape.gradient_into(y.sum(), &[x, z], &mut [&mut by_x, &mut by_z]).unwrap();
        assert!(by_x.max_abs() > 0.0 && by_z == Batch::zeros(shape), "{by_z:?}");
        let (mut dy, mut dw) = (full(), full());
        tape.jvp_into(&[(x, &fives)], &[y, w], &mut [&mut dy, &mut dw]).unwrap();
        assert!(dy.max_abs() > 0.0 && dw == Batch::zeros(shape), "{dw:?}");
        let (mut hx, mut hz) = (full(), full());
        let none = Mat::<f64>::zeros(4, 4);
        tape.hvps_into(y.sum(), &[(x, &fives), (z, &none)], &mut [&mut hx, &mut hz]).unwrap();
        assert!((hx.max_abs() - 10.0).abs() < 1e-15 && hz == Batch::zeros(shape), "{hz:?}");
    }
}

/// The span of the two lowest eigenvectors is determined where they are tied with each other, and not where the second
/// is tied with the third. A tape that was asked at the first matrix is asked again at the second.
#[test]
fn a_tie_among_others_is_judged_anew() {
    let weight = mat![[1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 4.0]];
    let diagonal = |d: [f64; 3]| Mat::from_fn(3, 3, |i, j| if i == j { d[i] } else { 0.0 });
    let tape = Tape::new();
    let a = tape.input(&diagonal([1.0, 1.0, 3.0]));
    let v = a.eigh().1.column_range(0, 2);
    let y = v.dot(&weight * v);
    for _ in 0..2 {
        for (d, determined) in [([1.0, 1.0, 3.0], true), ([1.0, 3.0, 3.0], false), ([2.0, 2.0, 5.0], true)] {
            tape.set(a, &diagonal(d));
            tape.replay().unwrap();
            match tape.gradient(y, a) {
                Ok(_) => assert!(determined, "{d:?}"),
                Err(e) => assert!(!determined && matches!(failure(&e), Failure::GaugeDependent { .. }), "{d:?}: {e}"),
            }
        }
    }
}

/// Squares of the entries of a vector of length one depend on which vector it is, and their sum does not: so every
/// output is judged. At the identity, where the basis is that of the axes, no single slope sees it.
#[test]
fn outputs_whose_sum_is_determined_are_judged_one_by_one() {
    let squares = func(|a: Var| {
        let v = a.eigh().1.column_range(0, 1);
        v.hadamard(v)
    });
    let eye = Mat::<f64>::identity(3, 3);
    for e in [jacobian(squares, &eye).unwrap_err(), jacobian(|a: Var| squares(a) * 2.0 - 1.0, &eye).unwrap_err()] {
        assert!(matches!(failure(&e), Failure::GaugeDependent { .. }), "{e}");
    }
    // Along the identity the values stay tied, so that forward mode, which many outputs of one number take, goes
    // through.
    let e = jacobian(|x: Var| squares(x.tape().eye(3) * x), &2.0).unwrap_err();
    assert!(matches!(failure(&e), Failure::GaugeDependent { .. }), "{e}");
    let found = jacobian(squares, &mat![[1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 3.0]]).unwrap();
    assert_eq!(found.norm_max(), 0.0, "at a simple value they are stationary");
}

/// Something failed, and then an attempt fails too: the error of the first stays that of the tape.
#[test]
fn an_attempt_does_not_take_an_earlier_failure_away() {
    let singular = mat![[1.0, 1.0], [1.0, 1.0]];
    let tape = Tape::new();
    let a = tape.input(&singular);
    let lost = a.inverse();
    // Of other values: what is made of `lost` is not judged at all.
    let b = tape.input(&mat![[1.0, 2.0], [2.0, 1.0]]);
    assert!(b.try_cholesky().is_err() && a.try_solve(&mat![[1.0], [0.0]]).is_err() && b.try_qr().is_ok());
    let e = tape.check().unwrap_err();
    assert_eq!(data(&e).0, "inverse", "{e}");
    assert!(tape.gradient(lost.sum(), a).is_err());
    // And one that is handled leaves no failure behind.
    let tape = Tape::new();
    let b = tape.input(&mat![[1.0, 2.0], [2.0, 1.0]]);
    assert!(b.try_cholesky().is_err());
    tape.check().unwrap();
}

/// The value of an attempt that failed is no number, and neither is what is made of it, a mask among it, at a replay
/// too.
#[test]
fn an_attempt_that_failed_has_no_value_ever_after() {
    let tape: Tape = Tape::new();
    let x = tape.input(&2.0);
    let failed = Error::NotRecording;
    let y = tape.attempt(|| Err(failed));
    let z = y.gt(0.0).select(x, x * 3.0);
    assert!(tape.check().is_err());
    tape.set(x, &5.0);
    let _ = tape.replay();
    assert!(z.value().scalar().is_nan() || tape.check().is_err(), "{:?}", z.value());
    assert!(tape.gradient(z, x).is_err());
}

/// `x` itself, with a rule that fails.
struct Stumbles;

impl Custom for Stumbles {
    fn name(&self) -> &'static str {
        "stumbles"
    }
    fn value<'t>(&self, x: &[Var<'t>]) -> Vec<Var<'t>> {
        vec![x[0] * 1.0]
    }
    fn jvp<'t>(&self, x: &[Var<'t>], _: &[Var<'t>], dx: &[Option<Var<'t>>]) -> Vec<Option<Var<'t>>> {
        vec![dx[0].map(|d| d + x[0].cholesky() * 0.0)]
    }
    fn vjp<'t>(&self, x: &[Var<'t>], _: &[Var<'t>], dy: &[Option<Var<'t>>]) -> Vec<Option<Var<'t>>> {
        vec![dy[0].map(|g| g + x[0].cholesky() * 0.0)]
    }
}

/// `x` itself, with a reverse rule that fails.
struct StumblesBack;

impl Custom for StumblesBack {
    fn name(&self) -> &'static str {
        "stumbles back"
    }
    fn value<'t>(&self, x: &[Var<'t>]) -> Vec<Var<'t>> {
        vec![x[0] * 1.0]
    }
    fn jvp<'t>(&self, _: &[Var<'t>], _: &[Var<'t>], dx: &[Option<Var<'t>>]) -> Vec<Option<Var<'t>>> {
        vec![dx[0]]
    }
    fn vjp<'t>(&self, x: &[Var<'t>], _: &[Var<'t>], dy: &[Option<Var<'t>>]) -> Vec<Option<Var<'t>>> {
        vec![dy[0].map(|g| g + x[0].cholesky() * 0.0)]
    }
}

/// A Hessian-vector product runs the tangent of the reverse rule: its failure is told where the forward rule has none.
#[test]
fn a_reverse_rule_that_fails_is_told_where_tangents_are_carried() {
    let f = func(|x: Var| x.tape().custom(Arc::new(StumblesBack), &[x])[0].dot(x));
    let x0 = mat![[1.0, 2.0], [2.0, 1.0]];
    assert!(jvp(f, &x0, &x0).is_ok());
    let tape = Tape::new();
    let x = tape.input(&x0);
    let y = f(x);
    let errors = [
        tape.hvp(y, x, &x0).unwrap_err(),
        hvp(f, &x0, &x0).unwrap_err(),
        grad(f, &x0).unwrap_err(),
        hvp(func(|x: Var| x.checkpoint(f)), &x0, &x0).unwrap_err(),
    ];
    for (k, e) in errors.iter().enumerate() {
        assert!(matches!(e, Error::Data { failure: Failure::NotPositiveDefinite { .. }, .. }), "{k}: {e}");
    }
}

/// Whatever the mode, the error is that of the operation inside the rule.
#[test]
fn a_rule_of_a_user_that_fails_is_told_in_every_mode() {
    let f = func(|x: Var| x.tape().custom(Arc::new(Stumbles), &[x])[0].sum());
    // Not definite, and finite: the factor is what fails.
    let x0 = mat![[1.0, 2.0], [2.0, 1.0]];
    let tape = Tape::new();
    let x = tape.input(&x0);
    let y = f(x);
    let held = [
        tape.gradient(y, x).unwrap_err(),
        tape.hvp(y, x, &x0).unwrap_err(),
        tape.jvp_into(&[(x, &x0)], &[y], &mut [&mut Batch::zeros(Shape::SCALAR)]).unwrap_err(),
        tape.grad_on_tape(y, x).unwrap_err(),
    ];
    let free = [
        grad(f, &x0).unwrap_err(),
        hvp(f, &x0, &x0).unwrap_err(),
        jvp(f, &x0, &x0).unwrap_err(),
        hessian(f, &x0).unwrap_err(),
    ];
    for (k, e) in held.iter().chain(&free).enumerate() {
        assert_eq!(data(e).0, "cholesky", "{k}: {e}");
        assert!(matches!(failure(e), Failure::NotPositiveDefinite { .. }), "{k}: {e}");
    }
}
