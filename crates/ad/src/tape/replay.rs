//! Replay: new numbers for inputs, and every recorded operation again.

use crate::batch::{Batch, MatLike};
use crate::diagnose::Found;
use crate::record::{Judged, Mark};
use crate::store::Buf;
use crate::{Error, Result, Scalar, Shape, Tape, Var};

/// # Replay
/// Record once, evaluate on new numbers.
impl<T: Scalar> Tape<T> {
    /// Gives an input (or constant) new numbers. Everything that depends on them is computed anew before it is next
    /// used: by
    /// [`Tape::replay`], or by whatever reads a value or asks for a derivative. So set all inputs first.
    ///
    /// # Panics
    /// If the shape differs, if `x` is the result of an operation, or if the tape does not record.
    #[track_caller]
    pub fn set(&self, x: Var<'_, T>, to: &(impl MatLike<T> + ?Sized)) {
        self.renumber("set", x, to.shape(), |buf| to.write(buf));
    }

    /// [`Tape::set`] without copying: the input takes the numbers of the batch, and the batch those that the input had.
    /// For large inputs that are computed anew each time, such as the parameters of a network.
    ///
    /// ```
    /// use pullback::prelude::*;
    /// let tape = Tape::new();
    /// let x = tape.input(&2.0_f64);
    /// let y = x * x;
    /// let mut next = Batch::of(&3.0);
    /// tape.swap(x, &mut next);
    /// tape.replay()?;
    /// assert_eq!((y.scalar(), next.data()), (9.0, &[2.0][..]));
    /// # Ok::<(), pullback::Error>(())
    /// ```
    ///
    /// # Panics
    /// As [`Tape::set`].
    #[track_caller]
    pub fn swap(&self, x: Var<'_, T>, with: &mut Batch<T>) {
        self.renumber("swap", x, with.shape(), |buf| with.exchange(buf));
    }

    /// Lets `write` give an input new numbers, of shape `new`.
    #[track_caller]
    fn renumber(&self, method: &'static str, x: Var<'_, T>, new: Shape, write: impl FnOnce(&mut Buf<T>)) {
        assert!(
            self.whole,
            "{method}: expected a tape that records (`Tape::new()`), got one that only evaluates, whose results cannot follow"
        );
        let inner = &mut *self.inner.borrow_mut();
        inner.check(self, &x, method);
        let val = &mut inner.vals[x.id as usize];
        assert!(
            !val.made,
            "{method}: expected an input or a constant, got the result of an operation, which replay would overwrite"
        );
        let old = val.shape;
        assert!(
            old == new,
            "{method}: expected the shape of the input, {old}, got {new}; record a new tape for another shape"
        );
        write(&mut val.buf);
        val.poisoned = false;
        self.stale.set(true);
        // What was found holds at every value of the targets; for other values it is asked again.
        let answered = &mut *self.answered.borrow_mut();
        if !answered.is_empty() {
            answered.retain(|asked| asked.x.contains(&x.id));
        }
        for judged in inner.judged.iter().filter(|j| !j.targets.contains(&x.id)) {
            judged.independent.set(false);
        }
    }

    /// Computes every recorded operation again on the numbers given by [`Tape::set`] or
    /// [`Tape::swap`]: pivots, degrees and verdicts
    /// are found anew. Allocates nothing.
    ///
    /// # Errors
    /// [`Error::NotReplayable`] if the program read a value and went on; the first failure, if data is bad now.
    pub fn replay(&self) -> Result<()> {
        self.replayable()?;
        {
            let inner = &mut *self.inner.borrow_mut();
            T::replay(&mut inner.vals, &inner.ops, &self.store);
        }
        self.judge_replay()
    }

    /// The verdict on a replay: of the operations, and of the recorded gradients that passed a choice of basis.
    #[inline]
    fn judge_replay(&self) -> Result<()> {
        self.verdict()?;
        if self.inner.borrow().judged.is_empty() { Ok(()) } else { self.judge_recorded() }
    }

    /// Do the recorded gradients depend on a choice of basis, as the numbers are now?
    #[cold]
    fn judge_recorded(&self) -> Result<()> {
        let inner = self.inner.borrow();
        let everywhere = inner.has_complements_only();
        let asked = inner.judged.iter().filter(|j| !(everywhere && j.independent.get()));
        let judge = |j: &Judged| {
            let found = inner.depends_on_a_choice(&self.store, j);
            j.independent.set(everywhere && found.is_none());
            found
        };
        match asked.map(judge).find_map(|found| found) {
            Some(e) => {
                self.store.remember(e.clone());
                Err(e)
            }
            None => Ok(()),
        }
    }

    /// Replays if an input was set since the last time.
    pub(crate) fn refresh(&self) -> Result<()> {
        if self.stale.get() { self.replay() } else { Ok(()) }
    }

    /// Replays and gives the time of every operation.
    pub(crate) fn replay_timed(&self) -> Result<Vec<std::time::Duration>> {
        self.replayable()?;
        let mut times = vec![];
        {
            let inner = &mut *self.inner.borrow_mut();
            for rec in &inner.ops {
                let start = std::time::Instant::now();
                T::replay(&mut inner.vals, std::slice::from_ref(rec), &self.store);
                times.push(start.elapsed());
            }
        }
        self.judge_replay()?;
        Ok(times)
    }

    /// Prepares a replay.
    fn replayable(&self) -> Result<()> {
        if !self.whole {
            return Err(Error::NotRecording);
        }
        if let Some(line) = self.inner.borrow().branched {
            return Err(Error::NotReplayable { line });
        }
        self.store.forget();
        self.stale.set(false);
        Ok(())
    }

    /// Runs through the recorded operations and names the first that made NaN or infinity from finite inputs.
    ///
    /// # Errors
    /// [`Error::Overflow`] with the operation and its line, or the failure that poisoned a value.
    pub fn check_finite(&self) -> Result<()> {
        self.ready()?;
        match crate::diagnose::overflow(&self.inner.borrow()) {
            Some(Found { primitive, index, value, line }) => Err(Error::Overflow { primitive, index, value, line }),
            None => Ok(()),
        }
    }

    /// Has a gradient been recorded since `mark` that is judged anew at replay?
    pub(crate) fn judges_since(&self, mark: Mark) -> bool {
        self.inner.borrow().judged.iter().any(|j| j.ops.end > mark.ops)
    }

    /// Keeps what is to be judged anew at replay.
    pub(crate) fn keep_judged(&self, judged: Judged) {
        if self.whole {
            self.inner.borrow_mut().judged.push(judged);
        }
    }
}
