//! Rooms in the memory of this process: they end with it.
//!
//! A room's lock is held from numbering an entry to handing it to the feed, which is what makes the order. History
//! and deduplication are bounded for each room, and together for the whole process: when it is full the oldest go
//! first, of whatever room, and a room that has lost its last one begins anew, in a new epoch, unless it is open.
//!
//! Locks are taken in the order `ages`, a room's log, `rooms`; the feed takes its own after a log's.

mod log;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use realtime_shared::{LeaveReason, Position, RoomName, RoomSummary, Seq, UserId};

use self::log::{Appended, Held, Log};
use super::people::People;
use super::{
    Broker, Completion, Feed, Page, Pending, Presence, Range, Recipients, RoomFilter, Signal, Submission,
    busiest_first, ready_with, without_entries,
};
use crate::clock::Clock;
use crate::config::{MemoryStore, Retain};

/// The order of age is cleared of what is gone when it is longer than this, and than twice what is there.
const SPARE_AGES: usize = 4_096;

/// A broker for one process.
pub(crate) struct MemoryBroker {
    feed: Weak<dyn Feed>,
    clock: Clock,
    limits: MemoryStore,
    retain: Retain,
    rooms: Mutex<HashMap<RoomName, Arc<Mutex<Log>>>>,
    ages: Mutex<Ages>,
    people: People,
}

/// The numbers of all rooms in the order of their age; some of them gone from their room already.
#[derive(Default)]
struct Ages {
    held: Held,
    order: VecDeque<(Weak<Mutex<Log>>, Seq)>,
}

impl MemoryBroker {
    /// An empty one, which announces to `feed`.
    #[must_use]
    pub(crate) fn new(feed: Weak<dyn Feed>, clock: Clock, limits: MemoryStore, retain: Retain) -> Self {
        Self {
            feed,
            clock,
            limits,
            retain,
            rooms: Mutex::default(),
            ages: Mutex::default(),
            people: People::default(),
        }
    }

    fn log(&self, room: &RoomName) -> Option<Arc<Mutex<Log>>> {
        self.rooms.lock().get(room).cloned()
    }

    /// The room's log, made if need be.
    fn log_or_new(&self, room: &RoomName) -> Arc<Mutex<Log>> {
        let mut rooms = self.rooms.lock();
        if let Some(log) = rooms.get(room) {
            return log.clone();
        }
        let log = Arc::new(Mutex::new(Log::new(room.clone())));
        rooms.insert(room.clone(), log.clone());
        log
    }

    fn forget_if_empty(&self, log: &mut Log) {
        if log.opened == 0 && !log.gone && log.entries.is_empty() && log.known.is_empty() {
            log.gone = true;
            self.rooms.lock().remove(&log.room);
        }
    }

    /// Counts what was added and freed, and makes room in the process: drops the oldest until all fit.
    fn account(&self, log: &Arc<Mutex<Log>>, seq: Seq, added: Held, freed: Held) {
        let most = isize::try_from(self.limits.history_bytes).unwrap_or(isize::MAX);
        let mut ages = self.ages.lock();
        ages.held.bytes += added.bytes;
        ages.held.pieces += added.pieces;
        ages.held.subtract(freed);
        ages.order.push_back((Arc::downgrade(log), seq));
        while ages.held.bytes > most {
            let Some((log, seq)) = ages.order.pop_front() else { break };
            let Some(log) = log.upgrade() else { continue };
            let mut log = log.lock();
            ages.held.subtract(log.drop_up_to(seq));
            self.forget_if_empty(&mut log);
        }
        let held = usize::try_from(ages.held.pieces).unwrap_or(0);
        if ages.order.len() > SPARE_AGES.max(2 * held) {
            ages.order.retain(|(log, seq)| log.upgrade().is_some_and(|log| log.lock().holds(*seq)));
        }
    }
}

impl Broker for MemoryBroker {
    fn is_ready(&self) -> bool {
        true
    }

    fn open(&self, room: &RoomName) -> Pending<Position> {
        loop {
            let log = self.log_or_new(room);
            let mut log = log.lock();
            if !log.gone {
                log.opened += 1;
                return ready_with(log.position());
            }
        }
    }

    fn release(&self, room: &RoomName) {
        if let Some(log) = self.log(room) {
            let mut log = log.lock();
            log.opened = log.opened.saturating_sub(1);
            self.forget_if_empty(&mut log);
        }
    }

    fn catch_up(&self, _: &RoomName) -> Pending<()> {
        ready_with(())
    }

    fn submit(&self, submission: Submission, complete: Completion) {
        let now = self.clock.now();
        let key = submission.dedup_key();
        loop {
            let shared = self.log_or_new(&submission.post.room);
            let mut log = shared.lock();
            if log.gone {
                continue;
            }
            if let Some(receipt) = key.as_ref().and_then(|key| log.known(key, now)) {
                drop(log);
                return complete(Ok(receipt));
            }
            let Appended { entry, receipt, added, freed } = log.append(submission, now, &self.retain);
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
            Some(log) => log.lock().page(range, limit, bytes, &self.retain, self.clock.now()),
            None => Page { epoch: None, entries: Vec::new(), has_more: false },
        })
    }

    fn list(&self, filter: RoomFilter, limit: usize) -> Pending<(Vec<RoomSummary>, bool)> {
        let mut counts = self.people.counts(&filter);
        let logs: Vec<_> = {
            let rooms = self.rooms.lock();
            rooms
                .iter()
                .filter(|(room, _)| filter(room))
                .map(|(room, log)| (room.clone(), log.clone()))
                .collect()
        };
        let mut all: Vec<RoomSummary> = logs
            .into_iter()
            .map(|(room, log)| {
                let log = log.lock();
                let member_count = counts.remove(&room).unwrap_or(0);
                RoomSummary {
                    room,
                    member_count,
                    position: log.position(),
                    last_ts: log.last.map(|(.., ts)| ts),
                }
            })
            .filter(|summary| summary.member_count > 0 || summary.last_ts.is_some())
            .collect();
        all.extend(without_entries(counts));
        ready_with(busiest_first(all, limit))
    }

    fn enter(&self, room: &RoomName, user: &UserId, members: usize) -> Pending<Presence> {
        ready_with(self.people.enter(self.feed.upgrade(), room, user, members))
    }

    fn leave(&self, room: &RoomName, user: &UserId, reason: LeaveReason) -> Pending<Presence> {
        ready_with(self.people.leave(self.feed.upgrade(), room, user, reason))
    }

    fn members(&self, room: &RoomName, members: usize) -> Pending<Presence> {
        ready_with(self.people.members(room, members))
    }

    fn connect(&self, user: &UserId, most: usize) -> Pending<Option<u64>> {
        ready_with(self.people.connect(user, most))
    }

    fn disconnect(&self, user: &UserId) {
        self.people.disconnect(user);
    }
}
