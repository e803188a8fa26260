//! How trust is measured: a derivative is computed as asked, and once more, better in every respect, from the next
//! point of Newton's method with a linear solver that is known to have converged. What lies between the two is the
//! error of the first, up to the error of the second, and that is as much smaller as Newton's method contracts. How it
//! is measured is in `measured.rs`; here is what becomes of it.

use crate::condition::{Condition, Kind};
use crate::error::Result;
use crate::iteration::Of;
use crate::kinks::Question;
use crate::leftover::{Piece, pieces};
use crate::linear::{self, Method, Solved, Status, Stop};
use crate::lists::{self, List};
use crate::local::{Local, Probe};
use crate::measured::Checked;
use crate::newton::Newton;
use crate::solution::Linearisation;
use crate::space::Space;
use crate::trust::{Member, SolutionCertificate};
use crate::verdict::{Verdict, Why};
use pullback::{Batch, Scalar};

/// A derivative at one point, by one solver.
pub(crate) struct Raw<T: Scalar> {
    pub(crate) value: List<T>,
    pub(crate) scale: f64,
    /// The scales of its leaves.
    pub(crate) pieces: Vec<Piece>,
    pub(crate) solved: Solved<T>,
}

impl<T: Scalar> Raw<T> {
    /// A derivative that is all in one term.
    pub(crate) fn of(value: List<T>, solved: Solved<T>) -> Self {
        let pieces = pieces(&value, solved.members.len());
        Raw { scale: lists::length(&value), pieces, value, solved }
    }

    /// With a second term, that may cancel the first.
    pub(crate) fn plus(mut self, direct: &[Batch<T>]) -> Self {
        self.scale += lists::length(direct);
        let more = pieces(direct, self.solved.members.len());
        self.pieces.iter_mut().zip(more).for_each(|(p, d)| p.length += d.length);
        lists::add_all(&mut self.value, 1.0, direct);
        self
    }
}

/// A derivative at a point, by a method, from a start.
pub(crate) type Derive<'f, T> = dyn Fn(&Local<'_, T>, Method, &Stop, Option<&[Batch<T>]>) -> Result<Raw<T>> + 'f;

/// A Newton step must leave at most this much of the residual, or the point is no solution: then the estimate was
/// within a factor of 1.6 in thousands of random cases, while a fifth let some through that were off by 3. Newton's
/// method at a double root leaves a quarter, and more at roots of higher order, so this tells degenerate solutions too.
pub(crate) const CONTRACTION: f64 = 0.1;

/// The derivative at the point after the next one may differ from that at the next one by this much of the error that
/// is estimated, so that the estimate is within a factor of two.
const DOUBT: f64 = 0.3;

/// A Newton step on a manifold that is longer than this, relative to the size of the point, leads anywhere.
const LONG: f64 = 0.5;

/// Lanczos steps that look at the spectrum of a large self-adjoint map.
const LOOK: usize = 12;

/// A metric is lost in rounding where a random tangent that is lowered and raised comes back as far off as this much of
/// the threshold: other vectors come back further off.
const METRIC: f64 = 0.25;

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
        let checked = (s.check && finite).then(|| self.errors(here, &raw, derive, asked, threshold)).transpose()?;
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
            verdict = self.looked_for_rounding(here, &raw, asked, checked, &mut members, verdict);
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
        // A leaf that is small is not right because a large one is.
        for m in checked.iter().flat_map(|c| c.pieces_beyond(threshold)).flatten() {
            members[m].verdict = members[m].verdict.worse(Verdict::Estimated);
        }
        if let Some(Checked { parts: Some(parts), scales, doubts, .. }) = checked {
            for (m, member) in members.iter_mut().enumerate() {
                (member.error, member.scale) = (Some(parts[m]), scales.get(m).copied().unwrap_or(0.0));
                if !is_small(checked, m, threshold) {
                    member.verdict = member.verdict.worse(Verdict::Estimated);
                }
                let why = doubts.as_ref().and_then(|d| doubt(parts[m], d[m], threshold));
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
        let Ok(kinks) = self.kinks_at_solution(here, x, asked) else { return verdict };
        let bends = |bend: f64, v: Verdict| if bend > 0.0 { v.worse(Verdict::Suspect(Why::Kink { bend })) } else { v };
        for (m, bend) in members.iter_mut().zip(kinks.members) {
            (m.verdict, verdict) = (bends(bend, m.verdict), bends(bend, verdict));
        }
        bends(kinks.loss, verdict)
    }

    /// What is known of each member, and its verdict as far as the error of the whole does not enter.
    fn members(
        &self,
        here: &Local<'_, Of<C::State>>,
        solved: &Solved<Of<C::State>>,
        small: &dyn Fn(usize) -> bool,
    ) -> Result<Vec<Member>> {
        let known = self.known(here)?;
        let metric = if self.solution.settings.check { here.metric_defects()? } else { vec![] };
        let eps = lists::eps::<Of<C::State>>();
        let one = |m: usize| {
            let s = &solved.members[m];
            let mut member = Member {
                stationarity: here.stationarity[m],
                newton_step: self.newton.get(self.here).map(|n| n.lengths[m]),
                contraction: self.contraction(m),
                residual: s.residual,
                iterations: s.iterations,
                status: s.status,
                spectrum: known.ends(s.seen, m),
                exact: known.exact.is_some(),
                symmetry: known.symmetry(m),
                normal: here.normal[m],
                error: None,
                verdict: Verdict::Verified,
                scale: 0.0,
            };
            member.verdict = self.judged(here, m, &member, small(m));
            if let Some(defect) = metric.get(m).filter(|d| d.is_nan() || **d > METRIC * eps.sqrt()) {
                let why = Why::IllConditioned { condition: defect / eps };
                member.verdict = member.verdict.worse(Verdict::Suspect(why));
            }
            if let Some(Probe { status, .. }) = known.probe.map(|p| p[m]).filter(|p| p.status != Status::Converged) {
                // A system with a solution does not make a map regular.
                member.verdict = member.verdict.worse(Verdict::Suspect(Why::Solver { member: m, status }));
            }
            member
        };
        Ok((0..solved.members.len()).map(one).collect())
    }

    /// Looks at the map: at all of it in a small space, else with a few vectors.
    fn known<'l>(&self, here: &'l Local<'_, Of<C::State>>) -> Result<Known<'l>> {
        let (check, stationary) = (self.solution.settings.check, here.is_self_adjoint());
        let exact = (check && here.is_small()).then(|| here.factor()).transpose()?.map(|f| f.spectrum());
        if !check || exact.is_some() {
            return Ok(Known { exact, defects: None, ritz: None, probe: None });
        }
        let defects = Some(linear::defect(here)?);
        let ritz = stationary.then(|| linear::lanczos(here, LOOK, 0xA11CE)).transpose()?;
        let probe = Some(here.probe(self.solution.settings.products, self.solution.aid)?);
        Ok(Known { exact, defects, ritz, probe })
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
        // A step that was not taken does not show what it changes.
        let went = self.points.get(self.here + 1).is_some_and(|next| !here.same(next, m));
        let is_rounding = |n: &Newton<_>| if went { n.is_rounding(here, m, 10.0) } else { n.settled(here, m, 1.0) };
        let rounding = self.newton.get(self.here).is_some_and(is_rounding);
        // Of a step, the normal part vanishes with the second order of its motion.
        let most = if self.solution.condition.kind() == Kind::FixedPoint { 0.1 } else { NORMAL };
        let noise = of.spectrum.map_or(0.0, |(_, high)| 1e3 * eps * high.max(terms) * here.sizes()[m]);
        if of.normal > most && here.dropped[m] > noise && here.dim > 0 {
            verdict = verdict.worse(Verdict::Suspect(Why::NotTangent { normal: of.normal }));
        }
        // Where a tiny step changes nothing in the derivative, a residual that does not fall is rounding of terms that
        // cancel, whose size is not known here.
        let solved = self.newton.get(self.here).is_some_and(|n| n.is_solved(m));
        let tiny = solved && of.newton_step.is_some_and(|d| d <= eps.sqrt() * here.sizes()[m]);
        let rounding = rounding || small && tiny && went;
        // Without a next point, the step led nowhere, unless none was needed.
        let contraction = of.contraction.unwrap_or(if rounding || of.stationarity == 0.0 { 0.0 } else { 1.0 });
        // On a manifold a step is good for less than a turn.
        let curved = !matches!(self.solution.condition.space(), Space::Flat);
        let lost = curved && of.newton_step.is_some_and(|d| d > LONG * here.sizes()[m]);
        if self.solution.settings.check && !rounding && (lost || contraction > CONTRACTION || contraction.is_nan()) {
            verdict = verdict.worse(Verdict::Suspect(Why::NotASolution { contraction }));
        }
        verdict
    }
}

/// What is known of the map of each member, as far as it was looked at.
struct Known<'l> {
    exact: Option<Vec<linear::Spectrum>>,
    defects: Option<Vec<f64>>,
    /// The ends of what a few Lanczos steps saw.
    ritz: Option<Vec<Option<(f64, f64)>>>,
    probe: Option<&'l [Probe]>,
}

impl Known<'_> {
    /// The smallest and the largest singular value of a member, or how far its spectrum was seen to reach.
    fn ends(&self, seen: Option<(f64, f64)>, m: usize) -> Option<(f64, f64)> {
        let ritz = self.ritz.as_ref().and_then(|r| r[m]).map(|(l, h)| (l.abs().min(h.abs()), l.abs().max(h.abs())));
        match &self.exact {
            Some(all) => Some((all[m].smallest, all[m].largest)),
            None => linear::wider(linear::wider(seen, ritz), self.probe.map(|p| (p[m].low, p[m].low))),
        }
    }

    fn symmetry(&self, m: usize) -> Option<f64> {
        self.exact.as_ref().map(|all| all[m].symmetry).or(self.defects.as_ref().map(|d| d[m]))
    }
}

/// Is the error of a member's part of the derivative, or of the whole where members have no parts, below the threshold?
fn is_small(checked: Option<&Checked>, m: usize, threshold: f64) -> bool {
    let whole = |c: &Checked| c.error.total <= threshold * c.error.scale;
    checked.is_some_and(|c| c.parts.as_ref().map_or_else(|| whole(c), |p| p[m] <= threshold))
}

/// Is an inner error not to be believed, of which the derivative changes by so much once more?
fn doubt(error: f64, changes: f64, threshold: f64) -> Option<Why> {
    let left = changes * error.max(f64::MIN_POSITIVE);
    let doubtful = left > DOUBT * error.max(threshold) || left.is_nan();
    doubtful.then_some(Why::NotASolution { contraction: changes })
}

/// The verdict on the whole, of members and errors.
fn of_whole(members: &[Member], checked: Option<&Checked>, finite: bool, threshold: f64) -> Verdict {
    let verdict = members.iter().fold(Verdict::Verified, |v, m| v.worse(m.verdict));
    let verdict = if finite { verdict } else { verdict.worse(Verdict::Invalid(Why::NotFinite)) };
    let Some(c) = checked else { return verdict.worse(Verdict::Suspect(Why::Unchecked)) };
    let e = &c.error;
    let doubted = doubt(if e.inner > 0.0 { e.inner / e.scale } else { 0.0 }, c.doubt, threshold);
    let failed = c.failure.map(|(member, status)| Why::Solver { member, status });
    let verdict = [doubted, failed].into_iter().flatten().fold(verdict, |v, why| v.worse(Verdict::Suspect(why)));
    verdict.worse(match () {
        () if e.total <= threshold * e.scale && c.pieces_beyond(threshold).next().is_none() => Verdict::Verified,
        () if e.total.is_finite() => Verdict::Estimated,
        () => Verdict::Suspect(Why::NotFinite),
    })
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
