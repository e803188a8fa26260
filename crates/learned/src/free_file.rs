//! Gradient-free optimisers on disk: the format of `file.rs`, with the network and the features in the metadata.

use crate::convolved::{Convolved, ConvolvedParams};
use crate::file::{Provenance, SavedRule, filled, opened, replace, write_file};
use crate::file_error::FileError;
use crate::inner::{Blind, OnTangent, Weight};
use crate::labelled::{Labelled, LabelledParams};
use crate::matrices::{Matrices, MatricesParams};
use crate::rounds::{GradientFree, Rounds};
use crate::update::Update;
use pullback::{Batch, Leaves, Scalar};
use pullback_manifolds::Manifold;
use rand::Rng;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;

/// What stands in the file as the kind of the optimiser.
const KIND: &str = "gradient-free";

/// Features of data whose parameters can be made and stored without the data.
pub trait SavedFeatures<T: Scalar = f64>:
    fmt::Debug + Clone + PartialEq + Send + Sync + Serialize + DeserializeOwned
{
    /// What stands in the file.
    const KIND: &'static str;
    /// The parameters.
    type Params: Leaves<Scalar = T> + Clone + PartialEq + fmt::Debug + Send + Sync;
    /// Fresh parameters.
    fn fresh(&self, rng: &mut dyn Rng) -> Self::Params;
    /// How many parameters there are, unless the number is too large to exist.
    fn count(&self) -> Option<usize>;
    /// Parameters of the right shapes: what a file is read into. Asked for only when the file holds that many numbers.
    fn blank(&self) -> Self::Params;
}

impl<T: Scalar> SavedFeatures<T> for Blind {
    const KIND: &'static str = "blind";
    type Params = Vec<Batch<T>>;
    fn fresh(&self, _: &mut dyn Rng) -> Vec<Batch<T>> {
        vec![]
    }
    fn count(&self) -> Option<usize> {
        Some(0)
    }
    fn blank(&self) -> Vec<Batch<T>> {
        vec![]
    }
}

macro_rules! features_are_saved {
    ($($Features:ident, $Params:ident, $kind:literal;)*) => {$(
        impl<T: Scalar> SavedFeatures<T> for $Features {
            const KIND: &'static str = $kind;
            type Params = $Params<T>;
            fn fresh(&self, rng: &mut dyn Rng) -> $Params<T> {
                self.init(rng)
            }
            fn count(&self) -> Option<usize> {
                self.checked_count()
            }
            fn blank(&self) -> $Params<T> {
                $Features::blank(self)
            }
        }
    )*};
}
features_are_saved! {
    Convolved, ConvolvedParams, "convolved";
    Labelled, LabelledParams, "labelled";
    Matrices, MatricesParams, "matrices";
}

/// Everything but the parameters, as it stands in the metadata.
#[derive(Debug, Serialize, Deserialize)]
struct Options<O, F> {
    rule: O,
    update: Update,
    start: f64,
    weight: Weight,
    features: F,
    steps: usize,
}

/// Steps of a round that no use takes: beyond that a file is damaged.
const MOST_STEPS: usize = 100_000;

/// A gradient-free optimiser as it was stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredFree<R: SavedRule<T>, F: SavedFeatures<T>, T: Scalar = f64> {
    /// The optimiser with its parameters.
    pub trained: GradientFree<R, F, T>,
    /// Where it was trained.
    pub provenance: Provenance,
}

impl<R: SavedRule<T>, F: SavedFeatures<T>, T: Scalar> StoredFree<R, F, T> {
    /// The optimiser, if it was trained on the same manifold, with the same metric and retraction. Sizes always count:
    /// the features depend on them.
    ///
    /// # Errors
    /// [`FileError::Geometry`] says what differs.
    pub fn on(self, m: &dyn Manifold<T>) -> Result<GradientFree<R, F, T>, FileError> {
        let any_size = R::ANY_SIZE && <F as SavedFeatures<T>>::KIND == <Blind as SavedFeatures<T>>::KIND;
        self.provenance.expect(m, any_size)?;
        Ok(self.trained)
    }

    /// From the bytes of a file.
    ///
    /// # Errors
    /// Says what is wrong: see [`FileError`]. Another network or other features are [`FileError::Foreign`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FileError> {
        let (file, words) = opened(bytes, &marks::<R, F, T>())?;
        let text = words.get("options").map_or("", String::as_str);
        let o: Options<R::Options, F> = serde_json::from_str(text).map_err(FileError::Options)?;
        if o.steps > MOST_STEPS {
            return Err(FileError::Setting(format!("expected rounds of at most {MOST_STEPS} steps, got {}", o.steps)));
        }
        let rule = R::from_options(o.rule);
        let count = rule.count().zip(o.features.count()).and_then(|(a, b)| a.checked_add(b));
        let parameters = filled(&file, count, || (rule.blank(), o.features.blank()))?;
        let inner = OnTangent { rule, update: o.update, start: o.start, weight: o.weight, features: o.features };
        let trained = GradientFree { rounds: Rounds { inner, steps: o.steps }, parameters };
        Ok(StoredFree { trained, provenance: Provenance::stored(&words) })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`FileError::Io`], and as [`StoredFree::from_bytes`].
    pub fn load(path: &Path) -> Result<Self, FileError> {
        let bytes = std::fs::read(path).map_err(|source| FileError::Io { path: path.display().to_string(), source })?;
        Self::from_bytes(&bytes)
    }
}

/// What tells such a file from others.
fn marks<R: SavedRule<T>, F: SavedFeatures<T>, T: Scalar>() -> [(&'static str, &'static str); 3] {
    [("kind", KIND), ("rule", R::KIND), ("features", <F as SavedFeatures<T>>::KIND)]
}

impl<R: SavedRule<T>, F: SavedFeatures<T>, T: Scalar> GradientFree<R, F, T> {
    /// As the bytes of a file.
    ///
    /// # Errors
    /// [`FileError::Damaged`] if the format cannot hold it; [`FileError::NonFinite`], since no reader would take it.
    pub fn to_bytes(&self, from: &Provenance) -> Result<Vec<u8>, FileError> {
        let OnTangent { rule, update, start, weight, features } = &self.rounds.inner;
        let options = Options {
            rule: rule.options(),
            update: *update,
            start: *start,
            weight: *weight,
            features,
            steps: self.rounds.steps,
        };
        let options = serde_json::to_string(&options).map_err(FileError::Options)?;
        write_file(&self.parameters, &marks::<R, F, T>(), &options, from)
    }

    /// Writes a file: first beside it, then in its place, so that a crash leaves the old one whole.
    ///
    /// # Errors
    /// [`FileError::Io`], and as [`GradientFree::to_bytes`].
    pub fn save(&self, path: &Path, from: &Provenance) -> Result<(), FileError> {
        let bytes = self.to_bytes(from)?;
        replace(path, &bytes).map_err(|source| FileError::Io { path: path.display().to_string(), source })
    }
}
