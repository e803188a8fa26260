//! What the commands about distances to an optimum print, as JSON and as tables for people. Nothing is computed here
//! but what is printed.

use super::args::{EquivariantArgs, On};
use super::contest::{Family, Pupil, is_lbfgs};
use super::opponents::{BB, CG, DECAYING, RADAM};
use super::problems::Problems;
use super::runs::{self, Tuned};
use crate::course::Seen;
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use std::fmt::Write;
use std::path::PathBuf;

/// Of what is left: median, geometric mean and the worst over starts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Over {
    pub(crate) median: f64,
    pub(crate) mean: f64,
    pub(crate) worst: f64,
}

impl Over {
    pub(crate) fn of(left: &[f64]) -> Self {
        let mut sorted = left.to_vec();
        sorted.sort_by(f64::total_cmp);
        let n = sorted.len();
        let median = if n % 2 == 1 { sorted[n / 2] } else { (sorted[n / 2 - 1] * sorted[n / 2]).sqrt() };
        Over { median, mean: 10f64.powf(runs::mean_log10(left)), worst: sorted[n - 1] }
    }
}

/// A method tuned for so many steps.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Tuning {
    pub(crate) steps: usize,
    #[serde(flatten)]
    pub(crate) found: Tuned,
}

/// A method on a family.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    /// After the numbers of steps of the family.
    pub(crate) at: Vec<Over>,
    pub(crate) tuning: Vec<Tuning>,
    /// Time of a step from a single start.
    pub(crate) microseconds: f64,
    pub(crate) failed: Option<String>,
}

/// How many times closer the learned optimisers came than an opponent.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Factor {
    pub(crate) opponent: String,
    pub(crate) steps: usize,
    pub(crate) factor: f64,
    /// Two standard errors over starts to either side.
    pub(crate) low: f64,
    pub(crate) high: f64,
    /// Of each training alone.
    pub(crate) trainings: Vec<f64>,
    /// The part of the starts from which they came closer.
    pub(crate) wins: f64,
    /// The factor at equal time.
    pub(crate) equal_time: Option<f64>,
    /// The factor where the opponent was tuned on what the learned optimisers were trained on.
    pub(crate) home: Option<f64>,
    pub(crate) goal: Option<f64>,
    pub(crate) holds: Option<bool>,
}

/// A factor that was aimed at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Goal {
    opponents: &'static [&'static str],
    steps: usize,
    pub(crate) factor: f64,
}

impl Goal {
    pub(crate) fn against(&self, name: &str, steps: usize) -> bool {
        steps == self.steps && (self.opponents.contains(&name) || self.opponents.is_empty() && is_lbfgs(name))
    }

    /// Per gradient, on what was never seen.
    pub(crate) fn per_gradient() -> Vec<Goal> {
        vec![
            Goal { opponents: &[DECAYING, BB, RADAM, CG], steps: 30, factor: 5.0 },
            Goal { opponents: &[], steps: 10, factor: 2.0 },
            Goal { opponents: &[], steps: 30, factor: 2.0 },
        ]
    }

    /// At other dimensions and condition numbers.
    pub(crate) fn elsewhere() -> Vec<Goal> {
        vec![Goal { opponents: &[], steps: 10, factor: 1.2 }]
    }
}

/// What a training was.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Trained {
    pub(crate) gradients: usize,
    pub(crate) dropped: usize,
    pub(crate) skipped: usize,
    pub(crate) seconds: f64,
}

impl Trained {
    pub(crate) fn new(seen: &Seen, gradients: usize) -> Self {
        Trained { gradients, dropped: seen.dropped, skipped: seen.skipped, seconds: seen.seconds }
    }
}

/// Very many steps on what was never seen: does the learned optimiser stay where it came to?
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Long {
    pub(crate) steps: usize,
    /// What problems are made of.
    pub(crate) what: &'static str,
    pub(crate) problems: usize,
    /// The worst that is left at the end, over starts and trainings, and the worst after a hundred steps.
    pub(crate) worst: f64,
    pub(crate) worst_at_hundred: f64,
}

impl Long {
    pub(crate) fn new(pupils: &[Pupil], problems: &Problems, steps: usize, what: &'static str) -> Self {
        let curves: Vec<_> =
            pupils.iter().map(|p| runs::run_entrant(p.method.as_ref(), problems, steps, 3).left).collect();
        let worst = |t: usize| curves.iter().flat_map(|c| c[t].iter().copied()).fold(0.0, f64::max);
        Long { steps, what, problems: problems.count(), worst: worst(steps), worst_at_hundred: worst(100.min(steps)) }
    }
}

/// Everything that the command `equivariant` found.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    pub(crate) command: &'static str,
    pub(crate) version: &'static str,
    pub(crate) seed: u64,
    pub(crate) quick: bool,
    pub(crate) on: On,
    /// What was trained on.
    pub(crate) practised: &'static str,
    pub(crate) outer_steps: usize,
    pub(crate) trainings: Vec<Trained>,
    pub(crate) families: Vec<Family>,
    pub(crate) long: Long,
    pub(crate) seconds: f64,
    pub(crate) files: Vec<PathBuf>,
}

impl Summary {
    pub(crate) fn new(
        args: &EquivariantArgs,
        practised: &'static str,
        outer_steps: usize,
        trainings: Vec<Trained>,
        families: Vec<Family>,
        long: Long,
    ) -> Self {
        Summary {
            command: "equivariant",
            version: env!("CARGO_PKG_VERSION"),
            seed: args.seed,
            quick: args.quick,
            on: args.on,
            practised,
            outer_steps,
            trainings,
            families,
            long,
            seconds: 0.0,
            files: vec![],
        }
    }

    /// The report for people.
    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        writeln!(
            out,
            "The equivariant optimiser, {} trainings of {} outer steps on {}; seed {}.",
            self.trainings.len(),
            self.outer_steps,
            self.practised,
            self.seed
        )?;
        for (k, t) in self.trainings.iter().enumerate() {
            let (g, s) = (t.gradients, t.seconds);
            writeln!(out, "Training {k}: {g} gradients of single points, {s:.0} s, {} members left out.", t.dropped)?;
        }
        writeln!(
            out,
            "Left is the part of the first loss above the optimum; one gradient a step. Opponents are tuned for each number of\n\
             steps on other problems of the same family; \"at home\" on what the learned ones were trained on instead."
        )?;
        self.families.iter().try_for_each(|f| f.write(out))?;
        let l = &self.long;
        writeln!(
            out,
            "\nAfter {} steps on {} problems with {} the worst that is left is {:.1e} ({:.1e} after a hundred).",
            l.steps, l.problems, l.what, l.worst, l.worst_at_hundred
        )?;
        writeln!(out, "\n{}", self.verdict())?;
        writeln!(out, "\nTime: {:.1} s.", self.seconds)?;
        self.files.iter().try_for_each(|f| writeln!(out, "Wrote {}", f.display()))
    }

    /// Which goals hold, in words.
    fn verdict(&self) -> String {
        let say = |holds: bool| -> Vec<String> {
            let all = self.families.iter().flat_map(|f| f.factors.iter().map(move |x| (f.name, x)));
            let these = all.filter(|(_, x)| x.holds == Some(holds));
            let one = |(family, x): (&str, &Factor)| {
                let (goal, name) = (x.goal.unwrap_or(f64::NAN), &x.opponent);
                let home = x.home.map_or(String::new(), |h| format!(" ({} if it is tuned at home)", times(h)));
                format!("  {family}, {name}, {} steps: {} where {goal} was the goal{home}", x.steps, times(x.factor))
            };
            these.map(one).collect()
        };
        let part = |title: &str, lines: Vec<String>| match lines.is_empty() {
            true => format!("{title}: none."),
            false => format!("{title}:\n{}", lines.join("\n")),
        };
        format!("{}\n{}", part("Goals that hold", say(true)), part("Goals that do not hold", say(false)))
    }
}

impl Family {
    pub(crate) fn write(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "\n{} ({} problems, tuned on {} others)", self.title, self.problems, self.tuning_problems)?;
        writeln!(out, "{}", self.rows_table())?;
        writeln!(
            out,
            "Times closer than: geometric mean over starts and trainings [two standard errors]; at equal time"
        )?;
        writeln!(out, "{}", self.factors_table())?;
        for r in self.rows.iter().filter(|r| r.failed.is_some()) {
            writeln!(out, "{} failed: {}", r.name, r.failed.as_deref().unwrap_or_default())?;
        }
        Ok(())
    }

    fn rows_table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::UTF8_FULL_CONDENSED);
        let mut header = vec![String::new(), "tried".into(), "gradients for it".into(), "us a step".into()];
        for t in &self.judged {
            header.extend([format!("{t} steps: median"), "mean".into(), "worst".into()]);
        }
        table.set_header(header);
        for r in &self.rows {
            let tried: usize = r.tuning.iter().map(|t| t.found.tried).sum();
            let gradients: usize = r.tuning.iter().map(|t| t.found.gradients).sum();
            let time = if r.microseconds.is_finite() { format!("{:.0}", r.microseconds) } else { String::new() };
            let mut row = vec![r.name.clone(), tried.to_string(), gradients.to_string(), time];
            row.extend(r.at.iter().flat_map(|o| [o.median, o.mean, o.worst]).map(|v| format!("{v:.1e}")));
            table.add_row(row);
        }
        table.column_iter_mut().skip(1).for_each(|c| c.set_cell_alignment(CellAlignment::Right));
        table
    }

    fn factors_table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::UTF8_FULL_CONDENSED);
        let at_home = self.factors.iter().any(|f| f.home.is_some());
        let mut header = vec![String::new()];
        for t in &self.judged {
            header.extend([format!("{t} steps"), "each training".into(), "starts won".into(), "equal time".into()]);
            if at_home {
                header.push("tuned at home".into());
            }
        }
        table.set_header(header);
        let mut names: Vec<&str> = self.factors.iter().map(|f| f.opponent.as_str()).collect();
        names.dedup();
        for name in names {
            let mut row = vec![name.to_string()];
            for f in self.factors.iter().filter(|f| f.opponent == name) {
                let each: Vec<String> = f.trainings.iter().map(|t| times(*t)).collect();
                row.push(format!("{} [{}, {}]", times(f.factor), times(f.low), times(f.high)));
                row.push(each.join(" "));
                row.push(format!("{:.0} %", 100.0 * f.wins));
                row.push(f.equal_time.map_or(String::new(), times));
                if at_home {
                    row.push(f.home.map_or(String::new(), times));
                }
            }
            table.add_row(row);
        }
        table.column_iter_mut().skip(1).for_each(|c| c.set_cell_alignment(CellAlignment::Right));
        table
    }
}

/// A factor with two or three digits.
pub(crate) fn times(v: f64) -> String {
    match v {
        v if !v.is_finite() => "-".into(),
        v if v >= 1e5 => format!("{v:.0e}"),
        v if v >= 100.0 => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}"),
        v if v >= 0.095 => format!("{v:.2}"),
        v => format!("{v:.1e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_geometric_means() {
        let o = Over::of(&[1e-2, 1e-4, 1e-6]);
        assert!((o.median - 1e-4).abs() < 1e-18 && (o.mean / 1e-4 - 1.0).abs() < 1e-12 && o.worst == 1e-2);
        assert_eq!(Over::of(&[1e-2, f64::INFINITY]).worst, f64::INFINITY);
    }

    #[test]
    fn goals_name_their_opponents() {
        let goals = Goal::per_gradient();
        let aimed = |name, steps| goals.iter().find(|g| g.against(name, steps)).map(|g| g.factor);
        assert_eq!((aimed(DECAYING, 30), aimed(DECAYING, 10), aimed(BB, 30)), (Some(5.0), None, Some(5.0)));
        assert_eq!(
            (aimed(super::super::opponents::LBFGS, 10), aimed(super::super::opponents::LBFGS, 30)),
            (Some(2.0), Some(2.0))
        );
    }
}
