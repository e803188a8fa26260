//! Optimisers that learn on the training examples of a contest and then take part in it: which networks there are, and
//! how they are trained. The gradient-free one is in `free.rs`, what all practise on in `practice.rs`; the contest
//! itself, and the course of a training, are elsewhere.
//!
//! A fifth of the training examples is set aside. Inner loops descend on minibatches of the rest; the outer loss, and
//! the looks that choose the parameters, see the fifth alone. Test examples are seen by nobody.

use crate::cli::{FirstStep, LessonArgs, Network, Practise, Seen};
use crate::contest::contenders::{Contender, Unit};
use crate::course::{self, Course};
use crate::error::{Error, Result, during};
use crate::fading::Fading;
use crate::practice::{ASIDE, Practice, Whole};
use crate::ranks::Crew;
use pullback_implicit::Estimator;
use pullback_learned::{
    Descent, Each, Equivariant, EquivariantOptions, FileError, GmLstm, GmLstmOptions, Horizon, InnerLoop, Input,
    LearnedOptimizer, OnSuspect, OuterRule, Provenance, Rmm, RmmOptions, Rollout, Saved, ScaleChoice, ScaleSearch,
    Sees, Sides, Subspace, SubspaceOptions, Task, Trained, Training, TrainingOptions, Update, WarmUp,
};
use pullback_manifolds::rng;
use pullback_optim::{Method, Rsgd, Schedule};
use std::path::{Path, PathBuf};

/// Points that are optimised for one outer step, and how many of them are one piece of work.
const MEMBERS: usize = 4;
/// Inner steps, uniform in their logarithm.
const HORIZON: (usize, usize) = (4, 16);
/// The same of the gradient-free optimiser, each of whose steps is a round of several.
const ROUNDS: (usize, usize) = (1, 4);
/// Points in the pool, after so many classical steps, three times on the way.
const POOL: usize = 48;
const WARM_UP: usize = 20;
/// The first rate of the outer optimiser, and what is left of it in the end.
const RATE: (f64, f64) = (3e-3, 0.05);
/// The matrix LSTM adds its gates, so that it grows without bound and bears less.
const RATE_OF_SUMS: f64 = 3e-4;
/// The meta-gradient of each member, and of all, is shortened to this norm.
const CLIP: f64 = 1.0;
/// Looks at how good the parameters are in a run, and random starts of each.
const LOOKS: usize = 20;
pub(crate) const LOOK_AT: usize = 3;
/// The first of these starts.
pub(crate) const FIRST: usize = 10_000;
/// The width of the step network of the generalised matrix LSTM.
pub(crate) const WIDTH: usize = 64;
/// The line of first steps: the largest in units of the tuned one, the factor between two, and how many.
const LINE: (f64, f64, usize) = (10.0, 3.1622776601683795, 6);

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
    /// Of the gradient-free one: how many steps on a tangent space a round has.
    pub(crate) round: Option<usize>,
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
    /// The same with steps that become shorter and end after a third of a run, where that can be; a factor on them is
    /// to be tuned.
    pub(crate) fading: Option<Contender>,
    pub(crate) schooling: Schooling,
    /// To be [finished](Course::finish) when the command has written everything.
    pub(crate) course: Course,
}

/// The step of gradient descent that a network begins with, and the search that found it, if one did.
pub(crate) struct Begin {
    pub(crate) step: f64,
    pub(crate) search: Option<ScaleChoice>,
}

/// Which training it is.
pub(crate) struct Lesson {
    pub(crate) network: Network,
    pub(crate) name: &'static str,
    pub(crate) begin: Begin,
    /// Of the gradient-free one.
    pub(crate) round: Option<usize>,
}

/// What a training left.
pub(crate) struct Taught<P> {
    pub(crate) params: P,
    learned_nothing: bool,
    score: Option<f64>,
    seen: course::Seen,
    /// Gradients of minibatches that filling the pool once takes.
    per_fill: usize,
    course: Course,
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
    /// says otherwise. A helper of the crew works for the one that learns, and has nothing to show for it.
    pub(crate) fn teach(&self, network: Network, tuned: f64, crew: &mut Crew) -> Result<Option<Pupil>> {
        let shape = self.practice.inner.start(0).shape();
        let begin = self.begin(network, tuned)?;
        let sees = if self.sees == Seen::Riemannian { Sees::Riemannian } else { Sees::Euclidean };
        let update = Update { sees, ..Update::new(begin.step) };
        match network {
            Network::Subspace => {
                let o = SubspaceOptions::new(Sides::Both);
                self.with_rule(network, "subspace adaptation", Each::new(Subspace::new(o), update), begin, crew)
            }
            Network::SubspaceFree => {
                let o = SubspaceOptions { mean_one: false, monotone: false, ..SubspaceOptions::new(Sides::Both) };
                self.with_rule(network, "subspace, unbound", Each::new(Subspace::new(o), update), begin, crew)
            }
            Network::GmLstm => {
                let o =
                    GmLstmOptions { input: Input::Rms, hidden: WIDTH, ..GmLstmOptions::new(shape.rows, shape.cols) };
                self.with_rule(network, "generalised matrix LSTM", Each::new(GmLstm::new(o), update), begin, crew)
            }
            Network::MatrixLstm => {
                if shape.rows != shape.cols {
                    let found =
                        format!("it is for square symmetric points, and these are {}x{}", shape.rows, shape.cols);
                    return Err(Error::Network { network: "matrix-lstm", found });
                }
                let rule = Rmm::new(RmmOptions::new(shape.rows));
                self.with_rule(network, "matrix LSTM", Each::new(rule, update), begin, crew)
            }
            Network::Equivariant => {
                // The second-order retraction of positive definite matrices turns back at length 1; the first step of a
                // run is as long as one of gradient descent where lengths are of the order of one.
                let o = EquivariantOptions { first: 0.5, scale: 1.0, longest: 0.9, ..EquivariantOptions::default() };
                let optimizer = Equivariant::new(o);
                let params = optimizer.init(&mut rng(self.seed));
                self.with(Lesson { network, name: "equivariant", begin, round: None }, optimizer, params, crew)
            }
            Network::GradientFree | Network::GradientFreeBlind => self.free(network, begin, crew),
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
        crew: &mut Crew,
    ) -> Result<Option<Pupil>>
    where
        R: pullback_learned::SavedRule + Clone + 'static,
    {
        let params = optimizer.init(&mut rng(self.seed));
        self.with(Lesson { network, name, begin, round: None }, optimizer, params, crew)
    }

    fn with<O>(&self, lesson: Lesson, optimizer: O, params: O::Params, crew: &mut Crew) -> Result<Option<Pupil>>
    where
        O: Saved + Clone + 'static,
        O::Params: 'static,
    {
        let taught = match self.in_runs(lesson.network) {
            true => self.descend(&lesson, self.faded(&optimizer), params, crew)?,
            false => self.descend(&lesson, optimizer.clone(), params, crew)?,
        };
        let Some(taught) = taught else { return Ok(None) };
        let trained = Trained::new(optimizer.clone(), taught.params.clone());
        let file = self.file(lesson.network, "safetensors");
        self.saved(trained.save(&file, &self.provenance()), &file)?;
        let fading = self.fading(lesson.network, &trained);
        let (count, name) = (trained.parameter_count(), lesson.name);
        let (schooling, course) = self.schooling(lesson, count, taught, file);
        Ok(Some(Pupil { contender: contender(name, trained), fading, schooling, course }))
    }

    /// Is it trained in runs that fade?
    fn in_runs(&self, network: Network) -> bool {
        self.args.practise == Practise::Runs && fading_name(network).is_some()
    }

    /// Trains a rule of one step, with looks at it as it is trained.
    fn descend<O>(
        &self,
        lesson: &Lesson,
        optimizer: O,
        params: O::Params,
        crew: &mut Crew,
    ) -> Result<Option<Taught<O::Params>>>
    where
        O: LearnedOptimizer + Clone,
    {
        let look = |params: &O::Params| self.look(&Trained::new(optimizer.clone(), params.clone()));
        self.train(lesson, Descent(optimizer.clone()), params, &self.practice, &look, crew)
    }

    /// The optimiser with steps that end after a third of a run.
    fn faded<O: Clone>(&self, optimizer: &O) -> Fading<O> {
        let schedule = Schedule::Cosine { steps: u32::try_from(self.third).unwrap_or(u32::MAX) };
        Fading { optimizer: optimizer.clone(), factor: 1.0, schedule }
    }

    /// A file of this network in the folder of results.
    pub(crate) fn file(&self, network: Network, what: &str) -> PathBuf {
        self.folder.join(format!("{}.{what}", network.word()))
    }

    /// Runs a training to its end, with looks at how good the parameters are. Nothing comes of it for a helper.
    pub(crate) fn train<L: InnerLoop<K::Data>, K: Task>(
        &self,
        lesson: &Lesson,
        inner: L,
        params: L::Params,
        task: &K,
        look: &dyn Fn(&L::Params) -> f64,
        crew: &mut Crew,
    ) -> Result<Option<Taught<L::Params>>> {
        let steps = self.args.steps.unwrap_or(if self.quick { 60 } else { 800 });
        let unfinished = self.file(lesson.network, "training.json");
        let course = Course {
            name: lesson.name,
            steps,
            look_every: (steps / LOOKS).max(1),
            save_every: (steps / (2 * LOOKS)).max(1),
            resume: self.args.resume && unfinished.exists(),
            file: unfinished,
        };
        let rsgd = Rsgd { step: lesson.begin.step };
        let methods: [&dyn Method; 1] = [&rsgd];
        let (first, options) = (params.clone(), self.options(lesson.network, steps));
        let per_fill = options.warm_up.members * options.warm_up.steps;
        let manifold = self.practice.inner.manifold();
        let mut training = Training::new(inner, params, manifold, task, &methods, options).threads(crew.threads());
        if crew.helper().is_some() {
            return crew.help(&mut training).map(|()| None);
        }
        if !course.resume {
            // What it begins as is better than anything that fails.
            let score = look(training.params());
            training.offer(score);
        }
        let seen = course.follow(&mut training, crew, look)?;
        let score = training.state().best.as_ref().map(|(score, _)| *score);
        let params = training.best().unwrap_or_else(|| training.into_params());
        let learned_nothing = params == first;
        Ok(Some(Taught { params, learned_nothing, score, seen, per_fill, course }))
    }

    /// What a training was and what it cost, and its course.
    pub(crate) fn schooling<P>(
        &self,
        lesson: Lesson,
        parameters: usize,
        taught: Taught<P>,
        file: PathBuf,
    ) -> (Schooling, Course) {
        let Lesson { network, begin, round, .. } = lesson;
        let Taught { learned_nothing, score, seen, per_fill, course, .. } = taught;
        let schooling = Schooling {
            network,
            parameters,
            outer_steps: course.steps,
            sees: matches!(network, Network::GmLstm | Network::MatrixLstm).then_some(self.sees),
            first_step: begin.step,
            passes: self.passes(&seen, per_fill, begin.search.as_ref()),
            search: begin.search,
            round,
            dropped: seen.dropped,
            skipped: seen.skipped,
            seconds: seen.seconds,
            score,
            learned_nothing,
            file,
        };
        (schooling, course)
    }

    /// The optimiser with steps that end after a third of a run, and a factor on them to be tuned.
    fn fading<O>(&self, network: Network, trained: &Trained<O>) -> Option<Contender>
    where
        O: LearnedOptimizer + Clone + 'static,
        O::Params: 'static,
    {
        let (name, faded) = (fading_name(network)?, self.faded(&trained.optimizer));
        let parameters = trained.parameters.clone();
        Some(Contender::rule(name, Unit::Own, &[0.0], move |k| Trained {
            optimizer: Fading { factor: k.step, ..faded.clone() },
            parameters: parameters.clone(),
        }))
    }

    /// The lengths of inner loops, how the pool is filled and after how many outer steps it is filled again.
    fn inner(&self, network: Network) -> (Horizon, WarmUp, usize) {
        if self.in_runs(network) {
            // Runs from random points; the longest go to the end of the schedule.
            let random = WarmUp { members: MEMBERS, steps: 0, push_after: 0, push_every: 1 };
            return (Horizon::LogUniform(HORIZON.0, self.third), random, 1);
        }
        let free = matches!(network, Network::GradientFree | Network::GradientFreeBlind);
        let (low, high) = if free { ROUNDS } else { HORIZON };
        // A point is replaced when it has come about as far as a third of a run.
        let inner = MEMBERS as f64 * 0.5 * (low + high) as f64;
        let refresh = (self.third * POOL) as f64 / inner;
        let warm_up = WarmUp { members: POOL / 3, steps: WARM_UP, push_after: 0, push_every: WARM_UP / 2 };
        (Horizon::LogUniform(low, high), warm_up, (refresh as usize).max(1))
    }

    fn options(&self, network: Network, steps: usize) -> TrainingOptions {
        let (horizon, warm_up, refresh) = self.inner(network);
        TrainingOptions {
            horizon,
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
            warm_up,
            refresh: Some(refresh),
            seed: self.seed,
        }
    }

    /// The loss on what is set aside after a third of a run from random starts, mean over them.
    fn look(&self, method: &dyn Method) -> f64 {
        let inner = self.practice.inner;
        let run = |k: usize| -> pullback::Result<f64> {
            let start = inner.start(FIRST + k);
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

    /// Where optimisers were trained, for their files.
    pub(crate) fn provenance(&self) -> Provenance {
        Provenance::new(self.practice.inner.manifold(), format!("{}, seed {}", self.data, self.seed))
    }

    /// What became of the writing of an optimiser.
    pub(crate) fn saved(&self, done: std::result::Result<(), FileError>, path: &Path) -> Result<()> {
        done.map_err(|e| match e {
            FileError::Io { source, .. } => {
                Error::Unwritable { what: "the optimiser", option: "--out DIR", path: path.into(), source }
            }
            e => during("saving the optimiser")(e),
        })
    }
}

/// What an optimiser is called whose steps become shorter. The equivariant one remembers its steps, so that nobody else
/// may shorten them; those of the gradient-free one are whole rounds.
fn fading_name(network: Network) -> Option<&'static str> {
    match network {
        Network::Subspace => Some("subspace adaptation, fading"),
        Network::SubspaceFree => Some("subspace, unbound, fading"),
        Network::GmLstm => Some("generalised matrix LSTM, fading"),
        Network::MatrixLstm => Some("matrix LSTM, fading"),
        Network::Equivariant | Network::GradientFree | Network::GradientFreeBlind => None,
    }
}

/// A trained optimiser takes part as it is: nothing of it is tuned.
fn contender<O>(name: &'static str, trained: Trained<O>) -> Contender
where
    O: LearnedOptimizer + Clone + 'static,
    O::Params: 'static,
{
    Contender::rule(name, Unit::None, &[0.0], move |_| trained.clone())
}
