//! How trust is measured: a derivative is computed as asked, and once more, better in every respect, from the next
//! point of Newton's method with a linear solver that is known to have converged. What lies between the two is the
//! error of the first, up to the error of the second, and that is as much smaller as Newton's method contracts.

use crate::condition::{Condition, Kind};
use crate::error::Result;
use crate::iteration::Of;
use crate::kinks::Question;
use crate::linear::{self, Method, Solved, Status, Stop};
use crate::linearise::{beyond, scratch};
use crate::lists::{self, List};
use crate::local::{Local, Probe};
use crate::solution::Linearisation;
use crate::trust::{Errors, Member, SolutionCertificate};
use crate::verdict::{Verdict, Why};
use pullback::{Batch, Scalar};

/// A derivative at one point, by one solver.
pub(crate) struct Raw<T: Scalar> {
    pub(crate) value: List<T>,
    pub(crate) scale: f64,
    pub(crate) solved: Solved<T>,
}

/// A derivative at a point, by a method, from a start.
pub(crate) type Derive<'f, T> = dyn Fn(&Local<'_, T>, Method, &Stop, Option<&[Batch<T>]>) -> Result<Raw<T>> + 'f;

/// A Newton step must leave at most this much of the residual, or the point is no solution: then the estimate was
/// within a factor of 1.6 in thousands of random cases, while a fifth let some through that were off by 3. Newton's
/// method at a double root leaves a quarter, and more at roots of higher order, so this tells degenerate solutions too.
pub(crate) const CONTRACTION: f64 = 0.1;

/// An inner error of more than this, relative to the derivative, is not believed because Newton's method contracts: the
/// derivative at the point after the next one must agree.
const SLOPPY: f64 = 3e-3;

/// The derivative at the point after the next one may differ from that at the next one by this much of the error that
/// is estimated, so that the estimate is within a factor of two.
const DOUBT: f64 = 0.3;

/// Lanczos steps that look at the spectrum of a large self-adjoint map.
const LOOK: usize = 12;

/// A normal part of the residual beyond this says that the condition is not one of the manifold.
const NORMAL: f64 = 1e-6;

impl<C: Condition> Linearisation<'_, '_, C> {
    /// The derivative, and how far to trust it.
    pub(crate) fn certified(
        &self,
        derive: &Derive<'_, Of<C::State>>,
        asked: &Question<'_, Of<C::State>>,
    ) -> Result<(List<Of<C::State>>, SolutionCertificate)> {
        let (s, threshold) = (&self.solution.settings, lists::eps::<Of<C::State>>().sqrt());
        let here = &self.points[self.here];
        let all_products = || self.points.iter().map(Local::products).sum::<usize>();
        let before = all_products();
        let raw = derive(here, s.method, &Stop { tolerance: s.tolerance, products: s.products }, None)?;
        let products = all_products() - before;
        let finite = lists::all_finite(&raw.value);
        let checked = (s.check && finite).then(|| self.errors(here, &raw, derive, threshold)).transpose()?;
        let checked = checked.as_ref();
        let mut members = self.judged_members(here, &raw, checked, threshold)?;
        let mut verdict = of_whole(&members, checked, finite, threshold);
        // A solver that stopped early is only a reason for doubt if its error could not be measured or matters, or is
        // far from what was asked for.
        let most = (10.0 * s.tolerance).max(1e3 * lists::eps::<Of<C::State>>());
        let as_asked = checked.is_some_and(|c| c.error.linear <= most * c.error.scale);
        for (k, m) in members.iter_mut().enumerate() {
            if let (Some(v), false) = (of_status(k, m), is_small(checked, k, threshold) && as_asked) {
                m.verdict = m.verdict.worse(v);
                verdict = verdict.worse(v);
            }
        }
        if s.check && members.iter().any(|m| m.verdict.is_sound()) {
            verdict = self.looked_beside(here, &raw.solved.x, asked, &mut members, verdict);
        }
        let certificate = SolutionCertificate {
            members,
            error: checked.map(|c| c.error),
            verdict,
            method: raw.solved.method,
            products,
            all_products: all_products(),
            polished: self.here > 0,
            threshold,
        };
        Ok((raw.value, certificate))
    }

    /// What is known of each member, with the error of its part of the derivative and what that says of it. Members are
    /// systems of their own: a small one is not right because a large one is.
    fn judged_members(
        &self,
        here: &Local<'_, Of<C::State>>,
        raw: &Raw<Of<C::State>>,
        checked: Option<&Checked>,
        threshold: f64,
    ) -> Result<Vec<Member>> {
        let mut members = self.members(here, &raw.solved, &|m| is_small(checked, m, threshold))?;
        if let Some(Checked { parts: Some(parts), doubts, .. }) = checked {
            for (m, member) in members.iter_mut().enumerate() {
                member.error = Some(parts[m]);
                if !is_small(checked, m, threshold) {
                    member.verdict = member.verdict.worse(Verdict::Estimated);
                }
                let why = doubts.as_ref().and_then(|d| doubt(parts[m], d[m]));
                member.verdict = why.map_or(member.verdict, |w| member.verdict.worse(Verdict::Suspect(w)));
            }
        }
        for member in self.start.failed() {
            members[member] = Member::failed(member);
        }
        Ok(members)
    }

    /// Takes back the verdicts of members that have a kink at the solution, and of the whole if the loss has one. A
    /// sweep that fails here is no failure of the derivative, which does not need it.
    fn looked_beside(
        &self,
        here: &Local<'_, Of<C::State>>,
        x: &[Batch<Of<C::State>>],
        asked: &Question<'_, Of<C::State>>,
        members: &mut [Member],
        mut verdict: Verdict,
    ) -> Verdict {
        let Ok(kinks) = self.kinks(here, x, asked) else { return verdict };
        let bends = |bend: f64, v: Verdict| if bend > 0.0 { v.worse(Verdict::Suspect(Why::Kink { bend })) } else { v };
        for (m, bend) in members.iter_mut().zip(kinks.members) {
            (m.verdict, verdict) = (bends(bend, m.verdict), bends(bend, verdict));
        }
        bends(kinks.loss, verdict)
    }

    /// The error of a derivative at `here`.
    fn errors(
        &self,
        here: &Local<'_, Of<C::State>>,
        raw: &Raw<Of<C::State>>,
        derive: &Derive<'_, Of<C::State>>,
        threshold: f64,
    ) -> Result<Checked> {
        let eps = lists::eps::<Of<C::State>>();
        let tight = Stop { tolerance: 1e-12f64.max(50.0 * eps), products: 2 * self.solution.settings.products };
        let apart = |a: &Raw<_>, b: &Raw<_>| lists::length(&lists::minus(&a.value, &b.value));
        let largest = |d: &[f64]| d.iter().fold(0.0f64, |w, d| if *d <= w { w } else { *d });
        let far = self.distances(here, &raw.solved)?;
        let done =
            raw.solved.members.iter().all(|m| m.status == Status::Converged) && largest(&far) <= 1e-2 * threshold;
        let better = match done {
            true => None,
            false => Some(derive(here, Method::Auto, &tight, Some(&raw.solved.x))?),
        };
        let exact = better.as_ref().unwrap_or(raw);
        // What the better solver left, in the worst case; where that matters, nothing is known of the error.
        let left = if better.is_some() { self.distances(here, &exact.solved)? } else { far };
        let unknown = left.iter().position(|d| *d > threshold).map(|m| (m, Status::Stalled));
        let linear = apart(exact, raw) + largest(&left) * raw.scale;
        let bad = |r: &Raw<_>| r.solved.failure().filter(|(m, _)| r.solved.members[*m].residual > threshold);
        let moved = self.moved(here);
        if let Some(next) = self.points.get(self.here + 1) {
            let best = derive(next, Method::Auto, &tight, Some(&exact.solved.x))?;
            // A member that stood still has no better point to be compared with.
            let stood: Vec<f64> = (0..left.len()).map(|m| if here.same(next, m) { moved[m] } else { 0.0 }).collect();
            let scale = raw.scale.max(best.scale);
            let more = largest(&stood) * scale;
            let (total, inner) = (apart(&best, raw) + more, apart(&best, exact) + more);
            let parts = parts(raw, &best, left.len()).map(|p| p.iter().zip(&stood).map(|(p, s)| p + s).collect());
            let error = Errors { linear, inner, total, scale };
            // The better solution is known up to what its own solver left.
            let vague = self.distances(here, &best.solved)?;
            let vague = vague.iter().position(|d| *d * scale > (0.5 * total).max(threshold * scale));
            let failure = bad(&best).or(unknown).or(vague.map(|m| (m, Status::Stalled)));
            let checked = Checked { error, parts, doubt: 0.0, doubts: None, failure };
            return self.doubted(checked, &best, derive, &tight);
        }
        // No step was needed: what is left of the inner error is that of a step within rounding.
        let inner = largest(&moved) * exact.scale;
        let scale = raw.scale.max(exact.scale);
        let error = Errors { linear, inner, total: linear + inner, scale };
        let parts = match better.is_some() {
            true => parts(raw, exact, left.len()),
            false => (left.len() > 1).then_some(left),
        };
        Ok(Checked { error, parts, doubt: 0.0, doubts: None, failure: bad(exact).or(unknown) })
    }

    /// Where the error is not small, the derivative at one more point says whether its estimate is to be believed.
    fn doubted(
        &self,
        checked: Checked,
        best: &Raw<Of<C::State>>,
        derive: &Derive<'_, Of<C::State>>,
        tight: &Stop,
    ) -> Result<Checked> {
        let (e, parts) = (checked.error, &checked.parts);
        if e.inner <= SLOPPY * e.scale && parts.iter().flatten().all(|p| *p <= SLOPPY) {
            return Ok(checked);
        }
        let slots = scratch();
        let Some((point, lost)) = beyond(self, &slots) else {
            return Ok(Checked { doubt: f64::INFINITY, ..checked });
        };
        let after = derive(&point, Method::Auto, tight, Some(&best.solved.x))?;
        let apart = lists::length(&lists::minus(&after.value, &best.value));
        let doubt = if lost.contains(&true) { f64::INFINITY } else { apart / e.total };
        let left = self::parts(best, &after, lost.len());
        let ratio = |(m, (left, part)): (usize, (&f64, &f64))| if lost[m] { f64::INFINITY } else { left / part };
        let doubts = left.zip(parts.as_ref()).map(|(l, p)| l.iter().zip(p).enumerate().map(ratio).collect());
        Ok(Checked { doubt, doubts, ..checked })
    }

    /// The length of the Newton step from here, relative to the size of the point.
    fn moved(&self, here: &Local<'_, Of<C::State>>) -> Vec<f64> {
        let (sizes, newton) = (here.sizes(), self.newton.get(self.here));
        let one = |m: usize| match newton {
            Some(n) if here.stationarity[m] > 0.0 => n.lengths[m] / sizes[m].max(f64::MIN_POSITIVE),
            _ => 0.0,
        };
        (0..sizes.len()).map(one).collect()
    }

    /// An estimate of `|x - truth| / |x|` for each member: the residual over the smallest singular value, which a
    /// factorisation knows in small systems; in others, over the smallest modulus of the spectrum that was seen, by the
    /// solver or by a random vector.
    fn distances(&self, here: &Local<'_, Of<C::State>>, solved: &Solved<Of<C::State>>) -> Result<Vec<f64>> {
        let mut far: Vec<f64> = solved.members.iter().map(|m| m.distance).collect();
        let (settings, length) = (&self.solution.settings, here.lengths(&solved.x)?);
        let factor = here.is_small().then(|| here.factor()).transpose()?;
        let probe = match factor {
            Some(_) => None,
            None => Some(here.probe(settings.products, self.solution.aid)?),
        };
        for (m, d) in far.iter_mut().enumerate().filter(|(m, _)| solved.members[*m].residual > 0.0) {
            let known = factor.and_then(|f| f.singular(m));
            let Some(low) = known.map(|(low, _)| low).or(probe.map(|p| p[m].low)) else { continue };
            let seen = solved.members[m].residual * solved.sizes[m] / (low * length[m]);
            *d = if seen <= *d { *d } else { seen };
        }
        Ok(far)
    }

    /// What is known of each member, and its verdict as far as the error of the whole does not enter.
    fn members(
        &self,
        here: &Local<'_, Of<C::State>>,
        solved: &Solved<Of<C::State>>,
        small: &dyn Fn(usize) -> bool,
    ) -> Result<Vec<Member>> {
        let check = self.solution.settings.check;
        let stationary = self.solution.condition.kind() == Kind::Stationary;
        let exact = (check && here.is_small()).then(|| here.factor()).transpose()?.map(|f| f.spectrum());
        let (defects, ritz) = match check && exact.is_none() {
            false => (None, None),
            true => {
                (Some(linear::defect(here)?), stationary.then(|| linear::lanczos(here, LOOK, 0xA11CE)).transpose()?)
            }
        };
        let probe = match check && exact.is_none() {
            true => Some(here.probe(self.solution.settings.products, self.solution.aid)?),
            false => None,
        };
        let one = |m: usize| {
            let s = &solved.members[m];
            let ritz = ritz.as_ref().and_then(|r| r[m]).map(|(l, h)| (l.abs().min(h.abs()), l.abs().max(h.abs())));
            let spectrum = match &exact {
                Some(all) => Some((all[m].smallest, all[m].largest)),
                None => linear::wider(linear::wider(s.seen, ritz), probe.map(|p| (p[m].low, p[m].low))),
            };
            let symmetry = exact.as_ref().map(|all| all[m].symmetry).or(defects.as_ref().map(|d| d[m]));
            let mut member = Member {
                stationarity: here.stationarity[m],
                newton_step: self.newton.get(self.here).map(|n| n.lengths[m]),
                contraction: self.contraction(m),
                residual: s.residual,
                iterations: s.iterations,
                status: s.status,
                spectrum,
                exact: exact.is_some(),
                symmetry,
                normal: here.normal[m],
                error: None,
                verdict: Verdict::Verified,
            };
            member.verdict = self.judged(here, m, &member, small(m));
            if let Some(Probe { status, .. }) = probe.map(|p| p[m]).filter(|p| p.status != Status::Converged) {
                // A system with a solution does not make a map regular.
                member.verdict = member.verdict.worse(Verdict::Suspect(Why::Solver { member: m, status }));
            }
            member
        };
        Ok((0..solved.members.len()).map(one).collect())
    }

    fn judged(&self, here: &Local<'_, Of<C::State>>, m: usize, of: &Member, small: bool) -> Verdict {
        let stationary = self.solution.condition.kind() == Kind::Stationary;
        let eps = lists::eps::<Of<C::State>>();
        let mut verdict = Verdict::Verified;
        // Of a step `F`, `A = I - DF` is a difference of maps of size 1 and more, and has their rounding.
        let terms = if self.solution.condition.kind() == Kind::FixedPoint { 1.0 } else { 0.0 };
        if let Some((smallest, largest)) = of.spectrum.map(|(low, high)| (low, high.max(terms))) {
            let floor = 16.0 * eps * (linear::Map::dim(here).max(1) as f64).min(1e3);
            verdict = verdict.worse(match smallest / largest {
                _ if smallest.is_infinite() => Verdict::Verified,
                r if r.is_nan() || r <= floor => Verdict::Invalid(Why::Singular { smallest, largest }),
                r if r <= eps.sqrt() => Verdict::Suspect(Why::IllConditioned { condition: 1.0 / r }),
                _ => Verdict::Verified,
            });
        }
        if of.status == Status::NonFinite {
            verdict = verdict.worse(Verdict::Invalid(Why::NotFinite));
        }
        if let (true, Some(defect)) = (stationary, of.symmetry)
            && defect > linear::symmetric_to_rounding::<Of<C::State>>()
        {
            verdict = verdict.worse(Verdict::Suspect(Why::NotSymmetric { defect }));
        }
        let rounding = self.newton.get(self.here).is_some_and(|n| n.is_rounding(here, m, 10.0));
        // Of a step, the normal part vanishes with the second order of its motion.
        let most = if self.solution.condition.kind() == Kind::FixedPoint { 0.1 } else { NORMAL };
        let noise = of.spectrum.map_or(0.0, |(_, high)| 1e3 * eps * high * here.sizes()[m]);
        if of.normal > most && here.dropped[m] > noise {
            verdict = verdict.worse(Verdict::Suspect(Why::NotTangent { normal: of.normal }));
        }
        // Where a tiny step changes nothing in the derivative, a residual that does not fall is rounding of terms that
        // cancel, whose size is not known here.
        let tiny = of.newton_step.is_some_and(|d| d <= eps.sqrt() * here.sizes()[m]);
        let rounding = rounding || small && tiny;
        // Without a next point, the step led nowhere, unless none was needed.
        let contraction = of.contraction.unwrap_or(if rounding || of.stationarity == 0.0 { 0.0 } else { 1.0 });
        if self.solution.settings.check && !rounding && (contraction > CONTRACTION || contraction.is_nan()) {
            verdict = verdict.worse(Verdict::Suspect(Why::NotASolution { contraction }));
        }
        verdict
    }
}

/// The error of a derivative, of the part of each member if it has one, and the first member whose better solution
/// failed.
struct Checked {
    error: Errors,
    parts: Option<Vec<f64>>,
    /// How much of the error the derivative changes once more from the better point to the one after it, where it was
    /// looked at: of the whole, and of each member.
    doubt: f64,
    doubts: Option<Vec<f64>>,
    failure: Option<(usize, Status)>,
}

/// Is the error of a member's part of the derivative, or of the whole where members have no parts, below the threshold?
fn is_small(checked: Option<&Checked>, m: usize, threshold: f64) -> bool {
    let whole = |c: &Checked| c.error.total <= threshold * c.error.scale;
    checked.is_some_and(|c| c.parts.as_ref().map_or_else(|| whole(c), |p| p[m] <= threshold))
}

/// Is an inner error not to be believed, of which the derivative changes by so much once more?
fn doubt(error: f64, changes: f64) -> Option<Why> {
    let doubtful = error > SLOPPY && (changes > DOUBT || changes.is_nan());
    doubtful.then_some(Why::NotASolution { contraction: changes })
}

/// The verdict on the whole, of members and errors.
fn of_whole(members: &[Member], checked: Option<&Checked>, finite: bool, threshold: f64) -> Verdict {
    let verdict = members.iter().fold(Verdict::Verified, |v, m| v.worse(m.verdict));
    let verdict = if finite { verdict } else { verdict.worse(Verdict::Invalid(Why::NotFinite)) };
    let Some(c) = checked else { return verdict.worse(Verdict::Suspect(Why::Unchecked)) };
    let e = &c.error;
    let doubted = doubt(if e.inner > 0.0 { e.inner / e.scale } else { 0.0 }, c.doubt);
    let failed = c.failure.map(|(member, status)| Why::Solver { member, status });
    let verdict = [doubted, failed].into_iter().flatten().fold(verdict, |v, why| v.worse(Verdict::Suspect(why)));
    verdict.worse(match () {
        () if e.total <= threshold * e.scale => Verdict::Verified,
        () if e.total.is_finite() => Verdict::Estimated,
        () => Verdict::Suspect(Why::NotFinite),
    })
}

/// The difference of two derivatives member by member, relative to their own size, where there are several members and
/// every leaf has them.
fn parts<T: Scalar>(raw: &Raw<T>, best: &Raw<T>, members: usize) -> Option<Vec<f64>> {
    let apart = members > 1 && raw.value.iter().all(|b| b.shape().batch == members);
    let difference = lists::minus(&best.value, &raw.value);
    let length = |v: &[Batch<T>], m| lists::dot(v, v, m).sqrt();
    let one = |m: usize| match length(&difference, m) {
        0.0 => 0.0,
        d => d / length(&raw.value, m).max(length(&best.value, m)),
    };
    apart.then(|| (0..members).map(one).collect())
}

/// What the end of a solver says.
fn of_status(member: usize, of: &Member) -> Option<Verdict> {
    let why = Why::Solver { member, status: of.status };
    match of.status {
        Status::Converged | Status::Truncated => None,
        Status::NonFinite => Some(Verdict::Invalid(Why::NotFinite)),
        Status::Diverged => Some(Verdict::Invalid(why)),
        _ => Some(Verdict::Suspect(why)),
    }
}
