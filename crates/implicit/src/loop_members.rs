//! Members of a batch of loops that fail: their program, a state that leaves the finite numbers, a derivative that is
//! not finite. A failure stops the whole batch, so a member that failed gets the numbers of one that did not, and of
//! these the loss is made independent. How a derivative is taken is not known here; nor which members of a solution
//! fail, which is found in `linearise.rs`.

use crate::error::{Error, Result};
use crate::estimate::{Derivative, Sensitivity, rebuilt};
use crate::iteration::{Iteration, Of, Vars, list};
use crate::linearise::Start;
use crate::lists::{self, List};
use crate::verdict::{Verdict, Why};
use pullback::{Batch, Leaves, Scalar, Shape, Tape, Var, VarTree};
use std::cell::RefCell;

/// An iteration whose loss does not depend on some members of its batches.
pub(crate) struct Masked<'i, I: Iteration> {
    it: &'i I,
    /// 1 for a member that counts, 0 for one that does not; `None` if all do.
    mask: Option<Batch<Of<I::State>>>,
    /// What the loss is shown of those that do not count: what it saw first of state and parameters.
    shown: RefCell<List<Of<I::State>>>,
}

impl<'i, I: Iteration> Masked<'i, I> {
    fn new(it: &'i I, mask: Option<Batch<Of<I::State>>>) -> Self {
        Masked { it, mask, shown: RefCell::new(vec![]) }
    }
}

impl<I: Iteration> Iteration for Masked<'_, I> {
    type State = I::State;
    type Params = I::Params;

    fn step<'t>(
        &self,
        tape: &'t Tape<Of<I::State>>,
        z: Vars<'t, I::State>,
        phi: Vars<'t, I::Params>,
        t: usize,
    ) -> Vars<'t, I::State> {
        self.it.step(tape, z, phi, t)
    }
    fn outer<'t>(
        &self,
        tape: &'t Tape<Of<I::State>>,
        z: Vars<'t, I::State>,
        phi: Vars<'t, I::Params>,
    ) -> Var<'t, Of<I::State>> {
        let Some(mask) = &self.mask else { return self.it.outer(tape, z, phi) };
        let mask = tape.constant(mask);
        let mut shown = self.shown.borrow_mut();
        if shown.is_empty() {
            *shown = list(&z).iter().chain(&list(&phi)).map(Var::value).collect();
        }
        let mut leaves = shown.iter();
        let mut counted = |v: Var<'t, Of<I::State>>| match leaves.next() {
            Some(at) if v.shape().batch == mask.shape().batch => mask.select(v, at),
            _ => v,
        };
        let (z, phi) = (z.map(&mut counted), phi.map(&mut counted));
        self.it.outer(tape, z, phi)
    }
    fn project<'t>(
        &self,
        tape: &'t Tape<Of<I::State>>,
        z: Vars<'t, I::State>,
        v: Vars<'t, I::State>,
    ) -> Vars<'t, I::State> {
        self.it.project(tape, z, v)
    }
}

/// The derivative of a loop and the questions that it is asked: the state to begin with and the parameters.
type Run<'f, I, T> = dyn FnMut(
        &mut Sensitivity<T>,
        &Masked<'_, I>,
        &<I as Iteration>::State,
        &<I as Iteration>::Params,
    ) -> Result<Derivative<<I as Iteration>::State, <I as Iteration>::Params>>
    + 'f;

/// A derivative of all members, or where that fails of those that do not, with the others masked and named.
///
/// Cost: nothing where nobody fails. A member that its error names costs a run of everything; where an error names
/// nobody, every member is tried.
pub(crate) fn by_members<I, T>(
    on: &mut Sensitivity<T>,
    it: &I,
    z0: &I::State,
    phi: &I::Params,
    run: &mut Run<'_, I, T>,
) -> Result<Derivative<I::State, I::Params>>
where
    T: Scalar,
    I: Iteration,
    I::State: Leaves<Scalar = T>,
    I::Params: Leaves<Scalar = T>,
{
    let shapes = z0.shapes();
    let n = lists::members(&shapes);
    let first = match run(on, &Masked::new(it, None), z0, phi) {
        Err(e) if n > 1 && shapes.iter().all(|s| s.batch == n) && may_be_of_a_member(&e) => Err(e),
        Ok(found) if !found.failures.is_empty() => Ok((vec![None; n], found)),
        found => return found,
    };
    let whole = Start::new(z0.batches(), phi.batches());
    let mut search = Search { on, it, z0, phi, whole, run };
    let (failures, mut found) = first.or_else(|e| search.named(&e).or_else(|| search.tested()).ok_or(e))?;
    search.mark(failures, &mut found);
    Ok(found)
}

/// Is it a failure that other numbers of a member might not meet?
fn may_be_of_a_member(e: &Error) -> bool {
    match e {
        Error::Engine(e) => {
            use pullback::Error::{Data, NonFinite, Overflow};
            matches!(e, Data { .. } | NonFinite { .. } | Overflow { .. })
        }
        Error::Diverged { .. } | Error::Geometry(_) | Error::NotFinite { .. } | Error::NoDerivative { .. } => true,
        _ => false,
    }
}

/// Why members failed, and the derivative without them.
type Found<I> = (Vec<Option<Error>>, Derivative<<I as Iteration>::State, <I as Iteration>::Params>);

/// The search for the members that fail.
struct Search<'s, 'f, I: Iteration, T: Scalar> {
    on: &'s mut Sensitivity<T>,
    it: &'s I,
    z0: &'s I::State,
    phi: &'s I::Params,
    whole: Start<T>,
    run: &'s mut Run<'f, I, T>,
}

impl<I, T> Search<'_, '_, I, T>
where
    T: Scalar,
    I: Iteration,
    I::State: Leaves<Scalar = T>,
    I::Params: Leaves<Scalar = T>,
{
    fn members(&self) -> usize {
        self.whole.failures.len()
    }

    /// Without the members that errors name, one after the other.
    fn named(&mut self, first: &Error) -> Option<Found<I>> {
        let (mut failures, mut e) = (vec![None; self.members()], first.clone());
        while let Some(m) = e.member().filter(|m| failures.get(*m).is_some_and(Option::is_none)) {
            failures[m] = Some(e);
            match self.without(&failures)? {
                Ok(found) => return Some((failures, found)),
                Err(next) => e = next,
            }
        }
        None
    }

    /// Nobody is named, or somebody in vain: a member that does not fail in any place is looked for, and then each of
    /// the others is tried among copies of it.
    fn tested(&mut self) -> Option<Found<I>> {
        let n = self.members();
        let good = (0..n).find(|m| self.among(*m, *m).is_none())?;
        let failures: Vec<Option<Error>> = (0..n).map(|m| self.among(good, m)).collect();
        let found = self.without(&failures)?.ok()?;
        failures.iter().any(Option::is_some).then_some((failures, found))
    }

    /// Why a member fails among copies of another, if it does.
    fn among(&mut self, good: usize, m: usize) -> Option<Error> {
        let copies = self.whole.arranged(vec![None; self.members()], &|k| if k == m { m } else { good });
        self.of(&copies, None).err()
    }

    /// With a member that did not fail in the place of those that did; `None` if all failed.
    fn without(&mut self, failures: &[Option<Error>]) -> Option<Result<Derivative<I::State, I::Params>>> {
        let start = self.whole.without(failures)?;
        let counts = |m: usize, _, _| lists::number(if failures[m].is_none() { 1.0 } else { 0.0 });
        Some(self.of(&start, Some(Batch::from_fn(Shape::batch(failures.len(), 1, 1), counts))))
    }

    fn of(&mut self, start: &Start<T>, mask: Option<Batch<T>>) -> Result<Derivative<I::State, I::Params>> {
        let (z, phi) = (rebuilt(self.z0, start.z.clone()), rebuilt(self.phi, start.phi.clone()));
        (self.run)(self.on, &Masked::new(self.it, mask), &z, &phi)
    }

    /// Names the members that failed, with those that the estimator found itself, and takes back what is not theirs.
    fn mark(&self, mut failures: Vec<Option<Error>>, found: &mut Derivative<I::State, I::Params>) {
        let (mut gradient, mut state) = (found.gradient.batches(), found.state.batches());
        found.failures.drain(..).for_each(|(m, e)| failures[m] = failures[m].take().or(Some(e)));
        let named = Start { failures, ..self.whole.clone() };
        named.mask(&mut gradient);
        for member in named.failed() {
            lists::copy_member(&mut state, &self.whole.z, member);
            let failed = Verdict::Invalid(Why::Failed { member });
            if let Some(of) = found.certificate.members.get_mut(member) {
                (of.rho, of.error, of.verdict) = (None, None, failed);
            }
            found.certificate.verdict = found.certificate.verdict.worse(failed);
        }
        (found.gradient, found.state) = (rebuilt(self.phi, gradient), rebuilt(self.z0, state));
        found.failures = named.failures.into_iter().enumerate().filter_map(|(m, e)| Some((m, e?))).collect();
    }
}
