//! The Karcher mean of covariances of EEG windows: the positive definite matrix with the least sum of squared
//! distances.
//!
//! An arithmetic mean of covariances has too large a determinant. Distances that do not depend on scale and basis of
//! the channels do not have that fault: they are the affine-invariant metric, the default of `Spd`.

use pullback::faer::Mat;
use pullback::prelude::*;
use pullback_manifolds::{Effort, Spd, mean};
use pullback_optim::{History, Problem, Stop, TrustRegions};

/// 12 covariances of 14 channels: each line the first row of the window, and a lower triangle.
const DATA: &str = include_str!("../data/eeg_covariances.csv");

fn covariance(line: &str) -> Result<Mat<f64>, std::num::ParseFloatError> {
    let lower = line.split(',').skip(1).map(str::parse).collect::<Result<Vec<f64>, _>>()?;
    Ok(Mat::from_fn(14, 14, |i, j| lower[i.max(j) * (i.max(j) + 1) / 2 + i.min(j)]))
}

/// What the example prints, and the history of its run.
pub fn run() -> Result<(String, History), Box<dyn std::error::Error>> {
    let data = DATA.lines().filter(|l| !l.starts_with('#')).map(covariance).collect::<Result<Vec<_>, _>>()?;
    let k = data.len() as f64;
    let all = Batch::stack(&data);

    let spd = Spd::new(14);
    let arithmetic = data.iter().fold(Mat::zeros(14, 14), |sum, c| sum + c * (1.0 / k));
    // A batch as the second point: one distance for each of its members.
    let problem = Problem::new(&spd, &arithmetic, |x| spd.dist2(x, x.tape().constant(&all)).sum() * (0.5 / k));
    let found = problem.solve(TrustRegions::default(), Stop::GradientNorm(1e-10))?;

    // The log-determinant of the mean is the mean of the log-determinants.
    let logdet = |c: &Mat<f64>| pullback::value(|c: Var| c.spd().logdet(), c).map(|v| v.scalar());
    let (mut expected, of_mean) = (0.0, logdet(&found.point)?);
    for c in &data {
        expected += logdet(c)? / k;
    }
    assert!((of_mean - expected).abs() < 1e-9);
    // The library's own fixed-point iteration finds the same point.
    let centre = mean::<f64>(&spd, &[all], &Effort::default())?;
    let apart = spd.dist(&found.point, &centre.point[0].clone().into_mat())?;
    assert!(apart < 1e-9);
    let excess = logdet(&arithmetic)? - expected;
    let out = format!("{found}\nlog-determinant {of_mean:.6}; that of the arithmetic mean is {excess:.3} larger\n");
    Ok((out, found.history))
}

#[allow(dead_code)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    print!("{}", run()?.0);
    Ok(())
}
