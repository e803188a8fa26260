//! Probabilities: positive vectors of sum 1 with the Fisher metric `sum u_i v_i / x_i`, the only one (up to a factor)
//! that sufficient statistics keep (Čencov). Tangents have sum 0.
//!
//! `s = sqrt x` is a unit vector with positive entries, and `u = 2 s w` for its velocity `w`, so the metric is
//! `4 <w, w>`: the simplex is the positive part of a sphere of radius 2 (Amari & Nagaoka, *Methods of Information
//! Geometry*, 2000, section 2.5). Everything is read off from the sphere; each operation costs a few n.
//!
//! - gradient `x G - (x.G) x`; Hessian, from the one of the sphere, `P(x H + u G / 2) - u (x.G) / 2` with
//!   `P(z) = z - x sum z`;
//! - exponential: `s cos|w| + w sin|w|/|w|`, squared. It must stay positive, and says so where it does not: the
//!   boundary is at finite distance;
//! - logarithm: with `d = sqrt y - sqrt x = (y - x)/(sqrt y + sqrt x)` and `q = |d|²/4 = sin²(a/2)` for the angle `a`,
//!   `w = (a / sin a) (d + 2 q s)`, as `sqrt y - s cos a = d + (1 - cos a) s`. `a / sin a` is a smooth function of `q`,
//!   and `a < pi/2`: there is no cut locus. Distance `2a`, exact where the points are close;
//! - parallel transport: of the sphere, `w - (s + r)(r.w)/(1 + s.r)` for `r = sqrt y`; curvature `1/4`;
//! - retractions. *Logistic*: `x (2 / (1 + e^(-v/x)))²`, normalised: positive for every `v`, grows with `v`, and of
//!   second order: with `z = v/x` the factor is `1 + z + z²/4 + O(z^4)`, so the curve starts with the acceleration
//!   `v²/(2x)`, up to a multiple of `x`, which is normal; that of the exponential is `2 w² + 2 s s''` with
//!   `2 w² = v²/(2x)`. *Multiplicative*: `x e^(v/x)`, normalised, what multiplicative weights and softmax do; of first
//!   order (its acceleration is twice as large; it is a geodesic of another connection), with the inverse
//!   `x (l - x.l)`, `l = ln(y/x)`. *Exponential*, where the domain allows it.

use crate::matrices::{holds_at, holds_for, one, only, shaped};
use crate::scalars::{Times, arc, ln_ratio};
use crate::{Egrad, Manifold, Parts, Result, Rgrad, Shapes, gaussian, residuals, verdicts};
use pullback::{Batch, Scalar, Shape, Tape, Var};
use rand::Rng;
use smallvec::smallvec;

/// The retractions of [`Simplex`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum SimplexRetraction {
    /// `x (2 sigmoid(v/x))²`, normalised: second order, defined everywhere. The default. No closed-form inverse.
    #[default]
    Logistic,
    /// `x e^(v/x)`, normalised: first order, defined everywhere, with an inverse.
    Multiplicative,
    /// The exponential of the Fisher metric: fails beyond the boundary.
    Exponential,
}

/// Positive vectors of `n` entries and sum 1.
///
/// ```
/// use pullback_manifolds::Simplex;
/// use pullback::faer::mat;
///
/// let (x, y) = (mat![[0.5], [0.5]], mat![[0.25], [0.75]]);
/// // Twice the angle between the vectors of square roots.
/// let d = Simplex::new(2).dist(&x, &y)?;
/// assert!((d - 2.0 * (std::f64::consts::FRAC_PI_3 - std::f64::consts::FRAC_PI_4)).abs() < 1e-15);
/// # Ok::<(), pullback_manifolds::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Simplex {
    n: usize,
    retraction: SimplexRetraction,
}

impl Simplex {
    /// Probabilities of `n` events.
    ///
    /// # Panics
    /// If `n = 0`.
    #[track_caller]
    pub fn new(n: usize) -> Self {
        assert!(n > 0, "Simplex: expected at least one probability, got n = 0");
        Simplex { n, retraction: SimplexRetraction::default() }
    }

    /// The same space with another retraction.
    #[must_use]
    pub fn with(self, retraction: SimplexRetraction) -> Self {
        Simplex { retraction, ..self }
    }
}

pullback_geometry::words!(Simplex);

/// `(2 / (1 + e^-z))²`
fn logistic<T: Scalar>(z: Var<'_, T>) -> Var<'_, T> {
    let s = z.sigmoid();
    s.hadamard(s).times(4.0)
}

/// `z - x sum z`
fn centred<'t, T: Scalar>(x: Var<'t, T>, z: Var<'t, T>) -> Var<'t, T> {
    z - x.hadamard(z.sum_each())
}

/// `sqrt y - sqrt x` and `sin²(a/2)`.
fn chord<'t, T: Scalar>(x: Var<'t, T>, y: Var<'t, T>) -> (Var<'t, T>, Var<'t, T>) {
    let d = (y - x).elem_div(y.sqrt() + x.sqrt());
    (d, d.dot(d).times(0.25))
}

fn exponential<'t, T: Scalar>(x: Var<'t, T>, v: Var<'t, T>) -> Var<'t, T> {
    let s = x.sqrt();
    let w = v.elem_div(s).times(0.5);
    let q = w.dot(w);
    let r = s.hadamard(q.stumpff(0)) + w.hadamard(q.stumpff(1));
    let r = r.where_positive(r, "the geodesic stays within the simplex");
    r.hadamard(r)
}

fn normalised<T: Scalar>(y: Var<'_, T>) -> Var<'_, T> {
    y.elem_div(y.sum_each())
}

impl<T: Scalar> Manifold<T> for Simplex {
    fn name(&self) -> String {
        format!("Simplex({})", self.n)
    }
    fn shapes(&self) -> Shapes {
        smallvec![Shape::mat(self.n, 1)]
    }
    fn dim(&self) -> usize {
        self.n - 1
    }
    /// A quarter of the circumference of the sphere of radius 2, halved: about the distance of a corner from the
    /// centre.
    fn typical_distance(&self) -> f64 {
        std::f64::consts::FRAC_PI_2
    }
    fn inner<'t>(&self, x: &[Var<'t, T>], u: &[Var<'t, T>], v: &[Var<'t, T>]) -> Var<'t, T> {
        only(u).elem_div(only(x)).dot(only(v))
    }
    fn project<'t>(&self, _: &[Var<'t, T>], u: &[Var<'t, T>]) -> Parts<'t, T> {
        let u = only(u);
        one(u - u.sum_each().times(1.0 / self.n as f64))
    }
    fn egrad_to_rgrad<'t>(&self, x: &[Var<'t, T>], g: Egrad<&[Var<'t, T>]>) -> Rgrad<Parts<'t, T>> {
        Rgrad(one(centred(only(x), only(x).hadamard(only(g.0)))))
    }
    fn ehess_to_rhess<'t>(
        &self,
        x: &[Var<'t, T>],
        g: Egrad<&[Var<'t, T>]>,
        h: &[Var<'t, T>],
        u: &[Var<'t, T>],
    ) -> Parts<'t, T> {
        let (x, g, u) = (only(x), only(g.0), only(u).times(0.5));
        one(centred(x, x.hadamard(only(h)) + u.hadamard(g)) - u.hadamard(x.dot(g)))
    }
    fn retract<'t>(&self, x: &[Var<'t, T>], v: &[Var<'t, T>]) -> Parts<'t, T> {
        let (x, v) = (only(x), only(v));
        one(match self.retraction {
            SimplexRetraction::Logistic => normalised(x.hadamard(logistic(v.elem_div(x)))),
            SimplexRetraction::Multiplicative => (x.ln() + v.elem_div(x)).column_softmax(),
            SimplexRetraction::Exponential => exponential(x, v),
        })
    }
    fn retraction_order(&self) -> usize {
        if self.retraction == SimplexRetraction::Multiplicative { 1 } else { 2 }
    }
    fn inverse_retract<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        match self.retraction {
            SimplexRetraction::Logistic => None,
            SimplexRetraction::Multiplicative => {
                let (x, y) = (only(x), only(y));
                Some(one(centred(x, x.hadamard(ln_ratio(x, y, y - x)))))
            }
            SimplexRetraction::Exponential => Manifold::log(self, x, y),
        }
    }
    fn transport<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>], u: &[Var<'t, T>]) -> Parts<'t, T> {
        let (s, r) = (only(x).sqrt(), only(y).sqrt());
        let w = only(u).elem_div(s);
        let along = r.dot(w).elem_div(s.dot(r).plus(1.0));
        one(r.hadamard(w - (s + r).hadamard(along)))
    }
    fn transport_is_isometric(&self) -> bool {
        true
    }
    fn exp<'t>(&self, x: &[Var<'t, T>], v: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        Some(one(exponential(only(x), only(v))))
    }
    fn log<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        let (s, (d, q)) = (only(x).sqrt(), chord(only(x), only(y)));
        let w = (d + s.hadamard(q.times(2.0))).hadamard(arc(q));
        Some(one(s.hadamard(w).times(2.0)))
    }
    fn dist2<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Var<'t, T>> {
        // sin² a = 4 q (1 - q), and the distance is 2a.
        let (_, q) = chord(only(x), only(y));
        let g = arc(q);
        Some((q - q.hadamard(q)).hadamard(g.hadamard(g)).times(16.0))
    }
    fn parallel_transport<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>], u: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        Some(Manifold::transport(self, x, y, u))
    }
    fn curvature<'t>(
        &self,
        x: &[Var<'t, T>],
        u: &[Var<'t, T>],
        v: &[Var<'t, T>],
        w: &[Var<'t, T>],
    ) -> Option<Parts<'t, T>> {
        let (vw, uw) = (Manifold::inner(self, x, v, w), Manifold::inner(self, x, u, w));
        Some(one((only(u).hadamard(vw) - only(v).hadamard(uw)).times(0.25)))
    }
    fn reproject<'t>(&self, x: &[Var<'t, T>]) -> Parts<'t, T> {
        one(normalised(only(x)))
    }
    /// `softmax z` for Gaussian `z`.
    fn random_point(&self, batch: usize, rng: &mut dyn Rng) -> Vec<Batch<T>> {
        let z: Batch<T> = gaussian(Shape::batch(batch, self.n, 1), rng);
        vec![Tape::plain().constant(&z).column_softmax().value()]
    }
    /// `x (z - x.z) / 2` for Gaussian `z`: no entry is changed by much more than itself.
    fn random_tangent(&self, x: &[Batch<T>], rng: &mut dyn Rng) -> Result<Vec<Batch<T>>> {
        shaped::<T>(self, &[x])?;
        let z: Batch<T> = gaussian(x[0].shape(), rng);
        crate::numbers::apply(&[x, &[z]], &mut |l| one(centred(l[0][0], l[0][0].hadamard(l[1][0]).times(0.5))))
    }
    fn check_point(&self, x: &[Batch<T>]) -> Result<()> {
        shaped(self, &[x])?;
        verdicts::positive::<T>(self, "x > 0", &verdicts::smallest(&x[0]))?;
        holds_at::<T>(self, "sum x = 1", &verdicts::sums(&x[0], true, 1.0), residuals::tolerance::<T>(self.n))
    }
    fn check_tangent(&self, x: &[Batch<T>], u: &[Batch<T>]) -> Result<()> {
        shaped(self, &[x, u])?;
        holds_for(self, "sum u = 0", &verdicts::sums(&u[0], true, 0.0), &u[0], residuals::tolerance::<T>(self.n))
    }
}
