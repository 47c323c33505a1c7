//! Log of a room in memory: its newest entries, and the dedup records of older ones.

use std::collections::VecDeque;
use std::sync::Arc;

use realtime_shared::{EntryId, Epoch, Position, RoomName, Seq, Timestamp};

use super::boot_time::BootTime;
use super::dedup_records::{DedupRecord, DedupRecords};
use crate::broker::{
    DEDUP_ENTRIES, DedupKey, Entry, Page, ROOM_REMOVAL_AGE, Range, Receipt, Submission, is_in_dedup_window,
};
use crate::config::Retain;
use crate::small_queue;

/// Entries of a room that are kept if the configuration gives no number.
pub(super) const DEFAULT_MESSAGES: u64 = 1_000;
/// Memory of an entry beside its frame, estimated: its slot in the log, and what the allocator adds.
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
    /// The log has a record in the eviction order.
    pub(super) in_eviction_order: bool,
    /// The log is among those whose head the list of rooms does not have.
    pub(super) is_unlisted: bool,
    pub(super) epoch: Option<Epoch>,
    pub(super) last: Option<LogHead>,
    /// Newest entries, contiguous up to the head.
    pub(super) entries: VecDeque<StoredEntry>,
    pub(super) dedup: DedupRecords,
}

/// The newest entry.
#[derive(Clone, Copy)]
pub(super) struct LogHead {
    seq: Seq,
    id: EntryId,
    ts: Timestamp,
    at: BootTime,
}

/// Entry with the time since boot at which it was accepted: its age does not depend on the wall clock. Its place in the
/// log gives its seq.
pub(super) struct StoredEntry {
    id: EntryId,
    pub(super) json: Arc<str>,
    at: BootTime,
}

/// Time at which an entry is accepted.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    pub(super) ts: Timestamp,
    pub(super) since_boot: BootTime,
}

impl MemoryLog {
    pub(super) fn new(room: RoomName) -> Self {
        Self {
            room,
            open_count: 0,
            removed: false,
            in_eviction_order: false,
            is_unlisted: false,
            epoch: None,
            last: None,
            entries: VecDeque::new(),
            dedup: DedupRecords::default(),
        }
    }

    pub(super) fn position(&self) -> Position {
        match (&self.epoch, self.last) {
            (Some(epoch), Some(LogHead { seq, id, .. })) => Position::At { epoch: epoch.clone(), seq, id },
            _ => Position::Start,
        }
    }

    /// Time of the newest entry.
    pub(super) fn last_ts(&self) -> Option<Timestamp> {
        self.last.map(|last| last.ts)
    }

    fn head_seq(&self) -> Seq {
        self.last.map_or(Seq::ZERO, |last| last.seq)
    }

    /// Seq of the oldest stored entry; one past the head if there is none.
    fn first(&self) -> Seq {
        self.head_seq().next().back(self.entries.len() as u64)
    }

    /// Seq and time of the oldest entry or dedup record.
    pub(super) fn oldest(&self) -> Option<(Seq, BootTime)> {
        let entry = self.entries.front().map(|stored| (self.first(), stored.at));
        let record = self.dedup.oldest().map(|record| (record.seq, record.at));
        [entry, record].into_iter().flatten().min_by_key(|(seq, _)| *seq)
    }

    /// Number of the oldest entries that are beyond the retention.
    fn expired(&self, retain: &Retain, since_boot: BootTime) -> usize {
        self.entries.iter().take_while(|stored| retain.is_past(since_boot.since(stored.at))).count()
    }

    /// Drops the entries beyond the retention, and the dedup records beyond the dedup window. Returns the number of
    /// dropped entries, and the bytes that were freed.
    pub(super) fn drop_expired(&mut self, retain: &Retain, since_boot: BootTime) -> (u64, usize) {
        let expired = self.expired(retain, since_boot);
        let freed = self.drop_entries(expired) + self.drop_unknown(since_boot);
        (expired as u64, freed)
    }

    /// True if nothing of the log has to be known any more: it has no entry and no dedup record, and is not open. Its
    /// head is known for a while.
    pub(super) fn is_outdated(&self, since_boot: BootTime) -> bool {
        self.open_count == 0
            && self.entries.is_empty()
            && self.dedup.is_empty()
            && self.last.is_none_or(|last| since_boot.since(last.at) > ROOM_REMOVAL_AGE)
    }

    /// Drops entries and dedup records up to `seq`. Returns the bytes that were freed.
    pub(super) fn drop_up_to(&mut self, seq: Seq) -> usize {
        let entries = seq.next().checked_since(self.first()).unwrap_or(0);
        self.drop_entries(to_len(entries)) + self.drop_dedup_up_to(seq)
    }

    fn drop_entries(&mut self, count: usize) -> usize {
        let oldest = (0..count).map_while(|_| self.entries.pop_front());
        oldest.map(|stored| stored.json.len() + ENTRY_BYTES).sum()
    }

    fn drop_dedup_up_to(&mut self, seq: Seq) -> usize {
        self.drop_dedup_while(|record| record.seq <= seq)
    }

    /// Drops the dedup records beyond the dedup window.
    fn drop_unknown(&mut self, since_boot: BootTime) -> usize {
        self.drop_dedup_while(|record| !is_in_dedup_window(since_boot.since(record.at)))
    }

    fn drop_dedup_while(&mut self, drops: impl Fn(&DedupRecord) -> bool) -> usize {
        let mut freed = 0;
        while self.dedup.oldest().is_some_and(&drops) {
            self.dedup.pop();
            freed += DEDUP_BYTES;
        }
        freed
    }

    pub(super) fn find_duplicate(&self, key: &DedupKey, now: Moment) -> Option<Receipt> {
        let &DedupRecord { seq, id, ts, at, .. } = self.dedup.newest(key)?;
        if !is_in_dedup_window(now.since_boot.since(at)) {
            return None;
        }
        Some(Receipt { epoch: self.epoch.clone()?, seq, id, ts, duplicate: true })
    }

    /// Appends an entry with this dedup key, and drops what exceeds the limits of the room.
    pub(super) fn append(
        &mut self,
        submission: Submission,
        key: Option<DedupKey>,
        now: Moment,
        retain: &Retain,
    ) -> AppendResult {
        let Moment { ts, since_boot: at } = now;
        let id = EntryId::from_parts(ts, fastrand::u128(..));
        let epoch = self.epoch.get_or_insert_with(|| Epoch::from_id(id)).clone();
        let seq = self.head_seq().next();
        let entry = submission.into_entry(&epoch, seq, id, ts);
        self.last = Some(LogHead { seq, id, ts, at });
        let mut added = entry.json.len() + ENTRY_BYTES;
        small_queue::push(&mut self.entries, StoredEntry { id, json: entry.json.clone(), at });
        let limit = retain.messages.unwrap_or(DEFAULT_MESSAGES);
        let dropped = self.expired(retain, at).max(self.entries.len().saturating_sub(to_len(limit)));
        let mut freed = self.drop_entries(dropped) + self.drop_dedup_up_to(seq.back(DEDUP_ENTRIES));
        if let Some(key) = key {
            // Among them is the former record of the key, if there is one.
            freed += self.drop_unknown(at);
            self.dedup.push(DedupRecord { key, seq, id, ts, at });
            added += DEDUP_BYTES;
        }
        let receipt = Receipt { epoch, seq, id, ts, duplicate: false };
        AppendResult { entry, receipt, growth: added.cast_signed() - freed.cast_signed() }
    }

    /// Reads a page. Leaves out entries beyond the retention that are still stored.
    pub(super) fn page(
        &self,
        range: Range,
        limit: usize,
        bytes: usize,
        retain: &Retain,
        since_boot: BootTime,
    ) -> Page {
        let first = self.first().get();
        let index = |seq: Seq| usize::try_from(seq.get().saturating_sub(first)).unwrap_or(usize::MAX);
        let (oldest, len) = (self.expired(retain, since_boot), self.entries.len());
        let mut total = 0;
        let mut fits = |stored: &&StoredEntry| {
            let before = total;
            total += stored.json.len();
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
        let entry = |(seq, stored): (u64, &StoredEntry)| {
            let StoredEntry { id, json, .. } = stored;
            Entry { seq: Seq::new(seq), id: *id, json: json.clone() }
        };
        let entries = (first + from as u64..).zip(self.entries.range(from..to)).map(entry).collect();
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
    /// Bytes that the log has gained; negative if more were freed.
    pub(super) growth: isize,
}
