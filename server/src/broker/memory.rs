//! Rooms in the memory of this process: they end with it.
//!
//! A room's lock is held from numbering an entry to handing it to the feed, which is what makes the order. History
//! and deduplication are bounded for each room, and together for the whole process: when it is full the oldest go
//! first, of whatever room, and a room that has lost its last one begins anew, in a new epoch, unless it is open.
//!
//! Locks are taken in the order `ages`, a room's log, `rooms`; the feed takes its own after a log's.

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::future::ready;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use realtime_shared::{
    EntryId, Epoch, Message, Position, RoomName, RoomSummary, Seq, ServerEvent, Timestamp, UserId, codec,
};

use super::{
    Broker, Completion, DedupKey, Entry, Feed, Page, Pending, Presence, Range, Receipt, Recipients,
    RoomFilter, Signal, Submission,
};
use crate::clock::Clock;
use crate::config::MemoryStore;

/// How many entries back a message is known by its `client_msg_id`.
const DEDUP_ENTRIES: u64 = 10_000;
/// How long a message is known by its `client_msg_id`.
const DEDUP_WINDOW: Duration = Duration::from_hours(24);
/// The number of a room's first entry, which says of which log it is.
const FIRST: Seq = Seq::ZERO.next();
/// What an entry takes beside its text: its place in the log and in the order of age.
const ENTRY_BYTES: usize = 128;
/// What it takes to know a message again.
const KNOWN_BYTES: usize = 256;
/// The order of age is cleared of what is gone when it is longer than this, and than twice what is there.
const SPARE_AGES: usize = 4_096;

/// A broker for one process.
pub(crate) struct MemoryBroker {
    feed: Weak<dyn Feed>,
    clock: Clock,
    limits: MemoryStore,
    rooms: Mutex<HashMap<RoomName, Arc<Mutex<Log>>>>,
    ages: Mutex<Ages>,
    presence: Mutex<HashMap<RoomName, BTreeSet<UserId>>>,
    online: Mutex<Online>,
}

/// A room's log.
struct Log {
    room: RoomName,
    /// How often the room was opened and not released: while it is, its head stays, whatever else is dropped.
    opened: usize,
    /// Dropped from the rooms: whoever still holds it asks again.
    gone: bool,
    epoch: Option<Epoch>,
    /// The head: all of it but the epoch.
    last: Option<(Seq, EntryId, Timestamp)>,
    /// The newest entries, contiguous up to the head.
    entries: VecDeque<Entry>,
    known: HashMap<DedupKey, Known>,
    /// The keys of `known`, oldest first.
    known_order: VecDeque<DedupKey>,
}

/// What is remembered of a message for the day that it comes again.
#[derive(Clone, Copy)]
struct Known {
    seq: Seq,
    id: EntryId,
    ts: Timestamp,
}

/// The numbers of all rooms in the order of their age; some of them gone from their room already.
#[derive(Default)]
struct Ages {
    held: Held,
    order: VecDeque<(Weak<Mutex<Log>>, Seq)>,
}

/// What is kept, or freed. Signed: what one thread has freed, another may not have counted yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Held {
    bytes: isize,
    /// Entries and known messages.
    pieces: isize,
}

impl Held {
    fn add(&mut self, bytes: usize) {
        self.bytes += bytes.cast_signed();
        self.pieces += 1;
    }

    fn subtract(&mut self, freed: Self) {
        self.bytes -= freed.bytes;
        self.pieces -= freed.pieces;
    }
}

#[derive(Default)]
struct Online {
    all: u64,
    users: HashMap<UserId, usize>,
}

impl MemoryBroker {
    /// An empty one, which announces to `feed`.
    #[must_use]
    pub(crate) fn new(feed: Weak<dyn Feed>, clock: Clock, limits: MemoryStore) -> Self {
        Self {
            feed,
            clock,
            limits,
            rooms: Mutex::default(),
            ages: Mutex::default(),
            presence: Mutex::default(),
            online: Mutex::default(),
        }
    }

    fn log(&self, room: &RoomName) -> Option<Arc<Mutex<Log>>> {
        self.rooms.lock().get(room).cloned()
    }

    fn presence_of(members: Option<&BTreeSet<UserId>>, most: usize, changed: bool) -> Presence {
        Presence {
            members: members.map(|all| all.iter().take(most).cloned().collect()).unwrap_or_default(),
            count: members.map_or(0, |all| all.len() as u64),
            changed,
        }
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

impl Log {
    fn new(room: RoomName) -> Self {
        Self {
            room,
            opened: 0,
            gone: false,
            epoch: None,
            last: None,
            entries: VecDeque::new(),
            known: HashMap::new(),
            known_order: VecDeque::new(),
        }
    }

    fn position(&self) -> Position {
        match (&self.epoch, self.last) {
            (Some(epoch), Some((seq, id, _))) => Position::At { epoch: epoch.clone(), seq, id },
            _ => Position::Start,
        }
    }

    /// The number of the oldest entry that is kept, or would be.
    fn first(&self) -> Seq {
        let head = self.last.map_or(0, |(seq, ..)| seq.get());
        Seq::new(head + 1 - self.entries.len() as u64)
    }

    /// Whether anything with this number is kept.
    fn holds(&self, seq: Seq) -> bool {
        self.entries.front().is_some_and(|entry| entry.seq <= seq)
            || self.known_order.binary_search_by_key(&seq, |key| self.known[key].seq).is_ok()
    }

    fn oldest_known(&self) -> Option<Seq> {
        self.known_order.front().and_then(|key| self.known.get(key)).map(|known| known.seq)
    }

    /// Drops what has a number up to `seq`.
    fn drop_up_to(&mut self, seq: Seq) -> Held {
        let mut freed = Held::default();
        while self.entries.front().is_some_and(|entry| entry.seq <= seq) {
            self.drop_entry(&mut freed);
        }
        self.forget_up_to(seq, &mut freed);
        freed
    }

    fn drop_entry(&mut self, freed: &mut Held) {
        if let Some(entry) = self.entries.pop_front() {
            freed.add(entry.json.len() + ENTRY_BYTES);
        }
    }

    fn forget_up_to(&mut self, seq: Seq, freed: &mut Held) {
        while self.oldest_known().is_some_and(|known| known <= seq) {
            if let Some(key) = self.known_order.pop_front() {
                self.known.remove(&key);
                freed.add(KNOWN_BYTES);
            }
        }
    }

    fn known(&self, key: &DedupKey, now: Timestamp) -> Option<Receipt> {
        let known = self.known.get(key)?;
        let age = now.millis().saturating_sub(known.ts.millis());
        if u128::from(age) > DEDUP_WINDOW.as_millis() {
            return None;
        }
        let &Known { seq, id, ts } = known;
        Some(Receipt { epoch: self.epoch.clone()?, seq, id, ts, duplicate: true })
    }

    fn remember(&mut self, key: DedupKey, known: Known, held: &mut Held, freed: &mut Held) {
        // The same key again, a day later: it moves to the end.
        if self.known.remove(&key).is_some() {
            self.known_order.retain(|other| *other != key);
            freed.add(KNOWN_BYTES);
        }
        self.known.insert(key.clone(), known);
        self.known_order.push_back(key);
        held.add(KNOWN_BYTES);
    }

    /// Numbers an entry and keeps it, dropping what is beyond the room's bounds.
    fn append(&mut self, submission: Submission, now: Timestamp, keep: usize) -> Appended {
        let id = EntryId::from_parts(now, fastrand::u128(..));
        let epoch = self.epoch.get_or_insert_with(|| Epoch::from_id(id)).clone();
        let seq = self.last.map_or(Seq::ZERO, |(seq, ..)| seq).next();
        let key = submission.dedup_key();
        let Submission { from, post } = submission;
        let json = codec::encode(&ServerEvent::Message(Message {
            room: post.room,
            from,
            text: post.text,
            seq,
            id,
            ts: now,
            client_msg_id: post.client_msg_id,
            epoch: (seq == FIRST).then(|| epoch.clone()),
        }));
        let entry = Entry { seq, id, json: json.into() };
        self.last = Some((seq, id, now));
        let (mut added, mut freed) = (Held::default(), Held::default());
        added.add(entry.json.len() + ENTRY_BYTES);
        self.entries.push_back(entry.clone());
        while self.entries.len() > keep {
            self.drop_entry(&mut freed);
        }
        self.forget_up_to(Seq::new(seq.get().saturating_sub(DEDUP_ENTRIES)), &mut freed);
        if let Some(key) = key {
            self.remember(key, Known { seq, id, ts: now }, &mut added, &mut freed);
        }
        Appended { entry, receipt: Receipt { epoch, seq, id, ts: now, duplicate: false }, added, freed }
    }

    fn page(&self, range: Range, limit: usize, bytes: usize) -> Page {
        let first = self.first().get();
        let index = |seq: Seq| usize::try_from(seq.get().saturating_sub(first)).unwrap_or(usize::MAX);
        let len = self.entries.len();
        let mut total = 0;
        let mut fits = |entry: &&Entry| {
            let before = total;
            total += entry.json.len();
            before == 0 || total <= bytes
        };
        let (from, to, has_more) = match range {
            Range::After(seq) => {
                let from = index(seq.next()).min(len);
                let taken = self.entries.range(from..).take(limit).take_while(&mut fits).count();
                (from, from + taken, from + taken < len)
            }
            Range::Newest | Range::Before(_) => {
                let to = if let Range::Before(seq) = range { index(seq).min(len) } else { len };
                let taken = self.entries.range(..to).rev().take(limit).take_while(&mut fits).count();
                (to - taken, to, to > taken)
            }
        };
        let entries = self.entries.range(from..to).cloned().collect();
        Page { epoch: self.epoch.clone(), entries, has_more }
    }
}

/// What became of an entry, and of the bytes.
struct Appended {
    entry: Entry,
    receipt: Receipt,
    added: Held,
    freed: Held,
}

fn done<T: Send + 'static>(value: T) -> Pending<T> {
    Box::pin(ready(Ok(value)))
}

impl Broker for MemoryBroker {
    fn open(&self, room: &RoomName) -> Pending<Position> {
        loop {
            let log = self.log_or_new(room);
            let mut log = log.lock();
            if !log.gone {
                log.opened += 1;
                return done(log.position());
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
            let Appended { entry, receipt, added, freed } =
                log.append(submission, now, self.limits.history_per_room);
            if let Some(feed) = self.feed.upgrade() {
                feed.entry(&log.room, &receipt.epoch, &entry);
            }
            drop(log);
            self.account(&shared, entry.seq, added, freed);
            return complete(Ok(receipt));
        }
    }

    fn signal(&self, room: &RoomName, signal: Signal) {
        if let Some(feed) = self.feed.upgrade() {
            feed.signal(room, &signal);
        }
    }

    fn tell(&self, to: Recipients, json: Arc<str>) {
        if let Some(feed) = self.feed.upgrade() {
            feed.tell(&to, &json);
        }
    }

    fn history(&self, room: &RoomName, range: Range, limit: usize, bytes: usize) -> Pending<Page> {
        done(match self.log(room) {
            Some(log) => log.lock().page(range, limit, bytes),
            None => Page { epoch: None, entries: Vec::new(), has_more: false },
        })
    }

    fn list(&self, filter: RoomFilter, limit: usize) -> Pending<(Vec<RoomSummary>, bool)> {
        let mut counts: HashMap<RoomName, u64> = {
            let presence = self.presence.lock();
            presence
                .iter()
                .filter(|(room, _)| filter(room))
                .map(|(room, users)| (room.clone(), users.len() as u64))
                .collect()
        };
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
        all.extend(counts.into_iter().map(|(room, member_count)| RoomSummary {
            room,
            member_count,
            position: Position::Start,
            last_ts: None,
        }));
        all.sort_by(|a, b| {
            (b.member_count, b.last_ts).cmp(&(a.member_count, a.last_ts)).then_with(|| a.room.cmp(&b.room))
        });
        let has_more = all.len() > limit;
        all.truncate(limit);
        done((all, has_more))
    }

    fn enter(&self, room: &RoomName, user: &UserId, members: usize) -> Pending<Presence> {
        let mut presence = self.presence.lock();
        let users = presence.entry(room.clone()).or_default();
        let changed = users.insert(user.clone());
        done(Self::presence_of(Some(users), members, changed))
    }

    fn leave(&self, room: &RoomName, user: &UserId) -> Pending<Presence> {
        let mut presence = self.presence.lock();
        let changed = presence.get_mut(room).is_some_and(|users| users.remove(user));
        let left = Self::presence_of(presence.get(room), 0, changed);
        if left.count == 0 {
            presence.remove(room);
        }
        done(left)
    }

    fn members(&self, room: &RoomName, members: usize) -> Pending<Presence> {
        done(Self::presence_of(self.presence.lock().get(room), members, false))
    }

    fn connect(&self, user: &UserId, most: usize) -> Pending<Option<u64>> {
        let mut online = self.online.lock();
        let of_user = online.users.get(user).copied().unwrap_or(0);
        if most > 0 && of_user >= most {
            return done(None);
        }
        online.users.insert(user.clone(), of_user + 1);
        online.all += 1;
        done(Some(online.all))
    }

    fn disconnect(&self, user: &UserId) {
        let mut online = self.online.lock();
        if let Some(of_user) = online.users.get_mut(user) {
            *of_user -= 1;
            if *of_user == 0 {
                online.users.remove(user);
            }
            online.all -= 1;
        }
    }
}
