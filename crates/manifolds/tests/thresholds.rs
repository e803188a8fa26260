//! The tolerances of `check_point` and `check_tangent`, from just above and just below, for each member of a batch and
//! in both precisions.

use pullback::faer::{Mat, mat};
use pullback::{Batch, Scalar, Shape};
use pullback_manifolds::{Egrad, Error, Grassmann, Lorentz, Manifold, Oblique, Sphere};

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

/// On a hyperboloid the equation of points is a difference of squares, and so is its rounding: points far away are
/// points. What is off by more than that is none, however far it is.
#[test]
fn far_points_of_a_hyperboloid_are_judged_by_their_size() {
    let space = Lorentz::new(2);
    for far in [1.0f64, 1e3, 1e5, 1e7] {
        let off = |share: f64| {
            let (x1, x2) = (0.6 * far, -0.8 * far);
            let x0 = (1.0 + x1 * x1 + x2 * x2).sqrt();
            // The equation is off by twice what is added to the first coordinate, times that.
            let x0 = x0 + 0.5 * share * 1e3 * f64::EPSILON * (2f64).sqrt() * x0;
            Manifold::<f64>::check_point(&space, &[Batch::from_slice(Shape::mat(3, 1), &[x0, x1, x2])])
        };
        for share in [0.0, 0.4, -0.4] {
            assert_eq!(off(share), Ok(()), "at {far:e}, {share}");
        }
        for share in [3.0, -3.0, 1e6] {
            assert!(matches!(off(share), Err(Error::NotAPoint { .. })), "at {far:e}, {share}");
        }
    }
}

/// A tangent at a near point is judged by that point, whoever stands beside it.
#[test]
fn tangents_of_a_hyperboloid_are_judged_by_the_point_of_their_member() {
    let space = Lorentz::new(2);
    let at = |far: f64| [(1.0 + far * far).sqrt(), far, 0.0];
    let (near, far) = (at(0.0), at(1e6));
    let x = Batch::from_slice(Shape::batch(2, 3, 1), &[near, far].concat());
    // Along the first coordinate the product with the near point is minus what stands there.
    for (off, tangent) in [(0.0, true), (1e-13, true), (1e-9, false)] {
        let u = Batch::from_slice(Shape::batch(2, 3, 1), &[off, 1.0, 0.0, 0.0, 0.0, 1.0]);
        let found = Manifold::<f64>::check_tangent(&space, std::slice::from_ref(&x), &[u]);
        match found {
            Ok(()) => assert!(tangent, "{off:e}"),
            Err(Error::NotTangent { member, .. }) => assert!(!tangent && member == 0, "{off:e}"),
            Err(e) => panic!("{e}"),
        }
    }
}

/// Products of finite numbers may be infinite, and their sum no number: that is no equation that holds.
#[test]
fn equations_that_overflow_do_not_hold() {
    let huge = Batch::from_slice(Shape::mat(2, 2), &[1.0, 0.0, 1e200, 1e200]);
    let other = Batch::from_slice(Shape::mat(2, 2), &[0.0, 1.0, 1e200, -1e200]);
    let (oblique, grassmann) = (Oblique::new(2, 2), Grassmann::new(2, 2));
    for m in [&oblique as &dyn Manifold, &grassmann] {
        let found = m.check_tangent(std::slice::from_ref(&huge), std::slice::from_ref(&other));
        assert!(matches!(found, Err(Error::NotTangent { .. })), "{}: {found:?}", m.name());
        let found = m.check_point(std::slice::from_ref(&huge));
        assert!(matches!(found, Err(Error::NotAPoint { .. })), "{}: {found:?}", m.name());
    }
}

/// Every word on numbers refuses a vector that is not tangent, in every place where a tangent stands.
#[test]
fn every_word_judges_its_tangents() {
    let s = Sphere::new(3, 1);
    let (x, y): (Mat<f64>, Mat<f64>) = (mat![[1.0], [0.0], [0.0]], mat![[0.6], [0.8], [0.0]]);
    let (u, bad) = (mat![[0.0], [0.5], [0.25]], mat![[0.1], [0.5], [0.25]]);
    let refused = |what: &str, found: Option<Error>| {
        assert!(matches!(found, Some(Error::NotTangent { .. })), "{what}: {found:?}");
    };
    for (b, t) in [(&bad, &u), (&u, &bad)] {
        let (first, second) = (b == &bad, t == &bad);
        assert!(first != second);
        refused("inner", s.inner(&x, b, t).err());
        refused("curvature", s.curvature(&x, b, t, &u).err());
        refused("curvature, its last", s.curvature(&x, &u, &u, &bad).err());
    }
    refused("norm", s.norm(&x, &bad).err());
    refused("retract", s.retract(&x, &bad).err());
    refused("transport", s.transport(&x, &y, &bad).err());
    refused("parallel_transport", s.parallel_transport(&x, &y, &bad).err());
    refused("exp", s.exp(&x, &bad).err());
    refused("ehess_to_rhess", s.ehess_to_rhess(&x, Egrad(&y), &y, &bad).err());
    // And takes what is, and any vector where any will do.
    assert!(s.inner(&x, &u, &u).is_ok() && s.retract(&x, &u).is_ok() && s.project(&x, &bad).is_ok());
    assert!(s.transport(&x, &y, &u).is_ok() && s.ehess_to_rhess(&x, Egrad(&bad), &bad, &u).is_ok());
}
