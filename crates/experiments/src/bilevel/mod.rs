//! The command `bilevel`: hyperparameters, few-shot learning and data weights as bilevel problems on manifolds.
//!
//! [`problem`] is a bilevel problem as an iteration, [`tasks`] holds three of them, [`compare`] sets estimators beside
//! the truth, [`learn`] solves the outer problem with them, [`report`] shows what came out.

pub(crate) mod args;
mod compare;
mod learn;
mod problem;
mod report;
mod tasks;

use crate::error::Result;
use crate::output::{Folder, Json};
use crate::progress::Stage;
use args::{BilevelArgs, TaskName};
use compare::Named;
use report::{Found, Summary};
use std::io::Write;
use std::time::Instant;

/// Estimators that the outer problem is solved with; the first ones in a short run.
const LEARNING: [&str; 7] = [
    "implicit, solved",
    "one step",
    "series, K = 5",
    "AAAI 2022 as printed",
    "AAAI 2022 as coded",
    "series, K = 20",
    "full unroll",
];

/// Runs the command.
pub(crate) fn run(args: &BilevelArgs) -> Result<()> {
    let begun = Instant::now();
    let (folder, json) = (Folder::create(&args.out)?, Json::open(args.json.as_deref())?);
    let wanted = |n: &TaskName| args.only.is_empty() || args.only.contains(n);
    let names = [TaskName::Penalties, TaskName::FewShot, TaskName::Weights].into_iter().filter(wanted);
    let tasks: Vec<Found> = names.map(|name| found(name, args)).collect::<Result<_>>()?;
    let mut summary = Summary {
        version: env!("CARGO_PKG_VERSION"),
        seed: args.seed,
        quick: args.quick,
        tasks,
        seconds: 0.0,
        files: vec![],
    };
    summary.files.push(folder.write("outer.svg", summary.svg())?);
    summary.seconds = begun.elapsed().as_secs_f64();
    if json.write(&summary)? {
        // A reader that closes its end early has seen what it wanted.
        let _ = std::io::stdout().write_all(summary.text().as_bytes());
    }
    Ok(())
}

fn found(name: TaskName, args: &BilevelArgs) -> Result<Found> {
    let task = tasks::task(name, args.seed)?;
    let all = compare::estimators(args.seed);
    let stage = Stage::new("estimators", 1 + args.steps.len() * all.len());
    let truth = compare::truth(&*task, args.seed)?;
    stage.advance();
    let mut compared = vec![];
    for steps in &args.steps {
        for named in &all {
            stage.say(|| format!("{}, T = {steps}", named.name));
            compared.push(compare::compare(&*task, &truth, named, *steps as usize));
            stage.advance();
        }
    }
    drop(stage);
    let outer = args.outer.unwrap_or(if args.quick { 15 } else { 60 }) as usize;
    let chosen = &LEARNING[..if args.quick { 4 } else { LEARNING.len() }];
    let stage = Stage::new("learning", outer * chosen.len());
    let of = |name: &&str| all.iter().find(|n: &&Named| n.name == *name);
    let learned =
        chosen.iter().filter_map(of).map(|n| learn::learn(&*task, n, outer, &stage)).collect::<Result<_>>()?;
    Ok(Found { about: task.about(), truth, compared, learned })
}
