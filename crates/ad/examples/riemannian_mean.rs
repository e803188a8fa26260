//! The Karcher mean of symmetric positive definite matrices: the X with the least sum of squared distances to them.

use pullback::faer::{Mat, mat};
use pullback::prelude::*;

/// Runs the example and returns what it prints.
pub fn run() -> pullback::Result<String> {
    let points = [mat![[2.0, 0.5], [0.5, 1.0]], mat![[1.0, -0.3], [-0.3, 3.0]], mat![[4.0, 1.0], [1.0, 2.0]]];
    // d(X, A) = |log(X^{-1/2} A X^{-1/2})|
    let cost = func(|x: Var| {
        let r = x.invsqrtm_spd();
        points.iter().map(|a| (r * a * r).logm_spd()).map(|l| l.dot(l)).sum()
    });
    // One step along the geodesic with the mean of the logarithms.
    let step = func(|x: Var| {
        let (root, r) = (x.sqrtm_spd(), x.invsqrtm_spd());
        let mean = points.iter().map(|a| (r * a * r).logm_spd()).sum::<Var>() / points.len() as f64;
        root * mean.expm_sym() * root
    });
    let mut x = Mat::<f64>::identity(2, 2);
    let start = grad(cost, &x)?.norm_l2();
    for _ in 0..30 {
        x = pullback::value(step, &x)?.into_mat();
    }
    let (f, g) = value_and_grad(cost, &x)?;
    assert!(g.norm_l2() < 1e-12 * start);
    // Of two matrices, one of them I, the mean is the square root of the other: there the two gradients cancel.
    let root = pullback::value(|b: Var| b.sqrtm_spd(), &points[0])?.into_mat();
    let two = func(|x: Var| {
        let (r, b) = (x.invsqrtm_spd(), &points[0]);
        let (l, m) = ((r * b * r).logm_spd(), x.logm_spd());
        l.dot(l) + m.dot(m)
    });
    assert!(grad(two, &root)?.norm_l2() < 1e-13);
    Ok(format!(
        "sum of squares {f:.6}, |gradient| {:.0e}, mean {:.4} {:.4} {:.4}",
        g.norm_l2(),
        x[(0, 0)],
        x[(1, 0)],
        x[(1, 1)]
    ))
}

#[allow(dead_code)]
fn main() -> pullback::Result<()> {
    println!("{}", run()?);
    Ok(())
}
