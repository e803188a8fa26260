//! The bilevel loop: an inner solver with a warm start, a hypergradient as exact as the inner solution, and a policy
//! for derivatives that are not sound. The caller takes the outer step along the hypergradient.

use crate::condition::Condition;
use crate::error::{Error, Result};
use crate::iteration::{Of, OuterFn};
use crate::linear::{Method, Recycle};
use crate::lists;
use crate::solution::{Hypergradient, Settings, Tapes};
use crate::trust::{Member, SolutionCertificate};
use crate::verdict::{Verdict, Why};
use pullback::Leaves;

/// What to do with a derivative whose verdict is `Suspect` or `Invalid`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Policy {
    /// Use it nevertheless.
    Apply,
    /// Leave the parameters as they are and continue with the inner problem.
    Skip,
    /// Compute it once more with another linear solver, to 1e-12, and use the result if it is sound; else skip.
    FallBack(Method),
}

/// The adjoint is never solved to less than this, however rough the inner solution is.
const LOOSEST: f64 = 1e-3;

/// How the loop runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bilevel {
    /// What to do with a derivative that is not sound.
    pub policy: Policy,
    /// The loop stops when the length of a sound hypergradient is at most this.
    pub stop: f64,
    /// The adjoint is solved to this part of the relative inner error that was measured in the step before. With 0 it
    /// is always solved to the tolerance of `settings`.
    pub matched: f64,
    /// The adjoints of this many last steps give the start of the next system; 0 for a start from zero.
    pub recycle: usize,
    /// The settings of the first step; later ones change only the tolerance.
    pub settings: Settings,
}

/// The state of the loop: everything that is needed to continue it later.
#[derive(Debug, Clone)]
pub struct State<Z: Leaves, P> {
    /// The last inner solution.
    pub z: Z,
    /// The parameters.
    pub phi: P,
    /// Outer steps so far.
    pub steps: usize,
    /// The tolerance of the next adjoint.
    pub tolerance: f64,
    /// Has the hypergradient fallen below the threshold?
    pub finished: bool,
    /// One record for each step.
    pub history: Vec<Record>,
    /// The adjoints of the last steps.
    pub adjoints: Recycle<Z::Scalar>,
}

/// One outer step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Record {
    /// The outer loss.
    pub value: f64,
    /// The length of the hypergradient.
    pub gradient: f64,
    /// Its estimated relative error.
    pub error: Option<f64>,
    /// How far to trust it.
    pub verdict: Verdict,
    /// Was it used?
    pub applied: bool,
    /// The tolerance of its adjoint.
    pub tolerance: f64,
    /// Products with the linear map.
    pub products: usize,
}

impl Bilevel {
    /// Skips what is not sound, matches tolerances to a tenth, recycles two adjoints, stops at `stop`.
    pub fn new(stop: f64) -> Self {
        Bilevel { policy: Policy::Skip, stop, matched: 0.1, recycle: 2, settings: Settings::new::<f64>() }
    }

    /// A state to start from.
    pub fn start<Z: Leaves, P>(&self, z: Z, phi: P) -> State<Z, P> {
        let tolerance = self.settings.tolerance;
        State { z, phi, steps: 0, tolerance, finished: false, history: vec![], adjoints: Recycle::new(self.recycle) }
    }

    /// One outer step: `inner(phi, z)` improves the solution from where it was, and `update(phi, gradient)` returns the
    /// next parameters.
    ///
    /// # Errors
    /// [`Error::Setting`] if the inner solver returns no finite solution; its own errors, and those of
    /// [`crate::Linearisation::hypergradient`] and of `update`. The state is then as it was, what is recycled included,
    /// so that the step may be tried again.
    pub fn step<C, O>(
        &self,
        condition: &C,
        state: &mut State<C::State, C::Params>,
        tapes: &mut Tapes<Of<C::State>>,
        inner: &mut dyn FnMut(&C::Params, &C::State) -> Result<C::State>,
        outer: &O,
        update: &mut dyn FnMut(&C::Params, &C::Params) -> Result<C::Params>,
    ) -> Result<()>
    where
        C: Condition,
        O: for<'t> OuterFn<'t, C::State, C::Params>,
    {
        let z = inner(&state.phi, &state.z)?;
        let (numbers, members) = (z.batches(), lists::members(&z.shapes()));
        // A member of a batch that is no number is masked; if there is no other, nothing is left to differentiate.
        if (0..members).all(|m| !lists::finite(&numbers, m)) && members > 0 {
            return Err(Error::Setting { what: "a finite solution from the inner solver", got: f64::NAN });
        }
        // What is kept of this step's systems becomes part of the state with everything else, or not at all.
        let adjoints = state.adjoints.clone();
        let mut ask = |settings: Settings| -> Result<Hypergradient<C::State, C::Params>> {
            let solution = condition.at(&z, &state.phi).with(settings).recycling(&adjoints);
            solution.linearise(tapes)?.hypergradient(outer)
        };
        let mut settings = Settings { tolerance: state.tolerance, ..self.settings };
        let mut found = ask(settings)?;
        let mut products = found.certificate.all_products;
        let sound = found.certificate.verdict.is_sound() || is_only_rounded(&found.certificate);
        if let (false, Policy::FallBack(method)) = (sound, self.policy) {
            settings = Settings { method, tolerance: 1e-12, ..settings };
            found = ask(settings)?;
            products += found.certificate.all_products;
        }
        let c = &found.certificate;
        let length = lists::length(&found.gradient.batches());
        let sound = c.verdict.is_sound() || is_only_rounded(c);
        let finished = sound && length <= self.stop;
        let applied = !finished && (sound || self.policy == Policy::Apply);
        if applied {
            state.phi = update(&state.phi, &found.gradient)?;
        }
        let error = c.error.map(|e| e.relative());
        let inner_error = c.error.map_or(0.0, |e| e.inner / e.scale.max(f64::MIN_POSITIVE));
        let tolerance = self.matched_to(inner_error);
        let verdict = c.verdict;
        state.history.push(Record {
            value: found.value,
            gradient: length,
            error,
            verdict,
            applied,
            tolerance: settings.tolerance,
            products,
        });
        (state.z, state.tolerance, state.finished) = (found.solution, tolerance, finished);
        state.adjoints = adjoints;
        state.steps += 1;
        Ok(())
    }

    /// The tolerance of the next adjoint, after this relative inner error; as tight as the settings where it is no
    /// number. They may be looser than the loosest that is matched.
    fn matched_to(&self, inner_error: f64) -> f64 {
        let (least, wanted) = (self.settings.tolerance, self.matched * inner_error);
        if wanted > least { wanted.min(LOOSEST.max(least)) } else { least }
    }

    /// Steps until the hypergradient is small, or `steps` more were taken.
    ///
    /// # Errors
    /// As [`Bilevel::step`].
    pub fn run<C, O>(
        &self,
        condition: &C,
        state: &mut State<C::State, C::Params>,
        steps: usize,
        mut inner: impl FnMut(&C::Params, &C::State) -> Result<C::State>,
        outer: O,
        mut update: impl FnMut(&C::Params, &C::Params) -> Result<C::Params>,
    ) -> Result<()>
    where
        C: Condition,
        O: for<'t> OuterFn<'t, C::State, C::Params>,
    {
        let mut tapes = Tapes::new();
        for _ in 0..steps {
            if state.finished {
                break;
            }
            self.step(condition, state, &mut tapes, &mut inner, &outer, &mut update)?;
        }
        Ok(())
    }
}

/// A derivative that is known within this much of itself still leads downhill.
const DOWNHILL: f64 = 0.1;

/// Is a derivative not sound for no other reason than that its point is rounded, and still known well enough to
/// descend? So is every derivative near the minimum of an outer loss, where the loop is to arrive.
fn is_only_rounded(c: &SolutionCertificate) -> bool {
    let eps = c.threshold * c.threshold;
    let rounded =
        |v: Verdict| matches!(v, Verdict::Suspect(Why::IllConditioned { condition }) if condition * eps <= DOWNHILL);
    let regular = |m: &Member| m.spectrum.is_none_or(|(low, high)| low > c.threshold * high);
    rounded(c.verdict) && c.members.iter().all(|m| m.verdict.is_sound() || rounded(m.verdict) && regular(m))
}
