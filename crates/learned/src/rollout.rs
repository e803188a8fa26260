//! Using optimisers, learned or classical, on a task: one step after the other, in constant memory. Nothing is learned
//! here.

use crate::optimizer::LearnedOptimizer;
use crate::pool::finite;
use crate::task::{Split, Task};
use pullback::{Batch, Leaves, Result, Shape, Tape, Var};
use pullback_manifolds::{Egrad, Manifold, Rgrad, rng};
use pullback_optim::Method;
use rand_pcg::Pcg64;
use std::fmt;

/// Who takes the steps.
trait Rule: fmt::Debug {
    fn state(&self, points: Shape) -> Vec<Shape>;
    fn next<'t>(&self, m: &dyn Manifold, x: Var<'t>, egrad: Var<'t>, state: &[Var<'t>]) -> (Var<'t>, Vec<Var<'t>>);
}

/// The optimiser, its parameters, and the leaves of these as batches.
struct Learned<'a, O: LearnedOptimizer>(&'a O, &'a O::Params, Vec<Batch>);

impl<O: LearnedOptimizer> fmt::Debug for Learned<'_, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Learned")
    }
}

impl<O: LearnedOptimizer> Rule for Learned<'_, O> {
    fn state(&self, points: Shape) -> Vec<Shape> {
        self.0.state(points).to_vec()
    }
    fn next<'t>(&self, m: &dyn Manifold, x: Var<'t>, egrad: Var<'t>, state: &[Var<'t>]) -> (Var<'t>, Vec<Var<'t>>) {
        let leaves: Vec<Var<'t>> = self.2.iter().map(|b| x.tape().constant(b)).collect();
        let phi = self.1.bind_all(&leaves);
        let (v, state) = self.0.step(m, &phi, x, egrad, state);
        (m.retract(&[x], &[v])[0], state.to_vec())
    }
}

#[derive(Debug)]
struct Classical<'a>(&'a dyn Method);

impl Rule for Classical<'_> {
    fn state(&self, points: Shape) -> Vec<Shape> {
        self.0.state(&[points]).to_vec()
    }
    fn next<'t>(&self, m: &dyn Manifold, x: Var<'t>, egrad: Var<'t>, state: &[Var<'t>]) -> (Var<'t>, Vec<Var<'t>>) {
        let rgrad = m.egrad_to_rgrad(&[x], Egrad(&[egrad]));
        let (next, state) = self.0.step(m, &[x], Rgrad(&rgrad), state);
        (next[0], state.to_vec())
    }
}

/// A run of an optimiser on a task from given points.
///
/// Two rollouts with equal seeds and instances see the same minibatches, whoever takes the steps: that is what makes
/// their curves comparable.
#[derive(Debug)]
pub struct Rollout<'a, K: Task> {
    rule: Box<dyn Rule + 'a>,
    manifold: &'a dyn Manifold,
    task: &'a K,
    point: Batch,
    state: Vec<Batch>,
    instances: Vec<u64>,
    steps: usize,
    rng: Pcg64,
    tape: Tape,
}

impl<'a, K: Task> Rollout<'a, K> {
    /// A learned optimiser with its parameters.
    pub fn learned<O: LearnedOptimizer>(
        optimizer: &'a O,
        params: &'a O::Params,
        manifold: &'a dyn Manifold,
        task: &'a K,
        start: &Batch,
        instances: &[u64],
        seed: u64,
    ) -> Self {
        Self::of(Box::new(Learned(optimizer, params, params.batches())), manifold, task, start, instances, seed)
    }

    /// A classical method.
    pub fn classical(
        method: &'a dyn Method,
        manifold: &'a dyn Manifold,
        task: &'a K,
        start: &Batch,
        instances: &[u64],
        seed: u64,
    ) -> Self {
        Self::of(Box::new(Classical(method)), manifold, task, start, instances, seed)
    }

    fn of(
        rule: Box<dyn Rule + 'a>,
        manifold: &'a dyn Manifold,
        task: &'a K,
        start: &Batch,
        instances: &[u64],
        seed: u64,
    ) -> Self {
        let state = rule.state(start.shape()).into_iter().map(Batch::zeros).collect();
        Rollout {
            rule,
            manifold,
            task,
            point: start.clone(),
            state,
            instances: instances.to_vec(),
            steps: 0,
            rng: rng(seed),
            tape: Tape::plain(),
        }
    }

    /// The points now, a batch.
    pub fn point(&self) -> &Batch {
        &self.point
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
        Ok(pullback::value(|x: Var<'_>| self.task.cost(x, data), &self.point)?.data().to_vec())
    }

    /// One step on a new minibatch; returns the points.
    ///
    /// # Errors The first failure of the cost, its gradient or the step; a point that is not finite. The points stay as
    /// they were.
    pub fn step(&mut self) -> Result<&Batch> {
        let data = self.task.sample(Split::Train, &self.instances, &mut self.rng);
        self.step_on(&data)
    }

    /// One step on given data; returns the points.
    ///
    /// # Errors
    /// As [`Rollout::step`].
    pub fn step_on(&mut self, data: &K::Data) -> Result<&Batch> {
        self.tape.clear();
        let tape = &self.tape;
        let x = tape.constant(&self.point);
        let state: Vec<Var<'_>> = self.state.iter().map(|s| tape.constant(s)).collect();
        let g = x.grad(|x| self.task.cost(x, data).sum());
        let (next, state) = self.rule.next(self.manifold, x, g, &state);
        tape.check()?;
        let next = next.value();
        finite(&next)?;
        self.point = next;
        for (to, from) in self.state.iter_mut().zip(&state) {
            *to = from.value();
        }
        self.steps += 1;
        Ok(&self.point)
    }
}
