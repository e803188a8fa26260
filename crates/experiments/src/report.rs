//! The summary of a run, as JSON and as tables for people. Nothing is computed here but what is printed.

use crate::classical::TunedMethod;
use crate::cli::{EstimatorName, TrainOn};
use crate::curves::{Curves, On, Spread};
use crate::task::Losses;
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use std::fmt::Write;
use std::path::PathBuf;

/// After how many steps losses are reported.
pub(crate) const REPORTED: [usize; 4] = [0, 10, 30, 100];
/// The number of steps that methods are tuned for and judged at.
pub(crate) const HORIZON: usize = 30;

/// Everything that a run found.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    pub(crate) command: &'static str,
    pub(crate) version: &'static str,
    pub(crate) seed: u64,
    pub(crate) quick: bool,
    pub(crate) components: usize,
    pub(crate) data: DataSummary,
    pub(crate) starts: usize,
    pub(crate) rsgd: TunedMethod,
    pub(crate) momentum: TunedMethod,
    pub(crate) learned: LearnedSummary,
    pub(crate) tasks: Vec<TaskSummary>,
    pub(crate) seconds: Seconds,
    pub(crate) files: Vec<PathBuf>,
}

#[derive(Debug, Serialize)]
pub(crate) struct DataSummary {
    pub(crate) origin: String,
    pub(crate) train: usize,
    pub(crate) held_out: usize,
    /// How often each digit is among the images.
    pub(crate) classes: [usize; 10],
    pub(crate) loss: &'static str,
}

#[derive(Debug, Serialize)]
pub(crate) struct LearnedSummary {
    pub(crate) architecture: &'static str,
    pub(crate) parameters: usize,
    /// The file it was loaded from, if it was not trained in this run.
    pub(crate) loaded: Option<PathBuf>,
    pub(crate) training: Option<TrainingSummary>,
}

/// What training was and what it cost.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct TrainingSummary {
    pub(crate) estimator: EstimatorName,
    pub(crate) train_on: TrainOn,
    pub(crate) outer_steps: usize,
    /// Outer steps that were left out because their numbers were not finite.
    pub(crate) skipped: usize,
    pub(crate) inner_steps: usize,
    pub(crate) members: usize,
    pub(crate) series_terms: usize,
    pub(crate) pool: usize,
    /// Gradients of one point that were computed: warm-up, inner steps, outer losses, looks at how it goes.
    pub(crate) gradient_evaluations: usize,
    /// Median over the outer steps of the contraction seen last in the series.
    pub(crate) median_rho: Option<f64>,
    /// How many series were cut off because their terms grew.
    pub(crate) truncated: usize,
    /// Wall time, the filling of the pool included.
    pub(crate) seconds: f64,
}

/// Wall time by what it was spent on.
#[derive(Debug, Default, Clone, Copy, Serialize)]
pub(crate) struct Seconds {
    pub(crate) tuning: f64,
    pub(crate) training: f64,
    pub(crate) evaluation: f64,
    pub(crate) total: f64,
}

#[derive(Debug, Serialize)]
pub(crate) struct TaskSummary {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) optimum: Losses,
    pub(crate) methods: Vec<MethodSummary>,
}

#[derive(Debug, Serialize)]
pub(crate) struct MethodSummary {
    pub(crate) name: &'static str,
    pub(crate) at: Vec<AtSteps>,
    #[serde(skip)]
    pub(crate) curves: Curves,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct AtSteps {
    pub(crate) steps: usize,
    pub(crate) train: Spread,
    pub(crate) held_out: Spread,
}

impl MethodSummary {
    pub(crate) fn new(name: &'static str, curves: Curves) -> Self {
        let at = |steps| AtSteps { steps, train: curves.at(steps, On::Train), held_out: curves.at(steps, On::HeldOut) };
        MethodSummary { name, at: REPORTED.iter().map(|&t| at(t)).collect(), curves }
    }

    fn held_out_at_horizon(&self) -> f64 {
        self.at.iter().find(|a| a.steps == HORIZON).map_or(f64::NAN, |a| a.held_out.median)
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
        let d = &self.data;
        writeln!(
            out,
            "Principal components of {} handwritten digits (8x8, {}): {} to train on, {} held out; {} components; seed {}.",
            d.train + d.held_out,
            d.origin,
            d.train,
            d.held_out,
            self.components,
            self.seed
        )?;
        writeln!(out, "Loss: {}. Every step of every method sees the gradient over all training digits.\n", d.loss)?;
        self.budgets(out)?;
        for task in &self.tasks {
            writeln!(out, "\n{}: loss per image, median of {} random starts", task.title, self.starts)?;
            writeln!(out, "{}", table(task))?;
            writeln!(out, "{}", verdict(task))?;
        }
        let s = &self.seconds;
        writeln!(
            out,
            "\nTime: {:.1} s (tuning {:.1}, warm-up and meta-training {:.1}, evaluation {:.1}).",
            s.total, s.tuning, s.training, s.evaluation
        )?;
        self.files.iter().try_for_each(|f| writeln!(out, "Wrote {}", f.display()))
    }

    fn budgets(&self, out: &mut String) -> std::fmt::Result {
        let mut line = |name: &str, m: &TunedMethod| {
            let beta = if m.beta == 0.0 { String::new() } else { format!(", beta {}", m.beta) };
            let edge = if m.at_the_edge { " (at the edge of the grid)" } else { "" };
            writeln!(
                out,
                "{name:16} step {:.4}{beta}{edge}: the best of {} after {HORIZON} steps, {} gradient evaluations",
                m.step,
                m.tried,
                grouped(m.gradient_evaluations)
            )
        };
        line("RSGD", &self.rsgd)?;
        line("RSGD + momentum", &self.momentum)?;
        let l = &self.learned;
        write!(out, "{:16} {}, {} parameters", "learned", l.architecture, grouped(l.parameters))?;
        match (&l.training, &l.loaded) {
            (Some(t), _) => {
                let how = match t.estimator {
                    EstimatorName::FixedPoint => format!("fixed-point series of {} terms", t.series_terms),
                    EstimatorName::OneStep => "one-step estimator".into(),
                    EstimatorName::Unroll => "unrolled".into(),
                };
                let on = match t.train_on {
                    TrainOn::Digits => "the training digits",
                    TrainOn::Rotations => "rotated training digits",
                };
                writeln!(
                    out,
                    ": {} outer steps on {on} ({how}, T = {}, {} members), {} gradient evaluations",
                    grouped(t.outer_steps),
                    t.inner_steps,
                    t.members,
                    grouped(t.gradient_evaluations)
                )?;
                if t.skipped > 0 {
                    writeln!(out, "{:16} {} outer steps were skipped: their numbers were not finite", "", t.skipped)?;
                }
                Ok(())
            }
            (None, Some(path)) => writeln!(
                out,
                ": loaded from {} (the held-out digits are new to it only if it was trained with this seed)",
                path.display()
            ),
            (None, None) => writeln!(out),
        }
    }
}

/// 12345 as 12 345.
fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let head = digits.len() % 3;
    let mut groups: Vec<&str> = if head > 0 { vec![&digits[..head]] } else { vec![] };
    groups.extend((head..digits.len()).step_by(3).map(|i| &digits[i..i + 3]));
    groups.join(" ")
}

fn table(task: &TaskSummary) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    let mut header: Vec<String> = vec!["".into(), "images".into()];
    header.extend(REPORTED.iter().map(|t| format!("{t} steps")));
    header.push(format!("range after {HORIZON}"));
    table.set_header(header);
    for m in &task.methods {
        for (on, images) in [(On::Train, "training"), (On::HeldOut, "held out")] {
            let spread = |a: &AtSteps| if on == On::Train { a.train } else { a.held_out };
            let name = if on == On::Train { m.name } else { "" };
            let mut row: Vec<String> = vec![name.into(), images.into()];
            row.extend(m.at.iter().map(|a| format!("{:.4}", spread(a).median)));
            let judged = m.at.iter().find(|a| a.steps == HORIZON).map(spread);
            row.extend(judged.map(|s| format!("{:.4} to {:.4}", s.lowest, s.highest)));
            table.add_row(row);
        }
    }
    for (name, images, value) in
        [("exact optimum (SVD)", "training", task.optimum.train), ("", "held out", task.optimum.held_out)]
    {
        let mut row: Vec<String> = vec![name.into(), images.into()];
        row.extend(REPORTED.iter().map(|_| format!("{value:.4}")));
        table.add_row(row);
    }
    table.column_iter_mut().skip(2).for_each(|c| c.set_cell_alignment(CellAlignment::Right));
    table
}

/// Who is ahead on held-out images at the horizon, in words.
fn verdict(task: &TaskSummary) -> String {
    let at =
        |name: &str| task.methods.iter().find(|m| m.name == name).map_or(f64::NAN, MethodSummary::held_out_at_horizon);
    let (rsgd, momentum, learned) = (at(RSGD), at(MOMENTUM), at(LEARNED));
    let words = match (learned < rsgd, learned < momentum) {
        (true, true) => "the learned optimiser is ahead of both tuned methods",
        (true, false) => "the learned optimiser is ahead of RSGD and behind momentum",
        (false, true) => "the learned optimiser is ahead of momentum and behind RSGD",
        (false, false) => "the learned optimiser is behind both tuned methods",
    };
    format!(
        "Held out, after {HORIZON} steps: {words} (learned {learned:.4}, momentum {momentum:.4}, RSGD {rsgd:.4}, optimum {:.4}).",
        task.optimum.held_out
    )
}

/// The names of the methods, in tables, curves and JSON.
pub(crate) const RSGD: &str = "RSGD";
pub(crate) const MOMENTUM: &str = "RSGD + momentum";
pub(crate) const LEARNED: &str = "learned";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(
            ["0", "999", "1 000", "12 345", "1 234 567"],
            [0, 999, 1000, 12345, 1_234_567].map(grouped).each_ref().map(|s| &s[..])
        );
    }

    #[test]
    fn the_verdict_says_who_is_ahead() {
        let method = |name, held_out| {
            let l = Losses { train: 0.0, held_out };
            MethodSummary::new(name, Curves { after: vec![vec![l]; 101] })
        };
        let task = |learned, momentum| TaskSummary {
            name: "",
            title: "",
            optimum: Losses { train: 0.0, held_out: 0.0 },
            methods: vec![method(RSGD, 3.0), method(MOMENTUM, momentum), method(LEARNED, learned)],
        };
        assert!(verdict(&task(1.0, 2.0)).contains("ahead of both"));
        assert!(verdict(&task(2.0, 2.0)).contains("ahead of RSGD and behind momentum"));
        assert!(verdict(&task(4.0, 2.0)).contains("behind both"));
    }
}
