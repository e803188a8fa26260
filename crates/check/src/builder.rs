//! The words a check of a program is asked for with. How the layers are run is in `plan`, and what is tested in their
//! files.

use crate::gauge::Transform;
use crate::lists::{List, shapes};
use crate::plan::Plan;
use crate::precise::Precise;
use crate::program::{Flat, Program};
use crate::report::Report;
use crate::{Error, Modes, tolerances};
use pullback::faer::{Mat, fx128};
use pullback::{Batch, CostFn, Leaves, ManyFn, Scalar, Var};
use pullback_geometry::Manifold;
use rand::Rng;
use std::ops::RangeInclusive;

/// A program without its type, so that a check is compiled once for a tree of inputs.
trait Outputs<L: Leaves> {
    fn call<'t>(&self, x: L::Vars<'t>) -> Vec<Var<'t, L::Scalar>>;
}

struct One<F>(F);
struct Several<F>(F);

impl<L: Leaves, F: for<'t> CostFn<'t, L>> Outputs<L> for One<F> {
    fn call<'t>(&self, x: L::Vars<'t>) -> Vec<Var<'t, L::Scalar>> {
        vec![(self.0)(x)]
    }
}

impl<L: Leaves, F: for<'t> ManyFn<'t, L>> Outputs<L> for Several<F> {
    fn call<'t>(&self, x: L::Vars<'t>) -> Vec<Var<'t, L::Scalar>> {
        (self.0)(x).0
    }
}

/// A transformation of the point, in the user's type.
type Action<'x, L> = Box<dyn Fn(&L, &mut dyn Rng) -> L + 'x>;

/// A check that is still being described; [`Check::run`] makes it.
pub struct Check<'x, L: Leaves> {
    f: Box<dyn Outputs<L> + 'x>,
    x0: &'x L,
    scale: Option<List<L::Scalar>>,
    gauge: Option<Action<'x, L>>,
    orbit: Option<Action<'x, L>>,
    precise: Option<Box<Precise<'x>>>,
    space: Option<&'x dyn Manifold<L::Scalar>>,
    options: Options,
}

/// What is independent of types.
#[derive(Clone)]
pub(crate) struct Options {
    pub(crate) seed: u64,
    pub(crate) orders: RangeInclusive<usize>,
    pub(crate) modes: Modes,
    pub(crate) condition: Option<f64>,
    pub(crate) slopes: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options { seed: 0, orders: 1..=2, modes: Modes::default(), condition: None, slopes: true }
    }
}

impl Options {
    /// The highest order.
    pub(crate) fn last(&self) -> Result<usize, Error> {
        let (first, last) = (*self.orders.start(), *self.orders.end());
        if first != 1 || last == 0 || last > tolerances::MAX_ORDER {
            return Err(Error::Orders { first, last });
        }
        if let Some(c) = self.condition
            && !(c >= 1.0 && c.is_finite())
        {
            return Err(Error::Condition(c));
        }
        if !self.modes.intersects(Modes::REVERSE | Modes::FORWARD) {
            return Err(Error::NoMode);
        }
        Ok(last)
    }
}

/// Checks the derivatives of `f` at `x0`: by default of orders one and two, in every mode that applies.
///
/// `f` may return a value of any shape; it is contracted with a random cotangent.
///
/// ```
/// use pullback_check::check;
/// check(|(a, b): (pullback::Var, pullback::Var)| a.cholesky().solve(b), &(faer::mat![[2.0, 0.5], [0.5, 1.0]], faer::mat![[1.0], [2.0]]))
///     .run()
///     .assert_ok();
/// ```
pub fn check<'x, L: Leaves, F: for<'t> CostFn<'t, L> + 'x>(f: F, x0: &'x L) -> Check<'x, L> {
    Check::new(Box::new(One(f)), x0)
}

/// [`check`] for a program with several outputs.
///
/// ```
/// use pullback_check::check_many;
/// let x0 = faer::mat![[2.0, 0.3], [0.1, 1.0], [0.5, 0.2]];
/// check_many(|x: pullback::Var| x.qr().into(), &x0).orders(1..=3).run().assert_ok();
/// ```
pub fn check_many<'x, L: Leaves, F: for<'t> ManyFn<'t, L> + 'x>(f: F, x0: &'x L) -> Check<'x, L> {
    Check::new(Box::new(Several(f)), x0)
}

impl<'x, L: Leaves> Check<'x, L> {
    fn new(f: Box<dyn Outputs<L> + 'x>, x0: &'x L) -> Self {
        let options = Options::default();
        Check { f, x0, scale: None, gauge: None, orbit: None, precise: None, space: None, options }
    }

    /// The seed of the random directions and cotangent.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.options.seed = seed;
        self
    }

    /// The orders of derivatives, from 1 up to at most 3.
    #[must_use]
    pub fn orders(mut self, orders: RangeInclusive<usize>) -> Self {
        self.options.orders = orders;
        self
    }

    /// The ways to find derivatives that are compared; by default [`Modes::PROGRAM`].
    #[must_use]
    pub fn modes(mut self, modes: Modes) -> Self {
        self.options.modes = modes;
        self
    }

    /// Digits that the program itself loses, as a factor: the condition number of what it inverts, say. Tolerances grow
    /// by it. Without it, the factor is estimated from the change of the value under changes of the input in its last
    /// bit.
    #[must_use]
    pub fn condition(mut self, condition: f64) -> Self {
        self.options.condition = Some(condition);
        self
    }

    /// The size of the directions, entry by entry. Without it, each leaf moves by the size of its largest entry.
    ///
    /// A graded matrix is checked along directions of its own grading.
    #[must_use]
    pub fn scale(self, scale: &L) -> Self {
        Check { scale: Some(scale.batches()), ..self }
    }

    /// Leaves the Taylor remainders out: equalities only, which hold at any size and however far the nearest pole is.
    /// The value itself is then not looked at.
    #[must_use]
    pub fn without_slopes(mut self) -> Self {
        self.options.slopes = false;
        self
    }

    /// A transformation that does not change the value: another representative of the same class, by a random group
    /// element. Checks that the value is the same and, where the transformation is affine in the point, that the
    /// gradient is transformed with it.
    ///
    /// ```
    /// use pullback_check::{check, gauge};
    /// let (x0, a) = (faer::mat![[1.0, 0.2], [0.1, 1.0], [0.3, 0.4]], faer::mat![[3.0, 1.0, 0.0], [1.0, 2.0, 0.5], [0.0, 0.5, 1.0]]);
    /// // A function of the span of the columns: any basis of it will do.
    /// check(|x| { let q = x.qr().0; q.t_mul(&a * q).trace() }, &x0)
    ///     .gauge(|x, rng| x * gauge::regular(2, rng))
    ///     .orbit(|x, rng| x * gauge::regular(2, rng))
    ///     .run()
    ///     .assert_ok();
    /// ```
    #[must_use]
    pub fn gauge(self, action: impl Fn(&L, &mut dyn Rng) -> L + 'x) -> Self {
        Check { gauge: Some(Box::new(action)), ..self }
    }

    /// A direction along which the value does not change: `x * skew` for a function of `x` up to rotation. Checks that
    /// the gradient is orthogonal to it and that the derivative along it is zero.
    #[must_use]
    pub fn orbit(self, direction: impl Fn(&L, &mut dyn Rng) -> L + 'x) -> Self {
        Check { orbit: Some(Box::new(direction)), ..self }
    }

    /// The same function in double-double (about 31 digits; faer's `fx128`), from one matrix for each leaf (and member
    /// of a batch) to one for each output (and member). Derivatives along a direction are then compared with
    /// differences that are right to all digits of `f64`. For what can be written with arithmetic, square roots and
    /// faer's generic factorisations.
    ///
    /// ```
    /// use pullback_check::check;
    /// let x0 = faer::mat![[0.3, 0.8]];
    /// let report = check(|x| x.hadamard(x).hadamard(x), &x0)
    ///     .precise(|x| vec![faer::Mat::from_fn(1, 2, |i, j| x[0][(i, j)] * x[0][(i, j)] * x[0][(i, j)])])
    ///     .run();
    /// report.assert_ok();
    /// assert!(report.defects.iter().any(|d| d.what.contains("double-double")));
    /// ```
    #[must_use]
    pub fn precise(self, f: impl Fn(&[Mat<fx128>]) -> Vec<Mat<fx128>> + 'x) -> Self {
        Check { precise: Some(Box::new(f)), ..self }
    }

    /// On a manifold: the point must be on it, directions are tangent, the Taylor curve is the retraction's, and its
    /// derivatives are the Riemannian gradient and Hessian. The leaves are the matrices of the point.
    #[must_use]
    pub fn on(self, space: &'x dyn Manifold<L::Scalar>) -> Self {
        Check { space: Some(space), ..self }
    }

    /// Runs the tests. Never panics on data: what goes wrong is in the report.
    ///
    /// Cost: about a hundred evaluations, twenty gradients and a few recordings of the program.
    pub fn run(self) -> Report {
        let f: &Flat<'_, L::Scalar> = &|x| self.f.call(self.x0.bind_all(x));
        let mut report = Report::new(self.options.seed);
        report.error = self.made(f, &mut report).err();
        report
    }

    fn made(&self, f: &Flat<'_, L::Scalar>, report: &mut Report) -> Result<(), Error> {
        let x = self.x0.batches();
        let named = self.x0.named();
        finite(&named)?;
        let scale = self.scale.clone().unwrap_or_else(|| x.iter().map(own_scale).collect());
        let (expected, got) = (self.x0.shapes(), shapes(&scale));
        if expected != got {
            return Err(Error::Scale { expected, got });
        }
        let program = Program { f, shapes: expected, w: vec![] };
        let rebuilt = |x: &List<L::Scalar>| self.x0.rebuild_all(x.iter().cloned());
        let lifted =
            |action: &Action<'_, L>, x: &List<L::Scalar>, rng: &mut dyn Rng| action(&rebuilt(x), rng).batches();
        let gauge = self.gauge.as_ref().map(|g| move |x: &List<L::Scalar>, rng: &mut dyn Rng| lifted(g, x, rng));
        let orbit = self.orbit.as_ref().map(|g| move |x: &List<L::Scalar>, rng: &mut dyn Rng| lifted(g, x, rng));
        let plan = Plan {
            x: &x,
            scale: &scale,
            names: named.into_iter().map(|(n, _)| n).collect(),
            options: &self.options,
            gauge: gauge.as_ref().map(|g| g as &Transform<'_, L::Scalar>),
            orbit: orbit.as_ref().map(|g| g as &Transform<'_, L::Scalar>),
            precise: self.precise.as_deref(),
            space: self.space,
        };
        plan.program(&program, report)
    }
}

pub(crate) fn finite<T: Scalar>(x: &[(String, Batch<T>)]) -> Result<(), Error> {
    for (leaf, b) in x {
        if let Some((index, value)) = b.first_non_finite() {
            return Err(Error::Point { leaf: leaf.clone(), index, value: value.f64() });
        }
    }
    Ok(())
}

pub(crate) fn own_scale<T: Scalar>(x: &Batch<T>) -> Batch<T> {
    let s = x.max_abs();
    let s = if s > T::zero() { s } else { T::one() };
    Batch::from_fn(x.shape(), |_, _, _| s)
}
