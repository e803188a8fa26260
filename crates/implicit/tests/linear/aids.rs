//! What helps a solver: preconditioners, and the solutions of earlier systems. Right as without, fewer products,
//! members apart.

use crate::maps::{Matrices, error, metric, right, selfadjoint, spread, wave};
use pullback::{Batch, Shape, faer::Mat};
use pullback_implicit::Error;
use pullback_implicit::linear::{
    Diagonal, Map, Method, Positive, Recycle, SelfAdjoint, Status, Stop, solve, solve_preconditioned,
};

const N: usize = 60;

/// Diagonal of a spread `condition`, and a little beside it: self-adjoint in the ambient inner product.
fn scaled(condition: f64, c: f64) -> Mat<f64> {
    let d: Vec<f64> = (0..N).map(|i| condition.powf((i * 7 % N) as f64 / (N - 1) as f64)).collect();
    let w = wave(N, c);
    let off = |i: usize, j: usize| 0.2 / (N as f64).sqrt() * (w[(i, j)] + w[(j, i)]);
    Mat::from_fn(N, N, |i, j| (d[i] * d[j]).sqrt() * (off(i, j) + if i == j { 1.0 } else { 0.0 }))
}

fn inverse_diagonal(map: &Matrices) -> Diagonal {
    Diagonal::new(vec![Batch::from_fn(map.shapes[0], |m, i, _| 1.0 / map.a[m][(i, i)])]).unwrap()
}

#[test]
fn every_solver_is_right_with_a_preconditioner_and_takes_fewer_products() {
    let map = Matrices::new(vec![scaled(1e4, 0.7), scaled(1e2, 1.9)], vec![1.0; N]);
    let (b, m, stop) = (right(&map), inverse_diagonal(&map), Stop::at(1e-11));
    let methods = [
        Method::Auto,
        Method::Cg(Positive::asserted()),
        Method::Minres(SelfAdjoint::asserted()),
        Method::Gmres { restart: 80 },
        Method::BiCgStab,
        Method::Lsmr,
        Method::Anderson { memory: 10 },
        Method::Richardson { step: 0.9 },
        Method::NeumannAdaptive,
        Method::Chebyshev { low: 0.2, high: 2.0 },
    ];
    for method in methods {
        let (with, without) =
            (solve_preconditioned(&map, &m, &b, None, method, &stop), solve(&map, &b, None, method, &stop));
        let with = with.unwrap();
        for k in 0..2 {
            let s = with.members[k];
            assert!(error(&map, &b, &with, k) < 1e-8 && s.status == Status::Converged, "{method:?} {k} {s:?}");
            assert!(s.residual <= 1e-10, "{method:?} {k} {s:?}");
            // The distance is an estimate of the error, where there is a spectrum to tell it by.
            let e = error(&map, &b, &with, k);
            assert!(s.distance.is_nan() || s.distance > 0.1 * e && s.distance < 1e3 * e, "{method:?} {e:e} {s:?}");
        }
        // Without it they take twice as many or more, or do not arrive. GMRES needs no more than the dimension, 60.
        if let Ok(plain) = without {
            let fewer = 2 * with.products <= plain.products;
            assert!(fewer || plain.failure().is_some(), "{method:?}: {} {}", with.products, plain.products);
        }
    }
}

#[test]
fn in_a_metric_and_from_a_start() {
    let g = metric(N);
    let map = Matrices::new(vec![selfadjoint(&spread(N, 1e3), &g, 0.7)], g.clone());
    // Self-adjoint in the same metric: the inverse, disturbed.
    let m = Matrices::new(
        vec![selfadjoint(
            &spread(N, 1e3).iter().enumerate().map(|(i, x)| (1.0 + 0.3 * (i as f64).sin()) / x).collect::<Vec<_>>(),
            &g,
            0.7,
        )],
        g,
    );
    let (b, stop) = (right(&map), Stop::at(1e-12));
    for method in [Method::Auto, Method::Cg(Positive::asserted()), Method::Minres(SelfAdjoint::asserted())] {
        let x = solve_preconditioned(&map, &m, &b, None, method, &stop).unwrap();
        assert!(error(&map, &b, &x, 0) < 1e-9 && x.failure().is_none(), "{method:?} {:?}", x.members);
        assert!(x.members[0].iterations < 30, "{:?}", x.members);
        let again = solve_preconditioned(&map, &m, &b, Some(&x.x), method, &Stop::at(1e-10)).unwrap();
        assert_eq!(again.members[0].iterations, 0, "{method:?}");
        let half = vec![Batch::from_fn(map.shapes[0], |_, i, _| 0.5 * x.x[0].data()[i])];
        let again = solve_preconditioned(&map, &m, &b, Some(&half), method, &stop).unwrap();
        assert!(error(&map, &b, &again, 0) < 1e-9, "{method:?}");
    }
}

#[test]
fn a_preconditioner_that_is_none_is_never_believed() {
    let map = Matrices::new(vec![scaled(1e2, 0.7)], vec![1.0; N]);
    let (b, stop) = (right(&map), Stop { tolerance: 1e-10, products: 600 });
    let negative = Matrices::new(vec![Mat::from_fn(N, N, |i, j| if i == j { -1.0 } else { 0.0 })], vec![1.0; N]);
    let indefinite = Matrices::new(
        vec![Mat::from_fn(N, N, |i, j| if i == j { if i % 2 == 0 { 1.0 } else { -1.0 } } else { 0.0 })],
        vec![1.0; N],
    );
    let skew = Matrices::new(vec![Mat::from_fn(N, N, |i, j| wave(N, 0.3)[(i, j)])], vec![1.0; N]);
    let zero = Matrices::new(vec![Mat::zeros(N, N)], vec![1.0; N]);
    for m in [&negative, &indefinite, &skew, &zero] {
        for method in
            [Method::Auto, Method::Cg(Positive::asserted()), Method::Minres(SelfAdjoint::asserted()), Method::BiCgStab]
        {
            let x = solve_preconditioned(&map, m, &b, None, method, &stop).unwrap();
            let (e, s) = (error(&map, &b, &x, 0), x.members[0]);
            assert!(e < 1e-6 || x.failure().is_some() && s.residual > 1e-10, "{method:?} {e:e} {s:?}");
        }
        // Automatically, conjugate gradients are not taken with a map that is not positive.
        let x = solve_preconditioned(&map, m, &b, None, Method::Auto, &stop).unwrap();
        assert!(matches!(x.method, Method::Gmres { .. }), "{:?}", x.method);
    }
    let wrong = Diagonal::new(vec![Batch::from_fn(Shape::mat(3, 1), |_, _, _| 1.0)]).unwrap();
    let found = solve_preconditioned(&map, &wrong, &b, None, Method::Auto, &stop);
    assert!(matches!(found, Err(Error::Lists { .. })));
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(
            Diagonal::new(vec![Batch::from_fn(Shape::mat(1, 1), |_, _, _| bad)]),
            Err(Error::Setting { .. })
        ));
    }
}

#[test]
fn members_fail_apart_with_a_preconditioner_too() {
    // Right, singular, not a number, zero.
    let mut singular = scaled(1e2, 0.7);
    for i in 0..N {
        singular[(i, 4)] = 0.0;
        singular[(4, i)] = 0.0;
    }
    let map = Matrices::new(vec![scaled(1e3, 0.7), singular, scaled(1e2, 0.7), scaled(1e2, 0.7)], vec![1.0; N]);
    let mut b = right(&map);
    b[0].data_mut()[2 * N + 3] = f64::NAN;
    b[0].data_mut()[3 * N..].fill(0.0);
    let m = Diagonal::new(vec![Batch::from_fn(map.shapes[0], |m, i, _| 1.0 / map.a[m][(i, i)].max(1.0))]).unwrap();
    for method in
        [Method::Cg(Positive::asserted()), Method::Minres(SelfAdjoint::asserted()), Method::Gmres { restart: 70 }]
    {
        let x = solve_preconditioned(&map, &m, &b, None, method, &Stop::at(1e-11)).unwrap();
        let ends: Vec<Status> = x.members.iter().map(|s| s.status).collect();
        assert!(error(&map, &b, &x, 0) < 1e-8, "{method:?} {ends:?}");
        assert!(ends[0] == Status::Converged && ends[1] != Status::Converged, "{method:?} {ends:?}");
        assert_eq!((ends[2], ends[3]), (Status::NonFinite, Status::Converged), "{method:?}");
        assert!(x.x[0].data()[2 * N..].iter().all(|x| *x == 0.0));
    }
}

#[test]
fn a_probed_diagonal_helps_where_the_diagonal_rules() {
    let map = Matrices::new(vec![scaled(1e5, 0.7), scaled(1e4, 0.9)], vec![1.0; N]);
    let (b, stop, cg) = (right(&map), Stop::at(1e-10), Method::Cg(Positive::asserted()));
    let m = Diagonal::probed(&map, 10).unwrap();
    let with = solve_preconditioned(&map, &m, &b, None, cg, &stop).unwrap();
    let without = solve(&map, &b, None, cg, &stop).unwrap();
    assert!(with.failure().is_none() && error(&map, &b, &with, 0) < 1e-6, "{:?}", with.members);
    assert!(3 * (with.products + 10) < without.products, "{} {}", with.products, without.products);
}

#[test]
fn earlier_solutions_make_a_start_that_saves_more_than_it_costs() {
    // A map and a right-hand side that move smoothly, as in a bilevel loop.
    let at = |t: f64| {
        let a = scaled(1e3, 0.7);
        let moved =
            |s: f64, k: usize| Mat::from_fn(N, N, |i, j| a[(i, j)] * (1.0 + s * t * ((i + j + k) as f64).cos()));
        Matrices::new(vec![moved(0.05, 0), moved(0.03, 5)], vec![1.0; N])
    };
    let right = |map: &Matrices, t: f64| vec![Batch::from_fn(map.shapes[0], |m, i, _| ((m + i) as f64 + t).cos())];
    let (cg, stop) = (Method::Cg(Positive::asserted()), Stop::at(1e-8));
    let total = |keep: usize| -> usize {
        let (recycle, mut products) = (Recycle::new(keep), 0);
        for k in 0..12 {
            let t = 0.01 * k as f64;
            let map = at(t);
            let b = right(&map, t);
            let start = recycle.start(&map, &b).unwrap();
            let (guess, spent) = start.map_or((None, 0), |(x, p)| (Some(x), p));
            let x = solve(&map, &b, guess.as_deref(), cg, &stop).unwrap();
            assert!((0..2).all(|m| error(&map, &b, &x, m) < 1e-6) && x.failure().is_none());
            recycle.keep(&x.x);
            products += spent + x.products;
        }
        products
    };
    let all = [0, 1, 2, 3].map(total);
    println!("products for 12 systems, by solutions kept: {all:?}");
    // Each that is kept saves more than its product, and three save a third of everything.
    assert!(all[1] < all[0] && all[2] < all[1] && all[3] < all[2] && 3 * all[3] < 2 * all[0], "{all:?}");
}

#[test]
fn what_is_kept_never_makes_a_start_worse_than_none_and_members_stay_apart() {
    let map = Matrices::new(vec![scaled(1e2, 0.7), scaled(1e1, 0.9)], vec![1.0; N]);
    let b = right(&map);
    let recycle = Recycle::new(2);
    assert!(recycle.start(&map, &b).unwrap().is_none() && recycle.is_empty());
    // Of no use, twice the same, other shapes, not a number.
    recycle.keep(&[Batch::zeros(Shape::mat(2, 2))]);
    assert!(recycle.start(&map, &b).unwrap().is_none());
    recycle.keep(&[Batch::from_fn(map.shapes[0], |_, _, _| f64::NAN)]);
    assert_eq!(recycle.len(), 0);
    let noise = vec![Batch::from_fn(map.shapes[0], |m, i, _| ((m + 5 * i * i) as f64).sin())];
    recycle.keep(&noise);
    recycle.keep(&noise);
    let (x, products) = recycle.start(&map, &b).unwrap().unwrap();
    assert_eq!(products, 2);
    let residual = |x: &[Batch], m: usize| {
        let mut r = vec![Batch::zeros(map.shapes[0])];
        map.apply(x, &mut r).unwrap();
        (0..N).map(|i| (r[0].data()[m * N + i] - b[0].data()[m * N + i]).powi(2)).sum::<f64>().sqrt()
    };
    let size = |m: usize| (0..N).map(|i| b[0].data()[m * N + i].powi(2)).sum::<f64>().sqrt();
    assert!((0..2).all(|m| residual(&x, m) <= size(m) * (1.0 + 1e-12)));
    // A member alone is what it is in the batch.
    let one = Matrices::new(vec![map.a[1].clone()], vec![1.0; N]);
    let cut = |v: &[Batch]| vec![Batch::from_slice(Shape::batch(1, N, 1), &v[0].data()[N..])];
    let alone = Recycle::new(2);
    alone.keep(&cut(&noise));
    let (y, _) = alone.start(&one, &cut(&b)).unwrap().unwrap();
    assert!((0..N).all(|i| (y[0].data()[i] - x[0].data()[N + i]).abs() < 1e-14));
}
