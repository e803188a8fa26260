//! The classical methods: their curves, and step sizes tuned on grids. Nothing learned lives here.

use crate::curves::{Curves, Spread};
use crate::error::{Result, during};
use crate::progress::Stage;
use crate::task::Pca;
use pullback::{Batch, Var};
use pullback_manifolds::Grassmann;
use pullback_optim::{Momentum, Problem, Rsgd, Solver, Stop, log_grid, tune};

/// The numbers that are tried, and what for.
#[derive(Debug, Clone)]
pub(crate) struct Grid {
    /// Step sizes.
    pub(crate) steps: Vec<f64>,
    /// Momenta, each with every step size.
    pub(crate) betas: Vec<f64>,
    /// Tuned for the training loss after that many steps.
    pub(crate) horizon: usize,
}

impl Grid {
    /// Step sizes around `1 / L` over four decades, where `L` bounds the curvature: the range in which descent
    /// converges at all lies below `2 / L`.
    pub(crate) fn around(curvature: f64, per_decade: usize, betas: &[f64], horizon: usize) -> Self {
        let steps = log_grid(1e-2 / curvature, 1e2 / curvature, 4 * per_decade + 1);
        Grid { steps, betas: betas.to_vec(), horizon }
    }
}

/// A tuned method and what tuning it cost.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct TunedMethod {
    pub(crate) step: f64,
    /// Zero for plain descent.
    pub(crate) beta: f64,
    /// Pairs of numbers that were tried.
    pub(crate) tried: usize,
    /// Gradients of one point that were computed for it.
    pub(crate) gradient_evaluations: usize,
    /// Is the best step the first or last of the grid?
    pub(crate) at_the_edge: bool,
}

impl TunedMethod {
    /// Losses along runs of `steps` steps from the given starts.
    pub(crate) fn curves(&self, pca: &Pca, manifold: &Grassmann, starts: &Batch, steps: usize) -> Result<Curves> {
        let mut after = Vec::with_capacity(steps + 1);
        run(pca, manifold, (self.step, self.beta), starts, steps, |x| after.push(pca.losses(x)))
            .map_err(during("a run of a tuned classical method"))?;
        Ok(Curves { after })
    }
}

/// Runs descent with this step and momentum and shows every point, the first included.
fn run(
    pca: &Pca,
    manifold: &Grassmann,
    (step, beta): (f64, f64),
    starts: &Batch,
    steps: usize,
    see: impl FnMut(&Batch),
) -> pullback_optim::Result<()> {
    match beta == 0.0 {
        true => run_method(pca, manifold, Rsgd { step }, starts, steps, see),
        false => run_method(pca, manifold, Momentum { step, beta }, starts, steps, see),
    }
}

fn run_method(
    pca: &Pca,
    manifold: &Grassmann,
    method: impl Solver,
    starts: &Batch,
    steps: usize,
    mut see: impl FnMut(&Batch),
) -> pullback_optim::Result<()> {
    let moments = Batch::of(&pca.moments);
    let problem = Problem::new(manifold, starts, |x: Var| Pca::cost(&moments, x).sum());
    let mut run = problem.run(method, Stop::GradientNorm(0.0) | Stop::Iterations(steps));
    let mut seen = 0;
    while let Some(state) = run.step()? {
        see(&state.point[0]);
        seen += 1;
    }
    // A gradient of exactly zero stops a run; the point then stays where it is.
    let x = run.finish().point;
    (seen..=steps).for_each(|_| see(&x));
    Ok(())
}

/// The best step size for one momentum.
struct Row {
    loss: f64,
    step: f64,
    beta: f64,
    at_the_edge: bool,
}

/// Gradient descent and gradient descent with momentum, tuned for the median training loss over `starts` at the
/// horizon.
pub(crate) fn tune_both(
    pca: &Pca,
    manifold: &Grassmann,
    starts: &Batch,
    grid: &Grid,
) -> Result<(TunedMethod, TunedMethod)> {
    let stage = Stage::new("tuning", 1 + grid.betas.len());
    let cost_of_one = starts.shape().batch * grid.horizon;
    let outcome = |step, beta| {
        let mut last = vec![];
        run(pca, manifold, (step, beta), starts, grid.horizon, |x| last = pca.losses(x))?;
        Ok(Spread::of(last.iter().map(|l| l.train).collect()).median)
    };
    // The best step for one momentum, with its loss.
    let best = |beta: f64| {
        let tuned = tune(&grid.steps, |step| outcome(step, beta));
        stage.advance();
        let row = tuned.best.map(|i| &tuned.table[i])?;
        Some(Row { loss: *row.outcome.as_ref().ok()?, step: row.at, beta, at_the_edge: tuned.at_the_edge() })
    };
    let finish = |rows: Vec<Option<Row>>| {
        let tried = rows.len() * grid.steps.len();
        let best = rows.into_iter().flatten().min_by(|a, b| a.loss.total_cmp(&b.loss));
        best.map(|Row { step, beta, at_the_edge, .. }| TunedMethod {
            step,
            beta,
            tried,
            gradient_evaluations: tried * cost_of_one,
            at_the_edge,
        })
        .ok_or_else(|| during("tuning the classical methods")("every step size of the grid failed"))
    };
    let plain = finish(vec![best(0.0)])?;
    let momentum = finish(grid.betas.iter().map(|&b| best(b)).collect())?;
    Ok((plain, momentum))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::curves::On;
    use crate::data::{Digits, PIXELS};
    use crate::task::Split;
    use pullback_manifolds::{Manifold, rng};

    #[test]
    fn tuned_methods_descend_to_the_optimum_and_momentum_is_faster() {
        let split = Split::new(&Digits::built_in().unwrap(), 0);
        let pca = Pca::new(&split, 3).unwrap();
        let gr = Grassmann::new(PIXELS, 3);
        let starts: Batch = gr.random_point(3, &mut rng(5)).swap_remove(0);
        let grid = Grid::around(2.0 * pca.energy(), 3, &[0.5, 0.8], 10);
        let (plain, momentum) = tune_both(&pca, &gr, &starts, &grid).unwrap();
        assert_eq!((plain.tried, momentum.tried), (13, 26));
        assert_eq!(plain.gradient_evaluations, 13 * 3 * 10);
        assert!(!plain.at_the_edge && !momentum.at_the_edge);
        let a = plain.curves(&pca, &gr, &starts, 20).unwrap();
        let b = momentum.curves(&pca, &gr, &starts, 20).unwrap();
        assert_eq!((a.steps(), b.steps()), (20, 20));
        let at = |c: &Curves, t| c.at(t, On::Train).median - pca.optimum.train;
        assert!(at(&a, 20) < 0.5 * at(&a, 0) && at(&b, 10) < at(&a, 10) && at(&b, 20) > -1e-12);
        // The grid's best is no worse than any other row.
        let worse = TunedMethod { step: plain.step * 4.0, ..plain.clone() };
        assert!(at(&worse.curves(&pca, &gr, &starts, 10).unwrap(), 10) > at(&a, 10));
    }
}
