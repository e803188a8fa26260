//! Symmetric and skew matrices: linear spaces within the square matrices, with the inner product `tr U^T V` of those.
//!
//! The projection is the symmetric or the skew part; gradient and Hessian are the projections of the Euclidean ones;
//! geodesics are lines, transport is the identity, curvature 0, and everything exists everywhere. An off-diagonal entry
//! and its mirror are two coordinates of the ambient space, so each counts twice in the inner product. Cost n² each.

use crate::matrices::{holds_at, holds_for, one, only, shaped};
use crate::scalars::Times;
use crate::{Egrad, Manifold, Parts, Result, Shapes, gaussian, residuals, verdicts};
use pullback::{Batch, Scalar, Shape, Tape, Var};
use rand::Rng;
use smallvec::smallvec;

/// Symmetric matrices of order `n`, `X = X^T`. They need not be definite: those are [`Spd`](crate::Spd).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SymmetricMatrices {
    n: usize,
}

/// Skew matrices of order `n`, `X = -X^T`: the velocities of rotations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SkewMatrices {
    n: usize,
}

impl SymmetricMatrices {
    /// Symmetric matrices of order `n`.
    pub fn new(n: usize) -> Self {
        SymmetricMatrices { n }
    }
}

impl SkewMatrices {
    /// Skew matrices of order `n`.
    pub fn new(n: usize) -> Self {
        SkewMatrices { n }
    }
}

pullback_geometry::words!(SymmetricMatrices);
pullback_geometry::words!(SkewMatrices);

macro_rules! flat {
    ($M:ty, $name:literal, $part:ident, $sign:literal, $equation:literal, $of_tangent:literal, $dim:expr) => {
        impl<T: Scalar> Manifold<T> for $M {
            fn name(&self) -> String {
                format!(concat!($name, "({})"), self.n)
            }
            fn shapes(&self) -> Shapes {
                smallvec![Shape::mat(self.n, self.n)]
            }
            fn dim(&self) -> usize {
                let dim: fn(usize) -> usize = $dim;
                dim(self.n)
            }
            fn metric_is_ambient(&self) -> bool {
                true
            }
            fn project<'t>(&self, _: &[Var<'t, T>], u: &[Var<'t, T>]) -> Parts<'t, T> {
                one(only(u).$part())
            }
            fn ehess_to_rhess<'t>(
                &self,
                _: &[Var<'t, T>],
                _: Egrad<&[Var<'t, T>]>,
                h: &[Var<'t, T>],
                _: &[Var<'t, T>],
            ) -> Parts<'t, T> {
                one(only(h).$part())
            }
            fn retract<'t>(&self, x: &[Var<'t, T>], v: &[Var<'t, T>]) -> Parts<'t, T> {
                one(only(x) + only(v))
            }
            fn retraction_order(&self) -> usize {
                2
            }
            fn inverse_retract<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
                Some(one(only(y) - only(x)))
            }
            fn transport<'t>(&self, _: &[Var<'t, T>], _: &[Var<'t, T>], u: &[Var<'t, T>]) -> Parts<'t, T> {
                one(only(u))
            }
            fn transport_is_isometric(&self) -> bool {
                true
            }
            fn exp<'t>(&self, x: &[Var<'t, T>], v: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
                Some(one(only(x) + only(v)))
            }
            fn log<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
                Some(one(only(y) - only(x)))
            }
            fn parallel_transport<'t>(
                &self,
                _: &[Var<'t, T>],
                _: &[Var<'t, T>],
                u: &[Var<'t, T>],
            ) -> Option<Parts<'t, T>> {
                Some(one(only(u)))
            }
            fn curvature<'t>(
                &self,
                _: &[Var<'t, T>],
                _: &[Var<'t, T>],
                _: &[Var<'t, T>],
                w: &[Var<'t, T>],
            ) -> Option<Parts<'t, T>> {
                Some(one(only(w).zeros()))
            }
            fn reproject<'t>(&self, x: &[Var<'t, T>]) -> Parts<'t, T> {
                one(only(x).$part())
            }
            fn random_point(&self, batch: usize, rng: &mut dyn Rng) -> Vec<Batch<T>> {
                let x: Batch<T> = gaussian(Shape::batch(batch, self.n, self.n), rng);
                vec![Tape::plain().constant(&x).$part().value()]
            }
            fn check_point(&self, x: &[Batch<T>]) -> Result<()> {
                shaped(self, &[x])?;
                let size = x[0].data().iter().fold(1.0f64, |m, v| m.max(v.f64().abs()));
                let tolerance = residuals::tolerance::<T>(self.n) * size;
                holds_at::<T>(self, $equation, &verdicts::asymmetry(&x[0], $sign), tolerance)
            }
            fn check_tangent(&self, x: &[Batch<T>], u: &[Batch<T>]) -> Result<()> {
                shaped(self, &[x, u])?;
                let residual = verdicts::asymmetry(&u[0], $sign);
                holds_for(self, $of_tangent, &residual, &u[0], residuals::tolerance::<T>(self.n))
            }
        }
    };
}

flat!(SymmetricMatrices, "Sym", sym, 1.0, "X = X^T", "U = U^T", |n| n * (n + 1) / 2);
flat!(SkewMatrices, "Skew", skew, -1.0, "X = -X^T", "U = -U^T", |n| n * n.saturating_sub(1) / 2);
