//! What a learned optimiser is: a struct of parameters and a step on values. No architecture lives here.

use pullback::{Leaves, Shape, Var};
use pullback_manifolds::Manifold;
use smallvec::SmallVec;

/// The handles of an optimiser's parameters.
pub type ParamVars<'t, O> = <<O as LearnedOptimizer>::Params as Leaves>::Vars<'t>;

/// The recurrent state of an optimiser: a batch of matrices each, one member for each point.
pub type State<'t> = SmallVec<[Var<'t>; 4]>;

/// An optimiser whose rule has parameters that are learned.
///
/// Its step is a program: it runs plainly when the optimiser is used and recorded when it is trained.
pub trait LearnedOptimizer {
    /// The parameters, a struct of named leaves.
    type Params: Leaves<Scalar = f64> + Clone;

    /// The shapes of its state for points of this shape (a batch of them). A state starts at zero.
    fn state(&self, points: Shape) -> SmallVec<[Shape; 4]>;

    /// From a point, the Euclidean gradient there and the state: the tangent to step along (the point's next value is
    /// its retraction) and the next state. Points are a batch; members do not see each other.
    fn step<'t>(
        &self,
        m: &dyn Manifold,
        phi: &ParamVars<'t, Self>,
        x: Var<'t>,
        egrad: Var<'t>,
        state: &[Var<'t>],
    ) -> (Var<'t>, State<'t>);
}
