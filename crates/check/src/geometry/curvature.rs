//! What a space says of its curvature, and of points that have drifted off it.

use super::{On, norm, number, values};
use crate::lists::{List, plus};
use crate::report::{Remainders, Verdict};
use crate::slopes::judged;
use crate::{Error, tolerances};
use pullback::{Many, Scalar, Var};

/// What is said of a curvature that geodesics do not have.
const DEVIATION: &str = "curvature: |D exp(tv)[tu]|² against geodesics";

impl<T: Scalar> On<'_, T> {
    /// The symmetries of a curvature tensor, and its sectional curvature against how geodesics spread.
    ///
    /// With `J(t) = D exp_x(tv)[tu]`, a Jacobi field with `J(0) = 0` and `J'(0) = u`,
    /// `|J|² = t² <u, u> - t⁴ <R(u, v) v, u>/3 + O(t⁵)`. By the symmetries those numbers determine all of `R`.
    pub(super) fn curvature(&mut self, u: &List<T>, v: &List<T>, w: &List<T>) -> Result<(), Error> {
        let (space, x) = (self.space, self.x);
        // In dimension 0 the tangents are rounding, and so is what they bend.
        if space.dim() == 0 {
            self.report.skip("curvature", "the space has dimension 0");
            return Ok(());
        }
        let at = |u: &List<T>, v: &List<T>, w: &List<T>| {
            values(space, &[x, u, v, w], &|l| space.curvature(&l[0], &l[1], &l[2], &l[3]))
        };
        let (Some(r), Some(opposite)) = (at(u, v, w)?, at(v, u, w)?) else {
            self.report.skip("curvature", "the space has none, or none in closed form");
            return Ok(());
        };
        let (Some(second), Some(third)) = (at(v, w, u)?, at(w, u, v)?) else { return Ok(()) };
        self.verdict("curvature: tangent", "the curvature gives no tangent", space.check_tangent(x, &r));
        let zero = crate::lists::zip(&r, &r, |_, _| T::zero());
        let size = norm(u) * norm(v) * norm(w);
        let sum = plus(&r, 1.0, &opposite);
        self.same("curvature: R(u, v) = -R(v, u)", "it is not antisymmetric", &sum, &zero, size.max(norm(&r)))?;
        let size = size.max(norm(&r)).max(norm(&second)).max(norm(&third));
        let sum = plus(&plus(&r, 1.0, &second), 1.0, &third);
        self.same("curvature: R(u, v) w + R(v, w) u + R(w, u) v = 0", "Bianchi's identity fails", &sum, &zero, size)?;
        if let Some(ruvu) = at(u, v, u)? {
            let (left, right) = (self.inner(x, &r, u)?, -self.inner(x, &ruvu, w)?);
            let lengths = [u, v, u, w].map(|z| self.inner(x, z, z)).into_iter().collect::<Result<Vec<f64>, _>>()?;
            let size = lengths.iter().product::<f64>().abs().sqrt();
            self.equal("curvature: <R(u, v) w, u> = -<R(u, v) u, w>", "it is not skew", left, right, size)?;
        }
        // Leading terms may cancel along one pair; a wrong curvature is wrong along all.
        let short = |z: &List<T>| crate::lists::zip(z, z, |a, _| a * T::of(0.5 / norm(z).max(1.0)));
        let [u, v, w] = [u, v, w].map(short);
        let mut row = None;
        for (u, v) in [(&u, &v), (&v, &w), (&w, &u)] {
            let Some(ruvv) = at(u, v, v)? else { return Ok(()) };
            row = self.deviation(u, v, &ruvv)?;
            if row.as_ref().is_none_or(|r| r.verdict != Verdict::Wrong) {
                break;
            }
        }
        match row {
            Some(row) => self.report.taylor.push(row),
            None => self.report.skip(DEVIATION, "the space has no exponential"),
        }
        Ok(())
    }

    /// The slope of `|J|² - t² <u, u> + t⁴ <R(u, v) v, u>/3`; nothing without an exponential.
    fn deviation(&self, u: &List<T>, v: &List<T>, ruvv: &List<T>) -> Result<Option<Remainders>, Error> {
        let (space, x) = (self.space, self.x);
        let (uu, k) = (self.inner(x, u, u)?, self.inner(x, ruvv, u)?);
        let scaled = |z: &List<T>, t: f64| crate::lists::zip(z, z, |a, _| a * T::of(t));
        let message = |e: pullback::Error| Error::Space { space: space.name(), message: e.to_string() };
        let mut steps = Vec::new();
        for halving in 0..=tolerances::STEPS {
            let t = 0.5f64.powi(halving as i32);
            let (tu, tv) = (scaled(u, t), scaled(v, t));
            let Some(y) = values(space, &[x, &tv], &|l| space.exp(&l[0], &l[1]))? else { return Ok(None) };
            let moved = pullback::jvp_many(
                |v: Vec<Var<T>>| {
                    let x: Vec<Var<T>> = x.iter().map(|b| v[0].tape().constant(b)).collect();
                    Many(space.exp(&x, &v).map(|y| y.into_vec()).unwrap_or_default())
                },
                &tv,
                &tu,
            )
            .map_err(message)?;
            let j: List<T> = moved.into_iter().map(|(_, d)| d).collect();
            // On a quotient, without what it has along the fibre.
            let square = values(space, &[&y, &j], &|l| {
                let j = space.project(&l[0], &l[1]);
                Some([space.inner(&l[0], &j, &j)].into_iter().collect())
            })?;
            // An indefinite product cancels among the squares of the entries, and the metric may depend on those of x.
            let size = (t * t * uu).max(norm(&j).powi(2)) * norm(x).max(1.0).powi(2);
            // A floor that is not measured is as pessimistic as measured ones are.
            let floor = tolerances::JITTER_FACTOR * tolerances::floor::<T>() * self.sizes.condition * size;
            if let Some(square) = square {
                steps.push((t, (number(&square) - t * t * uu + t.powi(4) * k / 3.0).abs(), floor));
            }
        }
        Ok(Some(judged(DEVIATION.into(), 0, 5.0, steps)))
    }

    /// A point moved off the space by the root of the rounding unit comes back, and one on it stays.
    pub(super) fn drift(&mut self, a: &List<T>) -> Result<(), Error> {
        let (space, x) = (self.space, self.x);
        let back = |x: &List<T>| values(space, &[x], &|l| Some(space.reproject(&l[0])));
        if let Some(same) = back(x)? {
            self.same("reprojection: of a point", "reprojection moves a point", &same, x, 0.0)?;
        }
        let off = T::EPS.f64().sqrt() * 1e-2 / norm(a).max(1.0);
        let away = space.check_point(&plus(x, off, a)).is_err();
        if away && let Some(y) = back(&plus(x, off, a))? {
            self.verdict(
                "reprojection: on the space",
                "reprojection does not bring a point back",
                space.check_point(&y),
            );
        }
        Ok(())
    }
}
