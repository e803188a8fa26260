//! Problems whose answers are known from elsewhere: to 1e-10, and in at most one trust-region step more than Manopt
//! takes with the same settings.

mod known;

use known::{known_matrix, orthonormal, symmetric};
use pullback::faer::Mat;
use pullback::prelude::*;
use pullback_manifolds::{
    Elliptope, Grassmann, Manifold, Oblique, Orthogonal, Product, Spd, SpdMetric, Sphere, Stiefel, rng,
};
use pullback_optim::{ConjugateGradient, Found, Lbfgs, Problem, Stop, TrustRegions};

fn diagonal(d: &[f64]) -> Mat<f64> {
    Mat::from_fn(d.len(), d.len(), |i, j| if i == j { d[i] } else { 0.0 })
}

/// The settings of the reference.
fn manopt() -> (TrustRegions, Stop) {
    (TrustRegions::default(), Stop::GradientNorm(1e-8) | Stop::Iterations(100))
}

/// Does a run end with a small gradient at the answer, within so many steps?
#[track_caller]
fn solved<L>(found: &Found<L>, answer: f64, most: usize) {
    assert!(found.why.met("gradient norm"), "{found}");
    assert!((found.cost - answer).abs() <= 1e-10 * answer.abs(), "{found}; expected {answer}");
    assert!(found.iterations <= most, "{found}; expected at most {most} steps");
}

#[test]
fn the_rayleigh_quotient_on_a_sphere() {
    let (a, x0) = (symmetric(known_matrix(1, 100, 100)), known_matrix(2, 100, 1));
    let x0 = &x0 * (1.0 / x0.norm_l2());
    let sphere = Sphere::new(100, 1);
    let problem = Problem::new(&sphere, &x0, |x| x.t_mul(&a * x));
    let (solver, stop) = manopt();
    let answer = -8.08198155463772;
    solved(&problem.solve(solver, stop).unwrap(), answer, 10);
    let stop = || Stop::GradientNorm(1e-10) | Stop::Iterations(1000);
    solved(&problem.solve(ConjugateGradient::default(), stop()).unwrap(), answer, 150);
    solved(&problem.solve(Lbfgs::default(), stop()).unwrap(), answer, 94);
}

#[test]
fn a_dominant_subspace() {
    let (a, x0) = (symmetric(known_matrix(3, 128, 128)), orthonormal(&known_matrix(4, 128, 3)));
    let gr = Grassmann::new(128, 3);
    let values = pullback::value(|a: Var| a.eigvalsh(), &a).unwrap();
    let answer = -values.data()[125..].iter().sum::<f64>();
    let (solver, stop) = manopt();
    solved(&Problem::new(&gr, &x0, |x| -x.t_mul(&a * x).trace()).solve(solver, stop).unwrap(), answer, 12);
}

#[test]
fn the_brockett_cost_on_a_stiefel_manifold() {
    let (a, x0) = (symmetric(known_matrix(5, 50, 50)), orthonormal(&known_matrix(6, 50, 5)));
    let n = diagonal(&[5.0, 4.0, 3.0, 2.0, 1.0]);
    let stiefel = Stiefel::new(50, 5);
    let (solver, stop) = manopt();
    let found = Problem::new(&stiefel, &x0, |x| x.t_mul(&a * x * &n).trace()).solve(solver, stop).unwrap();
    solved(&found, -75.0170122080606, 16);
}

#[test]
fn procrustes_on_rotations() {
    let (a, b) = (known_matrix(7, 10, 30), known_matrix(8, 10, 30));
    let (so, r0) = (Orthogonal::special(10), Mat::identity(10, 10));
    let problem = Problem::new(&so, &r0, |r| {
        let misfit = r * &a - &b;
        misfit.dot(misfit)
    });
    // |A|² + |B|² - 2 max tr(R A B'): the sum of the singular values of A B', the least with the sign of its determinant.
    let m = &a * b.transpose();
    let s = pullback::value(|m: Var| m.svdvals(), &m).unwrap();
    let det = pullback::value(|m: Var| m.det(), &m).unwrap().scalar();
    let (sum, least) = (s.data().iter().sum::<f64>(), s.data()[9]);
    let trace = if det < 0.0 { sum - 2.0 * least } else { sum };
    let (solver, stop) = manopt();
    solved(&problem.solve(solver, stop).unwrap(), a.squared_norm_l2() + b.squared_norm_l2() - 2.0 * trace, 13);
}

/// `G G' + 0.1 I`
fn definite(seed: u64) -> Mat<f64> {
    let g = known_matrix(seed, 5, 5);
    &g * g.transpose() + diagonal(&[0.1; 5])
}

fn logdet(a: &Mat<f64>) -> f64 {
    pullback::value(|a: Var| a.spd().logdet(), a).unwrap().scalar()
}

fn trace(a: &Mat<f64>) -> f64 {
    (0..a.nrows()).map(|i| a[(i, i)]).sum()
}

#[test]
fn the_karcher_mean_of_positive_definite_matrices() {
    let points: Vec<Mat<f64>> = (100..110).map(definite).collect();
    let all = Batch::stack(&points);
    let spd = Spd::new(5);
    let start = points.iter().fold(Mat::zeros(5, 5), |sum, p| sum + p * 0.1);
    let problem = Problem::new(&spd, &start, |x| spd.dist2(x, x.tape().constant(&all)).sum() * 0.05);
    let (solver, stop) = manopt();
    let found = problem.solve(solver, stop).unwrap();
    solved(&found, 3.83869005759414, 7);
    // The point is as exact as its gradient is small.
    let found = problem.solve(solver, Stop::GradientNorm(1e-12)).unwrap();
    assert!((trace(&found.point) - 4.973328550973).abs() < 1e-10 * 4.97, "{}", trace(&found.point));
    assert!((logdet(&found.point) + 0.141224333273).abs() < 1e-10);
    assert!((logdet(&found.point) - points.iter().map(logdet).sum::<f64>() / 10.0).abs() < 1e-10);
}

#[test]
fn the_geometric_mean_and_the_distances_of_two_positive_definite_matrices() {
    let (a, b) = (definite(100), definite(101));
    let spd = Spd::new(5);
    let problem = Problem::new(&spd, &a, |x| {
        let [a, b] = [&a, &b].map(|c| spd.dist2(x, x.tape().constant(c)));
        (a + b) * 0.5
    });
    let (solver, stop) = manopt();
    let found = problem.solve(solver, stop).unwrap();
    // The mean is half way: the cost is d²/4.
    solved(&found, 4.378234262521f64.powi(2) / 4.0, 20);
    let g = found.point;
    assert!((trace(&g) - 8.056323678188).abs() < 1e-10 * 8.06, "{}", trace(&g));
    // G A^-1 G = B.
    let riccati = pullback::value(|g: Var| g * g.tape().constant(&a).spd().solve(g) - &b, &g).unwrap();
    assert!(riccati.max_abs() < 1e-9, "{:e}", riccati.max_abs());
    for (metric, expected) in [
        (SpdMetric::AffineInvariant, 4.378234262521),
        (SpdMetric::LogEuclidean, 4.271316160589),
        (SpdMetric::LogCholesky, 2.817024810738),
        (SpdMetric::BuresWasserstein, 1.880525961020),
    ] {
        let d = Spd::new(5).with(metric).dist(&a, &b).unwrap();
        assert!((d - expected).abs() < 1e-12 * 4.4, "{metric:?}: {d}");
    }
}

#[test]
fn a_truncated_singular_value_decomposition() {
    let a = known_matrix(46, 30, 20);
    let frames = Product::new((Stiefel::new(30, 4), Stiefel::new(20, 4)));
    let start: (Mat<f64>, Mat<f64>) = frames.random(&mut rng(1));
    let problem = Problem::new(&frames, &start, |(u, v)| -u.t_mul(&a * v).trace());
    let (solver, stop) = manopt();
    solved(&problem.solve(solver, stop).unwrap(), -18.446728736837, 30);
}

/// The relaxation of max-cut by unit vectors, one a column; and its certificate.
fn max_cut(n: usize, edges: &[(usize, usize)]) -> (Found<Mat<f64>>, f64) {
    let (i, j): (Vec<usize>, Vec<usize>) = edges.iter().copied().unzip();
    let vectors = Oblique::new((2.0 * n as f64).sqrt() as usize + 1, n);
    let y0: Mat<f64> = vectors.random(&mut rng(2));
    let problem = Problem::new(&vectors, &y0, |y| {
        (y.gather(Axis::Cols, &i).column_dots(y.gather(Axis::Cols, &j)).sum() - edges.len() as f64) * 0.5
    });
    let found = problem.solve(TrustRegions::default(), Stop::GradientNorm(1e-9) | Stop::Iterations(500)).unwrap();
    // At an optimum of the relaxation W - diag(W Y'Y) is positive semidefinite.
    let y = &found.point;
    let mut slack = Mat::<f64>::zeros(n, n);
    for &(i, j) in edges {
        let dot = y.col(i).transpose() * y.col(j);
        for (i, j) in [(i, j), (j, i)] {
            slack[(i, j)] += 1.0;
            slack[(i, i)] -= dot;
        }
    }
    let least = pullback::value(|s: Var| s.eigvalsh().row(0), &slack).unwrap().scalar();
    (found, least)
}

fn cycle(n: usize) -> Vec<(usize, usize)> {
    (0..n).map(|k| (k, (k + 1) % n)).collect()
}

fn petersen() -> Vec<(usize, usize)> {
    let (outer, spokes) = (cycle(5), (0..5).map(|k| (k, k + 5)));
    outer.into_iter().chain(spokes).chain((0..5).map(|k| (5 + k, 5 + (k + 2) % 5))).collect()
}

#[test]
fn relaxations_of_max_cut() {
    for (n, edges, answer) in [(5, cycle(5), 4.522542485937), (7, cycle(7), 6.653391037658), (10, petersen(), 12.5)] {
        let (found, least) = max_cut(n, &edges);
        solved(&found, -answer, 100);
        assert!(least > -1e-4, "{n} vertices: the certificate has the eigenvalue {least:e}");
    }
}

#[test]
fn a_relaxation_of_max_cut_over_correlations_of_its_rank() {
    // The pentagon's optimum has rank 2, so the quotient by rotations of the vectors serves.
    let (n, edges) = (5, cycle(5));
    let correlations = Elliptope::new(n, 2);
    let (i, j): (Vec<usize>, Vec<usize>) = edges.iter().copied().unzip();
    let y0: Mat<f64> = correlations.random(&mut rng(1));
    let problem = Problem::new(&correlations, &y0, |y| {
        (y.gather(Axis::Rows, &i).row_dots(y.gather(Axis::Rows, &j)).sum() - n as f64) * 0.5
    });
    let (solver, stop) = manopt();
    let found = problem.solve(solver, stop).unwrap();
    solved(&found, -4.522542485937, 20);
    correlations.check_point(&[Batch::from(found.point)]).unwrap();
}
