//! Rotations and rotation vectors: values, and derivatives to third order where the textbook formulas divide by zero.

use super::points::Rng;
use faer::{Mat, mat};
use pullback::{Error, Failure, Var, func, grad, hvp, jvp, value};
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
