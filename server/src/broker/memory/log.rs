//! Log of a room in memory: its newest entries, and the dedup records of older ones.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, LazyLock};

use parking_lot::Mutex;
use realtime_shared::rules::{self, Decision, Request, RoomView, RuleError, Rules, TargetView};
use realtime_shared::{
    Change, ChangeEntry, EntryEvent, EntryId, Epoch, Message, MessageState, Position, RoomName, RoomSettings,
    Seq, Timestamp, UserId, codec,
};

use super::boot_time::BootTime;
use super::changes::{RoomChanges, emoji_of};
use super::dedup_records::{DedupRecord, DedupRecords};
use super::readers::RoomReaders;
use crate::broker::mentions::{Mentioned, Notification, notifications};
use crate::broker::{
    DEDUP_ENTRIES, DedupKey, ENTRIES_PER_MESSAGE, Entry, Page, ROOM_REMOVAL_AGE, Range, Receipt, Submission,
    is_in_dedup_window,
};
use crate::config::Retain;
use crate::small_queue;

/// Messages of a room that are kept if the configuration gives no number.
pub(super) const DEFAULT_MESSAGES: u64 = 1_000;
/// The settings of a room that has never changed them.
static DEFAULT_SETTINGS: LazyLock<RoomSettings> = LazyLock::new(RoomSettings::default);
/// Memory of an entry beside its frame, estimated: its slot in the log, and what the allocator adds.
pub(super) const ENTRY_BYTES: usize = 128;
/// Memory of a dedup record, estimated.
pub(super) const DEDUP_BYTES: usize = 256;

/// Logs of all rooms.
pub(super) type SharedLogs = Arc<Mutex<HashMap<RoomName, SharedLog>>>;

pub(super) type SharedLog = Arc<Mutex<MemoryLog>>;

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
    /// `None` while the room has only messages that answer nothing.
    pub(super) changes: Option<Box<RoomChanges>>,
    pub(super) readers: RoomReaders,
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

impl StoredEntry {
    /// Time at which the entry was accepted: its id was made then.
    pub(super) fn accepted_at(&self) -> Timestamp {
        self.id.made_at()
    }
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
            changes: None,
            readers: RoomReaders::default(),
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

    pub(super) fn head_seq(&self) -> Seq {
        self.last.map_or(Seq::ZERO, |last| last.seq)
    }

    /// Seq of the oldest stored entry; one past the head if there is none.
    pub(super) fn first(&self) -> Seq {
        self.head_seq().next().back(self.entries.len() as u64)
    }

    /// Seq and time of the oldest entry or dedup record.
    pub(super) fn oldest(&self) -> Option<(Seq, BootTime)> {
        let entry = self.entries.front().map(|stored| (self.first(), stored.at));
        let record = self.dedup.oldest().map(|record| (record.seq, record.at));
        [entry, record].into_iter().flatten().min_by_key(|(seq, _)| *seq)
    }

    /// Number of the oldest entries that are beyond the retention.
    pub(super) fn expired(&self, retain: &Retain, since_boot: BootTime) -> usize {
        self.entries.iter().take_while(|stored| retain.is_past(since_boot.since(stored.at))).count()
    }

    /// Drops the entries beyond the retention, and the dedup records beyond the dedup window. Returns the number of
    /// dropped entries, and the bytes that were freed.
    pub(super) fn drop_expired(&mut self, retain: &Retain, since_boot: BootTime) -> (u64, usize) {
        let expired = self.expired(retain, since_boot);
        let freed = self.drop_entries(expired) + self.drop_unknown(since_boot);
        (expired as u64, freed)
    }

    /// True if nothing of the log has to be known any more: it has no entry and no dedup record, is not open, and is not that
    /// of a direct room. Its head is known for a while.
    pub(super) fn is_outdated(&self, since_boot: BootTime) -> bool {
        self.open_count == 0
            && self.readers.pair().is_none()
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
        (0..count).map_while(|_| self.drop_entry()).sum()
    }

    fn drop_entry(&mut self) -> Option<usize> {
        let seq = self.first();
        let mut freed = self.entries.pop_front()?.json.len() + ENTRY_BYTES;
        if let Some(changes) = &mut self.changes {
            let before = changes.bytes();
            changes.drop_entry(seq);
            freed += before - changes.bytes();
        }
        Some(freed)
    }

    /// A stored entry.
    pub(super) fn stored(&self, seq: Seq) -> Option<&StoredEntry> {
        let index = seq.checked_since(self.first())?;
        self.entries.get(usize::try_from(index).ok()?)
    }

    fn stored_message(&self, seq: Seq) -> Option<Message> {
        match codec::decode_entry(&self.stored(seq)?.json)? {
            EntryEvent::Message(message) => Some(message),
            EntryEvent::Change(_) => None,
        }
    }

    /// A stored message with its changes.
    pub(super) fn folded_message(&self, seq: Seq) -> Option<Message> {
        let message = self.stored_message(seq)?;
        let state = self.changes.as_ref().and_then(|changes| changes.state(seq));
        Some(match state {
            Some(state) => state.restore(message),
            None => message,
        })
    }

    /// Applies the rules to a submission that is not a duplicate.
    pub(super) fn judge(
        &self,
        submission: &Submission,
        rules: &Rules,
        now: Moment,
        retain: &Retain,
    ) -> Result<Verdict, RuleError> {
        let Submission { from, power, content, .. } = submission;
        let is_kept =
            |seq: &Seq| seq.get() >= self.first().get() + self.expired(retain, now.since_boot) as u64;
        let target = content.target().map(|(seq, _)| seq).filter(is_kept);
        let message = target.and_then(|seq| self.folded_message(seq)).map(Box::new);
        let changes = self.changes.as_deref();
        let view = message.as_deref().map(|message| TargetView {
            message,
            edits: changes.and_then(|changes| changes.state(message.seq)).map_or(0, MessageState::edits),
            has_reacted: changes.is_some_and(|changes| {
                emoji_of(content).is_some_and(|emoji| changes.has_reacted(message.seq, emoji, from))
            }),
        });
        let room = RoomView {
            settings: changes.map_or(&*DEFAULT_SETTINGS, RoomChanges::settings),
            head: self.head_seq(),
            pins: changes.map_or(0, RoomChanges::pins),
            since_last_message: changes.and_then(|changes| changes.since_last_message(from, now.since_boot)),
        };
        let request = Request { from, power: *power, now: now.ts, content };
        match rules::decide(rules, &request, &room, view.as_ref())? {
            Decision::Store => Ok(Verdict::Store(message)),
            Decision::Unchanged => {
                let receipt = self.newest_change(message.as_deref()).ok_or_else(RuleError::not_found)?;
                Ok(Verdict::Unchanged(receipt))
            }
        }
    }

    /// The receipt of the entry that last changed a message; without a message, of the one that last changed the settings.
    fn newest_change(&self, message: Option<&Message>) -> Option<Receipt> {
        let (seq, id, ts) = if let Some(message) = message {
            let stored = self.stored(message.rev())?;
            (message.rev(), stored.id, codec::decode_entry(&stored.json)?.head().ts)
        } else {
            let changes = self.changes.as_ref()?;
            let (id, ts) = changes.set_by()?;
            (changes.settings().rev, id, ts)
        };
        Some(Receipt { epoch: self.epoch.clone()?, seq, id, ts, duplicate: true })
    }

    /// Updates the state of the room after an entry. Returns the entries that the entry deletes, with their new frames.
    fn fold(
        &mut self,
        event: &EntryEvent,
        target: Option<Box<Message>>,
        since_boot: BootTime,
        growth: &mut isize,
    ) -> Vec<Entry> {
        match event {
            EntryEvent::Message(message) => {
                let answers = message.reply_to.filter(|seq| self.stored(*seq).is_some());
                if answers.is_some() || self.changes.is_some() {
                    let changes = self.changes.get_or_insert_default();
                    let before = changes.bytes();
                    changes.add_message(message.seq, answers, &message.from, since_boot);
                    *growth += changes.bytes().cast_signed() - before.cast_signed();
                }
                Vec::new()
            }
            EntryEvent::Change(entry) => {
                let message = target.map(|mut message| {
                    message.apply(entry, None);
                    message
                });
                let changes = self.changes.get_or_insert_default();
                let before = changes.bytes();
                changes.add_change(entry, message.as_deref());
                *growth += changes.bytes().cast_signed() - before.cast_signed();
                match (&entry.change, message) {
                    (Change::Delete(_), Some(message)) => self.delete(&message, entry, growth),
                    _ => Vec::new(),
                }
            }
        }
    }

    /// Records the users whom an entry mentions. Returns those whom its message did not mention before, and the
    /// notifications.
    fn mention(&mut self, event: &EntryEvent, growth: &mut isize) -> (Vec<UserId>, Vec<Notification>) {
        let Some(mentioned) = Mentioned::of(event) else { return Default::default() };
        let (author, pair) = (event.head().from, self.readers.pair());
        let mut users = mentioned.users(author, pair);
        users.retain(|user| !mentioned.needs_marker || self.readers.marker(user).is_some());
        let message = match event {
            EntryEvent::Change(entry) => entry.change.target().map_or(entry.seq, |(seq, _)| seq),
            EntryEvent::Message(message) => message.seq,
        };
        let new = if users.is_empty() && self.changes.is_none() {
            Vec::new()
        } else {
            let changes = self.changes.get_or_insert_default();
            let before = changes.bytes();
            let new = changes.set_mentions(message, users);
            *growth += changes.bytes().cast_signed() - before.cast_signed();
            new
        };
        let notifications = notifications(event, pair, &new);
        (new, notifications)
    }

    /// Replaces the stored frames that have a text of the message.
    fn delete(&mut self, message: &Message, entry: &ChangeEntry, growth: &mut isize) -> Vec<Entry> {
        let seqs = self.changes.as_ref().map_or_else(Vec::new, |changes| changes.with_text_of(message.seq));
        let first = self.first();
        let mut replaced = Vec::with_capacity(seqs.len());
        for seq in seqs {
            let index = seq.checked_since(first).and_then(|index| usize::try_from(index).ok());
            let Some(kept) = index.and_then(|index| self.entries.get_mut(index)) else { continue };
            let stored = codec::decode_entry(&kept.json);
            let Some(tombstone) = stored.and_then(|stored| stored.tombstone(&entry.from, entry.ts)) else {
                continue;
            };
            let json: Arc<str> = codec::encode_entry(&tombstone).into();
            *growth += json.len().cast_signed() - kept.json.len().cast_signed();
            kept.json = json.clone();
            replaced.push(Entry { seq, id: kept.id, json });
        }
        replaced
    }

    /// Returns true if the room has more messages or entries than it may keep.
    fn is_full(&self, messages: usize) -> bool {
        let others = self.changes.as_ref().map_or(0, |changes| changes.others());
        self.entries.len() - others > messages
            || self.entries.len() > messages.saturating_mul(to_len(ENTRIES_PER_MESSAGE))
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

    /// Appends an entry with this dedup key, and drops what exceeds the limits of the room. `target` is the message that it
    /// changes.
    pub(super) fn append(
        &mut self,
        submission: Submission,
        key: Option<DedupKey>,
        target: Option<Box<Message>>,
        now: Moment,
        retain: &Retain,
    ) -> AppendResult {
        let Moment { ts, since_boot: at } = now;
        let id = EntryId::from_parts(ts, fastrand::u128(..));
        let epoch = self.epoch.get_or_insert_with(|| Epoch::from_id(id)).clone();
        let seq = self.head_seq().next();
        let event = submission.into_event(&epoch, seq, id, ts);
        let entry = Entry { seq, id, json: codec::encode_entry(&event).into() };
        self.last = Some(LogHead { seq, id, ts, at });
        let mut added = entry.json.len() + ENTRY_BYTES;
        small_queue::push(&mut self.entries, StoredEntry { id, json: entry.json.clone(), at });
        let mut growth = 0;
        let replaced = self.fold(&event, target, at, &mut growth);
        let (mentioned, notifications) = self.mention(&event, &mut growth);
        let limit = to_len(retain.messages.unwrap_or(DEFAULT_MESSAGES));
        let mut freed = self.drop_entries(self.expired(retain, at));
        while !self.entries.is_empty() && self.is_full(limit) {
            freed += self.drop_entry().unwrap_or(0);
        }
        freed += self.drop_dedup_up_to(seq.back(DEDUP_ENTRIES));
        if let Some(key) = key {
            // Among them is the former record of the key, if there is one.
            freed += self.drop_unknown(at);
            self.dedup.push(DedupRecord { key, seq, id, ts, at });
            added += DEDUP_BYTES;
        }
        let receipt = Receipt { epoch, seq, id, ts, duplicate: false };
        growth += added.cast_signed() - freed.cast_signed();
        AppendResult { entry, receipt, replaced, mentioned, notifications, growth }
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

/// A submission that the rules allow.
pub(super) enum Verdict {
    /// It is stored. The message is its target, boxed because most entries have none.
    Store(Option<Box<Message>>),
    /// It changes nothing. The receipt is that of the entry that made the state.
    Unchanged(Receipt),
}

/// Result of appending an entry.
pub(super) struct AppendResult {
    pub(super) entry: Entry,
    pub(super) receipt: Receipt,
    /// Entries that the new one deletes, with their new frames.
    pub(super) replaced: Vec<Entry>,
    /// Users whom the message mentions and did not mention before.
    pub(super) mentioned: Vec<UserId>,
    pub(super) notifications: Vec<Notification>,
    /// Bytes that the log has gained; negative if more were freed.
    pub(super) growth: isize,
}
