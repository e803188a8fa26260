//! Is a tape that was recorded elsewhere and replayed here the same as a fresh run? A choice frozen by a rule shows
//! only so.

use crate::agreement::Sizes;
use crate::lists::{List, Random, pack, plus};
use crate::program::Program;
use crate::report::{Defect, Report};
use crate::{Error, tolerances};
use pullback::{Batch, Scalar, Tape};

const VALUE: &str = "the program or a primitive in it kept a number of the point where it was recorded";
const GRADIENT: &str = "a reverse rule kept a choice or a number of the point where it was recorded";
const READS: &str =
    "a rule read a number while its derivative was recorded: at another point it would choose as at the first";
const SECOND: &str = "a rule's derivative kept a choice or a number of the point where it was recorded";

/// Value, gradient and `H v` at one point, packed.
struct There<T: Scalar> {
    y: Batch<T>,
    g: Batch<T>,
    hv: Option<Batch<T>>,
}

/// Records `<w, f>` with its gradient at `from`, if it can be, and says what it is there, or after a replay at `at`.
fn recorded<T: Scalar>(
    p: &Program<'_, T>,
    from: &Batch<T>,
    at: Option<&Batch<T>>,
    v: Option<&Batch<T>>,
) -> pullback::Result<pullback::Result<There<T>>> {
    let tape = Tape::new();
    let x = tape.input(from);
    let y = p.packed(x);
    tape.check()?;
    let operator = tape.hvp_operator(y, x)?;
    let there = || {
        if let Some(at) = at {
            tape.set(x, at);
            tape.replay()?;
        }
        let hv = v.map(|v| operator.apply(v)).transpose()?;
        Ok(There { y: y.value(), g: operator.gradient().value(), hv })
    };
    Ok(there())
}

/// The program without derivatives, recorded at `from` and replayed at `at`.
fn alone<T: Scalar>(p: &Program<'_, T>, from: &Batch<T>, at: &Batch<T>) -> pullback::Result<()> {
    let tape = Tape::new();
    let x = tape.input(from);
    let _ = p.packed(x);
    tape.check()?;
    tape.set(x, at);
    tape.replay()
}

pub(crate) fn replays<T: Scalar>(
    p: &Program<'_, T>,
    (x, v, scale): (&List<T>, &List<T>, &List<T>),
    second: bool,
    sizes: &Sizes,
    random: &mut Random,
    report: &mut Report,
) -> Result<(), Error> {
    let (px, pv, ps) = (pack(x), pack(v), vec![pack(scale)]);
    let along = second.then_some(&pv);
    let fresh = recorded(p, &px, None, along)
        .flatten()
        .map_err(|source| Error::Derivative { what: "recorded gradient", source })?;
    let ones = vec![Batch::from_fn(fresh.y.shape(), |_, _, _| T::one())];
    let mut worst: Option<Vec<Defect>> = None;
    let mut elsewhere = 0;
    for _ in 0..tolerances::REPLAYS {
        let mut distance = tolerances::REPLAY_DISTANCE;
        let d = random.scaled(scale);
        let there = (0..tolerances::SHRINKS).find_map(|_| {
            let from = pack(&plus(x, distance, &d));
            distance *= 0.5;
            recorded(p, &from, Some(&px), along).ok().map(|again| (from, again))
        });
        let Some((from, again)) = there else { continue };
        elsewhere += 1;
        let again = match again {
            Ok(again) => again,
            Err(e @ pullback::Error::NotReplayable { .. }) => {
                // The program's own business, unless it can be replayed without its derivative: then a rule read the
                // number.
                if alone(p, &from, &px).is_ok() {
                    let (what, meaning) = ("replay: no rule reads a number".into(), READS);
                    report.defects.push(Defect { what, meaning, defect: 1.0, tolerance: 0.0, ok: false });
                    report.hints.push(format!("a rule froze a choice or a number of the point: {e}"));
                } else {
                    report.skip("replay", e.to_string());
                }
                return Ok(());
            }
            Err(source) => return Err(Error::Derivative { what: "replay of a tape recorded nearby", source }),
        };
        let one = |b: &Batch<T>| vec![b.clone()];
        let mut found =
            vec![sizes.equal("replay: value = that of a fresh run", VALUE, &one(&fresh.y), &one(&again.y), &ones)?];
        found.push(sizes.equal(
            "replay: recorded gradient = that of a fresh run",
            GRADIENT,
            &one(&fresh.g),
            &one(&again.g),
            &ps,
        )?);
        if let (Some(a), Some(b)) = (&fresh.hv, &again.hv) {
            found.push(sizes.equal("replay: Hv = that of a fresh run", SECOND, &one(a), &one(b), &ps)?);
        }
        let bad = found.iter().any(|d| !d.ok);
        if bad || worst.is_none() {
            worst = Some(found);
        }
        if bad {
            break;
        }
    }
    match worst {
        Some(found) => report.defects.extend(found),
        None if elsewhere == 0 => report.skip("replay", "the program has no value at other points nearby"),
        None => {}
    }
    Ok(())
}
