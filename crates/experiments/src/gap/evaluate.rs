//! The command `evaluate`: where a trained optimiser still works. One axis after the other moves the problems away from
//! where it was trained, with opponents tuned on each; every axis on which it loses is named.

use super::args::EvaluateArgs;
use super::axes::{self, Axis, Counts, JUDGED, LeftOut};
use super::contest::{Family, Field, Pupil};
use super::loaded::{self, Loaded};
use super::problems::{Kind, Problems};
use super::report::{Over, times};
use super::{centres, plot, runs, spd_axes};
use crate::clustering;
use crate::covariances::ORDER;
use crate::data::{Digits, PIXELS};
use crate::error::{Error, Result};
use crate::files::named;
use crate::output::{Folder, Json};
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Instant;

/// What was found.
#[derive(Debug, Serialize)]
struct Summary {
    command: &'static str,
    version: &'static str,
    seed: u64,
    quick: bool,
    optimiser: Optimiser,
    /// The largest change of what is left after the last step, as a factor, from another basis of the same subspaces,
    /// or from a congruence of problem and start.
    other_bases: Option<f64>,
    axes: Vec<Family>,
    left_out: Vec<LeftOut>,
    loses: Vec<String>,
    seconds: f64,
    files: Vec<PathBuf>,
}

#[derive(Debug, Serialize)]
struct Optimiser {
    file: PathBuf,
    kind: &'static str,
    parameters: usize,
    manifold: String,
    data: String,
}

/// The axes that were asked for.
fn chosen(axes: Vec<Axis>, args: &EvaluateArgs) -> Result<Vec<Axis>> {
    let names: Vec<&str> = axes.iter().map(|a| a.name).collect();
    if let Some(unknown) = args.axes.iter().find(|a| !names.contains(&a.as_str())) {
        return Err(Error::Axes { expected: names.join(", "), got: unknown.clone() });
    }
    let asked = |a: &Axis| args.axes.is_empty() || args.axes.iter().any(|name| *name == a.name);
    Ok(axes.into_iter().filter(asked).collect())
}

/// Runs the command.
pub(crate) fn run(args: &EvaluateArgs) -> Result<()> {
    let begun = Instant::now();
    let loaded = loaded::load(&args.file)?;
    let (n, definite) = (loaded.place.n, loaded.place.kind() == Kind::Definite);
    let (here, what) = if definite { (ORDER, "the covariances") } else { (PIXELS, "digits as points") };
    if n != here {
        let found = format!("it is for points with {n} rows, and {what} have {here}");
        return Err(Error::Evaluate { path: args.file.clone(), found });
    }
    let (starts, tuning) = if args.quick { (4, 3) } else { (16, 6) };
    let counts = Counts { starts: args.starts.unwrap_or(starts), tuning };
    let (axes, left_out) = match definite {
        true => {
            let data = clustering::load(named(args.data.as_deref()).as_deref())?;
            spd_axes::axes(&loaded, &data, args.seed, counts)?
        }
        false => axes::axes(&loaded, &Digits::find(args.data.as_deref())?, args.seed, counts)?,
    };
    let folder = Folder::create(&args.out)?;
    let json = Json::open(args.json.as_deref())?;
    let other_bases = changed_by_bases(&loaded, &axes[0].problems, args.seed);
    let optimiser = Optimiser {
        file: args.file.clone(),
        kind: loaded.kind,
        parameters: loaded.parameters,
        manifold: loaded.provenance.manifold.clone(),
        data: loaded.provenance.data.clone(),
    };
    let pupils = [Pupil { name: "learned".into(), method: loaded.method }];
    let held = |a: Axis| {
        let Axis { name, title, problems, tuning, judged } = a;
        let (quick, goals, home) = (args.quick, vec![], None);
        Field { name, title, problems: &problems, tuning: &tuning, quick, goals, judged, home }.hold(&pupils)
    };
    let families = chosen(axes, args)?.into_iter().map(held).collect::<Result<Vec<_>>>()?;
    let mut summary = Summary {
        command: "evaluate",
        version: env!("CARGO_PKG_VERSION"),
        seed: args.seed,
        quick: args.quick,
        optimiser,
        other_bases,
        loses: families.iter().flat_map(loses).collect(),
        axes: families,
        left_out,
        seconds: 0.0,
        files: vec![],
    };
    summary.files.push(folder.write("curves.svg", plot::curves(&summary.axes))?);
    summary.seconds = begun.elapsed().as_secs_f64();
    if json.write(&summary)? {
        // A reader that closes its end early has seen what it wanted.
        let _ = std::io::stdout().write_all(summary.text().as_bytes());
    }
    Ok(())
}

/// The largest factor by which another basis, or a congruence, changes what is left after the last of the steps.
fn changed_by_bases(loaded: &Loaded, home: &Problems, seed: u64) -> Option<f64> {
    let seed = seed.wrapping_mul(64).wrapping_add(3);
    let other = match loaded.place.kind() {
        Kind::Subspaces => home.other_bases(seed),
        Kind::Definite => centres::congruent(home, spd_axes::CONGRUENCE, seed),
        Kind::Frames => return None,
    };
    let last = |p: &Problems| runs::run_entrant(loaded.method.as_ref(), p, JUDGED[1], 2).left.pop().unwrap_or_default();
    let (a, b) = (last(home), last(&other));
    let factor = |(a, b): (&f64, &f64)| if a > b { a / b } else { b / a };
    a.iter().zip(&b).map(factor).reduce(f64::max)
}

/// On which axis, after how many steps and against whom more starts' worth of loss is left than the opponent leaves.
fn loses(family: &Family) -> Vec<String> {
    let lost = family.factors.iter().filter(|f| f.factor < 1.0);
    lost.map(|f| format!("{}, {} steps: {} ({})", family.name, f.steps, f.opponent, times(f.factor))).collect()
}

impl Summary {
    /// The report for people.
    fn text(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let o = &self.optimiser;
        writeln!(
            out,
            "{}: {} with {} parameters, trained on {} ({}).",
            o.file.display(),
            o.kind,
            o.parameters,
            o.manifold,
            o.data
        )?;
        writeln!(
            out,
            "Left is the part of the first loss above the optimum. Opponents are tuned on other problems of each axis, for each\n\
             number of steps. The nearest opponent is the best of those that ask for one gradient a step."
        )?;
        writeln!(out, "{}", self.table())?;
        if let Some(factor) = self.other_bases {
            let what = match o.manifold.starts_with("SPD") {
                true => "A congruence of a problem and its start",
                false => "Another basis of the same subspace",
            };
            writeln!(out, "{what} changes what is left after {} steps by a factor of up to {factor:.4}.", JUDGED[1])?;
        }
        for l in &self.left_out {
            writeln!(out, "Left out: {}, since {}.", l.axis, l.why)?;
        }
        for f in &self.axes {
            for r in f.rows.iter().filter(|r| r.failed.is_some()) {
                writeln!(out, "{}: {} failed ({})", f.name, r.name, r.failed.as_deref().unwrap_or_default())?;
            }
        }
        match self.loses.is_empty() {
            true => writeln!(out, "It loses on no axis.")?,
            false => {
                writeln!(out, "It loses (times closer, geometric mean over starts):")?;
                self.loses.iter().try_for_each(|l| writeln!(out, "  {l}"))?;
            }
        }
        let budget: usize =
            self.axes.iter().flat_map(|f| &f.rows).flat_map(|r| &r.tuning).map(|t| t.found.gradients).sum();
        writeln!(out, "\nGradients that the tuning of all opponents took: {budget}. Time: {:.1} s.", self.seconds)?;
        self.files.iter().try_for_each(|f| writeln!(out, "Wrote {}", f.display()))
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::UTF8_FULL_CONDENSED);
        table.set_header([
            "axis",
            "steps",
            "learned: median",
            "mean",
            "worst",
            "us a step",
            "nearest opponent",
            "median",
            "mean",
            "worst",
            "us a step",
            "times closer",
            "two standard errors",
        ]);
        for f in &self.axes {
            for (k, steps) in f.judged.iter().enumerate() {
                let Some(learned) = f.rows.first() else { continue };
                let tuned = f.rows.iter().filter(|r| !r.tuning.is_empty());
                let Some(near) = tuned.min_by(|a, b| a.at[k].mean.total_cmp(&b.at[k].mean)) else { continue };
                let Some(factor) = f.factors.iter().find(|x| x.opponent == near.name && x.steps == *steps) else {
                    continue;
                };
                let three = |o: &Over| [o.median, o.mean, o.worst].map(|v| format!("{v:.1e}"));
                let mut row = vec![f.name.to_string(), steps.to_string()];
                row.extend(three(&learned.at[k]));
                row.extend([format!("{:.0}", learned.microseconds), near.name.clone()]);
                row.extend(three(&near.at[k]));
                row.extend([format!("{:.0}", near.microseconds), times(factor.factor)]);
                row.push(format!("{} to {}", times(factor.low), times(factor.high)));
                table.add_row(row);
            }
        }
        table.column_iter_mut().skip(1).for_each(|c| c.set_cell_alignment(CellAlignment::Right));
        table
    }
}
