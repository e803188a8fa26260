//! Learned optimisers on disk: safetensors with names and shapes, and in the metadata the format's version, the kind of
//! optimiser and its options as JSON.
//!
//! Matrices are stored as `[rows, columns]` in row-major order, as everybody who reads such files expects; their names
//! are the paths of the leaves, such as `direction.cell1.x`.

use crate::gmlstm::{GmLstm, GmLstmOptions, GmLstmParams};
use pullback::{Batch, Leaves, Shape};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::HashMap;
use std::path::Path;

/// The version this library writes. A reader refuses others.
pub const VERSION: &str = "1";
const FORMAT: &str = "pullback-learned";
const KIND: &str = "gm-lstm";

/// A file that cannot be written or is not what it should be.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The system refuses.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Not a safetensors file: truncated, damaged or something else.
    #[error("not a whole safetensors file: {0}")]
    Damaged(safetensors::SafeTensorError),
    /// A safetensors file, but not one of ours.
    #[error("the metadata say {key} = {got:?}, expected {expected:?}")]
    Foreign {
        /// The entry of the metadata.
        key: &'static str,
        /// What we write there.
        expected: &'static str,
        /// What stands there, if anything.
        got: Option<String>,
    },
    /// The options do not parse.
    #[error("the options in the metadata do not parse: {0}")]
    Options(serde_json::Error),
    /// A tensor is missing.
    #[error("tensor {name} is missing")]
    Missing {
        /// Its name.
        name: String,
    },
    /// A tensor that the optimiser does not have.
    #[error("tensor {name} belongs to no parameter of this optimiser")]
    Unknown {
        /// Its name.
        name: String,
    },
    /// A tensor of another type.
    #[error("tensor {name} holds {got:?}, expected F64")]
    Type {
        /// Its name.
        name: String,
        /// What it holds.
        got: Dtype,
    },
    /// A tensor of another shape than the options say.
    #[error("tensor {name} has shape {got:?}; the options ask for {expected:?}")]
    Shape {
        /// Its name.
        name: String,
        /// The shape by the options.
        expected: Vec<usize>,
        /// The shape in the file.
        got: Vec<usize>,
    },
    /// A number that is NaN or infinite.
    #[error("tensor {name} holds {value} at position {index}")]
    NonFinite {
        /// Its name.
        name: String,
        /// Row-major position.
        index: usize,
        /// The number.
        value: f64,
    },
}

/// The text of `Display`, so that `unwrap()` and `main` print a sentence.
impl std::fmt::Debug for FileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl GmLstm {
    /// The optimiser with its parameters as the bytes of a file.
    ///
    /// # Errors
    /// [`FileError::Damaged`] if the format cannot hold it.
    pub fn to_bytes(&self, params: &GmLstmParams) -> Result<Vec<u8>, FileError> {
        let named = params.named();
        let bytes: Vec<Vec<u8>> = named.iter().map(|(_, b)| row_major(b)).collect();
        let views = named.iter().zip(&bytes).map(|((name, b), bytes)| {
            let shape = vec![b.shape().rows, b.shape().cols];
            TensorView::new(Dtype::F64, shape, bytes).map(|v| (name.clone(), v))
        });
        let views = views.collect::<Result<Vec<_>, _>>().map_err(FileError::Damaged)?;
        let options = serde_json::to_string(self.options()).map_err(FileError::Options)?;
        let metadata: HashMap<String, String> =
            [("format", FORMAT), ("version", VERSION), ("kind", KIND), ("options", &options)]
                .map(|(k, v)| (k.to_string(), v.to_string()))
                .into();
        safetensors::serialize(views, Some(metadata)).map_err(FileError::Damaged)
    }

    /// An optimiser with its parameters from the bytes of a file.
    ///
    /// # Errors
    /// Says what is wrong: see [`FileError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<(GmLstm, GmLstmParams), FileError> {
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(FileError::Damaged)?;
        let file = SafeTensors::deserialize(bytes).map_err(FileError::Damaged)?;
        let get = |key: &str| header.metadata().as_ref().and_then(|m| m.get(key)).cloned();
        for (key, expected) in [("format", FORMAT), ("version", VERSION), ("kind", KIND)] {
            let got = get(key);
            if got.as_deref() != Some(expected) {
                return Err(FileError::Foreign { key, expected, got });
            }
        }
        let options = get("options").unwrap_or_default();
        let options: GmLstmOptions = serde_json::from_str(&options).map_err(FileError::Options)?;
        // Before anything of these sizes is made: does the file hold them?
        let (p, hidden) = (options.p, options.hidden);
        let weights = [hidden, p.saturating_mul(options.d)];
        for (name, shape) in [("direction.head", [p, p]), ("step.weight1", weights), ("step.bias1", [hidden, 1])] {
            tensor(&file, name, &shape)?;
        }
        let optimizer = GmLstm::new(options);
        let wanted = optimizer.blank().named();
        if let Some(name) = file.names().into_iter().find(|n| !wanted.iter().any(|(w, _)| w == n)) {
            return Err(FileError::Unknown { name: name.to_string() });
        }
        let mut leaves = wanted
            .iter()
            .map(|(name, like)| read(&file, name, like.shape()))
            .collect::<Result<Vec<_>, _>>()?
            .into_iter();
        let params =
            optimizer.blank().rebuild(&mut || leaves.next().unwrap_or_else(|| unreachable!("one for each leaf")));
        Ok((optimizer, params))
    }

    /// Writes a file: first beside it, then in its place, so that a crash leaves the old one whole.
    ///
    /// # Errors
    /// [`FileError::Io`], and as [`GmLstm::to_bytes`].
    pub fn save(&self, params: &GmLstmParams, path: &Path) -> Result<(), FileError> {
        let io = |source| FileError::Io { path: path.display().to_string(), source };
        let mut beside = path.as_os_str().to_owned();
        beside.push(".part");
        std::fs::write(&beside, self.to_bytes(params)?).map_err(io)?;
        std::fs::rename(&beside, path).map_err(io)
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`FileError::Io`], and as [`GmLstm::from_bytes`].
    pub fn load(path: &Path) -> Result<(GmLstm, GmLstmParams), FileError> {
        let bytes = std::fs::read(path).map_err(|source| FileError::Io { path: path.display().to_string(), source })?;
        Self::from_bytes(&bytes)
    }
}

fn row_major(b: &Batch) -> Vec<u8> {
    let s = b.shape();
    (0..s.rows).flat_map(|i| (0..s.cols).map(move |j| b.data()[j * s.rows + i])).flat_map(f64::to_le_bytes).collect()
}

/// The tensor of this name, if it has these sizes and numbers of this type.
fn tensor<'a>(file: &SafeTensors<'a>, name: &str, shape: &[usize]) -> Result<TensorView<'a>, FileError> {
    let name = || name.to_string();
    let t = file.tensor(&name()).map_err(|_| FileError::Missing { name: name() })?;
    if t.dtype() != Dtype::F64 {
        return Err(FileError::Type { name: name(), got: t.dtype() });
    }
    if t.shape() != shape {
        return Err(FileError::Shape { name: name(), expected: shape.to_vec(), got: t.shape().to_vec() });
    }
    Ok(t)
}

fn read(file: &SafeTensors<'_>, name: &str, shape: Shape) -> Result<Batch, FileError> {
    let t = tensor(file, name, &[shape.rows, shape.cols])?;
    let (chunks, _) = t.data().as_chunks::<8>();
    let numbers: Vec<f64> = chunks.iter().map(|c| f64::from_le_bytes(*c)).collect();
    if let Some(index) = numbers.iter().position(|x| !x.is_finite()) {
        return Err(FileError::NonFinite { name: name.to_string(), index, value: numbers[index] });
    }
    Ok(Batch::from_fn(shape, |_, i, j| numbers[i * shape.cols + j]))
}
