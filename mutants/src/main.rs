//! `cargo run --release -p pullback-mutants`: see `docs/mutation.md`.

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use pullback_mutants::{
    Binary, Build, Chosen, Error, Expect, Limits, Mutant, Planted, Result, Results, Tree, Trial, Verdict, build, parse,
    plant, table,
};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Plants errors in a copy of the workspace, one at a time, and prints which tests find them.
#[derive(Debug, Parser)]
struct Arguments {
    /// Only these errors, by id.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Print the list and what was found so far, and do nothing.
    #[arg(long)]
    list: bool,
    /// Forget what was found before.
    #[arg(long)]
    again: bool,
    /// Try the survivors again, and keep the rest.
    #[arg(long)]
    survivors: bool,
    /// Compile and run only the tests that an entry names first; an error that they do not find gets no verdict.
    #[arg(long)]
    first: bool,
    /// Compile and run only the tests of these packages; an error that they do not find gets no verdict.
    #[arg(long, value_delimiter = ',')]
    package: Vec<String>,
    /// Trust that all tests pass without an error.
    #[arg(long)]
    trust: bool,
    /// Compile with so many processes.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Seconds that a test binary may take at least.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("{e}");
            ExitCode::FAILURE
        }
    }
}

/// Is everything as the list expects?
fn run(arguments: &Arguments) -> Result<bool> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let from = here.parent().unwrap_or(here).to_path_buf();
    let list = parse(&std::fs::read_to_string(here.join("list.txt")).map_err(|source| file("list.txt", source))?)?;
    let scratch = from.join("target/mutants");
    let tree = Tree { to: scratch.join("tree"), from };
    std::fs::create_dir_all(&tree.to).map_err(|source| file("target/mutants", source))?;
    let mut results = Results::open(&scratch.join("results.json"))?;
    if arguments.again {
        results.clear();
    }
    if !arguments.list {
        let named = list.iter().filter(|m| arguments.first && wanted(arguments, m, &results));
        let targets = named.flat_map(|m| m.first.iter().map(|(name, _)| name.clone())).collect();
        let chosen = Chosen { packages: arguments.package.clone(), targets };
        let (binaries, broken) = compiled(&tree, &scratch.join("build"), &list, &chosen, arguments.jobs)?;
        for &i in &broken {
            results.put(&list[i], Verdict::NotCompiled, 0.0)?;
        }
        let chosen: Vec<usize> =
            (0..list.len()).filter(|i| !broken.contains(i) && wanted(arguments, &list[*i], &results)).collect();
        if !chosen.is_empty() {
            trials(arguments, &binaries, &list, &chosen, &mut results)?;
        }
    }
    println!("{}", table(&list, &results));
    let right = |m: &Mutant| match results.get(m) {
        Some((Verdict::Found(_), _)) => m.expect == Expect::Found,
        Some((Verdict::Survived, _)) => m.expect == Expect::Same,
        _ => false,
    };
    Ok(list.iter().filter(|m| arguments.only.is_empty() || arguments.only.contains(&m.id)).all(right))
}

fn wanted(arguments: &Arguments, m: &Mutant, results: &Results) -> bool {
    if !arguments.only.is_empty() {
        return arguments.only.contains(&m.id);
    }
    match results.get(m) {
        Some((Verdict::Survived, _)) => arguments.survivors && m.expect == Expect::Found,
        Some((Verdict::NotCompiled, _)) | None => true,
        Some((Verdict::Found(_), _)) => false,
    }
}

/// Plants and compiles everything; what does not compile is left out.
fn compiled(
    tree: &Tree,
    target: &Path,
    list: &[Mutant],
    chosen: &Chosen,
    jobs: usize,
) -> Result<(Vec<Binary>, BTreeSet<usize>)> {
    let mut broken = BTreeSet::new();
    loop {
        let planted: Planted = plant(tree, list, &broken)?;
        eprintln!("compiling the tests with {} errors behind switches", list.len() - broken.len());
        match build(tree, target, &planted, chosen, jobs)? {
            Build::Done(binaries) => return Ok((binaries, broken)),
            Build::Broken(which, why) => {
                eprintln!("{why}");
                broken.extend(which);
            }
        }
    }
}

fn trials(
    arguments: &Arguments,
    binaries: &[Binary],
    list: &[Mutant],
    chosen: &[usize],
    results: &mut Results,
) -> Result<()> {
    let limits = Limits { least: Duration::from_secs(arguments.seconds), ..Limits::default() };
    let without = bar("no error", binaries.len());
    let watch = |name: &str| {
        without.set_message(name.to_owned());
        if without.is_hidden() {
            eprintln!("no error: {name}");
        }
        without.inc(1);
    };
    let trial = if arguments.trust || arguments.first {
        let trial = Trial::untried(binaries, limits);
        if !arguments.trust {
            trial.check_first(chosen.iter().map(|&i| &list[i]), watch)?;
        }
        trial
    } else {
        Trial::new(binaries, limits, watch)?
    };
    without.finish_and_clear();
    let bar = bar("errors", chosen.len());
    for &i in chosen {
        let m = &list[i];
        let start = Instant::now();
        let watch = |binary: &str| bar.set_message(format!("{}: {binary}", m.id));
        let found = if arguments.first { trial.first(m, i, watch)? } else { trial.run(m, i, watch)? };
        bar.inc(1);
        if found.is_none() && (arguments.first || !arguments.package.is_empty()) {
            let tried = if arguments.first { "named first" } else { "of these packages" };
            say(&bar, &format!("{:40} is not found by the tests {tried}", m.id));
            continue;
        }
        let verdict = found.map_or(Verdict::Survived, Verdict::Found);
        say(&bar, &format!("{:40} {verdict:?} ({:.1} s)", m.id, start.elapsed().as_secs_f64()));
        results.put(m, verdict, start.elapsed().as_secs_f64())?;
    }
    bar.finish_and_clear();
    Ok(())
}

/// A line above the bar; into a file, where there is no bar, all the same.
fn say(bar: &ProgressBar, line: &str) {
    if bar.is_hidden() { eprintln!("{line}") } else { bar.println(line) }
}

fn bar(name: &'static str, length: usize) -> ProgressBar {
    let bar = ProgressBar::new(length as u64);
    if let Ok(style) = ProgressStyle::with_template("{prefix} {bar:30} {pos}/{len}, {eta} left  {msg}") {
        bar.set_style(style);
    }
    bar.set_prefix(name);
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}

fn file(path: &str, source: std::io::Error) -> Error {
    Error::File { path: PathBuf::from(path), source }
}
