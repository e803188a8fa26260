//! The summary of the command `orthonet`, as JSON, as tables for people and as curves. Nothing is computed here but
//! what is printed.

use super::learn::Cost;
use super::race::{Length, Ran, Tuned};
use crate::contest::report::Over;
use comfy_table::{CellAlignment, Table, presets};
use kuva::prelude::*;
use serde::Serialize;
use std::fmt::Write;
use std::path::PathBuf;

/// Everything that the command found.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    pub(crate) version: &'static str,
    pub(crate) quick: bool,
    /// Where the digits come from.
    pub(crate) origin: String,
    pub(crate) layers: Vec<(usize, usize)>,
    /// Training, validation and test images.
    pub(crate) images: [usize; 3],
    pub(crate) length: Length,
    pub(crate) methods: Vec<Entry>,
    pub(crate) learning: Cost,
    pub(crate) seconds: f64,
    pub(crate) files: Vec<PathBuf>,
}

/// A method and its runs.
#[derive(Debug, Serialize)]
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) orthogonal: bool,
    /// None of the learned one: see `learning`.
    pub(crate) tuned: Option<Tuned>,
    pub(crate) runs: Vec<Ran>,
}

/// The learned optimiser's name.
pub(crate) const LEARNED: &str = "subspace, learned";

impl Entry {
    fn over(&self, pick: fn(&super::net::Measured) -> f64) -> Over {
        Over::low(self.runs.iter().map(|r| r.end.as_ref().map_or(f64::INFINITY, pick)).collect())
    }

    fn test(&self) -> Over {
        self.over(|m| m.test)
    }

    fn accuracy(&self) -> Over {
        Over::high(self.runs.iter().map(|r| r.end.map_or(0.0, |m| m.accuracy)).collect())
    }
}

impl Summary {
    /// The report for people.
    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let shapes: Vec<String> = self.layers.iter().map(|(p, d)| format!("{p}x{d}")).collect();
        let [train, validation, test] = self.images;
        writeln!(
            out,
            "Handwritten digits, 8x8 ({}), by a dense network of layers {}, relu between; seed {}.",
            self.origin,
            shapes.join(", "),
            self.length.seed
        )?;
        writeln!(
            out,
            "{train} training, {validation} validation and {test} test images; minibatches of {}.",
            super::net::MINIBATCH
        )?;
        writeln!(
            out,
            "Every run takes {} steps from one of {} starts; numbers are chosen for the validation loss on {} other starts.\n",
            self.length.steps, self.length.starts, self.length.tuning_starts
        )?;
        writeln!(out, "What the numbers cost")?;
        writeln!(out, "{}", self.costs())?;
        self.learned(out)?;
        writeln!(out, "\nAfter {} steps", self.length.steps)?;
        writeln!(out, "{}", self.ends())?;
        self.verdict(out)?;
        for m in &self.methods {
            let failed: Vec<&String> = m.runs.iter().filter_map(|r| r.failed.as_ref()).collect();
            if let Some(why) = failed.first() {
                writeln!(out, "{}: {} of {} runs failed ({why})", m.name, failed.len(), m.runs.len())?;
            }
        }
        writeln!(out, "\nTime: {:.1} s.", self.seconds)?;
        self.files.iter().try_for_each(|f| writeln!(out, "Wrote {}", f.display()))
    }

    fn costs(&self) -> Table {
        let mut table =
            table(&["", "numbers", "tried", "failed", "minibatch gradients", "Hessian products", "seconds"]);
        for m in &self.methods {
            let l = &self.learning;
            table.add_row(match &m.tuned {
                Some(t) => [
                    m.name.into(),
                    numbers(t),
                    t.tried.to_string(),
                    t.failed.to_string(),
                    t.gradients.to_string(),
                    "0".into(),
                    format!("{:.1}", t.seconds),
                ],
                None => [
                    m.name.into(),
                    format!("scale {:.2e}", l.scale),
                    l.trainings.to_string(),
                    "0".into(),
                    format!("{} + those of RSGD", l.gradients),
                    l.products.to_string(),
                    format!("{:.1}", l.seconds),
                ],
            });
        }
        right(&mut table, 2);
        table
    }

    fn learned(&self, out: &mut String) -> std::fmt::Result {
        let l = &self.learning;
        let trials: Vec<String> = l.trials.iter().map(|(c, v)| format!("{v:.4} at scale {c:.1e}")).collect();
        writeln!(
            out,
            "{LEARNED}: {} parameters for all layers; {} trainings of {} outer steps, {} networks, unrolled over {} steps; {} outer steps skipped, {} members dropped.",
            l.parameters, l.trainings, l.outer_steps, l.members, l.horizon, l.skipped, l.dropped
        )?;
        writeln!(
            out,
            "Its validation loss on the starts of the tuning: {}; untrained {:.4}.",
            trials.join(", "),
            l.untrained
        )
    }

    fn ends(&self) -> Table {
        let mut table = table(&[
            "",
            "training loss: median",
            "validation",
            "test loss: median",
            "mean",
            "worst",
            "test accuracy: median",
            "mean",
            "worst",
            "|W^T W - I|",
            "seconds",
        ]);
        for m in &self.methods {
            let (test, accuracy) = (m.test(), m.accuracy());
            let seconds = Over::low(m.runs.iter().map(|r| r.seconds).collect()).median;
            table.add_row([
                m.name.to_string(),
                loss(m.over(|m| m.train).median),
                loss(m.over(|m| m.validation).median),
                loss(test.median),
                loss(test.mean),
                loss(test.worst),
                percent(accuracy.median),
                percent(accuracy.mean),
                percent(accuracy.worst),
                format!("{:.0e}", m.over(|m| m.defect).worst),
                format!("{seconds:.2}"),
            ]);
        }
        right(&mut table, 1);
        table
    }

    /// Who is ahead, and what the learned optimiser is ahead of and behind, in words.
    fn verdict(&self, out: &mut String) -> std::fmt::Result {
        let best = self.methods.iter().min_by(|a, b| a.test().median.total_cmp(&b.test().median));
        if let Some(b) = best {
            writeln!(out, "Lowest median test loss: {} ({}).", b.name, loss(b.test().median))?;
        }
        let most = self.methods.iter().map(|m| m.accuracy().median).fold(0.0, f64::max);
        let first: Vec<&str> = self.methods.iter().filter(|m| m.accuracy().median == most).map(|m| m.name).collect();
        writeln!(out, "Highest median test accuracy: {} ({}).", percent(most), first.join(", "))?;
        let Some(mine) = self.methods.iter().find(|m| m.name == LEARNED) else { return Ok(()) };
        let (mut ahead, mut behind) = (vec![], vec![]);
        for m in self.methods.iter().filter(|m| m.name != LEARNED) {
            if mine.test().median < m.test().median { ahead.push(m.name) } else { behind.push(m.name) }
        }
        let list = |l: &[&str]| if l.is_empty() { "none".to_string() } else { l.join("; ") };
        writeln!(
            out,
            "By median test loss the learned optimiser is ahead of: {}. It is not ahead of: {}.",
            list(&ahead),
            list(&behind)
        )?;
        let edge: Vec<&str> =
            self.methods.iter().filter(|m| m.tuned.as_ref().is_some_and(|t| t.at_the_edge)).map(|m| m.name).collect();
        match edge.is_empty() {
            true => Ok(()),
            false => writeln!(
                out,
                "The best step is at the edge of the grid, and a better one may lie outside: {}.",
                edge.join(", ")
            ),
        }
    }

    /// Training losses over steps, medians over the starts, on a logarithmic axis.
    pub(crate) fn svg(&self) -> String {
        const COLORS: [&str; 7] = ["#000000", "#0072b2", "#56b4e9", "#009e73", "#999999", "#cc79a7", "#d55e00"];
        let plots: Vec<Plot> = self
            .methods
            .iter()
            .zip(COLORS)
            .filter_map(|(m, color)| {
                let points = m.runs.iter().map(|r| r.along.len()).min().unwrap_or(0);
                let at = |k: usize| Over::low(m.runs.iter().map(|r| r.along[k].1).collect()).median;
                let data: Vec<(f64, f64)> = (0..points)
                    .map(|k| (f64::from(m.runs[0].along[k].0), at(k)))
                    .filter(|(_, v)| v.is_finite() && *v > 0.0)
                    .collect();
                let line = LinePlot::new().with_color(color).with_stroke_width(2.0).with_legend(m.name);
                (!data.is_empty()).then(|| Plot::Line(line.with_data(data)))
            })
            .collect();
        let layout = Layout::auto_from_plots(&plots)
            .with_title("A dense network with orthogonal layers")
            .with_x_label("steps")
            .with_y_label("training loss")
            .with_log_y();
        render_to_svg(plots, layout)
    }
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(header.iter().copied());
    table
}

fn right(table: &mut Table, from: usize) {
    table.column_iter_mut().skip(from).for_each(|c| c.set_cell_alignment(CellAlignment::Right));
}

fn numbers(t: &Tuned) -> String {
    match t.beta {
        0.0 => format!("step {:.2e}", t.step),
        beta => format!("step {:.2e}, beta {beta}", t.step),
    }
}

fn loss(v: f64) -> String {
    if v.is_finite() { format!("{v:.4}") } else { "failed".into() }
}

fn percent(v: f64) -> String {
    format!("{:.1} %", 100.0 * v)
}
