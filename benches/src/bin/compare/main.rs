//! Two builds of one benchmark in one run: the executables take turns, and every time of every row is compared.
//!
//! `cargo run --release -p pullback-benches --bin compare -- primitives --base REVISION` builds the benchmark of that
//! revision in a worktree under `target/`, and the present one, and prints new/old for each row and column. `--rounds`
//! sets how many turns each gets (what differs by a few percent needs tens of them), `--help` lists the rest. No timing
//! happens here: the benchmarks time themselves, both by the present harness, and print what this reads.
//! `--instructions` counts instead of timing (`instructions.rs`).

mod instructions;

use clap::Parser;
use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Compares two builds of a benchmark in one run.
#[derive(Parser)]
struct Options {
    /// The benchmark: `engine` or `primitives`.
    bench: String,
    /// The revision to compare with.
    #[arg(long)]
    base: String,
    /// How many turns each build gets. What counts is the median of the ratios of neighbouring turns: a machine that is
    /// fast for a while is fast for both, and the least of all times would belong to whoever met it.
    #[arg(long, default_value_t = 6)]
    rounds: usize,
    /// How many more turns rows above the limit get, both builds alike.
    #[arg(long, default_value_t = 0, conflicts_with = "instructions")]
    again: usize,
    /// A ratio above this is marked.
    #[arg(long, default_value_t = 1.03)]
    limit: f64,
    /// Count instructions under valgrind instead of timing: what a noisy machine cannot move by a hair. They are those
    /// of a processor that valgrind knows, without AVX-512, and say nothing of caches and stalls.
    #[arg(long)]
    instructions: bool,
    /// Ask the present build only for rows whose names the base prints too, when it has many more.
    #[arg(long, conflicts_with = "instructions")]
    common: bool,
    /// Arguments of the benchmark's race: rows by name, and a number of seconds for the budget of a row.
    #[arg(trailing_var_arg = true)]
    rest: Vec<String>,
}

/// A table's title, a row's name and the place of the time within the row.
type Key = (String, String, usize);
/// The times seen, round by round, in nanoseconds (or a number of instructions), in the order in which the rows were
/// first printed.
#[derive(Default)]
struct Times {
    order: Vec<Key>,
    rounds: BTreeMap<Key, Vec<f64>>,
}

fn main() -> Result<()> {
    let options = Options::parse();
    if options.instructions {
        instructions::valgrind()?;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("expected a workspace above the benchmarks")?;
    let target = root.join("target/compare");
    let tree = worktree(root, &target, &options.base)?;
    lend_harness(root, &tree)?;
    let old = built(&tree, &target.join("old"), &options.bench)?;
    let new = built(root, &target.join("new"), &options.bench)?;
    if options.instructions {
        let [before, after] = [&old, &new].map(|exe| instructions::counted(exe, &target, &options.rest));
        return print(&before?, &after?, options.limit, "instructions");
    }
    let (mut before, mut after) = (Times::default(), Times::default());
    let mut rest = options.rest.clone();
    if options.common {
        eprintln!("the rows of the base");
        // For the names only: with a turn more the base would have an advantage.
        let mut seen = Times::default();
        seen.read(&output(Command::new(&old).arg("--race").args(&rest))?);
        rest.extend(seen.names());
    }
    rounds(options.rounds, [(&old, &mut before), (&new, &mut after)], &rest)?;
    let slower = before.beaten(&after, options.limit).names();
    if options.again > 0 && !slower.is_empty() {
        eprintln!("again, what is above {}: {}", options.limit, slower.join(" "));
        // `engine` chooses tables by name and not rows, so all of it runs again.
        if options.bench == "primitives" {
            rest.retain(|word| word.parse::<f64>().is_ok());
            rest.extend(slower);
        }
        rounds(options.again, [(&old, &mut before), (&new, &mut after)], &rest)?;
    }
    print(&before, &after, options.limit, "ns")
}

/// The two take `turns` turns each.
fn rounds(turns: usize, mut both: [(&PathBuf, &mut Times); 2], rest: &[String]) -> Result<()> {
    for round in 0..turns {
        eprintln!("round {} of {turns}", round + 1);
        for (executable, times) in &mut both {
            times.read(&output(Command::new(executable).arg("--race").args(rest))?);
        }
        // Whoever goes first meets another machine; so they change places.
        both.reverse();
    }
    Ok(())
}

/// The base revision, checked out beside the build products.
fn worktree(root: &Path, target: &Path, base: &str) -> Result<PathBuf> {
    let commit = output(Command::new("git").current_dir(root).args(["rev-parse", "--short", base]))?.trim().to_string();
    let tree = target.join(format!("tree-{commit}"));
    if !tree.exists() {
        let place = tree.to_str().ok_or("expected a path in UTF-8")?;
        output(Command::new("git").current_dir(root).args(["worktree", "add", "--detach", place, &commit]))?;
    }
    Ok(tree)
}

/// The base is given the present harness, which is one file, so that both are measured alike. In an older checkout it
/// is the crate. What is there already is not written again, since that would build it again.
fn lend_harness(root: &Path, tree: &Path) -> Result<()> {
    let (lib, race) = (tree.join("benches/src/lib.rs"), "benches/src/race.rs");
    let present = fs::read_to_string(root.join(race))?;
    let (file, text) = if tree.join(race).exists() {
        (tree.join(race), present)
    } else {
        let there = fs::read_to_string(&lib)?;
        let modules = there.lines().filter(|l| l.starts_with("pub mod ")).collect::<Vec<_>>().join("\n");
        (lib, format!("{}\n{modules}\n", present.trim_end()))
    };
    if fs::read_to_string(&file)? != text {
        fs::write(file, text)?;
    }
    Ok(())
}

/// Builds the benchmark of a checkout and says where the executable is.
fn built(tree: &Path, target: &Path, bench: &str) -> Result<PathBuf> {
    let args =
        ["bench", "-p", "pullback-benches", "--bench", bench, "--no-run", "--message-format", "json", "--target-dir"];
    let said = output(Command::new("cargo").current_dir(tree).args(args).arg(target))?;
    let found = said.lines().filter(|l| l.contains(r#""kind":["bench"]"#)).find_map(|line| {
        let rest = line.split_once(r#""executable":""#)?.1;
        Some(PathBuf::from(rest.split_once('"')?.0))
    });
    found.ok_or_else(|| format!("expected `cargo bench` to name the executable of `{bench}`, got none").into())
}

fn output(command: &mut Command) -> Result<String> {
    let done = command.stderr(Stdio::inherit()).output()?;
    if !done.status.success() {
        return Err(format!("{command:?} ended with {}", done.status).into());
    }
    Ok(String::from_utf8(done.stdout)?)
}

impl Times {
    /// Keeps the time of one more round.
    fn note(&mut self, key: Key, t: f64) {
        if !self.rounds.contains_key(&key) {
            self.order.push(key.clone());
        }
        self.rounds.entry(key).or_default().push(t);
    }

    /// The least time of a row.
    fn least(&self, key: &Key) -> f64 {
        self.rounds[key].iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// The median over the rounds of the time in `after` over the time here, for what both have.
    fn ratio(&self, after: &Times, key: &Key) -> Option<f64> {
        let mut ratios: Vec<f64> = self.rounds[key].iter().zip(after.rounds.get(key)?).map(|(a, b)| b / a).collect();
        ratios.sort_by(f64::total_cmp);
        let (low, high) = (ratios[(ratios.len() - 1) / 2], ratios[ratios.len() / 2]);
        Some((low + high) / 2.0)
    }

    /// What took more than `limit` times as long in `after`.
    fn beaten(&self, after: &Times, limit: f64) -> Times {
        let slower = |key: &&Key| self.ratio(after, key).is_some_and(|r| r > limit);
        Times { order: self.order.iter().filter(slower).cloned().collect(), ..Times::default() }
    }

    /// The first words of the rows, by which a benchmark selects them.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.order.iter().filter_map(|(_, row, _)| Some(row.split_whitespace().next()?.to_string())).collect();
        names.sort();
        names.dedup();
        names
    }

    /// Reads what a benchmark printed: a line without a time opens a table, a line with times is a row of it.
    fn read(&mut self, text: &str) {
        let mut table = String::new();
        for line in text.lines() {
            let (name, times) = row(line);
            if times.is_empty() {
                table = if line.trim().is_empty() { table } else { line.trim().chars().take(24).collect() };
            }
            for (k, t) in times.into_iter().enumerate() {
                self.note((table.clone(), name.clone(), k), t);
            }
        }
    }
}

/// What stands before the first time, and the times in nanoseconds. Limits in brackets are not times.
fn row(line: &str) -> (String, Vec<f64>) {
    let words: Vec<&str> = line.split_whitespace().collect();
    let mut found = vec![];
    let mut first = words.len();
    for k in 1..words.len() {
        let scale = match words[k] {
            "ns" => 1.0,
            "us" => 1e3,
            "ms" => 1e6,
            _ => continue,
        };
        if let Ok(t) = words[k - 1].parse::<f64>() {
            first = first.min(k - 1);
            found.push(t * scale);
        }
    }
    (words[..first].join(" "), found)
}

fn print(before: &Times, after: &Times, limit: f64, unit: &str) -> Result<()> {
    let both = before.order.iter().filter_map(|key| Some((key, before.ratio(after, key)?))).collect::<Vec<_>>();
    if both.is_empty() {
        return Err("expected rows that both builds print, got none".into());
    }
    println!("the least of each build in {unit}, and the median over the rounds of new/old");
    println!("{:<24} {:<16} {:>3} {:>12} {:>12}   new/old", "table", "row", "col", "old", "new");
    let mut above = 0;
    for (key, ratio) in &both {
        let (old, new) = (before.least(key), after.least(key));
        let mark = if *ratio > limit { "  ABOVE" } else { "" };
        above += usize::from(!mark.is_empty());
        println!("{:<24} {:<16} {:>3} {old:>12.0} {new:>12.0}   {ratio:>6.3}{mark}", key.0, key.1, key.2);
    }
    println!("{above} of {} are above {limit} of the old", both.len());
    Ok(())
}

#[test]
fn a_row_is_its_name_and_its_times() {
    let (name, times) = row("cholesky       4      31 ns     1.50 us      2.5 ms   4.25 (600 ns <= 731 ns)");
    assert_eq!(name, "cholesky 4");
    assert_eq!(times, [31.0, 1500.0, 2.5e6]);
    assert!(row("Brockett cost <N, Q'AQ>").1.is_empty());
}

#[test]
fn one_fast_turn_decides_nothing() {
    let (mut before, mut after) = (Times::default(), Times::default());
    before.read("f\nqr 4  70 ns\n");
    after.read("f\nqr 4  100 ns\n");
    for _ in 0..2 {
        before.read("f\nqr 4  100 ns\n");
        after.read("f\nqr 4  90 ns\n");
    }
    assert_eq!(before.ratio(&after, &before.order[0]), Some(0.9));
    assert_eq!(before.least(&before.order[0]), 70.0);
}

#[test]
fn what_is_slower_is_asked_again_by_name() {
    let (mut before, mut after) = (Times::default(), Times::default());
    before.read("f\nqr 4  100 ns  200 ns\nlu 4  100 ns\nonly here  1 ns\n");
    after.read("f\nqr 4  100 ns  207 ns\nlu 4  102 ns\n");
    assert_eq!(before.beaten(&after, 1.03).names(), ["qr"]);
    assert_eq!(before.beaten(&after, 1.04).names(), [""; 0]);
}
