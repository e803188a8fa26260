//! The Grassmann manifold: subspaces of dimension `p` of `R^n`, each given by an orthonormal basis `X` (`n x p`,
//! `X'X = I`).
//!
//! Two bases `X` and `XQ` of one subspace are one point. Tangents are horizontal, `X'U = 0`, with the inner product
//! `tr U'V` (Edelman, Arias & Smith, *The Geometry of Algorithms with Orthogonality Constraints*, 1998, 2.5; Absil,
//! Mahony & Sepulchre, *Optimization Algorithms on Matrix Manifolds*, 2008, 3.6.2, 4.1.2, 8.1.3). With `Z = X + V`:
//!
//! - projection, and Riemannian from Euclidean gradient: `P_X(U) = U - X (X'U)`; cost 4np²;
//! - Hessian: `P_X(H[U] - U (X'G))` with the Euclidean gradient `G` and Hessian `H[U]`; cost 6np²;
//! - QR retraction: `R_X(V) = qf(Z)`, the factor with a positive diagonal of `R`. First order on bases, and second
//!   order on subspaces, as `span Z` is the same for both retractions; cost 4np²;
//! - polar retraction: `R_X(V) = Z (Z'Z)^(-1/2)`, second order. For horizontal `V` it is `Z (I + V'V)^(-1/2)`: the
//!   polar factor of `Z`, from a function of a symmetric `p x p` matrix whose derivatives exist at repeated singular
//!   values. No singular vector is ever differentiated. The program takes `Z'Z` and not `I + V'V`: equal in exact
//!   arithmetic, the first removes what rounding added to `X'X - I` while the second carries it on, and amplifies it
//!   along ascents; cost 4np² + 9p³;
//! - transport: projection at the new point.

use crate::manifold::{Manifold, Parts, gaussian, one, only};
use crate::{Error, Result, check};
use pullback::{Batch, Scalar, Shape, Tape, Var};
use pullback_check::Space;
use rand::Rng;
use smallvec::{SmallVec, smallvec};

/// How a step along a tangent comes back to the manifold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Retraction {
    /// The orthonormal factor of `X + V`: the cheaper one.
    Qr,
    /// The polar factor of `X + V`: the basis of that subspace nearest to `X + V`. The default.
    #[default]
    Polar,
}

/// Subspaces of dimension `p` of `R^n`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grassmann {
    n: usize,
    p: usize,
    retraction: Retraction,
}

impl Grassmann {
    /// Subspaces of dimension `p` of `R^n`, with the polar retraction.
    ///
    /// # Panics
    /// If `p > n` or `p = 0`.
    #[track_caller]
    pub fn new(n: usize, p: usize) -> Self {
        assert!(0 < p && p <= n, "Grassmann: subspaces of dimension {p} of R^{n} do not exist; 0 < p <= n is needed");
        Grassmann { n, p, retraction: Retraction::default() }
    }

    /// The same space with another retraction.
    #[must_use]
    pub fn with(self, retraction: Retraction) -> Self {
        Grassmann { retraction, ..self }
    }

    /// The squared chordal distance of each member, the sum of the squared sines of the principal angles:
    /// `|Y - X X'Y|²`.
    ///
    /// Smooth everywhere, and exact to rounding where the subspaces nearly agree. Cost 4np².
    #[track_caller]
    #[must_use]
    pub fn chordal_distance_squared<'t, T: Scalar>(&self, x: Var<'t, T>, y: Var<'t, T>) -> Var<'t, T> {
        let apart = project(x, y);
        apart.dot(apart)
    }

    fn shape(&self) -> Shape {
        Shape::mat(self.n, self.p)
    }

    fn check<T: Scalar>(&self, x: &[Batch<T>]) -> Result<()> {
        check::shapes(&|| Manifold::<T>::name(self), &[self.shape()], x)
    }
}

fn project<'t, T: Scalar>(x: Var<'t, T>, u: Var<'t, T>) -> Var<'t, T> {
    u.add_mul(-1.0, x, x.t_mul(u))
}

impl<T: Scalar> Manifold<T> for Grassmann {
    fn name(&self) -> String {
        format!("Gr({}, {})", self.n, self.p)
    }
    fn claims(&self) -> Option<&dyn Space<T>> {
        Some(self)
    }
    fn shapes(&self) -> SmallVec<[Shape; 2]> {
        smallvec![self.shape()]
    }
    fn dim(&self) -> usize {
        self.p * (self.n - self.p)
    }
    fn inner<'t>(&self, _: &[Var<'t, T>], u: &[Var<'t, T>], v: &[Var<'t, T>]) -> Var<'t, T> {
        only(u).dot(only(v))
    }
    fn project<'t>(&self, x: &[Var<'t, T>], u: &[Var<'t, T>]) -> Parts<'t, T> {
        one(project(only(x), only(u)))
    }
    fn egrad_to_rgrad<'t>(&self, x: &[Var<'t, T>], g: &[Var<'t, T>]) -> Parts<'t, T> {
        one(project(only(x), only(g)))
    }
    fn ehess_to_rhess<'t>(
        &self,
        x: &[Var<'t, T>],
        g: &[Var<'t, T>],
        h: &[Var<'t, T>],
        u: &[Var<'t, T>],
    ) -> Parts<'t, T> {
        let (x, g, h, u) = (only(x), only(g), only(h), only(u));
        one(project(x, h.add_mul(-1.0, u, x.t_mul(g))))
    }
    fn retract<'t>(&self, x: &[Var<'t, T>], v: &[Var<'t, T>]) -> Parts<'t, T> {
        let z = only(x) + only(v);
        one(match self.retraction {
            Retraction::Qr => z.qr().0,
            Retraction::Polar => z * z.t_mul(z).invsqrtm_spd(),
        })
    }
    fn random_point(&self, batch: usize, rng: &mut dyn Rng) -> Vec<Batch<T>> {
        let z = gaussian(Shape { batch, ..self.shape() }, rng);
        vec![Tape::plain().constant(&z).qr().0.value()]
    }
    fn random_tangent(&self, x: &[Batch<T>], rng: &mut dyn Rng) -> Result<Vec<Batch<T>>> {
        self.check(x)?;
        let tape = Tape::plain();
        let u = gaussian(x[0].shape(), rng);
        Ok(vec![project(tape.constant(&x[0]), tape.constant(&u)).value()])
    }
    fn check_point(&self, x: &[Batch<T>]) -> Result<()> {
        self.check(x)?;
        let tolerance = check::tolerance::<T>(self.n);
        match worst(&check::gram_residual(&x[0], &x[0], 1.0), |_| tolerance) {
            None => Ok(()),
            Some((member, residual, tolerance)) => {
                let (manifold, equation) = (Manifold::<T>::name(self), "X'X = I");
                Err(Error::NotAPoint { manifold, member, equation, residual, tolerance })
            }
        }
    }
    fn check_tangent(&self, x: &[Batch<T>], u: &[Batch<T>]) -> Result<()> {
        self.check(x)?;
        self.check(u)?;
        let each = self.n * self.p;
        let size = |b: usize| u[0].data()[b * each..(b + 1) * each].iter().fold(0.0f64, |m, v| m.max(v.f64().abs()));
        // What projection leaves is relative to the ambient vector it was given, which may be far longer than its
        // tangent part.
        let tolerance = |b: usize| check::tolerance::<T>(self.n) * (1.0 + size(b));
        match worst(&check::gram_residual(&x[0], &u[0], 0.0), tolerance) {
            None => Ok(()),
            Some((member, residual, tolerance)) => {
                let (manifold, equation) = (Manifold::<T>::name(self), "X'U = 0");
                Err(Error::NotTangent { manifold, member, equation, residual, tolerance })
            }
        }
    }
}

/// The first member whose residual rounding does not explain.
fn worst(residuals: &[f64], tolerance: impl Fn(usize) -> f64) -> Option<(usize, f64, f64)> {
    residuals.iter().enumerate().map(|(b, &r)| (b, r, tolerance(b))).find(|(_, r, t)| r > t || r.is_nan())
}
