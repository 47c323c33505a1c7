//! The rows of a timeline: added in the order of the log, cleared, and removed.

use std::collections::VecDeque;

use jiff::tz::TimeZone;
use realtime_shared::{ChangeEntry, Seq, Timestamp, UserId};

use super::hits::Hits;
use super::item::{Body, Item, ItemKey, LogRow, Outgoing, ShownMessage, Tone, Top};
use super::presence::{PresenceLine, Presences};
use super::seq_runs::SeqRuns;
use crate::app::clock::Stamp;
use crate::sanitize::{Block, Line};

/// Largest number of rows of a room.
pub const HELD: usize = 10_000;

/// Most memory of the rows of all rooms, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldBytes(pub usize);

impl Default for HeldBytes {
    /// 64 MiB.
    fn default() -> Self {
        Self(64 << 20)
    }
}

/// Number of the newest rows in [`Timeline::recent_senders`].
const RECENT: usize = 200;

/// The timeline of one room.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Timeline {
    pub(super) rows: VecDeque<LogRow>,
    pub(super) held: SeqRuns,
    pub(super) outgoing: VecDeque<Outgoing>,
    pub(super) outgoing_added: u32,
    pub(super) top: Top,
    /// The last row that was cleared from the screen.
    cleared: ItemKey,
    /// Memory of the rows, in bytes.
    bytes: usize,
    /// Bound of the memory of all rooms.
    pub(super) bound: HeldBytes,
    pub(super) hits: Hits,
    /// Keys of the last outgoing messages that became rows, with their seqs.
    pub(super) placed: VecDeque<(ItemKey, Seq)>,
    /// Counts the changes after which a key may belong to another item.
    pub(super) rekeyed: u32,
}

impl Timeline {
    /// Returns the number of items.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len() + self.outgoing.len()
    }

    /// Returns the memory of the rows, in bytes.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Sets the bound of the memory of all rooms: no page is loaded that this timeline alone could not hold.
    pub(in crate::app) const fn set_bound(&mut self, bound: HeldBytes) {
        self.bound = bound;
    }

    /// Returns true if there is no item.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the item at `index`; the oldest item has index 0.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Item<'_>> {
        match self.rows.get(index) {
            Some(row) => Some(Item::Row(row)),
            None => self.outgoing.get(index - self.rows.len()).map(Item::Outgoing),
        }
    }

    /// Returns the senders of the newest rows, the newest first. A sender may occur several times.
    pub fn recent_senders(&self) -> impl Iterator<Item = &Line> {
        fn sender(row: &LogRow) -> Option<&Line> {
            match &row.body {
                Body::Message(message) => Some(&message.nick),
                Body::Presence(_) | Body::Note { .. } | Body::Gap => None,
            }
        }
        self.rows.iter().rev().take(RECENT).filter_map(sender)
    }

    /// Returns the index of the first item that is not before `key`.
    #[must_use]
    pub fn index_of(&self, key: ItemKey) -> usize {
        match self.rows.partition_point(|row| row.key < key) {
            end if end == self.rows.len() => end + self.outgoing.partition_point(|item| item.key < key),
            index => index,
        }
    }

    /// Returns the index of the first item after `key`.
    #[must_use]
    pub fn index_after(&self, key: ItemKey) -> usize {
        let index = self.index_of(key);
        index + usize::from(self.get(index).is_some_and(|item| item.key() == key))
    }

    /// Returns the present key of an item: that of its row if it was an outgoing message with this key.
    #[must_use]
    pub fn present_key(&self, key: ItemKey) -> ItemKey {
        let placed = self.placed.iter().find(|(outgoing, _)| *outgoing == key);
        placed.map_or(key, |(_, seq)| ItemKey::message(*seq))
    }

    /// Returns a number that changes whenever a key may belong to another item than before.
    #[must_use]
    pub const fn rekeyed(&self) -> u32 {
        self.rekeyed
    }

    /// Returns the state of the history before the first row.
    #[must_use]
    pub const fn top(&self) -> Top {
        self.top
    }

    /// Returns the key of the last row.
    #[must_use]
    pub fn last_key(&self) -> ItemKey {
        self.rows.back().map_or(ItemKey::default(), |row| row.key)
    }

    /// Returns the newest seq that is held; 0 if there is none.
    #[must_use]
    pub fn last_seq(&self) -> Seq {
        Seq::new(self.last_key().seq.max(self.held.last().unwrap_or_default()))
    }

    /// Returns the seq of the oldest row of an entry.
    #[must_use]
    pub fn first_seq(&self) -> Option<u64> {
        self.rows.iter().find(|row| row.is_entry()).map(|row| row.key.seq)
    }

    /// Clears all rows from the screen: they stay above the rows that follow. Outgoing messages stay on it.
    pub fn clear(&mut self) {
        self.cleared = self.last_key();
    }

    /// Shows the cleared rows again.
    pub fn restore_cleared(&mut self) {
        self.cleared = ItemKey::default();
    }

    /// Returns the index of the first item that is not cleared, which may be the end.
    #[must_use]
    pub fn first_not_cleared(&self) -> usize {
        self.rows.partition_point(|row| row.key <= self.cleared)
    }

    /// Adds a message. Returns false if it was there already.
    pub fn add_message(&mut self, seq: Seq, ts: Timestamp, message: ShownMessage) -> bool {
        let Some(index) = self.insert(seq, ts, message) else { return false };
        self.update_gaps_around(index);
        self.trim();
        true
    }

    /// Applies a change to its message. `mention`: the text of an edit names the user. Returns false if it has no effect
    /// here.
    pub fn change(&mut self, change: &ChangeEntry, user: Option<&UserId>, mention: bool) -> bool {
        let Some((target, _)) = change.change.target() else { return false };
        let key = ItemKey::message(target);
        let index = self.rows.partition_point(|row| row.key < key);
        let mut is_changed = false;
        if self.rows.get(index).is_some_and(|row| row.key == key) {
            self.change_row(index, |message| is_changed = message.apply(change, user, mention));
        }
        is_changed
    }

    fn change_row(&mut self, index: usize, change: impl FnOnce(&mut ShownMessage)) {
        let row = &mut self.rows[index];
        self.bytes -= row.bytes();
        if let Body::Message(message) = &mut row.body {
            change(message);
        }
        self.bytes += row.bytes();
        self.hits.changed(&self.rows[index]);
    }

    /// Adds a note at the end.
    pub fn add_note(&mut self, ts: Timestamp, tone: Tone, text: Block) {
        self.add(ts, Body::Note { tone, text });
    }

    /// Adds a join or a leave: to the last row if that is a presence line of the same day in the time zone and not
    /// cleared, otherwise as a new row.
    pub fn add_presence(&mut self, ts: Timestamp, zone: &TimeZone, presences: Presences<'_>, joined: bool) {
        if let Some(LogRow { key, body: Body::Presence(presence), ts: last }) = self.rows.back_mut()
            && Stamp::of(*last, zone).day == Stamp::of(ts, zone).day
            && *key > self.cleared
        {
            presence.add(presences, joined);
            return;
        }
        let mut presence = PresenceLine::default();
        presence.add(presences, joined);
        self.add(ts, Body::Presence(presence));
    }

    /// Removes all rows because the room has another log now. Outgoing messages stay.
    pub fn reset(&mut self) {
        for row in self.rows.drain(..).filter(LogRow::is_message) {
            self.hits.removed(row.key);
        }
        self.bytes = 0;
        self.rekeyed += 1;
        self.held.clear();
        self.top = Top::Older;
        self.restore_cleared();
    }

    /// Removes the rows after `seq` because the log continues differently from there. Returns the number of messages
    /// among them.
    pub fn remove_after(&mut self, seq: Seq) -> usize {
        let end = self.rows.partition_point(|row| row.key.seq <= seq.get());
        let mut removed = 0;
        for row in self.rows.drain(end..) {
            self.bytes -= row.bytes();
            if row.is_message() {
                self.hits.removed(row.key);
                removed += 1;
            }
        }
        self.rekeyed += 1;
        self.held.remove_after(seq.get());
        self.update_last_gap();
        self.cleared = self.cleared.min(self.last_key());
        removed
    }

    fn add(&mut self, ts: Timestamp, body: Body) {
        let row = LogRow { key: self.last_key().next(), ts, body };
        self.bytes += row.bytes();
        self.rows.push_back(row);
        self.trim();
    }

    /// Inserts a message at its place and returns its index; `None` if it was there already.
    pub(super) fn insert(&mut self, seq: Seq, ts: Timestamp, message: ShownMessage) -> Option<usize> {
        let key = ItemKey::message(seq);
        let index = self.rows.partition_point(|row| row.key < key);
        if let Some(row) = self.rows.get(index).filter(|row| row.key == key) {
            if let Body::Message(known) = &row.body
                && known.rev() < message.rev()
            {
                self.change_row(index, |known| *known = message);
            }
            return None;
        }
        let row = LogRow { key, ts, body: Body::Message(message) };
        self.bytes += row.bytes();
        self.rows.insert(index, row);
        self.held.add(seq.get(), seq.get());
        self.hits.added(Item::Row(&self.rows[index]));
        if seq == Seq::new(1) {
            self.top = Top::Beginning;
        }
        Some(index)
    }

    pub(super) fn trim(&mut self) {
        while self.rows.len() > HELD {
            self.drop_oldest();
        }
    }

    /// Drops the oldest rows up to `count`, which can be loaded again. The newest entry stays, and what is behind it.
    /// Returns false if nothing is dropped.
    pub fn drop_rows(&mut self, count: usize) -> bool {
        let newest = self.rows.iter().rposition(LogRow::is_entry).or_else(|| self.rows.len().checked_sub(1));
        let newest = newest.unwrap_or(0);
        let count = count.min(newest);
        (0..count).for_each(|_| self.drop_oldest());
        count > 0
    }

    fn drop_oldest(&mut self) {
        let Some(row) = self.rows.pop_front() else { return };
        self.bytes -= row.bytes();
        if row.is_message() {
            self.hits.removed(row.key);
        }
        if row.is_entry() {
            self.held.remove_up_to(row.key.seq);
            self.top = Top::Older;
        }
    }
}
