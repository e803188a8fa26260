//! The lowest value of a loss without a closed form: long runs of L-BFGS with a line search, from the principal
//! components and from random points. It is the lowest that was found, which is all that can be said of it.

use super::losses::Loss;
use crate::error::{Result, during};
use pullback::faer::Mat;
use pullback::{Batch, Var};
use pullback_manifolds::{Manifold, rng};
use pullback_optim::{Lbfgs, Problem, Stop};

/// Random starts beside the principal components.
const STARTS: usize = 3;
/// A run ends at a gradient of this norm, or after so many steps.
const GRADIENT: f64 = 1e-10;
const STEPS: usize = 500;

/// The lowest value of each problem.
pub(crate) fn lowest(
    manifold: &dyn Manifold,
    loss: &dyn Fn(usize) -> Loss,
    count: usize,
    images: &[Mat<f64>],
    seed: u64,
) -> Result<Vec<f64>> {
    let p = manifold.shapes()[0].cols;
    let one = |k: usize| -> Result<f64> {
        let loss = loss(k);
        let svd = images[k].thin_svd().map_err(|e| during("principal components")(format!("{e:?}")))?;
        let mut starts: Vec<Batch> = vec![Batch::of(&svd.U().subcols(0, p).to_owned())];
        let seed = seed.wrapping_mul(31).wrapping_add(k as u64);
        starts.extend((0..STARTS as u64).map(|s| manifold.random_point(1, &mut rng(seed ^ (s << 40))).swap_remove(0)));
        let mut best = f64::INFINITY;
        for start in &starts {
            let problem = Problem::new(manifold, start, |x: Var| loss.of(x));
            let found = problem.solve(Lbfgs::default(), Stop::GradientNorm(GRADIENT) | Stop::Iterations(STEPS));
            best = best.min(found.map_err(during("the lowest value of a robust loss"))?.cost);
        }
        Ok(best)
    };
    (0..count).map(one).collect()
}
