//! A linear system of a point, solved by one method with what helps it: to an error, and not only to a residual. Which
//! method suits a member is asked in `local.rs`.

use crate::error::Result;
use crate::linear::{self, Adjoint, Map, Method, Recycle, Solved, Status, Stop, Watched};
use crate::lists;
use pullback::{Batch, Scalar};

/// What helps the linear solver, if there is anything.
#[derive(Clone, Copy)]
pub(crate) struct Aid<'a, T: Scalar> {
    pub(crate) preconditioner: Option<&'a dyn Map<T>>,
    pub(crate) recycle: Option<&'a Recycle<T>>,
}

/// A map, and how its systems are to be solved.
pub(crate) struct Ask<'s, T: Scalar> {
    pub(crate) map: &'s dyn Map<T>,
    /// Is the map the adjoint of the one that the preconditioner belongs to?
    pub(crate) adjoint: bool,
    pub(crate) stop: &'s Stop,
    pub(crate) aid: Aid<'s, T>,
}

impl<T: Scalar> Ask<'_, T> {
    /// By one method that is not dense, to an error and not only a residual that is small.
    pub(crate) fn solved(
        &self,
        b: &[Batch<T>],
        start: Option<&[Batch<T>]>,
        method: Method,
        auto: bool,
    ) -> Result<Solved<T>> {
        let (map, stop) = (self.map, self.stop);
        let method = match self.aid.preconditioner {
            Some(m) if auto => linear::allowed(map, m, method)?,
            _ => method,
        };
        let mut found = self.once(b, start, method, stop)?;
        let indefinite: Vec<bool> = found.members.iter().map(|s| auto && s.status == Status::Indefinite).collect();
        if indefinite.contains(&true) {
            let minres = Method::Minres(linear::SelfAdjoint::asserted());
            let again = self.solved(&lists::only(b, &|m| indefinite[m]), Some(&found.x), minres, false)?;
            let others = (0..indefinite.len()).any(|m| !indefinite[m] && found.sizes[m] > 0.0);
            found.take(again, &|m| indefinite[m]);
            found.method = if others { Method::Auto } else { minres };
        }
        if auto {
            found =
                linear::freed(found, b, stop, &mut |b, start, method, stop| self.once(b, Some(start), method, stop))?;
        }
        let krylov = !matches!(method, Method::Neumann { .. } | Method::NeumannAdaptive | Method::Richardson { .. });
        // A small residual is a small error only where the map is not nearly singular: go on where it is not.
        for _ in 0..2 {
            let tighter = |m: usize| {
                let s = &found.members[m];
                let far = s.status == Status::Converged && s.distance > 8.0 * stop.tolerance && !indefinite[m];
                let to = (4.0 * stop.tolerance / s.distance * s.residual).max(4.0 * T::EPS.f64());
                (far && krylov && to < 0.9 * s.residual).then_some(to)
            };
            let wanted: Vec<Option<f64>> = (0..found.members.len()).map(tighter).collect();
            if wanted.iter().all(Option::is_none) {
                break;
            }
            let more = self.further(b, &found, method, &wanted)?;
            found.take(more, &|m| wanted[m].is_some());
        }
        Ok(found)
    }

    /// By a Krylov method, with the directions lifted that earlier maps shortened most; those of this one are kept.
    pub(crate) fn deflated(
        &self,
        recycle: &Recycle<T>,
        b: &[Batch<T>],
        start: Option<&[Batch<T>]>,
        method: Method,
        auto: bool,
    ) -> Result<Solved<T>> {
        let ritz = recycle.ritz(self.map)?;
        let positive = matches!(method, Method::Cg(_));
        let watched = Watched::new(self.map, positive, recycle.vectors(), ritz.as_ref())?;
        let preconditioner = ritz.as_ref().map(|r| r as &dyn Map<T>);
        let ask = Ask { map: &watched, aid: Aid { preconditioner, ..self.aid }, ..*self };
        let mut found = ask.solved(b, start, method, auto)?;
        found.products += ritz.map_or(0, |r| r.len());
        recycle.keep_ritz(watched.shortened()?);
        Ok(found)
    }

    fn once(&self, b: &[Batch<T>], start: Option<&[Batch<T>]>, method: Method, stop: &Stop) -> Result<Solved<T>> {
        match self.aid.preconditioner {
            None => linear::solve(self.map, b, start, method, stop),
            Some(m) if self.adjoint => linear::solve_preconditioned(self.map, &Adjoint(m), b, start, method, stop),
            Some(m) => linear::solve_preconditioned(self.map, m, b, start, method, stop),
        }
    }

    /// Goes on in the members that have a tighter tolerance.
    fn further(&self, b: &[Batch<T>], old: &Solved<T>, method: Method, to: &[Option<f64>]) -> Result<Solved<T>> {
        let b = lists::only(b, &|m| to[m].is_some());
        let mut new = match self.aid.preconditioner {
            None => {
                let all = to.iter().map(|t| t.unwrap_or(self.stop.tolerance)).collect();
                linear::solve_to(self.map, &b, &old.x, method, self.stop, all)?
            }
            Some(_) => {
                let tolerance = to.iter().flatten().fold(self.stop.tolerance, |a, t| a.min(*t));
                self.once(&b, Some(&old.x), method, &Stop { tolerance, ..*self.stop })?
            }
        };
        for (new, old) in new.members.iter_mut().zip(&old.members) {
            new.iterations += old.iterations;
            new.seen = linear::wider(new.seen, old.seen);
            // It was converged by the measure that was asked for.
            if old.status == Status::Converged && new.status == Status::Stalled && new.residual <= 2.0 * old.residual {
                new.status = Status::Converged;
            }
        }
        Ok(new)
    }
}
