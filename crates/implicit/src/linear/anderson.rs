//! Anderson's acceleration (Anderson 1965; as in Walker & Ni, *Anderson acceleration for fixed-point iterations*, 2011)
//! of the iteration `x <- x + (b - A x)`: the residual is made smallest over the differences of the last few iterates
//! before the step is taken.
//!
//! With `f_k = b - A x_k`: `gamma` minimises `|f_k - sum gamma_j (f_{j+1} - f_j)|`, and `x_{k+1} = x_k + f_k - sum
//! gamma_j ((x_{j+1} - x_j) + (f_{j+1} - f_j))`. With all differences kept it is GMRES by other means; its place is
//! where keeping a few is enough.

use super::Status;
use super::best::Best;
use super::images::Pair;
use super::richardson::grows;
use super::team::Team;
use crate::error::Result;
use crate::lists;
use pullback::{Batch, Scalar};

pub(super) fn run<T: Scalar>(team: &mut Team<'_, T>, memory: usize) -> Result<()> {
    let n = team.n();
    let mut f = team.r.clone();
    let (mut left, mut size) = (team.zeros(), vec![0.0; n]);
    let mut best = Best::new(team, vec![f64::INFINITY; n]);
    let mut lengths: Vec<Vec<f64>> = vec![vec![]; n];
    // Differences of iterates and residuals, the newest first, and the same with orthonormal images.
    let pairs = |team: &Team<'_, T>| (0..memory).map(|_| Pair::zeros(team.map)).collect::<Vec<_>>();
    let (mut past, mut frame, mut step) = (pairs(team), pairs(team), Pair::zeros(team.map));
    let mut kept = 0;
    team.norm(&f, &mut size)?;
    team.judge(&size);
    while team.goes_on() {
        lists::copy(&mut left, &f);
        step_to(&mut step.origin, &mut left, &past[..kept], &mut frame);
        team.apply(&mut step.origin, &mut step.image)?;
        team.map.lower(&step.image, &mut step.lowered)?;
        for m in (0..n).filter(|m| team.works[*m]) {
            lists::add(&mut team.x, 1.0, &step.origin, m);
            lists::add(&mut f, -1.0, &step.image, m);
            team.members[m].iterations += 1;
        }
        if memory > 0 {
            kept = (kept + 1).min(memory);
            past.rotate_right(1);
            past[0].copy(&step);
        }
        team.norm(&f, &mut size)?;
        for m in (0..n).filter(|m| team.works[*m]).collect::<Vec<_>>() {
            lengths[m].push(size[m]);
            let better = best.keeps(team, size[m], m);
            if !better && (size[m].is_nan() || grows(&lengths[m], best.least[m])) {
                best.back(team, m);
                team.rest(m, if size[m].is_finite() { Status::Diverged } else { Status::NonFinite });
            }
        }
        team.judge(&size);
    }
    Ok(())
}

/// The step from the residual `left`, of which nothing stays but what no difference of the past has an image of.
fn step_to<T: Scalar>(step: &mut [Batch<T>], left: &mut [Batch<T>], past: &[Pair<T>], frame: &mut [Pair<T>]) {
    for (k, pair) in past.iter().enumerate() {
        let (done, rest) = frame.split_at_mut(k);
        rest[0].copy(pair);
        rest[0].orthonormalise(done);
    }
    for m in 0..lists::members(&lists::shapes(step)) {
        // Differences have images `A dx = -df`; what is taken out of the residual is added to the step.
        lists::scale(step, 0.0, m);
        frame[..past.len()].iter().for_each(|p| p.take_out(left, step, m));
        lists::add(step, 1.0, left, m);
    }
}
