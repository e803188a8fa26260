//! Where a solution is recorded: at the point as given, at the polished one and at one more to check with; which
//! members of a batch stand still in a step, and which cannot be recorded at all. What the points are good for is not
//! known here.
//!
//! A failure of a program stops the whole batch. The member that its error names is replaced by one that did not fail,
//! and the batch is tried again, on tapes of its own, until it can be recorded.

use crate::condition::Condition;
use crate::error::{Error, Result};
use crate::iteration::Of;
use crate::lists::{self, List};
use crate::local::{Local, Slot};
use crate::newton::Newton;
use crate::solution::{Linearisation, Solution};
use pullback::{Batch, Leaves, Scalar};
use std::cell::OnceCell;

/// Slots that recording once may take: the point as given; the polished one, once more if a member fails there, and
/// once more if a member is better off where it was; the one to check with, and once more if a member fails there.
const ONCE: usize = 6;

/// Slots for recording all members, and then those that do not fail.
pub(crate) const SLOTS: usize = 2 * ONCE;

/// What is recorded at first.
#[derive(Debug, Clone)]
pub(crate) struct Start<T: Scalar> {
    pub(crate) z: List<T>,
    /// The parameters: of a member that failed, those of one that did not.
    pub(crate) phi: List<T>,
    /// Why a member is not itself.
    pub(crate) failures: Vec<Option<Error>>,
}

impl<T: Scalar> Start<T> {
    /// Nobody has failed yet.
    pub(crate) fn new(z: List<T>, phi: List<T>) -> Self {
        let n = lists::members(&lists::shapes(&z));
        Start { z, phi, failures: vec![None; n] }
    }

    fn members(&self) -> usize {
        self.failures.len()
    }

    /// The members that failed.
    pub(crate) fn failed(&self) -> impl Iterator<Item = usize> {
        (0..self.failures.len()).filter(|m| self.failures[*m].is_some())
    }

    /// Makes what belongs to a member that failed zero. What members share is left alone.
    pub(crate) fn mask(&self, v: &mut [Batch<T>]) {
        let n = self.members();
        for b in v.iter_mut().filter(|b| n > 1 && b.shape().batch == n) {
            self.failed().for_each(|m| lists::scale(std::slice::from_mut(b), 0.0, m));
        }
    }

    /// With the member `from(m)` in the place of each member.
    pub(crate) fn arranged(&self, failures: Vec<Option<Error>>, from: &dyn Fn(usize) -> usize) -> Self {
        let n = self.members();
        let moved = |v: &List<T>| -> List<T> {
            let each = |b: &Batch<T>| match b.shape().batch == n {
                true => Batch::from_fn(b.shape(), |m, i, j| {
                    let s = b.shape();
                    b.data()[from(m) * s.each() + j * s.rows + i]
                }),
                false => b.clone(),
            };
            v.iter().map(each).collect()
        };
        Start { z: moved(&self.z), phi: moved(&self.phi), failures }
    }

    /// With the first member that did not fail in the place of those that did; `None` if all failed.
    pub(crate) fn without(&self, failures: &[Option<Error>]) -> Option<Self> {
        let good = failures.iter().position(Option::is_none)?;
        Some(self.arranged(failures.to_vec(), &|m| if failures[m].is_none() { m } else { good }))
    }
}

/// Records a solution, without the members that fail.
pub(crate) fn linearise<'t, 'a, C: Condition>(
    s: &Solution<'a, C>,
    slots: &'t [Slot<Of<C::State>>; SLOTS],
) -> Result<Linearisation<'t, 'a, C>> {
    let whole = Start::new(s.z.batches(), s.phi.batches());
    let n = whole.members();
    let first = match recorded(s, &slots[..ONCE], &whole).and_then(by_params) {
        Err(e) if n > 1 => e,
        found => return found,
    };
    match sound(s, first, &whole) {
        Ok(start) => recorded(s, &slots[ONCE..], &start),
        // Where no member has a derivative by its parameters, that by the solution is still there to be had.
        Err(first) => recorded(s, &slots[ONCE..], &whole).map_err(|_| first),
    }
}

/// Is there a derivative by the parameters in every member of a batch? One without is to be known before anything is
/// asked, so the condition is differentiated once in either direction, at random. A single solution reports it where it
/// is asked for.
fn by_params<'t, 'a, C: Condition>(lin: Linearisation<'t, 'a, C>) -> Result<Linearisation<'t, 'a, C>> {
    if lin.start.members() > 1 {
        lin.points[0].try_params()?;
    }
    Ok(lin)
}

/// What can be recorded of a batch that failed with `first`: without the members that errors name, one after the other.
fn sound<C: Condition>(s: &Solution<'_, C>, first: Error, whole: &Start<Of<C::State>>) -> Result<Start<Of<C::State>>> {
    let mut failures: Vec<Option<Error>> = vec![None; whole.members()];
    let mut e = first.clone();
    while let Some(m) = e.member().filter(|m| failures.get(*m).is_some_and(Option::is_none)) {
        failures[m] = Some(e);
        let Some(start) = whole.without(&failures) else { return Err(first) };
        match tried(s, &start) {
            None => return Ok(start),
            Some(next) => e = next,
        }
    }
    tested(s, whole).ok_or(first)
}

/// Nobody is named, or somebody in vain: a member that can be recorded in every place is looked for, and then each of
/// the others is tried among copies of it. `None` if there is no such member.
fn tested<C: Condition>(s: &Solution<'_, C>, whole: &Start<Of<C::State>>) -> Option<Start<Of<C::State>>> {
    let n = whole.members();
    let among = |good: usize, m: usize| whole.arranged(vec![None; n], &|k| if k == m { m } else { good });
    let good = (0..n).find(|m| tried(s, &among(*m, *m)).is_none())?;
    let failures: Vec<Option<Error>> = (0..n).map(|m| tried(s, &among(good, m))).collect();
    whole.without(&failures).filter(|start| tried(s, start).is_none())
}

/// Why this cannot be recorded, if it cannot.
fn tried<C: Condition>(s: &Solution<'_, C>, start: &Start<Of<C::State>>) -> Option<Error> {
    recorded(s, &scratch(), start).and_then(by_params).err()
}

/// The point after the last one, in `slots`, and who did not get there.
pub(crate) fn beyond<'s, C: Condition>(
    lin: &Linearisation<'_, '_, C>,
    slots: &'s [Slot<Of<C::State>>],
) -> Option<(Local<'s, Of<C::State>>, Vec<bool>)> {
    let (k, n) = (lin.points.len() - 1, lin.start.members());
    let newton = lin.newton.get(k)?;
    let mut still: Vec<bool> = (0..n).map(|m| newton.enough(&lin.points[k], m, 1.0)).collect();
    let arrived = still.clone();
    let next = match still.contains(&false) {
        true => stepped(lin, newton, &mut still, &mut slots.iter())?,
        false => record(lin, slots.first()?, lin.points[k].at.clone()).ok()?,
    };
    Some((next, (0..n).map(|m| still[m] && !arrived[m]).collect()))
}

pub(crate) fn scratch<T: Scalar>() -> [Slot<T>; ONCE] {
    std::array::from_fn(|_| Slot::new())
}

/// Records the given point, the polished one and one to check with.
fn recorded<'t, 'a, C: Condition>(
    s: &Solution<'a, C>,
    slots: &'t [Slot<Of<C::State>>],
    start: &Start<Of<C::State>>,
) -> Result<Linearisation<'t, 'a, C>> {
    let mut slots = slots.iter();
    let first = match slots.next() {
        Some(slot) => Local::record(s.condition, slot, start.z.clone(), (s.z, s.phi), &start.phi)?,
        None => unreachable!("there is a slot for the first point"),
    };
    let mut lin = Linearisation { solution: *s, points: vec![first], newton: vec![], here: 0, start: start.clone() };
    for _ in 0..usize::from(s.settings.polish) + usize::from(s.settings.check) {
        let last = &lin.points[lin.points.len() - 1];
        let newton = Newton::of(last, &s.settings, s.aid)?;
        let mut polish = s.settings.polish && lin.points.len() == 1;
        let steep = OnceCell::new();
        let mut still = near(&lin, &newton, &steep, &|m, steep| newton.enough(last, m, steep));
        if s.settings.check && !(polish && still.contains(&false)) {
            // A point to check with is wanted sooner than one that is better.
            (polish, still) = (false, near(&lin, &newton, &steep, &|m, steep| newton.settled(last, m, steep)));
        }
        let next = match still.contains(&false) {
            true => stepped(&lin, &newton, &mut still, &mut slots),
            false => None,
        };
        let Some(next) = next else {
            lin.newton.push(newton);
            break;
        };
        let (next, some) = kept_back(&lin, &newton, &mut still, next, polish, &mut slots);
        lin.newton.push(newton);
        lin.points.extend(next);
        match polish && some && lin.points.len() == 2 {
            true => lin.here = 1,
            false => break,
        }
    }
    let last = &lin.points[lin.points.len() - 1];
    if s.settings.check && lin.points.len() > lin.newton.len() {
        // How far the last point is in turn says whether the step to it led anywhere.
        lin.newton.extend(Newton::of(last, &s.settings, s.aid).ok());
    }
    Ok(lin)
}

/// Which members are so near to a solution that a step would change nothing that matters, however steep the condition
/// is at the last point, which is looked at where it may matter.
fn near<C: Condition>(
    lin: &Linearisation<'_, '_, C>,
    newton: &Newton<Of<C::State>>,
    steep: &OnceCell<Vec<f64>>,
    is_near: &dyn Fn(usize, f64) -> bool,
) -> Vec<bool> {
    let last = &lin.points[lin.points.len() - 1];
    let mut near: Vec<bool> = (0..lin.start.members()).map(|m| is_near(m, 1.0)).collect();
    if (0..near.len()).any(|m| near[m] && newton.lengths[m] > 0.0) {
        // Where the condition cannot be run beside the point, a step is taken, if it can be.
        let unknown = |_| vec![f64::INFINITY; near.len()];
        let steep = steep.get_or_init(|| lin.steepness(last).unwrap_or_else(unknown));
        near.iter_mut().zip(steep).enumerate().for_each(|(m, (near, s))| *near = *near && is_near(m, s.max(1.0)));
    }
    near
}

/// The point that a step led to, of a polish without the members that are better off where they were, and whether it
/// led anybody to something better.
fn kept_back<'s, C: Condition>(
    lin: &Linearisation<'_, '_, C>,
    newton: &Newton<Of<C::State>>,
    still: &mut [bool],
    next: Local<'s, Of<C::State>>,
    polish: bool,
    slots: &mut std::slice::Iter<'s, Slot<Of<C::State>>>,
) -> (Option<Local<'s, Of<C::State>>>, bool) {
    let (last, n) = (&lin.points[lin.points.len() - 1], still.len());
    let grew = |m: usize| next.stationarity[m] > last.stationarity[m] && !newton.is_rounding(last, m, 10.0);
    let worse: Vec<bool> = (0..n).map(|m| !still[m] && grew(m)).collect();
    let some = (0..n).any(|m| !still[m] && !worse[m]);
    if !(polish && some && worse.contains(&true)) {
        return (Some(next), some);
    }
    (0..n).for_each(|m| still[m] |= worse[m]);
    (stepped(lin, newton, still, slots), some)
}

/// The condition where the steps lead. A step that leaves the domain of the condition is no step: its member stands
/// still, as do those named in `still`; `None` if nobody can be told, or nobody moves.
fn stepped<'s, C: Condition>(
    lin: &Linearisation<'_, '_, C>,
    newton: &Newton<Of<C::State>>,
    still: &mut [bool],
    slots: &mut std::slice::Iter<'s, Slot<Of<C::State>>>,
) -> Option<Local<'s, Of<C::State>>> {
    let (s, last) = (&lin.solution, &lin.points[lin.points.len() - 1]);
    let at = |still: &[bool]| -> Result<List<Of<C::State>>> {
        let mut at = s.condition.space().step(&last.at, &newton.step(still))?;
        (0..still.len()).filter(|m| still[*m]).for_each(|m| lists::copy_member(&mut at, &last.at, m));
        Ok(at)
    };
    let mut slot = || slots.next().unwrap_or_else(|| unreachable!("there are slots for every try"));
    let first = at(still).and_then(|at| record(lin, slot(), at));
    let Err(mut e) = first else { return first.ok() };
    let tried = |still: &[bool]| at(still).and_then(|at| record(lin, &Slot::new(), at).map(drop)).err();
    let (before, mut found) = (still.to_vec(), false);
    while let (false, Some(m)) = (found, e.member().filter(|m| still.get(*m) == Some(&false))) {
        still[m] = true;
        match tried(still) {
            None => found = true,
            Some(next) => e = next,
        }
    }
    if !found {
        // Nobody is named, or somebody in vain.
        still.copy_from_slice(&before);
        lost_alone(still, &tried);
    }
    if !still.contains(&false) || still == before {
        return None;
    }
    record(lin, slot(), at(still).ok()?).ok()
}

/// Lets those stand still who cannot take a step even where all others do.
fn lost_alone(still: &mut [bool], tried: &dyn Fn(&[bool]) -> Option<Error>) {
    let alone = |m: usize| (0..still.len()).map(|k| k != m).collect::<Vec<_>>();
    let lost: Vec<usize> = (0..still.len()).filter(|m| !still[*m] && tried(&alone(*m)).is_some()).collect();
    lost.into_iter().for_each(|m| still[m] = true);
}

fn record<'s, C: Condition>(
    lin: &Linearisation<'_, '_, C>,
    slot: &'s Slot<Of<C::State>>,
    at: List<Of<C::State>>,
) -> Result<Local<'s, Of<C::State>>> {
    let s = &lin.solution;
    Local::record(s.condition, slot, at, (s.z, s.phi), &lin.start.phi)
}
