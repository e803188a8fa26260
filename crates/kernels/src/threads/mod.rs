//! Threads that a program asks for. How work is cut into parts, and when it is worth it, is in `parts.rs`; how the
//! threads stay awake between two pieces of work is in `awake.rs`; what the parts of some work are is said where it is
//! computed.
//!
//! Parts never share a sum: every number is computed by one thread, by the operations that one thread alone would have
//! used. Members of a batch, entries of a matrix and programs of their own therefore have the same bits on any number
//! of threads.

mod awake;
mod parts;

pub use parts::{Size, parts, piece, share};
pub(crate) use parts::{alone, by_entries, by_entries_of_two};

use crate::wide_registers::clear_wide_registers;
use awake::{Awake, Finished};
use rayon_core::ThreadPoolBuilder;
use std::cell::{Cell, RefCell};
use std::sync::{Arc, Mutex, PoisonError};

/// A number of threads for large products and factorisations, for the members of a batch, and for programs that do not
/// depend on one another. Without it everything runs on the thread that calls.
///
/// [`run`](Self::run) is for one program with large matrices or batches; [`map`](Self::map) is for many programs, each
/// with tapes of its own, and gains more where both can be had: it shares everything, while an operation of a program
/// is shared only where that is worth its price. What runs as a part is not shared once more, unless it asks for that
/// itself. Between two pieces of work the threads stay awake for some 200 microseconds, and use their cores meanwhile;
/// after that they sleep.
///
/// The members of a batch and the programs of a map give the same bits on any number of threads. A large product, solve
/// or factorisation (QR, LU, Cholesky) is cut by rows or columns and may round otherwise than on one thread.
///
/// ```
/// # use pullback_kernels::Threads;
/// let threads = Threads::new(2)?;
/// let squares = threads.map(0..5, |k| k * k);        // say, a solver from each of many starting points
/// assert_eq!(squares, [0, 1, 4, 9, 16]);
/// let sum = threads.run(|| squares.iter().sum::<i32>());   // say, a gradient over a batch of large matrices
/// assert_eq!(sum, 30);
/// # Ok::<(), pullback_kernels::ThreadsError>(())
/// ```
#[derive(Clone)]
pub struct Threads {
    count: usize,
    always: bool,
    /// The others: the thread that calls takes its part.
    others: Option<Arc<Awake>>,
}

impl core::fmt::Debug for Threads {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Threads").field("count", &self.count).finish_non_exhaustive()
    }
}

/// Why there are no such threads.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ThreadsError {
    /// The number is none that could be meant.
    #[error(
        "expected 1 to {} threads, got {got}; `std::thread::available_parallelism` says how many run at once",
        Threads::MOST
    )]
    Count {
        /// What was asked for.
        got: usize,
    },
    /// The system refuses to start them.
    #[error("the system did not start {count} threads: {why}")]
    System {
        /// What was asked for.
        count: usize,
        /// In the system's words.
        why: String,
    },
}

impl Threads {
    /// The most that can be asked for.
    pub const MOST: usize = 1024;

    /// Starts `count` threads less one, which sleep until there is work: the thread that calls takes part.
    ///
    /// # Errors
    /// [`ThreadsError`] for 0, for more than [`MOST`](Self::MOST), and where the system has no more.
    pub fn new(count: usize) -> Result<Self, ThreadsError> {
        if !(1..=Self::MOST).contains(&count) {
            return Err(ThreadsError::Count { got: count });
        }
        let others = match count {
            1 => None,
            _ => {
                let pool = ThreadPoolBuilder::new().num_threads(count - 1).build();
                let pool = pool.map_err(|e| ThreadsError::System { count, why: e.to_string() })?;
                Some(Arc::new(Awake::new(pool)))
            }
        };
        Ok(Threads { count, always: false, others })
    }

    /// How many there are, that of the caller among them.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The same threads for work of any size, also where it is too small to gain: for tests and measurements.
    #[must_use]
    pub fn always(mut self) -> Self {
        self.always = true;
        self
    }

    /// Runs `f` here, and shares what is large in it. Results do not depend on the number of threads, but for rounding
    /// in large products.
    pub fn run<R>(&self, f: impl FnOnce() -> R) -> R {
        let _back = here((self.count > 1).then(|| self.clone()));
        f()
    }

    /// `f` of every item, in the order of the items; each result is what `f` gives alone. A thread takes the next item
    /// when it has finished one.
    ///
    /// # Panics
    /// If `f` does.
    pub fn map<I: Send, R: Send>(&self, items: impl IntoIterator<Item = I>, f: impl Fn(I) -> R + Sync) -> Vec<R> {
        let items: Vec<I> = items.into_iter().collect();
        let mut results: Vec<Option<R>> = items.iter().map(|_| None).collect();
        let workers = self.count.min(items.len());
        let rest = Mutex::new(items.into_iter().zip(&mut results));
        self.share(std::iter::repeat_n((), workers), |()| {
            while let Some((item, result)) = next(&rest) {
                *result = Some(f(item));
            }
        });
        drop(rest);
        results.into_iter().flatten().collect()
    }

    /// Runs `work` on every part: the first here, the others wherever a thread is free. No part shares again.
    fn share<P: Send>(&self, parts: impl Iterator<Item = P>, work: impl Fn(P) + Sync) {
        let (mut parts, work) = (parts, &work);
        let Some(others) = &self.others else {
            let _back = here(None);
            return parts.for_each(work);
        };
        let Some(first) = parts.next() else { return };
        let finished = Finished::default();
        others.pool.in_place_scope(|scope| {
            let mut spawned = 0;
            for part in parts {
                let finished = &finished;
                scope.spawn(move |_| {
                    let _one = finished.one();
                    let _back = here(None);
                    work(part);
                    clear_wide_registers();
                });
                spawned += 1;
            }
            others.keep();
            let _back = here(None);
            work(first);
            finished.wait(spawned);
        });
    }
}

fn next<I: Iterator>(rest: &Mutex<I>) -> Option<I::Item> {
    rest.lock().unwrap_or_else(PoisonError::into_inner).next()
}

thread_local! {
    /// How many threads share the work of this one: read at every operation that might be large.
    static COUNT: Cell<usize> = const { Cell::new(1) };
    static HERE: RefCell<Option<Threads>> = const { RefCell::new(None) };
}

/// Sets what this thread shares its work with, until the guard is dropped.
fn here(threads: Option<Threads>) -> impl Drop {
    struct Back(Option<Threads>);
    impl Drop for Back {
        fn drop(&mut self) {
            set(self.0.take());
        }
    }
    fn set(threads: Option<Threads>) -> Option<Threads> {
        COUNT.set(threads.as_ref().map_or(1, |t| t.count));
        HERE.replace(threads)
    }
    Back(set(threads))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    #[test]
    fn a_number_of_threads_is_one_or_more() {
        assert!(matches!(Threads::new(0), Err(ThreadsError::Count { got: 0 })));
        assert!(matches!(Threads::new(5000), Err(ThreadsError::Count { got: 5000 })));
        assert_eq!(Threads::new(3).unwrap().count(), 3);
    }

    #[test]
    fn a_map_keeps_the_order_and_does_every_item_once() {
        for k in [1, 2, 5] {
            let threads = Threads::new(k).unwrap();
            for n in [0, 1, 2, 17, 100] {
                assert_eq!(threads.map(0..n, |i| 3 * i), (0..n).map(|i| 3 * i).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn threads_are_asked_for_by_scope_and_not_inside_parts() {
        let threads = Threads::new(2).unwrap().always();
        let now = || parts(Size::Entries(1));
        assert_eq!(now(), 1);
        threads.run(|| {
            assert_eq!(now(), 2);
            assert_eq!(Threads::new(1).unwrap().run(now), 1);
            assert_eq!(threads.map([(); 3], |()| now()), [1; 3]);
            let all = Mutex::new(vec![]);
            share([(); 4], |()| all.lock().unwrap().push(now()));
            assert_eq!(all.into_inner().unwrap(), [1; 4]);
            assert_eq!(now(), 2);
        });
        assert_eq!(now(), 1);
    }

    #[test]
    fn what_is_small_is_not_shared() {
        use super::parts::{FEW_ENTRIES, FEW_MULTIPLICATIONS, FEW_WORKED};
        Threads::new(2).unwrap().run(|| {
            for (few, enough) in [
                (Size::Entries(FEW_ENTRIES - 1), Size::Entries(FEW_ENTRIES)),
                (Size::Worked(FEW_WORKED - 1), Size::Worked(FEW_WORKED)),
                (Size::Multiplications(FEW_MULTIPLICATIONS - 1), Size::Multiplications(FEW_MULTIPLICATIONS)),
            ] {
                assert_eq!((parts(few), parts(enough)), (1, 2));
            }
        });
    }

    #[test]
    fn a_panic_in_a_part_reaches_the_caller_and_the_threads_go_on() {
        let threads = Threads::new(2).unwrap();
        let five = AssertUnwindSafe(|| threads.map(0..8, |i| if i == 5 { panic!("five") } else { i }));
        assert!(catch_unwind(five).is_err());
        assert_eq!(parts(Size::Entries(usize::MAX)), 1);
        assert_eq!(threads.map(0..8, |i| i), (0..8).collect::<Vec<_>>());
    }
}
