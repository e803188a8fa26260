//! Cases that were thought of to break the certificates: nothing that is wrong is `Verified`, and where a verdict is
//! `Estimated` the estimate is the error within a factor of two. Each is of a kind that the other tests do not show.

#[path = "solutions/matrices.rs"]
mod matrices;

use matrices::{apart, dot, mat, qf, solve, sym, with_spectrum};
use pullback::faer::Mat;
use pullback::{Batch, Shape, Var};
use pullback_implicit::linear::{Method, Positive};
use pullback_implicit::{
    Condition, Estimator, SolutionCertificate, Verdict, fixed_point, inner_loop, root, stationary,
};
use pullback_manifolds::{Euclidean, Product, Spd, Sphere};

/// Larger than what is looked at as a whole matrix.
const N: usize = 60;

fn honest(c: &SolutionCertificate, gradient: &Mat<f64>, truth: &Mat<f64>, what: &str) {
    let (error, size) = ((gradient - truth).norm_l2(), truth.norm_l2());
    match c.verdict {
        Verdict::Verified => assert!(error <= 1e-6 * size, "{what}: {error:e} of {size:e}\n{c}"),
        Verdict::Estimated => {
            let told = c.error.unwrap().total;
            assert!(told > 0.5 * error - 1e-9 * size && told < 2.0 * error + 1e-9 * size, "{what}: {error:e}\n{c}");
        }
        _ => {}
    }
}

#[test]
fn a_small_eigenvalue_that_the_right_hand_side_hardly_touches() {
    for (small, touch) in [(1e-4, 1e-11), (1e-6, 1e-11), (1e-7, 1e-11), (1e-7, 1e-13), (1e-5, 1e-9), (1e-7, 0.0)] {
        let q = qf(&mat(900, N, N));
        let e = Mat::from_fn(N, 1, |i, _| q[(i, 0)]);
        // A = I - (1 - small) e e', w almost orthogonal to e.
        let a = Mat::from_fn(N, N, |i, j| f64::from(i == j) - (1.0 - small) * e[(i, 0)] * e[(j, 0)]);
        let v = Mat::from_fn(N, 1, |i, _| q[(i, 1)]);
        let w = &v + &e * touch;
        let z = Mat::zeros(N, 1);
        let c = stationary(&z, &z, |z, phi| z.dot(&a * z) * 0.5 - z.dot(phi)).flat();
        let truth = &v + &e * (touch / small);
        for method in [Method::Auto, Method::Cg(Positive::asserted()), Method::Gmres { restart: 30 }, Method::Lsmr] {
            let d = c.at(&z, &z).method(method).hypergradient(|z, _| z.dot(&w)).unwrap();
            honest(&d.certificate, &d.gradient, &truth, &format!("{method:?}, {small:e}, {touch:e}"));
        }
    }
}

#[test]
fn a_singular_map_of_a_large_space_whose_system_has_a_solution() {
    // A with the kernel of one column and a left kernel of another; cotangents that do not see it.
    let (q, p) = (qf(&mat(910, N, N)), qf(&mat(911, N, N)));
    let s = Mat::from_fn(N, N, |i, j| if i == j && i > 0 { 0.5 + i as f64 / N as f64 } else { 0.0 });
    let (general, symmetric) = (&q * &s * p.transpose(), &q * &s * q.transpose());
    let z = Mat::zeros(N, 1);
    for method in [Method::Auto, Method::Gmres { restart: 60 }, Method::BiCgStab, Method::Lsmr] {
        let w = Mat::from_fn(N, 1, |i, _| p[(i, 1)] + p[(i, 5)]);
        let c = root(&z, &z, |z, phi| &general * z - phi).flat();
        let d = c.at(&z, &z).method(method).hypergradient(|z, _| z.dot(&w)).unwrap();
        assert!(!d.certificate.verdict.is_sound(), "{method:?}: {}", d.certificate);
        let w = Mat::from_fn(N, 1, |i, _| q[(i, 1)] + q[(i, 5)]);
        let c = stationary(&z, &z, |z, phi| z.dot(&symmetric * z) * 0.5 - z.dot(phi)).flat();
        let d = c.at(&z, &z).method(method).hypergradient(|z, _| z.dot(&w)).unwrap();
        assert!(!d.certificate.verdict.is_sound(), "{method:?}: {}", d.certificate);
    }
}

#[test]
fn a_small_member_that_is_wrong_beside_a_large_one_that_is_right() {
    // Two members: one whose derivative is 1e9 or 1e12 times as long, and exact; one whose series is cut far too short.
    let shape = Shape::batch(2, 2, 1);
    let z = Batch::zeros(shape);
    let scale = Batch::from_fn(shape, |m, _, _| if m == 0 { 1.0 } else { 0.02 });
    let c =
        stationary(&z, &z, |z: pullback::Var, phi: pullback::Var| z.dot(z.hadamard(&scale)) * 0.5 - z.dot(phi)).flat();
    for long in [1e9, 1e12] {
        let w = Batch::from_fn(shape, |m, i, _| if m == 0 { long } else { 1.0 + i as f64 });
        let d = c.at(&z, &z).method(Method::Neumann { terms: 3 }).hypergradient(|z, _| z.dot(&w).sum()).unwrap();
        let truth = [long, long, 50.0, 100.0];
        let wrong = d.gradient.data().iter().zip(truth).any(|(g, t)| (g - t).abs() > 1e-3 * t);
        let [right, short] = [0, 1].map(|m| d.certificate.members[m]);
        assert!(wrong && d.certificate.verdict != Verdict::Verified, "{:?}\n{}", d.gradient, d.certificate);
        assert!(right.verdict == Verdict::Verified && short.verdict != Verdict::Verified, "{right:?}\n{short:?}");
        // 1 - 0.98^4 of it is there, and the estimate of the member says how much is missing.
        assert!((short.error.unwrap() - 0.98f64.powi(4)).abs() < 1e-6, "{short:?}");
    }
    let w = Batch::from_fn(shape, |m, i, _| if m == 0 { 1e9 } else { 1.0 + i as f64 });
    // Both right: both verified.
    let d = c.at(&z, &z).hypergradient(|z, _| z.dot(&w).sum()).unwrap();
    assert_eq!(d.certificate.verdict, Verdict::Verified, "{}", d.certificate);
}

#[test]
fn single_precision_at_every_condition_number() {
    for k in 0..8 {
        let small = 10f32.powi(-k);
        let a = Mat::<f32>::from_fn(3, 3, |i, j| if i == j { [small, 0.5, 1.0][i] } else { 0.0 });
        let q = qf(&mat(930, 3, 3));
        let q = Mat::<f32>::from_fn(3, 3, |i, j| q[(i, j)] as f32);
        let a = &q * a * q.transpose();
        let (z, w) = (Mat::<f32>::zeros(3, 1), Mat::<f32>::from_fn(3, 1, |i, _| 1.0 + i as f32));
        let c = stationary(&z, &z, |z: pullback::Var<'_, f32>, phi: pullback::Var<'_, f32>| {
            z.dot(&a * z) * 0.5f32 - z.dot(phi)
        })
        .flat();
        let d = c.at(&z, &z).hypergradient(|z: pullback::Var<'_, f32>, _: pullback::Var<'_, f32>| z.dot(&w)).unwrap();
        // The truth of the matrix as it was rounded.
        let wide = |m: &Mat<f32>| Mat::from_fn(m.nrows(), m.ncols(), |i, j| f64::from(m[(i, j)]));
        let truth = solve(&wide(&a), &wide(&w));
        let error = apart(&wide(&d.gradient), &truth);
        assert!(d.certificate.verdict != Verdict::Verified || error < 1e-3, "1e-{k}: {error:e}\n{}", d.certificate);
    }
}

#[test]
fn a_constant_a_saddle_a_cliff_and_a_point_from_another_problem() {
    let z = mat(940, 3, 1);
    // The cost does not depend on z at all.
    let c = stationary(&z, &z, |z, phi| z.dot(phi) * 0.0 + phi.dot(phi)).flat();
    let d = c.at(&z, &z).hypergradient(|z, _| z.sum()).unwrap();
    assert!(!d.certificate.verdict.is_sound(), "{}", d.certificate);
    // A saddle is a stationary point, and its derivative is right.
    let a = with_spectrum(&[-1.0, 0.5, 2.0], 941);
    let (phi, w) = (mat(942, 3, 1), mat(943, 3, 1));
    let c = stationary(&phi, &phi, |z, phi| z.dot(&a * z) * 0.5 - z.dot(phi)).flat();
    let d = c.at(&solve(&a, &phi), &phi).hypergradient(|z, _| z.dot(&w)).unwrap();
    assert_eq!(d.certificate.verdict, Verdict::Verified);
    honest(&d.certificate, &d.gradient, &solve(&a, &w), "saddle");
    // Newton's method goes to another root than the one that is near, or round in a circle.
    for start in [0.45f64, 0.5, 0.9, 1.5, -0.1, 1.0 / 5f64.sqrt()] {
        let c = root(&start, &0.0f64, |z: pullback::Var, phi: pullback::Var| z * z * z - z - phi).flat();
        let d = c.at(&start, &0.0).hypergradient(|z: pullback::Var, _: pullback::Var| z).unwrap();
        let roots = [-1.0f64, 0.0, 1.0];
        let near = roots.iter().min_by(|a, b| (*a - d.solution).abs().total_cmp(&(*b - d.solution).abs())).unwrap();
        let truth = 1.0 / (3.0 * near * near - 1.0);
        let error = (d.gradient - truth).abs();
        match d.certificate.verdict {
            Verdict::Verified => assert!(error < 1e-6, "{start}: {error:e}\n{}", d.certificate),
            Verdict::Estimated => {
                let told = d.certificate.error.unwrap().total;
                assert!(told > 0.5 * error && told < 2.0 * error, "{start}: {error:e}\n{}", d.certificate);
            }
            _ => {}
        }
    }
}

#[test]
fn a_large_loop_that_is_not_normal_by_every_solver() {
    // Transient growth of 1e3 before the contraction by 0.6: terms that grow, residuals that mislead.
    let a = Mat::from_fn(N, N, |i, j| {
        if i == j {
            0.6
        } else if j == i + 1 {
            0.8
        } else {
            0.0
        }
    });
    let m = Mat::<f64>::identity(N, N) - &a;
    let (z, w) = (Mat::zeros(N, 1), mat(950, N, 1));
    let truth = solve(&m.transpose().to_owned(), &w);
    let c = fixed_point(&z, &z, |z, phi| &a * z + phi).flat();
    for method in [
        Method::Auto,
        Method::Gmres { restart: 8 },
        Method::BiCgStab,
        Method::Lsmr,
        Method::Neumann { terms: 20 },
        Method::NeumannAdaptive,
        Method::Anderson { memory: 6 },
    ] {
        for tolerance in [1e-3, 1e-8] {
            let s = c.at(&z, &z).method(method).tolerance(tolerance);
            let Ok(d) = s.hypergradient(|z, _| z.dot(&w)) else { continue };
            honest(&d.certificate, &d.gradient, &truth, &format!("{method:?} {tolerance:e}"));
        }
    }
}

#[test]
fn a_census_of_series() {
    let (mut verified, mut estimated) = (0, 0);
    for case in 0..400u64 {
        let n = 1 + (case % 5) as usize;
        let g = mat(1000 + case, n, n);
        let radius = [0.2, 0.6, 0.9, 0.99, 1.02][(case / 5 % 5) as usize];
        // Symmetric, normal or neither, with about the given radius.
        let a = match case / 25 % 3 {
            0 => with_spectrum(&(0..n).map(|i| radius * (1.0 - 1.7 * i as f64 / n as f64)).collect::<Vec<_>>(), case),
            1 => qf(&g) * radius,
            _ => Mat::from_fn(n, n, |i, j| {
                if i == j {
                    radius * g[(i, i)]
                } else if i < j {
                    1.5 * g[(i, j)]
                } else {
                    0.0
                }
            }),
        };
        let (steps, terms) = ([3, 12, 60, 600][(case / 75 % 4) as usize], [0, 1, 2, 4, 9, 30][(case % 6) as usize]);
        let (z0, phi, w) = (mat(2000 + case, n, 1), mat(3000 + case, n, 1), mat(4000 + case, n, 1));
        let p = inner_loop(&z0, &phi, |z, phi, _| &a * z + phi, |z, _| z.dot(&w));
        let Ok(d) = p.derivative(steps, Estimator::FixedPoint { terms }) else { continue };
        let truth = solve(&(Mat::<f64>::identity(n, n) - a.transpose()), &w);
        let (error, c) = ((&d.gradient - &truth).norm_l2(), &d.certificate);
        let what = format!("case {case}: {n}, {radius}, {steps} steps, {terms} terms, error {error:e}\n{c}");
        match c.verdict {
            Verdict::Verified => {
                assert!(error <= 1e-6 * truth.norm_l2(), "{what}");
                verified += 1;
            }
            Verdict::Estimated => {
                let (told, rounding) = (c.error.unwrap(), 1e-9 * truth.norm_l2());
                assert!(told + rounding > 0.5 * error && told < 2.0 * error + rounding, "{what}");
                estimated += 1;
            }
            _ => {}
        }
    }
    assert!(verified > 5 && estimated > 60, "{verified} {estimated}");
}

#[test]
fn a_small_entry_that_is_off_beside_a_large_one_that_is_right() {
    // y + y³ = p, and x = scale q: beside x the residual of y looks like rounding, and its Newton step like nothing.
    let scales = [1e-9f64, 1e-6, 1.0, 1e6, 1e9];
    for (scale, whole) in scales.into_iter().map(|s| (s, false)).chain([(1e12, true)]) {
        let (phi, y) =
            ((1.3f64, 0.8f64), (0..80).fold(0.0, |z: f64, _| z - (z + z * z * z - 1.3) / (1.0 + 3.0 * z * z)));
        let truth = (1.0 / (1.0 + 3.0 * y * y), 1.0);
        for off in [1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-10, 0.0] {
            let z = (y * (1.0 + off), scale * 0.8);
            let c = root(&z, &phi, |(y, x): (pullback::Var, pullback::Var), (p, q): (pullback::Var, pullback::Var)| {
                (y + y * y * y - p, x - q * scale)
            })
            .flat();
            let all = [Method::Auto, Method::Gmres { restart: 2 }, Method::BiCgStab, Method::Lsmr];
            for method in all.into_iter().take(if whole { 1 } else { 4 }) {
                for polish in [true, false] {
                    let s = c.at(&z, &phi).method(method);
                    let s = if polish { s } else { s.without_polish() };
                    let d = s
                        .hypergradient(|(y, x): (pullback::Var, pullback::Var), _: (pullback::Var, pullback::Var)| {
                            y + x * (1.0 / scale)
                        })
                        .unwrap();
                    let column = |g: (f64, f64)| Mat::from_fn(2, 1, |i, _| if i == 0 { g.0 } else { g.1 });
                    let what = format!("scale {scale:e}, off by {off:e}, {method:?}");
                    honest(&d.certificate, &column(d.gradient), &column(truth), &what);
                    assert!(d.certificate.verdict.is_sound(), "{what}\n{}", d.certificate);
                }
            }
        }
    }
}

/// The derivative of `X = sym(C)`, `x = b / |b|`, `y = q` on SPD x sphere x flat space, from their costs together: its
/// verdict, and the error of each leaf. `C` is of the size `scale`, with condition number `condition`; `b` of `length`.
macro_rules! three_factors {
    ($name:ident, $t:ty) => {
        fn $name(scale: f64, condition: f64, length: f64, seed: u64) -> (Verdict, [f64; 3], String) {
            let narrow = |m: &Mat<f64>| Mat::<$t>::from_fn(m.nrows(), m.ncols(), |i, j| m[(i, j)] as $t);
            let wide = |m: &Mat<$t>| Mat::<f64>::from_fn(m.nrows(), m.ncols(), |i, j| f64::from(m[(i, j)]));
            let values: Vec<f64> = (0..3).map(|i| scale * condition.powf(-f64::from(i) / 2.0)).collect();
            let c = narrow(&sym(&with_spectrum(&values, seed)));
            let (b, q) = (narrow(&(mat(seed + 1, 4, 1) * length)), narrow(&mat(seed + 2, 2, 1)));
            let size = wide(&b).norm_l2();
            let x = wide(&b) * (1.0 / size);
            let (z, phi) = ((c.clone(), narrow(&x), q.clone()), (c, b, q));
            let space = Product::new((Spd::new(3), Sphere::new(4, 1), Euclidean::new(2, 1)));
            let cost = stationary(&z, &phi, |z: Three<'_, $t>, phi: Three<'_, $t>| {
                let d = z.2 - phi.2;
                z.0.inverse().dot(phi.0.sym()) + z.0.logdet() - z.1.dot(phi.1) + d.dot(d)
            });
            let w = (narrow(&mat(seed + 3, 3, 3)), narrow(&mat(seed + 4, 4, 1)), narrow(&mat(seed + 5, 2, 1)));
            let d = cost.on(&space).at(&z, &phi).vjp(&w).unwrap();
            let along = &wide(&w.1) - &x * dot(&wide(&w.1), &x);
            let errors = [
                apart(&wide(&d.value.0), &sym(&wide(&w.0))),
                apart(&wide(&d.value.1), &(along * (1.0 / size))),
                apart(&wide(&d.value.2), &wide(&w.2)),
            ];
            let what = format!("{scale:e}, {condition:e}, {length:e}: {errors:?}\n{}", d.certificate);
            (d.certificate.verdict, errors, what)
        }
    };
}

type Three<'t, T> = (Var<'t, T>, Var<'t, T>, Var<'t, T>);

three_factors!(in_double, f64);
three_factors!(in_single, f32);

/// What is sound and what is not, over all of these.
fn judged(
    of: impl Fn(f64, f64, f64, u64) -> (Verdict, [f64; 3], String),
    eps: f64,
    scales: &[f64],
    conditions: &[f64],
) -> [usize; 2] {
    let mut tally = [0; 2];
    for (i, scale) in scales.iter().enumerate() {
        for (j, condition) in conditions.iter().enumerate() {
            for (k, length) in [1e-3, 1.0, 1e3].into_iter().enumerate() {
                let seed = 700 + 100 * i as u64 + 10 * j as u64 + k as u64;
                let (verdict, errors, what) = of(*scale, *condition, length, seed);
                let wrong = errors.iter().any(|e| *e > 3.0 * eps.sqrt());
                assert!(!(wrong && verdict == Verdict::Verified), "{what}");
                tally[usize::from(!verdict.is_sound())] += 1;
            }
        }
    }
    tally
}

#[test]
fn factors_whose_metrics_differ_by_many_orders_of_size() {
    // The metric of SPD is as large as its point is small, and of a condition number that is squared. Neither is a
    // reason to miss a direction; where rounding loses the metric itself, nothing is verified.
    let double = judged(in_double, f64::EPSILON, &[1e-9, 1e-6, 1.0, 1e6, 1e9], &[1.5, 100.0]);
    let eps = f64::from(f32::EPSILON);
    let single = judged(in_single, eps, &[1e-6, 1e-4, 1.0, 1e5], &[1.5, 30.0]);
    let lost = judged(in_single, eps, &[1e-6, 1.0, 1e5], &[3e3]);
    println!("sound and not: in double precision {double:?}, in single {single:?}, beyond it {lost:?}");
    assert!(double == [30, 0] && single[0] >= 20 && lost[1] >= 8, "{double:?} {single:?} {lost:?}");
}

/// The verdict on a derivative in 62 dimensions: positive matrices of the size `scale` beside a sphere, where the
/// second smallest eigenvalue of a quadratic form is `gap`, and flat space. The cotangent touches its direction by
/// 1e-6.
macro_rules! large_product {
    ($name:ident, $t:ty) => {
        fn $name(scale: f64, gap: f64, method: Method) -> (Verdict, String) {
            let narrow = |m: &Mat<f64>| Mat::<$t>::from_fn(m.nrows(), m.ncols(), |i, j| m[(i, j)] as $t);
            let values: Vec<f64> = (0..10).map(|i| scale * (1.0 + f64::from(i))).collect();
            let c = narrow(&sym(&with_spectrum(&values, 900)));
            let form = Mat::<$t>::from_fn(5, 5, |i, j| if i == j { [0.0, gap, 1.5, 2.0, 2.5][i] as $t } else { 0.0 });
            let x = Mat::<$t>::from_fn(5, 1, |i, _| if i == 0 { 1.0 } else { 0.0 });
            let q = narrow(&mat(901, 3, 1));
            let (z, phi) = ((c.clone(), x, q.clone()), (c, form, q));
            let space = Product::new((Spd::new(10), Sphere::new(5, 1), Euclidean::new(3, 1)));
            let cost = stationary(&z, &phi, |z: Three<'_, $t>, phi: Three<'_, $t>| {
                let d = z.2 - phi.2;
                z.0.inverse().dot(phi.0.sym()) + z.0.logdet() + z.1.dot(phi.1.sym() * z.1) + d.dot(d)
            });
            let touch = Mat::<$t>::from_fn(5, 1, |i, _| if i == 1 { 1e-6 } else { i as $t });
            let w = (narrow(&mat(902, 10, 10)), touch, narrow(&mat(903, 3, 1)));
            let d = cost.on(&space).at(&z, &phi).method(method).vjp(&w).unwrap();
            (d.certificate.verdict, format!("{scale:e}, {gap:e}, {method:?}\n{}", d.certificate))
        }
    };
}

large_product!(large_in_double, f64);
large_product!(large_in_single, f32);

#[test]
fn a_kernel_in_a_factor_whose_metric_is_small_beside_another() {
    let (cg, mut sound) = (Method::Cg(Positive::asserted()), [0, 0]);
    for method in [Method::Auto, cg, Method::Gmres { restart: 40 }, Method::Lsmr, Method::BiCgStab] {
        for scale in [1e-9, 1e-6, 1e-5, 1.0, 1e4] {
            for (verdict, what) in [large_in_double(scale, 0.0, method), large_in_single(scale, 0.0, method)] {
                assert!(!verdict.is_sound(), "{what}");
            }
            let regular = [large_in_double(scale, 1.0, method), large_in_single(scale, 1.0, method)];
            sound.iter_mut().zip(regular).for_each(|(n, (verdict, _))| *n += usize::from(verdict.is_sound()));
        }
    }
    // Where scales are far apart there are leaves that single precision cannot tell, and it says so.
    assert!(sound[0] == 25 && sound[1] >= 8, "{sound:?}");
}

#[test]
fn a_derivative_that_is_the_same_at_two_points_of_newtons_method_and_not_at_the_solution() {
    // z = 1 solves (z - 1) + (z - 1)²/2 = p at p = 0. From 1 + y Newton's method leads to 1 + y²/(2 + 2y), and the
    // loss is such that its derivative is the same in both places.
    for y in [0.009, 3e-3, 1e-3, 1e-4] {
        let next = y * y / (2.0 + 2.0 * y);
        let by = |y: f64, a: f64| (1.0 + 2.0 * y + a * y * y) / (1.0 + y);
        // by(y, a) = by(next, a) is linear in a.
        let a = (by(next, 0.0) - by(y, 0.0)) / (y * y / (1.0 + y) - next * next / (1.0 + next));
        let c = root(&1.0, &0.0, |z: Var, p: Var| (z - 1.0) + (z - 1.0) * (z - 1.0) * 0.5 - p).flat();
        let d = c
            .at(&(1.0 + y), &0.0)
            .without_polish()
            .hypergradient(|z: Var, _| {
                let y = z - 1.0;
                y + y * y + y * y * y * (a / 3.0)
            })
            .unwrap();
        let (error, cert) = (f64::abs(d.gradient - 1.0), &d.certificate);
        let told = cert.error.unwrap().total;
        let honest = !cert.verdict.is_sound() || told > 0.5 * error && told < 2.0 * error;
        assert!(honest || error < 1.5e-8, "off by {y:e}: wrong by {error:e}\n{cert}");
        // A loss without such a coincidence, from the same point.
        let d = c.at(&(1.0 + y), &0.0).without_polish().hypergradient(|z: Var, _| z * z).unwrap();
        assert!(d.certificate.verdict.is_sound(), "off by {y:e}\n{}", d.certificate);
    }
}
