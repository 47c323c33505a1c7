//! The wake-up protocol of a connection: its next turn reads everything that was published while it rested.
//!
//! A sender publishes, then swaps `awake`. The connection registers its waker, swaps `awake`, then reads. All changes
//! of the flags are swaps, so the later of the two sees the writes before the earlier one: either the connection reads
//! what was published, or the sender sees a connection at rest and wakes it. (Loads could pass a plain store that
//! precedes them.)
//!
//! The types of the flags and the waker are parameters, so that the tests run this code under loom.

use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;

use atomic_waker::AtomicWaker;

/// The state of the protocol. The data itself is elsewhere, and published before [`WakeUp::mark_full`] and
/// [`WakeUp::rouse`].
pub(super) struct WakeUp<F = AtomicBool, W = AtomicWaker> {
    awake: F,
    /// The direct backlog holds something.
    is_full: F,
    waker: W,
}

/// An atomic flag, of std or of loom.
pub(super) trait Flag {
    fn new(value: bool) -> Self;
    fn swap(&self, value: bool, order: Ordering) -> bool;
}

/// A place for a waker, of the crate atomic-waker or of loom.
pub(super) trait WakerSlot {
    fn new() -> Self;
    fn register(&self, waker: &Waker);
    fn wake(&self);
}

impl<F: Flag, W: WakerSlot> WakeUp<F, W> {
    /// A connection that is awake: it reads before it rests.
    pub(super) fn new() -> Self {
        Self { awake: F::new(true), is_full: F::new(false), waker: W::new() }
    }

    /// Reports that the direct backlog holds something. Called by a sender, before [`WakeUp::rouse`].
    pub(super) fn mark_full(&self) {
        self.is_full.swap(true, Ordering::Release);
    }

    /// Sets the connection awake. True if it was at rest: then the sender must ensure that [`WakeUp::wake`] is called.
    pub(super) fn rouse(&self) -> bool {
        !self.awake.swap(true, Ordering::AcqRel)
    }

    /// Schedules the connection's task.
    pub(super) fn wake(&self) {
        self.waker.wake();
    }

    /// Prepares the connection to rest. It reads its backlog and its rooms after this call.
    pub(super) fn rest(&self, waker: &Waker) {
        self.waker.register(waker);
        self.awake.swap(false, Ordering::AcqRel);
    }

    /// True if the direct backlog may hold something. Called by the connection, which reads it then.
    pub(super) fn take_full(&self) -> bool {
        self.is_full.swap(false, Ordering::Acquire)
    }
}

impl Flag for AtomicBool {
    fn new(value: bool) -> Self {
        Self::new(value)
    }

    fn swap(&self, value: bool, order: Ordering) -> bool {
        self.swap(value, order)
    }
}

impl WakerSlot for AtomicWaker {
    fn new() -> Self {
        Self::new()
    }

    fn register(&self, waker: &Waker) {
        self.register(waker);
    }

    fn wake(&self) {
        self.wake();
    }
}

#[cfg(test)]
mod tests {
    //! The protocol under loom, which tries the orders of its steps with up to [`PREEMPTIONS`] forced switches of threads. A
    //! lost wake-up is a deadlock there.

    use std::future::poll_fn;
    use std::task::Poll;

    use loom::future::block_on;
    use loom::sync::atomic::AtomicUsize;
    use loom::sync::{Arc, Mutex};
    use loom::thread;

    use super::*;

    /// Each lost wake-up that was tried by hand shows with two. Without a bound the model runs for many minutes.
    const PREEMPTIONS: usize = 2;

    fn explore(model: impl Fn() + Send + Sync + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(PREEMPTIONS);
        builder.check(model);
    }

    impl Flag for loom::sync::atomic::AtomicBool {
        fn new(value: bool) -> Self {
            Self::new(value)
        }

        fn swap(&self, value: bool, order: Ordering) -> bool {
            self.swap(value, order)
        }
    }

    impl WakerSlot for loom::future::AtomicWaker {
        fn new() -> Self {
            Self::new()
        }

        fn register(&self, waker: &Waker) {
            self.register_by_ref(waker);
        }

        fn wake(&self) {
            self.wake();
        }
    }

    /// A connection and its senders: a backlog behind a mutex, and the end of a room's log.
    struct Model {
        wake_up: WakeUp<loom::sync::atomic::AtomicBool, loom::future::AtomicWaker>,
        backlog: Mutex<usize>,
        log_end: AtomicUsize,
    }

    impl Model {
        fn new() -> Arc<Self> {
            Arc::new(Self { wake_up: WakeUp::new(), backlog: Mutex::new(0), log_end: AtomicUsize::new(0) })
        }

        fn send_direct(&self) {
            *self.backlog.lock().expect("no panic") += 1;
            self.wake_up.mark_full();
            if self.wake_up.rouse() {
                self.wake_up.wake();
            }
        }

        fn append_to_log(&self) {
            self.log_end.fetch_add(1, Ordering::Release);
            if self.wake_up.rouse() {
                self.wake_up.wake();
            }
        }

        /// Runs the connection until it has read `direct` frames of its backlog and `logged` entries of the room.
        fn read(&self, direct: usize, logged: usize) {
            let mut received = 0;
            block_on(poll_fn(|cx| {
                self.wake_up.rest(cx.waker());
                if self.wake_up.take_full() {
                    received += std::mem::take(&mut *self.backlog.lock().expect("no panic"));
                }
                let end = self.log_end.load(Ordering::Acquire);
                if received == direct && end == logged { Poll::Ready(()) } else { Poll::Pending }
            }));
        }
    }

    #[test]
    fn a_direct_frame_and_an_entry_from_two_threads_wake_the_connection() {
        explore(|| {
            let model = Model::new();
            let threads = [Model::send_direct, Model::append_to_log].map(|send: fn(&Model)| {
                let model = model.clone();
                thread::spawn(move || send(&model))
            });
            model.read(1, 1);
            for thread in threads {
                thread.join().expect("no panic");
            }
        });
    }

    #[test]
    fn frames_that_follow_each_other_are_all_read() {
        explore(|| {
            let model = Model::new();
            let sender = {
                let model = model.clone();
                thread::spawn(move || (0..2).for_each(|_| model.send_direct()))
            };
            model.read(2, 0);
            sender.join().expect("no panic");
        });
    }
}
