//! The tolerances of `check_point` and `check_tangent`, from just above and just below, for each member of a batch and
//! in both precisions.

use pullback::{Batch, Scalar, Shape};
use pullback_manifolds::{Error, Grassmann, Manifold};

const N: usize = 9;

/// What rounding explains, as stated: a thousand units, times the square root of the rows.
fn rounding<T: Scalar>() -> f64 {
    1e3 * T::EPS.f64() * (N as f64).sqrt()
}

/// A batch of three, each the first two coordinate vectors; the first of member `off` has another length.
fn point<T: Scalar>(off: usize, length: f64) -> Batch<T> {
    Batch::from_fn(Shape::batch(3, N, 2), |b, i, j| match (i == j, b == off && j == 0) {
        (true, true) => T::of(length),
        (true, false) => T::one(),
        _ => T::zero(),
    })
}

fn points<T: Scalar>() {
    let gr = Grassmann::new(N, 2);
    for off in 0..3 {
        // X'X - I is about twice what the length is off by.
        let at = |share: f64| Manifold::<T>::check_point(&gr, &[point::<T>(off, 1.0 + 0.5 * share * rounding::<T>())]);
        for share in [0.0, 0.5, -0.5] {
            assert_eq!(at(share), Ok(()), "member {off}, {share}");
        }
        for share in [2.0, -2.0, 1e3] {
            match at(share) {
                Err(Error::NotAPoint { member, residual, tolerance, .. }) => {
                    assert_eq!(member, off);
                    assert!((tolerance / rounding::<T>() - 1.0).abs() < 1e-6 && residual > tolerance);
                }
                other => panic!("member {off}, {share}: {other:?}"),
            }
        }
    }
}

fn tangents<T: Scalar>() {
    let gr = Grassmann::new(N, 2);
    let x = point::<T>(9, 1.0);
    for off in 0..3 {
        // Of sizes 1, 1e3 and 1e6, with a part along X; the tolerance grows with the size of the member.
        let size = |b: usize| 1e3f64.powi(b as i32);
        let at = |share: f64| {
            let u = Batch::from_fn(Shape::batch(3, N, 2), |b, i, j| match (b == off && i == j, i == 5) {
                (true, _) => T::of(share * (1.0 + size(b)) * rounding::<T>()),
                (_, true) => T::of(size(b)),
                _ => T::zero(),
            });
            Manifold::<T>::check_tangent(&gr, std::slice::from_ref(&x), &[u])
        };
        for share in [0.0, 0.5, -0.5] {
            assert_eq!(at(share), Ok(()), "member {off}, {share}");
        }
        for share in [2.0, -2.0, 1e3] {
            assert!(matches!(at(share), Err(Error::NotTangent { member, .. }) if member == off), "{off}, {share}");
        }
    }
}

#[test]
fn a_point_is_judged_by_what_rounding_explains() {
    points::<f64>();
    points::<f32>();
}

#[test]
fn a_tangent_is_judged_by_what_rounding_explains() {
    tangents::<f64>();
    tangents::<f32>();
}
