//! A cost with constraints: what is said to a method for constraints, and the augmented Lagrangian as a program. How it
//! is used is in `augmented`.

use crate::oracle::double;
use crate::{Error, Result};
use pullback::{Batch, CostFn, Leaves, Scalar, Tape, Var, VarTree};
use pullback_manifolds::Manifold;

/// A constraint: a program from the point to numbers, as an object.
trait Constraint<L: Leaves> {
    fn run<'t>(&self, x: L::Vars<'t>) -> Var<'t, L::Scalar>;
}

impl<L: Leaves, F: for<'t> CostFn<'t, L>> Constraint<L> for F {
    fn run<'t>(&self, x: L::Vars<'t>) -> Var<'t, L::Scalar> {
        self(x)
    }
}

/// Minimise a cost over a manifold under equations and inequalities: `h(x) = 0` and `g(x) <= 0`, entry by entry.
///
/// ```
/// use pullback::prelude::*;
/// use pullback_manifolds::Euclidean;
/// use pullback_optim::{AugmentedLagrangian, Constrained, TrustRegions, Verdict};
///
/// let (plane, start) = (Euclidean::new(2, 1), faer::mat![[3.0f64], [0.0]]);
/// let problem = Constrained::new(&plane, &start, |x| x.dot(x))
///     .equal_zero(|x| x.sum() - 1.0)                 // x + y = 1
///     .at_most_zero(|x| x.row(0) - 0.25);            // x <= 1/4
/// let found = problem.solve(AugmentedLagrangian::default(), TrustRegions::default())?;
/// assert_eq!(found.verdict, Verdict::Solved);
/// assert!((found.point[(0, 0)] - 0.25).abs() < 1e-6 && (found.point[(1, 0)] - 0.75).abs() < 1e-6);
/// # use pullback::faer;
/// # Ok::<(), pullback_optim::Error>(())
/// ```
pub struct Constrained<'m, L: Leaves, F> {
    pub(crate) manifold: &'m dyn Manifold<L::Scalar>,
    pub(crate) start: &'m L,
    cost: F,
    equal: Vec<Box<dyn Constraint<L> + 'm>>,
    at_most: Vec<Box<dyn Constraint<L> + 'm>>,
}

impl<L: Leaves, F> std::fmt::Debug for Constrained<'_, L, F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = f.debug_struct("Constrained");
        out.field("manifold", &self.manifold).field("equal", &self.equal.len()).field("at_most", &self.at_most.len());
        out.finish_non_exhaustive()
    }
}

fn zero<T: Scalar>() -> T {
    T::zero()
}

/// Numbers of the constraints at a point, or their multipliers: one batch for each closure.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Values<T: Scalar> {
    pub(crate) equal: Vec<Batch<T>>,
    pub(crate) at_most: Vec<Batch<T>>,
}

impl<'m, L: Leaves, F: for<'t> CostFn<'t, L>> Constrained<'m, L, F> {
    /// The cost over a manifold, and where to begin; without constraints yet. The start need not satisfy them.
    pub fn new(manifold: &'m dyn Manifold<L::Scalar>, start: &'m L, cost: F) -> Self {
        Constrained { manifold, start, cost, equal: Vec::new(), at_most: Vec::new() }
    }

    /// Every entry of what the closure returns must be zero.
    #[must_use]
    pub fn equal_zero(mut self, h: impl for<'t> CostFn<'t, L> + 'm) -> Self {
        self.equal.push(Box::new(h));
        self
    }

    /// No entry of what the closure returns may be positive.
    #[must_use]
    pub fn at_most_zero(mut self, g: impl for<'t> CostFn<'t, L> + 'm) -> Self {
        self.at_most.push(Box::new(g));
        self
    }

    /// The cost and the constraints at a point.
    pub(crate) fn values(&self, x: &[Batch<L::Scalar>]) -> Result<(f64, Values<L::Scalar>)> {
        let tape = Tape::plain();
        let list: Vec<Var<'_, L::Scalar>> = x.iter().map(|x| tape.constant(x)).collect();
        let vars = || self.start.bind_all(&list);
        let cost = (self.cost)(vars());
        let equal: Vec<_> = self.equal.iter().map(|h| h.run(vars()).value()).collect();
        let at_most: Vec<_> = self.at_most.iter().map(|g| g.run(vars()).value()).collect();
        tape.check()?;
        for b in equal.iter().chain(&at_most) {
            if let Some((index, value)) = b.first_non_finite() {
                let (what, value, origin) = ("constraint", double(value), pullback::Origin::Unknown);
                return Err(Error::Engine(pullback::Error::NonFinite { what, index, value, origin }));
            }
        }
        if cost.shape() != pullback::Shape::SCALAR {
            return Err(pullback::Error::NotScalar { shape: cost.shape() }.into());
        }
        Ok((double(cost.scalar()), Values { equal, at_most }))
    }

    /// The augmented Lagrangian, as a program:
    ///
    /// `f + rho/2 (|h + gamma/rho|^2 + |max(0, g + lambda/rho)|^2)`, with multipliers `gamma` and `lambda`.
    pub(crate) fn lagrangian<'t>(
        &self,
        x: L::Vars<'t>,
        multipliers: &Values<L::Scalar>,
        rho: f64,
    ) -> Var<'t, L::Scalar> {
        let copy = || x.map(&mut |v| v);
        let squares = |u: Var<'t, L::Scalar>| {
            let d = u.dot(u);
            if d.shape().batch == 1 { d } else { d.sum_batch() }
        };
        let mut sum = (self.cost)(copy());
        let tape = sum.tape();
        for (h, gamma) in self.equal.iter().zip(&multipliers.equal) {
            let u = h.run(copy()).lincomb(1.0, tape.constant(gamma), 1.0 / rho);
            sum = sum.lincomb(1.0, squares(u), 0.5 * rho);
        }
        for (g, lambda) in self.at_most.iter().zip(&multipliers.at_most) {
            let u = g.run(copy()).lincomb(1.0, tape.constant(lambda), 1.0 / rho);
            let zero = tape.filled(u.shape(), zero());
            sum = sum.lincomb(1.0, squares(u.max(zero)), 0.5 * rho);
        }
        sum
    }
}
