//! Ridge regression as a bilevel problem: the penalty that validates best, by the derivative of an iteration that is
//! only run.

use pullback::faer::Mat;
use pullback::prelude::*;
use pullback_implicit::{Estimator, inner_loop};

/// Runs the example and returns what it prints.
pub fn run() -> pullback_implicit::Result<String> {
    let data = |m: usize, shift: usize| Mat::from_fn(m, 4, |i, j| ((7 * (i + shift) + 3 * j * j) as f64).sin());
    let truth = Mat::from_fn(4, 1, |j, _| 1.0 / (1 + j) as f64);
    let noise = |m: usize, shift: usize| Mat::from_fn(m, 1, |i, _| 0.3 * ((11 * (i + shift)) as f64).cos());
    let (a, a2) = (data(8, 0), data(6, 20));
    let (b, b2) = (&a * &truth + noise(8, 0), &a2 * &truth + noise(6, 20));
    // Inner: gradient steps on |A z - b|²/2 + e^phi |z|²/2. Outer: |A2 z - b2|²/2.
    let phi = -1.0_f64;
    let z0 = Mat::zeros(4, 1);
    let inner = inner_loop(
        &z0,
        &phi,
        |z, phi, _| z - (a.transpose() * (&a * z - &b) + z * phi.exp()) * 0.1,
        |z, _| (&a2 * z - &b2).dot(&a2 * z - &b2) * 0.5,
    );
    let d = inner.derivative(2000, Estimator::FixedPoint { terms: 2000 })?;

    // The solution is known here: z = (A'A + e^phi I)^{-1} A'b, differentiated through the solve.
    let (gram, right) = (a.transpose() * &a, a.transpose() * &b);
    let exact = func(|phi: Var| {
        let z = (&gram + phi.tape().eye(4) * phi.exp()).solve(&right);
        (&a2 * z - &b2).dot(&a2 * z - &b2) * 0.5
    });
    let (f, g) = value_and_grad(exact, &phi)?;
    assert!((d.value - f).abs() < 1e-10 && (d.gradient - g).abs() < 1e-8 * g.abs(), "{} {g}", d.gradient);
    Ok(format!(
        "validation loss {f:.6}, by ln penalty {:.6}, contraction {:.3}",
        d.gradient,
        d.certificate.rho.unwrap_or(f64::NAN)
    ))
}

#[allow(dead_code)]
fn main() -> pullback_implicit::Result<()> {
    println!("{}", run()?);
    Ok(())
}
