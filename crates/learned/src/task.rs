//! The problems on which an optimiser is trained: data and a cost. Optimisers are not known here.

use crate::keys::{Key, Purpose};
use pullback::{Scalar, Var};
use rand::Rng;

/// Which data is drawn: for the inner loop or for the outer loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// For inner steps.
    Train,
    /// For the outer loss.
    Validation,
}

/// A point that data is drawn for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// The instance of the task that it belongs to.
    pub instance: u64,
    /// The key of its random numbers. Each step of each member has a key of its own.
    pub key: Key,
}

impl Member {
    /// Members with keys that follow from a seed: to draw data for a report.
    pub fn list(instances: &[u64], seed: u64) -> Vec<Member> {
        let key = Key::new(seed, Purpose::Rollout);
        (0u64..).zip(instances).map(|(b, &instance)| Member { instance, key: key.at(b) }).collect()
    }
}

/// A family of problems.
///
/// Points come in batches. Each member belongs to an *instance* of the family, named by a number (the seed of a
/// rotation, a class, ...), so that an optimiser can be trained on many problems at once; a single problem is instance
/// 0.
pub trait Task<T: Scalar = f64>: Sync {
    /// The data that the cost needs besides the point: a minibatch for every member.
    type Data;

    /// Draws an instance for a new member.
    fn instance(&self, _rng: &mut dyn Rng) -> u64 {
        0
    }

    /// Data for these members, in order. It must be a function of the split and the members alone, and the data of a
    /// member a function of that [`Member`] alone: inner loops draw data when they need it, draw it again when they are
    /// repeated, and may run a member alone.
    fn sample(&self, split: Split, members: &[Member]) -> Self::Data;

    /// The cost of each member, a batch of numbers. Gradients come from the engine, so it may be any program.
    fn cost<'t>(&self, x: &[Var<'t, T>], data: &Self::Data) -> Var<'t, T>;

    /// The outer loss of each member. By default the cost.
    fn outer<'t>(&self, x: &[Var<'t, T>], data: &Self::Data) -> Var<'t, T> {
        self.cost(x, data)
    }
}
