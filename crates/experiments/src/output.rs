//! Where results go: the output folder, the JSON summary. Opened before the work starts, so that a typing mistake costs
//! no minute.

use crate::error::{Error, Result};
use serde::Serialize;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The output folder, known to be writable.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Makes the folder and checks that files can be written there.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let unwritable = |source| Error::Unwritable { what: "results", option: "--out DIR", path: path.into(), source };
        std::fs::create_dir_all(path).map_err(unwritable)?;
        let probe = path.join(".write-test");
        File::create(&probe).and_then(|_| std::fs::remove_file(&probe)).map_err(unwritable)?;
        Ok(Folder(path.to_path_buf()))
    }

    /// The folder itself.
    pub(crate) fn root(&self) -> &Path {
        &self.0
    }

    /// The path of a file in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file there and returns its path.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> Result<PathBuf> {
        let path = self.path(name);
        match std::fs::write(&path, content) {
            Ok(()) => Ok(path),
            Err(source) => Err(Error::Unwritable { what: "results", option: "--out DIR", path, source }),
        }
    }
}

/// Where the summary goes.
#[derive(Debug)]
pub(crate) enum Json {
    Nowhere,
    StandardOutput,
    File(PathBuf, File),
}

impl Json {
    /// Opens the file, if it is one.
    pub(crate) fn open(path: Option<&Path>) -> Result<Self> {
        match path {
            None => Ok(Json::Nowhere),
            Some(p) if p == Path::new("-") => Ok(Json::StandardOutput),
            Some(p) => match File::create(p) {
                Ok(file) => Ok(Json::File(p.to_path_buf(), file)),
                Err(source) => Err(unwritable_json(p, source)),
            },
        }
    }

    /// Writes the summary there; says whether standard output is still free for the tables.
    pub(crate) fn write(self, summary: &impl Serialize) -> Result<bool> {
        let text = serde_json::to_string_pretty(summary)? + "\n";
        match self {
            Json::Nowhere => Ok(true),
            Json::StandardOutput => {
                let sent = std::io::stdout().write_all(text.as_bytes());
                sent.map(|()| false).map_err(|e| unwritable_json(Path::new("-"), e))
            }
            Json::File(path, mut file) => {
                file.write_all(text.as_bytes()).map(|()| true).map_err(|e| unwritable_json(&path, e))
            }
        }
    }
}

fn unwritable_json(path: &Path, source: std::io::Error) -> Error {
    Error::Unwritable { what: "the summary", option: "--json PATH", path: path.into(), source }
}
