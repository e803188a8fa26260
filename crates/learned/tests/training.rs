//! Training and its parts: determinism, workers, resuming, failures alone, suspicion, memory, and that something is
//! learned.

use pullback::faer::Mat;
use pullback::prelude::*;
use pullback::{Leaves, Shape};
use pullback_implicit::{Estimator, agreement};
use pullback_learned::*;
use pullback_manifolds::{Grassmann, Manifold, Spd, gaussian, rng};
use pullback_optim::{Method, Momentum, Rsgd};
use rand::{Rng, RngExt};
use std::ops::ControlFlow;
use std::sync::Mutex;

/// Smallest eigenvectors of diagonal matrices, noisy; an instance shifts the diagonal. Instances from 100 on have a
/// cost that is infinite.
struct Eigen {
    n: usize,
    noise: f64,
    bad: bool,
    alive: Mutex<(usize, usize)>,
}

const fn eigen(noise: f64) -> Eigen {
    Eigen { n: 6, noise, bad: false, alive: Mutex::new((0, 0)) }
}

/// Counts how many minibatches exist at once.
struct Counted<'a>(Batch, &'a Mutex<(usize, usize)>);
impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.1.lock().unwrap().0 -= 1;
    }
}

impl<'a> Task for &'a Eigen {
    type Data = Counted<'a>;
    fn instance(&self, rng: &mut dyn Rng) -> u64 {
        let k = rng.random_range(0..3);
        if self.bad && k == 2 { 102 } else { k }
    }
    fn sample(&self, _: Split, members: &[Member]) -> Counted<'a> {
        let n = self.n;
        let one = |m: &Member| {
            let e: Batch = gaussian(Shape::mat(n, n), &mut m.key.rng());
            let e = e.member(0);
            Mat::from_fn(n, n, |i, j| {
                let d = if i == j { ((i + m.instance as usize) % n) as f64 } else { 0.0 };
                let d = if m.instance >= 100 { d * 1e300 * 1e10 } else { d };
                d + self.noise * (e[(i, j)] + e[(j, i)])
            })
        };
        let mut alive = self.alive.lock().unwrap();
        alive.0 += 1;
        alive.1 = alive.1.max(alive.0);
        Counted(Batch::stack(&members.iter().map(one).collect::<Vec<_>>()), &self.alive)
    }
    fn cost<'t>(&self, x: &[Var<'t>], a: &Counted<'a>) -> Var<'t> {
        x[0].t_mul(x[0].tape().constant(&a.0) * x[0]).trace()
    }
}

const RSGD: Rsgd = Rsgd { step: 0.02 };
const MOMENTUM: Momentum = Momentum { step: 0.02, beta: 0.5 };
const BOTH: [&dyn Method; 2] = [&RSGD, &MOMENTUM];

fn network() -> Each<GmLstm> {
    Each::new(GmLstm::new(GmLstmOptions { hidden: 8, ..GmLstmOptions::new(6, 2) }), Update::new(0.02))
}

fn options() -> TrainingOptions {
    TrainingOptions {
        horizon: Horizon::Steps(5),
        members: 4,
        group: 2,
        estimator: Estimator::FixedPoint { terms: 4 },
        refresh: Some(3),
        keep_state: true,
        ..TrainingOptions::default()
    }
}

fn go_on<P>(_: &Progress, _: &P) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Bits of all parameters.
fn bits(p: &impl Leaves<Scalar = f64>) -> Vec<u64> {
    p.batches().iter().flat_map(|b| b.data().iter().map(|x| x.to_bits()).collect::<Vec<_>>()).collect()
}

#[test]
fn any_number_of_threads_gives_the_same_bits_and_another_seed_others() {
    let (gr, task, net) = (Grassmann::new(6, 2), eigen(0.02), network());
    let task = &task;
    let train = |threads, seed, group| {
        let options = TrainingOptions { seed, group, members: 5, horizon: Horizon::LogUniform(2, 7), ..options() };
        let mut t =
            Training::new(Descent(net.clone()), net.init(&mut rng(1)), &gr, &task, &BOTH, options).threads(threads);
        let mut said = vec![];
        t.run(7, |p, _| {
            said.push(format!("{:?} {:?} {:?} {} {}", p.loss, p.before, p.rho, p.horizon, p.pool));
            ControlFlow::Continue(())
        })
        .unwrap();
        (bits(t.params()), said)
    };
    let one = train(1, 1, 1);
    assert_eq!(one, train(2, 1, 1));
    assert_eq!(one, train(4, 1, 1));
    assert_ne!(one.0, train(1, 2, 1).0);
    // The size of a group regroups sums, and no more.
    let grouped = train(3, 1, 3);
    let apart = |a: u64, b: u64| (f64::from_bits(a) - f64::from_bits(b)).abs();
    assert!(one.0.iter().zip(&grouped.0).all(|(a, b)| apart(*a, *b) < 2e-2));
}

#[test]
fn an_interrupted_run_continues_bit_for_bit() {
    let (gr, task, net) = (Grassmann::new(6, 2), eigen(0.02), network());
    let task = &task;
    let fresh = || Training::new(Descent(net.clone()), net.init(&mut rng(1)), &gr, &task, &BOTH, options());
    let mut whole = fresh();
    whole.run(8, go_on).unwrap();
    for stop in [0, 1, 4, 6] {
        let mut first = fresh();
        first.run(stop, go_on).unwrap();
        first.offer(stop as f64);
        let text = first.checkpoint().to_text().unwrap();
        let mut second = fresh().threads(2);
        second.resume(&TrainingCheckpoint::from_text(&text).unwrap()).unwrap();
        assert_eq!(bits(&second.best().unwrap()), bits(first.params()));
        second.run(8 - stop, go_on).unwrap();
        assert_eq!(bits(second.params()), bits(whole.params()), "stopped after {stop}");
        assert_eq!(second.state().pool, whole.state().pool);
    }
    // The parameters a run is made with do not matter once it is resumed: they are in the checkpoint.
    let path = std::env::temp_dir().join(format!("pullback-training-{}.json", std::process::id()));
    whole.checkpoint().save(&path).unwrap();
    let read = TrainingCheckpoint::load(&path);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(read.unwrap(), whole.checkpoint());
    for n in [0, 1, 10, text.len() / 2, text.len() - 1] {
        assert!(matches!(TrainingCheckpoint::from_text(&text[..n]), Err(Error::Unreadable(_))), "{n} bytes");
    }
    assert!(TrainingCheckpoint::load(&path).unwrap_err().to_string().contains("pullback-training"));
}

#[test]
fn a_checkpoint_of_another_run_says_what_differs() {
    let (gr, task, net) = (Grassmann::new(6, 2), eigen(0.02), network());
    let task = &task;
    let saved = Training::new(Descent(net.clone()), net.init(&mut rng(1)), &gr, &task, &BOTH, options()).checkpoint();
    let with = |o: TrainingOptions, gr: &Grassmann, net: &Each<GmLstm>| {
        let mut t = Training::new(Descent(net.clone()), net.init(&mut rng(1)), gr, &task, &BOTH, o);
        t.resume(&saved).unwrap_err().to_string()
    };
    assert!(with(TrainingOptions { seed: 9, ..options() }, &gr, &net).contains("option seed is 0, expected 9"));
    let other = TrainingOptions { estimator: Estimator::Unroll, ..options() };
    assert!(with(other, &gr, &net).contains("option estimator"));
    let qr = gr.with(pullback_manifolds::Retraction::Qr);
    assert!(with(options(), &qr, &net).contains("manifold"));
    let wide = Each::new(GmLstm::new(GmLstmOptions { hidden: 9, ..GmLstmOptions::new(6, 2) }), Update::new(0.02));
    assert!(with(options(), &gr, &wide).contains("inner loop"));
}

#[test]
fn parameters_of_other_shapes_are_refused_where_they_stand() {
    let (gr, task) = (Grassmann::new(6, 2), &eigen(0.02));
    let net = |hidden| Each::new(GmLstm::new(GmLstmOptions { hidden, ..GmLstmOptions::new(6, 2) }), Update::new(0.02));
    let run = |n: &Each<GmLstm>| Training::new(Descent(n.clone()), n.init(&mut rng(1)), &gr, &task, &BOTH, options());
    let [narrow, wide] = [8, 9].map(|hidden| -> serde_json::Value {
        let mut t = run(&net(hidden));
        assert!(t.offer(1.0));
        serde_json::from_str(&t.checkpoint().to_text().unwrap()).unwrap()
    });
    for part in ["params", "best"] {
        let mut mixed = narrow.clone();
        mixed["state"][part] = wide["state"][part].clone();
        let mixed = TrainingCheckpoint::from_text(&mixed.to_string()).unwrap();
        let e = run(&net(8)).resume(&mixed).unwrap_err();
        assert!(e.to_string().contains("shapes of the parameters"), "{part}: {e}");
    }
}

#[test]
fn draw_estimate_and_apply_are_a_step() {
    let (gr, task, net) = (Grassmann::new(6, 2), eigen(0.02), network());
    let task = &task;
    let fresh = || Training::new(Descent(net.clone()), net.init(&mut rng(1)), &gr, &task, &BOTH, options());
    let (mut a, mut b) = (fresh(), fresh());
    for _ in 0..4 {
        a.step().unwrap();
        let job = b.draw().unwrap();
        // The job and the contributions travel as text, and are estimated in the other order by new workers.
        let job: Job = serde_json::from_str(&serde_json::to_string(&job).unwrap()).unwrap();
        let mut found: Vec<Contribution> = (0..job.groups.len())
            .rev()
            .map(|k| Worker::new().estimate(b.setup(), b.params(), &job, k))
            .map(|c| serde_json::from_str(&serde_json::to_string(&c).unwrap()).unwrap())
            .collect();
        found.reverse();
        b.apply(&job, found);
    }
    assert_eq!(bits(a.params()), bits(b.params()));
}

#[test]
fn a_bad_member_is_dropped_alone_and_named() {
    let (gr, net) = (Grassmann::new(6, 2), network());
    let task = Eigen { bad: true, ..eigen(0.0) };
    let task = &task;
    // No warm-up steps: the pool holds members whose cost has no value.
    let warm_up = WarmUp { members: 12, steps: 0, push_after: 0, push_every: 1 };
    let o = TrainingOptions { warm_up, members: 6, group: 3, refresh: None, ..options() };
    let mut t = Training::new(Descent(net.clone()), net.init(&mut rng(1)), &gr, &task, &BOTH, o);
    let before = bits(t.params());
    let (mut dropped, mut lost) = (0, 12);
    for _ in 0..2 {
        let p = t.step().unwrap();
        assert!(p.dropped.iter().all(|d| d.instance == 102 && !d.why.is_empty()));
        assert!(p.loss.unwrap().is_finite() && p.gradient.unwrap() > 0.0);
        dropped += p.dropped.len();
        lost -= p.dropped.len();
        assert_eq!(p.pool, lost);
    }
    assert!(dropped > 0);
    assert_ne!(before, bits(t.params()));
}

#[test]
fn a_diverging_inner_loop_is_reported_and_changes_nothing() {
    let (gr, task) = (Grassmann::new(6, 2), eigen(0.02));
    let task = &task;
    let net = Each::new(GmLstm::new(GmLstmOptions { hidden: 8, ..GmLstmOptions::new(6, 2) }), Update::new(1e200));
    let fresh = net.init(&mut rng(1));
    let o = TrainingOptions { refresh: None, ..options() };
    let mut t = Training::new(Descent(net), fresh.clone(), &gr, &task, &[&RSGD], o);
    let p = t.step().unwrap();
    assert!(p.loss.is_none() && p.gradient.is_none());
    assert_eq!(p.dropped.iter().map(|d| d.member).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert_eq!(t.params(), &fresh);
}

#[test]
fn suspect_certificates_are_counted_and_skipped_or_replaced() {
    let (gr, task) = (Grassmann::new(6, 2), eigen(0.02));
    let task = &task;
    // From random points with long steps the loop does not contract.
    let net = Each::new(GmLstm::new(GmLstmOptions { hidden: 8, ..GmLstmOptions::new(6, 2) }), Update::new(0.4));
    let run = |on_suspect, estimator| {
        let warm_up = WarmUp { members: 8, steps: 0, push_after: 0, push_every: 1 };
        let o = TrainingOptions {
            on_suspect,
            estimator,
            warm_up,
            horizon: Horizon::Steps(2),
            refresh: None,
            clip: None,
            ..options()
        };
        let mut t = Training::new(Descent(net.clone()), net.init(&mut rng(1)), &gr, &task, &[&RSGD], o);
        let p = t.step().unwrap();
        (p.suspect, p.loss, p.gradient, bits(t.params()), p.pool)
    };
    let series = Estimator::FixedPoint { terms: 8 };
    let (suspect, loss, gradient, moved, pool) = run(OnSuspect::Apply, series);
    assert!(suspect > 0 && loss.is_some(), "{suspect}");
    let fallen = run(OnSuspect::FallBack(Estimator::Unroll), series);
    let exact = run(OnSuspect::Apply, Estimator::Unroll);
    assert_eq!((fallen.0, exact.0), (suspect, 0));
    if suspect == 2 {
        assert_eq!((fallen.2, &fallen.3), (exact.2, &exact.3));
    }
    assert_ne!((gradient, &moved), (fallen.2, &fallen.3));
    let skipped = run(OnSuspect::Skip, series);
    assert_eq!((skipped.0, skipped.4), (suspect, pool));
    assert_ne!(skipped.3, moved);
}

#[test]
fn minibatches_are_drawn_when_they_are_needed() {
    let (gr, task, net) = (Grassmann::new(6, 2), eigen(0.02), network());
    let shared = &task;
    let mut bytes = vec![];
    for steps in [5, 80] {
        let o = TrainingOptions { horizon: Horizon::Steps(steps), ..options() };
        let mut t = Training::new(Descent(net.clone()), net.init(&mut rng(1)), &gr, &shared, &BOTH, o);
        bytes.push(t.step().unwrap().bytes);
    }
    assert_eq!(bytes[0], bytes[1]);
    let (now, most) = *task.alive.lock().unwrap();
    assert!(now == 0 && most <= 2, "{most} minibatches at once");
}

/// The mean cost of twelve steps from fresh points.
fn score(method: &dyn Method) -> f64 {
    let (gr, task, quiet) = (Grassmann::new(6, 2), eigen(0.02), eigen(0.0));
    let (task, quiet) = (&task, &quiet);
    let start = Manifold::<f64>::random_point(&gr, 6, &mut rng(99));
    let instances = [0, 1, 2, 0, 1, 2];
    let mut run = Rollout::new(method, &gr, &task, &start, &instances, 5);
    let test = quiet.sample(Split::Validation, &Member::list(&instances, 1));
    for _ in 0..12 {
        run.step().unwrap();
    }
    run.cost(&test).unwrap().iter().sum::<f64>() / 6.0
}

#[test]
fn every_estimator_learns_to_beat_the_descent_it_starts_from() {
    let (gr, task, net) = (Grassmann::new(6, 2), eigen(0.02), network());
    let task = &task;
    let fresh = net.init(&mut rng(1));
    let before = score(&Trained::new(net.clone(), fresh.clone()));
    assert!((before - score(&RSGD)).abs() < 1e-12);
    for estimator in [Estimator::FixedPoint { terms: 4 }, Estimator::OneStep, Estimator::Unroll] {
        let o = TrainingOptions { estimator, outer: OuterRule::Adamax { rate: 1e-2 }, refresh: None, ..options() };
        let mut t = Training::new(Descent(net.clone()), fresh.clone(), &gr, &task, &[&RSGD], o);
        t.run(60, go_on).unwrap();
        let after = score(&Trained::new(net.clone(), t.into_params()));
        assert!(after < before - 0.1, "{estimator:?}: {before} {after}");
    }
}

#[test]
fn the_equivariant_and_the_subspace_optimiser_learn_too() {
    let (gr, task) = (Grassmann::new(6, 2), eigen(0.02));
    let task = &task;
    let o = TrainingOptions {
        estimator: Estimator::Unroll,
        outer: OuterRule::Adam { rate: 5e-3 },
        clip_each: Some(1.0),
        keep_state: false,
        ..options()
    };
    let net = Equivariant::new(EquivariantOptions::default());
    let mut t = Training::new(Descent(net.clone()), net.init(&mut rng(1)), &gr, &task, &[&RSGD], o.clone());
    let mut losses = vec![];
    t.run(40, |p, _| {
        losses.push(p.loss.unwrap());
        assert!(p.dropped.is_empty());
        ControlFlow::Continue(())
    })
    .unwrap();
    let mean = |l: &[f64]| l.iter().sum::<f64>() / l.len() as f64;
    assert!(mean(&losses[28..]) < mean(&losses[..12]), "{losses:?}");

    let net = Each::new(Subspace::new(SubspaceOptions::new(Sides::Both)), Update::new(0.02));
    let before = score(&Trained::new(net.clone(), net.init(&mut rng(1))));
    let mut t = Training::new(Descent(net.clone()), net.init(&mut rng(1)), &gr, &task, &[&RSGD], o);
    t.run(40, go_on).unwrap();
    assert!(score(&Trained::new(net, t.into_params())) < before);
}

#[test]
fn a_zeroed_loop_on_the_tangent_space_is_one_step_of_descent() {
    let start = 0.3;
    let (gr, spd, task) = (Grassmann::new(6, 2), Spd::new(4), eigen(0.0));
    let task = &task;
    let inner =
        OnTangent::new(GmLstm::new(GmLstmOptions { hidden: 3, ..GmLstmOptions::new(6, 2) }), Update::new(0.1), start);
    let params = (inner.rule.init(&inner.update, &mut rng(1)), vec![]);
    let warm_up = WarmUp { members: 4, steps: 0, push_after: 0, push_every: 1 };
    let o = TrainingOptions {
        estimator: Estimator::Unroll,
        warm_up,
        refresh: None,
        group: 4,
        outer: OuterRule::Sgd { rate: 0.0 },
        ..options()
    };
    let mut t = Training::new(inner, params, &gr, &task, &[&RSGD], o);
    let job = t.draw().unwrap();
    let found = t.estimate(&job);
    let descent = Rsgd { step: start };
    for ((_, from), to) in job.groups[0].iter().zip(&found[0].arrived) {
        let mut run = Rollout::new(&descent, &gr, &task, &from.point.0, &[from.instance], 0);
        let y = run.step().unwrap()[0].member(0);
        assert!((y - to.point[0].member(0)).norm_max() < 1e-14);
    }
    // On positive definite matrices, with the matrix LSTM, it learns something of every weight.
    let inner = OnTangent::new(
        Rmm::new(RmmOptions { hidden: 4, ..RmmOptions::gradient_free(4) }),
        Update { step: StepForm::Abs, ..Update::new(0.1) },
        0.1,
    );
    let params = (inner.rule.init(&inner.update, &mut rng(1)), vec![]);
    let o = TrainingOptions { estimator: Estimator::Unroll, warm_up, refresh: None, group: 4, ..options() };
    let mut t = Training::new(inner, params, &spd, &Away, &[&RSGD], o);
    let p = t.step().unwrap();
    assert!(p.dropped.is_empty(), "{:?}", p.dropped);
    assert!(p.gradient.unwrap() > 0.0);
}

/// `tr X - ln det X`.
struct Away;
impl Task for Away {
    type Data = ();
    fn sample(&self, _: Split, _: &[Member]) {}
    fn cost<'t>(&self, x: &[Var<'t>], (): &()) -> Var<'t> {
        x[0].trace() - x[0].spd().logdet()
    }
}

#[test]
fn estimators_are_compared_on_one_inner_loop_and_the_series_approaches_the_unroll() {
    // One minibatch without noise for the whole loop, from points far along a descent: the loop is near its fixed
    // point.
    let (gr, task) = (Grassmann::new(6, 2), eigen(0.02));
    let task = &task;
    let net = Each::new(GmLstm::new(GmLstmOptions { hidden: 8, ..GmLstmOptions::new(6, 2) }), Update::new(0.1));
    let o = TrainingOptions {
        horizon: Horizon::Steps(60),
        fresh_batches: false,
        warm_up: WarmUp { members: 4, steps: 300, push_after: 300, push_every: 1 },
        ..options()
    };
    let method = Rsgd { step: 0.1 };
    let params = net.init(&mut rng(1));
    let mut t = Training::new(Descent(net), params.clone(), &gr, &task, &[&method], o);
    let list = [
        Estimator::Unroll,
        Estimator::OneStep,
        Estimator::FixedPoint { terms: 2 },
        Estimator::FixedPoint { terms: 59 },
    ];
    let found: Vec<_> = t.compare(&list).unwrap().into_iter().map(Result::unwrap).collect();
    assert!(found.iter().all(|d| (d.value - found[0].value).abs() < 1e-13));
    let error: Vec<f64> = found.iter().map(|d| agreement(&d.gradient, &found[0].gradient).relative_error).collect();
    assert!(error[3] < error[2] && error[2] < error[1], "{error:?}");
    assert_eq!((t.params(), t.state().pool.len()), (&params, 4));
    let filled: Vec<bool> = (0..4).map(|_| t.step().unwrap().filled_by.is_some()).collect();
    assert_eq!(filled, [false, false, false, true]);
}

#[test]
fn a_warm_up_that_pushes_nothing_or_diverges_is_an_error() {
    let (gr, task, net) = (Grassmann::new(6, 2), eigen(0.02), network());
    let task = &task;
    let warm_up = WarmUp { members: 2, steps: 5, push_after: 6, push_every: 1 };
    let make = |o, method| Training::new(Descent(net.clone()), net.init(&mut rng(1)), &gr, &task, &[method], o).step();
    assert_eq!(make(TrainingOptions { warm_up, ..options() }, &RSGD).unwrap_err(), Error::EmptyPool);
    let wild = Rsgd { step: 1e200 };
    assert!(matches!(make(options(), &wild), Err(Error::Engine(_))));
}
