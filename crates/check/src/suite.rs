//! One line turns a primitive into its whole test set: three orders in every mode, batches, inputs and outputs one at a
//! time, one value as two inputs, and every mistake of [`controls`] found.

use crate::{Modes, Report, check_many, controls};
use pullback::{Batch, Custom, Many, Scalar, Var};
use std::fmt;
use std::sync::Arc;

/// The reports of a [`suite()`], each with what it is about. `Display` prints a line for each, and failing ones whole.
#[derive(Debug, Clone, PartialEq)]
#[must_use = "a suite that nobody reads tests nothing; `assert_ok` it"]
pub struct Suite {
    /// The primitive.
    pub name: &'static str,
    /// What was checked, and what came of it.
    pub reports: Vec<(String, Report)>,
    /// Mistakes that were made on purpose, and whether each was found.
    pub controls: Vec<(controls::Break, bool)>,
}

/// Everything there is to check about a user's primitive, at the point `x0`.
///
/// ```
/// use pullback::{Batch, Custom, Var};
/// use pullback_check::suite;
/// use std::sync::Arc;
///
/// /// `X^T X`, with rules by hand.
/// struct Gram;
/// impl Custom for Gram {
///     fn name(&self) -> &'static str {
///         "gram"
///     }
///     fn value<'t>(&self, x: &[Var<'t>]) -> Vec<Var<'t>> {
///         vec![x[0].t_mul(x[0])]
///     }
///     fn jvp<'t>(&self, x: &[Var<'t>], _: &[Var<'t>], dx: &[Option<Var<'t>>]) -> Vec<Option<Var<'t>>> {
///         vec![dx[0].map(|d| x[0].t_mul(d).sym() * 2.0)]
///     }
///     fn vjp<'t>(&self, x: &[Var<'t>], _: &[Var<'t>], dy: &[Option<Var<'t>>]) -> Vec<Option<Var<'t>>> {
///         vec![dy[0].map(|g| x[0] * g.sym() * 2.0)]
///     }
/// }
/// suite(Arc::new(Gram), &vec![Batch::of(&faer::mat![[1.0, 0.3], [-0.4, 0.8], [0.2, 0.5]])]).assert_ok();
/// ```
pub fn suite<T: Scalar>(rule: Arc<dyn Custom<T>>, x0: &Vec<Batch<T>>) -> Suite {
    let mut out = Suite { name: rule.name(), reports: vec![], controls: vec![] };
    let mut add = |what: String, report: Report| out.reports.push((what, report));
    let whole = check_many(|x: Vec<Var<T>>| Many(x[0].tape().custom(rule.clone(), &x)), x0);
    add("every mode, three orders".into(), whole.modes(Modes::ALL).orders(1..=3).run());

    // A batch whose members differ: the point, and a little more of it.
    if x0.iter().all(|b| b.shape().batch == 1) {
        let near = |b: &Batch<T>| {
            let (s, stretch) = (b.shape(), T::of(1.0625));
            let shape = pullback::Shape { batch: 2, ..s };
            Batch::from_fn(shape, |m, i, j| {
                let x = b.data()[j * s.rows + i];
                if m == 0 { x } else { x * stretch }
            })
        };
        let two: Vec<Batch<T>> = x0.iter().map(near).collect();
        let batch = check_many(|x: Vec<Var<T>>| Many(x[0].tape().custom(rule.clone(), &x)), &two);
        add("a batch of two".into(), batch.orders(1..=3).run());
    }

    for i in (0..x0.len()).filter(|_| x0.len() > 1) {
        let one = vec![x0[i].clone()];
        let report = check_many(
            |x: Vec<Var<T>>| {
                let tape = x[0].tape();
                let all: Vec<Var<T>> =
                    x0.iter().enumerate().map(|(j, b)| if j == i { x[0] } else { tape.constant(b) }).collect();
                Many(tape.custom(rule.clone(), &all))
            },
            &one,
        );
        add(format!("input {i} alone"), report.orders(1..=3).run());
    }

    let outputs = crate::program::evaluated(&|x: &[Var<'_, T>]| rule.value(x), x0).map_or(1, |y| y.len());
    for k in (0..outputs).filter(|_| outputs > 1) {
        let report = check_many(|x: Vec<Var<T>>| Many(vec![x[0].tape().custom(rule.clone(), &x)[k]]), x0);
        add(format!("output {k} alone"), report.orders(1..=3).run());
    }

    if let [a, b] = x0.as_slice()
        && a.shape() == b.shape()
    {
        let one = vec![a.clone()];
        let report = check_many(|x: Vec<Var<T>>| Many(x[0].tape().custom(rule.clone(), &[x[0], x[0]])), &one);
        add("one value as both inputs".into(), report.orders(1..=3).run());
    }

    for how in controls::Break::ALL {
        if controls::applies(&rule, x0, how) {
            let broken = controls::broken(rule.clone(), how, controls::Place::Reverse);
            out.controls.push((how, controls::tried(&broken, x0, how).is_wrong()));
        }
    }
    out
}

impl Suite {
    /// Is everything right, and was every mistake found that was made on purpose?
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.reports.iter().all(|(_, r)| r.is_ok()) && self.controls.iter().all(|(_, found)| *found)
    }

    /// # Panics
    /// With the table, at the caller's line, unless [`Suite::is_ok`].
    #[track_caller]
    pub fn assert_ok(&self) {
        assert!(self.is_ok(), "\n{self}");
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.name)?;
        for (what, report) in &self.reports {
            match report.is_ok() {
                true => writeln!(f, "  {what}: right")?,
                false => writeln!(f, "  {what}:\n{report}")?,
            }
        }
        for (how, found) in &self.controls {
            let verdict =
                if *found { "found" } else { "NOT FOUND: the check is blind to it here; check at a generic point" };
            writeln!(f, "  broken on purpose by {how:?}: {verdict}")?;
        }
        Ok(())
    }
}
