//! One run of one method from one start, measured after every pass over the training data. How methods are tuned and
//! compared is elsewhere.
//!
//! A pass is a gradient for each training example, with the value that comes with it. What a step needs is counted: for
//! a rule one minibatch, and no more if it looks at its examples as well; for R-SVRG two, and a whole gradient at every
//! snapshot; for R-SRG two, or a whole gradient; for solvers that see all examples, one pass for each cost with or
//! without its gradient and one for each product with the Hessian, trials of the line search included. A method is
//! shown where it stood when the pass ended: at the last point that needed no more.

use super::contenders::{Contender, Kind, Knobs, Pointed, Whole};
use super::looking::Looker;
use super::objective::{Objective, Part};
use pullback::Batch;
use pullback_manifolds::rng;
use pullback_optim::{
    ConjugateGradient, Counts, Lbfgs, Problem, Rsrg, Rsvrg, Schedule, Solver, Steps, Stop, TrustRegions,
};
use rand::seq::SliceRandom;
use std::time::{Duration, Instant};

/// What a run may use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    pub(crate) passes: usize,
    pub(crate) minibatches: usize,
    /// The seed of the order in which minibatches are drawn.
    pub(crate) seed: u64,
}

impl Budget {
    /// Steps of a rule that takes one minibatch a step.
    pub(crate) fn steps(&self) -> u32 {
        u32::try_from(self.passes * self.minibatches).unwrap_or(u32::MAX)
    }

    /// Every start has its own order of minibatches.
    pub(crate) fn of_start(self, which: u64) -> Self {
        Budget { seed: self.seed.wrapping_mul(0x100_0000).wrapping_add(which), ..self }
    }
}

/// What a run did.
#[derive(Debug, Clone)]
pub(crate) struct Ran {
    /// The training loss after 0, 1, 2, ... passes; infinite after a failure.
    pub(crate) losses: Vec<f64>,
    /// The point after 0, 1, 2, ... passes, as far as the run came.
    pub(crate) points: Vec<Batch>,
    /// The point after the last pass, unless the run failed.
    pub(crate) last: Option<Batch>,
    /// Steps taken within the passes.
    pub(crate) steps: usize,
    /// Time of the steps, measuring not included.
    pub(crate) seconds: f64,
    /// Why it failed.
    pub(crate) failed: Option<String>,
}

/// Points after every pass, and how the run ended.
struct Track {
    points: Vec<Batch>,
    steps: usize,
    time: Duration,
    failed: Option<String>,
}

/// Runs a method with these numbers. A run that fails is a result too.
pub(crate) fn run(contender: &Contender, knobs: &Knobs, task: &dyn Objective, start: &Batch, budget: &Budget) -> Ran {
    let m = budget.minibatches as f64;
    let round = budget.minibatches.max(1);
    let (step, schedule) = (knobs.step, Schedule::Constant);
    // Whole gradients until step `t`.
    let wholes = move |t: usize| t.div_ceil(round) as f64;
    let track = match &contender.kind {
        Kind::Rule(make) => stochastic(task, Steps(Pointed(make(knobs))), start, budget, &|t| t as f64 / m),
        Kind::Looking(looker) => looking(task, looker.as_ref(), start, budget),
        Kind::Rsvrg => {
            let solver = Rsvrg { step, inner: round, schedule };
            stochastic(task, solver, start, budget, &|t| wholes(t) + 2.0 * t as f64 / m)
        }
        Kind::Rsrg => {
            let solver = Rsrg { step, inner: round, schedule };
            stochastic(task, solver, start, budget, &|t| wholes(t) + 2.0 * (t as f64 - wholes(t)) / m)
        }
        Kind::Whole(Whole::Lbfgs) => whole(task, Lbfgs::default(), start, budget),
        Kind::Whole(Whole::ConjugateGradient) => whole(task, ConjugateGradient::default(), start, budget),
        Kind::Whole(Whole::TrustRegions) => {
            // One step may not eat the budget.
            let solver = TrustRegions { max_inner: Some((budget.passes / 4).max(2)), ..TrustRegions::default() };
            whole(task, solver, start, budget)
        }
    };
    let mut losses: Vec<f64> = track.points.iter().map(|x| task.training_loss(x)).collect();
    losses.resize(budget.passes + 1, f64::INFINITY);
    let failed = track.failed.or_else(|| {
        let last = losses[budget.passes];
        (!last.is_finite()).then(|| "the loss is not finite".to_string())
    });
    let last = if failed.is_none() { track.points.last().cloned() } else { None };
    Ran { losses, points: track.points, last, steps: track.steps, seconds: track.time.as_secs_f64(), failed }
}

/// Passes are whole numbers to this.
const ROUNDING: f64 = 1e-9;

/// A method on minibatches: `passes(t)` is what `t` steps need.
fn stochastic<S: Solver>(
    task: &dyn Objective,
    solver: S,
    start: &Batch,
    budget: &Budget,
    passes: &dyn Fn(usize) -> f64,
) -> Track {
    let problem =
        Problem::stochastic(task.manifold(), start, budget.minibatches, |x, k| task.cost(x, Part::Minibatch(k)))
            .seed(budget.seed);
    let mut run = problem.run(solver, Stop::Iterations(usize::MAX));
    let mut track = Track { points: vec![start.clone()], steps: 0, time: Duration::ZERO, failed: None };
    let mut at = start.clone();
    // The first call lends the start.
    for t in 0.. {
        while track.points.len() <= budget.passes && passes(t) > track.points.len() as f64 + ROUNDING {
            track.points.push(at.clone());
        }
        if track.points.len() > budget.passes {
            break;
        }
        let clock = Instant::now();
        let moved = run.step().map(|p| p.map(|p| at = p.point[0].clone()).is_some());
        track.time += clock.elapsed();
        match moved {
            Ok(true) => track.steps = t,
            Ok(false) => track.failed = Some(run.why().to_string()),
            Err(e) => track.failed = Some(e.to_string()),
        }
        if track.failed.is_some() {
            break;
        }
    }
    track
}

/// Somebody who looks at the examples of a minibatch and takes its gradient once a step: every minibatch once in each
/// pass, in random order.
fn looking(task: &dyn Objective, looker: &dyn Looker, start: &Batch, budget: &Budget) -> Track {
    let mut track = Track { points: vec![start.clone()], steps: 0, time: Duration::ZERO, failed: None };
    let (mut run, rng) = (looker.run(task, start), &mut rng(budget.seed));
    let (mut order, mut at): (Vec<usize>, _) = ((0..budget.minibatches).collect(), start.clone());
    for _ in 0..budget.passes {
        order.shuffle(rng);
        for lot in &order {
            let clock = Instant::now();
            let moved = run.step(*lot);
            track.time += clock.elapsed();
            match moved {
                Ok(x) => (at, track.steps) = (x, track.steps + 1),
                Err(e) => {
                    track.failed = Some(e.to_string());
                    return track;
                }
            }
        }
        track.points.push(at.clone());
    }
    track
}

/// Passes that so many questions are.
fn passes_of(counts: &Counts) -> u64 {
    counts.costs.max(counts.gradients) + counts.hessians
}

/// A solver that sees all examples. It may stop early, at a point that it cannot better.
fn whole<S: Solver>(task: &dyn Objective, solver: S, start: &Batch, budget: &Budget) -> Track {
    let problem = Problem::new(task.manifold(), start, |x| task.cost(x, Part::All));
    // Costs, gradients and products together are at most twice the passes.
    let mut run = problem.run(solver, Stop::Evaluations(2 * budget.passes as u64));
    let (mut visited, mut failed) = (Vec::new(), None);
    let clock = Instant::now();
    loop {
        match run.step() {
            Ok(Some(p)) => visited.push(p.point[0].clone()),
            Ok(None) => break,
            Err(e) => {
                failed = Some(e.to_string());
                break;
            }
        }
    }
    let time = clock.elapsed();
    let rows = run.finish().history.rows;
    let needed = |i: usize| if i == 0 { 0 } else { passes_of(&rows[i].counts) };
    let mut track = Track { points: Vec::new(), steps: 0, time, failed };
    let mut i = 0;
    for p in 0..=budget.passes as u64 {
        while i + 1 < visited.len().min(rows.len()) && needed(i + 1) <= p {
            i += 1;
        }
        match visited.get(i) {
            Some(x) => track.points.push(x.clone()),
            None => break,
        }
    }
    track.steps = i;
    track
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contest::contenders::{Decaying, Unit, classical};
    use crate::contest::objective::Scores;
    use pullback::{Shape, Var};
    use pullback_manifolds::{Manifold, Stiefel, gaussian, rng};
    use pullback_optim::Momentum;

    /// `tr X^T A_k X` for five symmetric matrices.
    #[derive(Debug)]
    struct Toy {
        manifold: Stiefel,
        a: Vec<Batch>,
        mean: Batch,
    }

    impl Toy {
        fn new() -> Self {
            let rng = &mut rng(8);
            let a: Vec<Batch> = (0..5).map(|_| gaussian(Shape::mat(6, 6), rng)).collect();
            let mean = Batch::from_fn(Shape::mat(6, 6), |_, i, j| a.iter().map(|a| a.data()[6 * j + i] / 5.0).sum());
            Toy { manifold: Stiefel::new(6, 2), a, mean }
        }
    }

    impl Objective for Toy {
        fn manifold(&self) -> &dyn Manifold {
            &self.manifold
        }
        fn minibatches(&self) -> usize {
            self.a.len()
        }
        fn cost<'t>(&self, x: Var<'t>, part: Part) -> Var<'t> {
            let a = match part {
                Part::All => &self.mean,
                Part::Minibatch(k) => &self.a[k],
            };
            x.dot(x.tape().constant(a) * x)
        }
        fn start(&self, which: usize) -> Batch {
            self.manifold.random_point(1, &mut rng(which as u64)).swap_remove(0)
        }
        fn test_loss(&self, x: &Batch) -> f64 {
            self.training_loss(x)
        }
        fn scores(&self, _: &Batch) -> crate::error::Result<Scores> {
            Ok(Scores::FAILED)
        }
    }

    const BUDGET: Budget = Budget { passes: 6, minibatches: 5, seed: 3 };

    fn ran(contender: &Contender, step: f64) -> Ran {
        let (task, knobs) = (Toy::new(), Knobs { step, beta: 0.5, steps: BUDGET.steps() });
        run(contender, &knobs, &task, &task.start(0), &BUDGET)
    }

    #[test]
    fn steps_fill_the_passes_and_no_more() {
        let task = Toy::new();
        for contender in classical(true) {
            let ran = ran(&contender, 0.01);
            assert_eq!((ran.losses.len(), &ran.failed), (7, &None), "{}", contender.name);
            let x = ran.last.as_ref().unwrap();
            assert_eq!(task.training_loss(x), ran.losses[6]);
            match contender.kind {
                Kind::Rule(_) | Kind::Looking(_) => assert_eq!(ran.steps, 30),
                // After ten steps: two whole gradients and twenty minibatches.
                Kind::Rsvrg => assert_eq!(ran.steps, 10),
                // Two whole gradients and sixteen minibatches are 5.2 passes; a third whole one is too much.
                Kind::Rsrg => assert_eq!(ran.steps, 10),
                Kind::Whole(_) => {
                    assert!(ran.steps <= 6 && ran.losses.is_sorted_by(|a, b| a >= b), "{:?}", ran.losses);
                    assert!(ran.losses[6] < ran.losses[0]);
                }
            }
        }
    }

    /// It notes which minibatches it is given, and does not move.
    struct Notes(std::sync::Arc<std::sync::Mutex<Vec<usize>>>);
    impl Looker for Notes {
        fn run<'a>(&'a self, _: &'a dyn Objective, start: &Batch) -> Box<dyn super::super::looking::Looks + 'a> {
            Box::new((start.clone(), self))
        }
    }
    impl super::super::looking::Looks for (Batch, &Notes) {
        fn step(&mut self, lot: usize) -> pullback::Result<Batch> {
            self.1.0.lock().unwrap().push(lot);
            Ok(self.0.clone())
        }
    }

    #[test]
    fn who_looks_is_given_every_minibatch_once_in_each_pass() {
        let list = std::sync::Arc::default();
        let kind = Kind::Looking(Box::new(Notes(std::sync::Arc::clone(&list))));
        let ran = ran(&Contender { name: "notes", kind, betas: vec![0.0], unit: Unit::None }, 0.0);
        let mut given = list.lock().unwrap().clone();
        assert_eq!((given.len(), ran.steps, ran.points.len()), (30, 30, 7));
        assert_ne!(given[..5], given[5..10], "the order changes");
        given.chunks_mut(5).for_each(|pass| {
            pass.sort_unstable();
            assert_eq!(pass, [0, 1, 2, 3, 4]);
        });
    }

    #[test]
    fn a_run_that_fails_says_why_and_counts_as_infinite() {
        let failed = ran(&classical(true)[0], f64::NAN);
        assert!(failed.failed.is_some() && failed.last.is_none());
        assert!(failed.losses[0].is_finite() && failed.losses[6] == f64::INFINITY);
    }

    #[test]
    fn a_constant_schedule_is_plain_momentum_and_any_method_is_a_row() {
        let plain = Contender::rule("plain", Unit::Gradient, &[0.5], |k| Momentum { step: k.step, beta: k.beta });
        let decaying = |schedule| {
            let make = move |k: &Knobs| Decaying { step: k.step, beta: k.beta, schedule };
            Contender::rule("mine", Unit::None, &[0.0], make)
        };
        let (a, b) = (ran(&plain, 0.02), ran(&decaying(Schedule::Constant), 0.02));
        assert!(a.losses.iter().zip(&b.losses).all(|(a, b)| (a - b).abs() < 1e-12), "{:?} {:?}", a.losses, b.losses);
        let c = ran(&decaying(Schedule::Cosine { steps: 30 }), 0.02);
        assert!((c.losses[6] - a.losses[6]).abs() > 1e-6);
    }
}
