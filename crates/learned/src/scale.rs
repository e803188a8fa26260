//! The scale of steps with which a training begins, chosen from a short list of candidates. Training itself, and what a
//! scale means to a method, are not known here.

use crate::Error;
use crate::keys::{Key, Purpose};
use crate::pool::members;
use crate::steps::Stepper;
use crate::task::{Member, Split, Task};
use pullback::{Batch, Result, Scalar, Shape};
use pullback_manifolds::Manifold;
use pullback_optim::Method;
use serde::{Deserialize, Serialize};

/// How the scale `c` of an [`Update`](crate::Update) is chosen before training: a network whose outputs are zero, which
/// is the classical method that it extends, runs with each scale of a list on the same random problems.
///
/// The search chooses the scale with the lowest final mean cost among those with which every member survives and the
/// mean cost falls; of equal ones the largest. A member that fails or reaches a number that is not finite does not
/// survive; each runs alone. Costs are measured on data of [`Split::Validation`], before and after.
///
/// A scale that is safe for a network of zeros may still be too large after training: the search finds the order of
/// magnitude, without a margin. If members are dropped nevertheless, the gradient that the network [sees](crate::Sees)
/// is the more likely cause.
///
/// ```
/// use pullback::prelude::*;
/// use pullback_learned::*;
/// use pullback_manifolds::{Sphere, rng};
///
/// /// The height of a point on the unit sphere, in metres or millimetres.
/// struct Height(f64);
/// impl Task for Height {
///     type Data = ();
///     fn sample(&self, _: Split, _: &[Member]) {}
///     fn cost<'t>(&self, x: &[Var<'t>], (): &()) -> Var<'t> {
///         x[0].row_range(2, 1) * self.0
///     }
/// }
/// let sphere = Sphere::new(3, 1);
/// let search = ScaleSearch { members: 4, steps: 10, ..ScaleSearch::line(1.0, 10.0, 5) };
/// let network = Subspace::new(SubspaceOptions::new(Sides::Both));
/// let fresh = Each::new(network.clone(), Update::new(1.0)).init(&mut rng(1));
/// let make = |c| Trained::new(Each::new(network.clone(), Update::new(c)), fresh.clone());
/// let metres = search.run(&sphere, &Height(1.0), make)?;
/// let millimetres = search.run(&sphere, &Height(1000.0), make)?;
/// assert_eq!((metres.scale, millimetres.scale), (1.0, 1e-3));
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScaleSearch {
    /// The candidates.
    pub scales: Vec<f64>,
    /// The number of random problems, each with a random start.
    pub members: usize,
    /// Steps of each run.
    pub steps: usize,
    /// The seed of the random numbers.
    pub seed: u64,
}

/// The outcome of one scale.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScaleTried {
    /// The scale.
    pub scale: f64,
    /// How many members survived.
    pub survived: usize,
    /// The mean cost after the runs; `None` unless all survived.
    pub after: Option<f64>,
    /// Why the first member that failed did.
    pub first_failure: Option<String>,
}

/// The result of a [`ScaleSearch`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScaleChoice {
    /// The scale to begin with.
    pub scale: f64,
    /// The mean cost of the members before they were run.
    pub before: f64,
    /// Every candidate, in the order of the list.
    pub tried: Vec<ScaleTried>,
    /// Gradients of single members that the search took.
    pub gradients: usize,
}

/// A drawn problem with its start.
struct Drawn<T: Scalar> {
    start: Vec<Batch<T>>,
    instance: u64,
    id: u64,
}

impl ScaleSearch {
    /// `count` scales from `largest` down, each the one before it divided by `factor`; 16 members and 20 steps.
    pub fn line(largest: f64, factor: f64, count: usize) -> Self {
        let scales = (0..count).map(|k| largest / factor.powi(k as i32)).collect();
        ScaleSearch { scales, members: 16, steps: 20, seed: 0 }
    }

    /// Runs `make(c)` for every scale `c` of the list. It costs up to `members * steps` gradients for each.
    ///
    /// # Errors
    /// [`Error::NoScale`] if at no scale all members survive and their mean cost falls. A failure of the cost at the
    /// starting points.
    pub fn run<T: Scalar, K: Task<T>, M: Method<T>>(
        &self,
        manifold: &dyn Manifold<T>,
        task: &K,
        make: impl Fn(f64) -> M,
    ) -> std::result::Result<ScaleChoice, Error> {
        let drawn = self.draw(manifold, task);
        let cost = |d: &Drawn<T>, x: &[Batch<T>]| self.cost(task, d, x);
        let before: Result<Vec<f64>> = drawn.iter().map(|d| cost(d, &d.start)).collect();
        let before = mean(&before?);
        let mut gradients = 0;
        let tried: Vec<ScaleTried> =
            self.scales.iter().map(|c| self.one(manifold, task, *c, &make(*c), &drawn, &mut gradients)).collect();
        let falls = |t: &&ScaleTried| t.after.is_some_and(|after| after < before);
        let best = tried.iter().filter(falls).min_by(|a, b| {
            let (low, large) = (a.after.unwrap_or(f64::INFINITY), b.after.unwrap_or(f64::INFINITY));
            low.total_cmp(&large).then(b.scale.total_cmp(&a.scale))
        });
        match best.map(|b| b.scale) {
            Some(scale) => Ok(ScaleChoice { scale, before, tried, gradients }),
            None => Err(Error::NoScale { members: drawn.len(), before, tried }),
        }
    }

    fn key(&self) -> Key {
        Key::new(self.seed, Purpose::Scale)
    }

    fn draw<T: Scalar, K: Task<T>>(&self, manifold: &dyn Manifold<T>, task: &K) -> Vec<Drawn<T>> {
        let (starts, instances) = (self.key().at(0), self.key().at(1));
        let x = manifold.random_point(self.members, &mut starts.rng());
        let one = |id: u64| {
            let instance = task.instance(&mut instances.at(id).rng());
            Drawn { start: members(&x, id as usize).0, instance, id }
        };
        (0..self.members as u64).map(one).collect()
    }

    /// The cost of a member on what is not descended on.
    fn cost<T: Scalar, K: Task<T>>(&self, task: &K, d: &Drawn<T>, x: &[Batch<T>]) -> Result<f64> {
        let data = task.sample(Split::Validation, &[Member { instance: d.instance, key: self.key().at(2).at(d.id) }]);
        let found = pullback::value(|x: Vec<pullback::Var<'_, T>>| task.cost(&x, &data), &x.to_vec())?;
        Ok(found.data()[0].f64())
    }

    fn one<T: Scalar, K: Task<T>>(
        &self,
        manifold: &dyn Manifold<T>,
        task: &K,
        scale: f64,
        method: &dyn Method<T>,
        drawn: &[Drawn<T>],
        gradients: &mut usize,
    ) -> ScaleTried {
        let ends: Vec<Result<f64>> = drawn.iter().map(|d| self.follow(manifold, task, method, d, gradients)).collect();
        let survived = ends.iter().filter(|e| e.is_ok()).count();
        let first_failure = ends.iter().find_map(|e| e.as_ref().err().map(ToString::to_string));
        let costs: Result<Vec<f64>> = ends.into_iter().collect();
        ScaleTried { scale, survived, after: costs.ok().map(|c| mean(&c)), first_failure }
    }

    /// Runs one member alone; the cost where it arrives.
    fn follow<T: Scalar, K: Task<T>>(
        &self,
        manifold: &dyn Manifold<T>,
        task: &K,
        method: &dyn Method<T>,
        d: &Drawn<T>,
        gradients: &mut usize,
    ) -> Result<f64> {
        let shapes: Vec<Shape> = d.start.iter().map(Batch::shape).collect();
        let (mut x, mut state) = (d.start.clone(), method.begin(&shapes));
        let mut steps = Stepper::new();
        for t in 0..self.steps as u64 {
            let key = self.key().at(3).at(t).at(d.id);
            let data = task.sample(Split::Train, &[Member { instance: d.instance, key }]);
            *gradients += 1;
            steps.step(manifold, method, &|x| task.cost(x, &data), &mut x, &mut state)?;
        }
        self.cost(task, d, &x)
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// One candidate, for the message of an error.
pub(crate) fn words(t: &ScaleTried) -> String {
    match (t.after, &t.first_failure) {
        (Some(after), _) => format!("\n  at {:e} their mean cost is {after} afterwards", t.scale),
        (None, Some(why)) => format!("\n  at {:e} only {} survive; the first failure: {why}", t.scale, t.survived),
        (None, None) => format!("\n  at {:e} only {} survive", t.scale, t.survived),
    }
}
