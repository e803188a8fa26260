//! MINRES in the metric (Paige & Saunders, *Solution of sparse indefinite systems of linear equations*, 1975, sec. 5 and
//! 6): Lanczos vectors, and the residual made smallest by rotations. For self-adjoint maps, indefinite ones too.
//!
//! Lanczos: `beta_{k+1} v_{k+1} = A v_k - alpha_k v_k - beta_k v_{k-1}`. The rotations turn the tridiagonal matrix into
//! an upper triangular one with three diagonals `gamma, delta, epsilon`, and `phi_bar` is the length of the residual.

use super::team::Team;
use super::{Status, tridiagonal};
use crate::error::Result;
use crate::lists;
use pullback::Scalar;

/// The numbers of one member.
#[derive(Clone)]
struct One {
    beta: f64,
    old_beta: f64,
    alpha: f64,
    delta_bar: f64,
    epsilon: f64,
    phi_bar: f64,
    cs: f64,
    sn: f64,
    diagonal: Vec<f64>,
    off: Vec<f64>,
}

pub(super) fn run<T: Scalar>(team: &mut Team<'_, T>) -> Result<()> {
    let n = team.n();
    let mut size = vec![0.0; n];
    let r = team.r.clone();
    team.norm(&r, &mut size)?;
    team.judge(&size);
    let start = |m: usize| One {
        beta: size[m],
        old_beta: 0.0,
        alpha: 0.0,
        delta_bar: 0.0,
        epsilon: 0.0,
        phi_bar: size[m],
        cs: -1.0,
        sn: 0.0,
        diagonal: vec![],
        off: vec![],
    };
    let mut one: Vec<One> = (0..n).map(start).collect();
    // v, the one before it, the next one before its length is taken out; and three directions.
    let (mut v, mut before, mut y) = (r, team.zeros(), team.zeros());
    let (mut w, mut w1, mut w2) = (team.zeros(), team.zeros(), team.zeros());
    (0..n).filter(|m| team.works[*m]).for_each(|m| lists::scale(&mut v, 1.0 / size[m], m));
    let (mut alpha, mut beta, mut left) = (vec![0.0; n], vec![0.0; n], vec![0.0; n]);
    while team.goes_on() {
        team.apply(&mut v, &mut y)?;
        (0..n).filter(|m| team.works[*m]).for_each(|m| lists::add(&mut y, -one[m].old_beta, &before, m));
        team.inner(&v, &y, &mut alpha)?;
        (0..n).filter(|m| team.works[*m]).for_each(|m| lists::add(&mut y, -alpha[m], &v, m));
        team.norm(&y, &mut beta)?;
        std::mem::swap(&mut w1, &mut w2);
        std::mem::swap(&mut w2, &mut w);
        for m in (0..n).filter(|m| team.works[*m]).collect::<Vec<_>>() {
            if !(alpha[m].is_finite() && beta[m].is_finite()) {
                team.rest(m, Status::NonFinite);
                continue;
            }
            let o = &mut one[m];
            (o.alpha, o.beta) = (alpha[m], beta[m]);
            o.diagonal.push(alpha[m]);
            o.off.push(beta[m]);
            let scale = o.diagonal.iter().fold(beta[m], |s, d| s.max(d.abs()));
            let old_epsilon = o.epsilon;
            let delta = o.cs * o.delta_bar + o.sn * o.alpha;
            let gamma_bar = o.sn * o.delta_bar - o.cs * o.alpha;
            o.epsilon = o.sn * o.beta;
            o.delta_bar = -o.cs * o.beta;
            let gamma = gamma_bar.hypot(o.beta);
            if gamma <= T::EPS.f64() * scale {
                // The space of the residuals is complete, and the map is singular on it.
                team.rest(m, Status::Singular);
                continue;
            }
            (o.cs, o.sn) = (gamma_bar / gamma, o.beta / gamma);
            let phi = o.cs * o.phi_bar;
            o.phi_bar *= o.sn;
            lists::scale(&mut w, 0.0, m);
            lists::add(&mut w, 1.0 / gamma, &v, m);
            lists::add(&mut w, -old_epsilon / gamma, &w1, m);
            lists::add(&mut w, -delta / gamma, &w2, m);
            lists::add(&mut team.x, phi, &w, m);
            left[m] = o.phi_bar.abs();
            team.members[m].iterations += 1;
            if o.beta <= T::EPS.f64() * scale && left[m] > team.stop.tolerance * team.size[m] {
                team.rest(m, Status::Stalled);
            }
        }
        team.judge(&left);
        std::mem::swap(&mut before, &mut v);
        std::mem::swap(&mut v, &mut y);
        for m in (0..n).filter(|m| team.works[*m]) {
            lists::scale(&mut v, 1.0 / beta[m], m);
            one[m].old_beta = beta[m];
        }
    }
    for m in 0..n {
        let k = one[m].diagonal.len();
        team.members[m].seen = tridiagonal::moduli(&one[m].diagonal, &one[m].off[..k.saturating_sub(1)]);
    }
    Ok(())
}
