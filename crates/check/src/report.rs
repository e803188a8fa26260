//! What a check found, and how it reads.

use crate::Error;
use serde::{Serialize, Serializer};
use std::fmt;

/// One equality between derivatives.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Defect {
    /// The equality.
    pub what: String,
    /// What it means if it does not hold.
    pub meaning: &'static str,
    /// How far the sides are apart, relative to the sum of the moduli of their terms.
    pub defect: f64,
    /// How far they may be.
    pub tolerance: f64,
    /// Does it hold?
    pub ok: bool,
}

/// What the Taylor remainders of one order say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Verdict {
    /// They fall as fast as they must.
    Slope,
    /// They sit at the rounding floor, from the first steps on or from a drop on: the polynomial is the function.
    Floor,
    /// They fall too slowly: the derivative of this order is not the derivative of the value.
    Wrong,
    /// They fall too slowly, and tend to no error of the derivative either: where the value becomes smooth, remainders
    /// are rounding already. A pole, a kink or a jump is as near as that. Neither right nor wrong.
    OutOfRange,
}

impl Verdict {
    /// What is said of several directions is the least of what is said of each: a wrong derivative is wrong along every
    /// one.
    fn rank(self) -> u8 {
        match self {
            Verdict::Slope | Verdict::Floor => 0,
            Verdict::Wrong => 1,
            Verdict::OutOfRange => 2,
        }
    }
}

/// A step of a Taylor test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Step {
    /// Its length, relative to the direction.
    pub h: f64,
    /// `|f(x + h v) - Taylor polynomial|`, contracted with the cotangent.
    pub remainder: f64,
    /// `log2` of the ratio to the remainder of the step before, per halving.
    pub slope: Option<f64>,
    /// The rounding floor here.
    pub floor: f64,
}

/// A sequence of remainders and its verdict.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Remainders {
    /// What remains of what.
    pub what: String,
    /// The highest derivative in the polynomial.
    pub order: usize,
    /// The slope to see.
    pub expected: f64,
    /// The steps that were judged: the last halvings above the floor, and the first step at it.
    pub steps: Vec<Step>,
    /// All steps, for a plot.
    pub curve: Vec<Step>,
    /// The judgement.
    pub verdict: Verdict,
}

/// Something that was asked for and does not apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// What.
    pub what: String,
    /// Why not.
    pub why: String,
}

/// The outcome of a check. `Display` prints it as a table.
///
/// A check in a program rather than in a test reads it:
///
/// ```
/// use pullback_check::{Check, Defect, Remainders, Report, Skipped, check};
/// let x = faer::mat![[2.0, 0.5], [0.5, 1.0]];
/// let described: Check<'_, faer::Mat<f64>> = check(|a: pullback::Var| a.logdet(), &x);
/// let report: Report = described.run();
/// let worst: &Defect = report.defects.iter().max_by(|a, b| a.defect.total_cmp(&b.defect)).unwrap();
/// println!("{}: {:.1e}, allowed {:.1e}", worst.what, worst.defect, worst.tolerance);
/// let first: &Remainders = &report.taylor[0];
/// println!("a slope of {} was to be seen; the last step: {:?}", first.expected, first.steps.last());
/// for Skipped { what, why } in &report.skipped {
///     println!("{what}: left out, {why}");
/// }
/// assert!(report.is_ok(), "{report}");
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[must_use = "a report that nobody reads checks nothing; `assert_ok` it"]
pub struct Report {
    /// Equalities that hold to rounding.
    pub defects: Vec<Defect>,
    /// Taylor remainders, by order.
    pub taylor: Vec<Remainders>,
    /// What was left out, and why.
    pub skipped: Vec<Skipped>,
    /// What the numbers say about a mistake: where it is, how large, what it looks like, what to try. Empty when
    /// nothing is wrong; a line is here only if numbers were computed that show it.
    pub hints: Vec<String>,
    /// Why the check could not be made or finished, if so. Then the derivative is neither right nor wrong.
    #[serde(serialize_with = "text")]
    pub error: Option<Error>,
    /// The seed of the directions.
    pub seed: u64,
    /// The condition factor, which tolerances were multiplied by.
    pub condition: f64,
}

fn text<S: Serializer>(error: &Option<Error>, s: S) -> Result<S::Ok, S::Error> {
    error.as_ref().map(ToString::to_string).serialize(s)
}

impl Report {
    pub(crate) fn new(seed: u64) -> Self {
        Report { defects: vec![], taylor: vec![], skipped: vec![], hints: vec![], error: None, seed, condition: 1.0 }
    }

    /// Did everything that was asked for hold?
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.error.is_none() && !self.is_wrong()
    }

    /// Is a derivative wrong? (If the check could not be made, this is false, and so is [`Report::is_ok`].)
    #[must_use]
    pub fn is_wrong(&self) -> bool {
        self.defects.iter().any(|d| !d.ok) || self.taylor.iter().any(|t| t.verdict == Verdict::Wrong)
    }

    /// # Panics
    /// With the table, at the caller's line, unless [`Report::is_ok`].
    #[track_caller]
    pub fn assert_ok(&self) {
        assert!(self.is_ok(), "\n{self}");
    }

    /// For negative controls.
    ///
    /// # Panics
    /// With the table, at the caller's line, unless [`Report::is_wrong`].
    #[track_caller]
    pub fn assert_wrong(&self) {
        assert!(self.is_wrong(), "a rule that is wrong on purpose passes:\n{self}");
    }

    pub(crate) fn skip(&mut self, what: impl Into<String>, why: impl Into<String>) {
        let skipped = Skipped { what: what.into(), why: why.into() };
        // Once is enough, whatever the number of directions.
        if !self.skipped.contains(&skipped) {
            self.skipped.push(skipped);
        }
    }

    /// Takes remainders along a further direction, order by order, where those so far were not right.
    pub(crate) fn merge(&mut self, taylor: Vec<Remainders>) {
        if self.taylor.is_empty() {
            self.taylor = taylor;
            return;
        }
        for (old, new) in self.taylor.iter_mut().zip(taylor) {
            if new.verdict.rank() < old.verdict.rank() {
                *old = new;
            }
        }
    }

    /// Is a sequence of remainders not right?
    pub(crate) fn is_open(&self) -> bool {
        self.taylor.iter().any(|t| t.verdict.rank() > 0)
    }

    /// The first order whose remainders could not be judged.
    pub(crate) fn out_of_range(&self) -> Option<usize> {
        self.taylor.iter().find(|t| t.verdict == Verdict::OutOfRange).map(|t| t.order)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.defects.is_empty() {
            writeln!(f, "{:<62} {:>9} {:>9}", "equality", "defect", "allowed")?;
        }
        for d in &self.defects {
            let verdict = if d.ok { "holds".into() } else { format!("FAILS: {}", d.meaning) };
            writeln!(f, "{:<62} {:>9.1e} {:>9.1e}  {verdict}", d.what, d.defect, d.tolerance)?;
        }
        for t in &self.taylor {
            writeln!(f, "{}: slope {} expected", t.what, t.expected)?;
            writeln!(f, "{:>12} {:>12} {:>7} {:>12}", "step", "remainder", "slope", "floor")?;
            for s in &t.steps {
                let slope = s.slope.map(|s| format!("{s:.2}")).unwrap_or_default();
                writeln!(f, "{:>12.2e} {:>12.2e} {slope:>7} {:>12.2e}", s.h, s.remainder, s.floor)?;
            }
            match t.verdict {
                Verdict::Slope => writeln!(f, "  falls as it must")?,
                Verdict::Floor => writeln!(f, "  at the rounding floor")?,
                Verdict::Wrong => writeln!(f, "  WRONG: falls too slowly{}", t.blame())?,
                Verdict::OutOfRange => {
                    writeln!(f, "  inconclusive: too slow, and no error of the derivative that they would tend to")?
                }
            }
        }
        for s in &self.skipped {
            writeln!(f, "left out: {}: {}", s.what, s.why)?;
        }
        for h in &self.hints {
            writeln!(f, "-> {h}")?;
        }
        match &self.error {
            Some(e) => writeln!(f, "NOT CHECKED: {e}"),
            None if self.is_wrong() => writeln!(f, "WRONG (seed {}, condition {:.0e})", self.seed, self.condition),
            None => writeln!(f, "right (seed {}, condition {:.0e})", self.seed, self.condition),
        }
    }
}

impl Remainders {
    /// What a wrong sequence accuses.
    fn blame(&self) -> String {
        match self.order {
            0 => String::new(),
            k => format!("; derivative {k} is not the derivative of the value, or is not smooth here"),
        }
    }
}
