//! Steps of a method on numbers: on one tape, where what a method holds stays from step to step. Pools and rollouts are
//! elsewhere.

use pullback::{Batch, Key, Result, Scalar, Tape, Var};
use pullback_manifolds::{Egrad, Manifold, Parts, Rgrad};
use pullback_optim::Method;

/// The tape of a run, and buffers for the next point and state. One method only: what it holds is bound once.
#[derive(Debug)]
pub(crate) struct Stepper<T: Scalar> {
    tape: Tape<T>,
    held: Option<Vec<Key>>,
    next: Vec<Batch<T>>,
}

impl<T: Scalar> Stepper<T> {
    pub(crate) fn new() -> Self {
        Stepper { tape: Tape::plain(), held: None, next: vec![] }
    }

    /// One step: the point and the state become the next ones. On an error both stay.
    ///
    /// # Errors
    /// The first failure; a point that is not finite.
    pub(crate) fn step(
        &mut self,
        m: &dyn Manifold<T>,
        method: &dyn Method<T>,
        cost: &dyn for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T>,
        x: &mut [Batch<T>],
        state: &mut [Batch<T>],
    ) -> Result<()> {
        // A panic of the cost must not leave a tape with half a step on it behind.
        let keys = self.held.take().unwrap_or_else(|| {
            self.tape.clear();
            method.hold(&self.tape).iter().map(Var::key).collect()
        });
        self.next.resize_with(x.len() + state.len(), || x[0].clone());
        self.run(&keys, m, method, cost, (x, state))?;
        // After a failure the next step begins with a new tape.
        self.held = Some(keys);
        let places = x.iter_mut().chain(state);
        places.zip(&mut self.next).for_each(|(to, from)| std::mem::swap(to, from));
        Ok(())
    }

    /// Writes the next point and state to the buffers and frees what the step made.
    fn run(
        &mut self,
        keys: &[Key],
        m: &dyn Manifold<T>,
        method: &dyn Method<T>,
        cost: &dyn for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T>,
        (x, state): (&[Batch<T>], &[Batch<T>]),
    ) -> Result<()> {
        let (tape, next) = (&self.tape, &mut self.next);
        let held: Parts<'_, T> = keys.iter().map(|key| tape.var(*key)).collect();
        let mut done = Ok(());
        tape.scope(|| -> Vec<Var<'_, T>> {
            let place = |list: &[Batch<T>]| -> Parts<'_, T> { list.iter().map(|b| tape.constant(b)).collect() };
            let (at, s) = (place(x), place(state));
            let e = gradient(&at, cost);
            let rgrad = m.egrad_to_rgrad(&at, Egrad(&e));
            let (found, kept) = method.step_holding(m, &at, Egrad(&e), Rgrad(&rgrad), &s, &held);
            done = tape.check();
            if done.is_ok() {
                found.iter().chain(&kept).zip(next).for_each(|(from, to)| write(from, to));
            }
            vec![]
        });
        done.and_then(|()| finite(&self.next[..x.len()]))
    }
}

fn write<T: Scalar>(from: &Var<'_, T>, to: &mut Batch<T>) {
    match from.shape() == to.shape() {
        true => from.value_into(to),
        false => *to = from.value(),
    }
}

/// The Euclidean gradient of the sum of the members' costs.
pub(crate) fn gradient<'t, T: Scalar>(x: &[Var<'t, T>], cost: &dyn Fn(&[Var<'t, T>]) -> Var<'t, T>) -> Vec<Var<'t, T>> {
    use pullback::VarTree;
    x.to_vec().grad(|x| cost(&x).sum())
}

pub(crate) fn finite<T: Scalar>(x: &[Batch<T>]) -> Result<()> {
    match x.iter().find_map(Batch::first_non_finite) {
        Some((index, value)) => {
            let (value, origin) = (value.f64(), pullback::Origin::Unknown);
            Err(pullback::Error::NonFinite { what: "point", index, value, origin })
        }
        None => Ok(()),
    }
}
