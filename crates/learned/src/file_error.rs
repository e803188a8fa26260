//! Errors of reading and writing the file of a trained optimiser. Reading and writing are in `file.rs`.

use safetensors::tensor::Dtype;

/// A file that cannot be written or is not what it should be.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The system cannot read or write the file.
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
    /// A safetensors file that this library did not write.
    #[error("expected {key} = {expected:?} in the metadata, got {got:?}")]
    Foreign {
        /// The entry of the metadata.
        key: &'static str,
        /// What this library writes there.
        expected: &'static str,
        /// What is there, if anything.
        got: Option<String>,
    },
    /// The options do not parse.
    #[error("the options in the metadata do not parse: {0}")]
    Options(serde_json::Error),
    /// The options parse, but no optimiser can be made from them.
    #[error("no optimiser can be made from the options in the metadata: {0}")]
    Setting(String),
    /// Options of other sizes than the tensors.
    #[error("the options ask for {} parameters; the tensors hold {got}", expected.map_or("more than can be counted".into(), |n| n.to_string()))]
    Count {
        /// By the options.
        expected: Option<usize>,
        /// In the file.
        got: usize,
    },
    /// The optimiser was trained on another manifold, or with another metric or retraction.
    #[error(
        "this optimiser was trained on {trained} and is to be used on {here}: {differs}; take `Stored::trained` to use it nevertheless"
    )]
    Geometry {
        /// Where it was trained.
        trained: String,
        /// Where it is to be used.
        here: String,
        /// What differs.
        differs: String,
    },
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
    #[error("tensor {name} holds {got:?}, expected {expected:?}")]
    Type {
        /// Its name.
        name: String,
        /// What it should hold: the scalar that the optimiser is read for.
        expected: Dtype,
        /// What it holds.
        got: Dtype,
    },
    /// A tensor of another shape than the options say.
    #[error("expected tensor {name} to have the shape {expected:?} of the options, got {got:?}")]
    Shape {
        /// Its name.
        name: String,
        /// The shape by the options.
        expected: Vec<usize>,
        /// The shape in the file.
        got: Vec<usize>,
    },
    /// A number that is NaN or infinite.
    #[error("expected finite numbers in tensor {name}, got {value} at position {index}")]
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
