//! LSMR in the metric (Fong & Saunders, *LSMR: an iterative algorithm for sparse least-squares problems*, 2011): Golub
//! and Kahan's bidiagonalisation with `A` and its adjoint, and `|A* r|` made smallest. From zero it ends at the
//! solution of least length, so it serves singular maps.
//!
//! `beta u = A v - alpha u`, `alpha v = A* u - beta v`; two rotations a step, as in table 1 of the paper without
//! damping.

use super::Status;
use super::team::Team;
use crate::error::Result;
use crate::lists::{self, List};
use pullback::Scalar;

/// The numbers of one member, by their names in the paper.
#[derive(Clone)]
struct One {
    alpha: f64,
    alpha_bar: f64,
    rho: f64,
    rho_bar: f64,
    c_bar: f64,
    s_bar: f64,
    zeta_bar: f64,
    /// The largest length of a column of the bidiagonal matrix: about `|A|`.
    norm: f64,
}

/// Every so many steps the true residual is looked at.
const LOOK: usize = 8;

pub(super) fn run<T: Scalar>(team: &mut Team<'_, T>) -> Result<()> {
    let mut work = Work::start(team)?;
    for step in 1.. {
        if !team.goes_on() {
            break;
        }
        work.lengthen(team)?;
        for m in (0..team.n()).filter(|m| team.works[*m]).collect::<Vec<_>>() {
            work.turn(team, m);
        }
        work.look(team, step)?;
    }
    Ok(())
}

/// The vectors of the bidiagonalisation, by their names in the paper, and the numbers of all members.
struct Work<T: Scalar> {
    u: List<T>,
    v: List<T>,
    au: List<T>,
    av: List<T>,
    h: List<T>,
    h_bar: List<T>,
    alpha: Vec<f64>,
    beta: Vec<f64>,
    one: Vec<One>,
}

impl<T: Scalar> Work<T> {
    /// The first two vectors.
    fn start(team: &mut Team<'_, T>) -> Result<Self> {
        let n = team.n();
        let (mut u, mut v) = (team.r.clone(), team.zeros());
        let (mut beta, mut alpha) = (vec![0.0; n], vec![0.0; n]);
        team.norm(&u, &mut beta)?;
        team.judge(&beta);
        (0..n).filter(|m| team.works[*m]).for_each(|m| lists::scale(&mut u, 1.0 / beta[m], m));
        team.adjoint(&mut u, &mut v)?;
        team.norm(&v, &mut alpha)?;
        let one = (0..n).map(|m| One::start(alpha[m], beta[m])).collect();
        for m in 0..n {
            match alpha[m] > 0.0 {
                true => lists::scale(&mut v, 1.0 / alpha[m], m),
                // The right-hand side is orthogonal to the range: zero is the best there is.
                false if team.works[m] => team.rest(m, Status::Singular),
                false => {}
            }
        }
        Ok(Work { h: v.clone(), h_bar: team.zeros(), au: team.zeros(), av: team.zeros(), u, v, alpha, beta, one })
    }

    /// The next two vectors, of which `v` keeps its length.
    fn lengthen(&mut self, team: &mut Team<'_, T>) -> Result<()> {
        let n = team.n();
        team.apply(&mut self.v, &mut self.av)?;
        for m in (0..n).filter(|m| team.works[*m]) {
            lists::combine(&mut self.u, -self.one[m].alpha, 1.0, &self.av, m);
        }
        team.norm(&self.u, &mut self.beta)?;
        for m in (0..n).filter(|m| team.works[*m] && self.beta[*m] > 0.0) {
            lists::scale(&mut self.u, 1.0 / self.beta[m], m);
        }
        team.adjoint(&mut self.u, &mut self.au)?;
        for m in (0..n).filter(|m| team.works[*m]) {
            lists::combine(&mut self.v, -self.beta[m], 1.0, &self.au, m);
        }
        team.norm(&self.v, &mut self.alpha)
    }

    /// The rotations of a step of member `m`, and what they add to its solution.
    fn turn(&mut self, team: &mut Team<'_, T>, m: usize) {
        let (alpha, beta) = (self.alpha[m], self.beta[m]);
        if !(alpha.is_finite() && beta.is_finite()) {
            team.rest(m, Status::NonFinite);
            return;
        }
        if alpha > 0.0 {
            lists::scale(&mut self.v, 1.0 / alpha, m);
        }
        let (x, direction) = self.one[m].turn(alpha, beta);
        lists::combine(&mut self.h_bar, -x, 1.0, &self.h, m);
        lists::add(&mut team.x, direction.0, &self.h_bar, m);
        lists::combine(&mut self.h, -direction.1, 1.0, &self.v, m);
        team.members[m].iterations += 1;
    }

    /// The true residual, of everybody now and then, and of whoever is done.
    fn look(&mut self, team: &mut Team<'_, T>, step: usize) -> Result<()> {
        let (n, one) = (team.n(), &self.one);
        let done = |o: &One, size: f64| o.zeta_bar.abs() <= 2.0 * T::EPS.f64() * o.norm * size;
        let ended = (0..n).any(|m| team.works[m] && done(&one[m], team.size[m]));
        if !step.is_multiple_of(LOOK) && !ended {
            return Ok(());
        }
        team.residual()?;
        let r = team.r.clone();
        team.norm(&r, &mut self.beta)?;
        // Whoever is not looked at by schedule goes on: a member does not stop sooner because another ended.
        let looked = |o: &One, size: f64| step.is_multiple_of(LOOK) || done(o, size);
        let unseen: Vec<usize> = (0..n).filter(|m| !looked(&one[*m], team.size[*m])).collect();
        unseen.iter().for_each(|m| self.beta[*m] = f64::MAX);
        team.judge(&self.beta);
        for m in (0..n).filter(|m| team.works[*m]).collect::<Vec<_>>() {
            if done(&one[m], team.size[m]) {
                // A residual that is orthogonal to the range up to rounding shows a singular map only if it is not
                // small: the adjoint of a regular one shortens a small residual to rounding too.
                let small = self.beta[m] <= T::EPS.f64().sqrt() * team.size[m];
                team.rest(m, if small { Status::Stalled } else { Status::Singular });
            }
        }
        Ok(())
    }
}

/// `(c, s, r)` with `c a + s b = r`, `s a = c b`.
fn rotation(a: f64, b: f64) -> (f64, f64, f64) {
    let r = a.hypot(b);
    if r == 0.0 { (1.0, 0.0, 0.0) } else { (a / r, b / r, r) }
}

impl One {
    /// Before the first step, from the lengths of the first two vectors.
    fn start(alpha: f64, beta: f64) -> Self {
        One {
            alpha,
            alpha_bar: alpha,
            rho: 1.0,
            rho_bar: 1.0,
            c_bar: 1.0,
            s_bar: 0.0,
            zeta_bar: alpha * beta,
            norm: alpha,
        }
    }

    /// One step of the two rotations: the factor of the old `h_bar`, and those of `h_bar` in `x` and of `h` in `v`.
    fn turn(&mut self, alpha: f64, beta: f64) -> (f64, (f64, f64)) {
        self.norm = self.norm.max(self.alpha.hypot(beta));
        let (rho_old, rho_bar_old) = (self.rho, self.rho_bar);
        let (c, s, rho) = rotation(self.alpha_bar, beta);
        let theta = s * alpha;
        self.alpha_bar = c * alpha;
        let theta_bar = self.s_bar * rho;
        let (c_bar, s_bar, rho_bar) = rotation(self.c_bar * rho, theta);
        let zeta = c_bar * self.zeta_bar;
        self.zeta_bar *= -s_bar;
        (self.alpha, self.rho, self.rho_bar, self.c_bar, self.s_bar) = (alpha, rho, rho_bar, c_bar, s_bar);
        let safe = |a: f64, b: f64| if b == 0.0 { 0.0 } else { a / b };
        (safe(theta_bar * rho, rho_old * rho_bar_old), (safe(zeta, rho * rho_bar), safe(theta, rho)))
    }
}
