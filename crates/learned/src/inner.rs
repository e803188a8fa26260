//! Inner loops: how points change under parameters that are learned. The outer loss is not known here.

use crate::each::{MatrixRule, RuleState, RuleVars};
use crate::optimizer::{Gradients, LearnedOptimizer, least};
use crate::steps::gradient;
use crate::trained::handles;
use crate::update::Update;
use pullback::{Batch, Leaves, Scalar, Shape, Var};
use pullback_manifolds::{Egrad, Manifold, Parts, Rgrad};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The cost of each member, on the data of a step.
pub type Cost<'c, 't, T = f64> = &'c dyn Fn(&[Var<'t, T>]) -> Var<'t, T>;

/// An inner loop: it updates a point together with further leaves, such as the state of a network. `D` is the data of a
/// step, which a loop may use.
pub trait InnerLoop<D, T: Scalar = f64>: fmt::Debug + Sync {
    /// What is learned.
    type Params: Leaves<Scalar = T> + Clone + PartialEq + fmt::Debug + Send + Sync;

    /// Its name, for messages.
    fn name(&self) -> String;

    /// The initial further leaves for points of these shapes: every leaf has the batch of the points.
    fn begin(&self, points: &[Shape]) -> Vec<Batch<T>>;

    /// Step `t`, counted from 0: the next point and the next further leaves.
    fn step<'t>(
        &self,
        m: &dyn Manifold<T>,
        phi: &<Self::Params as Leaves>::Vars<'t>,
        x: &[Var<'t, T>],
        beside: &[Var<'t, T>],
        t: usize,
        cost: Cost<'_, 't, T>,
        data: &D,
    ) -> (Parts<'t, T>, Vec<Var<'t, T>>);

    /// The point that the loop has reached.
    fn end<'t>(&self, _m: &dyn Manifold<T>, x: &[Var<'t, T>], _beside: &[Var<'t, T>]) -> Parts<'t, T> {
        x.iter().copied().collect()
    }

    /// How many of the further leaves are a tangent at the point, which series project.
    fn tangents(&self, _points: usize) -> usize {
        0
    }
}

/// Descent: a [`LearnedOptimizer`] from point to point.
#[derive(Debug, Clone, PartialEq)]
pub struct Descent<O>(pub O);

impl<D, T: Scalar, O: LearnedOptimizer<T>> InnerLoop<D, T> for Descent<O> {
    type Params = O::Params;

    fn name(&self) -> String {
        self.0.name()
    }

    fn begin(&self, points: &[Shape]) -> Vec<Batch<T>> {
        self.0.begin(points).batches()
    }

    fn step<'t>(
        &self,
        m: &dyn Manifold<T>,
        phi: &<O::Params as Leaves>::Vars<'t>,
        x: &[Var<'t, T>],
        beside: &[Var<'t, T>],
        _: usize,
        cost: Cost<'_, 't, T>,
        _: &D,
    ) -> (Parts<'t, T>, Vec<Var<'t, T>>) {
        let shapes: Vec<Shape> = x.iter().map(Var::shape).collect();
        let state = self.0.begin(&shapes).bind_all(beside);
        let e = gradient(x, cost);
        let r = m.egrad_to_rgrad(x, Egrad(&e));
        let g = Gradients { egrad: Egrad(&e), rgrad: Rgrad(&r) };
        let (v, next) = self.0.step(m, phi, x, g, &state);
        (m.retract(x, &v), handles(&next))
    }
}

/// Features of the data for a loop on a tangent space: ambient matrices, one for each matrix of the point, that are
/// added to the input of its network.
pub trait Features<D, T: Scalar = f64>: fmt::Debug + Sync {
    /// What is learned.
    type Params: Leaves<Scalar = T> + Clone + PartialEq + fmt::Debug + Send + Sync;
    /// The matrices, or nothing.
    fn see<'t>(&self, phi: &<Self::Params as Leaves>::Vars<'t>, x: &[Var<'t, T>], data: &D) -> Option<Parts<'t, T>>;

    /// The input of the network, from the sum of tangents and features. By default the sum itself.
    fn mix<'t>(&self, _phi: &<Self::Params as Leaves>::Vars<'t>, sum: Parts<'t, T>) -> Parts<'t, T> {
        sum
    }
}

/// No features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blind;

impl<D, T: Scalar> Features<D, T> for Blind {
    type Params = Vec<Batch<T>>;
    fn see<'t>(&self, _: &Vec<Var<'t, T>>, _: &[Var<'t, T>], _: &D) -> Option<Parts<'t, T>> {
        None
    }
}

/// The weight of the features relative to the tangent to which they are added.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Weight {
    /// They are multiplied by this number. Then the input of the network, and with it the proposal, has the size of the
    /// data and not of the gradient, and does not become smaller near a minimum.
    Times(f64),
    /// They are scaled to this multiple of the norm of the tangent, for each member: the input of the network then
    /// follows a change of units of the cost, of the point and of the data.
    OfTangent(f64),
}

impl Weight {
    fn of<'t, T: Scalar>(self, f: Var<'t, T>, p: Var<'t, T>) -> Var<'t, T> {
        match self {
            Weight::Times(w) => f.scaled(w),
            Weight::OfTangent(w) => {
                let size = |v: Var<'t, T>| v.dot(v).shifted(least::<T>()).sqrt();
                f.hadamard(size(p).elem_div(size(f)).scaled(w))
            }
        }
    }
}

/// The gradient-free loop on one tangent space (Gao et al., *Learning a Gradient-free Riemannian Optimizer on Tangent
/// Spaces*, AAAI 2021).
///
/// At a fixed point `x`, with `P_0 = s grad f(x)` from the data of the first step, the network proposes from
/// `mix(P + w features(data))` ([`Weight`]), and `P <- P - xi P_x(n^)`: the direction is projected (on positive
/// definite matrices, made symmetric), not converted as a gradient, since `P` is a tangent. After the last step
/// `x+ = R_x(-P)`.
/// A network of zeros gives one step of gradient descent with step `s`, however long the loop.
///
/// Only the first step computes a gradient. The paper's code for positive definite matrices divides the learned step by
/// itself, which cancels it; this is not done here.
///
/// As an inner loop of a training its steps are those on the tangent space, each with the data that the training draws
/// for it, and one step from point to point is the whole loop. [`Rounds`](crate::Rounds) turns it into a loop whose
/// steps go from point to point.
#[derive(Debug, Clone, PartialEq)]
pub struct OnTangent<R, F = Blind> {
    /// The network, once for each matrix of the point.
    pub rule: R,
    /// How the number of the network becomes the step `xi`; `sees` and `residual` have no meaning here.
    pub update: Update,
    /// `s`: 1e-4 for principal components, 1e-6 for faces and 5 for clustering in the paper's code.
    pub start: f64,
    /// `w`: the weight of the features relative to the tangent. `Weight::Times(1.0)` in the paper's code.
    pub weight: Weight,
    /// The features of the data.
    pub features: F,
}

impl<R> OnTangent<R> {
    /// A loop without features of the data.
    pub fn new(rule: R, update: Update, start: f64) -> Self {
        OnTangent { rule, update, start, weight: Weight::Times(1.0), features: Blind }
    }
}

impl<R, F> OnTangent<R, F> {
    /// The same loop with features of the data.
    pub fn seeing<G>(self, features: G) -> OnTangent<R, G> {
        OnTangent { rule: self.rule, update: self.update, start: self.start, weight: self.weight, features }
    }

    /// The same loop with another weight of the features.
    #[must_use]
    pub fn weighing(self, weight: Weight) -> Self {
        OnTangent { weight, ..self }
    }

    /// One step on the tangent space at `x`, given the features: the next tangent, and then the network's next states.
    pub(crate) fn along<'t, D, T: Scalar>(
        &self,
        m: &dyn Manifold<T>,
        phi: &(RuleVars<'t, R, T>, <F::Params as Leaves>::Vars<'t>),
        x: &[Var<'t, T>],
        p: &[Var<'t, T>],
        states: &[Var<'t, T>],
        features: Option<&Parts<'t, T>>,
    ) -> Vec<Var<'t, T>>
    where
        R: MatrixRule<T>,
        F: Features<D, T>,
    {
        let add = |(k, p): (usize, &Var<'t, T>)| features.map_or(*p, |f| *p + self.weight.of(f[k], *p));
        let seen = self.features.mix(&phi.1, p.iter().enumerate().map(add).collect());
        let (mut moves, mut kept, mut left) = (Parts::new(), vec![], states);
        for seen in seen {
            let like = self.rule.begin(seen.shape());
            let (mine, rest) = left.split_at(like.shapes().len());
            left = rest;
            let state: RuleState<'t, R, T> = like.bind_all(mine);
            let (proposal, next) = self.rule.propose(&phi.0, seen, &self.update, &state);
            let xi = self.update.step(proposal.number);
            moves.push(xi.map_or(proposal.direction.scaled(self.update.c), |xi| proposal.direction.hadamard(xi)));
            kept.extend(handles(&next));
        }
        let mut out: Vec<Var<'t, T>> = p.iter().zip(m.project(x, &moves)).map(|(p, n)| *p - n).collect();
        out.extend(kept);
        out
    }
}

impl<D, T: Scalar, R: MatrixRule<T>, F: Features<D, T>> InnerLoop<D, T> for OnTangent<R, F> {
    type Params = (R::Params, F::Params);

    fn name(&self) -> String {
        format!("{} on the tangent space", self.rule.name())
    }

    /// The tangent `P`, then the network's states.
    fn begin(&self, points: &[Shape]) -> Vec<Batch<T>> {
        let mut out: Vec<Batch<T>> = points.iter().map(|s| Batch::zeros(*s)).collect();
        points.iter().for_each(|s| out.extend(self.rule.begin(*s).batches()));
        out
    }

    fn step<'t>(
        &self,
        m: &dyn Manifold<T>,
        phi: &<Self::Params as Leaves>::Vars<'t>,
        x: &[Var<'t, T>],
        beside: &[Var<'t, T>],
        t: usize,
        cost: Cost<'_, 't, T>,
        data: &D,
    ) -> (Parts<'t, T>, Vec<Var<'t, T>>) {
        let (tangent, states) = beside.split_at(x.len());
        let p: Parts<'t, T> = match t {
            0 => m.egrad_to_rgrad(x, Egrad(&gradient(x, cost))).0.iter().map(|g| g.scaled(self.start)).collect(),
            _ => tangent.iter().copied().collect(),
        };
        let features = self.features.see(&phi.1, x, data);
        let out = self.along::<D, T>(m, phi, x, &p, states, features.as_ref());
        (x.iter().copied().collect(), out)
    }

    fn end<'t>(&self, m: &dyn Manifold<T>, x: &[Var<'t, T>], beside: &[Var<'t, T>]) -> Parts<'t, T> {
        let back: Parts<'t, T> = beside[..x.len()].iter().map(|p| -*p).collect();
        m.retract(x, &back)
    }

    fn tangents(&self, points: usize) -> usize {
        points
    }
}
