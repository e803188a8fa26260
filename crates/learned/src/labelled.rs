//! What the gradient-free loop sees of images with labels: convolutions down pixels and marks of classes, a mix of the
//! images of a minibatch and of what the convolutions found, the data features of GF-RMM for faces. The loop itself is
//! in `inner.rs`, features for images without labels in `convolved.rs`.

use crate::convolution::{along_columns, open_kernel, places};
use crate::convolved::Pictures;
use crate::inner::Features;
use crate::layers::{orthogonal, uniform};
use pullback::{Batch, Scalar, Shape, Var};
use pullback_manifolds::Parts;
use rand::Rng;
use serde::{Deserialize, Serialize};

/// The lengths of the two kernels.
const SIDES: [usize; 2] = [3, 6];

pullback::leaves! {
    /// The parameters of [`Labelled`]: `11 + pixels * images + found * columns + 2 pixels²` numbers, where `found` is
    /// what two convolutions leave of a column.
    #[derive(Debug, Clone, PartialEq)]
    pub struct LabelledParams<T: Scalar = f64> as LabelledVars {
        /// The first kernel, three numbers.
        kernel1: Batch<T>,
        /// Added after it.
        bias1: Batch<T>,
        /// The second kernel, six numbers.
        kernel2: Batch<T>,
        /// Added after it.
        bias2: Batch<T>,
        /// `W1`, `pixels x images`: how images are mixed to rows of the point.
        rows: Batch<T>,
        /// `W2`, `found x columns`: how what was found is mixed to columns of the point.
        columns: Batch<T>,
        /// `V1`, `pixels x pixels`: the first map of the sum of tangent and features.
        map1: Batch<T>,
        /// `V2`, `pixels x pixels`: the second.
        map2: Batch<T>,
    }
}

/// The data features of the gradient-free optimiser for faces (Gao et al., *Learning a Gradient-free Riemannian
/// Optimizer on Tangent Spaces*, AAAI 2021, its code):
///
/// ```text
///     F = W1 relu(k2 * relu(k1 * A + b1) + b2)^T W2,    seen = V2^T V1^T (P + w F)
/// ```
///
/// with an image of the minibatch in each column of `A`, its pixels followed by a mark for each class (1 for its own, 0
/// elsewhere); `*` goes down a column in steps of three rows, with a kernel of three numbers and then one of six. Of
/// 1024 pixels and 38 classes that leaves 117 numbers. `F` has the shape of a point. They see one matrix of the point,
/// with a row for each pixel, and depend on its size.
///
/// ```
/// use pullback::prelude::*;
/// use pullback_learned::*;
/// use pullback_manifolds::{Manifold, Stiefel, rng};
///
/// // Faces as in the paper: 1024 pixels, 38 persons, 64 images in a minibatch.
/// let paper = Labelled { pixels: 1024, classes: 38, images: 64, columns: 38 };
/// assert_eq!((paper.found(), paper.parameter_count()), (117, 11 + 1024 * 64 + 117 * 38 + 2 * 1024 * 1024));
///
/// // What is seen of a minibatch at a point has the shape of the point.
/// let features = Labelled { pixels: 14, classes: 4, images: 3, columns: 4 };
/// let params: LabelledParams = features.init(&mut rng(1));
/// let data = Batch::from_fn(pullback::Shape::mat(18, 3), |_, i, j| (i + j) as f64);
/// let x: Vec<Batch> = Stiefel::new(14, 4).random_point(1, &mut rng(2));
/// let seen = pullback::value(
///     |(phi, x): (LabelledVars, Vec<Var>)| features.see(&phi, &x, &data).expect("features")[0],
///     &(params, x),
/// )?;
/// assert_eq!((seen.shape().rows, seen.shape().cols), (14, 4));
/// # Ok::<(), pullback::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Labelled {
    /// Pixels of an image, which are the rows of a point.
    pub pixels: usize,
    /// Classes. Pixels and classes together are at least 18.
    pub classes: usize,
    /// Images of a minibatch. The code has 64.
    pub images: usize,
    /// Columns of a point.
    pub columns: usize,
}

impl Labelled {
    /// How many numbers the two convolutions leave of a column.
    pub fn found(&self) -> usize {
        places(places(self.pixels.saturating_add(self.classes), SIDES[0]), SIDES[1])
    }

    /// How many parameters there are.
    pub fn parameter_count(&self) -> usize {
        self.checked_count().unwrap_or(usize::MAX)
    }

    /// The same, unless the number is too large to exist.
    pub(crate) fn checked_count(&self) -> Option<usize> {
        let maps = self.pixels.checked_mul(self.pixels)?.checked_mul(2)?;
        let mixes = self.pixels.checked_mul(self.images)?.checked_add(self.found().checked_mul(self.columns)?)?;
        maps.checked_add(mixes)?.checked_add(SIDES[0] + SIDES[1] + 2)
    }

    /// Fresh parameters: kernels, biases and mixes uniform in `±1 / sqrt(inputs)`, kernels and biases with the signs
    /// that keep rectifiers open for images that are not negative, and orthogonal maps.
    pub fn init<T: Scalar>(&self, rng: &mut dyn Rng) -> LabelledParams<T> {
        let [(kernel1, bias1), (kernel2, bias2)] = SIDES.map(|side| open_kernel(side, &mut *rng));
        LabelledParams {
            kernel1,
            bias1,
            kernel2,
            bias2,
            rows: uniform(Shape::mat(self.pixels, self.images), self.images, rng),
            columns: uniform(Shape::mat(self.found(), self.columns), self.found(), rng),
            map1: orthogonal(self.pixels, rng),
            map2: orthogonal(self.pixels, rng),
        }
    }

    /// `F` as a program of the images too.
    pub fn of<'t, T: Scalar>(&self, phi: &LabelledVars<'t, T>, pictures: Var<'t, T>) -> Var<'t, T> {
        let a = along_columns(pictures, phi.kernel1, phi.bias1, SIDES[0]).relu();
        let a = along_columns(a, phi.kernel2, phi.bias2, SIDES[1]).relu();
        phi.rows.mul_t(a) * phi.columns
    }

    pub(crate) fn blank<T: Scalar>(&self) -> LabelledParams<T> {
        let z = |rows, cols| Batch::zeros(Shape::mat(rows, cols));
        LabelledParams {
            kernel1: z(SIDES[0], 1),
            bias1: z(1, 1),
            kernel2: z(SIDES[1], 1),
            bias2: z(1, 1),
            rows: z(self.pixels, self.images),
            columns: z(self.found(), self.columns),
            map1: z(self.pixels, self.pixels),
            map2: z(self.pixels, self.pixels),
        }
    }
}

impl<T: Scalar, D: Pictures<T>> Features<D, T> for Labelled {
    type Params = LabelledParams<T>;

    /// # Panics
    /// If a point is not one matrix with a row for each pixel, the data has other columns than the options say, or the
    /// columns are too short for the two convolutions.
    #[track_caller]
    fn see<'t>(&self, phi: &LabelledVars<'t, T>, x: &[Var<'t, T>], data: &D) -> Option<Parts<'t, T>> {
        let pictures = data.pictures();
        let shape = pictures.shape();
        assert_eq!(x.len(), 1, "Labelled: expected points of one matrix, got {}", x.len());
        assert_eq!(
            (shape.rows, shape.cols, x[0].rows(), x[0].cols()),
            (self.pixels + self.classes, self.images, self.pixels, self.columns),
            "Labelled: expected rows and columns of images and of points as the options say"
        );
        assert!(self.found() > 0, "Labelled: expected at least 18 pixels and classes, got {}", shape.rows);
        Some(std::iter::once(self.of(phi, x[0].tape().constant(pictures))).collect())
    }

    fn mix<'t>(&self, phi: &LabelledVars<'t, T>, sum: Parts<'t, T>) -> Parts<'t, T> {
        sum.into_iter().map(|z| phi.map2.t_mul(phi.map1.t_mul(z))).collect()
    }
}
