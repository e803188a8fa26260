//! What was found so far, kept in a file, so that a run that was broken off goes on where it was.

use crate::{Error, Mutant, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What became of an error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Verdict {
    /// A test failed: which.
    Found(String),
    /// Every test passed.
    Survived,
    /// The wrong text does not compile.
    NotCompiled,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Entry {
    text: String,
    verdict: Option<Verdict>,
    seconds: f64,
}

/// The verdicts so far.
#[derive(Debug)]
pub struct Results {
    path: PathBuf,
    entries: BTreeMap<String, Entry>,
}

impl Results {
    /// Reads the file, if there is one.
    ///
    /// # Errors
    /// A file that is there and cannot be read.
    pub fn open(path: &Path) -> Result<Self> {
        let entries = if path.exists() {
            serde_json::from_str(&crate::read(path)?)
                .map_err(|e| Error::File { path: path.into(), source: std::io::Error::other(e) })?
        } else {
            BTreeMap::new()
        };
        Ok(Results { path: path.into(), entries })
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.entries.clear();
    }

    /// The verdict on an entry and how long it took, unless the entry has changed since.
    #[must_use]
    pub fn get(&self, m: &Mutant) -> Option<(&Verdict, f64)> {
        let e = self.entries.get(&m.id).filter(|e| e.text == key(m))?;
        Some((e.verdict.as_ref()?, e.seconds))
    }

    /// Writes a verdict down.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn put(&mut self, m: &Mutant, verdict: Verdict, seconds: f64) -> Result<()> {
        self.entries.insert(m.id.clone(), Entry { text: key(m), verdict: Some(verdict), seconds });
        let failed = |source| Error::File { path: self.path.clone(), source };
        let text = serde_json::to_string_pretty(&self.entries).map_err(|e| failed(std::io::Error::other(e)))?;
        std::fs::write(&self.path, text).map_err(failed)
    }
}

/// What makes two entries the same error.
fn key(m: &Mutant) -> String {
    [&*m.file, m.after.as_deref().unwrap_or(""), &m.find, &m.wrong].join("\n")
}
