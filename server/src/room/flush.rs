//! Wakes the members of rooms, once for all that was appended since.
//!
//! Each worker has a flusher, a task on its thread. A room that gets a frame is put in the flusher's queue of every
//! worker on which it has members, unless it is there already; when the flusher's turn comes, after the connections
//! that were ready before it, it wakes the members on its thread. So a burst of messages costs each member one turn,
//! and crossing to another thread costs a room one wake-up, whatever the number of members there.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use atomic_waker::AtomicWaker;
use parking_lot::Mutex;

use super::Room;

#[derive(Default)]
pub(crate) struct Flusher {
    queue: Mutex<Vec<Arc<Room>>>,
    waker: AtomicWaker,
}

impl Flusher {
    /// Wakes the room's members on this flusher's worker when its turn comes. The room asks once until then.
    pub(crate) fn schedule(&self, room: Arc<Room>) {
        let mut queue = self.queue.lock();
        queue.push(room);
        if queue.len() == 1 {
            drop(queue);
            self.waker.wake();
        }
    }

    /// Runs for as long as its worker.
    pub(crate) async fn run(self: Arc<Self>, worker: usize) {
        let mut rooms = Vec::new();
        loop {
            poll_fn(|cx| {
                self.waker.register(cx.waker());
                if self.queue.lock().is_empty() { Poll::Pending } else { Poll::Ready(()) }
            })
            .await;
            // Lets the worker look at its sockets first: what has come meanwhile goes out with the rest.
            tokio::task::yield_now().await;
            std::mem::swap(&mut rooms, &mut *self.queue.lock());
            for room in rooms.drain(..) {
                room.wake_members(worker);
            }
        }
    }
}
