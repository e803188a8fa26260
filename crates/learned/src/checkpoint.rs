//! A training run on disk, to be continued. Trained optimisers are stored in `file.rs`.

use crate::Error;
use crate::inner::InnerLoop;
use crate::learner::TrainingState;
use crate::task::Task;
use crate::worker::Setup;
use pullback::{Batch, Leaves, Scalar, Shape};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::Path;

/// The version that is written. A reader refuses others.
const VERSION: u32 = 1;

/// A training run as it stands between two steps, and what it was run with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingCheckpoint {
    version: u32,
    /// Of the run. A file that does not say is of the time when there was one only.
    #[serde(default = "double")]
    scalar: String,
    inner: String,
    manifold: String,
    options: Value,
    /// In double precision, which holds the numbers of single precision exactly.
    state: TrainingState,
}

fn double() -> String {
    "f64".into()
}

impl TrainingCheckpoint {
    pub(crate) fn new<T: Scalar, L: InnerLoop<K::Data, T>, K: Task<T>>(
        setup: &Setup<'_, L, K, T>,
        state: &TrainingState<T>,
    ) -> Self {
        TrainingCheckpoint {
            version: VERSION,
            scalar: T::NAME.into(),
            inner: format!("{:?}", setup.inner),
            manifold: format!("{:?}", setup.manifold),
            options: serde_json::to_value(&setup.options).unwrap_or(Value::Null),
            state: state.over(),
        }
    }

    /// The state, if the run is the same as that of `setup`.
    pub(crate) fn state_for<T: Scalar, L: InnerLoop<K::Data, T>, K: Task<T>>(
        &self,
        setup: &Setup<'_, L, K, T>,
        params: &L::Params,
    ) -> Result<TrainingState<T>, Error> {
        let here = TrainingCheckpoint::new(setup, &TrainingState::new(setup, params));
        let differs = |what: &str, expected: &dyn std::fmt::Display, got: &dyn std::fmt::Display| {
            Err(Error::Mismatch { what: what.into(), expected: expected.to_string(), got: got.to_string() })
        };
        if self.version != here.version {
            return differs("version", &here.version, &self.version);
        }
        if self.scalar != here.scalar {
            return differs("scalar", &here.scalar, &self.scalar);
        }
        if self.inner != here.inner {
            return differs("inner loop", &here.inner, &self.inner);
        }
        if self.manifold != here.manifold {
            return differs("manifold", &here.manifold, &self.manifold);
        }
        let empty = serde_json::Map::new();
        for (key, expected) in here.options.as_object().unwrap_or(&empty) {
            let got = &self.options[key];
            if got != expected {
                return differs(&format!("option {key}"), expected, got);
            }
        }
        let shapes = |list: &[Batch]| list.iter().map(Batch::shape).collect::<Vec<Shape>>();
        let best = self.state.best.as_ref().map(|(_, best)| shapes(best));
        for got in [Some(shapes(&self.state.params)), best].into_iter().flatten() {
            if got != params.shapes() {
                return differs("shapes of the parameters", &format!("{:?}", params.shapes()), &format!("{got:?}"));
            }
        }
        Ok(self.state.over())
    }

    /// As the text of a file. Numbers are written by their bits, so what is read is what was written.
    ///
    /// # Errors
    /// [`Error::Unreadable`] if it cannot be said in JSON.
    pub fn to_text(&self) -> Result<String, Error> {
        serde_json::to_string(self).map_err(|e| Error::Unreadable(e.to_string()))
    }

    /// From the text of a file.
    ///
    /// # Errors
    /// [`Error::Unreadable`] if it is cut short or something else.
    pub fn from_text(text: &str) -> Result<Self, Error> {
        serde_json::from_str(text).map_err(|e| Error::Unreadable(e.to_string()))
    }

    /// Writes a file: first beside it, then in its place, so that a crash leaves the old one whole.
    ///
    /// # Errors
    /// [`Error::Unreadable`] with what the system says.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let text = self.to_text()?;
        crate::file::replace(path, text.as_bytes()).map_err(|e| Error::Unreadable(format!("{}: {e}", path.display())))
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::Unreadable`] with what the system says, or that the file is cut short.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let say = |e: &dyn std::fmt::Display| Error::Unreadable(format!("{}: {e}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|e| say(&e))?;
        Self::from_text(&text).map_err(|e| say(&e))
    }
}
