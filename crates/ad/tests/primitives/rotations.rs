//! Rotations and rotation vectors: values, and derivatives to third order where the textbook formulas divide by zero.

use super::points::{Rng, batch, stack};
use faer::{Mat, mat};
use pullback::{Batch, Error, Failure, Var, func, grad, hvp, jvp, value};
use pullback_check::check;
use std::f64::consts::{PI, TAU};

/// Angles from 0 to just below half a turn.
const ANGLES: [f64; 10] = [0.0, 1e-300, 1e-12, 1e-8, 1e-3, 0.7, 2.0, 3.0, PI - 1e-4, PI - 1e-9];

/// Unit axes, among them those at which each of the four columns is taken.
fn axes() -> Vec<Mat<f64>> {
    let mut all: Vec<Mat<f64>> = (0..3).map(|k| Mat::from_fn(3, 1, |i, _| f64::from(i == k))).collect();
    let mut rng = Rng::new(5);
    all.extend((0..3).map(|_| rng.normal(3, 1)).map(|a| &a * (1.0 / a.norm_l2())));
    all
}

fn near(a: &Mat<f64>, b: &Mat<f64>, tol: f64, what: &str) {
    let d = (a - b).norm_max();
    assert!(d <= tol, "{what}: {d:e}\n{a:?}\n{b:?}");
}

#[test]
fn a_rotation_about_an_axis_is_known() {
    for angle in ANGLES {
        let r = value(|w: Var| w.so3_exp(), &mat![[0.0], [0.0], [angle]]).unwrap().into_mat();
        let (s, c) = angle.sin_cos();
        near(&r, &mat![[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]], 1e-15, "about the third axis");
        let w = value(|r: Var| r.so3_log(), &mat![[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]]).unwrap().into_mat();
        near(&w, &mat![[angle], [0.0], [0.0]], 1e-15 * (1.0 + angle), "vector of the first axis");
    }
    // A third of a turn about the diagonal: all diagonal entries are 0, and all columns are equally good.
    let w = value(|r: Var| r.so3_log(), &mat![[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]).unwrap().into_mat();
    near(&w, &Mat::from_fn(3, 1, |_, _| TAU / 3.0 / 3f64.sqrt()), 1e-15, "a third of a turn");
}

/// `log(exp(w)) = w`: its derivative is the identity and all higher ones vanish, for every angle below half a turn.
#[test]
fn the_logarithm_undoes_the_exponential_to_third_order() {
    let mut rng = Rng::new(6);
    let (n, u, v) = (rng.normal(3, 1), rng.normal(3, 1), rng.normal(3, 1));
    for axis in axes() {
        for angle in ANGLES {
            let w = &axis * angle;
            let what = format!("{angle} about {axis:?}");
            near(&value(|w: Var| w.so3_exp().so3_log(), &w).unwrap().into_mat(), &w, 4e-15, &what);
            near(&jvp(|w: Var| w.so3_exp().so3_log(), &w, &v).unwrap().1.into_mat(), &v, 2e-14, &what);
            let f = func(|w: Var| w.so3_exp().so3_log().dot(&n));
            near(&grad(f, &w).unwrap(), &n, 2e-14, &what);
            near(&hvp(f, &w, &v).unwrap(), &Mat::zeros(3, 1), 1e-13, &what);
            let second = func(|w: Var| w.hvp(|w| w.so3_exp().so3_log().dot(&n), &v).dot(&u));
            near(&grad(second, &w).unwrap(), &Mat::zeros(3, 1), 1e-12, &what);
        }
    }
}

#[test]
fn every_mode_agrees_on_rotations() {
    for axis in axes() {
        for angle in [0.0, 1e-8, 0.7, 3.1] {
            let w = &axis * angle;
            let steps = Mat::from_fn(3, 1, |_, _| 0.01);
            check(func(|w: Var| w.so3_exp()), &w).orders(1..=3).run().assert_ok();
            let r = value(|w: Var| w.so3_exp(), &w).unwrap().into_mat();
            let around = func(|w: Var| (w.so3_exp() * &r).so3_log());
            // About the rotation itself, with steps that stay below half a turn.
            check(around, &Mat::zeros(3, 1)).scale(&steps).orders(1..=3).run().assert_ok();
        }
    }
}

#[test]
fn half_a_turn_has_no_logarithm() {
    for d in [[1.0, -1.0, -1.0], [-1.0, 1.0, -1.0], [-1.0, -1.0, 1.0]] {
        let found = value(|r: Var| r.so3_log(), &super::points::diagonal(&d));
        let Err(Error::Data { failure: Failure::NotDifferentiable { .. }, primitive, .. }) = found else {
            panic!("{found:?}")
        };
        assert_eq!(primitive, "so3_log");
    }
}

/// Vectors of all axes and angles, in one batch.
fn mixed(angles: &[f64]) -> Vec<Mat<f64>> {
    axes().iter().flat_map(|axis| angles.iter().map(move |angle| axis * *angle)).collect()
}

/// Columns with a translation above and a rotation vector below.
fn motions(angles: &[f64]) -> Vec<Mat<f64>> {
    let mut rng = Rng::new(8);
    let below = |v: Mat<f64>, w: &Mat<f64>| Mat::from_fn(6, 1, |i, _| if i < 3 { v[(i, 0)] } else { w[(i - 3, 0)] });
    mixed(angles).iter().map(|w| below(rng.normal(3, 1), w)).collect()
}

fn all(members: &[Mat<f64>]) -> Batch<f64> {
    stack(&members.iter().map(batch).collect::<Vec<_>>())
}

fn hat(w: &Mat<f64>) -> Mat<f64> {
    let [x, y, z] = [w[(0, 0)], w[(1, 0)], w[(2, 0)]];
    mat![[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]]
}

/// Angles up to several turns, on both sides of the end of the series.
const LONG: [f64; 8] = [PI - 1e-6, PI, 3.162, 3.163, 5.0, TAU, 20.0, 100.0];

/// Rodrigues' formula against scaling and squaring: the value, its derivative and the second one.
#[test]
fn rodrigues_is_the_exponential_in_a_batch_of_all_angles() {
    let members = mixed(&[&ANGLES[..], &LONG[..]].concat());
    let w = all(&members);
    let mut rng = Rng::new(9);
    let (g, v) = (rng.normal(3, 3), rng.normal(3, 1));
    let r = value(|w: Var| w.so3_exp(), &w).unwrap();
    let ours = func(|w: Var| w.so3_exp().dot(&g).sum_batch());
    let theirs = func(|w: Var| w.hat().expm().dot(&g).sum_batch());
    let along = all(&vec![v; members.len()]);
    let gradients = (grad(ours, &w).unwrap(), grad(theirs, &w).unwrap());
    let seconds = (hvp(ours, &w, &along).unwrap(), hvp(theirs, &w, &along).unwrap());
    for (k, w) in members.iter().enumerate() {
        let tol = 4e-15 * (1.0 + w.norm_l2());
        let (r, what) = (r.member(k), format!("{w:?}"));
        near(&(&r * r.transpose()), &Mat::identity(3, 3), 2e-15, &what);
        near(&r, &value(|w: Var| w.hat().expm(), w).unwrap().into_mat(), tol, &what);
        near(&gradients.0.member(k), &gradients.1.member(k), 4.0 * tol, &what);
        near(&seconds.0.member(k), &seconds.1.member(k), 16.0 * tol, &what);
    }
}

#[test]
fn every_mode_agrees_on_a_batch_of_all_angles() {
    let w = all(&mixed(&[0.0, 1e-8, 1e-3, 1.0, PI - 1e-6, 3.163, 7.0]));
    check(func(|w: Var| w.so3_exp()), &w).orders(1..=3).run().assert_ok();
    check(func(|w: Var| w.so3_left_jacobian()), &w).orders(1..=3).run().assert_ok();
    let w = all(&mixed(&[0.0, 1e-8, 1e-3, 1.0, PI - 1e-6, 4.0]));
    check(func(|w: Var| w.so3_left_jacobian_inverse()), &w).orders(1..=3).run().assert_ok();
}

#[test]
fn jacobians_are_the_derivative_and_its_inverse() {
    let v = Rng::new(10).normal(3, 1);
    for w in mixed(&[&ANGLES[..], &[3.5, 5.0, 6.0]].concat()) {
        let what = format!("{w:?}");
        let (r, dr) = jvp(|w: Var| w.so3_exp(), &w, &v).unwrap();
        let j = value(|w: Var| w.so3_left_jacobian(), &w).unwrap().into_mat();
        near(&dr.into_mat(), &(hat(&(&j * &v)) * r.into_mat()), 1e-14, &what);
        let inverse = value(|w: Var| w.so3_left_jacobian_inverse(), &w).unwrap().into_mat();
        near(&(&j * &inverse), &Mat::identity(3, 3), 4e-15 * inverse.norm_l2(), &what);
    }
}

/// Against the exponential of the block matrix, and back.
#[test]
fn rigid_motions_are_exponentials_of_block_matrices() {
    for x in motions(&[&ANGLES[..], &[4.0, 30.0]].concat()) {
        let what = format!("{x:?}");
        let (v, w) = (x.subrows(0, 3).to_owned(), x.subrows(3, 3).to_owned());
        let (skew, angle) = (hat(&w), w.norm_l2());
        let block = Mat::from_fn(4, 4, |i, j| match (i, j) {
            (3, _) => 0.0,
            (i, 3) => v[(i, 0)],
            (i, j) => skew[(i, j)],
        });
        let m = value(|x: Var| x.se3_exp(), &x).unwrap().into_mat();
        near(&m, &value(|a: Var| a.expm(), &block).unwrap().into_mat(), 1e-14 * (1.0 + angle), &what);
        let back = value(|x: Var| (-x).se3_exp(), &x).unwrap().into_mat();
        near(&(&m * back), &Mat::identity(4, 4), 1e-14, &what);
        let plane = mat![[v[(0, 0)]], [v[(1, 0)]], [angle]];
        let block = mat![[0.0, -angle, v[(0, 0)]], [angle, 0.0, v[(1, 0)]], [0.0, 0.0, 0.0]];
        let m = value(|x: Var| x.se2_exp(), &plane).unwrap().into_mat();
        near(&m, &value(|a: Var| a.expm(), &block).unwrap().into_mat(), 1e-14 * (1.0 + angle), &what);
    }
}

/// As for rotations: the derivative of what undoes itself is the identity, and all higher ones vanish.
#[test]
fn logarithms_of_rigid_motions_undo_exponentials_to_third_order() {
    let mut rng = Rng::new(11);
    let (n, u, v) = (rng.normal(6, 1), rng.normal(6, 1), rng.normal(6, 1));
    for x in motions(&ANGLES) {
        let what = format!("{x:?}");
        near(&value(|x: Var| x.se3_exp().se3_log(), &x).unwrap().into_mat(), &x, 2e-14, &what);
        let f = func(|x: Var| x.se3_exp().se3_log().dot(&n));
        near(&grad(f, &x).unwrap(), &n, 1e-13, &what);
        near(&hvp(f, &x, &v).unwrap(), &Mat::zeros(6, 1), 1e-12, &what);
        let second = func(|x: Var| x.hvp(|x| x.se3_exp().se3_log().dot(&n), &v).dot(&u));
        near(&grad(second, &x).unwrap(), &Mat::zeros(6, 1), 1e-11, &what);
        for angle in [x.subrows(3, 3).norm_l2(), -x.subrows(3, 3).norm_l2()] {
            let x = mat![[x[(0, 0)]], [x[(1, 0)]], [angle]];
            let (n, v) = (n.subrows(0, 3).to_owned(), v.subrows(0, 3).to_owned());
            near(&value(|x: Var| x.se2_exp().se2_log(), &x).unwrap().into_mat(), &x, 1e-14, &what);
            let f = func(|x: Var| x.se2_exp().se2_log().dot(&n));
            near(&grad(f, &x).unwrap(), &n, 1e-13, &what);
            near(&hvp(f, &x, &v).unwrap(), &Mat::zeros(3, 1), 1e-12, &what);
            let turn = value(|a: Var| a.so2_exp().so2_log(), &angle).unwrap().into_mat();
            near(&turn, &mat![[angle]], 1e-15 * (1.0 + angle.abs()), &what);
        }
    }
}

#[test]
fn every_mode_agrees_on_rigid_motions() {
    let x = all(&motions(&[0.0, 1e-8, 1e-3, 1.0, PI - 1e-6]));
    check(func(|x: Var| x.se3_exp()), &x).orders(1..=3).run().assert_ok();
    let plane = all(&[0.0, 1e-8, -1e-3, 1.0, PI - 1e-6, 9.0].map(|a| mat![[1.5], [-0.5], [a]]));
    check(func(|x: Var| x.se2_exp()), &plane).orders(1..=3).run().assert_ok();
}

#[test]
fn quaternions_go_there_and_back() {
    for w in mixed(&ANGLES) {
        let what = format!("{w:?}");
        let (q, r) = (
            value(|w: Var| w.so3_exp().so3_to_quaternion(), &w).unwrap().into_mat(),
            value(|w: Var| w.so3_exp(), &w).unwrap().into_mat(),
        );
        assert!((q.norm_l2() - 1.0).abs() < 1e-15 && q[(0, 0)] > 0.0, "{what}");
        assert!((q[(0, 0)] - (0.5 * w.norm_l2()).cos()).abs() < 1e-15, "{what}");
        for scale in [1.0, -3.0, 1e-100] {
            let back = value(|q: Var| q.so3_from_quaternion(), &(&q * scale)).unwrap().into_mat();
            near(&back, &r, 2e-15, &what);
        }
        // Through its own quaternion a rotation is differentiated as by itself.
        let n = Rng::new(12).normal(3, 3);
        let around = func(|w: Var| w.so3_exp().so3_to_quaternion().so3_from_quaternion().dot(&n));
        near(&grad(around, &w).unwrap(), &grad(func(|w: Var| w.so3_exp().dot(&n)), &w).unwrap(), 2e-14, &what);
        check(func(|q: Var| q.so3_from_quaternion()), &q).orders(1..=3).run().assert_ok();
    }
    let found = value(|q: Var| q.so3_from_quaternion(), &Mat::<f64>::zeros(4, 1));
    assert!(found.is_err(), "{found:?}");
    for d in [[1.0, -1.0, -1.0], [-1.0, 1.0, -1.0], [-1.0, -1.0, 1.0]] {
        let found = value(|r: Var| r.so3_to_quaternion(), &super::points::diagonal(&d));
        assert!(matches!(found, Err(Error::Data { failure: Failure::NotDifferentiable { .. }, .. })), "{found:?}");
    }
}

#[test]
fn what_is_no_angle_is_an_error_that_names_the_member() {
    for (bad, overflow) in [(f64::NAN, false), (f64::NEG_INFINITY, false), (1e200, true)] {
        let w = all(&[mat![[0.5], [0.0], [1.0]], mat![[0.0], [bad], [1.0]]]);
        let found = value(|w: Var| w.so3_exp(), &w);
        let Err(Error::Data { failure, member, .. }) = found else { panic!("{found:?}") };
        let right = match failure {
            Failure::NonFinite { index, .. } => !overflow && index == 1,
            Failure::Overflow { .. } => overflow,
            _ => false,
        };
        assert!(right && member == Some(1), "{failure:?} of member {member:?}");
        assert!(value(|w: Var| w.so3_left_jacobian(), &w).is_err());
    }
}

#[test]
fn single_precision_is_double_precision_rounded() {
    for x in motions(&ANGLES) {
        let (single, what) = (Mat::from_fn(6, 1, |i, _| x[(i, 0)] as f32), format!("{x:?}"));
        let rounded = Mat::from_fn(6, 1, |i, _| f64::from(single[(i, 0)]));
        let double = value(|x: Var| x.row_range(3, 3).so3_exp(), &rounded).unwrap().into_mat();
        let r = value(|x: Var<'_, f32>| x.row_range(3, 3).so3_exp(), &single).unwrap().into_mat();
        near(&Mat::from_fn(3, 3, |i, j| f64::from(r[(i, j)])), &double, 6e-8, &what);
        // So near half a turn the rounded rotation may be on the other side.
        if x.subrows(3, 3).norm_l2() < 3.1 {
            let back = value(|x: Var<'_, f32>| x.se3_exp().se3_log(), &single).unwrap().into_mat();
            near(&Mat::from_fn(6, 1, |i, _| f64::from(back[(i, 0)])), &rounded, 4e-6, &what);
        }
    }
}
