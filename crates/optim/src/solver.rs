//! The two kinds of step: [`Method`](crate::Method), a program that can itself be differentiated, and [`Solver`], which
//! asks the problem as often as it likes (line searches, trust regions) and cannot. How a method is run as a solver.

use crate::method::Method;
use crate::numbers::Numbers;
use crate::view::{Iterate, View};
use crate::{Error, Result};
use pullback::{Scalar, Shape};
use pullback_manifolds::{Egrad, Rgrad};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What a step of a solver did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Step {
    /// It moved to the new point, over this length.
    Moved {
        /// The length of the tangent that was retracted.
        length: f64,
    },
    /// It stayed at the point, with another state (a smaller trust region, say).
    Rejected,
    /// It cannot make progress, for this reason.
    Stalled(&'static str),
}

/// An algorithm that maps an iterate and its own state to the next iterate, and evaluates the problem as it needs.
///
/// A solver is its settings. What changes is in the state, which is written to and read from checkpoints as it is, so a
/// resumed run continues bit for bit.
///
/// ```
/// use pullback_manifolds::Sphere;
/// use pullback_optim::{Iterate, Numbers, Problem, Result, Solver, Step, Stop, View};
/// /// Polyak's step `(f - f*) / |grad f|^2`, for a cost whose least value is known.
/// #[derive(Debug)]
/// struct Polyak {
///     least: f64,
/// }
/// impl Solver for Polyak {
///     type State = Numbers<f64>;
///     fn name(&self) -> String {
///         format!("Polyak({})", self.least)
///     }
///     fn begin(&self, _: &mut View<'_, '_, f64>, at: &Iterate<f64>) -> Result<Numbers<f64>> {
///         Ok(Numbers::zeros(&at.x))
///     }
///     fn step(
///         &self,
///         view: &mut View<'_, '_, f64>,
///         at: &Iterate<f64>,
///         next: &mut Iterate<f64>,
///         direction: &mut Numbers<f64>,
///     ) -> Result<Step> {
///         let t = (at.cost - self.least) / (at.norm * at.norm);
///         direction.copy_from(&at.rgrad);
///         view.retract(at, direction, -t, next)?;
///         view.cost(next)?;
///         view.gradient(next)?;
///         Ok(Step::Moved { length: t * at.norm })
///     }
/// }
/// let a = pullback::faer::mat![[3.0, 0.0], [0.0, 1.0]];
/// let (sphere, start) = (Sphere::new(2, 1), pullback::faer::mat![[0.6], [0.8]]);
/// let problem = Problem::new(&sphere, &start, |x: pullback::Var| x.quadratic_form(&a));
/// let found = problem.solve(Polyak { least: 1.0 }, Stop::GradientNorm(1e-6) | Stop::Iterations(200))?;
/// assert!((found.cost - 1.0).abs() < 1e-9, "{found}");
/// # Ok::<(), pullback_optim::Error>(())
/// ```
pub trait Solver<T: Scalar = f64>: std::fmt::Debug {
    /// What it keeps from step to step, buffers included. Buffers may be skipped by serialisation.
    type State: Clone + Serialize + DeserializeOwned;

    /// Its name and settings, for tables and messages.
    fn name(&self) -> String;

    /// Does it use gradients, or values of the cost alone?
    fn uses_gradients(&self) -> bool {
        true
    }

    /// Does it use another minibatch of a stochastic problem at each step? Otherwise it uses the whole cost.
    fn draws(&self) -> bool {
        false
    }

    /// The state before the first step; says which setting or which operation of the manifold is wrong or missing.
    ///
    /// # Errors
    /// [`Error::Setting`], [`Error::Needs`], or the first failure.
    fn begin(&self, view: &mut View<'_, '_, T>, at: &Iterate<T>) -> Result<Self::State>;

    /// One step. Where it moves, `next` holds the new point with its cost and, if the solver uses gradients, its
    /// gradient; `at` is not changed, also if the cost panics and the caller catches that.
    ///
    /// # Errors
    /// The first failure that a smaller step does not avoid.
    fn step(
        &self,
        view: &mut View<'_, '_, T>,
        at: &Iterate<T>,
        next: &mut Iterate<T>,
        state: &mut Self::State,
    ) -> Result<Step>;
}

/// Runs a [`Method`] on a problem: gradient, step, gradient, ...
pub(crate) fn method_step<T: Scalar>(
    method: &dyn Method<T>,
    view: &mut View<'_, '_, T>,
    at: &Iterate<T>,
    next: &mut Iterate<T>,
    state: &mut Numbers<T>,
) -> Result<Step> {
    let (x, s) = (at.x.len(), state.len());
    let mut both = Numbers::default();
    view.space.run([&at.x, &at.egrad, &at.rgrad, state], &mut both, |m, [x, e, g, s]| {
        let (mut next, state) = method.step_with(m, x, Egrad(e), Rgrad(g), s);
        next.extend(state);
        next
    })?;
    debug_assert_eq!(both.len(), x + s);
    next.x.copy_from(&both[..x]);
    next.draw = view.draw_after(at);
    view.counts.retractions += 1;
    view.cost(next)?;
    view.gradient(next)?;
    state.copy_from(&both[x..]);
    Ok(Step::Moved { length: f64::NAN })
}

/// The state of a method before its first step.
pub(crate) fn method_begin<T: Scalar>(method: &dyn Method<T>, at: &Iterate<T>) -> Numbers<T> {
    let shapes: Vec<Shape> = at.x.iter().map(|b| b.shape()).collect();
    Numbers(method.begin(&shapes))
}

/// Makes methods solvers.
macro_rules! methods_are_solvers {
    ($($M:ty),*) => {$(
        impl<T: Scalar> Solver<T> for $M {
            type State = Numbers<T>;
            fn name(&self) -> String {
                Method::<T>::name(self)
            }
            fn draws(&self) -> bool {
                true
            }
            fn begin(&self, _: &mut View<'_, '_, T>, at: &Iterate<T>) -> Result<Numbers<T>> {
                Ok(method_begin(self, at))
            }
            fn step(
                &self,
                view: &mut View<'_, '_, T>,
                at: &Iterate<T>,
                next: &mut Iterate<T>,
                state: &mut Numbers<T>,
            ) -> Result<Step> {
                method_step(self, view, at, next, state)
            }
        }
    )*};
}
methods_are_solvers!(crate::Rsgd, crate::Momentum, crate::RAdam, crate::CRmsProp, crate::Rasa);

/// Any [`Method`] as a [`Solver`]: for one of your own, or one that was learned.
#[derive(Debug, Clone)]
pub struct Steps<M>(pub M);

impl<T: Scalar, M: Method<T>> Solver<T> for Steps<M> {
    type State = Numbers<T>;
    fn name(&self) -> String {
        self.0.name()
    }
    fn draws(&self) -> bool {
        true
    }
    fn begin(&self, _: &mut View<'_, '_, T>, at: &Iterate<T>) -> Result<Numbers<T>> {
        Ok(method_begin(&self.0, at))
    }
    fn step(
        &self,
        view: &mut View<'_, '_, T>,
        at: &Iterate<T>,
        next: &mut Iterate<T>,
        state: &mut Numbers<T>,
    ) -> Result<Step> {
        method_step(&self.0, view, at, next, state)
    }
}

/// A setting that must be within bounds.
pub(crate) fn within(setting: &'static str, expected: &'static str, ok: bool, got: f64) -> Result<()> {
    if ok { Ok(()) } else { Err(Error::Setting { setting, expected, got }) }
}
