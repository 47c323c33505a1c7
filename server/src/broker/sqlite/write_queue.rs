//! Bounded queue of submissions for the writer, which takes them in batches.
//!
//! A submission waits only for those of the same turn of its worker. The flush at the end of the turn wakes the writer,
//! and one commit serves them all.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use realtime_shared::RoomName;

use super::personal_write::PersonalWrite;
use super::tail::Tail;
use crate::broker::{Completion, Submission, Unavailable};

/// Limit on the bytes of waiting submissions. Beyond it they are refused; the client resends.
const MAX_WAITING_BYTES: usize = 64 << 20;
/// Bytes of a submission beside its text, estimated.
const SUBMISSION_BYTES: usize = 256;
/// Largest batch: the cost of a commit is spread over many messages, and the first of them does not wait long for the
/// last.
const MAX_BATCH: usize = 4_096;
/// Limit on waiting writes for users. Beyond it they are refused.
const MAX_PERSONAL: usize = 65_536;
/// Time for which a read marker waits for others.
const PERSONAL_DELAY: Duration = Duration::from_millis(50);

/// Submission with its completion.
pub(super) struct PendingSubmission {
    pub(super) submission: Submission,
    pub(super) done: Completion,
}

impl PendingSubmission {
    /// Estimated size in memory.
    pub(super) fn bytes(&self) -> usize {
        self.submission.text_bytes() + SUBMISSION_BYTES
    }
}

/// Input of one turn of the writer.
#[derive(Default)]
pub(super) struct WriterInput {
    /// Submissions, in order of arrival.
    pub(super) waiting: Vec<PendingSubmission>,
    /// Tails that were read from the file.
    pub(super) tails: Vec<(RoomName, Result<Tail, Unavailable>)>,
    pub(super) personal: Vec<PersonalWrite>,
    /// Sweeps that a test waits for.
    #[cfg(test)]
    pub(super) sweeps: Vec<tokio::sync::oneshot::Sender<()>>,
}

/// Queue of the writer thread.
#[derive(Default)]
pub(super) struct WriteQueue {
    state: Mutex<WriteQueueState>,
    grown: Condvar,
}

#[derive(Default)]
struct WriteQueueState {
    waiting: VecDeque<PendingSubmission>,
    tails: Vec<(RoomName, Result<Tail, Unavailable>)>,
    personal: Vec<PersonalWrite>,
    /// The writer has taken writes for users, and not come back yet.
    storing_personal: bool,
    /// The writer is to take the writes for users then.
    personal_due: Option<Instant>,
    #[cfg(test)]
    sweeps: Vec<tokio::sync::oneshot::Sender<()>>,
    bytes: usize,
    /// The writer is to take what waits.
    flushed: bool,
    closed: bool,
}

impl WriteQueue {
    /// Adds a submission. A full or closed queue completes it at once, as unavailable.
    pub(super) fn push(&self, waiting: PendingSubmission) {
        let bytes = waiting.bytes();
        let mut state = self.state.lock();
        if state.closed || state.bytes + bytes > MAX_WAITING_BYTES {
            drop(state);
            return (waiting.done)(Err(Unavailable.into()));
        }
        state.bytes += bytes;
        state.waiting.push_back(waiting);
    }

    /// Wakes the writer if submissions wait.
    pub(super) fn flush(&self) {
        let mut state = self.state.lock();
        if !state.waiting.is_empty() && !std::mem::replace(&mut state.flushed, true) {
            drop(state);
            self.grown.notify_one();
        }
    }

    /// Wakes the writer for work that does not wait in the queue.
    pub(super) fn wake(&self) {
        self.state.lock().flushed = true;
        self.grown.notify_one();
    }

    /// Adds a tail that was read from the file.
    pub(super) fn push_tail(&self, room: RoomName, tail: Result<Tail, Unavailable>) {
        let mut state = self.state.lock();
        state.tails.push((room, tail));
        state.flushed = true;
        drop(state);
        self.grown.notify_one();
    }

    /// Adds a write for a user. A full or closed queue refuses it.
    pub(super) fn push_personal(&self, write: PersonalWrite) {
        let mut state = self.state.lock();
        if state.closed || state.personal.len() >= MAX_PERSONAL {
            drop(state);
            return write.refuse();
        }
        let wakes = write.is_urgent() || state.personal_due.is_none();
        state.flushed |= write.is_urgent();
        state.personal_due.get_or_insert_with(|| Instant::now() + PERSONAL_DELAY);
        state.personal.push(write);
        drop(state);
        if wakes {
            self.grown.notify_one();
        }
    }

    /// Returns true if writes for users are not stored yet.
    pub(super) fn has_personal(&self) -> bool {
        let state = self.state.lock();
        state.storing_personal || !state.personal.is_empty()
    }

    /// Takes the input of the next turn after a flush, or at `deadline`. `None`: the queue is closed and empty.
    pub(super) fn take(&self, deadline: Option<Instant>) -> Option<WriterInput> {
        let mut state = self.state.lock();
        state.storing_personal = false;
        while !state.flushed && !state.closed {
            match deadline.into_iter().chain(state.personal_due).min() {
                None => self.grown.wait(&mut state),
                Some(deadline) if self.grown.wait_until(&mut state, deadline).timed_out() => break,
                Some(_) => {}
            }
        }
        if state.waiting.is_empty() && state.tails.is_empty() && state.personal.is_empty() && state.closed {
            return None;
        }
        state.personal_due = None;
        state.storing_personal = !state.personal.is_empty();
        let count = state.waiting.len().min(MAX_BATCH);
        state.flushed = state.waiting.len() > count;
        let waiting: Vec<_> = state.waiting.drain(..count).collect();
        state.bytes -= waiting.iter().map(PendingSubmission::bytes).sum::<usize>();
        Some(WriterInput {
            waiting,
            tails: std::mem::take(&mut state.tails),
            personal: std::mem::take(&mut state.personal),
            #[cfg(test)]
            sweeps: std::mem::take(&mut state.sweeps),
        })
    }

    /// Lets the writer run a whole sweep after what waits. The receiver ends with it.
    #[cfg(test)]
    pub(super) fn sweep(&self) -> tokio::sync::oneshot::Receiver<()> {
        let (done, swept) = tokio::sync::oneshot::channel();
        let mut state = self.state.lock();
        state.sweeps.push(done);
        state.flushed = true;
        drop(state);
        self.grown.notify_one();
        swept
    }

    /// Closes the queue for new submissions.
    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.grown.notify_one();
    }

    /// Closes the queue and refuses everything that waits.
    pub(super) fn refuse(&self) {
        let (waiting, personal) = {
            let mut state = self.state.lock();
            state.closed = true;
            (std::mem::take(&mut state.waiting), std::mem::take(&mut state.personal))
        };
        personal.into_iter().for_each(PersonalWrite::refuse);
        for PendingSubmission { done, .. } in waiting {
            done(Err(Unavailable.into()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::broker::NotStored;
    use crate::broker::contract::submission;

    fn waiting(refused: &Arc<AtomicUsize>, text: &str) -> PendingSubmission {
        let refused = refused.clone();
        let done = move |result: Result<_, NotStored>| {
            refused.fetch_add(usize::from(result.is_err()), Ordering::SeqCst);
        };
        PendingSubmission { submission: submission("alice", "a", text), done: Box::new(done) }
    }

    #[test]
    fn a_full_queue_refuses_submissions_until_a_batch_is_taken() {
        let (queue, refused) = (WriteQueue::default(), Arc::default());
        let text = "x".repeat(4_000);
        let capacity = MAX_WAITING_BYTES / (4_000 + SUBMISSION_BYTES);
        (0..capacity + 2).for_each(|_| queue.push(waiting(&refused, &text)));
        assert_eq!(refused.load(Ordering::SeqCst), 2);
        queue.flush();
        assert_eq!(queue.take(None).map(|input| input.waiting.len()), Some(MAX_BATCH));
        queue.push(waiting(&refused, &text));
        assert_eq!(refused.load(Ordering::SeqCst), 2, "taking a batch makes room");
    }

    #[test]
    fn a_closed_queue_still_hands_out_what_was_submitted_before() {
        let (queue, refused) = (WriteQueue::default(), Arc::default());
        queue.push(waiting(&refused, "before"));
        queue.close();
        queue.push(waiting(&refused, "after"));
        assert_eq!(refused.load(Ordering::SeqCst), 1);
        assert_eq!(queue.take(None).map(|input| input.waiting.len()), Some(1));
        assert!(queue.take(None).is_none());
    }

    #[test]
    fn a_refusing_queue_hands_out_nothing() {
        let (queue, refused) = (WriteQueue::default(), Arc::default());
        queue.push(waiting(&refused, "before"));
        queue.refuse();
        assert!(queue.take(None).is_none());
        assert_eq!(refused.load(Ordering::SeqCst), 1);
    }
}
