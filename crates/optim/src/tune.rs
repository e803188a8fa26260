//! Choosing a number by trying a list of them, with the whole table kept. The caller defines what is tried.

use crate::{Error, Result};

/// One row of the table.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// The number that was tried.
    pub at: f64,
    /// The outcome: lower is better. A run that failed is a row too.
    pub outcome: std::result::Result<f64, Error>,
}

/// The table of a search and its best row.
#[derive(Debug, Clone, PartialEq)]
pub struct Tuned {
    /// Every trial, in the order of the list.
    pub table: Vec<Trial>,
    /// The row with the lowest finite outcome, if there is one.
    pub best: Option<usize>,
}

impl Tuned {
    /// The best number, if any run succeeded.
    pub fn best_at(&self) -> Option<f64> {
        self.best.map(|i| self.table[i].at)
    }

    /// Is the best row the first or the last? Then the grid was too narrow to say that it is the best.
    pub fn at_the_edge(&self) -> bool {
        self.best.is_some_and(|i| i == 0 || i + 1 == self.table.len())
    }
}

/// Numbers from `low` to `high`, evenly spaced in the logarithm, both ends included.
///
/// # Panics
/// Unless `0 < low <= high` and there is at least one number.
#[track_caller]
pub fn log_grid(low: f64, high: f64, count: usize) -> Vec<f64> {
    assert!(
        0.0 < low && low <= high && count > 0,
        "log_grid: expected 0 < low <= high and count > 0, got low = {low}, high = {high}, count = {count}"
    );
    let ratio = (high / low).ln() / (count.max(2) - 1) as f64;
    (0..count).map(|i| low * (ratio * i as f64).exp()).collect()
}

/// Runs `trial` for every number of the grid. The result has a row for each, so the cost of the search is visible.
pub fn tune(grid: &[f64], mut trial: impl FnMut(f64) -> Result<f64>) -> Tuned {
    let table: Vec<Trial> = grid.iter().map(|&at| Trial { at, outcome: trial(at) }).collect();
    let finite = |t: &Trial| t.outcome.as_ref().ok().copied().filter(|v| v.is_finite());
    let best = (0..table.len())
        .filter_map(|i| finite(&table[i]).map(|v| (i, v)))
        .min_by(|a, b| a.1.total_cmp(&b.1))
        .map(|(i, _)| i);
    Tuned { table, best }
}
