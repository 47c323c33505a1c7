//! Engine in the memory of this process: rooms end with it.
//!
//! The lock of a room's log is held from assigning the seq to handing the entry to the feed: this makes the order.
//! History and dedup records are bounded for each room, and together for the whole process. When the process is full,
//! the oldest go first, across all rooms. A thread sweeps once a minute: it drops what is too old, and removes rooms that
//! have lost everything, have no member and are not open, some time after their last entry; see [`ROOM_REMOVAL_AGE`].
//!
//! A post takes the lock of its log only, except for the first one of a room since the list of rooms was read.
//!
//! Lock order: `eviction` or `unlisted`, then the log of a room, then `rooms`, then the rooms of users, the direct rooms, the
//! members, the list of rooms or the founders. The feed takes its own locks after a log's.

mod boot_time;
mod changes;
mod dedup_records;
mod eviction;
mod inbox;
mod log;
mod mention_index;
mod message_pages;
mod readers;
mod searching;
mod sweeper;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::atomic::{AtomicIsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use parking_lot::Mutex;
use realtime_shared::rules::Rules;
use realtime_shared::{
    DirectPair, Feature, Inbox, LeaveReason, Position, RoomName, RoomSummary, Seq, Timestamp, UserId,
};

use self::boot_time::BootTime;
use self::eviction::EvictionOrder;
use self::log::{AppendResult, MemoryLog, Moment, SharedLog, SharedLogs, Verdict};
use self::readers::UserRooms;
use self::searching::{Search, SearchThread};
use self::sweeper::Sweeper;
use super::founding::Founders;
use super::inbox::filled;
use super::local_presence::LocalPresence;
use super::read_marker::ReadMarker;
use super::room_list::RoomList;
use super::{
    Broker, Completion, Feed, FoundMembers, FoundPage, InboxQuery, MemberPrefix, MessagePage, NotReady,
    NotStored, Page, PageQuery, Pending, Presence, Range, ReadCompletion, ReadMark, Recipients, RoomFilter,
    SearchQuery, Signal, Submission, ready_with,
};
use crate::clock::Clock;
use crate::config::{MemoryStore, Retain, RoomLimits};

/// The eviction order is compacted when it is longer than this, and longer than twice the number of rooms.
const SPARE_ORDER: usize = 4_096;
/// Most logs whose heads the list of rooms does not have. One more, and it gets all of them.
const MAX_UNLISTED: usize = 256;
/// Rooms that a sweep reads from the list at a time.
const SWEEP_ROOMS: usize = 256;

/// Broker for one process.
pub(crate) struct MemoryBroker {
    feed: Weak<dyn Feed>,
    clock: Clock,
    limits: MemoryStore,
    retain: Retain,
    rules: Rules,
    rooms: SharedLogs,
    /// Bytes of all logs. Signed: one thread may subtract what another has not added yet.
    usage: AtomicIsize,
    eviction: Mutex<EvictionOrder>,
    presence: LocalPresence,
    list: RoomList,
    /// Logs whose heads the list does not have yet. A busy room changes often between two requests.
    unlisted: Mutex<Vec<SharedLog>>,
    founders: Mutex<Founders>,
    user_rooms: UserRooms,
    /// Direct rooms, which the list does not have.
    direct_rooms: Mutex<Vec<RoomName>>,
    sweeper: OnceLock<Sweeper>,
    /// `None`: messages are not searched.
    searches: Option<SearchThread>,
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
            rules: Rules::default(),
            rooms: SharedLogs::default(),
            usage: AtomicIsize::new(0),
            eviction: Mutex::default(),
            presence: LocalPresence::new(list.clone()),
            list,
            unlisted: Mutex::default(),
            founders: Mutex::new(Founders::new(rooms)),
            user_rooms: UserRooms::default(),
            direct_rooms: Mutex::default(),
            sweeper: OnceLock::new(),
            searches: Some(SearchThread::default()),
        }
    }

    /// The same without the search of messages.
    #[must_use]
    pub(crate) fn without_search(self) -> Self {
        Self { searches: None, ..self }
    }

    /// The same with other rules for changes.
    #[must_use]
    pub(crate) fn with_rules(self, rules: Rules) -> Self {
        Self { rules, ..self }
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
        let since_boot = self.since_boot();
        self.list_heads();
        let (mut messages, mut rooms, mut removed) = (0, 0_u64, 0_u64);
        let mut after = None;
        let mut direct = Some(self.direct_rooms.lock().clone());
        loop {
            let listed = self.list.names_after(after.as_ref(), SWEEP_ROOMS);
            let last = listed.last().cloned();
            let Some(names) = last.as_ref().map(|_| listed).or_else(|| direct.take()) else { break };
            for log in names.iter().filter_map(|name| self.log(name)) {
                let mut log = log.lock();
                let (dropped, freed) = log.drop_expired(&self.retain, since_boot);
                removed += u64::from(self.remove_if_outdated(&mut log, since_boot));
                drop(log);
                messages += dropped;
                rooms += u64::from(dropped > 0);
                self.usage.fetch_sub(freed.cast_signed(), Ordering::Relaxed);
            }
            after = last.or(after);
        }
        if messages > 0 {
            tracing::info!(messages, rooms, "retention dropped messages");
        }
        if removed > 0 {
            tracing::info!(rooms = removed, "retention removed empty rooms");
        }
    }

    fn since_boot(&self) -> BootTime {
        BootTime::of(self.clock.since_boot())
    }

    fn log(&self, room: &RoomName) -> Option<SharedLog> {
        self.rooms.lock().get(room).cloned()
    }

    /// Log of the room, created if it is missing.
    fn log_or_new(&self, room: &RoomName) -> SharedLog {
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
        if submission.room.is_reserved() {
            return Err(NotStored::reserved());
        }
        self.founders.lock().found(&submission.from, submission.is_exempt, now)
    }

    /// Removes a log of which nothing has to be known any more, unless the room has a member. True if it had entries.
    fn remove_if_outdated(&self, log: &mut MemoryLog, since_boot: BootTime) -> bool {
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
        for user in log.readers.users() {
            self.user_rooms.remove(user, &log.room);
        }
        self.rooms.lock().remove(&log.room);
        had_entries
    }

    /// Makes the read marker of a user who is in the room, if it is missing. Returns it.
    fn join(&self, log: &mut MemoryLog, user: &UserId, head: Seq) -> Seq {
        let (marker, is_new) = log.readers.join(user, head.min(log.head_seq()));
        if is_new {
            self.user_rooms.add(user, &log.room);
        }
        marker
    }

    /// Forgets that a user has a marker or a mention in a room that is gone.
    fn forget_room_of(&self, user: &UserId, room: &RoomName) {
        // With this lock held the room gets no new log, to which the user may be added.
        let rooms = self.rooms.lock();
        if !rooms.contains_key(room) {
            self.user_rooms.remove(user, room);
        }
    }

    /// Adds a log to the eviction order.
    fn add_to_eviction_order(&self, log: &SharedLog, oldest: BootTime) {
        let mut eviction = self.eviction.lock();
        eviction.add(Arc::downgrade(log), oldest);
        if eviction.len() > SPARE_ORDER && eviction.len() > 2 * self.rooms.lock().len() {
            eviction.compact();
        }
    }

    /// Evicts the oldest items of all rooms until the rest is within the limit.
    fn evict(&self) {
        let limit = isize::try_from(self.limits.history_bytes).unwrap_or(isize::MAX);
        if self.usage.load(Ordering::Relaxed) <= limit {
            return;
        }
        let mut eviction = self.eviction.lock();
        while self.usage.load(Ordering::Relaxed) > limit {
            let Some(freed) = eviction.drop_oldest() else { break };
            self.usage.fetch_sub(freed.cast_signed(), Ordering::Relaxed);
        }
    }

    /// Adds a log to those whose heads the list of rooms does not have.
    fn add_unlisted(&self, log: &SharedLog) {
        let mut unlisted = self.unlisted.lock();
        if std::mem::replace(&mut log.lock().is_unlisted, true) {
            return;
        }
        unlisted.push(log.clone());
        if unlisted.len() > MAX_UNLISTED {
            self.list_heads_of(&mut unlisted);
        }
    }

    /// Gives the list of rooms the heads that it does not have.
    fn list_heads(&self) {
        // The lock is held meanwhile: another request finds all of them in the list.
        self.list_heads_of(&mut self.unlisted.lock());
    }

    fn list_heads_of(&self, unlisted: &mut Vec<SharedLog>) {
        for log in unlisted.drain(..) {
            let mut log = log.lock();
            log.is_unlisted = false;
            if let (Some(ts), false) = (log.last_ts(), log.removed) {
                self.list.set_heads(std::iter::once((&log.room, log.position(), ts)));
            }
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
            self.remove_if_outdated(&mut log, self.since_boot());
        }
    }

    fn catch_up(&self, _: &RoomName) -> Pending<()> {
        ready_with(())
    }

    fn submit(&self, submission: Submission, complete: Completion) {
        let now = Moment { ts: self.clock.now(), since_boot: self.since_boot() };
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
            let target = match log.judge(&submission, &self.rules, now, &self.retain) {
                // A direct room was counted when its users were stored.
                Ok(Verdict::Store(target)) if log.epoch.is_some() || log.readers.pair().is_some() => {
                    Ok(target)
                }
                Ok(Verdict::Store(target)) => self.found(&submission, now.ts).map(|()| target),
                Ok(Verdict::Unchanged(receipt)) => {
                    drop(log);
                    return complete(Ok(receipt));
                }
                Err(forbidden) => Err(forbidden.into()),
            };
            let target = match target {
                Ok(target) => target,
                Err(refusal) => {
                    self.remove_if_outdated(&mut log, now.since_boot);
                    drop(log);
                    return complete(Err(refusal));
                }
            };
            let is_first = log.epoch.is_none();
            let AppendResult { entry, receipt, replaced, mentioned, notifications, growth } =
                log.append(submission, key, target, now, &self.retain);
            for user in &mentioned {
                self.user_rooms.add(user, &log.room);
            }
            let feed = self.feed.upgrade();
            if let Some(feed) = &feed {
                if !replaced.is_empty() {
                    feed.replace(&log.room, &replaced);
                }
                feed.entry(&log.room, &receipt.epoch, &entry);
                if is_first {
                    for user in feed.users(&log.room) {
                        self.join(&mut log, &user, Seq::ZERO);
                    }
                }
            }
            let will_be_listed = log.is_unlisted;
            let is_ordered = std::mem::replace(&mut log.in_eviction_order, true);
            drop(log);
            if let Some(feed) = &feed {
                for (to, json) in &notifications {
                    feed.broadcast(to, json);
                }
            }
            self.usage.fetch_add(growth, Ordering::Relaxed);
            if !is_ordered {
                self.add_to_eviction_order(&shared, now.since_boot);
            }
            self.evict();
            if !will_be_listed {
                self.add_unlisted(&shared);
            }
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
            Some(log) => log.lock().page(range, limit, bytes, &self.retain, self.since_boot()),
            None => Page { epoch: None, entries: Vec::new(), has_more: false },
        })
    }

    fn features(&self) -> &'static [Feature] {
        const ALL: &[Feature] = &[
            Feature::Reply,
            Feature::Edit,
            Feature::Delete,
            Feature::Reaction,
            Feature::Pin,
            Feature::Room,
            Feature::Direct,
            Feature::Read,
            Feature::Inbox,
            Feature::Notify,
            Feature::Search,
        ];
        let without_search = &ALL[..ALL.len() - 1];
        if self.searches.is_some() { ALL } else { without_search }
    }

    fn open_direct(
        &self,
        pair: &DirectPair,
        asker: &UserId,
        is_exempt: bool,
    ) -> Pending<Result<(), NotStored>> {
        let room = pair.room();
        loop {
            let log = self.log_or_new(&room);
            let mut log = log.lock();
            if log.removed {
                continue;
            }
            if log.readers.pair().is_none() {
                let founded = self.founders.lock().found(asker, is_exempt, self.clock.now());
                if let Err(refusal) = founded {
                    self.remove_if_outdated(&mut log, self.since_boot());
                    return ready_with(Err(refusal));
                }
                log.readers.set_pair(pair.clone());
                for user in pair.users() {
                    self.join(&mut log, user, Seq::ZERO);
                }
                self.direct_rooms.lock().push(room);
            }
            return ready_with(Ok(()));
        }
    }

    fn direct_pair(&self, room: &RoomName) -> Pending<Option<DirectPair>> {
        ready_with(self.log(room).and_then(|log| log.lock().readers.pair().cloned()))
    }

    fn direct_rooms(&self, user: &UserId) -> Pending<Vec<RoomSummary>> {
        let direct = self.user_rooms.of(user).into_iter().filter(RoomName::is_direct);
        let summary = |room: RoomName| {
            let member_count = self.presence.members(&room, 0).count;
            let log = self.log(&room)?;
            let log = log.lock();
            let (position, last_ts) = (log.position(), log.last_ts());
            let user_id = log.readers.pair()?.other_of(user)?.clone();
            let is_listed = member_count > 0 || position != Position::Start;
            is_listed.then_some(RoomSummary { room, member_count, position, last_ts, user_id: Some(user_id) })
        };
        ready_with(direct.filter_map(summary).collect())
    }

    fn mark_joined(&self, room: &RoomName, user: &UserId, head: Seq) -> Pending<Option<Seq>> {
        let marked = self.log(room).and_then(|log| {
            let mut log = log.lock();
            let is_founded = log.epoch.is_some() && !log.removed;
            is_founded.then(|| self.join(&mut log, user, head))
        });
        ready_with(marked)
    }

    fn mark_left(&self, room: &RoomName, user: &UserId) {
        if let Some(log) = self.log(room) {
            log.lock().readers.leave(user);
        }
    }

    fn mark_read(&self, mark: ReadMark, done: ReadCompletion) {
        let Some(log) = self.log(&mark.room) else { return done(Ok(Seq::ZERO)) };
        let mut log = log.lock();
        if log.epoch.is_none() || log.removed {
            drop(log);
            return done(Ok(Seq::ZERO));
        }
        let before = log.readers.marker(&mark.user);
        let seq = before.map_or(Seq::ZERO, |before| before.seq);
        let after = mark.applied_to(before, log.head_seq());
        if let Some(after) = after
            && log.readers.set(&mark.user, after)
        {
            self.user_rooms.add(&mark.user, &mark.room);
        }
        drop(log);
        let after = after.map_or(seq, |after: ReadMarker| after.seq);
        if after > seq
            && let Some(feed) = self.feed.upgrade()
        {
            let (to, json) = mark.announcement(after);
            feed.broadcast(&to, &json);
        }
        done(Ok(after));
    }

    fn inbox(&self, user: &UserId, query: InboxQuery) -> Pending<Inbox> {
        let since_boot = self.since_boot();
        let mut ranked = Vec::new();
        for room in self.user_rooms.of(user).into_iter().filter(|room| (query.may_use)(room)) {
            let Some(log) = self.log(&room) else {
                self.forget_room_of(user, &room);
                continue;
            };
            let locked = log.lock();
            let rank = locked.standing(user, &self.retain, since_boot).rank();
            if locked.is_unknown_to(user) && !locked.removed {
                self.user_rooms.remove(user, &room);
            }
            drop(locked);
            ranked.extend(rank.map(|rank| (rank, room, log)));
        }
        ranked.sort_by(|(one, name, _), (other, other_name, _)| (one, name).cmp(&(other, other_name)));
        ready_with(filled(ranked, &query, |(_, _, log)| {
            log.lock().inbox_room(user, &self.retain, since_boot)
        }))
    }

    fn messages(&self, room: &RoomName, query: PageQuery, viewer: &UserId) -> Pending<MessagePage> {
        ready_with(match self.log(room) {
            Some(log) => log.lock().message_page(query, viewer, &self.retain, self.since_boot()),
            None => MessagePage::of_new_room(),
        })
    }

    fn search(&self, query: SearchQuery, rooms: RoomFilter, viewer: &UserId) -> Pending<FoundPage> {
        let Some(searches) = &self.searches else { return ready_with(FoundPage::default()) };
        let search = Search {
            logs: self.rooms.clone(),
            list: self.list.clone(),
            query,
            rooms,
            viewer: viewer.clone(),
            retain: self.retain.clone(),
            since_boot: self.since_boot(),
        };
        // The list has the heads that a search begins with.
        self.list_heads();
        searches.run(search)
    }

    fn list(&self, filter: RoomFilter, limit: usize) -> Pending<(Vec<RoomSummary>, bool)> {
        self.list_heads();
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

    fn find_members(&self, room: &RoomName, prefix: MemberPrefix, limit: usize) -> Pending<FoundMembers> {
        ready_with(self.presence.find(room, &prefix, limit))
    }

    fn connect(&self, user: &UserId, limit: usize) -> Pending<Option<u64>> {
        ready_with(self.presence.connect(user, limit))
    }

    fn disconnect(&self, user: &UserId) {
        self.presence.disconnect(user);
    }
}
