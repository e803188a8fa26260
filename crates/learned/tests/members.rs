//! States kept by member, schedules and counters: optimisers and tasks so simple that every number of a run is known.

use pullback::prelude::*;
use pullback::{Batch, Shape};
use pullback_implicit::Estimator;
use pullback_learned::*;
use pullback_manifolds::{Euclidean, Grassmann, Manifold, rng};
use pullback_optim::{Method, Momentum, Rsgd};
use rand::{Rng, RngExt};
use smallvec::{SmallVec, smallvec};
use std::cell::RefCell;
use std::ops::ControlFlow;

/// Steps along `phi egrad + keep state`, whose state adds up the points it has seen.
#[derive(Debug)]
struct Sum {
    keep: f64,
}

impl LearnedOptimizer for Sum {
    type Params = f64;
    fn state(&self, points: Shape) -> SmallVec<[Shape; 4]> {
        smallvec![points]
    }
    fn step<'t>(
        &self,
        _: &dyn Manifold,
        phi: &ParamVars<'t, Self>,
        x: Var<'t>,
        egrad: Var<'t>,
        state: &[Var<'t>],
    ) -> (Var<'t>, State<'t>) {
        (*phi * egrad + state[0] * self.keep, smallvec![state[0] + x])
    }
}

/// The cost `d x` of a point `x` of one number, with a random slope `d`, which it remembers.
#[derive(Debug, Default)]
struct Slope {
    drawn: RefCell<Vec<f64>>,
}

impl Task for Slope {
    type Data = f64;
    fn instance(&self, rng: &mut dyn Rng) -> u64 {
        rng.random_range(0..1000)
    }
    fn sample(&self, split: Split, _: &[u64], rng: &mut dyn Rng) -> f64 {
        let d = 1.0 + rng.random::<f64>();
        if split == Split::Train {
            self.drawn.borrow_mut().push(d);
        }
        d
    }
    fn cost<'t>(&self, x: Var<'t>, d: &f64) -> Var<'t> {
        x * *d
    }
}

const FLAT: fn() -> Euclidean = || Euclidean::new(1, 1);
const STILL: Rsgd = Rsgd { step: 0.0 };

fn options() -> TrainingOptions {
    TrainingOptions {
        inner_steps: 3,
        members: 3,
        estimator: Estimator::Unroll,
        keep_state: true,
        outer: Rule::Adam { rate: 0.0 },
        clip: None,
        warm_up: WarmUp { members: 7, steps: 0, push_after: 0, push_every: 1 },
        refresh: None,
        ..TrainingOptions::default()
    }
}

fn number(b: &Batch) -> f64 {
    b.data()[0]
}

#[test]
fn kept_states_stay_with_their_member() {
    // Nothing moves, so the state of a point is the point, as often as it was stepped from.
    let (flat, task, net) = (FLAT(), Slope::default(), Sum { keep: 0.0 });
    let mut t = Training::new(&net, 0.0, &flat, &task, &[&STILL], options());
    let mut often = vec![];
    for _ in 0..12 {
        t.step().unwrap();
        assert_eq!(t.pool().len(), 7);
        for e in t.pool().entries().filter(|e| !e.state.is_empty()) {
            let times = number(&e.state[0]) / number(&e.point);
            assert!((times / 3.0 - (times / 3.0).round()).abs() < 1e-12 && times > 2.5, "{times} times");
            often.push(times.round() as i64);
        }
    }
    // Members came and went, so that their states are of different age: else nothing was tested.
    often.sort_unstable();
    often.dedup();
    assert!(often.len() > 3, "{often:?}");
}

#[test]
fn points_and_instances_stay_together() {
    let (flat, task, net) = (FLAT(), Slope::default(), Sum { keep: 0.0 });
    let mut t = Training::new(&net, 0.0, &flat, &task, &[&STILL], options());
    let pairs = |t: &Training<'_, Sum, Slope>| {
        let mut all: Vec<(u64, u64)> = t.pool().entries().map(|e| (e.instance, number(&e.point).to_bits())).collect();
        all.sort_unstable();
        all
    };
    t.step().unwrap();
    let before = pairs(&t);
    for _ in 0..5 {
        t.step().unwrap();
        assert_eq!(pairs(&t), before);
    }
    assert!(before.windows(2).all(|w| w[0].1 != w[1].1), "the points differ");
}

#[test]
fn every_inner_step_has_its_own_minibatch() {
    // x <- x + phi d_t, so what a member moves by is phi times the sum of the slopes that were drawn.
    let (flat, net) = (FLAT(), Sum { keep: 0.0 });
    for fresh_batches in [true, false] {
        let task = Slope::default();
        let options = TrainingOptions {
            members: 1,
            fresh_batches,
            warm_up: WarmUp { members: 1, steps: 0, push_after: 0, push_every: 1 },
            ..options()
        };
        let mut t = Training::new(&net, -0.5, &flat, &task, &[&STILL], options);
        t.step().unwrap();
        let mut x = number(&t.pool().entries().next().unwrap().point);
        for _ in 0..4 {
            task.drawn.borrow_mut().clear();
            t.step().unwrap();
            let slopes = task.drawn.borrow();
            let sum = if fresh_batches { slopes.iter().sum() } else { 3.0 * slopes[0] };
            assert_eq!(slopes.len(), if fresh_batches { 3 } else { 1 });
            x -= 0.5 * sum;
            assert!((number(&t.pool().entries().next().unwrap().point) - x).abs() < 1e-12);
        }
    }
}

/// The cost `x`: all gradients are one.
#[derive(Debug)]
struct Linear;
impl Task for Linear {
    type Data = ();
    fn sample(&self, _: Split, _: &[u64], _: &mut dyn Rng) {}
    fn cost<'t>(&self, x: Var<'t>, (): &()) -> Var<'t> {
        x * 1.0
    }
}

#[test]
fn the_outer_rate_decays_when_it_is_due() {
    // The meta-gradient is the number of inner steps, always; with constant gradients each step of Adam or Adamax has
    // the length of its rate.
    let (flat, net) = (FLAT(), Sum { keep: 0.0 });
    for outer in [Rule::Adam { rate: 0.1 }, Rule::Adamax { rate: 0.1 }] {
        for (decay, factors) in [
            (None, [1.0; 6]),
            (Some((0.5, 2)), [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]),
            (Some((0.5, 1)), [1.0, 0.5, 0.25, 0.125, 0.0625, 0.03125]),
            (Some((0.5, 5)), [1.0, 1.0, 1.0, 1.0, 1.0, 0.5]),
        ] {
            let mut t =
                Training::new(&net, 0.0, &flat, &Linear, &[&STILL], TrainingOptions { outer, decay, ..options() });
            let mut phi = 0.0;
            t.run(6, |p, now| {
                assert!((p.gradient.unwrap() - 3.0).abs() < 1e-12);
                phi -= 0.1 * factors[p.step];
                assert!((now - phi).abs() < 1e-8, "{outer:?}, {decay:?}, step {}: {now} {phi}", p.step);
                ControlFlow::Continue(())
            })
            .unwrap();
        }
    }
}

#[test]
fn a_rollout_carries_the_state_of_every_member() {
    // x <- x + s, s <- s + x, from s = 0.
    let (flat, net) = (FLAT(), Sum { keep: 1.0 });
    let start = Batch::from_slice(Shape::batch(3, 1, 1), &[1.0, -2.0, 5.0]);
    let mut run = Rollout::learned(&net, &0.0, &flat, &Linear, &start, &[0; 3], 1);
    let mut by_hand = [1.0, -2.0, 5.0].map(|x| (x, 0.0));
    for _ in 0..5 {
        run.step().unwrap();
        for (b, (x, s)) in by_hand.iter_mut().enumerate() {
            (*x, *s) = (*x + *s, *s + *x);
            assert_eq!(run.point().data()[b], *x);
        }
    }
}

/// The cost `x²`, plus `i x` for instance `i`.
#[derive(Debug)]
struct Square;
impl Task for Square {
    type Data = Batch;
    fn instance(&self, rng: &mut dyn Rng) -> u64 {
        rng.random_range(0..5)
    }
    fn sample(&self, _: Split, instances: &[u64], _: &mut dyn Rng) -> Batch {
        Batch::from_fn(Shape::batch(instances.len(), 1, 1), |b, _, _| instances[b] as f64)
    }
    fn cost<'t>(&self, x: Var<'t>, i: &Batch) -> Var<'t> {
        x * x + x.hadamard(x.tape().constant(i))
    }
}

#[test]
fn a_warm_up_is_the_run_of_its_method_for_every_member() {
    let flat = FLAT();
    let how = WarmUp { members: 4, steps: 9, push_after: 0, push_every: 1 };
    let (step, beta) = (0.1, 0.7);
    for method in [&Momentum { step, beta } as &dyn Method, &Rsgd { step }] {
        let mut pool = Pool::new(100);
        pool.warm_up(&flat, &Square, method, how, &mut rng(3)).unwrap();
        let all: Vec<&Entry> = pool.entries().collect();
        assert_eq!(all.len(), 40);
        for b in 0..4 {
            let kept = if method.name().starts_with("RSGDM") { beta } else { 0.0 };
            let (mut x, mut m) = (number(&all[b].point), 0.0);
            for t in 0..10 {
                let e = all[4 * t + b];
                assert!((number(&e.point) - x).abs() < 1e-14, "{} member {b}, step {t}", method.name());
                m = kept * m + 2.0 * x + e.instance as f64;
                x -= step * m;
            }
        }
    }
}

#[test]
fn a_network_normalises_the_state_of_every_member() {
    let gr = Grassmann::new(5, 2);
    let net = GmLstm::new(GmLstmOptions { hidden: 4, ..GmLstmOptions::new(5, 2, 0.1) });
    let params = net.init(&mut rng(1));
    let x = gr.random_point(3, &mut rng(2)).swap_remove(0);
    // Gradients of very different size.
    let g = Batch::from_fn(x.shape(), |b, i, j| ((7 * b + 3 * i + j) as f64).sin() * 10f64.powi(3 * b as i32));
    let tape = Tape::plain();
    let mut leaves = pullback::Leaves::batches(&params).into_iter();
    let phi = pullback::Leaves::bind(&params, &mut || tape.constant(&leaves.next().unwrap()));
    let zeros: Vec<Var<'_>> = (0..4).map(|_| tape.constant(&Batch::zeros(x.shape()))).collect();
    let (_, state) = net.step(&gr, &phi, tape.constant(&x), tape.constant(&g), &zeros);
    for s in &state {
        for b in 0..3 {
            assert!((s.value().member(b).norm_l2() - 1.0).abs() < 1e-12);
        }
    }
}

#[test]
fn a_pool_that_a_comparison_filled_is_not_filled_again() {
    let (flat, task, net) = (FLAT(), Slope::default(), Sum { keep: 0.0 });
    let options = TrainingOptions { refresh: Some(2), ..options() };
    let mut t = Training::new(&net, 0.0, &flat, &task, &[&STILL], options);
    t.compare(&[Estimator::OneStep]).unwrap();
    let filled: Vec<bool> = (0..5).map(|_| t.step().unwrap().filled_by.is_some()).collect();
    assert_eq!(filled, [false, false, true, false, true]);
}
