//! Data files in a folder: where they are looked for, how they are read, and how a wrong one is reported. What they
//! hold is not known here.

use crate::data::DATA_VARIABLE;
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

/// A file that a task reads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DataFile {
    pub(crate) name: &'static str,
    /// Format, type, shape and range, for messages.
    pub(crate) format: &'static str,
}

/// The folder of a data set.
#[derive(Debug, Clone)]
pub(crate) struct DataFolder {
    path: PathBuf,
    /// Where the data set comes from, for messages.
    origin: &'static str,
}

/// The folder of `--data`, else the one in the environment, if there is one.
pub(crate) fn named(given: Option<&Path>) -> Option<PathBuf> {
    let from_environment = std::env::var_os(DATA_VARIABLE).filter(|v| !v.is_empty()).map(PathBuf::from);
    given.map(Path::to_path_buf).or(from_environment)
}

impl DataFolder {
    /// `folder`, or its subfolder `below` if `first` is there and not in `folder`.
    pub(crate) fn new(folder: &Path, below: &str, first: &DataFile, origin: &'static str) -> Self {
        let inner = folder.join(below);
        let nested = !folder.join(first.name).exists() && inner.join(first.name).exists();
        DataFolder { path: if nested { inner } else { folder.to_path_buf() }, origin }
    }

    /// The folder, for the report.
    pub(crate) fn shown(&self) -> String {
        self.path.display().to_string()
    }

    /// The bytes of a file.
    pub(crate) fn bytes(&self, file: &DataFile) -> Result<Vec<u8>> {
        std::fs::read(self.path.join(file.name)).map_err(|source| Error::DataUnreadable {
            folder: self.path.clone(),
            file: file.name,
            format: file.format,
            origin: self.origin,
            source,
        })
    }

    /// A file that is not what it should be, and how.
    pub(crate) fn wrong(&self, file: &DataFile, found: impl Into<String>) -> Error {
        let place = format!("in `{}`", self.path.display());
        Error::DataMalformed { place, file: file.name, format: file.format, found: found.into() }
    }
}

/// Labels `1..=classes` as classes `0..classes`, each of which must occur.
pub(crate) fn classes_of(labels: &[u8], classes: usize) -> std::result::Result<Vec<usize>, String> {
    if let Some(l) = labels.iter().find(|l| **l == 0 || usize::from(**l) > classes) {
        return Err(format!("it holds the label {l}"));
    }
    let found: Vec<usize> = labels.iter().map(|l| usize::from(*l) - 1).collect();
    match (0..classes).find(|c| !found.contains(c)) {
        Some(c) => Err(format!("no example has the label {}", c + 1)),
        None => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_out_of_range_and_missing_classes_are_named() {
        assert_eq!(classes_of(&[2, 1, 2], 2).unwrap(), [1, 0, 1]);
        assert!(classes_of(&[1, 0], 1).unwrap_err().contains("the label 0"));
        assert!(classes_of(&[1, 2, 3], 2).unwrap_err().contains("the label 3"));
        assert!(classes_of(&[1, 3], 3).unwrap_err().contains("no example has the label 2"));
    }
}
