//! What waits for the writer: bounded, and taken all at once.
//!
//! Nothing waits for more to come, but a message does for those that the same turn of its worker brings: the writer is
//! woken by the flush at the turn's end, and a commit costs all of them together what it costs one.

use std::collections::VecDeque;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};
use realtime_shared::RoomName;

use super::tail::Tail;
use crate::broker::{Completion, Submission, Unavailable};

/// Bytes of messages that may wait. What comes while the disk is behind by as much is refused, to be sent again.
const WAITING_BYTES: usize = 64 << 20;
/// What a message takes beside its text.
const SUBMISSION_BYTES: usize = 256;
/// Messages that are written together: so many that a commit costs each little, and so few that the first of them does
/// not wait long for the last.
const BATCH: usize = 4_096;

/// A message, and who waits for it.
pub(super) struct Waiting {
    pub(super) submission: Submission,
    pub(super) done: Completion,
}

/// What is taken at once.
#[derive(Default)]
pub(super) struct Taken {
    /// Messages, in the order in which they came.
    pub(super) waiting: Vec<Waiting>,
    /// Tails that were read.
    pub(super) tails: Vec<(RoomName, Result<Tail, Unavailable>)>,
}

/// Messages in the order in which they came.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    grown: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Waiting>,
    tails: Vec<(RoomName, Result<Tail, Unavailable>)>,
    bytes: usize,
    /// What waits is to be taken.
    flushed: bool,
    closed: bool,
}

impl Queue {
    /// Adds a message; at once completed where there is no room for it, or nobody who writes any more.
    pub(super) fn push(&self, waiting: Waiting) {
        let bytes = bytes_of(&waiting);
        let mut state = self.state.lock();
        if state.closed || state.bytes + bytes > WAITING_BYTES {
            drop(state);
            return (waiting.done)(Err(Unavailable));
        }
        state.bytes += bytes;
        state.waiting.push_back(waiting);
    }

    /// Says that what waits is all for now.
    pub(super) fn flush(&self) {
        let mut state = self.state.lock();
        if !state.waiting.is_empty() && !std::mem::replace(&mut state.flushed, true) {
            drop(state);
            self.grown.notify_one();
        }
    }

    /// Hands over a tail that was read.
    pub(super) fn give_back(&self, room: RoomName, tail: Result<Tail, Unavailable>) {
        let mut state = self.state.lock();
        state.tails.push((room, tail));
        state.flushed = true;
        drop(state);
        self.grown.notify_one();
    }

    /// Takes what has come, as soon as that is all for now, or when it is `until`. `None`: closed, and all was taken.
    pub(super) fn take(&self, until: Option<Instant>) -> Option<Taken> {
        let mut state = self.state.lock();
        while !state.flushed && !state.closed {
            match until {
                None => self.grown.wait(&mut state),
                Some(until) if self.grown.wait_until(&mut state, until).timed_out() => break,
                Some(_) => {}
            }
        }
        if state.waiting.is_empty() && state.tails.is_empty() && state.closed {
            return None;
        }
        let count = state.waiting.len().min(BATCH);
        state.flushed = state.waiting.len() > count;
        let waiting: Vec<_> = state.waiting.drain(..count).collect();
        state.bytes -= waiting.iter().map(bytes_of).sum::<usize>();
        Some(Taken { waiting, tails: std::mem::take(&mut state.tails) })
    }

    /// Lets nothing in any more.
    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.grown.notify_one();
    }

    /// Refuses all that waits, and what comes from now on.
    pub(super) fn refuse(&self) {
        let waiting = {
            let mut state = self.state.lock();
            state.closed = true;
            std::mem::take(&mut state.waiting)
        };
        for Waiting { done, .. } in waiting {
            done(Err(Unavailable));
        }
    }
}

fn bytes_of(waiting: &Waiting) -> usize {
    waiting.submission.post.text.as_str().len() + SUBMISSION_BYTES
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::broker::contract::said;

    fn waiting(refused: &Arc<AtomicUsize>, text: &str) -> Waiting {
        let refused = refused.clone();
        let done = move |result: Result<_, Unavailable>| {
            refused.fetch_add(usize::from(result.is_err()), Ordering::SeqCst);
        };
        Waiting { submission: said("alice", "a", text), done: Box::new(done) }
    }

    #[test]
    fn more_than_it_holds_is_refused() {
        let (queue, refused) = (Queue::default(), Arc::default());
        let text = "x".repeat(4_000);
        let most = WAITING_BYTES / (4_000 + SUBMISSION_BYTES);
        (0..most + 2).for_each(|_| queue.push(waiting(&refused, &text)));
        assert_eq!(refused.load(Ordering::SeqCst), 2);
        queue.flush();
        assert_eq!(queue.take(None).map(|taken| taken.waiting.len()), Some(BATCH));
        queue.push(waiting(&refused, &text));
        assert_eq!(refused.load(Ordering::SeqCst), 2, "there is room again");
    }

    #[test]
    fn what_came_before_the_end_is_taken() {
        let (queue, refused) = (Queue::default(), Arc::default());
        queue.push(waiting(&refused, "before"));
        queue.close();
        queue.push(waiting(&refused, "after"));
        assert_eq!(refused.load(Ordering::SeqCst), 1);
        assert_eq!(queue.take(None).map(|taken| taken.waiting.len()), Some(1));
        assert!(queue.take(None).is_none());
    }

    #[test]
    fn after_a_failure_nothing_is_taken() {
        let (queue, refused) = (Queue::default(), Arc::default());
        queue.push(waiting(&refused, "before"));
        queue.refuse();
        assert!(queue.take(None).is_none());
        assert_eq!(refused.load(Ordering::SeqCst), 1);
    }
}
