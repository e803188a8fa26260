//! The handwritten digits: from the built-in copy or a folder, to rows of pixels in 0..1. What is done with them is not
//! known here.

use crate::error::{Error, Result};
use pullback::faer::Mat;
use pullback_experiments::arrays::Bytes;
use std::path::{Path, PathBuf};

const IMAGES: &str = "digits_images_8x8_u8.npy";
const LABELS: &str = "digits_labels_u8.npy";
const IMAGES_FORMAT: &str = "NumPy .npy (or IDX), unsigned bytes (|u1), C order, n x 8 x 8, ink 0..16, n at least 20";
const LABELS_FORMAT: &str = "NumPy .npy (or IDX), unsigned bytes (|u1), n labels 0..9, one for each image";
const ORIGIN: &str =
    "Optical Recognition of Handwritten Digits, UCI Machine Learning Repository (https://doi.org/10.24432/C50P49)";
/// Ink of a full pixel.
const FULL: f64 = 16.0;
/// Pixels of an image.
pub(crate) const PIXELS: usize = 64;

/// The environment variable that names a data folder where `--data` does not.
pub(crate) const DATA_VARIABLE: &str = "PULLBACK_DATA";

/// Images with their labels.
#[derive(Debug, Clone)]
pub(crate) struct Digits {
    /// One image a row, pixels in 0..1.
    pub(crate) images: Mat<f64>,
    /// Which digit each row is.
    pub(crate) labels: Vec<u8>,
    /// Where they come from, for the report.
    pub(crate) origin: String,
}

impl Digits {
    /// From the folder given, else from the one in the environment, else the built-in copy.
    pub(crate) fn find(folder: Option<&Path>) -> Result<Self> {
        let from_environment = std::env::var_os(DATA_VARIABLE).filter(|v| !v.is_empty()).map(PathBuf::from);
        match folder.map(Path::to_path_buf).or(from_environment) {
            Some(folder) => Self::read(&folder),
            None => Self::built_in(),
        }
    }

    /// The copy inside the program.
    pub(crate) fn built_in() -> Result<Self> {
        let images = include_bytes!("../data/digits/digits_images_8x8_u8.npy");
        let labels = include_bytes!("../data/digits/digits_labels_u8.npy");
        Self::decode(images, labels, "(built in)", "built in".into())
    }

    /// From `folder`, or its subfolder `digits`.
    fn read(folder: &Path) -> Result<Self> {
        let below = folder.join("digits");
        let folder = if !folder.join(IMAGES).exists() && below.join(IMAGES).exists() { &below } else { folder };
        let bytes = |file, format| {
            std::fs::read(folder.join(file)).map_err(|source| Error::DataUnreadable {
                folder: folder.to_path_buf(),
                file,
                format,
                origin: ORIGIN,
                source,
            })
        };
        let (images, labels) = (bytes(IMAGES, IMAGES_FORMAT)?, bytes(LABELS, LABELS_FORMAT)?);
        let shown = folder.display().to_string();
        Self::decode(&images, &labels, &format!("in `{shown}`"), shown)
    }

    fn decode(images: &[u8], labels: &[u8], place: &str, origin: String) -> Result<Self> {
        let bad = |file, format| {
            let place = place.to_string();
            move |found| Error::DataMalformed { place: place.clone(), file, format, found }
        };
        let (bad_images, bad_labels) = (bad(IMAGES, IMAGES_FORMAT), bad(LABELS, LABELS_FORMAT));
        let Bytes { shape, entries: pixels } = Bytes::read(images).map_err(|e| bad_images(e.to_string()))?;
        let n = match shape[..] {
            [n, 8, 8] if n >= 20 => n,
            _ => return Err(bad_images(format!("it holds an array of shape {shape:?}"))),
        };
        if let Some(p) = pixels.iter().find(|p| f64::from(**p) > FULL) {
            return Err(bad_images(format!("it holds a pixel of {p}")));
        }
        let Bytes { shape, entries: labels } = Bytes::read(labels).map_err(|e| bad_labels(e.to_string()))?;
        if shape != [n] {
            return Err(bad_labels(format!("it holds an array of shape {shape:?} for {n} images")));
        }
        if let Some(l) = labels.iter().find(|l| **l > 9) {
            return Err(bad_labels(format!("it holds the label {l}")));
        }
        let images = Mat::from_fn(n, PIXELS, |i, j| f64::from(pixels[i * PIXELS + j]) / FULL);
        Ok(Digits { images, labels: labels.to_vec(), origin })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_digits_are_the_known_set() {
        let d = Digits::built_in().unwrap();
        assert_eq!((d.images.nrows(), d.images.ncols()), (1797, PIXELS));
        let count = |k| d.labels.iter().filter(|l| **l == k).count();
        let counts: Vec<usize> = (0..10).map(count).collect();
        assert_eq!(counts, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
        // The first image, a zero: its second row, as the repository prints it.
        let row: Vec<f64> = (8..16).map(|j| d.images[(0, j)] * FULL).collect();
        assert_eq!(row, [0.0, 0.0, 13.0, 15.0, 10.0, 15.0, 5.0, 0.0]);
        assert_eq!(d.labels[..3], [0, 1, 2]);
    }
}
