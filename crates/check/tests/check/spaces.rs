//! Manifolds: a sphere with everything, right and broken one operation at a time; functions on it.

use pullback::{Batch, Scalar, Shape, Tape, Var};
use pullback_check::{Error, Report, check, check_space};
use pullback_geometry::{Another, Egrad, Manifold, Parts, Result, Rgrad, Shapes, residuals};
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

/// Which operation is wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Wrong {
    Nothing,
    Projection,
    Metric,
    AmbientMetric,
    Retraction,
    RetractionOrder,
    OffManifold,
    Exp,
    Log,
    InverseRetraction,
    Transport,
    Isometry,
    Gradient,
    HalfGradient,
    Hessian,
    HessianTangency,
    Gauge,
    Parallel,
    Distance,
    Curvature,
    CurvatureSymmetry,
    Reprojection,
}

/// Columns on the unit sphere of R^n; as a quotient, up to sign.
#[derive(Debug)]
struct Sphere {
    n: usize,
    wrong: Wrong,
}

impl Sphere {
    fn is(&self, wrong: Wrong) -> bool {
        self.wrong == wrong
    }
}

fn normal<T: Scalar>(s: Shape, rng: &mut dyn Rng) -> Batch<T> {
    Batch::from_fn(s, |_, _, _| T::of(StandardNormal.sample(&mut *rng)))
}

/// The inner product of member `b` of two batches of columns.
fn dot<T: Scalar>(x: &Batch<T>, y: &Batch<T>, b: usize) -> f64 {
    let n = x.shape().rows;
    (b * n..(b + 1) * n).map(|k| x.data()[k].f64() * y.data()[k].f64()).sum()
}

fn c<'t, T: Scalar>(x: Var<'t, T>, c: f64) -> Var<'t, T> {
    x.tape().filled(Shape::SCALAR, T::of(c))
}

/// `sin(r)/r` and `cos(r)` of `r² = q`, smooth at 0: by functions of the square.
fn sinc_cos<'t, T: Scalar>(q: Var<'t, T>) -> (Var<'t, T>, Var<'t, T>) {
    let (mut s, mut k, mut term_s, mut term_c) = (c(q, 1.0), c(q, 1.0), c(q, 1.0), c(q, 1.0));
    for n in 1..14 {
        let n = f64::from(n);
        term_s = term_s.hadamard(q) * c(q, -1.0 / (2.0 * n * (2.0 * n + 1.0)));
        term_c = term_c.hadamard(q) * c(q, -1.0 / (2.0 * n * (2.0 * n - 1.0)));
        (s, k) = (s + term_s, k + term_c);
    }
    (s, k)
}

fn one<'t, T: Scalar>(v: Var<'t, T>) -> Parts<'t, T> {
    [v].into_iter().collect()
}

/// Along the geodesic from `x` to `y`: keeps inner products.
fn parallel<'t, T: Scalar>(x: Var<'t, T>, y: Var<'t, T>, u: Var<'t, T>) -> Var<'t, T> {
    u - (x + y).hadamard(y.dot(u).elem_div(x.dot(y) + c(x, 1.0)))
}

impl<T: Scalar> Manifold<T> for Sphere {
    fn name(&self) -> String {
        format!("S^{} ({:?} wrong)", self.n - 1, self.wrong)
    }
    fn shapes(&self) -> Shapes {
        [Shape::mat(self.n, 1)].into_iter().collect()
    }
    fn dim(&self) -> usize {
        self.n - 1
    }
    fn random_point(&self, batch: usize, rng: &mut dyn Rng) -> Vec<Batch<T>> {
        let tape = Tape::plain();
        let x = tape.constant(&normal(Shape::batch(batch, self.n, 1), rng));
        vec![x.elem_div(x.norm()).value()]
    }
    fn random_tangent(&self, x: &[Batch<T>], rng: &mut dyn Rng) -> Result<Vec<Batch<T>>> {
        let tape = Tape::plain();
        let (x, u) = (tape.constant(&x[0]), tape.constant(&normal(x[0].shape(), rng)));
        Ok(vec![(u - x.hadamard(x.dot(u))).value()])
    }
    fn check_point(&self, x: &[Batch<T>]) -> Result<()> {
        let off: Vec<f64> = (0..x[0].shape().batch).map(|b| (dot(&x[0], &x[0], b).sqrt() - 1.0).abs()).collect();
        let name = || Manifold::<T>::name(self);
        residuals::point_equation(&name, "|x| = 1", &off, |_| 1e3 * T::EPS.f64())
    }
    fn check_tangent(&self, x: &[Batch<T>], u: &[Batch<T>]) -> Result<()> {
        let off: Vec<f64> = (0..x[0].shape().batch).map(|b| dot(&x[0], &u[0], b).abs()).collect();
        let name = || Manifold::<T>::name(self);
        let size = |b: usize| 1.0 + dot(&u[0], &u[0], b).sqrt();
        residuals::tangent_equation(&name, "x^T u = 0", &off, |b| 1e3 * T::EPS.f64() * size(b))
    }
    fn retract<'t>(&self, x: &[Var<'t, T>], v: &[Var<'t, T>]) -> Parts<'t, T> {
        let (x, v) = (x[0], if self.is(Wrong::Retraction) { v[0] * c(v[0], 1.0 + 1e-9) } else { v[0] });
        let q = v.dot(v);
        let y = match self.wrong {
            // Bends within the sphere: along a fixed tangent field.
            Wrong::RetractionOrder => {
                let e = x.tape().constant(&Batch::from_fn(Shape::mat(self.n, 1), |_, i, _| T::of(i as f64)));
                x + v + (e - x.hadamard(x.dot(e))).hadamard(q)
            }
            _ => x + v,
        };
        match self.wrong {
            Wrong::OffManifold => one(y.hadamard((q + c(q, 1.0)).powf(-0.5) + q * c(q, 1e-6))),
            _ => one(y.hadamard(y.dot(y).powf(-0.5))),
        }
    }
    fn retraction_order(&self) -> usize {
        2
    }
    fn inner<'t>(&self, x: &[Var<'t, T>], u: &[Var<'t, T>], v: &[Var<'t, T>]) -> Var<'t, T> {
        let right = u[0].dot(v[0]).sum();
        match self.wrong {
            Wrong::Metric => {
                right + (u[0].hadamard(x[0]).sum() + u[0].slice(0, 0, 1, 1).sum()) * v[0].slice(1, 0, 1, 1).sum()
            }
            Wrong::AmbientMetric => right * c(right, 1.0 + 1e-9),
            _ => right,
        }
    }
    fn metric_is_ambient(&self) -> bool {
        true
    }
    fn project<'t>(&self, x: &[Var<'t, T>], u: &[Var<'t, T>]) -> Parts<'t, T> {
        let twice = if self.is(Wrong::Projection) { c(x[0], 1.0 + 1e-8) } else { c(x[0], 1.0) };
        one(u[0] - x[0].hadamard(x[0].dot(u[0])) * twice)
    }
    fn egrad_to_rgrad<'t>(&self, x: &[Var<'t, T>], g: Egrad<&[Var<'t, T>]>) -> Rgrad<Parts<'t, T>> {
        let (x, g) = (x[0], g.0[0]);
        Rgrad(one(match self.wrong {
            Wrong::Gradient => g,
            Wrong::HalfGradient => (g - x.hadamard(x.dot(g))) * c(g, 0.5),
            _ => g - x.hadamard(x.dot(g)),
        }))
    }
    fn ehess_to_rhess<'t>(
        &self,
        x: &[Var<'t, T>],
        g: Egrad<&[Var<'t, T>]>,
        h: &[Var<'t, T>],
        u: &[Var<'t, T>],
    ) -> Parts<'t, T> {
        let h = match self.wrong {
            // The curvature forgotten, as a library that only projects does.
            Wrong::Hessian => h[0],
            _ => h[0] - u[0].hadamard(x[0].dot(g.0[0])),
        };
        one(if self.is(Wrong::HessianTangency) { h } else { h - x[0].hadamard(x[0].dot(h)) })
    }
    fn exp<'t>(&self, x: &[Var<'t, T>], v: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        let v = if self.is(Wrong::Exp) { v[0] * c(v[0], 1.001) } else { v[0] };
        let (s, k) = sinc_cos(v.dot(v));
        Some(one(x[0].hadamard(k) + v.hadamard(s)))
    }
    fn log<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        // For angles below 1: the sine's inverse by its series, from the projection of y.
        let p = y[0] - x[0].hadamard(x[0].dot(y[0]));
        let q = p.dot(p);
        let (mut sum, mut term) = (c(q, 1.0), c(q, 1.0));
        for n in 1..40 {
            let n = f64::from(n);
            term = term.hadamard(q) * c(q, (2.0 * n - 1.0) / (2.0 * n));
            sum += term * c(q, 1.0 / (2.0 * n + 1.0));
        }
        Some(one(if self.is(Wrong::Log) { p } else { p.hadamard(sum) }))
    }
    fn inverse_retract<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        match self.wrong {
            Wrong::InverseRetraction => Some(one(y[0] - x[0].hadamard(x[0].dot(y[0])))),
            _ => Some(one(y[0].elem_div(x[0].dot(y[0])) - x[0])),
        }
    }
    fn transport<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>], u: &[Var<'t, T>]) -> Parts<'t, T> {
        let (x, y, u) = (x[0], y[0], u[0]);
        one(match self.wrong {
            Wrong::Transport => u,
            Wrong::Isometry => u - y.hadamard(y.dot(u)),
            _ => parallel(x, y, u),
        })
    }
    fn parallel_transport<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>], u: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        let along = parallel(x[0], y[0], u[0]);
        Some(one(match self.wrong {
            // An isometry, and along no geodesic.
            Wrong::Parallel => along * c(along, -1.0),
            _ => along,
        }))
    }
    fn dist2<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Var<'t, T>> {
        let v = self.log(x, y)?[0];
        Some(if self.is(Wrong::Distance) { (x[0] - y[0]).dot(x[0] - y[0]) } else { v.dot(v) })
    }
    fn transport_is_isometric(&self) -> bool {
        true
    }
    fn curvature<'t>(
        &self,
        _: &[Var<'t, T>],
        u: &[Var<'t, T>],
        v: &[Var<'t, T>],
        w: &[Var<'t, T>],
    ) -> Option<Parts<'t, T>> {
        let k = c(u[0], if self.is(Wrong::Curvature) { 1.001 } else { 1.0 });
        let second = if self.is(Wrong::CurvatureSymmetry) { k * c(k, 2.0) } else { k };
        Some(one(u[0].hadamard(v[0].dot(w[0]) * k) - v[0].hadamard(u[0].dot(w[0]) * second)))
    }
    fn reproject<'t>(&self, x: &[Var<'t, T>]) -> Parts<'t, T> {
        one(if self.is(Wrong::Reprojection) { x[0] } else { x[0].elem_div(x[0].norm()) })
    }
    fn apart<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Var<'t, T> {
        // The sine of the angle: the same for x and -x.
        let p = y[0] - x[0].hadamard(x[0].dot(y[0]));
        p.dot(p).sum()
    }
    fn another(&self, x: &[Batch<T>], tangents: &[Vec<Batch<T>>], _: &mut dyn Rng) -> Option<Another<T>> {
        let minus = |b: &Batch<T>| Batch::from_slice(b.shape(), &b.data().iter().map(|x| -*x).collect::<Vec<_>>());
        Some((vec![minus(&x[0])], tangents.iter().map(|u| vec![minus(&u[0])]).collect()))
    }
    fn cost<'t>(&self, x: &[Var<'t, T>], rng: &mut dyn Rng) -> Var<'t, T> {
        let a = x[0].tape().constant(&normal(Shape::mat(self.n, self.n), rng));
        let q = x[0].t_mul(a * x[0]);
        // Even in x, unless the gauge is to be broken.
        let odd = if self.is(Wrong::Gauge) { x[0].sum() } else { c(x[0], 0.0) };
        (q + q.hadamard(q) * c(q, 0.3)).sum() + odd
    }
}

fn sphere(wrong: Wrong) -> Report {
    check_space::<f64>(&Sphere { n: 4, wrong }).seed(5).length(0.6).run()
}

#[test]
fn a_right_sphere_is_right_in_all_its_parts() {
    for seed in 0..40 {
        check_space::<f64>(&Sphere { n: 4, wrong: Wrong::Nothing }).seed(seed).length(0.6).run().assert_ok();
    }
    check_space::<f64>(&Sphere { n: 3, wrong: Wrong::Nothing }).batch(3).length(0.6).run().assert_ok();
    let report = sphere(Wrong::Nothing);
    assert!(report.skipped.is_empty(), "{report}");
    assert_eq!(report.taylor.len(), 4, "{report}");
    check_space::<f32>(&Sphere { n: 4, wrong: Wrong::Nothing }).length(0.5).run().assert_ok();
}

#[test]
fn every_broken_part_is_found_and_named() {
    for (wrong, words) in [
        (Wrong::Projection, "the projection of an ambient vector is not tangent"),
        (Wrong::Metric, "the metric is not symmetric"),
        (Wrong::AmbientMetric, "the metric is not the ambient one, and claims to be"),
        (Wrong::Retraction, "does not start along its tangent"),
        (Wrong::RetractionOrder, "of first order only, and claims the second"),
        (Wrong::OffManifold, "the retraction leaves the manifold"),
        (Wrong::Exp, "retraction - exponential (order 2 claimed)"),
        (Wrong::Log, "not the inverse of the exponential"),
        (Wrong::InverseRetraction, "not the inverse of the retraction"),
        (Wrong::Transport, "the transport gives no tangent"),
        (Wrong::Isometry, "does not keep inner products"),
        (Wrong::Gradient, "the Riemannian gradient is not tangent"),
        (Wrong::HalfGradient, "<grad f, v> is half Df v"),
        (Wrong::Hessian, "the Riemannian Hessian is not the second derivative along the retraction"),
        (Wrong::HessianTangency, "the Riemannian Hessian leaves the tangent space"),
        (Wrong::Parallel, "it is not the transport along that geodesic"),
        (Wrong::Distance, "the distance is not the length of the geodesic"),
        (Wrong::Gauge, "the cost of the test sees the representative"),
        (Wrong::Curvature, "curvature: |D exp(tv)[tu]|² against geodesics"),
        (Wrong::CurvatureSymmetry, "it is not antisymmetric"),
        (Wrong::Reprojection, "reprojection does not bring a point back"),
    ] {
        let report = sphere(wrong);
        report.assert_wrong();
        assert!(report.to_string().contains(words), "{wrong:?} is not named {words:?}:\n{report}");
    }
}

#[test]
fn functions_are_checked_along_the_retraction() {
    let space = Sphere { n: 3, wrong: Wrong::Nothing };
    let x0 = faer::mat![[0.6], [0.0], [0.8]];
    let a = faer::mat![[1.0, 0.5, 0.0], [0.5, 2.0, -1.0], [0.0, -1.0, 3.0]];
    let report = check(|x: Var| x.t_mul(&a * x), &x0).on(&space).run();
    report.assert_ok();
    assert_eq!(report.taylor.len(), 2, "{report}");
    assert!(report.defects.iter().any(|d| d.what.starts_with("Hessian: <v, Hess v>")), "{report}");
    let wrong = Sphere { n: 3, wrong: Wrong::Hessian };
    let report = check(|x: Var| x.t_mul(&a * x), &x0).on(&wrong).run();
    report.assert_wrong();
    let off = faer::mat![[0.6], [0.1], [0.8]];
    let report = check(|x: Var| x.t_mul(&a * x), &off).on(&space).run();
    assert!(matches!(report.error, Some(Error::Space { .. })) && !report.is_wrong(), "{report}");
}

/// Flat space with the operations that are required and no other. Of so many matrices.
#[derive(Debug)]
struct Line(usize);

impl Manifold for Line {
    fn name(&self) -> String {
        "R".into()
    }
    fn shapes(&self) -> Shapes {
        (0..self.0).map(|_| Shape::SCALAR).collect()
    }
    fn dim(&self) -> usize {
        self.0
    }
    fn project<'t>(&self, _: &[Var<'t>], u: &[Var<'t>]) -> Parts<'t> {
        u.iter().copied().collect()
    }
    fn random_point(&self, batch: usize, rng: &mut dyn Rng) -> Vec<Batch<f64>> {
        (0..self.0).map(|_| normal(Shape::batch(batch, 1, 1), rng)).collect()
    }
    fn random_tangent(&self, x: &[Batch<f64>], rng: &mut dyn Rng) -> Result<Vec<Batch<f64>>> {
        Ok(x.iter().map(|x| normal(x.shape(), rng)).collect())
    }
    fn check_point(&self, _: &[Batch<f64>]) -> Result<()> {
        Ok(())
    }
    fn check_tangent(&self, _: &[Batch<f64>], _: &[Batch<f64>]) -> Result<()> {
        Ok(())
    }
    fn retract<'t>(&self, x: &[Var<'t>], v: &[Var<'t>]) -> Parts<'t> {
        x.iter().zip(v).map(|(x, v)| *x + *v).collect()
    }
}

#[test]
fn nothing_is_required_that_a_space_does_not_offer() {
    for matrices in [1, 2] {
        let report = check_space(&Line(matrices)).run();
        report.assert_ok();
        assert!(report.skipped.len() >= 5, "{report}");
    }
}

#[test]
fn a_point_of_no_matrices_is_misuse() {
    let report = check_space(&Line(0)).run();
    let said =
        |r: &Report| matches!(&r.error, Some(Error::Space { message, .. }) if message.contains("no matrix at all"));
    assert!(said(&report) && !report.is_wrong(), "{report}");
    let report = check(|_: Vec<Var>| unreachable!("it is not run"), &Vec::<Batch>::new()).on(&Line(0)).run();
    assert!(said(&report), "{report}");
}
