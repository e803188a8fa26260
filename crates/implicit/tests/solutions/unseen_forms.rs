//! More closed forms, of the same kinds and not those that the solvers were developed on: sphere, Stiefel, Grassmann,
//! positive matrices, a product whose parts depend on each other.

use crate::closed_forms::{agrees, for_positive};
use crate::spaces::{Pair, Spd, Stiefel};
use crate::{apart, dot, mat, qf, sym, with_spectrum};
use pullback::faer::Mat;
use pullback::prelude::*;
use pullback_implicit::linear::Method;
use pullback_implicit::{Condition, Verdict, stationary};
use pullback_manifolds::Grassmann;

fn column(q: &Mat<f64>, k: usize) -> Mat<f64> {
    Mat::from_fn(q.nrows(), 1, |i, _| q[(i, k)])
}

#[test]
fn the_weighted_mean_direction_on_the_sphere() {
    // max sum w_i <p_i, y>: y = s / |s| with s = P w.
    let (p, w, dw) = (mat(2000, 7, 4), mat(2001, 4, 1), mat(2002, 4, 1));
    let (s, ds) = (&p * &w, &p * &dw);
    let y = &s * (1.0 / s.norm_l2());
    let sphere = Stiefel(7, 1);
    let c = stationary(&y, &w, |y, w| y.dot(&p * w) * -1.0).on(&sphere);
    agrees(&c, &y, &w, &dw, &((&ds - &y * dot(&y, &ds)) * (1.0 / s.norm_l2())), &for_positive());
}

#[test]
fn the_eigenvectors_that_brockett_s_cost_orders_on_the_stiefel_manifold() {
    // min -tr(X'AX N)/2 with N = diag(3, 2, 1): the eigenvectors of the three largest eigenvalues, each in its place.
    let (n, k) = (6, 3);
    let l = [6.0, 4.5, 3.0, 1.0, 0.5, -1.0];
    let q = qf(&mat(2010, n, n));
    let a = with_spectrum(&l, 2010);
    let x = Mat::from_fn(n, k, |i, j| q[(i, j)]);
    let weights = Mat::from_fn(k, k, |i, j| if i == j { 3.0 - i as f64 } else { 0.0 });
    let da = mat(2011, n, n);
    // dv_j = sum over i of v_i <v_i, dA v_j> / (l_j - l_i).
    let mut dx = Mat::zeros(n, k);
    for j in 0..k {
        for i in (0..n).filter(|i| *i != j) {
            let c = dot(&column(&q, i), &(sym(&da) * column(&q, j))) / (l[j] - l[i]);
            (0..n).for_each(|r| dx[(r, j)] += c * q[(r, i)]);
        }
    }
    let st = Stiefel(n, k);
    let c = stationary(&x, &a, |x: Var, a: Var| (a.sym() * x).dot(x * &weights) * -0.5).on(&st);
    agrees(&c, &x, &a, &da, &dx, &for_positive());
    // The whole spectrum is known: (l_i - l_j)(n_i - n_j)/2 for turns inside, n_j (l_j - l_k) for the others.
    let (low, high) = c.at(&x, &a).jvp(&da).unwrap().certificate.members[0].spectrum.unwrap();
    assert!((low - 0.75).abs() < 1e-11 && (high - 21.0).abs() < 1e-11, "{low} {high}");
}

#[test]
fn the_dominant_singular_subspace_on_the_grassmann_manifold() {
    let (n, k) = (6, 2);
    let (b, db) = (mat(2020, n, 9), mat(2021, n, 9));
    let projector = func(|b: Var| (b.mul_t(b)).sym().spectral_projector(k));
    let (p, dp) = pullback::jvp(&projector, &b, &db).unwrap();
    let (p, dp) = (p.into_mat(), dp.into_mat());
    let x = qf(&(&p * mat(2022, n, k)));
    let gr = Grassmann::new(n, k);
    let c = stationary(&x, &b, |x: Var, b: Var| x.t_mul(b).dot(x.t_mul(b)) * -0.5).on(&gr);
    // The horizontal lift of dP is (I - P) dP X = dP X.
    agrees(&c, &x, &b, &db, &(&dp * &x), &for_positive());
}

#[test]
fn a_point_of_a_geodesic_of_positive_matrices_by_its_place() {
    // min (1 - t) d²(A, M) + t d²(B, M): M = A #_t B, and its derivative by t is A^{1/2} C^t log C A^{1/2} with
    // C = A^{-1/2} B A^{-1/2}.
    let n = 3;
    let (a, b, t) = (with_spectrum(&[0.5, 1.0, 3.0], 2030), with_spectrum(&[0.8, 1.5, 2.0], 2031), 0.3);
    let value = |f: &dyn Fn(&Tape) -> Mat<f64>| f(&Tape::plain());
    let root = value(&|tape| tape.constant(&a).sqrtm_spd().value().into_mat());
    let back = value(&|tape| tape.constant(&a).invsqrtm_spd().value().into_mat());
    let log = value(&|tape| tape.constant(&sym(&(&back * &b * &back))).logm_spd().value().into_mat());
    let power = value(&|tape| (tape.constant(&log) * t).expm().value().into_mat());
    let m = sym(&(&root * &power * &root));
    let dm = sym(&(&root * sym(&(&power * &log)) * &root));
    let back_b = value(&|tape| tape.constant(&b).invsqrtm_spd().value().into_mat());
    let spd = Spd(n);
    let place = Mat::from_fn(1, 1, |_, _| t);
    let c = stationary(&m, &place, |m: Var, t: Var| {
        let far = |w: &Mat<f64>| {
            let l = (w * m * w).sym().logm_spd();
            l.dot(l)
        };
        (far(&back) * (t * -1.0 + 1.0) + far(&back_b) * t) * 0.5
    })
    .on(&spd);
    agrees(&c, &m, &place, &Mat::from_fn(1, 1, |_, _| 1.0), &dm, &for_positive());
}

#[test]
fn a_direction_and_a_matrix_that_depend_on_each_other() {
    // min <M, S + y y'> - log det M: M = (S + y y')^{-1}, and then y makes log(1 + y' S^{-1} y) smallest: the
    // eigenvector of the largest eigenvalue of S.
    let n = 4;
    let l = [0.5, 1.0, 2.0, 4.0];
    let q = qf(&mat(2040, n, n));
    let s = with_spectrum(&l, 2040);
    let y = column(&q, 3);
    let m = pullback::value(func(|s: Var| s.sym().inverse()), &(&s + &y * y.transpose())).unwrap().into_mat();
    let ds = sym(&mat(2041, n, n));
    let plus = &q * Mat::from_fn(n, n, |i, j| if i == j && i < 3 { 1.0 / (4.0 - l[i]) } else { 0.0 }) * q.transpose();
    let dy = &plus * (&ds * &y);
    let dm = &m * (&ds + &dy * y.transpose() + &y * dy.transpose()) * &m * -1.0;
    let (space, z) = (Pair(Stiefel(n, 1), Spd(n)), (y.clone(), sym(&m)));
    let c =
        stationary(&z, &s, |(y, m): (Var, Var), s: Var| m.dot(s.sym()) + y.dot(m * y) - m.spd().logdet()).on(&space);
    let zbar = (mat(2042, n, 1), mat(2043, n, n));
    for method in for_positive() {
        let at = c.at(&z, &s).method(method).tolerance(1e-10);
        let (push, pull) = (at.jvp(&ds).unwrap(), at.vjp(&zbar).unwrap());
        let most = if method == Method::Auto { 1e-10 } else { 1e-9 };
        assert!(
            apart(&push.value.0, &dy) < most && apart(&push.value.1, &dm) < most,
            "{method:?} {}",
            push.certificate
        );
        assert_eq!(push.certificate.verdict, Verdict::Verified, "{method:?} {}", push.certificate);
        let (a, b) = (dot(&zbar.0, &push.value.0) + dot(&zbar.1, &push.value.1), dot(&pull.value, &ds));
        let most = if method == Method::Auto { 1e-12 } else { 1e-9 };
        assert!((a - b).abs() < most * (dy.norm_l2() + dm.norm_l2()), "{method:?} {a} {b}");
    }
}
