//! A space whose metric is not that of the matrices around it, with a cost of known gradient: positive definite
//! matrices, affine-invariant, and `tr AP - ln det P`, whose minimum is `A^-1`.

#![allow(dead_code, unreachable_pub, reason = "each test uses some of it")]

use crate::known::{known_matrix, symmetric};
use pullback::faer::Mat;
use pullback::prelude::*;
use pullback_manifolds::{Egrad, Spd, SpdMetric, SpdRetraction};
use pullback_optim::{Problem, Solver, Stop};

pub type M = Mat<f64>;

pub struct Example {
    pub space: Spd,
    pub a: M,
    pub start: M,
}

/// A positive definite matrix.
pub fn definite(seed: u64) -> M {
    let b = known_matrix(seed, 3, 3);
    &b * b.transpose() + M::from_fn(3, 3, |i, j| if i == j { 0.2 + i as f64 } else { 0.0 })
}

impl Example {
    pub fn new() -> Self {
        Example::with(SpdMetric::AffineInvariant)
    }

    /// Along geodesics, since another curve may come to a point twice.
    pub fn with(metric: SpdMetric) -> Self {
        let space = Spd::new(3).with(metric).with_retraction(SpdRetraction::Exponential);
        Example { space, a: definite(11), start: definite(12) * 4.0 }
    }

    /// The points of so many steps.
    pub fn points(&self, solver: impl Solver, steps: usize) -> Vec<M> {
        let problem = Problem::new(&self.space, &self.start, |p| (p * &self.a).trace() - p.spd().logdet());
        let (mut run, mut out) = (problem.run(solver, Stop::Iterations(steps)), vec![]);
        while let Some(at) = run.step().unwrap() {
            out.push(at.point[0].member(0));
        }
        out
    }

    pub fn gradient(&self, p: &M) -> M {
        self.gradient_with(p, &self.a)
    }

    /// With another matrix for `A`.
    pub fn gradient_with(&self, p: &M, a: &M) -> M {
        let inverse = Tape::plain().constant(p).spd().inverse().value().into_mat();
        self.space.egrad_to_rgrad(p, Egrad(&symmetric(a - inverse))).unwrap().0
    }

    pub fn inner(&self, p: &M, u: &M, v: &M) -> f64 {
        self.space.inner(p, u, v).unwrap()
    }

    pub fn carry(&self, p: &M, q: &M, u: &M) -> M {
        self.space.transport(p, q, u).unwrap()
    }

    /// `t d` of the step from one point to the next.
    pub fn step(&self, p: &M, q: &M) -> M {
        self.space.inverse_retract(p, q).unwrap()
    }

    /// How far a tangent is from another one, relative to it.
    pub fn off(&self, p: &M, u: &M, v: &M) -> f64 {
        let d = u - v;
        (self.inner(p, &d, &d) / self.inner(p, v, v)).sqrt()
    }

    /// How far two directions are apart, whatever their lengths.
    pub fn apart(&self, p: &M, u: &M, v: &M) -> f64 {
        let unit = |u: &M| u * (1.0 / self.inner(p, u, u).sqrt());
        self.off(p, &unit(u), &unit(v))
    }
}
