//! Runs of optimisers on the network, and the choice of their numbers on a grid. How one of them was learned is
//! elsewhere.

use super::net::{Measured, Net};
use crate::contest::contenders::{Contender, Decaying, Kind, Knobs, Unit};
use crate::error::Result;
use pullback::Batch;
use pullback_learned::Rollout;
use pullback_manifolds::Manifold;
use pullback_optim::{Method, RAdam, Rasa, Rsgd, Schedule};
use std::time::Instant;

/// A classical method, and where it moves.
pub(crate) struct Entrant {
    pub(crate) contender: Contender,
    pub(crate) orthogonal: bool,
}

/// The methods with orthogonal layers, then those without the constraint.
pub(crate) fn classical(quick: bool) -> Vec<Entrant> {
    let betas: &[f64] = if quick { &[0.9] } else { &[0.5, 0.9] };
    let none: &[f64] = &[0.0];
    let decaying = |k: &Knobs| Decaying { step: k.step, beta: k.beta, schedule: Schedule::Cosine { steps: k.steps } };
    let rule = |orthogonal, contender| Entrant { contender, orthogonal };
    vec![
        rule(true, Contender::rule(RSGD, Unit::Gradient, none, |k| Rsgd { step: k.step })),
        rule(true, Contender::rule("momentum, decaying", Unit::Gradient, betas, decaying)),
        rule(true, Contender::rule("RAdam", Unit::Direction, none, |k| RAdam::new(k.step))),
        rule(true, Contender::rule("RASA-LR", Unit::Entries, none, |k| Rasa::new(k.step))),
        rule(false, Contender::rule("SGD, unconstrained", Unit::Gradient, none, |k| Rsgd { step: k.step })),
        rule(false, Contender::rule("momentum, decaying, unconstrained", Unit::Gradient, betas, decaying)),
    ]
}

/// The method whose step the learned optimiser begins with.
pub(crate) const RSGD: &str = "RSGD";

/// How long runs are, and where they begin.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub(crate) struct Length {
    pub(crate) steps: u32,
    pub(crate) starts: u64,
    pub(crate) tuning_starts: u64,
    pub(crate) seed: u64,
}

/// Numbers of starts that methods are tuned on begin here.
const TUNING: u64 = 1000;

impl Length {
    /// The starts that methods are judged on.
    pub(crate) fn judged(&self) -> std::ops::Range<u64> {
        0..self.starts
    }

    /// Those that they are tuned on.
    pub(crate) fn tuned(&self) -> std::ops::Range<u64> {
        TUNING..TUNING + self.tuning_starts
    }
}

/// What one run did.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct Ran {
    /// Steps and training loss along the run.
    pub(crate) along: Vec<(u32, f64)>,
    /// What was measured at its end; nothing if it failed.
    pub(crate) end: Option<Measured>,
    /// Time of the steps, measuring not included.
    pub(crate) seconds: f64,
    pub(crate) failed: Option<String>,
}

impl Ran {
    /// What numbers are chosen by.
    pub(crate) fn validation(&self) -> f64 {
        self.end.map_or(f64::INFINITY, |m| m.validation)
    }
}

/// How often a run is looked at.
const LOOKS: u32 = 20;

/// One run of a method from a start, on minibatches that belong to the start. `watched` is for judged runs.
pub(crate) fn run(
    net: &Net,
    method: &dyn Method,
    orthogonal: bool,
    start: u64,
    length: &Length,
    watched: bool,
) -> Result<Ran> {
    let space = net.space(orthogonal);
    let space: &dyn Manifold = &space;
    let begin: Vec<Batch> = net.start(start, length.seed);
    let mut rollout = Rollout::new(method, space, net, &begin, &[0], length.seed.wrapping_add(start << 20));
    let mut ran = Ran { along: vec![], end: None, seconds: 0.0, failed: None };
    if watched {
        ran.along.push((0, net.measure(&begin)?.train));
    }
    let every = (length.steps / LOOKS).max(1);
    for t in 1..=length.steps {
        let clock = Instant::now();
        let moved = rollout.step().map(|_| ());
        ran.seconds += clock.elapsed().as_secs_f64();
        if let Err(e) = moved {
            ran.failed = Some(e.to_string());
            return Ok(ran);
        }
        if watched && t % every == 0 {
            ran.along.push((t, net.measure(rollout.point())?.train));
        }
    }
    let end = net.measure(rollout.point())?;
    match end.train.is_finite() && end.validation.is_finite() {
        true => ran.end = Some(end),
        false => ran.failed = Some("the loss is not finite".into()),
    }
    Ok(ran)
}

/// The numbers of a method, and what it cost to find them.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub(crate) struct Tuned {
    pub(crate) step: f64,
    pub(crate) beta: f64,
    pub(crate) tried: usize,
    pub(crate) failed: usize,
    /// Minibatch gradients that it took; a run that failed early counts in full.
    pub(crate) gradients: usize,
    pub(crate) seconds: f64,
    pub(crate) at_the_edge: bool,
}

/// The method of an entrant with these numbers.
pub(crate) fn method(entrant: &Entrant, step: f64, beta: f64, length: &Length) -> Box<dyn Method> {
    match &entrant.contender.kind {
        Kind::Rule(make) => make(&Knobs { step, beta, steps: length.steps }),
        _ => unreachable!("all methods of this command are rules"),
    }
}

/// The mean validation loss over the starts of the tuning.
pub(crate) fn outcome(net: &Net, method: &dyn Method, orthogonal: bool, length: &Length) -> Result<f64> {
    let mut sum = 0.0;
    for start in length.tuned() {
        sum += run(net, method, orthogonal, start, length, false)?.validation();
    }
    Ok(sum / length.tuning_starts as f64)
}

/// A setting and the mean validation loss after it.
#[derive(Debug, Clone, Copy)]
struct Trial {
    step: f64,
    beta: f64,
    loss: f64,
}

/// Steps 1e-6 to 1, a decade apart, then thirds of a decade around the best; every momentum with every decade.
pub(crate) fn tune(net: &Net, entrant: &Entrant, length: &Length, quick: bool) -> Result<Tuned> {
    let clock = Instant::now();
    let (decades, thirds): (std::ops::RangeInclusive<i32>, &[f64]) =
        if quick { (-4..=0, &[-1.5, 1.5]) } else { (-6..=0, &[-2.0, -1.0, 1.0, 2.0]) };
    let trial = |step: f64, beta: f64| -> Result<Trial> {
        let loss = outcome(net, &*method(entrant, step, beta, length), entrant.orthogonal, length)?;
        Ok(Trial { step, beta, loss })
    };
    let mut table: Vec<Trial> = vec![];
    for beta in &entrant.contender.betas {
        for k in decades.clone() {
            table.push(trial(10f64.powi(k), *beta)?);
        }
    }
    let middle = best(&table);
    for third in thirds {
        table.push(trial(middle.step * 10f64.powf(third / 3.0), middle.beta)?);
    }
    let best = best(&table);
    let steps = || table.iter().filter(|t| t.beta == best.beta).map(|t| t.step);
    Ok(Tuned {
        step: best.step,
        beta: best.beta,
        tried: table.len(),
        failed: table.iter().filter(|t| !t.loss.is_finite()).count(),
        gradients: table.len() * length.tuning_starts as usize * length.steps as usize,
        seconds: clock.elapsed().as_secs_f64(),
        at_the_edge: steps().all(|s| s >= best.step) || steps().all(|s| s <= best.step),
    })
}

/// The trial with the lowest loss, the first of several; of failures too, so that the report can say that all failed.
fn best(table: &[Trial]) -> Trial {
    let first = table[0];
    table.iter().fold(first, |best, t| if t.loss < best.loss { *t } else { best })
}

#[cfg(test)]
mod tests {
    use super::super::net::tests::small;
    use super::*;

    #[test]
    fn layers_stay_orthogonal_or_do_not_and_runs_repeat_themselves() {
        let (net, length) = (small(), Length { steps: 20, starts: 1, tuning_starts: 1, seed: 4 });
        for entrant in classical(true) {
            let m = method(&entrant, 1e-3, 0.9, &length);
            let ran = run(&net, &*m, entrant.orthogonal, 0, &length, true).unwrap();
            let end = ran.end.unwrap();
            assert_eq!(ran.along.len(), 21);
            assert_eq!(ran.along[20], (20, end.train));
            assert_eq!(end.defect < 1e-12, entrant.orthogonal, "{} {}", entrant.contender.name, end.defect);
            assert_eq!(run(&net, &*m, entrant.orthogonal, 0, &length, true).unwrap().along, ran.along);
        }
    }

    #[test]
    fn a_run_that_fails_counts_as_infinite_and_the_best_step_is_chosen() {
        let (net, length) = (small(), Length { steps: 10, starts: 1, tuning_starts: 1, seed: 4 });
        let free = classical(true).swap_remove(4);
        assert!(!free.orthogonal);
        let ran = run(&net, &*method(&free, f64::NAN, 0.0, &length), false, 0, &length, false).unwrap();
        assert!(ran.failed.is_some() && ran.validation() == f64::INFINITY);
        let tuned = tune(&net, &free, &length, true).unwrap();
        assert_eq!((tuned.tried, tuned.gradients), (7, 70));
        let at = |step| outcome(&net, &*method(&free, step, 0.0, &length), false, &length).unwrap();
        assert!(at(tuned.step) <= at(1e-5) && at(tuned.step) <= at(1e-1));
    }
}
