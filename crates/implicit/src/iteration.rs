//! An iteration to be differentiated: a step, an outer loss and a tangent space. Estimators are not known here.

use crate::error::Result;
use crate::estimate::{Derivative, Estimator, Sensitivity};
use pullback::{Leaves, Scalar, Tape, Var, VarTree};
use pullback_manifolds::Manifold;

/// Handles of a tree of leaves.
pub(crate) type Vars<'t, L> = <L as Leaves>::Vars<'t>;
/// The scalar of a tree.
pub(crate) type Of<L> = <L as Leaves>::Scalar;

/// An inner loop with parameters, and an outer loss of its last state.
///
/// The step is a pure program: run twice on the same numbers with the same `t`, it gives the same numbers. Every method
/// is given the tape it runs on, for constants.
pub trait Iteration {
    /// The state, which a step changes.
    type State: Leaves;
    /// The parameters, by which the derivative is taken.
    type Params: Leaves<Scalar = Of<Self::State>>;

    /// Step number `t`, counted from 0.
    fn step<'t>(
        &self,
        tape: &'t Tape<Of<Self::State>>,
        z: Vars<'t, Self::State>,
        phi: Vars<'t, Self::Params>,
        t: usize,
    ) -> Vars<'t, Self::State>;

    /// The outer loss, one number. It may depend on the parameters directly.
    fn outer<'t>(
        &self,
        tape: &'t Tape<Of<Self::State>>,
        z: Vars<'t, Self::State>,
        phi: Vars<'t, Self::Params>,
    ) -> Var<'t, Of<Self::State>>;

    /// The tangent part of `v` at `z`. In flat space, `v`.
    fn project<'t>(
        &self,
        _tape: &'t Tape<Of<Self::State>>,
        _z: Vars<'t, Self::State>,
        v: Vars<'t, Self::State>,
    ) -> Vars<'t, Self::State> {
        v
    }
}

/// A step as a closure `(z, phi, t) -> z`.
pub trait StepFn<'t, Z: Leaves, P: Leaves>: Fn(Z::Vars<'t>, P::Vars<'t>, usize) -> Z::Vars<'t> {}
impl<'t, Z: Leaves, P: Leaves, F: Fn(Z::Vars<'t>, P::Vars<'t>, usize) -> Z::Vars<'t>> StepFn<'t, Z, P> for F {}

/// An outer loss as a closure `(z, phi) -> number`.
pub trait OuterFn<'t, Z: Leaves, P: Leaves>: Fn(Z::Vars<'t>, P::Vars<'t>) -> Var<'t, Z::Scalar> {}
impl<'t, Z: Leaves, P: Leaves, F: Fn(Z::Vars<'t>, P::Vars<'t>) -> Var<'t, Z::Scalar>> OuterFn<'t, Z, P> for F {}

/// A projection as a closure `(z, v) -> v`.
pub trait ProjectFn<'t, Z: Leaves>: Fn(Z::Vars<'t>, Z::Vars<'t>) -> Z::Vars<'t> {}
impl<'t, Z: Leaves, F: Fn(Z::Vars<'t>, Z::Vars<'t>) -> Z::Vars<'t>> ProjectFn<'t, Z> for F {}

/// How a cotangent becomes one of the tangent space.
pub trait Projector<Z: Leaves> {
    /// The tangent part of `v` at `z`.
    fn project<'t>(&self, z: Z::Vars<'t>, v: Z::Vars<'t>) -> Z::Vars<'t>;
}

/// Flat space: every vector is tangent.
#[derive(Debug, Clone, Copy)]
pub struct Flat;

/// The tangent space of a manifold whose points are the leaves of the state, in order.
#[derive(Debug, Clone, Copy)]
pub struct On<'m, T: Scalar>(pub &'m dyn Manifold<T>);

/// A projection of the user's: for a state that is more than a point.
#[derive(Debug, Clone, Copy)]
pub struct By<F>(pub F);

impl<Z: Leaves> Projector<Z> for Flat {
    fn project<'t>(&self, _: Z::Vars<'t>, v: Z::Vars<'t>) -> Z::Vars<'t> {
        v
    }
}

impl<Z: Leaves> Projector<Z> for On<'_, Z::Scalar> {
    fn project<'t>(&self, z: Z::Vars<'t>, v: Z::Vars<'t>) -> Z::Vars<'t> {
        let projected = self.0.project(&list(&z), &list(&v));
        let mut next = projected.into_iter();
        v.map(&mut |v| next.next().unwrap_or(v))
    }
}

impl<Z: Leaves, F: for<'t> ProjectFn<'t, Z>> Projector<Z> for By<F> {
    fn project<'t>(&self, z: Z::Vars<'t>, v: Z::Vars<'t>) -> Z::Vars<'t> {
        (self.0)(z, v)
    }
}

/// The handles of a tree, in order.
pub(crate) fn list<'t, T: Scalar>(tree: &impl VarTree<'t, T>) -> Vec<Var<'t, T>> {
    let mut out = Vec::new();
    tree.each(&mut |v| out.push(v));
    out
}

/// The same tree of handles.
pub(crate) fn copy<'t, T: Scalar, S: VarTree<'t, T>>(tree: &S) -> S {
    tree.map(&mut |v| v)
}

/// An iteration made of closures, with the start and the parameters that it is asked about: see [`inner_loop`].
#[derive(Debug, Clone, Copy)]
pub struct InnerLoop<'a, Z, P, S, O, R> {
    z0: &'a Z,
    phi: &'a P,
    step: S,
    outer: O,
    projector: R,
}

/// An iteration from closures: a step `(z, phi, t) -> z` and an outer loss `(z, phi) -> number`, in flat space unless
/// [`InnerLoop::on`] or [`InnerLoop::tangent`] says otherwise.
pub fn inner_loop<'a, Z, P, S, O>(z0: &'a Z, phi: &'a P, step: S, outer: O) -> InnerLoop<'a, Z, P, S, O, Flat>
where
    Z: Leaves,
    P: Leaves<Scalar = Z::Scalar>,
    S: for<'t> StepFn<'t, Z, P>,
    O: for<'t> OuterFn<'t, Z, P>,
{
    InnerLoop { z0, phi, step, outer, projector: Flat }
}

impl<'a, Z, P, S, O, R> InnerLoop<'a, Z, P, S, O, R>
where
    Z: Leaves,
    P: Leaves<Scalar = Z::Scalar>,
    S: for<'t> StepFn<'t, Z, P>,
    O: for<'t> OuterFn<'t, Z, P>,
    R: Projector<Z>,
{
    /// On a manifold whose points are the leaves of the state.
    pub fn on(self, manifold: &dyn Manifold<Z::Scalar>) -> InnerLoop<'a, Z, P, S, O, On<'_, Z::Scalar>> {
        let InnerLoop { z0, phi, step, outer, .. } = self;
        InnerLoop { z0, phi, step, outer, projector: On(manifold) }
    }

    /// With a projection to the tangent space given as a closure `(z, v) -> v`.
    pub fn tangent<F: for<'t> ProjectFn<'t, Z>>(self, project: F) -> InnerLoop<'a, Z, P, S, O, By<F>> {
        let InnerLoop { z0, phi, step, outer, .. } = self;
        InnerLoop { z0, phi, step, outer, projector: By(project) }
    }

    /// The derivative after `steps` steps, on tapes of its own. Keep a [`Sensitivity`] to compute it often.
    ///
    /// # Errors
    /// As [`Sensitivity::derivative`].
    pub fn derivative(&self, steps: usize, how: Estimator) -> Result<Derivative<Z, P>> {
        Sensitivity::new().derivative(self, self.z0, self.phi, steps, how)
    }
}

impl<Z, P, S, O, R> Iteration for InnerLoop<'_, Z, P, S, O, R>
where
    Z: Leaves,
    P: Leaves<Scalar = Z::Scalar>,
    S: for<'t> StepFn<'t, Z, P>,
    O: for<'t> OuterFn<'t, Z, P>,
    R: Projector<Z>,
{
    type State = Z;
    type Params = P;

    fn step<'t>(&self, _: &'t Tape<Z::Scalar>, z: Z::Vars<'t>, phi: P::Vars<'t>, t: usize) -> Z::Vars<'t> {
        (self.step)(z, phi, t)
    }
    fn outer<'t>(&self, _: &'t Tape<Z::Scalar>, z: Z::Vars<'t>, phi: P::Vars<'t>) -> Var<'t, Z::Scalar> {
        (self.outer)(z, phi)
    }
    fn project<'t>(&self, _: &'t Tape<Z::Scalar>, z: Z::Vars<'t>, v: Z::Vars<'t>) -> Z::Vars<'t> {
        self.projector.project(z, v)
    }
}
