//! Gradients and Hessians written by hand; what a run shows: plots and bars.

mod known;

use known::{known_matrix, orthonormal, symmetric};
use pullback::faer::{Mat, mat};
use pullback_manifolds::{Euclidean, Grassmann};
use pullback_optim::{Lbfgs, Problem, Stop, TrustRegions};
use std::sync::atomic::{AtomicUsize, Ordering};

struct Rayleigh {
    a: Mat<f64>,
    x0: Mat<f64>,
    gr: Grassmann,
}

fn rayleigh() -> Rayleigh {
    let a = symmetric(known_matrix(3, 20, 20));
    Rayleigh { a, x0: orthonormal(&known_matrix(4, 20, 2)), gr: Grassmann::new(20, 2) }
}

fn stop() -> Stop {
    Stop::GradientNorm(1e-9) | Stop::Iterations(200)
}

#[test]
fn what_is_written_by_hand_is_used_in_place_of_the_engine() {
    let Rayleigh { a, x0, gr } = rayleigh();
    let (gradients, hessians) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let engine = Problem::new(&gr, &x0, |x| x.t_mul(&a * x).trace()).solve(TrustRegions::default(), stop()).unwrap();
    let problem = Problem::new(&gr, &x0, |x| x.t_mul(&a * x).trace())
        .with_gradient(|x| {
            gradients.fetch_add(1, Ordering::Relaxed);
            &a * x * 2.0
        })
        .with_hessian(|_, v| {
            hessians.fetch_add(1, Ordering::Relaxed);
            &a * v * 2.0
        });
    let found = problem.solve(TrustRegions::default(), stop()).unwrap();
    assert!(found.why.met("gradient norm"));
    assert_eq!(found.iterations, engine.iterations);
    assert_eq!(gradients.load(Ordering::Relaxed) as u64, found.counts.gradients);
    assert_eq!(hessians.load(Ordering::Relaxed) as u64, found.counts.hessians);
    assert!((found.cost - engine.cost).abs() < 1e-12);
    let compared = problem.check_derivatives(&x0).unwrap();
    assert!(compared.agree(), "{compared}");
    assert!(compared.to_string().starts_with("the gradient agrees to "), "{compared}");
}

#[test]
fn a_gradient_of_another_extension_is_as_good_and_its_hessian_is_not_mixed_up() {
    // On the manifold X'X = I, so X S adds nothing tangent for symmetric S: the gradient of f + <S, X'X - I> / 2.
    let Rayleigh { a, x0, gr } = rayleigh();
    let s: Mat<f64> = mat![[3.0, -1.0], [-1.0, 7.0]];
    let engine = Problem::new(&gr, &x0, |x| x.t_mul(&a * x).trace()).solve(TrustRegions::default(), stop()).unwrap();
    // The engine's Hessian is of the closure's extension, and so must be the gradient that goes with it.
    let mixed = Problem::new(&gr, &x0, |x| x.t_mul(&a * x).trace()).with_gradient(|x| &a * x * 2.0 + x * &s);
    assert!(mixed.check_derivatives(&x0).unwrap().agree());
    let found = mixed.solve(TrustRegions::default(), stop()).unwrap();
    assert_eq!(found.iterations, engine.iterations);
    assert!(found.why.met("gradient norm") && (found.cost - engine.cost).abs() < 1e-12);
    // Both of the other extension.
    let both = mixed.with_hessian(|_, v| &a * v * 2.0 + v * &s);
    assert!(both.check_derivatives(&x0).unwrap().agree());
    // A gradient of one and a Hessian of another do not belong together, and that is seen.
    let apart = Problem::new(&gr, &x0, |x| x.t_mul(&a * x).trace()).with_hessian(|_, v| &a * v * 2.0 + v * &s);
    let compared = apart.check_derivatives(&x0).unwrap();
    assert!(compared.gradient.is_none() && !compared.agree(), "{compared}");
}

#[test]
fn a_wrong_derivative_is_told_with_its_size_and_place() {
    let plane = Euclidean::new(2, 1);
    let x0: Mat<f64> = mat![[1.0], [2.0]];
    let single = Problem::new(&plane, &x0, |x| x.dot(x)).with_gradient(|x| mat![[2.0 * x[(0, 0)]], [x[(1, 0)]]]);
    let off = single.check_derivatives(&x0).unwrap().gradient.unwrap();
    // (2, 4) against (2, 2).
    assert_eq!((off.index, off.engine, off.by_hand, off.largest, off.leaf.as_str()), (1, 4.0, 2.0, 2.0, "x"));
    assert!((off.relative - 2.0 / 20f64.sqrt()).abs() < 1e-14);
    let text = single.check_derivatives(&x0).unwrap().to_string();
    assert!(text.contains("the gradient is off by 4.5e-1 of its size, most at entry 1 of x"), "{text}");
    // With a wrong Hessian alone, it is the Hessian that is off.
    let curved = Problem::new(&plane, &x0, |x| x.dot(x)).with_hessian(|_, v| v * 3.0);
    let compared = curved.check_derivatives(&x0).unwrap();
    assert!((compared.hessian.unwrap().relative - 0.5).abs() < 1e-14);
    // Other shapes, and what is not finite, are errors of the run.
    let failed = Problem::new(&plane, &x0, |x| x.dot(x)).with_gradient(|_| mat![[1.0]]).solve(Lbfgs::default(), stop());
    let text = failed.unwrap_err().to_string();
    assert!(text.contains("the gradient written by hand"), "{text}");
    let failed =
        Problem::new(&plane, &x0, |x| x.dot(x)).with_gradient(|x| x * f64::NAN).solve(Lbfgs::default(), stop());
    assert!(failed.unwrap_err().to_string().contains("the gradient written by hand is not finite"));
    // Of a point that is not on the manifold nothing can be said.
    let Rayleigh { a, x0, gr } = rayleigh();
    let problem = Problem::new(&gr, &x0, |x| x.t_mul(&a * x).trace()).with_gradient(|x| &a * x * 2.0);
    assert!(problem.check_derivatives(&(&x0 * 2.0)).is_err());
}

#[cfg(feature = "plot")]
#[test]
fn a_history_is_drawn_and_written_to_a_file() {
    let Rayleigh { a, x0, gr } = rayleigh();
    let problem = Problem::new(&gr, &x0, |x| x.t_mul(&a * x).trace());
    let found = problem.solve(TrustRegions::default(), stop()).unwrap();
    let path = std::env::temp_dir().join(format!("pullback_history_{}.svg", std::process::id()));
    found.history.save_svg(&path, "Rayleigh quotient").unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    // A name in the drawing counts the drawings of the process.
    let nameless =
        |svg: &str| svg.split("kuva-clip-").map(|s| s.trim_start_matches(char::is_numeric)).collect::<String>();
    assert_eq!(nameless(&text), nameless(&found.history.svg("Rayleigh quotient")));
    let longest = text.split("<path").map(|path| path.matches(" L ").count()).max();
    assert_eq!(longest, Some(found.history.rows.len() - 1), "every gradient is drawn");
    assert!(text.starts_with("<svg") && text.trim_end().ends_with("</svg>"));
    for words in ["Rayleigh quotient", "gradient norm", "cost - lowest cost", "iteration"] {
        assert!(text.contains(words), "{words} is missing");
    }
    assert!(!text.contains("NaN") && !text.contains("inf"));
    // A run that knows no gradient, one of one point, and none at all are drawn, too.
    let flat = Euclidean::new(2, 1);
    let start: Mat<f64> = mat![[1.0], [2.0]];
    let bowl = Problem::new(&flat, &start, |x| x.dot(x));
    let simplex = bowl.solve(pullback_optim::NelderMead::default(), Stop::Iterations(30)).unwrap();
    assert!(simplex.history.svg("simplex").contains("cost - lowest cost"));
    let one = bowl.solve(TrustRegions::default(), Stop::Iterations(0)).unwrap();
    assert_eq!(one.history.rows.len(), 1);
    assert!(one.history.svg("one").starts_with("<svg"));
    assert!(pullback_optim::History::default().svg("none").starts_with("<svg"));
    // A path that does not exist is an error with the path.
    let failed = found.history.save_svg("no such folder/plot.svg", "x").unwrap_err().to_string();
    assert!(failed.contains("no such folder/plot.svg cannot be written"), "{failed}");
}

#[cfg(feature = "progress")]
#[test]
fn a_run_with_a_bar_is_the_run_without() {
    let Rayleigh { a, x0, gr } = rayleigh();
    let problem = Problem::new(&gr, &x0, |x| x.t_mul(&a * x).trace());
    let shown = problem.run(TrustRegions::default(), stop()).to_end_with_progress().unwrap();
    let plain = problem.solve(TrustRegions::default(), stop()).unwrap();
    assert_eq!((shown.iterations, &shown.why, shown.cost), (plain.iterations, &plain.why, plain.cost));
    // Without a bound on the iterations there is nothing to fill.
    let shown = problem.run(TrustRegions::default(), Stop::GradientNorm(1e-8)).to_end_with_progress().unwrap();
    assert!(shown.why.met("gradient norm"));
}

#[test]
fn a_gradient_that_is_off_in_the_seventh_digit_disagrees() {
    let line = Euclidean::new(1, 1);
    for (off, agrees) in [(1e-12, true), (1e-7, false), (1e-3, false)] {
        let problem = Problem::new(&line, &3.0f64, |x| x * x * 0.5).with_gradient(move |x| *x * (1.0 + off));
        let found = problem.check_derivatives(&3.0).unwrap();
        assert_eq!(found.agree(), agrees, "{off:e}: {found}");
    }
}
