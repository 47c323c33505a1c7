//! How the rest of the house reaches one connection: wakes it, and leaves letters for it alone.
//!
//! A mailbox outlives nothing and owns nothing: rooms, the directory of users and completions hold it; the
//! connection empties it. Waking is one atomic swap for a connection that is awake already.
//!
//! No wake-up is lost: whoever has something for the connection publishes it first and swaps `awake` then; the
//! connection swaps `awake` first and looks then. As all changes of `awake` are swaps, one of the two comes after the
//! other and sees what that did. (A plain store could be passed by the loads that follow it.)

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Context;

use atomic_waker::AtomicWaker;
use parking_lot::Mutex;
use realtime_shared::{ClientMsgId, CloseCode, Ref, RoomName, UserId};

use super::Flusher;
use crate::broker::{NotStored, Receipt};
use crate::framing;
use crate::metrics::{Dropped, Metrics};

/// Bytes of letters that may wait for a connection which does not take them; past it, it is closed as too slow.
/// Answers are bounded before (a connection whose answers wait is not read from): this is for what others send.
const LETTER_BYTES: usize = 128 * 1024;

/// A connection, among those of this process.
pub(crate) type ConnectionId = u64;

/// A connection's, for everybody else.
pub(crate) struct Mailbox {
    pub(crate) connection: ConnectionId,
    pub(crate) user: UserId,
    /// The worker on whose thread the connection runs.
    pub(crate) worker: usize,
    /// That worker's.
    flusher: Arc<Flusher>,
    /// For what is counted where the connection is not at hand.
    pub(crate) metrics: Arc<Metrics>,
    awake: AtomicBool,
    waker: AtomicWaker,
    has_letters: AtomicBool,
    letters: Mutex<Letters>,
}

/// What was left for a connection.
#[derive(Default)]
pub(crate) struct Letters {
    /// Whole WebSocket frames.
    pub(crate) frames: Vec<u8>,
    /// Number of submissions that completed.
    pub(crate) completed: usize,
    /// Outcomes of those of them that the connection answers.
    pub(crate) completions: Vec<Completed>,
    /// That it is to end.
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
            has_letters: AtomicBool::new(false),
            letters: Mutex::default(),
        }
    }

    /// Makes the connection look at its rooms and letters.
    pub(crate) fn wake(&self) {
        if !self.awake.swap(true, Ordering::AcqRel) {
            self.waker.wake();
        }
    }

    /// The same, at the flusher's turn.
    pub(super) fn wake_now(&self) {
        self.waker.wake();
    }

    /// Leaves a frame.
    pub(crate) fn send(&self, json: &str) {
        self.leave(|letters| {
            framing::text(&mut letters.frames, json);
            if letters.frames.len() > LETTER_BYTES {
                letters.frames = Vec::new();
                letters.close.get_or_insert(CloseCode::TooSlow);
                self.metrics.dropped.inc(Dropped::DirectBacklogFull);
            }
        });
    }

    /// Leaves the completion of a submission, with its outcome if the connection answers it. Many complete at once:
    /// their connections are woken together.
    pub(crate) fn complete(self: &Arc<Self>, outcome: Option<Completed>) {
        {
            let mut letters = self.letters.lock();
            letters.completed += 1;
            letters.completions.extend(outcome);
        }
        self.has_letters.store(true, Ordering::Release);
        if !self.awake.swap(true, Ordering::AcqRel) {
            self.flusher.wake_later(self.clone());
        }
    }

    /// Asks the connection to end. The first who asks is heard.
    pub(crate) fn close(&self, code: CloseCode) {
        self.leave(|letters| {
            letters.close.get_or_insert(code);
        });
    }

    fn leave(&self, write: impl FnOnce(&mut Letters)) {
        write(&mut self.letters.lock());
        self.has_letters.store(true, Ordering::Release);
        self.wake();
    }

    /// For the connection: says that it is at work, and will look before it rests.
    pub(crate) fn stay_awake(&self) {
        self.awake.swap(true, Ordering::AcqRel);
    }

    /// For the connection: says that it looks now, and wants to be woken by what comes after.
    pub(crate) fn look(&self, cx: &Context<'_>) {
        self.waker.register(cx.waker());
        self.awake.swap(false, Ordering::AcqRel);
    }

    /// For the connection: what was left since.
    pub(crate) fn take(&self) -> Option<Letters> {
        self.has_letters.swap(false, Ordering::Acquire).then(|| std::mem::take(&mut *self.letters.lock()))
    }
}
