//! Linear solvers on maps whose matrices and metrics are known: each against the dense truth, members apart, failures
//! by name.

mod aids;
mod maps;

use maps::{Matrices, error, metric, right, selfadjoint, spread, wave};
use pullback::{Batch, Shape, faer::Mat};
use pullback_implicit::linear::{Adjoint, Map, Method, Positive, SelfAdjoint, Status, Stop, solve, spectrum};
use pullback_implicit::{Error, Result};

fn all() -> Vec<Method> {
    vec![
        Method::Auto,
        Method::Dense,
        Method::NeumannAdaptive,
        Method::Neumann { terms: 400 },
        Method::Richardson { step: 1.0 },
        Method::Chebyshev { low: 0.1, high: 1.0 },
        Method::Cg(Positive::asserted()),
        Method::Minres(SelfAdjoint::asserted()),
        Method::Gmres { restart: 20 },
        Method::Gmres { restart: 3 },
        Method::BiCgStab,
        Method::Lsmr,
        Method::Anderson { memory: 12 },
        Method::Anderson { memory: 4 },
        Method::Anderson { memory: 0 },
    ]
}

#[test]
fn every_solver_finds_the_solution_of_a_positive_map_in_its_metric() {
    let g = metric(9);
    let map = Matrices::new(vec![selfadjoint(&spread(9, 10.0), &g, 0.7), selfadjoint(&spread(9, 3.0), &g, 1.9)], g);
    let b = right(&map);
    for method in all() {
        let x = solve(&map, &b, None, method, &Stop::at(1e-12)).unwrap();
        for m in 0..2 {
            let s = x.members[m];
            assert!(error(&map, &b, &x, m) < 1e-10, "{method:?}, member {m}: {:e} {s:?}", error(&map, &b, &x, m));
            let ended = matches!(s.status, Status::Converged | Status::Truncated);
            assert!(ended && s.residual < 1e-10, "{method:?}, member {m}: {s:?}");
        }
    }
}

#[test]
fn conjugate_gradients_take_a_step_for_each_eigenvalue_and_see_the_spectrum() {
    let (g, n) = (metric(12), 12);
    let values: Vec<f64> = (0..n).map(|i| [1.0, 4.0, 9.0][i % 3]).collect();
    let map = Matrices::new(vec![selfadjoint(&values, &g, 0.7)], g);
    let b = right(&map);
    for method in [Method::Cg(Positive::asserted()), Method::Minres(SelfAdjoint::asserted())] {
        let s = solve(&map, &b, None, method, &Stop::at(1e-11)).unwrap().members[0];
        assert_eq!((s.iterations, s.status), (3, Status::Converged), "{method:?}");
        let (low, high) = s.seen.unwrap();
        assert!((low - 1.0).abs() < 1e-9 && (high - 9.0).abs() < 1e-9, "{method:?}: {low} {high}");
    }
    let all = spectrum(&map).unwrap()[0];
    assert!((all.smallest - 1.0).abs() < 1e-12 && (all.largest - 9.0).abs() < 1e-12 && all.symmetry < 1e-13, "{all:?}");
}

#[test]
fn maps_that_are_not_self_adjoint_and_their_adjoints() {
    let n = 10;
    let a = Mat::from_fn(n, n, |i, j| if i == j { 1.5 } else { 0.4 * wave(n, 0.9)[(i, j)] / (n as f64).sqrt() });
    let map = Matrices::new(vec![a], metric(n));
    let b = right(&map);
    for method in [
        Method::Auto,
        Method::Gmres { restart: 20 },
        Method::BiCgStab,
        Method::Lsmr,
        Method::Dense,
        Method::Anderson { memory: 5 },
    ] {
        let stop = Stop::at(1e-12);
        let x = solve(&map, &b, None, method, &stop).unwrap();
        assert!(error(&map, &b, &x, 0) < 1e-10 && x.failure().is_none(), "{method:?} {:?}", x.members);
        let y = solve(&Adjoint(&map), &b, None, method, &stop).unwrap();
        // <x, b> = <x, A* y> = <A x, y> = <b, y>.
        let dot =
            |u: &[Batch], v: &[Batch]| -> f64 { (0..n).map(|i| u[0].data()[i] * map.g[i] * v[0].data()[i]).sum() };
        assert!((dot(&x.x, &b) - dot(&b, &y.x)).abs() < 1e-10, "{method:?}");
        // A start at the solution takes no step.
        let again = solve(&map, &b, Some(&x.x), method, &Stop::at(1e-9)).unwrap();
        assert!(again.members[0].iterations <= 1 && error(&map, &b, &again, 0) < 1e-10, "{method:?}");
    }
}

#[test]
fn a_member_that_fails_is_named_and_the_others_are_right() {
    // Contracting, growing, identity, a right-hand side of zero, one that is not a number.
    let d = |x: f64, y: f64| pullback::faer::mat![[1.0 - x, 0.0], [0.0, 1.0 - y]];
    let map = Matrices::new(vec![d(0.5, -0.3), d(0.5, 1.5), d(0.0, 0.0), d(0.5, 0.2), d(0.1, 0.2)], vec![1.0, 2.0]);
    let mut b = right(&map);
    b[0].data_mut()[6..8].fill(0.0);
    b[0].data_mut()[9] = f64::NAN;
    for method in [Method::NeumannAdaptive, Method::Neumann { terms: 200 }, Method::Richardson { step: 1.0 }] {
        let x = solve(&map, &b, None, method, &Stop::at(1e-12)).unwrap();
        let ends: Vec<Status> = x.members.iter().map(|s| s.status).collect();
        assert!(error(&map, &b, &x, 0) < 1e-11, "{method:?} {ends:?}");
        assert!(error(&map, &b, &x, 2) < 1e-15, "{method:?} {ends:?}");
        assert_eq!((ends[1], ends[3], ends[4]), (Status::Diverged, Status::Converged, Status::NonFinite), "{method:?}");
        assert_eq!(&x.x[0].data()[6..8], [0.0, 0.0]);
        assert!(x.members[1].rate.unwrap() > 1.4, "{:?}", x.members[1]);
        assert!(x.x[0].data().iter().all(|x| x.is_finite()));
    }
    for method in
        [Method::Gmres { restart: 5 }, Method::BiCgStab, Method::Lsmr, Method::Dense, Method::Anderson { memory: 5 }]
    {
        let x = solve(&map, &b, None, method, &Stop::at(1e-12)).unwrap();
        for m in [0, 1, 2] {
            assert!(error(&map, &b, &x, m) < 1e-10, "{method:?} {m} {:?}", x.members);
        }
        assert_eq!(x.members[4].status, Status::NonFinite);
    }
    // The second member is indefinite.
    let x = solve(&map, &b, None, Method::Cg(Positive::asserted()), &Stop::at(1e-12)).unwrap();
    assert_eq!((x.members[1].status, x.members[0].status), (Status::Indefinite, Status::Converged));
    assert!(error(&map, &b, &x, 0) < 1e-11);
    let x = solve(&map, &b, None, Method::Minres(SelfAdjoint::asserted()), &Stop::at(1e-12)).unwrap();
    assert!(error(&map, &b, &x, 1) < 1e-11, "{:?}", x.members);
}

#[test]
fn small_cases_that_broke_other_solvers() {
    // 1x1, the identity, two eigenvalues: solvers that return the iterate before the last, or divide by zero.
    for (a, n) in [(vec![4.0], 1), (vec![1.0; 6], 6), (vec![1.0, 1.0, 3.0], 3)] {
        let g = metric(n);
        let map = Matrices::new(vec![selfadjoint(&a, &g, 0.7)], g);
        let b = right(&map);
        let methods = [
            Method::Cg(Positive::asserted()),
            Method::Minres(SelfAdjoint::asserted()),
            Method::Gmres { restart: 8 },
            Method::BiCgStab,
            Method::Lsmr,
            Method::Dense,
            Method::Auto,
            Method::Anderson { memory: 3 },
        ];
        for method in methods {
            let x = solve(&map, &b, None, method, &Stop::at(1e-13)).unwrap();
            assert!(error(&map, &b, &x, 0) < 1e-12 && x.failure().is_none(), "{method:?} {a:?} {:?}", x.members);
        }
    }
}

#[test]
fn singular_maps_say_so() {
    let g = metric(4);
    let map = Matrices::new(vec![selfadjoint(&[2.0, 1.0, 0.5, 0.0], &g, 0.7)], g);
    let b = right(&map);
    for method in [Method::Auto, Method::Dense, Method::Lsmr] {
        let x = solve(&map, &b, None, method, &Stop::at(1e-12)).unwrap();
        assert_eq!(x.members[0].status, Status::Singular, "{method:?}");
        assert!(x.members[0].residual > 1e-3);
    }
    for method in [
        Method::Cg(Positive::asserted()),
        Method::Minres(SelfAdjoint::asserted()),
        Method::Gmres { restart: 9 },
        Method::BiCgStab,
        Method::Anderson { memory: 5 },
    ] {
        let x = solve(&map, &b, None, method, &Stop::at(1e-12)).unwrap();
        assert!(x.failure().is_some() && x.members[0].residual > 1e-3, "{method:?} {:?}", x.members);
    }
    assert_eq!(Positive::certified(&map).unwrap(), None);
    assert!(SelfAdjoint::certified(&map).unwrap().is_some());
    let turned = Matrices::new(vec![pullback::faer::mat![[1.0, 2.0], [0.0, 1.0]]], vec![1.0, 1.0]);
    assert!(SelfAdjoint::certified(&turned).unwrap().is_none() && Positive::certified(&turned).unwrap().is_none());
}

#[test]
fn condition_numbers_up_to_a_million() {
    for k in 1..=6 {
        let g = metric(20);
        let map = Matrices::new(vec![selfadjoint(&spread(20, 10f64.powi(k)), &g, 0.7)], g);
        let b = right(&map);
        for method in [Method::Cg(Positive::asserted()), Method::Minres(SelfAdjoint::asserted()), Method::Dense] {
            let x = solve(&map, &b, None, method, &Stop { tolerance: 1e-13, products: 4000 }).unwrap();
            let e = error(&map, &b, &x, 0);
            let (low, _) = x.members[0].seen.unwrap();
            assert!((low * 10f64.powi(k) - 1.0).abs() < 1e-3, "{method:?} 1e{k}: {low:e}");
            assert!(e < 1e-13 * 10f64.powi(k) || x.failure().is_some(), "{method:?} 1e{k}: {e:e} {:?}", x.members);
            assert!(e < 1e-8, "{method:?} 1e{k}: {e:e} {:?}", x.members);
        }
    }
}

#[test]
fn wrong_arguments_are_typed() {
    let map = Matrices::new(vec![Mat::identity(2, 2)], vec![1.0, 1.0]);
    let stop = Stop::at(1e-9);
    let wrong = vec![Batch::zeros(Shape::mat(3, 1))];
    assert!(matches!(solve(&map, &wrong, None, Method::Auto, &stop), Err(Error::Lists { .. })));
    let b = right(&map);
    for (low, high) in [(0.0, 1.0), (2.0, 1.0), (1.0, f64::INFINITY)] {
        let found = solve(&map, &b, None, Method::Chebyshev { low, high }, &stop);
        assert!(matches!(found, Err(Error::Interval { .. })), "{low} {high}");
    }
    // A spectrum beyond the interval shows.
    let map = Matrices::new(vec![pullback::faer::mat![[1.0, 0.0], [0.0, 30.0]]], vec![1.0, 1.0]);
    let x = solve(&map, &right(&map), None, Method::Chebyshev { low: 0.5, high: 2.0 }, &stop).unwrap();
    assert_eq!(x.members[0].status, Status::Diverged);
}

/// `|u|` in the metric of a map.
fn length(map: &Matrices, u: &Mat<f64>) -> f64 {
    (0..map.g.len()).map(|i| map.g[i] * u[(i, 0)].powi(2)).sum::<f64>().sqrt()
}

/// A map whose products are wrong in the seventh digit, each in another way.
struct Noisy(Matrices, std::cell::Cell<f64>);

impl Map for Noisy {
    fn shapes(&self) -> &[Shape] {
        self.0.shapes()
    }
    fn dim(&self) -> usize {
        self.0.dim()
    }
    fn apply(&self, v: &[Batch], out: &mut [Batch]) -> Result<()> {
        self.1.set(self.1.get() + 1.0);
        self.0.times(v, out, |m, i, j| self.0.a[m][(i, j)] * (1.0 + 1e-7 * (self.1.get() + i as f64).sin()));
        Ok(())
    }
    fn adjoint(&self, v: &[Batch], out: &mut [Batch]) -> Result<()> {
        self.0.adjoint(v, out)
    }
}

#[test]
fn a_recurrence_that_has_left_the_truth_is_not_believed() {
    let map = Noisy(Matrices::new(vec![selfadjoint(&spread(8, 5.0), &[1.0; 8], 0.7)], vec![1.0; 8]), 0.0.into());
    for method in [Method::Cg(Positive::asserted()), Method::BiCgStab, Method::Chebyshev { low: 0.2, high: 1.0 }] {
        let s = solve(&map, &right(&map.0), None, method, &Stop::at(1e-12)).unwrap().members[0];
        assert!(s.residual > 1e-10 && s.residual < 1e-5 && s.status == Status::Stalled, "{method:?}: {s:?}");
    }
}

#[test]
fn every_member_is_judged_by_its_own_right_hand_side() {
    let g = metric(9);
    let a = selfadjoint(&spread(9, 10.0), &g, 0.7);
    let map = Matrices::new(vec![a.clone(), a.clone(), a], g);
    let mut b = right(&map);
    b[0].data_mut()[..9].iter_mut().for_each(|x| *x *= 1e8);
    b[0].data_mut()[18..].iter_mut().for_each(|x| *x *= 1e-8);
    for method in all() {
        let x = solve(&map, &b, None, method, &Stop::at(1e-11)).unwrap();
        for m in 0..3 {
            let s = x.members[m];
            assert!(error(&map, &b, &x, m) < 1e-9 && s.residual < 1e-9, "{method:?}, member {m}: {s:?}");
            assert!(matches!(s.status, Status::Converged | Status::Truncated), "{method:?}, member {m}: {s:?}");
        }
    }
}

#[test]
fn nearly_singular_is_not_singular() {
    for low in [1e-4, 1e-9, 1e-11] {
        let map = Matrices::new(vec![selfadjoint(&[1.0, low], &[1.0; 2], 0.7)], vec![1.0; 2]);
        let b = right(&map);
        let mut methods = vec![Method::Minres(SelfAdjoint::asserted()), Method::Gmres { restart: 8 }, Method::Dense];
        if low == 1e-4 {
            methods.push(Method::Lsmr);
        }
        for method in methods {
            let s = solve(&map, &b, None, method, &Stop::at(1e-11)).unwrap().members[0];
            assert_ne!(s.status, Status::Singular, "{method:?} with {low:e}: {s:?}");
        }
    }
}

#[test]
fn the_adaptive_series_stops_where_what_is_missing_is_within_the_tolerance() {
    for rate in [0.5, 0.9, 0.99, 0.999] {
        let values: Vec<f64> = (0..4).map(|i| 1.0 - rate * [1.0, 0.6, 0.3, 0.1][i]).collect();
        let map = Matrices::new(vec![selfadjoint(&values, &[1.0; 4], 0.7)], vec![1.0; 4]);
        let b = right(&map);
        let stop = Stop { tolerance: 1e-5, products: 100_000 };
        let x = solve(&map, &b, None, Method::NeumannAdaptive, &stop).unwrap();
        let truth = pullback::value(|a: pullback::Var| a.solve(b[0].member(0)), &map.a[0]).unwrap().into_mat();
        let missing = length(&map, &(x.x[0].member(0) - truth)) / length(&map, &b[0].member(0));
        assert!(missing <= 1e-5 && x.members[0].status == Status::Converged, "rate {rate}: {missing:e}");
    }
}

#[test]
fn residuals_of_chebyshev_are_its_polynomials() {
    // After k steps the residual along an eigenvalue l is T_k((c - l) / h) / T_k(c / h) of what it was.
    let values: Vec<f64> = (0..6).map(|i| 0.5 + 0.3 * i as f64).collect();
    let diagonal = Mat::from_fn(6, 6, |i, j| if i == j { values[i] } else { 0.0 });
    let map = Matrices::new(vec![diagonal], vec![1.0; 6]);
    let b = right(&map);
    let (low, high) = (0.4, 2.2);
    let (c, h) = (0.5 * (low + high), 0.5 * (high - low));
    for k in 1..7 {
        let stop = Stop { tolerance: 1e-300, products: k };
        let x = solve(&map, &b, None, Method::Chebyshev { low, high }, &stop).unwrap();
        let polynomial = |t: f64| (1..k).fold((1.0, t), |(before, now), _| (now, 2.0 * t * now - before)).1;
        for (i, value) in values.iter().enumerate() {
            let left = b[0].data()[i] - value * x.x[0].data()[i];
            let expected = polynomial((c - value) / h) / polynomial(c / h) * b[0].data()[i];
            assert!((left - expected).abs() < 1e-12, "{k} steps, eigenvalue {value}: {left:e} and not {expected:e}");
        }
    }
}

#[test]
fn witnesses_are_given_to_no_other_maps() {
    for n in [6, 60] {
        let g = metric(n);
        let plain = selfadjoint(&spread(n, 10.0), &g, 0.7);
        let mut turned = plain.clone();
        (0..n - 1).for_each(|i| turned[(i, i + 1)] += 1e-3);
        let mixed: Vec<f64> = (0..n).map(|i| if i % 3 == 0 { -1.0 } else { 2.0 }).collect();
        let mixed = selfadjoint(&mixed, &g, 0.7);
        let seen = |a: Mat<f64>| {
            let map = Matrices::new(vec![a], g.clone());
            (SelfAdjoint::certified(&map).unwrap().is_some(), Positive::certified(&map).unwrap().is_some())
        };
        assert_eq!((seen(plain), seen(turned), seen(mixed)), ((true, true), (false, false), (true, false)), "{n}");
    }
}

#[test]
fn short_cycles_that_gain_little_go_on() {
    let map = Matrices::new(vec![selfadjoint(&spread(12, 300.0), &[1.0; 12], 0.7)], vec![1.0; 12]);
    let stop = Stop { tolerance: 1e-8, products: 20_000 };
    let x = solve(&map, &right(&map), None, Method::Gmres { restart: 2 }, &stop).unwrap();
    assert!(x.members[0].status == Status::Converged && x.members[0].iterations > 100, "{:?}", x.members);
}

#[test]
fn a_singular_map_has_the_shortest_of_its_least_squares_solutions() {
    let map = Matrices::new(vec![selfadjoint(&[2.0, 1.0, 0.5, 0.0], &[1.0; 4], 0.7)], vec![1.0; 4]);
    let b = right(&map);
    let x = solve(&map, &b, None, Method::Dense, &Stop::at(1e-12)).unwrap();
    let truth = pullback::value(|a: pullback::Var| a.pinv_of_rank(3) * b[0].member(0), &map.a[0]).unwrap().into_mat();
    assert!((x.x[0].member(0) - truth).norm_l2() < 1e-10 && x.members[0].status == Status::Singular);
}

#[test]
fn a_small_residual_that_rounding_keeps_is_no_sign_of_a_singular_map() {
    // A tolerance below what rounding leaves: the adjoint shortens that residual to rounding, and the map is regular.
    let (g, n) = (metric(20), 20);
    for condition in [1e3, 1e5] {
        let map = Matrices::new(vec![selfadjoint(&spread(n, condition), &g, 0.7)], g.clone());
        let b = right(&map);
        let x = solve(&map, &b, None, Method::Lsmr, &Stop::at(1e-17)).unwrap();
        let s = x.members[0];
        assert!(s.status != Status::Singular && s.residual < 1e-10, "{condition:e}: {s:?}");
        assert!(error(&map, &b, &x, 0) < 1e-9 * condition, "{condition:e}: {:e}", error(&map, &b, &x, 0));
    }
    // A kernel that the right-hand side touches leaves what is not small.
    let mut values = spread(n, 10.0);
    values[n - 1] = 0.0;
    let map = Matrices::new(vec![selfadjoint(&values, &g, 0.7)], g);
    let s = solve(&map, &right(&map), None, Method::Lsmr, &Stop::at(1e-17)).unwrap().members[0];
    assert!(s.status == Status::Singular && s.residual > 1e-4, "{s:?}");
}
