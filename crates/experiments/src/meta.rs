//! The learned optimisers of the papers: the network, its training on the task, its curves, its file. The equivariant
//! one is in `second.rs`; the classical methods live elsewhere.

use crate::cli::{Components, EstimatorName, PcaArgs, TrainOn};
use crate::course::Course;
use crate::curves::{Curves, On, Spread};
use crate::error::{Error, Result, during};
use crate::free::WEIGHT;
use crate::ranks::Crew;
use crate::report::{FREE, HORIZON, LSTM, TrainingSummary};
use crate::task::{Pca, random_rotation};
use pullback::faer::Mat;
use pullback::{Batch, Shape, Var};
use pullback_implicit::Estimator;
use pullback_learned::{
    Convolved, Descent, Each, FileError, FreeRun, GmLstm, GmLstmOptions, GmLstmParams, GradientFree, Horizon,
    InnerLoop, Input, Member, OnSuspect, OnTangent, OuterRule, Pictures, Provenance, Rollout, Rounds, Sees, Split,
    Stored, StoredFree, Task, Trained, Training, TrainingOptions, Update, WarmUp,
};
use pullback_manifolds::{Grassmann, Manifold, rng};
use pullback_optim::{Method, Rsgd};
use rand::{Rng, RngExt};
use std::path::Path;

/// Outer steps of a full and of a quick run.
const OUTER_STEPS: [usize; 2] = [2500, 400];
/// `T`, steps of an inner loop.
const INNER_STEPS: usize = 5;
/// Points that are optimised at once.
const MEMBERS: usize = 2;
/// Terms of the fixed-point series.
const TERMS: usize = 20;
/// Points in the pool.
const POOL: usize = 64;
/// Classical steps between the two halves of a full pool: random points, and the same after so many steps.
const WARM_UP: usize = 3;
/// The pool is filled again after about as many steps of each point as a run that is judged takes.
const AGE: usize = 40;
/// The first rate of the outer optimiser, and what is left of it in the end.
const RATE: (f64, f64) = (1.5e-3, 0.05);
/// Keeps the weight of a point whose gradient vanishes finite.
const SMALL_GRADIENT: f64 = 1e-3;
/// Training may wander off: every so many outer steps the optimiser is run from that many random starts on the training
/// digits, and the parameters with the lowest loss are the ones kept.
const LOOK_EVERY: usize = 40;
const LOOK_AT: usize = 6;
/// Outer steps between two writings of an unfinished run.
const SAVE_EVERY: usize = 50;
/// The meta-gradient is shortened to this norm.
const CLIP: f64 = 1.0;

/// Steps of a round of the gradient-free optimiser on a tangent space, and images that it looks at.
const ROUND: usize = 5;
const IMAGES: usize = 64;
/// Pixels of a side of an image.
const SIDE: usize = 8;

/// A trained optimiser.
#[derive(Debug)]
pub(crate) struct Learned {
    network: Network,
    provenance: Provenance,
}

/// Which optimiser.
#[derive(Debug)]
enum Network {
    MatrixLstm(Box<Trained<Each<GmLstm>>>),
    Free(Box<GradientFree<GmLstm, Convolved>>),
}

/// What the command line decides about training.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) course: Course,
    learned: Components,
    estimator: EstimatorName,
    train_on: TrainOn,
}

impl Settings {
    pub(crate) fn new(args: &PcaArgs) -> Self {
        let course = Course {
            name: "meta-training",
            steps: args.steps.unwrap_or(OUTER_STEPS[usize::from(args.quick)]),
            look_every: LOOK_EVERY,
            save_every: SAVE_EVERY,
            file: args.out.join("optimizer.training.json"),
            resume: args.resume,
        };
        // A round is many steps of a network: a series goes through all of them for each of its terms.
        let usual = match args.learned {
            Components::GmLstm => EstimatorName::FixedPoint,
            Components::GradientFree => EstimatorName::Unroll,
        };
        let estimator = args.estimator.unwrap_or(usual);
        Settings { course, learned: args.learned, estimator, train_on: args.train_on }
    }
}

/// The task as the trainer sees it: second moments of the training digits, as they are or turned by a rotation for each
/// instance.
struct TrainingTask<'a> {
    pca: &'a Pca,
    rotate: bool,
    /// Are images shown?
    shows: bool,
}

impl Pictures for Moments {
    fn pictures(&self) -> &Batch {
        &self.images
    }
}

impl TrainingTask<'_> {
    /// Random training images in columns, turned as the member's problem is.
    fn images(&self, m: &Member) -> Mat<f64> {
        let (all, rng) = (&self.pca.images, &mut m.key.rng());
        let which: Vec<usize> = (0..IMAGES).map(|_| rng.random_range(0..all.ncols())).collect();
        let some = Mat::from_fn(all.nrows(), IMAGES, |i, j| all[(i, which[j])]);
        if self.rotate { random_rotation(m.instance) * some } else { some }
    }
}

/// What a cost is measured with, and what is seen.
struct Moments {
    moments: Batch,
    /// Some images of each member in columns, if anybody looks at them.
    images: Batch,
    /// Is every member's cost divided by the norm of its gradient? Far and near points then teach with equal weight;
    /// the weight is a constant for derivatives.
    levelled: bool,
}

impl Task for TrainingTask<'_> {
    type Data = Moments;

    fn instance(&self, rng: &mut dyn Rng) -> u64 {
        if self.rotate { rng.random() } else { 0 }
    }

    fn sample(&self, split: Split, members: &[Member]) -> Moments {
        let c = &self.pca.moments;
        let turned = |m: &Member| {
            let q = random_rotation(m.instance);
            &q * c * q.transpose()
        };
        let moments = match self.rotate {
            true => Batch::stack(&members.iter().map(turned).collect::<Vec<_>>()),
            false => Batch::of(c),
        };
        let images = match self.shows && split == Split::Train {
            true => Batch::stack(&members.iter().map(|m| self.images(m)).collect::<Vec<_>>()),
            false => Batch::zeros(Shape::mat(0, 0)),
        };
        Moments { moments, images, levelled: split == Split::Validation }
    }

    fn cost<'t>(&self, x: &[Var<'t>], data: &Moments) -> Var<'t> {
        let x = x[0];
        let cost = Pca::cost(&data.moments, x);
        if !data.levelled {
            return cost;
        }
        let cx = x.tape().constant(&data.moments) * x;
        let gradient = (cx - x * x.t_mul(cx)) * 2.0;
        cost.elem_div((gradient.norm() + SMALL_GRADIENT).stop_gradient())
    }
}

/// Fills a pool with classical steps and random points, then trains a fresh network on it. A helper of the crew works
/// for the one that learns, and has nothing to show for it.
pub(crate) fn train(
    pca: &Pca,
    manifold: &Grassmann,
    step: f64,
    settings: &Settings,
    seed: u64,
    crew: &mut Crew,
) -> Result<Option<(Learned, TrainingSummary)>> {
    let shape = Manifold::<f64>::shapes(manifold)[0];
    let mut options = GmLstmOptions::new(shape.rows, shape.cols);
    let looks = Looks { pca, manifold, starts: manifold.random_point(LOOK_AT, &mut rng(seed ^ 1)).swap_remove(0) };
    let provenance = Provenance::new(manifold, format!("8x8 digits, {:?}, seed {seed}", settings.train_on));
    let shows = settings.learned == Components::GradientFree;
    let task = TrainingTask { pca, rotate: settings.train_on == TrainOn::Rotations, shows };
    let how = How { settings, step, seed, task: &task, manifold };
    if shows {
        let features = Convolved { height: SIDE, width: SIDE, images: IMAGES, columns: shape.cols };
        let rule = GmLstm::new(options);
        let inner = OnTangent::new(rule, Update::new(1.0 / ROUND as f64), step).weighing(WEIGHT).seeing(features);
        let rounds = Rounds::new(inner, ROUND);
        let params = rounds.init(&mut rng(seed));
        let look =
            |params: &_| looks.score(&Network::Free(Box::new(GradientFree::new(rounds.clone(), Clone::clone(params)))));
        let found = how.train(rounds.clone(), params, &look, crew)?;
        return Ok(found.map(|(params, summary)| {
            let network = Network::Free(Box::new(GradientFree::new(rounds.clone(), params)));
            (Learned { network, provenance }, summary)
        }));
    }
    options.input = Input::Scaled(1.0 / (2.0 * pca.energy()));
    options.output_scale = 2.0 * pca.energy();
    let update = Update { sees: Sees::Euclidean, ..Update::new(step) };
    let network = Each::new(GmLstm::new(options), update);
    let params = network.init(&mut rng(seed));
    let of = |params: GmLstmParams| Network::MatrixLstm(Box::new(Trained::new(network.clone(), params)));
    let look = |params: &GmLstmParams| looks.score(&of(params.clone()));
    let found = how.train(Descent(network.clone()), params, &look, crew)?;
    Ok(found.map(|(params, summary)| (Learned { network: of(params), provenance }, summary)))
}

/// How good parameters are: the loss on the training digits after a run from random starts.
struct Looks<'a> {
    pca: &'a Pca,
    manifold: &'a Grassmann,
    starts: Batch,
}

impl Looks<'_> {
    fn score(&self, network: &Network) -> f64 {
        let run = network.curves(self.pca, self.manifold, &self.starts, HORIZON);
        run.map_or(f64::INFINITY, |c| c.at(HORIZON, On::Train).median)
    }
}

/// A training, whatever is trained.
struct How<'a> {
    settings: &'a Settings,
    /// Of gradient descent.
    step: f64,
    seed: u64,
    task: &'a TrainingTask<'a>,
    manifold: &'a Grassmann,
}

impl How<'_> {
    fn train<L: InnerLoop<Moments>>(
        &self,
        inner: L,
        params: L::Params,
        look: &dyn Fn(&L::Params) -> f64,
        crew: &mut Crew,
    ) -> Result<Option<(L::Params, TrainingSummary)>> {
        let methods: [&dyn Method; 1] = [&Rsgd { step: self.step }];
        let options = options(self.settings, self.seed);
        let warm_up = options.warm_up;
        let mut training =
            Training::new(inner, params, self.manifold, self.task, &methods, options).threads(crew.threads());
        if crew.helper().is_some() {
            return crew.help(&mut training).map(|()| None);
        }
        let seen = self.settings.course.follow(&mut training, crew, look)?;
        let params = training.best().unwrap_or_else(|| training.into_params());
        let outer_steps = self.settings.course.steps;
        let summary = TrainingSummary {
            estimator: self.settings.estimator,
            train_on: self.settings.train_on,
            outer_steps,
            skipped: seen.skipped,
            inner_steps: INNER_STEPS,
            members: MEMBERS,
            series_terms: TERMS,
            pool: POOL,
            gradient_evaluations: seen.fills * warm_up.members * warm_up.steps
                + outer_steps * MEMBERS * (INNER_STEPS + 1)
                + seen.looks * LOOK_AT * HORIZON,
            median_rho: (!seen.rho.is_empty()).then(|| Spread::of(seen.rho).median),
            truncated: seen.truncated,
            seconds: seen.seconds,
        };
        Ok(Some((params, summary)))
    }
}

fn options(settings: &Settings, seed: u64) -> TrainingOptions {
    let refresh = POOL * AGE / (MEMBERS * INNER_STEPS);
    TrainingOptions {
        horizon: Horizon::Steps(INNER_STEPS),
        members: MEMBERS,
        // Each member is a piece of work of its own, so that threads have something to share.
        group: 1,
        on_suspect: OnSuspect::Apply,
        estimator: match settings.estimator {
            EstimatorName::FixedPoint => Estimator::FixedPoint { terms: TERMS },
            EstimatorName::OneStep => Estimator::OneStep,
            EstimatorName::Unroll => Estimator::Unroll,
        },
        freeze_state: false,
        keep_state: true,
        fresh_batches: false,
        outer: OuterRule::Adam { rate: RATE.0 },
        clip_each: None,
        clip: Some(CLIP),
        decay: Some((RATE.1.powf(1.0 / settings.course.steps as f64), 1)),
        capacity: POOL,
        warm_up: WarmUp { members: POOL / 2, steps: WARM_UP, push_after: 0, push_every: WARM_UP },
        refresh: Some(refresh),
        seed,
    }
}

impl Network {
    /// Losses along runs from the given starts.
    fn curves(&self, pca: &Pca, manifold: &Grassmann, starts: &Batch, steps: usize) -> Result<Curves> {
        let failed = during("a run of the learned optimiser");
        let task = TrainingTask { pca, rotate: false, shows: matches!(self, Network::Free(_)) };
        let (start, count) = (std::slice::from_ref(starts), starts.shape().batch);
        let mut after = vec![pca.losses(starts)];
        match self {
            Network::MatrixLstm(trained) => {
                let instances = vec![0; count];
                let mut run = Rollout::new(&**trained, manifold, &task, start, &instances, 0);
                for _ in 0..steps {
                    after.push(pca.losses(&run.step().map_err(&failed)?[0]));
                }
            }
            Network::Free(free) => {
                let mut run = FreeRun::new(free, manifold, start);
                for t in 0..steps {
                    let data = task.sample(Split::Train, &Member::list(&vec![0; count], t as u64));
                    after.push(pca.losses(&run.step_on(&|x| task.cost(x, &data), &data).map_err(&failed)?[0]));
                }
            }
        }
        Ok(Curves { after })
    }
}

impl Learned {
    /// In tables.
    pub(crate) fn name(&self) -> &'static str {
        match &self.network {
            Network::MatrixLstm(_) => LSTM,
            Network::Free(_) => FREE,
        }
    }

    /// For the report.
    pub(crate) fn architecture(&self) -> &'static str {
        match &self.network {
            Network::MatrixLstm(_) => "generalised matrix LSTM",
            Network::Free(_) => "gradient-free, rounds of 5 steps of a generalised matrix LSTM that looks at 64 images",
        }
    }

    /// Losses along runs of `steps` steps from the given starts.
    pub(crate) fn curves(&self, pca: &Pca, manifold: &Grassmann, starts: &Batch, steps: usize) -> Result<Curves> {
        self.network.curves(pca, manifold, starts, steps)
    }

    /// How many numbers were learned.
    pub(crate) fn parameter_count(&self) -> usize {
        match &self.network {
            Network::MatrixLstm(trained) => trained.parameter_count(),
            Network::Free(free) => free.parameter_count(),
        }
    }

    /// Writes it as safetensors.
    pub(crate) fn save(&self, path: &Path) -> Result<()> {
        let done = match &self.network {
            Network::MatrixLstm(trained) => trained.save(path, &self.provenance),
            Network::Free(free) => free.save(path, &self.provenance),
        };
        saved(done, path)
    }

    /// Reads it back, for points of this shape.
    pub(crate) fn load(path: &Path, rows: usize, components: usize) -> Result<Self> {
        let wrong = |found: String| Error::Load { path: path.into(), found };
        let bytes = std::fs::read(path).map_err(|e| wrong(e.to_string()))?;
        let (stored, got) = read(&bytes).map_err(|e| wrong(e.to_string()))?;
        let expected = (rows, components);
        if got != expected {
            let shape = |(p, d)| format!("{p}x{d} points");
            return Err(Error::LoadShape {
                path: path.into(),
                got: shape(got),
                expected: shape(expected),
                components: got.1,
            });
        }
        let m = Grassmann::new(rows, components);
        let on = |e: FileError| wrong(e.to_string());
        Ok(match stored {
            File::MatrixLstm(s) => Learned {
                provenance: s.provenance.clone(),
                network: Network::MatrixLstm(Box::new(s.on(&m).map_err(on)?)),
            },
            File::Free(s) => {
                Learned { provenance: s.provenance.clone(), network: Network::Free(Box::new(s.on(&m).map_err(on)?)) }
            }
        })
    }
}

/// What became of the writing of an optimiser.
pub(crate) fn saved(done: std::result::Result<(), FileError>, path: &Path) -> Result<()> {
    done.map_err(|e| match e {
        FileError::Io { source, .. } => {
            Error::Unwritable { what: "the optimiser", option: "--out DIR", path: path.into(), source }
        }
        e => during("saving the optimiser")(e),
    })
}

/// A file of either kind.
enum File {
    MatrixLstm(Box<Stored<Each<GmLstm>>>),
    Free(Box<StoredFree<GmLstm, Convolved>>),
}

/// A file of either kind, and the sizes of its points. What is wrong with a file of neither kind is said as of one that
/// the command writes unless told otherwise.
fn read(bytes: &[u8]) -> std::result::Result<(File, (usize, usize)), FileError> {
    let sizes = |o: &GmLstmOptions| (o.p, o.d);
    match Stored::<Each<GmLstm>>::from_bytes(bytes) {
        Ok(stored) => {
            let sizes = sizes(stored.trained.optimizer.rule.options());
            Ok((File::MatrixLstm(Box::new(stored)), sizes))
        }
        Err(FileError::Foreign { key: "kind", got: Some(kind), .. }) if kind == "gradient-free" => {
            let stored = StoredFree::<GmLstm, Convolved>::from_bytes(bytes)?;
            let sizes = sizes(stored.trained.rounds.inner.rule.options());
            Ok((File::Free(Box::new(stored)), sizes))
        }
        Err(e) => Err(e),
    }
}
