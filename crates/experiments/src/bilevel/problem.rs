//! A bilevel problem: an inner cost on a manifold, descent on it as an iteration, and an outer loss. Which problem it
//! is, and how it is differentiated, is not known here.

use pullback::{Batch, Tape, Var};
use pullback_implicit::Iteration;
use pullback_manifolds::{Egrad, Manifold};

/// A cost of a point and parameters.
pub(crate) type Cost = Box<dyn for<'t> Fn(Var<'t>, Var<'t>) -> Var<'t>>;

/// `x+ = R_x(-step grad f(x, phi))`, judged by an outer loss. Points are one matrix, or a batch of them.
pub(crate) struct Problem {
    pub(crate) manifold: Box<dyn Manifold>,
    pub(crate) step: f64,
    /// One number for each member.
    pub(crate) inner: Cost,
    /// One number.
    pub(crate) outer: Cost,
}

impl Iteration for Problem {
    type State = Batch;
    type Params = Batch;

    fn step<'t>(&self, _: &'t Tape, x: Var<'t>, phi: Var<'t>, _: usize) -> Var<'t> {
        let e = x.grad(|x| (self.inner)(x, phi).sum());
        let r = self.manifold.egrad_to_rgrad(&[x], Egrad(&[e]));
        self.manifold.retract(&[x], &[r[0] * -self.step])[0]
    }

    fn outer<'t>(&self, _: &'t Tape, x: Var<'t>, phi: Var<'t>) -> Var<'t> {
        (self.outer)(x, phi)
    }

    fn project<'t>(&self, _: &'t Tape, x: Var<'t>, v: Var<'t>) -> Var<'t> {
        self.manifold.project(&[x], &[v])[0]
    }
}

/// Where the loop ends.
#[derive(Debug, Clone)]
pub(crate) struct End {
    pub(crate) point: Batch,
    pub(crate) value: f64,
    /// How far the last step moved, relative to the point.
    pub(crate) motion: f64,
}

impl Problem {
    /// Runs the loop, at least one step, without recording.
    ///
    /// # Errors
    /// The first failure of a step or of the loss.
    pub(crate) fn run(&self, start: &Batch, phi: &Batch, steps: usize) -> pullback::Result<End> {
        let tape = Tape::plain();
        let (x, phi) = (tape.constant(start), tape.constant(phi));
        let before = tape.iterate(x, steps.max(1) - 1, |x| self.step(&tape, x, phi, 0));
        let after = self.step(&tape, before, phi, 0);
        let value = self.outer(&tape, after, phi);
        tape.check()?;
        let moved = after - before;
        let motion = (moved.norm().value(), after.norm().value());
        let largest = motion.0.data().iter().zip(motion.1.data()).map(|(m, x)| m / x).fold(0.0, f64::max);
        Ok(End { point: after.value(), value: value.scalar(), motion: largest })
    }
}
