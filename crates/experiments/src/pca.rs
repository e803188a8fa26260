//! The command `pca`: the order of a run. The parts are elsewhere.

use crate::classical::{Grid, TunedMethod, tune_all};
use crate::cli::PcaArgs;
use crate::data::{Digits, PIXELS};
use crate::error::Result;
use crate::meta::{self, Learned, Settings};
use crate::output::{Folder, Json};
use crate::plots;
use crate::ranks::Crew;
use crate::report::{
    DataSummary, EQUIVARIANT, HORIZON, LearnedSummary, MethodSummary, REPORTED, SecondSummary, Seconds, Summary, THIRD,
    TaskSummary,
};
use crate::second::{self, Second};
use crate::task::{Pca, Split, random_rotation};
use pullback::Batch;
use pullback_manifolds::{Grassmann, Manifold, rng};
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

/// How many random starts methods are tuned on, and how many others they are judged on.
const STARTS: usize = 8;
/// Momenta that are tried.
const BETAS: [f64; 7] = [0.5, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98];

/// Outer steps of the equivariant optimiser in a full and in a quick run; no more than the other one has.
const EQUIVARIANT_STEPS: [usize; 2] = [600, 60];

/// Independent streams of random numbers, all decided by the seed.
#[derive(Debug, Clone, Copy)]
enum Stream {
    Split,
    TuningStarts,
    Starts,
    Rotation,
    Training,
}

fn stream(seed: u64, which: Stream) -> u64 {
    seed.wrapping_mul(16).wrapping_add(which as u64)
}

/// Runs the command. A helper of the crew comes as far as the training, writes nothing and prints nothing.
pub(crate) fn run(args: &PcaArgs, crew: &mut Crew) -> Result<()> {
    let begun = Instant::now();
    *crew = Crew::new(&args.crew)?;
    // What may fail for a typing mistake comes first.
    let digits = Digits::find(args.data.as_deref())?;
    let p = args.components;
    let loaded = args.load.as_deref().map(|path| Learned::load(path, PIXELS, p)).transpose()?;
    let output = match crew.helper() {
        None => Some((Folder::create(&args.out)?, Json::open(args.json.as_deref())?)),
        Some(_) => None,
    };

    let split = Split::new(&digits, stream(args.seed, Stream::Split));
    let pca = Pca::new(&split, p)?;
    let turned = Pca::new(&split.rotated(&random_rotation(stream(args.seed, Stream::Rotation))), p)?;
    let manifold = Grassmann::new(PIXELS, p);
    let points = |which| -> Batch { manifold.random_point(STARTS, &mut rng(stream(args.seed, which))).swap_remove(0) };
    let mut seconds = Seconds::default();

    let clock = Instant::now();
    let (per_decade, betas) = if args.quick { (4, &BETAS[2..6]) } else { (8, &BETAS[..]) };
    let grid = Grid::around(2.0 * pca.energy(), per_decade, betas, HORIZON);
    let tuning_starts = points(Stream::TuningStarts);
    let tuned = tune_all(&pca, &manifold, &tuning_starts, &grid)?;
    seconds.tuning = clock.elapsed().as_secs_f64();

    let settings = Settings::new(args);
    let steps = EQUIVARIANT_STEPS[usize::from(args.quick)].min(args.steps.unwrap_or(usize::MAX));
    let course = second::course(steps, &args.out, args.resume);
    let seed = stream(args.seed, Stream::Training);
    let (learned, training, second) = match loaded {
        Some(learned) => (learned, None, None),
        None => {
            // Its step is that of tuned gradient descent.
            let trained = meta::train(&pca, &manifold, tuned[0].step, &settings, seed, crew)?;
            let second = second::train(&pca, &manifold, &course, seed, crew)?;
            let (Some((learned, training)), Some(second)) = (trained, second) else { return Ok(()) };
            seconds.training = training.seconds + second.1.seconds;
            (learned, Some(training), Some(second))
        }
    };

    let Some((folder, json)) = output else { return Ok(()) };
    // What the training does not need comes after it: a helper has no use for it, nor a run that cannot be resumed.
    let clock = Instant::now();
    let sooner = tune_all(&pca, &manifold, &tuning_starts, &grid.after(THIRD))?;
    seconds.tuning += clock.elapsed().as_secs_f64();
    let clock = Instant::now();
    let starts = points(Stream::Starts);
    let judge = |pca: &Pca, name, title| -> Result<TaskSummary> {
        let pupils = (&learned, second.as_ref().map(|(s, _)| s));
        judged(pca, &manifold, &starts, (&tuned, &sooner), pupils, (name, title))
    };
    let tasks = vec![
        judge(&pca, "digits", "The digits as they are")?,
        judge(&turned, "rotated", "The digits randomly rotated")?,
    ];
    seconds.evaluation = clock.elapsed().as_secs_f64();

    let mut summary = Summary {
        command: "pca",
        version: env!("CARGO_PKG_VERSION"),
        seed: args.seed,
        quick: args.quick,
        components: p,
        data: DataSummary {
            origin: digits.origin.clone(),
            train: split.train.nrows(),
            held_out: split.held_out.nrows(),
            classes: std::array::from_fn(|k| digits.labels.iter().filter(|l| usize::from(**l) == k).count()),
            loss: "squared reconstruction error per image, pixels in 0..1, not centred",
        },
        starts: STARTS,
        tuned,
        sooner,
        learned: LearnedSummary {
            name: learned.name(),
            architecture: learned.architecture(),
            parameters: learned.parameter_count(),
            loaded: args.load.clone(),
            training,
        },
        equivariant: second
            .as_ref()
            .map(|(s, trained)| SecondSummary { parameters: s.parameter_count(), training: trained.clone() }),
        tasks,
        seconds,
        files: vec![],
    };
    summary.files.push(folder.write("curves.svg", plots::convergence(&summary))?);
    let trained = args.load.is_none().then_some(&learned);
    summary.files.extend(saved(&folder, trained, second.as_ref().map(|(s, _)| s))?);
    summary.seconds.total = begun.elapsed().as_secs_f64();
    if json.write(&summary)? {
        // A reader that closes its end early has seen what it wanted.
        let _ = std::io::stdout().write_all(summary.text().as_bytes());
    }
    settings.course.finish();
    course.finish();
    Ok(())
}

/// Writes what was trained, and says where.
fn saved(folder: &Folder, learned: Option<&Learned>, second: Option<&Second>) -> Result<Vec<PathBuf>> {
    let mut files = vec![];
    if let Some(learned) = learned {
        files.push(folder.path("optimizer.safetensors"));
        learned.save(&files[0])?;
    }
    if let Some(second) = second {
        let path = folder.path("equivariant.safetensors");
        second.save(&path)?;
        files.push(path);
    }
    Ok(files)
}

/// Every method from the same starts.
fn judged(
    pca: &Pca,
    manifold: &Grassmann,
    starts: &Batch,
    (tuned, sooner): (&[TunedMethod], &[TunedMethod]),
    (learned, second): (&Learned, Option<&Second>),
    (name, title): (&'static str, &'static str),
) -> Result<TaskSummary> {
    let last = REPORTED[REPORTED.len() - 1];
    let classical = |list: &[TunedMethod]| -> Result<Vec<MethodSummary>> {
        list.iter().map(|m| Ok(MethodSummary::new(m.name, m.curves(pca, manifold, starts, last)?))).collect()
    };
    let mut pupils = vec![MethodSummary::new(learned.name(), learned.curves(pca, manifold, starts, last)?)];
    if let Some(second) = second {
        pupils.push(MethodSummary::new(EQUIVARIANT, second.curves(pca, manifold, starts, last)?));
    }
    Ok(TaskSummary::new(name, title, pca.optimum, classical(tuned)?, classical(sooner)?, pupils))
}
