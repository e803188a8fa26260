//! Threads that a program asks for, and how a piece of work is cut into parts. Whether some work is worth it is said
//! here too; what its parts are is said where it is computed.
//!
//! Parts never share a sum: every number is computed by one thread, by the operations that one thread alone would have
//! used. Members of a batch, entries of a matrix and programs of their own therefore have the same bits on any number
//! of threads.

use crate::wide_registers::clear_wide_registers;
use rayon_core::{ThreadPool, ThreadPoolBuilder};
use std::cell::{Cell, RefCell};
use std::sync::{Arc, Mutex, PoisonError};

/// A number of threads for large products and factorisations, for the members of a batch, and for programs that do not
/// depend on one another. Without it everything runs on the thread that calls.
///
/// [`run`](Self::run) is for one program with large matrices or batches; [`map`](Self::map) is for many programs, each
/// with tapes of its own, and gains more where both can be had: it shares everything, while a part of a program must be
/// large to be worth the ten microseconds that it costs to share it. What runs as a part is not shared once more, unless
/// it asks for that itself.
///
/// The members of a batch and the programs of a map give the same bits on any number of threads. A large product is cut
/// by rows or columns, of which each sum is computed as before.
#[derive(Clone)]
pub struct Threads {
    count: usize,
    always: bool,
    /// The others: the thread that calls takes its part.
    pool: Option<Arc<ThreadPool>>,
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
        let pool = match count {
            1 => None,
            _ => {
                let pool = ThreadPoolBuilder::new().num_threads(count - 1).build();
                Some(Arc::new(pool.map_err(|e| ThreadsError::System { count, why: e.to_string() })?))
            }
        };
        Ok(Threads { count, always: false, pool })
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
        let Some(pool) = &self.pool else {
            let _back = here(None);
            return parts.for_each(work);
        };
        let Some(first) = parts.next() else { return };
        pool.in_place_scope(|scope| {
            for part in parts {
                scope.spawn(move |_| {
                    work(part);
                    clear_wide_registers();
                });
            }
            let _back = here(None);
            work(first);
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

/// Work that costs less than sharing it, in entries that are read or written, for what passes over entries once.
const FEW_ENTRIES: usize = 1 << 16;
/// The same for what works with each entry many times, such as a factorisation of each member.
const FEW_WORKED: usize = 1 << 12;
/// The same in multiplications of a product.
const FEW_MULTIPLICATIONS: usize = 1 << 21;

/// How large a piece of work is.
#[derive(Debug, Clone, Copy)]
pub enum Size {
    /// Entries of which each is read or written once.
    Entries(usize),
    /// Entries of which each takes part in many operations.
    Worked(usize),
    /// Multiplications of a product.
    Multiplications(usize),
}

/// In how many parts work of this size is to be done here: 1 where nobody asked for threads or it is too small.
#[inline(always)]
pub fn parts(size: Size) -> usize {
    match COUNT.get() {
        1 => 1,
        count => worthwhile(size, count),
    }
}

#[cold]
fn worthwhile(size: Size, count: usize) -> usize {
    let enough = match size {
        Size::Entries(n) => n >= FEW_ENTRIES,
        Size::Worked(n) => n >= FEW_WORKED,
        Size::Multiplications(n) => n >= FEW_MULTIPLICATIONS,
    };
    if enough || HERE.with_borrow(|t| t.as_ref().is_some_and(|t| t.always)) { count } else { 1 }
}

/// Runs `work` on every part, with the threads that were asked for here.
pub fn share<P: Send>(parts: impl IntoIterator<Item = P>, work: impl Fn(P) + Sync) {
    match HERE.with_borrow(Clone::clone) {
        Some(threads) => threads.share(parts.into_iter(), work),
        None => parts.into_iter().for_each(work),
    }
}

/// The length of each of at most `parts` pieces of `n` things: multiples of `unit`, but for the last.
pub fn piece(n: usize, parts: usize, unit: usize) -> usize {
    n.div_ceil(parts.max(1)).next_multiple_of(unit.max(1)).max(1)
}

/// `work` on the same piece of `x` and of `y`, which have the same length.
#[inline(always)]
pub(crate) fn by_entries<T: Sync + Send>(x: &[T], y: &mut [T], work: impl Fn(&[T], &mut [T]) + Sync) {
    match parts(Size::Entries(y.len())) {
        1 => work(x, y),
        k => {
            let len = piece(y.len(), k, PIECE);
            share(x.chunks(len).zip(y.chunks_mut(len)), |(x, y)| work(x, y));
        }
    }
}

/// [`by_entries`] with two inputs.
#[inline(always)]
pub(crate) fn by_entries_of_two<T: Sync + Send>(
    a: &[T],
    b: &[T],
    y: &mut [T],
    work: impl Fn(&[T], &[T], &mut [T]) + Sync,
) {
    match parts(Size::Entries(y.len())) {
        1 => work(a, b, y),
        k => {
            let len = piece(y.len(), k, PIECE);
            share(a.chunks(len).zip(b.chunks(len)).zip(y.chunks_mut(len)), |((a, b), y)| work(a, b, y));
        }
    }
}

/// Pieces of entries are multiples of this many, so that no cache line is written by two threads.
const PIECE: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

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
        let caught = std::panic::catch_unwind(|| threads.map(0..8, |i| if i == 5 { panic!("five") } else { i }));
        assert!(caught.is_err());
        assert_eq!(parts(Size::Entries(usize::MAX)), 1);
        assert_eq!(threads.map(0..8, |i| i), (0..8).collect::<Vec<_>>());
    }
}
