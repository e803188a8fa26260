//! Checkpoints and primitives of the user's own are at home in every mode and order.

mod common;
use common::*;
use faer::Mat;
use pullback::prelude::*;
use pullback::{Custom, Error, Failure, Shape, value};
use std::sync::Arc;

type Cost<'f> = &'f dyn for<'t> Fn(Var<'t>) -> Var<'t>;

/// Value, gradient, tangent and second derivatives in every way, at `x` along `v`.
fn everything(f: Cost<'_>, x0: &Mat<f64>, v: &Mat<f64>) -> Vec<(&'static str, Batch)> {
    let b = |m: &Mat<f64>| Batch::of(m);
    let held = Tape::new();
    let x = held.input(v); // another point, replaced by replay
    let y = f(x);
    let op = held.hvp_operator(y, x).unwrap();
    held.set(x, x0);
    held.replay().unwrap();
    let forward = Tape::forward();
    let xf = forward.input_along(x0, v);
    let gf = xf.grad(f);
    forward.check().unwrap();
    let plain = Tape::plain();
    let xp = plain.input(x0);
    let gp = xp.grad(f);
    let hp = xp.hvp(f, v);
    plain.check().unwrap();
    vec![
        ("value", value(f, x0).unwrap()),
        ("value, replayed", y.value()),
        ("gradient", b(&grad(f, x0).unwrap())),
        ("gradient, replayed", held.gradient(y, x).unwrap()),
        ("gradient, recorded and replayed", op.gradient().value()),
        ("gradient, inside", gp.value()),
        ("tangent", jvp(f, x0, v).unwrap().1),
        ("tangent, linearized", linearize(f, x0).unwrap().1(v).unwrap()),
        ("hvp", b(&hvp(f, x0, v).unwrap())),
        ("hvp, replayed", held.hvp(y, x, v).unwrap()),
        ("hvp, operator", op.apply(v).unwrap()),
        ("hvp, reverse over reverse", b(&grad(|x| x.grad(f).dot(v), x0).unwrap())),
        ("hvp, inside", hp.value()),
        ("hvp, gradient with tangents", gf.tangent()),
        ("third order", b(&grad(|x| x.hvp(f, v).dot(v), x0).unwrap())),
        ("third order, pairs over recorded", b(&hvp(|x| x.grad(f).dot(v), x0, v).unwrap())),
    ]
}

#[track_caller]
fn same(f: Cost<'_>, g: Cost<'_>, n: usize, tol: f64) {
    let (x0, v) = (regular(n, 1), regular(n, 2));
    for ((what, a), (_, b)) in everything(f, &x0, &v).into_iter().zip(everything(g, &x0, &v)) {
        assert_eq!(a.shape(), b.shape(), "{what}");
        let d = distance(a.data(), b.data());
        assert!(d <= tol, "{what}: {d:.2e}");
    }
}

#[test]
fn a_checkpoint_changes_nothing() {
    let (b, c) = (rnd(3, 3, 3), rnd(3, 3, 4));
    // One piece; pieces in a row; pieces in pieces; a piece that returns its input.
    same(&|x| x.checkpoint(|x| (x * &b).tanh().solve(&c)).sum(), &|x| (x * &b).tanh().solve(&c).sum(), 3, 1e-13);
    same(
        &|x| x.checkpoint(|x| x.qr().0 * &b).checkpoint(|y| y.exp() * y).checkpoint(|y| y.dot(y)),
        &|x| {
            let y = x.qr().0 * &b;
            let y = y.exp() * y;
            y.dot(y)
        },
        3,
        1e-12,
    );
    same(
        &|x| x.checkpoint(|x| (x * x.checkpoint(|x| x.checkpoint(|x| x.sin()) * &b)).tanh()).sum(),
        &|x| (x * (x.sin() * &b)).tanh().sum(),
        3,
        1e-13,
    );
    same(&|x| x.checkpoint(|x| x).dot(x), &|x| x.dot(x), 3, 1e-15);
}

#[test]
fn a_checkpoint_captures() {
    let b = rnd(3, 3, 3);
    // Its own argument's ancestor, other values, a value alone, and a gradient inside.
    same(
        &|x| {
            let y = x.tanh();
            let z = x * &b;
            y.checkpoint(|y| y * z + x.sin()).checkpoint(|u| u.hadamard(z)).sum()
        },
        &|x| {
            let y = x.tanh();
            let z = x * &b;
            (y * z + x.sin()).hadamard(z).sum()
        },
        3,
        1e-13,
    );
    same(&|x| x.checkpoint(|_| x * x).sum(), &|x| (x * x).sum(), 3, 1e-14);
    same(
        &|x| x.checkpoint(|x| x.grad(|x| x.tanh().dot(x * &b))).sum(),
        &|x| x.grad(|x| x.tanh().dot(x * &b)).sum(),
        3,
        1e-12,
    );
    same(
        &|x| x.grad(|x| x.checkpoint(|x| x.tanh() * x).sum()).sum(),
        &|x| x.grad(|x| (x.tanh() * x).sum()).sum(),
        3,
        1e-13,
    );
}

#[test]
fn a_failure_in_a_checkpoint_names_its_line() {
    let tape = Tape::new();
    let x = tape.input(&spd(2, 1));
    let line = line!() + 2;
    let y = x.checkpoint(|x| {
        let l = x.cholesky();
        l * l
    });
    let n = y.norm();
    tape.set(x, &(-1.0 * spd(2, 1)));
    let e = tape.replay().unwrap_err();
    assert!(matches!(failure(&e), Failure::NotPositiveDefinite { index: 0, .. }), "{e}");
    assert_eq!(data(&e), ("cholesky", None, false, line));
    assert!(y.is_poisoned() && n.is_poisoned());
    tape.set(x, &spd(2, 2));
    tape.replay().unwrap();
    // The first time, too, and in a rule.
    let e = value(|x: Var| x.checkpoint(|x| x.cholesky()), &(-1.0 * spd(2, 1))).unwrap_err();
    assert_eq!(data(&e), ("cholesky", None, false, line!() - 1));
    let e = grad(|x: Var| x.checkpoint(|x| x.norm()), &Mat::zeros(2, 2)).unwrap_err();
    let (_, _, derivative, at) = data(&e);
    assert!(derivative && at == line!() - 2, "{e}");
    // An earlier failure elsewhere does not hide in it.
    let tape = Tape::<f64>::new();
    let x = tape.input(&Mat::zeros(2, 2));
    let bad = x.inverse();
    let y = x.checkpoint(|x| x.exp());
    assert!(bad.is_poisoned() && !y.is_poisoned());
    assert_eq!(y.value().data(), [1.0; 4]);
}

/// `A B^{-1}` by hand, with everything its rules need written as programs.
struct RightDivide;

impl Custom for RightDivide {
    fn name(&self) -> &'static str {
        "right_divide"
    }
    fn value<'t>(&self, x: &[Var<'t>]) -> Vec<Var<'t>> {
        vec![x[1].lu().solve_transpose(x[0].t()).t()]
    }
    /// `Y' = (A' - Y B') B^{-1}`
    fn jvp<'t>(&self, x: &[Var<'t>], y: &[Var<'t>], dx: &[Option<Var<'t>>]) -> Vec<Option<Var<'t>>> {
        let rhs = match (dx[0], dx[1]) {
            (Some(a), Some(b)) => a - y[0] * b,
            (Some(a), None) => a,
            (None, Some(b)) => -(y[0] * b),
            (None, None) => return vec![None],
        };
        vec![Some(x[1].lu().solve_transpose(rhs.t()).t())]
    }
    /// `S = Y_bar B^{-T}`, `A_bar = S`, `B_bar = -Y' S`
    fn vjp<'t>(&self, x: &[Var<'t>], y: &[Var<'t>], dy: &[Option<Var<'t>>]) -> Vec<Option<Var<'t>>> {
        let Some(g) = dy[0] else { return vec![None, None] };
        let s = x[1].lu().solve(g.t()).t();
        vec![Some(s), Some(-(y[0].t_mul(s)))]
    }
}

/// Sum and product of two values: two outputs, of which a program may use one.
struct SumAndProduct;

impl Custom for SumAndProduct {
    fn name(&self) -> &'static str {
        "sum_and_product"
    }
    fn value<'t>(&self, x: &[Var<'t>]) -> Vec<Var<'t>> {
        vec![x[0] + x[1], x[0].hadamard(x[1])]
    }
    fn jvp<'t>(&self, x: &[Var<'t>], _: &[Var<'t>], dx: &[Option<Var<'t>>]) -> Vec<Option<Var<'t>>> {
        let both = |a: Option<Var<'t>>, b: Option<Var<'t>>| match (a, b) {
            (Some(a), Some(b)) => Some(a + b),
            (a, b) => a.or(b),
        };
        vec![both(dx[0], dx[1]), both(dx[0].map(|d| d.hadamard(x[1])), dx[1].map(|d| x[0].hadamard(d)))]
    }
    fn vjp<'t>(&self, x: &[Var<'t>], _: &[Var<'t>], dy: &[Option<Var<'t>>]) -> Vec<Option<Var<'t>>> {
        let of = |other: Var<'t>| match (dy[0], dy[1]) {
            (Some(s), Some(p)) => Some(s + p.hadamard(other)),
            (Some(s), None) => Some(s),
            (None, p) => p.map(|p| p.hadamard(other)),
        };
        vec![of(x[1]), of(x[0])]
    }
}

#[test]
fn a_custom_primitive_is_like_any_other() {
    let a = rnd(3, 3, 3);
    same(
        &|x| x.tape().custom(Arc::new(RightDivide), &[x.tanh(), x * x])[0].dot(&a),
        &|x| (x.tanh() * (x * x).inverse()).dot(&a),
        3,
        1e-12,
    );
    same(
        &|x| x.tape().custom(Arc::new(RightDivide), &[x.tape().constant(&a), x])[0].sum(),
        &|x| (x.tape().constant(&a) * x.inverse()).sum(),
        3,
        1e-12,
    );
    // Both outputs, one output, an argument twice, in a checkpoint, in a gradient.
    same(
        &|x| {
            let y = x.tape().custom(Arc::new(SumAndProduct), &[x, x.sin()]);
            y[0].dot(y[1])
        },
        &|x| (x + x.sin()).dot(x.hadamard(x.sin())),
        3,
        1e-13,
    );
    same(&|x| x.tape().custom(Arc::new(SumAndProduct), &[x, x])[1].sum(), &|x| x.dot(x), 3, 1e-14);
    same(
        &|x| x.checkpoint(|x| x.tape().custom(Arc::new(RightDivide), &[x.sin(), x])[0]).sum(),
        &|x| (x.sin() * x.inverse()).sum(),
        3,
        1e-12,
    );
    same(
        &|x| x.grad(|x| x.tape().custom(Arc::new(RightDivide), &[x.sin(), x])[0].sum()).tanh().sum(),
        &|x| x.grad(|x| (x.sin() * x.inverse()).sum()).tanh().sum(),
        3,
        1e-11,
    );
}

#[test]
fn a_custom_primitive_of_a_batch() {
    let x = batch_of(4, 3, 3, |k| regular(3, k));
    let f = func(|x: Var| x.tape().custom(Arc::new(RightDivide), &[x.sin(), x])[0].sum());
    let (v, g) = value_and_grad(f, &x).unwrap();
    let h = hvp(f, &x, &x).unwrap();
    let mut sum = 0.0;
    for k in 0..4 {
        let (vk, gk) = value_and_grad(f, &x.member(k)).unwrap();
        sum += vk;
        close_mat(&g.member(k), &gk, 1e-14);
        close_mat(&h.member(k), &hvp(f, &x.member(k), &x.member(k)).unwrap(), 1e-14);
    }
    assert!((v - sum).abs() < 1e-13);
    assert_eq!(
        value(|x| x.tape().custom(Arc::new(RightDivide), &[x, x])[0], &x).unwrap().shape(),
        Shape::batch(4, 3, 3)
    );
}

#[test]
fn failures_of_a_custom_primitive() {
    let bad = Mat::<f64>::zeros(2, 2);
    let f = func(|x: Var| x.tape().custom(Arc::new(RightDivide), &[x, x])[0].sum());
    for e in [value(f, &bad).unwrap_err(), grad(f, &bad).unwrap_err(), hvp(f, &bad, &bad).unwrap_err()] {
        assert!(matches!(failure(&e), Failure::Singular { .. }), "{e}");
    }
    // At replay, too; and the tape recovers.
    let tape = Tape::new();
    let x = tape.input(&regular(2, 1));
    let y = f(x);
    let g = tape.gradient(y, x).unwrap();
    tape.set(x, &bad);
    assert!(matches!(tape.replay(), Err(Error::Data { .. })));
    tape.set(x, &regular(2, 1));
    tape.replay().unwrap();
    assert_eq!(tape.gradient(y, x).unwrap(), g);
    let p = panic_of(|| Tape::<f64>::new().custom(Arc::new(RightDivide), &[]).len());
    assert_eq!(p.text, "custom right_divide: expected at least one input, got none");
    assert_eq!((p.file.as_str(), p.line), (file!(), line!() - 2));
    assert_eq!(tape.dump().rows[0].primitive, "custom");
}

/// `x` itself, with a rule that takes a gradient of its own and then fails.
struct Stumbles;

impl Custom for Stumbles {
    fn name(&self) -> &'static str {
        "stumbles"
    }
    fn value<'t>(&self, x: &[Var<'t>]) -> Vec<Var<'t>> {
        vec![x[0] * 1.0]
    }
    fn jvp<'t>(&self, _: &[Var<'t>], _: &[Var<'t>], dx: &[Option<Var<'t>>]) -> Vec<Option<Var<'t>>> {
        vec![dx[0]]
    }
    fn vjp<'t>(&self, x: &[Var<'t>], _: &[Var<'t>], dy: &[Option<Var<'t>>]) -> Vec<Option<Var<'t>>> {
        let one = x[0].grad(|x| x.sum());
        vec![dy[0].map(|g| g + one.cholesky() * 0.0)]
    }
}

#[test]
fn a_sweep_inside_a_rule_does_not_lose_the_line() {
    let tape = Tape::new();
    let x = tape.input(&Mat::<f64>::zeros(2, 2));
    let y = tape.custom(Arc::new(Stumbles), &[x])[0].sum();
    let line = line!() - 1;
    let e = tape.grad_on_tape(y, x).unwrap_err();
    assert_eq!(data(&e), ("cholesky", None, true, line), "{e}");
}

#[test]
fn a_checkpoint_that_gives_a_value_twice_moves_it_twice() {
    let twice = func(|x: Var| {
        let (y, z) = VarTree::checkpoint(x, |x: Var| {
            let y = x.exp();
            (y, y)
        });
        y + z * z
    });
    let d = |x: f64, k: f64| x.exp() + 2f64.powf(k) * (2.0 * x).exp();
    let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-13 * b.abs(), "{a} {b}");
    near(grad(twice, &0.5).unwrap(), d(0.5, 1.0));
    near(hvp(twice, &0.5, &1.0).unwrap(), d(0.5, 2.0));
    near(linearize(twice, &0.5).unwrap().1(&1.0).unwrap().data()[0], d(0.5, 1.0));
    near(hessian_map(twice, &0.5).unwrap()(&1.0).unwrap(), d(0.5, 2.0));
}

#[test]
fn what_failed_before_a_checkpoint_is_not_forgotten_in_it() {
    for fails_inside in [false, true] {
        let tape = Tape::new();
        let x = tape.input(&0.0);
        let _ = x.inverse();
        let y = x.checkpoint(|x| if fails_inside { x.logdet() } else { x.exp() });
        let said = data(&tape.check().unwrap_err()).0;
        assert_eq!(said, "inverse");
        assert!(tape.gradient(y, x).is_err());
    }
    // The value that failed inside is none of a derivative.
    let e = value(|x: Var| x.checkpoint(|x| x.inverse()), &0.0).unwrap_err();
    assert_eq!((data(&e).0, data(&e).2), ("inverse", false));
    let tape = Tape::new();
    let x = tape.input(&0.0);
    let _ = x.checkpoint(|x| x.inverse());
    assert!(!data(&tape.check().unwrap_err()).2);
}
