//! A cost that is a mean over minibatches, and how minibatches are drawn. Methods that use it are elsewhere.

use crate::oracle::{Oracle, WHOLE, Where, double};
use crate::run::{Checkpoint, Found, Run};
use crate::solver::Solver;
use crate::stop::Stop;
use crate::{Error, Result};
use pullback::{Batch, Key, Leaves, MatLike, Tape, Var};
use pullback_manifolds::{Manifold, rng};
use rand::RngExt;
use smallvec::SmallVec;

/// The cost of a minibatch: a closure `(point, number of the minibatch) -> number`.
pub trait BatchFn<'t, L: Leaves>: Fn(L::Vars<'t>, usize) -> Var<'t, L::Scalar> {}
impl<'t, L: Leaves, F: Fn(L::Vars<'t>, usize) -> Var<'t, L::Scalar>> BatchFn<'t, L> for F {}

/// Minimise the mean of the costs of minibatches.
///
/// The closure is given the number of a minibatch, from 0, and must give the same number for the same point and
/// minibatch. Methods with a rule ([`Rsgd`](crate::Rsgd), [`RAdam`](crate::RAdam), ...) take another minibatch at each
/// step: each once in random order, then all again in another order. Solvers with a line search or a trust region use
/// the mean of all. The cost that a run of a method reports is that of the minibatch; [`Stochastic::whole`] gives the
/// mean.
///
/// ```
/// use pullback::prelude::*;
/// use pullback_manifolds::{Grassmann, Manifold, rng};
/// use pullback_optim::{Problem, Rsgd, Rsrg, Rsvrg, Stop};
///
/// let data: Vec<faer::Mat<f64>> = (0..8).map(|k| faer::Mat::from_fn(5, 5, |i, j| ((i + 2 * j + k) as f64).sin())).collect();
/// let gr = Grassmann::new(5, 2);
/// let x0 = gr.random_point(1, &mut rng(1)).swap_remove(0);
/// let problem = Problem::stochastic(&gr, &x0, 8, |x, k| { let y = x.t_mul(&data[k]); -y.dot(y).sum() });
/// let found = problem.solve(Rsvrg::new(0.01), Stop::Iterations(400))?;
/// assert!(problem.whole(&found.point)? < problem.whole(&x0)?);
/// let found = problem.solve(Rsrg::new(0.01), Stop::Iterations(400))?;     // the recursive estimate
/// assert!(problem.whole(&found.point)? < problem.whole(&x0)?);
/// # use pullback::faer;
/// # Ok::<(), pullback_optim::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Stochastic<'m, L: Leaves, F> {
    manifold: &'m dyn Manifold<L::Scalar>,
    start: &'m L,
    batches: usize,
    seed: u64,
    cost: F,
}

impl<'m, L: Leaves, F: for<'t> BatchFn<'t, L>> Stochastic<'m, L, F> {
    pub(crate) fn new(manifold: &'m dyn Manifold<L::Scalar>, start: &'m L, batches: usize, cost: F) -> Self {
        Stochastic { manifold, start, batches, seed: 0, cost }
    }

    /// The seed of the orders in which minibatches are drawn; by default 0.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Stochastic { seed, ..self }
    }

    /// A run of a solver from the start, as [`Problem::run`](crate::Problem::run).
    pub fn run<S: Solver<L::Scalar>>(&self, solver: S, stop: Stop) -> Run<'_, L, S> {
        Run::new((self.manifold, self.start), Box::new(self.oracle()), solver, stop)
    }

    /// Runs a solver to its end.
    ///
    /// # Errors
    /// As [`Run::step`].
    pub fn solve<S: Solver<L::Scalar>>(&self, solver: S, stop: Stop) -> Result<Found<L>> {
        self.run(solver, stop).to_end()
    }

    /// Continues a run, as [`Problem::resume`](crate::Problem::resume).
    ///
    /// # Errors
    /// As there.
    pub fn resume<S: Solver<L::Scalar>>(
        &self,
        solver: S,
        stop: Stop,
        from: &Checkpoint<L::Scalar>,
    ) -> Result<Run<'_, L, S>> {
        let mut run = self.run(solver, stop);
        run.restore(from)?;
        Ok(run)
    }

    /// The mean cost of all minibatches at a point.
    ///
    /// # Errors
    /// The first failure of the cost.
    pub fn whole(&self, x: &L) -> Result<f64> {
        self.oracle().at(&x.batches(), WHOLE)
    }

    fn oracle(&self) -> Minibatches<'_, L, F> {
        Minibatches {
            like: self.start,
            cost: &self.cost,
            count: self.batches,
            seed: self.seed,
            tape: Tape::new(),
            at: (Vec::new(), WHOLE),
            recorded: None,
            order: (Vec::new(), None),
        }
    }
}

/// The closure as an [`Oracle`]. Minibatches are other programs, so each is recorded when it is drawn.
struct Minibatches<'p, L: Leaves, F> {
    like: &'p L,
    cost: &'p F,
    count: usize,
    seed: u64,
    tape: Tape<L::Scalar>,
    /// Point and draw of the last question.
    at: (Vec<Batch<L::Scalar>>, u64),
    /// What is on the tape: the inputs and the cost of one minibatch.
    recorded: Option<(Vec<Key>, Key)>,
    /// An order of the minibatches and the round that it belongs to.
    order: (Vec<usize>, Option<u64>),
}

impl<L: Leaves, F: for<'t> BatchFn<'t, L>> Minibatches<'_, L, F> {
    /// The minibatches that a draw means.
    fn members(&mut self, draw: u64) -> Result<SmallVec<[usize; 1]>> {
        if self.count == 0 {
            return Err(Error::Setting { setting: "minibatches", expected: "at least 1", got: 0.0 });
        }
        if draw == WHOLE {
            return Ok((0..self.count).collect());
        }
        let (round, place) = (draw / self.count as u64, (draw % self.count as u64) as usize);
        if self.order.1 != Some(round) {
            let random = &mut rng(self.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(round));
            let list = &mut self.order.0;
            list.clear();
            list.extend(0..self.count);
            // Fisher and Yates.
            (1..self.count).rev().for_each(|i| list.swap(i, random.random_range(0..=i)));
            self.order.1 = Some(round);
        }
        Ok(smallvec::smallvec![self.order.0[place]])
    }

    /// Records the cost of minibatch `k`.
    fn record(&mut self, x: &[Batch<L::Scalar>], k: usize) -> Result<f64> {
        self.tape.clear();
        self.recorded = None;
        let list: Vec<Var<'_, L::Scalar>> = x.iter().map(|x| self.tape.input(x)).collect();
        let y = (self.cost)(self.like.bind_all(&list), k);
        self.tape.check().map_err(|e| Error::from(e).naming(self.like))?;
        if y.shape() != pullback::Shape::SCALAR {
            return Err(pullback::Error::NotScalar { shape: y.shape() }.into());
        }
        self.recorded = Some((list.iter().map(Var::key).collect(), y.key()));
        Ok(double(y.scalar()))
    }

    /// Adds to `out`, for each minibatch of the draw, its share of what `sweep` finds.
    fn mean(
        &mut self,
        draw: u64,
        x: &[Batch<L::Scalar>],
        out: &mut [Batch<L::Scalar>],
        sweep: &dyn Fn(
            &Tape<L::Scalar>,
            Var<'_, L::Scalar>,
            &[Var<'_, L::Scalar>],
            &mut [&mut Batch<L::Scalar>],
        ) -> pullback::Result<()>,
    ) -> Result<()> {
        let members = self.members(draw)?;
        let share = 1.0 / members.len() as f64;
        let mut sum = crate::Numbers::zeros(out);
        let mut one = crate::Numbers::zeros(out);
        for k in &members {
            if members.len() > 1 || self.recorded.is_none() {
                self.record(x, *k)?;
            }
            let Some((inputs, y)) = &self.recorded else { return Err(Error::NoPoint) };
            let list: SmallVec<[_; 2]> = inputs.iter().map(|k| self.tape.var(*k)).collect();
            let found =
                sweep(&self.tape, self.tape.var(*y), &list, &mut one.0.iter_mut().collect::<SmallVec<[_; 2]>>());
            found.map_err(|e| Error::from(e).naming(self.like))?;
            sum.combine(1.0, share, &one);
        }
        out.iter_mut().zip(&*sum).for_each(|(to, from)| to.data_mut().copy_from_slice(from.data()));
        Ok(())
    }
}

impl<L: Leaves, F: for<'t> BatchFn<'t, L>> Oracle<L::Scalar> for Minibatches<'_, L, F> {
    fn at(&mut self, x: &[Batch<L::Scalar>], draw: u64) -> Result<f64> {
        let members = self.members(draw)?;
        let mut sum = 0.0;
        for k in &members {
            sum += self.record(x, *k)?;
        }
        self.at = (x.to_vec(), draw);
        Ok(sum / members.len() as f64)
    }

    fn gradient(&mut self, out: &mut [Batch<L::Scalar>]) -> Result<()> {
        let (x, draw) = std::mem::take(&mut self.at);
        let found = self.mean(draw, &x, out, &|tape, y, x, out| tape.gradient_into(y, x, out));
        self.at = (x, draw);
        found
    }

    fn hessian(
        &mut self,
        at: &Where<'_, L::Scalar>,
        v: &[Batch<L::Scalar>],
        out: &mut [Batch<L::Scalar>],
    ) -> Result<()> {
        // Another point or draw may be on the tape.
        self.recorded = None;
        let found = self.mean(at.draw, at.x, out, &|tape, y, x, out| {
            let seeds: SmallVec<[(Var<'_, _>, &dyn MatLike<_>); 2]> =
                x.iter().zip(v).map(|(x, v)| (*x, v as &dyn MatLike<_>)).collect();
            tape.hvps_into(y, &seeds, out)
        });
        self.recorded = None;
        let last = std::mem::take(&mut self.at.0);
        if !last.is_empty() {
            let draw = self.at.1;
            let k = self.members(draw)?;
            self.record(&last, k[k.len() - 1])?;
        }
        self.at.0 = last;
        found
    }

    fn bytes(&self) -> usize {
        self.tape.peak_bytes()
    }
}
