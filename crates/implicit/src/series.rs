//! The series on the last step. How the last step was reached is not known here; what is missing from the series is
//! judged in `series_verdict.rs`.
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
use crate::estimate::{add, bind, difference, double, norm};
use crate::iteration::{Iteration, Of, copy};
use crate::last_step::LastStep;
use crate::linear::rate;
use crate::lists::{self, List};
use crate::loop_kinks::Parts;
use crate::series_members::{judge_members, left_out, lengths};
use crate::series_verdict::{Pushed, judge, look_ahead, set_against_motion};
use crate::verdict::{Verdict, Why};
use pullback::{Batch, Scalar, Var};

/// A series is cut off when its terms grow twice in a row and are this many times longer than the first.
///
/// Less would cut off the short sums that are useful early in an inner loop, when it does not contract yet (rho just
/// above 1), and the transient growth of loops with momentum, whose `A` is not normal (tested: heavy ball would come
/// out 10 % wrong).
pub(crate) const GROWTH: f64 = 2.0;

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
    pub(crate) fn sign(self) -> f64 {
        if self == Sum::Printed { -1.0 } else { 1.0 }
    }

    /// `(I - A') v_k` from two neighbours.
    pub(crate) fn image<T: Scalar>(self, v: &[Batch<T>], next: &[Batch<T>]) -> Vec<Batch<T>> {
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

/// With more parameters than these a series is not looked at for kinks, and its certificate says so.
const MOST_PARAMETERS: usize = 500_000;
/// So many of the last terms are kept, to solve for what is missing in the space that they span.
const KEPT: usize = 10;

/// The series on the last step: fills the gradient and returns the outer loss.
pub(crate) fn series<I: Iteration>(
    last_step: &mut LastStep<'_, '_, I>,
    sum: Sum,
    terms: usize,
    gradient: &mut [Batch<Of<I::State>>],
) -> Result<(f64, Certificate)> {
    let path = last_step.path;
    let Outer { loss, handles, by_state: at_end } = outer_gradient(last_step, path.end, gradient)?;
    let value = double(loss.scalar());
    let v = first_term(last_step, sum, &at_end, gradient)?;
    if sum == Sum::FixedPoint {
        // Where the loss has no second derivative, nothing is known.
        let _ = last_step.look_at_loss(loss, &handles, &v);
    }
    let motion = difference(path.before, path.end) / norm(path.end).max(f64::MIN_POSITIVE);
    let mut certificate = Certificate::series(norm(&v) > 0.0, motion);
    let measured = has_length(&v);
    let Summed { p, mut kept, grown } = summed(last_step, sum, v, terms, &mut certificate)?;
    let pushed = set_rate(last_step, sum, &mut kept, &mut certificate);
    for rate in grown.iter().flatten() {
        certificate.rho = certificate.rho.map(|rho| rho.max(*rate));
    }
    let mut own = last_step.pull_params(&p)?;
    let mut target = if sum == Sum::FixedPoint { at_end.clone() } else { last_step.project(path.end, &at_end)? };
    last_step.leave_out(&mut target);
    judge(last_step, &mut certificate, sum, &p, &kept, &target, norm(&own))?;
    if sum == Sum::FixedPoint {
        judge_members(last_step, &mut certificate, (&p, &kept, &own), pushed.as_ref(), &grown)?;
    }
    let direct = last_step.tape.depends_on(loss, &last_step.rec.phi)?;
    let by_params = direct.then_some(&*gradient);
    let members = certificate.members.len().max(1);
    let parts = Parts { p: &p, own: &own, by_state: &at_end, direct: by_params, loss: value, members };
    look_beside(last_step, &parts, &mut certificate);
    if !(measured && has_length(&own)) {
        certificate.verdict = Verdict::Invalid(Why::NotFinite);
    }
    match sum.sign() == 1.0 && !direct {
        // There is no direct term: nothing to add to.
        true => gradient.swap_with_slice(&mut own),
        false => add(gradient, &own, sum.sign()),
    }
    Ok((value, certificate))
}

/// Is the length of this, and of what is a rounding unit of it, a number whose square is one, or exactly zero?
pub(crate) fn has_length<T: Scalar>(v: &[Batch<T>]) -> bool {
    (1e-140..=1e140).contains(&norm(v)) || v.iter().all(|b| b.data().iter().all(|x| x.f64() == 0.0))
}

/// `v_0`, of the outer gradient where the formula looks from.
fn first_term<I: Iteration>(
    last_step: &mut LastStep<'_, '_, I>,
    sum: Sum,
    at_end: &[Batch<Of<I::State>>],
    direct: &[Batch<Of<I::State>>],
) -> Result<List<Of<I::State>>> {
    let path = last_step.path;
    let mut v = match sum {
        Sum::FixedPoint => last_step.project(path.end, at_end)?,
        // The formula of 2022 looks from the point before the last step.
        _ => {
            let at_start = outer_gradient(last_step, path.before, &mut direct.to_vec())?;
            last_step.project(path.end, &at_start.by_state)?
        }
    };
    last_step.leave_out(&mut v);
    Ok(v)
}

/// How fast the terms fall; of a sum of one term, one more is computed to tell. What is returned was pushed along the
/// loop's motion.
fn set_rate<I: Iteration>(
    last_step: &mut LastStep<'_, '_, I>,
    sum: Sum,
    kept: &mut Vec<List<Of<I::State>>>,
    certificate: &mut Certificate,
) -> Option<Pushed<Of<I::State>>> {
    if let [.., now] = certificate.norms[1..] {
        certificate.rho = rate(&certificate.norms);
        certificate.missing = Some(now * certificate.rho.unwrap_or(0.0));
    }
    if certificate.terms == 0 && certificate.norms[0] > 0.0 && !certificate.truncated {
        let seen = look_ahead(last_step, sum, &kept[0], certificate);
        kept.extend(seen);
    }
    if sum == Sum::FixedPoint { set_against_motion(last_step, certificate) } else { None }
}

/// Takes back a verdict that is sound where the step or the loss bends. It is looked for where the series is suspect
/// already too, so that the bytes do not depend on the verdict. A sweep that fails there is no failure of the
/// derivative, which does not need it.
fn look_beside<I: Iteration>(
    last_step: &mut LastStep<'_, '_, I>,
    parts: &Parts<'_, Of<I::State>>,
    certificate: &mut Certificate,
) {
    certificate.looked_for_kinks = parts.own.iter().map(|g| g.shape().len()).sum::<usize>() <= MOST_PARAMETERS;
    let Some(Ok(found)) = certificate.looked_for_kinks.then(|| last_step.bends(parts)) else { return };
    let bends = |bend: f64, v: Verdict| match v {
        v if bend == 0.0 => v,
        // At a kink a loss looks as steep as any.
        Verdict::Suspect(Why::IllConditioned { .. } | Why::StillMoving { .. }) => Verdict::Suspect(Why::Kink { bend }),
        v => v.worse(Verdict::Suspect(Why::Kink { bend })),
    };
    for (m, bend) in found.step.iter().enumerate() {
        certificate.verdict = bends(bend.max(found.loss), certificate.verdict);
        if let Some(member) = certificate.members.get_mut(m) {
            // Which member makes the loss bend is not known.
            member.verdict = bends(bend.max(found.loss), member.verdict);
        }
    }
}

/// A sum of terms.
struct Summed<T: Scalar> {
    p: List<T>,
    /// The last of the terms.
    kept: Vec<List<T>>,
    /// The rate at which the terms of a member grew that was left out from there on; empty where nobody was.
    grown: Vec<Option<f64>>,
}

/// `v + v_1 + ... + v_K`. It stops early where terms grow, or vanish; where they grow in members that the others do not
/// know of, the sum of these stops.
fn summed<I: Iteration>(
    last_step: &mut LastStep<'_, '_, I>,
    sum: Sum,
    v: List<Of<I::State>>,
    terms: usize,
    certificate: &mut Certificate,
) -> Result<Summed<Of<I::State>>> {
    let (first, firsts) = (norm(&v), if sum == Sum::FixedPoint { lengths(&v) } else { vec![] });
    let (mut p, mut kept, mut grown) = (v.clone(), vec![v], vec![]);
    let (mut last, mut grew) = (first, false);
    for k in 0..terms {
        if last == 0.0 {
            break;
        }
        // A term that is kept no longer lends its place to the next one. Before the last of them, two go round.
        let most = if k + KEPT + 1 < terms { 1 } else { KEPT };
        let mut next = if kept.len() > most { kept.remove(0) } else { p.clone() };
        next_term(last_step, sum, &kept[kept.len() - 1], &mut next)?;
        let mut now = norm(&next);
        if now > last && grew && now > GROWTH * first {
            certificate.truncated = true;
            if !left_out(last_step, &kept[kept.len() - 1], &mut next, &firsts, &mut grown)? {
                certificate.norms.push(now / first);
                break;
            }
            now = norm(&next);
        }
        certificate.norms.push(now / first);
        (grew, last) = (now > last, now);
        add(&mut p, &next, 1.0);
        kept.push(next);
        certificate.terms += 1;
    }
    Ok(Summed { p, kept, grown })
}

/// The recorded outer loss, the handles of the state that it is a function of, and its gradient by that.
struct Outer<'t, T: Scalar> {
    loss: Var<'t, T>,
    handles: Vec<Var<'t, T>>,
    by_state: List<T>,
}

/// The outer loss as a function of fresh handles for the state. Its gradient by the parameters, the direct term, goes
/// to `direct`, which is zero before and stays so where there is none.
fn outer_gradient<'t, I: Iteration>(
    last_step: &LastStep<'_, 't, I>,
    at: &[Batch<Of<I::State>>],
    direct: &mut [Batch<Of<I::State>>],
) -> Result<Outer<'t, Of<I::State>>> {
    let LastStep { tape, rec, .. } = *last_step;
    let (z, handles) = bind(tape, last_step.like, at);
    let loss = last_step.it.outer(tape, z, copy(&rec.params));
    let mut v: List<_> = at.iter().map(|b| Batch::zeros(b.shape())).collect();
    // Most losses see the parameters through the state alone, and `direct` stays zero.
    let phi: &[Var<'_, _>] = if tape.depends_on(loss, &rec.phi)? { &rec.phi } else { &[] };
    let by: Vec<Var<'_, _>> = handles.iter().chain(phi).copied().collect();
    let direct = direct.iter_mut().take(phi.len());
    tape.gradient_into(loss, &by, &mut v.iter_mut().chain(direct).collect::<Vec<_>>())?;
    Ok(Outer { loss, handles, by_state: v })
}

/// `next = v_{k+1}` of `v = v_k`.
pub(crate) fn next_term<I: Iteration>(
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
