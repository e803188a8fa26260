//! The gradient-free optimiser from point to point: rounds of steps on one tangent space with one retraction at the
//! end, as an inner loop of a training, and, once trained, as a method that uses data. The steps on the tangent
//! space are those of `inner.rs`; files are in `free_file.rs`.

use crate::each::{MatrixRule, RuleVars};
use crate::free_file::SavedFeatures;
use crate::inner::{Cost, Features, InnerLoop, OnTangent};
use crate::steps::{Stepper, gradient};
use pullback::{Batch, Leaves, Result, Scalar, Shape, Tape, Var};
use pullback_manifolds::{Egrad, Manifold, Parts, Rgrad};
use pullback_optim::Method;
use rand::Rng;
use smallvec::SmallVec;
use std::fmt;

/// The gradient-free loop as a loop from point to point: each of its steps is a whole round of an [`OnTangent`], on one
/// minibatch.
///
/// A round computes one gradient and the features of the data of its step, takes `steps` steps on the tangent space and
/// ends with one retraction. The state of the network continues from round to round. A network of zeros is gradient
/// descent with step `s`, on every manifold, whatever the features are.
#[derive(Debug, Clone, PartialEq)]
pub struct Rounds<R, F> {
    /// The loop on one tangent space.
    pub inner: OnTangent<R, F>,
    /// Its steps: 20 for principal components, 50 for faces and 5 for clustering in the paper's code.
    pub steps: usize,
}

impl<R, F> Rounds<R, F> {
    /// Rounds of this many steps.
    pub fn new(inner: OnTangent<R, F>, steps: usize) -> Self {
        Rounds { inner, steps }
    }

    /// Fresh parameters of the network and of the features.
    pub fn init<T: Scalar>(&self, rng: &mut dyn Rng) -> (R::Params, F::Params)
    where
        R: MatrixRule<T>,
        F: SavedFeatures<T>,
    {
        let network = self.inner.rule.init(&self.inner.update, rng);
        (network, self.inner.features.fresh(rng))
    }

    fn states<T: Scalar>(&self, points: &[Shape]) -> Vec<Batch<T>>
    where
        R: MatrixRule<T>,
    {
        points.iter().flat_map(|s| self.inner.rule.begin(*s).batches()).collect()
    }

    /// A round from a point with this Riemannian gradient: the next point and the network's next states.
    fn round<'t, D, T: Scalar>(
        &self,
        m: &dyn Manifold<T>,
        phi: &(RuleVars<'t, R, T>, <F::Params as Leaves>::Vars<'t>),
        x: &[Var<'t, T>],
        rgrad: &[Var<'t, T>],
        states: &[Var<'t, T>],
        data: &D,
    ) -> (Parts<'t, T>, Vec<Var<'t, T>>)
    where
        R: MatrixRule<T>,
        F: Features<D, T>,
    {
        let features = self.inner.features.see(&phi.1, x, data);
        let start = rgrad.iter().map(|g| g.scaled(self.inner.start));
        let mut beside: Vec<Var<'t, T>> = start.chain(states.iter().copied()).collect();
        for _ in 0..self.steps {
            let (p, states) = beside.split_at(x.len());
            beside = self.inner.along::<D, T>(m, phi, x, p, states, features.as_ref());
        }
        let states = beside.split_off(x.len());
        let back: Parts<'t, T> = beside.iter().map(|p| -*p).collect();
        (m.retract(x, &back), states)
    }
}

impl<D, T: Scalar, R: MatrixRule<T>, F: Features<D, T>> InnerLoop<D, T> for Rounds<R, F> {
    type Params = (R::Params, F::Params);

    fn name(&self) -> String {
        format!("{} in rounds of {} steps on a tangent space", self.inner.rule.name(), self.steps)
    }

    /// The network's states.
    fn begin(&self, points: &[Shape]) -> Vec<Batch<T>> {
        self.states(points)
    }

    fn step<'t>(
        &self,
        m: &dyn Manifold<T>,
        phi: &<Self::Params as Leaves>::Vars<'t>,
        x: &[Var<'t, T>],
        beside: &[Var<'t, T>],
        _: usize,
        cost: Cost<'_, 't, T>,
        data: &D,
    ) -> (Parts<'t, T>, Vec<Var<'t, T>>) {
        let rgrad = m.egrad_to_rgrad(x, Egrad(&gradient(x, cost)));
        self.round(m, phi, x, &rgrad.0, beside, data)
    }
}

/// A gradient-free optimiser with its parameters.
///
/// It uses data, so it is a [`Method`] only together with them: [`looking_at`](GradientFree::looking_at).
/// Where every step has other data, as minibatches are, [`FreeRun`] takes its steps.
///
/// ```
/// use pullback::prelude::*;
/// use pullback_learned::*;
/// use pullback_manifolds::{Grassmann, Manifold, rng};
/// use pullback_optim::{Problem, Rsgd, Steps, Stop};
///
/// // Five images of 2x2 pixels in columns, and planes that lose least of them.
/// let data = Batch::from_fn(pullback::Shape::mat(4, 5), |_, i, j| ((3 * i + 5 * j) % 7) as f64);
/// let gr = Grassmann::new(4, 2);
/// let features = Convolved { height: 2, width: 2, images: 5, columns: 2 };
/// let rule = GmLstm::new(GmLstmOptions { hidden: 8, ..GmLstmOptions::new(4, 2) });
/// let inner = OnTangent::new(rule, Update::new(0.1), 0.002).weighing(Weight::OfTangent(1.0)).seeing(features);
/// let rounds = Rounds::new(inner, 10);
/// let fresh = rounds.init(&mut rng(1));                              // is gradient descent with step 0.002
/// let free: GradientFree<_, _> = GradientFree::new(rounds, fresh);
///
/// let x0 = gr.random_point(1, &mut rng(2)).swap_remove(0);
/// let problem = Problem::new(&gr, &x0, |x: Var| {
///     let y = x.t_mul(x.tape().constant(&data));
///     -y.dot(y)
/// });
/// let found = problem.solve(Steps(free.looking_at(&data)), Stop::Iterations(20))?;
/// let descent = problem.solve(Rsgd { step: 0.002 }, Stop::Iterations(20))?;
/// assert!((found.cost - descent.cost).abs() < 1e-10);
///
/// // The same with data of its own in every step, as minibatches are.
/// let mut run = FreeRun::new(&free, &gr, std::slice::from_ref(&x0));
/// for _ in 0..20 {
///     run.step_on(&|x| -x[0].t_mul(x[0].tape().constant(&data)).dot(x[0].t_mul(x[0].tape().constant(&data))), &data)?;
/// }
/// assert!((run.point()[0].member(0) - found.point.member(0)).norm_max() < 1e-8);
///
/// // Stored and read like every other optimiser; the manifold has to be the one of the training.
/// let bytes = free.to_bytes(&Provenance::new(&gr, "nothing yet"))?;
/// let again = StoredFree::<GmLstm, Convolved>::from_bytes(&bytes)?.on(&gr)?;
/// assert_eq!(again, free);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct GradientFree<R: MatrixRule<T>, F: SavedFeatures<T>, T: Scalar = f64> {
    /// The rounds that it takes.
    pub rounds: Rounds<R, F>,
    /// The parameters of the network and of the features.
    pub parameters: (R::Params, F::Params),
}

impl<R: MatrixRule<T>, F: SavedFeatures<T>, T: Scalar> GradientFree<R, F, T> {
    /// Rounds with these parameters.
    pub fn new(rounds: Rounds<R, F>, parameters: (R::Params, F::Params)) -> Self {
        GradientFree { rounds, parameters }
    }

    /// How many numbers are learned.
    pub fn parameter_count(&self) -> usize {
        self.parameters.shapes().iter().map(Shape::len).sum()
    }

    /// The method that uses these data in each of its steps. Each step computes one gradient.
    pub fn looking_at<'a, D: Sync>(&'a self, data: &'a D) -> Looking<'a, R, F, D, T> {
        Looking { free: self, data }
    }
}

/// A gradient-free optimiser together with the data that it uses: see [`GradientFree::looking_at`].
pub struct Looking<'a, R: MatrixRule<T>, F: SavedFeatures<T>, D, T: Scalar = f64> {
    free: &'a GradientFree<R, F, T>,
    data: &'a D,
}

impl<R: MatrixRule<T>, F: SavedFeatures<T>, D, T: Scalar> Clone for Looking<'_, R, F, D, T> {
    fn clone(&self) -> Self {
        Looking { free: self.free, data: self.data }
    }
}

/// The data are not printed.
impl<R: MatrixRule<T>, F: SavedFeatures<T>, D, T: Scalar> fmt::Debug for Looking<'_, R, F, D, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Looking").field("rounds", &self.free.rounds).finish_non_exhaustive()
    }
}

impl<R, F, D, T> Method<T> for Looking<'_, R, F, D, T>
where
    R: MatrixRule<T>,
    F: SavedFeatures<T> + Features<D, T, Params = <F as SavedFeatures<T>>::Params>,
    D: Sync,
    T: Scalar,
{
    fn name(&self) -> String {
        format!("learned {} in rounds of {} steps", self.free.rounds.inner.rule.name(), self.free.rounds.steps)
    }

    fn state(&self, points: &[Shape]) -> SmallVec<[Shape; 2]> {
        self.free.rounds.states::<T>(points).iter().map(Batch::shape).collect()
    }

    fn begin(&self, points: &[Shape]) -> Vec<Batch<T>> {
        self.free.rounds.states(points)
    }

    fn step<'t>(
        &self,
        m: &dyn Manifold<T>,
        x: &[Var<'t, T>],
        rgrad: Rgrad<&[Var<'t, T>]>,
        state: &[Var<'t, T>],
    ) -> (Parts<'t, T>, Parts<'t, T>) {
        let held = self.hold(x[0].tape());
        self.step_holding(m, x, Egrad(rgrad.0), rgrad, state, &held)
    }

    fn hold<'t>(&self, tape: &'t Tape<T>) -> Parts<'t, T> {
        let mut list = Parts::new();
        self.free.parameters.visit("", &mut |_, m| list.push(tape.constant(m)));
        list
    }

    fn step_holding<'t>(
        &self,
        m: &dyn Manifold<T>,
        x: &[Var<'t, T>],
        _: Egrad<&[Var<'t, T>]>,
        rgrad: Rgrad<&[Var<'t, T>]>,
        state: &[Var<'t, T>],
        held: &[Var<'t, T>],
    ) -> (Parts<'t, T>, Parts<'t, T>) {
        let phi = self.free.parameters.bind_all(held);
        let (next, states) = self.free.rounds.round(m, &phi, x, rgrad.0, state, self.data);
        (next, states.into_iter().collect())
    }
}

/// A run of a gradient-free optimiser from given points, whose every step has a cost and data of its own.
#[derive(Debug)]
pub struct FreeRun<'a, R: MatrixRule<T>, F: SavedFeatures<T>, T: Scalar = f64> {
    free: &'a GradientFree<R, F, T>,
    manifold: &'a dyn Manifold<T>,
    point: Vec<Batch<T>>,
    state: Vec<Batch<T>>,
    on: Stepper<T>,
}

impl<'a, R: MatrixRule<T>, F: SavedFeatures<T>, T: Scalar> FreeRun<'a, R, F, T> {
    /// A run from points that are members of a batch.
    pub fn new(free: &'a GradientFree<R, F, T>, manifold: &'a dyn Manifold<T>, start: &[Batch<T>]) -> Self {
        let shapes: Vec<Shape> = start.iter().map(Batch::shape).collect();
        FreeRun { free, manifold, point: start.to_vec(), state: free.rounds.states(&shapes), on: Stepper::new() }
    }

    /// The points now: the matrices, each a batch.
    pub fn point(&self) -> &[Batch<T>] {
        &self.point
    }

    /// One round: the gradient of the sum of the members' costs, the features of the data, and one retraction. Returns
    /// the points.
    ///
    /// # Errors
    /// The first failure of the cost, its gradient or the round; a point that is not finite. The points stay as they
    /// were.
    pub fn step_on<D>(&mut self, cost: &dyn for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T>, data: &D) -> Result<&[Batch<T>]>
    where
        D: Sync,
        F: Features<D, T, Params = <F as SavedFeatures<T>>::Params>,
    {
        let method = self.free.looking_at(data);
        self.on.step(self.manifold, &method, cost, &mut self.point, &mut self.state)?;
        Ok(&self.point)
    }
}
