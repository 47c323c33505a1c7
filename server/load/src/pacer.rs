//! The clock of an open loop, which wakes the poll whenever a message is due.
//!
//! A poll waits in whole milliseconds, too coarse for a thousand messages a second, and spinning would hide the cost
//! of the load. So a thread sleeps until each due time and wakes the poll.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mio::Waker;

/// Due times at an even interval.
pub(crate) struct Pacer {
    next: u64,
    interval: u64,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Pacer {
    /// Starts the thread. `now` is the first due time, on the clock of [`Pacer::take_due`].
    pub(crate) fn start(interval: Duration, now: u64, waker: Waker) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let ended = Arc::clone(&ended);
            move || {
                let mut due = Instant::now();
                while !ended.load(Ordering::Relaxed) {
                    // A failed wake-up delays a message to the next poll, which the figures show.
                    let _ = waker.wake();
                    due += interval;
                    std::thread::sleep(due.saturating_duration_since(Instant::now()));
                }
            }
        });
        let interval = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX);
        Self { next: now, interval, ended, thread: Some(thread) }
    }

    /// The next due time up to `now`. Missed due times are returned one by one.
    pub(crate) fn take_due(&mut self, now: u64) -> Option<u64> {
        (self.next <= now).then(|| {
            let due = self.next;
            self.next += self.interval;
            due
        })
    }
}

impl Drop for Pacer {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // The thread cannot panic: it sleeps and wakes.
            let _ = thread.join();
        }
    }
}
