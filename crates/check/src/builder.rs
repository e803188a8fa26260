//! The words a check is asked for with. What is tested lives in `agreement` and `taylor`.

use crate::agreement::{Sizes, first, second, third};
use crate::program::{Flat, List, Program, Random, moduli, sound};
use crate::report::Report;
use crate::{Error, taylor, tolerances};
use pullback::{Batch, CostFn, Leaves, ManyFn, Scalar, Var};
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

/// A check that is still being described; [`Check::run`] makes it.
pub struct Check<'x, L: Leaves> {
    f: Box<dyn Outputs<L> + 'x>,
    x0: &'x L,
    scale: Option<List<L::Scalar>>,
    seed: u64,
    orders: RangeInclusive<usize>,
    condition: f64,
    slopes: bool,
}

/// Checks the derivatives of `f` at `x0`: of orders one and two unless told otherwise.
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
        Check { f, x0, scale: None, seed: 0, orders: 1..=2, condition: 1.0, slopes: true }
    }

    /// The seed of the random directions and cotangent.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Check { seed, ..self }
    }

    /// The orders of derivatives, from 1 up to at most 3.
    #[must_use]
    pub fn orders(self, orders: RangeInclusive<usize>) -> Self {
        Check { orders, ..self }
    }

    /// Digits that the program itself loses, as a factor: the condition number of what it inverts, say. Tolerances grow by it.
    #[must_use]
    pub fn condition(self, condition: f64) -> Self {
        Check { condition, ..self }
    }

    /// The size of the directions, entry by entry. Without it, each leaf moves by the size of its largest entry.
    ///
    /// A graded matrix is checked along directions of its own grading.
    #[must_use]
    pub fn scale(self, scale: &L) -> Self {
        Check { scale: Some(scale.batches()), ..self }
    }

    /// Leaves the Taylor remainders out: equalities only, which hold at any size and however far the nearest pole is. The value
    /// itself is then not looked at.
    #[must_use]
    pub fn without_slopes(self) -> Self {
        Check { slopes: false, ..self }
    }

    /// Runs the tests. Never panics on data: what goes wrong is in the report.
    ///
    /// Cost: about a hundred evaluations and ten gradients of the program.
    pub fn run(self) -> Report {
        let f: &Flat<'_, L::Scalar> = &|x| {
            let mut handles = x.iter().copied();
            self.f
                .call(self.x0.bind(&mut || handles.next().unwrap_or_else(|| unreachable!("one handle for each leaf"))))
        };
        let mut report =
            Report { defects: vec![], taylor: vec![], error: None, seed: self.seed, condition: self.condition };
        report.error = self.made(f, &mut report).err();
        report
    }

    fn made(&self, f: &Flat<'_, L::Scalar>, report: &mut Report) -> Result<(), Error> {
        let (first, last) = (*self.orders.start(), *self.orders.end());
        if first != 1 || last == 0 || last > tolerances::MAX_ORDER {
            return Err(Error::Orders { first, last });
        }
        if !(self.condition >= 1.0 && self.condition.is_finite()) {
            return Err(Error::Condition(self.condition));
        }
        let x = self.x0.batches();
        finite(self.x0.named())?;
        let scale = self.scale.clone().unwrap_or_else(|| x.iter().map(own_scale).collect());
        let (expected, got) = (self.x0.shapes(), scale.iter().map(Batch::shape).collect::<Vec<_>>());
        if expected != got {
            return Err(Error::Scale { expected, got });
        }
        tests(f, &x, &scale, self.seed, last, self.condition, self.slopes, report)
    }
}

fn finite<T: Scalar>(x: Vec<(String, Batch<T>)>) -> Result<(), Error> {
    for (leaf, b) in x {
        if let Some(index) = b.data().iter().position(|x| !x.is_finite()) {
            return Err(Error::Point { leaf, index, value: b.data()[index].f64() });
        }
    }
    Ok(())
}

fn own_scale<T: Scalar>(x: &Batch<T>) -> Batch<T> {
    let s = x.max_abs();
    let s = if s > T::zero() { s } else { T::one() };
    Batch::from_fn(x.shape(), |_, _, _| s)
}

fn tests<T: Scalar>(
    f: &Flat<'_, T>,
    x: &List<T>,
    scale: &List<T>,
    seed: u64,
    order: usize,
    condition: f64,
    slopes: bool,
    report: &mut Report,
) -> Result<(), Error> {
    let y = sound(f, x)?;
    let random = &mut Random::new(seed);
    let w = random.list(y.iter().map(Batch::shape));
    let p = Program { f, shapes: x.iter().map(Batch::shape).collect(), w };
    for _ in 0..if slopes { tolerances::DIRECTIONS } else { 1 } {
        let (v, u): (List<T>, List<T>) = (random.scaled(scale), random.scaled(scale));
        let mut sizes = Sizes { condition, below: moduli(&p.w, &y) };
        let (defects, mut along) = (&mut report.defects, Vec::new());
        defects.clear();
        first(&p, (x, &v, scale), &mut sizes, defects, &mut along)?;
        if order >= 2 {
            second(&p, (x, &v, &u, scale), &mut sizes, defects, &mut along)?;
        }
        if order >= 3 {
            third(&p, (x, &v, scale), &mut sizes, defects, &mut along)?;
        }
        if slopes {
            report.merge(taylor::slopes(&p, x, &v, &along, condition, random)?);
        }
        // An equality that fails needs no second direction, and no slope that is right either.
        if report.defects.iter().any(|d| !d.ok) || !report.is_wrong() {
            break;
        }
    }
    Ok(())
}
