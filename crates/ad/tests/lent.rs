//! Drivers borrow tapes that their thread keeps: no result may depend on what ran before, whatever it left behind.

use pullback::prelude::*;
use pullback::{Error, Lent, hessian, jacobian, jvps, release_buffers, value, value_grad_hvp};
use std::panic::{AssertUnwindSafe, catch_unwind};

fn a() -> faer::Mat<f64> {
    faer::mat![[2.0, 0.5, 0.1], [0.5, 3.0, -0.4], [0.1, -0.4, 1.5]]
}

fn cost(x: Var<'_>) -> Var<'_> {
    x.logdet() + (x * x).exp().sum().ln()
}

/// Everything that drivers say about one program, as numbers.
fn all() -> Vec<f64> {
    let (x, v) = (a(), faer::mat![[0.3, 1.0, -0.2], [1.0, 0.1, 0.4], [-0.2, 0.4, 0.9]]);
    let mut out = vec![value(cost, &x).unwrap().scalar()];
    let mut add = |m: &faer::Mat<f64>| out.extend(m.col_iter().flat_map(|c| c.iter().copied().collect::<Vec<_>>()));
    add(&grad(cost, &x).unwrap());
    add(&hvp(cost, &x, &v).unwrap());
    add(&jvp(cost, &x, &v).unwrap().1.into_mat());
    add(&jvps(cost, &x, &[v.clone(), x.clone()]).unwrap().1[1].clone().into_mat());
    add(&vjp(|x: Var| x.inverse(), &x).unwrap().1(&v).unwrap());
    add(&hessian(cost, &x).unwrap());
    add(&jacobian(|x: Var| x.inverse(), &x).unwrap());
    add(&value_grad_hvp(cost, &x, &v).unwrap().2);
    out
}

#[test]
fn results_do_not_depend_on_what_ran_before() {
    release_buffers();
    let first = all();
    assert_eq!(first, all(), "after the same");

    // A failure, in value and in derivative, is of its own call only.
    assert!(grad(|x: Var| (-x.sum()).ln(), &a()).is_err());
    assert!(matches!(grad(|x: Var| x.sqrt().sum(), &0.0), Err(Error::NonFinite { .. })));
    assert!(grad(|x: Var| x.eigh().1.sum(), &faer::Mat::<f64>::identity(3, 3)).is_err());
    assert_eq!(first, all(), "after failures");

    // Single precision, a batch, and matrices of other sizes.
    assert_eq!(grad(|x: Var<f32>| x * x, &3.0_f32).unwrap(), 6.0);
    let big = faer::Mat::<f64>::from_fn(70, 70, |i, j| f64::from(i == j) + 0.01 * (i + 2 * j) as f64);
    let g = grad(|x: Var| x.square().sum(), &big).unwrap();
    assert_eq!(g, 2.0 * &big);
    assert_eq!(first, all(), "after others");

    // A program that switches the shortcuts of its tape off.
    let switched = grad(
        |x: Var| {
            x.tape().use_shortcuts(false);
            x.square().sum()
        },
        &a(),
    );
    assert_eq!(switched.unwrap(), 2.0 * a());
    assert_eq!(first, all(), "after a switch");

    // A panic in a program.
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        grad(|x: Var| if x.rows() == 3 { panic!("on purpose") } else { x.sum() }, &a())
    }));
    assert!(panicked.is_err());
    assert_eq!(first, all(), "after a panic");
}

#[test]
fn maps_that_are_held_keep_their_tapes() {
    let x: Vec<f64> = (1..=20).map(f64::from).collect();
    let maps: Vec<_> = x.iter().map(|x| vjp(|x: Var| x * x * x, x).unwrap()).collect();
    // Many more calls than tapes are kept.
    for x in &x {
        assert_eq!(grad(|x: Var| x * x, x).unwrap(), 2.0 * x);
    }
    for (x, (y, pull)) in x.iter().zip(&maps) {
        assert_eq!((y.scalar(), pull(&1.0_f64).unwrap()), (x * x * x, 3.0 * x * x));
    }
}

#[test]
fn drivers_run_inside_drivers_and_on_threads() {
    // d/dx of x^2 at 3 within the cost, as a number: the cost is 6 x.
    let outer = grad(|x: Var| x * grad(|y: Var| y * y, &3.0).unwrap(), &5.0).unwrap();
    assert_eq!(outer, 6.0);
    let on_threads: Vec<_> = (0..4).map(|_| std::thread::spawn(all)).collect();
    let here = all();
    for t in on_threads {
        assert_eq!(t.join().unwrap(), here);
    }
}

#[test]
fn a_lent_tape_can_leave_its_thread() {
    let tape = Lent::recording();
    let x = tape.input(&2.0_f64);
    let (x, y) = (x.key(), (x * x).key());
    let found = std::thread::spawn(move || tape.gradient(tape.var(y), tape.var(x)).unwrap().scalar());
    assert_eq!(found.join().unwrap(), 4.0);
}
