//! What a solver may ask of a cost: its value, its Euclidean gradient and Hessian at a point. How a closure answers by
//! tapes that are recorded once and replayed. Geometry and counting are elsewhere; so is what is written by hand.

use crate::Error;
use crate::by_hand::ByHand;
use pullback::{Batch, CostFn, Key, Leaves, Lent, Scalar, Var};

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

    /// The Euclidean gradient at the point of the last [`Oracle::hessian`] that belongs with that Hessian, where it is
    /// another one than [`Oracle::gradient`] gives. The two differ where one of them is of another extension of the
    /// cost beyond the manifold, and a Riemannian Hessian is made of a pair of the same extension.
    fn gradient_of_hessian(&self) -> Option<&[Batch<T>]> {
        None
    }

    /// Is the cost half the sum of squares of residuals that the oracle knows?
    fn has_residuals(&self) -> bool {
        false
    }

    /// `J^T J v` for residuals with the Jacobian `J`.
    ///
    /// # Errors
    /// [`Error::Problem`] where there are no residuals; else as [`Oracle::gradient`].
    fn gauss_newton(&mut self, _v: &[Batch<T>], _out: &mut [Batch<T>]) -> Result<(), Error> {
        Err(crate::least_squares::no_residuals("a Gauss-Newton product"))
    }

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
    tape: Lent<T>,
    x: Vec<Key>,
    y: Option<Key>,
    /// The residuals; the cost itself, where there are none.
    r: Option<Key>,
    /// The gradient as values of the tape, where Hessians are wanted.
    gradient: Vec<Key>,
    replayable: bool,
}

impl<T: Scalar> Recorded<T> {
    fn new() -> Self {
        Recorded { tape: Lent::recording(), x: Vec::new(), y: None, r: None, gradient: Vec::new(), replayable: true }
    }

    /// Goes to a point; `program` records the cost and the residuals from handles of the inputs.
    fn at(
        &mut self,
        x: &[Batch<T>],
        second: bool,
        program: &dyn for<'t> Fn(&[Var<'t, T>]) -> [Var<'t, T>; 2],
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
        let [y, r] = program(&list);
        let gradient = if second { self.tape.grads_on_tape(y, &list)? } else { Vec::new() };
        self.tape.check()?;
        let keys = |l: &[Var<'_, T>]| l.iter().map(Var::key).collect::<Vec<_>>();
        (self.x, self.y, self.r) = (keys(&list), Some(y.key()), Some(r.key()));
        self.gradient = keys(&gradient);
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
/// with what it drew first, so the first calls, and then calls ever more rarely, are compared with a run of the
/// closure: a difference is [`Error::NotAFunction`].
pub(crate) struct Closure<'p, L: Leaves, F> {
    like: &'p L,
    cost: &'p F,
    form: Form,
    by_hand: &'p ByHand<'p, L>,
    value: Recorded<L::Scalar>,
    hessian: Recorded<L::Scalar>,
    plain: Lent<L::Scalar>,
    /// `J v`, of a Gauss-Newton product.
    pushed: Vec<Batch<L::Scalar>>,
    /// The engine's gradient where the Hessian is the engine's and the gradient is written by hand.
    beside: Vec<Batch<L::Scalar>>,
    calls: u64,
    largest: f64,
}

/// What the closure of a problem returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// The cost.
    Cost,
    /// Residuals `r`, of any shape: the cost is `1/2 |r|^2`, over all entries and members.
    Residuals,
}

impl Form {
    /// The cost and the residuals (the cost again, where there are none).
    fn outputs<'t, T: Scalar>(self, out: Var<'t, T>) -> [Var<'t, T>; 2] {
        match self {
            Form::Cost => [out, out],
            Form::Residuals => {
                let squares = out.dot(out);
                let sum = if squares.shape().batch == 1 { squares } else { squares.sum_batch() };
                [sum.lincomb(0.5, sum, 0.0), out]
            }
        }
    }
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

impl<'p, L: Leaves, F: for<'t> CostFn<'t, L>> Closure<'p, L, F> {
    pub(crate) fn new(like: &'p L, cost: &'p F, form: Form, by_hand: &'p ByHand<'p, L>) -> Self {
        Closure {
            like,
            cost,
            form,
            by_hand,
            value: Recorded::new(),
            hessian: Recorded::new(),
            plain: Lent::plain(),
            pushed: Vec::new(),
            beside: Vec::new(),
            calls: 0,
            largest: 0.0,
        }
    }

    /// Cost and residuals of a list of handles.
    fn run<'t>(like: &L, cost: &F, form: Form, x: &[Var<'t, L::Scalar>]) -> [Var<'t, L::Scalar>; 2] {
        form.outputs(cost(like.bind_all(x)))
    }

    /// The engine's gradient at the point of the last [`Oracle::at`].
    pub(crate) fn engine_gradient(&self, out: &mut [Batch<L::Scalar>]) -> Result<(), Error> {
        let tape = &self.value.tape;
        let x: smallvec::SmallVec<[_; 2]> = self.value.x.iter().map(|k| tape.var(*k)).collect();
        let mut out: smallvec::SmallVec<[_; 2]> = out.iter_mut().collect();
        let found = tape.gradient_into(self.value.y()?, &x, &mut out);
        found.map_err(|e| Error::from(e).naming(self.like))
    }

    /// The engine's Hessian at a point, applied to `v`.
    fn engine_hessian(
        &mut self,
        at: &Where<'_, L::Scalar>,
        v: &[Batch<L::Scalar>],
        out: &mut [Batch<L::Scalar>],
    ) -> Result<(), Error> {
        let (like, cost, form) = (self.like, self.cost, self.form);
        if at.fresh || self.hessian.y.is_none() {
            let found = self.hessian.at(at.x, true, &|x| Self::run(like, cost, form, x));
            found.map_err(|e| e.naming(like))?;
            if self.by_hand.gradient.is_some() {
                let tape = &self.hessian.tape;
                self.beside.clear();
                self.beside.extend(self.hessian.gradient.iter().map(|k| tape.var(*k).value()));
            }
        }
        let (tape, held) = (&self.hessian.tape, &self.hessian);
        let seeds: smallvec::SmallVec<[(Var<'_, _>, &dyn pullback::MatLike<_>); 2]> =
            held.x.iter().zip(v).map(|(k, v)| (tape.var(*k), v as &dyn pullback::MatLike<_>)).collect();
        let g: smallvec::SmallVec<[_; 2]> = held.gradient.iter().map(|k| tape.var(*k)).collect();
        let mut out: smallvec::SmallVec<[_; 2]> = out.iter_mut().collect();
        tape.jvp_into(&seeds, &g, &mut out).map_err(|e| Error::from(e).naming(like))
    }

    /// Does the closure give the number that the replay gave? Asked at calls 2, 5, 17, 65, ...
    fn compare(&mut self, x: &[Batch<L::Scalar>], y: f64) -> Result<(), Error> {
        self.calls += 1;
        self.largest = self.largest.max(if y.is_finite() { y.abs() } else { 0.0 });
        let asked = self.calls > 1 && (self.calls - 1).is_power_of_two() && (self.calls - 1).ilog2().is_multiple_of(2);
        if !asked || !self.value.replayable {
            return Ok(());
        }
        self.plain.clear();
        let list: smallvec::SmallVec<[Var<'_, L::Scalar>; 2]> = x.iter().map(|x| self.plain.constant(x)).collect();
        let [again, _] = Self::run(self.like, self.cost, self.form, &list);
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

impl<L: Leaves, F: for<'t> CostFn<'t, L>> Oracle<L::Scalar> for Closure<'_, L, F> {
    fn at(&mut self, x: &[Batch<L::Scalar>], _: u64) -> Result<f64, Error> {
        let (like, cost, form) = (self.like, self.cost, self.form);
        self.value.at(x, false, &|x| Self::run(like, cost, form, x)).map_err(|e| e.naming(like))?;
        let y = self.value.y()?;
        if y.shape() != pullback::Shape::SCALAR {
            return Err(pullback::Error::NotScalar { shape: y.shape() }.into());
        }
        let y = double(y.scalar());
        self.compare(x, y)?;
        Ok(y)
    }

    fn gradient(&mut self, out: &mut [Batch<L::Scalar>]) -> Result<(), Error> {
        let Some(by_hand) = &self.by_hand.gradient else { return self.engine_gradient(out) };
        let tape = &self.value.tape;
        let found = by_hand(&self.like.rebuild_all(self.value.x.iter().map(|k| tape.var(*k).value())));
        crate::by_hand::take("the gradient written by hand", &found, out)
    }

    fn hessian(
        &mut self,
        at: &Where<'_, L::Scalar>,
        v: &[Batch<L::Scalar>],
        out: &mut [Batch<L::Scalar>],
    ) -> Result<(), Error> {
        let Some(by_hand) = &self.by_hand.hessian else { return self.engine_hessian(at, v, out) };
        let found = by_hand(&self.like.rebuild_all(at.x.iter().cloned()), &self.like.rebuild_all(v.iter().cloned()));
        crate::by_hand::take("the Hessian-vector product written by hand", &found, out)
    }

    fn gradient_of_hessian(&self) -> Option<&[Batch<L::Scalar>]> {
        match self.by_hand.gradient.is_some() && self.by_hand.hessian.is_none() {
            true => Some(&self.beside),
            false => None,
        }
    }

    fn has_residuals(&self) -> bool {
        self.form == Form::Residuals
    }

    fn gauss_newton(&mut self, v: &[Batch<L::Scalar>], out: &mut [Batch<L::Scalar>]) -> Result<(), Error> {
        let (Some(r), Form::Residuals) = (self.value.r, self.form) else {
            return Err(crate::least_squares::no_residuals("a Gauss-Newton product"));
        };
        let (tape, held) = (&self.value.tape, &self.value);
        let r = tape.var(r);
        if self.pushed.first().map(Batch::shape) != Some(r.shape()) {
            self.pushed = vec![Batch::zeros(r.shape())];
        }
        let x: smallvec::SmallVec<[_; 2]> = held.x.iter().map(|k| tape.var(*k)).collect();
        let seeds: smallvec::SmallVec<[(Var<'_, _>, &dyn pullback::MatLike<_>); 2]> =
            x.iter().zip(v).map(|(x, v)| (*x, v as &dyn pullback::MatLike<_>)).collect();
        let mut out: smallvec::SmallVec<[_; 2]> = out.iter_mut().collect();
        let pushed = &mut self.pushed[0];
        let found = tape.jvp_into(&seeds, &[r], &mut [&mut *pushed]);
        let found = found.and_then(|()| tape.vjp_into(&[(r, &*pushed)], &x, &mut out));
        found.map_err(|e| Error::from(e).naming(self.like))
    }

    fn bytes(&self) -> usize {
        self.value.tape.peak_bytes() + self.hessian.tape.peak_bytes() + self.plain.peak_bytes()
    }
}
