//! Dictionary learning: find unit vectors ("atoms") such that each signal is a combination of few of them.
//!
//! Minimise `|Y - D C|²/2 + lambda sum |C|` over dictionaries D with unit columns and codes C of any size: a product of
//! the oblique manifold and a flat space. The absolute value is smoothed, as in the example on sparse components.

use pullback::faer::Mat;
use pullback_manifolds::{Euclidean, Oblique, Product, rng};
use pullback_optim::{History, Lbfgs, Problem, Stop};
use rand::RngExt;

/// What the example prints, and the history of its run.
pub fn run() -> Result<(String, History), Box<dyn std::error::Error>> {
    // 150 signals of length 8, each made of 2 out of 8 hidden atoms.
    let (n, atoms, signals) = (8, 8, 150);
    let mut rng = rng(3);
    let hidden: Mat<f64> = Oblique::new(n, atoms).random(&mut rng);
    let mut codes = Mat::<f64>::zeros(atoms, signals);
    for s in 0..signals {
        for _ in 0..2 {
            let size = rng.random_range(0.5..1.5);
            codes[(rng.random_range(0..atoms), s)] = if rng.random_bool(0.5) { size } else { -size };
        }
    }
    let y = &hidden * &codes;

    let pairs = Product::new((Oblique::new(n, atoms), Euclidean::new(atoms, signals)));
    let mut x: (Mat<f64>, Mat<f64>) = pairs.random(&mut rng);
    x.1 = x.0.transpose() * &y;
    let (mut steps, mut history) = (0, History::default());
    for e in [1e-1, 1e-2, 1e-3] {
        let found = Problem::new(&pairs, &x, |(d, c)| {
            let misfit = d * c - &y;
            misfit.dot(misfit) * 0.5 + (c.square() + e * e).sqrt().sum() * 0.02
        })
        .solve(Lbfgs::default(), Stop::GradientNorm(1e-4) | Stop::Iterations(600))?;
        steps += found.iterations;
        (x, history) = (found.point, found.history);
    }

    // Each hidden atom is one of those found, up to its sign.
    let cosines = hidden.transpose() * &x.0;
    let best = |i: usize| (0..atoms).map(|j| cosines[(i, j)].abs()).fold(0.0, f64::max);
    let worst = (0..atoms).map(best).fold(1.0, f64::min);
    assert!(worst > 0.999, "the least cosine with the nearest atom is {worst}");
    let out = format!("{atoms} atoms found after {steps} steps; the least cosine with the hidden ones is {worst:.6}\n");
    Ok((out, history))
}

#[allow(dead_code)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    print!("{}", run()?.0);
    Ok(())
}
