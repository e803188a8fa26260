//! What a task gives to a contest: a manifold, a cost over parts of the training data, and what is measured at a point.
//! No optimiser lives here.

use super::looking::Shows;
use crate::error::Result;
use pullback::{Batch, Var};
use pullback_manifolds::Manifold;

/// Which training examples a cost is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// All of them.
    All,
    /// Those of the minibatch with this number.
    Minibatch(usize),
}

/// A task: minimise a mean over training examples, on a manifold whose points are one matrix or a batch of them.
pub(crate) trait Objective: Sync {
    /// Where points live.
    fn manifold(&self) -> &dyn Manifold;

    /// Into how many minibatches the training data is divided.
    fn minibatches(&self) -> usize;

    /// The cost as a program. The mean of the costs of all minibatches is the cost of all examples.
    fn cost<'t>(&self, x: Var<'t>, part: Part) -> Var<'t>;

    /// Of how many matrices, each with a cost of its own, a point is a batch.
    fn kinds(&self) -> usize {
        1
    }

    /// The part of the cost that depends on the matrix of this number, as a function of that matrix. All parts add up
    /// to the cost.
    fn cost_of<'t>(&self, x: Var<'t>, _kind: usize, part: Part) -> Var<'t> {
        self.cost(x, part)
    }

    /// The examples of minibatches, for those who look at them.
    fn shows(&self) -> Option<&dyn Shows> {
        None
    }

    /// The start with this number, decided by the seed of the run.
    fn start(&self, which: usize) -> Batch;

    /// The cost of all training examples as a number, infinite where it has none.
    fn training_loss(&self, x: &Batch) -> f64 {
        number(x, |x| self.cost(x, Part::All))
    }

    /// The cost of all test examples as a number, infinite where it has none.
    fn test_loss(&self, x: &Batch) -> f64;

    /// Everything that the report says about a point.
    ///
    /// # Errors
    /// The first failure of the engine.
    fn scores(&self, x: &Batch) -> Result<Scores>;
}

/// A cost as a number, infinite where it has none.
pub(crate) fn number(x: &Batch, cost: impl for<'t> Fn(Var<'t>) -> Var<'t>) -> f64 {
    let tape = pullback::Tape::plain();
    let y = cost(tape.constant(x));
    match tape.check().is_ok() && y.value().data()[0].is_finite() {
        true => y.scalar(),
        false => f64::INFINITY,
    }
}

/// What is measured at a point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scores {
    /// The loss on the test examples.
    pub(crate) test: f64,
    /// Which part of the training examples is classified rightly.
    pub(crate) train_accuracy: f64,
    /// Which part of the test examples is.
    pub(crate) test_accuracy: f64,
}

impl Scores {
    /// A run that failed classifies nothing.
    pub(crate) const FAILED: Scores = Scores { test: f64::INFINITY, train_accuracy: 0.0, test_accuracy: 0.0 };
}

/// Which part of the predictions is right.
///
/// # Panics
/// If the lists differ in length or are empty.
pub(crate) fn accuracy(predicted: &[usize], truth: &[usize]) -> f64 {
    assert!(predicted.len() == truth.len() && !truth.is_empty(), "accuracy: expected as many predictions as labels");
    let right = predicted.iter().zip(truth).filter(|(p, t)| p == t).count();
    right as f64 / truth.len() as f64
}

/// `n` examples in random order, divided into minibatches of about `size`: the least number of them that leaves none
/// larger, with sizes that differ by at most one.
pub(crate) fn minibatches(n: usize, size: usize, seed: u64) -> Vec<Vec<usize>> {
    use rand::seq::SliceRandom;
    let mut order: Vec<usize> = (0..n).collect();
    order.shuffle(&mut pullback_manifolds::rng(seed));
    let count = n.div_ceil(size.max(1)).max(1);
    (0..count).map(|k| order[k * n / count..(k + 1) * n / count].to_vec()).collect()
}

/// The place of the largest entry; the first of several.
pub(crate) fn largest(values: impl IntoIterator<Item = f64>) -> usize {
    let mut best = (0, f64::NEG_INFINITY);
    for (i, v) in values.into_iter().enumerate() {
        if v > best.1 {
            best = (i, v);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accuracies_count_what_is_right() {
        assert_eq!(accuracy(&[0, 1, 2, 1], &[0, 2, 2, 1]), 0.75);
        assert_eq!(accuracy(&[3], &[1]), 0.0);
    }

    #[test]
    fn minibatches_share_all_examples_evenly() {
        let parts = minibatches(101, 25, 4);
        assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [20, 20, 20, 20, 21]);
        let mut all = parts.concat();
        assert_ne!(all[..4], [0, 1, 2, 3]);
        all.sort_unstable();
        assert_eq!(all, (0..101).collect::<Vec<_>>());
        assert_eq!(minibatches(7, 100, 0).len(), 1);
    }

    #[test]
    fn the_first_of_equal_entries_is_the_largest() {
        assert_eq!(largest([1.0, 3.0, 3.0, f64::NAN]), 1);
    }
}
