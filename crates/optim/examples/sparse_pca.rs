//! Sparse principal components by smoothing: directions of large variance in which most entries are 0.
//!
//! The penalty `sum |x|` has corners, and solvers want a gradient. `sum sqrt(x² + e²)` has none, and tends to it as e
//! falls: a few problems, each started at the answer of the one before.

use pullback::faer::Mat;
use pullback::prelude::*;
use pullback_manifolds::{Stiefel, gaussian, rng};
use pullback_optim::{History, Problem, Stop, TrustRegions};

/// What the example prints, and the history of its run.
pub fn run() -> Result<(String, History), Box<dyn std::error::Error>> {
    // 300 observations of 12 variables. One hidden cause moves the first four of them, another the next three.
    let (n, p) = (12, 2);
    let mut rng = rng(6);
    let mut normal = |rows, cols| gaussian::<f64>(pullback::Shape::mat(rows, cols), &mut rng).into_mat();
    let mut data = normal(300, n) * 0.5;
    let causes = normal(300, p);
    for i in 0..300 {
        for j in 0..7 {
            data[(i, j)] += causes[(i, j / 4)] * if j < 4 { 1.5 } else { 1.3 };
        }
    }
    let covariance = data.transpose() * &data * (1.0 / 300.0);

    // The ordinary components to begin with: the last two eigenvectors. None of their entries is 0.
    let frames = Stiefel::new(n, p);
    let dense = pullback::value(|c: Var| c.eigh().1.column_range(n - p, p), &covariance)?.into_mat();
    let small = |x: &Mat<f64>| (0..n * p).filter(|k| x[(k % n, k / n)].abs() < 1e-4).count();
    let (mut x, mut steps, mut history) = (dense.clone(), 0, History::default());
    for e in [1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6] {
        let found = Problem::new(&frames, &x, |x| {
            let penalty = (x.square() + e * e).sqrt().sum();
            penalty * 0.6 - x.quadratic_form(&covariance)
        })
        .solve(TrustRegions::default(), Stop::GradientNorm(1e-6) | Stop::Iterations(300))?;
        steps += found.iterations;
        (x, history) = (found.point, found.history);
    }

    // Each component has found one cause: four entries and three, and 0 elsewhere.
    let mut sizes: Vec<usize> = (0..p).map(|j| (0..n).filter(|&i| x[(i, j)].abs() > 1e-2).count()).collect();
    sizes.sort_unstable();
    assert_eq!((sizes, small(&dense), small(&x)), (vec![3, 4], 0, n * p - 7));
    let variance = |x: &Mat<f64>| (0..p).map(|j| x.col(j).transpose() * &covariance * x.col(j)).sum::<f64>();
    let kept = variance(&x) / variance(&dense);
    assert!(kept > 0.98);
    let zeros = format!("{} of {} entries are 0", small(&x), n * p);
    Ok((format!("{zeros} after {steps} steps, and {:.1} % of the variance stays\n", 100.0 * kept), history))
}

#[allow(dead_code)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    print!("{}", run()?.0);
    Ok(())
}
