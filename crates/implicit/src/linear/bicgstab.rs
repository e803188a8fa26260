//! Stabilised biconjugate gradients in the metric (van der Vorst 1992): short recurrences for maps that are not
//! self-adjoint, without the adjoint. A breakdown restarts once from the residual, then the member stalls.

use super::Status;
use super::team::Team;
use crate::error::Result;
use crate::lists;
use pullback::Scalar;

pub(super) fn run<T: Scalar>(team: &mut Team<'_, T>) -> Result<()> {
    let n = team.n();
    let mut r = team.r.clone();
    let (mut shadow, mut p) = (r.clone(), r.clone());
    let (mut v, mut t) = (team.zeros(), team.zeros());
    let (mut rho, mut next, mut q) = (vec![0.0; n], vec![0.0; n], vec![0.0; n]);
    let (mut alpha, mut omega, mut length, mut tt) = (vec![0.0; n], vec![0.0; n], vec![0.0; n], vec![0.0; n]);
    let mut restarts = vec![0; n];
    team.norm(&r, &mut length)?;
    team.judge(&length);
    team.inner(&shadow, &r, &mut rho)?;
    while team.goes_on() {
        team.apply(&mut p, &mut v)?;
        team.inner(&shadow, &v, &mut q)?;
        for m in (0..n).filter(|m| team.works[*m]) {
            alpha[m] = if q[m] == 0.0 { 0.0 } else { rho[m] / q[m] };
            lists::add(&mut r, -alpha[m], &v, m);
        }
        team.apply(&mut r, &mut t)?;
        team.inner(&t, &r, &mut q)?;
        team.inner(&t, &t, &mut tt)?;
        for m in (0..n).filter(|m| team.works[*m]) {
            omega[m] = if tt[m] > 0.0 { q[m] / tt[m] } else { 0.0 };
            lists::add(&mut team.x, alpha[m], &p, m);
            lists::add(&mut team.x, omega[m], &r, m);
            lists::add(&mut r, -omega[m], &t, m);
            team.members[m].iterations += 1;
        }
        team.norm(&r, &mut length)?;
        team.judge(&length);
        team.inner(&shadow, &r, &mut next)?;
        for m in (0..n).filter(|m| team.works[*m]).collect::<Vec<_>>() {
            let beta = next[m] / rho[m] * (alpha[m] / omega[m]);
            if beta.is_finite() && beta != 0.0 {
                lists::add(&mut p, -omega[m], &v, m);
                lists::combine(&mut p, beta, 1.0, &r, m);
                rho[m] = next[m];
                continue;
            }
            restarts[m] += 1;
            if restarts[m] > 3 {
                team.rest(m, Status::Stalled);
                continue;
            }
            for to in [&mut shadow, &mut p] {
                lists::scale(to, 0.0, m);
                lists::add(to, 1.0, &r, m);
            }
            rho[m] = length[m] * length[m];
        }
    }
    Ok(())
}
