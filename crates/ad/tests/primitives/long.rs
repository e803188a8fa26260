//! The long run: every line of the table at many random points of every strategy that suits its inputs. A right rule is
//! never called wrong.
//!
//! `cargo test` tries a slice. `PULLBACK_LONG=1000 cargo test -p pullback --test primitives long -- --nocapture` tries
//! a thousand points a line and strategy, and prints what it did; `PULLBACK_LINE=qr` restricts it to the lines whose
//! names contain that, `PULLBACK_FIRST=1000` goes on from the thousandth point, and `PULLBACK_ORDER=3` checks third
//! derivatives, too.

use super::points::{self, batch};
use super::table::{Line, table};
use pullback::{Batch, Many, Var};
use pullback_check::strategies::{Form, Kind, Matrices, Recipe, Spectrum, matrices};
use pullback_check::{Error, Report, check_many};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Points a line and strategy in a plain `cargo test`.
const SLICE: u64 = 2;

/// A way to draw points.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Strategy {
    /// Random numbers, well inside the domain, singly and in batches.
    Generic,
    /// Spectra with ties and near ties at every distance.
    Tied,
    /// Condition numbers up to 1e3.
    Conditioned,
    /// Far from 1, up to 1e±60.
    Scaled,
    /// Whole numbers, zeros.
    Sparse,
}
use Strategy::*;

const STRATEGIES: [Strategy; 5] = [Generic, Tied, Conditioned, Scaled, Sparse];

impl Strategy {
    /// The points of a kind, or nothing if they would not differ from generic ones.
    fn of(self, kind: points::Kind) -> Option<Matrices> {
        use points::Kind as Asked;
        let (m, n) = kind.shape();
        let set =
            |kinds: &[Kind]| matrices(kinds, Form::Free, m..=m, n..=n).batches(1..=2).spectra(&[Spectrum::Generic]);
        let moderate = matches!(kind, Asked::Unit(..));
        let (kind, spectral) = match kind {
            Asked::Any(..) | Asked::Unit(..) => (Kind::Any, false),
            Asked::Away(..) => (Kind::Away, false),
            Asked::Positive(..) => (Kind::Positive, false),
            Asked::Triangular(_) => (Kind::Triangular, false),
            Asked::Tall(..) | Asked::Regular(_) => (Kind::General, true),
            Asked::Spd(_) => (Kind::Spd, true),
            Asked::Symmetric(_) => (Kind::Symmetric, true),
            Asked::Accretive(_) => return (self == Generic).then(|| set(&[Kind::Spd])),
            Asked::Small(_) => return (self == Generic).then(|| set(&[Kind::General]).scaled(&[-1])),
            Asked::Exponent(_) => return (self == Generic).then(|| set(&[Kind::General])),
            // What asks for more of its spectrum has generic points of its own.
            _ => return None,
        };
        match self {
            Generic => Some(set(&[kind])),
            Tied if spectral => Some(set(&[kind]).spectra(&ties())),
            Conditioned if spectral => {
                Some(set(&[kind]).spectra(&[Spectrum::Condition(10.0), Spectrum::Condition(1e3)]))
            }
            // What oscillates asks for moderate numbers.
            Scaled if !moderate => Some(set(&[kind]).scaled(&[-60, -20, -8, 8, 20, 60])),
            Sparse if kind == Kind::Any => Some(set(&[Kind::Integer, Kind::Sparse, Kind::Zero])),
            _ => None,
        }
    }

    /// What every line must have derivatives at. Elsewhere it may say that it has not.
    fn must_have_derivatives(self) -> bool {
        self == Generic
    }
}

fn ties() -> Vec<Spectrum> {
    points::GAPS.iter().flat_map(|gap| [Spectrum::Tied { gap: *gap }, Spectrum::Pairs { gap: *gap }]).collect()
}

/// A point of a line.
fn drawn(line: &Line, strategy: Strategy, seed: u64) -> Vec<Batch<f64>> {
    let kinds = line.kinds(line.sizes[seed as usize % line.sizes.len()]);
    let set = |kind: &points::Kind| strategy.of(*kind).or_else(|| Generic.of(*kind));
    // Where members meet, or a kind has points of its own, there is one.
    let mut members = (!line.by_member || kinds.iter().any(|k| set(k).is_none())).then_some(1);
    let mut input = |(i, kind): (usize, &points::Kind)| {
        let Some(set) = set(kind) else { return batch(&kind.generic(seed + i as u64)) };
        let mut recipe: Recipe = set.draw(seed.wrapping_mul(8).wrapping_add(i as u64));
        // All inputs have the members of the first.
        recipe.shape.batch = *members.get_or_insert(recipe.shape.batch);
        recipe.batch()
    };
    kinds.iter().enumerate().map(&mut input).collect()
}

/// What a line and a strategy came to.
#[derive(Default, Clone, Copy)]
struct Count {
    points: u64,
    /// How many had no derivative there, and said so.
    said_so: u64,
    /// How many of these have one that could not be judged.
    open: u64,
    time: Duration,
}

fn run(line: &Line, strategy: Strategy, seed: u64, order: usize, count: &mut Count) -> Result<(), String> {
    let x0 = drawn(line, strategy, seed);
    let check = check_many(|x: Vec<Var>| Many((line.f)(&x)), &x0).seed(seed).orders(1..=order);
    // Nothing is stated: how many digits the program loses, and how near the nearest pole is, the check finds out.
    let report = check.run();
    count.points += 1;
    let open =
        matches!(report.error, Some(Error::OutOfRange { .. } | Error::IllConditioned { .. } | Error::Rounding { .. }));
    count.open += u64::from(open);
    count.said_so += u64::from(report.error.is_some());
    let orderly = matches!(
        report.error,
        None | Some(Error::Value(_) | Error::Derivative { .. } | Error::TooLarge { .. } | Error::Steps(_))
    ) || open;
    if report.is_wrong() || !orderly || (strategy.must_have_derivatives() && !report.is_ok()) {
        return Err(told(line, strategy, seed, &report));
    }
    Ok(())
}

fn told(line: &Line, strategy: Strategy, seed: u64, report: &Report) -> String {
    format!("{}, {strategy:?}, seed {seed}, condition {:.1e}:\n{report}", line.name, report.condition)
}

/// Does a strategy differ from the generic one for any input of the line?
fn suits(strategy: Strategy, line: &Line) -> bool {
    // At a tie of entries a choice between them has no derivative, and at a tie of column norms the order of pivots
    // jumps.
    let kink = strategy == Sparse && line.chooses();
    let jump = strategy == Tied && line.name == "permuted";
    // A cosine of large numbers has no digits.
    let lost = strategy == Scaled && line.name == "a function of your own";
    !kink
        && !jump
        && !lost
        && (strategy == Generic || line.kinds(line.sizes[0]).iter().any(|k| strategy.of(*k).is_some()))
}

#[test]
fn long() {
    let number = |name: &str| std::env::var(name).ok().and_then(|v| v.parse::<u64>().ok());
    let points = number("PULLBACK_LONG").unwrap_or(SLICE);
    let first = number("PULLBACK_FIRST").unwrap_or(0);
    let order = number("PULLBACK_ORDER").map_or(2, |k| k as usize);
    let only = std::env::var("PULLBACK_LINE").unwrap_or_default();
    let lines: Vec<Line> = table().into_iter().filter(|l| l.name.contains(&only)).collect();
    let jobs: Vec<(&Line, Strategy)> =
        lines.iter().flat_map(|l| STRATEGIES.into_iter().filter(|s| suits(*s, l)).map(move |s| (l, s))).collect();
    let (next, outcomes) = (AtomicUsize::new(0), Mutex::new(vec![]));
    let work = || {
        loop {
            let job = next.fetch_add(1, Ordering::Relaxed);
            let Some((line, strategy)) = jobs.get(job) else { return };
            let (start, mut count) = (Instant::now(), Count::default());
            // Every line has points of its own.
            let seed = |k: u64| (first + k) * 1000 + job as u64;
            let failures: Vec<String> =
                (0..points).filter_map(|k| run(line, *strategy, seed(k), order, &mut count).err()).collect();
            count.time = start.elapsed();
            outcomes.lock().unwrap().push((line.name, *strategy, count, failures));
        }
    };
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let outcomes = outcomes.into_inner().unwrap();
    for strategy in STRATEGIES {
        let of = || outcomes.iter().filter(|o| o.1 == strategy);
        let sum = |f: fn(&Count) -> u64| of().map(|o| f(&o.2)).sum::<u64>();
        let (lines, all, open) = (of().count(), sum(|c| c.points), sum(|c| c.open));
        let without = sum(|c| c.said_so) - open;
        println!(
            "{strategy:?}: {lines} lines, {all} points, {without} without a derivative and {open} not judged, and said so"
        );
    }
    if let Some(o) = outcomes.iter().max_by_key(|o| o.2.time) {
        println!("{:.0?} in all; the longest: {}, {:?}, {:.1?}", start.elapsed(), o.0, o.1, o.2.time);
    }
    for (name, strategy, _, failures) in outcomes.iter().filter(|o| !o.3.is_empty()) {
        println!("{name}, {strategy:?}: {} failures of {points}", failures.len());
    }
    let failures: Vec<&String> = outcomes.iter().flat_map(|o| o.3.iter().take(2)).collect();
    assert!(
        failures.is_empty(),
        "{} failures:\n{}",
        outcomes.iter().map(|o| o.3.len()).sum::<usize>(),
        failures.iter().map(|f| f.as_str()).collect::<Vec<_>>().join("\n")
    );
}

/// Points at which a right rule was once called wrong.
#[test]
fn points_of_former_false_alarms() {
    let table = table();
    for (name, strategy, seed, order) in [
        // The derivative is zero but for rounding, and so are the value and all below it.
        ("pull of gather", Sparse, 100_072_129, 2),
        // A number is the whole input, so every direction is alike: with one cotangent leading terms cancel along all
        // of them.
        ("cayley of a skew part", Generic, 100_266_320, 2),
        // The order of pivots jumps forth and back along the steps.
        ("permuted", Conditioned, 900_433_302, 2),
        ("permuted", Sparse, 1_000_271_304, 2),
        // Steps reach across a pole, and one of them lands beside it.
        ("matrix_power", Conditioned, 700_049_156, 2),
        ("matrix_power", Conditioned, 700_364_156, 2),
        ("one factorisation, three uses", Conditioned, 700_424_214, 2),
        // Three forward sweeps inside one another lose more digits than what they are compared with.
        ("lu_factors, wide, of a concat", Conditioned, 2_651_234, 3),
    ] {
        let line = table.iter().find(|l| l.name == name).expect("a line of this name");
        if let Err(report) = run(line, strategy, seed, order, &mut Count::default()) {
            panic!("{report}");
        }
    }
}
