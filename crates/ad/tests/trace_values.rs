//! Traces of functions of large symmetric matrices: the value takes eigenvalues alone, derivatives complete them.

use faer::Mat;
use pullback::{prelude::*, value};

/// A positive definite matrix of order `n`, with ties from order to order.
fn spd(n: usize) -> Mat<f64> {
    let b = Mat::from_fn(n, n, |i, j| ((7 * i + 3 * j * j + i * j) % 11) as f64 / 11.0 - 0.5);
    &b * b.transpose() / n as f64 + Mat::<f64>::identity(n, n)
}

/// Orders on both sides of the one from which vectors are left out.
const ORDERS: [usize; 4] = [31, 32, 45, 100];

#[test]
fn values_and_derivatives_are_those_of_the_whole_decomposition() {
    for n in ORDERS {
        let (a, v) = (spd(n), Mat::from_fn(n, n, |i, j| ((i + 2 * j) % 5) as f64 - 2.0));
        for f in [SymFn::Ln, SymFn::XLogX, SymFn::Pow(3.0), SymFn::SQRT] {
            let (lazy, whole) = (func(|x: Var| x.trace_fun(f)), func(|x: Var| x.symmetric().trace(f)));
            let near = |p: &Mat<f64>, q: &Mat<f64>| (p - q).norm_max() <= 1e-12 * q.norm_max().max(1.0);
            let [x, y] = [value(&lazy, &a).unwrap().into_mat(), value(&whole, &a).unwrap().into_mat()];
            assert!(near(&x, &y), "value at {n}: {x:?} {y:?}");
            let [x, y] = [grad(&lazy, &a).unwrap(), grad(&whole, &a).unwrap()];
            assert!(near(&x, &y), "gradient at {n}");
            let [x, y] = [hvp(&lazy, &a, &v).unwrap(), hvp(&whole, &a, &v).unwrap()];
            assert!(near(&x, &y), "Hessian-vector product at {n}");
            let slope = jvp(&lazy, &a, &v).unwrap().1.into_mat();
            let along = grad(&lazy, &a).unwrap() * v.transpose();
            let trace: f64 = (0..n).map(|i| along[(i, i)]).sum();
            assert!((slope[(0, 0)] - trace).abs() <= 1e-11 * trace.abs().max(1.0), "slope at {n}");
        }
    }
}

#[test]
fn a_held_tape_replays_and_a_verdict_is_an_error() {
    let n = 40;
    let tape = Tape::<f64>::new();
    let x = tape.input(&spd(n));
    let y = x.trace_fun(SymFn::Ln);
    for scale in [1.0, 2.0, 0.5] {
        let a = spd(n) * faer::Scale(scale);
        tape.set(x, &a);
        let found = tape.gradient(y, x).unwrap().into_mat();
        let inverse = grad(|x: Var| x.symmetric().trace(SymFn::Ln), &a).unwrap();
        assert!((found - inverse).norm_max() < 1e-13, "{scale}");
    }
    let told = value(|x: Var| x.trace_fun(SymFn::Ln), &(spd(n) - Mat::<f64>::identity(n, n) * faer::Scale(5.0)));
    assert!(told.unwrap_err().to_string().contains("not positive definite"));
    let mut bad = spd(n);
    bad[(3, 4)] = f64::NAN;
    assert!(value(|x: Var| x.trace_fun(SymFn::Exp), &bad).is_err());
}
