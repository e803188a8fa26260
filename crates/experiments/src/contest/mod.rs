//! A contest of optimisers on one task: every method tuned on a grid with its budget counted, then run from the same
//! starts for the same number of passes over the training data. What the task is, is not known here.
//!
//! [`objective`] says what a task gives, [`contenders`] lists the methods, [`race`] runs one of them, [`tuning`]
//! chooses its numbers, [`report`] and [`curves`] show what came out. A method of one's own, a trained one say, is one
//! more [`Contender`](contenders::Contender).

mod claim;
pub(crate) mod contenders;
mod curves;
pub(crate) mod looking;
pub(crate) mod objective;
mod race;
pub(crate) mod report;
mod tuning;

use crate::cli::{ContestArgs, LessonArgs, Network, Seen};
use crate::error::{Result, during};
use crate::lessons::{Pupil, School};
use crate::output::{Folder, Json};
use crate::practice::Practice;
use crate::progress::Stage;
use crate::ranks::Crew;
use contenders::{Contender, Knobs};
use objective::{Objective, Scores};
use pullback::Batch;
use race::{Budget, Ran};
use report::{Entry, LossAfter, Over, Summary};
use std::io::Write;
use std::path::{Path, PathBuf};
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
    /// Opens them: `default` is the folder unless another one is given. A helper of the crew writes nothing.
    pub(crate) fn open(args: &ContestArgs, default: &str, crew: &Crew) -> Result<Option<Self>> {
        if crew.helper().is_some() {
            return Ok(None);
        }
        let folder = args.out.clone().unwrap_or_else(|| PathBuf::from(default));
        Ok(Some(Places { folder: Folder::create(&folder)?, json: Json::open(args.json.as_deref())? }))
    }
}

/// Who learns before the contest, and on what.
pub(crate) struct Lessons<'a> {
    args: &'a LessonArgs,
    networks: Vec<Network>,
    sees: Seen,
    practice: Practice<'a>,
}

/// Who learns, and what networks see, unless flags say otherwise.
pub(crate) struct Usual<'a> {
    pub(crate) networks: &'a [Network],
    pub(crate) sees: Seen,
}

impl<'a> Lessons<'a> {
    /// Those of the flags, or the usual ones.
    pub(crate) fn new(args: &'a LessonArgs, usual: &Usual<'_>, practice: Practice<'a>) -> Self {
        let networks = match args.classical_only {
            true => vec![],
            false => args.learned.clone().unwrap_or_else(|| usual.networks.to_vec()),
        };
        Lessons { args, networks, sees: args.sees.unwrap_or(usual.sees), practice }
    }
}

/// Seeds of the starts: judged ones from 0, those of tuning from here.
const TUNING: usize = 1000;

/// The contender whose step is that of trainings.
const DESCENT: &str = "RSGD";

/// Runs the whole contest and writes its report. A helper of the crew, who has no places, tunes what trainings begin
/// with, helps with them and is done.
pub(crate) fn hold(
    task: &dyn Objective,
    about: About,
    contenders: &[Contender],
    args: &ContestArgs,
    lessons: Lessons<'_>,
    places: Option<Places>,
    crew: &mut Crew,
) -> Result<()> {
    let begun = Instant::now();
    let length = Length::new(args);
    let field = Field::new(task, length, args.quick, args.seed);
    let Some(places) = places else {
        let descent = contenders.iter().position(|c| c.name == DESCENT);
        let entries = field.classical(descent.map_or(&[], |k| &contenders[k..=k]))?;
        return field.pupils(lessons, &entries, &about, args, Path::new(""), crew).map(|_| ());
    };
    let mut entries = field.classical(contenders)?;
    let pupils = field.pupils(lessons, &entries, &about, args, places.folder.root(), crew)?;
    for p in &pupils {
        entries.push(field.learned(&p.contender, p)?);
        if let Some(fading) = &p.fading {
            entries.push(field.learned(fading, p)?);
        }
    }
    let sooner = if pupils.is_empty() { vec![] } else { field.sooner(contenders)? };
    let claims = claim::claims(&entries, &sooner, &field.budget);

    let mut summary = Summary::new(about, args, length, entries, claims);
    summary.files.push(places.folder.write("curves.svg", curves::svg(&summary))?);
    summary.files.extend(pupils.iter().map(|p| p.schooling.file.clone()));
    summary.seconds = begun.elapsed().as_secs_f64();
    if places.json.write(&summary)? {
        // A reader that closes its end early has seen what it wanted.
        let _ = std::io::stdout().write_all(summary.text().as_bytes());
    }
    pupils.iter().for_each(|p| p.course.finish());
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
    Field::new(task, length, quick, seed).classical(contenders)
}

/// What all methods of a contest share.
struct Field<'a> {
    task: &'a dyn Objective,
    grid: Grid,
    starts: Vec<Batch>,
    /// Starts of the tuning.
    others: Vec<Batch>,
    budget: Budget,
}

impl<'a> Field<'a> {
    fn new(task: &'a dyn Objective, length: Length, quick: bool, seed: u64) -> Self {
        Field {
            task,
            grid: Grid::new(quick),
            starts: (0..length.starts).map(|k| task.start(k)).collect(),
            others: (TUNING..TUNING + length.tuning_starts).map(|k| task.start(k)).collect(),
            budget: Budget { passes: length.passes, minibatches: task.minibatches(), seed },
        }
    }

    /// The classical methods, tuned and judged.
    fn classical(&self, contenders: &[Contender]) -> Result<Vec<Entry>> {
        let stage = Stage::new("methods", contenders.len());
        let mut entries = Vec::with_capacity(contenders.len());
        for contender in contenders {
            stage.say(|| contender.name.to_string());
            let tuned = tuning::tune(contender, self.task, &self.others, &self.budget, &self.grid)?;
            entries.push(judge(contender, self.task, tuned, &self.starts, &self.budget)?);
            stage.advance();
        }
        Ok(entries)
    }

    /// Those who learn, taught; nobody for a helper. They begin as gradient descent with the step that was tuned for
    /// it.
    fn pupils(
        &self,
        lessons: Lessons<'_>,
        entries: &[Entry],
        about: &About,
        args: &ContestArgs,
        folder: &Path,
        crew: &mut Crew,
    ) -> Result<Vec<Pupil>> {
        let school = School {
            practice: lessons.practice,
            args: lessons.args,
            sees: lessons.sees,
            quick: args.quick,
            seed: args.seed,
            third: self.third().steps() as usize,
            data: format!("{} ({})", about.title, about.origin),
            folder,
        };
        let descent = entries.iter().find(|e| e.name == DESCENT).map(|e| e.tuned.clone());
        let descent = descent.ok_or_else(|| during("the step to learn from")("gradient descent takes no part"))?;
        let mut pupils = vec![];
        for network in lessons.networks {
            if let Some(mut pupil) = school.teach(network, descent.step, crew)? {
                // The step had to be found too.
                pupil.schooling.passes += descent.passes;
                pupils.push(pupil);
            }
        }
        Ok(pupils)
    }

    /// One who learned, judged. What fades is tuned as classical methods are, for the loss at which it comes to rest,
    /// which is the one after a third of the passes; then the training counts too.
    fn learned(&self, contender: &Contender, pupil: &Pupil) -> Result<Entry> {
        let s = &pupil.schooling;
        let tuned = tuning::tune(contender, self.task, &self.others, &self.third(), &Grid::factors())?;
        let tuned = Tuned {
            tried: s.outer_steps + tuned.tried,
            failed: s.dropped + tuned.failed,
            passes: s.passes + tuned.passes,
            ..tuned
        };
        let entry = judge(contender, self.task, tuned, &self.starts, &self.budget)?;
        Ok(Entry { schooling: Some(s.clone()), ..entry })
    }

    /// A third of the passes.
    fn third(&self) -> Budget {
        Budget { passes: (self.budget.passes / 3).max(1), ..self.budget }
    }

    /// The stochastic methods once more, tuned for a third of the passes and judged there: the fair opponents of a
    /// method that is said to need a third of the steps.
    fn sooner(&self, contenders: &[Contender]) -> Result<Vec<Entry>> {
        let budget = self.third();
        let stochastic: Vec<&Contender> = contenders.iter().filter(|c| c.kind.is_stochastic()).collect();
        let stage = Stage::new("a third", stochastic.len());
        let one = |c: &&Contender| {
            stage.say(|| c.name.to_string());
            let tuned = tuning::tune(c, self.task, &self.others, &budget, &self.grid)?;
            stage.advance();
            judge(c, self.task, tuned, &self.starts, &budget)
        };
        stochastic.iter().map(one).collect()
    }
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
    let test = |r: &Ran, p: usize| r.points.get(p).map_or(f64::INFINITY, |x| task.test_loss(x));
    let test_after = (0..=budget.passes)
        .map(|p| LossAfter { passes: p, loss: Over::low(runs.iter().map(|r| test(r, p)).collect()) })
        .collect();
    let middle = |pick: fn(&Ran) -> f64| Over::low(runs.iter().map(pick).collect()).median;
    Ok(Entry {
        name: contender.name,
        stochastic: contender.kind.is_stochastic(),
        after,
        test_after,
        schooling: None,
        test_loss: Over::low(over(|s| s.test)),
        train_accuracy: Over::high(over(|s| s.train_accuracy)),
        test_accuracy: Over::high(over(|s| s.test_accuracy)),
        steps: middle(|r| r.steps as f64),
        seconds: middle(|r| r.seconds),
        failed: runs.iter().filter_map(|r| r.failed.clone()).collect(),
        tuned,
    })
}
