//! What problems minimise, as programs on batches: principal components, distances to subspaces, distances to positive
//! definite matrices. Member `b` of a point belongs to problem `b`. Where the data come from is not known here.

use pullback::{Axis, Batch, Shape, Var};

/// What is minimised.
#[derive(Debug, Clone)]
pub(crate) enum Loss {
    /// `-tr N X^T C X` with the second moments `C`, whose largest eigenvalue is 1, and `N` the identity, or diagonal
    /// with weights that differ (Brockett's cost, on a Stiefel manifold).
    Components {
        /// `C` of each problem.
        moments: Batch,
        /// `N`, if columns have weights: the columns are then components, and not a basis of any.
        weights: Option<Batch>,
    },
    /// `mean_i sqrt(|a_i|² - |X^T a_i|² + delta²)`: distances to the subspace, not their squares, so that images far
    /// from it weigh less. `delta` makes it smooth.
    Robust {
        /// The images of each problem in columns.
        images: Batch,
        /// `|a_i|² + delta²`, a row for each problem.
        squares: Batch,
    },
    /// `mean_i |log(W_i M W_i^T)|²`, the mean squared affine-invariant distance of `M` to the matrices `(W_i^T
    /// W_i)^-1`.
    Centres {
        /// `W_i`, those of the first problem first.
        whiteners: Batch,
        /// How many each problem has.
        each: usize,
        /// If any: `mean_i sqrt(|log(W_i M W_i^T)|² + delta²)` instead, distances and not their squares.
        delta: Option<f64>,
    },
}

/// Where robust losses are smooth: in units of the root of the mean square of an image or a distance.
pub(crate) const DELTA: f64 = 0.1;

impl Loss {
    /// The loss of the members with these numbers.
    pub(crate) fn some(&self, which: &[usize]) -> Loss {
        match self {
            Loss::Components { moments, weights } => {
                Loss::Components { moments: members(moments, which), weights: weights.clone() }
            }
            Loss::Robust { images, squares } => {
                Loss::Robust { images: members(images, which), squares: members(squares, which) }
            }
            Loss::Centres { whiteners, each, delta } => {
                let own: Vec<usize> = which.iter().flat_map(|k| k * each..(k + 1) * each).collect();
                Loss::Centres { whiteners: members(whiteners, &own), each: *each, delta: *delta }
            }
        }
    }

    /// The largest second derivative at the optimum, about, where costs have no unit of their own.
    pub(crate) fn curvature(&self) -> f64 {
        match self {
            Loss::Components { .. } | Loss::Robust { .. } => 1.0,
            Loss::Centres { .. } => 2.0,
        }
    }

    /// One number for each member.
    pub(crate) fn of<'t>(&self, x: Var<'t>) -> Var<'t> {
        match self {
            Loss::Components { moments, weights } => {
                let cx = x.tape().constant(moments) * x;
                match weights {
                    Some(n) => -x.dot(cx.hadamard(n)),
                    None => -x.dot(cx),
                }
            }
            Loss::Robust { images, squares } => {
                let y = x.t_mul(x.tape().constant(images));
                let kept = y.hadamard(y).column_sums();
                let left = x.tape().constant(squares) - kept;
                left.sqrt().sum_each() * (1.0 / images.shape().cols as f64)
            }
            Loss::Centres { whiteners, each, delta } => {
                let problems = x.shape().batch;
                let own: Vec<usize> = (0..problems).flat_map(|b| std::iter::repeat_n(b, *each)).collect();
                let w = x.tape().constant(whiteners);
                let l = (w * x.gather(Axis::Batch, &own)).mul_t(w).logm_spd();
                let squares = l.dot(l).reshape_batch(Shape::batch(problems, *each, 1));
                let of = delta.map_or(squares, |d| (squares + d * d).sqrt());
                of.sum_each() * (1.0 / *each as f64)
            }
        }
    }
}

/// Members of a batch.
pub(crate) fn members(b: &Batch, which: &[usize]) -> Batch {
    let (shape, each) = (b.shape(), b.shape().rows * b.shape().cols);
    let data: Vec<f64> = which.iter().flat_map(|k| b.data()[k * each..(k + 1) * each].iter().copied()).collect();
    Batch::from_slice(Shape { batch: which.len(), ..shape }, &data)
}
