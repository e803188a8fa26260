//! Tapes that the drivers borrow: each thread keeps a few with their buffers, so that a gradient in a loop does not ask
//! the system for its memory again each time. What is computed on them is not known here.

use crate::{Scalar, Tape};
use std::any::Any;
use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

/// As many tapes as solvers inside solvers need.
const KEPT_TAPES: usize = 8;
/// What all kept tapes of a thread may hold.
const KEPT_BYTES: usize = 256 << 20;

/// A tape that waits, and the bytes that it holds.
type Kept = (usize, Box<dyn Any>);

thread_local! {
    /// Tapes of all scalars.
    static SHELF: RefCell<Vec<Kept>> = const { RefCell::new(Vec::new()) };
}

/// Gives back the memory that the drivers ([`grad`](crate::grad), [`vjp`](crate::vjp), ..), and others who borrow
/// tapes ([`Lent`]), keep on this thread for their next call.
///
/// A thread keeps at most eight tapes, with the buffers of the programs that ran on them and at most 256 MiB together;
/// they go when the thread ends. Results never depend on it.
///
/// ```
/// use pullback::{prelude::*, release_buffers};
/// let g = grad(|x: Var| x.square().sum(), &faer::Mat::<f64>::identity(300, 300))?;
/// release_buffers();
/// # let _ = g;
/// # Ok::<(), pullback::Error>(())
/// ```
pub fn release_buffers() {
    SHELF.with_borrow_mut(Vec::clear);
}

/// A tape that is borrowed from those that its thread keeps, and goes back when it is dropped: cleared, with its
/// buffers. It is a [`Tape`] in every other respect.
///
/// For code that is called again and again and cannot keep a tape itself, as the drivers are: the first call asks the
/// system for memory, the others find it.
///
/// ```
/// use pullback::{Lent, prelude::*};
/// fn trace_of_square(a: &faer::Mat<f64>) -> f64 {
///     let tape = Lent::plain();
///     let a = tape.constant(a);
///     (a * a).trace().scalar()
/// }
/// assert_eq!(trace_of_square(&faer::mat![[2.0, 1.0], [1.0, 3.0]]), 15.0);
/// ```
#[derive(Debug)]
pub struct Lent<T: Scalar = f64>(Option<Box<Tape<T>>>);

impl<T: Scalar> Lent<T> {
    /// As [`Tape::new`].
    pub fn recording() -> Self {
        Self::with(true, false)
    }

    /// As [`Tape::plain`].
    pub fn plain() -> Self {
        Self::with(false, false)
    }

    /// As [`Tape::forward`].
    pub fn forward() -> Self {
        Self::with(false, true)
    }

    fn with(records: bool, tangents: bool) -> Self {
        let kept = SHELF.try_with(|shelf| {
            let shelf = &mut *shelf.try_borrow_mut().ok()?;
            let i = shelf.iter().rposition(|(_, tape)| tape.is::<Tape<T>>())?;
            shelf.remove(i).1.downcast().ok()
        });
        let mut tape: Box<Tape<T>> = kept.ok().flatten().unwrap_or_default();
        tape.renew(records, tangents);
        Lent(Some(tape))
    }
}

impl<T: Scalar> Drop for Lent<T> {
    fn drop(&mut self) {
        // What a panic in a program left behind is not worth keeping.
        let Some(mut tape) = self.0.take().filter(|_| !std::thread::panicking()) else { return };
        tape.clear();
        let bytes = tape.held_bytes();
        // At the end of a thread there is no shelf any more.
        let _ = SHELF.try_with(|shelf| {
            let Ok(mut shelf) = shelf.try_borrow_mut() else { return };
            let all = bytes + shelf.iter().map(|(bytes, _)| bytes).sum::<usize>();
            if shelf.len() < KEPT_TAPES && all <= KEPT_BYTES {
                shelf.push((bytes, tape));
            }
        });
    }
}

impl<T: Scalar> Deref for Lent<T> {
    type Target = Tape<T>;

    #[inline]
    fn deref(&self) -> &Tape<T> {
        self.0.as_ref().expect("lent until it is dropped")
    }
}

impl<T: Scalar> DerefMut for Lent<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Tape<T> {
        self.0.as_mut().expect("lent until it is dropped")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Batch;

    fn kept() -> usize {
        SHELF.with_borrow(Vec::len)
    }

    #[test]
    fn a_tape_comes_back_as_new() {
        release_buffers();
        {
            let tape = Lent::<f64>::recording();
            let x = tape.input(&Batch::from_fn(crate::Shape::mat(30, 30), |_, i, j| (i + 2 * j) as f64));
            let _ = (x * x).ln();
            tape.use_shortcuts(false);
            assert!(tape.check().is_err() || tape.bytes() > 0);
        }
        assert_eq!(kept(), 1);
        let tape = Lent::<f64>::forward();
        assert_eq!(kept(), 0);
        assert!(tape.held_bytes() >= 2 * 8 * 900, "with its buffers");
        assert!(!tape.records() && tape.carries_tangents() && tape.store.takes_shortcuts());
        assert_eq!((tape.operations(), tape.bytes(), tape.gauge_defect()), (0, 0, 0.0));
        assert!(tape.check().is_ok());
    }

    #[test]
    fn few_are_kept_and_none_that_is_large_or_saw_a_panic() {
        release_buffers();
        drop((0..KEPT_TAPES + 3).map(|_| Lent::<f32>::plain()).collect::<Vec<_>>());
        assert_eq!(kept(), KEPT_TAPES);
        release_buffers();
        assert_eq!(kept(), 0);
        let half = || Lent::<f32>::plain().filled(crate::Shape::mat(KEPT_BYTES / 8 + 1, 1), 0.0).shape();
        half();
        assert_eq!(kept(), 1);
        // A second one at the same time would be too much.
        let (first, second) = (Lent::<f32>::plain(), Lent::<f32>::plain());
        let _ = second.filled(crate::Shape::mat(KEPT_BYTES / 8 + 1, 1), 0.0);
        drop((first, second));
        assert_eq!(kept(), 1);
        release_buffers();
        let panicked = std::panic::catch_unwind(|| {
            let _lent = Lent::<f64>::plain();
            panic!("in a program");
        });
        assert!(panicked.is_err());
        assert_eq!(kept(), 0);
    }

    #[test]
    fn scalars_do_not_mix() {
        release_buffers();
        drop((Lent::<f32>::plain(), Lent::<f64>::recording()));
        let (a, b) = (Lent::<f64>::plain(), Lent::<f32>::plain());
        assert_eq!(
            (a.filled(crate::Shape::SCALAR, 0.5).scalar(), b.filled(crate::Shape::SCALAR, 0.5).scalar()),
            (0.5, 0.5)
        );
        assert_eq!(kept(), 0);
    }
}
