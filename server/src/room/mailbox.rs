//! Mailboxes: the wake-up of one connection, and its direct backlog.
//!
//! Rooms, the table of users and the completions of submissions hold the mailbox of a connection and write to it, on
//! any thread. The connection alone reads it. Waking a connection that is awake costs one atomic swap.
//!
//! No wake-up is lost. A sender first writes its data, then swaps `awake` to true. The connection first swaps `awake`
//! to false, then reads the data. All changes of `awake` are swaps, so the later of the two sees the writes that
//! precede the earlier one. A load in place of a swap could miss a preceding store.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Context;

use atomic_waker::AtomicWaker;
use parking_lot::Mutex;
use realtime_shared::{ClientMsgId, CloseCode, Ref, RoomName, UserId};

use super::flush::{Flusher, Wake};
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
    awake: AtomicBool,
    waker: AtomicWaker,
    has_direct: AtomicBool,
    backlog: Mutex<DirectBacklog>,
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
        Self {
            connection,
            user,
            worker,
            flusher,
            metrics,
            awake: AtomicBool::new(true),
            waker: AtomicWaker::new(),
            has_direct: AtomicBool::new(false),
            backlog: Mutex::default(),
        }
    }

    /// Wakes the connection.
    pub(crate) fn wake(&self) {
        if !self.awake.swap(true, Ordering::AcqRel) {
            self.waker.wake();
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
            backlog.completions.extend(outcome);
        }
        self.has_direct.store(true, Ordering::Release);
        if !self.awake.swap(true, Ordering::AcqRel) {
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
        change(&mut self.backlog.lock());
        self.has_direct.store(true, Ordering::Release);
        self.wake();
    }

    /// Marks the connection awake, so that senders skip the wake-up. The connection calls it at the start of a turn,
    /// and reads the mailbox before the turn ends.
    pub(crate) fn stay_awake(&self) {
        self.awake.swap(true, Ordering::AcqRel);
    }

    /// Registers the connection for the next wake-up. The connection reads its mailbox after this call.
    pub(crate) fn register(&self, cx: &Context<'_>) {
        self.waker.register(cx.waker());
        self.awake.swap(false, Ordering::AcqRel);
    }

    /// Takes the direct backlog. Called by the connection.
    pub(crate) fn take(&self) -> Option<DirectBacklog> {
        self.has_direct.swap(false, Ordering::Acquire).then(|| std::mem::take(&mut *self.backlog.lock()))
    }
}

impl Wake for Mailbox {
    fn wake_on(&self, _worker: usize) {
        self.waker.wake();
    }
}
