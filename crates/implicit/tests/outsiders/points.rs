//! Points that are no solution, by all distances and on curved spaces: is the error told that comes of it?

use crate::spaces::{Spd, Stiefel};
use crate::{Tally, column, dot, mat, qf, sym, with_spectrum};
use pullback::Var;
use pullback::faer::Mat;
use pullback_implicit::linear::Method;
use pullback_implicit::{Condition, Tapes, Verdict, fixed_point, root, stationary};
use pullback_manifolds::Grassmann;

const FAR: [f64; 12] = [2.0, 1.0, 0.5, 0.3, 0.2, 0.1, 0.05, 0.02, 1e-3, 1e-5, 1e-7, 0.0];

/// Where Newton's method leads, if it arrives.
fn arrived<C: Condition<State = Mat<f64>>>(c: &C, z: &Mat<f64>, phi: &C::Params) -> Option<Mat<f64>>
where
    C::Params: pullback::Leaves<Scalar = f64>,
{
    let mut z = z.clone();
    for _ in 0..12 {
        z = c.at(&z, phi).linearise(&mut Tapes::new()).ok()?.solution();
    }
    let end = c.at(&z, phi).linearise(&mut Tapes::new()).ok()?.stationarity()[0];
    (end.verdict == Verdict::Verified && end.distance < 1e-11).then_some(z)
}

/// Asks at points at all distances along `direction`, for the derivative of `w . z`.
fn asked<C>(tally: &mut Tally, name: &str, c: &C, z: &Mat<f64>, phi: &Mat<f64>, direction: &Mat<f64>, w: &Mat<f64>)
where
    C: Condition<State = Mat<f64>, Params = Mat<f64>>,
{
    for far in FAR {
        let at = z + direction * far;
        let Some(end) = arrived(c, &at, phi) else { continue };
        let truth = c.at(&end, phi).hypergradient(|z, _| z.dot(w)).unwrap().gradient;
        for method in [Method::Auto, Method::Gmres { restart: 20 }, Method::Neumann { terms: 9 }] {
            let s = c.at(&at, phi).method(method);
            let what = format!("{name}, {far:e} away, {method:?}");
            tally.solution(s.hypergradient(|z, _| z.dot(w)), &truth, &what);
            let d = s.without_polish().hypergradient(|z, _| z.dot(w));
            tally.solution(d, &truth, &format!("{what}, not polished"));
        }
    }
}

#[test]
fn points_in_flat_space() {
    let mut tally = Tally::default();
    for seed in 0..6u64 {
        for n in [1usize, 2, 5] {
            let a = with_spectrum(&(0..n).map(|i| 0.2 + i as f64).collect::<Vec<_>>(), 100 + seed);
            let (phi, w, direction) = (mat(200 + seed, n, 1), mat(300 + seed, n, 1), mat(400 + seed, n, 1));
            let zero = Mat::zeros(n, 1);
            let exponential =
                stationary(&zero, &phi, |z: Var, phi: Var| z.exp().sum() - z.dot(phi.exp()) + z.dot(&a * z) * 0.3);
            let logarithmic = stationary(&zero, &phi, |z: Var, phi: Var| {
                (z.exp() + (-z).exp()).ln().sum() - z.dot(phi) * 0.5 + z.dot(&a * z) * 0.05
            });
            let general = root(&zero, &phi, |z: Var, phi: Var| z.exp() * 0.2 + &a * z + z.hadamard(z) * 0.3 - phi);
            let b = mat(500 + seed, n, n) * (0.8 / (n as f64).sqrt());
            let network = fixed_point(&zero, &phi, |z: Var, phi: Var| (&b * z + phi).tanh());
            let (e, l, g, f) = (exponential.flat(), logarithmic.flat(), general.flat(), network.flat());
            let name = |kind: &str| format!("{kind}, seed {seed}, {n} dimensions");
            if let Some(z) = arrived(&e, &zero, &phi) {
                asked(&mut tally, &name("exponential"), &e, &z, &phi, &direction, &w);
            }
            if let Some(z) = arrived(&l, &zero, &phi) {
                asked(&mut tally, &name("logarithmic"), &l, &z, &phi, &direction, &w);
            }
            if let Some(z) = arrived(&g, &zero, &phi) {
                asked(&mut tally, &name("general"), &g, &z, &phi, &direction, &w);
            }
            if let Some(z) = arrived(&f, &zero, &phi) {
                asked(&mut tally, &name("network"), &f, &z, &phi, &direction, &w);
            }
        }
    }
    tally.has_at_least(500, 2000);
}

#[test]
fn eigenvectors_whose_eigenvalues_almost_coincide() {
    let mut tally = Tally::default();
    for seed in 0..6u64 {
        for gap in [1.0, 1e-2, 1e-4, 1e-6, 1e-8, 1e-10] {
            let (n, l) = (5, [1.0, 1.0 + gap, 3.0, 4.0, 6.0]);
            let (q, a) = (qf(&mat(600 + seed, n, n)), with_spectrum(&l, 600 + seed));
            let (w, direction, sphere) = (mat(700 + seed, n, 1), mat(800 + seed, n, 1), Stiefel(n, 1));
            let c = stationary(&w, &a, |v, a: Var| v.dot(a.sym() * v) * 0.5).on(&sphere);
            for far in FAR.into_iter().filter(|f| *f <= 0.5) {
                let y = column(&q, 0) + &direction * far;
                let y = &y * (1.0 / y.norm_l2());
                let Some(end) = arrived(&c, &y, &a) else { continue };
                // The eigenvector that Newton's method went to.
                let along = |i: usize| dot(&column(&q, i), &end).abs();
                let k = (0..n).max_by(|i, j| along(*i).total_cmp(&along(*j))).unwrap();
                let v = column(&q, k) * dot(&column(&q, k), &end).signum();
                let parts = (0..n).filter(|i| *i != k);
                let pw =
                    parts.fold(Mat::zeros(n, 1), |x, i| x + column(&q, i) * (dot(&column(&q, i), &w) / (l[k] - l[i])));
                let truth = (&pw * v.transpose() + &v * pw.transpose()) * 0.5;
                let what = format!("seed {seed}, gap {gap:e}, {far:e} away");
                tally.solution(c.at(&y, &a).hypergradient(|v, _| v.dot(&w)), &truth, &what);
                tally.solution(c.at(&y, &a).without_polish().hypergradient(|v, _| v.dot(&w)), &truth, &what);
            }
        }
    }
    tally.has_at_least(60, 120);
}

#[test]
fn subspaces_whose_gap_closes_and_a_gauge_in_the_kernel() {
    let (n, k) = (6, 2);
    let mut tally = Tally::default();
    for seed in 0..6u64 {
        for gap in [1.0, 1e-2, 1e-4, 1e-6, 1e-8, 1e-10, 1e-13] {
            let l = [5.0, 2.0 + gap, 2.0, 1.5, 1.0, 0.3];
            let (q, a) = (qf(&mat(900 + seed, n, n)), with_spectrum(&l, 900 + seed));
            let (x, m) = (Mat::from_fn(n, k, |i, j| q[(i, j)]), sym(&mat(950 + seed, n, n)));
            let mut truth = Mat::<f64>::zeros(n, n);
            for (i, j) in (0..k).flat_map(|i| (k..n).map(move |j| (i, j))) {
                let (u, v) = (column(&q, i), column(&q, j));
                truth += (&v * u.transpose() + &u * v.transpose()) * (dot(&v, &(&m * &u)) / (l[i] - l[j]));
            }
            let (gr, st, direction) = (Grassmann::new(n, k), Stiefel(n, k), mat(970 + seed, n, k));
            let c = stationary(&x, &a, |x, a: Var| x.dot(a.sym() * x) * -0.5).on(&gr);
            for far in [0.3, 0.1, 0.03, 1e-2, 1e-4, 1e-7, 0.0] {
                let y = qf(&(&x + &direction * far));
                let Some(end) = arrived(&c, &y, &a) else { continue };
                if (&end * end.transpose() - &x * x.transpose()).norm_l2() > 0.1 {
                    continue;
                }
                let what = format!("seed {seed}, gap {gap:e}, {far:e} away");
                tally.solution(c.at(&y, &a).hypergradient(|x, _| x.dot(&m * x)), &truth, &what);
                tally.solution(c.at(&y, &a).without_polish().hypergradient(|x, _| x.dot(&m * x)), &truth, &what);
            }
            // The same cost where every basis of the subspace is another point: solutions are not isolated.
            let c = stationary(&x, &a, |x, a: Var| x.dot(a.sym() * x) * -0.5).on(&st);
            for method in [Method::Auto, Method::Gmres { restart: 20 }, Method::Lsmr] {
                let b = mat(980 + seed, n, k);
                let d = c.at(&x, &a).method(method).hypergradient(|x, _| x.dot(&b)).unwrap();
                assert!(!d.certificate.verdict.is_sound(), "{method:?}, gap {gap:e}: {}", d.certificate);
            }
        }
    }
    tally.has_at_least(60, 60);
}

#[test]
fn positive_matrices_near_the_boundary() {
    let mut tally = Tally::default();
    let n = 3;
    for seed in 0..6u64 {
        for low in [1e-1f64, 1e-2, 1e-4, 1e-6, 1e-8, 1e-12] {
            let l = [low, 1.0, 1.0 / low.sqrt()];
            let q = qf(&mat(1000 + seed, n, n));
            let of = |f: &dyn Fn(f64) -> f64| {
                sym(&(&q * Mat::from_fn(n, n, |i, j| if i == j { f(l[i]) } else { 0.0 }) * q.transpose()))
            };
            let (s, m, half) = (of(&|x| x), of(&|x| 1.0 / x), of(&|x| x.powf(-0.5)));
            let (w, spd) = (sym(&mat(1100 + seed, n, n)), Spd(n));
            let c = stationary(&m, &s, |m, s: Var| m.dot(s.sym()) - m.spd().logdet()).on(&spd);
            let truth = &m * &w * &m * -1.0;
            for far in [0.0, 1e-8, 1e-4, 1e-2, 0.1, 0.3] {
                let e = sym(&mat(1200 + seed, n, n)) * far;
                let at = sym(&(&half * (Mat::<f64>::identity(n, n) + e) * &half));
                let what = format!("seed {seed}, smallest {low:e}, {far:e} away");
                tally.solution(c.at(&at, &s).hypergradient(|m, _| m.dot(&w)), &truth, &what);
                tally.solution(c.at(&at, &s).without_polish().hypergradient(|m, _| m.dot(&w)), &truth, &what);
            }
        }
    }
    tally.has_at_least(60, 40);
}
