//! What a worker does once for all that happened since: wakes the members of rooms and those whose submissions
//! completed, and has what was submitted stored.
//!
//! Each worker has a flusher, a task on its thread. A room that gets a frame is put in the flusher's queue of every
//! worker on which it has members, unless it is there already; when the flusher's turn comes, after the connections
//! that were ready before it, it wakes the members on its thread. So a burst of messages costs each member one turn,
//! and crossing to another thread costs one wake-up, whatever the number of rooms and members there. In the same turn
//! it tells the broker that what was submitted is all for now: a commit has in it what all ready connections had to say.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use atomic_waker::AtomicWaker;
use parking_lot::Mutex;

use super::{Mailbox, Room};
use crate::broker::Broker;

#[derive(Default)]
pub(crate) struct Flusher {
    queue: Mutex<Queue>,
    submitted: AtomicBool,
    waker: AtomicWaker,
}

#[derive(Default)]
struct Queue {
    rooms: Vec<Arc<Room>>,
    mailboxes: Vec<Arc<Mailbox>>,
}

impl Queue {
    fn is_empty(&self) -> bool {
        self.rooms.is_empty() && self.mailboxes.is_empty()
    }
}

impl Flusher {
    /// Wakes the room's members on this flusher's worker when its turn comes. The room asks once until then.
    pub(crate) fn schedule(&self, room: Arc<Room>) {
        self.add(|queue| queue.rooms.push(room));
    }

    /// Wakes a connection of this flusher's worker when its turn comes. It asks once until then.
    pub(super) fn wake_later(&self, mailbox: Arc<Mailbox>) {
        self.add(|queue| queue.mailboxes.push(mailbox));
    }

    /// Has what was submitted stored when its turn comes.
    pub(super) fn submitted(&self) {
        if !self.submitted.swap(true, Ordering::AcqRel) {
            self.waker.wake();
        }
    }

    fn add(&self, push: impl FnOnce(&mut Queue)) {
        let mut queue = self.queue.lock();
        let first = queue.is_empty();
        push(&mut queue);
        drop(queue);
        if first {
            self.waker.wake();
        }
    }

    /// Runs for as long as its worker.
    pub(crate) async fn run(self: Arc<Self>, worker: usize, broker: Arc<dyn Broker>) {
        let mut due = Queue::default();
        loop {
            poll_fn(|cx| {
                self.waker.register(cx.waker());
                let nothing = !self.submitted.load(Ordering::Acquire) && self.queue.lock().is_empty();
                if nothing { Poll::Pending } else { Poll::Ready(()) }
            })
            .await;
            // Lets the worker look at its sockets first: what has come meanwhile goes out with the rest.
            tokio::task::yield_now().await;
            if self.submitted.swap(false, Ordering::AcqRel) {
                broker.flush();
            }
            std::mem::swap(&mut due, &mut *self.queue.lock());
            for room in due.rooms.drain(..) {
                room.wake_members(worker);
            }
            for mailbox in due.mailboxes.drain(..) {
                mailbox.wake_now();
            }
        }
    }
}
