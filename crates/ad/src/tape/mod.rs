//! The tape: making values and reading them. Replay is in `replay.rs`, freeing in `freeing.rs`, the names
//! of methods in messages in `names.rs`; rules and sweeps live elsewhere.

mod freeing;
mod names;
mod replay;

use crate::batch::{Batch, MatLike};
use crate::checkpoint::owned;
use crate::error::{Line, Place};
use crate::invariance::Asked;
use crate::ops::Op;
use crate::record::{Inner, Mark, OpRec};
use crate::scratch::Scratch;
use crate::store::{Buf, Store};
use crate::val::{Val, push_val};
use crate::{Error, Result, Scalar, Shape, Var};
use names::misfit;
use smallvec::SmallVec;
use std::cell::{Cell, Ref, RefCell};
use std::panic::Location;

/// Records matrix programs and sweeps over them.
///
/// A tape has two switches. It *records* or not: [`Tape::new`] does, [`Tape::plain`] does not. Its values *carry
/// tangents* or not: [`Tape::forward`] neither records nor forgets them, so derivatives along one direction travel with
/// the values at constant memory. The same program runs on each.
///
/// Buffers are pooled and kept: [`replay`](Tape::replay) of a recorded program allocates nothing. A tape is `Send` and
/// not `Sync`: one to a worker.
///
/// ```
/// use pullback::prelude::*;
/// let tape = Tape::new();
/// let x = tape.input(&faer::mat![[2.0, 1.0], [1.0, 3.0]]);
/// let y = (x * x).trace();
/// assert_eq!(tape.gradient(y, x)?.into_mat(), faer::mat![[4.0, 2.0], [2.0, 6.0]]);
/// # Ok::<(), pullback::Error>(())
/// ```
#[derive(Debug)]
pub struct Tape<T: Scalar = f64> {
    pub(crate) store: Store<T>,
    pub(crate) inner: RefCell<Inner<T>>,
    pub(crate) records: Cell<bool>,
    pub(crate) tangents: Cell<bool>,
    /// Has it recorded everything from the start? (A gradient inside a program records for a while on any tape.)
    whole: bool,
    /// Has an input got new numbers that the results do not follow yet?
    stale: Cell<bool>,
    /// Of which numbers it has been found that they do not depend on a choice of basis.
    pub(crate) answered: RefCell<Vec<Asked>>,
    /// Lent to the sweep that runs.
    pub(crate) scratch: RefCell<Option<Box<Scratch<T>>>>,
    /// The line that operations made inside a rule are attributed to.
    pub(crate) rule_line: Cell<Option<Place>>,
    /// The method that the user called, while it makes several operations.
    said: Cell<Option<&'static &'static str>>,
}

impl<T: Scalar> Default for Tape<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Scalar> Tape<T> {
    /// A tape that records: for gradients, replay, Hessian operators.
    pub fn new() -> Self {
        Self::with(true, false)
    }

    /// A tape that only evaluates.
    pub fn plain() -> Self {
        Self::with(false, false)
    }

    /// A tape that evaluates and carries the tangents given by [`Tape::input_along`].
    pub fn forward() -> Self {
        Self::with(false, true)
    }

    pub(crate) fn with(records: bool, tangents: bool) -> Self {
        Tape {
            store: Store::new(),
            inner: RefCell::default(),
            records: Cell::new(records),
            tangents: Cell::new(tangents),
            whole: records,
            stale: Cell::new(false),
            answered: RefCell::default(),
            scratch: RefCell::default(),
            rule_line: Cell::new(None),
            said: Cell::new(None),
        }
    }

    /// A cleared tape with switches as given, as if it were new, and its buffers.
    pub(crate) fn renew(&mut self, records: bool, tangents: bool) {
        self.clear();
        self.store.renew();
        (self.records, self.tangents, self.whole) = (Cell::new(records), Cell::new(tangents), records);
        self.said.set(None);
    }

    /// Bytes of all buffers, those that wait for use included, of the records and of the kernels' workspace.
    pub(crate) fn held_bytes(&self) -> usize {
        let inner = self.inner.borrow();
        let records = size_of::<OpRec<T>>() * inner.ops.capacity() + size_of::<Val<T>>() * inner.vals.capacity();
        self.store.held() + records
    }

    /// Does it record?
    pub fn records(&self) -> bool {
        self.records.get()
    }

    /// Do its values carry tangents?
    pub fn carries_tangents(&self) -> bool {
        self.tangents.get()
    }

    /// The largest part of a cotangent, relative to the whole, that lay along a choice of gauge and was dropped under
    /// [`Gauge::Warn`](crate::Gauge::Warn); 0 if none was.
    #[must_use]
    pub fn gauge_defect(&self) -> f64 {
        self.store.warned()
    }

    /// May the engine take its shortcuts, which is the default? Around small values, some primitives have their rules a
    /// second time as loops from buffer to buffer. They give the same derivatives to rounding; switch them off to see
    /// whether a wrong number comes from one of them.
    pub fn use_shortcuts(&self, on: bool) {
        self.store.use_shortcuts(on);
    }

    /// Forgets all values and operations and keeps the buffers.
    pub fn clear(&mut self) {
        self.truncate(Mark::START);
        self.rule_line.set(None);
        self.store.forget();
        self.stale.set(false);
        self.answered.get_mut().clear();
        let inner = self.inner.get_mut();
        (inner.read, inner.branched) = (None, None);
    }

    // ---- making values ---------------------------------------------------------------------------------------

    /// An input: a matrix, a [`Batch`] or a number. A literal needs a type, as in `tape.input(&2.0_f64)`, or the tape
    /// does, as in `Tape::<f64>::new()`: otherwise the compiler cannot tell yet what `x * x` is when a method of it is
    /// called.
    #[doc(alias("tensor", "requires_grad"))]
    #[track_caller]
    pub fn input(&self, x: &(impl MatLike<T> + ?Sized)) -> Var<'_, T> {
        self.leaf(x, None)
    }

    /// A constant. (What tells an input from a constant is only who asks for its derivative.)
    #[track_caller]
    pub fn constant(&self, x: &(impl MatLike<T> + ?Sized)) -> Var<'_, T> {
        self.leaf(x, None)
    }

    /// An input with a direction, for a tape that carries tangents.
    ///
    /// # Panics
    /// If the shapes differ or the tape carries no tangents.
    #[track_caller]
    pub fn input_along(&self, x: &(impl MatLike<T> + ?Sized), v: &(impl MatLike<T> + ?Sized)) -> Var<'_, T> {
        assert!(
            self.tangents.get(),
            "input_along: expected a tape that carries tangents (`Tape::forward()`), got one that does not"
        );
        let (s, d) = (x.shape(), v.shape());
        assert!(s == d, "input_along: expected a direction of shape {s}, as the input has, got {d}");
        let mut t = self.store.take(x.shape().len());
        v.write(&mut t);
        self.leaf(x, Some(t))
    }

    /// A constant filled with one number.
    #[doc(alias("full", "ones", "zeros"))]
    pub fn filled(&self, shape: Shape, x: T) -> Var<'_, T> {
        let mut buf = self.store.take(shape.len());
        buf.fill(x);
        self.place(shape, buf, None)
    }

    /// A batch of identity matrices of order `n`.
    #[doc(alias = "identity")]
    pub fn eye(&self, n: usize) -> Var<'_, T> {
        let mut buf = self.store.take(n * n);
        buf.fill(T::zero());
        (0..n).for_each(|i| buf[i * n + i] = T::one());
        self.place(Shape::mat(n, n), buf, None)
    }

    #[track_caller]
    fn leaf(&self, x: &(impl MatLike<T> + ?Sized), tan: Option<Buf<T>>) -> Var<'_, T> {
        self.leaf_at(Location::caller(), x, tan)
    }

    /// An input or constant that is attributed to a line.
    pub(crate) fn leaf_at(&self, line: Line, x: &(impl MatLike<T> + ?Sized), tan: Option<Buf<T>>) -> Var<'_, T> {
        let shape = x.shape();
        let mut buf = self.store.take(shape.len());
        x.write(&mut buf);
        let leaf = self.place(shape, buf, tan);
        self.inner.borrow_mut().leaves.push((leaf.id, line));
        leaf
    }

    pub(crate) fn place(&self, shape: Shape, buf: Buf<T>, tan: Option<Buf<T>>) -> Var<'_, T> {
        let inner = &mut *self.inner.borrow_mut();
        let id = inner.vals.len() as u32;
        self.store.count(Mark { vals: 1, ops: 0 }.bytes::<T>());
        push_val(&mut inner.vals, shape, buf, inner.generation).tan = tan;
        Var { tape: self, id, generation: inner.generation }
    }

    /// Runs an operation, records it if the tape does, and returns its first output.
    #[track_caller]
    #[inline]
    pub(crate) fn push(&self, op: Op<T>, x: &[&Var<'_, T>]) -> u32 {
        // `unwrap_or_else(Location::caller)` would name a line of the standard library.
        let line = match self.rule_line.get() {
            Some(place) => place,
            None => Place { line: Location::caller(), said: self.said.get().unwrap_or(op.method()) },
        };
        let inner = &mut *self.inner.borrow_mut();
        let mut shapes: SmallVec<[Shape; 4]> = SmallVec::new();
        let mut inputs: SmallVec<[u32; 4]> = SmallVec::new();
        for v in x {
            inner.check(self, v, line.said);
            shapes.push(inner.vals[v.id as usize].shape);
            inputs.push(v.id);
        }
        // Looked at where it lies: a list that was just written is slow to move.
        let inferred = T::infer(&op, &shapes);
        let outs = match &inferred {
            Ok(outs) => outs,
            Err(m) => misfit(line.said, &op, &shapes, m),
        };
        let first = inner.vals.len();
        self.store.count(Mark { vals: outs.len(), ops: usize::from(self.records.get()) }.bytes::<T>());
        for &shape in outs {
            let buf = self.store.take(shape.len());
            push_val(&mut inner.vals, shape, buf, inner.generation).made = true;
        }
        let rec = OpRec { op, inputs, first: first as u32, outs: outs.len() as u32, line };
        if let Err(t) = T::evaluate(&mut inner.vals, &rec, &self.store) {
            // In a rule of the user's own, the method that it called says more than that it is one.
            let said = if *line.said == "custom" { rec.op.method() } else { line.said };
            let place = Place { said, ..line };
            self.store.fail(rec.op.name(), outs[0].batch, self.rule_line.get().is_some(), Some(place), t);
        }
        if self.tangents.get() {
            T::push_tangents(&mut inner.vals, &rec, &self.store);
        }
        if self.records.get() {
            if let Some(line) = inner.read
                && self.rule_line.get().is_none()
            {
                inner.branched.get_or_insert(line);
            }
            inner.gauges += usize::from(rec.op.gauge().is_some());
            inner.selects += usize::from(rec.op.selects());
            if matches!(rec.op, Op::Checkpoint(_)) {
                self.store.count(owned(std::slice::from_ref(&rec)) as isize);
            }
            inner.ops.push(rec);
        }
        first as u32
    }

    #[track_caller]
    pub(crate) fn push_one(&self, op: Op<T>, x: &[&Var<'_, T>]) -> Var<'_, T> {
        let id = self.push(op, x);
        self.handle(id)
    }

    pub(crate) fn handle(&self, id: u32) -> Var<'_, T> {
        Var { tape: self, id, generation: self.inner.borrow().vals[id as usize].generation }
    }

    // ---- reading values ----------------------------------------------------------------------------------------

    #[track_caller]
    pub(crate) fn shape_of(&self, v: &Var<'_, T>) -> Shape {
        let inner = self.inner.borrow();
        inner.check(self, v, "shape");
        inner.vals[v.id as usize].shape
    }

    /// Looks at the numbers; remembers the line, since a program that goes on after this may have branched.
    ///
    /// Results that cannot follow the inputs any more read NaN, as what failed does.
    #[track_caller]
    pub(crate) fn read<R>(&self, v: &Var<'_, T>, look: impl FnOnce(Shape, &[T]) -> R) -> R {
        self.note_read();
        let _ = self.refresh();
        self.peek(v, look)
    }

    /// Remembers the caller's line as one that looked at numbers: what is recorded from now on may depend on them.
    #[track_caller]
    pub(crate) fn note_read(&self) {
        if self.records.get() {
            self.inner.borrow_mut().read = Some(Location::caller());
        }
    }

    /// Looks at the numbers without any trace.
    #[track_caller]
    pub(crate) fn peek<R>(&self, v: &Var<'_, T>, look: impl FnOnce(Shape, &[T]) -> R) -> R {
        let inner = self.inner.borrow();
        inner.check(self, v, "value");
        let val = &inner.vals[v.id as usize];
        match self.stale.get() && val.made {
            false => look(val.shape, &val.buf),
            true => look(val.shape, &vec![T::nan(); val.buf.len()]),
        }
    }

    #[track_caller]
    pub(crate) fn tangent_of(&self, v: &Var<'_, T>) -> Batch<T> {
        let inner = self.inner.borrow();
        inner.check(self, v, "tangent");
        let val = &inner.vals[v.id as usize];
        match &val.tan {
            Some(t) => Batch::from_slice(val.shape, t),
            None => Batch::zeros(val.shape),
        }
    }

    /// [`Tape::tangent_of`] into a batch of the value's shape.
    pub(crate) fn tangent_into(&self, v: &Var<'_, T>, out: &mut Batch<T>) {
        let inner = self.inner.borrow();
        inner.check(self, v, "tangent");
        match &inner.vals[v.id as usize].tan {
            Some(t) => out.data_mut().copy_from_slice(t),
            None => out.data_mut().fill(T::zero()),
        }
    }

    /// Asks in mid-program: has anything failed so far?
    ///
    /// # Errors
    /// The first failure of the tape, which stays remembered. After [`Tape::set`], as [`Tape::replay`].
    pub fn check(&self) -> Result<()> {
        self.refresh()?;
        self.verdict()
    }

    /// What has failed so far.
    #[inline]
    pub(crate) fn verdict(&self) -> Result<()> {
        if self.store.has_failed() { self.first_failure() } else { Ok(()) }
    }

    #[cold]
    fn first_failure(&self) -> Result<()> {
        self.store.failure().map_or(Ok(()), Err)
    }

    /// For whoever is about to differentiate what this tape has recorded: is everything there, and up to date?
    #[inline]
    pub(crate) fn ready(&self) -> Result<()> {
        self.whole()?;
        self.check()
    }

    /// Are all operations kept?
    #[inline]
    pub(crate) fn whole(&self) -> Result<()> {
        if self.whole { Ok(()) } else { Err(Error::NotRecording) }
    }

    /// Bytes in use now: of the values, of temporaries, and of the records of values, operations and checkpoints. Free
    /// buffers that are kept for the next use are not counted, and neither is what a custom primitive or a linear map
    /// owns.
    pub fn bytes(&self) -> usize {
        self.store.bytes().0
    }

    /// The most bytes ever in use since the tape was made or [`Tape::reset_peak`].
    pub fn peak_bytes(&self) -> usize {
        self.store.bytes().1
    }

    /// Starts a new measurement of [`Tape::peak_bytes`].
    pub fn reset_peak(&self) {
        self.store.reset_peak();
    }

    /// Number of recorded operations.
    pub fn operations(&self) -> usize {
        self.inner.borrow().ops.len()
    }

    /// The verdict of an attempt that made `y`; a failure is forgotten if the tape was clean before.
    #[track_caller]
    pub(crate) fn verdict_of_attempt(&self, clean: bool, y: Var<'_, T>) -> Result<()> {
        self.note_read();
        match self.is_poisoned(&y) {
            false => Ok(()),
            true if clean => self.store.take_failure().map_or(Ok(()), Err),
            true => self.verdict(),
        }
    }

    pub(crate) fn inner(&self) -> Ref<'_, Inner<T>> {
        self.inner.borrow()
    }

    /// Marks a value as one that has no numbers, because what made it failed.
    pub(crate) fn poison(&self, v: &Var<'_, T>) {
        self.inner.borrow_mut().vals[v.id as usize].poisoned = true;
    }

    #[track_caller]
    pub(crate) fn is_poisoned(&self, v: &Var<'_, T>) -> bool {
        let inner = self.inner.borrow();
        inner.check(self, v, "is_poisoned");
        inner.vals[v.id as usize].poisoned
    }
}

impl<T: Scalar> Inner<T> {
    /// Is the handle of this tape and still alive?
    #[track_caller]
    #[inline]
    pub(crate) fn check(&self, tape: &Tape<T>, v: &Var<'_, T>, op: &'static str) {
        if !std::ptr::eq(tape, v.tape) {
            panic!("{op}: the value belongs to another tape");
        }
        match self.vals.get(v.id as usize) {
            Some(val) if val.generation == v.generation => {}
            _ => {
                panic!("{op}: the value was freed when its step or scope ended; return it from the step, or `keep` it")
            }
        }
    }
}
