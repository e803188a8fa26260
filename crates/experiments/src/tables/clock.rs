//! The clock that rows are measured with: processor time of the thread, where the system tells it.

use std::time::Instant;

/// Processor time of this thread, or time of the clock.
pub(super) struct Clock {
    clock: Instant,
    processor: Option<u64>,
}

impl Clock {
    pub(super) fn start() -> Self {
        Clock { clock: Instant::now(), processor: processor() }
    }
    pub(super) fn seconds(&self) -> f64 {
        match self.processor.zip(processor()) {
            Some((from, to)) if to > from => (to - from) as f64 * 1e-9,
            _ => self.clock.elapsed().as_secs_f64(),
        }
    }
}

/// Nanoseconds that this thread ran, where the system tells. (The figure of `/proc/thread-self/schedstat` only moves
/// with the ticks of the scheduler, which are longer than a short row.)
#[cfg(target_os = "linux")]
pub(super) fn processor() -> Option<u64> {
    use rustix::time::{ClockId, clock_gettime};
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Some(u64::try_from(now.tv_sec).ok()? * 1_000_000_000 + u64::try_from(now.tv_nsec).ok()?)
}

/// Nanoseconds that this thread ran, where the system tells.
#[cfg(not(target_os = "linux"))]
pub(super) fn processor() -> Option<u64> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_clock_tells_a_tenth_of_a_millisecond() {
        let beyond = |_| {
            let (clock, from) = (Instant::now(), processor().unwrap());
            while processor().unwrap() < from + 100_000 {
                assert!(clock.elapsed().as_secs() < 10, "the clock of the thread stands still");
            }
            processor().unwrap() - from
        };
        // Were it to move with ticks of milliseconds, it would always go far beyond.
        assert!((0..20).map(beyond).min().unwrap() < 1_000_000);
    }
}
