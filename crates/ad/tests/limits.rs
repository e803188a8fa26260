//! Programs on both sides of what decides a verdict, and at the limits of a precision: eigenvalues that coincide to
//! rounding, triangles that are exact, numbers near the smallest and the largest ones.

mod common;
use common::*;
use faer::{Mat, mat};
use pullback::prelude::*;
use pullback::{Batch, Error, Failure, value, value_and_grad};
use pullback_kernels::tolerances;

fn not_differentiable<R: std::fmt::Debug>(r: pullback::Result<R>) -> bool {
    matches!(&r, Err(e) if matches!(failure(e), Failure::NotDifferentiable { .. }))
}

/// Eigenvalues of the identity, weighed: by equal weights they have a gradient, and weights that differ by their own
/// rounding are equal.
#[test]
fn weights_of_coinciding_eigenvalues_are_equal_to_rounding() {
    let rounding = tolerances::NEAR_TIE_ROUNDING * f64::EPSILON;
    for (difference, equal) in [(0.0, true), (0.4 * rounding, true), (2.5 * rounding, false), (1e6 * rounding, false)] {
        let w = mat![[1.0], [1.0 + difference]];
        let found = grad(|a: Var| a.eigvals().0.dot(&w), &Mat::<f64>::identity(2, 2));
        assert!(if equal { found.is_ok() } else { not_differentiable(found) }, "weights differ by {difference:e}");
    }
}

/// Along `diag(1, 1 + d)` the eigenvalues of the identity move apart by `d`.
#[test]
fn coinciding_eigenvalues_move_together_to_rounding() {
    let gauge = tolerances::gauge::<f64>();
    for (d, together) in [(0.0, true), (0.4 * gauge, true), (2.5 * gauge, false), (1e5 * gauge, false)] {
        let e = mat![[1.0, 0.0], [0.0, 1.0 + d]];
        let found = jvp(|a: Var| a.eigvals().0, &Mat::<f64>::identity(2, 2), &e);
        assert!(if together { found.is_ok() } else { not_differentiable(found) }, "they move apart by {d:e}");
    }
}

/// Of `1` and `-(1 - d)` the first leads, if `d` is more than rounding could make of nothing.
#[test]
fn the_leading_eigenvalue_leads_by_more_than_rounding() {
    let tie = tolerances::eig_tie::<f64>(2, 1.0);
    for (d, leads) in [(0.0, false), (0.4 * tie, false), (2.5 * tie, true), (1e-3, true)] {
        let a = mat![[1.0, 0.0], [0.0, -(1.0 - d)]];
        match grad(func(|a: Var| a.spectral_radius()), &a) {
            Ok(g) => assert!(leads && (g - mat![[1.0, 0.0], [0.0, 0.0]]).norm_max() < 1e-14, "{d:e}"),
            found => assert!(!leads && not_differentiable(found), "{d:e}"),
        }
    }
}

/// A triangle has its eigenvalues on its diagonal and none of them is rounded: small ones have roots and logarithms.
/// Turned by rounding they have none.
#[test]
fn a_triangle_may_have_an_eigenvalue_far_below_rounding() {
    let a = mat![[1.0, 3.0], [0.0, 1e-30]];
    let root = value(|a: Var| a.sqrtm(), &a).unwrap().into_mat();
    assert!((root[(1, 1)] / 1e-15 - 1.0).abs() < 1e-14 && (&root * &root - &a).norm_max() < 1e-15, "{root:?}");
    let log = value(|a: Var| a.logm(), &a).unwrap().into_mat();
    assert!((log[(1, 1)] / 1e-30f64.ln() - 1.0).abs() < 1e-14, "{log:?}");
    // f(A)_12 = 3 (f(1) - f(d)) / (1 - d).
    assert!((log[(0, 1)] / (-3.0 * 1e-30f64.ln()) - 1.0).abs() < 1e-13, "{log:?}");
    let q = mat![[0.6, 0.8], [-0.8, 0.6]];
    let turned = &q * &a * q.transpose();
    assert!(value(|a: Var| a.sqrtm(), &turned).is_err() && value(|a: Var| a.logm(), &turned).is_err());
}

/// A root that has less than half of its digits is refused: `[[d, 1], [0, d]]` turned, with `d` near the rounding that
/// moves it.
#[test]
fn a_root_with_few_digits_is_refused() {
    let q = mat![[0.6, 0.8], [-0.8, 0.6]];
    for k in 2..16 {
        let d = 10f64.powi(-k);
        let a = &q * mat![[d, 1.0], [0.0, d]] * q.transpose();
        if let Ok(root) = value(|a: Var| a.sqrtm(), &a) {
            let root = root.into_mat();
            let left = (&root * &root - &a).norm_max();
            assert!(left < 4.0 * f64::EPSILON.sqrt(), "{d:e}: its square is off by {left:e}");
        } else {
            assert!(d < 1e-6, "{d:e}");
        }
    }
}

/// Eigenvalues that are tied to rounding, with weights that are equal to rounding: derivatives of second and third
/// order are those of equal ones. The quotient of two roundings is no slope.
#[test]
fn weights_that_are_equal_to_rounding_have_no_slope_between_tied_values() {
    let a = mat![[1.0, 0.0, 0.0], [0.0, 1.0 + f64::EPSILON, 0.0], [0.0, 0.0, 3.0]];
    let (e, m) = (sym(&rnd(3, 3, 7)), sym(&rnd(3, 3, 8)));
    let along = |second: f64| {
        let w = mat![[1.0], [second], [2.0]];
        let f = func(|a: Var| a.eigvalsh().dot(&w));
        [hvp(f, &a, &e).unwrap(), hvp(func(|a: Var| a.grad(f).dot(&m)), &a, &e).unwrap()]
    };
    let equal = along(1.0);
    assert!(equal.iter().all(|d| d.norm_max() > 1e-3));
    for rounding in [-4.0, 4.0] {
        for (k, (found, equal)) in along(1.0 + rounding * f64::EPSILON).iter().zip(&equal).enumerate() {
            assert!((found - equal).norm_max() < 1e-12, "order {}, {rounding}: {found:?} {equal:?}", k + 2);
        }
    }
}

/// Two columns are asked for, and of four the first two are zero and the third is a multiple of the last, to rounding:
/// the third is the one that is missing, wherever pivoting has put it.
#[test]
fn the_column_that_a_stated_rank_lacks_is_that_of_the_user() {
    let a = mat![[0.0, 0.0, 0.25, 1.0], [0.0, 0.0, 1e-19, 0.0], [0.0, 0.0, 0.5, 2.0], [0.0, 0.0, 0.0, 0.0]];
    let e = value(|a: Var| a.lstsq_of_rank(2, a.tape().eye(4)), &a).unwrap_err();
    assert!(matches!(failure(&e), Failure::RankDeficient { index: 2, .. }), "{e}");
}

/// Logarithms of the smallest and the largest numbers of single precision.
#[test]
fn logarithms_of_matrices_at_the_limits_of_single_precision() {
    for size in [1e-44f32, 1e-40, 1e-38, 1e-20, 1.0, 1e20, 1e38] {
        let a: Mat<f32> = mat![[size, size], [0.0, 2.0 * size]];
        let log = value(|a: Var<'_, f32>| a.logm(), &a).unwrap().into_mat();
        // Of a subnormal number its own digits count.
        let want = [f64::from(a[(0, 0)]).ln(), f64::from(a[(1, 1)]).ln()];
        for i in 0..2 {
            let error = f64::from(log[(i, i)]) / want[i].abs().max(1.0) - want[i] / want[i].abs().max(1.0);
            assert!(error.abs() < 2e-7, "{size:e}: {log:?}");
        }
        let ratio = (want[1] - want[0]) * f64::from(a[(0, 1)]) / f64::from(a[(1, 1)] - a[(0, 0)]);
        assert!((f64::from(log[(0, 1)]) / ratio - 1.0).abs() < 1e-6, "{size:e}: {log:?}");
    }
}

/// The slope of a tangent in single precision is rounded once: not made of the rounded tangent.
#[test]
fn the_slope_of_a_steep_tangent_has_all_its_digits() {
    let x: Vec<f32> = (0..400).map(|k| 1.57 - 0.003 * k as f32).collect();
    let x = Batch::from_slice(pullback::Shape::mat(400, 1), &x);
    let (_, g) = value_and_grad(|x: Var<'_, f32>| x.tan().sum(), &x).unwrap();
    for (x, g) in x.data().iter().zip(g.data()) {
        let want = 1.0 + f64::from(*x).tan().powi(2);
        assert!((f64::from(*g) / want - 1.0).abs() < 0.75 * f64::from(f32::EPSILON), "{x}: {g} and not {want}");
    }
}

/// Lengths whose squares overflow or underflow, entry by entry and in both precisions.
#[test]
fn lengths_of_many_points_at_the_limits_of_a_precision() {
    let at = |sizes: &[f64]| Batch::from_slice(pullback::Shape::mat(sizes.len(), 1), sizes);
    let sizes = [1e-300, 1e-200, 1.0, 1e200, 1e307];
    let (x, y) = (at(&sizes.map(|s| 3.0 * s)), at(&sizes.map(|s| -4.0 * s)));
    let (r, (gx, gy)) = value_and_grad(|(x, y): (Var, Var)| x.hypot(y).elem_div(at(&sizes)).sum(), &(x, y)).unwrap();
    assert!((r / 25.0 - 1.0).abs() < 1e-14, "{r}");
    for (k, s) in sizes.iter().enumerate() {
        assert!((gx.data()[k] * s - 0.6).abs() < 1e-14 && (gy.data()[k] * s + 0.8).abs() < 1e-14, "{s:e}");
    }
    let sizes = [1e-37f32, 1e-30, 1.0, 1e30, 1e37];
    let at = |sizes: &[f32]| Batch::from_slice(pullback::Shape::mat(sizes.len(), 1), sizes);
    let found = value(
        |(x, y): (Var<'_, f32>, Var<'_, f32>)| x.hypot(y),
        &(at(&sizes.map(|s| 3.0 * s)), at(&sizes.map(|s| 4.0 * s))),
    );
    for (r, s) in found.unwrap().data().iter().zip(sizes) {
        assert!((r / (5.0 * s) - 1.0).abs() < 1e-6, "{s:e}: {r:e}");
    }
}

/// `ln det` of many small or large pivots, whose product is no number.
#[test]
fn the_log_determinant_is_a_sum() {
    for d in [1e-8f64, 1e8] {
        let n = 100;
        let a = Mat::from_fn(n, n, |i, j| if i == j { d } else { 0.0 });
        let found = value(|a: Var| a.spd().logdet(), &a).unwrap().scalar();
        assert!((found / (n as f64 * d.ln()) - 1.0).abs() < 1e-14, "{found}");
    }
}

/// Derivatives of `tanh` and of the logistic function in their tails, where the values are 1 to rounding.
#[test]
fn slopes_in_the_tails_keep_their_digits() {
    for x in [1.0f64, 2.0, 3.0, 5.0, 8.0, 12.0, 18.0, 30.0, 300.0] {
        for x in [x, -x] {
            let e = (-x.abs()).exp();
            let logistic = e / (1.0 + e).powi(2);
            let found = grad(|x: Var| x.sigmoid(), &x).unwrap();
            assert!((found / logistic - 1.0).abs() < 1e-14, "{x}: {found:e}");
            let e = (-2.0 * x.abs()).exp();
            let found = grad(|x: Var| x.tanh(), &x).unwrap();
            assert!((found / (4.0 * e / (1.0 + e).powi(2)) - 1.0).abs() < 1e-14, "{x}: {found:e}");
        }
    }
}

/// The largest modulus is NaN if an entry is, wherever it stands.
#[test]
fn the_largest_modulus_of_what_is_no_number_is_none() {
    let batch = |x: &[f64]| Batch::from_slice(pullback::Shape::mat(x.len(), 1), x);
    for x in [[f64::NAN, 1.0, 2.0], [1.0, f64::NAN, 2.0], [1.0, -2.0, f64::NAN]] {
        assert!(batch(&x).max_abs().is_nan(), "{x:?}");
    }
    assert_eq!(batch(&[1.0, -3.0, 2.0]).max_abs(), 3.0);
    assert_eq!(batch(&[f64::NEG_INFINITY, 1.0]).max_abs(), f64::INFINITY);
}

#[test]
fn the_error_of_a_verdict_is_that_of_data() {
    let found = grad(func(|a: Var| a.spectral_radius()), &mat![[1.0, 0.0], [0.0, -1.0]]);
    assert!(matches!(found, Err(Error::Data { primitive: "spectral_radius", derivative: true, .. })), "{found:?}");
}
