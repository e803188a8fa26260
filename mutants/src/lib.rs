//! Plants errors in a copy of the workspace, one at a time, and sees which tests find them: `docs/mutation.md`.
//!
//! All errors of the list are compiled at once, each behind a switch that reads an environment variable, so that a run
//! costs one compilation. The sources themselves stay as they are.

mod binaries;
mod list;
mod plant;
mod results;
mod table;
mod trial;

pub use binaries::{Binary, Build, Chosen, build};
pub use list::{Expect, Mutant, parse, spans};
pub use plant::{Planted, Tree, VARIABLE, plant};
pub use results::{Results, Verdict};
pub use table::table;
pub use trial::{Limits, Outcome, Trial};

use std::path::PathBuf;

/// What ends a run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The list cannot be read.
    #[error("list of errors, line {line}: {what}")]
    List {
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        what: String,
    },
    /// The text that an entry replaces is not there, or not once.
    #[error("{id}: {what}")]
    Text {
        /// The entry.
        id: String,
        /// What is wrong.
        what: String,
    },
    /// Cargo failed for a reason that is not an error of the list.
    #[error("the copy does not compile:\n{0}")]
    Build(String),
    /// Without any error planted, a test fails.
    #[error("with no error planted, {0} fails; mend that first")]
    Baseline(String),
}

/// The result of a step of a run.
pub type Result<T> = std::result::Result<T, Error>;

pub(crate) fn read(path: &std::path::Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|source| Error::File { path: path.into(), source })
}
