//! Averaging poses: several noisy measurements of where a camera is and how it is turned, and the pose in their middle.
//!
//! A pose is a matrix `[R p; 0 1]`, a point of SE(3). An average of matrices is no pose; the point with the least sum
//! of squared distances is one.

use pullback::faer::Mat;
use pullback::prelude::*;
use pullback_manifolds::{Effort, SpecialEuclidean, mean, rng};
use pullback_optim::{History, Problem, Stop, TrustRegions};

/// What the example prints, and the history of its run.
pub fn run() -> Result<(String, History), Box<dyn std::error::Error>> {
    let poses = SpecialEuclidean::new(3);
    let mut rng = rng(8);
    let truth: Mat<f64> = poses.random(&mut rng);
    // Ten measurements, in pairs of opposite errors: their middle is known.
    let mut measured = Vec::new();
    for _ in 0..5 {
        let noise =
            poses.project(&truth, &(poses.random::<Mat<f64>>(&mut rng) - poses.random::<Mat<f64>>(&mut rng)))?;
        for sign in [0.1, -0.1] {
            measured.push(poses.exp(&truth, &(&noise * sign))?);
        }
    }
    let all = Batch::stack(&measured);

    // Begin at the first measurement. `dist2` is smooth where two points meet; `dist` is not.
    let problem = Problem::new(&poses, &measured[0], |x| poses.dist2(x, x.tape().constant(&all)).sum() * 0.05);
    let found = problem.solve(TrustRegions::default(), Stop::GradientNorm(1e-12))?;
    let off = poses.dist(&found.point, &truth)?;
    assert!(off < 1e-12, "off by {off:e}");
    // The library has a word for it.
    let centre = mean::<f64>(&poses, &[all], &Effort::default())?.point[0].member(0);
    assert!(poses.dist(&centre, &truth)? < 1e-12);

    // One bad measurement moves the mean. The sum of distances, smoothed near 0, hardly sees it.
    let mut spoilt = measured.clone();
    spoilt[9] = poses.random(&mut rng);
    let spoilt = Batch::stack(&spoilt);
    // A closure that is stored before it is used is wrapped in `func`, which tells the compiler what it is.
    let distances = func(|x: Var| (poses.dist2(x, x.tape().constant(&spoilt)) + 1e-6).sqrt().sum());
    let mean = Problem::new(&poses, &measured[0], |x| poses.dist2(x, x.tape().constant(&spoilt)).sum());
    let median = Problem::new(&poses, &measured[0], distances);
    let [mean, median] = [
        mean.solve(TrustRegions::default(), Stop::default())?.point,
        median.solve(TrustRegions::default(), Stop::default())?.point,
    ];
    let (mean, median) = (poses.dist(&mean, &truth)?, poses.dist(&median, &truth)?);
    assert!(median < 0.5 * mean, "{median} {mean}");
    let out = format!("{found}\nwith one bad measurement: the mean is off by {mean:.3}, the median by {median:.3}\n");
    Ok((out, found.history))
}

#[allow(dead_code)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    print!("{}", run()?.0);
    Ok(())
}
