//! Barzilai & Borwein's steps, cubic regularisation and Nelder & Mead's simplex: closed forms, known optima, rates, and
//! what every solver must do at a hard start.

mod known;

use known::{UnitVectors, allocations, dominant, known_matrix, largest, order, orthonormal, resumes, symmetric};
use pullback::faer::{Mat, mat};
use pullback::prelude::*;
use pullback_manifolds::{Euclidean, Grassmann, Manifold, Retraction, Sphere, rng};
use pullback_optim::{AdaptiveCubics, BarzilaiBorwein, NelderMead, Problem, Solver, Stop, Why};

fn rosenbrock<'t>(x: Var<'t>) -> Var<'t> {
    let (x, y) = (x.row(0), x.row(1));
    let (valley, floor) = (y - x * x, x - 1.0);
    valley * valley * 100.0 + floor * floor
}

#[test]
fn barzilai_borwein_steps_in_flat_space_are_their_recurrence() {
    let m = Euclidean::new(3, 1);
    let a = mat![[1.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 20.0]];
    let x0: Mat<f64> = mat![[1.0], [-2.0], [0.5]];
    let cost = |x: &Mat<f64>| 0.5 * (x.transpose() * (&a * x))[(0, 0)];
    let problem = Problem::new(&m, &x0, |x| x.t_mul(&a * x) * 0.5);
    let mut run = problem.run(BarzilaiBorwein::default(), Stop::Iterations(15));
    run.step().unwrap();
    let mut x = x0.clone();
    let mut step = 1.0 / (&a * &x).norm_l2();
    let mut costs = vec![cost(&x)];
    for k in 0..15 {
        let next = &x - &a * &x * step;
        let worst = costs.iter().rev().take(10).copied().fold(f64::MIN, f64::max);
        assert!(cost(&next) < worst, "this start needs no halving");
        costs.push(cost(&next));
        let (s, y) = (&next - &x, &a * &(&next - &x));
        let dot = |u: &Mat<f64>, v: &Mat<f64>| (u.transpose() * v)[(0, 0)];
        step = if k % 2 == 0 { dot(&s, &s) / dot(&s, &y) } else { dot(&s, &y) / dot(&y, &y) };
        x = next;
        let at = run.step().unwrap().unwrap();
        let off = (at.point[0].member(0) - &x).norm_max();
        assert!(off < 1e-11, "step {}: {off:e}", k + 1);
    }
    assert!(costs.windows(2).any(|c| c[1] > c[0]), "it is not monotone");
}

#[test]
fn a_cost_may_rise_above_the_last_one_and_not_above_the_last_few() {
    let m = Euclidean::new(4, 1);
    let x0: Mat<f64> = mat![[1.0], [-2.0], [0.5], [0.3]];
    let problem = Problem::new(&m, &x0, |x| {
        let curved = x.hadamard(x) + 0.01;
        let weights = x.tape().constant(&mat![[1.0], [7.0], [60.0], [900.0]]);
        (curved.sqrt().hadamard(weights)).sum() + x.dot(x)
    });
    let mut rises = 0;
    for memory in [1, 2, 3] {
        let solver = BarzilaiBorwein { memory, ..BarzilaiBorwein::default() };
        let c = problem.solve(solver, Stop::GradientNorm(1e-6) | Stop::Iterations(200)).unwrap().history.costs();
        for k in 1..c.len() {
            let worst = c[k.saturating_sub(memory)..k].iter().copied().fold(f64::MIN, f64::max);
            assert!(c[k] <= worst * (1.0 + 1e-13), "memory {memory}, step {k}: {:e} above {worst:e}", c[k]);
            rises += usize::from(c[k] > c[k - 1] * (1.0 + 1e-9));
        }
    }
    assert!(rises > 3, "{rises}");
}

#[test]
fn a_simplex_on_a_line_is_reflected_or_contracted() {
    // From 0 and 1 or -1, towards 1.4 and -1.4: where the simplex points away, the reflected point is taken, at 1;
    // where it points there, the point at 2 is worse, and the contracted one at 1.5 is taken.
    let line = Euclidean::new(1, 1);
    let mut ends = [1.4, -1.4].map(|c| {
        let problem = Problem::new(&line, &0.0f64, move |x: Var| (x - c) * (x - c));
        let solver = NelderMead { size: Some(1.0), ..NelderMead::default() };
        problem.solve(solver, Stop::Iterations(1)).unwrap().point.abs()
    });
    ends.sort_by(f64::total_cmp);
    assert!((ends[0] - 1.0).abs() < 1e-12 && (ends[1] - 1.5).abs() < 1e-12, "{ends:?}");
}

#[test]
fn barzilai_borwein_reaches_what_costs_cannot_tell() {
    let stop = Stop::GradientNorm(1e-8) | Stop::Iterations(400);
    let found = dominant(BarzilaiBorwein::default(), stop);
    // The reference takes 99, and the way is chaotic.
    assert!(found.why.met("gradient norm") && found.iterations < 200, "{} after {}", found.why, found.iterations);
    assert!((found.cost - largest()).abs() < 1e-12 * largest().abs());
    let found = dominant(BarzilaiBorwein::default(), Stop::GradientNorm(1e-10) | Stop::Iterations(800));
    assert!(found.why.met("gradient norm"), "{} after {}: {:e}", found.why, found.iterations, found.gradient);
    // With a memory of one cost, none rises.
    let monotone = BarzilaiBorwein { memory: 1, ..BarzilaiBorwein::default() };
    let costs = dominant(monotone, Stop::Iterations(60)).history.costs();
    assert!(costs.windows(2).all(|c| c[1] < c[0]));
}

#[test]
fn the_first_cubic_step_is_the_closed_form() {
    // On a line with slope g, curvature a and weight sigma: g + a s + sigma |s| s = 0.
    let line = Euclidean::new(1, 1);
    for (x0, a) in [(2.0, 1.5), (-0.3, 4.0)] {
        let sigma = 0.7;
        let problem = Problem::new(&line, &x0, |x: Var| x * x * (0.5 * a));
        let solver = AdaptiveCubics { sigma: Some(sigma), ..AdaptiveCubics::default() };
        let found = problem.solve(solver, Stop::Iterations(1)).unwrap();
        let g: f64 = a * x0;
        let length = (-a + (a * a + 4.0 * sigma * g.abs()).sqrt()) / (2.0 * sigma);
        assert!((found.point - (x0 - g.signum() * length)).abs() < 1e-12, "{}", found.point);
    }
}

#[test]
fn cubics_take_the_iterations_of_the_reference_and_converge_superlinearly() {
    let solver = AdaptiveCubics { sigma: Some(100.0 / 3f64.sqrt()), ..AdaptiveCubics::default() };
    let found = dominant(solver, Stop::GradientNorm(1e-8) | Stop::Iterations(50));
    assert!(found.why.met("gradient norm"), "{}", found.why);
    assert!(found.iterations <= 9, "{} iterations, the reference takes 8", found.iterations);
    assert!((found.cost - largest()).abs() < 1e-10 * largest().abs());
    let g = found.history.gradients();
    assert!(order(&g) > 1.4, "gradients {g:?}");
}

#[test]
fn cubics_leave_a_saddle_along_negative_curvature() {
    // A saddle at 0, minima at y = ±1 with cost -1/4.
    let plane = Euclidean::new(2, 1);
    let near: Mat<f64> = mat![[1e-9], [1e-9]];
    let problem = Problem::new(&plane, &near, |x| {
        let y = x.row(1);
        x.row(0) * x.row(0) * 0.5 - y * y * 0.5 + y * y * y * y * 0.25
    });
    let found = problem.solve(AdaptiveCubics::default(), Stop::GradientNorm(1e-12) | Stop::Iterations(60)).unwrap();
    // With the default weight a step from rest has the length 1/sigma; Newton's method would go back to the saddle.
    assert!((found.cost + 0.25).abs() < 1e-14, "{} after {}: {}", found.why, found.iterations, found.cost);
    assert!((found.point[(1, 0)].abs() - 1.0).abs() < 1e-10);
}

#[test]
fn a_valley_is_no_obstacle() {
    let plane = Euclidean::new(2, 1);
    let x0: Mat<f64> = mat![[-1.2], [1.0]];
    let problem = Problem::new(&plane, &x0, rosenbrock);
    let stop = || Stop::GradientNorm(1e-9) | Stop::Iterations(2000);
    for (found, steps) in [
        (problem.solve(AdaptiveCubics::default(), stop()).unwrap(), 80),
        (problem.solve(BarzilaiBorwein::default(), stop()).unwrap(), 400),
        (problem.solve(NelderMead::default(), stop()).unwrap(), 300),
    ] {
        let off = (&found.point - mat![[1.0], [1.0]]).norm_max();
        assert!(off < 1e-6, "{} after {}: off by {off:e}", found.why, found.iterations);
        assert!(found.iterations < steps, "{}", found.iterations);
    }
}

#[test]
fn the_simplex_needs_no_derivative_and_no_flat_space() {
    // No derivative where it is least.
    let plane = Euclidean::new(2, 1);
    let x0: Mat<f64> = mat![[3.0], [-2.0]];
    let problem = Problem::new(&plane, &x0, |x: Var| x.row(0).abs() + (x.row(1) - 1.0).abs() * 2.0);
    let found = problem.solve(NelderMead::default(), Stop::Iterations(2000)).unwrap();
    assert!(matches!(&found.why, Why::Stalled(why) if why.contains("as small as was asked")), "{}", found.why);
    assert!(found.cost < 1e-7 && found.gradient.is_nan() && found.counts.gradients == 0, "{}", found.cost);
    // The lowest eigenvalue, over the curves of a retraction with an inverse.
    let a = symmetric(known_matrix(11, 4, 4));
    let lowest = Tape::plain().constant(&a).eigvalsh().value().data()[0];
    let sphere = UnitVectors { n: 4, inverse: true };
    let x0 = sphere.random_point(1, &mut rng(4)).swap_remove(0).into_mat();
    let problem = Problem::new(&sphere, &x0, |x| x.t_mul(&a * x));
    let found = problem.solve(NelderMead::default(), Stop::Iterations(2000)).unwrap();
    assert!((found.cost - lowest).abs() < 1e-12, "{} and not {lowest}: {}", found.cost, found.why);
    assert!((found.point.norm_l2() - 1.0).abs() < 1e-14);
    // Over great circles, and over the geodesics of a quotient.
    let circles = Sphere::new(4, 1);
    let found = Problem::new(&circles, &x0, |x| x.t_mul(&a * x)).solve(NelderMead::default(), Stop::Iterations(2000));
    assert!((found.unwrap().cost - lowest).abs() < 1e-12);
    let gr = Grassmann::new(4, 1);
    let found = Problem::new(&gr, &x0, |x| x.t_mul(&a * x)).solve(NelderMead::default(), Stop::Iterations(2000));
    assert!((found.unwrap().cost - lowest).abs() < 1e-12);
    // Without an inverse there are no lines.
    let bare = UnitVectors { n: 4, inverse: false };
    let failed = Problem::new(&bare, &x0, |x| x.t_mul(&a * x)).solve(NelderMead::default(), Stop::default());
    let text = failed.unwrap_err().to_string();
    assert!(text.contains("an exponential and a logarithm") && text.contains("unit vectors of R^4"), "{text}");
}

#[test]
fn the_trajectory_does_not_see_the_basis_of_a_subspace() {
    let a = symmetric(known_matrix(3, 30, 30));
    let x0 = orthonormal(&known_matrix(4, 30, 3));
    let turned = &x0 * orthonormal(&known_matrix(9, 3, 3));
    for retraction in [Retraction::Polar, Retraction::Qr] {
        let gr = Grassmann::new(30, 3).with(retraction);
        let points = |x0: &Mat<f64>, solver: BarzilaiBorwein| -> Vec<Mat<f64>> {
            let problem = Problem::new(&gr, x0, |x| -x.t_mul(&a * x).trace());
            let mut run = problem.run(solver, Stop::Iterations(60));
            let mut out = Vec::new();
            while let Some(at) = run.step().unwrap() {
                let x = at.point[0].member(0);
                out.push(&x * x.transpose());
            }
            out
        };
        let solver = BarzilaiBorwein::default();
        let (one, other) = (points(&x0, solver), points(&turned, solver));
        let off = one.iter().zip(&other).map(|(p, q)| (p - q).norm_max()).fold(0.0, f64::max);
        assert!(off < 1e-10, "{retraction:?}: {off:e}");
    }
}

#[test]
fn resumed_runs_are_the_uninterrupted_ones_bit_for_bit() {
    let a = symmetric(known_matrix(3, 20, 20));
    let x0 = orthonormal(&known_matrix(4, 20, 2));
    let gr = Grassmann::new(20, 2);
    let problem = Problem::new(&gr, &x0, |x| -x.t_mul(&a * x).trace());
    resumes(&problem, BarzilaiBorwein::default());
    resumes(&problem, BarzilaiBorwein { memory: 3, ..BarzilaiBorwein::default() });
    resumes(&problem, AdaptiveCubics::default());
    // Rejected at first, so that Lanczos' vectors are taken over a pause.
    let plane = Euclidean::new(2, 1);
    let x0: Mat<f64> = mat![[-1.2], [1.0]];
    let valley = Problem::new(&plane, &x0, rosenbrock);
    resumes(&valley, AdaptiveCubics { sigma: Some(1e-6), ..AdaptiveCubics::default() });
    resumes(&valley, NelderMead::default());
}

#[test]
fn no_step_allocates_after_the_first_ones() {
    let a = symmetric(known_matrix(3, 40, 40));
    let gr = Grassmann::new(40, 2);
    let x0 = gr.random_point(1, &mut rng(1)).swap_remove(0);
    let problem = Problem::new(&gr, &x0, |x| -x.t_mul(&a * x).trace());
    // The history may grow its list once.
    assert!(allocations(&problem, BarzilaiBorwein::default()) <= 2);
    let slow = AdaptiveCubics { min_sigma: 1e6, sigma: Some(1e6), max_inner: Some(4), ..AdaptiveCubics::default() };
    assert!(allocations(&problem, slow) <= 2);
    let flat = Euclidean::new(3, 1);
    let start = flat.random_point(1, &mut rng(1)).swap_remove(0);
    let bowl = Problem::new(&flat, &start, |x| x.dot(x) + x.sum().exp());
    let seen = allocations(&bowl, NelderMead::default());
    assert!(seen <= 2, "{seen}");
}

#[test]
fn hard_starts_end_for_a_stated_reason() {
    fn all<S: Solver + Clone>(solver: S) {
        let name = solver.name();
        let line = Euclidean::new(1, 1);
        let stop = || Stop::GradientNorm(1e-9) | Stop::Iterations(500);
        // At the optimum; constant; without a lower bound; with an end of the domain on the way; flat at the optimum.
        let found = Problem::new(&line, &0.0f64, |x| x * x).solve(solver.clone(), stop()).unwrap();
        assert!(found.why != Why::Running && found.cost.abs() < 1e-15, "{name}: {}", found.why);
        let found = Problem::new(&line, &1.0f64, |x| x * 0.0).solve(solver.clone(), stop()).unwrap();
        assert!(found.why != Why::Running, "{name}: {}", found.why);
        let found = Problem::new(&line, &1.0f64, |x: Var| x * x * x).solve(solver.clone(), stop()).unwrap();
        assert!(found.why != Why::Running && found.cost.is_finite() && found.cost < 0.5, "{name}: {}", found.why);
        let found = Problem::new(&line, &5.0f64, |x: Var| x - x.ln()).solve(solver.clone(), stop()).unwrap();
        assert!((found.point - 1.0).abs() < 1e-5, "{name}: {} at {}", found.why, found.point);
        let found = Problem::new(&line, &1.0f64, |x: Var| x * x * x * x).solve(solver.clone(), stop()).unwrap();
        assert!(found.cost < 1e-9, "{name}: {} at {}", found.why, found.point);
        // Not finite at the start: an error.
        assert!(Problem::new(&line, &-1.0f64, |x| x.ln()).solve(solver.clone(), stop()).is_err());
        // A panic leaves the last good state.
        let problem = Problem::new(&line, &4.0f64, |x: Var| {
            assert!(x.scalar() > 1.0, "below one");
            x * x
        });
        let mut run = problem.run(solver, Stop::Iterations(500));
        run.step().unwrap();
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| while run.step().unwrap().is_some() {}));
        assert!(caught.is_err(), "{name}");
        let found = run.finish();
        assert!(found.point > 1.0 && (found.cost - found.point * found.point).abs() < 1e-12, "{name}");
    }
    all(BarzilaiBorwein::default());
    all(AdaptiveCubics::default());
    all(NelderMead::default());
}

#[test]
fn settings_out_of_bounds_are_errors() {
    let line = Euclidean::new(1, 1);
    let problem = Problem::new(&line, &1.0f64, |x: Var| x * x);
    let says = |failed: pullback_optim::Result<pullback_optim::Found<f64>>, what: &str| {
        let text = failed.unwrap_err().to_string();
        assert!(text.contains(what), "{text}");
    };
    let bb = BarzilaiBorwein::default();
    says(problem.solve(BarzilaiBorwein { memory: 0, ..bb }, Stop::default()), "memory: expected at least 1, got 0");
    says(problem.solve(BarzilaiBorwein { longest: 1e-16, ..bb }, Stop::default()), "longest");
    let arc = AdaptiveCubics::default();
    says(problem.solve(AdaptiveCubics { good: 0.95, ..arc }, Stop::default()), "good: expected 0 < good <= very_good");
    says(problem.solve(AdaptiveCubics { sigma: Some(0.0), ..arc }, Stop::default()), "sigma");
    let nm = NelderMead::default();
    says(problem.solve(NelderMead { size: Some(f64::NAN), ..nm }, Stop::default()), "size: expected a positive number");
}

#[test]
fn single_precision_ends_for_a_stated_reason_near_the_answer() {
    fn one<S: Solver<f32>>(solver: S) {
        let name = solver.name();
        let a = symmetric(known_matrix(3, 12, 12));
        let values = Tape::plain().constant(&a).eigvalsh().value();
        let expected = values.data()[0] + values.data()[1];
        let a32 = Mat::<f32>::from_fn(12, 12, |i, j| a[(i, j)] as f32);
        let gr = Grassmann::new(12, 2);
        let x0: Batch<f32> = Manifold::random_point(&gr, 1, &mut rng(3)).swap_remove(0);
        let problem = Problem::new(&gr, &x0, |x: Var<'_, f32>| x.t_mul(&a32 * x).trace());
        let found = problem.solve(solver, Stop::GradientNorm(1e-12) | Stop::Iterations(400)).unwrap();
        assert!(found.why != Why::Running);
        assert!((found.cost - expected).abs() < 1e-5 * expected.abs(), "{name}: {} for {expected}", found.cost);
    }
    one(BarzilaiBorwein::default());
    one(AdaptiveCubics::default());
    let flat = Euclidean::new(2, 1);
    let x0 = Mat::<f32>::from_fn(2, 1, |i, _| [2.0, -1.0][i]);
    let problem = Problem::new(&flat, &x0, |x: Var<'_, f32>| x.dot(x) + 1.0);
    let found = problem.solve(NelderMead::default(), Stop::Iterations(400)).unwrap();
    assert!(found.why != Why::Running && (found.cost - 1.0).abs() < 1e-5, "{}: {}", found.why, found.cost);
}
