//! Pooled buffers, the kernels' workspace and the first failure of a tape. What the buffers mean is not known here.

use crate::Scalar;
use crate::{Error, error::Place};
use pullback_kernels::{Failure, Workspace};
use std::cell::{Cell, RefCell, RefMut};
use std::collections::BTreeMap;

/// A buffer of the pool, as long as the value in it.
pub(crate) type Buf<T> = Box<[T]>;

/// What a primitive reports: which member of the batch, or that it concerns all of them, and what was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Trouble {
    pub(crate) member: Option<usize>,
    pub(crate) failure: Failure,
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Trouble { member: Some(0), failure }
    }
}

/// How a basis is chosen that is not determined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    /// As the decomposition returns it.
    Found,
    /// Turned by a rotation that is not small, unless its policy is to project.
    Turned,
    /// Turned, whatever its policy.
    TurnedAll,
    /// Perturbed in its last digits.
    Rounded,
}

#[derive(Debug)]
pub(crate) struct Store<T> {
    /// Free buffers of fewer than `SMALL` entries, by length.
    small: RefCell<[Vec<Buf<T>>; SMALL]>,
    /// Free longer ones, by length.
    large: RefCell<BTreeMap<usize, Vec<Buf<T>>>>,
    pub(crate) work: RefCell<Workspace<T>>,
    /// For other threads that evaluate a part of an operation.
    others: RefCell<Vec<Store<T>>>,
    first: RefCell<Option<Error>>,
    failed: Cell<bool>,
    /// A tangent that does not exist, and matters only if something depends on it: its numbers are NaN, and this says
    /// why.
    missing: RefCell<Option<Error>>,
    /// For the question whether a program depends on it (`invariance.rs`).
    choice: Cell<Choice>,
    /// The largest gauge defect that was let pass with a warning.
    warned: Cell<f64>,
    /// Has anything ever failed, even if it was handled? If not, no value is poisoned and nobody need look.
    ever: Cell<bool>,
    /// May primitives work from buffer to buffer (`ops/direct.rs`)?
    shortcuts: Cell<bool>,
    /// The operation whose rule is running: its line, for failures inside rules.
    at: Cell<Option<Place>>,
    now: Cell<usize>,
    peak: Cell<usize>,
    /// Bytes of all buffers that were ever made here.
    made: Cell<usize>,
}

impl<T: Scalar> Store<T> {
    pub(crate) fn new() -> Self {
        Store {
            small: RefCell::new(std::array::from_fn(|_| Vec::new())),
            large: RefCell::default(),
            work: RefCell::default(),
            others: RefCell::default(),
            first: RefCell::default(),
            failed: Cell::new(false),
            missing: RefCell::default(),
            choice: Cell::new(Choice::Found),
            shortcuts: Cell::new(true),
            warned: Cell::new(0.0),
            ever: Cell::new(false),
            at: Cell::new(None),
            now: Cell::new(0),
            peak: Cell::new(0),
            made: Cell::new(0),
        }
    }

    /// Forgets what was set and found, and keeps the buffers.
    pub(crate) fn renew(&mut self) {
        self.forget();
        self.shortcuts.set(true);
        self.choice.set(Choice::Found);
        self.warned.set(0.0);
        self.ever.set(false);
        self.at.set(None);
        self.reset_peak();
    }

    /// Bytes of all buffers and of the workspace.
    pub(crate) fn held(&self) -> usize {
        let others: usize = self.others.borrow().iter().map(Store::held).sum();
        self.made.get() + self.work.borrow().bytes() + others
    }

    /// So many stores like this one, for parts of an operation that run at the same time.
    pub(crate) fn others(&self, count: usize) -> RefMut<'_, [Store<T>]> {
        let mut others = self.others.borrow_mut();
        while others.len() < count {
            others.push(Store::new());
        }
        for other in &others[..count] {
            other.shortcuts.set(self.shortcuts.get());
            other.choice.set(self.choice.get());
            other.at.set(self.at.get());
            other.warned.set(0.0);
            other.take_missing();
        }
        RefMut::map(others, |others| &mut others[..count])
    }

    /// Takes over what another store has noted of members of a batch, of which this is the number of the first.
    pub(crate) fn take_notes(&self, from: usize, other: &Store<T>) {
        self.warn(other.warned.replace(0.0));
        if let Some(mut e) = other.take_missing() {
            if let Error::Data { member, .. } = &mut e {
                *member = Some(from + member.unwrap_or(0));
            }
            self.lacks(e);
        }
    }

    /// A buffer of `len` entries, contents arbitrary.
    #[inline(always)]
    pub(crate) fn take(&self, len: usize) -> Buf<T> {
        let found = match len < SMALL {
            true => self.small.borrow_mut()[len].pop(),
            false => self.large.borrow_mut().get_mut(&len).and_then(Vec::pop),
        };
        let now = self.now.get() + size_of::<T>() * len;
        self.now.set(now);
        if now > self.peak.get() {
            self.peak.set(now);
        }
        found.unwrap_or_else(|| self.fresh(len))
    }

    #[cold]
    fn fresh(&self, len: usize) -> Buf<T> {
        self.made.set(self.made.get() + size_of::<T>() * len);
        vec![T::zero(); len].into_boxed_slice()
    }

    /// Gives a buffer back.
    #[inline(always)]
    pub(crate) fn put(&self, b: Buf<T>) {
        let len = b.len();
        self.now.set(self.now.get() - size_of::<T>() * len);
        match len < SMALL {
            true => self.small.borrow_mut()[len].push(b),
            false => self.large.borrow_mut().entry(len).or_default().push(b),
        }
    }

    /// Counts bytes that are not in buffers.
    #[inline(always)]
    pub(crate) fn count(&self, bytes: isize) {
        let now = self.now.get().wrapping_add_signed(bytes);
        self.now.set(now);
        if now > self.peak.get() {
            self.peak.set(now);
        }
    }

    /// Bytes in use, and the most there ever were since `reset_peak`.
    pub(crate) fn bytes(&self) -> (usize, usize) {
        (self.now.get(), self.peak.get())
    }

    pub(crate) fn reset_peak(&self) {
        self.peak.set(self.now.get());
    }

    #[inline]
    pub(crate) fn set_line(&self, place: Option<Place>) -> Option<Place> {
        self.at.replace(place)
    }

    /// Remembers a failure if it is the first.
    #[cold]
    #[track_caller]
    pub(crate) fn fail(&self, op: &'static str, batch: usize, derivative: bool, place: Option<Place>, t: Trouble) {
        let e = self.told(op, batch, derivative, place, t);
        match t.failure {
            Failure::TiedVectors { .. } => self.lacks(e),
            _ => self.remember(e),
        }
    }

    /// Remembers why a number that is NaN in a derivative does not exist: an error if a result depends on it.
    #[cold]
    #[track_caller]
    pub(crate) fn miss(&self, op: &'static str, batch: usize, t: Trouble) {
        self.lacks(self.told(op, batch, true, None, t));
    }

    fn lacks(&self, e: Error) {
        self.ever.set(true);
        self.missing.borrow_mut().get_or_insert(e);
    }

    /// The failure with its place.
    #[track_caller]
    fn told(&self, op: &'static str, batch: usize, derivative: bool, place: Option<Place>, t: Trouble) -> Error {
        let (primitive, line) = match place.or(self.at.get()) {
            Some(Place { line, said }) => (*said, line),
            None => (op, std::panic::Location::caller()),
        };
        let member = t.member.filter(|_| batch > 1);
        Error::Data { primitive, member, derivative, failure: t.failure, line }
    }

    /// Why a tangent that came out NaN does not exist, if that is known; then forgotten.
    #[inline]
    pub(crate) fn take_missing(&self) -> Option<Error> {
        if self.ever.get() { self.missing.borrow_mut().take() } else { None }
    }

    #[cold]
    pub(crate) fn remember(&self, e: Error) {
        self.failed.set(true);
        self.ever.set(true);
        self.first.borrow_mut().get_or_insert(e);
    }

    /// How bases are chosen.
    #[inline]
    pub(crate) fn choice(&self) -> Choice {
        self.choice.get()
    }

    /// Chooses bases otherwise from now on, and returns how they were chosen.
    pub(crate) fn choose(&self, choice: Choice) -> Choice {
        self.choice.replace(choice)
    }

    /// Notes a gauge defect.
    pub(crate) fn warn(&self, defect: f64) {
        self.warned.set(self.warned.get().max(defect));
    }

    /// The largest gauge defect so far.
    pub(crate) fn warned(&self) -> f64 {
        self.warned.get()
    }

    #[inline]
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.get()
    }

    #[inline]
    pub(crate) fn takes_shortcuts(&self) -> bool {
        self.shortcuts.get()
    }

    pub(crate) fn use_shortcuts(&self, on: bool) {
        self.shortcuts.set(on);
    }

    #[inline]
    pub(crate) fn has_ever_failed(&self) -> bool {
        self.ever.get()
    }

    /// The first failure, which is then forgotten.
    #[inline]
    pub(crate) fn take_failure(&self) -> Option<Error> {
        if !self.failed.replace(false) {
            return None;
        }
        let first = self.first.borrow_mut().take();
        if first.as_ref().is_some_and(may_follow) { self.take_missing().or(first) } else { first }
    }

    /// Forgets the first failure and any missing tangent: the numbers that they are about are computed anew, or are
    /// gone.
    #[inline]
    pub(crate) fn forget(&self) {
        if self.ever.get() {
            self.take_failure();
            self.take_missing();
        }
    }

    /// The first failure, kept.
    pub(crate) fn failure(&self) -> Option<Error> {
        let first = self.first.borrow().clone();
        if first.as_ref().is_some_and(may_follow) { self.missing.borrow().clone().or(first) } else { first }
    }
}

/// Can it be that a number is none because a tangent is missing?
fn may_follow(e: &Error) -> bool {
    matches!(e, Error::Data { derivative: true, failure: Failure::NonFinite { .. }, .. })
}

/// Lengths below this have a list of their own.
const SMALL: usize = 65;
