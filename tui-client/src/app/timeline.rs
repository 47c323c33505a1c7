//! What is held of one room's past: entries in the order of their numbers, notes where they happened, and at the end
//! what was written here and has no number yet.
//!
//! Invariants: items are sorted by [`Key`], and each key is there once. Where numbers are missing between two
//! messages there is a [`Body::Gap`]. At most [`HELD`] entries are held; the oldest go first.

mod outgoing;
mod presence;

use std::collections::VecDeque;

use realtime_shared::Seq;

pub use outgoing::{Outgoing, Sending};
pub use presence::Presence;

use super::clock::Stamp;
use crate::sanitize::{Block, Line};

/// Entries that a room holds at most.
pub const HELD: usize = 10_000;
/// The largest page that a server answers with: a page is asked for only where it fits.
const PAGE: usize = 200;
/// The next page is asked for when the view comes this near to what is missing, in entries.
const NEAR: usize = 30;

/// The place of an item, and its name: the number of the last message at or before it, then how many items after
/// that message. Stays the same while others come and go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Key {
    seq: u64,
    after: u32,
}

impl Key {
    const fn message(seq: Seq) -> Self {
        Self { seq: seq.get(), after: 0 }
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
    /// Nothing.
    Beginning,
}

/// What is held of one room's past.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Timeline {
    entries: VecDeque<Entry>,
    outgoing: VecDeque<Outgoing>,
    written: u32,
    top: Top,
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

    /// Whether as many entries are held as may be, so that older ones are not loaded.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.entries.len() + PAGE > HELD
    }

    /// The place of the last entry that has one.
    #[must_use]
    pub fn last_key(&self) -> Key {
        self.entries.back().map_or(Key::default(), |entry| entry.key)
    }

    /// The number of the newest message; 0 where none is held.
    #[must_use]
    pub fn last_seq(&self) -> Seq {
        Seq::new(self.last_key().seq)
    }

    /// Adds a message; whether it was not there yet.
    pub fn add_message(&mut self, seq: Seq, stamp: Stamp, said: Said) -> bool {
        let after_hole = self.last_key().seq != 0 && seq.get() > self.last_key().seq.saturating_add(1);
        let Some(index) = self.insert(seq, stamp, said) else { return false };
        if after_hole {
            self.mend(index, true);
        }
        self.trim();
        true
    }

    /// Adds a note at the end.
    pub fn add_note(&mut self, stamp: Stamp, tone: Tone, text: Block) {
        self.add(stamp, Body::Note { tone, text });
    }

    /// Adds that somebody came or went, to the last line where that is of the same kind and day.
    pub fn add_presence(&mut self, stamp: Stamp, nick: &Line, came: bool) {
        if let Some(Entry { body: Body::Presence(presence), stamp: last, .. }) = self.entries.back_mut()
            && last.day == stamp.day
        {
            presence.add(nick, came);
            return;
        }
        let mut presence = Presence::default();
        presence.add(nick, came);
        self.add(stamp, Body::Presence(presence));
    }

    /// Adds a page of the past, ascending: what is before `before`, or the newest.
    pub fn add_page(&mut self, before: Option<Seq>, page: Vec<(Seq, Stamp, Said)>, has_more: bool) {
        let (Some(first), Some(last)) = (page.first().map(|entry| entry.0), page.last().map(|entry| entry.0))
        else {
            match before {
                Some(before) => self.mend_before(before, false),
                None if self.last_key().seq == 0 => self.top = Top::Beginning,
                None => {}
            }
            return;
        };
        if before.is_none() {
            self.move_early_notes(last);
        }
        let mut fresh = None;
        for (seq, stamp, said) in page {
            if self.insert(seq, stamp, said).is_some() {
                fresh.get_or_insert(seq);
            }
        }
        self.mend_before(first, has_more);
        if let Some(fresh) = fresh.filter(|&fresh| fresh != first) {
            self.mend_before(fresh, true);
        }
        let next = self.entries.partition_point(|entry| entry.key.seq <= last.get());
        if next < self.entries.len() {
            self.mend(next, true);
        }
        self.trim();
    }

    /// Before which message a page is missing, where the view's top is near it.
    #[must_use]
    pub fn wanted_near(&self, top: Key) -> Option<Seq> {
        let index = self.index_of(top).min(self.entries.len());
        let from = index.saturating_sub(NEAR);
        let gap = self.entries.range(from..index).rposition(|entry| entry.body == Body::Gap);
        let start = match gap {
            Some(gap) => from + gap,
            None if from == 0 && self.top == Top::Older => 0,
            None => return None,
        };
        if self.is_full() {
            return None;
        }
        let message = |entry: &&Entry| matches!(entry.body, Body::Message(_));
        self.entries.range(start..).find(message).map(|entry| Seq::new(entry.key.seq))
    }

    /// Forgets all entries: they are of another log. What is on its way stays.
    pub fn reset(&mut self) {
        self.entries.clear();
        self.top = Top::Older;
    }

    /// Forgets the entries after `seq`: the log goes on from there in another way.
    pub fn forget_after(&mut self, seq: Seq) {
        let end = self.entries.partition_point(|entry| entry.key.seq <= seq.get());
        self.entries.truncate(end);
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
        if seq == Seq::new(1) {
            self.top = Top::Beginning;
        }
        Some(index)
    }

    /// Notes from before anything was loaded happened after what is loaded first, and before what came since.
    fn move_early_notes(&mut self, last: Seq) {
        let early = self.entries.partition_point(|entry| entry.key.seq == 0);
        let next = self.entries.get(early).map_or(u64::MAX, |entry| entry.key.seq);
        for entry in self.entries.range_mut(..early) {
            entry.key.seq = last.get().min(next - 1);
        }
    }

    fn mend_before(&mut self, seq: Seq, open: bool) {
        let key = Key::message(seq);
        let index = self.entries.partition_point(|entry| entry.key < key);
        if self.entries.get(index).is_some_and(|entry| entry.key == key) {
            self.mend(index, open);
        }
    }

    /// Puts right what is said of the place between the message at `index` and the one before it: `open` where more
    /// can be loaded there.
    fn mend(&mut self, index: usize, open: bool) {
        let seq = self.entries[index].key.seq;
        let mut gap = None;
        let mut before = None;
        for (at, entry) in self.entries.range(..index).enumerate().rev() {
            match entry.body {
                Body::Message(_) => {
                    before = Some(entry.key.seq);
                    break;
                }
                Body::Gap => gap = Some(at),
                Body::Presence(_) | Body::Note { .. } => {}
            }
        }
        if before.is_none() {
            self.top = if open { Top::Older } else { Top::Beginning };
        }
        let is_gap = open && before.is_some_and(|before| before.saturating_add(1) < seq);
        match gap {
            Some(at) if !is_gap => {
                self.entries.remove(at);
            }
            None if is_gap => {
                let key = self.entries[index - 1].key.next();
                let stamp = self.entries[index].stamp;
                self.entries.insert(index, Entry { key, stamp, body: Body::Gap });
            }
            _ => {}
        }
    }

    fn trim(&mut self) {
        while self.entries.len() > HELD {
            self.entries.pop_front();
            self.top = Top::Older;
        }
    }
}

#[cfg(test)]
mod tests;
