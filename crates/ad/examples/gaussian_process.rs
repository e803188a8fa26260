//! A Gaussian process: the negative log likelihood of its length scale, amplitude and noise, with gradient and 3x3
//! Hessian.

use pullback::faer::{Col, Mat};
use pullback::prelude::*;

/// Runs the example and returns what it prints.
pub fn run() -> pullback::Result<String> {
    let n = 12;
    let x = Col::from_fn(n, |i| 0.4 * i as f64);
    let y = Col::from_fn(n, |i| (1.3 * x[i]).sin() + 0.1 * (7.0 * x[i]).cos());
    let squares = Mat::from_fn(n, n, |i, j| (x[i] - x[j]).powi(2));
    // Logarithms of length, amplitude and noise, so that every value is allowed.
    let at: (f64, f64, f64) = (0.1, -0.2, -1.5);
    let nll = pin(&at, |(length, amplitude, noise)| {
        let tape = length.tape();
        let k = (&squares * (length * -2.0).exp() * -0.5).exp() * (amplitude * 2.0).exp();
        let l = (k + tape.eye(n) * (noise * 2.0).exp()).cholesky();
        let z = l.solve_triangular(Uplo::Lower, &y);
        z.dot(z) * 0.5 + l.diag().ln().sum()
    });
    let (f, g) = value_and_grad(&nll, &at)?;
    let h = hessian(&nll, &at)?;

    // The Hessian against differences of gradients, and its symmetry.
    let step = 1e-5;
    for (j, (a, b, c)) in [(step, 0.0, 0.0), (0.0, step, 0.0), (0.0, 0.0, step)].into_iter().enumerate() {
        let up = grad(&nll, &(at.0 + a, at.1 + b, at.2 + c))?;
        let down = grad(&nll, &(at.0 - a, at.1 - b, at.2 - c))?;
        for (i, d) in [up.0 - down.0, up.1 - down.1, up.2 - down.2].into_iter().enumerate() {
            assert!((h[(i, j)] - d / (2.0 * step)).abs() < 1e-7 * h.norm_max());
        }
    }
    assert!((&h - h.transpose()).norm_max() < 1e-11 * h.norm_max());
    Ok(format!("nll {f:.6}, gradient {g:.4?}, Hessian diagonal {:.4?}", [h[(0, 0)], h[(1, 1)], h[(2, 2)]]))
}

#[allow(dead_code)]
fn main() -> pullback::Result<()> {
    println!("{}", run()?);
    Ok(())
}
