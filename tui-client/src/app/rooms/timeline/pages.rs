//! Pages of the past: where they go, which is wanted next, and what is said of the places where something is missing.

use realtime_shared::Seq;

use super::{Body, Entry, HELD, Key, Said, Stamp, Timeline, Top};

/// The largest page that a server answers with: a page is asked for only where it fits.
const PAGE: usize = 200;
/// The next page is asked for when the view comes this near to what is missing, in entries.
const NEAR: usize = 30;

impl Timeline {
    /// Whether as many entries are held as may be, so that older ones are not loaded.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.entries.len() + PAGE > HELD
    }

    /// Adds a page of the past, ascending: what is before `before`, or the newest.
    pub fn add_page(&mut self, before: Option<Seq>, page: Vec<(Seq, Stamp, Said)>, has_more: bool) {
        let (Some(first), Some(last)) = (page.first().map(|entry| entry.0), page.last().map(|entry| entry.0))
        else {
            self.add_nothing(before);
            return;
        };
        if self.top == Top::Unknown {
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

    /// There is nothing before `before`, or nothing at all.
    fn add_nothing(&mut self, before: Option<Seq>) {
        match before {
            Some(before) if self.mend_before(before, false) => {}
            Some(before) if self.top == Top::Unknown => self.top = start(before.get()),
            None if self.last_key().seq == 0 => self.top = Top::Beginning,
            _ => {}
        }
    }

    /// Before which message a page is missing, where the view's top is near below that place.
    #[must_use]
    pub fn wanted_near(&self, top: Key) -> Option<Seq> {
        let end = self.index_of(top).min(self.entries.len());
        let from = end.saturating_sub(NEAR);
        match self.lowest_gap(from, end) {
            _ if self.is_full() => None,
            Some(gap) => self.next_message(gap),
            None if from == 0 && self.top == Top::Older => self.next_message(0),
            None => None,
        }
    }

    /// Before which message a page is missing, where that place is visible: the items from `first` to `last` are.
    #[must_use]
    pub fn wanted_in(&self, (first, last): (Key, Key)) -> Option<Seq> {
        let end = (self.index_of(last) + 1).min(self.entries.len());
        let gap = self.lowest_gap(self.index_of(first).min(end), end).filter(|_| !self.is_full())?;
        self.next_message(gap)
    }

    /// Before which message a page is missing that is older than `key`; the newest such place.
    #[must_use]
    pub fn wanted_before(&self, key: Key) -> Option<Seq> {
        match self.lowest_gap(0, self.index_of(key).min(self.entries.len())) {
            _ if self.is_full() => None,
            Some(gap) => self.next_message(gap),
            None if self.top == Top::Older => self.next_message(0),
            None => None,
        }
    }

    fn lowest_gap(&self, from: usize, end: usize) -> Option<usize> {
        let gap = self.entries.range(from..end).rposition(|entry| entry.body == Body::Gap)?;
        Some(from + gap)
    }

    /// The index of the gap between the message `seq` and the one before it.
    #[must_use]
    pub fn gap_before(&self, seq: Seq) -> Option<usize> {
        let index = self.entries.partition_point(|entry| entry.key < Key::message(seq));
        let mut between = (0..index).rev().map(|at| (at, &self.entries[at].body));
        between
            .find(|(_, body)| matches!(body, Body::Message(_) | Body::Gap))
            .filter(|(_, body)| **body == Body::Gap)
            .map(|(at, _)| at)
    }

    /// The number of the first message from `index` on.
    fn next_message(&self, index: usize) -> Option<Seq> {
        self.entries.range(index..).find(|entry| entry.is_message()).map(|entry| Seq::new(entry.key.seq))
    }

    /// Notes from before anything was loaded happened after what is loaded first, and before what came since.
    fn move_early_notes(&mut self, last: Seq) {
        let early = self.entries.partition_point(|entry| entry.key.seq == 0);
        let next = self.entries.get(early).map_or(u64::MAX, |entry| entry.key.seq);
        for entry in self.entries.range_mut(..early) {
            entry.key.seq = last.get().min(next - 1);
        }
    }

    /// Puts right what is said of the places before and after a message that came by itself. Before the first one held
    /// nothing is known, and nothing is said.
    pub(super) fn mend_around(&mut self, index: usize) {
        let mut index = index;
        if self.entries.range(..index).rev().any(Entry::is_message) {
            let held = self.entries.len();
            self.mend(index, true);
            index = index + self.entries.len() - held;
        }
        if let Some(next) = self.entries.range(index + 1..).position(Entry::is_message) {
            self.mend(index + 1 + next, true);
        }
    }

    /// Puts right what is said of the place before the message `seq`; whether that is held.
    fn mend_before(&mut self, seq: Seq, open: bool) -> bool {
        let key = Key::message(seq);
        let index = self.entries.partition_point(|entry| entry.key < key);
        let is_held = self.entries.get(index).is_some_and(|entry| entry.key == key);
        if is_held {
            self.mend(index, open);
        }
        is_held
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
            self.top = if open { Top::Older } else { start(seq) };
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
}

/// What is before an entry before which there is nothing to load.
const fn start(seq: u64) -> Top {
    if seq > 1 { Top::Gone } else { Top::Beginning }
}
