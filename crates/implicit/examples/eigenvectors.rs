//! A principal subspace by implicit differentiation against the direct rule of the engine: equal where both exist, and
//! both say so where the derivative does not.

use pullback::Batch;
use pullback::faer::Mat;
use pullback::prelude::*;
use pullback_implicit::{Condition, Result, Verdict, stationary};
use pullback_manifolds::Grassmann;

const N: usize = 5;

/// Symmetric, with these eigenvalues.
fn with(values: [f64; N]) -> (Mat<f64>, Mat<f64>) {
    let start = Mat::from_fn(N, N, |i, j| ((3 * i * j + i + 2 * j) as f64).sin());
    let q = Tape::plain().constant(&start).qr().0.value().into_mat();
    (&q * Mat::from_fn(N, N, |i, j| if i == j { values[i] } else { 0.0 }) * q.transpose(), q)
}

/// Runs the example and returns what it prints.
pub fn run() -> Result<String> {
    let gr = Grassmann::new(N, 2);
    let m = Mat::from_fn(N, N, |i, j| ((i + 2 * j) as f64).cos());
    // The two largest eigenvalues are equal: their vectors have no derivative, and their span has.
    let (c, q) = with([4.0, 4.0, 2.0, 1.0, 0.5]);
    let top = Batch::from_fn(pullback::Shape::mat(N, 2), |_, i, j| q[(i, j)]);
    let pca = stationary(&top, &c, |x: Var, c: Var| x.dot(c.sym() * x) * -0.5).on(&gr);
    let implicit = pca.at(&top, &c).hypergradient(|x: Var, _: Var| x.dot(&m * x))?;
    let direct = grad(|c: Var| c.sym().spectral_projector(2).dot(&m), &c)?;
    let apart = (&implicit.gradient - &direct).norm_l2() / direct.norm_l2();
    assert!(apart < 1e-11 && implicit.certificate.verdict == Verdict::Verified, "{apart:e}\n{}", implicit.certificate);

    // The second and the third are equal: there is no subspace to differentiate.
    let (c, q) = with([4.0, 2.0, 2.0, 1.0, 0.5]);
    let top = Batch::from_fn(pullback::Shape::mat(N, 2), |_, i, j| q[(i, j)]);
    let none = pca.at(&top, &c).hypergradient(|x: Var, _: Var| x.dot(&m * x))?;
    assert!(matches!(none.certificate.verdict, Verdict::Invalid(_)), "{}", none.certificate);
    assert!(grad(|c: Var| c.sym().spectral_projector(2).dot(&m), &c).is_err());
    Ok(format!("agree to {apart:.0e}; without a gap: {}", none.certificate.verdict))
}

#[allow(dead_code)]
fn main() -> Result<()> {
    println!("{}", run()?);
    Ok(())
}
