//! The command `evaluate`: where a trained optimiser still works. One axis after the other moves the problems away from
//! where it was trained, with opponents tuned on each; every axis on which it loses is named.

use super::contest::{Family, Field, Pupil};
use super::loaded::{self, Loaded};
use super::plot;
use super::problems::{Classes, Place, Problems};
use super::report::{Over, times};
use super::runs;
use super::training::CONDITIONS;
use crate::cli::EvaluateArgs;
use crate::data::{Digits, PIXELS};
use crate::error::{Error, Result};
use crate::output::{Folder, Json};
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Instant;

/// After how many steps, and after how many on the axis of the horizon.
const JUDGED: [usize; 2] = [10, 30];
const LONG: [usize; 2] = [30, 300];
/// Images of a problem with the robust loss.
const IMAGES: usize = 60;

/// What was found.
#[derive(Debug, Serialize)]
struct Summary {
    command: &'static str,
    version: &'static str,
    seed: u64,
    quick: bool,
    optimiser: Optimiser,
    /// The largest change of what is left after the last step, as a factor, from another basis of the same subspaces.
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

/// An axis that the optimiser cannot be moved along.
#[derive(Debug, Serialize)]
struct LeftOut {
    axis: &'static str,
    why: String,
}

/// A family to be judged: problems, those that opponents are tuned on, and after how many steps.
struct Axis {
    name: &'static str,
    title: String,
    problems: Problems,
    tuning: Problems,
    judged: Vec<usize>,
}

/// Runs the command.
pub(crate) fn run(args: &EvaluateArgs) -> Result<()> {
    let begun = Instant::now();
    let loaded = loaded::load(&args.file)?;
    if loaded.place.n != PIXELS {
        let found = format!("it is for points with {} rows, and the digits have {PIXELS} pixels", loaded.place.n);
        return Err(Error::Evaluate { path: args.file.clone(), found });
    }
    let digits = Digits::find(args.data.as_deref())?;
    let folder = Folder::create(&args.out)?;
    let json = Json::open(args.json.as_deref())?;

    let counts = if args.quick { (4, 3) } else { (16, 6) };
    let (axes, left_out) = axes(&loaded, &digits, args.seed, (args.starts.unwrap_or(counts.0), counts.1))?;
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
    let families = axes.into_iter().map(held).collect::<Result<Vec<_>>>()?;
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

/// All axes that the optimiser can be moved along, the first of which is where it is at home.
fn axes(
    loaded: &Loaded,
    digits: &Digits,
    seed: u64,
    (starts, tuning): (usize, usize),
) -> Result<(Vec<Axis>, Vec<LeftOut>)> {
    let seed = |k: u64| seed.wrapping_mul(64).wrapping_add(k);
    // The units of the command `pca`, which optimisers that see the size of a gradient were trained with.
    let place = Place { as_given: true, ..loaded.place.clone() };
    let of = |classes, rotated, count, k| Problems::digits(&place, digits, classes, rotated, count, seed(k));
    let home = of(Classes::Seen, false, starts, 1)?;
    let home_tuning = of(Classes::Seen, false, tuning, 2)?;
    let unit = home_tuning.unit();
    let mut out = vec![];
    let mut add = |name, title: &str, problems: Problems, tuning: Problems, judged: &[usize]| {
        out.push(Axis { name, title: title.into(), problems, tuning, judged: judged.to_vec() });
    };
    add("home", "Digits 0 to 4 as they are", home.clone(), home_tuning.clone(), &JUDGED);
    add("bases", "The same subspaces in other bases", home.other_bases(seed(3)), home_tuning.clone(), &JUDGED);
    let rotated = of(Classes::Seen, true, starts, 4)?;
    add("rotated", "Digits 0 to 4, rotated at random", rotated, of(Classes::Seen, true, tuning, 5)?, &JUDGED);
    let unseen = of(Classes::Unseen, false, starts, 6)?;
    add("unseen", "Digits 5 to 9", unseen, of(Classes::Unseen, false, tuning, 7)?, &JUDGED);
    for (name, by) in [("loss x0.8", 0.8), ("loss x1.2", 1.2), ("loss x4", 4.0)] {
        // Opponents keep the numbers that they have at home, as the learned one does.
        add(name, "The loss in other units, nobody tuned for them", home.scaled(by), home_tuning.clone(), &JUDGED);
    }
    add("horizon x10", "Ten times as many steps", home.clone(), home_tuning.clone(), &LONG);
    for (name, by) in [("condition x10", 10.0), ("condition x100", 100.0)] {
        let conditions = (by * CONDITIONS.1, by * CONDITIONS.1);
        let of =
            |count, k| -> Result<Problems> { Ok(Problems::spectra(&place, conditions, count, seed(k))?.scaled(unit)) };
        add(name, "Random spectra, condition number of 500 times that", of(starts, 8)?, of(tuning, 9)?, &JUDGED);
    }
    let noise = 0.1;
    add("noise", "Gradients disturbed by a tenth", home.noisy(noise), home_tuning.noisy(noise), &JUDGED);
    let robust = |count, k| Problems::robust(&place, digits, IMAGES, count, seed(k));
    let mut left_out = vec![];
    match place.manifold.name().starts_with("Gr") {
        true => add("objective", "A robust loss on digits 5 to 9", robust(starts, 10)?, robust(tuning, 11)?, &JUDGED),
        false => left_out.push(LeftOut { axis: "objective", why: "the robust loss is one of subspaces".into() }),
    }
    match loaded.any_size {
        true => {
            let large = match place.manifold.name().starts_with("Gr") {
                true => Place::grassmann(4 * place.n, place.p),
                false => Place::stiefel(4 * place.n, place.p, pullback_manifolds::StiefelRetraction::Polar),
            };
            let of = |count, k| -> Result<Problems> {
                Ok(Problems::spectra(&large, CONDITIONS, count, seed(k))?.scaled(unit))
            };
            add("dimension x4", "Random spectra, 256 rows", of(starts.min(8), 12)?, of(tuning.min(4), 13)?, &JUDGED);
        }
        false => {
            let why = format!("a {} serves points of one size", loaded.kind);
            left_out.push(LeftOut { axis: "dimension x4", why });
        }
    }
    Ok((out, left_out))
}

/// The largest factor by which another basis changes what is left after the last of the steps.
fn changed_by_bases(loaded: &Loaded, home: &Problems, seed: u64) -> Option<f64> {
    if !home.manifold.name().starts_with("Gr") {
        return None;
    }
    let last = |p: &Problems| runs::run(loaded.method.as_ref(), p, JUDGED[1], 2).left.pop().unwrap_or_default();
    let (a, b) = (last(home), last(&home.other_bases(seed.wrapping_mul(64).wrapping_add(3))));
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
            writeln!(
                out,
                "Another basis of the same subspace changes what is left after {} steps by a factor of up to {factor:.4}.",
                JUDGED[1]
            )?;
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
