//! Hyperbolic space as a ball: `|x| < 1` with the metric `l² u.v`, `l = 2/(1 - |x|²)`, of curvature -1 (Ungar, *A
//! Gyrovector Space Approach to Hyperbolic Geometry*, 2009; Ganea, Bécigneul & Hofmann, *Hyperbolic neural networks*,
//! 2018).
//!
//! The metric is a multiple of the Euclidean one at each point, so with `grad ln l = l x`
//!
//! - gradient `G / l²`; Hessian `H / l² + ((G.x) u - (x.u) G - (u.G) x) / l`: the derivative of the gradient along `u`,
//!   `H / l² - 2 (x.u) G / l`, and the connection's `(u.lx) g + (g.lx) u - (u.g) l x` for `g = G / l²`;
//! - exponential: `x (+) z` with `z = tanh(l|v|/2) v/|v|` and Möbius addition
//!   `x (+) z = ((1 + 2 x.z + |z|²) x + (1 - |x|²) z) / (1 + 2 x.z + |x|²|z|²)`. `tanh r / r` is a quotient of entire
//!   functions of `r²`. It is the retraction;
//! - distance `2 asinh sqrt q`, `q = |y - x|² / ((1 - |x|²)(1 - |y|²))`, its square `4 q (1 + q) (d / sinh d)²`, smooth
//!   and exact where the points are close (the form with `acosh` returns 0 at a separation of 1e-9);
//! - logarithm: `(2/l) atanh|w| w/|w|`, `w = (-x) (+) y`. With `d = y - x` the numerator of `w` is
//!   `(1 - |x|²) d - |d|² x` and the denominator `|d|² + (1 - |x|²)(1 - |y|²)`, whence `|w|² = q/(1 + q)` and
//!   `atanh|w|/|w| = (1 + q)(d / sinh d)`; so `(d / sinh d)((1 - |x|²) d - |d|² x)/(1 - |y|²)`, where nothing cancels;
//! - parallel transport `(l_x/l_y) gyr[y, -x] u`, with the rotation
//!   `gyr[a, b] u = u + 2 (A a + B b)/(1 + 2 a.b + |a|²|b|²)`, `A = b.u + 2 (a.b)(b.u) - (a.u)|b|²`,
//!   `B = -(a.u) - (b.u)|a|²`; an isometry; curvature `-(<v, w> u - <u, w> v)`.
//!
//! All exist everywhere. Each costs a few n. The ball ends in rounding where `1 - |x|²` does, at a distance of about 37
//! from the centre (18 in single precision); a point there is an error.

use crate::matrices::{one, only, shaped};
use crate::scalars::{Times, arc};
use crate::{Egrad, Manifold, Parts, Result, Rgrad, Shapes, gaussian, verdicts};
use pullback::{Axis, Batch, Scalar, Shape, Tape, Var};
use rand::Rng;
use smallvec::smallvec;

/// Hyperbolic space of dimension `n` as the unit ball of `R^n`.
///
/// ```
/// use pullback_manifolds::PoincareBall;
/// use pullback::faer::mat;
///
/// // The distance from the centre is 2 atanh of the radius.
/// let d = PoincareBall::new(2).dist(&mat![[0.0], [0.0]], &mat![[0.5], [0.0]])?;
/// assert!((d - 3f64.ln()).abs() < 1e-15);
/// # Ok::<(), pullback_manifolds::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoincareBall {
    n: usize,
}

impl PoincareBall {
    /// Hyperbolic space of dimension `n`.
    ///
    /// # Panics
    /// If `n = 0`.
    #[track_caller]
    pub fn new(n: usize) -> Self {
        assert!(n > 0, "PoincareBall: expected a dimension of at least 1, got 0");
        PoincareBall { n }
    }

    /// The same point on the hyperboloid, an isometry to [`Lorentz`](crate::Lorentz): `(1 + |x|², 2x)/(1 - |x|²)`.
    #[track_caller]
    #[must_use]
    pub fn to_hyperboloid<'t, T: Scalar>(&self, x: Var<'t, T>) -> Var<'t, T> {
        let r2 = x.dot(x);
        Var::concat(&[r2.plus(1.0), x.times(2.0)], Axis::Rows).elem_div(margin(x))
    }
}

pullback_geometry::words!(PoincareBall);

/// `1 - |x|²`, which is `2/l`.
fn margin<T: Scalar>(x: Var<'_, T>) -> Var<'_, T> {
    let m = x.dot(x).times(-1.0).plus(1.0);
    m.where_positive(m, "|x| < 1, to rounding")
}

/// `x (+) z`
fn moebius<'t, T: Scalar>(x: Var<'t, T>, z: Var<'t, T>) -> Var<'t, T> {
    let (xx, zz, xz) = (x.dot(x), z.dot(z), x.dot(z).times(2.0).plus(1.0));
    let y = x.hadamard(xz + zz) + z.hadamard(margin(x));
    y.elem_div(xz + xx.hadamard(zz))
}

fn exponential<'t, T: Scalar>(x: Var<'t, T>, v: Var<'t, T>) -> Var<'t, T> {
    // r v/|v| = v / (1 - |x|²) for r = l|v|/2.
    let z = v.elem_div(margin(x));
    let t = z.dot(z).times(-1.0);
    moebius(x, z.hadamard(t.stumpff(1).elem_div(t.stumpff(0))))
}

/// `y - x`, `1 - |x|²`, `1 - |y|²`, `sinh²(d/2)`.
fn chord<'t, T: Scalar>(x: Var<'t, T>, y: Var<'t, T>) -> [Var<'t, T>; 4] {
    let (d, a, b) = (y - x, margin(x), margin(y));
    [d, a, b, d.dot(d).elem_div(a.hadamard(b))]
}

/// `gyr[a, b] u`
fn gyration<'t, T: Scalar>(a: Var<'t, T>, b: Var<'t, T>, u: Var<'t, T>) -> Var<'t, T> {
    let (aa, bb, ab, au, bu) = (a.dot(a), b.dot(b), a.dot(b), a.dot(u), b.dot(u));
    let along_a = bu + ab.hadamard(bu).times(2.0) - au.hadamard(bb);
    let along_b = (au + bu.hadamard(aa)).times(-1.0);
    let below = ab.times(2.0).plus(1.0) + aa.hadamard(bb);
    u + (a.hadamard(along_a) + b.hadamard(along_b)).times(2.0).elem_div(below)
}

fn parallel<'t, T: Scalar>(x: Var<'t, T>, y: Var<'t, T>, u: Var<'t, T>) -> Var<'t, T> {
    gyration(y, x.times(-1.0), u).hadamard(margin(y).elem_div(margin(x)))
}

impl<T: Scalar> Manifold<T> for PoincareBall {
    fn name(&self) -> String {
        format!("PoincareBall({})", self.n)
    }
    fn shapes(&self) -> Shapes {
        smallvec![Shape::mat(self.n, 1)]
    }
    fn dim(&self) -> usize {
        self.n
    }
    fn inner<'t>(&self, x: &[Var<'t, T>], u: &[Var<'t, T>], v: &[Var<'t, T>]) -> Var<'t, T> {
        let m = margin(only(x));
        only(u).dot(only(v)).elem_div(m.hadamard(m)).times(4.0)
    }
    fn project<'t>(&self, _: &[Var<'t, T>], u: &[Var<'t, T>]) -> Parts<'t, T> {
        one(only(u))
    }
    fn egrad_to_rgrad<'t>(&self, x: &[Var<'t, T>], g: Egrad<&[Var<'t, T>]>) -> Rgrad<Parts<'t, T>> {
        let m = margin(only(x));
        Rgrad(one(only(g.0).hadamard(m.hadamard(m).times(0.25))))
    }
    fn ehess_to_rhess<'t>(
        &self,
        x: &[Var<'t, T>],
        g: Egrad<&[Var<'t, T>]>,
        h: &[Var<'t, T>],
        u: &[Var<'t, T>],
    ) -> Parts<'t, T> {
        let (x, g, u, m) = (only(x), only(g.0), only(u), margin(only(x)).times(0.5));
        let bent = u.hadamard(g.dot(x)) - g.hadamard(x.dot(u)) - x.hadamard(u.dot(g));
        one((only(h).hadamard(m) + bent).hadamard(m))
    }
    fn retract<'t>(&self, x: &[Var<'t, T>], v: &[Var<'t, T>]) -> Parts<'t, T> {
        one(exponential(only(x), only(v)))
    }
    fn retraction_order(&self) -> usize {
        2
    }
    fn inverse_retract<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        Manifold::log(self, x, y)
    }
    fn transport<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>], u: &[Var<'t, T>]) -> Parts<'t, T> {
        one(parallel(only(x), only(y), only(u)))
    }
    fn transport_is_isometric(&self) -> bool {
        true
    }
    fn exp<'t>(&self, x: &[Var<'t, T>], v: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        Some(one(exponential(only(x), only(v))))
    }
    fn log<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        let x = only(x);
        let [d, a, b, q] = chord(x, only(y));
        let w = d.hadamard(a) - x.hadamard(d.dot(d));
        Some(one(w.hadamard(arc(q.times(-1.0)).elem_div(b))))
    }
    fn dist2<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Var<'t, T>> {
        let [.., q] = chord(only(x), only(y));
        let g = arc(q.times(-1.0));
        Some((q + q.hadamard(q)).hadamard(g.hadamard(g)).times(4.0))
    }
    fn parallel_transport<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>], u: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        Some(one(parallel(only(x), only(y), only(u))))
    }
    fn curvature<'t>(
        &self,
        x: &[Var<'t, T>],
        u: &[Var<'t, T>],
        v: &[Var<'t, T>],
        w: &[Var<'t, T>],
    ) -> Option<Parts<'t, T>> {
        let (vw, uw) = (Manifold::inner(self, x, v, w), Manifold::inner(self, x, u, w));
        Some(one(only(v).hadamard(uw) - only(u).hadamard(vw)))
    }
    /// The point itself: one that has reached the boundary is an error at its next use.
    fn reproject<'t>(&self, x: &[Var<'t, T>]) -> Parts<'t, T> {
        one(only(x))
    }
    /// The image of Gaussian space coordinates on the hyperboloid.
    fn random_point(&self, batch: usize, rng: &mut dyn Rng) -> Vec<Batch<T>> {
        let tape = Tape::plain();
        let s = tape.constant(&gaussian(Shape::batch(batch, self.n, 1), rng));
        vec![s.elem_div(s.dot(s).plus(1.0).sqrt().plus(1.0)).value()]
    }
    /// Gaussian, of unit variance in the metric.
    fn random_tangent(&self, x: &[Batch<T>], rng: &mut dyn Rng) -> Result<Vec<Batch<T>>> {
        shaped::<T>(self, &[x])?;
        let z: Batch<T> = gaussian(x[0].shape(), rng);
        crate::numbers::apply(&[x, &[z]], &mut |l| one(l[1][0].hadamard(margin(l[0][0]).times(0.5))))
    }
    fn check_point(&self, x: &[Batch<T>]) -> Result<()> {
        shaped(self, &[x])?;
        let norm2 = |b: usize| -> f64 { (0..self.n).map(|i| verdicts::entry(&x[0], b, i, 0).powi(2)).sum() };
        let margins: Vec<f64> = (0..x[0].shape().batch).map(|b| 1.0 - norm2(b)).collect();
        verdicts::positive::<T>(self, "1 - |x|² > 0", &margins)
    }
    fn check_tangent(&self, x: &[Batch<T>], u: &[Batch<T>]) -> Result<()> {
        shaped(self, &[x, u])
    }
}
