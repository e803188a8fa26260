//! The best iterate of each member so far, to go back to where an iteration grows. When it grows is not decided here.

use super::team::Team;
use crate::lists::{self, List};
use pullback::Scalar;

/// The iterates with the shortest residuals, and their lengths.
pub(super) struct Best<T: Scalar> {
    x: List<T>,
    pub(super) least: Vec<f64>,
}

impl<T: Scalar> Best<T> {
    /// The iterates as they are, whose residuals have these lengths.
    pub(super) fn new(team: &Team<'_, T>, least: Vec<f64>) -> Self {
        Best { x: team.x.clone(), least }
    }

    /// Is this member better than ever? Then its iterate is kept.
    pub(super) fn keeps(&mut self, team: &Team<'_, T>, length: f64, m: usize) -> bool {
        let better = length < self.least[m];
        if better {
            self.least[m] = length;
            lists::scale(&mut self.x, 0.0, m);
            lists::add(&mut self.x, 1.0, &team.x, m);
        }
        better
    }

    /// The member goes back to its best iterate.
    pub(super) fn back(&self, team: &mut Team<'_, T>, m: usize) {
        lists::scale(&mut team.x, 0.0, m);
        lists::add(&mut team.x, 1.0, &self.x, m);
    }
}
