//! Four problems with known answers, and the iterations that solvers take on them beside those of Manopt with its
//! default settings: eigenvalues on a sphere and on Grassmann, Brockett's cost on Stiefel, Procrustes' on rotations.

mod known;

use known::{dominant, known_matrix, largest, order, orthonormal, symmetric};
use pullback::faer::Mat;
use pullback::prelude::*;
use pullback_manifolds::{Orthogonal, OrthogonalRetraction, Sphere, Stiefel, StiefelRetraction};
use pullback_optim::{
    AdaptiveCubics, BarzilaiBorwein, ConjugateGradient, Found, Lbfgs, Problem, Solver, Stop, TrustRegions,
};
/// Problem `k` of the reference, with the retractions that Manopt takes by default.
fn solve(k: usize, solver: impl Solver, stop: Stop) -> Found<Mat<f64>> {
    match k {
        0 => {
            let (a, x0) = (symmetric(known_matrix(1, 100, 100)), known_matrix(2, 100, 1));
            let x0 = &x0 * (1.0 / x0.norm_l2());
            let sphere = Sphere::new(100, 1);
            Problem::new(&sphere, &x0, |x| x.t_mul(&a * x)).solve(solver, stop).unwrap()
        }
        1 => dominant(solver, stop),
        2 => {
            let (a, x0) = (symmetric(known_matrix(5, 50, 50)), orthonormal(&known_matrix(6, 50, 5)));
            let n = Mat::from_fn(5, 5, |i, j| if i == j { 5.0 - i as f64 } else { 0.0 });
            let stiefel = Stiefel::new(50, 5).with(StiefelRetraction::Qr);
            Problem::new(&stiefel, &x0, |x| (x.t_mul(&a * x) * &n).trace()).solve(solver, stop).unwrap()
        }
        _ => {
            let (a, b) = (known_matrix(7, 10, 30), known_matrix(8, 10, 30));
            let x0 = Mat::<f64>::identity(10, 10);
            let rotations = Orthogonal::special(10).with(OrthogonalRetraction::Qr);
            Problem::new(&rotations, &x0, |r| {
                let d = r * &a - &b;
                d.dot(d)
            })
            .solve(solver, stop)
            .unwrap()
        }
    }
}

/// `|A|^2 + |B|^2 - 2 max tr(R A B^T)`: the sum of the singular values, the last with the sign of the determinant.
fn procrustes() -> f64 {
    let (a, b) = (known_matrix(7, 10, 30), known_matrix(8, 10, 30));
    let tape = Tape::plain();
    let m = tape.constant(&(&a * b.transpose()));
    let s = m.svdvals().value();
    let last = s.data().iter().copied().fold(f64::INFINITY, f64::min);
    let sum: f64 = s.data().iter().sum();
    let best = if m.det().scalar() < 0.0 { sum - 2.0 * last } else { sum };
    a.squared_norm_l2() + b.squared_norm_l2() - 2.0 * best
}

fn answers() -> [f64; 4] {
    [-8.08198155463772, largest(), -75.0170122080606, procrustes()]
}

/// Does it reach a gradient of 1e-8 and the answer within so many iterations?
fn within(most: [usize; 4], solver: impl Solver + Clone) -> Vec<Found<Mat<f64>>> {
    let answers = answers();
    let stop = |k: usize| Stop::GradientNorm(1e-8) | Stop::Iterations(10 * most[k]);
    let all: Vec<_> = (0..4).map(|k| solve(k, solver.clone(), stop(k))).collect();
    let counts: Vec<usize> = all.iter().map(|f| f.iterations).collect();
    for (k, found) in all.iter().enumerate() {
        assert!(found.why.met("gradient norm"), "problem {}: {} after {counts:?}", k + 1, found.why);
        let off = (found.cost - answers[k]).abs() / answers[k].abs();
        assert!(off < 1e-10, "problem {}: off by {off:e}", k + 1);
        assert!(found.iterations <= most[k], "{counts:?} iterations, at most {most:?} are expected");
    }
    all
}

#[test]
fn trust_regions_take_one_iteration_more_at_most() {
    let all = within([10, 12, 16, 13], TrustRegions::default());
    for (k, found) in all.iter().enumerate() {
        // The inner iterations of the reference, and a tenth more.
        let inner = [84, 91, 328, 70][k] as f64;
        let took = found.counts.hessians as f64;
        assert!(took <= 1.1 * inner, "problem {}: {took} inner iterations, the reference takes {inner}", k + 1);
        let g = found.history.gradients();
        assert!(order(&g) > 1.3, "problem {}: gradients {g:?}", k + 1);
    }
}

#[test]
fn cubics_take_one_iteration_more_at_most() {
    let all = within([9, 9, 14, 12], AdaptiveCubics::default());
    for (k, found) in all.iter().enumerate() {
        let g = found.history.gradients();
        assert!(order(&g) > 1.3, "problem {}: gradients {g:?}", k + 1);
    }
}

#[test]
fn solvers_with_gradients_alone_take_about_as_many() {
    // Half as many again: they are sensitive to rounding and to the line search.
    within([71, 95, 285, 59], Lbfgs::default());
    within([105, 122, 375, 77], ConjugateGradient::default());
    within([123, 149, 567, 95], BarzilaiBorwein::default());
}
