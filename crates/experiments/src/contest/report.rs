//! The summary of a contest, as JSON and as tables for people. Nothing is computed here but what is printed.

use super::claim::Claim;
use super::tuning::Tuned;
use super::{About, Length};
use crate::cli::{ContestArgs, Seen};
use crate::lessons::Schooling;
use comfy_table::{CellAlignment, Table, presets};
use pullback_learned::ScaleChoice;
use serde::Serialize;
use std::fmt::Write;
use std::path::PathBuf;

/// Everything that a contest found.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    pub(crate) version: &'static str,
    pub(crate) seed: u64,
    pub(crate) quick: bool,
    #[serde(flatten)]
    pub(crate) about: About,
    pub(crate) length: Length,
    pub(crate) methods: Vec<Entry>,
    /// The papers' claim, if somebody learned.
    pub(crate) claims: Vec<Claim>,
    pub(crate) seconds: f64,
    pub(crate) files: Vec<PathBuf>,
}

/// One method. Numbers that are infinite or missing are `null` in JSON.
#[derive(Debug, Serialize)]
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) stochastic: bool,
    pub(crate) tuned: Tuned,
    /// The training loss after 0, 1, 2, ... passes.
    pub(crate) after: Vec<LossAfter>,
    /// The test loss after 0, 1, 2, ... passes.
    pub(crate) test_after: Vec<LossAfter>,
    /// How it was trained, if it was.
    pub(crate) schooling: Option<Schooling>,
    pub(crate) test_loss: Over,
    pub(crate) train_accuracy: Over,
    pub(crate) test_accuracy: Over,
    /// Steps within the passes, the median over starts.
    pub(crate) steps: f64,
    /// Time of one run, measuring not included, the median over starts.
    pub(crate) seconds: f64,
    /// Why runs failed.
    pub(crate) failed: Vec<String>,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct LossAfter {
    pub(crate) passes: usize,
    pub(crate) loss: Over,
}

/// Median, mean and worst over starts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Over {
    pub(crate) median: f64,
    pub(crate) mean: f64,
    pub(crate) worst: f64,
}

impl Over {
    /// Of numbers of which low ones are good; what is not a number counts as infinite.
    pub(crate) fn low(values: Vec<f64>) -> Self {
        Self::of(values.into_iter().map(|v| if v.is_nan() { f64::INFINITY } else { v }).collect(), f64::max)
    }

    /// Of numbers of which high ones are good.
    pub(crate) fn high(values: Vec<f64>) -> Self {
        Self::of(values, f64::min)
    }

    fn of(mut values: Vec<f64>, worse: fn(f64, f64) -> f64) -> Self {
        values.sort_by(f64::total_cmp);
        let n = values.len();
        if n == 0 {
            return Over { median: f64::NAN, mean: f64::NAN, worst: f64::NAN };
        }
        let median = if n % 2 == 1 { values[n / 2] } else { 0.5 * (values[n / 2 - 1] + values[n / 2]) };
        let worst = values.iter().copied().fold(values[0], worse);
        Over { median, mean: values.iter().sum::<f64>() / n as f64, worst }
    }
}

impl Entry {
    fn at_end(&self) -> Over {
        self.after.last().map_or(Over::low(vec![]), |l| l.loss)
    }
}

impl Summary {
    pub(crate) fn new(
        about: About,
        args: &ContestArgs,
        length: Length,
        methods: Vec<Entry>,
        claims: Vec<Claim>,
    ) -> Self {
        let (version, seed, quick) = (env!("CARGO_PKG_VERSION"), args.seed, args.quick);
        Summary { version, seed, quick, about, length, methods, claims, seconds: 0.0, files: vec![] }
    }

    /// The report for people.
    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let (a, l) = (&self.about, &self.length);
        writeln!(out, "{} ({}).", a.title, a.origin)?;
        writeln!(
            out,
            "{} training examples in {} minibatches, {} test examples, {} classes; on {}; seed {}.",
            a.train, a.minibatches, a.test, a.classes, a.manifold, self.seed
        )?;
        writeln!(out, "Loss: {}. Accuracy: {}.", a.loss, a.accuracy)?;
        writeln!(
            out,
            "Every run may make {} passes over the training examples; {} starts; tuned on {} others for the training loss at the end.\n",
            l.passes, l.starts, l.tuning_starts
        )?;
        writeln!(out, "Training loss after so many passes, median over starts")?;
        writeln!(out, "{}\n", self.losses())?;
        writeln!(out, "After {} passes", l.passes)?;
        writeln!(out, "{}", self.ends())?;
        self.verdict(out)?;
        self.claims.iter().try_for_each(|c| c.write(out))?;
        self.trainings(out)?;
        for m in self.methods.iter().filter(|m| !m.failed.is_empty()) {
            writeln!(out, "{}: {} of {} runs failed ({})", m.name, m.failed.len(), l.starts, m.failed[0])?;
        }
        writeln!(out, "\nTime: {:.1} s.", self.seconds)?;
        self.files.iter().try_for_each(|f| writeln!(out, "Wrote {}", f.display()))
    }

    /// After which passes losses are shown.
    fn shown(&self) -> Vec<usize> {
        let last = self.length.passes;
        let mut list: Vec<usize> = [0, 1, 3, 10].into_iter().filter(|p| *p < last).collect();
        list.push(last);
        list
    }

    fn losses(&self) -> Table {
        let shown = self.shown();
        let mut table = Table::new();
        table.load_style(presets::UTF8_FULL_CONDENSED);
        let mut header = vec![String::new(), "numbers".into(), "tried".into(), "failed".into(), "passes for it".into()];
        header.extend(shown.iter().map(|p| format!("after {p}")));
        table.set_header(header);
        for m in &self.methods {
            let t = &m.tuned;
            let numbers = m.schooling.as_ref().map_or_else(|| numbers(t), |s| learned(s, t));
            let mut row =
                vec![m.name.to_string(), numbers, t.tried.to_string(), t.failed.to_string(), t.passes.to_string()];
            row.extend(shown.iter().map(|p| m.after.get(*p).map_or_else(String::new, |l| loss(l.loss.median))));
            table.add_row(row);
        }
        table.column_iter_mut().skip(2).for_each(|c| c.set_cell_alignment(CellAlignment::Right));
        table
    }

    fn ends(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::UTF8_FULL_CONDENSED);
        table.set_header([
            "",
            "training loss: median",
            "mean",
            "worst",
            "test loss: median",
            "accuracy, training",
            "accuracy, test: median",
            "mean",
            "worst",
            "steps",
            "seconds",
        ]);
        for m in &self.methods {
            let (l, a) = (m.at_end(), m.test_accuracy);
            table.add_row([
                m.name.to_string(),
                loss(l.median),
                loss(l.mean),
                loss(l.worst),
                loss(m.test_loss.median),
                percent(m.train_accuracy.median),
                percent(a.median),
                percent(a.mean),
                percent(a.worst),
                format!("{}", m.steps),
                format!("{:.3}", m.seconds),
            ]);
        }
        table.column_iter_mut().skip(1).for_each(|c| c.set_cell_alignment(CellAlignment::Right));
        table
    }

    /// What trainings were.
    fn trainings(&self, out: &mut String) -> std::fmt::Result {
        let all = self.methods.iter().filter_map(|m| m.schooling.as_ref().map(|s| (m.name, s)));
        for (name, s) in all.filter(|(name, _)| !name.ends_with("fading")) {
            writeln!(
                out,
                "{name}: trained in {} outer steps and {:.0} s{}{}; {} members left out{}.",
                s.outer_steps,
                s.seconds,
                if s.sees == Some(Seen::Euclidean) { ", seeing the Euclidean gradient" } else { "" },
                s.search.as_ref().map_or_else(String::new, first_step),
                s.dropped,
                if s.learned_nothing { "; no parameters were better than those it began with" } else { "" }
            )?;
        }
        Ok(())
    }

    /// Who is ahead, in words.
    fn verdict(&self, out: &mut String) -> std::fmt::Result {
        let lowest = |list: &[&Entry]| {
            let best = list.iter().min_by(|a, b| a.at_end().median.total_cmp(&b.at_end().median));
            best.map(|m| format!("{} ({})", m.name, loss(m.at_end().median)))
        };
        let all: Vec<&Entry> = self.methods.iter().collect();
        let classical = |m: &&Entry| m.stochastic && m.schooling.is_none();
        let stochastic: Vec<&Entry> = self.methods.iter().filter(classical).collect();
        let most = self.methods.iter().map(|m| m.test_accuracy.median).fold(f64::NEG_INFINITY, f64::max);
        let first: Vec<&str> = self.methods.iter().filter(|m| m.test_accuracy.median == most).map(|m| m.name).collect();
        if let (Some(best), Some(among)) = (lowest(&all), lowest(&stochastic)) {
            writeln!(out, "Lowest median training loss: {best}; among the classical stochastic methods: {among}.")?;
            writeln!(out, "Highest median test accuracy: {} ({}).", percent(most), first.join(", "))?;
        }
        let edge: Vec<&str> = self.methods.iter().filter(|m| m.tuned.at_the_edge).map(|m| m.name).collect();
        match edge.is_empty() {
            true => Ok(()),
            false => writeln!(
                out,
                "The best step is at the edge of the grid, and a better one may lie outside: {}.",
                edge.join(", ")
            ),
        }
    }
}

/// The step that a search found, and what it looked at.
fn first_step(c: &ScaleChoice) -> String {
    let lost = c.tried.iter().filter(|t| t.after.is_none()).count();
    format!(
        ", beginning with step {:.2e} (of {} tried, {lost} lost members{})",
        c.scale,
        c.tried.len(),
        match c.tried.first().is_some_and(|t| t.scale == c.scale) {
            true => "; the largest of the line",
            false => "",
        }
    )
}

/// The numbers that were found for a method.
fn numbers(t: &Tuned) -> String {
    match (t.tried, t.beta) {
        (0, _) => "as given".into(),
        (_, 0.0) => format!("step {:.2e}", t.step),
        (_, beta) => format!("step {:.2e}, beta {beta}", t.step),
    }
}

/// How many numbers were learned, and the factor on the steps if one was tuned.
fn learned(s: &Schooling, t: &Tuned) -> String {
    match t.step {
        0.0 => format!("{} learned", s.parameters),
        factor => format!("{} learned, factor {factor:.2}", s.parameters),
    }
}

/// A loss with five digits, whatever its size.
pub(super) fn loss(v: f64) -> String {
    match v {
        v if !v.is_finite() => "failed".into(),
        v if v != 0.0 && (v.abs() < 1e-3 || v.abs() >= 1e5) => format!("{v:.4e}"),
        v => {
            let digits = 4 - (v.abs().max(1.0).log10().floor() as usize).min(4);
            format!("{v:.digits$}")
        }
    }
}

fn percent(v: f64) -> String {
    format!("{:.1} %", 100.0 * v)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_means_and_the_worst() {
        assert_eq!(Over::low(vec![4.0, 1.0, 2.0, 3.0]), Over { median: 2.5, mean: 2.5, worst: 4.0 });
        assert_eq!(Over::high(vec![0.5, 1.0, 0.75]), Over { median: 0.75, mean: 0.75, worst: 0.5 });
        assert_eq!(Over::low(vec![f64::NAN, 1.0]).worst, f64::INFINITY);
    }

    #[test]
    fn losses_have_five_digits() {
        assert_eq!(
            [0.0, 0.23456, 12.3456, 1234.56, 1e-7, f64::INFINITY].map(loss),
            ["0.0000", "0.2346", "12.346", "1234.6", "1.0000e-7", "failed"]
        );
    }
}
