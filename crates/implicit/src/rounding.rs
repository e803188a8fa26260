//! What rounding leaves of a derivative. A point is never known better than its entries are rounded, and than a
//! residual shows that is rounded itself, taken through the inverse of the map. So the condition is recorded once more
//! at a point that is as far away as that, and what was asked for changes there by as much as it may be wrong anyway.
//!
//! How a residual is rounded is not known from its size: terms may cancel in it, and a solution to rounding has a
//! residual of zero. So it is computed beside the point, a few rounding units away, and what its derivative does not
//! explain is rounding. Where it does not answer to the move at all it is computed further away, until it does.
//!
//! Let `r(z) = b(z) - A(z) x` be what the solution `x` of the linear system leaves at the other point, beyond what it
//! leaves here. The derivative changes by what was asked of `A^{-1} r`, and by what changes in the derivative by the
//! parameters. This is a difference at a distance of rounding: it sees condition and loss alike.

use crate::ask::Aid;
use crate::certify::{CONTRACTION, Raw};
use crate::condition::{Condition, Kind};
use crate::error::Result;
use crate::iteration::Of;
use crate::kinks::{Question, anywhere, beside};
use crate::leftover::{relative, roughly};
use crate::linear::{Map, Method, Stop};
use crate::lists::{self, List};
use crate::local::{Local, Slot};
use crate::measured::Checked;
use crate::recording::{origin, outcome};
use crate::solution::Linearisation;
use crate::trust::Member;
use crate::verdict::{Verdict, Why};
use pullback::{Batch, Scalar};

/// A derivative is lost in rounding where that changes it by this much of the threshold, or of its error if that is
/// larger.
pub(crate) const LOST: f64 = 0.5;

/// How far from the point rounding is looked for at first, in rounding units of its entries, or in their square roots
/// if that is less, so that nothing of what is seen is a bend.
const BESIDE: [f64; 2] = [256.0, 0.02];

/// By how much further each time that an entry of the residual does not answer, and the furthest as a power of the
/// rounding unit.
const FURTHER: f64 = 16.0;
const FURTHEST: f64 = 0.4;

/// An entry of the residual does not answer where it changes by less than this much of what its derivative says.
const SILENT: f64 = 0.25;

/// A move that is longer, relative to the point, is shortened, and what it changes counts in proportion.
const FAR: f64 = 1e-3;

/// A residual is more than rounding where it is so many times what one look sees of that, and of the rounding units of
/// the map times the point.
const PLAIN: [f64; 2] = [100.0, 1e3];

/// A linear solver of a large space is asked for so much.
const ROUGH: f64 = 1e-2;

/// What a solution leaves of its linear system at a point, and the derivative by the parameters.
struct At<T: Scalar> {
    left: List<T>,
    by_params: Option<List<T>>,
}

/// What is known of the rounding of one entry of a residual.
struct Entry {
    noise: f64,
    /// Has it not answered to any move yet?
    silent: bool,
}

impl Entry {
    /// Takes in how it changed further away, and what its derivative says.
    fn look(&mut self, change: f64, slope: f64) {
        if self.silent {
            let d = change - slope;
            self.noise = if d.abs() > self.noise.abs() { d } else { self.noise };
            self.silent = change.abs() < SILENT * slope.abs();
        }
    }
}

impl<C: Condition> Linearisation<'_, '_, C> {
    /// Takes back the verdicts of members whose derivative is lost in rounding. A point that cannot be recorded or a
    /// sweep that fails here is no failure of the derivative, which does not need it.
    ///
    /// Cost: two runs of the condition and two forward sweeps, more where it does not answer; a recording; two products
    /// and two sweeps by the parameters, and twice the slopes of a loss. In large spaces two products more, and two
    /// solves to a hundredth where something is seen.
    pub(crate) fn looked_for_rounding(
        &self,
        here: &Local<'_, Of<C::State>>,
        raw: &Raw<Of<C::State>>,
        asked: &Question<'_, Of<C::State>>,
        checked: Option<&Checked>,
        members: &mut [Member],
        mut verdict: Verdict,
    ) -> Verdict {
        let eps = lists::eps::<Of<C::State>>();
        let known = |m: usize| checked.map_or(0.0, |c| c.relative(m)).max(eps.sqrt());
        let sound: Vec<bool> = members.iter().map(|m| m.verdict.is_sound()).collect();
        let lost = |floors: &[f64], m: usize| sound[m] && (floors[m] > LOST * known(m) || floors[m].is_nan());
        let looked = |exact: bool| self.floors(here, raw, asked, &sound, exact);
        let Ok((mut floors, noise)) = looked(here.is_small()) else { return verdict };
        if !here.is_small() && (0..members.len()).any(|m| lost(&floors, m)) {
            floors = looked(true).map_or(floors, |(f, _)| f);
        }
        // An error above the threshold, between two points that are the same to rounding, is that of a coin.
        let beyond = |inner: f64, most: f64| inner > most || inner.is_nan();
        let inner = checked.is_some_and(|c| beyond(c.error.inner, eps.sqrt() * c.error.scale));
        let falls = |m: usize| self.contraction(m).is_none_or(|c| c <= CONTRACTION);
        let tossed = |m: usize| sound[m] && inner && known(m) > eps.sqrt() && !falls(m);
        for (m, member) in members.iter_mut().enumerate() {
            let why = match () {
                () if sound[m] && self.stands_out(here, m, noise[m]) => {
                    Why::NotASolution { contraction: member.contraction.unwrap_or(1.0) }
                }
                () if tossed(m) => Why::IllConditioned { condition: floors[m].max(known(m)) / eps },
                () if lost(&floors, m) => Why::IllConditioned { condition: floors[m] / eps },
                () => continue,
            };
            member.verdict = member.verdict.worse(Verdict::Suspect(why));
            verdict = verdict.worse(Verdict::Suspect(why));
        }
        verdict
    }

    /// How much of itself the derivative changes, in each member, where the point moves by its rounding, and how long
    /// the rounding of the residual is. `exact` says whether the inverse of the map is to be solved for, or estimated
    /// by a product.
    fn floors(
        &self,
        here: &Local<'_, Of<C::State>>,
        raw: &Raw<Of<C::State>>,
        asked: &Question<'_, Of<C::State>>,
        sound: &[bool],
        exact: bool,
    ) -> Result<(Vec<f64>, Vec<f64>)> {
        let (s, n, x) = (&self.solution, sound.len(), &raw.solved.x);
        let ends = self.ends(here, &raw.solved)?;
        let noise = self.noise(here)?;
        let rounding = here.lengths(&noise)?;
        let mut u = self.uncertain(here, noise, &ends, exact)?;
        let shorter = shortened(here, &mut u, sound)?;
        let slot = Slot::new();
        let at = s.condition.space().step(&here.at, &u)?;
        let there = Local::record(s.condition, &slot, at, (s.z, s.phi), &self.start.phi)?;
        let (a, b) = (self.seen_at(here, x, asked, true)?, self.seen_at(&there, x, asked, false)?);
        let mut r = lists::minus(&b.left, &a.left);
        here.words.project(&mut r)?;
        let e = self.inverse(here, r, asked.is_adjoint(), &ends, exact)?;
        let mut change = asked.led(here, &e)?;
        if let (Some(a), Some(b)) = (a.by_params, b.by_params) {
            lists::add_all(&mut change, 1.0, &lists::minus(&b, &a));
        }
        let left = relative(&change, raw, &vec![0.0; n]);
        let apart = n > 1 && left.members.is_none();
        let (e, x) = (here.lengths(&e)?, here.lengths(x)?);
        let one = |m: usize| match apart {
            // What members share says nothing of one of them; the solutions of their systems do.
            true if e[m] > 0.0 => e[m] / x[m],
            true => 0.0,
            false => left.of(m),
        };
        Ok(((0..n).map(|m| one(m) / shorter[m]).collect(), rounding))
    }

    /// Is the residual of a member, which a Newton step did not make less, more than its rounding? A random vector
    /// shows how long the map is: a solver sees less of one that is far from normal.
    fn stands_out(&self, here: &Local<'_, Of<C::State>>, m: usize, noise: f64) -> bool {
        let falls = self.contraction(m).is_none_or(|c| c <= CONTRACTION);
        let Some(newton) = self.newton.get(self.here) else { return false };
        if falls || newton.is_rounding(here, m, 10.0) || here.stationarity[m] <= PLAIN[0] * noise {
            return false;
        }
        let length = || -> Result<f64> {
            let (v, mut av) = (self.anywhere(here)?, lists::zeros(here.shapes()));
            here.apply(&v, &mut av)?;
            Ok(here.lengths(&av)?[m] / here.lengths(&v)?[m] * (here.dim as f64).sqrt())
        };
        let terms = |length: f64| length * (here.sizes()[m] + newton.lengths[m]);
        let eps = lists::eps::<Of<C::State>>();
        length().is_ok_and(|length| here.stationarity[m] > PLAIN[1] * eps * terms(length))
    }

    /// What the solution `x` of the system leaves of it at a point, and what it pulls back to the parameters there.
    fn seen_at(
        &self,
        at: &Local<'_, Of<C::State>>,
        x: &[Batch<Of<C::State>>],
        asked: &Question<'_, Of<C::State>>,
        is_here: bool,
    ) -> Result<At<Of<C::State>>> {
        let (mut ax, mut x) = (lists::zeros(at.shapes()), x.to_vec());
        if !is_here {
            // A tangent here is nearly one there.
            at.words.project(&mut x)?;
        }
        let loss = match asked {
            Question::Push(dphi) => {
                let mut b = at.push_params(dphi)?;
                at.apply(&x, &mut ax)?;
                lists::add_all(&mut b, 1.0, &ax);
                let minus = lists::minus(&lists::zeros(at.shapes()), &b);
                return Ok(At { left: minus, by_params: None });
            }
            Question::Pull(loss) => loss,
        };
        at.adjoint(&x, &mut ax)?;
        let mut by_params = at.pull_params(&x)?;
        let left = match loss {
            // A cotangent that was given is the same everywhere.
            None => lists::minus(&lists::zeros(at.shapes()), &ax),
            Some(loss) => {
                let (zbar, direct) = (loss.slopes)(&at.at)?;
                lists::add_all(&mut by_params, 1.0, &direct);
                lists::minus(&at.raised(&zbar)?, &ax)
            }
        };
        Ok(At { left, by_params: Some(by_params) })
    }

    /// A tangent that is as long as the point is uncertain: by the rounding of the residual, and of its own entries.
    fn uncertain(
        &self,
        at: &Local<'_, Of<C::State>>,
        noise: List<Of<C::State>>,
        ends: &[Option<(f64, f64)>],
        exact: bool,
    ) -> Result<List<Of<C::State>>> {
        let mut u = self.inverse(at, noise, false, ends, exact)?;
        further(&mut u, &at.at);
        at.words.project(&mut u)?;
        Ok(u)
    }

    /// What of the residual is rounding, as far as two runs of the condition show it, to either side of the point: the
    /// sum of what their derivatives do not explain counts the rounding at the point twice. Entries are not looked at
    /// one by one but as they come, since a program may round all of them by the same number. More runs show it where
    /// an entry does not answer to a move.
    fn noise(&self, at: &Local<'_, Of<C::State>>) -> Result<List<Of<C::State>>> {
        let (base, eps) = (at.outcome(), lists::eps::<Of<C::State>>());
        let v = self.anywhere(at)?;
        let mut h = (BESIDE[0] * eps).min(BESIDE[1] * eps.sqrt());
        let mut noise = base.clone();
        let Some((change, slope)) = self.beside(at, &base, &v, h)? else {
            (0..at.stationarity.len()).for_each(|m| lists::scale(&mut noise, 0.5 * eps, m));
            return Ok(noise);
        };
        let (back, slope_back) = self.beside(at, &base, &v, -h)?.unwrap_or_else(|| (change.clone(), slope.clone()));
        let entry = |(k, x): (usize, f64)| {
            let d = (change[k] - slope[k]) + (back[k] - slope_back[k]);
            let silent = change[k].abs() < SILENT * slope[k].abs();
            Entry { noise: d.abs().max(0.5 * eps * x.abs()).copysign(d), silent }
        };
        let mut entries: Vec<Entry> = flat(&base).into_iter().enumerate().map(entry).collect();
        while entries.iter().any(|e| e.silent) && h * FURTHER <= eps.powf(FURTHEST) {
            h *= FURTHER;
            let Some((change, slope)) = self.beside(at, &base, &v, h)? else { break };
            entries.iter_mut().zip(change.into_iter().zip(slope)).for_each(|(e, (c, s))| e.look(c, s));
        }
        let to = noise.iter_mut().flat_map(|b| b.data_mut());
        to.zip(&entries).for_each(|(x, e)| *x = lists::number(e.noise));
        match at.kind {
            Kind::Stationary => at.raised(&noise),
            Kind::FixedPoint | Kind::Root => at.words.project(&mut noise).map(|()| noise),
        }
    }

    /// How each entry of the residual changes by a move, and what its derivative says of that. `None` where the
    /// condition cannot be run there.
    fn beside(
        &self,
        at: &Local<'_, Of<C::State>>,
        base: &[Batch<Of<C::State>>],
        v: &[Batch<Of<C::State>>],
        h: f64,
    ) -> Result<Option<(Vec<f64>, Vec<f64>)>> {
        let s = &self.solution;
        let from = origin(s.condition.space(), &at.at);
        // The move that is made, after rounding.
        let w = lists::minus(&beside(&from, h, v), &from);
        let Ok(there) = outcome(s.condition, &at.at, &w, (s.z, s.phi), &self.start.phi) else { return Ok(None) };
        let (mut change, mut slope) = (lists::minus(&there, base), at.slope_by_state(&w)?);
        if at.kind == Kind::FixedPoint {
            // A step that hardly moves answers with all of the move, and its residual need not.
            [&mut change, &mut slope].into_iter().for_each(|v| lists::add_all(v, -1.0, &w));
        }
        Ok(Some((flat(&change), flat(&slope))))
    }

    /// `A^{-1} r`, or that of the adjoint.
    fn inverse(
        &self,
        at: &Local<'_, Of<C::State>>,
        r: List<Of<C::State>>,
        adjoint: bool,
        ends: &[Option<(f64, f64)>],
        exact: bool,
    ) -> Result<List<Of<C::State>>> {
        if at.is_small() {
            return Ok(at.factor()?.solve(&r, adjoint && !at.is_self_adjoint()));
        }
        if !exact {
            return roughly(at, r, adjoint, ends);
        }
        let stop = Stop { tolerance: ROUGH, products: self.solution.settings.products };
        let aid = Aid { recycle: None, ..self.solution.aid };
        Ok(at.solve(&r, adjoint, None, Method::Auto, &stop, aid)?.x)
    }

    /// A direction at random, as long as the point, or as its entries may go.
    pub(crate) fn anywhere(&self, at: &Local<'_, Of<C::State>>) -> Result<List<Of<C::State>>> {
        let mut v = anywhere(&at.at, 0x57EE);
        for m in 0..at.stationarity.len() {
            let longer = lists::member_length(&at.at, m) / lists::member_length(&v, m);
            lists::scale(&mut v, if longer.is_finite() { longer.max(1.0) } else { 1.0 }, m);
        }
        at.cap(&mut v)?;
        Ok(v)
    }
}

/// Makes members no longer than a move may be, and those zero that are not looked at, and says by how much.
fn shortened<T: Scalar>(here: &Local<'_, T>, u: &mut List<T>, sound: &[bool]) -> Result<Vec<f64>> {
    *u = lists::only(u, &|m| sound[m] && lists::finite(u, m));
    let one = |(length, size): (f64, f64)| if length > FAR * size { FAR * size / length } else { 1.0 };
    let shorter: Vec<f64> = here.lengths(u)?.into_iter().zip(here.sizes()).map(one).collect();
    shorter.iter().enumerate().for_each(|(m, c)| lists::scale(u, *c, m));
    Ok(shorter)
}

/// Makes each entry longer by what the entry of a point is rounded.
fn further<T: Scalar>(u: &mut [Batch<T>], z: &[Batch<T>]) {
    let eps = lists::eps::<T>();
    let one = |u: f64, z: f64| lists::number(u + (eps * z.abs()).copysign(u));
    let entries = u.iter_mut().flat_map(|b| b.data_mut()).zip(z.iter().flat_map(|b| b.data()));
    entries.for_each(|(u, z)| *u = one(u.f64(), z.f64()));
}

/// All entries, leaf by leaf.
fn flat<T: Scalar>(v: &[Batch<T>]) -> Vec<f64> {
    v.iter().flat_map(|b| b.data()).map(|x| x.f64()).collect()
}
