//! What is known of the part of a series that is missing: how fast its terms fall, beside the loop's own motion, what
//! they say of the rest, and the verdict. How the terms are computed is in `series.rs`.

use crate::Certificate;
use crate::error::Result;
use crate::estimate::{add, difference, norm};
use crate::iteration::{Iteration, Of};
use crate::last_step::{LastStep, Path};
use crate::lists::List;
use crate::missing;
use crate::rounding::LOST;
use crate::series::{Sum, next_term};
use crate::unexplained::Unexplained;
use crate::verdict::{Verdict, Why};
use pullback::{Batch, Scalar};

/// The least-squares rest is relied on if what it leaves, as it would grow along the slowest mode in sight, is at most
/// this much of it.
pub(crate) const CREDIBLE: f64 = 0.3;

/// Terms that are shorter are scaled before they are compared.
const TINY: f64 = 1e-20;

/// An error of the gradient relative to the state's distance from its fixed point, for want of a better guess, where
/// the step is not seen to be steeper.
const SLOPE: f64 = 10.0;

/// What comes of that distance may be this much of the error, which is then still right within a factor of two.
const MOVING: f64 = 0.3;

/// The first term that is missing from a sum of one term. A sweep that fails here is no failure of the derivative,
/// which does not need it; but then nothing speaks for a contraction, and `rho` is infinite.
pub(crate) fn look_ahead<I: Iteration>(
    last_step: &mut LastStep<'_, '_, I>,
    sum: Sum,
    v0: &[Batch<Of<I::State>>],
    certificate: &mut Certificate,
) -> Option<List<Of<I::State>>> {
    let mut v1 = v0.to_vec();
    let v1 = next_term(last_step, sum, v0, &mut v1).ok().map(|()| v1);
    let ratio = v1.as_ref().map_or(f64::INFINITY, |v1| norm(v1) / norm(v0));
    certificate.norms.push(ratio);
    certificate.missing = Some(ratio);
    certificate.rho = Some(ratio);
    v1
}

/// A motion `d` of the loop, and `A A d`. Twice, since the length of a motion along two slow modes of opposite signs
/// goes up and down.
pub(crate) struct Pushed<T: Scalar> {
    pub(crate) d: List<T>,
    pub(crate) aad: List<T>,
}

/// Sets the contraction that the terms show against that of the loop's last visible motion, which points along the
/// slowest mode; the larger counts. What was pushed is returned.
pub(crate) fn set_against_motion<I: Iteration>(
    last_step: &mut LastStep<'_, '_, I>,
    certificate: &mut Certificate,
) -> Option<Pushed<Of<I::State>>> {
    let (rho, d) = (certificate.rho?, last_step.path.motion.as_ref()?);
    let pushed = last_step.pushed_twice(d).ok();
    let along = pushed.as_ref().map_or(Some(f64::INFINITY), |p| contraction(norm(&p.d), norm(&p.aad)));
    certificate.rho = Some(along.map_or(rho, |along| rho.max(along)));
    pushed
}

/// How much a motion of this length shrinks in a step, if two of them leave `after`; `None` if there is none.
pub(crate) fn contraction(before: f64, after: f64) -> Option<f64> {
    (before > 0.0).then(|| (after / before).sqrt())
}

/// Fills in the error and the verdict.
///
/// With `p` the sum and `p* = (I - A')^{-1} v` the truth, the error of the gradient is `B'(p - p*)`.
pub(crate) fn judge<I: Iteration>(
    last_step: &mut LastStep<'_, '_, I>,
    certificate: &mut Certificate,
    sum: Sum,
    p: &[Batch<Of<I::State>>],
    kept: &[List<Of<I::State>>],
    target: &[Batch<Of<I::State>>],
    own: f64,
) -> Result<()> {
    let rho = match certificate.rho {
        // There is no term at all, so nothing can be missing from a sum of zeros.
        None if certificate.norms[0] == 0.0 => {
            (certificate.error, certificate.verdict) = (Some(0.0), Verdict::Verified);
            return Ok(());
        }
        rho => rho.unwrap_or(f64::INFINITY),
    };
    let Missing { error, left, credible, exact } = missing(certificate.terms, rho, sum, p, kept, target);
    let length = last_step.length_by_params(&error)?;
    certificate.error = length.is_finite().then_some(length);
    let Path { before, end, .. } = last_step.path;
    let motion = certificate.motion.unwrap_or(0.0).max(weighted_motion(before, end, p));
    let mut seen = Seen { truncated: certificate.truncated, motion, rho, credible, steep: 0.0 };
    certificate.verdict = seen.verdict::<Of<I::State>>(sum, relative(length, own));
    if certificate.verdict.is_sound() {
        // Where a step fails beside the state, nothing is known.
        seen.steep = last_step.steepness(1).map_or(0.0, |s| s[0]);
        certificate.verdict = seen.verdict::<Of<I::State>>(sum, relative(length, own));
    }
    if sum == Sum::FixedPoint && certificate.verdict.is_sound() && !exact {
        seen.set_against(Unexplained::of_all(last_step, left).ok(), norm(&error), length);
        certificate.rho = Some(seen.rho);
        certificate.verdict = seen.verdict::<Of<I::State>>(sum, relative(length, own));
    }
    // One term alone cannot tell more than its ratio does.
    if sum == Sum::FixedPoint && seen.credible && (certificate.terms > 0 || exact) {
        certificate.rest = Some(norm(&error) / first_length(certificate, kept));
    }
    Ok(())
}

/// The last motion of the leaves of the state, relative to their sizes, each weighted with what the derivative makes of
/// it. Beside a leaf that is large and at rest, one that is small and moves would not be seen.
pub(crate) fn weighted_motion<T: Scalar>(before: &[Batch<T>], end: &[Batch<T>], p: &[Batch<T>]) -> f64 {
    let one = |k: usize| {
        let leaf = |v: &[Batch<T>]| norm(&v[k..=k]);
        (leaf(p) * difference(&before[k..=k], &end[k..=k]), leaf(p) * leaf(end))
    };
    let (moved, size) = (0..p.len()).map(one).fold((0.0, 0.0), |s, l| (s.0 + l.0, s.1 + l.1));
    if moved == 0.0 { 0.0 } else { moved / size }
}

/// An error of this length, relative to a derivative that is short of it by that.
pub(crate) fn relative(error: f64, own: f64) -> f64 {
    if error == 0.0 { 0.0 } else { error / (own + error) }
}

/// `p - p*` as far as the terms tell, and whether that is to be relied on, or to rounding exact.
pub(crate) struct Missing<T: Scalar> {
    pub(crate) error: List<T>,
    /// What the terms do not explain of the first that is missing.
    pub(crate) left: List<T>,
    pub(crate) credible: bool,
    pub(crate) exact: bool,
}

/// In the space of the terms `p*` is solved for; for the derivative's own series it is what is missing that is solved
/// for, `(I - A') y = v_K`, `p* - p = y - v_K`, which loses no digits to the terms before.
pub(crate) fn missing<T: Scalar>(
    terms: usize,
    rho: f64,
    sum: Sum,
    p: &[Batch<T>],
    kept: &[List<T>],
    target: &[Batch<T>],
) -> Missing<T> {
    let n = kept.len();
    // Small numbers have no squares, and their inverses are no numbers: of the last terms only ratios matter.
    let unit = unit(kept.iter().rev().map(|v| norm(v)).find(|l| *l > 0.0).unwrap_or(1.0));
    let scaled = |v: &[Batch<T>]| {
        let mut v = v.to_vec();
        missing::scale(&mut v, 1.0 / unit);
        v
    };
    let kept: Vec<List<T>> = if unit == 1.0 { kept.to_vec() } else { kept.iter().map(|v| scaled(v)).collect() };
    let (v, w): (Vec<_>, Vec<_>) = kept.windows(2).map(|k| (k[0].clone(), sum.image(&k[0], &k[1]))).unzip();
    // For one step the last that is kept is the first that is missing.
    let summed = if terms == 0 { 1 } else { n };
    let (mut error, mut left, size) = match sum {
        Sum::FixedPoint if n >= 2 => {
            let right = &kept[n - 1];
            let (mut y, left) = missing::solved(&v, &w, right);
            if summed == n {
                add(&mut y, right, -1.0);
            }
            (y, left, norm(right))
        }
        Sum::FixedPoint => (scaled(p), vec![], 1.0),
        _ => {
            let (mut y, left) = missing::solved(&v, &w, &scaled(target));
            add(&mut y, &scaled(p), -sum.sign());
            (y, left, norm(target) / unit)
        }
    };
    let length = if n < 2 { f64::INFINITY } else { norm(&left) };
    let (uncertain, exact) = (length / (1.0 - rho.min(1.0)), length <= 1e-14 * size);
    let credible = n >= 2 && rho < 1.0 && uncertain <= CREDIBLE * norm(&error) || exact;
    [&mut error, &mut left].into_iter().for_each(|v| missing::scale(v, unit));
    Missing { error, left, credible, exact }
}

/// A power of two near to a length that is tiny, else 1.
fn unit(length: f64) -> f64 {
    if length > 0.0 && length < TINY { length.log2().floor().max(-100.0).exp2() } else { 1.0 }
}

/// What was seen of a series.
pub(crate) struct Seen {
    pub(crate) truncated: bool,
    /// How far the loop moved last, relative to where it is.
    pub(crate) motion: f64,
    pub(crate) rho: f64,
    /// Is the error to be relied on?
    pub(crate) credible: bool,
    /// How steep the step is, as far as it was looked at.
    pub(crate) steep: f64,
}

impl Seen {
    /// Takes back that an error of this length, and of `by_params` by the parameters, is to be relied on, where too
    /// much hangs on what is not explained, or where that cannot be told.
    pub(crate) fn set_against(&mut self, left: Option<Unexplained>, error: f64, by_params: f64) {
        self.credible = self.credible && left.is_some_and(|l| l.is_little(self.rho, error, by_params));
        // What grows at first may fall later.
        self.rho = left.map(|l| l.rate()).filter(|r| *r < 1.0).map_or(self.rho, |r| self.rho.max(r));
    }

    /// The verdict, with an error that is `relative` to the derivative.
    pub(crate) fn verdict<T: Scalar>(&self, sum: Sum, relative: f64) -> Verdict {
        let (rho, threshold) = (self.rho, T::EPS.f64().sqrt());
        let distance = if self.motion == 0.0 { 0.0 } else { self.motion / (1.0 - rho.min(1.0)) };
        // A step comes no nearer to its fixed point than this many times its rounding.
        let (slope, condition) = (SLOPE.max(self.steep), if self.steep > 0.0 { self.steep / (1.0 - rho) } else { 0.0 });
        match () {
            () if !relative.is_finite() => Verdict::Invalid(Why::NotFinite),
            () if self.truncated => Verdict::Invalid(Why::Diverges { rate: rho }),
            () if sum != Sum::FixedPoint => Verdict::Suspect(Why::OtherFormula),
            () if rho >= 1.0 => Verdict::Suspect(Why::Diverges { rate: rho }),
            () if slope * distance > (MOVING * relative).max(threshold) => {
                Verdict::Suspect(Why::StillMoving { distance })
            }
            () if condition > LOST / threshold => Verdict::Suspect(Why::IllConditioned { condition }),
            () if !self.credible => Verdict::Suspect(Why::TooFewTerms { rate: rho }),
            () if relative <= threshold => Verdict::Verified,
            () => Verdict::Estimated,
        }
    }
}

/// `|v_0|`, from the last term that was kept and its length relative to the first.
fn first_length<T: Scalar>(certificate: &Certificate, kept: &[List<T>]) -> f64 {
    match (kept.last(), certificate.norms.last()) {
        (Some(v), Some(relative)) if *relative > 0.0 => norm(v) / relative,
        _ => f64::INFINITY,
    }
}
