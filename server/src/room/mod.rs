//! Rooms: a log of encoded frames, and the members that are woken when it grows.
//!
//! A connection in a room is a [`Cursor`] into its log and a seat among its [`members`]; nothing is queued for it.
//! Everything that members see comes through the [`Feed`](crate::broker::Feed), which [`Registry`] implements: there
//! is no other way into a log. A room's lock is never held across a call to the broker (the feed is called with the
//! broker's locks held) nor across an await.

mod cursor;
mod flush;
mod grace;
mod log;
mod mailbox;
mod members;
mod membership;
mod recovery;
mod registry;
#[cfg(test)]
mod tests;
mod users;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use realtime_shared::{
    CloseCode, Epoch, Position, Recovery, Resync, RoomName, ServerEvent, SystemEvent, UserId, codec,
};

pub(crate) use self::cursor::{Cursor, Pulled};
use self::flush::{Flusher, Wake};
use self::log::{Appended, RoomLog};
pub(crate) use self::log::{Overtaken, Place};
pub(crate) use self::mailbox::{Completed, DirectBacklog, Mailbox};
use self::members::Members;
pub(crate) use self::members::Seat;
pub(crate) use self::registry::{Entrance, Registry};
use crate::broker::{Entry, Signal, Skip};
use crate::config::Ring;
use crate::metrics::{Dropped, Metrics};

/// Entries that wait while a room is being opened. Those beyond are missed, and the log begins anew when that shows.
const EARLY_ENTRIES: usize = 1_024;

/// A room that members of this instance are in.
pub(crate) struct Room {
    pub(crate) name: RoomName,
    /// Where the log ends, to look at without the lock.
    end: AtomicU64,
    /// For each worker whether its flusher has been asked.
    scheduled: Box<[AtomicBool]>,
    state: Mutex<State>,
    /// Membership changes of a room happen one after the other, the broker's answer included.
    turn: tokio::sync::Mutex<()>,
}

struct State {
    log: Log,
    /// The broker announces it.
    opened: bool,
    members: Members,
    /// Nobody was left, and the registry has forgotten it.
    gone: bool,
}

enum Log {
    /// The head is being asked for.
    Opening {
        /// Where the log begins whatever the answer is: it was said to have become another one meanwhile.
        reset: Option<Position>,
        /// What is announced meanwhile.
        early: Vec<(Epoch, Entry)>,
    },
    Open(RoomLog),
}

impl Log {
    const fn opening() -> Self {
        Self::Opening { reset: None, early: Vec::new() }
    }
}

impl Room {
    fn new(name: RoomName, workers: usize) -> Self {
        Self {
            name,
            end: AtomicU64::new(0),
            scheduled: (0..workers).map(|_| AtomicBool::new(false)).collect(),
            state: Mutex::new(State {
                log: Log::opening(),
                opened: false,
                members: Members::new(workers),
                gone: false,
            }),
            turn: tokio::sync::Mutex::new(()),
        }
    }

    /// Begins the log at `head`, with what was announced since the broker was asked.
    fn open(self: &Arc<Self>, head: Position, context: &Context<'_>) {
        let mut state = self.state.lock();
        let (head, early) = match std::mem::replace(&mut state.log, Log::opening()) {
            Log::Opening { reset, early } => (reset.unwrap_or(head), early),
            Log::Open(_) => (head, Vec::new()),
        };
        state.log = Log::Open(RoomLog::starting_at(head, self.end.load(Ordering::Acquire)));
        for (epoch, entry) in early {
            self.append_to(&mut state, &epoch, &entry, context);
        }
    }

    /// Appends an entry and has the members woken.
    fn append(self: &Arc<Self>, epoch: &Epoch, entry: &Entry, context: &Context<'_>) {
        let mut state = self.state.lock();
        if !state.gone {
            self.append_to(&mut state, epoch, entry, context);
        }
    }

    fn append_to(self: &Arc<Self>, state: &mut State, epoch: &Epoch, entry: &Entry, context: &Context<'_>) {
        let log = match &mut state.log {
            Log::Open(log) => log,
            Log::Opening { early, .. } => {
                if early.len() < EARLY_ENTRIES {
                    early.push((epoch.clone(), entry.clone()));
                } else {
                    context.metrics.dropped.inc(Dropped::EarlyEntryLimit);
                }
                return;
            }
        };
        let before = log.bytes();
        match log.append(epoch, entry, context.now) {
            Appended::Next => self.grown(state, before, context),
            Appended::Known => {}
            Appended::Broken => {
                tracing::error!(room = %self.name, seq = entry.seq.get(), "an entry does not follow the log: closing its members");
                self.begin_anew(state, before, context);
            }
        }
    }

    /// Where nothing that is here can be believed: the members are closed, and the log is opened again when they come
    /// back with their positions.
    fn begin_anew(&self, state: &mut State, bytes: usize, context: &Context<'_>) {
        state.members.all().for_each(|mailbox| mailbox.close(CloseCode::Internal));
        state.log = Log::opening();
        // Places go on: a cursor into the log that ended is before the next one, and never within it.
        self.end.fetch_add(1, Ordering::AcqRel);
        context.ring_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Goes on with another log, from `start`, and tells the members so.
    fn reset(self: &Arc<Self>, start: &Position, head: &Position, replayed: u64, context: &Context<'_>) {
        let mut state = self.state.lock();
        if state.gone {
            return;
        }
        let log = match &mut state.log {
            Log::Open(log) => log,
            Log::Opening { reset, early } => {
                early.clear();
                *reset = Some(start.clone());
                return;
            }
        };
        let before = log.bytes();
        let resync = SystemEvent::Resync(Resync {
            message: "some of this room's newest messages were lost".to_owned(),
            room: self.name.clone(),
            position: head.clone(),
            recovery: Recovery::Reset { replayed },
        });
        let json = codec::encode(&ServerEvent::System(resync)).into();
        log.reset(start.clone(), &Signal { json, skip: Skip::Nobody, presence_version: 0 }, context.now);
        self.grown(&mut state, before, context);
    }

    /// Shows what is not kept.
    fn signal(self: &Arc<Self>, signal: &Signal, context: &Context<'_>) {
        let mut state = self.state.lock();
        if state.gone {
            return;
        }
        if let Log::Open(log) = &mut state.log {
            let before = log.bytes();
            log.signal(signal, context.now);
            self.grown(&mut state, before, context);
        }
    }

    fn grown(self: &Arc<Self>, state: &mut State, before: usize, context: &Context<'_>) {
        let Log::Open(log) = &mut state.log else { return };
        context.trim(log, before);
        self.end.store(log.end(), Ordering::Release);
        for worker in state.members.workers() {
            if !self.scheduled[worker].swap(true, Ordering::AcqRel) {
                context.flushers[worker].schedule(self.clone());
            }
        }
    }

    /// Its users on this instance.
    fn users(&self) -> Vec<UserId> {
        let state = self.state.lock();
        if state.gone { Vec::new() } else { state.members.users() }
    }

    /// Wakes the members on `worker`, beginning with any of them.
    fn wake_members(&self, worker: usize) {
        self.scheduled[worker].store(false, Ordering::Release);
        let first = fastrand::usize(..);
        self.state.lock().members.on(worker, first).for_each(|mailbox| mailbox.wake());
    }

    /// Trims frames that are too old.
    fn trim(&self, context: &Context<'_>) {
        let mut state = self.state.lock();
        if state.gone {
            return;
        }
        if let Log::Open(log) = &mut state.log {
            let before = log.bytes();
            context.trim(log, before);
        }
    }
}

impl Wake for Room {
    fn wake_on(&self, worker: usize) {
        self.wake_members(worker);
    }
}

/// Settings and counters for the growth of a ring.
struct Context<'a> {
    now: Instant,
    ring: &'a Ring,
    flushers: &'a [Arc<Flusher>],
    /// Bytes in the logs of all rooms.
    ring_bytes: &'a std::sync::atomic::AtomicUsize,
    metrics: &'a Metrics,
}

impl Context<'_> {
    /// Keeps a log, which had `before` bytes, and all logs together in their bounds.
    fn trim(&self, log: &mut RoomLog, before: usize) {
        let full = self.ring_bytes.load(Ordering::Relaxed) > self.ring.bytes_total;
        // Where all together are too many, each keeps its newest segment.
        let most = if full { 0 } else { self.ring.bytes_per_room };
        log.trim(most, self.ring.keep, self.now);
        let after = log.bytes();
        if after >= before {
            self.ring_bytes.fetch_add(after - before, Ordering::Relaxed);
        } else {
            self.ring_bytes.fetch_sub(before - after, Ordering::Relaxed);
        }
    }
}
