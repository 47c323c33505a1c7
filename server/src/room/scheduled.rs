//! Mark of a room in the queue of a flusher: the room is in it once, until all members were woken for its newest frame.
//!
//! An append moves the end of the ring, then swaps the mark. The flusher wakes members for an end that it has read, swaps
//! the mark, then reads the end again. So either the append finds no mark and queues the room, or the flusher finds the
//! new end.
//!
//! The type of the flag is a parameter, so that the test runs this code under loom.

use std::sync::atomic::{AtomicBool, Ordering};

use super::wake_up::Flag;

/// True while the room is in the queue, or its members are being woken.
pub(super) struct Scheduled<F = AtomicBool>(F);

impl<F: Flag> Scheduled<F> {
    pub(super) fn new() -> Self {
        Self(F::new(false))
    }

    /// Sets the mark, after the end of the ring has moved. Returns true if the caller has to queue the room.
    pub(super) fn set(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }

    /// Removes the mark, after members were woken. Returns true if the flusher has to go on, because the ring has grown
    /// meanwhile and nobody has queued the room.
    pub(super) fn remove_unless(&self, has_grown: impl FnOnce() -> bool) -> bool {
        self.0.swap(false, Ordering::AcqRel);
        has_grown() && self.set()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Poll;

    use loom::future::{AtomicWaker, block_on};
    use loom::sync::Arc;
    use loom::sync::atomic::{AtomicBool, AtomicUsize};
    use loom::thread;

    use super::*;

    /// A ring whose appends queue it for a flusher.
    struct Model {
        scheduled: Scheduled<AtomicBool>,
        end: AtomicUsize,
        is_queued: AtomicBool,
        flusher: AtomicWaker,
    }

    impl Model {
        fn append(&self) {
            self.end.fetch_add(1, Ordering::Release);
            if self.scheduled.set() {
                let was_queued = self.is_queued.swap(true, Ordering::AcqRel);
                assert!(!was_queued, "a room is in the queue once");
                self.flusher.wake();
            }
        }

        /// Runs the flusher until it has woken members for all of the frames.
        fn flush(&self, frames: usize) {
            let mut woken_for = 0;
            block_on(poll_fn(|cx| {
                self.flusher.register_by_ref(cx.waker());
                while self.is_queued.swap(false, Ordering::AcqRel) {
                    let end = || self.end.load(Ordering::Acquire);
                    woken_for = end();
                    while self.scheduled.remove_unless(|| end() != woken_for) {
                        woken_for = end();
                    }
                }
                if woken_for == frames { Poll::Ready(()) } else { Poll::Pending }
            }));
        }
    }

    /// A lost wake-up is a deadlock under loom.
    #[test]
    fn members_are_woken_for_the_newest_frame_of_two_threads() {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(2);
        builder.check(|| {
            let model = Arc::new(Model {
                scheduled: Scheduled::new(),
                end: AtomicUsize::new(0),
                is_queued: AtomicBool::new(false),
                flusher: AtomicWaker::new(),
            });
            let threads = [0; 2].map(|_| {
                let model = model.clone();
                thread::spawn(move || model.append())
            });
            model.flush(2);
            for thread in threads {
                thread.join().expect("no panic");
            }
        });
    }
}
