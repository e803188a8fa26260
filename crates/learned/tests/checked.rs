//! The step of every architecture under the checker: by all parameters, the point, both gradients and the state.

use pullback::prelude::*;
use pullback::{Leaves, Shape, VarTree};
use pullback_check::check;
use pullback_learned::*;
use pullback_manifolds::{Egrad, Grassmann, Manifold, Rgrad, Spd, Stiefel, gaussian, rng};

/// Numbers for a tree of this structure, none of them zero.
fn filled<L: Leaves<Scalar = f64>>(like: &L, size: f64, seed: u64) -> L {
    let mut k = seed;
    like.rebuild_all(like.shapes().into_iter().map(|s| {
        k += 1;
        let b: Batch = gaussian(s, &mut rng(k));
        Batch::from_slice(s, &b.data().iter().map(|x| size * x).collect::<Vec<_>>())
    }))
}

fn list<'t>(tree: &impl VarTree<'t, f64>) -> Vec<Var<'t>> {
    let mut out = vec![];
    tree.each(&mut |v| out.push(v));
    out
}

/// Checks the tangent and every leaf of the next state.
fn checked<O: LearnedOptimizer>(net: &O, m: &dyn Manifold, params: O::Params, state: O::State, orders: usize) {
    let x = m.random_point(2, &mut rng(9));
    let e: Vec<Batch> = x.iter().map(|x| gaussian(x.shape(), &mut rng(10))).collect();
    let shapes: Vec<Shape> = x.iter().map(Batch::shape).collect();
    let outputs = x.len() + state.shapes().len();
    let at = (params.batches(), x, e, state.batches());
    for output in 0..outputs {
        let found = check(
            |(phi, x, e, s): (Vec<Var<'_>>, Vec<Var<'_>>, Vec<Var<'_>>, Vec<Var<'_>>)| {
                let phi = params.bind_all(&phi);
                let s = net.begin(&shapes).bind_all(&s);
                let r = m.egrad_to_rgrad(&x, Egrad(&e)).0;
                let (v, next) = net.step(m, &phi, &x, Gradients { egrad: Egrad(&e), rgrad: Rgrad(&r) }, &s);
                v.into_iter().chain(list(&next)).nth(output).unwrap()
            },
            &at,
        );
        found.seed(3).orders(1..=orders).run().assert_ok();
    }
}

#[test]
fn the_generalised_matrix_lstm() {
    for (input, update) in [(Input::Rms, Update::new(0.1)), (Input::Scaled(0.8), Update::irmm_code(0.1))] {
        let options = GmLstmOptions { hidden: 3, start_as_descent: false, input, ..GmLstmOptions::new(4, 2) };
        let net = Each::new(GmLstm::new(options), update);
        let state = filled(&net.begin(&[Shape::batch(2, 4, 2)]), 1.0, 30);
        checked(&net, &Grassmann::new(4, 2), net.init(&mut rng(2)), state, 2);
    }
}

#[test]
fn the_matrix_lstm_on_positive_definite_matrices() {
    for options in
        [RmmOptions { hidden: 4, ..RmmOptions::paper(3) }, RmmOptions { hidden: 4, ..RmmOptions::gradient_free(3) }]
    {
        let net = Each::new(Rmm::new(options), Update::as_printed());
        let state = filled(&net.begin(&[Shape::batch(2, 3, 3)]), 0.7, 30);
        checked(&net, &Spd::new(3), net.init(&mut rng(2)), state, 1);
    }
}

#[test]
fn subspace_adaptation() {
    for sides in [Sides::Both, Sides::Rows, Sides::Columns, Sides::Scalar] {
        let net =
            Each::new(Subspace::new(SubspaceOptions { hidden: 3, ..SubspaceOptions::paper(sides) }), Update::new(0.1));
        let state = filled(&net.begin(&[Shape::batch(2, 4, 2)]), 0.5, 30);
        checked(&net, &Stiefel::new(4, 2), net.init(&mut rng(2)), state, 1);
    }
}

#[test]
fn the_equivariant_optimiser() {
    let net = Equivariant::new(EquivariantOptions {
        pairs: 2,
        hidden: 3,
        longest: 1e3,
        slope: -2.0,
        detach: false,
        ..EquivariantOptions::default()
    });
    let gr = Grassmann::new(5, 2);
    // A state that three steps have made, so that pairs, momenta and the last point are what they should be.
    let params = filled(&net.init(&mut rng(2)), 0.4, 50);
    let trained = Trained::new(net.clone(), params.clone());
    let a = pullback::faer::Mat::<f64>::from_fn(5, 5, |i, j| if i == j { 1.0 + i as f64 } else { 0.2 });
    let mut x = Manifold::<f64>::random_point(&gr, 2, &mut rng(5));
    let mut s = pullback_optim::Method::begin(&trained, &[x[0].shape()]);
    for _ in 0..3 {
        let tape = Tape::plain();
        let at = tape.constant(&x[0]);
        let e = at.grad(|x| x.t_mul(&a * x).trace().sum());
        let r = Manifold::egrad_to_rgrad(&gr, &[at], Egrad(&[e])).0;
        let s_on: Vec<Var<'_>> = s.iter().map(|s| tape.constant(s)).collect();
        let (y, next) = pullback_optim::Method::step_with(&trained, &gr, &[at], Egrad(&[e]), Rgrad(&r), &s_on);
        tape.check().unwrap();
        (x, s) = (vec![y[0].value()], next.iter().map(Var::value).collect());
    }
    let state = net.begin(&[x[0].shape()]).rebuild_all(s);
    checked(&net, &gr, params, state, 1);
}

#[test]
fn the_loop_on_the_tangent_space() {
    let options = GmLstmOptions { hidden: 3, ..GmLstmOptions::paper(4, 2) };
    let inner = OnTangent::new(GmLstm::new(options), Update { step: StepForm::Signed, ..Update::new(0.1) }, 0.3);
    let gr = Grassmann::new(4, 2);
    let x = Manifold::<f64>::random_point(&gr, 2, &mut rng(1));
    let beside = InnerLoop::<()>::begin(&inner, &[x[0].shape()]);
    let beside: Vec<Batch> = beside.iter().map(|b| gaussian(b.shape(), &mut rng(4))).collect();
    let params = inner.rule.init(&inner.update, &mut rng(2));
    let a: Batch = gaussian(Shape::mat(4, 4), &mut rng(3));
    let at = (params.clone(), x, beside);
    for (t, output) in [(0, 0), (1, 0), (1, 1), (3, 4)] {
        let found = check(
            |(phi, x, beside): (GmLstmVars<'_>, Vec<Var<'_>>, Vec<Var<'_>>)| {
                let (x, next) =
                    InnerLoop::<()>::step(&inner, &gr, &(phi, vec![]), &x, &beside, t, &|x| cost_of(&a, x), &());
                if output == 0 { InnerLoop::<()>::end(&inner, &gr, &x, &next)[0] } else { next[output] }
            },
            &at,
        );
        found.seed(3).orders(1..=1).run().assert_ok();
    }
}

fn cost_of<'t>(a: &Batch, x: &[Var<'t>]) -> Var<'t> {
    x[0].t_mul(x[0].tape().constant(a) * x[0]).trace()
}
