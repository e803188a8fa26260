//! Compiling the copy, once, and the test binaries that come out. What runs them is not known here.

use crate::{Error, Planted, Result, Tree};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A test binary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binary {
    /// `crate:target`; the target of unit tests is `lib`.
    pub name: String,
    /// The program.
    pub program: PathBuf,
    /// The folder of its crate, where it runs.
    pub folder: PathBuf,
    /// Does it understand the arguments of the standard test harness?
    pub harness: bool,
}

impl Binary {
    /// Is this `target` or `crate:target`?
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.name == name || self.name.split_once(':').is_some_and(|(_, target)| target == name)
    }
}

/// What came of compiling.
#[derive(Debug)]
pub enum Build {
    /// The test binaries.
    Done(Vec<Binary>),
    /// The errors with these numbers do not compile, and why.
    Broken(BTreeSet<usize>, String),
}

/// What is compiled.
#[derive(Debug, Clone, Default)]
pub struct Chosen {
    /// The tests of these packages; of all if none is named.
    pub packages: Vec<String>,
    /// These tests, as `target` or `crate:target`; all if none is named.
    pub targets: BTreeSet<String>,
}

impl Chosen {
    /// As arguments of Cargo. A test is named without its crate, so one of the same name in another crate comes along.
    fn arguments(&self) -> Vec<&str> {
        let mut out: Vec<&str> = self.packages.iter().flat_map(|name| ["--package", name]).collect();
        if out.is_empty() {
            out.push("--workspace");
        }
        // Unit tests of several crates are one argument, which Cargo takes once.
        let names: BTreeSet<&str> = self.targets.iter().map(|name| name.rsplit(':').next().unwrap_or(name)).collect();
        for name in names {
            match name {
                "lib" => out.push("--lib"),
                target => out.extend(["--test", target]),
            }
        }
        out
    }
}

/// Compiles tests of the copy.
///
/// # Errors
/// [`Error::Build`] if something else than a planted error does not compile.
pub fn build(tree: &Tree, target: &Path, planted: &Planted, chosen: &Chosen, jobs: usize) -> Result<Build> {
    let started = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["test", "--no-run", "--message-format=json", "--jobs", &jobs.to_string()])
        .args(chosen.arguments())
        .current_dir(&tree.to)
        .env("CARGO_TARGET_DIR", target)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .output();
    let output = started.map_err(|source| Error::File { path: "cargo".into(), source })?;
    let (mut binaries, mut broken, mut complaints) = (vec![], BTreeSet::new(), String::new());
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Ok(message) = serde_json::from_str::<serde_json::Value>(line) else { continue };
        match message["reason"].as_str() {
            Some("compiler-artifact") => binaries.extend(binary(&message)),
            Some("compiler-message") if message["message"]["level"] == "error" => {
                broken.extend(culprits(&message["message"], planted));
                complaints.push_str(message["message"]["rendered"].as_str().unwrap_or(""));
            }
            _ => {}
        }
    }
    match (output.status.success(), broken.is_empty()) {
        (true, _) => Ok(Build::Done(binaries)),
        (false, false) => Ok(Build::Broken(broken, complaints)),
        (false, true) => Err(Error::Build(complaints)),
    }
}

fn binary(message: &serde_json::Value) -> Option<Binary> {
    let program = PathBuf::from(message["executable"].as_str()?);
    if message["profile"]["test"] != true {
        return None;
    }
    let folder = Path::new(message["manifest_path"].as_str()?).parent()?.to_path_buf();
    let target = message["target"]["name"].as_str()?;
    let unit = message["target"]["kind"].as_array()?.iter().any(|k| k == "lib");
    let name = format!("{}:{}", folder.file_name()?.to_str()?, if unit { "lib" } else { target });
    // The one target of the workspace that prints a table instead.
    Some(Binary { harness: target != "known_answers", name, program, folder })
}

/// The planted errors in which a message of the compiler points.
fn culprits(message: &serde_json::Value, planted: &Planted) -> BTreeSet<usize> {
    let spans = message["spans"].as_array().cloned().unwrap_or_default();
    let points = spans.iter().filter_map(|s| {
        let bytes = s["byte_start"].as_u64()? as usize..s["byte_end"].as_u64()? as usize;
        Some((s["file_name"].as_str()?.to_owned(), bytes))
    });
    points
        .flat_map(|(file, bytes)| {
            planted.iter().filter_map(move |(at, range, number)| {
                let inside = Path::new(&file).ends_with(at) && bytes.start < range.end && range.start < bytes.end;
                inside.then_some(*number)
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_that_several_crates_have_is_named_once() {
        let targets = ["kernels:lib", "ad:lib", "kernels:thresholds", "manifolds:thresholds"].map(String::from).into();
        let chosen = Chosen { packages: vec!["pullback".into()], targets };
        assert_eq!(chosen.arguments(), ["--package", "pullback", "--lib", "--test", "thresholds"]);
    }
}
