//! The series on the last step, and what is known of the part of it that is missing. How the last step was reached is
//! not known here.
//!
//! The fixed-point series. Differentiate `z* = F(z*, phi)`: `(I - A) dz* = B dphi`, so with `v_0 = dL/dz`
//!
//! ```text
//!     dL/dphi = dL/dphi|direct + B' p,     p = sum over k <= K of v_k,     v_{k+1} = A' v_k
//! ```
//!
//! (Griewank & Faure 2002, *Reduced functions, gradients and Hessians from fixed-point iterations*; Lorraine, Vicol &
//! Duvenaud 2020, eq. 8; Grazzi et al. 2020, sec. 2 for the rates). `A` and `B` are those of the last step, recorded
//! once; each term is one reverse sweep over it. With `K = 0` this is the one-step estimator, and for a linear `F` with
//! `K = T - 1` the unroll. Away from the fixed point `A'` maps cotangents at `z_T` to cotangents at `z_{T-1}`; they are
//! projected there and brought back to `z_T` by projection.

use crate::Certificate;
use crate::error::Result;
use crate::estimate::{Recorded, add, bind, difference, double, norm, seeds};
use crate::iteration::{Iteration, Of, copy, list};
use crate::linear::rate;
use crate::lists::{self, List};
use crate::loop_kinks::Parts;
use crate::missing;
use crate::verdict::{Verdict, Why};
use pullback::{Batch, Leaves, Scalar, Tape, Var};

/// A series is cut off when its terms grow twice in a row and are this many times longer than the first.
///
/// Less would cut off the short sums that are useful early in an inner loop, when it does not contract yet (rho just
/// above 1), and the transient growth of loops with momentum, whose `A` is not normal (tested: heavy ball would come
/// out 10 % wrong).
const GROWTH: f64 = 2.0;

/// Which series is summed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Sum {
    /// `v <- A'v`: the derivative of the fixed point.
    FixedPoint,
    /// `v <- v - A'v`, from the outer gradient before the last step, and a minus sign in front: as printed in 2022.
    Printed,
    /// `v <- v - alpha A'v`, from there too, and no sign: as the code of that paper computes.
    Coded {
        /// The damping.
        alpha: f64,
    },
}

impl Sum {
    fn sign(self) -> f64 {
        if self == Sum::Printed { -1.0 } else { 1.0 }
    }

    /// `(I - A') v_k` from two neighbours.
    fn image<T: Scalar>(self, v: &[Batch<T>], next: &[Batch<T>]) -> Vec<Batch<T>> {
        let mut w = v.to_vec();
        match self {
            Sum::FixedPoint => add(&mut w, next, -1.0),
            Sum::Printed => w = next.to_vec(),
            Sum::Coded { alpha } => {
                add(&mut w, v, -1.0 / alpha);
                add(&mut w, next, 1.0 / alpha);
            }
        }
        w
    }
}

/// With more parameters than these a series is not looked at for kinks: a look moves all of them and takes two runs of
/// the step, which with a network costs more than the series.
const MOST_PARAMETERS: usize = 10_000;
/// So many of the last terms are kept, to solve for what is missing in the space that they span.
const KEPT: usize = 10;

/// The least-squares rest is relied on if what it leaves, as it would grow along the slowest mode in sight, is at most
/// this much of it.
const CREDIBLE: f64 = 0.3;

/// An error of the gradient relative to the state's distance from its fixed point, for want of a better guess.
const SLOPE: f64 = 10.0;

/// Where the inner loop went.
pub(crate) struct Path<'a, I: Iteration> {
    /// The parameters.
    pub(crate) phi: &'a I::Params,
    /// The number of the last step.
    pub(crate) last: usize,
    /// The state before it.
    pub(crate) before: &'a [Batch<Of<I::State>>],
    /// The state after it.
    pub(crate) end: &'a [Batch<Of<I::State>>],
    /// The last motion of the loop that was well above rounding, if there was one.
    pub(crate) motion: Option<Vec<Batch<Of<I::State>>>>,
}

/// `P_end P_before`, recorded once; empty where every vector is tangent.
struct Words<'t, T: Scalar> {
    tape: &'t Tape<T>,
    u: Vec<Var<'t, T>>,
    projected: Vec<Var<'t, T>>,
}

impl<'t, T: Scalar> Words<'t, T> {
    fn new<I: Iteration>(tape: &'t Tape<T>, it: &I, like: &I::State, path: &Path<'_, I>) -> Result<Self>
    where
        I::State: Leaves<Scalar = T>,
    {
        let (v, u) = bind(tape, like, path.end);
        let before = it.project(tape, bind(tape, like, path.before).0, v);
        let projected = list(&it.project(tape, bind(tape, like, path.end).0, before));
        tape.check()?;
        // A projection without an operation is none.
        let none = tape.operations() == 0;
        Ok(if none { Words { tape, u: vec![], projected: vec![] } } else { Words { tape, u, projected } })
    }

    /// `out = P_end P_before v`.
    fn project(&self, v: &[Batch<T>], out: &mut [Batch<T>]) -> Result<()> {
        if self.u.is_empty() {
            lists::copy(out, v);
            return Ok(());
        }
        if let ([u], [v], [projected], [out]) = (&*self.u, v, &*self.projected, &mut *out) {
            return Ok(self.tape.jvp_into(&[(*u, v)], &[*projected], &mut [out])?);
        }
        Ok(self.tape.jvp_into(&seeds(&self.u, v), &self.projected, &mut out.iter_mut().collect::<Vec<_>>())?)
    }
}

/// The linear map `A` of the last step, in both directions, between tangent vectors at `z_T`.
pub(crate) struct LastStep<'s, 't, I: Iteration> {
    pub(crate) plain: &'s mut Tape<Of<I::State>>,
    pub(crate) tape: &'t Tape<Of<I::State>>,
    pub(crate) it: &'s I,
    pub(crate) like: &'s I::State,
    pub(crate) from: &'s [Var<'t, Of<I::State>>],
    pub(crate) outs: &'s [Var<'t, Of<I::State>>],
    pub(crate) path: &'s Path<'s, I>,
    /// Which leaves of the state the step hands on as they are.
    constant: Vec<bool>,
    words: Words<'t, Of<I::State>>,
    pulled: Vec<Batch<Of<I::State>>>,
}

impl<I: Iteration> LastStep<'_, '_, I> {
    /// Makes the leaves of `v` zero that the step hands on as they are. `A` is the identity on them and nothing of them
    /// comes from elsewhere, so no other leaf of a term and no derivative by parameters depends on what stands there;
    /// but what gathers there has nothing to do with how the loop contracts.
    pub(crate) fn leave_out(&self, v: &mut [Batch<Of<I::State>>]) {
        let constant = v.iter_mut().zip(&self.constant).filter(|(_, c)| **c);
        constant.for_each(|(v, _)| v.data_mut().fill(lists::number(0.0)));
    }

    /// The tangent part of `v` at `z`.
    pub(crate) fn project(
        &mut self,
        z: &[Batch<Of<I::State>>],
        v: &[Batch<Of<I::State>>],
    ) -> Result<Vec<Batch<Of<I::State>>>> {
        self.plain.clear();
        let plain = &*self.plain;
        let (z, _) = bind(plain, self.like, z);
        let (v, _) = bind(plain, self.like, v);
        let out = list(&self.it.project(plain, z, v)).iter().map(Var::value).collect();
        plain.check()?;
        Ok(out)
    }

    /// `out = A' v`.
    fn pull(&mut self, v: &[Batch<Of<I::State>>], out: &mut [Batch<Of<I::State>>]) -> Result<()> {
        // Where every vector is tangent, nothing is between the sweep and its outcome.
        if let ([to], [v], [from], [out], true) = (self.outs, v, self.from, &mut *out, self.words.u.is_empty()) {
            return Ok(self.tape.vjp_into(&[(*to, v)], &[*from], &mut [out])?);
        }
        match (self.outs, v, self.from, &mut *self.pulled) {
            ([to], [v], [from], [w]) => self.tape.vjp_into(&[(*to, v)], &[*from], &mut [w])?,
            (to, v, from, w) => self.tape.vjp_into(&seeds(to, v), from, &mut w.iter_mut().collect::<Vec<_>>())?,
        }
        self.words.project(&self.pulled, out)
    }

    /// `sqrt(|A A d| / |d|)` for the tangent part of `d`; `None` if `d` has none. Twice, since the length of a motion
    /// along two slow modes of opposite signs goes up and down.
    fn contraction_along(&mut self, d: &[Batch<Of<I::State>>]) -> Result<Option<f64>> {
        let d = self.project(self.path.before, d)?;
        let mut pushed = d.clone();
        for _ in 0..2 {
            let from = pushed.clone();
            let seeds = seeds(self.from, &from);
            self.tape.jvp_into(&seeds, self.outs, &mut pushed.iter_mut().collect::<Vec<_>>())?;
            pushed = self.project(self.path.end, &pushed)?;
        }
        let length = norm(&d);
        Ok((length > 0.0).then(|| (norm(&pushed) / length).sqrt()))
    }
}

/// The series on the last step: fills the gradient and returns the outer loss.
pub(crate) fn series<'t, I: Iteration>(
    plain: &mut Tape<Of<I::State>>,
    words: &'t Tape<Of<I::State>>,
    tape: &'t Tape<Of<I::State>>,
    it: &I,
    like: &I::State,
    rec: &Recorded<'t, I::State, I::Params>,
    path: &Path<'_, I>,
    sum: Sum,
    terms: usize,
    gradient: &mut [Batch<Of<I::State>>],
) -> Result<(f64, Certificate)> {
    let (loss, at_end) = outer_gradient(tape, it, like, rec, path.end, gradient)?;
    let value = double(loss.scalar());
    let start = match sum {
        Sum::FixedPoint => at_end.clone(),
        // The formula of 2022 looks from the point before the last step.
        _ => outer_gradient(tape, it, like, rec, path.before, &mut gradient.to_vec())?.1,
    };
    let outs = list(&rec.end);
    let (words, pulled) = (Words::new(words, it, like, path)?, at_end.clone());
    let constant = rec.from.iter().zip(&outs).map(|(from, to)| from.is_same(to)).collect();
    let mut last_step = LastStep { plain, tape, it, like, from: &rec.from, outs: &outs, path, constant, words, pulled };
    let mut v = last_step.project(path.end, &start)?;
    last_step.leave_out(&mut v);
    let first = norm(&v);
    let motion = difference(path.before, path.end) / norm(path.end).max(f64::MIN_POSITIVE);
    let mut certificate = Certificate::series(first > 0.0, motion);
    let (p, mut kept) = summed(&mut last_step, sum, v, terms, &mut certificate)?;
    if let [.., now] = certificate.norms[1..] {
        certificate.rho = rate(&certificate.norms);
        certificate.missing = Some(now * certificate.rho.unwrap_or(0.0));
    }
    if certificate.terms == 0 && first > 0.0 && !certificate.truncated {
        let seen = look_ahead(&mut last_step, sum, &kept[0], &mut certificate);
        kept.extend(seen);
    }
    if sum == Sum::FixedPoint {
        set_against_motion(&mut last_step, &mut certificate);
    }
    let pull = |p: &[Batch<_>]| -> Result<Vec<Batch<_>>> {
        let mut g: Vec<Batch<_>> = gradient.iter().map(|b| Batch::zeros(b.shape())).collect();
        tape.vjp_into(&seeds(&outs, p), &rec.phi, &mut g.iter_mut().collect::<Vec<_>>())?;
        Ok(g)
    };
    let mut own = pull(&p)?;
    let mut target = if sum == Sum::FixedPoint { at_end.clone() } else { last_step.project(path.end, &at_end)? };
    last_step.leave_out(&mut target);
    // The length of what is pulled is taken where it lies: parameters may be many.
    let mut length = |e: &[Batch<_>]| -> Result<f64> {
        let mut square = 0.0;
        tape.vjp_visit(&seeds(&outs, e), &rec.phi, |_, g| square += lists::flat_dot(g.data(), g.data()))?;
        Ok(square.sqrt())
    };
    judge(&mut certificate, sum, &p, &kept, &target, &mut length, norm(&own))?;
    // Also where the series is suspect already, so that the bytes do not depend on the verdict. A sweep that fails
    // there is no failure of the derivative, which does not need it.
    let parts = Parts { phi: &rec.phi, p: &p, own: &own, by_state: &at_end, direct: gradient, loss: value };
    if own.iter().map(|g| g.shape().len()).sum::<usize>() <= MOST_PARAMETERS
        && let Ok(bend) = last_step.bends(&parts)
        && bend > 0.0
        && certificate.verdict.is_sound()
    {
        certificate.verdict = Verdict::Suspect(Why::Kink { bend });
    }
    match sum.sign() == 1.0 && !tape.depends_on(loss, &rec.phi)? {
        // There is no direct term: nothing to add to.
        true => gradient.swap_with_slice(&mut own),
        false => add(gradient, &own, sum.sign()),
    }
    Ok((value, certificate))
}

/// `v + v_1 + ... + v_K`, and the last of the terms. It stops early where they grow, or vanish.
fn summed<I: Iteration>(
    last_step: &mut LastStep<'_, '_, I>,
    sum: Sum,
    v: List<Of<I::State>>,
    terms: usize,
    certificate: &mut Certificate,
) -> Result<(List<Of<I::State>>, Vec<List<Of<I::State>>>)> {
    let (first, mut p) = (norm(&v), v.clone());
    let mut kept = vec![v];
    let (mut last, mut grew) = (first, false);
    for k in 0..terms {
        if last == 0.0 {
            break;
        }
        // A term that is kept no longer lends its place to the next one. Before the last of them, two go round.
        let most = if k + KEPT + 1 < terms { 1 } else { KEPT };
        let mut next = if kept.len() > most { kept.remove(0) } else { p.clone() };
        next_term(last_step, sum, &kept[kept.len() - 1], &mut next)?;
        let now = norm(&next);
        certificate.norms.push(now / first);
        if now > last && grew && now > GROWTH * first {
            certificate.truncated = true;
            break;
        }
        (grew, last) = (now > last, now);
        add(&mut p, &next, 1.0);
        kept.push(next);
        certificate.terms += 1;
    }
    Ok((p, kept))
}

/// The outer loss as a function of fresh handles for the state. Its gradient by the state is returned with it, and that
/// by the parameters, the direct term, goes to `direct`, which is zero before and stays so where there is none.
fn outer_gradient<'t, I: Iteration>(
    tape: &'t Tape<Of<I::State>>,
    it: &I,
    like: &I::State,
    rec: &Recorded<'t, I::State, I::Params>,
    at: &[Batch<Of<I::State>>],
    direct: &mut [Batch<Of<I::State>>],
) -> Result<(Var<'t, Of<I::State>>, Vec<Batch<Of<I::State>>>)> {
    let (z, handles) = bind(tape, like, at);
    let loss = it.outer(tape, z, copy(&rec.params));
    let mut v: Vec<Batch<_>> = at.iter().map(|b| Batch::zeros(b.shape())).collect();
    // Most losses see the parameters through the state alone, and `direct` stays zero.
    let phi: &[Var<'_, _>] = if tape.depends_on(loss, &rec.phi)? { &rec.phi } else { &[] };
    let by: Vec<Var<'_, _>> = handles.iter().chain(phi).copied().collect();
    let direct = direct.iter_mut().take(phi.len());
    tape.gradient_into(loss, &by, &mut v.iter_mut().chain(direct).collect::<Vec<_>>())?;
    Ok((loss, v))
}

/// `next = v_{k+1}` of `v = v_k`.
fn next_term<I: Iteration>(
    last_step: &mut LastStep<'_, '_, I>,
    sum: Sum,
    v: &[Batch<Of<I::State>>],
    next: &mut [Batch<Of<I::State>>],
) -> Result<()> {
    last_step.pull(v, next)?;
    last_step.leave_out(next);
    let alpha = match sum {
        Sum::FixedPoint => return Ok(()),
        Sum::Printed => 1.0,
        Sum::Coded { alpha } => alpha,
    };
    (0..lists::members(&lists::shapes(v))).for_each(|m| lists::combine(next, -alpha, 1.0, v, m));
    Ok(())
}

/// The first term that is missing from a sum of one term. A sweep that fails here is no failure of the derivative,
/// which does not need it; but then nothing speaks for a contraction, and `rho` is infinite.
fn look_ahead<I: Iteration>(
    last_step: &mut LastStep<'_, '_, I>,
    sum: Sum,
    v0: &[Batch<Of<I::State>>],
    certificate: &mut Certificate,
) -> Option<Vec<Batch<Of<I::State>>>> {
    let mut v1 = v0.to_vec();
    let v1 = next_term(last_step, sum, v0, &mut v1).ok().map(|()| v1);
    let ratio = v1.as_ref().map_or(f64::INFINITY, |v1| norm(v1) / norm(v0));
    certificate.norms.push(ratio);
    certificate.missing = Some(ratio);
    certificate.rho = Some(ratio);
    v1
}

/// Sets the contraction that the terms show against that of the loop's last visible motion, which points along the
/// slowest mode; the larger counts.
fn set_against_motion<I: Iteration>(last_step: &mut LastStep<'_, '_, I>, certificate: &mut Certificate) {
    if let (Some(rho), Some(d)) = (certificate.rho, &last_step.path.motion) {
        let along = last_step.contraction_along(d).unwrap_or(Some(f64::INFINITY));
        certificate.rho = Some(along.map_or(rho, |along| rho.max(along)));
    }
}

/// Fills in the error and the verdict.
///
/// With `p` the sum and `p* = (I - A')^{-1} v` the truth, the error of the gradient is `B'(p - p*)`. In the space of
/// the terms `p*` is solved for; for the derivative's own series it is what is missing that is solved for, `(I - A') y
/// = v_K`, `p* - p = y - v_K`, which loses no digits to the terms before.
fn judge<T: Scalar>(
    certificate: &mut Certificate,
    sum: Sum,
    p: &[Batch<T>],
    kept: &[Vec<Batch<T>>],
    target: &[Batch<T>],
    pulled: &mut dyn FnMut(&[Batch<T>]) -> Result<f64>,
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
    let n = kept.len();
    let (v, w): (Vec<_>, Vec<_>) = kept.windows(2).map(|k| (k[0].clone(), sum.image(&k[0], &k[1]))).unzip();
    // For one step the last that is kept is the first that is missing.
    let summed = if certificate.terms == 0 { 1 } else { n };
    let (error, left, size) = match sum {
        Sum::FixedPoint if n >= 2 => {
            let right = &kept[n - 1];
            let (mut y, left) = missing::solved(&v, &w, right);
            if summed == n {
                add(&mut y, right, -1.0);
            }
            (y, left, norm(right))
        }
        Sum::FixedPoint => (p.to_vec(), f64::INFINITY, 1.0),
        _ => {
            let (mut y, left) = missing::solved(&v, &w, &target.to_vec());
            add(&mut y, p, -sum.sign());
            (y, left, norm(target))
        }
    };
    let uncertain = left / (1.0 - rho.min(1.0));
    let credible = n >= 2 && rho < 1.0 && uncertain <= CREDIBLE * norm(&error) || left <= 1e-14 * size;
    // One term alone cannot tell more than its ratio does.
    if sum == Sum::FixedPoint && credible && (certificate.terms > 0 || left <= 1e-14 * size) {
        certificate.rest = Some(norm(&error) / first_length(certificate, kept));
    }
    let length = pulled(&error)?;
    certificate.error = length.is_finite().then_some(length);
    let threshold = T::EPS.f64().sqrt();
    let relative = if length == 0.0 { 0.0 } else { length / (own + length) };
    let motion = certificate.motion.unwrap_or(0.0);
    let distance = if motion == 0.0 { 0.0 } else { motion / (1.0 - rho.min(1.0)) };
    certificate.verdict = match () {
        () if certificate.truncated => Verdict::Invalid(Why::Diverges { rate: rho }),
        () if sum != Sum::FixedPoint => Verdict::Suspect(Why::OtherFormula),
        () if rho >= 1.0 => Verdict::Suspect(Why::Diverges { rate: rho }),
        () if SLOPE * distance > relative.max(threshold) => Verdict::Suspect(Why::StillMoving { distance }),
        () if !credible => Verdict::Suspect(Why::TooFewTerms { rate: rho }),
        () if relative <= threshold => Verdict::Verified,
        () => Verdict::Estimated,
    };
    Ok(())
}

/// `|v_0|`, from the last term that was kept and its length relative to the first.
fn first_length<T: Scalar>(certificate: &Certificate, kept: &[Vec<Batch<T>>]) -> f64 {
    match (kept.last(), certificate.norms.last()) {
        (Some(v), Some(relative)) if *relative > 0.0 => norm(v) / relative,
        _ => f64::INFINITY,
    }
}
