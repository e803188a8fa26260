//! The condition that defines a solution: a stationary point, a fixed point, a root. How a solution was found, and how
//! it is differentiated, is not known here.

use crate::iteration::{Of, OuterFn, Vars, list};
use crate::solution::Solution;
use crate::space::Space;
use pullback::{Leaves, Scalar, Tape, Var};
use pullback_manifolds::Manifold;
use std::marker::PhantomData;

/// The kind of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The program is a cost, one number or one for each member, and the solution is where it is stationary.
    Stationary,
    /// The program is a step, and the solution is its fixed point.
    FixedPoint,
    /// The program is a residual, a tangent at the solution, and vanishes there.
    Root,
}

/// The condition that defines a solution.
///
/// [`stationary`], [`fixed_point`] and [`root`] make one of a closure; implement it for a problem with data of its own.
pub trait Condition {
    /// The solution.
    type State: Leaves;
    /// The parameters on which it depends.
    type Params: Leaves<Scalar = Of<Self::State>>;

    /// The kind of the program.
    fn kind(&self) -> Kind;
    /// The space of the solutions.
    fn space(&self) -> Space<'_, Of<Self::State>>;
    /// The cost (one value), or the step or the residual (one value for each leaf of the solution).
    fn program<'t>(
        &self,
        tape: &'t Tape<Of<Self::State>>,
        z: Vars<'t, Self::State>,
        phi: Vars<'t, Self::Params>,
    ) -> Vec<Var<'t, Of<Self::State>>>;

    /// A solution, from anywhere: a solver, a file, a guess. It is not trusted; see [`Solution`].
    fn at<'a>(&'a self, z: &'a Self::State, phi: &'a Self::Params) -> Solution<'a, Self>
    where
        Self: Sized,
    {
        Solution::new(self, z, phi)
    }
}

/// A step or a residual as a closure `(z, phi) -> tree like z`.
pub trait MapFn<'t, Z: Leaves, P: Leaves>: Fn(Z::Vars<'t>, P::Vars<'t>) -> Z::Vars<'t> {}
impl<'t, Z: Leaves, P: Leaves, F: Fn(Z::Vars<'t>, P::Vars<'t>) -> Z::Vars<'t>> MapFn<'t, Z, P> for F {}

/// A closure of one of the three kinds.
pub trait ConditionFn<Z: Leaves, P: Leaves<Scalar = Z::Scalar>> {
    /// Which.
    const KIND: Kind;
    /// Runs it.
    fn run<'t>(&self, z: Z::Vars<'t>, phi: P::Vars<'t>) -> Vec<Var<'t, Z::Scalar>>;
}

/// A cost: see [`stationary`].
#[derive(Debug, Clone, Copy)]
pub struct Cost<F>(F);
/// A step: see [`fixed_point`].
#[derive(Debug, Clone, Copy)]
pub struct Step<F>(F);
/// A residual: see [`root`].
#[derive(Debug, Clone, Copy)]
pub struct Residual<F>(F);

impl<Z: Leaves, P: Leaves<Scalar = Z::Scalar>, F: for<'t> OuterFn<'t, Z, P>> ConditionFn<Z, P> for Cost<F> {
    const KIND: Kind = Kind::Stationary;
    fn run<'t>(&self, z: Z::Vars<'t>, phi: P::Vars<'t>) -> Vec<Var<'t, Z::Scalar>> {
        vec![(self.0)(z, phi)]
    }
}
impl<Z: Leaves, P: Leaves<Scalar = Z::Scalar>, F: for<'t> MapFn<'t, Z, P>> ConditionFn<Z, P> for Step<F> {
    const KIND: Kind = Kind::FixedPoint;
    fn run<'t>(&self, z: Z::Vars<'t>, phi: P::Vars<'t>) -> Vec<Var<'t, Z::Scalar>> {
        list(&(self.0)(z, phi))
    }
}
impl<Z: Leaves, P: Leaves<Scalar = Z::Scalar>, F: for<'t> MapFn<'t, Z, P>> ConditionFn<Z, P> for Residual<F> {
    const KIND: Kind = Kind::Root;
    fn run<'t>(&self, z: Z::Vars<'t>, phi: P::Vars<'t>) -> Vec<Var<'t, Z::Scalar>> {
        list(&(self.0)(z, phi))
    }
}

/// A condition made of a closure, whose space is still to be given: call [`flat`](Unplaced::flat) or
/// [`on`](Unplaced::on).
#[derive(Debug, Clone, Copy)]
pub struct Unplaced<Z, P, R> {
    program: R,
    of: PhantomData<fn(Z, P)>,
}

/// A condition made of a closure.
#[derive(Debug, Clone, Copy)]
pub struct Closure<'m, Z, P, R, T: Scalar> {
    program: R,
    space: Space<'m, T>,
    of: PhantomData<fn(Z, P)>,
}

impl<Z: Leaves, P: Leaves<Scalar = Z::Scalar>, R: ConditionFn<Z, P>> Unplaced<Z, P, R> {
    /// The leaves of the solution are matrices without a constraint.
    pub fn flat<'m>(self) -> Closure<'m, Z, P, R, Z::Scalar> {
        Closure { program: self.program, space: Space::Flat, of: PhantomData }
    }
    /// The leaves of the solution, in order, are a point of the manifold.
    pub fn on(self, manifold: &dyn Manifold<Z::Scalar>) -> Closure<'_, Z, P, R, Z::Scalar> {
        Closure { program: self.program, space: Space::On(manifold), of: PhantomData }
    }
}

/// Where the cost `(z, phi) -> number` is stationary in `z`. The cost may be one number for each member of a batch.
///
/// `z` and `phi` give only the types of the closure's arguments; their numbers are not used.
///
/// ```
/// use pullback::prelude::*;
/// use pullback_implicit::{Condition, stationary};
/// // The smallest of z²/2 + phi (e^z - z): at phi = 1 it is at z = 0, and dz/dphi = 0 there.
/// let condition = stationary(&0.0f64, &1.0f64, |z: Var, phi: Var| z * z * 0.5 + phi * (z.exp() - z)).flat();
/// let d = condition.at(&0.0, &1.0).hypergradient(|z: Var, phi: Var| z + phi)?;
/// assert!((d.gradient - 1.0).abs() < 1e-12);
/// # Ok::<(), pullback_implicit::Error>(())
/// ```
pub fn stationary<Z, P, F>(_z: &Z, _phi: &P, cost: F) -> Unplaced<Z, P, Cost<F>>
where
    Z: Leaves,
    P: Leaves<Scalar = Z::Scalar>,
    F: for<'t> OuterFn<'t, Z, P>,
{
    Unplaced { program: Cost(cost), of: PhantomData }
}

/// The fixed points of the step `(z, phi) -> z`. On a manifold the step must return the same representative of the
/// point.
///
/// `z` and `phi` give only the types of the closure's arguments; their numbers are not used.
pub fn fixed_point<Z, P, F>(_z: &Z, _phi: &P, step: F) -> Unplaced<Z, P, Step<F>>
where
    Z: Leaves,
    P: Leaves<Scalar = Z::Scalar>,
    F: for<'t> MapFn<'t, Z, P>,
{
    Unplaced { program: Step(step), of: PhantomData }
}

/// The roots of the residual `(z, phi) -> tangent at z`. It has the leaves of the solution; its part normal to the
/// manifold is dropped, and reported.
///
/// `z` and `phi` give only the types of the closure's arguments; their numbers are not used.
pub fn root<Z, P, F>(_z: &Z, _phi: &P, residual: F) -> Unplaced<Z, P, Residual<F>>
where
    Z: Leaves,
    P: Leaves<Scalar = Z::Scalar>,
    F: for<'t> MapFn<'t, Z, P>,
{
    Unplaced { program: Residual(residual), of: PhantomData }
}

impl<Z, P, R> Condition for Closure<'_, Z, P, R, Z::Scalar>
where
    Z: Leaves,
    P: Leaves<Scalar = Z::Scalar>,
    R: ConditionFn<Z, P>,
{
    type State = Z;
    type Params = P;

    fn kind(&self) -> Kind {
        R::KIND
    }
    fn space(&self) -> Space<'_, Z::Scalar> {
        self.space
    }
    fn program<'t>(&self, _: &'t Tape<Z::Scalar>, z: Z::Vars<'t>, phi: P::Vars<'t>) -> Vec<Var<'t, Z::Scalar>> {
        self.program.run(z, phi)
    }
}
