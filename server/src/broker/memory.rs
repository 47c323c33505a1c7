//! Engine in the memory of this process: rooms end with it.
//!
//! The lock of a room's log is held from assigning the seq to handing the entry to the feed: this makes the order.
//! History and dedup records are bounded for each room, and together for the whole process. When the process is full,
//! the oldest go first, across all rooms. A thread sweeps once a minute: it drops what is too old, and removes rooms that
//! have lost everything, have no member and are not open, some time after their last entry; see [`ROOM_REMOVAL_AGE`].
//!
//! Lock order: `eviction`, then the log of a room, then `rooms`, the members, the list of rooms or the founders. The feed
//! takes its own locks after a log's.

mod log;
mod sweeper;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use realtime_shared::{LeaveReason, Position, RoomName, RoomSummary, Seq, Timestamp, UserId};

use self::log::{AppendResult, MemoryLog, Moment, Usage};
use self::sweeper::Sweeper;
use super::founding::Founders;
use super::local_presence::LocalPresence;
use super::room_list::RoomList;
use super::{
    Broker, Completion, Feed, NotReady, NotStored, Page, Pending, Presence, Range, Recipients, RoomFilter,
    Signal, Submission, ready_with,
};
use crate::clock::Clock;
use crate::config::{MemoryStore, Retain, RoomLimits};

/// The eviction order is compacted when it is longer than this, and longer than twice the number of items.
const SPARE_ORDER: usize = 4_096;
/// Rooms that a sweep reads from the list at a time.
const SWEEP_ROOMS: usize = 256;

/// Broker for one process.
pub(crate) struct MemoryBroker {
    feed: Weak<dyn Feed>,
    clock: Clock,
    limits: MemoryStore,
    retain: Retain,
    rooms: Mutex<HashMap<RoomName, Arc<Mutex<MemoryLog>>>>,
    eviction: Mutex<EvictionOrder>,
    presence: LocalPresence,
    list: RoomList,
    founders: Mutex<Founders>,
    sweeper: OnceLock<Sweeper>,
}

/// Seqs of all rooms, oldest first, and the total usage. The order may name seqs that their room has dropped.
#[derive(Default)]
struct EvictionOrder {
    usage: Usage,
    order: VecDeque<(Weak<Mutex<MemoryLog>>, Seq)>,
}

impl MemoryBroker {
    /// Empty broker that publishes to `feed`.
    #[must_use]
    pub(crate) fn new(
        feed: Weak<dyn Feed>,
        clock: Clock,
        limits: MemoryStore,
        retain: Retain,
        rooms: RoomLimits,
    ) -> Self {
        let list = RoomList::default();
        Self {
            feed,
            clock,
            limits,
            retain,
            rooms: Mutex::default(),
            eviction: Mutex::default(),
            presence: LocalPresence::new(list.clone()),
            list,
            founders: Mutex::new(Founders::new(rooms)),
            sweeper: OnceLock::new(),
        }
    }

    /// Starts the thread that sweeps, for as long as the broker lives.
    pub(crate) fn start_sweeps(self: &Arc<Self>) -> io::Result<()> {
        let broker = Arc::downgrade(self);
        let sweeper = Sweeper::start(move || {
            if let Some(broker) = broker.upgrade() {
                broker.sweep();
            }
        })?;
        // The first one stays.
        let _ = self.sweeper.set(sweeper);
        Ok(())
    }

    /// Drops what is too old, and removes the rooms of which nothing is left.
    pub(crate) fn sweep(&self) {
        let since_boot = self.clock.since_boot();
        let (mut messages, mut rooms, mut removed) = (0, 0_u64, 0_u64);
        let mut after = None;
        loop {
            let names = self.list.names_after(after.as_ref(), SWEEP_ROOMS);
            for log in names.iter().filter_map(|name| self.log(name)) {
                let mut log = log.lock();
                let (dropped, freed) = log.drop_expired(&self.retain, since_boot);
                removed += u64::from(self.remove_if_outdated(&mut log, since_boot));
                drop(log);
                messages += dropped;
                rooms += u64::from(dropped > 0);
                self.eviction.lock().usage.subtract(freed);
            }
            match names.into_iter().next_back() {
                Some(last) => after = Some(last),
                None => break,
            }
        }
        if messages > 0 {
            tracing::info!(messages, rooms, "retention dropped messages");
        }
        if removed > 0 {
            tracing::info!(rooms = removed, "retention removed empty rooms");
        }
    }

    fn log(&self, room: &RoomName) -> Option<Arc<Mutex<MemoryLog>>> {
        self.rooms.lock().get(room).cloned()
    }

    /// Log of the room, created if it is missing.
    fn log_or_new(&self, room: &RoomName) -> Arc<Mutex<MemoryLog>> {
        let mut rooms = self.rooms.lock();
        if let Some(log) = rooms.get(room) {
            return log.clone();
        }
        let log = Arc::new(Mutex::new(MemoryLog::new(room.clone())));
        rooms.insert(room.clone(), log.clone());
        log
    }

    /// Applies the rules for the first entry of a room.
    fn found(&self, submission: &Submission, now: Timestamp) -> Result<(), NotStored> {
        if !submission.may_found_room() {
            return Err(NotStored::NewRoomNotNfc);
        }
        self.founders.lock().found(submission, now)
    }

    /// Removes a log of which nothing has to be known any more, unless the room has a member. True if it had entries.
    fn remove_if_outdated(&self, log: &mut MemoryLog, since_boot: Duration) -> bool {
        let had_entries = log.last.is_some();
        if log.removed || !log.is_outdated(since_boot) || had_entries && self.presence.has_members(&log.room)
        {
            return false;
        }
        log.removed = true;
        if had_entries {
            // Before the room gets another log.
            self.list.remove_log(&log.room);
            self.founders.lock().remove_room();
        }
        self.rooms.lock().remove(&log.room);
        had_entries
    }

    /// Accounts for what an entry added and freed, then evicts the oldest items until the total is within the limit.
    fn account(&self, log: &Arc<Mutex<MemoryLog>>, seq: Seq, added: Usage, freed: Usage) {
        let limit = isize::try_from(self.limits.history_bytes).unwrap_or(isize::MAX);
        let mut eviction = self.eviction.lock();
        eviction.usage.bytes += added.bytes;
        eviction.usage.items += added.items;
        eviction.usage.subtract(freed);
        eviction.order.push_back((Arc::downgrade(log), seq));
        while eviction.usage.bytes > limit {
            let Some((log, seq)) = eviction.order.pop_front() else { break };
            let Some(log) = log.upgrade() else { continue };
            let mut log = log.lock();
            eviction.usage.subtract(log.drop_up_to(seq));
        }
        let items = usize::try_from(eviction.usage.items).unwrap_or(0);
        if eviction.order.len() > SPARE_ORDER.max(2 * items) {
            eviction.order.retain(|(log, seq)| log.upgrade().is_some_and(|log| log.lock().holds(*seq)));
        }
    }
}

impl Broker for MemoryBroker {
    fn readiness(&self) -> Result<(), NotReady> {
        Ok(())
    }

    fn open(&self, room: &RoomName) -> Pending<Position> {
        loop {
            let log = self.log_or_new(room);
            let mut log = log.lock();
            if !log.removed {
                log.open_count += 1;
                return ready_with(log.position());
            }
        }
    }

    fn release(&self, room: &RoomName) {
        if let Some(log) = self.log(room) {
            let mut log = log.lock();
            log.open_count = log.open_count.saturating_sub(1);
            self.remove_if_outdated(&mut log, self.clock.since_boot());
        }
    }

    fn catch_up(&self, _: &RoomName) -> Pending<()> {
        ready_with(())
    }

    fn submit(&self, submission: Submission, complete: Completion) {
        let now = Moment { ts: self.clock.now(), since_boot: self.clock.since_boot() };
        let key = submission.dedup_key();
        loop {
            let shared = self.log_or_new(&submission.room);
            let mut log = shared.lock();
            if log.removed {
                continue;
            }
            if let Some(receipt) = key.as_ref().and_then(|key| log.find_duplicate(key, now)) {
                drop(log);
                return complete(Ok(receipt));
            }
            if log.epoch.is_none()
                && let Err(refusal) = self.found(&submission, now.ts)
            {
                self.remove_if_outdated(&mut log, now.since_boot);
                drop(log);
                return complete(Err(refusal));
            }
            let AppendResult { entry, receipt, added, freed } = log.append(submission, now, &self.retain);
            let head = (&log.room, log.position(), receipt.ts);
            self.list.set_heads(std::iter::once(head));
            if let Some(feed) = self.feed.upgrade() {
                feed.entry(&log.room, &receipt.epoch, &entry);
            }
            drop(log);
            self.account(&shared, entry.seq, added, freed);
            return complete(Ok(receipt));
        }
    }

    fn flush(&self) {}

    fn signal(&self, room: &RoomName, signal: Signal) {
        if let Some(feed) = self.feed.upgrade() {
            feed.signal(room, &signal);
        }
    }

    fn broadcast(&self, to: Recipients, json: Arc<str>) {
        if let Some(feed) = self.feed.upgrade() {
            feed.broadcast(&to, &json);
        }
    }

    fn history(&self, room: &RoomName, range: Range, limit: usize, bytes: usize) -> Pending<Page> {
        ready_with(match self.log(room) {
            Some(log) => log.lock().page(range, limit, bytes, &self.retain, self.clock.since_boot()),
            None => Page { epoch: None, entries: Vec::new(), has_more: false },
        })
    }

    fn list(&self, filter: RoomFilter, limit: usize) -> Pending<(Vec<RoomSummary>, bool)> {
        self.list.list(filter, limit)
    }

    fn enter(&self, room: &RoomName, user: &UserId, members: usize) -> Pending<Presence> {
        ready_with(self.presence.enter(self.feed.upgrade(), room, user, members))
    }

    fn leave(&self, room: &RoomName, user: &UserId, reason: LeaveReason) -> Pending<Presence> {
        ready_with(self.presence.leave(self.feed.upgrade(), room, user, reason))
    }

    fn members(&self, room: &RoomName, members: usize) -> Pending<Presence> {
        ready_with(self.presence.members(room, members))
    }

    fn connect(&self, user: &UserId, limit: usize) -> Pending<Option<u64>> {
        ready_with(self.presence.connect(user, limit))
    }

    fn disconnect(&self, user: &UserId) {
        self.presence.disconnect(user);
    }
}
