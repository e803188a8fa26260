//! The command `tables`: the papers' tables, our numbers beside theirs.
//!
//! [`printed`] holds what the papers print, [`question`] the inner problems, [`measure`] one row in a process of its
//! own, [`accuracy`] the last table, [`claims`] what is shown or refuted, [`report`] and [`plots`] how it looks.

mod accuracy;
pub(crate) mod args;
mod claims;
mod clock;
pub(crate) mod measure;
mod plots;
mod printed;
mod question;
mod report;
mod saved;

use crate::error::{Error, Result, during};
use crate::files::named;
use crate::output::{Folder, Json};
use crate::progress::Stage;
use args::{How, Part, TablesArgs};
use claims::Claim;
use measure::Row;
use printed::Work;
use serde::Serialize;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

/// Everything that the command found.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    version: &'static str,
    seed: u64,
    quick: bool,
    /// Where the data come from.
    data: String,
    rows: Vec<Row>,
    accuracies: Vec<accuracy::Accuracy>,
    claims: Vec<Claim>,
    seconds: f64,
    /// Processor time of this process and of all that measured a row, where the system tells it.
    processor: Option<f64>,
    files: Vec<PathBuf>,
}

/// Runs the command.
pub(crate) fn run(args: &TablesArgs) -> Result<()> {
    let begun = Instant::now();
    let (folder, json) = (Folder::create(&args.out)?, Json::open(args.json.as_deref())?);
    let wanted = |p: Part| args.only.is_empty() || args.only.contains(&p);
    let plan: Vec<(Work, usize, How)> =
        [(Part::Components, Work::Components), (Part::Faces, Work::Faces), (Part::Clustering, Work::Clustering)]
            .into_iter()
            .filter(|(part, _)| wanted(*part))
            .flat_map(|(_, work)| lines(work, args.quick))
            .collect();
    let rows = measured(args, &plan)?;
    let accuracies = if wanted(Part::Accuracy) { accuracy::table(args)? } else { vec![] };
    let mut summary = Summary {
        version: env!("CARGO_PKG_VERSION"),
        seed: args.seed,
        quick: args.quick,
        data: named(args.data.as_deref()).map_or("built in".into(), |f| f.display().to_string()),
        claims: claims::of(&rows),
        rows,
        accuracies,
        seconds: 0.0,
        processor: None,
        files: vec![],
    };
    if !summary.rows.is_empty() {
        summary.files.push(folder.write("costs.svg", plots::svg(&summary.rows))?);
    }
    summary.seconds = begun.elapsed().as_secs_f64();
    let rows = summary.rows.iter().map(|r| r.processor).sum::<Option<f64>>();
    summary.processor = rows.zip(clock::processor()).map(|(rows, mine)| rows + mine as f64 * 1e-9);
    if json.write(&summary)? {
        // A reader that closes its end early has seen what it wanted.
        let _ = std::io::stdout().write_all(summary.text().as_bytes());
    }
    Ok(())
}

/// The rows of a task.
fn lines(work: Work, quick: bool) -> Vec<(Work, usize, How)> {
    work.lengths(quick).into_iter().flat_map(|t| work.ways().iter().map(move |how| (work, t, *how))).collect()
}

/// Measures the rows, each in a process of its own, one after the other.
fn measured(args: &TablesArgs, plan: &[(Work, usize, How)]) -> Result<Vec<Row>> {
    let program = std::env::current_exe().map_err(during("finding the program that measures a row"))?;
    let stage = Stage::new("rows", plan.len());
    let mut rows = Vec::with_capacity(plan.len());
    for (work, steps, how) in plan {
        stage.say(|| format!("{}, T = {steps}, {}", work.flag(), how.name()));
        let mut command = Command::new(&program);
        command.args(["tables-row", "--work", work.flag(), "--how", how.flag()]);
        command.args(["--steps", &steps.to_string(), "--seed", &args.seed.to_string()]);
        if args.one_batch {
            command.arg("--one-batch");
        }
        if let Some(data) = &args.data {
            command.arg("--data").arg(data);
        }
        let out = command.output().map_err(during("starting the process that measures a row"))?;
        if !out.status.success() {
            return Err(Error::Row { message: String::from_utf8_lossy(&out.stderr).trim().to_string() });
        }
        rows.push(serde_json::from_slice(&out.stdout)?);
        stage.advance();
    }
    Ok(rows)
}
