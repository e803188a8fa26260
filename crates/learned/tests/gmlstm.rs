//! The network against an independent evaluation, gradient descent, differences, and the counts of the papers.

use pullback::faer::Mat;
use pullback::prelude::*;
use pullback::{Leaves, Shape, value};
use pullback_learned::{Cell, GmLstm, GmLstmOptions, GmLstmParams, GmLstmVars, Input, LearnedOptimizer, StepRule};
use pullback_manifolds::{Egrad, Grassmann, Manifold, Retraction, gaussian, rng};
use pullback_optim::{Method, Rsgd};

fn options(p: usize, d: usize) -> GmLstmOptions {
    GmLstmOptions { hidden: 5, ..GmLstmOptions::new(p, d, 0.03) }
}

#[test]
fn the_parameters_are_counted_as_in_the_papers() {
    for (p, d) in [(784, 128), (1024, 38)] {
        assert_eq!(GmLstmOptions::paper(p, d, 1e-6).parameter_count(), 34 * p * p + 1024 * p * d + 2049);
    }
    assert_eq!(GmLstmOptions::paper(784, 128, 1e-6).parameter_count(), 123_660_801);
    assert_eq!(GmLstmOptions::paper(1024, 38, 1e-6).parameter_count(), 75_499_521);
    let net = GmLstm::new(GmLstmOptions { hidden: 7, ..GmLstmOptions::paper(6, 2, 1e-3) });
    let params = net.init(&mut rng(1));
    let count: usize = params.shapes().iter().map(Shape::len).sum();
    assert_eq!(count, net.options().parameter_count());
    let names: Vec<String> = params.named().into_iter().map(|(n, _)| n).collect();
    assert_eq!(names[..3], ["direction.cell1.x", "direction.cell1.h", "direction.cell2.x"]);
    assert_eq!(names.last().map(String::as_str), Some("step.bias2"));
}

#[test]
fn fresh_weights_are_orthogonal_gate_by_gate() {
    let params = GmLstm::new(options(6, 2)).init(&mut rng(1));
    for w in [&params.direction.cell1.x, &params.step.cell2.h] {
        let w = w.member(0);
        for k in 0..4 {
            let q = w.subcols(6 * k, 6);
            assert!((q.transpose() * q - Mat::<f64>::identity(6, 6)).norm_l2() < 1e-14);
        }
    }
}

fn step_once(
    net: &GmLstm,
    params: &GmLstmParams,
    gr: &Grassmann,
    x: &Batch,
    g: &Batch,
    state: &[Batch],
) -> (Batch, Vec<Batch>) {
    let tape = Tape::plain();
    let list: Vec<Var<'_>> = params.batches().iter().map(|b| tape.constant(b)).collect();
    let mut next = list.into_iter();
    let phi = params.bind(&mut || next.next().unwrap());
    let s: Vec<Var<'_>> = state.iter().map(|b| tape.constant(b)).collect();
    let (v, s) = net.step(gr, &phi, tape.constant(x), tape.constant(g), &s);
    tape.check().unwrap();
    (v.value(), s.iter().map(Var::value).collect())
}

fn zeros(shape: Shape) -> Vec<Batch> {
    vec![Batch::zeros(shape); 4]
}

#[test]
fn a_zeroed_network_is_gradient_descent() {
    let shape = Shape::batch(3, 7, 2);
    for retraction in [Retraction::Qr, Retraction::Polar] {
        for step in [StepRule::Exp, StepRule::AbsPaper] {
            for input in [Input::Rms, Input::Scaled(1.0), Input::Scaled(0.01)] {
                let gr = Grassmann::new(7, 2).with(retraction);
                let net = GmLstm::new(GmLstmOptions { step, input, ..options(7, 2) });
                let params = net.init(&mut rng(4));
                let mut x = gr.random_point(3, &mut rng(5)).swap_remove(0);
                let mut state = zeros(shape);
                for k in 0..4 {
                    let g = gaussian(shape, &mut rng(k));
                    let (v, next) = step_once(&net, &params, &gr, &x, &g, &state);
                    let tape = Tape::plain();
                    let at = tape.constant(&x);
                    let rgrad = *gr.egrad_to_rgrad(at, Egrad(tape.constant(&g)));
                    let y = Rsgd { step: 0.03 }.step(&gr, &[at], pullback_manifolds::Rgrad(&[rgrad]), &[]).0[0].value();
                    let ours = gr.retract(at, tape.constant(&v)).value();
                    for (a, b) in ours.data().iter().zip(y.data()) {
                        assert!((a - b).abs() <= 1e-15, "{step:?} {input:?}: {a} {b}");
                    }
                    assert!(next.iter().all(|s| s.max_abs() > 0.0));
                    (x, state) = (y, next);
                }
            }
        }
    }
}

type M = Mat<f64>;

fn entrywise(a: &M, f: impl Fn(f64) -> f64) -> M {
    M::from_fn(a.nrows(), a.ncols(), |i, j| f(a[(i, j)]))
}

fn times(a: &M, b: &M) -> M {
    M::from_fn(a.nrows(), a.ncols(), |i, j| a[(i, j)] * b[(i, j)])
}

/// A cell gate by gate, for one point.
fn cell(w: &Cell, z: &M, h: &M, c: &M) -> (M, M) {
    let p = z.nrows();
    let (wx, wh) = (w.x.member(0), w.h.member(0));
    let gate = |k: usize| wx.subcols(k * p, p).transpose() * z + wh.subcols(k * p, p).transpose() * h;
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let c =
        times(&entrywise(&gate(0), sigmoid), c) + times(&entrywise(&gate(1), sigmoid), &entrywise(&gate(3), f64::tanh));
    (times(&entrywise(&gate(2), sigmoid), &entrywise(&c, f64::tanh)), c)
}

/// The whole step for one point, from the formulas of the module's head.
fn by_hand(o: &GmLstmOptions, w: &GmLstmParams, x: &M, g: &M, s: &[M]) -> (M, Vec<M>) {
    let rms = g.norm_l2() / ((o.p * o.d) as f64).sqrt();
    let (z, back) = match o.input {
        Input::Scaled(c) => (g * c, o.output_scale),
        Input::Rms => (g * (1.0 / rms), o.output_scale * rms),
    };
    let two = |a: &Cell, b: &Cell| {
        let (h1, c1) = cell(a, &z, &s[0], &s[1]);
        let (h2, c2) = cell(b, &h1, &s[2], &s[3]);
        [h1, c1, h2, c2]
    };
    let a = two(&w.direction.cell1, &w.direction.cell2);
    let b = two(&w.step.cell1, &w.step.cell2);
    let mut direction = w.direction.head.member(0).transpose() * &a[2] * back;
    if o.residual {
        direction += g;
    }
    let h = entrywise(&(w.step.head.member(0).transpose() * &b[2]), |x| x.max(0.0));
    let vec = M::from_fn(o.p * o.d, 1, |k, _| h[(k % o.p, k / o.p)]);
    let h = entrywise(&(w.step.weight1.member(0) * vec + w.step.bias1.member(0)), |x| x.max(0.0));
    let number = (w.step.weight2.member(0) * h)[(0, 0)] + w.step.bias2.data()[0];
    let xi = match o.step {
        StepRule::Exp => o.c * number.exp(),
        StepRule::AbsPaper => o.c * number.abs(),
        other => panic!("expected a step rule that this test knows, got {other:?}"),
    };
    let tangent = (&direction - x * (x.transpose() * &direction)) * -xi;
    let next = a.iter().zip(&b).map(|(a, b)| {
        let s = times(a, b);
        let size = if o.normalise_state { s.norm_l2() } else { 1.0 };
        s * (1.0 / size)
    });
    (tangent, next.collect())
}

#[test]
fn the_step_is_that_of_the_formulas_for_every_member() {
    let (p, d, b) = (6, 2, 3);
    let shape = Shape::batch(b, p, d);
    let gr = Grassmann::new(p, d);
    let raw = GmLstmOptions { start_as_descent: false, ..options(p, d) };
    for o in [
        raw.clone(),
        GmLstmOptions { step: StepRule::AbsPaper, input: Input::Scaled(0.7), output_scale: 0.3, ..raw.clone() },
        GmLstmOptions { residual: false, normalise_state: false, ..raw },
    ] {
        let net = GmLstm::new(o.clone());
        let params = net.init(&mut rng(8));
        let x = gr.random_point(b, &mut rng(9)).swap_remove(0);
        let g = gaussian(shape, &mut rng(10));
        let state: Vec<Batch> = (0..4).map(|k| gaussian(shape, &mut rng(20 + k))).collect();
        let (v, next) = step_once(&net, &params, &gr, &x, &g, &state);
        for k in 0..b {
            let s: Vec<M> = state.iter().map(|s| s.member(k)).collect();
            let (tangent, after) = by_hand(&o, &params, &x.member(k), &g.member(k), &s);
            assert!((v.member(k) - &tangent).norm_l2() < 1e-14 * (1.0 + tangent.norm_l2()), "member {k}");
            for (n, a) in next.iter().zip(&after) {
                assert!((n.member(k) - a).norm_l2() < 1e-14 * (1.0 + a.norm_l2()));
            }
        }
    }
}

#[test]
fn the_optimiser_follows_a_change_of_units_of_the_cost() {
    let gr = Grassmann::new(6, 2);
    let net = GmLstm::new(GmLstmOptions { start_as_descent: false, ..options(6, 2) });
    let params = net.init(&mut rng(8));
    let x = gr.random_point(1, &mut rng(9)).swap_remove(0);
    let g = gaussian(Shape::mat(6, 2), &mut rng(10));
    let scaled = Batch::from_slice(g.shape(), &g.data().iter().map(|g| 1e6 * g).collect::<Vec<_>>());
    let (v, s) = step_once(&net, &params, &gr, &x, &g, &zeros(g.shape()));
    let (w, t) = step_once(&net, &params, &gr, &x, &scaled, &zeros(g.shape()));
    for (a, b) in v.data().iter().zip(w.data()) {
        assert!((1e6 * a - b).abs() < 1e-8 * (1.0 + b.abs()));
    }
    assert!(s.iter().zip(&t).all(|(s, t)| s.data().iter().zip(t.data()).all(|(a, b)| (a - b).abs() < 1e-12)));
}

/// Three steps of the optimiser on a quadratic, through its own gradients.
fn after_three_steps<'t>(net: &GmLstm, gr: &Grassmann, phi: &GmLstmVars<'t>, x: Var<'t>, a: &Mat<f64>) -> Var<'t> {
    let mut state: Vec<Var<'t>> = net.state(x.shape()).iter().map(|s| x.tape().filled(*s, 0.0)).collect();
    let mut x = x;
    for _ in 0..3 {
        let g = x.grad(|x| x.t_mul(a * x).trace().sum());
        let (v, next) = net.step(gr, phi, x, g, &state);
        x = gr.retract(x, v);
        state = next.to_vec();
    }
    x.t_mul(a * x).trace().sum()
}

#[test]
fn derivatives_by_all_parameters_are_those_of_differences() {
    let (p, d, b) = (5, 2, 2);
    let gr = Grassmann::new(p, d);
    let a = Mat::from_fn(p, p, |i, j| if i == j { i as f64 } else { 0.1 });
    for input in [Input::Rms, Input::Scaled(0.5)] {
        let net = GmLstm::new(GmLstmOptions { start_as_descent: false, input, ..options(p, d) });
        let params = net.init(&mut rng(8));
        let x0 = gr.random_point(b, &mut rng(9)).swap_remove(0);
        let (_, g) = value_and_grad(
            |(phi, x): (GmLstmVars<'_>, Var<'_>)| after_three_steps(&net, &gr, &phi, x, &a),
            &(params.clone(), x0.clone()),
        )
        .unwrap();
        let direction: Vec<Batch> =
            params.shapes().iter().enumerate().map(|(k, s)| gaussian(*s, &mut rng(k as u64))).collect();
        let slope: f64 =
            g.0.batches()
                .iter()
                .zip(&direction)
                .flat_map(|(g, d)| g.data().iter().zip(d.data()))
                .map(|(g, d)| g * d)
                .sum();
        let at = |h: f64| {
            let mut leaves = params.batches().into_iter().zip(&direction);
            let moved = params.rebuild(&mut || {
                let (x, d) = leaves.next().unwrap();
                Batch::from_slice(x.shape(), &x.data().iter().zip(d.data()).map(|(x, d)| x + h * d).collect::<Vec<_>>())
            });
            value(|(phi, x): (GmLstmVars<'_>, Var<'_>)| after_three_steps(&net, &gr, &phi, x, &a), &(moved, x0.clone()))
                .unwrap()
                .data()[0]
        };
        let h = 1e-5;
        let seen = (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h);
        assert!((seen - slope).abs() < 1e-7 * (1.0 + slope.abs()), "{input:?}: {seen} {slope}");
        for (name, b) in g.0.named() {
            assert!(b.max_abs() > 0.0, "no derivative reaches {name}");
        }
    }
}
