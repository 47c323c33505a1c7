//! Follower of the store: brings the index up to date, in steps of a bounded number of entries.
//!
//! The index has the messages of a part of each room's log. New entries extend its end: a message is added, an edit or
//! deletion changes a message that it has. At the start all rooms are compared with the index. What is missing before the
//! part is added from the newest message of all rooms to the oldest, and only the present text of each.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::time::{Duration, Instant};

use realtime_shared::{Change, EntryEvent, EntryId, Message, Seq, Timestamp, codec};
use rusqlite::Result;

use super::queue::Notes;
use crate::search::Words;
use crate::store::{
    DocumentChange, EntryKey, IndexedRoom, IndexedText, RoomId, SearchIndex, StoreReader, View,
};

/// Entries of a step: some milliseconds of work.
const STEP_ENTRIES: usize = 256;
/// Bytes of the frames of a step.
const STEP_BYTES: usize = 256 << 10;
/// Rooms that are compared in a step.
const STEP_ROOMS: u32 = 64;
/// Messages that are forgotten in a step.
const STEP_FORGOTTEN: u32 = 256;
/// New entries for which a step is due before its time.
const MANY_ENTRIES: u64 = 512;
/// New entries that a search waits for.
const CATCH_UP_ENTRIES: usize = 4_096;
/// Time that a search waits for older messages, so that a small store is searched as a whole after its start.
const CATCH_UP_TIME: Duration = Duration::from_millis(50);
/// Least time between two erasures of removed texts. Each reads the pages that were written in between.
const ERASE_INTERVAL: Duration = Duration::from_millis(500);
/// Interval of the log's lines about old messages.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(10);

/// The index and its positions.
pub(super) struct Follower {
    pub(super) index: SearchIndex,
    /// Rooms with new entries: the first and the last new seq.
    fresh: BTreeMap<RoomId, (Seq, Seq)>,
    fresh_since: Option<Instant>,
    /// A text may have been deleted among the new entries before the start.
    is_urgent: bool,
    /// Messages whose texts were deleted or edited.
    rewritten: BTreeSet<EntryKey>,
    erased_at: Option<Instant>,
    /// Rooms of which entries were dropped.
    swept: BTreeSet<RoomId>,
    comparison: Comparison,
    /// Rooms with older messages that are not indexed, with the time of the newest of them.
    old: BinaryHeap<(Timestamp, RoomId)>,
    progress: Option<Progress>,
    words: Words,
}

/// Comparison of the rooms of the store and the index, at the start.
enum Comparison {
    /// Rooms of the store, after this one.
    Store(Option<RoomId>),
    /// Rooms of the index, after this one: the store may not have them any more.
    Index(Option<RoomId>),
    Done,
}

/// Progress of indexing old messages.
struct Progress {
    done: u64,
    logged_at: Instant,
}

/// Changes of the index that a step has read from the store.
#[derive(Default)]
struct Update {
    changes: Vec<DocumentChange>,
    rooms: Vec<(RoomId, IndexedRoom)>,
    entries: usize,
    bytes: usize,
}

impl Update {
    fn is_full(&self) -> bool {
        self.entries >= STEP_ENTRIES || self.bytes >= STEP_BYTES
    }
}

/// Result of adding the new entries of a room.
enum AddedRoom {
    Whole,
    /// The step was full before the last entry.
    Part,
    /// The index has messages of another log.
    OtherLog,
}

/// A stored entry.
struct StoredEntry {
    seq: Seq,
    id: EntryId,
    frame: String,
}

impl Follower {
    pub(super) fn new(index: SearchIndex) -> Self {
        Self {
            index,
            fresh: BTreeMap::new(),
            fresh_since: None,
            is_urgent: false,
            rewritten: BTreeSet::new(),
            erased_at: None,
            swept: BTreeSet::new(),
            comparison: Comparison::Store(None),
            old: BinaryHeap::new(),
            progress: None,
            words: Words::default(),
        }
    }

    /// Takes over notes of the writer.
    pub(super) fn add(&mut self, notes: Notes) {
        let Notes { fresh, swept, rewritten } = notes;
        for (room, (first, last)) in fresh {
            let range = self.fresh.entry(room).or_insert((first, last));
            *range = (range.0.min(first), range.1.max(last));
        }
        if !self.fresh.is_empty() && self.fresh_since.is_none() {
            self.fresh_since = Some(Instant::now());
        }
        self.swept.extend(swept);
        self.rewritten.extend(rewritten);
    }

    /// True if all messages of the store are indexed.
    pub(super) fn is_complete(&self) -> bool {
        self.fresh.is_empty() && matches!(self.comparison, Comparison::Done) && self.old.is_empty()
    }

    /// Time of the next step; `None` if nothing is to be done. New entries may wait for this long.
    pub(super) fn next_step(&self, delay: Duration) -> Option<Instant> {
        let is_due = self.is_urgent
            || !self.rewritten.is_empty()
            || !matches!(self.comparison, Comparison::Done)
            || !self.old.is_empty()
            || !self.swept.is_empty()
            || self.index.is_wasteful();
        if is_due {
            return Some(Instant::now());
        }
        let erases = self
            .index
            .is_erasing()
            .then(|| self.erased_at.map_or_else(Instant::now, |at| at + ERASE_INTERVAL));
        let fresh = self.fresh_since.map(|since| self.next_fresh(since, delay));
        [erases, fresh].into_iter().flatten().min()
    }

    /// Time at which new entries are indexed that have waited since a time.
    fn next_fresh(&self, since: Instant, delay: Duration) -> Instant {
        let entries = self.fresh.values().map(|(first, last)| last.get() + 1 - first.get());
        if entries.sum::<u64>() >= MANY_ENTRIES { since } else { since + delay }
    }

    /// Indexes all new entries, but for those beyond a limit, and some older messages.
    pub(super) fn catch_up(&mut self, reader: &StoreReader) -> Result<()> {
        let (mut entries, begun) = (0, Instant::now());
        self.rewrite(reader)?;
        while !self.fresh.is_empty() && entries < CATCH_UP_ENTRIES {
            entries += self.add_fresh(reader)?;
        }
        while !self.is_complete() && self.fresh.is_empty() && begun.elapsed() < CATCH_UP_TIME {
            if matches!(self.comparison, Comparison::Done) {
                self.add_old(reader)?;
            } else {
                self.compare(reader)?;
                while !self.fresh.is_empty() && begun.elapsed() < CATCH_UP_TIME {
                    self.add_fresh(reader)?;
                }
            }
        }
        Ok(())
    }

    /// Does a part of the work. Returns false if removed texts could not be erased.
    pub(super) fn step(&mut self, reader: &StoreReader) -> Result<bool> {
        self.rewrite(reader)?;
        if !self.fresh.is_empty() {
            self.add_fresh(reader)?;
        }
        // All that was removed in an interval is erased at once. New entries that never end do not prevent it.
        let may_erase = self.erased_at.is_none_or(|at| at.elapsed() >= ERASE_INTERVAL);
        if self.index.is_erasing() && may_erase && !self.is_urgent {
            self.erased_at = Some(Instant::now());
            return self.index.erase();
        }
        if !matches!(self.comparison, Comparison::Done) {
            self.compare(reader)?;
        } else if let Some(room) = self.swept.first().copied() {
            self.forget_dropped(reader, room)?;
        } else if self.index.is_wasteful() {
            self.index.shrink()?;
        } else if !self.old.is_empty() {
            self.add_old(reader)?;
        }
        Ok(true)
    }

    /// Removes deleted texts from the files, before the thread ends.
    pub(super) fn finish(mut self, reader: &StoreReader) -> Result<()> {
        self.rewrite(reader)?;
        if self.index.is_erasing() {
            self.index.erase()?;
        }
        Ok(())
    }

    /// Gives messages of the index their present texts. Those that are not indexed yet get them later.
    fn rewrite(&mut self, reader: &StoreReader) -> Result<()> {
        while !self.rewritten.is_empty() {
            let keys: Vec<_> = self.rewritten.iter().take(STEP_ENTRIES).copied().collect();
            let Self { index, words, .. } = self;
            let mut changes = Vec::new();
            reader.read(|view| {
                for key in &keys {
                    if index.has(*key)?
                        && let Some(found) = view.message(*key)?
                    {
                        changes.push(change(*key, &found.message, words, false));
                    }
                }
                Ok(())
            })?;
            index.update(changes, &[])?;
            for key in &keys {
                self.rewritten.remove(key);
            }
        }
        Ok(())
    }

    /// Indexes new entries. Returns their number.
    fn add_fresh(&mut self, reader: &StoreReader) -> Result<usize> {
        let Self { index, fresh, words, old, .. } = self;
        let mut update = Update::default();
        let (mut finished, mut replaced) = (Vec::new(), Vec::new());
        reader.read(|view| {
            for (room, (first, _)) in &*fresh {
                if update.is_full() {
                    break;
                }
                match add_room(view, index, *room, *first, words, old, &mut update)? {
                    AddedRoom::Whole => finished.push(*room),
                    AddedRoom::Part => {}
                    AddedRoom::OtherLog => replaced.push(*room),
                }
            }
            Ok(())
        })?;
        index.update(update.changes, &update.rooms)?;
        for room in replaced {
            // Its new entries are added in the next step.
            index.forget((room.start(), room.end()), u32::MAX)?;
            index.forget_room(room)?;
        }
        for room in finished {
            fresh.remove(&room);
        }
        if fresh.is_empty() {
            (self.fresh_since, self.is_urgent) = (None, false);
        }
        // Rooms without new entries count, too: the work is bounded.
        Ok(update.entries.max(1))
    }

    /// Compares some rooms of the store with the index.
    fn compare(&mut self, reader: &StoreReader) -> Result<()> {
        match self.comparison {
            Comparison::Store(after) => {
                let rooms = reader.read(|view| self.compare_rooms(view, after))?;
                self.comparison = match rooms {
                    Some(last) => Comparison::Store(Some(last)),
                    None => Comparison::Index(None),
                };
            }
            Comparison::Index(after) => {
                let rooms = self.index.rooms_after(after, STEP_ROOMS)?;
                let stored = reader.read(|view| {
                    rooms.iter().map(|room| Ok(view.log(*room)?.is_some())).collect::<Result<Vec<_>>>()
                })?;
                self.swept.extend(
                    rooms.iter().zip(stored).filter(|(_, is_stored)| !is_stored).map(|(room, _)| *room),
                );
                self.comparison = if let Some(last) = rooms.last() {
                    Comparison::Index(Some(*last))
                } else {
                    self.log_begin();
                    Comparison::Done
                };
            }
            Comparison::Done => {}
        }
        Ok(())
    }

    /// Compares the rooms of the store after this one. Returns the last of them; `None` if there are none.
    fn compare_rooms(&mut self, view: View<'_>, after: Option<RoomId>) -> Result<Option<RoomId>> {
        let rooms = view.rooms_after(after, STEP_ROOMS)?;
        let mut added = Vec::new();
        for (room, first) in &rooms {
            let (Some((epoch, _)), head) = (view.log(*room)?, view.head(*room)?) else { continue };
            let indexed = match self.index.room(*room)? {
                Some(indexed) if is_of_log(view, *room, &indexed, &epoch, head.seq)? => indexed,
                Some(_) => {
                    self.index.forget((room.start(), room.end()), u32::MAX)?;
                    IndexedRoom { epoch, low: head.seq.next(), high: head.seq, high_id: Some(head.id) }
                }
                None => IndexedRoom { epoch, low: head.seq.next(), high: head.seq, high_id: Some(head.id) },
            };
            if indexed.high < head.seq {
                let noted = self.fresh.entry(*room).or_insert((indexed.high.next(), head.seq));
                noted.1 = noted.1.max(head.seq);
                // A text may have been deleted since then.
                self.is_urgent = true;
            }
            if indexed.low > *first {
                self.old.extend(newest_old(view, *room, indexed.low)?);
            }
            if *first > indexed.low {
                self.swept.insert(*room);
            }
            added.push((*room, indexed));
        }
        if !self.fresh.is_empty() {
            self.fresh_since.get_or_insert_with(Instant::now);
        }
        self.index.update(Vec::new(), &added)?;
        Ok(rooms.last().map(|(room, _)| *room))
    }

    /// Adds the newest messages that are not indexed.
    fn add_old(&mut self, reader: &StoreReader) -> Result<()> {
        let Self { index, words, old, .. } = self;
        let mut update = Update::default();
        let mut rooms: BTreeMap<RoomId, IndexedRoom> = BTreeMap::new();
        reader.read(|view| {
            while !update.is_full()
                && let Some((_, room)) = old.pop()
            {
                let indexed = match rooms.remove(&room) {
                    Some(indexed) => Some(indexed),
                    None => index.room(room)?,
                };
                let (Some(mut indexed), Some((_, first))) = (indexed, view.log(room)?) else { continue };
                if indexed.low > first {
                    indexed.low = indexed.low.previous();
                    let key = room.key(indexed.low);
                    update.entries += 1;
                    if let Some(found) = view.message(key)? {
                        update.bytes += found.message.text.as_str().len();
                        update.changes.push(change(key, &found.message, words, true));
                    }
                    if indexed.low > first {
                        old.extend(newest_old(view, room, indexed.low)?);
                    }
                }
                rooms.insert(room, indexed);
            }
            Ok(())
        })?;
        index.update(update.changes, &rooms.into_iter().collect::<Vec<_>>())?;
        self.log_progress(update.entries as u64);
        Ok(())
    }

    /// Forgets some messages of a room whose entries were dropped, or of a room that was removed.
    fn forget_dropped(&mut self, reader: &StoreReader, room: RoomId) -> Result<()> {
        let log = reader.read(|view| view.log(room))?;
        let end = log.as_ref().map_or(room.end(), |(_, first)| room.key(first.previous()));
        if self.index.forget((room.start(), end), STEP_FORGOTTEN)? >= STEP_FORGOTTEN as usize {
            return Ok(());
        }
        self.swept.remove(&room);
        match (log, self.index.room(room)?) {
            (None, _) => self.index.forget_room(room)?,
            (Some((_, first)), Some(indexed)) if indexed.low < first && first <= indexed.high => {
                self.index.update(Vec::new(), &[(room, IndexedRoom { low: first, ..indexed })])?;
            }
            (Some(_), _) => {}
        }
        Ok(())
    }

    fn log_begin(&mut self) {
        if !self.old.is_empty() {
            tracing::info!(rooms = self.old.len(), "older messages are being indexed for the search");
            self.progress = Some(Progress { done: 0, logged_at: Instant::now() });
        }
    }

    fn log_progress(&mut self, entries: u64) {
        let rooms = self.old.len();
        let Some(progress) = &mut self.progress else { return };
        progress.done += entries;
        if rooms == 0 {
            tracing::info!(entries = progress.done, "all messages are indexed for the search");
            self.progress = None;
        } else if progress.logged_at.elapsed() >= PROGRESS_INTERVAL {
            progress.logged_at = Instant::now();
            tracing::info!(entries = progress.done, rooms, "older messages are being indexed for the search");
        }
    }
}

/// Reads new entries of a room.
fn add_room(
    view: View<'_>,
    index: &SearchIndex,
    room: RoomId,
    noted: Seq,
    words: &mut Words,
    old: &mut BinaryHeap<(Timestamp, RoomId)>,
    update: &mut Update,
) -> Result<AddedRoom> {
    // A room that was removed since then is forgotten with its messages.
    let Some((epoch, first)) = view.log(room)? else { return Ok(AddedRoom::Whole) };
    let head = view.head(room)?;
    let mut indexed = match index.room(room)? {
        Some(indexed) if is_of_log(view, room, &indexed, &epoch, head.seq)? => indexed,
        Some(_) => return Ok(AddedRoom::OtherLog),
        None => {
            if noted > first {
                old.extend(newest_old(view, room, noted)?);
            }
            IndexedRoom { epoch, low: noted, high: noted.previous(), high_id: None }
        }
    };
    let (mut entries, mut is_finished) = (Vec::new(), true);
    let from = room.key(indexed.high.next());
    view.entries((from, room.end()), false, |seq, id, frame| {
        if update.is_full() {
            is_finished = false;
            return false;
        }
        update.entries += 1;
        update.bytes += frame.len();
        entries.push(StoredEntry { seq, id, frame: frame.to_owned() });
        true
    })?;
    for StoredEntry { seq, id, frame } in entries {
        (indexed.high, indexed.high_id) = (seq, Some(id));
        match codec::decode_entry(&frame) {
            Some(EntryEvent::Message(message)) => {
                let key = room.key(seq);
                let message = match view.state(key)? {
                    Some(state) => state.restore(message),
                    None => message,
                };
                update.changes.push(change(key, &message, words, true));
            }
            Some(EntryEvent::Change(entry))
                if matches!(entry.change, Change::Edit(_) | Change::Delete(_)) =>
            {
                // Messages before the indexed part are added later, with their present texts.
                let target = entry.change.target().map(|(seq, _)| seq);
                if let Some(seq) = target.filter(|seq| *seq >= indexed.low)
                    && let Some(found) = view.message(room.key(seq))?
                {
                    update.changes.push(change(room.key(seq), &found.message, words, false));
                }
            }
            Some(EntryEvent::Change(_)) | None => {}
        }
    }
    if is_finished {
        // Entries without a frame were dropped.
        (indexed.high, indexed.high_id) = (head.seq, Some(head.id));
    }
    update.rooms.push((room, indexed));
    Ok(if is_finished { AddedRoom::Whole } else { AddedRoom::Part })
}

/// True if the indexed part belongs to the present log of a room.
fn is_of_log(view: View<'_>, room: RoomId, indexed: &IndexedRoom, epoch: &str, head: Seq) -> Result<bool> {
    if indexed.epoch != epoch || indexed.high > head {
        return Ok(false);
    }
    let Some(high_id) = indexed.high_id else { return Ok(true) };
    Ok(view.entry(room.key(indexed.high))?.is_none_or(|(id, _)| id == high_id))
}

/// The time of the entry before `low`, with the room.
fn newest_old(view: View<'_>, room: RoomId, low: Seq) -> Result<Option<(Timestamp, RoomId)>> {
    Ok(view.entry(room.key(low.previous()))?.map(|(_, ts)| (ts, room)))
}

fn change(key: EntryKey, message: &Message, words: &mut Words, is_new: bool) -> DocumentChange {
    let text = if message.deleted.is_some() {
        None
    } else {
        words.replace(message.text.as_str());
        IndexedText::new(&message.from, words)
    };
    DocumentChange { key, ts: message.ts, text, is_new }
}
