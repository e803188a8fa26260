//! An optimiser with its parameters: a method like any other. How it was trained or stored is not known here.

use crate::optimizer::{Gradients, LearnedOptimizer};
use pullback::{Batch, Leaves, Shape, Tape, Var, VarTree};
use pullback_manifolds::{Egrad, Manifold, Parts, Rgrad};
use pullback_optim::Method;
use smallvec::SmallVec;

/// A learned optimiser with its parameters. It is a [`Method`]: it runs wherever a classical one does, in
/// `Problem::solve(Steps(&trained), ...)`, in a [`Rollout`](crate::Rollout), and inside programs.
///
/// # Panics
/// [`Method::step`], which is given the Riemannian gradient alone, panics if the optimiser sees the Euclidean one
/// ([`Sees::Euclidean`](crate::Sees)). What runs methods in these crates calls [`Method::step_with`], which has both.
#[derive(Debug, Clone, PartialEq)]
pub struct Trained<O: LearnedOptimizer> {
    /// The optimiser.
    pub optimizer: O,
    /// Its parameters.
    pub parameters: O::Params,
}

impl<O: LearnedOptimizer> Trained<O> {
    /// An optimiser with these parameters.
    pub fn new(optimizer: O, parameters: O::Params) -> Self {
        Trained { optimizer, parameters }
    }

    /// How many numbers are learned.
    pub fn parameter_count(&self) -> usize {
        self.parameters.shapes().iter().map(Shape::len).sum()
    }
}

/// The leaves of a tree as constants of a tape.
pub(crate) fn constants<'t, L: Leaves<Scalar = f64>>(tape: &'t Tape, tree: &L) -> L::Vars<'t> {
    let mut list = Vec::new();
    tree.visit("", &mut |_, m| list.push(tape.constant(m)));
    tree.bind_all(&list)
}

/// The handles of a tree, in order.
pub(crate) fn handles<'t>(tree: &impl VarTree<'t, f64>) -> Vec<Var<'t>> {
    let mut out = Vec::new();
    tree.each(&mut |v| out.push(v));
    out
}

impl<O: LearnedOptimizer> Method for Trained<O> {
    fn name(&self) -> String {
        format!("learned {}", self.optimizer.name())
    }

    fn state(&self, points: &[Shape]) -> SmallVec<[Shape; 2]> {
        self.optimizer.begin(points).shapes().into()
    }

    fn begin(&self, points: &[Shape]) -> Vec<Batch> {
        self.optimizer.begin(points).batches()
    }

    #[track_caller]
    fn step<'t>(
        &self,
        m: &dyn Manifold,
        x: &[Var<'t>],
        rgrad: Rgrad<&[Var<'t>]>,
        state: &[Var<'t>],
    ) -> (Parts<'t>, Parts<'t>) {
        assert!(
            !self.optimizer.needs_egrad(),
            "{}: this optimiser sees the Euclidean gradient; call `step_with`, or train it with `Sees::Riemannian`",
            self.optimizer.name()
        );
        self.step_with(m, x, Egrad(rgrad.0), rgrad, state)
    }

    fn step_with<'t>(
        &self,
        m: &dyn Manifold,
        x: &[Var<'t>],
        egrad: Egrad<&[Var<'t>]>,
        rgrad: Rgrad<&[Var<'t>]>,
        state: &[Var<'t>],
    ) -> (Parts<'t>, Parts<'t>) {
        let shapes: Vec<Shape> = x.iter().map(Var::shape).collect();
        let state = self.optimizer.begin(&shapes).bind_all(state);
        let phi = constants(x[0].tape(), &self.parameters);
        let (v, next) = self.optimizer.step(m, &phi, x, Gradients { egrad, rgrad }, &state);
        (m.retract(x, &v), handles(&next).into_iter().collect())
    }
}
