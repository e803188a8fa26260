//! Closed forms that nothing here was developed on: a linear cost with a quadratic one on the sphere, the best
//! rotation, a mean of subspaces, an equation of positive matrices and a step between them, the factors of a singular
//! value decomposition on a product. The dense solver to 1e-10, Krylov methods to ten times the tolerance, JVP and VJP
//! dual; and the series of a loop on a manifold, where it has arrived to rounding and where it has not.

#[path = "solutions/matrices.rs"]
mod matrices;
#[allow(dead_code)]
#[path = "solutions/spaces.rs"]
mod spaces;

use matrices::{apart, dot, mat, qf, solve, sym, with_spectrum};
use pullback::Leaves;
use pullback::faer::Mat;
use pullback::prelude::*;
use pullback_implicit::linear::{Method, Positive, SelfAdjoint};
use pullback_implicit::{Condition, Estimator, Tapes, Verdict, fixed_point, inner_loop, stationary};
use pullback_manifolds::{Grassmann, Manifold};
use spaces::{Pair, Spd, Stiefel};

/// For minima; the dense solver first.
fn for_positive() -> Vec<Method> {
    let gmres = Method::Gmres { restart: 60 };
    vec![Method::Dense, Method::Cg(Positive::asserted()), Method::Minres(SelfAdjoint::asserted()), gmres, Method::Lsmr]
}

fn for_any() -> Vec<Method> {
    vec![Method::Dense, Method::Gmres { restart: 60 }, Method::BiCgStab, Method::Lsmr, Method::Neumann { terms: 400 }]
}

/// That a condition has this JVP and a VJP dual to it, by each method, and is certain of it.
fn agrees<C>(c: &C, z: &C::State, phi: &Mat<f64>, dphi: &Mat<f64>, dz: &[Mat<f64>], methods: &[Method])
where
    C: Condition<Params = Mat<f64>>,
    C::State: Leaves<Scalar = f64>,
{
    let matrices = |z: &C::State| -> Vec<Mat<f64>> { z.batches().into_iter().map(Batch::into_mat).collect() };
    let zbar: Vec<Mat<f64>> = dz.iter().zip(91..).map(|(d, seed)| mat(seed, d.nrows(), d.ncols())).collect();
    let mut parts = zbar.iter().map(Batch::of);
    let zbar_tree = z.rebuild(&mut || parts.next().unwrap());
    let both = |a: &[Mat<f64>], b: &[Mat<f64>]| a.iter().zip(b).map(|(a, b)| dot(a, b)).sum::<f64>();
    for method in methods {
        let tolerance = 1e-11;
        let most = if *method == Method::Dense { 1e-10 } else { 10.0 * tolerance };
        let mut tapes = Tapes::new();
        let lin = c.at(z, phi).method(*method).tolerance(tolerance).linearise(&mut tapes).unwrap();
        let (push, pull) = (lin.jvp(dphi).unwrap(), lin.vjp(&zbar_tree).unwrap());
        let (found, size) = (matrices(&push.value), both(dz, dz).sqrt());
        let off: f64 = found.iter().zip(dz).map(|(f, d)| (f - d).norm_l2().powi(2)).sum::<f64>().sqrt() / size;
        assert!(off < most, "{method:?}: {off:e}\n{}", push.certificate);
        assert_eq!(push.certificate.verdict, Verdict::Verified, "{method:?}\n{}", push.certificate);
        assert_eq!(pull.certificate.verdict, Verdict::Verified, "{method:?}\n{}", pull.certificate);
        let gap = (both(&zbar, &found) - dot(&pull.value, dphi)).abs() / (both(&zbar, &zbar).sqrt() * size);
        let most = if *method == Method::Dense { 1e-12 } else { most };
        assert!(gap < most, "{method:?}: {gap:e}\n{}", pull.certificate);
    }
}

fn column(q: &Mat<f64>, k: usize) -> Mat<f64> {
    Mat::from_fn(q.nrows(), 1, |i, _| q[(i, k)])
}

#[test]
fn a_linear_cost_with_a_quadratic_one_on_the_sphere() {
    // min y'Ay/2 - b'y with |y| = 1: (A - l) y = b. From y and l below the spectrum of A, b.
    let n = 6;
    let a = with_spectrum(&[0.5, 0.9, 1.3, 2.0, 2.1, 4.0], 3000);
    let y = mat(3001, n, 1);
    let y = &y * (1.0 / y.norm_l2());
    let shifted = &a - Mat::<f64>::identity(n, n) * 0.2;
    let (b, db) = (&shifted * &y, mat(3002, n, 1));
    // (A - l) dy - y dl = db, y'dy = 0.
    let inverse = |v: &Mat<f64>| solve(&shifted, v);
    let (free, turn) = (inverse(&db), inverse(&y));
    let dy = &free - &turn * (dot(&y, &free) / dot(&y, &turn));
    let sphere = Stiefel(n, 1);
    let c = stationary(&y, &b, |y: Var, b: Var| y.dot(&a * y) * 0.5 - b.dot(y)).on(&sphere);
    agrees(&c, &y, &b, &db, &[dy], &for_positive());
}

#[test]
fn the_best_rotation_of_one_frame_to_another() {
    // min |A X - B|² over the orthogonal matrices: the polar factor of A'B.
    let (a, da) = (mat(3010, 9, 4), mat(3011, 9, 4));
    let b = &a * qf(&mat(3012, 4, 4)) + mat(3013, 9, 4) * 0.3;
    let polar = func(|a: Var| a.t_mul(&b).polar().0);
    let (x, dx) = pullback::jvp(&polar, &a, &da).unwrap();
    let x = x.into_mat();
    let all = Stiefel(4, 4);
    let c = stationary(&x, &a, |x: Var, a: Var| (a * x - &b).dot(a * x - &b) * 0.5).on(&all);
    agrees(&c, &x, &a, &da, &[dx.into_mat()], &for_positive());
}

#[test]
fn a_weighted_mean_of_subspaces_on_the_grassmann_manifold() {
    // max sum w_i |X_i'X|²: the dominant subspace of sum w_i X_i X_i', by the weights.
    let (n, k, count) = (7, 2, 4);
    let frames: Vec<Mat<f64>> = (0..count).map(|i| qf(&(mat(3020, n, k) + mat(3021 + i as u64, n, k) * 0.5))).collect();
    let w = Mat::from_fn(count, 1, |i, _| 1.0 + 0.3 * i as f64);
    let dw = mat(3030, count, 1);
    let projectors = Mat::from_fn(n * n, count, |r, i| (&frames[i] * frames[i].transpose())[(r % n, r / n)]);
    let projector = func(|w: Var| (&projectors * w).reshape(n, n).sym().spectral_projector(k));
    let (p, dp) = pullback::jvp(&projector, &w, &dw).unwrap();
    let x = qf(&(p.into_mat() * mat(3031, n, k)));
    let gr = Grassmann::new(n, k);
    let c = stationary(&x, &w, |x: Var, w: Var| x.dot((&projectors * w).reshape(n, n).sym() * x) * -0.5).on(&gr);
    agrees(&c, &x, &w, &dw, &[dp.into_mat() * &x], &for_positive());
}

#[test]
fn an_equation_of_positive_matrices() {
    // min <A, M> - log det M + |M|²/4: A - M^{-1} + M/2 = 0, so M = (A² + 2)^{1/2} - A.
    let n = 4;
    let (a, da) = (with_spectrum(&[-1.0, 0.3, 0.31, 2.5], 3040), mat(3041, n, n));
    let form = func(|a: Var| {
        let a = a.sym();
        (a * a + a.tape().eye(4) * 2.0).sym().sqrtm_spd() - a
    });
    let (m, dm) = pullback::jvp(&form, &a, &da).unwrap();
    let m = sym(&m.into_mat());
    let spd = Spd(n);
    let c = stationary(&m, &a, |m: Var, a: Var| m.dot(a.sym()) - m.spd().logdet() + m.dot(m) * 0.25).on(&spd);
    agrees(&c, &m, &a, &da, &[dm.into_mat()], &for_positive());
}

#[test]
fn a_step_between_positive_matrices() {
    // M = Q Q' + F M F', in the affine-invariant metric at M; the derivative by Q is a sum of powers of F.
    let n = 3;
    let f = mat(3050, n, n) * 0.4;
    let (q, dq) = (mat(3051, n, n) + Mat::<f64>::identity(n, n) * 2.0, mat(3052, n, n));
    let stein = |c: &Mat<f64>| (0..200).fold(Mat::zeros(n, n), |x: Mat<f64>, _| c + &f * x * f.transpose());
    let m = sym(&stein(&(&q * q.transpose())));
    let dm = stein(&(&dq * q.transpose() + &q * dq.transpose()));
    let spd = Spd(n);
    let c = fixed_point(&m, &q, |m: Var, q: Var| (q.mul_t(q) + &f * m * f.transpose()).sym()).on(&spd);
    agrees(&c, &m, &q, &dq, &[dm], &for_any());
}

#[test]
fn singular_vectors_on_a_product_of_stiefel_manifolds() {
    // max tr(U'B V N) with N = diag(2, 1): the first two singular vectors, each in its place.
    let (m, n, k) = (5, 4, 2);
    let (b, db) = (mat(3060, m, n), mat(3061, m, n));
    let tape = Tape::plain();
    let (l, v) = tape.constant(&(b.transpose() * &b)).sym().eigh();
    let (l, v) = (l.value().data().to_vec(), v.value().into_mat());
    let dbb = db.transpose() * &b + b.transpose() * &db;
    // Eigenvalues rise; v_j' = sum of v_i <v_i, d(B'B) v_j> / (l_j - l_i), u_j = B v_j / s_j.
    let order: Vec<usize> = (0..n).rev().collect();
    let (mut u, mut w) = (Mat::zeros(m, k), Mat::zeros(n, k));
    let (mut du, mut dw) = (Mat::zeros(m, k), Mat::zeros(n, k));
    for (place, &j) in order.iter().take(k).enumerate() {
        let vj = column(&v, j);
        let others = (0..n).filter(|i| *i != j);
        let dv = others.fold(Mat::zeros(n, 1), |d: Mat<f64>, i| {
            let vi = column(&v, i);
            d + &vi * (dot(&vi, &(&dbb * &vj)) / (l[j] - l[i]))
        });
        let s = l[j].sqrt();
        let uj = &b * &vj * (1.0 / s);
        let ds = dot(&uj, &(&db * &vj));
        let d = (&db * &vj + &b * &dv - &uj * ds) * (1.0 / s);
        (0..n).for_each(|i| (w[(i, place)], dw[(i, place)]) = (vj[(i, 0)], dv[(i, 0)]));
        (0..m).for_each(|i| (u[(i, place)], du[(i, place)]) = (uj[(i, 0)], d[(i, 0)]));
    }
    let weights = Mat::from_fn(k, k, |i, j| if i == j { 2.0 - i as f64 } else { 0.0 });
    let (space, z) = (Pair(Stiefel(m, k), Stiefel(n, k)), (u, w));
    let c = stationary(&z, &b, |(u, v): (Var, Var), b: Var| -(u * &weights).dot(b * v)).on(&space);
    agrees(&c, &z, &b, &db, &[du, dw], &for_positive());
}

#[test]
fn the_series_of_a_loop_on_a_manifold_at_rounding_and_before() {
    // Orthogonal iteration for the dominant subspace of A, and the part of a matrix in it as the loss.
    let (n, k) = (8, 2);
    let a = with_spectrum(&[5.0, 4.0, 1.6, 1.2, 1.0, 0.5, 0.3, 0.1], 3070);
    let target = sym(&mat(3071, n, n));
    let gr = Grassmann::new(n, k);
    let x0 = qf(&mat(3072, n, k));
    let truth = pullback::grad(func(|a: Var| a.sym().spectral_projector(k).dot(&target)), &a).unwrap();
    let p =
        inner_loop(&x0, &a, |x: Var, a: Var, _| (a.sym() * x).polar().0, |x: Var, _: Var| x.dot(&target * x)).on(&gr);
    let at = |steps, terms| p.derivative(steps, Estimator::FixedPoint { terms }).unwrap();
    for steps in [50, 300, 5000] {
        let d = at(steps, 60);
        assert!(apart(&d.gradient, &truth) < 1e-10, "{steps}: {:e}", apart(&d.gradient, &truth));
        assert_eq!(d.certificate.verdict, Verdict::Verified, "{steps}: {}", d.certificate);
        // A few terms: the estimate is the error.
        let d = at(steps, 4);
        let (error, told) = ((&d.gradient - &truth).norm_l2(), d.certificate.error.unwrap());
        assert_eq!(d.certificate.verdict, Verdict::Estimated, "{steps}: {}", d.certificate);
        assert!(told < 2.0 * error && told > 0.5 * error, "{steps}: {told:e} {error:e}");
    }
    // Where it has arrived to rounding, one projection does for two; the bytes are the same.
    let (near, there) = (at(20, 30), at(5000, 30));
    assert_eq!(near.bytes, there.bytes);
    assert!(there.certificate.motion.unwrap() < 2e-15 && near.certificate.motion.unwrap() > 1e-10);
    let check: &dyn Manifold = &gr;
    check.check_point(&[Batch::of(&there.state)]).unwrap();
}
