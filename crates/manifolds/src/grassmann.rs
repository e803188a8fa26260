//! The Grassmann manifold: subspaces of dimension `p` of `R^n`, each given by an orthonormal basis `X` (`n x p`,
//! `X^T X = I`).
//!
//! Two bases `X` and `XQ` of one subspace are one point. Tangents are horizontal, `X^T U = 0`, with the inner product
//! `tr U^T V` (Edelman, Arias & Smith, *The Geometry of Algorithms with Orthogonality Constraints*, 1998, 2.5; Absil,
//! Mahony & Sepulchre, *Optimization Algorithms on Matrix Manifolds*, 2008, 3.6.2, 4.1.2, 8.1.3). With `Z = X + V`:
//!
//! - projection, and Riemannian from Euclidean gradient: `P_X(U) = U - X (X^T U)`; cost 4np²;
//! - Hessian: `P_X(H[U] - U (X^T G))` with the Euclidean gradient `G` and Hessian `H[U]`; cost 6np²;
//! - QR retraction: `R_X(V) = qf(Z)`, the factor with a positive diagonal of `R`. First order on bases, and second
//!   order on subspaces, as `span Z` is the same for both retractions; cost 4np²;
//! - polar retraction: `R_X(V) = Z (Z^T Z)^(-1/2)`, second order. For horizontal `V` it is `Z (I + V^T V)^(-1/2)`: the
//!   polar factor of `Z`, from a function of a symmetric `p x p` matrix whose derivatives exist at repeated singular
//!   values. No singular vector is ever differentiated. The program takes `Z^T Z` and not `I + V^T V`: equal in exact
//!   arithmetic, the first removes what rounding added to `X^T X - I` while the second carries it on, and amplifies it
//!   along ascents; cost 4np² + 9p³;
//! - transport: projection at the new point.

use crate::matrices::{holds_at, holds_for, one, only, shaped};
use crate::{Another, Egrad, Manifold, Parts, Result, Shapes, gaussian, residuals};
use pullback::{Batch, Scalar, Shape, Tape, Var};
use rand::Rng;
use smallvec::smallvec;

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
    /// `|Y - X X^T Y|²`.
    ///
    /// Smooth everywhere, and exact to rounding where the subspaces nearly agree. Cost 4np².
    #[track_caller]
    #[must_use]
    pub fn chordal_distance_squared<'t, T: Scalar>(&self, x: Var<'t, T>, y: Var<'t, T>) -> Var<'t, T> {
        let apart = project(x, y);
        apart.dot(apart)
    }
}

pullback_geometry::words!(Grassmann);

fn project<'t, T: Scalar>(x: Var<'t, T>, u: Var<'t, T>) -> Var<'t, T> {
    u.add_mul(-1.0, x, x.t_mul(u))
}

impl<T: Scalar> Manifold<T> for Grassmann {
    fn name(&self) -> String {
        format!("Gr({}, {})", self.n, self.p)
    }
    fn shapes(&self) -> Shapes {
        smallvec![Shape::mat(self.n, self.p)]
    }
    fn dim(&self) -> usize {
        self.p * (self.n - self.p)
    }
    fn project<'t>(&self, x: &[Var<'t, T>], u: &[Var<'t, T>]) -> Parts<'t, T> {
        one(project(only(x), only(u)))
    }
    fn ehess_to_rhess<'t>(
        &self,
        x: &[Var<'t, T>],
        g: Egrad<&[Var<'t, T>]>,
        h: &[Var<'t, T>],
        u: &[Var<'t, T>],
    ) -> Parts<'t, T> {
        let (x, g, h, u) = (only(x), only(g.0), only(h), only(u));
        one(project(x, h.add_mul(-1.0, u, x.t_mul(g))))
    }
    fn retract<'t>(&self, x: &[Var<'t, T>], v: &[Var<'t, T>]) -> Parts<'t, T> {
        let z = only(x) + only(v);
        one(match self.retraction {
            Retraction::Qr => z.qr().0,
            Retraction::Polar => z * z.t_mul(z).invsqrtm_spd(),
        })
    }
    /// Both retractions, on subspaces.
    fn retraction_order(&self) -> usize {
        2
    }
    fn random_point(&self, batch: usize, rng: &mut dyn Rng) -> Vec<Batch<T>> {
        let z: Batch<T> = gaussian(Shape::batch(batch, self.n, self.p), rng);
        vec![Tape::plain().constant(&z).qr().0.value()]
    }
    fn check_point(&self, x: &[Batch<T>]) -> Result<()> {
        shaped(self, &[x])?;
        holds_at::<T>(
            self,
            "X^T X = I",
            &residuals::gram_residual(&x[0], &x[0], 1.0),
            residuals::tolerance::<T>(self.n),
        )
    }
    fn check_tangent(&self, x: &[Batch<T>], u: &[Batch<T>]) -> Result<()> {
        shaped(self, &[x, u])?;
        let residual = residuals::gram_residual(&x[0], &u[0], 0.0);
        holds_for(self, "X^T U = 0", &residual, &u[0], residuals::tolerance::<T>(self.n))
    }
    fn apart<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Var<'t, T> {
        self.chordal_distance_squared(x[0], y[0]).sum()
    }
    /// Another basis of the same subspace.
    fn another(&self, x: &[Batch<T>], tangents: &[Vec<Batch<T>>], rng: &mut dyn Rng) -> Option<Another<T>> {
        let tape = Tape::plain();
        let q = tape.constant(&gaussian::<T>(Shape::mat(self.p, self.p), rng)).qr().0;
        let turned = |b: &Batch<T>| (tape.constant(b) * q).value();
        Some((vec![turned(&x[0])], tangents.iter().map(|u| vec![turned(&u[0])]).collect()))
    }
    /// `tr X^T A X + tr X^T B X X^T C X`, a function of the projector.
    fn cost<'t>(&self, x: &[Var<'t, T>], rng: &mut dyn Rng) -> Var<'t, T> {
        let x = x[0];
        let n = x.rows();
        let mut matrix = || x.tape().constant(&gaussian::<T>(Shape::mat(n, n), rng));
        let (a, b, c) = (matrix(), matrix(), matrix());
        let quartic = x.t_mul(b * x) * x.t_mul(c * x);
        x.t_mul(a * x).trace().sum() + quartic.trace().sum()
    }
}
