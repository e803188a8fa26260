//! The Stiefel manifold in every metric with every retraction, the generalised and the symplectic one: everything
//! against everything, every operation as a program, closed forms, known answers.

use pullback::faer::{Mat, mat};
use pullback::prelude::*;
use pullback::value;
use pullback_check::{check, check_space};
use pullback_manifolds::{
    Egrad, Error, GeneralizedStiefel, Manifold, Sphere, Stiefel, StiefelMetric, StiefelRetraction,
    SymplecticRetraction, SymplecticStiefel, gaussian, rng,
};
use std::f64::consts::PI;
use std::slice::from_ref;

const METRICS: [StiefelMetric; 3] = [StiefelMetric::Euclidean, StiefelMetric::Canonical, StiefelMetric::Alpha(0.7)];
const RETRACTIONS: [StiefelRetraction; 4] =
    [StiefelRetraction::Qr, StiefelRetraction::Polar, StiefelRetraction::Cayley, StiefelRetraction::Exponential];

fn scaled(v: &Batch, c: f64) -> Batch {
    Batch::from_slice(v.shape(), &v.data().iter().map(|v| c * v).collect::<Vec<_>>())
}

fn point_and_tangent(m: &dyn Manifold, batch: usize, seed: u64) -> (Batch, Batch) {
    let r = &mut rng(seed);
    let x = m.random_point(batch, r);
    let v = m.random_tangent(&x, r).unwrap().swap_remove(0);
    (x[0].clone(), v)
}

/// A tangent of length 1 in the metric, of one point.
fn unit_tangent(m: &dyn Manifold, seed: u64) -> (Batch, Batch) {
    let (x, v) = point_and_tangent(m, 1, seed);
    let length = value(|(x, v): (Var, Var)| m.norm(&[x], &[v]), &(x.clone(), v.clone())).unwrap().data()[0];
    (x, scaled(&v, 1.0 / length))
}

fn exp(m: &dyn Manifold, x: &Batch, v: &Batch) -> Batch {
    value(|(x, v): (Var, Var)| m.exp(&[x], &[v]).unwrap()[0], &(x.clone(), v.clone())).unwrap()
}

fn apart(a: &Batch, b: &Batch) -> f64 {
    a.data().iter().zip(b.data()).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

fn form(n: usize) -> Mat<f64> {
    Mat::from_fn(n, n, |i, j| if i == j { 2.0 + i as f64 } else { 1.0 / (1.0 + (i + j) as f64) })
}

#[test]
fn every_operation_against_every_other() {
    for metric in METRICS {
        for retraction in RETRACTIONS {
            for (n, p, seeds) in [(5, 2, 4), (4, 3, 2), (3, 1, 1), (3, 3, 1), (1, 1, 1)] {
                let m = Stiefel::new(n, p).with_metric(metric).with(retraction);
                for seed in 0..seeds {
                    check_space::<f64>(&m).seed(seed).run().assert_ok();
                }
            }
            let m = Stiefel::new(6, 2).with_metric(metric).with(retraction);
            check_space::<f64>(&m).batch(3).run().assert_ok();
            check_space::<f32>(&m).length(0.5).run().assert_ok();
        }
    }
}

#[test]
fn every_operation_of_the_generalised_manifold() {
    for metric in METRICS {
        for retraction in RETRACTIONS {
            let m = GeneralizedStiefel::new(&form(5), 2).unwrap().with_metric(metric).with(retraction);
            check_space::<f64>(&m).condition(10.0).run().assert_ok();
            check_space::<f64>(&m).condition(10.0).seed(1).batch(2).run().assert_ok();
        }
    }
    check_space::<f64>(&GeneralizedStiefel::new(&form(3), 3).unwrap()).condition(10.0).run().assert_ok();
    check_space::<f32>(&GeneralizedStiefel::new(&form(4), 1).unwrap()).length(0.5).condition(10.0).run().assert_ok();
}

#[test]
fn every_operation_of_symplectic_frames() {
    for retraction in [SymplecticRetraction::Cayley, SymplecticRetraction::QuasiGeodesic] {
        for (n, p) in [(3, 1), (3, 2), (2, 2), (1, 1)] {
            let m = SymplecticStiefel::new(n, p).with(retraction);
            for seed in 0..3 {
                check_space::<f64>(&m).seed(seed).length(0.3).condition(30.0).run().assert_ok();
            }
            check_space::<f64>(&m).batch(2).length(0.3).condition(30.0).run().assert_ok();
        }
        let m = SymplecticStiefel::new(3, 1).with(retraction);
        check_space::<f32>(&m).length(0.2).condition(30.0).run().assert_ok();
    }
}

#[test]
fn retractions_and_their_inverses_are_programs_to_third_order() {
    for retraction in RETRACTIONS {
        for (n, p) in [(5, 2), (3, 3)] {
            let m = Stiefel::new(n, p).with(retraction);
            let (x, v) = point_and_tangent(&m, 2, 3);
            for scale in [0.0, 0.4] {
                let at = (x.clone(), scaled(&v, scale));
                check(|(x, v): (Var, Var)| m.retract(x, v), &at).seed(1).run().assert_ok();
                // At the zero tangent the very point: what is rounding only has no digits to compare.
                let moved = value(|(x, v): (Var, Var)| m.retract(x, v), &at).unwrap();
                let y = if scale == 0.0 { x.clone() } else { moved };
                check(|(x, y): (Var, Var)| m.inverse_retract(x, y), &(x.clone(), y.clone())).seed(1).run().assert_ok();
                check(|(x, y, v): (Var, Var, Var)| m.transport(x, y, v), &(x.clone(), y, v.clone())).run().assert_ok();
            }
        }
    }
}

#[test]
fn exponential_logarithm_and_distance_are_programs_to_third_order() {
    for metric in METRICS {
        for (n, p) in [(5, 2), (3, 2), (4, 1), (2, 2)] {
            let m = Stiefel::new(n, p).with_metric(metric);
            let (x, v) = unit_tangent(&m, 3);
            for scale in [0.0, 1.0] {
                let at = (x.clone(), scaled(&v, scale));
                check(|(x, v): (Var, Var)| m.exp(x, v), &at).seed(1).run().assert_ok();
                let at = (x.clone(), exp(&m, &x, &at.1));
                check(|(x, y): (Var, Var)| m.log(x, y), &at).seed(1).condition(10.0).run().assert_ok();
                check(|(x, y): (Var, Var)| m.dist2(x, y), &at).seed(1).condition(10.0).run().assert_ok();
            }
        }
    }
}

#[test]
fn gradients_hessians_and_curvature_are_programs() {
    for metric in METRICS {
        let m = Stiefel::new(4, 2).with_metric(metric);
        let (x, u) = point_and_tangent(&m, 2, 4);
        let (g, h): (Batch, Batch) = (gaussian(x.shape(), &mut rng(8)), gaussian(x.shape(), &mut rng(9)));
        check(|(x, g): (Var, Var)| m.egrad_to_rgrad(x, Egrad(g)).0, &(x.clone(), g.clone())).run().assert_ok();
        let at = (x.clone(), (g, h.clone()), u.clone());
        check(|(x, (g, h), u): (Var, (Var, Var), Var)| m.ehess_to_rhess(x, Egrad(g), h, u), &at).run().assert_ok();
        check(|(x, u, w): (Var, Var, Var)| m.curvature(x, u, w, u), &(x, u, h)).run().assert_ok();
    }
}

#[test]
fn other_frames_are_programs_too() {
    let b = GeneralizedStiefel::new(&form(4), 2).unwrap().with_metric(StiefelMetric::Canonical);
    let (x, v) = unit_tangent(&b, 1);
    let at = (x.clone(), v.clone());
    check(|(x, v): (Var, Var)| b.retract(x, v), &at).run().assert_ok();
    check(|(x, v): (Var, Var)| b.project(x, v), &at).run().assert_ok();
    let y = exp(&b, &x, &v);
    check(|(x, y): (Var, Var)| b.log(x, y), &(x, y)).condition(10.0).run().assert_ok();
    for retraction in [SymplecticRetraction::Cayley, SymplecticRetraction::QuasiGeodesic] {
        let s = SymplecticStiefel::new(2, 1).with(retraction);
        let (x, v) = point_and_tangent(&s, 2, 5);
        for scale in [0.0, 0.3] {
            let at = (x.clone(), scaled(&v, scale));
            check(|(x, v): (Var, Var)| s.retract(x, v), &at).seed(1).run().assert_ok();
            check(|(x, v): (Var, Var)| s.project(x, v), &at).seed(1).run().assert_ok();
            if retraction == SymplecticRetraction::Cayley {
                let y = value(|(x, v): (Var, Var)| s.retract(x, v), &at).unwrap();
                check(|(x, y): (Var, Var)| s.inverse_retract(x, y), &(x.clone(), y)).seed(1).run().assert_ok();
            }
        }
    }
}

#[test]
fn exponentials_are_those_of_the_textbooks() {
    let (x, v) = unit_tangent(&Stiefel::new(7, 3), 5);
    let v = scaled(&v, 2.5);
    // Edelman, Arias & Smith, 2.4.2, with matrices of the size of the space.
    let canonical = value(
        |(x, v): (Var, Var)| {
            let a = x.t_mul(v);
            let h = v - x * a;
            ((x * a).mul_t(x) + h.mul_t(x) - x.mul_t(h)).expm() * x
        },
        &(x.clone(), v.clone()),
    )
    .unwrap();
    let found = exp(&Stiefel::new(7, 3).with_metric(StiefelMetric::Canonical), &x, &v);
    assert!(apart(&found, &canonical) < 1e-14, "{}", apart(&found, &canonical));
    // 2.2.2: [X V] expm([[A, -V'V], [I, A]]) [I; 0] expm(-A).
    let euclidean = value(
        |(x, v): (Var, Var)| {
            let (a, one) = (x.t_mul(v), x.tape().eye(3));
            let (up, down) = ([a, -v.t_mul(v)], [one, a]);
            let (up, down) = (Var::concat(&up, pullback::Axis::Cols), Var::concat(&down, pullback::Axis::Cols));
            let big = Var::concat(&[up, down], pullback::Axis::Rows).expm();
            (x * big.slice(0, 0, 3, 3) + v * big.slice(3, 0, 3, 3)) * (-a).expm()
        },
        &(x.clone(), v.clone()),
    )
    .unwrap();
    assert!(apart(&exp(&Stiefel::new(7, 3), &x, &v), &euclidean) < 1e-13);
    // The Cayley transform of the n x n matrix.
    let cayley = value(
        |(x, v): (Var, Var)| {
            let a = x.t_mul(v);
            let h = v - x * a;
            ((x * a).mul_t(x) + h.mul_t(x) - x.mul_t(h)).cayley(0.5) * x
        },
        &(x.clone(), v.clone()),
    )
    .unwrap();
    let m = Stiefel::new(7, 3).with(StiefelRetraction::Cayley);
    assert!(apart(&m.retract(&x, &v).unwrap(), &cayley) < 1e-14);
    // Long tangents stay on the manifold.
    for c in [10.0, 100.0] {
        let y = exp(&Stiefel::new(7, 3), &x, &scaled(&v, c));
        Manifold::<f64>::check_point(&Stiefel::new(7, 3), &[y]).unwrap();
    }
}

#[test]
fn one_vector_is_a_sphere_in_every_metric_and_square_frames_are_orthogonal_matrices() {
    for metric in METRICS {
        let (st, s) = (Stiefel::new(4, 1).with_metric(metric), Sphere::new(4, 1));
        let (x, v) = unit_tangent(&s, 2);
        for t in [1e-9, 1e-3, 1.0, 2.0, 3.0] {
            let v = scaled(&v, t);
            let y = exp(&s, &x, &v);
            assert!(apart(&exp(&st, &x, &v), &y) < 1e-15 * 10.0);
            assert!(apart(&st.log(&x, &y).unwrap(), &v) < 1e-12 * t.max(1e-3), "{metric:?} {t}");
        }
        let o = Stiefel::new(3, 3).with_metric(metric);
        let (x, v) = unit_tangent(&o, 2);
        let want = value(|(x, v): (Var, Var)| x * x.t_mul(v).expm(), &(x.clone(), v.clone())).unwrap();
        assert!(apart(&exp(&o, &x, &v), &want) < 1e-14);
        // The other component of O(3) is not reached.
        let mut other = want;
        other.data_mut()[..3].iter_mut().for_each(|v| *v = -*v);
        assert!(o.log(&x, &other).is_err());
    }
}

#[test]
fn logarithms_undo_exponentials_up_to_the_injectivity_radius() {
    for metric in METRICS {
        for (n, p) in [(5, 2), (8, 3), (4, 3), (4, 4), (12, 5)] {
            let m = Stiefel::new(n, p).with_metric(metric);
            let radius = m.injectivity_radius();
            for seed in 0..3 {
                let (x, v) = unit_tangent(&m, seed);
                for share in [1e-9, 1e-6, 1e-3, 0.1, 0.5, 0.8, 0.97] {
                    let v = scaled(&v, share * radius);
                    let y = exp(&m, &x, &v);
                    let back = m.log(&x, &y).unwrap_or_else(|e| panic!("{metric:?} {n} {p} {seed} {share}: {e}"));
                    // The rounding of Y, relative to the distance, and the derivative of the logarithm.
                    let limit = if share > 0.9 { 1e-10 } else { 1e-12 * share.max(1e-3) };
                    assert!(apart(&back, &v) < limit, "{metric:?} {n} {p} {seed} {share}: {}", apart(&back, &v));
                    let d = m.dist(&x, &y).unwrap().data()[0];
                    assert!((d / (share * radius) - 1.0).abs() < 1e-12 + 1e-15 / share, "{metric:?} {share}: {d}");
                    m.check_tangent(from_ref(&x), &[back]).unwrap();
                }
            }
        }
        let m = Stiefel::new(6, 2).with_metric(metric);
        let (x, v) = unit_tangent(&m, 1);
        let y = exp(&m, &x, &scaled(&v, 1.2 * m.injectivity_radius()));
        // Beyond it, whatever is found is no longer than the radius, or there is an error.
        match m.log(&x, &y) {
            Ok(back) => assert!(apart(&exp(&m, &x, &back), &y) < 1e-9),
            Err(e) => assert!(e.to_string().contains("geodesic") || e.to_string().contains("converge"), "{e}"),
        }
        let minus = scaled(&x, -1.0);
        let e = m.log(&x, &minus).unwrap_err().to_string();
        assert!(e.contains("converge") || e.contains("shorter"), "{e}");
        assert_eq!(m.dist2(&x, &x).unwrap().data()[0], 0.0);
    }
}

#[test]
fn curvature_is_that_of_spheres_and_of_the_orthogonal_group() {
    for metric in METRICS {
        let (st, s) = (Stiefel::new(4, 1).with_metric(metric), Sphere::new(4, 1));
        let (x, u) = unit_tangent(&s, 2);
        let v = s.project(&x, &gaussian(x.shape(), &mut rng(9))).unwrap();
        let (a, b) = (st.curvature(&x, &u, &v, &v).unwrap(), s.curvature(&x, &u, &v, &v).unwrap());
        assert!(apart(&a, &b) < 1e-14);
        // With a bi-invariant metric, R(A, B) C = [C, [A, B]] / 4, whatever its scale (Milnor 1976).
        let o = Stiefel::new(4, 4).with_metric(metric);
        let (x, u) = unit_tangent(&o, 2);
        let tangent = |seed| o.project(&x, &gaussian(x.shape(), &mut rng(seed))).unwrap();
        let (v, w) = (tangent(5), tangent(6));
        let bracket = |a: &Mat<f64>, b: &Mat<f64>| a * b - b * a;
        let [a, b, c] = [&u, &v, &w].map(|u| x.member(0).transpose() * u.member(0));
        let want = x.member(0) * bracket(&c, &bracket(&a, &b)) * pullback::faer::Scale(0.25);
        let found = o.curvature(&x, &u, &v, &w).unwrap();
        assert!((found.member(0) - want).norm_max() < 1e-13, "{metric:?}");
    }
}

#[test]
fn radii_are_those_of_the_papers() {
    let canonical = Stiefel::new(5, 2).with_metric(StiefelMetric::Canonical);
    assert!((canonical.injectivity_radius() - 0.8f64.sqrt() * PI).abs() < 1e-15);
    assert_eq!(Stiefel::new(5, 2).injectivity_radius(), PI);
    // Absil & Mataigne: 0.91326189159122 pi at b = 1/2, of which the family is a continuous function.
    let near = Stiefel::new(5, 2).with_metric(StiefelMetric::Alpha(1e-12));
    assert!((near.injectivity_radius() / PI - 0.91326189159122).abs() < 1e-10, "{}", near.injectivity_radius() / PI);
    // A plane turned by half a turn is as far as O(3) goes.
    assert!((Stiefel::new(3, 3).injectivity_radius() - 2f64.sqrt() * PI).abs() < 1e-15);
}

#[test]
fn the_euclidean_hessian_is_that_of_the_derivative_of_the_projection() {
    let m = Stiefel::new(5, 3);
    let (x, u) = point_and_tangent(&m, 2, 5);
    let (g, h): (Batch, Batch) = (gaussian(x.shape(), &mut rng(1)), gaussian(x.shape(), &mut rng(2)));
    let off = value(
        |l: Vec<Var>| {
            let bent = l[2] + l[0].jvp(|x| m.project(x, l[1]), l[3]).1;
            m.ehess_to_rhess(l[0], Egrad(l[1]), l[2], l[3]) - m.project(l[0], bent)
        },
        &vec![x, g, h, u],
    )
    .unwrap();
    assert!(off.max_abs() < 1e-14, "{}", off.max_abs());
}

#[test]
fn ascents_of_many_steps_do_not_leave_the_manifold() {
    let a = Mat::<f64>::from_fn(10, 10, |i, j| if i == j { (i * i) as f64 / 40.0 } else { 0.0 });
    for retraction in RETRACTIONS {
        let m = Stiefel::new(10, 3).with(retraction);
        let (x, _) = point_and_tangent(&m, 1, 8);
        let y = value(|x: Var| x.tape().iterate(x, 300, |x| m.retract(x, m.project(x, &a * x) * 0.5)), &x).unwrap();
        Manifold::<f64>::check_point(&m, &[y]).unwrap_or_else(|e| panic!("{retraction:?}: {e}"));
    }
}

/// The data of the known answers: splitmix64 from a seed, row by row, in (-1, 1).
fn data(mut seed: u64, r: usize, c: usize) -> Mat<f64> {
    let mut next = || {
        seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        2.0 * (z >> 11) as f64 * 2f64.powi(-53) - 1.0
    };
    let rows: Vec<f64> = (0..r * c).map(|_| next()).collect();
    Mat::from_fn(r, c, |i, j| rows[i * c + j])
}

fn symmetric(m: &Mat<f64>) -> Mat<f64> {
    Mat::from_fn(m.nrows(), m.nrows(), |i, j| 0.5 * (m[(i, j)] + m[(j, i)]))
}

#[test]
fn the_minima_of_rayleigh_and_brockett_are_the_known_ones() {
    // At eigenvectors: the value is known, the gradient vanishes, and the Hessian has no negative direction.
    let cases = [(1, 100, 1, -8.08198155463772), (5, 50, 5, -75.0170122080606)];
    for (seed, n, p, want) in cases {
        let a = symmetric(&data(seed, n, n));
        let weights = Mat::from_fn(p, p, |i, j| if i == j { (p - i) as f64 } else { 0.0 });
        let vectors = value(|a: Var| a.symmetric().vectors(0..p), &a).unwrap().into_mat();
        // Eigenvalues may come in either order; the cost takes the smallest with the largest weight.
        let f = |x: &Mat<f64>| (x.transpose() * &a * x * &weights).diagonal().column_vector().sum();
        let ends = value(|a: Var| a.symmetric().vectors(n - p..n), &a).unwrap().into_mat();
        let flip = |x: &Mat<f64>| Mat::from_fn(n, p, |i, j| x[(i, p - 1 - j)]);
        let x = [vectors.clone(), flip(&vectors), ends.clone(), flip(&ends)]
            .into_iter()
            .min_by(|x, y| f(x).total_cmp(&f(y)))
            .unwrap();
        assert!((f(&x) / want - 1.0).abs() < 1e-12, "{} {want}", f(&x));
        let mut spaces: Vec<Box<dyn Manifold>> =
            vec![Box::new(Stiefel::new(n, p)), Box::new(Stiefel::new(n, p).with_metric(StiefelMetric::Canonical))];
        if p == 1 {
            spaces.push(Box::new(Sphere::new(n, 1)));
        }
        for m in &spaces {
            for seed in 0..5 {
                let x: Batch = x.clone().into();
                let v = m.random_tangent(from_ref(&x), &mut rng(seed)).unwrap().swap_remove(0);
                let found = value(
                    |(x, v): (Var, Var)| {
                        let (g, h) = ((&a * x) * &weights * 2.0, (&a * v) * &weights * 2.0);
                        let grad = m.egrad_to_rgrad(&[x], Egrad(&[g])).0[0];
                        let hess = m.ehess_to_rhess(&[x], Egrad(&[g]), &[h], &[v])[0];
                        Var::concat(&[grad.dot(grad).sqrt(), m.inner(&[x], &[v], &[hess])], pullback::Axis::Rows)
                    },
                    &(x, v),
                )
                .unwrap();
                assert!(found.data()[0] < 1e-12 && found.data()[1] > 0.0, "{found:?}");
            }
        }
    }
}

#[test]
fn what_is_no_point_or_tangent_is_named() {
    let m = Stiefel::new(5, 2);
    let (x, v) = point_and_tangent(&m, 3, 4);
    let mut bad = x.clone();
    bad.data_mut()[10] += 1e-6;
    assert!(matches!(m.check_point(&[bad]), Err(Error::NotAPoint { member: 1, .. })));
    let mut bad = v.clone();
    bad.data_mut()[20..].copy_from_slice(&x.data()[20..]);
    assert!(matches!(m.check_tangent(from_ref(&x), &[bad]), Err(Error::NotTangent { member: 2, .. })));
    let (y, _) = point_and_tangent(&m, 3, 5);
    assert!(matches!(m.retract(&y, &v), Err(Error::NotTangent { .. })));
    let mut bad = x.clone();
    bad.data_mut()[3] = f64::NAN;
    assert!(matches!(m.check_point(&[bad]), Err(Error::NonFinite { index: 3, .. })));
    assert!(std::panic::catch_unwind(|| Stiefel::new(2, 3)).is_err());
    assert!(std::panic::catch_unwind(|| Stiefel::new(2, 0)).is_err());
    assert!(std::panic::catch_unwind(|| Stiefel::new(3, 2).with_metric(StiefelMetric::Alpha(-1.0))).is_err());
    // Forms that are not positive definite.
    for b in [mat![[1.0, 2.0], [2.0, 1.0]], mat![[1.0, f64::NAN], [0.0, 1.0]]] {
        assert!(matches!(GeneralizedStiefel::new(&b, 1), Err(Error::Engine(_))));
    }
    let s = SymplecticStiefel::new(3, 1);
    let (x, _) = point_and_tangent(&s, 1, 1);
    assert!(matches!(s.check_point(&[scaled(&x, 1.001)]), Err(Error::NotAPoint { .. })));
    assert!(matches!(s.check_tangent(from_ref(&x), from_ref(&x)), Err(Error::NotTangent { .. })));
    assert!(std::panic::catch_unwind(|| SymplecticStiefel::new(1, 2)).is_err());
    // The symplectic condition is what the definition says.
    let j = |n: usize| {
        Mat::from_fn(2 * n, 2 * n, |i, k| {
            if k == i + n {
                1.0
            } else if i == k + n {
                -1.0
            } else {
                0.0
            }
        })
    };
    let x = x.into_mat();
    assert!((x.transpose() * j(3) * &x - j(1)).norm_max() < 1e-14);
    // Points the retraction does not reach.
    let st = Stiefel::new(3, 2);
    let (x, y) = (mat![[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]], mat![[-1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]);
    for retraction in RETRACTIONS {
        let e = st.with(retraction).inverse_retract(&x, &y).unwrap_err();
        assert!(matches!(e, Error::Engine(_)), "{retraction:?}: {e}");
    }
}
