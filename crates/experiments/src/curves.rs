//! Losses along runs from several starting points, and their medians. How a run steps is not known here.

use crate::task::Losses;

/// The losses of every start after every number of steps.
#[derive(Debug, Clone, Default)]
pub(crate) struct Curves {
    /// `after[t]`: one entry for each start.
    pub(crate) after: Vec<Vec<Losses>>,
}

/// Which images a loss is measured on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum On {
    Train,
    HeldOut,
}

/// Median and range over starts.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) lowest: f64,
    pub(crate) highest: f64,
}

impl Spread {
    /// Of at least one number; a run that failed counts as infinite.
    pub(crate) fn of(mut values: Vec<f64>) -> Self {
        values.iter_mut().filter(|v| v.is_nan()).for_each(|v| *v = f64::INFINITY);
        values.sort_by(f64::total_cmp);
        let n = values.len();
        let median = if n % 2 == 1 { values[n / 2] } else { 0.5 * (values[n / 2 - 1] + values[n / 2]) };
        Spread { median, lowest: values[0], highest: values[n - 1] }
    }
}

impl Curves {
    /// Over the starts, after `t` steps.
    pub(crate) fn at(&self, t: usize, on: On) -> Spread {
        let pick = |l: &Losses| if on == On::Train { l.train } else { l.held_out };
        Spread::of(self.after[t].iter().map(pick).collect())
    }

    /// Steps taken.
    pub(crate) fn steps(&self) -> usize {
        self.after.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_ranges() {
        assert_eq!(Spread::of(vec![3.0, 1.0, 2.0]), Spread { median: 2.0, lowest: 1.0, highest: 3.0 });
        assert_eq!(Spread::of(vec![4.0, 1.0, 2.0, 3.0]).median, 2.5);
        assert_eq!(Spread::of(vec![f64::NAN, 1.0]).highest, f64::INFINITY);
    }
}
