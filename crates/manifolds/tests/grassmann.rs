//! Grassmann and Euclidean: closed forms, orders of retractions, derivatives by differences, and verdicts on bad
//! points.

use pullback::faer::{Mat, mat};
use pullback::prelude::*;
use pullback::{Shape, value};
use pullback_manifolds::{Egrad, Error, Euclidean, Grassmann, Manifold, Retraction, gaussian, rng};

const BOTH: [Retraction; 2] = [Retraction::Qr, Retraction::Polar];

fn point_and_tangent(gr: &Grassmann, batch: usize, seed: u64) -> (Batch, Batch) {
    let r = &mut rng(seed);
    let x: Vec<Batch> = gr.random_point(batch, r);
    let v = Manifold::<f64>::random_tangent(gr, &x, r).unwrap();
    (x[0].clone(), v[0].clone())
}

fn distance(a: &Batch, b: &Batch) -> f64 {
    assert_eq!(a.shape(), b.shape());
    a.data().iter().zip(b.data()).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

fn retracted(gr: &Grassmann, x: &Batch, v: &Batch, t: f64) -> Batch {
    value(|(x, v): (Var, Var)| gr.retract(x, v * t), &(x.clone(), v.clone())).unwrap()
}

/// `X cos(tS) + V sin(tS)/S` with `S = (V'V)^(1/2)`, by its power series.
fn geodesic(x: &Mat<f64>, v: &Mat<f64>, t: f64) -> Mat<f64> {
    let s = v.transpose() * v;
    let p = s.nrows();
    let mut power = Mat::<f64>::identity(p, p);
    let (mut c, mut d) = (Mat::<f64>::zeros(p, p), Mat::<f64>::zeros(p, p));
    let mut f = 1.0;
    for k in 0..12 {
        c += &power * f;
        d += &power * (f * t / (2 * k + 1) as f64);
        f *= -t * t / ((2 * k + 1) * (2 * k + 2)) as f64;
        power = &power * &s;
    }
    x * c + v * d
}

#[test]
fn points_are_orthonormal_tangents_horizontal_and_projection_idempotent() {
    for (n, p, b) in [(1, 1, 1), (5, 5, 2), (7, 1, 3), (64, 8, 4)] {
        let gr = Grassmann::new(n, p);
        let (x, v) = point_and_tangent(&gr, b, 3);
        gr.check_point(std::slice::from_ref(&x)).unwrap();
        gr.check_tangent(std::slice::from_ref(&x), std::slice::from_ref(&v)).unwrap();
        let again = value(|(x, v): (Var, Var)| gr.project(x, v), &(x.clone(), v.clone())).unwrap();
        assert!(distance(&again, &v) <= 1e-14 * (1.0 + distance(&v, &Batch::zeros(v.shape()))), "Gr({n},{p})");
    }
}

#[test]
fn both_retractions_stay_on_the_manifold_and_agree_on_the_subspace() {
    let gr = Grassmann::new(9, 3);
    let (x, v) = point_and_tangent(&gr, 4, 5);
    for t in [0.0, 1e-8, 1.0, 1e3] {
        let y: Vec<Batch> = BOTH.iter().map(|r| retracted(&gr.with(*r), &x, &v, t)).collect();
        for y in &y {
            gr.check_point(std::slice::from_ref(y)).unwrap();
        }
        for b in 0..4 {
            let (q, w) = (y[0].member(b), y[1].member(b));
            assert!((&q * q.transpose() - &w * w.transpose()).norm_l2() < 1e-12, "t = {t}");
        }
    }
    for r in BOTH {
        assert!(distance(&retracted(&gr.with(r), &x, &v, 0.0), &x) < 1e-14);
    }
}

#[test]
fn polar_is_the_closed_form_in_the_plane() {
    // A line in the plane turned by the angle whose tangent is t.
    let gr = Grassmann::new(2, 1);
    let x = Batch::from_slice(Shape::mat(2, 1), &[1.0, 0.0]);
    let v = Batch::from_slice(Shape::mat(2, 1), &[0.0, 1.0]);
    for r in BOTH {
        let y = retracted(&gr.with(r), &x, &v, 0.75);
        assert!(distance(&y, &Batch::from_slice(Shape::mat(2, 1), &[0.8, 0.6])) < 1e-15);
    }
}

#[test]
fn the_polar_retraction_is_second_order_and_the_qr_retraction_first() {
    let gr = Grassmann::new(8, 3);
    let (x, v) = point_and_tangent(&gr, 1, 11);
    let error = |r: Retraction, t: f64| {
        let y = retracted(&gr.with(r), &x, &v, t).into_mat();
        (y - geodesic(&x.member(0), &v.member(0), t)).norm_l2()
    };
    for (r, slope) in [(Retraction::Qr, 2.0), (Retraction::Polar, 3.0)] {
        for t in [0.02, 0.01, 0.005] {
            let seen = (error(r, t) / error(r, t / 2.0)).log2();
            assert!((seen - slope).abs() < 0.1, "{r:?} at {t}: slope {seen}, expected {slope}");
        }
    }
}

#[test]
fn the_gradient_is_the_derivative_along_the_retraction() {
    let a: Batch = gaussian(Shape::mat(7, 7), &mut rng(1));
    let a = (a.member(0) + a.member(0).transpose()) * 0.5;
    for r in BOTH {
        let gr = Grassmann::new(7, 2).with(r);
        let (x, v) = point_and_tangent(&gr, 1, 2);
        let g = value(|x: Var| *gr.egrad_to_rgrad(x, Egrad(x.grad(|x| x.t_mul(&a * x).trace()))), &x).unwrap();
        let slope: f64 = g.data().iter().zip(v.data()).map(|(a, b)| a * b).sum();
        let at = |t: f64| value(|x: Var| x.t_mul(&a * x).trace(), &retracted(&gr, &x, &v, t)).unwrap().data()[0];
        let h = 1e-5;
        let seen = (at(h) - at(-h)) / (2.0 * h);
        assert!((seen - slope).abs() < 1e-8 * (1.0 + slope.abs()), "{r:?}: {seen} {slope}");
        gr.check_tangent(&[x], &[g]).unwrap();
    }
}

#[test]
fn retractions_are_differentiable_in_point_and_tangent_at_zero_too() {
    // The dot test <w, J d> = <J' w, d> and differences, at a tangent and at the zero tangent where singular values
    // tie.
    let (n, p, b) = (6, 2, 3);
    for r in BOTH {
        let gr = Grassmann::new(n, p).with(r);
        for scale in [0.0, 0.7] {
            let (x, v) = point_and_tangent(&gr, b, 21);
            let v = Batch::from_fn(v.shape(), |b, i, j| scale * v.member(b)[(i, j)]);
            let at = (x, v);
            let shape = Shape::batch(b, n, p);
            let (dx, dv, w) =
                (gaussian(shape, &mut rng(4)), gaussian(shape, &mut rng(5)), gaussian::<f64>(shape, &mut rng(6)));
            let d: (Batch, Batch) = (dx, dv);
            let dot = |a: &Batch, b: &Batch| a.data().iter().zip(b.data()).map(|(a, b)| a * b).sum::<f64>();
            let (_, jd) = jvp(|(x, v): (Var, Var)| gr.retract(x, v), &at, &d).unwrap();
            let (_, back) = vjp(|(x, v): (Var, Var)| gr.retract(x, v), &at).unwrap();
            let jw = back(&w).unwrap();
            let (left, right) = (dot(&w, &jd), dot(&jw.0, &d.0) + dot(&jw.1, &d.1));
            assert!((left - right).abs() < 1e-12 * (1.0 + left.abs()), "{r:?} {scale}: {left} {right}");
            let h = 1e-6;
            let moved = |s: f64| {
                let go = |a: &Batch, b: &Batch| {
                    Batch::from_slice(shape, &a.data().iter().zip(b.data()).map(|(a, b)| a + s * b).collect::<Vec<_>>())
                };
                value(|(x, v): (Var, Var)| gr.retract(x, v), &(go(&at.0, &d.0), go(&at.1, &d.1))).unwrap()
            };
            let (up, down) = (moved(h), moved(-h));
            for (k, j) in jd.data().iter().enumerate() {
                let seen = (up.data()[k] - down.data()[k]) / (2.0 * h);
                assert!((seen - j).abs() < 1e-7, "{r:?} {scale}: {seen} {j}");
            }
        }
    }
}

#[test]
fn transport_lands_in_the_tangent_space_and_is_the_identity_in_place() {
    let gr = Grassmann::new(9, 3);
    let (x, v) = point_and_tangent(&gr, 2, 8);
    let y = retracted(&gr, &x, &v, 0.3);
    let u = value(|(x, y, v): (Var, Var, Var)| gr.transport(x, y, v), &(x.clone(), y.clone(), v.clone())).unwrap();
    gr.check_tangent(&[y], &[u]).unwrap();
    let same = value(|(x, v): (Var, Var)| gr.transport(x, x, v), &(x.clone(), v.clone())).unwrap();
    assert!(distance(&same, &v) < 1e-14);
}

#[test]
fn an_ascent_of_many_steps_does_not_leave_the_manifold() {
    // Ascents amplify X'X - I when the retraction assumes it is zero; this one must forget it.
    let gr = Grassmann::new(10, 3);
    let a = Mat::<f64>::from_fn(10, 10, |i, j| if i == j { (i * i) as f64 / 40.0 } else { 0.0 });
    let (x, _) = point_and_tangent(&gr, 1, 8);
    let y = value(|x: Var| x.tape().iterate(x, 400, |x| gr.retract(x, gr.project(x, &a * x) * 0.5)), &x).unwrap();
    gr.check_point(&[y]).unwrap();
}

#[test]
fn flat_space_is_flat() {
    let m = Euclidean::new(3, 2);
    let r = &mut rng(1);
    let x: Vec<Batch> = m.random_point(2, r);
    let v: Vec<Batch> = m.random_tangent(&x, r).unwrap();
    let y = value(
        |(x, v): (Var, Var)| m.transport(x, x, *m.egrad_to_rgrad(x, Egrad(m.retract(x, v)))),
        &(x[0].clone(), v[0].clone()),
    )
    .unwrap();
    let sum: Vec<f64> = x[0].data().iter().zip(v[0].data()).map(|(a, b)| a + b).collect();
    assert_eq!(y.data(), &sum[..]);
    assert_eq!((Manifold::<f64>::dim(&m), Manifold::<f64>::dim(&Grassmann::new(7, 3))), (6, 12));
    m.check_tangent(&x, &v).unwrap();
}

#[test]
fn bad_points_and_tangents_are_named() {
    let gr = Grassmann::new(5, 2);
    let (x, v) = point_and_tangent(&gr, 3, 4);
    let mut bad = x.clone();
    bad.data_mut()[10] += 1e-6;
    assert!(matches!(gr.check_point(&[bad]), Err(Error::NotAPoint { member: 1, .. })));
    let mut bad = v.clone();
    bad.data_mut()[20..].copy_from_slice(&x.data()[20..]);
    assert!(matches!(gr.check_tangent(std::slice::from_ref(&x), &[bad]), Err(Error::NotTangent { member: 2, .. })));
    let mut bad = x.clone();
    bad.data_mut()[3] = f64::NAN;
    assert!(matches!(gr.check_point(&[bad]), Err(Error::NonFinite { index: 3, .. })));
    assert!(matches!(gr.check_point(&[x.clone(), x]), Err(Error::Parts { expected: 1, got: 2, .. })));
    let flat: Batch = Batch::zeros(Shape::mat(4, 2));
    assert!(matches!(gr.check_point(&[flat]), Err(Error::Shape { .. })));
}

#[test]
fn single_precision_and_trait_objects_work() {
    let gr: Box<dyn Manifold<f32>> = Box::new(Grassmann::new(6, 2).with(Retraction::Qr));
    let r = &mut rng(2);
    let x = gr.random_point(2, r);
    let v = gr.random_tangent(&x, r).unwrap();
    gr.check_point(&x).unwrap();
    gr.check_tangent(&x, &v).unwrap();
    let y = value(|(x, v): (Var<f32>, Var<f32>)| gr.retract(&[x], &[v])[0], &(x[0].clone(), v[0].clone())).unwrap();
    gr.check_point(&[y]).unwrap();
    assert_eq!(gr.name(), "Gr(6, 2)");
}

#[test]
fn the_hessian_is_symmetric_and_the_second_derivative_along_both_retractions() {
    // Both retractions are second order on subspaces, so f(R(tU))'' = <U, Hess U> away from critical points too.
    let a: Mat<f64> = Mat::from_fn(7, 7, |i, j| ((i * j) as f64).sin() + if i == j { i as f64 } else { 0.0 });
    let a = &a + a.transpose();
    for r in BOTH {
        let gr = Grassmann::new(7, 2).with(r);
        let (x, u) = point_and_tangent(&gr, 1, 2);
        let w = value(|(x, e): (Var, Var)| gr.project(x, e), &(x.clone(), gaussian(x.shape(), &mut rng(9)))).unwrap();
        let hess = |u: &Batch| {
            value(
                |(x, u): (Var, Var)| {
                    let g = x.grad(|x| x.t_mul(&a * x).trace());
                    let h = x.hvp(|x| x.t_mul(&a * x).trace(), u);
                    gr.ehess_to_rhess(x, Egrad(g), h, u)
                },
                &(x.clone(), u.clone()),
            )
            .unwrap()
        };
        let dot = |a: &Batch, b: &Batch| a.data().iter().zip(b.data()).map(|(a, b)| a * b).sum::<f64>();
        assert!((dot(&w, &hess(&u)) - dot(&u, &hess(&w))).abs() < 1e-12);
        gr.check_tangent(std::slice::from_ref(&x), &[hess(&u)]).unwrap();
        let at = |t: f64| value(|x: Var| x.t_mul(&a * x).trace(), &retracted(&gr, &x, &u, t)).unwrap().data()[0];
        let h = 1e-3;
        let seen = (-at(2.0 * h) + 16.0 * at(h) - 30.0 * at(0.0) + 16.0 * at(-h) - at(-2.0 * h)) / (12.0 * h * h);
        let found = dot(&u, &hess(&u));
        assert!((seen - found).abs() < 1e-7 * (1.0 + found.abs()), "{r:?}: {seen} {found}");
    }
}

#[test]
fn the_chordal_distance_is_the_sine_of_the_angle_and_does_not_see_the_basis() {
    let gr = Grassmann::new(3, 2);
    for angle in [0.0, 1e-9, 0.4, std::f64::consts::FRAC_PI_2] {
        // Two planes through the first axis, with another basis of the second.
        let (s, c) = f64::sin_cos(angle);
        let x = mat![[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]];
        let y = mat![[0.6, -0.8], [0.8 * c, 0.6 * c], [0.8 * s, 0.6 * s]];
        let d = value(|(x, y): (Var, Var)| gr.chordal_distance_squared(x, y), &(x, y)).unwrap().data()[0];
        assert!((d - s * s).abs() <= 1e-15 * s.max(1e-9), "{angle}: {d} {}", s * s);
    }
}
