//! The Rayleigh quotient: the smallest eigenvalue of a symmetric matrix is the least value of x^T A x over unit
//! vectors.
//!
//! In pymanopt this is `pymanopt.Problem(Sphere(n), cost)` and `TrustRegions().run(problem)`. Here it is the same three
//! things: a manifold, a cost as a closure, a solver. Gradient and Hessian come from the closure.

use pullback::faer::Mat;
use pullback_manifolds::{Sphere, rng};
use pullback_optim::{ConjugateGradient, History, Lbfgs, Problem, Stop, TrustRegions};

/// What the example prints, and the history of its run.
pub fn run() -> Result<(String, History), Box<dyn std::error::Error>> {
    // Second differences on a line of 50 points. Their eigenvalues are known: 2 - 2 cos(k pi / 51).
    let n = 50;
    let a = Mat::from_fn(n, n, |i, j| match i.abs_diff(j) {
        0 => 2.0,
        1 => -1.0,
        _ => 0.0,
    });
    let smallest = 2.0 - 2.0 * (std::f64::consts::PI / (n as f64 + 1.0)).cos();

    let sphere = Sphere::new(n, 1);
    let x0: Mat<f64> = sphere.random(&mut rng(1));
    let problem = Problem::new(&sphere, &x0, |x| x.quadratic_form(&a));

    // `|` stops at whichever comes first. Trust regions use the Hessian: few steps, and the last ones double the
    // digits.
    let stop = || Stop::GradientNorm(1e-10) | Stop::Iterations(2000);
    let found = problem.solve(TrustRegions::default(), stop())?;
    assert!(found.why.met("gradient norm"), "{}", found.why);
    assert!((found.cost - smallest).abs() < 1e-13);
    let x = &found.point;
    assert!((&a * x - x * smallest).norm_l2() < 1e-10, "the eigenvector");

    // Other solvers take the same problem.
    let (cg, lbfgs) = (problem.solve(ConjugateGradient::default(), stop())?, problem.solve(Lbfgs::default(), stop())?);
    assert!((cg.cost - smallest).abs() < 1e-13 && (lbfgs.cost - smallest).abs() < 1e-13);

    let mut out = format!("smallest eigenvalue {smallest:.14}\n");
    for (name, found) in [("trust regions", &found), ("conjugate gradients", &cg), ("L-BFGS", &lbfgs)] {
        out += &format!("{name}: {found}\n");
    }
    Ok((out, found.history))
}

#[allow(dead_code)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    print!("{}", run()?.0);
    Ok(())
}
