//! Orthogonal Procrustes: the rotation R that turns one cloud of points onto another, with R A close to B.
//!
//! The answer is known from a singular value decomposition, which makes it a good first problem on rotations.

use pullback::faer::{Mat, mat};
use pullback::prelude::*;
use pullback_manifolds::{Orthogonal, rng};
use pullback_optim::{History, Problem, Stop, TrustRegions};
use rand::RngExt;

/// What the example prints, and the history of its run.
pub fn run() -> Result<(String, History), Box<dyn std::error::Error>> {
    // 20 points of space, one a column; a turn about an axis; a little noise.
    let mut rng = rng(2);
    let mut cloud = |scale: f64| Mat::from_fn(3, 20, |_, _| rng.random_range(-scale..scale));
    let (a, noise) = (cloud(1.0), cloud(0.01));
    let truth = pullback::value(|w: Var| w.so3_exp(), &mat![[0.3], [-1.2], [2.0]])?.into_mat();
    let b = &truth * &a + &noise;

    let rotations = Orthogonal::special(3);
    let start = Mat::<f64>::identity(3, 3);
    let problem = Problem::new(&rotations, &start, |r| {
        let misfit = r * &a - &b;
        misfit.dot(misfit)
    });
    let found = problem.solve(TrustRegions::default(), Stop::GradientNorm(1e-10))?;
    let r = &found.point;

    // |R A - B|² is |A|² + |B|² - 2 tr(R A B'), whose trace is at most the sum of the singular values of A B' if these
    // belong to a rotation, as here.
    let trace = pullback::value(|m: Var| m.nuclear_norm(), &(&a * b.transpose()))?.scalar();
    let least = a.squared_norm_l2() + b.squared_norm_l2() - 2.0 * trace;
    assert!((found.cost - least).abs() < 1e-12 * b.squared_norm_l2());
    // It is a rotation to rounding, and close to the one that was hidden.
    assert!((r.transpose() * r - Mat::<f64>::identity(3, 3)).norm_max() < 1e-14);
    let off = rotations.dist(r, &truth)?;
    assert!(off < 0.01);
    Ok((format!("{found}\n{off:.4} radians from the rotation that was hidden under the noise\n"), found.history))
}

#[allow(dead_code)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    print!("{}", run()?.0);
    Ok(())
}
