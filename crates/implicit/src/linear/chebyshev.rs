//! Chebyshev's semi-iteration for a positive map whose spectrum lies between two given numbers (Saad, *Iterative
//! Methods for Sparse Linear Systems*, 2003, algorithm 12.1): the residual polynomial that is smallest on the interval.
//! It needs no inner product to go on, so its steps are the same for all members.

use super::Status;
use super::best::Best;
use super::team::Team;
use crate::error::Result;
use crate::lists;
use pullback::Scalar;

pub(super) fn run<T: Scalar>(team: &mut Team<'_, T>, low: f64, high: f64) -> Result<()> {
    let n = team.n();
    if !(low > 0.0 && high >= low && high.is_finite()) {
        return Err(crate::Error::Interval { low, high });
    }
    let (center, half) = (0.5 * (high + low), 0.5 * (high - low));
    let (mut r, mut p, mut ap) = (team.r.clone(), team.zeros(), team.zeros());
    let mut length = vec![0.0; n];
    team.norm(&r, &mut length)?;
    team.judge(&length);
    let mut best = Best::new(team, length.clone());
    let first = length.clone();
    let (mut alpha, mut beta) = (1.0 / center, 0.0);
    for k in 0.. {
        if !team.goes_on() {
            break;
        }
        if k > 0 {
            beta = (half * alpha).powi(2) * if k == 1 { 0.5 } else { 0.25 };
            alpha = 1.0 / (center - beta / alpha);
        }
        (0..n).filter(|m| team.works[*m]).for_each(|m| lists::combine(&mut p, beta, 1.0, &r, m));
        team.apply(&mut p, &mut ap)?;
        for m in (0..n).filter(|m| team.works[*m]) {
            lists::add(&mut team.x, alpha, &p, m);
            lists::add(&mut r, -alpha, &ap, m);
        }
        team.norm(&r, &mut length)?;
        for m in (0..n).filter(|m| team.works[*m]).collect::<Vec<_>>() {
            team.members[m].iterations += 1;
            best.keeps(team, length[m], m);
            // On the interval the residual never grows, so growth says that the spectrum reaches beyond it.
            if length[m] > 1e3 * first[m].max(best.least[m]) {
                best.back(team, m);
                team.rest(m, Status::Diverged);
            }
        }
        team.judge(&length);
    }
    Ok(())
}
