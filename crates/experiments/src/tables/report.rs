//! The report of the command `tables` for people. Nothing is computed here but what is printed.

use super::Summary;
use super::args::How;
use super::measure::Row;
use super::printed::Work;
use comfy_table::{CellAlignment, Table, presets};
use std::fmt::Write;

const MIB: f64 = 1024.0 * 1024.0;

impl Summary {
    /// All tables, then what they show.
    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "The papers' tables with our numbers beside theirs. Data: {}; seed {}.", self.data, self.seed)?;
        if !self.rows.is_empty() {
            out.push_str(HEAD);
        }
        for work in Work::ALL {
            let rows: Vec<&Row> = self.rows.iter().filter(|r| r.work == work).collect();
            if let Some(first) = rows.first() {
                writeln!(out, "\n{}: {}, {} parameters", work.tables(), first.problem, first.parameters)?;
                writeln!(out, "{}", costs(&rows))?;
                trust(&rows, out)?;
                for c in self.claims.iter().filter(|c| c.work == work) {
                    writeln!(out, "{}: {} ({}).", if c.holds { "Shown" } else { "Not so" }, c.claim, c.numbers)?;
                }
            }
        }
        if !self.accuracies.is_empty() {
            writeln!(
                out,
                "\nTable 6, test accuracies in per cent; ours are medians over starts, tuned on a coarse grid"
            )?;
            writeln!(out, "{}", self.accuracy())?;
            if self.data == "built in" {
                writeln!(
                    out,
                    "Ours are on the built-in digits and textures: other data, other numbers. `--data DIR` runs those of the papers."
                )?;
            }
        }
        let processor = self.processor.map_or_else(String::new, |p| format!(", {p:.1} s of processor time"));
        writeln!(out, "\nTime: {:.1} s{processor}.", self.seconds)?;
        self.files.iter().try_for_each(|f| writeln!(out, "Wrote {}", f.display()))
    }

    fn accuracy(&self) -> Table {
        let mut table = new(["", "faces: papers", "ours", "clustering: papers", "ours"]);
        let shown = |v: Option<f64>| v.map_or_else(|| "-".to_string(), |v| format!("{v:.1}"));
        for a in &self.accuracies {
            let [faces, clustering] = a.printed;
            table.add_row([a.name.clone(), shown(faces), shown(a.ours[0]), shown(clustering), shown(a.ours[1])]);
        }
        table.column_iter_mut().skip(1).for_each(|c| c.set_cell_alignment(CellAlignment::Right));
        table
    }
}

/// What the columns are.
const HEAD: &str = "\
inner loop: time to the solution that is given to the implicit meta-gradient; it is part of an unroll.
meta-gradient: processor time, the fastest of several runs, one thread. recording: the most that the derivative's tapes held. everything: the
most that was allocated at once (data, parameters, inner loop, minibatches, recording, results). process: VmHWM of a process
that measures this row and nothing else. The papers' columns: seconds of a whole outer step and MB of a graphics card, for
networks of their size in single precision.
";

fn new<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(header);
    table
}

fn costs(rows: &[&Row]) -> Table {
    let mut table = new([
        "T",
        "",
        "inner loop, s",
        "meta-gradient, s",
        "recording, MiB",
        "everything, MiB",
        "process, MiB",
        "papers, s",
        "papers, MB",
    ]);
    for r in rows {
        let printed = r.work.of_paper(r.how, r.steps);
        let first = r.how == r.work.ways()[0];
        table.add_row([
            if first { r.steps.to_string() } else { String::new() },
            r.how.name().into(),
            r.inner_seconds.map_or_else(String::new, |s| format!("{s:.4}")),
            format!("{:.4}", r.seconds),
            format!("{:.2}", r.tapes as f64 / MIB),
            format!("{:.2}", r.held as f64 / MIB),
            r.process.map_or_else(String::new, |p| format!("{p:.1}")),
            printed.map_or_else(|| "-".into(), |c| c.seconds.to_string()),
            printed.map_or_else(|| "-".into(), |c| c.megabytes.to_string()),
        ]);
    }
    table
        .column_iter_mut()
        .enumerate()
        .filter(|(k, _)| *k != 1)
        .for_each(|(_, c)| c.set_cell_alignment(CellAlignment::Right));
    table
}

/// What the fast number is worth: beside the unroll, and in the certificate's words.
fn trust(rows: &[&Row], out: &mut String) -> std::fmt::Result {
    let of = |how| rows.iter().filter(move |r| r.how == how);
    let mut list = vec![];
    for (u, i) in of(How::Unroll).zip(of(How::Implicit)) {
        if let (Some((cosine, error)), Some(verdict)) = (u.agreement, &i.verdict) {
            let own = i.error.map_or_else(String::new, |e| format!(", relative error {e:.1e} to the fixed point's"));
            list.push(format!(
                "  T = {}: cosine {cosine:.4}, relative error {error:.1e}; certificate: {verdict}{own}",
                u.steps
            ));
        }
    }
    match list.is_empty() {
        true => Ok(()),
        false => writeln!(out, "The implicit meta-gradient beside the unrolled one:\n{}", list.join("\n")),
    }
}
