//! The unroll in little memory: states are kept as snapshots, and steps are run again from them, one at a time, on a
//! recording tape that never holds more than one step. Where snapshots go is the binomial schedule of Griewank &
//! Walther, *Algorithm 799: Revolve* (2000).
//!
//! With `c` snapshots, the start among them, and every step run at most `r` times before it is recorded, a loop may
//! have `C(c + r, c)` steps. The smallest such `r` costs `r l - C(c + r, c + 1)` runs of a step for a loop of `l`
//! steps, and no other schedule costs less. With `c` about `log2 l`, `r` is below that too.

use crate::certificate::Certificate;
use crate::error::Result;
use crate::estimate::{Derivative, Sensitivity, add, bytes_of, finite, finite_value, rebuilt, record, run, seeds};
use crate::iteration::{Iteration, Of, copy, list};
use crate::lists::{self, List};
use pullback::{Batch, Leaves, Scalar, Tape, Var};
use std::ops::Range;

/// `C(c + r, c)`: the longest loop that `c` snapshots reverse with `r` runs of a step; saturates.
fn longest(c: usize, r: usize) -> usize {
    (1..=c).fold(1u128, |b, i| (b * (r + i) as u128 / i as u128).min(u128::from(u32::MAX))) as usize
}

/// Where the next snapshot of a loop of `l > 1` steps goes, with `c` of them, the start included.
fn split(l: usize, c: usize) -> usize {
    if c == 1 {
        return l - 1;
    }
    let r = (1..).find(|r| longest(c, *r) >= l).unwrap_or(l);
    longest(c, r - 1).min(l - longest(c - 1, r - 1))
}

/// The number of snapshots that is taken where none is asked for: about the binary logarithm of the steps.
pub(crate) fn logarithm(steps: usize) -> usize {
    (usize::BITS - steps.leading_zeros()) as usize
}

/// What travels backwards along the loop.
struct Reverse<'s, I: Iteration> {
    plain: &'s mut Tape<Of<I::State>>,
    recorded: &'s mut Tape<Of<I::State>>,
    it: &'s I,
    like: &'s I::State,
    phi: &'s I::Params,
    steps: usize,
    /// The cotangent of the state after the step that was reversed last, and those of one step.
    v: List<Of<I::State>>,
    pulled: List<Of<I::State>>,
    gradient: List<Of<I::State>>,
    value: f64,
    end: List<Of<I::State>>,
    /// States that are held, and the most that ever were: the snapshots, and the one that is worked on.
    held: usize,
    most: usize,
    operations: usize,
}

impl<I: Iteration> Reverse<'_, I> {
    /// Reverses the given steps from the state before them, with `c` snapshots, that state included.
    fn back(&mut self, from: &[Batch<Of<I::State>>], steps: Range<usize>, c: usize) -> Result<()> {
        let (start, mut end) = (steps.start, steps.end);
        self.held += 1;
        self.most = self.most.max(self.held);
        while end - start > 1 {
            let middle = start + split(end - start, c);
            let there = run(self.plain, self.it, self.like, from.to_vec(), self.phi, start..middle)?;
            self.back(&there, middle..end, c.saturating_sub(1).max(1))?;
            end = middle;
        }
        self.held -= 1;
        self.one(from, start)
    }

    /// Records step `t` and pulls the cotangent through it; the last step comes first, and with it the outer loss.
    fn one(&mut self, from: &[Batch<Of<I::State>>], t: usize) -> Result<()> {
        self.recorded.clear();
        let tape = &*self.recorded;
        let rec = record(tape, self.it, self.like, from, self.phi, t..t + 1)?;
        let by: Vec<_> = rec.from.iter().chain(&rec.phi).copied().collect();
        let mut into: Vec<&mut Batch<_>> = self.pulled.iter_mut().collect();
        if t + 1 == self.steps {
            self.end = list(&rec.end).iter().map(Var::value).collect();
            finite(&self.end, self.steps)?;
            let loss = self.it.outer(tape, copy(&rec.end), copy(&rec.params));
            tape.gradient_into(loss, &by, &mut into)?;
            self.value = finite_value(loss.scalar())?;
        } else {
            tape.vjp_into(&seeds(&list(&rec.end), &self.v), &by, &mut into)?;
        }
        let n = rec.from.len();
        lists::copy(&mut self.v, &self.pulled[..n]);
        add(&mut self.gradient, &self.pulled[n..], 1.0);
        self.operations = self.operations.max(tape.operations());
        Ok(())
    }
}

/// The derivative of all steps, in the memory of `snapshots` states and one recorded step.
pub(crate) fn derivative<T: Scalar, I>(
    on: &mut Sensitivity<T>,
    it: &I,
    z0: &I::State,
    phi: &I::Params,
    steps: usize,
    snapshots: Option<usize>,
) -> Result<Derivative<I::State, I::Params>>
where
    I: Iteration,
    I::State: Leaves<Scalar = T>,
    I::Params: Leaves<Scalar = T>,
{
    // More snapshots than steps are of no use.
    let c = snapshots.unwrap_or_else(|| logarithm(steps)).clamp(1, steps);
    let (from, zeros) = (z0.batches(), lists::zeros(&phi.shapes()));
    let mut reverse = Reverse {
        plain: &mut on.plain,
        recorded: &mut on.recorded,
        it,
        like: z0,
        phi,
        steps,
        v: lists::zeros(&z0.shapes()),
        pulled: from.iter().chain(&zeros).cloned().collect(),
        gradient: zeros,
        value: f64::NAN,
        end: vec![],
        held: 0,
        most: 0,
        operations: 0,
    };
    reverse.back(&from, 0..steps, c)?;
    let Reverse { v, pulled, gradient, value, end, most, operations, .. } = reverse;
    let held = most * bytes_of(&from) + bytes_of(&v) + bytes_of(&pulled);
    Ok(Derivative {
        value,
        gradient: rebuilt(phi, gradient),
        state: rebuilt(z0, end),
        certificate: Certificate::unrolled(steps),
        failures: vec![],
        bytes: on.plain.peak_bytes() + on.recorded.peak_bytes() + held,
        operations,
        products: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs of a step that the schedule takes before anything is recorded, and snapshots held.
    fn runs(l: usize, c: usize) -> (usize, usize) {
        let (mut end, mut total, mut held) = (l, 0, 1);
        while end > 1 {
            let m = split(end, c);
            let (right, deep) = runs(end - m, c.saturating_sub(1).max(1));
            assert!(m >= 1 && m < end, "{l} {c}");
            total += m + right;
            held = held.max(if c > 1 || end - m > 1 { 1 + deep } else { 1 });
            end = m;
        }
        (total, held)
    }

    #[test]
    fn the_schedule_takes_as_few_runs_as_the_closed_form_and_holds_no_more_than_it_may() {
        for l in 1..140usize {
            for c in 1..12 {
                let r = (0..).find(|r| longest(c, *r) >= l).unwrap();
                let fewest = r * l - if r > 0 { longest(c + 1, r - 1) } else { 0 };
                let (total, held) = runs(l, c);
                assert_eq!(total, fewest, "{l} steps, {c} snapshots");
                assert!(held <= c, "{l} steps, {c} snapshots: {held}");
            }
        }
        // No schedule is better: the minimum over all places of the first snapshot, for short loops.
        let mut best = vec![vec![0usize; 40]; 8];
        for c in 1..8 {
            for l in 2..40 {
                let place = |m: usize| m + best[c][m] + if c > 1 { best[c - 1][l - m] } else { 0 };
                best[c][l] = if c == 1 { l * (l - 1) / 2 } else { (1..l).map(place).min().unwrap() };
                assert_eq!(runs(l, c).0, best[c][l], "{l} steps, {c} snapshots");
            }
        }
        assert_eq!([5, 50, 525].map(logarithm), [3, 6, 10]);
    }
}
