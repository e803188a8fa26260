//! Training and its parts: the pool, failures, determinism, memory, and that something is learned.

use pullback::faer::Mat;
use pullback::prelude::*;
use pullback::{Leaves, Shape};
use pullback_implicit::{Estimator, agreement};
use pullback_learned::*;
use pullback_manifolds::{Grassmann, Manifold, gaussian, rng};
use pullback_optim::{Method, Momentum, Rsgd};
use rand::{Rng, RngExt};
use std::ops::ControlFlow;

/// Smallest eigenvectors of diagonal matrices, noisy; an instance shifts the diagonal.
struct Eigen {
    n: usize,
    noise: f64,
}

impl Task for Eigen {
    type Data = Batch;
    fn instance(&self, rng: &mut dyn Rng) -> u64 {
        rng.random_range(0..3)
    }
    fn sample(&self, _: Split, instances: &[u64], rng: &mut dyn Rng) -> Batch {
        let n = self.n;
        let e: Batch = gaussian(Shape::batch(instances.len(), n, n), rng);
        let diagonal = |b: usize, i: usize| ((i + instances[b] as usize) % n) as f64;
        Batch::from_fn(e.shape(), |b, i, j| {
            let noise = self.noise * (e.data()[(b * n + j) * n + i] + e.data()[(b * n + i) * n + j]);
            if i == j { diagonal(b, i) + noise } else { noise }
        })
    }
    fn cost<'t>(&self, x: Var<'t>, a: &Batch) -> Var<'t> {
        x.t_mul(x.tape().constant(a) * x).trace()
    }
}

const TASK: Eigen = Eigen { n: 6, noise: 0.02 };
const RSGD: Rsgd = Rsgd { step: 0.02 };
const MOMENTUM: Momentum = Momentum { step: 0.02, beta: 0.5 };

fn network() -> GmLstm {
    GmLstm::new(GmLstmOptions { hidden: 8, ..GmLstmOptions::new(6, 2, 0.02) })
}

fn options() -> TrainingOptions {
    TrainingOptions { inner_steps: 5, members: 4, ..TrainingOptions::default() }
}

fn go_on(_: &Progress, _: &GmLstmParams) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[test]
fn the_pool_is_a_bounded_queue_and_draws_without_repetition() {
    let mut pool = Pool::new(3);
    for k in 0..5 {
        pool.push(Entry { point: Batch::zeros(Shape::mat(1, 1)), state: vec![], instance: k });
    }
    assert_eq!(pool.entries().map(|e| e.instance).collect::<Vec<_>>(), [2, 3, 4]);
    let mut drawn: Vec<u64> = pool.draw(2, &mut rng(1)).iter().map(|e| e.instance).collect();
    drawn.sort_unstable();
    drawn.dedup();
    assert_eq!((drawn.len(), pool.len()), (2, 1));
    assert_eq!(pool.draw(9, &mut rng(1)).len(), 1);
    assert!(pool.is_empty() && pool.draw(1, &mut rng(1)).is_empty());
}

#[test]
fn a_warm_up_pushes_points_along_a_classical_run() {
    let gr = Grassmann::new(6, 2);
    let mut pool = Pool::new(100);
    let how = WarmUp { members: 3, steps: 40, push_after: 10, push_every: 15 };
    pool.warm_up(&gr, &Eigen { n: 6, noise: 0.0 }, &MOMENTUM, how, &mut rng(1)).unwrap();
    assert_eq!(pool.len(), 9);
    let entries: Vec<&Entry> = pool.entries().collect();
    for e in &entries {
        gr.check_point(std::slice::from_ref(&e.point)).unwrap();
    }
    let cost = |e: &Entry| {
        let a = TASK_WITHOUT_NOISE.sample(Split::Train, &[e.instance], &mut rng(1));
        pullback::value(|x: Var| TASK_WITHOUT_NOISE.cost(x, &a), &e.point).unwrap().data()[0]
    };
    for b in 0..3 {
        assert!(cost(entries[b]) > cost(entries[3 + b]) && cost(entries[3 + b]) > cost(entries[6 + b]));
        assert_eq!(entries[b].instance, entries[6 + b].instance);
    }
}
const TASK_WITHOUT_NOISE: Eigen = Eigen { n: 6, noise: 0.0 };

/// The mean cost of twelve steps from fresh points.
fn score(net: &GmLstm, params: &GmLstmParams) -> f64 {
    let gr = Grassmann::new(6, 2);
    let start = gr.random_point(6, &mut rng(99)).swap_remove(0);
    let instances = [0, 1, 2, 0, 1, 2];
    let mut run = Rollout::learned(net, params, &gr, &TASK, &start, &instances, 5);
    let test = TASK_WITHOUT_NOISE.sample(Split::Validation, &instances, &mut rng(1));
    for _ in 0..12 {
        run.step().unwrap();
    }
    run.cost(&test).unwrap().iter().sum::<f64>() / 6.0
}

#[test]
fn every_estimator_learns_to_beat_the_descent_it_starts_from() {
    let (gr, net) = (Grassmann::new(6, 2), network());
    let fresh = net.init(&mut rng(1));
    let before = score(&net, &fresh);
    for estimator in [Estimator::FixedPoint { terms: 4 }, Estimator::OneStep, Estimator::Unroll] {
        let mut training = Training::new(
            &net,
            fresh.clone(),
            &gr,
            &TASK,
            &[&RSGD],
            TrainingOptions { estimator, outer: Rule::Adamax { rate: 1e-2 }, ..options() },
        );
        training
            .run(60, |p, _| {
                assert!(p.failure.is_none());
                ControlFlow::Continue(())
            })
            .unwrap();
        let after = score(&net, training.params());
        assert!(after < before - 0.1, "{estimator:?}: {before} {after}");
    }
}

#[test]
fn training_is_the_same_twice_and_other_with_another_seed() {
    let (gr, net) = (Grassmann::new(6, 2), network());
    let train = |seed| {
        let mut t = Training::new(
            &net,
            net.init(&mut rng(1)),
            &gr,
            &TASK,
            &[&RSGD, &MOMENTUM],
            TrainingOptions { seed, refresh: Some(3), ..options() },
        );
        t.run(7, go_on).unwrap();
        t.into_params()
    };
    assert_eq!(train(1), train(1));
    assert_ne!(train(1), train(2));
}

#[test]
fn the_pool_is_filled_by_the_methods_in_turn() {
    let (gr, net) = (Grassmann::new(6, 2), network());
    let mut t = Training::new(
        &net,
        net.init(&mut rng(1)),
        &gr,
        &TASK,
        &[&RSGD, &MOMENTUM],
        TrainingOptions { refresh: Some(2), ..options() },
    );
    let mut filled = vec![];
    t.run(5, |p, _| {
        filled.push(p.filled_by.clone());
        ControlFlow::Continue(())
    })
    .unwrap();
    let (a, b) = (Some(Method::<f64>::name(&RSGD)), Some(Method::<f64>::name(&MOMENTUM)));
    assert_eq!(filled, [a.clone(), None, b, None, a]);
    let taken = t.run(5, |p, _| if p.step == 6 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }).unwrap();
    assert_eq!(taken, 2);
}

#[test]
fn states_go_back_to_the_pool_only_if_they_are_to_be_kept() {
    let (gr, net) = (Grassmann::new(6, 2), network());
    for keep_state in [false, true] {
        let mut t = Training::new(
            &net,
            net.init(&mut rng(1)),
            &gr,
            &TASK,
            &[&RSGD],
            TrainingOptions { keep_state, ..options() },
        );
        t.step().unwrap();
        let last = t.pool().entries().last().unwrap();
        assert_eq!(last.state.len(), if keep_state { 4 } else { 0 });
        for e in t.pool().entries() {
            gr.check_point(std::slice::from_ref(&e.point)).unwrap();
        }
    }
}

#[test]
fn a_failing_inner_loop_is_reported_and_changes_nothing() {
    // A cost that has no gradient at a rank-deficient point: steps of length 1e200 lose the rank.
    let gr = Grassmann::new(6, 2);
    let net = GmLstm::new(GmLstmOptions { hidden: 8, ..GmLstmOptions::new(6, 2, 1e200) });
    let fresh = net.init(&mut rng(1));
    let mut t = Training::new(&net, fresh.clone(), &gr, &TASK, &[&RSGD], options());
    let mut sizes = vec![];
    t.run(3, |p, _| {
        assert!(p.failure.is_some() && p.loss.is_none() && p.certificate.is_none());
        sizes.push(p.pool);
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(t.params(), &fresh);
    assert_eq!([sizes[0] - sizes[1], sizes[1] - sizes[2]], [4, 4]);
}

#[test]
fn a_warm_up_that_pushes_nothing_or_diverges_is_an_error() {
    let (gr, net) = (Grassmann::new(6, 2), network());
    let warm_up = WarmUp { members: 2, steps: 5, push_after: 6, push_every: 1 };
    let mut t =
        Training::new(&net, net.init(&mut rng(1)), &gr, &TASK, &[&RSGD], TrainingOptions { warm_up, ..options() });
    assert_eq!(t.step().unwrap_err(), Error::EmptyPool);
    let wild = Rsgd { step: 1e200 };
    let mut t = Training::new(&net, net.init(&mut rng(1)), &gr, &TASK, &[&wild], options());
    assert!(matches!(t.step(), Err(Error::Engine(_))));
}

#[test]
fn the_memory_of_meta_training_does_not_grow_with_the_inner_loop() {
    let (gr, net) = (Grassmann::new(6, 2), network());
    let bytes = |inner_steps, estimator| {
        let mut t = Training::new(
            &net,
            net.init(&mut rng(1)),
            &gr,
            &TASK,
            &[&RSGD],
            TrainingOptions { inner_steps, estimator, ..options() },
        );
        t.step().unwrap().bytes
    };
    let series = Estimator::FixedPoint { terms: 4 };
    assert_eq!(bytes(5, series), bytes(40, series));
    assert!(bytes(40, Estimator::Unroll) > 5 * bytes(5, series));
}

#[test]
fn freezing_the_state_changes_the_meta_gradient_and_not_the_loop() {
    let (gr, net) = (Grassmann::new(6, 2), network());
    let run = |freeze_state, estimator| {
        let params = GmLstm::new(GmLstmOptions { start_as_descent: false, ..net.options().clone() }).init(&mut rng(1));
        let mut t =
            Training::new(&net, params, &gr, &TASK, &[&RSGD], TrainingOptions { freeze_state, estimator, ..options() });
        let p = t.step().unwrap();
        (p.loss.unwrap(), p.gradient.unwrap())
    };
    for estimator in [Estimator::Unroll, Estimator::FixedPoint { terms: 4 }] {
        let (frozen, free) = (run(true, estimator), run(false, estimator));
        assert_eq!(frozen.0, free.0);
        assert!((frozen.1 - free.1).abs() > 1e-6 * free.1, "{estimator:?}");
    }
}

#[test]
fn a_zeroed_network_and_descent_roll_out_alike_on_equal_data() {
    let (gr, net) = (Grassmann::new(6, 2), network());
    let params = net.init(&mut rng(1));
    let start = gr.random_point(3, &mut rng(2)).swap_remove(0);
    let mut a = Rollout::learned(&net, &params, &gr, &TASK, &start, &[0, 1, 2], 5);
    let mut b = Rollout::classical(&RSGD, &gr, &TASK, &start, &[0, 1, 2], 5);
    for k in 0..10 {
        let (x, y) = (a.step().unwrap(), b.step().unwrap());
        assert!(x.data().iter().zip(y.data()).all(|(x, y)| (x - y).abs() < 1e-14), "step {k}");
    }
    assert_eq!((a.steps(), b.steps()), (10, 10));
    let _: Mat<f64> = a.point().member(0);
    assert!(params.shapes().len() > 10);
}

#[test]
fn estimators_are_compared_on_one_inner_loop_and_the_series_approaches_the_unroll() {
    // One minibatch without noise for the whole loop, from points far along a descent: the loop is near its fixed
    // point.
    let (gr, net) = (Grassmann::new(6, 2), GmLstm::new(GmLstmOptions { hidden: 8, ..GmLstmOptions::new(6, 2, 0.1) }));
    let options = TrainingOptions {
        inner_steps: 60,
        fresh_batches: false,
        warm_up: WarmUp { members: 4, steps: 300, push_after: 300, push_every: 1 },
        ..options()
    };
    let method = Rsgd { step: 0.1 };
    let params = net.init(&mut rng(1));
    let mut t = Training::new(&net, params.clone(), &gr, &TASK, &[&method], options);
    let list = [
        Estimator::Unroll,
        Estimator::OneStep,
        Estimator::FixedPoint { terms: 2 },
        Estimator::FixedPoint { terms: 59 },
    ];
    let found: Vec<_> = t.compare(&list).unwrap().into_iter().map(Result::unwrap).collect();
    assert!(found.iter().all(|d| (d.value - found[0].value).abs() < 1e-14));
    let error: Vec<f64> = found.iter().map(|d| agreement(&d.gradient, &found[0].gradient).relative_error).collect();
    assert!(error[3] < error[2] && error[2] < error[1], "{error:?}");
    assert_eq!((t.params(), t.pool().len()), (&params, 4));
}
