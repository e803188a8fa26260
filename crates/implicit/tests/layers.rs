//! Layers on batches: a member that fails is masked and named, the others are right; certificates of what a sweep
//! solved, also where it ended off its manifold; layers inside layers, batched; a large map that GMRES does not solve.

#[path = "solutions/matrices.rs"]
mod matrices;

use matrices::{apart, mat, qf, solve, times, with_spectrum};
use pullback::faer::Mat;
use pullback::prelude::*;
use pullback::{Scalar, Shape, grad, hvp, jvp, value};
use pullback_implicit::linear::Status;
use pullback_implicit::{Condition, Error, Layer, Result, Verdict, Why, root as root_of, stationary};
use pullback_manifolds::Sphere;
use std::sync::atomic::{AtomicUsize, Ordering};

const N: usize = 3;

fn batch(f: impl Fn(usize, usize) -> f64) -> Batch {
    Batch::from_fn(Shape::batch(4, N, 1), |m, i, _| f(m, i))
}

/// `min sum cosh-like(z) - phi'z` in every member: `z + z³ = phi`, whose solution is found by Newton's method.
/// Members whose first parameter is above 5 have no solution, as far as the solver goes; a batch fails with them.
fn cubic() -> Layer<impl Condition<State = Batch, Params = Batch> + Send + Sync + 'static> {
    let blank = batch(|_, _| 0.0);
    let c = stationary(&blank, &blank, |z: Var, phi: Var| {
        let square = z.hadamard(z);
        z.dot(z) * 0.5 + square.dot(square) * 0.25 - z.dot(phi)
    })
    .flat();
    Layer::new(c, blank.clone(), blank, |phi: &Batch| {
        if phi.data().iter().step_by(N).any(|x| *x > 5.0) {
            return Err(Error::NoSteps);
        }
        Ok(Batch::from_fn(phi.shape(), |m, i, _| root(phi.data()[m * N + i])))
    })
}

fn root(phi: f64) -> f64 {
    (0..80).fold(0.0, |z: f64, _| z - (z + z * z * z - phi) / (1.0 + 3.0 * z * z))
}

/// `sum over members of mask (sum z² + weight z)`.
fn masked_loss<'t>(z: Var<'t>, mask: Var<'t>) -> Var<'t> {
    (mask * (z.dot(z) + z.dot(z.hadamard(z)))).sum()
}

fn slope(phi: f64) -> f64 {
    let z = root(phi);
    (2.0 * z + 3.0 * z * z) / (1.0 + 3.0 * z * z)
}

#[test]
fn a_member_whose_solver_fails_is_masked_and_named_and_the_others_are_right() {
    let layer = cubic();
    let phi = batch(|m, i| if m == 2 && i == 0 { 7.0 } else { 0.3 + 0.5 * m as f64 - 0.4 * i as f64 });
    let f = func(|phi: Var| {
        let (z, mask) = layer.apply_masked(&phi);
        masked_loss(z, mask)
    });
    let g = grad(&f, &phi).unwrap();
    assert_eq!(layer.failures(), [(2, Error::NoSteps)]);
    for m in 0..4 {
        for i in 0..N {
            let k = m * N + i;
            let truth = if m == 2 { 0.0 } else { slope(phi.data()[k]) };
            assert!((g.data()[k] - truth).abs() < 1e-13, "{m} {i}: {} {truth}", g.data()[k]);
        }
    }
    // Forward, and to second order: by differences of the gradient.
    let v = batch(|m, i| ((m + 2 * i) as f64).sin());
    let dot = |a: &Batch, b: &Batch| -> f64 { a.data().iter().zip(b.data()).map(|(a, b)| a * b).sum() };
    assert!((jvp(&f, &phi, &v).unwrap().1.into_mat()[(0, 0)] - dot(&g, &v)).abs() < 1e-12);
    let h = hvp(&f, &phi, &v).unwrap();
    let at = |s: f64| grad(&f, &batch(|m, i| phi.data()[m * N + i] + s * v.data()[m * N + i])).unwrap();
    let (up, down) = (at(1e-5), at(-1e-5));
    for k in 0..4 * N {
        assert!((h.data()[k] - (up.data()[k] - down.data()[k]) / 2e-5).abs() < 1e-8, "{k}");
    }
    // Without a mask the member is NaN, the others are there, and a driver that is given all of it says so.
    let z = value(func(|phi: Var| layer.apply(&phi)), &phi).unwrap_err();
    assert!(z.to_string().contains("not finite"), "{z}");
    let tape = Tape::plain();
    let z = layer.apply(&tape.constant(&phi)).value();
    assert!((z.data()[4] - root(phi.data()[4])).abs() < 1e-14 && z.data()[2 * N].is_nan());
    assert!(grad(func(|phi: Var| layer.apply(&phi).sum()), &phi).is_err());
}

#[test]
fn a_member_whose_condition_fails_and_one_that_is_not_finite() {
    // The condition takes a Cholesky factor of diag(phi): member 1 has none. The solver of member 3 returns NaN.
    let blank = batch(|_, _| 1.0);
    let c = stationary(&blank, &blank, |z: Var, phi: Var| {
        let d = phi.to_diag().cholesky().diag();
        (z - d).dot(z - d) * 0.5
    })
    .flat();
    let calls = std::sync::Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let layer = Layer::new(c, blank.clone(), blank, move |phi: &Batch| {
        counted.fetch_add(1, Ordering::Relaxed);
        Ok(Batch::from_fn(phi.shape(), |m, i, _| {
            let x = phi.data()[m * N + i];
            if x > 50.0 { f64::NAN } else { x.abs().sqrt() }
        }))
    });
    let phi = batch(|m, i| match m {
        1 => -1.0,
        3 => 60.0 + i as f64,
        _ => 1.0 + i as f64 + m as f64,
    });
    let g = grad(
        func(|phi: Var| {
            let (z, mask) = layer.apply_masked(&phi);
            (mask * z.dot(z.hadamard(z))).sum()
        }),
        &phi,
    )
    .unwrap();
    let failures = layer.failures();
    assert_eq!(failures.iter().map(|f| f.0).collect::<Vec<_>>(), [1, 3]);
    assert!(matches!(failures[0].1, Error::Engine(_)), "{}", failures[0].1);
    assert!(matches!(failures[1].1, Error::NotFinite { member: 3, .. }), "{}", failures[1].1);
    // z³ = phi^{3/2}.
    for m in 0..4 {
        for k in m * N..(m + 1) * N {
            let truth = if m % 2 == 1 { 0.0 } else { 1.5 * phi.data()[k].sqrt() };
            assert!((g.data()[k] - truth).abs() < 1e-12, "{k}");
        }
    }
    // An answer is looked for once, not once for every rule.
    assert!(calls.load(Ordering::Relaxed) < 12, "{calls:?}");
}

/// `min phi z²/2 - z` for each number: singular at `phi = 0`.
fn reciprocal() -> Layer<impl Condition<State = Batch, Params = Batch> + Send + Sync + 'static> {
    let blank = Batch::from_fn(Shape::batch(3, 1, 1), |_, _, _| 1.0);
    let c = stationary(&blank, &blank, |z: Var, phi: Var| z.dot(z) * phi * 0.5 - z.dot(phi)).flat();
    Layer::new(c, blank.clone(), blank, |phi: &Batch| Ok(Batch::from_fn(phi.shape(), |_, _, _| 1.0)))
}

#[test]
fn a_singular_member_is_masked_and_named_too() {
    let layer = reciprocal();
    let phi = Batch::from_fn(Shape::batch(3, 1, 1), |m, _, _| [2.0, 0.0, -1.0][m]);
    let g = grad(
        func(|phi: Var| {
            let (z, mask) = layer.apply_masked(&phi);
            (mask * (z + phi)).sum()
        }),
        &phi,
    )
    .unwrap();
    assert_eq!(layer.failures(), [(1, Error::System { member: 1, status: Status::Singular })]);
    assert_eq!(g.data(), [1.0, 0.0, 1.0]);
    assert!(grad(func(|phi: Var| layer.apply(&phi).sum()), &phi).is_err());
}

#[test]
fn a_layer_all_of_whose_members_fail_is_an_error() {
    let layer = cubic();
    let phi = batch(|_, _| 9.0);
    let f = func(|phi: Var| {
        let (z, mask) = layer.apply_masked(&phi);
        masked_loss(z, mask)
    });
    assert!(grad(&f, &phi).is_err());
    assert_eq!(layer.failures().len(), 4);
}

#[test]
fn certificates_of_what_a_sweep_solved() {
    let layer = cubic().certified();
    let f = func(|phi: Var| {
        let (z, mask) = layer.apply_masked(&phi);
        masked_loss(z, mask)
    });
    let phi = batch(|m, i| 0.3 + 0.5 * m as f64 - 0.4 * i as f64);
    grad(&f, &phi).unwrap();
    let all = layer.certificates();
    assert_eq!((all.len(), all[0].verdict, all[0].members.len()), (1, Verdict::Verified, 4), "{}", all[0]);
    assert!(layer.certificates().is_empty());
    // A member that failed is named in it.
    let bad = batch(|m, i| if m == 2 { 7.0 } else { 0.3 + 0.1 * i as f64 });
    grad(&f, &bad).unwrap();
    let all = layer.certificates();
    assert_eq!(all[0].verdict, Verdict::Invalid(Why::Failed { member: 2 }), "{}", all[0]);
    assert!((0..4).all(|m| (m == 2) != (all[0].members[m].verdict == Verdict::Verified)));
    // A solver that stops too early: the layer differentiates there, and the certificate tells the error.
    let blank = Mat::<f64>::zeros(N, 1);
    let c = stationary(&blank, &blank, |z: Var, phi: Var| {
        let square = z.hadamard(z);
        z.dot(z) * 0.5 + square.dot(square) * 0.25 - z.dot(phi)
    })
    .flat();
    let rough = Layer::new(c, blank.clone(), blank, |phi: &Mat<f64>| {
        Ok(Mat::from_fn(N, 1, |i, _| root(phi[(i, 0)]) * (1.0 + 1e-3 * (i as f64 + 1.0))))
    })
    .certified();
    let (phi, w) = (mat(800, N, 1), mat(801, N, 1));
    let g = grad(func(|phi: Var| rough.apply(&phi).dot(&w)), &phi).unwrap();
    let truth = Mat::from_fn(N, 1, |i, _| w[(i, 0)] / (1.0 + 3.0 * root(phi[(i, 0)]).powi(2)));
    let (error, told) = ((&g - &truth).norm_l2(), rough.certificates()[0].error.unwrap());
    assert!(told.total > 0.5 * error && told.total < 2.0 * error && error > 1e-6, "{told:?} {error:e}");
}

#[test]
fn a_batched_layer_inside_the_cost_of_a_batched_layer() {
    // Outer: min |y|²/2 + y'z(y/4 + phi)/5 - y'phi, with z the cubic layer; every member apart.
    let inner = cubic();
    let blank = batch(|_, _| 0.0);
    let again = inner.clone();
    let c = stationary(&blank, &blank, move |y: Var, phi: Var| {
        let z = inner.apply(&(y * 0.25 + phi));
        y.dot(y) * 0.5 + y.dot(z) * 0.2 - y.dot(phi)
    })
    .flat();
    // Entry by entry: y + z(u)/5 + y z'(u)/20 = phi with u = y/4 + phi, by bisection.
    let solve = |phi: f64| {
        let r = |y: f64| {
            let z = root(y * 0.25 + phi);
            y + 0.2 * z + 0.05 * y / (1.0 + 3.0 * z * z) - phi
        };
        let (mut a, mut b) = (-9.0, 9.0);
        for _ in 0..90 {
            let m = 0.5 * (a + b);
            if r(m) > 0.0 { b = m } else { a = m }
        }
        0.5 * (a + b)
    };
    let solver =
        move |phi: &Batch| -> Result<Batch> { Ok(Batch::from_fn(phi.shape(), |m, i, _| solve(phi.data()[m * N + i]))) };
    let outer = Layer::new(c, blank.clone(), blank, solver).certified();
    let phi = batch(|m, i| 0.3 + 0.5 * m as f64 - 0.4 * i as f64);
    let g = grad(func(|phi: Var| outer.apply(&phi).sum()), &phi).unwrap();
    for k in 0..4 * N {
        let (h, x) = (1e-4, phi.data()[k]);
        let d = (8.0 * (solve(x + h) - solve(x - h)) - (solve(x + 2.0 * h) - solve(x - 2.0 * h))) / (12.0 * h);
        assert!((g.data()[k] - d).abs() < 1e-8, "{k}: {} {d}", g.data()[k]);
    }
    assert_eq!(outer.certificates()[0].verdict, Verdict::Verified);
    assert!(again.failures().is_empty());
    // A member alone is what it is in the batch: bit for bit the numbers of its own do not depend on its neighbours.
    let other = batch(|m, i| if m == 1 { phi.data()[N + i] } else { -0.2 * (m + i) as f64 });
    let h = grad(func(|phi: Var| outer.apply(&phi).sum()), &other).unwrap();
    assert!((0..N).all(|i| (h.data()[N + i] - g.data()[N + i]).abs() < 1e-14));
}

#[test]
fn a_layer_is_replayed_with_other_members_failing() {
    // A held tape: recorded where all is well, replayed where a member fails.
    let layer = cubic();
    let good = batch(|m, i| 0.3 + 0.5 * m as f64 - 0.4 * i as f64);
    let tape = Tape::new();
    let phi = tape.input(&good);
    let (z, mask) = layer.apply_masked(&phi);
    let loss = masked_loss(z, mask);
    let first = tape.gradient(loss, phi).unwrap();
    assert!((first.data()[0] - slope(good.data()[0])).abs() < 1e-13);
    let bad = batch(|m, i| if m == 1 { 8.0 } else { good.data()[m * N + i] });
    tape.set(phi, &bad);
    let second = tape.gradient(loss, phi).unwrap();
    assert_eq!(layer.failures().iter().map(|f| f.0).collect::<Vec<_>>(), [1]);
    let rest = |g: &Batch| Mat::from_fn(2 * N, 1, |k, _| g.data()[2 * N + k]);
    assert!(apart(&rest(&second), &rest(&first)) < 1e-14 && second.data()[N..2 * N].iter().all(|x| *x == 0.0));
}

/// The cubic layer, by a solver that is off by a factor `1 + off` in each member.
fn rough(off: [f64; 4]) -> Layer<impl Condition<State = Batch, Params = Batch> + Send + Sync + 'static> {
    let blank = batch(|_, _| 0.0);
    let c = stationary(&blank, &blank, |z: Var, phi: Var| {
        let square = z.hadamard(z);
        z.dot(z) * 0.5 + square.dot(square) * 0.25 - z.dot(phi)
    })
    .flat();
    Layer::new(c, blank.clone(), blank, move |phi: &Batch| {
        Ok(Batch::from_fn(phi.shape(), |m, i, _| root(phi.data()[m * N + i]) * (1.0 + off[m])))
    })
}

fn masked_square<C>(layer: &Layer<C>, phi: &Batch) -> pullback::Result<Batch>
where
    C: Condition<State = Batch, Params = Batch> + Send + Sync + 'static,
{
    let f = func(|phi: Var| {
        let (z, mask) = layer.apply_masked(&phi);
        (mask * z.dot(z)).sum()
    });
    grad(&f, phi)
}

#[test]
fn the_forward_solve_has_a_certificate_for_each_member() {
    let phi = batch(|m, i| 0.6 + 0.5 * m as f64 - 0.2 * i as f64);
    let layer = rough([0.0, 1e-3, f64::NAN, 2.0]);
    assert!(layer.solutions().unwrap().is_empty());
    let f = |layer: &Layer<_>| masked_square(layer, &phi);
    let g = f(&layer).unwrap();
    let found = layer.solutions().unwrap();
    assert_eq!(found[0].verdict, Verdict::Verified, "{}", found[0]);
    // The Newton step is the distance: 1e-3 of the solution.
    assert_eq!(found[1].verdict, Verdict::Estimated, "{}", found[1]);
    assert!((found[1].distance / 1e-3 - 1.0).abs() < 0.01, "{}", found[1]);
    assert_eq!(found[2].verdict, Verdict::Invalid(Why::Failed { member: 2 }));
    assert!(matches!(found[3].verdict, Verdict::Suspect(Why::NotASolution { .. })), "{}", found[3]);
    // Anything finite is taken, unless the layer was told otherwise: then members fail, one by one.
    assert!(g.data()[3 * N] != 0.0 && layer.failures().len() == 1);
    for (within, named) in [(0.5, vec![2, 3]), (1e-2, vec![2, 3]), (1e-4, vec![1, 2, 3])] {
        let strict = rough([0.0, 1e-3, f64::NAN, 2.0]).within(within);
        let h = f(&strict).unwrap();
        let failures = strict.failures();
        assert_eq!(failures.iter().map(|f| f.0).collect::<Vec<_>>(), named, "{within}");
        for m in 0..4 {
            let same = |k| if named.contains(&m) { h.data()[k] == 0.0 } else { h.data()[k] == g.data()[k] };
            assert!((m * N..(m + 1) * N).all(same), "{within} {m}");
        }
        let last = &failures[failures.len() - 1].1;
        assert!(matches!(last, Error::NotStationary { member: 3, .. }), "{last}");
        assert!(last.to_string().starts_with("expected a solution of member 3 within"), "{last}");
        // What was found of a solution that was not taken is still told.
        let told = strict.solutions().unwrap();
        assert!((told[1].distance / 1e-3 - 1.0).abs() < 0.01 && told[0].verdict == Verdict::Verified);
    }
}

#[test]
fn a_forward_solve_is_judged_where_the_map_is_singular_and_in_a_batch_of_one() {
    // phi z²/2 - z phi: any z at phi = 0.
    let layer = reciprocal();
    let phi = Batch::from_fn(Shape::batch(3, 1, 1), |m, _, _| [2.0, 0.0, -1.0][m]);
    let tape = Tape::plain();
    let _ = layer.apply(&tape.constant(&phi));
    let found = layer.solutions().unwrap();
    let singular = Verdict::Suspect(Why::Solver { member: 1, status: Status::Singular });
    assert!(found[0].verdict == Verdict::Verified && found[2].verdict == Verdict::Verified, "{found:?}");
    assert_eq!(found[1].verdict, singular);
    // One member, a point of no solution: NaN, which drivers report, if the layer is strict; else its certificate says.
    let lone = |strict: bool| {
        let c = stationary(&0.0f64, &1.0f64, |z: Var, phi: Var| ((z - phi).dot(z - phi) + 1.0).ln()).flat();
        let layer = Layer::new(c, 0.0f64, 1.0f64, |_: &f64| Ok(9.0));
        if strict { layer.within(0.1) } else { layer }
    };
    let (free, strict) = (lone(false), lone(true));
    assert!(grad(func(|p: Var| free.apply(&p)), &1.0).is_ok());
    assert!(!free.solutions().unwrap()[0].verdict.is_sound());
    assert!(grad(func(|p: Var| strict.apply(&p)), &1.0).is_err());
    assert!(matches!(strict.failures()[0].1, Error::NotStationary { member: 0, .. }));
}

#[test]
fn a_solver_that_leaves_the_manifold_has_no_certificate_that_is_silent() {
    // `x = b / |b|`, by a solver that ends off the sphere: the sweep has its numbers, and they are that much off.
    let (b, w) = (mat(520, 3, 1), mat(521, 3, 1));
    let length = b.norm_l2();
    let x = &b * (1.0 / length);
    let truth = (&w - &x * matrices::dot(&w, &x)) * (1.0 / length);
    for off in [0.0, 1e-9, 1e-6] {
        let c = stationary(&b, &b, |z: Var, p: Var| -z.dot(p)).on(&*SPHERE);
        let solver = move |p: &Mat<f64>| Ok(p * ((1.0 + off) / p.norm_l2()));
        let layer = Layer::new(c, b.clone(), b.clone(), solver).certified();
        let g = grad(func(|p: Var| layer.apply(&p).dot(&w)), &b).unwrap();
        assert!(apart(&g, &truth) <= 10.0 * off + 1e-14, "{off:e}");
        let all = layer.certificates();
        assert_eq!(all.len(), 1, "{off:e}: every system leaves a certificate");
        let expected = if off == 0.0 { Verdict::Verified } else { Verdict::Invalid(Why::Failed { member: 0 }) };
        assert_eq!((all[0].verdict, all[0].members[0].verdict), (expected, expected), "{off:e}: {}", all[0]);
        // The layer says how.
        let why = layer.solutions();
        assert_eq!(why.is_ok(), off == 0.0, "{off:e}");
        assert!(why.err().is_none_or(|e| e.to_string().contains("not a point")), "{off:e}");
    }
}

/// The derivative of `A z = b` by a layer in 60 dimensions, with condition number 10: its error and its verdict.
macro_rules! large_root {
    ($name:ident, $t:ty) => {
        fn $name() -> (f64, Verdict) {
            let n = 60;
            let a = times(&qf(&mat(530, n, n)), &times(&with_spectrum(&spread(n, 10.0), 531), &qf(&mat(532, n, n))));
            let narrow = |m: &Mat<f64>| Mat::<$t>::from_fn(m.nrows(), m.ncols(), |i, j| m[(i, j)] as $t);
            let wide = |m: &Mat<$t>| Mat::<f64>::from_fn(m.nrows(), m.ncols(), |i, j| f64::from(m[(i, j)]));
            let (a, b, w) = (narrow(&a), narrow(&mat(533, n, 1)), narrow(&mat(534, n, 1)));
            let z = narrow(&solve(&wide(&a), &wide(&b)));
            let truth = solve(&wide(&a).transpose().to_owned(), &wide(&w));
            let c = root_of(&b, &b, move |z: Var<'_, $t>, p: Var<'_, $t>| &a * z - p).flat();
            let layer = Layer::new(c, b.clone(), b.clone(), move |_: &Mat<$t>| Ok(z.clone())).certified();
            let g = grad(func_of(|p: Var<'_, $t>| layer.apply(&p).dot(&w)), &b).unwrap();
            (apart(&wide(&g), &truth), layer.certificates()[0].verdict)
        }
    };
}

large_root!(root_in_double, f64);
large_root!(root_in_single, f32);

#[test]
fn a_large_map_that_is_well_conditioned_and_whose_eigenvalues_are_all_around_zero() {
    // Restarted GMRES is stuck there; and in single precision no solver is as exact as in double.
    for ((error, verdict), most) in [(root_in_double(), 1e-11), (root_in_single(), 1e-4)] {
        assert!(error < most && verdict == Verdict::Verified, "{error:e}: {verdict}");
    }
}

fn func_of<T: Scalar, F: for<'t> Fn(Var<'t, T>) -> Var<'t, T>>(f: F) -> F {
    f
}

fn spread(n: usize, condition: f64) -> Vec<f64> {
    (0..n).map(|i| condition.powf(-(i as f64) / (n - 1) as f64)).collect()
}

static SPHERE: std::sync::LazyLock<Sphere> = std::sync::LazyLock::new(|| Sphere::new(3, 1));

#[test]
fn a_layer_in_any_units_keeps_its_digits() {
    for scale in [1e-12f64, 1e-5, 1.0, 1e5, 1e12] {
        let near = stationary(&0.3f64, &0.3f64, move |z: Var, p: Var| (z - p) * (z - p) * scale).flat();
        let line = Layer::new(near, 0.3, 0.3, |p: &f64| Ok(*p));
        let slope: f64 = grad(func(|p: Var| line.apply(&p)), &0.3).unwrap();
        assert!((slope - 1.0).abs() < 1e-14, "in units of {scale:e} {slope}");

        // The direction of a vector, on the sphere: the normal part of a cotangent is as long as the rest.
        let b = Batch::from_fn(Shape::mat(3, 1), |_, i, _| [0.3, -1.0, 0.7][i]);
        let [w, d] = [[1.0, 2.0, 3.0], [-0.4, 0.9, 0.2]].map(|x| Batch::from_slice(Shape::mat(3, 1), &x));
        let sphere: &'static Sphere = Box::leak(Box::new(Sphere::new(3, 1)));
        let direction = |p: &Batch| value(|p: Var| p.elem_div(p.norm()), p);
        let c = stationary(&b, &b, move |z: Var, p: Var| z.dot(p) * -scale).on(sphere);
        let layer = Layer::new(c, b.clone(), b.clone(), move |p: &Batch| Ok(direction(p)?)).certified();
        let (f, closed) = (func(|p: Var| layer.apply(&p).dot(&w)), func(|p: Var| p.elem_div(p.norm()).dot(&w)));
        let apart =
            |a: &Batch, b: &Batch| a.data().iter().zip(b.data()).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        let found = [grad(&f, &b).unwrap(), hvp(&f, &b, &d).unwrap()];
        let truth = [grad(&closed, &b).unwrap(), hvp(&closed, &b, &d).unwrap()];
        let (one, two) = (apart(&found[0], &truth[0]), apart(&found[1], &truth[1]));
        assert!(one < 1e-13 && two < 1e-10, "in units of {scale:e} {one:e} {two:e}");
        let off = apart(&jvp(&f, &b, &d).unwrap().1, &jvp(&closed, &b, &d).unwrap().1);
        assert!(off < 1e-13, "in units of {scale:e} {off:e}");
        assert_eq!(layer.certificates()[0].verdict, Verdict::Verified);
    }
}
