//! What a check found, and how it reads.

use crate::Error;
use std::fmt;

/// One equality between derivatives.
#[derive(Debug, Clone, PartialEq)]
pub struct Defect {
    /// The equality.
    pub what: &'static str,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// They fall as fast as they must.
    Slope,
    /// They sit at the rounding floor, from the first steps on or from a drop on: the polynomial is the function.
    Floor,
    /// They fall too slowly: the derivative of this order is not the derivative of the value.
    Wrong,
}

/// A step of a Taylor test.
#[derive(Debug, Clone, Copy, PartialEq)]
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

/// The remainders after the derivatives up to `order`: the last halvings above the floor, and the first step at it.
#[derive(Debug, Clone, PartialEq)]
pub struct Remainders {
    /// The highest derivative in the polynomial; the slope to see is one more.
    pub order: usize,
    /// The steps that were judged.
    pub steps: Vec<Step>,
    /// The judgement.
    pub verdict: Verdict,
}

/// The outcome of a check. `Display` prints it as a table.
#[derive(Debug, Clone, PartialEq)]
#[must_use = "a report that nobody reads checks nothing; `assert_ok` it"]
pub struct Report {
    /// Equalities that hold to rounding.
    pub defects: Vec<Defect>,
    /// Taylor remainders, by order.
    pub taylor: Vec<Remainders>,
    /// Why the check could not be made or finished, if so. Then the derivative is neither right nor wrong.
    pub error: Option<Error>,
    /// The seed of the directions.
    pub seed: u64,
    /// The condition factor.
    pub condition: f64,
}

impl Report {
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
}

impl Report {
    /// Takes remainders along a further direction, order by order, where those so far were wrong.
    pub(crate) fn merge(&mut self, taylor: Vec<Remainders>) {
        if self.taylor.is_empty() {
            self.taylor = taylor;
            return;
        }
        for (old, new) in self.taylor.iter_mut().zip(taylor) {
            if old.verdict == Verdict::Wrong && new.verdict != Verdict::Wrong {
                *old = new;
            }
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<62} {:>9} {:>9}", "equality", "defect", "allowed")?;
        for d in &self.defects {
            let verdict = if d.ok { "holds".into() } else { format!("FAILS: {}", d.meaning) };
            writeln!(f, "{:<62} {:>9.1e} {:>9.1e}  {verdict}", d.what, d.defect, d.tolerance)?;
        }
        for t in &self.taylor {
            writeln!(f, "remainder after {} derivative(s), slope {} expected", t.order, t.order + 1)?;
            writeln!(f, "{:>12} {:>12} {:>7} {:>12}", "step", "remainder", "slope", "floor")?;
            for s in &t.steps {
                let slope = s.slope.map(|s| format!("{s:.2}")).unwrap_or_default();
                writeln!(f, "{:>12.2e} {:>12.2e} {slope:>7} {:>12.2e}", s.h, s.remainder, s.floor)?;
            }
            match t.verdict {
                Verdict::Slope => writeln!(f, "  falls as it must")?,
                Verdict::Floor => writeln!(f, "  at the rounding floor")?,
                Verdict::Wrong => writeln!(
                    f,
                    "  WRONG: derivative {} is not the derivative of the value, or there is a kink here",
                    t.order
                )?,
            }
        }
        match &self.error {
            Some(e) => writeln!(f, "NOT CHECKED: {e}"),
            None if self.is_wrong() => writeln!(f, "WRONG (seed {}, condition {:.0e})", self.seed, self.condition),
            None => writeln!(f, "right (seed {}, condition {:.0e})", self.seed, self.condition),
        }
    }
}
