//! A thousand random cases that break solvers of other libraries: singular, indefinite, wrongly declared,
//! non-stationary, degenerate, not contracting, not normal, zero and 1x1. A silent failure is a wrong number with a
//! sound verdict, or an estimate that is not within a factor of two.

use crate::{dot, mat, qf, solve, with_spectrum};
use pullback::faer::Mat;
use pullback::{Batch, Shape};
use pullback_implicit::linear::{Diagonal, Method, Positive, SelfAdjoint};
use pullback_implicit::{
    Condition, Hypergradient, Result, SolutionCertificate, Verdict, Why, fixed_point, root, stationary,
};

/// What a case found: the gradient, its certificate, and the truth if there is one.
struct Found {
    error: f64,
    scale: f64,
    certificate: SolutionCertificate,
}

fn judge(kind: &str, case: u64, found: Result<Found>, sound: &mut [usize; 2]) {
    let Ok(f) = found else { return };
    let c = &f.certificate;
    let what = format!("{kind}, case {case}: error {:.2e} of {:.2e}\n{c}\n{:?}", f.error, f.scale, c.members[0]);
    // All of them are smooth.
    assert!(!matches!(c.verdict, Verdict::Suspect(Why::Kink { .. })), "{what}");
    match c.verdict {
        Verdict::Verified => {
            assert!(f.error <= 1e-6 * f.scale, "verified and wrong: {what}");
            sound[0] += 1;
        }
        Verdict::Estimated => {
            let e = c.error.unwrap().total;
            let rounding = 1e-9 * f.scale;
            assert!(e + rounding >= f.error / 2.0 && e <= 2.0 * f.error + rounding, "estimate off: {what}");
            sound[1] += 1;
        }
        _ => {}
    }
}

fn found(d: Hypergradient<Mat<f64>, Mat<f64>>, truth: Option<Mat<f64>>) -> Found {
    let (error, scale) = match truth {
        Some(t) => ((&d.gradient - &t).norm_l2(), t.norm_l2().max(d.gradient.norm_l2())),
        None => (f64::INFINITY, 1.0),
    };
    Found { error, scale, certificate: d.certificate }
}

fn methods(case: u64) -> Method {
    let all = [
        Method::Auto,
        Method::Cg(Positive::asserted()),
        Method::Minres(SelfAdjoint::asserted()),
        Method::Gmres { restart: 6 },
        Method::BiCgStab,
        Method::Lsmr,
        Method::Neumann { terms: 5 },
        Method::NeumannAdaptive,
        Method::Richardson { step: 0.3 },
        Method::Chebyshev { low: 0.2, high: 2.0 },
        Method::Anderson { memory: 3 },
    ];
    all[(case / 10 % 11) as usize]
}

/// `min z'Az/2 - phi'z`, `L = w'z`: the gradient is `A^{-1} w` where `A` is regular.
fn quadratic(
    a: &Mat<f64>,
    phi: &Mat<f64>,
    z: &Mat<f64>,
    w: &Mat<f64>,
    case: u64,
) -> Result<Hypergradient<Mat<f64>, Mat<f64>>> {
    let c = stationary(z, phi, |z, phi| z.dot(a * z) * 0.5 - z.dot(phi)).flat();
    let s = c.at(z, phi).method(methods(case)).tolerance([1e-10, 1e-3][(case % 2) as usize]);
    // Some with a preconditioner that knows nothing of the map.
    let scale = mat(case + 5000, a.nrows(), 1);
    let blind = Batch::from_fn(Shape::mat(a.nrows(), 1), |_, i, _| (3.0 * scale[(i, 0)]).exp());
    let blind = Diagonal::new(vec![blind])?;
    let s = if case / 10 % 3 == 1 { s.preconditioned(&blind) } else { s };
    s.hypergradient(|z, _| z.dot(w))
}

#[test]
fn no_failure_is_silent() {
    let mut sound = [0, 0];
    for case in 0..1000u64 {
        let n = 1 + (case / 100 % 5) as usize;
        let (g, w, phi) = (mat(case, n, n), mat(case + 7000, n, 1), mat(case + 9000, n, 1));
        let values = |f: &dyn Fn(usize) -> f64| with_spectrum(&(0..n).map(f).collect::<Vec<_>>(), case + 100);
        let positive = values(&|i| 0.3 + i as f64 * 0.4);
        match case % 10 {
            0 => {
                // Singular, with a solution or without.
                let a = values(&|i| if i == 0 { 0.0 } else { i as f64 });
                let phi = if case % 20 == 0 { &a * &phi } else { phi };
                let z = Mat::from_fn(n, 1, |i, _| g[(0, i)]);
                judge("singular", case, quadratic(&a, &phi, &z, &w, case).map(|d| found(d, None)), &mut sound);
            }
            1 => {
                let a = values(&|i| if i % 2 == 0 { -0.5 - i as f64 } else { 0.4 + i as f64 });
                let d = quadratic(&a, &phi, &solve(&a, &phi), &w, case);
                judge("indefinite", case, d.map(|d| found(d, Some(solve(&a, &w)))), &mut sound);
            }
            2 => {
                // A root whose map is not self-adjoint, and methods that believe it is.
                let a = Mat::from_fn(n, n, |i, j| g[(i, j)] + if i == j { 1.5 } else { 0.0 });
                let z = solve(&a, &phi);
                let c = root(&z, &phi, |z, phi| &a * z - phi).flat();
                let d = c.at(&z, &phi).method(methods(case)).hypergradient(|z, _| z.dot(&w));
                let truth = solve(&a.transpose().to_owned(), &w);
                judge("wrongly declared", case, d.map(|d| found(d, Some(truth))), &mut sound);
            }
            3 => {
                // A quartic, and a point that is far from its solution, near, or nearer.
                let mut z = solve(&positive, &phi);
                for _ in 0..60 {
                    let r = &positive * &z + Mat::from_fn(n, 1, |i, _| z[(i, 0)].powi(3)) - &phi;
                    let h = Mat::from_fn(n, n, |i, j| {
                        positive[(i, j)] + if i == j { 3.0 * z[(i, 0)].powi(2) } else { 0.0 }
                    });
                    z = &z - solve(&h, &r);
                }
                let h =
                    Mat::from_fn(n, n, |i, j| positive[(i, j)] + if i == j { 3.0 * z[(i, 0)].powi(2) } else { 0.0 });
                let truth = solve(&h, &w);
                let far = [3.0, 0.5, 0.1, 1e-2, 1e-4, 1e-8][(case / 10 % 6) as usize];
                let at = Mat::from_fn(n, 1, |i, _| z[(i, 0)] + far * g[(0, i)]);
                let c = stationary(&at, &phi, |z, phi| {
                    let square = z.hadamard(z);
                    z.dot(&positive * z) * 0.5 + square.dot(square) * 0.25 - z.dot(phi)
                })
                .flat();
                let mut s = c.at(&at, &phi).method(methods(case));
                if case % 4 == 1 {
                    s = s.without_polish();
                }
                judge(
                    "not stationary",
                    case,
                    s.hypergradient(|z, _| z.dot(&w)).map(|d| found(d, Some(truth))),
                    &mut sound,
                );
            }
            4 => {
                // A degenerate minimum: at phi = 0 the quartic z^4/4 - phi z has no derivative.
                let zero = Mat::zeros(n, 1);
                let z = Mat::from_fn(n, 1, |i, _| [0.0, 1e-2, 1e-4, 0.3][(case / 10 % 4) as usize] * g[(0, i)]);
                let c = stationary(&z, &zero, |z, phi| {
                    let square = z.hadamard(z);
                    square.dot(square) * 0.25 - z.dot(phi)
                })
                .flat();
                let d = c.at(&z, &zero).method(methods(case)).hypergradient(|z, _| z.dot(&w));
                judge("degenerate", case, d.map(|d| found(d, None)), &mut sound);
            }
            5 | 6 => {
                // Fixed points of maps that contract or do not, normal or not.
                let size = [0.5, 0.9, 1.1, 3.0][(case / 10 % 4) as usize];
                let q = qf(&g);
                let a = match case % 10 {
                    5 => &q * size,
                    _ => Mat::from_fn(n, n, |i, j| {
                        if i < j {
                            4.0 * g[(i, j)]
                        } else if i == j {
                            0.6 * size * g[(i, i)]
                        } else {
                            0.0
                        }
                    }),
                };
                let m = Mat::<f64>::identity(n, n) - &a;
                let z = solve(&m, &phi);
                let c = fixed_point(&z, &phi, |z, phi| &a * z + phi).flat();
                let d = c.at(&z, &phi).method(methods(case)).hypergradient(|z, _| z.dot(&w));
                let truth = solve(&m.transpose().to_owned(), &w);
                judge("fixed point", case, d.map(|d| found(d, Some(truth))), &mut sound);
            }
            7 => {
                // A right-hand side of zero.
                let z = solve(&positive, &phi);
                let none = Mat::zeros(n, 1);
                let d = quadratic(&positive, &phi, &z, &none, case);
                judge("zero", case, d.map(|d| found(d, Some(Mat::zeros(n, 1)))), &mut sound);
            }
            8 => {
                // The identity, and one number of any size.
                let a = match case % 20 {
                    8 => Mat::identity(n, n),
                    _ => Mat::from_fn(1, 1, |_, _| 10f64.powi((case / 20 % 30) as i32 - 15)),
                };
                let n = a.nrows();
                let cut = |m: &Mat<f64>| Mat::from_fn(n, 1, |i, _| m[(i, 0)]);
                let (phi, w) = (cut(&phi), cut(&w));
                let d = quadratic(&a, &phi, &solve(&a, &phi), &w, case);
                judge("identity", case, d.map(|d| found(d, Some(solve(&a, &w)))), &mut sound);
            }
            _ => {
                // Near-singular: eigenvalues down to where no digit is left.
                let small = 10f64.powi(-(case as i32 / 10 % 18));
                let a = values(&|i| if i == 0 { small } else { i as f64 });
                // In the eigenbasis neither the solution nor the truth loses anything.
                let q = qf(&mat(case + 100, n, n));
                let column = |k: usize| Mat::from_fn(n, 1, |r, _| q[(r, k)]);
                let inverse = |v: &Mat<f64>| {
                    (0..n).fold(Mat::zeros(n, 1), |x, k| {
                        x + column(k) * (dot(&column(k), v) / if k == 0 { small } else { k as f64 })
                    })
                };
                let (z, truth) = (inverse(&phi), inverse(&w));
                judge(
                    "nearly singular",
                    case,
                    quadratic(&a, &phi, &z, &w, case).map(|d| found(d, Some(truth))),
                    &mut sound,
                );
            }
        }
    }
    // The census is not passed by calling everything suspect.
    assert!(sound[0] > 350 && sound[1] > 30, "{sound:?}");
}
