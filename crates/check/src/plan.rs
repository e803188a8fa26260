//! A check as it is run: which layer after which, with how many directions and cotangents, and what is said at the end.
//! No equality lives here.

use crate::agreement::{self, Found, Sizes};
use crate::builder::Options;
use crate::gauge::{self, Transform};
use crate::lists::{List, Random, moduli, plus, shapes};
use crate::precise::{self, Precise};
use crate::program::Program;
use crate::report::{Report, Verdict};
use crate::subject::{Subject, sound};
use crate::taylor::{Curve, Curved};
use crate::{Error, Modes, condition, geometry, hints, members, replay, rounding, tolerances};
use pullback::{Batch, Scalar};
use pullback_geometry::Manifold;

/// A check with every type but the scalar's gone.
pub(crate) struct Plan<'p, T: Scalar> {
    pub(crate) x: &'p List<T>,
    pub(crate) scale: &'p List<T>,
    pub(crate) names: Vec<String>,
    pub(crate) options: &'p Options,
    pub(crate) gauge: Option<&'p Transform<'p, T>>,
    pub(crate) orbit: Option<&'p Transform<'p, T>>,
    pub(crate) precise: Option<&'p Precise<'p>>,
    pub(crate) space: Option<&'p dyn Manifold<T>>,
}

/// A cotangent of the outputs, a direction, and what was found with them.
struct Pair<T: Scalar> {
    w: List<T>,
    v: List<T>,
    sizes: Sizes,
    found: Found<T>,
}

impl<T: Scalar> Plan<'_, T> {
    /// A program on a tape.
    pub(crate) fn program(&self, p: &Program<'_, T>, report: &mut Report) -> Result<(), Error> {
        let last = self.options.last()?;
        if let Some(space) = self.space {
            let verdict = if self.x.is_empty() {
                Err(crate::geometry::NO_MATRIX.into())
            } else {
                space.check_point(self.x).map_err(|e| e.to_string())
            };
            verdict.map_err(|message| Error::Space { space: space.name(), message })?;
        }
        let y = sound(p, self.x)?;
        self.tests(p, Some(p), &y, last, report)
    }

    /// A subject without a tape: first derivatives only.
    pub(crate) fn triple(&self, subject: &dyn Subject<T>, report: &mut Report) -> Result<(), Error> {
        let last = self.options.last()?;
        if last > 1 {
            report.skip("orders above 1", "a triple has first derivatives only");
        }
        let y = sound(subject, self.x)?;
        self.tests(subject, None, &y, 1, report)
    }

    fn tests(
        &self,
        subject: &dyn Subject<T>,
        program: Option<&Program<'_, T>>,
        y: &List<T>,
        order: usize,
        report: &mut Report,
    ) -> Result<(), Error> {
        let random = &mut Random::new(self.options.seed);
        let mut pair = self.pair(subject, program, y, order, random, report, true)?;
        for _ in 1..tolerances::DIRECTIONS {
            // An equality that fails needs no second pair, and no slope that is right either.
            if report.defects.iter().any(|d| !d.ok) || !report.is_open() || !self.options.slopes {
                break;
            }
            match self.pair(subject, program, y, order, random, report, false) {
                Ok(further) => pair = further,
                // A further pair that leaves the domain, or no digit, says nothing.
                Err(Error::Steps(_) | Error::IllConditioned { .. } | Error::Rounding { .. }) => break,
                Err(e) => return Err(e),
            }
        }
        let still = |l: &Option<List<T>>| l.as_ref().is_none_or(|l| l.iter().all(|b| b.max_abs() == T::zero()));
        if still(&pair.found.jv) && still(&pair.found.g) {
            report.skip(
                "almost everything",
                "the first derivative is zero at this point, and so are most mistakes; check at another",
            );
        }
        let rest = self.further(subject, program, y, order, &pair, random, report);
        if report.is_wrong() {
            let (names, x, scale) = (&self.names, self.x, self.scale);
            let scene = hints::Scene { subject, names, x, y, w: &pair.w, v: &pair.v, scale };
            let first = report.defects.first().is_some_and(|d| d.meaning == agreement::NOT_TRANSPOSE && !d.ok)
                || report.defects.iter().any(|d| d.meaning == precise::MEANING && !d.ok)
                || report.taylor.first().is_some_and(|t| t.verdict == Verdict::Wrong);
            report.hints.extend(match first {
                true => scene.first(pair.found.jv.as_ref(), pair.found.g.as_ref(), random),
                false => scene.second(&pair.found.hv),
            });
        }
        rest?;
        // What was compared in double-double needs no slopes, nor what is wrong at another order.
        match report.out_of_range().filter(|_| self.precise.is_none() && !report.is_wrong()) {
            Some(order) => Err(Error::OutOfRange { order }),
            None => Ok(()),
        }
    }

    /// The tolerances of a run with the cotangent `w`.
    fn sizes(&self, subject: &dyn Subject<T>, y: &List<T>, w: &List<T>) -> Result<Sizes, Error> {
        let below = moduli(w, y);
        if let Some(condition) = self.options.condition {
            return Ok(Sizes::new(condition, true, below, 0.0));
        }
        let random = &mut Random::new(self.options.seed ^ 0x5EED);
        let estimate = condition::estimated(subject, (self.x, y, w, self.scale), random)?;
        Ok(Sizes::new(estimate.factor, false, below, estimate.noise))
    }

    /// The equalities and slopes of one random pair of a cotangent `w` and a direction `v`. Defects are those of the
    /// last pair; slopes those of the best.
    fn pair(
        &self,
        subject: &dyn Subject<T>,
        program: Option<&Program<'_, T>>,
        y: &List<T>,
        order: usize,
        random: &mut Random,
        report: &mut Report,
        first: bool,
    ) -> Result<Pair<T>, Error> {
        let (x, scale, modes) = (self.x, self.scale, self.options.modes);
        let w = random.list(y.iter().map(Batch::shape));
        let mut sizes = self.sizes(subject, y, &w)?;
        report.condition = sizes.condition;
        let v = match self.space {
            None => random.scaled(scale),
            Some(space) => tangent(space, x, random)?,
        };
        let u = random.scaled(scale);
        report.defects.clear();
        report.hints.clear();
        let first_order = (x, &w, &v, scale);
        let mut found = agreement::first(subject, first_order, modes, &mut sizes, &mut report.defects)?;
        let program = program.map(|p| p.with(&w));
        if let Some(p) = &program {
            if order >= 2 {
                let second_order = (x, &v, &u, scale);
                agreement::second(p, second_order, modes, &mut sizes, &mut report.defects, &mut found)?;
                for (way, why) in &found.refused {
                    report.skip(format!("second derivatives by {way}"), why.to_string());
                }
            }
            if order >= 3 && found.along.len() == 2 {
                match modes.contains(Modes::REVERSE | Modes::FORWARD) {
                    // What cannot be told to the second order by every way cannot to the third.
                    _ if !found.refused.is_empty() => report.skip("order 3", found.refused[0].1.to_string()),
                    true => {
                        agreement::third(p, (x, &v, scale), &mut sizes, &mut report.defects, &mut found.along)?;
                    }
                    false => report.skip("order 3", "it needs the modes reverse and forward"),
                }
            }
        }
        report.condition = sizes.condition;
        let mut along = found.along.clone();
        if let (Some(space), Some(p)) = (self.space, &program) {
            along = geometry::riemannian(space, p, (x, &v), order, &sizes, random, report)?;
        }
        let pair = Pair { w, v, sizes, found };
        if self.options.slopes || pair.sizes.lost.is_some() {
            self.slopes(subject, program.as_ref(), y, &pair, &along, random, report, first)?;
        }
        Ok(pair)
    }

    /// The remainders of a pair whose derivatives along the curve are `along`. An error if what equalities or
    /// remainders accuse is the rounding of a derivative that vanishes.
    fn slopes(
        &self,
        subject: &dyn Subject<T>,
        program: Option<&Program<'_, T>>,
        y: &List<T>,
        Pair { w, v, sizes, found }: &Pair<T>,
        along: &[f64],
        random: &mut Random,
        report: &mut Report,
        first: bool,
    ) -> Result<(), Error> {
        let (x, scale) = (self.x, self.scale);
        let path = |h: f64| match self.space {
            None => Ok(plus(x, h, v)),
            Some(space) => geometry::retracted(space, x, v, h),
        };
        let curve = Curved { subject, x, y, w, scale, path: &path, condition: sizes.of_value }.curve(random)?;
        let rows = curve.slopes(along);
        let wrong = rows.iter().find(|r| r.verdict == Verdict::Wrong).map(|r| r.order);
        let by_rows = wrong.filter(|_| self.space.is_none()).and_then(|order| {
            let moved = rounding::moved(subject, program, (x, w, v, scale), self.options.modes, found);
            rounding::accused::<T>(&curve, &along[..order], &moved)
        });
        let lost = [by_rows, sizes.lost].into_iter().flatten().min_by_key(|l| l.0);
        if let Some((order, moved)) = lost.filter(|l| curve.is_flat(l.0) && wrong.is_none_or(|w| w >= l.0)) {
            report.defects.retain(|d| d.ok);
            return Err(Error::Rounding { order, moved });
        }
        if self.options.slopes {
            report.merge(rows);
            if first {
                smooth(&curve, report)?;
            }
        }
        Ok(())
    }

    /// What needs one pair only, and a rule that may be wrong already.
    fn further(
        &self,
        subject: &dyn Subject<T>,
        program: Option<&Program<'_, T>>,
        y: &List<T>,
        order: usize,
        pair: &Pair<T>,
        random: &mut Random,
        report: &mut Report,
    ) -> Result<(), Error> {
        let (x, scale, modes) = (self.x, self.scale, self.options.modes);
        let Pair { w, v, sizes, found } = pair;
        let program = program.map(|p| p.with(w));
        if let Some(f) = self.precise {
            precise::differences(f, (x, y, w, v), found, sizes, &mut report.defects)?;
        }
        if let (Some(p), true) = (&program, modes.contains(Modes::REPLAY)) {
            replay::replays(p, (x, v, scale), order >= 2, sizes, random, report)?;
        }
        members::batches(subject, (x, scale), modes, sizes, random, report)?;
        if let Some(g) = self.gauge {
            let seed = self.options.seed ^ 0x6A06E;
            gauge::invariance(subject, (x, y, w, v, scale), g, sizes, seed, report)?;
        }
        if let Some(g) = self.orbit {
            gauge::orbit(subject, (x, w), g, sizes, random, report)?;
        }
        Ok(())
    }
}

/// Is the value smooth at the point, to first and second order? At a kink slopes mean nothing (along half of the
/// directions they are even right), and equalities only that conventions agree.
fn smooth(curve: &Curve, report: &mut Report) -> Result<(), Error> {
    for order in 1..=report.taylor.len().min(2) {
        if let Some((left, right)) = curve.kink(order) {
            report.taylor.truncate(order - 1);
            return Err(Error::Kink { order, left, right });
        }
    }
    Ok(())
}

/// A random tangent, as the manifold gives it.
fn tangent<T: Scalar>(space: &dyn Manifold<T>, x: &List<T>, random: &mut Random) -> Result<List<T>, Error> {
    let refused = |e: pullback_geometry::Error| Error::Space { space: space.name(), message: e.to_string() };
    let v = space.random_tangent(x, random.rng()).map_err(refused)?;
    let (expected, got) = (shapes(x), shapes(&v));
    if expected != got {
        return Err(Error::Rule { what: "`random_tangent`", expected, got });
    }
    Ok(v)
}
