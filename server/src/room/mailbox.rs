//! Mailboxes: the wake-up of one connection, and its direct backlog.
//!
//! Rooms, the table of users and the completions of submissions hold the mailbox of a connection and write to it, on
//! any thread. Only the connection reads it. Waking a connection that is awake costs one atomic swap. [`WakeUp`] is the
//! protocol by which no wake-up is lost.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Context;

use parking_lot::Mutex;
use realtime_shared::{ClientMsgId, CloseCode, Ref, RoomName, Seq, UserId};

use super::flush::{Flusher, Round, Wake};
use super::wake_up::WakeUp;
use crate::broker::{NotStored, Receipt, Unavailable};
use crate::framing;
use crate::metrics::{Dropped, Metrics};

/// Limits on the direct backlog. Beyond them the connection is closed as too slow. Its frames are shared with the other
/// receivers, so they take memory once. Answers to the client's own frames have another limit, in the connection.
pub(super) const DIRECT_BACKLOG_BYTES: usize = 4 * 1024 * 1024;
const DIRECT_BACKLOG_FRAMES: usize = 1024;
/// Direct frames beyond which further notifications are dropped: other users decide how many there are.
const NOTIFIED_FRAMES: usize = 128;

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
    rest: Option<Box<Rest>>,
}

#[derive(Default)]
struct Rest {
    frames: VecDeque<DirectFrame>,
    /// Bytes of the frames.
    frame_bytes: usize,
    completions: Vec<Completed>,
    close: Option<CloseCode>,
}

struct DirectFrame {
    json: Arc<str>,
    about: Option<About>,
}

/// The room that a direct frame is about. The connection that sends the frame decides if it may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct About {
    pub(crate) room: RoomName,
    /// The frame is for connections that are not in the room. It may be dropped.
    pub(crate) is_notification: bool,
}

impl Slot {
    fn rest(&mut self) -> &mut Rest {
        self.rest.get_or_insert_default()
    }
}

/// The part of the direct backlog that a connection takes at once. It takes frames as it can write them, with
/// [`Mailbox::pull`].
#[derive(Default)]
pub(crate) struct DirectBacklog {
    /// There are frames.
    pub(crate) has_frames: bool,
    /// Number of submissions that completed.
    pub(crate) completed: usize,
    /// The outcomes that the connection has to answer.
    pub(crate) completions: Vec<Completed>,
    /// Close code, if the connection has to close.
    pub(crate) close: Option<CloseCode>,
}

/// The outcome of a submission or of a read marker, with what its answer repeats.
pub(crate) enum Completed {
    Submission(CompletedSubmission),
    Read { room: RoomName, reference: Option<Ref>, result: Result<Seq, Unavailable> },
}

pub(crate) struct CompletedSubmission {
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

    /// Wakes the connection. Returns true if it was at rest.
    pub(crate) fn wake(&self) -> bool {
        let was_at_rest = self.wake_up.rouse();
        if was_at_rest {
            self.wake_up.wake();
        }
        was_at_rest
    }

    /// Adds a frame to the direct backlog.
    pub(crate) fn send(&self, json: &Arc<str>) {
        self.add(json, None);
    }

    /// Adds a frame about a room to the direct backlog. A notification is dropped if many frames wait.
    pub(crate) fn send_about(&self, json: &Arc<str>, about: About) {
        if about.is_notification && self.waiting() >= NOTIFIED_FRAMES {
            self.metrics.dropped.inc(Dropped::NotificationLimit);
        } else {
            self.add(json, Some(about));
        }
    }

    /// Number of frames in the direct backlog.
    fn waiting(&self) -> usize {
        self.backlog.lock().rest.as_ref().map_or(0, |rest| rest.frames.len())
    }

    fn add(&self, json: &Arc<str>, about: Option<About>) {
        self.write(|backlog| {
            backlog.frames.push_back(DirectFrame { json: json.clone(), about });
            backlog.frame_bytes += json.len();
            if backlog.frame_bytes > DIRECT_BACKLOG_BYTES || backlog.frames.len() > DIRECT_BACKLOG_FRAMES {
                let dropped = std::mem::take(&mut backlog.frames);
                backlog.frame_bytes = 0;
                backlog.close.get_or_insert(CloseCode::TooSlow);
                self.metrics.dropped.add(Dropped::DirectBacklogFull, dropped.len() as u64);
            }
        });
    }

    /// Moves frames to `out`, until it has about `limit` bytes. Frames about a room that `admits` refuses are dropped.
    /// Returns true if there are more. Called by the connection.
    pub(crate) fn pull(&self, out: &mut Vec<u8>, limit: usize, admits: impl Fn(&About) -> bool) -> bool {
        let mut slot = self.backlog.lock();
        let Some(rest) = &mut slot.rest else { return false };
        while out.len() < limit {
            let Some(DirectFrame { json, about }) = rest.frames.pop_front() else { break };
            rest.frame_bytes -= json.len();
            if about.as_ref().is_none_or(&admits) {
                framing::text(out, &json);
            }
        }
        let has_more = !rest.frames.is_empty();
        if !has_more && rest.completions.is_empty() && rest.close.is_none() {
            slot.rest = None;
        }
        has_more
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

    fn write(&self, change: impl FnOnce(&mut Rest)) {
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
            let mut slot = self.backlog.lock();
            let completed = std::mem::take(&mut slot.completed);
            let Some(rest) = &mut slot.rest else {
                return DirectBacklog { completed, ..DirectBacklog::default() };
            };
            let taken = DirectBacklog {
                has_frames: !rest.frames.is_empty(),
                completed,
                completions: std::mem::take(&mut rest.completions),
                close: rest.close.take(),
            };
            if !taken.has_frames {
                slot.rest = None;
            }
            taken
        })
    }
}

impl Wake for Mailbox {
    fn wake_on(&self, _worker: usize, _round: Option<Round>) -> Option<Round> {
        self.wake_up.wake();
        None
    }
}
