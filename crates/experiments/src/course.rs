//! The course of a meta-training: its outer steps with a bar, looks at how good the parameters are, counts of what it
//! cost, and a file from which an interrupted run goes on. What is trained, and on what, is not known here.

use crate::error::{Error, Result};
use crate::progress::Stage;
use crate::ranks::Crew;
use pullback_learned::{InnerLoop, Progress, Task, Training, TrainingCheckpoint};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Instant;

/// A run without a file is one of more parameters than this: the file would be larger than what is trained is worth.
const LARGE: usize = 4_000_000;

/// How a run goes.
#[derive(Debug, Clone)]
pub(crate) struct Course {
    /// For the bar.
    pub(crate) name: &'static str,
    /// Outer steps.
    pub(crate) steps: usize,
    /// Outer steps between two looks.
    pub(crate) look_every: usize,
    /// Outer steps between two writings of the file.
    pub(crate) save_every: usize,
    /// The file, which is there while a run is unfinished.
    pub(crate) file: PathBuf,
    /// Does the run go on from the file?
    pub(crate) resume: bool,
}

/// What was seen on the way.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// Outer steps in which no member counted.
    pub(crate) skipped: usize,
    /// Members that failed and were left out.
    pub(crate) dropped: usize,
    /// Why the first of them failed.
    pub(crate) first_failure: Option<String>,
    /// Series that were cut off.
    pub(crate) truncated: usize,
    /// Contractions that certificates saw.
    pub(crate) rho: Vec<f64>,
    /// How often the pool was filled.
    pub(crate) fills: usize,
    /// How often somebody looked.
    pub(crate) looks: usize,
    /// Inner steps of single members.
    pub(crate) inner_steps: usize,
    /// Outer losses of single members.
    pub(crate) outer_losses: usize,
    /// Wall time.
    pub(crate) seconds: f64,
}

impl Seen {
    fn add(&mut self, p: &Progress, members: usize) {
        self.fills += usize::from(p.filled_by.is_some());
        self.skipped += usize::from(p.loss.is_none());
        self.dropped += p.dropped.len();
        if self.first_failure.is_none() {
            self.first_failure = p.dropped.first().map(|d| d.why.clone());
        }
        self.rho.extend(&p.rho);
        self.truncated += p.truncated;
        self.inner_steps += members * p.horizon;
        self.outer_losses += members;
    }
}

/// An unfinished run as it is written.
#[derive(Debug, Serialize, Deserialize)]
struct Unfinished {
    seen: Seen,
    training: TrainingCheckpoint,
}

impl Course {
    /// Runs the training to its end, with the help of a crew if there is one. `look` gives the score of the parameters
    /// of now (lower is better, infinite for a failure); those with the lowest are the [best](Training::best).
    ///
    /// # Errors
    /// A failure while the pool is filled; a file that cannot be read or written or that belongs to another run.
    pub(crate) fn follow<L: InnerLoop<K::Data>, K: Task>(
        &self,
        training: &mut Training<'_, L, K>,
        crew: &mut Crew,
        look: &dyn Fn(&L::Params) -> f64,
    ) -> Result<Seen> {
        let mut seen = if self.resume { self.read(training)? } else { Seen::default() };
        let members = training.setup().options.members;
        let large = training.state().params.iter().map(|b| b.shape().len()).sum::<usize>() > LARGE;
        let stage = Stage::new(self.name, self.steps);
        (0..training.state().step.min(self.steps)).for_each(|_| stage.advance());
        let mut clock = Instant::now();
        while training.state().step < self.steps {
            let progress = crew.step(training)?;
            stage.advance();
            seen.add(&progress, members);
            let done = training.state().step;
            if done.is_multiple_of(self.look_every) || done == self.steps {
                seen.looks += 1;
                let score = look(training.params());
                training.offer(score);
                stage.say(|| format!("score {score:.5}"));
            }
            if (done.is_multiple_of(self.save_every) || done == self.steps) && !large {
                seen.seconds += clock.elapsed().as_secs_f64();
                clock = Instant::now();
                self.write(&seen, training)?;
            }
        }
        crew.release();
        seen.seconds += clock.elapsed().as_secs_f64();
        Ok(seen)
    }

    /// The command is done and its results are written: nothing is left to go on with.
    pub(crate) fn finish(&self) {
        let _ = std::fs::remove_file(&self.file);
    }

    fn write<L: InnerLoop<K::Data>, K: Task>(&self, seen: &Seen, training: &Training<'_, L, K>) -> Result<()> {
        let text = serde_json::to_string(&Unfinished { seen: seen.clone(), training: training.checkpoint() })?;
        let mut beside = self.file.clone().into_os_string();
        beside.push(".part");
        // First beside it, then in its place, so that a crash leaves the old one whole.
        std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, &self.file)).map_err(|source| {
            let (what, option) = ("the unfinished training", "--out DIR");
            Error::Unwritable { what, option, path: self.file.clone(), source }
        })
    }

    fn read<L: InnerLoop<K::Data>, K: Task>(&self, training: &mut Training<'_, L, K>) -> Result<Seen> {
        let wrong = |found: String| Error::Resume { path: self.file.clone(), found };
        let text = std::fs::read_to_string(&self.file).map_err(|e| wrong(e.to_string()))?;
        let found: Unfinished = serde_json::from_str(&text).map_err(|e| wrong(e.to_string()))?;
        training.resume(&found.training).map_err(|e| wrong(e.to_string()))?;
        Ok(found.seen)
    }
}
