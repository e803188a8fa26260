//! Which members of a batch a layer can be evaluated at. A failure of a program stops all of it, so where a batch fails
//! every member is tried alone: as a batch of copies of it, so that shapes stay what solver and condition expect. What
//! failed is then replaced by a member that did not, and masked.

use crate::by_params;
use crate::condition::Condition;
use crate::error::{Error, Result};
use crate::iteration::Of;
use crate::layer::{Inner, constants, locked};
use crate::layer_system::numeric;
use crate::lists::{self, List};
use crate::solution::rebuilt;
use pullback::{Batch, Leaves, Scalar, Shape, Tape, Var};

/// Solutions, and why a member has none.
type Tried<T> = (List<T>, Vec<Option<Error>>);

/// What a layer found for its parameters.
#[derive(Debug, Clone)]
pub(crate) struct Outcome<T: Scalar> {
    asked: List<T>,
    masked: bool,
    /// The solutions, and the parameters that they belong to: of a member that failed, those of one that did not.
    pub(crate) z: List<T>,
    pub(crate) safe: List<T>,
    pub(crate) failures: Vec<Option<Error>>,
}

impl<T: Scalar> Outcome<T> {
    /// 1 for each member that did not fail, 0 for the others.
    pub(crate) fn mask(&self) -> Batch<T> {
        let works = |m: usize| if self.failures[m].is_none() { 1.0 } else { 0.0 };
        Batch::from_fn(Shape::batch(self.failures.len(), 1, 1), |m, _, _| lists::number(works(m)))
    }
}

/// Copies member `from` of `source` to member `to` of a batch of as many members; what has no members is shared.
fn copy_member<T: Scalar>(into: &mut [Batch<T>], to: usize, source: &[Batch<T>], from: usize, members: usize) {
    for (into, source) in into.iter_mut().zip(source).filter(|(_, s)| s.shape().batch == members) {
        let each = source.shape().each();
        into.data_mut()[to * each..(to + 1) * each].copy_from_slice(&source.data()[from * each..(from + 1) * each]);
    }
}

impl<C: Condition> Inner<C> {
    /// The solutions for these parameters, and who failed; with `masked`, those whose linear system is singular too.
    pub(crate) fn outcome(&self, phi: List<Of<C::State>>, masked: bool) -> Outcome<Of<C::State>> {
        let mut last = locked(&self.last);
        match &*last {
            Some(found) if found.asked == phi && found.masked == masked => return found.clone(),
            _ => {}
        }
        let found = self.tried(phi, masked);
        *last = Some(found.clone());
        found
    }

    fn tried(&self, phi: List<Of<C::State>>, masked: bool) -> Outcome<Of<C::State>> {
        let members = lists::members(&self.z.shapes());
        let (z, mut failures) = match self.whole(&phi, masked) {
            Ok(found) => found,
            Err(e) if members <= 1 => (vec![], vec![Some(e); members]),
            Err(_) => self.apart(&phi, masked, members),
        };
        failures.truncate(members);
        let Some((z, safe)) = without(&failures, &z, &phi) else {
            let nan = |s: &Shape| Batch::from_fn(*s, |_, _, _| lists::number(f64::NAN));
            let z = self.z.shapes().iter().map(nan).collect();
            return Outcome { asked: phi.clone(), masked, z, safe: phi, failures };
        };
        Outcome { asked: phi, masked, z, safe, failures }
    }

    /// Every member in turn, as a batch of copies.
    fn apart(&self, phi: &[Batch<Of<C::State>>], masked: bool, members: usize) -> Tried<Of<C::State>> {
        let mut z = lists::zeros(&self.z.shapes());
        let one = |m: usize| {
            let mut copies = phi.to_vec();
            (0..members).for_each(|to| copy_member(&mut copies, to, phi, m, members));
            match self.whole(&copies, masked) {
                Ok((found, failures)) => {
                    copy_member(&mut z, m, &found, m, members);
                    failures.into_iter().nth(m).flatten()
                }
                Err(e) => Some(e),
            }
        };
        let failures = (0..members).map(one).collect();
        (z, failures)
    }

    /// The whole batch: solver, condition, and with `masked` the linear systems; members whose numbers are not finite
    /// are named.
    fn whole(&self, phi: &[Batch<Of<C::State>>], masked: bool) -> Result<Tried<Of<C::State>>> {
        let z = (self.solver)(&rebuilt(&self.phi, phi.to_vec()))?.batches();
        let members = lists::members(&self.z.shapes());
        if lists::shapes(&z) != self.z.shapes() {
            return Err(Error::Lists { expected: self.z.shapes(), got: lists::shapes(&z) });
        }
        let mut failures: Vec<Option<Error>> = (0..members).map(|m| unfinite(&z, m)).collect();
        if members == 1 && !masked && locked(&self.within).is_none() {
            return Ok((z, failures));
        }
        let Some((shown, safe)) = without(&failures, &z, phi) else { return Ok((z, failures)) };
        let tape = Tape::new();
        let r = self.residual(&constants(&tape, &shown), &constants(&tape, &safe));
        tape.check()?;
        let r: List<_> = r.iter().map(Var::value).collect();
        for (m, f) in failures.iter_mut().enumerate() {
            *f = f.take().or(unfinite(&r, m));
        }
        if let Some((shown, safe)) = without(&failures, &z, phi) {
            self.looked(&shown, &safe, masked, &mut failures)?;
        }
        Ok((z, failures))
    }

    /// Names the members, of those that have not failed, that are too far from a solution, and with `masked` those
    /// whose linear system is singular, or whose condition has no derivative by the parameters.
    fn looked(
        &self,
        z: &[Batch<Of<C::State>>],
        phi: &[Batch<Of<C::State>>],
        masked: bool,
        failures: &mut [Option<Error>],
    ) -> Result<()> {
        if let Some(most) = *locked(&self.within) {
            for (member, found) in self.stationarity(z, phi)?.into_iter().enumerate() {
                let good = found.verdict.is_sound() && found.distance <= most;
                let error = (!good).then_some(Error::NotStationary { member, most, found });
                failures[member] = failures[member].take().or(error);
            }
        }
        if masked && failures.contains(&None) {
            let c = lists::noise_alike(&self.z.shapes(), 0x5A11);
            for (member, status) in numeric(self, z, phi, c, false)?.1 {
                failures[member] = failures[member].take().or(Some(Error::System { member, status }));
            }
            let tape = Tape::new();
            let at = constants(&tape, phi);
            let r = self.residual(&constants(&tape, z), &at);
            for (f, more) in failures.iter_mut().zip(by_params::failures(&tape, &at, &r)?) {
                *f = f.take().or(more);
            }
        }
        Ok(())
    }
}

/// Solutions and parameters with the first member that did not fail in the place of those that did, since no program is
/// shown what fails; `None` if all failed.
fn without<T: Scalar>(failures: &[Option<Error>], z: &[Batch<T>], phi: &[Batch<T>]) -> Option<(List<T>, List<T>)> {
    let good = failures.iter().position(Option::is_none)?;
    let (mut shown, mut safe) = (z.to_vec(), phi.to_vec());
    for m in (0..failures.len()).filter(|m| failures[*m].is_some()) {
        copy_member(&mut shown, m, z, good, failures.len());
        copy_member(&mut safe, m, phi, good, failures.len());
    }
    Some((shown, safe))
}

/// Says where member `m` is not finite.
fn unfinite<T: Scalar>(v: &[Batch<T>], member: usize) -> Option<Error> {
    for (leaf, b) in v.iter().enumerate() {
        let each = b.shape().each();
        let own = &b.data()[member * each..(member + 1) * each];
        if let Some(bad) = own.iter().find(|x| !x.is_finite()) {
            return Some(Error::NotFinite { member, leaf, value: bad.f64() });
        }
    }
    None
}
