//! Estimators as values that are called, so that a loop can compare them and a new one needs no change here.

use crate::certificate::Certificate;
use crate::condition::{Condition, Kind};
use crate::error::{Error, Result};
use crate::estimate::{Derivative, Estimator, Sensitivity, run};
use crate::iteration::{Iteration, Of, Vars, list};
use crate::linear::Method;
use crate::solution::{Settings, Tapes, rebuilt};
use crate::space::Space;
use pullback::{Leaves, Scalar, Tape, Var};

/// A way to take the derivative of the outer loss of an iteration by its parameters.
pub trait Estimate<I: Iteration> {
    /// What it is called in tables.
    fn name(&self) -> String;
    /// Runs `steps` steps from `z0` and takes the derivative.
    ///
    /// # Errors
    /// As [`Sensitivity::derivative`].
    fn estimate(
        &self,
        on: &mut Sensitivity<Of<I::State>>,
        it: &I,
        z0: &I::State,
        phi: &I::Params,
        steps: usize,
    ) -> Result<Derivative<I::State, I::Params>>;
}

impl<I: Iteration> Estimate<I> for Estimator {
    fn name(&self) -> String {
        format!("{self:?}")
    }
    fn estimate(
        &self,
        on: &mut Sensitivity<Of<I::State>>,
        it: &I,
        z0: &I::State,
        phi: &I::Params,
        steps: usize,
    ) -> Result<Derivative<I::State, I::Params>> {
        on.derivative(it, z0, phi, steps, *self)
    }
}

/// The derivative of the fixed point of the last step, by a linear solver: constant memory, and an error that is
/// estimated whatever the contraction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Implicit {
    /// How to solve, polish and check.
    pub settings: Settings,
}

impl Implicit {
    /// With everything that is on by default.
    pub fn new<T: Scalar>() -> Self {
        Implicit { settings: Settings::new::<T>() }
    }
    /// With another linear solver.
    #[must_use]
    pub fn method(self, method: Method) -> Self {
        Implicit { settings: Settings { method, ..self.settings } }
    }
}

/// The last step of an iteration as a condition: its fixed point, in the coordinates `v = P v` of the tangent space at
/// the state `z_0` that the loop reached. The program is `z_0 + P (F(z_0 + P (z - z_0)) - z_0)`, in the ambient space,
/// so normal and vertical directions are mapped to zero, and `I - A` is regular on them.
struct LastStep<'i, I: Iteration> {
    it: &'i I,
    t: usize,
    end: &'i I::State,
}

impl<I: Iteration> LastStep<'_, I> {
    fn tree<'t>(&self, l: impl IntoIterator<Item = Var<'t, Of<I::State>>>) -> Vars<'t, I::State> {
        let mut l = l.into_iter();
        self.end.bind(&mut || l.next().unwrap_or_else(|| unreachable!("one handle for each leaf")))
    }

    /// `z_0 + P (z - z_0)`.
    fn near<'t>(
        &self,
        tape: &'t Tape<Of<I::State>>,
        base: &[Var<'t, Of<I::State>>],
        z: &[Var<'t, Of<I::State>>],
    ) -> Vec<Var<'t, Of<I::State>>> {
        let away = self.tree(z.iter().zip(base).map(|(z, b)| *z - *b));
        let tangent = list(&self.it.project(tape, self.tree(base.iter().copied()), away));
        base.iter().zip(tangent).map(|(b, v)| *b + v).collect()
    }
}

impl<I: Iteration> Condition for LastStep<'_, I> {
    type State = I::State;
    type Params = I::Params;

    fn kind(&self) -> Kind {
        Kind::FixedPoint
    }
    fn space(&self) -> Space<'_, Of<I::State>> {
        Space::Flat
    }
    fn program<'t>(
        &self,
        tape: &'t Tape<Of<I::State>>,
        z: Vars<'t, I::State>,
        phi: Vars<'t, I::Params>,
    ) -> Vec<Var<'t, Of<I::State>>> {
        let base: Vec<_> = self.end.batches().iter().map(|b| tape.constant(b)).collect();
        let from = self.tree(self.near(tape, &base, &list(&z)));
        self.near(tape, &base, &list(&self.it.step(tape, from, phi, self.t)))
    }
}

impl<I: Iteration> Estimate<I> for Implicit {
    fn name(&self) -> String {
        format!("Implicit {{ {:?} }}", self.settings.method)
    }
    fn estimate(
        &self,
        on: &mut Sensitivity<Of<I::State>>,
        it: &I,
        z0: &I::State,
        phi: &I::Params,
        steps: usize,
    ) -> Result<Derivative<I::State, I::Params>> {
        let Some(last) = steps.checked_sub(1) else { return Err(Error::NoSteps) };
        on.plain.clear();
        on.plain.reset_peak();
        let end = run(&mut on.plain, it, z0, z0.batches(), phi, 0..steps)?;
        let state = rebuilt(z0, end);
        let condition = LastStep { it, t: last, end: &state };
        let mut tapes = Tapes::new();
        let lin = condition.at(&state, phi).with(self.settings).linearise(&mut tapes)?;
        let outer = lin.hypergradient(|z, phi| match list(&z).first() {
            Some(v) => it.outer(v.tape(), z, phi),
            None => unreachable!("a condition was recorded on a state with leaves"),
        })?;
        let operations = lin.operations();
        drop(lin);
        let c = outer.certificate;
        let certificate = Certificate {
            terms: c.products,
            error: c.error.map(|e| e.total),
            verdict: c.verdict,
            motion: None,
            ..Certificate::unrolled(0)
        };
        Ok(Derivative {
            value: outer.value,
            gradient: outer.gradient,
            state: outer.solution,
            certificate,
            bytes: on.plain.peak_bytes() + tapes.peak_bytes(),
            operations,
            products: c.products,
        })
    }
}

/// Asks several estimators about one loop.
///
/// # Errors
/// The first error of one of them.
pub fn compare<I: Iteration>(
    estimators: &[&dyn Estimate<I>],
    it: &I,
    z0: &I::State,
    phi: &I::Params,
    steps: usize,
) -> Result<Vec<(String, Derivative<I::State, I::Params>)>> {
    let mut on = Sensitivity::new();
    estimators.iter().map(|e| Ok((e.name(), e.estimate(&mut on, it, z0, phi, steps)?))).collect()
}
