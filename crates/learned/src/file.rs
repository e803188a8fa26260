//! Trained optimisers on disk, for all architectures: safetensors with names and shapes, and in the metadata the
//! format's version, the kind of optimiser and its options as JSON, the manifold with metric and retraction that it was
//! trained on, and the training data. Unfinished runs are stored by `checkpoint.rs`.
//!
//! Matrices are stored as `[rows, columns]` in row-major order, as usual for such files; their names
//! are the paths of the leaves, such as `direction.cell1.x`.

use crate::each::{Each, MatrixRule};
use crate::equivariant::{Equivariant, EquivariantOptions};
use crate::file_error::FileError;
use crate::gmlstm::{GmLstm, GmLstmOptions};
use crate::optimizer::LearnedOptimizer;
use crate::rmm::{Rmm, RmmOptions};
use crate::subspace::{Subspace, SubspaceOptions};
use crate::trained::Trained;
use crate::update::Update;
use pullback::{Batch, Leaves, Scalar, Shape};
use pullback_manifolds::Manifold;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// The version this library writes. A reader refuses others.
pub const VERSION: &str = "2";
const FORMAT: &str = "pullback-learned";

/// A rule for one matrix that can be stored.
pub trait SavedRule<T: Scalar = f64>: MatrixRule<T> + Sized {
    /// What stands in the file.
    const KIND: &'static str;
    /// Does an optimiser serve matrices of other sizes than it was trained on?
    const ANY_SIZE: bool;
    /// The options.
    type Options: Serialize + DeserializeOwned + Clone;
    /// Its options.
    fn options(&self) -> &Self::Options;
    /// The rule of these options.
    fn from_options(options: Self::Options) -> Self;
    /// How many parameters there are, unless the number is too large to exist.
    fn count(&self) -> Option<usize>;
    /// Parameters of the right shapes: what a file is read into. Asked for only when the file holds that many numbers.
    fn blank(&self) -> Self::Params;
}

/// An optimiser that can be stored.
pub trait Saved<T: Scalar = f64>: LearnedOptimizer<T> + Sized {
    /// What stands in the file.
    const KIND: &'static str;
    /// Does an optimiser serve points of other sizes than it was trained on?
    const ANY_SIZE: bool;
    /// The options.
    type Options: Serialize + DeserializeOwned;
    /// Its options.
    fn saved_options(&self) -> Self::Options;
    /// The optimiser of these options.
    ///
    /// # Errors
    /// Says which setting makes no sense.
    fn from_options(options: Self::Options) -> Result<Self, String>;
    /// How many parameters there are, unless the number is too large to exist.
    fn count(&self) -> Option<usize>;
    /// Parameters of the right shapes: what a file is read into. Asked for only when the file holds that many numbers.
    fn blank(&self) -> Self::Params;
}

macro_rules! rules_are_saved {
    ($($Rule:ident, $Options:ident, $kind:literal, $any:literal;)*) => {$(
        impl<T: Scalar> SavedRule<T> for $Rule<T> {
            const KIND: &'static str = $kind;
            const ANY_SIZE: bool = $any;
            type Options = $Options;
            fn options(&self) -> &$Options {
                $Rule::options(self)
            }
            fn from_options(options: $Options) -> Self {
                $Rule::new(options).over()
            }
            fn count(&self) -> Option<usize> {
                $Rule::options(self).checked_count()
            }
            fn blank(&self) -> Self::Params {
                $Rule::blank(self)
            }
        }
    )*};
}
rules_are_saved! {
    GmLstm, GmLstmOptions, "gm-lstm", false;
    Rmm, RmmOptions, "matrix-lstm", false;
    Subspace, SubspaceOptions, "subspace", true;
}

impl<T: Scalar, R: SavedRule<T>> Saved<T> for Each<R> {
    const KIND: &'static str = R::KIND;
    const ANY_SIZE: bool = R::ANY_SIZE;
    type Options = (R::Options, Update);
    fn saved_options(&self) -> Self::Options {
        (self.rule.options().clone(), self.update)
    }
    fn from_options((rule, update): Self::Options) -> Result<Self, String> {
        Ok(Each::new(R::from_options(rule), update))
    }
    fn count(&self) -> Option<usize> {
        self.rule.count()
    }
    fn blank(&self) -> R::Params {
        self.rule.blank()
    }
}

/// More pairs than anybody keeps.
const MOST_PAIRS: usize = 1000;

impl<T: Scalar> Saved<T> for Equivariant<T> {
    const KIND: &'static str = "equivariant-lbfgs";
    const ANY_SIZE: bool = true;
    type Options = EquivariantOptions;
    fn saved_options(&self) -> EquivariantOptions {
        self.options().clone()
    }
    fn from_options(options: EquivariantOptions) -> Result<Self, String> {
        if options.pairs > MOST_PAIRS {
            return Err(format!("expected at most {MOST_PAIRS} pairs, got {}", options.pairs));
        }
        Ok(Equivariant::new(options).over())
    }
    fn count(&self) -> Option<usize> {
        self.options().checked_count()
    }
    fn blank(&self) -> Self::Params {
        Equivariant::blank(self)
    }
}

/// Where an optimiser was trained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    /// The manifold by name and sizes.
    pub manifold: String,
    /// The manifold with everything that was chosen: metric, retraction, transport.
    pub geometry: String,
    /// A description of the training data.
    pub data: String,
}

impl Provenance {
    /// The manifold of a training run, and a description of its data.
    pub fn new(m: &dyn Manifold, data: impl Into<String>) -> Self {
        Self::over(m, data)
    }

    /// The same for a run in any scalar.
    pub fn over<T: Scalar>(m: &dyn Manifold<T>, data: impl Into<String>) -> Self {
        Provenance { manifold: m.name(), geometry: format!("{m:?}"), data: data.into() }
    }

    /// From the metadata of a file.
    pub(crate) fn stored(words: &HashMap<String, String>) -> Self {
        let word = |key| words.get(key).cloned().unwrap_or_default();
        Provenance { manifold: word("manifold"), geometry: word("geometry"), data: word("data") }
    }

    /// Is this the manifold of the training?
    pub(crate) fn expect<T: Scalar>(&self, m: &dyn Manifold<T>, any_size: bool) -> Result<(), FileError> {
        let here = Provenance::over(m, "");
        match self.differs(&here, any_size) {
            None => Ok(()),
            Some(differs) => Err(FileError::Geometry { trained: self.manifold.clone(), here: here.manifold, differs }),
        }
    }

    /// The first thing in which the manifolds differ. Sizes are left out where they do not matter.
    fn differs(&self, here: &Provenance, any_size: bool) -> Option<String> {
        let fields = |s: &str| -> Vec<String> {
            let kept = s.chars().filter(|c| !any_size || !c.is_ascii_digit()).collect::<String>();
            kept.split([',', '{', '}']).map(|f| f.trim().to_string()).filter(|f| !f.is_empty()).collect()
        };
        let (a, b) = (fields(&self.geometry), fields(&here.geometry));
        if a == b {
            return None;
        }
        let unequal = a.iter().zip(&b).find(|(a, b)| a != b);
        Some(unequal.map_or("other settings".into(), |(a, b)| format!("`{a}` there, `{b}` here")))
    }
}

/// A trained optimiser as it was stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored<O: LearnedOptimizer<T>, T: Scalar = f64> {
    /// The optimiser with its parameters, without a comparison of manifolds.
    pub trained: Trained<O, T>,
    /// Where it was trained.
    pub provenance: Provenance,
}

impl<T: Scalar, O: Saved<T>> Stored<O, T> {
    /// The optimiser, if it was trained on the same kind of manifold: with the same metric and retraction, and of the
    /// same sizes unless the optimiser serves any.
    ///
    /// # Errors
    /// [`FileError::Geometry`] says what differs.
    pub fn on(self, m: &dyn Manifold<T>) -> Result<Trained<O, T>, FileError> {
        self.provenance.expect(m, O::ANY_SIZE)?;
        Ok(self.trained)
    }

    /// From the bytes of a file.
    ///
    /// # Errors
    /// Says what is wrong: see [`FileError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FileError> {
        let (file, words) = opened(bytes, &[("kind", O::KIND)])?;
        let options = words.get("options").map_or("", String::as_str);
        let optimizer = O::from_options(serde_json::from_str(options).map_err(FileError::Options)?);
        let optimizer = optimizer.map_err(FileError::Setting)?;
        let parameters = filled(&file, optimizer.count(), || optimizer.blank())?;
        Ok(Stored { trained: Trained { optimizer, parameters }, provenance: Provenance::stored(&words) })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`FileError::Io`], and as [`Stored::from_bytes`].
    pub fn load(path: &Path) -> Result<Self, FileError> {
        let bytes = std::fs::read(path).map_err(|source| FileError::Io { path: path.display().to_string(), source })?;
        Self::from_bytes(&bytes)
    }
}

impl<T: Scalar, O: Saved<T>> Trained<O, T> {
    /// As the bytes of a file.
    ///
    /// # Errors
    /// [`FileError::Damaged`] if the format cannot hold it; [`FileError::NonFinite`], since no reader would accept it.
    pub fn to_bytes(&self, from: &Provenance) -> Result<Vec<u8>, FileError> {
        let options = serde_json::to_string(&self.optimizer.saved_options()).map_err(FileError::Options)?;
        write_file(&self.parameters, &[("kind", O::KIND)], &options, from)
    }

    /// Writes a file: first to a temporary file beside it, which then replaces it, so that a crash leaves the old file
    /// intact.
    ///
    /// # Errors
    /// [`FileError::Io`], and as [`Trained::to_bytes`].
    pub fn save(&self, path: &Path, from: &Provenance) -> Result<(), FileError> {
        let bytes = self.to_bytes(from)?;
        replace(path, &bytes).map_err(|source| FileError::Io { path: path.display().to_string(), source })
    }
}

/// The tensors and the metadata of a file of ours that says these words in its metadata.
pub(crate) fn opened<'b>(
    bytes: &'b [u8],
    marks: &[(&'static str, &'static str)],
) -> Result<(SafeTensors<'b>, HashMap<String, String>), FileError> {
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(FileError::Damaged)?;
    let file = SafeTensors::deserialize(bytes).map_err(FileError::Damaged)?;
    let words = header.metadata().clone().unwrap_or_default();
    for (key, expected) in [("format", FORMAT), ("version", VERSION)].iter().chain(marks) {
        let got = words.get(*key).cloned();
        if got.as_deref() != Some(*expected) {
            return Err(FileError::Foreign { key, expected, got });
        }
    }
    Ok((file, words))
}

/// The parameters of a file that must hold so many numbers: nothing of their sizes is made before that is known.
pub(crate) fn filled<T: Scalar, P: Leaves<Scalar = T>>(
    file: &SafeTensors<'_>,
    expected: Option<usize>,
    blank: impl FnOnce() -> P,
) -> Result<P, FileError> {
    let got = file.iter().map(|(_, t)| t.shape().iter().product::<usize>()).sum();
    match expected == Some(got) {
        true => read_all(file, &blank()),
        false => Err(FileError::Count { expected, got }),
    }
}

/// The bytes of a file with these parameters, marks and options.
pub(crate) fn write_file<T: Scalar, P: Leaves<Scalar = T>>(
    parameters: &P,
    marks: &[(&'static str, &'static str)],
    options: &str,
    from: &Provenance,
) -> Result<Vec<u8>, FileError> {
    let named = parameters.named();
    for (name, b) in &named {
        if let Some((index, value)) = b.first_non_finite() {
            return Err(FileError::NonFinite { name: name.clone(), index, value: value.f64() });
        }
    }
    let bytes: Vec<Vec<u8>> = named.iter().map(|(_, b)| row_major(b)).collect();
    let views = named.iter().zip(&bytes).map(|((name, b), bytes)| {
        let shape = vec![b.shape().rows, b.shape().cols];
        TensorView::new(dtype::<T>(), shape, bytes).map(|v| (name.clone(), v))
    });
    let views = views.collect::<Result<Vec<_>, _>>().map_err(FileError::Damaged)?;
    let words = [
        ("format", FORMAT),
        ("version", VERSION),
        ("options", options),
        ("manifold", &from.manifold),
        ("geometry", &from.geometry),
        ("data", &from.data),
    ];
    let all = words.iter().chain(marks);
    let metadata: HashMap<String, String> = all.map(|(k, v)| ((*k).to_string(), (*v).to_string())).collect();
    let bytes = safetensors::serialize(views, Some(metadata)).map_err(FileError::Damaged)?;
    in_order(&bytes)
}

/// The same file with the entries of its header in alphabetical order, so that equal optimisers are equal files: eight
/// bytes of length, a JSON header padded with spaces to a multiple of eight, and the tensors, whose offsets do not
/// count the header.
fn in_order(bytes: &[u8]) -> Result<Vec<u8>, FileError> {
    let (length, _) = SafeTensors::read_metadata(bytes).map_err(FileError::Damaged)?;
    let (header, tensors) = bytes[8..].split_at(length);
    let mut entries: BTreeMap<String, serde_json::Value> =
        serde_json::from_slice(header).map_err(FileError::Options)?;
    if let Some(serde_json::Value::Object(metadata)) = entries.get("__metadata__") {
        let sorted: BTreeMap<_, _> = metadata.clone().into_iter().collect();
        entries.insert("__metadata__".into(), serde_json::Value::Object(sorted.into_iter().collect()));
    }
    let mut text = serde_json::to_vec(&entries).map_err(FileError::Options)?;
    text.resize(text.len().next_multiple_of(8), b' ');
    Ok([&(text.len() as u64).to_le_bytes()[..], &text, tensors].concat())
}

/// Writes a file beside `path`, then in its place.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".part");
    std::fs::write(&beside, bytes)?;
    std::fs::rename(&beside, path)
}

/// The tree of `like` with the numbers of the file, which has every leaf and nothing else.
fn read_all<T: Scalar, P: Leaves<Scalar = T>>(file: &SafeTensors<'_>, like: &P) -> Result<P, FileError> {
    let mut wanted = Vec::new();
    like.visit("", &mut |name, m| wanted.push((name.to_string(), m.shape())));
    if let Some(name) = file.names().into_iter().find(|n| !wanted.iter().any(|(w, _)| w == n)) {
        return Err(FileError::Unknown { name: name.to_string() });
    }
    let leaves = wanted.iter().map(|(name, shape)| read(file, name, *shape)).collect::<Result<Vec<_>, _>>()?;
    Ok(like.rebuild_all(leaves))
}

/// What tensors of a scalar are called.
fn dtype<T: Scalar>() -> Dtype {
    if T::NAME == "f32" { Dtype::F32 } else { Dtype::F64 }
}

fn row_major<T: Scalar>(b: &Batch<T>) -> Vec<u8> {
    let s = b.shape();
    let numbers = (0..s.rows).flat_map(|i| (0..s.cols).map(move |j| b.data()[j * s.rows + i].f64()));
    match dtype::<T>() {
        Dtype::F32 => numbers.flat_map(|x| (x as f32).to_le_bytes()).collect(),
        _ => numbers.flat_map(f64::to_le_bytes).collect(),
    }
}

/// The tensor of this name, if it has these sizes and numbers of this type.
fn tensor<'a>(
    file: &SafeTensors<'a>,
    name: &str,
    shape: &[usize],
    expected: Dtype,
) -> Result<TensorView<'a>, FileError> {
    let name = || name.to_string();
    let t = file.tensor(&name()).map_err(|_| FileError::Missing { name: name() })?;
    if t.dtype() != expected {
        return Err(FileError::Type { name: name(), expected, got: t.dtype() });
    }
    if t.shape() != shape {
        return Err(FileError::Shape { name: name(), expected: shape.to_vec(), got: t.shape().to_vec() });
    }
    Ok(t)
}

fn read<T: Scalar>(file: &SafeTensors<'_>, name: &str, shape: Shape) -> Result<Batch<T>, FileError> {
    let t = tensor(file, name, &[shape.rows, shape.cols], dtype::<T>())?;
    let numbers: Vec<f64> = match dtype::<T>() {
        Dtype::F32 => t.data().as_chunks().0.iter().map(|c| f64::from(f32::from_le_bytes(*c))).collect(),
        _ => t.data().as_chunks().0.iter().map(|c| f64::from_le_bytes(*c)).collect(),
    };
    if let Some(index) = numbers.iter().position(|x| !x.is_finite()) {
        return Err(FileError::NonFinite { name: name.to_string(), index, value: numbers[index] });
    }
    Ok(Batch::from_fn(shape, |_, i, j| T::of(numbers[i * shape.cols + j])))
}
