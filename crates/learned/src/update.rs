//! How the output of a network becomes a tangent: which gradient the network sees, how its direction becomes tangent,
//! the residual and the form of the step. Every point on which the papers' text and code disagree is an option here. No
//! network is known here.

use crate::optimizer::Gradients;
use pullback::{Scalar, Var};
use pullback_manifolds::{Egrad, Manifold, Parts};
use serde::{Deserialize, Serialize};

/// Which gradient a network sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sees {
    /// The Riemannian gradient: it does not depend on how the cost is extended beyond the manifold.
    Riemannian,
    /// The Euclidean gradient, as the papers' code has it.
    Euclidean,
}

/// How the number `x^` that the network returns becomes the step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum StepForm {
    /// `xi = c exp(x^)`: positive and smooth, and `c` where the network returns 0.
    Exp,
    /// `xi = c |x^|`, as the code of I-RMM does in training. Not differentiable at 0.
    Abs,
    /// `xi = c x^`, as the papers print it (with `c = 1`) and as the code of RMM does. The network decides the sign.
    Signed,
}

/// The kind of a proposed direction, which defines how it becomes tangent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An ambient direction `n^` in place of a Euclidean gradient: it is converted as one, by `egrad_to_rgrad`. On
    /// matrices with orthonormal columns that is the projection of the papers; on positive definite matrices it is
    /// `X sym(n^) X`.
    Gradient,
    /// The Riemannian gradient with its entries rescaled, `D`: the tangent is `grad + P(D - grad)`, which is `P(D)` and
    /// is exactly `grad` where nothing is rescaled.
    Rescaled,
}

/// What a network proposes for one matrix.
#[derive(Debug, Clone, Copy)]
pub struct Proposal<'t, T: Scalar = f64> {
    /// The direction, of the shape of the matrix.
    pub direction: Var<'t, T>,
    /// `x^`, one number for each member of the batch. Without one the step is `c`.
    pub number: Option<Var<'t, T>>,
}

/// The update rule around a network: `V = -xi (s grad + n)` with `n` the tangent of the proposed direction.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Update {
    /// Which gradient the network sees. The directions that [`MatrixRule`](crate::MatrixRule)s propose have the size of
    /// the gradient that they see, and are then converted as a Euclidean gradient is. With the metric of the ambient
    /// space both gradients have one size. On positive definite matrices `X` the Riemannian gradient `X sym(G) X` would
    /// be converted once more, so the proposal would be larger than the gradient by the square of `X`: let networks see
    /// the Euclidean one there, which needs no extension of the cost, since the manifold is open.
    pub sees: Sees,
    /// Is the network's direction a correction to the gradient (`s = 1`)? Without it a fresh network does not descend.
    /// I-RMM's text has no residual, its code has one; RMM's code has one in evaluation and none in training.
    pub residual: bool,
    /// How the number that the network returns becomes the step.
    pub step: StepForm,
    /// `c`, the scale of steps. The papers' code has one, their text has none.
    pub c: f64,
}

impl Update {
    /// The network sees the Riemannian gradient and corrects it; steps are `c exp(x^)`. A network of zeros is then
    /// gradient descent with step `c`, on every manifold.
    pub fn new(c: f64) -> Self {
        Update { sees: Sees::Riemannian, residual: true, step: StepForm::Exp, c }
    }

    /// As the code of I-RMM: Euclidean gradients, a residual, `c |x^|`.
    pub fn irmm_code(c: f64) -> Self {
        Update { sees: Sees::Euclidean, residual: true, step: StepForm::Abs, c }
    }

    /// As the papers print it (and RMM trains): Euclidean gradients, no residual, steps of the network's own sign.
    pub fn as_printed() -> Self {
        Update { sees: Sees::Euclidean, residual: false, step: StepForm::Signed, c: 1.0 }
    }

    /// The gradient that the network sees.
    pub(crate) fn seen<'g, 't, T: Scalar>(&self, g: Gradients<'g, 't, T>) -> &'g [Var<'t, T>] {
        match self.sees {
            Sees::Riemannian => g.rgrad.0,
            Sees::Euclidean => g.egrad.0,
        }
    }

    /// `xi`, one number for each member; `None` where it is `c`.
    pub(crate) fn step<'t, T: Scalar>(&self, number: Option<Var<'t, T>>) -> Option<Var<'t, T>> {
        number.map(|x| match self.step {
            StepForm::Exp => x.exp().scaled(self.c),
            StepForm::Abs => x.abs().scaled(self.c),
            StepForm::Signed => x.scaled(self.c),
        })
    }

    /// The tangent of the proposals for all matrices of a point.
    pub(crate) fn tangent<'t, T: Scalar>(
        &self,
        m: &dyn Manifold<T>,
        x: &[Var<'t, T>],
        g: Gradients<'_, 't, T>,
        kind: Kind,
        proposed: &[Proposal<'t, T>],
    ) -> Parts<'t, T> {
        let grad = g.rgrad.0;
        let ambient: Parts<'t, T> = match kind {
            Kind::Gradient => proposed.iter().map(|p| p.direction).collect(),
            Kind::Rescaled => proposed.iter().zip(grad).map(|(p, g)| p.direction - *g).collect(),
        };
        let (tangent, residual) = match kind {
            Kind::Gradient => (m.egrad_to_rgrad(x, Egrad(&ambient)).0, self.residual),
            Kind::Rescaled => (m.project(x, &ambient), true),
        };
        let along = tangent.iter().zip(grad).map(|(n, g)| if residual { *n + *g } else { *n });
        let step = |(v, p): (Var<'t, T>, &Proposal<'t, T>)| match self.step(p.number) {
            Some(xi) => v.hadamard(-xi),
            None => v.scaled(-self.c),
        };
        along.zip(proposed).map(step).collect()
    }
}
