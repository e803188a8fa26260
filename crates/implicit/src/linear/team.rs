//! What every solver works with: the members that are still at work, inner products in the metric, the true residual.
//! No method of solution lives here.

use super::{Map, Method, Solution, Solved, Status, Stop};
use crate::error::Result;
use crate::lists::{self, List};
use pullback::{Batch, Scalar};

/// The systems `A x = b` of all members, while they are solved.
pub(super) struct Team<'m, T: Scalar> {
    pub(super) map: &'m dyn Map<T>,
    pub(super) stop: Stop,
    /// The tolerance of each member.
    pub(super) tolerance: Vec<f64>,
    /// The right-hand side, projected to the space.
    pub(super) b: List<T>,
    pub(super) x: List<T>,
    /// `b - A x`, up to date at the start and whenever [`Team::residual`] ran.
    pub(super) r: List<T>,
    /// `|b|` of each member.
    pub(super) size: Vec<f64>,
    /// What the right-hand side of each member was divided by, and its solution is multiplied with at the end.
    units: Vec<f64>,
    pub(super) products: usize,
    pub(super) members: Vec<Solution>,
    /// Who is still at work.
    pub(super) works: Vec<bool>,
    lowered: List<T>,
}

impl<'m, T: Scalar> Team<'m, T> {
    pub(super) fn new(map: &'m dyn Map<T>, b: &[Batch<T>], start: Option<&[Batch<T>]>, stop: Stop) -> Result<Self> {
        let n = lists::members(map.shapes());
        let zeros = || lists::zeros(map.shapes());
        let mut team = Team {
            map,
            stop,
            tolerance: vec![stop.tolerance; n],
            b: b.to_vec(),
            x: start.map_or_else(zeros, <[_]>::to_vec),
            r: zeros(),
            size: vec![0.0; n],
            units: (0..n).map(|m| lists::unit(b, m)).collect(),
            products: 0,
            members: vec![Solution::BLANK; n],
            works: vec![true; n],
            lowered: zeros(),
        };
        for m in 0..n {
            if !lists::finite(&team.b, m) || !lists::finite(&team.x, m) {
                lists::scale(&mut team.b, 0.0, m);
                lists::scale(&mut team.x, 0.0, m);
                team.rest(m, Status::NonFinite);
            }
        }
        team.in_units(|unit| 1.0 / unit);
        map.project(&mut team.b)?;
        team.measure()?;
        match start {
            Some(_) => {
                map.project(&mut team.x)?;
                team.residual()?;
            }
            None => lists::copy(&mut team.r, &team.b),
        }
        Ok(team)
    }

    /// Multiplies right-hand sides, solutions and residuals with a number that depends on the unit of their member.
    fn in_units(&mut self, factor: impl Fn(f64) -> f64) {
        for (m, unit) in self.units.iter().enumerate().filter(|(_, unit)| **unit != 1.0) {
            let by = factor(*unit);
            [&mut self.b, &mut self.x, &mut self.r].into_iter().for_each(|v| lists::scale(v, by, m));
            self.size[m] *= by;
        }
    }

    /// The lengths of the right-hand sides; who has none rests.
    fn measure(&mut self) -> Result<()> {
        let (b, mut size) = (self.b.clone(), vec![0.0; self.n()]);
        self.inner(&b, &b, &mut size)?;
        for (m, square) in size.into_iter().enumerate() {
            self.size[m] = square.max(0.0).sqrt();
            let zero = self.size[m] == 0.0 && lists::is_zero(&b, m);
            // The square of a length may be too small to be a number: then there is no length to work with.
            let lost = !zero && square < f64::MIN_POSITIVE;
            if (zero || lost) && self.works[m] {
                lists::scale(&mut self.x, 0.0, m);
                self.rest(m, if zero { Status::Converged } else { Status::NonFinite });
            }
        }
        Ok(())
    }

    pub(super) fn n(&self) -> usize {
        self.works.len()
    }

    pub(super) fn zeros(&self) -> List<T> {
        lists::zeros(self.map.shapes())
    }

    /// Is anybody at work, with products left?
    pub(super) fn goes_on(&self) -> bool {
        self.products < self.stop.products && self.works.iter().any(|w| *w)
    }

    /// The member rests from now on.
    pub(super) fn rest(&mut self, m: usize, status: Status) {
        self.works[m] = false;
        self.members[m].status = status;
    }

    /// `out = A v`. The members that rest are set to zero first, so nothing of theirs is computed with.
    pub(super) fn apply(&mut self, v: &mut [Batch<T>], out: &mut [Batch<T>]) -> Result<()> {
        self.silence(v);
        self.products += 1;
        self.map.apply(v, out)
    }

    /// `out = v - step A v`, likewise.
    pub(super) fn term(&mut self, step: f64, v: &mut [Batch<T>], out: &mut [Batch<T>]) -> Result<()> {
        self.silence(v);
        self.products += 1;
        if step == 1.0 {
            return self.map.rest(v, out);
        }
        self.map.apply(v, out)?;
        (0..self.n()).for_each(|m| lists::combine(out, -step, 1.0, v, m));
        Ok(())
    }

    /// `out = A* v`, likewise.
    pub(super) fn adjoint(&mut self, v: &mut [Batch<T>], out: &mut [Batch<T>]) -> Result<()> {
        self.silence(v);
        self.products += 1;
        self.map.adjoint(v, out)
    }

    fn silence(&self, v: &mut [Batch<T>]) {
        (0..self.n()).filter(|m| !self.works[*m]).for_each(|m| lists::scale(v, 0.0, m));
    }

    /// `<u, v>` of each member.
    pub(super) fn inner(&mut self, u: &[Batch<T>], v: &[Batch<T>], out: &mut [f64]) -> Result<()> {
        if self.map.is_ambient() {
            (0..self.n()).for_each(|m| out[m] = lists::dot(u, v, m));
            return Ok(());
        }
        self.map.lower(v, &mut self.lowered)?;
        (0..self.n()).for_each(|m| out[m] = lists::dot(u, &self.lowered, m));
        Ok(())
    }

    /// `<u, v>` of each member for several `u`, with one `G v`.
    pub(super) fn inners(&mut self, us: &[List<T>], v: &[Batch<T>], out: &mut [Vec<f64>]) -> Result<()> {
        let v = match self.map.is_ambient() {
            true => v,
            false => {
                self.map.lower(v, &mut self.lowered)?;
                &self.lowered
            }
        };
        out.iter_mut().enumerate().for_each(|(m, out)| {
            out.iter_mut().zip(us).for_each(|(o, u)| *o = lists::dot(u, v, m));
        });
        Ok(())
    }

    /// `|v|` of each member.
    pub(super) fn norm(&mut self, v: &[Batch<T>], out: &mut [f64]) -> Result<()> {
        self.inner(v, v, out)?;
        out.iter_mut().for_each(|x| *x = x.max(0.0).sqrt());
        Ok(())
    }

    /// `r = b - A x`, computed anew for every member.
    pub(super) fn residual(&mut self) -> Result<()> {
        self.products += 1;
        let Team { map, x, r, b, .. } = self;
        map.apply(x, r)?;
        (0..self.works.len()).for_each(|m| lists::combine(r, -1.0, 1.0, b, m));
        Ok(())
    }

    /// Lets those rest whose residual, by a recurrence of the method, is below the tolerance, and those whose residual
    /// is not finite.
    pub(super) fn judge(&mut self, residuals: &[f64]) {
        for m in 0..self.n() {
            if !self.works[m] {
                continue;
            }
            if !residuals[m].is_finite() {
                self.rest(m, Status::NonFinite);
            } else if residuals[m] <= self.tolerance[m] * self.size[m] {
                self.rest(m, Status::Converged);
            }
        }
    }

    /// The true residual of each member, and what it says of the status.
    pub(super) fn finish(mut self, method: Method) -> Result<Solved<T>> {
        for m in 0..self.n() {
            if !lists::finite_times(&self.x, self.units[m], m) {
                lists::scale(&mut self.x, 0.0, m);
                self.members[m].status = Status::NonFinite;
            }
        }
        // Rounding leaves a normal part, which no residual shows, and beside which a small leaf may be nothing.
        self.map.project(&mut self.x)?;
        self.residual()?;
        let (r, mut size) = (std::mem::take(&mut self.r), vec![0.0; self.n()]);
        self.norm(&r, &mut size)?;
        self.r = r;
        let (x, mut length) = (self.x.clone(), vec![0.0; self.n()]);
        self.norm(&x, &mut length)?;
        for m in 0..self.n() {
            let s = &mut self.members[m];
            s.residual = if self.size[m] > 0.0 { size[m] / self.size[m] } else { 0.0 };
            s.distance = match (s.residual == 0.0, s.seen) {
                (true, _) => 0.0,
                (_, Some((low, _))) => size[m] / (low * length[m]),
                (_, None) => f64::NAN,
            };
            // A recurrence drifts from the truth; a little of that is rounding, which is that of the product `A x`.
            let product = s.seen.map_or(0.0, |(_, high)| high * length[m]) / self.size[m].max(f64::MIN_POSITIVE);
            let rounding = (10.0 * T::EPS.f64() * (1.0 + product)).min(T::EPS.f64().sqrt());
            let reached = s.residual <= 10.0 * self.tolerance[m].max(rounding);
            let singular = s.seen.is_some_and(|(low, high)| low <= 100.0 * T::EPS.f64() * high);
            s.status = match s.status {
                Status::Converged | Status::Stalled if !reached && singular => Status::Singular,
                Status::Converged if !reached => Status::Stalled,
                Status::Stalled if s.residual <= self.tolerance[m] => Status::Converged,
                other => other,
            };
        }
        self.in_units(|unit| unit);
        let Team { x, r, members, size: sizes, products, .. } = self;
        Ok(Solved { x, r, members, sizes, products, method })
    }
}
