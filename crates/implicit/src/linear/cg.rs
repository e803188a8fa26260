//! Conjugate gradients in the metric (Hestenes & Stiefel 1952), with the Ritz values that its coefficients hold.
//!
//! With `r` the residual and `p` the direction, `alpha = <r, r> / <p, Ap>`, `beta = <r+, r+> / <r, r>`. The same
//! numbers make the Lanczos matrix of `A` in the space of the residuals: diagonal `1/alpha_k + beta_{k-1}/alpha_{k-1}`,
//! off-diagonal `sqrt(beta_k)/alpha_k`.

use super::team::Team;
use super::{Status, tridiagonal};
use crate::error::Result;
use crate::lists;
use pullback::Scalar;

pub(super) fn run<T: Scalar>(team: &mut Team<'_, T>) -> Result<()> {
    let n = team.n();
    let mut r = team.r.clone();
    let (mut p, mut ap) = (r.clone(), team.zeros());
    let (mut rr, mut now, mut curvature) = (vec![0.0; n], vec![0.0; n], vec![0.0; n]);
    let (mut diagonal, mut off) = (vec![vec![]; n], vec![vec![]; n]);
    let mut last = vec![(0.0, 0.0); n];
    team.inner(&r, &r, &mut rr)?;
    team.judge(&roots(&rr));
    while team.goes_on() {
        team.apply(&mut p, &mut ap)?;
        team.inner(&p, &ap, &mut curvature)?;
        for m in (0..n).filter(|m| team.works[*m]).collect::<Vec<_>>() {
            if !(curvature[m] > 0.0 && curvature[m].is_finite()) {
                team.rest(m, if curvature[m].is_finite() { Status::Indefinite } else { Status::NonFinite });
                continue;
            }
            let alpha = rr[m] / curvature[m];
            lists::add(&mut team.x, alpha, &p, m);
            lists::add(&mut r, -alpha, &ap, m);
            let (old, beta): (f64, f64) = last[m];
            diagonal[m].push(1.0 / alpha + if old > 0.0 { beta / old } else { 0.0 });
            last[m].0 = alpha;
            team.members[m].iterations += 1;
        }
        team.inner(&r, &r, &mut now)?;
        team.judge(&roots(&now));
        for m in (0..n).filter(|m| team.works[*m]) {
            let beta = now[m] / rr[m];
            lists::combine(&mut p, beta, 1.0, &r, m);
            off[m].push(beta.sqrt() / last[m].0);
            last[m].1 = beta;
            rr[m] = now[m];
        }
    }
    for m in 0..n {
        let k = diagonal[m].len();
        team.members[m].seen = tridiagonal::moduli(&diagonal[m], &off[m][..k.saturating_sub(1).min(off[m].len())]);
    }
    Ok(())
}

fn roots(squares: &[f64]) -> Vec<f64> {
    squares.iter().map(|x| x.max(0.0).sqrt() + if x.is_nan() { f64::NAN } else { 0.0 }).collect()
}
