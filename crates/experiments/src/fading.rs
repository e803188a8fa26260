//! A learned optimiser whose steps become shorter by a schedule, as those of the classical methods beside it do. What
//! is learned, and how, is not known here.

use pullback::{Batch, Shape, Var};
use pullback_learned::{Gradients, LearnedOptimizer, ParamVars, StateVars};
use pullback_manifolds::{Manifold, Parts};
use pullback_optim::Schedule;

/// The tangent of step `t` times `factor * s(t)`, with the schedule `s`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fading<O> {
    pub(crate) optimizer: O,
    pub(crate) factor: f64,
    pub(crate) schedule: Schedule,
}

impl<O: LearnedOptimizer> LearnedOptimizer for Fading<O> {
    type Params = O::Params;
    /// The count of steps, and the state of what is shortened.
    type State = (Batch, O::State);

    fn name(&self) -> String {
        format!("{} {} times {}", self.optimizer.name(), self.schedule, self.factor)
    }

    fn needs_egrad(&self) -> bool {
        self.optimizer.needs_egrad()
    }

    fn begin(&self, points: &[Shape]) -> Self::State {
        (Batch::zeros(Shape::batch(points[0].batch, 1, 1)), self.optimizer.begin(points))
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
        let s = self.schedule.at(t) * self.factor;
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
        let by = |factor, schedule, steps| {
            let fading = Fading { optimizer: optimizer.clone(), factor, schedule };
            let trained = Trained { optimizer: fading, parameters: parameters.clone() };
            problem().solve(Steps(trained), Stop::Iterations(steps)).unwrap().cost
        };
        let cost = |schedule, steps| by(1.0, schedule, steps);
        let descent = |step| problem().solve(Steps(Rsgd { step }), Stop::Iterations(6)).unwrap().cost;
        let plain = descent(0.05);
        assert!((cost(Schedule::Constant, 6) - plain).abs() < 1e-12);
        assert!((by(0.5, Schedule::Constant, 6) - descent(0.025)).abs() < 1e-12);
        let fading = Schedule::Cosine { steps: 4 };
        assert!((cost(fading, 4) - cost(fading, 9)).abs() < 1e-12 && cost(fading, 4) > plain);
    }
}
