//! What a space says of moving: inverses of retractions and exponentials, distances, transports.

use super::{On, norm, number, retracted, values};
use crate::Error;
use crate::lists::{List, plus};
use pullback::Scalar;

impl<T: Scalar> On<'_, T> {
    pub(super) fn inverses(&mut self, v: &List<T>) -> Result<(), Error> {
        let (space, x) = (self.space, self.x);
        // Well within the injectivity radius.
        let short = 0.25 / norm(v).max(1.0);
        let v = crate::lists::zip(v, v, |v, _| v * T::of(short));
        let back = values(space, &[x, &v], &|l| space.inverse_retract(&l[0], &space.retract(&l[0], &l[1])))?;
        match back {
            None => self.report.skip("inverse retraction", "the space has none"),
            Some(back) => {
                self.same(
                    "inverse retraction: undoes the retraction",
                    "it is not the inverse of the retraction",
                    &back,
                    &v,
                    norm(x),
                )?;
                self.verdict(
                    "inverse retraction: tangent",
                    "the inverse retraction gives no tangent",
                    space.check_tangent(x, &back),
                );
            }
        }
        let back = values(space, &[x, &v], &|l| space.log(&l[0], &space.exp(&l[0], &l[1])?))?;
        match back {
            None => self.report.skip("logarithm", "the space has none, or no exponential"),
            Some(back) => self.same(
                "logarithm: undoes the exponential",
                "it is not the inverse of the exponential",
                &back,
                &v,
                norm(x),
            )?,
        }
        Ok(())
    }

    /// The square of the distance is the squared length of the logarithm; the parallel transport along a geodesic is an
    /// isometry that carries its velocity along.
    pub(super) fn geodesics(&mut self, u: &List<T>, v: &List<T>) -> Result<(), Error> {
        let (space, x) = (self.space, self.x);
        let short = 0.25 / norm(v).max(1.0);
        let v = crate::lists::zip(v, v, |v, _| v * T::of(short));
        let Some(y) = values(space, &[x, &v], &|l| space.exp(&l[0], &l[1]))? else {
            self.report.skip("geodesics", "the space has no exponential");
            return Ok(());
        };
        self.verdict("exponential: on the manifold", "the exponential leaves the manifold", space.check_point(&y));
        let vv = self.inner(x, &v, &v)?;
        match values(space, &[x, &y], &|l| Some([space.dist2(&l[0], &l[1])?].into_iter().collect()))? {
            None => self.report.skip("distance", "the space has none"),
            Some(d) => self.equal(
                "distance: d(x, exp(x, v))² = <v, v>",
                "the distance is not the length of the geodesic",
                number(&d),
                vv,
                norm(x) * norm(&v),
            )?,
        }
        let parallel = |u: &List<T>| values(space, &[x, &y, u], &|l| space.parallel_transport(&l[0], &l[1], &l[2]));
        let (Some(tu), Some(tv)) = (parallel(u)?, parallel(&v)?) else {
            self.report.skip("parallel transport", "the space has none");
            return Ok(());
        };
        self.verdict(
            "parallel transport: tangent",
            "the parallel transport gives no tangent",
            space.check_tangent(&y, &tu),
        );
        let (there, here) = (self.inner(&y, &tu, &tv)?, self.inner(x, u, &v)?);
        let size = (self.inner(x, u, u)? * vv).abs().sqrt();
        self.equal("parallel transport: isometry", "it does not keep inner products", there, here, size)?;
        if let Some(back) = values(space, &[&y, x], &|l| space.log(&l[0], &l[1]))? {
            let ahead = crate::lists::zip(&back, &back, |b, _| -b);
            self.same(
                "parallel transport: carries the velocity of the geodesic along",
                "it is not the transport along that geodesic",
                &tv,
                &ahead,
                norm(x),
            )?;
        }
        Ok(())
    }

    pub(super) fn transport(&mut self, u: &List<T>, v: &List<T>, w: &List<T>) -> Result<(), Error> {
        let (space, x) = (self.space, self.x);
        let message = |e: pullback::Error| Error::Space { space: space.name(), message: e.to_string() };
        let y = retracted(space, x, v, 0.5).map_err(message)?;
        let go = |y: &List<T>, u: &List<T>| values(space, &[x, y, u], &|l| Some(space.transport(&l[0], &l[1], &l[2])));
        let (Some(tu), Some(tw)) = (go(&y, u)?, go(&y, w)?) else { return Ok(()) };
        self.verdict(
            "transport: tangent at the new point",
            "the transport gives no tangent",
            space.check_tangent(&y, &tu),
        );
        if let Some(sum) = go(&y, &plus(u, 0.5, w))? {
            self.same("transport: linear", "the transport is not linear", &sum, &plus(&tu, 0.5, &tw), norm(u))?;
        }
        if let Some(same) = go(x, u)? {
            self.same(
                "transport: identity in place",
                "the transport from a point to itself moves a tangent",
                &same,
                u,
                norm(x),
            )?;
        }
        if space.transport_is_isometric() {
            let (there, here) = (self.inner(&y, &tu, &tw)?, self.inner(x, u, w)?);
            let size = (self.inner(x, u, u)? * self.inner(x, w, w)?).abs().sqrt();
            self.equal(
                "transport: isometry",
                "the transport does not keep inner products, and claims to",
                there,
                here,
                size,
            )?;
        } else {
            self.report.skip("transport: isometry", "not claimed");
        }
        Ok(())
    }
}
