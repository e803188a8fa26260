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
use crate::estimate::{Recorded, Result, add, bind, difference, double, norm, seeds};
use crate::iteration::{Iteration, Of, copy, list};
use pullback::{Batch, Scalar, Tape, Var};

/// A series is cut off when its terms grow twice in a row and are this many times longer than the first.
///
/// Less would cut off the short sums that are useful early in an inner loop, when it does not contract yet (rho just
/// above 1), and the transient growth of loops with momentum, whose `A` is not normal (tested: heavy ball would come
/// out 10 % wrong).
const GROWTH: f64 = 2.0;

/// Which series is summed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Sum {
    /// `v <- A'v`.
    FixedPoint,
    /// `v <- v - A'v`, and a minus sign in front.
    Irmm,
}

/// Where the inner loop went.
pub(crate) struct Path<'a, T: Scalar> {
    /// The state before the last step.
    pub(crate) before: &'a [Batch<T>],
    /// The state after it.
    pub(crate) end: &'a [Batch<T>],
    /// The last motion of the loop that was well above rounding, if there was one.
    pub(crate) motion: Option<Vec<Batch<T>>>,
}

/// The linear map `A` of the last step, in both directions, between tangent vectors at `z_T`.
struct LastStep<'s, 't, I: Iteration> {
    plain: &'s mut Tape<Of<I::State>>,
    tape: &'t Tape<Of<I::State>>,
    it: &'s I,
    like: &'s I::State,
    from: &'s [Var<'t, Of<I::State>>],
    outs: &'s [Var<'t, Of<I::State>>],
    path: &'s Path<'s, Of<I::State>>,
}

impl<I: Iteration> LastStep<'_, '_, I> {
    /// The tangent part of `v` at `z`.
    fn project(&mut self, z: &[Batch<Of<I::State>>], v: &[Batch<Of<I::State>>]) -> Result<Vec<Batch<Of<I::State>>>> {
        self.plain.clear();
        let plain = &*self.plain;
        let (z, _) = bind(plain, self.like, z);
        let (v, _) = bind(plain, self.like, v);
        let out = list(&self.it.project(plain, z, v)).iter().map(Var::value).collect();
        plain.check()?;
        Ok(out)
    }

    /// `A' v`.
    fn pull(&mut self, v: &[Batch<Of<I::State>>]) -> Result<Vec<Batch<Of<I::State>>>> {
        let mut w = v.to_vec();
        self.tape.vjp_into(&seeds(self.outs, v), self.from, &mut w.iter_mut().collect::<Vec<_>>())?;
        let pulled = self.project(self.path.before, &w)?;
        self.project(self.path.end, &pulled)
    }

    /// `|A d| / |d|` for the tangent part of `d`; `None` if `d` has none.
    fn contraction_along(&mut self, d: &[Batch<Of<I::State>>]) -> Result<Option<f64>> {
        let d = self.project(self.path.before, d)?;
        let mut pushed = d.clone();
        self.tape.jvp_into(&seeds(self.from, &d), self.outs, &mut pushed.iter_mut().collect::<Vec<_>>())?;
        let pushed = self.project(self.path.end, &pushed)?;
        let length = norm(&d);
        Ok((length > 0.0).then(|| norm(&pushed) / length))
    }
}

/// The series on the last step: fills the gradient and returns the outer loss.
pub(crate) fn series<'t, I: Iteration>(
    plain: &mut Tape<Of<I::State>>,
    tape: &'t Tape<Of<I::State>>,
    it: &I,
    like: &I::State,
    rec: &Recorded<'t, I::State, I::Params>,
    path: &Path<'_, Of<I::State>>,
    sum: Sum,
    terms: usize,
    gradient: &mut [Batch<Of<I::State>>],
) -> Result<(f64, Certificate)> {
    // The loss as a function of fresh handles for z_T: its gradient is v_0 and the direct term at once.
    let (z, at) = bind(tape, like, path.end);
    let loss = it.outer(tape, z, copy(&rec.params));
    let mut v: Vec<Batch<_>> = path.end.iter().map(|b| Batch::zeros(b.shape())).collect();
    {
        let by: Vec<Var<'_, _>> = at.iter().chain(&rec.phi).copied().collect();
        tape.gradient_into(loss, &by, &mut v.iter_mut().chain(gradient.iter_mut()).collect::<Vec<_>>())?;
    }
    let value = double(loss.scalar());

    let outs = list(&rec.end);
    let mut last_step = LastStep { plain, tape, it, like, from: &rec.from, outs: &outs, path };
    v = last_step.project(path.end, &v)?;
    let first = norm(&v);
    let motion = difference(path.before, path.end) / norm(path.end).max(f64::MIN_POSITIVE);
    let mut certificate = Certificate::series(first > 0.0, motion);
    let mut p = v.clone();
    let (mut last, mut grew) = (first, false);
    for _ in 0..terms {
        if last == 0.0 {
            break;
        }
        v = next_term(&mut last_step, sum, &v)?;
        let now = norm(&v);
        certificate.norms.push(now / first);
        certificate.rho = Some(now / last);
        certificate.missing = Some(now / first * (now / last));
        if now > last && grew && now > GROWTH * first {
            certificate.truncated = true;
            break;
        }
        (grew, last) = (now > last, now);
        add(&mut p, &v, 1.0);
        certificate.terms += 1;
    }
    if terms == 0 && first > 0.0 {
        look_ahead(&mut last_step, sum, &v, &mut certificate);
    }
    let sign = if sum == Sum::Irmm { -1.0 } else { 1.0 };
    let mut g: Vec<Batch<_>> = gradient.iter().map(|b| Batch::zeros(b.shape())).collect();
    tape.vjp_into(&seeds(&outs, &p), &rec.phi, &mut g.iter_mut().collect::<Vec<_>>())?;
    add(gradient, &g, sign);
    Ok((value, certificate))
}

fn next_term<I: Iteration>(
    last_step: &mut LastStep<'_, '_, I>,
    sum: Sum,
    v: &[Batch<Of<I::State>>],
) -> Result<Vec<Batch<Of<I::State>>>> {
    let pulled = last_step.pull(v)?;
    Ok(match sum {
        Sum::FixedPoint => pulled,
        Sum::Irmm => {
            let mut next = v.to_vec();
            add(&mut next, &pulled, -1.0);
            next
        }
    })
}

/// What a sum of one term says of itself: the first term that is missing, and the slowest contraction in sight.
///
/// For a self-adjoint `A` the ratios `|v_{k+1}| / |v_k|` never fall, so the first of them is the most flattering one.
/// The loop's last visible motion has been through many steps and points along the slowest mode, so the ratio that it
/// shows is set against the first one, and the larger counts. A sweep that fails here is no failure of the derivative,
/// whose one term needs neither; but then nothing speaks for a contraction, and `rho` is infinite.
fn look_ahead<I: Iteration>(
    last_step: &mut LastStep<'_, '_, I>,
    sum: Sum,
    v0: &[Batch<Of<I::State>>],
    certificate: &mut Certificate,
) {
    let path = last_step.path;
    let ratio = next_term(last_step, sum, v0).map_or(f64::INFINITY, |v1| norm(&v1) / norm(v0));
    let along = match (sum, &path.motion) {
        (Sum::FixedPoint, Some(d)) => last_step.contraction_along(d).unwrap_or(Some(f64::INFINITY)),
        _ => None,
    };
    certificate.norms.push(ratio);
    certificate.missing = Some(ratio);
    certificate.rho = Some(along.map_or(ratio, |along| ratio.max(along)));
}
