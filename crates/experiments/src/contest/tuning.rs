//! Choosing the numbers of a method on a grid, with everything that it cost. The methods are not known here.

use super::contenders::{Contender, Knobs, Unit};
use super::objective::{Objective, Part};
use super::race::{self, Budget};
use crate::error::{Result, during};
use pullback::Batch;
use pullback_optim::{Problem, Rsgd, Stop};

/// The steps that are tried, in the unit of a method: a coarse row, then a fine one around the best of it.
#[derive(Debug, Clone)]
pub(crate) struct Grid {
    coarse: Vec<f64>,
    fine: Vec<f64>,
}

impl Grid {
    /// Seven decades, then thirds of one; fewer for a short run.
    pub(crate) fn new(quick: bool) -> Self {
        let power = |x: f64| 10f64.powf(x);
        match quick {
            true => {
                Grid { coarse: (-3..=2).map(|k| power(f64::from(k))).collect(), fine: vec![power(-0.5), power(0.5)] }
            }
            false => Grid {
                coarse: (-4..=2).map(|k| power(f64::from(k))).collect(),
                fine: [-2.0, -1.0, 1.0, 2.0].map(|k| power(k / 3.0)).to_vec(),
            },
        }
    }
}

impl Grid {
    /// Factors on the steps of a trained optimiser, which know their length already: a quarter to sixteen, then the
    /// roots of two around the best of them.
    pub(crate) fn factors() -> Self {
        let root = std::f64::consts::SQRT_2;
        Grid { coarse: vec![0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0], fine: vec![root.recip(), root] }
    }
}

/// The numbers of a method, and what it cost to find them.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub(crate) struct Tuned {
    /// Of a trained optimiser the factor on its steps; zero where nothing was tuned.
    pub(crate) step: f64,
    /// Zero for a method without momentum.
    pub(crate) beta: f64,
    /// Settings that were tried.
    pub(crate) tried: usize,
    /// Settings among them whose runs failed.
    pub(crate) failed: usize,
    /// Passes over the training data that it took; a run that failed early counts in full.
    pub(crate) passes: usize,
    /// Is the best step the smallest or the largest that was tried?
    pub(crate) at_the_edge: bool,
}

/// A setting and the loss after it: the mean over the starts.
#[derive(Debug, Clone, Copy)]
struct Trial {
    step: f64,
    beta: f64,
    loss: f64,
}

/// Tunes a method for the training loss after all passes.
pub(crate) fn tune(
    contender: &Contender,
    task: &dyn Objective,
    starts: &[Batch],
    budget: &Budget,
    grid: &Grid,
) -> Result<Tuned> {
    if contender.unit == Unit::None {
        return Ok(Tuned { step: 0.0, beta: 0.0, tried: 0, failed: 0, passes: 0, at_the_edge: false });
    }
    let unit = unit(contender.unit, task, &starts[0])?;
    let trial = |step: f64, beta: f64| -> Trial {
        let knobs = Knobs { step, beta, steps: budget.steps() };
        let mut loss = 0.0;
        for (k, start) in (1_000..).zip(starts) {
            let ran = race::run(contender, &knobs, task, start, &budget.of_start(k));
            loss += ran.losses[budget.passes] / starts.len() as f64;
        }
        Trial { step, beta, loss }
    };
    let mut table: Vec<Trial> = Vec::new();
    for beta in &contender.betas {
        for step in &grid.coarse {
            table.push(trial(step * unit, *beta));
        }
    }
    // Where every run fails, so will those that are judged, and the report says it.
    let middle = best(&table).unwrap_or(table[0]);
    for factor in &grid.fine {
        table.push(trial(middle.step * factor, middle.beta));
    }
    let best = best(&table).unwrap_or(middle);
    let steps = || table.iter().filter(|t| t.beta == best.beta).map(|t| t.step);
    Ok(Tuned {
        step: best.step,
        beta: best.beta,
        tried: table.len(),
        failed: table.iter().filter(|t| !t.loss.is_finite()).count(),
        passes: table.len() * starts.len() * budget.passes,
        at_the_edge: steps().all(|s| s >= best.step) || steps().all(|s| s <= best.step),
    })
}

/// The trial with the lowest loss; the first of several.
fn best(table: &[Trial]) -> Option<Trial> {
    table.iter().filter(|t| t.loss.is_finite()).copied().min_by(|a, b| a.loss.total_cmp(&b.loss))
}

/// What a step of 1 is: see [`Unit`].
fn unit(unit: Unit, task: &dyn Objective, start: &Batch) -> Result<f64> {
    let entries = start.data().len().max(1) as f64;
    match unit {
        Unit::None | Unit::Direction | Unit::Own => Ok(1.0),
        Unit::Entries => Ok(entries.sqrt().recip()),
        Unit::Gradient => {
            let problem = Problem::new(task.manifold(), start, |x| task.cost(x, Part::All));
            let mut run = problem.run(Rsgd { step: 1.0 }, Stop::Iterations(0));
            let first = run.step().map_err(during("the gradient at the first start"))?;
            let length = first.map_or(f64::NAN, |p| p.gradient);
            // At a critical point any unit will do.
            Ok(if length > 0.0 && length.is_finite() { length.recip() } else { 1.0 })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_trial_is_finite_and_the_first_of_equals() {
        let row = |step, loss| Trial { step, beta: 0.0, loss };
        let table = [row(1.0, f64::NAN), row(2.0, 3.0), row(3.0, 3.0), row(4.0, f64::INFINITY)];
        assert_eq!(best(&table).unwrap().step, 2.0);
        assert!(best(&table[3..]).is_none());
    }
}
