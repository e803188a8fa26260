//! What is asked of every program: the identities hold, or there is a typed error. Nothing here knows operations.

use super::Case;
use pullback::faer::Mat;
use pullback::{Batch, Error, Many, Tape, Var};
use pullback_check::controls::{Break, Place, broken, derived};
use pullback_check::{Modes, check_many};

/// From inputs to outputs.
pub type Program = for<'t> fn(&[Var<'t>]) -> Vec<Var<'t>>;

/// Beyond this condition number nothing is asked of second derivatives: their error is its cube.
const SECOND: f64 = 1e3;
/// One case in so many has remainders.
const SLOPES: u64 = 64;
/// And beyond this, nothing but an orderly answer.
const FIRST: f64 = 1e6;

/// The identities hold, or there is a typed error; and what is not finite is refused, or gives finite numbers.
#[track_caller]
pub fn holds(case: &Case, name: &str, f: Program, x0: &Vec<Batch<f64>>, condition: f64) {
    // Second orders cost most of the time: one case of three has them, in two ways of five. Remainders cost a hundred
    // evaluations.
    let choice = case.seed >> 32;
    // A sine of 1e30 has no digits, which only its value can tell.
    let moderate = x0.iter().all(|x| x.max_abs() < 1e10);
    let slopes = moderate && condition <= SECOND && choice % SLOPES == 5;
    let last = if condition <= SECOND && choice.is_multiple_of(3) { 2 } else { 1 };
    // The mistake that every family must find: a reverse rule that forgets a half.
    let rule = case.broken.then(|| broken(derived(f), Break::Twice, Place::Reverse));
    let report = check_many(
        |x: Vec<Var>| match &rule {
            Some(rule) => Many(x[0].tape().custom(rule.clone(), &x)),
            None => Many(f(&x)),
        },
        x0,
    );
    let more = [Modes::REVERSE_OVER_REVERSE, Modes::REVERSE_OVER_FORWARD, Modes::FORWARD_OVER_FORWARD, Modes::REPLAY];
    let report = if slopes { report } else { report.without_slopes() };
    let report = report
        .modes(Modes::REVERSE | Modes::FORWARD | Modes::FORWARD_OVER_REVERSE | more[(choice / 3) as usize % 4])
        .seed(case.seed)
        .orders(1..=last)
        .condition((condition * condition).clamp(1.0, f64::MAX))
        .run();
    let excused = condition > FIRST;
    assert!(excused || !report.is_wrong(), "{name} on {case:?}:\n{report}\n{x0:?}");
    use pullback_check::Error::{Derivative, Kink, OutOfRange, Rounding, Steps, TooLarge, Value};
    let orderly = match report.error {
        None | Some(Value(_) | Derivative { .. } | TooLarge { .. } | Rounding { .. }) => true,
        Some(Kink { .. } | OutOfRange { .. } | Steps(_)) => slopes,
        _ => false,
    };
    assert!(orderly, "{name} on {case:?}:\n{report}");
    if choice.is_multiple_of(4) {
        refuses(case, name, f, x0);
    }
}

/// One entry that is not finite: an error, or (where it is not read, or absorbed) numbers that are finite.
fn refuses(case: &Case, name: &str, f: Program, x0: &[Batch<f64>]) {
    let mut e = case.entries(77);
    let mut x: Vec<Batch<f64>> = x0.to_vec();
    let leaf = (e.next() % x.len() as u64) as usize;
    let n = x[leaf].data().len();
    if n == 0 {
        return;
    }
    let bad = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX][(e.next() % 4) as usize];
    x[leaf].data_mut()[(e.next() % n as u64) as usize] = bad;
    let found = pullback::vjp_many(|x: Vec<Var>| Many(f(&x)), &x).and_then(|(y, pull)| {
        let w: Vec<Batch<f64>> = y.iter().map(|y| Batch::from_fn(y.shape(), |_, _, _| 1.0)).collect();
        pull(&w).map(|g| (y, g))
    });
    if let Ok((y, g)) = found {
        let finite = |l: &[Batch<f64>]| l.iter().all(|b| b.data().iter().all(|x| x.is_finite()));
        assert!(finite(&y) && finite(&g), "{name} on {case:?} with {bad}: an Ok that is not finite");
    }
}

/// The values of a program, if it has them.
pub(super) fn values(f: Program, x0: &[Batch<f64>]) -> Result<Vec<Batch<f64>>, Error> {
    let tape = Tape::plain();
    let x: Vec<Var> = x0.iter().map(|x| tape.input(x)).collect();
    let y = f(&x).iter().map(Var::value).collect();
    tape.check()?;
    Ok(y)
}

/// `a` and `b` agree to rounding, relative to the larger.
#[track_caller]
pub(super) fn near(case: &Case, name: &str, a: &Mat<f64>, b: &Mat<f64>) {
    let (d, size) = ((a - b).norm_max(), a.norm_max().max(b.norm_max()));
    assert!(d <= VALUE * size, "{name} on {case:?}: {d:e} of {size:e}");
}

/// Backward errors of factorisations of order below six.
pub(super) const VALUE: f64 = 1e-13;

pub(super) fn pick<const N: usize>(case: &Case, list: [(&'static str, Program); N]) -> (&'static str, Program) {
    list[usize::from(case.op) % N]
}
