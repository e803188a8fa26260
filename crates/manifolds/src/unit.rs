//! Vectors of length one: the formulas that the sphere and the oblique manifold share.
//!
//! `dot` is the inner product of vectors of the ambient space: of all entries on the sphere, column by column on the
//! oblique manifold, where the answer is a row and scales each column. All formulas are those of the unit sphere with
//! the metric of the ambient space (Absil, Mahony & Sepulchre 2008, 3.6.1, 4.1.1, 5.4.1; Absil & Gallivan 2006 for the
//! oblique manifold). For tangents `v`, points `x`, `y`:
//!
//! - projection `P(u) = u - x (x.u)`; Hessian `P(h) - u (x.g)`: `D grad f(x)[u] = P(h) - u (x.g) - x (..)`;
//! - `exp(x, v) = cos|v| x + sin|v|/|v| v`, with the Stumpff functions `c_0`, `c_1` of `|v|²`, which are entire, so
//!   that every derivative exists at the zero tangent;
//! - angle: with the chord `w = y - x` and the sum `s = x + y`, `|w| = 2 sin(angle/2)` and `|s| = 2 cos(angle/2)`, so
//!   `angle = 2 atan2(|w|, |s|)`, exact to rounding from 0 to `pi`. Its square is `4 t h(t)²` with `t = |w|²/|s|²` and
//!   the analytic `h(t) = atan(sqrt t)/sqrt t` ([`Var::atan_root`]), which is differentiable to every order at equal
//!   points;
//! - `log(x, y) = angle / sin(angle) (y - x (x.y)) = 4 h(t)/|s|² (w - x (x.w))`, since `sin(angle) = |w||s|/2` and
//!   `x.x = 1`; there is none for antipodes;
//! - parallel transport along the shortest geodesic: `u - 2 (y.u)/|s|² s`, since `|s|² = 2 (1 + x.y)`;
//! - retraction `(x + v)/|x + v|`: the nearest point, so of second order (Absil & Malick 2012). Its inverse is
//!   `y/(x.y) - x`, where `x.y > 0`;
//! - curvature 1: `R(u, v) w = u (v.w) - v (u.w)`.
//!
//! Each is a few passes over the entries.

use crate::scalars::Times;
use pullback::{Scalar, Var};

pub(crate) const ANTIPODES: &str = "the points are not antipodes, between which no geodesic is the shortest";
pub(crate) const HEMISPHERE: &str = "x^T y > 0: the retraction reaches the open hemisphere around x only";

/// The inner product of vectors: see the head of the file.
pub(crate) type Dot<'t, T> = fn(Var<'t, T>, Var<'t, T>) -> Var<'t, T>;

pub(crate) fn project<'t, T: Scalar>(dot: Dot<'t, T>, x: Var<'t, T>, u: Var<'t, T>) -> Var<'t, T> {
    u - x.hadamard(dot(x, u))
}

pub(crate) fn hessian<'t, T: Scalar>(
    dot: Dot<'t, T>,
    x: Var<'t, T>,
    g: Var<'t, T>,
    h: Var<'t, T>,
    u: Var<'t, T>,
) -> Var<'t, T> {
    project(dot, x, h - u.hadamard(dot(x, g)))
}

pub(crate) fn normalise<'t, T: Scalar>(dot: Dot<'t, T>, z: Var<'t, T>) -> Var<'t, T> {
    z.elem_div(dot(z, z).sqrt())
}

pub(crate) fn inverse_normalise<'t, T: Scalar>(dot: Dot<'t, T>, x: Var<'t, T>, y: Var<'t, T>) -> Var<'t, T> {
    // With w = y - x: (w - x (x.w)) / (x.y), the same on the manifold, and exact where the points nearly agree.
    let c = dot(x, y);
    project(dot, x, y - x).elem_div(c).where_positive(c, HEMISPHERE)
}

pub(crate) fn exp<'t, T: Scalar>(dot: Dot<'t, T>, x: Var<'t, T>, v: Var<'t, T>) -> Var<'t, T> {
    let q = dot(v, v);
    x.hadamard(q.stumpff(0)) + v.hadamard(q.stumpff(1))
}

/// `|s|²`, guarded against antipodes: rounding leaves up to a unit in each entry of the sum.
fn squared_sum<'t, T: Scalar>(dot: Dot<'t, T>, s: Var<'t, T>) -> Var<'t, T> {
    let q = dot(s, s);
    let eps = T::EPS.f64();
    q.where_positive(q.plus(-16.0 * eps * eps), ANTIPODES)
}

pub(crate) fn log<'t, T: Scalar>(dot: Dot<'t, T>, x: Var<'t, T>, y: Var<'t, T>) -> Var<'t, T> {
    let (w, s) = (y - x, y + x);
    let q = squared_sum(dot, s);
    let t = dot(w, w).elem_div(q);
    project(dot, x, w).hadamard(t.atan_root().elem_div(q).times(4.0))
}

/// The squared angles.
pub(crate) fn squared_angle<'t, T: Scalar>(dot: Dot<'t, T>, x: Var<'t, T>, y: Var<'t, T>) -> Var<'t, T> {
    let (w, s) = (y - x, y + x);
    let t = dot(w, w).elem_div(squared_sum(dot, s));
    t.hadamard(t.atan_root().square()).times(4.0)
}

/// The angles, of antipodes too.
pub(crate) fn angle<'t, T: Scalar>(norm: fn(Var<'t, T>) -> Var<'t, T>, x: Var<'t, T>, y: Var<'t, T>) -> Var<'t, T> {
    norm(y - x).atan2(norm(y + x)).times(2.0)
}

pub(crate) fn parallel<'t, T: Scalar>(dot: Dot<'t, T>, x: Var<'t, T>, y: Var<'t, T>, u: Var<'t, T>) -> Var<'t, T> {
    let s = x + y;
    u - s.hadamard(dot(y, u).elem_div(squared_sum(dot, s)).times(2.0))
}

pub(crate) fn curvature<'t, T: Scalar>(dot: Dot<'t, T>, u: Var<'t, T>, v: Var<'t, T>, w: Var<'t, T>) -> Var<'t, T> {
    u.hadamard(dot(v, w)) - v.hadamard(dot(u, w))
}

/// What the two types have in common of the trait, given `dot(self)` and `norm` of vectors.
macro_rules! unit_vectors {
    ($dot:expr) => {
        fn metric_is_ambient(&self) -> bool {
            true
        }
        fn project<'t>(&self, x: &[Var<'t, T>], u: &[Var<'t, T>]) -> Parts<'t, T> {
            one(unit::project($dot, only(x), only(u)))
        }
        fn ehess_to_rhess<'t>(
            &self,
            x: &[Var<'t, T>],
            g: Egrad<&[Var<'t, T>]>,
            h: &[Var<'t, T>],
            u: &[Var<'t, T>],
        ) -> Parts<'t, T> {
            one(unit::hessian($dot, only(x), only(g.0), only(h), only(u)))
        }
        fn retract<'t>(&self, x: &[Var<'t, T>], v: &[Var<'t, T>]) -> Parts<'t, T> {
            one(match self.retraction {
                SphereRetraction::Normalise => unit::normalise($dot, only(x) + only(v)),
                // The division removes drift, and is the identity on the manifold.
                SphereRetraction::Exponential => unit::normalise($dot, unit::exp($dot, only(x), only(v))),
            })
        }
        /// Both.
        fn retraction_order(&self) -> usize {
            2
        }
        fn inverse_retract<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
            Some(one(match self.retraction {
                SphereRetraction::Normalise => unit::inverse_normalise($dot, only(x), only(y)),
                SphereRetraction::Exponential => unit::log($dot, only(x), only(y)),
            }))
        }
        fn exp<'t>(&self, x: &[Var<'t, T>], v: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
            Some(one(unit::exp($dot, only(x), only(v))))
        }
        fn log<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
            Some(one(unit::log($dot, only(x), only(y))))
        }
        fn parallel_transport<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>], u: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
            Some(one(unit::parallel($dot, only(x), only(y), only(u))))
        }
        fn curvature<'t>(
            &self,
            _: &[Var<'t, T>],
            u: &[Var<'t, T>],
            v: &[Var<'t, T>],
            w: &[Var<'t, T>],
        ) -> Option<Parts<'t, T>> {
            Some(one(unit::curvature($dot, only(u), only(v), only(w))))
        }
        fn reproject<'t>(&self, x: &[Var<'t, T>]) -> Parts<'t, T> {
            one(unit::normalise($dot, only(x)))
        }
    };
}
pub(crate) use unit_vectors;
