//! Closed forms on manifolds: sphere, Stiefel, Grassmann, positive matrices, a product. Truths are derivatives of
//! closed programs by the engine, or formulas.

use crate::closed_forms::for_positive;
use crate::spaces::{Pair, Spd, Stiefel};
use crate::{apart, dot, mat, qf, sym, with_spectrum};
use pullback::Batch;
use pullback::faer::Mat;
use pullback::prelude::*;
use pullback_implicit::linear::{Method, Positive};
use pullback_implicit::{Condition, Linearisation, Tapes, Verdict, stationary};
use pullback_manifolds::{Grassmann, Manifold};

/// As in flat space, and the derivative must be tangent.
fn agrees<C>(c: &C, m: &dyn Manifold, z: &Mat<f64>, phi: &Mat<f64>, dphi: &Mat<f64>, dz: &Mat<f64>)
where
    C: Condition<State = Mat<f64>, Params = Mat<f64>>,
{
    crate::closed_forms::agrees(c, z, phi, dphi, dz, &for_positive());
    let found = c.at(z, phi).jvp(dphi).unwrap().value;
    m.check_tangent(&[Batch::of(z)], &[Batch::of(&found)]).unwrap();
}

/// The metric adjoint of the map, for random vectors, to rounding.
fn is_self_adjoint<C: Condition>(lin: &Linearisation<'_, '_, C>, seed: u64)
where
    C::State: pullback::Leaves<Scalar = f64>,
{
    let map = lin.map();
    let random = |s: u64| -> Vec<Batch> {
        let part = |(k, shape): (usize, &pullback::Shape)| Batch::of(&mat(s + k as u64, shape.rows, shape.cols));
        let mut v: Vec<Batch> = map.shapes().iter().enumerate().map(part).collect();
        map.project(&mut v).unwrap();
        v
    };
    let apply = |v: &[Batch], f: &dyn Fn(&[Batch], &mut [Batch])| {
        let mut out = v.to_vec();
        f(v, &mut out);
        out
    };
    let (u, v) = (random(seed), random(seed + 50));
    let inner = |a: &[Batch], b: &[Batch]| -> f64 {
        let g = apply(b, &|v, out| map.lower(v, out).unwrap());
        a.iter().zip(&g).flat_map(|(a, g)| a.data().iter().zip(g.data())).map(|(a, g)| a * g).sum()
    };
    let (au, av) = (apply(&u, &|v, out| map.apply(v, out).unwrap()), apply(&v, &|v, out| map.apply(v, out).unwrap()));
    let size = inner(&au, &au).sqrt() * inner(&v, &v).sqrt();
    assert!((inner(&au, &v) - inner(&u, &av)).abs() < 1e-12 * size);
}

#[test]
fn a_direction_and_an_eigenvector_on_the_sphere() {
    let sphere = Stiefel(6, 1);
    let (x, dx) = (mat(40, 6, 1), mat(41, 6, 1));
    let y = &x * (1.0 / x.norm_l2());
    let c = stationary(&y, &x, |y, x| y.dot(x) * -1.0).on(&sphere);
    let dy = (&dx - &y * dot(&y, &dx)) * (1.0 / x.norm_l2());
    agrees(&c, &sphere, &y, &x, &dx, &dy);
    // Its Hessian is |x| times the identity: conjugate gradients take one step.
    let s = c.at(&y, &x).method(Method::Cg(Positive::asserted())).jvp(&dx).unwrap().certificate.members[0];
    assert_eq!(s.iterations, 1);

    let l = [1.0, 2.5, 3.0, 4.0, 5.0, 7.0];
    let q = qf(&mat(42, 6, 6));
    let a = &q * Mat::from_fn(6, 6, |i, j| if i == j { l[i] } else { 0.0 }) * q.transpose();
    let v = Mat::from_fn(6, 1, |i, _| q[(i, 0)]);
    let c = stationary(&v, &a, |v, a: Var| v.dot(a.sym() * v) * 0.5).on(&sphere);
    let da = mat(43, 6, 6);
    let plus = &q * Mat::from_fn(6, 6, |i, j| if i == j && i > 0 { 1.0 / (l[0] - l[i]) } else { 0.0 }) * q.transpose();
    agrees(&c, &sphere, &v, &a, &da, &(&plus * (sym(&da) * &v)));
    // The condition number is (l_n - l_1) / (l_2 - l_1) exactly.
    let (low, high) = c.at(&v, &a).jvp(&da).unwrap().certificate.members[0].spectrum.unwrap();
    assert!((low - 1.5).abs() < 1e-12 && (high - 6.0).abs() < 1e-12, "{low} {high}");
}

#[test]
fn the_polar_factor_on_the_stiefel_manifold() {
    let st = Stiefel(5, 2);
    let (m, dm) = (mat(44, 5, 2), mat(45, 5, 2));
    let (q, dq) = pullback::jvp(func(|m: Var| m.polar().0), &m, &dm).unwrap();
    let (q, dq) = (q.into_mat(), dq.into_mat());
    let c = stationary(&q, &m, |q, m| q.dot(m) * -1.0).on(&st);
    agrees(&c, &st, &q, &m, &dm, &dq);
    // The map dM -> dQ is its own transpose.
    let zbar = mat(46, 5, 2);
    let pulled = c.at(&q, &m).vjp(&zbar).unwrap().value;
    let pushed = c.at(&q, &m).jvp(&zbar).unwrap().value;
    assert!(apart(&pulled, &pushed) < 1e-11);
}

#[test]
fn a_principal_subspace_with_equal_eigenvalues_inside() {
    let gr = Grassmann::new(6, 2);
    let a = with_spectrum(&[5.0, 5.0, 2.0, 1.5, 1.0, 0.3], 47);
    let q = qf(&mat(47, 6, 6));
    let x = Mat::from_fn(6, 2, |i, j| q[(i, j)]);
    let da = mat(48, 6, 6);
    let c = stationary(&x, &a, |x, a: Var| x.dot(a.sym() * x) * -0.5).on(&gr);
    let d = c.at(&x, &a).jvp(&da).unwrap();
    let dp = &d.value * x.transpose() + &x * d.value.transpose();
    let truth = pullback::jvp(func(|a: Var| a.sym().spectral_projector(2)), &a, &da).unwrap().1.into_mat();
    assert!(apart(&dp, &truth) < 1e-11, "{}", d.certificate);
    assert_eq!(d.certificate.verdict, Verdict::Verified);
    // Another basis of the subspace, another representative of the tangent, the same projector and hypergradient.
    let turned = &x * qf(&mat(49, 2, 2));
    let e = c.at(&turned, &a).jvp(&da).unwrap().value;
    assert!(apart(&(&e * turned.transpose() + &turned * e.transpose()), &truth) < 1e-11);
    let m = sym(&mat(50, 6, 6));
    let outer = |z: &Mat<f64>| c.at(z, &a).hypergradient(|x, _| x.dot(&m * x)).unwrap().gradient;
    assert!(apart(&outer(&turned), &outer(&x)) < 1e-11);
}

/// `A^{-1} # B`: the solution of `M A M = B`.
fn mean<'t>(a: Var<'t>, b: Var<'t>) -> Var<'t> {
    let (r, i) = (a.sqrtm_spd(), a.invsqrtm_spd());
    i * (r * b * r).sym().sqrtm_spd() * i
}

#[test]
fn positive_matrices_in_the_affine_invariant_metric() {
    let n = 4;
    let spd = Spd(n);
    let pos = |s: u64| with_spectrum(&[0.5, 1.0, 2.0, 6.0], s);
    let (a, b) = (pos(51), pos(52));
    let (db, m) = (sym(&mat(53, n, n)), pullback::value(func(|b: Var| mean(b.tape().constant(&a), b)), &b).unwrap());
    let m = m.into_mat();
    let c = stationary(&m, &b, |m, b: Var| m.dot(&a) + m.spd().solve(b.sym()).trace()).on(&spd);
    let dm = pullback::jvp(func(|b: Var| mean(b.tape().constant(&a), b)), &b, &db).unwrap().1.into_mat();
    agrees(&c, &spd, &m, &b, &db, &sym(&dm));
    let mut tapes = Tapes::new();
    is_self_adjoint(&c.at(&m, &b).without_polish().without_check().linearise(&mut tapes).unwrap(), 54);
    // Off the solution too, where the entries' Hessian is not self-adjoint in this metric.
    let off = &m + Mat::<f64>::identity(n, n) * 0.3;
    is_self_adjoint(&c.at(&off, &b).without_polish().without_check().linearise(&mut tapes).unwrap(), 55);

    // <M, S> - log det M: the Hessian is the identity, so conjugate gradients and Neumann's series need one product.
    let s = pos(56);
    let inverse = pullback::value(func(|s: Var| s.inverse()), &s).unwrap().into_mat();
    let ds = sym(&mat(57, n, n));
    let c = stationary(&inverse, &s, |m, s: Var| m.dot(s.sym()) - m.spd().logdet()).on(&spd);
    let truth = &inverse * &ds * &inverse * -1.0;
    agrees(&c, &spd, &inverse, &s, &ds, &truth);
    for method in [Method::Cg(Positive::asserted()), Method::NeumannAdaptive] {
        let d = c.at(&inverse, &s).method(method).jvp(&ds).unwrap();
        assert!(d.certificate.members[0].iterations <= 1 && apart(&d.value, &truth) < 1e-11, "{}", d.certificate);
    }
}

#[test]
fn a_product_of_manifolds_that_its_cost_couples() {
    // With |y| = 1 and M positive: <y, x> and <M, S> - log det M, coupled by 0.2 y^T M y. The truth is a difference of
    // solutions found by Newton's method from nearby.
    let space = Pair(Stiefel(3, 1), Spd(3));
    let (x, s) = (mat(60, 3, 1), with_spectrum(&[0.7, 1.5, 3.0], 61));
    let phi = (x.clone(), s.clone());
    let y0 = &x * (1.0 / x.norm_l2());
    let m0 = pullback::value(func(|s: Var| s.inverse()), &s).unwrap().into_mat();
    let z0 = (y0, m0);
    let c = stationary(&z0, &phi, |(y, m), (x, s): (Var, Var)| {
        m.dot(s.sym()) - m.spd().logdet() - y.dot(x) + y.dot(m * y) * 0.2
    })
    .on(&space);
    let solved = |phi: &(Mat<f64>, Mat<f64>)| {
        let mut z = z0.clone();
        for _ in 0..8 {
            let mut tapes = Tapes::new();
            z = c.at(&z, phi).linearise(&mut tapes).unwrap().solution();
        }
        z
    };
    let dphi = (mat(62, 3, 1), sym(&mat(63, 3, 3)));
    let at = |h: f64| solved(&(&x + &dphi.0 * h, &s + &dphi.1 * h));
    let (h, z) = (1e-3, solved(&phi));
    let difference = |f: &dyn Fn(&(Mat<f64>, Mat<f64>)) -> Mat<f64>| {
        let [a, b, c, d] = [at(h), at(-h), at(2.0 * h), at(-2.0 * h)].map(|z| f(&z));
        ((a - b) * 8.0 - (c - d)) * (1.0 / (12.0 * h))
    };
    for method in for_positive() {
        let d = c.at(&z, &phi).method(method).jvp(&dphi).unwrap();
        assert!(apart(&d.value.0, &difference(&|z| z.0.clone())) < 1e-8, "{}", d.certificate);
        assert!(apart(&d.value.1, &difference(&|z| z.1.clone())) < 1e-8, "{}", d.certificate);
        assert_eq!(d.certificate.verdict, Verdict::Verified, "{}", d.certificate);
        let zbar = (mat(64, 3, 1), mat(65, 3, 3));
        let p = c.at(&z, &phi).method(method).vjp(&zbar).unwrap().value;
        let (a, b) = (dot(&zbar.0, &d.value.0) + dot(&zbar.1, &d.value.1), dot(&p.0, &dphi.0) + dot(&p.1, &dphi.1));
        assert!((a - b).abs() < if method == Method::Auto { 1e-12 } else { 1e-8 }, "{method:?} {a} {b}");
    }
}

#[test]
fn single_precision_and_batches() {
    // Four ridge problems at once; the third is singular and named, the others are right.
    let shape = pullback::Shape::batch(4, 3, 3);
    let a = Batch::from_fn(shape, |m, i, j| {
        let b = mat(70 + m as u64, 3, 3);
        let v = (b.transpose() * &b)[(i, j)] + if i == j { 0.5 } else { 0.0 };
        if m == 2 && (i == 0 || j == 0) { 0.0 } else { v }
    });
    let phi =
        Batch::from_fn(pullback::Shape::batch(4, 3, 1), |m, i, _| if m == 2 && i == 0 { 0.0 } else { (m + i) as f64 });
    let z = Batch::from_fn(phi.shape(), |m, i, _| match m {
        2 => {
            let small = Mat::from_fn(2, 2, |i, j| a.member(2)[(i + 1, j + 1)]);
            if i == 0 {
                0.0
            } else {
                crate::solve(&small, &Mat::from_fn(2, 1, |i, _| phi.member(2)[(i + 1, 0)]))[(i - 1, 0)]
            }
        }
        _ => crate::solve(&a.member(m), &phi.member(m))[(i, 0)],
    });
    let c = stationary(&z, &phi, |z, phi| z.dot(&a * z) * 0.5 - z.dot(phi)).flat();
    let dphi = Batch::from_fn(phi.shape(), |m, i, _| ((2 * m + i) as f64).sin());
    let d = c.at(&z, &phi).jvp(&dphi).unwrap();
    for m in [0, 1, 3] {
        assert!(apart(&d.value.member(m), &crate::solve(&a.member(m), &dphi.member(m))) < 1e-11);
        assert_eq!(d.certificate.members[m].verdict, Verdict::Verified);
    }
    assert!(matches!(d.certificate.members[2].verdict, Verdict::Invalid(pullback_implicit::Why::Singular { .. })));
    assert!(matches!(d.certificate.verdict, Verdict::Invalid(_)), "{}", d.certificate);

    let half = |m: &Mat<f64>| Mat::from_fn(m.nrows(), m.ncols(), |i, j| m[(i, j)] as f32);
    let (a, x, v) = (half(&with_spectrum(&[1.0, 2.0, 4.0], 80)), half(&mat(81, 3, 1)), half(&mat(82, 3, 1)));
    let z = pullback::value(|a: Var<f32>| a.solve(&x), &a).unwrap().into_mat();
    let truth = pullback::value(|a: Var<f32>| a.solve(&v), &a).unwrap().into_mat();
    let c = stationary(&z, &x, |z, x| z.dot(&a * z) * 0.5 - z.dot(x)).flat();
    let d = c.at(&z, &x).jvp(&v).unwrap();
    assert!((0..3).all(|i| (d.value[(i, 0)] - truth[(i, 0)]).abs() < 1e-5), "{}", d.certificate);
    assert!(d.certificate.verdict.is_sound(), "{}", d.certificate);
}
