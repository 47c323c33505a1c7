//! Log of a room in memory: its newest entries, and the dedup records of older ones.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use realtime_shared::{EntryId, Epoch, Position, RoomName, Seq, Timestamp};

use crate::broker::{
    DEDUP_ENTRIES, DedupKey, Entry, Page, ROOM_REMOVAL_AGE, Range, Receipt, Submission, is_in_dedup_window,
};
use crate::config::Retain;
use crate::small_queue;

/// Entries of a room that are kept if the configuration gives no number.
pub(super) const DEFAULT_MESSAGES: u64 = 1_000;
/// Memory of an entry beside its frame, estimated: its slots in the log and in the eviction order.
pub(super) const ENTRY_BYTES: usize = 128;
/// Memory of a dedup record, estimated.
pub(super) const DEDUP_BYTES: usize = 256;

/// Log of a room.
pub(super) struct MemoryLog {
    pub(super) room: RoomName,
    /// Number of times that the room was opened and not released. An open room keeps its head.
    pub(super) open_count: usize,
    /// The log is no longer in the map of rooms: a caller that still holds it must look the room up again.
    pub(super) removed: bool,
    pub(super) epoch: Option<Epoch>,
    /// Head: seq, id, and the time since boot at which it was accepted.
    pub(super) last: Option<(Seq, EntryId, Duration)>,
    /// Newest entries, contiguous up to the head.
    pub(super) entries: VecDeque<TimedEntry>,
    pub(super) dedup: HashMap<DedupKey, DedupRecord>,
    /// Keys of `dedup`, oldest first.
    pub(super) dedup_order: VecDeque<DedupKey>,
}

/// Entry with the time since boot at which it was accepted: its age does not depend on the wall clock.
pub(super) struct TimedEntry {
    pub(super) entry: Entry,
    at: Duration,
}

/// Time at which an entry is accepted.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    pub(super) ts: Timestamp,
    pub(super) since_boot: Duration,
}

/// Dedup record of a message.
#[derive(Clone, Copy)]
pub(super) struct DedupRecord {
    pub(super) seq: Seq,
    pub(super) id: EntryId,
    pub(super) ts: Timestamp,
    /// Time since boot.
    at: Duration,
}

/// Memory in use or freed. Signed: one thread may subtract what another has not added yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) bytes: isize,
    /// Entries and dedup records.
    pub(super) items: isize,
}

impl Usage {
    pub(super) fn add(&mut self, bytes: usize) {
        self.bytes += bytes.cast_signed();
        self.items += 1;
    }

    pub(super) fn subtract(&mut self, freed: Self) {
        self.bytes -= freed.bytes;
        self.items -= freed.items;
    }
}

impl MemoryLog {
    pub(super) fn new(room: RoomName) -> Self {
        Self {
            room,
            open_count: 0,
            removed: false,
            epoch: None,
            last: None,
            entries: VecDeque::new(),
            dedup: HashMap::new(),
            dedup_order: VecDeque::new(),
        }
    }

    pub(super) fn position(&self) -> Position {
        match (&self.epoch, self.last) {
            (Some(epoch), Some((seq, id, _))) => Position::At { epoch: epoch.clone(), seq, id },
            _ => Position::Start,
        }
    }

    /// Seq of the oldest stored entry; one past the head if there is none.
    fn first(&self) -> Seq {
        let head = self.last.map_or(Seq::ZERO, |(seq, ..)| seq);
        head.next().back(self.entries.len() as u64)
    }

    /// True if the entry or the dedup record of `seq` is stored.
    pub(super) fn holds(&self, seq: Seq) -> bool {
        self.entries.front().is_some_and(|kept| kept.entry.seq <= seq)
            || self.dedup_order.binary_search_by_key(&seq, |key| self.dedup[key].seq).is_ok()
    }

    /// Number of the oldest entries that are beyond the retention.
    fn expired(&self, retain: &Retain, since_boot: Duration) -> usize {
        self.entries.iter().take_while(|kept| retain.is_past(since_boot.saturating_sub(kept.at))).count()
    }

    /// Drops the entries beyond the retention, and the dedup records beyond the dedup window. Returns the number of
    /// dropped entries, and what was freed.
    pub(super) fn drop_expired(&mut self, retain: &Retain, since_boot: Duration) -> (u64, Usage) {
        let mut freed = Usage::default();
        let expired = self.expired(retain, since_boot);
        (0..expired).for_each(|_| self.drop_entry(&mut freed));
        let is_known = |at: Duration| is_in_dedup_window(since_boot.saturating_sub(at));
        while self.dedup_order.front().is_some_and(|key| !is_known(self.dedup[key].at)) {
            if let Some(key) = self.dedup_order.pop_front() {
                self.dedup.remove(&key);
                freed.add(DEDUP_BYTES);
            }
        }
        (expired as u64, freed)
    }

    /// True if nothing of the log has to be known any more: it has no entry and no dedup record, and is not open. Its
    /// head is known for a while.
    pub(super) fn is_outdated(&self, since_boot: Duration) -> bool {
        self.open_count == 0
            && self.entries.is_empty()
            && self.dedup.is_empty()
            && self.last.is_none_or(|(.., at)| since_boot.saturating_sub(at) > ROOM_REMOVAL_AGE)
    }

    fn oldest_known(&self) -> Option<Seq> {
        self.dedup_order.front().and_then(|key| self.dedup.get(key)).map(|known| known.seq)
    }

    /// Drops entries and dedup records up to `seq`.
    pub(super) fn drop_up_to(&mut self, seq: Seq) -> Usage {
        let mut freed = Usage::default();
        while self.entries.front().is_some_and(|kept| kept.entry.seq <= seq) {
            self.drop_entry(&mut freed);
        }
        self.drop_dedup_up_to(seq, &mut freed);
        freed
    }

    fn drop_entry(&mut self, freed: &mut Usage) {
        if let Some(TimedEntry { entry, .. }) = self.entries.pop_front() {
            freed.add(entry.json.len() + ENTRY_BYTES);
        }
    }

    fn drop_dedup_up_to(&mut self, seq: Seq, freed: &mut Usage) {
        while self.oldest_known().is_some_and(|known| known <= seq) {
            if let Some(key) = self.dedup_order.pop_front() {
                self.dedup.remove(&key);
                freed.add(DEDUP_BYTES);
            }
        }
    }

    pub(super) fn find_duplicate(&self, key: &DedupKey, now: Moment) -> Option<Receipt> {
        let &DedupRecord { seq, id, ts, at } = self.dedup.get(key)?;
        if !is_in_dedup_window(now.since_boot.saturating_sub(at)) {
            return None;
        }
        Some(Receipt { epoch: self.epoch.clone()?, seq, id, ts, duplicate: true })
    }

    fn record(&mut self, key: DedupKey, known: DedupRecord, added: &mut Usage, freed: &mut Usage) {
        // The dedup window of the same key has ended: the new record moves to the end.
        if self.dedup.remove(&key).is_some() {
            self.dedup_order.retain(|other| *other != key);
            freed.add(DEDUP_BYTES);
        }
        self.dedup.insert(key.clone(), known);
        self.dedup_order.push_back(key);
        added.add(DEDUP_BYTES);
    }

    /// Appends an entry, and drops what exceeds the limits of the room.
    pub(super) fn append(&mut self, submission: Submission, now: Moment, retain: &Retain) -> AppendResult {
        let Moment { ts: now, since_boot } = now;
        let id = EntryId::from_parts(now, fastrand::u128(..));
        let epoch = self.epoch.get_or_insert_with(|| Epoch::from_id(id)).clone();
        let seq = self.last.map_or(Seq::ZERO, |(seq, ..)| seq).next();
        let key = submission.dedup_key();
        let entry = submission.into_entry(&epoch, seq, id, now);
        self.last = Some((seq, id, since_boot));
        let (mut added, mut freed) = (Usage::default(), Usage::default());
        added.add(entry.json.len() + ENTRY_BYTES);
        small_queue::push(&mut self.entries, TimedEntry { entry: entry.clone(), at: since_boot });
        let limit = retain.messages.unwrap_or(DEFAULT_MESSAGES);
        let dropped = self.expired(retain, since_boot).max(self.entries.len().saturating_sub(to_len(limit)));
        (0..dropped).for_each(|_| self.drop_entry(&mut freed));
        self.drop_dedup_up_to(seq.back(DEDUP_ENTRIES), &mut freed);
        if let Some(key) = key {
            self.record(key, DedupRecord { seq, id, ts: now, at: since_boot }, &mut added, &mut freed);
        }
        AppendResult { entry, receipt: Receipt { epoch, seq, id, ts: now, duplicate: false }, added, freed }
    }

    /// Reads a page. Leaves out entries beyond the retention that are still stored.
    pub(super) fn page(
        &self,
        range: Range,
        limit: usize,
        bytes: usize,
        retain: &Retain,
        since_boot: Duration,
    ) -> Page {
        let first = self.first().get();
        let index = |seq: Seq| usize::try_from(seq.get().saturating_sub(first)).unwrap_or(usize::MAX);
        let (oldest, len) = (self.expired(retain, since_boot), self.entries.len());
        let mut total = 0;
        let mut fits = |kept: &&TimedEntry| {
            let before = total;
            total += kept.entry.json.len();
            before == 0 || total <= bytes
        };
        let (from, to, has_more) = match range {
            Range::After(seq) => {
                let from = index(seq.next()).clamp(oldest, len);
                let taken = self.entries.range(from..).take(limit).take_while(&mut fits).count();
                (from, from + taken, from + taken < len)
            }
            Range::Newest | Range::Before(_) => {
                let to = if let Range::Before(seq) = range { index(seq).clamp(oldest, len) } else { len };
                let taken = self.entries.range(oldest..to).rev().take(limit).take_while(&mut fits).count();
                (to - taken, to, to - taken > oldest)
            }
        };
        let entries = self.entries.range(from..to).map(|kept| kept.entry.clone()).collect();
        Page { epoch: self.epoch.clone(), entries, has_more }
    }
}

fn to_len(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Result of appending an entry.
pub(super) struct AppendResult {
    pub(super) entry: Entry,
    pub(super) receipt: Receipt,
    pub(super) added: Usage,
    pub(super) freed: Usage,
}
