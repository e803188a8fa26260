//! Means and medians: closed forms, the equations they satisfy, outliers, weights, kinks, and what is said where there
//! is none.

use pullback::faer::Mat;
use pullback::prelude::*;
use pullback::{Shape, value};
use pullback_manifolds::{
    Effort, Error, Euclidean, Grassmann, Manifold, Orthogonal, Product, Result, gaussian, mean, median, rng,
};

fn column(points: &[f64]) -> Vec<Batch> {
    vec![Batch::from_slice(Shape::batch(points.len(), 1, 1), points)]
}

/// Points within a radius of one: exponentials of tangents.
fn around(m: &dyn Manifold, n: usize, seed: u64, radius: f64) -> (Vec<Batch>, Vec<Batch>) {
    let r = &mut rng(seed);
    let x = m.random_point(1, r);
    let many: Vec<Batch> =
        x.iter().map(|x| Batch::from_slice(Shape { batch: n, ..x.shape() }, &x.data().repeat(n))).collect();
    let v = m.random_tangent(&many, r).unwrap();
    let points = pullback_manifolds::numbers::try_apply(&[&many, &v], &mut |l| {
        let size = m.norm(&l[0], &l[1]);
        let v: Vec<Var<'_>> = l[1].iter().map(|v| v.hadamard(size.recip()) * radius).collect();
        m.exp(&l[0], &v)
    });
    (x, points.unwrap().unwrap())
}

fn distance(m: &dyn Manifold, x: &[Batch], y: &[Batch]) -> f64 {
    let d =
        pullback_manifolds::numbers::apply(&[x, y], &mut |l| [m.dist2(&l[0], &l[1]).unwrap()].into_iter().collect());
    d.unwrap()[0].data()[0].max(0.0).sqrt()
}

#[test]
fn in_flat_space_they_are_those_of_numbers() {
    let m = Euclidean::new(1, 1);
    let points = column(&[1.0, 2.0, 4.0, 100.0, -3.0]);
    let c = mean(&m, &points, &Effort::default()).unwrap();
    assert!((c.point[0].data()[0] - 20.8).abs() < 1e-13 && c.iterations <= 2, "{c:?}");
    let c = median(&m, &points, &Effort::default()).unwrap();
    assert_eq!((c.point[0].data()[0], c.residual), (2.0, 0.0));
    let weights = Some(vec![1.0, 1.0, 1.0, 0.0, 5.0]);
    let c = mean(&m, &points, &Effort { weights: weights.clone(), ..Default::default() }).unwrap();
    assert!((c.point[0].data()[0] + 1.0).abs() < 1e-14);
    let c = median(&m, &points, &Effort { weights, ..Default::default() }).unwrap();
    assert_eq!(c.point[0].data()[0], -3.0);
    // The point that sees the sides of a triangle under 120 degrees; here by symmetry on the axis.
    let plane = Euclidean::new(2, 1);
    let triangle = vec![Batch::from_slice(Shape::batch(3, 2, 1), &[-1.0, 0.0, 1.0, 0.0, 0.0, 2.0])];
    let c = median(&plane, &triangle, &Effort::default()).unwrap();
    let fermat = 1.0 / 3f64.sqrt();
    assert!(f64::abs(c.point[0].data()[0]) < 1e-12 && (c.point[0].data()[1] - fermat).abs() < 1e-12, "{c:?}");
}

#[test]
fn their_equations_hold_on_curved_spaces_from_any_representative() {
    let pair = Product::new((Orthogonal::special(3), Euclidean::new(3, 1)));
    let spaces: [&dyn Manifold; 3] = [&Grassmann::new(6, 2), &Orthogonal::special(4), &pair];
    for m in spaces {
        for radius in [1e-6, 0.3, 0.7] {
            let (_, points) = around(m, 9, 3, radius);
            let c = mean(m, &points, &Effort::default()).unwrap();
            m.check_point(&c.point).unwrap();
            assert!(c.residual < 1e-12 && c.iterations < 60, "{}: {} in {}", m.name(), c.residual, c.iterations);
            // The equation, evaluated here: the sum of the logarithms is zero.
            let many: Vec<Batch> = c
                .point
                .iter()
                .map(|x| Batch::from_slice(Shape { batch: 9, ..x.shape() }, &x.data().repeat(9)))
                .collect();
            let logs = pullback_manifolds::numbers::try_apply(&[&many, &points], &mut |l| m.log(&l[0], &l[1]))
                .unwrap()
                .unwrap();
            for l in &logs {
                for k in 0..l.shape().each() {
                    let sum: f64 = (0..9).map(|b| l.data()[b * l.shape().each() + k]).sum();
                    assert!(sum.abs() < 1e-11, "{}: {sum}", m.name());
                }
            }
            let d = median(m, &points, &Effort::default()).unwrap();
            m.check_point(&d.point).unwrap();
            // It is a minimum of the sum of distances.
            let total = |x: &[Batch]| {
                let total = |b: usize| {
                    let p: Vec<Batch> = points.iter().map(|p| p.member(b).into()).collect();
                    distance(m, x, &p)
                };
                (0..9).map(total).sum::<f64>()
            };
            for seed in 0..5 {
                let other = nearby(m, &d.point, seed, 0.05 * radius);
                assert!(total(&d.point) < total(&other), "{}", m.name());
            }
        }
    }
    // Other bases of the same subspaces have the same mean.
    let gr = Grassmann::new(6, 2);
    let (_, points) = around(&gr, 9, 3, 0.5);
    let q = value(|a: Var| a.qr().0, &gaussian::<f64>(Shape::batch(9, 2, 2), &mut rng(8))).unwrap();
    let turned = value(|(x, q): (Var, Var)| x * q, &(points[0].clone(), q)).unwrap();
    let (a, b) = (mean(&gr, &points, &Effort::default()).unwrap(), mean(&gr, &[turned], &Effort::default()).unwrap());
    assert!(distance(&gr, &a.point, &b.point) < 1e-12);
}

fn nearby(m: &dyn Manifold, x: &[Batch], seed: u64, length: f64) -> Vec<Batch> {
    let v = m.random_tangent(x, &mut rng(seed)).unwrap();
    let found = pullback_manifolds::numbers::try_apply(&[x, &v], &mut |l| {
        let v: Vec<Var<'_>> = l[1].iter().map(|v| v.hadamard(m.norm(&l[0], &l[1]).recip()) * length).collect();
        m.exp(&l[0], &v)
    });
    found.unwrap().unwrap()
}

#[test]
fn the_median_stays_where_most_points_are() {
    let so = Orthogonal::special(3);
    let (_, points) = around(&so, 10, 1, 0.1);
    let centre = mean(&so, &points, &Effort::default()).unwrap().point;
    // Three of ten are elsewhere altogether.
    let mut bad = points[0].clone();
    let far = value(|w: Var| w.so3_exp(), &pullback::faer::mat![[1.0], [0.5], [0.2]]).unwrap().into_mat();
    for b in 0..3 {
        let moved = &far * points[0].member(b);
        bad.data_mut()[9 * b..9 * b + 9].copy_from_slice(Batch::<f64>::from(moved).data());
    }
    let bad = [bad];
    let (mean, median) = (mean(&so, &bad, &Effort::default()).unwrap(), median(&so, &bad, &Effort::default()).unwrap());
    let off = |p: &[Batch]| distance(&so, p, &centre);
    assert!(off(&median.point) < 0.1 && off(&mean.point) > 0.3, "{} {}", off(&median.point), off(&mean.point));
}

#[test]
fn one_point_two_points_and_equal_points() {
    let gr = Grassmann::new(4, 2);
    let (_, points) = around(&gr, 1, 1, 0.5);
    for f in [mean::<f64>, median::<f64>] {
        let c = f(&gr, &points, &Effort::default()).unwrap();
        assert!(distance(&gr, &c.point, &points) < 1e-14);
        let same = [Batch::from_slice(Shape::batch(5, 4, 2), &points[0].data().repeat(5))];
        let c = f(&gr, &same, &Effort::default()).unwrap();
        assert!(distance(&gr, &c.point, &points) < 1e-14);
    }
}

/// Points whose distances are far below 1, and far above rounding, are different points.
#[test]
fn points_that_are_close_together_are_told_apart() {
    let m = Euclidean::new(1, 1);
    for size in [1e-6, 1e-9, 1e-11] {
        let points = column(&[0.0, size, 3.0 * size, -2.0 * size, 9.0 * size]);
        let c = median(&m, &points, &Effort::default()).unwrap();
        assert_eq!((c.point[0].data()[0], c.residual), (size, 0.0), "{size:e}");
        let c = mean(&m, &points, &Effort::default()).unwrap();
        assert!((c.point[0].data()[0] / size - 2.2).abs() < 1e-3, "{size:e}: {c:?}");
    }
}

#[test]
fn what_has_none_says_so() {
    let so = Orthogonal::special(2);
    // Opposite rotations.
    let turn = |a: f64| [a.cos(), a.sin(), -a.sin(), a.cos()];
    let points = [Batch::from_slice(Shape::batch(2, 2, 2), &[turn(0.0), turn(std::f64::consts::PI)].concat())];
    let e = mean(&so, &points, &Effort::default()).unwrap_err();
    assert!(e.to_string().contains("half a turn"), "{e}");
    let (_, points) = around(&Grassmann::new(5, 2), 8, 2, 0.7);
    let gr = Grassmann::new(5, 2);
    let few = Effort { iterations: 2, ..Default::default() };
    match mean(&gr, &points, &few) {
        Err(Error::NoConvergence { iterations: 2, residual, .. }) => assert!(residual > 1e-10 && residual < 1.0),
        other => panic!("{other:?}"),
    }
    assert!(matches!(median(&gr, &points, &few), Err(Error::NoConvergence { .. })));
    let mut bad = points.clone();
    bad[0].data_mut()[3] += 0.1;
    assert!(matches!(mean(&gr, &bad, &few), Err(Error::NotAPoint { member: 0, .. })));
    let wrong = Effort { weights: Some(vec![1.0; 3]), ..Default::default() };
    let run = std::panic::AssertUnwindSafe(|| -> Result<()> { mean(&gr, &points, &wrong).map(|_| ()) });
    assert!(std::panic::catch_unwind(run).is_err());
    let _: Mat<f64> = points[0].member(0);
}
