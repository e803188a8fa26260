//! Series: `x = step (v_0 + v_1 + ...)` with `v_{k+1} = v_k - step A v_k`. With a step of 1 it is Neumann's series of
//! `A = I - M`, `v_{k+1} = M v_k`.
//!
//! After `k` terms the residual is `v_k` itself, so nothing more is computed to know it. The rate at which terms fall
//! is a geometric mean over a window of an even number of them: the ratio of two neighbours alternates where the two
//! largest eigenvalues have opposite signs.

use super::Status;
use super::team::Team;
use crate::error::Result;
use crate::lists::{self, List};
use pullback::{Batch, Scalar};

/// What ends the series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Until {
    /// So many terms after the first.
    Terms(usize),
    /// The residual.
    Residual,
    /// The rest of the series as a geometric one.
    Missing,
}

/// The series has grown by this much since its smallest term: it diverges. A map that is not normal may grow for a
/// while and converge.
const GROWTH: f64 = 1e4;

/// The factor by which the lengths fall, over an even number of the last of them, at most 16. `None` of fewer than two.
pub(crate) fn rate(lengths: &[f64]) -> Option<f64> {
    let last = lengths.len().checked_sub(1)?;
    let window = match last {
        0 => return None,
        1 => 1,
        _ => (2 * (last / 4).max(1)).min(16),
    };
    let (now, before) = (lengths[last], lengths[last - window]);
    (before > 0.0).then(|| (now / before).powf(1.0 / window as f64))
}

/// Does a window of the last terms, and the window before it, grow?
///
/// `smallest` is the smallest of them.
pub(super) fn grows(lengths: &[f64], smallest: f64) -> bool {
    let (n, w) = (lengths.len(), 8);
    let last = lengths.last().copied().unwrap_or(0.0);
    let steadily = n > 2 * w && lengths[n - 1] > lengths[n - 1 - w] && lengths[n - 1 - w] > lengths[n - 1 - 2 * w];
    last > GROWTH * smallest.max(f64::MIN_POSITIVE) && last > lengths[0] || steadily && last > 2.0 * lengths[0]
}

pub(super) fn run<T: Scalar>(team: &mut Team<'_, T>, step: f64, until: Until) -> Result<()> {
    let n = team.n();
    let (mut v, mut next) = (team.r.clone(), team.zeros());
    let mut length = vec![0.0; n];
    team.norm(&v, &mut length)?;
    let mut best = Best { x: team.x.clone(), least: vec![f64::INFINITY; n], grew: vec![false; n] };
    let mut lengths: Vec<Vec<f64>> = length.iter().map(|l| vec![*l]).collect();
    for m in (0..n).filter(|m| team.works[*m] && length[*m] == 0.0).collect::<Vec<_>>() {
        team.rest(m, Status::Converged);
    }
    for k in 0.. {
        for m in (0..n).filter(|m| team.works[*m]) {
            lists::add(&mut team.x, step, &v, m);
        }
        if matches!(until, Until::Terms(terms) if k == terms) {
            for m in 0..n {
                if team.works[m] {
                    team.rest(m, Status::Truncated);
                }
            }
        }
        if !team.goes_on() {
            break;
        }
        team.term(step, &mut v, &mut next)?;
        // From here on `v` is the new term and `next` the one before it.
        std::mem::swap(&mut v, &mut next);
        team.norm(&v, &mut length)?;
        for m in 0..n {
            if !team.works[m] {
                continue;
            }
            lengths[m].push(length[m]);
            team.members[m].iterations += 1;
            if until == Until::Missing {
                team.members[m].rate = rate(&lengths[m]);
            }
            best.watch(team, &lengths[m], step, &next, m);
            if team.works[m] && enough(until, length[m], team.members[m].rate, team.size[m], team.tolerance[m]) {
                team.rest(m, Status::Converged);
            }
        }
    }
    (0..n).for_each(|m| team.members[m].rate = rate(&lengths[m]));
    Ok(())
}

/// The sums before their terms grew.
struct Best<T: Scalar> {
    x: List<T>,
    /// The shortest term so far, and whether the last ones were longer.
    least: Vec<f64>,
    grew: Vec<bool>,
}

impl<T: Scalar> Best<T> {
    /// Looks at the last of the lengths of the terms of member `m`; one that diverges goes back to its best sum and
    /// rests. `before` is the term before the last.
    fn watch(&mut self, team: &mut Team<'_, T>, lengths: &[f64], step: f64, before: &[Batch<T>], m: usize) {
        let now = lengths.last().copied().unwrap_or(f64::NAN);
        if now < self.least[m] {
            (self.least[m], self.grew[m]) = (now, false);
        } else if !self.grew[m] && now.is_finite() {
            // The sum before the last term, `x - step v_k`, was better.
            self.grew[m] = true;
            lists::combine(&mut self.x, 0.0, 1.0, &team.x, m);
            lists::add(&mut self.x, -step, before, m);
        }
        if !now.is_finite() || grows(lengths, self.least[m].min(lengths[0])) {
            if self.grew[m] {
                lists::combine(&mut team.x, 0.0, 1.0, &self.x, m);
            }
            team.rest(m, if now.is_finite() { Status::Diverged } else { Status::NonFinite });
        }
    }
}

/// Is what is missing below the tolerance? The rest of a geometric series, with a safety of 2, relative to `b`.
fn enough(until: Until, length: f64, rate: Option<f64>, size: f64, tolerance: f64) -> bool {
    match (until, rate) {
        (Until::Terms(_), _) => length == 0.0,
        (Until::Residual, _) => length <= tolerance * size,
        (Until::Missing, Some(rate)) if rate < 1.0 => 2.0 * length / (1.0 - rate) <= tolerance * size,
        (Until::Missing, _) => length == 0.0,
    }
}
