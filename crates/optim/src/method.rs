//! Methods as steps on values. What calls them, and when to stop, is not known here.

use pullback::{Batch, Scalar, Shape, Tape, Var};
use pullback_manifolds::{Egrad, Manifold, Parts, Rgrad};
use smallvec::SmallVec;
use std::fmt;

/// A method: from a point, the Riemannian gradient there and its own state to the next point and state.
///
/// It is a program, so it can be recorded and differentiated like any other. One of your own is a struct and three
/// methods; [`Steps`](crate::Steps) runs it. Momentum as Nesterov's method has it, `M+ = beta M + G` and a step along
/// `G + beta M+`:
///
/// ```
/// use pullback::{Scalar, Shape, Var, prelude::*};
/// use pullback_manifolds::{Grassmann, Manifold, Parts, Rgrad, rng};
/// use pullback_optim::{Method, Problem, Steps, Stop};
///
/// #[derive(Debug)]
/// struct Nesterov { step: f64, beta: f64 }
///
/// impl<T: Scalar> Method<T> for Nesterov {
///     fn name(&self) -> String { format!("Nesterov(step {}, beta {})", self.step, self.beta) }
///     fn state(&self, points: &[Shape]) -> smallvec::SmallVec<[Shape; 2]> { points.into() }
///     fn step<'t>(
///         &self, m: &dyn Manifold<T>, x: &[Var<'t, T>], g: Rgrad<&[Var<'t, T>]>, momentum: &[Var<'t, T>],
///     ) -> (Parts<'t, T>, Parts<'t, T>) {
///         let pairs = momentum.iter().zip(*g);
///         let kept: Parts<'t, T> = pairs.map(|(m, g)| m.lincomb(self.beta, *g, 1.0)).collect();
///         let v: Parts<'t, T> = g.iter().zip(&kept).map(|(g, m)| g.lincomb(-self.step, *m, -self.step * self.beta)).collect();
///         let next = m.retract(x, &v);
///         let carried = m.transport(x, &next, &kept);
///         (next, carried)
///     }
/// }
///
/// let gr = Grassmann::new(6, 2);
/// let x0: Batch = gr.random_point(1, &mut rng(3)).swap_remove(0);
/// let a = faer::Mat::<f64>::from_fn(6, 6, |i, j| if i == j { (i + 1) as f64 } else { 0.0 });
/// let problem = Problem::new(&gr, &x0, |x| x.t_mul(&a * x).trace());
/// let found = problem.solve(Steps(Nesterov { step: 0.05, beta: 0.6 }), Stop::GradientNorm(1e-8) | Stop::Iterations(2000))?;
/// assert!((found.cost - 3.0).abs() < 1e-10);
/// # use pullback::faer;
/// # Ok::<(), pullback_optim::Error>(())
/// ```
pub trait Method<T: Scalar = f64>: fmt::Debug + Send + Sync {
    /// Its name and parameters, for tables.
    fn name(&self) -> String;

    /// The shapes of its state when points have these shapes.
    fn state(&self, points: &[Shape]) -> SmallVec<[Shape; 2]>;

    /// The state before the first step. By default zeros of those shapes.
    fn begin(&self, points: &[Shape]) -> Vec<Batch<T>> {
        self.state(points).iter().map(|s| Batch::zeros(*s)).collect()
    }

    /// One step: the next point and the next state.
    fn step<'t>(
        &self,
        m: &dyn Manifold<T>,
        x: &[Var<'t, T>],
        rgrad: Rgrad<&[Var<'t, T>]>,
        state: &[Var<'t, T>],
    ) -> (Parts<'t, T>, Parts<'t, T>);

    /// One step where the Euclidean gradient is known too. Code that runs a method calls this function. Most methods
    /// use the Riemannian gradient alone and implement [`Method::step`]; a learned one may use both.
    fn step_with<'t>(
        &self,
        m: &dyn Manifold<T>,
        x: &[Var<'t, T>],
        _egrad: Egrad<&[Var<'t, T>]>,
        rgrad: Rgrad<&[Var<'t, T>]>,
        state: &[Var<'t, T>],
    ) -> (Parts<'t, T>, Parts<'t, T>) {
        self.step(m, x, rgrad, state)
    }

    /// Values that all steps read and none changes, such as the parameters of a learned method, as constants of a tape.
    /// Code that takes many steps on one tape calls this once and passes the result to [`Method::step_holding`]. By
    /// default there are none. A method that wraps another one must forward both calls.
    fn hold<'t>(&self, _tape: &'t Tape<T>) -> Parts<'t, T> {
        Parts::new()
    }

    /// The step of [`Method::step_with`], given what [`Method::hold`] put on the tape.
    fn step_holding<'t>(
        &self,
        m: &dyn Manifold<T>,
        x: &[Var<'t, T>],
        egrad: Egrad<&[Var<'t, T>]>,
        rgrad: Rgrad<&[Var<'t, T>]>,
        state: &[Var<'t, T>],
        _held: &[Var<'t, T>],
    ) -> (Parts<'t, T>, Parts<'t, T>) {
        self.step_with(m, x, egrad, rgrad, state)
    }
}

/// Riemannian (stochastic) gradient descent: `X+ = R_X(-step grad f)` (Bonnabel, *Stochastic gradient descent on
/// Riemannian manifolds*, 2013).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rsgd {
    /// The step.
    pub step: f64,
}

/// Riemannian gradient descent with transported momentum: `M+ = beta T(M) + grad f`, `X+ = R_X(-step M+)`.
///
/// `T` transports the momentum from the last point to this one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Momentum {
    /// The step.
    pub step: f64,
    /// The factor on the old momentum.
    pub beta: f64,
}

pub(crate) fn along<'t, T: Scalar>(m: &dyn Manifold<T>, x: &[Var<'t, T>], step: f64, v: &[Var<'t, T>]) -> Parts<'t, T> {
    let v: Parts<'t, T> = v.iter().map(|v| v.lincomb(-step, *v, 0.0)).collect();
    m.retract(x, &v)
}

impl<T: Scalar> Method<T> for Rsgd {
    fn name(&self) -> String {
        format!("RSGD(step {})", self.step)
    }
    fn state(&self, _: &[Shape]) -> SmallVec<[Shape; 2]> {
        SmallVec::new()
    }
    fn step<'t>(
        &self,
        m: &dyn Manifold<T>,
        x: &[Var<'t, T>],
        rgrad: Rgrad<&[Var<'t, T>]>,
        _: &[Var<'t, T>],
    ) -> (Parts<'t, T>, Parts<'t, T>) {
        (along(m, x, self.step, &rgrad), Parts::new())
    }
}

impl<T: Scalar> Method<T> for Momentum {
    fn name(&self) -> String {
        format!("RSGDM(step {}, beta {})", self.step, self.beta)
    }
    fn state(&self, points: &[Shape]) -> SmallVec<[Shape; 2]> {
        points.into()
    }
    fn step<'t>(
        &self,
        m: &dyn Manifold<T>,
        x: &[Var<'t, T>],
        rgrad: Rgrad<&[Var<'t, T>]>,
        state: &[Var<'t, T>],
    ) -> (Parts<'t, T>, Parts<'t, T>) {
        let momentum: Parts<'t, T> = state.iter().zip(*rgrad).map(|(s, g)| s.lincomb(self.beta, *g, 1.0)).collect();
        let next = along(m, x, self.step, &momentum);
        let carried = m.transport(x, &next, &momentum);
        (next, carried)
    }
}

/// The state before the first step, on a tape.
fn first<'t, T: Scalar>(tape: &'t Tape<T>, method: &dyn Method<T>, points: &[Shape]) -> Parts<'t, T> {
    method.begin(points).iter().map(|s| tape.constant(s)).collect()
}

/// `steps` steps of a method inside a program, from a point that is one matrix (or a batch of them): the last point.
///
/// `cost` gives one number for each member. Memory is that of one step unless the tape records. The gradient is part of
/// the program, so derivatives through it see the Hessian of the cost.
///
/// ```
/// use pullback::prelude::*;
/// use pullback_manifolds::Euclidean;
/// use pullback_optim::{Rsgd, descend};
/// // Three steps from 1 on c x² / 2 end at (1 - 0.1 c)³, and the derivative by c is -0.3 (1 - 0.1 c)².
/// let m = Euclidean::new(1, 1);
/// let end = func(|c: Var| descend(&m, &Rsgd { step: 0.1 }, c.tape().constant(&1.0), 3, |x, _| c * x * x * 0.5));
/// let (x, slope): (f64, f64) = value_and_grad(end, &2.0)?;
/// assert!((x - 0.512).abs() < 1e-12 && (slope + 0.192).abs() < 1e-12);
/// # Ok::<(), pullback::Error>(())
/// ```
pub fn descend<'t, T: Scalar>(
    m: &dyn Manifold<T>,
    method: &dyn Method<T>,
    x: Var<'t, T>,
    steps: usize,
    cost: impl Fn(Var<'t, T>, usize) -> Var<'t, T>,
) -> Var<'t, T> {
    let state = first(x.tape(), method, &[x.shape()]);
    let held = method.hold(x.tape());
    let mut t = 0;
    let (x, _) = x.tape().iterate((x, state.to_vec()), steps, |(x, state)| {
        let g = x.grad(|x| cost(x, t).sum());
        t += 1;
        let rgrad = m.egrad_to_rgrad(&[x], Egrad(&[g]));
        let (x, state) = method.step_holding(m, &[x], Egrad(&[g]), Rgrad(&rgrad), &state, &held);
        (x[0], state.to_vec())
    });
    x
}
