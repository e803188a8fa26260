//! Table 6: accuracies on test data of the methods that the papers compare, beside ours on the same task. Only the
//! classical ones are run here; how they are tuned and run is the contest's business. Learned ones come from summaries
//! of earlier runs.

use super::args::TablesArgs;
use super::printed::ACCURACIES;
use super::saved::{self, Learned};
use crate::contest::contenders::{Contender, classical};
use crate::contest::objective::Objective;
use crate::contest::{Length, compete};
use crate::error::Result;
use crate::files::named;
use crate::{clustering, faces};
use serde::Serialize;

/// A row of the table: per cent.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Accuracy {
    pub(crate) name: String,
    pub(crate) printed: [Option<f64>; 2],
    /// Medians over the starts, for faces and for clustering.
    pub(crate) ours: [Option<f64>; 2],
}

/// Runs the classical methods of the table on both tasks.
pub(crate) fn table(args: &TablesArgs) -> Result<Vec<Accuracy>> {
    let folder = named(args.data.as_deref());
    let (faces, faces_title) = faces::objective(folder.as_deref(), args.seed)?;
    let (clustering, clustering_title) = clustering::objective(folder.as_deref(), args.seed)?;
    // Bad files are named before the work begins.
    let titles = [faces_title, clustering_title];
    let learned = args.learned.iter().map(|path| saved::read(path, titles)).collect::<Result<Vec<_>>>()?.concat();
    let found = [accuracies(&faces, args)?, accuracies(&clustering, args)?];
    let of = |found: &[(&str, f64)], ours: Option<&str>| {
        found.iter().find(|(name, _)| Some(*name) == ours).map(|(_, a)| 100.0 * a)
    };
    let classical = ACCURACIES.iter().map(|(name, ours, on_faces, on_clustering)| Accuracy {
        name: (*name).to_string(),
        printed: [Some(*on_faces), *on_clustering],
        ours: [of(&found[0], *ours), of(&found[1], *ours)],
    });
    Ok(classical.chain(rows(&learned)).collect())
}

/// A row for each learned optimiser and length of its training; the papers print none of these.
fn rows(learned: &[Learned]) -> Vec<Accuracy> {
    let mut out: Vec<Accuracy> = vec![];
    for l in learned {
        let name = format!("ours: {}, {} outer steps", l.name, l.outer_steps);
        match out.iter_mut().find(|row| row.name == name) {
            Some(row) => row.ours[l.task] = Some(l.accuracy),
            None => {
                let mut ours = [None; 2];
                ours[l.task] = Some(l.accuracy);
                out.push(Accuracy { name, printed: [None; 2], ours });
            }
        }
    }
    out
}

/// Name and median accuracy of each.
fn accuracies(task: &dyn Objective, args: &TablesArgs) -> Result<Vec<(&'static str, f64)>> {
    let ran = |c: &Contender| ACCURACIES.iter().any(|(_, ours, ..)| *ours == Some(c.name));
    let contenders: Vec<Contender> = classical(true).into_iter().filter(ran).collect();
    let length =
        Length { passes: if args.quick { 6 } else { 20 }, starts: if args.quick { 1 } else { 3 }, tuning_starts: 1 };
    let entries = compete(task, &contenders, length, true, args.seed)?;
    Ok(entries.iter().map(|e| (e.name, e.test_accuracy.median)).collect())
}
