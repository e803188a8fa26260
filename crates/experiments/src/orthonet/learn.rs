//! The shared optimiser of the network: its meta-training, everything that it cost, and its file. The classical methods
//! are elsewhere.

use super::net::Net;
use super::race::{Length, outcome};
use crate::error::{Result, during};
use crate::progress::Stage;
use crate::ranks::Crew;
use pullback_implicit::Estimator;
use pullback_learned::{
    Descent, Each, Horizon, OnSuspect, OuterRule, Progress, Provenance, Sides, Subspace, SubspaceOptions, Trained,
    Training, TrainingOptions, Update, WarmUp,
};
use pullback_manifolds::{Manifold, rng};
use pullback_optim::{Method, Rsgd};
use std::time::Instant;

/// `T`, steps of an inner loop, unrolled: the state of the factors is short-lived, and there is memory enough.
const HORIZON: usize = 10;
/// Networks that are trained side by side.
const MEMBERS: usize = 4;
/// Points that a warm-up by RSGD leaves in the pool: after 0, 40, 80, ... steps from random starts.
const WARM_UP: WarmUp = WarmUp { members: 8, steps: 160, push_after: 0, push_every: 40 };
/// The rate of the outer optimiser, and what is left of it in the end.
const RATE: (f64, f64) = (3e-3, 0.1);
/// The optimiser as it stands is tried on the starts of the tuning so often.
const LOOKS: usize = 6;
/// The scale of its steps: these multiples of the best step of RSGD, each trained by itself.
const SCALES: [f64; 3] = [0.3, 1.0, 3.0];

/// The optimiser that did best on the validation images.
pub(crate) struct Learned {
    pub(crate) trained: Trained<Each<Subspace>>,
    pub(crate) cost: Cost,
    pub(crate) provenance: Provenance,
}

/// What it took.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub(crate) struct Cost {
    /// `c`, the scale of steps.
    pub(crate) scale: f64,
    pub(crate) parameters: usize,
    pub(crate) trainings: usize,
    pub(crate) outer_steps: usize,
    pub(crate) horizon: usize,
    pub(crate) members: usize,
    /// Minibatch gradients: of inner loops, warm-ups and trials.
    pub(crate) gradients: usize,
    /// Products of a Hessian with a vector, one for each step that an unroll goes back through.
    pub(crate) products: usize,
    /// Outer steps without effect, since their numbers were not finite, and members that were left out.
    pub(crate) skipped: usize,
    pub(crate) dropped: usize,
    pub(crate) seconds: f64,
    /// The validation loss of every training's best, and of the untrained optimiser, which is RSGD.
    pub(crate) trials: Vec<(f64, f64)>,
    pub(crate) untrained: f64,
}

impl Cost {
    /// Adds an outer step.
    fn count(&mut self, progress: &Progress) {
        let filled = usize::from(progress.filled_by.is_some());
        self.gradients += MEMBERS * (HORIZON + 1) + filled * WARM_UP.members * WARM_UP.steps;
        self.products += MEMBERS * HORIZON;
        self.skipped += usize::from(progress.loss.is_none());
        self.dropped += progress.dropped.len();
    }
}

/// Trains one optimiser for each scale and keeps the best. `step` is that of RSGD. A helper of the crew works for the
/// one that learns, and has nothing to show for it.
pub(crate) fn learn(
    net: &Net,
    step: f64,
    outer_steps: usize,
    length: &Length,
    quick: bool,
    crew: &mut Crew,
) -> Result<Option<Learned>> {
    let clock = Instant::now();
    let scales: &[f64] = if quick { &SCALES[1..2] } else { &SCALES };
    let stage = Stage::new("meta-training", scales.len() * outer_steps);
    let mut cost = Cost {
        scale: step,
        parameters: SubspaceOptions::new(Sides::Both).parameter_count(),
        trainings: scales.len(),
        outer_steps,
        horizon: HORIZON,
        members: MEMBERS,
        gradients: 0,
        products: 0,
        skipped: 0,
        dropped: 0,
        seconds: 0.0,
        trials: vec![],
        untrained: f64::INFINITY,
    };
    let mut best: Option<(f64, Trained<Each<Subspace>>)> = None;
    for scale in scales {
        let how = How { c: step * scale, outer_steps, length, stage: &stage };
        let Some((loss, trained)) = train(net, &how, &mut cost, crew)? else { continue };
        cost.trials.push((step * scale, loss));
        if best.as_ref().is_none_or(|(b, _)| loss < *b) {
            cost.scale = step * scale;
            best = Some((loss, trained));
        }
    }
    if crew.helper().is_some() {
        return Ok(None);
    }
    let (_, trained) = best.ok_or_else(|| during("meta-training")("no scale was tried"))?;
    cost.seconds = clock.elapsed().as_secs_f64();
    let provenance = Provenance::new(&net.space(true), format!("8x8 digits, dense layers, seed {}", length.seed));
    Ok(Some(Learned { trained, cost, provenance }))
}

/// How one training goes.
struct How<'a> {
    /// The scale of steps.
    c: f64,
    outer_steps: usize,
    length: &'a Length,
    stage: &'a Stage,
}

/// One training. Of the parameters met on the way, those are kept that do best on the validation images from the starts
/// of the tuning; the untrained ones are among them.
fn train(net: &Net, how: &How<'_>, cost: &mut Cost, crew: &mut Crew) -> Result<Option<(f64, Trained<Each<Subspace>>)>> {
    let How { c, outer_steps, length, stage } = *how;
    let optimizer = Each::new(Subspace::new(SubspaceOptions::new(Sides::Both)), Update::new(c));
    let fresh = optimizer.init(&mut rng(length.seed));
    let space = net.space(true);
    let manifold: &dyn Manifold = &space;
    let methods: [&dyn Method; 1] = [&Rsgd { step: c }];
    let refresh = (outer_steps / 3).max(1);
    let options = options(length.seed, refresh, outer_steps);
    let mut training =
        Training::new(Descent(optimizer.clone()), fresh, manifold, net, &methods, options).threads(crew.threads());
    if crew.helper().is_some() {
        return crew.help(&mut training).map(|()| None);
    }
    let every = (outer_steps / LOOKS).max(1);
    let mut lowest = f64::INFINITY;
    for done in 0..=outer_steps {
        if done > 0 {
            let progress = crew.step(&mut training)?;
            stage.advance();
            cost.count(&progress);
        }
        if done % every == 0 || done == outer_steps {
            let now = Trained::new(optimizer.clone(), training.params().clone());
            let loss = outcome(net, &now, true, length)?;
            cost.gradients += length.tuning_starts as usize * length.steps as usize;
            if done == 0 {
                cost.untrained = cost.untrained.min(loss);
            }
            training.offer(loss);
            lowest = lowest.min(loss);
            stage.say(|| format!("step {c:.1e}, validation loss {loss:.4}, lowest {lowest:.4}"));
        }
    }
    crew.release();
    let parameters = training.best().unwrap_or_else(|| training.into_params());
    Ok(Some((lowest, Trained::new(optimizer, parameters))))
}

fn options(seed: u64, refresh: usize, outer_steps: usize) -> TrainingOptions {
    TrainingOptions {
        horizon: Horizon::Steps(HORIZON),
        members: MEMBERS,
        group: 1,
        estimator: Estimator::Unroll,
        on_suspect: OnSuspect::Apply,
        freeze_state: false,
        keep_state: true,
        fresh_batches: true,
        outer: OuterRule::Adam { rate: RATE.0 },
        clip_each: None,
        clip: Some(1.0),
        decay: Some((RATE.1.powf(1.0 / outer_steps as f64), 1)),
        capacity: 64,
        warm_up: WARM_UP,
        refresh: Some(refresh),
        seed,
    }
}

#[cfg(test)]
mod tests {
    use super::super::net::tests::small;
    use super::*;

    #[test]
    fn training_counts_what_it_costs_never_ends_worse_than_it_began_and_repeats_itself() {
        let (net, length) = (small(), Length { steps: 12, starts: 1, tuning_starts: 1, seed: 2 });
        let learned = learn(&net, 1e-3, 6, &length, true, &mut Crew::alone()).unwrap().unwrap();
        let cost = &learned.cost;
        assert_eq!((cost.parameters, cost.trainings, learned.trained.parameter_count()), (5242, 1, 5242));
        assert!(cost.trials[0].1 <= cost.untrained);
        // Six outer steps, three fillings of the pool, seven trials.
        assert_eq!(cost.gradients, 6 * 4 * 11 + 3 * 8 * 160 + 7 * 12);
        assert_eq!(cost.products, 6 * 4 * 10);
        let again = learn(&net, 1e-3, 6, &length, true, &mut Crew::of_threads(2)).unwrap().unwrap();
        assert_eq!(again.trained.parameters, learned.trained.parameters);
    }
}
