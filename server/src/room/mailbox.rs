//! Mailboxes: the wake-up of one connection, and its direct backlog.
//!
//! Rooms, the table of users and the completions of submissions hold the mailbox of a connection and write to it, on
//! any thread. Only the connection reads it. Waking a connection that is awake costs one atomic swap. [`WakeUp`] is the
//! protocol by which no wake-up is lost.

use std::sync::Arc;
use std::task::Context;

use parking_lot::Mutex;
use realtime_shared::{ClientMsgId, CloseCode, Ref, RoomName, UserId};

use super::flush::{Flusher, Wake};
use super::wake_up::WakeUp;
use crate::broker::{NotStored, Receipt};
use crate::framing;
use crate::metrics::{Dropped, Metrics};

/// Limit on the bytes of the direct backlog. Beyond it the connection is closed as too slow. Answers to the client's
/// own frames have another limit, in the connection.
const DIRECT_BACKLOG_BYTES: usize = 128 * 1024;

/// Number of a connection in this process.
pub(crate) type ConnectionId = u64;

/// The side of a connection that other tasks use.
pub(crate) struct Mailbox {
    pub(crate) connection: ConnectionId,
    pub(crate) user: UserId,
    /// The worker on whose thread the connection runs.
    pub(crate) worker: usize,
    /// The flusher of that worker.
    flusher: Arc<Flusher>,
    /// Counters for code without access to the connection.
    pub(crate) metrics: Arc<Metrics>,
    wake_up: WakeUp,
    backlog: Mutex<Slot>,
}

/// The direct backlog as a mailbox stores it. A connection without direct frames needs no memory for them.
#[derive(Default)]
struct Slot {
    completed: usize,
    /// All but the number of completions.
    rest: Option<Box<DirectBacklog>>,
}

impl Slot {
    fn rest(&mut self) -> &mut DirectBacklog {
        self.rest.get_or_insert_default()
    }
}

/// Frames and completions for one connection, outside of its rooms.
#[derive(Default)]
pub(crate) struct DirectBacklog {
    /// Complete WebSocket frames.
    pub(crate) frames: Vec<u8>,
    /// Number of submissions that completed.
    pub(crate) completed: usize,
    /// The outcomes that the connection has to answer.
    pub(crate) completions: Vec<Completed>,
    /// Close code, if the connection has to close.
    pub(crate) close: Option<CloseCode>,
}

/// The outcome of a submission, with what its answer repeats.
pub(crate) struct Completed {
    pub(crate) room: RoomName,
    pub(crate) client_msg_id: Option<ClientMsgId>,
    pub(crate) reference: Option<Ref>,
    pub(crate) result: Result<Receipt, NotStored>,
}

impl Mailbox {
    pub(crate) fn new(
        connection: ConnectionId,
        user: UserId,
        worker: usize,
        flusher: Arc<Flusher>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self { connection, user, worker, flusher, metrics, wake_up: WakeUp::new(), backlog: Mutex::default() }
    }

    /// Wakes the connection.
    pub(crate) fn wake(&self) {
        if self.wake_up.rouse() {
            self.wake_up.wake();
        }
    }

    /// Adds a frame to the direct backlog.
    pub(crate) fn send(&self, json: &str) {
        self.write(|backlog| {
            framing::text(&mut backlog.frames, json);
            if backlog.frames.len() > DIRECT_BACKLOG_BYTES {
                backlog.frames = Vec::new();
                backlog.close.get_or_insert(CloseCode::TooSlow);
                self.metrics.dropped.inc(Dropped::DirectBacklogFull);
            }
        });
    }

    /// Adds the completion of a submission, with its outcome if the connection has to answer it. The flusher wakes
    /// the connection, because a commit completes the submissions of many connections.
    pub(crate) fn complete(self: &Arc<Self>, outcome: Option<Completed>) {
        {
            let mut backlog = self.backlog.lock();
            backlog.completed += 1;
            if let Some(outcome) = outcome {
                backlog.rest().completions.push(outcome);
            }
        }
        self.wake_up.mark_full();
        if self.wake_up.rouse() {
            self.flusher.schedule(self.clone());
        }
    }

    /// Closes the connection, with the code of the first call.
    pub(crate) fn close(&self, code: CloseCode) {
        self.write(|backlog| {
            backlog.close.get_or_insert(code);
        });
    }

    fn write(&self, change: impl FnOnce(&mut DirectBacklog)) {
        change(self.backlog.lock().rest());
        self.wake_up.mark_full();
        self.wake();
    }

    /// Marks the connection awake, so that senders skip the wake-up. The connection calls it at the start of a turn,
    /// and reads the mailbox before the turn ends.
    pub(crate) fn stay_awake(&self) {
        self.wake_up.rouse();
    }

    /// Registers the connection for the next wake-up. The connection reads its mailbox after this call.
    pub(crate) fn register(&self, cx: &Context<'_>) {
        self.wake_up.rest(cx.waker());
    }

    /// Takes the direct backlog. Called by the connection.
    pub(crate) fn take(&self) -> Option<DirectBacklog> {
        self.wake_up.take_full().then(|| {
            let Slot { completed, rest } = std::mem::take(&mut *self.backlog.lock());
            DirectBacklog { completed, ..rest.map(|rest| *rest).unwrap_or_default() }
        })
    }
}

impl Wake for Mailbox {
    fn wake_on(&self, _worker: usize) {
        self.wake_up.wake();
    }
}
