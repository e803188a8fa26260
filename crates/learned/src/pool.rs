//! The parameter pool: points along classical runs, from which inner loops start. Learning is not known here.

use crate::keys::Key;
use crate::outer::in_scalar;
use crate::steps::Stepper;
use crate::task::{Member, Split, Task};
use pullback::{Batch, Result, Scalar, Shape};
use pullback_manifolds::Manifold;
use pullback_optim::{Method, Numbers};
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// A point of the pool: its matrices, the optimiser's state there (nothing means that of the beginning) and the
/// instance it belongs to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Entry<T: Scalar = f64> {
    /// The matrices of the point, batches of one.
    pub point: Numbers<T>,
    /// The leaves of the optimiser's state.
    pub state: Numbers<T>,
    /// The instance of the task.
    pub instance: u64,
}

/// A bounded queue of points: when it is full, the oldest leaves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Pool<T: Scalar = f64> {
    entries: VecDeque<Entry<T>>,
    capacity: usize,
}

/// How the pool is filled: classical runs from random points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WarmUp {
    /// How many points start at once.
    pub members: usize,
    /// Steps of the classical method.
    pub steps: usize,
    /// The number of steps before the first push; with 0 the random points themselves are pushed.
    pub push_after: usize,
    /// The number of steps between two pushes.
    pub push_every: usize,
}

impl Default for WarmUp {
    /// Eight points, a hundred steps, every tenth kept.
    fn default() -> Self {
        WarmUp { members: 8, steps: 100, push_after: 0, push_every: 10 }
    }
}

/// Where a warm-up's random numbers begin.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WarmUpKeys {
    pub(crate) start: Key,
    pub(crate) instance: Key,
    pub(crate) data: Key,
}

impl Pool {
    /// An empty pool for at most `capacity` points.
    pub fn new(capacity: usize) -> Self {
        Pool::with_room(capacity)
    }
}

impl<T: Scalar> Pool<T> {
    /// An empty pool for at most `capacity` points of any scalar.
    pub fn with_room(capacity: usize) -> Self {
        Pool { entries: VecDeque::new(), capacity: capacity.max(1) }
    }

    /// The same points in another scalar.
    pub(crate) fn over<U: Scalar>(&self) -> Pool<U> {
        let one = |e: &Entry<T>| Entry { point: in_scalar(&e.point), state: in_scalar(&e.state), instance: e.instance };
        Pool { entries: self.entries.iter().map(one).collect(), capacity: self.capacity }
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
    pub fn entries(&self) -> impl Iterator<Item = &Entry<T>> {
        self.entries.iter()
    }

    /// Adds a point.
    pub fn push(&mut self, entry: Entry<T>) {
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
    pub fn draw(&mut self, n: usize, rng: &mut dyn Rng) -> Vec<Entry<T>> {
        let mut out = Vec::with_capacity(n);
        while out.len() < n && !self.entries.is_empty() {
            let i = rng.random_range(0..self.entries.len());
            out.extend(self.entries.swap_remove_back(i));
        }
        out
    }

    /// Runs a classical method on minibatches from random points and pushes points along the way (Algorithm 1 of the
    /// AAAI paper).
    ///
    /// # Errors
    /// The first failure of the cost, its gradient or a step. What was pushed before it stays.
    pub(crate) fn warm_up<K: Task<T>>(
        &mut self,
        manifold: &dyn Manifold<T>,
        task: &K,
        method: &dyn Method<T>,
        how: WarmUp,
        keys: WarmUpKeys,
    ) -> Result<()> {
        let ids = 0..how.members as u64;
        let instances: Vec<u64> = ids.clone().map(|b| task.instance(&mut keys.instance.at(b).rng())).collect();
        let mut x = manifold.random_point(how.members, &mut keys.start.rng());
        let shapes: Vec<Shape> = x.iter().map(Batch::shape).collect();
        let mut state = method.begin(&shapes);
        let mut steps = Stepper::new();
        for t in 0..=how.steps {
            if t >= how.push_after && (t - how.push_after).is_multiple_of(how.push_every.max(1)) {
                for (b, &instance) in instances.iter().enumerate() {
                    self.push(Entry { point: members(&x, b), state: Numbers::default(), instance });
                }
            }
            if t == how.steps {
                break;
            }
            let drawn = ids
                .clone()
                .zip(&instances)
                .map(|(b, &instance)| Member { instance, key: keys.data.at(t as u64).at(b) });
            let data = task.sample(Split::Train, &drawn.collect::<Vec<_>>());
            steps.step(manifold, method, &|x| task.cost(x, &data), &mut x, &mut state)?;
        }
        Ok(())
    }
}

/// Member `b` as a batch of one.
pub(crate) fn member<T: Scalar>(x: &Batch<T>, b: usize) -> Batch<T> {
    let s = x.shape();
    Batch::from_slice(Shape { batch: 1, ..s }, &x.data()[b * s.each()..(b + 1) * s.each()])
}

/// Member `b` of every matrix.
pub(crate) fn members<T: Scalar>(x: &[Batch<T>], b: usize) -> Numbers<T> {
    Numbers(x.iter().map(|x| member(x, b)).collect())
}

/// Several batches of one shape, one after the other.
pub(crate) fn join<'b, T: Scalar>(shape: Shape, parts: impl Iterator<Item = &'b Batch<T>>) -> Batch<T> {
    let data: Vec<T> = parts.flat_map(|p| p.data().iter().copied()).collect();
    Batch::from_slice(Shape { batch: data.len() / shape.each().max(1), ..shape }, &data)
}
