//! The sphere and the oblique manifold: everything against everything, every operation as a program, closed forms.

use pullback::faer::mat;
use pullback::prelude::*;
use pullback::{Shape, value};
use pullback_check::{check, check_space};
use pullback_manifolds::{Egrad, Error, Manifold, Oblique, Sphere, SphereRetraction, gaussian, rng};
use std::f64::consts::PI;
use std::slice::from_ref;

const BOTH: [SphereRetraction; 2] = [SphereRetraction::Normalise, SphereRetraction::Exponential];

fn scaled(v: &Batch, c: f64) -> Batch {
    Batch::from_slice(v.shape(), &v.data().iter().map(|v| c * v).collect::<Vec<_>>())
}

fn point_and_tangent(m: &dyn Manifold, batch: usize, seed: u64) -> (Batch, Batch) {
    let r = &mut rng(seed);
    let x = m.random_point(batch, r);
    let v = m.random_tangent(&x, r).unwrap().swap_remove(0);
    (x[0].clone(), v)
}

fn spaces(r: SphereRetraction) -> Vec<Box<dyn Manifold>> {
    vec![
        Box::new(Sphere::new(6, 1).with(r)),
        Box::new(Sphere::new(3, 2).with(r)),
        Box::new(Sphere::new(2, 1).with(r)),
        Box::new(Sphere::new(1, 1).with(r)),
        Box::new(Oblique::new(5, 3).with(r)),
        Box::new(Oblique::new(2, 1).with(r)),
        Box::new(Oblique::new(1, 4).with(r)),
        Box::new(Oblique::new(3, 3).with(r)),
    ]
}

#[test]
fn every_operation_against_every_other() {
    for r in BOTH {
        for m in spaces(r) {
            for seed in 0..8 {
                check_space(&*m).seed(seed).run().assert_ok();
            }
            check_space(&*m).batch(3).run().assert_ok();
        }
        let single: [&dyn Manifold<f32>; 2] = [&Sphere::new(4, 2).with(r), &Oblique::new(4, 2).with(r)];
        for m in single {
            check_space(m).length(0.5).run().assert_ok();
        }
    }
}

#[test]
fn programs_in_all_arguments_to_third_order() {
    for r in BOTH {
        let (s, o) = (Sphere::new(3, 2).with(r), Oblique::new(3, 2).with(r));
        for m in [&s as &dyn Manifold, &o] {
            let (x, v) = point_and_tangent(m, 2, 3);
            let (_, u) = point_and_tangent(m, 2, 3);
            for scale in [0.0, 0.4] {
                let at = (x.clone(), scaled(&v, scale));
                check(|(x, v): (Var, Var)| m.retract(&[x], &[v])[0], &at).seed(1).run().assert_ok();
                check(|(x, v): (Var, Var)| m.exp(&[x], &[v]).unwrap()[0], &at).seed(1).run().assert_ok();
                // Of equal points too.
                let y = value(|(x, v): (Var, Var)| m.exp(&[x], &[v]).unwrap()[0], &at).unwrap();
                let at = (x.clone(), y.clone());
                check(|(x, y): (Var, Var)| m.log(&[x], &[y]).unwrap()[0], &at).seed(1).run().assert_ok();
                check(|(x, y): (Var, Var)| m.dist2(&[x], &[y]).unwrap(), &at).seed(1).run().assert_ok();
                check(|(x, y): (Var, Var)| m.inverse_retract(&[x], &[y]).unwrap()[0], &at).seed(1).run().assert_ok();
                let at = (x.clone(), y, u.clone());
                check(|(x, y, u): (Var, Var, Var)| m.transport(&[x], &[y], &[u])[0], &at).seed(1).run().assert_ok();
                check(|(x, y, u): (Var, Var, Var)| m.parallel_transport(&[x], &[y], &[u]).unwrap()[0], &at)
                    .seed(1)
                    .run()
                    .assert_ok();
            }
            let at = (x.clone(), v.clone(), u.clone());
            check(|(x, u, v): (Var, Var, Var)| m.curvature(&[x], &[u], &[v], &[u]).unwrap()[0], &at).run().assert_ok();
            check(|(x, g, h): (Var, Var, Var)| m.ehess_to_rhess(&[x], Egrad(&[g]), &[h], &[g])[0], &at)
                .run()
                .assert_ok();
        }
    }
}

#[test]
fn distances_have_all_digits_from_1e_9_to_the_antipode() {
    let s = Sphere::new(3, 1);
    let o = Oblique::new(3, 2);
    for t in [1e-12, 1e-9, 1e-6, 1e-3, 0.1, 1.0, 2.0, 3.0, PI - 1e-6] {
        let (x, y) = (mat![[0.6], [0.8], [0.0]], mat![[0.6 * f64::cos(t)], [0.8 * f64::cos(t)], [f64::sin(t)]]);
        let near = |d: f64, want: f64| {
            assert!((d - want).abs() < 1e-15 * want.max(1e-9 * PI) + 4e-16 * want, "{t}: {d} {want}")
        };
        near(s.dist(&x, &y).unwrap(), t);
        near(s.dist2(&x, &y).unwrap().sqrt(), t);
        let v = s.log(&x, &y).unwrap();
        assert!((v.norm_l2() - t).abs() < 1e-9 * t * if t > 3.1 { 1e3 } else { 1e-6 }, "{t}: {}", v.norm_l2());
        let two = |a: &pullback::faer::Mat<f64>| pullback::faer::Mat::from_fn(3, 2, |i, _| a[(i, 0)]);
        near(o.dist(&two(&x), &two(&y)).unwrap(), t * 2f64.sqrt());
    }
    // Antipodes have a distance, and no logarithm.
    let (x, y) = (mat![[1.0], [0.0], [0.0]], mat![[-1.0], [0.0], [0.0]]);
    assert!((s.dist(&x, &y).unwrap() - PI).abs() < 1e-15);
    for message in [s.log(&x, &y).unwrap_err(), s.parallel_transport(&x, &y, &mat![[0.0], [1.0], [0.0]]).unwrap_err()] {
        assert!(message.to_string().contains("antipodes"), "{message}");
    }
    assert!(s.dist2(&x, &y).unwrap_err().to_string().contains("antipodes"));
    assert_eq!(s.dist(&x, &x).unwrap(), 0.0);
    assert_eq!(s.dist2(&x, &x).unwrap(), 0.0);
    assert!(s.inverse_retract(&x, &mat![[0.0], [1.0], [0.0]]).unwrap_err().to_string().contains("hemisphere"));
}

#[test]
fn the_hessian_is_that_of_the_derivative_of_the_projection() {
    /// The same space, with the Hessian that the trait has by default.
    fn default<'t>(m: &dyn Manifold, x: Var<'t>, g: Var<'t>, h: Var<'t>, u: Var<'t>) -> Var<'t> {
        let bent = h + x.jvp(|x| m.project(&[x], &[g])[0], u).1;
        m.project(&[x], &[bent])[0]
    }
    for m in [&Sphere::new(4, 2) as &dyn Manifold, &Oblique::new(4, 3)] {
        let (x, u) = point_and_tangent(m, 2, 5);
        let (g, h): (Batch, Batch) = (gaussian(x.shape(), &mut rng(1)), gaussian(x.shape(), &mut rng(2)));
        let off = value(
            |l: Vec<Var>| {
                m.ehess_to_rhess(&[l[0]], Egrad(&[l[1]]), &[l[2]], &[l[3]])[0] - default(m, l[0], l[1], l[2], l[3])
            },
            &vec![x, g, h, u],
        )
        .unwrap();
        assert!(off.max_abs() < 1e-14, "{}", off.max_abs());
    }
}

#[test]
fn what_is_no_point_or_tangent_is_named() {
    let (s, o) = (Sphere::new(3, 2), Oblique::new(3, 2));
    let (x, u) = point_and_tangent(&o, 2, 1);
    let mut bad = x.clone();
    bad.data_mut()[9] += 1e-6;
    assert!(matches!(o.check_point(&[bad]), Err(Error::NotAPoint { member: 1, .. })));
    assert!(matches!(o.check_tangent(from_ref(&x), from_ref(&x)), Err(Error::NotTangent { member: 0, .. })));
    let one = Batch::from_slice(Shape::mat(3, 2), &x.data()[..6]);
    assert!(o.check_tangent(&[one], &[Batch::from_slice(u.shape(), &[&u.data()[..6]; 2].concat())]).is_ok());
    assert!(matches!(s.check_point(from_ref(&x)), Err(Error::NotAPoint { .. })));
    let (x, _) = point_and_tangent(&s, 2, 1);
    assert!(matches!(s.check_tangent(from_ref(&x), from_ref(&x)), Err(Error::NotTangent { .. })));
    let mut bad = x.clone();
    bad.data_mut()[1] = f64::NAN;
    assert!(matches!(s.check_point(&[bad]), Err(Error::NonFinite { index: 1, .. })));
    assert!(std::panic::catch_unwind(|| Sphere::new(0, 1)).is_err());
    assert!(std::panic::catch_unwind(|| Oblique::new(2, 0)).is_err());
    // A point that has drifted comes back.
    let off = scaled(&x, 1.0 + 1e-5);
    s.check_point(&[s.reproject(&off).unwrap()]).unwrap();
}
