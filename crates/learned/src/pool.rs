//! The parameter pool: points along classical runs, from which inner loops start. Learning is not known here.

use crate::task::{Split, Task};
use pullback::{Batch, Result, Shape, Tape};
use pullback_manifolds::{Egrad, Manifold, Rgrad};
use pullback_optim::Method;
use rand::{Rng, RngExt};
use std::collections::VecDeque;

/// A point of the pool: its matrix, the optimiser's state there (nothing means zero) and the instance it belongs to.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The point, a batch of one.
    pub point: Batch,
    /// The optimiser's state.
    pub state: Vec<Batch>,
    /// The instance of the task.
    pub instance: u64,
}

/// A bounded queue of points: when it is full, the oldest leaves.
#[derive(Debug, Clone)]
pub struct Pool {
    entries: VecDeque<Entry>,
    capacity: usize,
}

/// How the pool is filled: classical runs from random points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WarmUp {
    /// How many points start at once.
    pub members: usize,
    /// Steps of the classical method.
    pub steps: usize,
    /// Points are pushed after that many steps; 0 begins with the random points themselves.
    pub push_after: usize,
    /// And then every so many steps.
    pub push_every: usize,
}

impl Default for WarmUp {
    /// Eight points, a hundred steps, every tenth kept.
    fn default() -> Self {
        WarmUp { members: 8, steps: 100, push_after: 0, push_every: 10 }
    }
}

impl Pool {
    /// An empty pool for at most `capacity` points.
    pub fn new(capacity: usize) -> Self {
        Pool { entries: VecDeque::new(), capacity: capacity.max(1) }
    }

    /// How many points there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The points, oldest first.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// Adds a point.
    pub fn push(&mut self, entry: Entry) {
        if self.entries.len() == self.capacity {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
    }

    /// Takes every point out.
    pub fn clear(&mut self) {
        self.entries.clear();
    }

    /// Takes `n` points out at random, all different; fewer if there are fewer.
    pub fn draw(&mut self, n: usize, rng: &mut dyn Rng) -> Vec<Entry> {
        let mut out = Vec::with_capacity(n);
        while out.len() < n && !self.entries.is_empty() {
            let i = rng.random_range(0..self.entries.len());
            out.extend(self.entries.swap_remove_back(i));
        }
        out
    }

    /// Runs a classical method on minibatches from random points and pushes points along the way (Algorithm 1 of the
    /// paper).
    ///
    /// # Errors
    /// The first failure of the cost, its gradient or a step. What was pushed before it stays.
    pub fn warm_up<K: Task>(
        &mut self,
        manifold: &dyn Manifold,
        task: &K,
        method: &dyn Method,
        how: WarmUp,
        rng: &mut dyn Rng,
    ) -> Result<()> {
        let instances: Vec<u64> = (0..how.members).map(|_| task.instance(rng)).collect();
        let mut x = manifold.random_point(how.members, rng).swap_remove(0);
        let mut state: Vec<Batch> = method.state(&[x.shape()]).iter().map(|s| Batch::zeros(*s)).collect();
        let mut tape = Tape::plain();
        for t in 0..=how.steps {
            if t >= how.push_after && (t - how.push_after).is_multiple_of(how.push_every.max(1)) {
                for (b, &instance) in instances.iter().enumerate() {
                    self.push(Entry { point: member(&x, b), state: vec![], instance });
                }
            }
            if t == how.steps {
                break;
            }
            let data = task.sample(Split::Train, &instances, rng);
            tape.clear();
            let at = tape.constant(&x);
            let s: Vec<_> = state.iter().map(|s| tape.constant(s)).collect();
            let g = manifold.egrad_to_rgrad(&[at], Egrad(&[at.grad(|x| task.cost(x, &data).sum())]))[0];
            let (next, carried) = method.step(manifold, &[at], Rgrad(&[g]), &s);
            tape.check()?;
            x = next[0].value();
            state.iter_mut().zip(&carried).for_each(|(to, from)| *to = from.value());
            finite(&x)?;
        }
        Ok(())
    }
}

pub(crate) fn finite(x: &Batch) -> Result<()> {
    match x.data().iter().position(|v| !v.is_finite()) {
        Some(index) => Err(pullback::Error::NonFinite {
            what: "point",
            index,
            value: x.data()[index],
            origin: pullback::Origin::Unknown,
        }),
        None => Ok(()),
    }
}

/// Member `b` as a batch of one.
pub(crate) fn member(x: &Batch, b: usize) -> Batch {
    let s = x.shape();
    Batch::from_slice(Shape { batch: 1, ..s }, &x.data()[b * s.each()..(b + 1) * s.each()])
}

/// Several batches one after the other.
pub(crate) fn join<'b>(shape: Shape, parts: impl Iterator<Item = &'b Batch>) -> Batch {
    let data: Vec<f64> = parts.flat_map(|p| p.data().iter().copied()).collect();
    Batch::from_slice(Shape { batch: data.len() / shape.each().max(1), ..shape }, &data)
}
