//! Using optimisers, learned or classical, on a task: one step after the other, in constant memory. Nothing is learned
//! here.

use crate::keys::{Key, Purpose};
use crate::steps::Stepper;
use crate::task::{Member, Split, Task};
use pullback::{Batch, Result, Scalar, Shape, Var};
use pullback_manifolds::Manifold;
use pullback_optim::Method;

/// A run of a method, classical or [trained](crate::Trained), on a task from given points.
///
/// Two rollouts with equal seeds and instances see the same minibatches, whatever the method: this makes their curves
/// comparable.
#[derive(Debug)]
pub struct Rollout<'a, K: Task<T>, T: Scalar = f64> {
    method: &'a dyn Method<T>,
    manifold: &'a dyn Manifold<T>,
    task: &'a K,
    point: Vec<Batch<T>>,
    state: Vec<Batch<T>>,
    instances: Vec<u64>,
    steps: usize,
    key: Key,
    on: Stepper<T>,
}

impl<'a, T: Scalar, K: Task<T>> Rollout<'a, K, T> {
    /// A run from points that are members of a batch, one instance for each.
    pub fn new(
        method: &'a dyn Method<T>,
        manifold: &'a dyn Manifold<T>,
        task: &'a K,
        start: &[Batch<T>],
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
            on: Stepper::new(),
        }
    }

    /// The current points: the matrices, each a batch.
    pub fn point(&self) -> &[Batch<T>] {
        &self.point
    }

    /// The current state of the method.
    pub fn state(&self) -> &[Batch<T>] {
        &self.state
    }

    /// Steps taken.
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// The current cost of each member, on given data.
    ///
    /// # Errors
    /// The first failure of the cost; a cost that is not finite.
    pub fn cost(&self, data: &K::Data) -> Result<Vec<f64>> {
        let found = pullback::value(|x: Vec<Var<'_, T>>| self.task.cost(&x, data), &self.point)?;
        Ok(found.data().iter().map(|x| x.f64()).collect())
    }

    /// One step on a new minibatch; returns the points.
    ///
    /// # Errors
    /// The first failure of the cost, its gradient or the step; a point that is not finite. The points stay as they
    /// were.
    pub fn step(&mut self) -> Result<&[Batch<T>]> {
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
    pub fn step_on(&mut self, data: &K::Data) -> Result<&[Batch<T>]> {
        let Rollout { on, manifold, method, task, point, state, .. } = self;
        on.step(*manifold, *method, &|x| task.cost(x, data), point, state)?;
        self.steps += 1;
        Ok(&self.point)
    }
}
