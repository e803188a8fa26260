//! Threads that stay awake while work comes at short intervals. Waking a thread takes tens of microseconds, as long as
//! the work of an operation; a thread that looks for work itself begins within one. What the work is is not known here.

use rayon_core::{ThreadPool, Yield, yield_now};
use std::hint::spin_loop;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How long a thread looks for work before it sleeps, and how long a caller looks whether the others have finished.
const LOOK: Duration = Duration::from_micros(200);

/// A pool, and how many of its threads are looking for work.
pub(super) struct Awake {
    pub(super) pool: ThreadPool,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// Pieces of work so far.
    pieces: AtomicUsize,
    looking: AtomicUsize,
}

impl Awake {
    pub(super) fn new(pool: ThreadPool) -> Self {
        Awake { pool, state: Arc::default() }
    }

    /// There was a piece of work: all threads look for more for a while.
    pub(super) fn keep(&self) {
        self.state.pieces.fetch_add(1, Ordering::Relaxed);
        while self.state.looking.load(Ordering::Relaxed) < self.pool.current_num_threads() {
            self.state.looking.fetch_add(1, Ordering::Relaxed);
            let state = Arc::clone(&self.state);
            self.pool.spawn(move || state.look());
        }
    }
}

impl State {
    /// Works and looks for work, until there has been none for some time.
    fn look(&self) {
        let (mut seen, mut since) = (self.pieces.load(Ordering::Relaxed), Instant::now());
        loop {
            match yield_now() {
                Some(Yield::Executed) => since = Instant::now(),
                _ => spin_loop(),
            }
            let pieces = self.pieces.load(Ordering::Relaxed);
            if pieces != seen {
                (seen, since) = (pieces, Instant::now());
            } else if since.elapsed() > LOOK {
                break;
            }
        }
        self.looking.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How many parts have been finished.
#[derive(Default)]
pub(super) struct Finished(AtomicUsize);

impl Finished {
    /// Counts one when it is dropped, whatever became of it.
    pub(super) fn one(&self) -> impl Drop + '_ {
        struct One<'a>(&'a AtomicUsize);
        impl Drop for One<'_> {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::Release);
            }
        }
        One(&self.0)
    }

    /// Looks until so many are finished, or for some time: to be put to sleep and woken costs more than a short wait.
    pub(super) fn wait(&self, count: usize) {
        let since = Instant::now();
        while self.0.load(Ordering::Acquire) < count && since.elapsed() < LOOK {
            spin_loop();
        }
    }
}
