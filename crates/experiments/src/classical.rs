//! The classical methods: which of the papers' take part, their curves, and their numbers tuned on grids. Nothing
//! learned lives here.

use crate::contest::contenders::{Contender, Kind, Knobs, Pointed, Unit, classical};
use crate::curves::{Curves, Spread};
use crate::error::{Result, during};
use crate::progress::Stage;
use crate::task::Pca;
use pullback::{Batch, Var};
use pullback_manifolds::Grassmann;
use pullback_optim::{Method, Problem, Steps, Stop, log_grid, tune};

/// The numbers that are tried, and what for.
#[derive(Debug, Clone)]
pub(crate) struct Grid {
    /// Step sizes of methods whose steps are as long as gradients.
    gradients: Vec<f64>,
    /// Lengths of steps of methods that forget the length of the gradient.
    lengths: Vec<f64>,
    /// Momenta, each with every step size.
    betas: Vec<f64>,
    /// Tuned for the training loss after that many steps.
    horizon: usize,
}

impl Grid {
    /// Four decades, each divided in so many parts. Step sizes lie around `1 / L`, where `L` bounds the curvature: the
    /// range in which descent converges at all lies below `2 / L`. Lengths are from a thousandth to ten.
    pub(crate) fn around(curvature: f64, per_decade: usize, betas: &[f64], horizon: usize) -> Self {
        let count = 4 * per_decade + 1;
        Grid {
            gradients: log_grid(1e-2 / curvature, 1e2 / curvature, count),
            lengths: log_grid(1e-3, 1e1, count),
            betas: betas.to_vec(),
            horizon,
        }
    }

    /// The same numbers for another horizon.
    pub(crate) fn after(&self, horizon: usize) -> Self {
        Grid { horizon, ..self.clone() }
    }
}

/// A tuned method and what tuning it cost.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct TunedMethod {
    pub(crate) name: &'static str,
    pub(crate) step: f64,
    /// Zero for a method without momentum.
    pub(crate) beta: f64,
    /// Pairs of numbers that were tried.
    pub(crate) tried: usize,
    /// Gradients of one point that were computed for it.
    pub(crate) gradient_evaluations: usize,
    /// Is the best step the first or last of the grid?
    pub(crate) at_the_edge: bool,
    /// For how many steps it was tuned, which is where a decaying step ends.
    pub(crate) horizon: usize,
}

/// The rules of the papers, from gradient descent on: those of `faces` and `clustering`. The two with reduced variance
/// are left out: where every gradient is that of all images there is none.
pub(crate) fn rules() -> Vec<Contender> {
    classical(false).into_iter().filter(|c| matches!(c.kind, Kind::Rule(_))).collect()
}

/// A rule with its numbers.
fn method(rule: &Contender, step: f64, beta: f64, horizon: usize) -> Option<Box<dyn Method>> {
    let knobs = Knobs { step, beta, steps: u32::try_from(horizon).unwrap_or(u32::MAX) };
    match &rule.kind {
        Kind::Rule(make) => Some(make(&knobs)),
        _ => None,
    }
}

impl TunedMethod {
    /// Losses along runs of `steps` steps from the given starts. A run that fails has infinite losses from there on.
    pub(crate) fn curves(&self, pca: &Pca, manifold: &Grassmann, starts: &Batch, steps: usize) -> Result<Curves> {
        let rules = rules();
        let rule = rules.iter().find(|r| r.name == self.name);
        let method = rule.and_then(|r| method(r, self.step, self.beta, self.horizon));
        let method = method.ok_or_else(|| during("a run of a tuned classical method")(self.name))?;
        let mut after = Vec::with_capacity(steps + 1);
        run(pca, manifold, method, starts, steps, |x| after.push(pca.losses(x)))
            .map_err(during("a run of a tuned classical method"))?;
        Ok(Curves { after })
    }
}

/// Runs a method, shows every point, the first included, and returns the last.
fn run(
    pca: &Pca,
    manifold: &Grassmann,
    method: Box<dyn Method>,
    starts: &Batch,
    steps: usize,
    mut see: impl FnMut(&Batch),
) -> pullback_optim::Result<Batch> {
    let moments = Batch::of(&pca.moments);
    let problem = Problem::new(manifold, starts, |x: Var| Pca::cost(&moments, x).sum());
    let mut run = problem.run(Steps(Pointed(method)), Stop::GradientNorm(0.0) | Stop::Iterations(steps));
    let mut seen = 0;
    while let Some(state) = run.step()? {
        see(&state.point[0]);
        seen += 1;
    }
    // A gradient of exactly zero stops a run; the point then stays where it is.
    let x = run.finish().point;
    (seen..=steps).for_each(|_| see(&x));
    Ok(x)
}

/// The best step size for one momentum.
struct Row {
    loss: f64,
    step: f64,
    beta: f64,
    at_the_edge: bool,
}

/// Every rule, tuned for the median training loss over `starts` at the horizon of the grid.
pub(crate) fn tune_all(pca: &Pca, manifold: &Grassmann, starts: &Batch, grid: &Grid) -> Result<Vec<TunedMethod>> {
    let rules = rules();
    let stage = Stage::new("tuning", rules.len());
    let one = |rule: &Contender| {
        stage.say(|| rule.name.to_string());
        let found = tune_one(pca, manifold, starts, grid, rule);
        stage.advance();
        found
    };
    rules.iter().map(one).collect()
}

fn tune_one(pca: &Pca, manifold: &Grassmann, starts: &Batch, grid: &Grid, rule: &Contender) -> Result<TunedMethod> {
    let entries = starts.shape().each() as f64;
    let steps: Vec<f64> = match rule.unit {
        Unit::Gradient => grid.gradients.clone(),
        Unit::Entries => grid.lengths.iter().map(|l| l / entries.sqrt()).collect(),
        Unit::Direction | Unit::Own | Unit::None => grid.lengths.clone(),
    };
    // A rule without momentum has the one momentum of zero.
    let betas = if rule.betas == [0.0] { &rule.betas } else { &grid.betas };
    let outcome = |step, beta| {
        let last = match method(rule, step, beta, grid.horizon) {
            Some(method) => pca.losses(&run(pca, manifold, method, starts, grid.horizon, |_| ())?),
            None => vec![],
        };
        Ok(Spread::of(last.iter().map(|l| l.train).collect()).median)
    };
    let best = |beta: f64| {
        let tuned = tune(&steps, |step| outcome(step, beta));
        let row = tuned.best.map(|i| &tuned.table[i])?;
        Some(Row { loss: *row.outcome.as_ref().ok()?, step: row.at, beta, at_the_edge: tuned.at_the_edge() })
    };
    let tried = betas.len() * steps.len();
    let best = betas.iter().filter_map(|b| best(*b)).min_by(|a, b| a.loss.total_cmp(&b.loss));
    best.map(|Row { step, beta, at_the_edge, .. }| TunedMethod {
        name: rule.name,
        step,
        beta,
        tried,
        gradient_evaluations: tried * starts.shape().batch * grid.horizon,
        at_the_edge,
        horizon: grid.horizon,
    })
    .ok_or_else(|| during("tuning the classical methods")(format!("every step size of {} failed", rule.name)))
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
        let all = tune_all(&pca, &gr, &starts, &grid).unwrap();
        let names = ["RSGD", "momentum", "momentum, decaying", "RAdam", "RAMSGrad", "RASA-LR", "cRMSProp"];
        assert_eq!(all.iter().map(|m| m.name).collect::<Vec<_>>(), names);
        let (plain, momentum) = (&all[0], &all[1]);
        assert_eq!((plain.tried, momentum.tried, all[3].tried), (13, 26, 13));
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
        // A decaying step ends where it was tuned for, and every rule descends.
        let decaying = all[2].curves(&pca, &gr, &starts, 20).unwrap();
        assert!((at(&decaying, 10) - at(&decaying, 20)).abs() < 1e-9);
        for m in &all {
            let c = m.curves(&pca, &gr, &starts, 10).unwrap();
            // cRMSProp hardly moves at any step at which it survives.
            let part = if m.name == "cRMSProp" { 1.0 } else { 0.5 };
            assert!(at(&c, 10) < part * at(&c, 0), "{}: {} of {}", m.name, at(&c, 10), at(&c, 0));
        }
    }
}
