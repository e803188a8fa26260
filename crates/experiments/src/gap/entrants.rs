//! Learned optimisers as problems meet them: methods as they are, and those that look at the examples of a problem. How
//! they are read from files is in `loaded.rs`, how they are run in `runs.rs`.

use super::problems::Problems;
use pullback::{Batch, Shape, Tape, Var};
use pullback_learned::{Blind, Convolved, Features, GmLstm, GradientFree, Matrices, SavedFeatures};
use pullback_manifolds::{Egrad, Manifold, Parts, Rgrad};
use pullback_optim::Method;
use smallvec::SmallVec;
use std::fmt;

/// A method that is somebody else's, or made for some problems.
pub(crate) enum Held<'m> {
    Lent(&'m dyn Method),
    Own(Box<dyn Method + 'm>),
}

impl<'m> std::ops::Deref for Held<'m> {
    type Target = dyn Method + 'm;
    fn deref(&self) -> &Self::Target {
        match self {
            Held::Lent(method) => *method,
            Held::Own(method) => method.as_ref(),
        }
    }
}

/// A learned optimiser.
pub(crate) trait Entrant {
    /// As the method that runs on these problems side by side.
    fn on(&self, problems: &Problems) -> Held<'_>;
}

impl Entrant for Box<dyn Method> {
    fn on(&self, _: &Problems) -> Held<'_> {
        Held::Lent(self.as_ref())
    }
}

impl Entrant for &dyn Method {
    fn on(&self, _: &Problems) -> Held<'_> {
        Held::Lent(*self)
    }
}

impl Entrant for GradientFree<GmLstm, Convolved> {
    fn on(&self, problems: &Problems) -> Held<'_> {
        Held::Own(Box::new(Looking { free: self, examples: problems.shown(self.rounds.inner.features.images) }))
    }
}

impl Entrant for GradientFree<GmLstm, Blind> {
    fn on(&self, _: &Problems) -> Held<'_> {
        Held::Own(Box::new(Looking { free: self, examples: Batch::zeros(Shape::mat(0, 0)) }))
    }
}

impl Entrant for GradientFree<GmLstm, Matrices> {
    fn on(&self, problems: &Problems) -> Held<'_> {
        Held::Own(Box::new(Looking { free: self, examples: problems.shown(self.rounds.inner.features.count) }))
    }
}

/// A gradient-free optimiser with the examples that it looks at.
struct Looking<'m, F: SavedFeatures> {
    free: &'m GradientFree<GmLstm, F>,
    examples: Batch,
}

/// The examples are not printed.
impl<F: SavedFeatures> fmt::Debug for Looking<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.free.looking_at(&self.examples).fmt(f)
    }
}

impl<F> Method for Looking<'_, F>
where
    F: SavedFeatures + Features<Batch, Params = <F as SavedFeatures>::Params>,
{
    fn name(&self) -> String {
        self.free.looking_at(&self.examples).name()
    }
    fn state(&self, points: &[Shape]) -> SmallVec<[Shape; 2]> {
        self.free.looking_at(&self.examples).state(points)
    }
    fn begin(&self, points: &[Shape]) -> Vec<Batch> {
        self.free.looking_at(&self.examples).begin(points)
    }
    fn step<'t>(
        &self,
        m: &dyn Manifold,
        x: &[Var<'t>],
        rgrad: Rgrad<&[Var<'t>]>,
        state: &[Var<'t>],
    ) -> (Parts<'t>, Parts<'t>) {
        self.free.looking_at(&self.examples).step(m, x, rgrad, state)
    }
    fn hold<'t>(&self, tape: &'t Tape) -> Parts<'t> {
        self.free.looking_at(&self.examples).hold(tape)
    }
    fn step_holding<'t>(
        &self,
        m: &dyn Manifold,
        x: &[Var<'t>],
        egrad: Egrad<&[Var<'t>]>,
        rgrad: Rgrad<&[Var<'t>]>,
        state: &[Var<'t>],
        held: &[Var<'t>],
    ) -> (Parts<'t>, Parts<'t>) {
        self.free.looking_at(&self.examples).step_holding(m, x, egrad, rgrad, state, held)
    }
}
