//! The summary of the command `bilevel`, as JSON, as tables for people and as curves. Nothing is computed here but what
//! is printed.

use super::compare::{Compared, Truth};
use super::learn::Learned;
use super::tasks::About;
use comfy_table::{CellAlignment, Table, presets};
use kuva::prelude::*;
use kuva::render::figure::Figure;
use serde::Serialize;
use std::fmt::Write;
use std::path::PathBuf;

/// Everything that the command found.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    pub(crate) version: &'static str,
    pub(crate) seed: u64,
    pub(crate) quick: bool,
    pub(crate) tasks: Vec<Found>,
    pub(crate) seconds: f64,
    pub(crate) files: Vec<PathBuf>,
}

/// What was found for a task.
#[derive(Debug, Serialize)]
pub(crate) struct Found {
    pub(crate) about: About,
    pub(crate) truth: Truth,
    pub(crate) compared: Vec<Compared>,
    pub(crate) learned: Vec<Learned>,
}

/// A sound estimate is good if it is within this factor of the error.
const FACTOR: f64 = 2.0;
/// Below this an error is that of the truth itself, and no factor is taken.
const FLOOR: f64 = 1e-7;

impl Summary {
    /// The report for people.
    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "Bilevel problems on built-in data; seed {}.", self.seed)?;
        for f in &self.tasks {
            f.write(out)?;
        }
        writeln!(out, "\nTime: {:.1} s.", self.seconds)?;
        self.files.iter().try_for_each(|f| writeln!(out, "Wrote {}", f.display()))
    }

    /// Outer losses over outer steps, a panel for each task.
    pub(crate) fn svg(&self) -> String {
        const COLORS: [&str; 8] =
            ["#56b4e9", "#0072b2", "#009e73", "#d55e00", "#000000", "#cc79a7", "#999999", "#e69f00"];
        let panel = |f: &Found| -> Vec<Plot> {
            let line = |(l, color): (&Learned, &str)| {
                let data: Vec<(f64, f64)> = l.along.iter().enumerate().map(|(k, v)| (k as f64, *v)).collect();
                let line = LinePlot::new().with_color(color).with_stroke_width(2.0).with_legend(l.name);
                (!data.is_empty()).then(|| Plot::Line(line.with_data(data)))
            };
            f.learned.iter().zip(COLORS).filter_map(line).collect()
        };
        let panels: Vec<Vec<Plot>> = self.tasks.iter().map(panel).collect();
        let layouts: Vec<Layout> = panels
            .iter()
            .zip(&self.tasks)
            .map(|(plots, f)| {
                Layout::auto_from_plots(plots)
                    .with_title(f.about.name.word())
                    .with_x_label("outer steps")
                    .with_y_label("outer loss")
            })
            .collect();
        let figure = Figure::new(1, panels.len())
            .with_plots(panels)
            .with_layouts(layouts)
            .with_cell_size(520.0, 380.0)
            .with_shared_legend_bottom();
        SvgBackend::new().render_scene(&figure.render())
    }
}

impl Found {
    fn write(&self, out: &mut String) -> std::fmt::Result {
        let (a, t) = (&self.about, &self.truth);
        writeln!(out, "\n{}\nInside: {}. Outside: {}.", a.title, a.inner, a.outer)?;
        writeln!(
            out,
            "Truth: unroll of {} steps, whose last moved by {:.0e} of the point; finite differences agree to {:.0e}; length {:.3e}.",
            t.steps, t.motion, t.differences, t.length
        )?;
        writeln!(out, "{}", self.estimators())?;
        for c in self.compared.iter().filter(|c| c.failed.is_some()) {
            writeln!(out, "{} at T = {}: {}", c.name, c.steps, c.failed.as_deref().unwrap_or_default())?;
        }
        self.verdicts(out)?;
        if !self.learned.is_empty() {
            let n = self.learned.iter().map(|l| l.along.len()).max().unwrap_or(0);
            writeln!(out, "Learning: {n} outer steps of equal lengths for all, T = {}; on test data", a.learning)?;
            writeln!(out, "{}", self.learning())?;
            for l in self.learned.iter().filter(|l| l.failed.is_some()) {
                writeln!(out, "{}: stopped, {}", l.name, l.failed.as_deref().unwrap_or_default())?;
            }
        }
        Ok(())
    }

    fn estimators(&self) -> Table {
        let mut table =
            table(&["T", "", "cosine", "relative error", "its own estimate", "products", "KiB", "seconds", "verdict"]);
        let mut last = 0;
        for c in &self.compared {
            let shown = if c.steps == last { String::new() } else { c.steps.to_string() };
            last = c.steps;
            table.add_row([
                shown,
                c.name.into(),
                format!("{:.4}", c.cosine),
                format!("{:.1e}", c.error),
                c.own.map_or_else(|| "-".into(), |e| format!("{e:.1e}")),
                c.products.to_string(),
                (c.bytes / 1024).to_string(),
                format!("{:.3}", c.seconds),
                c.verdict.clone(),
            ]);
        }
        table.column_iter_mut().skip(2).take(6).for_each(|c| c.set_cell_alignment(CellAlignment::Right));
        table
    }

    /// Is what the certificates call sound so?
    fn verdicts(&self, out: &mut String) -> std::fmt::Result {
        let sound: Vec<&Compared> = self.compared.iter().filter(|c| c.sound).collect();
        let off = |c: &&&Compared| {
            let own = c.own.unwrap_or(f64::INFINITY);
            c.error.max(own) > FLOOR && (own > FACTOR * c.error || c.error > FACTOR * own)
        };
        let wrong: Vec<String> = sound.iter().filter(off).map(|c| format!("{} at T = {}", c.name, c.steps)).collect();
        let words = if wrong.is_empty() { "none".to_string() } else { wrong.join("; ") };
        writeln!(
            out,
            "{} of {} derivatives are called sound. Sound ones whose own estimate is off by more than a factor of {FACTOR}: {words}.",
            sound.len(),
            self.compared.len()
        )
    }

    fn learning(&self) -> Table {
        let extra = self.about.extra;
        let mut table = table(&[
            "",
            "loss before",
            "after",
            &format!("{extra} before"),
            "after",
            "first outer loss",
            "last",
            "unsound",
            "seconds",
        ]);
        for l in &self.learned {
            let at = |v: Option<&f64>| v.map_or_else(|| "-".into(), |v| format!("{v:.4}"));
            table.add_row([
                l.name.into(),
                format!("{:.4}", l.before.loss),
                format!("{:.4}", l.after.loss),
                format!("{:.3}", l.before.extra),
                format!("{:.3}", l.after.extra),
                at(l.along.first()),
                at(l.along.last()),
                l.unsound.to_string(),
                format!("{:.2}", l.seconds),
            ]);
        }
        table.column_iter_mut().skip(1).for_each(|c| c.set_cell_alignment(CellAlignment::Right));
        table
    }
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(header.iter().copied());
    table
}
