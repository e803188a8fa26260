//! The operations of a manifold against each other: projection, metric, retraction, inverse, transport, gradient,
//! Hessian, gauge. Retractions are in `geometry/retraction.rs`, curvature and reprojection in `geometry/curvature.rs`,
//! inverses, distances and transports in `geometry/moving.rs`.
//!
//! Where others plot slopes, most of these are equalities to rounding, since the operations are programs and can be
//! differentiated: `DR(0)[v] = v`; `f(R(tv))'' = <v, Hess f v>` for every `f` exactly if the retraction is of second
//! order. Slopes are left for the distance from the exponential and as a test of the values themselves.

use crate::agreement::Sizes;
use crate::builder::{Options, own_scale};
use crate::lists::{List, Random, inner, minus, moduli, plus, shapes};
use crate::program::{Flat, Program};
use crate::report::Report;
use crate::subject::Subject;
use crate::taylor::Curved;
use crate::{Error, tolerances};
use pullback::{Batch, Scalar, Shape, Tape, Var};
use pullback_geometry::{Egrad, Manifold, Parts};

mod curvature;
mod moving;
mod retraction;

/// What is said of a point that is no matrix at all.
pub(crate) const NO_MATRIX: &str = "expected a point of at least one matrix, got no matrix at all";

/// A check of a manifold that is still being described; [`SpaceCheck::run`] makes it.
pub struct SpaceCheck<'s, T: Scalar = f64> {
    space: &'s dyn Manifold<T>,
    batch: usize,
    length: f64,
    options: Options,
}

/// Checks everything that a manifold offers, at a random point.
///
/// What it does not offer is left out and listed in the report.
pub fn check_space<T: Scalar>(space: &dyn Manifold<T>) -> SpaceCheck<'_, T> {
    SpaceCheck { space, batch: 1, length: 1.0, options: Options::default() }
}

impl<T: Scalar> SpaceCheck<'_, T> {
    /// The seed of the point, the tangents and the cost.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.options.seed = seed;
        self
    }

    /// How many points at once; by default 1.
    #[must_use]
    pub fn batch(self, batch: usize) -> Self {
        SpaceCheck { batch, ..self }
    }

    /// The length of the tangents, as a multiple of what `random_tangent` gives: smaller where a retraction has a small
    /// domain.
    #[must_use]
    pub fn length(self, length: f64) -> Self {
        SpaceCheck { length, ..self }
    }

    /// Digits that the space itself loses, as a factor on tolerances.
    #[must_use]
    pub fn condition(mut self, condition: f64) -> Self {
        self.options.condition = Some(condition);
        self
    }

    /// Runs the tests. Never panics on data: what goes wrong is in the report.
    pub fn run(self) -> Report {
        let mut report = Report::new(self.options.seed);
        report.error = self.made(&mut report).err();
        report
    }

    fn made(&self, report: &mut Report) -> Result<(), Error> {
        self.options.last()?;
        let space = self.space;
        let random = &mut Random::new(self.options.seed);
        let x = space.random_point(self.batch, random.rng());
        let refused = |message: String| Error::Space { space: space.name(), message };
        let geometry = |e: pullback_geometry::Error| refused(e.to_string());
        if x.is_empty() {
            return Err(refused(NO_MATRIX.into()));
        }
        space.check_point(&x).map_err(geometry)?;
        let mut tangent = || -> Result<List<T>, Error> {
            let v = space.random_tangent(&x, random.rng()).map_err(geometry)?;
            let (expected, got) = (shapes(&x), shapes(&v));
            match expected == got {
                true => Ok(crate::lists::zip(&v, &v, |v, _| v * T::of(self.length))),
                false => Err(Error::Rule { what: "`random_tangent`", expected, got }),
            }
        };
        let (u, v, w) = (tangent()?, tangent()?, tangent()?);
        report.condition = self.options.condition.unwrap_or(1.0);
        let sizes = Sizes::new(report.condition, true, 0.0, 0.0);
        let a: List<T> = random.list(shapes(&x));
        let b: List<T> = random.list(shapes(&x));
        let mut on = On { space, x: &x, sizes: &sizes, report };
        on.tangents(&u, &a, &b)?;
        on.metric(&u, &v, &w)?;
        on.retraction(&v)?;
        on.inverses(&v)?;
        on.geodesics(&u, &v)?;
        on.curvature(&u, &v, &w)?;
        on.drift(&a)?;
        on.transport(&u, &v, &w)?;
        on.quotient(&u, &v, random)?;
        on.functions(&v, random)
    }
}

/// A space at a point. Tangents are compared relative to the size of the point as well: they come out of projections of
/// vectors of that size, and where the space has dimension 0 they are rounding only.
struct On<'s, T: Scalar> {
    space: &'s dyn Manifold<T>,
    x: &'s List<T>,
    sizes: &'s Sizes,
    report: &'s mut Report,
}

/// A program of lists: what an operation is, evaluated at numbers.
fn values<T: Scalar>(
    space: &dyn Manifold<T>,
    args: &[&List<T>],
    f: &dyn for<'t> Fn(&[Vec<Var<'t, T>>]) -> Option<Parts<'t, T>>,
) -> Result<Option<List<T>>, Error> {
    let tape = Tape::plain();
    let args: Vec<Vec<Var<'_, T>>> = args.iter().map(|l| l.iter().map(|b| tape.constant(b)).collect()).collect();
    let Some(out) = f(&args) else { return Ok(None) };
    let out: List<T> = out.iter().map(Var::value).collect();
    tape.check().map_err(|e| Error::Space { space: space.name(), message: e.to_string() })?;
    match crate::lists::not_finite(&out) {
        Some((index, value)) => Err(Error::NonFinite { what: "an operation of the manifold", index, value }),
        None => Ok(Some(out)),
    }
}

/// `R_x(h v)`.
pub(crate) fn retracted<T: Scalar>(
    space: &dyn Manifold<T>,
    x: &List<T>,
    v: &List<T>,
    h: f64,
) -> pullback::Result<List<T>> {
    let tape = Tape::plain();
    let list = |l: &List<T>| l.iter().map(|b| tape.constant(b)).collect::<Vec<_>>();
    let (x, v) = (list(x), list(&crate::lists::zip(v, v, |v, _| v * T::of(h))));
    let y: List<T> = space.retract(&x, &v).iter().map(Var::value).collect();
    tape.check()?;
    match crate::lists::not_finite(&y) {
        Some((index, value)) => {
            Err(pullback::Error::NonFinite { what: "value", index, value, origin: pullback::Origin::Unknown })
        }
        None => Ok(y),
    }
}

fn norm<T: Scalar>(l: &[Batch<T>]) -> f64 {
    inner(l, l).sqrt()
}

fn number<T: Scalar>(l: &List<T>) -> f64 {
    l[0].data().iter().map(|x| x.f64()).sum()
}

/// The first and the second derivative of a number along a line, from the program of that number.
fn along<T: Scalar>(
    space: &dyn Manifold<T>,
    f: &dyn for<'t> Fn(Var<'t, T>) -> Var<'t, T>,
) -> Result<(f64, f64), Error> {
    let message = |e: pullback::Error| Error::Space { space: space.name(), message: e.to_string() };
    let (zero, one) = (Batch::zeros(Shape::SCALAR), Batch::from_fn(Shape::SCALAR, |_, _, _| T::one()));
    let (_, first) = pullback::jvp(|t: Var<T>| f(t), &zero, &one).map_err(message)?;
    let second = pullback::hvp(|t: Var<T>| f(t), &zero, &one).map_err(message)?;
    Ok((first.data()[0].f64(), second.data()[0].f64()))
}

impl<T: Scalar> On<'_, T> {
    /// `a = b`, relative to a size that is given or theirs.
    fn same(
        &mut self,
        what: &'static str,
        meaning: &'static str,
        a: &List<T>,
        b: &List<T>,
        size: f64,
    ) -> Result<(), Error> {
        let size = size.max(norm(a)).max(norm(b));
        let found = norm(&minus(a, b));
        let d = self.sizes.defect::<T>(what, meaning, tolerances::geometry::<T>(), found, size)?;
        self.report.defects.push(d);
        Ok(())
    }

    fn equal(&mut self, what: &'static str, meaning: &'static str, a: f64, b: f64, size: f64) -> Result<(), Error> {
        let size = size.max(a.abs()).max(b.abs());
        let d = self.sizes.defect::<T>(what, meaning, tolerances::geometry::<T>(), (a - b).abs(), size)?;
        self.report.defects.push(d);
        Ok(())
    }

    /// Something that the space's own verdict says.
    fn verdict(&mut self, what: &str, meaning: &'static str, verdict: pullback_geometry::Result<()>) {
        self.said(what, meaning, verdict.err().map(|e| e.to_string()));
    }

    fn said(&mut self, what: &str, meaning: &'static str, message: Option<String>) {
        let (ok, defect) = (message.is_none(), if message.is_none() { 0.0 } else { f64::INFINITY });
        self.report.defects.push(crate::Defect { what: what.into(), meaning, defect, tolerance: 0.0, ok });
        if let Some(m) = message {
            self.report.hints.push(format!("{what}: {m}"));
        }
    }

    fn tangents(&mut self, u: &List<T>, a: &List<T>, b: &List<T>) -> Result<(), Error> {
        let (space, x) = (self.space, self.x);
        self.verdict("random tangent: tangent", "`random_tangent` gives no tangent", space.check_tangent(x, u));
        let project = |u: &List<T>| values(space, &[x, u], &|l| Some(space.project(&l[0], &l[1])));
        let (Some(pa), Some(pb)) = (project(a)?, project(b)?) else { return Ok(()) };
        let Some(again) = project(&pa)? else { return Ok(()) };
        self.verdict(
            "projection: tangent",
            "the projection of an ambient vector is not tangent",
            space.check_tangent(x, &pa),
        );
        self.same("projection: P P a = P a", "the projection is not idempotent", &again, &pa, norm(a))?;
        if let Some(pu) = project(u)? {
            self.same("projection: P u = u for tangents", "the projection moves a tangent", &pu, u, norm(x))?;
        }
        let (left, right) = (inner(&pa, b), inner(a, &pb));
        let size = norm(a) * norm(b);
        self.equal(
            "projection: <P a, b> = <a, P b>",
            "the projection is not orthogonal: a transpose or a term is missing",
            left,
            right,
            size,
        )
    }

    fn inner(&self, x: &List<T>, u: &List<T>, v: &List<T>) -> Result<f64, Error> {
        let space = self.space;
        let found = values(space, &[x, u, v], &|l| Some([space.inner(&l[0], &l[1], &l[2])].into_iter().collect()))?;
        Ok(found.map_or(0.0, |l| number(&l)))
    }

    fn metric(&mut self, u: &List<T>, v: &List<T>, w: &List<T>) -> Result<(), Error> {
        let x = self.x;
        let (uv, vu, uu, vv) = (self.inner(x, u, v)?, self.inner(x, v, u)?, self.inner(x, u, u)?, self.inner(x, v, v)?);
        let size = (uu.abs() * vv.abs()).sqrt();
        self.equal("metric: <u,v> = <v,u>", "the metric is not symmetric", uv, vu, size)?;
        let sum = plus(u, 0.5, w);
        let (left, right) = (self.inner(x, &sum, v)?, uv + 0.5 * self.inner(x, w, v)?);
        self.equal("metric: linear", "the metric is not linear in its first argument", left, right, size)?;
        let positive = norm(u) == 0.0 || uu > 0.0;
        let verdict = (!positive).then(|| format!("<u,u> = {uu:e} for a tangent that is not zero"));
        self.said("metric: positive", "the metric is not positive", verdict);
        if self.space.metric_is_ambient() {
            let plain = crate::lists::inner(u, v);
            self.equal("metric: ambient", "the metric is not the ambient one, and claims to be", uv, plain, size)?;
        } else {
            self.report.skip("metric: ambient", "not claimed");
        }
        Ok(())
    }

    /// Nothing depends on the representative.
    fn quotient(&mut self, u: &List<T>, v: &List<T>, random: &mut Random) -> Result<(), Error> {
        let (space, x) = (self.space, self.x);
        let Some((x2, moved)) = space.another(x, &[u.clone(), v.clone()], random.rng()) else {
            self.report.skip("gauge", "the space is no quotient, or names no other representatives");
            return Ok(());
        };
        let (u2, v2) = (&moved[0], &moved[1]);
        self.verdict(
            "gauge: another representative is a point",
            "the gauge leaves the manifold",
            space.check_point(&x2),
        );
        self.verdict(
            "gauge: tangents stay tangent",
            "the gauge leaves the tangent space",
            space.check_tangent(&x2, u2),
        );
        let apart = |x: &List<T>, y: &List<T>| -> Result<f64, Error> {
            let d = values(space, &[x, y], &|l| Some([space.apart(&l[0], &l[1])].into_iter().collect()))?;
            Ok(d.map_or(0.0, |l| number(&l).max(0.0).sqrt()))
        };
        let size = norm(x);
        let d = apart(x, &x2)?;
        self.equal("gauge: representatives are one point", "the distance sees the representative", d, 0.0, size)?;
        let (a, b) = (self.inner(x, u, v)?, self.inner(&x2, u2, v2)?);
        let scale = (self.inner(x, u, u)? * self.inner(x, v, v)?).abs().sqrt();
        self.equal("gauge: <u,v> is the same", "the metric sees the representative", a, b, scale)?;
        let message = |e: pullback::Error| Error::Space { space: space.name(), message: e.to_string() };
        let (y, y2) = (retracted(space, x, v, 0.5).map_err(message)?, retracted(space, &x2, v2, 0.5).map_err(message)?);
        let d = apart(&y, &y2)?;
        self.equal("gauge: retractions are one point", "the retraction sees the representative", d, 0.0, size)?;
        let seed = self.report.seed;
        let cost = |x: &List<T>| {
            values(space, &[x], &|l| Some([space.cost(&l[0], Random::new(seed ^ 0xC057).rng())].into_iter().collect()))
        };
        if let (Some(a), Some(b)) = (cost(x)?, cost(&x2)?) {
            let (a, b) = (number(&a), number(&b));
            self.equal("gauge: the cost is the same", "the cost of the test sees the representative", a, b, 1.0)?;
        }
        Ok(())
    }

    /// Gradient and Hessian of a function, along a retraction.
    fn functions(&mut self, v: &List<T>, random: &mut Random) -> Result<(), Error> {
        let (space, x, seed) = (self.space, self.x, self.report.seed);
        let f: &Flat<'_, T> = &|x| vec![space.cost(x, Random::new(seed ^ 0xC057).rng())];
        let w = vec![Batch::from_fn(Shape::SCALAR, |_, _, _| T::one())];
        let p = Program { f, shapes: shapes(x), w };
        let y = crate::subject::sound(&p, x)?;
        let sizes = Sizes::new(self.sizes.condition, true, moduli(&p.w, &y), 0.0);
        let derivatives = riemannian(space, &p, (x, v), 2, &sizes, random, self.report)?;
        let scale: List<T> = x.iter().map(own_scale).collect();
        let others = self.report.taylor.len();
        // As for functions: the terms of a remainder may cancel along one direction, and a wrong derivative is wrong
        // along all.
        let (mut v, mut derivatives) = (v.clone(), derivatives);
        for tries in 1..=tolerances::DIRECTIONS {
            let path = |h: f64| retracted(space, x, &v, h);
            let curved = Curved {
                subject: &p as &dyn Subject<T>,
                x,
                y: &y,
                w: &p.w,
                scale: &scale,
                path: &path,
                condition: self.sizes.condition,
            };
            let rows = curved.curve(random)?.slopes(&derivatives);
            let mut so_far = Report::new(seed);
            so_far.taylor = self.report.taylor.split_off(others);
            so_far.merge(rows);
            let open = so_far.is_open();
            self.report.taylor.append(&mut so_far.taylor);
            if !open || tries == tolerances::DIRECTIONS {
                break;
            }
            let length = norm(&v);
            let next = space
                .random_tangent(x, random.rng())
                .map_err(|e| Error::Space { space: space.name(), message: e.to_string() })?;
            let stretch = length / norm(&next).max(f64::MIN_POSITIVE);
            v = crate::lists::zip(&next, &next, |v, _| v * T::of(stretch));
            derivatives = riemannian(space, &p, (x, &v), 2, &sizes, random, &mut Report::new(seed))?;
        }
        match self.report.out_of_range() {
            Some(order) => Err(Error::OutOfRange { order }),
            None => Ok(()),
        }
    }
}

const GRADIENT: &str = "the Riemannian gradient does not represent the derivative: a metric factor, or the Euclidean gradient in its place";
const HESSIAN: &str = "the Riemannian Hessian is not the second derivative along the retraction: a curvature term, or a retraction of first order";
const RETRACTION: &str = "the derivative along the retraction is not the derivative along the tangent";

/// The rows that say whether gradient and Hessian of `<w, f>` are the Riemannian ones; and its derivatives along the
/// retraction, as the gradient and the Hessian give them.
pub(crate) fn riemannian<T: Scalar>(
    space: &dyn Manifold<T>,
    p: &Program<'_, T>,
    (x, v): (&List<T>, &List<T>),
    order: usize,
    sizes: &Sizes,
    random: &mut Random,
    report: &mut Report,
) -> Result<Vec<f64>, Error> {
    let failed = |what: &'static str| move |source| Error::Derivative { what, source };
    let g = pullback::grad(|x: Vec<Var<T>>| p.number(&x), x).map_err(failed("gradient"))?;
    let gradient = values(space, &[x, &g], &|l| Some(space.egrad_to_rgrad(&l[0], Egrad(&l[1])).0))?;
    let Some(gradient) = gradient else { return Ok(vec![]) };
    let mut on = On { space, x, sizes, report };
    on.verdict("gradient: tangent", "the Riemannian gradient is not tangent", space.check_tangent(x, &gradient));
    let (found, right) = (on.inner(x, &gradient, v)?, inner(&g, v));
    let size = moduli(&g, v).max(norm(&g) * norm(v));
    on.equal("gradient: <grad f, v> = Df v", GRADIENT, found, right, size)?;
    ratio(on.report, "<grad f, v>", found, "Df v", right);
    let (d1, d2) = along(space, &|t| {
        let list = |l: &List<T>| l.iter().map(|b| t.tape().constant(b)).collect::<Vec<_>>();
        let step: Vec<Var<'_, T>> = list(v).iter().map(|v| *v * t).collect();
        p.number(&space.retract(&list(x), &step))
    })?;
    on.equal("gradient: f(R(tv))' = Df v", RETRACTION, d1, right, size)?;
    let mut derivatives = vec![found];
    if order < 2 {
        return Ok(derivatives);
    }
    let hessian = |u: &List<T>| -> Result<Option<List<T>>, Error> {
        let h = pullback::hvp(|x: Vec<Var<T>>| p.number(&x), x, u).map_err(failed("Hessian-vector product"))?;
        values(space, &[x, &g, &h, u], &|l| Some(space.ehess_to_rhess(&l[0], Egrad(&l[1]), &l[2], &l[3])))
    };
    let u = space
        .random_tangent(x, random.rng())
        .map_err(|e| Error::Space { space: space.name(), message: e.to_string() })?;
    let (Some(hv), Some(hu)) = (hessian(v)?, hessian(&u)?) else { return Ok(derivatives) };
    on.verdict("Hessian: tangent", "the Riemannian Hessian leaves the tangent space", space.check_tangent(x, &hv));
    let (left, right) = (on.inner(x, &u, &hv)?, on.inner(x, v, &hu)?);
    let (vv, uu) = (on.inner(x, v, v)?, on.inner(x, &u, &u)?);
    let big = (on.inner(x, &hv, &hv)?.abs() * uu.abs()).sqrt().max((on.inner(x, &hu, &hu)?.abs() * vv.abs()).sqrt());
    let size2 = big + size;
    on.equal(
        "Hessian: <u, Hess v> = <v, Hess u>",
        "the Riemannian Hessian is not symmetric in the metric",
        left,
        right,
        size2,
    )?;
    if space.retraction_order() < 2 {
        on.report.skip("Hessian: slope", "it needs a retraction of second order, and this one claims the first");
        return Ok(derivatives);
    }
    let found = on.inner(x, v, &hv)?;
    on.equal("Hessian: <v, Hess v> = f(R(tv))''", HESSIAN, found, d2, size2)?;
    ratio(on.report, "<v, Hess v>", found, "f(R(tv))''", d2);
    derivatives.push(found);
    Ok(derivatives)
}

/// A hint where two numbers that should be equal are a simple multiple of each other.
fn ratio(report: &mut Report, a: &str, found: f64, b: &str, right: f64) {
    if report.defects.last().is_none_or(|d| d.ok) || right == 0.0 {
        return;
    }
    let c = found / right;
    for (value, words) in [(-1.0, "minus"), (2.0, "twice"), (0.5, "half"), (0.0, "zero instead of")] {
        if (c - value).abs() < 1e-9 {
            report.hints.push(format!("{a} is {words} {b}"));
        }
    }
}
