//! Both models of hyperbolic space.

use crate::support::{apart, claims, claims_with, distances, place, programs, scaled};
use pullback::faer::{Mat, mat as m};
use pullback::prelude::*;
use pullback::value;
use pullback_manifolds::{Error, Lorentz, Manifold, PoincareBall, numbers};

#[test]
fn claims_of_both_models() {
    for n in [1, 2, 5] {
        claims_with(&Lorentz::new(n), 10.0, 1.0);
        claims(&PoincareBall::new(n));
    }
}

#[test]
fn operations_as_programs() {
    for n in [1, 3] {
        programs(&Lorentz::new(n), 3);
        programs(&PoincareBall::new(n), 3);
    }
}

#[test]
fn distances_are_exact_near_equal_points() {
    distances(&Lorentz::new(3), 2, 1e-6);
    distances(&PoincareBall::new(3), 2, 1e-6);
    // From the origin, where the numbers are exact.
    for t in [1e-12, 1e-9, 1e-6, 1e-3, 1.0, 10.0f64] {
        let (o, y) = (m![[1.0], [0.0]], m![[t.cosh()], [t.sinh()]]);
        let d = Lorentz::new(1).dist(&o, &y).unwrap();
        // What the model loses far from the origin.
        assert!((d / t - 1.0).abs() < 1e-15 * (10.0 + t.exp()), "{t}: {d}");
        let d = PoincareBall::new(1).dist(&m![[0.0]], &m![[(t / 2.0).tanh()]]).unwrap();
        assert!((d / t - 1.0).abs() < 1e-12, "{t}: {d}");
        // Away from the origin, with the exact distance between the rounded points: the difference of atanh is that
        // of (y - x)/(1 - xy).
        let (x, y) = (0.6, 0.6 + 0.25 * t.min(1.0));
        let exact = 2.0 * f64::atanh((y - x) / (1.0 - x * y));
        let d = PoincareBall::new(1).dist(&m![[x]], &m![[y]]).unwrap();
        assert!((d / exact - 1.0).abs() < 1e-13, "{t}: {d} {exact}");
    }
}

#[test]
fn the_models_are_isometric() {
    let (lorentz, ball) = (Lorentz::new(3), PoincareBall::new(3));
    let (x, u, v) = place(&lorentz, 2, 5);
    let v = scaled(&v, 0.7);
    let y = numbers::apply(&[&x, &v], &mut |l| Manifold::exp(&lorentz, &l[0], &l[1]).unwrap()).unwrap();
    let down = |x: &Batch| value(|x: Var| lorentz.to_ball(x), x).unwrap();
    let push = |x: &Batch, v: &Batch| pullback::jvp(|x: Var| lorentz.to_ball(x), x, v).unwrap().1;
    let (a, b) = (down(&x[0]), down(&y[0]));
    assert!(apart(&[ball.log(&a, &b).unwrap()], &[push(&x[0], &v[0])]) < 1e-12);
    assert!(apart(&[ball.dist(&a, &b).unwrap()], &[lorentz.dist(&x[0], &y[0]).unwrap()]) < 1e-12);
    let there = lorentz.parallel_transport(&x[0], &y[0], &u[0]).unwrap();
    let here = ball.parallel_transport(&a, &b, &push(&x[0], &u[0])).unwrap();
    assert!(apart(&[here], &[push(&y[0], &there)]) < 1e-12);
    let back = value(|a: Var| ball.to_hyperboloid(a), &a).unwrap();
    assert!(apart(&[back], &x) < 1e-13);
}

#[test]
fn points_stay_on_the_hyperboloid() {
    let space = Lorentz::new(4);
    let (mut x, ..) = place(&space, 1, 1);
    for seed in 0..200 {
        let v = Manifold::<f64>::random_tangent(&space, &x, &mut pullback_manifolds::rng(seed)).unwrap();
        x = numbers::apply(&[&x, &scaled(&v, 0.2)], &mut |l| Manifold::retract(&space, &l[0], &l[1])).unwrap();
        space.check_point(&x).unwrap();
    }
}

#[test]
fn bad_input() {
    let (space, u) = (Lorentz::new(1), m![[0.0], [1.0]]);
    let point = |x: Mat<f64>| space.exp(&x, &u).unwrap_err();
    assert!(matches!(point(m![[-1.0], [0.0]]), Error::NotAPoint { equation: "x_0 > 0", .. }));
    assert!(matches!(point(m![[1.0], [0.1]]), Error::NotAPoint { equation: "<x, x> = -1", .. }));
    assert!(matches!(point(m![[f64::INFINITY], [0.1]]), Error::NonFinite { .. }));
    assert!(matches!(space.exp(&m![[1.0], [0.0]], &m![[0.1], [1.0]]).unwrap_err(), Error::NotTangent { .. }));
    // On values nobody checks the points, but the wrong sheet is an error all the same.
    let below = value(|x: Var| space.dist2(x, -x), &m![[1.0], [0.0]]).unwrap_err();
    assert!(below.to_string().contains("upper sheet"), "{below}");
    let ball = PoincareBall::new(2);
    let e = ball.dist(&m![[1.0], [0.0]], &m![[0.0], [0.0]]).unwrap_err();
    assert!(matches!(e, Error::NotAPoint { .. }), "{e}");
    let e = value(|x: Var| ball.dist2(x, x * 0.1), &m![[1.0], [0.5]]).unwrap_err();
    assert!(e.to_string().contains("|x| < 1"), "{e}");
}
