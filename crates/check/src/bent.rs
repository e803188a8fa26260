//! What is asked of a curvature tensor and of a reprojection. The other operations are in `geometry.rs`.
//!
//! **Curvature.** It has the symmetries of one, and the right sectional curvatures, which together leave no freedom:
//! two geodesics that leave a point are at the squared distance `d(exp(tu), exp(tv))² = t² |u - v|² - t^4 <R(u, v) v,
//! u> / 3 + O(t^5)`, so that the fourth derivative at 0 is `-8 <R(u, v) v, u>` (do Carmo, *Riemannian Geometry*, ch.
//! 5). Taken by differentiating the program four times, it is an equality to rounding. Where the distance has no four
//! derivatives, or in single precision, the symmetries remain.

use crate::Error;
use crate::geometry::{On, values};
use crate::lists::{List, minus, plus, zip};
use pullback::{Batch, Scalar, Shape, Var};
use pullback_geometry::Manifold;

/// `f^(k)` along the line of numbers.
fn derivative<'t, T: Scalar>(f: &dyn Fn(Var<'t, T>) -> Var<'t, T>, t: Var<'t, T>, k: usize) -> Var<'t, T> {
    match k {
        0 => f(t),
        k => {
            let one = t.tape().filled(Shape::SCALAR, T::one());
            t.jvp(|t| derivative(f, t, k - 1), one).1
        }
    }
}

/// The fourth derivative, at the number `t`, of `d(exp(tu), exp(tv))²`.
fn fourth<'t, T: Scalar>(space: &dyn Manifold<T>, t: Var<'t, T>, lists: [&List<T>; 3]) -> Var<'t, T> {
    let [x, u, v] = lists.map(|l| l.iter().map(|b| t.tape().constant(b)).collect::<Vec<Var<'t, T>>>());
    let end = |u: &[Var<'t, T>], t: Var<'t, T>| {
        let along: Vec<Var<'t, T>> = u.iter().map(|u| *u * t).collect();
        space.exp(&x, &along)
    };
    let apart = |t: Var<'t, T>| match (end(&u, t), end(&v, t)) {
        (Some(y), Some(z)) => space.dist2(&y, &z).map_or(t, |d| d.sum()),
        _ => t,
    };
    derivative(&apart, t, 4)
}

impl<T: Scalar> On<'_, T> {
    pub(crate) fn curvature(&mut self, u: &List<T>, v: &List<T>, w: &List<T>) -> Result<(), Error> {
        let (space, x) = (self.space, self.x);
        let r = |u: &List<T>, v: &List<T>, w: &List<T>| {
            values(space, &[x, u, v, w], &|l| space.curvature(&l[0], &l[1], &l[2], &l[3]))
        };
        let Some(uvw) = r(u, v, w)? else {
            self.report.skip("curvature", "the space has none in closed form");
            return Ok(());
        };
        let (Some(vuw), Some(vwu), Some(wuv), Some(uvv)) = (r(v, u, w)?, r(v, w, u)?, r(w, u, v)?, r(u, v, v)?) else {
            return Ok(());
        };
        self.verdict("curvature: tangent", "R(u, v) w is not tangent", space.check_tangent(x, &uvw));
        let size = self.length(u)? * self.length(v)? * self.length(w)?;
        let minus_it = zip(&vuw, &vuw, |r, _| -r);
        self.same("curvature: R(u, v) = -R(v, u)", "the curvature is not antisymmetric", &uvw, &minus_it, size)?;
        let cyclic = plus(&plus(&uvw, 1.0, &vwu), 1.0, &wuv);
        let zero = zip(&cyclic, &cyclic, |_, _| T::zero());
        self.same("curvature: R(u, v) w + cyclic = 0", "the first Bianchi identity fails", &cyclic, &zero, size)?;
        let found = self.inner(x, &uvw, w)?;
        let size = size * self.length(w)?;
        self.equal("curvature: <R(u, v) w, w> = 0", "R(u, v) is not skew in the metric", found, 0.0, size)?;
        let sectional = self.inner(x, &uvv, u)?;
        self.spreading(u, v, sectional)
    }

    fn length(&self, u: &List<T>) -> Result<f64, Error> {
        Ok(self.inner(self.x, u, u)?.max(0.0).sqrt())
    }

    /// The fourth derivative of the squared distance between two geodesics.
    fn spreading(&mut self, u: &List<T>, v: &List<T>, sectional: f64) -> Result<(), Error> {
        const WHAT: &str = "curvature: how geodesics spread";
        let (space, x) = (self.space, self.x);
        if size_of::<T>() < 8 {
            self.report.skip(WHAT, "a fourth derivative has too few digits in single precision");
            return Ok(());
        }
        let exists = values(space, &[x, u], &|l| {
            let y = space.exp(&l[0], &l[1])?;
            Some([space.dist2(&y, &y)?].into_iter().collect())
        });
        if !matches!(exists, Ok(Some(_))) {
            self.report.skip(WHAT, "the space has no exponential or no distance");
            return Ok(());
        }
        let fourth = pullback::value(|t: Var<T>| fourth(space, t, [x, u, v]), &Batch::zeros(Shape::SCALAR));
        let fourth = match fourth {
            Ok(fourth) => fourth.data()[0].f64(),
            Err(e) => {
                self.report.skip(WHAT, format!("the distance has no fourth derivative: {e}"));
                return Ok(());
            }
        };
        let (uu, vv) = (self.inner(x, u, u)?, self.inner(x, v, v)?);
        let apart = minus(u, v);
        // In a space of dimension 0 all of this is rounding.
        let size = ((uu * vv).abs() + self.inner(x, &apart, &apart)?.powi(2)).max(T::EPS.f64());
        self.equal(
            "curvature: d(exp(tu), exp(tv))²'''' = -8 <R(u, v) v, u>",
            "geodesics do not spread as this curvature says: its sign, a factor, or a term",
            fourth,
            -8.0 * sectional,
            8.0 * size,
        )
    }

    /// A point goes to itself, and one nearby to the manifold.
    pub(crate) fn reprojection(&mut self, a: &List<T>) -> Result<(), Error> {
        let (space, x) = (self.space, self.x);
        let go = |x: &List<T>| values(space, &[x], &|l| Some(space.reproject(&l[0])));
        let Some(same) = go(x)? else { return Ok(()) };
        self.same("reprojection: of a point", "the reprojection moves a point", &same, x, 0.0)?;
        let near = plus(x, T::EPS.f64().sqrt(), a);
        if let Some(back) = go(&near)? {
            self.verdict(
                "reprojection: of what is near the manifold",
                "the reprojection leaves what has drifted off the manifold where it is",
                space.check_point(&back),
            );
        }
        Ok(())
    }
}
