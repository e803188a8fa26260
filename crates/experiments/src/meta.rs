//! The learned optimiser: its network, its training on the task, its curves, its file. The classical methods live
//! elsewhere.

use crate::cli::{EstimatorName, PcaArgs, TrainOn};
use crate::course::Course;
use crate::curves::{Curves, On, Spread};
use crate::error::{Error, Result, during};
use crate::ranks::Crew;
use crate::report::{HORIZON, TrainingSummary};
use crate::task::{Pca, random_rotation};
use pullback::{Batch, Var};
use pullback_implicit::Estimator;
use pullback_learned::{
    Descent, Each, FileError, GmLstm, GmLstmOptions, GmLstmParams, Horizon, Input, Member, OnSuspect, OuterRule,
    Provenance, Rollout, Sees, Split, Stored, Task, Trained, Training, TrainingOptions, Update, WarmUp,
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

/// A trained optimiser.
#[derive(Debug)]
pub(crate) struct Learned {
    trained: Trained<Each<GmLstm>>,
    provenance: Provenance,
}

/// What the command line decides about training.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) course: Course,
    estimator: EstimatorName,
    train_on: TrainOn,
    threads: usize,
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
        Settings { course, estimator: args.estimator, train_on: args.train_on, threads: args.threads }
    }
}

/// The task as the trainer sees it: second moments of the training digits, as they are or turned by a rotation for each
/// instance.
struct TrainingTask<'a> {
    pca: &'a Pca,
    rotate: bool,
}

/// What a cost is measured with.
struct Moments {
    moments: Batch,
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
        Moments { moments, levelled: split == Split::Validation }
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
    options.input = Input::Scaled(1.0 / (2.0 * pca.energy()));
    options.output_scale = 2.0 * pca.energy();
    let update = Update { sees: Sees::Euclidean, ..Update::new(step) };
    let network = Each::new(GmLstm::new(options), update);
    let params = network.init(&mut rng(seed));
    let task = TrainingTask { pca, rotate: settings.train_on == TrainOn::Rotations };
    let methods: [&dyn Method; 1] = [&Rsgd { step }];
    let warm_up = WarmUp { members: POOL / 2, steps: WARM_UP, push_after: 0, push_every: WARM_UP };
    let refresh = POOL * AGE / (MEMBERS * INNER_STEPS);
    let options = TrainingOptions {
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
        warm_up,
        refresh: Some(refresh),
        seed,
    };
    let mut training =
        Training::new(Descent(network.clone()), params, manifold, &task, &methods, options).threads(settings.threads);
    if crew.helper().is_some() {
        return crew.help(&mut training).map(|()| None);
    }
    let starts: Batch = manifold.random_point(LOOK_AT, &mut rng(seed ^ 1)).swap_remove(0);
    let look = |params: &GmLstmParams| {
        let now = Trained::new(network.clone(), params.clone());
        let run = curves(&now, pca, manifold, &starts, HORIZON);
        run.map_or(f64::INFINITY, |c| c.at(HORIZON, On::Train).median)
    };
    let seen = settings.course.follow(&mut training, crew, &look)?;
    let params = training.best().unwrap_or_else(|| training.into_params());
    let outer_steps = settings.course.steps;
    let summary = TrainingSummary {
        estimator: settings.estimator,
        train_on: settings.train_on,
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
    let provenance = Provenance::new(manifold, format!("8x8 digits, {:?}, seed {seed}", settings.train_on));
    Ok(Some((Learned { trained: Trained::new(network, params), provenance }, summary)))
}

/// Losses along runs of a network from the given starts.
fn curves(method: &dyn Method, pca: &Pca, manifold: &Grassmann, starts: &Batch, steps: usize) -> Result<Curves> {
    let task = TrainingTask { pca, rotate: false };
    let instances = vec![0; starts.shape().batch];
    let start = std::slice::from_ref(starts);
    let mut run = Rollout::new(method, manifold, &task, start, &instances, 0);
    let mut after = vec![pca.losses(starts)];
    for _ in 0..steps {
        after.push(pca.losses(&run.step().map_err(during("a run of the learned optimiser"))?[0]));
    }
    Ok(Curves { after })
}

impl Learned {
    /// For the report.
    pub(crate) const ARCHITECTURE: &str = "generalised matrix LSTM";

    /// Losses along runs of `steps` steps from the given starts.
    pub(crate) fn curves(&self, pca: &Pca, manifold: &Grassmann, starts: &Batch, steps: usize) -> Result<Curves> {
        curves(&self.trained, pca, manifold, starts, steps)
    }

    /// How many numbers were learned.
    pub(crate) fn parameter_count(&self) -> usize {
        self.trained.parameter_count()
    }

    /// Writes it as safetensors.
    pub(crate) fn save(&self, path: &Path) -> Result<()> {
        self.trained.save(path, &self.provenance).map_err(|e| match e {
            FileError::Io { source, .. } => {
                Error::Unwritable { what: "the optimiser", option: "--out DIR", path: path.into(), source }
            }
            e => during("saving the optimiser")(e),
        })
    }

    /// Reads it back, for points of this shape.
    pub(crate) fn load(path: &Path, rows: usize, components: usize) -> Result<Self> {
        let Stored { trained, provenance } = Stored::<Each<GmLstm>>::load(path).map_err(|e| {
            let found = match e {
                FileError::Io { source, .. } => source.to_string(),
                e => e.to_string(),
            };
            Error::Load { path: path.into(), found }
        })?;
        let o = trained.optimizer.rule.options();
        let (got, expected) = ((o.p, o.d), (rows, components));
        if got != expected {
            let shape = |(p, d)| format!("{p}x{d} points");
            return Err(Error::LoadShape {
                path: path.into(),
                got: shape(got),
                expected: shape(expected),
                components: got.1,
            });
        }
        let stored = Stored { trained, provenance: provenance.clone() };
        let trained = stored
            .on(&Grassmann::new(rows, components))
            .map_err(|e| Error::Load { path: path.into(), found: e.to_string() })?;
        Ok(Learned { trained, provenance })
    }
}
