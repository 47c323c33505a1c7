//! Pages of the past: where they go, which is wanted next, and what is said of the places where something is missing.

use realtime_shared::Seq;

use super::{Body, Entry, HELD, Key, Said, Stamp, Timeline, Top};

/// The largest page that a server answers with: a page is asked for only where it fits.
const PAGE: usize = 200;
/// The next page is asked for when the view comes this near to what is missing, in entries.
const NEAR: usize = 30;

/// An entry of a page of the past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// Its number.
    pub seq: Seq,
    /// What is shown of it; `None` for an entry that this version cannot read.
    pub row: Option<(Stamp, Said)>,
}

impl Timeline {
    /// Whether as many entries are held as may be, so that older ones are not loaded.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.entries.len() + PAGE > HELD
    }

    /// Holds the seq of an entry that came and has no row.
    pub fn hold(&mut self, seq: Seq) {
        self.held.add(seq.get(), seq.get());
        let next = self.row_from(seq);
        if self.entries.range(..next).any(Entry::is_message) {
            self.mend(next, true);
        } else if seq == Seq::new(1) {
            self.top = Top::Beginning;
        }
    }

    /// Adds a page of the past: the entries before `before`, or the newest ones, with their rows. `has_more`: older ones
    /// can be loaded.
    pub fn add_page(&mut self, before: Option<Seq>, page: Vec<Loaded>, has_more: bool) {
        let (Some(first), Some(last)) =
            (page.iter().map(|entry| entry.seq).min(), page.iter().map(|entry| entry.seq).max())
        else {
            self.add_nothing(before);
            return;
        };
        if self.top == Top::Unknown {
            self.move_early_notes(last);
        }
        // The server leaves nothing out of a page, and nothing between the page and `before`.
        let up_to = before.map_or(last.get(), |before| last.get().max(before.get().saturating_sub(1)));
        self.held.add(first.get(), up_to);
        let mut rows = Vec::new();
        for Loaded { seq, row } in page {
            if let Some((stamp, said)) = row {
                self.insert(seq, stamp, said);
                rows.push(seq);
            }
        }
        let oldest = self.row_from(first);
        let oldest_seq = self.entries.get(oldest).map(|entry| entry.key.seq);
        self.mend(oldest, has_more);
        for seq in rows.into_iter().filter(|seq| Some(seq.get()) != oldest_seq) {
            self.mend(self.row_from(seq), true);
        }
        let next = self.row_from(Seq::new(up_to).next());
        if next != self.row_from(first) {
            self.mend(next, true);
        }
        self.trim();
    }

    /// There is nothing before `before`, or nothing at all.
    fn add_nothing(&mut self, before: Option<Seq>) {
        match before {
            Some(before) if self.held.run_start(before.get()).is_some() => {
                self.mend(self.row_from(before), false);
            }
            Some(before) if self.top == Top::Unknown => self.top = start(before.get()),
            None if self.held.last().is_none() => self.top = Top::Beginning,
            Some(_) | None => {}
        }
    }

    /// The first seq of those that are held without a hole up to `seq`.
    #[must_use]
    pub fn held_from(&self, seq: Seq) -> Seq {
        Seq::new(self.held.run_start(seq.get()).unwrap_or(seq.get()))
    }

    /// Before which seq a page is missing, where the view's top is near below that place.
    #[must_use]
    pub fn wanted_near(&self, top: Key) -> Option<Seq> {
        let end = self.index_of(top).min(self.entries.len());
        let from = end.saturating_sub(NEAR);
        match self.lowest_gap(from, end) {
            _ if self.is_full() => None,
            Some(gap) => self.missing_before(gap),
            None if from == 0 && self.top == Top::Older => self.missing_before(0),
            None => None,
        }
    }

    /// Before which seq a page is missing, where that place is visible: the items from `first` to `last` are.
    #[must_use]
    pub fn wanted_in(&self, (first, last): (Key, Key)) -> Option<Seq> {
        let end = (self.index_of(last) + 1).min(self.entries.len());
        let gap = self.lowest_gap(self.index_of(first).min(end), end).filter(|_| !self.is_full())?;
        self.missing_before(gap)
    }

    /// Before which seq a page is missing that is older than `key`; the newest such place.
    #[must_use]
    pub fn wanted_before(&self, key: Key) -> Option<Seq> {
        match self.lowest_gap(0, self.index_of(key).min(self.entries.len())) {
            _ if self.is_full() => None,
            Some(gap) => self.missing_before(gap),
            None if self.top == Top::Older => self.missing_before(0),
            None => None,
        }
    }

    fn lowest_gap(&self, from: usize, end: usize) -> Option<usize> {
        let gap = self.entries.range(from..end).rposition(|entry| entry.body == Body::Gap)?;
        Some(from + gap)
    }

    /// The index of the gap that a page before `seq` is for.
    #[must_use]
    pub fn gap_before(&self, seq: Seq) -> Option<usize> {
        let index = self.row_from(seq);
        let mut between = (0..index).rev().map(|at| (at, &self.entries[at].body));
        between
            .find(|(_, body)| matches!(body, Body::Message(_) | Body::Gap))
            .filter(|(_, body)| **body == Body::Gap)
            .map(|(at, _)| at)
    }

    /// The seq before which a page is missing above the first message from `index` on, or above the end.
    fn missing_before(&self, index: usize) -> Option<Seq> {
        let message = self.entries.range(index..).find(|entry| entry.is_message());
        let seq = message.map(|entry| entry.key.seq).or_else(|| self.held.last())?;
        Some(self.held_from(Seq::new(seq)))
    }

    /// The index of the first message from `seq` on; where there is none, of the end.
    fn row_from(&self, seq: Seq) -> usize {
        let from = self.entries.partition_point(|entry| entry.key < Key::message(seq));
        let messages = self.entries.range(from..).position(Entry::is_message);
        messages.map_or(self.entries.len(), |at| from + at)
    }

    /// Notes from before anything was loaded happened after what is loaded first, and before what came since.
    fn move_early_notes(&mut self, last: Seq) {
        let early = self.entries.partition_point(|entry| entry.key.seq == 0);
        let next = self.entries.get(early).map_or(u64::MAX, |entry| entry.key.seq);
        for entry in self.entries.range_mut(..early) {
            entry.key.seq = last.get().min(next - 1);
        }
    }

    /// Updates the gaps before and after a message that came by itself. Before the first one held nothing is known, and
    /// nothing is shown.
    pub(super) fn mend_around(&mut self, index: usize) {
        let mut index = index;
        if self.entries.range(..index).rev().any(Entry::is_message) {
            let held = self.entries.len();
            self.mend(index, true);
            index = index + self.entries.len() - held;
        }
        let next = self.entries.range(index + 1..).position(Entry::is_message);
        self.mend(next.map_or(self.entries.len(), |next| index + 1 + next), true);
    }

    /// Updates the gap after the last message.
    pub(super) fn mend_end(&mut self) {
        if self.entries.iter().any(Entry::is_message) {
            self.mend(self.entries.len(), true);
        }
    }

    /// Updates the gap between the message at `index`, or the end of what is held, and the message before it; without
    /// one, the top. `open`: more can be loaded there.
    fn mend(&mut self, index: usize, open: bool) {
        let newest = self.held.last().unwrap_or_default();
        let end = self.entries.get(index).map_or(newest.saturating_add(1), |entry| entry.key.seq);
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
        let is_gap = if let Some(before) = before {
            let (first, last) = (before.saturating_add(1), end.saturating_sub(1));
            if !open {
                self.held.add(first, last);
            }
            !self.held.covers(first, last)
        } else {
            let oldest = self.held.run_start(end.min(newest)).unwrap_or(end);
            self.top = if open && oldest > 1 { Top::Older } else { start(oldest) };
            false
        };
        match gap {
            Some(at) if !is_gap => {
                self.entries.remove(at);
            }
            None if is_gap => {
                let Entry { key, stamp, .. } = &self.entries[index - 1];
                let stamp = self.entries.get(index).map_or(*stamp, |entry| entry.stamp);
                let gap = Entry { key: key.next(), stamp, body: Body::Gap };
                self.entries.insert(index, gap);
            }
            Some(_) | None => {}
        }
    }
}

/// What is before an entry before which there is nothing to load.
const fn start(seq: u64) -> Top {
    if seq > 1 { Top::Gone } else { Top::Beginning }
}
