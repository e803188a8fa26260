//! The command `orthonet`: a small dense network with orthogonal layers of different sizes, moved by one shared learned
//! optimiser or by a classical one.
//!
//! [`net`] is the network as a task, [`race`] runs and tunes methods on it, [`learn`] trains the shared one, [`report`]
//! shows what came out.

pub(crate) mod args;
mod learn;
mod net;
mod race;
mod report;

use crate::data::Digits;
use crate::error::{Error, Result, during};
use crate::output::{Folder, Json};
use crate::progress::Stage;
use crate::ranks::Crew;
use args::OrthonetArgs;
use net::Net;
use pullback_learned::FileError;
use pullback_optim::Method;
use race::{Length, RSGD, Ran};
use report::{Entry, LEARNED, Summary};
use std::io::Write;
use std::path::Path;
use std::time::Instant;

/// Runs the command.
pub(crate) fn run(args: &OrthonetArgs, crew: &mut Crew) -> Result<()> {
    let begun = Instant::now();
    *crew = Crew::new(&args.crew)?;
    let digits = Digits::find(args.data.as_deref())?;
    // A helper of the crew writes nothing.
    let places = match crew.helper() {
        None => Some((Folder::create(&args.out)?, Json::open(args.json.as_deref())?)),
        Some(_) => None,
    };
    let net = Net::new(&digits, &args.layers, args.seed)?;
    let of = |full: u32, quick| if args.quick { quick } else { full };
    let length = Length {
        steps: args.steps.unwrap_or(of(320, 80)),
        starts: args.starts.map_or(u64::from(of(5, 2)), u64::from),
        tuning_starts: u64::from(of(2, 1)),
        seed: args.seed,
    };
    let (mut methods, step) = classical(args, &net, &length, crew.helper().is_some())?;
    let outer = args.outer.unwrap_or(of(300, 30)) as usize;
    let learned = learn::learn(&net, step, outer, &length, args.quick, crew)?;
    let (Some(learned), Some((folder, json))) = (learned, places) else { return Ok(()) };
    let runs = judged(&net, &learned.trained, true, &length)?;
    methods.push(Entry { name: LEARNED, orthogonal: true, tuned: None, runs });
    let path = folder.path("optimizer.safetensors");
    learned.trained.save(&path, &learned.provenance).map_err(|e| unsaved(e, &path))?;
    let mut summary = Summary {
        version: env!("CARGO_PKG_VERSION"),
        quick: args.quick,
        origin: digits.origin.clone(),
        layers: net.layers.clone(),
        images: [net.train.count(), net.validation.count(), net.test.count()],
        length,
        methods,
        learning: learned.cost,
        seconds: 0.0,
        files: vec![path],
    };
    summary.files.push(folder.write("curves.svg", summary.svg())?);
    summary.seconds = begun.elapsed().as_secs_f64();
    if json.write(&summary)? {
        // A reader that closes its end early has seen what it wanted.
        let _ = std::io::stdout().write_all(summary.text().as_bytes());
    }
    Ok(())
}

/// The classical methods, tuned and run, and the step of RSGD, which is all that a helper needs.
fn classical(args: &OrthonetArgs, net: &Net, length: &Length, helper: bool) -> Result<(Vec<Entry>, f64)> {
    let mut entrants = race::classical(args.quick);
    entrants.retain(|e| !helper || e.contender.name == RSGD);
    let stage = Stage::new("methods", entrants.len());
    let (mut methods, mut step) = (vec![], 0.0);
    for entrant in &entrants {
        stage.say(|| entrant.contender.name.into());
        let tuned = race::tune(net, entrant, length, args.quick)?;
        if entrant.contender.name == RSGD {
            step = tuned.step;
        }
        let method = race::method(entrant, tuned.step, tuned.beta, length);
        let runs = judged(net, &*method, entrant.orthogonal, length)?;
        methods.push(Entry { name: entrant.contender.name, orthogonal: entrant.orthogonal, tuned: Some(tuned), runs });
        stage.advance();
    }
    Ok((methods, step))
}

/// Runs from all starts that are judged.
fn judged(net: &Net, method: &dyn Method, orthogonal: bool, length: &Length) -> Result<Vec<Ran>> {
    length.judged().map(|start| race::run(net, method, orthogonal, start, length, true)).collect()
}

fn unsaved(e: FileError, path: &Path) -> Error {
    match e {
        FileError::Io { source, .. } => {
            Error::Unwritable { what: "the optimiser", option: "--out DIR", path: path.into(), source }
        }
        e => during("saving the optimiser")(e),
    }
}
