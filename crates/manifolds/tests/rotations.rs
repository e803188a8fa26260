//! `O(n)`, `SO(n)` and `SE(n)`: every operation against the others, closed forms, inverses of retractions, near half a
//! turn, screws, derivatives, bad input.

use pullback::faer::{Mat, mat};
use pullback::prelude::*;
use pullback::{Shape, value};
use pullback_check::{check, check_space};
use pullback_manifolds::{
    Egrad, Error, Manifold, Orthogonal, OrthogonalRetraction as By, SpecialEuclidean, gaussian, rng,
};
use std::f64::consts::{PI, SQRT_2};

const ALL: [By; 4] = [By::Qr, By::Polar, By::Cayley, By::Exponential];

fn skew(n: usize, seed: u64, length: f64) -> Mat<f64> {
    let a: Mat<f64> = gaussian::<f64>(Shape::mat(n, n), &mut rng(seed)).into_mat();
    let w = &a - a.transpose();
    let size = w.norm_l2();
    if size == 0.0 { w } else { w * (length / size) }
}

fn rotation(m: &impl Manifold<f64>, seed: u64) -> Mat<f64> {
    m.random_point(1, &mut rng(seed)).swap_remove(0).into_mat()
}

#[test]
fn every_operation_of_rotations() {
    for n in [1, 2, 3, 4, 6] {
        for by in ALL {
            for m in [Orthogonal::special(n).with(by), Orthogonal::new(n).with(by)] {
                for seed in 0..4 {
                    check_space::<f64>(&m).seed(seed).length(0.5).run().assert_ok();
                }
                check_space::<f64>(&m).batch(3).length(0.5).run().assert_ok();
            }
        }
        check_space::<f32>(&Orthogonal::special(n)).length(0.3).run().assert_ok();
    }
    let skipped = check_space::<f64>(&Orthogonal::special(3)).length(0.5).run().skipped;
    assert!(skipped.iter().all(|s| s.what.contains("gauge")), "{skipped:?}");
}

#[test]
fn every_operation_of_motions() {
    for n in [1, 2, 3, 4] {
        for by in ALL {
            let m = SpecialEuclidean::new(n).with(by);
            for seed in 0..3 {
                check_space::<f64>(&m).seed(seed).length(0.5).run().assert_ok();
            }
        }
        check_space::<f64>(&SpecialEuclidean::new(n)).batch(3).length(0.5).run().assert_ok();
        check_space::<f32>(&SpecialEuclidean::new(n)).length(0.3).run().assert_ok();
    }
}

#[test]
fn a_turn_by_an_angle_is_root_two_of_it_away_up_to_half_a_turn() {
    for (n, m) in [(2, Orthogonal::special(2)), (3, Orthogonal::special(3)), (5, Orthogonal::special(5))] {
        let x = rotation(&m, 1);
        for angle in [1e-9, 1e-6, 1e-3, 1.0, 3.0, PI - 1e-5, PI - 1e-7] {
            let w = Mat::from_fn(n, n, |i, j| {
                if i == 1 && j == 0 {
                    angle
                } else if i == 0 && j == 1 {
                    -angle
                } else {
                    0.0
                }
            });
            let frame = rotation(&m, 2);
            let v = &x * &frame * &w * frame.transpose();
            let y = m.exp(&x, &v).unwrap();
            let d = m.dist(&x, &y).unwrap();
            // Entries are known to rounding, and a general logarithm near half a turn loses what is left to it.
            let tolerance = if n > 3 && angle > 3.1 { 1e-15 / (PI - angle).powi(2) } else { 1e-14 };
            let tolerance = tolerance.min(1e-6) + 1e-15 / angle;
            assert!((d / (angle * SQRT_2) - 1.0).abs() < tolerance, "n {n} angle {angle}: {d}");
            let back = m.log(&x, &y).unwrap();
            assert!((back - &v).norm_l2() < 10.0 * tolerance * angle, "n {n} angle {angle}");
        }
    }
    // Half a turn itself: a distance, and no logarithm.
    let (x, y) = (
        mat![[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        mat![[-1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 1.0]],
    );
    let so = Orthogonal::special(3);
    assert!((so.dist(&x, &y).unwrap() - PI * SQRT_2).abs() < 1e-15);
    assert!(so.log(&x, &y).unwrap_err().to_string().contains("half a turn"));
    let minus = mat![[-1.0, 0.0], [0.0, -1.0]];
    assert!(Orthogonal::special(2).log(&mat![[1.0, 0.0], [0.0, 1.0]], &minus).is_err());
    let far = Mat::from_fn(4, 4, |i, j| {
        if i != j {
            0.0
        } else if i < 2 {
            -1.0
        } else {
            1.0
        }
    });
    assert!(Orthogonal::special(4).log(&Mat::<f64>::identity(4, 4), &far).is_err());
}

#[test]
fn the_two_components_are_not_joined() {
    let o = Orthogonal::new(3);
    let x = Mat::<f64>::identity(3, 3);
    let y = mat![[-1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    for e in [o.log(&x, &y).map(|_| ()), o.dist(&x, &y).map(|_| ()), o.inverse_retract(&x, &y).map(|_| ())] {
        assert!(e.unwrap_err().to_string().contains("the same determinant"));
    }
    assert!(matches!(Orthogonal::special(3).dist(&x, &y), Err(Error::NotAPoint { equation: "det X = 1", .. })));
    // Both components are reached by random points, and neither is left by a step.
    let (mut plus, mut minus) = (0, 0);
    for seed in 0..20 {
        let x = rotation(&o, seed);
        let y = o.retract(&x, &(&x * skew(3, seed, 2.0))).unwrap();
        let det = |x: &Mat<f64>| value(|x: Var| x.det(), x).unwrap().data()[0];
        assert!((det(&x) - det(&y)).abs() < 1e-14);
        if det(&x) > 0.0 { plus += 1 } else { minus += 1 }
    }
    assert!(plus > 3 && minus > 3);
}

#[test]
fn retractions_are_undone_over_their_whole_range() {
    for n in [2, 3, 5] {
        for by in ALL {
            let m = Orthogonal::special(n).with(by);
            let x = rotation(&m, 3);
            for length in [0.0, 1e-9, 0.5, 2.0, 3.0] {
                let v = &x * skew(n, 4, length);
                let y = m.retract(&x, &v).unwrap();
                let back = m.inverse_retract(&x, &y).unwrap();
                assert!((back - &v).norm_l2() < 1e-12 * (1.0 + length), "n {n} {by:?} {length}");
            }
        }
    }
    // What polar and QR do not reach is said.
    let y = value(|w: Var| w.so3_exp(), &mat![[0.0], [0.0], [2.0]]).unwrap().into_mat();
    for by in [By::Polar, By::Qr] {
        let m = Orthogonal::special(3).with(by);
        assert!(
            m.inverse_retract(&Mat::<f64>::identity(3, 3), &y).unwrap_err().to_string().contains("outside the domain")
        );
    }
}

#[test]
fn hessians_are_those_of_the_trait_by_default() {
    // The default differentiates the projection; the closed form must agree.
    #[derive(Debug)]
    struct Plain(Orthogonal);
    impl Manifold for Plain {
        fn name(&self) -> String {
            "plain".into()
        }
        fn shapes(&self) -> pullback_manifolds::Shapes {
            Manifold::<f64>::shapes(&self.0)
        }
        fn dim(&self) -> usize {
            0
        }
        fn project<'t>(&self, x: &[Var<'t>], u: &[Var<'t>]) -> pullback_manifolds::Parts<'t> {
            Manifold::project(&self.0, x, u)
        }
        fn retract<'t>(&self, x: &[Var<'t>], v: &[Var<'t>]) -> pullback_manifolds::Parts<'t> {
            Manifold::retract(&self.0, x, v)
        }
        fn random_point(&self, batch: usize, rng: &mut dyn rand::Rng) -> Vec<Batch> {
            self.0.random_point(batch, rng)
        }
        fn check_point(&self, x: &[Batch]) -> pullback_manifolds::Result<()> {
            self.0.check_point(x)
        }
        fn check_tangent(&self, x: &[Batch], u: &[Batch]) -> pullback_manifolds::Result<()> {
            self.0.check_tangent(x, u)
        }
    }
    let m = Orthogonal::special(4);
    let x = rotation(&m, 1);
    let [g, h] = [2, 3].map(|s| gaussian::<f64>(Shape::mat(4, 4), &mut rng(s)).into_mat());
    let u = &x * skew(4, 5, 1.0);
    let all = (x, g, h, u);
    let ours = value(|(x, g, h, u): (Var, Var, Var, Var)| m.ehess_to_rhess(x, Egrad(g), h, u), &all).unwrap();
    let default = value(
        |(x, g, h, u): (Var, Var, Var, Var)| Manifold::ehess_to_rhess(&Plain(m), &[x], Egrad(&[g]), &[h], &[u])[0],
        &all,
    )
    .unwrap();
    assert!((ours.into_mat() - default.into_mat()).norm_l2() < 1e-13);
}

/// The numbers of `mat(seed, r, c)` in the reference: splitmix64, row by row.
fn known(seed: u64, r: usize, c: usize) -> Mat<f64> {
    let mut s = seed;
    let mut next = || {
        s = s.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = s;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        2.0 * (z >> 11) as f64 * 2f64.powi(-53) - 1.0
    };
    let rows: Vec<Vec<f64>> = (0..r).map(|_| (0..c).map(|_| next()).collect()).collect();
    Mat::from_fn(r, c, |i, j| rows[i][j])
}

#[test]
fn the_rotation_that_fits_best_is_a_critical_point_with_a_positive_hessian() {
    // |R A - B|^2 over SO(10): the polar factor of B A^T, with the last singular direction turned round if it must be.
    let (a, b) = (known(7, 10, 30), known(8, 10, 30));
    assert!((known(1, 1, 3)[(0, 2)] - 0.94200551).abs() < 1e-8);
    let m = &b * a.transpose();
    let svd = m.svd().unwrap();
    let det = (svd.U() * svd.V().transpose()).determinant();
    let mut u = svd.U().to_owned();
    if det < 0.0 {
        (0..10).for_each(|i| u[(i, 9)] = -u[(i, 9)]);
    }
    let x = &u * svd.V().transpose();
    let so = Orthogonal::special(10);
    fn cost<'t>(x: Var<'t>, a: &Mat<f64>, b: &Mat<f64>) -> Var<'t> {
        let d = x * a - b;
        d.dot(d)
    }
    let g = value(|x: Var| *so.egrad_to_rgrad(x, Egrad(x.grad(|x| cost(x, &a, &b)))), &x).unwrap().into_mat();
    assert!(g.norm_l2() < 1e-12, "{}", g.norm_l2());
    for seed in 0..10 {
        let v = &x * skew(10, seed, 1.0);
        let h = value(
            |(x, v): (Var, Var)| {
                so.ehess_to_rhess(x, Egrad(x.grad(|x| cost(x, &a, &b))), x.hvp(|x| cost(x, &a, &b), v), v)
            },
            &(x.clone(), v.clone()),
        );
        let curve = so.inner(&x, &v, &h.unwrap().into_mat()).unwrap();
        assert!(curve > 0.0, "{curve}");
    }
}

#[test]
fn screws_are_exponentials_of_the_group() {
    for n in [2, 3, 4] {
        let se = SpecialEuclidean::new(n);
        let x = rotation(&se, 1);
        for length in [0.0, 1e-9, 1.0] {
            let v: Mat<f64> = Manifold::<f64>::random_tangent(&se, &[x.clone().into()], &mut rng(2))
                .unwrap()
                .swap_remove(0)
                .into_mat();
            let v = v * length;
            let y = value(|(x, v): (Var, Var)| se.screw(x, v), &(x.clone(), v.clone())).unwrap().into_mat();
            let whole = value(|(x, v): (Var, Var)| x * x.solve(v).expm(), &(x.clone(), v.clone())).unwrap().into_mat();
            assert!((&y - whole).norm_l2() < 1e-13, "n {n} {length}");
            se.check_point(&[y.clone().into()]).unwrap();
            if v.norm_l2() < 2.5 {
                let back = value(|(x, y): (Var, Var)| se.screw_to(x, y), &(x.clone(), y)).unwrap().into_mat();
                assert!((back - v).norm_l2() < 1e-12, "n {n} {length}");
            }
        }
    }
    // A body that turns as it moves: the screw is an arc, the geodesic a straight line.
    let se = SpecialEuclidean::new(2);
    let (x, v) = (Mat::<f64>::identity(3, 3), mat![[0.0, -PI / 2.0, 1.0], [PI / 2.0, 0.0, 0.0], [0.0, 0.0, 0.0]]);
    let arc = value(|(x, v): (Var, Var)| se.screw(x, v), &(x.clone(), v.clone())).unwrap().into_mat();
    let line = se.exp(&x, &v).unwrap();
    assert!((arc[(0, 2)] - 2.0 / PI).abs() < 1e-15 && (arc[(1, 2)] - 2.0 / PI).abs() < 1e-15);
    assert_eq!((line[(0, 2)], line[(1, 2)]), (1.0, 0.0));
    assert!((se.dist(&x, &line).unwrap().powi(2) - PI * PI / 2.0 - 1.0).abs() < 1e-14);
}

#[test]
fn derivatives_at_random_and_equal_points() {
    for n in [2, 3, 4] {
        for by in ALL {
            let m = Orthogonal::special(n).with(by);
            let x = rotation(&m, 1);
            for length in [0.0, 0.8] {
                let v = &x * skew(n, 4, length);
                let y = m.retract(&x, &v).unwrap();
                let (xv, xy) = ((x.clone(), v.clone()), (x.clone(), y.clone()));
                check(|(x, v): (Var, Var)| m.retract(x, v), &xv).seed(1).run().assert_ok();
                check(|(x, y): (Var, Var)| m.inverse_retract(x, y), &xy).seed(1).run().assert_ok();
                if by == By::Exponential {
                    check(|(x, v): (Var, Var)| m.exp(x, v), &xv).seed(1).run().assert_ok();
                    check(|(x, y): (Var, Var)| m.log(x, y), &xy).seed(1).run().assert_ok();
                    check(|(x, y): (Var, Var)| m.dist2(x, y), &xy).seed(1).run().assert_ok();
                    let all = (x.clone(), y, &x * skew(n, 9, 1.0));
                    check(|(x, y, u): (Var, Var, Var)| m.transport(x, y, u), &all).seed(1).run().assert_ok();
                    check(|(x, y, u): (Var, Var, Var)| m.parallel_transport(x, y, u), &all).seed(1).run().assert_ok();
                }
            }
        }
    }
}

#[test]
fn drift_is_removed_and_bad_input_is_said() {
    for by in ALL {
        let m = Orthogonal::special(4).with(by);
        let x = rotation(&m, 2);
        let off = &x + gaussian::<f64>(Shape::mat(4, 4), &mut rng(3)).into_mat() * 1e-6;
        let back = m.reproject(&off).unwrap();
        assert!(
            (back.transpose() * &back - Mat::<f64>::identity(4, 4)).norm_l2() < 1e-14 && (back - off).norm_l2() < 1e-5
        );
    }
    let so = Orthogonal::special(3);
    let x = rotation(&so, 1);
    assert!(matches!(so.retract(&(&x * 1.01), &(&x * 0.0)), Err(Error::NotAPoint { .. })));
    assert!(matches!(so.retract(&x, &x), Err(Error::NotTangent { .. })));
    assert!(matches!(so.retract(&x, &(&x * f64::NAN)), Err(Error::NonFinite { .. })));
    let se = SpecialEuclidean::new(2);
    let x = rotation(&se, 1);
    let mut bad = x.clone();
    bad[(2, 0)] = 0.1;
    assert!(se.exp(&bad, &(&x * 0.0)).unwrap_err().to_string().contains("last row"));
    assert!(matches!(se.exp(&x, &x), Err(Error::NotTangent { .. })));
    assert!(std::panic::catch_unwind(|| Orthogonal::special(0)).is_err());
}
