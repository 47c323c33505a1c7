//! One room's log in memory: its newest entries, and what is remembered of older ones for the day that they come again.

use std::collections::{HashMap, VecDeque};

use realtime_shared::{EntryId, Epoch, Position, RoomName, Seq, Timestamp};

use crate::broker::{DEDUP_ENTRIES, DedupKey, Entry, Page, Range, Receipt, Submission, is_known_at};
use crate::config::Retain;

/// Entries of a room that are kept where the operator has not said how many.
pub(super) const MESSAGES: u64 = 1_000;
/// What an entry takes beside its text: its place in the log and in the order of age.
pub(super) const ENTRY_BYTES: usize = 128;
/// What it takes to know a message again.
pub(super) const KNOWN_BYTES: usize = 256;

/// A room's log.
pub(super) struct Log {
    pub(super) room: RoomName,
    /// How often the room was opened and not released: while it is, its head stays, whatever else is dropped.
    pub(super) opened: usize,
    /// Dropped from the rooms: whoever still holds it asks again.
    pub(super) gone: bool,
    pub(super) epoch: Option<Epoch>,
    /// The head: all of it but the epoch.
    pub(super) last: Option<(Seq, EntryId, Timestamp)>,
    /// The newest entries, contiguous up to the head.
    pub(super) entries: VecDeque<Kept>,
    pub(super) known: HashMap<DedupKey, Known>,
    /// The keys of `known`, oldest first.
    pub(super) known_order: VecDeque<DedupKey>,
}

/// An entry, and when it was accepted.
pub(super) struct Kept {
    pub(super) entry: Entry,
    ts: Timestamp,
}

/// What is remembered of a message for the day that it comes again.
#[derive(Clone, Copy)]
pub(super) struct Known {
    pub(super) seq: Seq,
    pub(super) id: EntryId,
    pub(super) ts: Timestamp,
}

/// What is kept, or freed. Signed: what one thread has freed, another may not have counted yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) bytes: isize,
    /// Entries and known messages.
    pub(super) pieces: isize,
}

impl Held {
    pub(super) fn add(&mut self, bytes: usize) {
        self.bytes += bytes.cast_signed();
        self.pieces += 1;
    }

    pub(super) fn subtract(&mut self, freed: Self) {
        self.bytes -= freed.bytes;
        self.pieces -= freed.pieces;
    }
}

impl Log {
    pub(super) fn new(room: RoomName) -> Self {
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

    pub(super) fn position(&self) -> Position {
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
    pub(super) fn holds(&self, seq: Seq) -> bool {
        self.entries.front().is_some_and(|kept| kept.entry.seq <= seq)
            || self.known_order.binary_search_by_key(&seq, |key| self.known[key].seq).is_ok()
    }

    /// How many of the oldest entries are too old.
    fn expired(&self, retain: &Retain, now: Timestamp) -> usize {
        self.entries.iter().take_while(|kept| retain.is_past(kept.ts, now)).count()
    }

    fn oldest_known(&self) -> Option<Seq> {
        self.known_order.front().and_then(|key| self.known.get(key)).map(|known| known.seq)
    }

    /// Drops what has a number up to `seq`.
    pub(super) fn drop_up_to(&mut self, seq: Seq) -> Held {
        let mut freed = Held::default();
        while self.entries.front().is_some_and(|kept| kept.entry.seq <= seq) {
            self.drop_entry(&mut freed);
        }
        self.forget_up_to(seq, &mut freed);
        freed
    }

    fn drop_entry(&mut self, freed: &mut Held) {
        if let Some(Kept { entry, .. }) = self.entries.pop_front() {
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

    pub(super) fn known(&self, key: &DedupKey, now: Timestamp) -> Option<Receipt> {
        let known = self.known.get(key)?;
        if !is_known_at(now, known.ts) {
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
    pub(super) fn append(&mut self, submission: Submission, now: Timestamp, retain: &Retain) -> Appended {
        let id = EntryId::from_parts(now, fastrand::u128(..));
        let epoch = self.epoch.get_or_insert_with(|| Epoch::from_id(id)).clone();
        let seq = self.last.map_or(Seq::ZERO, |(seq, ..)| seq).next();
        let key = submission.dedup_key();
        let entry = submission.into_entry(&epoch, seq, id, now);
        self.last = Some((seq, id, now));
        let (mut added, mut freed) = (Held::default(), Held::default());
        added.add(entry.json.len() + ENTRY_BYTES);
        self.entries.push_back(Kept { entry: entry.clone(), ts: now });
        let most = retain.messages.unwrap_or(MESSAGES);
        let dropped = self.expired(retain, now).max(self.entries.len().saturating_sub(to_len(most)));
        (0..dropped).for_each(|_| self.drop_entry(&mut freed));
        self.forget_up_to(Seq::new(seq.get().saturating_sub(DEDUP_ENTRIES)), &mut freed);
        if let Some(key) = key {
            self.remember(key, Known { seq, id, ts: now }, &mut added, &mut freed);
        }
        Appended { entry, receipt: Receipt { epoch, seq, id, ts: now, duplicate: false }, added, freed }
    }

    /// Entries that are too old are not shown, if they are still here.
    pub(super) fn page(
        &self,
        range: Range,
        limit: usize,
        bytes: usize,
        retain: &Retain,
        now: Timestamp,
    ) -> Page {
        let first = self.first().get();
        let index = |seq: Seq| usize::try_from(seq.get().saturating_sub(first)).unwrap_or(usize::MAX);
        let (oldest, len) = (self.expired(retain, now), self.entries.len());
        let mut total = 0;
        let mut fits = |kept: &&Kept| {
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

/// What became of an entry, and of the bytes.
pub(super) struct Appended {
    pub(super) entry: Entry,
    pub(super) receipt: Receipt,
    pub(super) added: Held,
    pub(super) freed: Held,
}
