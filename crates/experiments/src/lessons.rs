//! Optimisers that learn on the training examples of a contest and then take part in it: which networks there are, what
//! they practise on, and how. The contest itself, and the course of a training, are elsewhere.
//!
//! A fifth of the training examples is set aside. Inner loops descend on minibatches of the rest; the outer loss, and
//! the looks that choose the parameters, see the fifth alone. Test examples are seen by nobody.

use crate::cli::{FirstStep, LessonArgs, Network, Seen};
use crate::contest::contenders::{Contender, Unit};
use crate::contest::objective::{Objective, Part};
use crate::course::{self, Course};
use crate::error::{Error, Result, during};
use crate::fading::Fading;
use crate::ranks::Crew;
use pullback::{Axis, Var};
use pullback_implicit::Estimator;
use pullback_learned::{
    Descent, Each, Equivariant, EquivariantOptions, FileError, GmLstm, GmLstmOptions, Horizon, Input, LearnedOptimizer,
    Member, OnSuspect, OuterRule, Provenance, Rmm, RmmOptions, Rollout, Saved, ScaleChoice, ScaleSearch, Sees, Sides,
    Split, Subspace, SubspaceOptions, Task, Trained, Training, TrainingOptions, Update, WarmUp,
};
use pullback_manifolds::{Egrad, rng};
use pullback_optim::{Method, Rsgd, Schedule};
use rand::{Rng, RngExt};
use std::path::{Path, PathBuf};

/// Points that are optimised for one outer step, and how many of them are one piece of work.
const MEMBERS: usize = 4;
/// Inner steps, uniform in their logarithm.
const HORIZON: (usize, usize) = (4, 16);
/// Points in the pool, after so many classical steps, three times on the way.
const POOL: usize = 48;
const WARM_UP: usize = 20;
/// The first rate of the outer optimiser, and what is left of it in the end.
const RATE: (f64, f64) = (3e-3, 0.05);
/// The matrix LSTM adds its gates, so that it grows without bound and bears less.
const RATE_OF_SUMS: f64 = 3e-4;
/// The meta-gradient of each member, and of all, is shortened to this norm.
const CLIP: f64 = 1.0;
/// Keeps the weight of a point whose gradient vanishes finite; losses are of the order of one.
const SMALL_GRADIENT: f64 = 1e-3;
/// Looks at how good the parameters are in a run, and random starts of each.
const LOOKS: usize = 20;
const LOOK_AT: usize = 3;
/// The width of the step network of the generalised matrix LSTM.
const WIDTH: usize = 64;
/// The line of first steps: the largest in units of the tuned one, the factor between two, and how many.
const LINE: (f64, f64, usize) = (10.0, 3.1622776601683795, 6);

/// The examples to learn from, as two tasks: what inner loops descend on, and what is set aside.
pub(crate) struct Practice<'a> {
    pub(crate) inner: &'a dyn Objective,
    pub(crate) aside: &'a dyn Objective,
}

/// Which matrix of a point each member is, and its minibatch; none for what is set aside, which is taken whole.
pub(crate) struct Drawn(Vec<(usize, Option<usize>)>);

impl Practice<'_> {
    fn cost_of<'t>(&self, x: Var<'t>, (kind, lot): (usize, Option<usize>)) -> Var<'t> {
        match lot {
            Some(k) => self.inner.cost_of(x, kind, Part::Minibatch(k)),
            None => self.aside.cost_of(x, kind, Part::All),
        }
    }

    fn each<'t>(
        &self,
        x: Var<'t>,
        drawn: &Drawn,
        cost: impl Fn(Var<'t>, (usize, Option<usize>)) -> Var<'t>,
    ) -> Var<'t> {
        let all: Vec<Var<'t>> = drawn.0.iter().enumerate().map(|(b, d)| cost(x.member(b), *d)).collect();
        Var::concat(&all, Axis::Batch)
    }
}

impl Task for Practice<'_> {
    type Data = Drawn;

    fn instance(&self, rng: &mut dyn Rng) -> u64 {
        rng.random_range(0..self.inner.kinds() as u64)
    }

    fn sample(&self, split: Split, members: &[Member]) -> Drawn {
        let lot = |m: &Member| match split {
            Split::Train => Some(m.key.rng().random_range(0..self.inner.minibatches())),
            Split::Validation => None,
        };
        Drawn(members.iter().map(|m| (m.instance as usize, lot(m))).collect())
    }

    fn cost<'t>(&self, x: &[Var<'t>], drawn: &Drawn) -> Var<'t> {
        self.each(x[0], drawn, |x, d| self.cost_of(x, d))
    }

    /// Every member's loss divided by the norm of its gradient, a constant for derivatives: far and near points teach
    /// with equal weight.
    fn outer<'t>(&self, x: &[Var<'t>], drawn: &Drawn) -> Var<'t> {
        let m = self.inner.manifold();
        self.each(x[0], drawn, |x, d| {
            let e = x.grad(|x| self.cost_of(x, d));
            let g = m.egrad_to_rgrad(&[x], Egrad(&[e]));
            let size = (m.inner(&[x], &g, &g) + SMALL_GRADIENT * SMALL_GRADIENT).sqrt();
            self.cost_of(x, d).elem_div(size.stop_gradient())
        })
    }
}

/// What a training was and what it cost.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub(crate) struct Schooling {
    pub(crate) network: Network,
    pub(crate) parameters: usize,
    pub(crate) outer_steps: usize,
    /// Which gradient a matrix LSTM sees; nothing for others, which see the Riemannian one.
    pub(crate) sees: Option<Seen>,
    /// The step of gradient descent that it begins with, and how that was found, if it was not tuned.
    pub(crate) first_step: f64,
    pub(crate) search: Option<ScaleChoice>,
    /// Gradients and Hessian products of single minibatches, as passes over the training examples.
    pub(crate) passes: usize,
    pub(crate) dropped: usize,
    pub(crate) skipped: usize,
    pub(crate) seconds: f64,
    /// The lowest score of a look: the loss on what is set aside after a third of a run, mean over starts.
    pub(crate) score: Option<f64>,
    /// Were the parameters that it began with, which are those of gradient descent, better than any met later?
    pub(crate) learned_nothing: bool,
    pub(crate) file: PathBuf,
}

/// Someone who learned, ready for the contest.
pub(crate) struct Pupil {
    pub(crate) contender: Contender,
    /// The same with steps that become shorter and end after a third of a run, where that can be.
    pub(crate) fading: Option<Contender>,
    pub(crate) schooling: Schooling,
    /// To be [finished](Course::finish) when the command has written everything.
    pub(crate) course: Course,
}

/// The step of gradient descent that a network begins with, and the search that found it, if one did.
struct Begin {
    step: f64,
    search: Option<ScaleChoice>,
}

/// What all trainings of a contest share.
pub(crate) struct School<'a> {
    pub(crate) practice: Practice<'a>,
    pub(crate) args: &'a LessonArgs,
    pub(crate) sees: Seen,
    pub(crate) quick: bool,
    pub(crate) seed: u64,
    /// Steps of a third of a run, on which looks are taken.
    pub(crate) third: usize,
    /// The training examples in words, for the file.
    pub(crate) data: String,
    pub(crate) folder: &'a Path,
}

impl School<'_> {
    /// Trains one network. `tuned` is the step of the tuned gradient descent: where training begins unless the flag
    /// says otherwise.
    pub(crate) fn teach(&self, network: Network, tuned: f64) -> Result<Pupil> {
        let shape = self.practice.inner.start(0).shape();
        let begin = self.begin(network, tuned)?;
        let sees = match self.sees {
            Seen::Riemannian => Sees::Riemannian,
            Seen::Euclidean => Sees::Euclidean,
        };
        let update = Update { sees, ..Update::new(begin.step) };
        let rng = &mut rng(self.seed);
        match network {
            Network::Subspace => {
                let o = SubspaceOptions::new(Sides::Both);
                self.with_rule(network, "subspace adaptation", Each::new(Subspace::new(o), update), begin, rng)
            }
            Network::SubspaceFree => {
                let o = SubspaceOptions { mean_one: false, monotone: false, ..SubspaceOptions::new(Sides::Both) };
                self.with_rule(network, "subspace, unbound", Each::new(Subspace::new(o), update), begin, rng)
            }
            Network::GmLstm => {
                let o =
                    GmLstmOptions { input: Input::Rms, hidden: WIDTH, ..GmLstmOptions::new(shape.rows, shape.cols) };
                self.with_rule(network, "generalised matrix LSTM", Each::new(GmLstm::new(o), update), begin, rng)
            }
            Network::MatrixLstm => {
                if shape.rows != shape.cols {
                    let found =
                        format!("it is for square symmetric points, and these are {}x{}", shape.rows, shape.cols);
                    return Err(Error::Network { network: "matrix-lstm", found });
                }
                let rule = Rmm::new(RmmOptions::new(shape.rows));
                self.with_rule(network, "matrix LSTM", Each::new(rule, update), begin, rng)
            }
            Network::Equivariant => {
                // The second-order retraction of positive definite matrices turns back at length 1; the first step of a
                // run is as long as one of gradient descent where lengths are of the order of one.
                let o = EquivariantOptions { first: 0.5, scale: 1.0, longest: 0.9, ..EquivariantOptions::default() };
                let optimizer = Equivariant::new(o);
                let params = optimizer.init(rng);
                self.with(network, "equivariant", optimizer, params, begin)
            }
        }
    }

    /// The first step: the tuned one, or the best of a line at which gradient descent, which is what a network of zeros
    /// is, takes every member somewhere. The equivariant one has no such scale; its step fills the pool alone.
    fn begin(&self, network: Network, tuned: f64) -> Result<Begin> {
        if self.args.first_step == FirstStep::Tuned || network == Network::Equivariant {
            return Ok(Begin { step: tuned, search: None });
        }
        let line = ScaleSearch::line(tuned * LINE.0, LINE.1, LINE.2);
        let search = ScaleSearch { members: POOL, steps: self.third, seed: self.seed, ..line };
        let found = search.run(self.practice.inner.manifold(), &self.practice, |step| Rsgd { step });
        let found = found.map_err(during("the search for a first step"))?;
        Ok(Begin { step: found.scale, search: Some(found) })
    }

    fn with_rule<R>(
        &self,
        network: Network,
        name: &'static str,
        optimizer: Each<R>,
        begin: Begin,
        rng: &mut dyn Rng,
    ) -> Result<Pupil>
    where
        R: pullback_learned::SavedRule + Clone + 'static,
    {
        let params = optimizer.init(rng);
        self.with(network, name, optimizer, params, begin)
    }

    fn with<O>(
        &self,
        network: Network,
        name: &'static str,
        optimizer: O,
        params: O::Params,
        begin: Begin,
    ) -> Result<Pupil>
    where
        O: Saved + Clone + 'static,
        O::Params: 'static,
    {
        let file = |what: &str| self.folder.join(format!("{}.{what}", network.word()));
        let steps = self.args.steps.unwrap_or(if self.quick { 60 } else { 800 });
        let course = Course {
            name,
            steps,
            look_every: (steps / LOOKS).max(1),
            save_every: (steps / (2 * LOOKS)).max(1),
            file: file("training.json"),
            resume: self.args.resume && file("training.json").exists(),
        };
        let rsgd = Rsgd { step: begin.step };
        let methods: [&dyn Method; 1] = [&rsgd];
        let manifold = self.practice.inner.manifold();
        let (inner, first) = (Descent(optimizer.clone()), params.clone());
        let options = self.options(network, steps);
        let per_fill = options.warm_up.members * options.warm_up.steps;
        let mut training = Training::new(inner, params, manifold, &self.practice, &methods, options);
        let look = |params: &O::Params| self.look(&Trained::new(optimizer.clone(), params.clone()));
        if !course.resume {
            // What it begins as is better than anything that fails.
            let score = look(training.params());
            training.offer(score);
        }
        let seen = course.follow(&mut training, &mut Crew::alone(), &look)?;
        let score = training.state().best.as_ref().map(|(score, _)| *score);
        let params = training.best().unwrap_or_else(|| training.into_params());
        let trained = Trained::new(optimizer.clone(), params);
        self.save(&trained, &file("safetensors"))?;
        let schooling = Schooling {
            network,
            parameters: trained.parameter_count(),
            outer_steps: steps,
            sees: matches!(network, Network::GmLstm | Network::MatrixLstm).then_some(self.sees),
            first_step: begin.step,
            passes: self.passes(&seen, per_fill, begin.search.as_ref()),
            search: begin.search,
            dropped: seen.dropped,
            skipped: seen.skipped,
            seconds: seen.seconds,
            score,
            learned_nothing: trained.parameters == first,
            file: file("safetensors"),
        };
        let fading = self.fading(network, &trained);
        Ok(Pupil { contender: contender(name, trained), fading, schooling, course })
    }

    /// The equivariant one remembers its steps, so that nobody else may shorten them.
    fn fading<O>(&self, network: Network, trained: &Trained<O>) -> Option<Contender>
    where
        O: LearnedOptimizer + Clone + 'static,
        O::Params: 'static,
    {
        let name = match network {
            Network::Subspace => "subspace adaptation, fading",
            Network::SubspaceFree => "subspace, unbound, fading",
            Network::GmLstm => "generalised matrix LSTM, fading",
            Network::MatrixLstm => "matrix LSTM, fading",
            Network::Equivariant => return None,
        };
        let schedule = Schedule::Cosine { steps: u32::try_from(self.third).unwrap_or(u32::MAX) };
        let optimizer = Fading { optimizer: trained.optimizer.clone(), schedule };
        Some(contender(name, Trained { optimizer, parameters: trained.parameters.clone() }))
    }

    fn options(&self, network: Network, steps: usize) -> TrainingOptions {
        // A point is replaced when it has come about as far as a third of a run.
        let inner = MEMBERS as f64 * 0.5 * (HORIZON.0 + HORIZON.1) as f64;
        let refresh = (self.third * POOL) as f64 / inner;
        TrainingOptions {
            horizon: Horizon::LogUniform(HORIZON.0, HORIZON.1),
            members: MEMBERS,
            group: 1,
            estimator: Estimator::Unroll,
            on_suspect: OnSuspect::Apply,
            freeze_state: false,
            keep_state: true,
            fresh_batches: true,
            outer: OuterRule::Adam { rate: if network == Network::MatrixLstm { RATE_OF_SUMS } else { RATE.0 } },
            clip_each: Some(CLIP),
            clip: Some(CLIP),
            decay: Some((RATE.1.powf(1.0 / steps as f64), 1)),
            capacity: POOL,
            warm_up: WarmUp { members: POOL / 3, steps: WARM_UP, push_after: 0, push_every: WARM_UP / 2 },
            refresh: Some((refresh as usize).max(1)),
            seed: self.seed,
        }
    }

    /// The loss on what is set aside after a third of a run from random starts, mean over them.
    fn look(&self, method: &dyn Method) -> f64 {
        let inner = self.practice.inner;
        let run = |k: usize| -> pullback::Result<f64> {
            let start = inner.start(10_000 + k);
            let whole = Whole { practice: &self.practice };
            let mut run = Rollout::new(method, inner.manifold(), &whole, &[start], &[0], k as u64);
            for _ in 0..self.third {
                run.step()?;
            }
            Ok(self.practice.aside.training_loss(&run.point()[0]))
        };
        let losses: pullback::Result<Vec<f64>> = (0..LOOK_AT).map(run).collect();
        losses.map_or(f64::INFINITY, |l| l.iter().sum::<f64>() / LOOK_AT as f64)
    }

    /// Minibatch gradients and, where they were differentiated, products with their Hessians; looks, fills and outer
    /// losses with their gradients. Of the members of a point with several matrices each is its part of a minibatch.
    fn passes(&self, seen: &course::Seen, per_fill: usize, search: Option<&ScaleChoice>) -> usize {
        let inner = self.practice.inner;
        let (lots, kinds) = (inner.minibatches() as f64, inner.kinds() as f64);
        let (searched, scales) = search.map_or((0, 0), |s| (s.gradients, 1 + s.tried.len()));
        let small = (2 * seen.inner_steps + seen.fills * per_fill + searched) as f64 / (lots * kinds);
        let whole = (2 * seen.outer_losses + scales * POOL) as f64 * ASIDE / kinds;
        let looks = ((seen.looks + 1) * LOOK_AT) as f64 * (self.third as f64 / lots + ASIDE);
        (small + whole + looks).ceil() as usize
    }

    fn save<O: Saved>(&self, trained: &Trained<O>, path: &Path) -> Result<()> {
        let data = format!("{}, seed {}", self.data, self.seed);
        let provenance = Provenance::new(self.practice.inner.manifold(), data);
        trained.save(path, &provenance).map_err(|e| match e {
            FileError::Io { source, .. } => {
                Error::Unwritable { what: "the optimiser", option: "--out DIR", path: path.into(), source }
            }
            e => during("saving the optimiser")(e),
        })
    }
}

/// Which part of the training examples is set aside.
pub(crate) const ASIDE: f64 = 0.2;

/// A trained optimiser takes part as it is: nothing of it is tuned.
fn contender<O>(name: &'static str, trained: Trained<O>) -> Contender
where
    O: LearnedOptimizer + Clone + 'static,
    O::Params: 'static,
{
    Contender::rule(name, Unit::None, &[0.0], move |_| trained.clone())
}

/// The inner examples for whole points: a point of several matrices at once.
struct Whole<'a> {
    practice: &'a Practice<'a>,
}

impl Task for Whole<'_> {
    type Data = usize;
    fn sample(&self, _: Split, members: &[Member]) -> usize {
        members[0].key.rng().random_range(0..self.practice.inner.minibatches())
    }
    fn cost<'t>(&self, x: &[Var<'t>], lot: &usize) -> Var<'t> {
        self.practice.inner.cost(x[0], Part::Minibatch(*lot))
    }
}

/// A split of `n` examples: those to descend on, and those set aside.
pub(crate) fn set_aside(n: usize, seed: u64) -> (Vec<usize>, Vec<usize>) {
    use rand::seq::SliceRandom;
    let mut order: Vec<usize> = (0..n).collect();
    order.shuffle(&mut rng(!seed));
    let aside = order.split_off(n - (n as f64 * ASIDE).round() as usize);
    (order, aside)
}
