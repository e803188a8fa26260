//! Doubly stochastic matrices: positive, all rows and columns of sum 1, with the Fisher metric `sum u_ij v_ij / x_ij`
//! (Douik & Hassibi, *Manifold optimization over the set of doubly stochastic matrices: a second-order geometry*,
//! 2019). Tangents have rows and columns of sum 0, the same at every point.
//!
//! - the ambient projection takes row and column means off: `(I - J) U (I - J)`, `J = 1 1^T / n`;
//! - what is orthogonal to all tangents in the Fisher metric is `X o (a 1^T + 1 b^T)`. So the Fisher projection
//!   `F(Z) = Z - X o (a 1^T + 1 b^T)` has `a + X b = Z 1` and `X^T a + b = Z^T 1`, that is
//!   `(I - X X^T) a = Z 1 - X Z^T 1`. Its null vector is `1` (`a` and `b` are known up to a shift), to which the right
//!   side is orthogonal: adding `J` makes the matrix positive definite and changes nothing; 7n³/3;
//! - gradient `F(X o G) = X o (G - N)`, `N = a 1^T + 1 b^T`; Hessian `F(X o H + U o (G - N) / 2)`: the derivative of
//!   the gradient in the ambient metric of positive entries subtracts `U o grad / (2X)`, and what moves `N` is normal;
//! - retraction: `A = X o phi(U / X)`, scaled to a doubly stochastic matrix `D1 A D2` (Sinkhorn). Scaling moves along
//!   normals, so the order is that of `phi` as in `simplex.rs`: *logistic* `(2 sigmoid z)²` of second order,
//!   *multiplicative* `e^z` of first, with the inverse `F(X o ln(Y / X))`, since `ln Y - ln X - U/X = a 1^T + 1 b^T`;
//! - transport: the identity, since the tangent spaces are the same. Not isometric.
//!
//! *Scaling.* With columns normalised by `softmax(ln A + a 1^T) = Y`, rows sum to `r = Y 1`, and `r - 1` is the
//! gradient of a convex function of `a` with Hessian `diag(r) - Y Y^T`. A few of Sinkhorn's steps `a - ln r` and then
//! Newton's find `a`; that is done on the numbers alone. Three more Newton steps, which are differentiated, leave `a`
//! as it is and give its derivatives: each doubles the order up to which they are exact, to seven. What has not
//! converged is an error (a step of a length that no line search should take). Cost: 12 steps of 7n³/3.
//!
//! Geodesics, logarithm, distance and parallel transport have no closed form.

use crate::matrices::{holds_at, holds_for, one, only, shaped};
use crate::scalars::{Times, ln_ratio};
use crate::{Egrad, Manifold, Parts, Result, Rgrad, Shapes, gaussian, residuals, verdicts};
use pullback::{Batch, Scalar, Shape, Tape, Var};
use rand::Rng;
use smallvec::smallvec;

/// Steps of Sinkhorn's iteration that come first.
const SINKHORN: usize = 8;
/// Newton steps on numbers alone, and with derivatives.
const NEWTON: (usize, usize) = (9, 3);

/// The retractions of [`DoublyStochastic`]: each is a positive matrix whose rows and columns are then scaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum StochasticRetraction {
    /// `X o (2 sigmoid(V / X))²`: second order. The default. No closed-form inverse.
    #[default]
    Logistic,
    /// `X o e^(V / X)`, of Douik & Hassibi: first order, with an inverse.
    Multiplicative,
}

/// Doubly stochastic matrices of order `n`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DoublyStochastic {
    n: usize,
    retraction: StochasticRetraction,
}

impl DoublyStochastic {
    /// Matrices of order `n`.
    ///
    /// # Panics
    /// If `n = 0`.
    #[track_caller]
    pub fn new(n: usize) -> Self {
        assert!(n > 0, "DoublyStochastic: expected matrices of order at least 1, got 0");
        DoublyStochastic { n, retraction: StochasticRetraction::default() }
    }

    /// The same space with another retraction.
    #[must_use]
    pub fn with(self, retraction: StochasticRetraction) -> Self {
        DoublyStochastic { retraction, ..self }
    }

    /// The doubly stochastic `D1 A D2` for a matrix `A` of positive entries, given by their logarithms.
    ///
    /// Fails where the iteration has not converged: entries that differ by more than a dozen orders of magnitude.
    #[track_caller]
    #[must_use]
    pub fn scaled_from_logarithms<'t, T: Scalar>(&self, k: Var<'t, T>) -> Var<'t, T> {
        sinkhorn(k)
    }
}

pullback_geometry::words!(DoublyStochastic);

/// `D - X X^T + J`
fn schur<'t, T: Scalar>(x: Var<'t, T>, d: Var<'t, T>) -> Var<'t, T> {
    let n = x.rows();
    let mean = x.tape().filled(Shape::mat(n, n), T::of(1.0 / n as f64));
    (d + mean).add_mul(-1.0, x, x.t())
}

/// `a 1^T + 1 b^T`, up to which the Fisher projection of `Z` is `Z` over `X`.
fn normal<'t, T: Scalar>(x: Var<'t, T>, z: Var<'t, T>) -> Var<'t, T> {
    let (rows, columns) = (z.row_sums(), z.column_sums().t());
    let a = schur(x, x.tape().eye(x.rows())).spd().solve(rows - x * columns);
    let b = columns.add_mul(-1.0, x.t(), a);
    a.broadcast_to(z.shape()) + b.t()
}

/// The Fisher projection.
fn fisher<'t, T: Scalar>(x: Var<'t, T>, z: Var<'t, T>) -> Var<'t, T> {
    z - x.hadamard(normal(x, z))
}

/// `a + (diag r - Y Y^T + J)^-1 (1 - r)`, shortened to a step of at most 1.
fn newton<'t, T: Scalar>(k: Var<'t, T>, a: Var<'t, T>) -> Var<'t, T> {
    let y = (k + a).column_softmax();
    let r = y.row_sums();
    let step = schur(y, r.to_diag()).spd().solve(r.times(-1.0).plus(1.0));
    let longest = step.abs().column_max().stop_gradient();
    a + step.elem_div(longest.max(longest.zeros().plus(1.0)))
}

/// The doubly stochastic matrix that scaling of rows and columns makes of `e^k`.
fn sinkhorn<T: Scalar>(k: Var<'_, T>) -> Var<'_, T> {
    let still = k.stop_gradient();
    let mut a = k.column_range(0, 1).zeros();
    for _ in 0..SINKHORN {
        a = a - (still + a).column_softmax().row_sums().ln();
    }
    for _ in 0..NEWTON.0 {
        a = newton(still, a);
    }
    for _ in 0..NEWTON.1 {
        a = newton(k, a);
    }
    let y = (k + a).column_softmax();
    let off = y.row_sums().plus(-1.0).abs().column_max();
    y.where_positive(off.times(-1.0).plus(residuals::tolerance::<T>(k.rows())), "the scaling has converged")
}

impl<T: Scalar> Manifold<T> for DoublyStochastic {
    fn name(&self) -> String {
        format!("DoublyStochastic({})", self.n)
    }
    fn shapes(&self) -> Shapes {
        smallvec![Shape::mat(self.n, self.n)]
    }
    fn dim(&self) -> usize {
        (self.n - 1) * (self.n - 1)
    }
    fn typical_distance(&self) -> f64 {
        self.n as f64
    }
    fn inner<'t>(&self, x: &[Var<'t, T>], u: &[Var<'t, T>], v: &[Var<'t, T>]) -> Var<'t, T> {
        only(u).elem_div(only(x)).dot(only(v))
    }
    fn project<'t>(&self, _: &[Var<'t, T>], u: &[Var<'t, T>]) -> Parts<'t, T> {
        let (u, share) = (only(u), 1.0 / self.n as f64);
        let u = u - u.row_sums().times(share);
        one(u - u.column_sums().times(share))
    }
    fn egrad_to_rgrad<'t>(&self, x: &[Var<'t, T>], g: Egrad<&[Var<'t, T>]>) -> Rgrad<Parts<'t, T>> {
        Rgrad(one(fisher(only(x), only(x).hadamard(only(g.0)))))
    }
    fn ehess_to_rhess<'t>(
        &self,
        x: &[Var<'t, T>],
        g: Egrad<&[Var<'t, T>]>,
        h: &[Var<'t, T>],
        u: &[Var<'t, T>],
    ) -> Parts<'t, T> {
        let (x, g, u) = (only(x), only(g.0), only(u).times(0.5));
        let bent = u.hadamard(g - normal(x, x.hadamard(g)));
        one(fisher(x, x.hadamard(only(h)) + bent))
    }
    fn retract<'t>(&self, x: &[Var<'t, T>], v: &[Var<'t, T>]) -> Parts<'t, T> {
        let (x, z) = (only(x), only(v).elem_div(only(x)));
        one(match self.retraction {
            // ln sigmoid z = -softplus(-z); the constant does not matter to the scaling.
            StochasticRetraction::Logistic => sinkhorn(x.ln() - z.times(-1.0).softplus().times(2.0)),
            StochasticRetraction::Multiplicative => sinkhorn(x.ln() + z),
        })
    }
    fn retraction_order(&self) -> usize {
        if self.retraction == StochasticRetraction::Logistic { 2 } else { 1 }
    }
    fn inverse_retract<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        let (x, y) = (only(x), only(y));
        match self.retraction {
            StochasticRetraction::Logistic => None,
            StochasticRetraction::Multiplicative => Some(one(fisher(x, x.hadamard(ln_ratio(x, y, y - x))))),
        }
    }
    fn transport<'t>(&self, _: &[Var<'t, T>], _: &[Var<'t, T>], u: &[Var<'t, T>]) -> Parts<'t, T> {
        one(only(u))
    }
    fn reproject<'t>(&self, x: &[Var<'t, T>]) -> Parts<'t, T> {
        one(sinkhorn(only(x).ln()))
    }
    /// `e^z` for Gaussian `z`, scaled.
    fn random_point(&self, batch: usize, rng: &mut dyn Rng) -> Vec<Batch<T>> {
        let z: Batch<T> = gaussian(Shape::batch(batch, self.n, self.n), rng);
        vec![sinkhorn(Tape::plain().constant(&z)).value()]
    }
    /// The Fisher projection of `X o z / 2` for Gaussian `z`: no entry is changed by much more than itself.
    fn random_tangent(&self, x: &[Batch<T>], rng: &mut dyn Rng) -> Result<Vec<Batch<T>>> {
        shaped::<T>(self, &[x])?;
        let z: Batch<T> = gaussian(x[0].shape(), rng);
        crate::numbers::apply(&[x, &[z]], &mut |l| one(fisher(l[0][0], l[0][0].hadamard(l[1][0]).times(0.5))))
    }
    fn check_point(&self, x: &[Batch<T>]) -> Result<()> {
        shaped(self, &[x])?;
        verdicts::positive::<T>(self, "X > 0", &verdicts::smallest(&x[0]))?;
        let tolerance = 2.0 * residuals::tolerance::<T>(self.n);
        holds_at::<T>(self, "X 1 = 1", &verdicts::sums(&x[0], false, 1.0), tolerance)?;
        holds_at::<T>(self, "X^T 1 = 1", &verdicts::sums(&x[0], true, 1.0), tolerance)
    }
    fn check_tangent(&self, x: &[Batch<T>], u: &[Batch<T>]) -> Result<()> {
        shaped(self, &[x, u])?;
        let tolerance = residuals::tolerance::<T>(self.n);
        holds_for(self, "U 1 = 0", &verdicts::sums(&u[0], false, 0.0), &u[0], tolerance)?;
        holds_for(self, "U^T 1 = 0", &verdicts::sums(&u[0], true, 0.0), &u[0], tolerance)
    }
}
