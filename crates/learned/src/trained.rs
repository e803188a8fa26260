//! An optimiser with its parameters: a method like any other. How it was trained or stored is not known here.

use crate::optimizer::{Gradients, LearnedOptimizer};
use pullback::{Batch, Leaves, Scalar, Shape, Tape, Var, VarTree};
use pullback_manifolds::{Egrad, Manifold, Parts, Rgrad};
use pullback_optim::Method;
use smallvec::SmallVec;

/// A learned optimiser with its parameters. It is a [`Method`]: it runs wherever a classical one does, in
/// `Problem::solve(Steps(&trained), ...)`, in a [`Rollout`](crate::Rollout), and inside programs.
///
/// # Panics
/// [`Method::step`], which is given the Riemannian gradient alone, panics if the optimiser sees the Euclidean one
/// ([`Sees::Euclidean`](crate::Sees)). The solvers and rollouts of these crates call [`Method::step_with`], which has
/// both.
#[derive(Debug, Clone, PartialEq)]
pub struct Trained<O: LearnedOptimizer<T>, T: Scalar = f64> {
    /// The optimiser.
    pub optimizer: O,
    /// Its parameters.
    pub parameters: O::Params,
}

impl<T: Scalar, O: LearnedOptimizer<T>> Trained<O, T> {
    /// An optimiser with these parameters.
    pub fn new(optimizer: O, parameters: O::Params) -> Self {
        Trained { optimizer, parameters }
    }

    /// How many numbers are learned.
    pub fn parameter_count(&self) -> usize {
        self.parameters.shapes().iter().map(Shape::len).sum()
    }
}

/// The handles of a tree, in order.
pub(crate) fn handles<'t, T: Scalar>(tree: &impl VarTree<'t, T>) -> Vec<Var<'t, T>> {
    let mut out = Vec::new();
    tree.each(&mut |v| out.push(v));
    out
}

impl<T: Scalar, O: LearnedOptimizer<T>> Method<T> for Trained<O, T> {
    fn name(&self) -> String {
        format!("learned {}", self.optimizer.name())
    }

    fn state(&self, points: &[Shape]) -> SmallVec<[Shape; 2]> {
        self.optimizer.begin(points).shapes().into()
    }

    fn begin(&self, points: &[Shape]) -> Vec<Batch<T>> {
        self.optimizer.begin(points).batches()
    }

    #[track_caller]
    fn step<'t>(
        &self,
        m: &dyn Manifold<T>,
        x: &[Var<'t, T>],
        rgrad: Rgrad<&[Var<'t, T>]>,
        state: &[Var<'t, T>],
    ) -> (Parts<'t, T>, Parts<'t, T>) {
        assert!(
            !self.optimizer.needs_egrad(),
            "{}: this optimiser sees the Euclidean gradient; call `step_with`, or train it with `Sees::Riemannian`",
            self.optimizer.name()
        );
        self.step_with(m, x, Egrad(rgrad.0), rgrad, state)
    }

    fn step_with<'t>(
        &self,
        m: &dyn Manifold<T>,
        x: &[Var<'t, T>],
        egrad: Egrad<&[Var<'t, T>]>,
        rgrad: Rgrad<&[Var<'t, T>]>,
        state: &[Var<'t, T>],
    ) -> (Parts<'t, T>, Parts<'t, T>) {
        let held = self.hold(x[0].tape());
        self.step_holding(m, x, egrad, rgrad, state, &held)
    }

    fn hold<'t>(&self, tape: &'t Tape<T>) -> Parts<'t, T> {
        let mut list = Parts::new();
        self.parameters.visit("", &mut |_, m| list.push(tape.constant(m)));
        list
    }

    fn step_holding<'t>(
        &self,
        m: &dyn Manifold<T>,
        x: &[Var<'t, T>],
        egrad: Egrad<&[Var<'t, T>]>,
        rgrad: Rgrad<&[Var<'t, T>]>,
        state: &[Var<'t, T>],
        held: &[Var<'t, T>],
    ) -> (Parts<'t, T>, Parts<'t, T>) {
        let shapes: Vec<Shape> = x.iter().map(Var::shape).collect();
        let state = self.optimizer.begin(&shapes).bind_all(state);
        let phi = self.parameters.bind_all(held);
        let (v, next) = self.optimizer.step(m, &phi, x, Gradients { egrad, rgrad }, &state);
        (m.retract(x, &v), handles(&next).into_iter().collect())
    }
}
