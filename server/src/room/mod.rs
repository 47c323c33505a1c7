//! Rooms: a ring of encoded frames each, and the members that are woken when it grows.
//!
//! A connection in a room has a [`Seat`] among the members and a [`Cursor`] into the ring. It has no queue: a wake-up
//! only signals that the ring has grown, and the connection copies the frames when it is ready to write.
//!
//! - [`Registry`] holds the rooms that are open on this instance, and connects them to the broker. It implements
//!   [`Feed`](crate::broker::Feed): every frame that members receive enters a ring through the feed.
//! - [`Room`] is the state of one room behind one lock: its [ring](RoomRing) and its [members](Members).
//! - [`Mailbox`] wakes one connection, and holds frames for it that belong to no room. A [`Flusher`] collects the
//!   wake-ups of a worker.
//! - [`recovery`] decides where a joiner with a position begins to read. [`store_reads`] reads the store for connections
//!   that the ring does not serve, and [`page_queue`] shares the pages among them.
//!
//! Membership changes of a room happen in its turn, an async lock that is held until the broker has answered. The
//! lock of a room's state is never held across an await or a call of the broker, which calls the feed with its own
//! locks held. The order of all locks is in `ARCHITECTURE.md`.

mod cursor;
mod flush;
mod grace;
mod mailbox;
mod maintenance;
mod members;
mod membership;
mod page_queue;
mod presence_holds;
mod presence_notices;
mod presence_pacing;
mod recovery;
mod registry;
mod ring;
mod scheduled;
mod segment;
mod store_reads;
#[cfg(test)]
mod tests;
mod users;
mod wake_up;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use realtime_shared::{CloseCode, Epoch, Position, Recovery, RoomName, UserId};

pub(crate) use self::cursor::{Cursor, Pulled, RoomEnd};
use self::flush::{Flusher, Round, Wake};
pub(crate) use self::mailbox::{About, Completed, CompletedSubmission, DirectBacklog, Mailbox};
use self::members::Members;
pub(crate) use self::members::Seat;
use self::presence_holds::PresenceHolds;
use self::presence_pacing::{Pace, PresencePacing};
pub(crate) use self::registry::{Entrance, NotJoined, Registry};
pub(crate) use self::ring::Overtaken;
use self::ring::{RingAppend, RoomRing};
use self::scheduled::Scheduled;
pub(crate) use self::store_reads::{PagePermit, StoreRead};
use crate::broker::{Entry, PresenceChange, Signal, Skip};
use crate::budget::RoomBudget;
use crate::config::Ring;
use crate::faults::{self, Fault};
use crate::metrics::{Dropped, Metrics};

/// Limit on the entries that are kept while a room is being opened. Further ones are dropped; the next entry then
/// does not follow, and the ring is discarded.
const EARLY_ENTRIES: usize = 1_024;
/// Members that are woken at once. Other connections of the worker have to wait for their turns.
const WOKEN_AT_ONCE: usize = 64;

/// A room that is open on this instance.
pub(crate) struct Room {
    pub(crate) name: RoomName,
    budget: Arc<RoomBudget>,
    /// The end of the ring, for reads without the lock.
    end: AtomicU64,
    replacements: AtomicU64,
    /// Number of members that receive a frame, for reads without the lock.
    audience: AtomicUsize,
    /// For each worker.
    scheduled: Box<[Scheduled]>,
    state: Mutex<State>,
    /// Held by a membership change from its first step until the broker has answered.
    turn: tokio::sync::Mutex<()>,
}

struct State {
    ring: RingState,
    /// The broker announces the room to the feed.
    opened: bool,
    members: Members,
    /// Joins and leaves that have not been announced to the members.
    pacing: PresencePacing,
    /// The registry has removed the room, which had no members.
    removed: bool,
}

enum RingState {
    /// The room is not open yet, or its ring was discarded. Announcements are ignored: the next opening reads the head.
    Closed,
    /// The broker has not returned the head yet.
    Opening {
        /// The start of the log, if it was replaced meanwhile. Overrides the head that the broker returns.
        reset: Option<Position>,
        /// Entries announced meanwhile.
        early: Vec<(Epoch, Entry)>,
    },
    Open(RoomRing),
}

impl RingState {
    const fn opening() -> Self {
        Self::Opening { reset: None, early: Vec::new() }
    }
}

impl Room {
    fn new(name: RoomName, budget: Arc<RoomBudget>, workers: usize) -> Self {
        Self {
            name,
            budget,
            end: AtomicU64::new(0),
            replacements: AtomicU64::new(0),
            audience: AtomicUsize::new(0),
            scheduled: (0..workers).map(|_| Scheduled::new()).collect(),
            state: Mutex::new(State {
                ring: RingState::Closed,
                opened: false,
                members: Members::new(workers),
                pacing: PresencePacing::default(),
                removed: false,
            }),
            turn: tokio::sync::Mutex::new(()),
        }
    }

    /// Begins the ring at `head`, and appends the entries that were announced since the broker was called.
    fn open(self: &Arc<Self>, head: Position, context: &Context<'_>) {
        let mut state = self.state.lock();
        let (head, early) = match std::mem::replace(&mut state.ring, RingState::Closed) {
            RingState::Opening { reset, early } => (reset.unwrap_or(head), early),
            RingState::Closed | RingState::Open(_) => (head, Vec::new()),
        };
        state.ring = RingState::Open(RoomRing::starting_at(head, self.end.load(Ordering::Acquire)));
        for (epoch, entry) in early {
            self.append_to(&mut state, &epoch, &entry, context);
        }
    }

    /// Appends an entry and schedules the wake-up of the members.
    fn append(self: &Arc<Self>, epoch: &Epoch, entry: &Entry, context: &Context<'_>) {
        let mut state = self.state.lock();
        if !state.removed {
            self.append_to(&mut state, epoch, entry, context);
        }
    }

    fn append_to(self: &Arc<Self>, state: &mut State, epoch: &Epoch, entry: &Entry, context: &Context<'_>) {
        let ring = match &mut state.ring {
            RingState::Open(ring) => ring,
            RingState::Closed => return,
            RingState::Opening { early, .. } => {
                if early.len() < EARLY_ENTRIES {
                    early.push((epoch.clone(), entry.clone()));
                } else {
                    context.metrics.dropped.inc(Dropped::EarlyEntryLimit);
                }
                return;
            }
        };
        let bytes_before = ring.bytes();
        match ring.append(epoch, entry, context.now) {
            RingAppend::Appended => {
                self.budget.spend(entry.json.len(), context.now);
                self.on_growth(state, bytes_before, context);
            }
            RingAppend::Duplicate => {}
            RingAppend::Rejected => {
                tracing::error!(room = %self.name, seq = entry.seq.get(), "an entry does not follow the log: closing its members");
                self.discard_ring(state, bytes_before, context);
            }
        }
    }

    /// Gives entries other frames, in the ring and in pages of the store that are being read.
    fn replace(&self, entries: &[Entry], context: &Context<'_>) {
        if faults::breaks(Fault::DeletionLeavesRing) {
            return;
        }
        let mut state = self.state.lock();
        self.replacements.fetch_add(1, Ordering::AcqRel);
        match &mut state.ring {
            RingState::Open(ring) => {
                let bytes_before = ring.bytes();
                for entry in entries {
                    ring.replace(entry);
                }
                context.trim(ring, bytes_before);
            }
            RingState::Opening { early, .. } => {
                for (_, known) in early {
                    if let Some(entry) =
                        entries.iter().find(|entry| (entry.seq, entry.id) == (known.seq, known.id))
                    {
                        known.json = entry.json.clone();
                    }
                }
            }
            RingState::Closed => {}
        }
    }

    /// Number of times that entries got other frames. A page that was read at another number may have old frames.
    pub(crate) fn replacements(&self) -> u64 {
        self.replacements.load(Ordering::Acquire)
    }

    /// Discards a ring that does not match its log, and closes the members. They return with their positions, and the
    /// first to join opens the room again.
    fn discard_ring(&self, state: &mut State, bytes: usize, context: &Context<'_>) {
        state.members.all().for_each(|mailbox| mailbox.close(CloseCode::Internal));
        state.ring = RingState::Closed;
        // The next ring starts beyond every offset of this one, so a cursor into this one is never valid there.
        self.end.fetch_add(1, Ordering::AcqRel);
        context.ring_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Replaces the log by another one that begins after `start`, and sends the members a `resync`.
    fn reset(self: &Arc<Self>, start: &Position, head: &Position, replayed: u64, context: &Context<'_>) {
        let mut state = self.state.lock();
        if state.removed {
            return;
        }
        let ring = match &mut state.ring {
            RingState::Open(ring) => ring,
            RingState::Closed => return,
            RingState::Opening { reset, early } => {
                early.clear();
                *reset = Some(start.clone());
                return;
            }
        };
        let bytes_before = ring.bytes();
        let recovery = Recovery::Reset { replayed };
        let json = self.resync("some of this room's newest messages were lost", head, recovery).into();
        ring.reset(start.clone(), &Signal::new(json, Skip::Nobody), context.now);
        self.on_growth(&mut state, bytes_before, context);
    }

    /// Appends a signal, if the room is open.
    fn signal(self: &Arc<Self>, signal: &Signal, context: &Context<'_>) {
        let mut state = self.state.lock();
        if state.removed {
            return;
        }
        let RingState::Open(ring) = &mut state.ring else { return };
        let bytes_before = ring.bytes();
        ring.signal(signal, context.now);
        self.on_growth(&mut state, bytes_before, context);
    }

    /// Appends the signal about a join or leave, or holds the change, if the room is open.
    fn presence(
        self: &Arc<Self>,
        change: &PresenceChange,
        signal: &mut dyn FnMut() -> Signal,
        context: &Context<'_>,
    ) {
        let mut state = self.state.lock();
        if state.removed {
            return;
        }
        let State { ring: RingState::Open(ring), pacing, .. } = &mut *state else { return };
        match pacing.change(change, context.now) {
            Pace::Now => {
                let bytes_before = ring.bytes();
                ring.signal(&signal(), context.now);
                self.on_growth(&mut state, bytes_before, context);
            }
            Pace::Until(due) => {
                context.presence_holds.schedule(due, self.name.clone());
                self.count_audience(&state);
            }
            Pace::Held => self.count_audience(&state),
        }
    }

    /// Counts the members that receive a frame: all that are known here, or the connections here if they are more.
    fn count_audience(&self, state: &State) {
        let members = state.pacing.count().map_or(0, |count| usize::try_from(count).unwrap_or(usize::MAX));
        self.audience.store(members.max(state.members.connections()), Ordering::Relaxed);
    }

    /// Trims the ring after an append, and schedules the wake-up of the members on each worker, at most once.
    fn on_growth(self: &Arc<Self>, state: &mut State, bytes_before: usize, context: &Context<'_>) {
        let RingState::Open(ring) = &mut state.ring else { return };
        context.trim(ring, bytes_before);
        self.end.store(ring.end(), Ordering::Release);
        self.count_audience(state);
        for worker in state.members.workers() {
            if self.scheduled[worker].set() {
                context.flushers[worker].schedule(self.clone());
            }
        }
    }

    /// Number of members that receive a frame, as far as it was known here at the last frame or change of the members.
    pub(crate) fn audience(&self) -> usize {
        self.audience.load(Ordering::Relaxed)
    }

    /// The users that are members on this instance, sorted.
    fn users(&self) -> Vec<UserId> {
        let state = self.state.lock();
        if state.removed { Vec::new() } else { state.members.users() }
    }

    /// Wakes members on `worker`, at most [`WOKEN_AT_ONCE`] of those at rest, from where `round` stands. Returns the
    /// round if others are left. A new round begins at a random member, because the first one is served first.
    ///
    /// If the ring grows meanwhile, the round goes on until it has reached all members again. So the members of a busy
    /// room have one turn each in a round, not one for each frame.
    fn wake_members(&self, worker: usize, round: Option<Round>) -> Option<Round> {
        let end = self.end.load(Ordering::Acquire);
        let mut round = match round {
            Some(round) if round.end == end => round,
            Some(Round { next, .. }) => Round { end, next, left: usize::MAX },
            None => Round { end, next: fastrand::usize(..), left: usize::MAX },
        };
        self.state.lock().members.wake_some(worker, &mut round, WOKEN_AT_ONCE);
        if round.left > 0 {
            return Some(round);
        }
        let has_grown = || self.end.load(Ordering::Acquire) != round.end;
        self.scheduled[worker].remove_unless(has_grown).then_some(round)
    }

    /// Trims frames that are too old, and forgets presence changes that are too old to matter.
    fn trim(&self, context: &Context<'_>) {
        let mut state = self.state.lock();
        if state.removed {
            return;
        }
        state.pacing.clean_up(context.now);
        if let RingState::Open(ring) = &mut state.ring {
            let bytes_before = ring.bytes();
            context.trim(ring, bytes_before);
        }
    }
}

impl Wake for Room {
    fn wake_on(&self, worker: usize, round: Option<Round>) -> Option<Round> {
        self.wake_members(worker, round)
    }
}

/// Settings and counters of the registry, for a change of a ring.
struct Context<'a> {
    now: Instant,
    limits: &'a Ring,
    flushers: &'a [Arc<Flusher>],
    /// Bytes in the rings of all rooms.
    ring_bytes: &'a AtomicUsize,
    presence_holds: &'a PresenceHolds,
    metrics: &'a Metrics,
}

impl Context<'_> {
    /// Trims a ring, which had `bytes_before`, to its own limits and to the limit of all rings together.
    fn trim(&self, ring: &mut RoomRing, bytes_before: usize) {
        let full = self.ring_bytes.load(Ordering::Relaxed) > self.limits.bytes_total;
        // Above the common limit each ring keeps its newest segment only.
        let max_bytes = if full { 0 } else { self.limits.bytes_per_room };
        ring.trim(max_bytes, self.limits.keep, self.now);
        let bytes = ring.bytes();
        if bytes >= bytes_before {
            self.ring_bytes.fetch_add(bytes - bytes_before, Ordering::Relaxed);
        } else {
            self.ring_bytes.fetch_sub(bytes_before - bytes, Ordering::Relaxed);
        }
    }
}
