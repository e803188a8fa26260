//! Numbers of all sizes, parts of all scales, nothing at all, and wrong declarations.

use crate::spaces::{Pair, Spd, Stiefel};
use crate::{Tally, mat, methods, solve, sym, with_spectrum};
use pullback::faer::Mat;
use pullback::{Batch, Shape, Var};
use pullback_implicit::linear::{Method, Positive};
use pullback_implicit::{Condition, Verdict, root, stationary};
use pullback_manifolds::{Egrad, Manifold, Parts, Rgrad, Shapes};

#[test]
fn costs_solutions_and_losses_of_all_sizes() {
    let mut tally = Tally::default();
    for size in [1e-200, 1e-160, 1e-100, 1e-12, 1e12, 1e100, 1e150, 1e200] {
        let a = with_spectrum(&[0.5, 1.0, 2.0, 3.0], 10);
        let (phi, w) = (mat(20, 4, 1), mat(30, 4, 1));
        let (z, truth) = (solve(&a, &phi), solve(&a, &w));
        let what = |kind: &str| format!("{kind} of size {size:e}");
        let c = stationary(&z, &phi, |z, phi| (z.dot(&a * z) * 0.5 - z.dot(phi)) * size).flat();
        tally.solution(c.at(&z, &phi).hypergradient(|z, _| z.dot(&w)), &truth, &what("cost"));
        tally.solution(c.at(&(&z * 1.1), &phi).hypergradient(|z, _| z.dot(&w)), &truth, &what("cost, away"));
        let c = stationary(&z, &phi, |z, phi| z.dot(&a * z) * 0.5 - z.dot(phi)).flat();
        let (big, right) = (&z * size, &phi * size);
        tally.solution(c.at(&big, &right).hypergradient(|z, _| z.dot(&w)), &truth, &what("solution"));
        let (long, far) = (&w * size, &truth * size);
        // Lengths as sums of squares leave the numbers here.
        let d = c.at(&z, &phi).hypergradient(|z, _| z.dot(&long));
        if let Ok(d) = &d {
            let right = (0..4).all(|i| (d.gradient[(i, 0)] - far[(i, 0)]).abs() <= 1e-6 * far[(i, 0)].abs());
            assert!(right || !d.certificate.verdict.is_sound(), "{}\n{}", what("loss"), d.certificate);
        }
    }
    tally.has_at_least(18, 0);
}

#[test]
fn products_whose_parts_have_all_scales() {
    let mut tally = Tally::default();
    for (scale, seed) in [(1e-12, 0), (1e-8, 1), (1e-4, 2), (1.0, 3), (1e4, 4), (1e8, 5), (1e12, 6)] {
        let space = Pair(Stiefel(3, 1), Spd(3));
        let (x, s) = (mat(60 + seed, 3, 1), with_spectrum(&[0.7, 1.5, 3.0], 61 + seed));
        let (y, m) = (&x * (1.0 / x.norm_l2()), sym(&solve(&s, &Mat::identity(3, 3))));
        let (u, v) = (mat(70 + seed, 3, 1), sym(&mat(71 + seed, 3, 3)));
        let (z, phi) = ((y.clone(), m.clone()), (x.clone(), s.clone()));
        let c =
            stationary(&z, &phi, |(y, m), (x, s): (Var, Var)| (m.dot(s.sym()) - m.spd().logdet()) * scale - y.dot(x))
                .on(&space);
        let truth = ((&u - &y * crate::dot(&y, &u)) * (1.0 / x.norm_l2()), &m * &v * &m * -1.0);
        for method in methods() {
            for tolerance in [1e-2, 1e-10] {
                let s = c.at(&z, &phi).method(method).tolerance(tolerance);
                let Ok(d) = s.hypergradient(|(y, m), _| y.dot(&u) + m.dot(&v)) else { continue };
                let apart = (&d.gradient.0 - &truth.0).norm_l2().hypot((&d.gradient.1 - &truth.1).norm_l2());
                let size = truth.0.norm_l2().hypot(truth.1.norm_l2());
                let c = &d.certificate;
                let what = format!("{scale:e}, {method:?} to {tolerance:e}\n{c}");
                tally.verdict(c.verdict, c.error.map(|e| e.total), apart, size, &what);
            }
        }
    }
    tally.has_at_least(35, 5);
}

#[test]
fn nothing_at_all() {
    let (z, none) = (Mat::<f64>::zeros(2, 1), Mat::<f64>::zeros(0, 1));
    let c = stationary(&z, &none, |z: Var, _: Var| z.dot(z)).flat();
    let d = c.at(&z, &none).vjp(&z).unwrap();
    assert!(d.value.nrows() == 0 && d.certificate.verdict == Verdict::Verified, "{}", d.certificate);
    let c = stationary(&none, &z, |z: Var, p: Var| z.dot(z) + p.sum()).flat();
    let d = c.at(&none, &z).hypergradient(|z: Var, p: Var| z.sum() + p.sum()).unwrap();
    assert!(d.gradient == Mat::from_fn(2, 1, |_, _| 1.0) && d.certificate.verdict == Verdict::Verified);
    let c = stationary(&z, &z, |z: Var, p: Var| z.dot(z) - z.dot(p)).flat();
    let d = c.at(&z, &z).vjp(&z).unwrap();
    assert!(d.value == z && d.certificate.verdict == Verdict::Verified, "{}", d.certificate);
}

#[test]
fn a_map_that_is_promised_to_be_positive_and_is_not() {
    let mut tally = Tally::default();
    for (n, seed) in [(2, 0u64), (7, 1), (60, 2), (60, 3)] {
        let l = |i: usize| if i == n / 2 { -0.7 } else { 0.3 + i as f64 / n as f64 };
        let (a, g) = (with_spectrum(&(0..n).map(l).collect::<Vec<_>>(), seed), mat(5 + seed, n, n));
        let skewed = Mat::from_fn(n, n, |i, j| a[(i, j)] + 0.3 * (g[(i, j)] - g[(j, i)]) + f64::from(i == j));
        let (phi, w) = (mat(6 + seed, n, 1), mat(7 + seed, n, 1));
        for tolerance in [1e-2, 1e-10] {
            let promised = Method::Cg(Positive::asserted());
            let (z, zero) = (solve(&a, &phi), Mat::zeros(n, 1));
            let c = stationary(&z, &phi, |z, phi| z.dot(&a * z) * 0.5 - z.dot(phi)).flat();
            let d = c.at(&z, &phi).method(promised).tolerance(tolerance).hypergradient(|z, _| z.dot(&w));
            tally.solution(d, &solve(&a, &w), "indefinite");
            let c = root(&zero, &zero, |z, phi| &skewed * z - phi).flat();
            let d = c.at(&zero, &zero).method(promised).tolerance(tolerance).hypergradient(|z, _| z.dot(&w));
            tally.solution(d, &solve(&skewed.transpose().to_owned(), &w), "not symmetric");
        }
    }
}

/// A plane that says its inner product is `u' diag(1, 4) v`, and raises cotangents by another, `diag(1, r)`.
#[derive(Debug)]
struct Wrong(f64);

impl Manifold for Wrong {
    fn name(&self) -> String {
        "a plane with two metrics".into()
    }
    fn shapes(&self) -> Shapes {
        [Shape::mat(2, 1)].into_iter().collect()
    }
    fn dim(&self) -> usize {
        2
    }
    fn inner<'t>(&self, _: &[Var<'t>], u: &[Var<'t>], v: &[Var<'t>]) -> Var<'t> {
        u[0].dot(v[0].hadamard(Mat::from_fn(2, 1, |i, _| 1.0 + 3.0 * i as f64)))
    }
    fn project<'t>(&self, _: &[Var<'t>], u: &[Var<'t>]) -> Parts<'t> {
        u.iter().copied().collect()
    }
    fn egrad_to_rgrad<'t>(&self, _: &[Var<'t>], g: Egrad<&[Var<'t>]>) -> Rgrad<Parts<'t>> {
        let r = self.0;
        Rgrad(g.0.iter().map(|g| g.hadamard(Mat::from_fn(2, 1, |i, _| if i == 0 { 1.0 } else { r }))).collect())
    }
    fn retract<'t>(&self, x: &[Var<'t>], v: &[Var<'t>]) -> Parts<'t> {
        x.iter().zip(v).map(|(x, v)| *x + *v).collect()
    }
    fn random_point(&self, batch: usize, _: &mut dyn pullback_manifolds::rand::Rng) -> Vec<Batch> {
        vec![Batch::zeros(Shape::batch(batch, 2, 1))]
    }
    fn check_point(&self, _: &[Batch]) -> pullback_manifolds::Result<()> {
        Ok(())
    }
    fn check_tangent(&self, _: &[Batch], _: &[Batch]) -> pullback_manifolds::Result<()> {
        Ok(())
    }
}

#[test]
fn a_metric_that_is_declared_wrong() {
    let mut tally = Tally::default();
    let a = with_spectrum(&[0.5, 2.0], 3);
    let (phi, w) = (mat(4, 2, 1), mat(5, 2, 1));
    for r in [0.25, 1.0, 4.0, 0.1] {
        let space = Wrong(r);
        for away in [1.0, 1.2] {
            let z = solve(&a, &phi) * away;
            let c = stationary(&z, &phi, |z, phi| z.dot(&a * z) * 0.5 - z.dot(phi)).on(&space);
            for method in [Method::Auto, Method::Gmres { restart: 9 }, Method::Cg(Positive::asserted()), Method::Lsmr] {
                let what = format!("raised by {r}, {away}, {method:?}");
                tally.solution(c.at(&z, &phi).method(method).hypergradient(|z, _| z.dot(&w)), &solve(&a, &w), &what);
            }
        }
    }
    // With the right one, r = 1/4, it is verified.
    assert!(tally.0[0] >= 8, "{tally:?}");
}
