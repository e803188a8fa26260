//! How close methods come to an optimum that is known, gradient by gradient: the command `equivariant` (a learned
//! optimiser of our own against tuned opponents on problems that it has not seen) and what it shares with `evaluate`.
//!
//! [`problems`] are what is solved, [`opponents`] who takes part, [`runs`] runs and tunes them, [`contest`] does all of
//! that on one family of problems, [`training`] trains, [`report`] and [`plot`] show what came out.

pub(crate) mod args;
mod axes;
mod centres;
pub(crate) mod contest;
mod entrants;
pub(crate) mod evaluate;
pub(crate) mod exact;
mod families;
mod loaded;
mod losses;
pub(crate) mod methods;
pub(crate) mod opponents;
pub(crate) mod plot;
pub(crate) mod problems;
mod reference;
pub(crate) mod report;
pub(crate) mod runs;
mod searched;
mod shown;
mod spd_axes;
mod spd_ground;
pub(crate) mod training;

use crate::data::{Digits, PIXELS};
use crate::error::{Error, Result, during};
use crate::output::{Folder, Json};
use crate::ranks::Crew;
use args::{EquivariantArgs, On};
use contest::{Family, JUDGED, Pupil};
use families::Planned;
use problems::{Classes, Kind, Place, Problems};
use pullback_learned::{FileError, Provenance};
use pullback_manifolds::StiefelRetraction;
use report::{Goal, Summary, Trained};
use std::io::Write;
use std::path::Path;
use std::time::Instant;
use training::{COMPONENTS, CONDITIONS, Spectra};

/// How long everything is.
struct Length {
    steps: usize,
    trainings: usize,
    /// Starts of the families that goals are about, and of the others.
    starts: usize,
    others: usize,
    tuning: usize,
    images: usize,
}

impl Length {
    fn new(args: &EquivariantArgs) -> Self {
        let (steps, trainings, starts) = if args.quick { (40, 1, 12) } else { (2000, 3, 96) };
        let starts = args.starts.unwrap_or(starts);
        Length {
            steps: args.steps.unwrap_or(steps),
            trainings: args.trainings.unwrap_or(trainings),
            starts,
            // Whoever asks for few starts asks for a short run.
            others: starts.min(if args.quick { 6 } else { 16 }),
            tuning: starts.max(3).min(if args.quick { 6 } else { 12 }),
            images: if args.quick { 40 } else { 80 },
        }
    }
}

/// Runs the command.
pub(crate) fn run(args: &EquivariantArgs, crew: &mut Crew) -> Result<()> {
    let begun = Instant::now();
    *crew = Crew::new(&args.crew)?;
    let ground = Ground::new(args)?;
    let length = Length::new(args);
    families::check(family_names(ground.place().kind()), &args.families)?;
    let places = match crew.helper() {
        None => Some((Folder::create(&args.out)?, Json::open(args.json.as_deref())?)),
        Some(_) => None,
    };
    let name = |k: u64, what: &str| args.out.join(format!("equivariant-{k}.{what}"));

    let (mut pupils, mut trained, mut courses, mut files) = (vec![], vec![], vec![], vec![]);
    for k in 0..length.trainings as u64 {
        let file = name(k, "training.json");
        let course = training::course(length.steps, file.clone(), args.resume && file.exists());
        let found = ground.train(&course, args.seed.wrapping_mul(1000).wrapping_add(k), crew)?;
        // Nothing for a helper.
        let Some((optimizer, seen)) = found else { continue };
        let data = format!("{}, seed {}, training {k}", ground.practised(), args.seed);
        let path = name(k, "safetensors");
        save(&optimizer, &path, &Provenance::new(ground.place().manifold.as_ref(), data))?;
        trained.push(Trained::new(&seen, training::gradients(&seen)));
        pupils.push(Pupil::new(format!("learned {k}"), optimizer));
        courses.push(course);
        files.push(path);
    }

    let Some((folder, json)) = places else { return Ok(()) };
    let (families, long) = ground.families(args, &length, &pupils)?;
    let mut summary = Summary::new(args, ground.practised(), length.steps, trained, families, long);
    summary.files = files;
    summary.files.push(folder.write("curves.svg", plot::curves(&summary.families))?);
    summary.seconds = begun.elapsed().as_secs_f64();
    if json.write(&summary)? {
        // A reader that closes its end early has seen what it wanted.
        let _ = std::io::stdout().write_all(summary.text().as_bytes());
    }
    courses.iter().for_each(crate::course::Course::finish);
    Ok(())
}

/// What is trained on and judged on.
enum Ground {
    /// Subspaces or frames.
    Spectra(Spectra, Digits),
    /// Positive definite matrices.
    Definite(spd_ground::SpdGround),
}

impl Ground {
    fn new(args: &EquivariantArgs) -> Result<Self> {
        let of = |place| -> Result<Self> {
            let digits = Digits::find(args.data.as_deref())?;
            Ok(Ground::Spectra(Spectra::new(place, &digits)?, digits))
        };
        match args.on {
            On::Subspaces => of(Place::grassmann(PIXELS, COMPONENTS)),
            On::Frames => of(Place::stiefel(PIXELS, COMPONENTS, StiefelRetraction::Polar)),
            On::Definite => Ok(Ground::Definite(spd_ground::SpdGround::new(args)?)),
        }
    }

    fn place(&self) -> &Place {
        match self {
            Ground::Spectra(spectra, _) => spectra.place(),
            Ground::Definite(ground) => ground.place(),
        }
    }

    /// What is trained on, in words.
    fn practised(&self) -> &'static str {
        match self {
            Ground::Spectra(..) => "random spectra and 8x8 digits 0 to 4",
            Ground::Definite(_) => spd_ground::PRACTISED,
        }
    }

    fn train(&self, course: &crate::course::Course, seed: u64, crew: &mut Crew) -> Result<Option<training::Found>> {
        match self {
            Ground::Spectra(spectra, _) => training::train(spectra, course, seed, crew),
            Ground::Definite(ground) => ground.train(course, seed, crew),
        }
    }

    fn families(
        &self,
        args: &EquivariantArgs,
        length: &Length,
        pupils: &[Pupil],
    ) -> Result<(Vec<Family>, report::Long)> {
        match self {
            Ground::Spectra(spectra, digits) => families(args, spectra.place(), digits, length, pupils),
            Ground::Definite(ground) => ground.families(args, length, pupils),
        }
    }
}

/// More than twenty times the steps that a problem of the training lasts, about.
const LONG: usize = 600;

/// What is judged on each kind of points. The robust loss of digits is one of subspaces.
fn family_names(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Subspaces => &["unseen-digits", "robust", "spectra", "large", "hundred"],
        Kind::Frames => &["unseen-digits", "spectra", "large", "hundred"],
        Kind::Definite => &["textures", "robust", "random", "large", "hundred"],
    }
}

/// Everything that is judged on subspaces and frames, and what is left on unseen digits after very many steps.
fn families(
    args: &EquivariantArgs,
    place: &Place,
    digits: &Digits,
    length: &Length,
    pupils: &[Pupil],
) -> Result<(Vec<Family>, report::Long)> {
    let seed = |k: u64| args.seed.wrapping_mul(64).wrapping_add(k);
    let (starts, others, tuning) = (length.starts, length.others, length.tuning);
    let (n, p) = (4 * PIXELS, 2 * COMPONENTS);
    let large = match args.on {
        On::Frames => Place::stiefel(n, p, StiefelRetraction::Polar),
        _ => Place::grassmann(n, p),
    };
    let unseen = |count, k| Problems::digits(place, digits, Classes::Unseen, true, count, seed(k));
    let robust = |count, k| Problems::robust(place, digits, length.images, count, seed(k));
    let spectra = |count, k| Problems::spectra(place, CONDITIONS, count, seed(k));
    let larger = |count, k| Problems::spectra(&large, CONDITIONS, count, seed(k));
    let hundred = (100.0 * CONDITIONS.1, 100.0 * CONDITIONS.1);
    let harder = |count, k| Problems::spectra(place, hundred, count, seed(k));
    let mut planned = vec![
        Planned {
            name: "unseen-digits",
            title: "Digits 5 to 9, never seen, each problem under a rotation of its own",
            draw: &unseen,
            judged: (starts, 1),
            tuning: (tuning, 2),
            goals: Goal::per_gradient(),
        },
        Planned {
            name: "robust",
            title: "Digits 5 to 9 with a robust loss, never seen, rotated",
            draw: &robust,
            judged: (starts, 3),
            tuning: (tuning, 4),
            goals: Goal::per_gradient(),
        },
        Planned {
            name: "spectra",
            title: "Random spectra like those of the training",
            draw: &spectra,
            judged: (starts, 5),
            tuning: (tuning, 6),
            goals: vec![],
        },
        Planned {
            name: "large",
            title: "Random spectra on four times the dimension, 256x12",
            draw: &larger,
            judged: (others, 7),
            tuning: (tuning.min(4), 8),
            goals: Goal::elsewhere(),
        },
        Planned {
            name: "hundred",
            title: "Random spectra with a hundred times the largest condition number",
            draw: &harder,
            judged: (others, 9),
            tuning: (tuning, 10),
            goals: Goal::elsewhere(),
        },
    ];
    if place.kind() != Kind::Subspaces {
        planned.retain(|p| p.name != "robust");
    }
    // What the learned optimisers practised on: opponents are tuned for that as well.
    let practised = Problems::mixed(place, digits, CONDITIONS, 2 * tuning, seed(12))?;
    let all = families::hold(planned, &args.families, (&practised, &JUDGED, args.quick), pupils)?;
    let steps = if args.quick { LONG / 10 } else { LONG };
    let few = unseen(others, 11)?;
    Ok((all, report::Long::new(pupils, &few, steps, "unseen digits")))
}

fn save(
    trained: &pullback_learned::Trained<pullback_learned::Equivariant>,
    path: &Path,
    provenance: &Provenance,
) -> Result<()> {
    trained.save(path, provenance).map_err(|e| match e {
        FileError::Io { source, .. } => {
            Error::Unwritable { what: "the optimiser", option: "--out DIR", path: path.into(), source }
        }
        e => during("saving the optimiser")(e),
    })
}
