//! The summary of a run, as JSON and as tables for people. Nothing is computed here but what is printed.

use crate::classical::TunedMethod;
use crate::cli::{EstimatorName, TrainOn};
use crate::curves::{Curves, On, Spread};
use crate::task::Losses;
use crate::third::{self, Claim};
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use std::fmt::Write;
use std::path::PathBuf;

/// After how many steps losses are reported.
pub(crate) const REPORTED: [usize; 4] = [0, 10, 30, 100];
/// The number of steps that methods are tuned for and judged at.
pub(crate) const HORIZON: usize = 30;
/// A third of it.
pub(crate) const THIRD: usize = 10;

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
    /// The classical methods, tuned for the loss at the horizon.
    pub(crate) tuned: Vec<TunedMethod>,
    /// The same, tuned for the loss after a third of it.
    pub(crate) sooner: Vec<TunedMethod>,
    pub(crate) learned: LearnedSummary,
    pub(crate) equivariant: Option<SecondSummary>,
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
    pub(crate) name: &'static str,
    pub(crate) architecture: &'static str,
    pub(crate) parameters: usize,
    /// The file it was loaded from, if it was not trained in this run.
    pub(crate) loaded: Option<PathBuf>,
    pub(crate) training: Option<TrainingSummary>,
}

/// The equivariant optimiser.
#[derive(Debug, Serialize)]
pub(crate) struct SecondSummary {
    pub(crate) parameters: usize,
    pub(crate) training: TrainedOn,
}

/// What its training was and what it cost.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct TrainedOn {
    pub(crate) outer_steps: usize,
    pub(crate) members: usize,
    /// Gradients of one point and products with the Hessian: inner steps, which are differentiated once more, outer
    /// losses, looks.
    pub(crate) gradient_evaluations: usize,
    /// Members that failed and were left out.
    pub(crate) dropped: usize,
    pub(crate) seconds: f64,
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
    /// The classical methods, then the learned ones.
    pub(crate) methods: Vec<MethodSummary>,
    pub(crate) claims: Vec<Claim>,
}

impl TaskSummary {
    /// From the curves of the classical methods, of the same tuned for a third of the steps, and of the learned ones.
    pub(crate) fn new(
        name: &'static str,
        title: &'static str,
        optimum: Losses,
        classical: Vec<MethodSummary>,
        sooner: Vec<MethodSummary>,
        learned: Vec<MethodSummary>,
    ) -> Self {
        let named = |list: &[MethodSummary]| list.iter().map(|m| (m.name, m.curves.clone())).collect::<Vec<_>>();
        let lists = [named(&classical), named(&sooner), named(&learned)];
        let [c, s, l] = lists.each_ref().map(|list| list.iter().map(|(n, c)| (*n, c)).collect::<Vec<_>>());
        let claims = third::claims(&c, &s, &l);
        TaskSummary { name, title, optimum, methods: classical.into_iter().chain(learned).collect(), claims }
    }
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
            task.claims.iter().try_for_each(|c| c.write(out))?;
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
        for m in &self.tuned {
            let beta = if m.beta == 0.0 { String::new() } else { format!(", beta {}", m.beta) };
            let edge = if m.at_the_edge { " (at the edge of the grid)" } else { "" };
            writeln!(
                out,
                "{:23} step {:.4}{beta}{edge}: the best of {} after {HORIZON} steps, {} gradient evaluations",
                m.name,
                m.step,
                m.tried,
                grouped(m.gradient_evaluations)
            )?;
        }
        let more: usize = self.sooner.iter().map(|m| m.gradient_evaluations).sum();
        writeln!(out, "{:23} each tuned for {THIRD} steps as well: {} gradient evaluations", "", grouped(more))?;
        self.learned.write(out)?;
        self.equivariant.as_ref().map_or(Ok(()), |e| e.write(out))
    }
}

impl LearnedSummary {
    fn write(&self, out: &mut String) -> std::fmt::Result {
        let l = self;
        write!(out, "{:23} {} parameters", l.name, grouped(l.parameters))?;
        if l.architecture != l.name {
            write!(out, " ({})", l.architecture)?;
        }
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
                    writeln!(out, "{:23} {} outer steps were skipped: their numbers were not finite", "", t.skipped)?;
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

impl SecondSummary {
    fn write(&self, out: &mut String) -> std::fmt::Result {
        let t = &self.training;
        writeln!(
            out,
            "{EQUIVARIANT:23} {} parameters: {} outer steps on the training digits (unrolled, {} members), {} gradient evaluations",
            grouped(self.parameters),
            grouped(t.outer_steps),
            t.members,
            grouped(t.gradient_evaluations)
        )
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
    let (learned, classical): (Vec<_>, Vec<_>) = task.methods.iter().partition(|m| LEARNED.contains(&m.name));
    let at = |m: &MethodSummary| m.held_out_at_horizon();
    let best =
        classical.iter().map(|m| (m.name, at(m))).min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or(("none", f64::NAN));
    let words = learned.iter().map(|m| {
        let ahead = classical.iter().filter(|c| at(m) < at(c)).count();
        format!("{} ({:.4}) is ahead of {ahead} of {} tuned methods", m.name, at(m), classical.len())
    });
    format!(
        "Held out, after {HORIZON} steps: {}; the best of these is {} ({:.4}), the optimum {:.4}.",
        words.collect::<Vec<_>>().join(", "),
        best.0,
        best.1,
        task.optimum.held_out
    )
}

/// The names of the learned optimisers, in tables, curves and JSON.
pub(crate) const LSTM: &str = "generalised matrix LSTM";
pub(crate) const FREE: &str = "gradient-free";
pub(crate) const EQUIVARIANT: &str = "equivariant";
pub(crate) const LEARNED: [&str; 3] = [LSTM, FREE, EQUIVARIANT];

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
        let words = |learned| {
            let classical = || vec![method("RSGD", 3.0), method("momentum", 2.0)];
            let optimum = Losses { train: 0.0, held_out: 0.0 };
            verdict(&TaskSummary::new("", "", optimum, classical(), classical(), vec![method(LSTM, learned)]))
        };
        assert!(words(1.0).contains("ahead of 2 of 2 tuned methods; the best of these is momentum (2.0000)"));
        assert!(words(2.0).contains("ahead of 1 of 2"));
        assert!(words(4.0).contains("ahead of 0 of 2"));
    }
}
