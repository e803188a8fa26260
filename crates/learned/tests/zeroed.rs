//! A network of zeros is the classical method that it extends, on every manifold; an optimiser with parameters is a
//! method.

use pullback::prelude::*;
use pullback::{Leaves, Shape};
use pullback_learned::*;
use pullback_manifolds::{
    Egrad, Euclidean, Grassmann, Manifold, Product, Retraction, Rgrad, Spd, SpdMetric, Stiefel, StiefelMetric,
    gaussian, rng,
};
use pullback_optim::{Lbfgs, Method, Problem, Rsgd, Steps, Stop};

/// One step of a method on numbers, with both gradients.
fn step(method: &dyn Method, m: &dyn Manifold, x: &[Batch], e: &[Batch], s: &[Batch]) -> (Vec<Batch>, Vec<Batch>) {
    let tape = Tape::plain();
    let on = |l: &[Batch]| -> Vec<Var<'_>> { l.iter().map(|b| tape.constant(b)).collect() };
    let (x, e, s) = (on(x), on(e), on(s));
    let r = m.egrad_to_rgrad(&x, Egrad(&e));
    let (y, s) = method.step_with(m, &x, Egrad(&e), Rgrad(&r), &s);
    tape.check().unwrap();
    (y.iter().map(Var::value).collect(), s.iter().map(Var::value).collect())
}

fn shapes(x: &[Batch]) -> Vec<Shape> {
    x.iter().map(Batch::shape).collect()
}

/// Follows the classical method, and takes each of its steps with the other one too.
fn same_steps(ours: &dyn Method, classical: &dyn Method, m: &dyn Manifold, tolerance: f64) {
    let mut x = m.random_point(3, &mut rng(5));
    let mut s = ours.begin(&shapes(&x));
    for k in 0..4 {
        let e: Vec<Batch> = x.iter().map(|x| gaussian(x.shape(), &mut rng(k))).collect();
        let (y, _) = step(classical, m, &x, &e, &[]);
        let (z, next) = step(ours, m, &x, &e, &s);
        for (a, b) in z.iter().zip(&y).flat_map(|(a, b)| a.data().iter().zip(b.data())) {
            assert!((a - b).abs() <= tolerance * (1.0 + b.abs()), "{} on {}: {a} {b}", ours.name(), m.name());
        }
        assert!(next.iter().any(|s| s.max_abs() > 0.0), "the state moves");
        (x, s) = (y, next);
    }
}

fn manifolds() -> Vec<Box<dyn Manifold>> {
    vec![
        Box::new(Grassmann::new(6, 2)),
        Box::new(Grassmann::new(6, 2).with(Retraction::Qr)),
        Box::new(Stiefel::new(6, 2)),
        Box::new(Stiefel::new(6, 2).with_metric(StiefelMetric::Canonical)),
        Box::new(Euclidean::new(6, 2)),
        Box::new(Spd::new(4)),
        Box::new(Spd::new(4).with(SpdMetric::LogEuclidean)),
    ]
}

const C: f64 = 0.03;

fn updates() -> Vec<Update> {
    let all = [StepForm::Exp, StepForm::Abs, StepForm::Signed];
    let sees = [Sees::Riemannian, Sees::Euclidean];
    sees.into_iter().flat_map(|sees| all.map(|step| Update { sees, step, ..Update::new(C) })).collect()
}

#[test]
fn zeroed_matrix_networks_are_gradient_descent() {
    for m in manifolds() {
        let shape = m.shapes()[0];
        for update in updates() {
            for input in [Input::Rms, Input::Scaled(0.7)] {
                let net = GmLstm::new(GmLstmOptions { hidden: 5, input, ..GmLstmOptions::new(shape.rows, shape.cols) });
                let net = Each::new(net, update);
                let params = net.init(&mut rng(4));
                same_steps(&Trained::new(net, params), &Rsgd { step: C }, &*m, 1e-15);
            }
            if shape.rows == shape.cols {
                for options in [RmmOptions::new(4), RmmOptions { head: true, ..RmmOptions::new(4) }] {
                    let net = Each::new(Rmm::new(options), update);
                    let params = net.init(&mut rng(4));
                    same_steps(&Trained::new(net, params), &Rsgd { step: C }, &*m, 1e-15);
                }
            }
        }
    }
}

#[test]
fn zeroed_subspace_networks_are_gradient_descent_on_products_too() {
    let mut all = manifolds();
    let parts: Vec<Box<dyn Manifold>> =
        vec![Box::new(Stiefel::new(7, 3)), Box::new(Grassmann::new(5, 2)), Box::new(Euclidean::new(2, 4))];
    all.push(Box::new(Product::new(parts)));
    for m in all {
        for sides in [Sides::Both, Sides::Rows, Sides::Columns, Sides::Scalar] {
            for mean_one in [true, false] {
                // What it rescales is the Riemannian gradient, whatever a network for the other kind would see.
                for sees in [Sees::Riemannian, Sees::Euclidean] {
                    let options = SubspaceOptions { mean_one, ..SubspaceOptions::new(sides) };
                    let net = Each::new(Subspace::new(options), Update { sees, ..Update::new(C) });
                    let params = net.init(&mut rng(4));
                    same_steps(&Trained::new(net, params), &Rsgd { step: C }, &*m, 1e-14);
                }
            }
        }
    }
}

#[test]
fn a_trained_optimiser_runs_where_a_classical_one_does() {
    let a = pullback::faer::Mat::<f64>::from_fn(6, 6, |i, j| if i == j { i as f64 } else { 0.0 });
    let gr = Grassmann::new(6, 2);
    let x0 = gr.random_point(1, &mut rng(3)).swap_remove(0);
    let cost = func(|x: Var| x.t_mul(&a * x).trace());
    for update in [Update::new(0.05), Update::irmm_code(0.05)] {
        let net = Each::new(GmLstm::new(GmLstmOptions { hidden: 4, ..GmLstmOptions::new(6, 2) }), update);
        let params = net.init(&mut rng(1));
        let learned = Steps(Trained::new(net, params));
        let ours = Problem::new(&gr, &x0, cost).solve(learned, Stop::Iterations(20)).unwrap();
        let theirs = Problem::new(&gr, &x0, cost).solve(Rsgd { step: 0.05 }, Stop::Iterations(20)).unwrap();
        assert_eq!((ours.iterations, theirs.iterations), (20, 20));
        assert!((ours.cost - theirs.cost).abs() < 1e-13, "{} {}", ours.cost, theirs.cost);
    }
    // A checkpoint of such a run is resumed like any other.
    let net = Equivariant::new(EquivariantOptions::default());
    let params = net.init(&mut rng(1));
    let learned = Steps(Trained::new(net, params));
    let problem = Problem::new(&gr, &x0, cost);
    let whole = problem.solve(learned.clone(), Stop::Iterations(15)).unwrap();
    let mut half = problem.run(learned.clone(), Stop::Iterations(15));
    for _ in 0..7 {
        half.step().unwrap();
    }
    let saved = half.checkpoint().unwrap();
    let resumed = problem.resume(learned, Stop::Iterations(15), &saved).unwrap().to_end().unwrap();
    assert_eq!(resumed.point, whole.point);
    assert!(whole.cost - 1.0 < 1e-6, "L-BFGS descends: {}", whole.cost);
    let best = problem.solve(Lbfgs::default(), Stop::GradientNorm(1e-10) | Stop::Iterations(100)).unwrap();
    assert!((best.cost - 1.0).abs() < 1e-10);
}

#[test]
#[should_panic(expected = "sees the Euclidean gradient")]
fn a_network_that_sees_euclidean_gradients_refuses_riemannian_ones() {
    let net = Each::new(GmLstm::new(GmLstmOptions::new(4, 2)), Update::irmm_code(0.1));
    let params = net.init(&mut rng(1));
    let trained = Trained::new(net, params);
    let gr = Grassmann::new(4, 2);
    let tape = Tape::plain();
    let x = tape.constant(&gr.random_point(1, &mut rng(1))[0]);
    let _ = Method::step(&trained, &gr, &[x], Rgrad(&[x]), &[x; 4]);
}

#[test]
fn what_the_papers_say_and_do_is_not_the_same() {
    // From one network: the printed rule, the code of I-RMM, the code of RMM.
    let gr = Grassmann::new(5, 2);
    let x = gr.random_point(1, &mut rng(1));
    let e = [gaussian::<f64>(x[0].shape(), &mut rng(2))];
    let net = |update| Each::new(GmLstm::new(GmLstmOptions { hidden: 4, ..GmLstmOptions::paper(5, 2) }), update);
    let params = net(Update::new(1.0)).init(&mut rng(3));
    let tangent = |update: Update| {
        let tape = Tape::plain();
        let o = net(update);
        let on = |b: &Batch| tape.constant(b);
        let phi = Leaves::bind_all(&params, &params.batches().iter().map(on).collect::<Vec<_>>());
        let begin = o.begin(&shapes(&x));
        let s = begin.bind_all(&begin.batches().iter().map(on).collect::<Vec<_>>());
        let (x, e) = ([on(&x[0])], [on(&e[0])]);
        let r = Manifold::egrad_to_rgrad(&gr, &x, Egrad(&e)).0;
        let (v, _) = o.step(&gr, &phi, &x, Gradients { egrad: Egrad(&e), rgrad: Rgrad(&r) }, &s);
        v[0].value().member(0)
    };
    let printed = tangent(Update::as_printed());
    let no_residual = tangent(Update { residual: false, step: StepForm::Abs, ..Update::as_printed() });
    let irmm = tangent(Update::irmm_code(1.0));
    // |x| and x differ by the sign at most.
    assert!((&printed - &no_residual).norm_l2() < 1e-14 || (&printed + &no_residual).norm_l2() < 1e-14);
    assert!((&irmm - &no_residual).norm_l2() > 0.1 * irmm.norm_l2());
    // The residual is xi times the Riemannian gradient.
    let r = &e[0].member(0) - x[0].member(0) * (x[0].member(0).transpose() * e[0].member(0));
    let along = &irmm - &no_residual;
    let xi = -(0..5).map(|i| along[(i, 0)] * r[(i, 0)]).sum::<f64>() / (0..5).map(|i| r[(i, 0)].powi(2)).sum::<f64>();
    assert!((along + &r * xi).norm_l2() < 1e-13 * xi.abs());
}
