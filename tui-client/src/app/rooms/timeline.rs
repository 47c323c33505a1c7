//! What is held of one room's past: entries in the order of their numbers, notes where they happened, and at the end
//! what was written here and has no number yet.
//!
//! Two things are kept apart: the seqs that are held (`held`), of entries of any kind, and the rows that are shown.
//!
//! Invariants: items are sorted by [`Key`], and each key is there once. The seq of each message is held. Where seqs are
//! missing after a message there is a [`Body::Gap`], which pages of the past fill (`pages`). At most [`HELD`] rows are
//! held; the oldest go first.

mod held;
mod hits;
mod outgoing;
mod pages;
mod presence;

use std::collections::VecDeque;

use realtime_shared::Seq;

pub use outgoing::{Outgoing, Sending};
pub use pages::Loaded;
pub use presence::Presence;

use crate::app::clock::Stamp;
use crate::sanitize::{Block, Line};
use held::Held;
use hits::Hits;

/// Entries that a room holds at most.
pub const HELD: usize = 10_000;
/// The place of an item, and its name: the number of the last message at or before it, then how many items after
/// that message. Stays the same while others come and go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Key {
    seq: u64,
    after: u32,
}

impl Key {
    /// After all that there is.
    pub(in crate::app) const END: Self = Self { seq: u64::MAX, after: u32::MAX };

    pub(in crate::app) const fn message(seq: Seq) -> Self {
        Self { seq: seq.get(), after: 0 }
    }

    /// After all that follows the message, and before the next one.
    pub(in crate::app) const fn end_of(seq: Seq) -> Self {
        Self { seq: seq.get(), after: u32::MAX }
    }

    const fn next(self) -> Self {
        Self { seq: self.seq, after: self.after.saturating_add(1) }
    }
}

/// Something in the timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place.
    pub key: Key,
    /// When it happened.
    pub stamp: Stamp,
    /// What it is.
    pub body: Body,
}

impl Entry {
    const fn is_message(&self) -> bool {
        matches!(self.body, Body::Message(_))
    }
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Somebody's message.
    Message(Said),
    /// People who came and went with nothing said between.
    Presence(Presence),
    /// Something that the client or the server tells.
    Note {
        /// How it is meant.
        tone: Tone,
        /// What it says.
        text: Block,
    },
    /// Messages are missing here, and can be loaded.
    Gap,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Who wrote it.
    pub nick: Line,
    /// What it says.
    pub text: Block,
    /// Whether it names the user.
    pub mention: bool,
    /// Whether it was written in this client, and seen stored.
    pub ours: bool,
}

/// How a note is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// For information.
    Info,
    /// From an admin.
    Notice,
    /// Something was refused or went wrong.
    Error,
}

/// One of the things that a timeline shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item<'a> {
    /// It has its place.
    Entry(&'a Entry),
    /// It waits for one.
    Outgoing(&'a Outgoing),
}

impl Item<'_> {
    /// Its place.
    #[must_use]
    pub const fn key(&self) -> Key {
        match self {
            Self::Entry(entry) => entry.key,
            Self::Outgoing(outgoing) => outgoing.key,
        }
    }

    /// When it happened.
    #[must_use]
    pub const fn stamp(&self) -> Stamp {
        match self {
            Self::Entry(entry) => entry.stamp,
            Self::Outgoing(outgoing) => outgoing.stamp,
        }
    }
}

/// What is before the first entry that is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Top {
    /// Not known yet.
    #[default]
    Unknown,
    /// Older messages, which can be loaded.
    Older,
    /// Older messages, which the server has no more.
    Gone,
    /// Nothing.
    Beginning,
}

/// What is held of one room's past.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Timeline {
    entries: VecDeque<Entry>,
    held: Held,
    outgoing: VecDeque<Outgoing>,
    written: u32,
    top: Top,
    /// The last entry that was put out of sight.
    cleared: Key,
    hits: Hits,
}

impl Timeline {
    /// How many items there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len() + self.outgoing.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The item at `index`, from the oldest.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Item<'_>> {
        match self.entries.get(index) {
            Some(entry) => Some(Item::Entry(entry)),
            None => self.outgoing.get(index - self.entries.len()).map(Item::Outgoing),
        }
    }

    /// The index of the first item that is not before `key`.
    #[must_use]
    pub fn index_of(&self, key: Key) -> usize {
        match self.entries.partition_point(|entry| entry.key < key) {
            end if end == self.entries.len() => end + self.outgoing.partition_point(|item| item.key < key),
            index => index,
        }
    }

    /// What is before the first item.
    #[must_use]
    pub const fn top(&self) -> Top {
        self.top
    }

    /// The place of the last entry that has one.
    #[must_use]
    pub fn last_key(&self) -> Key {
        self.entries.back().map_or(Key::default(), |entry| entry.key)
    }

    /// The newest seq that is held; 0 if there is none.
    #[must_use]
    pub fn last_seq(&self) -> Seq {
        Seq::new(self.last_key().seq.max(self.held.last().unwrap_or_default()))
    }

    /// Puts all entries out of sight, above what comes from now on. What is on its way stays.
    pub fn clear(&mut self) {
        self.cleared = self.last_key();
    }

    /// Shows what was put out of sight.
    pub fn uncover(&mut self) {
        self.cleared = Key::default();
    }

    /// The index of the first item that is not out of sight; there may be none.
    #[must_use]
    pub fn first_in_sight(&self) -> usize {
        self.entries.partition_point(|entry| entry.key <= self.cleared)
    }

    /// Adds a message; whether it was not there yet.
    pub fn add_message(&mut self, seq: Seq, stamp: Stamp, said: Said) -> bool {
        let Some(index) = self.insert(seq, stamp, said) else { return false };
        self.mend_around(index);
        self.trim();
        true
    }

    /// Adds a note at the end.
    pub fn add_note(&mut self, stamp: Stamp, tone: Tone, text: Block) {
        self.add(stamp, Body::Note { tone, text });
    }

    /// Adds that somebody came or went, to the last line where that is of the same kind and day, and in sight.
    pub fn add_presence(&mut self, stamp: Stamp, nick: &Line, came: bool) {
        if let Some(Entry { key, body: Body::Presence(presence), stamp: last }) = self.entries.back_mut()
            && last.day == stamp.day
            && *key > self.cleared
        {
            presence.add(nick, came);
            return;
        }
        let mut presence = Presence::default();
        presence.add(nick, came);
        self.add(stamp, Body::Presence(presence));
    }

    /// Forgets all entries: they are of another log. What is on its way stays.
    pub fn reset(&mut self) {
        for entry in self.entries.drain(..).filter(Entry::is_message) {
            self.hits.went(entry.key);
        }
        self.held.clear();
        self.top = Top::Older;
        self.uncover();
    }

    /// Forgets the entries after `seq`: the log goes on from there in another way. How many messages they were.
    pub fn forget_after(&mut self, seq: Seq) -> usize {
        let end = self.entries.partition_point(|entry| entry.key.seq <= seq.get());
        let mut forgotten = 0;
        for entry in self.entries.drain(end..).filter(Entry::is_message) {
            self.hits.went(entry.key);
            forgotten += 1;
        }
        self.held.forget_after(seq.get());
        self.mend_end();
        self.cleared = self.cleared.min(self.last_key());
        forgotten
    }

    fn add(&mut self, stamp: Stamp, body: Body) {
        self.entries.push_back(Entry { key: self.last_key().next(), stamp, body });
        self.trim();
    }

    /// Puts a message at its place; `None` where it is there already.
    fn insert(&mut self, seq: Seq, stamp: Stamp, said: Said) -> Option<usize> {
        let key = Key::message(seq);
        let index = self.entries.partition_point(|entry| entry.key < key);
        if self.entries.get(index).is_some_and(|entry| entry.key == key) {
            return None;
        }
        self.entries.insert(index, Entry { key, stamp, body: Body::Message(said) });
        self.held.add(seq.get(), seq.get());
        self.hits.came(Item::Entry(&self.entries[index]));
        if seq == Seq::new(1) {
            self.top = Top::Beginning;
        }
        Some(index)
    }

    fn trim(&mut self) {
        while self.entries.len() > HELD {
            if let Some(entry) = self.entries.pop_front().filter(Entry::is_message) {
                self.hits.went(entry.key);
                self.held.forget_up_to(entry.key.seq);
            }
            self.top = Top::Older;
        }
    }
}

#[cfg(test)]
mod tests;
