//! A problem and a run of a method on it, which lends its state step by step. No method lives here.

use crate::method::Method;
use pullback::{Batch, CostFn, Leaves, Result, Scalar, Shape, Tape, Var};
use pullback_manifolds::{Egrad, Manifold, Rgrad};

/// Minimise a cost over a manifold, from a start.
///
/// The cost is one number; for a batch of points it is the sum of theirs, and they descend independently. It may be
/// random (a minibatch drawn in the closure): it is run once for each step.
#[derive(Debug, Clone, Copy)]
pub struct Problem<'m, L: Leaves, F> {
    manifold: &'m dyn Manifold<L::Scalar>,
    start: &'m L,
    cost: F,
}

/// When to stop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stop {
    /// After that many steps.
    pub iterations: usize,
    /// When the norm of the Riemannian gradient of every member is at most this.
    pub gradient: f64,
}

/// Why a run stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// It did not: steps are left.
    Running,
    /// The gradient is small.
    Gradient,
    /// The iterations are used up.
    Iterations,
}

/// What a run lends at each step: the point, and the cost and the gradient there.
#[derive(Debug)]
pub struct State<'r, T: Scalar> {
    /// Steps taken to reach the point.
    pub iteration: usize,
    /// The cost there.
    pub cost: T,
    /// The largest norm of a member's Riemannian gradient.
    pub gradient: T,
    /// The matrices of the point.
    pub point: &'r [Batch<T>],
}

/// The end of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stopped<T> {
    /// Why.
    pub why: Why,
    /// Steps taken.
    pub iterations: usize,
    /// The last cost that was computed.
    pub cost: T,
    /// The largest norm of a member's Riemannian gradient there.
    pub gradient: T,
}

/// A run of a method: see [`Problem::run`].
#[derive(Debug)]
pub struct Run<'p, L: Leaves, F, M> {
    problem: &'p Problem<'p, L, F>,
    method: M,
    stop: Stop,
    tape: Tape<L::Scalar>,
    plain: Tape<L::Scalar>,
    x: Vec<Batch<L::Scalar>>,
    g: Vec<Batch<L::Scalar>>,
    state: Vec<Batch<L::Scalar>>,
    done: Stopped<L::Scalar>,
}

impl<'m, L: Leaves, F: for<'t> CostFn<'t, L>> Problem<'m, L, F> {
    /// The cost over a manifold; the matrices of a point are the leaves of `L`, in order.
    pub fn new(manifold: &'m dyn Manifold<L::Scalar>, start: &'m L, cost: F) -> Self {
        Problem { manifold, start, cost }
    }

    /// A run of a method from the start. Nothing is computed yet.
    pub fn run<'p, M: Method<L::Scalar>>(&'p self, method: M, stop: Stop) -> Run<'p, L, F, M> {
        let x = self.start.batches();
        let shapes: Vec<Shape> = x.iter().map(Batch::shape).collect();
        let state = method.state(&shapes).iter().map(|s| Batch::zeros(*s)).collect();
        let nan = number(f64::NAN);
        Run {
            problem: self,
            method,
            stop,
            tape: Tape::new(),
            plain: Tape::plain(),
            g: x.clone(),
            x,
            state,
            done: Stopped { why: Why::Running, iterations: 0, cost: nan, gradient: nan },
        }
    }
}

impl<L: Leaves, F: for<'t> CostFn<'t, L>, M: Method<L::Scalar>> Run<'_, L, F, M> {
    /// Lends the point, its cost and gradient; the next call takes the step. `None` when the run has stopped.
    ///
    /// The tapes keep their buffers: memory does not grow with the number of steps.
    ///
    /// # Errors
    /// The first failure of the cost, of its gradient or of the step. The run stays at the point where it was met.
    pub fn step(&mut self) -> Result<Option<State<'_, L::Scalar>>> {
        if self.done.why != Why::Running {
            return Ok(None);
        }
        if !double(self.done.cost).is_nan() {
            if double(self.done.gradient) <= self.stop.gradient {
                self.done.why = Why::Gradient;
                return Ok(None);
            }
            if self.done.iterations >= self.stop.iterations {
                self.done.why = Why::Iterations;
                return Ok(None);
            }
            self.advance()?;
        }
        self.look()?;
        Ok(Some(State {
            iteration: self.done.iterations,
            cost: self.done.cost,
            gradient: self.done.gradient,
            point: &self.x,
        }))
    }

    /// Runs to the end.
    ///
    /// # Errors
    /// As [`Run::step`].
    pub fn to_end(mut self) -> Result<(Stopped<L::Scalar>, L)> {
        while self.step()?.is_some() {}
        Ok(self.finish())
    }

    /// The most bytes the tapes of this run ever held.
    pub fn bytes(&self) -> usize {
        self.tape.peak_bytes() + self.plain.peak_bytes()
    }

    /// Where the run stands, and its point.
    pub fn finish(self) -> (Stopped<L::Scalar>, L) {
        let mut x = self.x.into_iter();
        let point =
            self.problem.start.rebuild(&mut || x.next().unwrap_or_else(|| unreachable!("one batch for each leaf")));
        (self.done, point)
    }

    /// Cost and Euclidean gradient at `x`, then the norm of the Riemannian one.
    fn look(&mut self) -> Result<()> {
        self.tape.clear();
        let tape = &self.tape;
        let list: Vec<Var<'_, L::Scalar>> = self.x.iter().map(|b| tape.input(b)).collect();
        let mut next = list.iter().copied();
        let y = (self.problem.cost)(self.problem.start.bind(&mut || next.next().unwrap_or_else(|| unreachable!())));
        let found = tape.gradient_into(y, &list, &mut self.g.iter_mut().collect::<Vec<_>>());
        found.map_err(|e| {
            let mut x = self.x.iter().cloned();
            e.naming(&self.problem.start.rebuild(&mut || x.next().unwrap_or_else(|| unreachable!())))
        })?;
        let cost = y.scalar();
        self.plain.clear();
        let (m, plain) = (self.problem.manifold, &self.plain);
        let (x, g) = (constants(plain, &self.x), constants(plain, &self.g));
        let r = m.egrad_to_rgrad(&x, Egrad(&g)).0;
        let gradient = m.norm(&x, &r).value();
        plain.check()?;
        for (g, r) in self.g.iter_mut().zip(&r) {
            *g = r.value();
        }
        (self.done.cost, self.done.gradient) = (cost, gradient.max_abs());
        Ok(())
    }

    /// One step of the method with the gradient found by `look`.
    fn advance(&mut self) -> Result<()> {
        self.plain.clear();
        let (m, plain) = (self.problem.manifold, &self.plain);
        let (x, g, s) = (constants(plain, &self.x), constants(plain, &self.g), constants(plain, &self.state));
        let (next, state) = self.method.step(m, &x, Rgrad(&g), &s);
        plain.check()?;
        for (to, from) in self.x.iter_mut().zip(&next).chain(self.state.iter_mut().zip(&state)) {
            *to = from.value();
        }
        self.done.iterations += 1;
        Ok(())
    }
}

fn constants<'t, T: Scalar>(tape: &'t Tape<T>, list: &[Batch<T>]) -> Vec<Var<'t, T>> {
    list.iter().map(|b| tape.constant(b)).collect()
}

fn double<T: Scalar>(x: T) -> f64 {
    x.f64()
}

fn number<T: Scalar>(x: f64) -> T {
    T::of(x)
}
