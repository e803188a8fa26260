//! Hyperbolic space as a hyperboloid: `x` in `R^(n+1)` with `<x, x> = -1` and `x_0 > 0`, for the Lorentz product
//! `<x, y> = x^T J y`, `J = diag(-1, 1, .., 1)`. Tangents have `<x, u> = 0`; the metric is the Lorentz product,
//! positive on them; the curvature is -1 (Boumal, *An Introduction to Optimization on Smooth Manifolds*, 2023, 7.6).
//!
//! It is the sphere with other signs. With `P(z) = z + <x, z> x`, the projection that is orthogonal for the Lorentz
//! product (the ambient projection, orthogonal for the Euclidean one, takes `Jx (Jx)^T / |x|²` off instead):
//!
//! - gradient `P(J G)`: `<P(JG), v> = <JG, v> = G^T v`; Hessian `P(J H + (x^T G) u)`, as `<x, J G> = x^T G`;
//! - exponential `x cosh|v| + v sinh|v|/|v|`, entire functions of `<v, v>`; it is the retraction. The time coordinate
//!   is taken from the others, `sqrt(1 + |y_s|²)`, so that points never leave the hyperboloid;
//! - logarithm: with `q = <y - x, y - x>/4 = sinh²(d/2)`, `v = (d / sinh d)(y - x cosh d)` and `cosh d = 1 + 2q`, so
//!   `(d / sinh d)(y - x - 2 q x)`; `d / sinh d` is a smooth function of `q`. Distance `2 asinh sqrt q`, its square
//!   `4 q (1 + q) (d / sinh d)²`: exact where the points are close;
//! - parallel transport `u + <y, u>/(1 - <x, y>) (x + y)`, an isometry; curvature `-(<v, w> u - <u, w> v)`.
//!
//! All exist everywhere: there is no cut locus. Each costs a few n. Far from the origin `q` is a small difference of
//! squares of size `x_0²`, which is the model's: points at distance `r` from the origin keep `1e-16 e^(2r)` of it. The
//! ball ([`PoincareBall`](crate::PoincareBall)) does not cancel there, but ends at `r = 37`.

use crate::matrices::{one, only, shaped};
use crate::scalars::{Times, arc};
use crate::{Egrad, Manifold, Parts, Result, Rgrad, Shapes, gaussian, residuals, verdicts};
use pullback::{Axis, Batch, Scalar, Shape, Tape, Var};
use rand::Rng;
use smallvec::smallvec;

/// Hyperbolic space of dimension `n` as a hyperboloid in `R^(n+1)`, the time coordinate first.
///
/// ```
/// use pullback_manifolds::Lorentz;
/// use pullback::faer::mat;
///
/// // A step of length 2 from the origin.
/// let (o, v) = (mat![[1.0], [0.0], [0.0]], mat![[0.0], [2.0], [0.0]]);
/// let y = Lorentz::new(2).exp(&o, &v)?;
/// assert!((y - mat![[2f64.cosh()], [2f64.sinh()], [0.0]]).norm_max() < 1e-15);
/// # Ok::<(), pullback_manifolds::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lorentz {
    n: usize,
}

impl Lorentz {
    /// Hyperbolic space of dimension `n`.
    ///
    /// # Panics
    /// If `n = 0`.
    #[track_caller]
    pub fn new(n: usize) -> Self {
        assert!(n > 0, "Lorentz: expected a dimension of at least 1, got 0");
        Lorentz { n }
    }

    /// The same point in the Poincaré ball: `x_s / (1 + x_0)`, an isometry to [`PoincareBall`](crate::PoincareBall).
    #[track_caller]
    #[must_use]
    pub fn to_ball<'t, T: Scalar>(&self, x: Var<'t, T>) -> Var<'t, T> {
        space(x).elem_div(time(x).plus(1.0))
    }
}

pullback_geometry::words!(Lorentz);

fn time<T: Scalar>(x: Var<'_, T>) -> Var<'_, T> {
    x.row_range(0, 1)
}

fn space<T: Scalar>(x: Var<'_, T>) -> Var<'_, T> {
    x.row_range(1, x.rows() - 1)
}

/// `J z`
fn flipped<T: Scalar>(z: Var<'_, T>) -> Var<'_, T> {
    Var::concat(&[time(z).times(-1.0), space(z)], Axis::Rows)
}

/// `<a, b>`
fn product<'t, T: Scalar>(a: Var<'t, T>, b: Var<'t, T>) -> Var<'t, T> {
    flipped(a).dot(b)
}

/// `z + <x, z> x`
fn orthogonal<'t, T: Scalar>(x: Var<'t, T>, z: Var<'t, T>) -> Var<'t, T> {
    z + x.hadamard(product(x, z))
}

/// The point with these space coordinates.
fn lifted<T: Scalar>(s: Var<'_, T>) -> Var<'_, T> {
    Var::concat(&[s.dot(s).plus(1.0).sqrt(), s], Axis::Rows)
}

fn exponential<'t, T: Scalar>(x: Var<'t, T>, v: Var<'t, T>) -> Var<'t, T> {
    let t = product(v, v).times(-1.0);
    lifted(space(x).hadamard(t.stumpff(0)) + space(v).hadamard(t.stumpff(1)))
}

/// `y - x` and `sinh²(d/2)`.
fn chord<'t, T: Scalar>(x: Var<'t, T>, y: Var<'t, T>) -> (Var<'t, T>, Var<'t, T>) {
    let d = y - x;
    let q = product(d, d).times(0.25);
    (d, q.where_positive(time(x).hadamard(time(y)), "both points are on the upper sheet, x_0 > 0"))
}

/// `o = (1, 0, .., 0)`, of the shape of `x`.
fn origin<T: Scalar>(x: Var<'_, T>) -> Var<'_, T> {
    let at = |_: usize, i: usize, _: usize| if i == 0 { T::one() } else { T::zero() };
    x.tape().constant(&Batch::from_fn(x.shape(), at))
}

fn parallel<'t, T: Scalar>(x: Var<'t, T>, y: Var<'t, T>, u: Var<'t, T>) -> Var<'t, T> {
    let along = product(y, u).elem_div(product(x, y).times(-1.0).plus(1.0));
    u + (x + y).hadamard(along)
}

impl<T: Scalar> Manifold<T> for Lorentz {
    fn name(&self) -> String {
        format!("Lorentz({})", self.n)
    }
    fn shapes(&self) -> Shapes {
        smallvec![Shape::mat(self.n + 1, 1)]
    }
    fn dim(&self) -> usize {
        self.n
    }
    fn inner<'t>(&self, _: &[Var<'t, T>], u: &[Var<'t, T>], v: &[Var<'t, T>]) -> Var<'t, T> {
        product(only(u), only(v))
    }
    fn project<'t>(&self, x: &[Var<'t, T>], u: &[Var<'t, T>]) -> Parts<'t, T> {
        let (x, u) = (only(x), only(u));
        one(u - flipped(x).hadamard(product(x, u).elem_div(x.dot(x))))
    }
    fn egrad_to_rgrad<'t>(&self, x: &[Var<'t, T>], g: Egrad<&[Var<'t, T>]>) -> Rgrad<Parts<'t, T>> {
        Rgrad(one(orthogonal(only(x), flipped(only(g.0)))))
    }
    fn ehess_to_rhess<'t>(
        &self,
        x: &[Var<'t, T>],
        g: Egrad<&[Var<'t, T>]>,
        h: &[Var<'t, T>],
        u: &[Var<'t, T>],
    ) -> Parts<'t, T> {
        let x = only(x);
        one(orthogonal(x, flipped(only(h)) + only(u).hadamard(x.dot(only(g.0)))))
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
        let (d, q) = chord(only(x), only(y));
        let v = d - only(x).hadamard(q.times(2.0));
        Some(one(v.hadamard(arc(q.times(-1.0)))))
    }
    fn dist2<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Var<'t, T>> {
        let (_, q) = chord(only(x), only(y));
        let g = arc(q.times(-1.0));
        Some((q + q.hadamard(q)).hadamard(g.hadamard(g)).times(4.0))
    }
    /// `2 asinh sqrt q`, where `q` below 0 is rounding.
    fn dist<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Var<'t, T>> {
        let (_, q) = chord(only(x), only(y));
        Some(q.max(q.zeros()).sqrt().asinh().times(2.0))
    }
    fn parallel_transport<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>], u: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        Some(one(parallel(only(x), only(y), only(u))))
    }
    fn curvature<'t>(
        &self,
        _: &[Var<'t, T>],
        u: &[Var<'t, T>],
        v: &[Var<'t, T>],
        w: &[Var<'t, T>],
    ) -> Option<Parts<'t, T>> {
        let (u, v, w) = (only(u), only(v), only(w));
        Some(one(v.hadamard(product(u, w)) - u.hadamard(product(v, w))))
    }
    /// The point with the same space coordinates.
    fn reproject<'t>(&self, x: &[Var<'t, T>]) -> Parts<'t, T> {
        one(lifted(space(only(x))))
    }
    /// Gaussian space coordinates.
    fn random_point(&self, batch: usize, rng: &mut dyn Rng) -> Vec<Batch<T>> {
        let s: Batch<T> = gaussian(Shape::batch(batch, self.n, 1), rng);
        vec![lifted(Tape::plain().constant(&s)).value()]
    }
    /// Gaussian at the origin, transported: all directions are alike in the metric.
    fn random_tangent(&self, x: &[Batch<T>], rng: &mut dyn Rng) -> Result<Vec<Batch<T>>> {
        shaped::<T>(self, &[x])?;
        let z: Batch<T> = gaussian(x[0].shape(), rng);
        crate::numbers::apply(&[x, &[z]], &mut |l| {
            let (x, o) = (l[0][0], origin(l[0][0]));
            one(parallel(o, x, orthogonal(o, l[1][0])))
        })
    }
    fn check_point(&self, x: &[Batch<T>]) -> Result<()> {
        shaped(self, &[x])?;
        let b = 0..x[0].shape().batch;
        let times: Vec<f64> = b.clone().map(|b| verdicts::entry(&x[0], b, 0, 0)).collect();
        verdicts::positive::<T>(self, "x_0 > 0", &times)?;
        let off: Vec<f64> = b.map(|b| (lorentz(&x[0], &x[0], b) + 1.0).abs()).collect();
        residuals::point_equation(&|| Manifold::<T>::name(self), "<x, x> = -1", &off, |b| {
            residuals::tolerance::<T>(self.n) * residuals::largest(&x[0], b).powi(2).max(1.0)
        })
    }
    fn check_tangent(&self, x: &[Batch<T>], u: &[Batch<T>]) -> Result<()> {
        shaped(self, &[x, u])?;
        let points = x[0].shape().batch;
        let off: Vec<f64> = (0..u[0].shape().batch.max(points)).map(|b| lorentz(&x[0], &u[0], b).abs()).collect();
        // Each member by its own point: far away the product is a difference of large numbers.
        let largest = |m: &Batch<T>, b: usize| residuals::largest(m, if m.shape().batch == 1 { 0 } else { b });
        residuals::tangent_equation(&|| Manifold::<T>::name(self), "<x, u> = 0", &off, |b| {
            residuals::tolerance::<T>(self.n) * (1.0 + largest(&u[0], b)) * largest(&x[0], b).max(1.0)
        })
    }
}

/// `<x, y>` of member `b`, in double precision.
fn lorentz<T: Scalar>(x: &Batch<T>, y: &Batch<T>, b: usize) -> f64 {
    let at = |m: &Batch<T>, i: usize| verdicts::entry(m, if m.shape().batch == 1 { 0 } else { b }, i, 0);
    (0..x.shape().rows).map(|i| at(x, i) * at(y, i) * if i == 0 { -1.0 } else { 1.0 }).sum()
}
