//! Estimators as values that are called, so that a loop can compare them and a new one needs no change here.

use crate::certificate::{Certificate, LoopMember};
use crate::condition::{Condition, Kind};
use crate::error::{Error, Result};
use crate::estimate::{Derivative, Estimator, Sensitivity, difference, run};
use crate::iteration::{Iteration, Of, Vars, list};
use crate::linear::Method;
use crate::lists::{self, List};
use crate::loop_members::by_members;
use crate::solution::{Hypergradient, Settings, Tapes, rebuilt};
use crate::space::Space;
use crate::trust::{Member, SolutionCertificate};
use crate::verdict::Verdict;
use pullback::{Batch, Leaves, Scalar, Tape, Var};

/// A way to compute the derivative of the outer loss of an iteration by its parameters.
pub trait Estimate<I: Iteration> {
    /// Its name in tables.
    fn name(&self) -> String;
    /// Runs `steps` steps from `z0` and takes the derivative.
    ///
    /// # Errors
    /// As [`Sensitivity::derivative`].
    fn estimate(
        &self,
        on: &mut Sensitivity<Of<I::State>>,
        it: &I,
        z0: &I::State,
        phi: &I::Params,
        steps: usize,
    ) -> Result<Derivative<I::State, I::Params>>;
}

impl<I: Iteration> Estimate<I> for Estimator {
    fn name(&self) -> String {
        format!("{self:?}")
    }
    fn estimate(
        &self,
        on: &mut Sensitivity<Of<I::State>>,
        it: &I,
        z0: &I::State,
        phi: &I::Params,
        steps: usize,
    ) -> Result<Derivative<I::State, I::Params>> {
        on.derivative(it, z0, phi, steps, *self)
    }
}

/// The derivative of the fixed point of the last step, by a linear solver: constant memory, and an error that is
/// estimated whatever the contraction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Implicit {
    /// How to solve, polish and check.
    pub settings: Settings,
}

impl Implicit {
    /// With all checks.
    pub fn new<T: Scalar>() -> Self {
        Implicit { settings: Settings::new::<T>() }
    }
    /// With another linear solver.
    #[must_use]
    pub fn method(self, method: Method) -> Self {
        Implicit { settings: Settings { method, ..self.settings } }
    }
}

/// A derivative by a solver that leaves this many times its tolerance or less is as good as exact.
const CONVERGED: f64 = 10.0;

/// The last step of an iteration as a condition: its fixed point, in the coordinates `v = P v` of the tangent space at
/// the state `z_0` that the loop reached. The program is `z_0 + P (F(z_0 + P (z - z_0)) - z_0)`, in the ambient space,
/// so normal and vertical directions are mapped to zero, and `I - A` is regular on them.
struct LastStep<'i, I: Iteration> {
    it: &'i I,
    t: usize,
    end: &'i I::State,
}

impl<I: Iteration> LastStep<'_, I> {
    fn tree<'t>(&self, l: impl IntoIterator<Item = Var<'t, Of<I::State>>>) -> Vars<'t, I::State> {
        let mut l = l.into_iter();
        self.end.bind(&mut || l.next().unwrap_or_else(|| unreachable!("one handle for each leaf")))
    }

    /// `z_0 + P (z - z_0)`.
    fn near<'t>(
        &self,
        tape: &'t Tape<Of<I::State>>,
        base: &[Var<'t, Of<I::State>>],
        z: &[Var<'t, Of<I::State>>],
    ) -> Vec<Var<'t, Of<I::State>>> {
        let away = self.tree(z.iter().zip(base).map(|(z, b)| *z - *b));
        let tangent = list(&self.it.project(tape, self.tree(base.iter().copied()), away));
        base.iter().zip(tangent).map(|(b, v)| *b + v).collect()
    }
}

impl<I: Iteration> Condition for LastStep<'_, I> {
    type State = I::State;
    type Params = I::Params;

    fn kind(&self) -> Kind {
        Kind::FixedPoint
    }
    fn space(&self) -> Space<'_, Of<I::State>> {
        Space::Flat
    }
    fn program<'t>(
        &self,
        tape: &'t Tape<Of<I::State>>,
        z: Vars<'t, I::State>,
        phi: Vars<'t, I::Params>,
    ) -> Vec<Var<'t, Of<I::State>>> {
        let base: Vec<_> = self.end.batches().iter().map(|b| tape.constant(b)).collect();
        let from = self.tree(self.near(tape, &base, &list(&z)));
        self.near(tape, &base, &list(&self.it.step(tape, from, phi, self.t)))
    }
}

impl<I: Iteration> Estimate<I> for Implicit {
    fn name(&self) -> String {
        format!("Implicit {{ {:?} }}", self.settings.method)
    }
    fn estimate(
        &self,
        on: &mut Sensitivity<Of<I::State>>,
        it: &I,
        z0: &I::State,
        phi: &I::Params,
        steps: usize,
    ) -> Result<Derivative<I::State, I::Params>> {
        let Some(last) = steps.checked_sub(1) else { return Err(Error::NoSteps) };
        by_members(on, it, z0, phi, &mut |on, it, z0, phi| self.of_loop(on, it, z0, phi, last))
    }
}

impl Implicit {
    /// The derivative at the fixed point of step `last`, from where the loop arrives.
    fn of_loop<I: Iteration>(
        &self,
        on: &mut Sensitivity<Of<I::State>>,
        it: &I,
        z0: &I::State,
        phi: &I::Params,
        last: usize,
    ) -> Result<Derivative<I::State, I::Params>> {
        on.plain.clear();
        on.plain.reset_peak();
        let state = rebuilt(z0, run(&mut on.plain, it, z0, z0.batches(), phi, 0..last + 1)?);
        let (mut tapes, settings) = (Tapes::new(), self.settings);
        let mut closer = |state: &I::State| polished(&mut on.plain, &mut tapes, it, state, phi, last, settings);
        let better = if settings.polish { closer(&state)? } else { None };
        let state = better.unwrap_or(state);
        let next = if settings.check { closer(&state)? } else { None };
        let At { found, operations, failures } = at(&mut tapes, it, &state, phi, last, settings)?;
        let (here, there) = (state.batches(), next.as_ref().map(Leaves::batches));
        let went = |m| there.as_ref().is_some_and(|there| lists::member(there, m) != lists::member(&here, m));
        let after = match (next, found.certificate.error) {
            (Some(next), Some(_)) => {
                // By a solver that converges, so that the difference is all of the error: parts of it may cancel.
                let tight = Settings { check: false, ..Settings::new::<Of<I::State>>() };
                Some(at(&mut tapes, it, &next, phi, last, tight)?.found)
            }
            _ => None,
        };
        let certificate = self.told(&found.certificate, &found.gradient.batches(), after, &went);
        Ok(Derivative {
            value: found.value,
            gradient: found.gradient,
            state: found.solution,
            certificate,
            failures,
            bytes: on.plain.peak_bytes() + tapes.peak_bytes(),
            operations,
            products: found.certificate.products,
        })
    }

    /// The certificate of a loop, from that of its last step and from the derivative at a state nearer to the fixed
    /// point, if there is one: the coordinates of one tangent space do not see how that space turns; two of them do.
    /// `went` says which members came nearer.
    fn told<Z: Leaves, P: Leaves<Scalar = Z::Scalar>>(
        &self,
        c: &SolutionCertificate,
        own: &[Batch<Z::Scalar>],
        after: Option<Hypergradient<Z, P>>,
        went: &dyn Fn(usize) -> bool,
    ) -> Certificate {
        let (mut verdict, mut error) = (c.verdict, c.error.map(|e| e.total));
        let most = CONVERGED * Settings::new::<Z::Scalar>().tolerance;
        let converged = after.as_ref().is_some_and(|a| a.certificate.members.iter().all(|m| m.residual <= most));
        let after = after.map(|a| a.gradient.batches());
        if let (Some(after), Some(e)) = (&after, c.error) {
            // What a solver left that stopped early is part of the difference to one that converged, and may be all of
            // it where neither did.
            let total = difference(after, own).max(if converged { 0.0 } else { e.linear });
            error = Some(total);
            if verdict.is_sound() {
                let small = total <= c.threshold * e.scale;
                verdict = if small { Verdict::Verified } else { Verdict::Estimated };
            }
        }
        let after = after.as_deref().filter(|_| converged);
        let members = if self.settings.check { parts(after, own, c, went) } else { vec![] };
        verdict = members.iter().fold(verdict, |v, m| v.worse(m.verdict));
        Certificate {
            terms: c.products,
            error,
            verdict,
            motion: None,
            members,
            looked_for_kinks: self.settings.check,
            ..Certificate::unrolled(0)
        }
    }
}

/// What is told of the members of a batch of loops, from two derivatives by parameters that have those members too: a
/// small part that is wrong is not hidden by a large one that is right. A member that came no nearer is told what the
/// coordinates of its tangent space show.
fn parts<T: Scalar>(
    after: Option<&[Batch<T>]>,
    found: &[Batch<T>],
    c: &SolutionCertificate,
    went: &dyn Fn(usize) -> bool,
) -> Vec<LoopMember> {
    let n = c.members.len();
    if n < 2 || found.iter().any(|b| b.shape().batch != n) {
        return vec![];
    }
    let one = |(m, of): (usize, &Member)| {
        let length = |v: &[Batch<T>]| lists::member_length(v, m);
        let (error, size) = match after.filter(|_| went(m)) {
            Some(after) => (length(&lists::minus(after, found)), length(found).max(length(after))),
            // A derivative that is much too short says little of how far it is off: the scale is that of a better one.
            None => (of.error.unwrap_or(0.0) * of.scale, of.scale.max(length(found))),
        };
        let told = if error <= c.threshold * size { Verdict::Verified } else { Verdict::Estimated };
        // A smaller error in the coordinates of one tangent space was no more than that.
        let verdict = if of.verdict.is_sound() { told } else { of.verdict };
        LoopMember { rho: None, error: error.is_finite().then_some(error), verdict }
    };
    c.members.iter().enumerate().map(one).collect()
}

/// The derivative at one state.
struct At<I: Iteration> {
    found: Hypergradient<I::State, I::Params>,
    /// How many operations were recorded.
    operations: usize,
    failures: Vec<(usize, Error)>,
}

/// The derivative at one state, in its own tangent space.
fn at<I: Iteration>(
    tapes: &mut Tapes<Of<I::State>>,
    it: &I,
    state: &I::State,
    phi: &I::Params,
    t: usize,
    settings: Settings,
) -> Result<At<I>> {
    let condition = LastStep { it, t, end: state };
    let lin = condition.at(state, phi).with(Settings { polish: false, ..settings }).linearise(tapes)?;
    let found = lin.hypergradient(|z, phi| match list(&z).first() {
        Some(v) => it.outer(v.tape(), z, phi),
        None => unreachable!("a condition was recorded on a state with leaves"),
    })?;
    Ok(At { found, operations: lin.operations(), failures: lin.failures() })
}

/// A state nearer to the fixed point: a Newton step in the coordinates of the tangent space, and then a step of the
/// loop, which comes back to where states live. A member stays where the loop moves it no less there; `None` if all do.
///
/// Derivatives are then taken in the tangent space at that state. In the space at the old one they would be wrong by a
/// multiple of the distance between the two, since tangent spaces turn, and no step in those coordinates would show it.
fn polished<I: Iteration>(
    plain: &mut Tape<Of<I::State>>,
    tapes: &mut Tapes<Of<I::State>>,
    it: &I,
    state: &I::State,
    phi: &I::Params,
    t: usize,
    settings: Settings,
) -> Result<Option<I::State>> {
    let condition = LastStep { it, t, end: state };
    let settings = Settings { polish: true, check: false, ..settings };
    let newton = condition.at(state, phi).with(settings).linearise(tapes)?.solution();
    let mut step = |from: List<Of<I::State>>| run(plain, it, state, from, phi, t..t + 1);
    let here = state.batches();
    let Ok(next) = step(here.clone()) else { return Ok(None) };
    let moved = lists::minus(&next, &here);
    let Some((mut there, after)) = two_steps(&mut step, newton.batches(), &here) else { return Ok(None) };
    let (moves, n) = (lists::minus(&after, &there), lists::members(&lists::shapes(&here)));
    let nearer = |m: usize| lists::member_length(&moves, m) < lists::member_length(&moved, m);
    (0..n).filter(|m| !nearer(*m)).for_each(|m| lists::copy_member(&mut there, &here, m));
    Ok((0..n).any(nearer).then(|| rebuilt(state, there)))
}

/// Where a step and a second one lead, from `here` for members where they fail.
fn two_steps<T: Scalar>(
    step: &mut dyn FnMut(List<T>) -> Result<List<T>>,
    mut from: List<T>,
    here: &[Batch<T>],
) -> Option<(List<T>, List<T>)> {
    let mut both = |from: &List<T>| -> Option<(List<T>, List<T>)> {
        let there = step(from.clone()).ok()?;
        let after = step(there.clone()).ok()?;
        Some((there, after))
    };
    if let Some(found) = both(&from) {
        return Some(found);
    }
    for m in 0..lists::members(&lists::shapes(here)) {
        let mut alone = here.to_vec();
        lists::copy_member(&mut alone, &from, m);
        if both(&alone).is_none() {
            lists::copy_member(&mut from, here, m);
        }
    }
    both(&from)
}

/// Applies several estimators to one loop.
///
/// ```
/// use pullback::faer::mat;
/// use pullback::prelude::*;
/// use pullback_implicit::{Estimate, Estimator, agreement, compare, inner_loop};
/// // Sixty steps of z <- phi cos(z), and the last z as the loss.
/// let (z0, phi) = (mat![[0.5]], mat![[0.7]]);
/// let it = inner_loop(&z0, &phi, |z: Var, phi: Var, _| z.cos().hadamard(phi), |z: Var, _| z.sum());
/// let estimators: [&dyn Estimate<_>; 2] = [&Estimator::Unroll, &Estimator::FixedPoint { terms: 40 }];
/// let all = compare(&estimators, &it, &z0, &phi, 60)?;
/// let (unrolled, series) = (&all[0].1.gradient, &all[1].1.gradient);
/// assert!(agreement(series, unrolled).relative_error < 1e-9);
/// # Ok::<(), pullback_implicit::Error>(())
/// ```
///
/// # Errors
/// The first error of one of them.
pub fn compare<I: Iteration>(
    estimators: &[&dyn Estimate<I>],
    it: &I,
    z0: &I::State,
    phi: &I::Params,
    steps: usize,
) -> Result<Vec<(String, Derivative<I::State, I::Params>)>> {
    let mut on = Sensitivity::new();
    estimators.iter().map(|e| Ok((e.name(), e.estimate(&mut on, it, z0, phi, steps)?))).collect()
}
