//! How the error of a derivative is measured: against one at the same point by a solver that is known to have
//! converged, and against one at the next point of Newton's method. What an error says of trust is in `certify.rs`,
//! and what a residual says of a derivative in `leftover.rs`.

use crate::certify::{Derive, Raw};
use crate::condition::Condition;
use crate::error::Result;
use crate::iteration::Of;
use crate::kinks::Question;
use crate::leftover::{Left, Piece, relative, visible};
use crate::linear::{Method, Solved, Status, Stop};
use crate::linearise::{beyond, scratch};
use crate::lists;
use crate::local::Local;
use crate::solution::Linearisation;
use crate::trust::Errors;
use pullback::{Batch, Scalar};

/// An inner error of more than this, relative to the derivative, is not believed because Newton's method contracts: the
/// derivative at the point after the next one must agree.
const SLOPPY: f64 = 3e-3;

/// Nor is one at a point whose Newton step is longer than this, relative to its size.
const FAR: f64 = 0.01;

/// Nor is one that is less than so many steps from the next point.
const COINCIDENCE: f64 = 0.1;

/// A condition that is steeper is not looked at here: then the derivative is lost in the rounding of the point.
const STEEPEST: f64 = 1e6;

/// The error of a derivative, of the part of each member if it has one, and the first member whose better solution
/// failed.
pub(crate) struct Checked {
    pub(crate) error: Errors,
    pub(crate) parts: Option<Vec<f64>>,
    /// The lengths that those are relative to; empty where members have no parts of the derivative.
    pub(crate) scales: Vec<f64>,
    /// That of each leaf, relative to the leaf, as often as it was looked at.
    pub(crate) pieces: Vec<Piece>,
    /// How much of the error the derivative changes once more from the better point to the one after it, where it was
    /// looked at: of the whole, and of each member.
    pub(crate) doubt: f64,
    pub(crate) doubts: Option<Vec<f64>>,
    pub(crate) failure: Option<(usize, Status)>,
}

impl Checked {
    /// The members of leaves whose error is more than this.
    pub(crate) fn pieces_beyond(&self, threshold: f64) -> impl Iterator<Item = Option<usize>> {
        self.pieces.iter().filter(move |p| p.length > threshold || p.length.is_nan()).map(|p| p.member)
    }

    /// The error of a member's part, relative to it, or that of the whole where members have no parts.
    pub(crate) fn relative(&self, m: usize) -> f64 {
        let whole = || if self.error.total == 0.0 { 0.0 } else { self.error.total / self.error.scale };
        self.parts.as_ref().map_or_else(whole, |p| p[m])
    }
}

/// A derivative that is as good as a linear solver can make it, and what is known of its error.
struct Exact<T: Scalar> {
    /// `None` where the one that was asked for is that good.
    raw: Option<Raw<T>>,
    /// What is left of the whole, relative to its scale.
    whole: f64,
    /// Of each member.
    left: Vec<f64>,
    /// Of each leaf.
    pieces: Vec<Piece>,
}

/// The largest number, or one that is none.
fn largest(d: &[f64]) -> f64 {
    d.iter().fold(0.0f64, |w, d| if *d <= w { w } else { *d })
}

fn apart<T: Scalar>(a: &Raw<T>, b: &Raw<T>) -> f64 {
    lists::length(&lists::minus(&a.value, &b.value))
}

impl<C: Condition> Linearisation<'_, '_, C> {
    /// The error of a derivative at `here`.
    pub(crate) fn errors(
        &self,
        here: &Local<'_, Of<C::State>>,
        raw: &Raw<Of<C::State>>,
        derive: &Derive<'_, Of<C::State>>,
        asked: &Question<'_, Of<C::State>>,
        threshold: f64,
    ) -> Result<Checked> {
        let found = self.exact(here, raw, derive, asked, threshold)?;
        let exact = found.raw.as_ref().unwrap_or(raw);
        let mut checked = match self.points.get(self.here + 1) {
            Some(next) => self.by_next(next, raw, &found, derive, asked, threshold)?,
            None => self.standing(here, raw, &found, threshold),
        };
        let unknown = found.left.iter().position(|d| *d > threshold).map(|m| (m, Status::Stalled));
        checked.failure = checked.failure.or(unknown);
        if found.raw.is_some() {
            checked.pieces.extend(self.pieces(here, raw, exact, &[])?);
        }
        checked.pieces.extend(found.pieces);
        Ok(checked)
    }

    /// How far the leaves of one derivative are from those of a better one, at a point that is `apart` from the first,
    /// relative to its size. A leaf changes with the solution of the linear system and with the derivative by the
    /// parameters, which changes about as much as the point.
    fn pieces(
        &self,
        at: &Local<'_, Of<C::State>>,
        raw: &Raw<Of<C::State>>,
        better: &Raw<Of<C::State>>,
        apart: &[f64],
    ) -> Result<Vec<Piece>> {
        let moved = lists::minus(&better.solved.x, &raw.solved.x);
        let limits = visible(at, &moved, &better.solved.x, apart, &self.ends(at, &better.solved)?)?;
        Ok(relative(&lists::minus(&better.value, &raw.value), raw, &limits).pieces)
    }

    /// The settings of a solver that is to be as good as it can.
    fn tight(&self) -> Stop {
        let tolerance = 1e-12f64.max(50.0 * lists::eps::<Of<C::State>>());
        Stop { tolerance, products: 2 * self.solution.settings.products }
    }

    /// A derivative at `here` of which the linear solver left nothing that matters, if that can be had.
    fn exact(
        &self,
        here: &Local<'_, Of<C::State>>,
        raw: &Raw<Of<C::State>>,
        derive: &Derive<'_, Of<C::State>>,
        asked: &Question<'_, Of<C::State>>,
        threshold: f64,
    ) -> Result<Exact<Of<C::State>>> {
        let most = 1e-2 * threshold;
        let (far, weighed) = (self.distances(here, &raw.solved)?, self.left(here, raw, asked)?);
        let converged = raw.solved.members.iter().all(|m| m.status == Status::Converged);
        if converged && largest(&far) <= most && weighed.worst() <= most {
            return Ok(Exact::new(None, far, weighed));
        }
        let better = derive(here, Method::Auto, &self.tight(), Some(&raw.solved.x))?;
        let (better, weighed) = self.refined(here, better, asked, most)?;
        // What the better solver left, in the worst case; where that matters, nothing is known of the error.
        let far = self.distances(here, &better.solved)?;
        Ok(Exact::new(Some(better), far, weighed))
    }

    /// The error, where no step was needed: what is left of the inner error is that of a step within rounding.
    fn standing(
        &self,
        here: &Local<'_, Of<C::State>>,
        raw: &Raw<Of<C::State>>,
        found: &Exact<Of<C::State>>,
        threshold: f64,
    ) -> Checked {
        let exact = found.raw.as_ref().unwrap_or(raw);
        let (linear, inner) = (found.linear(raw), largest(&self.moved(here)) * exact.scale);
        let scale = raw.scale.max(exact.scale);
        let parts = match found.raw.is_some() {
            true => parts(raw, exact, found.left.len()),
            false => (found.left.len() > 1).then(|| found.left.clone()),
        };
        let error = Errors { linear, inner, total: linear + inner, scale };
        let (scales, failure) = (scales(raw, exact, found.left.len()), failure(exact, threshold));
        Checked { error, parts, scales, pieces: vec![], doubt: 0.0, doubts: None, failure }
    }

    /// The error, by the derivative at the next point.
    fn by_next(
        &self,
        next: &Local<'_, Of<C::State>>,
        raw: &Raw<Of<C::State>>,
        found: &Exact<Of<C::State>>,
        derive: &Derive<'_, Of<C::State>>,
        asked: &Question<'_, Of<C::State>>,
        threshold: f64,
    ) -> Result<Checked> {
        let (here, exact) = (&self.points[self.here], found.raw.as_ref().unwrap_or(raw));
        let (tight, moved, n) = (self.tight(), self.moved(here), found.left.len());
        let best = derive(next, Method::Auto, &tight, Some(&exact.solved.x))?;
        let (best, weighed) = self.refined(next, best, asked, 1e-2 * threshold)?;
        // A member that stood still has no better point to be compared with.
        let stood: Vec<f64> = (0..n).map(|m| if here.same(next, m) { moved[m] } else { 0.0 }).collect();
        let scale = raw.scale.max(best.scale);
        let more = largest(&stood) * scale;
        let (total, inner) = (apart(&best, raw) + more, apart(&best, exact) + more);
        let parts = parts(raw, &best, n).map(|p| p.iter().zip(&stood).map(|(p, s)| p + s).collect());
        let error = Errors { linear: found.linear(raw), inner, total, scale };
        // The better solution is known up to what its own solver left.
        let far = self.distances(next, &best.solved)?;
        let vague = |d: f64| d * scale > (0.5 * total).max(threshold * scale);
        let vague = far.iter().position(|d| vague(d.max(weighed.whole))).map(|m| (m, Status::Stalled));
        let failure = failure(&best, threshold).or(vague);
        let (scales, pieces) = (scales(raw, &best, n), self.pieces(next, raw, &best, &moved)?);
        let checked = Checked { error, parts, scales, pieces, doubt: 0.0, doubts: None, failure };
        self.doubted(checked, &best, derive, asked, threshold)
    }

    /// Where the error is not small, the derivative at one more point says whether its estimate is to be believed.
    fn doubted(
        &self,
        checked: Checked,
        best: &Raw<Of<C::State>>,
        derive: &Derive<'_, Of<C::State>>,
        asked: &Question<'_, Of<C::State>>,
        threshold: f64,
    ) -> Result<Checked> {
        let (e, parts) = (checked.error, &checked.parts);
        let far = largest(&self.moved(&self.points[self.here])) > FAR;
        let rough = e.inner > SLOPPY * e.scale || parts.iter().flatten().any(|p| *p > SLOPPY || p.is_nan());
        if !far && !rough && !self.may_coincide(&checked, threshold) {
            return Ok(checked);
        }
        let slots = scratch();
        let Some((point, lost)) = beyond(self, &slots) else {
            return Ok(Checked { doubt: f64::INFINITY, ..checked });
        };
        let after = derive(&point, Method::Auto, &self.tight(), Some(&best.solved.x))?;
        let (after, _) = self.refined(&point, after, asked, 1e-2 * threshold)?;
        let of = |left: f64, error: f64| if left == 0.0 { 0.0 } else { left / error };
        let doubt = if lost.contains(&true) { f64::INFINITY } else { of(apart(&after, best), e.total) };
        let left = self::parts(best, &after, lost.len());
        let ratio = |(m, (left, part)): (usize, (&f64, &f64))| if lost[m] { f64::INFINITY } else { of(*left, *part) };
        let doubts = left.zip(parts.as_ref()).map(|(l, p)| l.iter().zip(p).enumerate().map(ratio).collect());
        Ok(Checked { doubt, doubts, ..checked })
    }

    /// Is the Newton step of a member from here longer than `most`, relative to the size of the point?
    pub(crate) fn is_far(&self, here: &Local<'_, Of<C::State>>, most: f64) -> bool {
        largest(&self.moved(here)) > most
    }

    /// Is the step from the next point so long beside the error that two derivatives may only happen to be equal? A
    /// derivative changes as much more than the point as the condition is steep, and along a direction that the map
    /// makes short by the condition number more.
    fn may_coincide(&self, checked: &Checked, threshold: f64) -> bool {
        let Some(next) = self.points.get(self.here + 1) else { return false };
        let (sizes, after) = (next.sizes(), self.newton.get(self.here + 1));
        let whole = checked.error.total / checked.error.scale.max(f64::MIN_POSITIVE);
        let error = |m: usize| checked.parts.as_ref().map_or(whole, |p| p[m]).max(threshold);
        let step = |m: usize| after.map_or(0.0, |n| n.lengths[m] * n.condition(m) / sizes[m].max(f64::MIN_POSITIVE));
        let matters = |m: usize, steep: f64| next.stationarity[m] > 0.0 && step(m) * steep > COINCIDENCE * error(m);
        if !(0..sizes.len()).any(|m| matters(m, STEEPEST)) {
            return false;
        }
        // Where the condition cannot be run beside the point, it may be as steep as any.
        let steep = self.steepness(next).unwrap_or_else(|_| vec![STEEPEST; sizes.len()]);
        (0..sizes.len()).any(|m| matters(m, steep[m].max(1.0)))
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
        let (ends, length) = (self.ends(here, solved)?, here.lengths(&solved.x)?);
        for (m, d) in far.iter_mut().enumerate().filter(|(m, _)| solved.members[*m].residual > 0.0) {
            let Some((low, _)) = ends[m] else { continue };
            let seen = solved.members[m].residual * solved.sizes[m] / (low * length[m]);
            *d = if seen <= *d { *d } else { seen };
        }
        Ok(far)
    }
}

impl<T: Scalar> Exact<T> {
    /// From distances of the solution of the linear system, and what they come to in the derivative.
    fn new(raw: Option<Raw<T>>, far: Vec<f64>, weighed: Left) -> Self {
        let worse = |a: f64, b: f64| if b <= a { a } else { b };
        let whole = worse(largest(&far), weighed.whole);
        let left = far.iter().enumerate().map(|(m, d)| worse(*d, weighed.of(m))).collect();
        Exact { raw, whole, left, pieces: weighed.pieces }
    }

    /// The error that the linear solver left in `raw`.
    fn linear(&self, raw: &Raw<T>) -> f64 {
        self.raw.as_ref().map_or(0.0, |exact| apart(exact, raw)) + self.whole * raw.scale
    }
}

/// The first member whose system a better solver did not solve either.
fn failure<T: Scalar>(of: &Raw<T>, threshold: f64) -> Option<(usize, Status)> {
    of.solved.failure().filter(|(m, _)| of.solved.members[*m].residual > threshold)
}

/// The difference of two derivatives member by member, relative to their own size, where there are several members and
/// every leaf has them.
fn parts<T: Scalar>(raw: &Raw<T>, best: &Raw<T>, members: usize) -> Option<Vec<f64>> {
    let difference = lists::minus(&best.value, &raw.value);
    let one = |(m, scale): (usize, f64)| match lists::member_length(&difference, m) {
        0.0 => 0.0,
        d => d / scale,
    };
    let scales = scales(raw, best, members);
    (!scales.is_empty()).then(|| scales.into_iter().enumerate().map(one).collect())
}

/// The size of each member of two derivatives; empty where there are no parts.
fn scales<T: Scalar>(raw: &Raw<T>, best: &Raw<T>, members: usize) -> Vec<f64> {
    let apart = members > 1 && raw.value.iter().all(|b| b.shape().batch == members);
    let length = |v: &[Batch<T>], m| lists::member_length(v, m);
    (0..if apart { members } else { 0 }).map(|m| length(&raw.value, m).max(length(&best.value, m))).collect()
}
