//! Instructions of each candidate of a benchmark, counted by valgrind's callgrind. No build is made here.
//!
//! The benchmark runs once. Each candidate is called a few times within one function, and callgrind writes a file when
//! that function returns; between, the benchmark says on its standard output whose turn it was.

use super::{Result, Times, output, row};
use pullback_benches::COUNTED;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Is there a valgrind?
pub(super) fn valgrind() -> Result<()> {
    match Command::new("valgrind").arg("--version").output() {
        Ok(done) if done.status.success() => Ok(()),
        _ => Err("expected `valgrind` on the path, which counts the instructions, got none: install it, or leave \
                  `--instructions` out"
            .into()),
    }
}

/// Runs a benchmark under callgrind: the instructions of one call of each candidate.
pub(super) fn counted(executable: &Path, target: &Path, rest: &[String]) -> Result<Times> {
    let folder = target.join("callgrind");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    eprintln!("counting {}", executable.display());
    let mut command = Command::new("valgrind");
    command.args(["--quiet", "--tool=callgrind"]).arg(format!("--callgrind-out-file={}/out", folder.display()));
    // The harness is a file of the crate, or the crate. Two patterns would toggle twice; a file needs the whole name.
    command.arg("--toggle-collect=*::counted_calls");
    command.args(["::race", ""].map(|file| format!("--dump-after=pullback_benches{file}::counted_calls")));
    attributed(&output(command.env("PULLBACK_COUNT", "1").arg(executable).arg("--race").args(rest))?, &folder)
}

/// The files of callgrind, one for each line that says `counted`, by the rows that were printed after them.
fn attributed(said: &str, folder: &Path) -> Result<Times> {
    let mut counts = Times::default();
    let mut files = 1..;
    let (mut table, mut waiting) = (String::new(), 0);
    for line in said.lines() {
        if line.starts_with("counted ") {
            waiting += 1;
            continue;
        }
        let (name, times) = row(line);
        if times.is_empty() && waiting == 0 {
            table = if line.trim().is_empty() { table } else { line.trim().chars().take(24).collect() };
        }
        // A row without a unit ends its name where numbers begin.
        let words = line.split_whitespace().take_while(|w| w.parse::<f64>().is_err()).collect::<Vec<_>>();
        let name = if times.is_empty() { words.join(" ") } else { name };
        for (k, file) in files.by_ref().take(waiting).enumerate() {
            let text = fs::read_to_string(folder.join(format!("out.{file}")))?;
            counts.note((table.clone(), name.clone(), k), total(&text)? / f64::from(COUNTED));
        }
        waiting = 0;
    }
    Ok(counts)
}

/// What a file of callgrind sums to.
fn total(text: &str) -> Result<f64> {
    let line = text.lines().find_map(|l| l.strip_prefix("totals: ")).ok_or("expected `totals:` from callgrind")?;
    match line.trim().parse()? {
        0.0 => Err("expected callgrind to count something, got none".into()),
        total => Ok(total),
    }
}

#[test]
fn the_total_of_a_file_is_read() {
    assert_eq!(total("events: Ir\nfn=(1)\n+2 360\n\ntotals: 2157\n").expect("a total"), 2157.0);
    assert!(total("events: Ir\n").is_err() && total("totals: 0\n").is_err());
}
