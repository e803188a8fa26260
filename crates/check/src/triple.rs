//! Rules that have nothing to do with this engine: a value, its JVP and its VJP as functions of plain matrices.

use crate::builder::{Options, finite, own_scale};
use crate::gauge::Transform;
use crate::lists::{List, not_finite, shapes};
use crate::plan::Plan;
use crate::precise::Precise;
use crate::report::Report;
use crate::subject::Subject;
use crate::{Error, Modes};
use pullback::faer::{Mat, fx128};
use pullback::{Batch, MatLike};
use rand::Rng;

/// Outputs from inputs.
type Value<'x> = Box<dyn Fn(&[Mat<f64>]) -> Vec<Mat<f64>> + 'x>;
/// Tangents of the outputs from inputs and their tangents; cotangents of the inputs from inputs and cotangents of the
/// outputs.
type Rule<'x> = Box<dyn Fn(&[Mat<f64>], &[Mat<f64>]) -> Vec<Mat<f64>> + 'x>;

/// A check of a triple that is still being described; [`TripleCheck::run`] makes it.
pub struct TripleCheck<'x> {
    rules: Rules<'x>,
    x: List<f64>,
    scale: Option<List<f64>>,
    gauge: Option<Box<Transform<'x, f64>>>,
    precise: Option<Box<Precise<'x>>>,
    options: Options,
}

struct Rules<'x> {
    value: Value<'x>,
    jvp: Option<Rule<'x>>,
    vjp: Option<Rule<'x>>,
}

/// Checks first derivatives that come from anywhere: `value(x)`, `jvp(x, v)` and `vjp(x, w)` on plain faer matrices, in
/// lists of one matrix for each input and each output.
///
/// ```
/// use faer::{Mat, mat};
/// use pullback_check::check_triple;
/// // The square of a matrix, and its derivative as one would write it in any other program.
/// let x0 = mat![[1.0, 0.5], [-0.3, 0.8]];
/// check_triple(
///     |x| vec![&x[0] * &x[0]],
///     |x, v| vec![&v[0] * &x[0] + &x[0] * &v[0]],
///     |x, w| vec![&w[0] * x[0].transpose() + x[0].transpose() * &w[0]],
///     &[x0],
/// )
/// .run()
/// .assert_ok();
/// ```
pub fn check_triple<'x>(
    value: impl Fn(&[Mat<f64>]) -> Vec<Mat<f64>> + 'x,
    jvp: impl Fn(&[Mat<f64>], &[Mat<f64>]) -> Vec<Mat<f64>> + 'x,
    vjp: impl Fn(&[Mat<f64>], &[Mat<f64>]) -> Vec<Mat<f64>> + 'x,
    x0: &[Mat<f64>],
) -> TripleCheck<'x> {
    TripleCheck::new(Box::new(value), Some(Box::new(jvp)), Some(Box::new(vjp)), x0)
}

/// [`check_triple`] where there is a reverse rule only: slopes, and differences in double-double if they are given.
///
/// ```
/// use faer::{Mat, mat};
/// use pullback_check::check_gradient;
/// // The sum of the squares of the entries, and its gradient.
/// let x0 = mat![[1.0, 0.5], [-0.3, 0.8]];
/// check_gradient(
///     |x| vec![Mat::from_fn(1, 1, |_, _| x[0].squared_norm_l2())],
///     |x, w| vec![&x[0] * (2.0 * w[0][(0, 0)])],
///     &[x0],
/// )
/// .run()
/// .assert_ok();
/// ```
pub fn check_gradient<'x>(
    value: impl Fn(&[Mat<f64>]) -> Vec<Mat<f64>> + 'x,
    vjp: impl Fn(&[Mat<f64>], &[Mat<f64>]) -> Vec<Mat<f64>> + 'x,
    x0: &[Mat<f64>],
) -> TripleCheck<'x> {
    TripleCheck::new(Box::new(value), None, Some(Box::new(vjp)), x0)
}

impl<'x> TripleCheck<'x> {
    fn new(value: Value<'x>, jvp: Option<Rule<'x>>, vjp: Option<Rule<'x>>, x0: &[Mat<f64>]) -> Self {
        let mut modes = Modes::PROGRAM;
        if jvp.is_none() {
            modes = modes - Modes::FORWARD;
        }
        if vjp.is_none() {
            modes = modes - Modes::REVERSE;
        }
        let options = Options { modes, orders: 1..=1, ..Options::default() };
        let x = x0.iter().map(Batch::of).collect();
        TripleCheck { rules: Rules { value, jvp, vjp }, x, scale: None, gauge: None, precise: None, options }
    }

    /// The seed of the random directions and cotangent.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.options.seed = seed;
        self
    }

    /// As [`Check::condition`](crate::Check::condition).
    #[must_use]
    pub fn condition(mut self, condition: f64) -> Self {
        self.options.condition = Some(condition);
        self
    }

    /// As [`Check::scale`](crate::Check::scale).
    #[must_use]
    pub fn scale(self, scale: &[Mat<f64>]) -> Self {
        TripleCheck { scale: Some(scale.iter().map(Batch::of).collect()), ..self }
    }

    /// As [`Check::gauge`](crate::Check::gauge).
    #[must_use]
    pub fn gauge(self, action: impl Fn(&[Mat<f64>], &mut dyn Rng) -> Vec<Mat<f64>> + 'x) -> Self {
        let lifted = move |x: &List<f64>, rng: &mut dyn Rng| -> List<f64> {
            action(&mats(x), rng).iter().map(Batch::of).collect()
        };
        TripleCheck { gauge: Some(Box::new(lifted)), ..self }
    }

    /// As [`Check::precise`](crate::Check::precise): a function written over any number runs in both precisions.
    #[must_use]
    pub fn precise(self, f: impl Fn(&[Mat<fx128>]) -> Vec<Mat<fx128>> + 'x) -> Self {
        TripleCheck { precise: Some(Box::new(f)), ..self }
    }

    /// As [`Check::without_slopes`](crate::Check::without_slopes).
    #[must_use]
    pub fn without_slopes(mut self) -> Self {
        self.options.slopes = false;
        self
    }

    /// Runs the tests: the dot test, Taylor slopes of first order, and what else was asked for.
    pub fn run(self) -> Report {
        let mut report = Report::new(self.options.seed);
        report.error = self.made(&mut report).err();
        report
    }

    fn made(&self, report: &mut Report) -> Result<(), Error> {
        let names: Vec<String> = (0..self.x.len()).map(|i| i.to_string()).collect();
        let named: Vec<(String, Batch<f64>)> = names.iter().cloned().zip(self.x.iter().cloned()).collect();
        finite(&named)?;
        let scale = self.scale.clone().unwrap_or_else(|| self.x.iter().map(own_scale).collect());
        let (expected, got) = (shapes(&self.x), shapes(&scale));
        if expected != got {
            return Err(Error::Scale { expected, got });
        }
        let plan = Plan {
            x: &self.x,
            scale: &scale,
            names,
            options: &self.options,
            gauge: self.gauge.as_deref(),
            orbit: None,
            precise: self.precise.as_deref(),
            space: None,
        };
        plan.triple(&self.rules, report)
    }
}

fn mats(x: &[Batch<f64>]) -> Vec<Mat<f64>> {
    x.iter().map(|b| b.member(0)).collect()
}

fn checked(what: &'static str, found: Vec<Mat<f64>>, like: &[Batch<f64>]) -> Result<List<f64>, Error> {
    let (expected, got) = (shapes(like), found.iter().map(MatLike::shape).collect::<Vec<_>>());
    if expected != got {
        return Err(Error::Rule { what, expected, got });
    }
    let found: List<f64> = found.iter().map(Batch::of).collect();
    match not_finite(&found) {
        Some((index, value)) => Err(Error::NonFinite { what, index, value }),
        None => Ok(found),
    }
}

impl Subject<f64> for Rules<'_> {
    fn outputs(&self, x: &[Batch<f64>]) -> pullback::Result<List<f64>> {
        let y: List<f64> = (self.value)(&mats(x)).iter().map(Batch::of).collect();
        match not_finite(&y) {
            Some((index, value)) => {
                Err(pullback::Error::NonFinite { what: "value", index, value, origin: pullback::Origin::Unknown })
            }
            None => Ok(y),
        }
    }

    fn push(&self, x: &List<f64>, v: &List<f64>) -> Result<List<f64>, Error> {
        let Some(jvp) = &self.jvp else { return Err(Error::NoMode) };
        let y = self.outputs(x).map_err(Error::Value)?;
        checked("the forward rule (`jvp`)", jvp(&mats(x), &mats(v)), &y)
    }

    fn pull(&self, x: &List<f64>, w: &List<f64>) -> Result<List<f64>, Error> {
        let Some(vjp) = &self.vjp else { return Err(Error::NoMode) };
        checked("the reverse rule (`vjp`)", vjp(&mats(x), &mats(w)), x)
    }
}
