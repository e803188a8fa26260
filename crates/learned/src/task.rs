//! What is learned to be optimised: data and a cost. Optimisers are not known here.

use pullback::Var;
use rand::Rng;

/// Which data is drawn: what the inner loop descends on, or what the outer loss is measured on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// For inner steps.
    Train,
    /// For the outer loss.
    Validation,
}

/// A family of problems.
///
/// Points come in batches. Each member belongs to an *instance* of the family, named by a number (the seed of a
/// rotation, a class, ...), so that an optimiser can be trained on many problems at once; a single problem is instance
/// 0.
pub trait Task {
    /// What a cost needs besides the point: a minibatch for every member.
    type Data;

    /// Draws an instance for a new member.
    fn instance(&self, _rng: &mut dyn Rng) -> u64 {
        0
    }

    /// Draws data for members of the given instances.
    fn sample(&self, split: Split, instances: &[u64], rng: &mut dyn Rng) -> Self::Data;

    /// The cost of each member, a batch of numbers. Gradients come from the engine, so any program will do.
    fn cost<'t>(&self, x: Var<'t>, data: &Self::Data) -> Var<'t>;
}
