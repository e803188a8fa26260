//! Positive definite matrices with their four metrics.

use crate::support::{List, apart, claims, distances, mat, place, programs, retracted, scaled};
use pullback::faer::{Mat, mat as m};
use pullback::prelude::*;
use pullback_manifolds::{Error, Manifold, Spd, SpdMetric, SpdRetraction, numbers};

const METRICS: [SpdMetric; 4] =
    [SpdMetric::AffineInvariant, SpdMetric::LogEuclidean, SpdMetric::LogCholesky, SpdMetric::BuresWasserstein];

/// `G G^T + 0.1 I`, the matrices of the known answers.
fn sample(i: u64) -> Mat<f64> {
    let g = mat(100 + i, 5, 5);
    &g * g.transpose() + Mat::<f64>::identity(5, 5) * 0.1
}

#[test]
fn claims_of_every_metric() {
    for metric in METRICS {
        for n in [1, 2, 4] {
            claims(&Spd::new(n).with(metric));
        }
    }
    claims(&Spd::new(3).with_retraction(SpdRetraction::Exponential));
}

#[test]
fn operations_as_programs() {
    for metric in METRICS {
        for n in [1, 3] {
            programs(&Spd::new(n).with(metric), 7);
        }
    }
    programs(&Spd::new(3).with_retraction(SpdRetraction::Exponential), 8);
}

#[test]
fn derivatives_at_the_identity_where_all_eigenvalues_are_tied() {
    let eye: List = vec![Mat::<f64>::identity(3, 3).into()];
    for metric in METRICS {
        let space = Spd::new(3).with(metric);
        let (_, u, v) = place(&space, 1, 3);
        let y = retracted(&space, &eye, &scaled(&v, 0.3));
        for v in [scaled(&v, 0.3), scaled(&v, 0.0), vec![(Mat::<f64>::identity(3, 3) * 0.5).into()]] {
            crate::support::along(&space, &eye, &v);
        }
        crate::support::between(&space, &eye, &y, &u);
        crate::support::between(&space, &eye, &eye, &u);
    }
}

#[test]
fn distances_are_exact_near_equal_points() {
    for metric in METRICS {
        distances(&Spd::new(4).with(metric), 5, 1e-6);
    }
    // By hand: scalar matrices and diagonal ones.
    let p = m![[2.0, 0.0], [0.0, 3.0]];
    for t in [1e-9, 1e-6, 1e-3, 1.0] {
        let q = &p * (1.0 + t);
        let expected = 2f64.sqrt() * f64::ln_1p((q[(0, 0)] - 2.0) / 2.0);
        let other = 2f64.sqrt() * f64::ln_1p((q[(1, 1)] - 3.0) / 3.0);
        for metric in [SpdMetric::AffineInvariant, SpdMetric::LogEuclidean] {
            let d = Spd::new(2).with(metric).dist(&p, &q).unwrap();
            let expected = (0.5 * (expected.powi(2) + other.powi(2))).sqrt();
            assert!((d / expected - 1.0).abs() < 1e-14, "{metric:?} at {t}: {d} {expected}");
        }
        // sqrt tr P - sqrt tr Q, entry by entry.
        let root = |k: usize| (q[(k, k)] - p[(k, k)]) / (q[(k, k)].sqrt() + p[(k, k)].sqrt());
        let d = Spd::new(2).with(SpdMetric::BuresWasserstein).dist(&p, &q).unwrap();
        assert!((d / root(0).hypot(root(1)) - 1.0).abs() < 1e-14, "at {t}: {d}");
        let log = |k: usize| 0.5 * ((q[(k, k)] - p[(k, k)]) / p[(k, k)]).ln_1p();
        let d = Spd::new(2).with(SpdMetric::LogCholesky).dist(&p, &q).unwrap();
        assert!((d / log(0).hypot(log(1)) - 1.0).abs() < 1e-14, "at {t}: {d}");
    }
}

#[test]
fn distances_far_away() {
    let eye = Mat::<f64>::identity(2, 2);
    for s in [1e-200, 1e-20, 1e20, 1e200] {
        let d = Spd::new(2).dist(&eye, &(&eye * s)).unwrap();
        assert!((d / (2f64.sqrt() * s.ln().abs()) - 1.0).abs() < 1e-13, "{s}: {d}");
    }
}

#[test]
fn known_distances() {
    let (p, q) = (sample(0), sample(1));
    let expected = [4.378234262521, 4.271316160589, 2.817024810738, 1.880525961020];
    for (metric, expected) in METRICS.into_iter().zip(expected) {
        let d = Spd::new(5).with(metric).dist(&p, &q).unwrap();
        assert!((d - expected).abs() < 1e-11, "{metric:?}: {d} {expected}");
    }
}

#[test]
fn the_known_geometric_mean() {
    let (p, q) = (sample(0), sample(1));
    let g = Spd::new(5).geodesic(&p, &q, 0.5).unwrap();
    let trace: f64 = (0..5).map(|i| g[(i, i)]).sum();
    assert!((trace - 8.056323678188).abs() < 1e-11, "{trace}");
    // G P^-1 G = Q
    let riccati = pullback::value(|p: Var| &g * p.spd().solve(&g), &p).unwrap().into_mat();
    assert!((riccati - q).norm_l2() < 1e-11);
}

#[test]
fn the_known_karcher_mean() {
    let samples: Vec<List> = (0..10).map(|i| vec![sample(i).into()]).collect();
    let space = Spd::new(5);
    let mut x: List = vec![((0..10).map(sample).reduce(|a, b| a + b).unwrap() * 0.1).into()];
    // Newton for the mean would be faster; the plain iteration has no parameter and converges here.
    for _ in 0..60 {
        let logs: Vec<List> = samples
            .iter()
            .map(|s| numbers::apply(&[&x, s], &mut |l| Manifold::log(&space, &l[0], &l[1]).unwrap()).unwrap())
            .collect();
        let mean = logs.iter().map(|l| l[0].member(0).to_owned()).reduce(|a, b| a + b).unwrap() * 0.1;
        x = numbers::apply(&[&x, &[mean.into()]], &mut |l| Manifold::exp(&space, &l[0], &l[1]).unwrap()).unwrap();
    }
    let p = x[0].member(0).to_owned();
    let f: f64 = (0..10).map(|i| space.dist2(&p, &sample(i)).unwrap()).sum::<f64>() / 20.0;
    let trace: f64 = (0..5).map(|i| p[(i, i)]).sum();
    let logdet = pullback::value(|p: Var| p.spd().logdet(), &p).unwrap().scalar();
    assert!((f - 3.83869005759414).abs() < 1e-11, "{f}");
    assert!((trace - 4.973328550973).abs() < 1e-11, "{trace}");
    assert!((logdet + 0.141224333273).abs() < 1e-11, "{logdet}");
}

#[test]
fn congruences_are_isometries_of_the_affine_invariant_metric_only() {
    let (p, q, a) = (sample(2), sample(3), mat(9, 5, 5));
    let moved = |p: &Mat<f64>| &a * p * a.transpose();
    for metric in METRICS {
        let space = Spd::new(5).with(metric);
        let (d, e) = (space.dist(&p, &q).unwrap(), space.dist(&moved(&p), &moved(&q)).unwrap());
        assert_eq!((d - e).abs() < 1e-9 * d, metric == SpdMetric::AffineInvariant, "{metric:?}: {d} {e}");
    }
}

#[test]
fn transport_of_a_batch_to_one_point() {
    for metric in METRICS {
        let space = Spd::new(3).with(metric);
        let (x, u, _) = place(&space, 3, 4);
        let (y, ..) = place(&space, 1, 5);
        let all = numbers::apply(&[&x, &y, &u], &mut |l| Manifold::transport(&space, &l[0], &l[1], &l[2])).unwrap();
        for b in 0..3 {
            let one = |l: &List| -> List { vec![l[0].member(b).to_owned().into()] };
            let (x, u) = (one(&x), one(&u));
            let single = numbers::apply(&[&x, &y, &u], &mut |l| Manifold::transport(&space, &l[0], &l[1], &l[2]));
            assert!(apart(&one(&all), &single.unwrap()) < 1e-13, "{metric:?}");
        }
    }
}

#[test]
fn the_boundary_of_bures_wasserstein_is_an_error_and_the_retraction_goes_on() {
    let space = Spd::new(2).with(SpdMetric::BuresWasserstein);
    let (p, v) = (Mat::<f64>::identity(2, 2), m![[-3.0, 0.0], [0.0, 0.0]]);
    let e = space.exp(&p, &v).unwrap_err();
    assert!(e.to_string().contains("I + X > 0"), "{e}");
    assert!((space.retract(&p, &v).unwrap() - m![[0.25, 0.0], [0.0, 1.0]]).norm_max() < 1e-15);
    // The inverse of the second-order retraction ends where Q < P/2.
    let (p, q) = (Mat::<f64>::identity(2, 2), m![[0.4, 0.0], [0.0, 1.0]]);
    assert!(matches!(Spd::new(2).inverse_retract(&p, &q), Err(Error::Engine(_))));
    assert!(Spd::new(2).log(&p, &q).is_ok());
}

#[test]
fn bad_input() {
    let space = Spd::new(2);
    let (p, u) = (m![[2.0, 1.0], [1.0, 2.0]], m![[0.5, 1.0], [1.0, 0.0]]);
    let point = |p: Mat<f64>| space.exp(&p, &u).unwrap_err();
    assert!(matches!(point(m![[2.0, 1.0], [1.1, 2.0]]), Error::NotAPoint { equation: "P = P^T", .. }));
    for p in [m![[1.0, 2.0], [2.0, 1.0]], m![[1.0, 1.0], [1.0, 1.0]], m![[0.0, 0.0], [0.0, 0.0]]] {
        assert!(matches!(point(p), Error::NotAPoint { equation: "P is positive definite", .. }));
    }
    assert!(matches!(point(m![[f64::NAN, 1.0], [1.0, 2.0]]), Error::NonFinite { .. }));
    assert!(matches!(point(Mat::identity(3, 3)), Error::Shape { .. }));
    assert!(matches!(space.exp(&p, &m![[0.0, 1.0], [0.0, 0.0]]).unwrap_err(), Error::NotTangent { .. }));
    // A graded matrix is a point, however small its eigenvalues.
    assert!(space.dist(&m![[1e20, 0.0], [0.0, 1e-20]], &p).is_ok());
    let bw = space.with(SpdMetric::BuresWasserstein);
    assert!(matches!(bw.parallel_transport(&p, &p, &u).unwrap_err(), Error::Missing { .. }));
}

#[test]
#[should_panic(expected = "order at least 1")]
fn order_0_does_not_exist() {
    let _ = Spd::new(0);
}
