//! Mailboxes: the wake-up of one connection, and its direct backlog.
//!
//! Rooms, the directory of users and completions hold a connection's mailbox; the connection empties it. Waking a
//! connection that is awake costs one atomic swap.
//!
//! No wake-up is lost. A sender publishes first and swaps `awake` then; the connection swaps `awake` first and reads
//! then. All changes of `awake` are swaps, so the later of the two sees the writes before the earlier one. (Loads
//! could pass a plain store that precedes them.)

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

/// Bytes of the direct backlog, past which the connection is closed as too slow. It holds frames of other users: answers
/// have a bound of their own.
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
    /// Outcomes of those of them that the connection answers.
    pub(crate) completions: Vec<Completed>,
    /// The connection has to close with this code.
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
        self.push(|backlog| {
            framing::text(&mut backlog.frames, json);
            if backlog.frames.len() > DIRECT_BACKLOG_BYTES {
                backlog.frames = Vec::new();
                backlog.close.get_or_insert(CloseCode::TooSlow);
                self.metrics.dropped.inc(Dropped::DirectBacklogFull);
            }
        });
    }

    /// Leaves the completion of a submission, with its outcome if the connection answers it. Many complete at once:
    /// their connections are woken together.
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

    /// Closes the connection. The first code counts.
    pub(crate) fn close(&self, code: CloseCode) {
        self.push(|backlog| {
            backlog.close.get_or_insert(code);
        });
    }

    fn push(&self, write: impl FnOnce(&mut DirectBacklog)) {
        write(&mut self.backlog.lock());
        self.has_direct.store(true, Ordering::Release);
        self.wake();
    }

    /// Marks the connection awake: it reads its mailbox before it rests. Called by the connection.
    pub(crate) fn stay_awake(&self) {
        self.awake.swap(true, Ordering::AcqRel);
    }

    /// Registers the connection for the next wake-up. It reads its mailbox after this call.
    pub(crate) fn look(&self, cx: &Context<'_>) {
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
