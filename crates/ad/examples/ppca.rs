//! Probabilistic PCA: the likelihood of a covariance S when all but two of its eigenvalues are noise, at a perfect tie
//! of the noise.

use pullback::faer::Mat;
use pullback::prelude::*;

/// Runs the example and returns what it prints.
pub fn run() -> pullback::Result<String> {
    let (d, top) = (5, 2);
    // S = U diag(9, 4, 1, 1, 1) U'
    let u =
        pullback::value(|x| x.qr().0, &Mat::from_fn(d, d, |i, j| ((1 + 3 * i + 2 * i * j) as f64).sin()))?.into_mat();
    let with = |l: [f64; 5]| &u * Mat::from_fn(d, d, |i, j| if i == j { l[i] } else { 0.0 }) * u.transpose();
    let s = with([9.0, 4.0, 1.0, 1.0, 1.0]);
    // Up to constants, -2/n times the logarithm of the likelihood: ln of the top values, k ln of the mean of the rest.
    let nll = func(|s: Var| {
        let values = s.eigvalsh();
        let rest = values.row_range(0, d - top).mean();
        values.row_range(d - top, top).ln().sum() + rest.ln() * (d - top) as f64
    });
    let (f, g) = value_and_grad(nll, &s)?;

    // The gradient is the inverse of the model's covariance, which is S itself where the rest is tied.
    let inverse = with([1.0 / 9.0, 0.25, 1.0, 1.0, 1.0]);
    assert!((f - 36.0_f64.ln()).abs() < 1e-14);
    assert!((&g - &inverse).norm_max() < 1e-14);
    // Along E the gradient of ln det moves by -S^-1 E S^-1, and inside the tied rest only the mean of the diagonal
    // moves.
    let e = Mat::from_fn(d, d, |i, j| ((i + 1) * (j + 1)) as f64 / 10.0);
    let p = with([0.0, 0.0, 1.0, 1.0, 1.0]);
    let inside = &p * &e * &p;
    let mean = (0..d).map(|i| inside[(i, i)]).sum::<f64>() / (d - top) as f64;
    let expected = inside - &p * mean - &inverse * &e * &inverse;
    let h = hvp(nll, &s, &e)?;
    assert!((&h - &expected).norm_max() < 1e-13);
    Ok(format!("nll {f:.6}, |g - S^-1| {:.0e}, |Hessian E| {:.6}", (&g - &inverse).norm_max(), h.norm_l2()))
}

#[allow(dead_code)]
fn main() -> pullback::Result<()> {
    println!("{}", run()?);
    Ok(())
}
