//! A contest of optimisers on one task: every method tuned on a grid with its budget counted, then run from the same
//! starts for the same number of passes over the training data. What the task is, is not known here.
//!
//! [`objective`] says what a task gives, [`contenders`] lists the methods, [`race`] runs one of them, [`tuning`]
//! chooses its numbers, [`report`] and [`curves`] show what came out. A method of one's own, a trained one say, is one
//! more [`Contender`](contenders::Contender).

pub(crate) mod contenders;
mod curves;
pub(crate) mod objective;
mod race;
pub(crate) mod report;
mod tuning;

use crate::cli::ContestArgs;
use crate::error::{Result, during};
use crate::output::{Folder, Json};
use crate::progress::Stage;
use contenders::{Contender, Knobs};
use objective::{Objective, Scores};
use pullback::Batch;
use race::{Budget, Ran};
use report::{Entry, LossAfter, Over, Summary};
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;
use tuning::{Grid, Tuned};

/// What a task says about itself, for the report.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct About {
    pub(crate) command: &'static str,
    pub(crate) title: String,
    pub(crate) origin: String,
    pub(crate) manifold: String,
    pub(crate) loss: &'static str,
    pub(crate) accuracy: &'static str,
    pub(crate) train: usize,
    pub(crate) test: usize,
    pub(crate) classes: usize,
    pub(crate) minibatches: usize,
}

/// How long a contest is.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub(crate) struct Length {
    /// Passes over the training data that a run may make.
    pub(crate) passes: usize,
    /// Starts that methods are judged on.
    pub(crate) starts: usize,
    /// Other starts that they are tuned on.
    pub(crate) tuning_starts: usize,
}

impl Length {
    /// As the flags say.
    pub(crate) fn new(args: &ContestArgs) -> Self {
        let (passes, starts) = if args.quick { (6, 2) } else { (20, 5) };
        Length {
            passes: args.passes.unwrap_or(passes),
            starts: args.starts.unwrap_or(starts),
            tuning_starts: if args.quick { 1 } else { 2 },
        }
    }
}

/// Where results go, known to be writable before the work starts.
#[derive(Debug)]
pub(crate) struct Places {
    folder: Folder,
    json: Json,
}

impl Places {
    /// Opens them: `default` is the folder unless another one is given.
    pub(crate) fn open(args: &ContestArgs, default: &str) -> Result<Self> {
        let folder = args.out.clone().unwrap_or_else(|| PathBuf::from(default));
        Ok(Places { folder: Folder::create(&folder)?, json: Json::open(args.json.as_deref())? })
    }
}

/// Seeds of the starts: judged ones from 0, those of tuning from here.
const TUNING: usize = 1000;

/// Runs the whole contest and writes its report.
pub(crate) fn hold(
    task: &dyn Objective,
    about: About,
    contenders: &[Contender],
    args: &ContestArgs,
    places: Places,
) -> Result<()> {
    let begun = Instant::now();
    let length = Length::new(args);
    let entries = compete(task, contenders, length, args.quick, args.seed)?;

    let mut summary = Summary::new(about, args, length, entries);
    let path = places.folder.write("curves.svg", curves::svg(&summary))?;
    summary.files.push(path);
    summary.seconds = begun.elapsed().as_secs_f64();
    if places.json.write(&summary)? {
        // A reader that closes its end early has seen what it wanted.
        let _ = std::io::stdout().write_all(summary.text().as_bytes());
    }
    Ok(())
}

/// Tunes every method and runs it from every start.
pub(crate) fn compete(
    task: &dyn Objective,
    contenders: &[Contender],
    length: Length,
    quick: bool,
    seed: u64,
) -> Result<Vec<Entry>> {
    let grid = Grid::new(quick);
    let starts: Vec<Batch> = (0..length.starts).map(|k| task.start(k)).collect();
    let others: Vec<Batch> = (TUNING..TUNING + length.tuning_starts).map(|k| task.start(k)).collect();
    let budget = Budget { passes: length.passes, minibatches: task.minibatches(), seed };

    let stage = Stage::new("methods", contenders.len());
    let mut entries = Vec::with_capacity(contenders.len());
    for contender in contenders {
        stage.say(|| contender.name.to_string());
        let tuned = tuning::tune(contender, task, &others, &budget, &grid)?;
        entries.push(judge(contender, task, tuned, &starts, &budget)?);
        stage.advance();
    }
    Ok(entries)
}

/// Runs a tuned method from every start and measures where it ended.
fn judge(
    contender: &Contender,
    task: &dyn Objective,
    tuned: Tuned,
    starts: &[Batch],
    budget: &Budget,
) -> Result<Entry> {
    let knobs = Knobs { step: tuned.step, beta: tuned.beta, steps: budget.steps() };
    let runs: Vec<Ran> =
        (0..).zip(starts).map(|(k, start)| race::run(contender, &knobs, task, start, &budget.of_start(k))).collect();
    let scores: Vec<Scores> = runs
        .iter()
        .map(|r| r.last.as_ref().map_or(Ok(Scores::FAILED), |x| task.scores(x)))
        .collect::<Result<_>>()
        .map_err(|e| during("measuring a result")(e.to_string()))?;
    let over = |pick: fn(&Scores) -> f64| scores.iter().map(pick).collect::<Vec<f64>>();
    let after = (0..=budget.passes)
        .map(|p| LossAfter { passes: p, loss: Over::low(runs.iter().map(|r| r.losses[p]).collect()) })
        .collect();
    let middle = |pick: fn(&Ran) -> f64| Over::low(runs.iter().map(pick).collect()).median;
    Ok(Entry {
        name: contender.name,
        stochastic: contender.kind.is_stochastic(),
        after,
        test_loss: Over::low(over(|s| s.test)),
        train_accuracy: Over::high(over(|s| s.train_accuracy)),
        test_accuracy: Over::high(over(|s| s.test_accuracy)),
        steps: middle(|r| r.steps as f64),
        seconds: middle(|r| r.seconds),
        failed: runs.iter().filter_map(|r| r.failed.clone()).collect(),
        tuned,
    })
}
