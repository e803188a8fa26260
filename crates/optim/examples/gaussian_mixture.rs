//! A mixture of two Gaussians, by maximum likelihood on a product of manifolds instead of expectation-maximisation.
//!
//! With `y = (x, 1)`, a Gaussian of mean m and covariance C is one of mean 0 for y, with `S = [C + m m', m; m', 1]`, up
//! to a factor. So the parameters are two positive definite matrices and a point of the simplex; at an optimum the
//! corner of S is 1 by itself (Hosseini & Sra, *Matrix manifold optimization for Gaussian mixtures*, 2015).

use pullback::faer::{Mat, mat};
use pullback::{Shape, prelude::*};
use pullback_manifolds::{Product, Simplex, Spd, gaussian, rng};
use pullback_optim::{History, Lbfgs, Problem, Stop, TrustRegions};
use rand::RngExt;

/// `[C + m m', m; m', 1]`
fn augmented(mean: [f64; 2], spread: f64) -> Mat<f64> {
    let m = mat![[mean[0]], [mean[1]], [1.0]];
    &m * m.transpose() + Mat::from_fn(3, 3, |i, j| if i == j && i < 2 { spread } else { 0.0 })
}

/// The logarithm of a weight times a density at each point, up to a constant.
fn component<'t>(y: &Mat<f64>, s: Var<'t>, weight: Var<'t>) -> Var<'t> {
    let s = s.spd(); // one Cholesky factorisation for the determinant and the solve
    let z = s.half_solve(y);
    z.column_dots(z) * -0.5 - s.logdet() * 0.5 + weight.ln()
}

/// What the example prints, and the history of its run.
pub fn run() -> Result<(String, History), Box<dyn std::error::Error>> {
    // 400 points: three in ten around (2, 1), stretched along the diagonal; the others around (-1, 0).
    let (n, mut rng) = (400, rng(9));
    let noise = gaussian::<f64>(Shape::mat(2, n), &mut rng).into_mat();
    let mut y = Mat::from_fn(3, n, |_, _| 1.0);
    for k in 0..n {
        let (u, v) = (noise[(0, k)], noise[(1, k)]);
        let first = rng.random_bool(0.3);
        (y[(0, k)], y[(1, k)]) = if first { (2.0 + u + 0.3 * v, 1.0 + u) } else { (-1.0 + 0.5 * u, 0.8 * v) };
    }
    // `Product::new` takes a tuple of manifolds, and a point is a tuple of matrices.
    let parameters = Product::new((Spd::new(3), Spd::new(3), Simplex::new(2)));
    let x0 = (augmented([1.0, 1.0], 1.0), augmented([0.0, -1.0], 1.0), mat![[0.5], [0.5]]);
    let problem = Problem::new(&parameters, &x0, |(s1, s2, weights)| {
        let both = [component(&y, s1, weights.row(0)), component(&y, s2, weights.row(1))];
        -Var::concat(&both, Axis::Rows).column_log_sum_exp().sum() / n as f64
    });
    let found = problem.solve(TrustRegions::default(), Stop::GradientNorm(1e-9))?;
    let (s1, s2, weights) = &found.point;
    assert!((s1[(2, 2)] - 1.0).abs() < 1e-7 && (s2[(2, 2)] - 1.0).abs() < 1e-7, "the corners");
    for (s, mean) in [(s1, [2.0, 1.0]), (s2, [-1.0, 0.0])] {
        assert!((s[(0, 2)] - mean[0]).abs() < 0.2 && (s[(1, 2)] - mean[1]).abs() < 0.2, "{s:?}");
    }
    let lbfgs = problem.solve(Lbfgs::default(), Stop::GradientNorm(1e-9) | Stop::Iterations(500))?;
    assert!((lbfgs.cost - found.cost).abs() < 1e-10);
    let out = format!("trust regions: {found}\nL-BFGS: {lbfgs}\nweight of the first {:.3}\n", weights[(0, 0)]);
    Ok((out, found.history))
}

#[allow(dead_code)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    print!("{}", run()?.0);
    Ok(())
}
