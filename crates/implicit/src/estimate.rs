//! The estimators, over two tapes: a plain one that runs the inner loop in constant memory, and one that records the
//! steps that are differentiated. The series on the last step is a file of its own, `series.rs`.

use crate::Certificate;
use crate::checkpointed;
use crate::error::{Error, Result};
use crate::forward;
use crate::iteration::{Iteration, Of, Vars, copy, list};
use crate::last_step::{LastStep, Path};
use crate::lists;
use crate::loop_members::by_members;
use crate::series::{Sum, series};
use pullback::{Batch, Leaves, MatLike, Scalar, Tape, Var};

/// How to compute the derivative of an iteration.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Estimator {
    /// The series on the last step, with `terms` terms after the first. Constant memory.
    FixedPoint {
        /// `K`.
        terms: usize,
    },
    /// The last step alone, `FixedPoint { terms: 0 }`. Constant memory.
    ///
    /// For its certificate it also pulls once more, for the first term that is missing, and pushes the loop's last
    /// motion through the step, to see how fast the loop contracts: one reverse and one forward sweep over one step.
    OneStep,
    /// The last `steps` steps, recorded. Memory grows with them.
    Truncated {
        /// How many.
        steps: usize,
    },
    /// All steps, recorded: exact for the state that was reached. Memory grows with their number.
    Unroll,
    /// The same derivative, in the memory of a few states and one recorded step: steps are run again from snapshots, by
    /// the binomial schedule that takes the fewest runs (see `docs/implicit.md`).
    Checkpointed {
        /// States that are kept at once, the first one included, at least 1; beside them there is the one that is
        /// worked on. `None` for about `log2 T` of them, which runs every step fewer times than that.
        snapshots: Option<usize>,
    },
    /// The same derivative forwards: a tangent of the state for every entry of the parameters. For few parameters:
    /// memory and time grow with their number, and memory does not grow with the steps.
    Forward,
    /// Equation 16 of Fan et al., *Efficient Riemannian Meta-Optimization by Implicit Differentiation* (AAAI 2022), as
    /// printed: `-B' (v + (I - A')v + (I - A')²v + ...)` with the outer gradient `v` at the point *before* the last
    /// step.
    ///
    /// It is the sensitivity of that point, and its sign is opposite to the derivative's for a contracting loop with a
    /// small step. It is here for comparison, not for use: its certificate estimates its error to the derivative,
    /// and never calls it sound.
    IrmmPaper {
        /// `K`.
        terms: usize,
    },
    /// The same as the code of that paper computes it: `+B' (v + (I - alpha A')v + (I - alpha A')²v + ...)`, with the
    /// opposite sign, and without the factor `alpha` that a damped series of an inverse has. There `alpha` is 0.1, `K`
    /// is 5, and `v` is the gradient of the training loss, so that loss is the outer one to give.
    IrmmCode {
        /// `K`.
        terms: usize,
        /// The damping.
        alpha: f64,
    },
}

/// A derivative and what is known about it.
#[derive(Debug, Clone)]
pub struct Derivative<Z, P> {
    /// The outer loss.
    pub value: f64,
    /// Its derivative by the parameters.
    pub gradient: P,
    /// The state that was reached.
    pub state: Z,
    /// How far to trust the derivative.
    pub certificate: Certificate,
    /// The members of the batch whose loop failed, and why: their part of the derivative is 0, and their state is the
    /// one that they began with.
    pub failures: Vec<(usize, Error)>,
    /// The most bytes the tapes held at once.
    pub bytes: usize,
    /// Operations that were recorded.
    pub operations: usize,
    /// Products with the linear map of the last step, or its transpose, that the derivative itself took; 0 for unrolls.
    pub products: usize,
}

/// The tapes on which estimators run. Keep one for repeated calls: buffers are used again.
#[derive(Debug)]
pub struct Sensitivity<T: Scalar = f64> {
    pub(crate) plain: Tape<T>,
    pub(crate) recorded: Tape<T>,
    words: Tape<T>,
}

impl<T: Scalar> Default for Sensitivity<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// The last steps on the recording tape.
pub(crate) struct Recorded<'t, Z: Leaves, P: Leaves> {
    pub(crate) from: Vec<Var<'t, Z::Scalar>>,
    pub(crate) phi: Vec<Var<'t, Z::Scalar>>,
    pub(crate) params: P::Vars<'t>,
    pub(crate) end: Z::Vars<'t>,
}

impl<T: Scalar> Sensitivity<T> {
    /// Empty tapes.
    pub fn new() -> Self {
        Sensitivity { plain: Tape::plain(), recorded: Tape::new(), words: Tape::new() }
    }

    /// Runs `steps` steps from `z0` and returns the outer loss there and its derivative by `phi`.
    ///
    /// Members of a batch of loops, one member of each leaf of the state, are independent. One whose step fails, or
    /// that leaves the finite numbers, is named by [`Derivative::failures`] and by the verdict and masked: its part of
    /// the derivative is 0, and parameters that members share get the sum of the others, whose results are those that
    /// they would have alone. The loss receives a member that did not fail in its place: the caller must mask the value
    /// of the loss, and a loss that is more than a sum over members. If all members fail, or if one fails for every
    /// initial state (because of its own data in the step), that is an error that names the member.
    ///
    /// Cost: the steps; for the series one reverse sweep over one step for each term, and where no term after the first
    /// is asked for, one reverse and one forward sweep for the certificate.
    ///
    /// # Errors
    /// [`Error::NoSteps`]; [`Error::Diverged`]; [`Error::Shape`]; the first failure of the step or the loss;
    /// [`pullback::Error::NotScalar`] if the loss is not one number.
    pub fn derivative<I>(
        &mut self,
        it: &I,
        z0: &I::State,
        phi: &I::Params,
        steps: usize,
        how: Estimator,
    ) -> Result<Derivative<I::State, I::Params>>
    where
        I: Iteration,
        I::State: Leaves<Scalar = T>,
        I::Params: Leaves<Scalar = T>,
    {
        if steps == 0 {
            return Err(Error::NoSteps);
        }
        if let Estimator::IrmmCode { alpha, .. } = how
            && !(alpha > 0.0 && alpha.is_finite())
        {
            return Err(Error::Setting { what: "a damping above 0", got: alpha });
        }
        by_members(self, it, z0, phi, &mut |on, it, z0, phi| {
            for tape in [&mut on.plain, &mut on.recorded, &mut on.words] {
                tape.clear();
                tape.reset_peak();
            }
            match how {
                Estimator::Checkpointed { snapshots } => checkpointed::derivative(on, it, z0, phi, steps, snapshots),
                Estimator::Forward => forward::derivative(on, it, z0, phi, steps),
                _ => on.by_last_steps(it, z0, phi, steps, how),
            }
        })
    }

    /// The derivative of the last steps, or by a series on the last one.
    fn by_last_steps<I>(
        &mut self,
        it: &I,
        z0: &I::State,
        phi: &I::Params,
        steps: usize,
        how: Estimator,
    ) -> Result<Derivative<I::State, I::Params>>
    where
        I: Iteration,
        I::State: Leaves<Scalar = T>,
        I::Params: Leaves<Scalar = T>,
    {
        let window = match how {
            Estimator::Unroll => steps,
            Estimator::Truncated { steps: w } => w.clamp(1, steps),
            _ => 1,
        };
        let (before, motion) = match how {
            Estimator::OneStep | Estimator::FixedPoint { .. } => {
                run_watching(&mut self.plain, it, z0, phi, steps - window)?
            }
            _ => (run(&mut self.plain, it, z0, z0.batches(), phi, 0..steps - window)?, None),
        };
        self.plain.clear();
        let (tape, words, plain) = (&self.recorded, &self.words, &mut self.plain);
        let rec = record(tape, it, z0, &before, phi, steps - window..steps)?;
        let mut gradient: Vec<Batch<T>> = rec.phi.iter().map(|v| Batch::zeros(v.shape())).collect();
        let end: Vec<Batch<T>> = list(&rec.end).iter().map(Var::value).collect();
        finite(&end, steps)?;
        let (value, certificate) = match how.sum() {
            None => {
                let loss = it.outer(tape, copy(&rec.end), copy(&rec.params));
                tape.gradient_into(loss, &rec.phi, &mut gradient.iter_mut().collect::<Vec<_>>())?;
                (loss.scalar().f64(), Certificate::unrolled(window))
            }
            Some((sum, terms)) => {
                let motion = visible_motion(&before, &end).or(motion);
                let path = Path { phi, last: steps - 1, before: &before, end: &end, motion };
                let mut last_step = LastStep::new(it, z0, &rec, &path, (plain, words, tape))?;
                series(&mut last_step, sum, terms, &mut gradient)?
            }
        };
        let value = finite_value(value)?;
        Ok(self.told(value, rebuilt(phi, gradient), rebuilt(z0, end), certificate))
    }

    /// A derivative with what it took.
    fn told<Z, P>(&self, value: f64, gradient: P, state: Z, certificate: Certificate) -> Derivative<Z, P> {
        let tapes = [&self.plain, &self.recorded, &self.words];
        Derivative {
            value,
            gradient,
            state,
            products: certificate.norms.len().saturating_sub(1),
            certificate,
            failures: vec![],
            bytes: tapes.map(Tape::peak_bytes).iter().sum(),
            operations: self.recorded.operations(),
        }
    }
}

impl Estimator {
    /// The series that it sums, and its terms after the first; `None` of an unroll.
    fn sum(self) -> Option<(Sum, usize)> {
        match self {
            Estimator::FixedPoint { terms } => Some((Sum::FixedPoint, terms)),
            Estimator::OneStep => Some((Sum::FixedPoint, 0)),
            Estimator::IrmmPaper { terms } => Some((Sum::Printed, terms)),
            Estimator::IrmmCode { terms, alpha } => Some((Sum::Coded { alpha }, terms)),
            _ => None,
        }
    }
}

/// A loop on a plain tape, whose parameters are put there once.
pub(crate) struct Plain<'t, 's, I: Iteration> {
    pub(crate) tape: &'t Tape<Of<I::State>>,
    pub(crate) it: &'s I,
    pub(crate) like: &'s I::State,
    pub(crate) params: Vars<'t, I::Params>,
}

impl<'t, 's, I: Iteration> Plain<'t, 's, I> {
    fn new(tape: &'t mut Tape<Of<I::State>>, it: &'s I, like: &'s I::State, phi: &I::Params) -> Self {
        tape.clear();
        let tape = &*tape;
        Plain { tape, it, like, params: bind_tree(tape, phi).0 }
    }

    /// Runs the given steps from `z` in the memory of one step and returns the numbers of the state.
    pub(crate) fn run(
        &self,
        z: Vec<Batch<Of<I::State>>>,
        steps: std::ops::Range<usize>,
    ) -> Result<Vec<Batch<Of<I::State>>>> {
        if steps.is_empty() {
            return Ok(z);
        }
        let (tape, mut t, mut out) = (self.tape, steps.start, Ok(z));
        tape.scope(|| -> Vec<Var<'t, Of<I::State>>> {
            let (z, _) = bind(tape, self.like, out.as_deref().unwrap_or_default());
            let z = tape.iterate(z, steps.len(), |z| {
                let next = self.it.step(tape, z, copy(&self.params), t);
                t += 1;
                next
            });
            out = tape.check().map(|()| list(&z).iter().map(Var::value).collect());
            vec![]
        });
        let out = out?;
        finite(&out, steps.end)?;
        Ok(out)
    }
}

/// Runs the given steps from `z` in constant memory and returns the numbers of the state.
pub(crate) fn run<I: Iteration>(
    tape: &mut Tape<Of<I::State>>,
    it: &I,
    like: &I::State,
    z: Vec<Batch<Of<I::State>>>,
    phi: &I::Params,
    steps: std::ops::Range<usize>,
) -> Result<Vec<Batch<Of<I::State>>>> {
    if steps.is_empty() {
        return Ok(z);
    }
    Plain::new(tape, it, like, phi).run(z, steps)
}

/// Runs `steps` steps and returns, beside the state, the last motion `z_t - z_{t-1}` that was well above rounding.
///
/// A loop that converges is a power iteration on its own Jacobian, so its late motions point along the slowest mode,
/// until they drown in rounding. They are looked at after `steps`, `steps / 2`, `steps / 4`, ... steps.
fn run_watching<I: Iteration>(
    tape: &mut Tape<Of<I::State>>,
    it: &I,
    z0: &I::State,
    phi: &I::Params,
    steps: usize,
) -> Result<(Vec<Batch<Of<I::State>>>, Option<Vec<Batch<Of<I::State>>>>)> {
    // No look before the third step: a piece of one step needs less memory than one of two, and then a short loop would
    // need less than a long one.
    let mut looks: Vec<usize> = (0..usize::BITS).map(|j| steps >> j).take_while(|&t| t > 2).collect();
    if looks.is_empty() && steps > 0 {
        looks.push(steps);
    }
    looks.reverse();
    let (mut z, mut t, mut motion) = (z0.batches(), 0, None);
    if looks.is_empty() {
        return Ok((z, motion));
    }
    let plain = Plain::new(tape, it, z0, phi);
    for look in looks {
        let before = plain.run(z, t..look - 1)?;
        z = plain.run(before.clone(), look - 1..look)?;
        if let Some(seen) = visible_motion(&before, &z) {
            motion = Some(seen);
        }
        t = look;
    }
    Ok((z, motion))
}

/// `after - before`, if it is so large that rounding is at most the square root of epsilon of it.
pub(crate) fn visible_motion<T: Scalar>(before: &[Batch<T>], after: &[Batch<T>]) -> Option<Vec<Batch<T>>> {
    (difference(before, after) > T::EPS.f64().sqrt() * norm(after)).then(|| {
        let mut motion = after.to_vec();
        add(&mut motion, before, -1.0);
        motion
    })
}

/// Records the given steps.
pub(crate) fn record<'t, I: Iteration>(
    tape: &'t Tape<Of<I::State>>,
    it: &I,
    like: &I::State,
    from: &[Batch<Of<I::State>>],
    phi: &I::Params,
    steps: std::ops::Range<usize>,
) -> Result<Recorded<'t, I::State, I::Params>> {
    let (mut z, from) = bind(tape, like, from);
    let (params, phi) = bind_tree(tape, phi);
    for t in steps {
        let next = it.step(tape, copy(&z), copy(&params), t);
        for (leaf, (a, b)) in list(&z).iter().zip(list(&next)).enumerate() {
            if a.shape() != b.shape() {
                return Err(Error::Shape { step: t, leaf, expected: a.shape(), got: b.shape() });
            }
        }
        z = next;
    }
    tape.check()?;
    Ok(Recorded { from, phi, params, end: z })
}

pub(crate) fn seeds<'v, 't, T: Scalar>(at: &[Var<'t, T>], v: &'v [Batch<T>]) -> Vec<(Var<'t, T>, &'v dyn MatLike<T>)> {
    at.iter().zip(v).map(|(at, v)| (*at, v as &dyn MatLike<T>)).collect()
}

/// The numbers of a tree on a tape.
pub(crate) fn bind<'t, L: Leaves>(
    tape: &'t Tape<L::Scalar>,
    like: &L,
    numbers: &[Batch<L::Scalar>],
) -> (Vars<'t, L>, Vec<Var<'t, L::Scalar>>) {
    let handles: Vec<Var<'t, L::Scalar>> = numbers.iter().map(|b| tape.input(b)).collect();
    let mut next = handles.iter().copied();
    (like.bind(&mut || next.next().unwrap_or_else(|| unreachable!("one handle for each leaf"))), handles)
}

/// A tree on a tape.
pub(crate) fn bind_tree<'t, L: Leaves>(tape: &'t Tape<L::Scalar>, tree: &L) -> (Vars<'t, L>, Vec<Var<'t, L::Scalar>>) {
    let mut handles = Vec::new();
    tree.visit("", &mut |_, m| handles.push(tape.input(m)));
    (tree.bind_all(&handles), handles)
}

pub(crate) fn rebuilt<L: Leaves>(like: &L, parts: Vec<Batch<L::Scalar>>) -> L {
    let mut parts = parts.into_iter();
    like.rebuild(&mut || parts.next().unwrap_or_else(|| unreachable!("one batch for each leaf")))
}

/// The outer loss as a finite number.
pub(crate) fn finite_value<T: Scalar>(value: T) -> Result<f64> {
    let (value, origin) = (value.f64(), pullback::Origin::Unknown);
    match value.is_finite() {
        true => Ok(value),
        false => Err(pullback::Error::NonFinite { what: "value", index: 0, value, origin }.into()),
    }
}

/// Bytes of the entries of a list.
pub(crate) fn bytes_of<T: Scalar>(v: &[Batch<T>]) -> usize {
    v.iter().map(|b| std::mem::size_of_val(b.data())).sum()
}

pub(crate) fn finite<T: Scalar>(z: &[Batch<T>], steps: usize) -> Result<()> {
    for (leaf, b) in z.iter().enumerate() {
        if let Some(i) = b.data().iter().position(|x| !x.is_finite()) {
            let member = i / b.shape().each().max(1);
            return Err(Error::Diverged { steps, member, leaf, value: b.data()[i].f64() });
        }
    }
    Ok(())
}

pub(crate) fn norm<T: Scalar>(v: &[Batch<T>]) -> f64 {
    lists::length(v)
}

pub(crate) fn difference<T: Scalar>(a: &[Batch<T>], b: &[Batch<T>]) -> f64 {
    let entries = a.iter().flat_map(|b| b.data()).zip(b.iter().flat_map(|b| b.data()));
    let squares = entries.map(|(a, b)| (a.f64() - b.f64()).powi(2)).sum::<f64>();
    if lists::is_plain(squares) { squares.sqrt() } else { lists::length(&lists::minus(a, b)) }
}

/// `to += c v`.
pub(crate) fn add<T: Scalar>(to: &mut [Batch<T>], v: &[Batch<T>], c: f64) {
    lists::add_all(to, c, v);
}

pub(crate) fn double<T: Scalar>(x: T) -> f64 {
    x.f64()
}
