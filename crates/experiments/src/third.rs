//! The papers' claim, held against the curves of `pca`: that a learned optimiser comes in a third of the steps to the
//! loss of the best tuned classical one. Nothing is run here.

use crate::curves::{Curves, On};
use crate::report::{HORIZON, THIRD};
use serde::Serialize;
use std::fmt::Write;

/// A method with its curves.
pub(crate) type Named<'c> = (&'static str, &'c Curves);

/// What became of the claim. Losses are medians over starts.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Claim {
    pub(crate) held_out: bool,
    /// The tuned classical method with the lowest loss at the horizon.
    pub(crate) classical: &'static str,
    pub(crate) loss: f64,
    /// The learned one that is there first, or has the lowest loss at the horizon if none comes there before.
    pub(crate) learned: &'static str,
    /// After how many steps its loss is no higher.
    pub(crate) there: Option<usize>,
    pub(crate) learned_loss: f64,
    /// Is that within a third of the steps?
    pub(crate) a_third: bool,
    /// The best classical method that was tuned for a third of the steps, and what both have there.
    pub(crate) sooner: &'static str,
    pub(crate) sooner_loss: f64,
    pub(crate) best_learned_there: &'static str,
    pub(crate) learned_loss_there: f64,
}

fn lowest<'c>(all: &[Named<'c>], on: On, steps: usize) -> Option<(Named<'c>, f64)> {
    let at = |m: &Named<'c>| m.1.at(steps, on).median;
    all.iter().map(|m| (*m, at(m))).min_by(|a, b| a.1.total_cmp(&b.1))
}

/// The claim on held-out and on training images; nothing without a classical or a learned method. Classical methods are
/// tuned for the horizon, those of `sooner` for a third of it.
pub(crate) fn claims(classical: &[Named<'_>], sooner: &[Named<'_>], learned: &[Named<'_>]) -> Vec<Claim> {
    [On::HeldOut, On::Train].into_iter().filter_map(|on| claim(classical, sooner, learned, on)).collect()
}

fn claim(classical: &[Named<'_>], sooner: &[Named<'_>], learned: &[Named<'_>], on: On) -> Option<Claim> {
    let (best, target) = lowest(classical, on, HORIZON)?;
    let there = |m: &Named<'_>| (0..=HORIZON).find(|t| m.1.at(*t, on).median <= target);
    let first = learned.iter().filter_map(|m| there(m).map(|t| (*m, t))).min_by_key(|(_, t)| *t);
    let pupil = first.map(|(m, _)| m).or_else(|| lowest(learned, on, HORIZON).map(|(m, _)| m))?;
    let (fair, fair_loss) = lowest(sooner, on, THIRD)?;
    let (early, early_loss) = lowest(learned, on, THIRD)?;
    Some(Claim {
        held_out: on == On::HeldOut,
        classical: best.0,
        loss: target,
        learned: pupil.0,
        there: first.map(|(_, t)| t),
        learned_loss: pupil.1.at(HORIZON, on).median,
        a_third: first.is_some_and(|(_, t)| t <= THIRD),
        sooner: fair.0,
        sooner_loss: fair_loss,
        best_learned_there: early.0,
        learned_loss_there: early_loss,
    })
}

impl Claim {
    /// In words.
    pub(crate) fn write(&self, out: &mut String) -> std::fmt::Result {
        let images = if self.held_out { "held-out" } else { "training" };
        write!(
            out,
            "On {images} images the best tuned classical method, {}, is at {:.4} after {HORIZON} steps. ",
            self.classical, self.loss
        )?;
        let holds = if self.a_third { "holds" } else { "does not hold" };
        match self.there {
            Some(t) => write!(out, "The best learned one, {}, is there after {t}", self.learned)?,
            None => {
                write!(out, "No learned one comes there in as many; {} is at {:.4}", self.learned, self.learned_loss)?
            }
        }
        writeln!(out, ": the claim of a third of the steps {holds}.")?;
        writeln!(
            out,
            "  Tuned for {THIRD} steps instead, the best classical one ({}) is at {:.4} after them; the best learned one ({}) is at {:.4}.",
            self.sooner, self.sooner_loss, self.best_learned_there, self.learned_loss_there
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::Losses;

    /// From 9 to 1 in so many steps, and 1 from there on.
    fn curve(steps: usize) -> Curves {
        let loss = |t: usize| if t < steps { 9.0 - t as f64 * 8.0 / steps as f64 } else { 1.0 };
        Curves { after: (0..=HORIZON).map(|t| vec![Losses { train: loss(t), held_out: loss(t) }]).collect() }
    }

    #[test]
    fn the_claim_holds_where_the_learned_one_is_there_within_a_third_and_not_elsewhere() {
        let (slow, slower) = (curve(HORIZON), curve(2 * HORIZON));
        let found = |steps: usize| {
            let c = curve(steps);
            let all = claims(&[("slower", &slower), ("slow", &slow)], &[("slow", &slow)], &[("pupil", &c)]);
            assert_eq!(all.len(), 2);
            let mut words = String::new();
            all[0].write(&mut words).unwrap();
            (all[0].clone(), words)
        };
        let (good, words) = found(THIRD);
        assert_eq!((good.classical, good.there, good.a_third), ("slow", Some(THIRD), true));
        assert!(words.contains("slow, is at 1.0000 after 30 steps") && words.contains("third of the steps holds"));
        assert_eq!((good.learned_loss_there, good.sooner_loss), (1.0, 9.0 - 8.0 / 3.0));
        let (late, words) = found(THIRD + 1);
        assert_eq!((late.there, late.a_third), (Some(THIRD + 1), false));
        assert!(words.contains("is there after 11: the claim of a third of the steps does not hold"), "{words}");
        let (never, words) = found(HORIZON + 1);
        assert_eq!((never.there, never.a_third), (None, false));
        assert!(words.contains("No learned one comes there"), "{words}");
    }

    #[test]
    fn where_nobody_learned_there_is_no_claim() {
        let slow = curve(HORIZON);
        assert!(claims(&[("slow", &slow)], &[("slow", &slow)], &[]).is_empty());
    }
}
