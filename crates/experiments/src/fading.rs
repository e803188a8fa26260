//! A learned optimiser whose steps become shorter by a schedule, as those of the classical methods beside it do. What
//! is learned, and how, is not known here.

use pullback::{Batch, Shape, Var};
use pullback_learned::{Gradients, LearnedOptimizer, ParamVars, StateVars};
use pullback_manifolds::{Manifold, Parts};
use pullback_optim::Schedule;

/// The tangent of step `t` times `s(t)`, with the schedule `s`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fading<O> {
    pub(crate) optimizer: O,
    pub(crate) schedule: Schedule,
}

impl<O: LearnedOptimizer> LearnedOptimizer for Fading<O> {
    type Params = O::Params;
    /// The count of steps, and the state of what is shortened.
    type State = (Batch, O::State);

    fn name(&self) -> String {
        format!("{} {}", self.optimizer.name(), self.schedule)
    }

    fn needs_egrad(&self) -> bool {
        self.optimizer.needs_egrad()
    }

    fn begin(&self, points: &[Shape]) -> Self::State {
        (Batch::zeros(Shape::SCALAR), self.optimizer.begin(points))
    }

    fn step<'t>(
        &self,
        m: &dyn Manifold,
        phi: &ParamVars<'t, Self>,
        x: &[Var<'t>],
        g: Gradients<'_, 't>,
        state: &StateVars<'t, Self>,
    ) -> (Parts<'t>, StateVars<'t, Self>) {
        let t = state.0 + 1.0;
        let (v, next) = self.optimizer.step(m, phi, x, g, &state.1);
        let s = self.schedule.at(t);
        (v.iter().map(|v| v.hadamard(s)).collect(), (t, next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pullback_learned::{Each, Sides, Subspace, SubspaceOptions, Trained, Update};
    use pullback_manifolds::{Stiefel, rng};
    use pullback_optim::{Problem, Rsgd, Steps, Stop};

    #[test]
    fn a_fresh_network_with_a_schedule_is_descent_that_rests_at_its_end() {
        let st = Stiefel::new(7, 2);
        let start: Batch = st.random_point(1, &mut rng(2)).swap_remove(0);
        let a = pullback::faer::Mat::from_fn(7, 7, |i, j| if i == j { i as f64 } else { 0.0 });
        let problem = || Problem::new(&st, &start, |x: Var| x.t_mul(&a * x).trace());
        let optimizer = Each::new(Subspace::new(SubspaceOptions::new(Sides::Both)), Update::new(0.05));
        let parameters = optimizer.init(&mut rng(1));
        let with = |schedule| Trained {
            optimizer: Fading { optimizer: optimizer.clone(), schedule },
            parameters: parameters.clone(),
        };
        let cost = |schedule, steps| problem().solve(Steps(with(schedule)), Stop::Iterations(steps)).unwrap().cost;
        let plain = problem().solve(Steps(Rsgd { step: 0.05 }), Stop::Iterations(6)).unwrap().cost;
        assert!((cost(Schedule::Constant, 6) - plain).abs() < 1e-12);
        let fading = Schedule::Cosine { steps: 4 };
        assert!((cost(fading, 4) - cost(fading, 9)).abs() < 1e-12 && cost(fading, 4) > plain);
    }
}
