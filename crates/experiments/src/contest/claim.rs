//! The papers' claim about learned optimisers, held against what a contest found: that the best of them comes to the
//! loss of the best tuned classical stochastic method in a fraction of its steps. Nothing is run here.

use super::race::Budget;
use super::report::{Entry, LossAfter, loss};
use serde::Serialize;
use std::fmt::Write;

/// On which examples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum On {
    Training,
    Test,
}

/// What became of the claim. Losses are medians over starts; steps are counted at whole passes.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Claim {
    pub(crate) on: On,
    /// The classical stochastic method with the lowest loss at the end, its loss and its steps.
    pub(crate) classical: &'static str,
    pub(crate) loss: f64,
    pub(crate) steps: usize,
    /// When the classical one itself was that low for good, to a thousandth.
    pub(crate) classical_there: usize,
    /// The learned one that is there first, or has the lowest loss at the end if none comes there.
    pub(crate) learned: &'static str,
    /// After how many steps its loss is no higher.
    pub(crate) there: Option<usize>,
    pub(crate) learned_loss: f64,
    /// Is that within a third of the steps?
    pub(crate) a_third: bool,
    /// The learned one that is first within a thousandth of that loss, and after how many steps.
    pub(crate) nearly: Option<(&'static str, usize)>,
    /// The best classical stochastic method that was tuned for a third of the passes, and what both have there.
    pub(crate) sooner: &'static str,
    pub(crate) sooner_steps: usize,
    pub(crate) sooner_loss: f64,
    pub(crate) best_learned_there: &'static str,
    pub(crate) learned_loss_there: f64,
}

fn curve(e: &Entry, on: On) -> &[LossAfter] {
    match on {
        On::Training => &e.after,
        On::Test => &e.test_after,
    }
}

fn at(e: &Entry, on: On, passes: usize) -> f64 {
    curve(e, on).get(passes).map_or(f64::INFINITY, |l| l.loss.median)
}

fn lowest<'e>(entries: impl Iterator<Item = &'e Entry>, on: On, passes: usize) -> Option<&'e Entry> {
    entries.min_by(|a, b| at(a, on, passes).total_cmp(&at(b, on, passes)))
}

/// A loss that is this part above another is as low for all that a table shows.
const AS_LOW: f64 = 1e-3;

/// The claim on test and on training examples; nothing if nobody learned.
pub(crate) fn claims(entries: &[Entry], sooner: &[Entry], budget: &Budget) -> Vec<Claim> {
    [On::Test, On::Training].into_iter().filter_map(|on| claim(entries, sooner, budget, on)).collect()
}

fn claim(entries: &[Entry], sooner: &[Entry], budget: &Budget, on: On) -> Option<Claim> {
    let (end, third) = (budget.passes, (budget.passes / 3).max(1));
    let pupils = || entries.iter().filter(|e| e.schooling.is_some());
    let best = lowest(entries.iter().filter(|e| e.stochastic && e.schooling.is_none()), on, end)?;
    let target = at(best, on, end);
    let there = |e: &Entry, as_low: f64| (0..=end).find(|p| at(e, on, *p) <= as_low);
    let foremost = |as_low: f64| pupils().filter_map(|e| there(e, as_low).map(|p| (e, p))).min_by_key(|(_, p)| *p);
    let (first, nearly) = (foremost(target), foremost(target * (1.0 + AS_LOW)));
    let learned = first.map(|(e, _)| e).or_else(|| lowest(pupils(), on, end))?;
    let fair = lowest(sooner.iter(), on, third)?;
    let pupil = lowest(pupils(), on, third)?;
    let late = (0..=end).rev().take_while(|p| at(best, on, *p) <= target * (1.0 + AS_LOW)).last().unwrap_or(end);
    let steps = |passes: usize| passes * budget.minibatches;
    Some(Claim {
        on,
        classical: best.name,
        loss: target,
        steps: best.steps as usize,
        classical_there: if best.steps as usize == steps(end) { steps(late) } else { best.steps as usize },
        learned: learned.name,
        there: first.map(|(_, p)| steps(p)),
        learned_loss: at(learned, on, end),
        a_third: first.is_some_and(|(_, p)| 3 * p <= end),
        nearly: nearly.map(|(e, p)| (e.name, steps(p))),
        sooner: fair.name,
        sooner_steps: steps(third),
        sooner_loss: at(fair, on, third),
        best_learned_there: pupil.name,
        learned_loss_there: at(pupil, on, third),
    })
}

impl Claim {
    /// How near learned ones come where the claim does not hold.
    fn write_nearly(&self, out: &mut String) -> std::fmt::Result {
        match self.nearly {
            _ if self.a_third => Ok(()),
            Some((name, steps)) => {
                writeln!(
                    out,
                    "  The first learned one within a thousandth of that loss is {name}, after {steps} steps."
                )
            }
            None => writeln!(out, "  No learned one comes within a thousandth of that loss."),
        }
    }

    /// In words.
    pub(crate) fn write(&self, out: &mut String) -> std::fmt::Result {
        let on = if self.on == On::Test { "test" } else { "training" };
        write!(
            out,
            "On {on} examples the best tuned classical stochastic method, {}, ends at {} after {} steps",
            self.classical,
            loss(self.loss),
            self.steps
        )?;
        match self.classical_there < self.steps {
            true => write!(out, " (and is within a thousandth of it from step {}). ", self.classical_there)?,
            false => write!(out, ". ")?,
        }
        match self.there {
            Some(steps) => writeln!(
                out,
                "The best learned one, {}, is there after {steps}: the claim of a third of the steps {}.",
                self.learned,
                if self.a_third { "holds" } else { "does not hold" }
            )?,
            None => writeln!(
                out,
                "No learned one comes there; {} ends at {}: the claim of a third of the steps does not hold.",
                self.learned,
                loss(self.learned_loss)
            )?,
        }
        self.write_nearly(out)?;
        writeln!(
            out,
            "  Tuned for a third of the passes instead, the best classical one ({}) has {} after them; the best learned one ({}) has {}.",
            self.sooner,
            loss(self.sooner_loss),
            self.best_learned_there,
            loss(self.learned_loss_there)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Over;
    use super::super::tuning::Tuned;
    use super::*;
    use crate::cli::Network;
    use crate::lessons::Schooling;

    fn entry(name: &'static str, learned: bool, losses: &[f64]) -> Entry {
        let over = |m: f64| Over { median: m, mean: m, worst: m };
        let after: Vec<LossAfter> =
            losses.iter().enumerate().map(|(passes, l)| LossAfter { passes, loss: over(*l) }).collect();
        let schooling = learned.then(|| Schooling {
            network: Network::Subspace,
            parameters: 1,
            outer_steps: 1,
            sees: None,
            first_step: 1.0,
            search: None,
            round: None,
            passes: 1,
            dropped: 0,
            skipped: 0,
            seconds: 0.0,
            score: None,
            learned_nothing: false,
            file: "x".into(),
        });
        Entry {
            name,
            stochastic: true,
            tuned: Tuned { step: 0.0, beta: 0.0, tried: 0, failed: 0, passes: 0, at_the_edge: false },
            test_after: after.clone(),
            after,
            schooling,
            test_loss: over(0.0),
            train_accuracy: over(0.0),
            test_accuracy: over(0.0),
            steps: 60.0,
            seconds: 0.0,
            failed: vec![],
        }
    }

    #[test]
    fn the_claim_holds_where_the_learned_one_is_there_within_a_third_and_not_elsewhere() {
        let budget = Budget { passes: 6, minibatches: 10, seed: 0 };
        let slow = [9.0, 8.0, 7.0, 6.0, 5.0, 3.0, 2.0];
        let sooner = [entry("sooner", false, &[9.0, 5.0, 4.0])];
        let found = |losses: &[f64]| {
            let c = claims(&[entry("slow", false, &slow), entry("pupil", true, losses)], &sooner, &budget);
            assert_eq!(c.len(), 2);
            c.into_iter().next().unwrap()
        };
        let good = found(&[9.0, 3.0, 2.0, 1.0, 1.0, 1.0, 1.0]);
        assert_eq!((good.there, good.a_third, good.steps, good.classical_there), (Some(20), true, 60, 60));
        assert_eq!((good.sooner_loss, good.learned_loss_there), (4.0, 2.0));
        let late = found(&[9.0, 3.0, 2.5, 2.0, 1.0, 1.0, 1.0]);
        assert_eq!((late.there, late.a_third), (Some(30), false));
        let never = found(&[9.0, 3.0, 2.5, 2.2, 2.1, 2.1, f64::INFINITY]);
        assert_eq!((never.there, never.a_third, never.nearly), (None, false, None));
        let nearly = found(&[9.0, 3.0, 2.5, 2.2, 2.1, 2.0019, 2.5]);
        assert_eq!((nearly.there, nearly.nearly), (None, Some(("pupil", 50))));
        let mut words = String::new();
        never.write(&mut words).unwrap();
        assert!(words.contains("No learned one comes there; pupil ends at failed"), "{words}");
    }

    #[test]
    fn where_nobody_learned_there_is_no_claim() {
        let budget = Budget { passes: 1, minibatches: 10, seed: 0 };
        assert!(claims(&[entry("slow", false, &[2.0, 1.0])], &[], &budget).is_empty());
    }
}
