//! Contenders that look at the examples of a minibatch besides its gradient: what a task shows them, and their steps.
//! How a run is measured is in `race.rs`.

use super::objective::{Objective, Part};
use pullback::{Axis, Batch, Tape, Var};
use pullback_learned::{Features, FreeRun, GradientFree, Labelled, Matrices, SavedFeatures, SavedRule};

/// The features that suit the examples of a task.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Suited {
    Labelled(Labelled),
    Matrices(Matrices),
}

/// A task that shows the examples of its minibatches.
pub(crate) trait Shows: Sync {
    /// Features for them.
    fn suited(&self) -> Suited;

    /// What is shown of the minibatch with this number, for the matrix of a point with this number: an example in each
    /// column, as many as the features are for.
    fn shown(&self, kind: usize, lot: usize) -> Batch;
}

/// The same for all matrices of a point, a member for each.
pub(crate) fn shown_to_all(shows: &dyn Shows, kinds: usize, lot: usize) -> Batch {
    let tape = Tape::plain();
    let all: Vec<Var<'_>> = (0..kinds).map(|kind| tape.constant(&shows.shown(kind, lot))).collect();
    Var::concat(&all, Axis::Batch).value()
}

/// So many of the numbers, from the first on and again from the first where there are too few.
pub(crate) fn in_turn(numbers: &[usize], count: usize) -> Vec<usize> {
    numbers.iter().copied().cycle().take(count).collect()
}

/// Who looks.
pub(crate) trait Looker {
    /// A run from a start.
    fn run<'a>(&'a self, task: &'a dyn Objective, start: &Batch) -> Box<dyn Looks + 'a>;
}

/// A run of somebody who looks.
pub(crate) trait Looks {
    /// A step with the gradient and the examples of a minibatch: the next point.
    fn step(&mut self, lot: usize) -> pullback::Result<Batch>;
}

impl<R, F> Looker for GradientFree<R, F>
where
    R: SavedRule,
    F: SavedFeatures + Features<Batch, Params = <F as SavedFeatures>::Params>,
{
    fn run<'a>(&'a self, task: &'a dyn Objective, start: &Batch) -> Box<dyn Looks + 'a> {
        let run = FreeRun::new(self, task.manifold(), std::slice::from_ref(start));
        Box::new(Running { run, task })
    }
}

struct Running<'a, R: SavedRule, F: SavedFeatures> {
    run: FreeRun<'a, R, F>,
    task: &'a dyn Objective,
}

impl<R, F> Looks for Running<'_, R, F>
where
    R: SavedRule,
    F: SavedFeatures + Features<Batch, Params = <F as SavedFeatures>::Params>,
{
    fn step(&mut self, lot: usize) -> pullback::Result<Batch> {
        let task = self.task;
        // A task that shows nothing has nobody who looks: see `School::free`.
        let shown = task
            .shows()
            .map_or_else(|| Batch::zeros(pullback::Shape::mat(0, 0)), |s| shown_to_all(s, task.kinds(), lot));
        let next = self.run.step_on(&|x| task.cost(x[0], Part::Minibatch(lot)), &shown)?;
        Ok(next[0].clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_are_shown_again() {
        assert_eq!(in_turn(&[4, 7], 5), [4, 7, 4, 7, 4]);
        assert_eq!(in_turn(&[4, 7, 9], 2), [4, 7]);
        assert!(in_turn(&[], 3).is_empty());
    }
}
