//! Regularisation on a manifold: how smooth should the principal subspace of a few images be? The strength is learned
//! on validation images, by the derivative of a point of the Grassmann manifold.

#[path = "data/mod.rs"]
mod data;

use pullback::faer::Mat;
use pullback::prelude::*;
use pullback_implicit::{Condition, Result, stationary};
use pullback_manifolds::Grassmann;

/// Differences of neighbouring pixels, squared and summed: `v' L v`.
fn laplacian() -> Mat<f64> {
    let near = |i: usize, j: usize| (i / 8).abs_diff(j / 8) + (i % 8).abs_diff(j % 8) == 1;
    let degree = |i: usize| (0..64).filter(|j| near(i, *j)).count() as f64;
    Mat::from_fn(64, 64, |i, j| if i == j { degree(i) } else { -f64::from(near(i, j)) })
}

/// Runs the example and returns what it prints.
pub fn run() -> Result<String> {
    let all: Vec<u8> = (0..10).collect();
    let second = |skip, count: usize| {
        let x = data::digits(&all, skip, count).0;
        x.transpose() * &x * (1.0 / count as f64)
    };
    let (gr, c, validation, l) = (Grassmann::new(64, 6), second(0, 12), second(100, 400), laplacian());
    // Inner: the subspace that keeps most of the training images, less e^s times its roughness. Found by eigenvectors.
    let found = |s: &f64| -> Result<Batch> {
        let m = &c - &l * s.exp();
        Ok(pullback::value(|m: Var| m.sym().eigh().1.column_range(58, 6), &m)?)
    };
    let (mut s, mut losses) = (-5.0, vec![]);
    for _ in 0..25 {
        let x = found(&s)?;
        let smooth = stationary(&x, &s, |x: Var, s: Var| (x.dot(&l * x) * s.exp() - x.dot(&c * x)) * 0.5).on(&gr);
        // Outer: what the subspace loses of the validation images.
        let d = smooth.at(&x, &s).hypergradient(|x: Var, _: Var| x.dot(&validation * x) * -1.0)?;
        assert!(d.certificate.verdict.is_sound(), "{}", d.certificate);
        losses.push(d.value);
        s -= 4.0 * d.gradient;
    }
    // The derivative is that of the numbers: a difference of the loss.
    let loss =
        |s: f64| -> Result<f64> { Ok(-pullback::value(|x: Var| x.dot(&validation * x), &found(&s)?)?.data()[0]) };
    let x = found(&s)?;
    let smooth = stationary(&x, &s, |x: Var, s: Var| (x.dot(&l * x) * s.exp() - x.dot(&c * x)) * 0.5).on(&gr);
    let g = smooth.at(&x, &s).hypergradient(|x: Var, _: Var| x.dot(&validation * x) * -1.0)?.gradient;
    assert!((g - (loss(s + 1e-4)? - loss(s - 1e-4)?) / 2e-4).abs() < 1e-6, "{g}");
    assert!(losses[24] < losses[0], "{losses:?}");
    Ok(format!("kept of the validation images {:.4} -> {:.4}, strength e^{s:.2}", -losses[0], -losses[24]))
}

#[allow(dead_code)]
fn main() -> Result<()> {
    println!("{}", run()?);
    Ok(())
}
