//! The verdicts on the members of a series. Where state and parameters are batches of loops that do not know of each
//! other, a small part of the derivative that is wrong is not to be hidden by a large one that is right, nor a slow
//! loop by fast ones. What is measured of each is what `series_verdict.rs` measures of all.

use crate::certificate::{Certificate, LoopMember};
use crate::error::Result;
use crate::estimate::{difference, norm};
use crate::iteration::{Iteration, Of};
use crate::last_step::LastStep;
use crate::linear::rate;
use crate::lists::{self, List};
use crate::series::{GROWTH, Sum, has_length, next_term};
use crate::series_verdict::{Missing, Pushed, Seen, contraction, missing, relative, weighted_motion};
use crate::unexplained::{Unexplained, pulled_twice};
use crate::verdict::{Verdict, Why};
use pullback::{Batch, Scalar};

/// A sum, the last of its terms, and what it pulls back to the parameters.
type Series<'p, T> = (&'p [Batch<T>], &'p [List<T>], &'p [Batch<T>]);

/// The length of each member; empty of a vector that is no batch.
pub(crate) fn lengths<T: Scalar>(v: &[Batch<T>]) -> Vec<f64> {
    let n = lists::members(&lists::shapes(v));
    let batch = n > 1 && v.iter().all(|b| b.shape().batch == n);
    (0..if batch { n } else { 0 }).map(|m| lists::member_length(v, m)).collect()
}

/// Takes the members out of a term that grow, if there are others and nobody knows of them, and says whether it did.
/// `v` is the term before, `firsts` are the lengths of the first one, and `grown` gets the rates. One more pull tells
/// whether members are apart.
pub(crate) fn left_out<I: Iteration>(
    last_step: &mut LastStep<'_, '_, I>,
    v: &[Batch<Of<I::State>>],
    next: &mut [Batch<Of<I::State>>],
    firsts: &[f64],
    grown: &mut Vec<Option<f64>>,
) -> Result<bool> {
    let pairs = lengths(v).into_iter().zip(lengths(next)).zip(firsts);
    let rate =
        |((before, now), first): ((f64, f64), &f64)| (now > before && now > GROWTH * first).then(|| now / before);
    let rates: Vec<Option<f64>> = pairs.map(rate).collect();
    if rates.iter().all(Option::is_some) || rates.iter().all(Option::is_none) {
        return Ok(false);
    }
    let mut own = next.to_vec();
    next_term(last_step, Sum::FixedPoint, &lists::only(v, &|m| rates[m].is_some()), &mut own)?;
    let apart = |m: usize| match rates[m] {
        Some(_) => lists::member(&own, m) == lists::member(next, m),
        None => lists::is_zero(&own, m),
    };
    if !(0..rates.len()).all(apart) {
        return Ok(false);
    }
    grown.resize(rates.len(), None);
    for (m, rate) in rates.into_iter().enumerate().filter(|(_, r)| r.is_some()) {
        lists::scale(next, 0.0, m);
        grown[m] = rate;
    }
    Ok(true)
}

/// Fills in what is known of each member, where the sum `p` and what it pulls back to, `own`, have members.
pub(crate) fn judge_members<I: Iteration>(
    last_step: &mut LastStep<'_, '_, I>,
    certificate: &mut Certificate,
    (p, kept, own): Series<'_, Of<I::State>>,
    pushed: Option<&Pushed<Of<I::State>>>,
    grown: &[Option<f64>],
) -> Result<()> {
    let n = lists::members(&lists::shapes(p));
    if n < 2 || p.iter().chain(own).any(|b| b.shape().batch != n) || !last_step.are_apart(p, n).unwrap_or(false) {
        return Ok(());
    }
    let (path, mut errors) = (last_step.path, lists::zeros(&lists::shapes(p)));
    let (mut lefts, mut all) = (errors.clone(), Vec::with_capacity(n));
    for m in 0..n {
        let cut = |v: &[Batch<_>]| lists::member(v, m);
        let kept: Vec<List<_>> = kept.iter().map(|v| cut(v)).collect();
        let end = cut(path.end);
        let before = cut(path.before);
        let motion = difference(&before, &end) / norm(&end).max(f64::MIN_POSITIVE);
        let along = pushed.and_then(|p| along(&cut(&p.d), &cut(&p.aad), &end));
        let rho = falls(&kept).map(|rho| rho.max(along.unwrap_or(0.0)));
        let p = cut(p);
        let motion = motion.max(weighted_motion(&before, &end, &p));
        let Missing { error, left, credible, exact } =
            missing(certificate.terms, rho.unwrap_or(f64::INFINITY), Sum::FixedPoint, &p, &kept, &[]);
        let nothing = lists::is_zero(&p, 0);
        if !nothing {
            lists::put_member(&mut errors, &error, m);
            lists::put_member(&mut lefts, &left, m);
        }
        let (measured, error) = (has_length(&p), norm(&error));
        all.push(Judged { nothing, exact, measured, rho, motion, credible, error, steep: 0.0 });
    }
    steepen(last_step, &mut all);
    let lengths = last_step.lengths_by_params(&errors, n)?;
    let by_params = last_step.lengths_by_params(&lefts, n)?;
    let pulled = pulled_twice(last_step, lefts).ok();
    let one = |(m, of): (usize, Judged)| {
        let (size, length) = (lists::member_length(own, m), lengths[m]);
        let left = pulled.as_ref().map(|p| Unexplained::of_member(p, m, by_params[m]));
        of.told::<Of<I::State>>(certificate.truncated, relative(length, size), length, left)
    };
    certificate.members = all.into_iter().enumerate().map(one).collect();
    for (member, rate) in certificate.members.iter_mut().zip(grown).filter_map(|(m, r)| Some((m, (*r)?))) {
        *member = LoopMember { rho: Some(rate), error: None, verdict: Verdict::Invalid(Why::Diverges { rate }) };
    }
    certificate.verdict = certificate.members.iter().fold(certificate.verdict, |v, m| v.worse(m.verdict));
    Ok(())
}

/// Looks how steep the steps of members are. Where a step fails beside its state, nothing is known.
fn steepen<I: Iteration>(last_step: &mut LastStep<'_, '_, I>, all: &mut [Judged]) {
    let steep = last_step.steepness(all.len()).unwrap_or_default();
    all.iter_mut().zip(steep).for_each(|(of, steep)| of.steep = steep);
}

/// What was seen of one member before its error is known by the parameters.
struct Judged {
    /// Is its sum zero?
    nothing: bool,
    exact: bool,
    /// Has its sum a length?
    measured: bool,
    rho: Option<f64>,
    motion: f64,
    credible: bool,
    /// The length of its error, in the state.
    error: f64,
    /// How steep its step is.
    steep: f64,
}

impl Judged {
    /// What is told of the member.
    fn told<T: Scalar>(self, truncated: bool, relative: f64, length: f64, left: Option<Unexplained>) -> LoopMember {
        let rho = self.rho.unwrap_or(f64::INFINITY);
        // Terms of the whole that grew are those of the members that do not contract.
        let truncated = truncated && rho >= 1.0;
        let mut seen = Seen { truncated, motion: self.motion, rho, credible: self.credible, steep: self.steep };
        let verdict = seen.verdict::<T>(Sum::FixedPoint, relative);
        if verdict.is_sound() && !self.exact {
            seen.set_against(left, self.error, length);
        }
        let verdict = match () {
            () if self.nothing => Verdict::Verified,
            () if !self.measured => Verdict::Invalid(Why::NotFinite),
            () => seen.verdict::<T>(Sum::FixedPoint, relative),
        };
        LoopMember { rho: self.rho.map(|_| seen.rho), error: length.is_finite().then_some(length), verdict }
    }
}

/// The factor by which terms fall: 0 where they have vanished, `None` of fewer than two.
fn falls<T: Scalar>(kept: &[List<T>]) -> Option<f64> {
    let lengths: Vec<f64> = kept.iter().map(|v| norm(v)).collect();
    if kept.len() > 1 && lengths.last() == Some(&0.0) { Some(0.0) } else { rate(&lengths) }
}

/// How much the motion of a member shrinks, if it is well above rounding.
fn along<T: Scalar>(d: &[Batch<T>], aad: &[Batch<T>], end: &[Batch<T>]) -> Option<f64> {
    let length = norm(d);
    if length > T::EPS.f64().sqrt() * norm(end) { contraction(length, norm(aad)) } else { None }
}
