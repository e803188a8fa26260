//! What the gradient-free loop sees of images: two convolutions and a mix of the images of a minibatch, the data
//! features of GF-RMM for principal components. The loop itself is in `inner.rs`; other features are for the user to
//! write.

use crate::inner::Features;
use crate::layers::uniform;
use pullback::{Axis, Batch, Scalar, Shape, Var};
use pullback_manifolds::Parts;
use rand::Rng;

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

/// Data with images in it.
pub trait Pictures<T: Scalar = f64> {
    /// The images of each member in columns, pixels row after row.
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
/// The features of the same code for faces and for positive definite matrices are others and not here.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    /// Fresh parameters: kernels, biases and mix uniform in `±1 / sqrt(inputs)`.
    pub fn init<T: Scalar>(&self, rng: &mut dyn Rng) -> ConvolvedParams<T> {
        let kernel = |side: usize, rng: &mut dyn Rng| uniform(Shape::mat(side * side, 1), side * side, rng);
        let bias = |side: usize, rng: &mut dyn Rng| uniform(Shape::SCALAR, side * side, rng);
        ConvolvedParams {
            kernel1: kernel(SIDES[0], rng),
            bias1: bias(SIDES[0], rng),
            kernel2: kernel(SIDES[1], rng),
            bias2: bias(SIDES[1], rng),
            mix: uniform(Shape::mat(self.images, self.columns), self.images, rng),
        }
    }

    /// Where the neighbour of each pixel stands that is so many rows below and columns to the right; outside the image
    /// it is the row after the last pixel.
    fn neighbours(&self, down: isize, right: isize) -> Vec<usize> {
        let place = |at: usize, by: isize, end: usize| at.checked_add_signed(by).filter(|k| *k < end);
        let one = |pixel: usize| {
            let row = place(pixel / self.width, down, self.height);
            let column = place(pixel % self.width, right, self.width);
            row.zip(column).map_or(self.height * self.width, |(i, j)| i * self.width + j)
        };
        (0..self.height * self.width).map(one).collect()
    }

    /// `relu(K * A + b)` with zeros outside the images.
    fn convolve<'t, T: Scalar>(&self, a: Var<'t, T>, kernel: Var<'t, T>, bias: Var<'t, T>, side: usize) -> Var<'t, T> {
        let outside = a.tape().constant(&Batch::zeros(Shape { rows: 1, ..a.shape() }));
        let (padded, reach) = (Var::concat(&[a, outside], Axis::Rows), (side / 2) as isize);
        let tap = |k: usize| {
            let (down, right) = ((k / side) as isize - reach, (k % side) as isize - reach);
            padded.gather(Axis::Rows, &self.neighbours(down, right)).hadamard(kernel.row_range(k, 1))
        };
        let sum = (1..side * side).fold(tap(0), |sum, k| sum + tap(k));
        (sum + bias).relu()
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
        let a = x[0].tape().constant(pictures);
        let a = self.convolve(a, phi.kernel1, phi.bias1, SIDES[0]);
        let a = self.convolve(a, phi.kernel2, phi.bias2, SIDES[1]);
        Some(std::iter::once(a * phi.mix).collect())
    }
}
