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
//! - inverse of both: `V = (Y - X A) A^(-1)` with `A = X^T Y`, for every basis `Y`; cost 6np² + p³;
//! - transport: projection at the new point, in the basis there that fits. A tangent at the subspace of `X` has the
//!   lift `U` at `X` and `UQ` at `XQ`. A method with memory that starts from `XQ` must see `UQ` wherever it saw `U`,
//!   and after a QR retraction from `XQ` the basis is not `YQ`. So `T(U) = P_Y(U) W^T`, where `Y^T X = W C` is the
//!   polar decomposition: `YW` is the basis nearest to `X`, `P_Y(U)` the lift there, and one at `Y` is that times
//!   `W^T`. Replace `X` by `XQ` and `Y` by `YS`: `W` becomes `S^T W Q`, and `T(UQ) = P_Y(U) Q Q^T W^T S = T(U) S`.
//!   After a polar retraction `W = I`; cost 4np² + 45p³.
//!
//! **Geodesics.** With `M = V^T V` and the Stumpff functions `c_m` (entire functions of a symmetric matrix; no singular
//! vector of `V` appears):
//!
//! - exponential: `X c_0(M) + V c_1(M)`. For `V = U S R^T` the formula of Edelman et al. (2.65) is
//!   `X R cos(S) R^T + U sin(S) R^T`, and `cos(S)` and `S^(-1) sin(S)` are even in `S`; cost 6np² + 13p³;
//! - logarithm: let `Y^T X = W C` and `Y* = YW`, so that `X^T Y* = C` is positive definite: `R cos(S) R^T` for the
//!   principal angles `S`. `B = Y* - XC` is then `U sin(S) R^T`, and `Z = B (I + C)^(-1) = U tan(S/2) R^T`, so that
//!   `log_X Y = 2 Z f(Z^T Z)` with `f(x) = atan(sqrt x) / sqrt x`, which is analytic on the whole range, 0 to 1: the
//!   formula is as good at equal points, at repeated angles and at right angles as anywhere. (Bendokat, Zimmermann &
//!   Absil, *A Grassmann manifold handbook*, 2024, 5.2, align `Y` in the same way and then take the singular value
//!   decomposition of `B`, whose derivatives do not exist at repeated angles.) Where an angle is a right one, there
//!   are several shortest geodesics: `OutsideDomain`; cost 10np² + 60p³;
//! - squared distance: the sum of the squared angles, `|2 E f(E^T E)|²` with `E = (Y - XA)(I + H)^(-1)`,
//!   `H = (A^T A)^(1/2)`: the `Z` of before in the basis `Y`. It needs no `W` and so exists everywhere. `H` is a block
//!   of the modulus of `[0 A; A^T 0]`, which is right at a singular `A`, where only its derivative does not exist
//!   (`NotDifferentiable`); cost 8np² + 80p³;
//! - parallel transport along the geodesic to `Y`: `(U - (X c_1(M) + V c_2(M)) V^T U) W^T` with `V = log_X Y`, which is
//!   (2.68) of Edelman et al. without singular vectors, brought from the basis `YW` to `Y`; cost 18np² + 75p³;
//! - curvature: `R(U, V) W = U V^T W - V U^T W + W V^T U - W U^T V`. The space is symmetric, so `R(u, v) w` is minus
//!   the double commutator of the matrices `[0 -B^T; B 0]` that tangents are at `X = [I; 0]`. For lines (`p = 1`) it is
//!   that of a unit sphere; cost 12np².
//!
//! Everything is isometric in exact arithmetic only where stated: the transport is not, the parallel transport is.

use crate::matrices::{holds_at, holds_for, number, one, only, shaped};
use crate::scalars::Times;
use crate::{Another, Egrad, Manifold, Parts, Result, Shapes, gaussian, residuals};
use pullback::{Axis, Batch, Scalar, Shape, SymFn, Tape, Var};
use rand::Rng;
use smallvec::smallvec;

/// The retractions of [`Grassmann`].
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
        assert!(
            0 < p && p <= n,
            "Grassmann: expected 0 < p <= n for subspaces of dimension p of R^n, got n = {n}, p = {p}"
        );
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

    /// The principal angles between two subspaces, a column of `p` numbers from the largest to the smallest, each
    /// between 0 and a right angle. Small ones and right ones are as exact as those between.
    ///
    /// Derivatives at repeated angles: as those of [`Var::svdvals`]. What is smooth there is
    /// [`dist2`](Grassmann::dist2). Cost 8np² + 90p³.
    #[track_caller]
    #[must_use]
    pub fn principal_angles<'t, T: Scalar>(&self, x: Var<'t, T>, y: Var<'t, T>) -> Var<'t, T> {
        half_tangents(x, y).svdvals().atan().times(2.0)
    }
}

pullback_geometry::words!(Grassmann);

fn project<'t, T: Scalar>(x: Var<'t, T>, u: Var<'t, T>) -> Var<'t, T> {
    u.add_mul(-1.0, x, x.t_mul(u))
}

/// Singular values of `X^T Y` that rounding cannot tell from 0, in units of `p` epsilon.
const RIGHT_ANGLE: f64 = 4.0;

/// `X^T Y`, where it is regular: at all other places there is neither a basis `YW` nearest to `X` nor a logarithm.
#[track_caller]
fn overlap<'t, T: Scalar>(x: Var<'t, T>, y: Var<'t, T>) -> Var<'t, T> {
    let a = x.t_mul(y);
    let p = a.cols();
    let smallest = a.stop_gradient().singular().values(p - 1..p);
    a.where_positive(
        smallest - number(a, RIGHT_ANGLE * p as f64 * T::EPS.f64()),
        "no direction of one subspace is orthogonal to the other (all principal angles below a right angle)",
    )
}

/// `f(M) = atan(sqrt M) / sqrt M`, times `2Z`, for `M = Z^T Z`: lengths `tan(s/2)` become `s`.
fn angles<'t, T: Scalar>(z: Var<'t, T>) -> Var<'t, T> {
    z.times(2.0) * z.t_mul(z).symmetric().map(SymFn::ATANC_SQRT)
}

/// `B (I + C)^(-1)` for a `C` between 0 and `I`.
fn halved<'t, T: Scalar>(b: Var<'t, T>, c: Var<'t, T>) -> Var<'t, T> {
    b * (c + c.tape().eye(c.cols())).spd().inverse()
}

/// `(log_X Y, W)` with the orthogonal factor of `Y^T X`.
#[track_caller]
fn log<'t, T: Scalar>(x: Var<'t, T>, y: Var<'t, T>) -> (Var<'t, T>, Var<'t, T>) {
    let (w, c) = overlap(y, x).polar();
    // (I - X X^T)(Y* - X) is B, without the cancellation of Y* - X C where the points are close.
    (angles(halved(project(x, y * w - x), c)), w)
}

/// The `E` of the squared distance: `tan(s/2)` are its singular values.
fn half_tangents<'t, T: Scalar>(x: Var<'t, T>, y: Var<'t, T>) -> Var<'t, T> {
    let a = x.t_mul(y);
    let p = a.cols();
    let zero = a.times(0.0);
    let (upper, lower) = (Var::concat(&[zero, a], Axis::Cols), Var::concat(&[a.t(), zero], Axis::Cols));
    let modulus = Var::concat(&[upper, lower], Axis::Rows).symmetric().map(SymFn::Abs);
    halved(project(x, y), modulus.slice(p, p, p, p))
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
    fn metric_is_ambient(&self) -> bool {
        true
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
    fn typical_distance(&self) -> f64 {
        (self.p as f64).sqrt()
    }
    fn inverse_retract<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        let (x, y) = (only(x), only(y));
        let a = overlap(x, y);
        Some(one(a.lu().solve_transpose(y.add_mul(-1.0, x, a).t()).t()))
    }
    fn transport<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>], u: &[Var<'t, T>]) -> Parts<'t, T> {
        let (x, y, u) = (only(x), only(y), only(u));
        one(project(y, u).mul_t(overlap(y, x).polar().0))
    }
    fn exp<'t>(&self, x: &[Var<'t, T>], v: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        let (x, v) = (only(x), only(v));
        let m = v.t_mul(v).symmetric();
        Some(one((x * m.map(SymFn::COS_SQRT)).add_mul(1.0, v, m.map(SymFn::SINC_SQRT))))
    }
    fn log<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        Some(one(log(only(x), only(y)).0))
    }
    fn dist2<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Var<'t, T>> {
        let v = angles(half_tangents(only(x), only(y)));
        Some(v.dot(v))
    }
    fn parallel_transport<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>], u: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        let (x, y, u) = (only(x), only(y), only(u));
        let (v, w) = log(x, y);
        let (m, along) = (v.t_mul(v).symmetric(), v.t_mul(u));
        let turned =
            u.add_mul(-1.0, x, m.map(SymFn::SINC_SQRT) * along).add_mul(-1.0, v, m.map(SymFn::COSC_SQRT) * along);
        Some(one(turned.mul_t(w)))
    }
    fn curvature<'t>(
        &self,
        _: &[Var<'t, T>],
        u: &[Var<'t, T>],
        v: &[Var<'t, T>],
        w: &[Var<'t, T>],
    ) -> Option<Parts<'t, T>> {
        let (u, v, w) = (only(u), only(v), only(w));
        let vu = v.t_mul(u);
        Some(one((u * v.t_mul(w)).add_mul(-1.0, v, u.t_mul(w)).add_mul(1.0, w, vu - vu.t())))
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
