//! Errors of a linear solver that are below its tolerance, and that parameters, leaves of other sizes or small members
//! make large: nothing that is wrong is `Verified`, and what is `Estimated` is within a factor of two.

#[path = "solutions/matrices.rs"]
mod matrices;

use matrices::{mat, solve, with_spectrum};
use pullback::Shape;
use pullback::faer::Mat;
use pullback::prelude::*;
use pullback_implicit::linear::{Method, Positive, SelfAdjoint};
use pullback_implicit::{Condition, Layer, SolutionCertificate, Verdict, root, stationary};
use pullback_manifolds::{Euclidean, Product, Sphere, Stiefel};

const SCALES: [f64; 5] = [1.0, 1e6, 1e9, 1e12, 1e14];

/// Every solver that stops at a tolerance.
fn solvers() -> [Method; 7] {
    [
        Method::Auto,
        Method::Cg(Positive::asserted()),
        Method::Minres(SelfAdjoint::asserted()),
        Method::Gmres { restart: 2 },
        Method::Gmres { restart: 30 },
        Method::BiCgStab,
        Method::Lsmr,
    ]
}

/// Verified, estimated, neither.
#[derive(Debug, Default)]
struct Tally([usize; 3]);

impl Tally {
    /// `found` and `truth` leaf by leaf.
    fn take(&mut self, c: &SolutionCertificate, found: &[Mat<f64>], truth: &[Mat<f64>], what: &str) {
        let length = |v: f64| v.sqrt();
        let error = length(found.iter().zip(truth).map(|(f, t)| (f - t).norm_l2().powi(2)).sum());
        let size = length(truth.iter().map(|t| t.norm_l2().powi(2)).sum());
        self.0[match c.verdict {
            Verdict::Verified => {
                for (f, t) in found.iter().zip(truth) {
                    let error = (f - t).norm_l2() / t.norm_l2();
                    assert!(error <= 1e-6, "{what}: verified, and a leaf is wrong by {error:e}\n{c}");
                }
                0
            }
            Verdict::Estimated => {
                let (told, rounding) = (c.error.unwrap().total, 1e-9 * size);
                let near = told + rounding >= error / 2.0 && told <= 2.0 * error + rounding;
                assert!(near, "{what}: told {told:e}, wrong by {error:e}\n{c}");
                1
            }
            _ => 2,
        }] += 1;
    }
}

/// Two systems side by side, `A y = p` and `B x = scale q`, and a loss that sees `x` over `scale`.
struct Pair {
    a: Mat<f64>,
    b: Mat<f64>,
    wy: Mat<f64>,
    wx: Mat<f64>,
}

impl Pair {
    fn new(n: usize, k: usize, seed: u64) -> Self {
        let values = |n: usize| (0..n).map(|i| 0.5 + 2.0 * i as f64 / n as f64).collect::<Vec<_>>();
        let (a, b) = (with_spectrum(&values(n), seed), with_spectrum(&values(k), seed + 1));
        Pair { a, b, wy: mat(seed + 2, n, 1), wx: mat(seed + 3, k, 1) }
    }

    /// The derivative of the loss by `p` and by `q`.
    fn truth(&self) -> [Mat<f64>; 2] {
        [solve(&self.a, &self.wy), solve(&self.b, &self.wx)]
    }
}

#[test]
fn entries_of_an_adjoint_below_the_tolerance_that_parameters_weigh_with_its_inverse() {
    let (mut tally, mut caught) = (Tally::default(), 0);
    for (n, k) in [(3, 2), (40, 6), (60, 4)] {
        for scale in SCALES {
            let s = Pair::new(n, k, 10 + n as u64);
            let phi = (mat(20, n, 1), mat(21, k, 1));
            let z = (solve(&s.a, &phi.0), solve(&s.b, &(&phi.1 * scale)));
            let c = stationary(&z, &phi, |(y, x): (Var, Var), (p, q): (Var, Var)| {
                y.dot(&s.a * y) * 0.5 - y.dot(p) + x.dot(&s.b * x) * 0.5 - x.dot(q) * scale
            })
            .flat();
            for method in solvers() {
                let at = c.at(&z, &phi).method(method);
                let d = at.hypergradient(|(y, x), _| y.dot(&s.wy) + x.dot(&s.wx) * (1.0 / scale)).unwrap();
                let (found, truth) = ([d.gradient.0, d.gradient.1], s.truth());
                let what = format!("{n} and {k}, scale {scale:e}, {method:?}");
                caught += usize::from((&found[1] - &truth[1]).norm_l2() > 1e-6 * truth[1].norm_l2());
                tally.take(&d.certificate, &found, &truth, &what);
                assert!(d.certificate.verdict.is_sound(), "{what}\n{}", d.certificate);
            }
        }
    }
    println!("weighed adjoints: verified, estimated, unsound {:?}; {caught} were wrong by 1e-6 and more", tally.0);
    assert!(caught >= 10 && tally.0[0] >= 30, "{caught} {tally:?}");
}

#[test]
fn entries_that_parameters_weigh_and_that_are_coupled_to_others() {
    let mut tally = Tally::default();
    for scale in SCALES {
        for couple in [1.0, 1e-3, 1e-6] {
            let s = Pair::new(60, 1, 70);
            let v = mat(74, 60, 1);
            let phi = (mat(75, 60, 1), 0.3f64);
            let y = solve(&s.a, &phi.0);
            let at = (y.clone(), scale * 0.3 - couple * matrices::dot(&v, &y));
            let c = root(&at, &phi, |(y, x): (Var, Var), (p, q): (Var, Var)| {
                (&s.a * y - p, x + y.dot(&v) * couple - q * scale)
            })
            .flat();
            let adjoint = solve(&s.a, &(&s.wy - &v * (couple / scale)));
            let truth = [adjoint, Mat::from_fn(1, 1, |_, _| 1.0)];
            for method in [Method::Auto, Method::Gmres { restart: 2 }, Method::BiCgStab, Method::Lsmr] {
                let solution = c.at(&at, &phi).method(method);
                let d = solution.hypergradient(|(y, x), _| y.dot(&s.wy) + x * (1.0 / scale)).unwrap();
                let found = [d.gradient.0, Mat::from_fn(1, 1, |_, _| d.gradient.1)];
                tally.take(&d.certificate, &found, &truth, &format!("{scale:e}, {couple:e}, {method:?}"));
            }
        }
    }
    println!("coupled entries: verified, estimated, unsound {:?}", tally.0);
    assert!(tally.0[0] + tally.0[1] >= 36, "{tally:?}");
}

#[test]
fn leaves_of_a_solution_that_are_small_beside_others() {
    let (mut tally, mut caught) = (Tally::default(), 0);
    for (n, k) in [(3, 2), (40, 6), (60, 4)] {
        for scale in SCALES {
            let s = Pair::new(n, k, 30 + n as u64);
            let phi = (mat(22, n, 1), mat(23, k, 1));
            let z = (solve(&s.a, &phi.0), solve(&s.b, &(&phi.1 * (1.0 / scale))));
            let c = stationary(&z, &phi, |(y, x): (Var, Var), (p, q): (Var, Var)| {
                y.dot(&s.a * y) * 0.5 - y.dot(p) + x.dot(&s.b * x) * 0.5 - x.dot(q) * (1.0 / scale)
            })
            .flat();
            let along = (mat(24, n, 1), mat(25, k, 1));
            let truth = [solve(&s.a, &along.0), solve(&s.b, &(&along.1 * (1.0 / scale)))];
            for method in solvers() {
                let d = c.at(&z, &phi).method(method).jvp(&along).unwrap();
                let found = [d.value.0, d.value.1];
                caught += usize::from((&found[1] - &truth[1]).norm_l2() > 1e-6 * truth[1].norm_l2());
                let what = format!("{n} and {k}, scale {scale:e}, {method:?}");
                tally.take(&d.certificate, &found, &truth, &what);
                assert!(d.certificate.verdict.is_sound(), "{what}\n{}", d.certificate);
            }
        }
    }
    println!("small leaves: verified, estimated, unsound {:?}; {caught} were wrong by 1e-6 and more", tally.0);
    assert!(caught >= 10 && tally.0[0] >= 30, "{caught} {tally:?}");
}

/// `y + y³ = p` and `x = q`.
fn cubic<'t>((y, x): (Var<'t>, Var<'t>), (p, q): (Var<'t>, Var<'t>)) -> (Var<'t>, Var<'t>) {
    (y + y * y * y - p, x - q)
}

/// A closure as a loss: its lifetimes are one.
fn loss<F: for<'t> Fn((Var<'t>, Var<'t>), (Var<'t>, Var<'t>)) -> Var<'t>>(f: F) -> F {
    f
}

#[test]
fn leaves_that_an_inexact_solution_spoils() {
    // y + y³ = p by 1e-3 off, and x = q beside it; the loss sees x by `scale`, so that the part by p is small.
    let mut tally = Tally::default();
    let y = (0..80).fold(0.0, |y: f64, _| y - (y + y * y * y - 1.3) / (1.0 + 3.0 * y * y));
    for scale in SCALES {
        for off in [0.0, 1e-9, 1e-6, 1e-3] {
            let (z, phi) = ((y * (1.0 + off), 0.8), (1.3, 0.8));
            let c = root(&z, &phi, cubic).flat();
            let number = |x: f64| Mat::from_fn(1, 1, |_, _| x);
            let truth = [number(1.0 / (1.0 + 3.0 * y * y)), number(scale)];
            for method in [Method::Auto, Method::Gmres { restart: 2 }] {
                let d = c.at(&z, &phi).method(method).without_polish();
                let d = d.hypergradient(loss(|(y, x), _| y + x * scale)).unwrap();
                let found = [number(d.gradient.0), number(d.gradient.1)];
                tally.take(&d.certificate, &found, &truth, &format!("{scale:e}, off by {off:e}, {method:?}"));
                assert!(d.certificate.verdict.is_sound(), "{}", d.certificate);
            }
        }
    }
    println!("inexact solutions: verified, estimated, unsound {:?}", tally.0);
    assert!(tally.0[0] >= 10 && tally.0[1] >= 10, "{tally:?}");
}

#[test]
fn one_member_of_a_batch_whose_parameters_weigh() {
    // Diagonal systems of five entries, the last of which the parameters of member 1 weigh.
    for scale in [1e6, 1e9, 1e12] {
        let shape = Shape::batch(3, 5, 1);
        let of = |m: usize, i: usize| if m == 1 && i == 4 { scale } else { 1.0 };
        let b = Batch::from_fn(shape, |m, i, _| of(m, i));
        let a = Batch::from_fn(shape, |m, i, _| 0.5 + (0.7 * i as f64 + 0.3 * m as f64));
        let w = Batch::from_fn(shape, |m, i, _| (1.0 + 0.2 * i as f64) / of(m, i));
        let phi = Batch::from_fn(shape, |m, i, _| 0.3 * m as f64 - 0.1 * i as f64);
        let z = Batch::from_fn(shape, |m, i, _| {
            let k = 5 * m + i;
            b.data()[k] * phi.data()[k] / a.data()[k]
        });
        let c = root(&z, &phi, |z: Var, phi: Var| z.hadamard(&a) - phi.hadamard(&b)).flat();
        let mut caught = 0;
        for method in solvers() {
            let d = c.at(&z, &phi).method(method).hypergradient(|z: Var, _| z.dot(&w).sum()).unwrap();
            for (m, member) in d.certificate.members.iter().enumerate() {
                let truth = Mat::from_fn(5, 1, |i, _| w.data()[5 * m + i] * b.data()[5 * m + i] / a.data()[5 * m + i]);
                let found = d.gradient.member(m);
                let error = (&found - &truth).norm_l2() / truth.norm_l2();
                let what = format!("{scale:e}, {method:?}, member {m}: wrong by {error:e}, {member:?}");
                match member.verdict {
                    Verdict::Verified => assert!(error < 1e-6, "{what}"),
                    _ => {
                        let told = member.error.unwrap();
                        assert!(m == 1 && told > 0.5 * error && told < 2.0 * error, "{what}");
                        caught += 1;
                    }
                }
            }
        }
        println!("members, {scale:e}: {caught} solvers left what matters");
    }
}

#[test]
fn parameters_that_weigh_a_direction_of_a_manifold() {
    // The minimum of z'Dz/2 - c z_1 - scale q z_6 on a sphere is e_1 for q = 0; the map there is D - d_1 + c.
    let (n, c) = (6, 3.0);
    let d = Mat::from_fn(n, n, |i, j| if i == j { 1.0 + 0.7 * i as f64 } else { 0.0 });
    let (mut tally, sphere) = (Tally::default(), Sphere::new(n, 1));
    for scale in SCALES {
        let z = Mat::from_fn(n, 1, |i, _| if i == 0 { 1.0 } else { 0.0 });
        let phi = (&z * c, 0.0f64);
        let w = Mat::from_fn(n, 1, |i, _| if i + 1 == n { 1.0 / scale } else { 0.4 * i as f64 - 0.5 });
        let condition = stationary(&z, &phi, |z: Var, (p, q): (Var, Var)| {
            z.dot(&d * z) * 0.5 - z.dot(p) - z.row_range(n - 1, 1) * q * scale
        })
        .on(&sphere);
        let slope = |i: usize| if i == 0 { 0.0 } else { w[(i, 0)] / (d[(i, i)] - d[(0, 0)] + c) };
        let truth = [Mat::from_fn(n, 1, |i, _| slope(i)), Mat::from_fn(1, 1, |_, _| scale * slope(n - 1))];
        for method in solvers() {
            let found = condition.at(&z, &phi).method(method).hypergradient(|z: Var, _| z.dot(&w)).unwrap();
            let gradient = [found.gradient.0, Mat::from_fn(1, 1, |_, _| found.gradient.1)];
            tally.take(&found.certificate, &gradient, &truth, &format!("{scale:e}, {method:?}"));
        }
    }
    println!("on a sphere: verified, estimated, unsound {:?}", tally.0);
    assert!(tally.0[0] + tally.0[1] >= 24, "{tally:?}");
}

#[test]
fn a_layer_whose_parameters_weigh() {
    let (n, k, scale) = (60, 4, 1e14);
    let s = std::sync::Arc::new(Pair::new(n, k, 50));
    let blank = (Mat::<f64>::zeros(n, 1), Mat::<f64>::zeros(k, 1));
    let (own, other) = (s.clone(), s.clone());
    let c = stationary(&blank, &blank, move |(y, x): (Var, Var), (p, q): (Var, Var)| {
        y.dot(&own.a * y) * 0.5 - y.dot(p) + x.dot(&own.b * x) * 0.5 - x.dot(q) * scale
    })
    .flat();
    let layer = Layer::new(c, blank.clone(), blank, move |(p, q): &(Mat<f64>, Mat<f64>)| {
        Ok((solve(&other.a, p), solve(&other.b, &(q * scale))))
    })
    .certified();
    let at = (mat(51, n, 1), mat(52, k, 1));
    let g = pullback::grad(
        |phi| {
            let (y, x): (Var, Var) = layer.apply(&phi);
            y.dot(&s.wy) + x.dot(&s.wx) * (1.0 / scale)
        },
        &at,
    )
    .unwrap();
    let (truth, all) = (s.truth(), layer.certificates());
    let error = (&g.1 - &truth[1]).norm_l2() / truth[1].norm_l2();
    assert!(error < 1e-6 || all.iter().all(|c| c.verdict != Verdict::Verified), "{error:e}\n{}", all[0]);
    println!("a layer: wrong by {error:e}, {}", all[0].verdict);
}

#[test]
fn a_small_leaf_on_a_manifold_beside_a_large_one_in_none() {
    let (mut tally, n, s) = (Tally::default(), 4, [1.0, 1.7, 2.4]);
    let space = Product::new((Stiefel::new(n, 3), Euclidean::new(3, 1)));
    let x = Mat::from_fn(n, 3, |i, j| f64::from(i == j));
    let (z, phi) = ((x.clone(), mat(80, 3, 1)), (Mat::from_fn(n, 3, |i, j| x[(i, j)] * s[j]), mat(80, 3, 1)));
    let c = root(&z, &phi, |(x, y): (Var, Var), (a, p): (Var, Var)| (x * x.t_mul(a).sym() - a, y - p)).on(&space);
    for (scale, seed) in [1.0, 1e-3, 1e-6, 1e-8, 1e-9, 1e-10, 1e-11].into_iter().zip(81..) {
        let along = (mat(seed, n, 3) * scale, mat(seed + 20, 3, 1));
        let turned = |i: usize, j: usize| (along.0[(i, j)] - along.0[(j, i)]) / (s[i] + s[j]);
        let dx = Mat::from_fn(n, 3, |i, j| if i < 3 { turned(i, j) } else { along.0[(i, j)] / s[j] });
        for method in [Method::Auto, Method::Gmres { restart: 30 }, Method::BiCgStab, Method::Lsmr] {
            let d = c.at(&z, &phi).method(method).jvp(&along).unwrap();
            let found = [d.value.0, d.value.1];
            tally.take(&d.certificate, &found, &[dx.clone(), along.1.clone()], &format!("{scale:e}, {method:?}"));
        }
    }
    println!("small leaves on a manifold: verified, estimated, unsound {:?}", tally.0);
    assert!(tally.0[0] + tally.0[1] >= 24, "{tally:?}");
}
#[test]
fn leaves_that_change_with_the_point_while_the_solution_of_the_system_does_not() {
    let mut tally = Tally::default();
    let (a, p) = (mat(90, 3, 1), mat(91, 3, 1));
    // `y = a` and `x = y o p`: the map knows `p`, and its derivative by `p` knows `y`.
    let c = root(&(a.clone(), a.clone()), &(a.clone(), p.clone()), |(y, x): (Var, Var), (a, p): (Var, Var)| {
        (y - a, x - y.hadamard(p))
    })
    .flat();
    for off in [0.0, 1e-9, 1e-6, 1e-4, 1e-2] {
        for weight in [1.0, 1e-3, 1e-6, 1e-9] {
            let y = &a * (1.0 + off);
            let x = Mat::from_fn(3, 1, |i, _| y[(i, 0)] * p[(i, 0)]);
            let (z, phi) = ((y, x), (a.clone(), p.clone()));
            let truth =
                [Mat::from_fn(3, 1, |i, _| 1.0 + weight * p[(i, 0)]), Mat::from_fn(3, 1, |i, _| weight * a[(i, 0)])];
            let at = c.at(&z, &phi).without_polish();
            let d = at.hypergradient(|(y, x), _| y.sum() + x.sum() * weight).unwrap();
            let found = [d.gradient.0, d.gradient.1];
            tally.take(&d.certificate, &found, &truth, &format!("off by {off:e}, weight {weight:e}"));
        }
    }
    println!("leaves by the point alone: verified, estimated, unsound {:?}", tally.0);
    assert!(tally.0[0] >= 6 && tally.0[1] >= 8, "{tally:?}");
}
