//! Families of problems that are planned: which of them are asked for, and how each of those is judged. What they are
//! is said where they are planned (`mod.rs`, `spd_ground.rs`).

use super::contest::{self, Family, Field, Pupil};
use super::problems::Problems;
use super::report::Goal;
use crate::error::{Error, Result};

/// Draws so many problems with the `k`-th seed.
type Draw<'a> = &'a dyn Fn(usize, u64) -> Result<Problems>;

/// A family that may be judged; nothing of it is drawn yet.
pub(crate) struct Planned<'a> {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) draw: Draw<'a>,
    /// How many problems, and the number of their seed: those that are judged, and others that opponents are tuned on.
    pub(crate) judged: (usize, u64),
    pub(crate) tuning: (usize, u64),
    pub(crate) goals: Vec<Goal>,
}

/// Refuses a name that is not among these.
pub(crate) fn check(names: &[&str], asked: &[String]) -> Result<()> {
    match asked.iter().find(|a| !names.contains(&a.as_str())) {
        Some(unknown) => Err(Error::Families { expected: names.join(", "), got: unknown.clone() }),
        None => Ok(()),
    }
}

/// The families that are asked for (all of them, if none is named), judged after each of these numbers of steps.
/// Opponents are tuned for `home` as well, which is what the learned optimisers practised on.
pub(crate) fn hold(
    planned: Vec<Planned<'_>>,
    asked: &[String],
    (home, after, quick): (&Problems, &[usize], bool),
    pupils: &[Pupil],
) -> Result<Vec<Family>> {
    check(&planned.iter().map(|p| p.name).collect::<Vec<_>>(), asked)?;
    let home = contest::tuned_at(home, after, quick);
    let wanted = |p: &Planned<'_>| asked.is_empty() || asked.iter().any(|a| a == p.name);
    let one = |p: Planned<'_>| {
        let [problems, tuning] = [(p.draw)(p.judged.0, p.judged.1)?, (p.draw)(p.tuning.0, p.tuning.1)?];
        let (title, judged) = (p.title.to_string(), after.to_vec());
        let (problems, tuning, home) = (&problems, &tuning, Some(&home[..]));
        Field { name: p.name, title, problems, tuning, quick, goals: p.goals, judged, home }.hold(pupils)
    };
    planned.into_iter().filter(wanted).map(one).collect()
}
