//! A retraction: that it starts where it should and along its tangent, and the order that the space claims for it.

use super::{On, norm, number, retracted, values};
use crate::lists::{List, inner};
use crate::slopes::judged;
use crate::{Error, tolerances};
use pullback::{Batch, Many, Scalar, Shape, Var};

impl<T: Scalar> On<'_, T> {
    /// `f(R(tv))` for a linear `f` of the ambient space, and for the distance from the exponential.
    pub(super) fn retraction(&mut self, v: &List<T>) -> Result<(), Error> {
        let (space, x) = (self.space, self.x);
        let message = |e: pullback::Error| Error::Space { space: space.name(), message: e.to_string() };
        let zero = retracted(space, x, v, 0.0).map_err(message)?;
        self.same("retraction: R(0) = x", "the retraction moves the point at the zero tangent", &zero, x, 0.0)?;
        let y = retracted(space, x, v, 1.0).map_err(message)?;
        self.verdict("retraction: on the manifold", "the retraction leaves the manifold", space.check_point(&y));
        let t0 = Batch::zeros(Shape::SCALAR);
        let one = Batch::from_fn(Shape::SCALAR, |_, _, _| T::one());
        let moved = pullback::jvp_many(
            |t: Var<T>| {
                let list = |l: &List<T>| l.iter().map(|b| t.tape().constant(b)).collect::<Vec<_>>();
                let along: Vec<Var<T>> = list(v).iter().map(|v| *v * t).collect();
                Many(space.retract(&list(x), &along).into_vec())
            },
            &t0,
            &one,
        )
        .map_err(message)?;
        let velocity: List<T> = moved.into_iter().map(|(_, d)| d).collect();
        self.same("retraction: DR(0) v = v", "the retraction does not start along its tangent", &velocity, v, norm(x))?;
        self.order(v)?;
        self.acceleration(v)
    }

    /// A second-order retraction of a space with the ambient metric has no acceleration within the space.
    fn acceleration(&mut self, v: &List<T>) -> Result<(), Error> {
        let (space, x) = (self.space, self.x);
        if space.retraction_order() < 2 {
            return Ok(());
        }
        let ambient = {
            let (a, b) = (self.inner(x, v, v)?, inner(v, v));
            (a - b).abs() <= tolerances::geometry::<T>() * b.abs()
        };
        if !ambient {
            return Ok(());
        }
        // R''(0) = d/dt of DR(tv)[v], entry by entry: the derivative of a derivative.
        let t0 = Batch::zeros(Shape::SCALAR);
        let one = Batch::from_fn(Shape::SCALAR, |_, _, _| T::one());
        let message = |e: pullback::Error| Error::Space { space: space.name(), message: e.to_string() };
        let mut bend = Vec::new();
        for k in 0..x.len() {
            let (_, second) = pullback::jvp(
                |t: Var<T>| {
                    let along = |t| {
                        let list = |l: &List<T>| l.iter().map(|b| Var::tape(&t).constant(b)).collect::<Vec<_>>();
                        let along: Vec<Var<T>> = list(v).iter().map(|v| *v * t).collect();
                        space.retract(&list(x), &along)[k]
                    };
                    t.jvp(along, &one).1
                },
                &t0,
                &one,
            )
            .map_err(message)?;
            bend.push(second);
        }
        if let Some(tangential) = values(space, &[x, &bend], &|l| Some(space.project(&l[0], &l[1])))? {
            let zero = crate::lists::zip(&tangential, &tangential, |_, _| T::zero());
            let size = norm(&bend).max(norm(v));
            self.same(
                "retraction: P R''(0) = 0 (second order)",
                "the retraction is of first order only, and claims the second",
                &tangential,
                &zero,
                size,
            )?;
        }
        Ok(())
    }

    /// The distance from the exponential falls with the claimed order plus one.
    fn order(&mut self, v: &List<T>) -> Result<(), Error> {
        let (space, x) = (self.space, self.x);
        let at = |h: f64| -> Result<Option<f64>, Error> {
            let v = crate::lists::zip(v, v, |v, _| v * T::of(h));
            let found = values(space, &[x, &v], &|l| {
                let y = space.exp(&l[0], &l[1])?;
                Some([space.apart(&y, &space.retract(&l[0], &l[1]))].into_iter().collect())
            })?;
            Ok(found.map(|l| number(&l).max(0.0).sqrt()))
        };
        if at(tolerances::FIRST_STEP)?.is_none() {
            let why = match space.retraction_order() {
                1 => "the space has no exponential; DR(0) v = v is the first order",
                _ => "the space has no exponential; the acceleration and the Hessian are the reference",
            };
            self.report.skip("retraction against the exponential", why);
            return Ok(());
        }
        let mut steps = Vec::new();
        let floor = tolerances::floor::<T>() * self.sizes.condition * norm(x).max(1.0);
        for k in 0..=tolerances::STEPS {
            let h = tolerances::FIRST_STEP * 0.5f64.powi(k as i32);
            if let Ok(Some(d)) = at(h) {
                steps.push((h, d, floor));
            }
        }
        let order = space.retraction_order();
        let what = format!("retraction - exponential (order {order} claimed)");
        self.report.taylor.push(judged(what, 0, (order + 1) as f64, steps));
        Ok(())
    }
}
