//! Grassmann: exponential, logarithm, distance, parallel transport and curvature, against closed forms, at equal
//! points, repeated angles and near right angles; their derivatives; and what happens at the cut locus.

use pullback::faer::{Mat, mat};
use pullback::prelude::*;
use pullback::{Failure, Shape, value};
use pullback_check::{check, check_space};
use pullback_manifolds::{Error, Grassmann, Manifold, Retraction, gaussian, rng};

const BOTH: [Retraction; 2] = [Retraction::Qr, Retraction::Polar];

fn point(gr: &Grassmann, batch: usize, seed: u64) -> Batch {
    gr.random_point(batch, &mut rng(seed)).swap_remove(0)
}

/// A tangent of this length in each member.
fn tangent(gr: &Grassmann, x: &Batch, seed: u64, length: f64) -> Batch {
    let v: Batch = Manifold::<f64>::random_tangent(gr, std::slice::from_ref(x), &mut rng(seed)).unwrap().swap_remove(0);
    value(|v: Var| v.hadamard(v.norm().recip()) * length, &v).unwrap()
}

fn turn(p: usize, seed: u64) -> Mat<f64> {
    value(|a: Var| a.qr().0, &gaussian::<f64>(Shape::mat(p, p), &mut rng(seed))).unwrap().into_mat()
}

/// Two subspaces of `R^(2p)` with these principal angles, in bases of their own.
fn at_angles(angles: &[f64], seed: u64) -> (Mat<f64>, Mat<f64>) {
    let p = angles.len();
    let frame = turn(2 * p, seed);
    let x = Mat::from_fn(2 * p, p, |i, j| if i == j { 1.0 } else { 0.0 });
    let y = Mat::from_fn(2 * p, p, |i, j| match i {
        i if i == j => angles[j].cos(),
        i if i == p + j => angles[j].sin(),
        _ => 0.0,
    });
    (&frame * x * turn(p, seed + 1), &frame * y * turn(p, seed + 2))
}

#[test]
fn every_operation_of_grassmann() {
    for (n, p) in [(6, 2), (2, 1), (3, 1), (4, 4), (1, 1), (7, 3), (5, 4)] {
        for retraction in BOTH {
            let gr = Grassmann::new(n, p).with(retraction);
            for seed in 0..6 {
                check_space::<f64>(&gr).seed(seed).run().assert_ok();
            }
            check_space::<f64>(&gr).batch(3).run().assert_ok();
        }
    }
    for seed in 0..3 {
        check_space::<f32>(&Grassmann::new(6, 2)).seed(seed).length(0.5).run().assert_ok();
    }
    let skipped = check_space::<f64>(&Grassmann::new(6, 2)).run().skipped;
    assert_eq!(skipped.len(), 1, "only the transport's isometry is not claimed: {skipped:?}");
}

#[test]
fn the_exponential_is_the_power_series_and_a_rotation_in_the_plane() {
    let gr = Grassmann::new(8, 3);
    let x = point(&gr, 1, 1);
    for length in [0.0, 1e-9, 0.5, 3.0] {
        let v = tangent(&gr, &x, 2, length);
        let y = gr.exp(&x, &v).unwrap().into_mat();
        let (x, v) = (x.member(0), v.member(0));
        // exp of the tangent as a matrix that acts on the whole space: V X' - X V'.
        let whole = value(|w: Var| w.expm(), &(&v * x.transpose() - &x * v.transpose())).unwrap().into_mat();
        assert!((y - whole * &x).norm_l2() < 1e-14 * (1.0 + length), "length {length}");
    }
    let (line, step) = (mat![[1.0], [0.0]], mat![[0.0], [0.7]]);
    let y = Grassmann::new(2, 1).exp(&line, &step).unwrap();
    assert!((y - mat![[0.7f64.cos()], [0.7f64.sin()]]).norm_l2() < 1e-15);
}

#[test]
fn the_logarithm_is_right_up_to_the_cut_locus_in_any_basis() {
    let right = std::f64::consts::FRAC_PI_2;
    for angles in [
        &[0.3][..],
        &[0.0, 0.0],
        &[0.4, 0.4, 0.4],
        &[1e-9, 1.0, 1.5],
        &[0.2, right - 1e-6, right - 1e-6],
        &[right - 1e-10, 1e-10],
    ] {
        let p = angles.len();
        let gr = Grassmann::new(2 * p, p);
        let (x, y) = at_angles(angles, 7);
        let v = gr.log(&x, &y).unwrap();
        let length: f64 = angles.iter().map(|a| a * a).sum::<f64>().sqrt();
        assert!((v.norm_l2() - length).abs() < 1e-14, "{angles:?}: {} {length}", v.norm_l2());
        assert!((x.transpose() * &v).norm_l2() < 1e-14);
        let back = gr.exp(&x, &v).unwrap();
        assert!((&back * back.transpose() - &y * y.transpose()).norm_l2() < 2e-14, "{angles:?}");
        // The basis nearest to X is as uncertain as the distance from the cut locus is small.
        let sure = angles.iter().map(|a| a.cos()).fold(1.0, f64::min);
        // The lift at another basis, from another basis.
        let (q, s) = (turn(p, 3), turn(p, 4));
        let turned = gr.log(&(&x * &q), &(&y * &s)).unwrap();
        assert!((turned - &v * &q).norm_l2() < 1e-14 / sure, "{angles:?}");
        let (a, b) = (gr.transport(&x, &y, &v).unwrap(), gr.transport(&(&x * &q), &(&y * &s), &(&v * &q)).unwrap());
        assert!((b - a * &s).norm_l2() < 1e-14 / sure, "{angles:?}");
    }
}

#[test]
fn distances_are_exact_from_equal_points_to_right_angles() {
    let gr = Grassmann::new(9, 3);
    let x = point(&gr, 1, 5);
    for length in [1e-9, 1e-8, 1e-6, 1e-4, 1e-2, 1.0] {
        let v = tangent(&gr, &x, 6, length);
        let y = gr.exp(&x, &v).unwrap();
        let d = gr.dist(&x, &y).unwrap().data()[0];
        // The entries of a basis are known to rounding, and so is a small distance, absolutely.
        assert!((d / length - 1.0).abs() < 1e-14 + 4e-16 / length, "{length}: {d}");
        let z = gr.retract(&x, &v).unwrap();
        let back = gr.inverse_retract(&x, &z).unwrap();
        let off = value(|(a, b): (Var, Var)| (a - b).norm(), &(back, v)).unwrap().data()[0];
        assert!(off < 1e-14, "{length}: {off}");
    }
    assert!(gr.dist(&x, &x).unwrap().data()[0] < 1e-15);
    let right = std::f64::consts::FRAC_PI_2;
    let angles = [right, 1.0, 1e-9];
    let (x, y) = at_angles(&angles, 2);
    let gr = Grassmann::new(6, 3);
    let found = value(|(x, y): (Var, Var)| gr.principal_angles(x, y), &(x.clone(), y.clone())).unwrap();
    for (a, b) in found.data().iter().zip(angles) {
        assert!((a - b).abs() < 1e-15, "{a} {b}");
    }
    let d = gr.dist(&x, &y).unwrap();
    assert!((d * d - right * right - 1.0).abs() < 1e-14);
}

#[test]
fn at_the_cut_locus_there_is_a_distance_and_nothing_else() {
    let gr = Grassmann::new(4, 2);
    let (x, y) = at_angles(&[std::f64::consts::FRAC_PI_2, 0.3], 1);
    let v = gr.project(&x, &y).unwrap();
    let said = |e: Error| {
        assert!(
            matches!(&e, Error::Engine(pullback::Error::Data { failure: Failure::OutsideDomain { .. }, .. })),
            "{e}"
        );
        assert!(e.to_string().contains("right angle"), "{e}");
    };
    said(gr.log(&x, &y).unwrap_err());
    said(gr.inverse_retract(&x, &y).unwrap_err());
    said(gr.transport(&x, &y, &v).unwrap_err());
    said(gr.parallel_transport(&x, &y, &v).unwrap_err());
    assert!(gr.dist(&x, &y).is_ok());
    let slope = grad(|y: Var| gr.dist2(y.tape().constant(&x), y).sum(), &y);
    assert!(slope.unwrap_err().to_string().contains("differentiable"));
}

#[test]
fn parallel_transport_is_that_of_rotations() {
    // exp(t (V X' - X V')) moves the subspace along the geodesic and its tangents parallel.
    let gr = Grassmann::new(7, 2);
    let x = point(&gr, 1, 3);
    let (v, u) = (tangent(&gr, &x, 4, 1.3), tangent(&gr, &x, 5, 1.0));
    let y = gr.exp(&x, &v).unwrap();
    let found = gr.parallel_transport(&x, &y, &u).unwrap().into_mat();
    let (x, v, u) = (x.member(0), v.member(0), u.member(0));
    let whole = value(|w: Var| w.expm(), &(&v * x.transpose() - &x * v.transpose())).unwrap().into_mat();
    assert!((found - whole * u).norm_l2() < 1e-13);
}

#[test]
fn lines_have_the_curvature_of_the_unit_sphere() {
    let gr = Grassmann::new(4, 1);
    let e = |k: usize| Mat::from_fn(4, 1, |i, _| if i == k { 1.0 } else { 0.0 });
    let (x, u, v) = (e(0), e(1), e(2));
    assert_eq!(gr.curvature(&x, &u, &v, &v).unwrap(), u);
    assert_eq!(gr.curvature(&x, &u, &v, &e(3)).unwrap(), e(3) * 0.0);
    // Planes: sectional curvatures from 0 to 2.
    let gr = Grassmann::new(4, 2);
    let x = mat![[1.0, 0.0], [0.0, 1.0], [0.0, 0.0], [0.0, 0.0]];
    let s = 0.5f64.sqrt();
    let u = mat![[0.0, 0.0], [0.0, 0.0], [s, 0.0], [0.0, s]];
    let v = mat![[0.0, 0.0], [0.0, 0.0], [0.0, s], [-s, 0.0]];
    let k = gr.inner(&x, &gr.curvature(&x, &u, &v, &v).unwrap(), &u).unwrap();
    assert!((k - 2.0).abs() < 1e-15, "{k}");
}

#[test]
fn derivatives_at_random_equal_and_repeated() {
    let gr = Grassmann::new(5, 2);
    let x = point(&gr, 2, 1);
    let u = tangent(&gr, &x, 9, 1.0);
    for length in [0.0, 0.8] {
        let v = tangent(&gr, &x, 2, length);
        let y = gr.exp(&x, &v).unwrap();
        let (xv, xy, all) = ((x.clone(), v), (x.clone(), y.clone()), (x.clone(), y, u.clone()));
        check(|(x, v): (Var, Var)| gr.exp(x, v), &xv).seed(1).run().assert_ok();
        check(|(x, y): (Var, Var)| gr.log(x, y), &xy).seed(1).run().assert_ok();
        check(|(x, y): (Var, Var)| gr.dist2(x, y), &xy).seed(1).run().assert_ok();
        check(|(x, y): (Var, Var)| gr.inverse_retract(x, y), &xy).seed(1).run().assert_ok();
        check(|(x, y, u): (Var, Var, Var)| gr.transport(x, y, u), &all).seed(1).run().assert_ok();
        check(|(x, y, u): (Var, Var, Var)| gr.parallel_transport(x, y, u), &all).seed(1).run().assert_ok();
    }
    // Repeated principal angles.
    let (x, y) = at_angles(&[0.7, 0.7], 4);
    let gr = Grassmann::new(4, 2);
    let v = gr.log(&x, &y).unwrap();
    check(|(x, v): (Var, Var)| gr.exp(x, v), &(x.clone(), v.clone())).seed(1).run().assert_ok();
    check(|(x, y): (Var, Var)| gr.log(x, y), &(x.clone(), y.clone())).seed(1).run().assert_ok();
    check(|(x, y): (Var, Var)| gr.dist2(x, y), &(x.clone(), y.clone())).seed(1).run().assert_ok();
    check(|(x, y, u): (Var, Var, Var)| gr.transport(x, y, u), &(x, y, v)).seed(1).run().assert_ok();
}

#[test]
fn bad_input_is_said() {
    let gr = Grassmann::new(4, 2);
    let (x, y) = at_angles(&[0.7, 0.2], 4);
    let v = gr.log(&x, &y).unwrap();
    assert!(matches!(gr.exp(&(&x * 1.001), &v), Err(Error::NotAPoint { .. })));
    assert!(matches!(gr.exp(&x, &y), Err(Error::NotTangent { .. })));
    assert!(matches!(gr.exp(&x, &(&v * f64::NAN)), Err(Error::NonFinite { .. })));
    assert!(matches!(gr.parallel_transport(&x, &y, &y), Err(Error::NotTangent { .. })));
    assert!(std::panic::catch_unwind(|| Grassmann::new(2, 3)).is_err());
}
