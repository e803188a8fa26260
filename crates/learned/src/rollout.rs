//! Using optimisers, learned or classical, on a task: one step after the other, in constant memory. Nothing is learned
//! here.

use crate::keys::{Key, Purpose};
use crate::pool::step;
use crate::task::{Member, Split, Task};
use pullback::{Batch, Result, Shape, Tape, Var};
use pullback_manifolds::Manifold;
use pullback_optim::Method;

/// A run of a method, classical or [trained](crate::Trained), on a task from given points.
///
/// Two rollouts with equal seeds and instances see the same minibatches, whoever takes the steps: that is what makes
/// their curves comparable.
#[derive(Debug)]
pub struct Rollout<'a, K: Task> {
    method: &'a dyn Method,
    manifold: &'a dyn Manifold,
    task: &'a K,
    point: Vec<Batch>,
    state: Vec<Batch>,
    instances: Vec<u64>,
    steps: usize,
    key: Key,
    tape: Tape,
}

impl<'a, K: Task> Rollout<'a, K> {
    /// A run from points that are members of a batch, one instance for each.
    pub fn new(
        method: &'a dyn Method,
        manifold: &'a dyn Manifold,
        task: &'a K,
        start: &[Batch],
        instances: &[u64],
        seed: u64,
    ) -> Self {
        let shapes: Vec<Shape> = start.iter().map(Batch::shape).collect();
        Rollout {
            state: method.begin(&shapes),
            method,
            manifold,
            task,
            point: start.to_vec(),
            instances: instances.to_vec(),
            steps: 0,
            key: Key::new(seed, Purpose::Rollout),
            tape: Tape::plain(),
        }
    }

    /// The points now: the matrices, each a batch.
    pub fn point(&self) -> &[Batch] {
        &self.point
    }

    /// The method's state now.
    pub fn state(&self) -> &[Batch] {
        &self.state
    }

    /// Steps taken.
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// The cost of each member now, on given data.
    ///
    /// # Errors
    /// The first failure of the cost; a cost that is not finite.
    pub fn cost(&self, data: &K::Data) -> Result<Vec<f64>> {
        let found = pullback::value(|x: Vec<Var<'_>>| self.task.cost(&x, data), &self.point)?;
        Ok(found.data().to_vec())
    }

    /// One step on a new minibatch; returns the points.
    ///
    /// # Errors
    /// The first failure of the cost, its gradient or the step; a point that is not finite. The points stay as they
    /// were.
    pub fn step(&mut self) -> Result<&[Batch]> {
        let key = self.key.at(self.steps as u64);
        let member = |(b, &instance): (u64, &u64)| Member { instance, key: key.at(b) };
        let members: Vec<Member> = (0u64..).zip(&self.instances).map(member).collect();
        let data = self.task.sample(Split::Train, &members);
        self.step_on(&data)
    }

    /// One step on given data; returns the points.
    ///
    /// # Errors
    /// As [`Rollout::step`].
    pub fn step_on(&mut self, data: &K::Data) -> Result<&[Batch]> {
        let Rollout { tape, manifold, method, task, point, state, .. } = self;
        step(tape, *manifold, *method, &|x| task.cost(x, data), point, state)?;
        self.steps += 1;
        Ok(&self.point)
    }
}
