//! The methods of a contest: what they are called, which numbers they need, and how those make a solver. How they are
//! tuned and run is elsewhere.

use super::looking::Looker;
use pullback::{Batch, Shape, Tape, Var};
use pullback_manifolds::{Egrad, Manifold, Parts, Rgrad};
use pullback_optim::{CRmsProp, Method, Momentum, RAdam, Rasa, Rsgd, Schedule};
use smallvec::SmallVec;

/// The numbers of a method.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Knobs {
    pub(crate) step: f64,
    /// The momentum; 0 where a method has none.
    pub(crate) beta: f64,
    /// Steps of a whole run, for schedules.
    pub(crate) steps: u32,
}

/// How a method sees the cost.
pub(crate) enum Kind {
    /// A rule that takes the gradient of one minibatch a step.
    Rule(Box<dyn Fn(&Knobs) -> Box<dyn Method>>),
    /// A learned optimiser that takes the gradient of one minibatch a step and looks at its examples.
    Looking(Box<dyn Looker>),
    /// Stochastic variance-reduced gradients: a whole gradient, then steps with two minibatch gradients each.
    Rsvrg,
    /// Stochastic recursive gradients.
    Rsrg,
    /// A solver that sees all examples.
    Whole(Whole),
}

/// The solvers that see all examples. They choose their steps themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whole {
    Lbfgs,
    ConjugateGradient,
    TrustRegions,
}

/// What a step of 1 means to a method: the unit of its grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// The length of the first whole gradient: then a step is about as long as its number.
    Gradient,
    /// The direction has about the length 1.
    Direction,
    /// The direction has entries of about 1.
    Entries,
    /// The steps of a trained optimiser: the number is a factor on them.
    Own,
    /// Nothing is to be tuned.
    None,
}

/// A method in a contest.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// Momenta that are tried.
    pub(crate) betas: Vec<f64>,
    pub(crate) unit: Unit,
}

impl Kind {
    /// Does it look at minibatches?
    pub(crate) fn is_stochastic(&self) -> bool {
        !matches!(self, Kind::Whole(_))
    }
}

impl Contender {
    /// A rule with a step to be tuned, and momenta if it has one.
    pub(crate) fn rule<M: Method + 'static>(
        name: &'static str,
        unit: Unit,
        betas: &[f64],
        make: impl Fn(&Knobs) -> M + 'static,
    ) -> Self {
        let kind = Kind::Rule(Box::new(move |k| Box::new(make(k))));
        Contender { name, kind, betas: betas.to_vec(), unit }
    }

    /// A solver that needs no tuning.
    fn whole(name: &'static str, which: Whole) -> Self {
        Contender { name, kind: Kind::Whole(which), betas: vec![0.0], unit: Unit::None }
    }
}

/// The classical methods of the papers, and the solvers that see all examples.
pub(crate) fn classical(quick: bool) -> Vec<Contender> {
    let betas: &[f64] = if quick { &[0.9] } else { &[0.5, 0.9] };
    let none: &[f64] = &[0.0];
    vec![
        Contender::rule("RSGD", Unit::Gradient, none, |k| Rsgd { step: k.step }),
        Contender::rule("momentum", Unit::Gradient, betas, |k| Momentum { step: k.step, beta: k.beta }),
        Contender::rule("momentum, decaying", Unit::Gradient, betas, |k| Decaying {
            step: k.step,
            beta: k.beta,
            schedule: Schedule::Cosine { steps: k.steps },
        }),
        Contender::rule("RAdam", Unit::Direction, none, |k| RAdam::new(k.step)),
        Contender::rule("RAMSGrad", Unit::Direction, none, |k| RAdam::amsgrad(k.step)),
        Contender::rule("RASA-LR", Unit::Entries, none, |k| Rasa::new(k.step)),
        Contender::rule("cRMSProp", Unit::Entries, none, |k| CRmsProp::new(k.step)),
        Contender { name: "R-SVRG", kind: Kind::Rsvrg, betas: none.to_vec(), unit: Unit::Gradient },
        Contender { name: "R-SRG", kind: Kind::Rsrg, betas: none.to_vec(), unit: Unit::Gradient },
        Contender::whole("L-BFGS", Whole::Lbfgs),
        Contender::whole("conjugate gradients", Whole::ConjugateGradient),
        Contender::whole("trust regions", Whole::TrustRegions),
    ]
}

/// Momentum with a step that changes: `M+ = beta T(M) + G`, `X+ = R_X(-step s(t) M+)` with the schedule `s` at step
/// `t`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Decaying {
    pub(crate) step: f64,
    pub(crate) beta: f64,
    pub(crate) schedule: Schedule,
}

impl Method for Decaying {
    fn name(&self) -> String {
        format!("RSGDM(step {} {}, beta {})", self.step, self.schedule, self.beta)
    }
    /// The count of steps and the momentum.
    fn state(&self, points: &[Shape]) -> SmallVec<[Shape; 2]> {
        let mut out: SmallVec<[Shape; 2]> = SmallVec::new();
        out.push(Shape::SCALAR);
        out.extend_from_slice(points);
        out
    }
    fn step<'t>(
        &self,
        m: &dyn Manifold,
        x: &[Var<'t>],
        rgrad: Rgrad<&[Var<'t>]>,
        state: &[Var<'t>],
    ) -> (Parts<'t>, Parts<'t>) {
        let t = state[0] + 1.0;
        let momentum: Parts<'t> = state[1..].iter().zip(*rgrad).map(|(s, g)| s.lincomb(self.beta, *g, 1.0)).collect();
        let rate = self.schedule.at(t) * -self.step;
        let v: Parts<'t> = momentum.iter().map(|m| m.hadamard(rate)).collect();
        let next = m.retract(x, &v);
        let mut kept = Parts::new();
        kept.push(t);
        kept.extend(m.transport(x, &next, &momentum));
        (next, kept)
    }
}

/// A method behind a pointer, as a method.
#[derive(Debug)]
pub(crate) struct Pointed(pub(crate) Box<dyn Method>);

impl Method for Pointed {
    fn name(&self) -> String {
        self.0.name()
    }
    fn state(&self, points: &[Shape]) -> SmallVec<[Shape; 2]> {
        self.0.state(points)
    }
    fn begin(&self, points: &[Shape]) -> Vec<Batch> {
        self.0.begin(points)
    }
    fn step<'t>(
        &self,
        m: &dyn Manifold,
        x: &[Var<'t>],
        rgrad: Rgrad<&[Var<'t>]>,
        state: &[Var<'t>],
    ) -> (Parts<'t>, Parts<'t>) {
        self.0.step(m, x, rgrad, state)
    }
    fn step_with<'t>(
        &self,
        m: &dyn Manifold,
        x: &[Var<'t>],
        egrad: Egrad<&[Var<'t>]>,
        rgrad: Rgrad<&[Var<'t>]>,
        state: &[Var<'t>],
    ) -> (Parts<'t>, Parts<'t>) {
        self.0.step_with(m, x, egrad, rgrad, state)
    }
    fn hold<'t>(&self, tape: &'t Tape) -> Parts<'t> {
        self.0.hold(tape)
    }
    fn step_holding<'t>(
        &self,
        m: &dyn Manifold,
        x: &[Var<'t>],
        egrad: Egrad<&[Var<'t>]>,
        rgrad: Rgrad<&[Var<'t>]>,
        state: &[Var<'t>],
        held: &[Var<'t>],
    ) -> (Parts<'t>, Parts<'t>) {
        self.0.step_holding(m, x, egrad, rgrad, state, held)
    }
}
