//! The principal subspace of handwritten digits by implicit differentiation against the direct rule of the engine:
//! equal where both exist, and both say so where the derivative does not.

#[path = "data/mod.rs"]
mod data;

use pullback::faer::Mat;
use pullback::prelude::*;
use pullback_implicit::{Condition, Result, Verdict, stationary};
use pullback_manifolds::Grassmann;

/// Runs the example and returns what it prints.
pub fn run() -> Result<String> {
    let all: Vec<u8> = (0..10).collect();
    let x = data::digits(&all, 0, 300).0;
    let m = Mat::from_fn(64, 64, |i, j| ((i + 2 * j) as f64).cos());
    let vectors = |c: &Mat<f64>| -> Result<Mat<f64>> { Ok(pullback::value(|c: Var| c.eigh().1, c)?.into_mat()) };
    // Implicitly: where the trace within the subspace is stationary. Directly: the rule of the spectral projector.
    let both = |c: &Mat<f64>, k: usize| -> Result<_> {
        let (gr, top) = (Grassmann::new(64, k), Batch::from(vectors(c)?.subcols(64 - k, k).to_owned()));
        let pca = stationary(&top, c, |x: Var, c: Var| x.dot(c.sym() * x) * -0.5).on(&gr);
        let implicit = pca.at(&top, c).hypergradient(|x: Var, _: Var| x.dot(&m * x))?;
        Ok((implicit, grad(|c: Var| c.sym().spectral_projector(k).dot(&m), c)))
    };
    let c = x.transpose() * &x * (1.0 / 300.0);
    let (implicit, direct) = both(&c, 5)?;
    let direct = direct?;
    let apart = (&implicit.gradient - &direct).norm_l2() / direct.norm_l2();
    assert!(apart < 1e-7 && implicit.certificate.verdict == Verdict::Verified, "{apart:e}\n{}", implicit.certificate);

    // Where the sixth eigenvalue is made equal to the fifth, there is no subspace of five dimensions to differentiate.
    let q = vectors(&c)?;
    let value = |j: usize| q.col(j).transpose() * &c * q.col(j);
    let (gap, v) = (value(59) - value(58), q.col(58).to_owned());
    let tied = &c + &v * v.transpose() * gap;
    let (none, direct) = both(&tied, 5)?;
    assert!(!none.certificate.verdict.is_sound() && direct.is_err(), "{}", none.certificate);
    Ok(format!("agree to {apart:.0e}; without a gap: {}", none.certificate.verdict))
}

#[allow(dead_code)]
fn main() -> Result<()> {
    println!("{}", run()?);
    Ok(())
}
