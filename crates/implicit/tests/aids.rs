//! Preconditioners and recycled adjoints where derivatives of solutions are asked for: right as without them, with
//! fewer products, and the certificate still tells.

#[path = "solutions/matrices.rs"]
mod matrices;
#[allow(dead_code)]
#[path = "solutions/spaces.rs"]
mod spaces;

use matrices::{apart, mat, qf, solve, sym, times, with_spectrum};
use pullback::faer::Mat;
use pullback::{Batch, Shape};
use pullback_implicit::bilevel::Bilevel;
use pullback_implicit::linear::{Diagonal, Method, Positive, Recycle, SelfAdjoint};
use pullback_implicit::{Condition, Settings, Tapes, Verdict, root, stationary};

const N: usize = 70;

/// A ridge regression with a penalty for each feature: data, and the logarithms of penalties of all sizes.
fn ridge(rows: usize, penalties: f64) -> (Mat<f64>, Mat<f64>, Mat<f64>) {
    (mat(600, rows, N), mat(601, rows, 1), mat(602, N, 1) * penalties)
}

fn normal(x: &Mat<f64>, l: &Mat<f64>) -> Mat<f64> {
    let gram = x.transpose() * x;
    Mat::from_fn(N, N, |i, j| gram[(i, j)] + if i == j { l[(i, 0)].exp() } else { 0.0 })
}

fn condition(x: &Mat<f64>, y: &Mat<f64>) -> impl Condition<State = Mat<f64>, Params = Mat<f64>> {
    let blank = Mat::zeros(N, 1);
    stationary(&blank, &blank, move |w, l| {
        let r = x * w - y;
        (r.dot(r) + l.exp().dot(w.hadamard(w))) * 0.5
    })
    .flat()
}

#[test]
fn a_preconditioned_ridge_is_right_in_fewer_products() {
    let (x, y, l) = ridge(200, 9.0);
    let (h, c) = (normal(&x, &l), condition(&x, &y));
    let w = solve(&h, &(x.transpose() * &y));
    let d = Diagonal::new(vec![Batch::from_fn(Shape::mat(N, 1), |_, i, _| 1.0 / h[(i, i)])]).unwrap();
    let target = mat(603, N, 1);
    let q = solve(&h, &target);
    let truth = Mat::from_fn(N, 1, |j, _| -l[(j, 0)].exp() * w[(j, 0)] * q[(j, 0)]);
    let cg = Method::Cg(Positive::asserted());
    let plain = c.at(&w, &l).method(cg).hypergradient(|w, _| w.dot(&target)).unwrap();
    for method in [cg, Method::Auto] {
        let with = c.at(&w, &l).method(method).preconditioned(&d).hypergradient(|w, _| w.dot(&target)).unwrap();
        assert!(apart(&with.gradient, &truth) < 1e-8, "{}", with.certificate);
        assert_eq!(with.certificate.verdict, Verdict::Verified, "{}", with.certificate);
        let (a, b) = (with.certificate.products, plain.certificate.products);
        assert!(3 * a < 2 * b, "{a} {b}");
        assert!(with.certificate.all_products < plain.certificate.all_products);
    }
    // A solver that is stopped early: the estimate is that of the preconditioned residual, and true.
    for tolerance in [1e-2, 1e-3, 1e-4] {
        let rough = c.at(&w, &l).method(cg).preconditioned(&d).tolerance(tolerance);
        let rough = rough.hypergradient(|w, _| w.dot(&target)).unwrap();
        let (error, told) = ((&rough.gradient - &truth).norm_l2(), rough.certificate.error.unwrap().total);
        assert_eq!(rough.certificate.verdict, Verdict::Estimated, "{}", rough.certificate);
        assert!(told > 0.5 * error && told < 2.0 * error, "{tolerance:e}: {told:e} {error:e}");
    }
}

#[test]
fn a_preconditioner_on_a_manifold_changes_no_derivative() {
    // M A M = I on the positive matrices, so M = A^{-1/2}; 78 dimensions.
    let n = 12;
    let spd = spaces::Spd(n);
    let g = mat(610, n, n);
    let a = &g * g.transpose() + Mat::<f64>::identity(n, n);
    let m = pullback::value(|a: pullback::Var| a.invsqrtm_spd(), &a).unwrap().into_mat();
    let c = stationary(&m, &a, |m: pullback::Var, a: pullback::Var| (m * a.sym()).trace() + m.spd().inverse().trace())
        .on(&spd);
    let target = sym(&mat(611, n, n));
    let closed = pullback::grad(|a: pullback::Var| a.sym().invsqrtm_spd().dot(&target), &a).unwrap();
    // Any positive numbers; they are no self-adjoint map in this metric, and are not taken for one.
    let d = Diagonal::new(vec![Batch::from_fn(Shape::mat(n, n), |_, i, j| 1.0 + 0.1 * (i + j) as f64)]).unwrap();
    let with = c.at(&m, &a).preconditioned(&d).hypergradient(|m, _| m.dot(&target)).unwrap();
    assert!(apart(&with.gradient, &closed) < 1e-8, "{}", with.certificate);
    assert_eq!(with.certificate.verdict, Verdict::Verified, "{}", with.certificate);
    assert!(matches!(with.certificate.method, Method::Gmres { .. }), "{}", with.certificate);
}

#[test]
fn recycled_adjoints_save_products_from_one_outer_step_to_the_next() {
    let (x, y, l0) = ridge(40, 6.0);
    let (c, target) = (condition(&x, &y), mat(603, N, 1));
    let total = |most: usize| -> usize {
        let (recycle, mut products) = (Recycle::new(most), 0);
        for k in 0..10 {
            let l = &l0 * (1.0 + 0.002 * k as f64);
            let h = normal(&x, &l);
            let (w, q) = (solve(&h, &(x.transpose() * &y)), solve(&h, &target));
            let d = c.at(&w, &l).recycling(&recycle).tolerance(1e-8).hypergradient(|w, _| w.dot(&target)).unwrap();
            let truth = Mat::from_fn(N, 1, |j, _| -l[(j, 0)].exp() * w[(j, 0)] * q[(j, 0)]);
            assert!(apart(&d.gradient, &truth) < 1e-6 && d.certificate.verdict.is_sound(), "{}", d.certificate);
            products += d.certificate.products;
        }
        products
    };
    let all = [0, 1, 2, 3].map(total);
    println!("products of ten adjoints, by solutions kept: {all:?}");
    assert!(all[1] < all[0] && all[2] < all[1] && 5 * all[2] < 4 * all[0], "{all:?}");
}

#[test]
fn the_bilevel_loop_recycles() {
    let (x, y, l0) = ridge(200, 3.0);
    let (c, xv, yv) = (condition(&x, &y), mat(620, 30, N), mat(621, 30, 1));
    let products = |recycle: usize| -> usize {
        let bilevel = Bilevel { recycle, matched: 0.0, ..Bilevel::new(1e-12) };
        let mut state = bilevel.start(Mat::zeros(N, 1), l0.clone());
        let inner = |l: &Mat<f64>, _: &Mat<f64>| Ok(solve(&normal(&x, l), &(x.transpose() * &y)));
        let update = |l: &Mat<f64>, g: &Mat<f64>| Ok(l - g * 0.05);
        bilevel.run(&c, &mut state, 12, inner, |w, _| (&xv * w - &yv).dot(&xv * w - &yv), update).unwrap();
        assert!(state.history.iter().all(|r| r.applied && r.verdict.is_sound()));
        assert_eq!(state.adjoints.len(), recycle.min(12));
        state.history.iter().map(|r| r.products).sum()
    };
    let all = [0, 1, 2].map(products);
    println!("products of twelve outer steps, by adjoints kept: {all:?}");
    // Newton steps and checks are in these numbers, and are not recycled.
    assert!(all[1] < all[0] && all[2] < all[1] && all[2] + 12 * 8 < all[0], "{all:?}");
}

/// `A z = phi` in 56 dimensions, symmetric or not.
fn linear(a: Mat<f64>) -> impl Condition<State = Mat<f64>, Params = Mat<f64>> {
    let blank = Mat::zeros(a.nrows(), 1);
    root(&blank, &blank, move |z, phi| &a * z - phi).flat()
}

#[test]
fn solvers_by_name_with_aids_of_another_problem_and_cotangents_of_every_size() {
    let (n, mut tally) = (56, [0; 3]);
    let values: Vec<f64> = (0..n).map(|i| 30f64.powf(-(i as f64) / (n - 1) as f64)).collect();
    let signs: Vec<f64> = (0..n).map(|i| if i % 3 == 0 { -values[i] } else { values[i] }).collect();
    let (symmetric, turned) = (with_spectrum(&values, 640), qf(&(mat(641, n, n) * 0.1 + Mat::<f64>::identity(n, n))));
    let other = linear(with_spectrum(&signs, 642));
    let (z, mut tapes) = (Mat::zeros(n, 1), Tapes::new());
    let wrong = other.at(&z, &z).linearise(&mut tapes).unwrap();
    let (cg, minres) = (Method::Cg(Positive::asserted()), Method::Minres(SelfAdjoint::asserted()));
    let short = Method::Chebyshev { low: 0.5, high: 0.6 };
    let (whole, anderson) = (Method::Chebyshev { low: 0.03, high: 1.1 }, Method::Anderson { memory: 8 });
    let richardson = Method::Richardson { step: 0.9 };
    for a in [symmetric.clone(), times(&symmetric, &turned)] {
        let transposed = a.transpose().to_owned();
        let c = linear(a);
        for method in [cg, minres, short, whole, anderson, richardson, Method::Lsmr, Method::BiCgStab] {
            for (aid, size) in [(0, 1.0), (0, 1e20), (1, 1.0), (2, 1e-30), (2, 1.0)] {
                let w = Mat::from_fn(n, 1, |i, _| size * mat(650, n, 1)[(i, 0)] * if i % 2 == 0 { 1e-7 } else { 1.0 });
                let stale = Recycle::new(2).deflating(2);
                let from = other.at(&z, &z).method(Method::Gmres { restart: 30 }).recycling(&stale);
                from.vjp(&mat(651, n, 1)).unwrap();
                let at = c.at(&z, &z).with(Settings { method, products: 400, ..Settings::new::<f64>() });
                let at = match aid {
                    0 => at,
                    1 => at.preconditioned(wrong.map()),
                    _ => at.recycling(&stale),
                };
                let d = at.vjp(&w).unwrap();
                let (truth, told) = (solve(&transposed, &w), d.certificate.error.map_or(0.0, |e| e.relative()));
                let error = (&d.value - &truth).norm_l2() / truth.norm_l2().max(d.value.norm_l2());
                let honest = match d.certificate.verdict {
                    Verdict::Verified => error < 2e-8,
                    Verdict::Estimated => told > 0.5 * error - 1e-9 && told < 2.0 * error + 1e-9,
                    _ => true,
                };
                assert!(honest, "{method:?}, {aid}, {size:e}: {error:e}\n{}", d.certificate);
                let kind = [d.certificate.verdict == Verdict::Verified, d.certificate.verdict.is_sound(), true];
                tally[kind.iter().position(|k| *k).unwrap()] += 1;
            }
        }
    }
    println!("verified, estimated, neither: {tally:?}");
    assert!(tally[0] >= 20, "{tally:?}");
}
