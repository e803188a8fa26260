//! What can go wrong in a run of the program, said so that the reader knows what to do. No other module words an error.

use std::path::PathBuf;

/// Why a command stopped.
#[derive(thiserror::Error)]
pub(crate) enum Error {
    /// A data file is not there or cannot be read.
    #[error(
        "cannot read `{file}` in `{}`: {source}\n  \
         expected: {format}\n  \
         origin:   {origin}\n  \
         what to do: name the folder that holds the file with `--data DIR` or PULLBACK_DATA, or leave both out to use the built-in copy",
        folder.display()
    )]
    DataUnreadable {
        folder: PathBuf,
        file: &'static str,
        format: &'static str,
        origin: &'static str,
        source: std::io::Error,
    },

    /// A data file is there and is not what it should be.
    #[error(
        "`{file}` {place} is not usable: {found}\n  \
         expected: {format}\n  \
         what to do: write it again with `numpy.save`, or leave out `--data` and PULLBACK_DATA to use the built-in copy"
    )]
    DataMalformed { place: String, file: &'static str, format: &'static str, found: String },

    /// Results cannot be written.
    #[error("cannot write {what} to `{}`: {source}\n  what to do: give a path that you may write to with `{option}`", path.display())]
    Unwritable { what: &'static str, option: &'static str, path: PathBuf, source: std::io::Error },

    /// A saved optimiser cannot be used.
    #[error(
        "cannot load the optimiser `{}`: {found}\n  \
         what to do: give `--load` the `optimizer.safetensors` that an earlier run of this command wrote to its `--out` folder",
        path.display()
    )]
    Load { path: PathBuf, found: String },

    /// A saved optimiser cannot be evaluated.
    #[error(
        "cannot evaluate the optimiser `{}`: {found}\n  \
         what to do: give a file that `pca`, `faces`, `clustering` or `equivariant` wrote to its `--out` folder",
        path.display()
    )]
    Evaluate { path: PathBuf, found: String },

    /// An axis that there is not.
    #[error("--axes: expected names among {expected}; got `{got}`")]
    Axes { expected: String, got: String },

    /// A family of problems that there is not.
    #[error("--families: expected names among {expected}; got `{got}`")]
    Families { expected: String, got: String },

    /// A saved optimiser is for points of another shape.
    #[error(
        "the optimiser `{}` was trained for {got}, and this run asks for {expected}\n  \
         what to do: repeat the command with `--components {}`",
        path.display(), .components
    )]
    LoadShape { path: PathBuf, got: String, expected: String, components: usize },

    /// An unfinished training cannot be continued.
    #[error(
        "cannot continue the training of `{}`: {found}\n  \
         what to do: repeat the command with the flags that it was begun with, or leave out `--resume` to begin anew",
        path.display()
    )]
    Resume { path: PathBuf, found: String },

    /// A network that does not fit the points.
    #[error("`{network}` cannot learn here: {found}\n  what to do: leave it out of `--learned`")]
    Network { network: &'static str, found: String },

    /// Numbers went bad in a method.
    #[error("{during}: {source}\n  what to do: try another `--seed`; if it stays, report it with the command line")]
    Numbers { during: &'static str, source: Box<dyn std::error::Error + Send + Sync> },

    /// The ranks of a training have come apart.
    #[cfg(feature = "mpi")]
    #[error(
        "meta-training over ranks: {source}\n  \
         what to do: start it again with the same flags and `--resume`, and with a longer `--rank-seconds` if ranks need it"
    )]
    Ranks { source: pullback_learned::Error },

    /// A flag asks for something that does not exist.
    #[error("{found}\n  what to do: {advice}")]
    Flag { found: String, advice: &'static str },

    /// A process that measures a row of a table failed.
    #[error("a row could not be measured: {message}")]
    Row { message: String },

    /// The summary does not go into JSON.
    #[error("cannot write the summary as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// The text of `Display`, so that `unwrap()` and `main` print a sentence.
impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// The result of everything here.
pub(crate) type Result<T> = std::result::Result<T, Error>;

/// Wraps an engine's error with what was being done.
pub(crate) fn during<E: Into<Box<dyn std::error::Error + Send + Sync>>>(what: &'static str) -> impl Fn(E) -> Error {
    move |e| Error::Numbers { during: what, source: e.into() }
}
