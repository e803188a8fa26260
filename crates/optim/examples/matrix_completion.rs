//! Low-rank matrix completion: a 60 x 40 matrix of rank 3, of which three entries in ten are seen, and the rest
//! follows.
//!
//! A point of `FixedRank` is three factors, `X = U S V'`. The cost looks at the seen entries alone, so nothing of the
//! size of the whole matrix is formed.

use pullback::faer::Mat;
use pullback::prelude::*;
use pullback_manifolds::{FixedRank, rng};
use pullback_optim::{ConjugateGradient, History, Problem, Stop, TrustRegions};
use rand::RngExt;

/// What the example prints, and the history of its run.
pub fn run() -> Result<(String, History), Box<dyn std::error::Error>> {
    let (n, m, rank) = (60, 40, 3);
    let mut rng = rng(4);
    let mut factor = |rows: usize| Mat::from_fn(rows, rank, |_, _| rng.random_range(-1.0..1.0));
    let truth = factor(n) * factor(m).transpose();
    // The places that are seen, and what is seen there.
    let seen: Vec<(usize, usize)> =
        (0..n * m).filter(|_| rng.random_bool(0.3)).map(|place| (place % n, place / n)).collect();
    let (rows, cols): (Vec<usize>, Vec<usize>) = seen.iter().copied().unzip();
    let values = Mat::from_fn(seen.len(), 1, |k, _| truth[seen[k]]);

    let matrices = FixedRank::new(n, m, rank);
    let x0: (Mat<f64>, Mat<f64>, Mat<f64>) = matrices.random(&mut rng);
    // A point of several matrices is a tuple, in the start as in the closure.
    let problem = Problem::new(&matrices, &x0, |(u, s, v)| {
        let entries = (u * s).gather(Axis::Rows, &rows).row_dots(v.gather(Axis::Rows, &cols));
        let misfit = entries - &values;
        misfit.dot(misfit) * 0.5
    });
    let found = problem.solve(TrustRegions::default(), Stop::GradientNorm(1e-9) | Stop::Iterations(200))?;
    let cg = problem.solve(ConjugateGradient::default(), Stop::GradientNorm(1e-9) | Stop::Iterations(1000))?;

    let mut out = format!("{} of {} entries are seen\n", seen.len(), n * m);
    for (name, found) in [("trust regions", &found), ("conjugate gradients", &cg)] {
        let (u, s, v) = &found.point;
        let error = (u * s * v.transpose() - &truth).norm_max();
        assert!(error < 1e-7, "{name}: the unseen entries are off by {error:e}");
        out += &format!("{name}: {found}\n  largest error of all entries {error:.0e}\n");
    }
    Ok((out, found.history))
}

#[allow(dead_code)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    print!("{}", run()?.0);
    Ok(())
}
