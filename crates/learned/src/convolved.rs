//! What the gradient-free loop sees of images: two convolutions and a mix of the images of a minibatch, the data
//! features of GF-RMM for principal components. The loop itself is in `inner.rs`; the features for faces are in
//! `labelled.rs` and those for positive definite matrices in `matrices.rs`.

use crate::convolution::{Size, open_kernel};
use crate::inner::Features;
use crate::layers::uniform;
use pullback::{Batch, Scalar, Shape, Var};
use pullback_manifolds::Parts;
use rand::Rng;
use serde::{Deserialize, Serialize};

/// The sides of the two kernels.
const SIDES: [usize; 2] = [3, 5];

pullback::leaves! {
    /// The parameters of [`Convolved`]: `36 + images * columns` numbers.
    #[derive(Debug, Clone, PartialEq)]
    pub struct ConvolvedParams<T: Scalar = f64> as ConvolvedVars {
        /// The first kernel, 3x3, row after row in a column.
        kernel1: Batch<T>,
        /// Added to every pixel after it.
        bias1: Batch<T>,
        /// The second kernel, 5x5.
        kernel2: Batch<T>,
        /// Added to every pixel after it.
        bias2: Batch<T>,
        /// `W`, `images x columns`: how images are mixed to columns of the point.
        mix: Batch<T>,
    }
}

/// Data with examples that features look at.
pub trait Pictures<T: Scalar = f64> {
    /// The examples of each member, one in each column: the pixels of an image row after row ([`Convolved`]), pixels
    /// and then a mark for each class ([`Labelled`](crate::Labelled)), or the entries of a matrix
    /// ([`Matrices`](crate::Matrices)).
    fn pictures(&self) -> &Batch<T>;
}

impl<T: Scalar> Pictures<T> for Batch<T> {
    fn pictures(&self) -> &Batch<T> {
        self
    }
}

/// The data features of the gradient-free optimiser for principal components (Gao et al., *Learning a Gradient-free
/// Riemannian Optimizer on Tangent Spaces*, AAAI 2021, its code):
///
/// ```text
///     F = relu(K2 * relu(K1 * A + b1) + b2) W
/// ```
///
/// with the images of a minibatch in the columns of `A` (`height · width` pixels), `*` the convolution of each image
/// with a kernel of 3x3 and one of 5x5 and zeros outside the image, and `W` of `images x columns`. `F` has the shape of
/// a point and is added to what the network of an [`OnTangent`](crate::OnTangent) sees:
/// `OnTangent::new(..).seeing(convolved)`. They see one matrix of the point and depend on its size. A network whose
/// output layers are zero proposes nothing, whatever it sees.
///
/// The features of the same code for faces are [`Labelled`](crate::Labelled), those for positive definite matrices
/// [`Matrices`](crate::Matrices).
///
/// ```
/// use pullback::prelude::*;
/// use pullback_learned::*;
/// use pullback_manifolds::{Grassmann, Manifold, rng};
///
/// /// A minibatch of 3 images of 2x2 pixels for each member.
/// struct Minibatch(Batch);
/// impl Pictures for Minibatch {
///     fn pictures(&self) -> &Batch {
///         &self.0
///     }
/// }
/// let gr = Grassmann::new(4, 2);
/// let features = Convolved { height: 2, width: 2, images: 3, columns: 2 };
/// let rule = GmLstm::new(GmLstmOptions { hidden: 8, ..GmLstmOptions::new(4, 2) });
/// let inner = OnTangent::new(rule, Update::new(1.0), 0.1).seeing(features);
/// let params = (inner.rule.init(&inner.update, &mut rng(1)), features.init(&mut rng(2)));
///
/// // What is seen of a minibatch at a point has the shape of the point.
/// let data = Minibatch(Batch::from_fn(pullback::Shape::mat(4, 3), |_, i, j| (i + j) as f64));
/// let x: Vec<Batch> = gr.random_point(1, &mut rng(3));
/// let seen = pullback::value(
///     |(phi, x): (ConvolvedVars, Vec<Var>)| features.see(&phi, &x, &data).expect("features")[0],
///     &(params.1, x),
/// )?;
/// assert_eq!((seen.shape().rows, seen.shape().cols), (4, 2));
/// # Ok::<(), pullback::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Convolved {
    /// Pixels of an image from top to bottom.
    pub height: usize,
    /// Pixels from left to right.
    pub width: usize,
    /// Images of a minibatch. The code has 64.
    pub images: usize,
    /// Columns of a point.
    pub columns: usize,
}

impl Convolved {
    /// Fresh parameters: kernels, biases and mix uniform in `±1 / sqrt(inputs)`, kernels and biases with the signs
    /// that keep rectifiers open for images that are not negative.
    pub fn init<T: Scalar>(&self, rng: &mut dyn Rng) -> ConvolvedParams<T> {
        let [(kernel1, bias1), (kernel2, bias2)] = SIDES.map(|side| open_kernel(side * side, &mut *rng));
        let mix = uniform(Shape::mat(self.images, self.columns), self.images, rng);
        ConvolvedParams { kernel1, bias1, kernel2, bias2, mix }
    }

    /// How many parameters there are.
    pub fn parameter_count(&self) -> usize {
        self.checked_count().unwrap_or(usize::MAX)
    }

    /// The same, unless the number is too large to exist.
    pub(crate) fn checked_count(&self) -> Option<usize> {
        self.images.checked_mul(self.columns)?.checked_add(SIDES.map(|s| s * s + 1).iter().sum())
    }

    /// `F` as a program of the images too.
    pub fn of<'t, T: Scalar>(&self, phi: &ConvolvedVars<'t, T>, pictures: Var<'t, T>) -> Var<'t, T> {
        let size = Size { height: self.height, width: self.width };
        let a = size.convolve(pictures, phi.kernel1, phi.bias1, SIDES[0]).relu();
        let a = size.convolve(a, phi.kernel2, phi.bias2, SIDES[1]).relu();
        a * phi.mix
    }

    pub(crate) fn blank<T: Scalar>(&self) -> ConvolvedParams<T> {
        let z = |rows, cols| Batch::zeros(Shape::mat(rows, cols));
        ConvolvedParams {
            kernel1: z(SIDES[0] * SIDES[0], 1),
            bias1: z(1, 1),
            kernel2: z(SIDES[1] * SIDES[1], 1),
            bias2: z(1, 1),
            mix: z(self.images, self.columns),
        }
    }
}

impl<T: Scalar, D: Pictures<T>> Features<D, T> for Convolved {
    type Params = ConvolvedParams<T>;

    /// # Panics
    /// If a point is not one matrix of `height · width` rows, or the data has other images than the options say.
    #[track_caller]
    fn see<'t>(&self, phi: &ConvolvedVars<'t, T>, x: &[Var<'t, T>], data: &D) -> Option<Parts<'t, T>> {
        let (pictures, pixels) = (data.pictures(), self.height * self.width);
        let found = pictures.shape();
        assert_eq!(x.len(), 1, "Convolved: expected points of one matrix, got {}", x.len());
        assert_eq!(
            (found.rows, found.cols, x[0].rows(), x[0].cols()),
            (pixels, self.images, pixels, self.columns),
            "Convolved: expected rows and columns of images and of points as the options say"
        );
        Some(std::iter::once(self.of(phi, x[0].tape().constant(pictures))).collect())
    }
}
