//! What a learned optimiser is: named parameters, a named state and a step on values. No architecture lives here.

use pullback::{Leaves, Shape, Var};
use pullback_manifolds::{Egrad, Manifold, Parts, Rgrad};
use std::fmt;

/// The handles of an optimiser's parameters.
pub type ParamVars<'t, O> = <<O as LearnedOptimizer>::Params as Leaves>::Vars<'t>;

/// The handles of an optimiser's state.
pub type StateVars<'t, O> = <<O as LearnedOptimizer>::State as Leaves>::Vars<'t>;

/// Both gradients of the cost at a point, a matrix for each matrix of the point.
#[derive(Debug, Clone, Copy)]
pub struct Gradients<'g, 't> {
    /// As the engine returns it. It depends on how the cost continues off the manifold.
    pub egrad: Egrad<&'g [Var<'t>]>,
    /// The tangent that it stands for.
    pub rgrad: Rgrad<&'g [Var<'t>]>,
}

/// An optimiser whose rule has parameters that are learned.
///
/// Its step is a program on points that are lists of matrices: it runs plainly when the optimiser is used and recorded
/// when it is trained. With parameters it is a [`Method`](pullback_optim::Method) like any other: see
/// [`Trained`](crate::Trained). Rules for one matrix become optimisers by [`Each`](crate::Each).
pub trait LearnedOptimizer: fmt::Debug + Send + Sync {
    /// The parameters, a struct of named leaves.
    type Params: Leaves<Scalar = f64> + Clone + PartialEq + fmt::Debug + Send + Sync;
    /// The recurrent state, a struct of named leaves.
    type State: Leaves<Scalar = f64>;

    /// Its name and sizes, for tables.
    fn name(&self) -> String;

    /// Does the step look at the Euclidean gradient?
    fn needs_egrad(&self) -> bool {
        false
    }

    /// The state before the first step, for points of these shapes. Points come in batches, and every leaf of the state
    /// has the batch of the points: its member `b` belongs to point `b`.
    fn begin(&self, points: &[Shape]) -> Self::State;

    /// From a point, the gradients there and the state: the tangent to step along (the point's next value is its
    /// retraction) and the next state. Members of a batch do not see each other.
    fn step<'t>(
        &self,
        m: &dyn Manifold,
        phi: &ParamVars<'t, Self>,
        x: &[Var<'t>],
        g: Gradients<'_, 't>,
        state: &StateVars<'t, Self>,
    ) -> (Parts<'t>, StateVars<'t, Self>);
}

/// Keeps `1 / sqrt(<x, x> + TINY)` finite at zero.
pub(crate) const TINY: f64 = 1e-24;

/// One number for each member of a batch of matrices.
pub(crate) fn number(points: Shape) -> Shape {
    Shape::batch(points.batch, 1, 1)
}
