//! Rules for one matrix, and how one becomes an optimiser for points of several. No architecture lives here.

use crate::optimizer::{Gradients, LearnedOptimizer, ParamVars, StateVars};
use crate::update::{Kind, Proposal, Sees, Update};
use pullback::{Leaves, Scalar, Shape, Var};
use pullback_manifolds::{Manifold, Parts};
use rand::Rng;
use std::fmt;

/// The handles of a rule's parameters.
pub type RuleVars<'t, R, T = f64> = <<R as MatrixRule<T>>::Params as Leaves>::Vars<'t>;
/// The handles of a rule's state.
pub type RuleState<'t, R, T = f64> = <<R as MatrixRule<T>>::State as Leaves>::Vars<'t>;

/// A network for one matrix: it maps a gradient to a direction and a number for the step. The [`Update`] turns these
/// into a tangent.
pub trait MatrixRule<T: Scalar = f64>: fmt::Debug + Send + Sync {
    /// The parameters.
    type Params: Leaves<Scalar = T> + Clone + PartialEq + fmt::Debug + Send + Sync;
    /// The state for one matrix.
    type State: Leaves<Scalar = T>;

    /// Its name and sizes.
    fn name(&self) -> String;

    /// The kind of its direction.
    fn kind(&self) -> Kind {
        Kind::Gradient
    }

    /// Initial parameters. Where the architecture has that option, the output layers are such that a fresh network
    /// proposes nothing, and the optimiser equals the classical one that it extends.
    fn init(&self, update: &Update, rng: &mut dyn Rng) -> Self::Params;

    /// The state before the first step, for a batch of matrices of this shape.
    fn begin(&self, matrix: Shape) -> Self::State;

    /// The proposal for a batch of matrices and the next state, from a gradient.
    fn propose<'t>(
        &self,
        phi: &RuleVars<'t, Self, T>,
        g: Var<'t, T>,
        update: &Update,
        state: &RuleState<'t, Self, T>,
    ) -> (Proposal<'t, T>, RuleState<'t, Self, T>);
}

/// A rule for one matrix as an optimiser: each matrix of a point has a state of its own, and all share the parameters.
///
/// If the parameters do not depend on the shape of the matrix ([`Subspace`](crate::Subspace)), one optimiser serves
/// products of matrices of any sizes.
#[derive(Debug, Clone, PartialEq)]
pub struct Each<R> {
    /// The network.
    pub rule: R,
    /// How its proposals become tangents.
    pub update: Update,
}

impl<R> Each<R> {
    /// A rule with an update.
    pub fn new(rule: R, update: Update) -> Self {
        Each { rule, update }
    }

    /// Fresh parameters.
    pub fn init<T: Scalar>(&self, rng: &mut dyn Rng) -> R::Params
    where
        R: MatrixRule<T>,
    {
        self.rule.init(&self.update, rng)
    }
}

impl<T: Scalar, R: MatrixRule<T>> LearnedOptimizer<T> for Each<R> {
    type Params = R::Params;
    type State = Vec<R::State>;

    fn name(&self) -> String {
        self.rule.name()
    }

    fn needs_egrad(&self) -> bool {
        self.update.sees == Sees::Euclidean && self.rule.kind() == Kind::Gradient
    }

    fn begin(&self, points: &[Shape]) -> Vec<R::State> {
        points.iter().map(|s| self.rule.begin(*s)).collect()
    }

    fn step<'t>(
        &self,
        m: &dyn Manifold<T>,
        phi: &ParamVars<'t, Self, T>,
        x: &[Var<'t, T>],
        g: Gradients<'_, 't, T>,
        state: &StateVars<'t, Self, T>,
    ) -> (Parts<'t, T>, StateVars<'t, Self, T>) {
        let seen = match self.rule.kind() {
            Kind::Rescaled => g.rgrad.0,
            Kind::Gradient => self.update.seen(g),
        };
        let seen = seen.iter().zip(state);
        let (proposed, next): (Vec<_>, Vec<_>) = seen.map(|(g, s)| self.rule.propose(phi, *g, &self.update, s)).unzip();
        (self.update.tangent(m, x, g, self.rule.kind(), &proposed), next)
    }
}
