//! Quotients of factors: semidefinite matrices of fixed rank, correlation matrices, matrices of fixed rank.

use crate::support::{List, along, between, claims_with, distances, place, programs, retracted, scaled};
use pullback::Shape;
use pullback::faer::{Mat, mat as m};
use pullback::prelude::*;
use pullback_manifolds::{
    Egrad, Elliptope, Error, FixedRank, FixedRankRetraction, Manifold, PsdFixedRank, Spd, SpdMetric, gaussian, numbers,
    rng,
};

const BOTH: [FixedRankRetraction; 2] = [FixedRankRetraction::Projective, FixedRankRetraction::Orthographic];

#[test]
fn claims_of_semidefinite_matrices() {
    for (n, p) in [(1, 1), (4, 1), (5, 2), (3, 3)] {
        claims_with(&PsdFixedRank::new(n, p), 10.0, 1.0);
    }
}

#[test]
fn claims_of_correlation_matrices() {
    for (n, p) in [(1, 1), (4, 1), (6, 2), (5, 3), (4, 4)] {
        claims_with(&Elliptope::new(n, p), 100.0, 1.0);
    }
}

#[test]
fn claims_of_fixed_rank() {
    for retraction in BOTH {
        for (n, m, k) in [(1, 1, 1), (4, 3, 1), (6, 5, 2), (4, 3, 3), (3, 3, 3)] {
            claims_with(&FixedRank::new(n, m, k).with(retraction), 10.0, 0.3);
        }
    }
}

#[test]
fn operations_as_programs() {
    programs(&PsdFixedRank::new(5, 2), 1);
    programs(&Elliptope::new(6, 2), 1);
    for retraction in BOTH {
        programs(&FixedRank::new(5, 4, 2).with(retraction), 1);
    }
}

#[test]
fn derivatives_at_repeated_singular_values() {
    let basis = |n: usize, k: usize| -> Batch { Mat::from_fn(n, k, |i, j| if i == j { 1.0 } else { 0.0 }).into() };
    for retraction in BOTH {
        let space = FixedRank::new(5, 4, 2).with(retraction);
        let x: List = vec![basis(5, 2), basis(2, 2), basis(4, 2)];
        let (u, v) = {
            let r = &mut rng(3);
            let mut tangent = || Manifold::<f64>::random_tangent(&space, &x, r).unwrap();
            (tangent(), scaled(&tangent(), 0.3))
        };
        // All zero; of rank one; with repeated values in the tangent too.
        let low = vec![scaled(&vec![v[0].clone()], 0.0)[0].clone(), basis(2, 2), v[2].clone()];
        for v in [scaled(&v, 0.0), v.clone(), low] {
            along(&space, &x, &v);
        }
        between(&space, &x, &x, &u);
    }
    let orthonormal: List = vec![basis(5, 2)];
    let psd = PsdFixedRank::new(5, 2);
    let (_, u, v) = place(&psd, 1, 2);
    let y = retracted(&psd, &orthonormal, &scaled(&v, 0.2));
    let u = numbers::apply(&[&orthonormal, &u], &mut |l| Manifold::project(&psd, &l[0], &l[1])).unwrap();
    between(&psd, &orthonormal, &orthonormal, &u);
    between(&psd, &orthonormal, &y, &u);
}

#[test]
fn the_projective_retraction_is_the_truncated_decomposition() {
    let space = FixedRank::new(7, 5, 2);
    for (seed, scale) in [(1, 0.0), (1, 1e-6), (2, 0.3), (3, 0.8)] {
        let (x, _, z) = place(&space, 1, seed);
        let z = scaled(&z, scale);
        let y = retracted(&space, &x, &z);
        let product = |l: &[Batch]| l[0].member(0) * l[1].member(0) * l[2].member(0).transpose();
        let whole = product(&x)
            + product(&[z[0].clone(), x[1].clone(), x[2].clone()])
            + product(&[x[0].clone(), z[1].clone(), x[2].clone()])
            + product(&[x[0].clone(), x[1].clone(), z[2].clone()]);
        let (u, s, v) = {
            let tape = Tape::plain();
            let (u, s, v) = tape.constant(&Batch::from(whole.clone())).svd_truncated(2);
            (u.value().into_mat(), s.value().into_mat(), v.value().into_mat())
        };
        let nearest = u * Mat::from_fn(2, 2, |i, j| if i == j { s[(i, 0)] } else { 0.0 }) * v.transpose();
        assert!((product(&y) - nearest).norm_l2() < 1e-13, "{scale}");
    }
}

#[test]
fn the_ambient_gradient_and_hessian_are_the_textbooks() {
    // f(X) = |X - A|²/2: G = X - A, G' = Z.
    let space = FixedRank::new(6, 5, 2);
    let (x, z, _) = place(&space, 1, 4);
    let a: Mat<f64> = gaussian::<f64>(Shape::mat(6, 5), &mut rng(9)).into_mat();
    fn f<'t>(x: &[Var<'t>], a: &Mat<f64>) -> Var<'t> {
        let d = (x[0] * x[1]).mul_t(x[2]) - a;
        0.5 * d.dot(d)
    }
    let (g, h) =
        (pullback::grad(|x: Vec<Var>| f(&x, &a), &x).unwrap(), pullback::hvp(|x: Vec<Var>| f(&x, &a), &x, &z).unwrap());
    let rgrad = numbers::apply(&[&x, &g], &mut |l| Manifold::egrad_to_rgrad(&space, &l[0], Egrad(&l[1])).0).unwrap();
    let rhess =
        numbers::apply(&[&x, &g, &h, &z], &mut |l| Manifold::ehess_to_rhess(&space, &l[0], Egrad(&l[1]), &l[2], &l[3]))
            .unwrap();
    let [u, s, v] = [0, 1, 2].map(|i| x[i].member(0).to_owned());
    let [du, ds, dv] = [0, 1, 2].map(|i| z[i].member(0).to_owned());
    let eg = &u * &s * v.transpose() - &a;
    let ez = &du * &s * v.transpose() + &u * &ds * v.transpose() + &u * &s * dv.transpose();
    let off = |u: &Mat<f64>, z: Mat<f64>| &z - u * (u.transpose() * &z);
    let compare = |found: &List, m: Mat<f64>, up: Mat<f64>, vp: Mat<f64>| {
        let [fu, fs, fv] = [0, 1, 2].map(|i| found[i].member(0).to_owned());
        assert!((fs - m).norm_l2() < 1e-12);
        assert!((fu * &s - off(&u, up)).norm_l2() < 1e-12);
        assert!((fv * s.transpose() - off(&v, vp)).norm_l2() < 1e-12);
    };
    compare(&rgrad, u.transpose() * &eg * &v, &eg * &v, eg.transpose() * &u);
    compare(&rhess, u.transpose() * &ez * &v, &ez * &v + &eg * &dv, ez.transpose() * &u + eg.transpose() * &du);
}

#[test]
fn distances_are_exact_near_equal_points_and_do_not_see_the_factor() {
    distances(&PsdFixedRank::new(5, 3), 3, 1e-6);
    let space = PsdFixedRank::new(4, 4);
    let (x, _, v) = place(&space, 1, 3);
    let y = retracted(&space, &x, &scaled(&v, 0.2));
    let gram = |x: &List| x[0].member(0) * x[0].member(0).transpose();
    // Of full rank it is the space of positive definite matrices with the Bures-Wasserstein metric.
    let bw = Spd::new(4).with(SpdMetric::BuresWasserstein).dist(&gram(&x), &gram(&y)).unwrap();
    let d = space.dist(&x[0], &y[0]).unwrap().data()[0];
    assert!((d / bw - 1.0).abs() < 1e-10, "{d} {bw}");
    for seed in 0..5 {
        let (z, _) = space.another(&y, &[], &mut rng(seed)).unwrap();
        let e = space.dist(&x[0], &z[0]).unwrap().data()[0];
        assert!((d / e - 1.0).abs() < 1e-12, "{d} {e}");
    }
}

/// The steps of heavy-ball momentum, by hand: what every method with memory does.
fn trajectory(m: &dyn Manifold, mut x: List, steps: usize, turn: bool) -> List {
    let mut v: Option<List> = None;
    for k in 0..steps {
        let g = pullback::grad(|x: Vec<Var>| m.cost(&x, &mut rng(11)), &x).unwrap();
        let g = numbers::apply(&[&x, &g], &mut |l| m.egrad_to_rgrad(&l[0], Egrad(&l[1])).0).unwrap();
        let length = numbers::apply(&[&x, &g], &mut |l| [m.inner(&l[0], &l[1], &l[1])].into_iter().collect()).unwrap();
        let g = scaled(&g, -0.05 / (1.0 + length[0].data()[0].sqrt()));
        let step: List = match &v {
            None => g,
            Some(v) => g.iter().zip(v).map(|(g, v)| (g.member(0) + v.member(0) * 0.8).into()).collect(),
        };
        let mut y = retracted(m, &x, &step);
        // A representative that nobody asked for, now and then.
        if turn && k % 7 == 3 {
            y = m.another(&y, &[], &mut rng(k as u64)).unwrap().0;
        }
        v = Some(numbers::apply(&[&x, &y, &step], &mut |l| m.transport(&l[0], &l[1], &l[2])).unwrap());
        x = y;
    }
    x
}

#[test]
fn methods_with_memory_do_not_see_the_representative() {
    let fixed = BOTH.map(|r| FixedRank::new(6, 5, 2).with(r));
    let (psd, elliptope) = (PsdFixedRank::new(6, 2), Elliptope::new(7, 3));
    let spaces: [&dyn Manifold; 4] = [&psd, &elliptope, &fixed[0], &fixed[1]];
    for m in spaces {
        let x = m.random_point(1, &mut rng(21));
        let (other, _) = m.another(&x, &[], &mut rng(22)).unwrap();
        let a = trajectory(m, x.clone(), 60, false);
        for b in [trajectory(m, other.clone(), 60, false), trajectory(m, x, 60, true)] {
            let d = numbers::apply(&[&a, &b], &mut |l| [m.apart(&l[0], &l[1])].into_iter().collect()).unwrap();
            let d = d[0].data()[0].max(0.0).sqrt();
            assert!(d < 1e-10, "{}: {d}", m.name());
        }
    }
}

#[test]
fn retractions_are_of_second_order_along_a_geodesic_of_the_sphere() {
    // Rank one, and a tangent that keeps the length: a rotation of the plane.
    for retraction in BOTH {
        let space = FixedRank::new(3, 1, 1).with(retraction);
        let x: List = vec![m![[1.0], [0.0], [0.0]].into(), m![[2.0]].into(), m![[1.0]].into()];
        let error = |t: f64| {
            let z: List = vec![m![[0.0], [t], [0.0]].into(), m![[0.0]].into(), m![[0.0]].into()];
            let y = retracted(&space, &x, &z);
            let y = y[0].member(0) * (y[1].data()[0] * y[2].data()[0]);
            // With one column the space is flat.
            (y - m![[2.0], [2.0 * t], [0.0]]).norm_l2()
        };
        assert!(error(0.1) < 1e-15 && error(0.7) < 1e-15);
    }
}

/// Transport of `Z` is the projection `P Z + Z Q - P Z Q` at the new point, with `P` and `Q` those on its columns and
/// rows; seen on matrices that are formed, for members whose points are as far from each other as any two are.
#[test]
fn transport_is_the_projection_of_the_matrix() {
    let space = FixedRank::new(6, 5, 2);
    let (x, _, z) = place(&space, 3, 5);
    let (y, ..) = place(&space, 3, 6);
    let w = numbers::apply(&[&x, &y, &z], &mut |l| Manifold::transport(&space, &l[0], &l[1], &l[2])).unwrap();
    space.check_tangent(&y, &w).unwrap();
    let formed = |x: &List, z: &List, b: usize| -> Mat<f64> {
        let [u, s, v, du, ds, dv] = [&x[0], &x[1], &x[2], &z[0], &z[1], &z[2]].map(|m| m.member(b));
        &du * &s * v.transpose() + &u * &ds * v.transpose() + &u * &s * dv.transpose()
    };
    for b in 0..3 {
        let (ambient, found) = (formed(&x, &z, b), formed(&y, &w, b));
        let (u, v) = (y[0].member(b), y[2].member(b));
        let (p, q) = (&u * u.transpose(), &v * v.transpose());
        let expected = &p * &ambient + &ambient * &q - &p * &ambient * &q;
        assert!((found - expected).norm_max() < 1e-13, "member {b}");
    }
}

#[test]
fn large_matrices_are_never_formed() {
    // 20000 x 15000 of rank 3: the matrix would have 2.4 gigabytes.
    for retraction in BOTH {
        let space = FixedRank::new(20000, 15000, 3).with(retraction);
        let (x, _, z) = place(&space, 1, 1);
        let y = retracted(&space, &x, &scaled(&z, 0.01));
        space.check_point(&y).unwrap();
        let w = numbers::apply(&[&x, &y, &z], &mut |l| Manifold::transport(&space, &l[0], &l[1], &l[2])).unwrap();
        space.check_tangent(&y, &w).unwrap();
    }
}

#[test]
fn bad_input() {
    let psd = PsdFixedRank::new(3, 2);
    let (y, u) = (m![[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], m![[1.0, 0.0], [0.0, 0.0], [0.0, 0.0]]);
    let e = psd.project(&m![[1.0, 2.0], [0.5, 1.0], [1.0, 2.0]], &u).unwrap_err();
    assert!(matches!(e, Error::NotAPoint { equation: "rank Y = p", .. }), "{e}");
    let e = psd.retract(&y, &m![[0.0, 1.0], [-1.0, 0.0], [0.0, 0.0]]).unwrap_err();
    assert!(matches!(e, Error::NotTangent { equation: "Y^T U = U^T Y", .. }), "{e}");
    let e = psd.exp(&y, &(&y * -2.0)).unwrap_err();
    assert!(e.to_string().contains("is the shortest"), "{e}");
    // At the cut locus several factors are nearest.
    assert!(matches!(psd.log(&y, &m![[1.0, 0.0], [1.0, 1e-3], [-1.0, 0.0]]), Err(Error::Engine(_))));
    let e = Elliptope::new(2, 2).project(&m![[1.0, 0.0], [0.6, 0.7]], &m![[0.0, 0.0], [0.0, 0.0]]).unwrap_err();
    assert!(matches!(e, Error::NotAPoint { equation: "diag(Y Y^T) = 1", .. }), "{e}");
    let fixed = FixedRank::new(2, 2, 1);
    let (e1, zero) = (m![[1.0], [0.0]], m![[0.0], [0.0]]);
    let x = (e1.clone(), m![[2.0]], e1.clone());
    let at = |s: f64| (e1.clone(), m![[s]], e1.clone());
    let z = (zero.clone(), m![[1.0]], zero.clone());
    let e = fixed.retract(&at(0.0), &z).unwrap_err();
    assert!(matches!(e, Error::NotAPoint { equation: "S is regular", .. }), "{e}");
    assert!(matches!(fixed.retract(&at(f64::NAN), &z).unwrap_err(), Error::NonFinite { .. }));
    let e = fixed.retract(&x, &(e1.clone(), m![[1.0]], zero.clone())).unwrap_err();
    assert!(matches!(e, Error::NotTangent { equation: "U^T U' = 0", .. }), "{e}");
    // A step to a matrix of lower rank has no nearest one of rank one.
    assert!(matches!(fixed.retract(&x, &(zero.clone(), m![[-2.0]], zero)), Err(Error::Engine(_))));
}

#[test]
fn sizes_that_do_not_exist() {
    let made: [fn(); 3] = [|| _ = PsdFixedRank::new(2, 3), || _ = Elliptope::new(2, 0), || _ = FixedRank::new(3, 2, 3)];
    for f in made {
        assert!(std::panic::catch_unwind(f).is_err());
    }
}
