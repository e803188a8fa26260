//! Orthogonal Procrustes: the rotation Q that brings the points A nearest to B, and how the misfit depends on A.

use pullback::faer::{Mat, mat};
use pullback::prelude::*;

/// Runs the example and returns what it prints.
pub fn run() -> pullback::Result<String> {
    let a = mat![[1.0, 0.2], [-0.5, 1.0], [0.3, -0.7], [2.0, 0.1]];
    let b = mat![[0.4, 1.1], [-0.9, -0.2], [0.8, 0.1], [0.2, 1.7]];
    // Q is the polar factor of A'B.
    let rotation = func(|a: Var| a.t_mul(&b).polar().0);
    let misfit = func(|a: Var| {
        let r = a * rotation(a) - &b;
        r.dot(r)
    });
    let (f, g) = value_and_grad(misfit, &a)?;

    // At the best Q its own derivative drops out: the gradient is 2 (A Q - B) Q'.
    let q = pullback::value(rotation, &a)?.into_mat();
    let expected: Mat<f64> = 2.0 * (&a * &q - &b) * q.transpose();
    assert!((&g - &expected).norm_l2() < 1e-14);
    // The least misfit is |A|² + |B|² - 2 |A'B|_*, a nuclear norm: the same Hessian, by another way.
    let by_nuclear_norm = func(|a: Var| a.dot(a) - a.t_mul(&b).nuclear_norm() * 2.0);
    let (h1, h2) = (hvp(misfit, &a, &b)?, hvp(by_nuclear_norm, &a, &b)?);
    assert!((&h1 - &h2).norm_l2() < 1e-12 * h1.norm_l2());
    Ok(format!("misfit {f:.6}, |gradient| {:.6}, |Hessian B| {:.6}", g.norm_l2(), h1.norm_l2()))
}

#[allow(dead_code)]
fn main() -> pullback::Result<()> {
    println!("{}", run()?);
    Ok(())
}
