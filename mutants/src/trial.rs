//! Running test binaries with one error switched on, until a test fails. Which error it is, is not known here.

use crate::{Binary, Error, Mutant, Result, VARIABLE};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// How long a binary may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// At least so many seconds are granted.
    pub least: Duration,
    /// And this many times what it takes without an error.
    pub times: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { least: Duration::from_secs(60), times: 8 }
    }
}

/// What a binary said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Every test passed.
    Passed,
    /// This one failed first.
    Failed(String),
    /// The time was up.
    Hung,
}

/// The binaries and how long each takes.
#[derive(Debug)]
pub struct Trial<'b> {
    binaries: &'b [Binary],
    took: BTreeMap<String, Duration>,
    limits: Limits,
}

impl<'b> Trial<'b> {
    /// Runs every binary without an error, to see that all pass and how long they take.
    ///
    /// # Errors
    /// [`Error::Baseline`] if one fails.
    pub fn new(binaries: &'b [Binary], limits: Limits, mut watch: impl FnMut(&str)) -> Result<Self> {
        let mut trial = Trial { binaries, took: BTreeMap::new(), limits };
        for b in binaries {
            watch(&b.name);
            let start = Instant::now();
            match run(b, None, None, Duration::from_secs(3600))? {
                Outcome::Passed => trial.took.insert(b.name.clone(), start.elapsed()),
                Outcome::Failed(test) => return Err(Error::Baseline(format!("{} {test}", b.name))),
                Outcome::Hung => return Err(Error::Baseline(format!("{} (an hour)", b.name))),
            };
        }
        Ok(trial)
    }

    /// Without trying: for when it is known that all pass.
    #[must_use]
    pub fn untried(binaries: &'b [Binary], limits: Limits) -> Self {
        Trial { binaries, took: BTreeMap::new(), limits }
    }

    /// Runs what these errors name first, once each and without an error, to see that it passes.
    ///
    /// # Errors
    /// [`Error::Baseline`] if a test fails; a name that no binary has.
    pub fn check_first<'m>(&self, list: impl Iterator<Item = &'m Mutant>, mut watch: impl FnMut(&str)) -> Result<()> {
        let named: BTreeSet<_> = list.flat_map(|m| m.first.iter().map(|(n, f)| (n, f.as_deref()))).collect();
        for (name, filter) in named {
            for b in self.binaries.iter().filter(|b| b.is(name)) {
                watch(&b.name);
                match run(b, filter, None, Duration::from_secs(3600))? {
                    Outcome::Passed => {}
                    other => return Err(Error::Baseline(format!("{} ({other:?})", b.name))),
                }
            }
        }
        Ok(())
    }

    /// Runs the binaries with error number `number`, those that it names first, until a test fails: the test, or
    /// `None`.
    ///
    /// # Errors
    /// A binary that cannot be started; a name in `first` that no binary has.
    pub fn run(&self, m: &Mutant, number: usize, mut watch: impl FnMut(&str)) -> Result<Option<String>> {
        if let Some(found) = self.first(m, number, &mut watch)? {
            return Ok(Some(found));
        }
        // Then everything, what is quick first.
        let mut all: Vec<&Binary> = self.binaries.iter().collect();
        all.sort_by_key(|b| self.took.get(&b.name).copied().unwrap_or_default());
        for b in all {
            let done = m.first.iter().any(|(name, filter)| filter.is_none() && b.is(name));
            if !done && let Some(found) = self.one(b, None, number, &mut watch)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Runs only the binaries that the error names first.
    ///
    /// # Errors
    /// As [`Trial::run`].
    pub fn first(&self, m: &Mutant, number: usize, mut watch: impl FnMut(&str)) -> Result<Option<String>> {
        for (name, filter) in &m.first {
            let mut matching = self.binaries.iter().filter(|b| b.is(name)).peekable();
            if matching.peek().is_none() {
                return Err(Error::Text { id: m.id.clone(), what: format!("no test binary is called `{name}`") });
            }
            for b in matching {
                if let Some(found) = self.one(b, filter.as_deref(), number, &mut watch)? {
                    return Ok(Some(found));
                }
            }
        }
        Ok(None)
    }

    fn one(
        &self,
        b: &Binary,
        filter: Option<&str>,
        number: usize,
        watch: &mut impl FnMut(&str),
    ) -> Result<Option<String>> {
        watch(&b.name);
        let took = self.took.get(&b.name).copied().unwrap_or(Duration::from_secs(120));
        let limit = (took * self.limits.times).max(self.limits.least);
        Ok(match run(b, filter, Some(number), limit)? {
            Outcome::Passed => None,
            Outcome::Failed(test) => Some(format!("{} {test}", b.name)),
            Outcome::Hung => Some(format!("{} (does not end)", b.name)),
        })
    }
}

fn run(b: &Binary, filter: Option<&str>, number: Option<usize>, limit: Duration) -> Result<Outcome> {
    let mut command = Command::new(&b.program);
    command.current_dir(&b.folder).env("CARGO_MANIFEST_DIR", &b.folder).env("RUST_BACKTRACE", "0");
    match number {
        Some(number) => command.env(VARIABLE, number.to_string()),
        None => command.env_remove(VARIABLE),
    };
    if b.harness {
        command.args(filter);
    }
    let started = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let child = started.map_err(|source| Error::File { path: b.program.clone(), source })?;
    watch(child, limit).map_err(|source| Error::File { path: b.program.clone(), source })
}

/// Reads what a binary prints until a test fails, it ends, or the time is up. It does not run on after that.
fn watch(mut child: Child, limit: Duration) -> std::io::Result<Outcome> {
    let (send, lines) = channel();
    if let Some(out) = child.stdout.take() {
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(std::result::Result::ok) {
                if send.send(line).is_err() {
                    break;
                }
            }
        });
    }
    let end = Instant::now() + limit;
    let outcome = loop {
        match lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                if let Some(test) = line.strip_prefix("test ").and_then(|l| l.strip_suffix(" ... FAILED")) {
                    break Some(Outcome::Failed(test.split(" - should").next().unwrap_or(test).to_owned()));
                }
            }
            Err(RecvTimeoutError::Timeout) => break Some(Outcome::Hung),
            Err(RecvTimeoutError::Disconnected) => break None,
        }
    };
    if let Some(outcome) = outcome {
        child.kill()?;
        child.wait()?;
        return Ok(outcome);
    }
    let status = child.wait()?;
    Ok(if status.success() { Outcome::Passed } else { Outcome::Failed(format!("({status})")) })
}
