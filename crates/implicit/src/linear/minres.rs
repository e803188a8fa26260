//! MINRES in the metric (Paige & Saunders, *Solution of sparse indefinite systems of linear equations*, 1975, sec. 5
//! and 6): Lanczos vectors, and the residual made smallest by rotations. For self-adjoint maps, indefinite ones too.
//!
//! Lanczos: `beta_{k+1} v_{k+1} = A v_k - alpha_k v_k - beta_k v_{k-1}`. The rotations turn the tridiagonal matrix into
//! an upper triangular one with three diagonals `gamma, delta, epsilon`, and `phi_bar` is the length of the residual.

use super::team::Team;
use super::{Status, tridiagonal};
use crate::error::Result;
use crate::lists::{self, List};
use pullback::{Batch, Scalar};

/// The numbers of one member.
#[derive(Clone)]
struct One {
    beta: f64,
    old_beta: f64,
    delta_bar: f64,
    epsilon: f64,
    phi_bar: f64,
    cs: f64,
    sn: f64,
    /// The largest modulus of an entry of the tridiagonal matrix.
    size: f64,
    diagonal: Vec<f64>,
    off: Vec<f64>,
}

/// What a step adds: `w = (v - epsilon w_{k-2} - delta w_{k-1}) / gamma`, `x += phi w`.
struct Turn {
    gamma: f64,
    delta: f64,
    epsilon: f64,
    phi: f64,
}

impl One {
    /// Before the first step, from a residual of this length.
    fn start(size: f64) -> Self {
        One {
            beta: size,
            old_beta: 0.0,
            delta_bar: 0.0,
            epsilon: 0.0,
            phi_bar: size,
            cs: -1.0,
            sn: 0.0,
            size: 0.0,
            diagonal: vec![],
            off: vec![],
        }
    }

    /// A step of member `m` along `v`, with the directions `w`, the newest first, whose place is that of the oldest;
    /// the length of the residual, or `None` if the member rests.
    fn step<T: Scalar>(
        &mut self,
        team: &mut Team<'_, T>,
        (alpha, beta): (f64, f64),
        v: &[Batch<T>],
        [w, w2, w1]: &mut [List<T>; 3],
        m: usize,
    ) -> Option<f64> {
        if !(alpha.is_finite() && beta.is_finite()) {
            team.rest(m, Status::NonFinite);
            return None;
        }
        let Some(turn) = self.turn(alpha, beta, T::EPS.f64()) else {
            // The space of the residuals is complete, and the map is singular on it.
            team.rest(m, Status::Singular);
            return None;
        };
        lists::scale(w, 0.0, m);
        lists::add(w, 1.0 / turn.gamma, v, m);
        lists::add(w, -turn.epsilon / turn.gamma, w1, m);
        lists::add(w, -turn.delta / turn.gamma, w2, m);
        lists::add(&mut team.x, turn.phi, w, m);
        team.members[m].iterations += 1;
        let left = self.phi_bar.abs();
        if self.beta <= T::EPS.f64() * self.size && left > team.tolerance[m] * team.size[m] {
            team.rest(m, Status::Stalled);
        }
        Some(left)
    }

    /// The rotations of one step; `None` where the triangle is singular.
    fn turn(&mut self, alpha: f64, beta: f64, eps: f64) -> Option<Turn> {
        self.beta = beta;
        self.diagonal.push(alpha);
        self.off.push(beta);
        self.size = self.size.max(alpha.abs()).max(beta);
        let epsilon = self.epsilon;
        let delta = self.cs * self.delta_bar + self.sn * alpha;
        let gamma_bar = self.sn * self.delta_bar - self.cs * alpha;
        self.epsilon = self.sn * beta;
        self.delta_bar = -self.cs * beta;
        let gamma = gamma_bar.hypot(beta);
        if gamma <= eps * self.size {
            return None;
        }
        (self.cs, self.sn) = (gamma_bar / gamma, beta / gamma);
        let phi = self.cs * self.phi_bar;
        self.phi_bar *= self.sn;
        Some(Turn { gamma, delta, epsilon, phi })
    }
}

pub(super) fn run<T: Scalar>(team: &mut Team<'_, T>) -> Result<()> {
    let n = team.n();
    let mut size = vec![0.0; n];
    let r = team.r.clone();
    team.norm(&r, &mut size)?;
    team.judge(&size);
    let mut one: Vec<One> = size.iter().map(|s| One::start(*s)).collect();
    // v, the one before it, and the next one before its length is taken out.
    let (mut v, mut before, mut y) = (r, team.zeros(), team.zeros());
    let mut w = [team.zeros(), team.zeros(), team.zeros()];
    (0..n).filter(|m| team.works[*m]).for_each(|m| lists::scale(&mut v, 1.0 / size[m], m));
    let (mut alpha, mut beta, mut left) = (vec![0.0; n], vec![0.0; n], vec![0.0; n]);
    while team.goes_on() {
        team.apply(&mut v, &mut y)?;
        (0..n).filter(|m| team.works[*m]).for_each(|m| lists::add(&mut y, -one[m].old_beta, &before, m));
        team.inner(&v, &y, &mut alpha)?;
        (0..n).filter(|m| team.works[*m]).for_each(|m| lists::add(&mut y, -alpha[m], &v, m));
        team.norm(&y, &mut beta)?;
        w.rotate_right(1);
        for m in (0..n).filter(|m| team.works[*m]).collect::<Vec<_>>() {
            let now = one[m].step(team, (alpha[m], beta[m]), &v, &mut w, m);
            left[m] = now.unwrap_or(left[m]);
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
