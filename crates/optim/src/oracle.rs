//! What a solver may ask of a cost: its value, its Euclidean gradient and Hessian at a point. How a closure answers by
//! tapes that are recorded once and replayed. Geometry and counting are elsewhere.

use crate::Error;
use pullback::{Batch, CostFn, Key, Leaves, Scalar, Tape, Var};

/// The draw that means the whole cost.
pub const WHOLE: u64 = u64::MAX;

/// A cost with derivatives, on plain numbers. Every question is about the point of the last [`Oracle::at`].
pub trait Oracle<T: Scalar> {
    /// Moves to a point and returns the cost there. `draw` says which part of a stochastic cost is meant (see
    /// [`Stochastic`](crate::Stochastic)): the minibatch of that number, or [`WHOLE`]. Other costs do not look at it.
    ///
    /// # Errors
    /// The first failure of the program.
    fn at(&mut self, x: &[Batch<T>], draw: u64) -> Result<f64, Error>;

    /// The Euclidean gradient, into batches of the shapes of the point.
    ///
    /// # Errors
    /// The first failure of the program or of a rule; a number that is not finite.
    fn gradient(&mut self, out: &mut [Batch<T>]) -> Result<(), Error>;

    /// The Euclidean Hessian at `at` applied to `v`.
    ///
    /// # Errors
    /// As [`Oracle::gradient`].
    fn hessian(&mut self, at: &Where<'_, T>, v: &[Batch<T>], out: &mut [Batch<T>]) -> Result<(), Error>;

    /// The bytes that it holds.
    fn bytes(&self) -> usize;
}

/// The point of a Hessian.
#[derive(Debug, Clone, Copy)]
pub struct Where<'x, T: Scalar> {
    /// Its matrices.
    pub x: &'x [Batch<T>],
    /// Which part of a stochastic cost.
    pub draw: u64,
    /// Is it another one than in the last call?
    pub fresh: bool,
}

/// A program on a tape that is replayed on new numbers, or recorded anew at each point where it cannot be.
#[derive(Debug)]
struct Recorded<T: Scalar> {
    tape: Tape<T>,
    x: Vec<Key>,
    y: Option<Key>,
    /// The gradient as values of the tape, where Hessians are wanted.
    gradient: Vec<Key>,
    replayable: bool,
}

impl<T: Scalar> Recorded<T> {
    fn new() -> Self {
        Recorded { tape: Tape::new(), x: Vec::new(), y: None, gradient: Vec::new(), replayable: true }
    }

    /// Goes to a point; `program` records the cost from handles of the inputs.
    fn at(
        &mut self,
        x: &[Batch<T>],
        second: bool,
        program: &dyn for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T>,
    ) -> Result<(), Error> {
        if self.replayable && self.y.is_some() {
            for (key, x) in self.x.iter().zip(x) {
                self.tape.set(self.tape.var(*key), x);
            }
            match self.tape.replay() {
                Err(pullback::Error::NotReplayable { .. }) => self.replayable = false,
                other => return Ok(other?),
            }
        }
        self.tape.clear();
        self.y = None;
        let list: Vec<Var<'_, T>> = x.iter().map(|x| self.tape.input(x)).collect();
        let y = program(&list);
        let gradient = if second { self.tape.grads_on_tape(y, &list)? } else { Vec::new() };
        self.tape.check()?;
        let keys = |l: &[Var<'_, T>]| l.iter().map(Var::key).collect::<Vec<_>>();
        (self.x, self.y, self.gradient) = (keys(&list), Some(y.key()), keys(&gradient));
        Ok(())
    }

    fn y(&self) -> Result<Var<'_, T>, Error> {
        self.y.map(|y| self.tape.var(y)).ok_or(Error::NoPoint)
    }
}

/// A closure as an [`Oracle`].
///
/// The first run is recorded, and replayed at other points. A closure that reads a number and goes on is recorded anew
/// each time. One that is not a function of the point alone (a minibatch that it draws, a counter) could be replayed
/// with what it drew first, so the first calls, and then calls ever more rarely, are compared with a run of the closure:
/// a difference is [`Error::NotAFunction`].
pub(crate) struct Program<'p, L: Leaves, F> {
    like: &'p L,
    cost: &'p F,
    value: Recorded<L::Scalar>,
    hessian: Recorded<L::Scalar>,
    plain: Tape<L::Scalar>,
    calls: u64,
    largest: f64,
}

pub(crate) fn double<T: Scalar>(x: T) -> f64 {
    x.f64()
}

/// How much coarser than double precision, as digits of a sum are.
fn rounding<T: Scalar>() -> f64 {
    (T::EPS.f64() / f64::EPSILON).sqrt()
}

/// Relative to the largest cost seen, a difference that no rounding explains.
const ANOTHER_NUMBER: f64 = 1e-6;

impl<'p, L: Leaves, F: for<'t> CostFn<'t, L>> Program<'p, L, F> {
    pub(crate) fn new(like: &'p L, cost: &'p F) -> Self {
        let (value, hessian) = (Recorded::new(), Recorded::new());
        Program { like, cost, value, hessian, plain: Tape::plain(), calls: 0, largest: 0.0 }
    }

    /// The cost of a list of handles.
    fn run<'t>(like: &L, cost: &F, x: &[Var<'t, L::Scalar>]) -> Var<'t, L::Scalar> {
        cost(like.bind_all(x))
    }

    /// Does the closure give the number that the replay gave? Asked at calls 2, 3, 5, 9, 17, ...
    fn compare(&mut self, x: &[Batch<L::Scalar>], y: f64) -> Result<(), Error> {
        self.calls += 1;
        self.largest = self.largest.max(if y.is_finite() { y.abs() } else { 0.0 });
        if self.calls < 2 || !(self.calls - 1).is_power_of_two() || !self.value.replayable {
            return Ok(());
        }
        self.plain.clear();
        let list: Vec<Var<'_, L::Scalar>> = x.iter().map(|x| self.plain.constant(x)).collect();
        let again = Self::run(self.like, self.cost, &list);
        if self.plain.check().is_err() {
            return Ok(());
        }
        let again = double(again.scalar());
        let limit = ANOTHER_NUMBER * self.largest.max(again.abs()) * rounding::<L::Scalar>();
        match (y - again).abs() > limit {
            true => Err(Error::NotAFunction { first: y, second: again }),
            false => Ok(()),
        }
    }
}

impl<L: Leaves, F: for<'t> CostFn<'t, L>> Oracle<L::Scalar> for Program<'_, L, F> {
    fn at(&mut self, x: &[Batch<L::Scalar>], _: u64) -> Result<f64, Error> {
        let (like, cost) = (self.like, self.cost);
        self.value.at(x, false, &|x| Self::run(like, cost, x)).map_err(|e| e.naming(like))?;
        let y = self.value.y()?;
        if y.shape() != pullback::Shape::SCALAR {
            return Err(pullback::Error::NotScalar { shape: y.shape() }.into());
        }
        let y = double(y.scalar());
        self.compare(x, y)?;
        Ok(y)
    }

    fn gradient(&mut self, out: &mut [Batch<L::Scalar>]) -> Result<(), Error> {
        let tape = &self.value.tape;
        let x: smallvec::SmallVec<[_; 2]> = self.value.x.iter().map(|k| tape.var(*k)).collect();
        let mut out: smallvec::SmallVec<[_; 2]> = out.iter_mut().collect();
        let found = tape.gradient_into(self.value.y()?, &x, &mut out);
        found.map_err(|e| Error::from(e).naming(self.like))
    }

    fn hessian(
        &mut self,
        at: &Where<'_, L::Scalar>,
        v: &[Batch<L::Scalar>],
        out: &mut [Batch<L::Scalar>],
    ) -> Result<(), Error> {
        let (like, cost) = (self.like, self.cost);
        if at.fresh || self.hessian.y.is_none() {
            self.hessian.at(at.x, true, &|x| Self::run(like, cost, x)).map_err(|e| e.naming(like))?;
        }
        let (tape, held) = (&self.hessian.tape, &self.hessian);
        let seeds: smallvec::SmallVec<[(Var<'_, _>, &dyn pullback::MatLike<_>); 2]> =
            held.x.iter().zip(v).map(|(k, v)| (tape.var(*k), v as &dyn pullback::MatLike<_>)).collect();
        let g: smallvec::SmallVec<[_; 2]> = held.gradient.iter().map(|k| tape.var(*k)).collect();
        let mut out: smallvec::SmallVec<[_; 2]> = out.iter_mut().collect();
        tape.jvp_into(&seeds, &g, &mut out).map_err(|e| Error::from(e).naming(like))
    }

    fn bytes(&self) -> usize {
        self.value.tape.peak_bytes() + self.hessian.tape.peak_bytes() + self.plain.peak_bytes()
    }
}
