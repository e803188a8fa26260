//! The matrices of the command `clustering`: Kylberg from a folder, or covariances of regions of built-in textures.
//! What is minimised over them is not known here.

use crate::error::{Error, Result, during};
use crate::files::{DataFile, DataFolder, classes_of};
use pullback::{Batch, Shape, Tape};
use pullback_experiments::arrays::{Bytes, Doubles};
use std::path::Path;

/// Order of the matrices.
pub(crate) const ORDER: usize = 5;
/// Textures of the papers.
const KYLBERG_CLASSES: usize = 20;
const MATRICES: &str =
    "NumPy .npy, doubles (<f8), C order, n x 5 x 5, each symmetric and positive definite: C^(-1/2) of a covariance C";
const LABELS: &str = "NumPy .npy, unsigned bytes (|u1), n labels 1..20, one for each matrix, all of them present";
const ORIGIN: &str =
    "Kylberg Texture Dataset (Kylberg 2011), 20 textures, as the covariances of regions that the papers use";

/// Inverse square roots of covariances, with their classes.
#[derive(Debug, Clone)]
pub(crate) struct Regions {
    /// `W_i = C_i^(-1/2)`, one member for each region.
    pub(crate) whiteners: Batch,
    pub(crate) labels: Vec<usize>,
}

impl Regions {
    pub(crate) fn count(&self) -> usize {
        self.labels.len()
    }

    /// The regions with these numbers.
    pub(crate) fn some(&self, which: &[usize]) -> Self {
        let (shape, data) = (self.whiteners.shape(), self.whiteners.data());
        let size = shape.rows * shape.cols;
        let entries: Vec<f64> = which.iter().flat_map(|i| data[i * size..(i + 1) * size].iter().copied()).collect();
        let shape = Shape { batch: which.len(), ..shape };
        let labels = which.iter().map(|i| self.labels[*i]).collect();
        Regions { whiteners: Batch::from_slice(shape, &entries), labels }
    }
}

/// A data set with its split.
#[derive(Debug, Clone)]
pub(crate) struct Covariances {
    pub(crate) title: &'static str,
    pub(crate) origin: String,
    pub(crate) train: Regions,
    pub(crate) test: Regions,
    pub(crate) classes: usize,
    /// Regions of a minibatch.
    pub(crate) minibatch: usize,
}

/// Kylberg from `folder`, or its subfolder `kylberg_spd5`.
///
/// The papers' code uses the matrices of its files as `C^(-1/2)`.
pub(crate) fn kylberg(folder: &Path) -> Result<Covariances> {
    let matrices = |name| DataFile { name, format: MATRICES };
    let labels = |name| DataFile { name, format: LABELS };
    let train = (matrices("train_spd5_f64.npy"), labels("train_labels_1to20_u8.npy"));
    let test = (matrices("test_spd5_f64.npy"), labels("test_labels_1to20_u8.npy"));
    let folder = DataFolder::new(folder, "kylberg_spd5", &train.0, ORIGIN);
    Ok(Covariances {
        title: "Covariances of 20 textures, 5x5, by the nearest centre",
        origin: folder.shown(),
        train: regions(&folder, &train)?,
        test: regions(&folder, &test)?,
        classes: KYLBERG_CLASSES,
        minibatch: 512,
    })
}

fn regions(folder: &DataFolder, (file, labels_file): &(DataFile, DataFile)) -> Result<Regions> {
    let (bytes, labels) = (folder.bytes(file)?, folder.bytes(labels_file)?);
    let Doubles { shape, entries } = Doubles::from_npy(&bytes).map_err(|e| folder.wrong(file, e.to_string()))?;
    let n = match shape[..] {
        [n, ORDER, ORDER] if n > 0 => n,
        _ => return Err(folder.wrong(file, format!("it holds an array of shape {shape:?}"))),
    };
    let Bytes { shape, entries: labels } =
        Bytes::from_npy(&labels).map_err(|e| folder.wrong(labels_file, e.to_string()))?;
    if shape != [n] {
        return Err(folder.wrong(labels_file, format!("it holds an array of shape {shape:?} for {n} matrices")));
    }
    let labels = classes_of(labels, KYLBERG_CLASSES).map_err(|e| folder.wrong(labels_file, e))?;
    for (i, w) in entries.chunks(ORDER * ORDER).enumerate() {
        check(w).map_err(|found| folder.wrong(file, format!("matrix {i} {found}")))?;
    }
    // A symmetric matrix is the same in rows and in columns.
    Ok(Regions { whiteners: Batch::from_slice(Shape::batch(n, ORDER, ORDER), &entries), labels })
}

/// Is it finite, symmetric and positive definite?
fn check(w: &[f64]) -> std::result::Result<(), &'static str> {
    if !w.iter().all(|v| v.is_finite()) {
        return Err("has an entry that is not finite");
    }
    let largest = w.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    let symmetric = (0..ORDER * ORDER).all(|k| {
        let (i, j) = (k / ORDER, k % ORDER);
        (w[i * ORDER + j] - w[j * ORDER + i]).abs() <= 1e-10 * largest
    });
    if !symmetric {
        return Err("is not symmetric");
    }
    let batch = Batch::from_slice(Shape::mat(ORDER, ORDER), w);
    let tape = Tape::<f64>::plain();
    match tape.constant(&batch).try_cholesky().is_ok() {
        true => Ok(()),
        false => Err("is not positive definite"),
    }
}

/// Pixels of a side of the built-in textures, and of a region.
const SIDE: usize = 256;
const REGION: usize = 16;
/// Added to the diagonal of a covariance: a region may be flat.
const RIDGE: f64 = 1e-5;

/// Covariances of regions of 16x16 pixels of three built-in textures. The left three quarters of each texture are to
/// train on, the right quarter to test: regions do not overlap.
pub(crate) fn textures() -> Result<Covariances> {
    let files: [(&'static str, &[u8]); 3] = [
        ("brick_256_u8.npy", include_bytes!("../data/textures/brick_256_u8.npy")),
        ("grass_256_u8.npy", include_bytes!("../data/textures/grass_256_u8.npy")),
        ("gravel_256_u8.npy", include_bytes!("../data/textures/gravel_256_u8.npy")),
    ];
    let format = "NumPy .npy, unsigned bytes (|u1), C order, 256 x 256";
    let (mut train, mut test) = (Vec::new(), Vec::new());
    for (class, (file, bytes)) in files.into_iter().enumerate() {
        let wrong = |found| Error::DataMalformed { place: "(built in)".into(), file, format, found };
        let Bytes { shape, entries } = Bytes::from_npy(bytes).map_err(|e| wrong(e.to_string()))?;
        if shape != [SIDE, SIDE] {
            return Err(wrong(format!("it holds an array of shape {shape:?}")));
        }
        for (place, covariance) in covariances(entries) {
            let side = if place < 3 * SIDE / 4 { &mut train } else { &mut test };
            side.push((covariance, class));
        }
    }
    Ok(Covariances {
        title: "Covariances of three textures, 5x5, by the nearest centre",
        origin: "built in".into(),
        train: whitened(&train)?,
        test: whitened(&test)?,
        classes: files.len(),
        minibatch: 64,
    })
}

/// For each region its left edge and the covariance of five numbers of its pixels: the grey value `g` in 0..1 and the
/// sizes of its first and second differences along rows and columns (Tuzel, Porikli & Meer, *Region covariance*, 2006):
/// `(g, |g_x|, |g_y|, |g_xx|, |g_yy|)`, with `g_x = (g(x+1) - g(x-1))/2` and `g_xx = g(x+1) - 2g(x) + g(x-1)`. Beyond
/// the edge of the texture the last pixel is repeated.
fn covariances(texture: &[u8]) -> Vec<(usize, [f64; ORDER * ORDER])> {
    let grey = |i: usize, j: usize| f64::from(texture[i * SIDE + j]) / 255.0;
    let before = |k: usize| k.saturating_sub(1);
    let after = |k: usize| (k + 1).min(SIDE - 1);
    let features = |i: usize, j: usize| {
        let g = grey(i, j);
        let (left, right) = (grey(i, before(j)), grey(i, after(j)));
        let (up, down) = (grey(before(i), j), grey(after(i), j));
        [
            g,
            (0.5 * (right - left)).abs(),
            (0.5 * (down - up)).abs(),
            (right - 2.0 * g + left).abs(),
            (down - 2.0 * g + up).abs(),
        ]
    };
    let corners = (0..SIDE).step_by(REGION).flat_map(|i| (0..SIDE).step_by(REGION).map(move |j| (i, j)));
    corners
        .map(|(top, left)| {
            let pixels = (top..top + REGION).flat_map(|i| (left..left + REGION).map(move |j| (i, j)));
            let list: Vec<[f64; ORDER]> = pixels.map(|(i, j)| features(i, j)).collect();
            (left, covariance(&list))
        })
        .collect()
}

/// `sum (f - m)(f - m)^T / n + RIDGE I` with the mean `m`.
fn covariance(list: &[[f64; ORDER]]) -> [f64; ORDER * ORDER] {
    let n = list.len() as f64;
    let mean: [f64; ORDER] = std::array::from_fn(|k| list.iter().map(|f| f[k]).sum::<f64>() / n);
    std::array::from_fn(|at| {
        let (i, j) = (at / ORDER, at % ORDER);
        let sum: f64 = list.iter().map(|f| (f[i] - mean[i]) * (f[j] - mean[j])).sum();
        sum / n + if i == j { RIDGE } else { 0.0 }
    })
}

/// `C^(-1/2)` of each.
fn whitened(list: &[([f64; ORDER * ORDER], usize)]) -> Result<Regions> {
    let entries: Vec<f64> = list.iter().flat_map(|(c, _)| c.iter().copied()).collect();
    let tape = Tape::plain();
    let w = tape.constant(&Batch::from_slice(Shape::batch(list.len(), ORDER, ORDER), &entries)).invsqrtm_spd();
    tape.check().map_err(during("the inverse roots of the covariances"))?;
    Ok(Regions { whiteners: w.value(), labels: list.iter().map(|(_, class)| *class).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_covariance_is_that_of_a_hand_made_case() {
        // Two points 1 apart in the first feature, 2 in the second, the same in the others.
        let c = covariance(&[[0.0, 1.0, 3.0, 3.0, 3.0], [1.0, -1.0, 3.0, 3.0, 3.0]]);
        assert!((c[0] - (0.25 + RIDGE)).abs() < 1e-15 && (c[6] - (1.0 + RIDGE)).abs() < 1e-15);
        assert_eq!((c[1], c[5], c[12], c[13]), (-0.5, -0.5, RIDGE, 0.0));
    }

    #[test]
    fn the_features_of_a_ramp_are_its_slope_and_nothing_else() {
        // Grey values that rise by 1/255 from column to column: constant slope, no second difference, inside.
        let ramp: Vec<u8> = (0..SIDE * SIDE).map(|k| (k % SIDE) as u8).collect();
        let list = covariances(&ramp);
        assert_eq!(list.len(), 256);
        // Away from the edges only the grey value varies: the variance of 16 numbers in a row is (16² - 1)/12.
        let (left, c) = list[17];
        assert_eq!(left, REGION);
        assert!((c[0] - RIDGE - 255.0 / 12.0 / (255.0 * 255.0)).abs() < 1e-12, "{}", c[0]);
        assert!((1..ORDER).all(|k| (c[k * ORDER + k] - RIDGE).abs() < 1e-15));
    }

    #[test]
    fn the_built_in_textures_are_split_by_place() {
        let t = textures().unwrap();
        assert_eq!((t.train.count(), t.test.count(), t.classes), (576, 192, 3));
        // W C W = I says that W is the inverse root of some C; here, that W is symmetric and definite.
        let some = t.train.some(&[5, 300]);
        assert_eq!(some.labels, [0, 1]);
        assert!((0..2).all(|k| check(&some.whiteners.data()[k * 25..(k + 1) * 25]).is_ok()));
    }

    #[test]
    fn matrices_that_are_none_are_refused() {
        let mut w = [0.0; 25];
        (0..5).for_each(|i| w[6 * i] = 1.0);
        assert!(check(&w).is_ok());
        w[1] = 0.5;
        assert_eq!(check(&w), Err("is not symmetric"));
        w[5] = 0.5;
        w[24] = -1.0;
        assert_eq!(check(&w), Err("is not positive definite"));
        w[3] = f64::NAN;
        assert_eq!(check(&w), Err("has an entry that is not finite"));
    }
}
