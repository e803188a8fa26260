//! Single precision: steps, gradients, training, files and runs in `f32`, beside what `f64` gives.

use pullback::prelude::*;
use pullback::{Leaves, Scalar, Shape, VarTree};
use pullback_check::check;
use pullback_implicit::Estimator;
use pullback_learned::*;
use pullback_manifolds::{Egrad, Grassmann, Manifold, Rgrad, Spd, Stiefel, gaussian, rng};
use pullback_optim::{Method, Rsgd};
use std::ops::ControlFlow;

/// Normal numbers for a tree of this structure: the same in every scalar, to rounding.
fn filled<T: Scalar, L: Leaves<Scalar = T>>(like: &L, size: f64, seed: u64) -> L {
    let mut k = seed;
    like.rebuild_all(like.shapes().into_iter().map(|s| {
        k += 1;
        let b: Batch = gaussian(s, &mut rng(k));
        Batch::from_slice(s, &b.data().iter().map(|x| T::of(size * x)).collect::<Vec<_>>())
    }))
}

fn list<'t, T: Scalar>(tree: &impl VarTree<'t, T>) -> Vec<Var<'t, T>> {
    let mut out = vec![];
    tree.each(&mut |v| out.push(v));
    out
}

/// The tangent and the next state of an optimiser at random points, gradients and states, as numbers in double
/// precision. Points of Grassmann and Stiefel manifolds of one size are the same.
fn stepped<T: Scalar, O: LearnedOptimizer<T>>(net: &O, m: &dyn Manifold<T>, params: &O::Params) -> Vec<f64> {
    let tape = Tape::<T>::plain();
    let x: Vec<Batch<T>> = m.random_point(2, &mut rng(9));
    let shapes: Vec<Shape> = x.iter().map(Batch::shape).collect();
    let on = |b: &Batch<T>| tape.constant(b);
    let at: Vec<_> = x.iter().map(on).collect();
    let e: Vec<_> = shapes.iter().map(|s| on(&gaussian(*s, &mut rng(10)))).collect();
    let s = filled(&net.begin(&shapes), 0.7, 30);
    let state = net.begin(&shapes).bind_all(&s.batches().iter().map(on).collect::<Vec<_>>());
    let phi = params.bind_all(&params.batches().iter().map(on).collect::<Vec<_>>());
    let r = m.egrad_to_rgrad(&at, Egrad(&e)).0;
    let (v, next) = net.step(m, &phi, &at, Gradients { egrad: Egrad(&e), rgrad: Rgrad(&r) }, &state);
    tape.check().unwrap();
    v.into_iter().chain(list(&next)).flat_map(|v| v.value().data().to_vec()).map(|x| x.f64()).collect()
}

/// The numbers of a tree in single precision, as a tree like another.
fn rounded<Q: Leaves<Scalar = f32>>(from: &impl Leaves<Scalar = f64>, like: &Q) -> Q {
    let one = |b: &Batch| Batch::from_slice(b.shape(), &b.data().iter().map(|x| *x as f32).collect::<Vec<_>>());
    like.rebuild_all(from.batches().iter().map(one))
}

/// The step in single precision is that in double precision, and its derivatives by parameters, point, gradient and
/// state pass the checker.
fn same_and_checked<O, S>(double: &O, params: &O::Params, single: &S, like: &S::Params, m: &Places)
where
    O: LearnedOptimizer<f64>,
    S: LearnedOptimizer<f32>,
{
    let like = rounded(params, like);
    let (a, b) = (stepped::<f64, _>(double, m.0, params), stepped::<f32, _>(single, m.1, &like));
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(&b) {
        assert!((a - b).abs() < 2e-5 * (1.0 + a.abs()), "{}: {a} {b}", double.name());
    }
    let m = m.1;
    let x: Vec<Batch<f32>> = m.random_point(2, &mut rng(9));
    let e: Vec<Batch<f32>> = x.iter().map(|x| gaussian(x.shape(), &mut rng(10))).collect();
    let shapes: Vec<Shape> = x.iter().map(Batch::shape).collect();
    let state = filled(&single.begin(&shapes), 0.7, 30);
    let outputs = x.len() + state.shapes().len();
    let at = (like.batches(), x, e, state.batches());
    for output in 0..outputs {
        let found = check(
            |(phi, x, e, s): (Vars<'_>, Vars<'_>, Vars<'_>, Vars<'_>)| {
                let phi = like.bind_all(&phi);
                let s = single.begin(&shapes).bind_all(&s);
                let r = m.egrad_to_rgrad(&x, Egrad(&e)).0;
                let (v, next) = single.step(m, &phi, &x, Gradients { egrad: Egrad(&e), rgrad: Rgrad(&r) }, &s);
                v.into_iter().chain(list(&next)).nth(output).unwrap()
            },
            &at,
        );
        found.seed(3).orders(1..=1).run().assert_ok();
    }
}

type Vars<'t> = Vec<Var<'t, f32>>;

/// One manifold over both scalars.
struct Places<'m>(&'m dyn Manifold<f64>, &'m dyn Manifold<f32>);

fn both<M: Manifold<f64> + Manifold<f32>>(m: &M) -> Places<'_> {
    Places(m, m)
}

#[test]
fn the_step_of_every_architecture() {
    let gm = GmLstm::new(GmLstmOptions { hidden: 3, start_as_descent: false, ..GmLstmOptions::new(4, 2) });
    let (a, b) = (Each::new(gm.clone(), Update::new(0.1)), Each::new(gm.over::<f32>(), Update::new(0.1)));
    same_and_checked(&a, &a.init(&mut rng(2)), &b, &b.init(&mut rng(2)), &both(&Grassmann::new(4, 2)));

    let rmm = Rmm::new(RmmOptions { hidden: 4, ..RmmOptions::paper(3) });
    let update = Update::as_printed();
    let (a, b) = (Each::new(rmm.clone(), update), Each::new(rmm.over::<f32>(), update));
    same_and_checked(&a, &a.init(&mut rng(2)), &b, &b.init(&mut rng(2)), &both(&Spd::new(3)));

    let net = Subspace::new(SubspaceOptions { hidden: 3, ..SubspaceOptions::paper(Sides::Both) });
    let (a, b) = (Each::new(net.clone(), Update::new(0.1)), Each::new(net.over::<f32>(), Update::new(0.1)));
    same_and_checked(&a, &a.init(&mut rng(2)), &b, &b.init(&mut rng(2)), &both(&Stiefel::new(4, 2)));
}

/// Smallest eigenvectors of diagonal matrices with noise.
struct Eigen;

impl<T: Scalar> Task<T> for Eigen {
    type Data = Batch<T>;
    fn sample(&self, _: Split, members: &[Member]) -> Batch<T> {
        let one = |m: &Member| -> Batch<T> {
            let e: Batch = gaussian(Shape::mat(6, 6), &mut m.key.rng());
            let e = e.member(0).to_owned();
            let entry = |i, j| (if i == j { i as f64 } else { 0.0 }) + 0.02 * (e[(i, j)] + e[(j, i)]);
            Batch::from_fn(Shape::mat(6, 6), |_, i, j| T::of(entry(i, j)))
        };
        let all: Vec<T> = members.iter().flat_map(|m| one(m).data().to_vec()).collect();
        Batch::from_slice(Shape::batch(members.len(), 6, 6), &all)
    }
    fn cost<'t>(&self, x: &[Var<'t, T>], a: &Batch<T>) -> Var<'t, T> {
        x[0].t_mul(x[0].tape().constant(a) * x[0]).trace()
    }
}

type Net<T> = Each<GmLstm<T>>;
type Run<'a, T> = Training<'a, Descent<Net<T>>, Eigen, T>;

fn network<T: Scalar>() -> Net<T> {
    Each::new(GmLstm::new(GmLstmOptions { hidden: 8, ..GmLstmOptions::new(6, 2) }).over(), Update::new(0.02))
}

const RSGD: Rsgd = Rsgd { step: 0.02 };

fn training<T: Scalar>(gr: &Grassmann, estimator: Estimator) -> Run<'_, T> {
    let options = TrainingOptions {
        horizon: Horizon::Steps(5),
        members: 4,
        group: 2,
        estimator,
        keep_state: true,
        refresh: None,
        outer: OuterRule::Adamax { rate: 1e-2 },
        ..TrainingOptions::default()
    };
    let fresh = network::<T>().init(&mut rng(1));
    Training::new(Descent(network()), fresh, gr, &Eigen, &[&RSGD as &dyn Method<T>], options)
}

/// The mean cost of twelve steps from fresh points, with these parameters.
fn score<T: Scalar>(params: &GmLstmParams<T>) -> f64 {
    let (gr, trained) = (Grassmann::new(6, 2), Trained::new(network::<T>(), params.clone()));
    let start: Vec<Batch<T>> = gr.random_point(6, &mut rng(99));
    let mut run = Rollout::new(&trained, &gr, &Eigen, &start, &[0; 6], 5);
    for _ in 0..12 {
        run.step().unwrap();
    }
    let test: Batch<T> = Eigen.sample(Split::Validation, &Member::list(&[0; 6], 1));
    run.cost(&test).unwrap().iter().sum::<f64>() / 6.0
}

#[test]
fn training_reaches_what_double_precision_reaches() {
    let gr = Grassmann::new(6, 2);
    for estimator in [Estimator::FixedPoint { terms: 4 }, Estimator::Unroll] {
        let (mut double, mut single) = (training::<f64>(&gr, estimator), training::<f32>(&gr, estimator));
        let (before, before_single) = (score(double.params()), score(single.params()));
        assert!((before - before_single).abs() < 1e-4, "{before} {before_single}");
        double.run(60, |_, _| ControlFlow::Continue(())).unwrap();
        single.run(60, |_, _| ControlFlow::Continue(())).unwrap();
        let (after, after_single) = (score(double.params()), score(single.params()));
        assert!(after < before - 0.1, "{estimator:?}: {before} {after}");
        // The runs are not the same after sixty steps, what they gained is.
        let gained = (before - after_single) / (before - after);
        assert!((gained - 1.0).abs() < 0.05, "{estimator:?}: {before} {after} {after_single}");
    }
}

fn bits(p: &impl Leaves<Scalar = f32>) -> Vec<u32> {
    p.batches().iter().flat_map(|b| b.data().iter().map(|x| x.to_bits()).collect::<Vec<_>>()).collect()
}

#[test]
fn a_run_is_the_same_on_any_number_of_threads_and_after_an_interruption() {
    let gr = Grassmann::new(6, 2);
    let start = || training::<f32>(&gr, Estimator::FixedPoint { terms: 4 });
    let go_on = |_: &Progress, _: &GmLstmParams<f32>| ControlFlow::Continue(());
    let (mut one, mut two) = (start(), start().threads(2));
    one.run(6, go_on).unwrap();
    two.run(3, go_on).unwrap();
    let text = two.checkpoint().to_text().unwrap();
    let mut three = start();
    three.resume(&TrainingCheckpoint::from_text(&text).unwrap()).unwrap();
    three.run(3, go_on).unwrap();
    assert_eq!(bits(one.params()), bits(three.params()));
    two.run(3, go_on).unwrap();
    assert_eq!(bits(one.params()), bits(two.params()));
    // A run in another scalar does not continue it, and says so.
    let wrong = training::<f64>(&gr, Estimator::FixedPoint { terms: 4 })
        .resume(&TrainingCheckpoint::from_text(&text).unwrap())
        .unwrap_err();
    assert_eq!(
        wrong.to_string(),
        "the checkpoint's scalar is f32, expected f64; continue it with the settings it was made with"
    );
}

#[test]
fn files_hold_the_scalar() {
    let net = network::<f32>();
    let trained = Trained::new(net.clone(), net.init(&mut rng(3)));
    let from = Provenance::over::<f32>(&Grassmann::new(6, 2), "noise");
    let bytes = trained.to_bytes(&from).unwrap();
    let read = Stored::<Net<f32>, f32>::from_bytes(&bytes).unwrap();
    assert!(read.trained == trained && read.provenance == from);
    assert!(read.on(&Grassmann::new(6, 2)).is_ok());
    let numbers = 4 * trained.parameter_count();
    assert!(bytes.len() > numbers && bytes.len() < numbers + 3000, "four bytes for each number");
    let wrong = Stored::<Net<f64>>::from_bytes(&bytes).unwrap_err().to_string();
    assert!(wrong.ends_with("holds F32, expected F64"), "{wrong}");
    let double = Trained::new(network::<f64>(), network::<f64>().init(&mut rng(3)));
    let wrong = Stored::<Net<f32>, f32>::from_bytes(&double.to_bytes(&from).unwrap()).unwrap_err().to_string();
    assert!(wrong.ends_with("holds F64, expected F32"), "{wrong}");
}
