//! Derivatives inside programs over several values at once, and structs on a held tape.

mod common;
use common::*;
use pullback::faer::{Mat, mat};
use pullback::prelude::*;
use pullback::{Error, value};

/// `a² b + sum(c o c) b`: gradient `(2ab, a² + |c|², 2cb)`.
fn cost<'t>((a, b, c): (Var<'t>, Var<'t>, Vec<Var<'t>>)) -> Var<'t> {
    a * a * b + c.iter().map(|c| c.dot(*c)).sum::<Var>() * b
}

fn point() -> (f64, f64, Vec<Mat<f64>>) {
    (2.0, 3.0, vec![mat![[1.0, 2.0]], mat![[-1.0]]])
}

#[test]
fn derivatives_over_trees_have_their_closed_forms_on_every_tape() {
    for tape in [Tape::new(), Tape::plain(), Tape::forward()] {
        let at = tape.inputs(&point());
        let (y, (ga, gb, gc)) = at.clone().value_and_grad(cost);
        assert_eq!((y.scalar(), ga.scalar(), gb.scalar()), (4.0 * 3.0 + 6.0 * 3.0, 12.0, 10.0));
        assert_eq!((gc[0].value().data(), gc[1].value().data()), (&[6.0, 12.0][..], &[-6.0][..]));
        let v = tape.inputs(&(1.0, 0.0, vec![mat![[1.0, 0.0]], mat![[0.0]]]));
        let (y, dy) = at.clone().jvp(cost, v.clone());
        assert_eq!((y.scalar(), dy.scalar()), (30.0, 12.0 + 6.0));
        let (ha, hb, hc) = at.hvp(cost, v);
        assert_eq!((ha.scalar(), hb.scalar()), (6.0, 4.0 + 2.0));
        assert_eq!((hc[0].value().data(), hc[1].value().data()), (&[6.0, 0.0][..], &[0.0][..]));
    }
}

/// `|grad cost|²` by the tree, as a cost of its own.
fn length<'t>(at: (Var<'t>, Var<'t>, Vec<Var<'t>>)) -> Var<'t> {
    let (a, b, c) = at.grad(cost);
    a * a + b * b + c.iter().map(|c| c.dot(*c)).sum::<Var>()
}

#[test]
fn gradients_over_trees_are_differentiated_in_turn() {
    // d|g|² = 2 H g, and its derivative along v by differences.
    let x0 = point();
    let g = grad(cost, &x0).unwrap();
    let hg = hvp(cost, &x0, &g).unwrap();
    let d = grad(length, &x0).unwrap();
    assert_eq!((d.0, d.1), (2.0 * hg.0, 2.0 * hg.1));
    close_mat(&d.2[0], &(&hg.2[0] * 2.0), 1e-15);
    let along = jvp(length, &x0, &g).unwrap().1.scalar();
    let dot = d.0 * g.0 + d.1 * g.1 + (0..2).map(|j| d.2[0][(0, j)] * g.2[0][(0, j)]).sum::<f64>();
    assert!((along - dot - d.2[1][(0, 0)] * g.2[1][(0, 0)]).abs() < 1e-10 * along);
    // Second derivatives through a recorded gradient, against a difference of first ones.
    let h = hvp(length, &x0, &(1.0, 0.0, vec![Mat::zeros(1, 2), Mat::zeros(1, 1)])).unwrap();
    let shifted = |t: f64| grad(length, &(x0.0 + t, x0.1, x0.2.clone())).unwrap();
    let difference = (shifted(1e-5).1 - shifted(-1e-5).1) / 2e-5;
    assert!((h.1 - difference).abs() < 1e-6 * difference.abs(), "{} {difference}", h.1);
}

#[test]
fn a_direction_may_be_captured_or_depend_on_the_point() {
    // (a, b) . H(a, b) of a² b, which is 6 a² b.
    let f = pin(&(2.0_f64, 3.0_f64), |(a, b)| {
        let (ha, hb) = (a, b).hvp(|(a, b)| a * a * b, (a, b));
        a * ha + b * hb
    });
    let (y, g) = value_and_grad(&f, &(2.0_f64, 3.0_f64)).unwrap();
    assert_eq!((y, g), (72.0, (72.0, 24.0)));
}

#[test]
fn checkpoints_over_trees_change_memory_and_nothing_else() {
    fn step<'t>((x, v): (Var<'t>, [Var<'t>; 1])) -> (Var<'t>, [Var<'t>; 1]) {
        let g = x.grad(|x| x.dot(x).exp());
        let v = v[0] * 0.5 - g * 0.1;
        (x + v, [v])
    }
    let with = func(|x: Var| {
        let mut s = (x, [x * 0.1]);
        for _ in 0..3 {
            s = s.checkpoint(step);
        }
        s.0.dot(s.1[0])
    });
    let without = func(|x: Var| {
        let mut s = (x, [x * 0.1]);
        for _ in 0..3 {
            s = step(s);
        }
        s.0.dot(s.1[0])
    });
    let (x0, v) = (mat![[0.3, -0.2]], mat![[1.0, 2.0]]);
    let (a, b) = (value_and_grad(with, &x0).unwrap(), value_and_grad(without, &x0).unwrap());
    assert_eq!(a.0, b.0);
    close_mat(&a.1, &b.1, 1e-14);
    close_mat(&hvp(with, &x0, &v).unwrap(), &hvp(without, &x0, &v).unwrap(), 1e-14);
    close_mat(&hessian_map(with, &x0).unwrap()(&v).unwrap(), &hvp(without, &x0, &v).unwrap(), 1e-14);
    assert_eq!(jvp(with, &x0, &v).unwrap(), jvp(without, &x0, &v).unwrap());
    assert_eq!(value(with, &x0).unwrap(), value(without, &x0).unwrap());
    let operations = |f: &dyn for<'t> Fn(Var<'t>) -> Var<'t>| {
        let tape = Tape::new();
        f(tape.input(&x0));
        tape.operations()
    };
    assert!(operations(&with) < operations(&without) / 2);
}

#[test]
fn a_checkpoint_may_give_out_what_it_took_and_the_same_value_twice() {
    let twice = func(|x: Var| {
        let (a, b, c, d) = (x, x * x).checkpoint(|(x, y)| {
            let z = x * y;
            (z, z, x, y)
        });
        a + b * 2.0 + c + d
    });
    // 3 x³ + x + x²
    assert_eq!(value_and_grad(twice, &2.0).unwrap(), (24.0 + 2.0 + 4.0, 36.0 + 1.0 + 4.0));
    assert_eq!(hvp(twice, &2.0, &1.0).unwrap(), 36.0 + 2.0);
    assert_eq!(jvp(twice, &2.0, &1.0).unwrap().1.scalar(), 41.0);
    // What is captured is an input too.
    let captured = func(|x: Var| {
        let k = x * 3.0;
        (x, x).checkpoint(|(a, b)| a * b * k)
    });
    assert_eq!(value_and_grad(captured, &2.0).unwrap(), (24.0, 36.0));
}

pullback::leaves! {
    /// One layer.
    #[derive(Clone)]
    struct Net as NetVars { weight: Mat<f64>, bias: f64 }
}

#[test]
fn a_struct_on_a_held_tape() {
    let mut net = Net { weight: mat![[1.0, 2.0]], bias: 3.0 };
    let tape = Tape::new();
    let vars = tape.inputs(&net);
    let y = vars.weight.dot(vars.weight) * vars.bias;
    let g: Net = tape.gradients(y, &vars, &net).unwrap();
    assert_eq!((g.weight, g.bias), (mat![[6.0, 12.0]], 5.0));
    net.weight = mat![[1.0, 0.0]];
    tape.set_all(&vars, &net);
    tape.replay().unwrap();
    let g = tape.gradients(y, &vars, &net).unwrap();
    assert_eq!((g.weight, g.bias), (mat![[6.0, 0.0]], 1.0));
    // Inside programs it is a tree like any other.
    let g = vars.grad(|n: NetVars<'_>| n.weight.sum() * n.bias * n.bias);
    assert_eq!((g.bias.scalar(), g.weight.value().data()), (6.0, &[9.0, 9.0][..]));
    let wrong = Net { weight: mat![[1.0]], bias: 0.0 };
    let tape = Tape::new();
    let vars = tape.inputs(&net);
    let y = vars.weight.sum();
    assert!(matches!(tape.gradients(y, &vars, &wrong), Err(Error::Shape { .. })));
}

#[test]
fn an_attempt_returns_early_in_every_mode() {
    let cost = func(|a: Var| {
        a.tape().attempt(|| {
            let l = a.try_cholesky()?;
            let x = l.try_solve(&mat![[1.0], [2.0]])?;
            Ok(x.dot(x))
        })
    });
    let plain = func(|a: Var| {
        let x = a.cholesky().solve(&mat![[1.0], [2.0]]);
        x.dot(x)
    });
    let good = spd(2, 1);
    assert_eq!(value_and_grad(cost, &good).unwrap(), value_and_grad(plain, &good).unwrap());
    assert_eq!(hvp(cost, &good, &good).unwrap(), hvp(plain, &good, &good).unwrap());
    let bad = mat![[1.0, 2.0], [2.0, 1.0]];
    for e in [
        grad(cost, &bad).unwrap_err(),
        hvp(cost, &bad, &bad).unwrap_err(),
        value(cost, &bad).unwrap_err(),
        jvp(cost, &bad, &bad).unwrap_err(),
        grad(|x: Var| (cost(x) * 2.0).exp(), &bad).unwrap_err(),
    ] {
        assert_eq!(data(&e).0, "cholesky", "{e}");
    }
    // Used again after it failed, the tape is clean.
    let mut tape = Tape::new();
    tape.value_and_grad(cost, &bad).unwrap_err();
    tape.value_and_grad(cost, &good).unwrap();
}

#[test]
fn jacobians_and_hessians_by_several_leaves() {
    // f = (a b, a + b_2): more outputs than inputs, and fewer.
    let x0 = (2.0f64, mat![[3.0, 5.0]]);
    let tall = jacobian(|(a, b): (Var, Var)| Var::concat(&[a * b, b + a], pullback::Axis::Cols), &x0).unwrap();
    let expected = mat![[3.0, 2.0, 0.0], [5.0, 0.0, 2.0], [1.0, 1.0, 0.0], [1.0, 0.0, 1.0]];
    assert_eq!(tall, expected);
    let wide = jacobian(|(a, b): (Var, Var)| a * b.dot(b), &x0).unwrap();
    assert_eq!(wide, mat![[34.0, 12.0, 20.0]]);
    let h = hessian(|(a, b): (Var, Var)| a * b.dot(b), &x0).unwrap();
    assert_eq!(h, mat![[0.0, 6.0, 10.0], [6.0, 4.0, 0.0], [10.0, 0.0, 4.0]]);
}
