//! Runs of methods on problems side by side, what is left after every step, and methods chosen on a grid. Which methods
//! and which problems is not known here.

use super::entrants::Entrant;
use super::problems::Problems;
use pullback::Batch;
use pullback_learned::Rollout;
use pullback_optim::Method;
use std::time::Instant;

/// What is left of each member's loss above the optimum, after 0, 1, 2, ... steps; infinite after a failure.
#[derive(Debug, Clone)]
pub(crate) struct Curve {
    pub(crate) left: Vec<Vec<f64>>,
    /// Why the first member that failed did.
    pub(crate) failed: Option<String>,
}

/// Runs a method on all problems at once. Where that fails each problem is run alone, so that one failure is one.
pub(crate) fn run(method: &dyn Method, problems: &Problems, steps: usize, seed: u64) -> Curve {
    run_entrant(&method, problems, steps, seed)
}

/// The same of a learned optimiser, which may look at the problems.
pub(crate) fn run_entrant(entrant: &dyn Entrant, problems: &Problems, steps: usize, seed: u64) -> Curve {
    match together(&*entrant.on(problems), problems, steps, seed, true) {
        Ok(left) => Curve { left, failed: None },
        Err(why) => {
            let mut left = vec![Vec::with_capacity(problems.count()); steps + 1];
            let mut failed = None;
            for k in 0..problems.count() {
                let alone = problems.one(k);
                let one = together(&*entrant.on(&alone), &alone, steps, seed.wrapping_add(k as u64), true);
                for t in 0..=steps {
                    left[t].push(one.as_ref().map_or(f64::INFINITY, |c| c[t][0]));
                }
                failed = failed.or(one.err());
            }
            Curve { left, failed: failed.or(Some(why)) }
        }
    }
}

/// The same, in one batch. Without `every` only the first and the last row are made.
fn together(
    method: &dyn Method,
    problems: &Problems,
    steps: usize,
    seed: u64,
    every: bool,
) -> Result<Vec<Vec<f64>>, String> {
    let instances = vec![0; problems.count()];
    let start = std::slice::from_ref(&problems.starts);
    let mut run = Rollout::new(method, problems.manifold.as_ref(), problems, start, &instances, seed);
    let mut left = vec![problems.left(&problems.starts)];
    for t in 1..=steps {
        let x: &[Batch] = run.step().map_err(|e| e.to_string())?;
        if every || t == steps {
            left.push(problems.left(&x[0]));
        }
    }
    Ok(left)
}

/// Microseconds of a step from a single start: the shortest of several runs.
pub(crate) fn microseconds(method: &dyn Method, problems: &Problems) -> f64 {
    const STEPS: usize = 20;
    const RUNS: usize = 5;
    let one = problems.one(0);
    let start = std::slice::from_ref(&one.starts);
    let time = |_| {
        let mut run = Rollout::new(method, one.manifold.as_ref(), &one, start, &[0], 0);
        let clock = Instant::now();
        for _ in 0..STEPS {
            if run.step().is_err() {
                return f64::NAN;
            }
        }
        clock.elapsed().as_secs_f64() * 1e6 / STEPS as f64
    };
    (0..RUNS).map(time).fold(f64::INFINITY, f64::min)
}

/// The setting of a grid that leaves least, in the mean over problems of the logarithm.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub(crate) struct Tuned {
    /// Which of them.
    #[serde(skip)]
    pub(crate) which: usize,
    pub(crate) setting: String,
    /// Settings that were tried.
    pub(crate) tried: usize,
    /// Gradients of one point that it took.
    pub(crate) gradients: usize,
    /// The mean of the logarithm to base 10 of what is left of the tuning problems.
    pub(crate) score: f64,
}

/// Chooses among settings for what is left after so many steps.
pub(crate) fn tune(settings: &[Box<dyn Method>], problems: &Problems, steps: usize) -> Tuned {
    let score = |m: &dyn Method| match together(m, problems, steps, 1, false) {
        Ok(left) => mean_log10(&left[1]),
        // A setting that fails on one problem is no setting for all.
        Err(_) => f64::INFINITY,
    };
    let scores: Vec<f64> = settings.iter().map(|m| score(m.as_ref())).collect();
    let which = (0..scores.len()).min_by(|a, b| scores[*a].total_cmp(&scores[*b])).unwrap_or(0);
    Tuned {
        which,
        setting: settings[which].name(),
        tried: settings.len(),
        gradients: settings.len() * problems.count() * steps,
        score: scores[which],
    }
}

/// The mean of the logarithms to base 10.
pub(crate) fn mean_log10(left: &[f64]) -> f64 {
    left.iter().map(|l| l.log10()).sum::<f64>() / left.len() as f64
}
