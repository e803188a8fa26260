//! Pooled buffers, the kernels' workspace and the first failure of a tape. What the buffers mean is not known here.

use crate::Scalar;
use crate::{Error, error::Line};
use pullback_kernels::{Failure, Workspace};
use std::cell::{Cell, RefCell};

/// A buffer of the pool. Its length is its size class, at least as long as the value in it.
pub(crate) type Buf<T> = Box<[T]>;

/// What a primitive reports: which member of the batch, and what was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Trouble {
    pub(crate) member: usize,
    pub(crate) failure: Failure,
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Trouble { member: 0, failure }
    }
}

#[derive(Debug)]
pub(crate) struct Store<T> {
    free: RefCell<Vec<Vec<Buf<T>>>>,
    pub(crate) work: RefCell<Workspace<T>>,
    first: RefCell<Option<Error>>,
    failed: Cell<bool>,
    /// The operation whose rule is running: its line, for failures inside rules.
    at: Cell<Option<Line>>,
    now: Cell<usize>,
    peak: Cell<usize>,
}

impl<T: Scalar> Store<T> {
    pub(crate) fn new() -> Self {
        Store {
            free: RefCell::default(),
            work: RefCell::default(),
            first: RefCell::default(),
            failed: Cell::new(false),
            at: Cell::new(None),
            now: Cell::new(0),
            peak: Cell::new(0),
        }
    }

    /// A buffer of at least `len` entries, contents arbitrary.
    #[inline]
    pub(crate) fn take(&self, len: usize) -> Buf<T> {
        let class = class_of(len);
        let found = self.free.borrow_mut().get_mut(class).and_then(Vec::pop);
        let b = found.unwrap_or_else(|| vec![T::zero(); capacity(class)].into_boxed_slice());
        let now = self.now.get() + size_of::<T>() * b.len();
        self.now.set(now);
        if now > self.peak.get() {
            self.peak.set(now);
        }
        b
    }

    /// Gives a buffer back.
    #[inline]
    pub(crate) fn put(&self, b: Buf<T>) {
        self.now.set(self.now.get() - size_of::<T>() * b.len());
        let class = class_of(b.len());
        let mut free = self.free.borrow_mut();
        if free.len() <= class {
            free.resize_with(class + 1, Vec::new);
        }
        free[class].push(b);
    }

    /// Bytes in use, and the most there ever were since `reset_peak`.
    pub(crate) fn bytes(&self) -> (usize, usize) {
        (self.now.get(), self.peak.get())
    }

    pub(crate) fn reset_peak(&self) {
        self.peak.set(self.now.get());
    }

    #[inline]
    pub(crate) fn set_line(&self, line: Option<Line>) {
        self.at.set(line);
    }

    /// Remembers a failure if it is the first.
    #[cold]
    #[track_caller]
    pub(crate) fn fail(&self, primitive: &'static str, batch: usize, derivative: bool, line: Option<Line>, t: Trouble) {
        let line = line.or(self.at.get()).unwrap_or_else(|| std::panic::Location::caller());
        let member = (batch > 1).then_some(t.member);
        self.remember(Error::Data { primitive, member, derivative, failure: t.failure, line });
    }

    pub(crate) fn remember(&self, e: Error) {
        self.failed.set(true);
        self.first.borrow_mut().get_or_insert(e);
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failed.get()
    }

    /// The first failure, which is then forgotten.
    pub(crate) fn take_failure(&self) -> Option<Error> {
        if !self.failed.replace(false) {
            return None;
        }
        self.first.borrow_mut().take()
    }

    /// The first failure, kept.
    pub(crate) fn failure(&self) -> Option<Error> {
        self.first.borrow().clone()
    }
}

/// Size classes: 8, then four to an octave, so that at most a quarter of a buffer is idle.
#[inline]
fn class_of(len: usize) -> usize {
    if len <= 8 {
        return 0;
    }
    let x = len - 1;
    let e = x.ilog2() as usize;
    4 * (e - 3) + ((x >> (e - 2)) & 3) + 1
}

fn capacity(class: usize) -> usize {
    if class == 0 {
        return 8;
    }
    let (e, f) = ((class - 1) / 4 + 3, (class - 1) % 4);
    (5 + f) << (e - 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_hold_what_they_promise_and_waste_at_most_a_quarter() {
        for len in 0..5000 {
            let c = capacity(class_of(len));
            assert!(c >= len && class_of(c) == class_of(len), "len {len}");
            assert!(len <= 8 || c * 4 <= len * 5 + 3, "len {len} in {c}");
        }
    }
}
