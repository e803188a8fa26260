//! Gradients inside programs, to third order; derivatives that must not be confused; every driver against the others.

mod common;
use common::*;
use faer::{Mat, mat};
use pullback::prelude::*;
use pullback::{Batch, Error, Failure, Leaves, Many, Shape, jvp_many, leaves, value, vjp_many};

#[test]
fn scalar_functions_to_fourth_order() {
    let at = 0.7_f64;
    let (s, c) = at.sin_cos();
    let d1 = func(|x: Var| x.grad(|x| x.sin()));
    let d2 = func(|x: Var| x.grad(|x| x.grad(|x| x.sin())));
    let d3 = func(|x: Var| x.grad(|x| x.grad(|x| x.grad(|x| x.sin()))));
    for (f, known) in [(value(d1, &at), c), (value(d2, &at), -s), (value(d3, &at), -c)] {
        assert!((f.unwrap().data()[0] - known).abs() < 1e-15);
    }
    // A recorded program adds one order, a tangent another.
    assert!((grad(d3, &at).unwrap() - s).abs() < 1e-15);
    assert!((hvp(d2, &at, &1.0).unwrap() - s).abs() < 1e-15);
    assert!((jvp(d3, &at, &2.0).unwrap().1.data()[0] - 2.0 * s).abs() < 1e-15);
    assert!((hessian(d2, &at).unwrap()[(0, 0)] - s).abs() < 1e-15);
}

#[test]
fn matrix_functions_to_third_order() {
    // D³ tr A⁵ [E, E, E] and the third derivative of log det, in closed form.
    let (a, e) = (spd(4, 1), sym(&rnd(4, 4, 2)));
    let along = |f: &dyn for<'t> Fn(Var<'t>) -> Var<'t>| {
        let third = |x: Var<'_>| x.grad(|x| x.grad(|x| x.grad(f).dot(&e)).dot(&e)).dot(&e).scalar();
        let out: Vec<f64> = [Tape::plain(), Tape::new()].iter().map(|t| third(t.input(&a))).collect();
        assert!((out[0] - out[1]).abs() <= 1e-12 * (1.0 + out[0].abs()), "{out:?}");
        // By forward over the second order, on a tape with tangents.
        let tape = Tape::forward();
        let x = tape.input_along(&a, &e);
        let second = x.grad(|x| x.grad(f).dot(&e)).dot(&e);
        let pushed = second.tangent().data()[0];
        assert!((pushed - out[0]).abs() <= 1e-12 * (1.0 + out[0].abs()), "{pushed} {}", out[0]);
        // And by differences of the second order.
        let h = 1e-4;
        let second = |s: f64| hvp(f, &(&a + s * &e), &e).unwrap();
        let slope = (second(h) - second(-h)) * (0.5 / h);
        let slope: f64 = (slope.transpose() * &e).diagonal().column_vector().iter().sum();
        assert!((slope - out[0]).abs() <= 1e-6 * (1.0 + out[0].abs()), "{slope} {}", out[0]);
        out[0]
    };
    let inverse = value(|x| x.inverse(), &a).unwrap().into_mat();
    let m = &inverse * &e;
    let cube = &m * &m * &m;
    let known = 2.0 * cube.diagonal().column_vector().iter().sum::<f64>();
    let found = along(&|x| x.logdet());
    assert!((found - known).abs() < 1e-12 * known.abs(), "{found} {known}");
    // Of tr A³ it is 6 tr E³.
    let known = 6.0 * (&e * &e * &e).diagonal().column_vector().iter().sum::<f64>();
    let found = along(&|x: Var<'_>| x.trace_fun(SymFn::Pow(3.0)));
    assert!((found - known).abs() < 1e-12 * known.abs().max(1.0), "{found} {known}");
    let found = along(&|x: Var<'_>| (x * x * x).trace());
    assert!((found - known).abs() < 1e-12 * known.abs().max(1.0), "{found} {known}");
    // Factorisations: the three ways agree with each other and with differences.
    let n = rnd(4, 4, 3);
    along(&|x: Var<'_>| x.cholesky().dot(&n));
    along(&|x: Var<'_>| x.qr().0.dot(&n));
    along(&|x: Var<'_>| x.solve(&n).dot(&n));
    along(&|x: Var<'_>| x.logm_spd().dot(&n));
    // (The polar factor of a positive definite matrix is the identity; of its product with another it is not.)
    along(&|x: Var<'_>| (x * &n).polar().0.dot(&n));
    along(&|x: Var<'_>| x.cayley(0.3).dot(&n));
}

#[test]
fn perturbations_are_not_confused() {
    // Siskind and Pearlmutter: d/dx [x * d/dy (x + y) at y = 1] at x = 1 is 1, not 2.
    let f = func(|x: Var| {
        let one = x.tape().constant(&1.0);
        x * one.grad(|y| x + y)
    });
    assert_eq!(value_and_grad(f, &1.0).unwrap(), (1.0, 1.0));
    assert_eq!(jvp(f, &1.0, &1.0).unwrap().1.data(), [1.0]);
    // The same with derivatives along a direction on both levels.
    let f = func(|x: Var| {
        let one = x.tape().constant(&1.0);
        x * one.jvp(|y| x * y, &mat![[1.0]]).1
    });
    assert_eq!(value_and_grad(f, &3.0).unwrap(), (9.0, 6.0));
    assert_eq!(jvp(f, &3.0, &1.0).unwrap().1.data(), [6.0]);
    // The inner point is the outer variable: d/dx [d/dy (x y²) at y = x] = d/dx 2x² = 4x, though d²/dx² x³ = 6x.
    let f = func(|x: Var| x.grad(|y| x * y * y));
    assert_eq!(grad(f, &3.0).unwrap(), 12.0);
    assert_eq!(hvp(|x: Var| x.grad(|y| x * y * y), &3.0, &1.0).unwrap(), 4.0);
    // A function that returns a captured value has no gradient; one that ignores its input neither.
    let f = func(|x: Var| x.grad(|_| x * x) + x.grad(|_| x));
    assert_eq!(value_and_grad(f, &3.0).unwrap(), (0.0, 0.0));
    // A curried derivative: the closure D of Manzyuk et al., which must see through the captured x.
    let f = func(|x: Var| {
        let slope = |at: f64| x.tape().constant(&at).grad(|y| (x * y).sin());
        slope(2.0) + slope(3.0)
    });
    let d = |y: f64| (1.0 * y).cos() - y * (1.0 * y).sin();
    assert!((grad(f, &1.0).unwrap() - d(2.0) - d(3.0)).abs() < 1e-14);
}

#[test]
fn every_kind_of_tape_agrees() {
    let (a, v, w) = (regular(3, 1), rnd(3, 3, 2), rnd(3, 3, 3));
    fn id<F: for<'t> Fn(Var<'t>) -> Var<'t>>(f: F) -> F {
        f
    }
    let cost = id(|x| x.tanh().solve(&v).dot(x * x) + x.qr().1.dot(&w));
    let of = |tape: Tape| {
        let x = if tape.carries_tangents() { tape.input_along(&a, &w) } else { tape.input(&a) };
        let (value, g) = x.value_and_grad(cost);
        let h = x.hvp(cost, &v);
        let (value2, d) = x.jvp(cost, &v);
        assert_eq!(value.value(), value2.value());
        tape.check().unwrap();
        assert_eq!(tape.records(), tape.operations() > 0);
        [value, g, h, d].map(|x| (x.value(), x.tangent()))
    };
    let (plain, recorded, forward) = (of(Tape::plain()), of(Tape::new()), of(Tape::forward()));
    for k in 0..4 {
        close(&plain[k].0, &recorded[k].0, 1e-13);
        close(&plain[k].0, &forward[k].0, 1e-13);
    }
    // They are what the drivers say.
    let g = grad(cost, &a).unwrap();
    let h = hvp(cost, &a, &v).unwrap();
    close(&plain[0].0, &value(&cost, &a).unwrap(), 1e-14);
    close(&plain[1].0, &Batch::of(&g), 1e-13);
    close(&plain[2].0, &Batch::of(&h), 1e-13);
    close(&plain[3].0, &jvp(cost, &a, &v).unwrap().1, 1e-13);
    // Tangents on the forward tape are one derivative more.
    close(&forward[0].1, &jvp(cost, &a, &w).unwrap().1, 1e-13);
    close(&forward[1].1, &Batch::of(&hvp(cost, &a, &w).unwrap()), 1e-12);
    let e = 1e-5;
    let difference = (hvp(cost, &(&a + e * &w), &v).unwrap() - hvp(cost, &(&a - e * &w), &v).unwrap()) * (0.5 / e);
    close(&forward[2].1, &Batch::of(&difference), 1e-7);
    close(&forward[3].1, &value(|x| x.hvp(cost, &v).dot(&w), &a).unwrap(), 1e-12);
    // And recording goes on: the gradient of each inner derivative.
    let g2 = grad(|x| x.hvp(cost, &v).dot(&w), &a).unwrap();
    let g3 = grad(|x| x.jvp(|x| x.grad(cost), &v).1.dot(&w), &a).unwrap();
    let g4 = grad(|x| x.grad(|x| x.jvp(cost, &v).1).dot(&w), &a).unwrap();
    close_mat(&g2, &g3, 1e-12);
    close_mat(&g2, &g4, 1e-12);
}

#[test]
fn captured_handles_and_stopped_gradients() {
    let (a, b) = (rnd(3, 3, 1), rnd(3, 3, 2));
    // The inner gradient by x sees b as a constant; the outer one by b does not.
    fn pair<F: for<'t> Fn((Var<'t>, Var<'t>)) -> Var<'t>>(f: F) -> F {
        f
    }
    let f = pair(|(x, b)| x.grad(|x| (x * b * x).trace()).dot(x));
    let (v, (gx, gb)) = value_and_grad(&f, &(a.clone(), b.clone())).unwrap();
    let xbx = (&a * &b * &a).diagonal().column_vector().iter().sum::<f64>();
    assert!((v - 2.0 * xbx).abs() < 1e-14);
    let t = (&b * &a + &a * &b).transpose().to_owned();
    close_mat(&gx, &(2.0 * t), 1e-13);
    close_mat(&gb, &(2.0 * (&a * &a).transpose().to_owned()), 1e-13);
    // Nothing passes a stop, in any mode.
    let f = func(|x: Var| x.stop_gradient().dot(x));
    assert_eq!(grad(f, &a).unwrap(), a);
    assert_eq!(hvp(f, &a, &b).unwrap(), Mat::<f64>::zeros(3, 3));
    let (_, d) = jvp(f, &a, &b).unwrap();
    close(&d, &value(|x| x.dot(&b), &a).unwrap(), 1e-15);
    assert_eq!(grad(|x| x.grad(|y| y.stop_gradient().dot(y)).dot(x), &a).unwrap(), a);
    assert_eq!(grad(|x| x.stop_gradient().dot(x.stop_gradient()), &a).unwrap(), Mat::<f64>::zeros(3, 3));
}

#[test]
fn through_loops() {
    // Newton's iteration for the square root, differentiated: d sqrt(a) = 1/(2 sqrt(a)).
    let root = func(|a: Var| a.tape().iterate(a, 12, |x| 0.5 * (x + a.elem_div(x))));
    let (v, d) = value_and_grad(root, &2.0_f64).unwrap();
    assert!((v - 2f64.sqrt()).abs() < 1e-15 && (d - 0.5 / 2f64.sqrt()).abs() < 1e-14);
    assert!((hvp(root, &2.0, &1.0).unwrap() + 0.25 / 2f64.powf(1.5)).abs() < 1e-13);
    assert!((jvp(root, &2.0_f64, &1.0).unwrap().1.data()[0] - d).abs() < 1e-15);
    // Gradient descent on a quadratic, differentiated by the step: the state is a pair.
    let (a, b) = (spd(3, 1), rnd(3, 1, 2));
    let descend = func(|s: Var| {
        let tape = s.tape();
        let x = tape.filled(Shape::mat(3, 1), 0.0);
        let step = |(x, v): (_, _)| {
            let x: Var<'_> = x;
            let g = x.grad(|x| 0.5 * x.t_mul(&a * x) - x.dot(&b));
            let v: Var<'_> = 0.3 * v - s * g;
            (x + v, v)
        };
        let (x, _) = tape.iterate((x, 0.0 * x), 5, step);
        x.dot(x)
    });
    let at = 0.1_f64;
    let d = grad(descend, &at).unwrap();
    let e = 1e-6;
    let f = |s: f64| value(descend, &s).unwrap().data()[0];
    assert!((d - (f(at + e) - f(at - e)) / (2.0 * e)).abs() < 1e-8, "{d}");
    assert!((jvp(descend, &at, &1.0).unwrap().1.data()[0] - d).abs() < 1e-14);
    let h = hvp(descend, &at, &1.0).unwrap();
    let slope = (grad(descend, &(at + e)).unwrap() - grad(descend, &(at - e)).unwrap()) / (2.0 * e);
    assert!((h - slope).abs() < 1e-7 * h.abs().max(1.0));
}

#[test]
fn linear_maps_and_their_matrices() {
    let (x0, v, w) = (rnd(3, 2, 1), rnd(3, 2, 2), rnd(2, 2, 3));
    let f = func(|x: Var| x.t_mul(x).tanh());
    let (y, push) = linearize(f, &x0).unwrap();
    let (y2, d) = jvp(f, &x0, &v).unwrap();
    close(&y, &y2, 1e-15);
    close(&push(&v).unwrap(), &d, 1e-15);
    close(&push(&(2.0 * &v)).unwrap(), &Batch::of(&(2.0 * d.clone().into_mat())), 1e-15);
    let (y3, pull) = vjp(f, &x0).unwrap();
    close(&y, &y3, 1e-15);
    let dot = |a: &Mat<f64>, b: &Mat<f64>| (a.transpose() * b).diagonal().column_vector().iter().sum::<f64>();
    assert!((dot(&d.clone().into_mat(), &w) - dot(&v, &pull(&w).unwrap())).abs() < 1e-15);
    // Both branches: fewer inputs than outputs, and more.
    for (f, x0) in [(f, rnd(3, 2, 1)), (f, rnd(1, 3, 4)), (f, rnd(5, 2, 5))] {
        let j = jacobian(f, &x0).unwrap();
        let (m, n) = (x0.ncols() * x0.ncols(), x0.nrows() * x0.ncols());
        assert_eq!((j.nrows(), j.ncols()), (m, n));
        for k in 0..n {
            let e = Mat::from_fn(x0.nrows(), x0.ncols(), |r, c| if c * x0.nrows() + r == k { 1.0 } else { 0.0 });
            let column = jvp(f, &x0, &e).unwrap().1;
            assert!(distance(column.data(), &(0..m).map(|i| j[(i, k)]).collect::<Vec<_>>()) < 1e-15);
        }
    }
    let cost = func(|x: Var| x.t_mul(x).tanh().sum());
    let h = hessian(cost, &x0).unwrap();
    assert!((&h - h.transpose()).norm_l2() < 1e-14);
    let vec = |m: &Mat<f64>| Mat::from_fn(6, 1, |k, _| m[(k % 3, k / 3)]);
    close_mat(&(&h * vec(&v)), &vec(&hvp(cost, &x0, &v).unwrap()), 1e-13);
    let op = hessian_map(cost, &x0).unwrap();
    close_mat(&op(&v).unwrap(), &hvp(cost, &x0, &v).unwrap(), 1e-14);
}

leaves! {
    /// Two weights and a bias.
    #[derive(Clone, Debug)]
    struct Net as NetVars { first: Mat<f64>, bias: Mat<f64>, rest: Vec<Mat<f64>> }
}

#[test]
fn trees_of_leaves() {
    let net = Net { first: rnd(3, 2, 1), bias: rnd(3, 1, 2), rest: vec![rnd(3, 3, 3), rnd(1, 3, 4)] };
    let names: Vec<String> = net.named().into_iter().map(|(n, _)| n).collect();
    assert_eq!(names, ["first", "bias", "rest.0", "rest.1"]);
    let x = rnd(2, 4, 5);
    fn on<F: for<'t> Fn(NetVars<'t>) -> Var<'t>>(f: F) -> F {
        f
    }
    let cost = on(|n| {
        let h = (n.first * &x + n.bias).tanh();
        n.rest.iter().fold(h, |h, w| (*w * h).tanh()).sum()
    });
    let (v, g) = value_and_grad(cost, &net).unwrap();
    let d = Net { first: rnd(3, 2, 6), bias: rnd(3, 1, 7), rest: vec![rnd(3, 3, 8), rnd(1, 3, 9)] };
    let (v2, along) = jvp(cost, &net, &d).unwrap();
    assert_eq!(v, v2.data()[0]);
    let dot = |a: &Net, b: &Net| -> f64 {
        a.batches()
            .iter()
            .zip(b.batches())
            .flat_map(|(a, b)| a.data().iter().zip(b.data()).map(|(a, b)| a * b).collect::<Vec<_>>())
            .sum()
    };
    assert!((dot(&g, &d) - along.data()[0]).abs() < 1e-14);
    let h = hvp(cost, &net, &d).unwrap();
    let h2 = hessian_map(&cost, &net).unwrap()(&d).unwrap();
    let e = 1e-5;
    let moved = |s: f64| {
        let mut parts = net.batches().into_iter().zip(d.batches()).map(|(mut b, d)| {
            b.data_mut().iter_mut().zip(d.data()).for_each(|(b, d)| *b += s * d);
            b
        });
        net.rebuild(&mut || parts.next().unwrap())
    };
    let (gp, gm) = (grad(cost, &moved(e)).unwrap(), grad(cost, &moved(-e)).unwrap());
    for (k, h) in h.batches().iter().enumerate() {
        close(h, &h2.batches()[k], 1e-13);
        let slope: Vec<f64> =
            gp.batches()[k].data().iter().zip(gm.batches()[k].data()).map(|(p, m)| (p - m) / (2.0 * e)).collect();
        assert!(distance(h.data(), &slope) < 1e-8);
    }
    assert_eq!(hessian(&cost, &net).unwrap().nrows(), 6 + 3 + 9 + 3);
    // Tuples in arrays in vectors, and numbers among matrices.
    let deep = vec![([rnd(2, 2, 1), rnd(2, 2, 2)], 3.0), ([rnd(2, 2, 3), rnd(2, 2, 4)], 5.0)];
    let names: Vec<String> = deep.named().into_iter().map(|(n, _)| n).collect();
    assert_eq!(names, ["0.0.0", "0.0.1", "0.1", "1.0.0", "1.0.1", "1.1"]);
    fn nested<F: for<'t> Fn(Vec<([Var<'t>; 2], Var<'t>)>) -> Var<'t>>(f: F) -> F {
        f
    }
    let g = grad(nested(|l| l.into_iter().map(|([a, b], s)| s * (a * b).trace()).reduce(|a, b| a + b).unwrap()), &deep)
        .unwrap();
    for (([ga, gb], gs), ([a, b], s)) in g.iter().zip(&deep) {
        close_mat(ga, &(*s * b.transpose().to_owned()), 1e-15);
        close_mat(gb, &(*s * a.transpose().to_owned()), 1e-15);
        assert!((gs - (a * b).diagonal().column_vector().iter().sum::<f64>()).abs() < 1e-15);
    }
}

#[test]
fn several_outputs() {
    let (x0, v) = (rnd(4, 3, 1), rnd(4, 3, 2));
    let (y, pull) = vjp_many(|x: Var<'_>| x.qr().into(), &x0).unwrap();
    let d = jvp_many(|x: Var<'_>| Many::from(x.qr()), &x0, &v).unwrap();
    assert_eq!(y.len(), 2);
    for (y, (y2, _)) in y.iter().zip(&d) {
        close(y, y2, 1e-15);
    }
    let w = [Batch::of(&rnd(4, 3, 3)), Batch::of(&rnd(3, 3, 4))];
    let g = pull(&w).unwrap();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let left: f64 = w.iter().zip(&d).map(|(w, (_, d))| dot(w.data(), d.data())).sum();
    assert!((left - dot(Batch::of(&g).data(), Batch::of(&v).data())).abs() < 1e-13);
    let e = pull(&w[..1]).unwrap_err();
    assert_eq!(e, Error::Leaves { what: "the list of cotangents", expected: 2, got: 1 });
    // The same output twice, an input as output, and one that does not depend on anything.
    let (_, pull) = vjp_many(|x: Var<'_>| Many(vec![x, x * 2.0, x, x.tape().eye(2)]), &1.0_f64).unwrap();
    let one = Batch::of(&1.0);
    assert_eq!(pull(&[one.clone(), one.clone(), one, Batch::of(&rnd(2, 2, 1))]).unwrap(), 4.0);
}

#[test]
fn derivatives_of_what_is_in_between() {
    // By an intermediate value; by a value and one that depends on it; of a value by itself.
    let tape = Tape::new();
    let x = tape.input(&2.0);
    let h = x * x;
    let y = h * h * x;
    assert_eq!(tape.gradient(y, h).unwrap().data(), [2.0 * 4.0 * 2.0]);
    assert_eq!(tape.gradient(y, y).unwrap().data(), [1.0]);
    assert_eq!(tape.gradient(x, y).unwrap().data(), [0.0]);
    let (mut gx, mut gh) = (Batch::of(&0.0), Batch::of(&0.0));
    tape.gradient_into(y, &[x, h], &mut [&mut gx, &mut gh]).unwrap();
    assert_eq!((gx.data()[0], gh.data()[0]), (5.0 * 16.0, 16.0));
    assert_eq!(tape.hvp(y, h, &1.0).unwrap().data(), [4.0]);
    let g = tape.grad_on_tape(y, x).unwrap();
    assert_eq!(tape.gradient(g, x).unwrap().data(), [20.0 * 8.0]);
}

#[test]
fn a_derivative_that_is_not_finite_is_an_error() {
    for e in [
        grad(|x: Var| x.sqrt(), &0.0).unwrap_err(),
        grad(|x: Var| x.grad(|x| x.powf(1.5)), &0.0).unwrap_err(),
        value(|x: Var| x.grad(|x| x.sqrt()), &0.0).unwrap_err(),
        grad(|x: Var| x.norm(), &0.0).unwrap_err(),
        value(|x: Var| x.grad(|x| x.norm()), &0.0).unwrap_err(),
        value(|x: Var| x.hvp(|x| x.norm(), &mat![[1.0]]), &0.0).unwrap_err(),
        jvp(|x: Var| x.grad(|x| x.norm()), &0.0, &1.0).unwrap_err(),
    ] {
        assert!(matches!(e, Error::NonFinite { .. } | Error::Data { derivative: true, .. }), "{e}");
        if let Error::Data { line, .. } = e {
            assert_eq!(line.file(), file!());
        }
    }
    // Kinks have the documented value.
    assert_eq!(grad(|x: Var| x.relu() + 2.0 * x.abs(), &0.0).unwrap(), 0.0);
    assert_eq!(grad(|x: Var| x.max(3.0 * x), &0.0).unwrap(), 2.0);
    assert_eq!(grad(|x: Var| x.min(x), &1.0).unwrap(), 1.0);
}

#[test]
fn a_gradient_of_a_value_that_is_not_finite_is_refused_inside_programs_too() {
    // The derivative of ln at -1 is -1, and the driver refuses it, since ln(-1) is no number. So do gradients inside.
    let refused = |e: Error| {
        let Failure::NotDifferentiable { what } = failure(&e) else { panic!("{e}") };
        assert!(what.contains("not finite"), "{e}");
    };
    let inside = func(|x: Var| x.grad(|x| x.ln()));
    let curved = func(|x: Var| x.hvp(|x| x.ln(), 1.0));
    for f in [|x: Var<'_>| x.grad(|x| x.ln()).value(), |x: Var<'_>| x.hvp(|x| x.ln(), 1.0).value()] {
        assert!(f(Tape::plain().input(&-1.0)).data()[0].is_nan());
    }
    refused(value(inside, &-1.0).unwrap_err());
    refused(grad(inside, &-1.0).unwrap_err());
    refused(jvp(inside, &-1.0, &1.0).unwrap_err());
    refused(value(curved, &-1.0).unwrap_err());
    refused(grad(|x: Var| x.checkpoint(|x| x.grad(|x| x.ln())), &-1.0).unwrap_err());
    // Anew at replay; and a program that asks for the value may go another way.
    let tape = Tape::new();
    let x = tape.input(&2.0);
    let g = x.grad(|x| x.ln());
    tape.set(x, &-1.0);
    refused(tape.gradient(g, x).unwrap_err());
    tape.set(x, &4.0);
    assert_eq!(tape.gradient(g, x).unwrap().data(), [-1.0 / 16.0]);
    let other = func(|x: Var| {
        let (y, g) = x.value_and_grad(|x| x.ln());
        if y.scalar().is_nan() { x * x } else { g }
    });
    assert_eq!(grad(other, &-1.0).unwrap(), -2.0);
}

#[test]
fn a_result_from_before_the_region_does_not_move() {
    let v = mat![[1.0, 2.0], [3.0, 4.0]];
    let x0 = mat![[0.5, -1.0], [2.0, 0.25]];
    for tape in [Tape::plain(), Tape::forward(), Tape::new()] {
        let x = tape.input(&x0);
        let before = x.exp();
        let (y, dy) = x.jvp(|_| before, &v);
        assert_eq!((y.value(), dy.value()), (before.value(), Batch::of(&Mat::<f64>::zeros(2, 2))));
    }
}

/// What all members share names none of them, and what each has of its own names the one that fails.
#[test]
fn a_verdict_on_what_members_share_names_no_member() {
    let x = Batch::from_fn(Shape::batch(3, 1, 1), |m, _, _| [2.0, -1.0, 3.0][m]);
    let member = |e: Error| match e {
        Error::Data { member, .. } => member,
        e => panic!("{e}"),
    };
    let summed = value(|x: Var| x.grad(|x| x.ln().sum_batch()), &x).unwrap_err();
    assert!(!summed.to_string().contains("batch member"), "{summed}");
    assert_eq!(member(summed), None);
    assert_eq!(member(value(|x: Var| x.where_positive(x.sum_batch() - 5.0, "sum"), &x).unwrap_err()), None);
    assert_eq!(member(value(|x: Var| x.where_positive(x, "each"), &x).unwrap_err()), Some(1));
}
