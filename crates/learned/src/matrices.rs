//! What the gradient-free loop sees of symmetric matrices: convolutions of their entries and a mix of the matrices of a
//! minibatch, the data features of GF-RMM for positive definite matrices. The loop itself is in `inner.rs`, features
//! for images in `convolved.rs` and `labelled.rs`.

use crate::convolution::Size;
use crate::convolved::Pictures;
use crate::inner::Features;
use crate::layers::{orthogonal, uniform};
use pullback::{Batch, Scalar, Shape, Var};
use pullback_manifolds::Parts;
use rand::Rng;
use serde::{Deserialize, Serialize};

/// The sides of the two kernels.
const SIDES: [usize; 2] = [1, 3];

pullback::leaves! {
    /// The parameters of [`Matrices`]: `12 + count + 2 order²` numbers.
    #[derive(Debug, Clone, PartialEq)]
    pub struct MatricesParams<T: Scalar = f64> as MatricesVars {
        /// The first kernel, one number.
        kernel1: Batch<T>,
        /// Added after it.
        bias1: Batch<T>,
        /// The second kernel, 3x3, row after row in a column.
        kernel2: Batch<T>,
        /// Added after it.
        bias2: Batch<T>,
        /// `w`, `count x 1`: how matrices are mixed.
        mix: Batch<T>,
        /// `V1`: the first map of the sum of tangent and features.
        map1: Batch<T>,
        /// `V2`: the second.
        map2: Batch<T>,
    }
}

/// The data features of the gradient-free optimiser for positive definite matrices (Gao et al., *Learning a
/// Gradient-free Riemannian Optimizer on Tangent Spaces*, AAAI 2021, its code):
///
/// ```text
///     F = sym sum_i w_i (K2 * (k1 C_i + b1) + b2),    seen = V2^T V1^T (P + w F) V1 V2
/// ```
///
/// with the matrices `C_i` of a minibatch, whose entries stand in the columns of the data, and `*` the convolution of a
/// matrix with a kernel of 3x3 and zeros outside. There is no rectifier in them. The code does not say `sym`; of a
/// tangent nothing else is left, and the matrix LSTM sees the symmetric part alone. They see one matrix of the point
/// and depend on its size.
///
/// ```
/// use pullback::prelude::*;
/// use pullback_learned::*;
/// use pullback_manifolds::{Manifold, Spd, rng};
///
/// // Three matrices of 2x2 in columns.
/// let data = Batch::from_slice(pullback::Shape::mat(4, 3), &[2., 1., 1., 2., 3., 0., 0., 1., 5., 2., 2., 4.]);
/// let features = Matrices { order: 2, count: 3 };
/// let params: MatricesParams = features.init(&mut rng(1));
/// assert_eq!(features.parameter_count(), 12 + 3 + 8);
/// let x: Vec<Batch> = Spd::new(2).random_point(1, &mut rng(2));
/// let seen = pullback::value(
///     |(phi, x): (MatricesVars, Vec<Var>)| features.see(&phi, &x, &data).expect("features")[0],
///     &(params, x),
/// )?;
/// assert_eq!((seen.shape().rows, seen.shape().cols), (2, 2));
/// # Ok::<(), pullback::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matrices {
    /// Rows and columns of a matrix.
    pub order: usize,
    /// Matrices of a minibatch. The code has 400.
    pub count: usize,
}

impl Matrices {
    /// How many parameters there are.
    pub fn parameter_count(&self) -> usize {
        self.checked_count().unwrap_or(usize::MAX)
    }

    /// The same, unless the number is too large to exist.
    pub(crate) fn checked_count(&self) -> Option<usize> {
        let maps = self.order.checked_mul(self.order)?.checked_mul(2)?;
        maps.checked_add(self.count)?.checked_add(SIDES[0] * SIDES[0] + SIDES[1] * SIDES[1] + 2)
    }

    /// Fresh parameters: kernels, biases and mix uniform in `±1 / sqrt(inputs)`, and orthogonal maps.
    pub fn init<T: Scalar>(&self, rng: &mut dyn Rng) -> MatricesParams<T> {
        let kernel = |side: usize, rng: &mut dyn Rng| uniform(Shape::mat(side * side, 1), side * side, rng);
        let bias = |side: usize, rng: &mut dyn Rng| uniform(Shape::SCALAR, side * side, rng);
        MatricesParams {
            kernel1: kernel(SIDES[0], rng),
            bias1: bias(SIDES[0], rng),
            kernel2: kernel(SIDES[1], rng),
            bias2: bias(SIDES[1], rng),
            mix: uniform(Shape::mat(self.count, 1), self.count, rng),
            map1: orthogonal(self.order, rng),
            map2: orthogonal(self.order, rng),
        }
    }

    /// `F` as a program of the matrices too, which stand in columns.
    pub fn of<'t, T: Scalar>(&self, phi: &MatricesVars<'t, T>, columns: Var<'t, T>) -> Var<'t, T> {
        let size = Size { height: self.order, width: self.order };
        let a = size.convolve(columns, phi.kernel1, phi.bias1, SIDES[0]);
        let a = size.convolve(a, phi.kernel2, phi.bias2, SIDES[1]);
        (a * phi.mix).reshape_batch(Shape::batch(columns.shape().batch, self.order, self.order)).sym()
    }

    pub(crate) fn blank<T: Scalar>(&self) -> MatricesParams<T> {
        let z = |rows, cols| Batch::zeros(Shape::mat(rows, cols));
        MatricesParams {
            kernel1: z(SIDES[0] * SIDES[0], 1),
            bias1: z(1, 1),
            kernel2: z(SIDES[1] * SIDES[1], 1),
            bias2: z(1, 1),
            mix: z(self.count, 1),
            map1: z(self.order, self.order),
            map2: z(self.order, self.order),
        }
    }
}

impl<T: Scalar, D: Pictures<T>> Features<D, T> for Matrices {
    type Params = MatricesParams<T>;

    /// # Panics
    /// If a point is not one matrix of the order that the options say, or the data has other columns.
    #[track_caller]
    fn see<'t>(&self, phi: &MatricesVars<'t, T>, x: &[Var<'t, T>], data: &D) -> Option<Parts<'t, T>> {
        let (pictures, order) = (data.pictures(), self.order);
        let shape = pictures.shape();
        assert_eq!(x.len(), 1, "Matrices: expected points of one matrix, got {}", x.len());
        assert_eq!(
            (shape.rows, shape.cols, x[0].rows(), x[0].cols()),
            (order * order, self.count, order, order),
            "Matrices: expected rows and columns of data and of points as the options say"
        );
        Some(std::iter::once(self.of(phi, x[0].tape().constant(pictures))).collect())
    }

    fn mix<'t>(&self, phi: &MatricesVars<'t, T>, sum: Parts<'t, T>) -> Parts<'t, T> {
        let map = |w: Var<'t, T>, z: Var<'t, T>| w.t_mul(z) * w;
        sum.into_iter().map(|z| map(phi.map2, map(phi.map1, z))).collect()
    }
}
