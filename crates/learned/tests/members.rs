//! States kept by member, schedules and counters: optimisers and tasks so simple that every number of a run is known.

use pullback::prelude::*;
use pullback::{Batch, Shape};
use pullback_implicit::Estimator;
use pullback_learned::*;
use pullback_manifolds::{Egrad, Euclidean, Grassmann, Manifold, Parts, Product, Rgrad, rng};
use pullback_optim::{Method, Momentum, Rsgd};
use rand::{Rng, RngExt};
use std::ops::ControlFlow;
use std::sync::Mutex;

/// Steps along `phi egrad + keep state`, whose state adds up the points it has seen, from `first`.
#[derive(Debug, Clone, PartialEq)]
struct Sum {
    keep: f64,
    first: f64,
}

const fn sum(keep: f64) -> Sum {
    Sum { keep, first: 0.0 }
}

impl LearnedOptimizer for Sum {
    type Params = f64;
    type State = Vec<Batch>;
    fn name(&self) -> String {
        "sum".into()
    }
    fn begin(&self, points: &[Shape]) -> Vec<Batch> {
        points.iter().map(|s| Batch::from_fn(*s, |_, _, _| self.first)).collect()
    }
    fn step<'t>(
        &self,
        _: &dyn Manifold,
        phi: &ParamVars<'t, Self>,
        x: &[Var<'t>],
        g: Gradients<'_, 't>,
        state: &StateVars<'t, Self>,
    ) -> (Parts<'t>, StateVars<'t, Self>) {
        let v = g.egrad.0.iter().zip(state).map(|(e, s)| e.hadamard(*phi) + *s * self.keep).collect();
        (v, state.iter().zip(x).map(|(s, x)| *s + *x).collect())
    }
}

/// The cost `d x` of a point `x` of one number, with a random slope `d`, which it remembers.
#[derive(Debug, Default)]
struct Slope {
    drawn: Mutex<Vec<f64>>,
}

impl Task for Slope {
    type Data = Batch;
    fn instance(&self, rng: &mut dyn Rng) -> u64 {
        rng.random_range(0..1000)
    }
    fn sample(&self, split: Split, members: &[Member]) -> Batch {
        let d: Vec<f64> = members.iter().map(|m| 1.0 + m.key.rng().random::<f64>()).collect();
        if split == Split::Train {
            self.drawn.lock().unwrap().extend(&d);
        }
        Batch::from_slice(Shape::batch(d.len(), 1, 1), &d)
    }
    fn cost<'t>(&self, x: &[Var<'t>], d: &Batch) -> Var<'t> {
        x[0].hadamard(x[0].tape().constant(d))
    }
}

const FLAT: fn() -> Euclidean = || Euclidean::new(1, 1);
const STILL: Rsgd = Rsgd { step: 0.0 };

fn options() -> TrainingOptions {
    TrainingOptions {
        horizon: Horizon::Steps(3),
        members: 3,
        group: 2,
        estimator: Estimator::Unroll,
        keep_state: true,
        outer: OuterRule::Adam { rate: 0.0 },
        clip: None,
        warm_up: WarmUp { members: 7, steps: 0, push_after: 0, push_every: 1 },
        refresh: None,
        ..TrainingOptions::default()
    }
}

fn number(b: &[Batch]) -> f64 {
    b[0].data()[0]
}

#[test]
fn kept_states_stay_with_their_member() {
    // Nothing moves, so the state of a point is the point, as often as it was stepped from.
    let (flat, task) = (FLAT(), Slope::default());
    let mut t = Training::new(Descent(sum(0.0)), 0.0, &flat, &task, &[&STILL], options());
    let mut often = vec![];
    for _ in 0..12 {
        t.step().unwrap();
        assert_eq!(t.state().pool.len(), 7);
        for e in t.state().pool.entries().filter(|e| !e.state.is_empty()) {
            let times = number(&e.state) / number(&e.point);
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
    let (flat, task) = (FLAT(), Slope::default());
    let mut t = Training::new(Descent(sum(0.0)), 0.0, &flat, &task, &[&STILL], options());
    let pairs = |t: &Training<'_, Descent<Sum>, Slope>| {
        let of = |e: &Entry| (e.instance, number(&e.point).to_bits());
        let mut all: Vec<(u64, u64)> = t.state().pool.entries().map(of).collect();
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
    let flat = FLAT();
    for fresh_batches in [true, false] {
        let task = Slope::default();
        let warm_up = WarmUp { members: 1, steps: 0, push_after: 0, push_every: 1 };
        let o = TrainingOptions { members: 1, fresh_batches, warm_up, ..options() };
        let mut t = Training::new(Descent(sum(0.0)), -0.5, &flat, &task, &[&STILL], o);
        t.step().unwrap();
        let point = |t: &Training<'_, Descent<Sum>, Slope>| number(&t.state().pool.entries().next().unwrap().point);
        let mut x = point(&t);
        let mut seen = vec![];
        for _ in 0..4 {
            task.drawn.lock().unwrap().clear();
            t.step().unwrap();
            let slopes = task.drawn.lock().unwrap();
            assert_eq!(slopes.len(), 3);
            assert_eq!(slopes[0] == slopes[1] && slopes[1] == slopes[2], !fresh_batches);
            x -= 0.5 * slopes.iter().sum::<f64>();
            assert!((point(&t) - x).abs() < 1e-12);
            seen.push(slopes[0].to_bits());
        }
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 4, "each step of training draws anew");
    }
}

#[test]
fn no_two_members_share_a_minibatch() {
    let flat = FLAT();
    let distinct = |slopes: &[f64]| slopes.iter().map(|d| d.to_bits()).collect::<std::collections::HashSet<_>>().len();
    let mut sorted = vec![];
    for group in [1, 2, 3] {
        let task = Slope::default();
        let warm_up = WarmUp { members: 7, steps: 4, push_after: 4, push_every: 1 };
        let o = TrainingOptions { warm_up, group, ..options() };
        let mut t = Training::new(Descent(sum(0.0)), 0.0, &flat, &task, &[&STILL], o);
        // Nothing is estimated: what was drawn is the warm-up's, one slope for each member and step.
        t.compare(&[]).unwrap();
        let mut slopes = std::mem::take(&mut *task.drawn.lock().unwrap());
        assert_eq!((slopes.len(), distinct(&slopes)), (28, 28));
        // Three members and three inner steps, in groups of any size: the same nine slopes.
        t.step().unwrap();
        let mut inner = std::mem::take(&mut *task.drawn.lock().unwrap());
        assert_eq!((inner.len(), distinct(&inner)), (9, 9));
        inner.sort_by(f64::total_cmp);
        sorted.push(inner.clone());
        slopes.append(&mut inner);
        assert_eq!(distinct(&slopes), 37, "what a warm-up has seen is not drawn again");
    }
    assert!(sorted.windows(2).all(|s| s[0] == s[1]), "a member's data depends on its group: {sorted:?}");
}

/// The cost `x`: all gradients are one.
#[derive(Debug)]
struct Linear;
impl Task for Linear {
    type Data = ();
    fn sample(&self, _: Split, _: &[Member]) {}
    fn cost<'t>(&self, x: &[Var<'t>], (): &()) -> Var<'t> {
        x[0] * 1.0
    }
    /// Three times that.
    fn outer<'t>(&self, x: &[Var<'t>], (): &()) -> Var<'t> {
        x[0] * 3.0
    }
}

#[test]
fn the_outer_rate_decays_when_it_is_due_and_the_outer_loss_is_its_own() {
    // The meta-gradient is three times the number of inner steps, always; with constant gradients each step of Adam or
    // Adamax has the length of its rate.
    let flat = FLAT();
    for outer in [OuterRule::Adam { rate: 0.1 }, OuterRule::Adamax { rate: 0.1 }, OuterRule::Sgd { rate: 0.1 / 9.0 }] {
        for (decay, factors) in [
            (None, [1.0; 6]),
            (Some((0.5, 2)), [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]),
            (Some((0.5, 1)), [1.0, 0.5, 0.25, 0.125, 0.0625, 0.03125]),
            (Some((0.5, 5)), [1.0, 1.0, 1.0, 1.0, 1.0, 0.5]),
        ] {
            let o = TrainingOptions { outer, decay, ..options() };
            let mut t = Training::new(Descent(sum(0.0)), 0.0, &flat, &Linear, &[&STILL], o);
            let mut phi = 0.0;
            t.run(6, |p, now| {
                assert!((p.gradient.unwrap() - 9.0).abs() < 1e-12);
                phi -= 0.1 * factors[p.step];
                assert!((now - phi).abs() < 1e-8, "{outer:?}, {decay:?}, step {}: {now} {phi}", p.step);
                ControlFlow::Continue(())
            })
            .unwrap();
        }
    }
}

#[test]
fn gradients_are_shortened_by_group_and_as_a_whole() {
    let flat = FLAT();
    let moved = |clip_each, clip| {
        let o = TrainingOptions { outer: OuterRule::Sgd { rate: 1.0 }, clip_each, clip, ..options() };
        let mut t = Training::new(Descent(sum(0.0)), 0.0, &flat, &Linear, &[&STILL], o);
        t.step().unwrap();
        *t.params()
    };
    assert!((moved(None, None) + 9.0).abs() < 1e-12);
    assert!((moved(None, Some(2.0)) + 2.0).abs() < 1e-12);
    assert!((moved(Some(4.0), None) + 4.0).abs() < 1e-12);
    assert!((moved(Some(100.0), Some(100.0)) + 9.0).abs() < 1e-12);
}

#[test]
fn a_rollout_carries_the_state_of_every_member_from_where_it_begins() {
    // x <- x + s, s <- s + x, from s = 0 and from s = 2.
    let flat = FLAT();
    for first in [0.0, 2.0] {
        let trained = Trained::new(Sum { keep: 1.0, first }, 0.0);
        let start = [Batch::from_slice(Shape::batch(3, 1, 1), &[1.0, -2.0, 5.0])];
        let mut run = Rollout::new(&trained, &flat, &Linear, &start, &[0; 3], 1);
        let mut by_hand = [1.0, -2.0, 5.0].map(|x| (x, first));
        for _ in 0..5 {
            run.step().unwrap();
            for (b, (x, s)) in by_hand.iter_mut().enumerate() {
                (*x, *s) = (*x + *s, *s + *x);
                assert_eq!(run.point()[0].data()[b], *x);
                assert_eq!(run.state()[0].data()[b], *s);
            }
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
    fn sample(&self, _: Split, members: &[Member]) -> Batch {
        Batch::from_fn(Shape::batch(members.len(), 1, 1), |b, _, _| members[b].instance as f64)
    }
    fn cost<'t>(&self, x: &[Var<'t>], i: &Batch) -> Var<'t> {
        x[0] * x[0] + x[0].hadamard(x[0].tape().constant(i))
    }
}

#[test]
fn a_warm_up_is_the_run_of_its_method_for_every_member() {
    let flat = FLAT();
    let warm_up = WarmUp { members: 4, steps: 9, push_after: 0, push_every: 1 };
    let (step, beta) = (0.1, 0.7);
    for method in [&Momentum { step, beta } as &dyn Method, &Rsgd { step }] {
        let o = TrainingOptions { warm_up, members: 1, seed: 3, ..options() };
        let mut t = Training::new(Descent(sum(0.0)), 0.0, &flat, &Square, &[method], o);
        t.compare(&[]).unwrap();
        let mut runs: Vec<(u64, f64)> = t.state().pool.entries().map(|e| (e.instance, number(&e.point))).collect();
        assert_eq!(runs.len(), 40);
        // One was drawn and put back at the end; the pool is a queue otherwise. Follow each member's run.
        for _ in 0..4 {
            let kept = if method.name().starts_with("RSGDM") { beta } else { 0.0 };
            let (instance, first) = runs[0];
            let (mut x, mut m) = (first, 0.0);
            for t in 0..10 {
                let at = runs.iter().position(|(i, y)| *i == instance && (y - x).abs() < 1e-13);
                let at = at.unwrap_or_else(|| panic!("{}: step {t} of instance {instance} is missing", method.name()));
                runs.remove(at);
                m = kept * m + 2.0 * x + instance as f64;
                x -= step * m;
            }
        }
        assert!(runs.is_empty());
    }
}

#[test]
fn networks_normalise_the_state_and_follow_units_for_every_member() {
    let gr = Grassmann::new(5, 2);
    let options = GmLstmOptions { hidden: 4, start_as_descent: false, ..GmLstmOptions::new(5, 2) };
    let net = Each::new(GmLstm::new(options), Update::new(0.1));
    let trained = Trained::new(net.clone(), net.init(&mut rng(1)));
    let x = Manifold::<f64>::random_point(&gr, 3, &mut rng(2)).swap_remove(0);
    // Gradients of very different size.
    let g = Batch::from_fn(x.shape(), |b, i, j| ((7 * b + 3 * i + j) as f64).sin() * 10f64.powi(3 * b as i32));
    let step = |unit: f64| {
        let tape = Tape::plain();
        let (x, g) = (tape.constant(&x), tape.constant(&g) * unit);
        let s: Vec<Var<'_>> = Method::begin(&trained, &[x.shape()]).iter().map(|s| tape.constant(s)).collect();
        let r = Manifold::egrad_to_rgrad(&gr, &[x], Egrad(&[g])).0;
        let (v, _) = net.step(
            &gr,
            &pullback::Leaves::bind_all(
                &trained.parameters,
                &pullback::Leaves::batches(&trained.parameters).iter().map(|b| tape.constant(b)).collect::<Vec<_>>(),
            ),
            &[x],
            Gradients { egrad: Egrad(&[g]), rgrad: Rgrad(&r) },
            &pullback::Leaves::bind_all(&net.begin(&[x.shape()]), &s),
        );
        let (_, state) = trained.step_with(&gr, &[x], Egrad(&[g]), Rgrad(&r), &s);
        (v[0].value(), state.iter().map(Var::value).collect::<Vec<_>>())
    };
    let (v, state) = step(1.0);
    for s in &state {
        for b in 0..3 {
            assert!((s.member(b).norm_l2() - 1.0).abs() < 1e-12);
        }
    }
    let (w, moved) = step(1e6);
    for b in 0..3 {
        let (v, w) = (v.member(b) * 1e6, w.member(b));
        assert!((&v - &w).norm_l2() < 1e-8 * w.norm_l2());
    }
    assert!(state.iter().zip(&moved).all(|(s, t)| s.data().iter().zip(t.data()).all(|(a, b)| (a - b).abs() < 1e-9)));
}

/// `|x_0 - 1|² + |x_1|²` over a product of spaces of different sizes.
#[derive(Debug)]
struct Pair;
impl Task for Pair {
    type Data = ();
    fn sample(&self, _: Split, _: &[Member]) {}
    fn cost<'t>(&self, x: &[Var<'t>], (): &()) -> Var<'t> {
        let y = x[0] - 1.0;
        y.dot(y) + x[1].dot(x[1])
    }
}

#[test]
fn products_are_trained_on_with_shared_parameters() {
    let m = Product::new((Euclidean::new(3, 2), Euclidean::new(1, 4)));
    let net =
        Each::new(Subspace::new(SubspaceOptions { hidden: 4, ..SubspaceOptions::new(Sides::Both) }), Update::new(0.05));
    let fresh = net.init(&mut rng(1));
    let o = TrainingOptions { outer: OuterRule::Adam { rate: 1e-2 }, ..options() };
    let mut t = Training::new(Descent(net), fresh.clone(), &m, &Pair, &[&Rsgd { step: 0.05 }], o);
    let p = t.step().unwrap();
    assert!(p.dropped.is_empty() && p.gradient.unwrap() > 0.0 && p.loss.unwrap() < p.before.unwrap());
    assert!(t.state().pool.entries().all(|e| e.point.len() == 2));
    assert_ne!(t.params(), &fresh);
}

#[test]
fn the_pool_is_a_bounded_queue_and_draws_without_repetition() {
    let mut pool = Pool::new(3);
    for k in 0..5 {
        pool.push(Entry { point: Default::default(), state: Default::default(), instance: k });
    }
    assert_eq!(pool.entries().map(|e| e.instance).collect::<Vec<_>>(), [2, 3, 4]);
    let mut drawn: Vec<u64> = pool.draw(2, &mut rng(1)).iter().map(|e| e.instance).collect();
    drawn.sort_unstable();
    drawn.dedup();
    assert_eq!((drawn.len(), pool.len()), (2, 1));
    assert_eq!(pool.draw(9, &mut rng(1)).len(), 1);
    assert!(pool.is_empty() && pool.draw(1, &mut rng(1)).is_empty());
}
