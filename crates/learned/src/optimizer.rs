//! The interface of a learned optimiser: named parameters, a named state and a step on values. No architecture is
//! defined here.

use pullback::{Leaves, Scalar, Shape, Var};
use pullback_manifolds::{Egrad, Manifold, Parts, Rgrad};
use std::fmt;

/// The handles of an optimiser's parameters.
pub type ParamVars<'t, O, T = f64> = <<O as LearnedOptimizer<T>>::Params as Leaves>::Vars<'t>;

/// The handles of an optimiser's state.
pub type StateVars<'t, O, T = f64> = <<O as LearnedOptimizer<T>>::State as Leaves>::Vars<'t>;

/// Both gradients of the cost at a point, a matrix for each matrix of the point.
#[derive(Debug, Clone, Copy)]
pub struct Gradients<'g, 't, T: Scalar = f64> {
    /// The Euclidean gradient, as the engine returns it. It depends on how the cost is extended beyond the manifold.
    pub egrad: Egrad<&'g [Var<'t, T>]>,
    /// The Riemannian gradient.
    pub rgrad: Rgrad<&'g [Var<'t, T>]>,
}

/// An optimiser whose rule has parameters that are learned.
///
/// Its step is a program on points that are lists of matrices: it is only evaluated when the optimiser is used, and
/// recorded when it is trained. Together with its parameters it is a [`Method`](pullback_optim::Method) like any other:
/// see [`Trained`](crate::Trained). Rules for one matrix become optimisers by [`Each`](crate::Each).
pub trait LearnedOptimizer<T: Scalar = f64>: fmt::Debug + Send + Sync {
    /// The parameters, a struct of named leaves.
    type Params: Leaves<Scalar = T> + Clone + PartialEq + fmt::Debug + Send + Sync;
    /// The recurrent state, a struct of named leaves.
    type State: Leaves<Scalar = T>;

    /// Its name and sizes, for tables.
    fn name(&self) -> String;

    /// Does the step use the Euclidean gradient?
    fn needs_egrad(&self) -> bool {
        false
    }

    /// The state before the first step, for points of these shapes. Points come in batches, and every leaf of the state
    /// has the batch of the points: its member `b` belongs to point `b`.
    fn begin(&self, points: &[Shape]) -> Self::State;

    /// From a point, the gradients there and the state: the tangent to step along (the point's next value is its
    /// retraction) and the next state. Members of a batch are independent.
    fn step<'t>(
        &self,
        m: &dyn Manifold<T>,
        phi: &ParamVars<'t, Self, T>,
        x: &[Var<'t, T>],
        g: Gradients<'_, 't, T>,
        state: &StateVars<'t, Self, T>,
    ) -> (Parts<'t, T>, StateVars<'t, Self, T>);
}

/// Keeps `1 / sqrt(<x, x> + TINY)` finite at zero.
pub(crate) const TINY: f64 = 1e-24;

/// What keeps `sqrt(<x, x> + least)` differentiable at zero where lengths far below one count: the square of [`TINY`],
/// which single precision cannot hold and has a larger one in place of.
pub(crate) fn least<T: Scalar>() -> f64 {
    (TINY * TINY).max(100.0 * T::min_positive_value().f64())
}

/// One number for each member of a batch of matrices.
pub(crate) fn number(points: Shape) -> Shape {
    Shape::batch(points.batch, 1, 1)
}
