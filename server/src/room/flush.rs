//! Flushers: batched wake-ups of a worker's connections, and batched commits.
//!
//! Each worker has a flusher, a task on its thread. A room whose ring has grown enters the queue of every worker on
//! which it has members, at most once. The flusher runs after the connections that were ready before it, and wakes
//! the members on its thread. So a burst of messages costs each member one turn, and waking another thread costs one
//! wake-up for all rooms and members there. In the same turn the flusher flushes the broker, so that one commit
//! contains the submissions of all ready connections.
//!
//! The members of a large room are woken in parts. Between two parts, all connections have a turn that became ready
//! meanwhile, so a post to a large room delays the others by one part only.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use atomic_waker::AtomicWaker;
use parking_lot::Mutex;

use super::ring::RingOffset;
use crate::broker::Broker;

/// Something that a flusher wakes.
pub(crate) trait Wake: Send + Sync {
    /// Wakes connections on `worker`, whose flusher calls: a part of them, from where `round` stands. Returns the round
    /// if others are left.
    fn wake_on(&self, worker: usize, round: Option<Round>) -> Option<Round>;
}

/// A round of wake-ups that has not reached all connections.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    /// The end of the ring for which connections are woken.
    pub(super) end: RingOffset,
    /// The place of the next connection.
    pub(super) next: usize,
    /// Places from there on, all around, that the round has not reached.
    pub(super) left: usize,
}

/// The queue of a flusher, which other threads fill.
#[derive(Default)]
pub(crate) struct Flusher {
    queue: Mutex<Vec<Arc<dyn Wake>>>,
    /// The broker has to be flushed.
    submitted: AtomicBool,
    waker: AtomicWaker,
}

impl Flusher {
    /// Queues a wake-up for the flusher's next turn.
    pub(super) fn schedule(&self, wake: Arc<dyn Wake>) {
        let mut queue = self.queue.lock();
        let first = queue.is_empty();
        queue.push(wake);
        drop(queue);
        if first {
            self.waker.wake();
        }
    }

    /// Flushes the broker in the flusher's next turn.
    pub(super) fn submitted(&self) {
        if !self.submitted.swap(true, Ordering::AcqRel) {
            self.waker.wake();
        }
    }

    /// Runs until it is dropped.
    pub(crate) async fn run(self: Arc<Self>, worker: usize, broker: Arc<dyn Broker>) {
        let mut due = Vec::new();
        let mut unfinished = VecDeque::new();
        loop {
            poll_fn(|cx| {
                self.waker.register(cx.waker());
                let nothing = unfinished.is_empty()
                    && !self.submitted.load(Ordering::Acquire)
                    && self.queue.lock().is_empty();
                if nothing { Poll::Pending } else { Poll::Ready(()) }
            })
            .await;
            // The worker polls its sockets first, so that frames that arrived meanwhile join the batch.
            tokio::task::yield_now().await;
            if self.submitted.swap(false, Ordering::AcqRel) {
                broker.flush();
            }
            std::mem::swap(&mut due, &mut *self.queue.lock());
            // All that is new and one part of what is unfinished: small rooms do not wait for large ones.
            let part: Option<(Arc<dyn Wake>, Round)> = unfinished.pop_front();
            let part = part.map(|(wake, round)| (wake, Some(round)));
            for (wake, round) in due.drain(..).map(|wake| (wake, None)).chain(part) {
                if let Some(round) = wake.wake_on(worker, round) {
                    unfinished.push_back((wake, round));
                }
            }
        }
    }
}
