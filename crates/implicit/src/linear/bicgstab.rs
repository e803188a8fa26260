//! Stabilised biconjugate gradients in the metric (van der Vorst 1992): short recurrences for maps that are not
//! self-adjoint, without the adjoint. A breakdown restarts once from the residual, then the member stalls.

use super::Status;
use super::team::Team;
use crate::error::Result;
use crate::lists::{self, List};
use pullback::Scalar;

pub(super) fn run<T: Scalar>(team: &mut Team<'_, T>) -> Result<()> {
    let n = team.n();
    let mut work =
        Work { r: team.r.clone(), shadow: team.r.clone(), p: team.r.clone(), v: team.zeros(), t: team.zeros() };
    let (mut rho, mut next, mut q) = (vec![0.0; n], vec![0.0; n], vec![0.0; n]);
    let (mut alpha, mut omega, mut length, mut tt) = (vec![0.0; n], vec![0.0; n], vec![0.0; n], vec![0.0; n]);
    let mut restarts = vec![0; n];
    team.norm(&work.r, &mut length)?;
    team.judge(&length);
    team.inner(&work.shadow, &work.r, &mut rho)?;
    while team.goes_on() {
        let Work { r, shadow, p, v, t } = &mut work;
        team.apply(p, v)?;
        team.inner(shadow, v, &mut q)?;
        for m in (0..n).filter(|m| team.works[*m]) {
            alpha[m] = if q[m] == 0.0 { 0.0 } else { rho[m] / q[m] };
            lists::add(r, -alpha[m], v, m);
        }
        team.apply(r, t)?;
        team.inner(t, r, &mut q)?;
        team.inner(t, t, &mut tt)?;
        for m in (0..n).filter(|m| team.works[*m]) {
            omega[m] = if tt[m] > 0.0 { q[m] / tt[m] } else { 0.0 };
            lists::add(&mut team.x, alpha[m], p, m);
            lists::add(&mut team.x, omega[m], r, m);
            lists::add(r, -omega[m], t, m);
            team.members[m].iterations += 1;
        }
        team.norm(r, &mut length)?;
        team.judge(&length);
        team.inner(shadow, r, &mut next)?;
        for m in (0..n).filter(|m| team.works[*m]).collect::<Vec<_>>() {
            let beta = next[m] / rho[m] * (alpha[m] / omega[m]);
            rho[m] = if work.turns(beta, omega[m], m) { next[m] } else { length[m] * length[m] };
            restarts[m] += usize::from(!(beta.is_finite() && beta != 0.0));
            if restarts[m] > 3 {
                team.rest(m, Status::Stalled);
            }
        }
    }
    Ok(())
}

/// The residual, the one at the start, the direction, its image, and that of the residual between two steps.
struct Work<T: Scalar> {
    r: List<T>,
    shadow: List<T>,
    p: List<T>,
    v: List<T>,
    t: List<T>,
}

impl<T: Scalar> Work<T> {
    /// The next direction of member `m`; `false` where the recurrence broke down and starts again from the residual.
    fn turns(&mut self, beta: f64, omega: f64, m: usize) -> bool {
        let sound = beta.is_finite() && beta != 0.0;
        if sound {
            lists::add(&mut self.p, -omega, &self.v, m);
            lists::combine(&mut self.p, beta, 1.0, &self.r, m);
        } else {
            for to in [&mut self.shadow, &mut self.p] {
                lists::scale(to, 0.0, m);
                lists::add(to, 1.0, &self.r, m);
            }
        }
        sound
    }
}
